"""Augmentations of our own, and the pipelines that fashion projects have trained with.

One that mirrors, scales or recolours is *light*: its `draw` says what happens to a sample, and
`mrcnn.data.ground_truth` places the photo and its masks accordingly, once and from their full size, which is quicker
and sharper than changing them on the canvas. `copy_paste` needs a second sample, which `mrcnn.data.ground_truth` loads
when it asks for one.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from mrcnn.data.images import Window, put_on_canvas, scaled_size
from mrcnn.data.masks import mask_boxes, place_masks
from mrcnn.errors import DataError

# Rows: brightness, then the two of colour, of the YIQ space of NTSC television; rotating the last two changes the hue.
RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
LUMA = RGB_TO_YIQ[0]


# --- Light augmentations ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Draw:
    """What light augmentations do to one sample.

    Args:
        scale: of the photo on its canvas.
        position: (y, x) 0..1, where it comes to lie, or which part of it is seen, if `placed`.
        mirrored: (upside down, left to right).
        recolour: functions of uint8 [h, w, 3], in their order.
    """

    placed: bool = False
    scale: float = 1.0
    position: tuple = (0.5, 0.5)
    mirrored: tuple = (False, False)
    recolour: tuple = ()

    def then(self, other: "Draw") -> "Draw":
        """Both, one after the other."""
        return Draw(
            self.placed or other.placed,
            self.scale * other.scale,
            other.position if other.placed else self.position,
            tuple(a != b for a, b in zip(self.mirrored, other.mirrored)),
            self.recolour + other.recolour,
        )

    def place(self, photo: np.ndarray, canvas: np.ndarray, window: Window) -> tuple[np.ndarray, Window]:
        """Scale a photo anew.

        Args:
            photo: uint8 [H, W, 3].
            canvas, window: of the photo so far.

        Returns:
            (canvas, Window).
        """
        if not self.placed:
            return canvas, window
        size = scaled_size([side * scale for side, scale in zip(photo.shape, window.scale)], self.scale)
        corner = tuple(round(at * (room - side)) for at, room, side in zip(self.position, window.canvas_shape, size))
        return put_on_canvas(photo, size, window.canvas_shape, corner)

    def colour(self, canvas: np.ndarray, window: Window | None = None) -> np.ndarray:
        """Recolour a canvas, but not its padding.

        Returns:
            uint8 [h, w, 3].
        """
        if not self.recolour:
            return canvas
        height, width = canvas.shape[:2]
        y1, x1, y2, x2 = (0, 0, height, width) if window is None else np.rint(window.box).astype(int)
        part = canvas[y1:y2, x1:x2]
        for recolour in self.recolour:
            part = recolour(part)
        canvas = canvas.copy()  # it may be the data set's own photo
        canvas[y1:y2, x1:x2] = part
        return canvas

    @property
    def reflects(self) -> bool:
        """Whether a left one becomes a right one: by one flip, but not by two, which are half a turn."""
        return self.mirrored[0] != self.mirrored[1]

    def mirror(self, array: np.ndarray, axis: int = 0) -> np.ndarray:
        """`array` mirrored as drawn.

        Args:
            array: of a canvas.
            axis: that of its height, before that of its width.
        """
        for number, mirrored in enumerate(self.mirrored):
            if mirrored:
                array = np.flip(array, axis + number)
        return array

    def mirror_boxes(self, boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """boxes [..., 4] on a canvas of some shape, mirrored as drawn."""
        for number, mirrored in enumerate(self.mirrored):
            if mirrored:
                boxes = boxes.copy()
                low = boxes[..., number].copy()
                boxes[..., number] = shape[number] - boxes[..., number + 2]
                boxes[..., number + 2] = shape[number] - low
        return boxes


class LightAugmentation:
    """Base class: a subclass says by `draw(rng)` what happens to a sample, as a Draw."""

    def draw(self, rng: np.random.Generator) -> Draw:
        """A Draw for one sample."""
        raise NotImplementedError

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Change an image and masks that lie on a canvas already."""
        return self.apply(self.draw(rng), image, masks)

    def apply(self, draw: Draw, image: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Change an image uint8 [h, w, 3] and masks bool [h, w, N] that lie on a canvas already as was drawn."""
        shape = image.shape[:2]
        if draw.placed:
            image, window = draw.place(image, image, Window(shape, shape, (1.0, 1.0), (0.0, 0.0)))
            masks = place_masks(masks, mask_boxes(masks), window) >= 128
        return draw.mirror(draw.colour(image)), draw.mirror(masks)


class Flip(LightAugmentation):
    """Mirrors with probability p along an axis: 0 upside down, 1 left to right."""

    def __init__(self, axis: int, p: float):
        _check_probability(p, "a flip")
        self.axis, self.p = axis, p

    def draw(self, rng: np.random.Generator) -> Draw:
        happens = bool(rng.random() < self.p)
        return Draw(mirrored=(happens and self.axis == 0, happens and self.axis == 1))


def horizontal_flip(p: float = 0.5) -> Flip:
    """Mirror left to right. It costs next to nothing.

    In samples of a data set, classes and attributes whose names differ in left and right alone change places.

    Args:
        p: probability, 0..1.

    Returns:
        An augmentation.
    """
    return Flip(1, p)


def vertical_flip(p: float = 0.5) -> Flip:
    """Mirror upside down. It costs next to nothing.

    Left and right change places as for `horizontal_flip`, but not if both mirror a photo, which is half a turn.

    Args:
        p: probability, 0..1.

    Returns:
        An augmentation.
    """
    return Flip(0, p)


class LargeScaleJitter(LightAugmentation):
    """See `large_scale_jitter`."""

    def __init__(self, low: float, high: float):
        if not 0 < low <= high:
            raise ValueError(f"large_scale_jitter from {low} to {high}: give two scales above 0, the smaller first.")
        self.low, self.high = float(low), float(high)

    def draw(self, rng: np.random.Generator) -> Draw:
        scale = float(rng.uniform(self.low, self.high))
        return Draw(placed=True, scale=scale, position=(float(rng.random()), float(rng.random())))


def large_scale_jitter(low: float = 0.1, high: float = 2.0) -> LargeScaleJitter:
    """Scale the photo at random on its canvas, which keeps its size.

    A smaller photo lies anywhere on the canvas; of a larger photo any part is visible. 0.1 to 2 is large scale jitter,
    0.8 to 1.25 standard scale jitter, of Ghiasi et al. 2021 (Simple Copy-Paste is a Strong Data Augmentation Method for
    Instance Segmentation, section 3). Large scales need long training: theirs was of 100 epochs and more.

    Args:
        low: least scale, relative to the photo as the canvas would show it.
        high: greatest scale.

    Returns:
        An augmentation.

    Raises:
        ValueError: the scales are not above 0, or low is above high.
    """
    return LargeScaleJitter(low, high)


class ColourJitter(LightAugmentation):
    """See `colour_jitter`."""

    def __init__(self, brightness: float, contrast: float, saturation: float, hue: float, p: float):
        _check_probability(p, "colour_jitter")
        for name, value, most in (("brightness", brightness, 1), ("contrast", contrast, 1),
                                  ("saturation", saturation, 1), ("hue", hue, 0.5)):
            if not 0 <= value <= most:
                raise ValueError(f"colour_jitter: {name}={value}: give a value from 0 to {most}.")
        self.ranges, self.hue, self.p = (brightness, contrast, saturation), hue, p

    def draw(self, rng: np.random.Generator) -> Draw:
        if rng.random() >= self.p:
            return Draw()
        brightness, contrast, saturation = (float(rng.uniform(1 - value, 1 + value)) for value in self.ranges)
        angle = float(rng.uniform(-self.hue, self.hue)) * 2 * np.pi
        return Draw(recolour=(lambda image: recoloured(image, brightness, contrast, saturation, angle),))


def colour_jitter(brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4, hue: float = 0.1,
                  p: float = 0.8) -> ColourJitter:
    """Change the colours. The defaults are those of MoCo v2 (Chen et al. 2020), after SimCLR's at half strength.

    Args:
        brightness, contrast, saturation: factors are drawn from 1 - value to 1 + value, 0..1.
        hue: the hue turns by up to this share of a full circle either way, 0..0.5.
        p: probability, 0..1.

    Returns:
        An augmentation.

    Raises:
        ValueError: a number is out of range.
    """
    return ColourJitter(brightness, contrast, saturation, hue, p)


def recoloured(image: np.ndarray, brightness: float, contrast: float, saturation: float, angle: float) -> np.ndarray:
    """An image in other colours: one linear map, so that nothing is clipped in between.

    Args:
        image: uint8 [h, w, C]. Of 3 channels and more the first three are RGB, of fewer the first is grey; what else
            there is, as depth or infrared, stays as it is.
        brightness: times every value.
        contrast: distance from the mean grey.
        saturation: distance from a pixel's own grey.
        angle: of the hue, radians.

    Returns:
        uint8.
    """
    import cv2

    colours = 3 if image.shape[2] >= 3 else 1
    if image.shape[2] > colours:
        changed = recoloured(image[..., :colours], brightness, contrast, saturation, angle)
        return np.concatenate([changed, image[..., colours:]], axis=2)
    if colours == 1:  # grey has neither saturation nor hue
        grey = image.mean() if image.size else 0.0
        values = brightness * (contrast * np.arange(256) + (1 - contrast) * grey)
        return np.rint(values).clip(0, 255).astype(np.uint8)[image]
    cosine, sine = np.cos(angle), np.sin(angle)
    hue = np.linalg.inv(RGB_TO_YIQ) @ np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ RGB_TO_YIQ
    matrix = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * LUMA[None]) @ hue
    grey = float(LUMA @ image.reshape(-1, image.shape[2]).mean(axis=0)) if image.size else 0.0
    offset = np.full((3, 1), brightness * (1 - contrast) * grey)
    return cv2.transform(np.ascontiguousarray(image), np.concatenate([matrix, offset], axis=1))


def _check_probability(p, what):
    if not 0 <= p <= 1:
        raise ValueError(f"The probability of {what} is {p}: give one from 0 to 1.")


# --- With another sample ---------------------------------------------------------------------------------------------


class CopyPaste:
    """See `copy_paste`."""

    takes_partner = True

    def __init__(self, p: float, share: float, least: float):
        _check_probability(p, "copy_paste")
        _check_probability(share, "an object to be pasted")
        _check_probability(least, "what must remain of an object")
        self.p, self.share, self.least = p, share, least

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> None:
        raise DataError("copy_paste needs a second sample: give it to Batches or load_ground_truth, which load one.")

    def mix(self, image: np.ndarray, masks: np.ndarray, class_ids: np.ndarray, rng: np.random.Generator,
            load_partner: Callable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Paste objects of another sample.

        Args:
            image: uint8 [h, w, 3].
            masks: bool [h, w, N].
            class_ids: int32 [N], negative for crowds.
            rng: numpy Generator.
            load_partner: function that loads another sample as such a triple, or gives None.

        Returns:
            (image, masks, class_ids), what is occluded taken from the masks, the pasted objects last.
        """
        other = load_partner() if rng.random() < self.p else None
        if other is None:
            return image, masks, class_ids
        other_image, other_masks, other_ids = other
        # A random subset of the objects, but never none. A crowd is not pasted: what it covers is not known exactly.
        candidates = np.flatnonzero((other_ids > 0) & other_masks.any(axis=(0, 1)))
        if not len(candidates):
            return image, masks, class_ids
        chosen = candidates[rng.random(len(candidates)) < self.share]
        chosen = chosen if len(chosen) else candidates[[rng.integers(len(candidates))]]
        pasted = fitted(other_masks[..., chosen], image.shape[:2])
        cover = pasted.any(axis=2)
        image = np.where(cover[..., None], fitted(other_image, image.shape[:2]), image)
        planes = masks.transpose(2, 0, 1)
        rest = planes & ~cover
        before, after = planes.sum(axis=(1, 2)), rest.sum(axis=(1, 2))
        kept = np.flatnonzero((after > 0) & (after >= self.least * before))
        shown = np.flatnonzero(pasted.any(axis=(0, 1)))
        planes = np.concatenate([rest[kept], pasted.transpose(2, 0, 1)[shown]])
        return image, planes.transpose(1, 2, 0), np.concatenate([class_ids[kept], other_ids[chosen[shown]]])


def copy_paste(p: float = 1.0, share: float = 0.5, least: float = 0.1) -> CopyPaste:
    """Paste objects of another photo of the same source, without blending.

    By Ghiasi et al. 2021 (Simple Copy-Paste, section 3): a random subset of the objects of a second photo, which went
    through the same large scale jitter and flip, is pasted at its position; the masks and boxes of what it occludes
    follow. In `compose` the steps before this one change the second photo too, with draws of their own. The paper drops
    objects that are wholly hidden; here objects are dropped of which less than `least` remains. Nothing is pasted into
    a photo that is the only one of its source.

    Args:
        p: probability for a sample, 0..1.
        share: probability for each object of the second photo, 0..1.
        least: share of an object's pixels that must remain visible, 0..1.

    Returns:
        An augmentation.
    """
    return CopyPaste(p, share, least)


def fitted(array: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """[h, w, C] cut or padded with zeros at the bottom and right to another (h, w)."""
    array = array[: shape[0], : shape[1]]
    room = [(0, shape[0] - array.shape[0]), (0, shape[1] - array.shape[1]), (0, 0)]
    return np.pad(array, room) if any(after for _, after in room) else array
