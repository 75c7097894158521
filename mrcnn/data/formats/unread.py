"""What annotations are that no reader takes: forms known by name, with the export to choose in their place, or why not.

A form that is known but not read is told in one line that names it and what to do. For all else each reader says why
the annotations are none of its own, the nearest first.
"""

import csv
import io
import json
import os
import re

from mrcnn.data.formats import label_files, label_mapping
from mrcnn.data.formats.imaterialist_rows import DELIMITERS
from mrcnn.data.formats.unread_tools import COCO_EXPORT, tool_of_entries, tool_of_file, tool_of_table
from mrcnn.data.formats.voc_layout import find_root
from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.errors import DataError

HEAD = 1 << 20  # bytes of a file that are looked at
FILES_SEEN = 3  # of a folder, as the first may be no annotations
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".txz", ".zst")
TABLES = (".arrow", ".tfrecord", ".tfrecords", ".record", ".feather", ".pkl")
YOLO_LINE = re.compile(r"\d+(\s+-?\d+(\.\d+)?([eE]-?\d+)?){4,}\s*")
YOLO_FOLDER = "give the data.yaml, or the folder of these files with the names of the classes by --names"
ONLY_BOXES = "boxes alone cannot train masks: draw outlines and " + COCO_EXPORT


def unread_form(path: str | os.PathLike, before_readers: bool = False) -> str | None:
    """What annotations are that no reader takes.

    Args:
        path: of a file or folder
        before_readers: whether the readers were not asked yet: a folder then is of a form only if most of its files
            look so, for one foreign file among others is a reader's to tell

    Returns:
        A sentence that names the form and the remedy; None for a form that is not known.
    """
    if os.path.isdir(path):
        return _unread_folder(path, before_readers)
    ending = os.path.splitext(path)[1].lower()
    if ending in ARCHIVES:
        return "no readable ZIP or TAR, which are read as they are: unpack it, and give the file or folder in it"
    if ending in TABLES:
        return f"a file of arrays or tables ({ending}), which is not read: {COCO_EXPORT} from where it came"
    if ending in PHOTO_ENDINGS:
        return "a picture: label maps are given by their folder, and annotations by their file"
    head = _head(path)
    if ending == ".xml" or head.lstrip().startswith(("<?xml", "<annotation")):
        return _unread_xml(path)
    if head.lstrip()[:1] in ("{", "["):
        return _unread_json(path)
    if ending in (".yaml", ".yml"):
        return "a file of settings that is no data.yaml of YOLO: that has train or val, and the names of the classes"
    return _unread_text(path) if ending == ".txt" else _unread_table(head)


def _head(path):
    try:
        with open(path, "rb") as file:
            return file.read(HEAD).decode("utf-8-sig", "replace")
    except OSError:
        return ""


# --- Forms -----------------------------------------------------------------------------------------------------------


def _unread_folder(path, before_readers):
    names = sorted(os.listdir(path))
    here = os.path.basename(os.path.abspath(path))
    if (here == "SegmentationObject" or "SegmentationObject" in names) and not find_root(path):
        return ("PASCAL VOC's masks of objects (SegmentationObject), which number objects without their class: put the "
                "folder SegmentationClass beside it, or " + COCO_EXPORT)
    if "dataset_dict.json" in names or "state.json" in names:
        return ("a data set of Hugging Face in Arrow's files, which are not read: load it by load_from_disk, and "
                'write each part by to_parquet("train.parquet")')
    files = [name for name in names if os.path.isfile(os.path.join(path, name)) and not name.startswith(".")]
    others = [name for name in files if not name.lower().endswith(PHOTO_ENDINGS)]
    for ending, look in FOLDERS.items():
        alike = [name for name in files if name.lower().endswith(ending)]
        if not alike or len(alike) < len(files) / 2 or (before_readers and 2 * len(alike) <= len(others)):
            continue
        seen = alike[:FILES_SEEN]
        forms = {name: form for name in seen if (form := look(os.path.join(path, name)))}
        if forms and (len(forms) == len(seen) or not before_readers):
            name, form = next(iter(forms.items()))
            which = "the first of them" if name == alike[0] else f"{name} of them"
            return f"a folder of {len(alike)} {ending} files, {which} {form}"
    pictures = [name for name in files if name.lower().endswith(PHOTO_ENDINGS)]
    if pictures and len(pictures) == len(files):
        jpegs = sum(name.lower().endswith((".jpg", ".jpeg", ".jfif", ".jpe")) for name in pictures)
        if jpegs == len(pictures):
            return (f"a folder of {jpegs} JPEG files: photos without annotations, whose file belongs here and their "
                    "folder to --images; or label maps, which JPEG blurs: save these as PNG")
    return None


def _unread_text(path):
    lines = [line for line in _head(path).splitlines() if line.strip()]
    if not lines or not all(map(YOLO_LINE.fullmatch, lines)):
        return None
    if all(len(line.split()) == 5 for line in lines):
        return f"labels of YOLO, which are boxes: {YOLO_FOLDER}; {ONLY_BOXES}"
    return f"outlines of YOLO, of one photo: {YOLO_FOLDER}"


def _unread_xml(path):
    head = _head(path)
    if re.search(r"<annotations[\s>]", head):
        return None  # of CVAT, which is read: also where a folder has nothing else
    if "<polygon>" in head and "<pt" in head:
        return f"XML of the LabelMe web page: {COCO_EXPORT}, or JSON of LabelMe 4 or 5, in its place"
    if "<bndbox" in head:
        return "PASCAL VOC's XML of boxes: " + ONLY_BOXES
    return f"XML, which is not read: {COCO_EXPORT} in its place"


def _unread_json(path):
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file)
    except (OSError, ValueError, RecursionError):
        try:  # a JSON object a line
            content = [json.loads(line) for line in _head(path).splitlines()[:1]]
        except (ValueError, RecursionError):
            return None
        if content and isinstance(content[0], dict) and content[0].get("type") == "dataset" and "task" in content[0]:
            return "NDJSON of Ultralytics' platform: export YOLO, or " + COCO_EXPORT + " in its place"
    first = content[0] if isinstance(content, list) and content else None
    if isinstance(first, dict):
        return _unread_list(first)
    if not isinstance(content, dict):
        return None
    if "_via_img_metadata" in content or _is_of_via(content):
        return ("annotations of VIA, which are given by their file: bring the photos together in one project (VIA: "
                "Annotation, Import), and give what that saves")
    annotations = content.get("annotations")
    first = annotations[0] if isinstance(annotations, list) and annotations else None
    if isinstance(first, dict) and "segments_info" in first:
        return PANOPTIC
    keys = set(content)
    if "item" in keys and isinstance(annotations, list) and "images" not in keys:
        return f"JSON of V7 Darwin: {COCO_EXPORT} in its place"
    if "image" in keys and isinstance(first, dict) and {"predicted_iou", "crop_box"} & first.keys():
        return ("a file of SA-1B, whose masks have no class: bring its annotations together in one COCO file, with "
                "images and a category")
    return tool_of_file(content)


def _is_of_via(content):
    first = next(iter(content.values()), None)
    return isinstance(first, dict) and isinstance(first.get("filename"), str) and "regions" in first


# What the files of a folder may be, if half of them or more have one ending.
FOLDERS = {".xml": _unread_xml, ".json": _unread_json}
PANOPTIC = ("COCO's panoptic form (segments_info), whose masks are PNG files: leave --format out, or give "
            "coco_panoptic")


def _unread_list(first):
    if "image" in first and isinstance(first.get("annotations"), list):
        return "JSON of CreateML, which is boxes: " + ONLY_BOXES
    return tool_of_entries(first)


def _unread_table(head):
    line = head.partition("\n")[0]
    for delimiter in DELIMITERS:
        try:
            columns = next(csv.reader(io.StringIO(line), delimiter=delimiter.decode()), [])
        except csv.Error:  # a carriage return within the line
            continue
        names = {column.strip().lower() for column in columns}
        if {"xmin", "ymin", "xmax", "ymax"} <= names:
            return "a table of boxes: " + ONLY_BOXES
        tool = tool_of_table(columns)
        if tool:
            return tool
    return None


# --- Why not ---------------------------------------------------------------------------------------------------------


def why_not(path: str | os.PathLike) -> str:
    """Why annotations are of none of the formats, the nearest first, in one sentence."""
    reasons = _folder_reasons(path) if os.path.isdir(path) else _file_reasons(path)
    return "; ".join(reason for _, reason in sorted(reasons, key=lambda pair: -pair[0]))


def _file_reasons(path):
    """list of (nearness, reason)."""
    ending, head = os.path.splitext(path)[1].lower(), _head(path)
    if not head.strip():
        return [(1, "the file is empty")]
    reasons = []
    if head.lstrip()[:1] in ("{", "["):
        try:
            with open(path, encoding="utf-8-sig") as file:
                content = json.load(file)
        except (OSError, ValueError, RecursionError) as error:
            return [(3, f"no JSON ({error})")]
        keys = list(content) if isinstance(content, dict) else []
        has = f"it has {', '.join(map(repr, keys[:6]))}" if keys else f"it is a {type(content).__name__}"
        near = len({"images", "annotations", "categories"} & set(keys))
        reasons.append((2 + near, f"no COCO: its top level needs images and annotations, {has}"))
        near = len({"shapes", "imagePath"} & set(keys))
        reasons.append((1.9 + near, "no LabelMe: it needs shapes and imagePath"))
        reasons.append((1.8, "no VIA: it needs an entry with filename and regions for each photo"))
        return reasons
    columns = [column.strip(' "') for column in re.split("[,;\t]", head.partition("\n")[0])]
    shown = ", ".join(columns[:6])
    near = len({"ImageId", "EncodedPixels", "ClassId", "ImageId_ClassId", "Image_Label"} & set(columns))
    need = "EncodedPixels and ImageId (or ImageId_ClassId, Image_Label)"
    is_table = ending in (".csv", ".tsv")
    reasons.append((2 * is_table + near, f"no CSV of run lengths: its first line needs {need}, it has {shown}"))
    reasons.append((1.5 * is_table, "no CSV of VIA: its first line needs filename and region_shape_attributes"))
    reasons.append((0.1, "no JSON"))
    return reasons


def _folder_reasons(path):
    """list of (nearness, reason)."""
    names = sorted(os.listdir(path))
    files = [name for name in names if os.path.isfile(os.path.join(path, name)) and not name.startswith(".")]
    maps = [name for name in files if name.lower().endswith(label_files.MAP_ENDINGS)]
    jsons = [name for name in files if name.lower().endswith(".json")]
    tables = [name for name in files if name.lower().endswith((".json", ".csv"))]
    reasons = []
    if not names:
        return [(1, "the folder is empty")]
    if not maps:
        pictures = [name for name in files if name.lower().endswith(PHOTO_ENDINGS)]
        named = pictures and label_mapping.find_names(path)
        why = f", and {pictures[0]} is no PNG, in which labels stay exact: save it so" if named else ""
        reasons.append((4 if named else 0.3, f"no label maps: it has no PNG and no .mat file{why}"))
    else:
        try:
            label_files.few_labels(os.path.join(path, maps[0]), bool(label_mapping.find_names(path)))
            why = f"{maps[0]} has many values or colours, as a photo has"
            wanted = f"beside them ({label_mapping.NAMES_FILES[0]}, label_colors.txt) or by --names"
            reasons.append((3, f"no label maps: {why}: if they are some, give --format label_maps and a file of names, "
                            f"{wanted}"))
        except DataError as error:
            reasons.append((3, f"no label maps: {str(error).rstrip('.')}"))
    if jsons:
        reasons.append((2, f"no LabelMe: {jsons[0]} needs shapes and imagePath"))
    layout = "NAME/images and NAME/masks, or PNGImages and PedMasks"
    near = sum(name.lower() in ("images", "masks", "pngimages", "pedmasks") for name in names)
    reasons.append((0.5 + 2 * near, f"no instance masks: it needs {layout}"))
    if tables:
        reasons.append((3.5, f"COCO, VIA and CSVs are given by their file: {tables[0]}"))
    return reasons
