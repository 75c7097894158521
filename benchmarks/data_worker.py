"""Time a data worker needs for one photo with its masks and a flip, on one core.

    python benchmarks/data_worker.py --data ../shared/data/ccp

Reads the Clothing Co-Parsing folder: `instances_train.json` in COCO form and `photos/`. Prints milliseconds a photo,
the best of some rounds, by stage and as a whole.
"""

import argparse
import os
import sys
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402

from mrcnn.config import Config  # noqa: E402
from mrcnn.data.augmentation import horizontal_flip  # noqa: E402
from mrcnn.data.batches import Batches, load_ground_truth  # noqa: E402
from mrcnn.data.formats.coco import CocoDataset  # noqa: E402
from mrcnn.data.images import place_image  # noqa: E402
from mrcnn.data.masks import mask_boxes, shrink_masks  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="../shared/data/ccp", help="folder of Clothing Co-Parsing")
    parser.add_argument("--split", default="train", choices=("train", "val"))
    parser.add_argument("--size", type=int, default=512, help="side of the canvas, pixels")
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    import cv2

    cv2.setNumThreads(1)
    dataset = CocoDataset()
    annotations = os.path.join(arguments.data, f"instances_{arguments.split}.json")
    start = time.perf_counter()
    dataset.load_coco(annotations, os.path.join(arguments.data, "photos"), limit=arguments.photos)
    dataset.prepare()
    print(f"reading and checking the annotations of {dataset.num_images} photos: {time.perf_counter() - start:.2f} s")
    config = Config(
        NUM_CLASSES=dataset.num_classes, IMAGE_MIN_DIM=arguments.size, IMAGE_MAX_DIM=arguments.size, WORKERS=0
    )
    batches = Batches(dataset, config, arguments.batch_size, augmentation=horizontal_flip(0.5))
    stages = stage_functions(dataset, config)
    stages["load_ground_truth with a flip"] = lambda i: load_ground_truth(
        dataset, config, i, horizontal_flip(1), np.random.default_rng(0)
    )
    count, rounds = dataset.num_images, arguments.rounds
    for name, stage in stages.items():
        print(f"{name:34} {per_photo(stage, dataset.image_ids, count, rounds):6.2f} ms")
    whole = per_photo(batches.__getitem__, range(len(batches)), count, rounds)
    name = f"all, as padded batches of {arguments.batch_size}"
    print(f"{name:34} {whole:6.2f} ms a photo of {arguments.size} pixels")


def per_photo(function, items, count, rounds):
    """Milliseconds a photo of the fastest round of calling a function on every item."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for item in items:
            function(item)
        times.append(time.perf_counter() - start)
    return min(times) / count * 1000


def stage_functions(dataset, config):
    """{name: function of an image id} of the stages; what a stage needs of those before it is prepared once."""
    side = config.IMAGE_MAX_DIM
    photos = {i: dataset.load_image(i) for i in dataset.image_ids}
    masks = {i: dataset.load_mask(i)[0] for i in dataset.image_ids}
    boxes = {i: mask_boxes(masks[i]) for i in dataset.image_ids}
    return {
        "  read and decode the photo": dataset.load_image,
        "  decode the masks": dataset.load_mask,
        "  resize and pad the photo": lambda i: place_image(photos[i], side, side, mode="square"),
        "  boxes": lambda i: mask_boxes(masks[i]),
        "  mini masks": lambda i: shrink_masks(masks[i], boxes[i], config.MINI_MASK_SHAPE),
    }


if __name__ == "__main__":
    main()
