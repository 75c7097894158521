"""HEIC, the photos of iPhones: read by a package of its own where it is installed."""

import contextlib
import importlib
import os

from mrcnn.errors import DataError

HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftyphevx", b"ftypheim", b"ftypmif1", b"ftypmsf1")  # from byte 4 on


def read_heic(path: str | os.PathLike, start: bytes) -> None:
    """Have Pillow read HEIC, the photos of iPhones, if a file is one.

    Args:
        path: of the file
        start: first bytes of it

    Raises:
        DataError: if the package that reads it is not installed.
    """
    if start[4:12] not in HEIC:
        return
    for name in ("pi_heif", "pillow_heif"):  # the same code; the wheels of the second hold an encoder under the GPL
        with contextlib.suppress(ImportError):
            return importlib.import_module(name).register_heif_opener()
    raise DataError(f'{path}: a HEIC photo: pip install pi-heif (or "mrcnn-keras[heic]"), or save it as JPEG.')
