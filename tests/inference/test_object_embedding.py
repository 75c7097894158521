"""A network that tells embeddings finds what it found without, and says what it cannot."""

import types

import numpy as np
import pytest

from mrcnn.architectures.mask_rcnn import MaskRCNN
from mrcnn.errors import UsageError
from mrcnn.inference.object_embedding import with_embeddings
from tests.tiny import TinyConfig

pytestmark = pytest.mark.usefixtures("eagerly")


def test_each_object_has_its_own_and_all_else_is_as_before(tmp_path):
    model = MaskRCNN("inference", TinyConfig(), str(tmp_path))
    rng = np.random.default_rng(1)
    photos = [rng.integers(0, 255, shape, np.uint8) for shape in ((64, 64, 3), (40, 64, 3))]
    telling = with_embeddings(model)
    for plain, told in zip(model.detect(photos, rle=True), telling.detect(photos, rle=True)):
        embeddings = told.pop("embeddings")
        assert embeddings.shape == (len(plain["scores"]), TinyConfig.TOP_DOWN_PYRAMID_SIZE)
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
        assert plain["rles"] == told["rles"] and set(plain) == set(told)
        np.testing.assert_allclose(plain["scores"], told["scores"], atol=1e-6)
    assert "embedding" not in model.inference_model.output  # the model itself is left as it is
    [tiled] = telling.detect_tiled(photos[:1], tile=64, scale=1.5)
    assert len(tiled["embeddings"]) == len(tiled["scores"]) > 0
    telling.config.set(TEST_FLIP=True)
    [seen_twice] = telling.detect(photos[:1], rle=True)
    assert len(seen_twice["embeddings"]) == len(seen_twice["scores"]) > 0


def test_what_cannot_tell_them_is_told_of():
    with pytest.raises(UsageError, match="exported file does not show: give --weights the checkpoint"):
        with_embeddings(types.SimpleNamespace())
    layers = [types.SimpleNamespace(name=f"fpn_p{level}") for level in range(2, 6)]
    other = types.SimpleNamespace(inference_model=types.SimpleNamespace(layers=layers),
                                  architecture_name=lambda: "yolact")
    with pytest.raises(UsageError, match="not of yolact: give --weights a checkpoint of that"):
        with_embeddings(other)
