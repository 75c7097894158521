"""Palettes of label maps that tools have made anew: the colours kept, the indices others."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats import label_files, label_palettes, open_dataset
from mrcnn.data.formats.label_colours import voc_colours
from mrcnn.data.formats.voc_layout import VOC_CLASSES
from mrcnn.errors import DataError
from tests.voc_files import class_mask, write_voc

LABELS = np.zeros((20, 15), np.uint8)
LABELS[2:9, 3:12], LABELS[11:18, 3:12] = 1, 2
OTHER = np.where(LABELS == 1, 3, 0).astype(np.uint8)
OWN = [(0, 0, 0), (10, 20, 30), (200, 9, 9), (1, 200, 4)]


def save(folder, stem, labels, palette, order=None):
    """Save a label map; order: labels in the order in which a tool numbers them anew."""
    for name in ("labels", "photos"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "labels" / "label_names.txt").write_text("background\nskin\nhair\nshirt\n")
    image = Image.fromarray(labels)
    image.putpalette([value for colour in palette for value in colour])
    image = image if order is None else image.remap_palette(order)
    image.save(folder / "labels" / f"{stem}.png")
    Image.new("RGB", labels.shape[::-1]).save(folder / "photos" / f"{stem}.jpg")
    return image


@pytest.mark.parametrize("order", [[2, 1, 0], [0, 2, 1]])
def test_vocs_colours_at_other_indices_than_in_other_maps_are_read_by_colour(tmp_path, order):
    save(tmp_path, "a", LABELS, voc_colours(), order)
    save(tmp_path, "b", OTHER, voc_colours())
    with pytest.warns(UserWarning, match="1 label map with a palette in which VOC's colours.*first: a.png"):
        dataset = open_dataset(str(tmp_path / "labels"))
    assert dataset.label_map(0).tolist() == LABELS.tolist()
    assert dataset.label_map(1).tolist() == OTHER.tolist()


def test_one_palette_in_all_maps_keeps_its_indices(tmp_path):
    swapped = [(0, 0, 0), (0, 128, 0), (128, 0, 0), (255, 0, 0)]
    for number in range(60):  # the third label is rare: none of the maps that are looked at has it
        save(tmp_path, f"{number:02d}", OTHER if number == 2 else LABELS, swapped)
    with pytest.warns(UserWarning, match="60 label maps .*the indices are taken as the labels.*label_colors.txt"):
        dataset = open_dataset(str(tmp_path / "labels"))
    assert dataset.label_map(0).tolist() == LABELS.tolist() and dataset.label_map(2).tolist() == OTHER.tolist()


@pytest.mark.parametrize("palettes", [
    [OWN, [(value,) * 3 for value in range(256)]],
    [[(0, 0, 0), *[tuple(np.random.default_rng(i).integers(1, 255, 3).tolist()) for _ in "abc"]] for i in range(8)],
    [OWN, [(255, 255, 255), *OWN[1:]]],
    [[OWN[0], OWN[1], OWN[1]], [OWN[0], OWN[2], OWN[2]]],
])
def test_other_colours_at_the_same_indices_are_no_fault(tmp_path, palettes):
    for number in range(8):
        labels = LABELS if number % 3 else np.minimum(LABELS, 1)
        save(tmp_path, str(number), labels, palettes[number % len(palettes)])
    with pytest.warns(UserWarning, match="with another colour at an index than most have: the indices are taken as"):
        dataset = open_dataset(str(tmp_path / "labels"))
    assert [dataset.label_map(i).max() for i in range(8)] == [1, 2, 2, 1, 2, 2, 1, 2]


def test_voc_folders_with_other_indices_are_read_by_colour(tmp_path):
    write_voc(tmp_path)
    path = tmp_path / "SegmentationClass" / "a.png"
    with Image.open(path) as image:
        used = np.unique(np.array(image)).tolist()
        image.remap_palette(used[::-1]).save(path)
    with pytest.warns(UserWarning, match="VOC's colours stand at other numbers"):
        dataset = open_dataset(str(tmp_path))
    labels = class_mask()
    labels[labels == 255] = 0
    found = dataset.label_map(0)
    assert np.where(found == 255, 0, found).tolist() == labels.tolist()


def test_a_file_of_vocs_own_names_changes_nothing(tmp_path):
    write_voc(tmp_path, names=["0", "1"])
    (tmp_path / "names.txt").write_text("\n".join(("background", *VOC_CLASSES)))
    for stem, label in (("0", 15), ("1", 8)):  # one class a map: no colour stands at two places
        image = Image.fromarray((class_mask() > 0).astype(np.uint8))
        image.putpalette([value for colour in (voc_colours()[0], voc_colours()[label]) for value in colour])
        image.save(tmp_path / "SegmentationClass" / f"{stem}.png")
    with pytest.warns(UserWarning, match="VOC's colours stand at other numbers"):
        dataset = open_dataset(str(tmp_path), names=str(tmp_path / "names.txt"))
    assert [dataset.label_map(i).max() for i in (0, 1)] == [15, 8]


def test_a_voc_folder_is_not_read_by_colours_that_a_few_maps_have(tmp_path):
    swapped = [(0, 0, 0), (0, 128, 0), (128, 0, 0), (255, 0, 0)]
    write_voc(tmp_path, names=[f"{number:02d}" for number in range(60)])
    for number in range(60):
        with Image.open(tmp_path / "SegmentationClass" / f"{number:02d}.png") as image:
            labels = np.array(image)
        image = Image.fromarray(np.where(labels > 0, 3 if number == 2 else 1, 0).astype(np.uint8))
        image.putpalette([value for colour in swapped for value in colour])
        image.save(tmp_path / "SegmentationClass" / f"{number:02d}.png")
    dataset = open_dataset(str(tmp_path))
    assert dataset.label_map(0).max() == 1 and dataset.label_map(2).max() == 3


def test_one_colour_at_two_indices_is_a_fault(tmp_path):
    for number in range(12):
        save(tmp_path, f"{number:02d}", LABELS, OWN)
    save(tmp_path, "99", LABELS, OWN, [0, 2, 1])
    said = r"99.jpg: its label map has the colour \(200, 9, 9\) at index 1 of its palette, and 00.png has it at 2, "
    with pytest.raises(DataError, match=f"{said}.*label_colors.txt"):
        open_dataset(str(tmp_path / "labels"))
    dataset = open_dataset(str(tmp_path / "labels"), on_error="skip")
    assert len(dataset.image_ids) == 12 and dataset.label_map(0).tolist() == LABELS.tolist()
    for number in range(6):
        save(tmp_path, f"{number:02d}", LABELS, OWN, [0, 2, 1])  # now none can be trusted
    with pytest.raises(DataError, match="6 of 13 label maps are at odds with the others"):
        open_dataset(str(tmp_path / "labels"), on_error="skip")


def test_sound_palettes_stay_and_few_pixels_are_read(tmp_path, monkeypatch, recwarn):
    save(tmp_path, "a", LABELS, OWN)
    save(tmp_path, "b", OTHER, [*OWN, (7, 7, 7)])
    save(tmp_path, "c", np.where(OTHER, 0, LABELS), [*OWN[:3], (7, 7, 7)])  # 3 has another colour, and is not used
    dataset = open_dataset(str(tmp_path / "labels"))
    assert [dataset.label_map(i).max() for i in range(3)] == [2, 3, 2] and not list(recwarn)
    save(tmp_path, "c", LABELS, [(0, 0, 0)] * 3)
    save(tmp_path, "a", LABELS, [(0, 0, 0)] * 3)
    save(tmp_path, "b", LABELS, [(0, 0, 0)] * 3)  # a palette that shows nothing says nothing
    assert open_dataset(str(tmp_path / "labels")).label_map(0).max() == 2
    read = []
    monkeypatch.setattr(label_palettes, "read_png", lambda path: read.append(path) or label_files.read_png(path))
    paths = [str(tmp_path / "labels" / "a.png")] * 100
    assert label_palettes.settled({bytes(9): paths}, dataset.image_info[0]["colours"], None) == ({}, {})
    assert len(read) <= 32


def test_the_labels_of_a_large_map_are_found_in_little_memory(monkeypatch):
    values = np.zeros((3000, 2000), np.uint8)
    values[0, 0], values[-1, -1] = 3, 255
    monkeypatch.setattr(label_palettes, "read_png", lambda path: values)
    tracemalloc.start()
    try:
        assert list(label_palettes._used(["a.png"], {"a.png": bytes(768)})["a.png"]) == [0, 3, 255]
        assert tracemalloc.get_traced_memory()[1] < 16e6  # numbers of 8 bytes for all pixels take 48
    finally:
        tracemalloc.stop()
