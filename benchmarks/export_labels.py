"""Exported files of label maps against their networks: probabilities, labels, size and time, photo by photo in turn.

    python benchmarks/export_labels.py --images DIR [--size 320] [--limit 3] [--weights FILE]

Without --weights each architecture is looked at with random weights whose last layer is scaled until logits deviate by
3 on a photo, so that pixels are as sure of their class as those of a trained network.
"""

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

ENDINGS = {"savedmodel": "", "onnx": ".onnx", "litert": ".tflite"}
NETWORKS = ("deeplabv3", "deeplabv3plus", "unet", "u2net", "u2netp")


def with_random_weights(name, size, folder, photo):
    """The network of a name, sure of what it says."""
    import keras

    from mrcnn import architectures

    architecture = architectures.class_of(name)
    own = {} if architecture.settings.BACKBONE == "own" else {"BACKBONE": "resnet50"}
    config = architecture.settings(NAME="export", NUM_CLASSES=8, NORM="group", IMAGE_MIN_DIM=0, IMAGE_MAX_DIM=size,
                                   **own)
    model = architecture("inference", config, folder)
    network = model.inference_model
    logits = keras.Model(network.input, network.get_layer("probabilities").input)
    layer = network.get_layer("label_logits")
    canvas, _ = model.place(photo)
    spread = keras.ops.convert_to_numpy(logits({"image": canvas[None].astype("float32")}, training=False)).std()
    layer.kernel.assign(layer.kernel * (3 / spread))
    return model


def look(title, model, photos):
    """Print a line for each format of a network: file, difference, other labels, and its time against Keras'."""
    from mrcnn.export.files import FORMATS, export
    from mrcnn.export.parity import place

    runs, told = {"keras": lambda inputs: model.predict(inputs["image"], np_window(inputs))}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, ending in ENDINGS.items():
            path = os.path.join(folder, name + ending)
            with contextlib.redirect_stdout(io.StringIO()) as line:
                about = export(model, path, name, photos=photos)
            size = line.getvalue().partition(": ")[2].partition(";")[0]
            told[name], runs[name] = (size, about["checked"]), FORMATS[name].open(path)
        seconds = {name: [] for name in runs}
        for index, photo in enumerate([photos[0], *photos]):
            canvas, _ = place(photo, tuple(about["canvas"].values()), about["resize"])
            for name, run in runs.items():
                start = time.perf_counter()
                run({"image": canvas[None]})
                if index:  # the first time each sets up more than it computes
                    seconds[name].append(time.perf_counter() - start)
    usual = statistics.median(seconds["keras"])
    for name, (size, checked) in told.items():
        print(f"{title:14} {name:10} {size:>9}  difference {checked['largest_difference']:.1e}  other labels "
              f"{checked['other_labels']:.4%}  classes {checked['classes']}  time "
              f"{statistics.median(seconds[name]) / usual:.2f}", flush=True)


def np_window(inputs):
    """The whole canvas, which networks of label maps do not look at."""
    import numpy as np

    return np.array([[0, 0, *inputs["image"].shape[1:3]]], "float32")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", required=True)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--limit", type=int, default=3)
    parser.add_argument("--weights")
    parser.add_argument("--only", nargs="+", default=NETWORKS)
    options = parser.parse_args()
    from mrcnn import architectures
    from mrcnn.commands.photos import list_photos
    from mrcnn.data.images import load_image

    photos = [load_image(path) for path in list_photos(options.images)[:options.limit]]
    weights = "trained" if options.weights else "random"
    print(f"{len(photos)} photos, {weights} weights; time: median of a canvas against Keras in this run.")
    with tempfile.TemporaryDirectory() as folder:
        if options.weights:
            model = architectures.load(options.weights, folder, IMAGES_PER_GPU=1)
            look(model.architecture_name(), model, photos)
        else:
            for name in options.only:
                look(name, with_random_weights(name, options.size, folder, photos[0]), photos)


if __name__ == "__main__":
    main()
