import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.ops.sampling import filled_rows, in_turns, sample_balanced


def sample(positive, negative, count, max_positive, seed=0):
    index, is_positive, valid = sample_balanced(
        ops.convert_to_tensor(positive), ops.convert_to_tensor(negative), count, max_positive,
        keras.random.SeedGenerator(seed),
    )
    return ops.convert_to_numpy(index), ops.convert_to_numpy(is_positive), ops.convert_to_numpy(valid)


def test_shares_and_membership():
    rng = np.random.default_rng(0)
    kind = rng.choice(3, size=(3, 500), p=[0.1, 0.6, 0.3])
    kind[1][kind[1] == 0] = 2  # no positive at all in the second image
    kind[2][:] = 2
    kind[2][:3] = 0  # three positives and no negative in the third
    index, is_positive, valid = sample(kind == 0, kind == 1, 60, 20)
    assert is_positive.sum(1).tolist() == [20, 0, 3]
    assert valid.sum(1).tolist() == [60, 60, 3]  # negatives fill what positives leave, with none at all too
    for row in range(3):
        chosen = index[row][valid[row]]
        assert len(set(chosen.tolist())) == len(chosen)
        assert (kind[row][index[row][is_positive[row]]] == 0).all()
        assert (kind[row][index[row][valid[row] & ~is_positive[row]]] == 1).all()
    assert is_positive[0][:20].all()  # positives first


def test_every_positive_is_as_likely():
    positive = np.ones((1, 10), bool)
    counts = np.zeros(10)
    seeds = keras.random.SeedGenerator(1)
    for _ in range(400):
        index, _, valid = sample_balanced(
            ops.convert_to_tensor(positive), ops.convert_to_tensor(~positive), 5, 3, seeds
        )
        counts[ops.convert_to_numpy(index)[0][ops.convert_to_numpy(valid)[0]]] += 1
    # 400 draws of 3 from 10: 120 each, standard deviation sqrt(400 * .3 * .7) = 9.2
    assert counts.sum() == 1200
    assert (abs(counts - 120) < 5 * 9.2).all()


def test_filled_rows_lists_the_valid_ones():
    for valid in ([True, False, True, True], [False] * 4, [True] * 4):
        rows, kept = filled_rows(ops.convert_to_tensor(valid))
        rows, kept = ops.convert_to_numpy(rows), ops.convert_to_numpy(kept)
        assert rows[kept].tolist() == [i for i, v in enumerate(valid) if v]
        assert len(rows) >= 1
        if keras.backend.backend() != "jax":
            assert len(rows) == max(1, sum(valid))


@pytest.mark.parametrize("valid,turns", [([0, 1, 0, 1, 1], 2), ([1] * 5, 3), ([0] * 5, 0), ([0, 0, 0, 0, 1], 1)])
def test_rows_take_turns_until_the_valid_ones_are_done(valid, turns):
    taken = []

    def ten_times(rows):
        taken.append(tuple(rows["number"].shape))
        return ops.stack([rows["number"] * 10, rows["number"] + rows["other"][:, 0]], axis=1)

    rows = {"number": ops.convert_to_tensor(np.arange(1, 6, dtype="int32")), "other": ops.ones((5, 1), "int32")}
    found = in_turns(ten_times, rows, ops.convert_to_tensor(np.array(valid, bool)), 2, (2,))
    # Row i, counted from 1, gives 10 i and i + 1; one that is not valid gives 0.
    expected = [[10 * i * there, (i + 1) * there] for i, there in enumerate(valid, start=1)]
    assert ops.convert_to_numpy(found).tolist() == expected
    if keras.backend.backend() != "jax":  # which traces a loop, and does not run it step by step
        assert taken == [(2,)] * turns
