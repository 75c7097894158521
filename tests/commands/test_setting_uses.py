"""Settings that a command does not read, and options that contradict them."""

import warnings

import pytest

from mrcnn.commands.configs import FashionConfig
from mrcnn.commands.main import build_parser, main
from mrcnn.commands.program import Program
from mrcnn.commands.setting_uses import PLAN, READ, check_asked
from mrcnn.commands.settings import base_config, check_canvas, overrides_of
from mrcnn.config_uses import USES
from mrcnn.errors import ConfigError, UsageError


def asked(*words):
    """What is refused or told of a command line: one text, or None."""
    options = build_parser().parse_args(list(words))
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            check_asked(options)
    except UsageError as error:
        return f"error: {error}"
    return "; ".join(str(one.message) for one in told) or None


def test_what_commands_read_are_uses_or_settings():
    for command, read in READ.items():
        assert set(read) <= {*USES, *USES.values(), *PLAN, *PLAN.values()}, command


@pytest.mark.parametrize("words, told", [
    (["detect", "--set", "LEARNING_RATE=9", "--set", "STEPS_PER_EPOCH=1", "--set", "OPTIMIZER=adamw"],
     "--set LEARNING_RATE, STEPS_PER_EPOCH, OPTIMIZER: of no effect in detect, for training alone reads them"),
    (["video", "--video", "a.mp4", "--set", "WORKERS=4"], "WORKERS: of no effect in video"),
    (["collection", "label", "a", "--output", "b", "--set", "STAGES=all:1:1"], "of no effect in collection label"),
    (["detect", "--set", "LABEL_REFINE=guided"], "of no effect in detect, for nothing here reads it: leave it out"),
    (["export", "--set", "SEED=1"], "SEED: of no effect in export"),
    (["data", "convert", "--to", "coco", "--output", "a", "--set", "IMAGE_MAX_DIM=64"], "no effect in data convert"),
    (["data", "show", "--set", "OPTIMIZER=adamw"], "OPTIMIZER: of no effect in data show"),
    (["data", "suggest", "--photos", "a", "--set", "TEST_FLIP=true"], "TEST_FLIP: of no effect in data suggest"),
    (["diagnose", "--set", "BATCH_SIZE=4"], "BATCH_SIZE: of no effect in diagnose, for nothing here reads it"),
])
def test_settings_without_effect_are_told_in_one_line(words, told):
    assert told in asked(*words)


@pytest.mark.parametrize("words", [
    ["train", "--set", "OPTIMIZER=adamw", "--set", "DETECTION_MIN_CONFIDENCE=0.5", "--set", "LABEL_REFINE=guided"],
    ["detect", "--set", "DETECTION_MIN_CONFIDENCE=0.5", "--set", "IMAGE_MAX_DIM=128", "--set", "MY_OWN=1"],
    ["label", "--set", "LABEL_REFINE=guided", "--set", "GPU_COUNT=2"],
    ["diagnose", "--set", "MAX_GT_INSTANCES=50"], ["data", "show", "--set", "SEED=2"],
    ["data", "split", "--set", "CLASSES=hat"], ["export", "--annotations", "a.json", "--set", "CLASSES=hat"],
    ["data", "summary", "--set", "RPN_ANCHOR_SCALES=[8,16,32,64,128]"],
])
def test_settings_with_an_effect_are_taken_in_silence(words):
    assert asked(*words) is None


@pytest.mark.parametrize("words, told", [
    (["detect", "--tile-overlap", "0.5"], "--tile-overlap is of the tiles of --tile N: give both"),
    (["collection", "label", "a", "--output", "b", "--tile-overlap", "0.25"], "--tile-overlap is of the tiles"),
    (["detect", "--min-confidence", "0.5", "--set", "DETECTION_MIN_CONFIDENCE=0.6"],
     "--min-confidence 0.5 beside --set DETECTION_MIN_CONFIDENCE=0.6: these say two things of one"),
    (["train", "--backbone", "small", "--set", "BACKBONE=resnet50"], "--backbone small beside --set BACKBONE=resnet50"),
    (["train", "--stages", "all:1:1", "--set", "STAGES=all:2:1"], "--stages all:1:1 beside"),
    (["data", "show", "--seed", "1", "--set", "SEED=2"], "--seed 1 beside --set SEED=2"),
    (["label", "--refine", "slic", "--set", "LABEL_REFINE=crf"], "--refine slic beside --set LABEL_REFINE=crf"),
    (["train", "--batch-size", "4", "--set", "IMAGES_PER_GPU=3"], "--batch-size 4 beside --set IMAGES_PER_GPU=3"),
    (["detect", "--batch-size", "4", "--set", "IMAGES_PER_GPU=3"], "--batch-size 4 beside --set IMAGES_PER_GPU=3"),
    (["train", "--set", "BATCH_SIZE=4", "--set", "IMAGES_PER_GPU=4", "--set", "GPU_COUNT=2"], "two batch sizes"),
    (["train", "--image-size", "128", "--set", "IMAGE_MAX_DIM=256"], "--image-size 128 beside --set IMAGE_MAX_DIM=256"),
    (["train", "--image-size", "128", "--set", "IMAGE_RESIZE_MODE=crop", "--set", "IMAGE_MIN_DIM=64"],
     "--image-size 128 beside --set IMAGE_MIN_DIM=64"),
    (["train", "--image-size", "128", "--set", "IMAGE_RESIZE_MODE=none"], "=none has no canvas of one size"),
    (["train", "--image-size", "128", "--set", "IMAGE_RESIZE_MODE=pad64"], "IMAGE_MIN_DIM=N enlarges small photos"),
    (["train", "--set", "LEARNING_RATE=0.1"], "--set LEARNING_RATE: the stages have rates of their own"),
    (["tune", "--set", "LEARNING_RATE=0.1"], "--stages LAYERS:EPOCHS:RATE"),
])
def test_contradictions_are_refused(words, told):
    assert asked(*words).startswith("error: ") and told in asked(*words)


@pytest.mark.parametrize("words", [
    ["detect", "--tile", "512", "--tile-overlap", "0.5"], ["train", "--seed", "1", "--set", "SEED=1"],
    ["train", "--batch-size", "4", "--set", "IMAGES_PER_GPU=2", "--set", "GPU_COUNT=2"],
    ["train", "--image-size", "128", "--set", "IMAGE_MIN_DIM=64"],  # as `tell_image_size` proposes
    ["train", "--image-size", "128", "--set", "IMAGE_RESIZE_MODE=crop"],
    ["detect", "--tta", "--set", "TEST_SCALES=[1.0]"],
])
def test_what_agrees_is_taken(words):
    assert asked(*words) is None


def test_the_devices_of_a_programs_own_are_those_of_its_trainings():
    class Shop(FashionConfig):
        NAME = "shop"
        GPU_COUNT = 2

    parser = build_parser(Program(Shop))
    for words in (["--batch-size", "1"], ["--batch-size", "3", "--set", "IMAGES_PER_GPU=3"]):
        for command in ("detect", "evaluate", "serve"):
            assert overrides_of(parser.parse_args([command, *words]))["BATCH_SIZE"] == int(words[1])
        with pytest.raises((ConfigError, UsageError), match="does not divide|with GPU_COUNT=2: these are two batch"):
            overrides_of(parser.parse_args(["train", *words]))


def test_a_canvas_of_the_programs_own_is_held_against_the_size():
    options = build_parser().parse_args(["data", "show", "--image-size", "128"])
    config = base_config(options)(**overrides_of(options))
    check_canvas(options, config)
    with pytest.raises(UsageError, match="IMAGE_RESIZE_MODE=pad64 has no canvas"):
        check_canvas(options, config.set(IMAGE_RESIZE_MODE="pad64"))


def test_each_command_looks_at_its_settings(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words in (["summary"], ["validate"], ["show"], ["convert", "--to", "coco", "--output", "a.json"],
                  ["split", "--annotations", "a.json"]):
        for given, told in ((["--set", "NO_SUCH=1"], "Unknown setting 'NO_SUCH'"),
                            (["--set", "IMAGE_MAX_DIM=much"], "IMAGE_MAX_DIM='much'"),
                            (["--batch-size", "2"], "--batch-size: no network looks at photos here: leave it out")):
            assert main(["data", *words, *given]) == 2
            assert told in (error := capsys.readouterr().err) and error.count("\n") == 1, words
    for task, more in (("export", ["--format", "coco", "--output", "a.json"]), ("report", [])):
        for given, told in ((["--set", "NO_SUCH=1"], "--set: no network"), (["--limit", "1"], "--limit: the whole"),
                            (["--batch-size", "2"], "--batch-size: no network")):
            assert main(["collection", task, "out", *more, *given]) == 2
            assert told in (error := capsys.readouterr().err) and error.count("\n") == 1, task
    assert main(["diagnose", "--batch-size", "2"]) == 2
    assert capsys.readouterr().err == "error: --batch-size: photos are looked at one at a time: leave it out.\n"
    assert main(["export", "--limit", "2"]) == 2
    assert "--limit is of the photos of --image or of --annotations" in capsys.readouterr().err
