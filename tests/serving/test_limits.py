"""Limits that cannot be."""

import pytest

from mrcnn.errors import UsageError
from mrcnn.serving.limits import Limits


@pytest.mark.parametrize("name, value", [("queue", 0), ("timeout", 0), ("photos", -1), ("wait", -1)])
def test_a_limit_out_of_range(name, value):
    with pytest.raises(UsageError, match=f"{name}={value}: it must be"):
        Limits(**{name: value})
