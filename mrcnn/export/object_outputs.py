"""Files that find objects: a table of boxes, classes, scores and masks for each photo, and the distance of two."""

from collections.abc import Sequence

import numpy as np

from mrcnn.config import Settings
from mrcnn.export.file_outputs import FileOutputs, largest
from mrcnn.ops import boxes as box_ops

SAME_OBJECT = 0.5  # IoU from which on two detections of a class are compared with each other
COMPARED = ("boxes", "scores", "masks", "attributes")
# Of the points that a point head chooses, as many cells as ties may swap in all objects together. Which cells are taken
# of those that are as unsure as the last one is up to rounding, as where a mask is flat: 0.2 to 0.4 % in ONNX files.
# Where the kernel of one layer is off by 1 % it is a third of them and more.
SWAPPED = 0.02
MOST_OF_MASK = 0.25  # share of the cells of one mask beyond which it is another mask
OF_SWAPPED = 10  # times the tolerance that an object's attributes may differ, which look at where its mask is
MEANINGS = {
    "boxes": "(y1, x1, y2, x2), pixels of the canvas, sub-pixel; best object first",
    "class_ids": "indices in class_names; 0 where not valid",
    "scores": "0..1",
    "valid": "whether the row holds an object",
    "masks": "probabilities 0..1 on a grid that is stretched over the box",
    "attributes": "score 0..1 of each of attribute_names; 0 for those that the class cannot have; from "
                  "thresholds.attribute on the object has it",
}


OF_MASKS = ("0..1, to be multiplied with the mean of the mask's probabilities above 0.5 (mask_scores); what is below "
            "the least score then is to be dropped")


class ObjectOutputs(FileOutputs):
    """"boxes" [B, D, 4], "class_ids", "scores", "valid" [B, D] and "masks" [B, D, h, w]; "attributes" [B, D, M] if any.
    """

    def described(self, model: object, shape: tuple[int, int, int]) -> dict[str, dict]:
        rows = int(model.config.DETECTION_MAX_INSTANCES)
        given, dtypes = model.inference_model.output, {"class_ids": "int32", "valid": "bool"}
        shapes = {name: [int(side) for side in value.shape[2:]] for name, value in given.items()}
        meanings = {**MEANINGS, "scores": OF_MASKS} if counts_masks(model.config) else MEANINGS
        return {
            name: {"shape": [shape[0], rows, *shapes[name]], "dtype": dtypes.get(name, "float32"), "meaning": meaning}
            for name, meaning in meanings.items() if name in given
        }

    def facts(self, config: Settings) -> dict:
        names = getattr(config, "ATTRIBUTES", None)
        return {
            "thresholds": {"score": float(config.DETECTION_MIN_CONFIDENCE),
                           "overlap": float(config.DETECTION_NMS_THRESHOLD), "mask": 0.5,
                           **({"attribute": float(config.ATTRIBUTE_MIN_CONFIDENCE)} if names else {})},
            "mask_scores": counts_masks(config),
            "geometry": getattr(config, "GEOMETRY", "exact"),  # of networks that have one only
            **({"attribute_names": list(names)} if names else {}),
        }

    def notes(self, config: Settings) -> list[str]:
        told = ["MASK_SCORES: the file's scores do not count the masks yet, and the JSON file says so (mask_scores): "
                "multiply them as the program of docs/export.md does; mrcnn's own commands do."]
        return [*super().notes(config), *(told if counts_masks(config) else [])]

    def built_in(self, config: Settings) -> dict[str, float]:
        return {"min_confidence": float(config.DETECTION_MIN_CONFIDENCE)}

    def canvas_beside(self, shape: tuple[int, int, int]) -> np.ndarray:
        return np.zeros(shape, np.uint8)  # without anything to find

    def distances(self, expected: dict, outputs: dict, about: dict) -> dict[str, float]:
        threshold, points = about["thresholds"]["score"], chosen_points(about, expected["masks"][0].size)
        told = {"objects": int(expected["valid"].sum()), "others": int(outputs["valid"].sum()),
                "shared": len(pairs(expected, outputs)), **differences(expected, outputs, threshold)}
        if not points:
            return told
        mended, swapped = without_swapped(expected, outputs, self.tolerance)
        left = differences(expected, mended, threshold)
        return {**told, "points": points * told["shared"], "swapped": swapped,
                **{f"{name}_left": left[name] for name in ("masks", "attributes") if name in left}}

    def summary(self, distances: Sequence[dict], about: dict) -> dict[str, float]:
        points, swapped = (sum(each.get(name, 0) for each in distances) for name in ("points", "swapped"))
        is_tie = 0 < swapped <= SWAPPED * points
        worst = {name: max(each.get(f"{name}_left", each[name]) if is_tie else each[name] for each in distances)
                 for name in COMPARED if name in distances[0]}
        side = max(about["canvas"].values())
        objects, others, shared = (sum(each[name] for each in distances) for name in ("objects", "others", "shared"))
        either = objects + others - shared
        return {"objects": objects, "agreement": shared / either if either else 1.0,
                "largest_difference": max(value / side if name == "boxes" else value for name, value in worst.items()),
                **{"boxes_pixels" if name == "boxes" else name: value for name, value in worst.items()},
                **({"mask_cells_left_out" if is_tie else "mask_cells_apart": swapped} if swapped else {})}

    def in_words(self, checked: dict) -> str:
        told = (f"largest difference {checked['largest_difference']:.2g} (boxes {checked['boxes_pixels']:.2g} pixels, "
                f"scores {checked['scores']:.2g}, masks {checked['masks']:.2g}"
                + (f", attributes {checked['attributes']:.2g}" if "attributes" in checked else "")
                + f"; {checked['objects']} objects in {checked['pictures']} pictures)")
        if checked.get("mask_cells_left_out"):
            told += (f", without {checked['mask_cells_left_out']} cells of masks, where rounding chose other points of "
                     "those that are as unsure (MASK_HEAD=points)")
        if checked.get("mask_cells_apart"):
            told += (f", {checked['mask_cells_apart']} cells of masks are apart, more than those that are as unsure "
                     "explain: photos with more objects are a surer check")
        if checked["agreement"] < 1:
            told += f", {checked['agreement']:.1%} of the objects of either are found by both"
        return told if checked["objects"] else f"{told}; only photos with something to find make it a check"


def counts_masks(config: Settings) -> bool:
    """Whether scores are multiplied with how sure masks are, which is done beside the file."""
    return bool(getattr(config, "MASK_SCORES", False))


def differences(expected: dict, outputs: dict, threshold: float) -> dict[str, float]:
    """How far two answers to one picture differ.

    Args:
        expected, outputs: {"boxes" [D, 4], "class_ids", "scores", "valid" [D], "masks" [D, h, w]}, and "attributes"
            [D, M] if there are any.
        threshold: least score of an object.

    Returns:
        The largest differences {"boxes": pixels, "scores", "masks"}, or "attributes" too. Objects are compared with
        those of their class that they overlap most, in whatever order; one that only one side has counts as a
        difference of the score by which it is above what that side had to offer at least, so that a rounding at the
        threshold is none.
    """
    worst = {name: 0.0 for name in COMPARED if name in expected}
    found = pairs(expected, outputs)
    for row, other in found:
        for name in worst:
            worst[name] = max(worst[name], largest(expected[name][row], outputs[name][other]))
    alone = [(expected, row) for row in np.flatnonzero(expected["valid"]) if row not in {row for row, _ in found}]
    left = [(outputs, row) for row in np.flatnonzero(outputs["valid"]) if row not in {other for _, other in found}]
    for table, row in alone + left:
        least = table["scores"].min() if table["valid"].all() else threshold
        worst["scores"] = max(worst["scores"], float(table["scores"][row] - least))
    return worst


def chosen_points(about: dict, cells: int) -> int:
    """Count the points of each mask that a point head chooses by how unsure they are.

    Args:
        about: what the JSON file holds.
        cells: number of a mask's cells.

    Returns:
        The number; 0 without a point head, where it predicts all cells, and for a quantised file, which is not compared
        by cells.
    """
    settings = about.get("settings", {})
    if settings.get("MASK_HEAD") != "points" or about.get("quantized"):
        return 0
    return settings["POINT_HEAD_INFERENCE_POINTS"] if settings["POINT_HEAD_INFERENCE_POINTS"] < cells else 0


def without_swapped(expected: dict, outputs: dict, tolerance: float) -> tuple[dict, int]:
    """An answer without the cells of masks that are another because another point was chosen.

    Args:
        expected, outputs: as for `differences`.
        tolerance: difference from which on a cell counts as another.

    Returns:
        (`outputs` with the numbers of `expected` in those cells, and in attributes that are near of an object with such
        cells; number of the cells).
    """
    mended = {name: np.array(value) for name, value in outputs.items()}
    swapped = 0
    for row, other in pairs(expected, outputs):
        apart = np.abs(expected["masks"][row] - outputs["masks"][other])
        cells = (apart > tolerance) & (apart <= 1)
        if cells.mean() > MOST_OF_MASK:
            continue
        swapped += int(cells.sum())
        mended["masks"][other][cells] = expected["masks"][row][cells]
        if cells.any() and "attributes" in expected:
            near = np.abs(expected["attributes"][row] - outputs["attributes"][other]) <= OF_SWAPPED * tolerance
            mended["attributes"][other][near] = expected["attributes"][row][near]
    return mended, swapped


def pairs(expected: dict, outputs: dict) -> list[tuple[int, int]]:
    """The objects that two answers to one picture share: of one class, overlapping by SAME_OBJECT.

    Args:
        expected, outputs: as for `differences`.

    Returns:
        Rows of both. Each object of `expected` takes, in its order, what overlaps it most of what is left.
    """
    left, found = list(np.flatnonzero(outputs["valid"])), []
    for row in np.flatnonzero(expected["valid"]):
        same = [other for other in left if outputs["class_ids"][other] == expected["class_ids"][row]]
        overlaps = box_ops.iou(outputs["boxes"][same], expected["boxes"][row])
        if len(same) and overlaps.max() >= SAME_OBJECT:
            found.append((row, same[int(np.argmax(overlaps))]))
            left.remove(found[-1][1])
    return found
