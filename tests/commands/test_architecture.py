"""A network of the user's own, which finds no objects, through the commands: --architecture package.module:Class."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from mrcnn.architectures import load
from mrcnn.commands import main as fashion
from mrcnn.weights.files import read_attributes

NAME = "tiny_semantic:TinySemantic"


def run(*arguments):
    return fashion.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Logs of one run of two epochs on drawn pictures, trained by the command."""
    logs = tmp_path_factory.mktemp("logs")
    assert run("train", "--architecture", NAME, "--logs", logs, "--limit", "8", "--stages", "all:2:1e-2",
               "--set", "OPTIMIZER=adamw", "--evaluate-every", "1", "--keep-best", "mean_IoU") == 0
    return logs


def files(logs):
    (folder,) = [path for path in logs.iterdir() if path.is_dir() and path.name.startswith("fashion")]
    return folder, set(os.listdir(folder))


def test_train_leaves_a_run(logs):
    folder, names = files(logs)
    assert {"tinysemantic_fashion_0002.h5", "tinysemantic_fashion_best.h5", "best.json", "history.csv"} <= names
    assert json.loads((folder / "best.json").read_text())["monitor"] == "val_mean_IoU"
    assert read_attributes(str(folder / "tinysemantic_fashion_0002.h5"))["architecture"] == NAME


def test_train_resumes_what_the_checkpoint_is_of(logs, tmp_path, capsys):
    shutil.copytree(logs, tmp_path / "logs")
    again = ("train", "--weights", "last", "--logs", tmp_path / "logs", "--limit", "8", "--stages", "all:3:1e-2")
    assert run(*again, "--architecture", "mask-rcnn") == 2
    assert "tiny_semantic:TinySemantic: leave --architecture mask-rcnn out" in capsys.readouterr().err
    assert run(*again) == 0
    output = capsys.readouterr().out
    assert "Optimizer and random state restored." in output and "epoch 2 of 3" in output
    assert "tinysemantic_fashion_0003.h5" in files(tmp_path / "logs")[1]


def test_evaluate_measures_pixels(logs, tmp_path, capsys):
    assert run("evaluate", "--logs", logs, "--limit", "3", "--output", tmp_path) == 0
    metrics = json.loads((tmp_path / "pixels.json").read_text())
    assert set(os.listdir(tmp_path)) == {".mrcnn-output", "pixels.csv", "pixels.html", "pixels.json"}
    assert metrics["photos"] == 3 and "settings" not in metrics
    assert 0 < metrics["mean_iou"] < 1
    assert "mean IoU, background too" in capsys.readouterr().out
    assert run("evaluate", "--logs", logs, "--limit", "1", "--output", tmp_path, "--tta", "--refine", "small-regions",
               "--no-report") == 0
    measured = json.loads((tmp_path / "pixels.json").read_text())["measured"]
    assert measured["views"] == "at 1, 1 mirrored, 1.25, 1.25 mirrored of the size"
    assert measured["refinement"] == "small-regions" and measured["architecture"] == NAME


def test_options_of_objects_are_none_of_its_evaluation(logs, tmp_path, capsys):
    words = ("--min-confidence", "0.1", "--max-detections", "5")
    assert run("evaluate", "--logs", logs, "--limit", "1", "--output", tmp_path / "out", *words) == 2
    assert "--max-detections, --min-confidence: about objects" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_least_score_is_none_of_its_label_maps(logs, tmp_path, capsys):
    assert run("label", "--logs", logs, "--output", tmp_path / "out", "--min-confidence", "0.3") == 2
    told = capsys.readouterr()
    assert "--min-confidence: about objects" in told.err and "Objects of a score" not in told.out


def test_label_writes_maps(logs, tmp_path):
    assert run("label", "--logs", logs, "--limit", "2", "--output", tmp_path, "--refine", "small-regions") == 0
    (first, *_) = sorted(tmp_path.glob("*.png"))
    assert np.asarray(Image.open(first)).shape == (256, 192)
    assert run("label", "--logs", logs, "--limit", "1", "--output", tmp_path / "tiles", "--tile", "128") == 0


@pytest.mark.parametrize("command", [["detect"], ["diagnose"]])
def test_commands_about_objects_say_that_it_has_none(logs, tmp_path, capsys, command):
    assert run(*command, "--logs", logs, "--limit", "1", "--output", tmp_path / "out") == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert "tinysemantic_fashion_0002.h5" in line and NAME in line and "use label or evaluate" in line
    assert not (tmp_path / "out").exists()


def test_export_writes_label_networks_too_and_refuses_options_of_objects(logs, tmp_path, capsys):
    output = tmp_path / "saved"
    assert run("export", "--logs", logs, "--image-size", "128", "--output", output, "--min-confidence", "0.5") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--min-confidence is about the scores of objects" in line and NAME in line and "leave it out" in line
    assert not output.exists()
    assert run("export", "--logs", logs, "--image-size", "128", "--output", output) == 0
    about = json.loads((tmp_path / "saved.json").read_text())
    assert about["outputs"]["probabilities"]["shape"][:3] == [1, 128, 128] and about["architecture"] == NAME
    assert about["checked"]["largest_difference"] < 1e-3


def test_tuning_of_label_maps_says_what_to_do_instead(logs, capsys):
    assert run("label", "--tune", "--logs", logs, "--limit", "1") == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert NAME in line and "no thresholds to tune" in line and "evaluate --refine STEP,..." in line


@pytest.mark.parametrize("words,message", [
    (["--architecture", "unet3d"], "No architecture 'unet3d'"),
    (["--architecture", NAME, "--keep-best", "segm_AP"], "'segm_AP': take one of mean_IoU"),
    (["--keep-best", "mean_IoU"], "of mask-rcnn cannot be chosen by 'mean_IoU'"),
    (["--architecture", NAME, "--weights", "IN.pth"], "IN.pth holds PyTorch's weights"),
])
def test_what_cannot_be_shows_before_the_run_begins(tmp_path, capsys, words, message):
    (tmp_path / "IN.pth").write_bytes(b"")
    words = [word.replace("IN.pth", str(tmp_path / "IN.pth")) for word in words]
    assert run("train", "--limit", "2", "--logs", tmp_path / "logs", *words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "logs").exists()


def test_a_new_run_takes_what_it_can_of_another_network(logs, tmp_path, capsys):
    """As far as names and shapes agree, whatever the other one is."""
    other = tmp_path / "other.h5"
    model = load(str(files(logs)[0] / "tinysemantic_fashion_0002.h5"))
    model.architecture_name = lambda: "another"
    model.save_weights(other)
    assert run("train", "--architecture", NAME, "--weights", other, "--logs", tmp_path / "logs", "--limit", "4",
               "--stages", "heads:1:1e-3") == 0
    assert "4 layers loaded" in capsys.readouterr().out
