"""Guided filtering against the paper's equations, and masks that follow the photo's edges."""

import numpy as np
import pytest

from mrcnn.data.masks import paste_mask
from mrcnn.labeling.guided import _shares_of_cells, guided, guided_filter, guided_mask


def by_the_equations(image, plane, radius, epsilon):
    """Equations 14 to 16 with a loop over windows, for the pixels whose windows of windows lie in the photo."""
    guide = image.astype(np.float64) / 255
    height, width = plane.shape
    slopes, offsets = np.zeros((height, width, 3)), np.zeros((height, width))
    for y in range(radius, height - radius):
        for x in range(radius, width - radius):
            window = slice(y - radius, y + radius + 1), slice(x - radius, x + radius + 1)
            colours, values = guide[window].reshape(-1, 3), plane[window].ravel().astype(np.float64)
            covariance = np.cov(colours.T, bias=True) + epsilon * np.eye(3)
            right = (colours * values[:, None]).mean(axis=0) - colours.mean(axis=0) * values.mean()
            slopes[y, x] = np.linalg.solve(covariance, right)
            offsets[y, x] = values.mean() - slopes[y, x] @ colours.mean(axis=0)
    result = np.full(plane.shape, np.nan)
    for y in range(2 * radius, height - 2 * radius):
        for x in range(2 * radius, width - 2 * radius):
            window = slice(y - radius, y + radius + 1), slice(x - radius, x + radius + 1)
            result[y, x] = slopes[window].mean(axis=(0, 1)) @ guide[y, x] + offsets[window].mean()
    return result


def test_it_does_what_the_equations_say():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (16, 18, 3)).astype(np.uint8)
    planes = rng.random((16, 18, 2)).astype(np.float32)
    filtered = guided_filter(image, planes, 2, 1e-2)
    for i in range(2):
        expected = by_the_equations(image, planes[..., i], 2, 1e-2)
        inside = ~np.isnan(expected)
        np.testing.assert_allclose(filtered[..., i][inside], expected[inside], atol=1e-4)


def test_a_plane_that_is_linear_in_the_photo_stays():
    image = np.random.default_rng(1).integers(0, 255, (30, 30, 3)).astype(np.uint8)
    plane = (image @ np.array([0.5, 0.2, 0.1], np.float32) / 255 + 0.1)[..., None]
    np.testing.assert_allclose(guided_filter(image, plane, 3, 1e-7), plane, atol=1e-3)


def half_photo(edge, size=56):
    """uint8 [size, size, 3], dark left of column `edge` and bright from it on."""
    image = np.full((size, size, 3), 40, np.uint8)
    image[:, edge:] = 200
    return image


def test_the_step_moves_a_soft_border_to_the_edge():
    """A ramp from column 20 to 36, half at 28; the photo's edge is at 25: more of the ramp's rise happens there."""
    ramp = np.clip((np.arange(56) - 20) / 16, 0, 1).astype(np.float32) * np.ones((56, 1), np.float32)
    probabilities = np.stack([1 - ramp, np.zeros_like(ramp), ramp], axis=-1)
    result = guided(half_photo(25), probabilities, radius=0.08, epsilon=1e-4)
    np.testing.assert_allclose(result.sum(axis=2), 1, atol=1e-5)
    assert (result[..., 1] == 0).all() and result.min() >= 0
    assert (result[28, 25, 2] - result[28, 24, 2]) > 4 / 16  # the ramp rises by 1/16 a column


def test_a_coarse_mask_follows_the_edge_of_the_photo():
    """A mask of 7x7 cells over 56 pixels, cells of 8: the edge at column 29 cuts cell 3 (24 to 32) into 5/8 and 3/8.
    Pasted plainly the border is anywhere but at the edge for a cell that counts whole; guided it is at the edge."""
    mask = np.zeros((7, 7), np.float32)
    mask[:, 4:], mask[:, 3] = 1, 3 / 8
    box = np.array([0, 0, 56, 56], np.float32)
    plain, _ = paste_mask(mask, box, (56, 56))
    refined, corner = guided_mask(half_photo(29), box, mask, epsilon=1e-4)
    assert corner == (0, 0) and refined.shape == (56, 56)
    true = np.tile(np.arange(56) >= 29, (56, 1))
    assert (refined == true).all() and (plain != true).any()


def test_without_an_edge_a_mask_is_pasted_much_as_plainly():
    """A plain photo guides nowhere: what the filter blurs is put back, up to the grid that a cell cannot see."""
    y, x = np.mgrid[:28, :28]
    mask = ((y - 13.5) ** 2 + (x - 13.5) ** 2 < 100).astype(np.float32)
    box = np.array([10.3, 5.8, 150.1, 140.4])
    image = np.full((160, 150, 3), 90, np.uint8)
    plain, corner = paste_mask(mask, box, (160, 150))
    refined, place = guided_mask(image, box, mask)
    assert place == corner and (refined & plain).sum() / (refined | plain).sum() > 0.97


def test_boxes_beyond_the_photo_and_of_no_pixel():
    image = half_photo(20, 40)
    mask = np.ones((28, 28), np.float32)
    part, corner = guided_mask(image, np.array([-10.0, -10, 60, 60]), mask)
    assert corner == (0, 0) and part.shape == (40, 40) and part.all()
    part, _ = guided_mask(image, np.array([3.6, 3.6, 3.9, 3.9]), mask)
    assert part.size == 0


def test_shares_of_cells_by_hand():
    """Two cells over 1.5 to 4.5 (1.5 pixels each) and pixels 1 to 4. The first spans 1.5 to 3: half of pixel 1 and all
    of pixel 2, hence 1/3 and 2/3; the second all of pixel 3 and half of pixel 4."""
    np.testing.assert_allclose(_shares_of_cells(1.5, 4.5, 2, 1, 4), [[1 / 3, 2 / 3, 0, 0], [0, 0, 2 / 3, 1 / 3]])
    assert _shares_of_cells(-4, 4, 2, 0, 4).tolist() == [[0] * 4, [pytest.approx(0.25)] * 4]  # the first lies outside
