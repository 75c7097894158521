"""Open Images: a CSV with a row for each mask, the masks as PNG files, and a CSV of the names of the classes.

The CSV has the columns MaskPath, ImageID and LabelName among others; photos are called by their ImageID. A mask is of
the whole photo, in a size of its own, mostly smaller: it is stretched over the photo, and what is not 0 is inside.
"""

import csv
import os
from collections.abc import Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.formats.imaterialist_rows import DELIMITERS
from mrcnn.data.formats.label_files import png_size, read_mask, tell_soft
from mrcnn.data.formats.photo_files import photo_size
from mrcnn.data.images import resize_pixels
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError
from mrcnn.text_files import as_utf8, long_fields, open_text, why_no_text

FORMAT = "open_images"
COLUMNS = ("MaskPath", "ImageID", "LabelName")
DESCRIPTIONS = ("class-descriptions", "oidv")  # how files of names begin, of versions 4 to 7
HEAD = 1 << 12  # bytes of a file by which it is recognised
LARGEST_SIDES_RATIO = 0.05  # by which the sides of mask and photo may differ in their ratio, as rounding makes them


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file is a CSV whose first line has the columns of Open Images' masks."""
    try:
        with open(path, "rb") as file:
            line = as_utf8(file.read(HEAD)).decode("utf-8", "replace").partition("\n")[0]
    except OSError:
        return False
    return any(set(COLUMNS) <= {cell.strip(' "\r') for cell in line.split(mark.decode())} for mark in DELIMITERS)


class OpenImagesDataset(AnnotatedDataset):
    """A CSV of masks of Open Images, the folder of its PNG files, and the folder of the photos."""

    looks_late = True

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, **others: object) -> "OpenImagesDataset":
        """Register the photos that have masks, and the sizes of both, by headers alone.

        Args:
            annotations: path of the CSV.
            images: folder of the photos, ImageID with any ending; None: the folder of the CSV.
            limit: take the first so many photos.
            on_error: "raise" at a bad sample or "skip" it (see `faults`).
            names: CSV of the names of the classes, /m/01abc,Name a line; None: class-descriptions*.csv beside the CSV.

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and what is wrong.
        """
        self.refuse(annotations, mapping=mapping, **others)
        self.start_loading(on_error)
        rows = _rows(annotations)
        above = os.path.dirname(os.path.abspath(annotations))
        named = _descriptions(names or _found_descriptions(above))
        self._register_classes(rows, named, above)
        folder, masks = PhotoFolder(images or above, self.note), PhotoFolder(above)
        photos = {}
        for number, row in enumerate(rows):
            photos.setdefault(row["ImageID"], []).append((number, row))
        missing, files = [], {}
        for name in list(photos)[:limit]:
            try:
                files[name] = folder.find_stem(name)
            except DataError as error:
                self.fault(annotations, Fault(name, "path escape", str(error).rstrip(".")))
        files.update(self.find_alike(folder, [name for name, file in files.items() if file is None],
                                     set(files.values()) - {None}))
        for name, file in files.items():
            if file is None:
                missing.append(name)
            else:
                self._add(annotations, name, file, folder, masks, photos[name])
        self.missing_photos(annotations, folder.path, missing, len(files))
        self.finish_loading(annotations)
        return self

    def _register_classes(self, rows, named, above):
        """Classes are those that occur, in the order of their names."""
        present = {row["LabelName"] for row in rows}
        unnamed = sorted(present - named.keys())
        if unnamed:
            how = "without a name in the CSV of names, called by its id" if named else (
                "in the masks without a name, called by its id: give the CSV of names (names=, --names)")
            self.note("label", how, unnamed[0], len(unnamed))
        for label in sorted(present, key=lambda label: (named.get(label, label), label)):
            self.add_class(FORMAT, label, named.get(label, label))

    def _add(self, source, name, file, folder, masks, rows):
        """Register one photo, or what is wrong with it."""
        try:
            size = photo_size(folder.join(file))
        except DataError as error:
            return self.fault(source, Fault(file, "unreadable", str(error).rstrip(".")))
        kept = []
        for place, (_, row) in enumerate(rows):
            try:
                path = _mask_file(masks, row["MaskPath"])
                found = png_size(path)
            except DataError as error:
                kind = "path escape" if "leads out" in str(error) else "no mask"
                self.fault(source, Fault(file, kind, str(error).rstrip("."), place))
                continue
            if not _is_shrunken(found, size):
                message = (f"its mask {row['MaskPath']} has {found[0]}x{found[1]} pixels, which is no shrunken form of "
                           f"the photo's {size[0]}x{size[1]} (height x width)")
                self.fault(source, Fault(file, "wrong size", message, place))
                continue
            if found != size:
                self.note("mask", "of another size than its photo: stretched over it", row["MaskPath"])
            kept.append((place, row["LabelName"], path))
        self.add_photo(FORMAT, name, folder.join(file), file, *size, masks=kept)

    def object_classes(self, image_id: int) -> np.ndarray:
        """int32 [N]: class ids of the objects of a photo; the masks are not looked at."""
        info = self.image_info[image_id]
        dropped = info.get("dropped", ())
        labels = [label for place, label, _ in info["masks"] if place not in dropped]
        class_ids = np.array([self.map_source_class_id(f"{FORMAT}.{label}") for label in labels], np.int32)
        return class_ids[class_ids != 0]  # without classes that `choose_classes` left out

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield an ObjectAnnotation, or a Fault, for each mask of a photo."""
        info = self.image_info[image_id]
        size = info["height"], info["width"]
        for place, label, path in info["masks"]:
            try:
                inside, soft = read_mask(path)
            except DataError as error:
                yield Fault(info["file_name"], "bad entry", str(error).rstrip("."), place)
                continue
            if soft:
                tell_soft(self, path)
            if inside.shape != size:
                inside = resize_pixels(inside.astype(np.uint8) * np.uint8(255), size) >= 128
            if not inside.any():
                yield Fault(info["file_name"], "empty mask", f"its mask {os.path.basename(path)} has no pixel", place)
            else:
                yield ObjectAnnotation(place, self.map_source_class_id(f"{FORMAT}.{label}"), run_lengths.encode(inside))


# --- Files -----------------------------------------------------------------------------------------------------------


def _rows(path):
    """list of {column: text} of the rows of the CSV."""
    try:
        with open_text(path, newline="") as file, long_fields():
            line = file.readline()
            delimiter = next((mark.decode() for mark in DELIMITERS if mark.decode() in line), ",")
            file.seek(0)
            rows = csv.DictReader(file, delimiter=delimiter, skipinitialspace=True)
            found = [{column: row.get(column) or "" for column in COLUMNS} for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = f"cannot read the masks of Open Images ({why_no_text(error)})"
        raise DataError(f"{path}: {reason}: check the file.") from error
    for number, row in enumerate(found, start=2):
        lacking = next((column for column in COLUMNS if not row[column].strip()), None)
        if lacking:
            raise DataError(f"{path}: line {number} has no {lacking}: download the file anew.")
        row.update({column: text.strip() for column, text in row.items()})
    return found


def _is_shrunken(size, photo):
    """Whether a mask may be of a photo: its sides have the same ratio, as far as whole pixels can. Both: (H, W)."""
    height, width = (side / of for side, of in zip(size, photo))
    return abs(height - width) <= LARGEST_SIDES_RATIO * max(height, width) + 1 / min(photo)


def _mask_file(folder, name):
    """Path of a mask: in the folder of the CSV, or in one of the folders in it, as the archives are unpacked."""
    found = folder.find(name)
    if found is None:
        found = folder.find_alike([name]).get(name)
    if found is None:
        if len(folder.files_like(name)) > 1:
            raise DataError(f"its mask {name} {folder.tell_absent(name)}")
        raise DataError(f"its mask {name} is not in {folder.path} or a folder in it: unpack the masks there")
    return folder.join(found)


def _found_descriptions(folder):
    """Path of the CSV of names beside the masks' or in the folder above; None if there is none."""
    for place in (folder, os.path.dirname(folder)):
        for name in sorted(os.listdir(place)):
            text = name.lower()
            if text.endswith(".csv") and "class-descriptions" in text and text.startswith(DESCRIPTIONS):
                return os.path.join(place, name)
    return None


def _descriptions(path):
    """{id: name} of a CSV of names; {} for none."""
    if path is None:
        return {}
    try:
        with open_text(path, newline="") as file, long_fields():
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = f"cannot read the names of the classes ({why_no_text(error)})"
        raise DataError(f"{path}: {reason}: give class-descriptions.csv.") from error
    named = {row[0].strip(): row[1].strip() for row in rows if len(row) > 1 and row[1].strip()}
    named.pop("LabelName", None)  # the head that version 7 has
    if not named:
        raise DataError(f"{path}: has no line of id and name, /m/01abc,Name: give class-descriptions.csv.")
    return named
