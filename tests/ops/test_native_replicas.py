"""What replicas say to each other: sums over all of them, and random rows as one device would draw them."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from mrcnn.ops.native_replicas import rows_of_replica, total_over_replicas

TWO_REPLICAS = """
import sys
import mrcnn
import tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import numpy as np
from mrcnn.ops.native_replicas import rows_of_replica, total_over_replicas

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

def rows_and_total():
    rows = rows_of_replica(lambda count: keras.random.uniform((count, 5), seed=3), 2)
    return rows, total_over_replicas(keras.ops.sum(rows))

parts, totals = tf.function(lambda: strategy.run(rows_and_total))()
np.savez(sys.argv[1], rows=np.concatenate(strategy.experimental_local_results(parts)),
         totals=strategy.experimental_local_results(totals))
"""


def test_one_device_draws_and_adds_by_itself():
    assert rows_of_replica(lambda rows: ["drawn"] * rows, 3) == ["drawn"] * 3
    assert float(total_over_replicas(keras.ops.ones(()) * 7)) == 7


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has replicas")
def test_two_replicas_draw_the_halves_of_what_one_device_draws_and_add_up(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2]), "CUDA_VISIBLE_DEVICES": ""}
    code = [sys.executable, "-c", TWO_REPLICAS, str(tmp_path / "parts.npz")]
    done = subprocess.run(code, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    parts = np.load(tmp_path / "parts.npz")
    whole = np.asarray(keras.random.uniform((4, 5), seed=3))
    np.testing.assert_array_equal(parts["rows"], whole)
    np.testing.assert_allclose(parts["totals"], [whole.sum()] * 2, rtol=1e-6)
