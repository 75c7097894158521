"""`train --preset auto` and `--batch-size auto` on drawn pictures: what is chosen is what is trained, and stays so."""

import argparse
import functools
import json

import keras
import numpy as np
import pytest

from mrcnn.architectures.trial import Trial, TrialFailed
from mrcnn.commands import auto
from mrcnn.commands import main as fashion
from mrcnn.commands.auto import given_by, reckoned_batch, scaled, take_batch_size, take_recipe
from mrcnn.commands.datasets import drawn_pictures
from mrcnn.commands.options import PRESETS, expand_presets
from mrcnn.data.attributes import learned_attributes
from mrcnn.errors import UsageError, UserError
from mrcnn.model import MaskRCNN
from mrcnn.weights.files import read_attributes

pytestmark = pytest.mark.usefixtures("eagerly")
LIGHT = ["--architecture", "unet", "--weights", "none", "--image-size", "64", "--set", "UNET_CHANNELS=4",
         "--set", "UNET_ENCODER=plain", "--set", "WORKERS=0", "--set", "STEPS_PER_EPOCH=1",
         "--set", "VALIDATION_STEPS=1"]


def options_of(*arguments):
    return fashion.build_parser().parse_args(expand_presets(["train", *arguments], PRESETS))


def test_what_is_given_is_told_from_defaults():
    assert given_by(options_of("--preset", "auto")) == {}
    assert given_by(options_of("--weights", "none", "--batch-size", "auto")) == {"weights": "none"}
    given = given_by(options_of("--image-size", "128", "--set", "IMAGES_PER_GPU=3", "--set", "GPU_COUNT=2"))
    assert given == {"IMAGE_MIN_DIM": 128, "IMAGE_MAX_DIM": 128, "IMAGE_RESIZE_MODE": "square", "IMAGES_PER_GPU": 3,
                     "GPU_COUNT": 2, "BATCH_SIZE": 6}


def test_a_recipe_is_trained_kept_resumed_and_given_again(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(auto, "installed_weights", lambda: [])
    logs = ["--logs", str(tmp_path / "a"), "--limit", "4"]
    assert fashion.main(["train", "--preset", "auto", *logs, *LIGHT, "--stages", "all:1:1e-3"]) == 0
    told = capsys.readouterr().out
    assert "Recipe for 4 photos" in told and "BATCH_SIZE=2: 4 photos are few" in told
    assert "STAGES=all:1:1e-3 as you gave it" in told and "weights=none, BACKBONE=small" not in told
    (run,) = (tmp_path / "a").iterdir()
    config = json.loads((run / "config.json").read_text())
    assert (config["IMAGES_PER_GPU"], config["AUGMENT"], config["OPTIMIZER"]) == (2, "jitter", "adamw")
    assert (config["UNET_CHANNELS"], config["PIXEL_LOSS"]) == (4, "cross-entropy+jaccard")
    assert len(config["RECIPE"]) == 14 and "BATCH_SIZE=2" in config["RECIPE"][6]  # a head, then a line each
    # The file gives the same run again, to the last bit of its settings.
    again = ["--logs", str(tmp_path / "b"), "--limit", "4"]
    assert fashion.main(["train", "--preset", str(run / auto.RECIPE), *again]) == 0
    (other,) = (tmp_path / "b").iterdir()
    assert json.loads((other / "config.json").read_text()) == {**config, "RECIPE": None}
    with open(run / "history.csv") as one, open(other / "history.csv") as two:
        assert one.readlines()[1] == two.readlines()[1]
    # A run that is resumed keeps its recipe, whatever the data would say by now.
    capsys.readouterr()
    more = ["train", "--preset", "auto", "--batch-size", "auto", *logs, "--weights", "last", "--stages", "all:2:1e-3"]
    assert fashion.main(more) == 0
    told = capsys.readouterr().out
    assert "--preset auto chooses nothing" in told and "--batch-size auto chooses nothing" in told
    last = read_attributes(str(run / "unet_fashion_0002.h5"))["config"]
    assert {**last, "STAGES": config["STAGES"]} == config


def test_networks_of_pixels_get_a_recipe_too(capsys, monkeypatch):
    monkeypatch.setattr(auto, "installed_weights", lambda: ["efficientnet_lite0"])
    options = options_of("--preset", "auto", "--architecture", "unet", "--set", "UNET_CHANNELS=8")
    recipe = take_recipe(options, drawn_pictures("train", 6), drawn_pictures("val", 2))
    assert (options.weights, options.backbone, options.batch_size) == ("imagenet", "efficientnet_lite0", 2)
    assert 'PIXEL_LOSS=cross-entropy+jaccard' in options.set and options.set[-1] == "UNET_CHANNELS=8"
    told = capsys.readouterr().out
    assert "anchors      this network has none to choose" in told
    assert recipe.given == ["--architecture", "unet", "--set", "UNET_CHANNELS=8"]
    for words in (["u2netp"], ["unet", "--set", "UNET_ENCODER=plain"]):
        own = options_of("--preset", "auto", "--architecture", *words)
        take_recipe(own, drawn_pictures("train", 6), drawn_pictures("val", 2))
        assert (own.weights, own.backbone) == ("none", None)


def test_of_many_photos_some_are_measured_and_all_are_counted(monkeypatch, capsys):
    monkeypatch.setattr(auto, "MEASURED_AT_MOST", 3)
    options = options_of("--preset", "auto")
    recipe = take_recipe(options, drawn_pictures("train", 6), drawn_pictures("val", 2))
    assert "Recipe for 6 photos" in recipe.head and "(3 of 6 photos measured)" in recipe.head
    summary = {"photos": 2, "objects": 5, "wide_photos": 1, "too_small": 3, "too_small_classes": {"hat": 3},
               "objects_per_photo": {"max": 4.0}, "classes": [{"name": "hat", "objects": 5, "photos": 2},
                                                              {"name": "shoe", "objects": 0, "photos": 0}]}
    some = scaled(summary, 1.5)  # 3 * 1.5 = 4.5
    assert (some["photos"], some["objects"], some["wide_photos"], some["too_small"]) == (3, 8, 2, 5)
    assert some["too_small_classes"] == {"hat": 5} and some["estimated"] == ("sizes", "counts")
    assert some["classes"][0] == {"name": "hat", "objects": 8, "photos": 3}


def test_objects_and_classes_are_counted_in_all_photos(monkeypatch):
    summary = {"photos": 2, "objects": 5, "wide_photos": 1, "empty_photos": 1,
               "objects_per_photo": {"max": 4.0}, "classes": [{"name": "hat", "objects": 5, "photos": 2},
                                                              {"name": "shoe", "objects": 0, "photos": 0}]}
    counts = np.array([[5, 0], [0, 0], [38, 1]])
    every = scaled(summary, 1.5, counts)
    assert (every["photos"], every["objects"], every["empty_photos"], every["wide_photos"]) == (3, 44, 1, 2)
    assert every["classes"] == [{"name": "hat", "objects": 43, "photos": 2},
                                {"name": "shoe", "objects": 1, "photos": 1}]
    fullest = every["objects_per_photo"]
    assert (fullest["min"], fullest["median"], fullest["max"]) == (0, 5, 39)
    assert fullest["mean"] == pytest.approx(44 / 3)
    assert every["estimated"] == ("sizes",)
    monkeypatch.setattr(auto, "MEASURED_AT_MOST", 2)
    training = drawn_pictures("train", 5)
    true = [len(training.load_mask(image_id)[1]) for image_id in training.image_ids]
    found = auto.summaries(options_of("--preset", "auto"), training, {})[0](None)
    assert found["objects"] == sum(true) and found["objects_per_photo"]["max"] == max(true)
    monkeypatch.setattr("mrcnn.data.objects.DECODED_AT_MOST", 4)  # masks alone tell: too many to decode
    assert auto.counts_of_all(training) is None
    training.object_classes = lambda image_id: [1, 1]
    assert auto.counts_of_all(training).sum(axis=0)[0] == 10


def test_the_memory_of_a_step_is_reckoned_on_a_cpu():
    # 0.8 * 10 GB less 1.5 GB; a photo of 1000 x 1000 pixels takes 2.5 GB
    assert reckoned_batch(10_000_000_000, 1000, 64)[0] == 2
    assert reckoned_batch(10_000_000_000, 100, 4) == (4, "a step of 4 takes up to 1.6 GB of 10.0 GB free")
    assert reckoned_batch(100, 1000, 4)[0] == 1  # the rule says the memory; training says if that does not do
    assert reckoned_batch(None, 1000, 4)[0] == 4


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_step_of_another_backend_is_tried_on_a_cpu_too(backend, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(auto, "tried_batch", lambda options, training, most: (most, "tried"))
    machine = {"gpu": None, "largest": None, "memory": 10**10}
    found = functools.partial(auto.fitting_batch, options_of("--preset", "auto"), None)
    assert found(machine, {"IMAGE_MAX_DIM": 512}, 4) == (4, "tried")
    assert "does not tell what memory is free" in found({**machine, "memory": None}, {"IMAGE_MAX_DIM": 512}, 4)[1]


@pytest.mark.parametrize("trial, reason", [
    (Trial(0, 10**9, {}, None), "no step of one photo fits into the 1.0 GB"), (None, "BACKBONE is a function")])
def test_a_trial_that_finds_nothing_does_not_end_a_bare_recipe(trial, reason, monkeypatch):
    def tried(*_):
        if trial is None:
            raise TrialFailed("BACKBONE is a function")
        return trial

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr("mrcnn.architectures.trial.try_batches", tried)
    values, data = {"IMAGE_MAX_DIM": 64, "weights": "none"}, drawn_pictures("train", 4)
    machine = {"gpu": None, "largest": None, "memory": 10**9}
    with pytest.warns(UserWarning, match=f"--preset auto: {reason}.*BATCH_SIZE=1 is taken.*--batch-size"):
        assert auto.fitting_batch(options_of("--preset", "auto"), data, machine, values, 4)[0] == 1
    with pytest.warns(UserWarning, match="BATCH_SIZE=2 is taken"):
        two = auto.fitting_batch(options_of("--preset", "auto"), data, machine, {**values, "GPU_COUNT": 2}, 4)
    assert two == (2, "what a step takes is not known")
    with pytest.raises(UserError, match="--batch-size auto: "):
        auto.fitting_batch(options_of("--preset", "auto", "--batch-size", "auto"), data, {**machine, "largest": 64},
                           values, 4)


def test_a_gpu_whose_memory_is_not_known_is_told(monkeypatch, capsys):
    monkeypatch.setattr("mrcnn.training.machine.names_part_of_gpu", lambda: True)
    monkeypatch.setattr(auto, "tried_batch", lambda options, training, most: (most, "tried"))
    options = options_of("--preset", "auto", "--weights", "none")
    recipe = take_recipe(options, drawn_pictures("train", 4), drawn_pictures("val", 2))
    assert "a GPU whose memory is not known:" in recipe.head and "no GPU" not in capsys.readouterr().out


def test_a_batch_size_of_auto_is_tried_and_told(monkeypatch, capsys):
    asked = []

    def tried(architecture, config, canvas, most):
        asked.append((architecture, config.IMAGES_PER_GPU, canvas, most))
        return Trial(5, 10_000_000_000, {1: 1_000_000_000, 4: 4_000_000_000}, 0.5)

    monkeypatch.setattr("mrcnn.architectures.trial.try_batches", tried)
    options = options_of("--batch-size", "auto")
    take_batch_size(options, drawn_pictures("train", 9))
    assert options.batch_size == 5 and asked == [("mask-rcnn", 1, (128, 128), 9)]
    told = capsys.readouterr().out
    assert "a step of 5 takes 5.0 GB of 10.0 GB free (CPU)" in told and "--set LR_REFERENCE_BATCH=4" in told
    options = options_of("--batch-size", "auto", "--preset", "auto", "--image-size", "64", "--weights", "none")
    take_recipe(options, drawn_pictures("train", 9), drawn_pictures("val", 2))
    assert options.batch_size == 5 and asked[1][2:] == ((64, 64), 9)
    monkeypatch.setattr("mrcnn.architectures.trial.try_batches", lambda *_: Trial(0, 10**9, {}, None))
    with pytest.raises(UsageError, match="--batch-size auto: no step of one photo.*--image-size.*CHECKPOINTING"):
        take_batch_size(options_of("--batch-size", "auto"), drawn_pictures("train", 9))


def test_the_network_that_is_tried_is_the_one_to_be_trained(monkeypatch, capsys):
    """With --attributes it has their head; what its settings tell is told by the training alone."""
    asked = []
    monkeypatch.setattr("mrcnn.architectures.trial.try_batches",
                        lambda architecture, config, *_: asked.append(config) or Trial(2, 10**10, {1: 10**9}, 0.5))
    data = drawn_pictures("train", 9)
    for arguments in (["--attributes"], ["--attributes", "--set", 'ATTRIBUTES=["pattern: dots"]'], []):
        take_batch_size(options_of("--batch-size", "auto", *arguments), data)
    assert [config.ATTRIBUTES for config in asked[1:]] == [["pattern: dots"], None]
    assert asked[0].ATTRIBUTES == learned_attributes(data)["ATTRIBUTES"] and len(asked[0].ATTRIBUTE_PAIRS) == 9
    assert "Attributes:" not in capsys.readouterr().out


def test_a_batch_size_of_auto_beside_a_number_is_refused():
    for words in (["--set", "BATCH_SIZE=3"], ["--set", "IMAGES_PER_GPU=3", "--preset", "auto"]):
        options = options_of("--batch-size", "auto", *words)
        with pytest.raises(UsageError, match="--batch-size auto beside --set .*: leave one of them out"):
            take_recipe(options, None, None)
            take_batch_size(options, None)


def test_an_image_size_beside_weights_is_square_and_leaves_their_anchors(tmp_path, capsys, monkeypatch):
    options = options_of("--preset", "auto", "--image-size", "64", "--weights", str(tmp_path / "old.h5"))
    given = given_by(options)
    assert "RPN_ANCHOR_SCALES" not in given and given["IMAGE_RESIZE_MODE"] == "square"
    monkeypatch.setattr(auto, "class_of_option", lambda options: MaskRCNN)
    take_recipe(options, drawn_pictures("train", 4), drawn_pictures("val", 2))
    told = " ".join(capsys.readouterr().out.split())
    assert "IMAGE_RESIZE_MODE=square" in options.set
    assert "those that the weights were learned for" in told


def test_other_commands_refuse_what_is_of_train(capsys):
    assert fashion.main(["tune", "--preset", "auto"]) == 2
    assert "tune searches around settings that stand" in capsys.readouterr().err
    assert fashion.main(["detect", "--batch-size", "auto"]) == 2
    assert fashion.main(["train", "--batch-size", "automatic"]) == 2
    assert "--batch-size" in capsys.readouterr().err


def test_installed_weights_are_files_and_packages(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(auto.importlib.util, "find_spec", lambda name: "lite1" in name or None)
    assert auto.installed_weights() == ["efficientnet_lite1"]
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / auto.KERAS_FILES["resnet50"]).write_bytes(b"")
    assert auto.installed_weights() == ["efficientnet_lite1", "resnet50"]


def test_write_into_stands_before_what_was_typed():
    options = argparse.Namespace(set=["EMA_DECAY=0.5"], backbone=None)
    auto.write_into(options, {"BACKBONE": "small", "EMA_DECAY": 0.9, "ASPECT_BUCKETS": False, "STEPS_PER_EPOCH": None})
    assert options.backbone == "small"
    assert options.set == ["EMA_DECAY=0.9", "ASPECT_BUCKETS=false", "STEPS_PER_EPOCH=null", "EMA_DECAY=0.5"]
    assert np.all([isinstance(text, str) for text in options.set])


@pytest.mark.parametrize("words, told", [
    ("--annotations a.json", True),
    ("--train a.json --val b.json --weights imagenet --batch-size 4", True),
    ("--annotations a.json --set WORKERS=1", True),
    ("", False),  # drawn pictures
    ("--annotations a.json --preset auto", False),
    ("--annotations a.json --preset ccp", False),
    ("--annotations a.json --preset minute", True),  # which is made for drawn pictures
    ("--annotations a.json --preset run1", False),
    ("--annotations a.json --image-size 256", False),
    ("--annotations a.json --backbone resnet18", False),
    ("--annotations a.json --stages all:1:1e-3", True),
    ("--annotations a.json --set IMAGE_MAX_DIM=256", False),
    ("--annotations a.json --weights last", False),
    ("--annotations a.json --weights coco", False),
    ("--annotations a.json --architecture unet", False),
])
def test_a_training_of_which_nothing_was_chosen_is_told_of_the_recipe(words, told):
    line = auto.propose_recipe(options_of(*words.split()))
    stages = "" if {"--stages", "minute"} & set(words.split()) else ", heads:20:1e-3,all:20:1e-4"
    assert line == (f"As nothing else was asked for: resnet50, canvases of 512 pixels{stages}. --preset auto chooses "
                    "these by your photos and this machine." if told else "")
