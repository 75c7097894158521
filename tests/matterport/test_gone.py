"""Names that are gone: the table against the page, and what a script is told in each way of asking."""

import importlib
import pathlib
import re

import pytest

from mrcnn.matterport.gone import GONE

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "matterport.md"


def of_the_page(module):
    """{name: what to write} of the names that the page calls gone, without links and marks of code."""
    section = PAGE.read_text().split(f"\n## `{module}`\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)(?:\(.*?\))?` \| gone \| (.*) \|$", section, re.MULTILINE)
    return {name: re.sub(r": see \[.*\)$", "", what).replace("`", "") for name, what in rows}


@pytest.mark.parametrize("module", GONE)
def test_the_table_is_that_of_the_page(module):
    assert GONE[module] == of_the_page(module) and GONE[module]


@pytest.mark.parametrize("module", GONE)
def test_every_way_of_asking_is_answered(module):
    asked = importlib.import_module(module)
    for name, what in GONE[module].items():
        line = f"^{re.escape(f'{module}.{name} of Matterport')}.*{re.escape(what)}"
        with pytest.raises(ImportError, match=line):
            exec(f"from {module} import {name}")
        with pytest.raises(AttributeError, match=line):
            getattr(asked, name)
        with pytest.raises(AttributeError, match=line):
            eval(f"asked.{name}")
        assert not hasattr(asked, name)


def test_other_names_are_missed_as_ever():
    with pytest.raises(ImportError, match="cannot import name 'rpn_grap' from 'mrcnn.model'"):
        exec("from mrcnn.model import rpn_grap")
    with pytest.raises(AttributeError, match="^module 'mrcnn.model' has no attribute 'rpn_grap'$"):
        importlib.import_module("mrcnn.model").rpn_grap  # noqa: B018
