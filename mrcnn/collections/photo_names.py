"""Names of a collection's photos as other programs take them: relative to one folder, and never out of it."""

import os

from mrcnn.collections import storage
from mrcnn.collections.reading import Collection


class PhotoNames:
    """The names of the readable photos of a collection, relative to one folder.

    It is the collection's own, or the one that all photos are in where a list names some by absolute paths or by "..",
    which readers of annotations refuse. Photos of a list that have addresses of their own keep these.

    Args:
        collection: whose photos are named.

    Attributes:
        folder: that names are relative to; an address if the collection's is one.
        renamed: whether it is another one than the collection's.
        addresses: number of photos with an address of their own.
    """

    def __init__(self, collection: Collection):
        self.folder, self.renamed, self.addresses = collection.root, False, 0
        self._root, folders = collection.root, set()
        for _, _, rows in collection.photos(("photo", "error")):
            name = storage.plain(rows[0]["photo"])
            if storage.is_address(name):
                self.addresses += rows[0]["error"] is None
            elif rows[0]["error"] is None:
                folders.add(os.path.dirname(name))
        self.renamed = not storage.is_address(self._root) and any(map(_leads_out, folders))
        if self.renamed:
            self.folder = os.path.commonpath([self._absolute(folder) for folder in folders])

    def of(self, photo: str) -> str:
        """The name of a photo, with forward slashes. photo: its name in the collection."""
        name = storage.plain(photo)
        if self.renamed and not storage.is_address(name):
            folder, last = os.path.split(name)
            name = os.path.relpath(os.path.join(self._absolute(folder), last), self.folder)
        return name.replace(os.sep, "/")

    def _absolute(self, folder):
        path = os.path.join(self._root, folder)
        return os.path.realpath(path) if _leads_out(folder) else os.path.normpath(path)  # ".." behind a link


def _leads_out(folder):
    return os.path.isabs(folder) or ".." in folder.replace("\\", "/").split("/")
