"""The command `demo`: a page on which a checkpoint is tried with photos."""

import argparse
import sys
from collections.abc import Callable

from mrcnn.commands.label import add_refine, chain_of, refinement_of
from mrcnn.commands.options import add_matte, add_tiles, add_tta, positive, probability, start_keras
from mrcnn.commands.runs import add_weights, checkpoint_of
from mrcnn.commands.serve import served_model
from mrcnn.commands.settings import overrides_of
from mrcnn.export.running import is_exported

LIMITS = {  # {option: (metavar, what it says, unit of the option, name in Limits)}, defaults are those of Limits
    "--max-upload": ("MB", "size of a photo's file at most (default 32)", 1 << 20, "upload"),
    "--max-pixels": ("N", "pixels of a photo at most, looked at before it is decoded (default 50000000)", 1, "pixels"),
    "--max-photos": ("N", "photos at once at most (default 16)", 1, "photos"),
}


def demo(options: argparse.Namespace) -> None:
    """Show a page over a model until the process is told to end."""
    from mrcnn.serving.gradio_start import private_gradio
    from mrcnn.serving.limits import Limits
    from mrcnn.serving.listening import address_of, is_loopback, listen, run

    overrides = overrides_of(options)
    given = ((name, getattr(options, option[2:].replace("-", "_")), unit)
             for option, (_, _, unit, name) in LIMITS.items())
    limits = Limits(**{name: value * unit for name, value, unit in given if value is not None})
    path = checkpoint_of(options)
    with private_gradio(), listen(options.host, options.port) as listener:
        if not is_exported(path):
            start_keras()
        chain_of(options)  # a step that does not exist shows before the network is built
        served = served_model(path, options, overrides)
        from mrcnn.data.encoded import WHITE
        from mrcnn.serving.page import Page, make_page_app

        app = make_page_app(Page(served, limits, options.matte or WHITE, refinement_of(options, served.model)))
        served.warm()
        print(f"{address_of(listener)} shows what {path} finds in your photos; Ctrl-C ends it.", flush=True)
        if not is_loopback(listener):
            print(f"warning: other machines reach {address_of(listener)}, and no key is asked for: leave --host out, "
                  "or put a proxy that asks for one in front.", file=sys.stderr)
        run(app, listener)


def add_demo(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(commands, "demo", demo, "Try a model on a page of this machine's: photos in, objects out.",
                          unused={"limit": "photos come by the page"})
    add_weights(command)
    command.add_argument("--host", default="127.0.0.1", metavar="HOST",
                         help="address to listen at (default 127.0.0.1, which this machine alone reaches)")
    command.add_argument("--port", type=int, default=7860, metavar="N", help="port, 0 takes a free one (default 7860)")
    for option, (metavar, text, _, _) in LIMITS.items():
        command.add_argument(option, type=positive, metavar=metavar, help=text)
    add_matte(command)
    command.add_argument("--min-confidence", type=probability, metavar="P",
                         help="score at which the slider starts (default: the checkpoint's DETECTION_MIN_CONFIDENCE)")
    add_refine(command)
    add_tta(command)
    add_tiles(command)
    command.set_defaults(name="mrcnn")
