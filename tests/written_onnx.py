"""Functions of TensorFlow as ONNX files, run by onnxruntime."""

from export_guide import skip_without_packages

from mrcnn.export.asked import Asked
from mrcnn.export.onnx_files import open_onnx, write_onnx
from mrcnn.ops.portable import portable_graph


def as_file(tmp_path, function, **inputs):
    """(what the ONNX file of a function gives for inputs, by name; the set of the file's operations)."""
    skip_without_packages("onnx")
    import onnx
    import tensorflow as tf

    def traced(*given):
        with portable_graph(static=False, onnx=True):
            return {name: tf.identity(value, name) for name, value in function(*given).items()}

    signature = [tf.TensorSpec(value.shape, value.dtype, name) for name, value in inputs.items()]
    path = str(tmp_path / "file.onnx")
    write_onnx(None, tf.function(traced, input_signature=signature, autograph=False), path, Asked())
    return open_onnx(path)(inputs), {node.op_type for node in onnx.load(path).graph.node}
