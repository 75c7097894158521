"""The command `collection export`: a labelled collection in the formats of other programs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.commands.options import add_output, probability
from mrcnn.errors import UsageError
from mrcnn.outputs import claim_outputs
from mrcnn.progress import progress_bar

if TYPE_CHECKING:
    from mrcnn.collections.photo_names import PhotoNames

UNCERTAIN = 0.7  # score below which a person should look at an object
WHOLE = {"set": "no network looks at photos here, and the collection is taken as it was labelled",
         "limit": "the whole collection is taken", "batch_size": "no network looks at photos here"}
WAYS = ("coco", "imaterialist", "webdataset", "labelstudio")


def export(options: argparse.Namespace) -> int:
    """Write a collection in another format.

    Returns:
        The exit code.
    """
    from mrcnn.collections.cutouts import write_cutouts
    from mrcnn.collections.exports import FORMATS, files_of
    from mrcnn.collections.photo_names import PhotoNames
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
        tell_maskless(counts)
        return 0
    write, ending = FORMATS[options.format]
    if not options.output.lower().endswith(ending):
        raise UsageError(f"--output {options.output}: give --format {options.format} a name that ends in {ending}.")
    if options.format == "labelstudio" and below is None:
        below = UNCERTAIN
    claim_outputs(files_of(options.format, options.output), options.overwrite)
    photo_names = PhotoNames(collection)
    counts = write(collection, options.output, below, photo_names)
    print(f"{counts['objects']} objects of {counts['photos']} photos are written to {options.output}")
    tell_names(photo_names, options.format)
    if collection.names is None:
        print(f"{options.collection} does not say which classes and attributes its network knows, as earlier versions "
              "did not: those that were found nowhere are not in the list; label the photos anew in a new folder to "
              "have all.", file=sys.stderr)
    if below is not None:
        print(f"Only photos with an object of a score below {below:g} are written; --below says which.")
    if counts["unreadable"]:
        print(f"{counts['unreadable']} photos that could not be read are left out; the column error says why.",
              file=sys.stderr)
    if counts.get("empty"):
        print(f"{counts['empty']} photos in which nothing was found are left out, as the format has no place for them.",
              file=sys.stderr)
    tell_maskless(counts)
    return 0


def tell_maskless(counts: dict[str, int]) -> None:
    """Print how many objects without a pixel are left out."""
    if counts["maskless"]:
        print(f"{counts['maskless']} objects without a pixel are left out: no format has masks of nothing.",
              file=sys.stderr)


def tell_names(photo_names: PhotoNames, form: str) -> None:
    """Print what the names of photos are relative to, and what to do with it."""
    from mrcnn.collections.storage import is_address

    folder, away = photo_names.folder, is_address(photo_names.folder)
    if form == "labelstudio":
        if not away:
            print(f"Label Studio finds the photos with {folder} as storage of local files, and "
                  f"{os.path.dirname(folder)} as LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT.")
        return
    print(f"Photos are named relative to {folder}: "
          f"{'copy it to a folder, and give that' if away else 'give it'} as --images.")
    if photo_names.addresses:
        print(f"{photo_names.addresses} photos are named by addresses of their own, which --images does not look at: "
              "copy them to a folder, and label that.", file=sys.stderr)


def add_export(tasks: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(tasks, "export", export, "Write a labelled collection as COCO JSON, iMaterialist's CSV, "
                          "cut-outs for WebDataset, or tasks of Label Studio.", unused=WHOLE)
    command.add_argument("collection", metavar="DIR", help="folder that collection label wrote")
    command.add_argument("--format", required=True, choices=WAYS, help="coco, imaterialist: one file of all; "
                         "webdataset: tar files of cut-out objects; labelstudio: what a person should look at")
    add_output(command, "PATH", "file to write; a folder for webdataset, whose files stay", required=True)
    command.add_argument("--below", type=probability, metavar="P", help="photos (webdataset: objects) with a score "
                         f"below this one alone (default: all; for labelstudio {UNCERTAIN})")
