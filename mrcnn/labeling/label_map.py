"""From the detections of a photo to one label per pixel, and the settings that decide about it."""

import dataclasses
import json
import os
from collections.abc import Sequence

import numpy as np

from mrcnn.data.masks import paste_mask
from mrcnn.errors import DataError
from mrcnn.export.running import is_exported, read_about
from mrcnn.files import write_json

ENDING = ".label.json"  # of files of settings
MOST_CLASSES = 255  # with background; label 255 of a uint8 map says that a pixel is to be ignored
SURE = 1e-4  # probabilities of masks keep this far from 0 and 1, so that their odds are finite
SILENCED = 1e-3  # evidence behind the claim of a layer in front, as a share of that layer's
BAND = 1 << 22  # pixels of a photo that labels are worked out for at a time: memory for each class goes by these
MOST_FAVOUR = 2  # of smaller_in_front: far more than is of use, and no area makes evidence overflow


@dataclasses.dataclass(frozen=True)
class LabelSettings:
    """Settings of `label_map`: which objects count, and which of several objects wins a pixel.

    Args:
        score_threshold: least score of an object, 0..1.
        mask_threshold: an object claims the pixels where the probability of its mask is higher, 0..1.
        class_thresholds: {class name: least score} of the classes that have a threshold of their own.
        smaller_in_front: exponent that favours smaller objects: of two objects, the one whose area is a times the
            other's has its evidence multiplied by a ** -smaller_in_front. A bag then lies in front of a coat. 0 ignores
            size.
        layers: class names from the back to the front. A class of these that claims a pixel beats the classes before
            it and those that are not named. Among classes that are not named evidence decides.
        tuned_with: {what: how} of the scores that the thresholds were tuned for, as `label --tune` stores it: "weights"
            (name of the file), "sha256", "views", "tiles", "mask_scores". Empty where nobody knows.

    Raises:
        DataError: a number is out of range.
    """

    score_threshold: float = 0.5
    mask_threshold: float = 0.5
    class_thresholds: dict[str, float] = dataclasses.field(default_factory=dict)
    smaller_in_front: float = 0.02  # no more than parts what is alike: measured, more does harm
    layers: tuple[str, ...] = ()
    tuned_with: dict[str, object] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        numbers = {"score_threshold": self.score_threshold, "mask_threshold": self.mask_threshold}
        numbers.update({f"class_thresholds of {name}": value for name, value in self.class_thresholds.items()})
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise DataError(f"Label setting {name}={value!r}: it must be a number within 0 and 1.")
        if not isinstance(self.smaller_in_front, (int, float)) or not 0 <= self.smaller_in_front <= MOST_FAVOUR:
            raise DataError(
                f"Label setting smaller_in_front={self.smaller_in_front!r}: it must be within 0 and {MOST_FAVOUR}."
            )
        if not isinstance(self.tuned_with, dict):
            raise DataError(f"Label setting tuned_with={self.tuned_with!r}: it must hold {{what: how}}.")

    def threshold(self, class_name: str) -> float:
        """Tell the least score of an object of a class.

        Args:
            class_name: its name.

        Returns:
            The score, 0..1.
        """
        return self.class_thresholds.get(class_name, self.score_threshold)

    def least_threshold(self) -> float:
        """Tell the least score at which an object of any class counts: detection needs no lower ones.

        Returns:
            The score, 0..1.
        """
        return min([self.score_threshold, *self.class_thresholds.values()])

    def differences(self, now: dict) -> list[str]:
        """Tell what the thresholds were tuned with that is otherwise now, so that scores mean something else.

        Args:
            now: as `tuned_with`, of the network that the settings are used for.

        Returns:
            As ["views 1 (now 1, 1 mirrored)"]; of weights only where both files are of one format.
        """
        names = [name for name in ("views", "tiles", "mask_scores") if name in self.tuned_with and name in now]
        told = [f"{name} {self.tuned_with[name]} (now {now[name]})" for name in names
                if self.tuned_with[name] != now[name]]
        files = [os.path.splitext(str(known.get("weights", "")))[1] for known in (self.tuned_with, now)]
        # An exported file has other bytes than its checkpoint, whose thresholds it may have.
        if files[0] == files[1] and self.tuned_with.get("sha256", now.get("sha256")) != now.get("sha256"):
            told.insert(0, f"weights of other content ({self.tuned_with.get('weights')})")
        return told

    def check_classes(self, class_names: Sequence[str]) -> None:
        """Check the names of classes in the settings.

        Args:
            class_names: those that there are.

        Raises:
            DataError: a setting names a class that is not among them.
        """
        for name in (*self.class_thresholds, *self.layers):
            if name not in class_names:
                raise DataError(f"Label settings name the class {name!r}, but there are {', '.join(class_names[1:])}.")

    def to_dict(self) -> dict:
        """Give the settings as JSON holds them.

        Returns:
            {name: value}; without tuned_with where that is empty.
        """
        values = {**dataclasses.asdict(self), "layers": list(self.layers)}
        return {name: value for name, value in values.items() if value or name != "tuned_with"}

    @classmethod
    def from_dict(cls, values: dict) -> "LabelSettings":
        """Make settings from what `to_dict` gives.

        Args:
            values: {name: value}.

        Returns:
            The settings.

        Raises:
            DataError: for an unknown name or an impossible value.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, dict) or not set(values) <= known:
            unknown = sorted(set(values) - known)[0] if isinstance(values, dict) else values
            raise DataError(f"{unknown!r} is no label setting: they are {', '.join(sorted(known))}.")
        thresholds, layers = values.get("class_thresholds", {}), values.get("layers", ())
        if not isinstance(thresholds, dict) or not isinstance(layers, (list, tuple)):
            raise DataError("Label settings hold class_thresholds as {class name: score} and layers as a list.")
        return cls(**{**values, "layers": tuple(layers)})


def settings_path(weights: str) -> str:
    """Path that the label settings of a checkpoint or of an exported file are written to, beside it.

    Those of an exported file keep its ending, for the scores of a file in float16 or int8 are not its checkpoint's.
    """
    path = os.path.normpath(weights)
    return path + ENDING if is_exported(path) else _shared_path(path)


def settings_file(weights: str) -> str | None:
    """Path of the label settings that hold for weights: their own, else those beside an exported file's checkpoint.

    Args:
        weights: path of a checkpoint, or of an exported file.

    Returns:
        The path; None where there are none, but for those that an exported file may have built in.
    """
    return next(filter(os.path.isfile, (settings_path(weights), _shared_path(weights))), None)


def _shared_path(weights):
    return os.path.splitext(os.path.normpath(weights))[0] + ENDING


def save_settings(checkpoint: str, settings: LabelSettings) -> str:
    """Write label settings beside a checkpoint or an exported file, whole or not at all.

    Args:
        checkpoint: path of the checkpoint, or of an exported file, which has settings of its own: those of its
            checkpoint stay.
        settings: what to write.

    Returns:
        Path of the settings' file.
    """
    path = settings_path(checkpoint)
    write_json(path, settings.to_dict(), indent=2)
    return path


def load_settings(checkpoint: str) -> LabelSettings:
    """Read the label settings beside a checkpoint, or those of an exported file: its own, else its checkpoint's.

    Args:
        checkpoint: path of the checkpoint, or of an exported file.

    Returns:
        The settings; the defaults if there are none.

    Raises:
        DataError: the file holds no label settings; the message names it.
        ExportError: the JSON file of an exported file cannot be used.
    """
    path = settings_file(checkpoint)
    if path is None:
        return _exported_settings(checkpoint) if is_exported(checkpoint) else LabelSettings()
    try:
        with open(path, encoding="utf-8") as file:
            return LabelSettings.from_dict(json.load(file))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: {error} Correct it, delete it, or run label --tune.") from error


def _exported_settings(path):
    path = os.path.normpath(path)
    try:
        return LabelSettings.from_dict(read_about(path).get("label_settings", {}))
    except DataError as error:
        raise DataError(f"{path}.json: label_settings: {error} Correct it, or export the checkpoint again.") from error


# --- The rule --------------------------------------------------------------------------------------------------------


def label_map(detections: dict, shape: tuple[int, int], class_names: Sequence[str],
              settings: LabelSettings | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Merge the objects of a photo into one label per pixel.

    An object counts if its score reaches the threshold of its class. It claims the pixels where the probability of its
    mask is above mask_threshold. A pixel that no object claims is background. Elsewhere the frontmost layer with a
    claim wins, and within a layer the class with the most evidence. An object's evidence at a pixel is
    -log(1 - score * mask probability), times the factor of smaller_in_front. The evidence of several objects of a class
    is added (noisy or: they are all wrong with the product of their doubts). A mask that does not claim the pixel gives
    evidence too. The label is the class of the largest probability.

    Args:
        detections: dict of `detect(mask_probabilities=True)`: "boxes" [N, 4] pixels, "class_ids" [N], "scores" [N],
            "mask_probabilities" [N, h, w] on a grid stretched over each box.
        shape: (H, W) of the photo, pixels.
        class_names: names by class id, background first.
        settings: None takes the defaults.

    Returns:
        (uint8 [H, W] class ids, float32 [H, W, C] probabilities that sum to 1 at each pixel). The latter lie class by
        class in memory, of which a class that was not detected takes none.

    Raises:
        DataError: a class has no name, or there are more classes than a label map can hold.
    """
    height, width = (int(side) for side in shape)
    planes = np.zeros((len(class_names), height, width), np.float32)
    labels = np.zeros((height, width), np.uint8)
    for rows, class_ids, layers in _bands(detections, (height, width), class_names, settings or LabelSettings()):
        labels[rows] = class_ids[layers.argmax(axis=0)]
        for class_id, layer in zip(class_ids, layers):
            planes[class_id, rows] = layer
    return labels, np.moveaxis(planes, 0, -1)


def labels_alone(detections: dict, shape: tuple[int, int], class_names: Sequence[str],
                 settings: LabelSettings | None = None) -> np.ndarray:
    """Make the labels of `label_map` without their probabilities, in less time and memory.

    Args:
        detections, shape, class_names, settings: as for `label_map`.

    Returns:
        uint8 [H, W] class ids.

    Raises:
        DataError: as for `label_map`.
    """
    height, width = (int(side) for side in shape)
    labels = np.zeros((height, width), np.uint8)
    for rows, class_ids, layers in _bands(detections, (height, width), class_names, settings or LabelSettings()):
        labels[rows] = class_ids[layers.argmax(axis=0)]
    return labels


def labels_of(probabilities: np.ndarray) -> np.ndarray:
    """Take the most probable class of each pixel.

    Args:
        probabilities: [H, W, C].

    Returns:
        uint8 [H, W] class ids.
    """
    probabilities = np.asarray(probabilities)
    labels = np.empty(probabilities.shape[:-1], np.uint8)
    rows = max(1, BAND // max(1, probabilities[:1].size))  # at a time, for argmax copies what lies class by class
    for top in range(0, len(labels), rows):
        labels[top : top + rows] = probabilities[top : top + rows].argmax(axis=-1)
    return labels


def counting(detections: dict, class_names: Sequence[str], settings: LabelSettings) -> np.ndarray:
    """Tell which objects count, by the thresholds of their classes.

    Args:
        detections, class_names, settings: as for `label_map`.

    Returns:
        bool [N].

    Raises:
        DataError: as for `label_map`.
    """
    class_ids, scores = np.asarray(detections["class_ids"], int), np.asarray(detections["scores"])
    if len(class_names) > MOST_CLASSES:
        raise DataError(f"A label map holds {MOST_CLASSES} classes at most, not {len(class_names)}: merge some.")
    if len(class_ids) and not 0 < class_ids.min() <= class_ids.max() < len(class_names):
        wrong = class_ids.min() if class_ids.min() < 1 else class_ids.max()
        raise DataError(f"An object has class {wrong}, but the classes are 1 to {len(class_names) - 1}.")
    return scores >= np.array([settings.threshold(name) for name in class_names])[class_ids]


def _bands(detections, shape, class_names, settings):
    """Yield (slice of rows, class ids, probabilities as `_probabilities` gives them) from the top of a photo down."""
    height, width = shape
    rows = max(1, BAND // max(width, 1))
    areas = _areas(detections, shape, class_names, settings) if rows < height else None
    for top in range(0, height, rows):
        band = top, min(top + rows, height)
        yield slice(*band), *_probabilities(detections, shape, class_names, settings, band, areas)


def _probabilities(detections, shape, class_names, settings, band, areas):
    """(uint8 [K] background and the detected classes, float32 [K, rows, W] their probabilities).

    band: (first, last + 1) of the rows that are wanted; areas: of `_areas`, needed for a part of the rows
    """
    claims, evidence = _gathered(detections, shape, class_names, settings, band, areas)
    shape = band[1] - band[0], shape[1]
    layers = np.zeros((1 + len(evidence),) + shape, np.float32)
    layers[0] = 1
    class_ids = np.array([0, *evidence], np.uint8)
    if evidence:
        _order_layers(claims, evidence, [class_names.index(name) for name in settings.layers])
        claim, most = np.zeros(shape, np.float32), np.full(shape, np.float32(1e-30))
        for class_id in evidence:
            np.maximum(claim, claims[class_id], out=claim)
            np.maximum(most, evidence[class_id], out=most)
        # Against background the odds are those of the claim, whoever makes it; among classes, those of the evidence.
        for layer, values in zip(layers[1:], evidence.values()):
            np.multiply(values, claim / most, out=layer)
        layers[0] -= claim
        layers /= layers.sum(axis=0)
    return class_ids, layers


def _areas(detections, shape, class_names, settings):
    """{object that counts: sum of its mask's probabilities over the photo, pixels}."""
    areas = {}
    for i in np.flatnonzero(counting(detections, class_names, settings)):
        part = paste_mask(detections["mask_probabilities"][i], detections["boxes"][i], shape, threshold=None)[0]
        areas[i] = float(np.clip(part, SURE, 1 - SURE).sum())
    return areas


def _gathered(detections, shape, class_names, settings, band, areas):
    """What the objects of each class say in some rows of a photo: ({class id: claims}, {class id: evidence}).

    Both are float32 [rows, W]. A claim is the probability of which the odds are those of the mask over those of the
    threshold: 1/2 at the latter. band, areas: as for `_probabilities`; areas of None are taken from what is pasted
    """
    claims, evidence = {}, {}
    threshold, part_shape = settings.mask_threshold, (band[1] - band[0], shape[1])
    for i in np.flatnonzero(counting(detections, class_names, settings)):
        box = np.asarray(detections["boxes"][i], np.float64) - [band[0], 0, band[0], 0]
        part, (y, x) = paste_mask(detections["mask_probabilities"][i], box, part_shape, threshold=None)
        if not part.size:
            continue
        class_id = int(detections["class_ids"][i])
        if class_id not in claims:
            claims[class_id], evidence[class_id] = np.zeros(part_shape, np.float32), np.zeros(part_shape, np.float32)
        region = slice(y, y + part.shape[0]), slice(x, x + part.shape[1])
        part = np.clip(part, SURE, 1 - SURE)
        claim = part * (1 - threshold)
        claim /= claim + (1 - part) * threshold
        np.maximum(claims[class_id][region], claim, out=claims[class_id][region])
        area = float(part.sum()) if areas is None else areas[i]
        favour = (area / (shape[0] * shape[1])) ** -settings.smaller_in_front
        evidence[class_id][region] -= favour * np.log1p(-part * float(detections["scores"][i]))
    return claims, evidence


def _order_layers(claims, evidence, order):
    """Silence, in place, the evidence of every class where one of a layer further in front has a claim.

    order: class ids from back to front
    """
    for rank, front in enumerate(order):
        if front in claims:
            claimed = claims[front] > 0.5
            most = SILENCED * evidence[front][claimed]
            for class_id in evidence:
                if class_id not in order[rank:]:
                    evidence[class_id][claimed] = np.minimum(evidence[class_id][claimed], most)
