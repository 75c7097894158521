"""A sheet of photos whose truth looks wrong: each as annotated and as found, with a frame round what is suspected."""

from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.data.checked_photos import checked_photo
from mrcnn.data.dataset import Dataset
from mrcnn.data.images import colours_of, resize_pixels
from mrcnn.data.label_samples import true_label_map
from mrcnn.drawing.label_maps import overlaid
from mrcnn.drawing.label_sheets import SHARE, thinned
from mrcnn.drawing.pictures import as_rgb, contact_sheet, distinct_colors, draw_box
from mrcnn.drawing.sheets import SHEET_SIDE, drawn_pair
from mrcnn.evaluation.suspects import CONFIDENT, Suspect

FRAME = (255, 0, 0)
MARGIN = 4  # pixels between what is suspected and its frame
COLUMNS = 6  # three photos in a row


def worst_of_photos(suspects: Sequence[Suspect], most: int) -> list[Suspect]:
    """The first suspect of each of the first photos of a ranked list."""
    first = {}
    for suspect in suspects:
        first.setdefault(suspect.image, suspect)
    return list(first.values())[:most]


def suspect_sheet(shown: Sequence[Suspect], pair_of: Callable[[Suspect], tuple[list[np.ndarray], float]]) -> np.ndarray:
    """Draw suspects: of each, the photo as annotated and as found, framed where they disagree.

    Args:
        shown: Suspects, one a photo.
        pair_of: gives the two pictures of a Suspect's photo, and their scale to the photo.

    Returns:
        uint8 [H, W, 3].
    """
    pictures, titles = [], []
    for rank, suspect in enumerate(shown, 1):
        pair, scale = pair_of(suspect)
        boxes = np.array([box for box in (suspect.true_box, suspect.found_box) if box is not None], float) * scale
        frame = np.concatenate([boxes[:, :2].min(axis=0) - MARGIN, boxes[:, 2:].max(axis=0) + MARGIN])
        limits = np.array(pair[0].shape[:2] * 2)
        pictures += [draw_box(picture, np.clip(frame, 0, limits), FRAME, 3) for picture in pair]
        titles += [f"{rank}. {suspect.photo}, as annotated", suspect.text()]
    return contact_sheet(pictures, titles, columns=COLUMNS)


def objects_drawn(dataset: Dataset, places: dict, results: Sequence[dict], categories: Sequence[dict]) -> Callable:
    """What `suspect_sheet` asks for, of objects.

    Args:
        dataset: prepared Dataset.
        places: {id of a photo in the ground truth: its id in the data set}.
        results: COCO's list; those that score CONFIDENT or are suspected are drawn.
        categories: of the ground truth.
    """
    colors, names = distinct_colors(len(dataset.class_names)), {entry["id"]: entry["name"] for entry in categories}

    def pair_of(suspect):
        own = [result for result in results if result["image_id"] == suspect.image
               and (result["score"] >= CONFIDENT
                    or (names[result["category_id"]], result["score"]) == (suspect.found_class, suspect.score))]
        image_id = places[suspect.image]
        return drawn_pair(dataset, image_id, own, categories, colors), _scale(dataset.load_image(image_id))

    return pair_of


def labels_drawn(dataset: Dataset, label: Callable[[np.ndarray], np.ndarray]) -> Callable:
    """What `suspect_sheet` asks for, of label maps.

    Args:
        dataset: prepared Dataset, of which suspects carry the ids.
        label: from a photo to its label map.
    """

    def pair_of(suspect):
        photo = checked_photo(dataset, suspect.image)  # as it was labelled before
        maps = [thinned(labels) for labels in (true_label_map(dataset, suspect.image), label(photo))]
        small = as_rgb(resize_pixels(colours_of(photo), maps[0].shape))  # a fourth may be depth
        return [overlaid(small, labels, SHARE) for labels in maps], _scale(photo)

    return pair_of


def _scale(photo):
    return min(1, SHEET_SIDE / max(photo.shape[:2]))
