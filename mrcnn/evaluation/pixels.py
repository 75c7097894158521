"""Figures of merit of label maps: one confusion matrix over all pixels of a split, and how well boundaries are met.

Everything is counted over the whole split and divided once; no figure is a mean of figures of single photos. Label maps
are uint8 [H, W] of class ids, 0 background, 255 to be ignored.
"""

import math
from collections.abc import Sequence

import numpy as np

from mrcnn.data.label_samples import IGNORED
from mrcnn.data.masks import mask_boxes
from mrcnn.errors import DataError

# What `pixel_figures` tells: its name, and that in `PixelConfusion.metrics`.
FIGURES = {
    "mean_IoU": "mean_iou", "object_IoU": "mean_iou_without_background", "pixel_accuracy": "pixel_accuracy",
    "boundary_F": "mean_boundary_f",
}
# Of the photo's diagonal: how far apart two boundaries may lie and still be the same (Csurka et al., BMVC 2013,
# section 2.1; Perazzi et al., CVPR 2016, take 0.8 %).
BOUNDARY_TOLERANCE = 0.0075


# --- Counting --------------------------------------------------------------------------------------------------------


class PixelConfusion:
    """Counts over all pixels of a split, a photo at a time.

    Attributes: class_names, by class id, background first; matrix int64 [C, C], rows the truth, columns the result;
    boundaries int64 [C + 1, 4], a row for each class and a last one for all classes but background merged: boundary
    pixels of the truth, how many of them the result meets, boundary pixels of the result, how many the truth meets;
    photos: number of photos; ignored: number of pixels left out
    """

    def __init__(self, class_names: Sequence[str]):
        """class_names: names by class id, background first; 255 at most."""
        if len(class_names) > IGNORED:
            raise DataError(f"A label map holds {IGNORED} classes at most, not {len(class_names)}: merge some.")
        self.class_names = list(class_names)
        count = len(self.class_names)
        self.matrix = np.zeros((count, count), np.int64)
        self.boundaries = np.zeros((count + 1, 4), np.int64)
        self.photos = self.ignored = 0

    def add(self, truth: np.ndarray, result: np.ndarray | None,
            photo: str = "the photo") -> tuple[np.ndarray, np.ndarray]:
        """Count one photo.

        Args:
            truth: [H, W] class ids, 255 ignored.
            result: [H, W] class ids, or None: background everywhere.
            photo: its name, for messages.

        Returns:
            (matrix, boundaries) of this photo alone, as `photo_figures` takes them.

        Raises:
            DataError: for maps of different sizes and for labels of no class.
        """
        truth = np.asarray(truth)
        result = np.zeros(truth.shape, np.uint8) if result is None else np.asarray(result)
        if truth.ndim != 2 or result.shape != truth.shape:
            raise DataError(
                f"{photo}: the label map has shape {list(result.shape)}, the true one {list(truth.shape)}: labels are "
                "compared pixel by pixel, so make them at the size of the photo."
            )
        valid = truth != IGNORED
        self._check(truth[valid], f"{photo}: the true label map")
        self._check(result[valid], f"{photo}: the label map")
        count = len(self.class_names)
        pairs = truth[valid].astype(np.int64) * count + result[valid].astype(np.int64)
        matrix = np.bincount(pairs, minlength=count * count).reshape(count, count)
        boundaries = boundary_counts(truth, np.where(valid, result, IGNORED), count)
        self.matrix += matrix
        self.boundaries += boundaries
        self.photos += 1
        self.ignored += int(truth.size - valid.sum())
        return matrix, boundaries

    def _check(self, labels, what):
        if labels.size and not 0 <= labels.min() <= labels.max() < len(self.class_names):
            wrong = labels.min() if labels.min() < 0 else labels.max()
            raise DataError(f"{what} has label {wrong}, but the classes are 0 to {len(self.class_names) - 1}.")

    def metrics(self) -> dict:
        """The figures of merit.

        Returns:
            {"classes": [{"name", "iou", "true_pixels", "pixels", "boundary_precision", "boundary_recall", "boundary_f"}
            by class id], "mean_iou" with background, "mean_iou_without_background", "pixel_accuracy",
            "frequency_weighted_iou", "mean_boundary_f" over all classes but background, "person": the same with all
            classes but background merged into one, "photos", "ignored_pixels", "confusion": the matrix as lists,
            "undefined": {name: why it is NaN}}. What is NaN is left out of means.
        """
        values = _figures(self.class_names, self.matrix, self.boundaries[:-1])
        merged = np.zeros((2, 2), np.int64)
        merged[0, 0], merged[0, 1] = self.matrix[0, 0], self.matrix[0, 1:].sum()
        merged[1, 0], merged[1, 1] = self.matrix[1:, 0].sum(), self.matrix[1:, 1:].sum()
        values["person"] = _figures(["background", "person"], merged, self.boundaries[[0, -1]])
        values.update(photos=self.photos, ignored_pixels=self.ignored, confusion=self.matrix.tolist())
        values["undefined"].update({f"person: {name}": why for name, why in values["person"].pop("undefined").items()})
        return values


def boundary_counts(truth: np.ndarray, result: np.ndarray, count: int) -> np.ndarray:
    """How well the boundaries of each class are met: the rows that `PixelConfusion.boundaries` adds up.

    Args:
        truth, result: [H, W] class ids, 255 at the same pixels of both.
        count: number of classes.

    Returns:
        int64 [count + 1, 4].
    """
    counts = np.zeros((count + 1, 4), np.int64)
    tolerance = BOUNDARY_TOLERANCE * math.hypot(*truth.shape)
    present = np.union1d(np.unique(truth), np.unique(result))
    for class_id in present[present < IGNORED]:
        counts[class_id] = _met(_boundary(truth, class_id), _boundary(result, class_id), tolerance)
    merged = [np.where((labels > 0) & (labels < IGNORED), 1, labels) for labels in (truth, result)]
    counts[-1] = _met(_boundary(merged[0], 1), _boundary(merged[1], 1), tolerance)
    return counts


def _boundary(labels, class_id):
    """bool [H, W]: the pixels of a class that touch another class along an edge; ignored pixels do not count as one."""
    inside = labels == class_id
    other = ~inside & (labels != IGNORED)
    touched = np.zeros(labels.shape, bool)
    touched[1:] |= other[:-1]
    touched[:-1] |= other[1:]
    touched[:, 1:] |= other[:, :-1]
    touched[:, :-1] |= other[:, 1:]
    return inside & touched


def _met(true, labelled, tolerance):
    """Counts (true boundary pixels, those near a labelled one, labelled ones, those near a true one)."""
    import cv2

    counts = [int(true.sum()), 0, int(labelled.sum()), 0]
    if counts[0] and counts[2]:
        y1, x1, y2, x2 = mask_boxes((true | labelled)[..., None])[0]
        true, labelled = true[y1:y2, x1:x2], labelled[y1:y2, x1:x2]
        for index, (these, those) in ((1, (true, labelled)), (3, (labelled, true))):
            distance = cv2.distanceTransform((~those).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            counts[index] = int((distance[these] <= tolerance).sum())
    return counts


# --- Figures ---------------------------------------------------------------------------------------------------------


def pixel_figures(metrics: dict) -> dict[str, float]:
    """What a training logs of its validation photos, by the names of FIGURES.

    Args:
        metrics: of `PixelConfusion.metrics`.
    """
    return {name: metrics[key] for name, key in FIGURES.items()}


def photo_figures(class_names: Sequence[str], matrix: np.ndarray, boundaries: np.ndarray) -> dict:
    """Figures of one photo. Classes that neither its truth nor its result has are left out of its means.

    Args:
        class_names: by class id, background first.
        matrix, boundaries: what `PixelConfusion.add` returned.

    Returns:
        {names of FIGURES: value, "pixels": compared, "wrong_pixels", "confusion": (true class, labelled class, pixels)
        of the most frequent error or None, "ious": [value by class id]}.
    """
    values = _figures(class_names, matrix, boundaries[:-1])
    wrong = matrix - np.diag(np.diag(matrix))
    true, labelled = np.unravel_index(int(wrong.argmax()), wrong.shape)
    most = (class_names[true], class_names[labelled], int(wrong[true, labelled])) if wrong.any() else None
    return {**pixel_figures(values), "pixels": int(matrix.sum()), "wrong_pixels": int(wrong.sum()), "confusion": most,
            "ious": [entry["iou"] for entry in values["classes"]]}


def badness(figures: dict) -> tuple:
    """What photos are ordered by, the worst first: mean IoU without background, then pixel accuracy.

    A photo of background alone that is labelled so has no IoU and is right; one that is ignored altogether comes last.

    Args:
        figures: of `photo_figures`.
    """
    iou, accuracy = figures["object_IoU"], figures["pixel_accuracy"]
    return (1.0 if math.isnan(iou) else iou, 2.0 if math.isnan(accuracy) else accuracy)


def confused_pairs(metrics: dict, most: int = 10) -> list[tuple[str, str, int]]:
    """The most frequent errors: (true class, labelled class, pixels), the most pixels first.

    Args:
        metrics: of `PixelConfusion.metrics`.
        most: how many at most.
    """
    counts, names = np.array(metrics["confusion"]), [entry["name"] for entry in metrics["classes"]]
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    pairs = [(*np.unravel_index(place, counts.shape), int(counts.flat[place])) for place in order]
    return [(names[true], names[labelled], pixels) for true, labelled, pixels in pairs if pixels]


def _figures(names, matrix, boundaries):
    """Figures of merit of one matrix int64 [C, C] and its boundary counts int64 [C, 4]."""
    true, labelled, right = matrix.sum(axis=1), matrix.sum(axis=0), np.diag(matrix)
    ious = [_ratio(r, t + f - r) for t, f, r in zip(true, labelled, right)]
    classes, undefined = [], {}
    for i, name in enumerate(names):
        precision, recall, f_score = _boundary_f(*boundaries[i])
        classes.append({"name": name, "iou": ious[i], "true_pixels": int(true[i]), "pixels": int(labelled[i]),
                        "boundary_precision": precision, "boundary_recall": recall, "boundary_f": f_score})
        if math.isnan(ious[i]):
            undefined[f"iou of {name}"] = "neither truth nor result has a pixel of it"
        if math.isnan(f_score):
            undefined[f"boundary_f of {name}"] = "neither truth nor result has a boundary of it"
    values = {
        "classes": classes,
        "mean_iou": _mean(ious),
        "mean_iou_without_background": _mean(ious[1:]),
        "pixel_accuracy": _ratio(right.sum(), true.sum()),
        "frequency_weighted_iou": _ratio(sum(t * iou for t, iou in zip(true, ious) if t), true.sum()),
        "mean_boundary_f": _mean([entry["boundary_f"] for entry in classes[1:]]),
        "undefined": undefined,
    }
    for name in ("mean_iou", "mean_iou_without_background", "pixel_accuracy", "frequency_weighted_iou",
                 "mean_boundary_f"):
        if math.isnan(values[name]):
            undefined[name] = "no class has it defined" if name.startswith("mean") else "there is no pixel to compare"
    return values


def _boundary_f(true, true_met, labelled, labelled_met):
    """(precision, recall, F) of a class; where only one side has a boundary F is 0, where none has it is undefined."""
    precision, recall = _ratio(labelled_met, labelled), _ratio(true_met, true)
    if not true and not labelled:
        return precision, recall, math.nan
    if not true or not labelled or not true_met + labelled_met:
        return precision, recall, 0.0
    return precision, recall, 2 * precision * recall / (precision + recall)


def _ratio(part, whole):
    return float(part) / float(whole) if whole else math.nan


def _mean(values):
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


# --- A table ---------------------------------------------------------------------------------------------------------


def pixel_table(metrics: dict) -> str:
    """All figures of `PixelConfusion.metrics` as text, the confusion matrix last."""
    classes, person = metrics["classes"], metrics["person"]
    rows = (("mean IoU, background too", "mean_iou"), ("mean IoU, without it", "mean_iou_without_background"),
            ("pixel accuracy", "pixel_accuracy"), ("frequency-weighted IoU", "frequency_weighted_iou"),
            ("boundary F, without it", "mean_boundary_f"))
    width = max(*(len(title) for title, _ in rows), *(len(entry["name"]) for entry in classes))
    lines = [f"{'class':{width}}     IoU  boundary F  precision  recall  true pixels"]
    lines += [_class_line(entry, width) for entry in classes]
    lines.append(f"\n{'':{width}}  all classes  person/background")
    for title, name in rows:
        lines.append(f"{title:{width}}{_number(metrics[name], 13)}{_number(person[name], 19)}")
    lines += ["", *_matrix_lines(metrics), ""]
    share = f", {metrics['ignored_pixels']} pixels ignored" if metrics["ignored_pixels"] else ""
    lines.append(f"{metrics['photos']} photos{share}; boundaries met within {BOUNDARY_TOLERANCE:.2%} of the diagonal")
    lines += [f"{name} is undefined: {why}" for name, why in metrics["undefined"].items() if "boundary" not in name]
    return "\n".join(lines)


def _class_line(entry, width):
    figures = (("iou", 8), ("boundary_f", 12), ("boundary_precision", 11), ("boundary_recall", 8))
    cells = "".join(_number(entry[name], space) for name, space in figures)
    return f"{entry['name']:{width}}{cells}{entry['true_pixels']:13}"


def _number(value, width):
    return f"{'-':>{width}}" if math.isnan(value) else f"{value:{width}.4f}"


def _matrix_lines(metrics):
    """The confusion matrix in percent of the true pixels of each class, columns under class ids."""
    names = [entry["name"] for entry in metrics["classes"]]
    title = "percent of true class as"
    width = max(len(title), *(len(name) + 5 for name in names))
    lines = [f"{title:{width}}" + "".join(f"{i:5}" for i in range(len(names)))]
    for i, (name, row) in enumerate(zip(names, metrics["confusion"])):
        total = sum(row)
        cells = (f"{100 * value / total:5.1f}" if value else f"{'.':>5}" for value in row)
        lines.append(f"{f'{i:3} {name}':{width}}" + "".join(cells))
    return lines
