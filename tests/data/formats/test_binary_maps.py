"""Maps of 0 and 255 alone: what 255 stands for, and what is told of it."""

import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated import Fault
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.binary_maps import LOOKED_AT, label_of_255, of_a_few, only_ends, with_label
from mrcnn.errors import DataError

EYE = np.zeros((12, 12), np.uint8)
EYE[1:10, 2:11] = 255
BLACK, VOID = np.zeros_like(EYE), np.where(EYE == 255, 1, 255)


@pytest.mark.parametrize("maps, names, label, told", [
    ([EYE, BLACK], {0: "background", 1: "thing"}, 1, "255 is taken as inside, thing"),
    ([EYE], {0: "background", 7: "thing"}, 7, "255 is taken as inside, thing"),
    ([EYE], {0: "background", 7: "thing", 255: "void"}, None, "none of 1 labels is there"),  # its name says what it is
    ([EYE], {0: "background", 1: "cat", 2: "dog"}, None, "none of 2 labels is there"),
    ([EYE, VOID], {0: "background", 1: "thing"}, None, None),
    ([BLACK], {0: "background", 1: "thing"}, None, None),
])
def test_what_255_stands_for(maps, names, label, told):
    notes = []
    assert label_of_255(names, iter(maps), len(maps), "a.png", lambda *note: notes.append(note)) == label
    assert len(notes) == (told is not None) and (told is None or told in notes[0][1])


def test_a_map_that_cannot_be_read_decides_nothing():
    def maps():
        yield EYE
        raise DataError("b.png: truncated")

    assert label_of_255({0: "background", 1: "thing"}, maps(), 2, "a.png", None) is None


def test_the_first_label_ends_the_look():
    def maps():
        yield VOID
        raise AssertionError

    assert not only_ends(maps())
    assert of_a_few(list(range(1000)))[::LOOKED_AT - 1] == [0, 999] and of_a_few([]) == [] and of_a_few([5]) == [5]


def test_maps_of_both_kinds_are_a_fault():
    np.testing.assert_array_equal(with_label(EYE, 3, "a.jpg"), (EYE // 255) * 3)
    assert with_label(VOID, None, "a.jpg") is VOID
    fault = with_label(VOID, 1, "a.jpg")
    assert isinstance(fault, Fault) and "holds 1, and those looked at first 0 and 255 alone" in str(fault)


@pytest.mark.parametrize("names, count", [("background\nthing\n", 1), ("background\nthing\nother\n", 0)])
def test_a_folder_of_them(tmp_path, names, count):
    for folder in ("labels", "photos"):
        (tmp_path / folder).mkdir()
    (tmp_path / "labels" / "label_names.txt").write_text(names)
    Image.fromarray(EYE).save(tmp_path / "labels" / "a.png")
    Image.fromarray(np.zeros((12, 12, 3), np.uint8)).save(tmp_path / "photos" / "a.jpg")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        dataset = open_dataset(tmp_path / "labels")
    assert any("with 0 and 255 alone" in str(warning.message) for warning in told)
    assert dataset.object_count(0) == count and len(dataset.objects(0)) == count
    np.testing.assert_array_equal(dataset.label_map(0), EYE // 255 if count else EYE)
