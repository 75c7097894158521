"""Writing any data set as tasks with annotations that Label Studio imports; what is read back has the same masks.

An object of one part without holes is a polygon along the edges of its pixels, which can be edited; others are brushes.
"""

import json
import os
import urllib.parse
from collections.abc import Callable, Collection, Iterable

from mrcnn.data.attributes import load_objects, written_names
from mrcnn.data.class_names import written_classes
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import label_studio_brush
from mrcnn.data.formats.label_studio_config import BRUSHES, IMAGE, POLYGONS, TOLD, config_text
from mrcnn.data.formats.outlines import one_polygon
from mrcnn.data.formats.writers import LeftOut, chosen_photos, open_whole, photo_and_objects, write_embedded_photos
from mrcnn.data.formats.written_photos import held_photos
from mrcnn.errors import DataError

LOCAL_FILES = "/data/local-files/?d="


def write_label_studio(dataset: Dataset, path: str | os.PathLike, image_ids: Collection[int] | None = None,
                       progress: Callable | None = None) -> str:
    """Write a data set as JSON tasks of Label Studio, with the labelling configuration (XML) beside it.

    Photos are named as local files in the folder of the photos, which Label Studio serves from the folder above it: of
    its document root it shows nothing but what is in folders. Attributes are choices made for a
    region. The format has no crowds: these are left out with a warning, as are objects without a pixel.

    Args:
        dataset: prepared Dataset.
        path: of the file; its folder is made. The configuration has the ending .xml in place of its own.
        image_ids: ids in the data set of the photos to write; None writes all.
        progress: called as progress(done, total) after each photo.

    Returns:
        A sentence that says how the files are imported.

    Raises:
        DataError: two photos have one name, a name has a letter that XML or an address cannot hold, a photo or mask
            cannot be read, or the file cannot be written.
    """
    image_ids = chosen_photos(dataset, image_ids)
    names = written_classes(dataset, path)
    words = {i: told_of(name) for i, name in written_names(dataset, path).items()}
    config, left_out = f"{os.path.splitext(path)[0]}.xml", LeftOut(path, photos=True)
    written = bool(held_photos(dataset, image_ids))  # then all are, into the folder
    if os.path.abspath(config) == os.path.abspath(path):
        raise DataError(f"{path}: is the name of the labelling configuration: give --output a name that ends in .json.")
    used = _used(dataset, image_ids, words) if words else {}
    folder = f"{os.path.splitext(path)[0]}_photos"  # of photos that the annotations alone hold
    text = config_text(names, used)
    _check_config(config, text)
    with open_whole(path, config) as (file, config_file):
        config_file.write(text)
        file.write("[")
        for done, image_id in enumerate(image_ids, start=1):
            name, size, objects = photo_and_objects(dataset, image_id, left_out)
            kept = [entry for entry in objects if not entry.crowd]
            left_out.crowds += len(objects) - len(kept)
            result = []
            for number, entry in enumerate(kept):
                pairs = [words.get(i, (TOLD, f"attribute {i}")) for i in entry.attributes]
                result += region_results(f"r{number}", names[entry.class_id - 1], entry.rle, size, pairs)
            annotation = {"result": result, "was_cancelled": False, "ground_truth": False}
            lies = None if written else dataset.image_info[image_id].get("path")
            served = served_name(lies or os.path.join(folder, name), name)
            task = {"data": {"image": address_of(served)}, "annotations": [annotation]}
            file.write(("\n" if done == 1 else ",\n") + json.dumps(task))
            if progress:
                progress(done, len(image_ids))
        file.write("\n]\n")
    left_out.warn()
    held = write_embedded_photos(dataset, folder, image_ids)
    photos = folder if held else "the photo folder"
    return (f"Make a project with the labelling configuration {config}, give it {photos} as storage of local files, "
            "the folder above that being LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, and import the tasks.")


def served_name(path: str, name: str) -> str:
    """The name of a photo relative to the folder above the photo folder, which is Label Studio's document root.

    Args:
        path: of the photo.
        name: relative to the photo folder, with forward slashes.

    Returns:
        The name with that of the photo folder in front, where the path ends in the name.
    """
    path = os.path.abspath(path).replace(os.sep, "/")
    above = path[: -len(name)].rstrip("/") if path.endswith(f"/{name}") else ""
    folder = above.rpartition("/")[2]
    return f"{folder}/{name}" if folder else name


def address_of(name: str) -> str:
    """The address of a photo that Label Studio serves as a local file.

    Args:
        name: relative to the document root, with forward slashes

    Raises:
        DataError: the name has a letter that no address can hold.
    """
    try:
        return LOCAL_FILES + urllib.parse.quote(name, errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise DataError(f"{name!r}: a photo's name with a letter that no address can hold: rename it.") from error


def told_of(word: str) -> tuple[str, str]:
    """(control, choice) of an attribute: "length: mini" is a choice of the control "length", others are of one control.

    Args:
        word: name of the attribute
    """
    control, colon, choice = word.partition(": ")
    if colon and control and choice and control not in (POLYGONS, BRUSHES, IMAGE, TOLD):
        return control, choice
    return TOLD, word


def _used(dataset, image_ids, words):
    """{control: choices} of the attributes that objects have."""
    numbers = {i for image_id in image_ids for own in load_objects(dataset, int(image_id))[2] for i in own}
    used = {}
    for control, choice in sorted(words.get(i, (TOLD, f"attribute {i}")) for i in numbers):
        used.setdefault(control, []).append(choice)
    return used


def region_results(key: str, label: str, rle: dict, size: tuple[int, int],
                   pairs: Iterable[tuple[str, str]]) -> list[dict]:
    """The results of one object: its outline, and one for each control that something was chosen of.

    Args:
        key: id of the region
        label: name of its class
        rle: RLE
        size: (H, W) of the photo
        pairs: list of (control, choice)
    """
    polygon = one_polygon(rle)
    common = {"id": key, "to_name": IMAGE, "original_width": size[1], "original_height": size[0], "image_rotation": 0}
    if polygon is None:
        value = {"format": "rle", "rle": label_studio_brush.encode(rle), "brushlabels": [label]}
        results = [{**common, "from_name": BRUSHES, "type": "brushlabels", "value": value}]
    else:
        points = [[100 * x / size[1], 100 * y / size[0]] for x, y in zip(polygon[::2], polygon[1::2])]
        value = {"points": points, "closed": True, "polygonlabels": [label]}
        results = [{**common, "from_name": POLYGONS, "type": "polygonlabels", "value": value}]
    chosen = {}
    for control, choice in pairs:
        chosen.setdefault(control, []).append(choice)
    for control, choices in chosen.items():
        results.append({**common, "from_name": control, "type": "choices", "value": {"choices": choices}})
    return results


def _check_config(path, text):
    """Raise DataError if there is a file in the place of the configuration that says something else."""
    try:
        with open(path, encoding="utf-8") as file:
            same = file.read() == text
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError):
        same = False
    if not same:
        raise DataError(f"{path}: is there and is another labelling configuration: remove it, or write elsewhere.")
