"""GEOMETRY="matterport" against plain numpy of its documented arithmetic, layer by layer and from photo to masks."""

import keras
import numpy as np
import pytest
from keras import ops
from matterport_arithmetic import (
    STD,
    crop,
    cut,
    deltas_to,
    detections,
    in_photo,
    iou,
    level,
    moved,
    normalised,
    pasted,
    pixels,
    proposals,
    pyramid_anchors,
    rpn_targets,
)
from tiny import TinyConfig

from mrcnn.config import Config
from mrcnn.errors import ConfigError
from mrcnn.model import MaskRCNN, build_rpn_targets
from mrcnn.network import matterport_geometry as m
from mrcnn.network.geometries import geometry_of

CANVAS = (64, 128)
WINDOW = (5, 4, 59, 124)  # 45 x 100 pixels at scale 1.2, in the middle


class MatterportConfig(TinyConfig):
    GEOMETRY = "matterport"
    RPN_CHANNELS = 24
    IMAGE_MIN_DIM, IMAGE_MAX_DIM, IMAGE_RESIZE_MODE = 54, 128, "rectangle"
    RPN_ANCHOR_SCALES = (64, 24, 64, 100, 160)
    PRE_NMS_LIMIT = 200
    POST_NMS_ROIS_INFERENCE = 60
    DETECTION_MAX_INSTANCES = 24
    DETECTION_MIN_CONFIDENCE = 0.45


def values(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return outspoken(MaskRCNN("inference", MatterportConfig(), str(tmp_path_factory.mktemp("logs"))))


def outspoken(model, seed=12):
    """Fixed random weights; those of last layers are such that not the same is said everywhere."""
    rng = np.random.default_rng(seed)
    sizes = {"rpn_class_raw": 0.2, "rpn_bbox_pred": 0.5, "mrcnn_class_logits": 3.0, "mrcnn_bbox_fc": 1.0,
             "mrcnn_mask": 1.0}
    for layer in model.get_trainable_layers():
        size = sizes.get(layer.name, np.sqrt(2))
        for weight in layer.weights:
            if weight.name == "kernel":
                weight.assign(rng.normal(0, size / np.sqrt(np.prod(weight.shape[:-1])), weight.shape))
            elif layer.name in sizes:
                weight.assign(rng.normal(0, size / 3, weight.shape))
    return model


@pytest.fixture(scope="module")
def photo():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 60, (45, 100, 3)).astype(np.uint8)
    photo[5:30, 10:35, 0], photo[20:42, 50:90, 1], photo[2:12, 60:95, 2] = 250, 220, 240
    return photo


@pytest.fixture(scope="module")
def inside(model, photo):
    names = ["rpn_class_raw", "rpn_bbox_pred", "anchors", "proposals", "roi_align_classifier", "mrcnn_class_logits",
             "mrcnn_bbox", "mrcnn_detection", "roi_align_mask", "mrcnn_mask", "fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5"]
    return model.run_graph([photo], [(name, name) for name in names])


@pytest.fixture(scope="module")
def anchors(model):
    config = model.config
    return pyramid_anchors(config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, config.BACKBONE_STRIDES, CANVAS)


# --- From photo to masks ---------------------------------------------------------------------------------------------
def test_anchors(model, inside, anchors):
    np.testing.assert_allclose(np.concatenate(inside["anchors"]), anchors, atol=1e-4)
    np.testing.assert_allclose(model.get_anchors(CANVAS), normalised(anchors, CANVAS), atol=1e-4)


def test_proposals(model, inside, anchors):
    config = model.config
    pairs = np.concatenate([each[0].reshape(-1, 2) for each in inside["rpn_class_raw"]]).astype(np.float64)
    deltas = np.concatenate([each[0].reshape(-1, 4) for each in inside["rpn_bbox_pred"]]).astype(np.float64)
    expected = proposals(pairs, deltas, normalised(anchors, CANVAS), config.PRE_NMS_LIMIT, config.RPN_NMS_THRESHOLD,
                         config.POST_NMS_ROIS_INFERENCE)
    valid = inside["proposals"]["valid"][0]
    assert valid.sum() == len(expected) > 20 and valid[: len(expected)].all()
    boxes = inside["proposals"]["boxes"][0]
    np.testing.assert_allclose(normalised(boxes[valid], CANVAS), expected, atol=1e-4)
    assert not boxes[~valid].any()
    # They keep to the canvas, not to the photo on it.
    assert (boxes[valid][:, 0] < WINDOW[0] - 1).any()


def test_crops(inside):
    valid = inside["proposals"]["valid"][0]
    boxes = normalised(inside["proposals"]["boxes"][0][valid], CANVAS)
    for box, cropped in zip(boxes, inside["roi_align_classifier"][: len(boxes)]):
        grid = inside[f"fpn_p{level(box, CANVAS)}"][0].astype(np.float64)
        np.testing.assert_allclose(cropped, crop(grid, box, 7, 7), atol=1e-4)
    assert len({level(box, CANVAS) for box in boxes}) > 1


def test_detections(model, inside):
    config, outputs = model.config, inside["mrcnn_detection"]
    valid = inside["proposals"]["valid"][0]
    rois = normalised(inside["proposals"]["boxes"][0][valid], CANVAS)
    logits, deltas = (inside[name][: len(valid)][valid].astype(np.float64)
                      for name in ("mrcnn_class_logits", "mrcnn_bbox"))
    expected = detections(rois, logits, deltas, normalised(WINDOW, CANVAS), config.DETECTION_MIN_CONFIDENCE,
                          config.DETECTION_NMS_THRESHOLD, config.DETECTION_MAX_INSTANCES)
    assert outputs["valid"].sum() == len(expected) > 5 and len(set(expected[:, 4])) == 3
    kept = {name: value[0][: len(expected)] for name, value in outputs.items()}
    np.testing.assert_allclose(normalised(kept["boxes"], CANVAS), expected[:, :4], atol=1e-4)
    np.testing.assert_array_equal(kept["class_ids"], expected[:, 4])
    np.testing.assert_allclose(kept["scores"], expected[:, 5], atol=1e-4)


def test_a_photo_is_detected_as_the_chain_of_its_steps_says(model, photo, inside):
    [result] = model.detect([photo])
    rows = inside["mrcnn_detection"]
    count = int(rows["valid"].sum())
    window, expected = normalised(WINDOW, CANVAS), []
    for row in range(count):
        box = in_photo(normalised(rows["boxes"][0, row], CANVAS), window, (45, 100))
        if (box[2:] > box[:2]).all():
            expected.append((box, row))
    assert len(expected) > 5 and result["masks"].shape == (45, 100, len(expected))
    sure = 0
    for index, (box, row) in enumerate(expected):
        class_id = rows["class_ids"][0, row]
        np.testing.assert_array_equal(result["rois"][index], box)
        assert result["class_ids"][index] == class_id
        assert abs(result["scores"][index] - rows["scores"][0, row]) < 1e-4
        probability = 1 / (1 + np.exp(-inside["mrcnn_mask"][row, :, :, class_id].astype(np.float64)))
        mask = pasted(probability, box, (45, 100))
        certain = abs(mask - 0.5) > 1e-4
        np.testing.assert_array_equal(result["masks"][..., index][certain], (mask >= 0.5)[certain])
        sure += (mask >= 0.5).any() and (mask[box[0] : box[2], box[1] : box[3]] < 0.5).any()
    assert sure > 2  # masks with both in them
    [rle] = model.detect([photo], rle=True)
    from mrcnn.data.run_lengths import decode as rle_decode

    np.testing.assert_array_equal(rle_decode(rle["rles"][0]), result["masks"][..., 0])


def test_matterports_own_steps_give_the_same(model, photo, inside):
    """unmold_detections of the normalised rows, and detect_molded, whose photo is the canvas."""
    [result] = model.detect([photo])
    rows = inside["mrcnn_detection"]
    boxes = normalised(rows["boxes"][0], CANVAS) * rows["valid"][0][:, None]
    table = np.concatenate([boxes, rows["class_ids"][0][:, None], rows["scores"][0][:, None]], axis=1)
    masks = np.zeros((len(table), 28, 28, 4))
    count = int(rows["valid"].sum())
    masks[:count] = 1 / (1 + np.exp(-inside["mrcnn_mask"][:count]))
    rois, class_ids, scores, full = model.unmold_detections(table, masks, (45, 100, 3), (*CANVAS, 3), WINDOW)
    np.testing.assert_array_equal(rois, result["rois"])
    np.testing.assert_array_equal(class_ids, result["class_ids"])
    assert (full != result["masks"]).mean() < 1e-3  # a pixel at 0.5 may fall to either side
    molded, metas, _ = model.mold_inputs([photo])
    [canvas] = model.detect_molded(molded, metas)
    assert np.abs(canvas["rois"] - np.rint(rows["boxes"][0][:count])).max() <= 1


# --- Layers ----------------------------------------------------------------------------------------------------------
def test_levels_switch_where_rounding_does():
    # 224 / sqrt(2) = 158.4 pixels is half a level below P4's 224; grid sides are a pixel less than the canvas' share.
    canvas = (1024.0, 1024.0)
    sides = np.array([50.0, 78.0, 80.0, 157.0, 160.0, 315.0, 318.0, 900.0, 0.0])
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], axis=1).astype("float32")
    levels = values(m.grid_levels(ops.convert_to_tensor(boxes), canvas, 4))
    assert levels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 0]
    assert [level(box / 1023, canvas) - 2 for box in boxes.astype(float)] == levels.tolist()


def test_crops_at_the_far_edge_and_of_no_area():
    rng = np.random.default_rng(1)
    maps = [rng.normal(0, 1, (2, 64 // s, 128 // s, 3)).astype("float32") for s in (4, 8, 16, 32)]
    boxes = np.array([[0, 0, 64, 128], [40.3, 70.7, 64, 128], [0, 0, 1, 1], [63, 127, 64, 128], [7, 9, 8, 30]])
    layer = m.MatterportCrops((4, 8, 16, 32), 7)
    inputs = {"maps": maps, "boxes": boxes.astype("float32"), "image_index": np.array([0, 1, 1, 0, 1], "int32")}
    crops = values(layer(inputs))
    for row, (box, image) in enumerate(zip(normalised(boxes, CANVAS), inputs["image_index"])):
        expected = crop(maps[level(box, CANVAS) - 2][image].astype(float), box, 7, 7)
        np.testing.assert_allclose(crops[row], expected, atol=1e-4)
    np.testing.assert_allclose(crops[2], np.broadcast_to(maps[0][1, 0, 0], (7, 7, 3)), atol=1e-5)


def test_boxes_are_moved_without_a_bound():
    anchors, window = np.array([[20.0, 20, 31, 31]], "float32"), np.array([[0.0, 0, 64, 128]], "float32")
    deltas = np.array([[[0, 0, 25, -30]]], "float32")  # 5 and -6 in log sizes: 148 times as high
    layer = m.MatterportProposals(1, 1, 0.7, STD)
    box = values(layer({"logits": [np.ones((1, 1), "float32")], "deltas": [deltas], "anchors": [anchors],
                          "window": window})["boxes"])[0, 0]
    expected = cut(moved(normalised(anchors[0], CANVAS), deltas[0, 0]), [0, 0, 1, 1])
    np.testing.assert_allclose(normalised(box, CANVAS), expected, atol=1e-5)
    assert box[0] == 0 and box[2] == 64 and box[3] - box[1] - 1 < 0.03


def test_ties_of_saturated_probabilities_go_to_the_first_anchor():
    anchors = np.array([[0, 0, 9, 9], [20, 20, 31, 31], [40, 40, 51, 51]], "float32")
    logits = np.array([[30.0, 40, 20]], "float32")  # all of probability 1 in float32
    proposals = m.MatterportProposals(3, 3, 0.7, STD)({
        "logits": [logits], "deltas": [np.zeros((1, 3, 4), "float32")], "anchors": [anchors],
        "window": np.array([[0, 0, 64, 128]], "float32")})
    if keras.backend.backend() != "torch":  # whose top-k orders equals as it likes
        np.testing.assert_allclose(values(proposals["boxes"])[0], anchors, atol=1e-4)
    assert values(proposals["valid"]).all()


def test_rpn_targets(anchors):
    config = MatterportConfig(RPN_TRAIN_ANCHORS_PER_IMAGE=5000)  # more than there are: nothing is left to chance
    rng = np.random.default_rng(2)
    corner = rng.uniform(0, [40, 100], (6, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(6, 30, (6, 2))], axis=1)
    crowd = np.array([0, 0, 0, 1, 0, 1], bool)
    match, deltas = build_rpn_targets((*CANVAS, 3), anchors, np.where(crowd, -2, 2), boxes, config)
    expected, expected_deltas = rpn_targets(anchors, boxes, crowd)
    np.testing.assert_array_equal(match, expected)
    assert (match == 1).sum() >= 4 and (match == 0).sum() > 50
    np.testing.assert_allclose(deltas[: (match == 1).sum()], expected_deltas[match == 1], atol=1e-4)
    # The exact geometry takes what is hardly in a crowd as a negative; this one does not.
    exact = build_rpn_targets((*CANVAS, 3), anchors, np.where(crowd, -2, 2), boxes,
                              TinyConfig(RPN_TRAIN_ANCHORS_PER_IMAGE=5000))[0]
    assert ((exact == -1) & (match == 0)).sum() > 20


def region_inputs():
    rng = np.random.default_rng(3)
    gt = np.array([[[10, 10, 40, 50], [20, 70, 60, 110], [0, 90, 12, 128], [0, 0, 0, 0]]], float)
    near = gt[0, rng.integers(0, 2, 5)] + rng.uniform(-3, 3, (5, 4))
    corner = rng.uniform(0, [30, 80], (40, 2))
    far = np.concatenate([corner, corner + rng.uniform(4, 16, (40, 2))], axis=1)
    in_crowd = np.array([[2, 95, 11, 120], [9, 92, 20, 99]], float)
    boxes = np.concatenate([near, far, in_crowd])[None]
    inputs = {"boxes": boxes, "valid": np.ones(boxes.shape[:2], bool), "gt_boxes": gt,
              "gt_class_ids": np.array([[3, 1, 2, 0]]), "gt_valid": np.array([[1, 1, 1, 0]], bool),
              "gt_crowd": np.array([[0, 0, 1, 0]], bool)}
    kinds = {"boxes": "float32", "gt_boxes": "float32", "gt_class_ids": "int32"}
    return {name: ops.convert_to_tensor(value.astype(kinds.get(name, bool))) for name, value in inputs.items()}


def test_region_targets_have_two_negatives_a_positive():
    inputs = region_inputs()
    layer = geometry_of(MatterportConfig(TRAIN_ROIS_PER_IMAGE=60)).region_targets()
    sampled = {name: values(value)[0] for name, value in layer(inputs).items()}
    gt, ids = normalised(values(inputs["gt_boxes"])[0], CANVAS), values(inputs["gt_class_ids"])[0]
    regions = normalised(values(inputs["boxes"])[0], CANVAS)
    overlaps = np.array([[iou(region, box) for box in gt[:3]] for region in regions])
    positive = overlaps[:, :2].max(axis=1) >= 0.5
    negative = ~positive & (overlaps[:, 2] < 0.001)
    assert positive.sum() == 5 and negative.sum() > 10 and (~positive & ~negative).sum() > 1
    # int(5 / 0.33) = 15 in all, of 60 slots; true boxes are not among them.
    assert sampled["positive"].sum() == 5 and sampled["valid"].sum() == 15 and sampled["valid"][:15].all()
    np.testing.assert_array_equal(sampled["boxes"][15:], np.tile([0, 0, 1, 1], (45, 1)))  # Matterport's zeros
    for row in range(15):
        region = normalised(sampled["boxes"][row], CANVAS)
        index = int(np.abs(regions - region).max(axis=1).argmin())
        np.testing.assert_allclose(region, regions[index], atol=1e-6)
        assert positive[index] if row < 5 else negative[index]
        best = overlaps[index, :2].argmax()
        assert sampled["class_ids"][row] == (ids[best] if row < 5 else 0)
        expected = deltas_to(region, gt[best]) if row < 5 else np.zeros(4)
        np.testing.assert_allclose(sampled["deltas"][row], expected, atol=1e-4)


def test_without_positives_there_are_no_negatives():
    inputs = region_inputs()
    nothing = {**inputs, "gt_valid": ops.convert_to_tensor(np.zeros((1, 4), bool))}
    regions = geometry_of(MatterportConfig()).region_targets()(nothing)
    assert not values(regions["valid"]).any()
    # In a sample of 24, int(24 * 0.33) = 7 positives at most; 5 of them are there, and int(5 / 0.33) - 5 = 10 others.
    regions = geometry_of(MatterportConfig()).region_targets()(inputs)
    assert values(regions["positive"]).sum() == 5 and values(regions["valid"]).sum() == 15


@pytest.mark.parametrize("ratio", [0.0, 1e-30])
def test_a_share_of_less_than_one_positive_is_one_in_a_full_sample(ratio):
    layer = geometry_of(MatterportConfig(TRAIN_ROIS_PER_IMAGE=12, ROI_POSITIVE_RATIO=ratio)).region_targets()
    regions = layer(region_inputs())
    assert values(regions["positive"]).sum() == 1 and values(regions["valid"]).sum() == 12


@pytest.mark.parametrize("mini", [True, False])
def test_mask_targets(mini):
    rng = np.random.default_rng(5)
    gt = np.array([[[10, 10, 40, 50], [20, 70, 60, 110]]], float)
    shape = (56, 56) if mini else CANVAS
    cells = rng.integers(0, 2, (1, 2, shape[0] // 8, shape[1] // 8))
    masks = np.repeat(np.repeat(cells, 8, axis=2), 8, axis=3) * 255
    regions = np.array([[8, 14, 37, 55], [10, 10, 40, 50], [30.5, 61, 64, 128], [0, 0, 9, 9]], float)
    objects = np.array([0, 0, 1, 0])
    layer = geometry_of(MatterportConfig(USE_MINI_MASK=mini)).mask_targets()
    targets = values(layer({
        "boxes": regions.astype("float32"), "image_index": np.zeros(4, "int32"), "object": objects.astype("int32"),
        "gt_masks": masks.astype("uint8"), "gt_boxes": gt.astype("float32"),
        "image": np.zeros((1, *CANVAS, 3), "float32")}))
    assert set(np.unique(targets)) == {0, 1}
    for row, (region, index) in enumerate(zip(normalised(regions, CANVAS), objects)):
        if mini:
            box = normalised(gt[0, index], CANVAS)
            size = np.tile(box[2:] - box[:2], 2)
            region = (region - np.tile(box[:2], 2)) / size
        expected = crop(masks[0, index].astype(float) / 255, region, 28, 28)
        certain = abs(expected - 0.5) > 1e-4
        assert certain.mean() > 0.9
        np.testing.assert_array_equal(targets[row][certain], (expected > 0.5)[certain])


# --- Settings --------------------------------------------------------------------------------------------------------
def test_the_proposal_head_has_512_channels_unless_told():
    assert Config(GEOMETRY="matterport").rpn_channels() == 512 and Config().rpn_channels() == 256
    assert Config(GEOMETRY="matterport", RPN_CHANNELS=64).rpn_channels() == 64


@pytest.mark.parametrize("setting", [{"MASK_HEAD": "points"}, {"BBOX_LOSS": "giou"}, {"LABEL_SMOOTHING": 0.1},
                                     {"CLASS_LOSS": "seesaw"}, {"SOFT_MASK_TARGETS": True}])
def test_what_it_would_pass_over_is_refused(setting):
    with pytest.raises(ConfigError, match=f"{next(iter(setting))}=.*GEOMETRY=exact"):
        MatterportConfig(**setting, MINI_MASK_SHAPE=(112, 112)).check()


def test_pixels_undo_normalising():
    boxes = np.array([[3.0, 4, 20, 61], [0, 0, 64, 128]])
    np.testing.assert_allclose(pixels(normalised(boxes, CANVAS), CANVAS), boxes)
