"""The folders and files of PASCAL VOC's data for segmentation, and of what CVAT and LabelMe write in its form."""

import os

import numpy as np

from mrcnn.data.formats.label_colours import packed, voc_colours
from mrcnn.data.formats.label_files import read_png
from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.data.photo_folder import folders_below
from mrcnn.data.reporting import Reporting
from mrcnn.errors import DataError
from mrcnn.text_files import open_text

# SegmentationClass and SegmentationObject; LabelMe before version 5.4 has arrays in these, and PNGs in the second pair.
FOLDERS = (("SegmentationClassPNG", "SegmentationObjectPNG"), ("SegmentationClass", "SegmentationObject"))
PHOTOS = "JPEGImages"
LISTS = os.path.join("ImageSets", "Segmentation")
NAMES_FILES = ("labelmap.txt", "class_names.txt", "label_names.txt", "labels.txt")
VOC_CLASSES = ("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
               "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor")
ALIASES = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
USUAL = ("train", "val", "test")
ALL = ("default", "all")  # lists of all photos, as CVAT writes one
TOGETHER = ("trainval",)  # parts that are made of others


# --- Folders ---------------------------------------------------------------------------------------------------------


def find_root(path: str | os.PathLike) -> str | None:
    """The folder that has both kinds of masks: `path`, the one above SegmentationObject, or the only one below it."""
    path = os.path.abspath(path)
    if not os.path.isdir(path):
        return None
    if os.path.basename(path) in (objects for _, objects in FOLDERS):  # the labels alone are label maps
        path = os.path.dirname(path)
    if mask_folders(path):
        return path
    below = [entry.path for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith(".")]
    found = [folder for folder in sorted(below) if mask_folders(folder)]
    return found[0] if len(found) == 1 else None


def mask_folders(root: str | os.PathLike) -> tuple[str, str] | None:
    """(folder of the numbers of objects, folder of the labels); None if they are not both there."""
    for labels, objects in FOLDERS:
        pair = os.path.join(root, objects), os.path.join(root, labels)
        if all(map(os.path.isdir, pair)):
            return pair
    return None


def class_folder(root: str | os.PathLike) -> str:
    """The folder of the labels."""
    return mask_folders(root)[1]


def mask_path(folder: str, stem: str) -> str:
    """Path of the mask of a photo."""
    path = os.path.join(folder, *stem.split("/"))
    return next((path + ending for ending in (".png", ".PNG") if os.path.isfile(path + ending)), f"{path}.png")


def names_file(root: str | os.PathLike) -> str | None:
    """Path of the file of class names; None if there is none."""
    paths = (os.path.join(root, name) for name in NAMES_FILES)
    return next(filter(os.path.isfile, paths), None)


# --- Lists of photos -------------------------------------------------------------------------------------------------


def part_files(root: str | os.PathLike) -> dict[str, str]:
    """{part: path of its list}, train, val and test first; {} if one list has all photos."""
    folder = os.path.join(root, LISTS)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = {}
    for name in names:
        stem, ending = os.path.splitext(name)
        if ending.lower() == ".txt" and not stem.startswith(".") and stem.lower() not in ALL:
            found.setdefault(ALIASES.get(stem.lower(), stem.lower()), os.path.join(folder, name))
    order = [part for part in USUAL if part in found]
    return {part: found[part] for part in [*order, *(part for part in found if part not in USUAL)]}


def listed(path: str | os.PathLike, root: str | os.PathLike) -> list[str]:
    """Names of photos that a list has, without ending; with quotes and spaces at their ends where such a photo is.

    Args:
        path: of the list.
        root: the folder of the data set.

    Raises:
        DataError: the list cannot be read.
    """
    try:
        with open_text(path, errors="surrogateescape") as file:
            lines = [line.rstrip("\n") for line in file]
    except OSError as error:
        raise DataError(f"{path}: cannot read the list of photos ({error.strerror}): check the path.") from error
    return [name for name in (_listed_name(line, root) for line in lines) if name]


def _listed_name(line, root):
    """The name that a line means: as it is, without the quotes around it, or without quotes and spaces at its ends."""
    bare = line.strip()
    plain = bare.strip('"')
    if plain == line:
        return plain
    likely = dict.fromkeys([line, *([bare[1:-1]] if bare.startswith('"') else []), plain])
    masks = mask_folders(root) or ()
    having = (name for name in likely if any(os.path.isfile(mask_path(folder, name)) for folder in masks))
    photos = (name for name in likely if any(
        os.path.isfile(os.path.join(root, PHOTOS, name + ending)) for ending in PHOTO_ENDINGS))
    return next(having, None) or next(photos, plain)


def parts_of_stems(root: str | os.PathLike) -> dict[str, str]:
    """{name of a photo: its part}, the first that lists it."""
    part_of = {}
    for part, path in part_files(root).items():
        for stem in listed(path, root) if part not in TOGETHER else ():
            part_of.setdefault(stem, part)
    return part_of


def stems_of(root: str | os.PathLike, split: str | None, report: Reporting, source: str | os.PathLike) -> list[str]:
    """Names of the photos to take, without ending.

    Args:
        root: the folder.
        split: the part; None takes all that have masks, and all that CVAT's list of all photos has.
        report: the AnnotatedDataset that is told of photos without masks.
        source: path of the annotations, for messages.

    Raises:
        DataError: there is no such part, or none of its photos has a mask.
    """
    masks = _stems_below(mask_folders(root)[0])
    files = part_files(root)
    if split is not None and split not in files:
        raise DataError(f"{source}: has no part {split!r}: it has {', '.join(files) or 'none'}.")
    wholes = [os.path.join(root, LISTS, f"{name}.txt") for name in ALL]
    whole = next((listed(path, root) for path in wholes if os.path.isfile(path)), [])
    stems = list(dict.fromkeys(listed(files[split], root) if split is not None else [*whole, *masks]))
    known = set(masks)
    bare = [stem for stem in stems if stem not in known]
    if bare and len(bare) == len(stems):
        raise DataError(f"{source}: none of {len(stems)} photos{f' of part {split}' if split else ''} has a mask in "
                        f"{mask_folders(root)[0]} (first: {bare[0]}.png): VOC gives none for its test photos.")
    if bare:
        report.note("photo", "listed without a mask: taken as photos without objects", bare[0], len(bare))
    return stems


def _stems_below(folder):
    found = []
    for top, folders, names in folders_below(folder):
        folders.sort()
        place = os.path.relpath(top, folder).replace(os.sep, "/")
        prefix = "" if place == "." else f"{place}/"
        found += [prefix + name[:-4] for name in names if name.endswith((".png", ".PNG")) and not name.startswith(".")]
    return sorted(found)


# --- Masks of objects ------------------------------------------------------------------------------------------------


def object_numbers(path: str | os.PathLike) -> np.ndarray:
    """Numbers of the objects of a photo: values of a palette or grey PNG, places of colours among VOC's.

    A colour that is none of VOC's is numbered from 256 on, in the order of the colours.

    Args:
        path: of the PNG.

    Returns:
        uint16 or uint8 [H, W], 0 outside of all objects.

    Raises:
        DataError: it cannot be read, or has more colours than numbers.
    """
    pixels = read_png(path)
    if pixels.ndim == 2:
        if pixels.dtype not in (np.uint8, np.uint16) and (pixels.min(initial=0) < 0 or pixels.max(initial=0) > 65535):
            raise DataError(f"{path}: holds numbers that are not within 0 and 65535: number the objects anew.")
        return pixels
    if pixels.shape[2] < 3:
        return pixels[..., 0]
    colours, where = np.unique(packed(pixels), return_inverse=True)
    usual = {int(packed(np.array(colour, np.uint8))): number for number, colour in enumerate(voc_colours())}
    others = [colour for colour in colours.tolist() if colour not in usual]
    if len(others) > 65535 - len(usual):
        raise DataError(f"{path}: has {len(others)} colours, more than a photo has objects: save it as palette PNG.")
    places = {**usual, **{colour: len(usual) + i for i, colour in enumerate(others)}}
    numbers = np.array([places[colour] for colour in colours.tolist()], np.uint16)
    return numbers[where].reshape(pixels.shape[:2])
