"""CVAT's XML, read as a stream by expat: labels, photos and their shapes. Nothing of a file is taken on trust.

A document type is refused, and with it every entity, outer or inner; depth, texts and the size of the file are bounded.
"""

import dataclasses
import os
from xml.parsers import expat

from mrcnn.data.formats.cvat_shapes import outline_of
from mrcnn.data.formats.via import RegionError
from mrcnn.errors import DataError
from mrcnn.text_files import utf8_blocks, wide_encoding

BLOCK = 1 << 20  # bytes parsed at once
LARGEST_FILE = 1 << 35  # bytes; what is read of a file is held in memory
DEEPEST = 16  # elements within each other; CVAT has 8
LONGEST_TEXT = 1 << 12  # letters of a name or value
LONGEST_TAG = 1 << 26  # bytes of one element with its run lengths or points
NO_AREAS = ("points", "polyline", "cuboid", "skeleton")
AREAS = ("polygon", "box", "ellipse", "mask")
# What a label's <type> may be if its shapes have areas; "rectangle" is a box.
AREA_TYPES = ("any", "polygon", "rectangle", "bbox", "ellipse", "mask", "")
VIDEO = ("CVAT's XML for video, whose tracks are no photos: export CVAT for images 1.1 (Export dataset), which writes "
         "every frame as a photo, in its place")


@dataclasses.dataclass
class CvatShape:
    """One shape of a photo.

    Attributes:
        kind: name of its element
        label: its label, None for none
        outline: as `cvat_shapes.outline_of` gives it; None for a shape without area, and for one at fault
        error: RegionError that says what is wrong with it; None: nothing
        group: number of its group, 0 for none
        z_order: its layer
        attributes: list of (name, value)
    """

    kind: str
    label: str | None
    outline: dict | None
    error: RegionError | None
    group: int
    z_order: int
    attributes: list
    occluded: bool = False


@dataclasses.dataclass
class CvatPhoto:
    """One photo. name, id, size {"height", "width"}: as written; tags: list of labels of the photo as a whole."""

    name: str
    id: str
    size: dict
    subset: str
    shapes: list = dataclasses.field(default_factory=list)
    tags: list = dataclasses.field(default_factory=list)


class CvatFile:
    """The content of a file of CVAT for images.

    Attributes:
        labels: {name: type} of the labels that the file declares, in their order, without those of skeletons' parts
        photos: list of CvatPhoto

    Args:
        path: of the file

    Raises:
        DataError: naming it, if it is no such file or refused.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path, self.labels, self.photos = path, {}, []
        self._subset, self._tags, self._text, self._label, self._shape, self._part = "", [], None, None, None, None
        # What is marked as UTF-16 or UTF-32 is given as UTF-8, whatever its first line says.
        parser, read = expat.ParserCreate("utf-8" if wide_encoding(path) else None), 0
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._add_text
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            if os.path.getsize(path) > LARGEST_FILE:
                raise DataError(f"{path}: has more than {LARGEST_FILE} bytes: export fewer photos at a time.")
            for block in utf8_blocks(path, BLOCK):
                parser.Parse(block)
                read += len(block)
                if read - parser.CurrentByteIndex > LONGEST_TAG:
                    raise DataError(f"{path}: has an element of more than {LONGEST_TAG} bytes: refused.")
            parser.Parse(b"", True)
        except OSError as error:
            raise DataError(f"{path}: cannot read the annotations ({error.strerror}): check the path.") from error
        except (expat.ExpatError, LookupError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path}: no whole XML file ({error}): export it again.") from error
        for photo in self.photos:
            photo.subset = photo.subset or self._subset

    # --- What expat calls --------------------------------------------------------------------------------------------
    def _refuse_doctype(self, *_):
        raise DataError(f"{self.path}: declares a document type, which CVAT's files do not have: refused.")

    def _start(self, tag, given):
        self._tags.append(tag)
        depth, within = len(self._tags), self._tags[-2] if len(self._tags) > 1 else None
        if depth > DEEPEST:
            raise DataError(f"{self.path}: has elements {depth} deep, more than CVAT's files have: refused.")
        if depth == 1 and tag != "annotations":
            raise DataError(f"{self.path}: no annotations of CVAT, for its root is <{tag[:40]}>: check the file.")
        self._text = None
        if depth == 2 and tag == "track":
            raise DataError(f"{self.path}: {VIDEO}.")
        if depth == 2 and tag == "image":
            size = {side: given.get(side) for side in ("height", "width")}
            self.photos.append(CvatPhoto(given.get("name", ""), given.get("id", ""), size, given.get("subset", "")))
        elif depth == 3 and within == "image":
            self._add_shape(tag, given)
        elif depth == 4 and tag == "attribute" and self._tags[1] == "image":
            self._part, self._text = given.get("name", ""), []
        elif self._tags[1:2] == ["meta"] and tag == "label":
            self._label = {}
        elif self._tags[1:2] == ["meta"] and (within == "label" or self._tags[2:] == ["task", "subset"]):
            self._text = []

    def _add_text(self, text):
        if self._text is None:
            return
        self._text.append(text)
        if sum(map(len, self._text)) > LONGEST_TEXT:
            raise DataError(f"{self.path}: a <{self._tags[-1]}> has more than {LONGEST_TEXT} letters: refused.")

    def _end(self, tag):
        text = None if self._text is None else "".join(self._text).strip()
        self._tags.pop()
        self._text = None
        if tag == "label" and self._label is not None:
            if self._label.get("name") and not self._label.get("parent"):
                self.labels.setdefault(self._label["name"], self._label.get("type", ""))
            self._label = None
        elif text is not None and self._label is not None and self._tags[-1] == "label":
            self._label[tag] = text
        elif text is not None and tag == "subset":
            self._subset = text
        elif text is not None and tag == "attribute" and self._shape is not None:
            self._shape.attributes.append((self._part, text))

    def _add_shape(self, tag, given):
        label = (given.get("label") or "").strip() or None
        if tag == "tag":
            self._shape = None
            self.photos[-1].tags.append(label or "")
            return
        outline, fault = None, None
        try:
            outline = outline_of(tag, given) if tag in AREAS else None
            if tag not in AREAS + NO_AREAS:
                raise RegionError("bad entry", f"its shape is <{tag[:40]}>, which is none of {', '.join(AREAS)}")
        except RegionError as error:
            fault = error
        group, z_order = (_whole(given.get(key)) for key in ("group_id", "z_order"))
        self._shape = CvatShape(tag, label, outline, fault, group, z_order, [], given.get("occluded") == "1")
        self.photos[-1].shapes.append(self._shape)


def _whole(text):
    """The whole number of a text; 0 where there is none."""
    try:
        return int(text or 0)
    except ValueError:
        return 0
