"""Photos that carry no annotations, as a data set."""

import os
import warnings

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.array_photos import Photos
from mrcnn.data.formats.array_roles import arrays_by_role
from mrcnn.errors import DataError


class PhotoDataset(Dataset):
    """Photos without annotations, and the classes that a model looks for in them."""

    whole_names = True  # as the model has them: cut ones would not be those of its classes

    def load_photos(self, paths: list[str], class_names: list[str], matte: tuple | None = None) -> "PhotoDataset":
        """Register photos under their file names.

        Args:
            paths: of the photos.
            class_names: names by class id, background first.
            matte: RGB under what is transparent, None is white.

        Returns:
            The data set itself, not yet prepared.
        """
        self.matte = matte or self.matte
        for class_id, name in enumerate(class_names[1:], 1):
            self.add_class("photo", class_id, name)
        for path in paths:
            self.add_image("photo", os.path.basename(path), path)
        return self


class ArrayPhotos(PhotoDataset):
    """Photos of a file of arrays, and the classes that a model looks for in them."""

    def load_array(self, path: str, class_names: list[str], matte: tuple | None = None,
                   limit: int | None = None) -> "ArrayPhotos":
        """Register the first photos of an array.

        Args:
            path: of an .npy, .npz or .h5 file with one array, or one that is called images.
            class_names, matte: as for `load_photos`.
            limit: number of photos to take; None takes all.

        Returns:
            The data set itself, not yet prepared.

        Raises:
            DataError: naming the file, if it holds no photos.
        """
        def tell(what, how, first, count=1):
            warnings.warn(f"{path}: {count} {what}s {how} ({first}).", stacklevel=2)

        self.load_photos((), class_names, matte)
        images = arrays_by_role({"images": path}, tell)["images"]
        try:
            self._photos = Photos(images, None, None, tell)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        for index in range(min(self._photos.count, limit or self._photos.count)):
            height, width = self._photos.size(index)
            self.add_image("photo", index, None, height=height, width=width)
        return self

    def load_image(self, image_id: int) -> np.ndarray:
        """A photo as uint8 [H, W, 3] RGB."""
        return self._photos.load(self.image_info[image_id]["id"], self.matte)
