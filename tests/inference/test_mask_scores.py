"""Scores that count the mask, by hand."""

import numpy as np

from mrcnn.inference.mask_scores import maskness, rescored

MASKS = np.array([
    [[0.9, 0.7], [0.5, 0.1]],  # two cells above one half: 0.8
    [[1.0, 1.0], [1.0, 0.0]],  # 1.0
    [[0.5, 0.4], [0.0, 0.0]],  # none
    [[1.0, 0.6], [0.0, 0.0]],  # 0.8
], np.float32)


def outputs():
    return {
        "boxes": np.arange(16, dtype=np.float32).reshape(4, 4), "class_ids": np.array([1, 2, 3, 4]),
        "scores": np.array([0.9, 0.8, 0.7, 0.0], np.float32), "valid": np.array([True, True, True, False]),
        "masks": MASKS, "proposals": np.arange(16).reshape(4, 4), "proposals_valid": np.array([True, False] * 2),
    }


def test_the_mean_inside_by_hand():
    np.testing.assert_allclose(maskness(MASKS), [0.8, 1, 0, 0.8], rtol=1e-6)
    assert maskness(MASKS).dtype == np.float32 and maskness(np.zeros((0, 2, 2), np.float32)).shape == (0,)


def test_half_precision_of_many_cells_loses_nothing():
    assert maskness(np.full((1, 300, 300), 0.75, np.float16)).tolist() == [0.75]


def test_scores_are_multiplied_and_rows_follow_them():
    found = rescored(outputs(), 0.1)
    # 0.9 * 0.8 = 0.72, 0.8 * 1 = 0.8, 0.7 * 0 = 0; the last is no detection.
    np.testing.assert_allclose(found["scores"], [0.8, 0.72, 0, 0], rtol=1e-6)
    assert found["class_ids"].tolist() == [2, 1, 3, 4] and found["valid"].tolist() == [True, True, False, False]
    assert found["boxes"][:, 0].tolist() == [4, 0, 8, 12]
    np.testing.assert_array_equal(found["masks"], MASKS[[1, 0, 2, 3]])
    more = rescored({**outputs(), "attributes": np.eye(4)[:, :2], "embedding": np.eye(4)}, 0.1)
    for name, values in (("attributes", np.eye(4)[:, :2]), ("embedding", np.eye(4))):
        np.testing.assert_array_equal(more[name], values[[1, 0, 2, 3]])
    np.testing.assert_array_equal(found["proposals"], outputs()["proposals"])
    np.testing.assert_array_equal(found["proposals_valid"], outputs()["proposals_valid"])


def test_what_falls_below_the_least_score_is_left_out():
    assert rescored(outputs(), 0.75)["valid"].tolist() == [True, False, False, False]


def test_a_mask_that_is_sure_changes_nothing_and_equal_ones_keep_their_order():
    sure = {**outputs(), "masks": np.ones((4, 2, 2), np.float32), "scores": np.array([0.9, 0.9, 0.7, 0], np.float32)}
    found = rescored(sure, 0.5)
    for name, value in sure.items():
        np.testing.assert_array_equal(found[name], value)
