"""Pictures of several objects where a mask of one is due: which are refused, and which masks are none of them."""

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats.label_files import read_mask
from mrcnn.errors import DataError

RANDOM = np.random.default_rng(4)
LABELS = np.zeros((40, 50), np.uint8)
LABELS[2:12, 3:20], LABELS[15:35, 5:18], LABELS[5:30, 25:45] = 1, 2, 3
DISC = cv2.circle(np.zeros((40, 50), np.uint8), (24, 20), 14, 255, -1, cv2.LINE_AA)
COLOURS = np.array([(0, 0, 0), (200, 30, 0), (10, 220, 90), (70, 80, 250)], np.uint8)


def saved(path, pixels, palette=None, **options):
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    image.save(path, **options)
    return path


def grey_ramp():
    return np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes()


@pytest.mark.parametrize("name, pixels, palette", [
    ("a.png", LABELS, None),
    ("a.png", LABELS * np.uint8(80), None),  # 80, 160, 240: stretched for the eye, and no edges
    ("a.png", LABELS.astype(np.uint16) * 200, None),
    ("a.tif", LABELS.astype(np.int32), None),
    ("a.tif", LABELS.astype(np.float32), None),
    ("a.png", LABELS, COLOURS.tobytes()),
    ("a.gif", LABELS, COLOURS.tobytes()),
    ("a.png", LABELS, grey_ramp()),
    ("a.png", COLOURS[LABELS], None),
    ("a.png", np.dstack([COLOURS[LABELS], np.full(LABELS.shape, 255, np.uint8)]), None),
    ("a.png", np.repeat(LABELS[..., None], 3, axis=2), None),
])
def test_pictures_of_several_objects_are_refused(tmp_path, name, pixels, palette):
    with pytest.raises(DataError, match=r"a\.(png|tif|gif): has 3 (values|colours) beside 0.*PedMasks"):
        read_mask(saved(tmp_path / name, pixels, palette))


def test_two_thin_objects_are_refused(tmp_path):
    lines = np.zeros((9, 9, 3), np.uint8)
    lines[2], lines[6] = (200, 0, 0), (0, 200, 0)
    with pytest.raises(DataError, match="has 2 colours"):
        read_mask(saved(tmp_path / "a.png", lines))


def test_masks_of_one_object_stay_as_they_were(tmp_path):
    disc, red = DISC > 127, np.zeros((40, 50, 3), np.uint8)
    red[..., 0], red[..., 1] = DISC, DISC // 2
    photo = RANDOM.integers(1, 255, (40, 50, 3), np.uint8) * disc[..., None].astype(np.uint8)
    blurred = cv2.GaussianBlur(DISC, (0, 0), 4)
    soft_words = DISC.astype(np.uint16) * 257
    for name, pixels, palette, inside in (
            ("soft.png", DISC, None, disc), ("soft.jpg", DISC, None, None),
            ("blurred.png", blurred, None, blurred > 127),
            ("soft_palette.png", DISC, grey_ramp(), DISC > 0), ("red.png", red, None, DISC > 0),
            ("photo.png", photo, None, disc), ("words.png", soft_words, None, DISC > 0),
            ("one.png", LABELS * (LABELS == 3), None, LABELS == 3),
            ("share.tif", DISC / np.float32(255), None, DISC > 0)):
        found, _ = read_mask(saved(tmp_path / name, pixels, palette))
        if inside is None:
            assert np.count_nonzero(found != disc) < 10
        else:
            np.testing.assert_array_equal(found, inside, name)
