"""Dense conditional random field with Gaussian edge potentials (Krahenbuhl and Koltun, NIPS 2011).

Every pair of pixels is told to agree: the more, the nearer they lie and the more alike their colours are. Mean field
inference needs one Gaussian filtering of all classes an iteration: on the permutohedral lattice for position and
colour, separably for position alone.
"""

import numpy as np

from mrcnn.data.images import colours_of
from mrcnn.labeling.permutohedral import PermutohedralLattice

LEAST_PROBABILITY = 1e-5  # what a network calls impossible stays possible: its logarithm has to be finite


def dense_crf(image: np.ndarray, probabilities: np.ndarray, iterations: int = 5, appearance: float = 4.0,
              position: float = 0.08, colour: float = 10.0, smoothness: float = 2.0, reach: float = 2.0) -> np.ndarray:
    """Probabilities after mean field inference in a fully connected field with Potts compatibility (algorithm 1).

    The kernels of equation 3, each normalised symmetrically (D^-1/2 K D^-1/2, D the sums of K's rows), so that weights
    mean the same in flat and in busy parts of a photo. A pixel's message to itself, a share 1 / D, is left in.

    Args:
        image: uint8 [H, W, C]; see `mrcnn.data.images.colours_of`.
        probabilities: float32 [H, W, C], sum 1 at each pixel.
        iterations: of mean field.
        appearance: weight of the kernel of position and colour; 0 does without it.
        position: its standard deviation, as a share of the photo's diagonal.
        colour: in values of 0..255.
        smoothness: weight of the kernel of position alone; 0 does without it.
        reach: its standard deviation, pixels.

    Returns:
        float32 [H, W, C].
    """
    height, width, classes = probabilities.shape
    # A class that nobody suspects anywhere in the photo cannot win, and costs as much as any other.
    present = np.flatnonzero(probabilities.reshape(-1, classes).max(axis=0) > LEAST_PROBABILITY)
    beliefs = np.ascontiguousarray(probabilities[..., present], np.float32)
    if len(present) < 2:
        return np.array(probabilities, np.float32)
    evidence = np.log(np.maximum(beliefs, LEAST_PROBABILITY))
    filters = []
    if appearance:
        lattice = PermutohedralLattice(_appearance_features(image, position, colour))

        def on_lattice(values):
            return lattice.filter(values.reshape(height * width, -1)).reshape(values.shape)

        filters.append((appearance, *_normalised(on_lattice, (height, width))))
    if smoothness:
        filters.append((smoothness, *_normalised(lambda values: _blurred(values, reach), (height, width))))
    for _ in range(iterations):
        scores = evidence.copy()
        for weight, kernel, scale in filters:
            scores += kernel(beliefs * scale) * (weight * scale)
        beliefs = _softmax(scores)
    result = np.zeros(probabilities.shape, np.float32)
    result[..., present] = beliefs
    return result


def _appearance_features(image, position, colour):
    """float32 [H * W, 5]: row, column, red, green, blue, each in its standard deviations."""
    height, width = image.shape[:2]
    features = np.empty((height, width, 5), np.float32)
    std = position * np.hypot(height, width)
    features[..., 0] = np.arange(height)[:, None] / std
    features[..., 1] = np.arange(width) / std
    features[..., 2:] = np.asarray(colours_of(image), np.float32) / colour
    return features.reshape(-1, 5)


def _normalised(kernel, shape):
    """(kernel, float32 [H, W, 1] D^-1/2): what is filtered is multiplied by the latter before and after."""
    sums = kernel(np.ones(shape + (1,), np.float32))
    return kernel, 1 / np.sqrt(np.maximum(sums, 1e-20))


def _blurred(values, std):
    """Sum of exp(-distance^2 / 2 std^2) times value over the pixels of the photo. values: float32 [H, W, C]."""
    import cv2

    reach = int(np.ceil(4 * std))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / std) ** 2)
    blurred = np.empty_like(values)
    for i in range(values.shape[2]):  # cv2 filters no more than four channels at once
        blurred[..., i] = cv2.sepFilter2D(
            np.ascontiguousarray(values[..., i]), cv2.CV_32F, weights, weights, borderType=cv2.BORDER_CONSTANT
        )
    return blurred


def _softmax(scores):
    scores = np.exp(scores - scores.max(axis=2, keepdims=True))
    return scores / scores.sum(axis=2, keepdims=True)
