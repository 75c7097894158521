"""Label maps: one PNG or MATLAB file a photo, in which the value of each pixel is its label.

Which labels make up a class is told by a mapping (`mrcnn.data.formats.label_mapping`). A class becomes objects by this
rule: its pixels fall into parts that hang together, over corners too; parts of fewer than `min_area` pixels are left
out; of paired things (shoes, boots, socks, gloves: what the mapping calls "parts") each part is an object, of all
others the union of the parts is one object.
"""

import os
import warnings

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation, PhotoFolder
from mrcnn.data.formats import label_mapping
from mrcnn.data.formats.label_mapping import IGNORED, UNKNOWN
from mrcnn.data.formats.matlab_files import matlab_variables
from mrcnn.data.formats.photo_files import photo_size
from mrcnn.errors import DataError

FORMAT = "label_maps"
MAP_ENDINGS = (".png", ".mat")
PHOTO_FOLDERS = ("photos", "images", "JPEGImages")  # beside the folder of label maps
# A grey PNG of more values than this is taken for a photo where nothing else tells.
MOST_LABELS = 64


def recognises(path):
    """Whether a folder holds label maps: palette or grey PNGs of few values, or MATLAB files of one integer array."""
    try:
        first = next(iter(_map_files(path)), None)
        if first is None:
            return False
        if first.lower().endswith(".mat"):
            return bool(_matlab_array(os.path.join(path, first)))
        mode = _with_pillow(os.path.join(path, first), lambda image: image.mode)
        if mode in ("P", "1") or label_mapping.find_names(path):
            return mode in ("P", "1", "L", "I", "I;16")
        return len(np.unique(read_label_map(os.path.join(path, first)))) <= MOST_LABELS
    except (DataError, OSError, TypeError, ValueError):
        return False


class LabelMapDataset(AnnotatedDataset):
    """A folder of label maps and a folder of photos that have the same stems."""

    def load(self, annotations, images=None, limit=None, on_error="raise", names=None, mapping=None):
        """Register the photos that have a label map, by headers alone.

        annotations: folder of the label maps, NAME.png (palette or grey) or NAME.mat
        images: folder of the photos, NAME with any ending; None: one of PHOTO_FOLDERS beside `annotations`, else itself
        limit: take the first so many label maps; on_error: "raise" at a bad sample or "skip" it (see `faults`)
        names: file of the labels' names (see `label_mapping.read_names`); None: one of NAMES_FILES there or above
        mapping: path or name of a mapping (see `label_mapping`); None: every label but 0 is a class

        Returns self. Raises DataError naming the file and what is wrong.
        """
        self.start_loading(on_error)
        files = _map_files(annotations)
        names = names or label_mapping.find_names(annotations)
        if names is None:
            wanted = ", ".join(label_mapping.NAMES_FILES)
            raise DataError(f"{annotations}: has no file of label names ({wanted}): give one (names=, --names).")
        classes = label_mapping.label_classes(label_mapping.read_names(names), mapping)
        folder = PhotoFolder(images or _photo_folder(annotations))
        missing = []
        for file in files[:limit]:
            map_path, name = os.path.join(annotations, file), folder.find_stem(os.path.splitext(file)[0])
            if name is None or os.path.abspath(folder.join(name)) == os.path.abspath(map_path):
                missing.append(file)
            else:
                self._add(map_path, name, folder.join(name), classes)
        self.missing_photos(annotations, folder.path, missing, len(files[:limit]))
        for class_id, name in enumerate(classes.names, start=1):
            self.add_class(FORMAT, class_id, name)
        self.finish_loading(annotations)
        return self

    def _add(self, map_path, name, path, classes):
        """Register one photo, or what is wrong with it."""
        try:
            size = photo_size(path)
        except DataError as error:
            return self.fault(map_path, Fault(name, "unreadable", str(error).rstrip(".")))
        try:
            map_size = _map_size(map_path)
        except DataError as error:
            return self.fault(map_path, Fault(name, "bad entry", str(error).rstrip(".")))
        if map_size != size:
            return self.fault(map_path, _wrong_size(name, map_size, size))
        stem = os.path.splitext(name)[0]
        self.add_photo(FORMAT, stem, path, name, *size, map_path=map_path, label_classes=classes)

    def read_objects(self, image_id):
        """Yield the objects of a photo by class, those of one class from top to bottom, or the fault of its map."""
        info = self.image_info[image_id]
        values = self._values(info)
        if isinstance(values, Fault):
            yield values
            return
        classes, number = info["label_classes"], 0
        for value in np.flatnonzero(np.bincount(values.ravel(), minlength=IGNORED)[1:IGNORED]) + 1:
            class_id = self.map_source_class_id(f"{FORMAT}.{value}")
            for mask, corner in _objects(values == value, classes.min_area, value in classes.parts):
                yield ObjectAnnotation(number, class_id, _encoded(mask, corner, values.shape))
                number += 1

    def label_map(self, image_id):
        """Class of every pixel of a photo.

        Returns uint8 [H, W]: a class id, 0 background, 255 ignored. If the label map cannot be used, raises DataError
        naming the photo; or, if the data set was loaded with on_error="skip", warns and returns 255 everywhere.
        """
        info = self.image_info[image_id]
        values = self._values(info)
        if isinstance(values, Fault):
            if not self._skips:
                raise DataError(f'{values}: correct the label map, or leave it out (on_error="skip", --on-error skip).')
            warnings.warn(f"skipped {values}.", stacklevel=2)
            return np.full((info["height"], info["width"]), IGNORED, np.uint8)
        class_ids = np.zeros(256, np.uint8)  # background, also for classes that were left out
        class_ids[IGNORED] = IGNORED
        for class_id, entry in enumerate(self.class_info):
            if entry["source"] == FORMAT:
                class_ids[entry["id"]] = class_id
        return class_ids[values]

    @staticmethod
    def _values(info):
        """uint8 [H, W] of one photo: 1 to K as LabelClasses number the classes, 0, IGNORED; or a Fault."""
        try:
            labels = read_label_map(info["map_path"])
        except DataError as error:
            return Fault(info["file_name"], "bad entry", str(error).rstrip("."))
        size = info["height"], info["width"]
        if labels.shape != size:
            return _wrong_size(info["file_name"], labels.shape, size)
        table = info["label_classes"].table
        present = np.flatnonzero(np.bincount(labels.ravel()))
        unknown = [int(label) for label in present if label >= len(table) or table[label] == UNKNOWN]
        if unknown:
            listed = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
            return Fault(info["file_name"], "unknown class", f"its label map has labels without a name: {listed}")
        return table.astype(np.uint8)[labels]


# --- Objects ---------------------------------------------------------------------------------------------------------


def _objects(inside, min_area, by_parts):
    """Yield (mask bool [h, w], (y, x) of its corner in the photo) of each object of a class. inside: bool [H, W]."""
    import cv2

    x, y, width, height = cv2.boundingRect(inside.view(np.uint8))
    part = np.ascontiguousarray(inside[y : y + height, x : x + width]).view(np.uint8)
    count, numbers, measures, _ = cv2.connectedComponentsWithStats(part, connectivity=8)
    kept = measures[:, cv2.CC_STAT_AREA] >= min_area
    kept[0] = False  # what is outside
    if by_parts:
        # cv2's own order may differ with its number of threads; objects are known by their place among the others.
        for number in sorted(np.flatnonzero(kept), key=lambda i: (measures[i, 1], measures[i, 0], *measures[i, 2:])):
            left, top, part_width, part_height = measures[number, :4]
            rectangle = numbers[top : top + part_height, left : left + part_width]
            yield rectangle == number, (y + top, x + left)
    elif kept.any():
        yield kept[numbers], (y, x)


def _encoded(mask, corner, shape):
    """Compressed run lengths of a rectangle of a photo's mask. mask: bool [h, w]; corner: (y, x); shape: (H, W)."""
    full = np.zeros(shape, bool, order="F")
    full[corner[0] : corner[0] + mask.shape[0], corner[1] : corner[1] + mask.shape[1]] = mask
    return run_lengths.encode(full)


def _wrong_size(name, map_size, size):
    sizes = f"the label map has {map_size[0]}x{map_size[1]} pixels, the photo {size[0]}x{size[1]} (height x width)"
    return Fault(name, "wrong size", sizes)


# --- Files -----------------------------------------------------------------------------------------------------------


def _map_files(folder):
    """Names of the label maps in a folder, sorted; files of names are none."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except OSError as error:
        raise DataError(f"{folder}: no such folder: give the folder of the label maps.") from error
    return [
        name
        for name in names
        if name.lower().endswith(MAP_ENDINGS) and not name.startswith(".") and name not in label_mapping.NAMES_FILES
    ]


def _photo_folder(folder):
    above = os.path.dirname(os.path.abspath(folder))
    beside = [os.path.join(above, name) for name in PHOTO_FOLDERS]
    return next((path for path in beside if os.path.isdir(path)), str(folder))


def _map_size(path):
    """(height, width) of a label map, from its header."""
    return _matlab_array(path).shape if path.lower().endswith(".mat") else png_size(path)


def read_label_map(path):
    """Labels of a label map's pixels: the index into the palette, the grey value, or the number in the MATLAB array.

    path: of a PNG or .mat file

    Returns uint8 or uint16 [H, W]. Raises DataError naming the file if it is unreadable, has colours, or holds values
    that are no whole numbers from 0 to 65535.
    """
    labels = _matlab_array(path).values() if str(path).lower().endswith(".mat") else read_png(path)
    if labels.ndim != 2:
        raise DataError(f"{path}: is a colour picture: save the label map as palette or grey PNG.")
    if labels.dtype in (np.uint8, np.uint16):
        return labels
    if not labels.size or labels.min() < 0 or labels.max() > 65535 or (labels != np.floor(labels)).any():
        raise DataError(f"{path}: holds values that are no whole numbers from 0 to 65535: write labels.")
    return labels.astype(np.uint16)


def png_size(path):
    """(height, width) of a PNG, from its header. Raises DataError naming the file if it is none, or is too large."""
    return _with_pillow(path, lambda image: image.size[::-1])


def read_png(path):
    """Values of a PNG as they are stored: indices into its palette, grey values, or [H, W, channels] of colours.

    Raises DataError naming the file if it is no PNG, truncated, or larger than twice PIL.Image.MAX_IMAGE_PIXELS.
    """
    values = _with_pillow(path, np.array)
    if values.dtype == bool:
        return (values.view(np.uint8) != 0).astype(np.uint8)  # Pillow's True is 255
    depth = _grey_depth(path)
    # Pillow spreads grey values of two and four bits over 0 to 255.
    return values // np.uint8(255 // (2**depth - 1)) if depth in (2, 4) else values


def _grey_depth(path):
    """Bits a pixel of a grey PNG; None for any other PNG."""
    with open(path, "rb") as file:
        header = file.read(26)
    return header[24] if header[25] == 0 else None


def _with_pillow(path, use):
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            return use(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: too many pixels: shrink it, or raise PIL.Image.MAX_IMAGE_PIXELS.") from error
    except Exception as error:  # decoders raise whatever they like on a broken file
        reason = "no PNG" if isinstance(error, Image.UnidentifiedImageError) else str(error) or repr(error)
        raise DataError(f"{path}: not a readable label map ({reason}): replace it.") from error


def _matlab_array(path):
    """The one MatlabVariable of a file that can be a label map, told from the file's headers."""
    from PIL import Image

    variables = matlab_variables(path)
    planes = [variable for variable in variables if len(variable.shape) == 2 and min(variable.shape) > 1]
    whole = [plane for plane in planes if plane.kind.startswith(("int", "uint"))]
    found = whole or [plane for plane in planes if plane.kind in ("double", "single")]
    if len(found) != 1:
        listed = ", ".join(f"{v.name} {'x'.join(map(str, v.shape))} {v.kind}" for v in variables[:5])
        raise DataError(f"{path}: needs one two-dimensional integer array, has {listed or 'nothing'}: save one alone.")
    height, width = found[0].shape
    if Image.MAX_IMAGE_PIXELS and height * width > 2 * Image.MAX_IMAGE_PIXELS:
        raise DataError(f"{path}: too many pixels: shrink it, or raise PIL.Image.MAX_IMAGE_PIXELS.")
    return found[0]
