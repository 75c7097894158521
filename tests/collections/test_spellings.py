"""Spellings of the paths of photos, and the one name that each photo has."""

import os

import pytest

from mrcnn.collections.spellings import plain_name


@pytest.mark.parametrize("given, name", [
    ("a.jpg", "a.jpg"), ("./a.jpg", "a.jpg"), ("sub/../a.jpg", "a.jpg"), ("sub//./b.jpg", "sub/b.jpg"),
    ("{root}/a.jpg", "a.jpg"), ("{root}//sub/b.jpg", "sub/b.jpg"), ("file://{root}/a.jpg", "a.jpg"),
    ("//{root}/a.jpg", "a.jpg"), ("../{base}/a.jpg", "a.jpg"), ("../x.jpg", "{above}/x.jpg"),
    ("{above}/x.jpg", "{above}/x.jpg"), ("{above}/linked/a.jpg", "a.jpg"), ("far/../a.jpg", "{above}/a.jpg"),
    ("far/a.jpg", "far/a.jpg"), ("..a.jpg", "..a.jpg"), (".a/b..jpg", ".a/b..jpg"), ("gone/../a.jpg", "a.jpg"),
    ("./a.tar/./x.jpg", "a.tar/./x.jpg"), ("{root}/a.tar/../x.jpg", "a.tar/../x.jpg"),
    ("https://host/a.jpg", "https://host/a.jpg")])
def test_a_photo_of_a_folder_has_one_name(tmp_path, given, name):
    """linked leads to the folder, far within it to a folder beside it; names in a tar stay as the tar has them."""
    root = os.path.join(os.path.realpath(tmp_path), "photos")
    words = {"root": root, "base": "photos", "above": os.path.dirname(root)}
    for folder in ("photos/sub", "beside"):
        (tmp_path / folder).mkdir(parents=True)
    os.symlink(root, tmp_path / "linked")
    os.symlink(tmp_path / "beside", os.path.join(root, "far"))
    (tmp_path / "photos" / "a.tar").write_bytes(b"")
    assert plain_name(root, given.format(**words)) == name.format(**words)
    assert plain_name(root, name.format(**words)) == name.format(**words)


@pytest.mark.parametrize("root, given, name", [
    ("/d", "HTTPS://Host:443/x/./y/../a.jpg?Size=2#top", "https://host/x/a.jpg?Size=2"),
    ("/d", "http://host:8000/A%20b//c.jpg", "http://host:8000/A%20b//c.jpg"),
    ("/d", "http://host/a//../../b.jpg", "http://host/b.jpg"), ("/d", "http://host/../b.jpg", "http://host/b.jpg"),
    ("/d", "http://[x/./b.jpg", "http://[x/./b.jpg"), ("/d", "s3://Bucket/./a.jpg", "s3://Bucket/./a.jpg"),
    ("/d", "zip://./a.jpg::https://Host/a.zip", "zip://./a.jpg::https://Host/a.zip"),
    ("https://Host/x", "./a.jpg?b=/../c", "a.jpg?b=/../c"), ("https://host/x", "https://HOST/x/a.jpg", "a.jpg"),
    ("https://host/x", "../a.jpg", "https://host/a.jpg"),
    ("https://host/x", "http://host/x/a.jpg", "http://host/x/a.jpg"), ("s3://b/x", "s3://b/x/a.jpg", "a.jpg"),
    ("s3://b/x", "./y//./a.jpg", "y//a.jpg"), ("s3://b/x", "y/../a.jpg", "a.jpg"),
    ("s3://b/x", "../a.jpg", "../a.jpg"), ("s3://b/x", "s3://b/xy/a.jpg", "s3://b/xy/a.jpg"),
    ("zip://x::file:///a.zip", "zip://x/a.jpg::file:///a.zip", "a.jpg"),
    ("zip://x::file:///a.zip", "zip://x/a.jpg::file:///b.zip", "zip://x/a.jpg::file:///b.zip")])
def test_addresses_change_where_no_server_tells_them_apart(root, given, name):
    assert plain_name(root, given) == name and plain_name(root, name) == name
