"""What may be searched by `tune`, and the stages of a trial."""

import pytest

from mrcnn.commands.configs import FashionConfig
from mrcnn.commands.stage_options import Stage, stages_text
from mrcnn.commands.tune_search import Search, parse_search, refuse_idle, scaled_stages
from mrcnn.errors import ConfigError, UsageError

RATE = Search("LEARNING_RATE", 1e-4, 1e-2, True)


def test_what_a_search_says():
    assert parse_search("LEARNING_RATE=1e-4:1e-2:log", FashionConfig) == RATE
    assert parse_search("BATCH_SIZE=1:8", FashionConfig) == Search("BATCH_SIZE", 1, 8)
    assert isinstance(parse_search("BATCH_SIZE=1:8", FashionConfig).low, int)
    assert isinstance(parse_search("WEIGHT_DECAY=0:1", FashionConfig).low, float)  # its default is none whole
    assert parse_search("OPTIMIZER=sgd,adamw", FashionConfig).choices == ("sgd", "adamw")
    assert parse_search("MASK_SHAPE=[28,28],[56,56]", FashionConfig).choices == ("[28,28]", "[56,56]")


@pytest.mark.parametrize("text", ["LEARNING_RATE", "LEARNING_RATE=", "LEARNING_RATE=1e-2:1e-4", "WEIGHT_DECAY=0:1:log",
                                  "LEARNING_RATE=a:b", "LEARNING_RATE=1:2:3", "OPTIMIZER=1:2", "TRAIN_BN=0:1",
                                  "OPTIMIZER=sgd", "OPTIMIZER=sgd,,adamw", "LEARNING_RATE=nan:1"])
def test_a_search_that_is_none(text):
    with pytest.raises(UsageError, match="--search"):
        parse_search(text, FashionConfig)


@pytest.mark.parametrize("text, message", [
    ("LEARNING_RATE=1e-4:100:log", "LEARNING_RATE=100.0: give a number from 0 to 10"),
    ("OPTIMIZER=sgd,adam", "OPTIMIZER='adam' is none of sgd, adamw"),
    ("IMAGES_PER_GPU=1:2.5", "IMAGES_PER_GPU=2.5: give a whole number"),
])
def test_values_that_a_setting_cannot_take_are_told_before_the_first_trial(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_search(text, FashionConfig)


def test_a_setting_that_does_not_exist():
    with pytest.raises(ConfigError, match="did you mean LEARNING_RATE"):
        parse_search("LEARNING_RAT=1:2", FashionConfig)


@pytest.mark.parametrize("text, told", [
    ("DETECTION_MIN_CONFIDENCE=0.2,0.9", "measured on objects of a score of 0.05 or more"), ("NAME=a,b", "no figure"),
    ("WORKERS=0:4", "no figure"), ("NUM_CLASSES=3:5", "follows the data"), ("LABEL_REFINE=slic,crf", "refinement"),
    ("ATTRIBUTE_MIN_CONFIDENCE=0.2,0.5", "attributes"), ("CLASSES=hat,coat", "read once"),
    ("POINT_HEAD_CHANNELS=64,128", "would not differ: .*MASK_HEAD is conv; leave it out, or set MASK_HEAD=points"),
    ("ATTRIBUTES_PARTIAL=true,false", "ATTRIBUTES is None"), ("VALIDATION_STEPS=3:9", "LR_SCHEDULE=plateau"),
    ("LR_STEPS=[0.5],[0.6]", "LR_SCHEDULE=step"), ("PRE_NMS_LIMIT=100,200", "GEOMETRY=matterport"),
])
def test_trials_that_would_not_differ_are_refused(text, told):
    with pytest.raises(UsageError, match=f"--search {text.partition('=')[0]}: .*{told}"):
        refuse_idle([parse_search(text, FashionConfig)], lambda values: FashionConfig(**values))


def test_what_depends_on_another_setting_is_searched_beside_it():
    points = parse_search("POINT_HEAD_CHANNELS=64,128", FashionConfig)
    refuse_idle([points], lambda values: FashionConfig(MASK_HEAD="points", **values))
    refuse_idle([points, parse_search("MASK_HEAD=conv,points", FashionConfig)], lambda values: FashionConfig(**values))
    refuse_idle([RATE, parse_search("MINI_MASK_SHAPE=[28,28],[56,56]", FashionConfig)],
                lambda values: FashionConfig(**values))
    with pytest.raises(UsageError, match="USE_MINI_MASK is False"):
        refuse_idle([RATE, parse_search("MINI_MASK_SHAPE=[28,28],[56,56]", FashionConfig)],
                    lambda values: FashionConfig(USE_MINI_MASK=False, **values))


def test_stages_follow_the_rate_and_end_in_time():
    text = "heads:2:1e-3,all:3:1e-4"
    # The highest rate, that of the heads, becomes 5e-3; the other is a tenth of it.
    assert stages_text(scaled_stages(text, 5e-3)) == "heads:2:0.005,all:3:0.0005"
    assert scaled_stages(text, None, 3) == [Stage("heads", 2, 1e-3), Stage("all", 3, 1e-4)]
    assert scaled_stages(text, None, 2) == [Stage("heads", 2, 1e-3)]
