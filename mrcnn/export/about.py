"""The JSON file beside an exported file: whether it says all that is read, and which file it was written for.

Two trainings of one network give files of the same shapes and the same size, and with the other's JSON file one would
give other names of classes. So the JSON file has size and SHA-256 of each file that holds graph or weights.
"""

import math
import os

from mrcnn.errors import ExportError
from mrcnn.outputs import digest

GRAPH, WEIGHTS = "graph", "weights"  # whatever the files are called: they may be renamed
SAVED, VARIABLES = "saved_model.pb", "variables"  # file and folder that a SavedModel's folder has
REMEDY = ("put its own JSON file beside it, or export it again; of a file that was changed on purpose take "
          "\"files\" out of the JSON file")
GIVEN = {"image": ("uint8", "float32"), "window": ("float32",)}  # input: types that it may have
# What is in the JSON file for programs, and again in the settings for this one: {part: setting}.
TWICE = {"mask_scores": "MASK_SCORES", "geometry": "GEOMETRY", "mean_pixel": "MEAN_PIXEL",
         "attribute_names": "ATTRIBUTES", "thresholds.score": "DETECTION_MIN_CONFIDENCE",
         "thresholds.overlap": "DETECTION_NMS_THRESHOLD", "thresholds.attribute": "ATTRIBUTE_MIN_CONFIDENCE"}


# --- Which file it was written for -----------------------------------------------------------------------------------


def weights_of(path: str) -> str:
    """The path of the weights of an OpenVINO file.

    Args:
        path: NAME.xml.

    Returns:
        NAME.bin.

    Raises:
        ExportError: the path has another ending.
    """
    stem, ending = os.path.splitext(path)
    if ending != ".xml":
        raise ExportError(f"{path}: an OpenVINO file is NAME.xml, with its weights in NAME.bin: give such a path.")
    return f"{stem}.bin"


def files_of(path: str | tuple[str, str], format: str) -> dict[str, str]:
    """The files that hold graph and weights of an exported file.

    Args:
        path: of the file, or of the folder of a SavedModel; of OpenVINO also the paths of graph and weights.
        format: of the file.

    Returns:
        {name that renaming does not change: path}. Of a SavedModel's folder what a server or a user adds is left out.

    Raises:
        ExportError: an OpenVINO file has another ending.
    """
    if format == "openvino":
        graph, weights = (path, weights_of(path)) if isinstance(path, str) else path
        return {GRAPH: graph, WEIGHTS: weights}
    if format != "savedmodel":
        return {GRAPH: path}
    inner = os.path.join(path, VARIABLES)
    names = sorted(os.listdir(inner)) if os.path.isdir(inner) else []
    return {SAVED: os.path.join(path, SAVED), **{f"{VARIABLES}/{name}": os.path.join(inner, name) for name in names}}


def identity(path: str | tuple[str, str], format: str) -> dict[str, dict]:
    """What the JSON file says of the files that it is written for.

    Args:
        path, format: as for `files_of`.

    Returns:
        {name: {"bytes", "sha256"}}.
    """
    return {name: {"bytes": os.path.getsize(each), "sha256": digest(each)}
            for name, each in files_of(path, format).items()}


def check_sizes(path: str, about: dict) -> None:
    """Raise ExportError unless an exported file has the size that its JSON file was written for.

    Args:
        path: of the file.
        about: what its JSON file holds; one of before this version says nothing of its file.
    """
    for each, wanted in _promised(path, about):
        size = os.path.getsize(each)
        if size != wanted["bytes"]:
            raise _other(path, f"{each} has {size} bytes, and {wanted['bytes']} are promised")


def check_content(path: str, about: dict) -> None:
    """Raise ExportError unless an exported file has the content that its JSON file was written for.

    It reads the whole file: a second for 1 GB.

    Args:
        path, about: as for `check_sizes`.
    """
    for each, wanted in _promised(path, about):
        if digest(each) != wanted["sha256"]:
            raise _other(path, f"{each} has another content")


def _promised(path, about):
    """(path of a file, {"bytes", "sha256"}) of all that the JSON file names. Raises ExportError where one is missing.
    """
    named = about.get("files", {})
    files = files_of(path, about["format"]) if named else {}
    for name, wanted in named.items():
        if not os.path.isfile(files.get(name, "")):
            raise _other(path, f"{files.get(name, name)} is missing")
        yield files[name], wanted


def _other(path, reason):
    return ExportError(f"{path} is not the file that {path}.json was written for ({reason}): {REMEDY}.")


# --- What it says ----------------------------------------------------------------------------------------------------


def check_parts(about: dict, beside: str) -> None:
    """Raise ExportError unless a JSON file holds all that is read of it, and its parts agree.

    Args:
        about: what it holds; `format`, `inputs` and `settings` have been looked at.
        beside: its path, for messages.
    """
    for part, (fits, wanted) in _parts_of(about).items():
        value, there = _part(about, part)
        if not there and part in OPTIONAL:
            continue
        if not there or not fits(value):
            said = f"{part} is {_short(value)}, and not {wanted}" if there else f"it has no {part}"
            raise ExportError(f"{beside} does not describe its file: {said}; put back the JSON file that export wrote, "
                              "or export the checkpoint again.")
    clash = next(_clashes(about), None)
    if clash:
        raise ExportError(f"{beside} contradicts itself: {clash}; put back the JSON file that export wrote, or export "
                          "the checkpoint again.")


def _parts_of(about):
    """{part, with dots: (function that tells whether a value will do, what it has to be)} of what is read."""
    objects = "boxes" in about["outputs"] if isinstance(about.get("outputs"), dict) else False
    parts = {
        "architecture": (_is_text, "a name"),
        "inputs": (lambda value: set(value) <= set(GIVEN), "image, or image and window"),
        "inputs.image.shape": (_is_image, "[photos, height, width, channels]"),
        "outputs": (_is_outputs, "names with what they are, boxes or probabilities among them"),
        "class_names": (_is_names, "a list of two names or more"),
        "canvas": (_is_canvas, "height and width, both whole numbers above 0 or both null"),
        "resize.min_side": (_is_number, "a number"),
        "resize.min_scale": (_is_number, "a number"),
        "resize.max_side": (lambda value: value is None or _is_number(value), "a number or null"),
        "label_settings": (lambda value: isinstance(value, dict), "settings by name"),
        "files": (_is_files, "bytes and sha256 of each file"),
    }
    for name, types in GIVEN.items():
        if name in about["inputs"] or name == "image":
            parts[f"inputs.{name}.dtype"] = (lambda value, types=types: value in types, " or ".join(types))
    if objects:
        parts["thresholds.score"] = parts["thresholds.attribute"] = (_is_number, "a number")
    return parts


OPTIONAL = ("label_settings", "files", "thresholds.attribute")  # the last two not in files of before this version


def _clashes(about):
    """What disagrees within a JSON file, in words."""
    settings, classes = about["settings"], len(about["class_names"])
    for part, name in TWICE.items():
        value, there = _part(about, part)
        if there and name in settings and settings[name] != value:
            yield f"{part} is {_short(value)}, and {name} in settings {_short(settings[name])}"
    sides = [about["canvas"]["height"], about["canvas"]["width"]]
    if about["inputs"]["image"]["shape"][1:3] != sides:
        yield f"canvas is {sides}, and the shape of image {about['inputs']['image']['shape']}"
    counted = {"NUM_CLASSES in settings": settings.get("NUM_CLASSES")}
    shape = about["outputs"].get("probabilities", {}).get("shape")
    if isinstance(shape, list) and shape:
        counted["the last side of probabilities"] = shape[-1]
    for where, count in counted.items():
        if count not in (None, classes):
            yield f"class_names has {classes} names, and {where} is {_short(count)}"


def _part(about, part):
    """(what is in a part, as a.b for b in a; whether it is there)."""
    value = about
    for name in part.split("."):
        if not isinstance(value, dict) or name not in value:
            return None, False
        value = value[name]
    return value, True


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _is_text(value):
    return isinstance(value, str) and bool(value)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_names(value):
    return isinstance(value, list) and len(value) > 1 and all(map(_is_text, value))


def _is_sides(sides):
    return all(map(_is_count, sides)) or all(side is None for side in sides)


def _is_image(value):
    return (isinstance(value, list) and len(value) == 4 and _is_count(value[0]) and _is_count(value[3])
            and _is_sides(value[1:3]))


def _is_canvas(value):
    return isinstance(value, dict) and {"height", "width"} <= set(value) and _is_sides(
        [value["height"], value["width"]])


def _is_outputs(value):
    return (isinstance(value, dict) and ("boxes" in value) != ("probabilities" in value)
            and all(isinstance(each, dict) for each in value.values()))


def _is_files(value):
    return isinstance(value, dict) and all(
        isinstance(each, dict) and _is_whole(each.get("bytes")) and _is_text(each.get("sha256"))
        for each in value.values())


def _is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)
