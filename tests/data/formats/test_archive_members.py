"""The members of archives: what is refused, and why; nothing hostile is written."""

import bz2
import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile

import pytest

from mrcnn.data.formats import archive_members
from mrcnn.data.formats.archive_members import checked_name, kind_of, members
from mrcnn.errors import DataError


def zipped(path, entries, method=zipfile.ZIP_DEFLATED):
    """Write a ZIP of [(name or ZipInfo, bytes)]."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def tarred(path, entries, mode="w"):
    """Write a TAR of [(name or TarInfo, bytes)]."""
    with tarfile.open(path, mode) as archive:
        for name, data in entries:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = info.size or len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def of_type(kind, target=""):
    info = tarfile.TarInfo("a.json")
    info.type, info.linkname = kind, target
    return info


def unix_mode(mode):
    info = zipfile.ZipInfo("a.json")
    info.create_system, info.external_attr = 3, mode << 16
    return info


def read(path):
    """{name: bytes} of an archive, and how many were skipped."""
    skipped = []
    found = {member.name: b"".join(member.blocks()) for member in members(path, lambda: skipped.append(1))}
    return found, len(skipped)


# --- What is read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", ["zip", "stored", "tar", "gz", "bz2"])
def test_files_of_every_kind(tmp_path, pack):
    entries = [("a/b.json", b"{}" * 50), ("./c.txt", b""), ("__MACOSX/a/._b.json", b"x"), (".DS_Store", b"x"),
               ("d/", b"")]
    path = tmp_path / "a.bin"
    if pack in ("zip", "stored"):
        zipped(path, entries, zipfile.ZIP_STORED if pack == "stored" else zipfile.ZIP_DEFLATED)
    else:
        folder = tarfile.TarInfo("d")
        folder.type = tarfile.DIRTYPE
        tarred(path, [*entries[:-1], (folder, b"")], "w" if pack == "tar" else f"w:{pack}")
    assert kind_of(path) == ("zip" if pack in ("zip", "stored") else "tar")
    assert read(path) == ({"a/b.json": b"{}" * 50, "c.txt": b""}, 2)


def test_other_files_are_no_archives(tmp_path):
    for name, data in (("a.json", b"{}"), ("b", b""), ("c.gz", gzip.compress(b"{}" * 500)), ("d", bytes(1024)),
                       ("e.bz2", bz2.compress(b"x")), ("f", b"\x1f\x8b broken")):
        (tmp_path / name).write_bytes(data)
        assert kind_of(tmp_path / name) is None
    zipped(tmp_path / "weights.npz", [("a.npy", b"")])
    assert {kind_of(tmp_path / name) for name in ("weights.npz", "", "gone")} == {None}


def test_names_of_macos_and_windows(tmp_path):
    path = zipped(tmp_path / "a.zip", [("x", b"1"), ("sub\\b.jpg", b"2")])
    assert set(read(path)[0]) == {"x", "sub/b.jpg"}
    # macOS's archiver writes UTF-8 and does not set the flag that says so.
    info = zipfile.ZipInfo("é.jpg")
    assert archive_members._zip_name(info) == "é.jpg"
    info.filename = "é.jpg".encode().decode("cp437")
    assert archive_members._zip_name(info) == "é.jpg"


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../a.json", "a/../../b", "/etc/passwd", "\\\\host\\a", "C:\\a.json", "c:a", "..\\a",
                                  "/"])
def test_names_that_lead_out(tmp_path, name):
    with pytest.raises(DataError, match="x.zip: its member .*leads out of it: refused"):
        checked_name("x.zip", name)


@pytest.mark.parametrize("name", ["/".join("a" * 40), "a" * 300, "a\0b"])
def test_names_that_are_none(name):
    with pytest.raises(DataError, match="name that is no file's: refused"):
        checked_name("x.zip", name)


@pytest.mark.parametrize("info, said", [
    (of_type(tarfile.SYMTYPE, "../../etc/passwd"), "is a link, which may lead out: refused"),
    (of_type(tarfile.SYMTYPE, "b.json"), "is a link"),
    (of_type(tarfile.LNKTYPE, "/etc/passwd"), "is a link"),
    (of_type(tarfile.CHRTYPE), "is no file, but a device"),
    (of_type(tarfile.BLKTYPE), "is no file, but a device"),
    (of_type(tarfile.FIFOTYPE), "is no file, but a device"),
])
def test_links_and_devices_of_tar(tmp_path, info, said):
    with pytest.raises(DataError, match=f"a.tar: its member 'a.json' {said}"):
        read(tarred(tmp_path / "a.tar", [(info, b"")]))


@pytest.mark.parametrize("mode, said", [(stat.S_IFLNK | 0o777, "is a link"), (stat.S_IFCHR | 0o600, "is no file")])
def test_links_and_devices_of_zip(tmp_path, mode, said):
    with pytest.raises(DataError, match=f"a.zip: its member 'a.json' {said}"):
        read(zipped(tmp_path / "a.zip", [(unix_mode(mode), b"/etc/passwd")]))


def test_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_members, "FREE", 1 << 16)
    zeros = bytes(1 << 20)
    with pytest.raises(DataError, match="a.zip: says that it holds .*far more than an archive of"):
        read(zipped(tmp_path / "a.zip", [("a.json", zeros)]))
    monkeypatch.setattr(archive_members, "MEMBER_TIMES", 100)
    with pytest.raises(DataError, match="b.zip: its member 'a.json' brings it to .*refused"):
        read(zipped(tmp_path / "b.zip", [("a.json", zeros), ("b", os.urandom(1 << 20))]))
    with pytest.raises(DataError, match="a.tgz: its member 'a.json' brings it to .*refused"):
        read(tarred(tmp_path / "a.tgz", [("a.json", zeros)], "w:gz"))


def test_one_piece_of_data_under_many_names_is_a_bomb_too(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_members, "FREE", 1 << 16)
    path = zipped(tmp_path / "a.zip", [("a", os.urandom(1 << 14))], zipfile.ZIP_STORED)
    data = path.read_bytes()
    place = data.index(b"PK\1\2")
    entry = data[place : data.index(b"PK\5\6")]
    again = data[:place] + entry * 300
    path.write_bytes(again + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 300, 300, len(entry) * 300, place, 0))
    with pytest.raises(DataError, match="says that it holds 4915200 bytes"):
        read(path)


def test_sparse_files_and_huge_headers_of_tar(tmp_path, monkeypatch):
    sparse = of_type(tarfile.GNUTYPE_SPARSE)
    with pytest.raises(DataError, match="is no file, but a device or the like|is damaged"):
        read(tarred(tmp_path / "a.tar", [(sparse, b"")]))
    monkeypatch.setattr(archive_members, "LARGEST_READ", 1 << 12)
    name = of_type(tarfile.GNUTYPE_LONGNAME)
    with pytest.raises(DataError, match="has a header of .* bytes, more than any name needs"):
        read(tarred(tmp_path / "b.tar", [(name, bytes(1 << 14))]))


def test_counts_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_members, "FEW_MEMBERS", 10)
    monkeypatch.setattr(archive_members, "MEMBER_BYTES", 1000)
    with pytest.raises(DataError, match="a.zip: has more than 10 members"):
        read(zipped(tmp_path / "a.zip", [(str(n), b"") for n in range(11)]))
    monkeypatch.setattr(archive_members, "LARGEST_DIRECTORY", 100)
    with pytest.raises(DataError, match="its list of members has .* bytes, more than 100"):
        read(tmp_path / "a.zip")


def test_what_is_locked_or_packed_otherwise_is_named(tmp_path):
    path = zipped(tmp_path / "a.zip", [("a.json", b"{}")])
    data = path.read_bytes()
    place = data.index(b"PK\1\2")
    path.write_bytes(data[: place + 8] + b"\1\0" + data[place + 10 :])
    with pytest.raises(DataError, match="is locked by a password: unpack it by hand"):
        read(path)
    path.write_bytes(data[: place + 10] + b"\x09\0" + data[place + 12 :])  # Deflate64
    with pytest.raises(DataError, match="packed in a way that is not read \\(9\\): unpack it by hand"):
        read(path)


@pytest.mark.parametrize("kind", ["zip", "tar", "gz"])
def test_what_is_cut_short_or_changed_is_named(tmp_path, kind):
    data = os.urandom(20_000)
    entries = [("a.json", data), ("b.json", data)]
    path = tmp_path / "a.bin"
    whole = zipped(path, entries) if kind == "zip" else tarred(path, entries, "w" if kind == "tar" else "w:gz")
    whole = whole.read_bytes()
    # Of a TAR: within the first file, within the second, and just behind the first, 512 + 40 * 512 bytes.
    for end in (len(whole) // 3, len(whole) // 2 + 600, 20_992 if kind == "tar" else len(whole) - 15_000):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError, match="a.bin: is damaged or cut short .*fetch it again"):
            read(path)
    if kind == "zip":
        path.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
        with pytest.raises(DataError, match="a.bin: is damaged or cut short at a.json .*fetch it again"):
            read(path)
        return
    # The head of the second member, at which tarfile ends without a word; the checksum of what gzip packs.
    place = 20_992 if kind == "tar" else len(whole) - 8
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:])
    with pytest.raises(DataError, match="a.bin: is damaged or cut short .*fetch it again"):
        read(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["tar", "tar.gz"])
def test_a_tar_file_behind_another_one_is_refused_and_zeros_are_not(tmp_path, pack):
    parts = []
    for name in ("1.jpg", "2.jpg"):
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(name))
        parts.append(held.getvalue())
    path = tmp_path / "a.tar"
    path.write_bytes(pack(parts[0] + parts[1]))
    with pytest.raises(DataError, match="a.tar: more follows behind its end, as of TAR files joined by cat.*unpack it"):
        list(members(path, lambda: None))
    path.write_bytes(pack(parts[0] + bytes(1 << 20)))
    assert [member.name for member in members(path, lambda: None)] == ["1.jpg"]
