"""Pipelines of imgaug and albumentations: masks move as the picture does; a pipeline that cannot do so is refused.

imgaug 0.4 moves masks either as segmentation maps, half a pixel beside the photo, or as heatmaps, a float32 channel an
object. Here it moves instead a *field*, four such channels that say of each pixel where it came from, and the masks are
fetched from there: as exact as the picture, and the cost hardly grows with the number of objects.
"""

import copy
import functools
import warnings

import numpy as np

from mrcnn.data.imgaug_import import allow_imgaug
from mrcnn.errors import DataError

# A node of a pipeline moves pixels if its class, or one that it derives from, is of these modules.
GEOMETRIC = ("imgaug.augmenters.flip", "imgaug.augmenters.geometric", "imgaug.augmenters.size")
# Those assert that there are no masks, because they only know images.
IMAGES_ONLY = {"imgaug.augmenters.pillike.Affine", "imgaug.augmenters.imgcorruptlike.ElasticTransform"}
# What they hold changes a part of the picture only, or a share of each pixel: a mask cannot follow.
PARTIAL = {
    "imgaug.augmenters.blend.BlendAlpha", "imgaug.augmenters.blend.BlendAlphaMask",
    "imgaug.augmenters.color.WithBrightnessChannels", "imgaug.augmenters.color.WithHueAndSaturation",
    "imgaug.augmenters.meta.WithChannels",
}
TRIALS = 16  # draws of an augmenter that this file does not know
SMALL = (192, 256, 3)  # of the picture that it is tried on: height, width, channels

# The field's channels reach from 0 to LEVEL, so that cubic interpolation, which overshoots, is not cut off at 1.
LEVEL = 0.75
# Its fourth channel is a parabola across and one down, with a top at HUMP / 2, in units of the photo's longer side.
HUMP = 0.8
SPREAD = 4.0  # pixels; what was mixed from further apart is no place in the photo


allow_imgaug()  # so that a script may import it anywhere after `import mrcnn.model`


def is_imgaug(augmentation: object) -> bool:
    """Whether this is an imgaug augmenter, found out without importing imgaug."""
    return hasattr(augmentation, "to_deterministic") and hasattr(augmentation, "augment_image")


# --- What imgaug cannot do, and is refused ---------------------------------------------------------------------------


def check_imgaug(augmenter: object, shape: tuple[int, int, int] | None = None) -> None:
    """Raise DataError if an imgaug augmenter, or one inside it, moves the picture but cannot move its masks.

    imgaug's own are known by their class. Of any other, such as a Lambda, some draws are tried on a picture of its own
    mask, when it is first met; see `_moves_when_tried`.

    Args:
        augmenter: imgaug's.
        shape: (H, W, channels) of the canvas that it is about to be applied to; None before any is known.
    """
    for node in _nodes(augmenter):
        names = {f"{base.__module__}.{base.__name__}" for base in type(node).__mro__}
        if names & IMAGES_ONLY:
            raise DataError(
                f"{type(node).__module__}.{_name(node)} moves the photo but never its masks: use "
                "imgaug.augmenters.Affine or ElasticTransformation (in place of RandAugment, SomeOf with those)."
            )
        if names & PARTIAL and not _takes_all_channels(node):
            for inner in _nodes(node)[1:]:
                if _moves(inner, shape):
                    raise DataError(
                        f"imgaug's {_name(node)} moves a part of what the photo shows by {_name(inner)}, which masks "
                        f"cannot follow: take {_name(inner)} out of it."
                    )
        elif not _is_known(node):
            _moves(node, shape)  # tried out, and refused there


def nodes_of(augmentation: object) -> list:
    """An augmentation of any kind, and what it holds if it is of imgaug or albumentations."""
    if is_imgaug(augmentation):
        return _nodes(augmentation)
    return _transforms(augmentation) if is_albumentations(augmentation) else [augmentation]


def _nodes(augmenter):
    """An augmenter and all that it holds."""
    return [augmenter] + augmenter.get_all_children(flat=True)


def _name(node):
    return type(node).__name__


def _is_known(node):
    return type(node).__module__.startswith("imgaug.") and _name(node) != "Lambda"


def _takes_all_channels(node):
    return hasattr(node, "channels") and (node.channels is None or {0, 1, 2} <= set(node.channels))


def _moves(node, shape):
    """Whether an augmenter moves pixels. Raises DataError for one of a user's that moves no masks with them."""
    if _is_known(node):
        return any(base.__module__ in GEOMETRIC for base in type(node).__mro__)
    return _moves_when_tried(node, _run_imgaug, shape)


# --- Applying imgaug -------------------------------------------------------------------------------------------------


def apply_imgaug(augmenter: object, image: np.ndarray, masks: np.ndarray,
                 rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Change a photo and its masks by an imgaug augmenter.

    Args:
        augmenter: imgaug's.
        image: uint8 [H, W, 3].
        masks: bool [H, W, N].
        rng: numpy Generator.

    Returns:
        (image, masks), of the size that the augmenter gives them.

    Raises:
        DataError: as `check_imgaug` does.
    """
    check_imgaug(augmenter, image.shape)
    return _run_imgaug(augmenter, image, masks, rng)


def _run_imgaug(augmenter, image, masks, rng):
    # imgaug's augmenters hold their random state: a copy with a seed of its own makes the result a function of rng and
    # lets worker threads share the augmenter.
    augmenter = copy.deepcopy(augmenter)
    augmenter.seed_(int(rng.integers(2**31)), deterministic_too=True)
    image = np.ascontiguousarray(image)
    _prepare_imgaug(augmenter)
    if not masks.shape[2]:
        return augmenter.augment_image(image), masks
    still = _still_field(*image.shape[:2])
    new_image, field = augmenter(image=image, heatmaps=still)
    if new_image.shape != image.shape or np.array_equal(field.arr_0to1, still.arr_0to1):
        return new_image, masks
    return new_image, _fetched(masks, field.arr_0to1)


def _prepare_imgaug(augmenter):
    """Let the copy of an augmenter move the field as it moves the picture."""
    for node in _nodes(augmenter):
        if hasattr(node, "_order_heatmaps"):
            node._order_heatmaps = 1  # linear; cubic would be slower, and overshoots
        for name in ("_mode_heatmaps", "_pad_mode_heatmaps"):
            if hasattr(node, name):
                setattr(node, name, None)  # what a border repeats of the photo, it repeats of the masks
        if _name(node) == "ElasticTransformation":
            # With NumPy 2, an alpha that is drawn as an integer makes a float64 map, which OpenCV does not take.
            node.alpha.draw_samples = functools.partial(_float32_samples, node.alpha.draw_samples)


def _float32_samples(draw_samples, *arguments, **options):
    return draw_samples(*arguments, **options).astype(np.float32)


@functools.lru_cache(maxsize=8)
def _still_field(height, width):
    """The field of a photo that nothing has moved, as imgaug's heatmaps. imgaug copies what it changes.

    Channels: y and x in units of the longer side, 1, and a hump. All are linear in how much of a pixel is photo, so
    that a pixel mixed with what lies outside still tells its place: y / 1.
    """
    from imgaug.augmentables.heatmaps import HeatmapsOnImage

    size = max(height, width)
    y, x = np.meshgrid((np.arange(height) + 0.5) / size, (np.arange(width) + 0.5) / size, indexing="ij")
    field = np.stack([y, x, np.ones_like(y), _hump(y, x)], axis=-1) * LEVEL
    return HeatmapsOnImage(field.astype(np.float32), shape=(height, width, 3))


def _hump(y, x):
    """Between 0 and 1. Neither mean, median nor extreme of a row of pixels has the hump that belongs to its place."""
    low = 2 * (HUMP - 1)
    return (y * (HUMP - y) + x * (HUMP - x) - low) / (HUMP**2 / 2 - low)


def _fetched(masks, field):
    """Masks where a field says. masks: bool [H, W, N]; field: float32 [H, W, 4]. Returns bool [H, W, N].

    A pixel mixed from distant places, as on the seams of a puzzle, has another hump than its mean place: the difference
    grows with their variance. It belongs to no mask; nor does one that is more outside than inside.
    """
    import cv2

    height, width = field.shape[:2]
    size = np.float32(max(height, width))
    y, x, inside, hump = cv2.split(field)
    valid = inside >= LEVEL / 2
    share = 1 / np.maximum(inside, np.float32(LEVEL / 4))
    y, x = y * share, x * share
    low = 2 * (HUMP - 1)
    hump = hump * share * np.float32(HUMP**2 / 2 - low) + np.float32(low)
    variance = y * (np.float32(HUMP) - y) + x * (np.float32(HUMP) - x) - hump
    valid &= np.abs(variance) < (SPREAD / size) ** 2
    maps = cv2.convertMaps(x * size - np.float32(0.5), y * size - np.float32(0.5), cv2.CV_16SC2)
    planes = np.ascontiguousarray(masks.transpose(2, 0, 1)).view(np.uint8)
    moved = np.empty(planes.shape, bool)
    for first in range(0, len(planes), 4):  # OpenCV takes four channels at once
        part = planes[first : first + 4]
        # Values of 0 and 1 are interpolated and rounded at one half.
        channels = cv2.remap(cv2.merge(list(part)), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for target, channel in zip(moved[first:], cv2.split(channels)):
            np.logical_and(channel, valid, out=target)
    return moved.transpose(1, 2, 0)

# --- albumentations --------------------------------------------------------------------------------------------------


def is_albumentations(augmentation: object) -> bool:
    """Whether this is a transform of albumentations, found out without importing it."""
    packages = {base.__module__.split(".")[0] for base in type(augmentation).__mro__}
    return "albumentations" in packages and hasattr(augmentation, "set_random_seed")


def check_albumentations(transform: object, shape: tuple[int, int, int] | None = None) -> None:
    """Raise DataError if a transform, or one inside it, moves the picture without masks or asks for more than these.

    Most of albumentations itself move both; a Lambda, and a transform of a user's, is tried out when it is first met.

    Args:
        transform: of albumentations.
        shape: as for `check_imgaug`.
    """
    for node in _transforms(transform):
        if getattr(node, "processors", None):
            raise DataError(
                "An albumentations Compose with bbox_params or keypoint_params cannot be used: leave them out, boxes "
                "are taken from the masks."
            )
        asked = _asked(node)
        if asked:
            raise DataError(f"albumentations' {_name(node)} asks for {asked} beside the photo and its masks, which is "
                            "not given: leave it out.")
        if _name(node) == "SelectiveChannelTransform":
            for inner in _transforms(node)[1:]:
                if "DualTransform" in {base.__name__ for base in type(inner).__mro__}:
                    raise DataError(f"albumentations' {_name(node)} moves channels of the photo by {_name(inner)}, "
                                    f"which masks do not follow: take {_name(inner)} out of it.")
        known = type(node).__module__.startswith("albumentations.") and _name(node) != "Lambda"
        if not known and not _held(node):
            _moves_when_tried(node, _run_albumentations, shape)


def _asked(node):
    """What a transform of albumentations asks for that it is not given; "" if nothing.

    Some say so; of the others it is found out, when they are first met, on a made-up photo.
    """
    said = sorted(set(getattr(node, "targets_as_params", ())) - {"image", "masks"})
    if said:
        return ", ".join(said)
    if getattr(node, "mask_indices", None) is not None:  # without it nothing is done, but for a warning
        return "mask"
    if getattr(node, "bbox_labels", None) is not None:
        return "bboxes"
    if _held(node):
        return ""
    asked = node.__dict__.get("mrcnn_asked")
    if asked is None:
        asked = node.mrcnn_asked = _asked_when_tried(node)
    return asked


def _asked_when_tried(node):
    node = copy.deepcopy(node)
    node.p = 1.0
    image, mask = _blobs()
    try:
        _run_albumentations(node, image, mask[..., None], np.random.default_rng(0))
    except KeyError as error:
        return str(error.args[0]) if error.args else "more"
    except Exception:  # of this photo, such as one that is smaller than a crop: told when it is applied
        return ""
    return ""


def _transforms(transform):
    """A transform and all that it holds."""
    return [transform] + [node for inner in _held(transform) for node in _transforms(inner)]


def _held(transform):
    """The transforms right inside of one; what else it calls `transforms`, as ColorJitter its functions, are none."""
    return [inner for inner in getattr(transform, "transforms", None) or () if hasattr(inner, "set_random_seed")]


def apply_albumentations(transform: object, image: np.ndarray, masks: np.ndarray,
                         rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Change a photo and its masks by a transform of albumentations; see `apply_imgaug`."""
    check_albumentations(transform, image.shape)
    return _run_albumentations(transform, image, masks, rng)


def _run_albumentations(transform, image, masks, rng):
    transform = copy.deepcopy(transform)  # with a seed of its own, as for imgaug
    transform.set_random_seed(int(rng.integers(2**31)))
    for node in _transforms(transform):
        node.deterministic = False  # within a ReplayCompose it writes down what it draws, which nobody asks for
        if hasattr(node, "mask_interpolation"):
            node.mask_interpolation = 1  # linear, and rounded at one half; OpenCV's nearest is up to a pixel off
    planes = [np.ascontiguousarray(masks[..., i]).view(np.uint8) for i in range(masks.shape[2])]
    moved_sample = transform(image=np.ascontiguousarray(image), **({"masks": planes} if planes else {}))
    if not planes or moved_sample["image"].shape != image.shape:
        return moved_sample["image"], masks
    moved = np.stack([np.asarray(mask) for mask in moved_sample["masks"]])
    return moved_sample["image"], (moved > 0).transpose(1, 2, 0)


# --- What is not known -----------------------------------------------------------------------------------------------


def _moves_when_tried(node, run, shape):
    """Whether an unknown augmenter moves masks, found out when it is first met, on blobs whose picture is their mask.

    One that cannot be applied to those, as it knows the canvas' size, is tried again on blobs of that size, before it
    is first applied; one that fails there too is told of, and taken as moving nothing.

    run: function (node, image, masks, rng) -> (image, masks); shape: as for `check_imgaug`. Raises DataError if the
    picture moves without its mask.
    """
    if "mrcnn_moves" not in vars(node):
        try:
            node.mrcnn_moves = _tried(node, run, SMALL)
        except DataError:
            raise
        except Exception:
            if shape is None:
                return False
            node.mrcnn_moves = _tried_at_full_size(node, run, shape)
    return node.mrcnn_moves


def _tried_at_full_size(node, run, shape):
    try:
        return _tried(node, run, shape)
    except DataError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        warnings.warn(f"{_name(node)} could not be tried on a picture of a mask ({reason}), so "
                      "whether masks move with their photo is not known: look at some by data show --augment.",
                      stacklevel=2)
        return False


def _blobs(shape=SMALL):
    """(uint8 [H, W, C] picture of a mask, the mask as bool [H, W])."""
    height, width, channels = shape
    # By chance, so that mirrored, turned or moved by a cell's side it is another one.
    cells = np.random.default_rng(2).random((12, 16)) < 0.4
    mask = cells[np.arange(height) * 12 // height][:, np.arange(width) * 16 // width]
    inside, outside = (np.resize(np.uint8(colour), channels) for colour in ([200, 170, 220], [60, 80, 50]))
    return np.where(mask[..., None], inside, outside), mask


def _tried(node, run, shape):
    image, mask = _blobs(shape)
    moved = False
    for seed in range(TRIALS):
        new_image, new_masks = run(node, image, mask[..., None], np.random.default_rng(seed))
        if new_image.shape != image.shape or new_image.dtype != image.dtype:
            # Photos of one side may be turned; of others it is refused when it is applied, with the sizes.
            return shape[0] == shape[1] or _tried(node, run, (shape[0], shape[0], shape[2]))
        moved |= not np.array_equal(new_masks[..., 0], mask)
        if _has_left(new_image, new_masks[..., 0], True):
            # What looks the same in the picture's negative, as noise that hides a part of it, tells of no place.
            negative, _ = run(node, 255 - image, mask[..., None], np.random.default_rng(seed))
            if _has_left(new_image, new_masks[..., 0], (negative != new_image).any(axis=2)):
                raise DataError(
                    f"{_name(node)} was tried on a picture of a mask, and the mask did not stay with the picture: "
                    "let it change masks alike (a Lambda of imgaug: func_heatmaps, of albumentations: mask), or "
                    "give it as a function (image, masks, rng) -> (image, masks)."
                )
    return moved


def _has_left(image, mask, counted):
    """Whether a picture of a mask shows it elsewhere, by the pixels that count, bool [H, W] or True."""
    import cv2

    (height, width), counted = mask.shape, np.broadcast_to(counted, mask.shape)
    inside = mask[counted]
    if not inside.any() or inside.all():
        return False
    for channel in image.transpose(2, 0, 1).astype(np.float32):
        # Other colours keep the picture a function of the mask, and uneven light, as a vignette is, keeps where it is
        # brighter than around; another place keeps neither.
        brighter = cv2.blur(channel, (5, 5)) > cv2.blur(channel, (width // 4, height // 4))
        with np.errstate(invalid="ignore", divide="ignore"):  # where nothing is brighter
            agree = [abs(np.corrcoef(shown[counted], inside)[0, 1]) >= 0.5 for shown in (channel, brighter)]
        if channel[counted].std() > 5 and not any(agree):
            return True
    return False
