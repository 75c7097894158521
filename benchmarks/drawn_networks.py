"""Each network trained shortly on drawn pictures from random weights, and one unseen picture as all of them label it.

    python benchmarks/drawn_networks.py --logs DIR [--picture docs/images/networks.png] [--only NAME ...]

Every network gets as many pictures; Mask R-CNN's settings are those of --preset minute. Prints mean IoU over the 100
unseen pictures of `mrcnn evaluate`, with the seconds of the training.
"""

import argparse
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

PIXELS = ["--weights", "none", "--backbone", "small", "--batch-size", "8", "--limit", "400", "--stages", "all:1:2e-3"]
for _setting in ("STEPS_PER_EPOCH=450", "VALIDATION_STEPS=4", "OPTIMIZER=adamw", "LR_SCHEDULE=cosine",
                 "WARMUP_STEPS=40", "PIXEL_LOSS=cross-entropy+dice"):
    PIXELS += ["--set", _setting]
NETWORKS = {
    "mask-rcnn": ["--preset", "minute"],
    "deeplabv3": [*PIXELS, "--set", "ASPP_CHANNELS=64"],
    "deeplabv3plus": [*PIXELS, "--set", "ASPP_CHANNELS=64"],
    "unet": [*PIXELS, "--set", "UNET_CHANNELS=16"],
    "u2netp": [one for one in PIXELS if one not in ("--backbone", "small")],
}


def command(*words):
    """What a command of mrcnn prints."""
    ended = subprocess.run([sys.executable, "-m", "mrcnn", *words], cwd=ROOT, capture_output=True, text=True,
                           check=False)
    if ended.returncode:
        sys.exit(ended.stderr[-2000:])
    return ended.stdout


def train(name, logs):
    """(mean IoU in words, path of the checkpoint, seconds) of a network."""
    folder, start = os.path.join(logs, name), time.time()
    if not os.path.isdir(folder):
        command("train", "--architecture", name, "--logs", folder, *NETWORKS[name])
    seconds = time.time() - start
    told = command("evaluate", "--pixels", "--no-report", "--overwrite", "--logs", folder)
    figure = next(line for line in told.splitlines() if line.startswith("mean IoU, background too")).split()[4]
    files = [os.path.join(at, file) for at, _, files in os.walk(folder) for file in files
             if file.endswith(".h5") and ".state" not in file and "_0000" not in file]
    return figure, max(files), seconds


def draw(told, path):
    """One row: the picture, its truth, and the labels of each network with its mean IoU over all pictures."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from mrcnn import architectures
    from mrcnn.commands.datasets import drawn_pictures
    from mrcnn.data.label_samples import true_label_map
    from mrcnn.drawing.label_maps import palette

    pictures, index = drawn_pictures("val", 8), 5
    photo = pictures.load_image(index)
    panels = [("picture", photo), ("truth", palette()[true_label_map(pictures, index)])]
    for name, (figure, weights, _) in told.items():
        (label,) = architectures.load(weights).label([photo])
        panels.append((f"{name}\nmean IoU {float(figure):.2f}", palette()[label["labels"]]))
    figure, axes = plt.subplots(1, len(panels), figsize=(1.7 * len(panels), 2.9), dpi=110)
    for axis, (title, picture) in zip(axes, panels, strict=True):
        axis.imshow(picture, interpolation="nearest")
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--logs", required=True, help="folder of the trainings; those that are there are taken")
    parser.add_argument("--picture", help="PNG to draw")
    parser.add_argument("--only", nargs="+", default=list(NETWORKS))
    options = parser.parse_args()
    told = {}
    for name in options.only:
        told[name] = train(name, options.logs)
        print(f"{name:14} mean IoU {told[name][0]}  training {told[name][2]:.0f} s", flush=True)
    if options.picture:
        draw(told, options.picture)


if __name__ == "__main__":
    main()
