"""Matterport's door: `import mrcnn.model as modellib`."""

import functools
import os
import warnings
from collections import OrderedDict
from collections.abc import Sequence

import keras
import numpy as np
from keras import tree

from mrcnn.architectures import mask_rcnn
from mrcnn.data.given_photos import Photos
from mrcnn.data.images import Window
from mrcnn.errors import DataError
from mrcnn.inference.detector import unmold
from mrcnn.inference.mask_scores import counted
from mrcnn.matterport.boxes import (
    box_pixels,
    compute_backbone_shapes,
    denorm_boxes_graph,
    norm_boxes_graph,
)
from mrcnn.matterport.gone import teller
from mrcnn.matterport.images import (
    compose_image_meta,
    log,
    mold_image,
    parse_image_meta,
    parse_image_meta_graph,
    unmold_image,
    unmolded,
)
from mrcnn.matterport.layers import (
    BatchNorm,
    DetectionLayer,
    DetectionTargetLayer,
    ProposalLayer,
    PyramidROIAlign,
    resnet_graph,
)
from mrcnn.matterport.samples import (
    build_detection_targets,
    build_rpn_targets,
    data_generator,
    generate_random_rois,
    load_image_gt,
)
from mrcnn.network.backbones import build_backbone
from mrcnn.ops.forks import refuse_forked
from mrcnn.training.runs import find_last_checkpoint
from mrcnn.weights.files import write_weights
from mrcnn.weights.pretrained import load_imagenet

__all__ = [
    "BatchNorm",
    "DetectionLayer",
    "DetectionTargetLayer",
    "MaskRCNN",
    "ProposalLayer",
    "PyramidROIAlign",
    "build_detection_targets",
    "build_rpn_targets",
    "compose_image_meta",
    "compute_backbone_shapes",
    "data_generator",
    "denorm_boxes_graph",
    "find_last_checkpoint",
    "generate_random_rois",
    "load_image_gt",
    "load_imagenet",
    "log",
    "mold_image",
    "norm_boxes_graph",
    "parse_image_meta",
    "parse_image_meta_graph",
    "resnet_graph",
    "unmold_image",
]
__getattr__ = teller(__name__)  # of names that are gone

# Layers of Matterport's graph, and those here that stand for them, with logits in place of probabilities.
RENAMED = {
    "input_image": ("less_mean_pixel",),
    "input_anchors": ("anchors",),
    "ROI": ("proposals", "training_proposals"),  # the graph of detection has the first, that of training the other
    "rpn_class": ("rpn_class_logits",),
    "mrcnn_class": ("mrcnn_class_logits",),
}


class MaskRCNN(mask_rcnn.MaskRCNN):
    """Mask R-CNN (He et al. 2017) on a feature pyramid, with the interface of Matterport's class.

    Args:
        mode: "training" or "inference"; a model in training mode detects as well.
        config: settings; they are checked first.
        model_dir: folder in which run folders are made.

    Attributes:
        anchors: float32 [A, 4], pixels, of the last shape that `get_anchors` was asked for; None before.

    Raises:
        ConfigError: a setting does not fit the others.
    """

    _last_run = None  # (what it was asked for, compiled function) of `run_graph` on JAX
    renamed = RENAMED  # for `get_layer` of the graphs

    # --- Detection in Matterport's steps -------------------------------------------------------------------------
    def mold_inputs(self, images: Photos) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Place photos on canvases and subtract the mean pixel.

        Args:
            images: photos as for `detect`, whose canvases have one shape.

        Returns:
            (molded images float32 [B, h, w, 3], metas [B, M] without active classes, windows [B, 4] pixels).

        Raises:
            DataError: the canvases have several shapes, or one of the photos is none; the message gives its index.
        """
        molded, metas, windows = [], [], []
        images = self.checked_images(images)
        placed = [self.place(image) for image in images]
        shapes = list(dict.fromkeys(canvas.shape[:2] for canvas, _ in placed))
        if len(shapes) != 1:
            shown = " and ".join(f"{height} x {width}" for height, width in shapes[:2])
            raise DataError(f"{len(images)} photos have canvases of {len(shapes)} shapes{shown and f' ({shown})'}, and "
                            "one array holds those of one: mold photos of one shape together, or call detect(), which "
                            "takes any.")
        for image, (canvas, window) in zip(images, placed):
            molded.append(mold_image(canvas, self.config))
            windows.append(window.box)
            no_classes = np.zeros(self.config.NUM_CLASSES, int)
            metas.append(
                compose_image_meta(0, image.shape, canvas.shape, window.box, window.scale[0], no_classes)
            )
        return np.stack(molded), np.stack(metas), np.stack(windows)

    def unmold_detections(self, detections: np.ndarray, mrcnn_mask: np.ndarray, original_image_shape: tuple,
                          image_shape: tuple, window: Sequence[float]) -> tuple:
        """Map the detections of one image from the canvas to the photo, in the geometry of config.GEOMETRY.

        Args:
            detections: [N, (y1, x1, y2, x2, class id, score)], boxes normalised; class 0 is padding.
            mrcnn_mask: [N, h, w, C], probabilities.
            original_image_shape: (H, W, ...) of the photo, pixels.
            image_shape: (h, w, ...) of the canvas, pixels.
            window: (y1, x1, y2, x2) that the photo fills, pixels of the canvas.

        Returns:
            (boxes int32 [N, 4] pixels, class ids int32 [N], scores [N], masks bool [H, W, N]).
        """
        class_ids = detections[:, 4].astype(int)
        outputs = {
            "boxes": box_pixels(detections[:, :4], image_shape[:2]),
            "class_ids": class_ids,
            "scores": detections[:, 5],
            "valid": class_ids > 0,
            "masks": np.asarray(mrcnn_mask)[np.arange(len(class_ids)), :, :, class_ids],
        }
        shape, window = tuple(original_image_shape[:2]), np.asarray(window, float)
        scale = tuple((window[2:] - window[:2]) / shape)
        placed = self.window_of(Window(shape, tuple(image_shape[:2]), scale, tuple(window[:2])))
        result = unmold(outputs, placed, shape)
        return result["rois"], result["class_ids"], result["scores"], result["masks"]

    def detect_molded(self, molded_images: np.ndarray, image_metas: np.ndarray, verbose: int = 0) -> list[dict]:
        """Detect on molded images.

        Args:
            molded_images: float32 [B, h, w, 3] of `mold_inputs`.
            image_metas: [B, M] of `mold_inputs`.
            verbose: 1 prints the boxes of each image.

        Returns:
            Dicts with "rois", "class_ids", "scores" and "masks" as from `detect`, in pixels of the canvases.
        """
        windows = parse_image_meta_graph(np.asarray(image_metas))["window"]
        outputs = self.predict(unmolded(molded_images, self.config), windows)
        shape = tuple(molded_images.shape[1:3])
        canvas = self.window_of(Window(shape, shape, (1.0, 1.0), (0.0, 0.0)))
        results = []
        for row in range(len(molded_images)):
            found = {name: value[row] for name, value in outputs.items()}
            result = unmold(counted(found, self.config, self.config.DETECTION_MIN_CONFIDENCE), canvas, shape)
            results.append({name: result[name] for name in ("rois", "class_ids", "scores", "masks")})
            if verbose:
                log(f"image {row}", result["rois"])
        return results

    # --- Looking inside ------------------------------------------------------------------------------------------
    def ancestor(self, tensor: object, name: str, checked: object = None) -> None:
        """Refuse: Keras 3 graphs have no names of TensorFlow 1.

        Args:
            tensor, name, checked: Matterport's arguments.

        Raises:
            NotImplementedError: with what to write instead.
        """
        raise NotImplementedError(
            f"ancestor({name!r}) walked a TensorFlow 1 graph: use model.run_graph([image], [(name, layer)]) with a "
            "layer of model.inference_model.layers, such as anchors, rpn_class_logits, rpn_bbox, proposals, "
            "mrcnn_detection or detection_masks."
        )

    def build(self, mode: str, config: object) -> None:
        """Refuse: a network is built by other methods.

        Args:
            mode, config: Matterport's arguments.

        Raises:
            NotImplementedError: with what to write instead.
        """
        raise NotImplementedError("MaskRCNN.build(mode, config) is gone: a subclass gives build_networks(config).")

    def find_trainable_layer(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        """Find the layer with the weights, where one is wrapped in others (TimeDistributed).

        Args:
            layer: of the network.

        Returns:
            The innermost layer.
        """
        return self.find_trainable_layer(layer.layer) if hasattr(layer, "layer") else layer

    def get_trainable_layers(self) -> list[keras.layers.Layer]:
        """List the layers with weights, frozen or not.

        Returns:
            The layers, in the order of the network.
        """
        layers = [self.find_trainable_layer(layer) for layer in self.keras_model.layers]
        return [layer for layer in layers if layer.weights]

    def run_graph(self, images: Sequence[np.ndarray], outputs: Sequence[tuple],
                  image_metas: np.ndarray | None = None) -> OrderedDict:
        """Run photos through the inference graph and return the outputs of any of its layers.

        Args:
            images: photos, each uint8 [H, W, 3] RGB; or molded images if `image_metas` is given.
            outputs: pairs (name, layer); the layer is a layer's name in `inference_model`, or a tensor of that graph;
                a tensor of one of several calls of a layer is told of. The name of a layer alone stands for both.
            image_metas: [B, M] of `mold_inputs`.

        Returns:
            {name: np.ndarray}; a layer of several outputs gives a list or dict of arrays, and a layer that is called
            more than once a list of them in the order of its calls: one that serves all pyramid levels, and, of a
            network with ATTRIBUTES, roi_align_classifier, whose crops are those of proposals, then of detections.

        Raises:
            ConfigError: the graph has no such layer.
        """
        refuse_forked()
        molded, metas = (images, image_metas) if image_metas is not None else self.mold_inputs(images)[:2]
        inputs = {
            "image": unmolded(molded, self.config),
            "window": parse_image_meta_graph(np.asarray(metas))["window"].astype("float32"),
            "min_confidence": np.full(len(molded), self.config.DETECTION_MIN_CONFIDENCE, np.float32),
        }
        wanted = {name: self._output_of(source) for name, source in _pairs(outputs).items()}
        values = self._run_of(wanted)(inputs)
        arrays = OrderedDict((name, tree.map_structure(keras.ops.convert_to_numpy, values[name])) for name in wanted)
        for name, value in arrays.items():
            for array in tree.flatten(value):
                log(name, array)
        return arrays

    def _run_of(self, wanted):
        """A function from inputs to outputs of the detection graph; on JAX the last one is kept, for it is compiled."""
        network = functools.partial(keras.Model, self.inference_model.input, wanted)
        if keras.backend.backend() != "jax":  # a call without a graph, which suits one batch
            return functools.partial(network(), training=False)
        outputs = [(name, [id(tensor) for tensor in tree.flatten(tensors)]) for name, tensors in wanted.items()]
        key, kept = (self.inference_model, outputs), self._last_run
        if kept is None or kept[0] != key:
            from mrcnn.ops.native_jax import compiled_as_it_is

            self._last_run = kept = key, compiled_as_it_is(network())  # which holds the outputs, so ids stay theirs
        return kept[1]

    def _output_of(self, source):
        """The symbolic output of a layer of the detection graph, given by name; anything else is one already."""
        if not isinstance(source, str):
            for tensor in tree.flatten(source):
                self._tell_of_other_calls(tensor)
            return source
        layer = self.inference_model.get_layer(source)
        calls = [_outputs(node) for node in self._calls_of(layer)]
        return calls[0] if len(calls) == 1 else calls

    def _calls_of(self, layer):
        """The nodes of a layer in the detection graph."""
        # A layer may be called in the training graph too, where its output is another tensor.
        here = {id(node) for nodes in self.inference_model._nodes_by_depth.values() for node in nodes}
        return [node for node in layer._inbound_nodes if id(node) in here]

    def _tell_of_other_calls(self, tensor):
        """Warn of a tensor that is what one call of a layer gives, where the graph calls it several times."""
        layer, index, _ = getattr(tensor, "_keras_history", (None, None, None))
        calls = self._calls_of(layer) if layer in self.inference_model.layers else []
        if len(calls) > 1 and layer._inbound_nodes[index] in calls:
            place = calls.index(layer._inbound_nodes[index]) + 1
            warnings.warn(f"The tensor {list(tensor.shape)} is of call {place} of the {len(calls)} of the layer "
                          f"{layer.name} alone: give the name {layer.name!r} in place of the tensor for all of them.",
                          stacklevel=4)

    def get_imagenet_weights(self) -> str:
        """Write a file with the ImageNet weights of BACKBONE, for `load_weights(path, by_name=True)`.

        Matterport's file holds ResNet50's for any backbone and expects BGR; this one expects RGB.

        Returns:
            Path of the file.

        Raises:
            CheckpointError: this machine is offline, or the backbone has no ImageNet weights.
        """
        image = keras.Input((None, None, int(self.config.IMAGE_CHANNEL_COUNT)))
        backbone = keras.Model(image, build_backbone(image, self.config))
        load_imagenet(backbone, self.config)
        os.makedirs(self.model_dir, exist_ok=True)
        path = os.path.join(self.model_dir, f"imagenet_{self.config.BACKBONE}.h5")
        write_weights(path, backbone)
        return path


def _pairs(outputs):
    """{name: layer} of what `run_graph` is asked for."""
    outputs = outputs.items() if isinstance(outputs, dict) else outputs
    return OrderedDict((one, one) if isinstance(one, str) else one for one in outputs)


def _outputs(node):
    """What a call in a graph gives, in the layer's own structure of lists and dicts."""
    if len(node.outputs) == 1:
        return node.outputs[0]
    structure = node.operation.compute_output_spec(*node.arguments.args, **node.arguments.kwargs)
    return tree.pack_sequence_as(structure, node.outputs)
