"""Photos of 16 bits that fill little of them."""

import warnings

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.data import bit_depth
from mrcnn.data.bit_depth import is_faint, largest_value
from mrcnn.data.images import load_image


@pytest.fixture(autouse=True)
def none_known(monkeypatch):
    monkeypatch.setattr(bit_depth, "_known", set())


def write(path, top, colours=1, kind=np.uint16):
    values = np.full((4, 5, colours), 100, kind)
    values[1, 2] = top
    assert cv2.imwrite(str(path), values)
    return path


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_the_largest_value_of_grey_photos(tmp_path, ending):
    with Image.open(write(tmp_path / f"a.{ending}", 3600)) as image:
        assert largest_value(image) == 3600


@pytest.mark.parametrize("ending", ["png", "tif", "ppm"])
def test_of_colours_the_high_byte_is_known(tmp_path, ending):
    with Image.open(write(tmp_path / f"a.{ending}", 3600, 3)) as image:
        assert largest_value(image) == 14 * 256 + 255  # 3600 = 14 * 256 + 16


def test_eight_bits_have_none(tmp_path):
    with Image.open(write(tmp_path / "a.png", 30, 3, np.uint8)) as image:
        assert largest_value(image) is None


def test_an_eighth_is_the_limit_and_black_is_black():
    assert [is_faint(value) for value in (None, 0, 1, 8191, 8192, 65535)] == [False, False, True, True, False, False]


def test_the_first_of_a_folder_is_told_with_the_remedy(tmp_path):
    for name in ("a.png", "b.png"):
        write(tmp_path / name, 3600)
    with pytest.warns(UserWarning, match=r"a.png: the photo's 16 bits hold values up to 3600 of 65535, which become "
                                         r"0..14 of 255, nearly black: spread .* multiply by 16"):
        load_image(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_image(tmp_path / "b.png")


def test_a_dark_one_after_a_bright_one_is_no_news(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_image(write(tmp_path / "a.png", 60000))
        load_image(write(tmp_path / "b.png", 3600))


def test_where_zero_is_white_it_is_nearly_white(tmp_path):
    data, entry = write(tmp_path / "a.tif", 3600).read_bytes(), b"\x06\x01\x03\0\x01\0\0\0"  # 262, one short
    assert data.count(entry + b"\1") == 1
    (tmp_path / "a.tif").write_bytes(data.replace(entry + b"\1", entry + b"\0"))
    with pytest.warns(UserWarning, match="values up to 3600 of 65535, which become 241..255, nearly white"):
        assert load_image(tmp_path / "a.tif").min() == 241
