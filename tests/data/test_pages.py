"""Pictures of several pages: they are counted, told of as photos, and refused as masks."""

import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import pages
from mrcnn.data.formats.label_files import read_mask
from mrcnn.data.images import load_image
from mrcnn.data.pages import page_count
from mrcnn.errors import DataError

FIRST, SECOND = np.zeros((2, 8, 9), np.uint8)
FIRST[1:3, 1:3], SECOND[4:7, 4:8] = 255, 255


@pytest.fixture(autouse=True)
def none_known(monkeypatch):
    monkeypatch.setattr(pages, "_known", set())


def saved(path, count=2, **options):
    first, *others = [Image.fromarray(page) for page in (FIRST, SECOND, FIRST.T.copy().reshape(8, 9))[:count]]
    first.save(path, save_all=True, append_images=others, **options)
    return path


@pytest.mark.parametrize("ending", ["tif", "gif", "webp", "png"])
def test_pages_are_counted(tmp_path, ending):
    for count in (1, 2, 3):
        with Image.open(saved(tmp_path / f"a.{ending}", count)) as image:
            assert page_count(image) == count
            assert image.tell() == 0 and np.array(image).shape[:2] == (8, 9)


@pytest.mark.parametrize("ending", ["tif", "gif", "webp", "png"])
def test_the_first_photo_of_a_folder_is_told_and_its_first_page_read(tmp_path, ending):
    paths = [saved(tmp_path / f"{name}.{ending}") for name in "ab"]
    with pytest.warns(UserWarning, match=rf"a.{ending}: the photo has 2 pages, of which the first alone is read: save"):
        photo = load_image(paths[0])
    assert photo[1, 1, 0] > 200 and photo[5, 5, 0] < 50
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_image(paths[1])


def test_the_first_page_is_the_picture_of_an_animated_png_that_its_animation_leaves_out(tmp_path):
    first, second, third = (Image.fromarray(np.stack([page] * 3, axis=2)) for page in (FIRST, SECOND, SECOND[::-1]))
    first.save(tmp_path / "a.png", save_all=True, default_image=True, append_images=[second, third])
    with pytest.warns(UserWarning, match="a.png: the photo has 3 pages, of which the first alone is read"):
        np.testing.assert_array_equal(load_image(tmp_path / "a.png")[..., 0], FIRST)


@pytest.mark.parametrize("kind, count", [(0, 2), (1, 1), (4, 1), (2, 2)])
def test_smaller_copies_and_masks_are_no_pages(tmp_path, kind, count):
    # 254 of TIFF: 1 is a smaller copy, 4 a mask, 2 one page of several.
    second = Image.fromarray(SECOND)
    second.encoderinfo = {"tiffinfo": {254: kind}}
    Image.fromarray(FIRST).save(tmp_path / "a.tif", save_all=True, append_images=[second])
    with Image.open(tmp_path / "a.tif") as image:
        assert page_count(image) == count


def test_a_photo_whose_second_page_is_broken_is_read(tmp_path):
    data = saved(tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[:-150])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load_image(tmp_path / "a.tif")[1, 1, 0] == 255


@pytest.mark.parametrize("ending", ["tif", "gif", "png"])
def test_masks_of_several_pages_are_refused(tmp_path, ending):
    assert read_mask(saved(tmp_path / f"a.{ending}", 1))[0].sum() == 4
    with pytest.raises(DataError, match=rf"^a.{ending}: has 2 pages, and a mask is of one object: save each page"):
        read_mask(saved(tmp_path / f"a.{ending}"))
