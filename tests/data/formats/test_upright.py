"""Photos that their EXIF turns, annotated as they are stored or upright."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from mrcnn.data.formats.upright import (
    BOTH,
    EITHER_WAY,
    NOTES,
    UNTOLD,
    WITH_OTHERS,
    Annotated,
    chosen_frame,
    possible_frames,
    settled_turns,
    turned_mask,
    turned_segmentation,
    wrong_size,
)
from mrcnn.data.reporting import Reporting
from mrcnn.data.run_lengths import decode as rle_decode
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.data.run_lengths import from_polygons as polygons_to_rle

UPRIGHT, STORED = (400, 240), (240, 400)


@pytest.mark.parametrize("size, reach, possible", [
    (UPRIGHT, (390, 230), ("upright",)), (UPRIGHT, (200, 200), ("upright",)), (UPRIGHT, (200, 390), ("stored",)),
    (STORED, (390, 230), ("upright",)), (STORED, (200, 390), ("stored",)), (STORED, (200, 200), ("upright", "stored")),
    (None, (200, 200), BOTH), (None, (200, 390), ("stored",)), ((40, 24), (4, 4), ()),
    (UPRIGHT, (401, 240), ("upright",)), (UPRIGHT, (900, 900), ("upright",)), (STORED, (900, 900), ("stored",)),
    (None, (230, 244), BOTH), (STORED, (230, 244), BOTH), (None, (230, 246), ("stored",)),  # over the edge
])
def test_what_fits(size, reach, possible):
    assert possible_frames(size, UPRIGHT, 6, reach) == possible


def test_without_a_turn_there_is_one_frame_and_where_the_sides_stay_there_are_both():
    assert possible_frames(UPRIGHT, UPRIGHT, 1, (0, 0)) == ("upright",)
    assert possible_frames(UPRIGHT, UPRIGHT, 3, (500, 500)) == BOTH  # upside down: the sides are the same
    assert possible_frames(STORED, UPRIGHT, 3, (0, 0)) == ()
    assert possible_frames((9, 9), (9, 9), 6, (0, 0)) == BOTH


def settled(**sizes):
    """(turns of some photos, notes on them) of a.jpg, which EXIF turns by a quarter, and others that fit both ways."""
    report = Reporting()
    photos = {key: Annotated(f"{key}.jpg", size, UPRIGHT, 6, reach) for key, (size, reach) in sizes.items()}
    photos["half"] = Annotated("half.jpg", UPRIGHT, UPRIGHT, 3, (9, 9))
    photos["square"] = Annotated("square.jpg", None, (9, 9), 6, (9, 9))
    photos["blank"] = Annotated("blank.jpg", (9, 9), (9, 9), 2, (0, 0), has_outlines=False)
    turns, wrong = settled_turns({**photos, "plain": Annotated("plain.jpg", None, (9, 9), 1, (9, 9))}, report)
    assert not wrong and turns.pop("plain") == 1
    return turns, [(note.how, note.first, note.count) for note in report.notes]


def test_half_turns_and_squares_go_with_the_photos_whose_sides_tell():
    turns, notes = settled(a=(STORED, (200, 390)))
    assert turns == {"a": 6, "half": 3, "square": 6, "blank": 2}
    assert notes == [(NOTES["stored"], "a.jpg", 1), (WITH_OTHERS, "half.jpg", 2)]
    turns, notes = settled(a=(UPRIGHT, (200, 200)))
    assert set(turns.values()) == {1} and notes == []
    turns, notes = settled(a=(None, (390, 200)), b=(None, (200, 200)))  # no size, but an outline too low to be stored
    assert set(turns.values()) == {1} and notes == []


def test_what_nothing_tells_of_stays_upright_and_is_told():
    turns, notes = settled()
    assert set(turns.values()) == {1} and notes == [(UNTOLD, "half.jpg", 2)]
    turns, notes = settled(a=(STORED, (200, 390)), b=(UPRIGHT, (200, 200)))
    assert turns == {"a": 6, "b": 1, "half": 1, "square": 1, "blank": 1}
    assert notes[1:] == [(UNTOLD, "half.jpg", 2)]


def test_sizes_that_are_wrong_or_of_both_kinds_are_faults():
    photos = {"a": Annotated("a", STORED, UPRIGHT, 6, (200, 390)), "b": Annotated("b", STORED, UPRIGHT, 8, (390, 200)),
              "c": Annotated("c", STORED, UPRIGHT, 6, (20, 20)), "d": Annotated("d", (9, 9), UPRIGHT, 6, (20, 20))}
    turns, wrong = settled_turns(photos, Reporting())
    assert turns == {"a": 6, "b": 1} and sorted(wrong) == ["c", "d"] and wrong["c"].endswith(EITHER_WAY)


def test_what_fits_both_goes_with_the_rest_of_the_file():
    both = ("upright", "stored")
    assert chosen_frame(("stored",), {"upright"}, True) == "stored"
    assert chosen_frame(both, {"upright"}, False) == "upright" and chosen_frame(both, {"stored"}, True) == "stored"
    assert chosen_frame(both, {"upright", "stored"}, False) is None
    assert chosen_frame(both, set(), of_browser=True) is None and chosen_frame(both, set(), False) == "stored"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_and_polygons_turn_as_pillow_turns_the_photo(orientation):
    mask = np.zeros((20, 30), bool)
    mask[2:8, 3:15] = True
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()
    expected = np.array(ImageOps.exif_transpose(image)) > 0
    np.testing.assert_array_equal(turned_mask(mask, orientation), expected)
    for written in ([[3, 2, 15, 2, 15, 8, 3, 8]], rle_encode(mask)):
        turned = turned_segmentation(written, orientation, (20, 30))
        rle = turned if isinstance(turned, dict) else polygons_to_rle(turned, expected.shape)
        np.testing.assert_array_equal(rle_decode(rle), expected)


def test_the_message_speaks_of_exif_where_the_sides_are_swapped():
    assert "annotated as 240x400, as if its EXIF" in wrong_size(UPRIGHT, STORED)
    assert "EXIF" not in wrong_size(UPRIGHT, (200, 120))
