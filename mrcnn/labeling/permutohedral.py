"""Gaussian filtering in many dimensions on the permutohedral lattice (Adams, Baek and Davis, Eurographics 2010).

The lattice is the integer lattice of d + 1 dimensions seen along its diagonal: points z and z + (1, ..., 1) are one
vertex. A feature is put into the plane across the diagonal; the walk from floor(x) that adds 1 to one coordinate after
another, largest fraction first, visits the d + 1 corners of the simplex that it lies in, and differences of successive
fractions are its barycentric weights there. Neighbours of a vertex are z + e_i and z - e_i.
"""

import numpy as np

from mrcnn.errors import DataError

# The variance of one splat, blur and slice: blurring by (1, 2, 1) / 4 along all axes has variance 1/2 in the plane,
# interpolating twice adds 1/12 each (Adams et al. section 3.1 scale by the same sqrt(2 / 3)).
VARIANCE = 2 / 3


class PermutohedralLattice:
    """The Gaussian filter exp(-|f_i - f_j|^2 / 2) between points, nearly, in time linear in their number.

    Its kernel is piecewise polynomial and reaches about three standard deviations; it is right up to a constant factor,
    which a normalisation cancels.
    """

    def __init__(self, features: np.ndarray):
        """features: [N, d], each coordinate divided by the standard deviation wanted along it."""
        from scipy import sparse

        features = np.asarray(features, np.float32)
        count, dimensions = features.shape
        keys, weights, steps = _simplices(features)
        vertices = np.unique(keys)
        indices = np.searchsorted(vertices, keys)  # quicker than unique's own inverse, which sorts indirectly
        self.vertex_count = len(vertices)
        starts = np.arange(count + 1, dtype=np.int32) * (dimensions + 1)
        # The row and column after the last vertex stand for every vertex that does not exist: always zero.
        shape = (count, self.vertex_count + 1)
        self._slice = sparse.csr_array((weights.ravel(), indices.ravel().astype(np.int32), starts), shape=shape)
        self._blurs = [_blur(vertices, step) for step in steps]

    def filter(self, values: np.ndarray) -> np.ndarray:
        """Sum over all points of kernel times value.

        Args:
            values: float32 [N, C].

        Returns:
            float32 [N, C].
        """
        on_lattice = self._slice.T @ np.ascontiguousarray(values, np.float32)
        for blur in self._blurs:
            on_lattice = blur @ on_lattice
        return self._slice @ on_lattice


def _simplices(features):
    """Corners of the simplex round each feature.

    Returns (int64 [N, d + 1] keys of the corners, float32 [N, d + 1] their weights, [d + 1] the step that a key takes
    to the neighbour along each axis).
    """
    dimensions = features.shape[1]
    points = features @ _plane_basis(dimensions).T
    corner = np.floor(points)
    points -= corner
    order = np.argsort(-points, axis=1)
    fractions = np.take_along_axis(points, order, axis=1)
    weights = np.empty_like(fractions)
    # The walk's last point, all coordinates one higher, is its first: that corner has both ends' weights.
    weights[:, 0] = 1 - fractions[:, 0] + fractions[:, -1]
    weights[:, 1:] = fractions[:, :-1] - fractions[:, 1:]
    # What tells vertices apart: differences to the last coordinate, which adding (1, ..., 1) does not change.
    differences = (corner[:, :-1] - corner[:, -1:]).astype(np.int64)
    low = differences.min(axis=0) - 2
    sizes = differences.max(axis=0) - low + 3  # room for the corners of a simplex and their neighbours
    strides = np.concatenate([[1], np.cumprod(sizes[:-1])])
    if float(np.prod(sizes.astype(np.float64))) > 2.0**62:
        raise DataError("The features spread over too many standard deviations for a lattice: divide by larger ones.")
    steps = np.append(strides, -strides.sum())
    keys = np.empty(order.shape, np.int64)
    keys[:, 0] = (differences - low) @ strides
    keys[:, 1:] = steps[order[:, :-1]]
    return np.cumsum(keys, axis=1), weights, steps


def _plane_basis(dimensions):
    """float32 [d + 1, d]: an orthogonal basis of the plane across the diagonal; features get variance 1 in it."""
    basis = np.zeros((dimensions + 1, dimensions))
    for i in range(dimensions):
        basis[: i + 1, i], basis[i + 1, i] = 1, -(i + 1)
    return (basis * np.sqrt(VARIANCE) / np.linalg.norm(basis, axis=0)).astype(np.float32)


def _blur(vertices, step):
    """Sparse [M + 1, M + 1]: the blur by (1, 2, 1) / 4 along one axis. vertices: int64 [M] sorted keys."""
    from scipy import sparse

    count = len(vertices)
    neighbours = np.searchsorted(vertices, vertices + step)
    existing = np.flatnonzero(vertices[np.minimum(neighbours, count - 1)] == vertices + step)
    after = np.full(count + 1, count, np.int32)
    before = after.copy()
    after[existing], before[neighbours[existing]] = neighbours[existing], existing
    indices = np.stack([before, np.arange(count + 1, dtype=np.int32), after], axis=1)
    weights = np.tile(np.float32([0.25, 0.5, 0.25]), count + 1)
    weights[-3:] = 0
    starts = np.arange(count + 2, dtype=np.int32) * 3
    return sparse.csr_array((weights, indices.ravel(), starts), shape=(count + 1, count + 1))
