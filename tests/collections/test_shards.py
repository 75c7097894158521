"""One shard, with a model that finds drawn garments exactly."""

import hashlib
import os
import pathlib
import threading

import pytest

pytest.importorskip("pyarrow")

from full_disk import full_disk  # noqa: E402
from garments import GarmentFinder, counts_of, expected_counts, rows_of, write_photos  # noqa: E402
from web_folder import served  # noqa: E402

from mrcnn.collections import shards  # noqa: E402
from mrcnn.collections.rows import COLUMNS  # noqa: E402
from mrcnn.collections.shards import Job, write_shard  # noqa: E402
from mrcnn.errors import DataError, RunError  # noqa: E402

NAMES = [f"photo-{number:02d}.png" for number in range(7)]


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos", len(NAMES))


@pytest.mark.parametrize("batch", [1, 3, 10])
def test_all_photos_in_their_order_and_unreadable_ones_with_the_reason(tmp_path, photos, batch):
    good = (tmp_path / "photos" / NAMES[2]).read_bytes()
    (tmp_path / "photos" / NAMES[2]).write_bytes(good[:60])
    (tmp_path / "photos" / NAMES[4]).unlink()
    done = []
    counts = write_shard(str(tmp_path / "out" / "a.parquet"), NAMES, Job(str(tmp_path / "photos"), "key"),
                         GarmentFinder(batch=batch), done.append)
    rows = rows_of(tmp_path / "out")
    assert list(rows[0]) == list(COLUMNS) and [name for name in dict.fromkeys(row["photo"] for row in rows)] == NAMES
    expected = {**expected_counts(photos), NAMES[2]: 0, NAMES[4]: 0}
    assert counts_of(rows) == expected and done[-1] == len(NAMES)
    assert (counts.photos, counts.objects, counts.unreadable) == (7, sum(expected.values()), 2)
    cut, gone = ([row for row in rows if row["photo"] == NAMES[number]] for number in (2, 4))
    assert cut[0]["sha256"] == hashlib.sha256(good[:60]).hexdigest() and gone[0]["sha256"] is None
    assert "photo-02.png" in cut[0]["error"] and "No such file" in gone[0]["error"]
    assert counts.example == cut[0]["error"]
    for row in rows:
        if row["error"] is None:
            assert row["sha256"] == hashlib.sha256((tmp_path / "photos" / row["photo"]).read_bytes()).hexdigest()
            assert (row["height"], row["width"]) == (40, 60) and row["hash"] is not None


def test_a_shard_of_unreadable_photos_needs_no_network(tmp_path):
    model = GarmentFinder()
    counts = write_shard(str(tmp_path / "a.parquet"), ["x.jpg", "y\udcff.jpg"], Job(str(tmp_path), "key"), model)
    assert counts.unreadable == 2 and model.seen == 0
    assert [row["photo"] for row in rows_of(tmp_path)] == ["x.jpg", "y\\udcff.jpg"]


def test_the_network_looks_at_the_next_photo_while_what_it_found_is_described(tmp_path, photos, monkeypatch):
    later, describe, waited = threading.Event(), shards.photo_rows, []

    class Finder(GarmentFinder):
        def find(self, image):
            if self.seen:
                later.set()
            return super().find(image)

    def photo_rows(*arguments):
        waited.append(later.wait(20))
        return describe(*arguments)

    monkeypatch.setattr(shards, "photo_rows", photo_rows)
    write_shard(str(tmp_path / "out" / "a.parquet"), NAMES, Job(str(tmp_path / "photos"), "key"), Finder(batch=1))
    assert waited == [True] * len(NAMES) and counts_of(rows_of(tmp_path / "out")) == expected_counts(photos)


def test_a_full_disk_leaves_nothing(tmp_path, photos):
    path = tmp_path / "out" / "a.parquet"
    with full_disk(500), pytest.raises(DataError, match="a.parquet: cannot write the file .*disk space"):
        write_shard(str(path), NAMES, Job(str(tmp_path / "photos"), "key"), GarmentFinder())
    assert os.listdir(pathlib.Path(path).parent) == []


def test_photos_in_a_parquet_file_are_labelled_as_files_are(tmp_path, photos):
    import pyarrow
    from pyarrow import parquet

    from mrcnn.collections.sources import list_collection

    data = [(tmp_path / "photos" / name).read_bytes() for name in NAMES]
    parquet.write_table(pyarrow.table({"image": [{"bytes": one, "path": name} for one, name in zip(data, NAMES)]}),
                        tmp_path / "photos.parquet")
    root, names = list_collection([str(tmp_path / "photos.parquet")])
    for output, folder, listed in (("a", str(tmp_path / "photos"), NAMES), ("b", root, names)):
        write_shard(str(tmp_path / output / "s.parquet"), listed, Job(folder, "key"), GarmentFinder())
    expected, rows = rows_of(tmp_path / "a"), rows_of(tmp_path / "b")
    assert [{**row, "photo": row["photo"].rpartition("/")[2]} for row in rows] == expected


@pytest.fixture
def storage(tmp_path, photos):
    """The photos at an address, and what they are served by."""
    pytest.importorskip("aiohttp")
    with served(tmp_path / "photos") as server:
        yield server


def test_photos_at_an_address_are_labelled_as_files_are(tmp_path, photos, storage):
    (tmp_path / "photos" / NAMES[4]).unlink()
    storage.forbidden.add(NAMES[2])
    counts = write_shard(str(tmp_path / "out" / "s.parquet"), NAMES, Job(storage.address, "key"), GarmentFinder())
    rows = rows_of(tmp_path / "out")
    assert counts_of(rows) == {**expected_counts(photos), NAMES[2]: 0, NAMES[4]: 0} and counts.unreadable == 2
    errors = {row["photo"]: row["error"] for row in rows if row["error"]}
    assert "403" in errors[NAMES[2]] and f"{storage.address}/{NAMES[4]}: does not exist" in errors[NAMES[4]]


def test_a_storage_that_is_down_is_no_fault_of_the_photos(tmp_path, storage, monkeypatch):
    monkeypatch.setattr(shards, "LOST", 3)
    path = tmp_path / "out" / "s.parquet"

    class Finder(GarmentFinder):
        def find(self, image):
            storage.down = self.seen >= 1
            return super().find(image)

    with pytest.raises(RunError, match="3 photos in a row cannot be had, as: http.*503.*the same command does"):
        write_shard(str(path), [*NAMES, *NAMES], Job(storage.address, "key"), Finder(batch=1))
    assert not path.exists()
    with pytest.raises(RunError, match="1 photos in a row"):  # all of the shard
        write_shard(str(path), NAMES[:1], Job(storage.address, "key"), Finder(batch=1))
    # Addresses in a list may be of many servers, some of which are gone for good.
    counts = write_shard(str(path), [f"{storage.address}/{name}" for name in NAMES], Job(str(tmp_path), "key"),
                         GarmentFinder())
    assert counts.unreadable == len(NAMES)
