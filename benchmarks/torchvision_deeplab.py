"""Torchvision's DeepLabv3 against this network with the same weights.

    pip install torch torchvision
    python benchmarks/torchvision_deeplab.py

Random weights, a random photo of 256x320. Printed is the largest difference as a share of the largest value.
"""

import os
import pathlib
import sys
import tempfile

import keras
import numpy as np
import torch

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent), str(pathlib.Path(__file__).parent)]

from torchvision_agreement import import_torchvision, last, show  # noqa: E402

from mrcnn import architectures  # noqa: E402
from mrcnn.weights.torchvision import PIXEL_MEAN, PIXEL_STD  # noqa: E402

HEIGHT, WIDTH, CLASSES = 256, 320, 21


def reference(models, name):
    """Its network with random weights and norms."""
    torch.manual_seed(0)
    model = getattr(models, name)(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.3, 0.6)
            torch.nn.init.normal_(module.bias, std=0.1)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model


def main():
    models = import_torchvision().models.segmentation
    photo = np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3)).astype(np.float32)
    given = torch.from_numpy(((photo - PIXEL_MEAN) / PIXEL_STD).transpose(0, 3, 1, 2).astype(np.float32))
    for name in ("deeplabv3_resnet50", "deeplabv3_resnet101"):
        theirs = reference(models, name)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, f"{name}.pth")
            torch.save(theirs.state_dict(), path)
            ours = architectures.load(path, folder, mode="training", IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=None)
        with torch.no_grad():
            wanted = theirs(given)
        batch = {"image": photo, "labels": np.zeros((1, HEIGHT, WIDTH), np.uint8),
                 "active_classes": np.ones((1, CLASSES), bool)}
        got = {key: keras.ops.convert_to_numpy(value) for key, value in ours.training_model(batch).items()}
        print(name)
        show("  logits", got["pixel_class_loss_logits_0"], last(wanted["out"]))
        show("  logits of the auxiliary head", got["auxiliary_loss_logits_0"], last(wanted["aux"]))
        told = keras.ops.convert_to_numpy(ours.inference_model({"image": photo})["probabilities"])
        show("  probabilities", told, last(torch.softmax(wanted["out"], dim=1)))


if __name__ == "__main__":
    main()
