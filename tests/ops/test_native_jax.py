"""How often JAX compiles where numbers of photos vary, where the same outputs are asked for again, and over stages."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="pip install mrcnn-keras[jax]")]
START = """
import sys
import jax
import numpy as np
from tiny import Squares, TinyConfig
from tiny_semantic import TinySemantic, TinySettings

programs = [0]


def count(name, seconds, **_):
    programs[0] += "backend_compile" in name


def compiled(call, *arguments):
    before = programs[0]
    results = call(*arguments)
    return programs[0] - before, results


jax.monitoring.register_event_duration_secs_listener(count)
data = Squares().load(8)
photos = [data.load_image(i) for i in range(8)]
"""
BATCHES = START + """
model = TinySemantic("inference", TinySettings(IMAGES_PER_GPU=4), sys.argv[1])
single, (first,) = compiled(model.label, photos[:1])
assert single == 1  # of one photo, which is not filled up: it would take as long as four
assert compiled(model.label, photos[:1])[0] == 0
whole, results = compiled(model.label, photos[:7])  # four and three
assert whole == 1, whole
again, fewer = compiled(model.label, photos[:2])
assert again == 1, again  # four would take twice as long
for one, other in zip([*results[:2], first], [*fewer, results[0]], strict=True):
    np.testing.assert_allclose(one["probabilities"], other["probabilities"], atol=1e-5)

model = TinySemantic("inference", TinySettings(IMAGES_PER_GPU=7), sys.argv[1])
sizes = [(7, 1), (1, 1), (7, 0), (3, 1), (4, 0), (2, 1), (1, 0), (5, 0), (6, 0)]  # photos, programs compiled for them
assert [compiled(model.label, photos[:number])[0] for number, _ in sizes] == [programs for _, programs in sizes]

from mrcnn.serving.served import LABEL, ServedModel
served = ServedModel(TinySemantic("inference", TinySettings(IMAGES_PER_GPU=4), sys.argv[1]))
assert compiled(served.warm)[0] == 3  # of one, two and four
for number in range(1, 5):
    assert compiled(served.run, (LABEL, None), photos[:number])[0] == 0

import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    function = served.model._network()
    for width in (64, 64, 128, 128):
        function({"image": np.zeros((1, 64, width, 3), "float32"),
                  "window": np.array([[0, 0, 64, width]], "float32")})
anew = [str(warning.message) for warning in told if "JAX compiles" in str(warning.message)]
assert len(anew) == 2 and "of 64 x 64 pixels" in anew[0] and "of 64 x 128 pixels" in anew[1], anew  # each once
"""
GRAPH = START + """
from mrcnn.model import MaskRCNN

model = MaskRCNN("inference", TinyConfig(), sys.argv[1])
before, first = compiled(model.run_graph, photos[:2], [("map", "fpn_p2")])
again, second = compiled(model.run_graph, photos[2:4], [("map", "fpn_p2")])
other, third = compiled(model.run_graph, photos[:2], [("map", "fpn_p3")])
assert (before, again, other) == (1, 0, 1), (before, again, other)
assert first["map"].shape == second["map"].shape != third["map"].shape
assert abs(first["map"] - second["map"]).max() > 0
"""

STAGES = START + """
from tiny_pixels import pixel_network

model = pixel_network("deeplabv3plus", sys.argv[1], IMAGES_PER_GPU=2)
few = Squares().load(2)


def seen():
    return model.label(photos[:1])[0]["probabilities"]


def near(one, other):
    return np.allclose(one, other, atol=1e-5)


model.set_trainable("aspp_atrous1.*")
model.compile(1e-2, 0.9)
first, loss = seen(), model.losses_on(few)["loss"]
model.set_trainable("aspp_atrous2.*")  # whose weights have the same shapes
programs_before = programs[0]
second = seen()
assert programs[0] == programs_before
assert near(first, second), abs(first - second).max()
assert near(loss, model.losses_on(few)["loss"]), (loss, model.losses_on(few)["loss"])
kernel = next(weight for weight in model.inference_model.weights if weight.path.startswith("aspp_atrous2"))
kernel.assign(kernel + 1)  # as a step of the second stage does
changed = seen()
assert not near(first, changed)
model.set_trainable("aspp_atrous1.*")
assert near(changed, seen())
"""


def test_nothing_is_compiled_twice(tmp_path):
    run(BATCHES, tmp_path)


def test_the_same_outputs_are_compiled_once(tmp_path):
    run(GRAPH, tmp_path)


def test_a_stage_of_other_layers_of_the_same_shapes_leaves_predictions_and_losses(tmp_path):
    run(STAGES, tmp_path)


def run(script, tmp_path):
    """Run a script on JAX with a folder."""
    tests = pathlib.Path(__file__).parents[1]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)]),
                   "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"}
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True,
                          env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
