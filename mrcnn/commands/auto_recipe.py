"""A recipe from the data: what `--preset auto` takes for a training, each choice with its reason.

`choose` goes through the rules of `mrcnn.commands.auto_rules` in their order. What the user gave stands, and the rules
that follow go by it.
"""

import json
import shlex
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mrcnn.commands.auto_rules import RULES, Situation

OPTIONS = {"weights": "weights", "BACKBONE": "backbone", "BATCH_SIZE": "batch-size", "AUGMENT": "augment",
           "STAGES": "stages"}  # what has an option of its own; all else is a --set


class Choice(NamedTuple):
    """One choice of a recipe.

    Args:
        about: what it is about, in a word.
        values: {setting, or "weights": value} that are taken.
        reason: why.
        given: {name: value} that the rule would have set and the user has.
        unknown: names that the network does not have.
    """

    about: str
    values: dict
    reason: str
    given: dict
    unknown: tuple = ()

    def told(self) -> str:
        """The choice in one line."""
        parts = []
        if self.values:
            parts.append(": ".join(filter(None, [values_text(self.values), self.reason])))
        elif not self.given and not self.unknown:
            parts.append(self.reason)
        if self.given:
            parts.append(f"{values_text(self.given)} as you gave it")
        if self.unknown:
            parts.append(f"{', '.join(self.unknown)} {'is' if len(self.unknown) == 1 else 'are'} no setting of this "
                         "network")
        return f"{self.about:<12} {'; '.join(parts)}"


def values_text(values: dict) -> str:
    """Settings and options in words: "BACKBONE=small, BATCH_SIZE=4"."""
    return ", ".join(f"{name}={_plain(value)}" for name, value in values.items())


def _plain(value):
    return value if isinstance(value, str) else json.dumps(value)


def choose(summary_of: Callable[[int | None], dict], machine: dict, given: dict, known: Callable[[str], bool],
           fits: Callable[[dict, int], tuple[int, str]], validation: int) -> list[Choice]:
    """Choose the settings of a training.

    Args:
        summary_of: function of the longer side of a rectangular canvas, pixels, that gives the `summarise` of the
            training photos on it, with its anchors; of None, of any canvas, without anchors and sizes on the canvas.
            With `sizes=True` it leaves the anchors out.
        machine: {"cores": number; "memory": bytes that are free or None; "gpu": bytes, 0 where they are not known,
            None without one; "installed": names of backbones whose ImageNet weights are here; "objects": whether the
            network finds objects; "encoder": whether it takes a backbone; "imgaug": whether that package is here}.
        given: {setting, or "weights": value} of the user, which stand.
        known: whether the network has a setting of this name.
        fits: function ({name: value} chosen so far, photos) of the largest batch up to so many photos that fits into
            memory, and of what to say of it.
        validation: number of validation photos.

    Returns:
        The choices, in the order of the rules.
    """
    chosen, choices = {}, []
    for about, rule in RULES.items():
        now = Situation(summary_of, machine, {**chosen, **given}, known, fits, validation)
        values, reason = rule(now)
        theirs = {name: given[name] for name in values if name in given}
        unknown = tuple(name for name in values if name not in given and name.isupper() and name not in OPTIONS
                        and not known(name))
        taken = {name: value for name, value in values.items() if name not in theirs and name not in unknown}
        chosen.update(taken)
        choices.append(Choice(about, taken, reason, theirs, unknown))
    return choices


def words_of(values: dict) -> list[str]:
    """The options of a command that stand for {setting, or "weights": value}."""
    words = []
    for name, value in values.items():
        if name in OPTIONS:
            words += [f"--{OPTIONS[name]}", _plain(value)]
        else:
            words += ["--set", f"{name}={_plain(value)}"]
    return words


def recipe_text(choices: Sequence[Choice], head: str, more: Sequence[str] = ()) -> str:
    """A recipe as a file that --preset takes.

    Args:
        choices: of `choose`.
        head: what it was chosen for.
        more: words of the user's own options, which come last and win.
    """
    lines = [f"# {head}"]
    for choice in choices:
        lines.append(f"# {choice.told()}")
        if choice.values:
            lines.append(shlex.join(words_of(choice.values)))
    if more:
        lines += ["# given beside --preset auto", shlex.join(more)]
    return "\n".join(lines) + "\n"
