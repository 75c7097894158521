"""Which photos a training takes, and with which stage it goes on."""

import os

import pytest

from mrcnn.commands import main as fashion
from mrcnn.commands import training_options as fashion_training
from mrcnn.commands.datasets import drawn_pictures
from mrcnn.commands.options import expand_presets, parse_stages
from mrcnn.commands.train import left_to_do
from mrcnn.commands.training_options import check_data_options, same_data, same_training_data
from mrcnn.errors import UsageError


def options_of(*arguments):
    return fashion.build_parser().parse_args(["train", *arguments])


def test_test_photos_are_asked_for_by_name():
    with pytest.raises(UsageError, match="--test ANNOTATIONS goes with --train and --val"):
        check_data_options(options_of("--test", "a.json"))
    with pytest.raises(UsageError, match="beside --train and --val give --test"):
        check_data_options(options_of("--train", "a", "--val", "b", "--evaluate-test"))
    check_data_options(options_of("--train", "a", "--val", "b", "--test", "c"))
    check_data_options(options_of("--annotations", "a", "--split", "s", "--evaluate-test"))
    assert fashion_training.testing_data(options_of(), None) is None
    drawn = fashion_training.testing_data(options_of("--evaluate-test", "--limit", "3"), None)
    others = drawn_pictures("val", 3)
    assert len(drawn.image_ids) == 3
    assert (drawn.load_image(0) != others.load_image(0)).any()  # no picture of validation


def test_the_options_that_find_the_same_data():
    options = options_of("--train", "a b.json", "--val", "c.json", "--images", "photos", "--on-error", "skip")
    assert same_data(options) == " --images photos --annotations c.json --on-error skip"
    assert same_training_data(options) == " --images photos --train 'a b.json' --val c.json --on-error skip"
    assert same_training_data(options_of()) == ""


class Run:
    """A model that trains as many epochs of each stage as the stage takes before it is stopped early."""

    def __init__(self, epoch=0, over=False, **stage):
        self.epoch, self.over, self.stage = epoch, over, stage or None

    def is_over(self):
        return self.over

    def trained(self, stages, stops=()):
        """[(layers, first epoch, last epoch)] of what is left; stops: {layers: last epoch} of stages ended early."""
        done = []
        for stage, last_epoch in left_to_do(parse_stages(stages), self, [self, object()]):
            first, self.epoch = self.epoch, dict(stops).get(stage.layers, last_epoch)
            done.append((stage.layers, first, self.epoch))
        return done


STAGES = "heads:20:1e-3,all:20:1e-4,3+:5:1e-5"


def test_a_stage_ended_early_leaves_its_epochs_to_none():
    assert Run().trained(STAGES) == [("heads", 0, 20), ("all", 20, 40), ("3+", 40, 45)]
    assert Run().trained(STAGES, {"heads": 9}) == [("heads", 0, 9), ("all", 9, 29), ("3+", 29, 34)]
    assert Run().trained(STAGES, {"heads": 9, "all": 12})[2] == ("3+", 12, 17)


def test_a_resumed_run_goes_on_with_its_stage():
    heads = {"layers": "heads", "epochs": 20, "learning_rate": 1e-3, "first_epoch": 0}
    late = {"layers": "all", "epochs": 29, "learning_rate": 1e-4, "first_epoch": 9}  # heads ended after 9 epochs
    assert Run(20, **heads).trained(STAGES)[0] == ("all", 20, 40)
    assert Run(9, over=True, **heads).trained(STAGES)[0] == ("all", 9, 29)
    assert Run(25, **late).trained(STAGES) == [("all", 25, 29), ("3+", 29, 34)]
    assert Run(14, over=True, **late).trained(STAGES) == [("3+", 14, 19)]
    assert Run(34, **dict(late, layers="3+", epochs=34, learning_rate=1e-5, first_epoch=29)).trained(STAGES) == []
    # More epochs than before, and stages that the run does not know.
    assert Run(29, **late).trained("heads:20:1e-3,all:30:1e-4") == [("all", 29, 39)]
    assert Run(29, **late).trained("heads:20:1e-3,5+:20:1e-4") == [("5+", 29, 40)]
    # The same layers and rate twice: it is the one that began then.
    twice = "all:5:1e-4,heads:5:1e-3,all:5:1e-4"
    assert Run(12, **dict(late, epochs=15, first_epoch=10)).trained(twice) == [("all", 12, 15)]
    assert Run(2, **dict(late, epochs=5, first_epoch=0)).trained(twice)[1:] == [("heads", 5, 10), ("all", 10, 15)]


def test_presets_serve_tune_too():
    assert expand_presets(["tune", "--preset", "ccp"], fashion.PRESETS) == [
        "tune", *expand_presets(["train", "--preset", "ccp"], fashion.PRESETS)[1:]]


def test_tune_leaves_out_what_a_preset_says_of_checkpoints(tmp_path):
    (tmp_path / "own.txt").write_text("--batch-size 4 --evaluate-every 2 --keep-best=loss --patience 3 --augment flip")
    assert expand_presets(["tune", "--preset", "own"], tmp_path) == ["tune", "--batch-size", "4", "--augment", "flip"]
    for file in os.listdir(fashion.PRESETS):
        fashion.build_parser().parse_args(expand_presets(["tune", "--preset", file[:-4]], fashion.PRESETS))
