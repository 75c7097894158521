"""Label maps that were smoothed are told of, sound ones and such of nearest neighbours are not."""

import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.curation.validate import validate
from mrcnn.data.formats import open_dataset
from mrcnn.data.formats.blurred_maps import is_blurred
from tests.voc_files import save_palette, write_voc

SIDE = 64


def person(scale=1):
    """uint8 label map: 1 in the middle of 5 in the middle of 0, drawn `scale` times larger."""
    y, x = np.mgrid[:SIDE * scale, :SIDE * scale] / scale - SIDE / 2
    radius = np.hypot(x, y)
    return np.select([radius < 10, radius < 25], [1, 5], 0).astype(np.uint8)


def resized(how, scale=4):
    return np.array(Image.fromarray(person(scale)).resize((SIDE, SIDE), how))


def test_smoothed_maps_are_told_from_sound_ones():
    thin = person()
    thin[:, 20] = 3  # a line of one pixel
    for sound in (person(), resized(Image.NEAREST), thin, np.zeros((SIDE, SIDE), np.uint8), np.zeros((1, 1), np.uint8),
                  np.where(person(), person(), 255), person() * np.uint16(256)):
        assert not is_blurred(sound)
    for how in (Image.BILINEAR, Image.BICUBIC, Image.BOX):
        assert is_blurred(resized(how))


def write(tmp_path, maps):
    for name in ("labels", "photos"):
        (tmp_path / name).mkdir()
    (tmp_path / "labels" / "label_names.txt").write_text("background\na\nb\nc\nd\ne")
    for number, labels in enumerate(maps):
        Image.fromarray(labels).save(tmp_path / "labels" / f"{number:02d}.png")
        Image.new("RGB", (SIDE, SIDE), (number, 9, 9)).save(tmp_path / "photos" / f"{number:02d}.jpg")
    return str(tmp_path / "labels")


def test_a_few_are_looked_at_when_loaded_and_all_by_validate(tmp_path):
    maps = [person()] * 20
    maps[0] = maps[1] = maps[19] = resized(Image.BILINEAR)
    with pytest.warns(UserWarning, match="2 label maps of 8 that were looked at, with bands of other .*first: 00.png"):
        dataset = open_dataset(write(tmp_path, maps))
    with pytest.warns(UserWarning, match="3 of 20 photos have label maps with bands of other .*first: 00.jpg"):
        assert validate(dataset, progress=False) == []


def test_sound_maps_are_told_nothing_of(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        validate(open_dataset(write(tmp_path, [person(), resized(Image.NEAREST)])), progress=False)


def test_those_of_voc(tmp_path):
    write_voc(tmp_path)
    for folder in ("SegmentationClass", "SegmentationObject"):
        save_palette(tmp_path / folder / "a.png", resized(Image.BILINEAR))
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "JPEGImages" / "a.jpg")
    with pytest.warns(UserWarning, match="1 label map of 1 that were looked at, with bands of other.*first: a.jpg"):
        open_dataset(str(tmp_path))
