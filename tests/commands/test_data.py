"""The commands `data ...`: what they print and write, their exit codes, and bad usage in one line."""

import base64
import json
import os
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from mrcnn.commands.datasets import drawn_pictures
from mrcnn.commands.main import main
from mrcnn.data.curation.splits import PRESETS, read_split
from mrcnn.data.curation.validate import read_faults
from mrcnn.data.formats import open_dataset

HEIGHT, WIDTH = 60, 40


def data(*arguments):
    """Exit code of a `data` command."""
    return main(["data", *map(str, arguments)])


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Path of COCO annotations of ten photos, the last two of them one picture; the folder is the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    images, annotations = [], []
    for i in range(10):
        pixels = np.random.default_rng(min(i, 8)).integers(0, 255, (6, 4, 3), np.uint8)
        picture = Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        picture.save(tmp_path / "photos" / f"{i}.jpg", quality=95 - 5 * i)
        images.append({"id": i, "file_name": f"{i}.jpg", "height": HEIGHT, "width": WIDTH})
        for category_id in (1, 2) if i < 4 else (1,):
            # One corner more than a box has.
            corners = [4, 4, 4 + 4 * category_id, 4, 4 + 8 * category_id, 4, 4 + 8 * category_id, 34, 4, 34]
            annotations.append({"id": len(annotations), "image_id": i, "category_id": category_id, "iscrowd": 0,
                                "segmentation": [corners], "area": 240 * category_id})
    categories = [{"id": 1, "name": "hat"}, {"id": 2, "name": "coat"}]
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def options(path):
    return ["--annotations", path.name, "--images", "photos"]


def rows(text):
    return [line.split() for line in text.split("\n")]


# --- Summary ---------------------------------------------------------------------------------------------------------


def test_summary(photos, capsys):
    assert data("summary", *options(photos), "--image-size", "128") == 0
    printed = capsys.readouterr().out
    assert "10 photos, 14 objects, 0 crowds; 0 photos without objects" in printed
    assert ["hat", "10", "71.4", "%", "10", "240", "px", "10.00", "%"] in rows(printed)
    assert ["box", "scale", "on", "the", "canvas", "of", "128x128"] == next(
        row for row in rows(printed) if "scale" in row)[:7]
    summary = json.loads((photos.parent / "logs" / "data" / "summary.json").read_text())
    assert summary["objects"] == 14 and summary["anchors"]["current"]["scales"] == [8, 16, 32, 64, 128]
    assert Image.open(photos.parent / "logs" / "data" / "summary.png").size[0] == 1600


def test_summary_of_drawn_pictures(tmp_path, capsys):
    assert data("summary", "--limit", "3", "--output", tmp_path / "here") == 0
    assert "3 photos" in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path / "here")) == [".mrcnn-output", "summary.json", "summary.png"]


# --- Archives --------------------------------------------------------------------------------------------------------


def test_an_archive_is_taken_as_it_is(photos, capsys, recwarn):
    with zipfile.ZipFile("export.zip", "w") as archive:
        archive.write(photos, "annotations/instances_default.json")
        for name in os.listdir("photos"):
            archive.write(f"photos/{name}", f"images/default/{name}")
    shutil.rmtree("photos")
    assert data("validate", "--annotations", "export.zip") == 0
    assert "10 photos looked at: no faults" in capsys.readouterr().out
    assert any("export.zip: unpacked into export.zip.unpacked (11 files" in str(warning.message) for warning in recwarn)
    inside = "export.zip#annotations/instances_default.json"
    assert data("convert", "--annotations", inside, "--to", "cvat", "--output", "out.xml") == 0
    again = open_dataset("out.xml", "export.zip.unpacked/images/default")
    assert len(again.image_ids) == 10 and again.class_names == ["BG", "hat", "coat"]
    assert data("convert", "--annotations", "export.zip", "--to", "coco", "--output", "out.json") == 0
    assert data("validate", "--annotations", "export.zip#gone.json") == 2
    assert "holds no gone.json" in capsys.readouterr().err


# --- Validation ------------------------------------------------------------------------------------------------------


def test_validate_sound_photos(photos, capsys):
    assert data("validate", *options(photos), "--output", "list.json") == 0
    assert capsys.readouterr().out == "10 photos looked at: no faults\n"
    assert read_faults("list.json") == []


def test_validate_says_what_skip_keeps(photos, capsys):
    content = json.loads(photos.read_text())
    content["annotations"].append({**content["annotations"][0], "id": 999})
    photos.write_text(json.dumps(content))
    assert data("validate", *options(photos), "--output", "list.json") == 1
    assert "1 faults; `train --skip list.json` leaves them out, but for 1 whose objects are kept as they are" in (
        capsys.readouterr().out)


def test_validate_names_what_is_bad_and_skip_leaves_it_out(photos, capsys, recwarn):
    content = json.loads(photos.read_text())
    content["annotations"][0]["segmentation"] = []
    content["images"][6]["height"] = 61
    content["images"].append({"id": 99, "file_name": "../secret.jpg", "height": 5, "width": 5})
    photos.write_text(json.dumps(content))
    (photos.parent / "photos" / "7.jpg").write_bytes(b"no photo")
    assert data("validate", *options(photos)) == 1
    printed = capsys.readouterr().out
    assert not list(recwarn)
    path = os.path.join("logs", "data", "faults.json")
    assert [(fault.photo, fault.kind, fault.number) for fault in read_faults(path)] == [
        ("../secret.jpg", "path escape", None), ("0.jpg", "no mask", 0), ("6.jpg", "wrong size", None),
        ("7.jpg", "unreadable", None)]
    assert "0.jpg, object 0: annotation 0: it has no segmentation" in printed
    assert f"4 faults; `train --skip {path}` leaves them out\n" in printed
    # What the list says is left out, and no fault of it is told again.
    assert data("validate", *options(photos), "--skip", path, "--output", "rest.json") == 0
    assert capsys.readouterr().out == "8 photos looked at: no faults\n" and read_faults("rest.json") == []
    # The commands stop at what is bad, unless told to leave it out.
    assert data("summary", *options(photos)) == 2
    assert "secret.jpg" in capsys.readouterr().err
    assert data("summary", *options(photos), "--skip", path) == 0
    assert "7 photos, 10 objects" in capsys.readouterr().out  # 0.jpg lost one of its two objects


def test_validate_goes_by_the_channels_that_are_asked_for(photos, capsys):
    assert data("validate", *options(photos), "--set", "IMAGE_CHANNEL_COUNT=4", "--set", "MEAN_PIXEL=[1,2,3,4]") == 1
    assert "load_image gave 3 channels, the network takes 4" in capsys.readouterr().out


def test_validate_where_nothing_is_sound(photos, capsys):
    content = json.loads(photos.read_text())
    for image in content["images"]:
        image["file_name"] = "/etc/no_" + image["file_name"]
    photos.write_text(json.dumps(content))
    assert data("validate", *options(photos)) == 1
    printed = capsys.readouterr().out
    assert "0 photos looked at: path escape  10" in printed
    assert sum(line.startswith("/etc/") for line in printed.split("\n")) == 10


def test_validate_speaks_of_data_where_there_are_no_classes_and_no_objects(photos, capsys):
    content = json.loads(photos.read_text())
    photos.write_text(json.dumps({**content, "annotations": []}))
    assert data("validate", *options(photos)) == 1
    assert "No photo has an object" in capsys.readouterr().out
    photos.write_text(json.dumps({**content, "annotations": [], "categories": []}))
    for task in ("validate", "summary"):
        assert data(task, *options(photos)) == 2
        assert "all.json: it names no class" in capsys.readouterr().err


def test_validate_tells_what_is_taken_otherwise_than_written(photos, capsys):
    content = json.loads(photos.read_text())
    for annotation in content["annotations"][:2]:
        annotation["image_id"] = str(annotation["image_id"])
    photos.write_text(json.dumps(content))
    assert data("validate", *options(photos)) == 0
    assert "2 ids written as text in one place and as number in another" in capsys.readouterr().out


def test_validate_tells_what_the_parts_of_label_maps_become(photos, capsys):
    os.makedirs("labels")
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[:12, :12] = labels[20:32, :12] = 1  # one dress of two parts
    labels[40:42, :5] = 2  # 10 pixels
    for i in range(10):
        Image.fromarray(labels).save(f"labels/{i}.png")
    with open("names.txt", "w") as file:
        file.write("background\ndress\nring\n")
    assert data("validate", "--annotations", "labels", "--images", "photos", "--names", "names.txt") == 0
    printed = capsys.readouterr().out
    assert "10 objects are made of 20 parts that lie apart, on 10 photos" in printed and "--mapping" in printed
    assert "10 parts of label maps under 60 pixels are no objects, with 100 pixels in all" in printed


def test_names_do_not_steer_the_terminal(photos, capsys):
    content = json.loads(photos.read_text())
    content["categories"][0]["name"] = "\x1b[31mhat$\\frac{$"
    photos.write_text(json.dumps(content))
    assert data("summary", *options(photos)) == 0  # its figure has the name, too
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and r"\x1b[31mhat$\frac{$" in printed
    content["images"][0]["file_name"] = "\x1b[2J.jpg"
    photos.write_text(json.dumps(content))
    assert data("validate", *options(photos)) == 1
    assert "\x1b" not in capsys.readouterr().out
    assert data("summary", *options(photos)) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_validate_drawn_pictures(tmp_path, capsys):
    assert data("validate", "--limit", "3", "--logs", tmp_path) == 0
    assert "3 photos looked at: no faults" in capsys.readouterr().out


# --- Conversion ------------------------------------------------------------------------------------------------------


def test_convert_there_and_back(photos, capsys):
    assert data("convert", *options(photos), "--to", "imaterialist", "--output", "new/all.csv") == 0
    assert "10 photos are in new/all.csv" in capsys.readouterr().out
    content = json.loads(photos.read_text())
    bare = {entry["id"] for entry in content["images"][:4]}
    content["annotations"] = [entry for entry in content["annotations"] if entry["image_id"] not in bare]
    (photos.parent / "some.json").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="some.csv: left out 4 photos without objects"):
        assert data("convert", "--annotations", "some.json", "--images", "photos", "--to", "imaterialist", "--output",
                    "few/some.csv") == 0
    assert "The annotations of 6 photos are in few/some.csv" in capsys.readouterr().out
    assert data("convert", "--annotations", "new/all.csv", "--images", "photos", "--to", "coco",
                "--output", "back.json") == 0
    first, last = (open_dataset(path, "photos") for path in (photos.name, "back.json"))
    assert first.class_names == last.class_names and first.num_images == last.num_images
    for i in first.image_ids:
        for one, other in zip(first.load_mask(i), last.load_mask(i)):
            assert np.array_equal(one, other)


# --- Splits ----------------------------------------------------------------------------------------------------------


def test_convert_writes_photos_that_the_annotations_alone_hold(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "held.png")
    text = base64.b64encode((tmp_path / "held.png").read_bytes()).decode()
    (tmp_path / "held.png").unlink()
    (tmp_path / "notes").mkdir()
    Image.fromarray(255 - pixels).save(tmp_path / "notes" / "b.png")
    points = [[4, 4], [12, 4], [12, 34], [4, 34]]
    for name, more in (("a", {"imagePath": "../held.png", "imageData": text}), ("b", {"imagePath": "b.png"})):
        shapes = [{"label": "hat", "points": points, "shape_type": "polygon"}]
        content = {"shapes": shapes, "imageHeight": HEIGHT, "imageWidth": WIDTH, "imageData": None, **more}
        (tmp_path / "notes" / f"{name}.json").write_text(json.dumps(content))
    assert data("convert", "--annotations", "notes", "--to", "coco", "--output", "all.json") == 0
    assert "1 of the photos were held by the annotations alone: all are in all_photos" in capsys.readouterr().out
    dataset = open_dataset("all.json", "all_photos")
    assert [(dataset.load_image(i) == p).all() for i, p in zip(dataset.image_ids, (pixels, 255 - pixels))] == [True] * 2


@pytest.mark.parametrize("form", ["coco", "imaterialist", "labelme", "cvat", "labelstudio"])
def test_convert_writes_drawn_pictures_too(form, tmp_path, monkeypatch, capsys):
    """Their photos stayed in place, it said, and there were none."""
    monkeypatch.chdir(tmp_path)
    output = {"labelme": "all", "cvat": "all.xml", "imaterialist": "all.csv"}.get(form, "all.json")
    assert data("convert", "--to", form, "--limit", 2, "--output", output) == 0
    said = capsys.readouterr().out
    assert "stay in place" not in said
    if form == "labelstudio":
        assert "give it all_photos as storage" in said
        assert "all_photos/drawn_1_00000.png" in (tmp_path / output).read_text()
    else:
        assert "2 of the photos were in no file: all are in all_photos, to give as --images." in said
    drawn, dataset = drawn_pictures("val", 2), open_dataset(output, "all_photos")
    assert [(dataset.load_image(i) == drawn.load_image(i)).all() for i in range(2)] == [True] * 2


@pytest.mark.parametrize("form", ["coco", "labelstudio"])
def test_convert_writes_no_photo_over_the_users(form, tmp_path, monkeypatch, capsys):
    """Only --output itself was looked at."""
    monkeypatch.chdir(tmp_path)
    photo = tmp_path / "all_photos" / "drawn_1_00000.png"
    photo.parent.mkdir()
    photo.write_text("mine")
    words = ["convert", "--to", form, "--limit", 1, "--output", "all.json"]
    assert data(*words) == 2
    error = capsys.readouterr().err
    assert f"{photo} was not written by this program" in error and "--overwrite" in error
    assert photo.read_text() == "mine" and not (tmp_path / "all.json").exists()
    assert data(*words, "--overwrite") == data(*words) == 0  # its own are replaced
    assert photo.read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("form", ["yolo", "voc"])
def test_convert_writes_drawn_pictures_into_folders(form, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert data("convert", "--to", form, "--limit", 2, "--output", "all") == 0
    source = "all/data.yaml" if form == "yolo" else "all"
    drawn, dataset = drawn_pictures("val", 2), open_dataset(source)
    assert [(dataset.load_image(i) == drawn.load_image(i)).all() for i in range(2)] == [True] * 2


def test_split(photos, capsys):
    assert data("split", *options(photos), "--parts", "train:0.5,val:0.3,test:0.2", "--seed", 2) == 0
    printed = capsys.readouterr().out
    split = read_split("split.json")
    assert split["seed"] == 2 and split["method"] == "stratified"
    assert {part: len(names) for part, names in split["parts"].items()} == {"train": 5, "val": 3, "test": 2}
    assert ["photos", "5", "50.0", "%", "3", "30.0", "%", "2", "20.0", "%"] in rows(printed)
    coats = next(row for row in rows(printed) if row and row[0] == "coat")
    assert sum(map(int, coats[1::3])) == 4 and min(map(int, coats[1::3])) >= 1
    # Each part can be asked for.
    assert data("summary", *options(photos), "--split", "split.json", "--part", "test") == 0
    assert "2 photos" in capsys.readouterr().out


@pytest.mark.parametrize("seed", range(4))
def test_near_duplicates_stay_together(photos, capsys, seed):
    assert data("split", *options(photos), "--method", "random", "--parts", "a:0.5,b:0.5", "--near-duplicates",
                "--seed", seed) == 0
    assert "2 photos are near-duplicates, in 1 groups" in capsys.readouterr().out
    parts = read_split("split.json")["parts"]
    assert ("8.jpg" in parts["a"]) == ("9.jpg" in parts["a"])


def test_copies_of_roboflow_stay_together_unless_they_are_not_to(photos, monkeypatch):
    kept = []

    def split(*arguments):
        kept.append(arguments[-1])
        return {"parts": {"train": ["1.jpg"]}}

    for name in ("random_split", "stratified_split", "preset_split"):
        monkeypatch.setattr(f"mrcnn.data.curation.splits.{name}", split)
    for words in (["--method", "random"], [], ["--preset", next(iter(PRESETS))]):
        assert data("split", *options(photos), *words, "--overwrite") == 0
        assert data("split", *options(photos), *words, "--overwrite", "--no-keep-copies") == 0
    assert kept == [True, False] * 3


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(photos, capsys, preset):
    assert data("split", *options(photos), "--preset", preset, "--output", "made.json") == 0
    split = read_split("made.json")
    assert preset.endswith(split["method"]) and [len(names) for names in split["parts"].values()] == [8, 2]


# --- Pictures --------------------------------------------------------------------------------------------------------


def test_show_before_and_after(photos, capsys):
    assert data("show", *options(photos), "--image-size", "128", "--augment", "flip", "--count", 2, "--versions", 1,
                "--output", "sheet.png") == 0
    assert "2 photos are drawn in sheet.png" in capsys.readouterr().out
    sheet = np.asarray(Image.open("sheet.png"))
    # 128 pixels are drawn at 3 times their size; each cell has a margin of 6 and a line of 18 for its title.
    assert sheet.shape == (2 * (384 + 24) + 6, 2 * (384 + 6) + 6, 3)
    assert data("show", *options(photos), "--image-size", "128", "--augment", "flip", "--count", 2, "--versions", 1,
                "--output", "again.png") == 0
    assert np.array_equal(np.asarray(Image.open("again.png")), sheet)
    assert sorted(os.listdir(".")) == [".mrcnn-output", "again.png", "all.json", "photos", "sheet.png"]


def test_a_seed_is_that_of_the_choice_too_whichever_way_it_is_given(photos):
    for name, words in (("option", ["--seed", 3]), ("setting", ["--set", "SEED=3"]), ("none", [])):
        assert data("show", *options(photos), "--image-size", "64", "--count", 3, "--versions", 1, *words, "--output",
                    f"{name}.png") == 0
    option, setting, none = (np.asarray(Image.open(f"{name}.png")) for name in ("option", "setting", "none"))
    assert np.array_equal(option, setting) and not np.array_equal(option, none)


def test_a_picture_that_cannot_be_written_leaves_nothing(photos, capsys):
    os.mkdir("sheet.png")
    assert data("show", *options(photos), "--image-size", "64", "--count", 1, "--output", "sheet.png") == 2
    assert "error: sheet.png: cannot write the file (Is a directory)" in capsys.readouterr().err
    assert sorted(os.listdir(".")) == ["all.json", "photos", "sheet.png"]
    assert not os.listdir("sheet.png")


def test_show_draws_the_objects(photos):
    assert data("show", *options(photos), "--image-size", "128", "--augment", "none", "--count", 1, "--limit", 1,
                "--output", "drawn.png") == 0
    content = json.loads(photos.read_text())
    photos.write_text(json.dumps({**content, "annotations": []}))
    assert data("show", *options(photos), "--image-size", "128", "--augment", "none", "--count", 1, "--limit", 1,
                "--output", "bare.png") == 0
    drawn, bare = (np.asarray(Image.open(name)).astype(int) for name in ("drawn.png", "bare.png"))
    changed = np.abs(drawn - bare).max(axis=2) > 0
    # 60 x 40 pixels become 128 x 85, with 21 of padding at the left, drawn at 3 times; the coat is rows 4 to 33 and
    # columns 4 to 19 of the photo. What lies right of it, below the labels, is as it was.
    scale = 3 * 128 / 60
    top, left = 6, 6 + 3 * 21
    inside = changed[top + int(20 * scale):top + int(33 * scale), left + int(6 * scale):left + int(18 * scale)]
    assert inside.mean() > 0.95
    assert not changed[top + int(36 * scale):384, :].any() and not changed[100:384, left + int(22 * scale):390].any()


# --- Bad usage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, message", [
    ([], "summary|validate|convert|split|show"),
    (["count"], "invalid choice: 'count'"),
    (["summary", "--image-size", "100"], "must divide by 64"),
    (["summary", "--limit", "1", "--set", "IMAGE_RESIZE_MODE=odd"], "IMAGE_RESIZE_MODE='odd' is none of"),
    (["summary", "--limit", "1", "--set", "RPN_ANCHOR_SCALES=[]"], "RPN_ANCHOR_SCALES=[]: give a list"),
    (["summary", "--images", "photos"], "--images needs annotations"),
    (["summary", "--annotations", "gone.json"], "gone.json: no such annotations"),
    (["validate", "--annotations", "gone.json"], "gone.json: no such annotations"),
    (["validate", "--annotations", "all.json", "--images", "gone"], "gone: no such image folder"),
    (["convert", "--to", "coco"], "required: --output"),
    (["convert", "--to", "nothing", "--output", "x"], "invalid choice: 'nothing'"),
    (["convert", "--annotations", "all.json", "--to", "coco", "--output", "all.json"], "is the file that is read"),
    (["split"], "give their --annotations"),
    (["split", "--annotations", "all.json", "--images", "photos", "--parts", "a:1,b:1"], "shares above 0 that make 1"),
    (["split", "--parts", "train"], "'train' is not name:share"),
    (["split", "--parts", "a:0.5,a:0.5"], "names a part twice"),
    (["split", "--preset", "5k"], "invalid choice: '5k'"),
    (["split", "--preset", "full-random", "--method", "random"], "leave --method and --parts out"),
    (["split", "--near-duplicates", "40"], "40 is not within 0 and 20"),
    (["show", "--augment", "everything"], "everything"),
    (["show", "--augment", "none", "--versions", "7"], "--versions 7: the augmentation none changes no photo"),
    (["split", "--seed", "-1"], "-1 is less than 0"),
    (["show", "--seed", "-1"], "-1 is less than 0"),
    (["show", "--count", "0"], "0 is less than 1"),
])
def test_bad_usage_is_one_line(photos, capsys, arguments, message):
    assert data(*arguments) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err.count("\n") == 1 and output.err.startswith("error: ")
    assert message in output.err
