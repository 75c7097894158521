"""The rows of a CSV of run lengths, iMaterialist's above all, of which only the place in the file is kept in memory.

The competition's file has 333,415 masks and far more text than one wants in memory: it is read once to note where each
mask stands, and again, in parts, when a photo's objects are asked for.
"""

import array
import dataclasses
import os
import re
from collections.abc import Collection

import numpy as np

from mrcnn.data.run_length_counts import MOST_PIXELS
from mrcnn.errors import DataError
from mrcnn.text_files import refuse_wide

PIXELS = "EncodedPixels"
COLUMNS = ("ImageId", PIXELS, "Height", "Width", "ClassId")
ATTRIBUTES = "AttributesIds"  # a column of 2020; 2019 has them behind the class: 6_28_77
WHOLE = re.compile(rb"([+-]?\d+)(?:\.0*)?")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DELIMITERS = (b",", b";", b"\t")
MAX_HEADER = 65536  # bytes of the first line
CELL = 32767  # characters that spreadsheets keep of a cell, Excel and LibreOffice
NONE, MOST_OF_NONE = b"-1", 8  # EncodedPixels of a row without a mask, where rows list photos; bytes with blanks


def first_columns(path: str | os.PathLike) -> list[str]:
    """Names in the first line of a file, whatever it is; [] if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return _columns(file.readline(MAX_HEADER))[0]
    except OSError:
        return []


def shown(text: bytes) -> str:
    """Bytes of the file for a message, cut short."""
    return repr(text[:40].decode("utf-8", "replace")) + ("..." if len(text) > 40 else "")


@dataclasses.dataclass(frozen=True)
class Layout:
    """Which columns a CSV has, beside EncodedPixels: iMaterialist's where nothing else is said.

    Args:
        photo: name of the photo.
        label: class, None if it is joined or there is but one.
        joined: whether "_" and the class follow it in the same column.
        only_class: what all objects are of if no column tells.
        sized: whether Height and Width are there; if not, the sizes that a Scan gives are None.
        words: whether classes may be texts.
        listing: whether a row without pixels just lists its photo and its class.
    """

    photo: str = "ImageId"
    label: str | None = "ClassId"
    joined: bool = False
    only_class: str | None = None
    sized: bool = True
    words: bool = False
    listing: bool = False


class Rows:
    """Where each mask stands in the CSV, the masks of a photo in a row.

    Args:
        state: of the file, as `_state` gives it.
        start: int64 [R] byte of the file.
        length: int32 [R] bytes.
        label: int32 [R] index into `labels`, -1: a bad row.
        labels: list of (category id or text, attribute ids).
        longest: bytes of the longest EncodedPixels of the file.
    """

    def __init__(self, path: str | os.PathLike, state: tuple[int, int], start: np.ndarray, length: np.ndarray,
                 label: np.ndarray, labels: list[tuple[int | str, tuple[int, ...]]], longest: int) -> None:
        self.path, self.state = path, state
        self.start, self.length, self.label, self.labels = start, length, label, labels
        self.cut = longest == CELL  # where none is longer a text of this length was cut

    def texts(self, rows: slice) -> list[bytes]:
        """list of bytes: EncodedPixels of some rows. The file is opened anew: threads and processes share nothing."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                if _state(file) != self.state:
                    raise DataError(f"{self.path}: changed since it was loaded: load it again.")
                texts = []
                for start, length in zip(self.start[rows].tolist(), self.length[rows].tolist()):
                    file.seek(start)
                    texts.append(file.read(length))
                return texts
        except OSError as error:
            raise DataError(f"{self.path}: cannot read the annotations ({error.strerror}): check the path.") from error


def _state(file):
    """What changes when a file is written to."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


class Scan:
    """One pass over a CSV.

    Args:
        path: of the file.
        categories: ids that a class may have, None: any.
        layout: Layout of the columns, iMaterialist's by default.

    Attributes:
        names: list of ImageId, in the order in which they occur.
        sizes: their (H, W).
        labels: as in Rows, of all photos, also dropped ones.
        problems: list of (line, photo index, index of the row, kind, message), see `row_problems`.
        photo_problems: {photo index: (photo index, kind, message)}.
        none_lines: list of (line, photo index) of those that say -1, no mask.
        twice_lines: the same of those that list an attribute twice.
    """

    def __init__(self, path: str | os.PathLike, categories: Collection[int | str] | None,
                 layout: Layout = Layout()) -> None:
        self.names, self.sizes, self.labels, self.problems, self.photo_problems = [], [], [], [], {}
        self.none_lines, self.twice_lines = [], []
        self._path, self._categories, self._layout = path, categories, layout
        self._index, self._texts, self._label_index, self._joined = {}, [], {}, {}
        self._bad_lines = []  # (line, name of the photo, what is wrong, number of photos in the lines before)
        self._twice = set()  # labels that list an attribute twice
        self._photo, self._label, self._length = array.array("i"), array.array("i"), array.array("q")
        self._start = array.array("q")
        refuse_wide(path)  # rows are found again by their bytes
        try:
            with open(path, "rb") as file:
                self._state = _state(file)
                self._read(file)
            self._longest = max(self._length, default=0)
        except OSError as error:
            raise DataError(f"{path}: cannot read the annotations ({error.strerror}): check the path.") from error

    def _read(self, file):
        header = file.readline(MAX_HEADER)
        if b"\r" in header.rstrip(b"\r\n"):
            raise DataError(f"{self._path}: its lines end in carriage returns alone, as of old Macs: save it with the "
                            "line ends of Unix or Windows.")
        columns, delimiter = _columns(header)
        sizes = ("Height", "Width") if self._layout.sized else (None, None)
        wanted = (self._layout.photo, PIXELS, *sizes, self._layout.label)
        lacking = [name for name in wanted if name is not None and name not in columns]
        if lacking:
            raise DataError(
                f"{self._path}: no iMaterialist CSV, for its first line has no column {lacking[0]!r}: the columns must "
                f"be {', '.join(COLUMNS)}, and {ATTRIBUTES} may be added."
            )
        places = [columns.index(name) if name in columns else len(columns) for name in (*wanted, ATTRIBUTES)]
        offset = len(header)
        for line, text in enumerate(file, 2):
            row = text.rstrip(b"\r\n")
            if row:
                fields, start = _split(row, places[1], delimiter)
                if len(fields) == len(columns):
                    fields.append(b"")  # stands for the columns that are not there
                    self._add(line, offset + start, *[fields[place] for place in places])
                else:
                    reason = (f"it has {len(fields)} fields, the first line {len(columns)}" if fields else
                              "a quote in it does not end, or not at the end of a field")
                    cells = fields or row.split(delimiter)
                    self._bad_line(line, cells[places[0]].strip(b'"') if places[0] < len(cells) else b"", reason)
            offset += len(text)

    def _bad_line(self, line, name, reason):
        """Note a line that cannot be taken apart. name: of its photo, as far as it can be told"""
        name = name.rpartition(b"_")[0] or name if self._layout.joined else name
        self._bad_lines.append((line, name, reason, len(self.names)))

    def _add(self, line, start, name, pixels, height, width, class_text, attribute_text):
        if self._layout.joined:
            name, joint, class_text = name.rpartition(b"_")
            if not joint:
                reason = f"its {self._layout.photo} {shown(class_text)} is no photo's name and class with '_' between"
                return self._bad_line(line, class_text, reason)
        photo = self._index.get(name)
        if photo is None:
            photo = self._index[name] = self._new_photo(name, height, width)
        label = self._label_index.get((class_text, attribute_text))
        if label is None:
            label = self._label_index[class_text, attribute_text] = self._new_label(class_text, attribute_text)
        if self._texts[photo] != (height, width) and _size(height, width) != self.sizes[photo]:
            size = b"x".join((height, width)).decode("utf-8", "replace")
            first = b"x".join(self._texts[photo]).decode("utf-8", "replace")
            self.photo_problem(photo, "wrong size", f"line {line} gives it {size} pixels, its first line {first}")
        if self._layout.listing and len(pixels) < MOST_OF_NONE:
            if pixels.strip() == NONE:
                self.none_lines.append((line, photo))
                return
            if not pixels:
                return
        if isinstance(label, tuple):
            self.problems.append((line, photo, len(self._photo), *label))
            label = -1
        elif label in self._twice:
            self.twice_lines.append((line, photo))
        self._photo.append(photo)
        self._start.append(start)
        self._length.append(len(pixels))
        self._label.append(label)

    def _new_photo(self, name, height, width):
        """Index of a new photo."""
        photo = len(self.names)
        self.names.append(name.decode("utf-8", "replace"))
        self.sizes.append(_size(height, width))
        self._texts.append((height, width))
        if not name:
            self.photo_problem(photo, "bad entry", f"a row has no {self._layout.photo}")
        elif self.sizes[photo] is None and self._layout.sized:
            self.photo_problem(photo, "bad entry", f"it has Height {shown(height)} and Width {shown(width)}")
        return photo

    def _new_label(self, class_text, attribute_text):
        """Index of a new label, or (kind, message)."""
        if self._layout.only_class is not None:
            self.labels.append((self._layout.only_class, ()))
            return len(self.labels) - 1
        try:
            category_id, *attributes = map(_whole, class_text.split(b"_"))
            attributes += map(_whole, attribute_text.split(b",") if attribute_text.strip() else ())
        except ValueError:
            category_id, attributes = class_text.strip().decode("utf-8", "replace"), ()
            if self._layout.words and not category_id:
                return "bad entry", "its class is empty"
            if not self._layout.words:
                both = b", ".join((class_text, attribute_text)) if attribute_text else class_text
                return "bad entry", f"its class and attributes {shown(both)} are no whole numbers"
        if self._categories is not None and category_id not in self._categories:
            return "unknown class", f"its class {category_id} is none of those listed"
        if len(set(attributes)) < len(attributes):
            self._twice.add(len(self.labels))
        self.labels.append((category_id, tuple(dict.fromkeys(attributes))))
        return len(self.labels) - 1

    def photo_problem(self, photo: int, kind: str, message: str) -> None:
        """Note what is wrong with a photo as a whole, unless something is noted already."""
        self.photo_problems.setdefault(photo, (photo, kind, message))

    def join(self, photo: int, other: int) -> None:
        """Take the rows of a photo as another's; what is wrong with it is wrong with the other."""
        self._joined[photo] = other
        _, *problem = self.photo_problems.pop(photo, (photo,))
        sizes = {self.sizes[photo], self.sizes[other]}
        if len(sizes) == 2 and None not in sizes and not problem:
            one, two = (f"{self.names[i]!r} {'x'.join(map(str, self.sizes[i]))}" for i in (other, photo))
            problem = "wrong size", f"it has two sizes in pixels (height x width), as {one}, as {two}"
        if problem:
            self.photo_problem(other, *problem)

    def drop(self, beyond: Collection[int]) -> None:
        """Forget photos beyond a limit and all about them. The others get new indices, in the same order.

        Lines of which the photo is not known are forgotten where they stand behind the first row of one of these.
        """
        new = {photo: number for number, photo in enumerate(i for i in range(len(self.names)) if i not in beyond)}
        place = np.full(len(self.names), -1, np.int32)
        place[list(new)] = np.arange(len(new))
        first = min(beyond, default=len(self.names))
        self._bad_lines = [(line, name, reason, before) for line, name, reason, before in self._bad_lines
                           if self._index.get(name) in new or name not in self._index and before <= first]
        self._index = {name: new[photo] for name, photo in self._index.items() if photo in new}
        self.names, self.sizes = ([values[photo] for photo in new] for values in (self.names, self.sizes))
        self._joined = {new[photo]: new[other] for photo, other in self._joined.items() if photo in new}
        self.photo_problems = {new[photo]: (new[photo], *problem)
                               for photo, (_, *problem) in self.photo_problems.items() if photo in new}
        self.none_lines, self.twice_lines = ([(line, new[photo]) for line, photo in lines if photo in new]
                                             for lines in (self.none_lines, self.twice_lines))
        photos = place[np.array(self._photo, np.int32)]
        kept = photos >= 0
        rows = np.cumsum(kept) - 1  # new indices of the rows
        self.problems = [(line, new[photo], int(rows[row]), kind, message)
                         for line, photo, row, kind, message in self.problems if photo in new]
        self._photo, self._start, self._length, self._label = (
            np.asarray(values)[kept] for values in (photos, self._start, self._length, self._label))

    def rows_with(self, labels: Collection[int]) -> tuple[int, int | None]:
        """(how many rows have one of some labels; index of the photo of the first, None: there is none)."""
        rows = np.flatnonzero(np.isin(np.array(self._label, np.int32), list(labels)))
        return len(rows), self._photo[rows[0]] if len(rows) else None

    def row_problems(self) -> list[tuple[int, int | None, int | None, str, str]]:
        """`problems` with the number of each row among its photo's in place of its index.

        It is None for a line that cannot be taken apart; so is the photo, where that is not known.
        """
        told = []
        for line, name, reason, _ in self._bad_lines:
            photo = self._index.get(name)
            fate = ("which photo lacks an object now is not known" if photo is None else
                    f"{shown(name)} lacks an object now")
            told.append((line, self._joined.get(photo, photo), None, "bad entry", f"{reason}: {fate}"))
        if self.problems:
            photos, order, bounds = self._order()
            numbers = np.empty(len(order), np.int64)
            numbers[order] = np.arange(len(order)) - bounds[photos[order]]
            told += [(line, self._joined.get(photo, photo), int(numbers[row]), kind, message)
                     for line, photo, row, kind, message in self.problems]
        return sorted(told, key=lambda problem: problem[0])

    def names_of_rows(self) -> dict[int, list[int]]:
        """{photo that other names were joined to: index of the name that each of its rows has, in the rows' order}."""
        if not self._joined:
            return {}
        _, order, bounds = self._order()
        named = np.array(self._photo, np.int32)[order]
        return {photo: named[bounds[photo]:bounds[photo + 1]].tolist() for photo in set(self._joined.values())}

    def _order(self):
        """(int32 [R] photos of the rows, int64 [R] the rows by photo, int64 [photos + 1] where those of each begin)."""
        place = np.arange(len(self.names), dtype=np.int32)
        place[list(self._joined)] = list(self._joined.values())
        photo = place[np.array(self._photo, np.int32)]
        bounds = np.concatenate([[0], np.cumsum(np.bincount(photo, minlength=len(self.names)))])
        return photo, np.argsort(photo, kind="stable"), bounds

    def rows(self) -> tuple[Rows, np.ndarray]:
        """(Rows; int64 [photos + 1] where among them the rows of each photo begin)."""
        _, order, bounds = self._order()
        columns = (np.array(self._start, np.int64), np.array(self._length, np.int32), np.array(self._label, np.int32))
        return Rows(self._path, self._state, *[column[order] for column in columns], self.labels,
                    self._longest), bounds


def _columns(header):
    """(names in the first line of a CSV, what stands between them)."""
    header = header.removeprefix(BYTE_ORDER_MARK).partition(b"\r")[0].rstrip(b"\n")
    for delimiter in DELIMITERS:
        fields, _ = _split(header, 0, delimiter)
        names = [field.strip().decode("utf-8", "replace") for field in fields]
        if PIXELS in names:
            return names, delimiter
    return [field.strip().decode("utf-8", "replace") for field in _split(header, 0, b",")[0]], b","


def _split(row, column, delimiter):
    """(fields of a line as bytes; where in the line the text of one of them begins, where there are so many)."""
    quote = row.find(b'"')
    fields = row.split(delimiter) if quote < 0 else row[:quote].split(delimiter)
    if quote >= 0:  # the last of these is the field with the quote, or what stands before the quote in it
        place = quote - len(fields.pop())
    start = sum(map(len, fields[:column])) + min(column, len(fields))
    if quote < 0:
        return fields, start
    while place <= len(row):
        quoted = row[place : place + 1] == b'"'
        if quoted:
            place += 1
            end = row.find(b'"', place)
            while end >= 0 and row[end + 1 : end + 2] == b'"':  # two stand for one
                end = row.find(b'"', end + 2)
            if end < 0 or row[end + 1 : end + 2] not in (b"", delimiter):
                return [], 0  # no field of a CSV
        else:
            end = row.find(delimiter, place)
            end = len(row) if end < 0 else end
        if len(fields) <= column:
            start = place
        field = row[place:end]
        fields.append(field.replace(b'""', b'"') if quoted and b'""' in field else field)
        place = end + 1 + quoted
    return fields, start


def _whole(text):
    """The whole number that a text spells, 6.0 as 6. Raises ValueError if it spells none."""
    number = WHOLE.fullmatch(text.strip())
    if number is None:
        raise ValueError(f"{text!r} is no whole number")
    return int(number[1])


def _size(height, width):
    """(H, W) of two texts, or None."""
    try:
        sides = float(height), float(width)
    except ValueError:
        return None
    if not all(side.is_integer() and side > 0 for side in sides) or sides[0] * sides[1] > MOST_PIXELS:
        return None
    return int(sides[0]), int(sides[1])
