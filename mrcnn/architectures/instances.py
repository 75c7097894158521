"""What networks that find objects share: detect(), and all that follows from what it finds."""

from mrcnn.architectures.segmenter import Segmenter
from mrcnn.data.instance_samples import InstanceSamples
from mrcnn.evaluation.evaluate import INSTANCE_FIGURES, detect_all, instance_figures
from mrcnn.inference.detector import Detector
from mrcnn.labeling.photos import detected, label_photo

MEASURED_CONFIDENCE = 0.05  # least score of a detection that AP is measured with: it needs the uncertain ones too


class InstanceSegmenter(Detector, Segmenter):
    """A network of objects, each with a class, a score, a box and a mask.

    Its inference graph gives "boxes" [B, D, 4], "class_ids", "scores", "valid" [B, D] and "masks" [B, D, h, w].
    """

    samples, figures = InstanceSamples, INSTANCE_FIGURES

    def label_each(self, images, probabilities=True, settings=None):
        """Label maps made of what `detect` finds, by `mrcnn.labeling.label_map`; settings: its LabelSettings."""
        return self._labelled(images, detected(self, images), probabilities, settings)

    def label_each_tiled(self, images, tile=1024, overlap=0.25, probabilities=True, settings=None):
        """The same of what `detect_tiled` finds."""
        found = self.detect_tiled(images, tile, overlap, mask_probabilities=True)
        return self._labelled(images, found, probabilities, settings)

    def _labelled(self, images, found, probabilities, settings):
        names = self.class_names or ["BG", *(f"class {i}" for i in range(1, self.config.NUM_CLASSES))]
        if settings is not None:
            settings.check_classes(names)
        for image, objects in zip(images, found):
            yield label_photo(objects, image.shape[:2], names, settings, probabilities)

    def measure(self, dataset, limit=None):
        """AP of masks and boxes, mask IoU, and the score threshold of the best F1; see `instance_figures`."""
        with self.lower_confidence(MEASURED_CONFIDENCE):
            results, truth = detect_all(self, dataset, limit=limit, progress=False)
        return instance_figures(truth, results)
