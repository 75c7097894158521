"""The rows of a collection as tables that can be counted: photos once, objects, who wears what. By DuckDB.

DuckDB reads Parquet by itself, counts ten million rows on two cores in seconds, keeps what does not fit into memory on
the disk, and brings no other package.
"""

import tempfile

import numpy as np

from mrcnn.collections.colour_names import CELL, NAMES, SHAPE, cells
from mrcnn.collections.near_copies import copy_leaders
from mrcnn.collections.reading import Collection
from mrcnn.collections.rows import PEOPLE
from mrcnn.data.formats.parquet_files import load_pyarrow
from mrcnn.errors import DataError, UsageError

NEEDED = {"photo", "hash", "error", "object", "class", "score", "area", "height", "width", "colours", "attributes",
          "person"}
MEMORY = "3GB"
ATTRIBUTE_SCORE = 0.5  # least score of an attribute that counts
PERSONS = 1 << 16  # a person's number is below it
KINDS = ("class", "colour", "attribute")


def load_duckdb() -> object:
    """The module duckdb. Raises DataError if the package is not installed."""
    try:
        import duckdb
    except ImportError as error:
        raise DataError('Reports of collections need the package duckdb: pip install '
                        '"mrcnn-keras[collection]".') from error
    return duckdb


class Tables:
    """Tables of a collection, in DuckDB's memory.

    `photos` (id, photo, error), `kept` (id, photo) of those that count, `objects` (photo, object, person, outfit,
    class, score, share, colour, attributes), `names` (item, kind, class, detail, outfits) and `items` (outfit, item):
    what an outfit has at least one of. An outfit is what one person wears, where there are no persons what one
    photo shows.

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
        self._objects()
        self._outfits()

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
        for path in self.collection.shards:  # one by one, so that the one that is damaged is named
            missing = sorted(NEEDED - set(self.collection.columns_of(path)))
            if missing:
                raise DataError(f"{path} has no column {', '.join(missing)}: it was not written by collection label; "
                                "move it away.")
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in self.collection.shards)
        self.run(f"CREATE VIEW raw AS SELECT * FROM read_parquet([{listed}], union_by_name = true)")
        self.facts["rows"] = self.one("SELECT count(*) FROM raw")

    def _photos(self, copies):
        self.run("""CREATE TABLE photos AS SELECT row_number() OVER (ORDER BY photo) - 1 AS id, photo, hash, error
            FROM raw WHERE object IS NULL OR object = 0""")  # the first row of each photo
        readable = "error IS NULL AND hash IS NOT NULL"
        found = self.run(f"SELECT id, hash FROM photos WHERE {readable} ORDER BY id").fetchnumpy()
        ids, hashes = np.asarray(found["id"]), np.asarray(found["hash"])
        leaders, bits = copy_leaders(hashes) if len(ids) else (np.arange(0), 0)
        kept = ids[np.unique(leaders)]
        self.facts.update(photos=self.one("SELECT count(*) FROM photos"), copies=int(len(ids) - len(kept)), bits=bits,
                          unreadable=self.one("SELECT count(error) FROM photos"))
        self.database.register("chosen", load_pyarrow()[0].table({"id": np.asarray(ids if copies else kept, np.int64)}))
        self.run("CREATE TABLE kept AS SELECT photos.id, photo FROM photos JOIN chosen USING (id)")
        self.database.unregister("chosen")
        self.facts["counted"] = self.one("SELECT count(*) FROM kept")

    def _objects(self):
        people = ", ".join(f"'{name}'" for name in PEOPLE)
        known = [name for (name,) in self.rows("SELECT DISTINCT class FROM raw WHERE class IS NOT NULL ORDER BY 1")]
        for name in self.classes or ():
            if name not in known:
                raise UsageError(f"--classes {name}: the collection has {', '.join(known) or 'no objects'}.")
        self.people = any(name.lower() in PEOPLE for name in known)
        listed = ", ".join("'" + name.replace("'", "''") + "'" for name in self.classes or known)
        named = {"cell": np.arange(np.prod(SHAPE)), "colour": cells().astype(np.int8)}
        self.database.register("cells", load_pyarrow()[0].table(named))
        cell = (f"(floor(greatest(colours[1].l, 0) / {CELL}) * {SHAPE[1]} + floor((colours[1].a + 128) / {CELL})) "
                f"* {SHAPE[2]} + floor((colours[1].b + 128) / {CELL})")
        outfit = f"kept.id * {PERSONS}"
        if self.people:
            outfit = f"CASE WHEN person IS NOT NULL AND lower(class) NOT IN ({people}) THEN {outfit} + person END"
        self.run(f"""CREATE TABLE objects AS SELECT kept.id AS photo, object, person, {outfit} AS outfit, class, score,
            area / (height::DOUBLE * width) AS share, cells.colour, list_transform(list_filter(attributes,
            lambda told: told.score >= {ATTRIBUTE_SCORE}), lambda told: told.name) AS attributes
            FROM raw JOIN kept USING (photo) LEFT JOIN cells ON cells.cell = ({cell})::BIGINT
            WHERE object IS NOT NULL AND score >= {float(self.min_score)} AND class IN ({listed or "''"})""")
        self.database.unregister("cells")
        self.facts["objects"] = self.one("SELECT count(*) FROM objects")
        self.facts["weak"] = self.one(f"SELECT count(*) FROM raw WHERE score < {float(self.min_score)}")
        self.facts["nobody"] = self.one(
            f"SELECT count(*) FROM objects WHERE outfit IS NULL AND lower(class) NOT IN ({people})")

    def _outfits(self):
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
        self.facts["outfits"] = self.one("SELECT count(DISTINCT outfit) FROM objects")

    def item_names(self) -> dict[int, tuple[str, str, str]]:
        """{item: (kind, class, text)}: "pants", "blue pants" of a colour, "top, striped" of an attribute."""
        found = {}
        for item, kind, name, detail in self.rows("SELECT item, kind, class, detail FROM names"):
            told = NAMES[int(detail)] if kind == 1 else detail
            text = name if kind == 0 else f"{told} {name}" if kind == 1 else f"{name}, {told}"
            found[item] = KINDS[kind], name, text
        return found

