"""Settings of runs: what a command finds out of the network that --weights names."""

import argparse
import json
import sys

import pytest

from mrcnn.commands.settings import finds_objects

ABOUT = {"format": "onnx", "inputs": {"image": {}}, "settings": {}, "architecture": "unet"}


@pytest.mark.parametrize("outputs, finds", [(["probabilities"], False), (["boxes", "scores"], True), (None, True)])
def test_the_json_file_of_an_exported_file_says_whether_it_finds_objects(outputs, finds, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mrcnn.architectures", None)  # which brings Keras in
    (tmp_path / "model.onnx").write_bytes(b"")
    if outputs is not None:  # without its JSON file it cannot be told, and is refused later
        (tmp_path / "model.onnx.json").write_text(json.dumps({**ABOUT, "outputs": dict.fromkeys(outputs)}))
    assert finds_objects(argparse.Namespace(weights=str(tmp_path / "model.onnx"))) == finds
