"""A network's answer to one picture as the file of it gives it: a table of objects."""

import numpy as np


def answer(*objects, rows=4):
    """A table of objects (y1, class id, score, mask value), boxes being 20 x 30 pixels from (y1, 5) on."""
    table = {"boxes": np.zeros((rows, 4), "float32"), "class_ids": np.zeros(rows, "int32"),
             "scores": np.zeros(rows, "float32"), "valid": np.zeros(rows, bool),
             "masks": np.zeros((rows, 7, 7), "float32")}
    for row, (top, class_id, score, value) in enumerate(objects):
        table["boxes"][row] = top, 5, top + 20, 35
        table["class_ids"][row], table["scores"][row], table["valid"][row] = class_id, score, True
        table["masks"][row] = value
    return table
