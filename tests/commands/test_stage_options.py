"""Reading of stages, and of texts between commas."""

import re

import pytest

from mrcnn.commands.stage_options import parse_stages, stages_text
from mrcnn.errors import UsageError


def test_epochs_of_stages_add_up():
    stages = parse_stages("heads:20:1e-3, 4+:5:0.0005,all:20:1e-4")
    assert stages == [("heads", 20, 1e-3, None), ("4+", 25, 5e-4, None), ("all", 45, 1e-4, None)]


def test_layers_may_be_a_regular_expression_with_colons():
    assert parse_stages(r"(?:rpn_.*)|(?:fpn_.*):3:0.01") == [(r"(?:rpn_.*)|(?:fpn_.*)", 3, 0.01, None)]


@pytest.mark.parametrize("layers", [r"(rpn\_.*)|(fpn_.{1,3})", "[p,q].*", "(a{1,}|(b{,2}))"])
def test_commas_within_brackets_are_the_regular_expressions(layers):
    stages = parse_stages(f"heads:1:1e-3,{layers}:3:0.01:flip , {layers}:1:1e-4")
    assert stages == [("heads", 1, 1e-3, None), (layers, 4, 0.01, "flip"), (layers, 5, 1e-4, None)]
    assert parse_stages(stages_text(stages)) == stages


@pytest.mark.parametrize("text, part", [("rpn_.*,fpn_.*:1:1e-3", "rpn_.*"), ("heads:20,all:20:1e-4", "heads:20"),
                                        ("heads:20:0,all:20:1e-4", "heads:20:0")])
def test_of_a_comma_elsewhere_it_is_told_that_it_parts_stages(text, part):
    with pytest.raises(UsageError, match=rf"{re.escape(repr(part))} is not .*Commas outside brackets part stages"):
        parse_stages(text)


@pytest.mark.parametrize("text", [
    "", "heads", "heads:20", "heads:0:1e-3", "heads:-1:1e-3", "heads:1.5:1e-3", "heads:20:0", "heads:20:-1",
    "heads:20:nan", "heads:20:inf", ":20:1e-3", "heads:20:1e-3,", "(:20:1e-3",
    "heads:twenty:1e-3", "heads:20:fast", "heads:20:1e-3:", "heads:x:1e-3:flip", "heads:2:1e-3:flip:none",
])
def test_a_malformed_stage_is_told_with_an_example(text):
    with pytest.raises(UsageError, match="heads:20:1e-3:none,all:20:1e-4"):
        parse_stages(text)
