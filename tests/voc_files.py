"""Folders of PASCAL VOC for the tests: photos of 12 x 16 pixels with two objects."""

import numpy as np
from PIL import Image

from mrcnn.data.formats.label_colours import voc_colours

SIZE = (12, 16)


def object_mask():
    """uint8: object 1 at rows 2 to 6, columns 1 to 5; object 2 at rows 4 to 9, columns 8 to 13; void around the first.
    """
    mask = np.zeros(SIZE, np.uint8)
    mask[1:8, 0:7] = 255
    mask[2:7, 1:6] = 1
    mask[4:10, 8:14] = 2
    return mask


def class_mask(first=15, second=20):
    """uint8: the classes of these objects, VOC's person and tvmonitor."""
    objects = object_mask()
    return np.select([objects == 1, objects == 2, objects == 255], [first, second, 255], 0).astype(np.uint8)


def save_palette(path, values):
    """Write a PNG with VOC's palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values.astype(np.uint8), "P")
    image.putpalette(np.array(voc_colours(), np.uint8).ravel().tolist())
    image.save(path)


def save_colours(path, values, colours):
    """Write a PNG in true colours. colours: {value: (r, g, b)}."""
    pixels = np.zeros((*values.shape, 3), np.uint8)
    for value, colour in colours.items():
        pixels[values == value] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_voc(root, names=("a",), lists=None, photos=True):
    """A folder as VOC's own; lists: {part: names}."""
    for name in names:
        save_palette(root / "SegmentationObject" / f"{name}.png", object_mask())
        save_palette(root / "SegmentationClass" / f"{name}.png", class_mask())
    for name in names if photos else ():
        path = root / "JPEGImages" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIZE, 3), 100, np.uint8)).save(path)
    for part, listed in (lists or {}).items():
        path = root / "ImageSets" / "Segmentation" / f"{part}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(listed) + "\n")
    return root
