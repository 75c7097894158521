"""Matterport's door: `import mrcnn.model as modellib`."""

import difflib
import os
from collections import OrderedDict

import keras
import numpy as np
from keras import tree

from mrcnn.architectures.segmenter import Segmenter, find_last_checkpoint, unmold
from mrcnn.data.images import Window
from mrcnn.errors import ConfigError
from mrcnn.matterport.boxes import (
    box_pixels,
    compute_backbone_shapes,
    denorm_boxes_graph,
    norm_boxes,
    norm_boxes_graph,
)
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
from mrcnn.network.mask_rcnn import build_mask_rcnn
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

# Layers of Matterport's graph, and those here that stand for them, with logits in place of probabilities.
RENAMED = {
    "input_image": "less_mean_pixel",
    "input_anchors": "anchors",
    "ROI": "proposals",
    "rpn_class": "rpn_class_logits",
    "mrcnn_class": "mrcnn_class_logits",
}


class MaskRCNN(Segmenter):
    """Mask R-CNN (He 2017) on a feature pyramid, behind Matterport's class.

    Attribute anchors: float32 [A, 4] pixels of the last shape that `get_anchors` was asked for.
    """

    anchors = None

    def build_networks(self, config):
        return build_mask_rcnn(config)

    # --- Detection in Matterport's steps -------------------------------------------------------------------------
    def mold_inputs(self, images):
        """Photos placed on canvases, less the mean pixel.

        images: list of uint8 [H, W, 3] RGB whose canvases have one shape
        Returns (molded images float32 [B, h, w, 3], metas [B, M] without active classes, windows [B, 4] pixels).
        """
        molded, metas, windows = [], [], []
        for image in images:
            canvas, window = self.place(image)
            molded.append(mold_image(canvas, self.config))
            windows.append(window.box)
            no_classes = np.zeros(self.config.NUM_CLASSES, int)
            metas.append(
                compose_image_meta(0, image.shape, canvas.shape, window.box, window.scale[0], no_classes)
            )
        return np.stack(molded), np.stack(metas), np.stack(windows)

    def unmold_detections(self, detections, mrcnn_mask, original_image_shape, image_shape, window):
        """One image's detections, from the canvas to the photo, as config.GEOMETRY has it.

        detections: [N, (y1, x1, y2, x2, class id, score)], boxes normalised, class 0 being padding
        mrcnn_mask: [N, h, w, C] 0..1; original_image_shape, image_shape: of photo and canvas
        window: (y1, x1, y2, x2) pixels of the canvas that the photo fills
        Returns (boxes int32 [N, 4] pixels, class ids int32 [N], scores [N], masks bool [H, W, N]).
        """
        class_ids = detections[:, 4].astype(int)
        found = {
            "boxes": box_pixels(detections[:, :4], image_shape[:2]),
            "class_ids": class_ids,
            "scores": detections[:, 5],
            "valid": class_ids > 0,
            "masks": np.asarray(mrcnn_mask)[np.arange(len(class_ids)), :, :, class_ids],
        }
        shape, window = tuple(original_image_shape[:2]), np.asarray(window, float)
        scale = tuple((window[2:] - window[:2]) / shape)
        placed = Window(shape, tuple(image_shape[:2]), scale, tuple(window[:2]))
        result = unmold(found, placed, shape, corner_aligned=self.config.GEOMETRY == "matterport")
        return result["rois"], result["class_ids"], result["scores"], result["masks"]

    def detect_molded(self, molded_images, image_metas, verbose=0):
        """What `detect` gives, in pixels of the canvases; molded_images and image_metas as from `mold_inputs`."""
        windows = parse_image_meta_graph(np.asarray(image_metas))["window"]
        outputs = self.predict(unmolded(molded_images, self.config), windows)
        shape = tuple(molded_images.shape[1:3])
        canvas = Window(shape, shape, (1.0, 1.0), (0.0, 0.0))
        results = []
        for row in range(len(molded_images)):
            found = unmold({name: value[row] for name, value in outputs.items()}, canvas, shape,
                           corner_aligned=self.config.GEOMETRY == "matterport")
            results.append({name: found[name] for name in ("rois", "class_ids", "scores", "masks")})
            if verbose:
                log(f"image {row}", found["rois"])
        return results

    # --- Looking inside ------------------------------------------------------------------------------------------
    def get_anchors(self, image_shape):
        """The network's anchors for canvases of this shape: float32 [A, 4] normalised; `anchors` has them in pixels."""
        # The layer looks at nothing but the maps' shapes.
        maps = [np.zeros((1, *shape, 1), "float32") for shape in compute_backbone_shapes(self.config, image_shape)]
        levels = self.inference_model.get_layer("anchors")(maps)
        self.anchors = np.concatenate([keras.ops.convert_to_numpy(level) for level in levels])
        return norm_boxes(self.anchors, image_shape[:2])

    def ancestor(self, tensor, name, checked=None):
        """Raises: a Keras 3 graph is not walked by names of TensorFlow 1."""
        raise NotImplementedError(
            f"ancestor({name!r}) walked a TensorFlow 1 graph: use model.run_graph([image], [(name, layer)]) with a "
            "layer of model.inference_model.layers, such as anchors, rpn_class_logits, rpn_bbox, proposals, "
            "mrcnn_detection or detection_masks."
        )

    def find_trainable_layer(self, layer):
        """The layer with the weights, where one is wrapped in others (TimeDistributed)."""
        return self.find_trainable_layer(layer.layer) if hasattr(layer, "layer") else layer

    def get_trainable_layers(self):
        """All layers with weights, frozen or not."""
        layers = [self.find_trainable_layer(layer) for layer in self.keras_model.layers]
        return [layer for layer in layers if layer.weights]

    def run_graph(self, images, outputs, image_metas=None):
        """What layers of the detection graph give for some photos.

        images: list of uint8 [H, W, 3] RGB, or molded images if image_metas is given
        outputs: list of (name, layer), the layer a name in `inference_model`, or a tensor of that graph
        Returns an OrderedDict {name: numpy array, or for a layer of several outputs a list or dict of arrays}; a layer
        that serves all pyramid levels gives a list of them. Raises ConfigError for a layer that is not there.
        """
        molded, metas = (images, image_metas) if image_metas is not None else self.mold_inputs(images)[:2]
        inputs = {
            "image": unmolded(molded, self.config),
            "window": parse_image_meta_graph(np.asarray(metas))["window"].astype("float32"),
        }
        wanted = {name: self._output_of(source) for name, source in OrderedDict(outputs).items()}
        values = keras.Model(self.inference_model.input, wanted)(inputs, training=False)
        found = OrderedDict((name, tree.map_structure(keras.ops.convert_to_numpy, values[name])) for name in wanted)
        for name, value in found.items():
            for array in tree.flatten(value):
                log(name, array)
        return found

    def _output_of(self, source):
        """The symbolic output of a layer of the detection graph, given by name; anything else is one already."""
        if not isinstance(source, str):
            return source
        graph, name = self.inference_model, RENAMED.get(source, source)
        layers = {layer.name: layer for layer in graph.layers}
        if name not in layers:
            close = difflib.get_close_matches(name, layers, 3) or ["proposals", "mrcnn_detection", "detection_masks"]
            raise ConfigError(
                f"The detection graph has no layer {source!r}: take {', '.join(close)}, or another one of "
                "[layer.name for layer in model.inference_model.layers]."
            )
        # A layer may be called in the training graph too, where its output is another tensor.
        here = {id(node) for nodes in graph._nodes_by_depth.values() for node in nodes}
        calls = [_outputs(node) for node in layers[name]._inbound_nodes if id(node) in here]
        return calls[0] if len(calls) == 1 else calls

    def get_imagenet_weights(self):
        """Path of a file with the ImageNet weights of the backbone, for `load_weights(path, by_name=True)`.

        Unlike Matterport's, which are ResNet50's for any backbone and expect BGR, they are those of BACKBONE and expect
        RGB. Raises CheckpointError when offline or where there are none.
        """
        image = keras.Input((None, None, int(self.config.IMAGE_CHANNEL_COUNT)))
        backbone = keras.Model(image, build_backbone(image, self.config))
        load_imagenet(backbone, self.config)
        os.makedirs(self.model_dir, exist_ok=True)
        path = os.path.join(self.model_dir, f"imagenet_{self.config.BACKBONE}.h5")
        write_weights(path, backbone)
        return path


def _outputs(node):
    """What a call in a graph gives, in the layer's own structure of lists and dicts."""
    if len(node.outputs) == 1:
        return node.outputs[0]
    structure = node.operation.compute_output_spec(*node.arguments.args, **node.arguments.kwargs)
    return tree.pack_sequence_as(structure, node.outputs)
