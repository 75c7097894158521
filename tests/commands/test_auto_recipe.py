"""Choices of a recipe: the user's stand and are told, and what is written as a file gives the same options again."""

import shlex

from mrcnn.commands.auto_recipe import Choice, choose, recipe_text, words_of
from mrcnn.commands.auto_rules import RULES
from mrcnn.commands.main import build_parser
from mrcnn.commands.options import expand_presets
from mrcnn.config import Config
from mrcnn.config_pixels import UNetSettings

MACHINE = {"cores": 2, "memory": 20e9, "gpu": None, "installed": ["efficientnet_lite0"], "objects": True,
           "encoder": True, "imgaug": True}
FIT = {"recall": [0.9] * 21, "scales": [12.0, 24.0, 48.0, 96.0, 192.0], "ratios": [0.5, 1.0, 2.0]}
SUMMARY = {"photos": 60, "objects": 300, "wide_photos": 0, "long_side": {"median": 600.0},
           "objects_per_photo": {"max": 8.0}, "object_scale": {"p10": 20, "median": 60}, "too_small": 0,
           "classes": [{"name": "hat", "photos": 40, "objects": 40}, {"name": "shoe", "photos": 60, "objects": 120}],
           "anchors": {"current": FIT, "proposed": FIT}}


def chosen(given=(), settings=Config, **machine):
    choices = choose(lambda side, **_: SUMMARY, {**MACHINE, **machine}, dict(given),
                     lambda name: hasattr(settings, name), lambda values, most: (most, "it fits"), 80)
    return {choice.about: choice for choice in choices}


def test_each_rule_makes_one_line():
    choices = chosen()
    assert list(choices) == list(RULES)
    lines = [choice.told() for choice in choices.values()]
    assert all(line and "\n" not in line for line in lines)
    told = "batch        BATCH_SIZE=2: 60 photos are few, and small batches give more steps; it fits"
    assert choices["batch"].told() == told


def test_what_the_user_gave_stands_and_is_told_and_later_rules_go_by_it():
    choices = chosen({"BATCH_SIZE": 5, "EMA_DECAY": 0.5})
    assert choices["batch"].values == {} and "BATCH_SIZE=2 as you" not in choices["batch"].told()
    assert "BATCH_SIZE=5 as you gave it" in choices["batch"].told()
    assert choices["optimizer"].values.keys() == {"OPTIMIZER", "WEIGHT_DECAY", "LR_SCHEDULE", "WARMUP_STEPS"}
    assert "EMA_DECAY=0.5 as you gave it" in choices["optimizer"].told()
    assert choices["schedule"].values["STEPS_PER_EPOCH"] == 32  # twice 80 photos, by five
    canvases = chosen({"IMAGE_MAX_DIM": 512})
    assert canvases["canvas"].values.keys() == {"IMAGE_MIN_DIM", "IMAGE_RESIZE_MODE", "ASPECT_BUCKETS"}
    assert canvases["anchors"].values == {"RPN_ANCHOR_SCALES": [16, 32, 64, 128, 256]}


def test_what_a_network_of_pixels_lacks_is_told():
    choices = chosen(settings=UNetSettings, objects=False)
    assert choices["anchors"].values == choices["heads"].values == choices["objects"].values == {}
    assert "none to choose" in choices["anchors"].told() and "no objects" in choices["objects"].told()
    assert choices["losses"].values == {"PIXEL_LOSS": "cross-entropy+jaccard"}
    every = {name for choice in choices.values() for name in choice.values} - {"weights", "BATCH_SIZE"}
    assert all(hasattr(UNetSettings, name) for name in every - {"STAGES", "AUGMENT"})
    assert Choice("x", {"C": 1}, "", {"B": 2}).told().split(maxsplit=1)[1] == "C=1; B=2 as you gave it"
    lacking = Choice("x", {}, "why", {}, ("A_B", "C"))
    assert lacking.told().split(maxsplit=1)[1] == "A_B, C are no setting of this network"


def test_the_file_gives_the_options_again(tmp_path):
    choices = list(chosen({"BATCH_SIZE": 5}).values())
    path = tmp_path / "recipe.txt"
    path.write_text(recipe_text(choices, "Recipe for 60 photos:", ["--batch-size", "5", "--set", "NAME=a # b"]))
    read = build_parser().parse_args(expand_presets(["train", "--preset", str(path)], tmp_path))
    typed = [word for choice in choices for word in words_of(choice.values)]
    wanted = build_parser().parse_args(["train", *typed, "--batch-size", "5", "--set", "NAME=a # b"])
    assert vars(read) | {"program": None} == vars(wanted) | {"program": None}
    assert "RPN_ANCHOR_SCALES=[4, 8, 16, 32, 64]" in read.set and read.batch_size == 5
    assert shlex.split(path.read_text(), comments=True) == [*typed, "--batch-size", "5", "--set", "NAME=a # b"]
    assert "# batch        BATCH_SIZE=5 as you gave it" in path.read_text()
