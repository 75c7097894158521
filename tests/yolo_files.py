"""Data sets of YOLO for the tests: trees of files from short texts."""

import numpy as np
from PIL import Image

SIZE = (16, 20)  # height and width of the photos
SQUARE = "0.1 0.125 0.5 0.125 0.5 0.625 0.1 0.625"  # columns 2 to 9, rows 2 to 9 of a photo of 16 x 20 pixels
TRIANGLE = "0.5 0.5 0.95 0.5 0.95 0.9375"


def square_mask():
    """What SQUARE holds, as COCO draws it."""
    mask = np.zeros(SIZE, bool)
    mask[2:10, 2:10] = True
    return mask


def write_tree(folder, files):
    """Write files: texts as they are, None a photo; names end a folder's way."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            Image.fromarray(np.full((*SIZE, 3), 120, np.uint8)).save(path)
        else:
            path.write_text(content)
    return folder
