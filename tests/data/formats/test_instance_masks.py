"""Folders of instance masks in both layouts: what they hold, and what is wrong in them."""

import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated import Fault, without
from mrcnn.data.formats.instance_masks import InstanceMaskDataset, recognises
from mrcnn.errors import DataError

HEIGHT, WIDTH = 12, 15


def rectangle(y1, x1, y2, x2):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return mask


FIRST, SECOND = rectangle(1, 2, 7, 6), rectangle(4, 8, 12, 15)


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


COLOURS = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


def photo(path, shape=(HEIGHT, WIDTH)):
    write(path, np.zeros(shape + (3,), np.uint8))


@pytest.fixture
def numbered(tmp_path):
    """Penn-Fudan's layout: photo b has objects 1 and 3, photo a none."""
    for name in ("a", "b"):
        photo(tmp_path / "PNGImages" / f"{name}.png")
    write(tmp_path / "PedMasks" / "a_mask.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    write(tmp_path / "PedMasks" / "b_mask.png", (FIRST + 3 * SECOND).astype(np.uint8))
    (tmp_path / "PedMasks" / "readme.txt").write_text("masks")
    return tmp_path


@pytest.fixture
def filed(tmp_path):
    """The nuclei's layout: photo b has two overlapping objects, photo a none."""
    for name in ("a", "b"):
        photo(tmp_path / name / "images" / f"{name}.png")
        (tmp_path / name / "masks").mkdir()
    write(tmp_path / "b" / "masks" / "one.png", FIRST * np.uint8(255))
    write(tmp_path / "b" / "masks" / "two.png", (FIRST | SECOND) * np.uint8(255))
    (tmp_path / "b" / "masks" / ".hidden.png").write_text("")
    (tmp_path / "notes").mkdir()  # is no photo's folder
    return tmp_path


def load(folder, **options):
    dataset = InstanceMaskDataset().load(folder, **options)
    dataset.prepare()
    return dataset


def test_numbered_objects(numbered):
    assert recognises(numbered)
    dataset = load(numbered)
    assert dataset.class_names == ["BG", "person"]
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a.png", "b.png"]
    assert dataset.load_mask(0)[0].shape == (HEIGHT, WIDTH, 0)
    masks, class_ids = dataset.load_mask(1)
    np.testing.assert_array_equal(masks, np.stack([FIRST, SECOND], axis=-1))
    assert class_ids.tolist() == [1, 1] and dataset.object_count(1) == 2
    assert dataset.load_image(1).shape == (HEIGHT, WIDTH, 3)


def test_more_objects_than_a_byte_holds(numbered):
    values = np.zeros((HEIGHT, WIDTH), np.uint16)
    values[0, 0], values[5, 5] = 300, 40000
    write(numbered / "PedMasks" / "b_mask.png", values)
    masks, _ = load(numbered).load_mask(1)
    np.testing.assert_array_equal(masks, np.stack([values == 300, values == 40000], axis=-1))


def test_an_object_a_file(filed):
    assert recognises(filed)
    dataset = load(filed)
    assert dataset.class_names == ["BG", "object"]
    assert [dataset.file_name(i) for i in dataset.image_ids] == ["a/images/a.png", "b/images/b.png"]
    assert dataset.load_mask(0)[0].shape == (HEIGHT, WIDTH, 0) and dataset.object_count(0) == 0
    masks, class_ids = dataset.load_mask(1)
    np.testing.assert_array_equal(masks, np.stack([FIRST, FIRST | SECOND], axis=-1))
    assert class_ids.tolist() == [1, 1] and dataset.object_count(1) == 2
    dataset = without(dataset, [Fault("b/images/b.png", "bad entry", "", 0)])
    assert dataset.object_count(1) == 1
    np.testing.assert_array_equal(dataset.load_mask(1)[0][..., 0], FIRST | SECOND)


def test_classes_by_subfolder(filed):
    write(filed / "a" / "masks" / "shirt" / "1.png", SECOND * np.uint8(255))
    write(filed / "b" / "masks" / "hat" / "1.png", FIRST)  # one bit a pixel
    dataset = load(filed)
    assert dataset.class_names == ["BG", "hat", "object", "shirt"]
    assert dataset.load_rles(0)[1].tolist() == [3] and dataset.load_rles(1)[1].tolist() == [2, 2, 1]
    np.testing.assert_array_equal(dataset.load_mask(1)[0][..., 2], FIRST)
    # Classes are those of the whole folder, however few photos are taken.
    assert load(filed, limit=1).class_names == dataset.class_names


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_masks_in_colour_are_inside_where_a_colour_is_not_black(filed, channels):
    pixels = np.zeros((HEIGHT, WIDTH, channels), np.uint8)
    pixels[..., -1] = 255  # alpha where there is one, else blue
    pixels[..., -1] *= channels in (2, 4)
    pixels[FIRST, 0] = 7
    write(filed / "b" / "masks" / "one.png", pixels)
    np.testing.assert_array_equal(load(filed).load_mask(1)[0][..., 0], FIRST)


def test_photos_in_another_folder(numbered, tmp_path_factory):
    other = tmp_path_factory.mktemp("photos")
    photo(other / "b.jpg")
    (numbered / "PedMasks" / "a_mask.png").unlink()
    assert load(numbered, images=other).image_info[0]["path"] == str(other / "b.jpg")


def test_what_has_neither_layout(tmp_path, filed):
    (filed / "x").mkdir()
    for path in (filed / "x", filed / "a", filed / "a" / "images" / "a.png", filed / "none", None):
        assert not recognises(path)
    with pytest.raises(DataError, match="no photos remain"):
        load(filed / "x")
    with pytest.raises(DataError, match="none: no such folder"):
        load(filed / "none")


@pytest.mark.parametrize("option", ["names", "mapping"])
def test_what_the_format_has_no_use_for_is_refused(filed, option):
    with pytest.raises(DataError, match=f"takes no {option}"):
        load(filed, **{option: "ccp-13"})


# --- What is wrong ---------------------------------------------------------------------------------------------------


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize("damage, kind, said", [
    (lambda f: (f / "PNGImages" / "a.png").unlink(), "missing", "not in"),
    (lambda f: (f / "PNGImages" / "a.png").write_text("x"), "unreadable", "not a readable image"),
    (lambda f: (f / "PedMasks" / "a_mask.png").write_text("x"), "bad entry", "not a readable label map"),
    (lambda f: photo(f / "PNGImages" / "a.png", (5, 9)), "wrong size", "the mask has 12x15 pixels, the photo 5x9"),
    (lambda f: truncate(f / "PedMasks" / "a_mask.png"), "bad entry", "a_mask.png"),
    (lambda f: write(f / "PedMasks" / "a_mask.png", COLOURS), "bad entry", "is a colour picture"),
])
def test_faults_of_numbered_objects(numbered, damage, kind, said):
    write(numbered / "PedMasks" / "a_mask.png", np.random.default_rng(0).integers(0, 9, (HEIGHT, WIDTH), np.uint8))
    damage(numbered)
    check_faults(numbered, kind, said, None)


@pytest.mark.parametrize("damage, kind, said, number", [
    (lambda f: (f / "a" / "images" / "a.png").unlink(), "missing", "not in", None),
    (lambda f: (f / "a" / "images" / "a.png").write_text("x"), "unreadable", "not a readable image", None),
    (lambda f: photo(f / "a" / "images" / "c.png"), "bad entry", "has 2 photos, needs one: a.png, c.png", None),
    (lambda f: (f / "a" / "masks" / "2.png").write_text("x"), "bad entry", "2.png: not a readable", 1),
    (lambda f: write(f / "a" / "masks" / "2.png", FIRST[:5]), "wrong size", "2.png: the mask has 5x15 pixels", 1),
    (lambda f: write(f / "a" / "masks" / "2.png", FIRST & SECOND), "empty mask", "2.png has no pixel", 1),
])
def test_faults_of_an_object_a_file(filed, damage, kind, said, number):
    write(filed / "a" / "masks" / "1.png", FIRST)
    damage(filed)
    check_faults(filed, kind, said, number)


def check_faults(folder, kind, said, number):
    """The first photo has this one fault; raised, or kept in a list while the second photo is read."""
    if kind != "empty mask":  # an object without a pixel is left out quietly
        with pytest.raises(DataError) as error:
            load(folder).load_rles(0)
        assert said in str(error.value) and "\n" not in str(error.value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = load(folder, on_error="skip")
    faults = dataset.faults + [fault for i in dataset.image_ids for fault in dataset.object_faults(i)]
    assert [(fault.kind, fault.number) for fault in faults] == [(kind, number)]
    assert said in faults[0].message and faults[0].photo.startswith("a")
    last = int(dataset.image_ids[-1])
    assert dataset.file_name(last).endswith("b.png") and dataset.load_mask(last)[0].shape[-1] == 2


@pytest.mark.parametrize("ending", ["tif", "bmp", "gif", "jpg"])
def test_masks_in_other_files_than_pngs(filed, ending):
    Image.fromarray(SECOND * np.uint8(255)).save(filed / "a" / "masks" / f"one.{ending}", quality=100)
    dataset = InstanceMaskDataset().load(filed)
    dataset.prepare()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        masks, _ = dataset.load_mask(0)
    assert np.array_equal(masks, SECOND[..., None])


def alpha(shown, colours):
    return np.dstack([colours, shown * np.uint8(255)])


WHITE, BLACK = np.full((HEIGHT, WIDTH), 255, np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)


@pytest.mark.parametrize("pixels", [
    alpha(FIRST, WHITE), alpha(FIRST, BLACK), alpha(FIRST, FIRST * np.uint8(255)), alpha(FIRST, np.dstack([WHITE] * 3)),
    alpha(FIRST, COLOURS * FIRST[..., None]), np.dstack([FIRST * np.uint8(255), WHITE]),
    (FIRST * np.uint8(200) + np.uint8(3)), FIRST.astype(np.uint8) * 2,
])
def test_where_a_picture_shows_its_object(filed, pixels):
    write(filed / "a" / "masks" / "one.png", pixels)
    if pixels.ndim == 2 and pixels.max() > 200:
        pixels[0, 0] = 0  # three values: 0, 3 and 203
        write(filed / "a" / "masks" / "one.png", pixels)
    dataset = InstanceMaskDataset().load(filed)
    dataset.prepare()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        masks, _ = dataset.load_mask(0)
        dataset.load_mask(0)
    assert np.array_equal(masks, FIRST[..., None])
    soft = ["such masks are cut in the middle" in str(entry.message) for entry in told]
    assert soft == [True] * bool(pixels.ndim == 2 and pixels.max() > 200)


@pytest.mark.parametrize("name, pixels, said", [
    ("one.png", alpha(FIRST, SECOND * np.uint8(255)), "colours and its alpha channel show different shapes"),
    ("one.jpg", COLOURS, "is a JPEG in colours"),
])
def test_masks_that_say_two_things_are_refused(filed, name, pixels, said):
    Image.fromarray(pixels).save(filed / "a" / "masks" / name)
    dataset = InstanceMaskDataset().load(filed)
    dataset.prepare()
    with pytest.raises(DataError, match=said):
        dataset.load_mask(0)


def test_a_photo_without_a_folder_of_masks_is_told(filed):
    (filed / "a" / "masks").rmdir()
    with pytest.warns(UserWarning, match="1 folder of a photo without masks/: left out; make an empty folder"):
        assert len(InstanceMaskDataset().load(filed).image_info) == 1


def test_a_picture_that_numbers_its_objects_is_no_mask_of_one(filed):
    write(filed / "b" / "masks" / "one.png", (FIRST + 2 * SECOND).astype(np.uint8))
    faults = list(load(filed).read_objects(1))
    assert isinstance(faults[0], Fault) and "one.png: has 2 values beside 0" in str(faults[0])
    assert not isinstance(faults[1], Fault)
