"""PASCAL VOC's folders, as VOC, CVAT and LabelMe write them."""

import os
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.curation.validate import validate
from mrcnn.data.formats import open_dataset, parts_of, recognise
from mrcnn.data.formats.label_colours import voc_colours
from mrcnn.data.formats.voc_layout import VOC_CLASSES
from mrcnn.errors import DataError
from tests.voc_files import class_mask, object_mask, save_colours, save_palette, write_voc

# All of these folders have void pixels but where a test says otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:.*with void pixels")


def names_of(dataset):
    return [dataset.file_name(i) for i in dataset.image_ids]


def test_vocs_own_folder(tmp_path):
    root = write_voc(tmp_path / "VOCdevkit" / "VOC2012", "abc", {"train": "ab", "val": "c", "trainval": "abc"})
    for path in (root, root.parent, root / "SegmentationObject"):
        assert recognise(path) == "voc"
    (root / "label_names.txt").write_text("\n".join(("background", *VOC_CLASSES)))
    assert recognise(root / "SegmentationClass") == "label_maps"
    assert parts_of(root) == ("train", "val", "trainval")
    with pytest.warns(UserWarning, match="3 photos with void pixels .255.: outside every object"):
        dataset = open_dataset(root)
    assert names_of(dataset) == ["a.jpg", "b.jpg", "c.jpg"] and dataset.class_names == ["BG", *VOC_CLASSES]
    assert [info["split"] for info in dataset.image_info] == ["train", "train", "val"]
    masks, class_ids = dataset.load_mask(0)
    assert [dataset.class_names[i] for i in class_ids] == ["person", "tvmonitor"]
    for number in (1, 2):
        np.testing.assert_array_equal(masks[..., number - 1], object_mask() == number)
    assert dataset.object_classes(0).tolist() == [15, 20] and dataset.object_faults(0) == []
    np.testing.assert_array_equal(dataset.label_map(0), class_mask())  # 255 is ignored there
    assert names_of(open_dataset(root, split="val")) == ["c.jpg"]
    assert names_of(open_dataset(root, split="trainval", limit=2)) == ["a.jpg", "b.jpg"]


def test_the_folder_of_cvat(tmp_path):
    colours = {0: (0, 0, 0), 1: (250, 50, 83), 2: (51, 221, 255)}
    objects, usual = np.where(object_mask() == 255, 0, object_mask()), voc_colours()
    save_colours(tmp_path / "SegmentationClass" / "sub" / "a.png", objects, colours)
    save_colours(tmp_path / "SegmentationObject" / "sub" / "a.png", objects, {1: usual[1], 2: usual[2]})
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nshirt:250,50,83::\nshoe:51,221,255::\n")
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Segmentation" / "default.txt").write_text('sub/a\n"b c"\n')
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    for name in ("sub/a", "b c"):
        Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(photos / f"{name}.png")
    assert recognise(tmp_path) == "voc" and parts_of(tmp_path) == ()
    with pytest.raises(DataError, match="JPEGImages: no such image folder: give the folder of the photos"):
        open_dataset(tmp_path)
    with pytest.warns(UserWarning, match="1 photo listed without a mask: taken as photos without objects .first: b c"):
        dataset = open_dataset(tmp_path, photos)
    assert names_of(dataset) == ["sub/a.png", "b c.png"] and dataset.class_names == ["BG", "shirt", "shoe"]
    assert dataset.object_classes(0).tolist() == [1, 2] and dataset.object_count(1) == 0
    np.testing.assert_array_equal(dataset.load_mask(0)[0].any(axis=2), objects > 0)
    assert dataset.label_map(1).shape == (12, 16) and not dataset.label_map(1).any()
    np.testing.assert_array_equal(dataset.label_map(0), objects)


@pytest.mark.parametrize("suffix", ["", "PNG"])
def test_the_folder_of_labelme(tmp_path, suffix):
    write_voc(tmp_path, "a")
    os.remove(tmp_path / "SegmentationClass" / "a.png")
    save_palette(tmp_path / f"SegmentationClass{suffix}" / "a.png", class_mask(2, 1))
    if suffix:  # in older versions arrays lie in the folders of these names
        (tmp_path / "SegmentationObject" / "a.png").rename(tmp_path / "SegmentationObject" / "a.npy")
        save_palette(tmp_path / "SegmentationObjectPNG" / "a.png", object_mask())
    (tmp_path / "class_names.txt").write_text("_background_\nshirt\nshoe")
    dataset = open_dataset(tmp_path)
    assert dataset.class_names == ["BG", "shirt", "shoe"] and dataset.object_classes(0).tolist() == [2, 1]
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\nshirt\nshoe\n")
    assert open_dataset(tmp_path, names=tmp_path / "labels.txt").object_classes(0).tolist() == [2, 1]


def test_a_mapping_merges_and_drops_labels(tmp_path):
    write_voc(tmp_path, "a")
    dataset = open_dataset(tmp_path, mapping={"classes": {"human": ["person"]}})
    assert dataset.class_names == ["BG", "human"] and dataset.object_classes(0).tolist() == [1]


def test_an_object_of_several_classes_is_of_the_class_of_most_and_told(tmp_path):
    write_voc(tmp_path, "a")
    labels = class_mask()
    labels[4:6, 8:14] = 9  # 12 of the 36 pixels of object 2
    save_palette(tmp_path / "SegmentationClass" / "a.png", labels)
    with pytest.warns(UserWarning, match="1 object of the first 20 photos of which .*several.*a.jpg, object 2"):
        dataset = open_dataset(tmp_path)
    assert dataset.object_classes(0).tolist() == [15, 20]
    (fault,) = validate(dataset)
    assert (fault.kind, fault.number) == ("mixed classes", 2) and fault.harmless
    assert "12 of label 9, 24 of label 20" in fault.message
    assert len(open_dataset(tmp_path, on_error="skip").objects(0)) == 2


@pytest.mark.parametrize("label, said", [
    (0, "background in SegmentationClass"), (77, "of label 77, which has no name")])
def test_an_object_without_a_class_is_a_fault(tmp_path, label, said):
    write_voc(tmp_path, "ab")
    save_palette(tmp_path / "SegmentationClass" / "a.png", class_mask(second=label))
    with pytest.raises(DataError, match=f"a.jpg, object 2: most of its pixels are {said}"):
        open_dataset(tmp_path).objects(0)
    with pytest.warns(UserWarning, match="left out 1 photo that lost 1 object"):
        assert names_of(open_dataset(tmp_path, on_error="skip")) == ["b.jpg"]


def test_void_objects_are_none(tmp_path):
    write_voc(tmp_path, "a")
    save_palette(tmp_path / "SegmentationClass" / "a.png", class_mask(second=255))
    assert open_dataset(tmp_path).object_classes(0).tolist() == [15]


def test_more_objects_than_255(tmp_path):
    write_voc(tmp_path, "a")
    numbers = np.where(object_mask() == 255, 0, object_mask()).astype(np.uint16)
    numbers[numbers == 2] = 255
    numbers[numbers == 1] = 300
    Image.fromarray(numbers).save(tmp_path / "SegmentationObject" / "a.png")
    assert [entry.number for entry in open_dataset(tmp_path).objects(0)] == [255, 300]


def test_a_listed_name_that_leads_out_is_a_fault_of_its_photo(tmp_path):
    write_voc(tmp_path / "voc", "ab", {"train": ["a", "../z"]})
    with pytest.raises(DataError, match=r"voc: ../z: file_name .* leads out of the image folder.*on_error"):
        open_dataset(tmp_path / "voc", split="train")
    with pytest.warns(UserWarning, match="listed without a mask|skipped ../z"):
        dataset = open_dataset(tmp_path / "voc", split="train", on_error="skip")
    assert names_of(dataset) == ["a.jpg"] and [fault.kind for fault in dataset.faults] == ["path escape"]


def test_masks_that_end_in_capitals(tmp_path):
    write_voc(tmp_path, "a")
    for folder in ("SegmentationObject", "SegmentationClass"):
        os.rename(tmp_path / folder / "a.png", tmp_path / folder / "a.PNG")
    dataset = open_dataset(tmp_path)
    assert dataset.object_count(0) == 2


def test_refusals(tmp_path):
    write_voc(tmp_path, "ab", {"train": "ab", "test": "xy"})
    with pytest.raises(DataError, match="has no part 'val': it has train, test"):
        open_dataset(tmp_path, split="val")
    with pytest.raises(DataError, match="none of 2 photos of part test has a mask.*VOC gives none"):
        open_dataset(tmp_path, split="test")
    save_palette(tmp_path / "SegmentationObject" / "b.png", object_mask()[:, :-1])
    with pytest.raises(DataError, match="b.jpg: the mask has 12x15 pixels, the photo 12x16"):
        open_dataset(tmp_path)
    os.remove(tmp_path / "SegmentationClass" / "b.png")
    with pytest.raises(DataError, match="b.jpg: "):
        open_dataset(tmp_path)
    os.remove(tmp_path / "JPEGImages" / "b.jpg")
    with pytest.raises(DataError, match="1 of 2 photos are not in .*JPEGImages: b"):
        open_dataset(tmp_path)
    with warnings.catch_warnings(), pytest.raises(DataError, match="SegmentationObject.*SegmentationClass beside it"):
        os.rename(tmp_path / "SegmentationClass", tmp_path / "other")
        open_dataset(tmp_path)


def test_void_by_name_is_told_and_a_mapping_may_name_it(tmp_path):
    write_voc(tmp_path, "a")
    names = tmp_path / "names.json"
    names.write_text('{"0": "background", "15": "void", "20": "screen"}')
    with pytest.warns(UserWarning, match="ignored by its name.*first: 15, void"):
        dataset = open_dataset(tmp_path, names=names)
    assert dataset.class_names == ["BG", "screen"] and len(dataset.load_mask(0)[1]) == 1
    dataset = open_dataset(tmp_path, names=names, mapping={"classes": {"man": ["void"], "screen": ["screen"]}})
    assert dataset.class_names == ["BG", "man", "screen"] and len(dataset.load_mask(0)[1]) == 2
