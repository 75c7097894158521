import keras
import numpy as np
from tiny import TinyConfig, tiny_batch

from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.training import state
from mrcnn.training.optimizer import make_optimizer
from mrcnn.weights import files as weights


def test_state_gives_back_the_next_step(tmp_path):
    path, stage = str(tmp_path / "a.state.h5"), {"layers": "all"}
    model = build_mask_rcnn(TinyConfig())[0]
    jit = "auto" if keras.backend.backend() == "jax" else False
    model.compile(make_optimizer(model, TinyConfig(), 0.05, 0.9, 10), jit_compile=jit)
    for seed in range(3):
        model.train_on_batch(tiny_batch(seed=seed))
    weights.write_weights(str(tmp_path / "w.h5"), model)
    state.write_state(path, model, 1, stage)
    losses, after = [], []
    for _ in range(2):  # the second time after further steps, from which the file leads back
        model.reset_metrics()
        losses.append(float(model.train_on_batch(tiny_batch(seed=9))[0]))
        after.append([np.array(weight) for weight in model.weights])
        model.train_on_batch(tiny_batch(seed=10))
        weights.load_weights(str(tmp_path / "w.h5"), model)
        assert state.restore_state(state.read_state(path), model, stage)
    assert losses[0] == losses[1]
    for a, b in zip(*after):
        np.testing.assert_allclose(a, b, atol=1e-7)
    assert not state.restore_state(state.read_state(path), model, {"layers": "heads"})


def test_a_stage_of_another_augmentation_begins_anew():
    stage = {"layers": "all", "learning_rate": 1e-4, "epochs": 5, "first_epoch": 3, "augmentation": "none"}
    written = {"epoch": 5, "stage": stage}
    assert state.first_epoch_of({**stage, "epochs": 10}, written, 5) == 3
    assert state.first_epoch_of({**stage, "augmentation": "flip"}, written, 5) == 5
    assert state.first_epoch_of({**stage, "augmentation": None}, written, 5) == 3  # of no command
