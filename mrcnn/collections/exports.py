"""A labelled collection in the formats of other programs, written as it is read: no more than a photo is in memory."""

import csv
import json
import os
from collections.abc import Callable

from mrcnn.collections.photo_names import PhotoNames
from mrcnn.collections.reading import Collection, class_names
from mrcnn.collections.sources import own_file
from mrcnn.data import run_lengths
from mrcnn.data.formats.imaterialist import NAMES_FILE
from mrcnn.data.formats.label_studio_config import config_text
from mrcnn.data.formats.label_studio_writer import address_of, region_results, served_name, told_of
from mrcnn.data.formats.writers import rle_to_encoded_pixels
from mrcnn.errors import DataError
from mrcnn.files import whole_files

SEPARATE = (",", ":")  # of JSON without spaces
OPENED = ("http://", "https://", "s3://", "gs://")  # by Label Studio, the last two where its project has that storage


def write_coco(collection: Collection, path: str, below: float | None = None,
               photo_names: PhotoNames | None = None) -> dict[str, int]:
    """Write COCO JSON: photos, compressed run lengths, boxes, areas, scores and attributes.

    Objects without a pixel are left out, in all formats: readers refuse them.

    Args:
        collection: to read, twice: photos stand before objects.
        path: of the JSON file.
        below: photos with an object of a lower score are written alone; None writes all.
        photo_names: how photos are called; None: as PhotoNames of the collection has it.

    Returns:
        {"photos": written, "objects": written, "unreadable": photos left out, "maskless": objects left out}.

    Raises:
        DataError: a shard cannot be read, or the file not be written.
    """
    names, words, called = class_names(collection), attribute_ids(collection), photo_names or PhotoNames(collection)
    counts = {"photos": 0, "objects": 0, "unreadable": 0, "maskless": 0}
    with whole_files(path) as (partial,), open(partial, "w", encoding="utf-8", errors="backslashreplace") as file:
        listed = {"categories": [{"id": number, "name": name} for number, name in names.items()]}
        if words:
            listed["attributes"] = [{"id": number, "name": word} for word, number in words.items()]
        file.write("".join(f'{{"{key}": {json.dumps(value)},\n' if not i else f'"{key}": {json.dumps(value)},\n'
                           for i, (key, value) in enumerate(listed.items())) + '"images": [')
        for rows in _chosen(collection, below, counts, ("photo", "error", "height", "width", "score")):
            counts["photos"] += 1
            entry = {"id": counts["photos"], "file_name": called.of(rows[0]["photo"]), "height": rows[0]["height"],
                     "width": rows[0]["width"]}
            file.write(("\n" if counts["photos"] == 1 else ",\n") + json.dumps(entry, separators=SEPARATE))
        file.write('\n],\n"annotations": [')
        for photo, rows in enumerate(_chosen(collection, below, {"unreadable": 0}), start=1):
            for row in _objects(rows, counts):
                counts["objects"] += 1
                entry = {"id": counts["objects"], "image_id": photo, **_coco_object(row, words)}
                file.write(("\n" if counts["objects"] == 1 else ",\n") + json.dumps(entry, separators=SEPARATE))
        file.write("\n]}\n")
    return counts


def _coco_object(row, words):
    told = sorted(words[word] for word in _words(row))
    return {
        "category_id": row["class_id"], "bbox": run_lengths.coco_boxes([_rle(row)])[0], "area": row["area"],
        "iscrowd": 0, "segmentation": _rle(row), "score": row["score"], **({"attribute_ids": told} if words else {}),
    }


def write_imaterialist(collection: Collection, path: str, below: float | None = None,
                       photo_names: PhotoNames | None = None) -> dict[str, int]:
    """Write iMaterialist's CSV with label_descriptions.json beside it; photos in which nothing is found are left out.

    Args, Returns, Raises:
        as `write_coco`, with "empty", the photos without objects; `path` is of the CSV.
    """
    names, words, called = class_names(collection), attribute_ids(collection), photo_names or PhotoNames(collection)
    counts = {"photos": 0, "objects": 0, "unreadable": 0, "maskless": 0, "empty": 0}
    described = os.path.join(os.path.dirname(path), NAMES_FILE)
    with (whole_files(path, described) as (partial, beside),
          open(partial, "w", encoding="utf-8", errors="backslashreplace", newline="") as file,
          open(beside, "w", encoding="utf-8", errors="backslashreplace") as descriptions):
        json.dump({"categories": [{"id": number, "name": name} for number, name in names.items()],
                   "attributes": [{"id": number, "name": word} for word, number in words.items()]}, descriptions,
                  indent=1)
        table = csv.writer(file)
        table.writerow(("ImageId", "EncodedPixels", "Height", "Width", "ClassId"))
        for rows in _chosen(collection, below, counts):
            objects = _objects(rows, counts)
            counts["photos" if objects else "empty"] += 1
            counts["objects"] += len(objects)
            for row in objects:
                told = sorted(words[word] for word in _words(row))
                table.writerow((called.of(row["photo"]), rle_to_encoded_pixels(_rle(row)), row["height"], row["width"],
                                "_".join(map(str, (row["class_id"], *told)))))
    return counts


def write_label_studio_tasks(collection: Collection, path: str, below: float | None = None,
                             photo_names: PhotoNames | None = None) -> dict[str, int]:
    """Write tasks of Label Studio whose predictions are what was found, with the labelling configuration (XML) beside.

    Args, Returns, Raises:
        as `write_coco`; a task's score is the least of its objects, by which Label Studio can order them. `path` ends
        in .json.
    """
    config = config_beside(path)
    if config == path:
        raise DataError(f"{path}: is the name of the labelling configuration: give --output a name that ends in .json.")
    used, called = {}, photo_names or PhotoNames(collection)
    for control, choice in sorted(map(told_of, attribute_ids(collection))):
        used.setdefault(control, []).append(choice)
    counts = {"photos": 0, "objects": 0, "unreadable": 0, "maskless": 0}
    with (whole_files(path, config) as partials, open(partials[0], "w", encoding="utf-8") as file,
          open(partials[1], "w", encoding="utf-8", errors="backslashreplace") as config_file):
        config_file.write(config_text(list(class_names(collection).values()), used))
        file.write("[")
        for rows in _chosen(collection, below, counts):
            objects = _objects(rows, counts)
            counts["photos"] += 1
            counts["objects"] += len(objects)
            task = json.dumps(_task(collection, called, rows[0], objects))
            file.write(("\n" if counts["photos"] == 1 else ",\n") + task)
        file.write("\n]\n")
    return counts


def config_beside(path: str) -> str:
    """Path of the labelling configuration that goes with a file of tasks."""
    return f"{os.path.splitext(path)[0]}.xml"


def _task(collection, called, photo, objects):
    name = called.of(photo["photo"])
    place = own_file(collection.root, photo["photo"])
    if place is None:
        raise DataError(f"{name} is in a tar or Parquet file, which Label Studio does not look into: unpack the "
                        "photos, and label the folder.")
    if place.system is not None and not place.shown.lower().startswith(OPENED):
        raise DataError(f"{place.shown}: Label Studio opens addresses of {', '.join(OPENED)} alone: copy the photos "
                        "there or to a folder, and label that.")
    size, results = (photo["height"], photo["width"]), []
    for row in objects:
        outline, *choices = region_results(f"r{row['object']}", row["class"], _rle(row), size,
                                           [told_of(word) for word in _words(row)])
        results += [{**outline, "score": row["score"]}, *choices]
    served = place.shown if place.system else address_of(served_name(os.path.join(called.folder, name), name))
    return {
        "data": {"image": served},
        "predictions": [{"model_version": collection.key[:12], "result": results,
                         "score": min((row["score"] for row in objects), default=0.0)}],
    }


def attribute_ids(collection: Collection) -> dict[str, int]:
    """{attribute: its number, from 0 on} of those that the network knows, in alphabetical order.

    Of collections without names (`Collection.names`) it is those that are told of objects.
    """
    if collection.names is not None:
        words = set(collection.names["attributes"])
    else:
        words = {word for _, _, rows in collection.photos(("photo", "attributes")) for row in rows
                 for word in _words(row)}
    return {word: number for number, word in enumerate(sorted(words))}


def _words(row):
    return [told["name"] for told in row["attributes"] or ()]


def _objects(rows, counts):
    """Rows of a photo's objects, less those without a pixel, which are counted."""
    objects = [row for row in rows if row["object"] is not None]
    found = [row for row in objects if row["area"]]
    counts["maskless"] += len(objects) - len(found)
    return found


def _rle(row):
    return {"size": [row["height"], row["width"]], "counts": row["rle"]}


def _chosen(collection, below, counts, columns=None):
    """Rows of each photo that is to be written; those that could not be read are counted."""
    for _, _, rows in collection.photos(columns):
        if rows[0]["error"] is not None:
            counts["unreadable"] += 1
        elif below is None or any(row["score"] is not None and row["score"] < below for row in rows):
            yield rows


# {name: (writer, ending of the file)}
FORMATS: dict[str, tuple[Callable, str]] = {
    "coco": (write_coco, ".json"), "imaterialist": (write_imaterialist, ".csv"),
    "labelstudio": (write_label_studio_tasks, ".json"),
}


def files_of(kind: str, path: str) -> list[str]:
    """Paths of the files that a format writes. kind: of FORMATS."""
    beside = {"imaterialist": os.path.join(os.path.dirname(path), NAMES_FILE), "labelstudio": config_beside(path)}
    return [path, *([beside[kind]] if kind in beside else [])]
