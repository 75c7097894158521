"""What networks that find objects share: detect(), and all that follows from what it finds."""

from collections.abc import Iterator, Sequence

import numpy as np

from mrcnn.architectures.segmenter import Segmenter
from mrcnn.data.dataset import Dataset
from mrcnn.data.instance_samples import InstanceSamples
from mrcnn.evaluation.evaluate import INSTANCE_FIGURES, detect_all, instance_figures
from mrcnn.export.object_outputs import ObjectOutputs
from mrcnn.inference.detector import Detector
from mrcnn.labeling.label_map import LabelSettings
from mrcnn.labeling.photos import detected, label_photo

MEASURED_CONFIDENCE = 0.05  # AP needs uncertain detections too: it is measured with this least score, or a lower one


class InstanceSegmenter(Detector, Segmenter):
    """A network of objects, each with a class, a score, a box and a mask.

    Its inference graph gives "boxes" [B, D, 4], "class_ids", "scores", "valid" [B, D] and "masks" [B, D, h, w].
    """

    samples, figures, exported = InstanceSamples, INSTANCE_FIGURES, ObjectOutputs()

    def label_each(self, images: Sequence[np.ndarray], probabilities: bool = True,
                   settings: LabelSettings | None = None) -> Iterator[dict]:
        """Make label maps of the detections in photos, by `mrcnn.labeling.label_map`.

        Args:
            images: photos, each uint8 [H, W, 3] RGB.
            probabilities: False leaves the probabilities out, which saves memory and time.
            settings: of the label maps; None takes the defaults.

        Yields:
            {"labels": uint8 [H, W]} and perhaps "probabilities" float32 [H, W, C] of each photo, in their order.
        """
        return self._labelled(images, detected(self, images), probabilities, settings)

    def label_each_tiled(self, images: Sequence[np.ndarray], tile: int = 1024, overlap: float = 0.25,
                         probabilities: bool = True, settings: LabelSettings | None = None) -> Iterator[dict]:
        """Make label maps of the detections of `detect_tiled` in huge photos.

        Args:
            images: photos, each uint8 [H, W, 3] RGB.
            tile, overlap: as for `detect_tiled`.
            probabilities, settings: as for `label_each`.

        Yields:
            What `label_each` yields.
        """
        detections = self.detect_tiled(images, tile, overlap, mask_probabilities=True)
        return self._labelled(images, detections, probabilities, settings)

    def _labelled(self, images, detections, probabilities, settings):
        names = self.class_names or ["BG", *(f"class {i}" for i in range(1, self.config.NUM_CLASSES))]
        if settings is not None:
            settings.check_classes(names)
        for image, objects in zip(images, detections):
            yield label_photo(objects, image.shape[:2], names, settings, probabilities)

    def measure(self, dataset: Dataset, limit: int | None = None) -> dict[str, float]:
        """Measure AP of masks and boxes, mask IoU, and the score threshold of the best F1; see `instance_figures`.

        Args:
            dataset: prepared Dataset.
            limit: number of photos to take, the first ones; None takes all.

        Returns:
            {name: value} of the figures of merit.
        """
        least = min(MEASURED_CONFIDENCE, float(self.config.DETECTION_MIN_CONFIDENCE))
        results, truth = detect_all(self, dataset, limit=limit, progress=False, min_confidence=least)
        return instance_figures(truth, results)
