"""An exported file in the place of a checkpoint; files of each kind are held against networks in tests/export."""

import argparse
import copy
import json
import subprocess
import sys

import numpy as np
import pytest

from mrcnn import architectures
from mrcnn.architectures import exported
from mrcnn.architectures.exported import ExportedDetector, ExportedLabeler, open_exported, settings_of
from mrcnn.commands.runs import load_model
from mrcnn.config import Config
from mrcnn.errors import CheckpointError, ConfigError, ExportError, RunError

CANVAS, BATCH = (64, 128), 2


def about_of(architecture="mask-rcnn", **changed):
    """What the JSON file of a file of one class says, least score 0.3."""
    objects = architecture == "mask-rcnn"
    least = {"DETECTION_MIN_CONFIDENCE": 0.3} if objects else {}
    settings = settings_of(architecture)(NAME="t", NUM_CLASSES=2, IMAGE_MIN_DIM=0, IMAGE_MAX_DIM=128, **least)
    inputs = {"image": {"shape": [BATCH, *CANVAS, 3], "dtype": "uint8"}}
    if objects:
        inputs["window"] = {"shape": [BATCH, 4], "dtype": "float32"}
    outputs = dict.fromkeys(("boxes", "scores", "class_ids", "valid", "masks") if objects else ("probabilities",), {})
    return {"format": "onnx", "architecture": architecture, "inputs": inputs, "outputs": outputs,
            "class_names": ["BG", "bag"], "canvas": dict(zip(("height", "width"), CANVAS, strict=True)),
            "resize": {"min_side": 0, "max_side": 128, "min_scale": 1.0}, "settings": settings.to_dict(),
            "thresholds": {"score": 0.3, "overlap": 0.3, "mask": 0.5}, "geometry": "exact", **changed}


def of_windows(inputs):
    """The answer of a stub: two objects, each as large as the photo, of scores 0.9 and 0.4."""
    assert inputs["image"].shape == (BATCH, *CANVAS, 3) and inputs["image"].dtype == np.uint8
    window = np.repeat(inputs["window"][:, None], 2, axis=1)
    return {"boxes": window, "class_ids": np.ones((BATCH, 2), np.int32),
            "scores": np.tile(np.float32([0.9, 0.4]), (BATCH, 1)), "valid": np.ones((BATCH, 2), bool),
            "masks": np.ones((BATCH, 2, 4, 4), np.float32)}


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """A function that opens a file with this beside it, its runtime a stub; `opened.runs` counts its runs."""
    def open_it(about, run=of_windows, **overrides):
        path = tmp_path / "model.onnx"
        path.write_bytes(b"stub")
        (tmp_path / "model.onnx.json").write_text(json.dumps(about))

        def counted(inputs):
            open_it.runs += 1
            return run(inputs)

        def open_file(path, about, precision):
            open_it.precision = precision
            return counted

        monkeypatch.setattr(exported, "open_file", open_file)
        return architectures.load(path, **overrides)

    open_it.runs = 0
    return open_it


def photo(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3)).astype(np.uint8)


def for_any_canvas():
    """What the JSON file of a file for canvases of any size says."""
    about = about_of()
    about["inputs"]["image"]["shape"][1:3] = None, None
    about["canvas"] = {"height": None, "width": None}
    about["settings"]["IMAGE_RESIZE_MODE"] = "rectangle"
    return about


def test_a_file_for_any_canvas_gets_the_one_that_fits_each_photo(opened):
    about, seen = for_any_canvas(), []

    def run(inputs):
        seen.append(inputs["image"].shape)
        return of_windows({**inputs, "image": np.zeros((BATCH, *CANVAS, 3), np.uint8)})

    results = opened(about, run).detect([photo(30, 40), photo(200, 100), photo(64, 128)])
    assert seen == [(BATCH, 64, 64, 3), (BATCH, 128, 64, 3), (BATCH, 64, 128, 3)]  # 200 x 100 shrinks to 128 x 64
    assert [result["rois"][0].tolist() for result in results] == [[0, 0, 30, 40], [0, 0, 200, 100], [0, 0, 64, 128]]


def test_photos_of_any_number_and_size_go_through_in_batches_of_the_file(opened):
    model = opened(about_of())
    assert isinstance(model, ExportedDetector) and model.class_names == ["BG", "bag"]
    photos = [photo(30, 40), photo(200, 100), photo(64, 128)]
    results = model.detect(photos)
    assert opened.runs == 2  # two and one
    for image, result in zip(photos, results, strict=True):
        height, width = image.shape[:2]
        np.testing.assert_allclose(result["boxes"], [[0, 0, height, width]] * 2, atol=0.01)
        assert result["masks"].shape == (height, width, 2) and result["masks"].all()
    assert model.detect([]) == []


def test_a_higher_score_is_asked_for_beside_the_file_and_a_lower_one_is_told(opened):
    model = opened(about_of(), DETECTION_MIN_CONFIDENCE=0.5)
    assert model.score_floor == 0.3
    assert len(model.detect([photo(40, 40)])[0]["scores"]) == 1
    assert len(model.detect([photo(40, 40)], min_confidence=0.35)[0]["scores"]) == 2
    with pytest.warns(UserWarning, match="least score 0.3 built in.*DETECTION_MIN_CONFIDENCE=0.05"):
        model.detect([photo(40, 40)], min_confidence=0.05)


def test_scores_count_the_mask_beside_the_file(opened):
    def run(inputs):
        return {**of_windows(inputs), "masks": np.tile(np.float32([0.6, 1.0])[:, None, None], (BATCH, 1, 4, 4))}

    # 0.9 * 0.6 and 0.4 * 1
    assert opened(about_of(), run).detect([photo(40, 40)])[0]["scores"].tolist() == np.float32([0.9, 0.4]).tolist()
    scores = opened(about_of(), run, MASK_SCORES=True).detect([photo(40, 40)])[0]["scores"]
    np.testing.assert_allclose(scores, [0.54, 0.4], rtol=1e-6)


def test_label_maps_tiles_and_mirrored_views(opened):
    model = opened(about_of(), TEST_FLIP=True)
    with pytest.warns(UserWarning, match="least score 0.3 built in"):  # views are asked for less
        (result,) = model.label([photo(50, 60)])
    assert (result["labels"] == 1).all() and opened.runs == 1  # both views in one batch
    assert len(model.detect_tiled([photo(200, 300)], tile=128)[0]["scores"])

    def left_half(inputs):
        told = np.zeros((BATCH, *CANVAS, 2), np.float32)
        told[..., 1] = np.arange(CANVAS[1]) < CANVAS[1] / 2
        told[..., 0] = 1 - told[..., 1]
        return {"probabilities": told}

    labels = opened(about_of("unet"), left_half)
    assert isinstance(labels, ExportedLabeler) and labels.architecture_name() == "unet"
    (result,) = labels.label([photo(64, 128)])
    assert result["labels"][:, :64].all() and not result["labels"][:, 64:].any()


@pytest.mark.parametrize("overrides, told", [
    ({"IMAGE_MAX_DIM": 256}, "IMAGE_MAX_DIM=128 built in"), ({"TEST_SCALES": (1.0, 1.25)}, "TEST_FLIP=true"),
    ({"NO_SUCH": 1}, "Unknown setting 'NO_SUCH'"),
    ({"WORKERS": 4}, "is used, not trained, and WORKERS is read by training alone"),
    ({"DETECTION_NMS_THRESHOLD": 0.5}, "DETECTION_NMS_THRESHOLD=0.3 built in.*--tile or --set TEST_FLIP=true alone"),
    ({"BATCH_SIZE": 8}, "takes 2 photos at once.*--batch-size N"),
])
def test_what_is_built_in_cannot_be_changed(overrides, told, opened):
    with pytest.raises(ConfigError, match=told):
        opened(about_of(), **overrides)
    assert opened(about_of(), IMAGE_MAX_DIM=128).config.IMAGE_MAX_DIM == 128  # as it is


def test_a_file_for_any_canvas_is_not_said_to_take_one(opened):
    with pytest.raises(ConfigError, match=r"model.onnx looks at each photo at one size; .*--tta\) need the checkpoint"):
        opened(for_any_canvas(), TEST_SCALES=(1.0, 1.25))


def test_an_opened_file_can_be_copied(opened):
    model = opened(about_of())
    twin = copy.copy(model)
    assert twin.config is model.config and twin.class_names == model.class_names
    with pytest.raises(AttributeError, match="model.onnx' is an exported file, which has no keras_model"):
        twin.keras_model  # noqa: B018  asked for, not used


def test_an_openvino_file_computes_in_what_is_asked_for(opened):
    about = about_of(format="openvino")
    for precision in ("float32", "mixed_bfloat16"):
        model = opened(about, PRECISION=precision)
        assert opened.precision == model.config.PRECISION == precision
    opened(about)
    assert opened.precision == "float32"
    with pytest.raises(ConfigError, match="computes in float32 or mixed_bfloat16"):
        opened(about, PRECISION="mixed_float16")
    with pytest.raises(ConfigError, match="is opened already: open it again with PRECISION="):
        opened(about).config.PRECISION = "mixed_bfloat16"
    with pytest.raises(ConfigError, match="computes in float32: leave PRECISION out, or export .* to openvino"):
        opened(about_of(), PRECISION="mixed_bfloat16")


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_a_savedmodel_of_half_precision_opens_as_it_is(precision, opened):
    about = about_of(format="savedmodel")
    about["settings"]["PRECISION"] = precision
    assert opened(about).config.PRECISION == opened(about, PRECISION=precision).config.PRECISION == precision
    with pytest.raises(ConfigError, match=f"has PRECISION='{precision}' built in.* with --set PRECISION="):
        opened(about, PRECISION="float32")


@pytest.mark.parametrize("name, value, told", [
    ("DETECTION_MAX_INSTANCES", 1, "DETECTION_MAX_INSTANCES=100 built in"), ("IMAGE_MAX_DIM", 256, "=128 built in"),
    ("TEST_SCALES", (1.0, 1.25), "takes one canvas"), ("BATCH_SIZE", 8, "takes 2 photos at once"),
    ("PRECISION", "mixed_float16", "computes in float32"), ("WORKERS", 4, "read by training alone"),
])
def test_what_is_built_in_cannot_be_assigned_later(name, value, told, opened):
    config = opened(about_of()).config
    for assign in (lambda: setattr(config, name, value), lambda: config.set(**{name: value})):
        with pytest.raises(ConfigError, match=f"model.onnx .*{told}.* A copy.copy.config. takes any value"):
            assign()
    assert getattr(copy.copy(config).set(**{name: value}), name) == value
    config.set(**{name: getattr(config, name)})  # as it is
    config.check()


def test_what_is_at_work_beside_the_file_may_be_assigned_later(opened):
    model = opened(about_of())
    free = {"DETECTION_MIN_CONFIDENCE": 0.5, "LABEL_REFINE": "guided", "TEST_FLIP": True, "MASK_SCORES": True,
            "ATTRIBUTE_MIN_CONFIDENCE": 0.7, "DETECTION_NMS_THRESHOLD": 0.6, "SEED": 5}
    assert set(free) == exported.OUTSIDE | {exported.OVERLAP}
    model.config.set(**free)
    assert model.config.DETECTION_NMS_THRESHOLD == 0.6 and opened(about_of(), **free).config.TEST_FLIP


def test_what_a_file_cannot_do_is_said(opened, tmp_path):
    def broken(inputs):
        raise RuntimeError("no kernel\nfor this")

    with pytest.raises(ExportError, match="does not run: no kernel for this"):
        opened(about_of(), broken).detect([photo(40, 40)])
    with pytest.raises(ExportError, match=r"gives no boxes, which .*model\.onnx\.json promises: put its own"):
        opened(about_of(), lambda inputs: {"probabilities": np.zeros(2)}).detect([photo(40, 40)])
    with pytest.raises(ExportError, match=r"model\.onnx\.json: No architecture 'u-net': did you mean unet\?"):
        opened({**about_of("unet"), "architecture": "u-net"})
    with pytest.raises(CheckpointError, match="cannot be trained"):
        open_exported(tmp_path / "model.onnx", "training")
    with pytest.raises(CheckpointError, match="give the checkpoint"):
        architectures.architecture_of(tmp_path / "model.onnx")
    with pytest.raises(AttributeError, match="exported file, which has no train"):
        opened(about_of()).train()


def test_overlap_is_at_work_where_views_and_tiles_are_merged(opened, tmp_path):
    """Two boxes that share 0.4 of their union: the half of a box that holds them, and the whole."""
    def run(inputs):
        outputs = of_windows(inputs)
        outputs["boxes"][:, 1, 2] = outputs["boxes"][:, 1, :3:2] @ [0.6, 0.4]  # 0.4 of the photo's rows
        return outputs

    def count(overlap, **options):
        return len(opened(about_of(), run, TEST_FLIP=True, DETECTION_NMS_THRESHOLD=overlap).detect(
            [photo(64, 128)], min_confidence=0.3)[0]["scores"])

    with pytest.warns(UserWarning, match="built in"):
        assert (count(0.3), count(0.5)) == (1, 2)
    options = argparse.Namespace(tile=64, tile_overlap=0.25, batch_size=None, set=[], logs=None)
    opened(about_of(), run)
    tiled = load_model(str(tmp_path / "model.onnx"), options, {"DETECTION_NMS_THRESHOLD": 0.5})
    assert tiled.config.DETECTION_NMS_THRESHOLD == tiled.model.config.DETECTION_NMS_THRESHOLD == 0.5
    options.tile = None
    with pytest.raises(ConfigError, match="DETECTION_NMS_THRESHOLD=0.3 built in"):
        load_model(str(tmp_path / "model.onnx"), options, {"DETECTION_NMS_THRESHOLD": 0.5})


def test_a_command_passes_over_settings_of_training_alone(opened, tmp_path):
    """It tells of them by its options, as for a checkpoint."""
    opened(about_of())
    options = argparse.Namespace(tile=None, batch_size=None, set=["WORKERS=4", "LEARNING_RATE=0.1"], logs=None)
    given = {"WORKERS": 4, "LEARNING_RATE": 0.1, "DETECTION_MIN_CONFIDENCE": 0.5}
    config = load_model(str(tmp_path / "model.onnx"), options, given).config
    assert config.DETECTION_MIN_CONFIDENCE == 0.5 and config.WORKERS != 4


def test_settings_of_each_architecture():
    for name in architectures.ARCHITECTURES:
        assert settings_of(name) is architectures.class_of(name).settings
    assert settings_of("mask-rcnn") is Config


def test_neither_keras_nor_a_backend_is_imported():
    code = ("import sys\nfor name in ('keras', 'tensorflow', 'jax', 'torch'): sys.modules[name] = None\n"
            "import mrcnn.architectures.exported, mrcnn.commands.main, mrcnn.commands.detect, mrcnn.commands.label, "
            "mrcnn.evaluation.coco, mrcnn.drawing.pictures, mrcnn.labeling.refine, mrcnn.data.unannotated")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_forked_process_is_told_as_it_is(opened):
    def forked(inputs):
        raise RunError("Process 2 was forked from 1.")

    with pytest.raises(RunError, match="^Process 2 was forked from 1.$"):
        opened(about_of(), forked).detect([photo(60, 80)])


def test_label_maps_are_refined_beside_the_file(opened):
    def specks(inputs):
        given = np.zeros((BATCH, *CANVAS, 2), np.float32) + [0.2, 0.8]
        given[:, 30:32, 30:32] = 0.9, 0.1
        return {"probabilities": given.astype(np.float32)}

    about = about_of("unet")
    (plain,) = opened(about, specks).label([photo(64, 128)])
    (refined,) = opened(about, specks, LABEL_REFINE="small-regions:least=0.01").label([photo(64, 128)])
    assert (plain["labels"] == 0).sum() == 4 and (refined["labels"] == 1).all()
