"""Writing PASCAL VOC: what is read back has the same masks where no two objects share a pixel."""

import tracemalloc
import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import run_lengths
from mrcnn.data.annotated import ObjectAnnotation
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.write_voc import _Told, painted, write_voc
from mrcnn.errors import DataError
from tests.data.formats.test_write_yolo import HOLE, PARTS, PLAIN, SIZE, Masks, noise, shape


@pytest.mark.parametrize("classes", [("shirt", "shoe"), ("shirt: long", "#shoe")])
def test_the_same_masks_are_read_back(tmp_path, classes):
    inside = shape((12, 14, 18, 28))  # in the hole
    dataset = Masks({"a.jpg": ([HOLE, inside], [2, 1]), "b.jpg": ([], []), "c.jpg": ([noise(1), ~noise(1)], [1, 2])},
                    classes)
    for info, part in zip(dataset.image_info, ("train", "train", "val")):
        info["split"] = part
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "JPEGImages" in write_voc(dataset, tmp_path / "out")
        read = open_dataset(tmp_path / "out")
    assert read.class_names == ["BG", *classes] and [info["split"] for info in read.image_info] == [
        "train", "train", "val"]
    for image_id in dataset.image_ids:
        for before, after in zip(dataset.load_mask(image_id), read.load_mask(image_id)):
            np.testing.assert_array_equal(before, after)
    with Image.open(tmp_path / "out" / "SegmentationClass" / "a.png") as image:
        assert image.mode == "P" and image.getpalette()[3:9] == [128, 0, 0, 0, 128, 0]  # VOC's first colours
    labels = (tmp_path / "out").glob("*.txt")
    assert [path.name for path in labels] == ["labelmap.txt" if classes[0] == "shirt" else "class_names.txt"]


def test_what_overlaps_is_of_the_smaller_and_crowds_are_void(tmp_path):
    small, under = shape((5, 5, 10, 20)), shape((6, 6, 9, 19))
    dataset = Masks({"a.jpg": ([small, PLAIN, under, small, PARTS], [1, 2, 1, 2, -1])})
    with pytest.warns(UserWarning) as told:
        write_voc(dataset, tmp_path / "out")
    text = " ".join(str(warning.message) for warning in told)
    # `under` lies above both of `small`, of which the second hides the first.
    assert "2 objects lost the pixels that they share" in text and "1 objects are hidden" in text
    assert "1 crowds are void pixels" in text
    with pytest.warns(UserWarning, match="1 photo with void pixels"):
        read = open_dataset(tmp_path / "out")
    masks, class_ids = read.load_mask(0)
    assert read.class_names == ["BG", *dataset.class_names[1:]] and sorted(class_ids.tolist()) == [1, 2, 2]
    np.testing.assert_array_equal(masks.any(axis=2), small | PLAIN)
    np.testing.assert_array_equal(read.label_map(0) == 255, PARTS & ~(small | PLAIN))


def test_more_objects_than_a_palette_has(tmp_path):
    masks = []
    for i in range(300):
        mask = np.zeros(SIZE, bool)
        mask[i // 50 * 2, i % 50] = True
        masks.append(mask)
    write_voc(Masks({"a.jpg": (masks, [1] * 300)}), tmp_path / "out")
    with Image.open(tmp_path / "out" / "SegmentationObject" / "a.png") as image:
        assert image.mode.startswith("I")
    read = open_dataset(tmp_path / "out").load_mask(0)[0]
    np.testing.assert_array_equal(read, np.stack(masks, axis=2))


def test_memory_is_not_taken_by_the_number_of_objects():
    size = (1000, 1000)
    mask = np.zeros(size, bool)
    mask[10:20, 10:20] = True
    objects = [ObjectAnnotation(i, 1, run_lengths.encode(mask)) for i in range(30)]
    tracemalloc.start()
    numbers, _ = painted(objects, size, _Told(0))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert numbers.max() == 30 and most < 20 * mask.nbytes  # all masks at once are 30 of these


def test_names_and_photos_that_do_not_fit(tmp_path):
    with pytest.raises(DataError, match="has another meaning"):  # in a list of lines
        write_voc(Masks({"a.jpg": ([PLAIN], [1])}, ("long\rshirt",)), tmp_path / "out")
    with pytest.raises(DataError, match="class called 'Void' has another meaning"):
        write_voc(Masks({"a.jpg": ([PLAIN], [1])}, ("Void",)), tmp_path / "out")
    with pytest.raises(DataError, match="300 classes are more than the 254"):
        write_voc(Masks({"a.jpg": ([PLAIN], [1])}, tuple(map(str, range(300)))), tmp_path / "out")
    dataset = Masks({"train/a.jpg": ([PLAIN], [1]), "val/a.jpg": ([PLAIN], [1])})
    for info in dataset.image_info:
        info["split"] = info["id"].split("/")[0]
    with pytest.warns(UserWarning, match="1 photos are called otherwise"):
        write_voc(dataset, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "JPEGImages").iterdir()) == ["a.png", "a_val.png"]


def test_another_program_reads_the_same_objects(tmp_path):
    datumaro = pytest.importorskip("datumaro")
    inside = shape((12, 14, 18, 28))
    write_voc(Masks({"a.jpg": ([HOLE, inside], [2, 1]), "b.jpg": ([noise(1), ~noise(1)], [1, 2])}), tmp_path / "out")
    read = datumaro.Dataset.import_from(str(tmp_path / "out"), "voc_instance_segmentation")
    for name, masks in (("a", {2: HOLE, 1: inside}), ("b", {1: noise(1), 2: ~noise(1)})):
        found = {mask.label: np.asarray(mask.image) for mask in read.get(name, "default").annotations}
        for label, mask in masks.items():
            np.testing.assert_array_equal(found[label], mask)


def test_names_and_parts_that_lists_would_lose(tmp_path):
    names = ("IMG 1 .jpg", " b.jpg", '"c".jpg', ".d.jpg", "x/ e .jpg")
    dataset = Masks({name: ([shape((2, i, 9, i + 3))], [1]) for i, name in enumerate(names)})
    for info, part in zip(dataset.image_info, ("train", "train", "Train", "a/b", "../c")):
        info["split"] = part
    with pytest.warns(UserWarning) as told:
        write_voc(dataset, tmp_path / "out")
    text = " ".join(str(warning.message) for warning in told)
    assert "2 photos are of a part that no file can be called after (first: '../c' is '_._c')" in text
    assert "1 photos are called otherwise, for readers pass over" in text and len(told) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = open_dataset(tmp_path / "out")
        (part,) = (open_dataset(tmp_path / "out", split=name) for name in ["train"])
    assert {read.file_name(i): (info["split"], np.flatnonzero(read.load_mask(i)[0].any(axis=(0, 2))).tolist()[0])
            for i, info in enumerate(read.image_info)} == {
        "IMG 1 .png": ("train", 0), " b.png": ("train", 1), '"c".png': ("train", 2), "_d.png": ("a_b", 3),
        "x/ e .png": ("_._c", 4)}
    assert [part.file_name(i) for i in part.image_ids] == ["IMG 1 .png", " b.png", '"c".png']
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_photos_that_differ_in_case_are_two_files_on_any_disk(tmp_path):
    dataset = Masks({"train/a.jpg": ([PLAIN], [1]), "val/A.jpg": ([PLAIN], [1])})
    for info in dataset.image_info:
        info["split"] = info["id"].split("/")[0]
    with pytest.warns(UserWarning, match="1 photos are called otherwise, for another has the same name but for"):
        write_voc(dataset, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "JPEGImages").iterdir()) == ["A_val.png", "a.png"]


def test_classes_of_one_name_are_told_apart_in_the_list(tmp_path):
    dataset = Masks({"a.jpg": ([PLAIN], [2])}, ("hat", "hat"))
    with pytest.warns(UserWarning, match="2 classes share their name with another"):
        write_voc(dataset, tmp_path / "out")
    again = open_dataset(tmp_path / "out")
    assert again.class_names == ["BG", "hat (1)", "hat (2)"] and again.object_classes(0).tolist() == [2]
