"""What ASPECT_BUCKETS saves in padding, and what REPEAT_THRESHOLD makes a pass show of each class.

    python benchmarks/batches.py --data ../shared/data/ccp

Reads Clothing Co-Parsing: `instances_train.json` in COCO form and `photos/`. These photos, all of one size,
and made ones of many sizes go onto rectangles of 512 pixels in batches of 4. Padding is what batches hold beside the
photos themselves, over 20 passes: on each photo's own canvas, and up to the largest canvas of its batch.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402

from mrcnn.config import Config  # noqa: E402
from mrcnn.data.batches import Batches  # noqa: E402
from mrcnn.data.dataset import Dataset  # noqa: E402
from mrcnn.data.formats.coco import CocoDataset  # noqa: E402
from mrcnn.data.images import planned_window  # noqa: E402
from mrcnn.files import text_table  # noqa: E402

PASSES = 20
SIDE = 512
THRESHOLDS = (0.0, 0.05, 0.1, 0.2, 0.4)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="../shared/data/ccp", help="folder of Clothing Co-Parsing")
    arguments = parser.parse_args()
    ccp = CocoDataset()
    ccp.load_coco(*(os.path.join(arguments.data, name) for name in ("instances_train.json", "photos")))
    ccp.prepare()
    rows = [["photos", "order", "padding", "of it to the batch's largest", "pixels (squares 1)"]]
    for name, dataset in (("Clothing Co-Parsing", ccp), ("made: half tall, half wide", made_photos())):
        for mode, buckets in (("square", False), ("rectangle", False), ("rectangle", True)):
            rows.append([name, mode + (", buckets" if buckets else ""), *padding(dataset, mode, buckets)])
    print(text_table(rows))
    print(f"\nobjects of each class that a pass shows, mean of {PASSES} passes, by REPEAT_THRESHOLD")
    print(repetition_table(ccp))


def settings(dataset, **options):
    """A Config for the data set."""
    return Config(NUM_CLASSES=dataset.num_classes, IMAGE_MIN_DIM=None, IMAGE_MAX_DIM=SIDE, IMAGES_PER_GPU=4, WORKERS=0,
                  **options)


def made_photos(count=600, seed=0):
    """Photos of the shapes that cameras and telephones give, half of them upright; they have a size alone."""
    rng = np.random.default_rng(seed)
    dataset = Dataset()
    dataset.add_class("made", 1, "thing")
    for index in range(count):
        sides = [1600, int(1600 / rng.choice([4 / 3, 3 / 2, 16 / 9, 1.0], p=[0.4, 0.35, 0.2, 0.05]))]
        height, width = sides if index % 2 else sides[::-1]
        dataset.add_image("made", index, None, height=height, width=width)
    dataset.prepare()
    return dataset


def padding(dataset, mode, buckets):
    """[share of padding, share up to the largest canvas of a batch, pixels against squares] as text."""
    config = settings(dataset, IMAGE_RESIZE_MODE=mode, ASPECT_BUCKETS=buckets)
    batches = Batches(dataset, config)
    photos = canvases = total = squares = 0
    for batches.epoch in range(PASSES):
        for index in range(len(batches)):
            windows = [window_of(dataset, image_id, config) for image_id in batches.image_ids_of(index)]
            shapes = np.array([window.canvas_shape for window in windows])
            photos += sum((window.box[2] - window.box[0]) * (window.box[3] - window.box[1]) for window in windows)
            canvases += shapes.prod(axis=1).sum()
            total += len(windows) * shapes.max(axis=0).prod()
            squares += len(windows) * SIDE * SIDE
    return [f"{100 * (1 - photos / total):.1f} %", f"{100 * (1 - canvases / total):.1f} %", f"{total / squares:.3f}"]


def window_of(dataset, image_id, config):
    info = dataset.image_info[image_id]
    return planned_window((info["height"], info["width"]), config)


def repetition_table(dataset):
    """Rows of classes, the rarest last, and the length of a pass."""
    shown, lengths = [], []
    for threshold in THRESHOLDS:
        batches = Batches(dataset, settings(dataset, REPEAT_THRESHOLD=threshold))
        of_photo = batches._photo_counts()
        counts = np.zeros(dataset.num_classes - 1)
        for batches.epoch in range(PASSES):
            for index in range(len(batches)):
                counts += of_photo[batches.image_ids_of(index)].sum(axis=0)
        shown.append(counts / PASSES)
        lengths.append(batches._passes.length)
    photos = (of_photo > 0).sum(axis=0)
    shown = np.array(shown)
    rows = [["class", "photos", *(f"t = {threshold:g}" for threshold in THRESHOLDS)]]
    for index in np.argsort(-shown[0], kind="stable"):
        name = dataset.class_names[index + 1]
        rows.append([name, int(photos[index]), *(f"{value:.0f}" for value in shown[:, index])])
    rows.append(["photos of a pass", len(dataset.image_ids), *map(str, lengths)])
    rows.append(["most over least", "", *(f"{row.max() / row.min():.1f}" for row in shown)])
    return text_table(rows)


if __name__ == "__main__":
    main()
