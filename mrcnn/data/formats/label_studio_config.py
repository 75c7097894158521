"""Label Studio's labelling configuration: the XML that lists the labels that annotators choose from."""

import dataclasses
import os
import re
from xml.sax.saxutils import quoteattr

from mrcnn.data.reporting import Reporting
from mrcnn.errors import DataError
from mrcnn.text_files import as_utf8

LARGEST = 1 << 22  # bytes
MOST_CONTROLS = 1000  # of a project's configuration that comes with a request: each is looked at for each class
IMAGE, POLYGONS, BRUSHES = "image", "polygon", "brush"  # names of the controls that are written
TOLD = "attributes"  # the control of what is told of a region without a name of its own
# Controls whose regions have an area, in small letters. "labels" goes with a tool for regions of any shape.
OUTLINING = ("polygonlabels", "brushlabels", "rectanglelabels", "ellipselabels", "bitmasklabels", "vectorlabels",
             "labels")
# Whatever XML 1.0 has no letter for.
NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#f032e6", "#9a6324", "#800000", "#808000",
           "#000075", "#469990", "#bfa100", "#5a9bd4", "#c1440e", "#6b8e23")


def is_config(path: str | os.PathLike) -> bool:
    """Whether a file is XML, as a configuration is."""
    try:
        with open(path, "rb") as file:
            return as_utf8(file.read(256)).decode("utf-8", "replace").lstrip().startswith("<")
    except OSError:
        return False


def read_labels(path: str | os.PathLike, report: Reporting | None = None) -> list[str]:
    """Read the labels with which a configuration outlines objects of photos, in their order, each once.

    Args:
        path: of the file
        report: is told of the labels of points and of what is no photo, which are left out; None: nobody is

    Returns:
        list of str.

    Raises:
        DataError: naming the file, which is none, or lists no such label.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        reason = f"cannot read the labelling configuration ({error.strerror})"
        raise DataError(f"{path}: {reason}: check the path.") from error
    tree = _tree(data, path)
    outlining, others = _labels_of(tree)
    if not outlining:
        has = f", only those of {', '.join(sorted(set(others.values())))}" if others else ""
        raise DataError(f"{path}: a labelling configuration without a Label that outlines objects of photos{has}: give "
                        "that of the project.")
    for label, control in others.items() if report is not None else ():
        if label not in outlining:
            report.note("label", f"of {control} in the labelling configuration, which outlines no object of a photo: "
                        "no class", label)
    return outlining


def _labels_of(tree):
    """(list of the labels of controls that outline objects of photos, {other label: tag of its control})."""
    tags = {tag.get("name"): tag.tag.casefold() for tag in tree.iter() if tag.get("name")}
    outlining, others = {}, {}
    for control, own in _controls(tree, lambda tag: tag.casefold().endswith("labels"), ("Label",)):
        shown = [label.get("alias") or label.get("value") or "" for label in own]
        shown = [label.strip() for label in shown if label.strip()]
        targets = [tags.get(name.strip(), "image") for name in control.get("toName", "").split(",")]
        if control.tag.casefold() in OUTLINING and "image" in targets:
            outlining.update(dict.fromkeys(shown))
        else:
            others.update(dict.fromkeys(shown, control.tag))
    return list(outlining), others


def _controls(tree, is_control, kinds):
    """[(control, [label, ...])] in the order of the document. A label, a tag of one of some kinds, is of the control
    next above it: of controls within controls each label would else be all of theirs."""
    found, waiting = [], [(tree, None)]
    while waiting:
        tag, labels = waiting.pop()
        if labels is not None and tag.tag in kinds:
            labels.append(tag)
        if is_control(tag.tag):
            labels = []
            found.append((tag, labels))
        waiting += [(child, labels) for child in reversed(tag)]
    return found


def _tree(data, name):
    """The element at the root of a configuration. data: its bytes; name: to call it."""
    from xml.etree import ElementTree

    # Entities may stand for any amount of text. In UTF-16 and UTF-32 there are zeros between the letters.
    if len(data) > LARGEST or b"<!" in data.replace(b"\0", b"").replace(b"<!--", b""):
        raise DataError(f"{name}: no labelling configuration: it is too large, or declares entities.")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{name}: no labelling configuration ({error}): give the XML of the project.") from error


@dataclasses.dataclass(frozen=True)
class Control:
    """A control of a configuration with which regions of a photo are labelled.

    Args:
        tag: its kind, as "PolygonLabels"
        name: of the control
        image: name of the photo's tag
        key: of the photo's address in the data of a task
        labels: {how a label may be called, in small letters: the label}; beside its own name those that its
            `predicted_values` list
        many: whether several of them may be chosen for a region, of Choices
    """

    tag: str
    name: str
    image: str
    key: str
    labels: dict[str, str]
    many: bool = True


def read_controls(text: str, tags: tuple[str, ...] = ("PolygonLabels", "BrushLabels")) -> list[Control]:
    """Read the controls of a configuration that outline objects of photos, or tell of what is outlined.

    Args:
        text: XML
        tags: kinds of the controls; of "Choices" those that are made for each region

    Returns:
        list of Control.

    Raises:
        DataError: it is none, or has more than MOST_CONTROLS of them.
    """
    tree, controls = _tree(str(text).encode("utf-8", "replace"), "The project"), []
    images = {tag.get("name"): tag.get("value", "") for tag in tree.iter("Image")}
    of_kinds = _controls(tree, tags.__contains__, ("Choice", "Label"))
    if len(of_kinds) > MOST_CONTROLS:
        raise DataError(f"The project has {len(of_kinds)} controls {', '.join(tags)}: {MOST_CONTROLS} are taken: "
                        "remove some.")
    for tag, own in of_kinds:
        source = images.get(tag.get("toName"), "")
        of_regions = tag.tag != "Choices" or tag.get("perRegion", "").casefold() == "true"
        if of_regions and tag.get("name") and source.startswith("$"):
            kind = "Choice" if tag.tag == "Choices" else "Label"
            shown = [(label, (label.get("alias") or label.get("value") or "").strip()) for label in own
                     if label.tag == kind]
            names = [(label.get("value") or name, name) for label, name in shown] + [(name, name) for _, name in shown]
            names += [(one, name) for label, name in shown for one in (label.get("predicted_values") or "").split(",")]
            labels = {}
            for called, name in names:  # own names first: what is predicted for a label is not another label's name
                if name and called.strip():
                    labels.setdefault(called.strip().casefold(), name)
            many = tag.tag != "Choices" or tag.get("choice", "").casefold() == "multiple"
            controls.append(Control(tag.tag, tag.get("name"), tag.get("toName"), source[1:], labels, many))
    return controls


def config_text(labels: list[str], choices: dict[str, list[str]] | None = None) -> str:
    """Write the configuration of a project in which photos are outlined by polygons and brushes.

    Args:
        labels: names of the classes
        choices: {control: what may be chosen of it for a region}

    Returns:
        XML.

    Raises:
        DataError: a name has a letter that XML has not.
    """
    choices = choices or {}
    for name in (*labels, *choices, *(choice for some in choices.values() for choice in some)):
        if NO_XML.search(name):
            raise DataError(f"class or attribute {name!r}: a name with a letter that XML has not: rename it.")
    lines = ["<View>", f'  <Image name="{IMAGE}" value="$image"/>']
    for tag, name in (("PolygonLabels", POLYGONS), ("BrushLabels", BRUSHES)):
        lines.append(f'  <{tag} name="{name}" toName="{IMAGE}">')
        for place, label in enumerate(labels):
            lines.append(f'    <Label value={quoteattr(label)} background="{COLOURS[place % len(COLOURS)]}"/>')
        lines.append(f"  </{tag}>")
    for control, some in choices.items():
        lines.append(f'  <Choices name={quoteattr(control)} toName="{IMAGE}" choice="multiple" perRegion="true">')
        lines += [f"    <Choice value={quoteattr(choice)}/>" for choice in some]
        lines.append("  </Choices>")
    return "\n".join([*lines, "</View>", ""])
