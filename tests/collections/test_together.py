"""What is worn together: of which things triples are counted, and which of them at the limit."""

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")

from made_collections import row, write_collection  # noqa: E402

from mrcnn.collections import together  # noqa: E402
from mrcnn.collections.outfit_pictures import Examples  # noqa: E402
from mrcnn.collections.report import Findings, html_report  # noqa: E402
from mrcnn.collections.tables import Tables  # noqa: E402


@pytest.fixture
def tables(tmp_path):
    """Three garments on 20 photos, each with five attributes, and three more on 10 of these."""
    rows, attributes = [], {f"a{number}": 0.9 for number in range(5)}
    for number in range(20):
        names = ("coat", "shoe", "bag", "hat", "belt", "sock") if number < 10 else ("coat", "shoe", "bag")
        rows += [row(f"{number:03d}.jpg", i, name, "red", attributes=attributes if i < 3 else None)
                 for i, name in enumerate(names)]
    return Tables(write_collection(tmp_path / "c", [rows]))


def test_attributes_take_no_places_of_triples(tables, monkeypatch):
    monkeypatch.setattr(together, "LARGEST", 12)  # six classes, each of one colour; attributes are 15
    found = [habit.things for habit in together.habits(tables, 3)]
    assert len(found) == 20 + 20 and ("belt", "hat", "sock") in found and ("red belt", "red hat", "red sock") in found
    assert together.left_of_triples(tables) == 0


def test_what_is_equally_frequent_at_the_limit_is_chosen_by_kind_and_name(tables, monkeypatch):
    monkeypatch.setattr(together, "LARGEST", 8)  # six are in 20 outfits; of six in 10 two
    found = {thing for habit in together.habits(tables, 3) for thing in habit.things}
    assert found == {"bag", "coat", "shoe", "red bag", "red coat", "red shoe", "belt", "hat"}
    assert together.left_of_triples(tables) == 4 and together.left_of_triples(tables, 11) == 0
    page = html_report(Findings(tables, [], [], [], Examples([])), "Report")
    assert "classes and colours of classes (4 less frequent ones are left out of triples)" in page


def test_medians_are_exact(tmp_path):
    scores, areas = [0.5, 0.6, 0.75, 1.0], [50, 100, 400, 4000]  # of 100 x 50 pixels
    rows = [row(f"{i}.jpg", 0, "hat", score=scores[i % 4], area=areas[i % 4]) for i in range(4)]
    found, = together.counts_by_class(Tables(write_collection(tmp_path / "c", [rows])))
    assert found["score"] == pytest.approx(0.675, abs=1e-6) and found["share"] == pytest.approx(0.05)
    rows = [row(f"{i}.jpg", 0, "hat", score=0.5 + i / 20_000, area=i + 1) for i in range(4001)]
    found, = together.counts_by_class(Tables(write_collection(tmp_path / "d", [rows]), copies=True))
    assert found["score"] == pytest.approx(0.6, abs=1e-6) and found["share"] == 2001 / 5000
