"""The size of a photo from its header is that of the decoded photo."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats.photo_files import photo_size
from mrcnn.data.images import EXIF_ORIENTATION, load_image
from mrcnn.errors import DataError


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", [None, 1, 3, 5, 6, 7, 8])
def test_the_header_tells_the_size_of_the_decoded_photo(tmp_path, ending, orientation):
    path = tmp_path / f"photo.{ending}"
    exif = Image.Exif()
    if orientation:
        exif[EXIF_ORIENTATION] = orientation
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(path, exif=exif)
    assert photo_size(path) == load_image(path).shape[:2]
    assert photo_size(path) == ((30, 20) if orientation in (5, 6, 7, 8) else (20, 30))


def test_no_photo(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_text("not at all")
    with pytest.raises(DataError, match="photo.jpg: not a readable image .unknown format"):
        photo_size(path)
    with pytest.raises(DataError, match="none.jpg"):
        photo_size(tmp_path / "none.jpg")


def test_too_many_pixels(tmp_path, monkeypatch):
    path = tmp_path / "photo.png"
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 299)  # 600 pixels are more than twice that
    with pytest.raises(DataError, match="photo.png: too many pixels"):
        photo_size(path)
