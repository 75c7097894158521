"""Photos of people in clothes of one colour each, and a model that finds them exactly."""

import os
import time
from types import SimpleNamespace

import numpy as np
from PIL import Image

from mrcnn.data import run_lengths

CLASSES = ["BG", "person", "shirt", "skirt"]
BODY, COLOURS = (120, 120, 120), {"shirt": (200, 30, 30), "skirt": (30, 30, 200)}
SHAPE, WIDTH = (40, 60), 30  # of a photo; columns of a person


def photo_of(people):
    """uint8 [40, 60, 3] of up to two people, each a tuple of names of garments."""
    image = np.full((*SHAPE, 3), 255, np.uint8)
    for number, garments in enumerate(people):
        left = WIDTH * number
        image[5:38, left + 8:left + 22] = BODY
        for name, rows in (("shirt", slice(8, 20)), ("skirt", slice(20, 30))):
            if name in garments:
                image[rows, left + 6:left + 24] = COLOURS[name]
    return image


def write_photos(folder, count, seed=0):
    """Photos photo-00.png ... of people dressed by chance, every fifth of nobody; {name: its people}."""
    rng, people_of = np.random.default_rng(seed), {}
    os.makedirs(folder, exist_ok=True)
    for number in range(count):
        people = [tuple(name for name in COLOURS if rng.random() < 0.7) for _ in range(rng.integers(1, 3))]
        people_of[f"photo-{number:02d}.png"] = people if number % 5 else []
    for name, people in people_of.items():
        Image.fromarray(photo_of(people)).save(os.path.join(folder, name))
    return people_of


class GarmentFinder:
    """A model that finds the people of `photo_of` and their garments.

    Args:
        delay: seconds that it takes for a photo.
        batch: BATCH_SIZE.
    """

    def __init__(self, delay=0.0, batch=2):
        self.class_names, self.delay, self.seen = list(CLASSES), delay, 0
        self.config = SimpleNamespace(BATCH_SIZE=batch, NUM_CLASSES=len(CLASSES))

    def detect(self, images, rle=False):
        assert rle
        return [self.find(image) for image in images]

    def find(self, image):
        time.sleep(self.delay)
        self.seen += 1
        masks = []
        for left in range(0, image.shape[1], WIDTH):
            part = np.zeros(image.shape[:2], bool)
            part[:, left:left + WIDTH] = True
            masks.append((1, part & (image < 255).any(axis=2)))
            masks += [(CLASSES.index(name), part & (image == colour).all(axis=2)) for name, colour in COLOURS.items()]
        masks = [(class_id, mask) for class_id, mask in masks if mask.any()]
        boxes = [[*np.argwhere(mask).min(axis=0), *(np.argwhere(mask).max(axis=0) + 1)] for _, mask in masks]
        return {"boxes": np.float32(boxes).reshape(-1, 4), "scores": np.full(len(masks), 0.75, np.float32),
                "class_ids": np.array([class_id for class_id, _ in masks], int),
                "rles": [run_lengths.encode(mask) for _, mask in masks]}


def rows_of(folder):
    """All rows of a collection, in the order of its shards."""
    import pyarrow.parquet

    names = sorted(name for name in os.listdir(folder) if name.endswith(".parquet"))
    return [row for name in names for row in pyarrow.parquet.read_table(os.path.join(folder, name)).to_pylist()]


def expected_counts(people_of):
    """{photo: number of objects} of what `write_photos` gave."""
    return {name: sum(1 + len(garments) for garments in people) for name, people in people_of.items()}


def counts_of(rows):
    """{photo: number of objects} of rows; asserts that a photo without objects has one row."""
    counts = {}
    for row in rows:
        assert row["object"] is not None or row["photo"] not in counts
        counts[row["photo"]] = counts.get(row["photo"], 0) + (row["object"] is not None)
    return counts


def write_collection(folder, count, shard_size=256, seed=0, identity=None):
    """Photos in folder/photos, labelled in folder/out by `GarmentFinder`; {name: its people}."""
    from mrcnn.collections.local_engine import label_here
    from mrcnn.collections.plan import opened
    from mrcnn.collections.shards import Job

    people_of, root = write_photos(os.path.join(folder, "photos"), count, seed), os.path.join(folder, "photos")
    with opened(os.path.join(folder, "out"), os.path.realpath(root), identity or {}) as plan:
        plan.add(sorted(people_of), shard_size)
        label_here(plan, plan.missing(), Job(os.path.realpath(root), plan.key), GarmentFinder, lambda *done: None)
    return people_of
