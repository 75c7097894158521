"""Pictures given as arrays, for tests of what is made of a data set."""

import threading

import numpy as np

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset


class Pictures(Dataset):
    """Pictures given as (photo, masks, class ids); `broken` lists the ids whose photo cannot be loaded."""

    def __init__(self, pictures, classes=3, source="made"):
        super().__init__()
        self.pictures, self.broken, self.threads = pictures, {}, set()
        for class_id in range(1, classes + 1):
            self.add_class(source, class_id, f"class {class_id}")
        for i in range(len(pictures)):
            self.add_image(source, i, f"folder/picture{i}.png")
        self.prepare()

    def load_image(self, image_id):
        self.threads.add(threading.current_thread().name)
        if image_id in self.broken:
            raise self.broken[image_id]
        return self.pictures[image_id][0]

    def load_mask(self, image_id):
        return self.pictures[image_id][1:]


def rectangles(shape, boxes, class_ids, seed=0):
    """(photo of noise, masks that fill the boxes, class ids)."""
    masks = np.zeros(shape + (len(boxes),), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    photo = np.random.default_rng(seed).integers(0, 256, shape + (3,), dtype=np.uint8)
    return photo, masks, np.array(class_ids, np.int32)


def ellipses(shape, count, seed=0):
    """(picture that shows the first three masks as its channels, masks, class ids) of random ellipses."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape) + 0.5
    masks = []
    for _ in range(count):
        cy, cx = rng.uniform(0.1, 0.9, 2) * shape
        ry, rx = rng.uniform(0.05, 0.3, 2) * shape
        masks.append(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1)
    masks = np.stack(masks, axis=-1)
    return masks[..., :3].astype(np.uint8) * 255, masks, np.array([1 + i % 3 for i in range(count)], np.int32)


def settings(**overrides):
    values = {
        "NUM_CLASSES": 4, "IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 64, "MAX_GT_INSTANCES": 5, "IMAGES_PER_GPU": 2,
        "MINI_MASK_SHAPE": (8, 8), "WORKERS": 0, **overrides,
    }
    return Config(**values)


def plain(count):
    """Pictures that differ in their first pixel alone, which holds their id; one object each."""
    pictures = []
    for i in range(count):
        photo = np.zeros((64, 64, 3), np.uint8)
        photo[0, 0] = i
        pictures.append((photo, np.ones((64, 64, 1), bool), np.array([1])))
    return Pictures(pictures)


def ids_in(batch):
    return batch["image"][:, 0, 0, 0].tolist()
