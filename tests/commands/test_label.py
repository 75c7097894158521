"""The command `label` and `evaluate --pixels`, with a model whose results are known."""

import hashlib
import json
import os
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from PIL import Image

from mrcnn.architectures.instances import InstanceSegmenter
from mrcnn.commands import label as fashion_label
from mrcnn.commands.main import main


class Finder:
    """A model that finds the bright square of a photo as a hat of score 0.4 and, with less, a tie in the corner."""

    mirrored = False

    def __init__(self, names=("BG", "hat", "tie")):
        self.class_names = list(names)
        self.config = SimpleNamespace(BATCH_SIZE=2, NUM_CLASSES=len(names), LABEL_REFINE="none",
                                      TEST_FLIP=self.mirrored, TEST_SCALES=(1.0,))

    def detect(self, images, rle=False, mask_probabilities=False):
        assert rle and mask_probabilities
        return [self.find(image[..., 0] > 100) for image in images]

    label_each, _labelled = InstanceSegmenter.label_each, InstanceSegmenter._labelled

    def architecture_name(self):
        return "finder"

    def find(self, mask):
        rows, columns = np.nonzero(mask)
        box = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        return {"boxes": np.float32([box, [0, 0, 5, 5]]), "class_ids": np.array([1, 2]), "rles": [None, None],
                "scores": np.float32([0.4, 0.2]), "mask_probabilities": np.ones((2, 28, 28), np.float32)}


@pytest.fixture
def loaded(monkeypatch):
    """The overrides with which models were loaded."""
    seen = []

    def load(path, options, overrides):
        seen.append(overrides)
        return Finder()

    monkeypatch.setattr(fashion_label, "load_model", load)
    return seen


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "run").mkdir()
    with h5py.File(tmp_path / "run" / "weights.h5", "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(["BG", "hat", "tie"])
    return str(tmp_path / "run" / "weights.h5")


def label(*arguments):
    """The exit code of the command."""
    return main(["label", *arguments])


def write_photos(folder, count=3, names=None):
    folder.mkdir()
    for i in range(count):
        image = np.zeros((40, 60, 3), np.uint8)
        image[10:30, 5 + i:25 + i] = 200
        Image.fromarray(image).save(folder / (names[i] if names else f"{i}.png"))
    return str(folder)


def write_annotations(folder, count=3):
    """COCO annotations of the photos of `write_photos`: a hat at the bright square; returns the path."""
    names = ["hat", "tie"]
    path = folder / "val.json"
    path.write_text(json.dumps({
        "images": [{"id": i, "file_name": f"{i}.png", "height": 40, "width": 60} for i in range(count)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, 1)],
        "annotations": [{"id": i + 1, "image_id": i, "category_id": 1, "iscrowd": 0, "area": 400,
                         "bbox": [5 + i, 10, 20, 20],
                         "segmentation": [[5 + i, 10, 25 + i, 10, 25 + i, 30, 5 + i, 30]]} for i in range(count)],
    }))
    return str(path)


def evaluate_options(checkpoint, **others):
    """Options of `evaluate` that `evaluate_pixels` reads."""
    return SimpleNamespace(**{"weights": checkpoint, "refine": None, "tile": None, "tile_overlap": 0.25, "report": True,
                              **others})


def test_label_maps_and_overlays(loaded, checkpoint, tmp_path, capsys):
    (tmp_path / "run" / "weights.label.json").write_text('{"score_threshold": 0.3}')
    assert label("--weights", checkpoint, "--image", write_photos(tmp_path / "in")) == 0
    folder = tmp_path / "run" / "labels"
    assert sorted(os.listdir(folder)) == [
        ".mrcnn-output", ".mrcnn-progress.jsonl", "0.png", "0_overlay.jpg", "1.png", "1_overlay.jpg", "2.png",
        "2_overlay.jpg", "label_names.txt",
    ]
    for i in range(3):
        expected = np.zeros((40, 60))
        expected[10:30, 5 + i:25 + i] = 1
        picture = Image.open(folder / f"{i}.png")
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), expected)
    assert Image.open(folder / "0_overlay.jpg").size[1] == 4 * 40  # enlarged
    assert (folder / "label_names.txt").read_text().split("\n")[:3] == ["0 BG", "1 hat", "2 tie"]
    assert loaded == [{"DETECTION_MIN_CONFIDENCE": 0.3}]  # less is of no use
    assert "of 3 photos" in capsys.readouterr().out


def test_what_is_written_is_a_data_set_of_label_maps(loaded, checkpoint, tmp_path):
    from mrcnn.data.formats import open_dataset

    photos, output = write_photos(tmp_path / "in"), str(tmp_path / "out")
    (tmp_path / "run" / "weights.label.json").write_text('{"score_threshold": 0.3}')
    assert label("--weights", checkpoint, "--image", photos, "--output", output) == 0
    dataset = open_dataset(output, photos)
    assert len(dataset.image_ids) == 3 and dataset.class_names[1:] == ["hat", "tie"]
    assert (dataset.label_map(0) == 1).sum() == 400


def test_photos_of_one_stem_get_files_of_their_own(loaded, checkpoint, tmp_path):
    """The others keep their names, and the reader of label maps finds the photo of each."""
    from mrcnn.data.formats import open_dataset

    photos, output = write_photos(tmp_path / "in", 3, ["a.png", "a.bmp", "b.png"]), str(tmp_path / "out")
    (tmp_path / "run" / "weights.label.json").write_text('{"score_threshold": 0.3}')
    with pytest.warns(UserWarning, match=r"2 photos have a name .*\(a.bmp: a_bmp, a.png: a_png\)"):
        assert label("--weights", checkpoint, "--image", photos, "--output", output) == 0
    assert {name for name in os.listdir(output) if name[0] in "ab"} == {
        f"{stem}{ending}" for stem in ("a_png", "a_bmp", "b") for ending in (".png", "_overlay.jpg")}
    with pytest.warns(UserWarning, match="2 label maps called otherwise than its photo"):
        dataset = open_dataset(output, photos)
    # Of the i-th photo the square begins in column 5 + i.
    assert {dataset.file_name(i): np.nonzero(dataset.label_map(i))[1].min() for i in range(3)} == {
        "a.png": 5, "a.bmp": 6, "b.png": 7}


def test_a_photo_that_comes_later_renames_its_namesake_alone(loaded, checkpoint, tmp_path):
    photos, output = write_photos(tmp_path / "in", 2, ["a.png", "b.png"]), tmp_path / "out"
    command = ["--weights", checkpoint, "--image", photos, "--output", str(output), "--drawings", "none"]
    assert label(*command) == 0
    before = os.stat(output / "b.png").st_mtime_ns
    Image.open(tmp_path / "in" / "a.png").save(tmp_path / "in" / "a.bmp")
    with pytest.warns(UserWarning, match=r"a\.png \(1 in all\) of a former run remain"):
        assert label(*command, "--resume") == 0
    assert {"a_png.png", "a_bmp.png"} <= set(os.listdir(output))
    assert os.stat(output / "b.png").st_mtime_ns == before  # not labelled anew


def test_names_that_become_alike_get_numbers():
    class Photos:
        image_info = [{"path": f"in/{name}"} for name in ("x.jpg", "X.png", "a.b.png", "a_b.png", "a_b.bmp")]

    with pytest.warns(UserWarning, match=r"4 photos .*, \.\.\.\)"):
        assert fashion_label.file_stems(Photos()) == ["x_jpg", "X_png", "a.b", "a_b_png", "a_b_bmp"]
    Photos.image_info = [{"path": f"in/{name}"} for name in ("a.png", "a.PNG", "a_PNG.jpg")]
    with pytest.warns(UserWarning, match="2 photos"):
        assert fashion_label.file_stems(Photos()) == ["a_png_2", "a_PNG_3", "a_PNG"]
    Photos.image_info = [{"path": "in/a.b.png"}, {"id": "a_b.png"}]
    assert fashion_label.file_stems(Photos()) == ["a.b", "a_b"]


def test_a_bad_photo_is_named_and_the_others_are_labelled(loaded, checkpoint, tmp_path, capsys):
    photos = write_photos(tmp_path / "in")
    (tmp_path / "in" / "1.png").write_bytes(b"no picture")
    assert label("--weights", checkpoint, "--image", photos, "--output", str(tmp_path / "out")) == 2
    assert "1.png" in capsys.readouterr().err and {"0.png", "2.png"} <= set(os.listdir(tmp_path / "out"))


@pytest.mark.parametrize("arguments, message", [
    (["--image", "IN", "--refine", "blur"], "no step 'blur'"),
    (["--image", "IN", "--output", "IN"], "is the folder of the photos"),
    (["--image", "gone.jpg"], "gone.jpg does not exist"),
    (["--images", "IN"], "takes its photos by --image"),
    (["--image", "IN", "--part", "val", "--min-area", "9", "--on-error", "skip"],
     "--on-error, --min-area, --part belong to --tune"),
    (["--tune", "--image", "IN", "--refine", "none"], "leave --image, --refine out"),
    (["--tune", "--min-confidence", "0.5"], "leave --min-confidence out"),
    (["--tune", "--set", "DETECTION_MIN_CONFIDENCE=0.7"], "leave DETECTION_MIN_CONFIDENCE of --set out"),
    (["--tune", "--output", "X", "--drawings", "all"], "leave --output, --drawings out"),
    (["--tune", "--overwrite", "--resume"], "leave --overwrite, --resume out"),
    (["--tune", "--annotations", "gone.json"], "gone.json"),
])
def test_bad_usage_is_one_line(loaded, checkpoint, tmp_path, capsys, arguments, message):
    photos = write_photos(tmp_path / "in")
    arguments = [photos if argument == "IN" else argument for argument in arguments]
    assert label("--weights", checkpoint, *arguments) == 2
    output = capsys.readouterr()
    assert output.err.count("\n") == 1 and message in output.err and loaded == []


def test_settings_of_other_classes_are_told(loaded, checkpoint, tmp_path, capsys):
    (tmp_path / "run" / "weights.label.json").write_text('{"class_thresholds": {"coat": 0.3}}')
    assert label("--weights", checkpoint, "--image", write_photos(tmp_path / "in")) == 2
    assert "'coat'" in capsys.readouterr().err


def test_tune_stores_what_label_then_uses(loaded, checkpoint, tmp_path, capsys):
    """Hats are found with 0.4 and wrong ties with 0.2: at 0.5 nothing is labelled, between the two all is right."""
    photos, annotations = write_photos(tmp_path / "in"), write_annotations(tmp_path)
    assert label("--weights", checkpoint, "--tune", "--images", photos, "--annotations", annotations) == 0
    # Background 2000 of 2400 and hats 0 of 400 before.
    printed = capsys.readouterr().out
    assert "mean IoU 0.4167 before, 1.0000 now, on 3 photos" in printed and "weights.label.json" in printed
    stored = json.loads((tmp_path / "run" / "weights.label.json").read_text())
    assert 0.2 < stored["score_threshold"] <= 0.4
    assert loaded[0]["DETECTION_MIN_CONFIDENCE"] == 0.05
    assert label("--weights", checkpoint, "--image", photos, "--output", str(tmp_path / "out")) == 0
    assert (np.asarray(Image.open(tmp_path / "out" / "0.png")) == 1).sum() == 400


def test_thresholds_tuned_for_other_scores_are_told(loaded, checkpoint, tmp_path, recwarn, monkeypatch):
    photos, annotations = write_photos(tmp_path / "in"), write_annotations(tmp_path)
    assert label("--weights", checkpoint, "--tune", "--images", photos, "--annotations", annotations) == 0
    stored = json.loads((tmp_path / "run" / "weights.label.json").read_text())["tuned_with"]
    with open(checkpoint, "rb") as file:
        content = hashlib.sha256(file.read()).hexdigest()
    assert stored == {"weights": "weights.h5", "sha256": content, "views": "1", "tiles": False, "mask_scores": False}

    def told(number):
        recwarn.clear()
        assert label("--weights", checkpoint, "--image", photos, "--output", str(tmp_path / f"{number}")) == 0
        return [str(warning.message) for warning in recwarn if "tuned with" in str(warning.message)]

    assert told(0) == []
    with h5py.File(checkpoint, "a") as file:
        file.attrs["trained"] = "further"
    monkeypatch.setattr(Finder, "mirrored", True)
    [line] = told(1)
    assert ("weights.label.json: the thresholds were tuned with weights of other content (weights.h5); "
            "views 1 (now 1, 1 mirrored), so") in line
    assert "run label --tune again" in line and "or delete the file" in line and "\n" not in line


def test_evaluate_pixels_tells_of_thresholds_tuned_without_tiles(checkpoint, tmp_path):
    from mrcnn.data.formats import open_dataset

    dataset = open_dataset(write_annotations(tmp_path, 1), write_photos(tmp_path / "in", 1))
    (tmp_path / "run" / "weights.label.json").write_text('{"score_threshold": 0.3, "tuned_with": {"tiles": false}}')
    options = evaluate_options(checkpoint, report=False, tile=512)
    with pytest.warns(UserWarning, match=r"tuned with tiles False \(now True\), so .*run label --tune again"):
        fashion_label.evaluate_pixels(options, Finder(), dataset, str(tmp_path / "out"), "no title", {})


@pytest.mark.parametrize("asked", [["--min-confidence", "0.15"], ["--set", "DETECTION_MIN_CONFIDENCE=0.15"]])
def test_the_least_score_asked_for_replaces_the_tuned_ones(loaded, checkpoint, tmp_path, capsys, asked):
    """A wrong tie of 25 pixels scores 0.2."""
    (tmp_path / "run" / "weights.label.json").write_text('{"class_thresholds": {"tie": 0.9}}')
    photos = write_photos(tmp_path / "in")
    for more, pixels in (([], 0), (asked, 25)):
        assert label("--weights", checkpoint, "--image", photos, "--output", str(tmp_path / f"out{pixels}"), *more) == 0
        assert (np.asarray(Image.open(tmp_path / f"out{pixels}" / "0.png")) == 2).sum() == pixels
    assert loaded[-1] == {"DETECTION_MIN_CONFIDENCE": 0.15}
    told = "Objects of a score of 0.15 or more count, in place of 0.5 and of what was tuned for 1 class.\n"
    assert capsys.readouterr().out.count(told) == 1


def test_evaluate_pixels_of_a_least_score(checkpoint, tmp_path):
    from mrcnn.data.formats import open_dataset

    dataset = open_dataset(write_annotations(tmp_path), write_photos(tmp_path / "in"))
    for least, tie in ((0.3, None), (0.1, 0)):
        fashion_label.evaluate_pixels(evaluate_options(checkpoint, report=False), Finder(), dataset,
                                      str(tmp_path / "e"), "weights on val", {"DETECTION_MIN_CONFIDENCE": least})
        metrics = json.loads((tmp_path / "e" / "pixels.json").read_text())
        assert metrics["classes"][2]["iou"] == tie and metrics["settings"]["score_threshold"] == least


def test_evaluate_pixels(checkpoint, tmp_path, capsys):
    """The square is right in each photo; a wrong tie of 25 pixels is too when its threshold is low."""
    from mrcnn.data.formats import open_dataset

    dataset = open_dataset(write_annotations(tmp_path), write_photos(tmp_path / "in"))
    folder = str(tmp_path / "evaluation")
    for threshold, tie in ((0.3, None), (0.1, 0)):
        (tmp_path / "run" / "weights.label.json").write_text(json.dumps({"score_threshold": threshold}))
        fashion_label.evaluate_pixels(evaluate_options(checkpoint), Finder(), dataset, folder, "weights on val", {})
        metrics = json.loads((tmp_path / "evaluation" / "pixels.json").read_text())
        ious = [entry["iou"] for entry in metrics["classes"]]
        assert ious == [pytest.approx(1 if tie is None else 1975 / 2000), 1, tie]
        assert metrics["photos"] == 3 and metrics["settings"]["score_threshold"] == threshold
        assert ("iou of tie" in metrics["undefined"]) == (tie is None)
        assert metrics["measured"] == {"weights": "weights.h5", "architecture": "finder", "refinement": "none",
                                       "views": "at 1 of the size", "tiles": "none"}
        printed = capsys.readouterr().out
        assert "frequency-weighted IoU" in printed
        assert f"pixels.html, pixels.csv and pixels.json are in {folder}" in printed
    rows = (tmp_path / "evaluation" / "pixels.csv").read_text().splitlines()
    assert len(rows) == 4 and rows[1].startswith("0.png,") and ",BG as tie,25," in rows[1]
    report = (tmp_path / "evaluation" / "pixels.html").read_text()
    assert report.count("data:image/jpeg") == 3 * 4 and "All 3 photos" in report and "weights on val" in report


def test_evaluate_pixels_without_a_report(checkpoint, tmp_path, capsys):
    from mrcnn.data.formats import open_dataset

    dataset = open_dataset(write_annotations(tmp_path), write_photos(tmp_path / "in"))
    options = evaluate_options(checkpoint, report=False, tile=512)
    fashion_label.evaluate_pixels(options, Finder(), dataset, str(tmp_path / "out"), "no title", {})
    assert sorted(os.listdir(tmp_path / "out")) == ["pixels.csv", "pixels.json"]
    measured = json.loads((tmp_path / "out" / "pixels.json").read_text())["measured"]
    assert measured["tiles"] == "512 pixels, 0.25 of a side in common"
    assert "pixels.csv and pixels.json are in" in capsys.readouterr().out


def test_evaluate_pixels_refines(checkpoint, tmp_path):
    """The wrong ties of 25 pixels of 2400 are small regions under a bound of 2 %."""
    from mrcnn.data.formats import open_dataset

    dataset = open_dataset(write_annotations(tmp_path), write_photos(tmp_path / "in"))
    (tmp_path / "run" / "weights.label.json").write_text('{"score_threshold": 0.1}')
    options = evaluate_options(checkpoint, refine="small-regions:least=0.02")
    fashion_label.evaluate_pixels(options, Finder(), dataset, str(tmp_path / "out"), "refined", {})
    metrics = json.loads((tmp_path / "out" / "pixels.json").read_text())
    assert metrics["mean_iou"] == 1 and metrics["measured"]["refinement"] == "small-regions:least=0.02"
