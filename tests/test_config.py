import json
import math
import pathlib

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.errors import ConfigError


class Own(Config):
    NAME = "own"
    NUM_CLASSES = 3
    COLOURS = ("red", "blue")  # users add settings of their own


def test_overrides_know_their_names():
    assert Own(LEARNING_RATE=0.1).LEARNING_RATE == 0.1
    assert Own(COLOURS=()).COLOURS == ()
    with pytest.raises(ConfigError, match="'LEARNING_RAT': did you mean LEARNING_RATE"):
        Own(LEARNING_RAT=0.1)
    with pytest.raises(ConfigError, match="Unknown setting 'IMAGE_SHAPE'"):
        Own(IMAGE_SHAPE=3)  # follows from others


def test_derived_values_are_computed_on_reading():
    config = Own()
    # Four photos shared out among two devices, whichever is named first.
    assert Config(BATCH_SIZE=4, GPU_COUNT=2).IMAGES_PER_GPU == Config(GPU_COUNT=2, BATCH_SIZE=4).IMAGES_PER_GPU == 2
    config.IMAGES_PER_GPU, config.GPU_COUNT = 3, 2
    assert config.BATCH_SIZE == 6
    config.BATCH_SIZE = 8
    assert config.IMAGES_PER_GPU == 4
    with pytest.raises(ConfigError, match="does not divide among GPU_COUNT=2"):
        config.BATCH_SIZE = 3
    for wrong in ("two", 0, 1.5):
        with pytest.raises(ConfigError, match="BATCH_SIZE="):
            config.BATCH_SIZE = wrong
    config.IMAGE_MAX_DIM = 256
    assert config.IMAGE_SHAPE.tolist() == [256, 256, 3]
    config.IMAGE_RESIZE_MODE, config.IMAGE_MIN_DIM = "crop", 128
    assert config.IMAGE_SHAPE.tolist() == [128, 128, 3]
    assert config.IMAGE_META_SIZE == 1 + 3 + 3 + 4 + 1 + 3


def test_saving_and_loading_keeps_values_and_types(tmp_path):
    path = str(tmp_path / "config.json")
    Own(MEAN_PIXEL=np.array([1.0, 2.0, 3.0]), LOSS_WEIGHTS={**Config.LOSS_WEIGHTS, "rpn_class_loss": 2.0}).save(path)
    config = Config.load(path, LEARNING_RATE=0.5)
    np.testing.assert_array_equal(config.MEAN_PIXEL, [1, 2, 3])
    assert isinstance(config.MEAN_PIXEL, np.ndarray)
    assert config.RPN_ANCHOR_SCALES == Config.RPN_ANCHOR_SCALES
    assert config.LOSS_WEIGHTS["rpn_class_loss"] == 2.0
    assert config.NAME == "own" and config.COLOURS == ["red", "blue"] and config.LEARNING_RATE == 0.5
    assert json.loads(pathlib.Path(path).read_text())["NUM_CLASSES"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_values_that_json_does_not_know_are_kept(tmp_path):
    Own(LEARNING_RATE=math.inf).save(tmp_path / "config.json")
    assert Config.load(tmp_path / "config.json").LEARNING_RATE == math.inf


def test_settings_from_before_the_point_head_still_load():
    written = Config(NUM_CLASSES=3).to_dict()
    old = {name: value for name, value in written.items() if name != "MASK_HEAD" and not name.startswith("POINT_HEAD")}
    old["LOSS_WEIGHTS"] = {name: 2.0 for name in old["LOSS_WEIGHTS"] if name != "mrcnn_point_loss"}
    config = Config.from_dict(old)
    config.check()
    assert config.MASK_HEAD == "conv"
    assert config.LOSS_WEIGHTS == {**old["LOSS_WEIGHTS"], "mrcnn_point_loss": 1.0}
    Config.from_dict(old, MASK_HEAD="points").check()
    # Whoever overrides the five weights in a class of their own is asked for the sixth only where it is used.
    Config(NUM_CLASSES=3, LOSS_WEIGHTS=old["LOSS_WEIGHTS"]).check()


@pytest.mark.parametrize("pool,size,doublings", [(14, 28, 1), (14, 56, 2), (28, 56, 1), (7, 7, 0), (7, 56, 3)])
def test_mask_shapes_that_the_head_reaches_by_doubling(pool, size, doublings):
    config = Config(NUM_CLASSES=2, MASK_POOL_SIZE=pool, MASK_SHAPE=[size, size])
    config.check()
    assert config.mask_enlargements() == doublings


@pytest.mark.parametrize("text", ["", "{", "[1]", "3"])
def test_files_that_hold_no_settings_are_refused(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ConfigError):
        Config.load(str(path))
    with pytest.raises(ConfigError, match="missing.json"):
        Config.load(str(tmp_path / "missing.json"))


def test_instances_do_not_touch_the_class():
    Own(NUM_CLASSES=9)
    assert Own.NUM_CLASSES == Own().NUM_CLASSES == 3


def test_display_shows_every_setting(capsys):
    config = Own()
    config.display()
    shown = capsys.readouterr().out
    assert all(name in shown for name in config.names() + ["BATCH_SIZE", "IMAGE_SHAPE"])


@pytest.mark.parametrize("settings,message", [
    ({"LR_STEPS": 0.5}, "LR_STEPS=0.5: give a list"),
    ({"LR_STEPS": ()}, "LR_STEPS=.*: give a list"),  # "step" without steps would be another schedule
    ({"LR_STEPS": (0.9, 0.5)}, "LR_STEPS=.*: give rising shares"),
    ({"TEST_SCALES": 1.25}, "TEST_SCALES=1.25: give a list"),
    ({"TEST_SCALES": [None]}, "TEST_SCALES=.None.: give a list"),
    ({"TEST_SCALES": [0.0]}, "TEST_SCALES=.*: give factors above 0"),
    ({"WARMUP_STEPS": None}, "WARMUP_STEPS=None: give a whole number, 0 or more"),
    ({"SEED": -1}, "SEED=-1: give a whole number, 0 or more"),
    ({"LEARNING_MOMENTUM": 1.0}, "LEARNING_MOMENTUM=1.0: give a number from 0.0"),
    ({"LOSS_WEIGHTS": 1.0}, "LOSS_WEIGHTS=1.0: give a dict"),
])
def test_values_that_no_training_can_use_are_named(settings, message):
    Config(NUM_CLASSES=2).check()
    with pytest.raises(ConfigError, match=message):
        Config(NUM_CLASSES=2, **settings).check()


def test_matterports_defaults():
    config = Config()
    assert (config.IMAGES_PER_GPU, config.STEPS_PER_EPOCH, config.BACKBONE) == (2, 1000, "resnet101")
    assert (config.TRAIN_ROIS_PER_IMAGE, config.ROI_POSITIVE_RATIO, config.DETECTION_MIN_CONFIDENCE) == (200, 0.33, 0.7)
    assert (config.RPN_NMS_THRESHOLD, config.DETECTION_NMS_THRESHOLD, config.MAX_GT_INSTANCES) == (0.7, 0.3, 100)
