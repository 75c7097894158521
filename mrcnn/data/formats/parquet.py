"""Parquet files: data sets of Hugging Face with their photos, and the tables that `data convert --to parquet` writes.

Of a data set of Hugging Face photos and masks are read when they are asked for, outlines when it is loaded. A table of
ours has a row for each object, with run lengths, and names the photos, which lie in a folder.
"""

import contextlib
import io
import os
from collections.abc import Iterator

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import Fault, ObjectAnnotation
from mrcnn.data.decoding import decoding
from mrcnn.data.encoded import check_scans
from mrcnn.data.formats import binary_maps, label_maps, labelme_shapes
from mrcnn.data.formats.blurred_maps import tell_blurred
from mrcnn.data.formats.boxes import ONLY_A_BOX
from mrcnn.data.formats.fitting import fitted
from mrcnn.data.formats.label_colours import is_grey, label_names
from mrcnn.data.formats.label_files import mask_of, other_size, tell_soft
from mrcnn.data.formats.label_mapping import NAMES_FILES, find_file, label_classes
from mrcnn.data.formats.names_files import read_names
from mrcnn.data.formats.parquet_columns import NAMES, columns_of, entries_of, members_of
from mrcnn.data.formats.parquet_files import ParquetRows, parquet_files
from mrcnn.data.formats.parquet_table import OURS, read_table
from mrcnn.data.formats.segmentations import SegmentationFault, outline_of
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.data.reporting import LIKE_A_FILE
from mrcnn.errors import DataError

FORMAT = "parquet"
LABEL_NAMES = ("id2label.json", *NAMES_FILES)  # beside the files
EMBEDDING = "data.with_format('arrow').map(datasets.table.embed_table_storage, batched=True), then to_parquet"
# Beginnings of the names of files, as Hugging Face calls the parts of a data set.
PARTS = {"train": ("train",), "val": ("val",), "test": ("test",)}  # "validation" begins so too


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file is Parquet, or a folder holds such files."""
    try:
        return bool(parquet_files(path))
    except OSError:
        return False


class ParquetDataset(label_maps.WithLabelMaps):
    """Parquet files of one table. Classes are numbered in the order of the category ids, or of their names."""

    looks_late = True
    label_source = FORMAT

    @staticmethod
    def parts(annotations: str | os.PathLike) -> tuple[str, ...]:
        """Names of the parts that the files are called by, such as ("train", "val"); () if they are not."""
        files = parquet_files(annotations) if os.path.isdir(annotations) else []
        by_part = {part: _files_of(files, part) for part in PARTS}
        parts = tuple(part for part, found in by_part.items() if found)
        return parts if len(parts) > 1 and sum(map(len, by_part.values())) == len(files) else ()

    def load(self, annotations: str | os.PathLike, images: str | os.PathLike | None = None, limit: int | None = None,
             on_error: str = "raise", names: str | os.PathLike | None = None,
             mapping: str | os.PathLike | dict | None = None, min_area: int | None = None, split: str | None = None,
             **others: object) -> "ParquetDataset":
        """Register the photos of all rows.

        Args:
            annotations: a Parquet file, or the folder of them.
            images: folder of the photos that the files name and do not hold; None: that of the files.
            limit: take the first so many photos.
            on_error: "raise" at a bad sample or "skip" it (see `faults`).
            names: path of a file of class names (see `names_files.read_names`), where the files have none: that of
                category or label k is the k-th, from 0 on.
            mapping, min_area: of label maps, see `label_mapping`.
            split: "train", "val" or "test", of a folder whose files are called so; None takes all.

        Returns:
            The data set itself.

        Raises:
            DataError: naming the file and what is wrong, or that pyarrow is not installed.
        """
        self.refuse(annotations, **others)
        self.start_loading(on_error)
        files = parquet_files(annotations)
        files = files if split is None else _files_of(files, split)
        if not files:
            raise DataError(f"{annotations}: no Parquet files{'' if split is None else f' of the part {split}'}: give "
                            "the file, or the folder of them.")
        self._rows, self._files = ParquetRows(files), {}
        self._taken = set()
        above = annotations if os.path.isdir(annotations) else os.path.dirname(os.path.abspath(annotations))
        if OURS in self._rows.metadata:
            self.refuse(annotations, names=names, mapping=mapping, min_area=min_area)
            self._folder = PhotoFolder(images or above)
            read_table(self, annotations, self._rows, self._folder, limit)
        else:
            self._folder = PhotoFolder(images or above)
            self._load_rows(annotations, above, names, mapping, min_area, limit)
        self.finish_loading(annotations)
        return self

    # --- Data sets of Hugging Face -------------------------------------------------------------------------------
    def _load_rows(self, source, above, names, mapping, min_area, limit):
        try:
            self._columns = columns_of(self._rows.schema, self._rows.metadata)
        except DataError as error:
            raise DataError(f"{source}: {error}") from error
        columns, self._classes = self._columns, None
        for name in filter(None, (columns.photo, columns.label_map)):
            self._locate_column(name, limit)
        if names is None and columns.label_map is not None:
            names = find_file(above, LABEL_NAMES)
            if names not in (None, os.path.join(above, LABEL_NAMES[0])):
                self.note("file of names", "taken as it lies there: another is given by names=, --names", names)
        if columns.label_map is not None:
            if names is None:
                raise DataError(f"{source}: its label maps have no names: give a file of them, such as id2label.json "
                                "(names=, --names).")
            listed = label_names(names)
            self._classes, rows = label_classes(listed, mapping, min_area, self.note), self._rows.count
            taken = range(rows if limit is None else min(rows, limit))
            tell_blurred(taken, self._stored_map, self.note)
            maps = map(self._stored_map, binary_maps.of_a_few(taken))
            self._inside = binary_maps.label_of_255(listed, maps, rows, "row 0", self.note)
            known = dict(enumerate(self._classes.names, 1))
        else:
            self.refuse(source, mapping=mapping, min_area=min_area)
            known = self._known_classes(names)
        for name in columns.others:
            self.note("field of objects", "that is not read: left out", name)
        name_column = next((name for name in NAMES if name in self._rows.schema.names), None)
        # With the sizes known, the bytes of the photos need not be read now.
        lean = columns.size and "path" in members_of(self._rows.schema.field(columns.photo).type)
        wanted = [f"{columns.photo}.path" if lean else columns.photo, *columns.size.values()]
        wanted += [name_column] if name_column else []
        wanted += [] if columns.label_map else columns.of_objects
        taken, seen = set(), {}
        first = _bytes_of(self._rows.row(0, [columns.photo])[columns.photo]) if self._rows.count else None
        self._ending = ".png" if (first or b"").startswith(b"\x89PNG") else ".jpg"  # of photos that have no name
        for index, row in enumerate(self._rows.rows(dict.fromkeys(wanted), limit)):
            self._add(source, index, row, row.get(name_column), known, taken, seen)
        for label in known if known is not None else sorted(seen, key=lambda label: (str(type(label)), label)):
            self.add_class(FORMAT, label, known[label] if known is not None else _called(label))
        if known is None and any(not isinstance(label, str) for label in seen):
            self.note("category", "without a name, called by its number: give names (names=, --names)",
                      next(label for label in seen if not isinstance(label, str)), len(seen))

    def _known_classes(self, names):
        """{category: name}, of the file of names or of the schema; None: categories are texts, or have no names."""
        if names is not None:
            return read_names(names)
        listed = self._columns.class_names
        return None if listed is None else dict(enumerate(listed))

    def _add(self, source, index, row, called, known, taken, seen):
        """Register one photo, or what is wrong with it. taken: names so far; seen: {category: True} so far."""
        picture = row[self._columns.photo]
        name = self._photo_name(index, picture, called, taken)
        taken.add(name)
        path = _path_of(picture)
        if path and "bytes" in picture:
            self._locate([path], "photo")
        if path and self._files.get(path, path) is None and not self._holds(index):
            return self.fault(source, Fault(name, "missing", self._absence(path)))
        try:
            size = self._size(row, picture)
        except DataError as error:
            return self.fault(source, Fault(name, "unreadable", str(error).rstrip(".")))
        objects = () if self._classes is not None else self._objects(source, name, row, size, known, seen)
        self.add_photo(FORMAT, index, None, name, *size, row=index, objects=objects, embedded=True)

    def _photo_name(self, index, picture, called, taken):
        """Name of a photo: of its path, of its column, or its index."""
        path = picture.get("path") if isinstance(picture, dict) else None
        for name in (path, called):
            name = os.path.basename(str(name).replace("\\", "/")) if name is not None else ""
            if name and name not in (".", "..") and "\0" not in name:
                name = name if os.path.splitext(name)[1] else name + self._ending
                if name not in taken:
                    return name
        return f"{index:06d}{self._ending}"

    def _size(self, row, picture):
        """(H, W) of a photo, of its columns or of its header."""
        sides = [row[name] for name in self._columns.size.values()]
        if len(sides) == 2 and all(isinstance(side, int) and 0 < side < 1 << 20 for side in sides):
            return tuple(sides)
        return _picture(self._data(picture), "its photo", labelme_shapes.header)[0][0]

    def _data(self, picture):
        """bytes of a picture: in the row, or in the folder of the photos."""
        data = _bytes_of(picture)
        if data is not None:
            return data
        path = _path_of(picture)
        if not path:
            raise DataError("it has neither bytes nor a path")
        if self._files.get(path) is None:
            raise DataError(self._absence(path))
        with open(self._folder.join(self._files[path]), "rb") as file:
            return file.read()

    # --- Files that rows name and do not hold --------------------------------------------------------------------
    def _locate_column(self, name, limit):
        """Find the files of a column of pictures, if its first row names one."""
        if self._rows.count and _path_of(self._rows.row(0, [name])[name]):
            rows = self._rows.rows([f"{name}.path"], limit)
            self._locate([row[name]["path"] for row in rows if row[name] and row[name].get("path")],
                         "photo" if name == self._columns.photo else "label map")

    def _locate(self, paths, what):
        """Find files that rows name, for `_files`; those that other names stand for are none's. what: of a note"""
        found = {path: None for path in paths if path not in self._files}
        for path in found:
            with contextlib.suppress(DataError):  # told of the row
                found[path] = self._folder.find(path)
        self._taken.update(filter(None, found.values()))
        alike = self._folder.find_alike([path for path, file in found.items() if file is None], self._taken)
        for path, file in alike.items():
            self.note(what, LIKE_A_FILE, f"{path} is {file}")
        self._taken.update(alike.values())
        self._files.update({**found, **alike})

    def _holds(self, index):
        """Whether a row holds its photo, whatever else it names."""
        return _bytes_of(self._rows.row(index, [self._columns.photo])[self._columns.photo]) is not None

    def _absence(self, path):
        """Why a row has no picture, with the remedies."""
        reason = self._folder.tell_absent(path, least=1)
        return (f"its file {path} {reason}: give the folder of the photos (images=, --images), or write their bytes "
                f"into the Parquet file: {EMBEDDING}")

    def _objects(self, source, name, row, size, known, seen):
        """list of (number, category, run lengths or None, crowd); those of None have a mask, to be read later."""
        try:
            entries = entries_of(row, self._columns)
        except DataError as error:
            self.fault(source, Fault(name, "bad entry", str(error)))
            return []
        objects = []
        for number, entry in enumerate(entries):
            category = entry.get("category", 0)
            is_one = category is not None and not isinstance(category, (list, dict))
            if not is_one or (known is not None and category not in known):
                message = f"its category {repr(category)[:40]} has no name"
                self.fault(source, Fault(name, "unknown class", message, number))
                continue
            seen[category] = True
            if path := _path_of(entry.get("mask")):
                self._locate([path], "mask")
            rle = None
            if entry.get("mask") is None:
                try:
                    rle = _outline(entry.get("outline"), size)
                except SegmentationFault as error:
                    message = ONLY_A_BOX if error.kind == "no mask" and entry.get("box") else str(error)
                    self.fault(source, Fault(name, error.kind, message, number))
                    continue
            objects.append((number, category, rle, bool(entry.get("crowd"))))
        return objects

    # --- Loading -------------------------------------------------------------------------------------------------
    def load_image(self, image_id: int) -> np.ndarray:
        """A photo as uint8 [H, W, 3] RGB, upright."""
        info = self.image_info[image_id]
        if "row" not in info:
            return super().load_image(image_id)
        return _picture(self.photo_data(info), info["file_name"],
                        lambda image: labelme_shapes.upright_pixels(image, self.matte))

    def photo_data(self, info: dict) -> bytes:
        """bytes of the file of a photo of a row."""
        return self._data(self._rows.row(info["row"], [self._columns.photo])[self._columns.photo])

    def photo_bytes(self, image_id: int) -> bytes | None:
        """bytes of the file of a photo that only the table holds; None for any other photo."""
        info = self.image_info[image_id]
        return self.photo_data(info) if info.get("embedded") else None

    def sample_name(self, image_id: int) -> str:
        """Name of a photo, for messages."""
        return self.image_info[image_id]["file_name"]

    def read_objects(self, image_id: int) -> Iterator[ObjectAnnotation | Fault]:
        """Yield an ObjectAnnotation, or a Fault, for each object of a photo."""
        info = self.image_info[image_id]
        if "entries" in info:  # of a table of ours
            for number, class_id, rle, crowd, attributes in info["entries"]:
                yield ObjectAnnotation(number, self.map_source_class_id(f"{FORMAT}.{class_id}"), rle, crowd, attributes)
        elif self._classes is not None:
            yield from self._objects_of(info["file_name"], self._map_values(info), self._classes)
        else:
            masks = self._masks(info) if any(rle is None for _, _, rle, _ in info["objects"]) else {}
            for number, category, rle, crowd in info["objects"]:
                rle = masks.get(number) if rle is None else rle
                if isinstance(rle, Fault):
                    yield rle
                else:
                    yield ObjectAnnotation(number, self.map_source_class_id(f"{FORMAT}.{category}"), rle, crowd)

    def _map_values(self, info: dict) -> np.ndarray | Fault | None:
        """As `WithLabelMaps` has it; rows of objects have no label map."""
        if "entries" in info or self._classes is None:
            return None
        name, size = info["file_name"], (info["height"], info["width"])
        try:
            labels = self._stored_map(info["row"])
        except DataError as error:
            return Fault(name, "bad entry", str(error).rstrip("."))
        if labels.ndim != 2 or labels.dtype.kind not in "bui":
            return Fault(name, "bad entry", "its label map is a colour picture: write one value a pixel")
        if labels.shape != size:
            return Fault(name, "wrong size", f"the label map {other_size(labels.shape, size)}")
        labels = binary_maps.with_label(labels, self._inside, name)
        return labels if isinstance(labels, Fault) else label_maps.classified(
            labels.astype(np.int64), self._classes, name)

    def _stored_map(self, row):
        """Values of the label map of a row, grey ones as [H, W]; raises DataError where it cannot be read."""
        picture = self._rows.row(row, [self._columns.label_map])[self._columns.label_map]
        labels = _picture(self._data(picture), "its label map", np.array)
        return labels[..., 0] if labels.ndim == 3 and is_grey(labels) else labels

    def _masks(self, info):
        """{number of an object: run lengths, or Fault} of the masks of a row that are pictures."""
        masks, size, name = {}, (info["height"], info["width"]), info["file_name"]
        row = self._rows.row(info["row"], self._columns.of_objects)
        for number, entry in enumerate(entries_of(row, self._columns)):
            if entry.get("mask") is None:
                continue
            try:
                own, soft = _picture(self._data(entry["mask"]), "its mask", lambda image: mask_of(image, "its mask"))
            except DataError as error:
                masks[number] = Fault(name, "bad entry", str(error).rstrip("."), number)
                continue
            if soft:
                tell_soft(self, f"a mask of {name}")
            inside = fitted(own, size, 1)
            if inside is None:
                masks[number] = Fault(name, "wrong size", f"its mask {other_size(own.shape, size)}", number)
            else:
                masks[number] = run_lengths.encode(inside) if inside.any() else Fault(
                    name, "empty mask", "its mask has no pixel", number)
        return masks


def _files_of(files, part):
    """Those of some files that are called as a part is."""
    return [file for file in files if os.path.basename(file).lower().startswith(PARTS.get(part, ("\0",)))]


def _called(label):
    return label if isinstance(label, str) else f"class {label}"


def _bytes_of(picture):
    """The bytes of a picture in a row; None if it has none."""
    data = picture.get("bytes") if isinstance(picture, dict) else picture
    return data if isinstance(data, bytes) and data else None


def _path_of(picture):
    """The path of a picture that a row names and does not hold, as far as the row tells; else None."""
    return picture.get("path") if isinstance(picture, dict) and _bytes_of(picture) is None else None


def _outline(outline, size):
    """Compressed run lengths of an outline. Raises SegmentationFault."""
    segmentation = outline_of(outline, size).segmentation
    rle = run_lengths.compress(segmentation, size) if isinstance(segmentation, dict) else run_lengths.from_polygons(
        segmentation, size)
    if not run_lengths.areas([rle])[0]:
        raise SegmentationFault("empty mask", "its outline holds no pixel")
    return rle


def _picture(data, what, use):
    """What a function makes of the Pillow image in bytes. Raises DataError if it is none, or too large."""
    from PIL import Image

    check_scans(data, what)
    with decoding(what), Image.open(io.BytesIO(data)) as image:
        return use(image)
