"""Matterport's losses by hand, a few steps of training in its geometry, and its weight files in both geometries."""

import h5py
import keras
import numpy as np
import pytest
from tiny import TinyConfig, tiny_batch

from mrcnn.errors import CheckpointError
from mrcnn.model import MaskRCNN
from mrcnn.network.matterport_losses import matterport_losses, mean_bbox_loss, mean_class_loss


class MatterportConfig(TinyConfig):
    GEOMETRY = "matterport"
    PRE_NMS_LIMIT = 100


def tensors(*arrays):
    return [keras.ops.convert_to_tensor(array) for array in arrays]


# --- Losses ----------------------------------------------------------------------------------------------------------
def test_box_loss_is_the_mean_over_positives_and_their_deltas():
    # 0.5 * 0.4^2 below one, 3 - 0.5 above: (0.08 + 2.5) / 8 over two positives of four deltas each.
    deltas = np.array([[0.4, 0, 0, 0], [0, 0, -3, 0], [9, 9, 9, 9]], "float32")
    positive = np.array([True, True, False])
    assert float(mean_bbox_loss(*tensors(deltas, 0 * deltas, positive))) == pytest.approx((0.08 + 2.5) / 8, rel=1e-5)
    assert float(mean_bbox_loss(*tensors(deltas, 0 * deltas, np.zeros(3, bool)))) == 0


def test_class_loss_is_the_mean_over_all_slots_but_those_taken_for_an_unlabelled_class():
    logits = np.array([[0, 2, 0], [0, 0, 3], [5, 0, 0], [0, 9, 0]], "float32")
    class_ids, valid = np.array([1, 1, 0, 2], "int32"), np.array([True, True, True, False])
    active = np.ones((4, 3), bool)
    one = [np.log(np.exp(row).sum()) - row[label] for row, label in zip(logits.astype(float), class_ids)]
    loss = float(mean_class_loss(*tensors(logits, class_ids, valid, active), slots=10))
    assert loss == pytest.approx(sum(one[:3]) / 10, rel=1e-5)
    active[:, 2] = False  # the second row is taken for class 2: it does not count, neither above nor below
    loss = float(mean_class_loss(*tensors(logits, class_ids, valid, active), slots=10))
    assert loss == pytest.approx((one[0] + one[2]) / 9, rel=1e-5)


def test_proposal_loss_is_the_softmax_of_two():
    rng = np.random.default_rng(0)
    pairs = rng.normal(0, 2, (1, 4, 2))
    labels = np.array([0, 1, 1, 0])
    expected = np.mean(np.log(np.exp(pairs[0]).sum(axis=1)) - pairs[0, np.arange(4), labels])
    nothing = {"class_logits": np.zeros((1, 3)), "box_deltas": np.zeros((1, 3, 4)),
               "region_class_ids": np.zeros(1, int), "region_valid": np.zeros(1, bool),
               "region_positive": np.zeros(1, bool),
               "region_deltas": np.zeros((1, 4)), "region_image_index": np.zeros(1, int),
               "active_classes": np.ones((1, 3), bool), "mask_logits": np.zeros((1, 2, 2, 3)),
               "mask_class_ids": np.zeros(1, int), "mask_valid": np.zeros(1, bool), "mask_targets": np.zeros((1, 2, 2))}
    outputs = {**nothing, "rpn_logits": pairs[:, :, 1] - pairs[:, :, 0], "rpn_deltas": np.ones((1, 4, 4)),
               "anchor_positive": labels[None] == 1, "anchor_valid": np.ones((1, 4), bool),
               "anchor_deltas": np.zeros((1, 4, 4))}
    kinds = {"f": "float32", "i": "int32", "b": "bool"}
    losses = matterport_losses({k: keras.ops.convert_to_tensor(v.astype(kinds[v.dtype.kind]))
                               for k, v in outputs.items()}, 24)
    assert float(losses["rpn_class_loss"]) == pytest.approx(expected, rel=1e-5)
    assert float(losses["rpn_bbox_loss"]) == pytest.approx(0.5)  # smooth L1 of 1, whatever is not positive
    assert all(float(losses[f"mrcnn_{name}_loss"]) == 0 for name in ("class", "bbox", "mask"))


# --- Training and weights --------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return MaskRCNN("training", MatterportConfig(), str(tmp_path_factory.mktemp("logs")))


@pytest.mark.slow
def test_a_few_steps_learn_a_batch(model):
    batch = tiny_batch()
    model.set_trainable("all", verbose=0)
    model.compile(0.02, 0.9)
    history = [model.training_model.train_on_batch(batch, return_dict=True) for _ in range(10)]
    assert np.isfinite([[float(value) for value in step.values()] for step in history]).all()
    # The heads have nothing to learn from before a proposal lies on an object, so the proposals are what must improve.
    # The figures are means since the first step.
    first, last = (float(step["rpn_class_loss"] + step["rpn_bbox_loss"]) for step in (history[0], history[-1]))
    assert last < 0.8 * first
    assert all(float(history[-1][f"mrcnn_{name}_loss"]) > 0 for name in ("class", "bbox", "mask"))


def test_checkpoints_come_back_in_their_geometry(model, tmp_path):
    path = str(tmp_path / "mask_rcnn_tiny_0001.h5")
    model.save_weights(path)
    again = MaskRCNN.from_checkpoint(path, str(tmp_path))
    assert again.config.GEOMETRY == "matterport"
    for layer in model.get_trainable_layers():
        for ours, theirs in zip(layer.get_weights(), again.keras_model.get_layer(layer.name).get_weights()):
            np.testing.assert_array_equal(theirs, ours)
    assert again.keras_model.get_layer("rpn_class_raw").get_weights()[0].shape == (1, 1, 16, 6)


def test_matterports_files_are_taken_as_they_are_here_and_converted_elsewhere(model, tmp_path, capsys):
    rng = np.random.default_rng(1)
    pairs, bias = rng.normal(0, 1, (1, 1, 16, 6)).astype("float32"), rng.normal(0, 1, 6).astype("float32")
    path = str(tmp_path / "old.h5")
    with h5py.File(path, "w") as file:
        file.create_dataset("rpn_model/rpn_class_raw/kernel:0", data=pairs)
        file.create_dataset("rpn_model/rpn_class_raw/bias:0", data=bias)
    model.load_weights(path, by_name=True)
    assert "geometry in force: matterport" in capsys.readouterr().out
    kernel, offset = model.keras_model.get_layer("rpn_class_raw").get_weights()
    np.testing.assert_array_equal(kernel, pairs)
    np.testing.assert_array_equal(offset, bias)
    exact = MaskRCNN("inference", TinyConfig(), str(tmp_path))
    exact.load_weights(path, by_name=True)
    assert "geometry in force: exact" in capsys.readouterr().out
    kernel, offset = exact.keras_model.get_layer("rpn_class_raw").get_weights()
    np.testing.assert_array_equal(kernel, pairs[..., 1::2] - pairs[..., ::2])
    np.testing.assert_array_equal(offset, bias[1::2] - bias[::2])
    # The way back would have to invent the background's logits.
    exact.save_weights(path)
    with pytest.raises(CheckpointError, match="rpn_class_raw"):
        model.load_weights(path)
