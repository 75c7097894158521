"""Photos whose truth looks wrong: objects about which a trained network and the annotations disagree, ranked by doubt.

The four kinds are those of Tkachenko, Thyagarajan and Mueller 2023 (ObjectLab: overlooked, swapped, badly located) and
objects that are never found. How far a network is to be believed differs from class to class (Northcutt, Jiang and
Chuang 2021), so that each disagreement is held against how often the network is wrong in the like: of a class whose
detections at this score agree with the truth in a share p of the cases, and of objects that are wrong in a share e, one
that disagrees is wrong with a probability of about e / (e + 1 - p), by Bayes' rule.
"""

import bisect
import dataclasses
from collections.abc import Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.evaluation.comparison import Comparison, read_comparison
from mrcnn.evaluation.errors import BACKGROUND_IOU
from mrcnn.evaluation.pairs import ImagePairs, match, pair_images

REASONS = {
    "missing": "found with confidence where the truth has nothing",
    "class": "found at the same place as another class",
    "outline": "found with another outline than others of the class are",
    "not found": "in the truth, and not found, though others of the class and size are",
}
CONFIDENT = 0.5  # least score of a detection that finds an object
WRONG = 0.05  # e, the share of wrong objects that is reckoned with
SAME_PLACE = 0.5  # IoU
FEW = 5  # pairs of a class, from which on they have a typical IoU of their own
SILENCE = 0.25  # weight of what is not found: objects that are hard to see are missed more often than like ones
LIKE = 20  # detections of the same class nearest in score, or objects nearest in size, that one is held against
LEAST = 0.02  # doubt, below which no suspect is listed


@dataclasses.dataclass(frozen=True)
class Suspect:
    """One disagreement of a network with the truth.

    Args:
        image: id of the photo in the ground truth.
        photo: its name.
        reason: of REASONS.
        doubt: how much speaks against the truth, 0..1.
        true_class, true_box, object_id: of the object in the truth: name, (y1, x1, y2, x2) pixels, COCO's id; None
            where the truth has none, of the id also where the file gives the object none.
        found_class, found_box, score: of what the network says, None where it says nothing.
        iou: of the masks of both, None where there are not both.
        pixels: area of a region of label maps; None of objects.
    """

    image: int | str
    photo: str
    reason: str
    doubt: float
    true_class: str | None = None
    true_box: tuple | None = None
    object_id: int | str | None = None
    found_class: str | None = None
    found_box: tuple | None = None
    score: float | None = None
    iou: float | None = None
    pixels: int | None = None

    def text(self) -> str:
        """What is suspected, in a few words."""
        found = None if self.found_class is None else f"{self.found_class} {self.score:.2f}"
        if self.reason == "missing":
            return f"{found}, not in the truth"
        if self.reason == "class":
            return f"{self.true_class} in the truth, found as {found}"
        if self.reason == "not found":
            return f"{self.true_class} in the truth, not found"
        if self.iou is not None:
            return f"{found}, IoU {self.iou:.2f} with the truth"
        return f"outline of {self.found_class or self.true_class} differs"


def find_suspects(truth: dict, results: Sequence[dict]) -> list[Suspect]:
    """Rank the disagreements of detections with a ground truth.

    Args:
        truth: COCO's dict.
        results: COCO's list, with the uncertain detections too (scores from 0.05 on): an object that a network doubts
            was found.

    Returns:
        Suspects with a doubt of at least LEAST, in the order of `ranked`.

    Raises:
        DataError: results are of unknown images or classes.
    """
    comparison = read_comparison(truth, results, "segm")
    images = pair_images(comparison)
    names = {image["id"]: str(image.get("file_name", image["id"])) for image in truth["images"]}
    objects = [[] for _ in images]
    for entry in comparison.objects:
        if not entry["iscrowd"]:
            objects[entry["image_id"]].append(entry)
    trust = _Trust(images, objects, len(comparison.categories))
    suspects = []
    for place, pairs in enumerate(images):
        image_id = comparison.image_ids[place]
        for entry in _Photo(pairs, objects[place], comparison, trust).suspects():
            if entry["doubt"] >= LEAST:
                suspects.append(Suspect(image_id, names[image_id], **entry))
    return ranked(suspects)


def ranked(suspects: Sequence[Suspect]) -> list[Suspect]:
    """Suspects photo by photo: first those of the photo with the highest doubt, of a photo the highest doubt first.

    Args:
        suspects: of any order.
    """
    photos = {}
    for suspect in suspects:
        photos.setdefault(suspect.image, []).append(suspect)
    for own in photos.values():
        own.sort(key=lambda suspect: -suspect.doubt)
    # Of photos with equally high doubts the one with more of them comes first.
    order = sorted(photos.values(), key=lambda own: (-own[0].doubt, -sum(suspect.doubt for suspect in own)))
    return [suspect for own in order for suspect in own]


class _Trust:
    """How far a network is to be believed: what it says over all photos, held against the truth.

    Attributes: typical float [K]: median IoU of the confident detections of a class with their objects
    """

    def __init__(self, images: Sequence[ImagePairs], objects: Sequence[list], classes: int):
        said = [([], []) for _ in range(classes)]  # scores, and whether an object is there
        true = [([], []) for _ in range(classes)]  # logarithms of areas, and whether it is found
        overlaps = [[] for _ in range(classes)]
        for pairs, own in zip(images, objects):
            matches, ignored = match(pairs)
            for i in np.flatnonzero(~ignored):
                _note(said[pairs.classes[i]], pairs.scores[i], matches[i] >= 0)
            sure = np.flatnonzero((pairs.scores >= CONFIDENT) & (matches >= 0))
            for i in sure:
                overlaps[pairs.classes[i]].append(pairs.overlaps[i, matches[i]])
            taken = set(matches[sure].tolist())
            for k, entry in enumerate(own):
                _note(true[entry["category_id"]], _size(entry), k in taken)
        self._said, self._true = ([_Nearest(*lists) for lists in own] for own in (said, true))
        usual = [overlap for own in overlaps for overlap in own]
        usual = float(np.median(usual)) if usual else 1.0
        self.typical = np.array([float(np.median(own)) if len(own) >= FEW else usual for own in overlaps])

    def word(self, class_id: int, score: float) -> float:
        """What a detection without an object weighs: its score times the probability that the truth is wrong."""
        return float(score) * self._said[class_id].wrong(score)

    def silence(self, entry: dict) -> float:
        """The same of an object without a detection."""
        return SILENCE * self._true[entry["category_id"]].wrong(_size(entry))


def _note(lists, value, agreed):
    lists[0].append(value)
    lists[1].append(bool(agreed))


def _size(entry):
    return float(np.log(max(entry["area"], 1)))


class _Nearest:
    """How often the truth agrees with the network among what is nearest in a value.

    All are sorted once, so that each question looks at its neighbours alone.
    """

    def __init__(self, values, agreed):
        order = np.argsort(values, kind="stable")
        self._values = np.array(values, float)[order].tolist()
        self._agreed = np.concatenate([[0], np.cumsum(np.array(agreed, bool)[order])]).tolist()  # of those before

    def wrong(self, value):
        """Probability that the truth is wrong where it disagrees, by the agreement of those nearest in value.

        The nearest is the one in question, and is left out; of equally near ones one that disagrees, as it does. One
        agreement and one disagreement are added: few tell little.
        """
        place, taken = bisect.bisect_left(self._values, value), min(LIKE + 1, len(self._values))
        near = sorted(abs(other - value) for other in self._values[max(place - taken, 0):place + taken])
        first, last = near[0], near[taken - 1]
        count, agreed = self._within(place, value, last, nearer=True)
        tied, tied_agreed = self._within(place, value, last)
        disagree = (tied - count) - (tied_agreed - agreed)  # of those just as far as the last, they come first
        agreed += max(0, taken - count - disagree)
        alike, alike_agreed = self._within(place, value, first)
        agreement = (agreed - (alike == alike_agreed) + 1) / (taken - 1 + 2)
        return WRONG / (WRONG + 1 - agreement)

    def _within(self, place, value, distance, nearer=False):
        """(how many are as near as a distance, or nearer, and how many of them agree).

        Distances are those that are computed: rounding may make them equal where values are not.
        """
        left, right = bisect.bisect_left, bisect.bisect_right
        if nearer:
            left, right = right, left
        low = left(self._values, -distance, 0, place, key=lambda other: -abs(other - value))
        high = right(self._values, distance, place, key=lambda other: abs(other - value))
        return high - low, self._agreed[high] - self._agreed[low]


class _Photo:
    """The disagreements in one photo."""

    def __init__(self, pairs: ImagePairs, objects: list, comparison: Comparison, trust: _Trust):
        self.pairs, self.objects, self.trust = pairs, objects, trust
        self.names = [str(category.get("name", category["id"])) for category in comparison.categories]
        self.detections = [comparison.detections[i] for i in pairs.results]
        self.matches, self.ignored = match(pairs, SAME_PLACE)
        self.same = pairs.classes[:, None] == pairs.true_classes
        self.taken = set(self.matches[self.matches >= 0].tolist())
        # Of each true object, how surely it is found as what it is.
        self.own = (pairs.scores[:, None] * self.same * (pairs.overlaps >= SAME_PLACE)).max(axis=0, initial=0)

    def suspects(self) -> list[dict]:
        """The arguments of Suspects, without their photo."""
        missing, of_object = [], {}
        for i in np.flatnonzero(~self.ignored):
            entry = self._of_detection(i)
            if entry is None:
                continue
            target = entry.pop("target")
            if target is None:
                missing.append((i, entry))
            elif target not in of_object or entry["doubt"] > of_object[target]["doubt"]:
                of_object[target] = entry
        for k in range(len(self.objects)):
            entry, known = self._not_found(k), of_object.get(k)
            # A confident detection says more than silence does.
            if entry and (known is None or known["score"] < CONFIDENT and known["doubt"] < entry["doubt"]):
                of_object[k] = entry
        return [*self._apart(missing), *of_object.values()]

    def _of_detection(self, i):
        """What one detection says against the truth, with the place of the object that it means; or None."""
        overlaps = self.pairs.overlaps[i]
        word = self.trust.word(self.pairs.classes[i], self.pairs.scores[i])
        typical = self.trust.typical[self.pairs.classes[i]]
        if self.matches[i] >= 0:
            return self._entry("outline", word * max(0.0, 1 - overlaps[self.matches[i]] / typical), i, self.matches[i])
        same, other = (np.where(chosen, overlaps, 0) for chosen in (self.same[i], ~self.same[i]))
        if other.max(initial=0) >= max(SAME_PLACE, same.max(initial=0)):
            k = int(other.argmax())
            return self._entry("class", word * min(1.0, other[k] / typical) * (1 - self.own[k]), i, k)
        if same.max(initial=0) >= BACKGROUND_IOU:
            k = int(same.argmax())
            if k in self.taken:
                return None  # a second word about an object that is found
            return self._entry("outline", word * max(0.0, 1 - overlaps[k] / typical), i, k)
        return self._entry("missing", word * (1 - overlaps.max(initial=0)), i, None)

    def _not_found(self, k):
        """What silence says against an object, or None where it is found."""
        if k in self.taken:
            return None
        doubt = self.trust.silence(self.objects[k]) * (1 - (self.pairs.scores[:, None] * self.same
                                                           * self.pairs.overlaps)[:, k].max(initial=0))
        return self._entry("not found", doubt, None, k)

    def _apart(self, missing):
        """Of detections without an object those that mean one each: no fragment of a true object, no second word."""
        if not missing:
            return []
        masks = [self.detections[i]["segmentation"] for i, _ in missing]
        true = [entry["segmentation"] for entry in self.objects]
        within = run_lengths.iou(masks, true, [1] * len(true)) * self.same[[i for i, _ in missing]]
        overlaps, kept = run_lengths.iou(masks, masks), []
        for j in sorted(range(len(missing)), key=lambda j: -missing[j][1]["doubt"]):
            if within[j].max(initial=0) < SAME_PLACE and all(overlaps[j, other] < SAME_PLACE for other in kept):
                kept.append(j)
        return [missing[j][1] for j in kept]

    def _entry(self, reason, doubt, detection, target):
        entry = {"reason": reason, "doubt": float(doubt)}
        if detection is not None:
            found = self.detections[detection]
            entry.update(target=None if target is None else int(target), found_class=self.names[found["category_id"]],
                         found_box=_box(found["bbox"]), score=float(found["score"]))
        if target is not None:
            true = self.objects[target]
            entry.update(true_class=self.names[true["category_id"]], true_box=_box(true["bbox"]),
                         object_id=true.get("id"))  # COCO files without ids of objects can be trained on
        if detection is not None and target is not None:
            entry["iou"] = float(self.pairs.overlaps[detection, target])
        return entry


def _box(bbox):
    """(y1, x1, y2, x2) of COCO's [x, y, width, height]."""
    x, y, width, height = (float(value) for value in bbox)
    return y, x, y + height, x + width
