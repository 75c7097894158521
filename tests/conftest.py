"""TensorFlow reads its settings at its import: the package sets them before any test file imports Keras."""

import mrcnn  # noqa: F401
