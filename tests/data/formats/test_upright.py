"""Photos that their EXIF turns, annotated as they are stored or upright."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from mrcnn.data.formats.upright import (
    chosen_frame,
    possible_frames,
    turned_mask,
    turned_segmentation,
    wrong_size,
)
from mrcnn.data.run_lengths import decode as rle_decode
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.data.run_lengths import from_polygons as polygons_to_rle

UPRIGHT, STORED = (400, 240), (240, 400)


@pytest.mark.parametrize("size, reach, possible", [
    (UPRIGHT, (390, 230), ("upright",)), (UPRIGHT, (200, 200), ("upright",)), (UPRIGHT, (200, 390), ("stored",)),
    (STORED, (390, 230), ("upright",)), (STORED, (200, 390), ("stored",)), (STORED, (200, 200), ("upright", "stored")),
    (None, (200, 200), ("upright",)), (None, (200, 390), ("stored",)), ((40, 24), (4, 4), ()),
    (UPRIGHT, (401, 240), ("upright",)), (UPRIGHT, (900, 900), ("upright",)), (STORED, (900, 900), ("stored",)),
])
def test_what_fits(size, reach, possible):
    assert possible_frames(size, UPRIGHT, 6, reach) == possible


def test_without_a_turn_there_is_one_frame():
    assert possible_frames(UPRIGHT, UPRIGHT, 1, (0, 0)) == ("upright",)
    assert possible_frames(UPRIGHT, UPRIGHT, 3, (500, 500)) == ("upright",)  # upside down: the sides are the same
    assert possible_frames(STORED, UPRIGHT, 3, (0, 0)) == ()
    assert possible_frames((9, 9), (9, 9), 6, (0, 0)) == ("upright",)


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
