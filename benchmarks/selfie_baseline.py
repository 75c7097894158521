"""A person model that costs nothing, as a baseline for label maps of person and background.

    npm pack @mediapipe/selfie_segmentation@0.1.1675465747 && tar xzf mediapipe-selfie_segmentation-*.tgz
    python benchmarks/selfie_baseline.py package/selfie_segmentation.tflite

It was trained on none of these photos. A photo is stretched to the model's 256x256 pixels, its probabilities to the
photo's size; a person is where they are above a half. Pixels are pooled over all photos as `evaluate --pixels` does.
"""

import argparse
import os
import sys
import time
import warnings

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mrcnn.data.annotated import photo_name  # noqa: E402
from mrcnn.data.formats import open_dataset  # noqa: E402
from mrcnn.data.images import resize_pixels  # noqa: E402
from mrcnn.data.label_samples import true_label_map  # noqa: E402
from mrcnn.evaluation.pixels import PixelConfusion  # noqa: E402
from mrcnn.files import read_json  # noqa: E402

WAYS = {"one view": (False,), "and a mirrored one": (False, True)}


def opened(path):
    """Function of a canvas float32 [h, w, 3] 0..1 that gives the probability of a person [h, w]; (h, w)."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own says that it will go
        interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    given, told = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(canvas):
        interpreter.set_tensor(given["index"], canvas[None])
        interpreter.invoke()
        return interpreter.get_tensor(told["index"])[0, ..., 0]

    return run, tuple(int(side) for side in given["shape"][1:3])


def labelled(run, size, image, flips):
    """The label map uint8 [H, W] of a photo: 1 is a person."""
    canvas = resize_pixels(image, size).astype(np.float32) / 255
    views = [run(np.ascontiguousarray(canvas[:, ::-1]))[:, ::-1] if flip else run(canvas) for flip in flips]
    return (resize_pixels(np.mean(views, axis=0), image.shape[:2]) > 0.5).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="selfie_segmentation.tflite of the npm package @mediapipe/selfie_segmentation")
    parser.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "data", "ccp"), metavar="DIR",
                        help="Clothing Co-Parsing (default: ../shared/data/ccp)")
    parser.add_argument("--part", choices=("train", "val"), default="val")
    parser.add_argument("--limit", type=int, help="take the first so many photos")
    options = parser.parse_args()
    run, size = opened(options.model)
    dataset = open_dataset(os.path.join(options.data, "labels"), os.path.join(options.data, "photos"),
                           mapping="ccp-person")
    numbers = read_json(os.path.join(options.data, "splits.json"), "split")[options.part]
    part = {f"{number:04}.jpg" for number in numbers}
    ids = [i for i in dataset.image_ids if photo_name(dataset, i) in part][: options.limit]
    print(f"Clothing Co-Parsing {options.part}, {len(ids)} photos, {os.path.basename(options.model)}\n")
    print(f"{'':20}  person IoU  background IoU    mean  boundary F  ms/photo of one core")
    for way, flips in WAYS.items():
        confusion, seconds = PixelConfusion(dataset.class_names), 0.0
        for image_id in ids:
            image = dataset.load_image(image_id)
            start = time.process_time()
            labels = labelled(run, size, image, flips)
            seconds += time.process_time() - start
            confusion.add(true_label_map(dataset, image_id), labels, photo_name(dataset, image_id))
        figures = confusion.metrics()
        background, person = (entry["iou"] for entry in figures["classes"])
        print(f"{way:20}{person:12.4f}{background:16.4f}{figures['mean_iou']:8.4f}{figures['mean_boundary_f']:12.4f}"
              f"{1000 * seconds / len(ids):10.1f}")


if __name__ == "__main__":
    main()
