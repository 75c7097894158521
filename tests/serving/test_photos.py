"""Photos of strangers: what is decoded, and what is refused before."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from stub_server import photo, png

from mrcnn.data.images import load_image
from mrcnn.serving.limits import Limits
from mrcnn.serving.photos import decode_base64, decode_photo, raise_bound
from mrcnn.serving.refusals import Refused

LIMITS = Limits(pixels=10_000, upload=100_000)


def bomb(width, height):
    """A PNG whose header promises many pixels and whose data has few."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_a_photo_is_what_load_image_reads(tmp_path, form):
    file = io.BytesIO()
    Image.fromarray(photo()).save(file, form)
    (tmp_path / "a").write_bytes(file.getvalue())
    assert np.array_equal(decode_photo(file.getvalue(), "a", LIMITS), load_image(tmp_path / "a"))


def test_what_is_transparent_lies_over_the_colour_asked_for():
    pixels = np.zeros((4, 4, 4), np.uint8)
    assert decode_photo(png(pixels), "a", LIMITS, (9, 8, 7))[0, 0].tolist() == [9, 8, 7]


@pytest.mark.parametrize("data, status, message", [
    (b"", 415, "no photo that is read here"),
    (b"hello", 415, "no photo that is read here"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415, "no photo that is read here"),  # would run a program
    (bomb(60_000, 60_000), 413, "60000 x 60000 pixels, 10000 are taken: shrink it"),
    (bomb(101, 100), 413, "101 x 100 pixels, 10000 are taken: shrink it"),
    (bytes(100_001), 413, "100001 bytes, 100000 are taken"),
    (png(photo())[:-30], 422, "not a readable image"),
    (bomb(99, 100), 422, "not a readable image"),
])
def test_what_is_no_photo_is_refused_with_the_reason(data, status, message):
    with pytest.raises(Refused, match=message) as refused:
        decode_photo(data, "a.png", LIMITS)
    assert refused.value.status == status and refused.value.reason.startswith("a.png: ")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bound", [150, 50])  # from which on Pillow warns; it refuses twice as many
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM"])
def test_the_limit_is_the_user_s_and_not_pillow_s(monkeypatch, form, bound):
    file = io.BytesIO()
    Image.fromarray(photo()).save(file, form)
    wanted = decode_photo(file.getvalue(), "a", LIMITS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", bound)
    assert np.array_equal(decode_photo(file.getvalue(), "a", LIMITS), wanted)
    with pytest.raises(Refused, match="a: 16 x 12 pixels, 191 are taken: shrink it"):
        decode_photo(file.getvalue(), "a", Limits(pixels=191))
    assert bound == Image.MAX_IMAGE_PIXELS


def tiff():
    file = io.BytesIO()
    Image.fromarray(photo()).save(file, "TIFF")
    return file.getvalue()


def test_a_tiff_beyond_pillow_s_bound_is_refused_with_that(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    with pytest.raises(Refused, match="a: 16 x 12 pixels, of a TIFF 100 are taken: save it as a JPEG or PNG") as error:
        decode_photo(tiff(), "a", LIMITS)
    assert error.value.status == 413


def test_a_gif_whose_first_frame_pillow_bounds(monkeypatch):
    file = io.BytesIO()
    pages = [Image.fromarray(photo(score=one)) for one in (0, 1)]
    pages[0].save(file, "GIF", save_all=True, append_images=pages[1:], disposal=2)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    with pytest.raises(Refused, match="a: too many pixels for a picture of its format: save it as a JPEG or PNG"):
        decode_photo(file.getvalue(), "a", LIMITS)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bound, pixels, then", [(50, 192, 192), (200, 192, 200), (None, 192, None)])
def test_pillow_s_bound_is_raised_to_the_user_s(monkeypatch, bound, pixels, then):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", bound)
    raise_bound(pixels)
    assert then == Image.MAX_IMAGE_PIXELS and decode_photo(tiff(), "a", LIMITS).shape == (12, 16, 3)


@pytest.mark.filterwarnings("error")
def test_a_bomb_is_refused_without_its_memory():
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(Refused):
        decode_photo(bomb(12_000, 12_000), "a", LIMITS)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000  # of 432,000,000
    tracemalloc.stop()


def test_base64_with_and_without_a_data_address():
    text = base64.b64encode(b"photo").decode()
    assert decode_base64(text, "a") == decode_base64(f"data:image/png;base64,{text}", "a") == b"photo"
    for wrong in ("%%%", "abc", None, 5, "é"):
        with pytest.raises(Refused, match="a: no base64") as refused:
            decode_base64(wrong, "a")
        assert refused.value.status == 422


def with_scans(more):
    """A progressive JPEG whose last scan comes again so many times."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (90, 120, 150)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    return data[:-2] + more * data[data.rindex(b"\xff\xda") : -2] + data[-2:]


def test_a_jpeg_of_more_scans_than_anybody_writes_is_not_decoded():
    count = with_scans(0).count(b"\xff\xda")
    with pytest.raises(Refused, match="a.jpg: a JPEG of 101 scans, of which 100 are decoded: save it anew") as refused:
        decode_photo(with_scans(101 - count), "a.jpg", LIMITS)
    assert refused.value.status == 422
    plain = with_scans(0)
    note = b"\xff\xe1" + (2 + 300).to_bytes(2, "big") + 150 * b"\xff\xda"
    for data in (with_scans(100 - count), plain + 200 * b"\xff\xda", plain[:2] + note + plain[2:]):  # no scans
        assert decode_photo(data, "a.jpg", LIMITS).shape == (16, 16, 3)
