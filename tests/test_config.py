import copy
import functools
import json
import math
import pathlib
import pickle
import threading
import warnings

import keras
import numpy as np
import pytest

from mrcnn.config import Config, Settings, check_instance
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
    with pytest.raises(ConfigError, match="IMAGE_SHAPE=3: it follows from other settings"):
        Own(IMAGE_SHAPE=3)  # follows from others


@pytest.mark.parametrize("names", [("IMAGES_PER_GPU", "BATCH_SIZE"), ("BATCH_SIZE", "IMAGES_PER_GPU")])
def test_two_batch_sizes_are_refused_in_any_order(names):
    both = {name: {"IMAGES_PER_GPU": 4, "BATCH_SIZE": 2}[name] for name in names}
    told = "BATCH_SIZE=2 beside IMAGES_PER_GPU=4 with GPU_COUNT=1: these are two batch sizes: leave one of them out"
    config = Own()
    for assign in (lambda: Own(**both), lambda: config.set(**both)):
        with pytest.raises(ConfigError, match=f"^{told}"):
            assign()
    with pytest.raises(ConfigError, match=f"a.json: {told}"):
        Own.from_dict(both, source="a.json")
    assert config.IMAGES_PER_GPU == 2
    assert Own(**{**both, "GPU_COUNT": 2, "BATCH_SIZE": 8}).IMAGES_PER_GPU == 4  # the same batch twice
    with pytest.raises(ConfigError, match="IMAGES_PER_GPU='x': give"):
        Own(**{**both, "IMAGES_PER_GPU": "x"})


@pytest.mark.parametrize("wrong", [{"BATCH_SIZE": 3}, {"BATCH_SIZE": 0}, {"NUM_CLASSES": 0}, {"SIZEZ": 1},
                                   {"IMAGE_SHAPE": 7}])
def test_all_settings_are_set_or_none(wrong):
    config = Own()
    before = dict(vars(config))
    with pytest.raises(ConfigError):
        config.set(**{"LEARNING_RATE": 0.5, "GPU_COUNT": 2, "WORKERS": 1, **wrong})
    assert vars(config) == before
    config = built(config, "BATCH_SIZE")
    with pytest.raises(ConfigError, match="IMAGES_PER_GPU=7: 2 is built into a network"):
        config.set(LEARNING_MOMENTUM=0.7, BATCH_SIZE=7)
    assert config.LEARNING_MOMENTUM == 0.9


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
    config.BATCH_SIZE = np.float64(8)
    assert config.BATCH_SIZE == 8 and type(config.IMAGES_PER_GPU) is int
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
    Own(COLOURS=math.inf).save(tmp_path / "config.json")
    assert Config.load(tmp_path / "config.json").COLOURS == math.inf


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
    lines = {line.split()[0]: line for line in shown.splitlines() if line}
    assert lines["NUM_CLASSES"].endswith("3  (default 1)") and lines["COLOURS"].endswith("(your own)")
    assert lines["LEARNING_RATE"].endswith(" 0.001") and lines["IMAGE_META_SIZE"].endswith(" 15")


def test_matterports_defaults():
    config = Config()
    assert (config.IMAGES_PER_GPU, config.STEPS_PER_EPOCH, config.BACKBONE) == (2, 1000, "resnet101")
    assert (config.TRAIN_ROIS_PER_IMAGE, config.ROI_POSITIVE_RATIO, config.DETECTION_MIN_CONFIDENCE) == (200, 0.33, 0.7)
    assert (config.RPN_NMS_THRESHOLD, config.DETECTION_NMS_THRESHOLD, config.MAX_GT_INSTANCES) == (0.7, 0.3, 100)


# --- Settings and Config ---------------------------------------------------------------------------------------------
class Other(Settings, network="Other"):
    """The settings of another network."""

    SHARPNESS = 3
    LOSS_WEIGHTS = {"other_loss": 1.0}


def test_every_network_has_the_settings_of_run_photos_and_training():
    assert {"NAME", "NUM_CLASSES", "GPU_COUNT", "IMAGE_MAX_DIM", "LEARNING_RATE", "SEED"} <= set(Settings().names())
    assert not [name for name in Settings().names() if name.startswith(("RPN_", "ROI_", "MASK_", "DETECTION_"))]
    Other(NUM_CLASSES=2, BATCH_SIZE=4).check()
    with pytest.raises(ConfigError, match="NUM_CLASSES counts background"):
        Other().check()


def test_a_setting_of_another_network_is_refused():
    with pytest.raises(ConfigError, match="RPN_NMS_THRESHOLD is no setting of Other: leave it out"):
        Other().RPN_NMS_THRESHOLD = 0.5
    with pytest.raises(ConfigError, match="MASK_SHAPE is no setting of Other"):
        class Wrong(Other):
            MASK_SHAPE = [28, 28]
    with pytest.raises(ConfigError, match="c.json: POOL_SIZE is no setting of Other"):
        Other.from_dict({"POOL_SIZE": 7}, source="c.json")


# --- In classes ------------------------------------------------------------------------------------------------------
def test_a_class_is_checked_where_it_is_written():
    with pytest.raises(ConfigError, match="DETECTION_MIN_CONFIDENCE=70: give .*from 0 to 1, e.g. 0.7"):
        class Wrong(Own):
            DETECTION_MIN_CONFIDENCE = 70

    class Right(Own):
        STEPS_PER_EPOCH = 100.0

    assert type(Right.STEPS_PER_EPOCH) is int and Right().STEPS_PER_EPOCH == 100
    # What the class was not asked for is told before a network is built.
    Right.LEARNING_RATE = "fast"
    with pytest.raises(ConfigError, match="LEARNING_RATE='fast'"):
        Right().check()


def test_a_class_may_give_what_follows_from_others():
    class Batch(Own):
        BATCH_SIZE = 6
        GPU_COUNT = 2

    assert Batch.IMAGES_PER_GPU == 3 and Batch(GPU_COUNT=1).BATCH_SIZE == 3

    class Agrees(Own):  # Matterport's project computed these, whatever a class said
        IMAGE_MAX_DIM = 512
        IMAGE_SHAPE = np.array([512, 512, 3])
        IMAGES_PER_GPU = 4
        BATCH_SIZE = 4

    assert Agrees(IMAGE_MAX_DIM=256).IMAGE_SHAPE.tolist() == [256, 256, 3] and Agrees(GPU_COUNT=2).BATCH_SIZE == 8
    with pytest.raises(ConfigError, match="BATCH_SIZE=8 of Wrong .*IMAGES_PER_GPU=2 . GPU_COUNT=1"):
        class Wrong(Own):
            BATCH_SIZE = 8
            IMAGES_PER_GPU = 2
    with pytest.raises(ConfigError, match="IMAGE_SHAPE=.*set IMAGE_MAX_DIM"):
        class Wrong2(Own):
            IMAGE_SHAPE = [512, 512, 3]


def test_derived_values_are_assigned_by_what_they_follow_from():
    config = Own(IMAGE_MAX_DIM=512)
    config.IMAGE_SHAPE = (512, 512, 3)  # nothing new
    for name, remedy in (("IMAGE_SHAPE", "set IMAGE_MAX_DIM"), ("IMAGE_META_SIZE", "NUM_CLASSES: set that")):
        with pytest.raises(ConfigError, match=f"{name}=7: it follows from .*{remedy}"):
            setattr(config, name, 7)


def test_a_class_may_compute_a_setting():
    class Computed(Own):
        VALIDATION_STEPS = property(lambda self: self.WORKERS * 10)
        STEPS_PER_EPOCH = functools.cached_property(lambda self: 7)
        BATCH_SIZE = property(lambda self: 5)

    config = Computed(WORKERS=3)
    config.check()
    assert (config.VALIDATION_STEPS, config.STEPS_PER_EPOCH, config.BATCH_SIZE) == (30, 7, 5)
    with pytest.raises(ConfigError, match="VALIDATION_STEPS=4: it follows from a property of Computed"):
        config.VALIDATION_STEPS = 4
    Computed.WORKERS = -1
    with pytest.raises(ConfigError, match="VALIDATION_STEPS=-10: give|WORKERS=-1"):
        Computed().check()


def test_scripts_for_matterports_config_run():
    config = Own()

    class InferenceConfig(config.__class__):
        GPU_COUNT = IMAGES_PER_GPU = 1
        DETECTION_MIN_CONFIDENCE = 0
        BACKBONE = len  # a function that becomes a method

        def __init__(self):  # without a call of ours
            self.IMAGE_MIN_DIM = 512
            self.IMAGE_SHAPE = np.array([self.IMAGE_MAX_DIM, self.IMAGE_MAX_DIM, 3])
            self.own_note = "lower case is nobody's business"

    other = InferenceConfig()
    other.check()
    other.COLOURS = 3
    other.set(NAME="x")
    assert (other.BATCH_SIZE, other.IMAGE_MIN_DIM, other.COLOURS, Own.COLOURS) == (1, 512, 3, ("red", "blue"))


def test_a_weight_changed_in_place_is_that_of_one_object():
    config = Own()
    config.LOSS_WEIGHTS["mrcnn_mask_loss"] = 2.0
    assert Own().LOSS_WEIGHTS["mrcnn_mask_loss"] == Config.LOSS_WEIGHTS["mrcnn_mask_loss"] == 1.0


def test_what_is_changed_in_place_is_that_of_one_object(capsys):
    class Lists(Config):
        NUM_CLASSES = 3
        MY_SIDES = [[8], [16]]

    given = np.array([1.0, 2.0, 3.0])
    config, kept, later = Lists(), Lists(BBOX_STD_DEV=[1, 1, 1, 1]).to_dict(), copy.copy(Lists(MEAN_PIXEL=given))
    config.MEAN_PIXEL -= 10
    config.RPN_BBOX_STD_DEV[2:] = 0.4
    config.RPN_ANCHOR_RATIOS.append(4)
    config.MY_SIDES[0].append(9)
    given[0] = later.BACKBONE_STRIDES[0] = 99
    copied = copy.copy(config)
    copied.MASK_SHAPE[0] = copied.RPN_BBOX_STD_DEV[0] = 7
    assert Lists(BBOX_STD_DEV=[1, 1, 1, 1]).to_dict() == kept and later.MEAN_PIXEL.tolist() == [1, 2, 3]
    assert Config.RPN_BBOX_STD_DEV.tolist() == [0.1, 0.1, 0.2, 0.2] and config.MASK_SHAPE == [28, 28]
    assert config.RPN_BBOX_STD_DEV.tolist() == [0.1, 0.1, 0.4, 0.4]
    config.display()
    assert "[0.1 0.1 0.4 0.4]  (default [0.1 0.1 0.2 0.2])" in capsys.readouterr().out


def test_what_an_init_assigns_before_that_of_the_class_stays():
    class Early(Config):
        def __init__(self, ratios, **overrides):
            self.RPN_ANCHOR_RATIOS, self.MEAN_PIXEL, self.NUM_CLASSES = ratios, np.array([1.0, 2.0, 3.0]), 4
            self.MY_SIDES, self.BBOX_STD_DEV = [8], Config.BBOX_STD_DEV
            super().__init__(**overrides)

    config = Early([0.3, 1, 3], LEARNING_RATE=0.1)
    assert config.RPN_ANCHOR_RATIOS == [0.3, 1, 3] and config.MEAN_PIXEL.tolist() == [1, 2, 3]
    assert config.NUM_CLASSES == 4 and config.MY_SIDES == [8] and config.BACKBONE_STRIDES == [4, 8, 16, 32, 64]
    config.BBOX_STD_DEV[0] = 7
    config.LOSS_WEIGHTS["mrcnn_mask_loss"] = 5.0
    Config.__init__(config, WARMUP_STEPS=3)  # once more
    assert config.BBOX_STD_DEV[0] == 7 and config.LOSS_WEIGHTS["mrcnn_mask_loss"] == 5 and config.MY_SIDES == [8]
    assert config.RPN_ANCHOR_RATIOS == [0.3, 1, 3] and config.WARMUP_STEPS == 3 and config.LEARNING_RATE == 0.1
    assert Config.BBOX_STD_DEV[0] == 0.1 and Config.LOSS_WEIGHTS["mrcnn_mask_loss"] == 1.0


def test_set_assigns_all_or_nothing():
    config = Own()
    with pytest.raises(ConfigError, match="LEARNING_RATE='x'"):
        config.set(NAME="new", LEARNING_RATE="x")
    assert config.NAME == "own"


# --- Built into a network --------------------------------------------------------------------------------------------
def built(config, *names):
    """The config after a network was built from these settings."""
    with config.building():
        for name in names:
            getattr(config, name)
    return config


def test_what_a_network_was_built_from_stays():
    config = built(Own(), "NUM_CLASSES", "IMAGE_SHAPE", "MEAN_PIXEL")
    new = {"NUM_CLASSES": 5, "IMAGE_MAX_DIM": 512, "IMAGE_RESIZE_MODE": "pad64", "MEAN_PIXEL": [0] * 3}
    for name, value in new.items():
        remedy = rf"{name}=.*from_checkpoint\(path, {name}=...\), or from a copy.copy\(config\)"
        with pytest.raises(ConfigError, match=remedy):
            setattr(config, name, value)
        with pytest.raises(ConfigError, match=remedy):
            config.set(**{name: value})
    # The same value again, as a cell of a notebook that is run twice, and settings that were not read.
    config.set(NUM_CLASSES=3, IMAGE_MAX_DIM=np.int64(1024), MEAN_PIXEL=[123.7, 116.8, 103.9])
    config.set(IMAGE_MIN_DIM=512, BATCH_SIZE=5, LEARNING_MOMENTUM=0.5, NAME="other")
    config.COLOURS = "any"
    assert config.NUM_CLASSES == 3 and config.IMAGES_PER_GPU == 5
    config.check()


def test_what_a_network_was_built_from_stays_whatever_its_class_is_given():
    class Later(Own):
        pass

    config = built(Later(), "NUM_CLASSES", "RPN_ANCHOR_SCALES", "IMAGE_MAX_DIM")
    before = config.to_dict()
    Later.RPN_ANCHOR_SCALES, Later.IMAGE_MAX_DIM = (1, 2, 3, 4, 5), 128
    assert config.to_dict() == before and config.IMAGE_SHAPE[0] == 1024
    with pytest.raises(ConfigError, match="=.* of Later: .* is built into a network already"):
        config.check()
    copy.copy(config).check()
    assert Later().IMAGE_MAX_DIM == 128
    Later.LEARNING_RATTE = 3
    with pytest.raises(ConfigError, match="LEARNING_RATTE is no setting: did you mean LEARNING_RATE"):
        Later().check()


def test_a_class_may_change_where_the_object_has_a_value_of_its_own():
    class Later(Own):
        pass

    config = Later(IMAGE_MAX_DIM=256, RPN_ANCHOR_RATIOS=[1])
    built(config, "IMAGE_MAX_DIM", "RPN_ANCHOR_RATIOS", "LOSS_WEIGHTS")
    before = config.to_dict()
    Later.IMAGE_MAX_DIM, Later.RPN_ANCHOR_RATIOS = 192, [1, 2]  # for the next network
    config.check()
    built(config, "IMAGE_MAX_DIM").check()
    Later.LOSS_WEIGHTS = {**Own.LOSS_WEIGHTS, "mrcnn_mask_loss": 2.0}  # which the object has from its class
    assert config.to_dict() == before
    with pytest.raises(ConfigError, match="LOSS_WEIGHTS=.* of Later: .* is built into a network already"):
        config.check()


def some_function(config):
    """One that is pickled by its name."""


class OfFunctions(Own):
    BACKBONE, COMPUTE_BACKBONE_SHAPE = some_function, lambda self, shape: [[1, 1]] * 5

    def WIDTH(self):
        return 10 * self.NUM_CLASSES


def test_functions_of_a_class_are_those_of_each_copy():
    config = built(OfFunctions(), "BACKBONE", "COMPUTE_BACKBONE_SHAPE", "WIDTH", "NUM_CLASSES")
    config.check()
    for other in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        other.NUM_CLASSES = 5
        assert other.WIDTH() == 50 and config.WIDTH() == 30
    with pytest.raises(ConfigError, match="BACKBONE='resnet50': .*some_function' is built into a network already"):
        config.BACKBONE = "resnet50"


@pytest.mark.parametrize("value", [Own.names, "resnet50"])
def test_another_function_of_the_class_is_told_before_training(value):
    class Later(OfFunctions):
        pass

    config = built(Later(), "BACKBONE")
    Later.BACKBONE = value
    with pytest.raises(ConfigError, match="^BACKBONE=.*some_function' is built into a network already"):
        config.check()
    copy.copy(config).check()


def test_what_follows_is_built_in_by_what_it_follows_from():
    config = built(Own(), "BATCH_SIZE")
    with pytest.raises(ConfigError, match="IMAGES_PER_GPU=4: 2 is built into a network"):
        config.BATCH_SIZE = 4


def test_held_settings_are_refused_in_words_of_the_holder():
    config = Own()
    config.hold(["NUM_CLASSES", "MEAN_PIXEL"], "{} is of the file: export again.".format)
    for assign in (lambda: setattr(config, "NUM_CLASSES", 9), lambda: config.set(MEAN_PIXEL=[0, 0, 0])):
        with pytest.raises(ConfigError, match=r"^\w+ is of the file: export again. A copy.copy\(config\) takes any"):
            assign()
    config.hold(["RPN_ANCHOR_RATIOS", "NUM_CLASSES"], "{} is of the file: export again.".format)
    with pytest.raises(ConfigError, match="^RPN_ANCHOR_RATIOS is of the file: export again."):
        config.RPN_ANCHOR_RATIOS.append(4)
    config.set(NUM_CLASSES=3, IMAGE_MIN_DIM=512)
    config.check()
    for other in (copy.copy(config), pickle.loads(pickle.dumps(config))):
        assert other.set(NUM_CLASSES=9).NUM_CLASSES == 9


def test_to_check_is_not_to_build_from():
    config = Own()
    with config.building():
        config.check()
    config.NUM_CLASSES = 7


def test_a_building_that_fails_leaves_all_free():
    config = Own()
    with pytest.raises(KeyError), config.building():
        raise KeyError(config.NUM_CLASSES)
    config.NUM_CLASSES = 7


def test_other_threads_read_as_they_like():
    config, told = Own(), []
    with config.building():
        thread = threading.Thread(target=lambda: told.append(config.NUM_CLASSES))
        thread.start()
        thread.join()
    config.NUM_CLASSES = 7  # what another thread read binds nobody
    assert told == [Own.NUM_CLASSES] and config.NUM_CLASSES == 7


def test_copies_are_free_and_networks_may_share():
    config = built(Own(), "NUM_CLASSES")
    built(config, "SEED")  # a second network of the same object
    for other in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config)),
                  Own.from_dict(config.to_dict()), Own()):
        other.NUM_CLASSES = 9
        other.LOSS_WEIGHTS["mrcnn_mask_loss"] = 2.0
        assert other.NUM_CLASSES == 9 and config.LOSS_WEIGHTS["mrcnn_mask_loss"] == 1.0
    for name in ("NUM_CLASSES", "SEED"):
        with pytest.raises(ConfigError, match=f"{name}=9"):
            setattr(config, name, 9)
    with config.building():
        assert copy.copy(config).IMAGE_MIN_DIM == 800  # what is read of a copy is read of the settings
    with pytest.raises(ConfigError, match="IMAGE_MIN_DIM"):
        config.IMAGE_MIN_DIM = 64


def test_what_was_changed_in_place_is_told_before_training():
    config = built(Own(), "LOSS_WEIGHTS", "RPN_ANCHOR_RATIOS")
    config.check()
    with pytest.raises(ConfigError, match="LOSS_WEIGHTS=.*is built into a network already"):
        config.LOSS_WEIGHTS["mrcnn_mask_loss"] = 2.0
    dict.update(config.LOSS_WEIGHTS, mrcnn_mask_loss=2.0)  # by a way around
    with pytest.raises(ConfigError, match="LOSS_WEIGHTS=.*is built into a network already"):
        config.check()


class Pairs(Own):
    SIDES = [[8], [16]]


def test_what_a_network_was_built_from_cannot_be_changed_in_place():
    config = Pairs(ATTRIBUTES=["long"], MEAN_PIXEL=np.array([1.0, 2.0, 3.0]))
    built(config, "MEAN_PIXEL", "RPN_ANCHOR_RATIOS", "LOSS_WEIGHTS", "SIDES", "ATTRIBUTES")
    config.MEAN_PIXEL, config.RPN_ANCHOR_RATIOS = np.array([1.0, 2.0, 3.0]), [0.5, 1, 2]  # the same again
    before = config.to_dict()
    with pytest.raises(ValueError, match="read-only"):
        config.MEAN_PIXEL -= 1
    for change in (lambda: config.RPN_ANCHOR_RATIOS.append(4), lambda: config.RPN_ANCHOR_RATIOS.sort(reverse=True),
                   lambda: config.SIDES[0].append(4), lambda: config.SIDES.__setitem__(0, 4),
                   lambda: config.LOSS_WEIGHTS.update(a=1), lambda: config.LOSS_WEIGHTS.pop("mrcnn_mask_loss")):
        with pytest.raises(ConfigError, match=r"is built into a network already; make another by from_checkpoint"):
            change()
    with pytest.raises(ConfigError, match=r"^RPN_ANCHOR_RATIOS=\[0.5, 1, 2\] is built into a network already"):
        config.RPN_ANCHOR_RATIOS += [4]
    assert config.to_dict() == before and isinstance(config.RPN_ANCHOR_RATIOS, list)
    free = [copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config)),
            Pairs.from_dict(copy.deepcopy(before)), Pairs(ATTRIBUTES=config.ATTRIBUTES)]
    for other in free:
        other.MEAN_PIXEL -= 1
        other.LOSS_WEIGHTS["mrcnn_mask_loss"] = 2.0
        for values in (other.RPN_ANCHOR_RATIOS, other.SIDES, other.SIDES[0], other.ATTRIBUTES):
            values.append(4)
    for copied in (copy.copy(config.SIDES), copy.deepcopy(config.SIDES)[0], pickle.loads(pickle.dumps(config.SIDES))):
        copied.append(4)
    assert config.to_dict() == before and Pairs.SIDES == [[8], [16]]


def test_a_network_built_once_more_is_given_lists_as_any():
    config = built(Pairs(), "SIDES", "LOSS_WEIGHTS", "RPN_ANCHOR_RATIOS")
    with config.building():
        values = config.RPN_ANCHOR_RATIOS, config.SIDES, config.SIDES[0], config.LOSS_WEIGHTS
        assert [type(value) for value in values] == [list, list, list, dict]
        assert keras.ops.convert_to_tensor(config.RPN_ANCHOR_RATIOS).shape == (3,)
        assert len(keras.tree.flatten(config.SIDES)) == 2
    with pytest.raises(ConfigError, match="is built into a network already"):
        config.SIDES[0].append(4)


def test_a_value_of_what_a_network_was_built_from_is_free_in_other_settings():
    """It refused changes there, in the name of the other's network."""
    config = built(Pairs(), "SIDES", "LOSS_WEIGHTS")
    assigned = Pairs(SIDES=config.SIDES)
    assigned.SIDES = config.SIDES
    for sides in (assigned.SIDES, Pairs(SIDES=config.SIDES).SIDES, Pairs(SIDES=list(config.SIDES)).SIDES,
                  config.SIDES.copy(), copy.copy(config.SIDES), {**config.LOSS_WEIGHTS.copy(), "a": [[]]}["a"]):
        sides[0].append(4)
    assert config.SIDES == [[8], [16]]


# --- From files ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text, message", [
    ('{"NUM_CLASSES": "four"}', "NUM_CLASSES='four': give a whole number"),
    ('{"MEAN_PIXEL": [[1], [2, 3]]}', "MEAN_PIXEL=.*: give a list"),
    ('{"MEAN_PIXEL": {"a": 1}}', "MEAN_PIXEL=.*: give a list"),
    ('{"RPN_ANCHOR_SCALES": null}', "RPN_ANCHOR_SCALES=None: give a list of 5"),
    ('{"LOSS_WEIGHTS": [1, 2]}', "LOSS_WEIGHTS=.*: give a dict"),
    ('{"LEARNING_RATE": NaN}', "LEARNING_RATE=nan: give a number from 0 to 10"),
    ('{"COMPUTE_BACKBONE_SHAPE": 7}', "COMPUTE_BACKBONE_SHAPE=7: give a function, or None"),
    ('{"LEARNING_RAT": 0.1}', "LEARNING_RAT is no setting: did you mean LEARNING_RATE"),
    ('{"names": 3}', "'names' is no name of a setting"),
    ('{"__class__": 3}', "'__class__' is no name of a setting"),
    ('{"IMAGE_SHAPE": [1, 2, 3]}', "IMAGE_SHAPE=.*: it follows from other settings"),
    ('{"OWN": ' + "[" * 3000 + "]" * 3000 + "}", "OWN is nested too deeply|no JSON file"),
    ("[" * 100_000, "no JSON file"),
    ("[1]", "settings are a JSON object of names and values, not .1."),
])
def test_files_of_wrong_settings_are_told_by_file_and_setting(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"config.json: .*({message})") as error:
        Own.load(str(path))
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_an_override_counts_in_place_of_what_cannot_be_read_back(tmp_path):
    written = Own(BACKBONE=len, COMPUTE_BACKBONE_SHAPE=len).to_dict()
    assert written["BACKBONE"] == written["COMPUTE_BACKBONE_SHAPE"] == "builtins.len"
    config = Own.from_dict(written, BACKBONE=len, COMPUTE_BACKBONE_SHAPE=None)
    assert config.BACKBONE is len and config.COMPUTE_BACKBONE_SHAPE is None
    assert Own.from_dict({"BATCH_SIZE": 4, "GPU_COUNT": 2, "SIZES": [1]}, SIZES=[2]).SIZES == [2]


def test_the_name_of_a_function_that_is_not_needed_is_passed_over(tmp_path):
    path = tmp_path / "config.json"
    Own(BACKBONE=len, COMPUTE_BACKBONE_SHAPE=len).save(path)
    told = r"config.json: COMPUTE_BACKBONE_SHAPE='builtins.len' is the mere name of a function: it is passed over"
    with pytest.warns(UserWarning, match=told):
        config = Own.load(path, BACKBONE=len)
    assert config.BACKBONE is len and config.COMPUTE_BACKBONE_SHAPE is None
    with warnings.catch_warnings():  # nobody asks it where BACKBONE is a name
        warnings.simplefilter("error")
        config = Own.load(path)
    assert config.BACKBONE == "builtins.len" and config.COMPUTE_BACKBONE_SHAPE is None


def test_functions_of_the_class_stay_where_a_file_has_their_names(tmp_path):
    class Functions(Own):
        BACKBONE = COMPUTE_BACKBONE_SHAPE = MY_RULE = staticmethod(lambda image: None)

    Functions().save(tmp_path / "config.json")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = Functions.load(tmp_path / "config.json")
    for name in ("BACKBONE", "COMPUTE_BACKBONE_SHAPE", "MY_RULE"):
        assert getattr(config, name) is getattr(Functions, name)


@pytest.mark.parametrize("name, value, told", [
    ("IMAGE_SHAPE", [64, 64, 3], "it follows from other settings: set IMAGE_MAX_DIM"),
    ("IMAGE_META_SIZE", 3, "it follows from NUM_CLASSES: set that"),
])
def test_a_setting_that_follows_from_others_is_told_in_the_same_words_by_all_doors(name, value, told):
    config = Own()
    for assign in (Own, config.set, lambda **given: setattr(config, name, value),
                   lambda **given: Own.from_dict({}, **given)):
        with pytest.raises(ConfigError, match=f"^{name}=.*: {told}"):
            assign(**{name: value})
    with pytest.raises(ConfigError, match=name):
        config.set(NUM_CLASSES=9, **{name: value})
    assert config.NUM_CLASSES == Own.NUM_CLASSES  # all or none


def test_a_setting_that_follows_may_be_given_as_it_follows():
    config = Own(IMAGE_SHAPE=[128, 128, 3], IMAGE_MAX_DIM=128, IMAGE_RESIZE_MODE="square")
    assert config.IMAGE_MAX_DIM == 128 and list(config.IMAGE_SHAPE) == [128, 128, 3]


def test_values_without_a_type_in_json_are_written_as_text(tmp_path):
    class Odd(Own):
        FOLDER = tmp_path
        KINDS = {1: {"a"}}

    Odd().save(str(tmp_path / "odd.json"))
    config = Config.load(str(tmp_path / "odd.json"))
    assert config.FOLDER == str(tmp_path) and config.KINDS == {"1": "{'a'}"} and config.NUM_CLASSES == 3


@pytest.mark.parametrize("given, message", [
    (Config, r"^Config was given for its instance: give Config\(\)\.$"),
    ({"NUM_CLASSES": 2}, "was given for settings: give an instance of mrcnn.config.Config, or of a subclass"),
    (None, "^None was given for settings: give an instance"),
])
def test_what_is_no_instance_of_settings_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        check_instance(given, Config)
    check_instance(Config(), Config)
