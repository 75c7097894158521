"""Several views of a photo: how each is placed, and how what they find is merged."""

import numpy as np
import pytest
from keras import ops
from tiny import Squares, TinyConfig

from mrcnn.data.images import Window, place_image
from mrcnn.inference.views import (
    VIEW_CONFIDENCE,
    View,
    _groups,
    merge_views,
    network_config,
    on_grid,
    place_view,
    views_of,
)
from mrcnn.model import MaskRCNN
from mrcnn.ops.roi_align import sample_masks

pytestmark = pytest.mark.usefixtures("eagerly")

WHOLE = Window((40, 60), (40, 60), (1.0, 1.0), (0.0, 0.0))
PLAIN, MIRRORED = View(False, 1.0), View(True, 1.0)


def rows(*objects, side=4):
    """The network's rows of (box, class, score, mask or value) and one row that is not valid."""
    objects = [*objects, ((0, 0, 9, 9), 1, 0.99, 1.0)]
    return {
        "boxes": np.array([one[0] for one in objects], np.float32),
        "class_ids": np.array([one[1] for one in objects], np.int32),
        "scores": np.array([one[2] for one in objects], np.float32),
        "valid": np.arange(len(objects)) < len(objects) - 1,
        "masks": np.stack([np.broadcast_to(np.asarray(one[3], np.float32), (side, side)) for one in objects]),
    }


def merged(*founds, views=None, threshold=0.05, iou=0.5, count=10):
    views = views or [PLAIN] * len(founds)
    return merge_views(founds, views, [WHOLE] * len(founds), threshold, iou, count)[0]


# --- Merging, by hand ------------------------------------------------------------------------------------------------


def test_boxes_vote_and_scores_and_masks_are_means():
    first = rows(((0, 0, 20, 20), 1, 0.9, 0.8))
    second = rows(((0, 0, 20, 24), 1, 0.3, 0.4))
    result = merged(first, second)
    # IoU 20/24 > 0.65: one object. x2 = (0.9 * 20 + 0.3 * 24) / 1.2 = 21; score (0.9 + 0.3) / 2 = 0.6.
    np.testing.assert_allclose(result["boxes"], [[0, 0, 20, 21]], rtol=1e-6)
    assert result["scores"] == pytest.approx([0.6]) and result["class_ids"].tolist() == [1]
    # Both boxes cover the left of it: (0.9 * 0.8 + 0.3 * 0.4) / 1.2 = 0.7. The last of 8 columns has its centre at
    # 7.5 / 8 * 21 = 19.7, still inside both.
    np.testing.assert_allclose(result["masks"][0], 0.7, rtol=1e-5)
    assert result["masks"].shape == (1, 8, 8)


def test_attributes_are_means_of_the_views_that_saw_the_object():
    first = rows(((0, 0, 20, 20), 1, 0.9, 1.0), ((30, 0, 40, 9), 2, 0.5, 1.0))
    second = rows(((0, 0, 20, 20), 1, 0.3, 1.0))
    first["attributes"] = np.array([[0.8, 0], [0, 0.7], [1, 1]], np.float32)
    second["attributes"] = np.array([[0.4, 0], [1, 1]], np.float32)
    for one in (first, second):
        one["embedding"] = -one["attributes"]  # which is averaged in the same way
    result = merged(first, second)
    # (0.9 * 0.8 + 0.3 * 0.4) / 1.2 = 0.7; the other object is one view's alone
    np.testing.assert_allclose(result["attributes"], [[0.7, 0], [0, 0.7]], rtol=1e-6)
    np.testing.assert_allclose(result["embedding"], [[-0.7, 0], [0, -0.7]], rtol=1e-6)


def test_a_mask_is_nothing_outside_its_own_box():
    first, second = rows(((0, 0, 20, 20), 1, 0.5, 1.0)), rows(((0, 0, 20, 28), 1, 0.5, 1.0))
    mask = merged(first, second)["masks"][0]
    # IoU 20/28 > 0.65. The merged box is 24 wide, a cell 3: centres of the first seven columns are below 20, that of
    # the last is not.
    np.testing.assert_allclose(mask[:, :7], 1.0, rtol=1e-6)
    np.testing.assert_allclose(mask[:, 7:], 0.5, rtol=1e-6)


def test_a_view_that_finds_nothing_counts_as_zero():
    result = merged(rows(((5, 5, 25, 25), 2, 0.9, 1.0)), rows(), rows())
    assert result["scores"] == pytest.approx([0.3])  # 0.9 / 3
    np.testing.assert_allclose(result["boxes"], [[5, 5, 25, 25]])
    assert not len(merged(rows(((5, 5, 25, 25), 2, 0.9, 1.0)), rows(), rows(), threshold=0.31)["scores"])


def test_nothing_at_all():
    result = merged(rows(), rows())
    assert result["boxes"].shape == (0, 4) and result["masks"].shape == (0, 8, 8) and not len(result["class_ids"])


def test_other_classes_and_the_same_view_are_other_objects():
    # Two of one class in one view overlap by 20 / 28 but are two objects there; another class is a third.
    first = rows(((0, 0, 20, 24), 1, 0.9, 1.0), ((0, 4, 20, 28), 1, 0.8, 1.0), ((0, 0, 20, 24), 2, 0.7, 1.0))
    second = rows(((0, 4, 20, 28), 1, 0.6, 1.0))
    result = merged(first, second, iou=0.9)
    # The second view's joins the one that it overlaps most: 0.8 + 0.6, not 0.9 + 0.6.
    assert result["scores"] == pytest.approx([0.7, 0.45, 0.35])
    assert result["class_ids"].tolist() == [1, 1, 2]
    assert merged(first, second, iou=0.5)["class_ids"].tolist() == [1, 2]  # suppressed, class by class
    assert len(merged(first, second, iou=0.9, count=2)["scores"]) == 2


class Counted(np.ndarray):
    """Numbers that count how often they are read."""

    reads = 0

    def __getitem__(self, index):
        Counted.reads += 1
        return super().__getitem__(index)


def test_time_does_not_grow_with_pairs_of_detections():
    """Each detection asked all groups for their views."""
    corners = np.arange(100, dtype=np.float32)[:, None] * (10, 0)
    boxes = np.tile(np.concatenate([corners, corners + 9], axis=1), (2, 1))
    groups = _groups(np.arange(200), boxes, np.ones(200, np.float32), np.repeat([0, 1], 100).view(Counted))
    assert groups == [[i, 100 + i] for i in range(100)]
    assert Counted.reads <= 3 * 200


def test_a_mirrored_view_is_turned_back():
    mask = np.zeros((4, 4))
    mask[:, 0] = 1  # the left column
    plain = rows(((0, 10, 20, 30), 1, 0.8, mask))
    mirrored = rows(((0, 30, 20, 50), 1, 0.8, mask[:, ::-1]))  # 60 - 30, 60 - 10
    result = merged(plain, mirrored, views=[PLAIN, MIRRORED])
    np.testing.assert_allclose(result["boxes"], [[0, 10, 20, 30]])
    alone = merged(plain, plain)
    np.testing.assert_allclose(result["masks"], alone["masks"], atol=1e-6)
    assert result["masks"][0, 0, 0] == 1 and result["masks"][0, 0, -1] == 0


def test_what_a_mirrored_view_calls_left_is_right():
    plain = {**rows(((0, 10, 20, 30), 1, 0.8, 1.0)), "attributes": np.array([[0.5, 0.2, 0.75]] * 2, np.float32)}
    mirrored = {**rows(((0, 30, 20, 50), 2, 0.8, 1.0)), "attributes": np.array([[0.5, 0.75, 0.2]] * 2, np.float32)}
    result = merge_views([plain, mirrored], [PLAIN, MIRRORED], [WHOLE] * 2, 0.0, 0.5, 9, (0, 2, 1, 3), (0, 2, 1))[0]
    assert result["class_ids"].tolist() == [1] and result["scores"] == pytest.approx([0.8])
    np.testing.assert_allclose(result["attributes"], [[0.5, 0.2, 0.75]])
    assert len(merge_views([plain, mirrored], [PLAIN, MIRRORED], [WHOLE] * 2, 0.0, 0.5, 9)[0]["scores"]) == 2


def test_a_mask_is_read_as_the_network_samples_its_own():
    rng = np.random.default_rng(0)
    mask = rng.random((7, 5)).astype(np.float32)
    for _ in range(20):
        box, target = (np.sort(rng.uniform(0, 60, (2, 2)), axis=0).ravel().astype(np.float32) for _ in range(2))
        sampled = sample_masks(*(ops.convert_to_tensor(value[None]) for value in (mask, box, target)), (14, 10), 1)
        np.testing.assert_allclose(on_grid(mask, box, target, (14, 10)), ops.convert_to_numpy(sampled)[0], atol=1e-4)


# --- Views -----------------------------------------------------------------------------------------------------------


def test_views_of_settings():
    assert views_of(TinyConfig()) == [PLAIN]
    both = [PLAIN, MIRRORED, View(False, 2.0), View(True, 2.0)]
    assert views_of(TinyConfig(TEST_FLIP=True, TEST_SCALES=(1, 2))) == both
    assert network_config(TinyConfig(TEST_FLIP=True)).IMAGE_RESIZE_MODE == "square"
    config = TinyConfig(TEST_SCALES=(1.0, 1.5))
    assert network_config(config).IMAGE_RESIZE_MODE == "rectangle" and config.IMAGE_RESIZE_MODE == "square"
    cropped = TinyConfig(TEST_SCALES=(1.0, 1.5), IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=128, IMAGE_MAX_DIM=512)
    assert network_config(cropped).IMAGE_SHAPE.tolist() == cropped.IMAGE_SHAPE.tolist() == [128, 128, 3]


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.75])
def test_a_view_holds_the_photo_where_its_window_says(scale):
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 255, (5, 9, 3)), np.ones((10, 10, 1))).astype(np.uint8)  # 50 x 90, even squares
    placed = place_image(image, None, 128, 0, "square")
    canvas, window = place_view(image, View(False, scale), placed)
    mirrored, mirrored_window = place_view(image, View(True, scale), placed)
    np.testing.assert_array_equal(mirrored, canvas[:, ::-1])
    assert window.scale[1] == pytest.approx(scale * placed[1].scale[1], rel=0.02)
    for y, x in ((0, 0), (2, 5), (4, 8)):
        box = np.array([[y * 10 + 4, x * 10 + 4, y * 10 + 6, x * 10 + 6]], np.float32)
        for picture, place, source in ((canvas, window, image), (mirrored, mirrored_window, image[:, ::-1])):
            top, left, bottom, right = place.to_canvas(box)[0]
            middle = picture[int((top + bottom) / 2), int((left + right) / 2)]
            np.testing.assert_array_equal(middle, source[y * 10 + 5, x * 10 + 5])


# --- With a network --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    # Built for canvases of several shapes; a random network that finds something at any size.
    config = TinyConfig(TEST_SCALES=(1.0, 1.5), TEST_FLIP=True, IMAGE_RESIZE_MODE="rectangle")
    return MaskRCNN("inference", config, str(tmp_path_factory.mktemp("logs")))


def photos():
    return [Squares().load(1, seed=s, size=size).load_image(0) for s, size in enumerate(((64, 64), (50, 64)))]


def test_one_plain_view_is_detect_as_it_was(model):
    from mrcnn.inference.detector import unmold

    model.config.set(TEST_FLIP=False, TEST_SCALES=(1.0,))
    try:
        for image, result in zip(photos(), model.detect(photos())):
            canvas, window = place_image(image, model.config.IMAGE_MIN_DIM, model.config.IMAGE_MAX_DIM, 0, "rectangle")
            outputs = model.predict(canvas[None], window.box[None])
            expected = unmold({name: value[0] for name, value in outputs.items()}, window, image.shape[:2])
            assert len(expected["scores"])
            for name in ("rois", "class_ids", "masks"):
                np.testing.assert_array_equal(result[name], expected[name])
            for name in ("boxes", "scores"):  # alone and in a batch, convolutions add up in another order
                np.testing.assert_allclose(result[name], expected[name], rtol=1e-5, atol=1e-5)
    finally:
        model.config.set(TEST_FLIP=True, TEST_SCALES=(1.0, 1.5))


class Symmetric:
    """Stands for the inference graph: finds bright columns and rows, the same ones in a mirrored picture."""

    def __call__(self, canvases, windows, min_confidence):
        result = {name: [] for name in ("boxes", "class_ids", "scores", "valid", "masks")}
        for canvas in canvases:
            bright = (canvas.max(axis=-1) > 200) & (canvas.min(axis=-1) < 200)
            ys, xs = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
            result["boxes"].append([[ys[0], xs[0], ys[-1] + 1, xs[-1] + 1]])
            result["class_ids"].append([1])
            result["scores"].append([0.8])
            result["valid"].append([True])
            result["masks"].append(np.full((1, 4, 4), 0.9))
        return {name: np.array(value, np.float32 if name in ("boxes", "scores", "masks") else None)
                for name, value in result.items()}


def test_a_mirrored_photo_gives_the_mirrored_result(model, monkeypatch):
    monkeypatch.setattr(model, "predict", Symmetric())
    image = photos()[1]
    result, mirrored = model.detect([image, image[:, ::-1].copy()], soft_masks=True)
    assert len(result["scores"]) == 1 and result["scores"] == pytest.approx([0.8])
    width = image.shape[1]
    y1, x1, y2, x2 = result["boxes"][0]
    np.testing.assert_allclose(mirrored["boxes"], [[y1, width - x2, y2, width - x1]], atol=1e-4)
    np.testing.assert_allclose(mirrored["soft_masks"][:, ::-1], result["soft_masks"], atol=1e-5)
    true = np.argwhere(image.max(axis=-1) > 200)
    np.testing.assert_allclose(result["boxes"][0], [*true.min(axis=0), *(true.max(axis=0) + 1)], atol=0.7)


class Sided(Symmetric):
    """Class 1 is what lies on the left of the canvas, class 2 what lies on its right."""

    def __call__(self, canvases, windows, min_confidence):
        result = super().__call__(canvases, windows, min_confidence)
        centres = result["boxes"][:, :, 1] + result["boxes"][:, :, 3]
        return {**result, "class_ids": np.where(centres < canvases.shape[2], 1, 2)}


def test_names_of_left_and_right_make_views_agree(model, monkeypatch):
    image = np.full((64, 64, 3), 250, np.uint8)
    image[20:40, 4:24, 1] = 0
    monkeypatch.setattr(model, "predict", Sided())
    for names, expected in ((["BG", "left eye", "right eye"], [0.8]), (None, [0.4, 0.4])):
        monkeypatch.setattr(model, "class_names", names)
        (result,) = model.detect([image], min_confidence=0.1)
        assert result["scores"] == pytest.approx(expected) and 1 in result["class_ids"]


def test_merging_real_views_keeps_what_detect_promises(model):
    results = model.detect(photos(), soft_masks=True, min_confidence=0.02)
    for image, result in zip(photos(), results):
        count = len(result["scores"])
        assert result["masks"].shape == image.shape[:2] + (count,) and (np.diff(result["scores"]) <= 0).all()
        assert (result["boxes"] >= 0).all() and (result["boxes"][:, 2:] <= image.shape[:2]).all()
        assert count <= model.config.DETECTION_MAX_INSTANCES


def test_the_threshold_holds_for_the_mean(model, monkeypatch):
    results = model.detect(photos(), min_confidence=0.05)
    assert all((one["scores"] >= 0.05).all() for one in results)
    asked, predict = [], model.predict

    def listening(canvases, windows, min_confidence):
        asked.append(min_confidence)
        return predict(canvases, windows, min_confidence)

    monkeypatch.setattr(model, "predict", listening)
    model.detect(photos()[:1], min_confidence=0.6)
    model.detect(photos()[:1], min_confidence=0.01)
    assert sorted(set(asked)) == [0.01, VIEW_CONFIDENCE]  # a view is asked for less than the mean has to have
