"""One name for a photo, however a list spells its path: a.jpg, ./a.jpg, sub/../a.jpg, its absolute path or address."""

import functools
import os
import re
import urllib.parse

from mrcnn.collections import storage
from mrcnn.collections.containers import container_of

# What no name has that is as it should be: it is absolute or an address, or has empty parts, . or .. among its parts.
ODD = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|$)|^[A-Za-z][A-Za-z0-9+.-]*:|\\")
WEB = ("http://", "https://")
PORTS = {"http": ":80", "https": ":443"}


def plain_name(root: str, name: str) -> str:
    """The name that a collection gives to a photo of a list.

    Args:
        root: real path of the folder of the collection, or its address.
        name: of the photo: relative to it, absolute, or an address.

    Returns:
        Its name relative to the folder if it is in it, else its absolute path or address. Links to folders are
        followed in absolute paths and before "..", as the system does. Of addresses only what no server tells apart
        is changed.
    """
    if os.sep == "/" and not ODD.search(name):
        return name
    inside = container_of(root, name)
    if inside is not None:  # the name in a tar is what the tar has, with ./ or not
        inner = inside[2]
        return f"{plain_name(root, name[:len(name) - len(inner) - 1])}/{inner}"
    name = storage.plain(name)
    if storage.is_address(name):
        return _below(root, _plain_address(name))
    if storage.is_address(root):
        return _plain_relative(root, name)
    if not os.path.isabs(name) and ".." not in name.replace(os.sep, "/").split("/"):
        return os.path.normpath(name)
    folder, last = os.path.split(os.path.join(root, name))
    path = os.path.join(_real(folder), last)
    start = os.path.join(root, "")
    return path[len(start):] if path.startswith(start) else path


_real = functools.lru_cache(maxsize=1 << 14)(os.path.realpath)  # photos of a list are in few folders


def _plain_address(address):
    """An address of the web as a server gets it; others, whose paths are keys, as they are."""
    if not address.lower().startswith(WEB) or "::" in address:
        return address
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError:  # as of a host with one bracket, which is told when it is read
        return address
    scheme, host = parts.scheme.lower(), parts.netloc
    host = host if "@" in host else host.lower().removesuffix(PORTS[scheme])
    return f"{scheme}://{host}{_without_dots(parts.path)}{'?' if parts.query else ''}{parts.query}"


def _plain_relative(root, name):
    """A name relative to an address."""
    if root.lower().startswith(WEB) and not name.startswith("/"):
        return _below(root, _plain_address(f"{root.rstrip('/')}/{name}"))
    plain = name if name.startswith("/") else _without_dots(name)
    return name if plain.startswith("../") else plain


def _without_dots(path):
    """A path without its parts . and what is undone by .., as RFC 3986 has it; empty parts stay, as keys have them."""
    found, first = [], int(path.startswith("/"))
    for part in path.split("/"):
        if part == ".." and (first or (found and found[-1] != "..")):
            del found[max(len(found) - 1, first):]
        elif part != ".":
            found.append(part)
    return "/".join(found)


def _below(root, address):
    """An address relative to that of the folder if it is in it."""
    if not storage.is_address(root):
        return address
    (before, folder, after), (own, path, rest) = storage.split(_plain_address(root)), storage.split(address)
    start = f"{folder.rstrip('/')}/"
    if (before.lower(), after) == (own.lower(), rest) and folder and path.startswith(start) and path != start:
        return path[len(start):]
    return address
