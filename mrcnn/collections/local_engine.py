"""Labelling shards on one machine: in this process, or in several."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool

from mrcnn.collections.plan import Plan
from mrcnn.collections.shards import Counts, Job, write_shard
from mrcnn.errors import RunError
from mrcnn.files import remove_leftovers

_worker = {}  # of a worker process: its job, how to make its model, and the model once it is made


def label_here(plan: Plan, numbers: Sequence[int], job: Job, make_model: Callable[[], object],
               show: Callable[[int, int], None]) -> Counts:
    """Label shards in this process, one after the other.

    Args:
        plan: of the collection.
        numbers: of the shards.
        job: what is the same for all shards.
        make_model: makes the model.
        show: called as show(photos done, photos in all).

    Returns:
        What is in the shards.
    """
    counts, total = Counts(), sum(len(plan.shards[number]) for number in numbers)
    model = make_model()
    for number in numbers:
        before = counts.photos
        counts.add(write_shard(plan.path(number), plan.shards[number], job, model,
                               lambda done, before=before: show(before + done, total)))
    return counts


def label_in_processes(plan: Plan, numbers: Sequence[int], job: Job, make_model: Callable[[], object], workers: int,
                       show: Callable[[int, int], None]) -> Counts:
    """Label shards in processes of this machine, each with a model of its own.

    The workers end when this process ends, however it does: they hold one end of a pipe whose other end is here.

    Args:
        plan, numbers, job, show: as for `label_here`; progress comes with each shard that is done.
        make_model: makes the model; it is sent to the workers by pickle.
        workers: number of processes.

    Returns:
        What is in the shards.

    Raises:
        RunError: a worker ended before its work did.
    """
    counts, total = Counts(), sum(len(plan.shards[number]) for number in numbers)
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    theirs, ours = context.Pipe(duplex=False)
    pool = concurrent.futures.ProcessPoolExecutor(workers, context, _begin, (theirs, make_model, job, workers))
    try:
        waiting = [pool.submit(_label, plan.path(number), plan.shards[number]) for number in numbers]
        for future in concurrent.futures.as_completed(waiting):
            counts.add(future.result())
            show(counts.photos, total)
    except BrokenProcessPool as error:
        raise RunError("A worker process ended before its work did (killed, or out of memory): the shards that are "
                       "done stay, and the same command does the others; fewer --workers need less memory.") from error
    finally:
        ours.close()
        pool.shutdown(cancel_futures=True)
        theirs.close()
        remove_leftovers(plan.folder)
    return counts


def _begin(pipe, make_model, job, workers):
    """What a worker does first; the model waits until there is work, whose error then reaches the other side."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the first one tells
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    cores = max(1, (os.cpu_count() or 1) // workers)
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(name, str(cores))  # before TensorFlow is imported
    _worker.update(make_model=make_model, job=job)


def _end_with(pipe):
    """Wait until the other side of a pipe is closed, then end this process at once, in the midst of its work."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os._exit(1)


def _label(path, names):
    if "model" not in _worker:
        _worker["model"] = _worker["make_model"]()
    return write_shard(path, names, _worker["job"], _worker["model"])
