"""What is left of a data set to learn from, once bad samples, crowds and objects without a pixel are out of it."""

import copy
import dataclasses
import os
import warnings
from collections import Counter
from collections.abc import Callable

import numpy as np

from mrcnn.data.annotated import photo_name, select, without
from mrcnn.data.dataset import Dataset, Kind
from mrcnn.data.faults import Loss, warn_of_faults
from mrcnn.data.objects import labelled_classes, named_errors
from mrcnn.data.walk import walk
from mrcnn.errors import DataError

MOST_LOST = 0.1  # share of the objects or photos that may be lost without a word
SHOWN = 5  # names in a line
# What a data set is for: (what is left, what happens to a class of which nothing is).
USES = {
    "train": ("to train on", "cannot be learned"),
    "measure": ("to measure on", "are not measured"),
}
# The latter for networks of label maps: a class that is seen where none is has an IoU of 0.
USES_OF_PIXELS = {
    "train": "cannot be learned",
    "measure": "count in the mean IoU, as 0, only if the network sees them",
}


@dataclasses.dataclass(frozen=True)
class Census:
    """How many objects of a data set are left, and how many are not.

    Attributes:
        class_names: names of the classes, without background
        counts: int64 [K] objects of each class, crowds not counted; of pixels, photos whose label map has the class
        photos: number of photos that are left
        crowds: number of crowds, which are ignored
        lost: {reason: number of objects} that were left out
        lost_photos: number of photos that were left out
        only_boxes: whether every outline is an upright rectangle
        parts: sentences on parts of label maps that are no objects of their own
        pixels: whether it is for a network of label maps, for which pixels count where photos have label maps
    """

    class_names: list
    counts: np.ndarray
    photos: int
    crowds: int
    lost: dict
    lost_photos: int
    only_boxes: bool = False
    parts: tuple[str, ...] = ()
    pixels: bool = False

    def lines(self, use: str) -> list[str]:
        """What a user must know of it, a line each; none where all is well. use: of USES."""
        lines = []
        lacking = [name for name, count in zip(self.class_names, self.counts) if not count]
        if lacking:
            more = ", ..." if len(lacking) > SHOWN else ""
            names = ", ".join(map(str, lacking[:SHOWN])) + more
            total = len(self.class_names)
            fate = f"no pixel and {USES_OF_PIXELS[use]}" if self.pixels else f"no object and {USES[use][1]}"
            lines.append(f"{len(lacking)} of {total} classes have {fate}: {names}")
        objects, photos = int(self.counts.sum()), self.photos + self.lost_photos
        gone = {"crowds, which are ignored": self.crowds, **self.lost}
        total = objects + sum(gone.values())
        if total - objects > MOST_LOST * total or self.lost_photos > MOST_LOST * photos:
            reasons = [f"{count} {reason}" for reason, count in gone.items() if count]
            reasons += [f"{self.lost_photos} of {photos} photos left out"] if self.lost_photos else []
            share = f"{total - objects} of {total} objects ({100 * (total - objects) / max(total, 1):.0f} %)"
            lines.append(f"{share} are not left {USES[use][0]}: {', '.join(reasons)}: see `data validate`")
        if self.only_boxes:
            lines.append("every outline is an upright rectangle, as a box is: masks will be no more than boxes")
        return [*lines, *self.parts]


def take_census(dataset: Dataset, progress: Callable[[int, int], None] | None = None, objects: bool = True) -> Census:
    """Count what is left of a data set, without decoding masks if the format allows.

    Args:
        dataset: prepared AnnotatedDataset
        progress: called as progress(done, total) after each photo
        objects: whether objects are looked for; if not, a class counts once on each photo whose label map has a pixel
            of it, for to a network of label maps it does not matter of which parts they are made, and of what size

    Returns:
        A Census.

    Raises:
        DataError: naming a photo whose objects cannot be read.
    """
    counts, crowds = np.zeros(dataset.num_classes, np.int64), 0
    for done, image_id in enumerate(dataset.image_ids, 1):
        with named_errors(dataset, image_id):
            labelled = None if objects else labelled_classes(dataset, image_id)
            class_ids = np.asarray(dataset.object_classes(image_id) if labelled is None else labelled, int)
        crowds += int((class_ids < 0).sum())
        np.add.at(counts, np.maximum(class_ids, 0), 1)
        if progress:
            progress(done, len(dataset.image_ids))
    lost = Counter()
    for loss in dataset.lost:
        lost[loss.reason] += loss.objects
    photos = {loss.photo for loss in dataset.lost if loss.whole}
    return Census(dataset.class_names[1:], counts[1:], len(dataset.image_ids), crowds, dict(lost), len(photos),
                  dataset.only_boxes, tuple(dataset.parts_lines()) if objects else (), not objects)


def check_census(dataset: Dataset, source: str, use: str, progress: Callable[[int, int], None] | None = None,
                 objects: bool = True) -> None:
    """Warn of classes without objects and of many lost ones, a line each.

    Args:
        dataset: prepared AnnotatedDataset
        source: what to call it
        use: of USES
        progress: called as progress(done, total) after each photo
        objects: whether objects are looked for; if not, it is for a network of label maps

    Raises:
        DataError: if no object is left, or no labelled pixel.
    """
    census = take_census(dataset, progress, objects)
    lines = census.lines(use)
    if not census.counts.sum():
        reasons = [f"{count} {reason}" for reason, count in census.lost.items() if count]
        if census.crowds:
            reasons.append(f"{census.crowds} are marked as crowds, which are ignored (--crowds objects takes them)")
        if census.lost_photos:
            reasons.append(f"{census.lost_photos} photos are left out")
        reasons += census.parts  # which say how small ones become objects
        why = ", ".join(reasons) or "the photos have none"
        what = "an object" if objects else "a labelled pixel"
        more = "" if census.parts else ": see `data validate`"
        raise DataError(f"{source}: none of {census.photos} photos has {what} {USES[use][0]}: {why}{more}.")
    for line in lines:
        warnings.warn(f"{source}: {line}.", stacklevel=2)


# --- Photos that lost some of their objects --------------------------------------------------------------------------


def leave_out_bad(dataset: Kind, source: str | os.PathLike, keep_partial: bool,
                  progress: Callable[[int, int], None] | None = None) -> Kind:
    """What is left of a data set that was loaded with on_error="skip", all of its objects looked at.

    A photo that lost an object would teach that there is background where the object is: it is left out as a whole,
    unless that is asked for. An object without a pixel is no loss.

    Args:
        dataset: prepared AnnotatedDataset
        source: path of the annotations
        keep_partial: whether photos that lost objects stay
        progress: called as progress(done, total) after each photo that is looked at

    Returns:
        A prepared data set.

    Raises:
        DataError: if no photo is left.
    """
    if dataset.looks_late:
        late = [fault for some in walk(dataset.object_faults, dataset.image_ids, progress=progress) for fault in some]
        bad = [fault for fault in late if fault.kind != "empty mask" and not fault.harmless]
        warn_of_faults(source, "skipped", bad)
        dataset = without(dataset, bad)
        dataset.faults.extend(late)  # now: what is in it counts as lost before
    return leave_out_partial(dataset, source, keep_partial)


def leave_out_partial(dataset: Kind, source: str | os.PathLike, keep_partial: bool, told: int = 0) -> Kind:
    """A prepared data set without photos that lost objects; see `leave_out_bad`. told: number of losses, the first
    ones, that were told before."""
    lost = Counter()
    for loss in dataset.lost[told:]:
        if not loss.whole:
            lost[loss.photo] += loss.objects
    names = [photo_name(dataset, image_id) for image_id in dataset.image_ids]
    partial = [image_id for image_id, name in zip(dataset.image_ids, names) if lost[name]]
    if not partial:
        return dataset
    count = sum(lost[names[image_id]] for image_id in partial)
    what = f"{_counted(len(partial), 'photo')} that lost {_counted(count, 'object')} (first: {names[partial[0]]})"
    if keep_partial:
        warnings.warn(f"{source}: kept {what}: what was lost is taught as background there.", stacklevel=3)
        return dataset
    if len(partial) == len(names):
        raise DataError(
            f"{source}: every photo lost an object to a fault: correct what `data validate` lists, or keep these "
            "photos and have what was lost taught as background (keep_partial=True, --keep-partial)."
        )
    warnings.warn(
        f"{source}: left out {what}, for what was lost would be taught as background there; keep_partial=True "
        "(--keep-partial) keeps such photos.", stacklevel=3,
    )
    gone = set(partial)
    chosen = select(dataset, [image_id for image_id in dataset.image_ids if image_id not in gone])
    chosen.lost = copy.copy(dataset.lost)
    for image_id in partial:
        objects = dataset.object_count(image_id)
        chosen.lost.append(Loss(names[image_id], "in photos left out, which lost others", objects, whole=True))
    return chosen


def _counted(count, what):
    return f"{count} {what}{'' if count == 1 else 's'}"
