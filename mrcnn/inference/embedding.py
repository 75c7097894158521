"""What a photo is like, as numbers: the mean of the backbone's last map over it."""

import copy
from collections.abc import Iterator, Sequence

import numpy as np

from mrcnn.errors import UsageError
from mrcnn.inference.attributes import in_words
from mrcnn.inference.detector import unmold
from mrcnn.inference.mask_scores import counted

LAST_MAP, MAP = "fpn_c5p5", "last_map"  # the layer of the pyramid that takes the backbone's last map; an output's name


class Embedder:
    """A network that finds objects, with the mean of its backbone's last map as further output.

    Photos are looked at once, without the views of TEST_FLIP and TEST_SCALES.

    Args:
        model: an `InstanceSegmenter`.

    Raises:
        UsageError: it has no backbone that can be asked, as an exported file.
    """

    def __init__(self, model: object):
        import keras

        network = getattr(model, "inference_model", None)
        if network is None or LAST_MAP not in {layer.name for layer in network.layers}:
            raise UsageError("Photos are compared by a checkpoint's backbone, which an exported file does not show: "
                             "give --weights the checkpoint that it was made of.")
        last = network.get_layer(LAST_MAP).input
        self._looking, self._finding = copy.copy(model), copy.copy(model)
        image = network.input["image"]
        self._looking.inference_model = keras.Model({"image": image}, {MAP: last})
        self._finding.inference_model = keras.Model(network.input, {**network.output, MAP: last})

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Tell what photos are like; the backbone alone is run.

        Args:
            images: photos, each uint8 [H, W, 3].

        Returns:
            float32 [M, C].
        """
        looking = self._looking
        images = list(looking.checked_images(images))
        rows = {index: _mean(outputs[MAP], canvas.shape, window)
                for index, outputs, window, canvas in _outputs(looking, images)}
        return np.stack([rows[index] for index in range(len(images))])

    def found(self, images: Sequence[np.ndarray], min_confidence: float) -> list[tuple[dict, np.ndarray]]:
        """Find objects, and tell what the photos are like.

        Args:
            images: photos, each uint8 [H, W, 3].
            min_confidence: least score of an object.

        Returns:
            For each photo (dict of `detect(rle=True)`, float32 [C]).
        """
        finding = self._finding
        images = list(finding.checked_images(images))
        rows = {}
        for index, outputs, window, canvas in _outputs(finding, images, min_confidence=min_confidence):
            result = unmold(counted(outputs, finding.config, min_confidence), window, images[index].shape[:2], rle=True)
            rows[index] = in_words(result, finding.config), _mean(outputs[MAP], canvas.shape, window)
        return [rows[index] for index in range(len(images))]


def _outputs(network, images, **numbers) -> Iterator[tuple]:
    """(index, the network's outputs for a photo, its Window, its canvas), not in order."""
    placed = [network.place(image) for image in images]
    for index, outputs, window in network.predicted(placed, **numbers):
        yield index, outputs, window, placed[index][0]


def _mean(values, canvas, window):
    """float32 [C]: the mean of a map [h, w, C] over the part of the canvas that the photo fills."""
    y1, x1, y2, x2 = window.box
    rows, columns = values.shape[0] / canvas[0], values.shape[1] / canvas[1]
    top, left = int(y1 * rows), int(x1 * columns)
    part = values[top : max(top + 1, int(np.ceil(y2 * rows))), left : max(left + 1, int(np.ceil(x2 * columns)))]
    return part.astype(np.float32).mean(axis=(0, 1))
