"""Files of arrays by the commands: the options that name them, and what is written of them."""

import json
import os

import numpy as np
import pytest
from array_data import LABELS, masks, photos, write_course
from PIL import Image

from mrcnn.commands.main import main
from mrcnn.data.curation.splits import read_split
from mrcnn.data.formats import open_dataset
from mrcnn.data.unannotated import ArrayPhotos
from mrcnn.errors import DataError


@pytest.fixture
def course(tmp_path, monkeypatch):
    """The options that name the files of a course; the folder is the working folder."""
    monkeypatch.chdir(tmp_path)
    write_course(tmp_path)
    return ["--images", "mugs_img.h5", "--masks", "mugs_mask.h5", "--labels", "mugs_labels.npy", "--boxes",
            "mugs_bboxes.npy", "--names", "names.txt"]


def data(*arguments):
    return main(["data", *map(str, arguments)])


@pytest.mark.filterwarnings("ignore:.*numbered from 1 to 2")
def test_a_course_is_looked_at_and_converted(course, capsys):
    assert data("validate", *course) == 0
    assert "labels numbered from 1 to 2" in capsys.readouterr().out
    assert data("summary", *course, "--image-size", 64) == 0
    assert "3 photos, 3 objects, 0 crowds; 1 photos without objects" in capsys.readouterr().out
    assert data("show", *course, "--image-size", 64, "--augment", "none") == 0
    assert data("split", *course, "--output", "split.json") == 0
    assert sum(map(len, read_split("split.json")["parts"].values())) == 3
    assert data("convert", *course, "--to", "coco", "--output", "coco.json") == 0
    dataset = open_dataset("coco.json", "coco_photos")
    assert [dataset.load_rles(i)[1].tolist() for i in dataset.image_ids] == LABELS
    np.testing.assert_array_equal(dataset.load_mask(2)[0][..., 0], masks()[2])
    np.testing.assert_array_equal(dataset.load_image(1), photos()[1].transpose(1, 2, 0))


def test_options_of_arrays_are_none_of_other_formats(course, capsys):
    Image.new("RGB", (4, 4)).save("a.jpg")
    with open("coco.json", "w") as file:
        json.dump({"images": [{"id": 1, "file_name": "a.jpg", "height": 4, "width": 4}], "annotations": [],
                   "categories": [{"id": 1, "name": "mug"}]}, file)
    assert data("summary", "--annotations", "coco.json", "--labels", "mugs_labels.npy") == 2
    assert "takes no arrays" in capsys.readouterr().err
    assert data("summary", "--labels", "mugs_labels.npy") == 2
    assert "--labels needs annotations" in capsys.readouterr().err


def test_photos_to_find_things_in(tmp_path):
    np.save(tmp_path / "photos.npy", photos())
    dataset = ArrayPhotos().load_array(os.fspath(tmp_path / "photos.npy"), ["BG", "mug, cup"], limit=2)
    dataset.prepare()
    assert len(dataset.image_ids) == 2 and dataset.class_names == ["BG", "mug, cup"]
    np.testing.assert_array_equal(dataset.load_image(1), photos()[1].transpose(1, 2, 0))
    np.save(tmp_path / "bad.npy", photos()[:, :2])
    with pytest.raises(DataError, match="bad.npy: photos of"):
        ArrayPhotos().load_array(os.fspath(tmp_path / "bad.npy"), ["BG", "mug"])
