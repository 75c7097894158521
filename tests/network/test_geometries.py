"""The settings that each geometry reads, by building a network of each."""

import pytest
from tiny import TinyConfig

from mrcnn.config import Config
from mrcnn.config_rules import EXACT_ONLY, PASSED_OVER
from mrcnn.network.mask_rcnn import build_mask_rcnn

LIMITS = {"PRE_NMS_PER_LEVEL_TRAINING": 2000, "PRE_NMS_PER_LEVEL_INFERENCE": 1000}  # their defaults


@pytest.fixture(scope="module")
def reads():
    """{geometry: names of the settings that building a network of it reads}."""
    found = {}
    for geometry in PASSED_OVER:
        config = TinyConfig(GEOMETRY=geometry, ATTRIBUTES=("long",), **LIMITS)
        with config.building():
            build_mask_rcnn(config)
        found[geometry] = set(config._built)
    return found


def test_the_rules_name_all_settings_that_one_geometry_alone_reads(reads):
    # MASK_HEAD and CASCADE_IOUS are read in both, and say in Matterport's that there are no points and no more heads.
    alone = reads["exact"] - reads["matterport"]
    assert alone == set(EXACT_ONLY) - {"MASK_HEAD", "CASCADE_IOUS"} | set(PASSED_OVER["matterport"])
    assert reads["matterport"] - reads["exact"] == set(PASSED_OVER["exact"])


def test_what_the_rules_take_for_a_default_is_one():
    for name, (only, _) in EXACT_ONLY.items():
        assert getattr(Config, name) == only and type(getattr(Config, name)) is type(only), name
    for limits in PASSED_OVER.values():
        assert [getattr(Config, name) for name in limits] == [default for default, _ in limits.values()]
