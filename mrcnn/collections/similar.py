"""The objects of a collection that are most alike to given ones, by the cosine of their embeddings.

The search is exact: each query is multiplied with each row, some rows at a time, so that memory does not grow with the
collection. A million rows of 256 numbers are read and compared in seconds; the time grows with the rows.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.collections.colour_names import colour_numbers
from mrcnn.collections.near_copies import cells_of, same_pictures
from mrcnn.collections.reading import Collection
from mrcnn.collections.rows import COLUMNS, EMBEDDING
from mrcnn.errors import DataError

BLOCK = 16_384  # rows that are multiplied at once
LEAST_POOL = 200  # candidates of a query, of which near copies are taken out
READ = ("class", "score", "hash", "object", EMBEDDING)


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is looked for.

    Args:
        vectors: float32 [Q, C], embeddings of the queries.
        classes: of what each query is compared with; None: any.
        hash: of the queries' photo; near copies of it are left out.
        count: matches of each query at most.
        min_score: least score of an object that is compared.
        copies: True keeps near copies, of the queries' photo and of each other.
        colours: of what each query is compared with, as positions in NAMES of `mrcnn.collections.colour_names`; None:
            of any colour.
        thumbnail: of the queries' photo; None: it has none, and its near copies are known by the hash alone.
    """

    vectors: np.ndarray
    classes: Sequence[str | None]
    hash: int
    count: int = 8
    min_score: float = 0.5
    copies: bool = False
    colours: Sequence[int] | None = None
    thumbnail: str | None = None


@dataclasses.dataclass(frozen=True)
class Match:
    """An object that is like a query.

    Args:
        cosine: of the two embeddings, -1..1.
        copy: whether its photo is a near copy of the queries'.
        row: its columns, less the embedding.
    """

    cosine: float
    copy: bool
    row: dict


@dataclasses.dataclass
class Found:
    """What a search found.

    Args:
        matches: of each query, best first.
        compared: number of objects that were compared with at least one query.
        copies: number of photos that show the same picture as the queries' photo, which may be one of them.
        repeated: number of better matches that were left out, as another one shows the same picture.
        older: number of shards without thumbnails.
    """

    matches: list[list[Match]]
    compared: int = 0
    copies: int = 0
    repeated: int = 0
    older: int = 0


def most_alike(collection: Collection, asked: Asked, show: Callable[[int, int], None] | None = None) -> Found:
    """Find the objects of a collection that are most alike to some.

    Of photos that show the same picture, by their hashes and thumbnails, the best match alone is given.

    Args:
        collection: that has embeddings.
        asked: what is looked for.
        show: called as show(shards done, shards in all).

    Returns:
        What was found.

    Raises:
        DataError: it has no embeddings, or others than the queries, or no object of this score.
    """
    pool = max(LEAST_POOL, 8 * asked.count)
    while True:
        found, best = _searched(collection, asked, pool, show)
        chosen = [_chosen(candidates, asked, found) for candidates in best]
        if all(len(places) == asked.count or len(candidates["cosine"]) < pool
               for places, candidates in zip(chosen, best)):
            break
        pool *= 8  # nearly all candidates show the same pictures
    found.matches = _with_rows(collection, asked, best, chosen)
    return found


def _searched(collection, asked, pool, show):
    """(Found without matches, for each query its candidates, as _NONE has them, best first)."""
    found, names = Found([]), sorted({name for name in asked.classes if name is not None})
    wanted = np.array([-1 if name is None else names.index(name) for name in asked.classes])
    best = [dict(_NONE) for _ in asked.classes]
    for number, shard in enumerate(collection.shards):
        columns = READ if asked.colours is None else (*READ, "colours")
        if "thumbnail" in collection.columns_of(shard):
            columns = (*columns, "thumbnail")
        else:
            found.older += 1
        for start, batch in collection.tables_of(shard, columns, BLOCK):
            rows = _rows(batch, names, asked.vectors.shape[1], shard)
            near = _copies(asked, rows["hash"], rows["cells"])
            found.copies += int((near & (rows["object"] == 0)).sum())
            counts = rows["score"] >= asked.min_score
            if not asked.copies:
                counts &= ~near
            cosines, used = rows["vectors"] @ asked.vectors.T, np.zeros(len(counts), bool)
            for query, class_number in enumerate(wanted):
                mine = counts if class_number < 0 else counts & (rows["class"] == class_number)
                if asked.colours is not None:
                    mine = mine & (rows["colour"] == asked.colours[query])
                used |= mine
                places = np.flatnonzero(mine)
                new = {"cosine": cosines[places, query], "shard": np.full(len(places), number),
                       "row": start + rows["row"][places], "hash": rows["hash"][places],
                       "cells": rows["cells"][places]}
                best[query] = _best(best[query], new, pool)
            found.compared += int(used.sum())
        if show:
            show(number + 1, len(collection.shards))
    return found, best


_NONE = {"cosine": np.empty(0, np.float32), "shard": np.empty(0, int), "row": np.empty(0, int),
         "hash": np.empty(0, np.uint64), "cells": cells_of(())}


def _copies(asked, hashes, cells):
    """Whether photos show the same picture as the queries' photo."""
    return same_pictures(hashes, cells, asked.hash, cells_of([asked.thumbnail])[0])


def _rows(batch, names, width, shard):
    """The objects of a table as arrays; "class" is the position in `names`, -1 for others; "colour" if it was read."""
    import pyarrow
    from pyarrow import compute

    embeddings = batch.column(EMBEDDING)
    held = np.flatnonzero(embeddings.is_valid().to_numpy(zero_copy_only=False))
    lengths = compute.unique(compute.list_value_length(embeddings).drop_null()).to_pylist()
    if lengths not in ([], [width]):
        raise DataError(f"{shard}: its embeddings have {lengths[0]} numbers, those that are looked for {width}: they "
                        "are of other weights, and cannot be compared.")
    objects = batch.take(pyarrow.array(held))
    found = compute.index_in(objects.column("class"), value_set=pyarrow.array(names, pyarrow.string()))
    vectors = embeddings.flatten().to_numpy(zero_copy_only=False)  # of those that are not null
    coloured = {"colour": largest_colours(objects.column("colours"))} if "colours" in objects.schema.names else {}
    shown = objects.column("thumbnail").to_pylist() if "thumbnail" in objects.schema.names else [None] * len(held)
    return {**coloured, "row": held, "cells": cells_of(shown),
            "class": found.fill_null(-1).to_numpy(zero_copy_only=False),
            "score": objects.column("score").to_numpy(zero_copy_only=False),
            "hash": objects.column("hash").to_numpy(zero_copy_only=False).astype(np.uint64),
            "object": objects.column("object").to_numpy(zero_copy_only=False),
            "vectors": vectors.reshape(-1, width).astype(np.float32)}


def largest_colours(column: object) -> np.ndarray:
    """Name the largest colours of rows.

    Args:
        column: "colours", a pyarrow.ListArray.

    Returns:
        int [N]: positions in NAMES of `mrcnn.collections.colour_names`, -1 for rows without a colour.
    """
    start, end = column.offsets.to_numpy()[:-1], column.offsets.to_numpy()[1:]
    held = column.is_valid().to_numpy(zero_copy_only=False) & (end > start)
    lab = [column.values.field(name).to_numpy(zero_copy_only=False)[start[held]] for name in "lab"]
    found = np.full(len(column), -1)
    found[held] = colour_numbers(np.stack(lab, axis=1).astype(float))
    return found


def _best(known, new, pool):
    """The best `pool` of two sets of candidates, best first; of equal ones those that come first."""
    joined = {name: np.concatenate([known[name], new[name].astype(known[name].dtype)]) for name in known}
    cosine = joined["cosine"]
    if len(cosine) > pool:
        least = np.partition(cosine, len(cosine) - pool)[len(cosine) - pool]
        joined = {name: values[cosine >= least] for name, values in joined.items()}
    order = np.argsort(-joined["cosine"], kind="stable")[:pool]
    return {name: values[order] for name, values in joined.items()}


def _chosen(candidates, asked, found):
    """Places of the candidates that are given: of those that show the same picture the best alone."""
    if asked.copies:
        return list(range(min(asked.count, len(candidates["cosine"]))))
    places, hashes, cells = [], candidates["hash"], candidates["cells"]
    for place in range(len(hashes)):
        if len(places) == asked.count:
            break
        if same_pictures(hashes[places], cells[places], hashes[place], cells[place]).any():
            found.repeated += 1
            continue
        places.append(place)
    return places


def _with_rows(collection, asked, best, chosen):
    """The Matches of each query; each shard is opened once."""
    places = {}
    for candidates, some in zip(best, chosen):
        for place in some:
            places.setdefault(int(candidates["shard"][place]), set()).add(int(candidates["row"][place]))
    rows = {}
    for shard, numbers in sorted(places.items()):
        numbers = sorted(numbers)
        rows.update(zip([(shard, number) for number in numbers],
                        collection.rows_at(collection.shards[shard], numbers, tuple(COLUMNS))))
    return [[Match(float(candidates["cosine"][place]),
                   bool(_copies(asked, candidates["hash"][[place]], candidates["cells"][[place]])[0]),
                   rows[int(candidates["shard"][place]), int(candidates["row"][place])]) for place in some]
            for candidates, some in zip(best, chosen)]
