"""COCO's JSON forms, made of a `Dataset` and of detections; `comparison` reads and checks them.

Words: a *ground truth* is the dict of a COCO annotation file ("images", "annotations", "categories"); *results* are
the list of a COCO results file, one dict per detected object ("image_id", "category_id", "score", and "bbox"
[x, y, width, height] in pixels or "segmentation" as RLE, or both).
"""

import itertools
from collections.abc import Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import photo_name
from mrcnn.data.attributes import attribute_names, distinct_names, load_objects, reads_its_objects, whole_ids
from mrcnn.data.class_lists import class_lists_of
from mrcnn.data.dataset import Dataset
from mrcnn.data.objects import gives_run_lengths, named_errors
from mrcnn.errors import DataError

LEAST_TOLD = 0.01  # score of an attribute; what scores less is ranked last, as if it were not told at all

# --- From a Dataset and from detections ------------------------------------------------------------------------------


def ground_truth_from_dataset(dataset: Dataset, image_ids: Sequence[int] | None = None) -> dict:
    """COCO ground truth of any `Dataset`.

    A dataset that keeps its COCO annotations (`image_info[i]["annotations"]`) hands them on untouched: ids, areas,
    boxes, polygons and RLE are the file's, but for objects that `annotated.without` dropped. Any other is read through
    `load_rles` where it has that, else through `load_mask`: boxes and areas are those of the masks, empty masks are
    left out, and a negative class id marks a crowd. Of photos that are labelled for some classes only, images have
    LVIS' lists of classes. Of a dataset that names attributes, annotations have "attribute_ids" and the ground truth
    "attributes", as Fashionpedia's files do.

    Args:
        dataset: a prepared `Dataset`.
        image_ids: internal ids of the images to take; None takes all.

    Raises:
        DataError: if two images share one source id.
    """
    image_ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)]
    categories = category_ids(dataset)
    images, annotations, seen = [], [], {}
    for image_id in image_ids:
        info = dataset.image_info[image_id]
        source_id = plain_id(info["id"])
        if source_id in seen:
            raise DataError(
                f"Image id {source_id!r} occurs twice, in sources {seen[source_id]!r} and {info['source']!r}: "
                "COCO evaluation needs one id per image."
            )
        seen[source_id] = info["source"]
        if "annotations" in info and (reads_its_objects(dataset) or type(dataset).load_mask is Dataset.load_mask):
            size = info["height"], info["width"]
            annotations.extend(_annotations_of_file(dataset, info, categories))
        else:
            objects, size = _annotations_from_masks(dataset, image_id, categories, len(annotations) + 1)
            annotations.extend(objects)
        images.append({"id": source_id, "file_name": photo_name(dataset, image_id), "height": int(size[0]),
                       "width": int(size[1]), **class_lists_of(dataset, image_id, categories)})
    names = [{"id": categories[i], "name": dataset.class_info[i]["name"]} for i in sorted(categories)]
    listed = [{"id": i, "name": name} for i, name in distinct_names(dataset).items()]
    return {"images": images, "annotations": annotations, "categories": names,
            **({"attributes": listed} if listed else {})}


def results_from_detections(dataset: Dataset, image_id: int, detection: dict[str, np.ndarray]) -> list[dict]:
    """COCO results of one image from what `detect()` returned for it.

    Args:
        dataset: the prepared `Dataset` that the image belongs to; gives the source's image and category ids.
        image_id: internal id of the image.
        detection: dict with "boxes" float [N, 4] (y1, x1, y2, x2) sub-pixel in the original image (or "rois", the same
            rounded), "class_ids" int [N], "scores" float [N], and "rles" (N COCO RLE dicts) or "masks" bool [H, W, N].

    Returns:
        A list of N dicts that JSON can hold. Of a network with attributes each has "attributes", {name: score} of those
        that are told, "attribute_scores", the same of all, and if the dataset names them "attribute_ids", the source's
        ids of those that are told.
    """
    categories = category_ids(dataset)
    source_id = plain_id(dataset.image_info[image_id]["id"])
    boxes = np.asarray(detection["boxes"] if "boxes" in detection else detection["rois"], np.float64)
    if "rles" in detection:
        rles = [run_lengths.compress(rle) for rle in detection["rles"]]
    else:
        masks = np.asarray(detection["masks"])
        rles = [run_lengths.encode(masks[..., i]) for i in range(masks.shape[-1])]
    results, described = [], _described(dataset, detection)
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
            **next(described),
        })
    return results


def _described(dataset, detection):
    """Generator of what results say of the attributes of each detection; of nothing, without end, if there are none."""
    if "attribute_scores" not in detection:
        yield from itertools.repeat({})
    ids = {name: i for i, name in distinct_names(dataset).items()}
    for scores, words in zip(detection["attribute_scores"], detection["attributes"], strict=True):
        shown = np.flatnonzero(scores >= LEAST_TOLD)
        told = {
            "attributes": {name: round(score, 4) for name, score in words.items()},
            "attribute_scores": {detection["attribute_names"][i]: round(float(scores[i]), 4) for i in shown},
        }
        yield {**told, "attribute_ids": sorted(ids[name] for name in words if name in ids)} if ids else told


def category_ids(dataset: Dataset) -> dict:
    """{class id: category id} of all foreground classes: the source's ids, or ours if several sources share theirs."""
    ids = {i: plain_id(info["id"]) for i, info in enumerate(dataset.class_info) if i > 0}
    return ids if len(set(ids.values())) == len(ids) else {i: i for i in ids}


def plain_id(value: object) -> int | str:
    """The id of a photo or class as JSON has it: source ids come as numpy integers too, which JSON does not know."""
    return int(value) if isinstance(value, (int, np.integer)) else str(value)


def _annotations_of_file(dataset, info, categories):
    """The COCO annotations that an image brought along, as they are unless category ids had to be changed.

    Where the data set names attributes an annotation that says nothing of them gets an empty list.
    """
    numbers, named = info.get("numbers", range(len(info["annotations"]))), bool(attribute_names(dataset))
    for number, annotation in zip(numbers, info["annotations"], strict=True):
        if number in info.get("dropped", ()):
            continue
        class_id = dataset.map_source_class_id(f"{info['source']}.{annotation['category_id']}")
        if not class_id:
            continue  # of a class that was left out
        category_id = categories[class_id]
        changed = {} if category_id == annotation["category_id"] else {"category_id": category_id}
        ids = annotation.get("attribute_ids")
        if ids is not None and not (isinstance(ids, list) and len(whole_ids(ids)) == len(ids)):
            changed["attribute_ids"] = list(whole_ids(ids))  # as the reader has them, and told
        elif ids is None and named:
            changed["attribute_ids"] = []
        yield {**annotation, **changed} if changed else annotation


def _annotations_from_masks(dataset, image_id, categories, first_id):
    """COCO annotations of one image, numbered from first_id, and its (height, width)."""
    info = dataset.image_info[image_id]
    rles, class_ids, size, attributes = _rles_of(dataset, image_id)
    with named_errors(dataset, image_id, DataError):
        rles = [run_lengths.compress(rle) for rle in rles]
        boxes, areas = run_lengths.coco_boxes(rles), run_lengths.areas(rles)
    annotations = []
    for rle, class_id, box, area, own in zip(rles, class_ids, boxes, areas, attributes, strict=True):
        if area:
            annotations.append({
                "id": first_id + len(annotations),
                "image_id": plain_id(info["id"]),
                "category_id": categories[abs(int(class_id))],
                "bbox": box,
                "area": float(area),
                "iscrowd": int(class_id < 0),
                "segmentation": rle,
                **({} if own is None else {"attribute_ids": list(own)}),
            })
    return annotations, size


def _rles_of(dataset, image_id):
    """Compressed run lengths of one image, their class ids (negative for crowds), (height, width) of the image, and the
    attribute ids of each, None where the dataset names none."""
    info = dataset.image_info[image_id]
    size = (info["height"], info["width"]) if "height" in info and "width" in info else None
    objects, class_ids, attributes = load_objects(dataset, image_id)
    attributes = attributes if attribute_names(dataset) else [None] * len(class_ids)
    if gives_run_lengths(dataset):
        size = size or (objects[0]["size"] if objects else _size_of(dataset, image_id))
        return objects, class_ids, size, attributes
    rles = [run_lengths.encode(objects[..., i]) for i in range(len(class_ids))]
    if rles:
        size = objects.shape[:2]
    return rles, class_ids, size or _size_of(dataset, image_id), attributes


def _size_of(dataset, image_id):
    return dataset.load_image(image_id).shape[:2]
