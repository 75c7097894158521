"""JSON and tables of labelling tools that no reader takes, known by the keys that only they have."""

import os

from mrcnn.data.images import PHOTO_ENDINGS

COCO_EXPORT = "export COCO 1.0 (instances JSON)"
LABELBOX = f"an export of Labelbox: convert it by Labelbox' own tools, or {COCO_EXPORT}"

# Keys at the top level of a file: (what it is, and what to export in its place).
OF_FILES = [
    ({"items", "categories"}, f"JSON of Datumaro: {COCO_EXPORT} in its place"),
    ({"imgHeight", "imgWidth", "objects"},
     f"a file of Cityscapes: give its folder of *_labelIds.png as label maps, or {COCO_EXPORT}"),
    ({"assets"}, f"JSON of VoTT: {COCO_EXPORT} from another tool, for it has none"),
    ({"asset"}, f"JSON of VoTT: {COCO_EXPORT} from another tool, for it has none"),
    ({"data_row", "projects"}, LABELBOX),
    ({"label_classes", "images"}, f"JSON of Hasty: {COCO_EXPORT} in its place"),
    ({"videos", "annotations"}, "JSON of YouTube-VIS, which is of films: make a COCO file of their frames, with images "
                                "in place of videos and an annotation a frame"),
    ({"filename", "annotations", "metadata"}, f"JSON of Dataloop, one file a photo: {COCO_EXPORT} by its converter"),
    ({"metadata", "instances"}, f"JSON of SuperAnnotate: {COCO_EXPORT} by its SDK"),
]
# Two keys, the second in what the first holds (an object, or the first of a list).
WITHIN_FILES = [
    ("dataset", "samples", f"a release of Segments.ai: {COCO_EXPORT} by its SDK (export_dataset, coco-instance)"),
    ("samples", "filepath", "JSON of FiftyOne: export as fo.types.COCODetectionDataset in its place"),
    ("objects", "layer", "JSON of ISAT: convert it to COCO by ISAT's own tool"),
]
# Keys of the first entry of a list, or of the first line of a file with an entry a line.
OF_ENTRIES = [
    ({"image_id", "category_id", "score"},
     "results of a network in COCO's form, not annotations: give the file of annotations"),
    ({"data_row"}, LABELBOX),
    ({"Labeled Data"}, LABELBOX),
    ({"label_hash", "data_units"}, f"JSON of Encord: {COCO_EXPORT} in its place"),
    ({"externalId", "labels"}, f"JSON of Kili: {COCO_EXPORT} in its place"),
    ({"task_id", "params", "response"}, "tasks of Scale, whose own JSON is all it exports: write a COCO file of them"),
    ({"source-ref"}, "a manifest of SageMaker Ground Truth: its masks are PNG files of colours: give their folder as "
                     "label maps, with the colours of internal-color-map in label_colors.txt"),
    ({"name", "labels"}, f"JSON of BDD100K or Scalabel: {COCO_EXPORT} in its place"),
]


def tool_of_file(content: dict) -> str | None:
    """What a JSON object is, of which tool, and what to export in its place; None for one that is not known."""
    keys = set(content)
    for first, second, text in WITHIN_FILES:
        inner = content.get(first)
        inner = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(inner, dict) and second in inner:
            return text
    return next((text for needed, text in OF_FILES if needed <= keys), None)


def tool_of_entries(first: dict) -> str | None:
    """The same of the first entry of a list, or of a file that has one a line."""
    return next((text for needed, text in OF_ENTRIES if needed <= set(first)), None)


def tool_of_table(columns: list[str]) -> str | None:
    """The same of the first line of a table, as a list of its columns."""
    names = {column.strip().lower() for column in columns}
    if {"annotation_id", "annotator", "lead_time"} <= names:
        return "a table of Label Studio: export JSON, or COCO with images, in its place"
    numbers = [column for column in columns[1:5] + columns[6:] if column.strip().lstrip("-").isdecimal()]
    if len(columns) == 8 and len(numbers) == 6 and os.path.splitext(columns[5])[1].lower() in PHOTO_ENDINGS:
        return ("makesense.ai's table of boxes, which cannot train masks: draw polygons, and export COCO JSON or VGG "
                "JSON")
    return None
