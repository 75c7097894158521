"""Where the photos, labels and class names of a YOLO data set are, as Ultralytics, Roboflow, CVAT and others lay
it out.

    data.yaml           path, train, val, test: a folder, a list of folders, or a text file that lists photos; names
    obj.data            the same in Darknet's words, with obj.names
    classes.txt         names of classes alone, beside images/ and labels/, or beside photos and labels
"""

import os
import re
from typing import NamedTuple

from mrcnn.data.formats.names_files import read_names, yaml_names
from mrcnn.data.formats.yaml_settings import read_yaml
from mrcnn.data.photo_folder import folders_below
from mrcnn.errors import DataError
from mrcnn.text_files import as_utf8, open_text, why_no_text

SETTINGS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "obj.data")
NAMES = ("classes.txt", "obj.names", "labels.txt")
# Key of data.yaml or obj.data: the part that it names.
PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
OWN = ("path", "names", "nc", "classes")  # keys of data.yaml that name no part
ROW = re.compile(rb"\s*\d+(\.0+)?(\s+[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?){4,}\s*")
HEAD = 1 << 16  # bytes of a file by which it is recognised
LOOKED_AT = 20  # text files of a folder by which it is recognised
NOT_ALONE = ("images", "labels", "")  # too common for the end of a path to be known by them
MOST_CLASSES = 65536


class Layout(NamedTuple):
    """What a data set says of itself.

    Attributes:
        root: folder that all of it lies in.
        names: {index: name} of the classes, None if nothing tells them.
        parts: {part: list of paths of folders and of lists of photos}; empty if it has no parts.
        notes: list of (what, how, first) of what is taken otherwise than written.
        others: {"key: value" of the data.yaml that is no part: list of paths in its folder that it may mean}.
    """

    root: str
    names: dict[int, str] | None
    parts: dict[str, list[str]]
    notes: list[tuple[str, str, str]]
    others: dict[str, list[str]] = {}


# --- Recognising -----------------------------------------------------------------------------------------------------


def settings_file(path: str | os.PathLike) -> str | None:
    """Path of the data.yaml or obj.data that a file is, or a folder has; None if it is or has none."""
    if os.path.isfile(path):
        return os.fspath(path) if _is_settings(path) else None
    names = os.listdir(path) if os.path.isdir(path) else ()
    for name in SETTINGS:
        if name in names and _is_settings(os.path.join(path, name)):
            return os.path.join(path, name)
    others = [name for name in sorted(names) if name.lower().endswith((".yaml", ".yml"))]
    found = [name for name in others if _is_settings(os.path.join(path, name))]
    return os.path.join(path, found[0]) if len(found) == 1 else None


def _is_settings(path):
    """Whether a file has the keys of a data.yaml, or of an obj.data."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in (".yaml", ".yml", ".data"):
        return False
    try:
        with open(path, "rb") as file:
            head = as_utf8(file.read(HEAD))
    except OSError:
        return False
    keys = {match[1].decode() for match in re.finditer(rb"""^["']?(\w+)["']?\s*[:=]""", head, re.MULTILINE)}
    return bool(keys & PARTS.keys()) and bool(keys & {"names", "nc", "classes", "path"})


def has_rows(folder: str | os.PathLike) -> bool:
    """Whether text files of a folder, or of labels/ in it, have rows of YOLO."""
    for place in (folder, os.path.join(folder, "labels")):
        for top, _, names in folders_below(place):
            texts = [name for name in sorted(names) if name.lower().endswith(".txt") and name not in NAMES]
            if any(_is_rows(os.path.join(top, name)) for name in texts[:LOOKED_AT]):
                return True
            if place == folder or texts:
                break
    return False


def _is_rows(path):
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    lines = as_utf8(head).splitlines()
    lines = [line for line in (lines[:-1] if len(head) == HEAD else lines) if line.strip()]
    return bool(lines) and all(map(ROW.fullmatch, lines[:LOOKED_AT]))


# --- Reading ---------------------------------------------------------------------------------------------------------


def read_layout(path: str | os.PathLike, names: str | os.PathLike | None = None) -> Layout:
    """What a data.yaml, an obj.data or a folder of labels says.

    Args:
        path: of the file, or of the folder that holds it.
        names: path of a file of class names, which goes before those of the data set.

    Returns:
        Layout.

    Raises:
        DataError: naming the file and what is wrong.
    """
    file = settings_file(path)
    given = None if names is None else read_names(names)
    if file is None:
        return _bare_layout(path, given)
    darknet = os.path.splitext(file)[1].lower() == ".data"
    settings = _read_darknet(file) if darknet else read_yaml(file, "data.yaml of YOLO")
    if "kpt_shape" in settings:
        raise DataError(f"{file}: kpt_shape says that its rows hold keypoints, which are no outlines: export YOLO "
                        "Segmentation, or COCO, from the tool in its place.")
    notes, here = [], os.path.dirname(os.path.abspath(file))
    bases = _bases(settings.get("path"), here)
    parts = {}
    for key, part in PARTS.items():
        for value in _texts(settings.get(key), f"{file}: {key}"):
            source, guessed = _find_source(value, bases)
            if source is None:
                parts.setdefault(part, []).append(os.path.join(bases[0], *components(value)))
                continue
            if guessed:
                shown = os.path.relpath(source, here)
                notes.append(("path", "of data.yaml that leads nowhere as written: taken for the one that it ends like",
                              f"{key}: {value} is {shown}"))
            parts.setdefault(part, []).append(source)
    if not parts:
        raise DataError(f"{file}: names neither train, val nor test: say where the photos are.")
    known = given or (_darknet_names(settings.get("names"), bases, file) if darknet
                      else _names(settings, file, notes))
    return Layout(_root(parts, bases[0], here, notes), known, parts, notes, _others(settings, bases))


def _others(settings, bases):
    """{"key: value": paths that it may mean} of the keys of a data.yaml that are no parts."""
    others = {}
    for key, value in settings.items():
        for text in value if isinstance(value, list) and key not in OWN else [value]:
            if key in PARTS or key in OWN or not isinstance(text, str) or not text or "\0" in text:
                continue
            paths = [os.path.normpath(os.path.join(base, text.replace("\\", "/"))) for base in bases]
            inside = [path for path, base in zip(paths, bases) if path.startswith(os.path.join(base, ""))]
            others[f"{key}: {text}"] = inside
    return others


def _bare_layout(path, given):
    """The Layout of a folder without data.yaml."""
    if not os.path.isdir(path):
        raise DataError(f"{path}: no data.yaml of YOLO: give that file, or the folder of the labels with --names.")
    root = os.path.abspath(path)
    if os.path.basename(root) in ("images", "labels"):
        above = os.path.dirname(root)
        if all(os.path.isdir(os.path.join(above, name)) for name in ("images", "labels")):
            root = above
    for name in NAMES if given is None else ():
        for place in (path, root):
            if given is None and os.path.isfile(os.path.join(place, name)):
                given = read_names(os.path.join(place, name))
    return Layout(root, given, {}, [])


def _bases(path, here):
    """Folders that the paths of a data.yaml may start from. here: the folder of the file."""
    bases = []
    if isinstance(path, str):
        text = path.replace("\\", "/")
        bases = [os.path.normpath(os.path.join(start, text)) for start in (here, os.getcwd())]
        bases = [base for base in bases if os.path.isdir(base)][:1]
    return list(dict.fromkeys([*bases, here]))


def _texts(value, what):
    values = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) and "\0" not in one for one in values):
        raise DataError(f"{what} must be a folder, a list of folders, or a text file that lists photos.")
    return values


def components(text: str) -> list[str]:
    """Folders and file of a path, without what leads up or to the root of a disk."""
    parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".")]
    while parts and (parts[0] == ".." or parts[0].endswith(":")):
        parts.pop(0)
    return [part for part in parts if part != ".."]


def _find_source(value, bases):
    """(path of a folder or list of photos, whether it was guessed by how it ends); (None, False) if there is none."""
    text = value.replace("\\", "/")
    for base in bases:
        path = os.path.normpath(os.path.join(base, text))
        if os.path.exists(path):
            return path, False
    parts = components(text)
    for start in range(len(parts)):
        if start and start == len(parts) - 1 and parts[start] in NOT_ALONE:
            break
        for base in bases:
            path = os.path.join(base, *parts[start:])
            if os.path.exists(path):
                return path, True
    return None, False


def _root(parts, base, here, notes):
    """The folder in which all photos lie: `base`, or what it has in common with folders outside."""
    sources = [source for some in parts.values() for source in some]
    try:
        outside = [source for source in sources if os.path.commonpath([base, source]) != base]
        root = os.path.commonpath([base, *(os.path.dirname(s) if os.path.isfile(s) else s for s in outside)])
    except ValueError as error:  # drives of Windows
        raise DataError(f"{', '.join(sources[:3])}: not all on the drive of {base}: bring them together.") from error
    if outside or os.path.commonpath([here, base]) != here:
        how = "of data.yaml that leads out of its folder: followed"
        notes.append(("path", how, outside[0] if outside else base))
    return root


# --- Names of classes ------------------------------------------------------------------------------------------------


def _names(settings, file, notes):
    """{index: name} of a data.yaml; None if it has none."""
    names, number = settings.get("names"), settings.get("nc")
    try:
        number = None if number is None else int(number)
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: nc: {number!r} is no number: give the number of classes, or leave it out.") from error
    if names is None:
        if number is None or not 0 < number <= MOST_CLASSES:
            return None
        notes.append(("class", "without a name: called class_0, class_1, ...; give names by data.yaml or --names",
                      "class_0"))
        return {i: f"class_{i}" for i in range(number)}
    found = yaml_names(names, file)
    if number is not None and number != len(found):
        notes.append(("nc", f"of {number}, where names has {len(found)}: names count", f"nc: {number}"))
    return found


def _darknet_names(path, bases, file):
    source, _ = _find_source(path, bases) if path else (None, False)
    if source is None or not os.path.isfile(source):
        source, _ = _find_source("obj.names", bases)
    if source is None:
        raise DataError(f"{file}: its file of class names {path!r} is not there: give one by --names.")
    return read_names(source)


def _read_darknet(path):
    """{key: text} of an obj.data: key = value, a line each."""
    try:
        with open_text(path) as file:
            lines = file.read(HEAD).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the obj.data ({why_no_text(error)}): check the file.") from error
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}
