"""The permutohedral lattice against sums over all pairs of points."""

import numpy as np
import pytest

from mrcnn.labeling.permutohedral import PermutohedralLattice, _plane_basis, _simplices


def brute_force(features, values):
    """The Gaussian filter as a sum over all pairs, divided by the sum of the kernel."""
    differences = features[:, None].astype(np.float64) - features[None]
    kernel = np.exp(-0.5 * (differences**2).sum(axis=2))
    return kernel @ values / kernel.sum(axis=1, keepdims=True)


def test_it_filters_an_image_as_the_sum_over_all_pairs_does():
    """A picture of smooth colours and an edge: 5 dimensions, as in the field. The lattice's kernel is not quite round,
    so a few hundredths of the values' range are its due; doing without the filter would miss by a quarter of it."""
    y, x = np.mgrid[:24, :32] / 8.0
    red = np.where(x < 2, 1.0, 3.0) + 0.3 * np.sin(y)
    features = np.stack([y, x, red, red / 2 + 0.1 * y, 0.2 * x], axis=-1).reshape(-1, 5)
    values = np.stack([(x > 1.5).ravel(), (y > 1.5).ravel()], axis=1).astype(np.float32)
    lattice = PermutohedralLattice(features)
    filtered = lattice.filter(values) / lattice.filter(np.ones((len(values), 1)))
    expected = brute_force(features, values)
    assert np.abs(filtered - expected).mean() < 0.02 and np.abs(filtered - expected).max() < 0.08
    assert np.abs(values - expected).mean() > 0.2


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
def test_the_corners_of_the_simplex_give_the_feature_back(dimensions):
    """Barycentric weights: not negative, sum 1, and their mean of the corners is the feature itself."""
    features = np.random.default_rng(0).normal(0, 3, (200, dimensions)).astype(np.float32)
    keys, weights, steps = _simplices(features)
    assert weights.min() >= -1e-6
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    # A step adds 1 to one of d + 1 coordinates: undo them with the plane's basis, whose rows are the steps' places.
    basis = _plane_basis(dimensions).astype(np.float64)
    per_key = np.linalg.pinv(basis)  # [d, d + 1]: where a step along each axis leads among features
    first = features - _walk(keys, weights, steps, per_key)
    # What remains is the first corner, which lies on the lattice: whole numbers up to the diagonal.
    corner = first @ basis.T
    corner -= corner[:, -1:]
    np.testing.assert_allclose(corner, np.rint(corner), atol=1e-3)


def _walk(keys, weights, steps, per_key):
    """float64 [N, d]: the mean of the corners by weight, seen from the first corner."""
    places = {int(step): per_key[:, axis] for axis, step in enumerate(steps)}
    means = np.zeros((len(keys), per_key.shape[0]))
    for row in range(len(keys)):
        corner = np.zeros(per_key.shape[0])
        for step, weight in zip(np.diff(keys[row]), weights[row, 1:]):
            corner = corner + places[int(step)]
            means[row] += weight * corner
    return means


def test_it_is_linear_symmetric_and_spreads_a_point_by_one_deviation():
    """An impulse at the origin of a fine line of points becomes a bell of variance 1."""
    points = np.arange(-6, 6, 0.05)[:, None]
    lattice = PermutohedralLattice(points)
    spread = np.zeros(len(points))
    for start in range(90, 150, 5):  # the mean over places in a cell: the kernel differs a little from each to the next
        impulse = np.zeros((len(points), 1))
        impulse[start] = 1
        bell = lattice.filter(impulse)[:, 0]
        bell = bell / bell.sum()
        spread[start] = (bell * (points[:, 0] - points[start, 0]) ** 2).sum()
    assert spread[90:150:5].mean() == pytest.approx(1, abs=0.03)
    a, b = np.random.default_rng(1).random((2, len(points), 1))
    assert (a * lattice.filter(b)).sum() == pytest.approx((b * lattice.filter(a)).sum(), rel=1e-4)
    np.testing.assert_allclose(lattice.filter(a + 2 * b), lattice.filter(a) + 2 * lattice.filter(b), rtol=1e-4)


def test_points_far_apart_do_not_hear_of_each_other():
    values = np.array([[1.0, 0], [0, 1]])
    filtered = PermutohedralLattice(np.array([[0.0, 0, 0], [20, 0, 0]])).filter(values)
    assert filtered[0, 0] > 0 and filtered[0, 1] == filtered[1, 0] == 0


def test_features_without_end_are_refused():
    with pytest.raises(ValueError, match="too many standard deviations"):
        PermutohedralLattice(np.array([[0.0] * 5, [1e6] * 5]))
