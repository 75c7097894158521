"""Splits of a data set into parts such as train and val: random or stratified by class, seeded, kept in a file.

A split is {"seed", "method", "shares": {part: share asked for}, "parts": {part: [photo names]}}; photos go by
`mrcnn.data.annotated.photo_name`.
"""

import math
import os
import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np

from mrcnn.data.annotated import photo_name, select
from mrcnn.data.curation.split_presets import PRESETS, TRAIN_AND_VAL
from mrcnn.data.dataset import Dataset, Kind
from mrcnn.data.objects import class_counts
from mrcnn.data.photo_names import as_called
from mrcnn.data.shared_photos import roboflow_source
from mrcnn.errors import DataError
from mrcnn.files import read_json, text_table, write_json

WITHIN = 0.02  # of its share of the photos a part of a stratified split is

# --- Making splits ---------------------------------------------------------------------------------------------------


def random_split(dataset: Dataset, parts: dict[str, float] = TRAIN_AND_VAL, seed: int = 0,
                 groups: dict | Sequence | None = None, keep_copies: bool = True) -> dict:
    """Split photos at random; without groups, parts have their shares to within one photo.

    Args:
        dataset: prepared Dataset.
        parts: {name: share}, shares of 1 in all.
        seed: the same one gives the same split.
        groups: photos that stay together: {photo name: group}, or a list with the group of each photo; a photo without
            one, or with None, is a group of its own. Photos of the same name always stay together.
        keep_copies: whether the copies that Roboflow makes of a photo, NAME.rf.HASH.jpg, stay together too; a warning
            tells of them.

    Returns:
        A split.

    Raises:
        DataError: if the shares are not of 1 in all, or there are fewer groups than parts.
    """
    shown = np.zeros((len(dataset.image_ids), 0), int)
    return _split(dataset, "random", parts, seed, groups, shown, keep_copies)


def stratified_split(dataset: Dataset, parts: dict[str, float] = TRAIN_AND_VAL, seed: int = 0,
                     groups: dict | Sequence | None = None, counts: np.ndarray | None = None,
                     keep_copies: bool = True) -> dict:
    """Split photos so that each class has its share of photos in every part (Sechidis et al. 2011, algorithm 1).

    A class that is shown by at least as many groups as there are parts comes into every part, unless the photos it
    shares with other such classes leave no way, or the part would be more than WITHIN from its share of the photos.

    Args:
        dataset, parts, seed, groups, keep_copies: as for `random_split`.
        counts: of `class_counts`, if known.

    Returns:
        A split.

    Raises:
        DataError: as there.
    """
    counts = class_counts(dataset) if counts is None else counts
    return _split(dataset, "stratified", parts, seed, groups, np.asarray(counts) > 0, keep_copies)


def preset_split(dataset: Dataset, name: str, seed: int = 0, groups: dict | None = None,
                 counts: np.ndarray | None = None, keep_copies: bool = True) -> dict:
    """The split of one of PRESETS: 80 % of the photos to train on and 20 % to validate on.

    Args:
        dataset, seed, counts, keep_copies: as for `stratified_split`.
        name: of a preset.
        groups: {photo name: group}.

    Raises:
        DataError: for a name that is no preset's.
    """
    if name not in PRESETS:
        raise DataError(f"No preset {name!r} of splits: take one of {', '.join(PRESETS)}.")
    limit, method = PRESETS[name]
    chosen = dataset if limit is None else select(dataset, dataset.image_ids[:limit])
    if method == "random":
        return random_split(chosen, TRAIN_AND_VAL, seed, groups, keep_copies)
    counts = None if counts is None else counts[:limit]
    return stratified_split(chosen, TRAIN_AND_VAL, seed, groups, counts, keep_copies)


def _split(dataset, method, parts, seed, groups, shown, keep_copies):
    """A split. shown: [M, K] whether a photo shows a class, by which to stratify."""
    shares = _checked_shares(parts)
    names = [photo_name(dataset, i) for i in dataset.image_ids]
    of_photo = _group_numbers(names, groups)
    copies = _copies(names) if keep_copies else {}
    if copies:
        of_photo = _joined(of_photo, [copies.get(name) for name in names])
    count = of_photo.max(initial=-1) + 1
    if count == 1 < len(names):
        raise DataError(
            f"All {len(names)} photos are one group that stays together, which cannot be split: give more groups, or "
            "call fewer photos near-duplicates (--near-duplicates BITS with fewer bits)"
            + (", or part Roboflow's copies (keep_copies=False, --no-keep-copies)." if copies else ".")
        )
    if count < len(shares):
        raise DataError(f"{count} photos or groups of them cannot be split into {len(shares)} parts: "
                        + ("use fewer parts." if count > 1 else "give more photos."))
    weights = np.zeros((count, shown.shape[1] + 1), np.int64)
    np.add.at(weights, of_photo, np.column_stack([shown, np.ones(len(names), bool)]))
    chosen = _balanced_parts(weights, np.array(list(shares.values())), np.random.default_rng(seed))[of_photo]
    members = {part: [] for part in shares}
    for name, part in dict(zip(names, chosen)).items():
        members[list(shares)[part]].append(name)
    return {"seed": int(seed), "method": method, "shares": shares, "parts": members}


def _checked_shares(parts):
    shares = {str(name): float(share) for name, share in parts.items()}
    if not shares or not all(share > 0 for share in shares.values()) or not math.isclose(sum(shares.values()), 1):
        shown = ", ".join(f"{name}: {share:g}" for name, share in shares.items())
        raise DataError(f"Parts {{{shown}}} of a split: give shares above 0 that make 1, such as train: 0.8, val: 0.2.")
    return shares


def _group_numbers(names, groups):
    """int [M]: number of the group of each photo, counted from 0 in the order of their first photos."""
    if groups is None:
        groups = {}
    elif not isinstance(groups, dict):
        if len(groups) != len(names):
            raise DataError(f"{len(groups)} groups for {len(names)} photos: give one for each, or a dict by name.")
        groups = dict(zip(names, groups))
    numbers = {}
    # The first entry of a key tells a group from the name of a photo that has none.
    keys = [(False, name) if groups.get(name) is None else (True, groups[name]) for name in names]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], int)


def _copies(names):
    """{photo name: its source} of the copies that Roboflow made of photos, where there are several; they are told."""
    sources = {name: roboflow_source(name) for name in names}
    times = Counter(sources.values())
    copies = {name: source for name, source in sources.items() if source is not None and times[source] > 1}
    if copies:
        warnings.warn(f"{len(copies)} photos are copies of {len(set(copies.values()))}, by their names of Roboflow "
                      f"(NAME.rf.HASH; first: {next(iter(copies))}): copies of one photo stay together; "
                      "keep_copies=False (--no-keep-copies) parts them, where other photos have one name.",
                      stacklevel=4)
    return copies


def _joined(numbers, keys):
    """Group numbers of which those are one that photos of one key have; a photo of key None joins none."""
    parent = np.arange(numbers.max(initial=-1) + 1)

    def root(i):
        while parent[i] != i:
            i = parent[i]
        return i

    first = {}
    for number, key in zip(numbers, keys):
        if key is not None:
            a, b = root(first.setdefault(key, number)), root(number)
            parent[max(a, b)] = min(a, b)
    return np.unique([root(number) for number in numbers], return_inverse=True)[1]


def _balanced_parts(weights, shares, rng):
    """The part of each group, balanced for each column of weights, the rarest first.

    weights: int [G, K + 1], how many photos of a group count for a column; the last one counts all of them
    shares: float [P]; rng: numpy Generator

    Returns int [G]. Groups are dealt, as in Sechidis 2011, each to the part that lacks most photos of the column, of
    those to the one that lacks most photos, and of those to any. A part is owed one photo of a column at least, if
    there are groups enough.
    """
    present = weights > 0
    groups_left = present.sum(axis=0)
    owed = shares[:, None] * weights.sum(axis=0)
    enough = groups_left >= len(shares)
    lacking = np.where(enough, np.maximum(1 - owed, 0), 0)
    owed[np.argmax(shares)] -= lacking.sum(axis=0)
    owed += lacking
    order = rng.permutation(len(weights))
    order = order[np.argsort(-weights[order, -1], kind="stable")]  # large groups first: small ones even out the rest
    parts = np.full(len(weights), -1)
    while groups_left.any():
        column = np.argmin(np.where(groups_left > 0, groups_left, groups_left.max() + 1))
        for group in order[present[order, column] & (parts[order] < 0)]:
            needs = np.flatnonzero(owed[:, column] >= owed[:, column].max() - 1e-9)
            needs = needs[owed[needs, -1] >= owed[needs, -1].max() - 1e-9]
            parts[group] = part = needs[rng.integers(len(needs))] if len(needs) > 1 else needs[0]
            owed[part] -= weights[group]
        groups_left = present[parts < 0].sum(axis=0)
    _bring_into_every_part(parts, present, weights[:, -1], len(shares))
    _even_out(parts, weights, shares)
    return parts


def _bring_into_every_part(parts, present, sizes, count):
    """Move groups, in place, so that columns with groups enough come into every part; dealing may have failed in that.

    parts: int [G]; present: bool [G, K + 1]; sizes: photos of each group; count: number of parts
    """
    totals = present.sum(axis=0)
    enough = totals >= count
    held = np.stack([present[parts == part].sum(axis=0) for part in range(count)])
    for column in np.argsort(totals, kind="stable"):
        for part in np.flatnonzero(held[:, column] == 0) if enough[column] else ():
            groups = np.flatnonzero(present[:, column])
            # A group may go if its part keeps each column that it should have.
            may_go = ((held[parts[groups]] > 1) | ~present[groups] | ~enough).all(axis=1)
            if may_go.any():
                groups = groups[may_go]
                group = groups[np.lexsort([sizes[groups], present[groups].sum(axis=1)])[0]]
                held[parts[group]] -= present[group]
                held[part] += present[group]
                parts[group] = part


def _even_out(parts, weights, shares):
    """Move groups, in place, until the photos of each part are its share to within WITHIN, as far as groups allow.

    Of many rare columns each draws photos into the small parts, which come to far more than their share. The groups go
    that leave the columns balanced best, and those last with which a column would leave a part.

    parts: int [G]; weights: int [G, K + 1]; shares: float [P]
    """
    present, totals = weights > 0, weights.sum(axis=0)
    wanted = shares[:, None] * totals
    held = np.stack([weights[parts == part].sum(axis=0) for part in range(len(shares))])
    bearers = np.stack([present[parts == part].sum(axis=0) for part in range(len(shares))])
    while True:
        excess = held[:, -1] - wanted[:, -1]
        give, take = int(np.argmax(excess)), int(np.argmin(excess))
        groups = np.flatnonzero(parts == give)
        groups = groups[: 0 if len(groups) == 1 else None]  # no part is emptied
        groups = groups[weights[groups, -1] < excess[give] - excess[take]]  # others would only change the sides
        if max(excess[give], -excess[take]) <= max(WITHIN * totals[-1], 0.5) or not len(groups):
            return
        moved = weights[groups]
        after = (held[give] - moved - wanted[give]) ** 2 + (held[take] + moved - wanted[take]) ** 2
        leave = (present[groups] & (bearers[give] == 1)).sum(axis=1)
        group = groups[np.lexsort([(after / np.maximum(totals, 1)).sum(axis=1), leave])[0]]
        for part, sign in ((give, -1), (take, 1)):
            held[part] += sign * weights[group]
            bearers[part] += sign * present[group]
        parts[group] = take


# --- Classes ---------------------------------------------------------------------------------------------------------


def split_table(dataset: Dataset, split: dict, counts: np.ndarray | None = None) -> str:
    """A text table of photos and objects of each class in every part: their shares, beside the shares asked for.

    Args:
        dataset: prepared Dataset.
        split: of these functions.
        counts: of `class_counts`, if known.
    """
    counts = class_counts(dataset) if counts is None else np.asarray(counts)
    row_of = {photo_name(dataset, i): row for row, i in enumerate(dataset.image_ids)}
    parts = split["parts"]
    rows = {part: [row_of[name] for name in names if name in row_of] for part, names in parts.items()}
    lines = [("photos", [len(rows[part]) for part in parts]), ("objects", [counts[rows[part]].sum() for part in parts])]
    objects = np.stack([counts[rows[part]].sum(axis=0) for part in parts], axis=1)
    totals = objects.sum(axis=1)
    lines += [(dataset.class_names[i + 1], objects[i]) for i in np.argsort(-totals, kind="stable") if totals[i]]
    table = [["", *(cell for part in parts for cell in (part, ""))]]
    for name, values in lines:
        total = max(sum(values), 1)
        table.append([name, *(cell for value in values for cell in (int(value), f"{100 * value / total:.1f} %"))])
    asked = split.get("shares")
    if asked:
        table.insert(2, ["asked for", *(cell for part in parts for cell in ("", f"{100 * asked[part]:.1f} %"))])
    bare = int((totals == 0).sum())
    return text_table(table) + (f"\n{bare} of {len(totals)} classes have no object" if bare else "")


# --- Files -----------------------------------------------------------------------------------------------------------


def write_split(path: str | os.PathLike, split: dict) -> None:
    """Write a split file, whole or not at all."""
    write_json(path, split)


def read_split(path: str | os.PathLike) -> dict:
    """The split in a file.

    Raises:
        DataError: if it is none, has an empty part, or a photo in two parts.
    """
    split = read_json(path, "split file (made by `data split`)")
    parts = split.get("parts") if isinstance(split, dict) else None
    lists = isinstance(parts, dict) and all(isinstance(names, list) for names in parts.values())
    if not lists or not parts or not all(isinstance(name, str) for names in parts.values() for name in names):
        raise DataError(f'{path}: no split file, for it has no "parts" of photo names: make one by `data split`.')
    part_of = {}
    for part, names in parts.items():
        if not names:
            raise DataError(f"{path}: its part {part!r} is empty: put photos in, or take the part out.")
        for name in names:
            if name in part_of:
                where = f"in both {part_of[name]!r} and {part!r}" if part_of[name] != part else f"twice in {part!r}"
                raise DataError(f"{path}: photo {name} is {where}: leave it in one place.")
            part_of[name] = part
    return split


def apply_split(dataset: Kind, split: dict, part: str) -> Kind:
    """A prepared copy of a data set with the photos of one part, in the data set's order.

    Raises:
        DataError: if the split has no such part, or the data set lacks photos of it other than those it skipped.
    """
    if part not in split["parts"]:
        raise DataError(f"The split has no part {part!r}: it has {', '.join(split['parts'])}.")
    names = [photo_name(dataset, i) for i in dataset.image_ids]
    skipped = {fault.photo for fault in getattr(dataset, "faults", ())}
    known = skipped.union(names)
    wanted = {as_called(name, known) for name in split["parts"][part]}
    unknown = sorted(wanted - set(names) - skipped)
    if unknown:
        shown = ", ".join(unknown[:3]) + (", ..." if len(unknown) > 3 else "")
        raise DataError(
            f"{len(unknown)} of the {len(wanted)} photos in part {part!r} of the split are not in the data, which has "
            f"{len(names)}: {shown}: give the annotations that were split."
        )
    chosen = select(dataset, [i for i, name in zip(dataset.image_ids, names) if name in wanted])
    if hasattr(dataset, "lost"):
        chosen.lost = [loss for loss in dataset.lost if loss.photo in wanted]
    return chosen
