"""Time from soft masks to AP: pasting and run-length encoding, and the evaluation after it.

    python benchmarks/evaluation.py                  5,000 photos of 640x480 with 100 detections each
    python benchmarks/evaluation.py --images 500

Photos and detections are made up: 10 true objects a photo, whose outlines are soft 28x28 masks pasted at their boxes;
of each two detections at shaken boxes, and 80 at random ones. All on one thread, but for faster-coco-eval, which starts
its own.
"""

import argparse
import importlib.util
import os
import sys
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402

from mrcnn.data.masks import paste_masks, paste_rle  # noqa: E402
from mrcnn.data.run_lengths import encode as rle_encode  # noqa: E402
from mrcnn.evaluation import coco  # noqa: E402
from mrcnn.evaluation.comparison import read_comparison  # noqa: E402
from mrcnn.evaluation.evaluate import measure  # noqa: E402

SHAPE = (480, 640)  # height, width
CELLS = 28
CLASSES = 13
OBJECTS, COPIES, DETECTIONS = 10, 2, 100  # a photo


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--compared", type=int, default=5, help="photos on which ways of pasting are compared")
    parser.add_argument("--rounds", type=int, default=5, help="of which the fastest counts")
    parser.add_argument("--all-figures", action="store_true", help="also time all that `evaluate` reports")
    arguments = parser.parse_args()
    import cv2

    cv2.setNumThreads(1)
    outlines = soft_outlines(np.random.default_rng(0))
    compare_pasting([made_photo(i, outlines) for i in range(arguments.compared)], arguments.rounds)
    truth, results = paste_all(arguments.images, outlines)
    start = time.perf_counter()
    comparison = read_comparison(truth, results, "segm")
    print(f"{'checking the results':58} {time.perf_counter() - start:7.1f} s")
    for fast, name in ((False, "pycocotools"), (True, "faster-coco-eval")):
        if fast and importlib.util.find_spec("faster_coco_eval") is None:
            print("faster-coco-eval is not installed")
            continue
        start = time.perf_counter()
        values = coco.twelve_numbers(coco.coco_evaluation(comparison, fast))
        name = f"the 12 numbers by {name}: AP {values['AP']:.4f}"
        print(f"{name:58} {time.perf_counter() - start:7.1f} s")
    if arguments.all_figures:
        start = time.perf_counter()
        measure(truth, results)
        print(f"{'all figures of masks and boxes, checking included':58} {time.perf_counter() - start:7.1f} s")


# --- Made-up photos --------------------------------------------------------------------------------------------------


def soft_outlines(rng, count=256):
    """float32 [count, 28, 28] of soft, bent ellipses that reach the sides of their boxes."""
    y, x = (np.indices((CELLS, CELLS)) + 0.5) / CELLS * 2 - 1
    angle = np.arctan2(y, x)
    outlines = []
    for _ in range(count):
        radius = 0.95 + 0.08 * np.sin(rng.integers(2, 7) * angle + rng.uniform(0, 7))
        outlines.append(1 / (1 + np.exp((np.hypot(y, x) / radius - 1) * rng.uniform(8, 25))))
    return np.array(outlines, np.float32)


def made_photo(number, outlines):
    """(true objects, detections) of one photo, each as (outlines [N, 28, 28], boxes [N, 4], class ids, scores)."""
    rng = np.random.default_rng([1, number])
    boxes = random_boxes(rng, OBJECTS)
    chosen, classes = rng.integers(len(outlines), size=OBJECTS), rng.integers(CLASSES, size=OBJECTS)
    copied = np.repeat(np.arange(OBJECTS), COPIES)
    sides = np.tile(boxes[copied, 2:] - boxes[copied, :2], 2)
    shaken = boxes[copied] + rng.normal(0, 0.04, (len(copied), 4)) * sides
    others = DETECTIONS - len(copied)
    found_boxes = np.concatenate([shaken, random_boxes(rng, others)])
    found_chosen = np.concatenate([chosen[copied], rng.integers(len(outlines), size=others)])
    found_classes = np.concatenate([classes[copied], rng.integers(CLASSES, size=others)])
    scores = np.concatenate([rng.beta(4, 2, len(copied)), rng.beta(1, 6, others)])
    true = outlines[chosen], boxes, classes, np.ones(OBJECTS)
    return true, (outlines[found_chosen], found_boxes, found_classes, scores)


def random_boxes(rng, count):
    """float [count, 4] within the photo, sides of 16 to 320 pixels, as many small ones as large ones."""
    sides = np.exp(rng.uniform(np.log(16), np.log(320), (count, 2)))
    corners = rng.random((count, 2)) * (np.array(SHAPE) - sides)
    return np.concatenate([corners, corners + sides], axis=1)


# --- Pasting ---------------------------------------------------------------------------------------------------------


def by_box(mask, box):
    """What `detect(rle=True)` does."""
    return paste_rle(mask, box, SHAPE)


def by_full_float_mask(mask, box):
    """The same values, but on a full-size float mask that is halved and encoded whole."""
    return rle_encode(paste_masks(mask[None], box[None], SHAPE, threshold=None)[..., 0] >= 0.5)


def by_resized_float_mask(mask, box):
    """The usual way: OpenCV resizes the mask to its rounded box, in a full-size float mask."""
    import cv2

    y1, x1, y2, x2 = np.clip(np.round(box), 0, [*SHAPE, *SHAPE]).astype(int)
    full = np.zeros(SHAPE, np.float32)
    if y2 > y1 and x2 > x1:
        full[y1:y2, x1:x2] = cv2.resize(mask, (int(x2 - x1), int(y2 - y1)))
    return rle_encode(full >= 0.5)


def compare_pasting(photos, rounds):
    """Print the time a mask of three ways of pasting, in turns, and check that the first two agree."""
    masks = [pair for _, (outlines, boxes, _, _) in photos for pair in zip(outlines, boxes)]
    assert all(by_box(*pair) == by_full_float_mask(*pair) for pair in masks)
    ways = {
        "paste and RLE in the box alone": by_box,
        "full-size float masks one by one": by_full_float_mask,
        "full-size float masks one by one, by cv2.resize": by_resized_float_mask,
    }
    times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            for mask, box in masks:
                way(mask, box)
            times[name].append((time.perf_counter() - start) / len(masks) * 1e6)
    own = min(next(iter(times.values())))
    print(f"{len(masks)} soft masks of {CELLS}x{CELLS} in photos of {SHAPE[1]}x{SHAPE[0]}, boxes of 16 to 320 pixels:")
    for name, values in times.items():
        print(f"{name:50} {min(values):7.1f} us a mask, ratio {min(values) / own:.2f}")


def paste_all(images, outlines):
    """(COCO ground truth, COCO results) of made-up photos; prints the time that pasting the detections takes."""
    truth = {"images": [], "annotations": [], "categories": [{"id": i, "name": f"class {i}"} for i in range(CLASSES)]}
    results, pasting = [], 0.0
    for number in range(images):
        true, detected = made_photo(number, outlines)
        truth["images"].append({"id": number, "height": SHAPE[0], "width": SHAPE[1]})
        for entry in entries(number, *true, [by_box(*pair) for pair in zip(true[0], true[1])]):
            truth["annotations"].append({**entry, "id": len(truth["annotations"]) + 1, "iscrowd": 0})
        start = time.perf_counter()
        rles = [by_box(*pair) for pair in zip(detected[0], detected[1])]
        pasting += time.perf_counter() - start
        results += entries(number, *detected, rles)
    name = f"pasting and encoding {len(results)} detections in {images} photos"
    print(f"{name:58} {pasting:7.1f} s, {pasting / images * 1000:.1f} ms a photo")
    return truth, results


def entries(number, _, boxes, classes, scores, rles):
    """COCO entries of one photo."""
    return [
        {"image_id": number, "category_id": int(class_id), "score": float(score), "segmentation": rle,
         "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)]}
        for (y1, x1, y2, x2), class_id, score, rle in zip(boxes, classes, scores, rles)
    ]


if __name__ == "__main__":
    main()
