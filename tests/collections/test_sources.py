"""What folders, patterns, lists, tables and tar files hold."""

import io
import os
import shutil
import tarfile

import pytest
import web_folder

from mrcnn.collections.sources import list_collection, read_bytes
from mrcnn.collections.storage import Unreached
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
    assert list_collection([str(folder / "sub" / "**" / "*.jp*g")]) == (sub, ["deep/c.jpeg"])
    assert list_collection([str(folder / "sub/a.PNG"), str(folder / "b.jpg")]) == (
        os.path.realpath(folder), ["b.jpg", "sub/a.PNG"])
    (folder / "list.txt").write_text("sub/a.PNG\n\nb.jpg\nb.jpg\nmissing.jpg\n")
    with pytest.warns(UserWarning, match="1 photos are listed more than once"):
        # What is missing is a row with the reason, later: a list of a million is not refused for one of them.
        assert list_collection([str(folder / "list.txt")])[1] == ["b.jpg", "missing.jpg", "sub/a.PNG"]
    (folder / "table.csv").write_text("id,file_name\n1,b.jpg\n2,\"sub/a.PNG\"\n")
    assert list_collection([str(folder / "table.csv")]) == (os.path.realpath(folder), ["b.jpg", "sub/a.PNG"])
    (folder / "two.csv").write_text("image_url,url,Photo\nhttps://x/1,1,b.jpg\n")  # the order is that of the rule
    assert list_collection([str(folder / "two.csv")])[1] == ["b.jpg"]
    (folder / "long.csv").write_text(f"ImageId,EncodedPixels,photo\n1,{'1 2 ' * 50_000},b.jpg\n")
    assert list_collection([str(folder / "long.csv")])[1] == ["b.jpg"]
    monkeypatch.chdir(folder)
    assert list_collection(["list.txt"])[0] == os.path.realpath(folder)


def test_a_photo_of_several_spellings_is_one(folder):
    root = os.path.realpath(folder)
    (folder / "list.txt").write_text(f"./b.jpg\nb.jpg\nsub/../b.jpg\n{root}/b.jpg\nfile://{root}/b.jpg\nsub/a.PNG\n")
    with pytest.warns(UserWarning) as told:
        assert list_collection([str(folder / "list.txt")]) == (root, ["b.jpg", "sub/a.PNG"])
    said = " ".join(str(one.message) for one in told)
    assert "list.txt: 4 paths are written otherwise in the collection, as b.jpg for ./b.jpg" in said
    assert "list.txt: 1 photos are listed more than once, as b.jpg: each is taken once" in said


def test_a_pattern_that_gains_a_folder_keeps_its_root(tmp_path, monkeypatch):
    memory = pytest.importorskip("fsspec").filesystem("memory")
    monkeypatch.chdir(tmp_path)
    for day in ("2024-01", "2024-02"):
        (tmp_path / "photos" / day).mkdir(parents=True)
        (tmp_path / "photos" / day / "a.png").write_bytes(b"")
        memory.pipe(f"/{tmp_path.name}/photos/{day}/a.png", b"")
        names = [f"2024-0{number + 1}/a.png" for number in range(int(day[-1]))]
        for pattern in ("photos/2024-*/*.png", str(tmp_path / "photos" / "2024-0?" / "a.*")):
            assert list_collection([pattern]) == (os.path.realpath("photos"), names)
        address = f"memory://{tmp_path.name}/photos"
        assert list_collection([f"{address}/2024-*/*.png"]) == (address, names)
    assert list_collection(["*/2024-01/a.png"]) == (os.path.realpath("."), ["photos/2024-01/a.png"])
    memory.rm(f"/{tmp_path.name}", recursive=True)


def test_a_folder_with_the_signs_of_a_pattern(tmp_path):
    folder = tmp_path / "photos [2024]"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"")
    assert list_collection([str(folder)]) == (os.path.realpath(folder), ["a.jpg"])
    with pytest.raises(DataError, match=r"holds no photos: .* a \[ of a name is written \[\[\] in a pattern"):
        list_collection([str(folder / "*.jpg")])
    assert list_collection([str(tmp_path / "photos [[]2024]" / "*.jpg")])[1] == ["photos [2024]/a.jpg"]


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


def test_links_in_tar_files_are_the_photos_that_they_lead_to(tmp_path, recwarn):
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for name, kind, link in (("./x/a.jpg", tarfile.REGTYPE, ""), ("x/hard.jpg", tarfile.LNKTYPE, "./x/a.jpg"),
                                 ("y/soft.jpg", tarfile.SYMTYPE, "../x/hard.jpg"),
                                 ("gone.jpg", tarfile.SYMTYPE, "/else/where.jpg"), ("x/none.jpg", tarfile.LNKTYPE, "n"),
                                 ("round.jpg", tarfile.SYMTYPE, "round.jpg"), ("x/.soft.jpg", tarfile.SYMTYPE, "n")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, 0 if link else 3
            archive.addfile(member, io.BytesIO(b"one"))
    root, names = list_collection([str(tmp_path / "t.tar")])
    assert names == ["t.tar/./x/a.jpg", "t.tar/x/hard.jpg", "t.tar/y/soft.jpg"]
    assert [read_bytes(root, name) for name in names] == [b"one"] * 3
    message, = (str(one.message) for one in recwarn)
    assert message.endswith("t.tar: 3 links lead to no file in it and are left out: pack them by tar --dereference: "
                            "gone.jpg, x/none.jpg, round.jpg.")


def test_a_hard_link_in_a_tar_is_the_file_before_it(tmp_path, recwarn):
    """A file that tar is given twice is a link to itself there; one that was added anew is none of the former's."""
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for name, link, data in (("a.jpg", "", b"one"), ("a.jpg", "a.jpg", b""), ("./a.jpg", "a.jpg", b""),
                                 ("b.jpg", "a.jpg", b""), ("a.jpg", "", b"two"), ("c.jpg", "./a.jpg", b"")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = tarfile.LNKTYPE if link else tarfile.REGTYPE, link, len(data)
            archive.addfile(member, io.BytesIO(data))
    root, names = list_collection([str(tmp_path / "t.tar")])
    assert {name: read_bytes(root, name) for name in names} == {"t.tar/a.jpg": b"two", "t.tar/b.jpg": b"one",
                                                                "t.tar/c.jpg": b"two"}
    message, = (str(one.message) for one in recwarn)
    assert message.endswith("1 files come again under their names, and the last of each counts: name each once: a.jpg.")


def test_tar_files_that_were_put_together(tmp_path):
    write_tar(tmp_path / "a.tar", {"1.jpg": b"one", "2.jpg": b"two"})
    write_tar(tmp_path / "b.tar", {"2.jpg": b"zwei", "3.jpg": b"three"})
    write_tar(tmp_path / "none.tar", {})
    parts = [(tmp_path / f"{name}.tar").read_bytes() for name in ("a", "none", "b")]
    (tmp_path / "all.tar").write_bytes(b"".join(parts))
    with pytest.warns(UserWarning, match="all.tar: 1 files come again under their names, and the last .*: 2.jpg.$"):
        root, names = list_collection([str(tmp_path / "all.tar")])
    assert names == [f"all.tar/{number}.jpg" for number in (1, 2, 3)]
    assert [read_bytes(root, name) for name in names] == [b"one", b"zwei", b"three"]
    damaged = bytearray(parts[0])
    damaged[1024:1030] = b"\xff" * 6  # the second file's header
    (tmp_path / "d.tar").write_bytes(damaged)
    with pytest.warns(UserWarning, match="d.tar: what is behind byte 1,024 is no tar, and not looked at: pack the "):
        assert list_collection([str(tmp_path / "d.tar")])[1] == ["d.tar/1.jpg"]


def test_hidden_files_are_no_photos_wherever_they_are(tmp_path):
    """As macOS puts them into tar and ZIP files; a name in a tar may begin with ./"""
    memory = pytest.importorskip("fsspec").filesystem("memory")
    hidden = ("._a.jpg", "./x/._a.jpg", "__MACOSX/a.jpg", "x/.cache/b.jpg")
    write_tar(tmp_path / "t.tar", dict.fromkeys(("a.jpg", "./x/b..jpg", *hidden), b"1"))
    root, names = list_collection([str(tmp_path / "t.tar")])
    assert names == ["t.tar/./x/b..jpg", "t.tar/a.jpg"] and read_bytes(root, names[0]) == b"1"
    for name in ("a.jpg", "x/b..jpg", *hidden):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(b"1")
    memory.put(str(tmp_path / "photos"), "/hidden", recursive=True)
    try:
        for folder in (str(tmp_path / "photos"), "memory://hidden"):
            assert list_collection([folder])[1] == ["a.jpg", "x/b..jpg"]
            assert list_collection([f"{folder}/*.jpg"])[1] == ["a.jpg"]
            assert list_collection([f"{folder}/x/*.jpg"])[1] == ["b..jpg"]
            assert list_collection([f"{folder}/x/._*.jpg"])[1] == ["._a.jpg"]
    finally:
        memory.rm("/hidden", recursive=True)


def test_a_parquet_table_of_paths(folder):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = str(folder / "table.parquet")
    parquet.write_table(pyarrow.table({"id": [1, 2, 3], "photo": ["sub/a.PNG", None, "b.jpg"]}), path)
    assert list_collection([path]) == (os.path.realpath(folder), ["b.jpg", "sub/a.PNG"])
    for table, message in (({"id": [1]}, "no column of paths or photos: name one"),
                           ({"image": [1.5]}, "image holds double")):
        parquet.write_table(pyarrow.table(table), path)
        with pytest.raises(DataError, match=message):
            list_collection([path])
    (folder / "table.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match="table.parquet: cannot read the table .*: save it anew"):
        list_collection([path])


# --- Photos in Parquet files, and at addresses -----------------------------------------------------------------------


def test_photos_in_parquet_files(folder, tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for name, photos in (("a-0", [b"1", b"2"]), ("a-1", [b"3"])):
        rows = [{"bytes": photo, "path": "x.jpg"} for photo in photos]
        parquet.write_table(pyarrow.table({"image": rows}), folder / f"{name}.parquet")
    expected = ["a-0.parquet/00000000/x.jpg", "a-0.parquet/00000001/x.jpg", "a-1.parquet/00000000/x.jpg"]
    root = os.path.realpath(folder)
    assert list_collection([str(folder / "a-*.parquet")]) == (root, expected)
    assert list_collection([str(folder / "a-1.parquet"), str(folder / "a-0.parquet")]) == (root, expected)
    assert list_collection([str(folder / "a-1.parquet")]) == (root, expected[2:])
    assert [read_bytes(root, name) for name in expected] == [b"1", b"2", b"3"]
    with pytest.warns(UserWarning, match=r"passed over.*give those that hold photos themselves, as .*\*\.parquet'"):
        assert len(list_collection([str(folder)])[1]) == 3


@pytest.fixture(params=["memory", "http", "zip"])
def address(request, folder, tmp_path):
    """The address of a copy of `folder`."""
    fsspec = pytest.importorskip("fsspec")
    if request.param == "http":
        pytest.importorskip("aiohttp")
        with web_folder.served(folder) as server:
            yield server.address
    elif request.param == "zip":
        yield f"zip://::file://{shutil.make_archive(str(tmp_path / 'packed'), 'zip', folder)}"
    else:
        memory = fsspec.filesystem("memory")
        memory.put(str(folder), "/bucket", recursive=True)
        yield "memory://bucket"
        memory.rm("/bucket", recursive=True)


def below(address, name):
    before, _, after = address.partition("::")
    return f"{before.rstrip('/') if before != 'zip://' else 'zip:/'}/{name}" + (f"::{after}" if after else "")


@pytest.fixture
def filled(folder):
    (folder / "b.jpg").write_bytes(b"bb")
    (folder / "sub" / "a.PNG").write_bytes(b"a")
    (folder / "list.txt").write_text("sub/a.PNG\nb.jpg\n")
    (folder / "table.csv").write_text("id,image_url\n1,b.jpg\n")
    write_tar(folder / "t.tar", {"x/2.jpg": b"two" * 999, "x/1.jpg": b"one"})
    return folder


@pytest.mark.filterwarnings("ignore:.*passed over")
def test_what_is_at_an_address_is_as_what_is_in_a_folder(filled, address):
    for given in ([""], ["sub/*.PNG"], ["list.txt"], ["table.csv"], ["t.tar"], ["sub/a.PNG", "b.jpg"], ["b.jpg"]):
        here = list_collection([str(filled / name) for name in given])
        there = list_collection([below(address, name) if name else address for name in given])
        assert there[1] == here[1], given
        assert [read_bytes(there[0], name) for name in there[1]] == [read_bytes(here[0], name) for name in here[1]]
    with pytest.raises(DataError, match="none.jpg.*: does not exist"):
        read_bytes(address, "none.jpg")
    with pytest.raises(DataError, match="t.tar.*/none.jpg: cannot read the photo .the tar has no such"):
        read_bytes(address, "t.tar/none.jpg")
    with pytest.raises(DataError, match="none.*: does not exist"):
        list_collection([below(address, "none")])
    with pytest.raises(DataError, match=r"x\*.jpg.* holds no photos"):
        list_collection([below(address, "x*.jpg")])


def test_parquet_at_an_address(filled, address):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    if address.startswith("http"):
        parquet.write_table(pyarrow.table({"image": [b"1" * 2000, b"2"]}), filled / "p.parquet")
        root, names = list_collection([f"{address}/p.parquet"])
        assert (root, names) == (address, ["p.parquet/00000000", "p.parquet/00000001"])
        assert [len(read_bytes(root, name)) for name in names] == [2000, 1]
        (filled / "p.parquet").write_bytes(b"PAR1 damaged PAR1")
        with pytest.raises(DataError, match="p.parquet: cannot read the table"):
            list_collection([f"{address}/p.parquet"])


def test_lists_of_addresses(folder, tmp_path):
    pytest.importorskip("aiohttp")
    (folder / "b.jpg").write_bytes(b"bb")
    (folder / "c.jpg").write_bytes(b"cc")
    with web_folder.served(folder) as server:
        (tmp_path / "list.csv").write_text(f"url\n{server.address}/b.jpg?size=2\nphotos/c.jpg\n")
        root, names = list_collection([str(tmp_path / "list.csv")])
        assert names == [f"{server.address}/b.jpg?size=2", "photos/c.jpg"]
        assert [read_bytes(root, name) for name in names] == [b"bb", b"cc"]
        server.forbidden.add("c.jpg")
        with pytest.raises(Unreached, match="c.jpg: cannot be read .*403.*: check network and rights"):
            read_bytes(server.address, "c.jpg")
        with pytest.raises(DataError, match="gone.jpg: does not exist"):
            read_bytes(server.address, "gone.jpg")
    with pytest.raises(Unreached, match="b.jpg: cannot be read .*(?i:connect)"):
        read_bytes(server.address, "b.jpg")
    for given, message in (([str(folder), "s3://b/a.jpg"], "are partly addresses: put all into a list"),
                           (["memory://a/b.jpg", "memory://c/b.jpg"], "have no folder in common"),
                           (["memory://a/b.jpg", "file:///c/b.jpg"], "are partly addresses")):
        with pytest.raises(DataError, match=message):
            list_collection(given)


def test_addresses_of_several_spellings_are_one_photo(folder):
    pytest.importorskip("aiohttp")
    with web_folder.served(folder) as server:
        (folder / "list.txt").write_text(f"b.jpg\n./b.jpg\n{server.address}/sub/../b.jpg\n{server.address}/b.jpg#x\n")
        with pytest.warns(UserWarning, match="1 photos are listed more than once, as b.jpg"):
            root, names = list_collection([f"{server.address}/list.txt"])
        assert (root, names, read_bytes(root, names[0])) == (server.address, ["b.jpg"], b"")
        with pytest.warns(UserWarning, match="1 photos are listed more than once, as b.jpg"):
            assert list_collection([f"{server.address}/{name}" for name in ("b.jpg", "./b.jpg", "sub/a.PNG")]) == (
                server.address, ["b.jpg", "sub/a.PNG"])


def test_a_web_server_that_knows_no_ranges(filled):
    pytest.importorskip("aiohttp")
    with web_folder.served(filled, ranges=False) as server:
        root, names = list_collection([f"{server.address}/t.tar"])
        assert [read_bytes(root, name) for name in names] == [b"one", b"two" * 999]


def test_folders_at_addresses_that_are_called_as_files_are_refused():
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.pipe("/named/x.tar/a.jpg", b"a")
    try:
        with pytest.raises(DataError, match="x.tar/a.jpg is in a folder whose name ends .*: rename the folder"):
            list_collection(["memory://named"])
    finally:
        memory.rm("/named", recursive=True)
