"""Photos from files, drawings to files."""

import argparse
import os
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mrcnn.commands import photos as photos
from mrcnn.commands.datasets import drawn_pictures
from mrcnn.commands.options import add_matte
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.data.unannotated import PhotoDataset
from mrcnn.errors import DataError, UsageError


def test_a_folder_lists_its_photos_in_order(tmp_path):
    names = ["a.png", "b.JPG", "c.tif", "d.jfif", "e.jpe", "f.avif", "g.gif", "h.jp2", "i.HEIC"]
    for name in (*names, ".hidden.jpg"):
        (tmp_path / name).touch()
    assert [os.path.basename(p) for p in photos.list_photos(str(tmp_path))] == names
    assert photos.list_photos(str(tmp_path / "a.png")) == [str(tmp_path / "a.png")]


def test_what_is_passed_over_is_counted_and_named(tmp_path):
    for name in ("a.png", "notes.txt", "b.mp4", "c.pdf", "d.doc"):
        (tmp_path / name).touch()
    with pytest.warns(UserWarning, match=r"4 files .*passed over, .*: b.mp4, c.pdf, d.doc, \.\.\."):
        assert len(photos.list_photos(str(tmp_path))) == 1
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match="holds no photos .its 4 files and folders are none .*: b.mp4"):
        photos.list_photos(str(tmp_path))


@pytest.mark.parametrize("text, colour", [("white", (255, 255, 255)), ("#0a141e", (10, 20, 30)), ("no colour", None)])
def test_the_colour_under_what_is_transparent(tmp_path, text, colour):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_matte(parser)
    if colour is None:
        with pytest.raises(argparse.ArgumentError, match="'no colour' is no colour"):
            parser.parse_args(["--matte", text])
        return
    Image.new("RGBA", (3, 2), (5, 6, 7, 0)).save(tmp_path / "a.png")
    matte = parser.parse_args(["--matte", text]).matte
    dataset = PhotoDataset().load_photos([str(tmp_path / "a.png")], ["BG", "hat"], matte)
    assert (dataset.load_image(0) == colour).all()


def test_nothing_to_list(tmp_path):
    with pytest.raises(DataError, match="holds no photos"):
        photos.list_photos(str(tmp_path))
    with pytest.raises(DataError, match="^--image .*gone.jpg does not exist"):
        photos.list_photos(str(tmp_path / "gone.jpg"))
    for path in (tmp_path, tmp_path / "gone.jpg"):
        with pytest.raises(DataError, match="^--photos "):
            photos.list_photos(str(path), "--photos")


def test_weights_of_other_things_are_not_shown_drawn_pictures():
    options = SimpleNamespace(limit=2, matte=None)
    names = drawn_pictures("val", 1).class_names
    for known in (names, None):  # without names their number tells
        model = SimpleNamespace(class_names=known, config=SimpleNamespace(NUM_CLASSES=len(names)))
        assert len(photos.photos_of(None, model, options).image_ids) == 2
    mugs = SimpleNamespace(class_names=["BG", "mug"], config=SimpleNamespace(NUM_CLASSES=2))
    with pytest.raises(UsageError, match="know other things .mug .* give photos by --image FILE"):
        photos.photos_of(None, mugs, options)
    dataset = photos.photos_of(["a.jpg"], mugs, options)
    assert dataset.class_names == ["BG", "mug"] and dataset.image_info[0]["path"] == "a.jpg"


def test_names_of_the_model_stay_whole():
    names = ["BG", "top, t-shirt, sweatshirt", "top, shirt"]
    model = SimpleNamespace(class_names=names, config=SimpleNamespace(NUM_CLASSES=3))
    dataset = photos.photos_of(["a.jpg"], model, SimpleNamespace(limit=None, matte=None))
    assert dataset.class_names == names


def test_photos_are_never_overwritten(tmp_path):
    (tmp_path / "in").mkdir()
    paths = [str(tmp_path / "in" / "a.jpg")]
    photos.check_output(str(tmp_path / "out"), paths)
    for same in (str(tmp_path / "in"), str(tmp_path / "in" / ".." / "in")):
        with pytest.raises(UsageError, match="overwrite"):
            photos.check_output(same, paths)


def found_rectangle(height, width, box):
    """What detect() would return for one rectangle."""
    mask = np.zeros((height, width), bool)
    mask[box[0]:box[2], box[1]:box[3]] = True
    return {"boxes": np.array([box], np.float32), "class_ids": np.array([1], np.int32),
            "scores": np.array([0.9], np.float32), "rles": [rle_encode(mask)]}


def dataset_of(*paths):
    dataset = PhotoDataset().load_photos(paths, ["BG", "hat"])
    dataset.prepare()
    return dataset


def test_a_drawing_keeps_name_and_format(tmp_path):
    dataset = dataset_of(*(f"there/{name}" for name in ("a.jpg", "b.PNG", "c.tif")))
    image = np.zeros((40, 40, 3), np.uint8)
    for image_id in dataset.image_ids:
        photos.save_drawing(tmp_path, dataset, image_id, image, found_rectangle(40, 40, [10, 10, 30, 30]))
    formats = {name: Image.open(tmp_path / name).format for name in os.listdir(tmp_path)}
    assert formats == {"a.jpg": "JPEG", "b.PNG": "PNG", "c.tif.png": "PNG"}


def test_no_drawing_has_the_name_of_another_photos(tmp_path):
    own = ["a.webp.png", "a.webp_2.png", "b.jpg"]
    with pytest.warns(UserWarning, match=r"1 photos .*\(a.webp: a.webp_3.png\); rename the photos"):
        assert photos.picture_names(dataset_of("a.webp", *own)) == ["a.webp_3.png", *own]


def test_an_object_is_drawn_where_it_is(tmp_path):
    image = np.full((700, 800, 3), 128, np.uint8)
    photos.save_drawing(tmp_path, dataset_of("a.png"), 0, image, found_rectangle(700, 800, [200, 300, 400, 600]))
    changed = (np.asarray(Image.open(tmp_path / "a.png")) != image).any(2)
    assert changed[205:395, 305:595].mean() > 0.95  # the mask
    assert not changed[410:].any() and not changed[:, 610:].any() and not changed[:, :290].any()


def test_small_pictures_are_enlarged_by_whole_times(tmp_path):
    # 600 // 256 = 2; at most 4 times; never smaller.
    for side, times in ((256, 2), (60, 4), (400, 1), (700, 1)):
        result = found_rectangle(side, side, [10, 10, 30, 30])
        photos.save_drawing(tmp_path, dataset_of("a.png"), 0, np.zeros((side, side, 3), np.uint8), result)
        assert Image.open(tmp_path / "a.png").size == (times * side, times * side)


def test_photos_have_their_file_names_as_ids():
    assert [info["id"] for info in dataset_of("x/a.jpg", "x/b.jpg").image_info] == ["a.jpg", "b.jpg"]
