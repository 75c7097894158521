import os

import h5py
import keras
import numpy as np
import pytest
from full_disk import full_disk
from tiny import TinyConfig

from mrcnn.errors import CheckpointError, DataError
from mrcnn.network.backbones import normalisation
from mrcnn.network.mask_rcnn import build_mask_rcnn
from mrcnn.network.mask_rcnn_layout import MASK_RCNN
from mrcnn.weights import files as weights


def build(**settings):
    return build_mask_rcnn(TinyConfig(**settings))[0]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return build()


@pytest.fixture
def saved(model, tmp_path):
    path = str(tmp_path / "weights.h5")
    weights.write_weights(path, model, {"mrcnn_epoch": 3})
    return path


def values(model):
    return {v.path: np.asarray(v) for v in model.weights}


def test_reading_gives_back_every_bit(model, saved):
    other = build()
    report = weights.load_weights(saved, other)
    assert not report.missing and not report.unused
    assert len(report.loaded) == len(weights.weighted_layers(model)) > 20
    for (path, a), b in zip(values(model).items(), values(other).values()):
        np.testing.assert_array_equal(a, b, err_msg=path)
    assert weights.read_attributes(saved)["epoch"] == 3


def test_the_file_has_matterports_layout(saved):
    with h5py.File(saved) as file:
        assert file["rpn_model/rpn_conv_shared/kernel:0"].shape == (3, 3, 16, 16)
        assert file["mrcnn_class_conv1/mrcnn_class_conv1/kernel:0"].shape == (7, 7, 16, 32)
        assert file["mrcnn_class_conv2/mrcnn_class_conv2/kernel:0"].shape == (1, 1, 32, 32)
        assert "rpn_model" in list(file.attrs["layer_names"])
        assert list(file["fpn_p2"].attrs["weight_names"]) == ["fpn_p2/kernel:0", "fpn_p2/bias:0"]


def test_a_file_of_keras_own_is_read_by_the_names_that_it_has(model, tmp_path):
    path, other = str(tmp_path / "x.weights.h5"), build()
    model.save_weights(path)
    report = weights.load_weights(path, other)
    assert not report.missing and not report.unused
    for (name, a), b in zip(values(model).items(), values(other).values()):
        np.testing.assert_array_equal(a, b, err_msg=name)
    # Of versions of Keras that write no names.
    with h5py.File(path, "a") as file:
        del file["layers/conv2d_1/vars"].attrs["name"]
    with pytest.raises(CheckpointError, match="Keras' own save_weights .* by model.save_weights"):
        weights.load_weights(path, other)


def test_nesting_under_model_weights_is_read_too(saved, tmp_path):
    nested = str(tmp_path / "nested.h5")
    with h5py.File(saved) as source, h5py.File(nested, "w") as target:
        group = target.create_group("model_weights")
        for key in source:
            source.copy(key, group)
    assert not weights.load_weights(nested, build()).missing


def test_softmax_objectness_becomes_the_same_sigmoid(saved):
    rng = np.random.default_rng(0)
    with h5py.File(saved, "r+") as file:
        group = file["rpn_model/rpn_class_raw"]
        kernel, bias = rng.normal(size=(1, 1, 16, 6)).astype("float32"), rng.normal(size=6).astype("float32")
        for name, value in (("kernel:0", kernel), ("bias:0", bias)):
            del group[name]
            group[name] = value
    model = build()
    weights.load_weights(saved, model)
    x = rng.normal(size=16)
    pairs = (x @ kernel[0, 0] + bias).reshape(3, 2)
    softmax = np.exp(pairs[:, 1]) / np.exp(pairs).sum(1)
    own = [np.asarray(v) for v in model.get_layer("rpn_class_raw").weights]
    np.testing.assert_allclose(1 / (1 + np.exp(-(x @ own[0][0, 0] + own[1]))), softmax, rtol=1e-5)


def damaged(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def test_refusals_name_the_layer_and_leave_the_network_alone(saved):
    model = build()
    before = values(model)

    def rename(file):
        file.move("fpn_p3", "fpn_p3x")
        file.move("fpn_p3x/fpn_p3", "fpn_p3x/fpn_p3x")

    def reshape(file):
        del file["fpn_p2/fpn_p2/bias:0"]
        file["fpn_p2/fpn_p2/bias:0"] = np.zeros(7, "float32")

    damaged(saved, rename)
    with pytest.raises(weights.CheckpointError, match=r"1 missing \(fpn_p3\); 1 unused \(fpn_p3x\)"):
        weights.load_weights(saved, model)
    damaged(saved, reshape)
    with pytest.raises(weights.CheckpointError, match=r"fpn_p2/bias is \[7\] in the file, \[16\] in the network"):
        weights.load_weights(saved, model, by_name=True)
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, before[name])
    report = weights.load_weights(saved, model, by_name=True, exclude=["fpn_p2"])
    assert report.missing == ["fpn_p3"] and report.excluded == ["fpn_p2"] and "fpn_p4" in report.loaded


def test_nan_is_refused(saved):
    def poison(file):
        file["fpn_p2/fpn_p2/bias:0"][3] = np.nan

    damaged(saved, poison)
    with pytest.raises(weights.CheckpointError, match="fpn_p2/bias holds NaN"):
        weights.load_weights(saved, build())


def test_excluded_names_have_to_be_layers(model, saved):
    kept = build()
    before = values(kept)
    report = weights.load_weights(saved, kept, by_name=True, exclude="mrcnn_class_logits")  # one name, not its letters
    assert report.excluded == ["mrcnn_class_logits"]
    assert all(np.array_equal(before[key], value) for key, value in values(kept).items() if "mrcnn_class_logits" in key)
    for wrong in (["mrcnn_clas_logits"], ["mrcnn_class_logits", "mrcnn_.*"]):
        with pytest.raises(CheckpointError, match="exclude= names no layer of .*'mrcnn_(clas_|[.][*])"):
            weights.load_weights(saved, kept, by_name=True, exclude=wrong)
    weights.load_weights(saved, kept, by_name=True, exclude=["mrcnn_bbox", "fpn_p2"])  # Matterport's, without weights
    # By the name of their group, as Matterport's scripts have it, beside other layers of its own without weights.
    before = values(kept)
    for variable in model.get_layer("rpn_conv_shared").weights:
        variable.assign(np.asarray(variable) + 1)
    weights.write_weights(saved, model)
    report = weights.load_weights(saved, kept, by_name=True, exclude=["rpn_model", "ROI", "input_image", "output_rois"])
    assert report.excluded == ["rpn_bbox_pred", "rpn_class_raw", "rpn_conv_shared"]
    assert all(np.array_equal(before[key], value) for key, value in values(kept).items() if "rpn_" in key)
    with pytest.raises(CheckpointError, match="'rpn_modle' .near: rpn_model"):
        weights.load_weights(saved, kept, by_name=True, exclude=["rpn_modle"])


def test_other_classes_need_their_layers_excluded(saved):
    model = build(NUM_CLASSES=7)
    with pytest.raises(weights.CheckpointError, match="mrcnn_.*exclude|mrcnn_.*Exclude"):
        weights.load_weights(saved, model)
    report = weights.load_weights(saved, model, by_name=True, exclude=model.layout.class_layers)
    assert set(report.excluded) == {"mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"}


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.97])
def test_truncated_files_are_refused_by_name(saved, share):
    size = os.path.getsize(saved)
    with open(saved, "r+b") as file:
        file.truncate(int(size * share))
    with pytest.raises(weights.CheckpointError, match="weights.h5"):
        weights.load_weights(saved, build())


def test_files_of_nothing_known_are_refused(tmp_path):
    with pytest.raises(weights.CheckpointError, match="nowhere.h5 does not exist"):
        weights.read_layers(str(tmp_path / "nowhere.h5"))
    other = str(tmp_path / "other.h5")
    with h5py.File(other, "w") as file:
        file["dense/dense/kernel:0"] = np.zeros((2, 2))
    with pytest.raises(weights.CheckpointError, match="none of its 1 layers"):
        weights.load_weights(other, build(), by_name=True)


def test_a_failed_write_leaves_the_old_file(model, saved):
    with pytest.raises(TypeError):
        weights.write_weights(saved, model, {"mrcnn_epoch": object()})
    assert weights.read_attributes(saved)["epoch"] == 3
    assert os.listdir(os.path.dirname(saved)) == ["weights.h5"]


def test_a_full_disk_leaves_the_old_file(model, saved):
    message = r"weights\.h5: cannot write the file \(.*\): check rights and disk space"
    with full_disk(os.path.getsize(saved) // 2), pytest.raises(DataError, match=message):
        weights.write_weights(saved, model, {"mrcnn_epoch": 4})
    assert weights.read_attributes(saved)["epoch"] == 3 and len(weights.read_layers(saved)) > 20
    assert os.listdir(os.path.dirname(saved)) == ["weights.h5"]


class Unnamed(keras.layers.Layer):
    """Two weights without names, as ConvNeXt's LayerScale has one: Keras counts them over the whole process."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="random_normal")
        self.shift = self.add_weight(shape=(shape[-1],), initializer="random_normal")

    def call(self, x):
        return x * self.scale + self.shift


def unnamed():
    """A network of such a layer, and of a nested model in which two layers have a kernel and a bias each."""
    nested = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(2)], name="nested")
    model = keras.Sequential([keras.Input((2,)), Unnamed(name="own"), nested])
    return model


def test_weights_without_names_go_by_their_place(tmp_path):
    path, first = str(tmp_path / "w.h5"), unnamed()
    for _ in range(12):  # numbers of one and of two digits
        unnamed()
    model = unnamed()
    assert [w.name for w in model.layers[0].weights] != [w.name for w in first.layers[0].weights]
    assert weights.weight_names(model.layers[0]) == ["variable", "variable_1"]
    assert weights.weight_names(model.layers[1]) == ["kernel", "bias", "kernel_2", "bias_2"]
    weights.write_weights(path, model)
    assert not weights.load_weights(path, first).missing
    for a, b in zip(first.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(a, b)
    # As earlier versions wrote them: the numbers that Keras gave, which HDF5 sorts as texts.
    with h5py.File(path, "a") as file:
        for old, new in (("variable", "variable_9"), ("variable_1", "variable_10")):
            file.move(f"own/own/{old}:0", f"own/own/{new}:0")
    again = unnamed()
    weights.load_weights(path, again)
    for a, b in zip(again.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_layers_of_earlier_versions_are_found_under_the_names_of_now(tmp_path):
    path = str(tmp_path / "w.h5")

    def network(*names):
        return keras.Sequential([keras.Input((2,)), *(keras.layers.Dense(2, name=name) for name in names)])

    old, new = network("se_block_9", "se_block_10"), network("backbone_seblock_1", "backbone_seblock_2")
    weights.write_weights(path, old)
    assert weights.load_weights(path, new).loaded == ["backbone_seblock_1", "backbone_seblock_2"]
    for a, b in zip(old.get_weights(), new.get_weights()):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(CheckpointError, match="none of its 2 layers"):  # of another number of layers: not guessed
        weights.load_weights(path, network("backbone_seblock_1"))


def test_a_training_state_is_no_checkpoint_and_the_one_beside_it_is_named(tmp_path):
    path = str(tmp_path / "x_0001.state.h5")
    with h5py.File(path, "w") as file:
        file.attrs["stage"] = "{}"
        file.create_group("optimizer")
    for read in (weights.read_attributes, weights.settings_of):
        with pytest.raises(CheckpointError, match="x_0001.state.h5 is the state of the optimizer.*: give the check"):
            read(path)
    (tmp_path / "x_0001.h5").write_bytes(b"")
    with pytest.raises(CheckpointError, match="state of the optimizer beside .*: give .*/x_0001.h5"):
        weights.settings_of(path)


def normed(norm, bias=True):
    """A convolution with a norm."""
    convolution = keras.layers.Conv2D(16, 1, use_bias=bias, name="mrcnn_mask_conv1")
    return keras.Sequential([keras.Input((2, 2, 16)), convolution, normalisation(norm, None, "mrcnn_mask_bn1")])


def test_weights_that_the_network_has_no_place_for_are_not_dropped_in_silence(tmp_path):
    path, grouped = str(tmp_path / "w.h5"), normed("group")
    weights.write_weights(path, normed("batch"))
    before = values(grouped)
    for options in ({}, {"by_name": True}):
        with pytest.raises(CheckpointError, match="mrcnn_mask_bn1 has .*moving_mean.*gamma, beta alone.*HEAD_NORM"):
            weights.load_weights(path, grouped, **options)
    for name, value in values(grouped).items():
        np.testing.assert_array_equal(value, before[name])
    report = weights.load_weights(path, grouped, by_name=True, fitting=True)
    assert (report.loaded, report.mismatched) == (["mrcnn_mask_conv1"], ["mrcnn_mask_bn1"])
    assert "1 mismatched (mrcnn_mask_bn1)" in str(report)
    report = weights.load_weights(path, grouped, by_name=True, exclude=["mrcnn_mask_bn1"])
    assert (report.loaded, report.excluded) == (["mrcnn_mask_conv1"], ["mrcnn_mask_bn1"])
    with pytest.raises(CheckpointError, match="mrcnn_mask_conv1 has bias, kernel where this network has kernel alone"):
        weights.load_weights(path, normed("batch", bias=False), by_name=True)


def proposals(anchors, scores=1):
    """The last two layers of a proposal head."""
    cells = keras.Input((1, 1, 4))
    model = keras.Model(cells, [keras.layers.Conv2D(count * anchors, 1, name=name)(cells)
                                for name, count in (("rpn_class_raw", scores), ("rpn_bbox_pred", 4))])
    model.layout = MASK_RCNN
    return model


@pytest.mark.parametrize("written, own", [((6, 1), (3, 1)), ((3, 2), (6, 1)), ((6, 1), (3, 2))])
def test_scores_of_other_anchors_are_no_pairs_though_they_are_as_many(written, own, tmp_path):
    path = str(tmp_path / "w.h5")
    weights.write_weights(path, proposals(*written))
    model = proposals(*own)
    before = values(model)
    with pytest.raises(CheckpointError, match="rpn_class_raw is of other anchors, as rpn_bbox_pred tells"):
        weights.load_weights(path, model, by_name=True, exclude=["rpn_bbox_pred"])
    with pytest.raises(CheckpointError, match="none of its 2 layers"):
        weights.load_weights(path, model, by_name=True, fitting=True)
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, before[name])
    weights.write_weights(path, proposals(3, 2))  # Matterport's
    assert not weights.load_weights(path, proposals(3, 1)).missing
