"""Matterport's samples, targets and generator against hand arithmetic."""

import numpy as np
import pytest
from tiny import Squares, TinyConfig

from mrcnn.data.dataset import Dataset
from mrcnn.errors import DataError
from mrcnn.matterport import samples as m
from mrcnn.matterport.images import parse_image_meta, unmold_image


class Blocks(Dataset):
    """Two photos of 40 x 80 pixels; each has a bright block at the left, the first a crowd at the right too."""

    def load(self):
        self.add_class("blocks", 1, "block")
        self.add_class("other", 1, "never here")
        for number in range(2):
            self.add_image("blocks", number, None)
        self.prepare()
        return self

    def load_image(self, image_id):
        image = np.full((40, 80, 3), 20, np.uint8)
        image[8:24, 4:28] = 240
        return image

    def load_mask(self, image_id):
        masks = np.zeros((40, 80, 2), bool)
        masks[8:24, 4:28, 0] = masks[0:40, 60:80, 1] = True
        count = 2 - image_id
        return masks[..., :count], np.array([1, -1], np.int32)[:count]


class BlockConfig(TinyConfig):
    NUM_CLASSES = 3
    IMAGE_MIN_DIM = None  # nothing is enlarged


def config(**settings):
    return BlockConfig(**settings)


# --- load_image_gt ---------------------------------------------------------------------------------------------------
def test_a_sample_by_hand():
    image, meta, class_ids, boxes, masks = m.load_image_gt(Blocks().load(), config(), 0)
    # 80 pixels into 64: scale 0.8, 40 rows into 32, with 16 rows above and below.
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    parts = parse_image_meta(meta[None])
    assert {name: np.asarray(value[0]).tolist() for name, value in parts.items()} == {
        "image_id": 0, "original_image_shape": [40, 80, 3], "image_shape": [64, 64, 3], "window": [16, 0, 48, 64],
        "scale": pytest.approx(0.8), "active_class_ids": [1, 1, 0],  # the photo's source labels no third class
    }
    # Rows 8 and 24 come to 16 + 6.4 and 16 + 19.2, columns 4 and 28 to 3.2 and 22.4: what is at least half covered.
    assert boxes.dtype == class_ids.dtype == np.int32
    assert boxes.tolist() == [[22, 3, 35, 22], [16, 48, 48, 64]] and class_ids.tolist() == [1, -1]
    # The upper left corner is covered by 0.6 * 0.8.
    assert masks.dtype == bool and masks.shape == (64, 64, 2) and masks[..., 0].sum() == 13 * 19 - 1
    assert image[masks[..., 0]].mean() > 200 > 60 > image[~masks[..., 0]].mean()


def test_mini_masks_lie_inside_their_boxes():
    dataset, mini = Blocks().load(), config(MINI_MASK_SHAPE=(14, 10))
    masks = m.load_image_gt(dataset, mini, 0, use_mini_mask=True)[4]
    assert masks.shape == (14, 10, 2) and masks.dtype == bool
    assert masks[..., 1].all() and masks[1:, 1:, 0].all()  # the corner of the block's mask is cut off


class GreyBlocks(Blocks):
    """The photos in grey, [H, W]; how often each is read is counted."""

    reads = 0

    def load_image(self, image_id):
        self.reads += 1
        return super().load_image(image_id)[..., 0]


@pytest.mark.parametrize("augmentation", [None, lambda image, masks, rng: (image, masks)])
def test_grey_photos_are_read_once_and_their_meta_has_all_parts(augmentation):
    dataset, grey = GreyBlocks().load(), config(IMAGE_CHANNEL_COUNT=1, MEAN_PIXEL=[117.0])
    image, meta, *_ = m.load_image_gt(dataset, grey, 0, augmentation=augmentation)
    assert dataset.reads == 1 and meta.shape == (grey.IMAGE_META_SIZE,)
    parts = {name: np.asarray(value[0]).tolist() for name, value in parse_image_meta(meta[None]).items()}
    assert parts["original_image_shape"] == [40, 80, 1] and parts["image_shape"] == list(image.shape) == [64, 64, 1]
    assert parts["scale"] == pytest.approx(0.8) and parts["active_class_ids"] == [1, 1, 0]


@pytest.mark.parametrize("flag", [{"augment": True}, {"augmentation": lambda image, masks, rng: (
    (image[:, ::-1].copy(), masks[:, ::-1].copy()) if rng.random() < 0.5 else (image, masks))}])
def test_augmentation_follows_numpys_seed(flag):
    dataset, seen = Blocks().load(), []
    for seed in list(range(8)) * 2:
        np.random.seed(seed)
        image, _, _, boxes, masks = m.load_image_gt(dataset, config(), 1, **flag)
        assert image[masks[..., 0]].mean() > 200  # the mask follows the picture
        seen.append(boxes[0].tolist())
    mirrored = [22, 42, 35, 61]  # columns 64 - 22 to 64 - 3
    assert seen[:8] == seen[8:] and {tuple(b) for b in seen} == {(22, 3, 35, 22), tuple(mirrored)}


# --- Targets ---------------------------------------------------------------------------------------------------------
def test_rpn_targets_by_hand():
    anchors = np.array(
        [[0, 0, 10, 10], [0, 3, 10, 13], [0, 6, 10, 16], [40, 40, 50, 50], [44, 44, 60, 60], [80, 80, 90, 90]], float
    )
    boxes, class_ids = np.array([[0, 0, 10, 11], [42, 42, 60, 60], [78, 78, 92, 92]]), np.array([1, 2, -2])
    match, deltas = m.build_rpn_targets((100, 100, 3), anchors, class_ids, boxes, config())
    # IoU with the first object: 100/110, 80/130 (between the thresholds), 50/160 (too); with the second: 64/360 for
    # anchor 3, a negative, and 256/324 for anchor 4. Anchor 5 lies in a crowd.
    assert match.dtype == np.int32 and match.tolist() == [1, 0, 0, -1, 1, 0]
    assert deltas.shape == (32, 4) and deltas.dtype == np.float32
    # Anchor 0: right by half a pixel of 10, and 11 wide; anchor 4: from 52 to 51 at 16, and 18 wide and high.
    expected = [[0, 0.05 / 0.1, 0, np.log(1.1) / 0.2], [-1 / 16 / 0.1] * 2 + [np.log(18 / 16) / 0.2] * 2]
    np.testing.assert_allclose(deltas[:2], expected, rtol=1e-5, atol=1e-5)
    assert not deltas[2:].any()


def test_an_object_without_a_good_anchor_gets_its_best_and_none_gives_negatives():
    anchors = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [20, 24, 30, 34]], float)
    far = np.array([[22, 20, 26, 30]])  # 40 of 100 and 24 of 116: below 0.7, and the best is anchor 1
    assert m.build_rpn_targets(None, anchors, np.array([1]), far, config())[0].tolist() == [-1, 1, -1]
    match, deltas = m.build_rpn_targets(None, anchors, np.zeros(0, int), np.zeros((0, 4)), config())
    assert match.tolist() == [-1, -1, -1] and not deltas.any()


def test_no_more_than_the_sample_is_labelled():
    anchors = np.tile([0.0, 0, 10, 10], (100, 1)) + np.arange(100)[:, None]
    match, _ = m.build_rpn_targets(None, anchors, np.array([1]), np.array([[50, 50, 60, 60]]), config())
    assert (match == 1).sum() >= 1 and (match != 0).sum() == BlockConfig.RPN_TRAIN_ANCHORS_PER_IMAGE


@pytest.mark.parametrize("anchors, found", [(None, "None"), (np.zeros((3, 2)), r"of shape \[3, 2\]")])
def test_targets_need_anchors(anchors, found):
    with pytest.raises(DataError, match=f"the anchors are {found}: give model.anchors"):
        m.build_rpn_targets(None, anchors, np.array([1]), np.zeros((1, 4)), config())


def test_detection_targets_by_hand():
    boxes, class_ids = np.array([[10, 10, 30, 30], [40, 40, 60, 64]]), np.array([2, 1], np.int32)
    masks = np.ones((56, 56, 2), bool)
    masks[28:, :, 0] = False  # the upper half of the first
    rois = np.array([[12, 10, 32, 30], [0, 40, 20, 60]])
    settings = config(TRAIN_ROIS_PER_IMAGE=20)
    sampled, ids, deltas, targets = m.build_detection_targets(rois, class_ids, boxes, masks, settings)
    assert sampled.shape == (20, 4) and deltas.shape == (20, 3, 4) and targets.shape == (20, 28, 28, 3)
    # Both true boxes and the first region, which overlaps its object by 18 of 22 rows; one background; no others.
    expected = {(12, 10, 32, 30): 2, (10, 10, 30, 30): 2, (40, 40, 60, 64): 1, (0, 40, 20, 60): 0}
    assert {tuple(roi): class_id for roi, class_id in zip(sampled[:4].astype(int).tolist(), ids)} == expected
    assert not sampled[4:].any() and not ids[4:].any()
    row = sampled.tolist().index([12, 10, 32, 30])
    # Up by 2 of 20, scaled by 0.1. Its upper 8 of 20 rows lie in the mask: 11.2 of 28.
    np.testing.assert_allclose(deltas[row], [[0] * 4, [0] * 4, [-1, 0, 0, 0]], atol=1e-5)
    assert targets[row, :11, :, 2].all() and not targets[row, 12:, :, 2].any() and not targets[row, ..., :2].any()


def test_random_rois_are_boxes_mostly_round_objects():
    np.random.seed(0)
    boxes = np.array([[10, 10, 20, 30], [80, 150, 100, 199]])
    rois = m.generate_random_rois((100, 200, 3), 500, np.array([1, 1]), boxes)
    assert rois.shape == (500, 4) and rois.dtype == np.int32
    assert (rois[:, 2:] > rois[:, :2]).all() and (rois >= 0).all() and (rois <= [100, 200, 100, 200]).all()
    # 45 % each lie within one size of an object, cut at the border: rows 0 to 30 and 60 to 100.
    assert (rois[:225] <= [30, 50, 30, 50]).all() and (rois[225:450, :2] >= [60, 101]).all()
    assert len(np.unique(rois, axis=0)) > 450
    assert len(m.generate_random_rois((9, 9, 3), 7, np.zeros(0, int), np.zeros((0, 4)))) == 7


# --- data_generator --------------------------------------------------------------------------------------------------
def test_batches_come_in_matterports_order():
    dataset, settings = Blocks().load(), config()
    generator = m.data_generator(dataset, settings, shuffle=False, batch_size=2, random_rois=50, detection_targets=True)
    inputs, outputs = next(generator)
    images, metas, match, rpn_bbox, class_ids, boxes, masks, rpn_rois, rois = inputs
    single = [m.load_image_gt(dataset, settings, i, use_mini_mask=True) for i in range(2)]
    for row, (image, meta, ids, bbox, mask) in enumerate(single):
        np.testing.assert_array_equal(unmold_image(images[row], settings), image)
        np.testing.assert_array_equal(metas[row], meta)
        assert class_ids[row].tolist() == [*ids, *[0] * (6 - len(ids))]
        np.testing.assert_array_equal(boxes[row, : len(ids)], bbox)
        np.testing.assert_array_equal(masks[row, ..., : len(ids)], mask)
        assert not boxes[row, len(ids) :].any() and not masks[row, ..., len(ids) :].any()
    assert match.shape == (2, 1023, 1) and rpn_bbox.shape == (2, 32, 4)  # 3 * (16 ** 2 + 8 ** 2 + 4 ** 2 + 2 ** 2 + 1)
    assert rpn_rois.shape == (2, 50, 4) and rois.shape == (2, 24, 4)
    assert [o.shape for o in outputs] == [(2, 24, 1), (2, 24, 3, 4), (2, 24, 28, 28, 3)]
    # Each positive anchor, moved by its deltas, is the true box.
    anchors = m._anchors(settings, (64, 64, 3))[match[0, :, 0] == 1]
    assert len(anchors)
    size = anchors[:, 2:] - anchors[:, :2]
    deltas = rpn_bbox[0, : len(anchors)] * [0.1, 0.1, 0.2, 0.2]
    centre = anchors[:, :2] + size / 2 + deltas[:, :2] * size
    np.testing.assert_allclose(centre, np.tile(boxes[0, 0].reshape(2, 2).mean(axis=0), (len(anchors), 1)), atol=1e-3)
    np.testing.assert_allclose(size * np.exp(deltas[:, 2:]), np.tile([13, 19], (len(anchors), 1)), rtol=1e-4)


def test_targets_follow_the_geometry():
    dataset = Blocks().load()
    exact, other = config(), config(GEOMETRY="matterport")
    half_a_cell = m._anchors(exact, (64, 64, 3))[0] - m._anchors(other, (64, 64, 3))[0]
    np.testing.assert_allclose(half_a_cell, [2] * 4, rtol=1e-5)
    # No anchor with an IoU of 0.001 or more with the crowd is a negative there; here only one that lies in it is not.
    boxes, class_ids = np.array([[22, 3, 35, 22], [16, 48, 48, 64]]), np.array([1, -1])
    anchors = np.array([[20, 40, 40, 50], [0, 0, 8, 8], [20, 50, 30, 60]], float)
    matches = [m.build_rpn_targets(None, np.concatenate([anchors, boxes[:1]]), class_ids, boxes, settings)[0].tolist()
             for settings in (exact, other)]
    assert matches == [[-1, -1, 0, 1], [0, -1, 0, 1]]
    inputs, _ = next(m.data_generator(dataset, other, shuffle=False, random_rois=80, detection_targets=True))
    assert inputs[-1].shape == (1, 24, 4)


def test_batches_without_regions_have_no_outputs_and_go_on_for_ever():
    generator = m.data_generator(Squares().load(3), TinyConfig(), batch_size=2)
    np.random.seed(1)
    batches = [next(generator) for _ in range(3)]
    assert all(len(inputs) == 7 and outputs == [] for inputs, outputs in batches)
    ids = [int(meta[0]) for inputs, _ in batches for meta in inputs[1]]
    assert sorted(ids[:3]) == sorted(ids[3:]) == [0, 1, 2]  # every photo once each time round


def test_sources_can_be_left_as_they_are_and_objects_are_limited():
    def mirror(image, masks, rng):
        return image[:, ::-1].copy(), masks[:, ::-1].copy()

    dataset, settings = Blocks().load(), config(MAX_GT_INSTANCES=1)
    arguments = {"shuffle": False, "augmentation": mirror}
    (plain, _) = next(m.data_generator(dataset, settings, no_augmentation_sources=["blocks"], **arguments))
    (mirrored, _) = next(m.data_generator(dataset, settings, **arguments))
    np.testing.assert_array_equal(plain[0], mirrored[0][:, :, ::-1])
    assert plain[4].shape == (1, 1) and plain[6].shape == (1, 56, 56, 1)
    (named, _) = next(m.data_generator(dataset, settings, no_augmentation_sources="blocks", **arguments))
    np.testing.assert_array_equal(plain[0], named[0])
    with pytest.raises(DataError, match="no photo has the source 'block'"):
        next(m.data_generator(dataset, settings, no_augmentation_sources=["block"], **arguments))


def test_what_cannot_be_given_is_refused():
    dataset = Squares().load(1, size=(64, 64)).load(1, seed=1, size=(128, 64))
    with pytest.raises(DataError, match="random_rois"):
        next(m.data_generator(dataset, TinyConfig(), detection_targets=True))
    with pytest.raises(DataError, match="batch_size=1"):
        next(m.data_generator(dataset, TinyConfig(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=None), batch_size=2))
    dataset.load_image = lambda image_id: np.zeros((5, 5), np.uint8)
    with pytest.raises(DataError, match="square0#0.png"):
        next(m.data_generator(dataset, TinyConfig(), shuffle=False))
