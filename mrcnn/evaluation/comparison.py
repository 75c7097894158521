"""What an evaluation compares: COCO's ground truth and results, read from files and checked."""

import contextlib
import dataclasses
import math
import numbers
import os
import warnings
from collections.abc import Sequence

from mrcnn.data import run_lengths
from mrcnn.data.faults import Note
from mrcnn.data.run_length_counts import checked_size
from mrcnn.data.stated_measures import FORM, LISTS, as_corners, is_box, is_finite, mended
from mrcnn.errors import DataError
from mrcnn.evaluation.partly_labelled import by_lvis_rule
from mrcnn.files import read_json

KINDS = ("segm", "bbox")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Ground truth and results of one kind, checked, with all ids replaced by places in these lists.

    Args:
        kind: of KINDS.
        image_ids: the source's, in order.
        categories: of the ground truth, in the order of their ids.
        sizes: (height, width) of each image, or None where the ground truth does not say.
        objects: COCO annotations, and detections: COCO results with "area", both with "image_id" and "category_id"
            counted from 0, "iscrowd", "bbox", and for "segm" "segmentation" as compressed RLE; "attribute_ids", and of
            detections "attribute_scores", where the source has them. Of photos that are labelled for some classes only
            they are what `partly_labelled.by_lvis_rule` leaves.
        partly: what that counted, {"photos", "detections", "open"}.
    """

    kind: str
    image_ids: list
    categories: list
    sizes: list
    objects: list
    detections: list
    partly: dict


def read_comparison(ground_truth: dict | str | os.PathLike, results: Sequence[dict] | str | os.PathLike, kind: str,
                    image_ids: Sequence[int] | None = None) -> Comparison:
    """Read and check what an evaluation compares.

    An area or box of the ground truth that cannot be is taken from its mask, which is told.

    Args:
        ground_truth: dict, or path of a COCO annotation file.
        results: list, or path of a COCO results file.
        kind: "segm" compares masks, "bbox" compares boxes.
        image_ids: source ids of the images to evaluate; None evaluates all of the ground truth.

    Returns:
        Comparison.

    Raises:
        DataError: for files that are no such JSON and for results of unknown images or classes.
    """
    if kind not in KINDS:
        raise DataError(f"Unknown kind of evaluation {kind!r}: take one of {', '.join(KINDS)}.")
    return _compare(*_read(ground_truth, results), kind, image_ids, ground_truth, results)


def read_comparisons(ground_truth: dict | str | os.PathLike,
                     results: Sequence[dict] | str | os.PathLike) -> dict[str, Comparison]:
    """`read_comparison` of all kinds; what is taken otherwise than it is written is told once.

    Args:
        ground_truth, results: as for `read_comparison`.

    Returns:
        {kind: Comparison}.

    Raises:
        DataError: as for `read_comparison`.
    """
    truth, entries = _read(ground_truth, results)
    return {kind: _compare(truth, entries, kind, None, ground_truth, results) for kind in KINDS}


def checked_truth(ground_truth: dict) -> dict:
    """A ground truth that all kinds of results can be compared with, told of what is not as it is written.

    Args:
        ground_truth: COCO's dict, of which nothing is changed.

    Returns:
        The same, with the areas and boxes that are taken from masks.

    Raises:
        DataError: an entry cannot be understood.
    """
    truth, entries = _read(ground_truth, [])
    _compare(truth, entries, "segm", None, ground_truth, [])
    return truth


def _read(ground_truth, results):
    """(COCO's dict with areas and boxes that can be, list of results); what was taken otherwise is told."""
    truth, entries = _read_ground_truth(ground_truth), _read_results(results)
    sizes = {image["id"]: _size(image) for image in truth["images"] if _is_id(image.get("id"))}
    sizes = {key: size for key, size in sizes.items() if size and all(map(is_finite, size))}
    own = [sizes.get(a["image_id"]) if _is_id(a.get("image_id")) else None for a in truth["annotations"]]
    annotations, told = mended(truth["annotations"], own)
    notes = {}
    for place, how, value in told:
        entry = annotations[place]
        first = f"annotation {entry.get('id')} of image {entry.get('image_id')!r}: {value}"
        notes.setdefault(how, Note("object", how, first, 0)).count += 1
    for note in notes.values():
        warnings.warn(f"{_named(ground_truth)}: {note}.", stacklevel=4)
    _tell_corners(truth["annotations"], sizes, f"{_named(ground_truth)}: the boxes of objects without masks")
    _tell_corners(entries, sizes, f"{_named(results, 'The results')}: the boxes of results")
    return ({**truth, "annotations": annotations} if told else truth), entries


def _tell_corners(entries, sizes, what):
    """Warn of boxes that look like corners; those of objects with masks are looked at beside these, by `mended`."""
    bare = [entry for entry in entries
            if entry.get("bbox") is not None and ("score" in entry or not entry.get("segmentation"))]
    own = [sizes.get(entry["image_id"]) if _is_id(entry.get("image_id")) else None for entry in bare]
    beyond = as_corners([entry["bbox"] for entry in bare], own)
    if beyond:
        first = bare[beyond[0]]
        warnings.warn(f"{what} look like [x1, y1, x2, y2]: {len(beyond)} of {len(bare)} reach beyond their photo as "
                      f"{FORM} (first: {str(first['bbox'])[:60]} of image {first['image_id']!r}). What is measured of "
                      f"boxes is wrong so: write {FORM}.", stacklevel=5)


def _compare(truth, entries, kind, image_ids, ground_truth, results):
    """The Comparison of one kind. ground_truth, results: what messages name."""
    with _naming(ground_truth):
        images = _index(truth["images"], "image")
        categories = _index(truth["categories"], "category")
        objects = [_checked_annotation(a, images, categories, kind) for a in truth["annotations"]]
    with _naming(results):
        detections = [_checked_result(r, i, images, categories, kind) for i, r in enumerate(entries)]
    image_ids = _in_order(images if image_ids is None else _known_images(image_ids, images))
    category_ids = _in_order(categories)
    image_places = {image_id: i for i, image_id in enumerate(image_ids)}
    category_places = {category_id: i for i, category_id in enumerate(category_ids)}
    for entries in (objects, detections):
        entries[:] = [entry for entry in entries if entry["image_id"] in image_places]
    chosen = [images[i] for i in image_ids]
    with _naming(ground_truth):
        objects, detections, partly = by_lvis_rule(chosen, objects, detections, kind, category_ids)
    for entries in (objects, detections):
        for entry in entries:
            entry["image_id"] = image_places[entry["image_id"]]
            entry["category_id"] = category_places[entry["category_id"]]
    sizes = [_size(images[i]) for i in image_ids]
    return Comparison(kind, image_ids, [categories[i] for i in category_ids], sizes, objects, detections, partly)


def _size(image):
    """(height, width) of an image, or None where the ground truth does not say."""
    return (image["height"], image["width"]) if "height" in image and "width" in image else None


def _named(source, otherwise="The ground truth"):
    return source if isinstance(source, (str, os.PathLike)) else otherwise


@contextlib.contextmanager
def _naming(source):
    """Errors within it begin with the file that the entries are of, if they are of a file."""
    try:
        yield
    except DataError as error:
        if isinstance(source, (str, os.PathLike)):
            raise DataError(f"{source}: {error}") from error
        raise


def _in_order(ids):
    """Ids sorted as pycocotools does, numbers before text: the order decides between equal scores."""
    return sorted(set(ids), key=lambda value: (isinstance(value, str), value))


def _content(value, what):
    """The content of a JSON file if value is a path, else value itself."""
    return read_json(value, what) if isinstance(value, (str, os.PathLike)) else value


def _read_ground_truth(value):
    truth = _content(value, "COCO file")
    name = value if isinstance(value, (str, os.PathLike)) else "The ground truth"
    for key in ("images", "annotations", "categories"):
        entries = truth.get(key) if isinstance(truth, dict) else None
        if not isinstance(entries, (list, tuple)):
            raise DataError(f"{name} is no COCO annotation file: it has no {key!r} that is a list.")
        wrong = [entry for entry in entries if not isinstance(entry, dict)]
        if wrong:
            raise DataError(f"{name} has an entry in {key!r} that is no object: {str(wrong[0])[:60]!r}.")
    return truth


def _read_results(value):
    results = _content(value, "file of COCO results")
    if not isinstance(results, (list, tuple)) or not all(isinstance(result, dict) for result in results):
        name = value if isinstance(value, (str, os.PathLike)) else "The value given"
        raise DataError(f"{name} is no COCO results file: it must be a list with one object per detection.")
    return results


def _index(entries, what):
    """{id: entry}; an id may occur once."""
    index = {}
    for entry in entries:
        if not _is_id(entry.get("id")):
            raise DataError(f"The ground truth has a {what} entry without an id that is a number or text: "
                            f"{str(entry)[:60]!r}.")
        if entry["id"] in index:
            raise DataError(f"The ground truth has {what} id {entry['id']!r} twice.")
        index[entry["id"]] = entry
    return index


def _is_id(value):
    """Whether a value can be an id; a list, a dict or NaN cannot."""
    return isinstance(value, (str, numbers.Integral)) or (isinstance(value, float) and math.isfinite(value))


def _known_images(image_ids, images):
    for image_id in image_ids:
        if image_id not in images:
            raise DataError(f"The ground truth has no image {image_id!r}, which was to be evaluated.")
    return list(image_ids)


def _checked_references(entry, name, images, categories):
    """Raise DataError unless the entry's image and category exist."""
    image_id, category_id = entry.get("image_id"), entry.get("category_id")
    for key, value in (("image_id", image_id), ("category_id", category_id)):
        if not _is_id(value):
            raise DataError(f"{name} has {key} {str(value)[:40]!r}: it must be a number or text.")
    if image_id not in images:
        other = str(image_id) if isinstance(image_id, int) else _number(image_id)
        hint = f" (it has {other!r}: number against text)" if other in images else ""
        raise DataError(f"{name} is of image {image_id!r}, which the ground truth does not have{hint}.")
    if category_id not in categories:
        known = ", ".join(str(key) for key in list(categories)[:20])
        raise DataError(f"{name} has category {category_id!r}, but the ground truth has categories {known}.")


def _number(text):
    try:
        return int(text)
    except (TypeError, ValueError):
        return None


def _checked_annotation(annotation, images, categories, kind):
    """A copy of a ground truth annotation that has all that COCOeval reads."""
    name = f"Annotation {annotation.get('id')}"
    _checked_references(annotation, name, images, categories)
    annotation = {**annotation, "iscrowd": _crowd(annotation.get("iscrowd"), name)}
    _check_attributes(annotation, name)
    image, box, area = images[annotation["image_id"]], annotation.get("bbox"), annotation.get("area")
    if kind == "segm" or not box:
        rle = annotation["segmentation"] = _compressed_rle(annotation.get("segmentation"), image, name)
        area = float(run_lengths.areas([rle])[0]) if area is None else area
        box = box or run_lengths.coco_boxes([rle])[0]
    else:
        _check_box(box, f"{name} of image {image['id']!r}")
        area = float(box[2] * box[3]) if area is None else area
    return {**annotation, "bbox": box, "area": area}


def _crowd(value, name):
    try:
        crowd = int(value or 0)
        if crowd not in (0, 1):
            raise ValueError("neither")
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{name} has iscrowd {value!r}: it must be 0 or 1.") from error
    return crowd


def _check_box(box, name):
    if not is_box(box) or min(box[2:]) < 0:
        raise DataError(f"{name} has bbox {str(box)[:80]}: it must be {FORM}, four numbers of which the last two are "
                        "not negative: correct it, or leave the entry out.")


def _checked_result(result, index, images, categories, kind):
    """A copy of a result that has all that COCOeval reads; areas and boxes as in pycocotools' loadRes."""
    name = f"Result {index}"
    _checked_references(result, name, images, categories)
    score, box = result.get("score"), result.get("bbox")
    if not _all_finite([score]):
        raise DataError(f"{name} of image {result['image_id']!r} has score {score!r}: it must be a finite number.")
    checked = {"image_id": result["image_id"], "category_id": result["category_id"], "score": score, "iscrowd": 0}
    _check_attributes(result, name)
    checked.update({key: result[key] for key in ("attribute_ids", "attribute_scores") if key in result})
    boxed = box is not None and not (isinstance(box, LISTS) and len(box) == 0)
    if kind == "segm" or not boxed:
        shape = result.get("segmentation")
        if not shape or not isinstance(shape, (dict, list)):
            raise DataError(f"{name} of image {result['image_id']!r} has no mask, as run lengths or polygons: results "
                            "with boxes alone are evaluated with type bbox.")
        checked["segmentation"] = _compressed_rle(shape, images[result["image_id"]], name)
    if boxed:
        _check_box(box, f"{name} of image {result['image_id']!r}")
        checked["bbox"], checked["area"] = list(box), box[2] * box[3]
    else:
        checked["bbox"] = run_lengths.coco_boxes([checked["segmentation"]])[0]
        checked["area"] = float(run_lengths.areas([checked["segmentation"]])[0])
    return checked


def _check_attributes(entry, name):
    """Raise DataError unless attributes, where an entry has some, are a list of ids and a dict of numbers."""
    ids, scores = entry.get("attribute_ids"), entry.get("attribute_scores")
    if ids is not None and not (isinstance(ids, LISTS) and all(_is_id(value) for value in ids)):
        raise DataError(f"{name} has attribute_ids {str(ids)[:40]!r}: it must be a list of ids.")
    if scores is not None and not (isinstance(scores, dict) and _all_finite(scores.values())):
        raise DataError(f"{name} has attribute_scores {str(scores)[:40]!r}: it must give a number for each name.")


def _all_finite(values):
    return all(map(is_finite, values))


def _compressed_rle(shape, image, name):
    """Polygons or RLE of any form as compressed RLE.

    Raises DataError if it cannot be read or does not fit the image: pycocotools itself takes a mask of another size for
    one that overlaps nothing, and decodes run lengths of the wrong sum into garbage.
    """
    if not shape:
        raise DataError(f"{name} of image {image['id']!r} has no segmentation.")
    if "height" not in image or "width" not in image:
        raise DataError(f"Image {image['id']!r} of the ground truth lacks height and width, which its masks need.")
    size = (image["height"], image["width"])
    try:
        size = checked_size(size)
        if isinstance(shape, list):
            # One or two corners enclose nothing, and pycocotools draws nothing for them.
            parts = [part for part in shape if not isinstance(part, list) or len(part) > 4]
            return run_lengths.from_polygons(parts or shape, size)
        return run_lengths.compress(shape, size)
    except DataError as error:
        raise DataError(f"{name} of image {image['id']!r} has a segmentation that cannot be read: {error}.") from error
