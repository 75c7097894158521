"""What folders, patterns, lists and tables hold."""

import os

import pytest

from mrcnn.collections.sources import list_collection
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
