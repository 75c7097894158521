"""An inference graph as a file for other programs (SavedModel, ONNX, OpenVINO, LiteRT), run and compared before kept.

The file takes photos that are placed on a canvas of one size, and gives the outputs of the inference graph by name. The
JSON file beside it says what a stranger has to know: names of classes, how to place a photo, shapes. What the outputs
are and how they are compared is told by the network's `exported`.
A SavedModel keeps TensorFlow's own kernels; the others are traced in `mrcnn.ops.portable`, so that runtimes find
operations of theirs alone, and those that read ONNX their own kernels.
"""

import contextlib
import functools
import os
import re
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from mrcnn import __version__
from mrcnn.config import FIXED_CANVAS_MODES, Config
from mrcnn.data.class_names import names_of_model
from mrcnn.data.given_photos import Photos
from mrcnn.data.images import NETWORK_STRIDE
from mrcnn.errors import ExportError, RunError
from mrcnn.export.about import identity, weights_of
from mrcnn.export.asked import LEAST_AGREEMENT, Asked, check_dynamic, check_opset, check_quantize, is_calibrated
from mrcnn.export.file_outputs import ONE_VIEW
from mrcnn.export.onnx_files import write_onnx
from mrcnn.export.openvino_files import whole_pair, write_openvino
from mrcnn.export.packages import brief
from mrcnn.export.parity import CalibrationInputs, checked_photos, compare, resize_rule
from mrcnn.export.running import OPENERS, format_of
from mrcnn.files import json_text, whole_files, whole_folder_and_files
from mrcnn.ops.portable import portable_graph
from mrcnn.outputs import is_claimed


def export(model: object, path: str | os.PathLike, format: str | None = None, height: int | None = None,
           width: int | None = None, batch: int = 1, dtype: str = "uint8",
           photos: Photos | None = None, tolerance: float | None = None,
           opset: int | None = None, quantize: str | None = None, dynamic: bool = False,
           label_settings: dict | None = None) -> dict:
    """Write the inference graph of a model as a file that runs without this package, and check the file.

    A JSON file at path + ".json" describes it. The file's format, size and largest difference are printed.

    Args:
        model: network of any architecture in mode "inference", on the TensorFlow backend.
        path: of the file to write; of the folder for a SavedModel.
        format: "savedmodel", "onnx", "openvino" (path is NAME.xml, NAME.bin comes with it) or "litert"; None: that of
            the path's ending (.onnx, .xml, .tflite), else a SavedModel.
        height, width: sides of the canvas, pixels, multiples of 64; None takes those that the network was trained on.
        batch: number of photos that the file takes at once.
        dtype: of the input image, "uint8" or "float32".
        photos: photos as `detect` takes them, arrays uint8 [H, W, 3] or paths of files, to check the file on, and to
            calibrate int8 on; None draws people. Files are decoded as they are needed, so that any number is in memory
            one batch at a time. An empty canvas, or noise for label maps, is always added.
        tolerance: largest difference allowed between file and network, in scores, probabilities of masks and labels,
            and boxes as a share of the longer side of the canvas; None takes 0.001 of objects,
            0.003 of label maps, and asks a quantised file to agree with the network in half of the objects or pixels.
        opset: of an ONNX file: 16, 17 or 18; None takes 17.
        quantize: "float16" (OpenVINO, LiteRT: weights alone), "int8" (convolutions and dense layers: of ONNX and
            OpenVINO calibrated on `photos`, of LiteRT with ranges that it finds as it runs), or None for float32.
        dynamic: an ONNX file for canvases of any size whose sides divide by 64, of a network of rectangles; `height`
            and `width` are left out then. It is checked on canvases of several sizes.
        label_settings: of `LabelSettings.to_dict`, for the JSON file, where `label` reads them.

    Returns:
        What the JSON file holds.

    Raises:
        ExportError: the network cannot be written, or the file differs from it; nothing is left then.
        DataError: a photo cannot be read, or the disk does not take the file; nothing is left then.
    """
    path, format = os.path.normpath(os.fspath(path)), _known_format(path, format)
    _check(model, path, format, batch, dtype)
    opset = check_opset(opset, format)
    check_quantize(quantize, format, photos)
    photos = checked_photos(photos, int(model.config.IMAGE_CHANNEL_COUNT))
    if dynamic:
        check_dynamic(model.config.IMAGE_RESIZE_MODE, format, quantize, height or width)
    else:
        height, width = canvas_of(model.config, height, width)
    function = _inference_function(model, (batch, height, width), dtype, FORMATS[format].tracing)
    about = {**_description(model, format, (batch, height, width), dtype, label_settings), "quantized": quantize}
    asked = Asked(opset, quantize, CalibrationInputs(photos, about) if is_calibrated(format, quantize) else ())
    size, told = _write(model, function, path, about, asked, photos, tolerance)
    print("\n".join([f"{_kind(path, format)}{size / 1e6:.1f} MB; {told}", *model.exported.notes(model.config)]))
    return about


def _known_format(path, format):
    """As `format_of` has it; raises ExportError for a format that there is none of."""
    if format not in (None, *FORMATS):
        raise ExportError(f"Format {format!r} is unknown: take {', '.join(FORMATS)}.")
    return format_of(path, format)


def _write(model, function, path, about, asked, photos, tolerance):
    """Write the file, compare it, and write the JSON file; (bytes of the former, the comparison in words)."""
    format = about["format"]
    with FORMATS[format].whole(path, f"{path}.json") as (partial, beside):
        FORMATS[format].write(model, function, partial, asked)
        size = _size(partial)
        about["checked"] = compare(model, _opened(partial, format), about, photos)
        told = model.exported.in_words(about["checked"])
        _refuse_others(model, about, told, tolerance)
        about["files"] = identity(partial, format)
        with open(beside, "wb") as file:
            file.write(json_text(about).encode())
    return size, told


def _opened(path, format):
    """The file as a function. Raises ExportError where its runtime does not take what was made of the network."""
    try:
        return FORMATS[format].open(path)
    except (ExportError, RunError):
        raise
    except Exception as error:  # every runtime has errors of its own
        other = "onnx" if format == "openvino" else "another format" if format == "savedmodel" else "savedmodel"
        raise ExportError(f"The runtime of {format} does not take what was made of this network: {brief(error)}: take "
                          f"{other}.") from error


def _refuse_others(model, about, told, tolerance):
    """Raise ExportError for a file that does not do what its network does."""
    format, quantize, checked = about["format"], about["quantized"], about["checked"]
    if quantize and tolerance is None:
        if checked["agreement"] < LEAST_AGREEMENT:
            raise ExportError(f"The {format} file in {quantize} does not do what the network does: {told}; they have "
                              f"to agree in {LEAST_AGREEMENT:.0%}: give more photos, or take float32.")
        return
    allowed = model.exported.tolerance if tolerance is None else tolerance
    if not checked["largest_difference"] <= allowed:
        raise ExportError(f"The {format} file does not do what the network does: {told}; allowed is {allowed:g}.")


def canvas_of(config: Config, height: int | None = None, width: int | None = None) -> tuple[int, int]:
    """Choose the canvas to export for.

    Args:
        config: settings of the network.
        height, width: sides, pixels, multiples of 64; None takes those that the network was trained on.

    Returns:
        (height, width), pixels.

    Raises:
        ExportError: 64 does not divide a side, or the network is not built for the canvas.
    """
    mode, own = config.IMAGE_RESIZE_MODE, int(config.IMAGE_SHAPE[0])
    if mode == "rectangle":  # a square holds any photo at the size that it was trained at
        own = -(-own // NETWORK_STRIDE) * NETWORK_STRIDE
    elif mode not in FIXED_CANVAS_MODES and not (height and width):
        raise ExportError(f"IMAGE_RESIZE_MODE={mode!r} has no canvas of its own: give height and width.")
    height, width = height or own, width or own
    for name, side in (("height", height), ("width", width)):
        if side < 1 or side % NETWORK_STRIDE:
            nearest = max(1, round(side / NETWORK_STRIDE)) * NETWORK_STRIDE
            raise ExportError(f"{name} {side} does not divide by {NETWORK_STRIDE}: the nearest that does is {nearest}.")
    if mode in FIXED_CANVAS_MODES and (height, width) != (own, own):
        raise ExportError(
            f"This network is built for {own}x{own}, not {height}x{width}: load it with "
            f'mrcnn.architectures.load(path, IMAGE_RESIZE_MODE="rectangle", IMAGE_MAX_DIM={own}).'
        )
    return int(height), int(width)


def check_backend() -> None:
    """Raise ExportError where Keras runs on another backend than TensorFlow, which writes the files."""
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"Export needs the TensorFlow backend, this is {keras.backend.backend()}: weight files are the same on "
            "all, so load yours with KERAS_BACKEND=tensorflow."
        )


# --- What goes into the file -----------------------------------------------------------------------------------------


def _check(model, path, format, batch, dtype):
    """Raise ExportError for what cannot be exported, before anything is traced."""
    check_backend()
    if getattr(model, "exported", None) is None:
        raise ExportError(f"{type(model).__name__} does not say what an exported file of it gives: set its attribute "
                          "exported to ObjectOutputs(), LabelOutputs() or another of mrcnn.export.file_outputs.")
    if model.mode != "inference":
        raise ExportError('The model is in mode "training": export mrcnn.architectures.load(path).')
    if format != "savedmodel" and model.config.PRECISION != "float32":
        raise ExportError(
            f"{format} takes no {model.config.PRECISION}: load the model with "
            'mrcnn.architectures.load(path, PRECISION="float32"); its weights are float32 anyway.'
        )
    names, classes = model.class_names, model.config.NUM_CLASSES
    if names and len(names) != classes:
        raise ExportError(f"class_names of the model has {len(names)} names, and NUM_CLASSES is {classes}: set as many "
                          "names, background first.")
    if not isinstance(batch, int) or batch < 1:
        raise ExportError(f"batch={batch!r}: give a whole number of photos, 1 or more.")
    if dtype not in ("uint8", "float32"):
        raise ExportError(f'dtype={dtype!r}: an image is "uint8" or "float32".')
    for name in outputs_of(path, format):
        if os.path.lexists(name) and not is_claimed(name):
            raise ExportError(f"{name} exists already: remove it, or give another path.")


def outputs_of(path: str, format: str) -> list[str]:
    """The paths of all that an export writes.

    Args:
        path: of the file.
        format: of the file.

    Raises:
        ExportError: the format's files have another ending.
    """
    return [path, *([weights_of(path)] if format == "openvino" else []), f"{path}.json"]


def _inference_function(model, shape, dtype, tracing):
    """The inference graph as a tf.function of image and, if it takes one, window, with static shapes outside.

    shape: (batch, height, width), the sides None for any; tracing: function that makes the context to trace it in
    """
    import tensorflow as tf

    network, promised = model.inference_model, model.exported.described(model, shape)
    numbers = {name: np.full(shape[0], number, np.float32)
               for name, number in model.exported.built_in(model.config).items() if name in network.input}
    signature = [tf.TensorSpec(given["shape"], given["dtype"], name=name)
                 for name, given in _inputs(model, shape, dtype).items()]

    def infer(image, **others):
        with tracing():
            fixed = {name: tf.constant(number) for name, number in numbers.items()}
            outputs = network({"image": tf.cast(image, "float32"), **others, **fixed}, training=False)
        return {name: tf.identity(outputs[name], name=name) for name in promised}

    # The file's inputs take the names of the function's arguments.
    named = (lambda image, window: infer(image, window=window)) if len(signature) > 1 else (lambda image: infer(image))
    return tf.function(named, input_signature=signature, autograph=False)


def _inputs(model, shape, dtype):
    """{name: {"shape", "dtype", "meaning"}} of what the file takes."""
    channels = int(model.config.IMAGE_CHANNEL_COUNT)
    values = {1: "grey 0..255 (of RGB 0.299 R + 0.587 G + 0.114 B)", 3: "RGB 0..255"}.get(
        channels, f"0..255, the {channels} channels in the order of the training")
    inputs = {
        "image": {"shape": [*shape, channels], "dtype": dtype,
                  "meaning": f"{values}, the photo resized and centred on a canvas of zeros; the mean pixel is "
                             "subtracted inside"},
        "window": {"shape": [shape[0], 4], "dtype": "float32",
                   "meaning": "(y1, x1, y2, x2) of the photo on the canvas, pixels, y2 and x2 exclusive"},
    }
    return {name: given for name, given in inputs.items() if name in model.inference_model.input}


def _description(model, format, shape, dtype, label_settings):
    """What the JSON file says, but for what the check finds out."""
    config = model.config
    names = names_of_model(model)
    of_file = {**ONE_VIEW, "GPU_COUNT": 1, "IMAGES_PER_GPU": shape[0]}
    return {
        "format": format,
        "written_by": f"mrcnn {__version__}",
        "architecture": model.architecture_name(),
        "inputs": _inputs(model, shape, dtype),
        "outputs": model.exported.described(model, shape),
        "class_names": list(names),
        "mean_pixel": [float(value) for value in config.MEAN_PIXEL],
        "canvas": {"height": shape[1], "width": shape[2]},
        "resize": resize_rule(config),
        "settings": {name: of_file.get(name, value) for name, value in config.to_dict().items()},
        **model.exported.facts(config),
        **({"label_settings": label_settings} if label_settings else {}),
    }


# --- Formats ---------------------------------------------------------------------------------------------------------


def _module(model, function):
    """What owns the function's variables, which TensorFlow's writers want to know."""
    import tensorflow as tf

    module = tf.Module()
    module.infer = function
    module.weights = [variable.value for variable in model.inference_model.weights]
    return module


def _write_savedmodel(model, function, path, asked):
    import tensorflow as tf

    signatures = {"serving_default": function.get_concrete_function()}
    tf.saved_model.save(_module(model, function), path, signatures=signatures)


def _write_litert(model, function, path, asked):
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], _module(model, function)
    )
    if asked.quantize:  # of weights; without photos what goes into a layer is measured while it runs
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if asked.quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    try:
        data = converter.convert()
    except Exception as error:  # pages of the graph in MLIR
        missing = ", ".join(sorted(set(re.findall(r"'(tf\.\w+)' op is neither", str(error))))) or brief(error)
        raise ExportError(f"LiteRT has no operations of its own for {missing}: take savedmodel.") from error
    with open(path, "wb") as file:
        file.write(data)


@contextlib.contextmanager
def _whole_single(path, beside):
    with whole_files(beside, path) as (text, partial):
        yield partial, text


class Format(NamedTuple):
    """A kind of file: write(model, function, path, asked); open(path), which gives a function from inputs to outputs by
    name; tracing(), the context that its graphs are traced in; whole(path, path of the JSON file), the context that
    makes both appear when they are complete, and gives where to write them. The JSON file takes its name first: where a
    process is killed before the second, it is beside the file of before, which it refuses.
    """

    write: Callable
    open: Callable
    tracing: Callable
    whole: Callable = _whole_single


FORMATS = {
    "savedmodel": Format(_write_savedmodel, OPENERS["savedmodel"], contextlib.nullcontext,
                         whole_folder_and_files),
    # The mask head runs on what is found where the runtime allows: half of the work, when little is found.
    "onnx": Format(write_onnx, OPENERS["onnx"], functools.partial(portable_graph, static=False, onnx=True)),
    "openvino": Format(write_openvino, OPENERS["openvino"], functools.partial(portable_graph, static=False, onnx=True),
                       whole_pair),
    "litert": Format(_write_litert, OPENERS["litert"], functools.partial(portable_graph, static=True)),
}


# --- Files -----------------------------------------------------------------------------------------------------------


def _kind(path, format):
    """What stands in front of the size of what was written."""
    return f"{path}: {format}, {'a folder of ' if os.path.isdir(path) else ''}"


def _size(path):
    """Bytes of a file, of several, or of all files of a folder."""
    if isinstance(path, tuple):
        return sum(map(_size, path))
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)
