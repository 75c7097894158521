"""The search for what is alike: planted neighbours, an independent reference, near copies, and what it refuses."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from made_collections import hash_of, row, write_collection  # noqa: E402

from mrcnn.collections import similar  # noqa: E402
from mrcnn.collections.colour_names import NAMES  # noqa: E402
from mrcnn.collections.reading import Collection  # noqa: E402
from mrcnn.collections.rows import unit_rows  # noqa: E402
from mrcnn.collections.similar import Asked, most_alike  # noqa: E402
from mrcnn.errors import DataError  # noqa: E402

WIDTH = 8


def embedded(photo, number, name, vector, **others):
    return row(photo, number, name, embedding=unit_rows([vector])[0].astype(np.float16), **others)


def made(folder, count=300, seed=0, extra=()):
    """A collection of three shards with embeddings by chance; (Collection, rows)."""
    rng, rows = np.random.default_rng(seed), list(extra)
    for number in range(count):
        for place in range(int(rng.integers(1, 4))):
            rows.append(embedded(f"{number:03d}.jpg", place, ("top", "pants")[rng.integers(2)], rng.normal(size=WIDTH),
                                 score=float(np.float32(rng.uniform(0.3, 1)))))
        if number % 7 == 0:
            rows.append({"photo": f"{number:03d}-nothing.jpg", "hash": hash_of(f"nothing {number}")})
    shards = [rows[:200], rows[200:230], rows[230:]]
    return Collection(write_collection(folder, shards, embedding="x")), rows


def reference(rows, vector, name, least, count):
    """[(photo, object)] by one look at each row, the best of each photo."""
    found = {}
    for one in rows:
        if one.get("embedding") is None or one["score"] < least or name not in (None, one["class"]):
            continue
        cosine = sum(float(a) * float(b) for a, b in zip(one["embedding"], vector))
        if cosine > found.get(one["photo"], (-2,))[0]:
            found[one["photo"]] = cosine, one["object"]
    best = sorted(found.items(), key=lambda entry: -entry[1][0])[:count]
    return [(photo, number) for photo, (_, number) in best], [cosine for _, (cosine, _) in best]


@pytest.mark.parametrize("name", ["top", None])
@pytest.mark.parametrize("block", [similar.BLOCK, 7])
def test_the_matches_are_those_of_a_look_at_each_row(tmp_path, monkeypatch, name, block):
    monkeypatch.setattr(similar, "BLOCK", block)
    collection, rows = made(tmp_path / "c")
    vectors = unit_rows(np.random.default_rng(9).normal(size=(2, WIDTH)))
    found = most_alike(collection, Asked(vectors, [name, "pants"], 2**60 + 9, count=12))
    for matches, vector, own in zip(found.matches, vectors, (name, "pants")):
        expected, cosines = reference(rows, vector, own, 0.5, 12)
        assert [(match.row["photo"], match.row["object"]) for match in matches] == expected
        np.testing.assert_allclose([match.cosine for match in matches], cosines, atol=1e-3)
    sure = [one for one in rows if one.get("score") is not None and one["score"] >= 0.5]
    assert found.compared == len(sure) and found.copies == 0


def test_planted_neighbours_are_found_in_their_order(tmp_path):
    vector = np.eye(WIDTH)[0]
    planted = [embedded(f"planted-{i}.jpg", 0, "top", vector + 0.05 * i * np.eye(WIDTH)[1]) for i in range(5)]
    collection, _ = made(tmp_path / "c", extra=planted)
    [matches] = most_alike(collection, Asked(np.float32([vector]), ["top"], 2**60 + 9, count=5)).matches
    assert [match.row["photo"] for match in matches] == [f"planted-{i}.jpg" for i in range(5)]
    assert matches[1].cosine == pytest.approx(1 / np.hypot(1, 0.05), abs=1e-3)  # the angle between them
    assert matches[0].row["class"] == "top" and "embedding" not in matches[0].row


def test_near_copies_of_the_query_and_of_matches_are_left_out(tmp_path):
    vector, own = np.eye(WIDTH)[0], hash_of("own")
    copies = [embedded(f"copy-{i}.jpg", 0, "top", vector, hash=own ^ bits) for i, bits in enumerate((0, 3, 0b111111))]
    other = embedded("far.jpg", 0, "top", vector, hash=own ^ 0b1111111)  # 7 bits
    repeated = embedded("far-again.jpg", 0, "top", vector + 0.01, hash=other["hash"] ^ 1 << 50)
    collection, _ = made(tmp_path / "c", extra=[*copies, other, repeated])
    found = most_alike(collection, Asked(np.float32([vector]), ["top"], own, count=4))
    assert [match.row["photo"] for match in found.matches[0]][0] == "far.jpg" and found.copies == 3
    assert "far-again.jpg" not in {match.row["photo"] for match in found.matches[0]} and found.repeated >= 1
    found = most_alike(collection, Asked(np.float32([vector]), ["top"], own, count=5, copies=True))
    assert [match.row["photo"] for match in found.matches[0]] == [
        "copy-0.jpg", "copy-1.jpg", "copy-2.jpg", "far.jpg", "far-again.jpg"]
    assert [match.copy for match in found.matches[0]] == [True, True, True, False, False]


def test_only_those_of_its_colour(tmp_path):
    rng, names = np.random.default_rng(4), ("red", "blue", "green", "black", "white", None)
    rows = [embedded(f"{i:03d}.jpg", 0, "top", rng.normal(size=WIDTH), colour=names[i % 6]) for i in range(120)]
    rows[6]["colours"] = []  # which has none, as of an empty mask
    collection = Collection(write_collection(tmp_path / "c", [rows[:50], rows[50:]], embedding="x"))
    vector = unit_rows(rng.normal(size=(2, WIDTH)))
    asked = Asked(vector, ["top", None], 2**60 + 9, count=30, colours=[NAMES.index("red"), NAMES.index("blue")])
    found = most_alike(collection, asked)
    for matches, first in zip(found.matches, (0, 1)):
        own = {f"{i:03d}.jpg" for i in range(first, 120, 6)} - {"006.jpg"}
        assert {match.row["photo"] for match in matches} == own
    assert found.compared == 39


def test_a_crowd_of_one_picture_does_not_hide_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(similar, "LEAST_POOL", 4)
    vector = np.eye(WIDTH)[0]
    crowd = [embedded(f"crowd-{i}.jpg", 0, "top", vector, hash=hash_of("crowd")) for i in range(150)]
    behind = [embedded(f"behind-{i}.jpg", 0, "top", vector + 0.2 * np.eye(WIDTH)[1]) for i in range(2)]
    folder = write_collection(tmp_path / "c", [crowd, behind], embedding="x")
    found = most_alike(Collection(folder), Asked(np.float32([vector]), ["top"], 2**60 + 9, count=3))
    assert [match.row["photo"] for match in found.matches[0]] == ["crowd-0.jpg", "behind-0.jpg", "behind-1.jpg"]
    assert found.repeated == 149


def test_other_embeddings_and_none_are_told(tmp_path):
    collection, _ = made(tmp_path / "c", count=5)
    with pytest.raises(DataError, match="shard-000000.parquet: its embeddings have 8 numbers, those .* 5: .*other "
                                        "weights"):
        most_alike(collection, Asked(np.ones((1, 5), np.float32), [None], 0))
    folder = write_collection(tmp_path / "old", [[row("a.jpg", 0, "top")]])
    with pytest.raises(DataError, match="has no column embedding"):
        most_alike(Collection(folder), Asked(np.ones((1, 5), np.float32), [None], 0))
    empty = write_collection(tmp_path / "empty", [[{"photo": "a.jpg", "hash": 2**50}]], embedding="x")
    found = most_alike(Collection(empty), Asked(np.ones((1, 5), np.float32), [None], 0))
    assert found.matches == [[]] and found.compared == 0


def test_one_garment_in_other_colours_is_no_near_copy(tmp_path):
    shades = [bytes([200, 128 + change, 128] * 16).hex() for change in (0, 5, 40, 80, 84)]
    rows = [embedded(f"{number}.jpg", 0, "top", np.ones(WIDTH), hash=7, thumbnail=shade)
            for number, shade in enumerate(shades)]
    collection = Collection(write_collection(tmp_path / "c", [rows], embedding="x"))
    asked = Asked(unit_rows([np.ones(WIDTH)]), ["top"], 7, thumbnail=shades[0])
    found = most_alike(collection, asked)
    assert [match.row["photo"] for match in found.matches[0]] == ["2.jpg", "3.jpg"]
    assert (found.copies, found.repeated, found.older) == (2, 1, 0)
    found = most_alike(collection, dataclasses.replace(asked, thumbnail=None))
    assert found.matches == [[]] and found.copies == 5


def test_shards_without_thumbnails_are_counted(tmp_path):
    from pyarrow import parquet

    collection, _ = made(tmp_path / "c", 20)
    table = parquet.read_table(collection.shards[0])
    parquet.write_table(table.drop_columns(["thumbnail"]), collection.shards[0])
    assert most_alike(collection, Asked(unit_rows([np.ones(WIDTH)]), ["top"], 7)).older == 1
