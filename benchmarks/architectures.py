"""Time of one photo through each network, with the same backbone and canvas, in turn within one run.

    python benchmarks/architectures.py                          512 pixels, efficientnet_lite0
    python benchmarks/architectures.py --networks mask-rcnn yolact --repeat 20
    python benchmarks/architectures.py --train 4                a training step of four photos in place of that

Random weights, settings of each network's own; networks of objects find 100 and 8 objects, by the score threshold
alone. The time is that of the network as `detect` and `label` run it: placing the photo on its canvas and pasting masks
are the same for all.
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


def model_of(name, backbone, size, mode="inference"):
    """A model for detection and labelling, or for training, with random weights."""
    import keras

    from mrcnn.architectures import class_of

    architecture = class_of(name)
    own = {} if name.startswith("u2net") else {"BACKBONE": backbone}
    config = architecture.settings(NAME="benchmark", NUM_CLASSES=CLASSES, IMAGES_PER_GPU=1, IMAGE_MIN_DIM=size,
                                   IMAGE_MAX_DIM=size, **own)
    keras.utils.set_random_seed(0)
    return architecture(mode, config, "logs")


def runs_of(name, model, canvas):
    """{title: function} of what is measured of a model."""
    side = canvas.shape[1]
    run = functools.partial(model.predict, canvas, np.array([[0, 0, side, side]], "float32"))
    if not hasattr(model, "detect"):
        run()  # which compiles it
        return {name: run}
    scores, runs = run(min_confidence=0.0)["scores"][0], {}
    for objects in (100, 8):
        least = functools.partial(run, min_confidence=scores[objects - 1])
        runs[f"{name}, {int(least()['valid'].sum())} objects"] = least
    return runs


def step_of(name, backbone, size, batch):
    """{name: function} of a training step of all layers on made photos."""
    from mrcnn.architectures.trial import made_photos

    model = model_of(name, backbone, size, "training")
    model.set_trainable("all", verbose=0)
    model.compile(1e-9, model.config.LEARNING_MOMENTUM)
    batches = model.batches(made_photos(batch, (size, size), CLASSES), batch_size=batch, shuffle=False)
    model.before_fit(batches)
    (arrays,) = batches[0]
    return {name: functools.partial(model.training_model.train_on_batch, arrays)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=8)
    parser.add_argument("--train", type=int, metavar="PHOTOS", help="measure a training step of so many")
    options = parser.parse_args()
    from network import best_in_turn

    canvas = np.random.default_rng(0).integers(0, 256, (1, options.size, options.size, 3), np.uint8)
    runs = {}
    for name in options.networks:
        runs.update(step_of(name, options.backbone, options.size, options.train) if options.train else
                    runs_of(name, model_of(name, options.backbone, options.size), canvas))
    best = best_in_turn(list(runs.values()), options.repeat)
    what = f"training step of {options.train} photos, " if options.train else ""
    print(f"{what}{options.size} pixels, {options.backbone}, {CLASSES} classes, best of {options.repeat} turns")
    for title, seconds in zip(runs, best):
        print(f"{title:24} {seconds:7.3f} s   {best[0] / seconds:5.2f} times as fast as the first")


if __name__ == "__main__":
    main()
