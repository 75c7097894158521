"""Attributes in words, and what detect() tells of them, in every way of looking at a photo and after a checkpoint."""

import numpy as np
import pytest
from tiny import Squares, TinyConfig

from mrcnn.architectures import load
from mrcnn.inference.attributes import with_words, words_of
from mrcnn.model import MaskRCNN
from mrcnn.training.stages import select_layers

pytestmark = pytest.mark.usefixtures("eagerly")

NAMES = ["large", "small", "bright"]


class SizedSquares(Squares):
    """Squares that are large or small; all are bright."""

    attribute_names = {5: "bright", 2: "large", 7: "small"}

    def object_attributes(self, image_id):
        return [[5, 2 if self.shape_of(image_id)[3] > 22 else 7]]


class SizedConfig(TinyConfig):
    ATTRIBUTES = NAMES
    ATTRIBUTE_PAIRS = [[], [0, 1, 2], [0, 1], [2]]
    ATTRIBUTE_MIN_CONFIDENCE = 0.0
    IMAGES_PER_GPU = 1


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return MaskRCNN("training", SizedConfig(), str(tmp_path_factory.mktemp("logs")))


def test_words_by_hand():
    scores = np.array([0.5, 0.0, 0.9], np.float32)
    assert list(words_of(scores, NAMES, 0.5).items()) == [("bright", pytest.approx(0.9)), ("large", 0.5)]
    assert words_of(scores, NAMES, 0.6) == {"bright": pytest.approx(0.9)}
    assert len(words_of(scores, NAMES, 0.0)) == 2  # what a class cannot have is not named
    assert with_words({"scores": [1]}, None, 0.5) == {"scores": [1]}


@pytest.mark.parametrize("flip", [False, True])
def test_detections_are_described(model, flip):
    model.config.TEST_FLIP = flip
    photo = SizedSquares().load(1).load_image(0)
    result = model.detect([photo], rle=True)[0]
    model.config.TEST_FLIP = False
    scores = result["attribute_scores"]
    assert scores.shape == (len(result["scores"]), 3) and len(scores) > 3
    for class_id, row, words in zip(result["class_ids"], scores, result["attributes"], strict=True):
        known = {NAMES[i] for i in SizedConfig.ATTRIBUTE_PAIRS[class_id]}
        assert set(words) == known == {NAMES[i] for i in np.flatnonzero(row)}
        assert list(words.values()) == sorted(row[row > 0].tolist(), reverse=True)
    model.config.ATTRIBUTE_MIN_CONFIDENCE = 0.99
    assert model.detect([photo], rle=True)[0]["attributes"] == [{}] * len(scores)
    model.config.ATTRIBUTE_MIN_CONFIDENCE = 0.0


def test_tiles_are_described(model):
    photo = np.tile(SizedSquares().load(1).load_image(0), (2, 2, 1))
    result = model.detect_tiled([photo], 64, whole=True)[0]
    assert len(result["attributes"]) == len(result["scores"]) == len(result["attribute_scores"]) > 0
    assert all(words for words in result["attributes"])


def test_a_run_learns_and_a_checkpoint_knows_them(tmp_path):
    dataset = SizedSquares().load(1)
    model = MaskRCNN("training", SizedConfig(), str(tmp_path))
    assert "mrcnn_attribute" in select_layers(model.training_model, "heads", False)
    before = np.asarray(model.training_model.get_layer("mrcnn_attribute").kernel).copy()
    history = model.train(dataset, dataset, 0.01, 1, "all")
    assert history.history["val_mrcnn_attribute_loss"][0] > 0
    assert (np.asarray(model.training_model.get_layer("mrcnn_attribute").kernel) != before).any()
    again = load(model.checkpoint_path.format(epoch=1))
    assert again.config.ATTRIBUTES == NAMES and again.config.ATTRIBUTE_PAIRS == SizedConfig.ATTRIBUTE_PAIRS
    photo = dataset.load_image(0)
    ours, theirs = model.detect([photo])[0], again.detect([photo])[0]
    np.testing.assert_allclose(ours["attribute_scores"], theirs["attribute_scores"], atol=1e-5)
