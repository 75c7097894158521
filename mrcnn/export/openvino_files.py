"""OpenVINO files: NAME.xml with the graph and NAME.bin with the weights, which OpenVINO makes of the ONNX file."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator

from mrcnn.errors import ExportError
from mrcnn.export.about import weights_of
from mrcnn.export.asked import Asked
from mrcnn.export.onnx_files import write_onnx
from mrcnn.export.packages import brief, extra
from mrcnn.files import disk_reason, whole_files

INSTALL = 'pip install "mrcnn-keras[openvino]"'
# Config.PRECISION: OpenVINO's name. On processors that have bfloat16 it would compute in that unless told.
PRECISIONS = {"float32": "f32", "mixed_bfloat16": "bf16"}


@contextlib.contextmanager
def whole_pair(path: str, beside: str) -> Iterator[tuple[tuple[str, str], str]]:
    """Both files of an OpenVINO file and the JSON file, which appear together when all are complete.

    Gives ((graph, weights), JSON file), the paths to write.

    Args:
        path: NAME.xml.
        beside: of the JSON file.
    """
    with whole_files(beside, weights_of(path), path) as (text, weights, graph):
        yield (graph, weights), text


def write_openvino(model: object, function: Callable, pair: tuple[str, str], asked: Asked) -> None:
    """Write a traced inference graph as an OpenVINO file.

    Args:
        model: that the graph is of.
        function: tf.function with an input signature, traced for ONNX.
        pair: paths of graph and weights.
        asked: what the user chose.

    Raises:
        ExportError: a package is missing, or a converter does not take the network.
    """
    openvino = extra("openvino", "OpenVINO", INSTALL)
    with tempfile.TemporaryDirectory() as folder:
        onnx, xml, weights = (os.path.join(folder, f"file.{ending}") for ending in ("onnx", "xml", "bin"))
        write_onnx(model, function, onnx, asked)
        try:
            converted = openvino.convert_model(onnx)
            openvino.save_model(converted, xml, compress_to_fp16=asked.quantize == "float16")
        except Exception as error:  # of a class of its own for each reason
            if disk_reason(error):
                raise
            raise ExportError(f"OpenVINO does not take this network: {brief(error)}: take onnx.") from error
        for source, target in zip((xml, weights), pair):
            shutil.copyfile(source, target)


def open_openvino(path: str | tuple[str, str], precision: str = "float32") -> Callable[[dict], dict]:
    """A function from the inputs of an OpenVINO file to its outputs, both by name.

    Args:
        path: NAME.xml, or the paths of graph and weights.
        precision: "float32" or "mixed_bfloat16", as Config.PRECISION, in which it computes what is not in int8. Where
            the processor has no bfloat16 it is float32, which is told.

    Raises:
        ExportError: openvino is missing. Where it does not take the file it raises errors of its own.
    """
    openvino = extra("openvino", "OpenVINO", INSTALL)
    pair = (path, weights_of(path)) if isinstance(path, str) else path
    graph, weights = (pathlib.Path(each).read_bytes() for each in pair)
    core = openvino.Core()
    if precision == "mixed_bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        warnings.warn(f"{pair[0]}: this processor has no bfloat16 arithmetic, so PRECISION is float32.", stacklevel=2)
        precision = "float32"
    settings = {"INFERENCE_PRECISION_HINT": PRECISIONS[precision], "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(core.read_model(graph, weights), "CPU", settings)
    request = compiled.create_infer_request()
    # Copies: what a request gives is overwritten by the next.
    return lambda inputs: {port.any_name: value.copy() for port, value in request.infer(inputs).items()}
