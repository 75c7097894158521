"""OpenVINO files: a pair that is written together, held against its function, and refused in one line."""

import os
import sys

import keras
import numpy as np
import pytest
from export_guide import skip_without_packages

from mrcnn.errors import ExportError
from mrcnn.export import openvino_files
from mrcnn.export.asked import Asked
from mrcnn.export.openvino_files import open_openvino, whole_pair, write_openvino
from mrcnn.export.running import open_file
from mrcnn.ops.nms import nms, reference_nms
from mrcnn.ops.portable import portable_graph

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="export runs on TensorFlow")


@pytest.fixture
def openvino():
    skip_without_packages("openvino")


def doubling():
    import tensorflow as tf

    weights = tf.Variable(np.eye(64, dtype="float32") * 2 + 1e-4, name="weights")
    return tf.function(lambda image: {"doubled": tf.identity(image @ weights, name="doubled"),
                                      "any": tf.identity(image[:, 0] > 1, name="any")},
                       input_signature=[tf.TensorSpec((1, 64), "float32", name="image")], autograph=False)


@pytest.mark.parametrize("quantize, near", [(None, 1e-4), ("float16", 1e-2)])
def test_a_pair_gives_what_its_function_gives(quantize, near, openvino, tmp_path):
    path = str(tmp_path / "x.xml")
    with whole_pair(path, f"{path}.json") as (pair, _):
        write_openvino(None, doubling(), pair, Asked(quantize=quantize))
        assert os.listdir(tmp_path) != ["x.xml"] and not os.path.exists(path)
    assert sorted(os.listdir(tmp_path)) == ["x.bin", "x.xml", "x.xml.json"]
    assert os.path.getsize(tmp_path / "x.bin") < 64 * 64 * (3 if quantize else 5)  # bytes: 2 or 4 a weight
    image = np.arange(64, dtype="float32")[None]
    told = open_openvino(path)({"image": image})
    # Half precision has 2 to a thousandth, and the small weights, which add up to 0.2016, to as much.
    np.testing.assert_allclose(told["doubled"], 2 * image + 1e-4 * image.sum(), rtol=1e-3 if quantize else 0, atol=near)
    assert told["any"].dtype == bool and not told["any"][0]


@pytest.mark.parametrize("number", [50, 300])
def test_suppression_is_taken_whatever_the_number_of_boxes(number, openvino, tmp_path):
    import tensorflow as tf

    def traced(boxes, scores):
        with portable_graph(static=False, onnx=True):
            index, valid = nms(boxes, scores, 0.5, 100)
        return {"index": tf.identity(index, "index"), "valid": tf.identity(valid, "valid")}

    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 60, (2, number, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (2, number, 2))], axis=2).astype("float32")
    scores = rng.normal(size=(2, number)).astype("float32")
    signature = [tf.TensorSpec(boxes.shape, name="boxes"), tf.TensorSpec(scores.shape, name="scores")]
    path = str(tmp_path / "x.xml")
    with whole_pair(path, f"{path}.json") as (pair, _):
        write_openvino(None, tf.function(traced, input_signature=signature, autograph=False), pair, Asked())
    told = open_openvino(path)({"boxes": boxes, "scores": scores})
    index, valid = (np.asarray(each) for each in reference_nms(*map(keras.ops.array, (boxes, scores)), 0.5, 100))
    np.testing.assert_array_equal(told["valid"], valid)
    np.testing.assert_array_equal(told["index"], np.where(valid, index, 0))


def test_bfloat16_is_computed_where_the_processor_has_it_and_told_where_not(openvino, tmp_path, monkeypatch):
    path = str(tmp_path / "x.xml")
    with whole_pair(path, f"{path}.json") as (pair, _):
        write_openvino(None, doubling(), pair, Asked())
    image = np.random.default_rng(0).normal(size=(1, 64)).astype("float32")
    exact = open_openvino(path)({"image": image})["doubled"]
    import openvino as package

    if "BF16" in package.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        rounded = open_openvino(path, "mixed_bfloat16")({"image": image})["doubled"]
        assert 1e-4 < np.abs(rounded - exact).max() < 0.05

    class WithoutIt:
        def __init__(self):
            self.core = package.Core()

        def __getattr__(self, name):
            return {"Core": WithoutIt, "get_property": lambda *names: ["FP32"]}.get(name) or getattr(self.core, name)

    monkeypatch.setattr(openvino_files, "extra", lambda *names: WithoutIt())
    with pytest.warns(UserWarning, match=r"x\.xml: this processor has no bfloat16 arithmetic, so PRECISION is float32"):
        same = open_openvino(path, "mixed_bfloat16")({"image": image})["doubled"]
    np.testing.assert_array_equal(same, exact)


def test_answers_are_not_overwritten_by_the_next(openvino, tmp_path):
    path = str(tmp_path / "x.xml")
    with whole_pair(path, f"{path}.json") as (pair, _):
        write_openvino(None, doubling(), pair, Asked())
    run = open_openvino(path)
    first = run({"image": np.ones((1, 64), "float32")})["doubled"]
    kept = first.copy()
    run({"image": np.zeros((1, 64), "float32")})
    np.testing.assert_array_equal(first, kept)


def test_what_is_no_openvino_file_is_told_in_one_line(openvino, tmp_path):
    (tmp_path / "x.xml").write_text("<no model>")
    (tmp_path / "x.bin").write_bytes(b"")
    with pytest.raises(ExportError, match=r"x\.xml is no openvino file that its runtime takes.*; export it") as caught:
        open_file(str(tmp_path / "x.xml"), {"format": "openvino"})
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ExportError, match=r'OpenVINO needs openvino .*pip install "mrcnn-keras\[openvino\]"'):
        write_openvino(None, None, (str(tmp_path / "a"), str(tmp_path / "b")), Asked())
