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


def test_anchors_that_weights_were_trained_with_stay_on_other_canvases():
    square = TinyYolact(YOLACT_ANCHOR_SCALES=None, IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=128)
    of_128 = pytest.approx([scale * 128 / 550 for scale in (24, 48, 96, 192, 384)])
    written = json.loads(json.dumps(square.to_dict()))
    assert written["YOLACT_ANCHOR_SCALES"] == of_128
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for before in (written, {**written, "YOLACT_ANCHOR_SCALES": None}):  # as earlier versions wrote it
            for other in ({"IMAGE_MAX_DIM": 256}, {"IMAGE_RESIZE_MODE": "crop"}, {}):
                assert YolactSettings.from_dict(before, **other).anchor_scales() == of_128
    assert YolactSettings.from_dict(written, YOLACT_ANCHOR_SCALES=None, IMAGE_MAX_DIM=64).anchor_scales() == \
        pytest.approx([scale * 64 / 550 for scale in (24, 48, 96, 192, 384)])
    assert TinyYolact(YOLACT_ANCHOR_SCALES=None, IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=None).to_dict()  # not checked


def test_saved_settings_have_the_anchors_of_the_canvas_of_who_loads_them(tmp_path):
    path = tmp_path / "config.json"
    TinyYolact(YOLACT_ANCHOR_SCALES=None, IMAGE_MAX_DIM=128).save(path)
    of_320 = pytest.approx([scale * 320 / 550 for scale in (24, 48, 96, 192, 384)])
    assert YolactSettings.load(path, IMAGE_MAX_DIM=320).anchor_scales() == of_320
    path.write_text(json.dumps({**json.loads(path.read_text()), "IMAGE_MAX_DIM": 320}))
    assert YolactSettings.load(path).anchor_scales() == of_320
    TinyYolact(YOLACT_ANCHOR_SCALES=(10, 20, 30, 40, 50)).save(path)
    assert YolactSettings.load(path, IMAGE_MAX_DIM=320).anchor_scales() == (10, 20, 30, 40, 50)


def test_without_a_canvas_there_are_no_anchors_to_write():
    config = YolactSettings(IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=None)
    assert config.to_dict()["YOLACT_ANCHOR_SCALES"] is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert YolactSettings.from_dict(config.to_dict()).YOLACT_ANCHOR_SCALES is None


def test_files_from_before_keep_the_anchors_that_they_were_trained_with_and_that_is_told():
    written = {**TinyYolact(**CROPPED).to_dict(), "YOLACT_ANCHOR_SCALES": None}
    with pytest.warns(UserWarning, match=r"a.h5: the anchors stay \[44.68,.* in proportion to IMAGE_MAX_DIM=1024"):
        config = YolactSettings.from_dict(written, "a.h5")
    assert config.anchor_scales()[0] == pytest.approx(24 * 1024 / 550)  # 44.68
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert YolactSettings.from_dict(written, YOLACT_ANCHOR_SCALES=None).anchor_scales()[0] == pytest.approx(
            24 * 64 / 550)
