"""The report of label maps: the numbers that were measured, in HTML, JSON and CSV."""

import csv
import json

import numpy as np
import pytest
from html_reader import Reader

from mrcnn.evaluation.pixel_report import photos_csv, pixel_report_html, write_pixel_report
from mrcnn.evaluation.pixels import PixelConfusion, photo_figures

NAMES = ["BG", "<coat>", "bag", "hat"]


def label_map(*runs):
    """uint8 [10, 10] of (label, number of pixels), row by row."""
    return np.concatenate([np.full(count, label, np.uint8) for label, count in runs]).reshape(10, 10)


@pytest.fixture(scope="module")
def measured():
    """(metrics, photos): one photo right, one with 20 of 50 pixels of a coat labelled as a bag, 10 pixels ignored."""
    confusion, photos = PixelConfusion(NAMES), []
    right = label_map((0, 60), (1, 40))
    wrong = label_map((1, 50), (0, 40), (255, 10)), label_map((1, 30), (2, 20), (0, 50))
    for name, (truth, labels) in (("right, good.jpg", (right, right)), ("wrong.jpg", wrong)):
        counts = confusion.add(truth, labels)
        photos.append({"photo": name, "ignored_pixels": int((truth == 255).sum()), **photo_figures(NAMES, *counts)})
    return {**confusion.metrics(), "measured": {"refinement": "crf"}}, photos


def sheet(photo):
    return {"photo": photo, "panels": [np.zeros((20, 30, 3), np.uint8)] * 4, "legend": [("<coat>", (255, 0, 0))]}


def test_it_is_one_file_with_the_numbers(measured):
    metrics, photos = measured
    text = pixel_report_html(metrics, [sheet(photos[1])], "run <1>", [("missed", (1, 2, 3))])
    reader = Reader(text)
    assert len(reader.links) == 6 and all(link.startswith("data:image/") for link in reader.links)
    assert not {"script", "link", "iframe"} & set(reader.tags) and "http" not in text and "<coat>" not in text
    assert "2 photos, 4 classes with the background, 190 pixels compared, 10 ignored" in text
    assert "refinement: crf" in text and "run &lt;1&gt;" in text
    rows = {row[0]: row for row in reversed(reader.cells)}  # of a class its first one, in the table of the classes
    # Coat: 70 of 90 right, nothing else called so: IoU and recall 0.778, precision 1. Bag: 20 called so, none is.
    assert rows["<coat>"][1] == "0.778" and rows["<coat>"][3:] == ["1.000", "0.778", "47.4 %", "36.8 %", "bag 22.2 %"]
    assert rows["bag"][1] == "0.000" and rows["bag"][4:] == ["\u2013", "0.0 %", "10.5 %", "\u2013"]
    assert rows["hat"][1:5] == ["\u2013"] * 4 and "has a pixel of it: hat." in text
    # Mean IoU with background (1 + 7/9 + 0) / 3, without 7/18; merged every pixel is right.
    assert rows["mean IoU, background too"][1:] == ["0.593", "1.000"]
    assert rows["mean IoU, without background"][1:] == ["0.389", "1.000"]
    assert ["<coat>", "bag", "20", "22.2 %", "100.0 %"] in reader.cells
    # Of the photo alone: coat 30 of 50, bag 0: 0.3; 70 of 90 pixels.
    assert "mean IoU 0.300; pixel accuracy 0.778; most frequent error: &lt;coat&gt; as bag, 100.0 % of the" in text
    assert "The 1 worst of 2 photos" in text


def test_classes_stand_from_the_best_to_the_worst(measured):
    names = [row[0] for row in Reader(pixel_report_html(measured[0])).cells]
    assert [name for name in names if name in NAMES][:4] == ["BG", "<coat>", "bag", "hat"]


def test_nothing_wrong_and_nothing_at_all():
    confusion = PixelConfusion(NAMES)
    assert "No pixel is wrong" in pixel_report_html(confusion.metrics())
    confusion.add(label_map((1, 100)), label_map((1, 100)))
    text = pixel_report_html(confusion.metrics())
    assert "No pixel is wrong" in text and "Photos, the worst first" not in text
    Reader(text)


def test_a_row_for_each_photo_the_worst_first(measured):
    metrics, photos = measured
    rows = list(csv.DictReader(photos_csv(NAMES, photos).splitlines()))
    assert [row["photo"] for row in rows] == ["wrong.jpg", "right, good.jpg"]
    assert rows[0]["object_IoU"] == "0.30000" and rows[0]["pixel_accuracy"] == "0.77778"
    assert [rows[0][name] for name in ("pixels", "wrong_pixels", "ignored_pixels")] == ["90", "20", "10"]
    assert [rows[0][name] for name in ("most_frequent_error", "pixels_of_it")] == ["<coat> as bag", "20"]
    assert [rows[0][f"IoU {name}"] for name in NAMES] == ["1.00000", "0.60000", "0.00000", ""]
    assert [rows[1][name] for name in ("most_frequent_error", "pixels_of_it")] == ["", "0"]


def test_the_files_appear_together(measured, tmp_path):
    metrics, photos = measured
    write_pixel_report(tmp_path / "a", metrics, photos)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["pixels.csv", "pixels.html", "pixels.json"]
    assert json.loads((tmp_path / "a" / "pixels.json").read_text())["measured"] == {"refinement": "crf"}
    write_pixel_report(tmp_path / "b", metrics, photos, html=False)
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["pixels.csv", "pixels.json"]


def test_numbers_are_written_where_the_report_fails(measured, tmp_path):
    metrics, photos = measured
    write_pixel_report(tmp_path, metrics, photos)

    def sheets():
        raise MemoryError("a photo too many")

    with pytest.raises(MemoryError):
        write_pixel_report(tmp_path, metrics, photos, sheets)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pixels.csv", "pixels.json"]
