"""The command `serve`: a checkpoint behind HTTP."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.commands.label import add_refine, asked_settings, chain_of, tell_tuned_otherwise
from mrcnn.commands.options import add_matte, add_tiles, add_tta, last_weights, positive, probability, start_keras
from mrcnn.commands.runs import add_weights, checkpoint_of, load_model, refuse_scores, weights_name
from mrcnn.commands.settings import overrides_of
from mrcnn.export.running import is_exported

if TYPE_CHECKING:
    from mrcnn.serving.served import ServedModel

KEY, STUDIO, STUDIO_KEY = "MRCNN_API_KEY", "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"
BATCH_SIZE = 4
LIMITS = {  # {option: (metavar, what it says, unit of the option, name in Limits)}, defaults are those of Limits
    "--queue": ("N", "photos decoded at once, others wait for their turn; and requests in hand, one more gets 503 "
                "(default 64)", 1, "queue"),
    "--wait": ("MS", "milliseconds that a photo waits for others to go through the network with it (default 5)", 1e-3,
               "wait"),
    "--timeout": ("S", "seconds until the head of a request has to be there, again until it has to be read, and again "
                  "to be answered (default 60)", 1, "timeout"),
    "--max-upload": ("MB", "size of a request at most (default 32)", 1 << 20, "upload"),
    "--max-pixels": ("N", "pixels of a photo at most, looked at before it is decoded (default 50000000)", 1, "pixels"),
    "--max-photos": ("N", "photos of a request at most (default 16)", 1, "photos"),
}


def serve(options: argparse.Namespace) -> None:
    """Serve a model until the process is told to end."""
    from mrcnn.serving.limits import Limits
    from mrcnn.serving.listening import address_of, check_installed, is_loopback, listen, run

    check_installed()
    overrides, key = with_batch_size(overrides_of(options)), os.environ.get(KEY) or None
    limits = Limits(batch_size=overrides["BATCH_SIZE"], **_numbers(options))
    if limits.photos_taken < limits.photos:
        print(f"warning: --max-photos {limits.photos} is more than --queue {limits.queue} holds: a request may have "
              f"{limits.photos_taken} photos; raise --queue, or lower --max-photos.", file=sys.stderr)
    if limits.queue < limits.batch_size:
        print(f"warning: --queue {limits.queue} is less than the batch size of {limits.batch_size}: no batch is ever "
              "full; raise --queue, or lower --batch-size.", file=sys.stderr)
    path = checkpoint_of(options)
    with listen(options.host, options.port) as listener:
        from mrcnn.serving.task_photos import TaskPhotos

        photos = TaskPhotos(options.photos, os.environ.get(STUDIO), os.environ.get(STUDIO_KEY), limits)
        if not is_exported(path):
            start_keras()
        chain_of(options)  # a step that does not exist shows before the network is built
        served = served_model(path, options, overrides)
        if served.finds_objects:
            served.settings = asked_settings(served.settings, overrides)
        from mrcnn.data.encoded import WHITE
        from mrcnn.serving.app import make_app
        from mrcnn.serving.corrected import CorrectedTasks
        from mrcnn.serving.photos import raise_bound

        raise_bound(limits.pixels)
        corrected = (CorrectedTasks(options.corrected, served.class_names, last_weights(options))
                     if options.corrected else None)
        app = make_app(served, limits, key, photos, options.matte or WHITE, corrected)
        asks = f"asks for the key of {KEY}" if key else f"asks for no key (set {KEY} to ask for one)"
        print(f"Serving {path} as {served.name!r} at {address_of(listener)}: {asks}; Ctrl-C ends it.", flush=True)
        if not key and not is_loopback(listener):
            print(f"warning: other machines reach {address_of(listener)}, and no key is asked for: set {KEY}.",
                  file=sys.stderr)
        run(app, listener, limits.timeout)


def with_batch_size(overrides: dict) -> dict:
    """Settings with the batch size that a server has where they say none; IMAGES_PER_GPU says one too."""
    if "IMAGES_PER_GPU" not in overrides or "BATCH_SIZE" in overrides:
        return {"BATCH_SIZE": BATCH_SIZE, **overrides}
    devices = overrides.get("GPU_COUNT", 1)
    return {**overrides, "GPU_COUNT": devices, "BATCH_SIZE": overrides["IMAGES_PER_GPU"] * devices}


def served_model(path: str, options: argparse.Namespace, overrides: dict) -> ServedModel:
    """The model of a checkpoint as the server asks it."""
    from mrcnn.labeling.label_map import load_settings

    model, settings = load_model(path, options, overrides), load_settings(path)
    refuse_scores(model, path, {"--min-confidence": options.min_confidence})
    from mrcnn.serving.served import ServedModel

    if hasattr(model, "detect"):
        settings.check_classes(model.class_names or [])
        tell_tuned_otherwise(settings, options, model, path)
    version = weights_name(path, ending=False)
    return ServedModel(model, options.name, version, settings, chain_of(options, model))


def _numbers(options):
    """{name in Limits: value} of the options that were given."""
    given = ((name, getattr(options, option[2:].replace("-", "_")), unit)
             for option, (_, _, unit, name) in LIMITS.items())
    return {name: value * unit for name, value, unit in given if value is not None}


def _milliseconds(text):
    value = float(text)
    if not 0 <= value <= 10_000:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 and 10000")
    return value


def add_serve(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(commands, "serve", serve,
                          "Serve a model by HTTP: /detect, /label, the Open Inference Protocol, Label Studio.",
                          unused={"limit": "photos come with requests"})
    add_weights(command)
    command.add_argument("--host", default="127.0.0.1", metavar="HOST",
                         help="address to listen at (default 127.0.0.1, which this machine alone reaches)")
    command.add_argument("--port", type=int, default=8000, metavar="N", help="port, 0 takes a free one (default 8000)")
    command.add_argument("--name", default="mrcnn", metavar="NAME",
                         help="of the model in addresses of the Open Inference Protocol (default mrcnn)")
    command.add_argument("--photos", metavar="DIR", help="folder of the photos of Label Studio's tasks")
    command.add_argument("--corrected", metavar="DIR",
                         help="folder to keep the tasks in that Label Studio's webhook says are corrected, for train "
                              "--annotations (default: they are not kept)")
    for option, (metavar, text, _, _) in LIMITS.items():
        kind = _milliseconds if option == "--wait" else positive
        command.add_argument(option, type=kind, metavar=metavar, help=text)
    add_matte(command)
    command.add_argument("--min-confidence", type=probability, metavar="P",
                         help="least score where a request names none (default: the checkpoint's "
                              "DETECTION_MIN_CONFIDENCE)")
    add_refine(command)
    add_tta(command)
    add_tiles(command)
