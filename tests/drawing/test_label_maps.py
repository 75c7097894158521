"""Palette, label map files and overlays."""

import csv
import io

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from mrcnn.drawing.label_maps import draw_label_map, encode_label_map, palette, write_label_map
from mrcnn.errors import DataError

NAMES = ["BG", "coat", "bag"]


def test_colours_are_told_apart():
    """CIELAB distance 2.3 is just noticeable; the colours of iMaterialist's 46 classes are ten times as far apart."""
    colours = palette()
    assert colours.shape == (256, 3) and colours[0].tolist() == [0, 0, 0] and colours[255].tolist() == [255] * 3
    lab = rgb2lab(colours[None])[0]
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(256, 1)].reshape(-1)
    assert apart.min() > 0
    few = np.linalg.norm(lab[:47, None] - lab[None, :47], axis=2)[np.triu_indices(47, 1)]
    assert few.min() > 23


def test_a_file_holds_class_ids_and_their_colours(tmp_path):
    labels = np.array([[0, 1, 2], [2, 255, 0]])
    write_label_map(str(tmp_path / "a.png"), labels, NAMES)
    picture = Image.open(tmp_path / "a.png")
    assert picture.mode == "P" and picture.text["classes"] == "BG,coat,bag"
    np.testing.assert_array_equal(np.asarray(picture), labels)
    np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), palette()[labels])
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_names_with_commas_and_quotes_are_told_apart_in_the_file():
    names = ["BG", "shirt, blouse", 'the "top"', "pants\nand more", ""]
    text = Image.open(io.BytesIO(encode_label_map(np.array([[0, 3]]), names))).text["classes"]
    assert next(csv.reader(io.StringIO(text, newline=""))) == names


def test_a_written_map_is_read_by_the_reader_of_label_maps(tmp_path):
    from mrcnn.data.formats.label_maps import read_label_map

    labels = np.random.default_rng(0).integers(0, 3, (20, 30))
    write_label_map(str(tmp_path / "a.png"), labels, NAMES)
    np.testing.assert_array_equal(read_label_map(str(tmp_path / "a.png")), labels)


@pytest.mark.parametrize("labels, message", [
    (np.array([[3]]), "label 3, but the classes are 0 to 2"), (np.array([[-1]]), "label -1"),
    (np.zeros((2, 2, 2), int), r"not \[2, 2, 2\]"), (np.array([[1.7]]), "integers, not float64"),
    (np.array([[np.nan]]), "integers, not float64"),
])
def test_labels_that_are_no_class_are_told(tmp_path, labels, message):
    with pytest.raises(DataError, match=message):
        write_label_map(str(tmp_path / "a.png"), labels, NAMES)
    assert list(tmp_path.iterdir()) == []


def test_names_by_id_are_written_and_drawn_as_the_list_of_all(tmp_path):
    labels, image = np.array([[0, 1], [2, 255]], np.uint8).repeat(8, 0), np.zeros((16, 2, 3), np.uint8)
    drawn = [draw_label_map(image, labels, names) for names in (["BG", "top", "bag"], {1: "top", 2: "bag"})]
    np.testing.assert_array_equal(*drawn)
    write_label_map(tmp_path / "map.png", labels, {2: "bag"})
    assert Image.open(tmp_path / "map.png").text["classes"] == "BG,class 1,bag"
    with pytest.raises(DataError, match="holds label 2, but the classes are 0 to 1"):
        draw_label_map(image, labels, {1: "top"})


def test_an_overlay_by_hand():
    """Background stays as it is; a coat's pixels are half photo, half colour; where labels change there is a line; the
    legend is beside it."""
    image = np.full((60, 80, 3), 100, np.uint8)
    labels = np.zeros((60, 80), np.uint8)
    labels[20:50, 10:60] = 1
    drawing = draw_label_map(image, labels, NAMES, alpha=0.5)
    assert drawing.shape[0] == 60 and drawing.shape[1] > 80 and drawing.dtype == np.uint8
    assert (drawing[:20, :80] == 100).all()
    np.testing.assert_array_equal(drawing[30, 30], np.rint(50 + palette()[1] * 0.5))
    assert (drawing[20, 10:60] == 255).all() and (drawing[50, 10:60] == 255).all()
    colours = {tuple(colour) for colour in drawing[:, 80:].reshape(-1, 3)}
    assert tuple(palette()[1]) in colours and tuple(palette()[2]) not in colours
    assert (image == 100).all()


def test_an_overlay_takes_photos_of_any_kind():
    labels = np.ones((20, 30), np.uint8)
    plain = draw_label_map(np.full((20, 30, 3), 51, np.uint8), labels, NAMES)
    for image in (np.full((20, 30), 51, np.uint8), np.full((20, 30, 1), 0.2), np.full((20, 30, 3), 51 << 8, np.uint16)):
        np.testing.assert_array_equal(draw_label_map(image, labels, NAMES), plain)


def test_a_legend_tells_of_names_that_it_cannot_draw(monkeypatch):
    monkeypatch.setattr("mrcnn.fonts._told", set())
    monkeypatch.setattr("mrcnn.fonts.fonts_with", lambda letters: ())  # whatever this machine has
    with pytest.warns(UserWarning, match="1 name is drawn as empty boxes.*of 猫: "):
        draw_label_map(np.zeros((20, 30, 3), np.uint8), np.ones((20, 30), int), ["BG", "猫", "ドレス"])


def test_an_overlay_drawn_in_bands_is_that_of_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 256, (23, 9, 3)).astype(np.uint8), rng.integers(0, 3, (23, 9))
    whole = draw_label_map(image, labels, ["BG", "coat", "bag"])
    monkeypatch.setattr("mrcnn.drawing.label_maps.BAND", 4 * 9)
    np.testing.assert_array_equal(draw_label_map(image, labels, ["BG", "coat", "bag"]), whole)


def test_an_overlay_is_enlarged_on_demand_and_survives_many_labels():
    image = np.zeros((40, 30, 3), np.uint8)
    labels = np.arange(40 * 30).reshape(40, 30) % 200
    names = [f"class {i}" for i in range(200)]
    assert draw_label_map(image, labels, names, scale=3).shape[0] == 120
    with pytest.raises(DataError, match=r"\(40, 30\).*\(30, 40\)"):
        draw_label_map(np.zeros((30, 40, 3), np.uint8), labels, names)


@pytest.mark.parametrize("height, count, last", [
    (192, 24, "class 23 "), (192, 40, "and 17 more "), (40, 200, "and 196 more "), (6, 3, "and 3 more 100.0%"),
])
def test_a_legend_without_room_tells_how_many_labels_it_leaves_out(monkeypatch, height, count, last):
    from mrcnn.drawing import label_maps

    drawn, font_for = [], label_maps.font_for
    monkeypatch.setattr(label_maps, "font_for", lambda text, size: [drawn.append(text), font_for(text, size)][1])
    labels = np.sort(np.arange(height * 50) % count).reshape(height, 50)
    draw_label_map(np.zeros((height, 50, 3), np.uint8), labels, [f"class {i}" for i in range(count)])
    assert len(drawn) == min(count, max(1, height // 8)) and drawn[-1].startswith(last)
    shares = [float(text.rpartition(" ")[2].rstrip("%")) for text in drawn]
    assert sum(shares) == pytest.approx(100, abs=0.06 * len(drawn))
