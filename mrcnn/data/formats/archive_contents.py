"""Which annotations an unpacked archive holds, and which of its folders has their photos."""

import os
import re
import warnings
from collections.abc import Callable

from mrcnn.data.formats.archives import MARK, inner_path, is_archive, split_path, unpacked
from mrcnn.data.formats.lone_masks import LONE_MASKS, StemsOfPhotos, are_lone_masks
from mrcnn.data.formats.unread import unread_form
from mrcnn.data.images import PHOTO_ENDINGS, leads_out
from mrcnn.errors import DataError
from mrcnn.text_files import utf8_blocks

MOST_FOLDERS = 20_000  # that are looked into for annotations
LOOKED_AT = 40  # files of a folder that are looked at
SHOWN = 8  # candidates in a message
NAMES = 60  # names of photos by which their folder is found
BLOCK = 1 << 20  # bytes
DATA_ENDINGS = (".json", ".ndjson", ".jsonl", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".parquet", ".npz", ".npy",
                ".h5", ".hdf5")
ARCHIVE_ENDINGS = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".7z", ".rar")
ENDINGS = rb"(?:jpe?g|png|bmp|tiff?|webp|gif|heic|jfif)"
PHOTO_NAME = re.compile(
    rb"""["'>,;\t\n]\s{0,99}([^"'<>,;\t\r\n]{1,400}\.""" + ENDINGS + rb""")["'<,;\t\r\n]""", re.IGNORECASE)
PART_WORDS = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
# Forms whose photos have places of their own, which the reader finds.
OWN_PLACES = ("label_maps", "instance_masks", "yolo", "voc")


def located(annotations: str | os.PathLike, images: str | os.PathLike | None, form: str | None,
            recognise: Callable[..., str], progress: Callable[[int, int], None] | None = None
            ) -> tuple[str, str | os.PathLike, str | os.PathLike | None]:
    """Find annotations and photos that may be in archives.

    Args:
        annotations: path of a file, a folder, or an archive, `export.zip` or `export.zip#train/annotations.json`.
        images: folder of the photos, or an archive of them; None takes what the archive of the annotations holds.
        form: name of the format; None recognises it.
        recognise: `mrcnn.data.formats.recognise`.
        progress: called as progress(done, total) in bytes while an archive is unpacked.

    Returns:
        (name of the format, path of the annotations, path of the photos or None), without archives.

    Raises:
        DataError: an archive holds no annotations of a known format, or several, or photos of the same names in several
            folders.
    """
    given = split_path(annotations)[0]
    form, annotations, inside = annotations_in(annotations, form, recognise, progress)
    if is_archive(images):
        archive, name = split_path(images)
        folder = unpacked(archive, progress)
        place = inner_path(folder, name, archive) if name else folder
        return form, annotations, _photo_folder(place, annotations, form, (archive, folder), asked=True) or place
    if images is None and inside is not None and not (os.path.isdir(annotations) and form in OWN_PLACES):
        images = _photo_folder(inside, annotations, form, (given, inside))
    return form, annotations, images


def annotations_in(annotations: str | os.PathLike, form: str | None, recognise: Callable[..., str],
                   progress: Callable[[int, int], None] | None = None) -> tuple[str, str | os.PathLike, str | None]:
    """Find annotations that may be in an archive; arguments as of `located`.

    Returns:
        (name of the format, path of the annotations, folder of the unpacked archive or None).

    Raises:
        DataError: as `located`.
    """
    inside = None
    if is_archive(annotations):
        archive, name = split_path(annotations)
        inside = unpacked(archive, progress)
        if name is None:
            annotations, form = _only_annotations(archive, inside, form, recognise)
        else:
            annotations = inner_path(inside, name, archive)
    return form or recognise(annotations), annotations, inside


# --- Annotations -----------------------------------------------------------------------------------------------------


def _only_annotations(archive, folder, form, recognise):
    """(path, format) of the annotations in an unpacked archive, if they are one."""
    found, unread = find_annotations(folder, recognise)
    chosen = [(path, name) for path, name in found if form in (None, name)]
    if len(chosen) == 1:
        return chosen[0]
    places = [f"{archive}#{os.path.relpath(path, folder).replace(os.sep, '/')} ({name})" for path, name in found]
    more = ", ..." if len(places) > SHOWN else ""
    if len(chosen) > 1:
        shown = ", ".join(places[:SHOWN]) + more
        raise DataError(f"{archive}: holds {len(chosen)} annotations: give one of them: {shown}.")
    if found:
        raise DataError(f"{archive}: holds none of format {form}, but {', '.join(places[:SHOWN])}{more}.")
    inner = [name for _, _, files in os.walk(folder) for name in files if name.lower().endswith(ARCHIVE_ENDINGS)]
    why = "; ".join(unread[:3]) or (f"it holds another archive, {inner[0]}: unpack it by hand, and give that" if inner
                                    else "see docs/formats.md for what is read")
    raise DataError(f"{archive}: holds no annotations of a known format: {why}.")


def find_annotations(folder: str, recognise: Callable[..., str],
                     most: int = MOST_FOLDERS) -> tuple[list[tuple[str, str]], list[str]]:
    """Look for annotations in a folder and all below it.

    A folder that is of a format as a whole is not looked into. Files come before the folder that they are in, unless
    they are of its own format.

    Args:
        folder: path.
        recognise: `mrcnn.data.formats.recognise`.
        most: folders that are looked into.

    Returns:
        (list of (path, name of the format); list of sentences on forms that are known and not read).
    """
    found, unread, waiting, looked, photos = [], [], [folder], 0, StemsOfPhotos(folder)
    while waiting and looked < most:
        place = waiting.pop(0)
        looked += 1
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        files = [entry.path for entry in entries if entry.is_file() and entry.name != MARK
                 and entry.name.lower().endswith(DATA_ENDINGS)]
        forms = [(path, _form(path, recognise)) for path in files[:LOOKED_AT]]
        forms = [(path, name) for path, name in forms if name]
        whole = _form(place, recognise)
        if whole == "label_maps" and are_lone_masks(place, photos):
            unread.append(f"{os.path.relpath(place, folder)} {LONE_MASKS}")
            whole = None
        if whole and (not forms or any(name == whole for _, name in forms)):
            found.append((place, whole))
            continue
        found += forms
        if not forms:
            told = [unread_form(path) for path in [place, *files[:LOOKED_AT]]]
            unread += [f"{os.path.relpath(path, folder)} is {text}" for path, text in zip([place, *files], told)
                       if text and "JPEG files" not in text][:1]
        waiting += [entry.path for entry in entries if entry.is_dir()]
    return found, unread


def _form(path, recognise):
    try:
        return recognise(path, look_inside=False)
    except DataError:
        return None


# --- Photos ----------------------------------------------------------------------------------------------------------


def _photo_folder(folder, annotations, form, origin, asked=False):
    """The folder in an unpacked archive in which the photos are that annotations name; None for the reader's own.

    origin: (path of the archive, folder into which the whole of it is unpacked), for messages
    asked: whether the photos are asked for in this archive: then it is the folder by name where it is the reader's own

    Raises:
        DataError: if the archive has no photo, and the annotations name some, or has photos of their names in several
            folders.
    """
    default = annotations if os.path.isdir(annotations) else os.path.dirname(annotations)
    if form == "cvat" and os.path.isdir(os.path.join(default, "images")):  # and folders of subsets in it
        return None
    with_photos = [place for place, _, files in os.walk(folder)
                   if any(name.lower().endswith(PHOTO_ENDINGS) for name in files)]
    names = photo_names(annotations)
    if not names:
        return None
    if not with_photos:
        if form == "labelme":  # whose files may hold them
            return None
        raise DataError(f"{annotations}: the archive has no photos: give their folder (images=, --images).")
    candidates = {*with_photos, folder} | ({default} if _is_within(default, folder) else set())
    for place in with_photos:
        while len(place) > len(folder):
            place = os.path.dirname(place)
            candidates.add(place)
    if form == "coco_panoptic":  # its masks are called as photos are
        candidates = {place for place in candidates if "panoptic" not in os.path.basename(place)}
    best = _fullest(candidates, names, annotations, folder, default, origin)
    if best is None:
        best = with_photos[0] if len(with_photos) == 1 else folder  # and the reader looks for names that are alike
    if best == default:
        return best if asked else None
    warnings.warn(f"{annotations}: takes the photos in {best} (images=, --images: another folder).", stacklevel=4)
    return best


def _fullest(candidates, names, annotations, folder, default, origin):
    """The folder of most photos of these names, the reader's own if it has as many; None if no folder has any.

    Folders that have as many are told apart by the part that the path of the annotations names: train, val.

    Raises:
        DataError: nothing tells them apart, or the path names a folder that has fewer of the photos.
    """
    hits = {place: _hits(place, names) for place in candidates}
    if not any(hits.values()):
        return None
    best = [place for place in sorted(candidates) if hits[place] == max(hits.values())]
    if default in best:
        return default
    if len(best) > 1:  # the first names do not decide
        names = photo_names(annotations, None)
        full = {place: _hits(place, names) for place in best}
        best = [place for place in best if full[place] == max(full.values())]
    some = best + [place for place in sorted(candidates) if hits[place] and place not in best]
    told = _told_by_path(some, annotations, folder)
    if len(best) == 1 and told in (None, best[0]):
        return best[0]
    if told in best:
        return told
    archive, top = origin
    places = [os.path.relpath(place, top).replace(os.sep, "/") for place in dict.fromkeys([*best, told or best[0]])]
    shown = ", ".join(places[:SHOWN]) + (", ..." if len(places) > SHOWN else "")
    raise DataError(f"{annotations}: {archive} has photos of its names in {len(places)} folders, {shown}: say which "
                    f"are meant (images=, --images '{archive}#{places[0]}').")


def _told_by_path(places, annotations, folder):
    """The one of some folders whose words a path of annotations has, its nearest part first; None: it tells none."""
    if _is_within(annotations, folder):
        parts = os.path.splitext(os.path.relpath(annotations, folder))[0].split(os.sep)
    else:  # folders further up tell nothing of the data
        parts = os.path.splitext(os.path.abspath(annotations))[0].split(os.sep)[-2:]
    words = {place: _words(os.path.relpath(place, folder)) for place in places}
    for part in reversed(parts):
        shared = {place: len(_words(part) & words[place]) for place in places}
        most = [place for place in places if shared[place] == max(shared.values())]
        if len(most) == 1:
            return most[0]
    return None


def _words(path):
    """Words and numbers of a path, parts of a split by one name each."""
    return {PART_WORDS.get(word, word) for word in re.findall(r"[^\W\d_]+|\d+", path.casefold())}


def _is_within(path, folder):
    return os.path.relpath(path, folder).split(os.sep)[0] != os.pardir


def _hits(place, names):
    return sum(os.path.isfile(os.path.join(place, name)) for name in names)


def photo_names(annotations: str | os.PathLike, most: int | None = NAMES) -> list[str]:
    """Look for names of photos in annotations of any form.

    Args:
        annotations: path of a file, or of a folder of files.
        most: how many to find, in the first files of a folder; None finds all, in all files.

    Returns:
        The names, in their order.
    """
    paths = [annotations]
    if os.path.isdir(annotations):
        names = sorted(name for name in os.listdir(annotations) if name.lower().endswith(DATA_ENDINGS))
        paths = [os.path.join(annotations, name) for name in names[:None if most is None else LOOKED_AT]]
    found = {}
    for path in paths:
        blocks, rest = utf8_blocks(path, BLOCK), b""
        while (most is None or len(found) < most) and (block := next(blocks, None)):
            text = rest + block
            for match in PHOTO_NAME.finditer(text):
                name = match[1].decode("utf-8", "replace").strip().replace("\\/", "/").replace("\\\\", "/")
                found[name.split("/")[-1] if leads_out(name) else name] = None
            rest = text[-512:]
    return list(found)[:most]
