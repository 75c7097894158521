"""The commands: bad usage, data that does not fit, and a whole run as a user does it."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from PIL import Image

from mrcnn import __version__, has_wide_vectors
from mrcnn.commands import detect as fashion_detect
from mrcnn.commands import evaluate as fashion_evaluate
from mrcnn.commands import main as fashion
from mrcnn.commands import options as command_line
from mrcnn.commands.configs import DrawnConfig, FashionConfig
from mrcnn.commands.datasets import drawn_pictures
from mrcnn.commands.options import PRESETS, expand_presets, preset_names
from mrcnn.commands.resume import JOURNAL
from mrcnn.commands.runs import checkpoint_of
from mrcnn.commands.settings import DRAWN_BACKBONE, choose_training_arithmetic, new_config, overrides_of, starts_of
from mrcnn.config_unused import unused
from mrcnn.data.run_lengths import encode as rle_encode
from mrcnn.errors import ConfigError, UsageError

pytestmark = pytest.mark.usefixtures("eagerly")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# As little network as there is, so that what is run here is the commands.
TINY = ["--limit", "4", "--batch-size", "4", "--image-size", "128", "--set", "TOP_DOWN_PYRAMID_SIZE=32",
        "--set", "RPN_CHANNELS=32", "--set", "MASK_CHANNELS=32", "--set", "FPN_CLASSIF_FC_LAYERS_SIZE=32",
        "--set", "TRAIN_ROIS_PER_IMAGE=16", "--set", "POST_NMS_ROIS_TRAINING=50", "--set", "POST_NMS_ROIS_INFERENCE=50",
        "--set", "DETECTION_MAX_INSTANCES=10"]


def run(*arguments, folder):
    """A command in this process, from another folder: its exit code as `returncode`, its `stdout` and its `stderr`."""
    output, errors, here = io.StringIO(), io.StringIO(), os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = fashion.main(list(arguments))
    finally:
        os.chdir(here)
    return SimpleNamespace(returncode=code, stdout=output.getvalue(), stderr=errors.getvalue())


def process(*arguments, folder):
    """The same as a user runs it, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.run([sys.executable, "-m", "mrcnn", *arguments], capture_output=True, text=True, cwd=folder,
                          env=environment)


def fails(capsys, *arguments):
    """The one line on stderr of a command that has to fail with exit code 2."""
    assert fashion.main(list(arguments)) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err.count("\n") == 1 and output.err.startswith("error: ")
    return output.err


# --- Bad usage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, message", [
    ([], "train|tune|evaluate|detect"),
    (["draw"], "invalid choice: 'draw'"),
    (["train", "--images", "photos"], "--images needs annotations"),
    (["train", "--train", "a.json"], "both --train and --val ANNOTATIONS, or --annotations PATH with --split FILE"),
    (["train", "--annotations", "a.json"], "needs --split FILE (made by `data split`)"),
    (["train", "--split", "s.json"], "--split needs the --annotations PATH"),
    (["train", "--annotations", "a.json", "--split", "s.json", "--val", "b.json"], "leave --train and --val out"),
    (["train", "--train", "a.json", "--val", "b.json"], "a.json: no such annotations"),
    (["train", "--stages", "heads:20"], "'heads:20' is not layers:epochs:learning-rate, :augmentation behind it"),
    (["train", "--set", "STAGES=heads"], "'heads' is not layers:epochs:learning-rate"),
    (["train", "--image-size", "500"], "must divide by 64; the nearest size is 512"),
    (["train", "--image-size", "20"], "the nearest size is 64"),
    (["train", "--batch-size", "0"], "0 is less than 1"),
    (["train", "--limit", "x"], "--limit"),
    (["train", "--set", "IMAGE_MAX_DIN=512"], "did you mean IMAGE_MAX_DIM?"),
    (["train", "--set", "WEIGHT_DECAY=much"], "WEIGHT_DECAY='much': give a number from 0 to 1, e.g. 0.0001"),
    (["train", "--set", "WEIGHT_DECAY"], "write NAME=VALUE"),
    (["train", "--set", "NUM_CLASSES=5"], "the data has 9 classes with the background"),
    (["train", "--augment", "everything"], "there is no augmentation 'everything'; take none, flip"),
    (["train", "--weights", "gone.h5"], "gone.h5: no such file"),
    (["evaluate", "--weights", "gone.h5"], "gone.h5: no such file"),
    (["evaluate", "--images", "photos"], "--images needs annotations"),
    (["evaluate", "--annotations", "val.json", "--part", "test"], "--part needs the --split FILE"),
    (["evaluate", "--min-confidence", "5"], "5 is not within 0 and 1"),
    (["detect", "--image", "gone.jpg"], "gone.jpg does not exist"),
])
def test_bad_usage_is_one_line(capsys, arguments, message):
    if "NUM_CLASSES=5" in arguments:
        arguments = [*arguments, "--limit", "1"]
    assert message in fails(capsys, *arguments)


def test_bad_data_is_one_line(capsys, tmp_path):
    (tmp_path / "bad.json").write_text("{")
    line = fails(capsys, "evaluate", "--images", str(tmp_path), "--annotations", str(tmp_path / "bad.json"))
    assert "bad.json" in line


def test_classes_of_training_and_validation_differ(capsys, tmp_path):
    for name, category in (("a", "hat"), ("b", "coat")):
        write_photos(tmp_path, name, category)
    line = fails(capsys, "train", "--images", str(tmp_path), "--train", str(tmp_path / "a.json"),
                 "--val", str(tmp_path / "b.json"))
    assert "a.json has the classes hat" in line and "b.json has coat" in line


def write_photos(folder, name, category):
    """A folder of one photo with one object, and its COCO annotations in name.json."""
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(folder / "photo.jpg")
    (folder / f"{name}.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "photo.jpg", "height": 40, "width": 60}],
        "categories": [{"id": 3, "name": category}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "iscrowd": 0, "area": 100, "bbox": [5, 5, 10, 10],
                         "segmentation": [[5, 5, 15, 5, 15, 15, 5, 15]]}],
    }))


@pytest.mark.parametrize("command", [[], ["train"], ["evaluate"], ["detect"]])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        fashion.main([*command, "--help"])
    output = capsys.readouterr()
    assert ended.value.code == 0 and output.out.startswith("usage:") and output.err == ""


def test_debug_shows_where_an_error_comes_from():
    with pytest.raises(UsageError):
        fashion.main(["train", "--stages", "heads", "--debug"])


def test_bad_usage_as_a_user_sees_it(tmp_path):
    output = process("train", "--stages", "heads", folder=tmp_path)
    assert output.returncode == 2 and output.stdout == "" and output.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []


HEAVY = {"keras", "tensorflow", "matplotlib", "pycocotools", "cv2", "imgaug", "scipy", "skimage", "h5py", "PIL"}


@pytest.mark.parametrize("arguments, code", [(["--help"], 0), (["train", "--help"], 0), (["--version"], 0),
                                             (["train", "--imagesize", "1"], 2),
                                             (["data", "split", "--parts", "a"], 2)])
def test_help_and_wrong_options_bring_no_numpy_in(arguments, code):
    exit_code, modules = modules_after(arguments)
    assert exit_code == code and not {"numpy", *HEAVY} & modules


@pytest.mark.parametrize("arguments", [["train", "--image-size", "1"], ["data", "split"]])
def test_refusals_bring_nothing_heavy_in(arguments):
    exit_code, modules = modules_after(arguments)
    assert exit_code == 2 and not HEAVY & modules


def modules_after(arguments):
    """(exit code, names of the packages that are imported) of a process that ran a command."""
    program = ("import sys; from mrcnn.commands.main import main\n"
               f"try: code = main({arguments})\nexcept SystemExit as end: code = end.code\n"
               "print(code, *{name.split('.')[0] for name in sys.modules})")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    exit_code, *modules = done.stdout.splitlines()[-1].split()
    return int(exit_code), set(modules)


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit, match="0"):
        fashion.main(["--version"])
    assert capsys.readouterr().out == f"mrcnn {__version__}\n"


# Each of them gets as far as it can without Keras, whose import then fails.
STARTS_KERAS = """
import os, stat, sys
from mrcnn.commands.main import main

class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name == "keras":
            quiet.append(stat.S_ISREG(os.fstat(2).st_mode))  # into a file, which is shown if something else fails
            raise KeyError("Keras was asked for")

sys.meta_path.insert(0, Refusal())
weights, here = sys.argv[1:]
logs = ["--logs", here]
commands = [["train"], ["train", "--weights", "last"], ["train", "--weights", weights], ["tune"],
            ["evaluate", "--weights", weights], ["detect", "--weights", weights], ["label", "--weights", weights],
            ["diagnose", "--weights", weights], ["export", "--weights", weights]]
for arguments in commands:
    quiet = []
    try:
        print(arguments, main([*arguments, *logs, *([] if arguments[0] == "export" else ["--limit", "1"])]))
    except KeyError:
        print(*arguments, quiet[0])
print("no run", main(["detect", "--logs", here + "/nowhere"]), *quiet[1:])
"""


def test_what_tensorflow_says_at_its_import_stands_above_no_error(tmp_path):
    path = tmp_path / "fashion20270101T0000" / "mask_rcnn_fashion_0001.h5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file.attrs["mrcnn_config"] = json.dumps(DrawnConfig(NUM_CLASSES=9).to_dict())
        file.attrs["mrcnn_class_names"] = json.dumps(drawn_pictures("val", 1).class_names)
    done = subprocess.run([sys.executable, "-c", STARTS_KERAS, str(path), str(tmp_path)], cwd=ROOT,
                          capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.endswith(("True", "False"))]
    assert len(lines) == 9 and all(line.endswith("True") for line in lines), done.stdout
    assert done.stdout.splitlines()[-1] == "no run 2" and "No checkpoint" in done.stderr


@pytest.mark.parametrize("arguments, on", [
    (["train", "--backbone", "efficientnet_lite0"], True), (["train", "--backbone", "resnet50"], False),
    (["train", "--preset", "ccp"], True), (["train", "--preset", "ccp", "--set", "BACKBONE=resnet50"], False),
    (["train", "--preset", "auto", "--annotations", "a.json"], True),
    (["train", "--preset", "auto", "--backbone", "resnet50"], False),
    (["train"], True), (["train", "--annotations", "a.json"], False),
    (["train", "--weights", "last"], True), (["evaluate", "--weights", "last"], True),
    (["detect", "--weights", "resnet50.h5"], False), (["detect", "--weights", "matterports.h5"], False)])
def test_small_networks_and_those_with_depthwise_convolutions_ask_for_onednn(tmp_path, monkeypatch, arguments, on):
    for name, backbone in (("fashion20270101T0000/mask_rcnn_fashion_0001.h5", "efficientnet_lite0"),
                           ("resnet50.h5", "resnet50")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with h5py.File(tmp_path / name, "w") as file:
            file.attrs["mrcnn_config"] = json.dumps(DrawnConfig(NUM_CLASSES=9, BACKBONE=backbone).to_dict())
    h5py.File(tmp_path / "matterports.h5", "w").close()  # says nothing of its backbone
    assert DrawnConfig.BACKBONE == DRAWN_BACKBONE
    monkeypatch.setattr("mrcnn.commands.settings.LITE_PACKAGE", "json")  # as where it is installed
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "of another test")  # so that it comes back
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    monkeypatch.chdir(tmp_path)
    command, *rest = expand_presets([*arguments, "--logs", str(tmp_path)], PRESETS)
    options = fashion.build_parser().parse_args([command, *rest])
    if command == "train":
        choose_training_arithmetic(options)
    else:
        checkpoint_of(options)
    assert ("TF_ENABLE_ONEDNN_OPTS" in os.environ) == on


def test_a_choice_of_the_users_own_stands(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    choose_training_arithmetic(fashion.build_parser().parse_args(["train", "--backbone", "efficientnet_lite0"]))
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0"


@pytest.mark.parametrize("text, has", [("processor: 0\nflags\t\t: fpu avx2 avx512f\n", True),
                                       ("processor: 0\nflags\t\t: fpu avx2\nbugs: avx512f\n", False),
                                       ("Features\t: asimd\n", False), ("", False), (None, False)])
def test_wide_vectors_are_read_from_the_flags_of_the_processor(tmp_path, text, has):
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    assert has_wide_vectors(path) is has


# --- Settings --------------------------------------------------------------------------------------------------------


def settings(*arguments):
    options = fashion.build_parser().parse_args(["train", *arguments])
    return options, overrides_of(options)


def test_options_become_settings_and_set_wins_over_what_follows_from_them():
    _, overrides = settings("--image-size", "320", "--backbone", "resnet101", "--batch-size", "3", "--seed", "7",
                            "--stages", "all:1:0.1", "--augment", "none", "--set", "IMAGE_MIN_DIM=64",
                            "--set", "MINI_MASK_SHAPE=[28, 28]")
    assert overrides == {
        "IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 320, "RPN_ANCHOR_SCALES": (20, 40, 80, 160, 320),
        "BACKBONE": "resnet101", "BATCH_SIZE": 3, "SEED": 7,
        "STAGES": "all:1:0.1", "AUGMENT": "none", "MINI_MASK_SHAPE": [28, 28],
    }
    assert settings()[1] == {}


def test_normalisation_follows_the_weights():
    """Frozen batch normalisation needs the statistics of trained weights; without these groups are normalised."""
    data = SimpleNamespace(num_classes=4)
    photos = ["--images", "i", "--train", "t", "--val", "v"]
    for weights, norm in (("none", "group"), ("imagenet", "batch"), ("coco", "batch")):
        options, overrides = settings(*photos, "--weights", weights)
        config = new_config(options, overrides, data)
        assert config.NORM == norm and config.NUM_CLASSES == 4 and config.STEPS_PER_EPOCH is None
    options, overrides = settings(*photos, "--set", "NORM=batch")
    assert new_config(options, overrides, data).NORM == "batch"


@pytest.mark.parametrize("words, told", [
    ([], []), (["--weights", "none"], []), (["--preset", "auto"], []),
    *((["--preset", name], []) for name in preset_names()),
    (["--architecture", "u2net"], []), (["--architecture", "u2netp", "--weights", "none"], []),
    (["--architecture", "unet", "--weights", "none", "--set", "UNET_ENCODER=plain"], []),
    (["--weights", "none", "--backbone", "efficientnet_lite0"], []),
    (["--architecture", "u2net", "--set", "NORM=group"], ["NORM"]),
    (["--weights", "none", "--set", "LR_STEPS=[0.5]", "--set", "TRAIN_BN=true"], ["LR_STEPS", "TRAIN_BN"]),
])
def test_settings_that_do_nothing_are_only_those_that_were_asked_for(words, told):
    for photos in ([], ["--images", "i", "--train", "t", "--val", "v"]):
        options, overrides = settings(*expand_presets(["train", *photos, *words], PRESETS)[1:])
        if "imagenet" in options.weights or "coco" in options.weights:
            options.weights = "none"
        assert list(unused(new_config(options, overrides, SimpleNamespace(num_classes=4)))) == told


def test_weights_bring_the_settings_of_their_network(tmp_path):
    written = DrawnConfig(TOP_DOWN_PYRAMID_SIZE=48, NUM_CLASSES=9, STAGES="all:99:1").to_dict()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["mrcnn_config"] = json.dumps(written)
    options, overrides = settings("--images", "i", "--train", "t", "--val", "v", "--weights", str(tmp_path / "a.h5"),
                                  "--set", "MASK_CHANNELS=16")
    config = new_config(options, overrides, SimpleNamespace(num_classes=4))
    assert (config.BACKBONE, config.NORM, config.TOP_DOWN_PYRAMID_SIZE) == ("small", "group", 48)
    assert config.RPN_ANCHOR_SCALES == DrawnConfig.RPN_ANCHOR_SCALES
    # The data, this run's plan and the options are not the file's.
    assert (config.NUM_CLASSES, config.STAGES, config.MASK_CHANNELS) == (4, FashionConfig.STAGES, 16)


def test_without_photos_the_small_configuration_is_used():
    options, overrides = settings("--batch-size", "3")
    config = new_config(options, overrides, SimpleNamespace(num_classes=9))
    assert isinstance(config, DrawnConfig) and config.BATCH_SIZE == 3
    with pytest.raises(ConfigError):
        settings("--set", "NO_SUCH=1")


def test_drawn_training_and_validation_pictures_differ():
    train, val = drawn_pictures("train", 3), drawn_pictures("val", 3)
    assert len(train.image_ids) == 3 and train.class_names == val.class_names
    for i in range(3):
        assert not any((train.load_image(i) == val.load_image(j)).all() for j in range(3))


# --- A model that the tests know -------------------------------------------------------------------------------------


class Finder:
    """A model that finds one square object, at the place of the bright pixels of a photo."""

    epoch = 0

    def __init__(self, class_names):
        self.class_names = class_names
        self.config = SimpleNamespace(BATCH_SIZE=2, NUM_CLASSES=len(class_names), DETECTION_MAX_INSTANCES=100)

    def detect(self, images, rle=False):
        return [self.find(image[..., 0] > 100) for image in images]

    def find(self, mask):
        rows, columns = np.nonzero(mask)
        box = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        return {"boxes": np.array([box], np.float32), "class_ids": np.array([1], np.int32),
                "scores": np.array([0.8], np.float32), "rles": [rle_encode(mask)]}


@pytest.fixture
def checkpoint(monkeypatch, tmp_path):
    """Path of a checkpoint without weights, which the commands take for one of Finder, which knows hats."""
    for command in (fashion_detect, fashion_evaluate):
        monkeypatch.setattr(command, "load_model", lambda path, options, overrides: Finder(["BG", "hat"]))
    (tmp_path / "run").mkdir()
    with h5py.File(tmp_path / "run" / "weights.h5", "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(["BG", "hat"])
    return str(tmp_path / "run" / "weights.h5")


def write_bright_photos(folder, count):
    folder.mkdir()
    for i in range(count):
        image = np.zeros((40, 60, 3), np.uint8)
        image[10:30, 5 + i:25 + i] = 200
        Image.fromarray(image).save(folder / f"{i}.png")


def test_detect_writes_results_under_file_names(checkpoint, tmp_path, capsys):
    write_bright_photos(tmp_path / "in", 3)
    assert fashion.main(["detect", "--weights", checkpoint, "--image", str(tmp_path / "in")]) == 0
    folder = tmp_path / "run" / "detections"
    assert sorted(os.listdir(folder)) == [".mrcnn-output", JOURNAL, "0.png", "1.png", "2.png", "detections.json"]
    results = json.loads((folder / "detections.json").read_text())
    assert [r["image_id"] for r in results] == ["0.png", "1.png", "2.png"]
    assert {(r["category_id"], r["category_name"]) for r in results} == {(1, "hat")}
    assert [r["bbox"] for r in results] == [[5 + i, 10, 20, 20] for i in range(3)]  # x, y, width, height
    out = capsys.readouterr().out
    assert "3 objects in 3 photos" in out and "--annotations PATH gives those of a data set" in out


def test_detect_gives_the_ids_of_annotations(checkpoint, tmp_path, capsys):
    write_bright_photos(tmp_path / "in", 2)
    listed = tmp_path / "test.json"
    images = [{"id": 40 + i, "file_name": f"{i}.png", "height": 40, "width": 60} for i in (1, 2)]
    listed.write_text(json.dumps({"images": images, "categories": [{"id": 3, "name": "hat"}]}))
    from pycocotools.coco import COCO

    arguments = ["detect", "--weights", checkpoint, "--drawings", "none", "--annotations", str(listed)]
    with pytest.warns(UserWarning, match=r"1 of 2 photos are not in it by their names.*\(first: 0.png\)"):
        assert fashion.main([*arguments, "--image", str(tmp_path / "in")]) == 0
    result, = json.loads((tmp_path / "run" / "detections" / "detections.json").read_text())
    assert (result["image_id"], result["category_id"], result["category_name"]) == (41, 3, "hat")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(listed))
        truth.dataset["annotations"] = []
        loaded = truth.loadRes(str(tmp_path / "run" / "detections" / "detections.json"))
    assert [one["category_id"] for one in loaded.anns.values()] == [3]
    assert f"those of {listed}; 1 objects without them are left out" in capsys.readouterr().out
    assert fashion.main(arguments) == 2 and "give --image a photo" in capsys.readouterr().err
    np.save(tmp_path / "photos.npy", np.zeros((2, 40, 60, 3), np.uint8))
    assert fashion.main([*arguments, "--image", str(tmp_path / "photos.npy")]) == 2
    assert "of photos that are files" in capsys.readouterr().err


def test_detect_tells_of_objects_without_a_pixel(checkpoint, tmp_path, capsys, monkeypatch):
    find = Finder.find
    monkeypatch.setattr(Finder, "find", lambda self, mask: {**find(self, mask), "rles": [rle_encode(mask & False)]})
    write_bright_photos(tmp_path / "in", 1)
    assert fashion.main(["detect", "--weights", checkpoint, "--image", str(tmp_path / "in"), "--drawings", "none"]) == 0
    assert "1 objects in 1 photos (1 have no pixel, but a box); " in capsys.readouterr().out


def test_detect_writes_tasks_of_label_studio(checkpoint, tmp_path, capsys):
    write_bright_photos(tmp_path / "in", 2)
    (tmp_path / "in" / "0.png").rename(tmp_path / "in" / "a b.png")
    (tmp_path / "in" / "2.png").write_bytes(b"no picture")
    (tmp_path / "in" / "3.png").symlink_to(tmp_path / "nowhere.png")
    arguments = ["detect", "--weights", checkpoint, "--format", "labelstudio"]
    assert fashion.main([*arguments, "--image", str(tmp_path / "in")]) == 2  # for those that are no pictures
    said = capsys.readouterr()
    skipped = [line for line in said.err.splitlines() if line.startswith("skipped: ")]
    assert ["2.png" in skipped[0], "3.png" in skipped[1], len(skipped)] == [True, True, 2]
    folder = tmp_path / "run" / "detections"
    tasks = json.loads((folder / "tasks.json").read_text())
    addresses = [task["data"]["image"] for task in tasks]
    assert addresses == ["/data/local-files/?d=in/1.png", "/data/local-files/?d=in/a%20b.png"]
    [region] = tasks[1]["predictions"][0]["result"]
    # The square of 0.png: x 5 to 25 of 60 pixels, y 10 to 30 of 40.
    corners = sorted((x * 60 / 100, y * 40 / 100) for x, y in region["value"]["points"])
    np.testing.assert_allclose(corners, [(5, 10), (5, 30), (25, 10), (25, 30)])
    assert region["value"]["polygonlabels"] == ["hat"] and region["score"] == pytest.approx(0.8)
    assert '<Label value="hat"' in (folder / "labels.xml").read_text()
    assert f"import {folder / 'tasks.json'}" in said.out
    np.save(tmp_path / "photos.npy", np.zeros((2, 40, 60, 3), np.uint8))
    assert fashion.main([*arguments, "--image", str(tmp_path / "photos.npy")]) == 2
    assert "give --image a photo or a folder of photos" in capsys.readouterr().err


def test_detect_goes_on_after_a_bad_photo_and_says_so(checkpoint, tmp_path, capsys):
    write_bright_photos(tmp_path / "in", 3)
    (tmp_path / "in" / "1.png").write_bytes(b"no picture")
    source, output = tmp_path / "in", tmp_path / "out"
    assert fashion.main(["detect", "--weights", checkpoint, "--image", str(source), "--output", str(output)]) == 2
    assert sorted(os.listdir(output)) == [".mrcnn-output", JOURNAL, "0.png", "2.png", "detections.json"]
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1 and "1.png" in errors


def test_detect_with_no_readable_photo_writes_nothing(checkpoint, tmp_path, capsys):
    source, output = tmp_path / "bad.jpg", tmp_path / "out"
    source.write_bytes(b"no picture")
    assert fashion.main(["detect", "--weights", checkpoint, "--image", str(source), "--output", str(output)]) == 2
    assert not output.exists() and "bad.jpg" in capsys.readouterr().err


def test_evaluate_compares_class_names(checkpoint, tmp_path, capsys):
    write_photos(tmp_path, "val", "coat")
    line = fails(capsys, "evaluate", "--weights", checkpoint, "--images", str(tmp_path),
                 "--annotations", str(tmp_path / "val.json"))
    assert "was trained on the classes hat," in line and "val.json are coat" in line


def test_evaluate_uses_the_ids_of_the_file(checkpoint, tmp_path, capsys):
    write_photos(tmp_path, "val", "hat")
    image = np.zeros((40, 60, 3), np.uint8)
    image[5:15, 5:15] = 255
    Image.fromarray(image).save(tmp_path / "photo.jpg", quality=100, subsampling=0)
    assert fashion.main(["evaluate", "--weights", checkpoint, "--images", str(tmp_path),
                         "--annotations", str(tmp_path / "val.json")]) == 0
    # The photo shows exactly the annotated square.
    assert "masks      1.000   1.000   1.000" in capsys.readouterr().out
    result, = json.loads((tmp_path / "run" / "evaluation" / "detections.json").read_text())
    assert result["image_id"] == 1 and result["category_id"] == 3


# --- A whole run -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder, output) of a run of two stages on drawn pictures."""
    folder = tmp_path_factory.mktemp("run")
    return folder, run("train", *TINY, "--stages", "heads:1:1e-3,all:1:1e-3", folder=folder)


def checkpoints(folder):
    logs, = os.listdir(folder / "logs")
    return folder / "logs" / logs, sorted(n for n in os.listdir(folder / "logs" / logs) if re.search(r"_\d{4}\.h5$", n))


@pytest.mark.slow
def test_train_leaves_a_run(trained):
    folder, output = trained
    assert output.returncode == 0, output.stderr
    assert checkpoints(folder)[1] == ["mask_rcnn_fashion_0001.h5", "mask_rcnn_fashion_0002.h5"]
    assert "Next: mrcnn evaluate --logs logs" in output.stdout


@pytest.mark.slow
def test_evaluate_says_what_pycocotools_says_of_its_files(trained):
    folder, _ = trained
    output = run("evaluate", "--limit", "4", "--min-confidence", "0", "--output", "out", folder=folder)
    assert output.returncode == 0, output.stderr
    assert "masks" in output.stdout and "boxes" in output.stdout
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["images"] == 4 and metrics["detections"] > 0
    for kind in ("segm", "bbox"):
        expected = pycocotools_alone(folder / "out" / "ground_truth.json", folder / "out" / "detections.json", kind)
        assert [metrics[kind][name] for name in ("AP", "AP50", "AP75")] == pytest.approx(expected[:3], abs=1e-12)


def pycocotools_alone(ground_truth, results, kind):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(ground_truth))
        evaluation = COCOeval(truth, truth.loadRes(str(results)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@pytest.mark.slow
def test_detect_draws_the_drawn_pictures(trained):
    folder, _ = trained
    output = run("detect", "--limit", "2", "--min-confidence", "0", folder=folder)
    assert output.returncode == 0, output.stderr
    written = checkpoints(folder)[0] / "detections"
    assert sorted(os.listdir(written)) == [".mrcnn-output", "detections.json", "drawn_1_00000.png", "drawn_1_00001.png"]
    assert Image.open(written / "drawn_1_00000.png").size == (2 * 192, 2 * 256)  # enlarged for its labels
    results = json.loads((written / "detections.json").read_text())
    assert {result["image_id"] for result in results} <= {"drawn_1_00000", "drawn_1_00001"}


@pytest.mark.slow
def test_last_resumes_in_the_same_folder(trained):
    """The first stage is done and the second has one epoch left to do."""
    folder, _ = trained
    output = run("train", "--weights", "last", "--limit", "4", "--stages", "heads:1:1e-3,all:2:1e-3", folder=folder)
    assert output.returncode == 0, output.stderr
    assert "after epoch 2" in output.stdout
    assert checkpoints(folder)[1][-1] == "mask_rcnn_fashion_0003.h5"  # checkpoints() found one folder of runs
    output = run("train", "--weights", "last", "--limit", "4", folder=folder)  # remembers its stages
    assert output.returncode == 0 and "All 3 epochs of these stages are done" in output.stdout


@pytest.mark.slow
def test_a_checkpoint_of_other_classes_is_refused(trained, tmp_path):
    folder, _ = trained
    write_photos(tmp_path, "val", "coat")
    output = run("evaluate", "--images", str(tmp_path), "--annotations", str(tmp_path / "val.json"), folder=folder)
    assert output.returncode == 2 and output.stdout == ""
    line, = output.stderr.splitlines()
    assert "was trained on the classes bag, " in line and "class 1 is 'bag' there and 'coat' here" in line


def test_no_run_to_take_up(tmp_path):
    output = run("evaluate", "--logs", "nowhere", "--limit", "1", folder=tmp_path)
    line, = output.stderr.splitlines()
    assert output.returncode == 2 and line.startswith("error: No checkpoint") and "nowhere" in line


def test_a_broken_checkpoint_is_one_line(tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"half a file")
    output = run("detect", "--weights", "broken.h5", folder=tmp_path)
    line, = output.stderr.splitlines()
    assert output.returncode == 2 and "broken.h5" in line
    assert os.listdir(tmp_path) == ["broken.h5"]


@pytest.mark.parametrize("name", [file[:-4] for file in sorted(os.listdir(fashion.PRESETS))])
def test_every_preset_is_made_of_settings_that_exist(name):
    options = fashion.build_parser().parse_args(command_line.expand_presets(["train", "--preset", name],
                                                                            fashion.PRESETS))
    overrides = overrides_of(options)
    options.train = options.val = "photos.json"
    options.weights = starts_of(options.weights)[0]
    config = new_config(options, overrides, SimpleNamespace(num_classes=47))
    config.check()
    if hasattr(config, "ATTRIBUTES"):  # what a user adds to a preset
        for heads in ({"ATTRIBUTES": ["red"], "ATTRIBUTE_PAIRS": [[], *[[0]] * 46]}, {"CASCADE_IOUS": [0.6]},
                      {"MASK_HEAD": "points"}):
            config.set(**heads).check()
