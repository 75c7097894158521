"""Archives are unpacked once, whole or not at all, into a folder that is ours."""

import os
import warnings
import zipfile

import pytest

from mrcnn.data.formats import archives
from mrcnn.data.formats.archives import MARK, exists, is_archive, split_path, unpacked
from mrcnn.errors import DataError


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return str(path)


def told(path):
    """(folder, texts of the warnings) of unpacking."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        folder = unpacked(path)
    return folder, [str(warning.message) for warning in caught]


def test_an_archive_is_unpacked_once_and_again_when_it_changes(tmp_path):
    path = zipped(tmp_path / "a.zip", a__json=b"old")
    folder, texts = told(path)
    assert folder == f"{path}.unpacked" and (tmp_path / "a.zip.unpacked" / "a.json").read_bytes() == b"old"
    assert len(texts) == 1 and f"unpacked into {folder} (1 files" in texts[0] and "can be removed" in texts[0]
    os.utime(os.path.join(folder, "a.json"), (5, 5))
    assert told(path) == (folder, []) and os.stat(os.path.join(folder, "a.json")).st_mtime == 5
    zipped(tmp_path / "a.zip", b__json=b"new one")
    folder, texts = told(path)
    assert sorted(os.listdir(folder)) == [MARK, "b.json"] and len(texts) == 1


def test_a_folder_of_the_users_stays(tmp_path):
    path = zipped(tmp_path / "a.zip", a__json=b"x")
    (tmp_path / "a.zip.unpacked").mkdir()
    with pytest.raises(DataError, match="a.zip.unpacked: is where .*was not made by this program: move it"):
        unpacked(path)
    (tmp_path / "a.zip.unpacked").rmdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / MARK).write_text('{"version": 0}')
    (tmp_path / "a.zip.unpacked").symlink_to(tmp_path / "other")
    with pytest.raises(DataError, match="move it"):
        unpacked(path)
    assert (tmp_path / "other" / MARK).exists()


def test_nothing_is_left_of_what_is_refused_or_damaged(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json", b"{}" * 500)
        archive.writestr("../b.json", b"{}")
    with pytest.raises(DataError, match="leads out of it"):
        unpacked(path)
    zipped(path, a__json=b"{}" * 500)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"{}{}", b"{}[]") if b"{}{}" in data else data[:45] + b"\xff\xff" + data[47:])
    with pytest.raises(DataError, match="a.zip: is damaged or cut short at a.json"):
        unpacked(path)
    assert os.listdir(tmp_path) == ["a.zip"] and not (tmp_path.parent / "b.json").exists()


def test_names_that_collide_are_told(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with pytest.raises(DataError, match="a.zip: has two members a"):
        unpacked(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("a/b", b"2")
    with pytest.raises(DataError, match="a.zip: has two members a/b"):
        unpacked(path)
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a\n\x1b[31m", b"1")
        archive.writestr("a\n\x1b[31m", b"2")
    with pytest.raises(DataError) as error:
        unpacked(path)
    assert "two members a\\n\\x1b[31m" in str(error.value)


def test_where_nothing_can_be_written_the_cache_is_taken(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", a__json=b"x")
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, texts = told(path)
    assert os.path.dirname(folder) == str(tmp_path / "cache" / "mrcnn") and os.listdir(tmp_path / "cache" / "mrcnn")
    assert folder in texts[0] and told(path) == (folder, [])


def test_what_killed_processes_left_is_removed_after_a_day(tmp_path):
    path = zipped(tmp_path / "a.zip", a__json=b"x")
    for name, age in ((".a.zip.unpacked.17-0123abcd.partial", 2), (".a.zip.unpacked.18-0123abcd.partial", 0),
                      (".b.zip.unpacked.17-0123abcd.partial", 2)):
        (tmp_path / name).mkdir()
        then = os.stat(tmp_path).st_mtime - age * archives.OLD
        os.utime(tmp_path / name, (then, then))
    unpacked(path)
    left = sorted(name for name in os.listdir(tmp_path) if name.endswith(".partial"))
    assert left == [".a.zip.unpacked.18-0123abcd.partial", ".b.zip.unpacked.17-0123abcd.partial"]


def test_a_full_disk_is_told_before(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", a__json=b"x" * 100)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 50}))
    with pytest.raises(DataError, match="has no room for a.json of 100 bytes: free some"):
        unpacked(path)


def test_paths_into_archives(tmp_path):
    path = zipped(tmp_path / "a#b.zip", a__json=b"x")
    assert split_path(path) == (path, None) and split_path(f"{path}#c/d") == (path, "c/d")
    assert split_path(str(tmp_path / "gone#x")) == (str(tmp_path / "gone#x"), None)
    assert is_archive(path) and is_archive(f"{path}#c") and not is_archive(None) and not is_archive(tmp_path)
    assert exists(f"{path}#c") and exists(tmp_path) and not exists(tmp_path / "gone.zip")
