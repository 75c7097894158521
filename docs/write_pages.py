"""Write what the guides take from the code: python docs/write_pages.py

docs/commands.md from the options of the commands, docs/api.md from signatures and docstrings, and the map in
docs/architecture.md from the first sentence of each file. A test compares the pages with what this program would write.
"""

import argparse
import ast
import importlib
import inspect
import os
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAP_START, MAP_END = "<!-- The map: written by docs/write_pages.py -->\n", "<!-- The end of the map -->\n"

# The public doors, in the order of the page: module, and names in it.
DOORS = {
    "mrcnn": ("load",),
    "mrcnn.config": ("Config",),
    "mrcnn.model": ("MaskRCNN", "load_imagenet", "find_last_checkpoint"),
    "mrcnn.architectures": ("load", "class_of"),
    "mrcnn.data.dataset": ("Dataset",),
    "mrcnn.data.formats": ("open_dataset", "parts_of", "recognise"),
    "mrcnn.data.formats.arrays": ("ArrayDataset",),
    "mrcnn.data.annotated": ("AnnotatedDataset", "ObjectAnnotation", "Fault"),
    "mrcnn.data.formats.writers": ("write_coco", "write_imaterialist"),
    "mrcnn.data.formats.labelme_writer": ("write_labelme",),
    "mrcnn.data.formats.parquet_table": ("write_parquet",),
    "mrcnn.data.images": ("load_image", "place_image", "Window"),
    "mrcnn.data.masks": ("mask_boxes",),
    "mrcnn.data.run_lengths": ("encode", "decode", "decode_all", "compress", "from_polygons", "areas", "boxes", "merge",
                               "iou"),
    "mrcnn.data.augmentation": ("compose",),
    "mrcnn.data.augmenters": ("horizontal_flip", "large_scale_jitter", "colour_jitter", "copy_paste"),
    "mrcnn.data.curation.validate": ("validate",),
    "mrcnn.evaluation.evaluate": ("evaluate", "detect_all", "measure"),
    "mrcnn.evaluation.tables": ("metrics_table", "class_table"),
    "mrcnn.labeling.label_map": ("label_map", "labels_alone", "LabelSettings", "load_settings", "save_settings"),
    "mrcnn.labeling.refine": ("build_chain",),
    "mrcnn.export": ("export",),
    "mrcnn.commands.main": ("main",),
    "mrcnn.errors": ("UserError", "UsageError", "ConfigError", "DataError", "CheckpointError", "ExportError",
                     "RunError", "NonFiniteLoss"),
}
INTRODUCTION = """# Python interface

The public doors, from their docstrings. `python docs/write_pages.py` writes this page.
[Coming from Matterport](matterport.md) lists the names of that project.

Shapes are in brackets: H and W are height and width of a photo, h and w those of a canvas or a small mask, N objects,
B photos, C classes with background. Boxes are (y1, x1, y2, x2), y2 and x2 exclusive.
"""
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises")


# --- The commands ----------------------------------------------------------------------------------------------------


def commands_page(parser: argparse.ArgumentParser) -> str:
    """The page of all commands of a parser."""
    lines = ["# Commands", "", "The options of every command, as `mrcnn COMMAND --help` prints them.",
             "`python docs/write_pages.py` writes this page.", ""]
    for command in _leaves(parser):
        lines += [f"## `{command.prog}`", "", _sentence(command.description or ""), ""]
        for group in command._action_groups:
            rows = [_option_row(action, command) for action in group._group_actions
                    if action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction)]
            if rows:
                title = "option" if group.title in ("options", "positional arguments") else group.title
                lines += [f"| {title} | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def _leaves(parser):
    """The parsers of the commands, each in its place: those that have no commands of their own."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        return [parser]
    return [leaf for action in below for child in action.choices.values() for leaf in _leaves(child)]


def _option_row(action, command):
    names = ", ".join(action.option_strings)
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    value = "" if names and action.nargs == 0 else str(action.metavar or choices)
    shown = f"{names} {value}".strip()
    text = (action.help or "") % {**vars(action), "prog": command.prog}
    required = " (required)" if action.required and names else ""
    return f"| `{_cell(shown)}` | {_cell(text)}{required} |"


def _cell(text):
    return " ".join(text.split()).replace("|", "\\|")


def _sentence(text):
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) or not text else ".")


# --- The doors -------------------------------------------------------------------------------------------------------


def doors():
    """Generator of (full name, object) of what docs/api.md describes, methods after their class."""
    for module_name, names in DOORS.items():
        module = importlib.import_module(module_name)
        for name in names:
            thing = getattr(module, name)
            yield f"{module_name}.{name}", thing
            if inspect.isclass(thing) and not issubclass(thing, Exception):
                yield from ((f"{module_name}.{name}.{member}", value) for member, value in methods(thing))


def methods(cls: type):
    """[(name, function or property)] of the public methods of a class, those of its bases in this package first."""
    members = {}
    for base in reversed(inspect.getmro(cls)):
        if base.__module__.startswith("mrcnn"):
            for name, value in vars(base).items():
                value = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
                if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                    members[name] = value
    return list(members.items())


def api_page() -> str:
    """The page of the public doors."""
    lines, module = [INTRODUCTION], None
    for name, thing in doors():
        owner = name.rsplit(".", 1)[0]
        if owner in DOORS and owner != module:
            module = owner
            lines += [f"## `{module}`", ""]
        depth = "####" if owner not in DOORS else "###"
        lines += [f"{depth} `{name.removeprefix(module + '.')}`", ""]
        text = signature(thing)
        if text:
            lines += ["```text", text, "```", ""]
        lines += [*markdown(inspect.getdoc(thing) or ""), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def definition(thing):
    """The syntax tree of a function, or of the __init__ that a class has in this package; None if there is none."""
    if isinstance(thing, property):
        thing = thing.fget
    if inspect.isclass(thing):
        thing = thing.__init__
        if not inspect.isfunction(thing) or thing.__code__.co_filename == "<string>":  # a dataclass
            return None
    thing = inspect.unwrap(thing)
    if not getattr(thing, "__module__", "").startswith("mrcnn"):
        return None
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def signature(thing) -> str:
    """How a function or class is called, as its source has it; "" for properties and plain classes."""
    tree = definition(thing)
    if tree is None or isinstance(thing, property):
        return ""
    arguments = list(_parameters(tree.args))
    name = thing.__name__
    result = f" -> {ast.unparse(tree.returns)}" if tree.returns and not inspect.isclass(thing) else ""
    head = f"class {name}" if inspect.isclass(thing) else f"def {name}"
    text = f"{head}({', '.join(arguments)}){result}: ..."
    if len(text) > 100:
        text = f"{head}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){result}: ..."
    return text if not inspect.isclass(thing) else re.sub(r"^class (\w+)", r"\1", text).removesuffix(": ...")


def _parameters(arguments):
    """Text of each parameter, without self and cls."""
    positional = arguments.posonlyargs + arguments.args
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    for argument, default in zip(positional, defaults):
        if argument.arg not in ("self", "cls"):
            yield _parameter("", argument, default)
    if arguments.vararg:
        yield _parameter("*", arguments.vararg, None)
    elif arguments.kwonlyargs:
        yield "*"
    yield from (_parameter("", *pair) for pair in zip(arguments.kwonlyargs, arguments.kw_defaults))
    if arguments.kwarg:
        yield _parameter("**", arguments.kwarg, None)


def _parameter(stars, argument, default):
    sign = " = " if argument.annotation else "="
    return f"{stars}{ast.unparse(argument)}" + (f"{sign}{ast.unparse(default)}" if default is not None else "")


def sections(docstring: str) -> dict[str, list[str]]:
    """{section: its lines} of a docstring; "" is what stands before the first section."""
    parts, current = {"": []}, ""
    for line in docstring.splitlines():
        if line.rstrip(":") in SECTIONS and line.endswith(":"):
            current = line[:-1]
            parts[current] = []
        else:
            parts[current].append(line)
    return parts


def entries(title: str, lines: list[str]) -> list[str]:
    """The entries of a section, one text each.

    A deeper line goes on with the entry before it; under Returns and Yields so does any but one of a dict's "key": ...
    """
    texts = []
    for line in textwrap.dedent("\n".join(lines)).splitlines():
        prose = title in ("Returns", "Yields") and not line.startswith('"')
        if texts and (line.startswith(" ") or prose):
            texts[-1] += " " + line.strip()
        elif line.strip():
            texts.append(line.strip())
    return texts


def markdown(docstring: str) -> list[str]:
    """Lines of Markdown of a docstring."""
    parts = sections(docstring)
    lines = [line.replace("<", "&lt;") if not line.startswith("    ") else line for line in parts.pop("")]
    for title, body in parts.items():
        lines += ["", f"**{title}**", ""]
        for text in entries(title, body):
            name, colon, rest = text.partition(": ")
            named = colon and re.fullmatch(r'[\w\s,."*]+', name) and len(name) < 60
            lines.append(f"* `{name}`: {rest}" if named else f"* {text}")
    return lines


# --- The map ---------------------------------------------------------------------------------------------------------


def code_map(package: pathlib.Path) -> str:
    """A table for each room of the package: its files, and the first sentence of each."""
    lines = []
    for folder in [package, *sorted(path for path in package.rglob("*") if (path / "__init__.py").is_file())]:
        name = "mrcnn" if folder == package else f"mrcnn/{folder.relative_to(package).as_posix()}"
        lines += [f"### `{name}/`", "", first_sentence(folder / "__init__.py"), "", "| file | what it is |"]
        lines.append("|---|---|")
        files = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
        lines += [f"| `{path.name}` | {_cell(first_sentence(path))} |" for path in files] + [""]
    return "\n".join(lines)


def first_sentence(path: pathlib.Path) -> str:
    """The first paragraph of a file's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def with_map(text: str, package: pathlib.Path) -> str:
    """The architecture page with its map written anew."""
    before, rest = text.split(MAP_START)
    return before + MAP_START + "\n" + code_map(package) + "\n" + MAP_END + rest.split(MAP_END)[1]


def pages() -> dict[str, str]:
    """{name of a page: its text} of all pages that are written, or partly written, from the code."""
    from mrcnn.commands.main import build_parser

    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return {
        "commands.md": commands_page(build_parser()),
        "api.md": api_page(),
        "architecture.md": with_map(architecture, ROOT / "mrcnn"),
    }


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path.insert(0, str(ROOT))
    for page, content in pages().items():
        (ROOT / "docs" / page).write_text(content, encoding="utf-8")
        print(f"docs/{page}")
