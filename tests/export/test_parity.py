"""Comparing a file with the network: what is run, and where photos are placed."""

from collections.abc import Sequence

import numpy as np
import pytest
from object_tables import answer
from PIL import Image

from mrcnn.config import Config
from mrcnn.data.images import place_image
from mrcnn.errors import DataError, ExportError
from mrcnn.export.object_outputs import ObjectOutputs
from mrcnn.export.parity import CalibrationInputs, checked_photos, compare, place, resize_rule

# --- Running a file --------------------------------------------------------------------------------------------------

SHAPES = {"boxes": [4], "class_ids": [], "scores": [], "valid": [], "masks": [7, 7]}


class Known:
    """A network that finds one object on every canvas that is not empty, as far down as the canvas is bright."""

    exported = ObjectOutputs()

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
        "canvas": {"height": 64, "width": 128},
        "resize": {"min_side": 0, "max_side": 128, "min_scale": 1.0},
        "thresholds": {"score": 0.5},
    }


@pytest.mark.parametrize("far, batch", [(2, 1), (0, 2)])
def test_a_file_for_any_canvas_is_compared_on_several(far, batch):
    """Each photo on the canvas that it gets from the network, the first one turned too, each with an empty one."""
    seen, told = [], about(batch)
    told["inputs"]["image"]["shape"][1:3] = None, None
    told["canvas"] = {"height": None, "width": None}
    told["outputs"]["masks"]["shape"][2:] = None, None

    class Placing(Known):
        def place(self, photo):
            return place_image(photo, 0, 128, 1.0, "rectangle")

    def run(inputs):
        seen.append(inputs["image"].shape)
        outputs = run_known(inputs)
        return {**outputs, "boxes": outputs["boxes"] + np.float32(far)}

    photos = [np.full((64, 128, 3), 40, np.uint8), np.full((192, 192, 3), 80, np.uint8)]
    checked = compare(Placing(), run, told, photos)
    # A photo of 192 x 192 is shrunk to 128 x 128; the longest side is 128.
    assert checked.pop("canvases") == [[64, 128], [128, 64], [128, 128]]
    assert checked == pytest.approx({"pictures": 6, "objects": 3, "largest_difference": far / 128, "boxes_pixels": far,
                                     "scores": 0, "masks": 0, "agreement": 1}, abs=1e-6)
    assert {shape[0] for shape in seen} == {batch} and len(seen) == 3 * -(-2 // batch)


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
                                     "scores": 0, "masks": 0, "agreement": 1}, abs=1e-6)
    assert len(seen) == -(-4 // batch)
    # A 64 x 64 photo in the middle of 64 x 128.
    np.testing.assert_array_equal(seen[0]["window"][0], [0, 32, 64, 96])
    assert "3 objects in 4 pictures" in ObjectOutputs().in_words(checked)


class Lazy(Sequence):
    """Photos that are made when they are asked for, each brighter than the one before; `asked` says which were."""

    def __init__(self, count):
        self.count, self.asked = count, []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError
        self.asked.append(int(index))
        return np.full((64, 128, 3), 40 + index, np.uint8)


def test_one_batch_of_photos_at_a_time_is_in_memory():
    photos, seen = Lazy(5), []

    def run(inputs):
        seen.append((len(photos.asked), inputs["image"][:, 0, 0, 0].tolist()))
        return run_known(inputs)

    checked = compare(Known(), run, about(2), photos)
    assert checked["pictures"] == 6 and checked["objects"] == 5
    assert seen == [(2, [40, 41]), (4, [42, 43]), (5, [44, 0])]  # how many had been asked for before each run


def test_calibration_makes_its_inputs_as_they_are_asked_for():
    photos = Lazy(5)
    inputs = CalibrationInputs(photos, about(2, "float32"))
    assert len(inputs) == 3 and photos.asked == []
    assert inputs[1]["image"].dtype == "float32" and photos.asked == [2, 3]
    seen = [each["image"][:, 0, 0, 0].tolist() for each in inputs]
    assert seen == [[40, 41], [42, 43], [44, 40]]  # the last ones filled up with the first photo
    np.testing.assert_array_equal(inputs[0]["window"], [[0, 0, 64, 128]] * 2)


def test_photos_of_files_are_checked_before_anything_is_written(tmp_path):
    Image.fromarray(np.full((6, 8, 3), 7, np.uint8)).save(tmp_path / "a.png")
    photos = checked_photos([str(tmp_path / "a.png"), np.full((4, 4, 3), 9, np.uint8)], 3)
    assert [photo.shape for photo in photos] == [(6, 8, 3), (4, 4, 3)] and not photos.in_memory
    assert checked_photos(tmp_path / "a.png", 1)[0].tolist() == [[[7]] * 8] * 6  # grey, for a network of one channel
    (tmp_path / "b.png").write_bytes(b"no photo")
    with pytest.raises(DataError, match=r"b\.png"):
        checked_photos([tmp_path / "a.png", tmp_path / "b.png"], 3)
    with pytest.raises(ExportError, match=r"photos\[0\] is uint8 \[6, 8, 3\]: give uint8 \[height, width, 4\]"):
        checked_photos([tmp_path / "a.png"], 4)


def test_no_object_at_all_is_told():
    checked = compare(Known(), run_known, about(1), [np.zeros((8, 8, 3), np.uint8)])
    assert checked["objects"] == 0 and "photos with something to find" in ObjectOutputs().in_words(checked)


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
