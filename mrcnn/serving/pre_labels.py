"""What was found in a photo as regions of Label Studio, labelled as the configuration of its project says.

An object of one part without holes is a polygon, whose corners can be moved; others are brushes where the project has a
control for them, else a polygon for each part, without the holes. Outlines keep within SIMPLER of the mask's.
Attributes are choices made for a region, where the project has them.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.formats import label_studio_brush
from mrcnn.data.formats.label_studio_config import Control, read_controls
from mrcnn.data.formats.label_studio_writer import told_of
from mrcnn.data.formats.outlines import rings
from mrcnn.errors import DataError
from mrcnn.serving.refusals import Refused

SIMPLER = 1.0  # pixels: a corner at each step of an outline is none that anybody moves
POLYGONS, BRUSHES, CHOICES = "PolygonLabels", "BrushLabels", "Choices"


@dataclasses.dataclass(frozen=True)
class Mapping:
    """Which control and label stands for each class.

    Args:
        controls: {class name: {tag of the control: (Control, label)}}.
        key: of the photo's address in the data of a task.
        left_out: names of the classes that no label stands for.
        choices: {attribute: (Control, choice)}.
        attributes_left_out: those that no choice stands for.
    """

    controls: dict[str, dict[str, tuple[Control, str]]]
    key: str
    left_out: list[str]
    choices: dict[str, tuple[Control, str]]
    attributes_left_out: list[str]


def mapping_of(config: object, class_names: list[str], attribute_names: Sequence[str] = ()) -> Mapping:
    """Map classes to the labels of a project, by their names, or by what a label lists as predicted_values.

    Attributes are mapped likewise to choices of regions: "sleeves: short" to the choice "short" of a control "sleeves",
    or to a choice of that whole name.

    Args:
        config: XML of the project.
        class_names: by class id, background first.
        attribute_names: that the network tells.

    Returns:
        The Mapping.

    Raises:
        Refused: 422, the configuration cannot be read, or has no control or label that fits.
    """
    try:
        controls = read_controls(config)
    except DataError as error:
        raise Refused(422, str(error)) from error
    if not controls:
        raise Refused(422, f"The project has neither {POLYGONS} nor {BRUSHES} of an Image: add one to its "
                           "configuration.")
    key = controls[0].key
    controls = [control for control in controls if control.key == key]
    mapped = {}
    for name in class_names[1:]:
        for control in controls:
            label = control.labels.get(name.casefold())
            if label is not None:
                mapped.setdefault(name, {}).setdefault(control.tag, (control, label))
    left_out = [name for name in class_names[1:] if name not in mapped]
    if not mapped:
        raise Refused(422, f"No label of the project is a class of the model ({', '.join(class_names[1:][:10])}): name "
                           'one so, or write predicted_values="CLASS" at it.')
    told = [control for control in read_controls(config, (CHOICES,)) if control.key == key] if attribute_names else []
    choices = {name: found for name in attribute_names if (found := _choice_of(name, told)) is not None}
    return Mapping(mapped, key, left_out, choices, [name for name in attribute_names if name not in choices])


def _choice_of(name, controls):
    """(Control, choice) that stands for an attribute, or None."""
    own, choice = told_of(name)
    for control in controls:
        if control.name.casefold() == own.casefold() and choice.casefold() in control.labels:
            return control, control.labels[choice.casefold()]
    for control in controls:
        if name.casefold() in control.labels:
            return control, control.labels[name.casefold()]
    return None


def prediction_of(result: dict, mapping: Mapping, class_names: list[str], version: str) -> dict:
    """The prediction of one task.

    Args:
        result: of `detect(rle=True)`; its "attributes" become choices.
        mapping: of the project.
        class_names: by class id, background first.
        version: of the model.

    Returns:
        {"result": regions, "score": mean score of their objects, 0 where there are none, "model_version"}. Objects
        without a pixel, which `without_pixels` counts, have no region.
    """
    regions, scores = [], []
    words = result.get("attributes") or [{}] * len(result["scores"])
    rows = zip(result["class_ids"].tolist(), result["scores"].tolist(), result["rles"], words)
    for number, (class_id, score, rle, told) in enumerate(rows):
        controls = mapping.controls.get(class_names[class_id])
        if controls:
            own = _regions(f"r{number}", rle, controls, score)
            regions += own + [choice for region in own for choice in _chosen(region, told, mapping.choices)]
            scores += [score] if own else []
    return {"result": regions, "score": float(np.mean(scores)) if scores else 0.0, "model_version": version}


def without_pixels(result: dict) -> int:
    """Count the objects whose masks are empty: their boxes lie between pixels, or no pixel was sure enough.

    Args:
        result: of `detect(rle=True)`.

    Returns:
        The number.
    """
    return int((run_lengths.areas(list(result["rles"])) == 0).sum())


def _regions(key, rle, choices, score):
    """The regions of one object."""
    outlines = rings(rle)
    if not outlines:
        return []
    if BRUSHES in choices and (len(outlines) > 1 or POLYGONS not in choices):
        control, label = choices[BRUSHES]
        return [_region(key, rle, control, "brushlabels", label, score,
                        {"format": "rle", "rle": label_studio_brush.encode(rle)})]
    control, label = choices[POLYGONS]
    mask, (height, width) = run_lengths.decode(rle) if len(outlines) > 1 else None, rle["size"]
    parts = [simpler(ring) for ring in outlines if mask is None or is_part(ring, mask)]
    many = len(parts) > 1
    return [_region(f"{key}_{place}" if many else key, rle, control, "polygonlabels", label, score,
                    {"points": (100 * ring / [width, height]).tolist(), "closed": True})
            for place, ring in enumerate(parts)]


def _chosen(region, told, choices):
    """What is chosen for a region: {attribute: score}, best first, as a result of each control."""
    chosen = {}
    for name in told:
        if name in choices:
            control, choice = choices[name]
            some = chosen.setdefault(control.name, (control, []))[1]
            if choice not in some and (control.many or not some):  # where one may be chosen, the best
                some.append(choice)
    common = {name: region[name] for name in ("id", "original_width", "original_height", "image_rotation", "score")}
    return [{**common, "type": "choices", "from_name": name, "to_name": control.image, "value": {"choices": some}}
            for name, (control, some) in chosen.items()]


def is_part(ring: np.ndarray, mask: np.ndarray) -> bool:
    """Whether a ring goes round a part, not a hole: right below its first corner, the topmost, lies what it holds."""
    x, y = ring[0].astype(int)
    return bool(mask[y, x])


def simpler(ring: np.ndarray) -> np.ndarray:
    """A ring with fewer corners, nowhere farther off than SIMPLER."""
    import cv2

    fewer = cv2.approxPolyDP(ring.astype(np.float32)[:, None], SIMPLER, True)[:, 0].astype(np.float64)
    return fewer if len(fewer) >= 3 else ring


def _region(key, rle, control, kind, label, score, value):
    height, width = rle["size"]
    return {"id": key, "type": kind, "from_name": control.name, "to_name": control.image, "original_width": width,
            "original_height": height, "image_rotation": 0, "score": score, "value": {**value, kind: [label]}}
