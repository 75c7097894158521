"""Names of the photos of a data set whose files are called the same, such as scene_0/rgb.png and scene_1/rgb.png."""

import os
import posixpath
from collections import Counter
from collections.abc import Callable, Container, Sequence

NAME = "name_apart"  # in `image_info`, of photos whose file name alone would not do


def tell_apart(infos: Sequence[dict], load_image: Callable) -> None:
    """Note names for photos whose file names tell them not apart, in their dicts of `image_info`.

    Where two files have one name, all photos are called by their paths from the folder that they share. Where a
    `load_image` of the user's own makes several photos of one file, as of a film, their ids are put before the ending;
    else such photos are one that is listed twice. Photos without a file are called by their ids, after their source
    where two sources have the same.

    Args:
        infos: `image_info` of a whole data set; parts of it keep the names.
        load_image: its method.
    """
    files, others = [], []
    for info in infos:
        info.pop(NAME, None)
        path = info.get("path")  # of users' own kinds it may be anything
        if isinstance(path, (str, os.PathLike)) and isinstance(os.fspath(path), str) and os.fspath(path):
            files.append(info)
        elif path is None:
            others.append(info)
    _by_folders(files)
    if str(getattr(load_image, "__module__", "")).partition(".")[0] != __name__.partition(".")[0]:
        _by_ids(files)
    sources = {}
    for info in others:
        sources.setdefault(str(info["id"]), set()).add(str(info["source"]))
    for info in others:
        if len(sources[str(info["id"])]) > 1:
            info[NAME] = f"{info['source']}/{info['id']}"


def file_name_of(info: dict) -> str:
    """What a photo with a path is called: by its file, with folders where these tell it from others.

    Args:
        info: its dict in `image_info`.
    """
    return info.get(NAME) or os.path.basename(info["path"])


def as_called(name: str, known: Container[str]) -> str:
    """A name of a photo in a file of before, as a data set calls it now, where "./" and "//" alone differ.

    Args:
        name: in the file.
        known: names of the data set's photos.

    Returns:
        The name without "./" and "//" if a photo is called so and none as it is written, else the name itself.
    """
    plain = posixpath.normpath(name)
    return plain if name not in known and plain in known else name


def _by_folders(infos):
    names = {os.path.basename(info["path"]) for info in infos}
    if len(names) == len(infos):
        return
    parts = [_parts(os.fspath(info["path"])) for info in infos]
    if len(set(parts)) == len({part[-1:] for part in parts}):
        return
    shared = len(os.path.commonprefix([part[:-1] for part in parts]))
    for info, part in zip(infos, parts):
        info[NAME] = "/".join(part[shared:])


def _by_ids(infos):
    counts = Counter(map(file_name_of, infos))
    for info in infos:
        name = file_name_of(info)
        if counts[name] > 1:
            stem, ending = os.path.splitext(name)
            key = str(info["id"]).replace("/", "_").replace(os.sep, "_")
            info[NAME] = f"{stem}#{key}{ending}"


def _parts(path):
    """The folders of a path and its file, without what would lead out of a folder that the name is written to."""
    pieces = path.split("/") if "://" in path else os.path.abspath(path).split(os.sep)
    return tuple(piece.rstrip(":") for piece in pieces if piece not in ("", ".", ".."))
