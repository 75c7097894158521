"""train(): what callbacks of Keras and of a script make of the learning rate, also over an interruption."""

import os

import keras
import pytest
from tiny import Squares
from tiny_semantic import TinySemantic, TinySettings

from mrcnn.errors import ConfigError
from mrcnn.training.history import read_history_rows

pytestmark = pytest.mark.usefixtures("eagerly")
RATE = 1e-3


def test_a_rate_that_keras_callbacks_lowered_is_in_the_state_of_the_same_epoch(tmp_path):
    data = Squares().load(4)
    lower = keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=1e9)  # no gain but the first
    model = TinySemantic("training", TinySettings(), str(tmp_path))
    model.train(data, None, RATE, 2, "all", custom_callbacks=[lower])
    again = TinySemantic("training", TinySettings(), str(tmp_path))
    again.load_weights(model.find_last())
    again.train(data, None, RATE, 3, "all")
    rows = read_history_rows(os.path.join(again.log_dir, "history.csv"))
    assert [float(row["learning_rate"]) / RATE for row in rows] == pytest.approx([1, 1, 0.5])


def test_one_worker_alone_is_not_to_change_the_rate(tmp_path):
    model = TinySemantic("training", TinySettings(), str(tmp_path))
    model.devices.workers = 2
    with pytest.raises(ConfigError, match="LearningRateScheduler would change .* of one worker.*LR_SCHEDULE"):
        model._callbacks(None, {}, [keras.callbacks.LearningRateScheduler(lambda epoch: 1e-4)])
