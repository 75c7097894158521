"""What the server needs of a model: its classes, what it finds in photos, and label maps."""

from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.data.class_names import names_of_model
from mrcnn.inference.attributes import names_of
from mrcnn.labeling.label_map import LabelSettings, labels_of
from mrcnn.labeling.photos import label_photo, labelled
from mrcnn.serving.refusals import Refused

DETECT, LABEL = "detect", "label"
PLATFORMS = {  # {format of an exported file: project and format}
    "onnx": "onnxruntime_onnx", "openvino": "openvino_ir", "litert": "litert_tflite",
    "savedmodel": "tensorflow_savedmodel"}
WARM = (64, 64, 3)  # of the photo that the graph is traced with


class ServedModel:
    """A model as the server asks it.

    Args:
        model: a network of `mrcnn.architectures`, or anything with its `detect` or `label_each`, `class_names`,
            `config` and `architecture_name`.
        name: by which it is asked for.
        version: told beside what is predicted, as the name of its checkpoint.
        settings: LabelSettings of its label maps; None takes the defaults.
        chain: what `mrcnn.labeling.refine.build_chain` makes; None does not refine label maps.
    """

    def __init__(self, model: object, name: str = "mrcnn", version: str = "", settings: LabelSettings | None = None,
                 chain: Callable | None = None):
        self.model, self.name, self.version, self.chain = model, name, version or name, chain
        self.settings = settings or LabelSettings()
        self.finds_objects = hasattr(model, "detect")

    @property
    def class_names(self) -> list[str]:
        """Names by class id, background first."""
        return names_of_model(self.model)

    @property
    def attribute_names(self) -> list[str]:
        """Names of the attributes that the network tells; none of most networks."""
        return names_of(self.model.config)

    @property
    def platform(self) -> str:
        """What runs the model and of what form it is, in the words of the Open Inference Protocol."""
        about = getattr(self.model, "about", None)
        form = about.get("format") if isinstance(about, dict) else None
        return PLATFORMS.get(form, form) or "keras"

    @property
    def min_score(self) -> float | None:
        """The least score of an object where a request names none; None for a network of label maps."""
        return float(self.model.config.DETECTION_MIN_CONFIDENCE) if self.finds_objects else None

    @property
    def min_score_floor(self) -> float | None:
        """The least score that is built into an exported file of objects; None of all other models."""
        return getattr(self.model, "score_floor", None) if self.finds_objects else None

    def check_min_score(self, least: float | None) -> None:
        """Raise Refused, 422, if a request asks for objects that an exported file drops by itself.

        Args:
            least: score that is asked for; None asks for none.
        """
        floor = self.min_score_floor
        if least is not None and floor is not None and least < floor:
            raise Refused(422, f"min_score={least:g}: {self.name} is an exported file that drops objects below "
                               f"{floor:g}: ask for that or more.")

    def described(self) -> dict:
        """Describe the model for /model.

        Returns:
            {name: value}, as JSON holds it.
        """
        return {
            "name": self.name, "version": self.version, "architecture": self.model.architecture_name(),
            "finds_objects": self.finds_objects, "class_names": self.class_names, "min_score": self.min_score,
            "min_score_floor": self.min_score_floor,
            "settings": self.model.config.to_dict(),
        }

    def check_finds_objects(self) -> None:
        """Raise Refused, 400, if the model has label maps only."""
        if not self.finds_objects:
            raise Refused(400, f"{self.name} ({self.model.architecture_name()}) tells a class of each pixel and finds "
                               "no objects: POST /label.")

    def warm(self) -> None:
        """Run the network on a square photo, so that no request of one shape waits for the making of its graph.

        JAX compiles anew for each other shape of canvas, while the first photo of it waits, and a warning tells.
        """
        sizes = getattr(self.model, "warming_sizes", lambda: [1])()
        for size in sizes:
            self.run((DETECT if self.finds_objects else LABEL, None), [np.zeros(WARM, np.uint8)] * size)

    def run(self, key: tuple, photos: list[np.ndarray]) -> Sequence:
        """Run the network.

        Args:
            key: ("detect", least score or None) or ("label", None).
            photos: each uint8 [H, W, 3].

        Returns:
            For each photo what `model.detect(rle=True)` gives, or its label map uint8 [H, W].
        """
        kind, least = key
        if kind == DETECT:
            return self.model.detect(photos, rle=True, min_confidence=least)
        if not self.finds_objects:
            return list(labelled(self.model, photos, None, self.chain))
        found = self.model.detect(photos, rle=True, mask_probabilities=True,
                                  min_confidence=self.settings.least_threshold())
        return [self._label_map(photo, detections) for photo, detections in zip(photos, found)]

    def _label_map(self, photo, detections):
        """uint8 [H, W] of what was found in a photo, refined."""
        shape, refines = photo.shape[:2], self.chain is not None
        told = label_photo(detections, shape, self.class_names, self.settings, probabilities=refines)
        return labels_of(np.asarray(self.chain(photo, told["probabilities"]))) if refines else told["labels"]
