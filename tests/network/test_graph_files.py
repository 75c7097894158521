"""Files that scripts write and read by the graph itself, in Keras' own way."""

import keras
import numpy as np
import pytest
from tiny_semantic import TinySemantic, TinySettings

from mrcnn.errors import CheckpointError, ConfigError, DataError
from mrcnn.network.graph_files import GraphWithFiles


@pytest.fixture
def model(tmp_path):
    model = TinySemantic("training", TinySettings(), str(tmp_path / "logs"))
    model.class_names = ["BG", "red", "green", "blue"]
    return model


def other(tmp_path, mode="inference"):
    """A network with zeros for weights."""
    network = TinySemantic(mode, TinySettings(), str(tmp_path / "logs"))
    for variable in network.training_model.weights:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    return network


def same(one, two):
    pairs = zip(one.training_model.get_weights(), two.training_model.get_weights(), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


def test_a_plain_file_is_a_checkpoint_of_ours(model, tmp_path, capsys):
    path = str(tmp_path / "mask_rcnn_shapes.h5")
    model.keras_model.save_weights(path)
    again = TinySemantic.from_checkpoint(path)
    assert same(again, model) and again.class_names == model.class_names
    capsys.readouterr()
    for options in ({}, {"by_name": True}, {"skip_mismatch": True}):
        for mode in ("training", "inference"):
            zeros = other(tmp_path, mode)
            folder = zeros.log_dir
            zeros.keras_model.load_weights(path, **options)
            assert same(zeros, model) and zeros.log_dir == folder and zeros.epoch == 0
            assert f"{path}: " in capsys.readouterr().out
    with pytest.raises(DataError, match="mask_rcnn_shapes.h5 is there already.*overwrite=True"):
        model.keras_model.save_weights(path, overwrite=False)
    with pytest.raises(TypeError, match="takes by_name and skip_mismatch, not objects_to_skip"):
        model.keras_model.load_weights(path, objects_to_skip=[])
    open(path, "w").close()
    with pytest.raises(CheckpointError, match="mask_rcnn_shapes.h5"):
        model.keras_model.load_weights(path)


def test_whole_models_are_refused_with_what_to_write(model, tmp_path):
    path = str(tmp_path / "whole.keras")
    for graph in (model.keras_model, model.inference_model):
        with pytest.raises(DataError, match="whole.keras: .*could not load again: save_weights.'NAME.h5'.*mrcnn.load"):
            graph.save(path)
    keras.Model.save(model.keras_model, path)  # as scripts of before may have
    with pytest.raises(CheckpointError, match="whole.keras is an archive.*keras_model.load_weights"):
        model.load_weights(path)
    zeros = other(tmp_path, "training")
    zeros.keras_model.load_weights(path)
    assert same(zeros, model)


def test_files_of_keras_stay_keras_own(model, tmp_path):
    path = str(tmp_path / "best.weights.h5")
    model.keras_model.save_weights(path)
    zeros = other(tmp_path, "training")
    zeros.keras_model.load_weights(path)
    assert same(zeros, model)
    zeros = other(tmp_path)
    zeros.load_weights(path)
    assert same(zeros, model)
    with pytest.raises(ValueError, match=r"must end in `\.weights\.h5`"):
        model.keras_model.save_weights(str(tmp_path / "best.keras"))


def test_a_graph_without_a_segmenter_is_as_keras_has_it(tmp_path):
    image = keras.Input((2,))
    graph = GraphWithFiles(image, keras.layers.Dense(1)(image))
    with pytest.raises(ValueError, match=r"must end in `\.weights\.h5`"):
        graph.save_weights(str(tmp_path / "best.h5"))


def test_layers_are_found_by_their_old_names_or_near_ones_are_told(model):
    for graph in (model.training_model, model.inference_model):
        layer = graph.get_layer("label_logits")
        assert layer.name == "label_logits" and graph.get_layer(index=0) is graph.layers[0]
        with pytest.raises(ConfigError, match="no layer 'label_logit': take label_logits, .*model.inference_model"):
            graph.get_layer("label_logit")
        model.renamed = {"label_logit": ("logits", "label_logits")}
        assert graph.get_layer("label_logit") is layer
        del model.renamed
