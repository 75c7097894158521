"""The point head (Kirillov 2020, "PointRend"): masks finer than the mask head's, computed only where they are unsure.

The mask head's mask of a region is the coarse prediction. A small network, the same at every point, predicts anew from
the finest feature map and the coarse prediction at that point. Points are (y, x) as shares of their region's box.
"""

from collections.abc import Callable

import keras
from keras import layers, ops

from mrcnn.network.heads import normal
from mrcnn.ops import Tensor
from mrcnn.ops.roi_align import sample_grids, sample_points

# k and beta of PointRend section 3.1, its mildly biased sample: of three times as many random points the most uncertain
# are kept, and fill this share of the sample.
OVERSAMPLING = 3
UNCERTAIN_SHARE = 0.75
DENSE_LAYERS = 3  # PointRend section 4


class PointHead:
    """Three dense layers and one mask logit a class, each layer seeing the coarse prediction again (section 3.2).

    The paper's input has the coarse predictions of all classes; here it is that of the region's own class. So what the
    layers learn of one class serves all and, but for the last one, they fit a data set of other classes.

    Call:
        {"fine": [N, P, F], "coarse": [N, P, 1]} -> logits [N, P, C]
    """

    def __init__(self, channels: int, classes: int):
        self.dense = [
            layers.Dense(channels, activation="relu", name=f"mrcnn_mask_point_fc{i}", kernel_initializer="he_normal")
            for i in range(1, DENSE_LAYERS + 1)
        ]
        self.join = layers.Concatenate(axis=-1, name="mrcnn_mask_point_join")
        self.logits = layers.Dense(classes, name="mrcnn_mask_point", kernel_initializer=normal(0.001))

    def __call__(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs["fine"]
        for layer in self.dense:
            x = layer(self.join([x, inputs["coarse"]]))
        return self.logits(self.join([x, inputs["coarse"]]))


class PointFeatures(keras.layers.Layer):
    """What the point head sees of each point.

    Args:
        stride: pixels a cell of the map covers.

    Call:
        {"map": [B, h, w, F], "boxes": [N, 4] pixels, "image_index": int32 [N], "coarse": [N, r, c] logits,
        "points": [N, P, 2]} -> {"fine": [N, P, F], "coarse": [N, P, 1]}
    """

    def __init__(self, stride: int, **kwargs: object):
        super().__init__(trainable=False, autocast=False, **kwargs)  # the map may be of half precision, boxes never
        self.stride = stride

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        fine = sample_points(
            inputs["map"], self.stride, inputs["boxes"], inputs["image_index"], inputs["points"]
        )
        return {"fine": fine, "coarse": own_grids(inputs["coarse"], inputs["points"])[..., None]}

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        shape = tuple(inputs["points"].shape[:2])
        return {
            "fine": keras.KerasTensor(shape + (inputs["map"].shape[-1],), "float32"),
            "coarse": keras.KerasTensor(shape + (1,), "float32"),
        }


def own_grids(grids: Tensor, points: Tensor) -> Tensor:
    """Values of each region's own grid [N, r, c] at its points [N, P, 2]: [N, P]."""
    return sample_grids(grids, ops.arange(ops.shape(grids)[0], dtype="int32"), points)


class TrainingPoints(keras.layers.Layer):
    """Random points to learn from, most of them where the coarse prediction is unsure (section 3.1).

    call: logits of the coarse prediction [N, r, c] -> [N, count, 2]. No gradient passes.
    """

    def __init__(self, count: int, seed: int = 0, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.count, self.uncertain = count, max(1, int(count * UNCERTAIN_SHARE))
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, logits: Tensor) -> Tensor:
        logits = ops.stop_gradient(logits)
        number, candidates = ops.shape(logits)[0], self.count * OVERSAMPLING
        # One draw for both: the candidates come first, the points that are uniform whatever the mask says after them.
        points = keras.random.uniform((number, candidates + self.count - self.uncertain, 2), seed=self.seeds)
        unsure = -ops.abs(own_grids(logits, points[:, :candidates]))
        chosen = ops.cast(ops.top_k(unsure, self.uncertain)[1], "int32")
        chosen = ops.take_along_axis(points, chosen[..., None], axis=1)
        return ops.concatenate([chosen, points[:, candidates:]], axis=1)

    def compute_output_spec(self, logits: Tensor) -> Tensor:
        return keras.KerasTensor((logits.shape[0], self.count, 2), "float32")


def subdivide(logits: Tensor, predict: Callable[[Tensor], Tensor], times: int, count: int) -> Tensor:
    """Masks of `times` doublings, predicted anew where each doubling left them unsure (section 3.1).

    Args:
        logits: [N, r, c] of the coarse prediction.
        predict: function of points [N, P, 2] that gives logits [N, P].
        times: number of doublings.
        count: points of each doubling.

    Returns:
        logits [N, r * 2**times, c * 2**times].
    """
    for doubling in range(1, times + 1):
        finer = UnsureCells(count, name=f"mrcnn_mask_unsure_cells{doubling}")(logits)
        predicted = predict(finer["points"])
        logits = ReplaceCells(name=f"mrcnn_mask_subdivision{doubling}")({**finer, "values": predicted})
    return logits


class UnsureCells(keras.layers.Layer):
    """Masks at twice the resolution, with the cells whose logits are nearest to zero.

    call: logits [N, r, c] -> {"logits": [N, 2r, 2c] bilinear, "cells": int32 [N, P] of the flattened mask,
    "points": [N, P, 2] their centres}, P = count or all cells if there are fewer.
    """

    def __init__(self, count: int, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.count = count

    def call(self, logits: Tensor) -> dict[str, Tensor]:
        rows, columns = 2 * logits.shape[1], 2 * logits.shape[2]
        logits = ops.cast(logits, "float32")[..., None]
        finer = ops.image.resize(logits, (rows, columns), "bilinear", data_format="channels_last")[..., 0]
        unsure = ops.reshape(-ops.abs(finer), (-1, rows * columns))
        cells = ops.cast(ops.top_k(unsure, min(self.count, rows * columns), sorted=False)[1], "int32")
        y = (ops.cast(cells // columns, "float32") + 0.5) / rows
        x = (ops.cast(cells % columns, "float32") + 0.5) / columns
        return {"logits": finer, "cells": cells, "points": ops.stack([y, x], axis=-1)}

    def compute_output_spec(self, logits: Tensor) -> dict[str, Tensor]:
        number, rows, columns = logits.shape[0], 2 * logits.shape[1], 2 * logits.shape[2]
        count = min(self.count, rows * columns)
        return {
            "logits": keras.KerasTensor((number, rows, columns), "float32"),
            "cells": keras.KerasTensor((number, count), "int32"),
            "points": keras.KerasTensor((number, count, 2), "float32"),
        }


class ReplaceCells(keras.layers.Layer):
    """Masks with some of their cells set anew.

    call: {"logits": [N, r, c], "cells": int32 [N, P] of the flattened mask, "values": [N, P]} -> [N, r, c].
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, **kwargs)

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        logits, cells = inputs["logits"], inputs["cells"]
        rows, columns = logits.shape[1:3]
        first = ops.arange(ops.shape(logits)[0], dtype="int32") * (rows * columns)
        index = ops.reshape(first[:, None] + cells, (-1, 1))
        values = ops.reshape(ops.cast(inputs["values"], logits.dtype), (-1,))
        return ops.reshape(ops.scatter_update(ops.reshape(logits, (-1,)), index, values), (-1, rows, columns))

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor(inputs["logits"].shape, inputs["logits"].dtype)
