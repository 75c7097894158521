"""The command `serve`: what it refuses before anything is built, and what it tells and hands to the server."""

import json

import h5py
import pytest
from PIL import Image
from stub_server import Stub

from mrcnn.commands import serve as command
from mrcnn.commands.main import main

pytest.importorskip("fastapi")


@pytest.fixture
def checkpoint(tmp_path):
    with h5py.File(tmp_path / "hats_0007.h5", "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(["BG", "hat", "shoe"])
    return str(tmp_path / "hats_0007.h5")


@pytest.fixture
def started(monkeypatch):
    """[(overrides, the application)] of servers that were started, with a model of known answers."""
    seen = []
    monkeypatch.setattr(command, "load_model", lambda path, options, overrides: seen.append(overrides) or Stub())
    monkeypatch.setattr("mrcnn.serving.listening.run", lambda app, listener, timeout: seen.extend((app, timeout)))
    for name in ("MRCNN_API_KEY", "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return seen


def test_a_server_is_told_in_one_line(checkpoint, started, capsys):
    assert main(["serve", "--weights", checkpoint, "--port", "0"]) == 0
    output = capsys.readouterr()
    assert output.out.count("\n") == 1 and output.err == ""
    assert f"Serving {checkpoint} as 'mrcnn' at http://127.0.0.1:" in output.out and "set MRCNN_API_KEY" in output.out
    overrides, app, timeout = started
    service = app.state.service
    assert overrides == {"BATCH_SIZE": 4} and timeout == 60
    assert service.limits.batch_size == 4 and service.served.version == "hats_0007"


def test_options_become_limits(checkpoint, started):
    assert main(["serve", "--weights", checkpoint, "--port", "0", "--batch-size", "2", "--queue", "9", "--wait", "20",
                 "--timeout", "3", "--max-upload", "5", "--max-pixels", "1000", "--max-photos", "6", "--matte", "black",
                 "--min-confidence", "0.3", "--name", "shop"]) == 0
    overrides, app, timeout = started
    limits = app.state.service.limits
    assert (limits.batch_size, limits.queue, limits.wait, limits.timeout) == (2, 9, 0.02, 3) and timeout == 3
    assert (limits.upload, limits.pixels, limits.photos) == (5 << 20, 1000, 6)
    assert overrides == {"BATCH_SIZE": 2, "DETECTION_MIN_CONFIDENCE": 0.3}
    assert app.state.service.served.settings.score_threshold == 0.3  # of label maps
    assert app.state.service.matte == (0, 0, 0) and app.state.service.served.name == "shop"


def test_corrected_tasks_name_the_runs_that_a_training_goes_on_with(checkpoint, started, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("mrcnn.serving.corrected.CorrectedTasks.__init__", lambda self, *given: made.append(given))
    words = ["serve", "--weights", checkpoint, "--port", "0", "--corrected", str(tmp_path / "new")]
    assert main(words) == main([*words, "--set", "NAME=my shop"]) == 0
    assert [last for *_, last in made] == ["--weights last", "--weights last --set 'NAME=my shop'"]


@pytest.mark.parametrize("words, batch, overrides", [
    ((), 8, {"IMAGES_PER_GPU": 8, "GPU_COUNT": 1, "BATCH_SIZE": 8}),
    (("--set", "GPU_COUNT=2"), 16, {"IMAGES_PER_GPU": 8, "GPU_COUNT": 2, "BATCH_SIZE": 16}),
    (("--batch-size", "8"), 8, {"IMAGES_PER_GPU": 8, "BATCH_SIZE": 8}),
])
def test_photos_of_a_device_are_a_batch_size_too(checkpoint, started, words, batch, overrides):
    assert main(["serve", "--weights", checkpoint, "--port", "0", "--set", "IMAGES_PER_GPU=8", *words]) == 0
    assert started[0] == overrides and started[1].state.service.limits.batch_size == batch


@pytest.mark.parametrize("asked, bound", [(300, 300), (100, 200)])
def test_more_pixels_than_pillow_takes(checkpoint, started, monkeypatch, asked, bound):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 200)
    assert main(["serve", "--weights", checkpoint, "--port", "0", "--max-pixels", str(asked)]) == 0
    assert started[1].state.service.limits.pixels == asked and bound == Image.MAX_IMAGE_PIXELS


def test_a_queue_that_holds_fewer_photos_than_a_request_may_have_is_told(checkpoint, started, capsys):
    assert main(["serve", "--weights", checkpoint, "--port", "0", "--queue", "9"]) == 0
    told = capsys.readouterr().err
    assert "--max-photos 16 is more than --queue 9 holds: a request may have 9 photos" in told
    assert "less than the batch size" not in told
    assert main(["serve", "--weights", checkpoint, "--port", "0", "--queue", "9", "--batch-size", "12"]) == 0
    assert "--queue 9 is less than the batch size of 12: no batch is ever full" in capsys.readouterr().err


def test_scores_are_refused_of_a_network_without_objects(checkpoint, monkeypatch, capsys):
    class Labels:
        class_names = ["BG", "hat", "shoe"]

        def architecture_name(self):
            return "unet"

    monkeypatch.setattr(command, "load_model", lambda *_: Labels())
    assert main(["serve", "--weights", checkpoint, "--port", "0", "--min-confidence", "0.3"]) == 2
    assert "--min-confidence is about the scores of objects" in capsys.readouterr().err


def test_other_machines_without_a_key_are_warned_of(checkpoint, started, capsys, monkeypatch):
    assert main(["serve", "--weights", checkpoint, "--host", "0.0.0.0", "--port", "0"]) == 0
    assert "no key is asked for: set MRCNN_API_KEY" in capsys.readouterr().err
    monkeypatch.setenv("MRCNN_API_KEY", "secret")
    assert main(["serve", "--weights", checkpoint, "--host", "0.0.0.0", "--port", "0"]) == 0
    output = capsys.readouterr()
    assert output.err == "" and "asks for the key of MRCNN_API_KEY" in output.out and "secret" not in output.out


@pytest.mark.parametrize("arguments, message", [
    (["--limit", "3"], "--limit: photos come with requests: leave it out"),
    (["--port", "70000"], "--port 70000: cannot listen there"),
    (["--wait", "-1"], "-1 is not within 0 and 10000"),
    (["--max-photos", "0"], "0 is less than 1"),
    (["--photos", "gone"], "--photos gone: no such folder"),
    (["--refine", "sharpen"], "sharpen"),
])
def test_what_cannot_be_is_one_line(checkpoint, started, capsys, arguments, message):
    assert main(["serve", "--weights", checkpoint, "--port", "0", *arguments]) == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.count("\n") == 1 and not started
