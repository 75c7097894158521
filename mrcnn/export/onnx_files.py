"""ONNX files: the graph by tf2onnx, with the runtime's own NonMaxSuppression and RoiAlign where the graph has markers.

RoiAlign with half_pixel coordinates (opset 16) takes the samples of `mrcnn.ops.roi_align`: cell i of a map has its
centre at (i + 0.5) * stride, samples up to a cell outside the map take the edge, farther ones are zero, and the samples
of a cell are averaged. NonMaxSuppression drops what overlaps by more than the threshold, and of equal scores keeps the
lower index, as `mrcnn.ops.nms` does. So neither changes the geometry.
"""

import logging
from collections.abc import Callable

from mrcnn.errors import ExportError
from mrcnn.export.asked import Asked
from mrcnn.export.packages import brief, extra
from mrcnn.export.quantised import quantise
from mrcnn.files import disk_reason

INT64 = 7  # onnx.TensorProto.INT64


def write_onnx(model: object, function: Callable, path: str, asked: Asked) -> None:
    """Write a traced inference graph as an ONNX file.

    Args:
        model: that the graph is of.
        function: tf.function with an input signature.
        path: of the file.
        asked: what the user chose.

    Raises:
        ExportError: a package is missing, or the converter does not know an operation.
    """
    tf2onnx, _ = extra("tf2onnx"), extra("onnxruntime")  # what is missing shows before the work
    from mrcnn.ops.native_onnx import MARKER_OPERATION

    # It has no shapes for markers, and says so; they are told with the operations that take their places.
    logging.getLogger("tf2onnx.shape_inference").setLevel(logging.ERROR)
    try:
        tf2onnx.convert.from_function(function, function.input_signature, opset=asked.opset, output_path=path,
                                      custom_op_handlers={MARKER_OPERATION: (_replace_marker, [])})
    except Exception as error:
        if disk_reason(error):
            raise
        raise ExportError(f"tf2onnx cannot convert this network: {brief(error)}: take savedmodel.") from error
    if asked.quantize == "int8":
        quantise(model, path, asked.calibration)


def open_onnx(path: str) -> Callable[[dict], dict]:
    """A function from the inputs of an ONNX file to its outputs, both by name.

    Args:
        path: of the file.

    Raises:
        ExportError: onnxruntime is missing. Where it does not take the file it raises errors of its own.
    """
    session = extra("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs)))


def _replace_marker(graph, node, name, arguments):
    """Put ONNX's operation in the place of a marker of `mrcnn.ops.native_onnx`: what tf2onnx calls for each."""
    from mrcnn.ops.native_onnx import NMS_MARKER, ROI_ALIGN_MARKER

    if NMS_MARKER in name:
        operation, inputs, attributes = "NonMaxSuppression", list(node.input), {}
    elif ROI_ALIGN_MARKER in name:
        (size, samples), scale = (node.inputs[place].get_tensor_value() for place in (3, 4))
        index = graph.make_node("Cast", [node.input[2]], attr={"to": INT64})
        operation, inputs = "RoiAlign", [*node.input[:2], index.output[0]]
        attributes = {"mode": "avg", "output_height": int(size), "output_width": int(size),
                      "sampling_ratio": int(samples), "spatial_scale": float(scale),
                      "coordinate_transformation_mode": "half_pixel"}
    else:
        return  # another's call of Python: onnxruntime, which knows no such operation, names it
    dtypes, shapes, outputs = node.output_dtypes, node.output_shapes, node.output
    graph.remove_node(node.name)
    graph.make_node(operation, inputs, attr=attributes, name=name, outputs=outputs, dtypes=dtypes, shapes=shapes)
