"""int8 files: a small network by hand, and which layers stay in float32."""

import os
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from export_guide import skip_without_packages
from tiny import TinyConfig
from tiny_pixels import NETWORKS, pixel_network
from tiny_yolact import TinyYolact

from mrcnn.architectures.yolact import Yolact
from mrcnn.errors import ExportError
from mrcnn.export.asked import Asked
from mrcnn.export.files import _write_litert
from mrcnn.export.onnx_files import open_onnx, write_onnx
from mrcnn.export.quantised import names_of_layers
from mrcnn.export.running import open_litert
from mrcnn.model import MaskRCNN
from mrcnn.network.layout import Layout, layout_of

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="export runs on TensorFlow")


def test_layers_are_known_by_their_whole_names():
    kept = names_of_layers({"mrcnn_mask", "rpn_bbox_pred"})
    assert kept.search("network_1/mrcnn_mask_1/BiasAdd") and kept.search("network/rpn_bbox_pred_9/convolution")
    assert not kept.search("network_1/mrcnn_mask_conv1_1/BiasAdd") and not kept.search("network/x_mrcnn_mask/BiasAdd")
    assert not names_of_layers(set()).search("network_1/mrcnn_mask_1/BiasAdd")


def test_weights_are_rounded_for_each_channel_but_for_the_layers_that_answer(tmp_path):
    skip_without_packages("onnx")
    import onnx
    import tensorflow as tf

    rng = np.random.default_rng(0)
    kernel = rng.uniform(-1, 1, (1, 1, 4, 2)).astype("float32") * np.float32([0.1, 10])
    inputs = keras.Input((8, 8, 4), name="image")
    hidden = keras.layers.Conv2D(2, 1, name="inner", use_bias=False)
    answer = keras.layers.Conv2D(3, 1, name="answer", use_bias=False)
    stem = keras.layers.Conv2D(4, 1, name="stem", use_bias=False)
    spread = keras.layers.DepthwiseConv2D(1, name="spread", use_bias=False)
    network = keras.Model(inputs, answer(spread(hidden(stem(inputs)))), name="network")
    stem.kernel.assign(np.eye(4, dtype="float32")[None, None])
    spread.kernel.assign(np.ones((1, 1, 2, 1), "float32"))
    hidden.kernel.assign(kernel)
    answer.kernel.assign(np.float32([[[[1, 0, 1], [0, 1, 1]]]]))
    network.layout = Layout(class_layers=("answer",))
    traced = tf.function(lambda image: {"out": tf.identity(network(image), name="out")},
                         input_signature=[tf.TensorSpec((1, 8, 8, 4), "float32", name="image")], autograph=False)
    photos = [{"image": rng.uniform(0, 1, (1, 8, 8, 4)).astype("float32")} for _ in range(4)]
    path = str(tmp_path / "x.onnx")
    write_onnx(SimpleNamespace(inference_model=network), traced, path, Asked(quantize="int8", calibration=photos))
    told = open_onnx(path)(photos[0])["out"]
    exact = photos[0]["image"] @ kernel[0, 0]
    # Inputs are 0 to 1 in 255 steps, weights in 64 to either side, of which no processor cuts products off: four
    # products, each off by half a step of either at most. The sum is in 255 steps of what it spans, once more.
    largest = np.abs(kernel).max()
    allowed = 4 * largest * (0.5 / 255 + 0.5 / 64) + 8 * largest * 0.5 / 255
    assert 0 < np.abs(told[..., :2] - exact).max() < allowed
    graph = onnx.load(path).graph
    nodes, numbers = graph.node, {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    rounded = [each for each in numbers.values() if each.dtype == np.int8 and each.ndim == 4]
    assert rounded and all(np.abs(each.astype(int)).max() <= 64 for each in rounded)
    scales = [numbers[node.input[1]] for node in nodes if node.op_type == "DequantizeLinear"
              and numbers.get(node.input[0], np.zeros(1)).ndim == 4]
    np.testing.assert_allclose(scales, [np.abs(kernel[0, 0]).max(axis=0) / 64], rtol=1e-5)
    made_by = {output: node for node in nodes for output in node.output}
    quantised = [node.input[1] in made_by for node in nodes if node.op_type == "Conv"]  # its weights are dequantised
    assert quantised == [False, True, False, False]  # the first, inner, one map at a time, the answer


def quantised(tmp_path, layers, photos, rows=1):
    """(the graph of the int8 file of a network of some layers, its function, the network)."""
    import onnx
    import tensorflow as tf

    inputs = keras.Input(photos[0]["image"].shape[1:], name="image")
    hidden = inputs
    for layer in layers:
        hidden = layer(hidden)
    network = keras.Model(inputs, hidden, name="network")
    network.layout = Layout(class_layers=("answer",))
    signature = [tf.TensorSpec((rows, *photos[0]["image"].shape[1:]), "float32", name="image")]
    traced = tf.function(lambda image: {"out": tf.identity(network(image), name="out")}, input_signature=signature,
                         autograph=False)
    path = str(tmp_path / "x.onnx")
    write_onnx(SimpleNamespace(inference_model=network), traced, path, Asked(quantize="int8", calibration=photos))
    return onnx.load(path).graph, open_onnx(path), network


def same(channels, name):
    """A convolution that gives what it takes."""
    return keras.layers.Conv2D(channels, 1, use_bias=False, name=name, kernel_initializer=(
        lambda shape, dtype=None: np.eye(channels, dtype="float32").reshape(shape)))


def test_what_leaves_a_layer_for_an_activation_is_rounded_in_the_range_of_what_comes_through(tmp_path):
    skip_without_packages("onnx")
    from onnx import numpy_helper

    rng = np.random.default_rng(0)
    photos = [{"image": rng.uniform(-1, 1, (1, 8, 8, 4)).astype("float32")} for _ in range(4)]
    wide = keras.initializers.RandomNormal(stddev=30, seed=1)
    graph, _, _ = quantised(tmp_path, [
        same(4, "stem"), keras.layers.Conv2D(8, 1, kernel_initializer=wide, name="inner"),
        keras.layers.ReLU(max_value=6), same(8, "answer")], photos)
    numbers = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    layer = next(node for node in graph.node if node.op_type == "Conv" and "inner" in node.name + node.output[0])
    after = next(node for node in graph.node if layer.output[0] in node.input)
    assert after.op_type == "QuantizeLinear"
    # -100 to 100 in 255 steps would leave 15 of them between 0 and 6.
    assert numbers[after.input[1]] == pytest.approx(6 / 255, rel=0.02) and numbers[after.input[2]] == 0


def test_what_rounded_weights_add_to_the_mean_is_taken_off_the_bias(tmp_path):
    skip_without_packages("onnx")
    rng = np.random.default_rng(0)
    photos = [{"image": rng.uniform(3, 4, (1, 8, 8, 16)).astype("float32")} for _ in range(4)]
    kernel = (rng.integers(0, 63, (3, 3, 16, 8)) + 0.4).astype("float32") / 64  # each is rounded down
    kernel[0, 0, 0] = 1
    inner = keras.layers.Conv2D(8, 3, padding="valid", name="inner", bias_initializer="ones",
                                kernel_initializer=lambda shape, dtype=None: kernel)
    _, run, network = quantised(tmp_path, [same(16, "stem"), inner, same(8, "answer")], photos)
    told = np.concatenate([run(photo)["out"] for photo in photos])
    exact = np.concatenate([network.predict(photo["image"], verbose=0) for photo in photos])
    lost = 143 * 0.4 / 64 * 3.5  # the mean of what goes in is 3.5
    assert lost > 3 and np.abs((told - exact).mean(axis=(0, 1, 2))).max() < 0.1


def test_photos_on_which_a_layer_sees_nothing_are_refused(tmp_path):
    skip_without_packages("onnx")
    layers = [same(4, "stem"), same(4, "inner"), same(4, "answer")]
    nothing, something = ({"image": np.ones((rows, 8, 8, 4), "float32")} for rows in (0, 2))
    with pytest.raises(ExportError, match=r"through 2 of 2 tensors \(.* first\).*photos on which the network finds"):
        quantised(tmp_path, layers, [nothing], rows=None)
    _, run, _ = quantised(tmp_path, layers, [nothing, something], rows=None)
    np.testing.assert_allclose(run(something)["out"], something["image"], rtol=0.02)


def test_the_box_head_once_more_stays_in_float32():
    skip_without_packages("onnx")
    import onnx

    from mrcnn.export.quantised import kept_layers

    graph = onnx.parser.parse_graph("""
        g (float[500, 2] x, float[n, 2] y) => (float[500, 2] a, float[n, 2] b, float[n, 2] c)
        <float[2, 2] w = {1, 2, 3, 4}, float[2, 2] v = {1, 2, 3, 4}, float[2, 2] other = {4, 3, 2, 1}> {
        [first] a = MatMul(x, w) [again] b = MatMul(y, v) [own] c = MatMul(b, other) }""")
    assert kept_layers(graph, names_of_layers({"none"})) == ["again"]


def test_colours_and_all_layers_of_the_attribute_head_are_answers():
    from mrcnn.network.mask_rcnn_layout import ATTRIBUTE_LAYERS, MASK_RCNN

    assert {*ATTRIBUTE_LAYERS, "mrcnn_attribute_colours"} <= set(MASK_RCNN.answer_layers)
    kept = names_of_layers(set(MASK_RCNN.answer_layers))
    assert kept.search("mask_rcnn_inference_1/mrcnn_attribute_colours_1/Tensordot_1/MatMul")


def last_layers(graph):
    """The names of the layers with a kernel between which and an output of a graph there is no other such layer."""
    found, seen = set(), set()
    waiting = [tensor._keras_history.operation for tensor in keras.tree.flatten(graph.outputs)]
    while waiting:
        operation = waiting.pop()
        if operation.name in seen:
            continue
        seen.add(operation.name)
        if any(len(weight.shape) > 1 for weight in getattr(operation, "weights", ())):
            found.add(operation.name)
        else:
            waiting += [parent for node in operation._inbound_nodes for parent in (
                tensor._keras_history.operation for tensor in node.input_tensors) if parent in graph.operations]
    return found


@pytest.mark.parametrize("name, settings, known", [
    ("mask-rcnn", {"ATTRIBUTES": ("long", "red"), "CASCADE_IOUS": [0.6]}, "mrcnn_bbox_fc mrcnn_mask"),
    ("mask-rcnn", {"MASK_HEAD": "points", "MINI_MASK_SHAPE": (112, 112)}, "mrcnn_mask_point"),
    ("mask-rcnn", {"GEOMETRY": "matterport"}, "mrcnn_mask"),
    ("yolact", {}, "yolact_class yolact_bbox yolact_prototypes yolact_coefficients"),
    *((name, {}, "label_logits") for name in NETWORKS),
])
def test_the_last_layers_of_all_networks_are_answers(name, settings, known, tmp_path):
    if name in NETWORKS:
        model = pixel_network(name, tmp_path)
    else:
        kind, config = {"mask-rcnn": (MaskRCNN, TinyConfig), "yolact": (Yolact, TinyYolact)}[name]
        model = kind("inference", config(**settings), str(tmp_path))
    last, layout = last_layers(model.inference_model), layout_of(model.inference_model)
    assert set(known.split()) <= last
    # What reads the shapes of maps, or computes masks of some regions alone, takes what goes into last layers as well.
    before = {one for one in last if layout.part_of(one) == "pyramid"} | {"mrcnn_mask_conv4"}
    assert last - before <= {*layout.class_layers, *layout.answer_layers}


def test_a_range_leaves_out_few_values_far_off():
    from mrcnn.export.calibration import Seen, best_range

    # The best ends for 8 bits of a Laplace distribution of scale 1 are 9.89 to either side (Banner 2019).
    sample = np.random.default_rng(0).laplace(size=2_000_000).astype("float32")
    assert sample.min() < -13 and sample.max() > 13
    low, high = best_range(Seen(float(sample.min()), float(sample.max()), sample, np.zeros(1)))
    assert low == pytest.approx(-9.89, abs=0.4) and high == pytest.approx(9.89, abs=0.4)
    even = np.linspace(0, 3, 1001, dtype="float32")
    assert best_range(Seen(0.0, 3.0, even, np.zeros(1))) == (0.0, 3.0)


@pytest.mark.parametrize("quantize, size, near", [("float16", 0.6, 1e-3), ("int8", 0.4, 0.02)])
def test_litert_files_have_smaller_weights(tmp_path, quantize, size, near):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    inputs = keras.Input((8, 8, 64), name="image")
    layer = keras.layers.Conv2D(256, 1, name="inner", use_bias=False)
    network = keras.Model(inputs, layer(inputs), name="network")
    traced = tf.function(lambda image: {"out": tf.identity(network(image), name="out")},
                         input_signature=[tf.TensorSpec((1, 8, 8, 64), "float32", name="image")], autograph=False)
    image = rng.uniform(0, 1, (1, 8, 8, 64)).astype("float32")
    paths = {asked: str(tmp_path / f"{asked}.tflite") for asked in (None, quantize)}
    for asked, path in paths.items():
        _write_litert(SimpleNamespace(inference_model=network), traced, path, Asked(quantize=asked))
    plain, told = (open_litert(path)({"image": image})["out"] for path in paths.values())
    assert os.path.getsize(paths[quantize]) < size * os.path.getsize(paths[None])
    assert 0 < np.abs(told - plain).max() < near * np.abs(plain).max()
