"""Names of photos in a folder that is written."""

import numpy as np
import pytest
from made_pictures import Pictures

from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.written_photos import target_names, write_photo
from mrcnn.data.images import load_image
from mrcnn.errors import DataError


def dataset_of(*photos):
    dataset = Dataset()
    for name, part in photos:
        dataset.add_image("own", name, None, file_name=name, **({"split": part} if part else {}))
    dataset.prepare()
    return dataset


@pytest.mark.parametrize("photos, names, renamed", [
    ([("images/train/a.jpg", "train"), ("images/val/a.jpg", "val")], ["a.jpg", "a.jpg"], 0),
    ([("train/images/a.jpg", None), ("val/images/a.jpg", None)], ["train/images/a.jpg", "val/images/a.jpg"], 0),
    ([("a.jpg", None), ("a.png", None), ("a", None)], ["a.jpg", "a_png.png", "a_png_png.png"], 2),
    ([("a.jpg", None), ("A.JPG", None), ("x/a.jpg", None)], ["a.jpg", "A_JPG.JPG", "x/a.jpg"], 1),
    ([("caf\xe9.jpg", None), ("cafe\u0301.jpg", None)], ["caf\xe9.jpg", "cafe\u0301_jpg.jpg"], 1),
    ([("../../x/a.jpg", None), ("x\\y.v2.jpg", None)], ["x/a.jpg", "x\\y.v2.jpg"], 0),
])
def test_names_tell_photos_apart_and_lead_nowhere(photos, names, renamed):
    dataset = dataset_of(*photos)
    targets = target_names(dataset, dataset.image_ids)
    assert [name for _, name in targets.names] == names and targets.renamed == renamed and not targets.unread
    assert [part for part, _ in targets.names] == [part for _, part in photos]


def test_parts_that_are_written_as_one_keep_their_photos_apart():
    dataset = dataset_of(("train/a.jpg", "train"), ("a.jpg", None))
    targets = target_names(dataset, dataset.image_ids, lambda part: part or "train")
    assert targets.names == [("train", "train/a.jpg"), ("train", "a.jpg")]


def test_names_that_readers_pass_over_are_others():
    dataset = dataset_of(("s/images/1.jpg", None), ("s/photos/1.jpg", None), (".s/.a.jpg", None), ("b\nc.jpg", None))
    targets = target_names(dataset, dataset.image_ids, reserved=("images",))
    assert [name for _, name in targets.names] == ["s/photos/1.jpg", "s/photos/1_jpg.jpg", "_s/_a.jpg", "b_c.jpg"]
    assert targets.renamed == 1 and [old for old, _ in targets.unread] == ["s/images/1.jpg", ".s/.a.jpg", "b\nc.jpg"]
    with pytest.warns(UserWarning, match="out: 3 photos are called otherwise.*first: 's/images/1.jpg' is 's/photos/1."):
        targets.warn("out")


@pytest.mark.parametrize("photos", ["copy", "link"])
def test_no_photo_is_written_over_another(tmp_path, photos):
    dataset = dataset_of(("a.jpg", None))
    dataset.image_info[0]["path"] = str(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(b"new")
    (tmp_path / "b.jpg").write_bytes(b"old")
    with pytest.raises((OSError, DataError)):
        write_photo(dataset, 0, str(tmp_path / "b.jpg"), photos)
    assert (tmp_path / "b.jpg").read_bytes() == b"old"


def test_photos_of_ones_own_of_another_type_are_written_as_they_are_trained_on(tmp_path):
    photo = np.arange(27).reshape(3, 3, 3) * 9  # int64
    path = write_photo(Pictures([(photo, np.zeros((3, 3, 0), bool), [])]), 0, str(tmp_path / "a.jpg"), "copy")
    np.testing.assert_array_equal(load_image(path), photo)
