"""Annotations of photos that their EXIF turns.

Photos are read upright. A tool may give the size of the photo as it is stored, and the outlines of either: where only
one of the two fits, it is taken. What fits both goes with the others of the file.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.formats.photo_files import TURNED
from mrcnn.data.reporting import Reporting

NOTES = {
    "upright": "with the size that it has before its EXIF turns it: its outlines fit it upright, and are taken so",
    "stored": "annotated as it is before its EXIF turns it: its outlines are turned with it",
}
EITHER_WAY = "its outlines fit it turned and not: save the photo upright, or correct its size in the annotations"
WITH_OTHERS = ("with an EXIF orientation, whose annotations fit it turned and not: they are turned with it, as those "
               "of the others are")
UNTOLD = ("with an EXIF orientation, of which nothing tells whether annotated before EXIF turns it: taken upright; if "
          "masks lie elsewhere in `data show`, take the orientation out of the EXIF")
Segmentation = TypeVar("Segmentation", dict, list)  # run lengths stay these, polygons too
Key = TypeVar("Key", bound=Hashable)
BOTH = ("upright", "stored")
TURNS = range(2, 9)  # EXIF orientations that turn or mirror a photo
# Outlines drawn by hand run over the edge of their photo, by this share of its side or by a pixel. What reaches further
# was drawn on a photo of other sides.
BEYOND = 0.02


class Annotated(NamedTuple):
    """A photo and how it was annotated.

    Args:
        name: to call it
        size: (H, W) as annotated; None: not
        upright: (H, W) of the photo, upright
        orientation: of its EXIF
        reach: (H, W) that the outlines reach to
        has_outlines: whether it has any; without, it is not told of
    """

    name: str
    size: tuple[int, int] | None
    upright: tuple[int, int]
    orientation: int
    reach: tuple[float, float]
    has_outlines: bool = True

    @property
    def shows(self) -> bool:
        """Whether its sides tell turned from not: it is turned by a quarter, and is no square."""
        return self.orientation in TURNED and self.upright[0] != self.upright[1]


def settled_turns(photos: Mapping[Key, Annotated], report: Reporting,
                  of_browser: bool = False) -> tuple[dict[Key, int], dict[Key, str]]:
    """How the outlines of each photo of a file are to be turned; what is not plain is noted.

    Args:
        photos: {key: Annotated}
        report: the data set that loads them
        of_browser: as for `chosen_frame`

    Returns:
        ({key: EXIF orientation by which the outlines are to be turned, 1: not at all}, {key: what is wrong with the
        size of a photo that is not among the former}).
    """
    possible = {key: possible_frames(*photo[1:5]) for key, photo in photos.items()}
    sized = {key for key, photo in photos.items() if photo.shows and photo.size == photo.upright[::-1]}
    others = {frames[0] for key, frames in possible.items()
              if len(frames) == 1 and (key in sized or frames == ("stored",))}
    chosen = {key: chosen_frame(frames, others, of_browser) for key, frames in possible.items()
              if len(frames) == 1 or key in sized}
    wrong = {key: wrong_size(photos[key].upright, photos[key].size) for key, frames in possible.items() if not frames}
    for key in [key for key, frame in chosen.items() if frame is None]:
        upright = photos[key].upright
        wrong[key] = f"{wrong_size(upright, upright[::-1])}; {EITHER_WAY}"
        del chosen[key]
    proven = {frame for key, frame in chosen.items() if photos[key].shows}
    as_others = "stored" if proven == {"stored"} else "upright"
    told = WITH_OTHERS if as_others == "stored" else None if proven == {"upright"} else UNTOLD
    turns = {}
    for key in [key for key in photos if key not in wrong]:
        photo, frame = photos[key], chosen.get(key, as_others)
        if key not in chosen:
            how = told if photo.has_outlines else None
        else:
            how = NOTES[frame] if key in sized or frame == "stored" else None
        if how:
            report.note("photo", how, photo.name)
        turns[key] = photo.orientation if frame == "stored" else 1
    return turns, wrong


def possible_frames(size: tuple[int, int] | None, upright: tuple[int, int], orientation: int,
                    reach: tuple[float, float]) -> tuple[str, ...]:
    """How a photo may have been seen when it was annotated: "upright", "stored", both or neither.

    Args:
        size: (H, W) as annotated; None: not
        upright: (H, W) of the photo, upright
        orientation: of its EXIF
        reach: (H, W) that the outlines reach to

    Returns:
        Tuple of what fits, both where nothing tells one from the other; () if the size is of neither.
    """
    stored = stored_size(upright, orientation)
    if size not in (None, upright, stored):
        return ()
    if orientation not in TURNS:
        return ("upright",)
    if stored == upright:
        return BOTH
    if size == upright and _fits(reach, upright):
        return ("upright",)
    frames = [name for name, frame in (("upright", upright), ("stored", stored)) if _fits(reach, frame)]
    # What fits nowhere lies outside the photo, which is told of the object.
    return tuple(frames) or (("stored",) if size == stored else ("upright",))


def _fits(reach, size):
    return all(end <= side + max(1, BEYOND * side) for end, side in zip(reach, size))


def stored_size(upright: tuple[int, int], turn: int) -> tuple[int, int]:
    """(H, W) of a photo before EXIF turns it. upright: (H, W) of it upright; turn: its orientation, 1: not turned."""
    return upright[::-1] if turn in TURNED else upright


def wrong_size(upright: tuple[int, int], size: tuple[int, int]) -> str:
    """The message of a photo whose size is not the annotated one.

    Args:
        upright: (H, W) of the photo.
        size: as annotated.
    """
    message = f"the photo is {_sides(upright)} pixels (height x width, upright), annotated as {_sides(size)}"
    if tuple(size) == upright[::-1]:
        return f"{message}, as if its EXIF orientation were another"
    alike = upright[0] * size[1] == upright[1] * size[0]
    return f"{message}, as if it had been scaled since: give the photos that were annotated" if alike else message


def _sides(size):
    return f"{size[0]}x{size[1]}"


def chosen_frame(possible: tuple[str, ...], others: Collection[str], of_browser: bool) -> str | None:
    """The frame of a photo that was annotated with the size that it has as stored.

    Args:
        possible: what `possible_frames` found
        others: set of the frames of photos of the same file where only one was possible
        of_browser: whether the tool shows photos upright whatever size it notes, as Label Studio does

    Returns:
        "upright" or "stored"; None if it cannot be told.
    """
    if len(possible) == 1:
        return possible[0]
    if len(others) == 1:
        return next(iter(others))
    return None if others or of_browser else "stored"


def turned_polygon(polygon: Sequence[float], orientation: int, stored: tuple[int, int]) -> list[float]:
    """A polygon of a photo as stored, in the photo as EXIF turns it.

    Args:
        polygon: list [x1, y1, ...] in pixels
        orientation: of EXIF, 1 to 8
        stored: (H, W) of the photo as stored

    Returns:
        list [x1, y1, ...].
    """
    x, y = np.asarray(polygon, np.float64).reshape(-1, 2).T
    height, width = stored
    points = {
        2: (width - x, y), 3: (width - x, height - y), 4: (x, height - y), 5: (y, x), 6: (height - y, x),
        7: (height - y, width - x), 8: (y, width - x),
    }.get(orientation, (x, y))
    return np.stack(points, axis=1).ravel().tolist()


def turned_mask(mask: np.ndarray, orientation: int) -> np.ndarray:
    """A mask of a photo as stored, in the photo as EXIF turns it.

    Args:
        mask: bool [H, W].
        orientation: 1 to 8.
    """
    turns = {
        2: lambda m: m[:, ::-1], 3: lambda m: m[::-1, ::-1], 4: lambda m: m[::-1], 5: lambda m: m.T,
        6: lambda m: m[::-1].T, 7: lambda m: m[::-1, ::-1].T, 8: lambda m: m[:, ::-1].T,
    }
    return turns.get(orientation, lambda m: m)(mask)


def turned_segmentation(segmentation: Segmentation, orientation: int, stored: tuple[int, int]) -> Segmentation:
    """A sound segmentation of COCO, of a photo as stored, in the photo as EXIF turns it."""
    if isinstance(segmentation, dict):
        return run_lengths.encode(turned_mask(run_lengths.decode(segmentation, stored), orientation))
    return [turned_polygon(polygon, orientation, stored) for polygon in segmentation]
