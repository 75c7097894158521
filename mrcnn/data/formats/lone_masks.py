"""Folders of masks of single objects without their photo, as ADE20K has one a photo: no data sets by themselves."""

import os

from mrcnn.data.formats import binary_maps, label_mapping
from mrcnn.data.formats.label_files import read_label_map
from mrcnn.data.formats.label_maps import map_files, photo_stems
from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.data.photo_folder import folders_below
from mrcnn.errors import DataError

LONE_MASKS = ("has masks of 0 and 255, and no photos of their names are there, so that each may be an object of one "
              "photo: put these into NAME/images/ and NAME/masks/ (docs/formats.md)")
MASKS_SEEN, PHOTOS_SEEN = 3, 5


class StemsOfPhotos:
    """The pictures in a folder and all below it, by their names without ending; they are listed when asked for.

    Args:
        folder: path.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self._folder, self._paths = folder, None

    def find(self, stem: str) -> list[str]:
        """Paths of the pictures of a name without ending."""
        if self._paths is None:
            self._paths = {}
            for top, _, names in folders_below(self._folder):
                for name in names:
                    if name.lower().endswith(PHOTO_ENDINGS):
                        self._paths.setdefault(os.path.splitext(name)[0], []).append(os.path.join(top, name))
        return self._paths.get(stem, [])


def are_lone_masks(place: str | os.PathLike, photos: StemsOfPhotos) -> bool:
    """Whether the label maps of a folder are no data set: masks of 0 and 255 alone, without names and without photos.

    Args:
        place: folder of label maps.
        photos: what is there in the folder that is looked through.
    """
    try:
        names = map_files(place)[:MASKS_SEEN]
        if label_mapping.find_names(place) or not all(_is_mask(os.path.join(place, name)) for name in names):
            return False
    except DataError:
        return False
    stems = [os.path.splitext(name)[0] for name in names]
    return not any(_has_photo(place, [stem, *photo_stems(stem)], photos) for stem in stems)


def _has_photo(place, stems, photos):
    found = [path for stem in stems for path in photos.find(stem)]
    others = [path for path in found if not os.path.samefile(os.path.dirname(path), place)]
    beside = [path for path in found if path not in others and not path.lower().endswith(".png")]
    return bool(beside) or any(not _is_mask(path) for path in others[:PHOTOS_SEEN])


def _is_mask(path):
    if not path.lower().endswith(".png"):
        return False
    try:
        return binary_maps.only_ends([read_label_map(path)])
    except DataError:
        return False
