"""Writing any data set as COCO JSON or as an iMaterialist CSV; what is read back has the same masks.

Files are written whole or not at all, a photo at a time. Ids of photos and classes are those of the source where these
will do in the format, else they are counted.
"""

import contextlib
import csv
import json
import os
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TextIO

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.annotated import ObjectAnnotation, photo_name
from mrcnn.data.attributes import attribute_names, by_id, gives_attributes, load_objects, reads_its_objects
from mrcnn.data.checked_photos import checked_photo
from mrcnn.data.class_lists import class_lists_of
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.label_mapping import IGNORED
from mrcnn.data.formats.photo_files import photo_size
from mrcnn.data.formats.written_photos import held_photos, png_bytes
from mrcnn.data.objects import gives_run_lengths, is_users_own, known_label_map, named_errors
from mrcnn.errors import DataError
from mrcnn.files import whole_file, whole_files
from mrcnn.text_files import open_text

CSV_HEADER = ("ImageId", "EncodedPixels", "Height", "Width", "ClassId")
DESCRIPTIONS = "label_descriptions.json"


def write_coco(dataset: Dataset, path: str | os.PathLike, image_ids: Collection[int] | None = None,
               progress: Callable | None = None) -> None:
    """Write a data set as COCO JSON: compressed run lengths, boxes and areas of the masks, crowds, attributes.

    An object without a pixel is left out with a warning.

    Args:
        dataset: prepared Dataset.
        path: of the file; its folder is made.
        image_ids: ids in the data set of the photos to write; None writes all.
        progress: called as progress(done, total) after each photo.

    Raises:
        DataError: two photos have one name, a photo or mask cannot be read, or the file cannot be written.
    """
    image_ids = chosen_photos(dataset, image_ids)
    photo_ids = _photo_ids(dataset, image_ids, path)
    categories = categories_of(dataset, path)
    images, left_out, annotation_id = [], LeftOut(path, lists=True), 0
    with open_whole(path) as (file,):
        file.write('{"info": {}, "annotations": [')
        for done, (image_id, photo_id) in enumerate(zip(image_ids, photo_ids), start=1):
            name, size, objects = photo_and_objects(dataset, image_id, left_out)
            images.append({"id": photo_id, "file_name": name, "height": size[0], "width": size[1],
                           **class_lists_of(dataset, image_id, {i: c["id"] for i, c in enumerate(categories, 1)})})
            for entry, text in zip(objects, _coco_objects(objects, gives_attributes(dataset))):
                annotation_id += 1
                category_id = categories[entry.class_id - 1]["id"]
                ids = {"id": annotation_id, "image_id": photo_id, "category_id": category_id}
                file.write((",\n" if annotation_id > 1 else "\n") + json.dumps({**ids, **text}))
            if progress:
                progress(done, len(image_ids))
        listed = _listed_attributes(dataset)
        words = f',\n"attributes": {json.dumps(listed)}' if listed else ""
        file.write(f'\n],\n"images": {json.dumps(images)},\n"categories": {json.dumps(categories)}{words}}}\n')
    left_out.warn()


def write_imaterialist(dataset: Dataset, path: str | os.PathLike, image_ids: Collection[int] | None = None,
                       progress: Callable | None = None) -> int:
    """Write a data set as a CSV of iMaterialist 2019, with label_descriptions.json beside it.

    Attributes follow the class: 6_28_77. The format has neither crowds nor photos without objects: these are left out
    with a warning, as are objects without a pixel.

    Args:
        dataset, path, image_ids, progress: as for `write_coco`.

    Returns:
        Number of photos written.

    Raises:
        DataError: as for `write_coco`, or label_descriptions.json exists already and lists other classes or attributes.
    """
    image_ids = chosen_photos(dataset, image_ids)
    categories = categories_of(dataset, path)
    descriptions = os.path.join(os.path.dirname(path), DESCRIPTIONS)
    attributes = _listed_attributes(dataset)
    known = _has_descriptions(descriptions, categories, attributes)
    left_out = LeftOut(path)
    with open_whole(*([path] if known else [path, descriptions])) as files:
        if not known:
            json.dump({"categories": categories, "attributes": attributes}, files[1], indent=1)
        rows = csv.writer(files[0], lineterminator="\n")
        rows.writerow(CSV_HEADER)
        for done, image_id in enumerate(image_ids, start=1):
            name, size, objects = photo_and_objects(dataset, image_id, left_out)
            kept = [entry for entry in objects if not entry.crowd]
            left_out.crowds += len(objects) - len(kept)
            left_out.photos += not kept
            for entry in kept:
                label = "_".join(map(str, (categories[entry.class_id - 1]["id"], *entry.attributes)))
                rows.writerow((name, rle_to_encoded_pixels(entry.rle), *size, label))
            if progress:
                progress(done, len(image_ids))
    left_out.warn()
    return len(image_ids) - left_out.photos


def write_embedded_photos(dataset: Dataset, folder: str | os.PathLike, image_ids: Collection[int] | None = None) -> int:
    """Write all photos of a data set to a folder, if some of them exist nowhere else.

    Photos that only the annotations hold are written as they are there, those that are drawn, or that a user's own
    `load_image` makes, as PNG, the others copied, under the names that `write_coco` gives them.

    Args:
        dataset: prepared Dataset.
        folder: to write to; it is made if need be.
        image_ids: ids in the data set of the photos to write; None writes all.

    Returns:
        Number of photos that exist nowhere else; where it is 0 nothing is written.

    Raises:
        DataError: a photo cannot be read or written.
    """
    image_ids = chosen_photos(dataset, image_ids)
    own, held = is_users_own(dataset, "load_image"), held_photos(dataset, image_ids)
    written = set()
    for image_id in image_ids if held else ():
        with named_errors(dataset, image_id):
            data = png_bytes(checked_photo(dataset, image_id)) if own else dataset.photo_bytes(image_id)
            if data is None:
                with open(dataset.image_info[image_id]["path"], "rb") as file:
                    data = file.read()
        path = os.path.join(folder, photo_name(dataset, image_id))
        if os.path.exists(path) and _key(path) in written:
            raise DataError(f"{path}: two photos take this name on this disk: rename one.")
        with whole_file(path) as partial, open(partial, "wb") as file:
            file.write(data)
        written.add(_key(path))
    return len(held)


def _key(path):
    """What tells a file from all others, whatever it is called."""
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino


def rle_to_encoded_pixels(rle: dict) -> str:
    """iMaterialist's text "start length start length ..." of COCO's run lengths; pixels count from 1, down the columns.

    Args:
        rle: {"size": [H, W], "counts": compressed or not}.
    """
    runs = run_lengths.check(rle, rle["size"])
    starts = np.cumsum(runs) - runs + 1
    inside = np.stack([starts[1::2], runs[1::2]], axis=1)
    return " ".join(map(str, inside[inside[:, 1] > 0].ravel().tolist()))


# --- What a data set has ---------------------------------------------------------------------------------------------


def chosen_photos(dataset: Dataset, image_ids: Iterable[int] | None) -> list[int]:
    """Image ids as a list, after a look that photos have names of their own."""
    image_ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)]
    seen = set()
    for image_id in image_ids:
        name = photo_name(dataset, image_id)
        if name in seen:
            raise DataError(f"{name}: two photos have this name, which is how the file tells them apart: rename one.")
        seen.add(name)
    return image_ids


def _listed_attributes(dataset):
    """Names of attributes in the form of Fashionpedia and iMaterialist; none where they are named by their ids."""
    names = attribute_names(dataset)
    if all(name == by_id(i) for i, name in names.items()):  # which readers do themselves
        return []
    return [{"id": i, "name": name} for i, name in sorted(names.items())]


def _source_ids(ids, names, path, what):
    """The ids that photos or classes have in their source, if these are whole numbers of their own; else 1, 2, ...

    Numbers that are lost so are told of, and so are words; names in the place of ids are none.

    Args:
        ids: of the source.
        names: what photos or classes are called, in the same order.
        path: of the file that is written.
        what: "photos" or "classes".
    """
    good = all(_is_whole(i) and i >= 0 for i in ids)
    if good and len(set(ids)) == len(ids):
        return [int(i) for i in ids]
    made = list(range(1, len(ids) + 1))
    lost = [(name, old, new) for name, old, new in zip(names, ids, made) if old != new and not _is_name(old, name)]
    if lost:
        name, old, new = lost[0]
        why = "two have one id" if good else "the form takes whole numbers from 0 on alone"
        warnings.warn(f"{path}: {len(lost)} of {len(ids)} {what} have other ids than in their source, for {why} "
                      f"(first: {name!r}, {old!r} there, {new} here): go by their names.", stacklevel=4)
    return made


def _is_whole(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_name(value, name):
    """Whether the id of a source just has the name in it, or is that without its folder and ending."""
    stem = os.path.splitext(os.path.basename(name))[0]
    return not _is_whole(value) and stem in str(value)


def _photo_ids(dataset, image_ids, path):
    names = [photo_name(dataset, i) for i in image_ids]
    return _source_ids([dataset.image_info[i]["id"] for i in image_ids], names, path, "photos")


def categories_of(dataset: Dataset, path: str | os.PathLike) -> list[dict]:
    """Entries of the classes 1 to K: id, name, and the group that a class belongs to if it has one.

    Args:
        dataset: prepared Dataset.
        path: of the file that is written, for warnings.
    """
    infos = dataset.class_info[1:]
    ids = _source_ids([info["id"] for info in infos], [str(info["name"]) for info in infos], path, "classes")
    kept = ("name", "supercategory")
    if ids != sorted(ids):
        places = zip(infos, ids, sorted(ids))
        first = next(f"{info['name']!r}, {i}" for info, i, other in places if i != other)
        warnings.warn(f"{path}: the ids of its {len(ids)} classes do not rise (first: {first}): readers that order "
                      "classes by their ids give another order than this data has; go by names.", stacklevel=3)
    return [{"id": i, **{key: str(info[key]) for key in kept if key in info}} for i, info in zip(ids, infos)]


def photo_and_objects(dataset: Dataset, image_id: int,
                      left_out: "LeftOut") -> tuple[str, tuple[int, int], list[ObjectAnnotation]]:
    """(name with forward slashes, (H, W), list of ObjectAnnotation) of a photo of any data set."""
    info = dataset.image_info[image_id]
    objects, size = _objects(dataset, image_id)
    with named_errors(dataset, image_id, DataError):
        if not reads_its_objects(dataset):
            _check_size(dataset, image_id, objects)
        areas = run_lengths.areas([entry.rle for entry in objects])
    if size is None and info.get("height") and info.get("width"):
        size = info["height"], info["width"]
    size = size or dataset.load_image(image_id).shape[:2]
    filled = [entry for entry, area in zip(objects, areas, strict=True) if area]
    left_out.empty += len(objects) - len(filled)
    left_out.count_pixels(dataset, image_id, filled)
    left_out.partly += not left_out.has_lists and bool(info.get("class_lists"))
    left_out.made += not left_out.has_photos and is_users_own(dataset, "load_image")
    return photo_name(dataset, image_id).replace(os.sep, "/"), tuple(int(side) for side in size), filled


def _check_size(dataset, image_id, objects):
    """Raise DataError unless the masks of a user's own data set are of the size of their photo, where there is one."""
    path, sizes = dataset.image_info[image_id].get("path"), {tuple(entry.rle["size"]) for entry in objects}
    if is_users_own(dataset, "load_image"):
        shape = tuple(np.shape(dataset.load_image(image_id))[:2])
    elif path and os.path.isfile(path):
        shape = photo_size(path)
    else:
        return
    if sizes - {shape}:
        height, width = next(iter(sizes - {shape}))
        raise DataError(f"the photo is {shape[0]}x{shape[1]} pixels (height x width, upright), its masks are "
                        f"{height}x{width}: correct load_mask or load_image.")


def _objects(dataset, image_id):
    """(list of ObjectAnnotation; (H, W) of their masks, or None if there is none) of a photo of any data set."""
    if reads_its_objects(dataset):
        return dataset.objects(image_id), None
    masks, class_ids, attributes = load_objects(dataset, image_id)
    if gives_run_lengths(dataset):
        return _as_objects(masks, class_ids, attributes), None
    objects = _as_objects([run_lengths.encode(masks[..., i]) for i in range(masks.shape[-1])], class_ids, attributes)
    return objects, masks.shape[:2] if objects else None


def _as_objects(rles, class_ids, attributes):
    """ObjectAnnotations of run lengths, class ids, which are negative for crowds, and tuples of attribute ids."""
    return [
        ObjectAnnotation(number, abs(int(class_id)), rle, bool(class_id < 0), ids)
        for number, (rle, class_id, ids) in enumerate(zip(rles, class_ids, attributes, strict=True))
    ]


def _coco_objects(objects, described):
    """The part of COCO's annotations that tells of masks and attributes, of a photo's objects at once.

    described: whether the data set has attributes. An object without any has an empty list then, as Fashionpedia's
    files have it, whose readers ask every annotation.
    """
    rles = [run_lengths.compress(entry.rle) for entry in objects]
    boxes, areas = run_lengths.coco_boxes(rles), run_lengths.areas(rles)
    for entry, rle, box, area in zip(objects, rles, boxes, areas, strict=True):
        yield {
            "segmentation": rle,
            "bbox": box,
            "area": int(area),
            "iscrowd": int(entry.crowd),
            **({"attribute_ids": list(entry.attributes)} if described else {}),
        }


class LeftOut:
    """Counts of what a form cannot hold.

    Args:
        path: of the file, for the warning.
        photos, pixels, lists: whether the form holds photos, label maps pixel by pixel, and LVIS' lists of classes.
    """

    def __init__(self, path: str | os.PathLike, photos: bool = False, pixels: bool = False,
                 lists: bool = False) -> None:
        self.path, self.empty, self.crowds, self.photos = path, 0, 0, 0
        self.has_photos, self.has_pixels, self.has_lists = photos, pixels, lists
        self.partly = 0  # photos that are labelled for some classes only
        self.ignored, self.small = [], []  # pixels of each photo that has such
        self.made = 0  # photos whose pixels a user's own load_image makes

    def count_pixels(self, dataset: Dataset, image_id: int, objects: list[ObjectAnnotation]) -> None:
        """Count what the label map of a photo says and its objects do not."""
        labels = None if self.has_pixels else known_label_map(dataset, image_id)
        if labels is None:
            return
        areas = run_lengths.areas([entry.rle for entry in objects])
        ignored = int((labels == IGNORED).sum())
        small = int((labels != 0).sum()) - ignored - int(np.sum(areas))
        self.ignored += [ignored] if ignored else []
        self.small += [small] if small > 0 else []

    def warn(self) -> None:
        counts = {"objects without a pixel": self.empty, "crowds": self.crowds, "photos without objects": self.photos}
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        if told:
            warnings.warn(f"{self.path}: left out {told}.", stacklevel=3)
        if self.partly:
            warnings.warn(f"{self.path}: {self.partly} photos were labelled for some classes only, and count as "
                          "labelled for all now: --to coco keeps LVIS' lists of classes.", stacklevel=3)
        if self.made:
            warnings.warn(f"{self.path}: names {self.made} photos that load_image makes, and no file has their pixels: "
                          "write_embedded_photos writes them, and so do the forms yolo and voc.", stacklevel=3)
        lines = {
            "to be ignored (255)": (self.ignored, "only voc can say so"),
            "in parts of fewer than min_area pixels": (self.small, "voc keeps them, a smaller min_area in the mapping "
                                                                   "makes objects of them"),
        }
        for what, (photos, remedy) in lines.items():
            if photos:
                warnings.warn(f"{self.path}: {sum(photos)} pixels {what}, on {len(photos)} photos, are background now: "
                              f"{remedy}.", stacklevel=3)


# --- Files -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def open_whole(*paths: str | os.PathLike) -> Iterator[list[TextIO]]:
    """Texts open for writing; they get their names once all are written, and leave nothing behind if one is not."""
    with whole_files(*paths) as partials, contextlib.ExitStack() as stack:
        yield [stack.enter_context(open(path, "w", encoding="utf-8", newline="")) for path in partials]


def _has_descriptions(path, categories, attributes):
    """Whether label_descriptions.json is there already. Raises DataError if it lists other classes or attributes."""
    if not os.path.exists(path):
        return False
    try:
        with open_text(path) as file:
            content = json.load(file)
        same = all([(entry["id"], entry["name"]) for entry in content.get(key) or []]
                   == [(entry["id"], entry["name"]) for entry in wanted]
                   for key, wanted in (("categories", categories), ("attributes", attributes)) if wanted)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        same = False
    if not same:
        raise DataError(f"{path}: is there and lists other classes or attributes: write to another folder.")
    return True
