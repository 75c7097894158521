"""The learning rate falls where the validation loss does not, also over an interruption."""

import math
import os
import types

import keras
import numpy as np
import pytest
from tiny import Squares
from tiny_semantic import TinySemantic, TinySettings

from mrcnn.errors import ConfigError
from mrcnn.training.history import read_history_rows
from mrcnn.training.optimizer import make_optimizer
from mrcnn.training.plateau import LowerOnPlateau

pytestmark = pytest.mark.usefixtures("eagerly")

RATE = 1e-30  # which changes no weight


def test_it_counts_epochs_without_gain():
    """Patience 2: 3.0 is the best until 2.0; an epoch without a figure does not count."""
    callback = LowerOnPlateau(None, 0.5, 2)
    losses = [3.0, 3.5, math.nan, 3.0, 2.0, 2.5, 2.1, 2.2, 2.3]
    assert [callback._due(loss) for loss in losses] == [
        False, False, False, True, False, False, True, False, True]


def test_losses_of_other_photos_do_not_count(tmp_path, capsys):
    (tmp_path / "history.csv").write_text("epoch,val_loss\n0,1.0\n1,2.0\n")
    note = {"number": 2, "names": "a"}
    run = types.SimpleNamespace(log_dir=str(tmp_path), epoch=2, stage={"first_epoch": 0})
    for names, best, waited in (("a", 1.0, 1), ("a", 1.0, 1), ("b", math.inf, 0)):
        callback = LowerOnPlateau(run, 0.5, 3, photos={**note, "names": names})
        callback.on_train_begin()
        assert (callback.best, callback.waited) == (best, waited)
    assert capsys.readouterr().out.count("LR_SCHEDULE=plateau counts anew from epoch 3") == 1


class Worker:
    """One of several workers, as `mrcnn.training.devices` has them: each is told what the chief said at that place."""

    def __init__(self, chief, said):
        self.chief, self.said = chief, said

    def agree(self, text):
        if not self.chief:
            return self.said.pop(0)
        self.said.append(text)
        return text


def test_all_workers_lower_the_rate_when_the_chief_does(capsys):
    """The chief's losses are those that count: 3.0, 3.0. The other one's fall, as its own log may have them."""
    rates, said = [], []
    for chief, losses in ((True, [3.0, 3.0]), (False, [3.0, 2.0])):
        callback = LowerOnPlateau(types.SimpleNamespace(devices=Worker(chief, said)), 0.5, 1)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(make_optimizer(model, TinySettings(LR_SCHEDULE="plateau"), 0.1, 0.9, 0))
        callback.set_model(model)
        for epoch, loss in enumerate(losses):
            callback.on_epoch_end(epoch, {"val_loss": loss})
        rates.append(model.optimizer.last_rate())
    assert rates == [pytest.approx(0.05)] * 2
    assert capsys.readouterr().out.count("learning rate is 0.5 times") == 1


def test_every_worker_has_it(tmp_path):
    model = TinySemantic("training", TinySettings(LR_SCHEDULE="plateau"), str(tmp_path))
    model.devices.chief = False
    assert any(isinstance(callback, LowerOnPlateau) for callback in model._callbacks(None, {}, []))


def lowered(model):
    return float(np.asarray(model.training_model.optimizer.lowered))


@pytest.mark.slow
def test_a_resumed_run_waits_as_long_as_an_unbroken_one(tmp_path):
    """So low a rate keeps the loss: the first epoch is the best, every second one after it halves the rate."""
    settings = dict(LR_SCHEDULE="plateau", LR_PLATEAU_PATIENCE=2, LR_PLATEAU_FACTOR=0.5)
    train, val = Squares().load(4), Squares().load(4, seed=1)
    model = TinySemantic("training", TinySettings(**settings), str(tmp_path))
    model.train(train, val, RATE, 4, "all")
    assert lowered(model) == 0.5  # after epoch 3
    again = TinySemantic("training", TinySettings(**settings), str(tmp_path))
    again.load_weights(model.find_last())  # one epoch of two has been waited
    again.train(train, val, RATE, 5, "all")
    assert lowered(again) == 0.25
    rows = read_history_rows(os.path.join(again.log_dir, "history.csv"))
    # Those that the epochs were trained with: what is lowered after an epoch is the rate of the next one.
    assert [float(row["learning_rate"]) / RATE for row in rows] == pytest.approx([1, 1, 1, 0.5, 0.5])
    with pytest.raises(ConfigError, match="LR_SCHEDULE=plateau .* validation photos"):
        again.train(train, None, RATE, 7, "all")
