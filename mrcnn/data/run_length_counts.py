"""The counts of run lengths, as text or as numbers, read and checked many masks at a time."""

import itertools
import numbers
from collections.abc import Sequence

import numpy as np

from mrcnn.errors import DataError

MOST_PIXELS = 2**32 - 1  # of a photo: C code counts them in 32 bits
LONGEST_NUMBER = 7  # characters of five bits: a difference of two numbers of 32 bits has 33 bits and a sign


def checked_size(size: Sequence, of: str = "the photo", least: int = 1) -> tuple[int, int]:
    """The size of a photo as whole numbers.

    Args:
        size: [H, W] pixels; 480.0 is taken for 480
        of: what has this size, for the message
        least: pixels of a side

    Returns:
        (H, W), ints.

    Raises:
        DataError: it is no such pair, or has more than MOST_PIXELS.
    """
    if not isinstance(size, (list, tuple)) or len(size) != 2 or not all(_is_whole(side, least) for side in size):
        raise DataError(f"{of} has size {size}: give [height, width] in whole pixels")
    height, width = int(size[0]), int(size[1])
    if height * width > MOST_PIXELS:
        raise DataError(f"{of} has size {height}x{width}, more than {MOST_PIXELS} pixels: correct it")
    return height, width


def _is_whole(value, least):
    known = type(value) is int or (isinstance(value, numbers.Real) and not isinstance(value, bool))
    return known and value >= least and value % 1 == 0


def turns(count: int, first: np.ndarray | tuple = ()) -> np.ndarray:
    """Whether each run is inside: every second one of each mask.

    Args:
        count: R, number of runs
        first: [N + 1] where among them each mask begins; one mask by default

    Returns:
        bool [R].
    """
    inside = np.zeros(count, bool)
    inside[1::2] = True
    if len(first) > 2:  # those of a mask that begins at an odd place are the others
        inside ^= np.repeat(first[:-1] % 2 == 1, np.diff(first))
    return inside


def joined(runs: np.ndarray) -> np.ndarray:
    """The same mask without runs of no length but the first: their neighbours become one.

    Args:
        runs: int64 [R] pixels, outside first

    Returns:
        int64 [at most R] pixels.
    """
    kept = np.append(0, np.flatnonzero(runs[1:]) + 1)
    changes = np.append(True, np.diff(kept % 2) != 0)
    return np.add.reduceat(runs[kept], np.flatnonzero(changes))


def checked_runs(rles: Sequence[dict], shape: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray] | None:
    """The runs of RLEs, one mask after the other, after a look at all of them.

    Args:
        rles: list of N RLEs, compressed or not
        shape: (H, W) that they must have; None takes each one's own

    Returns:
        (int64 [R] lengths in pixels, outside first; int64 [N + 1] where among them each mask begins)

    Raises:
        DataError: one is no RLE, has another size, or does not cover it exactly.
    """
    sizes, counts = [], []
    for rle in rles:
        if not isinstance(rle, dict) or not isinstance(rle.get("counts"), (str, bytes, list, tuple, np.ndarray)):
            raise DataError('an RLE must be {"size": [H, W], "counts": ...}')
        sizes.append(checked_size(rle.get("size"), "the RLE"))
        if shape is not None and sizes[-1] != tuple(shape):
            raise DataError(f"the RLE has size {list(sizes[-1])}, the photo {list(shape)} (height, width)")
        counts.append(rle["counts"])
    runs, first = _read(counts)
    if len(runs) and runs.min() < 0:
        raise DataError(f"the RLE has a run of {runs.min()} pixels")
    if len(runs) and runs.max() > MOST_PIXELS:  # the sums below stay within 64 bits
        raise DataError(f"the RLE covers more than {MOST_PIXELS} pixels")
    covered = sums(runs, first)
    area = np.array([height * width for height, width in sizes], np.int64)
    if (covered != area).any():
        wrong = int((covered != area).argmax())
        raise DataError(f"the RLE covers {covered[wrong]} pixels, the photo has {area[wrong]}")
    return runs, first


def sums(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The sum over the runs of each mask.

    Args:
        values: int64 [R], of each run
        first: [N + 1] where among them each mask begins

    Returns:
        int64 [N].
    """
    total = np.zeros(len(values) + 1, np.int64)
    values.cumsum(out=total[1:])
    total = total[first]
    return total[1:] - total[:-1]


def _read(counts):
    """The runs of many counts, compressed or not, as `_checked` gives them."""
    texts = [i for i, one in enumerate(counts) if isinstance(one, (str, bytes))]
    runs, first = _from_texts([counts[i] for i in texts])
    if len(texts) == len(counts):
        return runs, first
    pieces = [None if isinstance(one, (str, bytes)) else _from_list(one) for one in counts]
    for place, i in enumerate(texts):
        pieces[i] = runs[first[place] : first[place + 1]]
    return np.concatenate(pieces), np.cumsum([0] + [len(piece) for piece in pieces])


def _from_list(counts):
    """int64 [R] of a list of run lengths; numbers such as 3.0 are taken for 3."""
    try:
        values = np.asarray(counts)
    except (TypeError, ValueError, OverflowError):
        values = np.zeros(0, object)
    if values.ndim != 1 or values.dtype.kind not in "iuf" or not np.isfinite(values).all() or (values % 1).any():
        raise DataError("the RLE's counts are no run lengths")
    return np.clip(values, -1, MOST_PIXELS + 1).astype(np.int64)  # what is beyond is refused by `checked_runs`


def _from_texts(texts):
    """The runs of compressed counts, as `checked_runs` gives them.

    A number is a row of characters from chr(48) on, five bits each, lowest first; the sixth bit says that it goes on,
    the fifth of the last is the sign. From the fourth number on it is the difference to the run length two before.
    """
    try:
        texts = [text.encode("ascii") if isinstance(text, str) else text for text in texts]
    except UnicodeEncodeError as error:
        raise DataError("the RLE's counts are no run lengths") from error
    codes = np.frombuffer(b"".join(texts), np.uint8) - np.uint8(48)  # those below 48 become large
    after = np.array([0, *itertools.accumulate(map(len, texts))])
    last = (codes < 32).nonzero()[0]
    begin = np.zeros_like(last)
    begin[1:] = last[:-1] + 1
    length = last - begin + 1
    if len(codes) and (codes.max() > 63 or codes[after[1:] - 1].max() > 31 or length.max() > LONGEST_NUMBER):
        raise DataError("the RLE's counts are no run lengths")
    first = last.searchsorted(after)
    values = (codes[begin] & 31).astype(np.int64)
    longer, place = (length > 1).nonzero()[0], 1
    while len(longer):
        values[longer] |= (codes[begin[longer] + place] & 31).astype(np.int64) << (5 * place)
        place += 1
        longer = longer[length[longer] > place]
    values -= np.where(codes[last] & 16, np.int64(1) << (5 * length), 0)
    for start, end in zip(first[:-1].tolist(), first[1:].tolist()):
        values[start + 1 : end : 2].cumsum(out=values[start + 1 : end : 2])
        values[start + 2 : end : 2].cumsum(out=values[start + 2 : end : 2])
    return values, first
