"""The command `data suggest`, with a network whose answers are known: the list, its reasons, and the tasks."""

import csv
import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from PIL import Image

from mrcnn.commands import suggest as command
from mrcnn.commands.main import main
from mrcnn.data import run_lengths

SIDE = 16
# Colour of a photo: (class id, score) of what is found in its upper half. Photos are alike as their colours are.
RED, GREEN, BLUE, YELLOW, BLACK = (250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (10, 10, 10)
FOUND = {RED: [(1, 0.98)], GREEN: [(1, 0.52), (1, 0.99)], BLUE: [(2, 0.95)], YELLOW: [(1, 0.97)], BLACK: []}


class Embedder:
    def __init__(self, model):
        self.model = model

    def features(self, images):
        return np.stack([image[0, 0].astype(np.float32) for image in images])

    def found(self, images, min_confidence):
        return [(self.objects(FOUND[tuple(image[0, 0].tolist())]), image[0, 0].astype(np.float32)) for image in images]

    def objects(self, rows):
        mask = np.zeros((SIDE, SIDE), bool)
        mask[:8] = True
        return {"class_ids": np.array([row[0] for row in rows], np.int32),
                "rles": [run_lengths.encode(mask)] * len(rows),
                "scores": np.array([row[1] for row in rows], np.float32),
                "boxes": np.tile(np.float32([0, 0, 8, SIDE]), (len(rows), 1))}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a checkpoint, photos of five colours, and annotations of those of them that are red."""
    monkeypatch.chdir(tmp_path)
    model = SimpleNamespace(config=SimpleNamespace(BATCH_SIZE=2, NUM_CLASSES=3, DETECTION_MIN_CONFIDENCE=0.6),
                            class_names=["BG", "shirt", "hat"], detect=None)
    monkeypatch.setattr(command, "load_model", lambda *_: model)
    monkeypatch.setattr("mrcnn.inference.embedding.Embedder", Embedder)
    (tmp_path / "run").mkdir()
    with h5py.File(tmp_path / "run" / "clothes_0003.h5", "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(model.class_names)
    (tmp_path / "photos").mkdir()
    for name, colour in (("a", RED), ("b", RED), ("c", GREEN), ("d", BLUE), ("e", YELLOW), ("f", BLACK)):
        Image.new("RGB", (SIDE, SIDE), colour).save(tmp_path / "photos" / f"{name}.png")
    half = [[0, 0, SIDE, 0, SIDE, 8, 7, 8.5, 0, 8]]
    (tmp_path / "labelled.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "height": SIDE, "width": SIDE}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": half, "area": 128}],
        "categories": [{"id": 1, "name": "shirt"}, {"id": 2, "name": "hat"}]}))
    return tmp_path


def suggest(*arguments):
    return main(["data", "suggest", "--weights", "run/clothes_0003.h5", "--photos", "photos", *arguments])


def rows_of(folder):
    with open(folder / "run" / "suggested" / "suggested.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_list_says_why(folder, capsys):
    assert suggest("--annotations", "labelled.json", "--images", "photos", "--count", "4") == 0
    printed = capsys.readouterr().out
    assert "1 of 6 photos in photos are labelled in labelled.json already: passed over." in printed
    assert "4 of 5 photos are suggested, held against 1 that are labelled" in printed
    rows = rows_of(folder)
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    # b.png is the picture that is labelled already, seen once more.
    assert {row["photo"] for row in rows} == {"c.png", "d.png", "e.png", "f.png"}
    reasons = {row["photo"]: row["reason"] for row in rows}
    # There is a shirt, and no hat: sqrt(1 / 1) is the weight of hats, sqrt(1 / 2) that of shirts.
    assert "unsure of shirt 0.52" in reasons["c.png"] and "may show hat, of which there are 0" in reasons["d.png"]
    assert reasons["f.png"].startswith("nothing was found; most like ")
    rarity = {row["photo"]: float(row["rarity"]) for row in rows}
    assert rarity["d.png"] == pytest.approx(0.95) and rarity["e.png"] == pytest.approx(0.97 / 2**0.5, abs=1e-4)
    listed = json.loads((folder / "run" / "suggested" / "suggested.json").read_text())
    assert [row["photo"] for row in listed] == [row["photo"] for row in rows]


def test_tasks_carry_what_detect_would_show(folder):
    assert suggest("--count", "6") == 0
    tasks = json.loads((folder / "run" / "suggested" / "tasks.json").read_text())
    assert [task["data"]["image"] for task in tasks] == [
        f"/data/local-files/?d=photos/{row['photo']}" for row in rows_of(folder)]
    green = next(task for task in tasks if task["data"]["image"].endswith("c.png"))
    [prediction] = green["predictions"]
    assert prediction["model_version"] == "clothes_0003" and prediction["score"] == pytest.approx(0.99)
    [region] = prediction["result"]  # that of 0.52 is less than DETECTION_MIN_CONFIDENCE
    assert region["type"] == "polygonlabels" and region["value"]["polygonlabels"] == ["shirt"]
    assert sorted(map(tuple, region["value"]["points"])) == [(0, 0), (0, 50), (100, 0), (100, 50)]
    assert green["data"]["reason"].startswith("unsure of shirt 0.52")
    assert '<Label value="hat"' in (folder / "run" / "suggested" / "labels.xml").read_text()


def test_the_task_of_a_single_photo_names_its_folder(folder, monkeypatch):
    assert suggest("--photos", "photos/c.png") == 0
    monkeypatch.chdir(folder / "photos")
    command_of = ["data", "suggest", "--weights", "../run/clothes_0003.h5", "--photos", "c.png", "--output", "../again"]
    assert main(command_of) == 0
    for where in ("run/suggested", "again"):
        [task] = json.loads((folder / where / "tasks.json").read_text())
        assert task["data"]["image"] == "/data/local-files/?d=photos/c.png"


def test_the_first_photo_of_all_is_like_none(folder, capsys):
    assert suggest("--count", "2", "--limit", "3") == 0
    assert "2 of 3 photos are suggested, held against each other alone" in capsys.readouterr().out
    first, second = rows_of(folder)
    assert first["nearest"] == "" and first["photo"] == "c.png" and second["nearest"] == "c.png"


def test_a_broken_photo_is_named_and_the_others_are_suggested(folder, capsys):
    (folder / "photos" / "d.png").write_bytes(b"no photo")
    assert suggest() == 2
    assert "skipped: " in capsys.readouterr().err
    assert {row["photo"] for row in rows_of(folder)} == {"a.png", "b.png", "c.png", "e.png", "f.png"}


@pytest.mark.parametrize("arguments, message", [
    (["--photos", "gone"], "gone does not exist"), (["--count", "0"], "0 is less than 1"),
    (["--images", "photos"], "--images is of photos that are labelled"),
    (["--boxes-as-masks", "--annotator", "me"], "--boxes-as-masks, --annotator are of photos that are labelled")])
def test_what_cannot_be_is_one_line(folder, capsys, arguments, message):
    assert suggest(*arguments) == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.count("\n") == 1


def test_all_labelled_already(folder, capsys):
    for name in "bcdef":
        (folder / "photos" / f"{name}.png").unlink()
    assert suggest("--annotations", "labelled.json", "--images", "photos") == 2
    assert "all 1 photos are labelled in labelled.json already" in capsys.readouterr().err


def test_photos_that_are_not_there_are_told_by_the_option_that_gives_them(folder, capsys):
    assert main(["data", "suggest", "--photos", "nothere", "--weights", "run/clothes_0003.h5"]) == 2
    told = capsys.readouterr().err
    assert "--photos nothere does not exist" in told and "--image" not in told
