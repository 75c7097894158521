"""Files that tell a class of each pixel: probabilities for each photo, and the distance of two such answers."""

from collections.abc import Sequence

import numpy as np

from mrcnn.export.file_outputs import FileOutputs, largest


class LabelOutputs(FileOutputs):
    """"probabilities" [B, height, width, C], C classes with background."""

    # U2-Net-p with random weights differed by 0.0013 in ONNX, at a border of two labels; all others by less than 1e-4.
    tolerance = 3e-3

    def described(self, model: object, shape: tuple[int, int, int]) -> dict[str, dict]:
        return {"probabilities": {
            "shape": [*shape, int(model.config.NUM_CLASSES)], "dtype": "float32",
            "meaning": "of each class in the order of class_names, at each pixel of the canvas; they sum to 1, and the "
                       "largest is the label",
        }}

    def canvas_beside(self, shape: tuple[int, int, int]) -> np.ndarray:
        # Noise: on an empty canvas group normalisation divides by next to nothing, and roundings become large.
        return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)

    def distances(self, expected: dict, outputs: dict, about: dict) -> dict[str, float]:
        one, other = expected["probabilities"], outputs["probabilities"]
        labels = one.argmax(axis=-1)
        return {"probabilities": largest(one, other), "labels": float((labels != other.argmax(axis=-1)).mean()),
                "classes": np.unique(labels).tolist()}

    def summary(self, distances: Sequence[dict], about: dict) -> dict[str, float]:
        worst = max(each["probabilities"] for each in distances)
        return {"classes": len({each for picture in distances for each in picture["classes"]}),
                "largest_difference": worst, "probabilities": worst,
                "other_labels": float(np.mean([each["labels"] for each in distances])),
                "agreement": 1 - float(np.mean([each["labels"] for each in distances]))}

    def in_words(self, checked: dict) -> str:
        told = (f"largest difference {checked['largest_difference']:.2g} of the probabilities, another label at "
                f"{checked['other_labels']:.2%} of the pixels ({checked['classes']} classes in {checked['pictures']} "
                "pictures)")
        return told if checked["classes"] > 1 else f"{told}; only photos with several classes make it a check"
