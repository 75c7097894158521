"""Names of photos as other programs take them."""

import os

import pytest

pytest.importorskip("pyarrow")

from made_collections import write_collection  # noqa: E402

from mrcnn.collections.photo_names import PhotoNames  # noqa: E402
from mrcnn.collections.reading import Collection  # noqa: E402


def names_of(folder, root, *photos):
    rows = [{"photo": photo, "error": None} for photo in photos] + [{"photo": "/lost/x.jpg", "error": "gone"}]
    names = PhotoNames(Collection(write_collection(folder, [rows], root=root)))
    return names, [names.of(photo) for photo in photos]


def test_names_in_the_root_stay(tmp_path):
    names, called = names_of(tmp_path / "c", tmp_path, "a.jpg", "sub/b..jpg")
    assert called == ["a.jpg", "sub/b..jpg"] and names.folder == str(tmp_path) and not names.renamed


def test_names_out_of_the_root_are_relative_to_the_folder_of_all(tmp_path):
    for name in ("all/lists", "all/far/deep"):
        (tmp_path / name).mkdir(parents=True)
    os.symlink(tmp_path / "all" / "far" / "deep", tmp_path / "all" / "lists" / "link")
    given = {"a.jpg": "lists/a.jpg", "../b.jpg": "b.jpg", str(tmp_path / "all" / "far" / "c.jpg"): "far/c.jpg",
             "link/../d.jpg": "far/d.jpg", f"file://{tmp_path}/all/e.jpg": "e.jpg"}  # as the system follows links
    names, called = names_of(tmp_path / "c", tmp_path / "all" / "lists", *given)
    assert called == list(given.values()) and names.renamed and names.folder == str(tmp_path / "all")


def test_addresses_stay(tmp_path):
    names, called = names_of(tmp_path / "c", tmp_path, "https://host/a.jpg", str(tmp_path / "x" / "b.jpg"))
    assert called == ["https://host/a.jpg", "b.jpg"] and names.addresses == 1
    names, called = names_of(tmp_path / "d", "s3://bucket/photos", "sub/a.jpg")
    assert called == ["sub/a.jpg"] and names.folder == "s3://bucket/photos" and not names.renamed
