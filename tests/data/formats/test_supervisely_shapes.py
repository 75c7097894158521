"""Supervisely's shapes: whole numbers are pixels, others coordinates; holes, bitmaps in bounds, and faults."""

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import run_lengths
from mrcnn.data.formats.supervisely_shapes import kind_of, reach_of, rle_of
from mrcnn.data.formats.via import RegionError

SIZE = HEIGHT, WIDTH = 20, 30


def polygon(exterior, *interiors, kind="polygon"):
    return {"classTitle": "hat", "geometryType": kind, "points": {"exterior": exterior, "interior": list(interiors)}}


def bitmap(data, origin=(0, 0), kind="bitmap"):
    return {"classTitle": "hat", "geometryType": kind, "bitmap": {"data": data, "origin": list(origin)}}


def packed(mask, palette=True, pack=True):
    """A mask as Supervisely packs it: a PNG of two colours, the first of them transparent, packed by zlib."""
    image = Image.fromarray(mask.astype(np.uint8) * (1 if palette else 255))
    stream, options = io.BytesIO(), {}
    if palette:
        image.putpalette([0, 0, 0, 255, 255, 255])
        options = {"transparency": 0}
    image.save(stream, "PNG", **options)
    return base64.b64encode(zlib.compress(stream.getvalue()) if pack else stream.getvalue()).decode()


def drawn(entry):
    return run_lengths.decode(rle_of(entry, SIZE))


def box(y1, x1, y2, x2):
    mask = np.zeros(SIZE, bool)
    mask[y1:y2, x1:x2] = True
    return mask


def test_whole_numbers_are_pixels_and_the_line_is_inside():
    square = [[4, 3], [12, 3], [12, 9], [4, 9]]
    np.testing.assert_array_equal(drawn(polygon(square)), box(3, 4, 10, 13))
    np.testing.assert_array_equal(drawn(polygon([[4, 3], [12, 9]], kind="rectangle")), box(3, 4, 10, 13))
    np.testing.assert_array_equal(drawn(polygon([[12, 9], [4, 3]], kind="rectangle")), box(3, 4, 10, 13))
    np.testing.assert_array_equal(drawn(polygon([[5, 6], [5, 6]], kind="rectangle")), box(6, 5, 7, 6))


def test_other_numbers_are_coordinates():
    # From the middle of pixel 4 to the edge of pixel 12: pixels 5 to 11 for certain, 4 by half.
    mask = drawn(polygon([[4.5, 3.0], [12.0, 3.0], [12.0, 9.0], [4.5, 9.0]]))
    assert mask[3:9, 5:12].all() and not mask[:, 12:].any() and not mask[9:].any() and not mask[:, :4].any()
    np.testing.assert_array_equal(drawn(polygon([[4.2, 3.0], [12.0, 9.0]], kind="rectangle")), box(3, 4, 9, 12))


def test_holes_lose_their_line():
    square, hole = [[2, 2], [17, 2], [17, 15], [2, 15]], [[5, 5], [9, 5], [9, 10], [5, 10]]
    np.testing.assert_array_equal(drawn(polygon(square, hole)), box(2, 2, 16, 18) & ~box(5, 5, 11, 10))
    halves = [[[x + 0.5, y + 0.5] for x, y in ring] for ring in (square, hole)]
    apart = drawn(polygon(*halves))
    assert apart[3:14, 3:5].all() and not apart[6:10, 6:9].any()
    two = {"classTitle": "hat", "geometryType": "multipolygon",
           "parts": [{"exterior": square, "interior": [hole]}, {"exterior": [[6, 6], [8, 6], [8, 8], [6, 8]]}]}
    np.testing.assert_array_equal(drawn(two), drawn(polygon(square, hole)) | box(6, 6, 9, 9))


@pytest.mark.parametrize("palette", [True, False])
@pytest.mark.parametrize("pack", [True, False])
def test_a_bitmap_at_its_origin(palette, pack):
    part = np.random.default_rng(0).random((7, 9)) < 0.5
    expected = np.zeros(SIZE, bool)
    expected[5:12, 11:20] = part
    for kind in ("bitmap", "alpha_mask"):
        np.testing.assert_array_equal(drawn(bitmap(packed(part, palette, pack), (11, 5), kind)), expected)
    entry = bitmap(packed(part, palette, pack), (11, 5))
    entry.pop("geometryType")
    assert kind_of(entry) == "bitmap" and kind_of(polygon([], kind=None)) == "polygon"


def test_what_supervisely_wrote():
    """The text is from the documentation of its Bitmap: a ring of three by three pixels."""
    text = ("eJzrDPBz5+WS4mJgYOD19HAJAtLMIMwIInOeqf8BUmwBPiGuQPr///9Lb86/C2QxlgT5BTM4PLuRBuTwebo4hlTMSa44sKHhISMDuxpTYr"
            "r03F6gDIOnq5/LOqeEJgDM5ht6")
    expected = np.zeros(SIZE, bool)
    expected[1:4, 1:4] = [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    np.testing.assert_array_equal(drawn(bitmap(text, (1, 1))), expected)


def test_what_lies_over_the_edge_is_cut_off():
    part = np.ones((6, 6), bool)
    np.testing.assert_array_equal(drawn(bitmap(packed(part), (-2, 17))), box(17, 0, 20, 4))
    np.testing.assert_array_equal(drawn(polygon([[25, -4], [35, 4]], kind="rectangle")), box(0, 25, 5, 30))


BOMB = base64.b64encode(zlib.compress(bytes(1 << 24))).decode()
TRUNCATED = base64.b64encode(base64.b64decode(packed(np.ones((5, 5), bool)))[:-8]).decode()


@pytest.mark.parametrize("entry, kind, said", [
    (polygon([[1, 2], [3, 4]]), "bad entry", "has 2 corners, needs three"),
    (polygon([[1, 2], [3, 4], [5, 6]], kind="rectangle"), "bad entry", "has 3 points, needs 2"),
    (polygon([[1, 2], [3, "x"], [5, 6]]), "bad entry", "no list of \\[x, y\\]"),
    (polygon([[1, 2], [3, float("nan")], [5, 6]]), "bad entry", "no list of \\[x, y\\]"),
    (polygon(None), "bad entry", "no list of"),
    ({"geometryType": "polygon", "points": 5}, "bad entry", "has no points"),
    ({"geometryType": "multipolygon", "parts": []}, "bad entry", "has no points"),
    (polygon([[1, 2], [3, 1e9], [5, 6]]), "bad entry", "far outside a photo of 20x30"),
    (polygon([[1, 2], [9, 2], [9, 9]], [[1, 2], [1e9, 2], [3, 4]]), "bad entry", "far outside a photo"),
    (polygon([[40, 2], [49, 2], [49, 9]]), "mask outside", "lies outside the photo"),
    (polygon([[-9, -9], [-5, -9]], kind="rectangle"), "mask outside", "lies outside the photo"),
    (polygon([[2, 2], [5, 2], [5, 5], [2, 5]], [[1, 1], [9, 1], [9, 9], [1, 9]]), "empty mask", "no pixel"),
    (bitmap("!!"), "bad entry", "no base64"),
    (bitmap(None), "bad entry", "no base64"),
    (bitmap(base64.b64encode(b"hello").decode()), "bad entry", "neither a PNG nor one packed by zlib"),
    (bitmap(BOMB), "bad entry", "larger than the photo"),
    (bitmap(TRUNCATED), "bad entry", "breaks off|readable"),
    (bitmap(packed(np.ones((21, 5), bool))), "wrong size", "21x5 pixels, the photo 20x30"),
    (bitmap(packed(np.ones((5, 5), bool)), (40, 3)), "mask outside", "lies outside the photo"),
    (bitmap(packed(np.ones((5, 5), bool)), (1e12, 3)), "bad entry", "origin of its bitmap"),
    (bitmap(packed(np.ones((5, 5), bool)), (1.5, 3)), "bad entry", "origin of its bitmap"),
    (bitmap(packed(np.ones((5, 5), bool)), ()), "bad entry", "bitmap are no list"),
    (bitmap(packed(np.zeros((5, 5), bool))), "empty mask", "no pixel"),
    ({"geometryType": "bitmap", "bitmap": []}, "bad entry", "bitmap are no list"),
])
def test_faults(entry, kind, said):
    with pytest.raises(RegionError, match=said) as error:
        rle_of(entry, SIZE)
    assert error.value.kind == kind and "\n" not in str(error.value)


def test_reach():
    entries = [polygon([[1, 2], [9, 15]], kind="rectangle"), polygon([[12, 3], [1, 2], [3, 4]]), {}, bitmap("")]
    assert reach_of(entries) == (15.0, 12.0) and reach_of([]) == (0.0, 0.0)
