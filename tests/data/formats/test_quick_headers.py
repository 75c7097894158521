"""Sizes and orientations that the quick reading of headers tells are Pillow's."""

import io

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import photo_files
from mrcnn.data.formats.quick_headers import HEAD, quick_header
from mrcnn.data.images import EXIF_ORIENTATION, PNG_ORIENTATIONS
from mrcnn.errors import DataError

NOISE = np.random.default_rng(0).integers(0, 255, (31, 47, 3), dtype=np.uint8)


def told(path):
    return quick_header(path.read_bytes()[:HEAD], path, PNG_ORIENTATIONS)


@pytest.mark.parametrize("name, settings", [
    ("a.jpg", {}), ("a.jpg", {"progressive": True}), ("a.jpg", {"icc_profile": b"x" * 9000}),
    ("a.jpg", {"comment": b"y" * 5000}), ("a.png", {}), ("a.jpg", {"mode": "L"}), ("a.jpg", {"mode": "CMYK"}),
    ("a.png", {"mode": "P"}), ("a.png", {"mode": "1"}),
])
def test_ordinary_files(tmp_path, name, settings):
    settings = dict(settings)
    Image.fromarray(NOISE).convert(settings.pop("mode", "RGB")).save(tmp_path / name, **settings)
    assert told(tmp_path / name) == ((47, 31), 1)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("thumbnail", [0, 20_000])
def test_the_orientation_of_exif(tmp_path, orientation, thumbnail):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    exif[0x010E] = "x" * thumbnail  # what pushes the size behind the bytes that are read first
    Image.fromarray(NOISE).save(tmp_path / "a.jpg", exif=exif)
    assert told(tmp_path / "a.jpg") == ((47, 31), orientation)


def test_what_is_out_of_the_ordinary_is_left_to_pillow(tmp_path):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.fromarray(NOISE).save(tmp_path / "exif.png", exif=exif)
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf tiff:Orientation="6"/></x:xmpmeta>'
    plain = io.BytesIO()
    Image.fromarray(NOISE).save(plain, "JPEG")
    segment = b"\xff\xe1" + (len(xmp) + 2).to_bytes(2, "big") + xmp
    (tmp_path / "xmp.jpg").write_bytes(plain.getvalue()[:2] + segment + plain.getvalue()[2:])
    with_exif = io.BytesIO()
    Image.fromarray(NOISE).save(with_exif, "JPEG", exif=exif)
    other = Image.Exif()
    other[EXIF_ORIENTATION] = 1
    first = b"\xff\xe1" + (len(other.tobytes()) + 2).to_bytes(2, "big") + other.tobytes()
    (tmp_path / "two.jpg").write_bytes(plain.getvalue()[:2] + first + with_exif.getvalue()[2:])  # Pillow: 1
    exif[EXIF_ORIENTATION] = 9
    Image.fromarray(NOISE).save(tmp_path / "nine.jpg", exif=exif)
    (tmp_path / "cut.jpg").write_bytes(plain.getvalue()[:30])
    (tmp_path / "none.jpg").write_bytes(b"no photo")
    Image.fromarray(NOISE).save(tmp_path / "a.webp")
    for path in tmp_path.iterdir():
        assert told(path) is None, path


def test_files_cut_anywhere_give_the_same_answer_or_none(tmp_path):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 8
    Image.fromarray(NOISE).save(tmp_path / "a.jpg", exif=exif)
    data = (tmp_path / "a.jpg").read_bytes()
    for length in range(0, 700, 3):
        (tmp_path / "cut.jpg").write_bytes(data[:length])
        assert told(tmp_path / "cut.jpg") in (None, ((47, 31), 8))


def test_pillow_keeps_the_word_on_too_many_pixels(tmp_path, monkeypatch):
    Image.fromarray(NOISE).save(tmp_path / "a.jpg")
    with_limit = photo_files.photo_header(tmp_path / "a.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert photo_files.photo_header(tmp_path / "a.jpg") == with_limit == ((31, 47), 1)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 31 * 47 // 2 - 1)  # Pillow takes up to twice as many
    with pytest.raises(DataError, match="a.jpg: too many pixels"):
        photo_files.photo_header(tmp_path / "a.jpg")
