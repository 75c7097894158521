"""What is worn together: pairs and triples of garments, with their colours and attributes, and types of outfits."""

import dataclasses

import numpy as np

from mrcnn.collections.chance import itemsets, lift
from mrcnn.collections.rows import PEOPLE
from mrcnn.collections.tables import Tables

LEAST = 5  # outfits that a pair or triple must be in; below it the interval is not to be trusted
Counted = tuple[tuple[str, ...], int]  # classes, and outfits that have them
LARGEST = 400  # items of which triples are counted: the most frequent of those that can be in one
TRIPLE_KINDS = 2  # classes and colours: kinds below it


@dataclasses.dataclass
class Habit:
    """Things that are worn together.

    Attributes:
        things: their texts, in alphabetical order.
        items: their numbers.
        kinds: "class", "colour" or "attribute" of each.
        outfits: that have all.
        expected: outfits that would have all if each were worn without regard to the others.
        lift, low, high: outfits / expected, and its bounds at 95 %.
    """

    things: tuple[str, ...]
    items: tuple[int, ...]
    kinds: tuple[str, ...]
    outfits: int
    expected: float
    lift: float
    low: float
    high: float


def habits(tables: Tables, size: int, least: int = LEAST) -> list[Habit]:
    """Count pairs or triples of things of different classes.

    Classes go with classes, and colours and attributes with colours and attributes; triples are of
    classes or of colours, of the LARGEST most frequent of both, and where these are equally frequent of the first in
    alphabetical order, classes before colours.

    Args:
        tables: of a collection.
        size: 2 or 3.
        least: outfits that they must be in.

    Returns:
        The Habits, those first that are surest to be more than chance: in descending order of the lower bound.
    """
    total = tables.facts["outfits"]
    names = tables.item_names()
    count = dict(tables.rows("SELECT item, outfits FROM names"))
    # Items are numbered by kind and name, so that those at the limit are the same in each run.
    chosen = f"AND kind < {TRIPLE_KINDS} ORDER BY outfits DESC, item LIMIT {LARGEST}" if size == 3 else ""
    tables.run("CREATE OR REPLACE TEMP TABLE frequent AS SELECT items.*, names.kind > 0 AS detailed, names.kind, "
               "names.class FROM items JOIN names USING (item) WHERE item IN "
               f"(SELECT item FROM names WHERE outfits >= {int(least)} {chosen})")
    found = tables.rows(_PAIRS if size == 2 else _TRIPLES, least)
    if not found:
        return []
    table = np.array(found, np.int64)
    single = [np.array([count[item] for item in table[:, k]]) for k in range(size)]
    ratio, low, high = lift(table[:, size], single, total, list(table[:, size + 1:].T))
    habits = []
    for row, *values in zip(table.tolist(), ratio.tolist(), low.tolist(), high.tolist()):
        items = tuple(sorted(row[:size], key=lambda item: names[item][2]))
        habits.append(Habit(tuple(names[item][2] for item in items), items, tuple(names[item][0] for item in items),
                            row[size], row[size] / values[0], *values))
    return sorted(habits, key=lambda habit: (-habit.low, habit.things))


def left_of_triples(tables: Tables, least: int = LEAST) -> int:
    """Number of classes and colours in enough outfits that triples are not counted of. tables, least: as `habits`."""
    counted = tables.one("SELECT count(*) FROM names WHERE kind < ? AND outfits >= ?", TRIPLE_KINDS, least)
    return max(counted - LARGEST, 0)


_PAIRS = """
SELECT a.item, b.item, count(*) AS n FROM frequent AS a JOIN frequent AS b
ON a.outfit = b.outfit AND a.item < b.item AND a.detailed = b.detailed AND a.class <> b.class
GROUP BY 1, 2 HAVING n >= ? ORDER BY 1, 2"""

# A triple counts where each two of it do; a pair's outfits are counted once and looked up thrice.
_TRIPLES = """
WITH twos AS (SELECT a.item AS i, b.item AS j, count(*) AS n FROM frequent AS a JOIN frequent AS b
    ON a.outfit = b.outfit AND a.item < b.item AND a.kind = b.kind AND a.class <> b.class GROUP BY 1, 2),
threes AS (SELECT a.item AS i, b.item AS j, c.item AS k, count(*) AS n FROM frequent AS a
    JOIN frequent AS b ON a.outfit = b.outfit AND a.item < b.item AND a.kind = b.kind AND a.class <> b.class
    JOIN frequent AS c ON a.outfit = c.outfit AND b.item < c.item AND a.kind = c.kind AND a.class <> c.class
        AND b.class <> c.class
    GROUP BY 1, 2, 3 HAVING n >= ?)
SELECT threes.i, threes.j, threes.k, threes.n, ij.n, ik.n, jk.n FROM threes
JOIN twos AS ij ON threes.i = ij.i AND threes.j = ij.j JOIN twos AS ik ON threes.i = ik.i AND threes.k = ik.j
JOIN twos AS jk ON threes.j = jk.i AND threes.k = jk.j ORDER BY 1, 2, 3"""


def outfit_types(tables: Tables, share: float = 0.01) -> tuple[list[Counted], list[Counted]]:
    """Count outfits by the classes that they have.

    Args:
        tables: of a collection.
        share: of the outfits that a frequent set must be in at least.

    Returns:
        ([(classes, outfits with exactly these)], [(classes, outfits with at least these)]), in descending order. Those
        with no class that counts are of the classes ().
    """
    sets = {tuple(classes): count for classes, count in tables.rows(
        "SELECT classes, count(*) AS n FROM (SELECT list_sort(list(DISTINCT class)) AS classes FROM objects "
        "WHERE outfit IS NOT NULL GROUP BY outfit) GROUP BY 1 ORDER BY n DESC, 1")}
    exactly = {**sets, **({(): tables.facts["bare"]} if tables.facts["bare"] else {})}
    return (sorted(exactly.items(), key=lambda entry: (-entry[1], entry[0])),
            itemsets(sets, max(LEAST, int(share * tables.facts["outfits"]))))


def counts_by_class(tables: Tables) -> list[dict]:
    """Count the objects of each class.

    Returns:
        One dict for each class, in descending order of objects: "class", "objects", "photos", "outfits" (None of
        persons: an outfit is what they wear), "share" (the median share of its photo's pixels), "score" (the median),
        "colours" [(position in NAMES, objects)], "attributes" [(name, objects)].
    """
    found = []
    for name, objects, photos, outfits, share, score in tables.rows(
            "SELECT class, count(*) AS n, count(DISTINCT photo), count(DISTINCT outfit), median(share), median(score) "
            "FROM objects GROUP BY 1 ORDER BY n DESC, 1"):
        found.append({"class": name, "objects": objects, "photos": photos,
                      "outfits": None if name.lower() in PEOPLE else outfits, "share": share, "score": score,
                      "colours": [], "attributes": []})
    of = {entry["class"]: entry for entry in found}
    for name, colour, count in tables.rows("SELECT class, colour, count(*) AS n FROM objects WHERE colour IS NOT NULL "
                                           "GROUP BY 1, 2 ORDER BY 1, n DESC, 2"):
        of[name]["colours"].append((colour, count))
    for name, attribute, count in tables.rows("SELECT class, attribute, count(*) AS n FROM (SELECT class, "
                                              "unnest(attributes) AS "
                                              "attribute FROM objects) GROUP BY 1, 2 ORDER BY 1, n DESC, 2"):
        of[name]["attributes"].append((attribute, count))
    return found

