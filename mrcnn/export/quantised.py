"""ONNX files in int8: convolutions and dense layers, calibrated on photos (Jacob 2018; Krishnamoorthi 2018).

Weights are int8 with a scale for each output channel, what goes into a layer is uint8 with one scale, by the least and
the largest value seen on the photos. Weights take 7 of their 8 bits: processors with AVX2 but without VNNI add two
products of uint8 and int8 up in 16 bits, where larger ones are cut off, and a file must give the same on every
processor. Each quantised layer has a pair of QuantizeLinear and DequantizeLinear before it
(QDQ), which onnxruntime and OpenVINO fuse. Layers that give scores, boxes and masks stay in float32, as do the
first convolution and those of one map at a time, which have few weights and maps of very different ranges (in int8 they
cost more AP than all others together), and all arithmetic on boxes.
"""

import os
import re
import tempfile
from collections.abc import Sequence

from mrcnn.errors import ExportError
from mrcnn.export.packages import brief, extra
from mrcnn.files import disk_reason
from mrcnn.network.layout import layout_of
from mrcnn.progress import progress_bar

QUANTISED = ["Conv", "Gemm", "MatMul"]  # of which runtimes have int8 kernels


def quantise(model: object, path: str, inputs: Sequence[dict]) -> None:
    """Turn an ONNX file into its int8 form.

    Args:
        model: that the file was made of, whose layout says which layers stay in float32.
        path: of the file, which is replaced.
        inputs: what the file takes, for each photo to calibrate on, by name.

    Raises:
        ExportError: onnxruntime's quantisation does not take the file.
    """
    onnx, quantisation = extra("onnx"), extra("onnxruntime.quantization")
    from onnxruntime.quantization.shape_inference import quant_pre_process

    layout = layout_of(model.inference_model)
    answers = names_of_layers({*layout.class_layers, *layout.answer_layers})
    try:
        with tempfile.TemporaryDirectory() as folder, progress_bar("Calibrating") as tell:
            prepared = os.path.join(folder, "prepared.onnx")
            # Folds batch normalisation into convolutions; shapes that follow from what is found have no numbers.
            quant_pre_process(path, prepared, skip_symbolic_shape=True)
            graph = onnx.load(prepared).graph
            quantisation.quantize_static(
                prepared, path, reader_of(quantisation, inputs, tell), op_types_to_quantize=QUANTISED, per_channel=True,
                reduce_range=True,
                activation_type=quantisation.QuantType.QUInt8, weight_type=quantisation.QuantType.QInt8,
                nodes_to_exclude=kept_layers(graph, answers),
            )
    except Exception as error:  # of a class of its own for each reason
        if disk_reason(error):
            raise
        raise ExportError(f"onnxruntime cannot quantise this network: {brief(error)}: leave quantize out.") from error


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
                    or groups.get(node.name, 1) > 1 or node.name in products]


def names_of_layers(layers: set[str]) -> re.Pattern:
    """A regular expression that is found in the names of those nodes that tf2onnx made of some layers.

    Args:
        layers: names; Keras adds a number where a layer is called more than once.
    """
    return re.compile(rf"/({'|'.join(map(re.escape, sorted(layers))) or '(?!)'})(_\d+)?/")


def reader_of(quantisation: object, inputs: Sequence[dict], tell: object) -> object:
    """What onnxruntime asks for photos to calibrate on.

    Args:
        quantisation: the module onnxruntime.quantization.
        inputs: for each photo, by name.
        tell: function of (done, total).
    """

    class Reader(quantisation.CalibrationDataReader):
        """See CalibrationDataReader."""

        def __init__(self):
            self.done = 0

        def get_next(self) -> dict | None:
            if self.done == len(inputs):
                return None
            self.done += 1
            tell(self.done, len(inputs))
            return inputs[self.done - 1]

    return Reader()
