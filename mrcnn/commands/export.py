"""The command `export`: a checkpoint as a file that other programs run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.commands.datasets import add_data_options, check_objects, given_data_options, open_data
from mrcnn.commands.label import tell_tuned_otherwise
from mrcnn.commands.options import add_output, positive, probability, start_keras
from mrcnn.commands.own_data import coco_of_nobody
from mrcnn.commands.photos import list_photos
from mrcnn.commands.runs import add_weights, check_classes, checkpoint_of, load_model, refuse_exported, refuse_scores
from mrcnn.commands.settings import asked_settings, finds_objects, known_to, overrides_of
from mrcnn.errors import ExportError, UsageError
from mrcnn.export.running import format_of
from mrcnn.outputs import claim_outputs

if TYPE_CHECKING:
    from mrcnn.commands.runs import Model
    from mrcnn.data.dataset import Dataset

ENDINGS = {"savedmodel": "_savedmodel", "onnx": ".onnx", "openvino": ".xml", "litert": ".tflite"}


def export(options: argparse.Namespace) -> None:
    """Write the file, and beside it the JSON file that tells how to use it."""
    check_usage(options)
    height, width = options.image_side or options.height, options.image_side or options.width
    refuse_exported(options.weights, "export")
    overrides = overrides_of(options)
    photos = photos_of(options)
    path = checkpoint_of(options)
    output = os.path.normpath(options.output or os.path.splitext(os.path.abspath(path))[0] + ENDINGS[options.format])
    measured = annotated_photos(options, path)
    weights = [f"{os.path.splitext(output)[0]}.bin"] if options.format == "openvino" else []
    claim_outputs([output, *weights, f"{output}.json"], options.overwrite)
    start_keras()
    from mrcnn.export import files

    try:
        files.check_backend()  # before the network is built
    except ExportError as error:
        raise UsageError(str(error)) from error
    if options.format != "savedmodel":
        overrides.setdefault("PRECISION", "float32")  # as the weights are
    batches = {"BATCH_SIZE", "IMAGES_PER_GPU", "GPU_COUNT"}.intersection(overrides)
    if "BATCH_SIZE" in overrides:
        overrides.setdefault("GPU_COUNT", 1)  # it need not divide among the devices of the training
    if height or width or options.dynamic:
        overrides = {**any_canvas(path, options, overrides), **overrides}
    model = load_model(path, options, overrides)
    refuse_scores(model, path, {"--min-confidence": options.min_confidence})
    tuned, said = label_settings_of(options, path, model)
    try:
        about = files.export(model, output, options.format, height, width, model.config.BATCH_SIZE if batches else 1,
                             options.dtype, photos, opset=options.opset, quantize=options.quantize,
                             dynamic=options.dynamic, label_settings=tuned)
    except ExportError as error:
        raise UsageError(str(error)) from error
    if said:
        print(said)
    if options.dynamic:
        print("The file takes canvases of any size whose sides divide by 64.")
    elif model.config.IMAGE_RESIZE_MODE == "rectangle" and not (height and width):
        print("The file puts every photo on {height}x{width} pixels (height x width), the checkpoint each on the "
              "rectangle that fits it: what they find differs where these differ. --height and --width of your "
              "photos' rectangle avoid it; so does --dynamic, of ONNX.".format(**about["canvas"]))
    if measured is not None:
        from mrcnn.commands.export_measured import measured_text

        print(measured_text(model, output, measured))
    print(f"{output}.json tells how to use it; docs/export.md has a program that does.")


def check_usage(options: argparse.Namespace) -> None:
    """Raise UsageError for options that do not go together; --format becomes that of the ending of --output."""
    from mrcnn.export.asked import is_calibrated

    try:
        options.format = format_of(options.output, options.format)
    except ExportError as error:
        raise UsageError(f"--output {error}") from error
    if options.image_side and (options.height or options.width):
        raise UsageError("--image-size is height and width in one: give it, or --height and --width.")
    if is_calibrated(options.format, options.quantize) and not options.image:
        raise UsageError("--quantize int8 is calibrated on photos: give --image FOLDER, 100 or so like those that the "
                         "file is going to see.")
    if options.dynamic and (options.image_side or options.height or options.width):
        raise UsageError("--dynamic is a file for canvases of any size: leave out --height, --width and --image-size.")
    if options.images and not options.annotations:
        raise UsageError("--images are the photos of --annotations FILE, on which AP is measured: give both; photos to "
                         "check the file on, and to calibrate int8 on, are --image.")
    given = [] if options.annotations else given_data_options(options, "format")
    if given:
        raise UsageError(f"{', '.join(given)}: of annotated photos, on which AP is measured: give their --annotations "
                         f"too, or leave {'it' if len(given) == 1 else 'them'} out.")
    if options.limit and not (options.image or options.annotations):
        raise UsageError("--limit is of the photos of --image or of --annotations: give one of them, or leave it out.")


def label_settings_of(options: argparse.Namespace, path: str, model: Model) -> tuple[dict | None, str | None]:
    """(label settings beside a checkpoint as JSON holds them, a line that tells of them); None without any."""
    from mrcnn.labeling.label_map import load_settings, settings_path

    if not hasattr(model, "detect") or not os.path.isfile(settings_path(path)):
        return None, None
    settings, built_in = load_settings(path), float(model.config.DETECTION_MIN_CONFIDENCE)
    tell_tuned_otherwise(settings, options, model, path)
    said, least = f"The label settings of {settings_path(path)} are in the JSON file.", settings.least_threshold()
    if least < built_in:
        said += (f" They count objects of a score of {least:g} or more, and the file drops those below {built_in:g}: "
                 f"export with --min-confidence {least:g} for label maps.")
    return settings.to_dict(), said


def photos_of(options: argparse.Namespace) -> list[str] | None:
    """The paths of the photos of --image to check the file on, or None; their headers are read.

    Raises:
        DataError: one is no photo.
    """
    from mrcnn.data.formats.photo_files import photo_header

    if not options.image:
        return None
    paths = list_photos(options.image)[:options.limit]
    for path in paths:
        photo_header(path)  # what is no photo shows before the network is built
    return paths


def annotated_photos(options: argparse.Namespace, path: str) -> Dataset | None:
    """The data set that `evaluate` takes for the same --annotations, or None; it has the checkpoint's classes.

    COCO files go to the package's reader, as `evaluate --format coco` gives them, unless the program's data set
    recognises them.

    Args:
        options: of the command.
        path: of the checkpoint.
    """
    if not options.annotations:
        return None
    form = coco_of_nobody(options)  # --format is that of the file to write
    dataset = open_data(argparse.Namespace(**{**vars(options), "format": form}))
    check_objects(dataset, options.annotations, "measure", finds_objects(options))
    check_classes(path, dataset, options.annotations)
    return dataset


def any_canvas(path: str, options: argparse.Namespace, overrides: dict) -> dict:
    """Settings with which the network of a checkpoint takes canvases of any shape, photos being as large as before."""
    from mrcnn import architectures
    from mrcnn.config import FIXED_CANVAS_MODES

    architecture = architectures.class_of(architectures.architecture_of(path))
    config = architecture.settings.from_dict(architectures.read_settings(path)["config"],
                                             **known_to(architecture, overrides, asked_settings(options)))
    if config.IMAGE_RESIZE_MODE not in FIXED_CANVAS_MODES:
        return {}
    return {"IMAGE_RESIZE_MODE": "rectangle", "IMAGE_MAX_DIM": int(config.IMAGE_SHAPE[0])}


def add_export(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(commands, "export", export, "Write a checkpoint as a file that runs without this program.")
    add_weights(command)
    command.add_argument("--format", choices=tuple(ENDINGS),
                         help="savedmodel, a folder: TensorFlow alone runs it; onnx: onnxruntime and others; openvino: "
                              "OpenVINO, the fastest on Intel's processors; litert: phones and small machines, "
                              "formerly TensorFlow Lite (default: by the ending of --output, .onnx, .xml or .tflite, "
                              "else savedmodel)")
    add_output(command, "PATH", "file to write (default: beside the checkpoint)")
    command.add_argument("--image-size", type=positive, metavar="N", dest="image_side",
                         help="canvas of N x N pixels (default: that of the training)")
    command.add_argument("--height", type=positive, metavar="N", help="height of the canvas, a multiple of 64")
    command.add_argument("--width", type=positive, metavar="N", help="width of the canvas, a multiple of 64")
    command.add_argument("--dynamic", action="store_true",
                         help="onnx: a file for canvases of any size whose sides divide by 64, so that each photo is "
                              "looked at on the rectangle that fits it")
    command.add_argument("--dtype", choices=("uint8", "float32"), default="uint8",
                         help="of the image's values, 0 to 255 either way (default uint8)")
    command.add_argument("--quantize", choices=("float16", "int8"),
                         help="openvino and litert in float16: weights of half the size; in int8: a quarter of the "
                              "size; onnx and openvino, calibrated on the photos of --image, are faster too (default: "
                              "float32)")
    command.add_argument("--opset", type=positive, metavar="N", help="of an ONNX file: 16, 17 (default) or 18")
    command.add_argument("--min-confidence", type=probability, metavar="P",
                         help="least score of an object (default: the checkpoint's DETECTION_MIN_CONFIDENCE)")
    command.add_argument("--image", metavar="FILE|DIR",
                         help="photos to check the file on, in place of drawn people, and to calibrate int8 on")
    add_data_options(command, form=False,
                     without="none; of those given the AP of network and file is printed, and the time of both")
