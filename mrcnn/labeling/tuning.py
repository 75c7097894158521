"""Tuning of label settings on photos with known label maps, for the mean IoU of all pixels."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.data.checked_photos import photos_for
from mrcnn.data.class_names import check_knows
from mrcnn.data.dataset import Dataset
from mrcnn.data.label_samples import IGNORED, true_label_map
from mrcnn.errors import DataError
from mrcnn.labeling.label_map import LabelSettings, counting, labels_alone
from mrcnn.labeling.photos import batches, detected
from mrcnn.progress import progress_bar

# What is tried, one setting after another; a class's own score threshold is tried on the same scores.
SCORES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
MASKS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
FAVOURS = (0.02, 0.1, 0.25, 0.5)
ROUNDS = 2  # over all settings; the second is for what the first changed
# A threshold of each class's own fits the noise of a small validation set all too well. So a setting changes only for a
# gain that photos drawn anew from the set, with repetition, confirm: mean gain over this many std of it.
RESAMPLES = 60
STD_OF_GAIN = 1.28  # 90 % of the draws gain, were they normally distributed


class Tuner:
    """The mean IoU of one set of detections under any settings, at a part of the photos' resolution.

    Photos whose detections count alike under new settings are not labelled again.
    """

    def __init__(self, class_names: Sequence[str], longest: int = 160):
        """class_names: by class id, background first; longest: pixels that the longer side of a photo is reduced to."""
        self.class_names, self._longest = list(class_names), longest
        self._photos = []  # (true labels, detections), reduced
        self._known = []  # for each photo {what the result depends on: confusion matrix}

    def add(self, truth: np.ndarray, detections: dict[str, np.ndarray]) -> None:
        """Take in one photo.

        Args:
            truth: uint8 [H, W] its label map.
            detections: what `detect(mask_probabilities=True)` gave, from low scores on.
        """
        step = max(1, -(-max(truth.shape) // self._longest))
        # Pixel i of the reduced photo is the middle one of pixels i * step to (i + 1) * step - 1.
        reduced = truth[step // 2 :: step, step // 2 :: step]
        boxes = (np.asarray(detections["boxes"], np.float64).reshape(-1, 4) - (step // 2 + 0.5 - step / 2)) / step
        self._photos.append((reduced, {**detections, "boxes": boxes}))
        self._known.append({})

    def score(self, settings: LabelSettings) -> float:
        """Mean IoU, background included, over the classes that truth or result have."""
        return float(self._scores(settings, np.ones((1, len(self._photos))))[0])

    def tune(self, settings: LabelSettings | None = None,
             report: Callable | None = None) -> tuple[LabelSettings, float, float]:
        """The best settings found by trying one after another while the others stay.

        Args:
            settings: LabelSettings to start from, whose layers stay.
            report: called with a line of text after each round.

        Returns:
            (LabelSettings, mean IoU before, mean IoU after), both at the reduced resolution.

        Raises:
            DataError: if no photo was added.
        """
        best, count = settings or LabelSettings(), len(self._photos)
        if not count:
            raise DataError("There is no photo to tune label settings on: the data set is empty, or the limit is 0.")
        rng = np.random.default_rng(0)
        draws = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(RESAMPLES)]
        weights = np.stack([np.ones(count), *draws]).astype(np.float64)  # the whole set first
        scores = self._scores(best, weights)
        before = scores[0]
        for number in range(1, ROUNDS + 1):
            start = best
            for name, values in (("score_threshold", SCORES), ("mask_threshold", MASKS), ("smaller_in_front", FAVOURS)):
                best, scores = self._better(best, scores, weights, [{name: value} for value in values])
            for name in self.class_names[1:]:
                options = [{"class_thresholds": {**best.class_thresholds, name: value}} for value in SCORES]
                best, scores = self._better(best, scores, weights, options)
            if report:
                report(f"round {number}: mean IoU {scores[0]:.4f}")
            if best == start:
                break
        return best, float(before), float(scores[0])

    def _better(self, best, scores, weights, options):
        """(settings, their scores) after the change that gains most for sure, if any does."""
        trials = [dataclasses.replace(best, **option) for option in options]
        trial_scores = [self._scores(trial, weights) for trial in trials]
        gains = np.array(trial_scores) - scores
        sure = gains[:, 0] - STD_OF_GAIN * gains[:, 1:].std(axis=1)
        if sure.max() <= 1e-9:
            return best, scores
        alike = np.flatnonzero(sure >= sure.max() - 1e-9)
        middle = alike[len(alike) // 2]  # of a range that is equally good, not its brink
        return trials[middle], trial_scores[middle]

    def _scores(self, settings, weights):
        """Mean IoU of the photos counted with weights. weights: float64 [D, photos]. Returns float64 [D]."""
        matrices = [self._matrix(i, settings).ravel() for i in range(len(self._photos))]
        count = len(self.class_names)
        summed = (weights @ np.array(matrices, np.float64).reshape(len(matrices), -1)).reshape(-1, count, count)
        right = np.diagonal(summed, axis1=1, axis2=2)
        union = summed.sum(axis=1) + summed.sum(axis=2) - right
        ious = right / np.maximum(union, 1)  # whole pixels: a union below 1 is 0, and so is what is right
        return ious.sum(axis=1) / np.maximum((union > 0).sum(axis=1), 1)

    def _matrix(self, i, settings):
        """int64 [C, C]: the confusion of one photo, rows the truth."""
        truth, detections = self._photos[i]
        counted = counting(detections, self.class_names, settings)
        key = counted.tobytes(), settings.mask_threshold, settings.smaller_in_front, settings.layers
        if key not in self._known[i]:
            labels = labels_alone(detections, truth.shape, self.class_names, settings)
            valid, count = truth != IGNORED, len(self.class_names)
            pairs = truth[valid].astype(np.int64) * count + labels[valid]
            self._known[i][key] = np.bincount(pairs, minlength=count * count).reshape(count, count)
        return self._known[i][key]


def gathered(model: object, dataset: Dataset) -> Tuner:
    """A Tuner with the detections of all photos of a data set; DataError if the model knows other classes than it."""
    check_knows(model, dataset)
    tuner, done = Tuner(dataset.class_names), 0
    with progress_bar("Detecting") as show:
        for batch in batches(dataset.image_ids, model.config.BATCH_SIZE):
            for image_id, detections in zip(batch, detected(model, photos_for(model, dataset, batch))):
                masks = detections["mask_probabilities"].astype(np.float16)  # all of them are kept
                tuner.add(true_label_map(dataset, image_id), {**detections, "mask_probabilities": masks})
                done += 1
                show(done, len(dataset.image_ids))
    return tuner
