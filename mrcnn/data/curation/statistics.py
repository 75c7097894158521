"""What is in a data set: counts, sizes and shapes, and how well anchors fit its boxes as the network will see them."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from mrcnn.config import Settings
from mrcnn.data import run_lengths
from mrcnn.data.annotated import AnnotatedDataset
from mrcnn.data.attributes import by_id, distinct_names, load_objects
from mrcnn.data.curation.anchor_fit import best_overlaps, propose_anchors
from mrcnn.data.dataset import Dataset
from mrcnn.data.images import planned_window
from mrcnn.data.masks import mask_boxes
from mrcnn.data.objects import gives_run_lengths, named_errors
from mrcnn.errors import DataError
from mrcnn.files import text_table

THRESHOLDS = np.round(np.arange(0, 1.0001, 0.05), 2)  # of IoU, at which recall is kept
BINS = 24  # of a histogram
MOST_TOLD = 4  # classes of an attribute, in its table

# --- Measuring -------------------------------------------------------------------------------------------------------


def summarise(dataset: Dataset, config: Settings, progress: Callable | None = None,
              measured: dict | None = None, fit: bool = True) -> dict:
    """Describe a data set, and the fit of anchors to it, without decoding photos, nor masks if the format allows.

    Args:
        dataset: prepared Dataset.
        config: Config; its IMAGE_* place the photos on the canvas, its RPN_ANCHOR_* are the anchors compared.
        progress: called as progress(done, total) after each photo.
        measured: of `measure_objects` of the same data set, to see it on several canvases; None measures.
        fit: False leaves the anchors out, which takes the time; "anchors" is None then.

    Returns:
        A dict that JSON can hold:
        photos, empty_photos, objects, crowds: numbers; crowds are in none of what follows
        classes: list of {name, objects, photos, median_area (pixels of the photo), median_share (of the photo)}
        attributes: list of {name, objects, classes: {class name: objects}}, of those that have an object
        with_attributes: number of objects that have any; unused_attributes: number of named ones that no object has
        height, width: of the photos in pixels, {min, median, max, edges, counts}, edges the same for both
        long_side: of the photos in pixels, {min, median, max}; wide_photos: number of those wider than high
        objects_per_photo: {min, median, max, mean, counts: number of photos with 0, 1, 2 ... objects}
        box_scale, box_ratio: square root of the area in canvas pixels and width / height of the boxes, as `height`,
            with edges that rise by factors, box_scale with "p10", a tenth; None without objects
        object_scale: {p10, median} of all scales, also of those under a pixel; None without objects
        too_small: number of objects with a side under a canvas pixel, which training drops; too_small_classes: by class
        canvas: {min, max}: [height, width] of the canvases, None without photos
        thresholds; anchors: {"current", "proposed"}: {scales, ratios, recall: share of the boxes whose best anchor has
            an IoU of each threshold or more, mean_overlap}, None without objects
        parts: sentences on parts of label maps that are no objects of their own

    Raises:
        DataError: naming the photo whose objects cannot be read.
    """
    measured = measure_objects(dataset, progress) if measured is None else measured
    measured = {**measured, **_on_canvas(measured, config)}
    counted = ~measured["crowd"]
    per_photo = np.bincount(measured["photo"][counted], minlength=len(measured["shapes"]))
    boxes = measured["boxes"]
    large_enough = counted & (np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) >= 1 - 1e-3)
    boxes, canvases = boxes[large_enough], measured["canvases"][measured["photo"][large_enough]]
    sides = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64)
    scales, ratios = np.sqrt(sides.prod(axis=1)), sides[:, 1] / sides[:, 0]
    box_scale = _distribution(scales, _rising_edges(scales))
    return {
        "photos": len(per_photo),
        "empty_photos": int((per_photo == 0).sum()),
        "objects": int(counted.sum()),
        "crowds": int((~counted).sum()),
        "classes": [_class_summary(dataset.class_names[i], measured, i) for i in range(1, dataset.num_classes)],
        **_attribute_summary(dataset, measured),
        **_shape_summary(measured["shapes"]),
        "objects_per_photo": _per_photo_summary(per_photo),
        "box_scale": box_scale and {**box_scale, "p10": float(np.quantile(scales, 0.1))},
        "box_ratio": _distribution(ratios, _rising_edges(ratios)),
        **_size_summary(dataset, measured, counted, large_enough),
        "canvas": _canvas_summary(measured["canvases"]),
        "thresholds": THRESHOLDS.tolist(),
        "anchors": _anchor_summary(boxes, canvases, config) if len(boxes) and fit else None,
        "parts": dataset.parts_lines() if isinstance(dataset, AnnotatedDataset) else [],
    }


def _size_summary(dataset, measured, counted, large_enough):
    """How large all objects are on the canvas, and how many vanish there. counted, large_enough: bool [N]"""
    boxes = np.float64(measured["boxes"][counted])
    scales = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    vanishing = measured["class_ids"][counted & ~large_enough]
    return {
        "object_scale": {"p10": float(np.quantile(scales, 0.1)), "median": float(np.median(scales))}
                        if len(scales) else None,
        "too_small": len(vanishing),
        "too_small_classes": {dataset.class_names[i]: int((vanishing == i).sum()) for i in np.unique(vanishing)},
    }


def measure_objects(dataset: Dataset, progress: Callable | None = None) -> dict[str, np.ndarray | list]:
    """Read the objects of all photos, once for any number of `summarise`.

    Args:
        dataset: prepared Dataset.
        progress: called as progress(done, total) after each photo.

    Returns:
        shapes: int [M, 2] (height, width) of the photos; photo: int [N], row of the photo; class_ids: int [N]; crowd:
        bool [N]; areas: float [N]; boxes: float [N, 4]; pixels of the photo; attributes: N tuples of ids.

    Raises:
        DataError: naming the photo whose objects cannot be read.
    """
    shapes, photo, class_ids, areas, boxes, attributes = [], [], [], [], [], []
    by_runs = gives_run_lengths(dataset)
    for row, image_id in enumerate(dataset.image_ids):
        shape, ids, object_areas, object_boxes, more = (_objects_by_runs if by_runs else _objects)(dataset, image_id)
        shapes.append(shape)
        photo += [row] * len(ids)
        class_ids.append(ids)
        areas.append(object_areas)
        attributes += more
        boxes.append(np.asarray(object_boxes).reshape(-1, 4))
        if progress:
            progress(row + 1, len(dataset.image_ids))
    class_ids = np.concatenate([np.zeros(0, int), *class_ids])
    return {
        "shapes": np.array(shapes, int).reshape(-1, 2),
        "photo": np.array(photo, int),
        "class_ids": np.abs(class_ids),
        "crowd": class_ids < 0,
        "areas": np.concatenate([np.zeros(0), *areas]),
        "boxes": np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
        "attributes": attributes,
    }


def _on_canvas(measured, config):
    """The boxes of `measure_objects` in canvas pixels, float32 [N, 4], and int [M, 2] (height, width) of the canvases.
    """
    windows = [planned_window(tuple(map(int, shape)), config) for shape in measured["shapes"]]
    parts = np.split(measured["boxes"], np.searchsorted(measured["photo"], np.arange(1, len(windows))))
    boxes = [window.to_canvas(part).reshape(-1, 4) for window, part in zip(windows, parts)]
    return {"boxes": np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
            "canvases": np.array([window.canvas_shape for window in windows], int).reshape(-1, 2)}


def _objects_by_runs(dataset, image_id):
    """((H, W) of a photo, class ids [N], areas [N], boxes [N, 4], attributes of each) from run lengths."""
    info = dataset.image_info[image_id]
    rles, class_ids, attributes = load_objects(dataset, image_id)
    with named_errors(dataset, image_id, DataError):
        areas, boxes = run_lengths.areas(rles).astype(float), run_lengths.boxes(rles)
    if info.get("height") and info.get("width"):
        shape = info["height"], info["width"]
    else:
        shape = rles[0]["size"] if len(rles) else np.shape(dataset.load_image(image_id))[:2]
    return tuple(int(side) for side in shape), class_ids.astype(int), areas, boxes, attributes


def _objects(dataset, image_id):
    """The same from masks."""
    masks, class_ids, attributes = load_objects(dataset, image_id)
    masks = np.asarray(masks)
    shape = masks.shape[:2] if len(class_ids) else np.shape(dataset.load_image(image_id))[:2]
    areas = np.count_nonzero(masks, axis=(0, 1)).astype(float) if len(class_ids) else np.zeros(0)
    boxes = mask_boxes(masks)[: len(class_ids)]
    return tuple(int(side) for side in shape), class_ids.astype(int), areas, boxes, attributes


# --- Summing up ------------------------------------------------------------------------------------------------------


def _shape_summary(shapes):
    """The entries of `summarise` that tell of the sizes of photos. shapes: int [M, 2]"""
    height, width = shapes.T
    return {
        "height": _distribution(height, _even_edges(shapes)),
        "width": _distribution(width, _even_edges(shapes)),
        "long_side": _range(shapes.max(axis=1, initial=0)),
        "wide_photos": int((width > height).sum()),
    }


def _per_photo_summary(per_photo):
    mean = float(per_photo.mean()) if len(per_photo) else 0.0
    return {**_range(per_photo), "mean": mean, "counts": np.bincount(per_photo).tolist()}


def _canvas_summary(canvases):
    """{"min", "max"} of canvases, int [M, 2]."""
    return {name: getattr(canvases, name)(axis=0).tolist() if len(canvases) else None for name in ("min", "max")}


def _class_summary(name, measured, class_id):
    own = (measured["class_ids"] == class_id) & ~measured["crowd"]
    areas, photos = measured["areas"][own], measured["photo"][own]
    shares = areas / measured["shapes"][photos].prod(axis=1)
    return {
        "name": name,
        "objects": int(own.sum()),
        "photos": len(np.unique(photos)),
        "median_area": float(np.median(areas)) if len(areas) else None,
        "median_share": float(np.median(shares)) if len(areas) else None,
    }


def _attribute_summary(dataset, measured):
    """The entries of `summarise` that tell of attributes."""
    names, found, described = distinct_names(dataset), {}, 0
    for class_id, crowd, attributes in zip(measured["class_ids"], measured["crowd"], measured["attributes"]):
        if not crowd:
            described += bool(attributes)
            for attribute in attributes:
                found.setdefault(attribute, Counter())[dataset.class_names[class_id]] += 1
    listed = [{"name": names.get(attribute, by_id(attribute)), "objects": classes.total(),
               "classes": dict(classes.most_common())} for attribute, classes in sorted(found.items())]
    return {"attributes": listed, "with_attributes": described, "unused_attributes": len(names.keys() - found.keys())}


def _range(values):
    if not len(values):
        return {"min": None, "median": None, "max": None}
    return {"min": float(values.min()), "median": float(np.median(values)), "max": float(values.max())}


def _even_edges(values):
    """Edges of the bins of a histogram of some numbers."""
    low = values.min(initial=2**31)
    return np.linspace(low, max(values.max(initial=0), low + 1), BINS + 1)


def _rising_edges(values):
    """The same for positive numbers, each edge by one factor above the last."""
    low = values.min(initial=2**31)
    high = max(values.max(initial=0), low * 1.01)
    edges = np.geomspace(low, high, BINS + 1)
    edges[0], edges[-1] = low, high  # which geomspace may miss by a rounding
    return edges


def _distribution(values, edges):
    """{min, median, max, edges, counts} of a histogram; None without values."""
    if not len(values):
        return None
    return {**_range(values), "edges": edges.tolist(), "counts": np.histogram(values, edges)[0].tolist()}


def _anchor_summary(boxes, canvases, config):
    scales, ratios = propose_anchors(boxes, canvases, config)
    proposed = type(config).from_dict({**config.to_dict(), "RPN_ANCHOR_SCALES": scales, "RPN_ANCHOR_RATIOS": ratios})
    summary = {}
    for name, anchors in (("current", config), ("proposed", proposed)):
        overlaps = best_overlaps(boxes, canvases, anchors)
        summary[name] = {
            "scales": [float(scale) for scale in anchors.RPN_ANCHOR_SCALES],
            "ratios": [float(ratio) for ratio in anchors.RPN_ANCHOR_RATIOS],
            "recall": [float((overlaps >= threshold).mean()) for threshold in THRESHOLDS],
            "mean_overlap": float(overlaps.mean()),
        }
    return summary


# --- Showing ---------------------------------------------------------------------------------------------------------


def summary_text(summary: dict) -> str:
    """What `summarise` found, as text of a few tables."""
    head = (
        f"{summary['photos']} photos, {summary['objects']} objects, {summary['crowds']} crowds; "
        f"{summary['empty_photos']} photos without objects"
    )
    if summary["crowds"]:
        head += "\ncrowds are ignored in training; if they are objects, --crowds objects takes them as such"
    parts = [head, _ranges_table(summary), _classes_table(summary["classes"], summary["objects"])]
    parts += [f"{line}." for line in summary["parts"]]
    if summary["attributes"]:
        parts.append(_attributes_table(summary))
    if summary["anchors"]:
        parts.append(_anchors_table(summary))
    return "\n\n".join(parts)


def _ranges_table(summary):
    low, high = summary["canvas"]["min"], summary["canvas"]["max"]
    canvas = "x".join(map(str, high or ())) if low == high else f"up to {high[0]}x{high[1]}"
    rows = [["", "min", "median", "max"]]
    for key, name, digits in (("height", "photo height", 0), ("width", "photo width", 0),
                              ("objects_per_photo", "objects a photo", 0),
                              ("box_scale", f"box scale on the canvas of {canvas}", 1),
                              ("box_ratio", "box width / height", 2)):
        values = summary[key]
        if values and values["min"] is not None:
            rows.append([name, *(f"{values[what]:.{digits}f}" for what in ("min", "median", "max"))])
    dropped = summary["too_small"]
    return text_table(rows) + (f"\n{dropped} objects are under a canvas pixel and will be dropped" if dropped else "")


def _classes_table(classes, objects):
    rows = [["class", "objects", "share", "photos", "median area", "of the photo"]]
    for entry in sorted(classes, key=lambda entry: -entry["objects"]):
        if entry["objects"]:
            rows.append([entry["name"], entry["objects"], f"{100 * entry['objects'] / objects:.1f} %", entry["photos"],
                         f"{entry['median_area']:.0f} px", f"{100 * entry['median_share']:.2f} %"])
    bare = sum(not entry["objects"] for entry in classes)
    return text_table(rows) + (f"\n{bare} of {len(classes)} classes have no object" if bare else "")


def _attributes_table(summary):
    rows = [["attribute", "objects", "  of classes"]]
    for entry in sorted(summary["attributes"], key=lambda entry: -entry["objects"]):
        told = [f"{name} {count}" for name, count in entry["classes"].items()]
        more = [f"{len(told) - MOST_TOLD} more"] if len(told) > MOST_TOLD else []
        rows.append([entry["name"], entry["objects"], "  " + ", ".join(told[:MOST_TOLD] + more)])
    text = f"{summary['with_attributes']} of {summary['objects']} objects have attributes"
    unused = summary["unused_attributes"]
    return f"{text_table(rows)}\n{text}" + (f"; {unused} named ones are of no object" if unused else "")


def _anchors_table(summary):
    rows = [["anchors", "recall at IoU 0.5", "at 0.7", "mean best IoU", "  scales", "  ratios"]]
    lists = {}
    for name, anchors in summary["anchors"].items():
        lists[name] = [", ".join(f"{value:g}" for value in anchors[key]) for key in ("scales", "ratios")]
    for name, anchors in summary["anchors"].items():
        recall = dict(zip(summary["thresholds"], anchors["recall"]))
        rows.append([name, f"{recall[0.5]:.3f}", f"{recall[0.7]:.3f}", f"{anchors['mean_overlap']:.3f}", *lists[name]])
    same = lists["proposed"] == lists["current"]
    scales, ratios = (text.replace(" ", "") for text in lists["proposed"])
    taken = f'--set "RPN_ANCHOR_SCALES=[{scales}]" --set "RPN_ANCHOR_RATIOS=[{ratios}]"'
    return text_table(rows) + ("\nno others fit better" if same else f"\nto take the proposed ones: {taken}")
