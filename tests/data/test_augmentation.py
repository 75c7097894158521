"""What counts as an augmentation, and that none changes the shape or the type of photo and masks."""

import numpy as np
import pytest

from mrcnn.data.augmentation import apply_augmentation, check_augmentation, compose, horizontal_flip, steps_of
from mrcnn.data.augmenters import vertical_flip
from mrcnn.errors import DataError


def rectangles(height=120, width=160):
    """bool [H, W, 3]; the first two overlap."""
    masks = np.zeros((height, width, 3), bool)
    masks[10:70, 20:90, 0] = masks[40:100, 60:150, 1] = masks[80:110, 5:30, 2] = True
    return masks


def picture_of(masks):
    """The masks as the three channels, so that the picture shows where masks belong."""
    return masks.astype(np.uint8) * 255


def test_no_augmentation():
    masks = rectangles()
    image, same = apply_augmentation(None, picture_of(masks), masks, np.random.default_rng(0))
    np.testing.assert_array_equal(image, picture_of(masks))
    np.testing.assert_array_equal(same, masks)


def test_a_function_gets_all_and_its_result_is_taken():
    def turn(image, masks, rng):
        times = int(rng.integers(1, 2)) * 2
        return np.rot90(image, times), np.rot90(masks, times)

    masks = rectangles()
    image, turned = apply_augmentation(turn, picture_of(masks), masks, np.random.default_rng(0))
    np.testing.assert_array_equal(image, picture_of(masks)[::-1, ::-1])
    np.testing.assert_array_equal(turned, masks[::-1, ::-1])


def test_several_are_applied_in_their_order():
    def left_half_black(image, masks, rng):
        image, masks = image.copy(), masks.copy()
        image[:, :80], masks[:, :80] = 0, False
        return image, masks

    masks = rectangles()
    blackened = masks.copy()
    blackened[:, :80] = False
    both = compose([left_half_black, compose([None, horizontal_flip(1.0)])])
    image, moved = apply_augmentation(both, picture_of(masks), masks, np.random.default_rng(0))
    np.testing.assert_array_equal(moved, blackened[:, ::-1])
    np.testing.assert_array_equal(image, picture_of(blackened[:, ::-1]))
    assert len(steps_of(both)) == 2 and steps_of(None) == [] and steps_of(compose([])) == []


@pytest.mark.parametrize("function, what", [
    (lambda image, masks, rng: (image[:50], masks), "image"),
    (lambda image, masks, rng: (image, masks[:50]), "masks"),
    (lambda image, masks, rng: (image, masks[..., :2]), "masks"),
    (lambda image, masks, rng: (image / 255, masks), "image"),
    (lambda image, masks, rng: (image, masks.astype(np.uint8)), "masks"),
    (lambda image, masks, rng: (image, None), "masks"),
])
def test_a_function_that_changes_shape_or_type_is_refused(function, what):
    for augmentation in (function, compose([vertical_flip(), function])):
        with pytest.raises(DataError, match=f"turned the {what} .*must keep shape and type"):
            apply_augmentation(augmentation, picture_of(rectangles()), rectangles(), np.random.default_rng(0))


class Normalize:
    """Looks like the one of albumentations."""

    __module__ = "albumentations.augmentations.pixel.transforms"
    transforms = ()

    def set_random_seed(self, seed):
        raise AssertionError("it is not applied")


def test_what_makes_a_networks_numbers_of_a_photo_is_refused_before_it_is_applied():
    with pytest.raises(DataError, match="Normalize makes other numbers .*leave it out, .*subtracts the mean pixel"):
        check_augmentation(Normalize())


def test_a_step_of_a_users_own_is_not_known_by_its_name(monkeypatch):
    checked = []
    monkeypatch.setattr("mrcnn.data.augmentation.check_albumentations", checked.append)
    own = type("Normalize", (Normalize,), {"__module__": "shop.steps"})()
    check_augmentation(own)  # which looks at what it does
    assert checked == [own]


def test_the_remedy_for_another_type_is_not_that_for_another_shape():
    for change, told, not_told in ((lambda image: image / 255, "makes floats .*subtracts the mean pixel", "keep_size"),
                                   (lambda image: image[:50], "keep_size=True", "subtracts the mean")):
        with pytest.raises(DataError, match=told) as error:
            apply_augmentation(lambda image, masks, rng, change=change: (change(image), masks),
                               picture_of(rectangles()), rectangles(), np.random.default_rng(0))
        assert not_told not in str(error.value)


class Module:
    """Looks like a layer of a tensor library."""

    __module__ = "torch.nn.modules.module"

    def __call__(self, *arguments):
        return arguments


class HorizontalMirror(Module):
    __module__ = "torchvision.transforms.v2"


@pytest.mark.parametrize("augmentation, message", [
    ("fliplr", "of type str: give None, an imgaug augmenter"),
    ([horizontal_flip()], "of type list: .* several in mrcnn.data.augmentation.compose"),
    (0.5, "of type float"),
    (HorizontalMirror(), "of type HorizontalMirror"),
    (Module(), "of type Module"),
    (HorizontalMirror, "the class itself of HorizontalMirror"),
    (lambda image, masks: (image, masks), r"does not take \(image, masks, rng\)"),
])
def test_what_is_no_augmentation_is_refused(augmentation, message):
    with pytest.raises(TypeError, match=message):
        check_augmentation(augmentation)
    with pytest.raises(TypeError, match=message):
        apply_augmentation(augmentation, picture_of(rectangles()), rectangles(), np.random.default_rng(0))
    with pytest.raises(TypeError, match=message):
        compose([augmentation])


@pytest.mark.parametrize("augmentation", [
    None, horizontal_flip(), lambda image, masks, rng: (image, masks), lambda *arguments: arguments[:2], compose([]),
])
def test_what_is_one_is_taken(augmentation):
    check_augmentation(augmentation)
