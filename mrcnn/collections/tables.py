"""The rows of a collection as tables that can be counted: photos once, objects, who wears what. By DuckDB.

DuckDB reads Parquet by itself, counts ten million rows on two cores in seconds, keeps what does not fit into memory on
the disk, and brings no other package.
"""

import collections
import itertools
import os
import re
import tempfile
import warnings
from collections.abc import Iterator

import numpy as np

from mrcnn.collections.colour_names import NAMES, colour_numbers
from mrcnn.collections.near_copies import BY_GREY, cells_of, copy_leaders
from mrcnn.collections.reading import Collection
from mrcnn.collections.rows import PEOPLE, persons_of
from mrcnn.data.formats.parquet_files import load_pyarrow
from mrcnn.errors import DataError, UsageError
from mrcnn.files import listed_names

NEEDED = {"photo", "hash", "error", "object", "class", "score", "area", "height", "width", "colours", "attributes",
          "person"}
MEMORY = "3GB"
ATTRIBUTE_SCORE = 0.5  # least score of an attribute that counts
PERSONS = 1 << 16  # a person's number is below it
KINDS = ("class", "colour", "attribute")
NOTHING = "nothing that counts"  # of an outfit, in tables
READ_AT_ONCE = 10_000  # rows that come from DuckDB to Python
PICTURES = 1 << 18  # photos whose thumbnails do
_SIGNS = re.compile(r"[*?[]")  # of a pattern
_PEOPLE = "(" + ", ".join(f"'{name}'" for name in PEOPLE) + ")"


def load_duckdb() -> object:
    """The module duckdb. Raises DataError if the package is not installed."""
    try:
        import duckdb
    except ImportError as error:
        raise DataError('Reports of collections need the package duckdb: pip install '
                        '"mrcnn-keras[collection]".') from error
    return duckdb


def literal_path(path: str) -> str:
    """A path as DuckDB's SQL has it, which takes a path for a pattern, and ~ for the home.

    Args:
        path: of a file.

    Returns:
        The absolute path in quotes, in which the signs of a pattern stand for themselves.

    Raises:
        DataError: it has a backslash beside such signs, where DuckDB parts folders.
    """
    path = os.path.abspath(path)
    if _SIGNS.search(path):
        if os.sep == "/" and "\\" in path:
            raise DataError(f"{path}: DuckDB cannot read a path with a backslash and one of * ? [: rename the folder.")
        path = _SIGNS.sub(r"[\g<0>]", path)
    return "'" + path.replace("'", "''") + "'"


class Tables:
    """Tables of a collection, in DuckDB's memory.

    `photos` (id, photo, error), `kept` (id, photo) of those that count, `outfits` (outfit, photo), `objects` (photo,
    object, person, outfit, class, score, share, colour, attributes), `names` (item, kind, class, detail, outfits) and
    `items` (outfit, item): what an outfit has at least one of. An outfit is what one person wears, where there are no
    persons what one photo shows. Each person of a score that counts has one, or each photo that counts, whatever the
    classes are and even if nothing is in it: else "by chance" would be of those alone who wear something.

    Args:
        folder: of the collection.
        min_score: least score of an object that counts.
        classes: names of those that count; None: all.
        copies: whether near-duplicates count as photos of their own.

    Attributes:
        collection: the Collection.
        facts: {name: number} of what was read and left out.
        people: whether there are persons among the objects.

    Raises:
        UsageError: the collection lacks a class.
        DataError: the folder is no collection, a shard cannot be read, or the disk or the memory does not hold what is
            counted.
    """

    def __init__(self, folder: str, min_score: float = 0.5, classes: list[str] | None = None, copies: bool = False):
        self.collection = Collection(folder)
        planned, done = self.collection.planned, len(self.collection.shards)
        self.min_score, self.classes = min_score, classes
        self.database = load_duckdb().connect(config={
            "memory_limit": MEMORY, "preserve_insertion_order": False, "temp_directory": tempfile.gettempdir()})
        self.facts = {"shards": done, "missing": max(planned - done, 0)}
        self._read()
        self._photos(copies)
        self._outfits()
        self._objects()
        self._owners()
        self._items()

    def rows(self, query: str, *values: object) -> list[tuple]:
        """The rows that a query gives. values: of its question marks."""
        return self.run(query, *values).fetchall()

    def run(self, query: str, *values: object) -> object:
        """The answer of DuckDB to a statement.

        Args:
            query: the statement.
            values: of its question marks.

        Raises:
            DataError: it fails, as where the disk is full.
        """
        try:
            return self.database.execute(query, list(values))
        except load_duckdb().Error as error:
            raise DataError(f"{self.collection.folder}: DuckDB cannot count it ({' '.join(str(error).split())[:200]}): "
                            "see to room on the disk, or look at fewer photos.") from error

    def one(self, query: str, *values: object) -> object:
        """The single value that a query gives. values: of its question marks."""
        return self.rows(query, *values)[0][0]

    def _read(self):
        self._known = set()  # columns that some shard has
        for path in self.collection.shards:  # one by one, so that the one that is damaged is named
            columns = set(self.collection.columns_of(path))
            self._known |= columns
            missing = sorted(NEEDED - columns)
            if missing:
                raise DataError(f"{path} has no column {', '.join(missing)}: it was not written by collection label; "
                                "move it away.")
        listed = ", ".join(map(literal_path, self.collection.shards))
        # A folder called COLUMN=VALUE is a name and no column: else it would stand for that of the rows.
        self.run(f"CREATE VIEW raw AS SELECT * FROM read_parquet([{listed}], union_by_name = true, "
                 "hive_partitioning = false)")
        self.facts["rows"] = self.one("SELECT count(*) FROM raw")

    def _photos(self, copies):
        shown = "thumbnail" if "thumbnail" in self._known else "NULL::VARCHAR AS thumbnail"
        self.run(f"""CREATE TABLE photos AS SELECT row_number() OVER (ORDER BY photo) - 1 AS id, photo, hash, {shown},
            error FROM raw WHERE object IS NULL OR object = 0""")  # the first row of each photo
        ids, hashes, cells = self._pictures()
        leaders, bits, crowded = copy_leaders(hashes, cells)
        kept = ids[np.unique(leaders)]
        self.facts.update(photos=self.one("SELECT count(*) FROM photos"), copies=int(len(ids) - len(kept)), bits=bits,
                          unreadable=self.one("SELECT count(error) FROM photos"), crowded=crowded)
        grey = int(len(ids) - cells.any(axis=(1, 2)).sum())
        if grey and self.facts["copies"] and not copies:
            warnings.warn(f"{grey:,} photos of {self.collection.folder} {BY_GREY}, or --count-copies.", stacklevel=4)
        self.database.register("chosen", load_pyarrow()[0].table({"id": np.asarray(ids if copies else kept, np.int64)}))
        self.run("CREATE TABLE kept AS SELECT photos.id, photo FROM photos JOIN chosen USING (id)")
        self.database.unregister("chosen")
        self.facts["counted"] = self.one("SELECT count(*) FROM kept")

    def _pictures(self):
        """(numbers of the photos that could be read, their hashes, cells of their thumbnails)."""
        ids, hashes, cells = [np.empty(0, int)], [np.empty(0, np.uint64)], [cells_of(())]
        for start in range(0, self.one("SELECT count(*) FROM photos"), PICTURES):
            some = self.run("SELECT id, hash, thumbnail FROM photos WHERE error IS NULL AND hash IS NOT NULL "
                            "AND id BETWEEN ? AND ? ORDER BY id", start, start + PICTURES - 1).fetchnumpy()
            ids.append(np.asarray(some["id"]))
            hashes.append(np.asarray(some["hash"]))
            cells.append(cells_of(some["thumbnail"].tolist()))
        self.run("ALTER TABLE photos DROP COLUMN thumbnail")
        return tuple(map(np.concatenate, (ids, hashes, cells)))

    def _outfits(self):
        known = [name for (name,) in self.rows("SELECT DISTINCT class FROM raw WHERE class IS NOT NULL ORDER BY 1")]
        for name in self.classes or ():
            if name not in known:
                raise UsageError(f"--classes {listed_names([name])}: the collection has "
                                 f"{listed_names(known) or 'no objects'}.")
        self.people, self.counting = any(name.lower() in PEOPLE for name in known), self.classes or known
        self.run(f"CREATE TABLE outfits AS SELECT kept.id * {PERSONS} + object AS outfit, kept.id AS photo FROM raw "
                 f"JOIN kept USING (photo) WHERE score >= {float(self.min_score)} AND lower(class) IN {_PEOPLE}"
                 if self.people else
                 f"CREATE TABLE outfits AS SELECT id * {PERSONS} AS outfit, id AS photo FROM kept")
        self.facts["outfits"] = self.one("SELECT count(*) FROM outfits")

    def _objects(self):
        named = ", ".join("'" + name.replace("'", "''") + "'" for name in self.counting)
        self.database.create_function("colour_number", _colour_numbers, ["DOUBLE"] * 3, "TINYINT", type="arrow")
        outfit = f"kept.id * {PERSONS}"
        if self.people:
            outfit = f"CASE WHEN person IS NOT NULL AND lower(class) NOT IN {_PEOPLE} THEN {outfit} + person END"
        self.run(f"""CREATE TABLE objects AS SELECT kept.id AS photo, object, person, {outfit} AS outfit, class, score,
            area / (height::DOUBLE * width) AS share, colour_number(colours[1].l, colours[1].a, colours[1].b) AS colour,
            list_transform(list_filter(attributes, lambda told: told.score >= {ATTRIBUTE_SCORE}),
            lambda told: told.name) AS attributes FROM raw JOIN kept USING (photo)
            WHERE object IS NOT NULL AND score >= {float(self.min_score)} AND class IN ({named or "''"})""")
        # Of the photos and classes that count alone, so that both together are all that could count.
        self.facts["objects"] = self.one("SELECT count(*) FROM objects")
        self.facts["weak"] = self.one("SELECT count(*) FROM raw JOIN kept USING (photo) WHERE object IS NOT NULL "
                                      f"""AND score < {float(self.min_score)} AND class IN ({named or "''"})""")

    def _owners(self):
        """Give what a person below the least score has to the one above it who has most of its pixels."""
        self.run("CREATE TEMP TABLE lost AS SELECT photo, object FROM objects WHERE outfit IS NOT NULL "
                 "AND outfit NOT IN (SELECT outfit FROM outfits)")
        self.facts["lost"] = self.one("SELECT count(*) FROM lost")
        if self.facts["lost"]:
            photos, objects, persons = (list(column) for column in zip(*self._new_owners()))
            pyarrow = load_pyarrow()[0]
            self.database.register("owners", pyarrow.table({
                "photo": pyarrow.array(photos, pyarrow.int64()), "object": pyarrow.array(objects, pyarrow.int32()),
                "person": pyarrow.array(persons, pyarrow.int32())}))
            self.run(f"UPDATE objects SET person = owners.person, outfit = objects.photo * {PERSONS} + owners.person "
                     "FROM owners WHERE objects.photo = owners.photo AND objects.object = owners.object")
            self.database.unregister("owners")
        self.facts["nobody"] = self.one(
            f"SELECT count(*) FROM objects WHERE outfit IS NULL AND lower(class) NOT IN {_PEOPLE}")

    def _new_owners(self) -> Iterator[tuple[int, int, int | None]]:
        """(number of the photo, of the object, of its person or None) of each object of a person who does not count."""
        rows = _one_by_one(self.run(f"""SELECT kept.id, raw.object, lost.object IS NOT NULL, height, width, rle
            FROM raw JOIN kept USING (photo) LEFT JOIN lost ON lost.photo = kept.id AND lost.object = raw.object
            WHERE kept.id IN (SELECT photo FROM lost) AND (lost.object IS NOT NULL
                OR kept.id * {PERSONS} + raw.object IN (SELECT outfit FROM outfits)) ORDER BY 1, 2"""))
        for photo, some in itertools.groupby(rows, key=lambda row: row[0]):
            some = list(some)
            told = [row for row in some if row[-1] is not None]
            rles = [{"size": [height, width], "counts": counts} for *_, height, width, counts in told]
            found = persons_of(rles, ["" if lost else PEOPLE[0] for _, _, lost, *_ in told])
            owner = {row[1]: None if place is None else told[place][1] for row, place in zip(told, found)}
            yield from ((photo, number, owner.get(number)) for _, number, lost, *_ in some if lost)

    def _items(self):
        self.run("""CREATE TABLE told AS SELECT DISTINCT outfit, kind, class, detail FROM (
            SELECT outfit, 0 AS kind, class, NULL AS detail FROM objects
            UNION ALL SELECT outfit, 1, class, colour::VARCHAR FROM objects WHERE colour IS NOT NULL
            UNION ALL SELECT outfit, 2, class, unnest(attributes) FROM objects WHERE len(attributes) > 0)
            WHERE outfit IS NOT NULL""")
        self.run("""CREATE TABLE names AS SELECT row_number() OVER (ORDER BY kind, class, detail) - 1 AS item, *
            FROM (SELECT kind, class, detail, count(*) AS outfits FROM told GROUP BY ALL)""")
        self.run("""CREATE TABLE items AS SELECT outfit, item::INTEGER AS item FROM told JOIN names
            ON told.kind = names.kind AND told.class = names.class AND told.detail IS NOT DISTINCT FROM names.detail""")
        self.run("DROP TABLE told")
        self.facts["bare"] = self.facts["outfits"] - self.one("SELECT count(DISTINCT outfit) FROM items")

    def item_names(self) -> dict[int, tuple[str, str, str]]:
        """{item: (kind, class, text)}: "pants", "blue pants" of a colour, "top, striped" of an attribute.

        No two have one text: beside a class of this name it is "blue jeans (blue of jeans)".
        """
        plain = self.plain_names()
        times = collections.Counter(text for *_, text, _ in plain.values())
        return {item: (kind, name, f"{text} ({told} of {name})" if told and times[text] > 1 else text)
                for item, (kind, name, text, told) in plain.items()}

    def plain_names(self) -> dict[int, tuple[str, str, str, str | None]]:
        """{item: (kind, class, text, its colour or attribute or None)}; several may have one text."""
        found = {}
        for item, kind, name, detail in self.rows("SELECT item, kind, class, detail FROM names ORDER BY item"):
            told = NAMES[int(detail)] if kind == 1 else detail
            text = name if kind == 0 else f"{told} {name}" if kind == 1 else f"{name}, {told}"
            found[item] = KINDS[kind], name, text, told
        return found


def _colour_numbers(lightness, a, b):
    """`colour_numbers` of columns, so that a report names colours by the one rule that all commands have."""
    lab = np.stack([column.to_numpy(zero_copy_only=False) for column in (lightness, a, b)], axis=1)
    return load_pyarrow()[0].array(colour_numbers(lab).astype(np.int8))


def _one_by_one(answer):
    """The rows of an answer of DuckDB, of which no more than READ_AT_ONCE are in memory."""
    while rows := answer.fetchmany(READ_AT_ONCE):
        yield from rows
