"""What networks share that tell a class of each pixel, and find no objects."""

from mrcnn.architectures.segmenter import Segmenter
from mrcnn.config import Settings
from mrcnn.data.dataset import Dataset
from mrcnn.data.label_samples import IGNORED, LabelSamples
from mrcnn.errors import ConfigError
from mrcnn.evaluation.pixels import FIGURES, pixel_figures
from mrcnn.export.label_outputs import LabelOutputs
from mrcnn.inference.labeler import Labeler
from mrcnn.labeling.photos import compared

OF_OBJECTS = ("detect", "detect_tiled")


class SemanticSegmenter(Labeler, Segmenter):
    """A network of label maps, to be built by `mrcnn.network.pixel_network.build_pixel_network` or in its likeness.

    Its inference graph gives "probabilities" [B, h, w, C] of each pixel of the canvas.
    """

    samples, figures, exported = LabelSamples, tuple(FIGURES), LabelOutputs()

    @classmethod
    def check(cls, config: Settings) -> None:
        super().check(config)
        if config.NUM_CLASSES > IGNORED:
            raise ConfigError(f"NUM_CLASSES={config.NUM_CLASSES}: a label map holds {IGNORED} classes: merge some.")

    def measure(self, dataset: Dataset, limit: int | None = None) -> dict[str, float]:
        """Measure mean IoU with and without background, pixel accuracy and boundary F; see `pixel_figures`."""
        return pixel_figures(compared(self, dataset, limit=limit, progress=False).metrics())

    def __getattr__(self, name):
        if name in OF_OBJECTS:
            raise AttributeError(
                f"{self.architecture_name()} tells a class of each pixel and finds no objects: call label(images) in "
                f"place of {name}(); mask-rcnn detects."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
