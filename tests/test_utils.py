"""Matterport's door gives what its scripts expect of these names."""

import inspect

import numpy as np
import pytest

from mrcnn import utils

# Name: the arguments that scripts give by position or name, in their order.
SIGNATURES = {
    "Dataset": "class_map",
    "extract_bboxes": "mask",
    "compute_iou": "box boxes box_area boxes_area",
    "compute_overlaps": "boxes1 boxes2",
    "compute_overlaps_masks": "masks1 masks2",
    "non_max_suppression": "boxes scores threshold",
    "apply_box_deltas": "boxes deltas",
    "box_refinement_graph": "box gt_box",
    "box_refinement": "box gt_box",
    "resize_image": "image min_dim max_dim min_scale mode",
    "resize_mask": "mask scale padding crop",
    "minimize_mask": "bbox mask mini_shape",
    "expand_mask": "bbox mini_mask image_shape",
    "unmold_mask": "mask bbox image_shape",
    "generate_anchors": "scales ratios shape feature_stride anchor_stride",
    "generate_pyramid_anchors": "scales ratios feature_shapes feature_strides anchor_stride",
    "trim_zeros": "x",
    "compute_matches": "gt_boxes gt_class_ids gt_masks pred_boxes pred_class_ids pred_scores pred_masks iou_threshold "
    "score_threshold",
    "compute_ap": "gt_boxes gt_class_ids gt_masks pred_boxes pred_class_ids pred_scores pred_masks iou_threshold",
    "compute_ap_range": "gt_box gt_class_id gt_mask pred_box pred_class_id pred_score pred_mask iou_thresholds verbose",
    "compute_recall": "pred_boxes gt_boxes iou",
    "batch_slice": "inputs graph_fn batch_size names",
    "download_trained_weights": "path verbose",
    "norm_boxes": "boxes shape",
    "denorm_boxes": "boxes shape",
    "resize": "image output_shape order mode cval clip preserve_range anti_aliasing anti_aliasing_sigma",
}
ONE_ARRAY = {"extract_bboxes", "trim_zeros"}  # always given by position


@pytest.mark.parametrize("name", SIGNATURES)
def test_scripts_can_call_it(name):
    arguments, expected = list(inspect.signature(getattr(utils, name)).parameters), SIGNATURES[name].split()
    assert len(arguments) >= len(expected)
    assert name in ONE_ARRAY or arguments[: len(expected)] == expected


def test_the_shelf_holds_just_these():
    assert sorted(utils.__all__) == utils.__all__
    assert set(utils.__all__) == {*SIGNATURES, "COCO_MODEL_URL"}
    assert utils.COCO_MODEL_URL.endswith("/releases/download/v2.0/mask_rcnn_coco.h5")


def test_a_script_written_for_matterport():
    class Balloons(utils.Dataset):
        def load_balloons(self):
            self.add_class("balloon", 1, "balloon")
            self.add_image("balloon", image_id="a.jpg", path="a.jpg", width=40, height=30)

        def load_mask(self, image_id):
            info = self.image_info[image_id]
            mask = np.zeros([info["height"], info["width"], 1], dtype=np.uint8)
            mask[10:20, 5:35, 0] = 1
            return mask.astype(bool), np.ones([mask.shape[-1]], dtype=np.int32)

    dataset = Balloons()
    dataset.load_balloons()
    dataset.prepare()
    mask, class_ids = dataset.load_mask(dataset.image_ids[0])
    bbox = utils.extract_bboxes(mask)
    assert bbox.tolist() == [[10, 5, 20, 35]] and class_ids.tolist() == [1]

    # 30 x 40 at a scale of 64 / 40 is 48 x 64, with 8 rows above and below.
    image = np.zeros((30, 40, 3), np.uint8)
    image, window, scale, padding, crop = utils.resize_image(image, min_dim=64, max_dim=64, mode="square")
    assert (image.shape, window, scale) == ((64, 64, 3), (8, 0, 56, 64), 1.6)
    mask = utils.resize_mask(mask, scale, padding, crop)
    assert utils.extract_bboxes(mask).tolist() == [[24, 8, 40, 56]]  # 8 + 10 * 1.6 and 5 * 1.6
    mini = utils.minimize_mask(utils.extract_bboxes(mask), mask, (56, 56))
    np.testing.assert_array_equal(utils.expand_mask(utils.extract_bboxes(mask), mini, image.shape), mask)


def test_compute_overlaps_is_the_matrix_of_ious():
    a, b = np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 10], [0, 5, 10, 15], [20, 20, 30, 30]])
    # Halves overlap: 50 shared of 150.
    np.testing.assert_allclose(utils.compute_overlaps(a, b), [[1, 1 / 3, 0]])
