"""The masks that Label Studio's brush draws, `value.rle`: a form of its own, which is not COCO's run lengths.

They are the bytes of a picture's values R, G, B, A, R, G, ... row by row, packed by bits, the highest bit first:

    32 bits   number of values, 4 H W
     5 bits   bits of a value, less 1
  4 x 4 bits  bits of a length, less 1, of the four kinds of length
    packets   1 bit whether one value is repeated, 2 bits the kind of its length, the length less 1, then the one value,
              or as many values as the length says

The mask is where A is not 0, which is also what Label Studio's own exports take for it.
"""

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.run_length_counts import checked_size
from mrcnn.errors import DataError

CHANNELS, ALPHA = 4, 3
HEADER = 32 + 5 + 4 * 4  # bits
VALUE_BITS, LENGTH_BITS = 8, (3, 4, 8, 16)  # as Label Studio writes them


def decode(rle: list[int] | bytes, shape: tuple[int, int]) -> dict:
    """Decode the run lengths of a brush; memory is taken by the pixels of the photo and by the length of the text.

    Args:
        rle: list of bytes, 0..255
        shape: (H, W) of the photo

    Returns:
        RLE of COCO, compressed.

    Raises:
        DataError: it is no such list, is of a photo of another size, or breaks off.
    """
    height, width = checked_size(shape)
    data = packed_bytes(rle)
    count = value_count(data)
    if count != CHANNELS * height * width:
        raise DataError(f"its brush has {count / CHANNELS:.0f} pixels, the photo {height * width} ({height}x{width})")
    mask = bytearray(height * width)
    for first, after in _alpha_intervals(data, count):
        mask[first:after] = b"\1" * (after - first)
    return run_lengths.encode(np.frombuffer(mask, bool).reshape(height, width))


def packed_bytes(rle: list[int] | bytes) -> bytes:
    """The bytes of a list of numbers 0..255.

    Raises:
        DataError: it is none, or too short to be a brush's.
    """
    try:
        data = bytes(rle) if isinstance(rle, (list, bytes)) else b""
    except (TypeError, ValueError) as error:
        raise DataError("the rle of its brush is no list of bytes, 0 to 255") from error
    if len(data) * 8 < HEADER:
        raise DataError("the rle of its brush is no list of bytes, 0 to 255, or is too short")
    return data


def value_count(data: bytes) -> int:
    """How many values, four a pixel, packed bytes say that they have."""
    return int.from_bytes(data[:4], "big")


def _alpha_intervals(data, count):
    """Yield (first pixel, pixel after the last) of what is inside, pixels counted along the rows.

    Args:
        data: bytes
        count: of the values
    """
    windows, end = _windows(data), 8 * len(data)
    header = int.from_bytes(data[4:8], "big") >> (32 - HEADER + 32)
    value_bits = (header >> 16) + 1
    length_bits = [(header >> shift & 15) + 1 for shift in (12, 8, 4, 0)]
    at, place = HEADER, 0
    while place < count:
        if at >= end:
            raise DataError(f"its brush breaks off: {place} of {count} values are there")
        # A packet's head, and its value if that is repeated, have at most 3 + 16 + 32 bits.
        window = windows[at >> 3] << (at & 7)
        size = length_bits[window >> 61 & 3]
        length = (window >> (61 - size) & ((1 << size) - 1)) + 1
        single = bool(window >> 63 & 1) or length == 1
        values = 1 if single else length
        start = at + 3 + size
        at = start + values * value_bits
        if at > end:
            raise DataError(f"its brush breaks off: {place} of {count} values are there")
        if place + length > count:
            raise DataError(f"its brush has more values than the {count} that it says")
        first = (place + CHANNELS - 1 - ALPHA) // CHANNELS  # the first pixel whose A is among these values
        after = (place + length + CHANNELS - 1 - ALPHA) // CHANNELS
        if after > first and single:
            if window >> (61 - size - value_bits) & ((1 << value_bits) - 1):
                yield first, after
        elif after > first:
            inside = _inside(data, start, values, value_bits)[first * CHANNELS + ALPHA - place :: CHANNELS]
            edges = np.flatnonzero(np.diff(inside.astype(np.int8), prepend=0, append=0)) + first
            yield from zip(edges[::2].tolist(), edges[1::2].tolist())
        place += length


def _windows(data):
    """The 64 bits from each byte on, as numbers; what lies beyond the end is 0."""
    padded = np.frombuffer(data + bytes(8), np.uint8)
    windows = np.zeros(len(data), np.uint64)
    for place in range(8):
        windows |= padded[place : place + len(data)].astype(np.uint64) << np.uint64(56 - 8 * place)
    return memoryview(windows)


def _inside(data, start, values, value_bits):
    """bool [values]: which of some values, from a bit on, are not 0."""
    end = start + values * value_bits
    bits = np.unpackbits(np.frombuffer(data, np.uint8, (end + 7) // 8 - start // 8, start // 8))
    return bits[start % 8 : start % 8 + end - start].reshape(values, value_bits).any(axis=1)


def encode(rle: dict) -> list[int]:
    """Encode a mask as a brush, with 255 in all four channels inside, as Label Studio's own tools write masks.

    Args:
        rle: RLE of COCO, compressed or not

    Returns:
        list of bytes, 0..255.

    Raises:
        DataError: it is no RLE, or of more than 2**30 pixels.
    """
    mask = run_lengths.decode(rle)
    count = CHANNELS * mask.size
    if count >= 1 << 32:
        raise DataError(f"a photo of {mask.shape[0]}x{mask.shape[1]} pixels is too large for a brush: shrink it")
    pixels = np.ascontiguousarray(mask).reshape(-1)
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    runs = np.diff(np.concatenate([[0], edges, [mask.size]])) * CHANNELS if mask.size else []
    parts = [f"{count:032b}", f"{VALUE_BITS - 1:05b}", *(f"{size - 1:04b}" for size in LENGTH_BITS)]
    inside = bool(mask.size and pixels[0])
    for run in runs:
        parts.extend(_packets(int(run), 255 if inside else 0))
        inside = not inside
    bits = "".join(parts)
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8, "big"))


def _packets(run, value):
    """Yield the bits of a run of one value."""
    longest = 1 << LENGTH_BITS[-1]
    while run:
        length = min(run, longest)
        kind = next(kind for kind, size in enumerate(LENGTH_BITS) if length <= 1 << size)
        yield f"1{kind:02b}{length - 1:0{LENGTH_BITS[kind]}b}{value:0{VALUE_BITS}b}"
        run -= length
