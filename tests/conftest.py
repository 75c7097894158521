"""TensorFlow reads its settings at its import: the package sets them before any test file imports Keras.

One thread for each operation: sums are then added up in the same order in every run, so that a training resumed can be
compared with one unbroken, and the two workers of the test command do not fight for two cores.
"""

import os

for _name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import mrcnn  # noqa: E402, F401
from mrcnn.data.imgaug_import import allow_imgaug  # noqa: E402

allow_imgaug()  # tests run side by side hand their warnings over as classes, some of them imgaug's
