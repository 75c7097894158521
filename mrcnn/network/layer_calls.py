"""What a graph of Keras is made of: the calls of its layers, and the layers that lie inside of others.

Keras answers `layer.input`, `layer.output` and `model.layers` in its own way where a layer is a nested model: with the
tensors inside of it, and with the model alone.
"""

from collections.abc import Iterable
from typing import NamedTuple

import keras
from keras import layers

from mrcnn.ops import Tensor


class Call(NamedTuple):
    """A call of a layer or operation in a graph, with the tensors of that graph.

    Args:
        operation: what is called.
        inputs, outputs: lists of KerasTensors.
    """

    operation: object
    inputs: list[Tensor]
    outputs: list[Tensor]


def calls_of(graph: keras.Function) -> list[Call]:
    """The calls that a graph is made of, each behind those that it needs; inputs are none."""
    places = {id(operation): place for place, operation in enumerate(graph.operations)}
    nodes = [node for depth in sorted(graph._nodes_by_depth, reverse=True)
             for node in sorted(graph._nodes_by_depth[depth], key=lambda node: places[id(node.operation)])]
    return [Call(node.operation, list(node.input_tensors), list(node.outputs)) for node in nodes if not node.is_input]


def layers_within(operations: Iterable) -> list[layers.Layer]:
    """Those of `operations` that are layers and the layers inside of them, nested models and own layers gone into."""
    found = [layer for outer in operations if isinstance(outer, layers.Layer) for layer in outer._flatten_layers()]
    return list({id(layer): layer for layer in found}.values())
