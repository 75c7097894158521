"""Options that stand for settings, as --batch-size for BATCH_SIZE: what a preset says of either yields to flags."""

from collections.abc import Sequence

OPTIONS = {  # {option: the settings that it stands for}
    "--backbone": ("BACKBONE",), "--seed": ("SEED",), "--stages": ("STAGES",), "--augment": ("AUGMENT",),
    "--batch-size": ("BATCH_SIZE", "IMAGES_PER_GPU"), "--image-size": ("IMAGE_MAX_DIM", "IMAGE_MIN_DIM"),
}
BESIDE = ("IMAGE_MIN_DIM",)  # may differ from its option, which stays


def without_replaced(words: Sequence[str], later: Sequence[str]) -> list[str]:
    """Options of a preset less those in whose place later words have the setting, or the option that stands for it.

    Args:
        words: of the preset: an option and its value are two words or one.
        later: words that win.
    """
    options, settings = _named(later)
    gone_settings = {name for option in options for name in OPTIONS.get(option, ())}
    gone_options = {option for option, names in OPTIONS.items() if settings.intersection(names).difference(BESIDE)}
    kept, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        option, sign, value = word.partition("=")
        own = [word]
        if option in (*OPTIONS, "--set") and not sign and rest:
            own.append(rest.pop(0))
            value = own[1]
        if option in gone_options or option == "--set" and _name(value) in gone_settings:
            continue
        kept += own
    return kept


def _named(words):
    """(options of OPTIONS, settings of --set) that words of a command line name; options may be cut short."""
    options, settings = set(), set()
    for word, following in zip(words, [*words[1:], ""]):
        option, sign, value = word.partition("=")
        if option == "--set":
            settings.add(_name(value if sign else following))
        elif option.startswith("--") and len(option) > 2:
            options.update(one for one in OPTIONS if one.startswith(option))
    return options, settings


def _name(text):
    return text.partition("=")[0].strip()
