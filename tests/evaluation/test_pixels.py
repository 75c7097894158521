"""Figures of label maps against hand arithmetic: perfect, shifted, shrunk and swapped results, and the edges."""

import json
import math
import pathlib

import numpy as np
import pytest

from mrcnn.errors import DataError
from mrcnn.evaluation.pixels import (
    PixelConfusion,
    badness,
    boundary_counts,
    confused_pairs,
    photo_figures,
    pixel_table,
)
from mrcnn.files import write_json

CCP = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data" / "ccp"
NAMES = ["BG", "coat", "bag"]


def square(y, x, side=10, label=1, shape=(30, 40)):
    """uint8 [30, 40] with a square of one label."""
    labels = np.zeros(shape, np.uint8)
    labels[y:y + side, x:x + side] = label
    return labels


def measured(*pairs, names=NAMES):
    confusion = PixelConfusion(names)
    for truth, result in pairs:
        confusion.add(truth, result)
    return confusion.metrics()


def test_a_perfect_result():
    truth = square(5, 5) + square(18, 20, 6, 2)
    metrics = measured((truth, truth), (square(0, 0), square(0, 0)))
    assert [entry["iou"] for entry in metrics["classes"]] == [1, 1, 1]
    assert [entry["boundary_f"] for entry in metrics["classes"]] == [1, 1, 1]
    for values in (metrics, metrics["person"]):
        for name in ("mean_iou", "mean_iou_without_background", "pixel_accuracy", "frequency_weighted_iou",
                     "mean_boundary_f"):
            assert values[name] == 1
    assert metrics["undefined"] == {} and metrics["photos"] == 2


def test_a_shifted_square():
    """100 pixels moved by 2 of 10 columns: 80 shared, 120 in the union, IoU 2/3. Background: 1200 - 120 = 1080 shared,
    1120 in the union. 40 of 1200 pixels are wrong. Weighted: (1100 * 1080/1120 + 100 * 2/3) / 1200."""
    metrics = measured((square(5, 5), square(5, 7)))
    background, coat, bag = (entry["iou"] for entry in metrics["classes"])
    assert coat == pytest.approx(2 / 3) and background == pytest.approx(1080 / 1120) and math.isnan(bag)
    assert metrics["mean_iou"] == pytest.approx((2 / 3 + 1080 / 1120) / 2)
    assert metrics["mean_iou_without_background"] == pytest.approx(2 / 3)
    assert metrics["pixel_accuracy"] == pytest.approx(1160 / 1200)
    assert metrics["frequency_weighted_iou"] == pytest.approx((1100 * 1080 / 1120 + 100 * 2 / 3) / 1200)
    assert metrics["person"]["classes"][1]["iou"] == coat
    assert metrics["undefined"]["iou of bag"] == "neither truth nor result has a pixel of it"


def test_a_shrunk_square():
    """10x10 shrunk to 6x6 inside it: IoU 36/100, accuracy 1136/1200."""
    metrics = measured((square(5, 5), square(7, 7, 6)))
    assert metrics["classes"][1]["iou"] == pytest.approx(0.36)
    assert metrics["pixel_accuracy"] == pytest.approx(1136 / 1200)


def test_swapped_classes():
    """Every coat called a bag: no class is right, but a person is a person."""
    metrics = measured((square(5, 5), square(5, 5, label=2)), (square(5, 5, label=2), square(5, 5)))
    assert [entry["iou"] for entry in metrics["classes"]] == [1, 0, 0]
    assert metrics["mean_iou"] == pytest.approx(1 / 3) and metrics["mean_iou_without_background"] == 0
    assert metrics["mean_boundary_f"] == 0
    assert metrics["person"]["mean_iou"] == 1 and metrics["person"]["mean_boundary_f"] == 1


def test_one_matrix_over_all_pixels_is_no_mean_over_photos():
    """A found square of 100 pixels and a missed one of 25: IoU 100/125, where photos' IoUs of 1 and 0 have mean 1/2."""
    metrics = measured((square(5, 5), square(5, 5)), (square(5, 5, 5), None))
    assert metrics["classes"][1]["iou"] == pytest.approx(0.8)
    assert metrics["confusion"] == [[2275, 0, 0], [25, 100, 0], [0, 0, 0]]


def test_ignored_pixels_count_nowhere():
    """A square moved by one column differs in two columns of ten pixels; with these ignored it is right."""
    truth, result = square(5, 5), square(5, 6)
    truth[5:15, 5] = truth[5:15, 15] = 255
    metrics = measured((truth, result))
    assert metrics["classes"][1]["iou"] == 1 and metrics["pixel_accuracy"] == 1 and metrics["ignored_pixels"] == 20
    assert metrics["mean_boundary_f"] == 1
    everything = measured((np.full((4, 4), 255), np.ones((4, 4))))
    assert math.isnan(everything["mean_iou"]) and math.isnan(everything["pixel_accuracy"])
    assert everything["undefined"]["pixel_accuracy"] == "there is no pixel to compare"
    assert everything["undefined"]["mean_iou"] == "no class has it defined"
    assert everything["undefined"]["person: iou of person"]


def test_against_sets_of_pixels():
    """Random maps: the figures by counting sets of pixels, class by class."""
    rng = np.random.default_rng(0)
    maps = [(rng.integers(0, 4, (9, 11)), rng.integers(0, 4, (9, 11))) for _ in range(5)]
    for truth, _ in maps:
        truth[truth == 3] = 255
    pairs = [(int(t), int(r)) for truth, result in maps for t, r in zip(truth.ravel(), result.ravel()) if t < 255]
    metrics = measured(*maps, names=["BG", "a", "b", "c"])
    for c in range(4):
        both = sum(t == r == c for t, r in pairs)
        assert metrics["classes"][c]["iou"] == pytest.approx(both / sum(c in pair for pair in pairs))
    person = [(t > 0, r > 0) for t, r in pairs]
    assert metrics["person"]["classes"][1]["iou"] == pytest.approx(sum(map(all, person)) / sum(map(any, person)))


# --- One photo -------------------------------------------------------------------------------------------------------


def figures_of(truth, result):
    return photo_figures(NAMES, *PixelConfusion(NAMES).add(truth, result))


def test_the_figures_of_one_photo_are_its_own():
    """The second of two photos: a square of 100 pixels, 40 of them called a bag. Coat 60 / 100, bag 0 / 40."""
    confusion, result = PixelConfusion(NAMES), square(5, 5)
    result[5:9, 5:15] = 2
    confusion.add(square(5, 5), None)
    figures = photo_figures(NAMES, *confusion.add(square(5, 5), result))
    assert figures["ious"] == [1, pytest.approx(0.6), 0] and figures["object_IoU"] == pytest.approx(0.3)
    assert (figures["pixels"], figures["wrong_pixels"]) == (1200, 40)
    assert figures["confusion"] == ("coat", "bag", 40)
    assert figures_of(square(5, 5), square(5, 5))["confusion"] is None


def test_photos_from_the_worst_to_the_best():
    """Missed, moved by 5 columns and by 2, right, of background alone; one that is ignored altogether is last."""
    nothing, ignored = np.zeros((30, 40), np.uint8), np.full((30, 40), 255)
    coat = square(5, 5)
    photos = {"nothing": (nothing, nothing), "right": (coat, coat), "ignored": (ignored, nothing),
              "moved": (coat, square(5, 7)), "missed": (coat, None), "far": (coat, square(5, 10))}
    order = sorted(photos, key=lambda name: badness(figures_of(*photos[name])))
    assert order == ["missed", "far", "moved", "nothing", "right", "ignored"]


def test_the_pairs_that_are_confused_most():
    result = square(5, 5)
    result[5:9, 5:15], result[14, 5:15] = 2, 0
    metrics = measured((square(5, 5), result), (square(5, 5), square(5, 5)))
    assert confused_pairs(metrics) == [("coat", "bag", 40), ("coat", "BG", 10)]
    assert confused_pairs(metrics, most=1) == [("coat", "bag", 40)]


# --- Boundaries ------------------------------------------------------------------------------------------------------


def test_boundaries_by_hand():
    """30x40 has the diagonal 50: a tolerance of 0.375 pixels takes only what coincides. The border of a 10x10 square
    has 36 pixels. Moved by one column, its top and bottom rows share 9 pixels each, its sides none: 18 of 36."""
    counts = boundary_counts(square(5, 5), square(5, 6), 3)
    assert counts[1].tolist() == counts[-1].tolist() == [36, 18, 36, 18] and counts[2].tolist() == [0, 0, 0, 0]
    metrics = measured((square(5, 5), square(5, 6)))["classes"][1]
    assert metrics["boundary_precision"] == metrics["boundary_recall"] == metrics["boundary_f"] == 0.5


def test_the_tolerance_follows_the_diagonal():
    """300x400: diagonal 500, tolerance 3.75. Borders moved by 3 columns are met wholly. Moved by 4: of the top row
    99 of 100 pixels, and likewise of the bottom row; of the left side nothing more; of the right side the three pixels
    next to either row. 2 * 99 + 2 * 3 = 204 of 396."""
    truth = square(50, 50, 100, shape=(300, 400))
    assert boundary_counts(truth, square(50, 53, 100, shape=(300, 400)), 2)[1].tolist() == [396] * 4
    assert boundary_counts(truth, square(50, 54, 100, shape=(300, 400)), 2)[1].tolist() == [396, 204, 396, 204]


def test_the_rim_of_the_photo_is_no_boundary():
    """A coat that fills the left half of the photo has a boundary only towards the right: 30 pixels, and so has the
    background."""
    truth = np.zeros((30, 40), np.uint8)
    truth[:, :20] = 1
    counts = boundary_counts(truth, truth, 2)
    assert counts[0].tolist() == counts[1].tolist() == [30] * 4
    full = np.ones((30, 40), np.uint8)
    metrics = measured((full, full))
    assert math.isnan(metrics["classes"][1]["boundary_f"])
    assert metrics["undefined"]["boundary_f of coat"] == "neither truth nor result has a boundary of it"


def test_a_class_that_only_one_side_has():
    metrics = measured((square(5, 5), None))
    coat = metrics["classes"][1]
    assert coat["iou"] == coat["boundary_f"] == coat["boundary_recall"] == 0 and math.isnan(coat["boundary_precision"])
    assert metrics["classes"][2]["name"] == "bag" and math.isnan(metrics["classes"][2]["iou"])


# --- What cannot be compared, and what is written --------------------------------------------------------------------


@pytest.mark.parametrize("truth, result, message", [
    (square(5, 5), square(5, 5, shape=(30, 41)), r"0007.jpg: .*\[30, 41\].*\[30, 40\]"),
    (square(5, 5), np.zeros((30, 40, 3)), r"\[30, 40, 3\]"),
    (square(5, 5, label=3), square(5, 5), "0007.jpg: the true label map has label 3, but the classes are 0 to 2"),
    (square(5, 5), square(5, 5, label=200), "0007.jpg: the label map has label 200"),
    (square(5, 5), square(5, 5, label=255), "the label map has label 255"),
])
def test_maps_that_do_not_fit_are_told(truth, result, message):
    with pytest.raises(DataError, match=message):
        PixelConfusion(NAMES).add(truth, result, "0007.jpg")


def test_no_photo_at_all_is_undefined_and_says_why(tmp_path):
    metrics = measured()
    assert math.isnan(metrics["mean_iou"]) and set(metrics["undefined"]) >= {"mean_iou", "pixel_accuracy"}
    write_json(str(tmp_path / "pixels.json"), metrics)
    assert json.loads((tmp_path / "pixels.json").read_text())["mean_iou"] is None


def test_the_table_shows_every_figure():
    text = pixel_table(measured((square(5, 5), square(5, 7)), (square(5, 5), square(5, 5, label=2))))
    rows = {line[:24].strip(): line.split() for line in text.splitlines() if line}
    # Coat: 80 of 100 + 100 true, 100 found: 80 / 220. Bag: 0 of 100. Accuracy: (2400 - 40 - 100) / 2400.
    assert rows["coat"][1] == "0.3636" and rows["bag"][1] == "0.0000"
    assert rows["pixel accuracy"][2:] == ["0.9417", "0.9833"]
    # The matrix in percent of the class's 200 true pixels: 20 background, 80 coat, 100 bag.
    assert rows["1 coat"][-3:] == ["10.0", "40.0", "50.0"]
    assert "iou of bag" not in text and "2 photos" in text
