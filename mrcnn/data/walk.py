"""Walking all photos of a data set in threads."""

import concurrent.futures
import os
from collections.abc import Callable, Iterator, Sequence


def walk(function: Callable, items: Sequence, workers: int | None = None,
         progress: Callable | None = None) -> Iterator:
    """Results of a function for each item, in their order, computed by threads.

    Args:
        function: of one item.
        items: a sequence.
        workers: number of threads, each of which has one item at a time; None: one a core, at most 8.
        progress: called as progress(done, total) after each item, as that of `mrcnn.progress.progress_bar`.
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
