"""The learning rate falls where the validation loss does not, also over an interruption."""

import math

import numpy as np
import pytest
from tiny import Squares
from tiny_semantic import TinySemantic, TinySettings

from mrcnn.errors import ConfigError
from mrcnn.training.plateau import LowerOnPlateau

pytestmark = pytest.mark.usefixtures("eagerly")


def test_it_counts_epochs_without_gain():
    """Patience 2: 3.0 is the best until 2.0; an epoch without a figure does not count."""
    callback = LowerOnPlateau(None, 0.5, 2)
    losses = [3.0, 3.5, math.nan, 3.0, 2.0, 2.5, 2.1, 2.2, 2.3]
    assert [callback._due(loss) for loss in losses] == [
        False, False, False, True, False, False, True, False, True]


def lowered(model):
    return float(np.asarray(model.training_model.optimizer.lowered))


def test_several_workers_are_refused(tmp_path):
    model = TinySemantic("training", TinySettings(LR_SCHEDULE="plateau"), str(tmp_path))
    model.devices.workers = 2
    with pytest.raises(ConfigError, match="plateau is not for several workers.*cosine"):
        model.train(Squares().load(2), Squares().load(2), 0.1, 1, "all")


@pytest.mark.slow
def test_a_resumed_run_waits_as_long_as_an_unbroken_one(tmp_path):
    """A rate of 0 keeps the loss: the first epoch is the best, every second one after it halves the rate."""
    settings = dict(LR_SCHEDULE="plateau", LR_PLATEAU_PATIENCE=2, LR_PLATEAU_FACTOR=0.5)
    train, val = Squares().load(4), Squares().load(4, seed=1)
    model = TinySemantic("training", TinySettings(**settings), str(tmp_path))
    model.train(train, val, 0.0, 4, "all")
    assert lowered(model) == 0.5  # after epoch 3
    again = TinySemantic("training", TinySettings(**settings), str(tmp_path))
    again.load_weights(model.find_last())  # one epoch of two has been waited
    again.train(train, val, 0.0, 5, "all")
    assert lowered(again) == 0.25
    with pytest.raises(ConfigError, match="LR_SCHEDULE=plateau .* validation photos"):
        again.train(train, None, 0.0, 7, "all")
