"""Layers that compute the same everywhere, in a form of their own where a graph becomes an ONNX file.

ONNX has channels before cells, runtimes of it crop level by level, and each pass over the crops of a thousand regions
reads and writes 50 MB. So in its graphs regions stand in the order of their levels, crops are never transposed, and the
pyramid is enlarged by one operation.
"""

from collections.abc import Callable

import keras
from keras import layers, ops

from mrcnn.ops import Tensor
from mrcnn.ops.portable import becomes_onnx


class ByLevel(keras.layers.Layer):
    """Regions in the order of the maps that they are cropped from, in a graph for ONNX; elsewhere as they are.

    Args:
        level_of: method `levels` of the layer that crops them.

    Call:
        {"maps": list of maps, "boxes": [N, 4], name: [N, ...], ...} -> the same names without the maps, and "order":
        int32 [N], the region that came to each row.
    """

    def __init__(self, level_of: Callable[[dict], Tensor], **kwargs: object):
        super().__init__(trainable=False, autocast=False, **kwargs)
        self.level_of = level_of

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        regions = {name: value for name, value in inputs.items() if name != "maps"}
        if not becomes_onnx():
            return {**regions, "order": ops.arange(ops.shape(inputs["boxes"])[0], dtype="int32")}
        from mrcnn.ops.native_onnx import level_order

        order = level_order(self.level_of(inputs), len(inputs["maps"]))
        return {**{name: ops.take(value, order, axis=0) for name, value in regions.items()}, "order": order}

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        spec = {name: keras.KerasTensor(value.shape, value.dtype) for name, value in inputs.items() if name != "maps"}
        return {**spec, "order": keras.KerasTensor((None,), "int32")}


class AsBefore(keras.layers.Layer):
    """What was computed of regions that `ByLevel` put in order, as they stood before.

    call: {"rows": [N, ...], "order": int32 [N]} -> [N, ...].
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, autocast=False, **kwargs)

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        if not becomes_onnx():
            return inputs["rows"]
        from mrcnn.ops.native_onnx import as_before

        return as_before(inputs["rows"], inputs["order"])

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor(inputs["rows"].shape, inputs["rows"].dtype)


class FlattenedCrops(layers.Flatten):
    """Crops [N, h, w, F] as rows; in a graph for ONNX channel by channel, which is how they lie there.

    `crop` is (h, w, F), known when the layer has been called.
    """

    crop: tuple[int, int, int] | None = None

    def call(self, inputs: Tensor) -> Tensor:
        self.crop = tuple(int(side) for side in inputs.shape[1:])
        return super().call(ops.transpose(inputs, (0, 3, 1, 2)) if becomes_onnx() else inputs)


class DenseOnCrops(layers.Dense):
    """A dense layer over what FlattenedCrops gives.

    Args:
        crop_of: function that gives `crop` of that layer.
    """

    def __init__(self, width: int, crop_of: Callable[[], tuple[int, int, int]], **kwargs: object):
        super().__init__(width, **kwargs)
        self.crop_of = crop_of

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if not becomes_onnx():
            return super().call(inputs)
        kernel = ops.reshape(self.kernel, (*self.crop_of(), self.units))
        kernel = ops.reshape(ops.transpose(kernel, (2, 0, 1, 3)), (-1, self.units))
        return ops.matmul(inputs, kernel) + self.bias


class Doubled(layers.UpSampling2D):
    """Maps of twice the sides, each cell four times."""

    def __init__(self, **kwargs: object):
        super().__init__(2, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        if not becomes_onnx():
            return super().call(inputs)
        from mrcnn.ops.native_onnx import doubled

        return doubled(inputs)
