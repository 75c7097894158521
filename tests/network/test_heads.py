import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.network.heads import MaskHead, MasksInTurns, OwnClass
from mrcnn.ops.portable import portable_graph

CONVOLUTIONS = [f"mrcnn_mask_conv{index}" for index in range(1, 5)]


@pytest.mark.parametrize(
    "enlargements,names",
    [(0, []), (1, ["mrcnn_mask_deconv"]), (3, ["mrcnn_mask_deconv", "mrcnn_mask_deconv2", "mrcnn_mask_deconv3"])],
)
def test_mask_head_doubles_its_crop_as_often_as_asked(enlargements, names):
    crops = keras.Input((7, 7, 16))
    head = keras.Model(crops, MaskHead(16, 3, "group", None, enlargements)(crops))
    assert [layer.name for layer in head.layers if layer.weights and "_bn" not in layer.name] == [
        *CONVOLUTIONS, *names, "mrcnn_mask"
    ]
    assert head.output.shape == (None, 7 * 2**enlargements, 7 * 2**enlargements, 3)


@pytest.mark.parametrize("enlargements", [0, 1, 2])
def test_the_mask_of_one_class_is_that_of_all_classes(enlargements):
    keras.utils.set_random_seed(0)
    crops, class_ids = keras.Input((5, 5, 8)), keras.Input((), dtype="int32")
    head = MaskHead(6, 4, "batch", None, enlargements)
    network = keras.Model([crops, class_ids], [head(crops), head.own_masks(crops, class_ids)])
    rng = np.random.default_rng(0)
    for layer in network.layers:  # biases begin as zeros, and the last kernel near them
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(size=layer.bias.shape))
    head.layers[-1].kernel.assign(rng.normal(size=head.layers[-1].kernel.shape))
    ids = np.array([3, 0, 2], "int32")
    every, own = network.predict_on_batch([rng.normal(size=(3, 5, 5, 8)).astype("float32"), ids])
    side = 5 * 2**enlargements
    assert own.shape == (3, side, side) and np.std(own) > 0.1
    np.testing.assert_allclose(own, every[np.arange(3), :, :, ids], atol=1e-5)


def test_own_class_of_masks_and_of_points():
    # The value at class c is c in the first region and 10 + c in the second.
    values = np.array([[0, 1, 2, 3], [10, 11, 12, 13]], "float32")
    class_ids = ops.convert_to_tensor(np.array([2, 3], "int32"))
    for shape in ((2, 3), (5,)):
        logits = np.broadcast_to(values.reshape((2,) + (1,) * len(shape) + (4,)), (2,) + shape + (4,))
        own = OwnClass()({"logits": ops.convert_to_tensor(logits.copy()), "class_ids": class_ids})
        assert ops.convert_to_numpy(own).tolist() == [np.full(shape, 2.0).tolist(), np.full(shape, 13.0).tolist()]


def test_masks_in_turns_are_those_of_all_rows_at_once():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    head = MaskHead(6, 4, "batch", None, 1)
    crops, class_ids = rng.normal(size=(11, 5, 5, 8)).astype("float32"), rng.integers(1, 4, 11).astype("int32")
    all_rows = head.own_masks(ops.convert_to_tensor(crops), ops.convert_to_tensor(class_ids))
    valid = np.arange(11) % 3 > 0  # of two images, say: what is there does not stand at the front
    inputs = {"logits": all_rows, "valid": valid, "maps": [crops], "boxes": np.zeros((11, 4), "float32"),
              "class_ids": class_ids, "image_index": np.arange(11, dtype="int32")}
    inputs = {name: each if name == "maps" else ops.convert_to_tensor(each) for name, each in inputs.items()}
    layer = MasksInTurns(lambda given: ops.take(given["maps"][0], given["image_index"], axis=0), head)
    with portable_graph(static=True):
        masks = ops.convert_to_numpy(layer(inputs))
    all_rows = ops.convert_to_numpy(all_rows)
    if keras.backend.backend() == "tensorflow":
        assert layer(inputs) is inputs["logits"]  # where shapes may follow what is found there are no other rows
        assert np.std(all_rows) > 0
    expected = np.where(valid[:, None, None], all_rows, 0.0)
    np.testing.assert_allclose(masks, expected, atol=1e-6)
