"""The command `diagnose` as a user runs it on drawn pictures."""

import json
import os
from types import SimpleNamespace

import pytest
from made_pictures import Pictures, rectangles
from PIL import Image

from mrcnn.commands import diagnose as fashion_diagnose
from mrcnn.commands import main as fashion
from mrcnn.commands.configs import DrawnConfig
from mrcnn.commands.datasets import drawn_pictures
from mrcnn.commands.program import Program
from mrcnn.model import MaskRCNN

pytestmark = pytest.mark.usefixtures("eagerly")


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
    assert diagnose(weights, "--output", str(folder), "--set", "RPN_ANCHOR_SCALES=[100,110,120,130,140]",
                    "--set", "NAME=shop") == 0
    output = capsys.readouterr().out
    assert "3 photos, " in output and "objects in the data" in output and str(folder) in output
    assert sorted(os.listdir(folder)) == [".mrcnn-output", "diagnose.json", "diagnose.png"]
    with Image.open(folder / "diagnose.png") as figure:
        assert min(figure.size) > 500
    written = json.loads((folder / "diagnose.json").read_text())
    kinds = [finding["kind"] for finding in written["findings"]]
    assert kinds[:2] == ["untrained_heads", "changed_settings"] and "anchors_miss" in kinds
    assert "1. " in output and "epoch 0" in output and "here [100,110,120,130,140]" in output
    assert "What follows may come of what is above" in output
    assert "(train --weights last --set NAME=shop, with" in output
    assert written["steps"][0]["passed"] == written["objects"] > 3 and written["epoch"] == 0
    assert set(written["weights"]["untrained"]) == {"backbone", "pyramid", "proposal head", "box head", "mask head"}


def test_training_objects_come_from_the_other_part_or_from_annotations(tmp_path, monkeypatch):
    asked = []

    def open_data(options, annotations=None, part=None):
        asked.append((options.split, annotations, part, options.limit))
        return Pictures([rectangles((40, 40), [(0, 0, 10, 10), (20, 20, 40, 40)], [1, 1]),
                         rectangles((40, 40), [(0, 0, 10, 10)], [3])])

    monkeypatch.setattr(fashion_diagnose, "open_data", open_data)
    options = {"limit": 50, "split": None, "train": None, "part": None, "annotations": None, "program": Program()}
    dataset = SimpleNamespace(class_names=["BG", "class 3", "class 1", "hat"], image_ids=[])

    def count(**given):
        return fashion_diagnose.training_objects(SimpleNamespace(**{**options, **given}), dataset)

    assert count() is None and count(split="s.json", part="train") is None and not asked
    expected = {"objects": [1, 2, 0], "most": 2}
    assert count(split="s.json") == expected and count(split="s.json", part="test", train="train.json") == expected
    assert asked == [("s.json", None, "train", None), (None, "train.json", "train", None)]


def test_photos_that_were_trained_on_are_told(tmp_path, monkeypatch):
    data = Pictures([rectangles((40, 40), [(0, 0, 10, 10)], [1])])
    data.image_info[0]["path"] = str(tmp_path / "a.png")
    (tmp_path / "a.png").touch()
    monkeypatch.setattr(fashion_diagnose, "open_data", lambda *_: data)
    with pytest.warns(UserWarning, match="1 of 1 diagnosed photos are training photos too"):
        fashion_diagnose.training_objects(SimpleNamespace(train="train.json", limit=None), data)


@pytest.mark.parametrize("arguments, message", [
    (["--weights", "gone.h5"], "gone.h5: no such file"),
    (["--min-confidence", "5"], "5 is not within 0 and 1"),
    (["--images", "photos"], "--images needs annotations"),
])
def test_bad_usage_is_one_line(capsys, arguments, message):
    assert fashion.main(["diagnose", *arguments]) == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.count("\n") == 1
