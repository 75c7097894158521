"""Which array of which file is what: photos, masks, labels, boxes, counts, names."""

import os
from collections.abc import Callable

import numpy as np

from mrcnn.data.formats.array_files import ENDINGS, Hdf5Array, holds_arrays, open_arrays
from mrcnn.errors import DataError

# Names of arrays and beginnings of names of files, in lower case, by what they hold.
NAMES = {
    "images": ("images", "image", "imgs", "img", "photos", "photo", "x", "pixels"),
    "masks": ("masks", "mask", "segmentations", "segmentation", "label_maps"),
    "labels": ("labels", "label", "classes", "class_ids", "classids", "categories", "category_ids", "y"),
    "boxes": ("boxes", "box", "bboxes", "bbox", "rois"),
    "counts": ("counts", "count", "lengths", "num_objects", "objects_per_image"),
    "names": ("names", "class_names", "classnames", "category_names", "label_names"),
}
# Words in the names of files that hold one array each, such as coco_bboxes_train.npy.
WORDS = {"images": ("img", "image", "photo"), "masks": ("mask",), "boxes": ("box",), "labels": ("label", "class"),
         "counts": ("count",)}


def files_in(folder: str | os.PathLike) -> dict[str, str]:
    """{what: path} of the files of arrays in a folder, by words in their names; {} if masks are not among them."""
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        role = next((role for role, words in WORDS.items() if any(word in name.lower() for word in words)), None)
        if role and name.lower().endswith(ENDINGS) and os.path.isfile(path) and holds_arrays(path):
            found.setdefault(role, []).append(path)
    if "masks" not in found:
        return {}
    for role, paths in found.items():
        if len(paths) > 1:
            raise DataError(f"{folder}: {' and '.join(map(os.path.basename, paths[:3]))} may all be {role}: give the "
                            "files one by one (--images, --masks, --labels, --boxes).")
    return {role: paths[0] for role, paths in found.items()}


def arrays_by_role(given: dict[str, str | os.PathLike],
                   tell: Callable[..., None]) -> dict[str, np.ndarray | Hdf5Array | list]:
    """The arrays of some files.

    Args:
        given: {what: path} of what there is a file for; "" for one of all.
        tell: function(what, how, first, count), as for `array_files.open_arrays`.

    Returns:
        {what: array, or list}, the file of all below those of one.

    Raises:
        DataError: naming a file that holds not what it is given for.
    """
    found, opened = {}, {}
    for role in sorted(given):  # that of all first
        path = os.fspath(given[role])
        if path not in opened:
            opened[path] = open_arrays(path, tell)
        found.update(_of_all(path, opened[path]) if not role else {role: _of_one(path, opened[path], role)})
        if not role:
            others = [name for name in opened[path] if name not in _known(opened[path])]
            if others and len(opened[path]) > 1:
                tell("array", "of a name that says not what it holds: left out", others[0], len(others))
    return found


def _known(arrays):
    """{name of an array: what it holds} of those whose names tell."""
    roles = {name: role for role, names in NAMES.items() for name in names}
    last = {name: name.rsplit("/", 1)[-1].lower() for name in arrays}
    return {name: roles[last[name]] for name in arrays if last[name] in roles}


def _of_all(path, arrays):
    """{what: array} of a file that holds several; one that holds a single array holds masks."""
    known = _known(arrays)
    if len(arrays) == 1 and set(known.values()) <= {"masks"} | {"images"} - set(known.values()):
        return {"masks": next(iter(arrays.values()))}
    for role in NAMES:
        names = [name for name in known if known[name] == role]
        if len(names) > 1:
            raise DataError(f"{path}: {' and '.join(names[:4])} may all be {role}: save what belongs together in a "
                            "file of its own.")
    if "masks" not in known.values():
        raise DataError(f"{path}: has no masks among its arrays ({', '.join(list(arrays)[:6]) or 'none'}): call them "
                        f"{', '.join(role for role in NAMES)}.")
    return {role: arrays[name] for name, role in known.items()}


def _of_one(path, arrays, role):
    """The array of a file that is given for one thing."""
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    names = [name for name, known in _known(arrays).items() if known == role]
    if len(names) != 1:
        listed = ", ".join(list(arrays)[:6]) or "none"
        raise DataError(f"{path}: has {len(names)} arrays for {role} ({listed}): call one of them {role}.")
    return arrays[names[0]]
