"""Where photos lie: files of this machine, and addresses such as s3://bucket/photos, which the package fsspec opens."""

import contextlib
import csv
import functools
import glob
import os
import re
import tarfile
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mrcnn.errors import DataError, UsageError, UserError
from mrcnn.files import printable

ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*::)*[a-z][a-z0-9+.-]*://", re.IGNORECASE)
FILE = "file://"
MACOS = "__MACOSX"  # a folder of ._a.jpg for each a.jpg, which are no photos
PASSWORD = re.compile(r"://[^/@]*:[^/@]*@")
# What fsspec needs beside itself for the commonest protocols.
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp",
            "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs", "hf": "huggingface_hub", "sftp": "paramiko",
            "ssh": "paramiko", "smb": "smbprotocol", "webhdfs": "requests"}


class Unreached(DataError):
    """A file at an address that is not had for a reason other than that it is not there: network, rights, a server."""


class Place(NamedTuple):
    """A file or folder.

    Args:
        path: on this machine, or within the filesystem.
        shown: its path or whole address.
        system: filesystem of fsspec; None for this machine.
    """

    path: str
    shown: str
    system: object = None


# --- Names -----------------------------------------------------------------------------------------------------------


def is_address(path: str) -> bool:
    """Whether a path is an address of fsspec, as s3://bucket/a.jpg or zip://a.jpg::https://host/a.zip."""
    return ADDRESS.match(path) is not None


def plain(path: str) -> str:
    """A path as it is; of file:///folder/a.jpg /folder/a.jpg."""
    if path[:len(FILE)].lower() == FILE:
        return urllib.request.url2pathname(urllib.parse.urlparse(path).path)
    return path


def check(paths: Sequence[str]) -> None:
    """Refuse addresses that cannot be opened here, before any work.

    Raises:
        UsageError: a package is missing, or an address holds a password.
    """
    seen = set()
    for path in paths:
        if found := ADDRESS.match(path):
            if PASSWORD.search(path):
                where = PASSWORD.sub("://...@", path)
                raise UsageError(f"{where}: an address with a password would be written into the collection: take it "
                                 "out, and give it in the environment as fsspec's FSSPEC_PROTOCOL_PASSWORD.")
            if found[0] not in seen:
                seen.add(found[0])
                with naming(path):
                    _classes(path)


def _classes(address):
    fsspec = _load_fsspec(address)
    for protocol in protocols_of(address):
        fsspec.get_filesystem_class(protocol.lower())


def protocols_of(address: str) -> list[str]:
    """The protocols of an address, chained ones in their order: zip and s3 of zip://a.jpg::s3://bucket/a.zip."""
    return re.findall(r"(?:^|::)([a-z][a-z0-9+.-]*)(?=://|::)", address, re.IGNORECASE)


def ending(path: str) -> str:
    """The ending of a path in small letters, as .jpg; of a web address without its query."""
    parts = split(path)[1] if is_address(path) else path
    if path.lower().startswith(("http://", "https://")):
        parts = re.split("[?#]", parts)[0]
    return os.path.splitext(parts)[1].lower()


def split(address: str) -> tuple[str, str, str]:
    """(what is before the path, the path, what is after it) of an address; the last is of chained ones."""
    before = ADDRESS.match(address)[0]
    path, chain, after = address[len(before):].partition("::")
    return before, path, chain + after


def is_hidden(name: str) -> bool:
    """Whether a file is hidden, or in a folder that is: what begins with a dot, and what macOS puts into archives.

    Args:
        name: of the file below a folder or in a file, with forward slashes; it may begin with ./ as in tar files.
    """
    return any(part == MACOS or (part.startswith(".") and part not in (".", "..")) for part in name.split("/"))


def called(root: str, name: str) -> str:
    """The path or address of a file, for messages. root, name: as `place_of` has them."""
    if is_address(name) or not is_address(root):
        return name if is_address(name) else os.path.join(root, name)
    before, path, after = split(root)
    return f"{before}{_below(path, name)}{after}"


def place_of(root: str, name: str) -> Place:
    """The place of a file.

    Args:
        root: folder or address of a folder.
        name: relative to it; or absolute, or an address.

    Raises:
        UsageError: a package is missing.
        DataError: the filesystem of the address cannot be had.
    """
    name = plain(name)
    if is_address(name):
        return Place(*_system(name))
    if not is_address(root):
        path = os.path.join(root, name)
        return Place(path, path)
    base, _, system = _root(root)
    return Place(_below(base, name), called(root, name), system)


def _below(folder, name):
    return f"{folder.rstrip('/')}/{name}" if folder else name


def _system(address):
    fsspec = _load_fsspec(address)
    with naming(address):
        system, path = fsspec.core.url_to_fs(address)
    return path, address, system


_root = functools.lru_cache(maxsize=8)(_system)  # which all photos below it share


def _load_fsspec(address):
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(f"{address}: addresses need the package fsspec: pip install \"mrcnn-keras[collection]\"."
                         ) from error
    return fsspec


@contextlib.contextmanager
def naming(address: str) -> Iterator[None]:
    """Turn what fsspec raises within the block into errors that name the address. Errors of texts and tables stay.

    Raises:
        UsageError: a package is missing, or the protocol unknown.
        DataError: there is no such file.
        Unreached: it cannot be had for any other reason.
    """
    try:
        yield
    except (UserError, UnicodeError, csv.Error, tarfile.TarError):
        raise
    except ImportError as error:
        protocol = ADDRESS.match(address)[0].removesuffix("://").rpartition("::")[2].lower()
        package = PACKAGES.get(protocol)
        remedy = f"pip install {package}" if package else "install what it names"
        raise UsageError(f"{address}: fsspec needs another package for {protocol}:// ({_reason(error)}): {remedy}."
                         ) from error
    except (FileNotFoundError, KeyError) as error:  # the latter of archives, by fsspec of before 2025
        raise DataError(f"{address}: does not exist, or may not be seen ({_reason(error)}).") from error
    except Exception as error:
        if type(error).__module__.startswith("pyarrow"):
            raise
        if isinstance(error, ValueError) and "Protocol not known" in str(error):
            raise UsageError(f"{address}: fsspec knows no such protocol: check the address, or install the package "
                             "that brings it.") from error
        raise Unreached(f"{address}: cannot be read ({_reason(error)}): check network and rights.") from error


def _reason(error):
    text = printable(" ".join(str(error).split())[:200], one_line=True)
    name = type(error).__name__
    return text if isinstance(error, (OSError, ImportError)) and text else f"{name}: {text}".rstrip(": ")


# --- Files -----------------------------------------------------------------------------------------------------------


def read(place: Place) -> bytes:
    """The bytes of a file.

    Raises:
        OSError, ValueError: of a file of this machine.
        DataError: of one at an address; `Unreached` if it may be there.
    """
    if place.system is None:
        with open(place.path, "rb") as file:
            return file.read()
    with naming(place.shown):
        return place.system.cat_file(place.path)


def read_part(place: Place, start: int, size: int) -> bytes:
    """Some bytes of a file, fewer where it ends before. start, size: bytes. Raises as `read`."""
    if place.system is None:
        with open(place.path, "rb") as file:
            file.seek(start)
            return file.read(size)
    with naming(place.shown):
        data = place.system.cat_file(place.path, start=start, end=start + size)
    # A web server that knows no ranges sends the whole file.
    return data if len(data) <= size else data[start:start + size]


@contextlib.contextmanager
def opened(place: Place) -> Iterator[object]:
    """A file, open for reading bytes. Raises as `read`."""
    if place.system is None:
        with open(place.path, "rb") as file:
            yield file
        return
    with naming(place.shown), place.system.open(place.path, "rb") as file:
        yield file


def is_file(place: Place) -> bool:
    """Whether there is such a file."""
    if place.system is None:
        return os.path.isfile(place.path)
    with naming(place.shown):
        return place.system.isfile(place.path)


def is_folder(path: str) -> bool:
    """Whether a path or address is a folder. Raises as `read`, also if there is nothing."""
    if not is_address(path):
        return os.path.isdir(path)
    place = place_of("", path)
    with naming(path):
        if ADDRESS.match(path)[0].lower() in ("http://", "https://"):
            return place.system.isdir(place.path)  # which info() does not tell of these: a page that has links
        return place.system.info(place.path)["type"] == "directory"


def is_pattern(path: str) -> bool:
    """Whether a path has the signs of a pattern and is neither a file nor a folder."""
    if is_address(path):
        web = path.lower().startswith(("http://", "https://"))  # where ? begins the query
        return any(sign in split(path)[1] for sign in ("*[" if web else "*?["))
    return glob.has_magic(path) and not os.path.exists(path)


def head_of(pattern: str) -> str:
    """The folder, or its address, before the first sign of a pattern: photos of photos/2024-*/*.jpg."""
    before, path, after = split(pattern) if is_address(pattern) else ("", pattern, "")
    head, slash, _ = path[:re.search(r"[*?[]", path).start()].rpartition("/")
    return f"{before}{head or slash}{after}"


def matching(pattern: str) -> list[str]:
    """Sorted paths or addresses of the files that fit a pattern, hidden ones if it names them. Raises as `read`."""
    if not is_address(pattern):
        return sorted(filter(os.path.isfile, glob.iglob(pattern, recursive=True)))
    before, _, after = split(pattern)
    head = split(head_of(pattern))[1]
    base = place_of("", head_of(pattern)).path
    place = place_of("", pattern)
    with naming(pattern):
        found = place.system.glob(place.path, detail=True)
    files = sorted(_relative(name, base) for name, about in found.items() if about["type"] == "file")
    if not is_hidden(_relative(split(pattern)[1], head)):  # as glob has it on this machine
        files = [name for name in files if not is_hidden(name)]
    return [f"{before}{_below(head, name)}{after}" for name in files]


def _relative(path, base):
    return path.removeprefix(base.rstrip("/")).lstrip("/")


def files_below(address: str) -> list[str]:
    """Sorted names of the files in a folder at an address and its subfolders, relative to it. Raises as `read`."""
    place = place_of("", address)
    with naming(address):
        found = place.system.find(place.path)
        place.system.invalidate_cache()  # of names, which would stay in memory twice
    return sorted(_relative(name, place.path) for name in found)
