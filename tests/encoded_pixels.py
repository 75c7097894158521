"""Run lengths as iMaterialist and Kaggle write them, by their definition."""

import numpy as np


def text_of(runs):
    """bytes of (first pixel counted from 1, length) pairs, as a CSV has them."""
    return " ".join(f"{first} {length}" for first, length in runs).encode()


def painted(runs, shape):
    """The mask of (first pixel counted from 1, length) pairs. shape: (H, W). Returns bool [H, W]."""
    flat = np.zeros(shape[0] * shape[1], bool)
    for first, length in runs:
        flat[first - 1 : first - 1 + length] = True
    return flat.reshape(shape[1], shape[0]).T
