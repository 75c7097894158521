"""The attributes of what was found, in words."""

from collections.abc import Sequence

import numpy as np


def names_of(config: object) -> list[str]:
    """Names of the attributes that a network tells, by its Config; none of most networks."""
    return list(getattr(config, "ATTRIBUTES", None) or ())


def with_words(result: dict, names: Sequence[str] | None, least: float) -> dict:
    """Give what was found in a photo the names of its attributes.

    Args:
        result: of `detect`, with "attribute_scores" [N, M] if the network has attributes.
        names: M names; None of a network without.
        least: score from which on an attribute is named, 0..1.

    Returns:
        The dict with "attributes" beside the scores: of each object a dict {name: score}, best first; and
        "attribute_names", the M names.
    """
    if "attribute_scores" not in result:
        return result
    words = [words_of(scores, names, least) for scores in result["attribute_scores"]]
    return {**result, "attributes": words, "attribute_names": list(names)}


def in_words(result: dict, config: object) -> dict:
    """`with_words`, by the settings of the network: ATTRIBUTES, and the least score ATTRIBUTE_MIN_CONFIDENCE.

    Args:
        result: of `detect`.
        config: Config of a network with or without attributes.

    Returns:
        The dict, with names if the network has any.
    """
    names = names_of(config)
    return with_words(result, names, config.ATTRIBUTE_MIN_CONFIDENCE) if names else result


def words_of(scores: np.ndarray, names: Sequence[str], least: float) -> dict[str, float]:
    """Name the attributes of an object.

    Args:
        scores: [M], 0..1; 0 of what its class cannot have.
        names: M names.
        least: score from which on one is named.

    Returns:
        {name: score}, best first.
    """
    order = np.argsort(-scores, kind="stable")
    return {names[i]: float(scores[i]) for i in order if scores[i] >= least and scores[i] > 0}
