"""Where the photos of Label Studio's exports are.

Its file names depend on the version and on how photos came in: `images/1a2b3c4d-photo.jpg`, `images/3/...`,
`/data/upload/3/1a2b3c4d-photo.jpg`, the same behind `http://host:8080` or `../../label-studio/media`, any of these with
backslashes from Windows, and `/data/local-files/?d=folder/photo.jpg`. The eight digits are Label Studio's own. An
export that fetches the photos of addresses has eight digits and two lines, `images/1a2b3c4d__photo.jpg`. Its own JSON
has addresses of any kind: all of these, `s3://bucket/photo.jpg` and its like, and those of web pages.
"""

import base64
import posixpath
import re
import unicodedata
import urllib.parse
from collections.abc import Container, Iterable

from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError

UPLOAD = re.compile(r"(?:^|/)upload/(?:\d+/)?[0-9a-f]{8}-[^/]+$")
LOCAL_FILE = re.compile(r"^(?:https?://[^/]+)?/data/local-files/\?d=(.+)$")
PREFIX = re.compile(r"^[0-9a-f]{8}(?:-|__)(?=.)")  # of an upload; of a photo that an export fetched
UNUSED = re.compile(r"[^-\w.]")  # in names of uploads
SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+://[^/\\]*/*")  # with the host, or the bucket
WEB = re.compile(r"^https?:", re.IGNORECASE)  # of whose addresses # and ? are no part of a name
NAMING = ("d", "filepath", "fileuri")  # parameters of an address that hold the path of the file


def made_by_label_studio(content: dict) -> bool:
    """Whether the content of a COCO file says that it comes from there."""
    info = content.get("info")
    return isinstance(info, dict) and info.get("contributor") in ("Label Studio", "Label Studio Converter")


def looks_like_photo(address: str) -> bool:
    """Whether a text may be the address of a photo."""
    path = address_path(address)
    return path.lower().endswith(PHOTO_ENDINGS) or bool(UPLOAD.search(path))


def address_path(address: str) -> str:
    """The path of a photo that an address names, relative to the host, the bucket or the folder that is served.

    Args:
        address: as written in a task

    Returns:
        str with forward slashes, and with its parts as they are called on disk, without a slash in front.
    """
    address = address.strip()
    path = address
    if SCHEME.match(address) or "?" in address:
        path, _, query = SCHEME.sub("", address).partition("#")[0].partition("?")
        path = urllib.parse.unquote(path, errors="surrogateescape")
        given = urllib.parse.parse_qs(query, errors="surrogateescape")
        for name in NAMING:
            if given.get(name):
                path = _inner_address(given[name][-1]) if name == "fileuri" else given[name][-1]
    return path.replace("\\", "/").lstrip("/")


def _inner_address(text):
    """The path in an address that another one holds in base64, as Label Studio passes on those of buckets."""
    try:
        inner = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (ValueError, UnicodeDecodeError):
        return text
    return urllib.parse.unquote(SCHEME.sub("", inner)) if SCHEME.match(inner) else inner


def address_path_in(address: str, folder: PhotoFolder) -> str:
    """The path of a photo that an address names, as `address_path`; with # and ? in it, where the folder has such.

    Addresses of buckets have these unescaped, and a # those of local files that were written by hand.

    Args:
        address: as written in a task.
        folder: of the photos.
    """
    path, address = address_path(address), address.strip()
    local = LOCAL_FILE.match(address)
    if local and "#" in local[1] or SCHEME.match(address) and not WEB.match(address):
        key = (local[1] if local else SCHEME.sub("", address)).replace("\\", "/").lstrip("/")
        if key != path and find_photos([key], folder, uploads=True)[0].get(key) is not None:
            return key
    return path


def find_photos(names: Iterable[str], folder: PhotoFolder,
                uploads: bool = False) -> tuple[dict[str, str | None], dict[str, str]]:
    """Files that the names of a COCO file stand for.

    A name is first taken as it is, relative to the folder. One that leads out of the folder is refused, unless it is
    seen to be one of Label Studio's uploads or local files. If there is no such file, then a name that is, one with its
    eight digits, and with `uploads` any, is looked for without the folders in front of it, one after the other and at
    last by its last part alone, with and without the digits, at last as Label Studio renames uploads; but if several
    photos come to the same file in this way, each of them counts as missing.

    Args:
        names: list of file names as annotated.
        folder: PhotoFolder.
        uploads: whether the file is known to come from Label Studio.

    Returns:
        ({name: name of a file in the folder, or None}; {name: why it is refused}).
    """
    file_names, refused, guesses = {}, {}, {}
    for name in dict.fromkeys(names):
        path = name.replace("\\", "/")
        known = bool(UPLOAD.search(path) or LOCAL_FILE.match(path))
        try:
            file_names[name] = folder.find(name) or folder.find(path)
        except DataError as error:
            if not known:
                refused[name] = str(error).rstrip(".")
                continue
            file_names[name] = None
        if file_names[name] is None and (known or uploads or PREFIX.match(path.split("/")[-1])):
            guess = _guess(path, folder)
            if guess is not None:
                guesses.setdefault(guess, []).append(name)
    exact = set(file_names.values())
    for guess, guessers in guesses.items():
        if guess not in exact and len({_identity(name) for name in guessers}) == 1:
            file_names.update(dict.fromkeys(guessers, guess))
    return file_names, refused


def _guess(path, folder):
    """Name of the file that the last part of a path stands for, or None."""
    local = LOCAL_FILE.match(path)
    whole = [urllib.parse.unquote(local[1])] if local else []
    path = (whole or [path])[0]
    last = path.split("/")[-1]
    # Label Studio serves photos from a folder above theirs: which of the folders are those is not known.
    below = [path.split("/", depth)[-1] for depth in range(1, path.count("/"))]
    for candidate in [*whole, *below, last, urllib.parse.unquote(last)]:
        for name in (candidate, *names_without_digits(candidate)):
            try:
                file_name = folder.find(name)
            except DataError:
                continue
            if file_name is not None:
                return file_name
    return _uploaded([*names_without_digits(last), *names_without_digits(urllib.parse.unquote(last))], folder,
                     (uploaded_name, _composed_upload))


def _uploaded(names, folder, renames):
    """Name of the one file that became one of some names when it was uploaded, or None."""
    return next((file for name in names for rename in renames if (file := folder.find_renamed(name, rename))), None)


def names_without_digits(name: str) -> list[str]:
    """What remains of a name without the digits that Label Studio puts before it; of an upload that was fetched, twice.

    Args:
        name: of the file, without folders.

    Returns:
        list of str, the longer first; empty if there are none.
    """
    bare = PREFIX.sub("", name)
    if bare == name:
        return []
    twice = PREFIX.sub("", bare) if name[8] == "_" and bare[8:9] == "-" else bare
    return list(dict.fromkeys([bare, twice]))


def find_stems(stems: Iterable[str], folder: PhotoFolder, taken: Container[str | None]) -> dict[str, str]:
    """Photos that names with Label Studio's digits and without an ending stand for, as those of YOLO's files do.

    Args:
        stems: list of names.
        folder: of the photos.
        taken: files that other names stand for.

    Returns:
        {stem: name of the file} of the stems of one photo; a file that two stems come to is none's.
    """
    guesses = {}
    for stem in stems:
        last = posixpath.basename(stem)
        names = [*names_without_digits(last), *names_without_digits(urllib.parse.unquote(last))]
        try:
            found = next((file for name in names if (file := folder.find_stem(name))), None)
        except DataError:
            continue
        found = found or _uploaded(names, folder, (_uploaded_stem, _composed_stem))
        if found is not None and found not in taken:
            guesses.setdefault(found, []).append(stem)
    return {some[0]: file for file, some in guesses.items() if len(some) == 1}


def uploaded_name(name: str) -> str:
    """What Label Studio calls a photo that is uploaded, behind its digits: "IMG (1) a.jpg" becomes "IMG_1_a.jpg".

    Args:
        name: of the file.
    """
    return UNUSED.sub("", name.strip().replace(" ", "_"))


def _composed_upload(name):
    """The same of a file whose letters are taken apart on disk, as those of macOS are, and were not when it was sent.
    """
    return uploaded_name(unicodedata.normalize("NFC", name))


def _uploaded_stem(name):
    return _stem(uploaded_name(name))


def _composed_stem(name):
    return _stem(_composed_upload(name))


def _stem(name):
    stem, ending = posixpath.splitext(name)
    return stem if ending.lower() in PHOTO_ENDINGS else name


def _identity(name):
    """What tells the photos apart that names stand for: the last part where it has the eight digits, else all."""
    path = name.replace("\\", "/")
    last = path.split("/")[-1]
    return last if PREFIX.match(last) else path
