import h5py
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.config_pixels import DeepLabSettings, U2NetSettings
from mrcnn.config_rules import RULES
from mrcnn.config_yolact import YolactSettings
from mrcnn.network.backbones import RESNET_BLOCKS
from mrcnn.weights.trained_with import (
    LAYERS,
    OUTSIDE_TRAINING,
    READING,
    readable,
    settings_by_layers,
    told_of_anchors,
    told_of_changes,
    told_of_settings,
)


def test_the_names_are_settings():
    assert set(LAYERS) <= set(READING)
    assert set(READING) | set(OUTSIDE_TRAINING) <= set(RULES) and not set(READING) & set(OUTSIDE_TRAINING)


@pytest.mark.parametrize("settings", [Config, YolactSettings, DeepLabSettings, U2NetSettings])
def test_nothing_is_told_where_nothing_differs(settings):
    written = settings().to_dict()
    for one in (written, {"NUM_CLASSES": 1}, {}, None):  # earlier versions lack settings
        assert told_of_settings("a.h5", one, settings()) == told_of_changes(one, settings()) == []
    older = {**written, "LOSS_WEIGHTS": dict(list(written["LOSS_WEIGHTS"].items())[:1])}
    assert told_of_changes(older, settings()) == []


@pytest.mark.parametrize("settings, given", [
    (Config, {"BBOX_STD_DEV": [1, 1, 1, 1]}), (Config, {"RPN_BBOX_STD_DEV": [1, 1, 1, 1]}),
    (Config, {"RPN_ANCHOR_SCALES": (8, 16, 32, 64, 128)}), (Config, {"ROI_ALIGNED": False}),
    (Config, {"GEOMETRY": "matterport"}), (Config, {"ATTRIBUTES": ["long"]}), (Config, {"BACKBONE": "resnet101_v1_5"}),
    (YolactSettings, {"BBOX_STD_DEV": [1, 1, 1, 1]}), (YolactSettings, {"YOLACT_ANCHOR_RATIOS": [1, 2, 3]}),
    (DeepLabSettings, {"ATROUS_RATES": (1, 2, 3)}), (DeepLabSettings, {"HEAD_NORM": "batch"}),
])
def test_weights_that_are_read_otherwise_are_told_in_one_line(settings, given):
    written, ((name, _),) = settings().to_dict(), given.items()
    (line,) = told_of_settings("a.h5", written, settings(**given))
    assert line.startswith(f"a.h5 was trained with {name}=") and f"and is run with {name}=" in line
    assert "Leave it out, or train on with it." in line and "\n" not in line
    assert told_of_changes(written, settings(**given)) == []  # which follows the other
    assert told_of_settings("a.h5", written, settings(**given), loaded=["fpn_p2"]) == []  # of another network


@pytest.mark.parametrize("settings, given, layer, other", [
    (Config, {"RPN_ANCHOR_SCALES": (8, 16, 32, 64, 128)}, "rpn_conv_shared", "mrcnn_class_conv1"),
    (Config, {"RPN_BBOX_STD_DEV": [1, 1, 1, 1]}, "rpn_bbox_pred", "fpn_p2"),
    (Config, {"BBOX_STD_DEV": [1, 1, 1, 1]}, "mrcnn_bbox_stage2_fc", "rpn_bbox_pred"),
    (Config, {"ROI_ALIGNED": False}, "mrcnn_mask_conv1", "rpn_conv_shared"),
    (Config, {"MASK_SHAPE": [56, 56]}, "mrcnn_mask_conv1", "mrcnn_class_conv1"),
    (Config, {"GEOMETRY": "matterport"}, "rpn_conv_shared", "res2a"),
    (YolactSettings, {"YOLACT_ANCHOR_RATIOS": [1, 2, 3]}, "yolact_shared", "yolact_prototype_conv1"),
    (DeepLabSettings, {"ATROUS_RATES": (1, 2, 3)}, "aspp_atrous1", "decoder_conv1"),
    (Config, {"BACKBONE": "resnet50_v1_5"}, "res3a_branch2a", "fpn_p2"),
    (Config, {"HEAD_NORM": "group"}, "mrcnn_mask_conv1", "rpn_conv_shared"),
    (YolactSettings, {"NORM": "group"}, "res3a_branch2a", "fpn_p2"),
    (DeepLabSettings, {"HEAD_NORM": "batch"}, "aspp_project", "res3a_branch2a"),
    (YolactSettings, {"YOLACT_HEAD_NORM": "none"}, "yolact_prototype_conv1", "yolact_bbox"),
    (Config, {"ATTRIBUTES": ["long"]}, "mrcnn_attribute_fc1", "mrcnn_mask_conv1"),
])
def test_of_layers_that_are_loaded_without_the_rest_what_they_read_is_told(settings, given, layer, other):
    written, (name,) = settings().to_dict(), given
    (line,) = told_of_settings("a.h5", written, settings(**given), loaded=["fpn_c2p2", layer])
    assert line.startswith(f"a.h5 was trained with {name}=")
    assert told_of_settings("a.h5", written, settings(**given), loaded=["fpn_c2p2", other]) == []


@pytest.mark.parametrize("before", [{}, {"YOLACT_ANCHOR_SCALES": None}])  # the latter as earlier versions wrote it
def test_anchors_that_go_with_another_canvas_are_told(before):
    written = {**YolactSettings(IMAGE_MAX_DIM=512).to_dict(), **before}
    (line,) = told_of_settings("a.h5", written, YolactSettings(IMAGE_MAX_DIM=1024))
    assert "trained with YOLACT_ANCHOR_SCALES=[22.3" in line and "is run with YOLACT_ANCHOR_SCALES=[44.6" in line
    assert told_of_settings("a.h5", written, YolactSettings(IMAGE_MAX_DIM=512)) == []
    assert told_of_settings("a.h5", written, YolactSettings.from_dict(written, IMAGE_MAX_DIM=1024)) == []


def test_a_new_training_is_told_that_it_has_the_anchors_of_another_canvas():
    written = YolactSettings(IMAGE_MAX_DIM=512).to_dict()
    stayed = YolactSettings.from_dict(written, IMAGE_MAX_DIM=1024)
    (line,) = told_of_anchors("a.h5", written, stayed)
    assert "the anchors stay [22.34,44.68,89.37,178.7,357.5] pixels" in line and "canvas of 512" in line
    assert "--set YOLACT_ANCHOR_SCALES=None gives those of this run's canvas of 1024" in line
    for config in (YolactSettings.from_dict(written), YolactSettings(IMAGE_MAX_DIM=1024), Config()):
        assert told_of_anchors("a.h5", written, config) == []
    assert told_of_anchors("a.h5", None, stayed) == told_of_anchors("a.h5", stayed.to_dict(), stayed) == []


def test_several_and_the_mean_pixel_are_told_in_two_lines():
    config = Config(MEAN_PIXEL=[1, 2, 3], BBOX_STD_DEV=[1, 1, 1, 1], ROI_ALIGNED=False)
    mean, others = told_of_settings("a.h5", Config().to_dict(), config)
    assert "MEAN_PIXEL" in mean
    assert "BBOX_STD_DEV=[0.1,0.1,0.2,0.2], ROI_ALIGNED=True, and is run with BBOX_STD_DEV=[1,1,1,1], ROI" in others


def test_what_has_no_effect_does_not_differ():
    assert told_of_settings("a.h5", U2NetSettings().to_dict(), U2NetSettings(NORM="group")) == []
    written = Config(GEOMETRY="matterport").to_dict()
    with pytest.warns(UserWarning, match="ROI_SAMPLING_RATIO"):
        (config := Config(NUM_CLASSES=2, GEOMETRY="matterport", ROI_SAMPLING_RATIO=4)).check()
    assert told_of_settings("a.h5", written, config) == []
    assert told_of_settings("a.h5", Config().to_dict(), Config(HEAD_NORM="batch")) == []  # as NORM said


def test_settings_that_a_training_goes_on_with_are_told():
    changed = {"WEIGHT_DECAY": 0.01, "GRADIENT_CLIP_NORM": 1.0, "SEED": 5, "LAYER_DECAY": 0.5, "CLASS_LOSS": "seesaw",
               "IMAGE_RESIZE_MODE": "pad64", "LR_SCHEDULE": "cosine"}
    (line,) = told_of_changes(Config().to_dict(), Config(**changed))
    assert all(f"{name}={value} (was {getattr(Config, name)})" in line for name, value in changed.items())
    (line,) = told_of_changes(Config().to_dict(), Config(IMAGES_PER_GPU=4, GPU_COUNT=2))
    assert "other settings than before: BATCH_SIZE=8 (was 2). Give" in line


def test_what_is_the_machines_or_of_detection_alone_is_not_told():
    config = Config(NAME="b", WORKERS=9, GPU_COUNT=2, IMAGES_PER_GPU=1, TEST_FLIP=True, DETECTION_MIN_CONFIDENCE=0.1)
    assert told_of_changes(Config().to_dict(), config) == []


def names_written(path, *layers):
    """A file in Matterport's form without settings, of layers ("name/weight")."""
    with h5py.File(path, "w") as file:
        for layer in layers:
            file[f"{layer.partition('/')[0]}/{layer}:0"] = np.zeros(2, "float32")
    return str(path)


def test_layers_of_a_file_without_settings_tell_some(tmp_path):
    blocks = [f"res{stage}{chr(97 + block)}_branch2b/kernel" for stage, count in enumerate(RESNET_BLOCKS["resnet50"], 2)
              for block in range(count)]
    path = names_written(tmp_path / "a.h5", "bn_conv1/moving_mean", "mrcnn_class_bn1/moving_mean", *blocks)
    known = {"NORM": "batch", "HEAD_NORM": "batch", "BACKBONE": "resnet50"}
    assert settings_by_layers(path, Config()) == known
    (line,) = told_of_settings(path, known, Config(BACKBONE="resnet50_v1_5", HEAD_NORM="group"))
    assert "with BACKBONE=resnet50, HEAD_NORM=batch, and is run with BACKBONE=resnet50_v1_5, HEAD_NORM=group" in line
    assert told_of_settings(path, known, Config(BACKBONE="resnet50", MEAN_PIXEL=[1, 2, 3])) == []  # which is not known
    assert "BACKBONE" not in settings_by_layers(path, Config(BACKBONE=len))
    path = names_written(tmp_path / "b.h5", "bn_conv1/gamma", "mrcnn_class_bn1/gamma", *blocks[1:])
    assert settings_by_layers(path, Config()) is settings_by_layers("a.pth", Config()) is None
    with h5py.File(path, "w") as file:  # Keras' own, which may be of any network here
        file["layers/bn_conv1/vars/0"] = np.zeros(2, "float32")
    assert settings_by_layers(path, Config()) is None


@pytest.mark.parametrize("odd", [{"LOSS_WEIGHTS": None}, {"LOSS_WEIGHTS": 3}, {"MEAN_PIXEL": ["a"]}, {"MEAN_PIXEL": 3},
                                 {"MEAN_PIXEL": "abc"}, {"GPU_COUNT": "a", "IMAGES_PER_GPU": None}])
def test_settings_that_cannot_be_are_told_and_not_compared(odd):
    written = {**Config().to_dict(), **odd}
    (line,) = told_of_settings("a.h5", written, Config())
    assert line.startswith(f"a.h5 carries settings that cannot be: {next(iter(odd))}=") and "\n" not in line
    known, named = readable(written, Config())
    assert named == odd and not set(odd) & set(known) and told_of_changes(known, Config()) == []
    assert readable(None, Config()) == (None, {})


def test_names_of_functions_can_be_read():
    assert readable(Config(BACKBONE=len, COMPUTE_BACKBONE_SHAPE=len).to_dict(), Config())[1] == {}
