"""The folder of the photos, and which file a name stands for."""

import pytest

from mrcnn.data.photo_folder import PhotoFolder, folders_below
from mrcnn.errors import DataError


def test_photo_folder(tmp_path):
    for name in ("a.jpg", "a.json", "b.PNG", "b.webp", "sub/c.jpeg", "d.txt", "e.f.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    folder = PhotoFolder(tmp_path)
    assert folder.find("a.jpg") == "a.jpg" and folder.find("sub/c.jpeg") == "sub/c.jpeg"
    assert folder.find("c.jpeg") is None and folder.find("none/a.jpg") is None and folder.find("a") is None
    assert folder.find("sub") is None and folder.find("a.jpg/a.jpg") is None  # a folder; a file as folder
    assert folder.find_stem("a") == "a.jpg" and folder.find_stem("sub/c") == "sub/c.jpeg"
    assert folder.find_stem("b") == "b.PNG"  # of two photos the one whose ending is listed first
    assert folder.find_stem("e.f") == "e.f.jpg"
    assert folder.find_stem("d") is None and folder.find_stem("a.jpg") is None and folder.find_stem("none/a") is None
    assert folder.join("sub/c.jpeg") == str(tmp_path / "sub/c.jpeg")
    for name in ("../z.jpg", "/z.jpg", "sub/../../z.jpg", "C:\\z.jpg", "../z", "..", "/", ""):
        for find in (folder.find, folder.find_stem):
            with pytest.raises(DataError, match="leads out"):
                find(name)
    with pytest.raises(DataError, match="nowhere: no such image folder"):
        PhotoFolder(tmp_path / "nowhere")


def test_one_of_two_endings_is_noted_once(tmp_path):
    for name in ("a.png", "a.jpg", "a.json", "b.png"):
        (tmp_path / name).touch()
    told = []
    folder = PhotoFolder(tmp_path, lambda *note: told.append(note))
    assert [folder.find_stem(name) for name in ("a", "a", "b")] == ["a.jpg", "a.jpg", "b.png"]
    (what, how, first), = told
    assert what == "photo" and "differ in the ending alone" in how and first == "a.jpg, not a.png"


def folder_of(tmp_path, *names):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return PhotoFolder(tmp_path)


COMPOSED, DECOMPOSED = "caf\u00e9.jpg", "cafe\u0301.jpg"


@pytest.mark.parametrize("name, file", [
    (COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), ("a.jpg", "a.JPG"), ("a.JPG", "a.jpg"), ("IMG_1.jpg", "img_1.jpg"),
    ("my%20photo.jpg", "my photo.jpg"), ("my photo.jpg", "my%20photo.jpg"), ("caf%C3%A9.jpg", COMPOSED),
    ("train/a.jpg", "a.jpg"), ("./a.jpg", "a.jpg"), ("x/y/a.jpg", "y/a.jpg"), ("a.jpg", "deep/down/a.jpg"),
    ("sub\\a.jpg", "sub/a.jpg"), ("sub\\a.jpg", "a.jpg"), ("SUB/a.jpg", "sub/a.jpg"), ("a", "sub/a.JPG"),
    ("0002.x", "sub/0002.x.png"), ("/home/me/data/a.jpg", "a.jpg"), ("C:\\data\\sub\\a.jpg", "sub/a.jpg"),
    ("../a.jpg", "a.jpg"), ("C:a.jpg", "a.jpg"), ("\\\\server\\share\\a.jpg", "a.jpg"), ("/home/sub/a", "sub/a.JPG"),
    ("../../sub/a.jpg", "sub/a.jpg"), ("sub/../../x/a.jpg", "a.jpg"), ("%2e%2e/a.jpg", "a.jpg"),
])
def test_a_name_that_looks_like_one_file(tmp_path, name, file):
    folder = folder_of(tmp_path, file, "other.jpg", "x.txt")
    assert folder.find_alike([name]) == {name: file}
    assert (tmp_path / folder.find_alike([name])[name]).is_file()


@pytest.mark.parametrize("name, files", [
    ("a.jpg", ["x/a.jpg", "y/a.jpg"]), ("z/a.jpg", ["x/a.jpg"]), ("A.jpg", ["a.jpg", "a.JPG"]), ("a.jpg", ["a.png"]),
    ("a", ["a.jpg", "a.png"]), ("a", ["a.txt"]),
    ("../a.jpg", ["x/a.jpg"]), ("/y/a.jpg", ["x/a.jpg"]), ("C:\\y\\a.jpg", ["x/a.jpg"]), ("/a.jpg", ["b.jpg"]),
    ("/home/s/a.jpg", ["a.jpg", "s/a.jpg"]),
    ("%2e%2e/a.jpg", ["b.jpg"]), ("", ["a.jpg"]), (".", ["a.jpg"]), ("a\0.jpg", ["a.jpg"]), ("a\ud800.jpg", ["a.jpg"]),
])
def test_a_name_that_looks_like_none_or_several(tmp_path, name, files):
    assert folder_of(tmp_path, *files).find_alike([name]) == {}


def test_a_file_is_like_one_name_at_most(tmp_path):
    folder = folder_of(tmp_path, "a.jpg", "b.jpg")
    assert folder.find_alike(["x/a.jpg", "y/a.jpg", "x/b.jpg", "x/b.jpg"]) == {"x/b.jpg": "b.jpg"}
    assert folder.find_alike(["x/b.jpg"], taken={"b.jpg"}) == {}


def test_names_that_no_file_can_have_are_refused(tmp_path):
    folder = folder_of(tmp_path, "a.jpg")
    for name in ("a\0.jpg", "a\ud800.jpg"):
        for find in (folder.find, folder.find_stem):
            with pytest.raises(DataError, match="no file name can have"):
                find(name)


def test_links_are_followed_though_they_lead_out(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    folder_of(outside, "a.jpg", "sub/b.jpg")
    inside.mkdir()
    (inside / "a.jpg").symlink_to(outside / "a.jpg")
    (inside / "sub").symlink_to(outside / "sub")
    folder = PhotoFolder(inside)
    assert folder.find("a.jpg") == "a.jpg" and folder.find("sub/b.jpg") == "sub/b.jpg"


def test_an_absolute_path_into_the_folder_is_that_file(tmp_path, monkeypatch):
    folder_of(tmp_path / "photos", "a.jpg", "sub/b.jpg")
    (tmp_path / "secret.jpg").touch()
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path / "photos", "photos", tmp_path / "link"):
        folder = PhotoFolder(place)
        assert folder.find(f"{tmp_path}/photos/sub/b.jpg") == "sub/b.jpg"
        assert folder.find_stem(f"{tmp_path}/photos/sub/b") == "sub/b.jpg"
        assert folder.find(f"{tmp_path}/photos/gone.jpg") is None  # which does not lead out
        assert folder.find("sub/../a.jpg") == "a.jpg"
        for name in (f"{tmp_path}/secret.jpg", "../secret.jpg", "../photos2/secret.jpg"):
            with pytest.raises(DataError, match="leads out"):
                folder.find(name)
    folder = PhotoFolder(tmp_path / "photos")
    assert folder.find("../photos/a.jpg") == "a.jpg"
    # What others are like is left to `find_alike`, which looks at all names.
    assert folder.find("/home/me/a.jpg") is None and folder.find_stem("/home/me/a") is None


def test_a_name_that_stands_for_no_file_is_told_with_those_that_are_like_it(tmp_path):
    folder = folder_of(tmp_path, "s2/b.jpg", "s1/b.jpg", "a.jpg")
    assert folder.tell_absent("c.jpg") == f"is not in {tmp_path}" == folder.tell_absent("x/a.jpg")
    assert "2 files in" in folder.tell_absent("b.jpg") and "(s1/b.jpg, s2/b.jpg): write" in folder.tell_absent("b.jpg")
    assert "looks like a.jpg in" in folder.tell_absent("x/a.jpg", least=1)


def test_linked_folders_are_looked_through_once(tmp_path):
    photos = tmp_path / "data" / "photos"
    folder_of(tmp_path, "far/sub/IMG_1.JPG", "data/photos/own/b.jpg", "data/else/c.jpg")
    (photos / "linked").symlink_to(tmp_path / "far" / "sub")
    (photos / "again").symlink_to(photos / "own")
    (photos / "above").symlink_to(tmp_path / "data")
    (tmp_path / "far" / "sub" / "loop").symlink_to(tmp_path / "far" / "sub")
    folder = PhotoFolder(photos)
    assert folder.find("linked/IMG_1.JPG") == "linked/IMG_1.JPG"
    found = folder.find_alike(["LINKED\\img_1.jpg", "B.jpg", "c.jpg"])
    assert found == {"LINKED\\img_1.jpg": "linked/IMG_1.JPG", "B.jpg": "own/b.jpg"}
    assert folder.find_renamed("x_b.jpg", "x_{}".format) == "own/b.jpg"
    places = [place for place, *_ in folders_below(photos)]
    assert places == [str(photos), str(photos / "own"), str(photos / "linked")]
