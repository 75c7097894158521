"""Label maps, masks and run lengths of photos that EXIF turns, or of another size than their photo."""

import numpy as np
import pytest
from encoded_pixels import text_of
from PIL import Image, ImageOps

from mrcnn.data.formats import imaterialist, open_dataset
from mrcnn.data.formats.fitting import fitted, turns_of
from mrcnn.data.formats.upright import UNTOLD
from mrcnn.data.images import EXIF_ORIENTATION
from mrcnn.data.reporting import Reporting
from mrcnn.errors import DataError

STORED = (20, 30)  # height, width of the photo in its file
LABELS = np.zeros(STORED, np.uint8)
LABELS[2:12, 3:18] = 1
LABELS[14:20, 0:9] = 2


def save_photo(path, orientation=1, size=STORED):
    """A photo in its own colours, so that a turn shows."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(path, exif=exif)


def as_pillow_turns(values, orientation):
    image = Image.fromarray(values)
    image.getexif()[EXIF_ORIENTATION] = orientation
    return np.array(ImageOps.exif_transpose(image))


def label_maps(folder, maps):
    """Path of a folder of label maps. maps: {stem: array}"""
    (folder / "labels").mkdir()
    (folder / "labels" / "label_names.txt").write_text("0 none\n1 hat\n2 shoe\n")
    for stem, labels in maps.items():
        Image.fromarray(labels).save(folder / "labels" / f"{stem}.png")
    return str(folder / "labels")


# --- The rule --------------------------------------------------------------------------------------------------------


def test_what_fits_upright_stays_and_what_fits_stored_alone_is_turned():
    sizes = {"a": ((20, 30), (30, 20), 6), "b": ((30, 20), (30, 20), 6), "c": ((9, 9), (30, 20), 6)}
    assert turns_of(sizes) == {"a": 6, "b": 1, "c": None}


def test_a_half_turn_and_a_square_go_with_the_others():
    sizes = {"quarter": ((20, 30), (30, 20), 8), "half": ((20, 30), (20, 30), 3), "square": ((9, 9), (9, 9), 6),
             "plain": ((20, 30), (20, 30), 1)}
    assert turns_of(sizes) == {"quarter": 8, "half": 3, "square": 6, "plain": 1}
    sizes["quarter"] = ((30, 20), (30, 20), 8)
    assert set(turns_of(sizes).values()) == {1}
    report = Reporting()
    assert turns_of(sizes, report=report)["half"] == 1 and not report.notes
    del sizes["quarter"]
    assert set(turns_of(sizes, report=report, called=str.upper).values()) == {1}
    assert [(note.how, note.first, note.count) for note in report.notes] == [(UNTOLD, "HALF", 2)]


def test_other_sizes_fit_where_the_shape_is_one():
    def turn(size, upright, orientation=1):
        return turns_of({0: (size, upright, orientation)}, stretch=True)[0]

    assert turn((10, 15), (20, 30)) == 1 and turn((40, 60), (20, 30)) == 1
    assert turn((667, 1000), (1335, 2000)) == 1  # 667.5, cut off
    assert turn((15, 10), (20, 30)) is None and turn((10, 15), (30, 20), 6) == 6
    assert turn((20, 31), (20, 30)) is None  # not a rounded size, but another
    assert turn((10, 17), (20, 30)) is None and turn((2, 3), (20, 30)) is None
    assert turns_of({0: ((10, 15), (20, 30), 1)}) == {0: None}


def test_each_pixel_gets_the_label_under_its_centre():
    small = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    np.testing.assert_array_equal(fitted(small, (4, 6), 1), small.repeat(2, axis=0).repeat(2, axis=1))
    # Three columns of two pixels each: the centres of two columns, 1.5 and 4.5 pixels, lie in the first and the last.
    np.testing.assert_array_equal(fitted(small.repeat(2, 0).repeat(2, 1), (2, 3), 1), small)
    assert fitted(small, (6, 4), 1) is None
    assert fitted(small, (6, 4), 6).tolist() == [[4, 4, 1, 1]] * 2 + [[5, 5, 2, 2]] * 2 + [[6, 6, 3, 3]] * 2


# --- In the readers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_label_maps_of_a_photo_as_stored_are_turned_with_it(tmp_path, orientation):
    save_photo(tmp_path / "photos" / "a.jpg", orientation)
    path = label_maps(tmp_path, {"a": LABELS})
    with pytest.warns(UserWarning, match=r"1 label map as its photo is before EXIF turns it: turned.*first: a.jpg"):
        dataset = open_dataset(path, min_area=1)
    np.testing.assert_array_equal(dataset.label_map(0), as_pillow_turns(LABELS, orientation))
    assert dataset.load_image(0).shape[:2] == dataset.load_mask(0)[0].shape[:2] == STORED[::-1]


def test_a_half_turn_that_nothing_tells_of_is_taken_upright_and_told(tmp_path):
    save_photo(tmp_path / "photos" / "a.jpg", 3)
    with pytest.warns(UserWarning, match="1 photo with an EXIF orientation, of which nothing tells.*first: a.jpg"):
        dataset = open_dataset(label_maps(tmp_path, {"a": LABELS}), min_area=1)
    np.testing.assert_array_equal(dataset.label_map(0), LABELS)
    path = csv(tmp_path)
    save_photo(tmp_path / "a.jpg")
    with pytest.warns(UserWarning, match="1 photo with an EXIF orientation, of which nothing tells.*first: b.jpg"):
        open_dataset(path)


def test_a_label_map_of_half_the_size_is_stretched_and_told(tmp_path):
    save_photo(tmp_path / "photos" / "a.jpg", size=(40, 60))
    path = label_maps(tmp_path, {"a": LABELS})
    with pytest.warns(UserWarning, match="1 label map of another size .*stretched to it .first: a.jpg: has 20x30"):
        dataset = open_dataset(path, min_area=1)
    np.testing.assert_array_equal(dataset.label_map(0), LABELS.repeat(2, axis=0).repeat(2, axis=1))


def test_a_label_map_of_another_shape_is_named(tmp_path):
    save_photo(tmp_path / "photos" / "a.jpg", size=(35, 60))
    with pytest.raises(DataError, match="a.jpg: the label map has 20x30 pixels, the photo 35x60"):
        open_dataset(label_maps(tmp_path, {"a": LABELS}))


def test_masks_of_each_object_are_turned_with_their_photo(tmp_path):
    save_photo(tmp_path / "a" / "images" / "a.jpg", 8)
    (tmp_path / "a" / "masks" / "hat").mkdir(parents=True)
    Image.fromarray((LABELS == 1).astype(np.uint8) * 255).save(tmp_path / "a" / "masks" / "hat" / "0.png")
    Image.fromarray((LABELS == 2).astype(np.uint8)).save(tmp_path / "a" / "masks" / "hat" / "1.png")
    with pytest.warns(UserWarning, match="1 mask as its photo is before EXIF turns it"):
        dataset = open_dataset(str(tmp_path))
    expected = np.stack([as_pillow_turns((LABELS == value).astype(np.uint8), 8) > 0 for value in (1, 2)], axis=-1)
    np.testing.assert_array_equal(dataset.load_mask(0)[0], expected)


def test_numbered_masks_are_turned_with_their_photo(tmp_path):
    save_photo(tmp_path / "PNGImages" / "a.png", 6)
    (tmp_path / "PedMasks").mkdir()
    Image.fromarray(LABELS).save(tmp_path / "PedMasks" / "a_mask.png")
    with pytest.warns(UserWarning, match="1 mask as its photo is before EXIF turns it"):
        dataset = open_dataset(str(tmp_path))
    expected = np.stack([as_pillow_turns((LABELS == value).astype(np.uint8), 6) > 0 for value in (1, 2)], axis=-1)
    np.testing.assert_array_equal(dataset.load_mask(0)[0], expected)


def test_a_photo_without_masks_tells_nothing_of_the_others(tmp_path):
    for name, orientation in (("bare", 6), ("half", 3)):
        save_photo(tmp_path / name / "images" / f"{name}.jpg", orientation)
        (tmp_path / name / "masks").mkdir()
    Image.fromarray((LABELS == 1).astype(np.uint8) * 255).save(tmp_path / "half" / "masks" / "0.png")
    with pytest.warns(UserWarning, match=f"1 photo {UNTOLD[:40]}.*first: half/images/half.jpg"):
        dataset = open_dataset(str(tmp_path))
    assert [info["turn"] for info in dataset.image_info] == [1, 1]


def runs_of(mask):
    """EncodedPixels of a mask: a run for each of its pixels, down the columns."""
    return text_of((first + 1, 1) for first in np.flatnonzero(mask.T)).decode()


def csv(folder, sized=True):
    """Path of a CSV whose masks are those of photos as they are stored: a.jpg turned by a quarter, b.jpg by a half."""
    rows = ["ImageId,EncodedPixels,ClassId" + ",Height,Width" * sized]
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        for value in (1, 2):
            size = f",{STORED[0]},{STORED[1]}.0" if sized else ""
            rows.append(f"{name},{runs_of(LABELS == value)},{value}{size}")
    (folder / "a.csv").write_text("\n".join(rows) + "\n")
    for name, orientation in (("a.jpg", 6), ("b.jpg", 3), ("c.jpg", 1)):
        save_photo(folder / name, orientation)
    return str(folder / "a.csv")


def test_run_lengths_with_the_size_of_the_stored_photo_are_turned_with_it(tmp_path):
    with pytest.warns(UserWarning, match="2 photos annotated as it is before its EXIF turns it.*first: a.jpg"):
        dataset = open_dataset(csv(tmp_path))
    for image_id, orientation in enumerate((6, 3, 1)):
        masks = dataset.load_mask(image_id)[0]
        assert masks.shape[:2] == dataset.load_image(image_id).shape[:2]
        for index, value in enumerate((1, 2)):
            np.testing.assert_array_equal(masks[..., index],
                                          as_pillow_turns((LABELS == value).astype(np.uint8), orientation) > 0)


def test_of_a_large_file_some_photos_are_looked_at_first(tmp_path, monkeypatch):
    looked_at = []
    header = imaterialist.photo_header
    monkeypatch.setattr(imaterialist, "photo_header", lambda path: looked_at.append(path) or header(path))
    monkeypatch.setattr(imaterialist, "LOOKED_AT", 2)
    with pytest.warns(UserWarning, match="2 photos annotated as it is before its EXIF"):
        open_dataset(csv(tmp_path))
    assert len(looked_at) == 2 + 3  # a.jpg and c.jpg, of which one is turned, then all
    save_photo(tmp_path / "a.jpg", 1, STORED)
    save_photo(tmp_path / "b.jpg", 1, STORED)
    looked_at.clear()
    open_dataset(str(tmp_path / "a.csv"))
    assert len(looked_at) == 2


def test_run_lengths_without_a_size_are_told_of(tmp_path):
    with pytest.warns(UserWarning, match="2 photos with an EXIF orientation.*taken upright.*out of the EXIF .*a.jpg"):
        dataset = open_dataset(csv(tmp_path, sized=False))
    assert dataset.load_mask(0)[0].shape[:2] == STORED[::-1]
