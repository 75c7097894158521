"""Features of photos: of one pass with what is found, and of the photo alone, not of what pads it."""

import types

import numpy as np
import pytest

from mrcnn.architectures.mask_rcnn import MaskRCNN
from mrcnn.errors import UsageError
from mrcnn.inference.embedding import Embedder, _mean
from tests.tiny import TinyConfig

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return MaskRCNN("inference", TinyConfig(), str(tmp_path_factory.mktemp("logs")))


@pytest.mark.parametrize("mask_scores", [False, True])
def test_one_pass_gives_what_two_give(model, monkeypatch, mask_scores):
    monkeypatch.setattr(model.config, "MASK_SCORES", mask_scores)
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 255, shape + (3,), np.uint8) for shape in ((64, 64), (40, 64), (64, 64))]
    embedder = Embedder(model)
    rows = embedder.found(photos, 0.05)
    np.testing.assert_allclose(np.stack([features for _, features in rows]), embedder.features(photos), atol=1e-5)
    for (found, _), expected in zip(rows, model.detect(photos, rle=True, min_confidence=0.05)):
        np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-6)
        assert found["rles"] == expected["rles"]


def test_padding_is_no_part_of_the_photo():
    # A map of 4 x 4 over a canvas of 64 x 64: the photo fills 16 to 48 of the rows, the two rows in the middle.
    values = np.zeros((4, 4, 2), np.float16)
    values[1], values[2], values[0] = 1, 3, 1000
    window = types.SimpleNamespace(box=np.array([16, 0, 48, 64], np.float32))
    assert _mean(values, (64, 64, 3), window).tolist() == [2, 2]
    thin = types.SimpleNamespace(box=np.array([17, 0, 18, 64], np.float32))
    assert _mean(values, (64, 64, 3), thin).tolist() == [1, 1]


def test_an_exported_file_is_told_of():
    with pytest.raises(UsageError, match="give --weights the checkpoint"):
        Embedder(types.SimpleNamespace())
