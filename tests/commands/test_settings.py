"""Settings of runs: what a command finds out of the network that --weights names."""

import argparse
import json
import os
import sys

import h5py
import pytest
from exported_json import LABELS, OBJECTS

from mrcnn.commands.main import build_parser
from mrcnn.commands.program import Program
from mrcnn.commands.runs import checkpoint_of
from mrcnn.commands.settings import base_config, finds_objects, overrides_of, written_by


@pytest.mark.parametrize("about, finds", [(LABELS, False), (OBJECTS, True), (None, True)])
def test_the_json_file_of_an_exported_file_says_whether_it_finds_objects(about, finds, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mrcnn.architectures", None)  # which brings Keras in
    (tmp_path / "model.onnx").write_bytes(b"")
    if about is not None:  # without its JSON file it cannot be told, and is refused later
        (tmp_path / "model.onnx.json").write_text(json.dumps(about))
    assert finds_objects(argparse.Namespace(weights=str(tmp_path / "model.onnx"))) == finds


@pytest.mark.parametrize("architecture, name, value", [
    ("yolact", "YOLACT_NMS", "greedy"), ("deeplabv3plus", "OUTPUT_STRIDE", 8), ("mask-rcnn", "TEST_FLIP", True)])
def test_settings_of_an_exported_file_are_those_of_its_own_network(architecture, name, value, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    (tmp_path / "model.onnx").write_bytes(b"")
    about = {**(LABELS if name == "OUTPUT_STRIDE" else OBJECTS), "architecture": architecture}
    (tmp_path / "model.onnx.json").write_text(json.dumps(about))
    options = argparse.Namespace(weights=str(tmp_path / "model.onnx"), set=[f"{name}={value}"], annotations=["a"],
                                 program=Program())
    assert overrides_of(options) == {name: value}  # who opens the file tells what is built in
    assert hasattr(base_config(options), name)


@pytest.mark.parametrize("command", ["train", "evaluate", "label"])
def test_the_last_run_is_that_of_the_name_that_is_set(command, tmp_path, recwarn):
    """The program's own is there too, and it is the newer one."""
    paths = {name: tmp_path / f"{name}20270101T0000" / f"net_{name}_0001.h5" for name in ("shop", "fashion")}
    for time, (name, path) in enumerate(paths.items()):
        path.parent.mkdir()
        with h5py.File(path, "w") as file:
            file.attrs["mrcnn_architecture"] = "unet" if name == "shop" else "mask-rcnn"
        os.utime(path, (time, time))
    words = [command, "--weights", "last", "--logs", str(tmp_path)]
    for more, name in (([], "fashion"), (["--set", "NAME=shop"], "shop"), (["--set", "NAME=Shop"], "shop")):
        options = build_parser().parse_args([*words, *more])
        assert checkpoint_of(options) == str(paths[name])
        assert written_by(options)["architecture"] == ("unet" if name == "shop" else "mask-rcnn")
        assert finds_objects(options) == (name == "fashion")
        overrides_of(options)
    for none in ("shoes", "2027"):  # the latter no text, as --set reads it
        with pytest.raises(FileNotFoundError, match=f"No checkpoint of a run named {none} in .* another name .* has"):
            checkpoint_of(build_parser().parse_args([*words, "--set", f"NAME={none}"]))
    assert not recwarn.list  # the name has an effect
