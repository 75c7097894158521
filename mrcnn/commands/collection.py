"""The command `collection label`: what is found in a whole collection of photos; export and report are beside."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.commands.collection_export import add_export
from mrcnn.commands.collection_look import add_look
from mrcnn.commands.collection_report import add_report
from mrcnn.commands.collection_similar import add_similar, telling_embeddings
from mrcnn.commands.options import add_matte, add_tiles, add_tta, positive, probability
from mrcnn.commands.resume import identity_of
from mrcnn.commands.runs import add_weights, check_has, checkpoint_of, load_model
from mrcnn.commands.settings import overrides_of
from mrcnn.errors import UsageError
from mrcnn.progress import progress_bar

if TYPE_CHECKING:
    from mrcnn.collections.plan import Plan
    from mrcnn.collections.shards import Counts, Job
    from mrcnn.commands.runs import Model

SHARD_SIZE = 256  # photos: some minutes of work on a CPU, which is what a stop loses


def label(options: argparse.Namespace) -> int:
    """Label a collection, or what is missing of it.

    Returns:
        The exit code.
    """
    from mrcnn.collections.plan import opened
    from mrcnn.collections.shards import Job
    from mrcnn.collections.sources import list_collection
    from mrcnn.data.encoded import WHITE
    from mrcnn.data.formats.parquet_files import load_pyarrow

    load_pyarrow()  # a package that is missing shows before any work
    check_engine(options)
    overrides = overrides_of(options)
    path = checkpoint_of(options)
    identity = identity_of(options, path, overrides)
    if options.embeddings:
        identity["embedding"] = embedding_kind(path)
    root, names = list_collection(options.photos)
    names = names[:options.limit]
    with opened(options.output, root, identity, {"weights": os.path.abspath(path)}) as plan:
        before = len(plan.shards)
        new = plan.add(names, options.shard_size)
        numbers = plan.missing()
        if before:
            print(f"{options.output}: {before - sum(number < before for number in numbers)} of {before} shards are "
                  f"done; {new} photos are new.")
        if not numbers:
            print("Nothing is left to do.")
            return 0
        job = Job(root, plan.key, tuple(options.matte or WHITE), options.embeddings)
        make_model = functools.partial(load_finder, os.path.abspath(path), options, overrides)
        with progress_bar("Labelling", "photos") as show:
            counts = labelled(options, plan, numbers, job, make_model, show)
    return tell(options.output, counts, len(numbers))


def check_engine(options: argparse.Namespace) -> None:
    """Refuse options of the other engine, and a package that is missing."""
    from mrcnn.collections.ray_engine import load_ray

    if options.engine == "ray":
        load_ray(options.address)
        if os.environ.get("RAY_ADDRESS") and not options.address:
            print("RAY_ADDRESS is set and not used: --address auto takes that cluster, else one is started here.",
                  file=sys.stderr)
        return
    for name in ("address", "worker_cpus", "worker_gpus"):
        if getattr(options, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} is for --engine ray: add that, or leave it out.")


def labelled(options: argparse.Namespace, plan: Plan, numbers: list[int], job: Job, make_model: Callable[[], Model],
             show: Callable[[int, int], None]) -> Counts:
    """Counts of the shards, labelled by the engine that was asked for."""
    from mrcnn.collections.local_engine import label_here, label_in_processes
    from mrcnn.collections.ray_engine import Layout, label_on_ray

    if options.engine == "ray":
        layout = Layout(options.workers, options.worker_cpus or 1, options.worker_gpus or 0)
        return label_on_ray(plan, numbers, job, make_model, layout, options.address, show,
                            lambda line: print(line, file=sys.stderr, flush=True))
    workers = min(options.workers or 1, len(numbers))
    if workers == 1:
        return label_here(plan, numbers, job, make_model, show)
    return label_in_processes(plan, numbers, job, make_model, workers, show)


def tell(folder: str, counts: Counts, shards: int) -> int:
    """Print what was written; returns the exit code."""
    if counts.unreadable:
        print(f"{counts.unreadable} of {counts.photos} photos cannot be read; the column error says why, as: "
              f"{counts.example}", file=sys.stderr)
    print(f"{counts.objects} objects in {counts.photos - counts.unreadable} photos; {shards} shards are written to "
          f"{folder}")
    return 2 if counts.unreadable == counts.photos else 0


def load_finder(path: str, options: argparse.Namespace, overrides: dict) -> Model:
    """The model of a checkpoint, which has to find objects, and to tell their embeddings if that is asked for."""
    model = load_model(path, options, overrides)
    check_has(model, "detect", path)
    return telling_embeddings(model) if options.embeddings else model


def embedding_kind(path: str) -> str:
    """What the embeddings of weights are. Raises UsageError for a file that cannot give them, before any work."""
    from mrcnn.export.running import is_exported
    from mrcnn.inference.object_embedding import KIND, NO_EXPORTED

    if is_exported(path):
        raise UsageError(NO_EXPORTED)
    return KIND


def more_than_zero(text: str) -> float:
    """A number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def add_collection(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    text = "Label whole collections of photos, and tell what they show."
    tasks = commands.add_parser("collection", help=text, description=text).add_subparsers(
        dest="task", required=True, metavar="label|report|similar|look|export")
    command = add_command(tasks, "label", label, "Write what is found in a collection of photos as Parquet files; the "
                          "same command goes on where it was stopped.")
    command.add_argument("photos", nargs="+", metavar="PHOTOS", help="a folder (with its subfolders), a pattern in "
                         "quotes, a list (.txt), a table with a column of paths (.csv, .parquet) or of photos "
                         "(.parquet), tar files, or photos; or addresses of these, as s3://bucket/folder")
    add_weights(command)
    command.add_argument("--output", required=True, metavar="DIR", help="folder of the collection: a new one, or one "
                         "that this command is to go on with")
    command.add_argument("--workers", type=positive, metavar="N", help="processes, each with a network of its own "
                         "(default 1, on one GPU leave it at that; with --engine ray as many as the cluster holds)")
    command.add_argument("--engine", choices=("local", "ray"), default="local", help="this machine alone, or a cluster "
                         "of Ray (default local)")
    command.add_argument("--address", metavar="HOST:PORT", help="running cluster for --engine ray; auto is that of "
                         "this machine (default: one is started on this machine's loopback, and ends with the work)")
    command.add_argument("--worker-cpus", type=more_than_zero, metavar="C", help="CPUs of each worker of --engine ray "
                         "(default 1)")
    command.add_argument("--worker-gpus", type=more_than_zero, metavar="G", help="GPUs of each worker of --engine ray; "
                         "0.5 lets two share one (default none)")
    command.add_argument("--shard-size", type=positive, default=SHARD_SIZE, metavar="N",
                         help=f"photos of a file; a stop loses at most the files under way (default {SHARD_SIZE})")
    command.add_argument("--min-confidence", type=probability, metavar="P",
                         help="least score of a detection (default: the checkpoint's DETECTION_MIN_CONFIDENCE)")
    command.add_argument("--embeddings", action="store_true", help="keep what each object is like as numbers, for "
                         "collection similar; of a checkpoint of Mask R-CNN, 512 bytes an object")
    add_matte(command)
    add_tta(command)
    add_tiles(command)
    add_export(tasks, add_command)
    add_report(tasks, add_command)
    add_similar(tasks, add_command)
    add_look(tasks, add_command)
