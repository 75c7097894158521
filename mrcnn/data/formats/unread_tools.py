"""JSON and tables of labelling tools that no reader takes, known by the keys that only they have.

A tool writes what it has of a photo as a file, as an entry of a list, as a line, under the name of the photo, or in a
list under some key: what is of one photo is known in all of these places.
"""

import itertools
import os
from collections.abc import Iterator

from mrcnn.data.images import PHOTO_ENDINGS

COCO_EXPORT = "export COCO 1.0 (instances JSON)"
ONLY_BOXES = "boxes alone cannot train masks: draw outlines and " + COCO_EXPORT
OWN_JSON = "whose own JSON is all it exports: write a COCO file of them"
LABELBOX = f"an export of Labelbox: convert it by Labelbox' own tools, or {COCO_EXPORT}"
DARWIN = f"JSON of V7 Darwin: {COCO_EXPORT} in its place"
DATALOOP = f"JSON of Dataloop, one file a photo: {COCO_EXPORT} by its converter"
ENCORD = f"JSON of Encord: {COCO_EXPORT} in its place"
FIFTYONE = "JSON of FiftyOne: export as fo.types.COCODetectionDataset in its place"
KILI = f"JSON of Kili: {COCO_EXPORT} in its place"
SEGMENTS = f"a release of Segments.ai: {COCO_EXPORT} by its SDK (export_dataset, coco-instance)"
SUPERANNOTATE = f"JSON of SuperAnnotate: {COCO_EXPORT} by its SDK"
VERTEX = f"of Google's AutoML or Vertex AI: {COCO_EXPORT} from where it was drawn, or write one of it"
VOTT = f"JSON of VoTT: {COCO_EXPORT} from another tool, for it has none"
GROUND_TRUTH = ("a manifest of SageMaker Ground Truth: its masks are PNG files of colours: give their folder as label "
                "maps, with the colours of internal-color-map in label_colors.txt")
CVAT_BACKUP = "CVAT's own backup: export CVAT for images 1.1, or COCO 1.0, in its place"
SCALABEL = f"JSON of BDD100K or Scalabel: {COCO_EXPORT} in its place"
GEOJSON = f"GeoJSON, as of QuPath and QGIS, which names no photos: {COCO_EXPORT}, or masks, in its place"
ADE20K = ("ADE20K's full release, whose objects are coded in colours, which is not read: give its SceneParsing release "
          "as label maps (annotations/, with objectInfo150.txt by --names), or make a COCO file of it")
IMAGEFOLDER = ("Hugging Face's ImageFolder with metadata, which is not read: make a COCO file of it, or a "
               "Parquet file that holds the photos too (a column image of bytes and path)")

# Keys of what a tool writes of one photo or object, which nobody else writes: known wherever it stands in a file.
OF_PHOTOS = [
    ({"label_hash", "data_units"}, ENCORD),
    ({"data_row", "projects"}, LABELBOX),
    ({"Labeled Data", "Label"}, LABELBOX),
    ({"dataRow", "schemaId"}, LABELBOX),
    ({"externalId", "labels"}, KILI),
    ({"externalId", "latestLabel"}, KILI),
    ({"external_id", "latest_label"}, KILI),
    ({"jsonResponse"}, KILI),
    ({"uuid", "attributes", "labels"}, SEGMENTS),
    ({"task_id", "params", "response"}, f"tasks of Scale, {OWN_JSON}"),
    ({"source-ref"}, GROUND_TRUTH),
    ({"datasetObjectId", "annotations"}, GROUND_TRUTH),
    ({"datasetObjectId", "consolidatedAnnotation"}, GROUND_TRUTH),
    ({"_input_hash", "_task_hash"}, f"tasks of Prodigy, {OWN_JSON}"),
    ({"image_url", "image_details"}, "JSON lines of Azure Machine Learning: export its labels as a COCO file"),
    ({"imageGcsUri"}, f"JSON lines {VERTEX}"),
    ({"image_gcs_uri"}, f"JSON lines {VERTEX}"),
    ({"filename", "annotations", "metadata"}, DATALOOP),
    ({"filename", "annotations", "datasetId"}, DATALOOP),
    ({"datasetId", "itemId", "coordinates"}, DATALOOP),
    ({"dataset", "image", "annotations"}, DARWIN),
    ({"schema_ref", "item", "annotations"}, DARWIN),
    ({"metadata", "instances"}, SUPERANNOTATE),
    ({"classId", "type", "attributes"}, SUPERANNOTATE),
    ({"className", "type", "attributes"}, SUPERANNOTATE),
    ({"name", "color", "attribute_groups"}, "SuperAnnotate's list of classes, and no annotations: give a COCO export"),
    ({"asset", "regions"}, VOTT),
    ({"class", "filename", "annotations"}, f"JSON of Sloth, {OWN_JSON}"),
    ({"version", "tags", "shapes", "tracks"}, CVAT_BACKUP),
    ({"name", "frames", "attributes"}, SCALABEL),
    ({"type", "geometry", "properties"}, GEOJSON),
]
# The same of keys that others may write too deeper in a file: known in the first entry of a list or line.
OF_ENTRIES = [
    ({"image_id", "category_id", "score"},
     "results of a network in COCO's form, not annotations: give the file of annotations"),
    ({"data_row"}, LABELBOX),
    ({"Labeled Data"}, LABELBOX),
    ({"item", "annotations"}, DARWIN),
    ({"name", "labels"}, SCALABEL),
]
# Keys at the top level of a file: (what it is, and what to export in its place).
OF_FILES = [
    ({"items", "categories"}, f"JSON of Datumaro: {COCO_EXPORT} in its place"),
    ({"imgHeight", "imgWidth", "objects"},
     f"a file of Cityscapes: give its folder of *_labelIds.png as label maps, or {COCO_EXPORT}"),
    ({"assets"}, VOTT),
    ({"asset"}, VOTT),
    ({"frames", "inputTags"}, VOTT),
    ({"label_classes", "images"}, f"JSON of Hasty: {COCO_EXPORT} in its place"),
    ({"videos", "annotations"}, "JSON of YouTube-VIS, which is of films: make a COCO file of their frames, with images "
                                "in place of videos and an annotation a frame"),
    ({"media_type", "sample_fields"}, FIFTYONE),
]
# Two keys, the second ones in what the first holds (an object, or the first of a list).
WITHIN_FILES = [
    ("dataset", {"samples"}, SEGMENTS),
    ("samples", {"filepath"}, FIFTYONE),
    ("frames", {"name", "labels"}, SCALABEL),
    ("objects", {"layer"}, "JSON of ISAT: convert it to COCO by ISAT's own tool"),
    ("objects", {"label", "polygon"}, f"a file of Mapillary Vistas: give its folder labels/ as label maps, or "
                                      f"{COCO_EXPORT}"),
    ("annotation", {"object", "imsize"}, ADE20K),
    ("annotation", {"object", "scene"}, ADE20K),
    ("features", {"geometry"}, GEOJSON),
]
LOOKED_AT = 20  # photos of a file, as the first may have nothing drawn on them
SHOWN_OF_ONE = 3  # entries of each


def tool_of_file(content: dict, deep: bool = True) -> str | None:
    """What a JSON object is, of which tool, and what to export in its place; None for one that is not known.

    Args:
        content: of the file.
        deep: whether what is of one photo is looked for in the object too; not where it may be a reader's yet.
    """
    found = _known(OF_FILES, content) or _known(OF_PHOTOS, content)
    if found:
        return found
    for first, second, text in WITHIN_FILES:
        inner = content.get(first)
        inner = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(inner, dict) and second <= inner.keys():
            return text
    classes, labels = content.get("classes"), content.get("labels")
    if isinstance(classes, list) and isinstance(labels, dict) and len(content) == 2:
        return FIFTYONE
    return next(filter(None, (_known(OF_PHOTOS, part) for part in _parts(content))), None) if deep else None


def tool_of_entries(first: dict) -> str | None:
    """The same of the first entry of a list, or of a file that has one a line."""
    return _known(OF_PHOTOS, first) or _known(OF_ENTRIES, first)


def _known(forms, content):
    return next((text for needed, text in forms if needed <= content.keys()), None)


def _parts(content: dict) -> Iterator[dict]:
    """The objects in an object and in its lists, some of the first ones."""
    for value in itertools.islice(content.values(), LOOKED_AT):
        parts = value[:SHOWN_OF_ONE] if isinstance(value, list) else [value]
        yield from (part for part in parts if isinstance(part, dict))


def tool_of_table(columns: list[str]) -> str | None:
    """The same of the first line of a table, as a list of its columns."""
    names = {column.strip().lower() for column in columns}
    if {"annotation_id", "annotator", "lead_time"} <= names:
        return "a table of Label Studio: export JSON, or COCO with images, in its place"
    if {"labeled data", "label"} <= names:
        return LABELBOX
    if any(column.strip().startswith("gs://") for column in columns):
        return f"a table {VERTEX}"
    if columns and (columns[0].startswith("# Exported using VGG Image Annotator") or
                    {"file_list", "spatial_coordinates"} <= names):
        return "the CSV of VGG Image Annotator 3: give the project in its place (Save), a JSON file"
    numbers = [column for column in columns[1:5] + columns[6:] if column.strip().lstrip("-").isdecimal()]
    if len(columns) == 8 and len(numbers) == 6 and os.path.splitext(columns[5])[1].lower() in PHOTO_ENDINGS:
        return ("makesense.ai's table of boxes, which cannot train masks: draw polygons, and export COCO JSON or VGG "
                "JSON")
    return None
