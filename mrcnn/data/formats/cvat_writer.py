"""Writing any data set as CVAT for images 1.1; what is read back has the same masks.

An object of one part without holes is a polygon along the edges of its pixels, which can be edited; others are masks.
"""

import os
from collections.abc import Callable, Collection
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from mrcnn.data.attributes import load_objects, written_names
from mrcnn.data.class_names import written_classes
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.outlines import one_polygon
from mrcnn.data.formats.writers import LeftOut, chosen_photos, open_whole, photo_and_objects
from mrcnn.data.strips import mask_part
from mrcnn.errors import DataError
from mrcnn.files import UNSAFE

ENDING = "</annotations>\n"


def write_cvat(dataset: Dataset, path: str | os.PathLike, image_ids: Collection[int] | None = None,
               progress: Callable | None = None) -> None:
    """Write a data set as CVAT's XML, for a task with the same photos (Actions, Upload annotations).

    The format has no crowds: these are left out with a warning, as are objects without a pixel.

    Args:
        dataset: prepared Dataset.
        path: of the file; its folder is made.
        image_ids: ids in the data set of the photos to write; None writes all.
        progress: called as progress(done, total) after each photo.

    Raises:
        DataError: two photos have one name, a name has a letter that XML cannot hold, a photo or mask cannot be read,
            or the file cannot be written.
    """
    image_ids = chosen_photos(dataset, image_ids)
    names = written_classes(dataset, path)
    words = {i: _pair(name) for i, name in written_names(dataset, path).items()}
    left_out = LeftOut(path)
    with open_whole(path) as (file,):
        file.write(_head(names, _used_attributes(dataset, image_ids) if words else {}, words, len(image_ids)))
        for done, image_id in enumerate(image_ids, start=1):
            name, (height, width), objects = photo_and_objects(dataset, image_id, left_out)
            file.write(f'  <image id="{done - 1}" name={_quoted(name)} width="{width}" height="{height}">\n')
            for entry in objects:
                if entry.crowd:
                    left_out.crowds += 1
                else:
                    pairs = [words.get(i, _pair(f"attribute {i}")) for i in entry.attributes]
                    file.write(_shape(names[entry.class_id - 1], entry.rle, pairs))
            file.write("  </image>\n")
            if progress:
                progress(done, len(image_ids))
        file.write(ENDING)
    left_out.warn()


# --- Labels and attributes -------------------------------------------------------------------------------------------


def _used_attributes(dataset, image_ids):
    """{class id: set of the ids of attributes that its objects have}."""
    used = {}
    for image_id in image_ids:
        _, class_ids, attributes = load_objects(dataset, int(image_id))
        for class_id, own in zip(class_ids.tolist(), attributes):
            used.setdefault(abs(class_id), set()).update(own)
    return used


def _head(names, used, words, count):
    """The text before the first photo."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>", "  <meta>",
             "    <task>", f"      <size>{count}</size>", "      <mode>annotation</mode>", "      <labels>"]
    for class_id, name in enumerate(names, start=1):
        lines += ["        <label>", f"          <name>{_escaped(name)}</name>", "          <type>any</type>",
                  "          <attributes>"]
        values = {}
        for attribute, value in sorted(words[i] for i in used.get(class_id, ()) if i in words):
            values.setdefault(attribute, []).append(value)
        for attribute, some in values.items():
            kind, some = ("checkbox", ["false", "true"]) if some == ["true"] else ("select", some)
            lines += ["            <attribute>", f"              <name>{_escaped(attribute)}</name>",
                      "              <mutable>False</mutable>", f"              <input_type>{kind}</input_type>",
                      f"              <default_value>{_escaped(some[0])}</default_value>",
                      f"              <values>{_escaped(chr(10).join(some))}</values>", "            </attribute>"]
        lines += ["          </attributes>", "        </label>"]
    return "\n".join([*lines, "      </labels>", "    </task>", "  </meta>", ""])


def _pair(word):
    """(name, value) of an attribute: "length: mini" is a choice, any other a box that is ticked.

    So is "lined: false", which as a choice would be a box that is not ticked.
    """
    name, colon, value = word.partition(": ")
    return (name, value) if colon and value.lower() not in ("", "true", "false") else (word, "true")


# --- Shapes ----------------------------------------------------------------------------------------------------------


def _shape(label, rle, attributes):
    """The lines of an object."""
    polygon = one_polygon(rle)
    if polygon is None:
        kind, given = "mask", _mask(rle)
    else:
        points = ";".join(f"{x:g},{y:g}" for x, y in zip(map(int, polygon[::2]), map(int, polygon[1::2])))
        kind, given = "polygon", f'points="{points}"'
    lines = [f'    <{kind} label={_quoted(label)} source="manual" occluded="0" {given} z_order="0">']
    for name, value in attributes:
        lines.append(f"      <attribute name={_quoted(name)}>{_escaped(value)}</attribute>")
    return "\n".join([*lines, f"    </{kind}>", ""])


def _mask(rle):
    """XML attributes of a mask: run lengths along the rows of its box, outside first."""
    top, left, inside = mask_part(rle)
    pixels = inside.ravel()
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    counts = np.diff(np.concatenate([[0] if pixels[0] else [], edges, [len(pixels)]]).astype(int), prepend=0)
    runs = ", ".join(map(str, counts.tolist()))
    return f'rle="{runs}" left="{left}" top="{top}" width="{inside.shape[1]}" height="{inside.shape[0]}"'


# --- Texts -----------------------------------------------------------------------------------------------------------


def _escaped(text):
    return escape(_storable(text))


def _quoted(text):
    return quoteattr(_storable(text))


def _storable(text):
    """A text that XML can hold. Raises DataError for any other."""
    if UNSAFE.search(text) and any(ord(c) < 32 and c not in "\t\n\r" or 0xD800 <= ord(c) < 0xE000 for c in text):
        raise DataError(f"{ascii(text)}: has a letter that XML cannot hold: rename it.")
    return text
