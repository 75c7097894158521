"""The language of Config.LABEL_REFINE and --refine: what chains of refinement may say.

`mrcnn.labeling.refine` has what the steps do.
"""

from mrcnn.errors import DataError

_SUPERPIXELS = ("size", "share", "merge")
SETTINGS = {  # {step: its settings}
    "small-regions": ("least",),
    "felzenszwalb": _SUPERPIXELS,
    "slic": _SUPERPIXELS,
    "merged-superpixels": _SUPERPIXELS,
    "guided": ("radius", "epsilon"),
    "crf": ("iterations", "appearance", "position", "colour", "smoothness", "reach"),
}
# The settings that are divided by, with the least that makes sense; all others may be 0. No setting is negative.
ABOVE_ZERO = {"position": 0.001, "colour": 0.1, "reach": 0.1, "radius": 0.001, "epsilon": 1e-7, "size": 1.0}
LARGEST = 1e9  # of a setting that MOST has not: beyond what any photo has, and within what libraries take
MOST = {"share": 1.0, "least": 1.0, "radius": 1.0, "iterations": 1000}


def steps_of(text: str | None) -> list[tuple[str, dict[str, float]]]:
    """Read the description of a chain: names of steps with commas between, settings after colons.

    Args:
        text: such as "crf,small-regions" or "crf:iterations=3:colour=8"; "", "none" and None name no step.

    Returns:
        [(name, {setting: value})], in their order.

    Raises:
        DataError: a step or setting does not exist, or a value is out of range.
    """
    text = (text or "").strip()
    return [] if text in ("", "none") else [_step(part.strip()) for part in text.split(",")]


def _step(text):
    """(name, {setting: value}) of one step."""
    name, *settings = text.split(":")
    if name not in SETTINGS:
        raise DataError(f"Refinement has no step {name!r}: chain some of {', '.join(SETTINGS)}, or say none.")
    known, given = SETTINGS[name], {}
    for setting in settings:
        key, _, value = setting.partition("=")
        try:
            given[key] = int(value) if key == "iterations" else float(value)
        except ValueError:
            key = None
        if key not in known:
            raise DataError(f"Refinement step {name!r} has no setting {setting!r}: write NAME=NUMBER, of "
                            f"{', '.join(known)}.")
        least = ABOVE_ZERO.get(key, 0.0)
        if not least <= given[key] <= MOST.get(key, LARGEST):
            bounds = f"{least:g} or more, to {LARGEST:g}" if key not in MOST else f"{least:g} to {MOST[key]:g}"
            raise DataError(f"Refinement step {name!r}: {setting} must be {bounds}.")
    return name, given
