"""LabelMe's files of older versions, of Windows, and with flags."""

import numpy as np
import pytest
from labelme_files import BUMP, HEIGHT, SQUARE, WIDTH, load, rectangle, shape, text_of, write, write_photos
from PIL import Image

from mrcnn.data.formats import recognise
from mrcnn.errors import DataError

PHOTO = text_of(np.full((HEIGHT, WIDTH, 3), 70, np.uint8), "JPEG")
OLD_SHAPE = {"label": "hat", "line_color": None, "fill_color": [0, 255, 0, 128], "points": SQUARE}
OLD = {"version": None, "flags": {}, "lineColor": [0, 255, 0, 128], "fillColor": [255, 0, 0, 128], "imageHeight": None,
       "imageWidth": None}  # as versions 2 and 3 wrote, without shape_type, group_id and sizes


def test_an_old_file_with_the_photo_alone(tmp_path):
    for edits in ({"imagePath": None}, {"imagePath": ""}):
        folder = write(tmp_path, [OLD_SHAPE], **OLD, imageData=PHOTO, **edits)
        assert recognise(folder) == "labelme"
        dataset = load(folder)
        assert dataset.file_name(0) == "a.jpg" and not [note for note in dataset.notes if "no picture" in note.how]
        np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], rectangle(6, 4, 11, 14))
        assert abs(int(dataset.load_image(0)[0, 0, 0]) - 70) < 3
    with pytest.raises(DataError, match="has no imagePath and no imageData"):
        load(write(tmp_path, [OLD_SHAPE], **OLD, imagePath=None))


@pytest.mark.parametrize("path", [
    "C:\\Users\\x\\photos\\a.jpg", "..\\photos\\a.jpg", "\\\\server\\share\\a.jpg", "a.jpg",
])
def test_paths_of_windows(tmp_path, path):
    dataset = load(write(write_photos(tmp_path), [shape()], imagePath=path))
    assert dataset.file_name(0) == "a.jpg" and dataset.object_count(0) == 1


def test_a_path_out_of_the_files_folder_leads_into_that_of_the_photos(tmp_path):
    """And to the photo that it names, not to another that is called so."""
    (tmp_path / "labels").mkdir()
    for place, value in (("one", 10), ("two", 20)):
        (tmp_path / "photos" / place).mkdir(parents=True)
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), value, np.uint8)).save(tmp_path / "photos" / place / "a.png")
    write(tmp_path / "labels", [shape()], imagePath="../photos/two/a.png")
    dataset = load(tmp_path / "labels", images=tmp_path / "photos")
    assert dataset.file_name(0) == "two/a.png" and dataset.load_image(0)[0, 0, 0] == 20
    write(tmp_path / "labels", [shape()], imagePath="../../../../etc/passwd")
    with pytest.raises(DataError, match="passwd: give the folder"):
        load(tmp_path / "labels", images=tmp_path / "photos")


def test_flags_are_attributes(tmp_path):
    shapes = [{**shape(), "flags": {"torn": True, "wet": False}},
              {**shape("mask", [[5, 7], [7, 8]], mask=text_of(BUMP)), "flags": None},
              {**shape(label="shoe", group_id=1), "flags": {"wet": True}},
              {**shape(label="shoe", group_id=1), "flags": {"torn": True}}]
    dataset = load(write(write_photos(tmp_path), shapes))
    assert dataset.attribute_names == {1: "torn", 2: "wet"}
    assert [entry.attributes for entry in dataset.objects(0)] == [(1,), (), (1, 2)]
