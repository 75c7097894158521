"""The folder of the photos of label maps that have none where these are looked for first: elsewhere in the same data.

CamVid has `train` and `trainannot`, FiftyOne `data` and `labels`, ADE20K `images/training` and `annotations/training`.
Looked into are the folders beside that of the maps; those that are called as it is, below folders beside the ones above
it; and in an archive, all others.
"""

import os
from collections.abc import Collection, Iterator, Sequence

from mrcnn.data.formats.archives import MARK
from mrcnn.data.formats.label_files import few_labels, read_png
from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.errors import DataError

HIGHEST = 3  # folders above that of the maps, whose other folders are looked into
MOST_FOLDERS = 20_000  # of an archive that are looked into
SHOWN = 8  # candidates in a message


def other_photo_folder(maps: str | os.PathLike, stems: Sequence[Collection[str]]) -> str | None:
    """Find the one other folder that holds the photos of label maps.

    Args:
        maps: folder of the label maps.
        stems: of each label map, the stems that its photo may have.

    Returns:
        Path of the folder; None if no folder holds any.

    Raises:
        DataError: several folders hold as many of the photos.
    """
    maps = os.path.abspath(maps)
    top = archive_folder(maps)
    for places in _levels(maps, top):
        hits = {place: count for place in places if (count := _hits(place, stems))}
        best = [place for place in sorted(hits) if hits[place] == max(hits.values())]
        named = [place for place in best if os.path.basename(maps).startswith(os.path.basename(place))]
        best = named if len(named) == 1 else best  # trainannot is that of train
        if len(best) > 1:
            shown = ", ".join(_called(place, top) for place in best[:SHOWN]) + (", ..." if len(best) > SHOWN else "")
            raise DataError(f"{maps}: {len(best)} folders have photos of its label maps' names, {shown}: say which are "
                            f"meant (images=, --images '{_called(best[0], top)}').")
        if best:
            return best[0]
    return None


def looked_into(maps: str | os.PathLike) -> str:
    """Where photos of label maps were looked for beside their own folder, for messages."""
    top = archive_folder(maps)
    return "a folder beside it" if top is None else f"another folder of {_called(top, top)}"


def archive_folder(path: str | os.PathLike) -> str | None:
    """The folder of an unpacked archive that a path lies in; None if it is of no archive."""
    folder = os.path.abspath(path)
    while not os.path.isfile(os.path.join(folder, MARK)):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return None
    return folder


def _levels(maps: str, top: str | None) -> Iterator[list[str]]:
    """Yield lists of folders, the likeliest first. top: of the archive, above which nothing is looked at"""
    above, tail = maps, ""
    for _ in range(HIGHEST):
        if above in (top, os.path.dirname(above)):
            break
        above, name = os.path.split(above)
        beside = [os.path.join(above, other) for other in _folders(above) if other != name]
        yield [place for place in (os.path.join(other, tail) if tail else other for other in beside)
               if os.path.isdir(place)]
        tail = os.path.join(name, tail) if tail else name
    if top is not None:
        walk = (place for _, (place, _, _) in zip(range(MOST_FOLDERS), os.walk(top)))
        yield [place for place in walk if place != maps]


def _folders(place):
    try:
        return sorted(entry.name for entry in os.scandir(place) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:  # not ours to look into
        return []


def _hits(place, stems):
    """How many label maps have their photo in a folder; 0 where its pictures look like label maps themselves."""
    try:
        files = [os.path.splitext(name) for name in sorted(os.listdir(place))]
    except OSError:
        return 0
    there = {stem: stem + ending for stem, ending in files if ending.lower() in PHOTO_ENDINGS}
    found = [next(stem for stem in some if stem in there) for some in stems if not there.keys().isdisjoint(some)]
    return 0 if found and _is_map(os.path.join(place, there[found[0]])) else len(found)


def _is_map(path):
    try:
        return path.lower().endswith(".png") and few_labels(path, read_png(path).ndim == 3)
    except DataError:
        return False


def _called(place, top):
    """A folder as --images takes it: of an archive that lies beside, by the archive's name."""
    archive = "" if top is None else top.removesuffix(".unpacked")
    if top is None or archive == top or not os.path.isfile(archive):
        return place
    return archive if place == top else f"{archive}#{os.path.relpath(place, top).replace(os.sep, '/')}"
