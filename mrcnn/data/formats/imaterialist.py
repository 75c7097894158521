"""iMaterialist-Fashion 2019 and 2020: a CSV with a run-length encoded mask a row, and label_descriptions.json."""

import os
import warnings
from collections.abc import Callable, Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset, Fault, ObjectAnnotation
from mrcnn.data.attributes import TWICE, named_by_ids
from mrcnn.data.faults import AT_FAULT, Loss, ObjectError
from mrcnn.data.formats.fitting import turns_of
from mrcnn.data.formats.imaterialist_rows import CELL, COLUMNS, Scan, first_columns, shown
from mrcnn.data.formats.photo_files import photo_header, photo_size
from mrcnn.data.formats.same_rows import same_rows
from mrcnn.data.formats.upright import NOTES, turned_segmentation
from mrcnn.data.photo_folder import SEVERAL_ENDINGS, PhotoFolder
from mrcnn.errors import DataError
from mrcnn.files import read_json

FORMAT = "imaterialist"
IN_TWO_WAYS = "named in two ways: the rows of both are taken together"
BY_BOTH = ("that both names of a photo list with the same class and pixels and other attributes: taken once, with the "
           "attributes of both")
SAID_TWICE = "that both names of a photo list with the same class and pixels: taken once"
CUT = (f"its EncodedPixels have {CELL} characters, and none of the file have more: a spreadsheet cut them off: take "
       "the file as it was before")
UNLISTED = "with an attribute that the list of attributes has not, so that it has no name: correct one of them"
NAMES_FILE = "label_descriptions.json"
LOOKED_AT = 2000  # photos of a larger file whose EXIF is looked at; all of them, if one of these is turned
BELIEVED = 1 << 26  # pixels of a photo; larger ones are rare and worth a look at the file: masks take memory by them


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file is such a CSV, by its first line."""
    return set(COLUMNS) <= set(first_columns(path))


class ImaterialistDataset(AnnotatedDataset):
    """An iMaterialist CSV and its folder of photos. All listed categories become classes, in the order of their ids."""

    looks_late = True
    source = FORMAT  # of classes and photos

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | list[str] | None = None,
             mapping: str | os.PathLike | dict | None = None, **others: object) -> "ImaterialistDataset":
        """Register the photos of a CSV in the order in which they first occur; rows of one may lie apart.

        Checked here is all but the masks' run lengths, which are checked when a photo's objects are read.

        Args:
            annotations: path of the CSV.
            images: folder of the photos; None: the folder beside the CSV that has its name without ending (`train` for
                `train.csv`) if there is one, else the CSV's own folder.
            limit: number of photos to take, from the first on; None takes all.
            on_error: "raise" at the first bad photo or row, or "skip" those, with one warning that says how many.
            names: path of label_descriptions.json, or a list of names, the first that of id 0; None: the file beside
                the CSV; without any, ids are the classes' names.

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and line if a file is missing or of another form, a class is unknown, a photo is
                missing or lies outside the folder, or nothing remains.
        """
        self.refuse(annotations, mapping=mapping, **others)
        self.start_loading(on_error)
        folder = PhotoFolder(_photo_folder(annotations) if images is None else images)
        categories, attributes = read_descriptions(descriptions_path(annotations, names))
        scan = Scan(annotations, categories)
        photos, missing = self.find_photos(scan, folder, named_or_stem, limit)
        self._add_classes(annotations, categories, scan)
        self.name_attributes(annotations, attributes, scan)
        self.add_scan(annotations, scan, folder, photos, missing)
        self.finish_loading(annotations)
        return self

    def find_photos(self, scan: Scan, folder: PhotoFolder, find: Callable[[PhotoFolder, str], str | None],
                    limit: int | None) -> tuple[list[str | None], list[str]]:
        """Files of a Scan's photos, of which those beyond the limit are dropped.

        Names that lead out of the folder are noted in the Scan, and names of one file are joined there.

        Args:
            scan: Scan
            folder: PhotoFolder that tells nobody of several endings.
            find: function of it and a name that gives the name of the file, or None
            limit: number of photos to take, None takes all.

        Returns:
            (list of file names, None where there is none, and where an earlier name has the same: its rows are then
            that one's; list of names whose file is missing).
        """
        file_names, missing = [], {}
        for photo, name in enumerate(scan.names):
            file_name = None
            try:
                file_name = find(folder, name)
                if file_name is None:
                    missing[name] = photo
            except DataError as error:
                scan.photo_problem(photo, "path escape", str(error).rstrip("."))
            file_names.append(file_name)
        alike = folder.find_alike(list(missing), set(file_names))
        for name, file_name in alike.items():
            file_names[missing[name]] = file_name
        first, taken, beyond = {}, 0, set()
        for photo, file_name in enumerate(file_names):
            other = photo if file_name is None else first.setdefault(file_name, photo)
            if other in beyond or other == photo and limit is not None and taken >= limit:
                beyond.add(photo)
            elif other == photo:
                taken += 1
            else:
                file_names[photo] = None
                self.note("photo", IN_TWO_WAYS, f"{scan.names[other]} and {scan.names[photo]}")
                scan.join(photo, other)
        missing = [name for name, photo in missing.items() if photo not in beyond]
        self.note_alike(folder, missing, alike)
        if beyond:
            scan.drop(beyond)
            file_names = [file_name for photo, file_name in enumerate(file_names) if photo not in beyond]
        kept = set(file_names)
        for words in (words for file_name, words in folder.several.items() if file_name in kept):
            self.note("photo", SEVERAL_ENDINGS, words)
        return file_names, [name for name in missing if name not in alike]

    def add_scan(self, annotations: str | os.PathLike, scan: Scan, folder: PhotoFolder, photos: list[str | None],
                 missing: list[str], sized: bool = True) -> None:
        """Register the photos of a Scan with their rows, and report its problems.

        Args:
            annotations: path of the CSV.
            scan: of the CSV's rows.
            folder: PhotoFolder.
            photos, missing: as `find_photos` gives them.
            sized: whether the sizes are the CSV's own, by which photos that were annotated before EXIF turns them show.
        """
        _look_at_large(scan, folder, photos)
        turns = _turned(scan, folder, photos, self) if sized else {}
        for line, photo, number, kind, message in scan.row_problems():
            name = None if photo is None else photos[photo] or scan.names[photo]
            if number is not None:
                self.fault(annotations, Fault(name, kind, f"line {line}: {message}", number))
                continue
            self.fault(annotations, Fault(f"line {line}", kind, message))
            if name is not None:
                self.lost[-1] = Loss(name, AT_FAULT, 1)
        for photo, kind, message in sorted(scan.photo_problems.values()):
            self.fault(annotations, Fault(photos[photo] or scan.names[photo], kind, message))
        rows, bounds = scan.rows()
        self.missing_photos(annotations, folder.path, missing, len(scan.names),
                            objects=_objects_of(scan, photos, missing, rows, bounds) if missing else None)
        said_twice = self._said_twice(scan, rows, bounds)
        for photo, name in enumerate(photos):
            if name is not None and photo not in scan.photo_problems:
                size, turn = scan.sizes[photo], turns.get(photo, 1)
                if turn != 1:
                    size = photo_size(folder.join(name))
                    self.note("photo", NOTES["stored"], name)
                more = {"dropped": said_twice[photo]} if photo in said_twice else {}  # an entry costs memory, of each
                self.add_photo(self.source, scan.names[photo], folder.join(name), name, *size, turn=turn,
                               annotated=scan.sizes[photo], table=rows, **more,
                               rows=(int(bounds[photo]), int(bounds[photo + 1])))

    def _said_twice(self, scan, rows, bounds):
        """{photo of two names: numbers of its rows that another of its names has already}, which are noted.

        The row of the other name gets the attributes that the dropped row alone has.
        """
        twice, named = {}, scan.names_of_rows()
        known = {label: number for number, label in enumerate(rows.labels)} if named else {}
        for photo, names in named.items():
            labels = rows.label[int(bounds[photo]):int(bounds[photo + 1])]
            drawn = _drawn(rows, bounds, photo)
            pairs = same_rows(drawn, names, [set(rows.labels[label][1]) if label >= 0 else set() for label in labels])
            for number, other in pairs:
                ids, more = (rows.labels[labels[row]][1] for row in (other, number))
                if set(ids) != set(more):
                    label = drawn[other][0], tuple(dict.fromkeys(ids + more))
                    if label not in known:
                        known[label] = len(rows.labels)
                        rows.labels.append(label)
                    labels[other] = known[label]
                how = SAID_TWICE if set(ids) == set(more) else BY_BOTH
                self.note("object", how, f"object {number} of {scan.names[photo]}")
            if pairs:
                twice[photo] = frozenset(number for number, _ in pairs)
        return twice

    def name_attributes(self, annotations: str | os.PathLike, attributes: dict[int, str], scan: Scan) -> None:
        """Take the names of attributes, or where there are none call those of objects by their ids. Repeats are noted.

        Args:
            annotations: path of the CSV.
            attributes: {id: name}, empty without a list of them.
            scan: of the CSV's rows.
        """
        if attributes:
            self._note_unlisted(attributes, scan)
        found = (i for _, ids in scan.labels for i in ids)
        remedy = f"put iMaterialist's {NAMES_FILE} beside it, or give it by --names"
        self.attribute_names.update(attributes or named_by_ids(annotations, found, remedy))
        if scan.twice_lines:
            self.note("object", TWICE, f"line {scan.twice_lines[0][0]}", len(scan.twice_lines))

    def _note_unlisted(self, attributes, scan):
        """Note the attributes of a Scan's objects that a list of them has not."""
        unlisted = {label: [i for i in ids if i not in attributes] for label, (_, ids) in enumerate(scan.labels)}
        unlisted = {label: ids for label, ids in unlisted.items() if ids}
        count, photo = scan.rows_with(unlisted)
        if count:
            first = next(iter(unlisted.values()))[0]
            self.note("object", UNLISTED, f"attribute {first} of {scan.names[photo]}", count)

    def _add_classes(self, annotations, categories, scan):
        if categories is None:
            warnings.warn(f"{annotations}: no {NAMES_FILE} beside it: classes are named by their ids.", stacklevel=3)
            categories = {i: {"name": str(i)} for i in sorted({category for category, _ in scan.labels})}
        for category_id, category in categories.items():
            self.add_category(self.source, category_id, category["name"], category.get("supercategory"))

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield an ObjectAnnotation, or a Fault, for each row of a photo that loading found nothing wrong with."""
        info = self.image_info[image_id]
        table, rows = info["table"], slice(*info["rows"])
        for number, (label, text) in enumerate(zip(table.label[rows], table.texts(rows))):
            if label < 0:
                continue  # a fault of the row, met when it was loaded
            category_id, attributes = table.labels[label]
            if table.cut and len(text) == CELL:
                yield Fault(self.file_name(image_id), "bad entry", CUT, number)
                continue
            try:
                rle = encoded_pixels_to_rle(text, info["annotated"])
                if info["turn"] != 1:
                    rle = turned_segmentation(rle, info["turn"], info["annotated"])
            except PixelsError as error:
                yield Fault(self.file_name(image_id), error.kind, str(error), number)
                continue
            class_id = self.map_source_class_id(f"{self.source}.{category_id}")
            yield ObjectAnnotation(number, class_id, rle, attributes=attributes)

    def object_classes(self, image_id: int) -> np.ndarray:
        """int32 [N]: class ids of the objects of a photo, their run lengths not looked at."""
        info = self.image_info[image_id]
        table, rows = info["table"], slice(*info["rows"])
        counted = (table.label[rows] >= 0) & (table.length[rows] > 0)
        counted[[number for number in info.get("dropped", ()) if number < len(counted)]] = False
        categories = (table.labels[label][0] for label in table.label[rows][counted].tolist())
        class_ids = (self.map_source_class_id(f"{self.source}.{category}") for category in categories)
        return np.array([class_id for class_id in class_ids if class_id], np.int32)  # without those left out


# --- Run lengths -----------------------------------------------------------------------------------------------------


class PixelsError(ObjectError):
    """EncodedPixels that make no mask."""


def encoded_pixels_to_rle(text: bytes, shape: tuple[int, int]) -> dict:
    """A mask of the CSV as COCO's compressed run lengths, without decoding it.

    Args:
        text: bytes "start length start length ..."; pixels are counted from 1 on, down the columns. Runs out of order
            or over one another, as the competition's file has them, stand for their union.
        shape: (H, W) of the photo.

    Raises:
        PixelsError: if it is empty, is not made of pairs of whole numbers, or leads out of the photo.
    """
    height, width = (int(side) for side in shape)
    area = height * width
    text = text.strip()
    if text.translate(None, b"0123456789 \t"):
        raise PixelsError("bad entry", f"its EncodedPixels {shown(text)} are no whole numbers")
    numbers = np.fromstring(text, np.int64, sep=" ") if text else np.zeros(0, np.int64)
    if len(numbers) % 2:
        raise PixelsError("bad entry", f"its EncodedPixels are {len(numbers)} numbers, which make no pairs")
    first, length = numbers[::2], numbers[1::2]
    wrong = np.flatnonzero((first < 1) | (first > area) | (length > area - first + 1))
    if len(wrong):
        start, count = int(first[wrong[0]]), int(length[wrong[0]])
        raise PixelsError(
            "RLE overflow",
            f"its run of {count} pixels from pixel {start} lies outside the pixels 1 to {area} of a photo of "
            f"{height}x{width}",
        )
    first, length = first[length > 0], length[length > 0]
    if not len(first):
        raise PixelsError("empty mask", "its EncodedPixels hold no pixel")
    return run_lengths.from_intervals(first - 1, first - 1 + length, (height, width))


def _drawn(rows, bounds, photo):
    """[(class, EncodedPixels) of each row of a photo]; the class of a bad row is None. bounds: as `Scan.rows` has it"""
    some = slice(int(bounds[photo]), int(bounds[photo + 1]))
    classes = [rows.labels[label][0] if label >= 0 else None for label in rows.label[some].tolist()]
    return list(zip(classes, rows.texts(some)))


def _objects_of(scan, photos, missing, rows, bounds):
    """Function of a missing name, or a file's, that gives its rows as `_drawn` does, or None of another file."""
    places, lacking = {name: photo for photo, name in enumerate(photos) if name is not None}, set(missing)
    places.update({name: photo for photo, name in enumerate(scan.names) if name in lacking})
    return lambda name: _drawn(rows, bounds, places[name]) if name in places else None


# --- Files beside the CSV --------------------------------------------------------------------------------------------


def _look_at_large(scan, folder, photos):
    """Note in a Scan which sizes of more than BELIEVED pixels are not those of their photos."""
    for photo, name in enumerate(photos):
        height, width = scan.sizes[photo] or (0, 0)
        if name is None or height * width <= BELIEVED:
            continue
        try:
            own = photo_size(folder.join(name))
        except DataError as error:
            scan.photo_problem(photo, "unreadable", str(error).rstrip("."))
            continue
        if own != (height, width):
            message = f"it has {own[0]}x{own[1]} pixels (height x width), annotated as {height}x{width}"
            scan.photo_problem(photo, "wrong size", message)


def _turned(scan, folder, photos, report):
    """{index of a photo: EXIF orientation by which its masks are to be turned} of those that are to be."""
    known = [photo for photo, name in enumerate(photos)
             if name is not None and scan.sizes[photo] is not None and photo not in scan.photo_problems]
    sizes = {}
    for photos_to_look_at in (known[::len(known) // LOOKED_AT + 1], known):
        for photo in photos_to_look_at:
            try:
                sizes[photo] = scan.sizes[photo], *photo_header(folder.join(photos[photo]))
            except DataError:
                continue  # told when it is loaded
        if all(orientation == 1 for _, _, orientation in sizes.values()):
            return {}
    turns = turns_of(sizes, report=report, called=photos.__getitem__)
    return {photo: turn for photo, turn in turns.items() if turn not in (1, None)}


def named_or_stem(folder: PhotoFolder, name: str) -> str | None:
    """Name of the file in a PhotoFolder that is `name`, or `name` with the ending that it lacks; None if none is."""
    return folder.find(name) or folder.find_stem(name)


def _photo_folder(annotations):
    """Folder of the photos of a CSV: the one beside it that is named as it is, else the CSV's own."""
    stem = os.path.splitext(annotations)[0]
    return stem if os.path.isdir(stem) else os.path.dirname(annotations) or "."


def descriptions_path(annotations: str | os.PathLike,
                      names: str | os.PathLike | list[str] | None) -> str | os.PathLike | list[str] | None:
    """Path of label_descriptions.json, or None."""
    beside = os.path.join(os.path.dirname(annotations), NAMES_FILE)
    return names if names is not None else beside if os.path.isfile(beside) else None


def read_descriptions(path: str | os.PathLike | list[str] | None) -> tuple[dict[int, dict] | None, dict[int, str]]:
    """({category id: its entry}, None without a file; {attribute id: name}) of label_descriptions.json, or a list of
    names."""
    if path is None:
        return None, {}
    if isinstance(path, (list, tuple)):
        return {number: {"name": name} for number, name in enumerate(path)}, {}
    content = read_json(path, f"file of class names, iMaterialist's {NAMES_FILE}")
    entries = content.get("categories") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries or not all(_is_named(entry) for entry in entries):
        raise DataError(
            f'{path}: no label descriptions, for it has no list "categories" of {{"id": number, "name": text}}: give '
            f"iMaterialist's {NAMES_FILE}."
        )
    categories = {entry["id"]: entry for entry in sorted(entries, key=lambda entry: entry["id"])}
    if len(categories) < len(entries):
        raise DataError(f"{path}: a category id occurs twice: give each its own.")
    attributes = content.get("attributes")
    attributes = attributes if isinstance(attributes, list) else []
    named = [entry for entry in attributes if _is_named(entry)]
    if len(named) < len(attributes):
        warnings.warn(f"{path}: {len(attributes) - len(named)} attributes have no whole number as id, or no name, and "
                      "are left out.", stacklevel=2)
    if len({entry["id"] for entry in named}) < len(named):
        raise DataError(f"{path}: an attribute id occurs twice: give each its own.")
    return categories, {entry["id"]: entry["name"] for entry in named}


def _is_named(entry):
    return isinstance(entry, dict) and isinstance(entry.get("id"), int) and isinstance(entry.get("name"), str)
