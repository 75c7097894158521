"""What tiles are worth on huge photos: AP with them and without, and the memory and time of 70 million pixels.

    python benchmarks/tiles.py --weights FILE --images DIR --annotations FILE [--side 4] [--tiles 512 768]
    python benchmarks/tiles.py --huge FILE [--images DIR --annotations FILE]

The first puts side x side photos into one and looks at that whole, by tiles, and at each photo by itself. The second
looks, with the weights FILE, at a photo of 7000 x 10000 pixels that is made of photos, or of drawn pictures, each way
in a process of its own. The small network of `make train` has only seen one or two people at a time, who fill its
canvas of 128 pixels: it finds less where tiles show parts of several.
"""

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mrcnn.data.dataset import Dataset  # noqa: E402

OVERLAP = 0.25
HUGE = (7000, 10000)
CELL, DRAWN = (500, 400), 350  # height and width of a drawn picture in it, and how many fill it
HUGE_TILE = 512


class Mosaics(Dataset):
    """Photos of another data set, side x side of them in one."""

    def __init__(self, photos, side):
        super().__init__()
        self.photos, self.side = photos, side
        for class_id, info in enumerate(photos.class_info[1:], 1):
            self.add_class("mosaic", class_id, info["name"])
        ids = [int(i) for i in photos.image_ids]
        for start in range(0, len(ids), side * side):
            self.add_image("mosaic", start, f"{start}.png", members=ids[start:start + side * side])
        self.prepare()

    def places(self, image_id):
        """[(id of a member, its top, left)] and (H, W) of the mosaic."""
        members = self.image_info[image_id]["members"]
        shapes = [self.photos.load_image(i).shape[:2] for i in members]
        height, width = np.max(shapes, axis=0)
        places = [(member, k // self.side * height, k % self.side * width) for k, member in enumerate(members)]
        return places, (self.side * height, self.side * width)

    def load_image(self, image_id):
        places, shape = self.places(image_id)
        mosaic = np.full(shape + (3,), 127, np.uint8)
        for member, top, left in places:
            photo = self.photos.load_image(member)
            mosaic[top:top + photo.shape[0], left:left + photo.shape[1]] = photo
        return mosaic

    def load_mask(self, image_id):
        places, shape = self.places(image_id)
        planes, classes = [np.zeros(shape + (0,), bool)], []
        for member, top, left in places:
            masks, class_ids = self.photos.load_mask(member)
            full = np.zeros(shape + (masks.shape[-1],), bool)
            full[top:top + masks.shape[0], left:left + masks.shape[1]] = masks
            planes.append(full)
            classes += list(class_ids)
        return np.concatenate(planes, axis=-1), np.array(classes, np.int32)


# --- AP --------------------------------------------------------------------------------------------------------------


def compare(options):
    """Print AP of each way to look at the mosaics."""
    from mrcnn.data.formats import open_dataset
    from mrcnn.model import MaskRCNN

    photos = open_dataset(options.annotations, options.images, options.limit)
    mosaics = Mosaics(photos, options.side)
    model = MaskRCNN.from_checkpoint(options.weights, DETECTION_MIN_CONFIDENCE=0.05)
    images = [mosaics.load_image(i) for i in mosaics.image_ids]
    side, (height, width) = options.side, images[0].shape[:2]
    print(f"{len(photos.image_ids)} photos in {len(images)} of {side} x {side}, the first {height} x {width} pixels, "
          f"canvas {model.config.IMAGE_MAX_DIM}, overlap {OVERLAP}. Columns: AP, AP50, AP75 of masks, then of boxes; "
          "detections; time against the photos by themselves.")
    size = model.config.BATCH_SIZE
    for few in ([photos.load_image(i) for i in photos.image_ids[:size]], images[:size], images[:1]):
        model.detect(few, rle=True)  # the graph for canvases of their shape is there
    alone, base = timed(lambda: model.detect([photos.load_image(i) for i in photos.image_ids], rle=True))
    tell("each photo by itself", photos, alone, 1)
    whole, seconds = timed(lambda: model.detect(images, rle=True))
    tell("mosaics, whole", mosaics, whole, seconds / base)
    for tile in options.tiles:
        by_tiles(model, mosaics, images, whole, tile, base, seconds)


def by_tiles(model, mosaics, images, whole, tile, base, seconds):
    """Print AP of the mosaics by tiles of one size; whole, seconds: what was found without tiles, and in what time."""
    from mrcnn.inference.tiles import merge_tiles, tile_boxes

    threshold = model.config.DETECTION_NMS_THRESHOLD
    tiles = [tile_boxes(image.shape, tile, OVERLAP) for image in images]
    list(model._in_tiles(images[0], tiles[0][: model.config.BATCH_SIZE], 1.0, False))
    in_tiles, looking = timed(lambda: [list(model._in_tiles(image, boxes, 1.0, False))
                                    for image, boxes in zip(images, tiles)])
    name = f"{len(tiles[0])} tiles of {tile}"
    alone = [suppressed_alone(views, threshold) for views in in_tiles]
    tell(f"{name}, suppression alone", mosaics, alone, looking / base)
    for what, views, cost in (("joined", [None] * len(images), looking),
                              ("joined, and the whole", whole, looking + seconds)):
        merged, merging = timed(lambda views=views: [
            merge_tiles(rows, boxes, image.shape, threshold, view)
            for rows, boxes, image, view in zip(in_tiles, tiles, images, views)
        ])
        tell(f"{name}, {what}", mosaics, merged, (cost + merging) / base)


def timed(work):
    """(what work() returns, its seconds)."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def suppressed_alone(views, threshold):
    """What is found in the tiles, with the usual suppression and no more."""
    from mrcnn.inference.views import suppressed

    names = ("boxes", "class_ids", "scores")
    joined = {name: np.concatenate([view[name] for view in views]) for name in names}
    rles = [rle for view in views for rle in view["rles"]]
    order = np.argsort(-joined["scores"], kind="stable")
    order = order[suppressed(joined["boxes"][order], joined["class_ids"][order], threshold)]
    return {**{name: joined[name][order] for name in names}, "rles": [rles[i] for i in order]}


def tell(name, dataset, detections, cost):
    from mrcnn.evaluation.coco import KINDS, coco_average_precision, ground_truth_from_dataset, results_from_detections

    ids = [int(i) for i in dataset.image_ids]
    truth, results = ground_truth_from_dataset(dataset, ids), []
    for image_id, detection in zip(ids, detections, strict=True):
        results += results_from_detections(dataset, image_id, detection)
    numbers = [coco_average_precision(truth, results, kind) for kind in KINDS]
    line = "  ".join(f"{one[key]:.3f}" for one in numbers for key in ("AP", "AP50", "AP75"))
    print(f"{name:44} {line}  {len(results):5}  {cost:5.2f}", flush=True)


# --- 70 million pixels -----------------------------------------------------------------------------------------------


def pictures_of(options):
    """Generator, without an end, of (uint8 [h, w, 3], bool [h, w, N], class ids [N])."""
    from mrcnn.data.drawn.people import DrawnPeople
    from mrcnn.data.formats import open_dataset

    if options.annotations:
        dataset = open_dataset(options.annotations, options.images, options.limit)
    else:
        dataset = DrawnPeople()
        dataset.load_drawn(DRAWN, CELL, seed=7)
        dataset.prepare()
    for index in itertools.cycle(dataset.image_ids):
        yield dataset.load_image(index), *dataset.load_mask(index)


def huge_photo(pictures):
    """(uint8 [7000, 10000, 3] of pictures side by side, {class id: run lengths of the objects in them})."""
    from mrcnn.data.masks import paste_rle

    photo, objects = np.full(HUGE + (3,), 127, np.uint8), {}
    top = 0
    while top < HUGE[0]:
        left = lowest = 0
        while left < HUGE[1]:
            image, masks, class_ids = next(pictures)
            seen = photo[top:top + image.shape[0], left:left + image.shape[1]]
            seen[:] = image[:seen.shape[0], :seen.shape[1]]
            place = np.array([top, left, top + seen.shape[0], left + seen.shape[1]])
            for mask, class_id in zip(masks.transpose(2, 0, 1)[:, :seen.shape[0], :seen.shape[1]], class_ids):
                if mask.any():
                    objects.setdefault(int(class_id), []).append(paste_rle(mask, place, HUGE))
            left, lowest = left + image.shape[1], max(lowest, image.shape[0])
        top += lowest
    return photo, objects


def matched(result, objects):
    """How many of the objects have a detection of their class with a mask IoU of at least 0.5."""
    from pycocotools import mask as coco_mask

    count = 0
    for class_id, rles in objects.items():
        own = [rle for rle, other in zip(result["rles"], result["class_ids"]) if other == class_id]
        if own:
            count += int((coco_mask.iou(own, rles, [0] * len(rles)).max(axis=0) >= 0.5).sum())
    return count


def look(options):
    """Print, as JSON, what it costs to look at the huge photo in one way."""
    from mrcnn.model import MaskRCNN

    model = MaskRCNN.from_checkpoint(options.huge, DETECTION_MIN_CONFIDENCE=0.5)
    photo, objects = huge_photo(pictures_of(options))
    model.detect([photo[:HUGE_TILE, :HUGE_TILE]] * model.config.BATCH_SIZE, rle=True)  # libraries and graph are there
    before, start = peak(), time.perf_counter()
    if options.way == "whole":
        result = model.detect([photo], rle=True)[0]
    else:
        result = model.detect_tiled([photo], HUGE_TILE, OVERLAP)[0]
    costs = {"seconds": time.perf_counter() - start, "before": before, "peak": peak()}
    runs = sum(len(rle["counts"]) for rle in result["rles"])
    print(json.dumps({**costs, "detections": len(result["scores"]), "runs": runs,
                      "objects": sum(map(len, objects.values())), "matched": matched(result, objects)}))


def peak():
    """GB that the process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def huge(options):
    height, width = HUGE
    what = "photos" if options.annotations else f"{DRAWN} drawn pictures"
    print(f"A photo of {height} x {width} pixels of {what}, score at least 0.5, tiles of {HUGE_TILE}, overlap "
          f"{OVERLAP}:", flush=True)
    for way in ("whole", "tiles"):
        command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{way}: failed: {done.stderr.strip().splitlines()[-1]}", flush=True)
            continue
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        runs, full = figures["runs"] / 1e6, figures["detections"] * height * width / 1e9
        print(f"{way:6} {figures['detections']:5} found, which meet {figures['matched']} of {figures['objects']} "
              f"objects; {figures['seconds']:6.1f} s; peak {figures['peak']:.2f} GB, {figures['before']:.2f} of it "
              f"before with libraries, network and photo; masks {runs:.2f} MB in run lengths, {full:.1f} GB as arrays",
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights")
    parser.add_argument("--images")
    parser.add_argument("--annotations")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--side", type=int, default=4)
    parser.add_argument("--tiles", type=int, nargs="+", default=[512, 768])
    parser.add_argument("--huge", metavar="WEIGHTS")
    parser.add_argument("--way", choices=["whole", "tiles"])
    options = parser.parse_args()
    if options.way:
        look(options)
    elif options.huge:
        huge(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
