"""Gradient checkpointing (Chen 2016): the backbone's activations are dropped, and computed again for the gradients.

The backbone is run in pieces that hang together by a single map each, as residual blocks do; what is kept are these
maps and C2..C5. The layers stay those of the network, flat and with their names.
"""

import collections
from collections.abc import Sequence

import keras
from keras import layers, ops

from mrcnn.errors import ConfigError
from mrcnn.network.layer_calls import calls_of, layers_within
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
        backbone = keras.Function(inputs["image"], self.maps)
        _refuse_changing_layers(backbone, frozen_norm)
        self.pieces = [(keras.Function(start, ends), [id(end) for end in ends])
                       for start, ends in backbone_pieces(backbone)]
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


def backbone_pieces(backbone: keras.Function) -> list[tuple]:
    """[(start, ends)] of KerasTensors: each piece starts at the first end of the one before, the first at the image.

    Args:
        backbone: of one image; its outputs have to be among the ends.
    """
    (image,), calls = backbone.inputs, calls_of(backbone)
    wanted = {id(feature_map) for feature_map in backbone.outputs}
    last_use, uses = {}, collections.Counter()
    for index, call in enumerate(calls):
        for tensor in call.inputs:
            last_use[id(tensor)] = index
            uses[id(tensor)] += 1
    pieces, start, inside, open_until, count = [], image, [], last_use[id(image)], 0
    for index, call in enumerate(calls):
        inside += [tensor for tensor in call.outputs if id(tensor) in wanted]
        read, count = [tensor for tensor in call.outputs if id(tensor) in last_use], count + 1
        # Nothing but one output of this call is read later on: here the backbone can be cut.
        narrow = open_until <= index and len(read) == 1
        open_until = max([open_until, *(last_use[id(tensor)] for tensor in read)])
        end = read[0] if read else inside[-1]
        # Best where a block ends, which is where the next one and its shortcut begin.
        enough = count >= (LEAST_OPERATIONS if uses[id(end)] > 1 else 3 * LEAST_OPERATIONS)
        if index + 1 == len(calls) or narrow and (enough or id(end) in wanted):
            pieces.append((start, [end, *(tensor for tensor in inside if tensor is not end)]))
            start, inside, count = end, [], 0
    return pieces


def _refuse_changing_layers(backbone, frozen_norm):
    """Raise ConfigError for layers that would change twice a step, and not in the same way."""
    for operation in layers_within(backbone.operations):
        if isinstance(operation, layers.BatchNormalization) and not frozen_norm:
            raise ConfigError(
                f"GRADIENT_CHECKPOINTING would update the statistics of {operation.name} twice a step: set "
                "TRAIN_BN=False or NORM=group."
            )
        if operation._seed_generators:
            raise ConfigError(
                f"GRADIENT_CHECKPOINTING would draw other random numbers in {operation.name} the second time: use a "
                "backbone without dropout, e.g. resnet50 or efficientnet_lite0."
            )
