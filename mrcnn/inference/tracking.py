"""Which object of a frame is which of the frames before: boxes moved on, and matched at two levels of score.

As in ByteTrack (Zhang 2022) detections that are sure are matched first, and unsure ones, as of what is half hidden, go
on with tracks but begin none; as in C-BIoU (Yang 2023) boxes are compared with a margin, first a small one, then a
large one. Two things are of this package: a track keeps to its class where it can, since clothes on each other have
boxes of nearly one place, and boxes move by a least-squares line in place of a Kalman filter.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mrcnn.ops.boxes import iou_matrix

# Margins by which boxes grow on each side, as shares of their own sides, before they are compared, and the least IoU
# then; chosen on the drawn films 0 to 4 of benchmarks/video.py.
NEAR = (0.5, 0.2)  # a sure detection and a track of its class
FAR = (1.0, 0.2)  # the same among what is left
OTHER_CLASS = (0.0, 0.5)  # the network takes the object for something else
UNSURE = (0.5, 0.4)  # an unsure detection and a track of its class
LEAST_GAINS = (0.7, 0.1)  # shares of what was not foreseen that place and velocity take over, however long a track is


@dataclasses.dataclass
class Track:
    """An object over frames.

    Args:
        number: from 1 on.
        centre: (y, x), pixels, as foreseen for the frame that is looked at.
        extent: (height, width), pixels.
        velocity: (y, x), pixels a frame.
        votes: {class id: sum of scores} of all sightings.
        sightings: how many.
        unseen: frames since the last.
    """

    number: int
    centre: np.ndarray
    extent: np.ndarray
    votes: dict[int, float]
    velocity: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2))
    sightings: int = 1
    unseen: int = 0

    @property
    def class_id(self) -> int:
        """The class with most votes; of equals the first seen."""
        return max(self.votes, key=self.votes.get)

    @property
    def box(self) -> np.ndarray:
        """(y1, x1, y2, x2), pixels, where the object is thought to be."""
        return np.concatenate([self.centre - self.extent / 2, self.centre + self.extent / 2])

    def see(self, box: np.ndarray, class_id: int, score: float) -> None:
        """Take a sighting in: the line of centres is fitted anew, the class is voted on.

        The gains are those of a least-squares line through n equally spaced sightings, 2 (2n - 1) / (n (n + 1)) and
        6 / (n (n + 1)), which fall to LEAST_GAINS, so that the line can bend.
        """
        self.sightings += 1
        n, frames = self.sightings, self.unseen + 1
        least_place, least_velocity = LEAST_GAINS
        centre, extent = centre_and_extent(box)
        ahead = centre - self.centre
        self.centre = self.centre + ahead * max(2 * (2 * n - 1) / (n * (n + 1)), least_place)
        self.velocity = self.velocity + ahead / frames * max(6 / (n * (n + 1)), least_velocity)
        self.extent = (self.extent + extent) / 2
        self.votes[class_id] = self.votes.get(class_id, 0.0) + score
        self.unseen = 0


def centre_and_extent(box: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """((y, x), (height, width)) of a box, float64."""
    box = np.asarray(box, np.float64)
    return (box[:2] + box[2:]) / 2, box[2:] - box[:2]


class Tracker:
    """The tracks of a film.

    Args:
        sure: least score of a detection that begins a track, 0..1.
        unseen: frames that an object may be unseen; after more its track ends, and it gets a new number.

    Attributes:
        tracks: {number: Track} that have not ended.
        count: of all tracks so far.
    """

    def __init__(self, sure: float = 0.5, unseen: int = 30):
        self.sure, self.unseen, self.tracks, self.count = sure, unseen, {}, 0

    def update(self, boxes: np.ndarray, class_ids: Sequence[int], scores: Sequence[float]) -> np.ndarray:
        """Take the detections of the next frame in.

        Args:
            boxes: [N, 4], pixels.
            class_ids: int [N].
            scores: [N], 0..1.

        Returns:
            int64 [N], numbers of their tracks; 0 of an unsure detection that goes on with none.
        """
        boxes, scores = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(scores, np.float64)
        class_ids, tracks = np.asarray(class_ids, int), list(self.tracks.values())
        for track in tracks:
            track.centre = track.centre + track.velocity
        numbers = np.zeros(len(boxes), np.int64)
        if tracks and len(boxes):
            self._match(tracks, boxes, class_ids, scores, numbers)
        for index in np.flatnonzero((numbers == 0) & (scores >= self.sure)):
            self.count += 1
            numbers[index] = self.count
            self.tracks[self.count] = Track(self.count, *centre_and_extent(boxes[index]),
                                            {int(class_ids[index]): float(scores[index])})
        self._end({int(number) for number in numbers})
        return numbers

    def _match(self, tracks, boxes, class_ids, scores, numbers):
        """Fill `numbers` of the detections that go on with tracks, in four rounds."""
        foreseen = np.stack([track.box for track in tracks])
        same = np.array([track.class_id for track in tracks])[:, None] == class_ids
        recent = np.array([track.unseen == 0 for track in tracks])[:, None]  # unsure ones would wake up old tracks
        sure, free = np.broadcast_to(scores >= self.sure, same.shape), np.ones(len(tracks), bool)
        for allowed, margin, least in ((same & sure, *NEAR), (same & sure, *FAR), (sure, *OTHER_CLASS),
                                       (same & ~sure & recent, *UNSURE)):
            likeness = iou_matrix(widened(foreseen, margin), widened(boxes, margin))
            for row, column in assigned(likeness * (allowed & free[:, None] & (numbers == 0)), least):
                free[row], numbers[column] = False, tracks[row].number
                tracks[row].see(boxes[column], int(class_ids[column]), float(scores[column]))

    def _end(self, seen):
        """Count the frames of those not seen, and end the tracks that were unseen too long."""
        for number, track in list(self.tracks.items()):
            if number not in seen:
                track.unseen += 1
                if track.unseen > self.unseen:
                    del self.tracks[number]


def widened(boxes: np.ndarray, margin: float) -> np.ndarray:
    """Boxes [N, 4] with a margin on each side, given as a share of their sides: small and quick things still meet."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([boxes[:, :2] - margin * sides, boxes[:, 2:] + margin * sides], axis=1)


def assigned(likeness: np.ndarray, least: float) -> list[tuple[int, int]]:
    """The pairs (row, column) whose likeness is largest in sum, each row and column in one at most.

    Args:
        likeness: [R, C], at least 0.
        least: of a pair.
    """
    from scipy.optimize import linear_sum_assignment

    likeness = np.where(likeness >= least, likeness, 0)
    rows, columns = linear_sum_assignment(likeness, maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns) if likeness[row, column] > 0]
