"""Augmentations by name: masks move with the picture, in the proportions that are promised."""

import sys

import numpy as np
import pytest

from mrcnn.data import recipes
from mrcnn.data.augmentation import apply_augmentation
from mrcnn.errors import ConfigError


def ellipses(height=120, width=160):
    """bool [H, W, 3]."""
    y, x = np.indices((height, width)) + 0.5
    places = [(50, 60, 30, 40), (70, 90, 40, 20), (25, 130, 15, 20)]
    return np.stack([((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1 for cy, cx, ry, rx in places], axis=-1)


@pytest.mark.parametrize("name", ["none", "flip", "imgaug"])
def test_augmentations_move_image_and_mask_alike(name):
    augmentation = recipes.augmentation_of(name)
    image = np.zeros((64, 64, 3), np.uint8)
    image[10:40, 5:25] = 200
    masks = (image[..., :1] > 0)
    moved = False
    for seed in range(8):
        new_image, new_masks = apply_augmentation(augmentation, image, masks, np.random.default_rng(seed))
        assert ((new_image[..., 0] > 100) == new_masks[..., 0]).mean() > 0.98  # but for interpolated borders
        moved |= bool((new_masks != masks).any())
    assert moved == (name != "none")


def test_jitter_without_flips_never_mirrors():
    masks = np.zeros((64, 64, 1), bool)
    masks[8:56, 8:32] = True  # a step to the right at the top, which a mirror would turn
    masks[8:24, 32:56] = True
    picture = masks.astype(np.uint8).repeat(3, axis=-1) * 200

    def mirrored(name):
        augmentation, turned = recipes.augmentation_of(name), 0
        for seed in range(12):
            moved = apply_augmentation(augmentation, picture, masks, np.random.default_rng(seed))[1][..., 0]
            columns = np.flatnonzero(moved.any(axis=0))
            heights = moved.sum(axis=0)[columns]
            turned += bool(heights[: len(heights) // 4].mean() < heights[-(len(heights) // 4):].mean())
        return turned

    assert mirrored("jitter-no-flip") == 0 < mirrored("jitter") < 12


def test_a_name_that_does_not_exist_is_told_those_that_do():
    with pytest.raises(ConfigError, match="AUGMENT='blur'.*none, flip, .*imgaug-full"):
        recipes.augmentation_of("blur")


def test_the_seed_users_pipeline_moves_masks_with_the_picture_on_half_of_the_photos():
    pytest.importorskip("imgaug", reason="imgaug is not installed")
    augmenter, masks = recipes.seed_users_augmentation(), ellipses()
    picture = np.where(masks.any(axis=2)[..., None], np.uint8(200), np.uint8(0)).repeat(3, axis=2)
    same = 0
    for seed in range(40):
        image, moved = apply_augmentation(augmenter, picture, masks, np.random.default_rng(seed))
        if np.array_equal(image, picture):
            np.testing.assert_array_equal(moved, masks)
            same += 1
            continue
        # Contrast of 0.75 brings 200 and 0 to 182 and 32, brightness of 0.8 then to 145 and 25: 90 parts them, but for
        # noise of a standard deviation of up to 13 / sqrt(3).
        assert ((image.mean(axis=2) > 90) != moved.any(axis=2)).mean() < 0.02
        assert not np.array_equal(moved, masks)
    assert 11 <= same <= 29  # 20 give or take 3.2


def test_missing_imgaug_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "imgaug", None)
    with pytest.raises(ImportError, match="pip install imgaug"):
        recipes.seed_users_augmentation()
