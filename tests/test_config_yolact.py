"""The settings of YOLACT that follow from others."""

import json
import warnings

import pytest
from tiny_yolact import TinyYolact

from mrcnn.config_yolact import YolactSettings

CROPPED = {"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 1024}


def test_anchors_go_with_the_canvas_of_a_crop():
    config = TinyYolact(YOLACT_ANCHOR_SCALES=None, **CROPPED)
    assert config.anchor_scales() == pytest.approx([scale * 64 / 550 for scale in (24, 48, 96, 192, 384)])
    written = json.loads(json.dumps(config.to_dict()))  # scales that show that they are of the canvas
    assert YolactSettings.from_dict(written).anchor_scales() == pytest.approx(config.anchor_scales())
    square = TinyYolact(YOLACT_ANCHOR_SCALES=None, IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=128)
    assert square.to_dict()["YOLACT_ANCHOR_SCALES"] is None  # where nothing is in doubt they go with other canvases


def test_files_from_before_keep_the_anchors_that_they_were_trained_with_and_that_is_told():
    written = {**TinyYolact(**CROPPED).to_dict(), "YOLACT_ANCHOR_SCALES": None}
    with pytest.warns(UserWarning, match=r"a.h5: the anchors stay \[44.68,.* in proportion to IMAGE_MAX_DIM=1024"):
        config = YolactSettings.from_dict(written, "a.h5")
    assert config.anchor_scales()[0] == pytest.approx(24 * 1024 / 550)  # 44.68
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert YolactSettings.from_dict(written, YOLACT_ANCHOR_SCALES=None).anchor_scales()[0] == pytest.approx(
            24 * 64 / 550)
