"""From the frames of a film to objects that keep their numbers: tracks, classes voted on, masks smoothed."""

from collections.abc import Sequence

import numpy as np

from mrcnn.data.masks import paste_rle
from mrcnn.inference.attributes import words_of
from mrcnn.inference.tracking import Tracker

UNSURE_SHARE = 0.5  # of the least score of an object: detections from there on go on with tracks


class Follower:
    """A model that looks at the frames of a film in their order.

    The mask of a track is the running mean m + (1 - smoothing) (new - m) of the network's mask probabilities, each on
    its grid stretched over the box: what moves with the object is steadied, and the object itself is not held back. It
    begins anew when the object comes back, or the grid has another size.

    Args:
        model: whose `detect(images, rle=True, mask_probabilities=True, min_confidence=...)` returns a dict a photo.
        sure: least score of a detection that begins a track, 0..1.
        unseen: frames that were looked at in which an object may be missing; after more it gets a new number.
        smoothing: share of the masks before in a mask, 0..1; 0 takes each as it is.

    Attributes of a track are the mean of the network's scores over its sightings as the voted class, each with the
    weight of its own score; those of ATTRIBUTE_MIN_CONFIDENCE or more are told.

    Attributes:
        tracker: Tracker.
        seen: {number: class id} of all tracks so far, as voted when each was seen last.
    """

    def __init__(self, model: object, sure: float, unseen: int = 30, smoothing: float = 0.5):
        self.model, self.smoothing, self.tracker = model, smoothing, Tracker(sure, unseen)
        self._masks, self._frames, self.seen = {}, 0, {}
        self._told = {}  # {number: {class id: sum of scores times [M] scores of attributes}}

    def follow(self, images: Sequence[np.ndarray]) -> list[list[dict]]:
        """Look at the next frames.

        Args:
            images: frames, each uint8 [H, W, 3] RGB.

        Returns:
            For each frame a list of its objects, in the order of their numbers:
            "track": number, from 1 on.
            "class_id": as the track's sightings voted so far.
            "score": 0..1, in this frame.
            "box": float32 [4] (y1, x1, y2, x2), pixels.
            "rle": COCO run lengths of the smoothed mask.
            "attributes": of a network with ATTRIBUTES, {name: score}, best first, of all frames so far.
        """
        results = self.model.detect(list(images), rle=True, mask_probabilities=True,
                                    min_confidence=UNSURE_SHARE * self.tracker.sure)
        return [self._next(result, image.shape[:2]) for result, image in zip(results, images)]

    def _next(self, result, shape):
        boxes, scores = result["boxes"], result["scores"]
        numbers = self.tracker.update(boxes, result["class_ids"], scores)
        objects, self._frames = [], self._frames + 1
        for index in np.argsort(numbers, kind="stable"):
            number = int(numbers[index])
            if not number:
                continue
            mask = self._smoothed(number, result["mask_probabilities"][index])
            class_id = self.seen[number] = self.tracker.tracks[number].class_id
            objects.append({"track": number, "class_id": class_id, "score": float(scores[index]), "box": boxes[index],
                            "rle": paste_rle(mask, boxes[index], shape), **self._described(number, result, index)})
        self._masks, self._told = ({number: kept for number, kept in some.items() if number in self.tracker.tracks}
                                   for some in (self._masks, self._told))
        return objects

    def _described(self, number, result, index):
        """{"attributes": {name: score}} of a track that is seen again; {} of a network without."""
        if "attribute_scores" not in result:
            return {}
        track, sums = self.tracker.tracks[number], self._told.setdefault(number, {})
        class_id, score = int(result["class_ids"][index]), float(result["scores"][index])
        sums[class_id] = sums.get(class_id, 0.0) + score * np.asarray(result["attribute_scores"][index], np.float64)
        # The votes of a class are the sum of the same scores.
        mean = sums[track.class_id] / track.votes[track.class_id]
        return {"attributes": words_of(mean, result["attribute_names"], self.model.config.ATTRIBUTE_MIN_CONFIDENCE)}

    def _smoothed(self, number, mask):
        """The mask of a track, with that of the frame before in it."""
        before, frame = self._masks.get(number, (mask, -1))
        if frame == self._frames - 1 and before.shape == mask.shape:
            mask = before + (1 - self.smoothing) * (mask - before)
        self._masks[number] = (mask, self._frames)
        return mask


class Labelling:
    """A model of label maps that looks at the frames of a film, each by itself.

    Args:
        model: whose `label_each(images, probabilities=False)` yields {"labels": uint8 [H, W]}.
    """

    def __init__(self, model: object):
        self.model = model

    def follow(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The label maps uint8 [H, W] of the next frames."""
        return [result["labels"] for result in self.model.label_each(list(images), probabilities=False)]
