"""Suspects in label maps: regions by hand, and errors planted into the truth of drawn pictures."""

import numpy as np
import pytest

from mrcnn.data.drawn.people import DrawnPeople
from mrcnn.data.label_samples import IGNORED, true_label_map
from mrcnn.evaluation.pixel_suspects import HALF_AREA, PixelSuspects
from mrcnn.evaluation.suspects import WRONG

NAMES = ["background", "coat", "skirt"]


def sure(labels, share=0.9, classes=3):
    """float32 [H, W, C]: probabilities of labels that a network is sure of."""
    probabilities = np.full(labels.shape + (classes,), (1 - share) / (classes - 1), np.float32)
    np.put_along_axis(probabilities, labels[..., None].astype(int), share, 2)
    return probabilities


def shape(*boxes, size=100):
    labels = np.zeros((size, size), np.uint8)
    for class_id, y1, x1, y2, x2 in boxes:
        labels[y1:y2, x1:x2] = class_id
    return labels


def suspects(*pairs):
    """Suspects of photos (truth, labels), numbered from 0 on."""
    regions = PixelSuspects(NAMES)
    for i, (truth, labels) in enumerate(pairs):
        regions.add(i, f"{i}.jpg", truth, sure(labels))
    return regions.suspects()


COAT, SKIRT = (1, 10, 10, 50, 50), (2, 60, 60, 90, 90)


def test_agreement_and_loose_edges_are_no_suspects():
    both = shape(COAT, SKIRT)
    assert suspects((both, both)) == []
    # A row more all round: within 0.75 % of the diagonal of 141 pixels, which is 1.06.
    assert suspects((both, shape((1, 9, 9, 51, 51), SKIRT))) == []


@pytest.mark.parametrize("truth, labels, reason, true_class, found_class", [
    (shape(COAT), shape(COAT, SKIRT), "missing", None, "skirt"),
    (shape(COAT, SKIRT), shape(COAT), "not found", "skirt", None),
    (shape(COAT, SKIRT), shape(COAT, (1, *SKIRT[1:])), "class", "skirt", "coat"),
    (shape((1, 10, 10, 50, 34)), shape(COAT), "outline", None, "coat"),  # 16 of 40 columns are not in the truth
    (shape(COAT), shape((1, 10, 10, 50, 34)), "outline", "coat", None),
])
def test_reasons(truth, labels, reason, true_class, found_class):
    agreeing = shape(COAT, SKIRT)
    suspect, = suspects((truth, labels), *[(agreeing, agreeing)] * 20)
    assert (suspect.photo, suspect.reason) == ("0.jpg", reason)
    assert (suspect.true_class, suspect.found_class) == (true_class, found_class)


def test_doubt_by_hand():
    agreeing = shape(COAT, SKIRT)
    suspect, = suspects((shape(COAT), agreeing), *[(agreeing, agreeing)] * 9)
    # Background of the truth has no edge there: all 900 of 10000 pixels, each 0.9 against 0.05. Of the pixels that are
    # labelled skirt one in ten is background in the truth.
    assert suspect.pixels == 900 and suspect.score == pytest.approx(0.85) and suspect.found_box == (60, 60, 90, 90)
    assert suspect.doubt == pytest.approx(0.85 * WRONG / (WRONG + 0.1) * 0.09 / (0.09 + HALF_AREA), rel=1e-5)


def test_what_is_ignored_speaks_against_nothing():
    truth = shape(COAT)
    truth[55:] = IGNORED
    assert suspects((truth, shape(COAT, SKIRT))) == []


def test_an_unsure_network_speaks_against_nothing():
    regions = PixelSuspects(NAMES)
    regions.add(0, "0.jpg", shape(COAT), sure(shape(COAT, SKIRT), share=0.6))  # 0.6 against 0.2
    assert regions.suspects() == []


def test_planted_errors_are_found_at_the_top():
    dataset = DrawnPeople()
    dataset.load_drawn(40, size=(128, 96), seed=5)
    dataset.prepare()
    rng, regions, planted = np.random.default_rng(0), PixelSuspects(dataset.class_names), {}
    for image_id in dataset.image_ids:
        truth = true_label_map(dataset, image_id)
        labels = truth.copy()
        # A network that takes clothes for others here and there: each class in one of twenty photos.
        for class_id in np.unique(truth[truth > 0]):
            if rng.random() < 0.05:
                labels[truth == class_id] = rng.integers(0, dataset.num_classes)
        if image_id < 6:  # the truth of the largest class is removed, of another class, or moved
            largest = np.bincount(truth[truth > 0]).argmax()
            where = truth == largest
            planted[int(image_id)] = True
            truth = truth.copy()
            truth[where] = (0, largest % (dataset.num_classes - 1) + 1, 0)[image_id % 3]
            if image_id % 3 == 2:
                truth[np.roll(where, 20, axis=1)] = largest
        regions.add(int(image_id), str(image_id), truth, sure(labels, classes=dataset.num_classes))
    order = list(dict.fromkeys(suspect.image for suspect in regions.suspects()))
    # Six of forty are planted. Precision at 6 is 4 / 6, where chance is 0.15: what the network is sure of and wrong
    # looks alike. All six are among the first eight.
    assert sum(image in planted for image in order[:6]) >= 4 and set(planted) <= set(order[:8])
