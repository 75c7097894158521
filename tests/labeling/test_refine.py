"""Small regions by hand, and chains of refinement."""

import numpy as np
import pytest

from mrcnn.errors import DataError
from mrcnn.labeling.refine import STEPS, build_chain, small_regions

PHOTO = np.zeros((10, 10, 3), np.uint8)


def as_probabilities(labels, classes=3, sure=0.8):
    """float32 [H, W, C]: `sure` for the label, the rest shared."""
    eye = np.full((classes, classes), (1 - sure) / (classes - 1), np.float32)
    np.fill_diagonal(eye, sure)
    return eye[np.asarray(labels)]


def test_specks_vanish_and_holes_fill():
    """A square of 36 pixels with a hole of 2, and a speck of 3: with a bound of 4 of 100 pixels both go."""
    labels = np.zeros((10, 10), int)
    labels[2:8, 2:8] = 1
    labels[4, 4:6] = 0
    labels[0, 0:3] = 2
    expected = np.zeros((10, 10), int)
    expected[2:8, 2:8] = 1
    result = small_regions(PHOTO, as_probabilities(labels), least=0.04)
    np.testing.assert_array_equal(result.argmax(axis=2), expected)
    np.testing.assert_allclose(result.sum(axis=2), 1, rtol=1e-6)
    np.testing.assert_allclose(result[4, 4], [0.1, 0.8, 0.1])  # the two labels have changed places
    np.testing.assert_array_equal(small_regions(PHOTO, as_probabilities(labels), least=0.02).argmax(axis=2)[4, 4:6], 0)


def test_a_region_takes_the_label_that_most_neighbours_have():
    """A pixel with label 2 on the border of 0 and 1: of its four neighbours three are 1."""
    labels = np.zeros((10, 10), int)
    labels[:, 5:] = 1
    labels[5, 5] = 2
    labels[5, 4] = 1
    assert small_regions(PHOTO, as_probabilities(labels), least=0.02).argmax(axis=2)[5, 5] == 1


def test_smaller_regions_go_first_and_what_they_join_stays():
    """A ring of label 2 round a pixel of 1, both small: the pixel joins the ring, and 9 pixels are enough to stay; with
    a bound of 10 they are not, and go together."""
    labels = np.zeros((10, 10), int)
    labels[3:6, 3:6] = 2
    labels[4, 4] = 1
    result = small_regions(PHOTO, as_probabilities(labels), least=0.085).argmax(axis=2)
    assert (result[3:6, 3:6] == 2).all() and (result == 2).sum() == 9
    assert (small_regions(PHOTO, as_probabilities(labels), least=0.1).argmax(axis=2) == 0).all()


def test_what_a_merger_joins_is_one_region_with_all_of_its_label_that_touch_it():
    """A bar of 1 between half a photo of 2 and a square of 2, both below the bound: the bar joins 2, and so the square
    is a part of the half and stays."""
    labels = np.zeros((10, 10), int)
    labels[:, :4] = 2
    labels[4:6, 4] = 1
    labels[4:6, 5:7] = 2
    expected = labels.copy()
    expected[4:6, 4] = 2
    result = small_regions(PHOTO, as_probabilities(labels), least=0.05).argmax(axis=2)
    np.testing.assert_array_equal(result, expected)


def test_small_regions_that_a_merger_joins_count_together():
    """A bar of 1 between 6 and 4 pixels of 2: 13 pixels of 2 then, enough for a bound of 13 and not for one of 14."""
    labels = np.zeros((10, 10), int)
    labels[:3, 1:3] = labels[:2, 4:6] = 2
    labels[:3, 3] = 1
    for least, stay in ((0.13, 13), (0.14, 0)):
        result = small_regions(PHOTO, as_probabilities(labels), least=least).argmax(axis=2)
        assert (result == 2).sum() == stay and (result == 0).sum() == 100 - stay


def test_a_photo_of_one_label_stays():
    probabilities = as_probabilities(np.ones((3, 3), int))
    np.testing.assert_array_equal(small_regions(PHOTO[:3, :3], probabilities, least=2.0), probabilities)


def test_no_chain():
    assert build_chain("") is build_chain("none") is build_chain(None) is None


def test_steps_follow_in_order_with_their_settings(monkeypatch):
    calls = []

    def step(name):
        def run(image, probabilities, weight=1.0, iterations=5):
            calls.append((name, weight, iterations))
            return probabilities + 1

        return run

    monkeypatch.setattr("mrcnn.labeling.refine.STEPS", {"a": step("a"), "b": step("b")})
    monkeypatch.setattr("mrcnn.config_chains.SETTINGS", dict.fromkeys("ab", ("weight", "iterations")))
    result = build_chain(" b:iterations=2, a:weight=0.5,b")(PHOTO, np.zeros((10, 10, 2), np.float32))
    assert calls == [("b", 1.0, 2), ("a", 0.5, 5), ("b", 1.0, 5)]
    assert (result == 3).all()


@pytest.mark.parametrize("text, message", [
    ("blur", "no step 'blur'.*small-regions"), ("crf,", "no step ''"), ("crf:weight=1", "no setting 'weight=1'"),
    ("crf:colour=blue", "NAME=NUMBER"), ("crf:colour", "NAME=NUMBER"), ("slic:method=1", "no setting"),
    ("crf:iterations=1.5", "NAME=NUMBER"), ("crf:colour=0", "colour=0 must be 0.1 or more"),
    ("crf:reach=-3", "reach=-3 must be"), ("crf:position=nan", "position=nan must be"),
    ("felzenszwalb:size=inf", "size=inf must be 1 or more"), ("slic:size=1e300", "to 1e\\+09"),
    ("crf:colour=inf", "colour=inf must be"),
    ("slic:share=2", "share=2 must be 0 to 1"), ("small-regions:least=-1", "least=-1 must be 0 to 1"),
])
def test_a_chain_that_cannot_be_is_told(text, message):
    with pytest.raises(DataError, match=message):
        build_chain(text)


@pytest.mark.parametrize("name", STEPS)
def test_every_step_gives_probabilities_of_the_same_labels_on_an_easy_photo(name):
    """Two fields whose border is where photo and network both have it: nothing moves."""
    image = np.full((40, 60, 3), 30, np.uint8)
    image[:, 30:] = 220
    labels = np.tile(np.arange(60) >= 30, (40, 1)).astype(int)
    probabilities = as_probabilities(labels)
    before = probabilities.copy()
    result = build_chain(name)(image, probabilities)
    assert result.dtype == np.float32 and result.shape == probabilities.shape
    np.testing.assert_array_equal(probabilities, before)  # what is handed in stays
    np.testing.assert_allclose(result.sum(axis=2), 1, atol=1e-4)
    np.testing.assert_array_equal(result.argmax(axis=2), labels)


def test_a_large_photo_is_refined_at_a_bounded_size(monkeypatch):
    """A photo of 40x80 with at most 20 pixels a side is refined at 10x20 and comes back whole."""
    seen = []
    monkeypatch.setattr("mrcnn.labeling.refine.STEPS",
                        {"look": lambda image, probabilities: seen.append((image.shape, probabilities.shape))
                         or probabilities})
    monkeypatch.setattr("mrcnn.config_chains.SETTINGS", {"look": ()})
    labels = np.zeros((40, 80), int)
    labels[8:32, 16:64] = 1
    result = build_chain("look", longest=20)(np.zeros((40, 80, 3), np.uint8), as_probabilities(labels))
    assert seen == [((10, 20, 3), (10, 20, 3))]
    assert (result.argmax(axis=2) != labels).sum() <= 4  # interpolation rounds off the four corners
    np.testing.assert_allclose(result.sum(axis=2), 1, atol=1e-5)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("channels, colours", [(1, [0, 0, 0]), (2, [0, 0, 0]), (4, [0, 1, 2]), (5, [0, 1, 2])])
def test_photos_of_other_channels_are_refined_by_their_colours(name, channels, colours):
    """What else a photo has, as depth, changes nothing; of one and two channels the first is grey."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (12, 16, channels), dtype=np.uint8)
    probabilities = as_probabilities(rng.integers(0, 2, (12, 16)))
    expected = build_chain(name)(np.ascontiguousarray(image[..., colours]), probabilities)
    np.testing.assert_array_equal(build_chain(name)(image, probabilities), expected)


@pytest.mark.parametrize("longest", [100, 12])
def test_steps_are_given_the_classes_that_are_possible_and_the_result_has_all(monkeypatch, longest):
    seen = []

    def swapped(image, probabilities):
        seen.append(probabilities.shape[2])
        return probabilities[..., ::-1]

    monkeypatch.setattr("mrcnn.labeling.refine.STEPS", {"swap": swapped})
    monkeypatch.setattr("mrcnn.config_chains.SETTINGS", {"swap": ()})
    probabilities = np.zeros((20, 24, 50), np.float32)
    probabilities[:, :12, 7] = probabilities[:, 12:, 31] = 1
    result = build_chain("swap", longest)(np.zeros((20, 24, 3), np.uint8), probabilities)
    assert seen == [2] and result.shape == (20, 24, 50) and result.dtype == np.float32
    assert sorted(np.unique(result.argmax(axis=2))) == [7, 31] and (result[:, :10].argmax(axis=2) == 31).all()
    assert np.moveaxis(result, -1, 0).flags.c_contiguous  # so that the other 48 take no memory
