"""COCO's JSON form: polygons, compressed and uncompressed run lengths, crowds."""

import json
import math
import os
import warnings

import numpy as np

from mrcnn.data import masks as mask_ops
from mrcnn.data.dataset import Dataset
from mrcnn.data.images import DataError, image_path

SOURCE = "coco"
REMEDY = 'correct the file, or leave it out by load_coco(..., on_error="skip")'


class CocoDataset(Dataset):
    """A COCO annotation file and its folder of photos. Categories become classes 1 to K in the order of their ids."""

    def load_coco(self, annotations, images, class_ids=None, limit=None, on_error="raise"):
        """Register the photos and objects of a file, all of them checked without decoding a mask or a photo.

        annotations: path of the JSON file; images: folder of the photos
        class_ids: category ids to keep, with the photos that show one of them; None keeps all
        limit: number of photos to take, from the first on; None takes all
        on_error: "raise" at the first bad photo or object, or "skip" those, with one warning that says how many

        Raises DataError naming the file and the bad entry if the file is missing or no COCO JSON, an annotation is of
        an unknown image or category, polygons have no area, an RLE does not cover its photo, a photo is missing or
        lies outside the folder, or nothing remains.
        """
        if on_error not in ("raise", "skip"):
            raise ValueError(f'on_error={on_error!r} is neither "raise" nor "skip".')
        content = _read(annotations)
        faults = _Faults(annotations, on_error)
        categories = _index(content["categories"], "category", annotations)
        photos = _index(content["images"], "image", annotations)
        kept = _kept_categories(categories, class_ids, annotations)
        objects = {image_id: [] for image_id in photos}
        for position, annotation in enumerate(content["annotations"]):
            fault = _reference_fault(annotation, photos, categories)
            if fault:
                faults.add(f"{_annotation_name(annotation, position)} {fault}")
            elif annotation["category_id"] in kept:
                objects[annotation["image_id"]].append(annotation)
        chosen = [i for i in photos if class_ids is None or objects[i]][:limit]
        self._add_photos([photos[i] for i in chosen], objects, images, faults)
        for category_id in kept:
            self.add_class(SOURCE, category_id, str(categories[category_id].get("name", category_id)))
        faults.warn()
        if not self.image_info:
            raise DataError(f"{annotations}: no photos remain: the file is empty, or the limit or class_ids keep none.")

    def _add_photos(self, photos, objects, folder, faults):
        """Register photos with those of their annotations that are sound."""
        paths = _checked_paths(photos, folder, faults)
        for photo in photos:
            if photo["id"] not in paths:
                continue
            height, width = photo["height"], photo["width"]
            sound = []
            for annotation in objects[photo["id"]]:
                try:
                    _check_segmentation(annotation.get("segmentation"), (height, width))
                    sound.append(annotation)
                except DataError as error:
                    faults.add(f"annotation {annotation.get('id')} of {photo['file_name']}: {error}")
            path = paths[photo["id"]]
            self.add_image(SOURCE, photo["id"], path, width=width, height=height, annotations=sound)

    def load_mask(self, image_id):
        """The objects of a photo: (masks bool [H, W, N], class ids int32 [N], negative for crowds)."""
        info = self.image_info[image_id]
        if info["source"] != SOURCE:
            return super().load_mask(image_id)
        shape = info["height"], info["width"]
        rles = [_as_rle(annotation["segmentation"], shape) for annotation in info["annotations"]]
        class_ids = [
            self.map_source_class_id(f"{SOURCE}.{a['category_id']}") * (-1 if a.get("iscrowd") else 1)
            for a in info["annotations"]
        ]
        return mask_ops.rles_decode(rles, shape), np.array(class_ids, np.int32)

    def object_count(self, image_id):
        """Number of objects of a photo, crowds not counted."""
        return sum(not annotation.get("iscrowd") for annotation in self.image_info[image_id]["annotations"])

    def image_reference(self, image_id):
        """Path of the photo and its id in the file."""
        info = self.image_info[image_id]
        return f"{info['path']} (image {info['id']})"


# --- Reading and checking --------------------------------------------------------------------------------------------


class _Faults:
    """What is wrong with a file: raised at once, or counted and told of at the end."""

    def __init__(self, path, on_error):
        self.path, self.skip, self.found = path, on_error == "skip", []

    def add(self, message):
        if not self.skip:
            raise DataError(f"{self.path}: {message}: {REMEDY}.")
        self.found.append(message)

    def warn(self):
        if self.found:
            more = f" and {len(self.found) - 3} more" if len(self.found) > 3 else ""
            warnings.warn(f"{self.path}: skipped {'; '.join(self.found[:3])}{more}.", stacklevel=3)


def _read(path):
    """Content of an annotation file, its three lists checked to be lists of objects."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file)
    except OSError as error:
        raise DataError(f"{path}: cannot read the annotations ({error.strerror}): check the path.") from error
    except ValueError as error:
        raise DataError(f"{path}: no JSON file ({error}): give a COCO annotation file.") from error
    for key in ("images", "annotations", "categories"):
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DataError(f"{path}: no COCO annotations, for it has no list {key!r} of objects: check the file.")
    return content


def _index(entries, what, path):
    """{id: entry}; an id may occur once."""
    index = {}
    for entry in entries:
        key = entry.get("id")
        if not isinstance(key, (int, str)):
            raise DataError(f"{path}: the {what} {str(entry)[:60]} has no id that is a number or text: add one.")
        if key in index:
            raise DataError(f"{path}: {what} id {key!r} occurs twice: give each its own.")
        index[key] = entry
    return index


def _kept_categories(categories, class_ids, path):
    """Category ids to keep, in the order of classes."""
    unknown = [i for i in class_ids if i not in categories] if class_ids is not None else []
    if unknown:
        raise DataError(f"{path}: no category {unknown[0]!r}: it has {', '.join(map(str, list(categories)[:20]))}.")
    kept = categories if class_ids is None else set(class_ids)
    return sorted(kept, key=lambda i: (isinstance(i, str), i))


def _annotation_name(annotation, position):
    return f"annotation {annotation['id']}" if "id" in annotation else f"annotation number {position} (without id)"


def _reference_fault(annotation, photos, categories):
    """What is wrong with the image and category that an annotation names, or None."""
    for key, known in (("image_id", photos), ("category_id", categories)):
        value = annotation.get(key)
        if not isinstance(value, (int, str)) or value not in known:
            return f"has {key} {value!r}, which the file does not list"
    return None


def _checked_paths(photos, folder, faults):
    """{image id: path} of the photos whose entries are sound and whose files exist."""
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: no such image folder: give the folder of the photos.")
    paths, missing, listed = {}, [], {}
    for photo in photos:
        try:
            path = image_path(folder, photo.get("file_name") or "")
        except DataError as error:
            faults.add(f"image {photo['id']}: {str(error).rstrip('.')}")
            continue
        sides = photo.get("height"), photo.get("width")
        if not all(isinstance(side, (int, float)) and side > 0 and math.isfinite(side) for side in sides):
            faults.add(f"image {photo['id']} ({photo['file_name']}) has height {sides[0]!r} and width {sides[1]!r}")
            continue
        photo["height"], photo["width"] = int(sides[0]), int(sides[1])
        place, name = os.path.split(path)
        if place not in listed:  # one look at a folder is far cheaper than one at each of its files
            listed[place] = {entry.name for entry in os.scandir(place)} if os.path.isdir(place) else set()
        if name in listed[place]:
            paths[photo["id"]] = path
        else:
            missing.append(photo["file_name"])
    if missing:
        names = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        faults.add(f"{len(missing)} of {len(photos)} photos are not in {folder}: {names}")
    return paths


def _check_segmentation(segmentation, shape):
    """Raise DataError with the reason for a segmentation that cannot be decoded or has no area."""
    if isinstance(segmentation, dict):
        runs = mask_ops.check_rle(segmentation, shape)
        if not runs[1::2].sum():
            raise DataError("its RLE has no pixel inside")
    elif isinstance(segmentation, list) and segmentation:
        mask_ops.check_polygons(segmentation, shape)
    else:
        raise DataError("it has no segmentation")


def _as_rle(segmentation, shape):
    """Compressed run lengths of a segmentation that `_check_segmentation` passed."""
    if isinstance(segmentation, dict):
        return mask_ops.compressed_rle(segmentation, shape)
    return mask_ops.polygons_to_rle(segmentation, shape)
