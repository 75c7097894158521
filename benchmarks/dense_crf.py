"""Time of the dense field on one core: a 400x600 photo with 7 classes, 5 iterations, and what it is spent on.

    python benchmarks/dense_crf.py [--photo FILE]

Without a photo one is drawn: fields of colour under noise, which fills more of the lattice than most photos do. Every
number is processor time, the best of --repeat runs. The ratio is the time in equivalents of one Gaussian blur of all
classes at the same size by cv2 with the deviation that the field's wide kernel has: what a filter blind to colours
would take.
"""

import argparse
import os
import sys
import time

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before numpy and cv2 count the cores
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from mrcnn.data.images import load_image  # noqa: E402
from mrcnn.labeling.dense_crf import _appearance_features, dense_crf  # noqa: E402
from mrcnn.labeling.permutohedral import PermutohedralLattice  # noqa: E402

SHAPE, CLASSES, ITERATIONS = (600, 400), 7, 5


def drawn_photo(rng):
    """uint8 [600, 400, 3]: sixteen fields of colour with soft light and noise."""
    fields = cv2.resize(rng.integers(30, 226, (4, 4, 3)).astype(np.float32), SHAPE[::-1],
                        interpolation=cv2.INTER_NEAREST)
    light = cv2.resize(rng.normal(0, 15, (6, 6)).astype(np.float32), SHAPE[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(fields + light[..., None] + rng.normal(0, 6, SHAPE + (3,)), 0, 255).astype(np.uint8)


def best(function, repeat):
    """Seconds of processor time of the fastest of some runs; others on the same core do not count."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photo", metavar="FILE", help="a photo in place of the drawn one; brought to 400x600")
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    image = drawn_photo(rng)
    if options.photo:
        image = cv2.resize(load_image(options.photo), SHAPE[::-1], interpolation=cv2.INTER_AREA)
    scores = cv2.GaussianBlur(rng.normal(0, 1, SHAPE + (CLASSES,)).astype(np.float32)[..., :4], (0, 0), 20)
    more = cv2.GaussianBlur(rng.normal(0, 1, SHAPE + (CLASSES - 4,)).astype(np.float32), (0, 0), 20)
    scores = 120 * np.concatenate([scores, more], axis=2)
    probabilities = np.exp(scores - scores.max(axis=2, keepdims=True))
    probabilities /= probabilities.sum(axis=2, keepdims=True)

    features = _appearance_features(image, 0.08, 10.0)
    lattice = PermutohedralLattice(features)
    values = probabilities.reshape(-1, CLASSES)
    planes = [np.ascontiguousarray(probabilities[..., i]) for i in range(CLASSES)]
    deviation = 0.08 * float(np.hypot(*SHAPE))
    whole = best(lambda: dense_crf(image, probabilities, ITERATIONS), options.repeat)
    build = best(lambda: PermutohedralLattice(features), options.repeat)
    filtering = best(lambda: lattice.filter(values), options.repeat)
    blur = best(lambda: [cv2.GaussianBlur(plane, (0, 0), deviation) for plane in planes], options.repeat)
    print(f"{'a photo' if options.photo else 'the drawn photo'} of {SHAPE[1]}x{SHAPE[0]}, {CLASSES} classes, one core")
    print(f"{ITERATIONS} iterations of the dense field   {whole:7.3f} s, {whole / blur:.1f} blurs of all classes")
    print(f"  of which building the lattice   {build:7.3f} s, {lattice.vertex_count} vertices")
    print(f"  one filtering of all classes    {filtering:7.3f} s")
    print(f"one Gaussian blur of all classes  {blur:7.3f} s")


if __name__ == "__main__":
    main()
