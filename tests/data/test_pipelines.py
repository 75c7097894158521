"""imgaug and albumentations move masks with the picture, or are refused; the picture of the tests shows its masks."""

import concurrent.futures

import cv2
import numpy as np
import pytest

from mrcnn.data.augmentation import apply_augmentation, check_augmentation
from mrcnn.data.masks import mask_boxes
from mrcnn.data.pipelines import apply_albumentations, check_albumentations
from mrcnn.errors import DataError

iaa = pytest.importorskip("imgaug.augmenters", reason="imgaug is not installed")


def ellipses(height=120, width=160):
    """bool [H, W, 6]; the first three overlap and are large."""
    y, x = np.indices((height, width)) + 0.5
    places = [(50, 60, 30, 40), (70, 90, 40, 20), (60, 75, 10, 12), (25, 130, 15, 20), (95, 25, 18, 18), (60, 8, 9, 6)]
    return np.stack([((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1 for cy, cx, ry, rx in places], axis=-1)


def picture_of(masks, which=(0, 1, 2)):
    """Three of the masks as the three channels, so that the picture shows where masks belong."""
    return masks[..., list(which)].astype(np.uint8) * 255


def agreement(image, masks):
    """Lowest IoU of a channel with its mask."""
    seen = image >= 128
    union = (seen | masks).sum(axis=(0, 1))
    return np.where(union, (seen & masks).sum(axis=(0, 1)) / np.maximum(union, 1), 1.0).min()


def check_agreement(augmenter, masks=None, which=(0, 1, 2), least=0.95, seeds=4):
    """Each draw keeps masks and picture together to within a pixel; returns how many draws moved them."""
    masks, moved = ellipses() if masks is None else masks, 0
    for seed in range(seeds):
        image, changed = apply_augmentation(augmenter, picture_of(masks, which), masks, np.random.default_rng(seed))
        assert changed.dtype == bool and changed.shape == masks.shape and image.dtype == np.uint8
        changed = changed[..., list(which)]
        # An ellipse with half axes of 10 and 12 that lies half a pixel off agrees to 0.93 only.
        assert agreement(image, changed) > least
        assert np.abs(mask_boxes(image >= 128) - mask_boxes(changed)).max() <= 1
        moved += not np.array_equal(changed, masks[..., list(which)])
    return moved


# --- imgaug moves both -----------------------------------------------------------------------------------------------

keep = iaa.KeepSizeByResize
GEOMETRIC = {
    "Fliplr": lambda: iaa.Fliplr(1.0),
    "Flipud": lambda: iaa.Flipud(0.7),
    "Affine": lambda: iaa.Affine(scale=(0.5, 1.5), rotate=(-45, 45), translate_percent=(-0.2, 0.2), shear=(-8, 8)),
    "Affine of skimage": lambda: iaa.Affine(rotate=(-45, 45), order=1, backend="skimage"),
    "AffineCv2": lambda: iaa.AffineCv2(rotate=(-45, 45)),
    "ScaleX": lambda: iaa.ScaleX((0.5, 1.5)),
    "ScaleY": lambda: iaa.ScaleY((0.5, 1.5)),
    "TranslateX": lambda: iaa.TranslateX(px=(-20, 20)),
    "TranslateY": lambda: iaa.TranslateY(percent=(-0.2, 0.2)),
    "Rotate": lambda: iaa.Rotate((-45, 45)),
    "ShearX": lambda: iaa.ShearX((-20, 20)),
    "ShearY": lambda: iaa.ShearY((-20, 20)),
    "Rot90": lambda: iaa.Rot90((1, 3)),
    "Rot90 by half a turn": lambda: iaa.Rot90(2, keep_size=False),
    "PiecewiseAffine": lambda: iaa.PiecewiseAffine((0.01, 0.03)),
    "PerspectiveTransform": lambda: iaa.PerspectiveTransform((0.01, 0.1)),
    "PerspectiveTransform that fits": lambda: iaa.PerspectiveTransform((0.01, 0.1), fit_output=True),
    "ElasticTransformation": lambda: iaa.ElasticTransformation(alpha=(5.0, 40.0), sigma=5.0),
    "ElasticTransformation of integers": lambda: iaa.ElasticTransformation(alpha=20, sigma=5),
    "WithPolarWarping": lambda: iaa.WithPolarWarping(iaa.CropAndPad(percent=(-0.1, 0.1))),
    "Crop": lambda: iaa.Crop(percent=(0, 0.1)),
    "Pad": lambda: iaa.Pad(percent=(0, 0.1)),
    "CropAndPad": lambda: iaa.CropAndPad(px=(-16, 16)),
    "Jigsaw": lambda: iaa.Jigsaw(4, 4),
    "KeepSizeByResize of a crop": lambda: keep(iaa.CropToFixedSize(100, 80)),
    "KeepSizeByResize of padding": lambda: keep(iaa.PadToFixedSize(200, 180)),
    "KeepSizeByResize of a rotation": lambda: keep(iaa.Rotate((-45, 45), fit_output=True)),
    "KeepSizeByResize of a quarter turn": lambda: keep(iaa.Rot90((1, 3), keep_size=False)),
    "KeepSizeByResize of CropToAspectRatio": lambda: keep(iaa.CropToAspectRatio(1.0)),
    "KeepSizeByResize of PadToMultiplesOf": lambda: keep(iaa.PadToMultiplesOf(100, 100)),
    "KeepSizeByResize of CenterCropToPowersOf": lambda: keep(iaa.CenterCropToPowersOf(2, 2)),
    "a crop padded again": lambda: iaa.Sequential([iaa.CropToFixedSize(100, 80), iaa.PadToFixedSize(160, 120)]),
    "Sometimes": lambda: iaa.Sometimes(0.5, iaa.Sequential([iaa.Fliplr(0.5), iaa.Affine(rotate=(-30, 30))])),
    "OneOf": lambda: iaa.OneOf([iaa.Affine(rotate=(-30, 30)), iaa.Flipud(1.0)]),
    "SomeOf": lambda: iaa.SomeOf((1, 2), [iaa.Affine(rotate=(-30, 30)), iaa.Fliplr(1.0)], random_order=True),
    "WithColorspace": lambda: iaa.WithColorspace("HSV", children=iaa.Affine(translate_px={"x": 30})),
    "WithChannels of all": lambda: iaa.WithChannels([0, 1, 2], iaa.Affine(translate_px={"x": 30})),
}


@pytest.mark.parametrize("name", GEOMETRIC)
def test_geometric_augmenters_move_masks_with_the_picture(name):
    assert check_agreement(GEOMETRIC[name]())


def test_resize_within_keep_size_leaves_masks_where_they_are():
    check_agreement(keep(iaa.Resize((0.5, 1.5))))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
def test_what_a_border_repeats_of_the_photo_it_repeats_of_the_masks(mode):
    # Objects near the edges, which are repeated beyond them; the smallest is 18 x 12 pixels, much of it border.
    away = {"which": (3, 4, 5), "least": 0.9}
    check_agreement(iaa.Affine(rotate=(-45, 45), translate_percent=(-0.2, 0.2), mode=mode), **away)
    check_agreement(iaa.Pad(percent=(0, 0.2), pad_mode=mode), **away)
    check_agreement(keep(iaa.PadToFixedSize(200, 180, pad_mode=mode)), **away)


@pytest.mark.parametrize("mode", ["maximum", "mean", "median", "minimum"])
def test_padding_of_one_colour_belongs_to_no_object(mode):
    masks = np.ones((64, 64, 3), bool)
    masks[20:30, :30] = False
    pad = iaa.Pad(px=(16, 0, 0, 16), keep_size=True, pad_mode=mode, sample_independently=False)
    _, moved = apply_augmentation(pad, picture_of(masks), masks, np.random.default_rng(0))
    # 16 rows on top and 16 columns at the left make 80 x 80, which become 64 x 64: 16 become 12.8.
    assert not moved[:12].any() and not moved[:, :12].any() and moved[14:24, 14:].all()


def test_seams_that_are_interpolated_leave_no_specks():
    # Mixed from the two sides of a seam, a place of neither would come out, and with it pixels of far objects.
    masks = np.zeros((120, 160, 3), bool)
    masks[50:70, 70:90] = True
    turned = iaa.Sequential([iaa.Affine(translate_px=60, mode="wrap"), iaa.Affine(rotate=(-20, 20))])
    for seed in range(5):
        image, moved = apply_augmentation(turned, picture_of(masks), masks, np.random.default_rng(seed))
        assert np.abs(mask_boxes(image >= 128) - mask_boxes(moved)).max() <= 1


def test_many_objects_keep_their_order():
    rng = np.random.default_rng(0)
    masks = np.zeros((64, 96, 23), bool)
    for i, (y, x) in enumerate(zip(rng.integers(0, 50, 23), rng.integers(0, 80, 23))):
        masks[y : y + 10, x : x + 12, i] = True
    image, moved = apply_augmentation(iaa.Fliplr(1.0), picture_of(masks), masks, rng)
    np.testing.assert_array_equal(moved, masks[:, ::-1])


def test_colours_leave_masks_alone():
    augmenter, masks = iaa.Sequential([iaa.Multiply((0.5, 0.6)), iaa.GaussianBlur(1.0), iaa.Cutout()]), ellipses()
    image, same = apply_augmentation(augmenter, picture_of(masks), masks, np.random.default_rng(0))
    assert not np.array_equal(image, picture_of(masks))
    np.testing.assert_array_equal(same, masks)


def test_result_depends_on_the_random_state_alone():
    augmenter, masks = GEOMETRIC["Affine"](), ellipses()
    image = picture_of(masks)
    image[:60] //= 2

    def run(seed):
        return apply_augmentation(augmenter, image, masks, np.random.default_rng(seed))

    expected = [run(seed) for seed in range(6)]
    assert not np.array_equal(expected[0][0], expected[1][0])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # worker threads share the augmenter
        results = list(pool.map(run, [seed % 6 for seed in range(24)]))
    for i, (changed_image, changed_masks) in enumerate(results):
        np.testing.assert_array_equal(changed_image, expected[i % 6][0])
        np.testing.assert_array_equal(changed_masks, expected[i % 6][1])


def test_an_augmenter_made_deterministic_differs_from_sample_to_sample_all_the_same():
    augmenter, masks = GEOMETRIC["Affine"]().to_deterministic(), ellipses()
    moved = [apply_augmentation(augmenter, picture_of(masks), masks, np.random.default_rng(i))[1] for i in range(2)]
    assert not np.array_equal(*moved)


def test_a_photo_without_objects():
    masks = ellipses()
    image, none = apply_augmentation(iaa.Fliplr(1.0), picture_of(masks), masks[..., :0], np.random.default_rng(0))
    np.testing.assert_array_equal(image, picture_of(masks)[:, ::-1])
    assert none.shape == masks.shape[:2] + (0,)


# --- imgaug refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("augmenter", [
    iaa.Resize(0.5), iaa.Crop(percent=0.1, keep_size=False), iaa.CropToFixedSize(50, 50), iaa.PadToFixedSize(200, 200),
    iaa.Affine(rotate=30, fit_output=True), iaa.Rot90(1, keep_size=False), iaa.Jigsaw(7, 7), iaa.PadToSquare(),
    iaa.AveragePooling(2, keep_size=False), iaa.CropToMultiplesOf(50, 50),
], ids=lambda augmenter: type(augmenter).__name__)
def test_what_changes_the_canvas_is_refused(augmenter):
    for masks in (ellipses(), ellipses()[..., :0]):
        with pytest.raises(DataError, match="keep shape and type.*keep_size=True, or KeepSizeByResize"):
            apply_augmentation(augmenter, picture_of(ellipses()), masks, np.random.default_rng(0))


def shift():
    return iaa.Affine(translate_px={"x": 30})


@pytest.mark.parametrize("augmenter, message", [
    (lambda: iaa.pillike.Affine(rotate=30), "pillike.Affine moves the photo but never its masks"),
    (lambda: iaa.imgcorruptlike.ElasticTransform(3), "ElasticTransform moves the photo but never its masks"),
    (lambda: iaa.RandAugment(2, 9), "in place of RandAugment"),
    (lambda: iaa.WithChannels(0, shift()), "WithChannels moves a part .* by Affine"),
    (lambda: iaa.WithBrightnessChannels(shift()), "WithBrightnessChannels moves a part"),
    (lambda: iaa.WithHueAndSaturation(iaa.Fliplr(1.0)), "by Fliplr"),
    (lambda: iaa.BlendAlpha(0.4, shift()), "BlendAlpha moves a part"),
    (lambda: iaa.BlendAlphaSimplexNoise(iaa.Sequential([shift()])), "BlendAlphaSimplexNoise moves a part"),
    (lambda: iaa.Lambda(func_images=lambda images, *_: [image[:, ::-1] for image in images]), "Lambda was tried"),
    (lambda: iaa.BlendAlpha(0.5, flipping_lambda()), "BlendAlpha moves a part .* by Lambda"),
])
@pytest.mark.parametrize("wrap", [lambda a: a, lambda a: iaa.Sequential([iaa.Add(3), iaa.Sometimes(0.5, a)])])
def test_what_would_move_the_picture_without_its_masks_is_refused_before_any_sample(augmenter, message, wrap):
    with pytest.raises(DataError, match=message):
        check_augmentation(wrap(augmenter()))
    with pytest.raises(DataError, match=message):
        apply_augmentation(wrap(augmenter()), picture_of(ellipses()), ellipses()[..., :0], np.random.default_rng(0))


def flipping_lambda():
    def flip_heatmaps(heatmaps, *_):
        for heatmap in heatmaps:
            heatmap.arr_0to1 = heatmap.arr_0to1[:, ::-1]
        return heatmaps

    return iaa.Lambda(lambda images, *_: [image[:, ::-1] for image in images], flip_heatmaps)


def test_an_augmenter_of_ones_own_that_moves_both_or_only_recolours_is_taken():
    class Darker(iaa.Augmenter):
        def _augment_batch_(self, batch, random_state, parents, hooks):
            batch.images = [image // 2 for image in batch.images]
            return batch

        def get_parameters(self):
            return []

    masks = ellipses()
    assert check_agreement(flipping_lambda()) == 4
    for colour in (Darker(), iaa.Lambda(lambda images, *_: [255 - image for image in images])):
        check_augmentation(iaa.BlendAlpha(0.5, colour))
        image, same = apply_augmentation(colour, picture_of(masks), masks, np.random.default_rng(0))
        np.testing.assert_array_equal(same, masks)
        assert not np.array_equal(image, picture_of(masks))


def test_an_augmenter_of_ones_own_that_knows_the_size_of_the_canvas_is_tried_on_one():
    masks, texture = ellipses(), np.random.default_rng(0).integers(0, 20, (120, 160, 3)).astype(np.uint8)
    brighter = iaa.Lambda(lambda images, *_: [image // 2 + texture for image in images])
    check_augmentation(brighter)
    image, same = apply_augmentation(brighter, picture_of(masks), masks, np.random.default_rng(0))
    np.testing.assert_array_equal(image, picture_of(masks) // 2 + texture)
    np.testing.assert_array_equal(same, masks)
    for wrap in (lambda augmenter: augmenter, lambda augmenter: iaa.BlendAlpha(0.5, augmenter)):
        moving = wrap(iaa.Lambda(lambda images, *_: [image[:, ::-1] // 2 + texture for image in images]))
        check_augmentation(moving)
        with pytest.raises(DataError, match="Lambda was tried on a picture of a mask"):
            apply_augmentation(moving, picture_of(masks), masks, np.random.default_rng(0))


def test_an_augmenter_of_ones_own_that_cannot_be_tried_is_told_of_once():
    masks = ellipses()

    def only_of_ellipses(images, *_):
        np.testing.assert_array_equal(images[0], picture_of(masks), err_msg="unknown")
        return images

    augmenter = iaa.Lambda(only_of_ellipses)
    check_augmentation(augmenter)
    message = r"Lambda could not be tried .*AssertionError: Arrays are not equal.*, so .* is not known: look at some"
    with pytest.warns(UserWarning, match=message) as told:
        for seed in range(2):
            apply_augmentation(augmenter, picture_of(masks), masks, np.random.default_rng(seed))
    assert len(told) == 1


DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (25, 25)).astype(np.float32)


def pixelated(image, size):
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // size, height // size), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)


def vignetted(image, sigma):
    height, width = image.shape[:2]
    light = cv2.getGaussianKernel(height, height * sigma) @ cv2.getGaussianKernel(width, width * sigma).T
    return np.uint8(image * (light / light.max())[..., None])


def warped(image, angle, scale):
    height, width = image.shape[:2]
    return cv2.warpAffine(image, cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale), (width, height))


@pytest.mark.parametrize("move", [
    lambda image: image[::-1], lambda image: image[:, ::-1], lambda image: image[::-1, ::-1], np.rot90,
    lambda image: np.rot90(image, 3), lambda image: image.swapaxes(0, 1),
    lambda image: np.rot90(image, 2).swapaxes(0, 1),
    lambda image: np.roll(image, image.shape[0] * 8 // 100, 0),
    lambda image: np.roll(image, -image.shape[1] * 8 // 100, 1),
    lambda image: warped(image, 15, 1), lambda image: warped(image, 0, 1.3), lambda image: warped(image, 0, 0.8),
    lambda image: vignetted(image[:, ::-1], 0.25), lambda image: cv2.blur(image[::-1], (25, 25)),
])
def test_every_mirror_turn_and_shift_of_the_picture_alone_is_found(move):
    with pytest.raises(DataError, match="Lambda was tried on a picture of a mask, and the mask did not stay"):
        check_augmentation(iaa.Lambda(lambda images, *_: [np.ascontiguousarray(move(image)) for image in images]))


@pytest.mark.parametrize("change", [
    lambda image: cv2.GaussianBlur(image, (0, 0), 4), lambda image: cv2.blur(image, (15, 1)),
    lambda image: np.uint8(np.clip(image + np.random.default_rng(0).normal(0, 50, image.shape), 0, 255)),
    lambda image: np.roll(image, 1, 1),
    lambda image: cv2.blur(image, (25, 25)), lambda image: cv2.medianBlur(image, 21),
    lambda image: pixelated(image, 16), lambda image: cv2.erode(image, np.ones((7, 7))),
    lambda image: cv2.filter2D(image, -1, DISC / DISC.sum()),
    lambda image: vignetted(image, 0.25), lambda image: vignetted(image, 0.2),
    lambda image: np.uint8(image * (np.indices(image.shape[:2]).sum(0) // 8 % 2)[..., None]),  # holes in a grid
])
def test_blur_and_noise_of_ones_own_are_no_move(change):
    check_augmentation(iaa.Lambda(lambda images, *_: [change(image) for image in images]))


def hide(image):
    image = image.copy()
    image[:, : image.shape[1] // 2] = np.random.default_rng(1).integers(0, 255, image[:, : image.shape[1] // 2].shape)
    return image


@pytest.mark.parametrize("after", [lambda image: image, lambda image: 255 - image])
def test_what_hides_a_part_of_the_picture_is_taken_unless_it_moves_the_rest(after):
    check_augmentation(iaa.Lambda(lambda images, *_: [after(hide(image)) for image in images]))
    with pytest.raises(DataError, match="Lambda was tried"):
        check_augmentation(iaa.Lambda(lambda images, *_: [after(hide(image[:, ::-1])) for image in images]))


@pytest.mark.parametrize("augmenter", [
    iaa.MultiplyHueAndSaturation(1.5), iaa.BlendAlphaSimplexNoise(iaa.EdgeDetect(1.0)), iaa.WithChannels(0, iaa.Add(9)),
    iaa.Clouds(), iaa.Rain(), iaa.Snowflakes(), iaa.pillike.Equalize(), iaa.Cartoon(), iaa.UniformVoronoi(50),
], ids=lambda augmenter: type(augmenter).__name__)
def test_imgaugs_own_colours_and_weathers_are_not_refused(augmenter):
    check_augmentation(augmenter)


# --- albumentations --------------------------------------------------------------------------------------------------


@pytest.fixture
def albumentations():
    return pytest.importorskip("albumentations", reason="albumentations is not installed: pip install albumentations")


def transforms(A):
    return {
        "HorizontalFlip": A.HorizontalFlip(p=1.0),
        "Affine": A.Affine(scale=(0.5, 1.5), rotate=(-45, 45), translate_percent=(-0.2, 0.2), shear=(-8, 8), p=1.0),
        "Affine that reflects": A.Affine(rotate=(-45, 45), border_mode=2, p=1.0),
        "ElasticTransform": A.ElasticTransform(alpha=300, sigma=10, p=1.0),
        "GridDistortion": A.GridDistortion(p=1.0),
        "OpticalDistortion": A.OpticalDistortion((-0.3, 0.3), p=1.0),
        "Perspective": A.Perspective(p=1.0),
        "RandomSizedCrop": A.RandomSizedCrop((60, 120), (120, 160), p=1.0),
        "RandomGridShuffle": A.RandomGridShuffle(p=1.0),
        "ThinPlateSpline": A.ThinPlateSpline(p=1.0),
        "OneOf": A.OneOf([A.HorizontalFlip(p=1.0), A.VerticalFlip(p=1.0)], p=1.0),
        "Compose": A.Compose([A.HorizontalFlip(p=0.5), A.SafeRotate(p=1.0), A.RandomBrightnessContrast(0.1, 0.1)]),
    }


def test_albumentations_move_masks_with_the_picture(albumentations):
    for name, transform in transforms(albumentations).items():
        assert check_agreement(transform), name


def test_albumentations_depend_on_the_random_state_alone(albumentations):
    transform, masks = transforms(albumentations)["Compose"], ellipses()
    results = [apply_augmentation(transform, picture_of(masks), masks, np.random.default_rng(i)) for i in (0, 1, 0)]
    assert not np.array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][0], results[2][0])
    np.testing.assert_array_equal(results[0][1], results[2][1])


def test_albumentations_without_objects(albumentations):
    flip, masks = albumentations.Compose([albumentations.HorizontalFlip(p=1.0)]), ellipses()
    image, none = apply_augmentation(flip, picture_of(masks), masks[..., :0], np.random.default_rng(0))
    np.testing.assert_array_equal(image, picture_of(masks)[:, ::-1])
    assert none.shape == masks.shape[:2] + (0,)


def mirrored(image, **_):
    return image[:, ::-1]


def test_albumentations_of_single_colours_are_taken(albumentations):
    A, masks = albumentations, ellipses()
    colours = A.SelectiveChannelTransform([A.RandomBrightnessContrast(p=1.0)], channels=[0, 1, 2], p=1.0)
    image, same = apply_augmentation(colours, picture_of(masks), masks, np.random.default_rng(0))
    np.testing.assert_array_equal(same, masks)


def test_albumentations_that_call_functions_transforms_or_write_down_draws_are_taken(albumentations):
    A, masks = albumentations, ellipses()
    for wrap in (lambda transform: transform, lambda transform: A.Compose([A.HorizontalFlip(p=0.5), transform])):
        recoloured, moved = apply_augmentation(wrap(A.ColorJitter(p=1.0)), picture_of(masks), masks,
                                               np.random.default_rng(0))
        assert not np.array_equal(recoloured, picture_of(masks)) and moved.shape == masks.shape
    assert check_agreement(A.ReplayCompose([A.HorizontalFlip(p=1.0), A.Lambda(mirrored, mirrored, name="mirror", p=1.0),
                                            A.VerticalFlip(p=1.0)])) == 4


def test_albumentations_that_cannot_be_used_are_refused(albumentations):
    A = albumentations
    for transform, message in (
        (A.RandomCrop(50, 50, p=1.0), "must keep shape and type"),
        (A.Compose([A.Normalize()]), "into float32"),
        (A.Compose([A.HorizontalFlip()], bbox_params=A.BboxParams(format="coco", label_fields=[])), "leave them out"),
        (A.Compose([A.Lambda(image=mirrored, p=1.0)]), "Lambda was tried"),
        (A.SelectiveChannelTransform([A.HorizontalFlip(p=1.0)], p=1.0), "moves channels of the photo by Horiz.*Flip"),
        (A.Compose([A.MaskDropout(p=1.0)]), "MaskDropout asks for mask beside the photo and its masks"),
        (A.Compose([A.BBoxSafeRandomCrop(p=0.1)]), "BBoxSafeRandomCrop asks for bboxes beside the photo and its masks"),
        (A.RandomSizedBBoxSafeCrop(50, 50, p=1.0), "RandomSizedBBoxSafeCrop asks for bboxes"),
        (A.RandomCropNearBBox(p=1.0), "RandomCropNearBBox asks for cropping_bbox"),
        (A.ConstrainedCoarseDropout(mask_indices=[1], p=1.0), "ConstrainedCoarseDropout asks for mask"),
        (A.ConstrainedCoarseDropout(bbox_labels=[1], p=1.0), "ConstrainedCoarseDropout asks for bboxes"),
        (A.OneOf([A.HorizontalFlip(), A.CubicSymmetry(p=1.0)]), "CubicSymmetry asks for volume"),
    ):
        with pytest.raises(DataError, match=message):
            apply_augmentation(transform, picture_of(ellipses()), ellipses(), np.random.default_rng(0))


class OfBoxes:
    """A transform as albumentations has them, that reads boxes without saying so."""

    p, tries = 0.1, []

    def set_random_seed(self, seed):
        pass

    def __call__(self, image, masks=(), **given):
        self.tries.append(self.p)
        return {"image": image, "masks": masks, "boxes": given["bboxes"]}


def test_what_a_transform_reads_is_found_out_before_training():
    for _ in range(2):
        transform = OfBoxes()
        with pytest.raises(DataError, match="OfBoxes asks for bboxes beside the photo and its masks, .*: leave it out"):
            check_albumentations(transform)
        with pytest.raises(DataError, match="OfBoxes asks for bboxes"):
            check_albumentations(transform)
    assert OfBoxes.tries == [1.0, 1.0]  # once for each, and surely


def halved(image):
    return image // 2


class OfFunctions(OfBoxes):
    """A transform as ColorJitter: its `transforms` are functions."""

    transforms = [halved]

    def __call__(self, image, masks=()):
        return {"image": self.transforms[0](image), "masks": masks}


def test_functions_that_a_transform_holds_are_no_transforms():
    transform = OfFunctions()
    check_albumentations(transform)
    image, _ = apply_albumentations(transform, picture_of(ellipses()), ellipses(), np.random.default_rng(0))
    np.testing.assert_array_equal(image, picture_of(ellipses()) // 2)
    assert not vars(halved)
