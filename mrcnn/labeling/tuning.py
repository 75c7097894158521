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


@dataclasses.dataclass(frozen=True)
class _Measured:
    """Settings and what they give.

    Args:
        settings: LabelSettings.
        counted: bool [detections of all photos], which count.
        tallies: of each photo, int [3, K]: the classes that its pixels are given, how many rightly, how many wrongly.
        sums: float64 [2, D, C] pixels that are given each class rightly, wrongly, of photos counted with D weights.
        scores: float64 [D] mean IoU.
    """

    settings: LabelSettings
    counted: np.ndarray
    tallies: list[np.ndarray]
    sums: np.ndarray
    scores: np.ndarray


class Tuner:
    """The mean IoU of one set of detections under any settings, at a part of the photos' resolution.

    Photos whose detections count alike under new settings are not labelled again. Of each labelling the pixels of the
    classes that it has are kept, so that memory and time do not grow with the square of the number of classes.
    """

    def __init__(self, class_names: Sequence[str], longest: int = 160):
        """class_names: by class id, background first; longest: pixels that the longer side of a photo is reduced to."""
        self.class_names, self._longest = list(class_names), longest
        self._photos = []  # (true labels, detections), reduced
        self._known = []  # for each photo {what the result depends on: tally}

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
        """Mean IoU, background included, over the classes that truth or result have.

        Args:
            settings: LabelSettings to measure.

        Returns:
            The mean IoU, 0..1.

        Raises:
            DataError: if no photo was added.
        """
        return float(_Measure(self, np.ones((1, self._checked_count()))).of(settings).scores[0])

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
        count = self._checked_count()
        rng = np.random.default_rng(0)
        draws = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(RESAMPLES)]
        measure = _Measure(self, np.stack([np.ones(count), *draws]).astype(np.float64))  # the whole set first
        best = measure.of(settings or LabelSettings())
        before = best.scores[0]
        for number in range(1, ROUNDS + 1):
            start = best.settings
            for name, values in (("score_threshold", SCORES), ("mask_threshold", MASKS), ("smaller_in_front", FAVOURS)):
                best = _better(measure, best, [{name: value} for value in values])
            for name in self.class_names[1:]:
                thresholds = best.settings.class_thresholds
                best = _better(measure, best, [{"class_thresholds": {**thresholds, name: value}} for value in SCORES])
            if report:
                report(f"round {number}: mean IoU {best.scores[0]:.4f}")
            if best.settings == start:
                break
        return best.settings, float(before), float(best.scores[0])

    def _checked_count(self):
        if not self._photos:
            raise DataError("There is no photo to tune label settings on: the data set is empty, or the limit is 0.")
        return len(self._photos)

    def _tally(self, i, settings, counted):
        """int32 [3, K], as `_Measured.tallies` has it. counted: bool, which detections of the photo count."""
        key = counted.tobytes(), settings.mask_threshold, settings.smaller_in_front, settings.layers
        if key not in self._known[i]:
            truth, detections = self._photos[i]
            labels = labels_alone(detections, truth.shape, self.class_names, settings)
            given = np.bincount(labels[truth != IGNORED], minlength=len(self.class_names))
            right = np.bincount(labels[truth == labels], minlength=len(self.class_names))
            classes = np.flatnonzero(given)
            self._known[i][key] = np.stack([classes, right[classes], (given - right)[classes]]).astype(np.int32)
        return self._known[i][key]


class _Measure:
    """The mean IoU of a Tuner's photos under settings, the photos counted with several sets of weights.

    What other settings give is worked out from the photos that they change.
    """

    def __init__(self, tuner: Tuner, weights: np.ndarray):
        """weights: float64 [D, photos]; they are whole, so that sums are exact in any order."""
        self._tuner, self._weights = tuner, weights
        own = [detections for _, detections in tuner._photos]
        sizes = [len(detections["scores"]) for detections in own]
        self._places = np.cumsum([0, *sizes])
        self._photo = np.repeat(np.arange(len(own)), sizes)  # of each detection
        self._detections = {"class_ids": np.concatenate([np.asarray(one["class_ids"], int) for one in own]),
                            "scores": np.concatenate([one["scores"] for one in own])}
        self._true = np.zeros((len(weights), len(tuner.class_names)))
        for i, (truth, _) in enumerate(tuner._photos):
            classes, pixels = np.unique(truth[truth != IGNORED], return_counts=True)
            self._true[:, classes] += weights[:, i, None] * pixels

    def of(self, settings: LabelSettings, base: _Measured | None = None) -> _Measured:
        """Measure settings.

        Args:
            settings: LabelSettings.
            base: what others gave that differ little; None works out all anew.
        """
        counted, count = counting(self._detections, self._tuner.class_names, settings), len(self._places) - 1
        if base is None:
            changed, tallies, sums = range(count), [None] * count, np.zeros((2, *self._true.shape))
        else:
            alike = all(getattr(settings, name) == getattr(base.settings, name)
                        for name in ("mask_threshold", "smaller_in_front", "layers"))
            changed = np.unique(self._photo[counted != base.counted]) if alike else range(count)
            tallies, sums = list(base.tallies), base.sums.copy()
        for i in changed:
            before = tallies[i]
            tallies[i] = self._tuner._tally(i, settings, counted[self._places[i]:self._places[i + 1]])
            if tallies[i] is not before:
                for (classes, *pixels), sign in ((tallies[i], 1), *([] if before is None else [(before, -1)])):
                    sums[:, :, classes] += sign * np.stack(pixels)[:, None] * self._weights[:, i, None]
        return _Measured(settings, counted, tallies, sums, self._scores(*sums))

    def _scores(self, right, wrong):
        """float64 [D]: the mean IoU of pixels [D, C] that are given each class rightly and wrongly."""
        union = self._true + wrong
        ious = right / np.maximum(union, 1)  # whole pixels: a union below 1 is 0, and so is what is right
        return ious.sum(axis=1) / np.maximum((union > 0).sum(axis=1), 1)


def _better(measure, best, options):
    """What is measured after the change that gains most for sure, if any does."""
    trials = [measure.of(dataclasses.replace(best.settings, **option), best) for option in options]
    gains = np.array([trial.scores for trial in trials]) - best.scores
    sure = gains[:, 0] - STD_OF_GAIN * gains[:, 1:].std(axis=1)
    if sure.max() <= 1e-9:
        return best
    alike = np.flatnonzero(sure >= sure.max() - 1e-9)
    return trials[alike[len(alike) // 2]]  # the middle of a range that is equally good, not its brink


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
