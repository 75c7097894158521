"""Drawn people in clothes: labelled pictures without a download, the same on every machine for the same seed.

Each picture carries instance masks of its clothes (visible pixels only), a label map that also knows hair and skin, and
a person mask. Colours and patterns do not depend on the class: shape and place must tell a skirt from pants.
"""

import collections
import os
import threading

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.data.drawn.painting import (
    CLOTHES,
    LABEL_NAMES,
    DrawnPicture,
    Painter,
    chance,
    draw_background,
    draw_obstacle,
    uniform,
)
from mrcnn.data.drawn.person import Person
from mrcnn.data.drawn.words import ATTRIBUTES
from mrcnn.data.formats import writers
from mrcnn.data.formats.written_photos import png_bytes
from mrcnn.errors import DataError

# To draw a picture takes as long as to train on it: those of a training are drawn once, not once in every epoch.
KEPT_BYTES = 2**28  # the 1000 pictures of `mrcnn train` with their labels are 246 MB


class DrawnPeople(Dataset):
    """Drawn people in clothes as a Dataset of the source "drawn": eight classes of clothes with instance masks."""

    embeds_pixels = True  # photo_bytes makes files, of one page each
    label_names = LABEL_NAMES
    attribute_names = dict(enumerate(ATTRIBUTES, start=1))

    def load_drawn(self, count: int, size: tuple[int, int] = (256, 192), seed: int = 0) -> None:
        """Registers `count` pictures; picture i depends on `seed` and i alone, and is drawn when it is asked for.

        Args:
            count: number of pictures.
            size: (height, width) in pixels, at least (32, 24).
            seed: integer >= 0; different seeds give different people.

        Raises:
            DataError: for a count, size or seed out of range.
        """
        height, width = (int(side) for side in size)
        if count < 0 or seed < 0:
            raise DataError(f"count and seed of drawn pictures must not be negative, got count={count}, seed={seed}")
        if height < 32 or width < 24:
            raise DataError(f"drawn pictures need at least 32 x 24 pixels (height x width), got {height} x {width}")
        for class_id, name in enumerate(CLOTHES, start=1):
            self.add_class("drawn", class_id, name)
        for index in range(count):
            name = f"drawn_{seed}_{index:05d}"
            self.add_image("drawn", name, f"{name}.png", width=width, height=height, seed=int(seed), index=index,
                           embedded=True)

    def load_picture(self, image_id: int) -> DrawnPicture:
        """Returns the DrawnPicture of an image id, which the other load methods read: drawn once, arrays read-only."""
        info = self.image_info[image_id]
        return _drawn.picture(info["seed"], info["index"], (info["height"], info["width"]))

    def load_image(self, image_id: int) -> np.ndarray:
        """Returns the picture: uint8 [H, W, 3] RGB."""
        return self.load_picture(image_id).image.copy()

    def photo_bytes(self, image_id: int) -> bytes:
        """Returns the picture as a PNG, for those who write photos that no file has."""
        return png_bytes(self.load_picture(image_id).image)

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns (masks bool [H, W, N], class ids int32 [N]); masks hold visible pixels only and never overlap."""
        picture = self.load_picture(image_id)
        numbers = np.arange(1, len(picture.class_ids) + 1, dtype=np.uint8)
        class_ids = [self.map_source_class_id(f"drawn.{class_id}") for class_id in picture.class_ids]
        return picture.instances[..., None] == numbers, np.array(class_ids, np.int32)

    def object_attributes(self, image_id: int) -> list[list[int]]:
        """Returns the attribute ids of each object of `load_mask`."""
        return [(np.flatnonzero(row) + 1).tolist() for row in self.load_picture(image_id).attributes]

    def load_label_map(self, image_id: int) -> np.ndarray:
        """Returns the label of every pixel, a position in label_names: uint8 [H, W], 0 = background."""
        return self.load_picture(image_id).label_map.copy()

    def load_person_mask(self, image_id: int) -> np.ndarray:
        """Returns where people with their clothes and bags show: bool [H, W]."""
        return self.load_picture(image_id).label_map > 0

    def image_reference(self, image_id: int) -> str:
        """Returns the seed and index that the picture is drawn from."""
        info = self.image_info[image_id]
        return f"drawn picture, seed {info['seed']}, index {info['index']}"


class _Drawn:
    """The pictures that were drawn last, as many as fit into `KEPT_BYTES`."""

    def __init__(self):
        self._lock, self._pictures, self._bytes = threading.Lock(), collections.OrderedDict(), 0

    def picture(self, *key):
        """What draw_picture(*key) gives, drawn now or before."""
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        picture = draw_picture(*key)  # outside of the lock: other threads draw meanwhile
        for array in vars(picture).values():
            array.flags.writeable = False  # all who ask later look at the same
        with self._lock:
            if key not in self._pictures:
                self._pictures[key] = picture
                self._bytes += _size(picture)
            while self._bytes > KEPT_BYTES and len(self._pictures) > 1:
                self._bytes -= _size(self._pictures.popitem(last=False)[1])
        return picture


def _size(picture):
    return picture.image.nbytes + picture.instances.nbytes + picture.label_map.nbytes  # the rest is next to nothing


_drawn = _Drawn()


def draw_picture(seed: int, index: int, size: tuple[int, int] = (256, 192)) -> DrawnPicture:
    """Draws one picture of one or two people.

    Args:
        seed, index: integers >= 0 that decide everything in the picture.
        size: (height, width) in pixels.

    Returns:
        A DrawnPicture.
    """
    # Only .random() and .integers() are used: their streams are the same on every platform.
    rng = np.random.default_rng((seed, index))
    painter = Painter(*size)
    draw_background(painter, rng)
    height, width = size
    pair = chance(rng, 0.25)
    centres = (uniform(rng, 0.24, 0.36), uniform(rng, 0.62, 0.76)) if pair else (uniform(rng, 0.38, 0.62),)
    # Whoever comes later stands in front: shuffle, so that the right one is not always the nearer one.
    for centre in centres if chance(rng, 0.5) else centres[::-1]:
        tall = min(height, 1.45 * width) * uniform(rng, 0.66 if pair else 0.72, 0.95)
        bottom = height * 0.985 - uniform(rng, 0, 1) * max(0.0, height * 0.96 - tall)
        Person(painter, rng, tall, (centre * width, bottom)).draw()
    if chance(rng, 0.25):
        draw_obstacle(painter, rng)
    return painter.finish(rng)


def write_files(dataset: Dataset, folder: str | os.PathLike) -> tuple[str, str]:
    """Writes a DrawnPeople split as files: `images/NAME.png`, `labels/NAME.png` and `instances.json` in COCO form.

    Args:
        dataset: prepared DrawnPeople.
        folder: path, made if it is not there.

    Returns:
        (path of instances.json, path of the image folder). Masks are compressed RLE.
    """
    from PIL import Image

    folder = os.fspath(folder)
    images, labels = os.path.join(folder, "images"), os.path.join(folder, "labels")
    os.makedirs(images, exist_ok=True)
    os.makedirs(labels, exist_ok=True)
    for image_id in dataset.image_ids:
        info, picture = dataset.image_info[image_id], dataset.load_picture(image_id)
        Image.fromarray(picture.image).save(os.path.join(images, info["path"]))
        Image.fromarray(picture.label_map).save(os.path.join(labels, info["path"]))
    path = os.path.join(folder, "instances.json")
    writers.write_coco(dataset, path)
    return path, images
