"""The command `export`: what it hands on, and how it fails."""

import json
import os
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

import mrcnn.export.files
from mrcnn.commands import export as fashion_export
from mrcnn.commands import export_measured
from mrcnn.commands import main as fashion
from mrcnn.commands.export import annotated_photos
from mrcnn.commands.main import build_parser
from mrcnn.commands.program import make_program
from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.coco import CocoDataset
from mrcnn.data.images import load_image
from mrcnn.errors import ExportError
from mrcnn.labeling.label_map import LabelSettings, save_settings
from tests.yolo_files import SQUARE, write_tree

MODEL = SimpleNamespace(detect=None, config=SimpleNamespace(IMAGE_RESIZE_MODE="square", BATCH_SIZE=4))  # finds objects


@pytest.fixture
def seen(monkeypatch):
    """What models were loaded with, and what was to be exported."""
    seen = SimpleNamespace(overrides=None, arguments=None)

    def load(path, options, overrides):
        seen.overrides = overrides
        return MODEL

    def export(*arguments, **named):
        seen.arguments, seen.named = arguments, named
        return {"canvas": {"height": 256, "width": 256}}

    monkeypatch.setattr(fashion_export, "load_model", load)
    monkeypatch.setattr(mrcnn.export.files, "export", export)
    monkeypatch.setattr(mrcnn.export.files, "check_backend", lambda: None)
    return seen


@pytest.fixture
def checkpoint(tmp_path):
    """A function from settings to the path of a checkpoint that has them."""

    def write(**settings):
        with h5py.File(tmp_path / "weights.h5", "w") as file:
            file.attrs["mrcnn_config"] = json.dumps(Config(NAME="fashion", NUM_CLASSES=2, **settings).to_dict())
            file.attrs["mrcnn_class_names"] = json.dumps(["BG", "hat"])
        return str(tmp_path / "weights.h5")

    return write


def test_without_options_a_savedmodel_of_the_canvas_of_the_training(seen, checkpoint, tmp_path, capsys):
    assert fashion.main(["export", "--weights", checkpoint()]) == 0
    output = str(tmp_path / "weights_savedmodel")
    assert seen.arguments == (MODEL, output, "savedmodel", None, None, 1, "uint8", None)
    assert seen.overrides == {} and seen.named == {"opset": None, "quantize": None, "dynamic": False,
                                                     "label_settings": None}
    assert capsys.readouterr().out == f"{output}.json tells how to use it; docs/export.md has a program that does.\n"


def test_another_backend_is_refused_before_the_network_is_built(checkpoint, monkeypatch, capsys):
    monkeypatch.setattr(fashion_export, "load_model", lambda *_: pytest.fail("it was built"))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert fashion.main(["export", "--weights", checkpoint()]) == 2
    assert "error: Export needs the TensorFlow backend, this is jax: " in capsys.readouterr().err


def test_a_square_file_of_a_network_of_rectangles_is_told(seen, checkpoint, monkeypatch, capsys):
    monkeypatch.setattr(MODEL.config, "IMAGE_RESIZE_MODE", "rectangle")
    assert fashion.main(["export", "--weights", checkpoint()]) == 0
    assert "256x256 pixels (height x width)" in (told := capsys.readouterr().out) and "--height and --width" in told
    assert fashion.main(["export", "--weights", checkpoint(), "--height", "256", "--width", "192"]) == 0
    assert "rectangle" not in capsys.readouterr().out


def test_options_reach_the_export(seen, checkpoint, tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(3):
        Image.fromarray(np.full((6, 8, 3), i, np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    arguments = ["--format", "litert", "--image-size", "320", "--batch-size", "4", "--dtype", "float32",
                 "--output", "x.tflite", "--image", str(tmp_path / "photos"), "--limit", "2", "--min-confidence", "0.3"]
    assert fashion.main(["export", "--weights", checkpoint(PRECISION="mixed_bfloat16"), *arguments]) == 0
    *most, photos = seen.arguments
    assert most == [MODEL, "x.tflite", "litert", 320, 320, 4, "float32"]
    assert [load_image(photo)[0, 0, 0] for photo in photos] == [0, 1]  # paths: each is decoded when it is needed
    # The weights are float32, and anchors stay as they were learned, whatever the canvas.
    assert seen.overrides["PRECISION"] == "float32" and seen.overrides["DETECTION_MIN_CONFIDENCE"] == 0.3
    assert "RPN_ANCHOR_SCALES" not in seen.overrides


@pytest.mark.parametrize("given", ["BATCH_SIZE=4", "IMAGES_PER_GPU=4", "GPU_COUNT=2"])
def test_the_file_takes_as_many_photos_as_the_settings_say(seen, checkpoint, given):
    assert fashion.main(["export", "--weights", checkpoint(GPU_COUNT=3), "--set", given]) == 0
    assert seen.arguments[5] == MODEL.config.BATCH_SIZE == 4
    assert seen.overrides.get("GPU_COUNT") == {"BATCH_SIZE=4": 1, "GPU_COUNT=2": 2}.get(given)


@pytest.mark.parametrize("settings, given, largest", [
    ({"IMAGE_RESIZE_MODE": "square", "IMAGE_MAX_DIM": 512}, [], 512),
    ({"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 256, "IMAGE_MAX_DIM": 512}, [], 256),
    ({"IMAGE_RESIZE_MODE": "square", "IMAGE_MAX_DIM": 512}, ["--set", "IMAGE_MAX_DIM=640"], 640),
])
def test_another_canvas_leaves_photos_as_large_as_they_were(seen, checkpoint, settings, given, largest):
    options = ["--height", "512", "--width", "384", *given]
    assert fashion.main(["export", "--weights", checkpoint(**settings), *options]) == 0
    assert seen.arguments[3:5] == (512, 384)
    assert seen.overrides["IMAGE_RESIZE_MODE"] == "rectangle" and seen.overrides["IMAGE_MAX_DIM"] == largest


def test_label_settings_go_into_the_file(seen, checkpoint, monkeypatch, capsys):
    config = Config(NUM_CLASSES=2, DETECTION_MIN_CONFIDENCE=0.7)
    monkeypatch.setattr(fashion_export, "load_model", lambda *_: SimpleNamespace(detect=None, config=config))
    path = checkpoint()
    beside = save_settings(path, LabelSettings(0.8, class_thresholds={"hat": 0.2}))
    assert fashion.main(["export", "--weights", path]) == 0
    assert seen.named["label_settings"]["class_thresholds"] == {"hat": 0.2}
    said = capsys.readouterr().out
    assert f"The label settings of {beside} are in the JSON file. They count objects of a score of 0.2" in said
    assert "drops those below 0.7: export with --min-confidence 0.2" in said


def test_label_settings_tuned_for_other_weights_are_told(seen, checkpoint, monkeypatch):
    config = Config(NUM_CLASSES=2)
    monkeypatch.setattr(fashion_export, "load_model", lambda *_: SimpleNamespace(detect=None, config=config))
    path = checkpoint()
    save_settings(path, LabelSettings(0.8, tuned_with={"weights": os.path.basename(path), "sha256": "12"}))
    with pytest.warns(UserWarning, match="tuned with weights of other content .*run label --tune again"):
        assert fashion.main(["export", "--weights", path]) == 0
    assert seen.named["label_settings"]["tuned_with"]["sha256"] == "12"


def test_the_ending_of_the_output_tells_the_format(seen, checkpoint, tmp_path, capsys):
    path = checkpoint()
    assert fashion.main(["export", "--weights", path, "--output", str(tmp_path / "x.onnx")]) == 0
    assert seen.arguments[1:3] == (str(tmp_path / "x.onnx"), "onnx") and seen.overrides == {"PRECISION": "float32"}
    assert fashion.main(["export", "--weights", path, "--output", "x.onnx", "--format", "savedmodel"]) == 2
    assert "error: --output x.onnx has the ending of a file of onnx" in capsys.readouterr().err


def test_the_opset_reaches_the_export(seen, checkpoint):
    assert fashion.main(["export", "--weights", checkpoint(), "--format", "onnx", "--opset", "16"]) == 0
    assert seen.named["opset"] == 16


def test_an_openvino_file_is_a_pair_that_is_not_overwritten(seen, checkpoint, tmp_path, capsys):
    (tmp_path / "weights.bin").write_text("mine")
    arguments = ["export", "--weights", checkpoint(), "--format", "openvino", "--quantize", "float16"]
    assert fashion.main(arguments) == 2
    assert "weights.bin was not written by this program" in capsys.readouterr().err
    assert fashion.main([*arguments, "--overwrite"]) == 0
    assert seen.arguments[1:3] == (str(tmp_path / "weights.xml"), "openvino") and seen.named["quantize"] == "float16"


def test_an_output_that_ends_in_a_slash_is_the_same_file(seen, checkpoint, tmp_path, capsys):
    (tmp_path / "mine.bin").write_text("mine")
    assert fashion.main(["export", "--weights", checkpoint(), "--format", "openvino", "--output",
                         f"{tmp_path / 'mine.xml'}/"]) == 2
    assert "mine.bin was not written by this program" in capsys.readouterr().err


def test_int8_of_litert_needs_no_photos(seen, checkpoint):
    assert fashion.main(["export", "--weights", checkpoint(), "--format", "litert", "--quantize", "int8"]) == 0
    assert seen.named["quantize"] == "int8" and seen.arguments[-1] is None


def test_annotated_photos_are_measured(seen, checkpoint, tmp_path, monkeypatch, capsys):
    """Network and file on the same photos; annotations of other classes are refused before anything is written."""
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    coco = {"images": [{"id": 1, "file_name": "a.png", "height": 20, "width": 30}],
            "categories": [{"id": 1, "name": "hat"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 10, 8], "area": 80, "iscrowd": 0,
                             "segmentation": [[2, 3, 12, 3, 12, 11, 2, 11]]}]}
    (tmp_path / "hats.json").write_text(json.dumps(coco))
    told = []
    monkeypatch.setattr(export_measured, "measured_text", lambda *given: told.append(given) or "AP of both")
    options = ["--format", "onnx", "--annotations", str(tmp_path / "hats.json")]
    assert fashion.main(["export", "--weights", checkpoint(), *options]) == 0
    assert "AP of both\n" in capsys.readouterr().out
    model, path, dataset = told[0]
    assert model is MODEL and path == str(tmp_path / "weights.onnx") and len(dataset.image_ids) == 1
    coco["categories"][0]["name"] = "shoe"
    (tmp_path / "hats.json").write_text(json.dumps(coco))
    assert fashion.main(["export", "--weights", checkpoint(), *options]) == 2 and len(told) == 1
    assert "was trained on the classes hat, but those of" in capsys.readouterr().err


def test_the_photos_that_are_measured_are_those_of_evaluate(checkpoint, tmp_path, capsys):
    """All photos of data with parts were measured, those of the training too, and a program's own data were not asked.
    """
    write_tree(tmp_path, {"data.yaml": "train: train\nval: val\nnames: [hat]\n", "train/a.jpg": None, "val/b.jpg": None,
                          "train/a.txt": f"0 {SQUARE}\n", "val/b.txt": f"0 {SQUARE}\n"})
    path, data = checkpoint(), str(tmp_path / "data.yaml")

    def measured(*words, dataset=None):
        options = build_parser(make_program(dataset=dataset)).parse_args(["export", "--format", "onnx", *words])
        return annotated_photos(options, path)

    for more, names in ((), ["b.jpg"]), (("--split", "train"), ["a.jpg"]):
        photos = measured("--annotations", data, *more)
        assert [os.path.basename(info["path"]) for info in photos.image_info] == names
    assert "its own part val is taken, of train, val (1 photos)" in capsys.readouterr().out

    class Hats(Dataset):
        def load(self, annotations):
            self.add_class("own", 1, "hat")
            self.add_image("own", 7, annotations)

        def load_mask(self, image_id):
            return np.ones((16, 20, 1), bool), np.ones(1, np.int32)

    own = measured("--annotations", data, dataset=Hats)
    assert type(own) is Hats and own.image_info[0]["id"] == 7
    (tmp_path / "coco.json").write_text(json.dumps({
        "images": [{"id": 3, "file_name": "val/b.jpg", "height": 16, "width": 20}],
        "annotations": [{"id": 1, "image_id": 3, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9, 4, 9]]}],
        "categories": [{"id": 1, "name": "hat"}]}))
    other = measured("--annotations", str(tmp_path / "coco.json"), dataset=Hats)
    assert isinstance(other, CocoDataset)
    assert "a static method recognises(annotations) has it read by Hats.load" in capsys.readouterr().out
    assert measured() is None


def test_a_file_that_is_no_photo_is_told_before_the_network_is_built(seen, checkpoint, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (20, 16)).save(tmp_path / "photos" / "a.png")
    words = ["export", "--weights", checkpoint(), "--image", str(tmp_path / "photos")]
    assert fashion.main(words) == 0 and len(seen.arguments[7]) == 1
    seen.overrides = None
    (tmp_path / "photos" / "b.png").write_text("no photo")
    assert fashion.main([*words, "--overwrite"]) == 2
    assert "b.png" in capsys.readouterr().err and seen.overrides is None


def test_networks_of_any_canvas_stay_as_they_are(seen, checkpoint):
    fashion.main(["export", "--weights", checkpoint(IMAGE_RESIZE_MODE="rectangle"), "--height", "512", "--width", "64"])
    assert seen.overrides == {}


def test_what_cannot_be_is_told_in_one_line(seen, checkpoint, monkeypatch, capsys):
    path = checkpoint()

    def fails(*arguments):
        assert fashion.main(["export", "--weights", path, *arguments]) == 2
        output = capsys.readouterr()
        assert output.out == "" and output.err.count("\n") == 1
        return output.err

    assert "give it, or --height and --width" in fails("--image-size", "64", "--height", "64")
    assert "invalid choice: 'pb'" in fails("--format", "pb")
    assert "--quantize int8 is calibrated on photos: give --image" in fails("--format", "onnx", "--quantize", "int8")
    assert "--images are the photos of --annotations FILE" in fails("--images", "photos")
    assert "--names, --split: of annotated photos, on which" in fails("--split", "val", "--names", "a.txt")
    assert "nowhere does not exist" in fails("--image", "nowhere")

    def refuse(*arguments, **named):
        raise ExportError("The model is in mode so and so.")

    monkeypatch.setattr(mrcnn.export.files, "export", refuse)
    assert fails() == "error: The model is in mode so and so.\n"


def test_a_dynamic_file_is_of_a_network_of_rectangles(seen, checkpoint, capsys):
    path = checkpoint(IMAGE_RESIZE_MODE="square", IMAGE_MAX_DIM=128)
    assert fashion.main(["export", "--weights", path, "--format", "onnx", "--dynamic"]) == 0
    assert seen.named["dynamic"] and seen.arguments[3:5] == (None, None)
    assert seen.overrides == {"PRECISION": "float32", "IMAGE_RESIZE_MODE": "rectangle", "IMAGE_MAX_DIM": 128}
    assert "takes canvases of any size whose sides divide by 64" in capsys.readouterr().out
    assert fashion.main(["export", "--weights", path, "--format", "onnx", "--dynamic", "--height", "64"]) == 2
    assert "leave out --height, --width and --image-size" in capsys.readouterr().err
