"""What each detected object is like, as numbers: RoIAlign of the pyramid at its box, averaged over its own mask."""

import keras
from keras import ops

from mrcnn.config import Settings
from mrcnn.network.attribute_head import MaskedMean
from mrcnn.network.geometries import geometry_of
from mrcnn.network.heads import FlatRegions
from mrcnn.network.precision import layers_compute_in
from mrcnn.ops import Tensor

PYRAMID = tuple(f"fpn_p{level}" for level in range(2, 6))  # layers whose maps the heads pool from


@layers_compute_in("float32")
def object_embeddings(network: keras.Model, config: Settings) -> Tensor:
    """Pool, for each detection of an inference graph, what the heads see of it.

    The heads pool from the pyramid by RoIAlign (He 2017, section 3). Here a crop at the final box is averaged over the
    cells that the object's own mask covers, so that what is behind it does not count.

    Args:
        network: inference graph of `build_mask_rcnn`.
        config: that it was built from.

    Returns:
        [B, D, TOP_DOWN_PYRAMID_SIZE], rows of length 1; 0 where not valid, or where a mask is empty.
    """
    found = network.output
    flat = FlatRegions(name="embedded_rows")({name: found[name] for name in ("valid", "boxes", "masks")})
    maps = [network.get_layer(name).output for name in PYRAMID]
    # Masks are enlargements of what the mask head sees, which is why its crops fit their grids.
    crops = geometry_of(config).crops(config.MASK_POOL_SIZE, name="roi_align_embedding")(
        {"maps": maps, "boxes": flat["boxes"], "image_index": flat["image_index"]})
    means = MaskedMean(name="embedding_means")({"crops": crops, "masks": flat["masks"]})
    return UnitRows(name="embedding")(
        {"rows": means, "slot": flat["slot"], "kept": flat["valid"], "valid": found["valid"]})


class UnitRows(keras.layers.Layer):
    """Rows of length 1 of each detection, back in the padded table.

    call: {"rows": [N, C], "slot": int32 [N], "kept": bool [N], "valid": bool [B, D]} -> float32 [B, D, C], 0 where not
    valid.
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, autocast=False, **kwargs)

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        rows, (batch, slots) = ops.cast(inputs["rows"], "float32"), ops.shape(inputs["valid"])
        rows = rows / ops.maximum(ops.sqrt(ops.sum(rows * rows, axis=-1, keepdims=True)), 1e-6)
        rows = ops.where(inputs["kept"][:, None], rows, 0.0)
        table = ops.zeros((batch * slots, rows.shape[-1]), dtype="float32")
        table = ops.scatter_update(table, inputs["slot"][:, None], rows)
        return ops.reshape(table, (batch, slots, rows.shape[-1]))

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor(tuple(inputs["valid"].shape) + (inputs["rows"].shape[-1],), "float32")
