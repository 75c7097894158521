"""One sample: what is on the canvas, by hand and by several ways to place it; what does not fit is named."""

import numpy as np
import pytest
from made_pictures import Pictures, ellipses, rectangles, settings

from mrcnn.data.augmentation import compose, horizontal_flip
from mrcnn.data.augmenters import colour_jitter, copy_paste, large_scale_jitter, vertical_flip
from mrcnn.data.batches import Batches
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import load_ground_truth
from mrcnn.data.images import place_image
from mrcnn.data.masks import mask_boxes
from mrcnn.data.objects import gives_run_lengths
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import DataError


def test_a_sample_by_hand():
    # 80 x 40 on a canvas of 64: scale 0.8, so 64 x 32 with 16 to its left. Rows 10-30 become 8-24, columns 5-20 become
    # 16 + 4 = 20 to 16 + 16 = 32.
    dataset = Pictures([rectangles((80, 40), [(10, 5, 30, 20), (0, 0, 80, 40)], [2, -3])])
    sample = load_ground_truth(dataset, settings(), 0)
    np.testing.assert_array_equal(sample["window"], [0, 16, 64, 48])
    np.testing.assert_allclose(sample["gt_boxes"], [[8, 20, 24, 32], [0, 16, 64, 48]], atol=1e-4)
    assert sample["gt_boxes"].dtype == np.float32
    assert sample["gt_class_ids"].tolist() == [2, 3] and sample["gt_crowd"].tolist() == [False, True]
    assert (sample["gt_masks"] == 255).all() and sample["gt_masks"].shape == (2, 8, 8)
    assert sample["active_classes"].tolist() == [True] * 4
    np.testing.assert_array_equal(sample["image"], place_image(dataset.pictures[0][0], 64, 64)[0])


def test_the_flip_by_hand():
    dataset = Pictures([rectangles((80, 40), [(10, 5, 30, 20)], [2])])
    dataset.pictures[0][1][10:20, 5:10] = False  # the upper left part of the object is not its own
    still, flipped = (load_ground_truth(dataset, settings(), 0, horizontal_flip(p)) for p in (0.0, 1.0))
    # Columns 20-32 of 64 become 32-44.
    np.testing.assert_allclose(flipped["gt_boxes"], [[8, 32, 24, 44]], atol=1e-4)
    np.testing.assert_array_equal(flipped["window"], [0, 16, 64, 48])
    np.testing.assert_array_equal(flipped["image"], still["image"][:, ::-1])
    np.testing.assert_array_equal(flipped["gt_masks"], still["gt_masks"][:, :, ::-1])
    assert not flipped["gt_masks"][0, :4, 6:].any() and flipped["gt_masks"][0, 4:].all()


def overlap(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


@pytest.mark.parametrize("mode, shape", [("square", (150, 97)), ("square", (41, 33)), ("pad64", (100, 150)),
                                         ("crop", (150, 97)), ("none", (128, 64))])
@pytest.mark.parametrize("flip", [False, True])
def test_both_ways_to_place_objects_agree(mode, shape, flip):
    dataset = Pictures([ellipses(shape, 6, seed=1)])
    config = settings(IMAGE_RESIZE_MODE=mode, MAX_GT_INSTANCES=9, MINI_MASK_SHAPE=(28, 28))
    rng = [np.random.default_rng(3) for _ in range(2)]  # the same crop for both
    exact = load_ground_truth(dataset, config, 0, horizontal_flip(float(flip)), rng[0])
    step = -1 if flip else 1
    mirror = lambda image, masks, _: (image[:, ::step], masks[:, ::step])  # noqa: E731
    general = load_ground_truth(dataset, config, 0, mirror, rng[1])
    np.testing.assert_array_equal(general["image"], exact["image"])
    assert len(exact["gt_boxes"]) == len(general["gt_boxes"]) >= 2
    np.testing.assert_array_equal(general["gt_class_ids"], exact["gt_class_ids"])
    assert np.abs(general["gt_boxes"] - exact["gt_boxes"]).max() <= 1
    for a, b in zip(exact["gt_masks"], general["gt_masks"]):
        assert overlap(a >= 128, b >= 128) > 0.8


@pytest.mark.parametrize("mode, shape", [("square", (150, 97)), ("square", (41, 33)), ("pad64", (100, 150)),
                                         ("crop", (150, 97))])
@pytest.mark.parametrize("augmentation", [None, horizontal_flip(1.0), lambda image, masks, rng: (image, masks)])
def test_full_masks_lie_where_the_picture_shows_them(mode, shape, augmentation):
    dataset = Pictures([ellipses(shape, 3, seed=2)])
    config = settings(IMAGE_RESIZE_MODE=mode, USE_MINI_MASK=False)
    sample = load_ground_truth(dataset, config, 0, augmentation, np.random.default_rng(1))
    assert sample["gt_masks"].dtype == np.uint8
    assert len(sample["gt_masks"]) > 0
    for mask, box, class_id in zip(sample["gt_masks"], sample["gt_boxes"], sample["gt_class_ids"]):
        shown = sample["image"][..., class_id - 1] >= 128  # class i is mask i is channel i
        assert overlap(mask >= 128, shown) > 0.95
        assert np.abs(mask_boxes(shown[..., None])[0] - box).max() <= 1.01


def test_vanished_objects_are_dropped_with_all_that_belongs_to_them():
    # At a scale of 1 / 4 a side of 3 pixels becomes 0.75, one of 4 becomes 1.
    boxes = [(0, 0, 3, 200), (0, 0, 4, 4), (9, 9, 9, 9), (100, 100, 200, 200)]
    dataset = Pictures([rectangles((256, 256), boxes, [1, 2, 3, 3])])
    sample = load_ground_truth(dataset, settings(), 0)
    assert sample["gt_class_ids"].tolist() == [2, 3]
    np.testing.assert_allclose(sample["gt_boxes"], [[0, 0, 1, 1], [25, 25, 50, 50]], atol=1e-4)
    assert len(sample["gt_masks"]) == len(sample["gt_crowd"]) == 2
    gone = load_ground_truth(dataset, settings(), 0, lambda image, masks, rng: (image, np.zeros_like(masks)))
    assert gone["gt_boxes"].shape == (0, 4) and gone["gt_masks"].shape == (0, 8, 8)


def test_a_crop_clips_boxes_to_what_it_shows():
    dataset = Pictures([rectangles((64, 300), [(10, 0, 20, 300), (0, 0, 5, 5), (0, 295, 5, 300)], [1, 2, 3])])
    config = settings(IMAGE_RESIZE_MODE="crop")
    for seed in range(5):
        sample = load_ground_truth(dataset, config, 0, None, np.random.default_rng(seed))
        assert sample["image"].shape == (64, 64, 3)
        # The long object fills the crop from side to side.
        np.testing.assert_allclose(sample["gt_boxes"][0], [10, 0, 20, 64], atol=1e-4)
        assert (sample["gt_masks"][0] == 255).all()


def test_a_crop_that_ends_within_a_pixel_of_the_photo_clips_there_too():
    # 41 rows become 64, so that most crops begin and end between two of the photo's pixels.
    dataset = Pictures([rectangles((41, 200), [(0, 0, 41, 200)], [1])])
    for seed in range(5):
        sample = load_ground_truth(dataset, settings(IMAGE_RESIZE_MODE="crop"), 0, None, np.random.default_rng(seed))
        np.testing.assert_allclose(sample["gt_boxes"], [[0, 0, 64, 64]], atol=1e-3)
        assert (sample["gt_masks"] == 255).all()


def test_a_photo_without_objects():
    empty = Pictures([(np.zeros((64, 64, 3), np.uint8), np.zeros((0, 0, 0), bool), np.zeros(0, int))])
    for augmentation in (None, horizontal_flip(1.0), lambda image, masks, rng: (image, masks)):
        sample = load_ground_truth(empty, settings(), 0, augmentation)
        assert sample["gt_boxes"].shape == (0, 4) and sample["gt_masks"].shape == (0, 8, 8)
    batch = Batches(empty, settings())[0][0]
    assert not batch["gt_valid"].any() and not batch["gt_boxes"].any()


def test_active_classes_are_those_of_the_photos_source():
    pictures = [rectangles((64, 64), [(0, 0, 9, 9)], [class_id]) for class_id in (1, 2)]
    dataset = Pictures(pictures, classes=1)
    dataset.add_class("other", 1, "hat")  # class 2
    dataset.image_info[1]["source"] = "other"
    dataset.prepare()
    batch = Batches(dataset, settings(NUM_CLASSES=3), shuffle=False)[0][0]
    assert batch["active_classes"].tolist() == [[True, True, False], [True, False, True]]
    dataset.image_info[1]["source"] = "unknown"
    with pytest.raises(DataError, match="picture1.png.*'unknown' has no classes"):
        load_ground_truth(dataset, settings(NUM_CLASSES=3), 1)


def test_other_types_of_masks_and_photos_are_read_as_scripts_give_them():
    photo, masks, class_ids = rectangles((64, 64), [(4, 4, 20, 20)], [1])
    expected = load_ground_truth(Pictures([(photo, masks, class_ids)]), settings(), 0)
    loose = Pictures([(photo.astype(np.float64), masks.astype(np.uint8) * 255, class_ids.astype(float))])
    sample = load_ground_truth(loose, settings(), 0)
    for name, value in expected.items():
        np.testing.assert_array_equal(sample[name], value)
        assert sample[name].dtype == value.dtype


GOOD = rectangles((64, 64), [(4, 4, 20, 20)], [1])


@pytest.mark.parametrize("photo, masks, class_ids, message", [
    (GOOD[0][..., 0], GOOD[1], GOOD[2], r"load_image gave \[64, 64\]"),
    (GOOD[0] / 255.0, GOOD[1], GOOD[2], "float64 values from 0.0 to 1.0: return uint8"),
    (GOOD[0].astype(int) - 300, GOOD[1], GOOD[2], "return uint8"),
    (GOOD[0], GOOD[1][:60], GOOD[2], "the photo is 64x64 pixels .* its masks are 60x64"),
    (GOOD[0], GOOD[1], [1, 2], r"masks \[64, 64, 1\] for 2 class ids"),
    (GOOD[0], GOOD[1], [4], "class id 4, but NUM_CLASSES=4 allows 1 to 3"),
    (GOOD[0], GOOD[1], [-4], "class id -4"),
    (GOOD[0], GOOD[1], [0], "class id 0"),
    (GOOD[0], GOOD[1], ["cat"], r"load_mask gave class ids \['cat'\]: return whole numbers.*class_names.index"),
    (GOOD[0], GOOD[1], [1.5], r"class ids \[1.5\]: return whole numbers"),
    (GOOD[0], GOOD[1], [np.nan], r"class ids \[nan\]: return whole numbers"),
])
def test_what_does_not_fit_is_named(photo, masks, class_ids, message):
    with pytest.raises(DataError, match=f"picture0.png: .*{message}"):
        load_ground_truth(Pictures([(photo, masks, np.array(class_ids))]), settings(), 0)


@pytest.mark.parametrize("mode", ["none", "square"])
@pytest.mark.parametrize("before", [None, horizontal_flip(1.0), colour_jitter()])
def test_an_augmentation_that_writes_into_its_photo_leaves_the_data_sets_own_alone(mode, before):
    def darkened(image, masks, rng):
        image //= 2
        masks[:] = True
        return image, masks

    dataset = Pictures([rectangles((64, 64), [(4, 4, 20, 20)], [1])])
    photo, masks = dataset.pictures[0][0].copy(), dataset.pictures[0][1].copy()
    load_ground_truth(dataset, settings(IMAGE_RESIZE_MODE=mode), 0, compose([before, darkened]))
    load_ground_truth(dataset, settings(IMAGE_RESIZE_MODE=mode), 0)["image"][:] = 7
    np.testing.assert_array_equal(dataset.pictures[0][0], photo)
    np.testing.assert_array_equal(dataset.pictures[0][1], masks)


def test_a_size_that_64_does_not_divide_names_the_photo():
    dataset = Pictures([rectangles((100, 64), [(4, 4, 20, 20)], [1])])
    with pytest.raises(DataError, match="picture0.png: .*100x64.*rectangle"):
        load_ground_truth(dataset, settings(IMAGE_RESIZE_MODE="none"), 0)


# --- Masks as run lengths --------------------------------------------------------------------------------------------


class RunLengthPictures(Pictures):
    """Pictures that offer run lengths, and cannot decode masks at all."""

    def load_rles(self, image_id):
        _, masks, class_ids = self.pictures[image_id]
        return [rle_encode(masks[..., i]) for i in range(masks.shape[2])], class_ids

    load_mask = None


@pytest.mark.parametrize("mode, shape", [("square", (150, 97)), ("square", (41, 33)), ("rectangle", (100, 150)),
                                         ("crop", (150, 97)), ("none", (128, 64))])
@pytest.mark.parametrize("augmentation", [
    None, horizontal_flip(1.0), compose([large_scale_jitter(0.4, 2.0), vertical_flip(0.5)]),
    lambda image, masks, rng: (image, masks),
])
@pytest.mark.parametrize("mini", [True, False])
def test_run_lengths_give_the_sample_that_masks_give(mode, shape, augmentation, mini):
    pictures = [ellipses(shape, 6, seed=3)]
    config = settings(IMAGE_RESIZE_MODE=mode, MAX_GT_INSTANCES=9, USE_MINI_MASK=mini)
    expected, sample = (
        load_ground_truth(kind(pictures), config, 0, augmentation, np.random.default_rng(5))
        for kind in (Pictures, RunLengthPictures)
    )
    assert len(expected["gt_boxes"]) >= 1
    for name, value in expected.items():
        assert sample[name].dtype == value.dtype
        # Sums in another order may round to the next of 255 steps.
        np.testing.assert_allclose(sample[name].astype(float), value.astype(float), atol=1 if name == "gt_masks" else 0)


def test_a_load_mask_that_overrides_run_lengths_is_obeyed():
    class Corrected(RunLengthPictures):
        def load_mask(self, image_id):
            return self.pictures[image_id][1][..., :1], self.pictures[image_id][2][:1]

    class Both(Corrected):
        def load_rles(self, image_id):
            return super().load_rles(image_id)

    pictures = [ellipses((64, 64), 3)]
    assert not gives_run_lengths(Pictures(pictures)) and not gives_run_lengths(Dataset())
    assert gives_run_lengths(RunLengthPictures(pictures)) and gives_run_lengths(Both(pictures))
    assert not gives_run_lengths(Corrected(pictures))
    assert len(load_ground_truth(Corrected(pictures), settings(), 0)["gt_boxes"]) == 1
    assert len(load_ground_truth(Both(pictures), settings(), 0)["gt_boxes"]) == 3
    patched = RunLengthPictures(pictures)
    patched.load_mask = Pictures(pictures).load_mask
    assert not gives_run_lengths(patched)


@pytest.mark.parametrize("rles, class_ids, message", [
    ([{"size": [60, 64], "counts": [0, 3840]}], [1], "the photo is 64x64 pixels .* its masks are 60x64"),
    ([{"size": [64, 64], "counts": [0, 4000]}], [1], "covers 4000 pixels, the photo has 4096: correct load_rles"),
    ([{"size": [64, 64], "counts": [0, 4096]}], [1, 2], "1 run lengths for 2 class ids"),
    ([{"size": [64, 64], "counts": [0, 4096]}], [7], "class id 7"),
])
def test_run_lengths_that_do_not_fit_are_named(rles, class_ids, message):
    dataset = RunLengthPictures([GOOD])
    dataset.load_rles = lambda image_id: (rles, np.array(class_ids))
    with pytest.raises(DataError, match=f"picture0.png: .*{message}"):
        load_ground_truth(dataset, settings(), 0)


# --- Light augmentations ---------------------------------------------------------------------------------------------


def test_upside_down_by_hand():
    # As in the sample by hand, rows 8-24 of 64 become 40-56.
    dataset = Pictures([rectangles((80, 40), [(10, 5, 30, 20)], [2])])
    still, flipped = (load_ground_truth(dataset, settings(), 0, vertical_flip(p)) for p in (0.0, 1.0))
    np.testing.assert_allclose(flipped["gt_boxes"], [[40, 20, 56, 32]], atol=1e-4)
    np.testing.assert_array_equal(flipped["image"], still["image"][::-1])
    np.testing.assert_array_equal(flipped["gt_masks"], still["gt_masks"][:, ::-1])


def test_a_photo_scaled_down_lies_whole_on_its_canvas():
    # 80 x 40 at 0.8 is 64 x 32, and half of that 32 x 16. The object of 20 x 15 pixels becomes 8 x 6.
    dataset = Pictures([rectangles((80, 40), [(10, 5, 30, 20)], [2])])
    corners = set()
    for seed in range(20):
        sample = load_ground_truth(dataset, settings(), 0, large_scale_jitter(0.5, 0.5), np.random.default_rng(seed))
        top, left, bottom, right = sample["window"]
        assert (bottom - top, right - left) == (32, 16) and sample["image"].shape == (64, 64, 3)
        np.testing.assert_allclose(sample["gt_boxes"], [[top + 4, left + 2, top + 12, left + 8]], atol=1e-4)
        shown = sample["image"].any(axis=2)
        assert shown[int(top):int(bottom), int(left):int(right)].mean() > 0.95 and shown.sum() <= 32 * 16
        corners.add((top, left))
    assert len(corners) > 15


@pytest.mark.parametrize("scale", [0.3, 0.7, 1.7])
@pytest.mark.parametrize("mini", [True, False])
def test_scaled_objects_lie_where_the_picture_shows_them(scale, mini):
    dataset = Pictures([ellipses((150, 97), 3, seed=2)])
    config = settings(IMAGE_MIN_DIM=128, IMAGE_MAX_DIM=128, USE_MINI_MASK=mini, MINI_MASK_SHAPE=(28, 28))
    augmentation = compose([large_scale_jitter(scale, scale), vertical_flip(0.5), horizontal_flip(0.5)])
    seen = 0
    for seed in range(6):
        sample = load_ground_truth(dataset, config, 0, augmentation, np.random.default_rng(seed))
        seen += len(sample["gt_boxes"])
        for mask, box, class_id in zip(sample["gt_masks"], sample["gt_boxes"], sample["gt_class_ids"]):
            shown = sample["image"][..., class_id - 1] >= 128
            assert np.abs(mask_boxes(shown[..., None])[0] - box).max() <= 1.01
            if not mini:
                assert overlap(mask >= 128, shown) > 0.9
    assert seen > 6


def test_colours_change_but_not_the_padding_or_the_data_sets_own_photo():
    for shape, mode in (((80, 40), "square"), ((64, 64), "none")):
        dataset = Pictures([rectangles(shape, [(10, 5, 30, 20)], [2])])
        before = dataset.pictures[0][0].copy()
        still = load_ground_truth(dataset, settings(IMAGE_RESIZE_MODE=mode), 0)
        changed = load_ground_truth(dataset, settings(IMAGE_RESIZE_MODE=mode), 0, colour_jitter(p=1.0))
        np.testing.assert_array_equal(dataset.pictures[0][0], before)
        for name in ("window", "gt_boxes", "gt_masks"):
            np.testing.assert_array_equal(changed[name], still[name])
        y1, x1, y2, x2 = still["window"].astype(int)
        assert (changed["image"] != still["image"])[y1:y2, x1:x2].mean() > 0.5
        changed["image"][y1:y2, x1:x2] = 0
        assert not changed["image"].any()


# --- Two samples in one ----------------------------------------------------------------------------------------------


def grey_squares():
    """Photo i is all of grey 10 (i + 1) and has an object of class 1 + i % 3 at a place of its own."""
    pictures = []
    for i in range(4):
        _, masks, class_ids = rectangles((64, 64), [(16 * i, 0, 16 * i + 16, 16)], [1 + i % 3])
        pictures.append((np.full((64, 64, 3), 10 * (i + 1), np.uint8), masks, class_ids))
    return pictures


def test_pasted_objects_come_with_their_pixels_boxes_and_classes():
    dataset = Pictures(grey_squares())
    partners = set()
    for seed in range(20):
        sample = load_ground_truth(dataset, settings(), 1, copy_paste(), np.random.default_rng(seed))
        partner = int(sample["image"].max()) // 10 - 1 if sample["image"].max() > 20 else 0
        partners.add(partner)
        assert sample["gt_class_ids"].tolist() == [2, 1 + partner % 3]
        np.testing.assert_array_equal(sample["gt_boxes"], [[16, 0, 32, 16], [16 * partner, 0, 16 * partner + 16, 16]])
        assert (sample["image"][16 * partner:16 * partner + 16, :16] == 10 * (partner + 1)).all()
        assert (sample["image"][:, 16:] == 20).all()
        np.testing.assert_array_equal(sample["window"], [0, 0, 64, 64])
    assert partners == {0, 2, 3}  # never the photo itself


def test_partners_are_of_those_given_and_of_the_same_source():
    dataset = Pictures(grey_squares())
    for seed in range(5):
        rng = np.random.default_rng(seed)
        sample = load_ground_truth(dataset, settings(), 1, copy_paste(), rng, partner_ids=[3, 1])
        assert sample["gt_boxes"][1].tolist() == [48, 0, 64, 16]
    dataset.image_info[3]["source"] = "other"
    alone = load_ground_truth(dataset, settings(), 1, copy_paste(), partner_ids=[3, 1])
    assert len(alone["gt_boxes"]) == 1
    batches = Batches(dataset, settings(), batch_size=1, shuffle=False, image_ids=[1, 2], augmentation=copy_paste())
    assert batches[0][0]["gt_boxes"][0, 1].tolist() == [32, 0, 48, 16]


def test_photos_of_a_rare_source_find_their_partners_each_as_likely_as_the_others():
    dataset = Pictures(grey_squares())
    for image_id in (1, 2, 3):
        dataset.image_info[image_id]["source"] = "rare"
    dataset.add_class("rare", 1, "other")
    dataset.prepare()
    many = [0] * 20000 + [1, 2, 3]
    dataset.source_class_ids["rare"] = list(range(4))
    boxes = [load_ground_truth(dataset, settings(NUM_CLASSES=5), 1, copy_paste(), np.random.default_rng(seed),
                               partner_ids=many)["gt_boxes"] for seed in range(40)]
    tops = [int(pasted[1][0]) for pasted in boxes]  # of the object that was pasted, in every sample
    assert set(tops) == {32, 48} and 10 <= tops.count(32) <= 30


def test_what_stands_before_pasting_changes_the_second_photo_too_and_what_follows_changes_all():
    dataset = Pictures(grey_squares())
    for before in (horizontal_flip(1.0), lambda image, masks, rng: (image[:, ::-1], masks[:, ::-1])):
        sample = load_ground_truth(dataset, settings(), 1, compose([before, copy_paste()]), partner_ids=[3])
        np.testing.assert_array_equal(sample["gt_boxes"], [[16, 48, 32, 64], [48, 48, 64, 64]])
    sample = load_ground_truth(dataset, settings(), 1, compose([copy_paste(), vertical_flip(1.0)]), partner_ids=[3])
    np.testing.assert_array_equal(sample["gt_boxes"], [[32, 0, 48, 16], [0, 0, 16, 16]])


def test_large_scale_jitter_and_pasting_agree_with_the_picture():
    # Class i is channel i - 1 of the picture, so pasted objects show where they are, too, but for what covers them.
    pictures = [ellipses((90, 120), 3, seed) for seed in range(3)]
    config = settings(IMAGE_MIN_DIM=128, IMAGE_MAX_DIM=128, USE_MINI_MASK=False, MAX_GT_INSTANCES=9)
    augmentation = compose([large_scale_jitter(0.5, 1.5), horizontal_flip(), copy_paste()])
    for seed in range(8):
        sample = load_ground_truth(Pictures(pictures), config, 0, augmentation, np.random.default_rng(seed))
        for mask, class_id in zip(sample["gt_masks"] >= 128, sample["gt_class_ids"]):
            assert (sample["image"][..., class_id - 1] >= 120)[mask].mean() > 0.97


def test_a_sample_of_two_photos_depends_on_the_random_state_alone():
    augmentation = compose([large_scale_jitter(0.5, 1.5), horizontal_flip(), colour_jitter(), copy_paste()])
    pictures = [ellipses((90, 70), 4, seed) for seed in range(6)]
    one, other = (Batches(Pictures(pictures), settings(WORKERS=workers, MAX_GT_INSTANCES=20), augmentation=augmentation)
                  for workers in (0, 3))
    for index in (2, 0, 1):
        for name, value in one[index][0].items():
            np.testing.assert_array_equal(other[index][0][name], value)


def test_an_error_in_the_second_photo_names_both():
    dataset = Pictures(grey_squares())
    dataset.broken[3] = ZeroDivisionError("nothing left")
    message = r"^picture3.png: ZeroDivisionError: nothing left \(to be pasted into picture1.png\)$"
    with pytest.raises(DataError, match=message):
        load_ground_truth(dataset, settings(), 1, copy_paste(), partner_ids=[3])
    batches = Batches(dataset, settings(WORKERS=2), 1, shuffle=False, image_ids=[1, 3], augmentation=copy_paste())
    with pytest.raises(DataError, match=message):
        batches[0]
