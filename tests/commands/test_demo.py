"""The command `demo`: what it refuses before anything is built, and what it tells and hands to the page."""

import json

import h5py
import pytest
from stub_server import Stub

from mrcnn.commands import serve as shared
from mrcnn.commands.main import main


@pytest.fixture
def checkpoint(tmp_path):
    with h5py.File(tmp_path / "hats_0007.h5", "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(["BG", "hat", "shoe"])
    return str(tmp_path / "hats_0007.h5")


@pytest.fixture
def started(monkeypatch):
    """[(overrides, page)] of pages that were started, with a model of known answers."""
    seen = []
    monkeypatch.setattr(shared, "load_model", lambda path, options, overrides: seen.append(overrides) or Stub())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("mrcnn.serving.page.make_page_app", lambda page: page)
    monkeypatch.setattr("mrcnn.serving.listening.run", lambda app, listener: seen.append(app))
    return seen


def test_the_address_is_told_in_one_line_once_the_network_is_warm(checkpoint, started, capsys):
    assert main(["demo", "--weights", checkpoint, "--port", "0", "--max-photos", "5", "--matte", "black", "--refine",
                 "guided", "--min-confidence", "0.3"]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("http://127.0.0.1:") and output.out.count("\n") == 1 and output.err == ""
    overrides, page = started
    assert overrides == {"DETECTION_MIN_CONFIDENCE": 0.3} and page.limits.photos == 5 and page.matte == (0, 0, 0)
    assert page.chosen_steps == ["guided"] and page.served.version == "hats_0007"
    assert page.served.model.batches == [1]


def test_other_machines_are_warned_of(checkpoint, started, capsys):
    assert main(["demo", "--weights", checkpoint, "--host", "0.0.0.0", "--port", "0"]) == 0
    assert "other machines reach" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, message", [
    (["--limit", "3"], "--limit: photos come by the page: leave it out"),
    (["--port", "70000"], "--port 70000: cannot listen there"),
    (["--max-photos", "0"], "0 is less than 1"),
    (["--refine", "sharpen"], "sharpen"),
])
def test_what_cannot_be_is_one_line(checkpoint, started, capsys, arguments, message):
    assert main(["demo", "--weights", checkpoint, "--port", "0", *arguments]) == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.count("\n") == 1 and not started
