"""A small set of photos as arrays, for tests: three photos, of which the second has no object."""

import h5py
import numpy as np

HEIGHT, WIDTH = 24, 20
LABELS = [[1, 2], [], [2]]
NAMES = ["mug", "glass"]


def objects(items):
    """An array of objects, a thing for each photo."""
    array = np.empty(len(items), object)
    array[:] = [np.asarray(item, np.int64) for item in items]
    return array


def photos():
    """uint8 [3, 3, H, W], each of a colour of its own."""
    images = np.zeros((3, 3, HEIGHT, WIDTH), np.uint8)
    images[:] = np.arange(9, dtype=np.uint8).reshape(3, 3, 1, 1) * 25
    images[:, :, 0, 0] = 255
    return images


def masks():
    """bool [3, H, W] of the objects of all photos in a row."""
    planes = np.zeros((3, HEIGHT, WIDTH), bool)
    planes[0, 2:12, 3:15], planes[1, 10:20, 1:9], planes[2, 4:16, 5:19] = True, True, True
    return planes


def boxes():
    """Boxes (x1, y1, x2, y2) of each photo."""
    return [np.array([[3, 2, 15, 12], [1, 10, 9, 20.0]]), np.zeros((0, 4)), np.array([[5, 4, 19, 16.0]])]


def write_course(folder):
    """The files of a course on Mask R-CNN: packed .h5 with one array each, ragged .npy; returns their paths."""
    with h5py.File(folder / "mugs_img.h5", "w") as file:
        file.create_dataset("data", data=photos(), compression="gzip")
    with h5py.File(folder / "mugs_mask.h5", "w") as file:
        file.create_dataset("data", data=masks().astype(np.uint8), compression="gzip")
    np.save(folder / "mugs_labels.npy", objects(LABELS), allow_pickle=True)
    ragged = np.empty(3, object)
    ragged[:] = boxes()
    np.save(folder / "mugs_bboxes.npy", ragged, allow_pickle=True)
    (folder / "names.txt").write_text("\n".join(NAMES))
    return {name: folder / f"mugs_{name}" for name in ("img.h5", "mask.h5", "labels.npy", "bboxes.npy")}
