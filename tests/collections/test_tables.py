"""The tables of a collection: which outfits there are, whose a garment is, and how its colour is called."""

import os
import warnings

import numpy as np
import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")

from made_collections import row, write_collection  # noqa: E402

from mrcnn.collections.colour_names import NAMES  # noqa: E402
from mrcnn.collections.looks import garment_of  # noqa: E402
from mrcnn.collections.tables import Tables  # noqa: E402
from mrcnn.collections.together import habits, outfit_types  # noqa: E402
from mrcnn.data import run_lengths  # noqa: E402
from mrcnn.errors import DataError, UsageError  # noqa: E402

WORN = (("hat", "bag"), ("hat",), ("bag",), ())  # each in a half of the outfits, both in a quarter: as by chance


@pytest.mark.parametrize("people", [True, False])
@pytest.mark.parametrize("classes", [None, ["hat", "bag"]])
def test_outfits_without_what_counts_are_among_all(tmp_path, people, classes):
    rows = []
    for number, things in enumerate(WORN):
        photo = f"{number}.jpg"
        rows += [row(photo, 0, "person", person=0)] if people else [row(photo, 0, "shoes")]
        rows += [row(photo, i, name, person=0 if people else None) for i, name in enumerate(things, 1)]
    rows += [row("weak.jpg", 0, "person", score=0.2, person=0)] if people else []
    tables = Tables(write_collection(tmp_path, [rows]), classes=classes)
    assert tables.facts["outfits"] == 4 and tables.facts["bare"] == (1 if people or classes else 0)
    [pair] = [habit for habit in habits(tables, 2, least=1) if habit.things == ("bag", "hat")]
    assert pair.expected == 4 * 1 / 2 * 1 / 2 and pair.lift == 1 and pair.low < 1 < pair.high
    exactly = dict(outfit_types(tables)[0])
    assert sum(exactly.values()) == 4 and exactly.get((), 0) == tables.facts["bare"]


def test_photos_in_which_nothing_was_found_are_outfits_where_there_are_no_persons(tmp_path):
    nothing = {"photo": "z.jpg", "sha256": "z", "height": 10, "width": 10, "hash": 2**50 + 5}
    broken = {"photo": "y.jpg", "error": "y.jpg is cut off"}
    facts = Tables(write_collection(tmp_path, [[row("a.jpg", 0, "hat"), broken, nothing]])).facts
    assert (facts["outfits"], facts["bare"]) == (2, 1)


def counts_of(columns):
    """Counts of the RLE of a mask of 10 rows that has some of 50 columns."""
    mask = np.zeros((100, 50), bool)
    mask[:10, columns] = True
    return run_lengths.compress(run_lengths.encode(mask))["counts"]


def test_what_a_person_below_the_least_score_has_goes_to_the_next_one(tmp_path):
    """People at columns 0-19, 10-39, who is weak, and 10-13."""
    people = [row("a.jpg", 0, "person", rle=counts_of(slice(0, 20)), person=0),
              row("a.jpg", 1, "Person", score=0.3, rle=counts_of(slice(10, 40)), person=1),
              row("a.jpg", 2, "person", rle=counts_of(slice(10, 14)), person=2)]
    garments = [row("a.jpg", 3, "top", rle=counts_of(slice(5, 12)), person=0),
                row("a.jpg", 4, "skirt", rle=counts_of(slice(10, 30)), person=1),  # 10 columns are of 0 too, 4 of 2
                row("a.jpg", 5, "bag", rle=counts_of(slice(30, 35)), person=1)]  # of nobody else
    folder = write_collection(tmp_path, [[*people, *garments]])
    tables = Tables(folder)
    assert [tables.facts[name] for name in ("outfits", "lost", "nobody", "bare")] == [2, 2, 1, 1]
    assert dict(outfit_types(tables)[0]) == {("skirt", "top"): 1, (): 1}
    both = Tables(folder, min_score=0.2)  # the weak one counts, and keeps what it has
    assert [both.facts[name] for name in ("outfits", "lost", "nobody")] == [3, 0, 0]
    assert dict(outfit_types(both)[0]) == {("bag", "skirt"): 1, ("top",): 1, (): 1}


def test_a_colour_has_the_name_that_other_commands_give_it(tmp_path):
    """Colours at random, many of them beside the border of two names."""
    lab = np.stack([np.random.default_rng(0).uniform(low, high, 500) for low, high in ((0, 100), (-20, 30), (-20, 30))])
    rows = [row(f"{number}.jpg", 0, "top", colours=[{"l": one[0], "a": one[1], "b": one[2], "share": 1.0}])
            for number, one in enumerate(lab.astype(np.float32).T.tolist())]
    rows += [row("x.jpg", 0, "top"), row("y.jpg", 0, "top", colours=[])]
    tables = Tables(write_collection(tmp_path, [rows]), copies=True)
    found = dict(tables.rows("SELECT kept.photo, colour FROM objects JOIN kept ON objects.photo = kept.id"))
    assert len(found) == 502 and found["x.jpg"] is found["y.jpg"] is None
    assert all(garment_of(one)[0][2] == f"{NAMES[found[one['photo']]]} top" for one in rows[:500])


def test_classes_with_commas_are_told_as_they_are_given(tmp_path):
    folder = write_collection(tmp_path, [[row("a.jpg", 0, "shirt, blouse"), row("a.jpg", 1, "pants")]])
    assert Tables(folder, classes=["shirt, blouse"]).facts["objects"] == 1
    with pytest.raises(UsageError, match='--classes "a, b": the collection has pants, "shirt, blouse".'):
        Tables(folder, classes=["a, b"])


@pytest.mark.parametrize("name", ["run[1]", "run?", "run*", "it's [*]", "class=hat", "photo=shop", "score=0.1",
                                  "object=1/run[1]", "back\\slash"])
def test_a_folder_of_any_name_is_read_as_it_is(tmp_path, monkeypatch, name):
    """Not as a pattern that fits the folders beside it, and not as a column of its own."""
    for other in ("run1", "runs", "it's a"):
        write_collection(tmp_path / other, [[row(f"{number}.jpg", 0, "bag") for number in range(9)]])
    rows = [row("a.jpg", 0, "hat"), row("b.jpg", 0, "cap", score=0.6), row("c.jpg", 0, "cap", score=0.3)]
    write_collection(tmp_path / name, [rows])
    monkeypatch.chdir(tmp_path)
    tables = Tables(name)
    assert (tables.facts["photos"], tables.facts["objects"], tables.facts["weak"]) == (3, 2, 1)
    assert tables.rows("SELECT photo, object, class FROM raw ORDER BY 1") == [
        ("a.jpg", 0, "hat"), ("b.jpg", 0, "cap"), ("c.jpg", 0, "cap")]


def test_a_path_that_duckdb_cannot_read_is_told(tmp_path):
    folder = write_collection(tmp_path / "a\\b[1]", [[row("a.jpg", 0, "hat")]])
    with pytest.raises(DataError, match=r"shard-000000.parquet: DuckDB cannot read .* backslash .*: rename the folder"):
        Tables(folder)


def test_copies_in_shards_without_thumbnails_are_told(tmp_path):
    """One shirt in two colours: one picture by its hash, two with thumbnails; and a shard of an earlier version."""
    from pyarrow import parquet

    shades = [bytes([200, 128 + change, 128] * 16).hex() for change in (0, 9, 40)]
    rows = [row(f"{number}.jpg", 0, "top", hash=7, thumbnail=shade) for number, shade in enumerate(shades)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Tables(write_collection(tmp_path / "new", [rows])).facts["copies"] == 1
    old = write_collection(tmp_path / "old", [rows[:2], rows[2:]])
    for name, told, copies in (("shard-000001.parquet", "1 photos", 2), ("shard-000000.parquet", "3 photos", 2)):
        table = parquet.read_table(os.path.join(old, name))
        parquet.write_table(table.drop_columns(["thumbnail"]), os.path.join(old, name))
        with pytest.warns(UserWarning, match=f"{told} of .* keep no thumbnails.*label the photos anew in a new folder"):
            assert Tables(old).facts["copies"] == copies
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Tables(old, copies=True).facts["counted"] == 3
