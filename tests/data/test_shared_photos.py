"""Photos of two data sets that are the same files, whatever their paths."""

import os

import pytest

from mrcnn.data.shared_photos import shared_photos, tell_shared_photos
from mrcnn.utils import Dataset


def photos(paths):
    dataset = Dataset()
    dataset.add_class("shop", 1, "shirt")
    for number, path in enumerate(paths):
        dataset.add_image("shop", number, path)
    dataset.prepare()
    return dataset


def test_one_file_by_two_paths_is_one_photo(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    os.symlink(tmp_path / "a", tmp_path / "b")
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        (tmp_path / "a" / name).touch()
    monkeypatch.chdir(tmp_path)
    training = photos([str(tmp_path / "a" / "1.jpg"), str(tmp_path / "a" / "2.jpg")])
    validation = photos(["b/2.jpg", "a/3.jpg", "a/../a/1.jpg"])
    assert shared_photos(training, validation) == ["b/2.jpg", "a/../a/1.jpg"]
    with pytest.warns(UserWarning, match=r"2 of 3 validation photos are training photos too \(first: b/2.jpg\)"):
        tell_shared_photos(training, validation)


def test_what_has_no_file_of_its_own_is_not_compared(recwarn):
    drawn, stack, addresses = photos([None, None]), photos(["all.npy", "all.npy"]), photos(["s3://shop/1.jpg"])
    for dataset in (drawn, stack, photos(["0.png", "1.png"])):  # the last are names that no file has
        tell_shared_photos(dataset, dataset)
    assert not recwarn.list
    assert shared_photos(addresses, addresses) == ["s3://shop/1.jpg"]
