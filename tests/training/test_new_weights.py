"""What drew the weights that a network began with: kept by checkpoints, and through what a network loads."""

import random

import numpy as np
import pytest
from tiny import TinyConfig

from mrcnn.model import MaskRCNN
from mrcnn.training.new_weights import drawn_by, seeded
from mrcnn.weights.files import read_attributes

OTHER = "abacus on a processor, SEED=0"
CLASS_LAYERS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return MaskRCNN("inference", TinyConfig(), str(tmp_path_factory.mktemp("logs")))


@pytest.fixture
def checkpoint(model, tmp_path):
    """A function that writes the network as one that something drew."""

    def write(drawer):
        model.drawn_by = drawer
        model.save_weights(tmp_path / "a.h5")
        model.drawn_by = drawn_by(model.config)
        return str(tmp_path / "a.h5")

    return write


def test_a_new_network_is_drawn_here(model):
    assert model.drawn_by == drawn_by(model.config) and model.drawn_by.endswith("SEED=0")
    assert drawn_by(TinyConfig(SEED=1)) != drawn_by(TinyConfig())


@pytest.mark.parametrize("drawer", [OTHER, None])
def test_a_checkpoint_tells_and_what_goes_on_with_it_keeps_it(drawer, model, checkpoint, tmp_path):
    path = checkpoint(drawer)
    assert read_attributes(path)["drawn_by"] == drawer
    model.load_weights(path)
    assert model.drawn_by == drawer
    model.save_weights(tmp_path / "b.h5")
    assert read_attributes(tmp_path / "b.h5")["drawn_by"] == drawer


def test_parts_of_two_networks_are_known_where_one_drew_both(model, checkpoint):
    own = drawn_by(model.config)
    for drawer, known in ((own, own), (OTHER, None), (None, None)):
        model.load_weights(checkpoint(drawer), exclude=CLASS_LAYERS)
        assert model.drawn_by == known


def test_layers_of_another_network_have_other_numbers_of_the_seed(model, checkpoint, tmp_path):
    path = checkpoint(drawn_by(model.config))
    deeper = MaskRCNN("inference", TinyConfig(MASK_HEAD="points"), str(tmp_path))
    deeper.load_weights(path, by_name=True)
    assert deeper.drawn_by is None


def test_files_in_the_way_of_keras_do_not_tell(model, tmp_path):
    path = tmp_path / "a.weights.h5"
    model.drawn_by = drawn_by(model.config)
    model.training_model.save_weights(path)
    model.training_model.load_weights(path)
    assert model.drawn_by is None
    model.drawn_by = drawn_by(model.config)
    model.load_weights(path)
    assert model.drawn_by is None


def test_python_draws_on_as_if_no_network_had_been_built():
    random.seed(5)
    expected = random.random()
    random.seed(5)
    with seeded(3):
        first = random.random()
    assert random.random() == expected
    with pytest.raises(ValueError), seeded(3):
        np.testing.assert_equal(random.random(), first)
        raise ValueError
