"""The dict of networks: names, classes, and the network of a checkpoint."""

import json
import os
import pathlib
import subprocess
import sys

import h5py
import numpy as np
import pytest
from tiny import Squares, TinyConfig

from mrcnn import architectures
from mrcnn.errors import CheckpointError, ConfigError
from mrcnn.model import MaskRCNN

pytestmark = pytest.mark.usefixtures("eagerly")

ROOT = pathlib.Path(__file__).parent.parent.parent


def test_the_dict_brings_no_keras_in():
    code = "import sys, mrcnn.architectures; print('keras' in sys.modules, 'mrcnn.weights.files' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout.split() == ["False", "True"]


def test_each_name_is_that_of_its_class():
    for name in architectures.ARCHITECTURES:
        assert architectures.class_of(name).architecture_name() == name
    assert architectures.class_of("tiny_semantic:TinySemantic").architecture_name() == "tiny_semantic:TinySemantic"


@pytest.mark.parametrize("name,message", [
    ("mask_rcnn", "No architecture 'mask_rcnn': did you mean mask-rcnn"),
    ("nothing", "No architecture 'nothing': There are mask-rcnn.*package.module:Class"),
    ("no_such_module:Net", "no_such_module:Net cannot be imported .*PYTHONPATH"),
    ("tiny_semantic:Nothing", "tiny_semantic:Nothing cannot be imported .*: name a class that tiny_semantic has"),
    ("tiny:TinyConfig", "tiny:TinyConfig is no subclass of .*Segmenter"),
])
def test_what_is_no_architecture_is_told(name, message):
    with pytest.raises(ConfigError, match=message):
        architectures.class_of(name)


@pytest.mark.parametrize("line, told", [
    ("import no_such_package.inner", "No module named 'no_such_package'.: install the package of no_such_package"),
    ("from os import no_such_name", "ImportError: cannot import name 'no_such_name' .*: mend own_nets.first or what"),
    ("import os; os.no_such_name", "AttributeError: module 'os' has no .*: mend own_nets.first or what it imports"),
    ("import own_nets.second", "No module named 'own_nets.second'.: install the package of own_nets.second"),
    ("import keras_that_is_not_here", "No module named 'keras_that_is_not_here'"),
])
def test_what_the_module_of_an_own_class_lacks_is_told_as_it_is(line, told, tmp_path, monkeypatch):
    (tmp_path / "own_nets").mkdir()
    (tmp_path / "own_nets" / "__init__.py").write_text("")
    (tmp_path / "own_nets" / "first.py").write_text(f"{line}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_nets"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match=f"own_nets.first is found, but what it imports is not .*{told}") as caught:
        architectures.class_of("own_nets.first:Net")
    assert "PYTHONPATH" not in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="No module named 'own_nets.third'.: put the folder of own_nets.third on"):
        architectures.class_of("own_nets.third:Net")


def test_without_keras_a_checkpoint_is_told_as_the_commands_tell_it(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["mrcnn_architecture"] = "mask-rcnn"
        file.attrs["mrcnn_config"] = json.dumps(TinyConfig().to_dict())
    code = ("import sys\n"
            "class Absent:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name.partition('.')[0] in ('keras', 'tensorflow'):\n"
            "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
            "sys.meta_path.insert(0, Absent())\n"
            "import mrcnn\n"
            "try: mrcnn.load(sys.argv[1])\n"
            "except mrcnn.errors.ConfigError as error: print(error)")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "m.h5")], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout.startswith("Keras is not installed here, and only exported files do without: give the path of")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return MaskRCNN("inference", TinyConfig(DETECTION_MIN_CONFIDENCE=0.0), str(tmp_path_factory.mktemp("logs")))


def write_old(path, model, **attributes):
    """A checkpoint as it was before architectures had names: these root attributes, texts as h5py has them, no more."""
    model.save_weights(f"{path}.new")
    with h5py.File(f"{path}.new") as new, h5py.File(path, "w") as file:
        for name in new:
            new.copy(name, file)
        names = ["BG", "red", "green", "blue"]
        file.attrs.update({
            "layer_names": list(new.attrs["layer_names"]), "backend": b"keras", "mrcnn_epoch": 0,
            "mrcnn_version": "0.1", "mrcnn_config": json.dumps(model.config.to_dict()),
            "mrcnn_class_names": json.dumps(names), **attributes})
    return str(path)


@pytest.fixture
def old_file(model, tmp_path):
    return write_old(tmp_path / "old.h5", model)


def test_files_of_before_are_mask_rcnns(model, old_file, tmp_path):
    assert architectures.architecture_of(old_file) == "mask-rcnn"
    image = Squares().load(1, seed=5).load_image(0)
    (expected,) = model.detect([image])
    for again in (architectures.load(old_file, str(tmp_path)), MaskRCNN.from_checkpoint(old_file, str(tmp_path))):
        (result,) = again.detect([image])
        assert again.class_names == ["BG", "red", "green", "blue"]
        for name, value in expected.items():
            np.testing.assert_array_equal(result[name], value)
    assert isinstance(again, MaskRCNN) and hasattr(again, "run_graph")


def test_files_that_carry_nothing_of_ours_are_told(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["dense/dense/kernel:0"] = np.zeros((2, 2))
    with pytest.raises(CheckpointError, match="foreign.h5 carries no settings .*load_weights"):
        architectures.load(str(tmp_path / "foreign.h5"))
    with pytest.raises(CheckpointError, match="torchvision.pth: cannot read the weights"):
        architectures.load("torchvision.pth")


def test_a_file_of_an_architecture_that_is_not_here_is_told(model, tmp_path):
    path = write_old(tmp_path / "theirs.h5", model, mrcnn_architecture="their.nets:Net")
    with pytest.raises(ConfigError, match="their.nets:Net cannot be imported .*PYTHONPATH"):
        architectures.load(path)


class Mine(MaskRCNN):
    """A user's class: its checkpoints are Mask R-CNN's, unless it says otherwise."""


class Other(MaskRCNN):
    architecture = None


def test_subclasses_take_the_checkpoints_of_what_they_extend(old_file, tmp_path):
    assert Mine.architecture_name() == "mask-rcnn"
    assert Other.architecture_name() == f"{__name__}:Other"
    assert type(Other.from_checkpoint(old_file, str(tmp_path))) is Other
