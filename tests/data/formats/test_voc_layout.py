"""Folders, lists and names of PASCAL VOC's form."""

import numpy as np
from PIL import Image

from mrcnn.data.formats.label_colours import voc_colours
from mrcnn.data.formats.voc_layout import find_root, listed, object_numbers, part_files
from tests.voc_files import object_mask, save_colours, write_voc


def test_parts_are_named_alike_and_ordered(tmp_path):
    write_voc(tmp_path, "a", {"Validation": "a", "Train": "a", "default": "a", "extra": "a"})
    assert list(part_files(tmp_path)) == ["train", "val", "extra"]


def test_two_folders_below_are_not_chosen_from(tmp_path):
    for year in ("VOC2007", "VOC2012"):
        write_voc(tmp_path / year, "a")
    assert find_root(tmp_path) is None and find_root(tmp_path / "VOC2007" / "JPEGImages") is None


def test_numbers_of_objects_in_colours(tmp_path):
    mask, usual = object_mask(), voc_colours()
    path = tmp_path / "a.png"
    save_colours(path, mask, {1: usual[1], 2: (1, 2, 3), 255: usual[255]})  # the second colour is none of VOC's
    np.testing.assert_array_equal(object_numbers(path), np.where(mask == 2, 256, mask.astype(int)))
    Image.fromarray(mask.astype(np.uint16) * 200).save(path)
    np.testing.assert_array_equal(object_numbers(path), mask.astype(int) * 200)


def test_names_of_lists_with_spaces_and_quotes(tmp_path):
    lines = ["a ", " b", '"c d"', '"e "', '"f"', "  g", "h", '""', " "]
    write_voc(tmp_path, ("a", " b", "c d", "e ", '"f"', "g", "h"), {"train": lines})
    write_voc(tmp_path, photos=False, lists={"val": [" bare "]})
    (tmp_path / "JPEGImages" / " bare .jpg").touch()
    lists = tmp_path / "ImageSets" / "Segmentation"
    assert listed(lists / "train.txt", tmp_path) == ["a", " b", "c d", "e ", '"f"', "g", "h"]
    assert listed(lists / "val.txt", tmp_path) == [" bare "]
