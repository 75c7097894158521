"""The base class of data sets: classes, photos, and how to load a photo and its masks."""

import os
import warnings
from collections import Counter
from typing import TypeVar

import numpy as np

from mrcnn.data.images import WHITE, load_image
from mrcnn.data.photo_names import file_name_of, tell_apart
from mrcnn.errors import DataError


class Dataset:
    """Base class of data sets: classes, photos, and the masks of each photo.

    A subclass has a method that calls `add_class` and `add_image`, and overrides `load_mask` (and `load_image` where
    photos are not files). Call that method, then `prepare()`: classes and photos are then numbered from 0; class 0 is
    background ("BG").

    A subclass may offer two methods that need no masks: `object_count(image_id)` returns the number of objects without
    crowds, which makes SKIP_EMPTY_IMAGES cheap; `object_classes(image_id)` returns the class ids of the objects,
    negative for crowds, which makes REPEAT_THRESHOLD and CLASS_LOSS cheap.

    Objects may have attributes, such as their pattern: `attribute_names`, a dict {id: name} of the subclass, names
    them, and `load_mask` returns as a third value a list of attribute ids for each object.

    Args:
        class_map: ignored; Matterport's argument.

    Attributes:
        image_info: list of dicts, one a photo: "id", "source", "path" and what `add_image` was given.
        class_info: list of dicts, one a class: "id", "source", "name".
        class_names: list of str, by class id, background first; after `prepare`.
        num_classes, num_images: numbers of classes with background and of photos; after `prepare`.
        matte: RGB 0..255 of the colour under what is transparent in a photo.
        whole_names: whether class_names are whole; else, as in Matterport's, each ends at its first comma, unless
            others would then be called the same.
    """

    matte = WHITE
    whole_names = False
    _told_alike = ()  # names that a warning told of
    _is_part = False  # whether it has some of the photos of another, and their names

    def __init__(self, class_map: object = None) -> None:
        # class_map does nothing; many subclasses in the wild pass one, or themselves.
        self._image_ids = np.zeros(0, int)
        self.image_info = []
        self.class_info = [{"source": "", "id": 0, "name": "BG"}]
        self.source_class_ids = {}

    # --- Registering ---------------------------------------------------------------------------------------------
    def add_class(self, source: str, class_id: int | str, class_name: str) -> None:
        """Register a class; a class that is registered already stays as it is.

        Args:
            source: name of the data set that the class comes from, without dots.
            class_id: id of the class in the source, a number or a text.
            class_name: name of the class.
        """
        assert "." not in source, f"Source name {source!r} must not contain a dot."
        if not any(info["source"] == source and info["id"] == class_id for info in self.class_info):
            self.class_info.append({"source": source, "id": class_id, "name": class_name})

    def add_image(self, source: str, image_id: object, path: str | os.PathLike | None, **kwargs: object) -> None:
        """Register a photo.

        Args:
            source: name of the data set that the photo comes from.
            image_id: id of the photo in the source.
            path: of the photo's file; None where a subclass overrides `load_image`.
            kwargs: further entries of the photo's dict in `image_info`.
        """
        self.image_info.append({"id": image_id, "source": source, "path": path, **kwargs})

    def append_data(self, class_info: object, image_info: object) -> None:
        """Refuse: photos and classes are registered one by one.

        Args:
            class_info, image_info: Matterport's arguments.

        Raises:
            NotImplementedError: with what to write instead.
        """
        raise NotImplementedError("Dataset.append_data() is gone: call add_class and add_image in a loop.")

    def prepare(self, class_map: object = None) -> None:
        """Number classes and photos. Call it once all are registered, and again after adding more.

        Args:
            class_map: ignored; Matterport's argument.
        """
        self.num_classes = len(self.class_info)
        self.class_ids = np.arange(self.num_classes)
        self.class_names = self._names()
        self.num_images = len(self.image_info)
        if not self._is_part:
            tell_apart(self.image_info, self.load_image)
        self._image_ids = np.arange(self.num_images)
        self.class_from_source_map = {key: i for i, info in enumerate(self.class_info) for key in source_keys(info)}
        self.image_from_source_map = {f"{info['source']}.{info['id']}": i for i, info in enumerate(self.image_info)}
        sources = [[source for source, _ in source_ids(info)] for info in self.class_info]
        self.sources = list(dict.fromkeys(source for some in sources for source in some))
        self.source_class_ids = {
            source: [i for i, some in enumerate(sources) if i == 0 or source in some] for source in self.sources
        }

    def _names(self):
        """Names by class id, as `whole_names` says."""
        whole = [str(info["name"]) for info in self.class_info]
        if self.whole_names:
            return whole
        counts = Counter(short_name(name) for name in dict.fromkeys(whole))
        alike = [name for name in dict.fromkeys(whole) if counts[short_name(name)] > 1]
        if alike and alike != self._told_alike:
            self._told_alike = alike  # copies of a data set are prepared too
            shown = "; ".join(alike[:5]) + "; ..." * (len(alike) > 5)
            warnings.warn(f"{type(self).__name__}: {len(alike)} classes have one name up to the first comma, where "
                          f"names end, with others; these stay whole ({shown}): let them differ before the comma, or "
                          "set whole_names = True.", stacklevel=3)
        return [name if counts[short_name(name)] > 1 else short_name(name) for name in whole]

    # --- Looking up ----------------------------------------------------------------------------------------------
    @property
    def image_ids(self) -> np.ndarray:
        """int [M]: ids of all photos, 0 to M - 1; empty before `prepare`, which a warning then asks for."""
        if len(self.image_info) > len(self._image_ids):
            warnings.warn(f"{type(self).__name__}: {len(self.image_info) - len(self._image_ids)} of "
                          f"{len(self.image_info)} photos are not numbered and are left out: call prepare() after all "
                          "are added.", stacklevel=2)
        return self._image_ids

    def map_source_class_id(self, source_class_id: str) -> int:
        """Look up a class by its id in a source.

        Args:
            source_class_id: "SOURCE.ID", such as "coco.12".

        Returns:
            Class id in this data set.
        """
        return self.class_from_source_map[source_class_id]

    def get_source_class_id(self, class_id: int, source: str) -> int | str:
        """Look up the id that a class has in its source.

        Args:
            class_id: class id in this data set.
            source: name of the source that the class must belong to.

        Returns:
            Class id in the source.
        """
        info = self.class_info[class_id]
        assert info["source"] == source, f"Class {class_id} is of source {info['source']!r}, not {source!r}."
        return info["id"]

    def source_image_link(self, image_id: int) -> str:
        """Tell where a photo is.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            Its path or URL.
        """
        return self.image_info[image_id]["path"]

    def image_reference(self, image_id: int) -> str:
        """Tell where a photo can be looked up in its source; for subclasses to override.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            A text.
        """
        return ""

    def sample_name(self, image_id: int) -> str:
        """Name a photo in messages: by its file name, with folders if others have the same, else by its source's id.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            A short printable text.
        """
        info = self.image_info[image_id]
        return file_name_of(info) if info.get("path") else f"{info['source']} image {info['id']}"

    # --- Loading -------------------------------------------------------------------------------------------------
    def load_image(self, image_id: int) -> np.ndarray:
        """Load a photo.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            uint8 [H, W, 3] RGB, upright.

        Raises:
            DataError: the photo has no path, or its file cannot be read; the message names it.
        """
        path = self.image_info[image_id]["path"]
        if not path:
            raise DataError(f"{self.sample_name(image_id)} has no path: override load_image to make its pixels.")
        return load_image(path, self.matte)

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Load the objects of a photo; every subclass overrides this.

        Args:
            image_id: id of the photo in this data set.

        Returns:
            (masks bool [H, W, N], class ids int32 [N]); a negative class id marks a crowd. A subclass may return a
            third value: N lists of attribute ids.
        """
        name = type(self).__name__
        if type(self).load_mask is Dataset.load_mask:
            told = f"{name} does not override load_mask: its photos have no objects."
        else:  # as those of another source in many scripts: once of each source, for warnings of one text are one
            source = self.image_info[image_id]["source"]
            told = f"{name}.load_mask leaves photos of source {source!r} to Dataset.load_mask: they have no objects."
        warnings.warn(told, stacklevel=2)
        return np.zeros((0, 0, 0), bool), np.zeros(0, np.int32)


def source_ids(info: dict) -> list[tuple[str, int | str]]:
    """All (source, id in the source) that a class stands for: several if `choose_classes` made it of several.

    Args:
        info: entry of `class_info`.
    """
    return info.get("members") or [(info["source"], info["id"])]


def source_keys(info: dict) -> list[str]:
    """`source_ids` as `map_source_class_id` takes them, "SOURCE.ID"."""
    return [f"{source}.{i}" for source, i in source_ids(info)]


def short_name(name: str) -> str:
    """The part of a class's name before its first comma, as Matterport's data sets call it.

    Args:
        name: "shirt, blouse".

    Returns:
        "shirt".
    """
    return name.split(",")[0]


Kind = TypeVar("Kind", bound=Dataset)  # of functions that give the kind of data set that they are given
