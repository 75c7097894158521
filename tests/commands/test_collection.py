"""The command `collection label`, with a model that finds drawn garments; stopped and killed as a user's would be."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import h5py
import pytest

pytest.importorskip("pyarrow")

from garments import CLASSES, GarmentFinder, counts_of, expected_counts, rows_of, write_photos  # noqa: E402
from PIL import Image  # noqa: E402

from mrcnn.commands import collection as command  # noqa: E402
from mrcnn.commands.main import main  # noqa: E402

COUNT = 12
SLOW = """
import functools, sys
import garments
from mrcnn.commands import collection
from mrcnn.commands.main import main

def slow_finder(path, options, overrides):
    return garments.GarmentFinder(delay=0.1, batch=1)

collection.load_model = slow_finder
collection.load_finder = slow_finder
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def checkpoint(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(CLASSES)
    return str(tmp_path / "weights.h5")


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos", COUNT)


@pytest.fixture
def run(monkeypatch, checkpoint, tmp_path, photos):
    """A function (arguments) -> (exit code, model, or None if none was made)."""
    def run(*arguments, output="out"):
        made = []
        monkeypatch.setattr(command, "load_model", lambda *_: made.append(GarmentFinder()) or made[-1])
        code = main(["collection", "label", str(tmp_path / "photos"), "--weights", checkpoint, "--output",
                     str(tmp_path / output), "--shard-size", "5", *arguments])
        return code, made[0] if made else None

    return run


def test_a_second_run_does_what_is_missing_and_nothing_else(run, tmp_path, photos, capsys):
    code, model = run()
    assert code == 0 and model.seen == COUNT
    objects = sum(expected_counts(photos).values())
    assert f"{objects} objects in 12 photos; 3 shards are written to " in capsys.readouterr().out
    rows = rows_of(tmp_path / "out")
    assert counts_of(rows) == expected_counts(photos)
    assert run() == (0, None) and "3 of 3 shards are done; 0 photos are new." in capsys.readouterr().out
    os.remove(tmp_path / "out" / "shard-000001.parquet")
    code, model = run("--batch-size", "4")  # of which rows do not depend
    assert (code, model.seen) == (0, 5) and rows_of(tmp_path / "out") == rows
    Image.new("RGB", (60, 40), "white").save(tmp_path / "photos" / "another.png")
    code, model = run()
    assert (code, model.seen) == (0, 1) and rows_of(tmp_path / "out")[:-1] == rows
    assert "3 of 3 shards are done; 1 photos are new." in capsys.readouterr().out


def test_a_limit_first_and_the_rest_later(run, tmp_path, photos):
    assert run("--limit", "3")[1].seen == 3
    assert run()[1].seen == COUNT - 3
    assert counts_of(rows_of(tmp_path / "out")) == expected_counts(photos)


def test_other_weights_and_settings_are_refused(run, checkpoint, capsys):
    assert run("--limit", "1")[0] == 0
    for changed, named in ((["--min-confidence", "0.3"], "settings"), (["--set", "TEST_FLIP=True"], "settings"),
                           (["--tile", "512"], "tile"), (["--matte", "black"], "matte")):
        assert run(*changed) == (2, None)
        assert f"was labelled with {named}" in capsys.readouterr().err
    with h5py.File(checkpoint, "a") as file:
        file.attrs["epoch"] = 2
    assert run() == (2, None)
    assert "was labelled with weights" in capsys.readouterr().err


def test_unreadable_photos_are_told_and_a_collection_of_nothing_else_is_no_success(run, tmp_path, photos, capsys):
    (tmp_path / "photos" / "photo-01.png").write_bytes(b"no photo")
    assert run()[0] == 0
    assert "1 of 12 photos cannot be read; the column error says why, as: " in capsys.readouterr().err
    for name in photos:
        (tmp_path / "photos" / name).write_bytes(b"no photo")
    assert run(output="none")[0] == 2
    assert {row["error"] is None for row in rows_of(tmp_path / "none")} == {False}


def test_a_folder_without_photos_and_an_output_that_cannot_be(run, tmp_path, photos, capsys):
    (tmp_path / "file").write_text("")
    assert run(output="file/out") == (2, None)
    assert "file/out" in capsys.readouterr().err
    for name in photos:
        os.remove(tmp_path / "photos" / name)
    assert run() == (2, None) and "holds no photos: give a folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# --- Stopped and killed ----------------------------------------------------------------------------------------------


@pytest.fixture
def start(tmp_path, checkpoint, photos):
    """A function (arguments) -> Popen of a process that labels slowly, in a group of its own."""
    (tmp_path / "slow.py").write_text(SLOW)
    started = []

    def start(*arguments):
        root = pathlib.Path(__file__).parent.parent
        environment = {**os.environ, "PYTHONPATH": f"{root.parent}{os.pathsep}{root}{os.pathsep}{tmp_path}"}
        started.append(subprocess.Popen(
            [sys.executable, str(tmp_path / "slow.py"), "collection", "label", str(tmp_path / "photos"), "--weights",
             checkpoint, "--output", str(tmp_path / "out"), "--shard-size", "2", *arguments], env=environment,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            # What was started in the background of a shell ignores it, and so would the command.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def shards_of(folder):
    return [name for name in os.listdir(folder) if name.endswith(".parquet")] if folder.is_dir() else []


def wait_for(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.02)


def children_of(number):
    """Numbers of the worker processes of a process."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = entry.read_text().rpartition(")")[2].split()[1]
            words = (entry.parent / "cmdline").read_text()
        except OSError:
            continue
        if parent == str(number) and "spawn_main" in words:
            found.append(int(entry.parent.name))
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are looked for in /proc")
@pytest.mark.parametrize("number, workers", [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGKILL, 1),
                                             (signal.SIGINT, 2), (signal.SIGTERM, 2), (signal.SIGKILL, 2)])
def test_stopped_it_loses_no_shard_and_the_same_command_ends_the_work(start, run, tmp_path, photos, number, workers):
    out = tmp_path / "out"
    process = start("--workers", str(workers))
    wait_for(lambda: len(shards_of(out)) >= 2 or process.poll() is not None)
    children = children_of(process.pid)
    assert process.poll() is None and len(children) == (workers if workers > 1 else 0), process.communicate()
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number], errors
    wait_for(lambda: not any(os.path.isdir(f"/proc/{child}") for child in children))
    left = shards_of(out)
    assert 2 <= len(left) < COUNT // 2
    if number != signal.SIGKILL:
        assert errors == "interrupted; what is done stays, and the same command does the rest\n"
        assert not [name for name in os.listdir(out) if name.endswith(".partial")]
    written = {name: os.stat(out / name).st_mtime_ns for name in left}
    code, model = run()
    assert code == 0 and model.seen == COUNT - 2 * len(left)
    assert {name: os.stat(out / name).st_mtime_ns for name in left} == written
    rows = rows_of(out)
    assert counts_of(rows) == expected_counts(photos)  # each photo once
    assert run(output="unbroken")[0] == 0
    assert sorted(rows, key=str) == sorted(rows_of(tmp_path / "unbroken"), key=str)
    assert not [name for name in os.listdir(out) if name.endswith(".partial")]


def test_other_weights_beside_the_same_graph_are_another_collection(tmp_path):
    options = SimpleNamespace(tile=None, tile_overlap=None, matte=None)
    graph, keys = tmp_path / "model.xml", set()
    graph.write_text("<net/>")
    for name, text in ((".bin", "one"), (".bin", "two"), (".xml.json", "{}")):
        (tmp_path / f"model{name}").write_text(text)
        keys.add(command.identity_of(options, str(graph), {})["weights"])
    assert len(keys) == 3
