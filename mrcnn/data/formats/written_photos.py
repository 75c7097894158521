"""The photos of a folder that is written with its annotations: their names there, and the files themselves."""

import io
import os
import re
import unicodedata
import warnings
from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np

from mrcnn.data.annotated import photo_name
from mrcnn.data.checked_photos import checked_photo
from mrcnn.data.dataset import Dataset
from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.data.objects import is_users_own, named_errors
from mrcnn.errors import DataError

WAYS = ("copy", "link")
TRAIN, VAL = "train", "val"
LEADING = ("images", "JPEGImages", "train", "val", "valid", "test")  # folders that tell no photo from another
INSTEAD = "photos"  # of a folder whose name has a meaning in the form


class Targets(NamedTuple):
    """Where photos are written.

    Attributes:
        names: list of (part or None, name with forward slashes), of which no two are one file on any disk.
        renamed: number of photos that are called otherwise, for another has the same name but for its ending.
        unread: list of (name, name that is written) of photos whose own name readers pass over, or misread.
    """

    names: list[tuple[str | None, str]]
    renamed: int
    unread: list[tuple[str, str]]

    def warn(self, path: str | os.PathLike) -> None:
        """Warn of the photos in `unread`."""
        if self.unread:
            old, new = self.unread[0]
            warnings.warn(f"{path}: {len(self.unread)} photos are called otherwise, for readers pass over their own "
                          f"names or misread them (first: {old!r} is {new!r}): go by the new names.", stacklevel=3)


def target_names(dataset: Dataset, image_ids: Collection[int],
                 part_of: Callable[[str | None], str | None] = lambda part: part,
                 reserved: Collection[str] = ()) -> Targets:
    """Names that photos have in the folder that is written, ordered as `image_ids`.

    Leading folders of a layout, such as images/train, are taken off where the rest tells the photos of a part apart. Of
    two photos that differ in nothing but the ending, or the case of letters, the second is called after it too, as in
    a_png.png.

    Args:
        dataset: prepared Dataset.
        image_ids: ids in the data set.
        part_of: gives the part in which the photos of a part are written.
        reserved: names of folders that have a meaning in the form: INSTEAD takes their place.

    Returns:
        Targets.
    """
    given = [_safe(photo_name(dataset, i)) for i in image_ids]
    parts = [part_of(dataset.image_info[i].get("split")) for i in image_ids]
    short = [_without_leading(name) for name in given]
    named = short if len(set(zip(parts, short))) == len(short) else given
    taken, targets, renamed, unread = set(), [], 0, []
    for part, name in zip(parts, named):
        readable = _readable(name, reserved)
        stem, ending = os.path.splitext(readable)
        key = stem
        while (part, same_file(key)) in taken:
            key = f"{key}_{ending[1:] or 'photo'}"
        taken.add((part, same_file(key)))
        renamed += key != stem
        unread += [(name, key + ending)] if readable != name else []
        targets.append((part, key + ending))
    return Targets(targets, renamed, unread)


def same_file(name: str) -> str:
    """What names have in common that are one file on some disk: they differ in case, or in composed letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def write_photo(dataset: Dataset, image_id: int, target: str, photos: str) -> str:
    """Write a photo: its file as it is, or a link to it; as PNG the pixels that there is no file of, or that a user's
    own `load_image` makes.

    Args:
        dataset: prepared Dataset.
        image_id: id of the photo in the data set.
        target: path to write, with the ending of the photo's name.
        photos: "copy" or "link".

    Returns:
        Path of what was written.

    Raises:
        DataError: the photo cannot be read.
    """
    os.makedirs(os.path.dirname(target), exist_ok=True)
    info, data = dataset.image_info[image_id], None
    with named_errors(dataset, image_id):
        if info.get("embedded"):
            data = dataset.photo_bytes(image_id)
        elif info.get("path") and not is_users_own(dataset, "load_image"):  # which may crop, mirror, read other files
            if photos == "link":
                os.symlink(os.path.abspath(info["path"]), target)
                return target
            with open(info["path"], "rb") as file:
                data = file.read()
        if data is None:
            return _write_pixels(checked_photo(dataset, image_id), target)
    with open(target, "xb") as file:  # never over another photo
        file.write(data)
    return target


def held_photos(dataset: Dataset, image_ids: Collection[int]) -> list[int]:
    """Which photos have no file with their pixels: in annotations, drawn, or made by a user's own `load_image`.

    Args:
        dataset: prepared Dataset.
        image_ids: ids in the data set of those to look at.

    Returns:
        Their ids.
    """
    own = is_users_own(dataset, "load_image")
    return [i for i in image_ids if own or dataset.image_info[i].get("embedded")]


def check_target(dataset: Dataset, path: str | os.PathLike, photos: str) -> None:
    """Raise DataError unless `photos` is one of WAYS and no photo lies in the folder to write, which is replaced."""
    if photos not in WAYS:
        raise DataError(f"photos={photos!r}: take one of {', '.join(WAYS)}.")
    folder = os.path.join(os.path.realpath(path), "")
    for info in dataset.image_info:
        if info.get("path") and os.path.realpath(info["path"]).startswith(folder):
            raise DataError(f"{path}: holds {info['path']}, a photo of the data to convert: give another folder.")


def sentence(folder: str, photos: str) -> str:
    """Where the photos are, for the end of a command."""
    return f"The photos are {'copied' if photos == 'copy' else 'linked'} to {folder}."


def _write_pixels(pixels, target):
    target = f"{os.path.splitext(target)[0]}.png"
    with open(target, "xb") as file:
        file.write(png_bytes(pixels))
    return target


def png_bytes(pixels: np.ndarray) -> bytes:
    """The bytes of a PNG file of pixels, uint8 [H, W, 3]."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(file, "PNG")
    return file.getvalue()


def _safe(name):
    """A name without what leads out of a folder, and with the ending of a photo."""
    parts = [part for part in name.replace(os.sep, "/").split("/") if part not in ("", ".", "..")]
    name = "/".join(parts) or "photo"
    return name if os.path.splitext(name)[1].lower() in PHOTO_ENDINGS else f"{name}.png"


def _readable(name, reserved):
    """A name without dots in front, by which files are hidden, ends of lines, and folders that have another meaning."""
    *folders, file = re.sub(r"[\r\n]", "_", name).split("/")
    folders = [INSTEAD if folder in reserved else folder for folder in folders]
    return "/".join(f"_{part[1:]}" if part.startswith(".") else part for part in [*folders, file])


def _without_leading(name):
    parts = name.split("/")
    while len(parts) > 1 and parts[0] in LEADING:
        parts.pop(0)
    return "/".join(parts)
