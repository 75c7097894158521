"""`detect` and `label` over a folder: stopped in any way, --resume gives what an unbroken command gives."""

import json
import os
import pathlib
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mrcnn.commands.photo_run import PhotoRun
from mrcnn.outputs import MARK

PHOTOS = 9
# A command whose model finds the bright square of a photo. KILL: after so many calls it ends as the word behind says.
PROGRAM = """
import os, signal, sys
from types import SimpleNamespace
import numpy as np
from mrcnn.commands import detect, label
from mrcnn.commands.main import main
from mrcnn.data.run_lengths import encode

calls, (kill, how) = [0], os.environ["KILL"].split(":")

class Finder:
    class_names = ["BG", "hat"]
    config = SimpleNamespace(BATCH_SIZE=2, NUM_CLASSES=2, LABEL_REFINE="none", TEST_FLIP=False, TEST_SCALES=(1.0,))

    def detect(self, images, rle=True):
        calls[0] += 1
        if calls[0] > int(kill):
            if how == "interrupt":
                raise KeyboardInterrupt
            os.kill(os.getpid(), int(how))
        results = []
        for image in images:
            mask = image[..., 0] > 100
            rows, columns = np.nonzero(mask)
            box = np.float32([[rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]])
            # The last digits depend on what is looked at together.
            score = np.float32([0.5 + mask.sum() / 1e4 / len(images)])
            results.append({"boxes": box, "class_ids": np.int32([1]), "scores": score, "rles": [encode(mask)],
                            "mask_probabilities": np.ones((1, 4, 4), np.float32)})
        return results

    def label_each(self, images, probabilities=True, settings=None):
        for image in self.detect(images) and images:
            yield {"labels": (image[..., 0] > 100).astype(np.uint8)}

detect.load_model = label.load_model = lambda path, options, overrides: Finder()
sys.exit(main(sys.argv[1:]))
"""


def write_photos(folder):
    folder.mkdir()
    for i in range(PHOTOS):
        image = np.zeros((40, 60, 3), np.uint8)
        image[10:12 + 2 * i, 5 + i:25 + i] = 200
        Image.fromarray(image).save(folder / f"{i}.png")
    (folder / "4.png").write_bytes(b"no picture")
    return str(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with photos, "in", and two weight files of other content."""
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder / "in")
    for name in ("a.h5", "b.h5"):
        (folder / name).write_bytes(name.encode())
    return folder


def run(place, command, output, *more, kill=99, how="9", weights="a.h5"):
    """(exit code, stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, command, "--weights", str(place / weights), "--image", str(place / "in"),
         "--output", str(output), *more], capture_output=True, text=True,
        env={**os.environ, "KILL": f"{kill}:{int(how) if how != 'interrupt' else how}",
             "PYTHONPATH": str(pathlib.Path(__file__).parents[2])})
    return done.returncode, done.stdout, done.stderr


def content(folder):
    """{name: content} of what was written, less the lists of it, whose lines may come in another order."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MARK and path.suffix != ".jsonl"}


@pytest.mark.parametrize("command, how, code", [
    ("detect", signal.SIGKILL, -9), ("detect", signal.SIGTERM, 143), ("label", signal.SIGKILL, -9),
    ("label", "interrupt", 130)])
def test_stopped_and_resumed_it_gives_what_it_gives_unbroken(place, tmp_path, command, how, code):
    assert run(place, command, tmp_path / "unbroken")[0] == 2  # one photo cannot be read
    ended, _, errors = run(place, command, tmp_path / "out", "--resume", kill=3, how=how)  # after 3 of 5 batches
    assert ended == code
    if code > 0:
        assert "interrupted; of a folder of photos what is done stays, and --resume goes on with it" in errors
    before = content(tmp_path / "out")
    assert 1 <= sum(name[:1].isdigit() for name in before) and "detections.json" not in before
    ended, told, errors = run(place, command, tmp_path / "out", "--resume")
    assert ended == 2 and f"of {PHOTOS} photos are done." in told
    assert errors.count("skipped: ") == 1 and "4.png" in errors  # told though it may have been looked at before
    unbroken, resumed = content(tmp_path / "unbroken"), content(tmp_path / "out")
    assert resumed == unbroken and len(unbroken) > 8
    ended, told, errors = run(place, command, tmp_path / "out", "--resume", kill=0)  # the network is not asked again
    assert ended == 2 and f"{PHOTOS} of {PHOTOS} photos are done." in told and "4.png" in errors
    assert content(tmp_path / "out") == unbroken


def test_other_weights_or_settings_than_those_begun_with_are_refused(place, tmp_path):
    run(place, "detect", tmp_path / "out", kill=3)
    before = content(tmp_path / "out")
    for more, weights, said in [((), "b.h5", "begun with weights"), (("--min-confidence", "0.2"), "a.h5", "settings"),
                                (("--drawings", "none"), "a.h5", "begun with drawings all, not none")]:
        code, _, errors = run(place, "detect", tmp_path / "out", "--resume", *more, weights=weights)
        assert code == 2 and said in errors and "leave --resume out to begin anew" in errors
        assert errors.count("\n") == 1
    assert content(tmp_path / "out") == before


def test_without_drawings_the_results_are_the_same(place, tmp_path):
    run(place, "detect", tmp_path / "all")
    _, told, _ = run(place, "detect", tmp_path / "none", "--drawings", "none")
    written = content(tmp_path / "none")
    assert list(written) == ["detections.json"] and "detections.json is in" in told
    assert written["detections.json"] == content(tmp_path / "all")["detections.json"]
    assert len(json.loads(written["detections.json"])) == PHOTOS - 1
    run(place, "label", tmp_path / "maps", "--drawings", "none")
    assert sorted(content(tmp_path / "maps")) == [*(f"{i}.png" for i in range(PHOTOS) if i != 4), "label_names.txt"]


def test_what_changed_since_is_looked_at_again(place, tmp_path):
    for name in ("in", "a.h5"):
        os.symlink(place / name, tmp_path / name) if name == "a.h5" else write_photos(tmp_path / name)
    run(tmp_path, "detect", tmp_path / "out")
    before = content(tmp_path / "out")
    os.replace(tmp_path / "in" / "8.png", tmp_path / "in" / "4.png")  # the photo that could not be read is there now
    (tmp_path / "out" / "1.png").unlink()  # a drawing that was lost
    code, told, errors = run(tmp_path, "detect", tmp_path / "out", "--resume")
    # Batches 0 1, 2 3, 4 5, 6 7 of eight photos: those of 1 and of 4 are looked at, the others are done.
    assert code == 0 and "4 of 8 photos are done." in told and errors == ""
    after = content(tmp_path / "out")
    assert after["1.png"] == before["1.png"] and "4.png" in after
    assert len(json.loads(after["detections.json"])) == 8


@pytest.mark.parametrize("photos, tile, flip, ready", [
    (1, None, False, True), (12, None, False, True), (13, None, False, False), (1, 512, False, False),
    (6, None, True, True), (7, None, True, False)])  # mirrored too: twice as many looks
def test_a_model_that_runs_a_few_times_is_told(photos, tile, flip, ready):
    told = []
    config = SimpleNamespace(BATCH_SIZE=3, TEST_FLIP=flip, TEST_SCALES=(1.0,))
    model = SimpleNamespace(config=config, skip_compiling=lambda: told.append(True))
    dataset = SimpleNamespace(image_ids=list(range(photos)))
    PhotoRun(SimpleNamespace(tile=tile), dataset, "out", None).make_ready(model)
    assert bool(told) == ready
