"""What a user may choose of a file's writing."""

from typing import NamedTuple

from mrcnn.errors import ExportError

OPSETS = (16, 17, 18)  # RoiAlign has half_pixel coordinates from the first on; the last is what tf2onnx knows
OPSET = 17  # of 2022, known to every runtime of today


class Asked(NamedTuple):
    """What a format's `write` is told.

    Attributes:
        opset: of ONNX, one of OPSETS.
    """

    opset: int = OPSET


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
