"""Walking all photos of a data set in threads, with a bar that shows how far the walk is."""

import concurrent.futures
import os
import sys
import time

BAR = 30  # characters


def walk(function, items, workers=None, progress=None):
    """Results of a function for each item, in their order, computed by threads.

    workers: number of threads, each of which has one item at a time; None: one a core, at most 8
    progress: called as progress(done, total) after each item, for example a `progress_bar`
    """
    items = list(items)
    pool = concurrent.futures.ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1), "mrcnn-walk")
    try:
        results = []
        for result in pool.map(function, items):
            results.append(result)
            if progress:
                progress(len(results), len(items))
        return results
    finally:
        pool.shutdown(cancel_futures=True)  # an error or Ctrl-C does not wait for the items that are left


def progress_bar(what, stream=None):
    """A function (done, total) that draws a bar on a terminal, ten times a second; elsewhere it writes nothing.

    what: text in front of the bar; stream: None is stderr
    """
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        return lambda done, total: None
    drawn = -1.0

    def show(done, total):
        nonlocal drawn
        if done < total and time.monotonic() - drawn < 0.1:
            return
        drawn = time.monotonic()
        filled = BAR * done // max(total, 1)
        bar = "#" * filled + "." * (BAR - filled)
        stream.write(f"\r{what} [{bar}] {done}/{total}" + ("\n" if done == total else ""))
        stream.flush()

    return show
