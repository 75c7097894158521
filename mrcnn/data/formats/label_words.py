"""Names of labels that stand for the background or for what is ignored, in all readers of label maps."""

import re
from collections.abc import Mapping

IGNORED = 255
BACKGROUND = ("background", "bg")  # of any label
IGNORE = ("ignored", "ignore", "void")
# What label 0 is called where it is no class, beside the words above: as first names of lists, and those that are less
# sure there, as they may be classes too.
NOTHING = (*BACKGROUND, "null", "none", "nothing", "nolabel", "unlabeled", "unlabelled", "empty")
REST = (*NOTHING, "other", "others", "unknown", "undefined", "unclassified", "unassigned", "rest")


def plain(name: str) -> str:
    """A name in lower case without spaces and marks: "__Ignore__" is "ignore"."""
    return re.sub(r"[\W_]+", "", name.lower())


def stands_for(name: str) -> int | None:
    """0 of a name that stands for the background, IGNORED of one for what is ignored, None of a class."""
    word = plain(name)
    return 0 if word in BACKGROUND else IGNORED if word in IGNORE else None


def begins_with_nothing(names: list[str]) -> bool:
    """Whether a list of names begins with that of label 0 where no class is."""
    return bool(names) and plain(names[0]) in (*NOTHING, *IGNORE)


def is_no_class(name: str) -> bool:
    """Whether a name of label 0 tells by itself that no class is there: "other", or "background/sky" too."""
    return plain(name) in REST or any(word in BACKGROUND for word in re.split(r"[\W_]+", name.lower()))


def words_among(label_names: Mapping[int, str]) -> dict[int, int]:
    """Which labels stand by their names for the background or for what is ignored.

    Args:
        label_names: {label: name}.

    Returns:
        {label: 0 or IGNORED}, without the background of label 0 and without label 255, which is always ignored.
    """
    found = {label: stands_for(name) for label, name in label_names.items() if label != IGNORED}
    return {label: value for label, value in found.items() if value == IGNORED or (value == 0 and label)}


def from_0(label_names: dict[int, str]) -> dict[int, str]:
    """Names as label maps count them: LabelMe's labels.txt begins with -1, __ignore__, and the background is next."""
    if label_names.get(0, "").lower() == "__ignore__" and stands_for(label_names.get(1, "")) == 0:
        return {label - 1: name for label, name in label_names.items() if label}
    return label_names
