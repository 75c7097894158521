"""Which rows under several names of a photo show the same object."""

from collections.abc import Hashable, Sequence


def same_rows(drawn: Sequence[tuple[Hashable, bytes]], names: Sequence[int],
              attributes: Sequence[set[int]]) -> list[tuple[int, int]]:
    """Pair the rows of a photo that show what a row under an earlier of its names shows.

    Of each name a row is paired with one other at most: with one of the same attributes, else the first that is left.

    Args:
        drawn: (class, mask) of each row; those of the class None are paired with none.
        names: index of the name of each row.
        attributes: ids of each row; those that a row is paired with get its own too.

    Returns:
        list of (index of a row, index of the row under an earlier name).
    """
    groups, pairs = {}, []
    for row, (shown, name) in enumerate(zip(drawn, names)):
        if shown[0] is not None:
            groups.setdefault(shown, {}).setdefault(name, []).append(row)
    for by_name in groups.values():
        objects, *others = (by_name[name] for name in sorted(by_name))
        for rows in others:
            equal, rest, taken = {}, [], set()
            for other in reversed(objects):
                equal.setdefault(frozenset(attributes[other]), []).append(other)
            for row in rows:
                same = equal.get(frozenset(attributes[row]))
                if same:
                    taken.add(same[-1])
                    pairs.append((row, same.pop()))
                else:
                    rest.append(row)
            left = [other for other in objects if other not in taken]
            for row, other in zip(rest, left):
                pairs.append((row, other))
                attributes[other] |= attributes[row]
            objects += rest[len(left):]
    return pairs
