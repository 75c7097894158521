"""Run lengths against their definition, brute force on masks and pycocotools; what is unsound never reaches C code."""

import json
import subprocess
import sys

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mrcnn.data import run_lengths
from mrcnn.errors import DataError


def runs_of(mask):
    """COCO's runs by their definition: down the columns, zeros first."""
    runs, value, length = [], False, 0
    for pixel in mask.T.ravel():
        if pixel != value:
            runs.append(length)
            value, length = pixel, 0
        length += 1
    return runs + [length]


def random_masks(height=17, width=13, seed=0):
    """list of bool [H, W]: noise, blocks, nothing, everything, and whole columns."""
    rng = np.random.default_rng(seed)
    masks = [rng.random((height, width)) < share for share in (0.0, 0.02, 0.5, 0.98, 1.0)]
    masks.append(np.kron(rng.random((height // 4 + 1, width // 4 + 1)) < 0.5, np.ones((4, 4), bool))[:height, :width])
    masks.append(np.repeat(rng.random((1, width)) < 0.5, height, axis=0))
    return masks


SHAPES = [(17, 13), (1, 30), (30, 1), (40, 31)]


# --- Masks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [*SHAPES, (3000, 2000)])  # the last has a run too long for four characters
def test_encoding_equals_pycocotools_and_decodes_back(shape):
    for mask in random_masks(*shape) if shape != (3000, 2000) else [np.zeros(shape, bool)]:
        rle = run_lengths.encode(mask)
        reference = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        assert rle == {"size": list(shape), "counts": reference["counts"].decode()}
        assert json.loads(json.dumps(rle)) == rle
        for given in (rle, {**rle, "counts": rle["counts"].encode()}):
            decoded = run_lengths.decode(given, shape)
            assert decoded.dtype == bool and decoded.flags.f_contiguous
            np.testing.assert_array_equal(decoded, mask)


def test_encoding_minds_no_memory_order_and_no_values():
    for mask in random_masks():
        expected = run_lengths.encode(mask)
        assert run_lengths.encode(np.asfortranarray(mask)) == expected
        assert run_lengths.encode(mask[::-1, ::-1].copy()[::-1, ::-1]) == expected
        assert run_lengths.encode(mask * np.float32(3)) == expected


def test_runs_read_from_compressed_text_are_those_of_the_mask():
    for mask in random_masks():
        assert run_lengths.check(run_lengths.encode(mask), mask.shape).tolist() == runs_of(mask)


def test_uncompressed_runs_decode():
    for mask in random_masks():
        rle = {"size": list(mask.shape), "counts": runs_of(mask)}
        np.testing.assert_array_equal(run_lengths.decode(rle), mask)
        assert run_lengths.compress(rle) == run_lengths.encode(mask)
    # 2 x 3, down the columns: 1 zero, 3 ones, 2 zeros; 1.0 is a whole number too.
    by_hand = run_lengths.decode({"size": (2.0, 3), "counts": np.array([1.0, 3.0, 2.0])})
    assert by_hand.astype(int).tolist() == [[0, 1, 0], [1, 1, 0]]


def test_runs_of_no_length_are_taken_out():
    # Of 12 pixels: 3 outside, none inside, 2 outside, 1 inside, 6 outside.
    for runs, joined in (([3, 0, 2, 1, 6], [5, 1, 6]), ([0, 0, 12], [12]), ([0, 5, 0, 7], [0, 12]),
                         ([2, 10, 0], [2, 10]), ([0, 0, 0, 0, 0, 12], [0, 12])):
        rle = {"size": [3, 4], "counts": runs}
        joined = {"size": [3, 4], "counts": joined}
        assert run_lengths.check(run_lengths.compress(rle), (3, 4)).tolist() == joined["counts"]
        for call in (run_lengths.boxes, run_lengths.areas):
            np.testing.assert_array_equal(call([rle]), call([joined]))
        np.testing.assert_array_equal(run_lengths.decode(rle), run_lengths.decode(joined))


def test_many_are_decoded_at_once():
    masks = random_masks()
    rles = [run_lengths.encode(mask) for mask in masks]
    rles[2] = {"size": rles[2]["size"], "counts": runs_of(masks[2])}  # compressed or not
    decoded = run_lengths.decode_all(rles, masks[0].shape)
    np.testing.assert_array_equal(decoded, np.stack(masks, axis=2))
    assert decoded.flags.f_contiguous
    assert run_lengths.decode_all([], (40, 30)).shape == (40, 30, 0)


# --- What they cover -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 255, 256, 300, 100_000])
def test_areas_and_boxes_of_any_number(count):
    # pycocotools 2.0.11 counts them in 8 bits under NumPy 2.
    masks = [*random_masks(6, 5), *random_masks(3, 2)]
    rles = [run_lengths.encode(mask) for mask in masks]
    rows = np.arange(count) % len(masks)
    given = [rles[row] for row in rows]
    areas = np.array([np.count_nonzero(mask) for mask in masks])
    counted = run_lengths.areas(given)
    assert counted.dtype == np.int64 and counted.sum() == areas[rows].sum()
    np.testing.assert_array_equal(counted, areas[rows])
    expected = np.array([coco_mask.toBbox(rle) for rle in rles])
    np.testing.assert_array_equal(np.array(run_lengths.coco_boxes(given)).reshape(-1, 4), expected[rows])


def test_boxes_by_hand():
    # 4 x 5, down the columns: pixels 5 and 6 are rows 1 and 2 of column 1; 7 and 8 the foot of it and the head of 2.
    assert run_lengths.boxes([
        {"size": [4, 5], "counts": [5, 2, 13]},
        {"size": [4, 5], "counts": [7, 2, 11]},
        {"size": [4, 5], "counts": [20]},
    ]).tolist() == [[1, 1, 3, 2], [0, 1, 4, 3], [0, 0, 0, 0]]
    assert run_lengths.coco_boxes([{"size": [4, 5], "counts": [5, 2, 13]}]) == [[1, 1, 1, 2]]


def test_areas_beyond_31_bits():
    rle = run_lengths.compress({"size": [60_000, 70_000], "counts": [1, 60_000 * 70_000 - 1]})
    assert run_lengths.areas([rle, rle]).sum() == 2 * (4_200_000_000 - 1)
    assert run_lengths.boxes([rle]).tolist() == [[0, 0, 60_000, 70_000]]


@pytest.mark.parametrize("shape", SHAPES)
def test_unions_and_shared_areas_are_those_of_the_masks(shape):
    masks = random_masks(*shape) + random_masks(*shape, seed=1)
    rles = [run_lengths.encode(mask) for mask in masks]
    for i, a in enumerate(masks):
        for j, b in enumerate(masks):
            assert run_lengths.merge([rles[i], rles[j]]) == run_lengths.encode(a | b)
            assert run_lengths.shared_area(rles[i], rles[j]) == np.count_nonzero(a & b)
    assert run_lengths.merge(rles[5:8]) == run_lengths.encode(masks[5] | masks[6] | masks[7])
    assert run_lengths.merge(rles[:1]) == rles[0]


def test_intervals_in_any_order():
    starts, ends = np.array([7, 0, 2, 8]), np.array([9, 3, 5, 10])  # 0-3 and 2-5 overlap, 7-9 and 8-10 too
    assert run_lengths.check(run_lengths.from_intervals(starts, ends, (3, 4)), (3, 4)).tolist() == [0, 5, 2, 3, 2]
    nothing = np.zeros(0, np.int64)
    assert run_lengths.from_intervals(nothing, nothing, (3, 4)) == run_lengths.encode(np.zeros((3, 4), bool))


def test_overlaps_are_those_of_the_masks_and_of_the_boxes():
    masks = random_masks()
    rles = [run_lengths.encode(mask) for mask in masks]
    overlaps = run_lengths.iou(rles, rles[1:4], [False, True, False])
    for i, a in enumerate(masks):
        for j, b in enumerate(masks[1:4]):
            whole = np.count_nonzero(a) if j == 1 else np.count_nonzero(a | b)
            assert overlaps[i, j] == (np.count_nonzero(a & b) / whole if whole else 0)
    # 4 x 4 and 4 x 2, half of which lies in it: 4 shared of 16 + 8 - 4; as a crowd, 4 of the 16.
    assert run_lengths.iou([[0, 0, 4, 4]], [[2, 0, 4, 2]]).tolist() == [[4 / 20]]
    assert run_lengths.iou([[0, 0, 4, 4]], [[2, 0, 4, 2]], [True]).tolist() == [[4 / 16]]
    assert run_lengths.iou([], rles).shape == (0, 7) and run_lengths.iou(rles, []).shape == (7, 0)


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rle, reason", [
    ({"size": [2, 3], "counts": [1, 3, 1]}, "covers 5 pixels, the photo has 6"),
    ({"size": [2, 3], "counts": [1, 3, 3]}, "covers 7 pixels"),
    ({"size": [2, 3], "counts": [3, -1, 4]}, "a run of -1 pixels"),
    ({"size": [2, 3], "counts": [-(2**62)] * 4 + [6]}, "a run of -1 pixels"),  # their sum is 6 in 64 bits
    ({"size": [2, 3], "counts": [2**32, 1]}, "more than 4294967295 pixels"),
    ({"size": [2, 3], "counts": [1e300, 1]}, "more than 4294967295 pixels"),
    ({"size": [3, 2], "counts": [1, 3, 2]}, r"size \[3, 2\], the photo \[2, 3\]"),
    ({"size": [2, 3], "counts": "131"}, "covers 5 pixels"),
    ({"size": [2, 3], "counts": "1 3"}, "no run lengths"),
    ({"size": [2, 3], "counts": "13P"}, "no run lengths"),  # ends within a number
    ({"size": [2, 3], "counts": "oooooooooooo0"}, "no run lengths"),
    ({"size": [2, 3], "counts": "\N{EURO SIGN}"}, "no run lengths"),
    ({"size": [2, 3], "counts": ""}, "covers 0 pixels"),
    ({"size": [2, 3], "counts": []}, "covers 0 pixels"),
    ({"size": [2, 3], "counts": [[1], [2, 3]]}, "no run lengths"),
    ({"size": [2, 3], "counts": [[6]]}, "no run lengths"),
    ({"size": [2, 3], "counts": [1, None, 5]}, "no run lengths"),
    ({"size": [2, 3], "counts": ["1", "5"]}, "no run lengths"),
    ({"size": [2, 3], "counts": [1.5, 4.5]}, "no run lengths"),
    ({"size": [2, 3], "counts": [float("inf"), 1]}, "no run lengths"),
    ({"size": [2, 3], "counts": [2**70]}, "no run lengths"),
    ({"size": [2, 3]}, "must be"),
    ({"counts": [6]}, "size None"),
    ({"size": [[2], 3], "counts": [6]}, r"size \[\[2\], 3\]"),
    ({"size": [2, float("inf")], "counts": [6]}, "whole pixels"),
    ({"size": [2.5, 3], "counts": [6]}, "whole pixels"),
    ({"size": ["2", "3"], "counts": [6]}, "whole pixels"),
    ({"size": [0, 3], "counts": [6]}, "whole pixels"),
    ({"size": [True, 6], "counts": [6]}, "whole pixels"),
    ({"size": [2**16, 2**16], "counts": [2**32]}, "size 65536x65536, more than 4294967295 pixels"),
    ([1, 2], "must be"),
])
def test_wrong_run_lengths_are_refused_by_every_call(rle, reason):
    sound = {"size": [2, 3], "counts": [1, 3, 2]}
    with pytest.raises(DataError, match=reason):
        run_lengths.compress(rle, (2, 3))
    for call in (run_lengths.areas, run_lengths.boxes, run_lengths.merge, lambda rles: run_lengths.iou(rles, rles),
                 lambda rles: run_lengths.decode_all(rles, (2, 3)), lambda rles: run_lengths.shared_area(*rles)):
        for rles in ([sound, rle], [rle, sound]):
            if "the photo" in reason and call in (run_lengths.areas, run_lengths.boxes) and "covers" not in reason:
                continue  # they may be of any size
            with pytest.raises(DataError):
                call(rles)


@pytest.mark.parametrize("box", [[0, 0, 4], [0, 0, 4, float("nan")], [0, 0, 4, "a"], 7, None])
def test_what_is_no_box_is_refused(box):
    with pytest.raises(DataError, match="a box must be"):
        run_lengths.iou([[0, 0, 4, 4]], [box])


# --- Polygons --------------------------------------------------------------------------------------------------------


def test_polygons_are_united():
    square, overlapping, far = [1, 1, 5, 1, 5, 5, 1, 5], [3, 3, 8, 3, 8, 8, 3, 8], [10, 0, 12, 0, 12, 2, 10, 2]
    mask = run_lengths.decode(run_lengths.from_polygons([square, overlapping, far], (10, 14)))
    expected = np.zeros((10, 14), bool)
    expected[1:5, 1:5] = expected[3:8, 3:8] = expected[0:2, 10:12] = True
    np.testing.assert_array_equal(mask, expected)
    assert run_lengths.areas([run_lengths.from_polygons([square, overlapping], (10, 14))]) == [16 + 25 - 4]


def test_polygons_are_drawn_as_pycocotools_draws_them():
    rng = np.random.default_rng(0)
    for _ in range(50):
        polygons = [rng.uniform(-10, 50, 2 * rng.integers(3, 9)).tolist() for _ in range(rng.integers(1, 4))]
        expected = coco_mask.merge(coco_mask.frPyObjects(polygons, 40, 31))
        assert run_lengths.from_polygons(polygons, (40, 31))["counts"] == expected["counts"].decode()


@pytest.mark.parametrize("polygons, reason", [
    ([], "empty"),
    ([[1, 1, 2, 2]], "three or more corners"),
    ([[1, 1, 2, 2, 3]], "three or more corners"),
    ([[1, 1, 5, 1, 5, float("nan")]], "finite"),
    ([[1, 1, 5, 1, 1e9, 5]], "far outside"),
    ([["a", 1, 5, 1, 5, 5]], "list of numbers"),
    ([1, 1, 5, 1, 5, 5], "three or more corners"),  # a polygon that is not in a list
    ([{"a": 1}], "list of numbers"),
    ([[0, 0, 14, 10] * 200_000], "pixels long, more than 4194304"),  # 400,000 times 14 pixels
])
def test_polygons_that_are_none_are_refused(polygons, reason):
    with pytest.raises(DataError, match=reason):
        run_lengths.from_polygons(polygons, (10, 14))


@pytest.mark.parametrize("polygons", [
    [[1, 1, 5, 5, 9, 9]],  # a line
    [[3, 3, 3, 3, 3, 3]],  # a point
    [[20, 20, 25, 20, 25, 25]],  # beside the photo
    [[-5, 2, -1, 2, -1, 6]],
])
def test_polygons_of_no_area_are_refused(polygons):
    with pytest.raises(DataError, match="no area"):
        run_lengths.check_polygons(polygons, (10, 14))


def test_polygons_of_some_area_pass():
    run_lengths.check_polygons([[1, 1, 5, 5, 9, 9], [0, 0, 4, 0, 4, 4]], (10, 14))  # one part is enough
    # A figure of eight has no signed area, but pixels inside.
    run_lengths.check_polygons([[0, 0, 8, 8, 8, 0, 0, 8]], (10, 14))
    with pytest.raises(DataError, match="finite"):  # every part is looked at
        run_lengths.check_polygons([[0, 0, 4, 0, 4, 4], [1, 1, 5, 1, 5, float("inf")]], (10, 14))


# --- Memory ----------------------------------------------------------------------------------------------------------

UNDER_A_LIMIT = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
import numpy as np
from mrcnn.data import run_lengths
from mrcnn.errors import DataError

def refused(call):
    try:
        call()
    except DataError as error:
        return True

WIDE = (40, 49_999_999)
stripes = {"size": WIDE, "counts": [7, 5, 40 * 49_999_999 - 12]}
other = {"size": WIDE, "counts": [9, 40 * 49_999_999 - 9]}
assert run_lengths.areas([stripes, other]).tolist() == [5, 40 * 49_999_999 - 9]
assert run_lengths.areas([run_lengths.merge([stripes, other])]) == [40 * 49_999_999 - 7]
assert run_lengths.shared_area(stripes, other) == 3
assert run_lengths.iou([stripes], [other])[0, 0] > 0
assert run_lengths.boxes([other]).tolist() == [[0, 0, 40, 49_999_999]]
assert run_lengths.areas([run_lengths.from_polygons([[1, 1, 5, 1, 5, 5, 1, 5]], WIDE)]) == [16]
assert refused(lambda: run_lengths.from_polygons([[0, 0, 49_999_999, 0, 49_999_999, 40]], WIDE))
assert refused(lambda: run_lengths.from_polygons([[0, 0, 1e9, 0, 1e9, 1e9]], (600, 400)))
assert refused(lambda: run_lengths.from_polygons([[0, 0, 1e9, 0, 1e9, 1e9]], (2**31, 1)))
try:
    run_lengths.decode(other)
except MemoryError:  # of numpy, and not of C code that writes to what it was not given
    pass
else:
    raise AssertionError("decoded")
rng = np.random.default_rng(0)
for _ in range(300):  # text of any characters, and lists of any numbers
    text = rng.integers(40, 120, rng.integers(0, 12)).astype(np.uint8).tobytes()
    numbers = (rng.integers(-2, 9, rng.integers(0, 8)) * 10 ** rng.integers(0, 12)).tolist()
    for counts in (text, numbers):
        rles = [{"size": [3, 4], "counts": counts}, {"size": [3, 4], "counts": [5, 3, 4]}]
        for call in (run_lengths.merge, run_lengths.boxes, lambda rles: run_lengths.iou(rles, rles),
                     lambda rles: run_lengths.decode_all(rles, (3, 4))):
            refused(lambda: call(rles))
print("sound")
"""


def test_huge_and_malformed_input_stays_within_the_memory():
    done = subprocess.run([sys.executable, "-c", UNDER_A_LIMIT], capture_output=True, text=True)
    assert done.stdout.strip() == "sound", done.stderr


def test_encoding_cuts_shares_in_the_middle():
    mask = np.array([[0.9, 0.1], [0.1, 0.6]])
    with pytest.warns(UserWarning, match="more than two values"):
        assert run_lengths.encode(mask) == run_lengths.encode(mask > 0.5)
