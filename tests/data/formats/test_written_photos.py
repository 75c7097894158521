"""Names of photos in a folder that is written."""

import numpy as np
import pytest
from made_pictures import Pictures

from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.written_photos import target_names, write_photo
from mrcnn.data.images import load_image


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
    ([("../../x/a.jpg", None), ("x\\y.v2.jpg", None)], ["x/a.jpg", "x\\y.v2.jpg"], 0),
])
def test_names_tell_photos_apart_and_lead_nowhere(photos, names, renamed):
    dataset = dataset_of(*photos)
    targets, count = target_names(dataset, dataset.image_ids)
    assert [name for _, name in targets] == names and count == renamed
    assert [part for part, _ in targets] == [part for _, part in photos]


def test_photos_of_ones_own_of_another_type_are_written_as_they_are_trained_on(tmp_path):
    photo = np.arange(27).reshape(3, 3, 3) * 9  # int64
    path = write_photo(Pictures([(photo, np.zeros((3, 3, 0), bool), [])]), 0, str(tmp_path / "a.jpg"), "copy")
    np.testing.assert_array_equal(load_image(path), photo)
