import re

import keras
import pytest

from mrcnn.network.layer_names import counted_name, give_stable_names


class SEBlock(keras.layers.Dense):
    pass


@pytest.mark.parametrize("kind", [SEBlock, keras.layers.Conv2DTranspose, keras.layers.LayerNormalization])
def test_names_that_keras_counts_are_known(kind):
    options = {} if kind is keras.layers.LayerNormalization else {"units": 2} if kind is SEBlock else {
        "filters": 2, "kernel_size": 1}
    for _ in range(2):
        assert re.fullmatch(counted_name(kind.__name__), kind(**options).name)
    assert not re.fullmatch(counted_name(kind.__name__), f"my_{kind.__name__.lower()}")


def test_layers_are_numbered_within_their_network():
    for _ in range(2):  # the second time Keras' own count goes on
        image = keras.Input((4, 4, 2))
        x = SEBlock(3)(keras.layers.Conv2DTranspose(2, 1)(SEBlock(2)(image)))
        x = keras.layers.Conv2D(2, 1, name="mine")(x)
        operations = keras.Function([image], [x]).operations
        give_stable_names(operations)
        assert [layer.name for layer in operations if getattr(layer, "weights", None)] == [
            "backbone_seblock_1", "backbone_conv2dtranspose_1", "backbone_seblock_2", "mine"]
