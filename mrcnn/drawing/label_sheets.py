"""The worst label maps of a data set for a report: photo, truth, label and difference."""

import heapq
from collections.abc import Sequence

import numpy as np

from mrcnn.data.checked_photos import checked_photo
from mrcnn.data.dataset import Dataset
from mrcnn.data.images import colours_of, resize_pixels, scaled_size
from mrcnn.data.label_samples import IGNORED
from mrcnn.drawing.label_maps import overlaid, palette
from mrcnn.drawing.pictures import as_rgb
from mrcnn.evaluation.pixels import badness

SHEET_SIDE = 480  # pixels of the longer side of a photo
WORST_PHOTOS = 12  # in the report of label maps
# What is wrong in a label map, in colours that the colour-blind tell apart too; what is right is the photo, faded.
DIFFERENCES = {
    "missed: labelled as background": (31, 95, 168),
    "false alarm: background in truth": (230, 140, 30),
    "wrong class": (200, 20, 110),
    "ignored": (128, 128, 128),
}
FADED = 0.7  # share of white in what is right
SHARE = 0.75  # of a label's colour over the photo, which still shows through


class WorstPhotos:
    """The worst photos of a data set, kept small while all of it passes by.

    Args:
        class_names: by class id, background first.
        most: how many are kept.
    """

    def __init__(self, class_names: Sequence[str], most: int = WORST_PHOTOS):
        self.class_names, self.most = list(class_names), most
        self._kept = []  # a heap, of which the first is the best

    def add(self, image_id: int, truth: np.ndarray, labels: np.ndarray, figures: dict) -> None:
        """Take in one photo.

        Args:
            image_id: in the data set.
            truth, labels: uint8 [H, W], class ids or 255.
            figures: its `photo_figures`, and what a report says of it.
        """
        key = tuple(-value for value in badness(figures)), -image_id  # of equals the first is kept
        if len(self._kept) < self.most or key > self._kept[0][:2]:
            entry = (*key, (thinned(truth), thinned(labels), figures))
            (heapq.heappush if len(self._kept) < self.most else heapq.heapreplace)(self._kept, entry)

    def sheets(self, dataset: Dataset) -> list[dict]:
        """What `mrcnn.evaluation.pixel_report` shows of them, the worst first.

        Args:
            dataset: that the photos are of.
        """
        sheets = []
        for _, image_id, (truth, labels, figures) in sorted(self._kept, key=lambda entry: entry[:2], reverse=True):
            photo = colours_of(checked_photo(dataset, -image_id))  # a fourth channel may be depth
            image = as_rgb(resize_pixels(photo, truth.shape))
            present = np.union1d(truth, labels)
            legend = [(self.class_names[i] if i != IGNORED else "ignored", palette()[i]) for i in present if i]
            panels = [image, overlaid(image, truth, SHARE), overlaid(image, labels, SHARE),
                      difference(image, truth, labels)]
            sheets.append({"photo": figures, "panels": panels, "legend": legend})
        return sheets


def thinned(labels: np.ndarray) -> np.ndarray:
    """A label map at no more than SHEET_SIDE pixels: of each of its pixels, the label in the middle.

    Args:
        labels: [H, W].

    Returns:
        [h, w] of the same kind.
    """
    shape = scaled_size(labels.shape, min(1, SHEET_SIDE / max(labels.shape)))
    rows, columns = ((2 * np.arange(small) + 1) * large // (2 * small) for small, large in zip(shape, labels.shape))
    return labels[np.ix_(rows, columns)]


def difference(image: np.ndarray, truth: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A photo, faded where its labels are right; what is wrong in the colours of DIFFERENCES.

    Args:
        image: uint8 [H, W, 3].
        truth, labels: [H, W], class ids or 255, which is ignored.

    Returns:
        uint8 [H, W, 3].
    """
    grey = image.mean(axis=2, keepdims=True) * (1 - FADED) + 255 * FADED
    drawing = np.repeat(np.rint(grey).astype(np.uint8), 3, axis=2)
    wrong = (truth != labels) & (truth != IGNORED)
    where = (wrong & (labels == 0), wrong & (truth == 0), wrong & (truth > 0) & (labels > 0), truth == IGNORED)
    for pixels, colour in zip(where, DIFFERENCES.values()):
        drawing[pixels] = colour
    return drawing
