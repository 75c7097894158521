"""The regions that Label Studio writes: each shape against arithmetic, several results of one region, and faults."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import run_lengths
from mrcnn.data.formats.label_studio_brush import encode
from mrcnn.data.formats.label_studio_regions import regions_of, shape_of
from mrcnn.data.formats.via import RegionError, shape_rle

SIZE = HEIGHT, WIDTH = 40, 50  # a percent is 0.4 rows and 0.5 columns


def mask_of(value, **more):
    (region,) = regions_of([{"value": value, "from_name": "label", "id": "a", **more}])
    shape = shape_of(region, SIZE)
    return run_lengths.decode(shape if isinstance(shape, dict) else shape_rle(shape, SIZE))


def box(y1, x1, y2, x2):
    mask = np.zeros(SIZE, bool)
    mask[y1:y2, x1:x2] = True
    return mask


def centres():
    return np.arange(HEIGHT)[:, None] + 0.5, np.arange(WIDTH)[None] + 0.5


def picture(mask, mode="RGBA"):
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[..., 3 if mode == "RGBA" else 0] = mask * 255
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


# --- Shapes ----------------------------------------------------------------------------------------------------------


def test_a_polygon_in_percent():
    # 10 to 50 % of 50 columns, 20 to 70 % of 40 rows.
    points = [[10, 20], [50, 20], [50, 70], [10, 70]]
    np.testing.assert_array_equal(mask_of({"points": points, "closed": True}), box(8, 5, 28, 25))
    expected = run_lengths.decode(run_lengths.from_polygons([[5, 8, 25, 12, 10, 30]], SIZE))
    np.testing.assert_array_equal(mask_of({"points": [[10, 20], [50, 30], [20, 75]]}), expected)


def test_a_rectangle():
    value = {"x": 10, "y": 20, "width": 40, "height": 50, "rotation": 0}
    np.testing.assert_array_equal(mask_of(value), box(8, 5, 28, 25))
    value.pop("rotation")
    np.testing.assert_array_equal(mask_of(value), box(8, 5, 28, 25))


def test_a_rectangle_is_turned_about_its_corner_in_pixels():
    # 20 columns wide and 8 rows high, its corner at column 20, row 10. A quarter turn clockwise on the screen makes it
    # 8 columns wide, to the left of the corner, and 20 rows high, below it.
    value = {"x": 40, "y": 25, "width": 40, "height": 20, "rotation": 90}
    np.testing.assert_array_equal(mask_of(value), box(10, 12, 30, 20))
    np.testing.assert_array_equal(mask_of({**value, "rotation": 360 + 90}), box(10, 12, 30, 20))
    # Half a turn: up and to the left of the corner.
    np.testing.assert_array_equal(mask_of({**value, "rotation": 180}), box(2, 0, 10, 20))
    # By an eighth the sides keep their lengths: 20 x 8 pixels but for the rim.
    turned = mask_of({**value, "rotation": 45})
    assert abs(turned.sum() - 160) <= 28
    rows, columns = np.nonzero(turned)
    corners = 10 + 20 * np.sqrt(0.5) + 8 * np.sqrt(0.5), 20 + 20 * np.sqrt(0.5)
    assert abs(rows.max() + 1 - corners[0]) <= 1 and abs(columns.max() + 1 - corners[1]) <= 1
    assert abs(columns.min() - (20 - 8 * np.sqrt(0.5))) <= 1


@pytest.mark.parametrize("rotation", [0, 30, 90, 210])
def test_an_ellipse_is_turned_about_its_centre_in_pixels(rotation):
    # Radii of 15 columns and 6 rows about column 25, row 20.
    value = {"x": 50, "y": 50, "radiusX": 30, "radiusY": 15, "rotation": rotation}
    y, x = centres()
    angle = np.deg2rad(rotation)
    along = (x - 25) * np.cos(angle) + (y - 20) * np.sin(angle)
    across = (y - 20) * np.cos(angle) - (x - 25) * np.sin(angle)
    np.testing.assert_array_equal(mask_of(value), (along / 15) ** 2 + (across / 6) ** 2 <= 1)


def test_a_brush_and_a_bitmask():
    mask = np.random.default_rng(0).random(SIZE) < 0.3
    np.testing.assert_array_equal(mask_of({"format": "rle", "rle": encode(run_lengths.encode(mask))}), mask)
    for mode in ("RGBA", "L", "RGB"):
        np.testing.assert_array_equal(mask_of({"imageDataURL": picture(mask, mode)}), mask)


def test_a_closed_vector():
    vertices = [{"id": str(i), "x": x, "y": y, "isBezier": False}
                for i, (x, y) in enumerate([[10, 20], [50, 20], [50, 70], [10, 70]])]
    np.testing.assert_array_equal(mask_of({"vertices": vertices, "closed": True}), box(8, 5, 28, 25))
    with pytest.raises(RegionError, match="has curves"):
        mask_of({"vertices": [{**vertices[0], "isBezier": True}, *vertices[1:]], "closed": True})


def test_a_view_that_was_turned_changes_nothing():
    value = {"x": 10, "y": 20, "width": 40, "height": 50}
    np.testing.assert_array_equal(mask_of(value, image_rotation=90), box(8, 5, 28, 25))


# --- Results ---------------------------------------------------------------------------------------------------------

RECTANGLE = {"x": 1, "y": 2, "width": 3, "height": 4}


@pytest.mark.parametrize("ids", [("a", "a", "a"), (None, None, None)])
def test_results_of_one_region_are_one(ids):
    """Tools and labels may be controls of their own, and choices be made for a region: JSON-MIN has no ids."""
    result = [
        {"from_name": "tool", "type": "rectangle", "value": RECTANGLE},
        {"from_name": "kind", "type": "labels", "value": {**RECTANGLE, "labels": ["hat", "hat "]}},
        {"from_name": "state", "type": "choices", "value": {**RECTANGLE, "choices": ["worn"]}},
    ]
    result = [{**one, **({} if key is None else {"id": key})} for one, key in zip(result, ids)]
    (region,) = regions_of(result)
    assert (region.number, region.kind, region.labels, region.answers) == (
        0, "rectangle", {"kind": ["hat"]}, {"state": ["worn"]})


def test_regions_without_id_that_look_alike_are_several():
    result = [{"from_name": "label", "value": {**RECTANGLE, "rectanglelabels": [name]}} for name in ("hat", "bag")]
    result.append({"from_name": "kind", "value": {**RECTANGLE, "labels": ["red"]}})
    assert [region.labels for region in regions_of(result)] == [{"label": ["hat"], "kind": ["red"]}, {"label": ["bag"]}]


def test_kinds_of_results():
    result = [
        {"id": "a", "type": "keypointlabels", "value": {"x": 1, "y": 2, "width": 0.3, "keypointlabels": ["eye"]}},
        {"id": "b", "type": "choices", "value": {"choices": ["street"]}},
        {"id": "b", "type": "textarea", "value": {"text": ["hello"]}},
        {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
        {"id": "c", "type": "videorectangle", "value": {"sequence": [], "labels": ["hat"]}},
        {"id": "d", "type": "rectanglelabels", "value": {**RECTANGLE, "rectanglelabels": ["hat"]}},
        None, {"value": None}, {"value": {"points": 1}},
    ]
    assert [(one.kind, one.type) for one in regions_of(result)] == [
        ("keypoint", "keypointlabels"), (None, "choices"), (None, "textarea"), (None, "relation"),
        ("video", "videorectangle"), ("rectangle", "rectanglelabels"), (None, "result"), (None, "result"),
        ("polygon", "result")]


# --- Faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value, kind, said", [
    ({"points": [[1, 2], [3, 4]]}, "bad entry", "three or more corners"),
    ({"points": [[1, 2], [3, 4], [5, 9]], "closed": False}, "bad entry", "polygon is not closed"),
    ({"points": [[1, 2], [3, "x"], [5, 9]]}, "bad entry", "no pairs of finite numbers"),
    ({"points": [[1, 2], [3, float("nan")], [5, 9]]}, "bad entry", "no pairs of finite numbers"),
    ({"points": [[1, 2, 3]]}, "bad entry", "no pairs of finite numbers"),
    ({"points": {"a": 1}}, "bad entry", "no pairs of finite numbers"),
    ({"points": [[1, 2], [3, 1e300], [5, 9]]}, "bad entry", "reaches to 1e\\+300 percent"),
    ({"points": [[1, 2], [3, 1e5], [5, 9]]}, "bad entry", "far outside"),
    ({"points": [[110, 2], [130, 2], [130, 9]]}, "mask outside", "lies outside the photo"),
    ({"points": [[1, 1], [1, 1], [1, 1]]}, "empty mask", "no pixel"),
    ({"x": 1, "y": 2, "width": 0, "height": 4}, "empty mask", "no pixel"),
    ({**RECTANGLE, "rotation": "left"}, "bad entry", "rotation 'left'"),
    ({**RECTANGLE, "rotation": float("inf")}, "bad entry", "rotation"),
    ({**RECTANGLE, "width": None}, "bad entry", "rectangle are no pairs"),
    ({"x": 50, "y": 50, "radiusX": 1e4, "radiusY": 3}, "bad entry", "far outside"),
    ({"x": 50, "y": 50, "radiusX": [1], "radiusY": 3}, "bad entry", "no pairs"),
    ({"vertices": [1, 2], "closed": True}, "bad entry", "no list of objects"),
    ({"rle": encode(run_lengths.encode(np.ones((3, 4), bool)))}, "wrong size", "12 pixels, the photo 2000"),
    ({"rle": encode(run_lengths.encode(np.zeros(SIZE, bool)))}, "empty mask", "no pixel"),
    ({"rle": [1, 2]}, "bad entry", "no list of bytes"),
    ({"imageDataURL": picture(np.ones((3, 4), bool))}, "wrong size", "3x4 pixels, the photo 40x50"),
    ({"imageDataURL": "data:image/png;base64,AAAA"}, "bad entry", "readable image"),
    ({"imageDataURL": "https://a.b/c.png"}, "bad entry", "is no data:image/png"),
    ({"imageDataURL": 7}, "bad entry", "is no data:image/png"),
])
def test_faults_of_regions(value, kind, said):
    with pytest.raises(RegionError, match=said) as error:
        mask_of(value)
    assert error.value.kind == kind and "\n" not in str(error.value)
