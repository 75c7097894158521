"""Matterport's layers against brute force and hand arithmetic."""

import keras
import matterport_arithmetic as arithmetic
import numpy as np
import pytest
from keras import ops

from mrcnn.config import Config
from mrcnn.matterport import layers as m
from mrcnn.matterport.images import compose_image_meta

STD = np.array([0.1, 0.1, 0.2, 0.2])


class SmallConfig(Config):
    NUM_CLASSES = 3
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    PRE_NMS_LIMIT = 40
    TRAIN_ROIS_PER_IMAGE = 8
    DETECTION_MAX_INSTANCES = 12
    DETECTION_MIN_CONFIDENCE = 0.4
    MINI_MASK_SHAPE = (28, 28)


def normalised(boxes, side=128):
    return ((np.asarray(boxes, float) - [0, 0, 1, 1]) / (side - 1)).astype(np.float32)


def decoded(boxes, deltas):
    size = boxes[..., 2:] - boxes[..., :2]
    centre = boxes[..., :2] + size / 2 + deltas[..., :2] * STD[:2] * size
    size = size * np.exp(deltas[..., 2:] * STD[2:])
    return np.concatenate([centre - size / 2, centre + size / 2], axis=-1)


def plain_iou(a, b):
    shared = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


def suppressed(boxes, order, threshold):
    kept = []
    for index in order:
        if all(plain_iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


def test_proposals_by_brute_force():
    rng = np.random.default_rng(0)
    corner = rng.uniform(-10, 110, (2, 90, 2))
    anchors = normalised(np.concatenate([corner, corner + rng.uniform(10, 40, (2, 90, 2))], axis=2))
    anchors[1] = anchors[0]  # all images of a batch have the same
    scores, deltas = rng.uniform(0, 1, (2, 90)), rng.normal(0, 1, (2, 90, 4))
    probabilities = np.stack([1 - scores, scores], axis=-1)
    layer = m.ProposalLayer(proposal_count=30, nms_threshold=0.3, config=SmallConfig())
    result = ops.convert_to_numpy(layer([probabilities.astype("float32"), deltas.astype("float32"), anchors]))
    assert result.shape == (2, 30, 4)
    for row in range(2):
        best = np.argsort(-scores[row])[: SmallConfig.PRE_NMS_LIMIT]
        boxes = np.clip(decoded(anchors[row], deltas[row]), 0, 1)
        boxes_of_some_area = [i for i in best if (boxes[i][2:] > boxes[i][:2]).all()]
        kept = suppressed(boxes, boxes_of_some_area, 0.3)
        assert 5 < len(kept) < 30
        np.testing.assert_allclose(result[row, : len(kept)], boxes[kept], atol=1e-5)
        assert not result[row, len(kept) :].any()


def test_crops_of_a_ramp_are_the_ramp_at_the_centres_of_their_cells():
    maps = []
    for stride in (4, 8, 16, 32):
        centres = (np.arange(128 // stride) + 0.5) * stride  # pixels
        ramp = np.tile(centres, (128 // stride, 1))
        maps.append(np.stack([ramp, 1000 * np.log2(stride) + 0 * ramp], axis=-1)[None].astype("float32"))
    maps = [np.concatenate([each, each + 5]) for each in maps]  # two images
    boxes = np.array([[[16, 40, 58, 82], [8, 6, 122, 118]], [[30, 50, 60, 90], [2, 2, 20, 22]]], float)
    meta = np.stack([compose_image_meta(0, (128, 128, 3), (128, 128, 3), (0, 0, 128, 128), 1, [1])] * 2)
    layer = m.PyramidROIAlign([7, 7])
    crops = ops.convert_to_numpy(layer([normalised(boxes), meta.astype("float32"), *maps]))
    assert crops.shape == (2, 2, 7, 7, 2)
    for image in range(2):
        for number, (_, x1, _, x2) in enumerate(boxes[image]):
            expected = x1 + (np.arange(7) + 0.5) / 7 * (x2 - x1) + 5 * image
            np.testing.assert_allclose(crops[image, number, ..., 0], np.tile(expected, (7, 1)), atol=1e-3)
    # FPN's level: floor(4 + log2(side / 224)); 113 pixels have level 3, stride 8, and 42 have 2, stride 4.
    np.testing.assert_allclose(crops[0, :, 3, 3, 1], [2000, 3000])
    with pytest.raises(ValueError, match="square"):
        m.PyramidROIAlign([7, 14])


@pytest.mark.parametrize("mini", [True, False])
def test_detection_targets_by_hand(mini):
    config = SmallConfig(USE_MINI_MASK=mini)
    # Two objects and a crowd; the first is left of column 40 in its mask.
    gt_boxes = np.array([[20, 20, 60, 60], [70, 70, 110, 120], [0, 90, 30, 120], [0, 0, 0, 0]], float)
    full = np.zeros((1, 128, 128, 4), bool)
    full[0, 20:60, 20:40, 0] = full[0, 70:110, 70:120, 1] = True
    small = np.zeros((1, 28, 28, 4), bool)
    small[0, :, :14, 0] = small[0, :, :, 1] = True
    # Moved down by 4 of 40: IoU 36 / 44. Far from all: background. Inside the crowd: nothing. Padding.
    proposals = np.array([[24, 20, 64, 60], [100, 0, 120, 20], [2, 92, 28, 118], [0, 0, 0, 0]], float)
    inputs = [normalised(proposals), np.array([2, 1, -1, 0], "int32"), normalised(gt_boxes), small if mini else full]
    inputs[0][3], inputs[2][3] = 0, 0
    inputs = [inputs[0][None], inputs[1][None], inputs[2][None], inputs[3]]
    rois, class_ids, deltas, masks = (ops.convert_to_numpy(v)[0] for v in m.DetectionTargetLayer(config)(inputs))
    # 8 * 0.33 = 2 positives of the three (the moved one and both true boxes), then the one background.
    assert sorted(class_ids.tolist()) in ([0] * 6 + [1, 2], [0] * 6 + [2, 2])
    assert not rois[3:].any() and not deltas[2:].any() and not masks[2:].any()
    np.testing.assert_allclose(rois[2], inputs[0][0, 1], atol=1e-6)
    for roi, class_id, delta, mask in zip(rois[:2], class_ids, deltas, masks):
        if class_id == 1:
            np.testing.assert_allclose(roi, inputs[2][0, 1], atol=1e-6)
            assert not delta.round(4).any() and mask.all()
        elif abs(roi[0] * 127 - 24) < 1e-3:
            # Up by 4 of 40, scaled by 0.1; the mask's last 4 of 40 rows lie below the object.
            np.testing.assert_allclose(delta, [-1, 0, 0, 0], atol=1e-4)
            assert mask[:25, :14].all() and not mask[:, 14:].any() and not mask[26:].any()
        else:
            assert not delta.round(4).any() and mask[:, :14].all() and not mask[:, 14:].any()


def test_detections_by_brute_force():
    config, rng = SmallConfig(), np.random.default_rng(3)
    corner = rng.uniform(0, 90, (2, 30, 2))
    rois = normalised(np.concatenate([corner, corner + rng.uniform(15, 60, (2, 30, 2))], axis=2))
    rois[1, 20:] = 0  # padding
    probabilities = rng.dirichlet([1, 1, 1], (2, 30)).astype("float32")
    deltas = rng.normal(0, 1, (2, 30, 3, 4)).astype("float32")
    meta = np.stack([compose_image_meta(0, (90, 120, 3), (128, 128, 3), (16, 0, 112, 128), 1, [1] * 3)] * 2)
    result = ops.convert_to_numpy(m.DetectionLayer(config)([rois, probabilities, deltas, meta.astype("float32")]))
    window = normalised([16, 0, 112, 128])
    for image in range(2):
        expected = []
        for class_id in (1, 2):
            boxes = decoded(rois[image], deltas[image, :, class_id])
            boxes = np.concatenate([np.clip(boxes[:, :2], window[:2], window[2:]),
                                    np.clip(boxes[:, 2:], window[:2], window[2:])], axis=1)
            scores = probabilities[image, :, class_id]
            order = [i for i in np.argsort(-scores) if scores[i] >= 0.4 and rois[image, i].any()]
            expected += [[*boxes[i], class_id, scores[i]] for i in suppressed(boxes, order, 0.3)]
        expected = np.array(sorted(expected, key=lambda row: -row[5]))[:12]
        assert len(expected) > 4
        np.testing.assert_allclose(result[image, : len(expected)], expected, atol=1e-5)
        assert not result[image, len(expected) :].any()


def test_layers_serve_in_a_functional_model():
    rois, meta = keras.Input((5, 4)), keras.Input((15,))
    maps = [keras.Input((128 // stride, 128 // stride, 6)) for stride in (4, 8, 16, 32)]
    crops = m.PyramidROIAlign([7, 7])([rois, meta, *maps])
    assert crops.shape == (None, 5, 7, 7, 6)
    values = [np.tile(normalised([10, 10, 50, 50]), (1, 5, 1)),
              compose_image_meta(0, (9, 9, 3), (128, 128, 3), (0, 0, 9, 9), 1, [1] * 3)[None].astype("float32"),
              *(np.full((1, *each.shape[1:]), 3.0, "float32") for each in maps)]
    result = keras.Model([rois, meta, *maps], crops).predict_on_batch(values)
    np.testing.assert_allclose(result, np.full((1, 5, 7, 7, 6), 3.0))
    boxes, ids, gt = keras.Input((9, 4)), keras.Input((2,), dtype="int32"), keras.Input((2, 4))
    masks = keras.Input((28, 28, 2), dtype="bool")
    outputs = m.DetectionTargetLayer(SmallConfig())([boxes, ids, gt, masks])
    assert [tuple(o.shape) for o in outputs] == [(None, 8, 4), (None, 8), (None, 8, 4), (None, 8, 28, 28)]
    answers = [keras.Input((50, 2)), keras.Input((50, 4)), keras.Input((50, 4))]
    assert m.ProposalLayer(30, 0.7, SmallConfig())(answers).shape == (None, 30, 4)
    assert m.DetectionLayer(SmallConfig())(
        [boxes, keras.Input((9, 3)), keras.Input((9, 3, 4)), meta]
    ).shape == (None, 12, 6)


def test_batch_norm_has_the_networks_epsilon_and_can_be_frozen():
    layer, x = m.BatchNorm(name="bn"), np.array([[2.0], [4.0]], "float32")
    # Fresh statistics are mean 0 and variance 1.
    frozen = ops.convert_to_numpy(layer(x, training=False))
    np.testing.assert_allclose(frozen, x / np.sqrt(1.001), rtol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x, training=True)), [[-1], [1]], atol=1e-3)


def test_resnet_graph_gives_five_maps(monkeypatch):
    monkeypatch.setitem(m.RESNET_BLOCKS, "resnet4", (1, 1, 1, 1))  # the others take seconds to build
    image = keras.Input((64, 64, 3))
    maps = m.resnet_graph(image, "resnet4", stage5=True, train_bn=False)
    assert [tuple(each.shape[1:]) for each in maps] == [
        (16, 16, 64), (16, 16, 256), (8, 8, 512), (4, 4, 1024), (2, 2, 2048)
    ]
    model = keras.Model(image, maps)
    assert not model.get_layer("bn4a_branch2c").trainable and model.get_layer("res4a_branch2c").trainable
    assert m.resnet_graph(image, "resnet4")[4] is None
    with pytest.raises(ValueError, match="resnet51"):
        m.resnet_graph(image, "resnet51")


# --- With a Config of GEOMETRY="matterport" --------------------------------------------------------------------------
def test_proposals_in_matterports_geometry():
    rng = np.random.default_rng(7)
    corner = rng.uniform(-10, 110, (60, 2))
    anchors = normalised(np.concatenate([corner, corner + rng.uniform(10, 40, (60, 2))], axis=1))
    pairs, deltas = rng.normal(0, 1, (1, 60, 2)), rng.normal(0, 1, (1, 60, 4))
    deltas[0, :5, 2] = 30  # 6 as a log size, which the exact geometry would cut at 4.1
    probabilities = np.exp(pairs) / np.exp(pairs).sum(axis=-1, keepdims=True)
    layer = m.ProposalLayer(40, 0.3, SmallConfig(GEOMETRY="matterport"))
    result = ops.convert_to_numpy(layer([probabilities.astype("float32"), deltas.astype("float32"), anchors[None]]))[0]
    expected = arithmetic.proposals(pairs[0], deltas[0], anchors.astype(float), SmallConfig.PRE_NMS_LIMIT, 0.3, 40)
    assert 5 < len(expected) < 40
    np.testing.assert_allclose(result[: len(expected)], expected, atol=1e-4)
    assert not result[len(expected) :].any()


def test_crops_in_matterports_geometry():
    rng = np.random.default_rng(8)
    maps = [rng.normal(0, 1, (1, 256 // stride, 128 // stride, 2)).astype("float32") for stride in (4, 8, 16, 32)]
    boxes = np.array([[[0, 0, 1, 1], [0.1, 0.2, 0.3, 0.5], [0.05, 0.1, 0.9, 0.8]]], "float32")
    meta = compose_image_meta(0, (9, 9, 3), (256, 128, 3), (0, 0, 9, 9), 1, [1])[None].astype("float32")
    crops = ops.convert_to_numpy(m.PyramidROIAlign([7, 7], geometry="matterport")([boxes, meta, *maps]))[0]
    levels = [arithmetic.level(box, (256, 128)) for box in boxes[0].astype(float)]
    assert levels == [4, 2, 3]
    for box, level, crop in zip(boxes[0].astype(float), levels, crops):
        np.testing.assert_allclose(crop, arithmetic.crop(maps[level - 2][0].astype(float), box, 7, 7), atol=1e-4)


def test_detections_in_matterports_geometry():
    rng = np.random.default_rng(9)
    config = SmallConfig(GEOMETRY="matterport")
    corner = rng.uniform(0, 90, (1, 30, 2))
    rois = normalised(np.concatenate([corner, corner + rng.uniform(15, 60, (1, 30, 2))], axis=2))
    logits, deltas = rng.normal(0, 2, (1, 30, 3)), rng.normal(0, 1, (1, 30, 3, 4))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    rois[0, 25:] = 0  # padding
    meta = compose_image_meta(0, (90, 120, 3), (128, 128, 3), (16, 0, 112, 128), 1, [1] * 3)[None].astype("float32")
    inputs = [rois, probabilities.astype("float32"), deltas.astype("float32"), meta]
    result = ops.convert_to_numpy(m.DetectionLayer(config)(inputs))[0]
    expected = arithmetic.detections(rois[0, :25].astype(float), logits[0, :25], deltas[0, :25],
                                     normalised([16, 0, 112, 128]).astype(float), 0.4, 0.3, 12)
    assert 4 < len(expected) <= 12
    np.testing.assert_allclose(result[: len(expected)], expected, atol=1e-4)
    assert not result[len(expected) :].any()


def test_detection_targets_in_matterports_geometry():
    config = SmallConfig(GEOMETRY="matterport", TRAIN_ROIS_PER_IMAGE=12)
    gt = normalised([[[20, 20, 60, 60], [0, 0, 0, 0]]])
    gt[0, 1] = 0
    # One positive, so int(1 / 0.33) - 1 = 2 of the four negatives; the true box is not among the regions.
    proposals = normalised([[[24, 20, 64, 60], [100, 0, 120, 20], [90, 60, 127, 99], [0, 90, 9, 99], [70, 3, 80, 9]]])
    masks = np.zeros((1, 28, 28, 2), bool)
    masks[0, :, :14, 0] = True
    layer = m.DetectionTargetLayer(config)
    rois, class_ids, deltas, targets = (
        ops.convert_to_numpy(v)[0] for v in layer([proposals, np.array([[2, 0]], "int32"), gt, masks])
    )
    assert class_ids.tolist() == [2] + [0] * 11 and rois[1:3].any(axis=1).all() and not rois[3:].any()
    np.testing.assert_allclose(rois[0], proposals[0, 0], atol=1e-6)
    np.testing.assert_allclose(deltas[0], arithmetic.deltas_to(*(b.astype(float) for b in (rois[0], gt[0, 0]))),
                               atol=1e-4)
    height, width = gt[0, 0, 2] - gt[0, 0, 0], gt[0, 0, 3] - gt[0, 0, 1]
    region = (rois[0] - np.tile(gt[0, 0, :2], 2)) / [height, width, height, width]
    expected = arithmetic.crop(masks[0, :, :, 0].astype(float), region, 28, 28)
    certain = abs(expected - 0.5) > 1e-4
    np.testing.assert_array_equal(targets[0][certain], (expected > 0.5)[certain])
    assert not targets[1:].any() and 0.3 < targets[0].mean() < 0.6
