"""The attribute head: what each object is beside its class, such as striped and long (Jia 2020, "Fashionpedia").

As in the paper's Attribute-Mask R-CNN it reads the last features of the box head, and each attribute is a question of
its own. These features know shapes, and forget colours and patterns, which do not tell classes apart; so the head sees
the finest map of the backbone as well, and the photo itself, all averaged over the object's own mask. M counts the
attributes.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from mrcnn.network.heads import normal
from mrcnn.ops import Tensor

# (channels, side, stride) of the convolutions on what is averaged, by what they see.
CONVOLUTIONS = {
    "crops": ((64, 3, 1), (64, 3, 1)),
    "colours": ((32, 1, 1), (64, 1, 1)),  # pixel by pixel: their means tell shares of colours
    "pattern": ((32, 5, 2), (64, 3, 2), (64, 3, 1)),
}
NAMES = {"crops": "mrcnn_attribute_conv", "colours": "mrcnn_attribute_colour", "pattern": "mrcnn_attribute_pattern"}
ATTRIBUTE_LAYERS = (  # those with weights; the shape of the last one's follows from M
    *(f"{NAMES[seen]}{place}" for seen, rows in CONVOLUTIONS.items() for place in range(1, len(rows) + 1)),
    "mrcnn_attribute_fc1", "mrcnn_attribute",
)
PIXEL_SCALE = 1 / 64  # of pixels less their mean, so that they are of the size of features
LEAST_CONTRAST = 5.0  # of 255: what varies less is noise, and is not enlarged


class AttributeHead:
    """Convolutions on the finest map, on the colours and on the pattern of the photo, averaged over the mask, then a
    dense layer on all means and on the box head's features.

    Call:
        {"features": [N, width] of the box head, "crops": [N, s, s, F] of the finest map, "pixels": [N, p, p, channels]
        of the photo less its mean pixel, "masks": [N, h, w] in 0..1}, of s, p / 4 and h one divides the other ->
        logits [N, M]
    """

    def __init__(self, width: int, attributes: int):
        hidden, answers = ATTRIBUTE_LAYERS[-2:]
        self.convolutions = {
            seen: [
                layers.Conv2D(
                    channels, side, strides=stride, padding="same", activation="relu", name=f"{NAMES[seen]}{place}",
                    kernel_initializer="he_normal",
                )
                for place, (channels, side, stride) in enumerate(rows, start=1)
            ]
            for seen, rows in CONVOLUTIONS.items()
        }
        self.cloth = Cloth(name="mrcnn_attribute_cloth")
        self.mean = MaskedMean(name="mrcnn_attribute_mean")
        self.join = layers.Concatenate(axis=-1, name="mrcnn_attribute_join")
        self.hidden = layers.Dense(width, activation="relu", name=hidden, kernel_initializer="he_normal")
        # Scores are float32 whatever the layers before compute in.
        self.logits = layers.Dense(attributes, name=answers, kernel_initializer=normal(0.01), dtype="float32")

    def __call__(self, inputs: dict[str, Tensor]) -> Tensor:
        cloth = self.cloth({key: inputs[key] for key in ("pixels", "masks")})
        views = {"crops": (inputs["crops"], inputs["masks"]), "colours": (cloth["colours"], cloth["inner"]),
                 "pattern": (cloth["pattern"], cloth["inner"])}
        means = [inputs["features"], cloth["contrast"]]
        for seen, (x, masks) in views.items():
            for layer in self.convolutions[seen]:
                x = layer(x)
            means.append(self.mean({"crops": x, "masks": masks}))
        return self.logits(self.hidden(self.join(means)))


class Cloth(keras.layers.Layer):
    """What is inside an object's mask, apart into its colours and its pattern.

    The pattern is the pixels less their mean over the mask, over their deviation there, 0 outside of the mask: stripes
    are stripes in all colours and in all lights, and a network that sees the bare pixels learns each pair of colours
    anew.

    call: {"pixels": [N, p, p, C] less the mean pixel, "masks": [N, h, w] in 0..1, of p and h one divides the other} ->
    {"colours": [N, p, p, C] of the size of features, "pattern": [N, p, p, C], "contrast": [N, 1], the deviation, of the
    size of features, "inner": [N, h, w], the masks less their edges}.
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, autocast=False, **kwargs)

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        pixels = ops.cast(inputs["pixels"], "float32")
        # The fourth power: a pixel at a mask's edge, which may be the neighbour's, counts little.
        inner = ops.square(ops.square(ops.cast(inputs["masks"], "float32")))
        shares = resized(inner, pixels.shape[1:3])[..., None]
        total = ops.maximum(ops.sum(shares, axis=(1, 2), keepdims=True), 1e-3)
        apart = (pixels - ops.sum(pixels * shares, axis=(1, 2), keepdims=True) / total) * shares
        variance = ops.sum(apart * apart, axis=(1, 2, 3), keepdims=True) / (total * pixels.shape[-1])
        outputs = {
            "colours": pixels * PIXEL_SCALE,
            "pattern": apart / ops.sqrt(variance + LEAST_CONTRAST**2),
            "contrast": ops.sqrt(variance[:, 0, 0] + 1) * PIXEL_SCALE,
        }
        return {**{key: ops.cast(value, self.compute_dtype) for key, value in outputs.items()}, "inner": inner}

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        seen = keras.KerasTensor(inputs["pixels"].shape, self.compute_dtype)
        contrast = keras.KerasTensor((inputs["pixels"].shape[0], 1), self.compute_dtype)
        return {"colours": seen, "pattern": seen, "contrast": contrast,
                "inner": keras.KerasTensor(inputs["masks"].shape, "float32")}


def resized(masks: Tensor, size: Sequence[int]) -> Tensor:
    """Masks [N, h, w] as [N, rows, columns]: means of their cells, or each cell repeated; one divides the other."""
    for axis, wanted in enumerate(size, start=1):
        have = int(masks.shape[axis])
        if have > wanted:
            factor = (have // wanted, 1) if axis == 1 else (1, have // wanted)
            masks = ops.average_pool(masks[..., None], factor, factor, data_format="channels_last")[..., 0]
        elif have < wanted:
            masks = ops.repeat(masks, wanted // have, axis=axis)
    return masks


class MaskedMean(keras.layers.Layer):
    """The mean of a crop over the part that an object's mask covers.

    call: {"crops": [N, s, s, F], "masks": [N, h, w] in 0..1, of s and h one divides the other, and so of s and w} ->
    [N, F]; 0 where a mask is empty.
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, autocast=False, **kwargs)

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        crops, masks = inputs["crops"], ops.cast(inputs["masks"], inputs["crops"].dtype)
        shares = resized(masks, crops.shape[1:3])[..., None]
        total = ops.sum(crops * shares, axis=(1, 2))
        return total / ops.maximum(ops.sum(shares, axis=(1, 2)), 1e-3)

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor((inputs["crops"].shape[0], inputs["crops"].shape[-1]), self.compute_dtype)


def possible_attributes(pairs: Sequence[Sequence[int]] | None, classes: int, attributes: int) -> np.ndarray:
    """Which attributes an object of each class can have.

    Args:
        pairs: of each class, background first, the places of its attributes; None: all of every class but background.
        classes, attributes: their numbers, the former with background.

    Returns:
        bool [C, M].
    """
    possible = np.zeros((classes, attributes), bool)
    if pairs is None:
        possible[1:] = True
        return possible
    for class_id, places in enumerate(pairs):
        possible[class_id, list(places)] = True
    return possible


class AttributeTargets(keras.layers.Layer):
    """The attributes of each region's object, and which of the answers count.

    call: {"gt_attributes": bool [B, G, M], "image_index", "object", "class_ids": int32 [N], "valid": bool [N]} of
    regions that show an object -> {"targets": float32 [N, M] of zeros and ones, "counted": bool [N, M]}.

    Args:
        possible: bool [C, M] of `possible_attributes`.
        partial: whether an object without attributes is one that nobody described.
    """

    def __init__(self, possible: np.ndarray, partial: bool, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.possible, self.partial = np.asarray(possible, bool), partial

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        truth = inputs["gt_attributes"]
        objects = ops.shape(truth)[1]
        rows = inputs["image_index"] * objects + inputs["object"]
        has = ops.take(ops.reshape(truth, (-1, truth.shape[2])), rows, axis=0)
        counted = ops.take(ops.convert_to_tensor(self.possible), inputs["class_ids"], axis=0)
        shown = inputs["valid"]
        if self.partial:
            shown = ops.logical_and(shown, ops.any(has, axis=-1))
        return {"targets": ops.cast(has, "float32"), "counted": ops.logical_and(counted, shown[:, None])}

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        shape = (inputs["object"].shape[0], inputs["gt_attributes"].shape[2])
        return {"targets": keras.KerasTensor(shape, "float32"), "counted": keras.KerasTensor(shape, "bool")}


class DetectionAttributes(keras.layers.Layer):
    """Attribute scores of each detection, back in the padded table.

    call: {"logits": [N, M], "class_ids", "slot": int32 [N], "kept": bool [N], "valid": bool [B, D]} -> [B, D, M] in
    0..1, 0 for what the class cannot have and where not valid.

    Args:
        possible: bool [C, M] of `possible_attributes`.
    """

    def __init__(self, possible: np.ndarray, **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.possible = np.asarray(possible, bool)

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        slots, attributes = inputs["valid"].shape[1], self.possible.shape[1]
        # As float32, which all formats of exported files gather.
        possible = ops.take(ops.convert_to_tensor(self.possible.astype("float32")), inputs["class_ids"], axis=0)
        scores = ops.where(inputs["kept"][:, None], ops.sigmoid(inputs["logits"]) * possible, 0.0)
        batch = ops.shape(inputs["valid"])[0]
        table = ops.zeros((batch * slots, attributes), dtype="float32")
        table = ops.scatter_update(table, inputs["slot"][:, None], scores)
        return ops.reshape(table, (batch, slots, attributes))

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor(tuple(inputs["valid"].shape) + (self.possible.shape[1],), "float32")
