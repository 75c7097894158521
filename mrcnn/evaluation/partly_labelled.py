"""Photos that are labelled for some of the classes only, as LVIS' are, and what of their detections counts.

LVIS (Gupta et al. 2019) looks for some classes on each photo: those that its objects are of, and those that it surely
has not (`neg_category_ids`). What a detection of any other class is, nobody knows: it does not count. Of the classes in
`not_exhaustive_category_ids` not every object is labelled: a detection of them that takes no object does not count,
which is COCO's rule for what lies in a crowd; so such a class has a crowd over the whole photo.
"""

from collections.abc import Iterable

from mrcnn.data import run_lengths
from mrcnn.data.class_lists import NEGATIVE, OPEN
from mrcnn.errors import DataError

FAR = 1e9  # pixels, beyond any box


def class_lists(image: dict) -> dict[str, list]:
    """Look up the lists of classes of a photo that is labelled for some classes only.

    Args:
        image: COCO's entry of it.

    Returns:
        {NEGATIVE: ids, OPEN: ids}; {} for a photo without such lists, which is labelled for all classes.

    Raises:
        DataError: a list is none.
    """
    given = {key: image[key] for key in (NEGATIVE, OPEN) if image.get(key) is not None}
    for key, ids in given.items():
        if not isinstance(ids, (list, tuple)) or not all(isinstance(i, (int, str)) for i in ids):
            raise DataError(f"Image {image.get('id')!r} has {key} {str(ids)[:40]!r}: it must be a list of ids.")
    return {NEGATIVE: [], OPEN: [], **given} if given else {}


def by_lvis_rule(images: Iterable[dict], objects: list[dict], detections: list[dict], kind: str,
                 categories: Iterable[int | str] = ()) -> tuple[list[dict], list[dict], dict[str, int]]:
    """Objects and detections of which what is not known counts neither way.

    Args:
        images: COCO's entries.
        objects, detections: checked, with "image_id" and "category_id" of the source.
        kind: "segm" or "bbox".
        categories: ids of all; the lists may have them as texts.

    Returns:
        (objects, with crowds that have "open_class"; detections that may count; {"photos": that have lists of classes,
        "detections": that were left out, "open": classes of a photo that have detections and are not exhaustively
        labelled}).
    """
    listed = {image["id"]: (image, lists) for image in images if (lists := class_lists(image))}
    counts = {"photos": len(listed), "detections": 0, "open": 0}
    if not listed:
        return objects, detections, counts
    by_text = {str(category_id): category_id for category_id in categories}
    for _, lists in listed.values():
        lists.update({key: [by_text.get(str(i), i) for i in ids] for key, ids in lists.items()})
    known = {image_id: {*lists[NEGATIVE]} for image_id, (_, lists) in listed.items()}
    for entry in objects:
        if entry["image_id"] in known:
            known[entry["image_id"]].add(entry["category_id"])
    kept = [entry for entry in detections
            if entry["image_id"] not in known or entry["category_id"] in known[entry["image_id"]]]
    found = {(entry["image_id"], entry["category_id"]) for entry in kept}  # for others no crowd is needed
    crowds = [_crowd(image, category_id, kind) for image_id, (image, lists) in listed.items()
              for category_id in dict.fromkeys(lists[OPEN]) if (image_id, category_id) in found]
    counts.update(detections=len(detections) - len(kept), open=len(crowds))
    return [*objects, *crowds], kept, counts


def _crowd(image, category_id, kind):
    """A crowd of a class over the whole photo."""
    entry = {"image_id": image["id"], "category_id": category_id, "iscrowd": 1, "open_class": True}
    if kind == "bbox":
        return {**entry, "bbox": [-FAR, -FAR, 2 * FAR, 2 * FAR], "area": 4 * FAR * FAR}
    size = image["height"], image["width"]
    rle = run_lengths.compress({"size": list(size), "counts": [0, size[0] * size[1]]})
    return {**entry, "segmentation": rle, "bbox": [0, 0, size[1], size[0]], "area": float(size[0] * size[1])}


def partly_text(counts: dict[str, int]) -> str:
    """What `by_lvis_rule` counted, as one line; "" where every photo is labelled for all classes."""
    if not counts["photos"]:
        return ""
    return (f"{counts['photos']} photos are labelled for some classes only ({NEGATIVE}, {OPEN}): as in LVIS, "
            f"{counts['detections']} detections of classes that were not looked for do not count, nor do wrong ones "
            f"of {counts['open']} classes of a photo that are not exhaustively labelled.")
