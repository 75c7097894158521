"""Photos that carry no annotations, as a data set."""

import os

from mrcnn.data.dataset import Dataset


class PhotoDataset(Dataset):
    """Photos without annotations, and the classes that a model looks for in them."""

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
