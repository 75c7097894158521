"""LabelMe's files: shapes, masks as text, and folders of them, for the tests of their reader."""

import base64
import io
import json
import struct
import zlib

import numpy as np
from PIL import Image

from mrcnn.data.formats.labelme import LabelmeDataset

HEIGHT, WIDTH = 24, 32
SQUARE = [[4, 6], [14, 6], [14, 11], [4, 11]]  # rows 6 to 10, columns 4 to 13
BUMP = np.array([[0, 1, 0], [1, 1, 1]], bool)


def rectangle(y1, x1, y2, x2):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def shape(kind="polygon", points=SQUARE, label="hat", group_id=None, **more):
    return {"label": label, "points": points, "group_id": group_id, "shape_type": kind, "flags": {}, **more}


def text_of(pixels, form="PNG", **options):
    """Base64 text of an image file of some pixels."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return base64.b64encode(file.getvalue()).decode()


def mask_shape(pixels=BUMP, points=((5, 7), (7, 8)), **more):
    return shape("mask", points, mask=pixels if isinstance(pixels, str) else text_of(pixels), **more)


def write_photos(folder):
    """Writes the two photos of a folder, a.jpg and b.jpg; returns the folder."""
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / name)
    return folder


def write(folder, shapes, stem="a", **edits):
    """Writes a file as LabelMe 5 does; returns the folder."""
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": f"{stem}.jpg", "imageData": None,
               "imageHeight": HEIGHT, "imageWidth": WIDTH, **edits}
    (folder / f"{stem}.json").write_text(json.dumps(content))
    return folder


def load(path, **options):
    """The data set of a folder, of rectangles alone too."""
    dataset = LabelmeDataset().load(path, **{"boxes_as_masks": True, **options})
    dataset.prepare()
    return dataset


def bomb(height, width):
    """Base64 text of a PNG whose header tells of a giant."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0" * 99)), chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()
