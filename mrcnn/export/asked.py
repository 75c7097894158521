"""What a user may choose of a file's writing."""

from collections.abc import Sequence
from typing import NamedTuple

from mrcnn.config import FIXED_CANVAS_MODES
from mrcnn.errors import ExportError

OPSETS = (16, 17, 18)  # RoiAlign has half_pixel coordinates from the first on; the last is what tf2onnx knows
OPSET = 17  # of 2022, known to every runtime of today
QUANTISED_FORMATS = {"float16": ("openvino", "litert"), "int8": ("onnx", "openvino", "litert")}
CALIBRATED_FORMATS = ("onnx", "openvino")  # whose int8 needs photos; LiteRT finds the ranges while it runs
LEAST_AGREEMENT = 0.5  # of a quantised file with its network, below which it is taken for broken


class Asked(NamedTuple):
    """What a format's `write` is told.

    Attributes:
        opset: of ONNX, one of OPSETS.
        quantize: None for the network's own float32; "float16" for weights alone, "int8" for layers.
        calibration: the inputs of the file for each photo that int8 is calibrated on, by name.
    """

    opset: int = OPSET
    quantize: str | None = None
    calibration: Sequence[dict] = ()


def check_opset(opset: int | None, format: str) -> int:
    """Check the opset that was asked for.

    Args:
        opset: as asked; None takes OPSET.
        format: of the file.

    Returns:
        One of OPSETS.

    Raises:
        ExportError: it cannot be written, or the format has none.
    """
    if opset is not None and format != "onnx":
        raise ExportError(f"opset {opset} is of ONNX files, and {format} has none: leave it out, or take onnx.")
    if opset is not None and opset not in OPSETS:
        raise ExportError(f"opset {opset}: give {', '.join(map(str, OPSETS))}; without one it is {OPSET}.")
    return opset or OPSET


def check_quantize(quantize: str | None, format: str, photos: Sequence | None) -> None:
    """Raise ExportError for a quantisation that there is not, in that format or without photos.

    Args:
        quantize: as asked; None is none.
        format: of the file.
        photos: the user's.
    """
    if quantize is None:
        return
    if quantize not in QUANTISED_FORMATS:
        raise ExportError(f"quantize={quantize!r}: give {' or '.join(QUANTISED_FORMATS)}, or None for float32.")
    formats = QUANTISED_FORMATS[quantize]
    if format not in formats:
        raise ExportError(f"{format} files are not written in {quantize}: take {' or '.join(formats)}, or float32.")
    if is_calibrated(format, quantize) and photos is None:
        raise ExportError("int8 is calibrated on photos: give some (--image FOLDER), 100 or so like those that the "
                          "file is going to see.")


def is_calibrated(format: str, quantize: str | None) -> bool:
    """Whether a file is written by what a network does on photos.

    Args:
        format: of the file.
        quantize: as asked.
    """
    return quantize == "int8" and format in CALIBRATED_FORMATS


def check_dynamic(mode: str, format: str, quantize: str | None, side: int | None) -> None:
    """Raise ExportError where a file cannot take canvases of any size.

    Args:
        mode: the network's IMAGE_RESIZE_MODE.
        format: of the file.
        quantize: as asked.
        side: height or width, if one was asked for.
    """
    if format != "onnx":
        raise ExportError(f"{format} files take canvases of one size: leave dynamic out, or take onnx.")
    if quantize:
        raise ExportError(f"{quantize} files take canvases of one size: leave dynamic out, or quantize.")
    if side:
        raise ExportError(f"A dynamic file takes canvases of any size, and {side} was asked for: leave out one of "
                          "them.")
    if mode in FIXED_CANVAS_MODES:
        raise ExportError(f"This network is built for one canvas (IMAGE_RESIZE_MODE={mode!r}): load it with "
                          'mrcnn.load(path, IMAGE_RESIZE_MODE="rectangle"), or --set IMAGE_RESIZE_MODE=rectangle.')
