"""Which labels of a label map make up which class: names of labels, and the small JSON file that merges and drops them.

A mapping file looks like this; only "classes" must be there:

    {"classes": {"shoes": ["shoes", "boots", "heels"], "pants": ["pants", "jeans"], "bag": [2, "purse"]},
     "background": ["null", "skin"],
     "ignore": ["accessories"],
     "instances": {"shoes": "parts", "pants": "union"},
     "min_area": 60}

* "classes": the classes in the order of their ids, 1 to K, each with the labels that make it up, by name or by number.
  "*" stands for all labels but 0 that are named nowhere else.
* "background": labels that are class 0. Label 0 is background unless it is named elsewhere. If "background" is left
  out, so are all labels named nowhere; if it is there (and there is no "*"), a label named nowhere is an error.
* "ignore": labels whose pixels count neither as a class nor as background. The label 255 is always ignored. So are,
  where they are named nowhere, labels called "void" or "ignore"; such ones called "background" are background.
* "instances": how a class becomes objects. "parts": each part of its pixels that hangs together, over corners too, is
  an object; "union": all such parts together are one. A class that is not listed is "parts" if it is called like one
  of PAIRED, else "union".
* "min_area": parts of fewer pixels are no objects and belong to none; 60 if left out, as is right for superpixel labels
  of photos 400 pixels wide. `--min-area` (min_area=) goes before it.

Without a mapping every label but 0 is a class of its own. Ready mappings go by name: READY_MAPPINGS.
"""

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterable

import numpy as np

from mrcnn.data.formats.label_words import IGNORED, is_no_class, stands_for, words_among
from mrcnn.errors import DataError
from mrcnn.files import read_json

UNKNOWN = -1
MIN_AREA = 60  # pixels
NAMES_FILES = ("label_names.txt", "label_names.json", "label_list.mat", "label_colors.txt", "label_colours.txt",
               "labelmap.txt", "class_dict.csv")
# Things of which a person wears two, in singular.
PAIRED = ("shoe", "boot", "sock", "glove", "footwear", "sandal", "sneaker", "heel", "pump", "flat", "loafer", "clog",
          "wedge", "earring")

_FOOTWEAR = ["shoes", "heels", "pumps", "flats", "loafers", "clogs", "sandals", "sneakers", "wedges"]
_CLOTHES = ("skin", "hair", "t-shirt", "shoes", "pants", "dress")

# All for the 59 labels of Clothing Co-Parsing (CCP).
READY_MAPPINGS = {
    # A person is everything that is labelled, with bag and sunglasses: what a cut-out of the person keeps.
    "ccp-person": {"classes": {"person": ["*"]}, "background": ["null"]},
    # Six labels with those that name a kind of the same thing. CCP labels by shop names: one pair of blue jeans is
    # "jeans", the next "pants", so a network that must call one of them background cannot learn it. Shoes take all
    # footwear; pants take jeans and leggings, but not shorts or one-piece suits; t-shirt takes "top", which looks
    # like it, but neither shirts and blouses (collar, buttons) nor knitwear; dress takes no romper (it has legs).
    "ccp-clothes": {
        "classes": {
            "skin": ["skin"],
            "hair": ["hair"],
            "t-shirt": ["t-shirt", "top"],
            "shoes": _FOOTWEAR + ["boots"],
            "pants": ["pants", "jeans", "leggings"],
            "dress": ["dress"],
        }
    },
    # The six labels alone, all else background.
    "ccp-clothes-raw": {"classes": {name: [name] for name in _CLOTHES}},
    # Thirteen classes named as ModaNet's.
    "ccp-13": {
        "classes": {
            "bag": ["bag", "purse", "wallet"],
            "belt": ["belt"],
            "boots": ["boots"],
            "footwear": _FOOTWEAR,
            "outer": ["blazer", "cape", "cardigan", "coat", "jacket", "suit", "vest"],
            "dress": ["bodysuit", "dress", "romper"],
            "sunglasses": ["glasses", "sunglasses"],
            "pants": ["jeans", "jumper", "leggings", "pants"],
            "shorts": ["shorts"],
            "skirt": ["skirt"],
            "top": ["blouse", "hoodie", "shirt", "sweater", "sweatshirt", "t-shirt", "top"],
            "headwear": ["hat"],
            "scarf_tie": ["scarf", "tie"],
        }
    },
    # Those of iMaterialist's 46 classes that CCP's labels can tell, with iMaterialist's names.
    "ccp-imaterialist": {
        "classes": {
            "shirt, blouse": ["blouse", "shirt"],
            "top, t-shirt, sweatshirt": ["hoodie", "sweatshirt", "t-shirt", "top"],
            "sweater": ["sweater"],
            "cardigan": ["cardigan"],
            "jacket": ["blazer", "jacket", "suit"],
            "vest": ["vest"],
            "pants": ["jeans", "leggings", "pants"],
            "shorts": ["shorts"],
            "skirt": ["skirt"],
            "coat": ["coat"],
            "dress": ["dress"],
            "jumpsuit": ["bodysuit", "jumper", "romper"],
            "cape": ["cape"],
            "glasses": ["glasses", "sunglasses"],
            "hat": ["hat"],
            "tie": ["tie"],
            "glove": ["gloves"],
            "watch": ["watch"],
            "belt": ["belt"],
            "tights, stockings": ["stockings", "tights"],
            "sock": ["socks"],
            "shoe": _FOOTWEAR + ["boots"],
            "bag, wallet": ["bag", "purse", "wallet"],
            "scarf": ["scarf"],
        }
    },
}


@dataclasses.dataclass(frozen=True)
class LabelClasses:
    """What becomes of each label.

    Args:
        names: of the classes 1 to K.
        table: int16 [L] class of each label, 0 background, IGNORED, or UNKNOWN.
        parts: class ids of which each connected part is an object.
        min_area: of such a part, pixels.
    """

    names: tuple[str, ...]
    table: np.ndarray
    parts: frozenset[int]
    min_area: int


def label_classes(label_names: dict[int, str], mapping: str | os.PathLike | dict | None = None,
                  min_area: int | None = None, tell: Callable[..., None] | None = None) -> LabelClasses:
    """What a mapping makes of labels.

    Args:
        label_names: {label: name}.
        mapping: path of a mapping file, name of one of READY_MAPPINGS, or such a dict; None makes every label but 0 a
            class of its own.
        min_area: in place of the mapping's.
        tell: function(what, how, first), which is told of labels that their names do not make classes; None warns.

    Returns:
        LabelClasses.

    Raises:
        DataError: naming the mapping and what is wrong with it.
    """
    where, content = _read_mapping(mapping, label_names)
    if min_area is not None:
        content = {**content, "min_area": min_area} if isinstance(content, dict) else content
    _check_mapping(where, content)
    if stands_for(label_names.get(IGNORED, "void")) != IGNORED and not is_no_class(label_names[IGNORED]):
        warnings.warn(f"label {IGNORED}, called {label_names[IGNORED]}, is ignored, as in all maps: give this class "
                      "another number, in the names and in the maps.", stacklevel=2)
    classes, table = content["classes"], _empty_table(label_names)
    groups = [("background", 0, content.get("background", [])), ("ignore", IGNORED, content.get("ignore", []))]
    groups += [(name, class_id, labels) for class_id, (name, labels) in enumerate(classes.items(), start=1)]
    rest, owners = None, {}
    for name, value, labels in groups:
        for label in labels:
            if label == "*":
                if rest is not None:
                    raise DataError(f'{where}: "*" occurs twice: let one class have the rest of the labels.')
                rest = value
                continue
            for number in _numbers(label, label_names, where):
                if number in owners:
                    raise DataError(f"{where}: label {label!r} is in {owners[number]!r} and in {name!r}: name it once.")
                owners[number], table[number] = name, value
    _place_words(table, owners, label_names, tell or _warn)
    _place_rest(table, owners, rest, label_names, "background" in content, where)
    ways = content.get("instances", {})
    parts = {i for i, name in enumerate(classes, start=1) if ways.get(name, _usual_way(name)) == "parts"}
    return LabelClasses(tuple(classes), table, frozenset(parts), int(content.get("min_area", MIN_AREA)))


def _empty_table(label_names):
    table = np.full(max(max(label_names), IGNORED) + 1, UNKNOWN, np.int16)
    table[IGNORED] = IGNORED
    return table


def _place_words(table, owners, label_names, tell):
    """Take labels as their names say that the mapping does not name, and tell of a label 0 that is called a class."""
    for label, value in words_among(label_names).items():
        if label not in owners:
            owners[label], table[label] = label_names[label], value
            tell("label", f"that {'is ignored' if value else 'is background'} by its name: to make it something else, "
                 "name it in a mapping (--mapping, mapping=)", f"{label}, {label_names[label]}")
    if 0 not in owners and not is_no_class(label_names.get(0, "background")):
        tell("label", "with the name of a class that is background, as 0 always is: make it a class by a mapping "
             "(--mapping, mapping=), or write background before the names if they lack it", f"0, {label_names[0]}")
    if 0 not in label_names:
        table[0] = 0


def _warn(what, how, first):
    warnings.warn(f"1 {what} {how} (first: {first}).", stacklevel=5)


def _place_rest(table, owners, rest, label_names, complete, where):
    """Give the labels that are named nowhere to the class of "*", or to the background."""
    left = [label for label in label_names if label not in owners and label != IGNORED]
    forgotten = [label_names[label] for label in left if label != 0]
    if complete and rest is None and forgotten:
        raise DataError(
            f"{where}: names {', '.join(forgotten[:10])} nowhere: add to a class, to background or to ignore."
        )
    for label in left:
        table[label] = rest if rest is not None and label != 0 else 0


def _numbers(label, label_names, where):
    """The labels that a mapping means by a name or a number."""
    if isinstance(label, int) and not isinstance(label, bool):
        numbers = [label] if label in label_names else []
    else:
        numbers = [number for number, name in label_names.items() if name == label]
    if not numbers:
        known = ", ".join(list(label_names.values())[:20]) + (", ..." if len(label_names) > 20 else "")
        raise DataError(f"{where}: there is no label {label!r}: the names of the labels are {known}.")
    return numbers


def _usual_way(name):
    return "parts" if name.lower() in PAIRED or name.lower().removesuffix("s") in PAIRED else "union"


# --- Reading ---------------------------------------------------------------------------------------------------------


def _read_mapping(mapping, label_names):
    """(what to call it in messages, its content)."""
    if mapping is None:
        # Names of labels need not be distinct, names of classes in a mapping must.
        classes, words = {}, words_among(label_names)
        for label, name in label_names.items():
            if label not in (0, IGNORED) and label not in words:
                classes[name if name not in classes else f"{name} ({label})"] = [label]
        if not classes:
            listed = ", ".join(f"{label} {name}" for label, name in list(label_names.items())[:5])
            raise DataError(f"the names of the labels have no class, but {listed}: 0 is the background, 255 and void "
                            "are ignored. Write background before the names if they lack it, or give a mapping.")
        return "the names of the labels", {"classes": classes}
    if not isinstance(mapping, (str, os.PathLike)):
        return "mapping", mapping
    if str(mapping) in READY_MAPPINGS:
        return f"mapping {mapping}", READY_MAPPINGS[str(mapping)]
    if not os.path.isfile(mapping):
        raise DataError(f"{mapping}: no such mapping file, and no ready mapping ({', '.join(READY_MAPPINGS)}).")
    return str(mapping), read_json(mapping, "mapping of labels")


def _check_mapping(where, content):
    """Raise DataError if a mapping has not the form that the top of this file shows."""
    known = ("classes", "background", "ignore", "instances", "min_area")
    if not isinstance(content, dict) or not isinstance(content.get("classes"), dict) or not content["classes"]:
        raise DataError(f'{where}: a mapping needs "classes": {{name: [labels]}}.')
    for key in content:
        if key not in known:
            raise DataError(f"{where}: a mapping has no {key!r}: it may have {', '.join(known)}.")
    lists = {**content["classes"], "background": content.get("background", []), "ignore": content.get("ignore", [])}
    for name, labels in lists.items():
        if not isinstance(labels, list) or not all(isinstance(label, (str, int)) for label in labels):
            raise DataError(f"{where}: {name!r} must be a list of labels, got {str(labels)[:60]}.")
    if {"background", "ignore"} & set(content["classes"]):
        raise DataError(f'{where}: no class may be called "background" or "ignore": these have keys of their own.')
    if len(content["classes"]) >= IGNORED:
        raise DataError(f"{where}: {len(content['classes'])} classes are more than the 254 of a label map: merge some.")
    instances = content.get("instances", {})
    if not isinstance(instances, dict):
        raise DataError(f'{where}: "instances" must be {{class: "parts" or "union"}}.')
    for name, way in instances.items():
        if name not in content["classes"] or way not in ("parts", "union"):
            raise DataError(f'{where}: instances {name!r}: {way!r} must be a class with "parts" or "union".')
    area = content.get("min_area", MIN_AREA)
    if not isinstance(area, int) or isinstance(area, bool) or area < 1:
        raise DataError(f"{where}: min_area must be a whole number of pixels from 1 on, got {area!r}.")


def find_names(folder: str | os.PathLike) -> str | None:
    """Path of the file of names that lies in the folder of label maps or in the folder above; None if there is none."""
    return find_file(folder, NAMES_FILES)


def find_file(folder: str | os.PathLike, names: Iterable[str]) -> str | None:
    """Path of the first file of some names in a folder or in the folder above; None if there is none."""
    for place in (folder, os.path.dirname(os.path.abspath(folder))):
        for name in names:
            path = os.path.join(place, name)
            if os.path.isfile(path):
                return path
    return None
