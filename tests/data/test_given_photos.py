"""Photos in the forms that callers have them in."""

import io
import pathlib

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.given_photos import GivenPhotos, as_arrays
from mrcnn.errors import DataError

PHOTO = np.random.default_rng(0).integers(0, 255, (6, 9, 3), np.uint8)


@pytest.fixture
def path(tmp_path):
    """Of a file that holds PHOTO lying on its side, as its EXIF says."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees clockwise to see it upright
    Image.fromarray(np.rot90(PHOTO).copy()).save(tmp_path / "a.png", exif=exif)
    return tmp_path / "a.png"


def test_all_forms_of_a_photo_are_one_photo(path):
    with Image.open(path) as opened:
        forms = [PHOTO, str(path), path, path.read_bytes(), bytearray(path.read_bytes()), opened]
        photos = as_arrays(forms)
        assert len(photos) == len(forms) and not photos.in_memory
        for photo in photos:
            np.testing.assert_array_equal(photo, PHOTO)
        for form in forms:  # one photo is a list of one
            (photo,) = as_arrays(form)
            np.testing.assert_array_equal(photo, PHOTO)


def test_pillow_images_of_other_modes_become_rgb():
    colours = Image.fromarray(np.repeat(np.repeat(np.uint8([[[200, 10, 30], [0, 90, 250]]]), 4, 0), 4, 1))
    for image in (colours.quantize(2), colours.convert("RGBA"), colours.convert("CMYK")):
        (photo,) = as_arrays(image)
        np.testing.assert_allclose(photo.astype(int), np.asarray(colours).astype(int), atol=2)
    (grey,) = as_arrays(Image.fromarray(np.full((2, 2), 7, np.uint8)))
    assert grey.tolist() == np.full((2, 2, 3), 7).tolist()
    (deep,) = as_arrays(Image.fromarray(np.full((2, 2), 200 << 8, np.uint16)))
    assert deep.tolist() == np.full((2, 2, 3), 200).tolist()


def test_files_are_read_in_chunks_and_arrays_are_as_they_are(path, monkeypatch):
    read = []
    monkeypatch.setattr("mrcnn.data.given_photos.load_image", lambda name: read.append(name) or PHOTO)
    chunks = as_arrays([path, PHOTO, path]).chunks(2)
    assert read == []
    assert [(first, len(photos), len(read)) for first, photos in chunks] == [(0, 2, 1), (2, 1, 2)]
    arrays = [PHOTO, PHOTO, PHOTO]
    ((first, photos),) = as_arrays(arrays).chunks(2)
    assert first == 0 and all(photo is array for photo, array in zip(photos, arrays))
    assert list(as_arrays([]).chunks(2)) == []


def test_slices_are_lists(path):
    photos = as_arrays([PHOTO, path, PHOTO[:3]])
    assert [photo.shape for photo in photos[1:]] == [(6, 9, 3), (3, 9, 3)]
    assert photos[-1].shape == (3, 9, 3)
    with pytest.raises(IndexError):
        photos[3]


@pytest.mark.parametrize("given, said", [
    (["there.png", "gone.png"], "Image 1 is '.*gone.png', no file: correct the path"),
    ("", "Image 0 is '', no file"),
    (pathlib.Path("."), "Image 0 is '.', a folder: give the paths of its photos"),
    (["https://shop/a.jpg"], "Image 0 is 'https://shop/a.jpg', an address: fetch it, and give the bytes"),
    (7, "int is no list of photos: give arrays, or paths of files"),
])
def test_what_is_no_photo_is_refused_before_any_is_read(given, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("there.png").write_bytes(b"not read yet")
    with pytest.raises(DataError, match=said):
        as_arrays(given)


def test_a_broken_file_and_broken_bytes_are_named(tmp_path):
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="b.png: not a readable image"):
        as_arrays([PHOTO, tmp_path / "b.png"])[1]
    with pytest.raises(DataError, match="image 1: not a readable image"):
        as_arrays([PHOTO, b"no picture"])[1]
    closed = Image.open(_png())
    closed.close()
    with pytest.raises(DataError, match="image 0: not a readable image"):
        as_arrays(closed)[0]


def _png():
    file = io.BytesIO()
    Image.fromarray(PHOTO).save(file, "PNG")
    file.seek(0)
    return file


def test_arrays_are_checked_at_once_and_files_when_they_are_read(path):
    def check(image, index):
        if image.shape[1] > 5:
            raise DataError(f"{index} is too wide")
        return image + 1

    with pytest.raises(DataError, match="1 is too wide"):
        GivenPhotos([PHOTO[:, :5], PHOTO], check)
    photos = GivenPhotos([PHOTO[:, :5], path], check)
    np.testing.assert_array_equal(photos[0], PHOTO[:, :5] + 1)
    with pytest.raises(DataError, match="1 is too wide"):
        photos[1]
