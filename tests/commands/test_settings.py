"""Settings of runs: what a command finds out of the network that --weights names."""

import argparse
import json
import sys

import pytest
from exported_json import LABELS, OBJECTS

from mrcnn.commands.program import Program
from mrcnn.commands.settings import base_config, finds_objects, overrides_of


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
