"""Files of label maps: the distance of two answers, and files of each network against it, by the program of the guide.
"""

import json

import keras
import numpy as np
import pytest
from export_guide import program_of_guide, skip_without_packages
from tiny_pixels import make_sure, pixel_network

from mrcnn import architectures
from mrcnn.export.files import export
from mrcnn.export.label_outputs import LabelOutputs
from mrcnn.export.parity import compare, place
from mrcnn.inference.labeler import label_map_of, photo_part

# --- The distance of two answers -------------------------------------------------------------------------------------


def answer(*pixels):
    """Probabilities of the class 1 of two, in a picture of one row."""
    ones = np.float32([pixels])
    return {"probabilities": np.stack([1 - ones, ones], axis=-1)}


def test_the_largest_difference_and_the_labels_that_differ_by_hand():
    outputs = LabelOutputs()
    # 0.1 and 0.2 apart; the second pixel is of class 1 in the one, of class 0 in the other.
    first = outputs.distances(answer(0.9, 0.6, 0.1, 0.2), answer(0.8, 0.4, 0.1, 0.2), {})
    same = outputs.distances(answer(0.0, 0.1, 0.1, 0.1), answer(0.0, 0.1, 0.1, 0.1), {})
    assert first["probabilities"] == pytest.approx(0.2) and first["labels"] == 1 / 4 and first["classes"] == [0, 1]
    checked = {"pictures": 2, **outputs.summary([first, same], {})}
    assert checked["largest_difference"] == checked["probabilities"] == pytest.approx(0.2)
    assert checked["other_labels"] == 1 / 8 and checked["classes"] == 2  # of both pictures together
    assert outputs.in_words(checked) == ("largest difference 0.2 of the probabilities, another label at 12.50% of the "
                                         "pixels (2 classes in 2 pictures)")
    told = outputs.in_words({"pictures": 1, **outputs.summary([same], {})})
    assert told.endswith("only photos with several classes make it a check")


def test_what_is_no_number_is_infinitely_far():
    assert LabelOutputs().distances(answer(0.5), answer(np.nan), {})["probabilities"] == np.inf


class Known:
    """A network that takes no window: class 1 is as probable as a pixel is red."""

    exported = LabelOutputs()

    def predict(self, canvases, windows):
        red = canvases[..., 0].astype("float32") / 255
        return {"probabilities": np.stack([1 - red, red], axis=-1)}


def test_a_file_without_window_is_given_none_and_noise_is_compared_too():
    about = {"format": "onnx", "resize": {"min_side": 0, "max_side": 64, "min_scale": 1.0},
             "inputs": {"image": {"shape": [1, 64, 64, 3], "dtype": "uint8"}},
             "outputs": {"probabilities": {"shape": [1, 64, 64, 2], "dtype": "float32"}}}
    seen = []

    def run(inputs):
        assert set(inputs) == {"image"}
        seen.append(inputs["image"])
        return Known().predict(inputs["image"], None)

    checked = compare(Known(), run, about, [np.full((64, 64, 3), 9, np.uint8)])
    assert checked == {"pictures": 2, "classes": 2, "largest_difference": 0, "probabilities": 0, "other_labels": 0,
                       "agreement": 1}
    assert (seen[0] == 9).all() and seen[1].std() > 50


# --- Files against networks ------------------------------------------------------------------------------------------

EXPORTS = {  # one format each; U2-Net has no operation that these lack, and is exported by benchmarks/export_labels.py
    "deeplabv3": ("savedmodel", {}, {"batch": 2}),
    "deeplabv3plus": ("onnx", {}, {}),
    "unet": ("litert", {"IMAGE_RESIZE_MODE": "rectangle"}, {"height": 64, "width": 128, "dtype": "float32"}),
}


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="export runs on TensorFlow")
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long) if name == "deeplabv3" else name
                                  for name in EXPORTS])
def test_the_program_of_the_guide_labels_as_the_network_does(name, tmp_path, monkeypatch, capsys):
    format, settings, options = EXPORTS[name]
    skip_without_packages(format)
    monkeypatch.setenv("TF2ONNX_CATCH_ERRORS", "no")  # see test_files.py
    program = program_of_guide(monkeypatch)
    model = make_sure(pixel_network(name, tmp_path, "inference", IMAGE_MIN_DIM=0, **settings))
    rng = np.random.default_rng(0)
    fits, large = (rng.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in ((60, 45), (150, 90)))
    path = str(tmp_path / "file")
    about = export(model, path, format, photos=[fits], **options)
    with open(path + ".json", encoding="utf-8") as file:
        assert json.load(file) == about
    shape = [options.get("batch", 1), 64, options.get("width", 64)]
    assert about["outputs"]["probabilities"]["shape"] == [*shape, 4] and set(about["inputs"]) == {"image"}
    assert about["architecture"] == name and about["class_names"] == ["BG", "class 1", "class 2", "class 3"]
    assert about["mean_pixel"] == [123.7, 116.8, 103.9] and "thresholds" not in about
    assert about["checked"]["classes"] > 2 and about["checked"]["largest_difference"] < 1e-3 < LabelOutputs.tolerance
    assert "another label at 0.0" in capsys.readouterr().out
    run, loaded = program.load(path, about), architectures.load(path)
    for photo in (fits, large):
        labels, probabilities = program.label(run, about, photo)
        canvas, window = place(photo, tuple(shape[1:]), about["resize"])
        told = model.predict(canvas[None], window.box[None])["probabilities"][0]
        expected = label_map_of([photo_part(told, window)], photo.shape[:2])
        assert labels.shape == photo.shape[:2] and labels.dtype == np.uint8
        (own,) = loaded.label([photo])  # the file in the place of a checkpoint
        np.testing.assert_allclose(own["probabilities"], expected["probabilities"], atol=1e-3)
        assert (labels == expected["labels"]).mean() > 0.97  # few pixels of the shrunk one are another step
        if photo is fits:
            np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="export runs on TensorFlow")
def test_a_dynamic_file_labels_canvases_of_any_size(tmp_path, monkeypatch):
    skip_without_packages("onnx")
    monkeypatch.setenv("TF2ONNX_CATCH_ERRORS", "no")  # see test_files.py
    model = make_sure(pixel_network("unet", tmp_path, "inference", IMAGE_MIN_DIM=0, IMAGE_MAX_DIM=128,
                                    IMAGE_RESIZE_MODE="rectangle"))
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in ((60, 45), (60, 120), (128, 64))]
    path = str(tmp_path / "any.onnx")
    about = export(model, path, "onnx", dynamic=True, photos=photos[1:2])
    assert about["inputs"]["image"]["shape"] == [1, None, None, 3]
    assert about["checked"]["canvases"] == [[64, 128], [128, 64]]
    file = architectures.load(path)
    assert len({file.place(one)[0].shape for one in photos}) == 3
    for one, expected in zip(file.label(photos), model.label(photos), strict=True):
        np.testing.assert_allclose(one["probabilities"], expected["probabilities"], atol=1e-3)
