"""Photo and masks are changed alike, the same way for the same random state, and nothing changes its shape."""

import concurrent.futures
import subprocess
import sys

import numpy as np
import pytest

from mrcnn.data.augmentation import apply_augmentation, check_augmentation, horizontal_flip
from mrcnn.data.images import DataError


def ellipses(height=120, width=160):
    """bool [H, W, 5]; the first three overlap."""
    y, x = np.indices((height, width)) + 0.5
    places = [(50, 60, 30, 40), (70, 90, 40, 20), (60, 75, 10, 12), (25, 130, 15, 20), (95, 25, 18, 18)]
    return np.stack([((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1 for cy, cx, ry, rx in places], axis=-1)


def picture_of(masks):
    """The first three masks as the three channels, so that the picture shows where masks belong."""
    return masks[..., :3].astype(np.uint8) * 255


def agreement(image, masks):
    """Lowest IoU of a channel with its mask."""
    seen, masks = image >= 128, masks[..., :3]
    return min(
        (seen[..., i] & masks[..., i]).sum() / max(1, (seen[..., i] | masks[..., i]).sum()) for i in range(3)
    )


def test_no_augmentation():
    masks = ellipses()
    image, same = apply_augmentation(None, picture_of(masks), masks, np.random.default_rng(0))
    np.testing.assert_array_equal(image, picture_of(masks))
    np.testing.assert_array_equal(same, masks)


def test_flip_mirrors_both():
    masks = ellipses()
    image, mirrored = apply_augmentation(horizontal_flip(1.0), picture_of(masks), masks, np.random.default_rng(0))
    np.testing.assert_array_equal(image, picture_of(masks)[:, ::-1])
    np.testing.assert_array_equal(mirrored, masks[:, ::-1])


@pytest.mark.parametrize("p, low, high", [(0.0, 0, 0), (1.0, 400, 400), (0.5, 150, 250)])
def test_flip_happens_as_often_as_asked(p, low, high):
    rng, flip = np.random.default_rng(0), horizontal_flip(p)
    # 400 halves have a standard deviation of sqrt(400 / 4) = 10.
    assert low <= sum(flip.happens(rng) for _ in range(400)) <= high


def test_probability_out_of_range():
    with pytest.raises(ValueError, match="1.5"):
        horizontal_flip(1.5)


def test_a_function_gets_all_and_its_result_is_taken():
    def turn(image, masks, rng):
        times = int(rng.integers(1, 2)) * 2
        return np.rot90(image, times), np.rot90(masks, times)

    masks = ellipses()
    image, turned = apply_augmentation(turn, picture_of(masks), masks, np.random.default_rng(0))
    np.testing.assert_array_equal(image, picture_of(masks)[::-1, ::-1])
    np.testing.assert_array_equal(turned, masks[::-1, ::-1])


@pytest.mark.parametrize("function, what", [
    (lambda image, masks, rng: (image[:50], masks), "image"),
    (lambda image, masks, rng: (image, masks[:50]), "masks"),
    (lambda image, masks, rng: (image, masks[..., :2]), "masks"),
    (lambda image, masks, rng: (image / 255, masks), "image"),
    (lambda image, masks, rng: (image, masks.astype(np.uint8)), "masks"),
    (lambda image, masks, rng: (image, None), "masks"),
])
def test_a_function_that_changes_shape_or_type_is_refused(function, what):
    with pytest.raises(DataError, match=f"turned the {what} .*must keep shape and type"):
        apply_augmentation(function, picture_of(ellipses()), ellipses(), np.random.default_rng(0))


@pytest.mark.parametrize("augmentation", ["fliplr", [horizontal_flip()], 0.5])
def test_what_is_no_augmentation_is_refused(augmentation):
    with pytest.raises(TypeError, match="give None, an imgaug augmenter"):
        check_augmentation(augmentation)


# --- imgaug ----------------------------------------------------------------------------------------------------------


def geometric_augmenters():
    iaa = pytest.importorskip("imgaug.augmenters", reason="needs imgaug")
    return {
        "Fliplr": iaa.Fliplr(1.0),
        "Flipud": iaa.Flipud(0.7),
        "Affine": iaa.Affine(scale=(0.5, 1.5), rotate=(-45, 45), translate_percent=(-0.2, 0.2), shear=(-8, 8)),
        "Rot90": iaa.Rot90((1, 3)),
        "Crop": iaa.Crop(percent=(0, 0.1)),
        "CropAndPad": iaa.CropAndPad(percent=(-0.1, 0.1)),
        "PerspectiveTransform": iaa.PerspectiveTransform((0.01, 0.1)),
        "PiecewiseAffine": iaa.PiecewiseAffine((0.01, 0.03)),
        "ElasticTransformation": iaa.ElasticTransformation(alpha=20.0, sigma=5.0),
        "Jigsaw": iaa.Jigsaw(4, 4),
        "Sometimes": iaa.Sometimes(0.5, iaa.Sequential([iaa.Fliplr(0.5), iaa.Affine(rotate=(-30, 30))])),
    }


@pytest.mark.parametrize("name", geometric_augmenters())
def test_imgaug_moves_masks_with_the_picture(name):
    augmenter, masks = geometric_augmenters()[name], ellipses()
    moved = 0
    for seed in range(4):
        image, changed = apply_augmentation(augmenter, picture_of(masks), masks, np.random.default_rng(seed))
        assert changed.dtype == bool and changed.shape == masks.shape
        # An ellipse with half axes of 10 and 12 that lies half a pixel off agrees to 0.93 only.
        assert agreement(image, changed) > 0.95
        moved += not np.array_equal(changed, masks)
    assert moved


def test_imgaug_leaves_masks_alone_where_it_changes_colours_only():
    iaa = pytest.importorskip("imgaug.augmenters", reason="needs imgaug")
    augmenter, masks = iaa.Sequential([iaa.Multiply((0.5, 0.6)), iaa.GaussianBlur(1.0), iaa.Cutout()]), ellipses()
    image, same = apply_augmentation(augmenter, picture_of(masks), masks, np.random.default_rng(0))
    assert not np.array_equal(image, picture_of(masks))
    np.testing.assert_array_equal(same, masks)


def test_imgaug_result_depends_on_the_random_state_alone():
    augmenter, masks = geometric_augmenters()["Affine"], ellipses()
    image = picture_of(masks)
    image[:60] //= 2

    def run(seed):
        return apply_augmentation(augmenter, image, masks, np.random.default_rng(seed))

    expected = [run(seed) for seed in range(6)]
    assert not np.array_equal(expected[0][0], expected[1][0])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # worker threads share the augmenter
        found = list(pool.map(run, [seed % 6 for seed in range(24)]))
    for i, (changed_image, changed_masks) in enumerate(found):
        np.testing.assert_array_equal(changed_image, expected[i % 6][0])
        np.testing.assert_array_equal(changed_masks, expected[i % 6][1])


def test_imgaug_made_deterministic_differs_from_sample_to_sample_all_the_same():
    augmenter, masks = geometric_augmenters()["Affine"].to_deterministic(), ellipses()
    moved = [apply_augmentation(augmenter, picture_of(masks), masks, np.random.default_rng(i))[1] for i in range(2)]
    assert not np.array_equal(*moved)


def test_imgaug_without_objects():
    augmenter, masks = geometric_augmenters()["Fliplr"], ellipses()
    image, none = apply_augmentation(augmenter, picture_of(masks), masks[..., :0], np.random.default_rng(0))
    np.testing.assert_array_equal(image, picture_of(masks)[:, ::-1])
    assert none.shape == masks.shape[:2] + (0,)


def test_imgaug_that_changes_the_canvas_is_refused():
    iaa = pytest.importorskip("imgaug.augmenters", reason="needs imgaug")
    for augmenter in (iaa.Resize(0.5), iaa.Crop(percent=0.1, keep_size=False), iaa.CropToFixedSize(50, 50)):
        with pytest.raises(DataError, match="must keep shape and type.*keep_size=True"):
            apply_augmentation(augmenter, picture_of(ellipses()), ellipses(), np.random.default_rng(0))


def test_imgaug_can_be_imported_after_this_package_and_is_not_imported_by_it():
    pytest.importorskip("imgaug", reason="needs imgaug")
    program = (
        "import sys, mrcnn.data.augmentation; assert 'imgaug' not in sys.modules; import imgaug.augmenters as iaa; "
        "import imgaug.parameters as p; import numpy as np; p.FrequencyNoise().draw_samples((8, 8), 1)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)


def test_missing_imgaug_says_what_to_install(monkeypatch):
    augmenter = geometric_augmenters()["Fliplr"]
    monkeypatch.setitem(sys.modules, "imgaug.augmentables.heatmaps", None)
    with pytest.raises(ImportError, match="pip install imgaug"):
        apply_augmentation(augmenter, picture_of(ellipses()), ellipses(), np.random.default_rng(0))
