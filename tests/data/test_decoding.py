"""What Pillow raises over broken images, in one line each."""

import io

import pytest
from PIL import Image

from mrcnn.data.decoding import decoding
from mrcnn.errors import DataError


def test_an_image_of_no_known_format_is_named_with_its_remedy():
    with pytest.raises(DataError, match=r"^a.png: not a readable label map \(no PNG\): replace it\.$"), \
            decoding("a.png", "label map", "replace it", unknown="no PNG"):
        Image.open(io.BytesIO(b"none"))


def test_too_many_pixels_are_told(monkeypatch):
    file = io.BytesIO()
    Image.new("L", (40, 40)).save(file, "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow refuses from twice as many on
    with pytest.raises(DataError, match="a.png: too many pixels: shrink it, .*MAX_IMAGE_PIXELS"), decoding("a.png"):
        Image.open(file)


def test_what_has_no_words_is_told_by_its_kind():
    with pytest.raises(DataError, match=r"a.jpg: not a readable image \(KeyError\(\)\)"), decoding("a.jpg"):
        raise KeyError


def test_errors_that_name_a_remedy_stay_as_they_are():
    with pytest.raises(DataError, match="^give a path$"), decoding("a.jpg"):
        raise DataError("give a path")
