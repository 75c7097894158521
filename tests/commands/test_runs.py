"""Models of runs: one that looks at photos tile by tile."""

from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn import architectures
from mrcnn.commands import main as fashion
from mrcnn.commands import runs as fashion_runs
from mrcnn.errors import DataError
from tests.tiny import TinyConfig


class Recorder:
    """Stands for a model: remembers how it was asked."""

    class_names, config = ["BG", "hat"], TinyConfig()

    def __init__(self):
        self.asked = []

    def detect(self, images, **options):
        self.asked.append(("whole", len(images), options))

    def detect_tiled(self, images, tile, overlap, **options):
        self.asked.append((tile, overlap, len(images), options))

    def label_each_tiled(self, images, tile, overlap, **options):
        self.asked.append(("labels", tile, overlap, len(images), options))


@pytest.fixture
def model(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(architectures, "load", lambda *arguments, **settings: recorder)
    return recorder


@pytest.mark.parametrize("command", ["detect", "evaluate", "label"])
def test_each_command_can_look_at_tiles(model, command):
    parser = fashion.build_parser()
    plain = fashion_runs.load_model("w.h5", parser.parse_args([command]), {})
    assert plain is model
    for words, expected in ((["--tile", "512"], (512, 0.25)), (["--tile", "640", "--tile-overlap", "0.5"], (640, 0.5))):
        tiled = fashion_runs.load_model("w.h5", parser.parse_args([command, *words]), {})
        tiled.detect([np.zeros((9, 9, 3), np.uint8)], rle=True)
        assert model.asked.pop() == (*expected, 1, {"rle": True})
        tiled.label_each([np.zeros((9, 9, 3), np.uint8)], probabilities=False)
        assert model.asked.pop() == ("labels", *expected, 1, {"probabilities": False})
        # One photo at a time; the tiles of it go in batches of the model's own size.
        assert tiled.config.BATCH_SIZE == 1 and model.config.BATCH_SIZE == 2 and tiled.class_names == ["BG", "hat"]


@pytest.mark.parametrize("command", ["train", "tune"])
def test_training_knows_no_tiles(model, command):
    options = SimpleNamespace(logs="logs", command=command)
    assert fashion_runs.load_model("w.h5", options, {}) is model


@pytest.mark.parametrize("words, message", [
    (["--tile", "32"], "tile=32: give the side of a tile in whole pixels, 64 or more"),
    (["--tile", "512", "--tile-overlap", "0.95"], "overlap=0.95: give a share"),
])
def test_tiles_that_cannot_be_show_before_the_network_is_built(monkeypatch, words, message):
    monkeypatch.setattr(architectures, "load", None)
    options = fashion.build_parser().parse_args(["detect", *words])
    with pytest.raises(DataError, match=message):
        fashion_runs.load_model("w.h5", options, {})
