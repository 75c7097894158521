"""Which column of a table is what: photo, its size, objects with category and outline, or a label map.

Data sets of Hugging Face have no one form. Photos are structs of bytes and path; objects are a struct of lists, a list
of structs, or lists in the table itself; class names stand in what the schema says of itself.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mrcnn.errors import DataError

if TYPE_CHECKING:
    import pyarrow

PHOTOS = ("image", "images", "img", "photo", "picture", "pixel_values", "jpg", "png")
MAPS = ("label", "labels", "mask", "annotation", "annotations", "label_map", "semantic_mask", "segmentation",
        "segmentation_mask", "semantic_segmentation", "seg", "gt")
FOLLOWING = ("id", "area", "image_id", "bbox", "bbox_id")  # of objects: what says nothing that masks do not
OBJECTS = ("objects", "annotations", "instances", "annotation", "labels")
# Names of what an object has.
FIELDS = {
    "category": ("category", "categories", "category_id", "category_ids", "label", "labels", "class", "classes",
                 "class_id", "class_ids", "category_name"),
    "outline": ("segmentation", "segmentations", "polygon", "polygons", "rle", "rles"),
    "mask": ("mask", "masks", "instance_masks"),
    "box": ("bbox", "bboxes", "box", "boxes"),
    "crowd": ("iscrowd", "is_crowd", "crowd"),
}
SIZES = {"height": ("height", "image_height"), "width": ("width", "image_width")}
NAMES = ("file_name", "filename", "image_name", "image_path", "path", "image_id", "id")


@dataclasses.dataclass(frozen=True)
class Columns:
    """What the columns of a table are.

    Args:
        photo: name of the column of photos.
        label_map: name of the column of label maps, or None.
        objects: name of the column that holds the objects; None: their lists are columns of the table.
        fields: {"category", "outline", "mask", "box", "crowd": name}, as far as they are there.
        size: {"height", "width": name of a column}; {} where they are not both there.
        class_names: names of the categories 0, 1, ... in the schema; None: not there.
        others: names of further fields of objects, but for what follows from the masks.
    """

    photo: str
    label_map: str | None
    objects: str | None
    fields: dict[str, str]
    size: dict[str, str]
    class_names: list[str] | None
    others: tuple[str, ...] = ()

    @property
    def of_objects(self) -> list[str]:
        """Names of the columns that hold objects, or the label map."""
        if self.label_map is not None:
            return [self.label_map]
        return [self.objects] if self.objects is not None else list(self.fields.values())


def columns_of(schema: pyarrow.Schema, metadata: dict) -> Columns:
    """The Columns of a table.

    Args:
        schema: pyarrow.Schema.
        metadata: {name: value}, of `ParquetRows`.

    Raises:
        DataError: there is no column of photos, or none of masks.
    """
    types = dict(zip(schema.names, schema.types))
    info = metadata.get("huggingface")
    info = info.get("info") if isinstance(info, dict) else None
    features = info.get("features") if isinstance(info, dict) else None
    features = features if isinstance(features, dict) else {}
    pictures = [name for name, kind in types.items() if _is_picture(kind)]
    photo = _first(pictures, PHOTOS) or next((name for name in pictures if name.lower() not in MAPS), None)
    if photo is None:
        raise DataError(f"no column of photos among {_listed(types)}: write the photos into the file, as a column "
                        "image of bytes and path, or make a COCO file of it.")
    size = {side: _first(types, names) for side, names in SIZES.items()}
    size = size if all(size.values()) else {}
    for name in [n for n in types if n.lower() in OBJECTS and n not in pictures] + [None]:
        fields = _fields(types if name is None else members_of(types[name]), name is None)
        if "outline" in fields or "mask" in fields:
            within = features if name is None else _within(features.get(name))
            others = () if name is None else tuple(sorted(
                member for member in members_of(types[name])
                if member not in fields.values() and member.lower() not in FOLLOWING))
            return Columns(photo, None, name, fields, size, _class_names(within.get(fields.get("category"))), others)
    label_map = _first([name for name in pictures if name != photo], MAPS)
    if label_map is not None:
        return Columns(photo, label_map, None, {}, size, None)
    boxes = any("box" in _fields(members_of(types[name]), False) for name in types)
    remedy = "boxes alone cannot train masks" if boxes else "give a table with outlines, masks or label maps"
    raise DataError(f"no column of masks among {_listed(types)}: {remedy}.")


def entries_of(row: dict, columns: Columns) -> list[dict]:
    """list of {"category", "outline", "mask", "box", "crowd"} of the objects of a row; raises DataError for others."""
    value = row if columns.objects is None else row[columns.objects]
    if isinstance(value, list):
        objects = [entry if isinstance(entry, dict) else {} for entry in value]
        return [{what: entry.get(name) for what, name in columns.fields.items()} for entry in objects]
    lists = {what: (value or {}).get(name) or [] for what, name in columns.fields.items()}
    if not all(isinstance(values, list) for values in lists.values()):
        raise DataError("it has one object that is in no list: give a list of objects for each photo")
    counts = {what: len(values) for what, values in lists.items()}
    count = max(counts.values(), default=0)
    uneven = next((what for what, number in counts.items() if number not in (0, count)), None)
    if uneven or (count and not counts.get("outline") and not counts.get("mask")):
        told = ", ".join(f"{number} {what}s" for what, number in counts.items())
        raise DataError(f"its lists have different lengths ({told})")
    return [{what: values[i] for what, values in lists.items() if values} for i in range(count)]


# --- Types -----------------------------------------------------------------------------------------------------------


def _is_picture(kind):
    """Whether a type is that of photos: bytes, or a struct that has them."""
    text = str(kind)
    return text in ("binary", "large_binary") or (text.startswith("struct<") and "bytes" in members_of(kind))


def members_of(kind: pyarrow.DataType) -> dict[str, pyarrow.DataType]:
    """{name: type} of a struct, or of a list of structs; {} for any other type."""
    if str(kind).startswith(("list<", "large_list<")) and hasattr(kind, "value_type"):
        kind = kind.value_type
    if not str(kind).startswith("struct<"):
        return {}
    return {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}


def _fields(types, in_table):
    """{what: name} of the members of objects. in_table: whether they are columns, which are lists of one a photo."""
    lists = {name for name, kind in types.items() if not in_table or str(kind).startswith(("list<", "large_list<"))}
    found = {what: _first(lists, names) for what, names in FIELDS.items()}
    return {what: name for what, name in found.items() if name is not None}


def _first(names, wanted):
    """The first of some names that is wanted, by the order of these."""
    lower = {name.lower(): name for name in reversed(list(names))}
    return next((lower[name] for name in wanted if name in lower), None)


def _listed(types):
    return ", ".join(list(types)[:12]) + (", ..." if len(types) > 12 else "")


# --- What the schema says of itself ----------------------------------------------------------------------------------


def _within(feature):
    """{name: feature} of the members of a feature: a dict, a list with one, or a list by name."""
    if isinstance(feature, list):
        feature = feature[0] if feature else {}
    if isinstance(feature, dict) and isinstance(feature.get("feature"), (dict, list)) and "_type" in feature:
        return _within(feature["feature"])
    return feature if isinstance(feature, dict) else {}


def _class_names(feature):
    """Names of a ClassLabel, in whatever lists it stands; None for any other feature."""
    for _ in range(4):
        if isinstance(feature, list) and feature:
            feature = feature[0]
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            names = feature.get("names")
            if isinstance(names, list) and names and all(isinstance(name, str) and name for name in names):
                return names
            return None
        feature = feature.get("feature") if isinstance(feature, dict) else None
    return None
