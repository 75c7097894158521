"""Gradient checkpointing (Chen 2016): the backbone's activations are dropped, and computed again for the gradients.

The backbone is run in pieces that hang together by a single map each, as residual blocks do; what is kept are these
maps and C2..C5. The layers stay those of the network, flat and with their names.
"""

import collections
from collections.abc import Sequence

import keras
from keras import layers, ops

from mrcnn.errors import ConfigError
from mrcnn.ops import Tensor

LEAST_OPERATIONS = 8  # of a piece: about a residual block; thrice as many where nothing forks


class Recomputed:
    """A network whose backbone forgets. Called on the network's dict of inputs, returns its dict of outputs.

    Args:
        inputs, outputs: the network's, dicts of KerasTensors; "image" of the inputs is where the backbone starts.
        maps: list of KerasTensors that the backbone hands on.
        frozen_norm: whether batch normalisation stays as it is.

    Raises:
        ConfigError: if the backbone has layers that change whenever they are called.
    """

    def __init__(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor], maps: Sequence[Tensor],
                 frozen_norm: bool):
        self.maps = list(maps)
        operations = keras.Function(inputs["image"], self.maps).operations
        _refuse_changing_layers(operations, frozen_norm)
        self.pieces = [
            (keras.Function(start, ends), [id(end) for end in ends])
            for start, ends in backbone_pieces(inputs["image"], self.maps, operations)
        ]
        self.rest = keras.Function({**inputs, "backbone_maps": self.maps}, outputs)

    def __call__(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        image = ops.cast(inputs["image"], "float32")
        values, x = {}, image
        for piece, names in self.pieces:
            results = keras.remat(lambda x, run=piece: run(x))(x)
            values.update(zip(names, results))
            x = results[0]
        maps = [values[id(feature_map)] for feature_map in self.maps]
        return self.rest({**inputs, "image": image, "backbone_maps": maps})


def backbone_pieces(image: Tensor, maps: Sequence[Tensor], operations: Sequence) -> list[tuple]:
    """[(start, ends)] of KerasTensors: each piece starts at the first end of the one before, the first at the image.

    Args:
        image: KerasTensor that the backbone starts from.
        maps: those that have to be among the ends.
        operations: of the backbone in the order of their calls.
    """
    operations = [operation for operation in operations if not isinstance(operation, layers.InputLayer)]
    wanted = {id(feature_map) for feature_map in maps}
    last_use, uses = {}, collections.Counter()
    for index, operation in enumerate(operations):
        for tensor in keras.tree.flatten(operation.input):
            last_use[id(tensor)] = index
            uses[id(tensor)] += 1
    pieces, start, inside, open_until, count = [], image, [], last_use[id(image)], 0
    for index, operation in enumerate(operations):
        output, count = operation.output, count + 1
        inside += [output] if id(output) in wanted else []
        # Nothing but this output is read later on: here the backbone can be cut.
        narrow = open_until <= index
        open_until = max(open_until, last_use.get(id(output), 0))
        # Best where a block ends, which is where the next one and its shortcut begin.
        enough = count >= (LEAST_OPERATIONS if uses[id(output)] > 1 else 3 * LEAST_OPERATIONS)
        last = index + 1 == len(operations)
        if last or narrow and (enough or id(output) in wanted):
            pieces.append((start, [output, *(tensor for tensor in inside if tensor is not output)]))
            start, inside, count = output, [], 0
    return pieces


def _refuse_changing_layers(operations, frozen_norm):
    """Raise ConfigError for layers that would change twice a step, and not in the same way."""
    for operation in operations:
        if isinstance(operation, layers.BatchNormalization) and not frozen_norm:
            raise ConfigError(
                f"GRADIENT_CHECKPOINTING would update the statistics of {operation.name} twice a step: set "
                "TRAIN_BN=False or NORM=group."
            )
        if getattr(operation, "seed_generator", None) is not None:
            raise ConfigError(
                f"GRADIENT_CHECKPOINTING would draw other random numbers in {operation.name} the second time: use a "
                "backbone without dropout, e.g. resnet50 or efficientnet_lite0."
            )
