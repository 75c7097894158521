"""The headers of ordinary JPEG and PNG files, read in a few microseconds; all others are left to Pillow.

What is told here is what Pillow would tell. Whatever is out of the ordinary gives None, and Pillow has the word.
"""

import os
import struct
from collections.abc import Iterable

HEAD = 4096  # bytes that hold the header of most photos
SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of a JPEG that tell its size
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
EXIF, XMP = b"Exif\0\0", b"http://ns.adobe.com/"
ORIENTATION, SHORT = 0x0112, 3


def quick_header(data: bytes, path: str | os.PathLike,
                 names_of_png: Iterable[bytes]) -> tuple[tuple[int, int], int] | None:
    """((width, height) as stored, EXIF orientation or 1) of an ordinary JPEG or PNG; None for any other file.

    Args:
        data: the first HEAD bytes of the file.
        path: of the file, for what lies behind these.
        names_of_png: the chunks and keys by which a PNG may hold an orientation.
    """
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data, path)
        if data.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"):
            return _png(data, path, names_of_png)
    except (struct.error, IndexError, OSError):
        return None
    return None


def _png(data, path, names):
    if len(data) == HEAD:
        with open(path, "rb") as file:
            data = file.read()
    if any(name in data for name in names):
        return None
    width, height, depth, colours = struct.unpack_from(">IIBB", data, 16)
    known = depth in (1, 2, 4, 8, 16) and colours in (0, 2, 3, 4, 6)
    return ((width, height), 1) if known and width and height and b"IDAT" in data else None


def _jpeg(data, path):
    """Walk from segment to segment up to the one that tells the size."""
    place, orientation = 2, None
    while True:
        if place + 10 > len(data):
            data = _from(path, data, place)
            if place + 10 > len(data):
                return None
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in ALONE:
            return None  # nothing ordinary has one here
        length = struct.unpack_from(">H", data, place + 2)[0]
        if marker in SIZES:
            bits, height, width, layers = struct.unpack_from(">BHHB", data, place + 4)
            ordinary = bits == 8 and layers in (1, 3, 4) and width and height
            return ((width, height), orientation or 1) if ordinary else None
        if marker == 0xE1:
            if place + 2 + length > len(data):
                data = _from(path, data, place)
            segment = data[place + 4 : place + 2 + length]
            if segment.startswith(EXIF):
                if orientation is not None:
                    return None  # Pillow joins several
                orientation = _of_exif(segment)
                if orientation is None:
                    return None
            elif segment.startswith(XMP) and b"Orientation" in segment:
                return None
        elif marker in (0xD9, 0xDA) or length < 2:
            return None
        place += 2 + length


def _from(path, data, place):
    """The bytes of a file up to some way behind a place."""
    with open(path, "rb") as file:
        return data + file.read(place + (1 << 17))[len(data):]


def _of_exif(segment):
    """Orientation that a segment of EXIF tells, 1 if none; None where Pillow must look."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(segment[6:10])
    if order is None:
        return None
    start = 6 + struct.unpack_from(order + "I", segment, 10)[0]
    for entry in range(struct.unpack_from(order + "H", segment, start)[0]):
        tag, kind, count, value = struct.unpack_from(order + "HHIH", segment, start + 2 + 12 * entry)
        if tag == ORIENTATION:
            return value if kind == SHORT and count == 1 and 1 <= value <= 8 else None
    return 1
