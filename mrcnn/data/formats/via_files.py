"""The files of VIA, of any version, as a list of photos with their regions."""

import csv
import io
import json
import os

from mrcnn.data.formats import via3
from mrcnn.data.formats.json_head import keys_by_depth
from mrcnn.errors import DataError
from mrcnn.text_files import long_fields, open_text, why_no_text

CSV_COLUMNS = ("filename", "file_attributes", "region_count", "region_shape_attributes", "region_attributes")
HEAD = 1 << 20  # characters of a file that are looked at: the photo itself may stand before its regions


def recognises(path: str | os.PathLike) -> bool:
    """Whether a file is of VIA, by its beginning."""
    try:
        with open_text(path) as file:
            start = file.read(HEAD)
        if is_csv(start) or '"_via_img_metadata"' in start or via3.shows_project(keys_by_depth(start, 2)):
            return True
        return is_entries(first_entry(start))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def read_entries(path: str | os.PathLike) -> tuple[list[dict], dict[str, list[str]]]:
    """Read a file of VIA.

    Args:
        path: of the project, or of what it exports as JSON or CSV

    Returns:
        (list of {"filename", "regions"} and, where the photo cannot be used, "trouble"; {attribute: names that a
        project lets one choose from}).

    Raises:
        DataError: naming the file, which is none.
    """
    try:
        with open_text(path, newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the annotations ({why_no_text(error)}): check the file.") from error
    if is_csv(text):
        return _csv_entries(path, text), {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON file ({error}): give a project of VIA, or what it exports.") from error
    if via3.is_project(content):
        return via3.entries_of(content)
    options = {}
    if isinstance(content, dict) and "_via_img_metadata" in content:
        options = _project_options(content)
        content = content["_via_img_metadata"]
    if not isinstance(content, dict) or not all(is_entries(entry) for entry in content.values()):
        raise DataError(f"{path}: no annotations of VIA: give a project, or export them as JSON or CSV.")
    return list(content.values()), options


def _project_options(content):
    """{attribute: names that may be chosen} of a project's attributes of regions."""
    attributes = content.get("_via_attributes")
    attributes = attributes.get("region") if isinstance(attributes, dict) else None
    options = {}
    for name, attribute in attributes.items() if isinstance(attributes, dict) else ():
        choices = attribute.get("options") if isinstance(attribute, dict) else None
        options[name] = [choice for choice in choices if choice.strip()] if isinstance(choices, dict) else []
    return options


def is_entries(entry: object) -> bool:
    """Whether this is what VIA writes of one photo."""
    return isinstance(entry, dict) and isinstance(entry.get("filename"), str) and "regions" in entry


def first_entry(start: str) -> dict:
    """The first photo's entry in the beginning of an exported file, which may break off within its regions."""
    opening = start.index("{", start.index("{") + 1)
    regions = start.index('"regions"', opening)
    return json.JSONDecoder().raw_decode(start[opening:regions] + '"regions": []}')[0]


def is_csv(start: str) -> bool:
    return set(CSV_COLUMNS) <= set(_columns(start))


def _columns(text):
    return [name.strip(' "') for name in text.lstrip("#").partition("\n")[0].strip().split(",")]


def _csv_entries(path, text):
    """Entries of a file with a region a line; a photo without regions has a line of its own."""
    entries = {}
    head, _, text = text.partition("\n")
    rows = csv.DictReader(io.StringIO(text, newline=""), _columns(head), skipinitialspace=", " in head)
    try:
        with long_fields():
            for row in rows:
                entry = entries.setdefault(row["filename"], {"filename": row["filename"], "regions": []})
                if row["filename"] is None:
                    raise ValueError("too few columns")
                shape = json.loads(row["region_shape_attributes"])
                if shape:
                    region = {"shape_attributes": shape, "region_attributes": json.loads(row["region_attributes"])}
                    entry["regions"].append(region)
    except (csv.Error, ValueError, TypeError, RecursionError) as error:
        line = rows.line_num + 1  # the head was taken off
        raise DataError(f"{path}: line {line} is not as VIA writes it ({error}): export it again.") from error
    return list(entries.values())
