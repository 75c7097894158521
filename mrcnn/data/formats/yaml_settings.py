"""The part of YAML that the data.yaml of YOLO is written in: maps, lists and texts, nested in blocks or in brackets.

Values are texts as they are written, so that a class called `no` or `007` keeps its name; what is left out, `~` and
`null` are None. Anchors, aliases, tags and texts over several lines without | or > are refused by their line.
"""

import json
import re
from typing import NamedTuple

from mrcnn.errors import DataError
from mrcnn.text_files import encoding_of, why_no_text

LARGEST = 1 << 24  # bytes of a file
DEEPEST = 20  # levels
# A key and the spaces behind it: matched apart from it, n spaces without a colon would take n * n steps.
KEY = re.compile(
    r"""("(?:[^"\\]|\\.)*"\s*|'(?:[^']|'')*'\s*|[^\s"'\[\]{}#&*!|>%@`,-][^#]*?|-[^\s#][^#]*?):(?:\s+|$)""")
BLOCK_TEXT = re.compile(r"[|>][+-]?[1-9]?[+-]?")
ESCAPES = {"e": "\x1b", "0": "\0", "a": "\a", "v": "\v", " ": " ", "_": "\xa0", "N": "\x85"}  # which JSON lacks
OPENERS = " \t[{,:-"  # before a quote that opens a text; another one is an apostrophe


class _Line(NamedTuple):
    number: int
    indent: int
    text: str


def read_yaml(path: str, what: str) -> dict:
    """Read a file of settings.

    Args:
        path: of the file.
        what: what the file should be, for messages.

    Returns:
        {key: text, None, list or dict}.

    Raises:
        DataError: naming the file, and the line that is not understood.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode(encoding_of(data))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the {what} ({why_no_text(error)}): check the file.") from error
    if len(data) > LARGEST:
        raise DataError(f"{path}: more than {LARGEST} bytes, which no {what} has: give another file.")
    try:
        content = parse_yaml(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no {what} ({error}): write plain YAML, a key and its value a line.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: no {what}: it needs a key and its value a line, such as names: [shirt, shoe].")
    return content


def parse_yaml(text: str) -> dict | list | str | None:
    """Parse YAML of the kind that the top of this file says.

    Raises:
        ValueError: telling the line that is not understood.
    """
    lines = _lines(text)
    if not lines:
        return None
    value, following = _block(lines, 0, lines[0].indent, 0)
    if following < len(lines):
        raise ValueError(f"line {lines[following].number} is not indented as those before")
    return value


# --- Lines -----------------------------------------------------------------------------------------------------------


def _lines(text):
    """list of _Line: without comments and blank lines; what stands in brackets over several lines is one."""
    lines, raw = [], text.splitlines()
    i = 0
    while i < len(raw):
        number, content = i + 1, _without_comment(raw[i])
        i += 1
        stripped = content.strip()
        if not stripped or stripped == "---" or stripped.startswith("%"):
            continue
        if stripped == "...":
            break
        indent = len(content) - len(content.lstrip(" "))
        if content[indent] == "\t":
            raise ValueError(f"line {number} is indented by a tab")
        opened = _open_brackets(stripped) if _opens(stripped) else 0
        parts = [stripped]
        while opened > 0 and i < len(raw):
            more = _without_comment(raw[i]).strip()
            parts.append(more)
            opened += _open_brackets(more)
            i += 1
        stripped = " ".join(parts)
        if BLOCK_TEXT.fullmatch(stripped.rpartition(" ")[2]) and stripped.rpartition(" ")[0].endswith((":", "-")):
            kept = []
            while i < len(raw) and (not raw[i].strip() or len(raw[i]) - len(raw[i].lstrip(" ")) > indent):
                kept.append(raw[i].strip())
                i += 1
            stripped = f"{stripped.rpartition(' ')[0]} {json.dumps(chr(10).join(kept))}"
        lines.append(_Line(number, indent, stripped))
    return lines


def _scan(text):
    """Yield (place, character) of what stands in no quotes."""
    quote, skip = None, False
    for place, character in enumerate(text):
        if skip:
            skip = False
        elif quote:
            twice = quote == "'" and text[place:place + 2] == "''"
            skip = twice or (quote == '"' and character == "\\")
            if character == quote and not twice:
                quote = None
        elif character in "\"'" and (not place or text[place - 1] in OPENERS):
            quote = character
        else:
            yield place, character


def _without_comment(text):
    for place, character in _scan(text):
        if character == "#" and (not place or text[place - 1] in " \t"):
            return text[:place].rstrip()
    return text.rstrip()


def _opens(text):
    """Whether the value of a line begins with a bracket, or the line has no key."""
    key = KEY.match(text)
    return key is None or text[key.end():].startswith(("[", "{"))


def _open_brackets(text):
    """How many more brackets a line opens than it closes."""
    return sum((character in "[{") - (character in "]}") for _, character in _scan(text))


# --- Blocks ----------------------------------------------------------------------------------------------------------


def _block(lines, i, indent, depth):
    """(value of the block that begins at line i, index of the line after it)."""
    if depth > DEEPEST:
        raise ValueError(f"line {lines[i].number} is nested more than {DEEPEST} deep")
    if _is_item(lines[i].text):
        return _list(lines, i, indent, depth)
    if KEY.match(lines[i].text):
        return _map(lines, i, indent, depth)
    return _value(lines[i].text, lines[i].number), i + 1


def _is_item(text):
    return text == "-" or text.startswith("- ")


def _list(lines, i, indent, depth):
    values = []
    while i < len(lines) and lines[i].indent == indent and _is_item(lines[i].text):
        number, text = lines[i].number, lines[i].text[1:].lstrip()
        if text and (KEY.match(text) and text[0] not in "[{" or _is_item(text)):
            inner = indent + len(lines[i].text) - len(text)
            lines[i] = _Line(number, inner, text)
            value, i = _block(lines, i, inner, depth + 1)
        elif text:
            value, i = _value(text, number), i + 1
        else:
            value, i = _nested(lines, i + 1, indent, depth)
        values.append(value)
    return values, i


def _map(lines, i, indent, depth):
    values = {}
    while i < len(lines) and lines[i].indent == indent:
        number, text = lines[i].number, lines[i].text
        key = KEY.match(text)
        if not key:
            raise ValueError(f"line {number} has no key: {text[:40]!r}")
        name, rest = _scalar(key[1].rstrip(), number), text[key.end():]
        if name in values:
            raise ValueError(f"line {number} has the key {name!r} a second time")
        if rest:
            values[name], i = _value(rest, number), i + 1
        elif i + 1 < len(lines) and lines[i + 1].indent == indent and _is_item(lines[i + 1].text):
            values[name], i = _list(lines, i + 1, indent, depth + 1)
        else:
            values[name], i = _nested(lines, i + 1, indent, depth)
    return values, i


def _nested(lines, i, indent, depth):
    if i < len(lines) and lines[i].indent > indent:
        return _block(lines, i, lines[i].indent, depth + 1)
    return None, i


# --- Values ----------------------------------------------------------------------------------------------------------


def _value(text, number):
    if text[0] not in "[{":
        return _scalar(text, number)
    value, end = _flow(text, 0, number, 0)
    if text[end:].strip():
        raise ValueError(f"line {number} goes on after its brackets: {text[end:].strip()[:40]!r}")
    return value


def _flow(text, i, number, depth):
    """(value that begins at place i of a text with brackets, place after it)."""
    if depth > DEEPEST:
        raise ValueError(f"line {number} is nested more than {DEEPEST} deep")
    closing = {"[": "]", "{": "}"}[text[i]]
    values, i = ([] if closing == "]" else {}), _after_spaces(text, i + 1)
    while i < len(text) and text[i] != closing:
        name = None
        if closing == "}":
            name, i = _flow_scalar(text, i, number)
            i = _after_spaces(text, i)
            if i >= len(text) or text[i] != ":":
                raise ValueError(f"line {number} has {name!r} without a value")
            i = _after_spaces(text, i + 1)
        value, i = _flow(text, i, number, depth + 1) if text[i:i + 1] in ("[", "{") else _flow_scalar(text, i, number)
        if name is None:
            values.append(value)
        elif name in values:
            raise ValueError(f"line {number} has the key {name!r} a second time")
        else:
            values[name] = value
        i = _after_spaces(text, i)
        if i < len(text) and text[i] == ",":
            i = _after_spaces(text, i + 1)
        elif i < len(text) and text[i] != closing:
            raise ValueError(f"line {number} needs a comma before {text[i:i + 20]!r}")
    if i >= len(text):
        raise ValueError(f"line {number} opens a bracket that nothing closes")
    return values, i + 1


def _flow_scalar(text, i, number):
    if text[i:i + 1] in ("'", '"'):
        quoted = re.compile(r'"(?:[^"\\]|\\.)*"' if text[i] == '"' else r"'(?:[^']|'')*'").match(text, i)
        if not quoted:
            raise ValueError(f"line {number} opens a quote that nothing closes")
        return _scalar(quoted[0], number), quoted.end()
    plain = re.compile(r"(?:[^,\[\]{}:]|:(?![\s,\[\]{}]|$))*").match(text, i)
    return _scalar(plain[0].strip(), number), plain.end()


def _after_spaces(text, i):
    while i < len(text) and text[i] in " \t":
        i += 1
    return i


def _scalar(text, number):
    """A text as it is meant; None for what is left out."""
    if text[:1] == "'" and len(text) > 1 and text.endswith("'"):
        return text[1:-1].replace("''", "'")
    if text[:1] == '"':
        try:
            return json.loads(re.sub(r"\\(x([0-9a-fA-F]{2})|.)", _escape, text), strict=False)
        except ValueError as error:
            raise ValueError(f"line {number} has a text in quotes that does not end, or an unknown escape") from error
    if text[:1] in ("&", "*", "!", "@", "`", "|", ">") or text[:1] in ("'",):
        raise ValueError(f"line {number} has {text[:20]!r}, an anchor, alias, tag or quote, which is not read")
    return None if text in ("", "~", "null", "Null", "NULL") else text


def _escape(match):
    if match[2]:
        return f"\\u00{match[2]}"
    letter = match[1]
    return json.dumps(ESCAPES[letter])[1:-1] if letter in ESCAPES else match[0]
