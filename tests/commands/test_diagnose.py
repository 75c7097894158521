"""The command `diagnose`: what it reads off a model's stages, and as a user runs it on drawn pictures."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from made_pictures import Pictures, rectangles
from PIL import Image
from tiny import Squares, TinyConfig

from mrcnn.commands import diagnose as fashion_diagnose
from mrcnn.commands import main as fashion
from mrcnn.commands.datasets import drawn_pictures
from mrcnn.commands.settings import DrawnConfig
from mrcnn.evaluation.findings import find
from mrcnn.evaluation.funnel import step_tests
from mrcnn.model import MaskRCNN


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A network with random weights that knows the squares' colours."""
    return named(TinyConfig(), tmp_path_factory.mktemp("logs"))


def named(config, folder):
    model = MaskRCNN("inference", config, str(folder))
    model.class_names = ["BG", "red", "green", "blue"]
    return model


def seeing(model, monkeypatch, colour_of=lambda pixels: int(pixels.argmax()) + 1, score=0.9):
    """Puts perfect proposals and detections in the place of the network's, their class by the colour of the square."""

    def predict(canvases, windows):
        canvas = canvases[0]
        rows, columns = np.nonzero(canvas.max(axis=2) > 200)
        box = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1], np.float32)
        class_id = colour_of(canvas[rows[0], columns[0]])
        return {"boxes": box[None, None], "class_ids": np.array([[class_id]]), "scores": np.array([[score]], "float32"),
                "valid": np.array([[True]]), "masks": np.ones((1, 1, 28, 28), np.float32),
                "proposals": np.stack([box, box * 0])[None], "proposals_valid": np.array([[True, False]])}

    monkeypatch.setattr(model, "predict", predict)


# --- Looking at the stages -------------------------------------------------------------------------------------------


def test_a_network_that_finds_all_is_found_sound(tiny, monkeypatch):
    seeing(tiny, monkeypatch)
    # The photos of 96 x 80 are shrunk to 64 x 53: boxes are compared on the canvas, masks on the photo.
    made = fashion_diagnose.examine(tiny, Squares().load(6, size=(96, 80)))
    assert [step["passed"] for step in made["steps"]][4:] == [6] * 6 and made["photos"] == made["objects"] == 6
    assert sum(made["scores"]["hits"][17:19]) == 6 and not sum(made["scores"]["false_alarms"])
    assert made["proposals"]["number"] == 1 and made["masks"] == {"right": 6, "good": 6}
    assert made["pixels"]["max"] == 250 and made["pixels"]["min"] == 90  # the black beside the photo is not counted
    # With red and blue swapped a red square is called blue: half as good, or less.
    assert made["swapped"]["usual"] == pytest.approx(0.9) and made["swapped"]["swapped"] < 0.7


def test_channels_in_another_order_show(tiny, monkeypatch):
    seeing(tiny, monkeypatch, lambda pixels: 3 - int(pixels.argmax()))
    made = fashion_diagnose.examine(tiny, Squares().load(8))
    finding = next(finding for finding in find({**made, "epoch": 1, "changed": {}}) if finding.weight < 2)
    assert finding.kind == "swapped_channels"


def test_stages_of_both_geometries(tiny, tmp_path):
    """Anchors, proposals and detections are those of the network, in pixels of the canvas."""
    matterport = named(TinyConfig(GEOMETRY="matterport", BACKBONE_STRIDES=[4, 8, 16, 32, 64]), tmp_path)
    dataset = Squares().load(1)
    truth = fashion_diagnose.TrueObjects(dataset)
    size, y, x, side, colour = dataset.shape_of(0)
    objects = truth.of(0)
    assert objects["boxes"].tolist() == [[y, x, y + side, x + side]] and objects["classes"].tolist() == [colour]
    for model, corner in ((tiny, 2.0), (matterport, 0.0)):
        stages = fashion_diagnose.Stages(model, {1: 0, 2: 1, 3: 2})
        anchors = stages.anchors_of((64, 64, 3))
        # (16^2 + 8^2 + 4^2 + 2^2 + 1) cells of 3 shapes; the first cell's centre is half a stride in, or at 0.
        assert len(anchors) == 3 * 341
        np.testing.assert_allclose((anchors[0, :2] + anchors[0, 2:]) / 2, corner, atol=1e-5)
        with model.lower_confidence(0.0):
            trace, (mean, least, most) = stages.trace(dataset.load_image(0), objects)
            _, _, found = stages.found(dataset.load_image(0))
        assert trace.canvas == (64, 64) and trace.proposal_count == found["proposals_valid"].sum() > 0
        assert len(trace.pairs.scores) == found["valid"].sum()
        assert (trace.first_proposals <= trace.proposals).all() and trace.anchors[0] > 0.3
        assert step_tests(trace, model.config)[:2].all() and (least, most) == (90, 250)


def test_crowds_are_no_objects():
    photo, masks, _ = rectangles((40, 40), [(0, 0, 10, 10), (20, 20, 40, 40)], [1, 2])
    truth = fashion_diagnose.TrueObjects(Pictures([(photo, masks, np.array([1, -2], np.int32))]))
    objects = truth.of(0)
    assert objects["classes"].tolist() == [0] and objects["crowd_classes"].tolist() == [1]
    assert objects["crowd_boxes"].tolist() == [[20, 20, 40, 40]] and objects["areas"].tolist() == [100]


def test_layers_as_they_began_are_told(tiny):
    kernels = fashion_diagnose.kernels(tiny)
    assert {"res2a", "fpn_p2", "rpn_class_raw", "mrcnn_class_conv1", "mrcnn_mask"} <= set(kernels)
    assert all(np.array_equal(kernel, begun) for kernel, begun in kernels.values())
    layer = tiny.inference_model.get_layer("mrcnn_mask")
    before = layer.get_weights()
    layer.kernel.assign(layer.kernel + 1e-6)
    try:
        kernel, begun = fashion_diagnose.kernels(tiny)["mrcnn_mask"]
        assert not np.array_equal(kernel, begun)
    finally:
        layer.set_weights(before)


# --- As a user runs it -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A checkpoint of a small network for drawn pictures that was never trained."""
    folder = tmp_path_factory.mktemp("run")
    config = DrawnConfig(NUM_CLASSES=9, TOP_DOWN_PYRAMID_SIZE=16, RPN_CHANNELS=16, MASK_CHANNELS=16,
                         FPN_CLASSIF_FC_LAYERS_SIZE=32, POST_NMS_ROIS_INFERENCE=30, DETECTION_MAX_INSTANCES=10)
    model = MaskRCNN("inference", config, str(folder))
    model.class_names = drawn_pictures("val", 1).class_names
    path = folder / "weights.h5"
    model.save_weights(str(path))
    return path


def diagnose(path, *options):
    return fashion.main(["diagnose", "--weights", str(path), "--limit", "3", *options])


def test_a_checkpoint_that_was_never_trained(weights, tmp_path, capsys):
    folder = tmp_path / "out"
    assert diagnose(weights, "--output", str(folder), "--set", "RPN_ANCHOR_SCALES=[100,110,120,130,140]") == 0
    output = capsys.readouterr().out
    assert "3 photos, " in output and "objects in the data" in output and str(folder) in output
    assert sorted(os.listdir(folder)) == ["diagnose.json", "diagnose.png"]
    with Image.open(folder / "diagnose.png") as figure:
        assert min(figure.size) > 500
    written = json.loads((folder / "diagnose.json").read_text())
    kinds = [finding["kind"] for finding in written["findings"]]
    assert kinds[:2] == ["untrained_heads", "changed_settings"] and "anchors_miss" in kinds
    assert "1. " in output and "epoch 0" in output and "here [100,110,120,130,140]" in output
    assert "What follows may come of what is above" in output
    assert written["steps"][0]["passed"] == written["objects"] > 3 and written["epoch"] == 0
    assert set(written["weights"]["untrained"]) == {"backbone", "pyramid", "proposal head", "box head", "mask head"}


def test_training_objects_come_from_the_other_part_or_from_annotations(tmp_path, monkeypatch):
    asked = []

    def open_data(options, annotations=None, part=None):
        asked.append((options.split, annotations, part, options.limit))
        return Pictures([rectangles((40, 40), [(0, 0, 10, 10), (20, 20, 40, 40)], [1, 1]),
                         rectangles((40, 40), [(0, 0, 10, 10)], [3])])

    monkeypatch.setattr(fashion_diagnose, "open_data", open_data)
    options = {"limit": 50, "split": None, "train": None, "part": None}
    dataset = SimpleNamespace(class_names=["BG", "class 3", "class 1", "hat"])

    def count(**given):
        return fashion_diagnose.training_objects(SimpleNamespace(**{**options, **given}), dataset)

    assert count() is None and count(split="s.json", part="train") is None and not asked
    expected = {"objects": [1, 2, 0], "most": 2}
    assert count(split="s.json") == expected and count(split="s.json", part="test", train="train.json") == expected
    assert asked == [("s.json", None, "train", None), (None, "train.json", None, None)]


@pytest.mark.parametrize("arguments, message", [
    (["--weights", "gone.h5"], "gone.h5: no such file"),
    (["--min-confidence", "5"], "5 is not within 0 and 1"),
    (["--images", "photos"], "--images needs annotations"),
])
def test_bad_usage_is_one_line(capsys, arguments, message):
    assert fashion.main(["diagnose", *arguments]) == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.count("\n") == 1
