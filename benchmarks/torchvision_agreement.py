"""Torchvision's Mask R-CNN against this network with the same weights, layer by layer.

    pip install torch torchvision
    python benchmarks/torchvision_agreement.py

Random weights, a random photo of 256x320. Printed is the largest difference as a share of the largest value.
"""

import contextlib
import io
import os
import pathlib
import sys
import tempfile

import keras
import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from mrcnn.model import MaskRCNN  # noqa: E402
from mrcnn.ops import boxes as box_ops  # noqa: E402

HEIGHT, WIDTH, CLASSES = 256, 320, 91
STRIDES = (4, 8, 16, 32, 64)


def import_torchvision():
    """torchvision, also where its compiled operators do not fit this PyTorch: none of them is needed here."""
    try:
        import torchvision
    except RuntimeError:
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import_torchvision.library = library  # declared for as long as it lives
        import torchvision
    import torchvision.models.detection  # noqa: F401

    return torchvision


def reference(torchvision):
    """Its network with random weights and norms."""
    torch.manual_seed(0)
    model = torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=CLASSES
    ).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.3, 0.6)
            torch.nn.init.normal_(module.bias, std=0.1)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    for head in (model.rpn.head.cls_logits, model.rpn.head.bbox_pred):
        torch.nn.init.normal_(head.weight, std=0.05)
        torch.nn.init.normal_(head.bias, std=0.5)
    return model


def show(name, ours, theirs):
    """Print how far two arrays are apart."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
    print(f"{name:43} {np.abs(ours - theirs).max() / np.abs(theirs).max():.1e}   {list(ours.shape)}")


def last(tensor):
    """Torch's [B, C, H, W] as [B, H, W, C]."""
    return tensor.detach().numpy().transpose(0, 2, 3, 1)


def compare_proposals(ours, theirs, our_maps, their_maps):
    """The proposal head, and the boxes that its deltas lead to from anchors of either kind."""
    layers = {name: ours.inference_model.get_layer(name) for name in
              ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")}
    logits, deltas = theirs.rpn.head([torch.from_numpy(m.transpose(0, 3, 1, 2).copy()) for m in their_maps])
    rounding = 0.0
    for level, (our_map, logit, delta, stride) in enumerate(zip(our_maps, logits, deltas, STRIDES)):
        shared = layers["rpn_conv_shared"](our_map)
        our_logits, our_deltas = (np.asarray(layers[n](shared))[0] for n in ("rpn_class_raw", "rpn_bbox_pred"))
        show(f"P{level + 2} objectness", our_logits, last(logit)[0][..., ::-1])
        scale = stride * 8
        sides = np.array([[scale * np.sqrt(r), scale / np.sqrt(r)] for r in (0.5, 1, 2)])  # theirs: height, width
        y, x = np.meshgrid(np.arange(our_map.shape[1]) * stride, np.arange(our_map.shape[2]) * stride, indexing="ij")
        centres = np.stack([y, x], -1)[:, :, None]
        anchors = np.concatenate([centres - sides / 2, centres + sides / 2], -1)
        rounded = np.concatenate([centres - np.round(sides / 2), centres + np.round(sides / 2)], -1)
        their_deltas = last(delta)[0].reshape(anchors.shape)[..., [1, 0, 3, 2]]
        config_anchors = np.stack([anchors[..., 2 - k, :] + np.tile([stride / 2] * 2, 2) for k in range(3)], axis=2)
        std = np.asarray(ours.config.RPN_BBOX_STD_DEV)
        values = box_ops.decode(our_deltas.reshape(anchors.shape), config_anchors, std)[..., ::-1, :]
        show(f"P{level + 2} proposals, anchors not rounded", values, box_ops.decode(their_deltas, anchors, np.ones(4)))
        exact = box_ops.decode(their_deltas, rounded, np.ones(4))
        rounding = max(rounding, np.abs(values - exact).max() / scale)
    print(f"proposals from its rounded anchors: at most {rounding:.1%} of the anchor's side away")


def compare_heads(ours, theirs, maps):
    """Both heads on the same crops, and the crops themselves."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 120, (20, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(20, 130, (20, 2))], axis=1).astype("float32")  # y, x
    names = {str(level): torch.from_numpy(maps[level].transpose(0, 3, 1, 2).copy()) for level in range(4)}
    region = [torch.from_numpy(boxes[:, [1, 0, 3, 2]].copy())]
    heads = theirs.roi_heads
    with torch.no_grad():
        box_crops = heads.box_roi_pool(names, region, [(HEIGHT, WIDTH)])
        scores, deltas = heads.box_predictor(heads.box_head(box_crops))
        mask_crops = heads.mask_roi_pool(names, region, [(HEIGHT, WIDTH)])
        masks = heads.mask_predictor(heads.mask_head(mask_crops))
    layer = {layer.name: layer for layer in ours.training_model.layers}
    index = np.zeros(len(boxes), "int32")
    for name, crops in (("roi_align_classifier", box_crops), ("roi_align_mask", mask_crops)):
        for aligned in (False, True):
            layer[name].aligned = aligned
            ours_here = layer[name]({"maps": maps[:4], "boxes": boxes, "image_index": index})
            show(f"{name}, ROI_ALIGNED={aligned}", ours_here, last(crops))
    x = last(box_crops)
    for name in ("flatten", "conv1", "bn1", "relu1", "conv2", "bn2", "relu2"):
        x = layer[f"mrcnn_class_{name}"](x)
    show("class logits", layer["mrcnn_class_logits"](x), scores.numpy())
    ours_here = np.asarray(layer["mrcnn_bbox_fc"](x)).reshape(-1, CLASSES, 4)[..., [1, 0, 3, 2]]
    weights = np.array([10, 10, 5, 5])  # what torchvision divides its deltas by
    show("box deltas", ours_here * [0.1, 0.1, 0.2, 0.2], deltas.numpy().reshape(-1, CLASSES, 4) / weights)
    x = last(mask_crops)
    for number in range(1, 5):
        for part in ("conv", "bn", "relu"):
            x = layer[f"mrcnn_mask_{part}{number}"](x)
    show("mask logits", layer["mrcnn_mask"](layer["mrcnn_mask_deconv"](x)), last(masks))


def main():
    torchvision = import_torchvision()
    print(f"torchvision {torchvision.__version__}, torch {torch.__version__}, keras {keras.__version__} on "
          f"{keras.backend.backend()}; largest difference as a share of the largest value")
    theirs = reference(torchvision)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "maskrcnn.pth")
        torch.save(theirs.state_dict(), path)
        with contextlib.redirect_stdout(io.StringIO()):
            ours = MaskRCNN.from_checkpoint(path, folder)
    photo = np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3)).astype("float32")
    with torch.no_grad():
        pixels = theirs.transform.normalize(torch.from_numpy(photo[0].transpose(2, 0, 1)) / 255)[None]
        body = [last(value) for value in theirs.backbone.body(pixels).values()]
        their_maps = [last(value) for value in theirs.backbone(pixels).values()]
    graph = ours.inference_model
    stages = ["res2c_out", "res3d_out", "res4f_out", "res5c_out"]
    levels = [f"fpn_p{level}" for level in range(2, 7)]
    outputs = keras.Model(graph.input["image"], [graph.get_layer(name).output for name in stages + levels])
    values = [np.asarray(value) for value in outputs(photo)]
    for name, ours_here, theirs_here in zip(stages + levels, values, body + their_maps):
        show(name, ours_here, theirs_here)
    with torch.no_grad():
        compare_proposals(ours, theirs, values[4:], their_maps)
    compare_heads(ours, theirs, their_maps)


if __name__ == "__main__":
    main()
