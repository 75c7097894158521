"""Label maps in colours: files of colours, VOC's palette, and colours that are no label's."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import open_dataset, recognise
from mrcnn.data.formats.label_colours import Colours, packed, read_colours, read_labels, voc_colours
from mrcnn.data.formats.label_files import read_label_map
from mrcnn.errors import DataError

SIZE = 40, 30
LABELS = np.zeros(SIZE, np.uint8)
LABELS[2:20, 3:15], LABELS[25:38, 5:25] = 1, 2
CVAT = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nshirt:10,200,30::\nshoe:250,50,60::\n"
CAMVID = "10 200 30\tshirt\n250,50,60 shoe\n0 0 0 void of all\n"


def folder(tmp_path, pixels, mode=None, **files):
    """Path of a folder of one label map, files of names or colours beside it."""
    (tmp_path / "labels").mkdir()
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / "photos" / "a.jpg")
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels, mode)
    picture.save(tmp_path / "labels" / "a.png")
    for name, text in files.items():
        (tmp_path / f"{name}.txt").write_text(text)
    return str(tmp_path / "labels")


def painted(*colours):
    """uint8 [H, W, 3] of LABELS in these colours."""
    return np.array(colours, np.uint8)[LABELS]


def areas(path):
    """{class: pixels} of the one photo of a folder."""
    assert recognise(path) == "label_maps"
    dataset = open_dataset(path)
    masks, class_ids = dataset.load_mask(0)
    assert dataset.object_classes(0).tolist() == class_ids.tolist()
    return {dataset.class_names[i]: int(masks[..., k].sum()) for k, i in enumerate(class_ids)}


EXPECTED = {"shirt": 18 * 12, "shoe": 13 * 20}
OWN = (0, 0, 0), (10, 200, 30), (250, 50, 60)


@pytest.mark.parametrize("text, name", [(CVAT, "labelmap"), (CAMVID, "label_colors"), (CAMVID, "label_colours")])
def test_colours_listed_with_names(tmp_path, text, name):
    assert areas(folder(tmp_path, painted(*OWN), **{name: text})) == EXPECTED


def test_colours_beside_names_take_their_numbers(tmp_path):
    names = "7 shoe\n3 Shirt\n0 background\n"
    path = folder(tmp_path, painted(*OWN), labelmap=CVAT, label_names=names)
    assert areas(path) == {"Shirt": 18 * 12, "shoe": 13 * 20}
    (tmp_path / "label_names.txt").write_text("background\nshirt\nboot\n")
    with pytest.raises(DataError, match="labelmap.txt: lists 'shoe', .*label_names.txt"):
        open_dataset(path)


def test_a_palettes_colours_count_where_colours_are_listed(tmp_path):
    picture = Image.fromarray(2 - LABELS, "P")  # indices of no meaning
    picture.putpalette([*OWN[2], *OWN[1], *OWN[0]])
    assert areas(folder(tmp_path, picture, labelmap=CVAT)) == EXPECTED


def test_vocs_colours_where_none_are_listed(tmp_path):
    voc = (0, 0, 0), (128, 0, 0), (0, 128, 0)
    names = {"label_names": "background\nshirt\nshoe\n"}
    (tmp_path / "rgb").mkdir()
    assert areas(folder(tmp_path / "rgb", painted(*voc), **names)) == EXPECTED
    opaque = np.dstack([painted(*voc), np.full(SIZE, 255, np.uint8)])
    (tmp_path / "rgba").mkdir()
    assert areas(folder(tmp_path / "rgba", opaque, **names)) == EXPECTED
    opaque[0, 0, 3] = 9
    (tmp_path / "clear").mkdir()
    with pytest.raises(DataError, match="a.png: has transparent pixels"):
        open_dataset(folder(tmp_path / "clear", opaque, **names)).load_mask(0)


def test_pixels_of_equal_channels_are_labels(tmp_path):
    assert areas(folder(tmp_path, np.repeat(LABELS[..., None], 3, 2), label_names="none\nshirt\nshoe\n")) == EXPECTED


def test_colours_that_are_no_labels_are_shown_with_the_remedy(tmp_path):
    dataset = open_dataset(folder(tmp_path, painted((0, 0, 0), (1, 2, 3), (4, 5, 6)), label_names="a\nb\nc\n"))
    with pytest.raises(DataError, match=r"\(1, 2, 3\), \(4, 5, 6\): list them in label_colors.txt"):
        dataset.load_mask(0)


def test_values_stretched_for_the_eye_are_named(tmp_path):
    dataset = open_dataset(folder(tmp_path, LABELS * 127, label_names="none\nshirt\nshoe\n"))
    with pytest.raises(DataError, match="without a name: 127, 254, .*divide them by 127"):
        dataset.load_mask(0)


def test_a_map_turned_against_its_photo_speaks_of_exif(tmp_path):
    path = folder(tmp_path, LABELS, label_names="none\nshirt\nshoe\n")
    Image.fromarray(LABELS.T.copy()).save(tmp_path / "labels" / "a.png")
    with pytest.raises(DataError, match="label map has 30x40 pixels, the photo 40x30 .*EXIF"):
        open_dataset(path)


def test_the_smallest_part_is_a_setting(tmp_path):
    labels = LABELS.copy()
    labels[:5, 20:29] = 1  # 45 pixels
    path = folder(tmp_path, labels, label_names="none\nshirt\nshoe\n")
    assert areas(path) == EXPECTED
    assert open_dataset(path, min_area=45).load_mask(0)[0].sum() == sum(EXPECTED.values()) + 45
    assert open_dataset(path, min_area=217).load_mask(0)[0].sum() == 13 * 20
    with pytest.raises(DataError, match="min_area must be a whole number"):
        open_dataset(path, min_area=0)


def test_vocs_palette_by_its_first_and_last_entries():
    colours = voc_colours()
    assert colours[:5] == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128)]
    assert colours[8] == (64, 0, 0) and colours[255] == (224, 224, 192) and len(set(colours)) == 256


@pytest.mark.parametrize("text, message", [
    ("300 0 0 a\n", "'a' has the colour .300, 0, 0., which is not within"),
    ("1 2 3 a\n1 2 3 b\n", "'a' and 'b' have one colour"),
])
def test_files_of_colours_that_cannot_be(tmp_path, text, message):
    (tmp_path / "label_colors.txt").write_text(text)
    with pytest.raises(DataError, match=f"label_colors.txt: .*{message}"):
        read_colours(str(tmp_path / "label_colors.txt"))


def test_other_files_list_no_colours(tmp_path):
    for text in ("background\nshirt\n", "0 background\n1 shirt\n", ""):
        (tmp_path / "names.txt").write_text(text)
        assert read_colours(str(tmp_path / "names.txt")) is None
    assert read_colours(str(tmp_path / "names.json")) is None and read_colours(str(tmp_path / "gone.txt")) is None


def test_black_is_label_0_wherever_it_is_listed(tmp_path):
    (tmp_path / "label_colors.txt").write_text("9 9 9 b\n0 0 0 none\n8 8 8 a\n")
    names, colours = read_labels(str(tmp_path / "label_colors.txt"), str(tmp_path))
    assert names == {0: "none", 1: "b", 2: "a"}
    pixels = np.array([[[8, 8, 8], [0, 0, 0], [9, 9, 9]]], np.uint8)
    assert colours.labels(pixels, "a.png").tolist() == [[2, 0, 1]]
    assert Colours({}, False).labels(pixels, "a.png").tolist() == [[8, 0, 9]]
    assert packed(np.array([1, 2, 3], np.uint8)) == 0x010203


def test_colours_of_camvid(tmp_path):
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\nAnimal,64,128,64\nVoid,0,0,0\n")
    names, colours = read_labels(tmp_path / "class_dict.csv", tmp_path)
    assert names == {0: "Void", 1: "Animal"}
    assert colours.labels(np.array([[[64, 128, 64], [0, 0, 0]]], np.uint8), "a.png").tolist() == [[1, 0]]


@pytest.mark.parametrize("text, black, told", [
    ("0 0 0 Void\n10 200 30 shirt\n250 50 60 shoe\n", 255, "ignored by its name.*first: 0, Void"),
    ("255 255 255 background\n10 200 30 shirt\n250 50 60 shoe\n", 0, "background by its name.*first: 1, background"),
    ("0 0 0 Void\n255 255 255 background\n10 200 30 shirt\n250 50 60 shoe\n", 255, "ignored by its name.*first: 0"),
    ("0 0 0 skin\n10 200 30 shirt\n250 50 60 shoe\n", 0, "background, as 0 always is.*first: 0, skin"),
])
def test_colours_that_are_no_classes_by_their_names_are_told(tmp_path, text, black, told):
    path = folder(tmp_path, painted(*OWN), label_colors=text)
    with pytest.warns(UserWarning, match=told):
        dataset = open_dataset(path)
    assert dataset.class_names == ["BG", "shirt", "shoe"]
    assert dataset.label_map(0)[LABELS == 0].tolist() == [black] * (LABELS == 0).sum()


@pytest.mark.parametrize("listed", [False, True])
def test_grey_with_alpha_is_read_as_grey(tmp_path, listed):
    pixels = np.dstack([LABELS, np.full_like(LABELS, 255)])
    names = {"label_colors": "0 0 0 background\n1 1 1 shirt\n2 2 2 shoe\n"} if listed else {"label_names": "a\nb\nc\n"}
    path = folder(tmp_path, Image.fromarray(pixels), **names)
    assert open_dataset(path).label_map(0).tolist() == LABELS.tolist()
    assert read_label_map(f"{path}/a.png").tolist() == LABELS.tolist()
    pixels[0, 0, 1] = 0
    Image.fromarray(pixels).save(f"{path}/a.png")
    with pytest.raises(DataError, match="a.png: has transparent pixels"):
        open_dataset(path).label_map(0)
