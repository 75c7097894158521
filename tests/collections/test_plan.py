"""The folder of a collection: shards, what is refused, and who may write."""

import json
import multiprocessing
import os

import pytest

pytest.importorskip("pyarrow")

import pyarrow  # noqa: E402
import pyarrow.parquet  # noqa: E402

from mrcnn.collections.plan import METADATA, opened  # noqa: E402
from mrcnn.errors import DataError, RunError, UsageError  # noqa: E402

IDENTITY = {"weights": "abc", "settings": {"TEST_SCALES": (1.0, 1.25)}}


def write(path, key):
    pyarrow.parquet.write_table(pyarrow.table({"photo": ["a"]}).replace_schema_metadata({METADATA: key}), path)


def test_shards_are_kept_and_new_photos_come_in_shards_of_their_own(tmp_path):
    folder = str(tmp_path / "out")
    with opened(folder, "/photos", IDENTITY) as plan:
        assert plan.add(["a", "b", "c", "e"], 3) == 4 and plan.shards == [["a", "b", "c"], ["e"]]
        assert plan.missing() == [0, 1]
        write(plan.path(1), plan.key)
        assert plan.missing() == [0]
    with opened(folder, "/photos", IDENTITY) as plan:
        # d, which lies between the old ones, moves none of them; a, which has gone, stays.
        assert plan.add(["b", "c", "d", "e", "f\udcff"], 1) == 2
        assert plan.shards == [["a", "b", "c"], ["e"], ["d"], ["f\udcff"]] and plan.missing() == [0, 2, 3]
    with opened(folder, "/photos", IDENTITY) as plan:
        assert plan.add(["b", "f\udcff"], 7) == 0 and len(plan.shards) == 4


def test_a_photo_that_a_list_once_spelled_otherwise_is_not_new(tmp_path):
    folder, root = str(tmp_path / "out"), os.path.realpath(tmp_path)
    with opened(folder, root, IDENTITY) as plan:
        plan.add(["./a.jpg", f"{root}/b.jpg"], 2)
    with opened(folder, root, IDENTITY) as plan:
        assert plan.add(["a.jpg", "b.jpg", "c.jpg"], 2) == 1 and plan.shards[1] == ["c.jpg"]


@pytest.mark.parametrize("root, changed, message", [
    ("/photos", {"weights": "abd"}, "labelled with weights abc, not abd: give another --output"),
    ("/photos", {"settings": {}}, "labelled with settings"),
    ("/other", {}, "labelled with root /photos, not /other"),
])
def test_other_weights_settings_or_photos_are_refused(tmp_path, root, changed, message):
    with opened(str(tmp_path), "/photos", IDENTITY) as plan:
        plan.add(["a"], 1)
        write(plan.path(0), plan.key)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UsageError, match=message), opened(str(tmp_path), root, {**IDENTITY, **changed}):
        pass
    assert sorted(os.listdir(tmp_path)) == before


def test_a_call_that_finished_no_shard_holds_no_folder(tmp_path):
    with opened(str(tmp_path), "/photos", IDENTITY, {"weights": "/a.h5"}) as plan:
        plan.add(["a", "b"], 1)
    told = pytest.warns(UserWarning, match="was begun with another root, weights and has no finished shard: it is")
    with told, opened(str(tmp_path), "/other", {**IDENTITY, "weights": "abd"}, {"weights": "/b.h5"}) as plan:
        assert plan.shards == []  # names of the other photos are gone
        plan.add(["c"], 1)
        write(plan.path(0), plan.key)
    about = json.loads((tmp_path / "collection.json").read_text())
    assert (about["weights"], about["identity"]["root"], about["identity"]["weights"]) == ("/b.h5", "/other", "abd")
    with pytest.raises(UsageError, match="labelled with root /other"), opened(str(tmp_path), "/photos", IDENTITY):
        pass


def test_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds other files \(thesis.txt\): give a new or empty folder"), opened(
            str(tmp_path), "/photos", IDENTITY):
        pass
    assert os.listdir(tmp_path) == ["thesis.txt"]
    with pytest.raises(UsageError, match="thesis.txt is no folder"), opened(
            str(tmp_path / "thesis.txt"), "/photos", IDENTITY):
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "collection.json").write_text("[]")
    with pytest.raises(UsageError, match="describes no collection: give another folder"), opened(
            str(tmp_path / "other"), "/photos", IDENTITY):
        pass


def test_a_shard_that_is_none_is_named(tmp_path):
    with opened(str(tmp_path), "/photos", IDENTITY) as plan:
        plan.add(["a"], 1)
        write(plan.path(0), "of another")
        with pytest.raises(DataError, match="shard-000000.parquet is no shard of this collection: move it away"):
            plan.missing()
        with open(plan.path(0), "r+b") as file:
            file.truncate(100)
        with pytest.raises(DataError, match="shard-000000.parquet cannot be read .*: remove it, and the same command"):
            plan.missing()


def test_a_damaged_list_of_shards_is_named(tmp_path):
    with opened(str(tmp_path), "/photos", IDENTITY):
        (tmp_path / "shards.jsonl").write_text(json.dumps([1]) + "\n")
    with pytest.raises(DataError, match="shards.jsonl: no list of shards: give another"), opened(
            str(tmp_path), "/photos", IDENTITY):
        pass


def hold(folder, pipe):
    with opened(folder, "/photos", IDENTITY):
        pipe.send(os.getpid())
        pipe.recv()


def test_a_folder_belongs_to_one_process_at_a_time_and_leftovers_go(tmp_path):
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    other = multiprocessing.get_context("fork").Process(target=hold, args=(str(tmp_path), theirs))
    other.start()
    try:
        number = ours.recv()
        with pytest.raises(RunError, match=f"being written by process {number}: wait for its end"), opened(
                str(tmp_path), "/photos", IDENTITY):
            pass
    finally:
        ours.send("go")
        other.join()
    left = tmp_path / ".shard-000000.parquet.99999999-0123abcd.partial"
    left.write_bytes(b"half")
    with opened(str(tmp_path), "/photos", IDENTITY):
        assert not left.exists()
