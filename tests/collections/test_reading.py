"""What is no collection, and shards that are damaged or of another one, are refused."""

import shutil

import pytest

pytest.importorskip("pyarrow")

from garments import CLASSES, write_collection  # noqa: E402

from mrcnn.collections.reading import Collection, class_names  # noqa: E402
from mrcnn.errors import DataError  # noqa: E402


def test_photos_come_whole_and_in_order(tmp_path):
    people_of = write_collection(tmp_path, 7, shard_size=3)
    read = list(Collection(str(tmp_path / "out")).photos(["photo", "object"]))
    assert [rows[0]["photo"] for _, _, rows in read] == sorted(people_of)
    assert [len(rows) for _, _, rows in read] == [
        max(1, sum(1 + len(garments) for garments in people_of[name])) for name in sorted(people_of)]
    assert [start for _, start, _ in read[:2]] == [0, len(read[0][2])] and read[3][1] == 0  # the second shard begins
    assert class_names(Collection(str(tmp_path / "out"))) == dict(enumerate(CLASSES[1:], start=1))


def test_what_is_no_collection_is_refused(tmp_path):
    with pytest.raises(DataError, match="is no collection .*give what mrcnn collection label wrote"):
        Collection(str(tmp_path))
    write_collection(tmp_path / "one", 3)
    write_collection(tmp_path / "two", 3, seed=1, identity={"weights": "others"})
    shard = tmp_path / "one" / "out" / "shard-000000.parquet"
    shutil.copy(tmp_path / "two" / "out" / "shard-000000.parquet", shard)
    with pytest.raises(DataError, match="shard-000000.parquet is no shard of this collection: move it away"):
        list(Collection(str(tmp_path / "one" / "out")).photos())
    shard.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="shard-000000.parquet cannot be read .*: remove it"):
        list(Collection(str(tmp_path / "one" / "out")).photos())
    shard.unlink()
    with pytest.raises(DataError, match="no shard is done yet"):
        Collection(str(tmp_path / "one" / "out"))
