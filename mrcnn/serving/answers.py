"""What was found, in the forms that answers have: run lengths, polygons, PNG."""

import base64
import io

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.formats.outlines import rings
from mrcnn.drawing.label_maps import encode_label_map

RLE, POLYGONS, PNG = "rle", "polygons", "png"
OUTPUTS = (RLE, POLYGONS, PNG)


def objects_of(result: dict, class_names: list[str], output: str) -> list[dict]:
    """The objects of a photo as JSON holds them.

    Args:
        result: of `detect(rle=True)`.
        class_names: by class id, background first.
        output: one of OUTPUTS, the form of the masks.

    Returns:
        A list of {"class_id", "class_name", "score", "box": {"y1", "x1", "y2", "x2"} pixels, and the mask by the name
        of its form}, best first; of a network with attributes "attributes", {name: score} of those that are told.
    """
    rows = zip(result["class_ids"].tolist(), result["scores"].tolist(), result["boxes"].tolist(), result["rles"])
    objects = [{"class_id": class_id, "class_name": class_names[class_id], "score": score,
                "box": dict(zip(("y1", "x1", "y2", "x2"), box)), output: mask_of(rle, output)}
               for class_id, score, box, rle in rows]
    for entry, words in zip(objects, result.get("attributes", ())):
        entry["attributes"] = dict(words)
    return objects


def mask_of(rle: dict, output: str) -> dict | list | str:
    """A mask in one of the forms.

    Args:
        rle: RLE of COCO.
        output: one of OUTPUTS.

    Returns:
        The RLE; the list of its outlines [x1, y1, x2, y2, ...] along the edges of its pixels, those of holes among them
        (inside by the rule of even and odd); or the base64 of a PNG, 255 inside.
    """
    if output == RLE:
        return rle
    if output == POLYGONS:
        return [ring.ravel().tolist() for ring in rings(rle)]
    return base64_of(_png(run_lengths.decode(rle)))


def labels_of_map(labels: np.ndarray, class_names: list[str], output: str) -> dict:
    """A label map as JSON holds it.

    Args:
        labels: uint8 [H, W], class ids.
        class_names: by class id, background first.
        output: one of OUTPUTS.

    Returns:
        {"png": base64 of a palette PNG whose values are class ids}; or {"classes": a list of {"class_id", "class_name",
        "pixels", and the area by the name of its form} of the classes that occur, background left out}.
    """
    if output == PNG:
        return {PNG: base64_of(encode_label_map(labels, class_names))}
    classes = []
    for class_id in np.unique(labels[labels > 0]).tolist():
        inside = labels == class_id
        classes.append({"class_id": class_id, "class_name": class_names[class_id], "pixels": int(inside.sum()),
                        output: mask_of(run_lengths.encode(inside), output)})
    return {"classes": classes}


def base64_of(data: bytes) -> str:
    """The base64 of some bytes."""
    return base64.b64encode(data).decode("ascii")


def _png(mask):
    """The bytes of a PNG of one bit a pixel, white inside."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(mask)).save(file, format="PNG")
    return file.getvalue()
