"""The command `collection export`: a labelled collection in the formats of other programs."""

import argparse
import sys
from collections.abc import Callable

from mrcnn.commands.options import add_output, probability
from mrcnn.errors import UsageError
from mrcnn.outputs import claim_outputs
from mrcnn.progress import progress_bar

UNCERTAIN = 0.7  # score below which a person should look at an object
WAYS = ("coco", "imaterialist", "webdataset", "labelstudio")


def export(options: argparse.Namespace) -> int:
    """Write a collection in another format.

    Returns:
        The exit code.
    """
    from mrcnn.collections.cutouts import write_cutouts
    from mrcnn.collections.exports import FORMATS, files_of
    from mrcnn.collections.reading import Collection

    collection, below = Collection(options.collection), options.below
    if options.format == "webdataset":
        with progress_bar("Cutting out") as show:
            counts = write_cutouts(collection, options.output, below, show)
        print(f"{counts['objects']} objects are cut out in {counts['files']} files in {options.output}")
        if counts["kept"]:
            print(f"{counts['kept']} files were there and are left as they are: remove those that are to be made anew.")
        if counts["changed"]:
            print(f"{counts['changed']} photos are left out: they cannot be read any more, or are other files than "
                  "those that were labelled; label them again in a new folder.", file=sys.stderr)
        return 0
    write, ending = FORMATS[options.format]
    if not options.output.lower().endswith(ending):
        raise UsageError(f"--output {options.output}: give --format {options.format} a name that ends in {ending}.")
    if options.format == "labelstudio" and below is None:
        below = UNCERTAIN
    claim_outputs(files_of(options.format, options.output), options.overwrite)
    counts = write(collection, options.output, below)
    print(f"{counts['objects']} objects of {counts['photos']} photos are written to {options.output}")
    if below is not None:
        print(f"Only photos with an object of a score below {below:g} are written; --below says which.")
    if counts["unreadable"]:
        print(f"{counts['unreadable']} photos that could not be read are left out; the column error says why.",
              file=sys.stderr)
    if counts.get("empty"):
        print(f"{counts['empty']} photos in which nothing was found are left out, as the format has no place for them.",
              file=sys.stderr)
    return 0


def add_export(tasks: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(tasks, "export", export, "Write a labelled collection as COCO JSON, iMaterialist's CSV, "
                          "cut-outs for WebDataset, or tasks of Label Studio.")
    command.add_argument("collection", metavar="DIR", help="folder that collection label wrote")
    command.add_argument("--format", required=True, choices=WAYS, help="coco, imaterialist: one file of all; "
                         "webdataset: tar files of cut-out objects; labelstudio: what a person should look at")
    add_output(command, "PATH", "file to write; a folder for webdataset, whose files stay", required=True)
    command.add_argument("--below", type=probability, metavar="P", help="photos (webdataset: objects) with a score "
                         f"below this one alone (default: all; for labelstudio {UNCERTAIN})")
