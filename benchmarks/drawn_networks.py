"""One drawn picture labelled by each network, after the same number of steps: docs/images/networks.png.

    python benchmarks/drawn_networks.py --folder networks --networks unet yolact [--steps 600]
    python benchmarks/drawn_networks.py --folder networks --picture docs/images/networks.png

The first trains each network on drawn pictures, from the ImageNet weights of EfficientNet-Lite0 (U2-Net has an encoder
of its own, and random weights), and measures its label maps on 100 that it never saw; the second draws what the folder
holds. A network that is there already is not trained again.
"""

import argparse
import glob
import json
import os
import subprocess
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

NETWORKS = ("mask-rcnn", "yolact", "deeplabv3", "deeplabv3plus", "unet", "u2netp")
SETTINGS = ["OPTIMIZER=adamw", "LR_SCHEDULE=cosine", "EMA_DECAY=0.99", "VALIDATION_STEPS=4", "WARMUP_STEPS=100"]
START = ["--backbone", "efficientnet_lite0", "--weights", "imagenet"]
SHOWN = 12  # pictures whose label maps are kept
LEAST_SCORE = {"yolact": 0.1}  # of objects in the label map; its scores are lower than Mask R-CNN's


def mrcnn(*arguments):
    subprocess.run([sys.executable, "-m", "mrcnn", *arguments], check=True, cwd=ROOT)


def trained(name, options):
    """The last checkpoint of a network, which is trained if it is not there."""
    logs = os.path.join(options.folder, name)
    if not glob.glob(os.path.join(logs, "*", "*_0001.h5")):
        settings = [*SETTINGS, f"STEPS_PER_EPOCH={options.steps}"]
        start = [] if name.startswith("u2net") else START
        mrcnn("train", "--architecture", name, *start, "--image-size", str(options.size), "--batch-size", "8",
              "--logs", logs, "--stages", f"all:1:{options.rate}",
              *(word for entry in settings for word in ("--set", entry)))
    return glob.glob(os.path.join(logs, "*", "*_0001.h5"))[-1]


def measured(name, options):
    """Mean IoU of a network's label maps with background, which --folder keeps beside some of these maps."""
    path = os.path.join(options.folder, f"{name}.npz")
    if not os.path.exists(path):
        weights, told = trained(name, options), os.path.join(options.folder, name, "measured")
        score = ["--min-confidence", str(LEAST_SCORE[name])] if name in LEAST_SCORE else []
        mrcnn("evaluate", "--pixels", "--weights", weights, "--output", told, "--overwrite", *score)
        with open(os.path.join(told, "pixels.json"), encoding="utf-8") as file:
            figures = json.load(file)
        np.savez_compressed(path, labels=label_maps(weights, LEAST_SCORE.get(name)), mean_iou=figures["mean_iou"])
    return float(np.load(path)["mean_iou"])


def label_maps(weights, score):
    from mrcnn import architectures

    model = architectures.load(weights, **({} if score is None else {"DETECTION_MIN_CONFIDENCE": score}))
    pictures = unseen()
    return np.stack([model.label([pictures.load_image(i)], probabilities=False)[0]["labels"] for i in range(SHOWN)])


def unseen():
    from mrcnn.commands.datasets import drawn_pictures

    return drawn_pictures("val")


def draw(options):
    """Write the picture: the photo, its true labels, and those of each network."""
    from PIL import Image

    from mrcnn.data.label_samples import true_label_map
    from mrcnn.drawing.label_maps import draw_label_map
    from mrcnn.drawing.pictures import contact_sheet

    pictures, shown = unseen(), options.shown
    photo = pictures.load_image(shown)
    maps, titles = [true_label_map(pictures, shown)], ["drawn", "true labels"]
    for name in NETWORKS:
        path = os.path.join(options.folder, f"{name}.npz")
        if not os.path.exists(path):
            print(f"{name} is left out: train it by --networks {name}")
            continue
        kept = np.load(path)
        maps.append(kept["labels"][shown])
        titles.append(f"{name} {float(kept['mean_iou']):.2f}")
    size = (2 * photo.shape[1], 2 * photo.shape[0])
    large = [np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.NEAREST))]
    for labels in maps:
        labels = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
        large.append(draw_label_map(large[0], labels, pictures.class_names))
    Image.fromarray(contact_sheet(large, titles, columns=4)).save(options.picture)
    print(f"{options.picture}: picture {shown} of those that no network saw")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", required=True, help="of the trained networks")
    parser.add_argument("--networks", nargs="*", default=[], choices=NETWORKS)
    parser.add_argument("--steps", type=int, default=600, help="of eight pictures")
    parser.add_argument("--size", type=int, default=128, help="side of the canvas")
    parser.add_argument("--rate", default="2e-3")
    parser.add_argument("--picture", help="PNG to write")
    parser.add_argument("--shown", type=int, default=3, help=f"number of the picture, 0 to {SHOWN - 1}")
    options = parser.parse_args()
    for name in options.networks:
        print(f"{name:16} mean IoU {measured(name, options):.3f}", flush=True)
    if options.picture:
        draw(options)


if __name__ == "__main__":
    main()
