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


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 3}])
def test_bytes_that_only_fill_up_are_no_damage(options):
    sound = noise(**options)
    tables, scan = sound.index(b"\xff\xdb"), sound.rindex(b"\xff\xda")
    restart = sound.index(b"\xff\xd2") if "restart_marker_rows" in options else scan
    files = {"before tables": sound[:tables] + b"\x01\x02\x03" + sound[tables:],
             "between": sound[:scan] + bytes(7) + sound[scan:], "restart": sound[:restart] + bytes(9) + sound[restart:],
             "after": sound + bytes(range(200))}
    files.update({f"{value} {count} times": sound[:-2] + bytes([value]) * count + sound[-2:]
                  for value in (0, 0x55, 0xff) for count in (1, 3, 8, 65, 5000)})
    assert all(np.array_equal(pixels(data), pixels(sound)) for data in files.values())
    assert jpeg_damages(files.get, list(files)) == {}


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 3}])
def test_a_hole_before_a_mark_and_foreign_bytes_are_damage(options):
    sound = noise(**options)
    mark = sound.index(b"\xff\xd2") if "restart_marker_rows" in options else len(sound) - 2
    files = {"hole to the end": sound[:-1002] + bytes(1000) + sound[-2:],
             "hole to a mark": sound[: mark - 300] + bytes(300) + sound[mark:],
             "hole and more": sound[:-1502] + bytes(1000) + sound[-502:-2] + bytes(50) + sound[-2:]}
    assert all(not np.array_equal(pixels(data), pixels(sound)) for data in files.values())
    assert set(jpeg_damages(files.get, list(files))) == set(files)


def small(seed, white, **options):
    """Photos whose scans end in all kinds of bytes; under a white half in several equal ones."""
    rng, data = np.random.default_rng(seed), io.BytesIO()
    image = np.kron(rng.integers(0, 255, (10, 12, 3)), np.ones((16, 16, 1))) + rng.normal(0, 6, (160, 192, 3))
    image[80 if white else 160 :] = 255
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(data, "JPEG", **options)
    return data.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_padding_of_any_length_and_gaps_in_the_header_are_no_damage(options):
    """Sound photos were left out by --skip for one byte too much."""
    files = {}
    for seed in range(20):
        sound = small(seed, seed % 3 == 0 and "optimize" not in options, **options)
        at = 4 + int.from_bytes(sound[4:6], "big")
        files[seed, "gap"] = sound[:at] + b"\x12\x34\x56" * 20 + sound[at:]
        files.update({(seed, value, count): sound[:-2] + bytes([value]) * count + sound[-2:]
                      for value in (0, 0x20) for count in (1, 2, 3, 62)})
        white = small(seed, True, **options)
        files[seed, "equal bytes"] = white[:at] + b"\x12\x34\x56" * 20 + white[at:]
    assert jpeg_damages(files.get, list(files)) == {}


def test_a_hole_in_place_of_all_later_scans_is_damage():
    """It went out as padding where it began at the end of a scan."""
    sound = small(1, False, progressive=True)
    scans = [at for at in range(len(sound)) if sound.startswith(b"\xff\xda", at)]
    ends = [sound.rindex(b"\xff\xc4", 0, at) if b"\xff\xc4" in sound[last:at] else at
            for last, at in zip(scans, scans[1:])]
    ends += [scans[1] - 1, scans[1]]  # within the tables before a scan, and behind them
    files = {end: sound[:end] + bytes(len(sound) - 2 - end) + sound[-2:] for end in ends}
    assert len(files) > 5 and set(jpeg_damages(files.get, list(files))) == set(files)


def test_what_is_written_on_stderr_comes_there_if_reading_fails(capfd):
    def read(item):
        os.write(2, b"something else\n")
        raise PermissionError(item)

    with pytest.raises(PermissionError):
        jpeg_damages(read, [0])
    assert capfd.readouterr().err == "something else\n"


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
