"""The report of a collection: hand-counted rows, planted habits on drawn people, and what it refuses."""

import csv
import json
import os
import pathlib

import numpy as np
import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")

from full_disk import full_disk  # noqa: E402
from garments import GarmentFinder  # noqa: E402
from made_collections import key, row, write_collection  # noqa: E402
from PIL import Image  # noqa: E402

from mrcnn.collections.tables import Tables  # noqa: E402
from mrcnn.collections.together import habits, outfit_types  # noqa: E402
from mrcnn.commands.main import main  # noqa: E402
from mrcnn.errors import DataError  # noqa: E402


def lines_of(folder, name):
    """The lines of a CSV file of the report, as dicts."""
    with open(os.path.join(folder, "report", name), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def two_people():
    """A photo of two people, one of nobody, one unreadable, a near-copy of the first, and weak objects."""
    first = [row("a.jpg", 0, "person"), row("a.jpg", 1, "person"), row("a.jpg", 2, "top", "red", person=0),
             row("a.jpg", 3, "pants", "blue", person=0), row("a.jpg", 4, "top", "white", person=1),
             row("a.jpg", 5, "shoes", "black", person=None), row("a.jpg", 6, "hat", "black", 0.2, person=0)]
    copy = [{**one, "photo": "b.jpg", "hash": one["hash"] ^ 3} for one in first]
    nothing = {"photo": "c.jpg", "sha256": "c", "height": 10, "width": 10, "hash": 2**50 + 5}
    return [first, [*copy, nothing, {"photo": "d.jpg", "error": "d.jpg is cut off"}]]


def test_photos_objects_and_people_are_counted_once(tmp_path):
    tables = Tables(write_collection(tmp_path / "c", two_people(), planned=5))
    facts = tables.facts
    expected = {"photos": 4, "unreadable": 1, "copies": 1, "counted": 2, "objects": 6, "outfits": 2, "nobody": 1,
                "missing": 3, "weak": 1}
    assert {name: facts[name] for name in expected} == expected and tables.people
    exactly, _ = outfit_types(tables)
    assert dict(exactly) == {("pants", "top"): 1, ("top",): 1}
    both = Tables(write_collection(tmp_path / "c", two_people()), copies=True)
    assert both.facts["outfits"] == 4 and both.facts["counted"] == 3 and both.facts["weak"] == 2
    assert Tables(write_collection(tmp_path / "c", two_people()), classes=["top"]).facts["weak"] == 0  # the hat's


@pytest.mark.parametrize("score, tops, outfits", [(0.5, "100.0 %", "2"), (0.95, "\u2013", "0")])
def test_a_share_of_outfits_that_means_nothing_is_a_dash(tmp_path, score, tops, outfits):
    """Two people with a top each: no share of persons is worn, and from 0.95 on there are tops but no person."""
    rows = [{**one, "score": 0.96} if one["class"] == "top" else one for one in two_people()[0]]
    folder = write_collection(tmp_path / "c", [rows])
    assert main(["collection", "report", folder, "--examples", "0", "--min-score", str(score)]) == 0
    page = (pathlib.Path(folder) / "report" / "report.html").read_text()
    lines = page[page.index("<h2>Garments"):page.index("<h2>Colours")].splitlines()
    cells = {line.split(">")[2].split("<")[0]: line for line in lines if line.startswith("<tr><td")}
    assert "<td>2</td><td>1</td>" in cells["top"] and f">{tops}</td>" in cells["top"]
    told = {line["class"]: line["outfits"] for line in lines_of(folder, "classes.csv")}
    assert told["top"] == outfits
    assert score == 0.95 or ("<td>\u2013</td>" in cells["person"] and told["person"] == "")


def test_without_persons_a_photo_is_an_outfit(tmp_path):
    rows = [row("a.jpg", 0, "top", "red"), row("a.jpg", 1, "pants", "blue"), row("b.jpg", 0, "top", "red")]
    tables = Tables(write_collection(tmp_path, [rows]))
    assert not tables.people and tables.facts["outfits"] == 2
    assert dict(outfit_types(tables)[0]) == {("pants", "top"): 1, ("top",): 1}


def test_pairs_and_triples_are_those_counted_by_hand(tmp_path):
    rng, rows, worn = np.random.default_rng(0), [], []
    for number in range(120):
        outfit = [(name, ("red", "blue")[rng.integers(2)]) for name in ("top", "pants", "shoes") if rng.random() < 0.8]
        worn.append({name for name, _ in outfit} | {f"{colour} {name}" for name, colour in outfit})
        rows += [row(f"{number:03d}.jpg", i, name, colour) for i, (name, colour) in enumerate(outfit)]
    tables = Tables(write_collection(tmp_path, [rows[:150], rows[150:]]))
    total = sum(bool(things) for things in worn)
    for size in (2, 3):
        found = {habit.things: habit for habit in habits(tables, size, least=2)}
        for things, habit in found.items():
            together = sum(set(things) <= outfit for outfit in worn)
            single = [sum(thing in outfit for outfit in worn) for thing in things]
            assert habit.outfits == together
            assert habit.expected == pytest.approx(np.prod(single) / total ** (size - 1))
        assert ("pants", "shoes", "top")[:size] in found and len(found) == {2: 3 + 12, 3: 1 + 8}[size]


def test_planted_habits_on_drawn_people_are_found(tmp_path, capsys):
    """Red shirts with blue skirts three times as often as chance, through what a finder finds in pictures."""
    from mrcnn.collections.shards import Job, write_shard

    rng, photos = np.random.default_rng(0), tmp_path / "photos"
    photos.mkdir()
    shades = {"red": (200, 30, 30), "green": (30, 140, 60), "blue": (30, 60, 200), "black": (20, 20, 20)}
    finder, names, joint = GarmentFinder(batch=8), [], 0
    for number in range(400):
        red = rng.random() < 0.25
        blue = rng.random() < (0.6 if red else (0.2 - 0.25 * 0.6) / 0.75)  # 0.2 of all, three times that with red
        joint += red and blue
        shirt = "red" if red else ("green", "black")[rng.integers(2)]
        skirt = "blue" if blue else ("green", "black")[rng.integers(2)]
        image = np.full((48, 40, 3), 255, np.uint8)
        image[2:46, 12:28] = (150, 110, 90)
        image[10:24, 8:32], image[24:36, 8:32] = shades[shirt], shades[skirt]
        image[40:47, 4:8] = rng.integers(0, 255, (7, 4, 3))
        names.append(f"p{number:03d}.png")
        Image.fromarray(image).save(photos / names[-1])

    def find(image):
        masks = [(1, (image < 250).any(axis=2)), (2, np.zeros((48, 40), bool)), (3, np.zeros((48, 40), bool))]
        masks[1][1][10:24, 8:32] = masks[2][1][24:36, 8:32] = True
        from mrcnn.data import run_lengths

        boxes = [[2, 4, 47, 36], [10, 8, 24, 32], [24, 8, 36, 32]]
        return {"boxes": np.float32(boxes), "scores": np.full(3, 0.9, np.float32), "class_ids": np.array([1, 2, 3]),
                "rles": [run_lengths.encode(mask) for _, mask in masks]}

    finder.find = find
    folder = write_collection(tmp_path / "c", [], root=photos, planned=1)
    write_shard(os.path.join(folder, "shard-000000.parquet"), names, Job(str(photos), key(photos)), finder)
    assert main(["collection", "report", folder, "--count-copies"]) == 0
    pair = {"red shirt", "blue skirt"}
    found = next(one for one in lines_of(folder, "pairs.csv") if {one["first"], one["second"]} == pair)
    assert int(found["outfits"]) == joint and float(found["low_95"]) < 3 < float(found["high_95"])
    assert "blue skirt + red shirt: " in capsys.readouterr().out
    page = (pathlib.Path(folder) / "report" / "report.html").read_text()
    assert "http" not in page.replace("http-equiv", "") and page.count("data:image/jpeg") >= 4
    assert "belongs to the person who has most of its pixels" in page


def test_attributes_groups_and_scores(tmp_path):
    rows = []
    for number in range(40):
        striped, red = number % 2 == 0, number % 4 < 2
        rows += [row(f"{number:02d}.jpg", 0, "top", "white", attributes={"striped": 0.9 if striped else 0.1}),
                 row(f"{number:02d}.jpg", 1, "shoes", "red" if red else "black")]
    folder = write_collection(tmp_path / "c", [rows])
    table = tmp_path / "when.csv"
    dates = (f"{number:02d}.jpg,2024-0{1 + number // 20}-10\n" for number in range(30))
    table.write_text("photo,taken\n" + "".join(dates))
    assert main(["collection", "report", folder, "--by", "taken", "--table", str(table), "--examples", "0"]) == 0
    report = pathlib.Path(folder) / "report"
    pairs = {(one["first"], one["second"]): one for one in lines_of(folder, "pairs.csv")}
    assert int(pairs["red shoes", "top, striped"]["outfits"]) == 10
    striped = {"class": "top", "attribute": "striped", "objects": "20"}
    assert lines_of(folder, "attributes.csv") == [striped]
    groups = [one for one in lines_of(folder, "groups.csv") if one["thing"] == "red shoes"]
    counted = [(one["taken"], one["outfits"], one["outfits_with_it"]) for one in groups]
    assert counted == [("2024-01", "20", "10"), ("2024-02", "10", "6")]
    assert "10 outfits have no group" in (report / "report.html").read_text()


def test_the_page_says_what_it_leaves_out_and_the_tables_have_all(tmp_path, capsys):
    """30 months of two outfits each, three in the first, one of which has nothing that counts; one has no month."""
    rows = [row(f"{number:02d}.jpg", i, name) for number in range(62) for i, name in enumerate(("top", "hat"))]
    rows.append(row("sock.jpg", 0, "sock"))
    folder = write_collection(tmp_path / "c", [rows])
    dates = [f"{number:02d}.jpg,{2020 + number // 24}-{number // 2 % 12 + 1:02d}-10\n" for number in range(60)]
    (tmp_path / "t.csv").write_text("photo,day\nsock.jpg,2020-01-01\n60.jpg,2030-01-01\n" + "".join(dates))
    assert main(["collection", "report", folder, "--by", "day", "--table", str(tmp_path / "t.csv"), "--examples", "0",
                 "--count-copies", "--classes", "top,hat", "--min-outfits", "50"]) == 0
    printed = capsys.readouterr().out
    assert f"1 outfits have no group: {tmp_path / 't.csv'} does not name their photos, or gives them no day." in printed
    assert "1 outfits have nothing that counts" in printed
    months = {line["day"]: line["outfits"] for line in lines_of(folder, "groups.csv")}
    assert len(months) == 31 and months["2020-01"] == "3" and months["2022-06"] == "2" and months["2030-01"] == "1"
    types = {line["classes"]: line["outfits"] for line in lines_of(folder, "outfits.csv")}
    assert types == {"hat + top": "62", "nothing that counts": "1"}
    page = (pathlib.Path(folder) / "report" / "report.html").read_text()
    assert "The 24 groups with the most outfits are shown, 7 more with 13 outfits are in groups.csv." in page
    assert page.count("<td>2020-01</td>") == 1 and "<td>2030-01</td>" not in page
    assert "Pairs and triples of less than 50 outfits are left out" in page


def test_photos_that_are_gone_or_changed_are_told(tmp_path, capsys):
    rows = [one for number in range(12) for one in (row(f"{number:02d}.jpg", 0, "top", "red"),
                                                    row(f"{number:02d}.jpg", 1, "shoes", "red"))]
    others = [row(f"x{number}.jpg", 0, name, "blue") for number in range(40) for name in ("hat",)]
    folder = write_collection(tmp_path / "c", [rows + others], root=tmp_path / "photos")
    assert main(["collection", "report", folder]) == 0
    assert "photos of examples cannot be shown, as: " in capsys.readouterr().err


def test_a_report_leaves_no_table_of_the_one_before(tmp_path):
    folder = write_collection(tmp_path / "c", [[row("a.jpg", 0, "top", "red"), row("b.jpg", 0, "top", "red")]])
    (tmp_path / "t.csv").write_text("photo,town\na.jpg,Rome\n")
    command = ["collection", "report", folder, "--examples", "0"]
    assert main([*command, "--by", "town", "--table", str(tmp_path / "t.csv")]) == 0
    assert lines_of(folder, "groups.csv")
    assert main(command) == 0
    assert "groups.csv" not in os.listdir(os.path.join(folder, "report"))


@pytest.mark.parametrize("where", ["tar", "parquet", "memory"])
def test_photos_in_files_and_at_addresses_are_shown_and_dated(tmp_path, where):
    import hashlib
    import io
    import tarfile

    from mrcnn.collections.groups import months_of_exif
    from mrcnn.collections.outfit_pictures import examples

    exif = Image.Exif()
    exif.get_ifd(0x8769)[36867] = "2023:07:09 12:00:00"
    held, root, name = io.BytesIO(), tmp_path, "photos.tar/a.jpg"
    Image.fromarray(np.full((100, 50, 3), 90, np.uint8)).save(held, "JPEG", exif=exif)
    if where == "tar":
        with tarfile.open(tmp_path / "photos.tar", "w") as archive:
            member = tarfile.TarInfo("a.jpg")
            member.size = len(held.getvalue())
            archive.addfile(member, io.BytesIO(held.getvalue()))
    elif where == "parquet":
        import pyarrow
        import pyarrow.parquet

        name = "photos.parquet/00000001"
        pyarrow.parquet.write_table(pyarrow.table({"image": [b"other", held.getvalue()]}), tmp_path / "photos.parquet")
    else:
        root, name = f"memory://{tmp_path.name}", "a.jpg"
        pytest.importorskip("fsspec").filesystem("memory").pipe(f"/{tmp_path.name}/a.jpg", held.getvalue())
    digest = hashlib.sha256(held.getvalue()).hexdigest()
    rows = [row(name, number, garment, "red", sha256=digest) for number, garment in enumerate(("top", "shoes"))]
    tables = Tables(write_collection(tmp_path / "c", [rows], root=root))
    assert months_of_exif(tables) == {name: "2023-07"}
    [pair] = [habit for habit in habits(tables, 2, least=1) if set(habit.kinds) == {"class"}]
    found = examples(tables, [pair], 3)
    assert found.missing == 0 and [shown for _, shown in found.pictures[0]] == [name]
    changed = Tables(write_collection(tmp_path / "d", [[{**one, "sha256": "0"} for one in rows]], root=root))
    found = examples(changed, [pair], 3)
    assert found.missing == 1 and f"{name} is another file than the one that was labelled" in found.reason


@pytest.mark.parametrize(("arguments", "message"), [
    (["--classes", "sock"], "--classes sock: the collection has pants, person, shoes, top"),
    (["--by", "place"], "--by place needs --table"),
    (["--table", "x.csv"], "--table needs --by"),
    (["--by", "place", "--table", "{tmp}/t.csv"], "--by place: {tmp}/t.csv has the columns photo, town"),
    (["--by", "town", "--table", "{tmp}/t.csv"], "no photo of the collection has a group; its photos are named as "
                                                 "a.jpg"),
    (["--by", "town", "--table", "{tmp}/t.csv", "--min-score", "0.99"], "there are no outfits to group: give a lower"),
    (["--by", "town", "--table", "{tmp}/none.csv"], "none.csv: cannot read the table"),
    (["--min-outfits", "1"], "1 is less than 2"),
    (["--classes", '"a, b", pants'], '--classes "a, b": the collection has pants, person, shoes, top'),
])
def test_wrong_options_are_one_line(tmp_path, capsys, arguments, message):
    folder = write_collection(tmp_path / "c", [[one for one in two_people()[0] if one["class"] != "hat"]])
    (tmp_path / "t.csv").write_text("photo,town\nz.jpg,Rome\n")
    arguments = [text.replace("{tmp}", str(tmp_path)) for text in arguments]
    assert main(["collection", "report", folder, "--examples", "0", *arguments]) == 2
    error = capsys.readouterr().err
    assert message.replace("{tmp}", str(tmp_path)) in error and "Traceback" not in error


def test_what_is_no_collection_is_refused(tmp_path):
    import pyarrow
    from pyarrow import parquet

    from mrcnn.collections.plan import METADATA

    with pytest.raises(DataError, match="is no collection .*collection label"):
        Tables(str(tmp_path))
    folder = write_collection(tmp_path / "c", [])
    with pytest.raises(DataError, match="no shard is done yet: wait for mrcnn collection label"):
        Tables(folder)
    write_collection(folder, two_people())
    shard = pathlib.Path(folder) / "shard-000001.parquet"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:len(whole) // 2])
    with pytest.raises(DataError, match="shard-000001.parquet cannot be read .*remove it, and mrcnn "
                                        "collection label writes it anew"):
        Tables(folder)
    foreign = pyarrow.table({"photo": ["a"]})
    parquet.write_table(foreign, shard)
    with pytest.raises(DataError, match="shard-000001.parquet is no shard of this collection: move it away"):
        Tables(folder)
    parquet.write_table(foreign.replace_schema_metadata({METADATA: key()}), shard)
    with pytest.raises(DataError, match="shard-000001.parquet has no column area, .* it was not written by "
                                        "collection label"):
        Tables(folder)
    write_collection(tmp_path / "other", two_people(), root="/elsewhere")
    os.replace(tmp_path / "other" / "shard-000001.parquet", shard)
    with pytest.raises(DataError, match="shard-000001.parquet is no shard of this collection: move it away"):
        Tables(folder)
    (pathlib.Path(folder) / "collection.json").write_text(json.dumps({"identity": 3}))
    with pytest.raises(DataError, match="describes no collection"):
        Tables(folder)


def test_a_full_disk_leaves_no_half_report(tmp_path, capsys):
    folder = write_collection(tmp_path / "c", two_people())
    with full_disk(500):
        assert main(["collection", "report", folder, "--examples", "0"]) == 2
    assert "disk space" in capsys.readouterr().err
    assert [name for name in os.listdir(os.path.join(folder, "report")) if name.endswith((".html", ".csv"))] == []
