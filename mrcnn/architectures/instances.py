"""What networks that find objects share: detect(), and all that follows from what it finds."""

from mrcnn.architectures.object_labels import LabelsOfObjects
from mrcnn.architectures.segmenter import Segmenter
from mrcnn.data.dataset import Dataset
from mrcnn.data.instance_samples import InstanceSamples
from mrcnn.evaluation.evaluate import INSTANCE_FIGURES, detect_all, instance_figures
from mrcnn.export.object_outputs import ObjectOutputs
from mrcnn.inference.detector import Detector

MEASURED_CONFIDENCE = 0.05  # AP needs uncertain detections too: it is measured with this least score, or a lower one


class InstanceSegmenter(LabelsOfObjects, Detector, Segmenter):
    """A network of objects, each with a class, a score, a box and a mask.

    Its inference graph gives "boxes" [B, D, 4], "class_ids", "scores", "valid" [B, D] and "masks" [B, D, h, w], and of
    a network with ATTRIBUTES "attributes" [B, D, M].
    """

    samples, figures, exported = InstanceSamples, INSTANCE_FIGURES, ObjectOutputs()

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
