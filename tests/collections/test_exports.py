"""What is written is read back with the masks of the collection, by our readers and by pycocotools."""

import csv
import json
import os

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from encoded_pixels import painted  # noqa: E402
from garments import rows_of, write_collection  # noqa: E402

from mrcnn.collections.exports import write_coco, write_imaterialist, write_label_studio_tasks  # noqa: E402
from mrcnn.collections.reading import Collection  # noqa: E402
from mrcnn.data import run_lengths  # noqa: E402
from mrcnn.data.formats import open_dataset  # noqa: E402
from mrcnn.errors import DataError  # noqa: E402


@pytest.fixture
def collection(tmp_path):
    """Seven photos, the second of which cannot be read; (Collection, rows with an object)."""
    people_of = write_collection(tmp_path, 7, shard_size=3)
    os.remove(tmp_path / "out" / "shard-000000.parquet")
    whole = (tmp_path / "photos" / sorted(people_of)[1]).read_bytes()
    (tmp_path / "photos" / sorted(people_of)[1]).write_bytes(b"no photo")
    write_again(tmp_path)
    (tmp_path / "photos" / sorted(people_of)[1]).write_bytes(whole)
    return Collection(str(tmp_path / "out")), [row for row in rows_of(tmp_path / "out") if row["object"] is not None]


def write_again(tmp_path):
    from garments import GarmentFinder

    from mrcnn.collections.local_engine import label_here
    from mrcnn.collections.plan import opened
    from mrcnn.collections.shards import Job

    root = os.path.realpath(tmp_path / "photos")
    with opened(str(tmp_path / "out"), root, {}) as plan:
        label_here(plan, plan.missing(), Job(root, plan.key), GarmentFinder, lambda *done: None)


def mask_of(row):
    return run_lengths.decode({"size": [row["height"], row["width"]], "counts": row["rle"]})


def test_coco_is_read_by_pycocotools_and_by_ours(collection, tmp_path):
    from pycocotools.coco import COCO

    collection, rows = collection
    counts = write_coco(collection, str(tmp_path / "coco.json"))
    assert counts == {"photos": 6, "objects": len(rows), "unreadable": 1, "maskless": 0}
    coco = COCO(str(tmp_path / "coco.json"))
    entries = coco.loadAnns(coco.getAnnIds())
    for row, entry in zip(rows, entries, strict=True):
        assert coco.loadImgs(entry["image_id"])[0]["file_name"] == row["photo"]
        assert coco.loadCats(entry["category_id"])[0]["name"] == row["class"] and entry["score"] == row["score"]
        assert (coco.annToMask(entry).astype(bool) == mask_of(row)).all()
        y, x = np.argwhere(mask_of(row)).min(axis=0)
        assert entry["bbox"][:2] == [x, y] and entry["area"] == mask_of(row).sum() and entry["iscrowd"] == 0
    dataset = open_dataset(str(tmp_path / "coco.json"), str(tmp_path / "photos"))
    assert sum(len(list(dataset.objects(i))) for i in range(len(dataset.image_info))) == len(rows)


def test_imaterialist_is_read_back(collection, tmp_path):
    collection, rows = collection
    empty = len({row["photo"] for row in rows_of(tmp_path / "out") if row["object"] is None and row["error"] is None})
    assert empty
    counts = write_imaterialist(collection, str(tmp_path / "train.csv"))
    assert counts == {"photos": 6 - empty, "objects": len(rows), "unreadable": 1, "maskless": 0,
                      "empty": empty}
    with open(tmp_path / "train.csv", newline="") as file:
        for row, line in zip(rows, csv.DictReader(file), strict=True):
            assert (line["ImageId"], line["ClassId"]) == (row["photo"], str(row["class_id"]))
            numbers = list(map(int, line["EncodedPixels"].split()))
            drawn = painted(zip(numbers[::2], numbers[1::2]), (row["height"], row["width"]))
            assert (drawn == mask_of(row)).all()
    dataset = open_dataset(str(tmp_path / "train.csv"), str(tmp_path / "photos"))
    assert sum(len(list(dataset.objects(i))) for i in range(len(dataset.image_info))) == len(rows)


def test_tasks_of_label_studio_are_of_the_uncertain_photos(collection, tmp_path):
    collection, rows = collection  # all of score 0.75
    assert write_label_studio_tasks(collection, str(tmp_path / "none.json"), 0.75)["photos"] == 0
    assert json.loads((tmp_path / "none.json").read_text()) == []
    counts = write_label_studio_tasks(collection, str(tmp_path / "tasks.json"), 0.8)
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert counts["photos"] == len(tasks) == len({row["photo"] for row in rows}) and counts["objects"] == len(rows)
    results = [result for task in tasks for result in task["predictions"][0]["result"]]
    assert [result["score"] for result in results] == [0.75] * len(rows)
    assert tasks[0]["data"]["image"] == f"/data/local-files/?d=photos/{rows[0]['photo']}"
    labels = [result["value"][result["type"]] for result in results]
    assert labels == [[row["class"]] for row in rows]
    config = (tmp_path / "tasks.xml").read_text()
    assert all(f'value="{name}"' in config for name in ("person", "shirt", "skirt"))


def test_tasks_of_photos_in_tar_files_are_refused(tmp_path):
    import tarfile

    from made_collections import row
    from made_collections import write_collection as write_rows

    tarfile.open(tmp_path / "photos.tar", "w").close()
    made = Collection(write_rows(tmp_path / "c", [[row("photos.tar/a.jpg", 0, "top")]], root=tmp_path))
    with pytest.raises(DataError, match="photos.tar/a.jpg is in a tar or Parquet file, which Label Studio does"):
        write_label_studio_tasks(made, str(tmp_path / "tasks.json"))
    assert not (tmp_path / "tasks.json").exists()


@pytest.mark.parametrize("root", ["https://host/photos", "s3://bucket/photos", "memory://photos"])
def test_tasks_of_photos_at_addresses(tmp_path, root):
    pytest.importorskip("aiohttp" if root.startswith("https") else "s3fs" if root.startswith("s3") else "fsspec")
    from made_collections import row
    from made_collections import write_collection as write_rows

    made = Collection(write_rows(tmp_path / "c", [[row("sub/a.jpg", 0, "top", score=0.5, area=0)]], root=root))
    if root.startswith("memory"):
        with pytest.raises(DataError, match="memory://photos/sub/a.jpg: Label Studio opens addresses of http://"):
            write_label_studio_tasks(made, str(tmp_path / "tasks.json"))
        return
    write_label_studio_tasks(made, str(tmp_path / "tasks.json"))
    assert json.loads((tmp_path / "tasks.json").read_text())[0]["data"]["image"] == f"{root}/sub/a.jpg"


@pytest.fixture
def listed(tmp_path):
    """A collection of one photo inside its root and one beside it, by an absolute path, each with an empty mask too."""
    from made_collections import row
    from made_collections import write_collection as write_rows
    from PIL import Image

    root, rows = tmp_path / "all" / "lists", []
    full, none = (run_lengths.compress(run_lengths.encode(np.full((100, 50), value)))["counts"] for value in (1, 0))
    for path in (root / "in" / "a.png", tmp_path / "all" / "b.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (50, 100)).save(path)
        name = str(path) if path.name == "b.png" else "in/a.png"
        rows += [row(name, 0, "top", rle=full, area=5000), row(name, 1, "hat", rle=none, area=0, class_id=2)]
    rows.append({"photo": "/elsewhere/c.png", "error": "it is not there"})
    return write_rows(tmp_path / "c", [rows], root=root)


@pytest.mark.parametrize(("write", "output"), [(write_coco, "a.json"), (write_imaterialist, "a.csv")])
def test_photos_are_named_in_one_folder_and_empty_masks_left_out(listed, tmp_path, write, output):
    assert write(Collection(listed), str(tmp_path / output))["maskless"] == 2
    dataset = open_dataset(str(tmp_path / output), str(tmp_path / "all"))
    assert sorted(info["path"] for info in dataset.image_info) == [
        str(tmp_path / "all" / "b.png"), str(tmp_path / "all" / "lists" / "in" / "a.png")]
    assert [len(list(dataset.objects(i))) for i in dataset.image_ids] == [1, 1] and not dataset.faults


def test_tasks_name_photos_below_the_document_root(listed, tmp_path):
    assert write_label_studio_tasks(Collection(listed), str(tmp_path / "t.json"))["maskless"] == 2
    tasks = json.loads((tmp_path / "t.json").read_text())
    assert [task["data"]["image"].partition("?d=")[2] for task in tasks] == ["all/lists/in/a.png", "all/b.png"]


def test_objects_without_attributes_have_an_empty_list_where_others_have_some(tmp_path):
    from made_collections import row
    from made_collections import write_collection as write_rows

    rle = run_lengths.encode(np.ones((100, 50), bool))["counts"]
    for name, told, expected in (("some", {"striped": 0.9}, [[0], []]), ("none", None, [None, None])):
        rows = [[row("a.jpg", 0, "top", attributes=told, rle=rle), row("a.jpg", 1, "top", rle=rle)]]
        write_coco(Collection(write_rows(tmp_path / name, rows, root=tmp_path)), str(tmp_path / f"{name}.json"))
        entries = json.loads((tmp_path / f"{name}.json").read_text())["annotations"]
        assert [entry.get("attribute_ids") for entry in entries] == expected


def test_lists_have_all_classes_and_attributes_of_the_network_found_or_not(tmp_path):
    from garments import CLASSES, GarmentFinder, write_photos

    from mrcnn.collections.plan import opened
    from mrcnn.collections.shards import Job, write_shard

    write_photos(tmp_path / "photos", 1)  # of nobody
    root, model = os.path.realpath(tmp_path / "photos"), GarmentFinder()
    model.config.ATTRIBUTES = ("striped", "long")
    with opened(str(tmp_path / "out"), root, {}) as plan:
        plan.add(["photo-00.png"], 1)
        write_shard(plan.path(0), ["photo-00.png"], Job(root, plan.key), model)
    collection = Collection(str(tmp_path / "out"))
    assert collection.names == {"classes": CLASSES, "attributes": ["striped", "long"]}
    write_coco(collection, str(tmp_path / "a.json"))
    write_imaterialist(collection, str(tmp_path / "a.csv"))
    write_label_studio_tasks(collection, str(tmp_path / "t.json"))
    for name in ("a.json", "label_descriptions.json"):
        told = json.loads((tmp_path / name).read_text())
        assert told["categories"] == [{"id": i, "name": name} for i, name in enumerate(CLASSES) if i]
        assert told["attributes"] == [{"id": 0, "name": "long"}, {"id": 1, "name": "striped"}]
    config = (tmp_path / "t.xml").read_text()
    assert all(f'value="{name}"' in config for name in ("person", "shirt", "skirt", "striped", "long"))


def test_collections_without_names_list_what_was_found_and_say_so(tmp_path, capsys):
    from made_collections import row
    from made_collections import write_collection as write_rows

    from mrcnn.commands.main import main

    rows = [[row("a.jpg", 0, "hat", class_id=1, rle=run_lengths.encode(np.ones((100, 50), bool))["counts"])]]
    folder, output = write_rows(tmp_path / "c", rows, root=tmp_path), str(tmp_path / "a.json")
    assert main(["collection", "export", folder, "--format", "coco", "--output", output]) == 0
    assert "does not say which classes and attributes its network knows" in capsys.readouterr().err
    assert json.loads((tmp_path / "a.json").read_text())["categories"] == [{"id": 1, "name": "hat"}]
