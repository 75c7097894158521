"""Files of class and label names, in the forms that tools write them.

    a name a line              classes.txt, obj.names, labels.txt: the first is 0; lines of # and a space are remarks
    number and name a line     "0 shirt", "0: shirt", "0,shirt", "shirt,0", "shirt: 0", "shirt = 0", "shirt (0)",
                               "shirt -> 0", with or without a head ("index,class"), which ":", "=", "|" and brackets
                               need where the numbers leave some out: "box (24)" and "tcp:80" may be names,
                               and so may "size 5:1" and "1:5 euro" from 1 on;
                               "1. shirt", "1) shirt", "1 = shirt", "label 1: shirt", if the numbers ascend
    a table under a head       of which columns are called id (idx, index) and name, as ADE20K's objectInfo150.txt
    YAML                       data.yaml of YOLO: what stands under names
    JSON                       a list of names; {number: name}; a list of {"id", "name"}; {name: number}; or
                               one of these under "categories", "names", "id2label", "classes" or "labels", as in
                               Mapillary Vistas' config.json
    pbtxt                      item { id: 1 name: "shirt" }, of TensorFlow
    MATLAB                     a cell array of names

A text that may be something else is refused: a name that is taken wrongly moves all that follow it.
"""

import csv
import io
import os
import re
import warnings

from mrcnn.data.formats.matlab_files import matlab_variables
from mrcnn.data.formats.names_numbers import are_years, counts, either_way, may_be_others, may_be_turned, ratios
from mrcnn.data.formats.names_tables import NAME_WORDS, is_head, names_first, plain, refuse_table, table_names
from mrcnn.data.formats.yaml_settings import read_yaml
from mrcnn.errors import DataError
from mrcnn.files import read_json
from mrcnn.text_files import long_fields, open_text, why_no_text

LARGEST_LABEL = 65535
NEVER_NUMBERED = ("classes.txt", "obj.names", "labels.txt")  # tools write a name a line, "1 euro" too
REMARK = re.compile(r"#\s|#$")  # "#shirt" may be a name
NUMBER_FIRST = re.compile(r"(\d+)[\s,;:]+(\S.*)")
LIST_NUMBER = re.compile(  # of lists as people write them; "1.5 l" and "2-door" are names
    r"(?:(?:label|class|id|index|value)\s*[#:]?\s*(?P<after>\d+)\s*[:.)=-]\s*"
    r"|[(\[]?(?P<bare>\d+)(?:\s*(?:=>|->|[.)\]=|>])|\s+[-\u2013\u2014])(?:\s+|(?=\D)))(?P<name>\S.*)", re.IGNORECASE)
NUMBER_LAST = re.compile(r"(\S.*?)\s*(?:[,;\t:=|(\[]|->|=>)\s*(\d+)\s*[)\]]?")
NUMBER_BEHIND = re.compile(r"(\S.*?)\s+(?:[-#\u2013\u2014]\s*)?(\d+)")  # "iphone 12" is a name
HEAD_MARK = re.compile(r"\s*(?:[,;\t:=|(\[]|->|=>)\s*|\s+(?=\S+$)")
CSV_DELIMITERS = (",", ";", "\t")
# What all lines have that are no names alone: (pattern, what it is).
NO_NAMES = (
    (re.compile(r".*[;|\t].*"), "columns"),
    (re.compile(r"""["'\u2018\u201c].*"""), "quotation marks"),
    (re.compile(r"[-*\u2022]\s.*"), "marks of a list"),
)
COLOUR_FORMS = (
    re.compile(r"(?P<r>\d+)[\s,;]+(?P<g>\d+)[\s,;]+(?P<b>\d+)[\s,;:]+(?P<name>\S.*)"),
    re.compile(r"(?P<name>[^:#]+):\s*(?P<r>\d+)\s*,\s*(?P<g>\d+)\s*,\s*(?P<b>\d+)\s*(?::.*)?"),
    re.compile(r"(?P<name>[^,;:#]+)[,;]\s*(?P<r>\d+)\s*[,;]\s*(?P<g>\d+)\s*[,;]\s*(?P<b>\d+)"),
)
COLOUR_HEAD = re.compile(r"name\s*[,;]\s*r\s*[,;]\s*g\s*[,;]\s*b", re.IGNORECASE)
NAMES_UNDER = ("categories", "names", "id2label", "classes", "labels")  # in a JSON file
VISTAS = {"name", "readable", "color"}  # of each label in Mapillary Vistas' config.json
PBTXT_ITEM = re.compile(r"item\s*\{(.*?)\}", re.DOTALL)
PBTXT_NAME = re.compile(r"""\b(display_name|name)\s*:\s*(?:"([^"]*)"|'([^']*)')""")
PBTXT_ID = re.compile(r"\bid\s*:\s*(\d+)")


def read_names(path: str | os.PathLike) -> dict[int, str]:
    """Names of labels or classes.

    Args:
        path: of a file in one of the forms that the top of this file lists.

    Returns:
        {label: name}, ascending. Where no numbers are given the first name is 0.

    Raises:
        DataError: naming the file and what is wrong.
    """
    ending = os.path.splitext(path)[1].lower()
    names = READERS.get(ending, _text_names)(path)
    try:
        pairs = sorted((_whole(label), _text(name)) for label, name in names)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: a label is no whole number, or a name no text ({error}): correct it.") from error
    labels = [label for label, _ in pairs]
    twice = next((label for label, following in zip(labels, labels[1:]) if label == following), None)
    if twice is not None:
        raise DataError(f"{path}: label {twice} occurs twice: give each label one name.")
    if not pairs or labels[0] < 0 or labels[-1] > LARGEST_LABEL or not all(name for _, name in pairs):
        raise DataError(f"{path}: needs a name for each of its labels, which lie from 0 to {LARGEST_LABEL}.")
    return dict(pairs)


def _whole(label):
    if isinstance(label, (float, bool)):
        raise ValueError(repr(label))
    return int(label)


def _unreadable(path, error):
    return DataError(f"{path}: cannot read the names of the labels ({why_no_text(error)}): give a text or JSON file.")


def _text(name):
    if isinstance(name, (dict, list)) or name is None:
        raise ValueError(repr(name)[:60])
    return str(name).strip()


# --- Texts -----------------------------------------------------------------------------------------------------------


def _text_names(path):
    """[(label, name)] of a text file."""
    lines = _lines(path)
    if lines and re.match(r"item\s*\{", lines[0][1]):
        return _pbtxt_names(path)
    if lines and lines[0][1][0] in "<{[":
        raise DataError(f"{path}: begins with {lines[0][1][:20]!r}, which is no name: give a file with a name a line, "
                        "or call a JSON file .json.")
    if colour_entries([line for _, line in lines]):
        raise DataError(f"{path}: lists colours of label maps, whose label 0 is the background: give a file with the "
                        "names alone, in the order of their numbers.")
    if _never_numbered(path):
        return _list_numbers(path, lines) or _numbered(path, lines) or _one_a_line(path, lines)
    rows = {mark: [[cell.strip() for cell in line.split(mark)] for _, line in lines if line] for mark in CSV_DELIMITERS}
    for cells in rows.values():
        if (found := table_names(path, cells)) is not None:
            return found
    refuse_table(path, rows["\t"])
    return _list_numbers(path, lines) or _numbered(path, lines) or _one_a_line(path, lines)


def _lines(path):
    """[(number, text)] of the lines that are no remarks; blank ones at the end are none."""
    try:
        with open_text(path) as file:
            lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    remarks = [line for line in lines if REMARK.match(line)]
    if remarks:
        warnings.warn(f"{path}: {len(remarks)} lines that begin with # and a space are remarks and no names, such as "
                      f"{remarks[0][:40]!r}.", stacklevel=4)
    kept = [(number, line) for number, line in enumerate(lines, start=1) if not REMARK.match(line)]
    while kept and not kept[-1][1]:
        kept.pop()
    while kept and not kept[0][1]:
        kept.pop(0)
    return kept


def _one_a_line(path, lines):
    empty = next((number for number, line in lines if not line), None)
    if empty is not None:
        raise DataError(f"{path}: line {empty} is empty between names, and a name's line is its number: write the name "
                        "that is missing there, or take the line out.")
    if len(lines) == 1 and "," in lines[0][1] and not _never_numbered(path):
        raise DataError(f"{path}: has one line, {lines[0][1][:40]!r}: write a name a line, or a JSON list where a name "
                        "holds commas.")
    if lines and plain(lines[0][1]) in NAME_WORDS and not _never_numbered(path):
        raise DataError(f"{path}: line {lines[0][0]}, {lines[0][1]!r}, may be a head or the first name: take it "
                        "out, or write a JSON list of the names.")
    return list(enumerate(_names_alone(path, [line for _, line in lines])))


def _names_alone(path, names):
    """The names, of which no form of a list is a part. Raises DataError."""
    told = [what for form, what in NO_NAMES if all(map(form.fullmatch, names))]
    told += ["a comma at the end"] * all(name.endswith(",") for name in names[:-1])
    if len(names) > 1 and told:
        raise DataError(f"{path}: its lines have {told[0]} beside the names, such as {names[0][:40]!r}: write a name a "
                        "line, or a number and a name, or a JSON list where that is a part of the names.")
    return names


def _list_numbers(path, lines):
    """[(label, name)] of lines that begin with ascending numbers as lists have them, "1." or "1)", else None."""
    lines = [line for _, line in lines if line]
    matches = [match for match in map(LIST_NUMBER.fullmatch, lines) if match]
    if 2 * len(matches) <= len(lines):
        return None
    pairs = [(match["after"] or match["bare"], match["name"]) for match in matches]
    labels = [int(label) for label, _ in pairs]
    ascending = all(label < following for label, following in zip(labels, labels[1:]))
    if _never_numbered(path) and not ascending or len(lines) == 1:  # one line proves no list
        return None
    if may_be_turned(pairs) and all(map(NUMBER_LAST.fullmatch, lines)):  # "1 = 0" and "2 = 1"
        raise either_way(path, "numbers and names, or names and numbers", lines[-1], False)
    if ascending and len(pairs) == len(lines):
        if _never_numbered(path) and labels != list(range(len(labels))):
            raise DataError(f"{path}: numbers its lines from {labels[0]}, where tools count from 0: write a name a "
                            "line, or JSON, {number: name}.")
        return pairs
    first = next(line for line in lines if ascending != bool(LIST_NUMBER.fullmatch(line)))
    how = f"and others not, such as {first[:40]!r}" if ascending else f"that do not ascend, such as {first[:40]!r}"
    raise DataError(f"{path}: lines begin with numbers, {how}: number all of them, ascending, or write JSON, a list of "
                    "names or {number: name}.")


def _never_numbered(path):
    return os.path.basename(path).lower() in NEVER_NUMBERED


def _numbered(path, lines):
    """[(label, name)] of lines with a number each, else None."""
    lines, never = [(number, line) for number, line in lines if line], _never_numbered(path)
    for form, turned in ((NUMBER_FIRST, False), (NUMBER_LAST, True), (NUMBER_BEHIND, True)):
        matches = [form.fullmatch(line) for _, line in lines]
        headless = len(lines) > 1 and all(matches[1:]) and not matches[0]
        titles = HEAD_MARK.split(lines[0][1].rstrip(")]")) if headless else []
        head = is_head(titles)
        headless = head or headless and len(lines) > 2
        if not head and ratios(matches, turned):
            continue
        if head and not turned and names_first(titles) and all(match[2].isdecimal() for match in matches[1:]):
            continue
        if headless and not head and not turned and not never:
            raise DataError(f"{path}: line {lines[0][0]} ({lines[0][1][:40]!r}) has no number, and all others "
                            "have: number all of them, or none.")
        matches = matches[1:] if headless else matches
        if not matches or not all(matches):
            continue
        pairs = [(match[2], match[1]) if turned else match.groups() for match in matches]
        labels, names = [int(label) for label, _ in pairs], {name for _, name in pairs}
        years = form is NUMBER_LAST and not head and all(m[0].endswith(")") for m in matches) and are_years(labels)
        doubtful = not head and (form is NUMBER_BEHIND or may_be_others(matches, labels, turned))
        if turned and (headless and not head or never or years or doubtful):
            _refuse_behind(path, lines[-1][1], labels, names, form is NUMBER_LAST)
            continue
        if headless and not head:
            continue
        # "1 euro" and "2 euro" are names; so may be all lines of files that never have numbers.
        sure = head or len(names) == len(pairs) or labels == list(range(len(labels)))
        from_1 = len(names) == len(pairs) > 2 and labels == list(range(1, len(labels) + 1))
        if never and labels != list(range(len(labels))) and not from_1:
            continue
        if not turned and len(set(labels)) == len(labels) and (not sure or doubtful or from_1 and never):
            raise either_way(path, "numbers and names, or names that begin with numbers", lines[-1][1], not never)
        if sure or not turned:
            return pairs
    return None


def _refuse_behind(path, line, labels, names, marked):
    """Raise DataError if lines may be names and numbers, each name and each number once. line: one of them

    In files that never have numbers they are some only where they leave none out: "pixel 5" is a name there. Without a
    mark between (marked: whether there is one) two lines show nothing.
    """
    count = len(labels)
    if count < 2 or len(names) < count or len(set(labels)) < count:
        return
    if not _never_numbered(path) or ((count > 2 or marked) and counts(labels)):
        raise either_way(path, "names and numbers, or names that end in numbers", line, not _never_numbered(path))


def _csv_names(path):
    """[(label, name)] of a CSV: a column of numbers and one of names, or names alone."""
    try:
        with open_text(path, newline="") as file:
            text = file.read()
        with long_fields():
            tables = [[[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter,
                                                                            skipinitialspace=True) if any(row)]
                      for delimiter in CSV_DELIMITERS]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from error
    for rows in tables:
        if {len(row) for row in rows} == {2}:
            head, turned = is_head(rows[0]), is_head(rows[0]) and names_first(rows[0])
            rows = rows[1:] if head else rows
            for number, name in ((1, 0), (0, 1)) if turned else ((0, 1), (1, 0)):
                if all(row[number].isdecimal() for row in rows):
                    pairs = [(row[number], row[name]) for row in rows]
                    if not head and may_be_turned(pairs):
                        raise either_way(path, "numbers and names, or names and numbers", ",".join(rows[-1]), True, ",")
                    return pairs
    for rows in tables:
        if (found := table_names(path, rows)) is not None:
            return found
    if not colour_entries([",".join(row) for row in tables[0]]):
        for rows in tables:
            refuse_table(path, rows)
    if {len(row) for row in tables[0]} == {1}:
        names = [row[0] for row in tables[0]]
        if plain(names[0]) in NAME_WORDS:
            warnings.warn(f"{path}: its first line, {names[0]!r}, is taken as the head and no name; write a JSON list "
                          "if it is one.", stacklevel=3)
            names = names[1:]
        lines = list(enumerate(names, 1))
        return _list_numbers(path, lines) or _numbered(path, lines) or list(enumerate(_names_alone(path, names)))
    shown = ", ".join(tables[0][0]) if tables[0] else "nothing"
    raise DataError(f"{path}: begins with {shown[:60]!r}: give a column of numbers and one of names, or a name a line.")


def colour_entries(lines: list[str]) -> list[tuple[str, tuple[int, int, int]]] | None:
    """[(name, (r, g, b))] of the lines of a file of colours; None if they are something else."""
    lines = [line for line in lines if line]
    if lines and COLOUR_HEAD.fullmatch(lines[0]):
        lines = lines[1:]
    for form in COLOUR_FORMS:
        matches = [form.fullmatch(line) for line in lines]
        if matches and all(matches):
            return [(match["name"].strip(), tuple(int(match[c]) for c in "rgb")) for match in matches]
    return None


def _pbtxt_names(path):
    """[(id, name)] of a label map of TensorFlow."""
    try:
        with open_text(path) as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    pairs = []
    for item in PBTXT_ITEM.findall(text):
        number, names = PBTXT_ID.search(item), {m[1]: m[2] or m[3] for m in PBTXT_NAME.finditer(item)}
        if not number or not names:
            raise DataError(f"{path}: the item {' '.join(item.split())[:60]!r} lacks an id or a name: correct it.")
        pairs.append((number[1], names.get("display_name") or names.get("name")))
    return pairs


# --- Other files -----------------------------------------------------------------------------------------------------


def _yaml_names(path):
    settings = read_yaml(os.fspath(path), "file of class names")
    names = settings.get("names", settings if all(str(key).isdecimal() for key in settings) else None)
    if names is None:
        raise DataError(f"{path}: has no names: write a list of names under that key, or index: name a line.")
    return list(yaml_names(names, path).items())


def yaml_names(names: str | list | dict, path: str | os.PathLike) -> dict[int, str]:
    """{index: name} of what stands under names in a data.yaml.

    Args:
        names: as `read_yaml` gives it.
        path: of the file, for messages.

    Raises:
        DataError: naming the entry that is none.
    """
    names = [names] if isinstance(names, str) else names
    found = {}
    for index, name in enumerate(names) if isinstance(names, list) else names.items():
        known = str(index).isdecimal() and len(str(index)) < 9 and int(index) <= LARGEST_LABEL
        if not known or int(index) in found or not isinstance(name, str) or not name.strip():
            raise DataError(f"{path}: names: {str(index)[:20]}: {str(name)[:40]!r} is no index with the name of a "
                            "class, or has the index of another: write a list of names, or index: name a line.")
        found[int(index)] = name.strip()
    return found


def _json_names(path):
    content = read_json(path, "list of names")
    if isinstance(content, dict):
        content = next((content[key] for key in NAMES_UNDER if isinstance(content.get(key), (list, dict))), content)
    if isinstance(content, dict):
        pairs = list(content.items())
        # label2id, as transformers write it beside id2label.
        turned = all(isinstance(value, int) and not isinstance(value, bool) for value in content.values())
        if not turned and not all(str(key).strip().lstrip("-").isdecimal() for key in content):
            shown = ", ".join(repr(key[:20]) for key in content if not key.strip().isdecimal())[:80]
            raise DataError(f"{path}: lists no names, for it has {shown}: give a list of names, {{number: name}}, or "
                            f"one of these under {', '.join(NAMES_UNDER)}.")
        return [(value, key) for key, value in pairs] if pairs and turned else pairs
    if not isinstance(content, list):
        raise DataError(f"{path}: needs a list of names, or {{number: name}}.")
    if any(isinstance(entry, dict) for entry in content):
        return _entry_names(path, content)
    return list(enumerate(content))


def _entry_names(path, entries):
    """[(label, name)] of a list of objects."""
    if all(isinstance(entry, dict) and {"id", "name"} <= entry.keys() for entry in entries):
        return [(entry["id"], entry["name"]) for entry in entries]
    if all(isinstance(entry, dict) and VISTAS <= entry.keys() and "id" not in entry for entry in entries):
        warnings.warn(f"{path}: its labels have no id: they are numbered in their order, from 0, as those of Mapillary "
                      f"Vistas: 0 is {str(entries[0]['name'])[:40]!r}.", stacklevel=5)
        return [(label, entry["name"]) for label, entry in enumerate(entries)]
    raise DataError(f"{path}: needs an id and a name in each entry of its list, or names alone.")


def _matlab_names(path):
    lists = [variable for variable in matlab_variables(path) if variable.kind == "cell"]
    if len(lists) != 1:
        raise DataError(f"{path}: holds {len(lists)} cell arrays, needs one of names: give a text file instead.")
    names = lists[0].values()
    if not all(isinstance(name, str) for name in names):
        raise DataError(f"{path}: {lists[0].name} holds other things than names: give a text file instead.")
    return list(enumerate(names))


READERS = {".json": _json_names, ".mat": _matlab_names, ".yaml": _yaml_names, ".yml": _yaml_names, ".csv": _csv_names,
           ".pbtxt": _pbtxt_names}
