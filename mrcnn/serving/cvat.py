"""A model as an auto-annotation function of CVAT.

`cvat-cli task auto-annotate ID --function-module mrcnn.serving.cvat -p weights=str:model.h5` runs it on the machine of
who calls it, which needs the package `cvat-sdk`. Objects are masks, or polygons where CVAT asks for these
(`--conv-mask-to-poly`).
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.class_names import names_of_model
from mrcnn.data.encoded import as_meant, to_rgb
from mrcnn.data.formats.outlines import rings
from mrcnn.data.strips import mask_part
from mrcnn.errors import UsageError
from mrcnn.serving.pre_labels import is_part, simpler, without_pixels

if TYPE_CHECKING:
    from PIL import Image


def create(weights: str, min_confidence: float | None = None) -> "Function":
    """Make the function; cvat-cli calls this with what `-p NAME=KIND:VALUE` gives, as -p weights=str:model.h5.

    Args:
        weights: path of a checkpoint, or of an exported file.
        min_confidence: least score of an object where CVAT names none; None takes the checkpoint's own.

    Returns:
        The Function.

    Raises:
        UsageError: cvat-sdk is not installed, or the network finds no objects.
    """
    from mrcnn import architectures

    return Function(architectures.load(weights), min_confidence)


class Function:
    """What CVAT's auto-annotation asks: `spec` and `detect`.

    Args:
        model: with `detect`, `class_names` and `config`.
        min_confidence: as for `create`.

    Raises:
        UsageError: as for `create`.
    """

    def __init__(self, model: object, min_confidence: float | None = None):
        try:
            import cvat_sdk.auto_annotation as interface
        except ImportError as error:
            raise UsageError("CVAT's auto-annotation needs cvat-sdk: pip install cvat-sdk cvat-cli.") from error
        if not hasattr(model, "detect"):
            raise UsageError(f"The weights are of the architecture {model.architecture_name()}, which finds no "
                             "objects: give those of a network that does.")
        self._model, self._least, self._interface = model, min_confidence, interface
        self.spec = interface.DetectionFunctionSpec(labels=[
            interface.label_spec(name, class_id, type="mask")
            for class_id, name in enumerate(names_of_model(model)) if class_id])

    def detect(self, context: object, image: "Image.Image") -> list:
        """Find the objects in a photo.

        Args:
            context: DetectionFunctionContext: the least score, and whether polygons are wanted.
            image: of Pillow; it is turned as its EXIF says, as CVAT shows it.

        Returns:
            A list of LabeledShapeRequest.

        Raises:
            DataError: the photo's pixels are of unknown range.
        """
        least = self._least if context.conf_threshold is None else context.conf_threshold
        [found] = self._model.detect([_pixels(image, context.frame_name)], rle=True, min_confidence=least)
        shapes = []
        tell_empty(found, context.frame_name)
        for class_id, rle in zip(found["class_ids"].tolist(), found["rles"]):
            if context.conv_mask_to_poly:
                shapes += [self._interface.polygon(class_id, corners) for corners in polygons_of(rle)]
            elif run_lengths.areas([rle])[0]:
                shapes.append(self._interface.mask(class_id, mask_points(rle)))
        return shapes


def _pixels(image, name):
    """uint8 [H, W, 3], as `mrcnn.data.encoded.decode_image` gives it of a file."""
    return to_rgb(as_meant(image), name)


def tell_empty(found: dict, name: str) -> None:
    """Warn of objects without a pixel, of which CVAT gets nothing.

    Args:
        found: of `detect(rle=True)`.
        name: of the photo.
    """
    if empty := without_pixels(found):
        warnings.warn(f"{name}: {empty} of {len(found['rles'])} objects have no pixel and are left out.", stacklevel=3)


def mask_points(rle: dict) -> list[int]:
    """A mask as CVAT has it: run lengths of its box row by row, beginning with what is outside, and the box.

    Args:
        rle: RLE of COCO, of a mask that is not empty.

    Returns:
        [runs..., x1, y1, x2, y2], the box with its last row and column.
    """
    mask, (x1, y1, x2, y2) = _cut(rle)
    flat = mask.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    return [*np.diff([0, *edges, flat.size]).tolist(), x1, y1, x2, y2]


def mask_bits(rle: dict) -> list[int]:
    """A mask as CVAT's serverless functions give it: each pixel of its box as 0 or 1, and the box.

    Args:
        rle: as for `mask_points`.

    Returns:
        [bits..., x1, y1, x2, y2].
    """
    mask, box = _cut(rle)
    return [*mask.ravel().astype(int).tolist(), *box]


def polygons_of(rle: dict) -> list[list[float]]:
    """A mask as a polygon for each of its parts; holes are filled.

    Args:
        rle: RLE of COCO.

    Returns:
        A list of [x1, y1, x2, y2, ...], pixels.
    """
    mask = run_lengths.decode(rle)
    return [simpler(ring).ravel().tolist() for ring in rings(rle) if is_part(ring, mask)]


def _cut(rle: dict) -> tuple[np.ndarray, Sequence[int]]:
    """(the part of a mask within its box, [x1, y1, x2, y2] with the last row and column)."""
    top, left, inside = mask_part(rle)
    return inside, [left, top, left + inside.shape[1] - 1, top + inside.shape[0] - 1]
