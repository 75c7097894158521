"""Batches that wait for a photo say which."""

import threading
import warnings

import numpy as np
import pytest
from made_pictures import plain, settings

from mrcnn.data import batches as module
from mrcnn.data.batches import Batches


def test_a_photo_that_never_comes_is_named_again_and_again(monkeypatch):
    dataset, answered, told = plain(3), threading.Event(), []
    load_image = dataset.load_image

    def load(image_id):
        if image_id == 1:
            answered.wait(60)
        return load_image(image_id)

    def note(message, *others):
        told.append(str(message))
        if len(told) == 3:
            answered.set()

    dataset.load_image = load
    batches = Batches(dataset, settings(WORKERS=2), batch_size=1, shuffle=False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", note)
        assert batches[0] and not told
        monkeypatch.setattr(module, "STALLED", 0.02)
        (stalled,) = batches[1]
    assert answered.is_set() and len(told) >= 3
    assert all("picture1.png (" in text and "for batch 1, and waits on" in text for text in told)
    monkeypatch.undo()
    np.testing.assert_array_equal(stalled["image"], Batches(plain(3), settings(WORKERS=0), batch_size=1,
                                                            shuffle=False)[1][0]["image"])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_time_limit_of_the_drive_is_an_error_and_no_stall(workers, monkeypatch):
    monkeypatch.setattr(module, "STALLED", 0.02)
    dataset = plain(2)

    def load(image_id):
        raise TimeoutError("the drive did not answer")

    dataset.load_image = load
    with pytest.raises(module.DataError, match="picture0.png: TimeoutError: the drive did not answer"):
        Batches(dataset, settings(WORKERS=workers), batch_size=1, shuffle=False)[0]
