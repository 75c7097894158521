"""COCO's JSON forms: made of a `Dataset` and of detections, and read from files and checked for an evaluation.

Words: a *ground truth* is the dict of a COCO annotation file ("images", "annotations", "categories"); *results* are
the list of a COCO results file, one dict per detected object ("image_id", "category_id", "score", and "bbox"
[x, y, width, height] in pixels or "segmentation" as RLE, or both).
"""

import contextlib
import dataclasses
import json
import math
import numbers
import os

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.objects import named_errors
from mrcnn.data.run_length_counts import checked_size
from mrcnn.errors import DataError

KINDS = ("segm", "bbox")
LISTS = (list, tuple, np.ndarray)

# --- From a Dataset and from detections ------------------------------------------------------------------------------


def ground_truth_from_dataset(dataset, image_ids=None):
    """COCO ground truth of any `Dataset`.

    A dataset that keeps its COCO annotations (`image_info[i]["annotations"]`) hands them on untouched: ids, areas,
    boxes, polygons and RLE are the file's, but for objects that `annotated.without` dropped. Any other is read through
    `load_rles` where it has that, else through `load_mask`: boxes and areas are those of the masks, empty masks are
    left out, and a negative class id marks a crowd.

    Args:
        dataset: a prepared `Dataset`.
        image_ids: internal ids of the images to take; None takes all.

    Raises:
        DataError: if two images share one source id.
    """
    image_ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)]
    categories = _category_ids(dataset)
    images, annotations, seen = [], [], {}
    for image_id in image_ids:
        info = dataset.image_info[image_id]
        source_id = _plain_id(info["id"])
        if source_id in seen:
            raise DataError(
                f"Image id {source_id!r} occurs twice, in sources {seen[source_id]!r} and {info['source']!r}: "
                "COCO evaluation needs one id per image."
            )
        seen[source_id] = info["source"]
        if "annotations" in info:
            size = info["height"], info["width"]
            annotations.extend(_annotations_of_file(dataset, info, categories))
        else:
            objects, size = _annotations_from_masks(dataset, image_id, categories, len(annotations) + 1)
            annotations.extend(objects)
        name = info.get("file_name") or os.path.basename(info.get("path") or "") or str(source_id)
        images.append({"id": source_id, "file_name": name, "height": int(size[0]), "width": int(size[1])})
    names = [{"id": categories[i], "name": dataset.class_info[i]["name"]} for i in sorted(categories)]
    return {"images": images, "annotations": annotations, "categories": names}


def results_from_detections(dataset, image_id, detection):
    """COCO results of one image from what `detect()` returned for it.

    Args:
        dataset: the prepared `Dataset` that the image belongs to; gives the source's image and category ids.
        image_id: internal id of the image.
        detection: dict with "boxes" float [N, 4] (y1, x1, y2, x2) sub-pixel in the original image (or "rois", the same
            rounded), "class_ids" int [N], "scores" float [N], and "rles" (N COCO RLE dicts) or "masks" bool [H, W, N].

    Returns:
        A list of N dicts that JSON can hold.
    """
    categories = _category_ids(dataset)
    source_id = _plain_id(dataset.image_info[image_id]["id"])
    boxes = np.asarray(detection["boxes"] if "boxes" in detection else detection["rois"], np.float64)
    if "rles" in detection:
        rles = [run_lengths.compress(rle) for rle in detection["rles"]]
    else:
        masks = np.asarray(detection["masks"])
        rles = [run_lengths.encode(masks[..., i]) for i in range(masks.shape[-1])]
    results = []
    for (y1, x1, y2, x2), class_id, score, rle in zip(
        boxes, detection["class_ids"], detection["scores"], rles, strict=True
    ):
        if int(class_id) not in categories:
            raise DataError(
                f"A detection has class {int(class_id)}, but the dataset knows classes 1 to {len(categories)}: "
                "the model was trained on other classes."
            )
        results.append({
            "image_id": source_id,
            "category_id": categories[int(class_id)],
            "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
            "segmentation": rle,
            "score": float(score),
        })
    return results


def _category_ids(dataset):
    """{class id: category id} of all foreground classes: the source's ids, or ours if several sources share theirs."""
    ids = {i: _plain_id(info["id"]) for i, info in enumerate(dataset.class_info) if i > 0}
    return ids if len(set(ids.values())) == len(ids) else {i: i for i in ids}


def _plain_id(value):
    """Source ids come as numpy integers too, which JSON does not know."""
    return int(value) if isinstance(value, (int, np.integer)) else str(value)


def _annotations_of_file(dataset, info, categories):
    """The COCO annotations that an image brought along, as they are unless category ids had to be changed."""
    numbers = info.get("numbers", range(len(info["annotations"])))
    for number, annotation in zip(numbers, info["annotations"], strict=True):
        if number in info.get("dropped", ()):
            continue
        class_id = dataset.map_source_class_id(f"{info['source']}.{annotation['category_id']}")
        if not class_id:
            continue  # of a class that was left out
        category_id = categories[class_id]
        same = category_id == annotation["category_id"]
        yield annotation if same else {**annotation, "category_id": category_id}


def _annotations_from_masks(dataset, image_id, categories, first_id):
    """COCO annotations of one image, numbered from first_id, and its (height, width)."""
    info = dataset.image_info[image_id]
    rles, class_ids, size = _rles_of(dataset, image_id)
    with named_errors(dataset, image_id, DataError):
        rles = [run_lengths.compress(rle) for rle in rles]
        boxes, areas = run_lengths.coco_boxes(rles), run_lengths.areas(rles)
    annotations = []
    for rle, class_id, box, area in zip(rles, class_ids, boxes, areas, strict=True):
        if area:
            annotations.append({
                "id": first_id + len(annotations),
                "image_id": _plain_id(info["id"]),
                "category_id": categories[abs(int(class_id))],
                "bbox": box,
                "area": float(area),
                "iscrowd": int(class_id < 0),
                "segmentation": rle,
            })
    return annotations, size


def _rles_of(dataset, image_id):
    """Compressed run lengths of one image, their class ids (negative for crowds), and (height, width) of the image."""
    info = dataset.image_info[image_id]
    size = (info["height"], info["width"]) if "height" in info and "width" in info else None
    if size and hasattr(dataset, "load_rles"):
        return *dataset.load_rles(image_id), size
    masks, class_ids = dataset.load_mask(image_id)
    rles = [run_lengths.encode(masks[..., i]) for i in range(len(class_ids))]
    if rles:
        size = masks.shape[:2]
    return rles, class_ids, size or dataset.load_image(image_id).shape[:2]


# --- Reading and checking --------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Ground truth and results of one kind, checked, with all ids replaced by places in these lists.

    Args:
        kind: of KINDS.
        image_ids: the source's, in order.
        categories: of the ground truth, in the order of their ids.
        sizes: (height, width) of each image, or None where the ground truth does not say.
        objects: COCO annotations, and detections: COCO results with "area", both with "image_id" and "category_id"
            counted from 0, "iscrowd", "bbox", and for "segm" "segmentation" as compressed RLE.
    """

    kind: str
    image_ids: list
    categories: list
    sizes: list
    objects: list
    detections: list


def read_comparison(ground_truth, results, kind, image_ids=None):
    """Read and check what an evaluation compares.

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
    truth, entries = _read_ground_truth(ground_truth), _read_results(results)
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
        for entry in entries:
            entry["image_id"] = image_places[entry["image_id"]]
            entry["category_id"] = category_places[entry["category_id"]]
    sizes = [(images[i]["height"], images[i]["width"]) if "height" in images[i] and "width" in images[i] else None
             for i in image_ids]
    return Comparison(kind, image_ids, [categories[i] for i in category_ids], sizes, objects, detections)


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


def _read_json(value):
    """The content of a JSON file if value is a path, else value itself."""
    if not isinstance(value, (str, os.PathLike)):
        return value
    try:
        with open(value, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise DataError(f"Cannot read {value}: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{value} is no JSON file: {error}.") from error


def _read_ground_truth(value):
    truth = _read_json(value)
    name = value if isinstance(value, (str, os.PathLike)) else "The ground truth"
    missing = [key for key in ("images", "annotations", "categories") if key not in truth] \
        if isinstance(truth, dict) else ["images"]
    if missing:
        raise DataError(f"{name} is no COCO annotation file: it has no {missing[0]!r}.")
    return truth


def _read_results(value):
    results = _read_json(value)
    if not isinstance(results, (list, tuple)) or not all(isinstance(result, dict) for result in results):
        name = value if isinstance(value, (str, os.PathLike)) else "The value given"
        raise DataError(f"{name} is no COCO results file: it must be a list with one object per detection.")
    return results


def _index(entries, what):
    """{id: entry}; an id may occur once."""
    index = {}
    for entry in entries:
        if "id" not in entry:
            raise DataError(f"The ground truth has a {what} entry without id: {str(entry)[:60]}.")
        if entry["id"] in index:
            raise DataError(f"The ground truth has {what} id {entry['id']!r} twice.")
        index[entry["id"]] = entry
    return index


def _known_images(image_ids, images):
    for image_id in image_ids:
        if image_id not in images:
            raise DataError(f"The ground truth has no image {image_id!r}, which was to be evaluated.")
    return list(image_ids)


def _checked_references(entry, name, images, categories):
    """Raise DataError unless the entry's image and category exist."""
    image_id, category_id = entry.get("image_id"), entry.get("category_id")
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
    image, box, area = images[annotation["image_id"]], annotation.get("bbox"), annotation.get("area")
    if area is not None and not _all_finite([area]):
        raise DataError(f"{name} has area {area!r}: it must be a finite number.")
    if kind == "segm" or not box:
        rle = annotation["segmentation"] = _compressed_rle(annotation.get("segmentation"), image, name)
        area = float(run_lengths.areas([rle])[0]) if area is None else area
        box = box or run_lengths.coco_boxes([rle])[0]
    else:
        _check_box(box, name)
        area = float(box[2] * box[3]) if area is None else area
    return {**annotation, "bbox": box, "area": area}


def _crowd(value, name):
    try:
        return int(value or 0)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{name} has iscrowd {value!r}: it must be 0 or 1.") from error


def _check_box(box, name):
    if not isinstance(box, LISTS) or len(box) != 4 or not _all_finite(box):
        raise DataError(f"{name} has bbox {box!r}: it must be [x, y, width, height].")


def _checked_result(result, index, images, categories, kind):
    """A copy of a result that has all that COCOeval reads; areas and boxes as in pycocotools' loadRes."""
    name = f"Result {index}"
    _checked_references(result, name, images, categories)
    score, box = result.get("score"), result.get("bbox")
    if not _all_finite([score]):
        raise DataError(f"{name} of image {result['image_id']!r} has score {score!r}: it must be a finite number.")
    checked = {"image_id": result["image_id"], "category_id": result["category_id"], "score": score, "iscrowd": 0}
    boxed = box is not None and not (isinstance(box, LISTS) and len(box) == 0)
    if kind == "segm" or not boxed:
        shape = result.get("segmentation")
        if not shape or not isinstance(shape, (dict, list)):
            raise DataError(f"{name} of image {result['image_id']!r} has no mask, as run lengths or polygons: results "
                            "with boxes alone are evaluated with type bbox.")
        checked["segmentation"] = _compressed_rle(shape, images[result["image_id"]], name)
    if boxed:
        _check_box(box, name)
        checked["bbox"], checked["area"] = list(box), box[2] * box[3]
    else:
        checked["bbox"] = run_lengths.coco_boxes([checked["segmentation"]])[0]
        checked["area"] = float(run_lengths.areas([checked["segmentation"]])[0])
    return checked


def _all_finite(values):
    return all(isinstance(value, numbers.Real) and math.isfinite(value) for value in values)


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
