"""What annotations are that no reader takes: forms known by name, with the export to choose in their place, or why not.

A form that is known but not read is told in one line that names it and what to do. For all else each reader says why
the annotations are none of its own, the nearest first.
"""

import csv
import functools
import io
import json
import os
import re

from mrcnn.data.formats import label_files, label_mapping
from mrcnn.data.formats.imaterialist_rows import DELIMITERS
from mrcnn.data.formats.unread_tools import (
    ADE20K,
    COCO_EXPORT,
    DARWIN,
    IMAGEFOLDER,
    ONLY_BOXES,
    tool_of_entries,
    tool_of_file,
    tool_of_table,
)
from mrcnn.data.formats.voc_layout import find_root
from mrcnn.data.images import PHOTO_ENDINGS
from mrcnn.errors import DataError
from mrcnn.files import printable
from mrcnn.text_files import SAVE_ANEW, as_utf8, long_fields, open_text, why_no_text, wide_encoding

HEAD = 1 << 20  # bytes of a file that are looked at
SHOWN = 40  # letters of a name in a message
FILES_SEEN = 3  # of a folder, as the first may be no annotations
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".txz", ".zst")
TABLES = (".arrow", ".tfrecord", ".tfrecords", ".tfrec", ".record", ".feather", ".pkl", ".mdb")
SHARD = re.compile(r"[-.]\d+-of-\d+$")  # behind the ending of a part, as .tfrecord-00000-of-00010
NO_LETTERS = re.compile("[\x00-\x06\x0e-\x19]")  # that no text has
BEGINNING = 1 << 12  # characters that tell a text from other files
IMAGEFOLDERS = ("metadata.jsonl", "metadata.csv")
BRUSH_PNG = re.compile(r"task-\d+-annotation-\d+-by-.*\.png")  # Label Studio's "Brush labels to PNG"
YOLO_LINE = re.compile(r"\d+(\s+-?\d+(\.\d+)?([eE]-?\d+)?){4,}\s*")
YOLO_FOLDER = "give the data.yaml, or the folder of these files with the names of the classes by --names"


def unread_form(path: str | os.PathLike, before_readers: bool = False) -> str | None:
    """What annotations are that no reader takes.

    Args:
        path: of a file or folder
        before_readers: whether the readers were not asked yet: a folder then is of a form only if most of its files
            look so, for one foreign file among others is a reader's to tell

    Returns:
        A sentence that names the form and the remedy; None for a form that is not known.
    """
    form = _unread_folder(path, before_readers) if os.path.isdir(path) else _unread_file(path)
    return None if form is None else printable(form, one_line=True)


def _unread_file(path):
    ending = _ending(path)
    if ending in ARCHIVES:
        return "no readable ZIP or TAR, which are read as they are: unpack it, and give the file or folder in it"
    if ending in TABLES:
        return f"a file of arrays or tables ({ending}), which is not read: {COCO_EXPORT} from where it came"
    if ending in PHOTO_ENDINGS:
        return "a picture: label maps are given by their folder, and annotations by their file"
    head = _head(path)
    if os.path.basename(path).lower() in IMAGEFOLDERS and "file_name" in head.partition("\n")[0]:
        return IMAGEFOLDER
    if _is_binary(head):
        return None
    if ending == ".xml" or head.lstrip().startswith(("<?xml", "<annotation")):
        return _unread_xml(path)
    if head.lstrip()[:1] in ("{", "["):
        return _unread_json(path)
    if ending in (".yaml", ".yml"):
        return "a file of settings that is no data.yaml of YOLO: that has train or val, and the names of the classes"
    form = _unread_text(path) if ending == ".txt" else _unread_table(head)
    wide = wide_encoding(path)
    return form or (f"a text in {wide}, as PowerShell and Excel write: {SAVE_ANEW}" if wide else None)


def _ending(path):
    """The ending of a name in small letters, also of a part of several."""
    return os.path.splitext(SHARD.sub("", os.fspath(path)))[1].lower()


def _is_binary(head):
    return NO_LETTERS.search(head[:BEGINNING]) is not None


def _head(path):
    try:
        with open(path, "rb") as file:
            return as_utf8(file.read(HEAD)).decode("utf-8", "replace")
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
    if _is_ade20k(path, files):
        return "a folder of " + ADE20K
    brushed = [name for name in files if BRUSH_PNG.fullmatch(name)]
    if 2 * len(brushed) > len(files):
        return (f"a folder of {len(brushed)} masks of Label Studio's brush as PNG, which name the task and the class, "
                "not the photo: export JSON, or COCO with images, in its place")
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
    tables = [name for name in others if _ending(name) in TABLES]
    if 2 * len(tables) > len(others) and not before_readers:
        return (f"a folder of {len(tables)} {_ending(tables[0])} files, arrays or tables that are not read: "
                f"{COCO_EXPORT} from where they came")
    if not before_readers and any(_unread_file(os.path.join(path, name)) == IMAGEFOLDER for name in files
                                  if name in IMAGEFOLDERS):
        return IMAGEFOLDER
    pictures = [name for name in files if name.lower().endswith(PHOTO_ENDINGS)]
    if pictures and len(pictures) == len(files):
        jpegs = sum(name.lower().endswith((".jpg", ".jpeg", ".jfif", ".jpe")) for name in pictures)
        if jpegs == len(pictures):
            return (f"a folder of {jpegs} JPEG files: photos without annotations, whose file belongs here and their "
                    "folder to --images; or label maps, which JPEG blurs: save these as PNG")
    return None


def _is_ade20k(path, files):
    """Whether a folder has ADE20K's objects in colours, x_seg.png, with x_atr.txt of 2016 or x.json of 2021."""
    stem = next((name[:-len("_seg.png")] for name in files if name.endswith("_seg.png")), None)
    if stem is None:
        return False
    return f"{stem}_atr.txt" in files or (
        f"{stem}.json" in files and _unread_json(os.path.join(path, f"{stem}.json"), deep=False) == ADE20K)


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


def _unread_json(path, deep=True):
    """deep: as `tool_of_file` has it"""
    try:
        with open_text(path) as file:
            content = json.load(file)
    except (OSError, ValueError, RecursionError):
        try:  # a JSON object a line
            content = [json.loads(line) for line in _head(path).splitlines()[:1]]
        except (ValueError, RecursionError):
            return None
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, dict):
        return None
    if first.get("type") == "dataset" and "task" in first:
        return "NDJSON of Ultralytics' platform: export YOLO, or " + COCO_EXPORT + " in its place"
    if "image" in first and _has_boxes(first, content is first):
        return "JSON of CreateML, which is boxes: " + ONLY_BOXES
    return _unread_object(content, deep) if content is first else tool_of_entries(first)


def _has_boxes(entry, alone):
    """Whether an entry is of CreateML. alone: it is the whole file, of which others have the same keys"""
    shapes = entry.get("annotations")
    if not isinstance(shapes, list) or not alone:
        return isinstance(shapes, list) and not {"dataset", "item"} & entry.keys()
    return bool(shapes) and isinstance(shapes[0], dict) and {"label", "coordinates"} <= shapes[0].keys()


def _unread_object(content, deep):
    if "_via_img_metadata" in content or _is_of_via(content):
        return ("annotations of VIA, which are given by their file: bring the photos together in one project (VIA: "
                "Annotation, Import), and give what that saves")
    annotations = content.get("annotations")
    first = annotations[0] if isinstance(annotations, list) and annotations else None
    if isinstance(first, dict) and "segments_info" in first:
        return PANOPTIC
    keys = set(content)
    if "item" in keys and isinstance(annotations, list) and "images" not in keys:
        return DARWIN
    if "image" in keys and isinstance(first, dict) and {"predicted_iou", "crop_box"} & first.keys():
        return ("a file of SA-1B, whose masks have no class: bring its annotations together in one COCO file, with "
                "images and a category")
    return tool_of_file(content, deep)


def _is_of_via(content):
    first = next(iter(content.values()), None)
    return isinstance(first, dict) and isinstance(first.get("filename"), str) and "regions" in first


# What the files of a folder may be, if half of them or more have one ending.
FOLDERS = {".xml": _unread_xml, ".json": functools.partial(_unread_json, deep=False)}
PANOPTIC = ("COCO's panoptic form (segments_info), whose masks are PNG files: leave --format out, or give "
            "coco_panoptic")


def _unread_table(head):
    line = head.partition("\n")[0]
    for delimiter in DELIMITERS:
        try:
            with long_fields():
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
    return printable("; ".join(reason for _, reason in sorted(reasons, key=lambda pair: -pair[0])), one_line=True)


def _file_reasons(path):
    """list of (nearness, reason)."""
    ending, head = os.path.splitext(path)[1].lower(), _head(path)
    if not head.strip():
        return [(1, "the file is empty")]
    if _is_binary(head):
        return [(1, f"it is no text, and of no kind that is known: {COCO_EXPORT} from where it came")]
    reasons = []
    if head.lstrip()[:1] in ("{", "["):
        try:
            with open_text(path) as file:
                content = json.load(file)
        except (OSError, ValueError, RecursionError) as error:
            return [(3, f"no JSON ({why_no_text(error)})")]
        keys = list(content) if isinstance(content, dict) else []
        shown = ", ".join(repr(key[:SHOWN]) for key in keys[:6])
        has = f"it has {shown}" if keys else f"it is a {type(content).__name__}"
        near = len({"images", "annotations", "categories"} & set(keys))
        reasons.append((2 + near, f"no COCO: its top level needs images and annotations, {has}"))
        near = len({"shapes", "imagePath"} & set(keys))
        reasons.append((1.9 + near, "no LabelMe: it needs shapes and imagePath"))
        reasons.append((1.8, "no VIA: it needs an entry with filename and regions for each photo"))
        return reasons
    columns = [column.strip(' "') for column in re.split("[,;\t]", head.partition("\n")[0])]
    shown = ", ".join(column[:SHOWN] for column in columns[:6])
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
