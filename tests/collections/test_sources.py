"""What folders, patterns, lists, tables and tar files hold."""

import io
import os
import tarfile

import pytest

from mrcnn.collections.sources import list_collection, read_bytes
from mrcnn.errors import DataError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "sub/a.PNG", "sub/deep/c.jpeg", "notes.md", ".hidden.jpg", "sub/.cache/d.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "photos"


def test_a_folder_with_its_subfolders(folder):
    with pytest.warns(UserWarning, match="1 files are passed over.*notes.md"):
        assert list_collection([str(folder)]) == (os.path.realpath(folder), ["b.jpg", "sub/a.PNG", "sub/deep/c.jpeg"])
    (folder / "link").symlink_to(folder / "sub")
    with pytest.warns(UserWarning, match="links to folders are not followed: link"):
        assert len(list_collection([str(folder)])[1]) == 3


def test_patterns_lists_tables_and_photos(folder, monkeypatch):
    sub = os.path.realpath(folder / "sub")
    assert list_collection([str(folder / "sub" / "**" / "*.jp*g")]) == (os.path.join(sub, "deep"), ["c.jpeg"])
    assert list_collection([str(folder / "sub/a.PNG"), str(folder / "b.jpg")]) == (
        os.path.realpath(folder), ["b.jpg", "sub/a.PNG"])
    (folder / "list.txt").write_text("sub/a.PNG\n\nb.jpg\nb.jpg\nmissing.jpg\n")
    with pytest.warns(UserWarning, match="1 photos are listed more than once"):
        # What is missing is a row with the reason, later: a list of a million is not refused for one of them.
        assert list_collection([str(folder / "list.txt")])[1] == ["b.jpg", "missing.jpg", "sub/a.PNG"]
    (folder / "table.csv").write_text("id,file_name\n1,b.jpg\n2,\"sub/a.PNG\"\n")
    assert list_collection([str(folder / "table.csv")]) == (os.path.realpath(folder), ["b.jpg", "sub/a.PNG"])
    monkeypatch.chdir(folder)
    assert list_collection(["list.txt"])[0] == os.path.realpath(folder)


def test_what_holds_no_photos_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    (folder / "table.csv").write_text("id,colour\n1,red\n")
    (folder / "bad.txt").write_bytes(b"\xff\xfe\x00")
    for path, message in ((tmp_path / "empty", "holds no photos: give a folder"),
                          (folder / "x*.jpg", "holds no photos"),
                          (folder / "table.csv", "no column of paths: name one"),
                          (folder / "bad.txt", "no list in UTF-8"), (folder / "none.txt", "cannot read the list"),
                          (folder / "none.jpg", "does not exist")):
        with pytest.raises(DataError, match=message) as caught:
            list_collection([str(path)])
        assert str(path) in str(caught.value)
    with pytest.raises(DataError, match="sub is a folder: give one folder alone"):
        list_collection([str(folder / "b.jpg"), str(folder / "sub")])


def write_tar(path, contents, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_photos_in_tar_files(tmp_path):
    write_tar(tmp_path / "b.tar", {"x/2.jpg": b"two", "x/2.json": b"{}", "x/1.jpg": b"one"})
    write_tar(tmp_path / "a.tar", {"x/1.jpg": b"another", "cut.png": b"c" * 600})
    with pytest.warns(UserWarning, match="b.tar: 1 files are passed over.*x/2.json"):
        root, names = list_collection([str(tmp_path / "b.tar"), str(tmp_path / "a.tar")])
    assert (root, names) == (os.path.realpath(tmp_path), ["a.tar/cut.png", "a.tar/x/1.jpg", "b.tar/x/1.jpg",
                                                          "b.tar/x/2.jpg"])
    assert [read_bytes(root, name) for name in names] == [b"c" * 600, b"another", b"one", b"two"]
    for name, message in (("a.tar/x/9.jpg", "a.tar/x/9.jpg: cannot read .*no such file"),
                          ("none.tar/x.jpg", "none.tar/x.jpg: cannot read the photo")):
        with pytest.raises(DataError, match=message):
            read_bytes(root, name)
    with open(tmp_path / "a.tar", "r+b") as file:
        file.truncate(512 + 512 + 512 + 100)  # header and content of the first; header, and some of the second
    with pytest.raises(DataError, match="a.tar/cut.png: cannot read the photo .the tar ends before it"):
        read_bytes(root, "a.tar/cut.png")
    write_tar(tmp_path / "packed.tar", {"1.jpg": b"one"}, "w:gz")
    with pytest.raises(DataError, match="packed.tar: no tar file that can be read .*give it uncompressed"):
        list_collection([str(tmp_path / "packed.tar")])


def test_a_parquet_table_of_paths(folder):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = str(folder / "table.parquet")
    parquet.write_table(pyarrow.table({"id": [1, 2, 3], "photo": ["sub/a.PNG", None, "b.jpg"]}), path)
    assert list_collection([path]) == (os.path.realpath(folder), ["b.jpg", "sub/a.PNG"])
    for table, message in (({"id": [1]}, "no column of paths: name one"),
                           ({"image": [b"bytes"]}, "image holds binary")):
        parquet.write_table(pyarrow.table(table), path)
        with pytest.raises(DataError, match=message):
            list_collection([path])
    (folder / "table.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match="table.parquet: cannot read the table .*: save it anew"):
        list_collection([path])
