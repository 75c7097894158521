"""Time of one photo through each network, with the same backbone and canvas, in turn within one run.

    python benchmarks/architectures.py                          512 pixels, efficientnet_lite0
    python benchmarks/architectures.py --networks mask-rcnn yolact --repeat 20

Random weights, settings of each network's own; networks of objects find 100 and 8 objects, by the score threshold
alone. The time is that of the network: placing the photo on its canvas and pasting masks are the same for all.
"""

import argparse
import functools
import os
import sys

import numpy as np

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__))), os.path.dirname(os.path.abspath(__file__))]

import mrcnn  # noqa: E402, F401  (sets oneDNN before TensorFlow is imported)

NETWORKS = ("mask-rcnn", "yolact", "deeplabv3", "deeplabv3plus", "unet", "u2netp")
CLASSES = 14


def network_of(name, backbone, size):
    """The inference model of a network with random weights."""
    import keras

    from mrcnn.architectures import class_of

    architecture = class_of(name)
    own = {} if name.startswith("u2net") else {"BACKBONE": backbone}
    config = architecture.settings(NAME="benchmark", NUM_CLASSES=CLASSES, IMAGES_PER_GPU=1, IMAGE_MIN_DIM=size,
                                   IMAGE_MAX_DIM=size, **own)
    keras.utils.set_random_seed(0)
    return architecture("inference", config, "logs").inference_model


def runs_of(name, network, image):
    """{title: function} of what is measured of a network."""
    network.jit_compile = False
    inputs = {"image": image}
    if "min_confidence" not in [one.name for one in network.inputs]:
        return {name: functools.partial(network.predict_on_batch, inputs)}
    size = image.shape[1]
    inputs["window"] = np.array([[0, 0, size, size]], "float32")
    runs = {}
    for objects in (100, 8):
        inputs = {**inputs, "min_confidence": np.zeros(1, "float32")}
        scores = np.asarray(network.predict_on_batch(inputs)["scores"])[0]
        inputs["min_confidence"] = scores[objects - 1:objects]
        found = int(np.asarray(network.predict_on_batch(inputs)["valid"]).sum())
        runs[f"{name}, {found} objects"] = functools.partial(network.predict_on_batch, inputs)
    return runs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=8)
    options = parser.parse_args()
    from network import best_in_turn

    image = np.random.default_rng(0).uniform(0, 255, (1, options.size, options.size, 3)).astype("float32")
    runs = {}
    for name in options.networks:
        runs.update(runs_of(name, network_of(name, options.backbone, options.size), image))
    best = best_in_turn(list(runs.values()), options.repeat)
    print(f"{options.size} pixels, {options.backbone}, {CLASSES} classes, best of {options.repeat} turns")
    for title, seconds in zip(runs, best):
        print(f"{title:24} {seconds:7.3f} s   {best[0] / seconds:5.2f} times as fast as the first")


if __name__ == "__main__":
    main()
