"""Label Studio's file names: each form it writes finds its photo, and none leads out of the folder."""

import pytest

from mrcnn.data.formats.label_studio import (
    address_path_in,
    find_photos,
    find_stems,
    made_by_label_studio,
    names_without_digits,
    uploaded_name,
)
from mrcnn.data.photo_folder import PhotoFolder


@pytest.fixture
def folder(tmp_path):
    """Function that makes empty files in a folder of photos and returns its PhotoFolder."""

    def make(*names):
        for name in names:
            path = tmp_path / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return PhotoFolder(tmp_path / "photos")

    return make


FORMS = [
    "images/1a2b3c4d-my photo.jpg", "images\\1a2b3c4d-my photo.jpg", "images\\3/1a2b3c4d-my photo.jpg",
    "/data/upload/3/1a2b3c4d-my photo.jpg", "/data/upload/1a2b3c4d-my photo.jpg", "1a2b3c4d-my photo.jpg",
    "http://localhost:8080/data/upload/3/1a2b3c4d-my photo.jpg", "https://a.b/data/upload/3/1a2b3c4d-my%20photo.jpg",
    "../../label-studio/media/upload/3/1a2b3c4d-my photo.jpg", "upload/3/1a2b3c4d-my photo.jpg",
    "..\\..\\label-studio\\label-studio\\media\\upload\\4\\1a2b3c4d-my photo.jpg",
    "C:\\label-studio\\media\\upload\\4\\1a2b3c4d-my photo.jpg",
]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("file", ["my photo.jpg", "1a2b3c4d-my photo.jpg"])
def test_every_form_finds_the_photo_with_and_without_the_digits(folder, name, file):
    assert find_photos([name], folder(file, "other.jpg")) == ({name: file}, {})


def test_uploads_are_found_under_the_names_that_they_had(folder):
    # As version 1.23 writes them: blanks become lines, brackets and other signs vanish, letters of any language stay.
    assert uploaded_name("IMG (1) \u00e4&b.JPG") == "IMG_1_\u00e4b.JPG"
    photos = folder("in/IMG (1) a.jpg", "b c.jpg", "b+c.jpg", "d e.jpg", "de.jpg", "d(e).jpg")
    name = "/data/upload/3/1a2b3c4d-IMG_1_a.jpg"
    assert find_photos([name], photos)[0] == {name: "in/IMG (1) a.jpg"}
    names = ["upload/1/1a2b3c4d-b_c.jpg", "upload/1/1a2b3c4d-de.jpg", "upload/1/1a2b3c4d-none.jpg", "b_c.jpg"]
    # "b+c.jpg" would be "bc.jpg"; a file of the name itself goes first; what has no digits was not uploaded.
    assert find_photos(names, photos)[0] == dict(zip(names, ["b c.jpg", "de.jpg", None, None]))
    twins = folder("x y.jpg", "in/x y.jpg")
    assert find_photos(["1a2b3c4d-x_y.jpg"], twins)[0] == {"1a2b3c4d-x_y.jpg": None}


@pytest.mark.parametrize("name, file", [
    ("images/1a2b3c4d__a.jpg", "a.jpg"), ("1a2b3c4d__my%20photo.jpg", "my photo.jpg"),
    ("images/1a2b3c4d__0123abcd-a.jpg", "a.jpg"), ("images/1a2b3c4d__0123abcd-a.jpg", "0123abcd-a.jpg"),
    ("images/1a2b3c4d__0123abcd-IMG_1.jpg", "IMG (1).jpg"),
])
def test_photos_that_an_export_fetched(folder, name, file):
    assert find_photos([name], folder(file, "other.jpg")) == ({name: file}, {})
    # An upload that had such a name before keeps it.
    assert names_without_digits("1a2b3c4d-0123abcd-a.jpg") == ["0123abcd-a.jpg"]


@pytest.mark.parametrize("file", ["H\u00fcte (1).jpg", "Hu\u0308te (1).jpg"])
def test_uploads_whose_names_are_cleaned_and_encoded(folder, file):
    for name in ("/data/upload/3/0123abcd-H%C3%BCte_1.jpg", "http://a/data/upload/3/0123abcd-H\u00fcte_1.jpg"):
        assert find_photos([name], folder(file, "other.jpg"), True) == ({name: file}, {})


@pytest.mark.parametrize("address, path", [
    ("s3://bucket/photos/a#1.jpg", "photos/a#1.jpg"), ("gs://bucket/photos/a?1.jpg", "photos/a?1.jpg"),
    ("azure-blob://box/a%20b.jpg", "a%20b.jpg"), ("s3://bucket/b.jpg?versionId=3", "b.jpg"),
    ("https://a.b/photos/b.jpg#1.jpg", "photos/b.jpg"), ("s3://bucket/photos/c#1.jpg", "photos/c"),
    ("/data/local-files/?d=photos/a#1.jpg", "photos/a#1.jpg"), ("/data/local-files/?d=a%20b.jpg", "a b.jpg"),
    ("http://host/data/local-files/?d=photos/c#1.jpg", "photos/c"), ("/data/local-files/?d=../a#2.jpg", "../a"),
])
def test_keys_of_buckets_are_whole_where_the_folder_has_them(folder, address, path):
    assert address_path_in(address, folder("a#1.jpg", "a?1.jpg", "a%20b.jpg", "b.jpg")) == path


def test_names_without_endings(folder):
    photos = folder("a.jpg", "a.json", "in/IMG (1).jpg", "b.jpg", "c d.png", "e.jpg", "notes.txt")
    stems = ["1a2b3c4d-a", "1a2b3c4d__0123abcd-IMG_1", "11111111-b", "22222222__b", "1a2b3c4d__c%20d", "1a2b3c4d-e",
             "1a2b3c4d-notes", "1a2b3c4d-none", "a"]
    assert find_stems(stems, photos, {"e.jpg"}) == {
        "1a2b3c4d-a": "a.jpg", "1a2b3c4d__0123abcd-IMG_1": "in/IMG (1).jpg", "1a2b3c4d__c%20d": "c d.png"}


def test_the_name_as_it_is_goes_first(folder):
    photos = folder("images/1a2b3c4d-a.jpg", "1a2b3c4d-a.jpg", "a.jpg")
    for name in ("images/1a2b3c4d-a.jpg", "images\\1a2b3c4d-a.jpg"):
        assert find_photos([name], photos)[0] == {name: "images/1a2b3c4d-a.jpg"}


def test_local_files(folder):
    photos = folder("street/one two.jpg", "b.jpg")
    names = ["/data/local-files/?d=street/one%20two.jpg", "http://host:80/data/local-files/?d=deep/street/b.jpg"]
    assert find_photos(names, photos)[0] == {names[0]: "street/one two.jpg", names[1]: "b.jpg"}


@pytest.mark.parametrize("name", [
    "../../x.jpg", "/etc/x.jpg", "C:\\x.jpg", "..\\x.jpg", "images/../../x.jpg", "/data/upload/3/x.jpg",
    "../upload/x.jpg", "/1a2b3c4d-x.jpg", "../1a2b3c4d-x.jpg",
])
@pytest.mark.parametrize("uploads", [False, True])
def test_other_ways_out_stay_refused(folder, name, uploads):
    file_names, refused = find_photos([name], folder("y.jpg", "1a2b3c4d-y.jpg"), uploads)
    assert not file_names and "leads out of the image folder" in refused[name]
    # What a file is like is left to the rules that all readers have.
    assert not find_photos([name], folder("x.jpg", "1a2b3c4d-x.jpg"), uploads)[1]


@pytest.mark.parametrize("name", [
    "/data/local-files/?d=../../x.jpg", "/data/local-files/?d=%2E%2E/x.jpg", "/data/local-files/?d=/x.jpg",
    "/data/upload/3/1a2b3c4d-..%2Fx.jpg", "/data/upload/3/1a2b3c4d-%2E%2E%2Fx.jpg",
])
def test_what_is_found_lies_in_the_folder(folder, tmp_path, name):
    photos = folder("y.jpg")
    (tmp_path / "x.jpg").touch()  # beside the folder: never to be found
    assert find_photos([name], photos, True) == ({name: None}, {})
    folder("x.jpg")
    file_name = find_photos([name], PhotoFolder(photos.path), True)[0][name]
    assert file_name in (None, "x.jpg")


def test_only_label_studios_names_are_shortened(folder):
    photos = folder("a.jpg")
    assert find_photos(["sub/a.jpg", "12345678a.jpg", "1234567-a.jpg", "XYZ45678-a.jpg"], photos)[0] == {
        "sub/a.jpg": None, "12345678a.jpg": None, "1234567-a.jpg": None, "XYZ45678-a.jpg": None
    }
    assert find_photos(["sub/a.jpg"], photos, uploads=True)[0] == {"sub/a.jpg": "a.jpg"}


def test_photos_that_come_to_the_same_file_are_missing(folder):
    photos = folder("a.jpg")
    both = ["images/11111111-a.jpg", "images/22222222-a.jpg"]
    assert find_photos(both, photos)[0] == dict.fromkeys(both)
    assert find_photos(["a.jpg", both[0]], photos)[0] == {"a.jpg": "a.jpg", both[0]: None}
    assert find_photos(["red/a.jpg", "blue/a.jpg"], photos, True)[0] == {"red/a.jpg": None, "blue/a.jpg": None}
    # One upload under two names, as two exports of one project have it, is one photo.
    same = ["images/11111111-a.jpg", "/data/upload/3/11111111-a.jpg"]
    assert find_photos(same, photos)[0] == dict.fromkeys(same, "a.jpg")


def test_who_made_the_file():
    for name in ("Label Studio", "Label Studio Converter"):  # the latter of "Brush labels to COCO"
        assert made_by_label_studio({"info": {"contributor": name}})
    for content in ({}, {"info": None}, {"info": []}, {"info": {"contributor": "COCO Consortium"}}):
        assert not made_by_label_studio(content)
