"""Files of kinds that annotation tools really write, each with what it must give; the files lie outside the project."""

import os
import pathlib
import warnings

import numpy as np
import pytest

from mrcnn.data.formats import open_dataset
from mrcnn.errors import DataError

CASES = pathlib.Path(__file__).parents[3].parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason=f"{CASES} is not here: files of real tools are not read")

# Pixels of the outlines that all files draw: as polygons, and as the masks of a brush, which have their edges too.
SHIRT, SHOE = {24400, 24701}, {3200, 3321}
BOTH = {"shirt": SHIRT, "shoe": SHOE}
BOX = {"shirt": {180 * 200}, "shoe": SHOE}

# file: (folder of the photos, objects of each photo, kinds of what is told).
READ = {
    "ls-exif/result.json": ("", [BOTH] * 2, ["before its EXIF turns it"]),
    "ls-exif/fits.json": ("", [{"shirt": SHIRT}, BOTH], ["before its EXIF turns it"]),
    "ls-exif/result_ok.json": ("", [BOTH] * 2, []),
    "via-coco/all.json": ("photos", [BOTH] * 3, ["6 ids", "2 photos without a size", "6 outlines written as one list"]),
    "via-coco/only_minus_one.json": ("photos", [BOTH] * 3, ["2 photos without a size"]),
    "via-coco/only_text_ids.json": ("photos", [BOTH] * 3, ["6 ids"]),
    "flat-and-nested-polygons/flat.json": ("photos", [BOTH], ["1 outline written as one list"]),
    "flat-and-nested-polygons/nested.json": ("photos", [BOTH], ["1 outline written as nested lists"]),
    "flat-and-nested-polygons/pairs.json": ("photos", [BOTH], ["1 outline written as nested lists"]),
    "flat-and-nested-polygons/pairs_flat.json": ("photos", [BOTH], ["1 outline written as one polygon of corners"]),
    "flat-and-nested-polygons/rle_as_list.json": (
        "photos", [{"shirt": {238}, "shoe": SHOE}], ["1 object with an outline that lies elsewhere than its bbox"]),
    "polygon-two-points/crumb.json": ("photos", [BOTH] * 2, ["1 outline part without area"]),
    "polygon-two-points/crumb_line.json": ("photos", [BOTH] * 2, ["1 outline part without area"]),
    "polygon-two-points/crumb_point.json": ("photos", [BOTH] * 2, ["1 outline part without area"]),
    "string-ids/crowd_missing.json": ("photos", [BOTH] * 2, []),
    "string-ids/crowd_null.json": ("photos", [BOTH] * 2, []),
    "string-ids/crowd_text.json": ("photos", [BOTH] * 2, []),
    "string-ids/float_annotation_ids.json": ("photos", [BOTH] * 2, []),
    "string-ids/float_ids.json": ("photos", [BOTH] * 2, []),
    "string-ids/float_size.json": ("photos", [BOTH] * 2, ["2 sizes written as text"]),
    "string-ids/no_annotation_ids.json": ("photos", [BOTH] * 2, []),
    "string-ids/text_category.json": ("photos", [BOTH] * 2, ["4 ids"]),
    "string-ids/text_everywhere.json": ("photos", [BOTH] * 2, []),
    "cvat-brush-crowd/train.json": ("train", [BOTH] * 4, ["8 objects of 8 marked iscrowd: 1"]),
    "cvat-brush-crowd/train_mixed.json": ("train", [BOTH] * 4, ["4 objects of 8 marked iscrowd: 1"]),
    "cvat-brush-crowd/val.json": ("val", [BOTH] * 2, ["4 objects of 4 marked iscrowd: 1"]),
    "cvat-brush-crowd/val_mixed.json": ("val", [BOTH] * 2, ["2 objects of 4 marked iscrowd: 1"]),
    "256-objects/a.json": ("", [None], []),
    **{f"label-map-kinds/{kind}": ("../photos", [BOTH], [])
       for kind in ("grey", "palette", "rgb_colours", "rgb_same", "rgba", "sixteen", "void255")},
}
# file: (folder of the photos, what the one line says).
REFUSED = {
    "polygon-two-points/odd.json": ("photos", "p0.jpg, object 1: annotation 2: part 1 of 1 .* 7 numbers, which do not"),
    **{f"empty-segmentation/{name}.json": ("photos", "all 4 objects have a box and no outline.*--boxes-as-masks")
       for name in ("boxes_only", "empty_inner", "no_key", "null")},
    "empty-segmentation/boxes_only_many.coco.json": ("photos", "all 2 objects have a box and no outline"),
    "empty-segmentation/mixed.json": ("photos", "p0.jpg, object 1: annotation 2: it has a box and no outline"),
    "label-map-kinds/percent255": ("../photos", "127, 254, multiples of 127.*divide them by 127"),
    "label-map-kinds/jpeg": ("../photos", "a.jpg is no PNG, in which labels stay exact"),
}


def opened(file, photos, **options):
    """(data set, list of what is told)."""
    path = CASES / file
    folder = (path if path.is_dir() else path.parent) / photos
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        dataset = open_dataset(str(path), str(folder), **options)
    return dataset, [str(warning.message) for warning in told]


def areas(dataset):
    """list of {class: pixels of its one object} of the photos."""
    by_photo = []
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        assert dataset.load_image(image_id).shape[:2] == masks.shape[:2]
        assert (class_ids > 0).all() and len(set(class_ids.tolist())) == len(class_ids)
        pixels = np.count_nonzero(masks, axis=(0, 1))
        by_photo.append({dataset.class_names[i]: int(count) for i, count in zip(class_ids, pixels)})
    return by_photo


@pytest.mark.parametrize("file", READ)
def test_a_file_is_read_as_it_is_meant_and_what_is_guessed_is_told_once(file):
    photos, expected, told = READ[file]
    dataset, lines = opened(file, photos)
    assert len(lines) == len(told) == len(dataset.notes) and dataset.faults == []
    for line, words in zip(lines, told):
        assert words in line
    if expected == [None]:
        assert dataset.object_count(0) == 256 == len(dataset.load_rles(0)[0])
        return
    by_photo = areas(dataset)
    assert [list(objects) for objects in by_photo] == [list(objects) for objects in expected]
    for objects, wanted in zip(by_photo, expected):
        assert all(objects[name] in wanted[name] for name in objects)


@pytest.mark.parametrize("file", REFUSED)
def test_a_file_that_cannot_be_taken_is_told_in_one_line(file):
    photos, said = REFUSED[file]
    with pytest.raises(DataError, match=said) as error:
        dataset, _ = opened(file, photos)
        areas(dataset)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["boxes_only", "empty_inner", "no_key", "null"])
def test_boxes_are_masks_where_that_is_asked_for(name):
    dataset, lines = opened(f"empty-segmentation/{name}.json", "photos", boxes_as_masks=True)
    assert areas(dataset) == [{"shirt": 180 * 200, "shoe": 80 * 40}] * 2
    assert len(lines) == 1 and "4 objects with a box and no outline" in lines[0]


def test_a_group_that_is_listed_as_a_category_is_no_class(tmp_path):
    from PIL import Image

    for name in ("IMG_7968_JPG.rf.01c1a5f8700e941f028d319b77e7b208.jpg",
                 "ddIMG_20240508_122933_jpg.rf.046309c5dea5e4f3fa31338c68da5619.jpg"):
        Image.new("RGB", (640, 640)).save(tmp_path / name)
    with pytest.warns(UserWarning, match="1 category without objects .*supercategory"):
        dataset = open_dataset(str(CASES / "empty-segmentation" / "boxes_only_many.coco.json"), str(tmp_path),
                               boxes_as_masks=True)
    assert dataset.class_names[1:3] == ["Broken_button", "Button_hike"] and dataset.num_classes == 7


def test_crowds_stay_crowds_where_that_is_asked_for():
    dataset, lines = opened("cvat-brush-crowd/train.json", "train", crowds="ignore")
    assert lines == [] and [dataset.object_count(i) for i in dataset.image_ids] == [0] * 4


def test_every_file_is_asked_for():
    files = {str(path.relative_to(CASES)) for path in CASES.glob("*/*.json")}
    files |= {str(path.relative_to(CASES)) for path in (CASES / "label-map-kinds").iterdir() if path.name != "photos"}
    assert files == READ.keys() | REFUSED.keys(), os.linesep.join(sorted(files ^ (READ.keys() | REFUSED.keys())))
