"""The rows of a collection as tables that can be counted: photos once, objects, who wears what. By DuckDB.

DuckDB reads Parquet by itself, counts ten million rows on two cores in seconds, keeps what does not fit into memory on
the disk, and brings no other package.
"""

import glob
import os
import tempfile

import numpy as np

from mrcnn.collections.colour_names import CELL, NAMES, SHAPE, cells
from mrcnn.collections.near_copies import copy_leaders
from mrcnn.collections.rows import PEOPLE
from mrcnn.data.formats.parquet_files import load_pyarrow
from mrcnn.errors import DataError, UsageError
from mrcnn.files import read_json

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
    what an outfit has at least one of. An outfit is what one person wears, of a network that knows no persons what one
    photo shows.

    Args:
        folder: of the collection.
        min_score: least score of an object that counts.
        classes: names of those that count; None: all.
        copies: whether near-duplicates count as photos of their own.

    Attributes:
        root: folder of the photos.
        facts: {name: number} of what was read and left out.
        people: whether the network knows persons.

    Raises:
        UsageError: the folder is no collection, or lacks a class.
        DataError: a shard cannot be read.
    """

    def __init__(self, folder: str, min_score: float = 0.5, classes: list[str] | None = None, copies: bool = False):
        self.folder = folder
        self.paths, self.root, planned = shards_of(folder)
        self.min_score, self.classes = min_score, classes
        self.database = load_duckdb().connect(config={
            "memory_limit": MEMORY, "preserve_insertion_order": False, "temp_directory": tempfile.gettempdir()})
        self.facts = {"shards": len(self.paths), "missing": max(planned - len(self.paths), 0)}
        self._read()
        self._photos(copies)
        self._objects()
        self._outfits()

    def rows(self, query: str, *values: object) -> list[tuple]:
        """The rows that a query gives. values: of its question marks."""
        return self.database.execute(query, list(values)).fetchall()

    def one(self, query: str, *values: object) -> object:
        """The single value that a query gives. values: of its question marks."""
        return self.rows(query, *values)[0][0]

    def _read(self):
        duckdb = load_duckdb()
        for path in self.paths:  # one by one, so that the one that is damaged is named
            try:
                columns = {row[0] for row in self.rows("SELECT name FROM parquet_schema(?)", path)}
            except duckdb.Error as error:
                raise DataError(f"{path} cannot be read ({' '.join(str(error).split())[:200]}): remove it, and "
                                "collection label "
                                "writes it anew.") from error
            missing = sorted(NEEDED - columns)
            if missing:
                raise DataError(f"{path} has no column {', '.join(missing)}: it was not written by collection label; "
                                "move it away.")
        try:
            listed = ", ".join("'" + path.replace("'", "''") + "'" for path in self.paths)
            self.database.execute(f"CREATE VIEW raw AS SELECT * FROM read_parquet([{listed}], union_by_name = true)")
            self.facts["rows"] = self.one("SELECT count(*) FROM raw")
        except duckdb.Error as error:
            raise DataError(f"{self.folder}: the shards do not fit together "
                            f"({' '.join(str(error).split())[:200]}).") from error

    def _photos(self, copies):
        self.database.execute(
            "CREATE TABLE photos AS SELECT row_number() OVER (ORDER BY photo) - 1 AS id, * FROM "
            "(SELECT photo, hash, error FROM raw WHERE object IS NULL OR object = 0)")  # the first row of each photo
        found = self.database.execute("SELECT id, hash FROM photos WHERE error IS NULL AND hash IS NOT NULL ORDER BY "
                                      "id").fetchnumpy()
        ids, hashes = np.asarray(found["id"]), np.asarray(found["hash"])
        leaders, bits = copy_leaders(hashes) if len(ids) else (np.arange(0), 0)
        kept = ids[np.unique(leaders)]
        self.facts.update({
            "photos": self.one("SELECT count(*) FROM photos"), "unreadable": self.one("SELECT count(error) FROM "
                                                                                      "photos"),
            "copies": int(len(ids) - len(kept)), "bits": bits})
        self.database.register("chosen", load_pyarrow()[0].table({"id": np.asarray(ids if copies else kept, np.int64)}))
        self.database.execute("CREATE TABLE kept AS SELECT photos.id, photo FROM photos JOIN chosen USING (id)")
        self.database.unregister("chosen")
        self.facts["counted"] = self.one("SELECT count(*) FROM kept")

    def _objects(self):
        people = ", ".join(f"'{name}'" for name in PEOPLE)
        known = [name for (name,) in self.rows('SELECT DISTINCT class FROM raw WHERE class IS NOT NULL ORDER BY 1')]
        for name in self.classes or ():
            if name not in known:
                raise UsageError(f"--classes {name}: the collection has {', '.join(known) or 'no objects'}.")
        self.people = any(name.lower() in PEOPLE for name in known)
        wanted = ""
        if self.classes:
            listed = ", ".join("'" + name.replace("'", "''") + "'" for name in self.classes)
            wanted = f"AND class IN ({listed})"
        named = {"cell": np.arange(np.prod(SHAPE)), "colour": cells().astype(np.int8)}
        self.database.register("cells", load_pyarrow()[0].table(named))
        cell = (f"((floor(greatest(colours[1].l, 0) / {CELL}) * {SHAPE[1]} + floor((colours[1].a + 128) / {CELL})) * "
                f"{SHAPE[2]} "
                f"+ floor((colours[1].b + 128) / {CELL}))::BIGINT")
        outfit = f"kept.id * {PERSONS}"
        if self.people:
            outfit = f"CASE WHEN person IS NOT NULL AND lower(class) NOT IN ({people}) THEN {outfit} + person END"
        self.database.execute(
            f"CREATE TABLE objects AS SELECT kept.id AS photo, object, person, {outfit} AS outfit, class, score, "
            "area / (height::DOUBLE * width) AS share, cells.colour, "
            f"list_transform(list_filter(attributes, lambda told: told.score >= {ATTRIBUTE_SCORE}), lambda told: "
            "told.name) "
            f"AS attributes FROM raw JOIN kept USING (photo) LEFT JOIN cells ON cells.cell = {cell} "
            f"WHERE object IS NOT NULL AND score >= {float(self.min_score)} {wanted}")
        self.database.unregister("cells")
        self.facts["objects"] = self.one("SELECT count(*) FROM objects")
        self.facts["weak"] = self.one(f"SELECT count(*) FROM raw WHERE score < {float(self.min_score)}")
        self.facts["nobody"] = self.one("SELECT count(*) FROM objects WHERE outfit IS NULL AND lower(class) NOT IN "
                                        f"({people})")

    def _outfits(self):
        self.database.execute(
            "CREATE TABLE told AS SELECT DISTINCT outfit, kind, class, detail FROM ("
            "SELECT outfit, 0 AS kind, class, NULL AS detail FROM objects WHERE outfit IS NOT NULL UNION ALL "
            "SELECT outfit, 1, class, colour::VARCHAR FROM objects WHERE outfit IS NOT NULL AND colour IS NOT NULL "
            "UNION ALL "
            "SELECT outfit, 2, class, unnest(attributes) FROM objects WHERE outfit IS NOT NULL AND len(attributes) > "
            "0)")
        self.database.execute(
            "CREATE TABLE names AS SELECT row_number() OVER (ORDER BY kind, class, detail) - 1 AS item, * FROM "
            "(SELECT kind, class, detail, count(*) AS outfits FROM told GROUP BY ALL)")
        self.database.execute(
            "CREATE TABLE items AS SELECT outfit, item::INTEGER AS item FROM told JOIN names ON told.kind = "
            "names.kind AND "
            "told.class = names.class AND told.detail IS NOT DISTINCT FROM names.detail")
        self.database.execute("DROP TABLE told")
        self.facts["outfits"] = self.one("SELECT count(DISTINCT outfit) FROM objects")

    def item_names(self) -> dict[int, tuple[str, str, str]]:
        """{item: (kind, class, text)}: "pants", "blue pants" of a colour, "top, striped" of an attribute."""
        found = {}
        for item, kind, name, detail in self.rows("SELECT item, kind, class, detail FROM names"):
            told = NAMES[int(detail)] if kind == 1 else detail
            text = name if kind == 0 else f"{told} {name}" if kind == 1 else f"{name}, {told}"
            found[item] = KINDS[kind], name, text
        return found


def shards_of(folder: str) -> tuple[list[str], str, int]:
    """(paths of the shards, folder of the photos, number of planned shards). Raises UsageError without a collection."""
    about = os.path.join(folder, "collection.json")
    if not os.path.isfile(about):
        raise UsageError(f"{folder} is no collection (it has no collection.json): mrcnn collection label --output "
                         f"{folder} makes one.")
    identity = read_json(about, "description of a collection").get("identity")
    paths = sorted(glob.glob(os.path.join(glob.escape(folder), "shard-*.parquet")))
    if not isinstance(identity, dict) or not isinstance(identity.get("root"), str):
        raise UsageError(f"{about} describes no collection: give the folder that collection label wrote.")
    if not paths:
        raise UsageError(f"{folder} has no shards yet: mrcnn collection label writes them.")
    try:
        with open(os.path.join(folder, "shards.jsonl"), "rb") as file:
            planned = sum(1 for _ in file)
    except FileNotFoundError:
        planned = len(paths)
    return paths, identity["root"], planned
