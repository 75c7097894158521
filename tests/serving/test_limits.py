"""Limits that cannot be."""

import pytest

from mrcnn.errors import UsageError
from mrcnn.serving.limits import Limits


def test_a_request_has_no_more_photos_than_the_queue_holds():
    assert Limits(queue=2, photos=5).photos_taken == 2 and Limits(queue=5, photos=2).photos_taken == 2


@pytest.mark.parametrize("name, value", [("queue", 0), ("timeout", 0), ("photos", -1), ("wait", -1)])
def test_a_limit_out_of_range(name, value):
    with pytest.raises(UsageError, match=f"{name}={value}: it must be"):
        Limits(**{name: value})
