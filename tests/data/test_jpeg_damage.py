"""Damage in the middle of JPEGs, of which decoders say nothing but on stderr."""

import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import jpeg_damage
from mrcnn.data.jpeg_damage import jpeg_damages


def noise(kind="JPEG", **options):
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)).save(
        data, kind, **options)
    return data.getvalue()


def ways(data):
    """The same file with a part in the middle zeroed, cut out, or put in."""
    at = len(data) // 2
    return {"zeros": data[:at] + bytes(4000) + data[at + 4000:], "cut": data[:at] + data[at + 4000:],
            "more": data[:at] + bytes(range(250)) * 2 + data[at:]}


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_damage_is_found_and_sound_files_are_not(monkeypatch, options):
    monkeypatch.setattr(jpeg_damage, "TOGETHER", 3)  # some in one with sound ones, some alone
    sound = noise(**options)
    files = {"sound": sound, "png": noise("PNG"), "other": sound, "fourth": sound, "none": b"", **ways(sound)}
    done = []
    found = jpeg_damages(files.get, list(files), 2, lambda *state: done.append(state))
    assert set(found) == {"zeros", "cut", "more"} and done == [(3, 8), (6, 8), (8, 8)]
    assert all(text.startswith("Corrupt JPEG data: ") for text in found.values())


def test_what_else_is_written_on_stderr_comes_there(capfd):
    data = ways(noise())["cut"]

    def read(_):
        os.write(2, b"something else\n")
        return data

    assert list(jpeg_damages(read, [0])) == [0]
    os.write(2, b"the end\n")
    assert capfd.readouterr().err == "something else\n" * 2 + "the end\n"


def test_nothing_is_caught_without_stderr(monkeypatch):
    monkeypatch.setattr(sys, "__stderr__", None)
    assert jpeg_damages(ways(noise()).get, ["cut"]) == {}
