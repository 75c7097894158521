"""What the beginning of a JSON file shows of its form: the names of its objects' entries, by how deep they lie."""

import os
import re
from collections.abc import Iterator

from mrcnn.data.photo_folder import folders_below
from mrcnn.text_files import as_utf8

HEAD = 1 << 18  # bytes of a file that are looked at
# A bracket, or a string, which the end of the head may cut off, with the colon that makes it a key.
TOKENS = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)(?:"(\s*:)?|\\?\Z)|[\[{\]}]', re.DOTALL)


def read_head(path: str | os.PathLike, size: int = HEAD) -> str:
    """The beginning of a file as text; "" for what cannot be read.

    Args:
        path: of the file
        size: bytes that are looked at
    """
    try:
        with open(path, "rb") as file:
            return as_utf8(file.read(size)).decode("utf-8", "ignore")
    except (OSError, TypeError, ValueError):
        return ""


def keys_by_depth(head: str, deepest: int) -> list[set[str]]:
    """The names in the beginning of a JSON text.

    Args:
        head: the text, which may break off anywhere
        deepest: how many brackets may be open round a name that is wanted

    Returns:
        list of sets of str, by the number of open brackets; empty ones for a text that is no JSON.
    """
    keys, depth = [set() for _ in range(deepest + 1)], 0
    if head.lstrip()[:1] not in ("{", "["):
        return keys
    for token in TOKENS.finditer(head):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
        elif token[2] and 0 <= depth <= deepest:
            keys[depth].add(token[1])
    return keys


def json_paths(path: str | os.PathLike, bare: bool = False) -> Iterator[str]:
    """Yield the paths of the JSON files in a folder, its own first, then those of the folders in it; names in order.

    Args:
        path: of the folder; a file stands for itself.
        bare: whether files without an ending count.
    """
    if not os.path.isdir(path):
        yield os.fspath(path)
        return
    for top, folders, names in folders_below(path):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for name in sorted(names):
            ending = os.path.splitext(name)[1].lower()
            if not name.startswith(".") and (ending == ".json" or (bare and not ending)):
                yield os.path.join(top, name)
