import numpy as np
from tiny import TinyConfig, tiny_batch

from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.training import state
from mrcnn.training.optimizer import make_optimizer
from mrcnn.weights import files as weights


def test_state_gives_back_the_next_step(tmp_path):
    path, stage = str(tmp_path / "a.state.h5"), {"layers": "all"}
    config = TinyConfig()

    def prepared():
        model = build_mask_rcnn(config)[0]
        model.compile(make_optimizer(model, config, 0.05, 0.9, 10), jit_compile=False)
        return model

    first, second = prepared(), prepared()
    for seed in range(3):
        first.train_on_batch(tiny_batch(seed=seed))
    weights.write_weights(str(tmp_path / "w.h5"), first)
    state.write_state(path, first, 1, stage)
    weights.load_weights(str(tmp_path / "w.h5"), second)
    assert state.restore_state(state.read_state(path), second, stage)
    losses = [float(m.train_on_batch(tiny_batch(seed=9))[0]) for m in (first, second)]
    assert losses[0] == losses[1]
    for a, b in zip(first.weights, second.weights):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=1e-7)
    assert not state.restore_state(state.read_state(path), second, {"layers": "heads"})


def test_a_stage_of_another_augmentation_begins_anew():
    stage = {"layers": "all", "learning_rate": 1e-4, "epochs": 5, "first_epoch": 3, "augmentation": "none"}
    written = {"epoch": 5, "stage": stage}
    assert state.first_epoch_of({**stage, "epochs": 10}, written, 5) == 3
    assert state.first_epoch_of({**stage, "augmentation": "flip"}, written, 5) == 5
    assert state.first_epoch_of({**stage, "augmentation": None}, written, 5) == 3  # of no command
