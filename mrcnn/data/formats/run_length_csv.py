"""CSVs of run lengths with other columns than iMaterialist's, as Kaggle's competitions have them.

    ImageId,EncodedPixels             an object a row, all of one class: nuclei of 2018, ships
    ImageId,ClassId,EncodedPixels     the class is a number or a word: steel, iMaterialist without its sizes
    ImageId_ClassId,EncodedPixels     name of the photo and class with "_" between: steel, 0002cc93b.jpg_1
    Image_Label,EncodedPixels         the same: clouds, 0011165.jpg_Fish

A row without EncodedPixels, or with -1, lists its photo, and its class, without an object. Runs are "start length start
length ...", pixels counted from 1 on down the columns, as iMaterialist's are; starts that count from the end of the run
before are refused. Columns may come in any order and others among them. Without Height and Width the sizes are read
from the headers of the photos.
"""

import os

import numpy as np

from mrcnn.data.formats.imaterialist import (
    ImaterialistDataset,
    descriptions_path,
    named_or_stem,
    read_descriptions,
)
from mrcnn.data.formats.imaterialist_rows import COLUMNS, PIXELS, Layout, Scan, first_columns
from mrcnn.data.formats.names_files import read_names
from mrcnn.data.formats.photo_files import photo_header
from mrcnn.data.formats.upright import TURNS, UNTOLD
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError
from mrcnn.files import read_json
from mrcnn.text_files import refuse_wide

FORMAT = "run_length_csv"
ONLY_CLASS = "object"
LOOKED_AT = 200  # rows, from all over the file, by which it is told what starts count from
JOINED = ("ImageId_ClassId", "Image_Label")  # columns that hold photo and class


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file is such a CSV, by its first line; iMaterialist's own form is none."""
    columns = first_columns(path)
    return _layout(columns) is not None and not set(COLUMNS) <= set(columns)


class RunLengthDataset(ImaterialistDataset):
    """A CSV of run lengths and its folder of photos.

    Classes are numbered in the order of their numbers or names; where no column tells a class, all are "object".
    """

    source = FORMAT

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, **others: object) -> "RunLengthDataset":
        """Register the photos of a CSV in the order in which they first occur; rows of one may lie apart.

        Checked here is all but the run lengths, which are checked when a photo's objects are read.

        Args:
            annotations: path of the CSV.
            images: folder of the photos, NAME, NAME.jpg, .png ... or NAME/images/NAME.png for each ImageId NAME; None:
                the first that there is of the folders beside the CSV that are called as it is without ending, without
                `_labels`, and with `_images`, else the CSV's own folder.
            limit: take the first so many photos.
            on_error: "raise" at a bad photo or row or "skip" it (see `faults`).
            names: file of class names: iMaterialist's label_descriptions.json, or what `names_files.read_names`
                takes; a class in the CSV may be the number or the name. None: a label_descriptions.json beside the CSV
                if there is one, else classes are named as they are in the CSV.

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and line and what is wrong.
        """
        self.refuse(annotations, mapping=mapping, **others)
        self.start_loading(on_error)
        layout = _layout(first_columns(annotations))
        if layout is None:
            self._refuse_file(annotations)
        listed, attributes = _listed(annotations, names, layout)
        numbers = {entry["name"]: number for number, entry in listed.items()}
        one_class = layout.only_class is not None
        known = {*listed, *numbers} if listed and not one_class else None
        folder = PhotoFolder(_photo_folder(annotations) if images is None else images)
        scan = Scan(annotations, known, layout)
        scan.labels[:] = [(0 if one_class else numbers.get(label, label), more) for label, more in scan.labels]
        if not listed:
            listed = {0: {"name": ONLY_CLASS}} if one_class else _found_classes(scan.labels)
        for number, entry in listed.items():
            self.add_category(FORMAT, number, entry["name"], entry.get("supercategory"))
        photos, missing = self.find_photos(scan, folder, _find, limit)
        self.name_attributes(annotations, attributes, scan)
        if not layout.sized:
            self._read_sizes(scan, folder, photos)
        _refuse_relative(annotations, scan)
        if scan.none_lines:
            self.note("row", "whose EncodedPixels are -1: taken as no mask", f"line {scan.none_lines[0][0]}",
                      len(scan.none_lines))
        self.add_scan(annotations, scan, folder, photos, missing, layout.sized)
        self.finish_loading(annotations)
        return self

    def _read_sizes(self, scan, folder, photos):
        """Give a Scan the sizes of its photos, and note those that cannot be read or are turned."""
        for photo, name in enumerate(photos):
            if name is not None and photo not in scan.photo_problems:
                try:
                    scan.sizes[photo], orientation = photo_header(folder.join(name))
                except DataError as error:
                    scan.photo_problem(photo, "unreadable", str(error).rstrip("."))
                    continue
                if orientation in TURNS:
                    self.note("photo", UNTOLD, name)

    @staticmethod
    def _refuse_file(annotations):
        try:
            open(annotations, "rb").close()
        except OSError as error:
            raise DataError(f"{annotations}: cannot read the file ({error.strerror}): check the path.") from error
        refuse_wide(annotations)
        raise DataError(
            f"{annotations}: no CSV of run lengths, for its first line has not the columns {PIXELS} and ImageId (or "
            f"{' or '.join(JOINED)}): check the file."
        )


# --- Columns and classes ---------------------------------------------------------------------------------------------


def _layout(columns):
    """Layout of a CSV with these columns; None if they are not those of run lengths."""
    photo = next((name for name in ("ImageId", *JOINED) if name in columns), None)
    if photo is None or PIXELS not in columns:
        return None
    joined, labelled = photo in JOINED, "ClassId" in columns
    return Layout(
        photo,
        label="ClassId" if labelled and not joined else None,
        joined=joined,
        only_class=None if joined or labelled else ONLY_CLASS,
        sized={"Height", "Width"} <= set(columns),
        words=True,
        listing=True,
    )


def _listed(annotations, names, layout):
    """({number of a class: its entry with "name"}, {} if no file lists classes; {attribute id: name})."""
    if names is None and layout.only_class is not None:
        return {}, {}
    path = descriptions_path(annotations, names)
    if path is None:
        return {}, {}
    is_json = str(path).lower().endswith(".json")
    content = read_json(path, "file of class names") if is_json else None
    if isinstance(content, dict) and "categories" in content:
        listed, attributes = read_descriptions(path)
    else:
        listed, attributes = {number: {"name": name} for number, name in read_names(path).items()}, {}
    if len({entry["name"] for entry in listed.values()}) < len(listed):
        raise DataError(f"{path}: a class name occurs twice: give each class its own.")
    if layout.only_class is not None:
        if len(listed) != 1:
            raise DataError(f"{path}: names {len(listed)} classes, but {annotations} has one: give it one name.")
        listed = dict(enumerate(listed.values()))
    return listed, attributes


def _found_classes(labels):
    """{number or word of a class: its entry} of those that a CSV has, numbers first."""
    own = sorted({label for label, _ in labels}, key=lambda label: (isinstance(label, str), label))
    return {label: {"name": str(label)} for label in own}


# --- Runs ------------------------------------------------------------------------------------------------------------


def _refuse_relative(annotations, scan):
    """Raise DataError if the rows of a Scan count their starts from the end of the run before, as SIIM-ACR's do."""
    rows, bounds = scan.rows()
    photos = np.repeat(np.arange(len(scan.sizes)), np.diff(bounds))
    several, relative = 0, 0
    for place in np.unique(np.linspace(0, max(len(photos) - 1, 0), min(len(photos), LOOKED_AT)).astype(int)).tolist():
        size = scan.sizes[photos[place]]
        (text,) = rows.texts(slice(place, place + 1))
        if size is not None:
            told = _is_relative(text, size)
            several, relative = several + (told is not None), relative + bool(told)
    if 2 * relative > several:
        raise DataError(f"{annotations}: {relative} of {several} rows of three or more runs that were looked at start "
                        "them before the one before ends, and fit their photo if starts count from the end of the run "
                        "before, as SIIM-ACR's do: write each start as 1 + the starts up to it + the lengths of those "
                        "before it.")


def _is_relative(text, size):
    """Whether runs make sense only from the end of the run before; None: they are fewer than three, or no runs.

    Then most runs start before the one before ends. The starts of runs that merely lie out of order do so now and then,
    or add up to more than a photo has.

    Args:
        text: bytes of EncodedPixels.
        size: (H, W) of the photo.
    """
    try:
        numbers = np.array(text.split(), np.int64)
    except (ValueError, OverflowError):
        return None  # told when the objects are read
    if len(numbers) < 6 or len(numbers) % 2 or (numbers < 0).any():
        return None
    start, length = numbers[::2], numbers[1::2]
    falls = 2 * (start[1:] < start[:-1] + length[:-1]).sum() > len(start) - 1
    return bool(falls and numbers.sum(dtype=float) <= size[0] * size[1])


# --- Photos ----------------------------------------------------------------------------------------------------------


def _find(folder, name):
    """Name of a photo's file in a PhotoFolder, else None; each may have a folder of its own, as the nuclei have."""
    return named_or_stem(folder, name) or folder.find_stem(f"{name}/images/{name}")


def _photo_folder(annotations):
    stem = os.path.splitext(annotations)[0]
    beside = (stem, stem.removesuffix("_labels"), f"{stem}_images")
    return next((path for path in beside if os.path.isdir(path)), os.path.dirname(annotations) or ".")

