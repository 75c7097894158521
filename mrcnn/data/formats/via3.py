"""Projects of VIA 3 as those of its earlier versions: a project shows files in views, which have the regions.

A region is [number of its shape, numbers ...] in pixels of the file. Its attributes are kept by their ids, and of those
that are chosen from options the ids of what was chosen.
"""

import re

from mrcnn.data.formats.label_studio import address_path

IMAGE, LOCAL, INLINE = 2, 1, 4  # kinds and places of files
CHECKBOX, TEXT = 2, 1  # kinds of attributes
POINT, RECT, CIRCLE, ELLIPSE, LINE, POLYLINE, POLYGON, EXTREME_RECT, EXTREME_CIRCLE = range(1, 10)
# Number of a shape: (name in versions 1 and 2, names of its numbers).
SHAPES = {
    POINT: ("point", ("cx", "cy")),
    RECT: ("rect", ("x", "y", "width", "height")),
    CIRCLE: ("circle", ("cx", "cy", "r")),
    ELLIPSE: ("ellipse", ("cx", "cy", "rx", "ry")),
}
OUTLINES = {LINE: "line", POLYLINE: "polyline", POLYGON: "polygon"}
DRIVE = re.compile(r"^[A-Za-z]:/+")


def shows_project(keys: list[set[str]]) -> bool:
    """Whether the beginning of a file looks like a project. keys: names at its first two depths, by depth."""
    top = keys[1]
    if not {"project", "config"} <= top and not {"project", "attribute"} <= top:
        return False
    return bool({"vid_list", "data_format_version", "pid"} & keys[2])


def is_project(content: object) -> bool:
    """Whether the content of a JSON file is a project of VIA 3."""
    parts = [content.get(key) for key in ("project", "file", "view", "metadata")] if isinstance(content, dict) else [0]
    return all(isinstance(part, dict) for part in parts)


def entries_of(content: dict) -> tuple[list[dict], dict[str, list[str]]]:
    """The photos of a project, as `via_files.read_entries` gives those of the earlier versions.

    Args:
        content: of the project's file, of which `is_project` holds
    """
    attributes, options = _attributes(content.get("attribute"))
    shown, pairs = _views(content["view"])
    strays = {}
    regions = {fid: [] for fid in content["file"]}
    for entry in content["metadata"].values():
        view = str(entry.get("vid")) if isinstance(entry, dict) else None
        if not _is_region(entry):
            continue  # it tells of a file as a whole, or of a part of a video's or sound's time
        if view in shown and shown[view] in regions:
            shape = {"shape_attributes": _shape(entry["xy"]), "region_attributes": _answers(entry, attributes)}
            regions[shown[view]].append(shape)
        elif view in pairs:
            pairs[view] += 1
        else:
            strays[view] = strays.get(view, 0) + 1
    entries = [_photo(fid, file, regions[fid]) for fid, file in content["file"].items()]
    for view, count in pairs.items():
        if count:
            trouble = f"{count} regions in a view of several files are of none of them: draw them in views of one file"
            entries.append({"filename": f"view {view}", "regions": [], "trouble": trouble})
    for view, count in strays.items():
        trouble = f"{count} regions in a view that shows no file of the project: draw them again, or remove them"
        entries.append({"filename": f"view {view[:40]}", "regions": [], "trouble": trouble})
    return entries, options


def _views(views):
    """({id of a view: id of the one file that it shows}; {id of a view of several files: 0})."""
    shown, pairs = {}, {}
    for vid, view in views.items():
        fids = view.get("fid_list") if isinstance(view, dict) else None
        fids = [str(fid) for fid in fids] if isinstance(fids, list) else []
        if len(fids) == 1:
            shown[vid] = fids[0]
        elif fids:
            pairs[vid] = 0
    return shown, pairs


def _is_region(entry):
    return isinstance(entry, dict) and isinstance(entry.get("xy"), list) and len(entry["xy"]) > 1


def _photo(fid, file, regions):
    """The entry of a file."""
    file = file if isinstance(file, dict) else {}
    given = [text for text in (file.get("fname"), file.get("src")) if isinstance(text, str) and text.strip()]
    given = [text for text in given if not text.startswith("data:")]
    name = given[0] if given else f"file {fid}"
    entry = {"filename": name, "regions": regions}
    if not given:
        entry["trouble"] = "the file has no name"
    elif file.get("type") not in (IMAGE, str(IMAGE), None):
        entry["trouble"] = "it is a video or a sound: save its frames as photos"
    elif file.get("loc") not in (LOCAL, str(LOCAL)):
        entry["filename"] = DRIVE.sub("", address_path(name)) or name
    return entry


# --- Attributes ------------------------------------------------------------------------------------------------------


def _attributes(given):
    """({id: (name, kind, {id of an option: name})} of the attributes; {name: options} of those of regions)."""
    attributes, options = {}, {}
    for key, one in given.items() if isinstance(given, dict) else ():
        if isinstance(one, dict):
            name = str(one.get("aname", key)).strip() or key
            choices = one.get("options")
            choices = {str(i): str(text) for i, text in choices.items()} if isinstance(choices, dict) else {}
            attributes[key] = name, one.get("type"), choices
            if "XY1" in str(one.get("anchor_id", "XY1")):
                options[name] = [text for text in choices.values() if text.strip()]
    return attributes, options


def _answers(entry, attributes):
    """{name of an attribute: what was chosen or written} of a region; {choice: True} of several that were ticked."""
    answers = {}
    given = entry.get("av")
    for key, value in given.items() if isinstance(given, dict) else ():
        name, kind, choices = attributes.get(key, (key, TEXT, {}))
        if kind in (CHECKBOX, str(CHECKBOX)) and isinstance(value, str):
            answers[name] = {choices.get(i.strip(), i.strip()): True for i in value.split(",") if i.strip()}
        else:
            answers[name] = choices.get(str(value), value)
    return answers


# --- Shapes ----------------------------------------------------------------------------------------------------------


def _shape(xy):
    """A region's shape as the earlier versions write it; what is none is told when it is looked at."""
    kind, numbers = xy[0] if isinstance(xy[0], (int, float)) else None, xy[1:]
    if kind in SHAPES:
        name, names = SHAPES[kind]
        return {"name": name, **dict(zip(names, numbers))}
    if kind in OUTLINES:
        return {"name": OUTLINES[kind], "all_points_x": numbers[::2], "all_points_y": numbers[1::2]}
    if kind in (EXTREME_RECT, EXTREME_CIRCLE):
        try:
            points = [(float(x), float(y)) for x, y in zip(numbers[::2], numbers[1::2])]
            return _box(points) if kind == EXTREME_RECT else _circle(*points)
        except (TypeError, ValueError, OverflowError, ZeroDivisionError):
            return {"name": "rect" if kind == EXTREME_RECT else "circle"}
    return {"name": f"shape {str(xy[0])[:20]}"}


def _box(points):
    """The rectangle round four extreme points."""
    left, top = (min(values) for values in zip(*points))
    right, foot = (max(values) for values in zip(*points))
    return {"name": "rect", "x": left, "y": top, "width": right - left, "height": foot - top}


def _circle(first, second, third):
    """The circle through three points. Raises ZeroDivisionError for three on a line."""
    (ax, ay), (bx, by) = (second[0] - first[0], second[1] - first[1]), (third[0] - first[0], third[1] - first[1])
    twice = 2 * (ax * by - ay * bx)
    a, b = ax * ax + ay * ay, bx * bx + by * by
    x, y = (by * a - ay * b) / twice, (ax * b - bx * a) / twice
    return {"name": "circle", "cx": first[0] + x, "cy": first[1] + y, "r": (x * x + y * y) ** 0.5}
