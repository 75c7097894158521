"""What is computed for some anchors alone is what a convolution of all cells gives them, and teaches the same."""

import keras
import numpy as np
import pytest
from gradients import loss_and_gradients
from keras import ops

from mrcnn.network.heads import RegionProposalHead
from mrcnn.network.some_cells import CellConv2D

SIDES = ((5, 7), (3, 4), (2, 2), (1, 1))  # odd and even, and a cell alone: windows reach beyond each border


def maps_of(channels, batch=2):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(batch, *sides, channels)).astype("float32") for sides in SIDES]


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_cells_alone_are_the_cells_of_all(stride):
    layer = CellConv2D(6, stride, anchors=2, activation="relu", bias_initializer="ones")
    maps = [ops.convert_to_tensor(one) for one in maps_of(4)]
    every = np.concatenate([ops.convert_to_numpy(layer(one)).reshape(2, -1, 6) for one in maps], axis=1)
    cells = every.shape[1]
    anchor = np.random.default_rng(1).permuted(np.tile(np.arange(2 * cells), (2, 1)), axis=1).astype("int32")
    some = ops.convert_to_numpy(layer({"maps": maps, "anchor": ops.convert_to_tensor(anchor)}))
    assert some.shape == (2, 2 * cells, 1, 6) and np.std(some) > 0.1
    np.testing.assert_allclose(some[:, :, 0], np.take_along_axis(every, anchor[..., None] // 2, axis=1), atol=1e-5)
    symbolic = CellConv2D(6)({"maps": [keras.Input((None, None, 4))] * 2, "anchor": keras.Input((5,), dtype="int32")})
    assert symbolic.shape == (None, 5, 1, 6)


class Answers(keras.Model):
    """A model of {"logits", "deltas"} whose loss weighs each anchor by its own number."""

    def compute_loss(self, y_pred, **ignored):
        return ops.sum(ops.sin(y_pred["logits"])) + ops.sum(y_pred["deltas"] ** 2)


@pytest.mark.parametrize("scores,stride", [(1, 1), (2, 2)])
def test_sampled_anchors_say_and_teach_what_they_do_among_all(scores, stride):
    keras.utils.set_random_seed(0)
    inputs = {f"map{number}": keras.Input((*sides, 3), name=f"map{number}") for number, sides in enumerate(SIDES)}
    before = keras.layers.Conv2D(4, 1, name="before")  # whose gradient comes through the maps
    maps = [before(one) for one in inputs.values()]
    head = RegionProposalHead(6, 3, stride, scores)
    logits, deltas = head(maps)
    index = keras.Input((7,), dtype="int32", name="index")
    chosen, moved = head.of_anchors(maps, index)
    assert chosen.shape == (None, 7) and moved.shape == (None, 7, 4)
    every = {"logits": keras.layers.Concatenate(axis=1)(logits), "deltas": keras.layers.Concatenate(axis=1)(deltas)}
    asked = {**inputs, "index": index}
    picked = {
        "logits": ops.take_along_axis(every["logits"], index, axis=1),
        "deltas": ops.take_along_axis(every["deltas"], index[:, :, None], axis=1),
    }
    anchors = sum(-(-height // stride) * -(-width // stride) for height, width in SIDES) * 3
    assert every["logits"].shape == (None, anchors)
    drawn = np.random.default_rng(1).integers(0, anchors, (2, 7)).astype("int32")
    drawn[0, :2] = drawn[1, 0] = anchors - 1  # an anchor twice, and the last
    batch = {**{f"map{number}": one for number, one in enumerate(maps_of(3))}, "index": drawn}
    for layer in (head.score, head.delta):
        layer.kernel.assign(np.random.default_rng(2).normal(size=layer.kernel.shape))
    results = [loss_and_gradients(Answers(asked, outputs), batch)
               for outputs in (picked, {"logits": chosen, "deltas": moved})]
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    assert len(results[0][1]) == 8
    for path, gradient in results[0][1].items():
        assert np.abs(gradient).max() > 1e-3, path
        np.testing.assert_allclose(results[1][1][path], gradient, atol=1e-4, err_msg=path)
