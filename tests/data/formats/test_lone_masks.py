"""Masks of single objects are not offered as a data set of label maps."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import recognise
from mrcnn.data.formats.lone_masks import StemsOfPhotos, are_lone_masks
from mrcnn.errors import DataError


def write_mask(path, value=255):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((8, 9), np.uint8)
    values[2:5, 2:5] = value
    Image.fromarray(values).save(path)


def write_photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 9, 3), np.uint8)).save(path)


@pytest.mark.parametrize("masks, photo, lone", [
    ("x/a/1.png", "x/a.jpg", True),  # a folder of masks for each photo
    ("masks/a.png", "images/a.jpg", False),
    ("masks/a_mask.png", "images/a.png", False),
    ("masks/a.png", "masks/a.jpg", False),
])
def test_masks_are_a_data_set_where_photos_of_their_names_are(tmp_path, masks, photo, lone):
    write_mask(tmp_path / masks)
    write_photo(tmp_path / photo)
    assert are_lone_masks((tmp_path / masks).parent, StemsOfPhotos(tmp_path)) is lone


def test_masks_of_other_photos_of_one_name_are_no_photos(tmp_path):
    for name in "ab":
        write_mask(tmp_path / name / "1.png")
        write_photo(tmp_path / "photos" / f"{name}.jpg")
    assert are_lone_masks(tmp_path / "a", StemsOfPhotos(tmp_path))
    with pytest.raises(DataError, match="in it a has masks of 0 and 255, and no photos.*NAME/masks/") as error:
        recognise(str(tmp_path))
    assert "label_maps" not in str(error.value)


def test_labels_and_masks_with_a_name_are_a_data_set(tmp_path):
    write_mask(tmp_path / "labels" / "1.png", 3)
    assert not are_lone_masks(tmp_path / "labels", StemsOfPhotos(tmp_path))
    write_mask(tmp_path / "masks" / "1.png")
    (tmp_path / "masks" / "label_names.txt").write_text("0 null\n1 shirt\n")
    assert not are_lone_masks(tmp_path / "masks", StemsOfPhotos(tmp_path))
    assert not are_lone_masks(tmp_path / "none", StemsOfPhotos(tmp_path))
