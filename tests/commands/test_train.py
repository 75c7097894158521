"""The command `train`: with which stage it goes on, and what each stage is trained with."""

from types import SimpleNamespace

import pytest

from mrcnn.commands import main as fashion
from mrcnn.commands import train as command
from mrcnn.commands.configs import FashionConfig
from mrcnn.commands.program import Program
from mrcnn.commands.stage_options import parse_stages
from mrcnn.commands.train import left_to_do, planned_stages
from mrcnn.data.augmenters import Flip
from mrcnn.training import validation


def options_of(*arguments):
    return fashion.build_parser().parse_args(["train", *arguments])


class Run:
    """A model that trains as many epochs of each stage as the stage takes before it is stopped early."""

    devices = SimpleNamespace(chief=True)

    def __init__(self, epoch=0, over=False, **stage):
        self.epoch, self.over, self.stage, self.ended = epoch, over, stage or None, False

    def end_stage(self):
        self.ended = True

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


def test_of_equal_stages_the_one_that_is_done_is_ended_and_none_is_done_twice():
    twice, plain = "all:2:1e-3,all:2:1e-3", {"layers": "all", "learning_rate": 1e-3}
    killed = Run(2, **plain, epochs=2, first_epoch=0, place=0)  # in the first epoch of the second one
    assert killed.trained(twice) == [("all", 2, 4)] and killed.ended
    within = Run(3, **plain, epochs=4, first_epoch=2, place=1)
    assert within.trained(twice) == [("all", 3, 4)] and not within.ended
    longer = Run(2, **plain, epochs=2, first_epoch=0, place=0)
    assert longer.trained("all:4:1e-3") == [("all", 2, 4)] and not longer.ended
    # The first one was ended early, after 3 of 10 epochs: the second is not taken for it, to be followed by a third.
    stopped = Run(3, over=True, **plain, epochs=10, first_epoch=0, place=0)
    assert stopped.trained("all:10:1e-3,all:10:1e-3") == [("all", 3, 13)] and stopped.ended
    late = Run(5, **plain, epochs=13, first_epoch=3, place=1)
    assert late.trained("all:10:1e-3,all:10:1e-3") == [("all", 5, 13)] and not late.ended


def test_a_resumed_run_tells_the_epochs_that_patience_took(capsys):
    heads = {"layers": "heads", "epochs": 20, "learning_rate": 1e-3, "first_epoch": 0}
    Run(9, over=True, **heads).trained(STAGES)
    assert capsys.readouterr().out == "--patience ended the stage heads after epoch 9: its other 11 epochs fall away.\n"
    Run(20, over=True, **heads).trained(STAGES)  # nothing of it is left
    assert capsys.readouterr().out == ""


def test_stages_that_differ_in_their_augmentation_alone_are_told_apart():
    twice = "all:5:1e-4:none,all:5:1e-4:flip"
    plain = {"layers": "all", "epochs": 5, "learning_rate": 1e-4, "first_epoch": 0, "augmentation": "none"}
    changed = dict(plain, epochs=10, first_epoch=5, augmentation="flip")
    assert Run(3, **plain).trained(twice) == [("all", 3, 5), ("all", 5, 10)]
    assert Run(7, **changed).trained(twice) == [("all", 7, 10)]
    # The first stage was ended early, after 2 epochs: its begin alone would take the second one for the first.
    assert Run(4, **dict(changed, epochs=7, first_epoch=2)).trained(twice) == [("all", 4, 7)]
    # Another --augment than before: still the same stage.
    assert Run(4, **dict(changed, epochs=7, first_epoch=2)).trained("heads:5:1e-3,all:5:1e-4:jitter") == [("all", 4, 7)]


def test_a_rate_of_the_programs_own_that_no_stage_has_is_told(recwarn):
    class Shop(FashionConfig):
        NAME = "shop"
        LEARNING_RATE = 1e-3

    options = fashion.build_parser(Program(Shop)).parse_args(["train"])
    planned_stages(SimpleNamespace(STAGES="heads:1:1e-3,all:1:1e-4"), options)
    assert not recwarn.list
    with pytest.warns(UserWarning, match="LEARNING_RATE=0.001 of Shop is of no effect: .* all:1:1e-2 has its own"):
        planned_stages(SimpleNamespace(STAGES="all:1:1e-2"), options)


def test_the_stages_of_a_run_have_their_augmentation_or_the_runs():
    options = options_of("--stages", "heads:1:1e-3:none,all:1:1e-4")
    plan = SimpleNamespace(STAGES=options.stages, AUGMENT="jitter")
    assert [stage.augment for stage in planned_stages(plan, options)] == ["none", "jitter"]
    # A run that no command began has no plan of its own.
    assert [stage.augment for stage in planned_stages(SimpleNamespace(), options)] == [FashionConfig.AUGMENT] * 2
    plan.STAGES = "heads:1:1e-3:none"
    with pytest.warns(UserWarning, match="--augment flip is of no effect: .* --stages gives others"):
        planned_stages(plan, options_of("--augment", "flip"))


class Recorder:
    """A model that remembers how its stages were to be trained."""

    epoch, stage, log_dir, devices = 0, None, "logs/run", SimpleNamespace(chief=True)

    def __init__(self, **config):
        self.config, self.stages = SimpleNamespace(**config), []

    def train(self, training, validation, epochs, **stage):
        self.epoch = epochs
        self.stages.append(stage)


def test_each_stage_is_trained_with_its_augmentation(monkeypatch, capsys):
    model = Recorder(STAGES="heads:2:1e-3:none,all:3:1e-4", AUGMENT="flip")
    monkeypatch.setattr(command, "start_model", lambda options, overrides, dataset: model)
    monkeypatch.setattr(validation, "validation_callbacks", lambda *_: [])
    assert fashion.main(["train", "--limit", "1", "--logs", "a b"]) == 0
    assert model.epoch == 5
    heads, every = model.stages
    assert (heads["layers"], heads["augmentation"], heads["augmentation_name"]) == ("heads", None, "none")
    assert every["learning_rate"] == 1e-4 and isinstance(every["augmentation"], Flip)
    assert every["augmentation_name"] == "flip"
    assert "Next: mrcnn evaluate --logs 'a b'\n" in capsys.readouterr().out
    # What is done already is not done again.
    assert fashion.main(["train", "--limit", "1"]) == 0
    assert len(model.stages) == 2 and "All 5 epochs of these stages are done" in capsys.readouterr().out


def test_the_next_command_finds_the_same_classes(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(command, "start_model", lambda *_: Recorder(STAGES="all:1:1e-4", AUGMENT="none"))
    monkeypatch.setattr(command, "training_data", lambda options: (None, None))
    monkeypatch.setattr(validation, "validation_callbacks", lambda *_: [])
    assert fashion.main(["train", "--train", "a.json", "--val", "b.json", "--set", 'CLASSES=["hat"]', "--set",
                         "SEED=3"]) == 0
    following = """mrcnn evaluate --logs logs --annotations b.json --set 'CLASSES=["hat"]'\n"""
    assert f"Next: {following}" in capsys.readouterr().out


@pytest.mark.parametrize("name, chosen", [
    ("shop", "--weights 'my logs/shop/net_{1}_0003.h5' --annotations b.json"), ("Fashion", "--annotations b.json")])
def test_the_next_command_takes_the_run_that_was_trained(monkeypatch, capsys, name, chosen):
    """Of another name than the program's, `last` would be another run, if there is one."""
    model = Recorder(STAGES="all:3:1e-4", AUGMENT="none")
    model.checkpoint_path = "my logs/shop/net_{{1}}_{epoch:04d}.h5"
    monkeypatch.setattr(command, "start_model", lambda *_: model)
    monkeypatch.setattr(command, "training_data", lambda options: (None, None))
    monkeypatch.setattr(validation, "validation_callbacks", lambda *_: [])
    assert fashion.main(["train", "--train", "a.json", "--val", "b.json", "--logs", "my logs", "--set",
                         f"NAME={name}"]) == 0
    assert f"Next: mrcnn evaluate --logs 'my logs' {chosen}\n" in capsys.readouterr().out
