"""Exported files run again: what the JSON file says of them, and the runtime of their kind. No Keras is needed."""

import json
import os
import warnings
from collections.abc import Callable

from mrcnn.errors import ExportError, RunError
from mrcnn.export.about import SAVED, check_content, check_parts, check_sizes
from mrcnn.export.packages import brief
from mrcnn.ops.forks import refuse_forked

ENDINGS = {".onnx": "onnx", ".tflite": "litert", ".xml": "openvino"}
FOREIGN = (".h5", ".hdf5", ".keras", ".pb", ".pt", ".pth", ".torchscript", ".safetensors", ".engine", ".plan", ".trt",
           ".mlmodel", ".mlpackage", ".ort", ".npz", ".pkl", ".zip", ".json")  # of files that none of the formats is


def is_exported(path: str | os.PathLike) -> bool:
    """Whether a path is an exported file, or the folder of one, by its ending or the JSON file beside it.

    Args:
        path: of any file or folder.
    """
    path = os.path.normpath(os.fspath(path))
    if os.path.splitext(path)[1].lower() in ENDINGS:
        return True
    if os.path.isdir(path):
        return os.path.isfile(os.path.join(path, SAVED))
    return os.path.isfile(path) and _is_about(_read(path + ".json"))


def remedy_beside(path: str | os.PathLike, otherwise: str) -> str:
    """What to give in place of a part of an exported file, or of its name without the ending, for messages.

    Args:
        path: of what was given.
        otherwise: the remedy where no exported file is beside it.
    """
    path = os.path.normpath(os.fspath(path))
    stem, ending = os.path.splitext(path)
    whole = {".bin": [f"{stem}.xml"], ".json": [stem], ".pb": [os.path.dirname(path)]}.get(ending.lower(), [])
    meant = [each for each in [*whole, *(path + own for own in ENDINGS)] if os.path.exists(each) and is_exported(each)]
    return f"give the exported file {' or '.join(meant)}, which is beside it" if meant else otherwise


def format_of(path: str | os.PathLike | None, format: str | None = None) -> str:
    """The format of a file that is to be written: as asked, else by its ending, else a SavedModel, which is a folder.

    Args:
        path: of the file; None: not named yet.
        format: as asked; None: it was not.

    Returns:
        The name of a format.

    Raises:
        ExportError: the path has the ending of another format than the one that was asked for, of weights alone, or of
            files that are none of these formats.
    """
    stem, ending = os.path.splitext(os.path.normpath(os.fspath(path or "")))
    known = ENDINGS.get(ending.lower())
    usual = {name: own for own, name in ENDINGS.items()}
    if ending.lower() == ".bin" and format in (None, "openvino"):
        raise ExportError(f"{path}: .bin has the weights of an OpenVINO file: name the file {stem}.xml, and they come "
                          "with it.")
    if known and format not in (None, known):
        own = f"{stem}{usual.get(format, '_savedmodel')}"
        raise ExportError(f"{path} has the ending of a file of {known}, and the format asked for is {format}: ask for "
                          f"{known}, or name the file {own}.")
    if ending.lower() in FOREIGN:
        raise ExportError(f"{path}: no format of export has the ending {ending}: name the file {stem}.onnx, {stem}.xml "
                          f"(OpenVINO) or {stem}.tflite (LiteRT), or {stem} for the folder of a SavedModel.")
    return format or known or "savedmodel"


def read_about(path: str | os.PathLike) -> dict:
    """Read what an exported file is, as `mrcnn.export.files.export` wrote it beside the file.

    Args:
        path: of the exported file or folder.

    Returns:
        What its JSON file holds.

    Raises:
        ExportError: the file is not there, or its JSON file is missing, damaged, of another program, of a version that
            kept no settings, or of another file, by its size; `open_file` looks at the content too.
    """
    path = os.path.normpath(os.fspath(path))
    if not os.path.exists(path):
        raise ExportError(f"{path}: no such file.")
    about, beside = _read(path + ".json"), path + ".json"
    if about is None:
        raise ExportError(f"{path} is described by {beside}, which is missing or no JSON: export writes both; keep "
                          "them together.")
    if not _is_about(about):
        raise ExportError(f"{beside} does not describe a file that mrcnn exported (no format and inputs): give the "
                          "file that mrcnn export wrote.")
    if about["format"] not in OPENERS:
        raise ExportError(f"{beside} says format {about['format']!r}: known are {', '.join(OPENERS)}; it may be of a "
                          "newer version of mrcnn.")
    if not isinstance(about.get("settings"), dict):
        raise ExportError(f"{beside} holds no settings ({about.get('written_by', 'unknown writer')}): export the "
                          "checkpoint again, and the file can be used here.")
    check_parts(about, beside)
    check_sizes(path, about)
    return about


def of_objects(about: dict) -> bool:
    """Whether an exported file finds objects; if not, it tells a class of each pixel.

    Args:
        about: what `read_about` gave.
    """
    return "boxes" in about.get("outputs", ())


def open_file(path: str | os.PathLike, about: dict, precision: str = "float32") -> Callable[[dict], dict]:
    """Open an exported file.

    Args:
        path: of it.
        about: what `read_about` gave.
        precision: in which an OpenVINO file computes, "float32" or "mixed_bfloat16"; others are what they are.

    Returns:
        A function from the inputs of the file to its outputs, both by name.

    Raises:
        ExportError: the runtime is missing, or does not take the file, or the JSON file is another file's.
        RunError: it is TensorFlow, and this process was forked from one that used it; the function raises it too.
    """
    path = os.path.normpath(os.fspath(path))
    check_content(path, about)
    try:
        chosen = {"precision": precision} if about["format"] in CHOOSE_PRECISION else {}
        return OPENERS[about["format"]](path, **chosen)
    except (ExportError, RunError):
        raise
    except Exception as error:  # every runtime has errors of its own
        raise ExportError(f"{path} is no {about['format']} file that its runtime takes: {brief(error).rstrip('.')}; "
                          "export it again.") from error


def open_savedmodel(path: str) -> Callable[[dict], dict]:
    """A function from the inputs of a SavedModel to its outputs, both by name.

    Args:
        path: of its folder.
    """
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ExportError(f"A SavedModel needs TensorFlow ({error}): pip install tensorflow, or export to onnx.") \
            from error

    refuse_forked()  # the other runtimes do run in a child
    module = tf.saved_model.load(path)

    def run(inputs):
        refuse_forked()
        outputs = module.signatures["serving_default"](**{name: tf.constant(v) for name, v in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    return run


def open_litert(path: str) -> Callable[[dict], dict]:
    """A function from the inputs of a LiteRT file to its outputs, both by name.

    Args:
        path: of the file.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            import tensorflow as tf
        except ImportError as error:
            raise ExportError(f"LiteRT needs its runtime ({error}): pip install ai-edge-litert.") from error

        Interpreter = tf.lite.Interpreter
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own says that it will go
        interpreter = Interpreter(model_path=path, num_threads=os.cpu_count())  # one, if it is not told
    runner = interpreter.get_signature_runner()
    return lambda inputs: runner(**inputs)


def open_onnx(path: str) -> Callable[[dict], dict]:
    """A function from the inputs of an ONNX file to its outputs; see `mrcnn.export.onnx_files`.

    Args:
        path: of the file.
    """
    from mrcnn.export.onnx_files import open_onnx as opened  # brings numpy in, and commands ask for help without it

    return opened(path)


def open_openvino(path: str | tuple[str, str], precision: str = "float32") -> Callable[[dict], dict]:
    """A function from the inputs of an OpenVINO file to its outputs; see `mrcnn.export.openvino_files`.

    Args:
        path: NAME.xml, or the paths of graph and weights.
        precision: in which it computes.
    """
    from mrcnn.export.openvino_files import open_openvino as opened

    return opened(path, precision)


CHOOSE_PRECISION = ("openvino",)  # runtimes that compute in another type than the file's, if asked to
OPENERS = {"savedmodel": open_savedmodel, "onnx": open_onnx, "openvino": open_openvino, "litert": open_litert}


def _read(path):
    """What a JSON file holds; None if there is none."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None


def _is_about(told):
    return isinstance(told, dict) and isinstance(told.get("format"), str) and isinstance(told.get("inputs"), dict)
