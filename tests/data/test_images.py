"""Reading photos of every kind, and the arithmetic of placing them on the canvas."""

import struct
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mrcnn.config import Config
from mrcnn.data.formats.photo_files import photo_size
from mrcnn.data.images import (
    Window,
    colours_of,
    image_path,
    load_image,
    place_image,
    planned_window,
    resize_image,
    resize_pixels,
)
from mrcnn.errors import DataError


def photo(height=40, width=30, seed=0):
    """Soft colours, so that JPEG changes them little."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.BILINEAR))


# --- Reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, options", [("a.png", {}), ("a.bmp", {}), ("a.tif", {}), ("a.webp", {"lossless": True})])
def test_lossless_photo_comes_back_as_written(tmp_path, name, options):
    pixels = photo()
    Image.fromarray(pixels).save(tmp_path / name, **options)
    loaded = load_image(tmp_path / name)
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, pixels)


@pytest.mark.parametrize("options", [{}, {"quality": 95, "subsampling": 0}, {"progressive": True}])
def test_jpeg_equals_pillow(tmp_path, options):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo(203, 101)).save(path, **options)
    np.testing.assert_array_equal(load_image(path), np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_grey_becomes_three_equal_channels(tmp_path, ending):
    path = tmp_path / f"grey.{ending}"
    Image.fromarray(photo()[..., 0]).save(path, quality=100)
    loaded = load_image(path)
    reference = np.asarray(Image.open(path))
    assert loaded.shape == (40, 30, 3)
    for channel in range(3):
        np.testing.assert_array_equal(loaded[..., channel], reference)


def test_what_is_transparent_is_laid_over_white_whatever_colour_it_hides(tmp_path):
    pixels = photo()
    alpha = np.zeros((40, 30), np.uint8)
    alpha[:20], alpha[20:25] = 255, 51  # whole, and a fifth
    expected = np.full((40, 30, 3), 255, np.uint8)
    expected[:20] = pixels[:20]
    expected[20:25] = np.rint(pixels[20:25] * 0.2 + 255 * 0.8)
    Image.fromarray(np.dstack([pixels, alpha]), "RGBA").save(tmp_path / "rgba.png")
    np.testing.assert_allclose(load_image(tmp_path / "rgba.png"), expected, atol=1)
    Image.fromarray(np.dstack([pixels[..., 2], alpha]), "LA").save(tmp_path / "la.png")
    np.testing.assert_allclose(load_image(tmp_path / "la.png"), np.repeat(expected[..., 2:], 3, axis=2), atol=1)
    hidden = np.where(alpha[..., None] == 0, 255 - pixels, pixels)  # another colour under the same looks
    Image.fromarray(np.dstack([hidden, alpha]), "RGBA").save(tmp_path / "other.png")
    np.testing.assert_array_equal(load_image(tmp_path / "other.png"), load_image(tmp_path / "rgba.png"))
    image = load_image(tmp_path / "rgba.png", matte=(10, 20, 30))
    assert (image[25:] == [10, 20, 30]).all() and (image[:20] == pixels[:20]).all()


def test_one_colour_that_stands_for_transparent(tmp_path):
    pixels = np.full((4, 5, 3), 90, np.uint8)
    pixels[0] = [1, 2, 3]
    Image.fromarray(pixels).save(tmp_path / "rgb.png", transparency=(1, 2, 3))
    image = load_image(tmp_path / "rgb.png")
    assert (image[0] == 255).all() and (image[1:] == 90).all()
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png", transparency=1)
    assert (load_image(tmp_path / "grey.png") == image).all()


def png(path, bits, colour_type, values, clear):
    """A PNG of one row, whose see-through colour is `clear`, which Pillow does not write of these depths."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    row = "".join(f"{value:0{bits}b}" for value in np.ravel(values))
    head = struct.pack(">IIBBBBB", len(values), 1, bits, colour_type, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
                     + chunk(b"tRNS", struct.pack(f">{np.size(clear)}H", *np.ravel(clear).tolist()))
                     + chunk(b"IDAT", zlib.compress(b"\0" + int(row, 2).to_bytes(len(row) // 8, "big")))
                     + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("bits, values, clear, seen", [
    (1, [0, 1, 0, 1, 1, 1, 0, 0], 1, [0, 0, 0, 0]),
    (2, [0, 1, 2, 3], 2, [0, 85, 255]),
    (4, [0, 8, 15, 1], 15, [0, 136, 17]),
    (16, [0, 300, 301, 65535], 301, [0, 1, 255]),
])
def test_a_grey_that_stands_for_transparent_at_any_depth(tmp_path, bits, values, clear, seen):
    image = load_image(png(tmp_path / "a.png", bits, 0, values, clear), matte=(9, 99, 199))[0]
    is_clear = np.array(values) == clear
    assert (image[is_clear] == (9, 99, 199)).all()
    np.testing.assert_array_equal(image[~is_clear], np.repeat(np.array(seen)[:, None], 3, axis=1))


def test_a_colour_of_sixteen_bits_that_stands_for_transparent(tmp_path):
    values = [(0, 0, 0), (1000, 2000, 3000), (65535, 65535, 65535)]
    image = load_image(png(tmp_path / "a.png", 16, 2, values, (1000, 2000, 3000)), matte=(9, 99, 199))[0]
    assert image.tolist() == [[0, 0, 0], [9, 99, 199], [255, 255, 255]]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "tiff_adobe_deflate"])
def test_grey_whose_zero_is_white_is_no_negative(tmp_path, kind, compression):
    values = np.array([[0, 40, 255]], np.uint8)
    stored = values if kind == np.uint8 else values.astype(np.uint16) * 257
    Image.fromarray(stored).save(tmp_path / "a.tif", compression=compression)
    data, entry = (tmp_path / "a.tif").read_bytes(), struct.pack("<HHI", 262, 3, 1)  # one short: what zero is
    assert data.count(entry + b"\1") == 1
    (tmp_path / "a.tif").write_bytes(data.replace(entry + b"\1", entry + b"\0"))
    assert load_image(tmp_path / "a.tif")[0, :, 1].tolist() == [255, 215, 0]


@pytest.mark.parametrize("package", ["pi_heif", "pillow_heif"])
def test_heic_is_read_by_either_package_or_names_it(tmp_path, monkeypatch, package):
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 40)
    for name in ("pi_heif", "pillow_heif"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    for read in (load_image, photo_size):
        with pytest.raises(DataError, match="a.heic: a HEIC photo: pip install pi-heif"):
            read(path)
    opened = []
    monkeypatch.setitem(sys.modules, package, SimpleNamespace(register_heif_opener=lambda: opened.append(1)))
    with pytest.raises(DataError, match="not a readable image"):
        load_image(path)
    assert opened == [1]


def test_palette_gives_its_colours(tmp_path):
    indices = np.array([[0, 1], [2, 1]], np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / "palette.png", transparency=1)
    colours = np.array([[10, 20, 30], [255, 255, 255], [70, 80, 90]], np.uint8)  # of the transparent one: white
    np.testing.assert_array_equal(load_image(tmp_path / "palette.png"), colours[indices])


def test_one_bit_is_black_and_white(tmp_path):
    bits = np.array([[True, False], [False, True]])
    Image.fromarray(bits).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(load_image(tmp_path / "bits.png")[..., 0], bits * 255)


def test_sixteen_bits_keep_the_high_byte(tmp_path):
    import cv2

    values = np.array([[0, 255, 256], [32768, 65279, 65535]], np.uint16)
    high = np.array([[0, 0, 1], [128, 254, 255]], np.uint8)  # value // 256
    for name in ("grey.png", "grey.tif"):
        cv2.imwrite(str(tmp_path / name), values)
        np.testing.assert_array_equal(load_image(tmp_path / name), np.repeat(high[..., None], 3, axis=2))
    colour = np.dstack([values, values[::-1], values[:, ::-1]])
    cv2.imwrite(str(tmp_path / "colour.png"), colour[..., ::-1])
    np.testing.assert_array_equal(load_image(tmp_path / "colour.png"), colour // 256)


def test_cmyk_jpeg_shows_the_colours_it_was_made_from(tmp_path):
    red = np.full((16, 16, 3), (255, 0, 0), np.uint8)
    Image.fromarray(red).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100)
    assert np.abs(load_image(tmp_path / "cmyk.jpg").astype(int) - red).max() <= 3


# What a viewer does with each EXIF orientation (EXIF 2.3, tag 0x0112).
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_exif_orientation_is_applied(tmp_path, orientation, ending):
    pixels = photo()
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{ending}"
    Image.fromarray(pixels).save(path, exif=exif, quality=100, subsampling=0)
    expected = UPRIGHT[orientation](pixels)
    loaded = load_image(path)
    assert loaded.shape == expected.shape
    assert np.abs(loaded.astype(int) - expected).max() <= (4 if ending == "jpg" else 0)


@pytest.mark.parametrize("ending", ["jpg", "png", "gif"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_truncated_photo_is_refused(tmp_path, ending, share):
    path = tmp_path / f"cut.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=f"cut.{ending}.*replace") as caught:
        load_image(path)
    assert "\n" not in str(caught.value)


def test_photo_with_bytes_after_its_end_is_read(tmp_path):
    path = tmp_path / "tail.jpg"
    Image.fromarray(photo()).save(path)
    expected = load_image(path)
    path.write_bytes(path.read_bytes() + b"appended by a phone")
    np.testing.assert_array_equal(load_image(path), expected)


def test_damaged_png_is_refused(tmp_path):
    path = tmp_path / "damaged.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF  # the chunk's checksum no longer holds
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged.png"):
        load_image(path)


def test_what_is_no_photo_is_named(tmp_path):
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("text.jpg", "missing.jpg", "folder.jpg"):
        with pytest.raises(DataError, match=name):
            load_image(tmp_path / name)


def test_floating_point_photo_is_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(DataError, match="float.tif.*convert it"):
        load_image(tmp_path / "float.tif")


def test_a_line_longer_than_cv2_decodes_is_not_given_to_it(tmp_path, capfd):
    Image.new("L", ((1 << 20) + 1, 1), 7).save(tmp_path / "long.png")
    assert load_image(tmp_path / "long.png")[0, -1].tolist() == [7, 7, 7]
    assert capfd.readouterr().err == ""  # where libpng would complain


def test_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(DataError, match="bomb.png.*too many pixels"):
        load_image(path)


@pytest.mark.parametrize("name", ["../a.jpg", "x/../../a.jpg", "/etc/a.jpg", "C:\\a.jpg", "..\\a.jpg", "\\a.jpg", ""])
def test_file_names_that_leave_the_folder_are_refused(name):
    with pytest.raises(DataError, match="image folder"):
        image_path("photos", name)


def test_file_names_in_subfolders_are_allowed():
    assert image_path("photos", "2019/a..b.jpg").replace("\\", "/") == "photos/2019/a..b.jpg"


# --- Placing ---------------------------------------------------------------------------------------------------------


def test_square_mode_by_hand():
    # The longer side, 604, shrinks to 512: the shorter one to 400 * 512 / 604 = 339.07, so 339 pixels, with
    # (512 - 339) // 2 = 86 black ones to its left.
    canvas, window = place_image(np.full((604, 400, 3), 255, np.uint8), 512, 512, mode="square")
    assert canvas.shape == (512, 512, 3)
    assert window.offset == (0, 86)
    assert window.scale == (512 / 604, 339 / 400)
    np.testing.assert_array_equal(window.box, [0, 86, 512, 86 + 339])
    assert (canvas[:, 86:425] == 255).all() and not canvas[:, :86].any() and not canvas[:, 425:].any()


def test_square_mode_enlarges_to_min_dim_only():
    # 100 x 50 to a shorter side of 80: scale 1.6, so 160 x 80 on a canvas of 256.
    _, window = place_image(np.zeros((100, 50, 3), np.uint8), 80, 256, mode="square")
    np.testing.assert_array_equal(window.box, [48, 88, 208, 168])
    # Nothing is shrunk that fits.
    _, window = place_image(np.zeros((200, 100, 3), np.uint8), 80, 256, mode="square")
    assert window.scale == (1, 1)


def test_pad64_mode_by_hand():
    # 100 -> 128 with 14 above, 70 -> 128 with 29 to the left.
    canvas, window = place_image(np.ones((100, 70, 3), np.uint8), None, None, mode="pad64")
    assert canvas.shape == (128, 128, 3)
    np.testing.assert_array_equal(window.box, [14, 29, 114, 99])
    assert canvas.sum() == 100 * 70 * 3
    canvas, _ = place_image(np.ones((128, 64, 3), np.uint8), 64, None, mode="pad64")
    assert canvas.shape == (128, 64, 3)


def test_min_scale_enlarges():
    _, window = place_image(np.zeros((64, 64, 3), np.uint8), 64, None, 2.0, "pad64")
    assert window.canvas_shape == (128, 128) and window.scale == (2, 2)


def test_crop_mode_shows_a_part_of_the_resized_photo():
    image = np.random.default_rng(1).integers(0, 256, (128, 200, 3), dtype=np.uint8)
    corners = set()
    for seed in range(8):
        canvas, window = place_image(image, 128, None, mode="crop", rng=np.random.default_rng(seed))
        left = -int(window.offset[1])
        assert window.scale == (1, 1) and window.offset[0] == 0
        np.testing.assert_array_equal(canvas, image[:, left : left + 128])
        np.testing.assert_array_equal(window.box, [0, 0, 128, 128])
        corners.add(left)
    assert len(corners) > 3
    again, _ = place_image(image, 128, None, mode="crop", rng=np.random.default_rng(7))
    np.testing.assert_array_equal(again, canvas)


def test_rectangle_mode_keeps_the_longer_side_and_pads_to_64():
    # 600x400 at a scale of 512 / 600 is 512 x 341.3, that is 341; the next multiple of 64 is 384: 21 and 22 columns.
    canvas, window = place_image(photo(600, 400), 0, 512, 0, "rectangle")
    assert canvas.shape == (512, 384, 3) and window.offset == (0, 21) and window.scale == (512 / 600, 341 / 400)
    # A small photo is enlarged by min_dim, as far as max_dim allows: 100x60 by 200 / 60, not to 400 but to 320 rows.
    canvas, window = place_image(photo(100, 60), 200, 320, 0, "rectangle")
    assert canvas.shape == (320, 192, 3) and window.scale == (3.2, 3.2)
    with pytest.raises(DataError, match="needs max_dim"):
        place_image(photo(), 64, mode="rectangle")


def test_none_mode_leaves_the_photo_and_needs_sides_of_64():
    image = photo(128, 192)
    canvas, window = place_image(image, 800, 1024, 0, "none")
    assert canvas is image
    np.testing.assert_array_equal(window.to_canvas([1, 2, 3, 4]), [1, 2, 3, 4])
    with pytest.raises(DataError, match="100x64.*rectangle"):
        place_image(np.zeros((100, 64, 3), np.uint8), mode="none")


def test_modes_that_cannot_be():
    with pytest.raises(DataError, match="'stretch' does not exist"):
        place_image(photo(), 64, 64, mode="stretch")
    with pytest.raises(DataError, match="needs max_dim"):
        place_image(photo(), 64, mode="square")


def test_a_hairline_photo_keeps_one_pixel():
    # 2000 x 1 at a scale of 64 / 2000 would be 64 x 0.03.
    canvas, window = place_image(np.full((2000, 1, 3), 9, np.uint8), None, 64, mode="square")
    assert window.box.tolist() == [0, 31, 64, 32]
    assert (canvas[:, 31] == 9).all()


@pytest.mark.parametrize("mode", ["square", "pad64", "crop"])
@pytest.mark.parametrize("shape", [(604, 400), (97, 311), (64, 64)])
def test_window_undoes_itself(mode, shape):
    rng = np.random.default_rng(0)
    _, window = place_image(np.zeros(shape + (3,), np.uint8), 128, 256, 0, mode, rng)
    corner = rng.uniform(0, 0.5, (20, 2)) * shape
    boxes = np.concatenate([corner, corner + rng.uniform(0, 0.5, (20, 2)) * shape], axis=1)
    np.testing.assert_allclose(window.to_original(window.to_canvas(boxes)), boxes, atol=1e-3)
    inside = window.to_original(window.box)
    assert (inside >= 0).all() and (inside[2:] <= shape).all()


def test_to_original_clips_to_the_photo():
    window = Window((100, 50), (200, 200), (2.0, 2.0), (0.0, 50.0))
    # x: (0 - 50) / 2 = -25 and (190 - 50) / 2 = 70; the photo ends at 50.
    np.testing.assert_array_equal(window.to_original([[10, 0, 220, 190]]), [[5, 0, 100, 50]])
    np.testing.assert_array_equal(window.to_original([[10, 0, 220, 190]], clip=False), [[5, -25, 110, 70]])


@pytest.mark.parametrize("side", [64, 192, 448])
def test_pixels_and_boxes_move_alike(side):
    # The centre of mass of a white rectangle is the middle of its box, before and after, up to the rounding of cv2.
    image = np.zeros((160, 240, 3), np.uint8)
    image[37:91, 52:149] = 255
    canvas, window = place_image(image, side, side, mode="square")
    weights = canvas[..., 0].astype(float)
    middle = [(weights * (np.indices(weights.shape)[axis] + 0.5)).sum() / weights.sum() for axis in range(2)]
    y1, x1, y2, x2 = window.to_canvas([37, 52, 91, 149])
    np.testing.assert_allclose(middle, [(y1 + y2) / 2, (x1 + x2) / 2], atol=0.02)


def test_shrinking_averages():
    # Columns of 0 and 255 in turn: skipping every other one would leave black or white.
    image = np.zeros((128, 128, 3), np.uint8)
    image[:, 1::2] = 255
    canvas, _ = place_image(image, None, 64, mode="square")
    assert np.abs(canvas.astype(int) - 127.5).max() <= 0.5


@pytest.mark.parametrize("mode, sides", [("square", (90, 128)), ("square", (128, 128)), ("rectangle", (64, 128)),
                                         ("pad64", (70, 128)), ("none", (0, 128))])
@pytest.mark.parametrize("shape", [(128, 64), (64, 192), (192, 256)])
def test_a_planned_window_is_where_the_photo_is_placed(mode, sides, shape):
    config = Config(IMAGE_RESIZE_MODE=mode, IMAGE_MIN_DIM=sides[0], IMAGE_MAX_DIM=sides[1])
    window = place_image(np.zeros(shape + (3,), np.uint8), *sides, 0, mode)[1]
    assert planned_window(shape, config) == window


def test_a_crop_is_scaled_but_not_cut():
    window = planned_window((100, 200), Config(IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=128))
    assert window.scale == (1.28, 1.28) and window.canvas_shape == (128, 256)


# --- Matterport's door -----------------------------------------------------------------------------------------------


def test_resize_image_tells_what_it_did():
    image = np.ones((100, 70, 3), np.uint8)
    # min_dim 140 asks for a scale of 2, max_dim 160 allows 1.6: 160 x 112, padded by 24 on both sides.
    canvas, window, scale, padding, crop = resize_image(image, 140, 160, 0, "square")
    assert canvas.shape == (160, 160, 3) and window == (0, 24, 160, 136) and scale == 1.6 and crop is None
    assert padding == [(0, 0), (24, 24), (0, 0)]
    canvas, window, scale, padding, crop = resize_image(image, 70, mode="crop", rng=np.random.default_rng(0))
    assert canvas.shape == (70, 70, 3) and window == (0, 0, 70, 70) and scale == 1 and crop[1:] == (0, 70, 70)
    assert 0 <= crop[0] <= 30 and padding == [(0, 0), (0, 0), (0, 0)]
    assert resize_image(image, mode="none")[1:] == ((0, 0, 100, 70), 1, [(0, 0), (0, 0), (0, 0)], None)


def test_resize_image_keeps_other_types_and_channels():
    for dtype, channels in ((np.float32, 1), (np.int64, 3), (np.uint16, 4)):
        canvas = resize_image(np.full((10, 20, channels), 7, dtype), 20, 64)[0]
        assert canvas.dtype == dtype and canvas.shape == (64, 64, channels)
        assert set(np.unique(canvas)) == {0, 7}


def test_the_colours_of_photos_of_any_channels():
    photo = np.array([[[10, 20, 30, 40, 50]]], np.uint8)
    for channels, expected in ((1, [10] * 3), (2, [10] * 3), (3, [10, 20, 30]), (4, [10, 20, 30]), (5, [10, 20, 30])):
        assert colours_of(photo[..., :channels]).tolist() == [[expected]]
    assert colours_of(photo[..., 0]).tolist() == [[[10] * 3]]


@pytest.mark.parametrize("shape", [(10, 15), (30, 50), (20, 30)])
def test_photos_of_many_channels_are_resized_channel_by_channel(shape):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 9), dtype=np.uint8)
    expected = np.stack([resize_pixels(image[..., c : c + 1], shape)[..., 0] for c in range(9)], axis=2)
    resized = resize_pixels(image, shape)
    assert resized.dtype == np.uint8
    np.testing.assert_array_equal(resized, expected)
