"""The HTML report: whole, well formed, of one file, and with the numbers that were measured."""

import base64
import io

import numpy as np
import pytest
from html_reader import Reader
from PIL import Image
from rectangles import comparable

from mrcnn.evaluation.evaluate import measure
from mrcnn.evaluation.report import report_html

A, B = (1, 10, 10, 50, 50), (2, 60, 10, 80, 30)

@pytest.fixture(scope="module")
def metrics():
    truth, results = comparable([[A, B]], [[A, (2, 60, 60, 90, 90)]], [[0.9, 0.3]])
    truth["categories"][0]["name"] = '<script>alert("a & b")</script>'
    return measure(truth, results)


@pytest.fixture(scope="module")
def report(metrics):
    picture = np.zeros((30, 40, 3), np.uint8)
    return report_html(metrics, [("a <b> photo", picture)], "run <1>")


def test_it_is_one_file_without_scripts(report):
    reader = Reader(report)
    assert len(reader.links) == 7 and all(link.startswith("data:image/") for link in reader.links)
    assert not {"script", "link", "iframe", "object"} & set(reader.tags)
    assert "http" not in report and "@import" not in report and "url(" not in report
    assert "&lt;script&gt;alert(&quot;a &amp; b&quot;)&lt;/script&gt;" in report
    assert "<title>run &lt;1&gt;</title>" in report and "a &lt;b&gt; photo" in report


def test_its_pictures_can_be_decoded(report):
    pictures = [Image.open(io.BytesIO(base64.b64decode(link.split(",")[1]))) for link in Reader(report).links]
    assert [picture.format for picture in pictures] == ["PNG"] * 6 + ["JPEG"]
    assert pictures[-1].size == (40, 30) and all(picture.size[0] > 400 for picture in pictures[:-1])


def test_its_tables_hold_the_numbers(report, metrics):
    rows = {tuple(row[:1]): row for row in Reader(report).cells}
    assert rows[("AP",)][2:] == [f"{metrics['segm']['AP']:.3f}", f"{metrics['bbox']['AP']:.3f}"]
    assert rows[("AP_large",)][2:] == ["\u2013", "\u2013"]  # there is no large object
    assert "Undefined (\u2013): the ground truth has no object of at least 96^2 pixels" in report
    # One object, one detection, all correct: at any threshold up to 0.90, in the middle 0.45.
    first = rows[('<script>alert("a & b")</script>',)]
    assert first[1:9] == ["1", "1", "1.000", "1.000", "1.000", "1.000", "1.000", "0.45"]
    # One object, missed; its one detection is background, and no score threshold makes that better.
    assert rows[("class 20",)][1:] == ["1", "1", "0.000", "0.000", "0.000", "0.000", "0.000", "\u2013",
                                       "0", "0", "0", "0", "1", "1"]
    assert rows[("background",)][2] == "1" and rows[("missed",)][2] == "1"
    assert rows[("missed",)][3] == "0.000"  # the class of the missed object, which has no other, keeps AP 0


def test_why_a_gain_is_not_known_stands_below_the_errors():
    report = report_html(measure(*comparable([[A]], [[]])))
    numbers, errors = report.split("<h2>Errors by cause")
    reason = "without the missed objects (1) none is left to measure"
    assert reason in errors and reason not in numbers


def test_a_report_of_nothing(metrics):
    reader = Reader(report_html(measure(*comparable([[]], [[]]))))
    assert len(reader.links) == 6
    rows = {tuple(row[:1]): row for row in reader.cells}
    assert rows[("AP",)][2:] == ["\u2013", "\u2013"] and rows[("class 10",)][1:3] == ["0", "0"]


def test_what_the_limit_cuts_is_told_and_measured_beside_it():
    many = [[(1, y, x, y + 4, x + 4) for y in range(0, 95, 5) for x in range(0, 115, 5)][:150]]
    measured = measure(*comparable(many, many), max_detections=150)
    text = report_html(measured)
    rows = {row[0]: row for row in Reader(text).cells if row}
    assert rows["AP"][2:] == ["0.663", "0.663", "1.000", "1.000"]  # 67 of 101 recalls, and all of them
    assert rows["AR_100, AR_150"][1:] == ["recall, 100 detections, on the right 150", *["0.667"] * 2, *["1.000"] * 2]
    assert "detections do not count" not in text  # with 150 all of them do
    for limits in ({}, {"max_detections": 120}):
        text = report_html(measure(*comparable(many, many), **limits))
        assert f"more than {limits.get('max_detections', 100)} objects" in text
        assert "--max-detections 150 counts all" in text
    assert "AR_100" in {row[0] for row in Reader(report_html({**measured, "more": None})).cells if row}
