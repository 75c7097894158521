"""What is drawn into the frames of a film: tracks in their colours, and the objects in colour, blurred, or cut out."""

import functools
from collections.abc import Sequence

import numpy as np

from mrcnn.data import strips
from mrcnn.drawing.arguments import ClassNames, caption_of
from mrcnn.drawing.label_maps import draw_label_map
from mrcnn.drawing.pictures import described, distinct_colors, draw_instances

BLUR = 24  # parts of the frame's shorter side that the blur is wide: a face is not told, a posture is


@functools.lru_cache(maxsize=4096)
def color_of(track: int) -> tuple[float, float, float]:
    """The colour (r, g, b), 0..1, of a track: the same in every frame of every film."""
    return distinct_colors(track)[-1]


def draw_tracks(image: np.ndarray, objects: Sequence[dict], class_names: ClassNames,
                scores: bool = False, attribute_names: Sequence[str] = ()) -> np.ndarray:
    """A frame with its objects drawn: masks and outlines in the colours of their tracks, class and number.

    Args:
        image: uint8 [H, W, 3] RGB.
        objects: as `mrcnn.inference.video.Follower.follow` gives them.
        class_names: by class id, or {id: name}.
        scores: whether to write these too.
        attribute_names: of all attributes that the network tells.

    Returns:
        uint8 [H, W, 3].
    """
    if not objects:
        return image
    captions = [f"{caption_of(one['class_id'], class_names, None, 0)} {one['track']}"
                + (f" {one['score']:.2f}" if scores else "") for one in objects]
    captions = described(captions, [one.get("attributes", ()) for one in objects], attribute_names)
    return draw_instances(image, np.stack([one["box"] for one in objects]), [one["rle"] for one in objects],
                          [one["class_id"] for one in objects], class_names, captions=captions,
                          colors=[color_of(one["track"]) for one in objects], show_bbox=False)


def draw_labels(image: np.ndarray, labels: np.ndarray, class_names: ClassNames) -> np.ndarray:
    """A frame with its label map over it: uint8 [H, W, 3], of the frame's size.

    Args:
        image: uint8 [H, W, 3] RGB.
        labels: uint8 [H, W].
        class_names: by class id, or {id: name}.
    """
    return draw_label_map(image, labels, class_names, legend=False)


def covered(objects: Sequence[dict], shape: tuple[int, int]) -> np.ndarray:
    """Where any of the objects of a frame is: bool [H, W].

    Args:
        objects: dicts with "rle", COCO run lengths.
        shape: (H, W) of the frame.
    """
    inside = np.zeros(shape, bool)
    for part in (strips.mask_part(one["rle"]) for one in objects):
        if part:
            top, left, mask = part
            inside[top:top + mask.shape[0], left:left + mask.shape[1]] |= mask
    return inside


def splash(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Matterport's colour splash: what is inside in colour, the rest grey.

    Args:
        image: uint8 [H, W, 3] RGB.
        inside: bool [H, W].

    Returns:
        uint8 [H, W, 3].
    """
    import cv2

    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # the luma of BT.601
    return cv2.copyTo(image, inside.astype(np.uint8), grey)


def blur(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """A frame that is blurred inside, by a Gaussian of a 24th of its shorter side.

    Args:
        image: uint8 [H, W, 3] RGB.
        inside: bool [H, W].

    Returns:
        uint8 [H, W, 3].
    """
    import cv2

    if not inside.any():
        return image
    width = max(1.0, min(image.shape[:2]) / BLUR)
    # So wide a blur has no fine detail: a quarter of the size gives the same in a sixteenth of the time.
    small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA) if width > 8 else image
    soft = cv2.GaussianBlur(small, (0, 0), width / 4 if width > 8 else width)
    soft = soft if small is image else cv2.resize(soft, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.copyTo(soft, inside.astype(np.uint8), image.copy())


def cut_out(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """A frame that is opaque inside, and elsewhere black and transparent.

    Args:
        image: uint8 [H, W, 3] RGB.
        inside: bool [H, W].

    Returns:
        uint8 [H, W, 4] RGBA.
    """
    return np.dstack([image * inside[..., None], np.where(inside, 255, 0).astype(np.uint8)])
