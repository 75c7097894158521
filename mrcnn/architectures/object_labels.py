"""Label maps of whatever detects objects."""

import dataclasses
from collections.abc import Iterator

from mrcnn.data.class_names import names_of_model
from mrcnn.data.given_photos import GivenPhotos, Photos, as_arrays
from mrcnn.inference.pipeline import Steps, in_step, whole
from mrcnn.labeling.label_map import LabelSettings
from mrcnn.labeling.photos import detected, label_photo


class LabelsOfObjects:
    """label_each() of what has detect(), detect_tiled(), class_names and config."""

    def label_each(self, images: Photos, probabilities: bool = True,
                   settings: LabelSettings | None = None) -> Iterator[dict]:
        """Make label maps of the detections in photos, by `mrcnn.labeling.label_map`.

        Args:
            images: as for `detect`.
            probabilities: False leaves the probabilities out, which saves memory and time.
            settings: of the label maps; None takes the defaults.

        Yields:
            {"labels": uint8 [H, W]} and perhaps "probabilities" float32 [H, W, C] of each photo, in their order.
        """
        for _, chunk in _given(self, images).chunks(self.config.BATCH_SIZE):
            yield from self._labelled(chunk, detected(self, chunk), probabilities, settings)

    def label_steps(self, probabilities: bool = True, settings: LabelSettings | None = None) -> Steps:
        """`label_each` in three steps, which `mrcnn.inference.pipeline` takes at once, each of another photo.

        Args:
            probabilities, settings: as for `label_each`.

        Returns:
            The steps.
        """
        if not in_step(self, "detect", "detection_steps"):  # a network that detects in a way of its own
            return whole(self.label_each, probabilities=probabilities, settings=settings)
        names = self._names(settings)
        steps = self.detection_steps(mask_probabilities=True, paste=False)

        def finish(image, seen):
            return label_photo(steps.finish(image, seen), image.shape[:2], names, settings, probabilities)

        return dataclasses.replace(steps, finish=finish)

    def label_each_tiled(self, images: Photos, tile: int = 1024, overlap: float = 0.25,
                         probabilities: bool = True, settings: LabelSettings | None = None) -> Iterator[dict]:
        """Make label maps of the detections of `detect_tiled` in huge photos.

        Args:
            images: as for `detect`.
            tile, overlap: as for `detect_tiled`.
            probabilities, settings: as for `label_each`.

        Yields:
            What `label_each` yields.
        """
        for _, chunk in _given(self, images).chunks(1):
            detections = self.detect_tiled(chunk, tile, overlap, mask_probabilities=True)
            yield from self._labelled(chunk, detections, probabilities, settings)

    def _labelled(self, images, detections, probabilities, settings):
        names = LabelsOfObjects._names(self, settings)
        for image, objects in zip(images, detections):
            yield label_photo(objects, image.shape[:2], names, settings, probabilities)

    def _names(self, settings):
        """Names of the classes, which those in the settings are among."""
        names = names_of_model(self)
        if settings is not None:
            settings.check_classes(names)
        return names


def _given(model: object, images: Photos) -> GivenPhotos:
    """The photos, checked by their places among all, where a network has a check."""
    return getattr(model, "checked_images", as_arrays)(images)
