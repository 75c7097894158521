"""Addresses taken apart and put together, and what is said where they cannot be opened."""

import importlib
import os
import sys

import pytest

from mrcnn.collections import storage
from mrcnn.errors import DataError, UsageError

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory():
    """fsspec's filesystem in memory, empty before and after."""
    filesystem = fsspec.filesystem("memory")
    for when in range(2):
        for name in filesystem.find(""):
            filesystem.rm(name)
        if not when:
            yield filesystem


@pytest.mark.parametrize("path, answer", [
    ("s3://bucket/a.jpg", True), ("zip://*.jpg::s3://b/a.zip", True), ("simplecache::https://h/a.jpg", True),
    ("photos/a.jpg", False), ("a::b.jpg", False), ("C:/photos", False), ("/x://y", False), ("", False)])
def test_what_is_an_address(path, answer):
    assert storage.is_address(path) is answer


@pytest.mark.parametrize("root, name, place", [
    ("/photos", "a/b.jpg", "/photos/a/b.jpg"), ("/photos", "/other/b.jpg", "/other/b.jpg"),
    ("/photos", "file:///other/b%20c.jpg", "/other/b c.jpg"), ("/photos", "s3://b/a.jpg", "s3://b/a.jpg"),
    ("s3://b/d", "a/b.jpg", "s3://b/d/a/b.jpg"), ("s3://b/d/", "a.jpg", "s3://b/d/a.jpg"),
    ("memory://", "a.jpg", "memory://a.jpg"), ("zip://d::s3://b/a.zip", "a.jpg", "zip://d/a.jpg::s3://b/a.zip")])
def test_names_below_a_root(root, name, place):
    assert storage.called(root, storage.plain(name)) == place


@pytest.mark.parametrize("path, end", [
    ("a/b.JPG", ".jpg"), ("https://h/b.png?size=1.5", ".png"), ("https://h.com", ".com"), ("s3://b/x?.tar", ".tar"),
    ("zip://a.tar::s3://b/c.zip", ".tar"), ("folder.d/name", "")])
def test_the_ending_of_an_address(path, end):
    assert storage.ending(path) == end


def test_files_in_memory(memory):
    memory.pipe({"/photos/b.jpg": b"bb", "/photos/sub/a.png": b"0123456789", "/photos.jpg": b"other"})
    assert storage.files_below("memory://photos") == storage.files_below("memory:///photos/") == [
        "b.jpg", "sub/a.png"]
    assert storage.matching("memory://photos/*/*.png") == ["memory://photos/sub/a.png"]
    assert storage.matching("memory://*.jpg") == ["memory://photos.jpg"]
    place = storage.place_of("memory://photos", "sub/a.png")
    assert (storage.read(place), storage.read_part(place, 3, 4)) == (b"0123456789", b"3456")
    assert storage.read_part(place, 8, 4) == b"89"
    with storage.opened(place) as file:
        assert file.read(2) == b"01"
    assert storage.is_file(place) and not storage.is_file(storage.place_of("memory://photos", "sub"))
    assert storage.is_folder("memory://photos") and not storage.is_folder("memory://photos.jpg")


def test_what_is_not_there_or_not_to_be_had_is_named(memory, monkeypatch):
    place = storage.place_of("memory://photos", "none.jpg")
    with pytest.raises(DataError, match="memory://photos/none.jpg: does not exist, or may not be seen") as caught:
        storage.read(place)
    assert not isinstance(caught.value, storage.Unreached)
    with pytest.raises(DataError, match="memory://none: does not exist"):
        storage.is_folder("memory://none")

    def refuse(*_, **__):
        raise PermissionError("Access Denied\n(403)")

    monkeypatch.setattr(type(memory), "cat_file", refuse)
    with pytest.raises(storage.Unreached, match=r"none.jpg: cannot be read \(Access Denied \(403\)\): check network"):
        storage.read(place)


def test_a_bucket_that_is_not_there(monkeypatch):
    s3fs = pytest.importorskip("s3fs")

    async def refuse(*_, **__):
        raise FileNotFoundError("The specified bucket does not exist")

    monkeypatch.setattr(s3fs.S3FileSystem, "_info", refuse)
    with pytest.raises(DataError, match="s3://none/photos: does not exist.*The specified bucket does not exist"):
        storage.is_folder("s3://none/photos")


def test_packages_that_are_missing_and_unknown_protocols_are_named(monkeypatch):
    from fsspec.registry import register_implementation

    register_implementation("gone", "no_such_package.Filesystem", errtxt="Install no_such_package to go")
    with pytest.raises(UsageError, match="^gone://a/b.jpg: .* package for gone:// .Install no_such_package to go"):
        storage.check(["/a.jpg", "gone://a/b.jpg"])
    with pytest.raises(UsageError, match="^nothing://x: fsspec knows no such protocol"):
        storage.check(["nothing://x"])
    with pytest.raises(UsageError, match="^zip://a::nothing://x: fsspec knows no such protocol"):
        storage.check(["zip://a::nothing://x"])
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r'memory://x: addresses need the package fsspec: pip install "mrcnn-keras\['):
        storage.check(["memory://x"])


@pytest.mark.parametrize("address, package, module", [
    ("s3://b/a.jpg", "s3fs", "s3fs"), ("gs://b/a.jpg", "gcsfs", "gcsfs"), ("abfs://c/a.jpg", "adlfs", "adlfs"),
    ("az://c/a.jpg", "adlfs", "adlfs"), ("https://h/a.jpg", "aiohttp", "fsspec.implementations.http")])
def test_the_package_of_each_storage_service_is_named(monkeypatch, address, package, module):
    protocol = address.partition(":")[0]
    known = importlib.import_module("fsspec.registry")._registry  # of what was imported before
    monkeypatch.delitem(known, protocol, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf"^{address}: fsspec needs another package for {protocol}:// .*: pip install "
                                         rf"{package}\.$"):
        storage.check([address])


def test_passwords_are_not_written_into_collections():
    with pytest.raises(UsageError, match="^ftp://...@host/a.jpg: .*password") as caught:
        storage.check(["ftp://me:secret@host/a.jpg"])
    assert "secret" not in str(caught.value)
    storage.check(["memory://me@host/a:b@c.jpg"])


def test_files_of_this_machine(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"0123456789")
    place = storage.place_of(str(tmp_path), "a.bin")
    assert storage.read_part(place, 3, 4) == b"3456" and storage.is_file(place)
    assert storage.matching(str(tmp_path / "*.bin")) == [os.path.join(tmp_path, "a.bin")]
    assert storage.is_pattern("a*.jpg") and storage.is_pattern("s3://b/a?.jpg")
    assert not storage.is_pattern("https://h/a.jpg?size=1") and storage.is_pattern("https://h/*.jpg")
