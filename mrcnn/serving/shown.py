"""What a page shows of photos: what was found once, the part of it that is asked for, and the files of that."""

import collections
import dataclasses
import io
import itertools
import json
import zipfile
from collections.abc import Callable, Collection, Sequence

import numpy as np

from mrcnn.data import run_lengths, strips
from mrcnn.data.encoded import WHITE
from mrcnn.drawing.label_maps import encode_label_map
from mrcnn.labeling.label_map import labels_of
from mrcnn.labeling.photos import label_photo, labelled
from mrcnn.serving.limits import Limits
from mrcnn.serving.photos import decode_photo
from mrcnn.serving.served import ServedModel

LEAST = 0.05  # a slider from here on needs no further look
OBJECTS, CUT_OUTS, LABELS = "detections.json", "cut-outs.zip", "{}_labels.png"


@dataclasses.dataclass(frozen=True)
class Seen:
    """A photo and what the network told of it, kept so that nothing is asked of the network again.

    Args:
        name: of the photo.
        data: its file: pixels are decoded when they are wanted, for they take ten times as much.
        shape: (H, W), pixels.
        objects: of `detect(rle=True, mask_probabilities=True)` from `least_score` on; None of label maps.
        labels: uint8 [H, W] of a network of label maps; None of one that finds objects.
    """

    name: str
    data: bytes
    shape: tuple[int, int]
    objects: dict | None = None
    labels: np.ndarray | None = None


def least_score(served: ServedModel) -> float:
    """The least score that is looked for: LEAST or less, but no less than an exported file gives.

    Args:
        served: a model that finds objects.
    """
    return max(min(LEAST, served.min_score), served.min_score_floor or 0.0)


def look(served: ServedModel, name: str, data: bytes, limits: Limits, matte: tuple[int, int, int] = WHITE,
         chain: Callable | None = None) -> Seen:
    """Let the network look at a photo.

    Args:
        served: the model.
        name: of the photo.
        data: the whole file.
        limits: of its bytes and pixels.
        matte: RGB 0..255 under what is transparent.
        chain: of `build_chain`, for a network of label maps.

    Returns:
        What it tells.

    Raises:
        Refused: no photo, or too large a one.
    """
    photo = decode_photo(data, name, limits, matte)
    shape = photo.shape[:2]
    if not served.finds_objects:
        return Seen(name, data, shape, labels=next(iter(labelled(served.model, [photo], None, chain))))
    found = served.model.detect([photo], rle=True, mask_probabilities=True, min_confidence=least_score(served))
    return Seen(name, data, shape, objects=found[0])


def chosen(seen: Seen, least: float, classes: Collection[int]) -> dict | None:
    """The objects of a photo that are to be shown.

    Args:
        seen: the photo.
        least: score.
        classes: ids of theirs.

    Returns:
        A dict as that of `seen.objects`; None of a network of label maps.
    """
    if seen.objects is None:
        return None
    class_ids, scores = np.asarray(seen.objects["class_ids"]), np.asarray(seen.objects["scores"])
    rows = np.flatnonzero((scores >= np.float32(least)) & np.isin(class_ids, list(classes)))
    return {name: [values[row] for row in rows] if isinstance(values, list) else np.asarray(values)[rows]
            for name, values in seen.objects.items() if name != "attribute_names" and len(values) == len(scores)}


def label_map_of(served: ServedModel, seen: Seen, photo: np.ndarray, objects: dict | None, classes: Collection[int],
                 chain: Callable | None = None) -> np.ndarray:
    """The label map of what is shown of a photo.

    Args:
        served: the model, whose settings of label maps hold but for their least scores.
        seen: the photo.
        photo: uint8 [H, W, 3], its pixels.
        objects: of `chosen`: all of them count.
        classes: ids of those that are shown.
        chain: of `build_chain`; of a network of label maps it had its say before.

    Returns:
        uint8 [H, W] class ids.
    """
    if objects is None:
        return np.where(np.isin(seen.labels, list(classes)), seen.labels, 0).astype(np.uint8)
    settings = dataclasses.replace(served.settings, score_threshold=0.0, class_thresholds={})
    told = label_photo(objects, seen.shape, served.class_names, settings, probabilities=chain is not None)
    return told["labels"] if chain is None else labels_of(np.asarray(chain(photo, told["probabilities"])))


def coco_text(photos: Sequence[tuple[Seen, dict]], class_names: Sequence[str],
              attribute_names: Sequence[str] = ()) -> str:
    """The objects of photos as a COCO file, each with its score; those without a pixel, which none has, are left out.

    Args:
        photos: (photo, its objects by `chosen`).
        class_names: by class id, background first.
        attribute_names: that the network tells.

    Returns:
        JSON with "images", "annotations" and "categories"; of a network with attributes also "attributes" with their
        ids, as Fashionpedia lists them, and of each annotation "attribute_ids" and "attributes", {name: score}.
    """
    numbers = {name: number for number, name in enumerate(attribute_names, start=1)}
    images, annotations = [], []
    for image_id, (seen, objects) in enumerate(photos, start=1):
        height, width = seen.shape
        images.append({"id": image_id, "file_name": seen.name, "height": height, "width": width})
        told = objects.get("attributes") or [None] * len(objects["scores"])
        for class_id, score, (y1, x1, y2, x2), rle, words in zip(
                objects["class_ids"].tolist(), objects["scores"].tolist(), objects["boxes"].tolist(), objects["rles"],
                told):
            area = int(run_lengths.areas([rle])[0])
            if not area:
                continue
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, "category_id": class_id, "iscrowd": 0,
                                "bbox": [x1, y1, x2 - x1, y2 - y1], "area": area,
                                "segmentation": run_lengths.compress(rle), "score": score})
            if words is not None:
                annotations[-1]["attribute_ids"] = sorted(numbers[name] for name in words)
                annotations[-1]["attributes"] = {name: round(value, 4) for name, value in words.items()}
    categories = [{"id": class_id, "name": name} for class_id, name in enumerate(class_names) if class_id]
    listed = {"attributes": [{"id": number, "name": name} for name, number in numbers.items()]} if numbers else {}
    return json.dumps({"images": images, "annotations": annotations, "categories": categories, **listed})


def cut_outs(photos: Sequence[tuple[Seen, np.ndarray, dict]], class_names: Sequence[str]) -> bytes:
    """The objects of photos, cut out: PNG files with transparency, within a ZIP.

    Args:
        photos: (photo, its pixels uint8 [H, W, 3], its objects by `chosen`), one after the other.
        class_names: by class id.

    Returns:
        The bytes of the ZIP.
    """
    from PIL import Image

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # PNG is compressed already
        for stem, (_, photo, objects) in zip(stems([seen for seen, _, _ in photos]), photos):
            for number, (class_id, rle) in enumerate(zip(objects["class_ids"].tolist(), objects["rles"]), start=1):
                part = strips.mask_part(rle)
                if part is None:
                    continue  # a mask of no pixel: the table says 0
                top, left, inside = part
                rows, columns = slice(top, top + inside.shape[0]), slice(left, left + inside.shape[1])
                picture, data = np.dstack([photo[rows, columns], np.uint8(255) * inside]), io.BytesIO()
                Image.fromarray(picture).save(data, format="PNG")
                archive.writestr(f"{stem}/{number:03d}_{file_name(class_names[class_id])}.png", data.getvalue())
    return file.getvalue()


def stems(photos: Sequence[Seen]) -> list[str]:
    """A name for the files of each photo, no two alike: its own, or with its place or the next free number behind.

    Large and small letters are alike: on many machines they are one file.
    """
    names = [file_name(seen.name.rpartition(".")[0] or seen.name) for seen in photos]
    times = collections.Counter(name.lower() for name in names)
    taken = {name for name, count in times.items() if count == 1}
    for place, name in enumerate(names):
        if times[name.lower()] > 1:
            numbered = (f"{name}_{number}" for number in itertools.count(place + 1))
            names[place] = next(one for one in numbered if one.lower() not in taken)
            taken.add(names[place].lower())
    return names


def file_name(text: str) -> str:
    """A text as part of a file's name: letters, digits, and "-" in place of all else."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in text)[:80] or "photo"


def files_of(served: ServedModel, photos: Sequence[Seen], least: float, classes: Collection[int], limits: Limits,
             matte: tuple[int, int, int] = WHITE, chain: Callable | None = None) -> dict[str, bytes]:
    """The files of what is shown of photos.

    Args:
        served, limits, matte, chain: as for `look`.
        photos: all of them.
        least, classes: as for `chosen`.

    Returns:
        {name: bytes}: a palette PNG of the label map of each photo, and of objects COCO's JSON and the cut-outs.
    """
    files, rows = {}, []
    for stem, seen in zip(stems(photos), photos):
        photo, objects = decode_photo(seen.data, seen.name, limits, matte), chosen(seen, least, classes)
        labels = label_map_of(served, seen, photo, objects, classes, chain)
        files[LABELS.format(stem)] = encode_label_map(labels, served.class_names)
        rows.append((seen, photo, objects))
    if served.finds_objects and rows:
        pairs = [(seen, objects) for seen, _, objects in rows]
        files[OBJECTS] = coco_text(pairs, served.class_names, served.attribute_names).encode()
        files[CUT_OUTS] = cut_outs(rows, served.class_names)
    return files
