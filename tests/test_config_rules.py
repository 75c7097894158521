"""What each setting takes: the whole table is walked, and what fits together."""

import math
import pathlib
import re

import numpy as np
import pytest

from mrcnn import config_rules
from mrcnn.config import Config, Settings
from mrcnn.config_kinds import (
    Chain,
    Choice,
    Either,
    Function,
    Lists,
    Number,
    Numbers,
    OrNone,
    SumOf,
    Switch,
    Text,
    Texts,
    Weights,
)
from mrcnn.config_pixels import DeepLabPlusSettings, DeepLabSettings, U2NetSettings, UNetSettings
from mrcnn.config_rules import RULES, checked, misspelt
from mrcnn.config_yolact import YolactSettings
from mrcnn.errors import ConfigError

PACKAGE = pathlib.Path(config_rules.__file__).parent
NAMES = Config().names()
CLASSES = YolactSettings, UNetSettings, U2NetSettings, DeepLabPlusSettings, DeepLabSettings, Config
# A class that has the setting, Config where it does.
OWNERS = {name: owner for owner in CLASSES for name in owner().names()}
TEXT, NUMBER, NOTHING = "seventy", 7.25, object()


def beside(rule):
    """Values just outside a range of numbers."""
    step = (lambda value, way: value + way) if rule.whole else (lambda value, way: np.nextafter(value, way * math.inf))
    return [step(end, way) for end, way in ((rule.least, -1), (rule.most, 1)) if math.isfinite(end)]


def refused_by(rule):
    """Values that a rule must refuse: of other types, None, and those just outside its range."""
    if isinstance(rule, OrNone):
        return [value for value in refused_by(rule.rule) if value is not None]
    if isinstance(rule, Number):
        assert math.isfinite(rule.least), "a number without a range"
        part = [1.5] if rule.whole else []
        return [TEXT, "1", None, True, [1], {}, math.nan, math.inf, np.array([1.0]), NOTHING, *part, *beside(rule)]
    if isinstance(rule, Numbers):
        right = max(rule.item.least, 0.5) if not rule.item.whole else rule.item.least
        count = rule.length or 3
        wrong = [[right] * (count - 1) + [one] for one in (TEXT, None, [right], math.nan, *beside(rule.item))]
        lengths = [[right] * (rule.length + 1), [right] * (rule.length - 1)] if rule.length else [[], ()]
        return [right, None, TEXT, {}, {right}, np.full((2, count), right), NOTHING, *wrong, *lengths]
    if isinstance(rule, Switch):
        return ["no", "True", None, 2, -1, 1.0, [], NOTHING]
    if isinstance(rule, Choice):
        near = rule.choices[0].upper() if isinstance(rule.choices[0], str) else str(rule.choices[0])
        return [TEXT, "", None, NUMBER, True, [rule.choices[0]], near, NOTHING]
    if isinstance(rule, SumOf):
        first, second = rule.choices[:2]
        return [TEXT, "", None, NUMBER, [first], f"{first}+", f"{first}+{first}", f"{first} + {second}", NOTHING]
    if isinstance(rule, Either):
        return [TEXT, "", None, NUMBER, True, [TEXT], [-1.0, 1.0], [], {}, NOTHING]
    if isinstance(rule, Chain):
        return [None, NUMBER, True, ["a"], NOTHING, TEXT, "guided,", "guided:radius", "crf:x=1", "x" * 1000, "a\nb"]
    if isinstance(rule, Text):
        return [None, NUMBER, True, ["a"], NOTHING, *(["a/b", "a\\b", "a\nb"] if rule.name else [])]
    if isinstance(rule, Function):
        return [None, NUMBER, True, ["a"], *([] if rule.named else [TEXT])]
    if isinstance(rule, Texts):
        return [TEXT, "", None, NUMBER, True, [], (), ["a", "a"], ["a", ""], ["a", " "], ["a", 1], {"a": 1}, NOTHING]
    if isinstance(rule, Lists):
        return [TEXT, None, NUMBER, True, [1], ["a"], [[TEXT]], [[], [-1]], [[1.5]], [[True]], {}, NOTHING]
    assert isinstance(rule, Weights)
    return [None, NUMBER, TEXT, ["a"], {"a": TEXT}, {"a": -0.1}, {"a": math.inf}, {1: 1.0}]


def test_every_setting_has_a_rule_and_every_rule_a_setting():
    assert set(Settings().names()) < set(NAMES) and len(NAMES) > 80
    assert not set(NAMES) - set(RULES), "give each new setting a row in mrcnn/config_rules.py"
    code = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert not [name for name in RULES if not re.search(rf"^    {name} = ", code, re.MULTILINE)]


@pytest.mark.parametrize("name", OWNERS)
def test_defaults_are_taken_and_all_else_is_refused(name):
    default = getattr(OWNERS[name], name)
    kept = checked(name, default, default)
    np.testing.assert_equal(kept, default)
    for value in refused_by(RULES[name]):
        with pytest.raises(ConfigError, match=f"^{name}=") as error:
            OWNERS[name](**{name: value})
        assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("name, least, most", [
    ("DETECTION_MIN_CONFIDENCE", 0, 1), ("LEARNING_MOMENTUM", 0.0, 0.9999), ("GPU_COUNT", 1, 64),
    ("WORKERS", 0, 32), ("POINT_HEAD_SUBDIVISIONS", 1, 5), ("IMAGE_MIN_SCALE", 0, 4.5), ("GRADIENT_CLIP_NORM", 0, 9.0),
])
def test_the_ends_of_a_range_belong_to_it(name, least, most):
    assert getattr(Config(**{name: least}), name) == least and getattr(Config(**{name: most}), name) == most


@pytest.mark.parametrize("name, value, kept", [
    ("STEPS_PER_EPOCH", 100.0, 100), ("STEPS_PER_EPOCH", np.float32(100), 100), ("STEPS_PER_EPOCH", None, None),
    ("IMAGES_PER_GPU", np.int64(4), 4), ("LEARNING_RATE", np.float64(0.02), 0.02), ("LEARNING_RATE", 1, 1),
    ("USE_MINI_MASK", np.bool_(False), False), ("TRAIN_BN", 0, False), ("TRAIN_BN", None, None), ("TEST_FLIP", 1, True),
    ("GRADIENT_CLIP_NORM", None, None), ("IMAGE_MIN_SCALE", 0, 0), ("IMAGE_MIN_DIM", None, None),
    ("RPN_ANCHOR_SCALES", [8, 16.0, 32, 64, 128], [8, 16.0, 32, 64, 128]), ("MASK_SHAPE", (28.0, 28), (28, 28)),
    ("NAME", np.str_("shop"), "shop"), ("BACKBONE", len, len), ("COMPUTE_BACKBONE_SHAPE", len, len),
    ("CLASS_COUNTS", np.array([0, 5, 7]), np.array([0, 5, 7])), ("ATTRIBUTES", ("long", "red"), ("long", "red")),
    ("ATTRIBUTE_PAIRS", [(), (0, 1.0)], [[], [0, 1]]),
])
def test_values_are_kept_in_pythons_own_types(name, value, kept):
    value_kept = getattr(Config(**{name: value}), name)
    np.testing.assert_equal(value_kept, kept)
    assert type(value_kept) is type(kept)


def test_arrays_are_taken_for_lists_and_stay_arrays():
    config = Config(MEAN_PIXEL=np.array([43.53, 39.56, 48.22]), MINI_MASK_SHAPE=np.array([28.0, 28.0]),
                    BBOX_STD_DEV=np.array([1, 1, 1, 1]), RPN_ANCHOR_RATIOS=np.array([0.5, 1, 2], np.float32))
    assert config.MEAN_PIXEL.tolist() == [43.53, 39.56, 48.22] and config.MINI_MASK_SHAPE.dtype.kind == "i"
    assert isinstance(config.RPN_ANCHOR_RATIOS, np.ndarray) and config.BBOX_STD_DEV.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("settings, message", [
    ({"DETECTION_MIN_CONFIDENCE": 70}, "DETECTION_MIN_CONFIDENCE=70: give a number from 0 to 1, e.g. 0.7."),
    ({"USE_MINI_MASK": "no"}, "USE_MINI_MASK='no': give True or False."),
    ({"GRADIENT_CLIP_NORM": "a"}, "GRADIENT_CLIP_NORM='a': give a number, 0 or more, or None, e.g. 5.0."),
    ({"STEPS_PER_EPOCH": 1.5}, "STEPS_PER_EPOCH=1.5: give a whole number, 1 or more, or None, e.g. 1000."),
    ({"LR_REFERENCE_BATCH": "x"}, "LR_REFERENCE_BATCH='x': give a whole number, 1 or more, or None, e.g. 16."),
    ({"MASK_SHAPE": 28}, "MASK_SHAPE=28: give a list of 2 whole numbers, 1 or more, e.g. [28, 28]."),
    ({"NORM": "layer"}, "NORM='layer' is none of batch, group."),
    ({"BACKBONE": 50}, "BACKBONE=50: give a name or a function, e.g. 'resnet101'."),
])
def test_a_refusal_is_one_line_of_name_value_what_it_takes_and_an_example(settings, message):
    with pytest.raises(ConfigError) as error:
        Config(**settings)
    assert str(error.value) == message


def test_a_refusal_of_a_huge_value_is_short():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for value in (np.zeros((50, 50)), "x" * 10_000, list(range(10_000)), deep, {"a": deep}):
        with pytest.raises(ConfigError, match="^MASK_SHAPE=.*: give a list of 2") as error:
            Config(MASK_SHAPE=value)
        assert len(str(error.value)) < 200 and "\n" not in str(error.value)


# --- Names -----------------------------------------------------------------------------------------------------------
SLIPS = {
    "LEARNING_RAT": "LEARNING_RATE", "LERNING_RATE": "LEARNING_RATE", "LEARNINGRATE": "LEARNING_RATE",
    "IMAGE_MAX_DIN": "IMAGE_MAX_DIM", "IMAGE_PER_GPU": "IMAGES_PER_GPU", "NUM_CLASS": "NUM_CLASSES",
    "NUM_CLASES": "NUM_CLASSES", "NUM_CALSSES": "NUM_CLASSES", "STEP_PER_EPOCH": "STEPS_PER_EPOCH",
    "STEPS_PER_EPOCHS": "STEPS_PER_EPOCH", "VALIDATION_STPES": "VALIDATION_STEPS", "BACKBON": "BACKBONE",
    "BACKBOME": "BACKBONE", "OPTIMISER": "OPTIMIZER", "USE_MINIMASK": "USE_MINI_MASK", "MEAN_PIXELS": "MEAN_PIXEL",
    "RPN_ANCHOR_SCALE": "RPN_ANCHOR_SCALES", "DETECTION_MIN_CONFIDENSE": "DETECTION_MIN_CONFIDENCE",
    "TRAIN_ROI_PER_IMAGE": "TRAIN_ROIS_PER_IMAGE", "GPU_CUONT": "GPU_COUNT", "WORKER": "WORKERS",
    "BATCH_SIZES": "BATCH_SIZE",
}
OWN = (
    "NAME2 NAMES CLASS_NAMES CLASSES AUGMENT STAGES BACKBONE_WEIGHTS IMAGE_DIM IMAGE_SIZE IMAGE_SCALE MASK_SCALE "
    "LEARNING_RATE_HEADS LEARNING_DECAY VALIDATION_RATE VAL_STEPS TRAIN_BS SPEED SEEDS MEAN_DEPTH CLASS_WEIGHTS "
    "NUM_CLASSES_OLD OLD_NUM_CLASSES IMAGE_MAX_DIM2 IMAGE_MAX_DIM_TEST RPN_ANCHOR_SCALES_2 PRE_NMS_ROIS_TRAINING "
    "PRE_NMS_ROIS_INFERENCE MAX_INSTANCES WARMUP_EPOCHS GRADIENT_CLIP_VALUE COLOURS NUM_CATS EPOCHS"
).split()


@pytest.mark.parametrize("name", SLIPS)
def test_slips_of_the_pen_are_refused_and_the_setting_is_named(name):
    with pytest.raises(ConfigError, match=f"{name} is no setting: did you mean {SLIPS[name]}?"):
        setattr(Config(), name, 1)
    with pytest.raises(ConfigError, match=f"did you mean {SLIPS[name]}?"):
        type("Own", (Config,), {name: 1})


@pytest.mark.parametrize("name", OWN)
def test_ordinary_names_are_ones_own(name):
    config = type("Own", (Config,), {name: "anything"})(NUM_CLASSES=2)
    assert getattr(config, name) == "anything" and name in config.names()
    config.check()
    other = Config()
    setattr(other, name, {1: 2})
    assert getattr(other, name) == {1: 2}


def test_no_two_settings_look_like_slips_of_each_other():
    for name in RULES:
        assert misspelt(name, set(RULES) - {name}) is None


# --- Together --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("settings, message", [
    ({"RPN_NEGATIVE_IOU": 0.8}, "RPN_NEGATIVE_IOU=0.8 is above RPN_POSITIVE_IOU=0.7"),
    ({"LR_STEPS": (0.9, 0.5)}, "LR_STEPS=.*: give rising shares"),
    ({"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": None}, "IMAGE_MIN_DIM=0 does not divide by 64.*use 64"),
    ({"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 100}, "IMAGE_MIN_DIM=100 does not divide by 64.*use 64 or 128"),
    ({"LOSS_WEIGHTS": {"mrcnn_mask_loss": 2.0}}, "LOSS_WEIGHTS lacks mrcnn_bbox_loss, mrcnn_class_loss, rpn_"),
    ({"LOSS_WEIGHTS": {**Config.LOSS_WEIGHTS, "mask_loss": 2.0}}, "LOSS_WEIGHTS has mask_loss: the losses here"),
    ({"CLASS_COUNTS": [1, 2, 3]}, "CLASS_COUNTS=.*give NUM_CLASSES=2 numbers"),
    ({"ASPECT_BUCKETS": True}, "ASPECT_BUCKETS saves nothing on square canvases"),
    ({"MEAN_PIXEL": [1.0]}, "MEAN_PIXEL has 1 values for IMAGE_CHANNEL_COUNT=3"),
    ({"GEOMETRY": "matterport", "LABEL_SMOOTHING": 0.1}, "LABEL_SMOOTHING=0.1 needs GEOMETRY=exact"),
    ({"USE_RPN_ROIS": False}, "USE_RPN_ROIS=False is not supported"),
])
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Config(NUM_CLASSES=2, **settings).check()


@pytest.mark.parametrize("settings, message", [
    ({"PRE_NMS_LIMIT": 5}, "^PRE_NMS_LIMIT=5: GEOMETRY=exact passes .*PRE_NMS_PER_LEVEL_TRAINING=2000 and PRE_NMS_"),
    ({"GEOMETRY": "matterport", "PRE_NMS_PER_LEVEL_INFERENCE": 1},
     "^PRE_NMS_PER_LEVEL_INFERENCE=1: GEOMETRY=matterport passes over .* by PRE_NMS_LIMIT=6000: set that"),
    ({"GEOMETRY": "matterport", "ROI_SAMPLING_RATIO": 4},
     "^ROI_SAMPLING_RATIO=4: GEOMETRY=matterport passes over it and takes one sample a cell.$"),
    ({"GEOMETRY": "matterport", "CROWD_OVERLAP": 0.5}, "^CROWD_OVERLAP=0.5: .* goes by the IoU with a crowd.$"),
    ({"GEOMETRY": "matterport", "CLASS_COUNTS": np.ones(2)}, "^CLASS_COUNTS=.*has losses of its own.$"),
])
def test_what_the_geometry_passes_over_is_told_and_not_refused(settings, message):
    with pytest.warns(UserWarning, match=message):
        Config(NUM_CLASSES=2, **settings).check()


def test_limits_that_the_geometry_reads_are_not_told(recwarn):
    Config(NUM_CLASSES=2, PRE_NMS_PER_LEVEL_TRAINING=5).check()
    Config(NUM_CLASSES=2, GEOMETRY="matterport", PRE_NMS_LIMIT=5).check()
    assert not len(recwarn)


@pytest.mark.parametrize("pool,size,doublings", [(14, 28, 1), (14, 56, 2), (28, 56, 1), (7, 7, 0), (7, 56, 3)])
def test_mask_shapes_that_the_head_reaches_by_doubling(pool, size, doublings):
    config = Config(NUM_CLASSES=2, MASK_POOL_SIZE=pool, MASK_SHAPE=[size, size])
    config.check()
    assert config.mask_enlargements() == doublings
