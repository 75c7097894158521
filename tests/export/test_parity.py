"""Comparing a file with the network: the distance of two answers, and where photos are placed."""

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data.images import place_image
from mrcnn.errors import ExportError
from mrcnn.export.parity import compare, differences, in_words, place, resize_rule

# --- The distance of two answers -------------------------------------------------------------------------------------


def answer(*objects, rows=4):
    """A table of objects (y1, class id, score, mask value), boxes being 20 x 30 pixels from (y1, 5) on."""
    table = {"boxes": np.zeros((rows, 4), "float32"), "class_ids": np.zeros(rows, "int32"),
             "scores": np.zeros(rows, "float32"), "valid": np.zeros(rows, bool),
             "masks": np.zeros((rows, 7, 7), "float32")}
    for row, (top, class_id, score, value) in enumerate(objects):
        table["boxes"][row] = top, 5, top + 20, 35
        table["class_ids"][row], table["scores"][row], table["valid"][row] = class_id, score, True
        table["masks"][row] = value
    return table


def test_objects_in_another_order_do_not_differ():
    one = answer((0, 1, 0.9, 0.2), (50, 1, 0.8, 0.5), (0, 2, 0.7, 1.0))
    other = answer((50, 1, 0.8, 0.5), (0, 2, 0.7, 1.0), (0, 1, 0.9, 0.2))
    assert differences(one, other, 0.5) == {"boxes": 0, "scores": 0, "masks": 0}


def test_each_output_has_its_own_distance():
    # The box moved by 3 pixels (IoU 17 / 23), the score fell by 0.1, every mask value by 0.25.
    distances = differences(answer((0, 1, 0.9, 1.0)), answer((3, 1, 0.8, 0.75)), 0.5)
    assert distances == pytest.approx({"boxes": 3, "scores": 0.1, "masks": 0.25}, abs=1e-6)


@pytest.mark.parametrize("swapped", [False, True])
def test_an_object_that_one_side_lacks_counts_by_its_score_above_the_threshold(swapped):
    both, one = answer((0, 1, 0.9, 1), (50, 1, 0.6, 1)), answer((0, 1, 0.9, 1))
    pair = (one, both) if swapped else (both, one)
    assert differences(*pair, 0.5)["scores"] == pytest.approx(0.1)  # 0.6 - 0.5
    assert differences(*pair, 0.6)["scores"] == pytest.approx(0, abs=1e-6)  # a rounding away from not being there


def test_an_object_of_another_class_or_elsewhere_is_another_object():
    assert differences(answer((0, 1, 0.9, 1)), answer((0, 2, 0.9, 1)), 0.5)["scores"] == pytest.approx(0.4)
    # 12 of 20 rows apart: IoU 8 / 32.
    assert differences(answer((0, 1, 0.9, 1)), answer((12, 1, 0.9, 1)), 0.5)["scores"] == pytest.approx(0.4)


def test_the_last_row_of_a_full_table_may_be_another_object_of_the_same_score():
    one = answer((0, 1, 0.9, 1), (50, 1, 0.7, 1), rows=2)
    other = answer((0, 1, 0.9, 1), (99, 1, 0.7, 1), rows=2)
    assert differences(one, other, 0.1)["scores"] == pytest.approx(0)


def test_what_is_no_number_is_infinitely_far():
    broken = answer((0, 1, 0.9, np.nan))
    assert differences(answer((0, 1, 0.9, 1)), broken, 0.5)["masks"] == np.inf


# --- Running a file --------------------------------------------------------------------------------------------------

SHAPES = {"boxes": [4], "class_ids": [], "scores": [], "valid": [], "masks": [7, 7]}


class Known:
    """A network that finds one object on every canvas that is not empty, as far down as the canvas is bright."""

    def predict(self, canvases, windows):
        tables = [answer((float(canvas.mean()), 1, 0.9, 1)) if canvas.any() else answer() for canvas in canvases]
        return {name: np.stack([table[name] for table in tables]) for name in SHAPES}


def run_known(inputs):
    return Known().predict(inputs["image"], inputs["window"])


def about(batch, dtype="uint8"):
    dtypes = {"class_ids": "int32", "valid": "bool"}
    return {
        "format": "onnx",
        "inputs": {"image": {"shape": [batch, 64, 128, 3], "dtype": dtype}, "window": {"dtype": "float32"}},
        "outputs": {name: {"shape": [batch, 4, *shape], "dtype": dtypes.get(name, "float32")}
                    for name, shape in SHAPES.items()},
        "resize": {"min_side": 0, "max_side": 128, "min_scale": 1.0},
        "thresholds": {"score": 0.5},
    }


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_every_picture_is_compared_once_whatever_the_batch(batch):
    seen = []

    def run(inputs):
        assert inputs["image"].shape == (batch, 64, 128, 3) and inputs["image"].dtype == "float32"
        seen.append(inputs)
        outputs = Known().predict(inputs["image"], inputs["window"])
        return {**outputs, "boxes": outputs["boxes"] + np.float32(2)}

    photos = [np.full((64, 64, 3), value, np.uint8) for value in (40, 80, 120)]
    checked = compare(Known(), run, about(batch, "float32"), photos)
    # Three photos with an object each and an empty canvas; boxes are 2 of 128 pixels away.
    assert checked == pytest.approx({"pictures": 4, "objects": 3, "largest_difference": 2 / 128, "boxes_pixels": 2,
                                     "scores": 0, "masks": 0}, abs=1e-6)
    assert len(seen) == -(-4 // batch)
    # A 64 x 64 photo in the middle of 64 x 128.
    np.testing.assert_array_equal(seen[0]["window"][0], [0, 32, 64, 96])
    assert "3 objects in 4 pictures" in in_words(checked)


def test_no_object_at_all_is_told():
    checked = compare(Known(), run_known, about(1), [np.zeros((8, 8, 3), np.uint8)])
    assert checked["objects"] == 0 and "photos with something to find" in in_words(checked)


def test_a_file_that_does_not_run_or_gives_other_tables_is_refused():
    def broken(inputs):
        raise RuntimeError("no kernel")

    with pytest.raises(ExportError, match="The onnx file does not run: no kernel"):
        compare(Known(), broken, about(1))
    with pytest.raises(ExportError, match=r"gives scores as float64 \[1, 4\], not as float32 \[1, 4\]"):
        compare(Known(), lambda inputs: {**run_known(inputs), "scores": np.zeros((1, 4))}, about(1))


# --- Placing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(64, 48), (200, 100), (90, 300), (500, 500), (3, 700)])
@pytest.mark.parametrize("settings, size", [
    ({"IMAGE_RESIZE_MODE": "square", "IMAGE_MIN_DIM": 100, "IMAGE_MAX_DIM": 256}, None),
    ({"IMAGE_RESIZE_MODE": "rectangle", "IMAGE_MIN_DIM": 0, "IMAGE_MAX_DIM": 256}, None),
    ({"IMAGE_RESIZE_MODE": "pad64", "IMAGE_MIN_DIM": 0, "IMAGE_MIN_SCALE": 2}, (1408, 1408)),
])
def test_photos_are_placed_as_in_detection_wherever_they_fit(shape, settings, size):
    config, rng = Config(**settings), np.random.default_rng(0)
    photo = rng.integers(0, 255, (*shape, 3)).astype(np.uint8)
    expected, known = place_image(photo, config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, config.IMAGE_MIN_SCALE,
                                  config.IMAGE_RESIZE_MODE)
    canvas, window = place(photo, size or (256, 256), resize_rule(config))
    # Centred on another canvas it is the same photo elsewhere.
    np.testing.assert_array_equal(cut(canvas, window), cut(expected, known))
    assert window.scale == known.scale
    if expected.shape == canvas.shape:
        np.testing.assert_array_equal(canvas, expected)


def cut(canvas, window):
    y1, x1, y2, x2 = np.rint(window.box).astype(int)
    return canvas[y1:y2, x1:x2]


def test_a_photo_that_does_not_fit_is_shrunk_until_it_does():
    photo = np.full((100, 200, 3), 9, np.uint8)
    canvas, window = place(photo, (256, 128), {"min_side": 0, "max_side": 256, "min_scale": 1.0})
    # 200 columns on 128: 0.64, so 64 rows, 96 above and below.
    np.testing.assert_array_equal(window.box, [96, 0, 160, 128])
    assert canvas[96:160].min() == 9 and not canvas[:96].any() and not canvas[160:].any()


def test_rules_of_the_modes_that_detect_otherwise_than_they_train():
    assert resize_rule(Config(IMAGE_RESIZE_MODE="none")) == {"min_side": 0, "max_side": None, "min_scale": 1.0}
    # A network trained on crops of 512 sees the whole photo in a square of 512.
    crop = resize_rule(Config(IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=512, IMAGE_MAX_DIM=1024, IMAGE_MIN_SCALE=2.0))
    assert crop == {"min_side": 512, "max_side": 512, "min_scale": 2.0}
