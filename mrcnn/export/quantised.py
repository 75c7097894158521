"""ONNX files in int8: convolutions and dense layers, calibrated on photos (Jacob 2018; Krishnamoorthi 2018).

Weights are int8 with a scale for each output channel, what goes into a layer and what leaves it is uint8 with one
scale, by what is seen on the photos (`calibration.py`). What leaves a layer for a ReLU has the range of what the ReLU
lets through, and what rounded weights change of the mean of a layer's answer is taken off its bias (Nagel 2019).
Weights take 7 of their 8 bits: processors with AVX2 but without VNNI add two products of uint8 and int8 up in 16 bits,
where larger ones are cut off, and a file must give the same on every processor. Each quantised layer has pairs of
QuantizeLinear and DequantizeLinear round it (QDQ), which onnxruntime and OpenVINO fuse. Layers that give scores, boxes
and masks stay in float32, as do the first convolution and those of one map at a time, which have few weights and maps
of very different ranges (in int8 they cost more AP than all others together), and all arithmetic on boxes.
"""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np

from mrcnn.errors import ExportError
from mrcnn.export.calibration import Seen, best_range, watch
from mrcnn.export.packages import brief, extra
from mrcnn.files import disk_reason
from mrcnn.network.layout import layout_of
from mrcnn.progress import progress_bar

QUANTISED = ["Conv", "Gemm", "MatMul"]  # of which runtimes have int8 kernels
WEIGHT_STEPS = 64  # to either side of 0


def quantise(model: object, path: str, inputs: Sequence[dict]) -> None:
    """Turn an ONNX file into its int8 form.

    Args:
        model: that the file was made of, whose layout says which layers stay in float32.
        path: of the file, which is replaced.
        inputs: what the file takes, for each photo to calibrate on, by name.

    Raises:
        ExportError: on no photo anything went through some layer, or onnxruntime's quantisation does not take the file.
    """
    onnx, quantisation = extra("onnx"), extra("onnxruntime.quantization")
    from onnxruntime.quantization.shape_inference import quant_pre_process

    layout = layout_of(model.inference_model)
    answers = names_of_layers({*layout.class_layers, *layout.answer_layers})
    try:
        with tempfile.TemporaryDirectory() as folder, progress_bar("Calibrating") as tell:
            prepared, corrected = (os.path.join(folder, f"{name}.onnx") for name in ("prepared", "corrected"))
            # Folds batch normalisation into convolutions; shapes that follow from what is found have no numbers.
            quant_pre_process(path, prepared, skip_symbolic_shape=True)
            file = onnx.load(prepared)
            kept = kept_layers(file.graph, answers)
            layers = quantised_layers(file.graph, kept)
            looked = looked_at(file.graph, layers)
            ranks = {tensor: 4 if layer.op_type == "Conv" else 2
                     for layer in layers for tensor in (layer.input[0], looked[layer.output[0]])}
            seen = watch(os.path.join(folder, "watched.onnx"), file, ranks, inputs, tell)
            _check_seen(seen)
            correct_biases(file.graph, layers, seen)
            onnx.save(file, corrected)
            ranges = {tensor: [dict(zip(("rmin", "rmax"), np.float32(best_range(seen[name]))))]
                      for tensor, name in looked.items()}
            quantisation.quantize_static(
                corrected, path, _reader(quantisation, [inputs[0]]), op_types_to_quantize=QUANTISED, per_channel=True,
                reduce_range=True, nodes_to_exclude=kept, extra_options={"TensorQuantOverrides": ranges},
                activation_type=quantisation.QuantType.QUInt8, weight_type=quantisation.QuantType.QInt8,
            )
    except ExportError:
        raise
    except Exception as error:  # of a class of its own for each reason
        if disk_reason(error):
            raise
        raise ExportError(f"onnxruntime cannot quantise this network: {brief(error)}: leave quantize out.") from error


def _check_seen(seen):
    """Raise ExportError for layers that nothing went through."""
    empty = sorted(name for name, each in seen.items() if not each.sample.size)
    if empty:
        raise ExportError(
            f"On none of these photos anything went through {len(empty)} of {len(seen)} tensors ({empty[0]} first), so "
            "int8 has no ranges for them: give photos on which the network finds objects, or a lower "
            "DETECTION_MIN_CONFIDENCE."
        )


def quantised_layers(graph: object, kept: Sequence[str]) -> list:
    """The nodes that int8 is for: convolutions and dense layers with weights of their own.

    Args:
        graph: onnx.GraphProto, whose constants are initializers.
        kept: names of nodes that stay in float32.
    """
    constants = {each.name for each in graph.initializer}
    return [node for node in graph.node
            if node.op_type in QUANTISED and node.name not in kept and node.input[1] in constants]


def looked_at(graph: object, layers: Sequence) -> dict[str, str]:
    """Of each tensor that is rounded, the one whose values its range follows.

    Of what leaves a layer for an activation alone that is what comes out of the activation: what it cuts off needs no
    steps, and is cut off by the range as well.

    Args:
        graph: onnx.GraphProto.
        layers: as from `quantised_layers`.
    """
    takers = {}
    for node in graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    for output in graph.output:
        takers.setdefault(output.name, []).append(output)
    looked = {layer.input[0]: layer.input[0] for layer in layers}
    for layer in layers:
        name = layer.output[0]
        after = takers.get(name, [])
        cut = len(after) == 1 and getattr(after[0], "op_type", None) in ("Relu", "Clip")
        looked.setdefault(name, after[0].output[0] if cut else name)
    return looked


def correct_biases(graph: object, layers: Sequence, seen: Mapping[str, Seen]) -> None:
    """Take off each layer's bias what rounding its weights adds to the mean of its answer.

    Args:
        graph: onnx.GraphProto, changed in place; a layer without a bias gets one, but for MatMul, which takes none.
        layers: of it, as from `quantised_layers`.
        seen: of what goes into each.
    """
    numpy_helper = extra("onnx").numpy_helper
    numbers = {each.name: each for each in graph.initializer}
    for place, layer in enumerate(layers):
        bias = layer.input[2] if len(layer.input) > 2 else ""
        settings = {each.name: each for each in layer.attribute}
        scaled = any(settings[name].f != 1 for name in ("alpha", "beta") if name in settings)
        if layer.op_type == "MatMul" or scaled or bias and bias not in numbers:
            continue
        weights = numpy_helper.to_array(numbers[layer.input[1]]).astype(np.float64)
        if layer.op_type == "Gemm" and not ("transB" in settings and settings["transB"].i):
            weights = weights.T
        rows = weights.reshape(len(weights), weights.shape[1], -1)  # [outputs, inputs, cells of the kernel]
        step = np.maximum(np.abs(rows).max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny) / WEIGHT_STEPS
        lost = (rows - np.round(rows / step) * step).sum(axis=2) @ seen[layer.input[0]].mean
        before = numpy_helper.to_array(numbers[bias]) if bias else 0
        name = f"corrected_bias_{place}"  # layers of one bias may see different inputs
        graph.initializer.append(numpy_helper.from_array((before + lost).astype(np.float32), name))
        del layer.input[2:]
        layer.input.append(name)
    used = {name for node in graph.node for name in node.input}
    for number in [each for each in graph.initializer if each.name not in used]:
        graph.initializer.remove(number)


def kept_layers(graph: object, answers: re.Pattern) -> list[str]:
    """The names of those nodes that stay in float32.

    Args:
        graph: onnx.GraphProto, whose constants are initializers.
        answers: what is found in the names of the layers that answer.
    """
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    groups = {node.name: told.i for node in convolutions for told in node.attribute if told.name == "group"}
    constants = {each.name for each in graph.initializer}
    # Of two things that are computed neither has a scale for each channel: a mask with the kernel of its class.
    products = {node.name for node in graph.node if node.op_type == "MatMul" and node.input[1] not in constants}
    first = [node.name for node in convolutions[:1]]
    return first + [node.name for node in graph.node if answers.search(node.name)
                    or groups.get(node.name, 1) > 1 or node.name in products] + _dense_again(graph)


def _dense_again(graph):
    """The names of dense layers with the weights of an earlier one: the box head once more, on what was found.

    It is run again for attributes. These rows are few, and their number shows only while it runs: OpenVINO 2026.4.1
    gave numbers of no meaning for a part of such a graph in int8.
    """
    constants = {each.name: each for each in graph.initializer}
    names, seen = [], set()
    for node in graph.node:
        if node.op_type in ("Gemm", "MatMul") and node.input[1] in constants:
            weights = constants[node.input[1]].SerializeToString().replace(node.input[1].encode(), b"")
            names += [node.name] * (weights in seen)
            seen.add(weights)
    return names


def names_of_layers(layers: set[str]) -> re.Pattern:
    """A regular expression that is found in the names of those nodes that tf2onnx made of some layers.

    Args:
        layers: names; Keras adds a number where a layer is called more than once.
    """
    return re.compile(rf"/({'|'.join(map(re.escape, sorted(layers))) or '(?!)'})(_\d+)?/")


def _reader(quantisation, inputs):
    """What onnxruntime asks for photos to calibrate on; the ranges that it would find are told to it."""

    class Reader(quantisation.CalibrationDataReader):
        """See CalibrationDataReader."""

        def __init__(self):
            self.left = iter(inputs)

        def get_next(self) -> dict | None:
            return next(self.left, None)

    return Reader()
