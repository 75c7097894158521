import keras
import numpy as np
import pytest
from killed import DiskOf
from tiny import Squares, TinyConfig

from mrcnn.config import Config
from mrcnn.model import MaskRCNN
from mrcnn.training.ema import MeanWeights
from mrcnn.training.optimizer import make_optimizer
from mrcnn.training.runs import find_last_checkpoint
from mrcnn.training.state import read_state, state_path
from mrcnn.weights.files import read_layers

pytestmark = pytest.mark.usefixtures("eagerly")


class Seen(keras.callbacks.Callback):
    """The only weight of a model as callbacks after MeanWeights find it."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(float(self.model.get_weights()[0][0, 0]))


def test_what_is_validated_and_saved_is_the_mean_and_training_goes_on_with_the_weights():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[2.0]], "float32")])
    config = Config(EMA_DECAY=0.9, WEIGHT_DECAY=0.0, GRADIENT_CLIP_NORM=0)
    # The loss of x = 1 is the weight itself, its gradient 1: each step takes 0.1 off.
    model.compile(make_optimizer(model, config, 0.1, 0.0, 0), loss=lambda true, guess: guess)
    ones, seen = np.ones((2, 1), "float32"), Seen()
    history = model.fit(
        ones, ones, batch_size=1, epochs=2, validation_data=(ones, ones), callbacks=[MeanWeights(), seen], verbose=0
    ).history
    mean, means, value = 2.0, [], 2.0
    for done in range(4):
        value -= 0.1
        decay = (1 + done) / (10 + done)
        mean = decay * mean + (1 - decay) * value
        means.append(mean)
    np.testing.assert_allclose(history["val_loss"], [means[1], means[3]], rtol=1e-5)
    np.testing.assert_allclose(seen.weights, [means[1], means[3]], rtol=1e-5)
    np.testing.assert_allclose(history["loss"], [(2.0 + 1.9) / 2, (1.8 + 1.7) / 2], rtol=1e-5)
    assert float(model.get_weights()[0][0, 0]) == pytest.approx(means[3])


def arrays(model):
    return [np.array(keras.ops.convert_to_numpy(v)) for v in model.training_model.weights]


SETTINGS = {"EMA_DECAY": 0.9, "ACCUMULATE_STEPS": 2, "LAYER_DECAY": 0.8, "PRECISION": "mixed_float16",
            "LR_SCHEDULE": "step", "LR_STEPS": (0.5,), "OPTIMIZER": "adamw"}


@pytest.mark.long
def test_a_killed_run_with_all_of_it_ends_as_an_unbroken_one(tmp_path):
    data = Squares().load(6)  # three steps an epoch, so that an epoch ends between two that are accumulated
    whole, resumed = (MaskRCNN("training", TinyConfig(**SETTINGS), str(tmp_path / n)) for n in ("whole", "resumed"))
    start = arrays(whole)
    whole.train(data, None, 0.001, 2, "all", custom_callbacks=[DiskOf(whole, 1, tmp_path / "killed")])
    path = find_last_checkpoint(str(tmp_path / "killed"))
    resumed.load_weights(path)
    assert resumed.epoch == 1
    # The checkpoint has the mean, the state beside it the weights to go on with.
    kernel = read_layers(path)["fpn_p2"]["kernel"]
    kept = [v for v in read_state(state_path(path))["optimizer"] if v.shape == kernel.shape]
    assert not any(np.array_equal(v, kernel) for v in kept)
    resumed.train(data, None, 0.001, 2, "all")
    moved = max(abs(a - b).max() for a, b in zip(arrays(whole), start))
    apart = max(abs(a - b).max() for a, b in zip(arrays(whole), arrays(resumed)))
    assert apart < moved / 1000  # zero on one thread; a forgotten optimizer shows as `moved`, seeds as moved / 4
    for model in (whole, resumed):
        assert int(model.training_model.optimizer.iterations) == 6 // 2
