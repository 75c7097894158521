"""From a decoded frame of a film to its pixels: in the film's colours, over a matte, upright and not mirrored."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import av

HIGH = 720  # lines from which a film that does not tell its colours is taken for BT.709, as players do
UNTOLD, BT709, SMPTE170M = 2, 1, 6  # numbers of H.273 for a film's colours
SLANT = 100  # part of a display matrix from which on a film is turned by more than whole quarters
DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own leave transparency out


class Pixels:
    """Pixels of a film's frames. Size, colours and turning are those of the first frame.

    Args:
        path: of the film, to call it.
        matte: RGB 0..255 of the colour under what is transparent.

    Attributes:
        size: (H, W) of the upright frames, None before the first.
        is_high: whether colours are those of BT.709, else of BT.601.
        is_lying: whether upright frames have the sides of the decoded ones exchanged.
        resized, seen_through: number of frames of another size than the first, and of those with transparent parts.
        notes: a line for the user on each thing that is not as in the film.
    """

    def __init__(self, path: str, matte: tuple[int, int, int]) -> None:
        self.path, self.matte, self.notes = path, matte, []
        self.size, self.is_high, self.is_lying, self.resized, self.seen_through = None, True, False, 0, 0
        self._coded, self._matrix = None, (1, 0, 0, 1)

    def of(self, frame: "av.VideoFrame") -> np.ndarray:
        """uint8 [H, W, 3] RGB of a decoded frame."""
        if self.size is None:
            self._look_at_first(frame)
        elif (frame.width, frame.height) != self._coded:
            self.resized += 1
        frame.colorspace = frame.colorspace if frame.colorspace != UNTOLD else BT709 if self.is_high else SMPTE170M
        if any(component.is_alpha for component in frame.format.components):
            image = self._over_matte(frame.reformat(*self._coded, format="rgba").to_ndarray())
        else:
            image = frame.reformat(*self._coded, format="rgb24").to_ndarray()
        return np.ascontiguousarray(upright(image, self._matrix))

    def _over_matte(self, pixels):
        if pixels[..., 3].min() == 255:
            return pixels[..., :3]
        self.seen_through += 1
        share = pixels[..., 3:].astype(np.float32) / 255
        return np.rint(pixels[..., :3] * share + np.array(self.matte, np.float32) * (1 - share)).astype(np.uint8)

    def _look_at_first(self, frame):
        self._coded = (frame.width, frame.height)
        told = frame.colorspace
        self.is_high = told == BT709 if told in (BT709, 5, SMPTE170M) else frame.height >= HIGH
        self._matrix = matrix_of(frame)
        a, b, _, _ = (abs(value) for value in self._matrix)
        if min(a, b) * SLANT > max(a, b):
            self.notes.append(f"{self.path} is to be shown turned by {frame.rotation} degrees; it is turned by "
                              f"{round(frame.rotation / 90) % 4 * 90}.")
        self.is_lying = b > a
        self.size = (frame.width, frame.height) if self.is_lying else (frame.height, frame.width)


def matrix_of(frame: "av.VideoFrame") -> tuple[int, int, int, int]:
    """(a, b, c, d) of a frame's display matrix: players show the pixel (x, y) at (a x + c y, b x + d y)."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            values = np.frombuffer(bytes(data), np.int32)[:9]
            return tuple(int(values[place]) for place in (0, 1, 3, 4))
    return 1, 0, 0, 1


def upright(image: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """A picture as players show it: turned by whole quarters, and mirrored.

    Args:
        image: [H, W, C].
        matrix: (a, b, c, d) of `matrix_of`.

    Returns:
        [H, W, C] or [W, H, C].
    """
    a, b, c, d = matrix
    if abs(b) > abs(a):  # rows become columns: x goes to b x downwards, y to c y rightwards
        return image.swapaxes(0, 1)[::-1 if b < 0 else 1, ::-1 if c < 0 else 1]
    return image[::-1 if d < 0 else 1, ::-1 if a < 0 else 1]
