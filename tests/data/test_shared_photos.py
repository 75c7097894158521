"""Photos of two data sets that are the same files, whatever their paths."""

import os

import pytest

from mrcnn.data.shared_photos import roboflow_source, shared_photos, tell_shared_photos
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


def test_a_link_to_a_file_is_that_file(tmp_path):
    for folder in ("all", "val"):
        (tmp_path / folder).mkdir()
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / "all" / name).touch()
        os.symlink(tmp_path / "all" / name, tmp_path / "val" / f"v{name}")
    training = photos([str(tmp_path / "all" / "1.jpg")])
    validation = photos([str(tmp_path / "val" / name) for name in ("v1.jpg", "v2.jpg")])
    assert shared_photos(training, validation) == [str(tmp_path / "val" / "v1.jpg")]


def test_copies_are_told_by_their_names():
    assert roboflow_source("train/images/a.b_jpg.rf.0a1b.jpg") == "a.b_jpg" == roboflow_source("x\\a.b_jpg.rf.9f")
    assert roboflow_source("surf.jpg") is roboflow_source("a.rf.d/1.jpg") is roboflow_source(".rf.1.jpg") is None
    training = photos(["t/1_jpg.rf.aa.jpg", "t/2_jpg.rf.bb.jpg"])
    validation = photos(["v/1_jpg.rf.cc.jpg", "v/3_jpg.rf.dd.jpg", "v/2_jpg.jpg"])
    with pytest.warns(UserWarning, match=r"1 of 3 diagnosed photos are copies of training photos.*v/1_jpg.rf.cc.jpg"):
        tell_shared_photos(training, validation, "diagnosed")


def test_test_photos_are_not_those_of_validation_either(tmp_path):
    paths = [str(tmp_path / f"{i}.jpg") for i in range(4)]
    for path in paths:
        open(path, "w").close()
    with pytest.warns(UserWarning) as told:
        tell_shared_photos(photos(paths[:2]), photos(paths[1:]), "test", photos(paths[2:3]))
    messages = [str(warning.message) for warning in told]
    assert len(messages) == 2 and "1 of 3 test photos are training photos too" in messages[0]
    assert "1 of 3 test photos are validation photos too" in messages[1] and paths[2] in messages[1]
