"""A small file of COCO's form and its photos, for the tests of its reader."""

import copy
import json

import numpy as np
from PIL import Image

from mrcnn.data.formats.coco import CocoDataset
from mrcnn.data.run_lengths import encode as rle_encode

HEIGHT, WIDTH = 20, 30


def rectangle(y1, x1, y2, x2):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def corners(y1, x1, y2, x2):
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def runs(mask):
    """COCO's uncompressed run lengths, by their definition."""
    flat = mask.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return ([0] if flat[0] else []) + lengths


# Category ids are sparse and out of order; the annotations use all four ways to write a mask.
CONTENT = {
    "images": [
        {"id": 900, "file_name": "b.png", "height": HEIGHT, "width": WIDTH},
        {"id": 4, "file_name": "sub/a.png", "height": HEIGHT, "width": WIDTH},
        {"id": 7, "file_name": "empty.png", "height": HEIGHT, "width": WIDTH},
    ],
    "categories": [{"id": 100, "name": "shoe"}, {"id": 2, "name": "coat"}, {"id": 31, "name": "bag, purse"}],
    "annotations": [
        {"id": 1, "image_id": 4, "category_id": 31, "segmentation": [corners(2, 3, 8, 9)]},
        {"id": 2, "image_id": 4, "category_id": 2, "iscrowd": 0,
         "segmentation": [corners(0, 0, 4, 4), corners(10, 20, 20, 30)]},
        {"id": 3, "image_id": 900, "category_id": 100, "segmentation": rle_encode(rectangle(5, 5, 9, 25))},
        {"id": 4, "image_id": 4, "category_id": 100, "iscrowd": 1,
         "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs(rectangle(0, 0, 20, 2))}},
    ],
}


def writer(tmp_path):
    """Writes photos; returns a function that writes a JSON of content and gives the two paths that load_coco takes."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.png", "sub/a.png", "empty.png"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / name)

    def write(content):
        path = tmp_path / "instances.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path), str(folder)

    return write


def load(paths, **options):
    dataset = CocoDataset()
    dataset.load_coco(*paths, **options)
    dataset.prepare()
    return dataset


def changed(**edits):
    """CONTENT with edits such as annotations__0__category_id=5."""
    content = copy.deepcopy(CONTENT)
    for path, value in edits.items():
        *way, last = [int(part) if part.isdigit() else part for part in path.split("__")]
        place = content
        for part in way:
            place = place[part]
        place[last] = value
    return content
