"""What chains of refinement may say, and that the steps which do it take the same."""

import inspect

import pytest

from mrcnn.config import Config
from mrcnn.config_chains import SETTINGS, steps_of
from mrcnn.errors import ConfigError, DataError
from mrcnn.labeling.refine import STEPS


def test_the_language_has_the_steps_and_settings_that_there_are():
    taken = {name: [one for one in list(inspect.signature(step).parameters)[2:] if one != "method"]
             for name, step in STEPS.items()}
    assert {name: list(settings) for name, settings in SETTINGS.items()} == taken


def test_steps_come_in_their_order_with_their_settings():
    assert steps_of("crf:iterations=3:colour=8, guided") == [("crf", {"iterations": 3, "colour": 8.0}), ("guided", {})]
    assert steps_of(None) == steps_of("") == steps_of(" none ") == []


@pytest.mark.parametrize("text, message", [
    ("slick", "no step 'slick': chain some of small-regions, felzenszwalb"), ("guided:width=3", "of radius, epsilon."),
    ("guided:radius=9", "radius=9 must be 0.001 to 1."),
])
def test_what_there_is_not_is_refused_where_it_is_written(text, message):
    with pytest.raises(DataError, match=message):
        steps_of(text)
    with pytest.raises(ConfigError, match=f"^LABEL_REFINE='{text}': .*{message}"):
        Config(LABEL_REFINE=text)
    with pytest.raises(ConfigError, match=message):
        type("Own", (Config,), {"LABEL_REFINE": text})
