"""Label Studio's brush: its own packed run lengths, held against its converter, and bounded."""

import numpy as np
import pytest

from mrcnn.data import run_lengths
from mrcnn.data.formats.label_studio_brush import decode, encode
from mrcnn.errors import DataError

MASK = np.array([[0, 1, 1, 0, 0], [0, 1, 0, 1, 0], [1, 1, 1, 1, 1]], bool)
# What `label_studio_sdk.converter.brush` 2.1.2 wrote: mask2rle of MASK, and encode_rle of a picture in colours.
PACKED = [0, 0, 0, 60, 57, 27, 252, 96, 19, 255, 219, 0, 143, 254, 48, 8, 255, 227, 0, 194, 127, 224]
COLOURED = [0, 0, 0, 24, 57, 27, 248, 1, 32, 4, 0, 14, 0, 0, 25, 0, 8, 128, 0, 7, 252, 224, 0, 100, 0, 34, 0, 0, 0, 96,
            100, 0, 34, 0, 0, 31, 224]
ALPHA = np.array([[0, 1, 0], [0, 1, 1]], bool)


def decoded(rle, shape):
    return run_lengths.decode(decode(rle, shape))


def packed(*fields):
    """Bytes of (number, bits)."""
    bits = "".join(f"{number:0{size}b}" for number, size in fields)
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8, "big"))


def header(values, value_bits=8, length_bits=(3, 4, 8, 16)):
    return [(values, 32), (value_bits - 1, 5), *((size - 1, 4) for size in length_bits)]


def test_what_label_studios_converter_wrote():
    np.testing.assert_array_equal(decoded(PACKED, (3, 5)), MASK)
    np.testing.assert_array_equal(decoded(COLOURED, (2, 3)), ALPHA)
    ours = encode(run_lengths.encode(MASK))
    assert ours == PACKED[: len(ours)] and not any(PACKED[len(ours):])  # it pads by a byte where none is needed


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (40, 61), (300, 400)])
@pytest.mark.parametrize("share", [0, 0.03, 0.5, 1])
def test_decoding_undoes_encoding(shape, share):
    mask = np.random.default_rng(1).random(shape) < share
    np.testing.assert_array_equal(decoded(encode(run_lengths.encode(mask)), shape), mask)


def test_literals_of_any_length_and_alignment():
    """A literal packet begins in the midst of a pixel, as where a colour follows another."""
    rng, count = np.random.default_rng(0), 4 * 6 * 5
    values = rng.integers(0, 3, count)
    for cut in (1, 2, 3, 4, 5, 17, 30):
        fields, place = header(count), 0
        while place < count:
            length = min(cut, count - place)
            fields += [(0, 1), (3, 2), (length - 1, 16), *((int(v), 8) for v in values[place : place + length])]
            place += length
        np.testing.assert_array_equal(decoded(packed(*fields), (6, 5)), values.reshape(6, 5, 4)[..., 3] > 0)


def test_other_sizes_of_words_and_lengths():
    # One value of 1 bit repeated 8 times, with lengths of 5 bits: two pixels inside.
    rle = packed(*header(8, 1, (5, 1, 1, 1)), (1, 1), (0, 2), (7, 5), (1, 1))
    assert decoded(rle, (1, 2)).tolist() == [[True, True]]
    # Values of 32 bits, the largest that the header can say: the fourth channel of the second pixel alone is not 0.
    values = [0] * 7 + [1]
    rle = packed(*header(8, 32), (0, 1), (0, 2), (7, 3), *((v, 32) for v in values))
    assert decoded(rle, (1, 2)).tolist() == [[False, True]]


@pytest.mark.parametrize("rle, said", [
    ([0, 0, 0, 8], "no list of bytes.*too short"),
    ("no list", "no list of bytes"),
    ([0, 0, 0, 300, 1, 1, 1], "no list of bytes"),
    ([0, 0, 0, -1] * 4, "no list of bytes"),
    ([1.5] * 20, "no list of bytes"),
    ([None] * 20, "no list of bytes"),
    (packed(*header(12)), "3 pixels, the photo 2"),
    (packed(*header(2**32 - 1)), "1073741824 pixels, the photo 2"),
    (packed(*header(8)), "breaks off: 0 of 8"),
    (packed(*header(8), (0, 1), (0, 2), (7, 3), (255, 8)), "breaks off: 0 of 8"),
    (packed(*header(8), (1, 1), (0, 2), (3, 3), (255, 8)), "breaks off: 4 of 8"),
    (packed(*header(8), (1, 1), (3, 2), (65535, 16), (255, 8), (0, 8)), "more values than the 8"),
])
def test_what_is_broken_is_refused(rle, said):
    with pytest.raises(DataError, match=said):
        decode(rle, (1, 2))


def test_random_bytes_end_in_one_line_or_in_a_mask():
    rng = np.random.default_rng(3)
    for _ in range(300):
        data = rng.integers(0, 256, rng.integers(7, 60)).astype(np.uint8)
        data[:4] = (0, 0, 0, 80)
        try:
            assert decoded(data.tolist(), (4, 5)).shape == (4, 5)
        except DataError as error:
            assert "\n" not in str(error)


def test_against_label_studios_converter():
    brush = pytest.importorskip("label_studio_sdk.converter.brush", reason="pip install label-studio-sdk")
    rng = np.random.default_rng(2)
    for shape in ((1, 1), (5, 9), (64, 48)):
        for share in (0, 0.1, 0.6, 1):
            mask = rng.random(shape) < share
            theirs = brush.decode_rle(encode(run_lengths.encode(mask))).reshape(*shape, 4)
            np.testing.assert_array_equal(theirs, np.repeat(mask[..., None] * 255, 4, axis=2))
            np.testing.assert_array_equal(decoded(brush.mask2rle(mask * np.uint8(255)), shape), mask)
            picture = rng.integers(0, 4, (*shape, 4)) * (rng.random((*shape, 1)) < share)
            np.testing.assert_array_equal(decoded(brush.encode_rle(picture.ravel()), shape), picture[..., 3] > 0)
