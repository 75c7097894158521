"""TensorFlow reads its settings at its import: the package sets them before any test file imports Keras."""

import mrcnn  # noqa: F401

# Tests run side by side hand their warnings over as classes, some of them imgaug's, which imports only after this.
import mrcnn.data.pipelines  # noqa: E402, F401
