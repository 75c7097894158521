"""The three heads: region proposals, boxes and classes, masks."""

import functools
import math
from collections.abc import Callable, Sequence

import keras
from keras import backend, initializers, layers, ops

from mrcnn.network.backbones import normalisation
from mrcnn.network.mask_rcnn_layout import names_of_stage
from mrcnn.network.onnx_forms import DenseOnCrops, FlattenedCrops
from mrcnn.network.some_cells import CellConv2D, OwnAnchors
from mrcnn.ops import Tensor, roi_align
from mrcnn.ops.portable import becomes_onnx
from mrcnn.ops.sampling import filled_rows, in_turns, turns_pay


def normal(std: float) -> object:
    """Initialiser for the last layer of a head: scores and deltas begin near zero."""
    return initializers.RandomNormal(stddev=std)


class RegionProposalHead:
    """Objectness and box deltas of anchors (Faster R-CNN section 3.1), the same weights on every level.

    Args:
        channels: of the shared convolution.
        anchors_per_cell: number of anchors at a cell.
        anchor_stride: anchors at every so many cells.
        scores: 1, or 2 for the logits of background and object, the latter of which less the former is the logit then.
    """

    def __init__(self, channels: int, anchors_per_cell: int, anchor_stride: int = 1, scores: int = 1):
        self.anchors, self.scores = anchors_per_cell, scores
        self.shared = CellConv2D(
            channels, anchor_stride, anchors_per_cell, activation="relu", name="rpn_conv_shared",
            kernel_initializer="he_normal",
        )
        self.score = layers.Conv2D(anchors_per_cell * scores, 1, name="rpn_class_raw", kernel_initializer=normal(0.01))
        self.delta = layers.Conv2D(4 * anchors_per_cell, 1, name="rpn_bbox_pred", kernel_initializer=normal(0.01))
        name = "rpn_class_logits"
        self.flat_scores = layers.Reshape((-1,), name=name) if scores == 1 else ObjectOverBackground(name=name)
        self.flat_deltas = layers.Reshape((-1, 4), name="rpn_bbox")

    def __call__(self, pyramid: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """What is said of every anchor.

        Args:
            pyramid: list of maps [B, h, w, F].

        Returns:
            (list of logits [B, A_l], list of deltas [B, A_l, 4]).
        """
        hidden = [self.shared(feature_map) for feature_map in pyramid]
        return [self.flat_scores(self.score(x)) for x in hidden], [self.flat_deltas(self.delta(x)) for x in hidden]

    def of_anchors(self, pyramid: Sequence[Tensor], anchor: Tensor) -> tuple[Tensor, Tensor]:
        """What is said of some anchors, computed for these alone: the same numbers, at a hundredth of the cost.

        Args:
            pyramid: list of maps [B, h, w, F].
            anchor: int32 [B, S], counted through all levels.

        Returns:
            (logits [B, S], deltas [B, S, 4]).
        """
        hidden = self.shared({"maps": list(pyramid), "anchor": anchor})
        own = OwnAnchors(self.anchors, name="rpn_sampled_anchors")
        scores, deltas = (own({"said": said(hidden), "anchor": anchor}) for said in (self.score, self.delta))
        return self.flat_scores(scores), self.flat_deltas(deltas)


class ObjectOverBackground(keras.layers.Layer):
    """Of pairs of logits (background, object) the difference, whose sigmoid is their softmax.

    call: [B, ..., 2K] -> [B, A], A being all others together.
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, **kwargs)

    def call(self, pairs: Tensor) -> Tensor:
        # The batch may be unknown, and so may be the sides: neither leaves more than one to be worked out.
        pairs = ops.reshape(pairs, (ops.shape(pairs)[0], -1, 2))
        return pairs[:, :, 1] - pairs[:, :, 0]

    def compute_output_spec(self, pairs: Tensor) -> Tensor:
        batch, *numbers = pairs.shape
        count = None if None in numbers else math.prod(numbers) // 2
        return keras.KerasTensor((batch, count), self.compute_dtype)


class BoxHead:
    """Two dense layers, then class logits and one set of box deltas a class (Faster R-CNN on FPN, section 4.2).

    The first dense layer over the flattened crop is the 7x7 valid convolution of Matterport's network, and is stored as
    such in its weight files.

    Args:
        stage: 1, or the place in a cascade, whose further heads have names of their own.

    Call:
        crops [N, size, size, F] -> (logits [N, C], deltas [N, C, 4]), of what `features` gives of them: [N, width]
    """

    def __init__(self, width: int, classes: int, norm: str, train_bn: bool | None, stage: int = 1):
        self.classes = classes
        scores, boxes = names_of_stage(stage)
        rows = FlattenedCrops(name=f"{scores}_flatten")
        self.layers = [rows]
        for index in (1, 2):
            dense = functools.partial(DenseOnCrops, crop_of=lambda: rows.crop) if index == 1 else layers.Dense
            self.layers += [
                dense(width, name=f"{scores}_conv{index}", kernel_initializer="he_uniform"),
                # Without cells to average over, small groups would keep little more than signs: one group for all.
                normalisation(norm, train_bn, f"{scores}_bn{index}", groups=1),
                layers.Activation("relu", name=f"{scores}_relu{index}"),
            ]
        # What scores are ranked by, and coordinates follow from, is float32 whatever the layers before compute in.
        self.logits = layers.Dense(
            classes, name=f"{scores}_logits", kernel_initializer=normal(0.01), dtype="float32"
        )
        self.deltas = layers.Dense(
            classes * 4, name=f"{boxes}_fc", kernel_initializer=normal(0.001), dtype="float32"
        )
        self.shape = layers.Reshape((classes, 4), name=boxes, dtype="float32")

    def __call__(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        return self.answers(self.features(crops))

    def features(self, crops: Tensor) -> Tensor:
        x = crops
        for layer in self.layers:
            x = layer(x)
        return x

    def answers(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.logits(features), self.shape(self.deltas(features))


class MaskHead:
    """Four convolutions, enlargements by two, and one mask a class (Mask R-CNN figure 4, right, has one enlargement).

    Call:
        crops [N, size, size, F] -> mask logits [N, s, s, C], s = size * 2**enlargements
    """

    def __init__(self, channels: int, classes: int, norm: str, train_bn: bool | None, enlargements: int = 1):
        self.layers = []
        for index in range(1, 5):
            self.layers += [
                layers.Conv2D(
                    channels, 3, padding="same", name=f"mrcnn_mask_conv{index}", kernel_initializer="he_normal"
                ),
                normalisation(norm, train_bn, f"mrcnn_mask_bn{index}"),
                layers.Activation("relu", name=f"mrcnn_mask_relu{index}"),
            ]
        for index in range(1, enlargements + 1):
            # The first keeps Matterport's name, which its weight files know it by.
            name = "mrcnn_mask_deconv" + (str(index) if index > 1 else "")
            self.layers.append(
                layers.Conv2DTranspose(channels, 2, 2, activation="relu", name=name, kernel_initializer="he_normal")
            )
        self.layers.append(layers.Conv2D(classes, 1, name="mrcnn_mask", kernel_initializer=normal(0.001)))
        self.last = self.layers[-2 if enlargements else -1 :]
        self.own = OwnMask(lambda: self.last, name="mrcnn_mask_own")

    def __call__(self, crops: Tensor) -> Tensor:
        x = crops
        for layer in self.layers:
            x = layer(x)
        return x

    def own_masks(self, crops: Tensor, class_ids: Tensor) -> Tensor:
        """Of each crop the mask of one class alone.

        Args:
            crops: [N, size, size, F].
            class_ids: int32 [N].

        Returns:
            float32 [N, s, s], logits.
        """
        features = crops
        for layer in self.layers[: -len(self.last)]:
            features = layer(features)
        logits = features
        for layer in self.last:
            logits = layer(logits)
        return self.own({"features": features, "logits": logits, "class_ids": class_ids})


class OwnMask(keras.layers.Layer):
    """The last enlargement of the mask head and its last layer, of each region's own class alone.

    An enlargement by 2 x 2 kernels at steps of two is a convolution of single cells to four times the channels, and the
    last layer looks at single cells too. So nothing need be put where it belongs before there is one number a cell, and
    of the last layer's kernels each region takes its own.

    The logits of all classes come in so that a graph has the layers that make them, and their weights. Where graphs are
    compiled nothing computes them; where they are not, they are what is read.

    Args:
        layers_of: function that gives the layers [enlargement, last], or [last].

    Call:
        {"features": [N, size, size, F] before those layers, "logits": [N, s, s, C] after them, "class_ids": int32 [N]}
        -> float32 [N, s, s]
    """

    def __init__(self, layers_of: Callable[[], Sequence], **kwargs: object):
        super().__init__(trainable=False, **kwargs)
        self.layers_of = layers_of

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        if backend.backend() == "torch":
            return of_own_class(inputs["logits"], inputs["class_ids"])
        *enlargement, last = self.layers_of()
        x, times = inputs["features"], 1
        if enlargement:
            x, times = self.enlarged(x, enlargement[0]), 2
        # One row a class: of these the regions take theirs.
        kernel = ops.transpose(ops.cast(last.kernel, self.compute_dtype)[0, 0])
        kernel = ops.take(kernel, inputs["class_ids"], axis=0)
        bias = ops.take(ops.cast(last.bias, self.compute_dtype), inputs["class_ids"], axis=0)
        size, side = x.shape[1], x.shape[1] * times
        x = self.products(x, kernel, size, times) + bias[:, None, None, None, None]
        return ops.cast(ops.reshape(x, (-1, side, side)), "float32")

    @staticmethod
    def products(x: Tensor, kernel: Tensor, size: int, times: int) -> Tensor:
        """[N, size, times, size, times]: cells [N, size, size, times * times * F] by the kernel of each region."""
        channels = kernel.shape[1]
        if becomes_onnx():  # which has channels first, and would have to move them
            x = ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, times * times, channels, size * size))
            x = ops.reshape(ops.matmul(kernel[:, None, None], x), (-1, times, times, size, size))
            return ops.transpose(x, (0, 3, 1, 4, 2))
        x = ops.matmul(ops.reshape(x, (-1, size * size * times * times, channels)), kernel[:, :, None])
        return ops.transpose(ops.reshape(x, (-1, size, size, times, times)), (0, 1, 3, 2, 4))

    def enlarged(self, x: Tensor, layer: keras.layers.Layer) -> Tensor:
        """[N, size, size, 4 F']: what a Conv2DTranspose by two gives, the four cells of each one after the other."""
        kernel = ops.cast(layer.kernel, self.compute_dtype)  # [2, 2, F', F]
        kernel = ops.reshape(ops.transpose(kernel, (3, 0, 1, 2)), (1, 1, kernel.shape[3], -1))
        bias = ops.tile(ops.cast(layer.bias, self.compute_dtype), 4)
        return layer.activation(ops.conv(x, kernel, data_format="channels_last") + bias)

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor(inputs["logits"].shape[:-1], "float32")


class MasksInTurns(keras.layers.Layer):
    """Masks of the regions that are there, a few at a time, where graphs have static shapes; elsewhere what comes in.

    Compiled, such a graph does not compute the masks of all rows that come in, for nothing reads them.

    Args:
        crop: layer that crops the regions for the mask head.
        head: MaskHead.

    Call:
        {"logits": [N, s, s] of all regions, "valid": bool [N], "class_ids": int32 [N], "maps", "boxes", "image_index":
        as for the layer that crops} -> float32 [N, s, s], 0 where not valid in such a graph
    """

    TURN = 8  # of fewer regions the convolutions take longer, of more what fills up the last turn

    def __init__(self, crop: Callable[[dict], Tensor], head: MaskHead, **kwargs: object):
        super().__init__(trainable=False, autocast=False, **kwargs)
        self.parts = lambda: (crop, head)  # so that Keras does not take them for layers within this one

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        if not turns_pay():
            return inputs["logits"]
        crop, head = self.parts()

        def masks(rows):
            return head.own_masks(crop({"maps": inputs["maps"], **place_of(rows)}), rows["class_ids"])

        rows = {name: inputs[name] for name in ("boxes", "image_index", "class_ids")}
        return in_turns(masks, rows, inputs["valid"], self.TURN, tuple(inputs["logits"].shape[1:]))

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor(inputs["logits"].shape, "float32")


def place_of(flat: dict[str, Tensor]) -> dict[str, Tensor]:
    """What tells of regions where they are cropped from."""
    return {key: flat[key] for key in ("boxes", "image_index", "order") if key in flat}


class OwnClass(keras.layers.Layer):
    """Of masks or points predicted for every class, those of each region's own.

    call: {"logits": [N, ..., C], "class_ids": int32 [N]} -> float32 [N, ...].
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, **kwargs)

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        return of_own_class(inputs["logits"], inputs["class_ids"])

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        return keras.KerasTensor(inputs["logits"].shape[:-1], "float32")


def of_own_class(logits: Tensor, class_ids: Tensor) -> Tensor:
    """Of numbers for every class [N, ..., C] those of each region's own: float32 [N, ...]."""
    logits = ops.cast(logits, "float32")
    index = ops.reshape(class_ids, (-1,) + (1,) * (len(logits.shape) - 1))
    return ops.take_along_axis(logits, index, axis=-1)[..., 0]


class RegionCrops(keras.layers.Layer):
    """RoIAlign over the pyramid, each region from the level its size asks for.

    Args:
        aligned: False moves the crops half a cell down and right, as in RoIAlign before it was corrected.

    Call:
        {"maps": [P2, ..., P5], "boxes": [N, 4] pixels, "image_index": int32 [N]} -> [N, size, size, F]; "order" beside
        them, as of `ByLevel`, says that the boxes stand in the order of their levels
    """

    def __init__(self, strides: Sequence[int], size: int, sampling_ratio: int, aligned: bool = True, **kwargs: object):
        # No casts on the way in: maps may be of half precision, boxes never.
        super().__init__(trainable=False, autocast=False, **kwargs)
        self.strides, self.size, self.sampling_ratio = list(strides), size, sampling_ratio
        self.aligned = aligned

    def levels(self, inputs: dict[str, Tensor]) -> Tensor:
        """int32 [N]: the index in the maps that each box is cropped from."""
        lowest = roi_align.level_of_stride(self.strides[0])
        highest = lowest + len(self.strides) - 1
        return roi_align.pyramid_levels(inputs["boxes"], lowest, highest) - lowest

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        boxes, level = inputs["boxes"], self.levels(inputs)
        if not self.aligned:
            boxes = boxes + ops.take(ops.convert_to_tensor(self.strides, dtype="float32") / 2, level)[:, None]
        return roi_align.roi_align(
            inputs["maps"], self.strides, boxes, inputs["image_index"], level, self.size, self.sampling_ratio,
            ordered="order" in inputs,
        )

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Tensor:
        channels = inputs["maps"][0].shape[-1]
        return keras.KerasTensor((inputs["boxes"].shape[0], self.size, self.size, channels), self.compute_dtype)


class AllRegions(keras.layers.Layer):
    """A padded table of boxes as a flat list, slots that hold nothing included.

    call: [B, R, 4] -> {"boxes": [B * R, 4], "image_index": int32 [B * R]}.
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, **kwargs)

    def call(self, boxes: Tensor) -> dict[str, Tensor]:
        rows = ops.arange(ops.shape(boxes)[0] * boxes.shape[1], dtype="int32")
        return {"boxes": ops.reshape(boxes, (-1, 4)), "image_index": rows // boxes.shape[1]}

    def compute_output_spec(self, boxes: Tensor) -> dict[str, Tensor]:
        return {"boxes": keras.KerasTensor((None, 4), "float32"), "image_index": keras.KerasTensor((None,), "int32")}


class FlatRegions(keras.layers.Layer):
    """The filled slots of a padded [B, S] table as one flat list, so that heads never run on padding.

    call: {"valid": bool [B, S], name: [B, S, ...], ...} -> the same names as [N, ...], with "valid" bool [N],
    "image_index" int32 [N] and "slot" int32 [N], the row of the flattened table that each came from.
    """

    def __init__(self, **kwargs: object):
        super().__init__(trainable=False, **kwargs)

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        slots = ops.shape(inputs["valid"])[1]
        rows, kept = filled_rows(ops.reshape(inputs["valid"], (-1,)))
        flat = {"valid": kept, "slot": rows, "image_index": rows // slots}
        for name, value in inputs.items():
            if name != "valid":
                flat[name] = ops.take(ops.reshape(value, (-1,) + tuple(value.shape[2:])), rows, axis=0)
        return flat

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        spec = {name: keras.KerasTensor((None,) + tuple(v.shape[2:]), v.dtype) for name, v in inputs.items()}
        spec.update({name: keras.KerasTensor((None,), "int32") for name in ("slot", "image_index")})
        return spec
