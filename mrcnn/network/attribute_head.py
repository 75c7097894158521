"""The attribute head: what each object is beside its class, such as striped and long (Jia 2020, "Fashionpedia").

As in the paper's Attribute-Mask R-CNN it reads the last features of the box head, and each attribute is a question of
its own. These features know shapes, and forget colours and patterns, which do not tell classes apart; so the head sees
the finest map of the backbone as well, and the photo itself, all averaged over the object's own mask. M counts the
attributes, C the channels of the photo.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from mrcnn.network.heads import normal
from mrcnn.network.mask_rcnn_layout import ATTRIBUTE_LAYERS
from mrcnn.ops import Tensor

# (channels, side, stride) of the convolutions on what is averaged, by what they see.
CONVOLUTIONS = {
    "crops": ((64, 3, 1), (64, 3, 1)),
    "pattern": ((32, 5, 2), (64, 3, 2), (64, 3, 1)),
}
NAMES = {"crops": "mrcnn_attribute_conv", "pattern": "mrcnn_attribute_pattern"}
PIXEL_SCALE = 1 / 64  # of pixels less their mean, so that they are of the size of features
LEAST_CONTRAST = 5.0  # of 255: what varies less is noise, and is not enlarged

# The knots of the histogram of colours.
HUES = 16  # round the circle, from red
SATURATIONS = (0.05, 0.15, 0.3, 0.6)
VALUES = (0.25, 0.5, 0.85)  # of the brightest channel, in 0..1: brown is a dark orange, navy a dark blue
GREYS = (0.1, 0.25, 0.4, 0.6, 0.75, 0.9)  # lightness in 0..1 of what has no colour
PALE = 0.3  # saturation from which on a pixel is no grey at all
SHARE_SCALE = 4.0  # of shares, most of which are small, so that they are of the size of features


class AttributeHead:
    """Convolutions on the finest map and on the pattern of the photo, averaged over the mask, and the shares of colours
    in it; then a dense layer on all these and on the box head's features.

    Args:
        width: channels of the dense layer.
        attributes: M.
        mean_pixel: C numbers, which were taken from the photo.

    Call:
        {"features": [N, width] of the box head, "crops": [N, s, s, F] of the finest map, "pixels": [N, p, p, C] of the
        photo less its mean pixel, "masks": [N, h, w] in 0..1}, of s, p / 4 and h one divides the other ->
        logits [N, M]
    """

    def __init__(self, width: int, attributes: int, mean_pixel: Sequence[float]):
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
        self.colours = ColourShares(mean_pixel, name="mrcnn_attribute_colours")
        self.mean = MaskedMean(name="mrcnn_attribute_mean")
        self.join = layers.Concatenate(axis=-1, name="mrcnn_attribute_join")
        self.hidden = layers.Dense(width, activation="relu", name=hidden, kernel_initializer="he_normal")
        # Scores are float32 whatever the layers before compute in.
        self.logits = layers.Dense(attributes, name=answers, kernel_initializer=normal(0.01), dtype="float32")

    def __call__(self, inputs: dict[str, Tensor]) -> Tensor:
        cloth = self.cloth({key: inputs[key] for key in ("pixels", "masks")})
        views = {"crops": (inputs["crops"], inputs["masks"]), "pattern": (cloth["pattern"], cloth["inner"])}
        means = [inputs["features"], cloth["contrast"],
                 self.colours({"pixels": inputs["pixels"], "masks": cloth["inner"]})]
        for seen, (x, masks) in views.items():
            for layer in self.convolutions[seen]:
                x = layer(x)
            means.append(self.mean({"crops": x, "masks": masks}))
        return self.logits(self.hidden(self.join(means)))


class Cloth(keras.layers.Layer):
    """The pattern of what is inside an object's mask.

    It is the pixels less their mean over the mask, over their deviation there, 0 outside of the mask: stripes
    are stripes in all colours and in all lights, and a network that sees the bare pixels learns each pair of colours
    anew.

    call: {"pixels": [N, p, p, C] less the mean pixel, "masks": [N, h, w] in 0..1, of p and h one divides the other} ->
    {"pattern": [N, p, p, C], "contrast": [N, 1], the deviation, of the size of features, "inner": [N, h, w], the masks
    less their edges}.
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
            "pattern": apart / ops.sqrt(variance + LEAST_CONTRAST**2),
            "contrast": ops.sqrt(variance[:, 0, 0] + 1) * PIXEL_SCALE,
        }
        return {**{key: ops.cast(value, self.compute_dtype) for key, value in outputs.items()}, "inner": inner}

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        seen = keras.KerasTensor(inputs["pixels"].shape, self.compute_dtype)
        contrast = keras.KerasTensor((inputs["pixels"].shape[0], 1), self.compute_dtype)
        return {"pattern": seen, "contrast": contrast, "inner": keras.KerasTensor(inputs["masks"].shape, "float32")}


class ColourShares(keras.layers.Layer):
    """Which colours an object has: the mean of its pixels, and a histogram of them over its mask.

    A pixel counts for its hue by its saturation and by its value, and for a grey by its lightness; between two knots it
    counts for both. Hues do not change with the light, so few pictures teach what convolutions learn from many. Photos
    of one or two channels have greys alone; of more than three the first three are colours.

    call: {"pixels": [N, p, p, C] less the mean pixel, "masks": [N, h, w] in 0..1, of p and h one divides the other} ->
    [N, K] of the size of features; 0 where a mask is empty. K is C + 16 * (4 + 3) + 6, or C + 6 without colours.

    Args:
        mean_pixel: C numbers of 0..255.
    """

    def __init__(self, mean_pixel: Sequence[float], **kwargs: object):
        super().__init__(trainable=False, autocast=False, **kwargs)
        self.mean_pixel = tuple(float(value) for value in mean_pixel)
        self.coloured = len(self.mean_pixel) >= 3

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        less_mean = ops.cast(inputs["pixels"], "float32")
        shares = resized(ops.cast(inputs["masks"], "float32"), less_mean.shape[1:3])
        shares = shares / ops.maximum(ops.sum(shares, axis=(1, 2), keepdims=True), 1e-3)
        places = math.prod(less_mean.shape[1:3])
        less_mean, shares = (ops.reshape(x, (-1, places, size))
                             for x, size in ((less_mean, len(self.mean_pixel)), (shares, 1)))
        seen = [ops.sum(less_mean * shares, axis=1) * PIXEL_SCALE]
        colours = less_mean + constant(self.mean_pixel)
        if self.coloured:
            colours = colours[..., :3]
            brightest = ops.max(colours, axis=-1, keepdims=True)
            saturation = (brightest - ops.min(colours, axis=-1, keepdims=True)) / ops.maximum(brightest, 20.0)
            kinds = ops.concatenate([
                between(saturation, SATURATIONS),
                between(brightest / 255, VALUES) * ops.minimum(saturation / PALE, 1.0),
            ], axis=-1)
            table = ops.matmul(ops.transpose(hues(colours), (0, 2, 1)), kinds * shares)
            seen.append(ops.reshape(table, (-1, HUES * len(SATURATIONS + VALUES))) * SHARE_SCALE)
            shares = shares * ops.maximum(1 - saturation / PALE, 0.0)
        lightness = ops.mean(colours, axis=-1, keepdims=True) / 255
        seen.append(ops.sum(between(lightness, GREYS) * shares, axis=1) * SHARE_SCALE)
        return ops.cast(ops.concatenate(seen, axis=-1), self.compute_dtype)

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        numbers = len(self.mean_pixel) + len(GREYS) + self.coloured * HUES * len(SATURATIONS + VALUES)
        return keras.KerasTensor((inputs["pixels"].shape[0], numbers), self.compute_dtype)


def hues(colours: Tensor) -> Tensor:
    """Colours [..., 3] of 0..255 as shares of the HUES nearest to theirs [..., HUES]: 1 in all, nothing of a grey."""
    turns = 2 * np.pi * np.arange(HUES) / HUES
    # Red points along the first axis of the plane that stands upright on the greys.
    to_plane = constant([[1, 0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
    plane = ops.matmul(colours, to_plane)
    plane = plane / ops.sqrt(ops.sum(plane * plane, axis=-1, keepdims=True) + 1.0)
    near = ops.matmul(plane, constant([np.cos(turns), np.sin(turns)]))
    near = ops.maximum(near - float(np.cos(2 * np.pi / HUES)), 0.0)
    return near / ops.maximum(ops.sum(near, axis=-1, keepdims=True), 1e-3)


def between(values: Tensor, knots: Sequence[float]) -> Tensor:
    """Values [..., 1] as shares of the knots on both sides [..., knots], 1 in all; beyond the ends all is the end's."""
    middle = np.array(knots)
    below, above = np.append(1, np.diff(middle)), np.append(np.diff(middle), 1)  # the distances of the next knots
    away = ops.clip(values, float(middle[0]), float(middle[-1])) - constant(middle)
    return ops.maximum(1 - ops.maximum(away / constant(above), -away / constant(below)), 0.0)


def constant(values: object) -> Tensor:
    """Numbers as a float32 tensor of the backend."""
    return ops.convert_to_tensor(np.asarray(values, "float32"))


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
        # Sums of half precision overflow.
        crops, masks = (ops.cast(inputs[key], "float32") for key in ("crops", "masks"))
        shares = resized(masks, crops.shape[1:3])[..., None]
        total = ops.sum(crops * shares, axis=(1, 2))
        return ops.cast(total / ops.maximum(ops.sum(shares, axis=(1, 2)), 1e-3), self.compute_dtype)

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
