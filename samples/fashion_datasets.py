"""Data of the fashion sample: annotated photos, and drawn pictures where none are given."""

from fashion_settings import DRAWN_PICTURES, DRAWN_SIZE

from mrcnn.data.formats.coco import CocoDataset
from mrcnn.data.images import DataError


class FashionDataset(CocoDataset):
    """Photos with annotated clothes."""

    def load(self, annotations, images, limit=None):
        """Read annotations and register their photos.

        annotations: path of a COCO annotation file
        images: folder of the photos
        limit: take the first so many photos
        """
        self.load_coco(annotations, images, limit=limit)
        return self


def drawn_pictures(subset, limit=None):
    """The drawn training ("train") or validation ("val") pictures, prepared."""
    from mrcnn.data.drawn import DrawnPeople

    count, seed = DRAWN_PICTURES[subset]
    dataset = DrawnPeople()
    dataset.load_drawn(count if limit is None else min(count, limit), size=DRAWN_SIZE, seed=seed)
    dataset.prepare()
    return dataset


def annotated_photos(annotations, images, limit=None):
    """A prepared FashionDataset of one annotation file."""
    dataset = FashionDataset().load(annotations, images, limit)
    dataset.prepare()
    return dataset


def check_same_classes(training, validation, options):
    """Raise DataError if two annotation files name other classes."""
    if list(training.class_names) != list(validation.class_names):
        raise DataError(
            f"{options.train} has the classes {', '.join(training.class_names[1:])}, but {options.val} has "
            f"{', '.join(validation.class_names[1:])}: they must be the same, in the same order."
        )
