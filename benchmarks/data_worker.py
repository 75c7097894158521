"""What a core makes of photos with masks in a second: by stage, by augmentation, and with worker threads.

    python benchmarks/data_worker.py --data ../shared/data/ccp

Reads the Clothing Co-Parsing folder: `instances_train.json` in COCO form and `photos/`. Times are processor time of one
core, which other programs change less than the clock, the best of some rounds; throughput is given by both. The last
table compares masks decoded with masks kept as run lengths, on drawn objects in photos of several sizes.
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
from mrcnn.data import augmenters, masks, recipes, run_lengths  # noqa: E402
from mrcnn.data.augmentation import apply_augmentation, compose  # noqa: E402
from mrcnn.data.batches import Batches  # noqa: E402
from mrcnn.data.formats.coco import CocoDataset  # noqa: E402
from mrcnn.data.ground_truth import load_ground_truth  # noqa: E402
from mrcnn.data.images import Window, place_image  # noqa: E402
from mrcnn.data.strips import RunLengthMasks  # noqa: E402


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
    objects = sum(dataset.object_count(i) for i in dataset.image_ids)
    print(f"reading and checking the annotations of {dataset.num_images} photos: {time.perf_counter() - start:.2f} s")
    print(f"{objects / dataset.num_images:.1f} objects a photo, canvas of {arguments.size} pixels\n")
    settings = {
        "NUM_CLASSES": dataset.num_classes, "IMAGE_MIN_DIM": arguments.size, "IMAGE_MAX_DIM": arguments.size,
        "SKIP_EMPTY_IMAGES": False,
    }
    print("milliseconds a photo, processor time of one core")
    for name, stage in stage_functions(dataset, Config(**settings)).items():
        print(f"  {name:52} {per_photo(stage, dataset.image_ids, arguments.rounds):7.2f}")
    print(f"\nphotos a second, as padded batches of {arguments.batch_size}: by the clock, and a core by processor time")
    for name, augmentation in augmentations().items():
        for workers in (1, 4):
            batches = Batches(dataset, Config(WORKERS=workers, **settings), arguments.batch_size,
                              augmentation=augmentation, no_augmentation_sources=None)
            clock, core = throughput(batches)
            print(f"  {name:40} {workers} workers  {clock:7.1f}  {core:7.1f} a core")
    compare_masks()


def augmentations():
    """{name: augmentation}."""
    paste = compose([augmenters.large_scale_jitter(), augmenters.horizontal_flip(), augmenters.copy_paste()])
    named = {
        "none": None,
        "flip": augmenters.horizontal_flip(),
        "large scale jitter, flip, colours": compose(
            [augmenters.large_scale_jitter(), augmenters.horizontal_flip(), augmenters.colour_jitter()]
        ),
        "large scale jitter, flip, copy-paste": paste,
    }
    try:
        named["seed users', on half of the photos"] = recipes.seed_users_augmentation()
        named["seed users', on every photo"] = recipes.seed_users_augmentation(1.0)
    except ImportError as error:
        print(f"left out: {error}")
    return named


def per_photo(function, items, rounds):
    """Milliseconds an item of the fastest round of calling a function on every item, processor time."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        for item in items:
            function(item)
        times.append(time.process_time() - start)
    return min(times) / len(items) * 1000


def throughput(batches):
    """(photos a second by the clock, photos a second of processor time), of all batches but the first."""
    batches[0]
    start, processor = time.perf_counter(), time.process_time()
    photos = sum(len(batches[i][0]["image"]) for i in range(1, len(batches)))
    return photos / (time.perf_counter() - start), photos / (time.process_time() - processor)


def stage_functions(dataset, config):
    """{name: function of an image id} of the stages; what a stage needs of those before it is prepared once."""
    side = config.IMAGE_MAX_DIM
    photos = {i: dataset.load_image(i) for i in dataset.image_ids}
    rles = {i: dataset.load_rles(i)[0] for i in dataset.image_ids}
    objects = {i: RunLengthMasks(rles[i], photos[i].shape[:2]) for i in dataset.image_ids}
    boxes = {i: objects[i].boxes() for i in dataset.image_ids}
    placed = {i: place_image(photos[i], side, side, mode="square") for i in dataset.image_ids}
    full = {i: objects[i].place(boxes[i], placed[i][1]) >= 128 for i in dataset.image_ids}
    stages = {
        "read and decode the photo": dataset.load_image,
        "read the run lengths": lambda i: RunLengthMasks(dataset.load_rles(i)[0], photos[i].shape[:2]),
        "resize and pad the photo": lambda i: place_image(photos[i], side, side, mode="square"),
        "boxes": lambda i: objects[i].boxes(),
        "mini masks": lambda i: objects[i].shrink(boxes[i], config.MINI_MASK_SHAPE),
        "masks on the canvas": lambda i: objects[i].place(boxes[i], placed[i][1]),
    }
    try:
        pipeline = recipes.seed_users_augmentation(1.0)
    except ImportError:
        pipeline = None
    if pipeline is not None:
        none = np.zeros((side, side, 0), bool)
        stages["seed users' augmentation, photo alone"] = lambda i: apply_augmentation(
            pipeline, placed[i][0], none, np.random.default_rng(i)
        )
        stages["seed users' augmentation, photo and masks"] = lambda i: apply_augmentation(
            pipeline, placed[i][0], full[i], np.random.default_rng(i)
        )
    stages["all of load_ground_truth with a flip"] = lambda i: load_ground_truth(
        dataset, config, i, augmenters.horizontal_flip(1), np.random.default_rng(0)
    )
    return stages


# --- Masks decoded, and masks as run lengths -------------------------------------------------------------------------


def compare_masks():
    """Print what boxes with mini masks, and with masks on a canvas of 512, take both ways."""
    print("\nmilliseconds for boxes and mini masks / boxes and masks on a canvas of 512, drawn objects, processor time")
    for height, width, count in ((400, 600, 6), (1000, 1500, 8), (3000, 2000, 8), (3000, 2000, 74), (10717, 7000, 8)):
        rles, shape = drawn_objects(height, width, count), (height, width)
        side = 512 / max(shape)
        window = Window(shape, (512, 512), (round(height * side) / height, round(width * side) / width), (0.0, 0.0))
        results = {}
        for name, mini, place in (
            ("decoded", *decoded_ways(rles, shape, window)), ("run lengths", *run_length_ways(rles, shape, window))
        ):
            results[name] = [fastest(way, 1 if height > 5000 else 3) for way in (mini, place)]
        cells = "   ".join(f"{name} {mini:8.1f} /{place:8.1f}" for name, (mini, place) in results.items())
        print(f"  {height:5} x {width:4}, {count:2} objects   {cells}")


def drawn_objects(height, width, count):
    """Compressed run lengths of jagged ellipses."""
    import cv2

    rng, rles = np.random.default_rng(0), []
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    for _ in range(count):
        radius = 1 + 0.3 * np.sin(angle * rng.integers(2, 9)) + 0.05 * np.sin(angle * 60)
        (cy, cx), (ry, rx) = rng.uniform(0.2, 0.8, 2) * (height, width), rng.uniform(0.03, 0.25, 2) * (height, width)
        corners = np.stack([cx + rx * radius * np.cos(angle), cy + ry * radius * np.sin(angle)], axis=1)
        mask = np.zeros((height, width), np.uint8)
        rles.append(run_lengths.encode(cv2.fillPoly(mask, [corners.astype(np.int32)], 1)))
    return rles


def decoded_ways(rles, shape, window):
    """(boxes and mini masks, boxes and masks on the canvas) as functions, by way of full masks."""

    def mini():
        full = run_lengths.decode_all(rles, shape)
        return masks.shrink_masks(full, masks.mask_boxes(full), (56, 56))

    def place():
        full = run_lengths.decode_all(rles, shape)
        return masks.place_masks(full, masks.mask_boxes(full), window)

    return mini, place


def run_length_ways(rles, shape, window):
    """The same by way of run lengths."""

    def mini():
        objects = RunLengthMasks(rles, shape)
        return objects.shrink(objects.boxes(), (56, 56))

    def place():
        objects = RunLengthMasks(rles, shape)
        return objects.place(objects.boxes(), window)

    return mini, place


def fastest(function, rounds):
    """Milliseconds of the fastest of some calls, processor time."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times) * 1000


if __name__ == "__main__":
    main()
