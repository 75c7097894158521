"""What every data set here is: a list of classes, a list of photos, and how to load the one and its masks."""

import os
import warnings

import numpy as np

from mrcnn.data.images import load_image
from mrcnn.errors import DataError


class Dataset:
    """Base class of data sets.

    Subclass it, give it a method that calls `add_class` and `add_image`, override `load_mask` (and `load_image` where
    photos are no files), call that method and then `prepare()`. Classes and photos then have ids from 0 on; class 0 is
    background ("BG").

    Optional methods that a subclass may offer, both without decoding masks: `object_count(image_id)` -> number of
    objects without crowds, which makes SKIP_EMPTY_IMAGES cheap; `object_classes(image_id)` -> class ids of the objects,
    negative for crowds, which does so for REPEAT_THRESHOLD and CLASS_LOSS.
    """

    def __init__(self, class_map=None):
        # class_map does nothing; many subclasses in the wild pass one, or themselves.
        self._image_ids = np.zeros(0, int)
        self.image_info = []
        self.class_info = [{"source": "", "id": 0, "name": "BG"}]
        self.source_class_ids = {}

    # --- Registering ---------------------------------------------------------------------------------------------
    def add_class(self, source, class_id, class_name):
        """Register a class; one that is registered already is left as it is.

        source: name of the data set it comes from, without dots; class_id: its id there
        """
        assert "." not in source, f"Source name {source!r} must not contain a dot."
        if not any(info["source"] == source and info["id"] == class_id for info in self.class_info):
            self.class_info.append({"source": source, "id": class_id, "name": class_name})

    def add_image(self, source, image_id, path, **kwargs):
        """Register a photo. image_id: its id in the source; path: of its file, or None; kwargs: kept in image_info."""
        self.image_info.append({"id": image_id, "source": source, "path": path, **kwargs})

    def prepare(self, class_map=None):
        """Number classes and photos; call it once all are registered, and again if more come."""
        self.num_classes = len(self.class_info)
        self.class_ids = np.arange(self.num_classes)
        self.class_names = [str(info["name"]).split(",")[0] for info in self.class_info]
        self.num_images = len(self.image_info)
        self._image_ids = np.arange(self.num_images)
        self.class_from_source_map = {f"{info['source']}.{info['id']}": i for i, info in enumerate(self.class_info)}
        self.image_from_source_map = {f"{info['source']}.{info['id']}": i for i, info in enumerate(self.image_info)}
        self.sources = list(dict.fromkeys(info["source"] for info in self.class_info))
        self.source_class_ids = {
            source: [i for i, info in enumerate(self.class_info) if i == 0 or info["source"] == source]
            for source in self.sources
        }

    # --- Looking up ----------------------------------------------------------------------------------------------
    @property
    def image_ids(self):
        """int [M]: ids of all photos."""
        return self._image_ids

    def map_source_class_id(self, source_class_id):
        """Class id of a class in its source: "coco.12" -> 7."""
        return self.class_from_source_map[source_class_id]

    def get_source_class_id(self, class_id, source):
        """The id that a class has in its source."""
        info = self.class_info[class_id]
        assert info["source"] == source, f"Class {class_id} is of source {info['source']!r}, not {source!r}."
        return info["id"]

    def source_image_link(self, image_id):
        """Path or URL of a photo."""
        return self.image_info[image_id]["path"]

    def image_reference(self, image_id):
        """Where a photo can be looked up in its source; for subclasses to override."""
        return ""

    def sample_name(self, image_id):
        """Short printable name of a photo, for messages: its file name, else its id in the source."""
        info = self.image_info[image_id]
        return os.path.basename(info["path"]) if info.get("path") else f"{info['source']} image {info['id']}"

    # --- Loading -------------------------------------------------------------------------------------------------
    def load_image(self, image_id):
        """A photo as uint8 [H, W, 3] RGB. Raises DataError naming the file if it cannot be read."""
        path = self.image_info[image_id]["path"]
        if not path:
            raise DataError(f"{self.sample_name(image_id)} has no path: override load_image to make its pixels.")
        return load_image(path)

    def load_mask(self, image_id):
        """The objects of a photo; every subclass overrides this.

        Returns (masks bool [H, W, N], class ids int32 [N]); a negative class id marks a crowd.
        """
        warnings.warn(f"{type(self).__name__} does not override load_mask: its photos have no objects.", stacklevel=2)
        return np.zeros((0, 0, 0), bool), np.zeros(0, np.int32)
