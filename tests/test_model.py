"""Matterport's class and its methods; training and detection themselves are tested with the segmenter."""

import inspect
import os

import keras
import numpy as np
import pytest
from tiny import Squares, TinyConfig

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.errors import CheckpointError, ConfigError, DataError

pytestmark = pytest.mark.usefixtures("eagerly")

# Name: the arguments that scripts give by position or name, in their order.
SIGNATURES = {
    "log": "text array",
    "compute_backbone_shapes": "config image_shape",
    "resnet_graph": "input_image architecture stage5 train_bn",
    "ProposalLayer": "proposal_count nms_threshold config",
    "PyramidROIAlign": "pool_shape",
    "DetectionTargetLayer": "config",
    "DetectionLayer": "config",
    "load_image_gt": "dataset config image_id augment augmentation use_mini_mask",
    "build_detection_targets": "rpn_rois gt_class_ids gt_boxes gt_masks config",
    "build_rpn_targets": "image_shape anchors gt_class_ids gt_boxes config",
    "generate_random_rois": "image_shape count gt_class_ids gt_boxes",
    "data_generator": "dataset config shuffle augment augmentation random_rois batch_size detection_targets "
    "no_augmentation_sources",
    "compose_image_meta": "image_id original_image_shape image_shape window scale active_class_ids",
    "parse_image_meta": "meta",
    "parse_image_meta_graph": "meta",
    "mold_image": "images config",
    "unmold_image": "normalized_images config",
    "norm_boxes_graph": "boxes shape",
    "MaskRCNN": "mode config model_dir",
    "MaskRCNN.find_last": "self",
    "MaskRCNN.load_weights": "self filepath by_name exclude",
    "MaskRCNN.get_imagenet_weights": "self",
    "MaskRCNN.compile": "self learning_rate momentum",
    "MaskRCNN.set_trainable": "self layer_regex keras_model indent verbose",
    "MaskRCNN.set_log_dir": "self model_path",
    "MaskRCNN.train": "self train_dataset val_dataset learning_rate epochs layers augmentation custom_callbacks "
    "no_augmentation_sources",
    "MaskRCNN.mold_inputs": "self images",
    "MaskRCNN.unmold_detections": "self detections mrcnn_mask original_image_shape image_shape window",
    "MaskRCNN.detect": "self images verbose",
    "MaskRCNN.detect_molded": "self molded_images image_metas verbose",
    "MaskRCNN.get_anchors": "self image_shape",
    "MaskRCNN.ancestor": "self tensor name",
    "MaskRCNN.find_trainable_layer": "self layer",
    "MaskRCNN.get_trainable_layers": "self",
    "MaskRCNN.run_graph": "self images outputs image_metas",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_scripts_can_call_it(name):
    target = modellib
    for part in name.split("."):
        target = getattr(target, part)
    arguments = list(inspect.signature(target).parameters)
    assert arguments[: len(SIGNATURES[name].split())] == SIGNATURES[name].split()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return modellib.MaskRCNN("inference", TinyConfig(), str(tmp_path_factory.mktemp("logs")))


@pytest.fixture(scope="module")
def photos():
    data = Squares().load(2, size=(40, 80))
    return [data.load_image(i) for i in range(2)]


# --- Detection in Matterport's steps ---------------------------------------------------------------------------------
def test_molded_inputs_by_hand(model, photos):
    molded, metas, windows = model.mold_inputs(photos)
    # 40 x 80 into 64: 32 rows in the middle of 64, scale 0.8; what lies above them is black.
    assert molded.shape == (2, 64, 64, 3) and molded.dtype == np.float32
    np.testing.assert_allclose(molded[0, 0, 0], -model.config.MEAN_PIXEL, rtol=1e-6)
    np.testing.assert_allclose(molded[0, 20, 63], 90 - model.config.MEAN_PIXEL, rtol=1e-5)
    assert windows.tolist() == [[16, 0, 48, 64]] * 2
    assert metas[1].tolist() == [0, 40, 80, 3, 64, 64, 3, 16, 0, 48, 64, 0.8, 0, 0, 0, 0]


def test_detections_are_unmolded_by_hand(model):
    # On a canvas of 65 pixels, whose window is rows 16 to 48: (24, 8) to (40, 24) is (10, 10) to (30, 30) at scale 0.8.
    shape, window = (65, 65, 3), (16, 0, 48, 64)
    detections = np.array([
        [24 / 64, 8 / 64, 39 / 64, 23 / 64, 2, 0.9],
        [30 / 64, 8 / 64, 29 / 64, 23 / 64, 1, 0.8],  # no area
        [0, 0, 0, 0, 0, 0],
    ])
    masks = np.zeros((3, 4, 4, 3))
    masks[0, :, :2, 2] = 1  # the left half; of another class, nothing
    boxes, class_ids, scores, full = model.unmold_detections(detections, masks, (40, 80, 3), shape, window)
    assert boxes.tolist() == [[10, 10, 30, 30]] and boxes.dtype == np.int32
    assert class_ids.tolist() == [2] and scores.tolist() == [pytest.approx(0.9)]
    assert full.shape == (40, 80, 1) and full.dtype == bool
    assert utils.extract_bboxes(full).tolist() == [[10, 10, 30, 20]] and full.sum() == 20 * 10


@pytest.mark.parametrize("mask_scores", [False, True])
def test_molded_images_are_detected_in_pixels_of_the_canvas(model, photos, capsys, monkeypatch, mask_scores):
    monkeypatch.setattr(model.config, "MASK_SCORES", mask_scores)
    molded, metas, _ = model.mold_inputs(photos)
    results = model.detect_molded(molded, metas, verbose=1)
    assert "image 1" in capsys.readouterr().out
    for on_canvas, on_photo in zip(results, model.detect(photos)):
        assert set(on_canvas) == {"rois", "class_ids", "scores", "masks"}
        np.testing.assert_allclose(on_canvas["scores"], on_photo["scores"], atol=1e-5)
        assert on_canvas["masks"].shape == (64, 64, len(on_canvas["scores"])) and len(on_canvas["scores"])
        # canvas = photo * 0.8 + (16, 0); both sides are rounded.
        expected = on_photo["boxes"] * 0.8 + [16, 0, 16, 0]
        assert np.abs(on_canvas["rois"] - expected).max() <= 0.51


# --- Looking inside --------------------------------------------------------------------------------------------------
def test_anchors_are_those_of_the_generator(model):
    normalised, config = model.get_anchors((64, 64, 3)), model.config
    shapes = modellib.compute_backbone_shapes(config, (64, 64, 3))
    anchors = utils.generate_pyramid_anchors(
        config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, shapes, config.BACKBONE_STRIDES, config.RPN_ANCHOR_STRIDE
    )
    np.testing.assert_allclose(model.anchors, anchors, atol=1e-5)
    np.testing.assert_allclose(utils.denorm_boxes(normalised, (64, 64)), np.rint(anchors), atol=1)
    np.testing.assert_allclose(normalised[:, 3] * 63 + 1, anchors[:, 3], atol=1e-4)


def test_anchors_are_there_after_a_detection(model, photos, tmp_path):
    """Of 16, 8, 4, 2 and 1 cells a side with three anchors each on 64 pixels, of 32 to 2 on 128."""
    new = modellib.MaskRCNN("inference", TinyConfig(), str(tmp_path))
    of_64, of_128 = (3 * sum(side**2 for side in sides) for sides in ((16, 8, 4, 2, 1), (32, 16, 8, 4, 2)))
    assert new.anchors.shape == (of_64, 4)  # of IMAGE_SHAPE
    model.get_anchors((128, 128, 3))
    assert model.anchors.shape == (of_128, 4)
    model.detect(photos[:1])
    assert model.anchors.shape == (of_64, 4)
    match, _ = modellib.build_rpn_targets((64, 64, 3), model.anchors, np.array([1]), np.array([[8, 8, 40, 40]]),
                                          model.config)
    assert match.shape == (of_64,)


def test_any_layer_can_be_read(model, photos, capsys):
    wanted = ["input_image", "anchors", "rpn_bbox", "ROI", "mrcnn_detection", "mrcnn_class_logits"]
    stage = model.keras_model.get_layer("res3_out").output
    graph = model.run_graph(photos, [(name, name) for name in wanted] + [("stage 3", stage)])
    assert list(graph) == wanted + ["stage 3"] and graph["stage 3"].shape == (2, 8, 8, 64)
    assert "stage 3" in capsys.readouterr().out
    molded, metas, windows = model.mold_inputs(photos)
    np.testing.assert_allclose(graph["input_image"], molded, atol=1e-4)
    model.get_anchors((64, 64, 3))
    np.testing.assert_array_equal(np.concatenate(graph["anchors"]), model.anchors)
    # One head for five levels of 16, 8, 4, 2 and 1 cells a side with three anchors each, the finest first.
    assert [level.shape for level in graph["rpn_bbox"]] == [(2, 3 * side**2, 4) for side in (16, 8, 4, 2, 1)]
    proposals = graph["ROI"]["boxes"][graph["ROI"]["valid"]]
    assert len(proposals) and (proposals >= [16, 0, 16, 0]).all() and (proposals <= [48, 64, 48, 64]).all()
    outputs = model.predict(modellib.unmold_image(molded, model.config), windows)
    np.testing.assert_allclose(graph["mrcnn_detection"]["scores"], outputs["scores"], atol=1e-5)
    assert graph["mrcnn_class_logits"].shape == (2 * 60, 4)
    # By the old names a graph finds its layers too, and a name alone stands for both parts of a pair.
    assert model.keras_model.get_layer("ROI") is model.keras_model.get_layer("proposals")
    tensor = model.inference_model.get_layer("mrcnn_class").output
    same = model.run_graph(photos, ["mrcnn_class_logits", ("class", tensor)])
    np.testing.assert_allclose(same["mrcnn_class_logits"], graph["mrcnn_class_logits"], atol=1e-4)
    np.testing.assert_array_equal(same["class"], same["mrcnn_class_logits"])
    # A canvas that is ready goes in with its meta.
    again = model.run_graph(molded, [("ROI", "ROI")], image_metas=metas)
    np.testing.assert_allclose(again["ROI"]["boxes"], graph["ROI"]["boxes"], atol=1e-4)


def test_a_tensor_of_one_call_of_several_is_told_of(model, photos, recwarn):
    head = model.keras_model.get_layer("rpn_bbox")
    with pytest.warns(UserWarning, match=r"\[None, 768, 4\] is of call 1 of the 5 .* rpn_bbox alone: give the name"):
        graph = model.run_graph(photos, [("all", "rpn_bbox"), ("first", head.output)])
    # Three anchors in each cell of 16 x 16, the finest of the five maps.
    assert graph["first"].shape == (2, 768, 4) and len(graph["all"]) == 5
    np.testing.assert_array_equal(graph["first"], graph["all"][0])
    recwarn.clear()
    layer = model.keras_model.get_layer("fpn_p2")  # called once
    model.run_graph(photos, [("name", "fpn_p2"), ("tensor", layer.output), ("sum", layer.output + 1.0)])
    assert not [one for one in recwarn if "call" in str(one.message)]


def test_photos_that_no_array_holds_together_are_refused(tmp_path):
    model = modellib.MaskRCNN("inference", TinyConfig(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=None), str(tmp_path))
    small, large = (np.zeros((64, side, 3), np.uint8) for side in (64, 65))
    with pytest.raises(DataError, match=r"3 photos have canvases of 2 shapes \(64 x 64 and 64 x 128\).*detect\(\)"):
        model.mold_inputs([small, large, small])
    with pytest.raises(DataError, match="0 photos have canvases of 0 shapes, and"):
        model.mold_inputs([])
    assert model.mold_inputs(small)[0].shape == (1, 64, 64, 3)
    assert model.mold_inputs([large, large])[0].shape == (2, 64, 128, 3)


def test_a_class_of_settings_is_no_settings(tmp_path):
    with pytest.raises(ConfigError, match=r"^TinyConfig was given for its instance: give TinyConfig\(\)"):
        modellib.MaskRCNN("training", TinyConfig, str(tmp_path))


def test_what_is_not_there_names_what_is(model, photos):
    with pytest.raises(ConfigError, match="no layer 'mrcnn_boxes'.*mrcnn_bbox"):
        model.run_graph(photos, [("boxes", "mrcnn_boxes")])
    with pytest.raises(NotImplementedError, match=r"ROI/refined_anchors:0.*model.run_graph\(\[image\]"):
        model.ancestor(None, "ROI/refined_anchors:0")


def test_the_training_graph_knows_the_old_names(tmp_path):
    model = modellib.MaskRCNN("training", TinyConfig(), str(tmp_path))
    names = {old: model.keras_model.get_layer(old).name for old in modellib.RENAMED}
    assert names == {"input_image": "less_mean_pixel", "input_anchors": "anchors", "ROI": "training_proposals",
                     "rpn_class": "rpn_class_logits", "mrcnn_class": "mrcnn_class_logits"}
    assert model.inference_model.get_layer("ROI").name == "proposals"
    for graph in (model.keras_model, model.inference_model):
        with pytest.raises(ConfigError, match="'rpn_model': take rpn_conv_shared, rpn_bbox_pred, rpn_class_raw"):
            graph.get_layer("rpn_model")


def test_a_run_without_a_cascade_is_not_gone_on_with_by_a_network_with_one(tmp_path, capsys):
    plain = modellib.MaskRCNN("training", TinyConfig(), str(tmp_path))
    os.makedirs(plain.log_dir)
    plain.epoch, path = 1, plain.checkpoint_path.format(epoch=1)
    plain.save_weights(path)
    cascade = modellib.MaskRCNN("training", TinyConfig(CASCADE_IOUS=(0.6, 0.7)), str(tmp_path))
    report = cascade.load_weights(path, by_name=True)
    assert report.copied and not report.missing and not report.unused and not report.whole
    assert "layers were left out, or are others here: its weights begin a new run" in capsys.readouterr().out
    assert cascade.epoch == 0 and cascade.log_dir != plain.log_dir
    plain.epoch = 0
    assert plain.load_weights(path, by_name=True).whole and plain.epoch == 1


def test_layers_with_weights_are_listed_unwrapped(model):
    layers = model.get_trainable_layers()
    names = [layer.name for layer in layers]
    assert {"fpn_p2", "rpn_conv_shared", "mrcnn_mask"} <= set(names) and "proposals" not in names
    assert sum(weight.size for layer in layers for weight in layer.get_weights()) == model.keras_model.count_params()
    wrapped = keras.layers.TimeDistributed(keras.layers.TimeDistributed(layers[0]))
    assert model.find_trainable_layer(wrapped) is layers[0] is model.find_trainable_layer(layers[0])


def test_imagenet_weights_come_as_a_file_of_the_backbone(tmp_path, monkeypatch):
    def fill(backbone, config):
        for variable in backbone.weights:
            variable.assign(np.full(variable.shape, 0.25))

    model = modellib.MaskRCNN("training", TinyConfig(), str(tmp_path))
    head, backbone = model.keras_model.get_layer("fpn_p2"), model.keras_model.get_layer("res2a")
    before = head.get_weights()[0]
    monkeypatch.setattr(modellib, "load_imagenet", fill)
    model.load_weights(model.get_imagenet_weights(), by_name=True)
    assert (backbone.get_weights()[0] == 0.25).all()
    np.testing.assert_array_equal(head.get_weights()[0], before)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="BACKBONE='small'"):
        model.get_imagenet_weights()
