"""Augmentations by name, as the setting AUGMENT has them."""

from mrcnn.data.augmentation import compose
from mrcnn.data.augmenters import colour_jitter, copy_paste, horizontal_flip, large_scale_jitter
from mrcnn.data.imgaug_import import allow_imgaug
from mrcnn.errors import ConfigError

AUGMENTATIONS = ("none", "flip", "jitter", "jitter-no-flip", "copy-paste", "imgaug", "imgaug-full")


def augmentation_of(name: str) -> object:
    """The augmentation that --augment names."""
    if name == "none":
        return None
    if name == "flip":
        return horizontal_flip(0.5)
    if name == "imgaug":
        allow_imgaug()
        from imgaug import augmenters

        # The flip is our own, in which left and right change places.
        return compose([horizontal_flip(0.5), augmenters.Sequential([
            augmenters.Sometimes(0.5, augmenters.Affine(scale=(0.8, 1.25), rotate=(-15, 15))),
            augmenters.Multiply((0.8, 1.25)),
        ])])
    if name == "imgaug-full":
        return seed_users_augmentation()
    if name == "jitter-no-flip":
        return compose([large_scale_jitter(0.5, 1.5), colour_jitter()])
    if name in ("jitter", "copy-paste"):
        light = [large_scale_jitter(0.5, 1.5), horizontal_flip(0.5), colour_jitter()]
        return compose(light + [copy_paste()] if name == "copy-paste" else light)
    raise ConfigError(f"AUGMENT={name!r}: take one of {', '.join(AUGMENTATIONS)}.")


def seed_users_augmentation(p: float = 0.5) -> object:
    """The imgaug pipeline of the fashion projects that this package began with, applied to a share p of the photos.

    Flips either way, a crop of 0 to 10 % at each side, blur of up to half a pixel on half of them, contrast 0.75 to
    1.5, Gaussian noise, brightness 0.8 to 1.2, and an affine change: scale 0.5 to 1.5, rotation up to 45 degrees,
    translation up to 20 %, shear up to 8 degrees.

    Returns:
        An imgaug augmenter.

    Raises:
        ImportError: if imgaug is missing.
    """
    allow_imgaug()
    try:
        from imgaug import augmenters as iaa
    except ImportError as error:
        raise ImportError(f"This augmentation needs imgaug ({error}): pip install imgaug.") from error
    both = {"x": (-0.2, 0.2), "y": (-0.2, 0.2)}
    return iaa.Sometimes(p, iaa.Sequential([
        iaa.Fliplr(0.5),
        iaa.Flipud(0.5),
        iaa.Crop(percent=(0, 0.1)),
        iaa.Sometimes(0.5, iaa.GaussianBlur(sigma=(0, 0.5))),
        iaa.LinearContrast((0.75, 1.5)),
        iaa.AdditiveGaussianNoise(loc=0, scale=(0.0, 0.05 * 255), per_channel=0.5),
        iaa.Multiply((0.8, 1.2), per_channel=0.2),
        iaa.Affine(scale=(0.5, 1.5), translate_percent=both, rotate=(-45, 45), shear=(-8, 8)),
    ]))
