"""Which part of annotated photos a command takes: of a split file, or of data that carry splits of their own."""

import argparse
import os

from mrcnn.commands.own_data import data_name, reads
from mrcnn.data.formats.archives import exists
from mrcnn.errors import UsageError

ALIASES = {"valid": "val", "validation": "val"}


def split_file(options: argparse.Namespace) -> str | None:
    """Path of the split file that --split names; None where it names a part, or is not given."""
    text = options.split
    is_file = text and (os.path.isfile(text) or text.lower().endswith(".json") or os.path.basename(text) != text)
    return text if is_file else None


def carried_parts(options: argparse.Namespace, annotations: str | None) -> tuple[str, ...]:
    """Names of the parts that annotations carry themselves; () where they carry none, or a split file goes before."""
    if not annotations or not exists(annotations) or split_file(options) or reads(options, annotations):
        return ()  # what does not exist is told where it is opened
    from mrcnn.data.formats import parts_of

    return parts_of(annotations, options.format, getattr(options, "names", None) is not None)


def carried_part(options: argparse.Namespace, annotations: str | None,
                 part: str | None) -> tuple[str | None, str | None]:
    """The part to take of annotations that carry splits of their own.

    Args:
        options: of the command; `whole` tells that it takes all parts where none is named.
        annotations: path.
        part: what the command wants the data for: "train", "val" or "test"; None leaves it to the options.

    Returns:
        (part, one line that tells of the choice, or None); part None takes all photos.

    Raises:
        UsageError: a part is named that the annotations do not carry.
    """
    parts = carried_parts(options, annotations)
    named, wanted = (None if split_file(options) else options.split), getattr(options, "part", None)
    if named and not parts:
        raise UsageError(f"--split {named}: no such file, and {data_name(options, annotations)} have no "
                         "parts of their own: give a file written by `data split`.")
    if not parts:
        return None, None
    if named and wanted:
        raise UsageError(f"--split {named} and --part {wanted} both name a part: leave one out.")
    listed = ", ".join(parts)
    asked = named or wanted
    if asked and ALIASES.get(asked, asked) not in parts:
        raise UsageError(f"--{'split' if named else 'part'} {asked}: {annotations} has the parts {listed}: take one.")
    if asked and part is None:
        return ALIASES.get(asked, asked), None
    whole = getattr(options, "whole", False) and part is None
    wanted = part or "val"
    if whole:
        return None, None
    if wanted in parts:
        return wanted, f"{annotations}: its own part {wanted} is taken, of {listed}"
    if part and annotations == options.annotations:
        raise UsageError(f"{annotations} has no part {wanted}, but {listed}: give --train and --val, or --split FILE "
                         "(made by `data split`).")
    return None, f"{annotations}: has no part {wanted}, but {listed}: all its photos are taken; --split takes a part"
