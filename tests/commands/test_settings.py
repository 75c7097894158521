"""Settings of runs: what a command finds out of the network that --weights names."""

import argparse
import json
import sys

import pytest
from exported_json import LABELS, OBJECTS

from mrcnn.commands.settings import finds_objects


@pytest.mark.parametrize("about, finds", [(LABELS, False), (OBJECTS, True), (None, True)])
def test_the_json_file_of_an_exported_file_says_whether_it_finds_objects(about, finds, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mrcnn.architectures", None)  # which brings Keras in
    (tmp_path / "model.onnx").write_bytes(b"")
    if about is not None:  # without its JSON file it cannot be told, and is refused later
        (tmp_path / "model.onnx.json").write_text(json.dumps(about))
    assert finds_objects(argparse.Namespace(weights=str(tmp_path / "model.onnx"))) == finds
