"""What readers say of the samples of a data set: faults, notes and losses."""

import dataclasses
import os
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from mrcnn.errors import DataError
from mrcnn.files import printable

# What can be wrong with a sample; `mrcnn.data.curation.validate` lists samples under these names.
FAULT_KINDS = {
    "unreadable": "the photo cannot be decoded",
    "damaged": "the photo's JPEG is damaged, and part of its pixels are made up",
    "missing": "the photo's file is not in the folder",
    "path escape": "the photo's name leads out of the image folder, or no file can have it",
    "wrong channels": "the photo has other channels than the network takes",
    "wrong size": "photo and annotation have different sizes",
    "empty mask": "an object has no pixel",
    "mask outside": "an object lies outside the photo",
    "no mask": "an object has a box, or nothing, in place of an outline",
    "unknown class": "an object is of a class that the data set does not list",
    "RLE overflow": "run lengths reach beyond the photo, or do not fill it where they should",
    "duplicate id": "an id occurs twice",
    "same mask": "an object has the mask of another one, pixel by pixel",
    "mixed classes": "the pixels of an object have several classes",
    "bad entry": "an entry that cannot be understood",
}
HARMLESS = ("duplicate id", "same mask", "mixed classes")  # of an object that is kept

AT_FAULT = "left out as at fault"


class ObjectError(DataError):
    """What is wrong with one object of a file.

    Args:
        kind: of FAULT_KINDS.
        message: what it is, and what to do about it.
    """

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class Fault(NamedTuple):
    """One bad sample.

    Args:
        photo: `file_name` of the photo in the data set, or the name as annotated if it has no file.
        kind: a key of FAULT_KINDS.
        message: what is wrong, without the photo's name.
        number: index of the object among those of the photo in the file; None is the photo as a whole.
    """

    photo: str
    kind: str
    message: str
    number: int | None = None

    @property
    def harmless(self) -> bool:
        """Whether training may go on with the object: it is there, and all that is needed of it is known."""
        return self.kind in HARMLESS and self.number is not None

    def __str__(self):
        place = self.photo if self.number is None else f"{self.photo}, object {self.number}"
        return printable(f"{place}: {self.message}", one_line=True)


@dataclasses.dataclass
class Note:
    """What a reader took otherwise than it is written, or left out as of no use: one line for all such entries.

    Args:
        what: the entries in the singular, such as "photo"; "s" is added for more of them
        how: what they are and how they were taken, with the remedy
        first: name of the first of them
        count: how many there are
    """

    what: str
    how: str
    first: str
    count: int = 1

    def __str__(self):
        what = self.what
        if self.count != 1:
            what = f"{what[:-1]}ies" if what.endswith("y") else f"{what}es" if what.endswith("s") else f"{what}s"
        text = f"{self.count} {what} {self.how} (first: {self.first})"
        return printable(text, one_line=True)


class Loss(NamedTuple):
    """What a data set is without.

    Attributes:
        photo: name of the photo
        reason: why, worded to follow the number of objects
        objects: how many of the photo's objects are lost, as far as that is known
        whole: whether the photo is lost as a whole
    """

    photo: str
    reason: str
    objects: int
    whole: bool = False


def warn_of_faults(source: str | os.PathLike, verb: str, faults: Sequence[Fault]) -> None:
    """Warn of some faults in one line.

    Args:
        source: path of the annotations.
        verb: what was done to them.
        faults: list of Fault.
    """
    if faults:
        shown = "; ".join(map(str, faults[:3]))
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        warnings.warn(f"{source}: {verb} {shown}{more}.", stacklevel=4)
