"""Writing any data set as LabelMe's files, a JSON a photo; what is read back has the same masks.

A part of an object is a polygon along the edges of its pixels, which can be edited, where that draws the same pixels;
else it is a mask. The parts of one object have a group_id in common.
"""

import base64
import io
import json
import os
import shlex
from collections.abc import Callable, Collection

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.attributes import written_names
from mrcnn.data.class_names import written_classes
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.labelme_shapes import LEFT_OUT
from mrcnn.data.formats.outlines import one_polygon
from mrcnn.data.formats.writers import LeftOut, chosen_photos, photo_and_objects
from mrcnn.data.formats.written_photos import held_photos
from mrcnn.data.objects import is_users_own
from mrcnn.data.strips import mask_part
from mrcnn.errors import DataError
from mrcnn.files import whole_folder

VERSION = "5.4.1"  # of LabelMe, which has masks since 5.3
LABELS = "labels.txt"
MOST_POLYGONS = 16  # parts of an object that are polygons; one of more is a mask


def write_labelme(dataset: Dataset, path: str | os.PathLike, image_ids: Collection[int] | None = None,
                  progress: Callable | None = None) -> str | None:
    """Write a data set as LabelMe's files, and its classes in their order as labels.txt.

    The files say where the photos lie, seen from their folder, so LabelMe opens them there. Attributes are flags. The
    format has no crowds: these are left out with a warning, as are objects without a pixel.

    Args:
        dataset: prepared Dataset.
        path: of the folder to write.
        image_ids: ids in the data set of the photos to write; None writes all.
        progress: called as progress(done, total) after each photo.

    Returns:
        A sentence that says where the photos are; None if the annotations hold them.

    Raises:
        DataError: two photos have one name, a photo or mask cannot be read, a class has a name that LabelMe takes for
            none, or the folder cannot be written.
    """
    image_ids = chosen_photos(dataset, image_ids)
    names = written_classes(dataset, path)
    for name in names:
        if name.strip() != name or not name or name.startswith(LEFT_OUT):
            raise DataError(f"class {name!r}: LabelMe takes this name for no object: rename the class.")
    flags = written_names(dataset, path)
    left_out, taken = LeftOut(path), set()
    own = is_users_own(dataset, "load_image")  # then no file has the pixels yet
    with whole_folder(path) as folder:
        with open(os.path.join(folder, LABELS), "w", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in names)
        for done, image_id in enumerate(image_ids, start=1):
            name, size, objects = photo_and_objects(dataset, image_id, left_out)
            left_out.crowds += sum(entry.crowd for entry in objects)
            shapes = _shapes([entry for entry in objects if not entry.crowd], names, flags)
            content = {"version": VERSION, "flags": {}, "shapes": shapes,
                       "imagePath": name if own else _place(dataset.image_info[image_id], name, path),
                       "imageData": None, "imageHeight": size[0], "imageWidth": size[1]}
            with open(os.path.join(folder, _file_name(name, taken)), "w", encoding="utf-8") as file:
                json.dump(content, file, indent=2, ensure_ascii=False)
            if progress:
                progress(done, len(image_ids))
    left_out.warn()
    if held_photos(dataset, image_ids):
        return None
    order = f"--names {shlex.quote(os.path.join(path, LABELS))} keeps the classes' order"
    images = f"--images {shlex.quote(_folder(dataset, image_ids))} says where they are"
    return f"The photos stay in place, where LabelMe finds them. To read the files here, {images}, and {order}."


def _folder(dataset, image_ids):
    """The folder that has all photos; DIR, if that cannot be said."""
    paths = [dataset.image_info[image_id].get("path") for image_id in image_ids]
    try:
        return os.path.commonpath([os.path.dirname(path) for path in paths if path]) or os.curdir
    except ValueError:  # on several drives, or no photo lies in a file
        return "DIR"


def _place(info, name, folder):
    """Where a photo lies, seen from the folder of the files; its name, if that cannot be said."""
    if info.get("embedded") or not info.get("path") or not os.path.isfile(info["path"]):
        return name
    try:
        return os.path.relpath(info["path"], folder).replace(os.sep, "/")
    except ValueError:  # on another drive
        return name


def _file_name(name, taken):
    """Name of the file of a photo: its own with .json, folders joined by underscores, and none twice."""
    stem = os.path.splitext(name.replace("/", "_"))[0]
    file, count = f"{stem}.json", 1
    while file.casefold() in taken:
        count += 1
        file = f"{stem}_{count}.json"
    taken.add(file.casefold())
    return file


# --- Shapes ----------------------------------------------------------------------------------------------------------


def _shapes(objects, names, flags):
    """The shapes of a photo's objects, in their order; those of several parts have group_ids 1, 2, ..."""
    shapes, group = [], 0
    for entry in objects:
        parts = _parts(entry.rle)
        group += len(parts) > 1
        ticked = {flags.get(i, f"attribute {i}"): True for i in entry.attributes}
        for part in parts:
            shapes.append({"label": names[entry.class_id - 1], **part, "group_id": group if len(parts) > 1 else None,
                           "description": "", "flags": ticked})
    return shapes


def _parts(rle):
    """The shapes that together are a mask."""
    polygon = one_polygon(rle)
    if polygon is not None:
        return [_polygon(polygon)]
    pieces = _pieces(rle)
    polygons = [one_polygon(piece) for piece in pieces] if len(pieces) <= MOST_POLYGONS else []
    if len(polygons) > 1:
        return [_mask(piece) if polygon is None else _polygon(polygon) for piece, polygon in zip(pieces, polygons)]
    return [_mask(rle)]


def _pieces(rle):
    """RLEs of the parts of a mask that hang together along the sides of pixels."""
    import cv2

    top, left, inside = mask_part(rle)
    count, numbers = cv2.connectedComponents(inside.astype(np.uint8), connectivity=4)
    pieces = []
    for number in range(1, min(count, MOST_POLYGONS + 2)):
        full = np.zeros(tuple(rle["size"]), bool, order="F")
        full[top:top + inside.shape[0], left:left + inside.shape[1]] = numbers == number
        pieces.append(run_lengths.encode(full))
    return pieces


def _polygon(corners):
    points = np.reshape(corners, (-1, 2)).tolist()
    return {"points": points, "shape_type": "polygon", "mask": None}


def _mask(rle):
    """A mask as a PNG of its box, whose first and last pixel are its points."""
    from PIL import Image

    top, left, inside = mask_part(rle)
    file = io.BytesIO()
    Image.fromarray(inside.astype(np.uint8) * np.uint8(255)).convert("1").save(file, "PNG")
    low = [left + inside.shape[1] - 1, top + inside.shape[0] - 1]
    return {"points": [[float(left), float(top)], [float(low[0]), float(low[1])]], "shape_type": "mask",
            "mask": base64.b64encode(file.getvalue()).decode("ascii")}
