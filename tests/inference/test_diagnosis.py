"""What is read off a model's stages, with a network of known weights or with known results in its place."""

import numpy as np
import pytest
from made_pictures import Pictures, rectangles
from tiny import Squares, TinyConfig

from mrcnn.evaluation.findings import find
from mrcnn.evaluation.funnel import step_tests
from mrcnn.inference import diagnosis
from mrcnn.model import MaskRCNN

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A network with random weights that knows the squares' colours."""
    return named(TinyConfig(), tmp_path_factory.mktemp("logs"))


def named(config, folder):
    model = MaskRCNN("inference", config, str(folder))
    model.class_names = ["BG", "red", "green", "blue"]
    return model


def seeing(model, monkeypatch, colour_of=lambda pixels: int(pixels.argmax()) + 1, score=0.9, sure=1.0):
    """Puts perfect proposals and detections in the place of the network's, their class by the colour of the square."""

    def predict(canvases, windows, min_confidence):
        canvas = canvases[0]
        rows, columns = np.nonzero(canvas.max(axis=2) > 200)
        box = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1], np.float32)
        class_id = colour_of(canvas[rows[0], columns[0]])
        return {"boxes": box[None, None], "class_ids": np.array([[class_id]]), "scores": np.array([[score]], "float32"),
                "valid": np.array([[True]]), "masks": np.full((1, 1, 28, 28), sure, np.float32),
                "proposals": np.stack([box, box * 0])[None], "proposals_valid": np.array([[True, False]])}

    monkeypatch.setattr(model, "predict", predict)


def test_a_network_that_finds_all_is_found_sound(tiny, monkeypatch):
    seeing(tiny, monkeypatch)
    # The photos of 96 x 80 are shrunk to 64 x 53: boxes are compared on the canvas, masks on the photo.
    made = diagnosis.examine(tiny, Squares().load(6, size=(96, 80)))
    assert [step["passed"] for step in made["steps"]][4:] == [6] * 6 and made["photos"] == made["objects"] == 6
    assert sum(made["scores"]["hits"][17:19]) == 6 and not sum(made["scores"]["false_alarms"])
    assert made["proposals"]["number"] == 1 and made["masks"] == {"right": 6, "good": 6}
    assert made["pixels"]["max"] == 250 and made["pixels"]["min"] == 90  # the black beside the photo is not counted
    # With red and blue swapped a red square is called blue: half as good, or less.
    assert made["swapped"]["usual"] == pytest.approx(0.9) and made["swapped"]["swapped"] < 0.7


def test_scores_count_the_masks_where_those_of_detect_do(tiny, monkeypatch):
    # 0.9 * 0.6 = 0.54 falls below the threshold of 0.7; without MASK_SCORES the score is 0.9.
    seeing(tiny, monkeypatch, sure=0.6)
    monkeypatch.setattr(tiny.config, "DETECTION_MIN_CONFIDENCE", 0.7)
    plain = diagnosis.examine(tiny, Squares().load(6))
    monkeypatch.setattr(tiny.config, "MASK_SCORES", True)
    made = diagnosis.examine(tiny, Squares().load(6))
    assert plain["scores"]["highest"] == pytest.approx(0.9) and plain["scores"]["shown"] == 6
    assert made["scores"]["highest"] == pytest.approx(0.54) and made["scores"]["shown"] == 0
    finding = next(finding for finding in find({**made, "epoch": 1, "changed": {}}) if finding.kind == "hidden")
    # Every threshold up to the score is as good: the middle, 0.54 / 2, is advised.
    assert finding.remedy.startswith("detect with --min-confidence 0.27")


def test_what_a_network_finds_has_the_scores_and_order_of_detect(tiny, monkeypatch):
    photo = Squares().load(1).load_image(0)
    for mask_scores in (False, True):
        monkeypatch.setattr(tiny.config, "MASK_SCORES", mask_scores)
        [found] = tiny.detect([photo], min_confidence=0.0, mask_probabilities=True)
        _, _, outputs = diagnosis.Stages(tiny, {}).outputs_of(photo)
        for name, expected in (("scores", "scores"), ("class_ids", "class_ids"), ("masks", "mask_probabilities")):
            np.testing.assert_allclose(outputs[name][outputs["valid"]], found[expected], atol=1e-6)
        assert len(found["scores"]) > 1


@pytest.mark.parametrize("settings, views, remedy", [
    ({"TEST_FLIP": True}, "2 views (TEST_FLIP, TEST_SCALES: 1, 1 mirrored)", "detect with --set TEST_FLIP=false, or"),
    ({"TEST_FLIP": True, "TEST_SCALES": (1.0, 1.25)}, "4 views (", "--set TEST_FLIP=false --set TEST_SCALES=[1.0], or"),
    ({"TEST_SCALES": (1.25,)}, "1 view (TEST_FLIP, TEST_SCALES: 1.25)", "detect with --set TEST_SCALES=[1.0], or"),
    ({"TEST_SCALES": (1,)}, None, None),
])
def test_views_that_are_not_looked_at_are_told(tiny, monkeypatch, recwarn, settings, views, remedy):
    seeing(tiny, monkeypatch)
    monkeypatch.setattr(tiny, "config", TinyConfig(**settings))  # the network itself is not asked
    diagnosis.examine(tiny, Squares().load(1))
    told = [str(warning.message) for warning in recwarn if "one view" in str(warning.message)]
    assert len(told) == (views is not None) and all(views in line and remedy in line for line in told)


def test_photos_labelled_for_some_classes_only_are_told_of(tiny, monkeypatch):
    seeing(tiny, monkeypatch)
    dataset = Squares().load(2)
    dataset.image_info[1]["class_lists"] = {"neg_category_ids": [1], "not_exhaustive_category_ids": []}
    with pytest.warns(UserWarning, match="1 of the 2 photos are labelled for some classes only, .*evaluate"):
        diagnosis.examine(tiny, dataset)


def test_channels_in_another_order_show(tiny, monkeypatch):
    seeing(tiny, monkeypatch, lambda pixels: 3 - int(pixels.argmax()))
    made = diagnosis.examine(tiny, Squares().load(8))
    finding = next(finding for finding in find({**made, "epoch": 1, "changed": {}}) if finding.weight < 2)
    assert finding.kind == "swapped_channels"


def test_stages_of_both_geometries(tiny, tmp_path):
    """Anchors, proposals and detections are those of the network, in pixels of the canvas."""
    matterport = named(TinyConfig(GEOMETRY="matterport", BACKBONE_STRIDES=[4, 8, 16, 32, 64]), tmp_path)
    dataset = Squares().load(1)
    truth = diagnosis.TrueObjects(dataset)
    size, y, x, side, colour = dataset.shape_of(0)
    objects = truth.of(0)
    assert objects["boxes"].tolist() == [[y, x, y + side, x + side]] and objects["classes"].tolist() == [colour]
    for model, corner in ((tiny, 2.0), (matterport, 0.0)):
        stages = diagnosis.Stages(model, {1: 0, 2: 1, 3: 2})
        anchors = stages.anchors_of((64, 64, 3))
        # (16^2 + 8^2 + 4^2 + 2^2 + 1) cells of 3 shapes; the first cell's centre is half a stride in, or at 0.
        assert len(anchors) == 3 * 341
        np.testing.assert_allclose((anchors[0, :2] + anchors[0, 2:]) / 2, corner, atol=1e-5)
        trace, (mean, least, most) = stages.trace(dataset.load_image(0), objects)
        _, _, outputs = stages.outputs_of(dataset.load_image(0))
        assert trace.canvas == (64, 64) and trace.proposal_count == outputs["proposals_valid"].sum() > 0
        assert len(trace.pairs.scores) == outputs["valid"].sum()
        assert (trace.first_proposals <= trace.proposals).all() and trace.anchors[0] > 0.3
        assert step_tests(trace, model.config)[:2].all() and (least, most) == (90, 250)


def test_anchors_of_a_few_canvases_are_in_memory(tiny):
    stages, sides = diagnosis.Stages(tiny, {}), range(64, 64 + 32 * 9, 32)
    for width in sides:
        assert len(stages.anchors_of((64, width, 3))) == len(stages.model.anchors)
        assert len(stages.anchors) <= diagnosis.KEPT_CANVASES
    assert [canvas[1] for canvas in stages.anchors] == list(sides)[-diagnosis.KEPT_CANVASES:]


@pytest.mark.parametrize("then, now, changed", [
    ({"IMAGE_RESIZE_MODE": "square", "IMAGE_MAX_DIM": 512}, {}, {"IMAGE_MAX_DIM": [512, 64]}),
    ({"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 512}, {"IMAGE_RESIZE_MODE": "crop"}, {}),
    ({"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 128}, {"IMAGE_RESIZE_MODE": "crop"}, {"IMAGE_MIN_DIM": [128, 64]}),
])
def test_the_side_of_the_canvas_is_what_counts(then, now, changed, monkeypatch):
    monkeypatch.setattr(diagnosis, "settings_of", lambda path: {"config": then, "epoch": 3})
    assert diagnosis.written_in("a.h5", TinyConfig(IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, **now)) == (3, changed)


def test_crowds_are_no_objects():
    photo, masks, _ = rectangles((40, 40), [(0, 0, 10, 10), (20, 20, 40, 40)], [1, 2])
    truth = diagnosis.TrueObjects(Pictures([(photo, masks, np.array([1, -2], np.int32))]))
    objects = truth.of(0)
    assert objects["classes"].tolist() == [0] and objects["crowd_classes"].tolist() == [1]
    assert objects["crowd_boxes"].tolist() == [[20, 20, 40, 40]] and objects["areas"].tolist() == [100]


def test_layers_as_they_began_are_told(tiny):
    kernels = diagnosis.kernels(tiny)
    assert {"res2a", "fpn_p2", "rpn_class_raw", "mrcnn_class_conv1", "mrcnn_mask"} <= set(kernels)
    assert all(np.array_equal(kernel, begun) for kernel, begun in kernels.values())
    layer = tiny.inference_model.get_layer("mrcnn_mask")
    before = layer.get_weights()
    layer.kernel.assign(layer.kernel + 1e-6)
    try:
        kernel, begun = diagnosis.kernels(tiny)["mrcnn_mask"]
        assert not np.array_equal(kernel, begun)
    finally:
        layer.set_weights(before)


@pytest.mark.parametrize("drawer, told", [
    ("abacus on a processor, SEED=0", "first weights were drawn by abacus on a processor, SEED=0, and here "),
    (None, "of an earlier version or of several networks, does not tell what drew"),
])
def test_where_others_drew_the_weights_only_equal_ones_tell_how_they_began(drawer, told, tiny, monkeypatch, recwarn):
    monkeypatch.setattr(tiny, "drawn_by", drawer)
    assert all(np.array_equal(kernel, begun) for kernel, begun in diagnosis.kernels(tiny).values()) and not recwarn
    layer = tiny.inference_model.get_layer("mrcnn_mask")
    before = layer.get_weights()
    layer.kernel.assign(layer.kernel + 1e-6)
    try:
        with pytest.warns(UserWarning, match=f"trained 1 layer is not known: .*{told}.*KERAS_BACKEND"):
            kernels = diagnosis.kernels(tiny)
    finally:
        layer.set_weights(before)
    assert [name for name, (_, begun) in kernels.items() if begun is None] == ["mrcnn_mask"]
