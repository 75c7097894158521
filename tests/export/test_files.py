"""Exported files, run by the program of docs/export.md and held against the network."""

import json
import os
import re
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from export_guide import guide, program_of_guide, skip_without_packages
from full_disk import full_disk
from PIL import Image
from tiny import TinyConfig

from mrcnn import architectures
from mrcnn.config import Config
from mrcnn.data.drawn.people import draw_picture
from mrcnn.errors import DataError, ExportError
from mrcnn.export import files as export_module
from mrcnn.export.asked import QUANTISED_FORMATS, check_dynamic
from mrcnn.export.files import Format, canvas_of, export
from mrcnn.export.object_outputs import MEANINGS, ObjectOutputs
from mrcnn.export.parity import place
from mrcnn.export.running import open_file, read_about
from mrcnn.inference.mask_scores import rescored
from mrcnn.model import MaskRCNN

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="export runs on TensorFlow")

# What each format is exported with: different batches, types and canvases.
OPTIONS = {
    "savedmodel": {"batch": 2, "dtype": "uint8", "height": 64, "width": 128},
    "onnx": {"batch": 1, "dtype": "uint8", "height": 64, "width": 64},
    "litert": {"batch": 1, "dtype": "float32", "height": 128, "width": 64},
}
# Of the operators that TensorRT 10.15 lists for its parser of ONNX those that a network may well have.
OF_TENSORRT = set("""
    Add And AveragePool Cast Concat Constant ConstantOfShape Conv ConvTranspose Div Equal Exp Expand Gather
    GatherND Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual Identity Less LessOrEqual MatMul Max
    MaxPool Min Mul Neg NonMaxSuppression NonZero Not Or Pad Pow Range Reciprocal ReduceMax ReduceMean ReduceMin
    ReduceSum Relu Reshape Resize RoiAlign ScatterND Shape Sigmoid Size Slice Softmax Split Sqrt Squeeze Sub
    Tile TopK Transpose Unsqueeze Where
""".split())


class Rectangles(TinyConfig):
    IMAGE_RESIZE_MODE = "rectangle"
    IMAGE_MIN_DIM, IMAGE_MAX_DIM = 0, 128
    DETECTION_MIN_CONFIDENCE = 0.5
    ATTRIBUTES = ["plain", "striped", "long"]
    ATTRIBUTE_PAIRS = [[], [0, 1], [0, 2], [1]]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network with random weights, but sure of what it says, so that scores and masks are far apart."""
    model = MaskRCNN("inference", Rectangles(), str(tmp_path_factory.mktemp("logs")))
    for name, factor in (("mrcnn_class_logits", 60), ("mrcnn_mask", 500), ("mrcnn_bbox_fc", 100),
                         ("mrcnn_attribute", 10)):
        layer = model.inference_model.get_layer(name)
        layer.kernel.assign(layer.kernel * factor)
    model.class_names = ["BG", "red", "green", "blue"]
    return model


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    """A function from a format to the path of its file, which is made once."""
    folder, made = tmp_path_factory.mktemp("exported"), {}
    # Set to whatever, it keeps tf2onnx from copying the graph before each of its steps and from passing over failures.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("TF2ONNX_CATCH_ERRORS", "no")

    def of(format):
        skip_without_packages(format)
        if format not in made:
            made[format] = str(folder / format)
            export(model, made[format], format, photos=[photo(40, 60), photo(90, 70)], **OPTIONS[format])
        return made[format]

    yield of
    monkeypatch.undo()


def photo(height, width, seed=0):
    return draw_picture(seed, 0, (height, width)).image


def described(path):
    with open(path + ".json", encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture
def program(monkeypatch):
    return program_of_guide(monkeypatch)


# --- Files against the network ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("format", OPTIONS)
def test_a_file_gives_what_the_network_gives(format, model, exported, program):
    path = exported(format)
    about = described(path)
    run, (batch, height, width, _) = program.load(path, about), about["inputs"]["image"]["shape"]
    placed = [place(photo(*shape), (height, width), about["resize"]) for shape in ((64, 48), (200, 90), (40, 300))]
    canvases = [canvas for canvas, _ in placed] + [np.zeros((height, width, 3), np.uint8)]
    # The last picture has no photo on it: boxes cut to nothing are no objects.
    windows = [window.box for _, window in placed] + [np.zeros(4, np.float32)]
    counts = []
    for canvas, window in zip(canvases, windows):
        image = np.stack([canvas] * batch).astype(OPTIONS[format]["dtype"])
        outputs = run({"image": image, "window": np.stack([window] * batch)})
        expected = model.predict(image, np.stack([window] * batch))
        for name in ("valid", "class_ids"):
            np.testing.assert_array_equal(outputs[name], expected[name])
        np.testing.assert_allclose(outputs["boxes"], expected["boxes"], atol=1e-2)
        np.testing.assert_allclose(outputs["scores"], expected["scores"], atol=1e-4)
        np.testing.assert_allclose(outputs["masks"], expected["masks"], atol=1e-3)
        np.testing.assert_allclose(outputs["attributes"], expected["attributes"], atol=1e-3)
        counts.append(int(outputs["valid"][0].sum()))
    assert counts[-1] == 0 and min(counts[:-1]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("format", OPTIONS)
def test_the_program_of_the_guide_detects_as_detect_does(format, model, exported, program):
    path = exported(format)
    about = described(path)
    shape = {"savedmodel": (100, 160), "onnx": (60, 45), "litert": (150, 60)}[format]  # shrunk, as it is, shrunk
    image = photo(*shape, seed=1)
    mine, (canvas, window) = program.place(image, about), place(image, OPTIONS_CANVAS[format], about["resize"])
    assert np.abs(mine[0].astype(int) - canvas).max() <= 1  # in few pixels: cv2 adds up shrunk ones in float32
    np.testing.assert_allclose([*mine[1], *np.add(mine[1], mine[2])], window.box)
    objects = program.detect(program.load(path, about), about, image)
    expected = network_detections(model, canvas, window)
    assert [model.class_names[i] for i in expected["class_ids"]] == [each["class"] for each in objects]
    for row, each in enumerate(objects):
        assert each["score"] == pytest.approx(expected["scores"][row], abs=0.02)
        np.testing.assert_allclose(each["box"], expected["boxes"][row], atol=0.5)
        truth = expected["masks"][..., row]
        assert (each["mask"] ^ truth).sum() <= 0.05 * truth.sum() + 3
    assert objects
    (loaded,) = architectures.load(path).detect([image])  # the file in the place of a checkpoint
    assert len(loaded["attributes"]) == len(objects) and loaded["attribute_names"] == ["plain", "striped", "long"]
    np.testing.assert_array_equal(loaded["class_ids"], expected["class_ids"])
    np.testing.assert_allclose(loaded["scores"], expected["scores"], atol=1e-3)
    np.testing.assert_allclose(loaded["boxes"], expected["boxes"], atol=0.05)
    assert (loaded["masks"] ^ expected["masks"]).sum() <= 0.01 * expected["masks"].sum() + 3


OPTIONS_CANVAS = {format: (options["height"], options["width"]) for format, options in OPTIONS.items()}


def network_detections(model, canvas, window):
    """What detect() makes of a canvas."""
    from mrcnn.inference.detector import unmold

    outputs = model.predict(canvas[None], window.box[None])
    return unmold({name: value[0] for name, value in outputs.items()}, window, window.original_shape)


def test_the_program_of_the_guide_counts_the_masks_where_the_file_does_not(program):
    about = {"inputs": {"image": {"shape": [1, 64, 64, 3], "dtype": "uint8"}}, "class_names": ["BG", "hat"],
             "canvas": {"height": 64, "width": 64}, "resize": {"min_side": 0, "max_side": 64, "min_scale": 1.0},
             "thresholds": {"score": 0.4, "mask": 0.5}}
    masks = np.stack([np.full((4, 4), value, np.float32) for value in (0.6, 0.8, 0.9)])
    masks[:, 0] = 0.2  # outside the masks: not counted
    outputs = {"boxes": np.float32([[0, 0, 64, 64]] * 3), "class_ids": np.ones(3, int), "valid": np.ones(3, bool),
               "scores": np.float32([0.9, 0.8, 0.41]), "masks": masks}

    def scores(about):
        found = program.detect(lambda inputs: {name: value[None] for name, value in outputs.items()}, about,
                               np.zeros((64, 64, 3), np.uint8))
        return [each["score"] for each in found]

    assert scores(about) == pytest.approx([0.9, 0.8, 0.41])
    # 0.9 * 0.6, 0.8 * 0.8, and 0.41 * 0.9 = 0.369, which is below the least score
    assert scores({**about, "mask_scores": True}) == pytest.approx([0.64, 0.54])
    expected = rescored(outputs, 0.4)
    assert scores({**about, "mask_scores": True}) == pytest.approx(expected["scores"][expected["valid"]].tolist())


@pytest.mark.slow
@pytest.mark.long
def test_a_savedmodel_runs_where_there_is_neither_mrcnn_nor_keras(model, exported, tmp_path):
    path = exported("savedmodel")
    Image.fromarray(photo(100, 160, seed=1)).save(tmp_path / "photo.png")
    # Python refuses to import what is None there; TensorFlow imports Keras where it can, and does without it.
    absent = "import sys\nsys.modules['mrcnn'] = sys.modules['keras'] = None\n"
    (tmp_path / "program.py").write_text(absent + guide())
    done = subprocess.run([sys.executable, "program.py", path, "photo.png"], cwd=tmp_path, capture_output=True,
                          text=True, check=True, env={**os.environ, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"})
    about = described(path)
    canvas, window = place(photo(100, 160, seed=1), OPTIONS_CANVAS["savedmodel"], about["resize"])
    expected = network_detections(model, canvas, window)
    names = [model.class_names[i] for i in expected["class_ids"]]
    assert [line.split()[0] for line in done.stdout.splitlines()] == names and names


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_a_file_of_a_cascade_gives_what_the_network_gives(format, tmp_path):
    skip_without_packages(format)
    keras.utils.set_random_seed(0)
    config = Rectangles(ATTRIBUTES=None, ATTRIBUTE_PAIRS=None, CASCADE_IOUS=[0.6])
    cascade = MaskRCNN("inference", config, str(tmp_path))
    for name, factor in (("class_logits", 60), ("class_stage2_logits", 60), ("mask", 500), ("bbox_stage2_fc", 100)):
        layer = cascade.inference_model.get_layer(f"mrcnn_{name}")
        layer.kernel.assign(layer.kernel * factor)
    about = export(cascade, str(tmp_path / "cascade"), format, photos=[photo(40, 60)], **OPTIONS[format])
    assert about["checked"]["objects"] > 3 and about["checked"]["largest_difference"] < 1e-3


@pytest.mark.slow
def test_litert_needs_no_operations_of_tensorflow(exported):
    with open(exported("litert"), "rb") as file:
        assert b"Flex" not in file.read()  # the names of select operations begin with it


@pytest.mark.slow
def test_onnx_has_suppression_and_crops_of_its_runtime(exported):
    operations = [node.op_type for node in pytest.importorskip("onnx").load(exported("onnx")).graph.node]
    # Two suppressions; crops for the boxes, the masks and the attributes from four maps each, and for the latter of C2
    # and of the photo.
    assert operations.count("NonMaxSuppression") == 2 and operations.count("RoiAlign") == 14
    assert not {"Loop", "Scan", "PyFunc"} & set(operations)
    assert set(operations) <= OF_TENSORRT


@pytest.mark.slow
def test_the_json_file_says_what_the_file_is(model, exported):
    about = described(exported("litert"))
    assert about["inputs"]["image"]["shape"] == [1, 128, 64, 3] and about["inputs"]["image"]["dtype"] == "float32"
    assert about["outputs"]["masks"]["shape"] == [1, 10, 28, 28]
    assert about["outputs"]["attributes"]["shape"] == [1, 10, 3]
    assert about["attribute_names"] == ["plain", "striped", "long"] and about["checked"]["attributes"] < 1e-3
    assert about["class_names"] == ["BG", "red", "green", "blue"]
    assert about["architecture"] == "mask-rcnn" and about["mean_pixel"] == [123.7, 116.8, 103.9]
    assert about["resize"] == {"min_side": 0, "max_side": 128, "min_scale": 1.0}
    assert about["thresholds"] == {"score": 0.5, "overlap": 0.3, "mask": 0.5, "attribute": 0.5}
    assert about["checked"]["pictures"] == 3 and about["checked"]["objects"] > 0
    assert about["checked"]["largest_difference"] < 1e-3


# --- Files that are not kept -----------------------------------------------------------------------------------------


@pytest.fixture
def pretended(monkeypatch, model):
    """Makes the format "pretended", whose file answers with what the network says after `change(outputs)`."""

    def make(change):
        def write(_, function, path, asked):
            with open(path, "wb") as file:
                file.write(b"12345")

        def run(inputs):
            outputs = model.predict(inputs["image"], inputs["window"])
            return change({name: outputs[name] for name in MEANINGS})

        monkeypatch.setitem(export_module.FORMATS, "pretended", Format(write, lambda path: run, None))

    return make


def test_a_file_that_gives_something_else_is_not_kept(pretended, model, tmp_path):
    pretended(lambda outputs: {**outputs, "boxes": outputs["boxes"] + 0.5})
    with pytest.raises(ExportError, match=r"boxes 0.5 pixels.*allowed is 0\.001"):
        export(model, tmp_path / "file", "pretended", photos=[photo(40, 60)])
    assert os.listdir(tmp_path) == []
    # Half a pixel of 128 is 0.004.
    export(model, tmp_path / "file", "pretended", photos=[photo(40, 60)], tolerance=0.01)
    assert sorted(os.listdir(tmp_path)) == ["file", "file.json"]


def test_a_quantised_file_has_to_agree_with_the_network_in_half_of_the_objects(pretended, model, tmp_path, monkeypatch):
    monkeypatch.setitem(QUANTISED_FORMATS, "int8", ("pretended",))

    def hide(share):
        def change(outputs):
            hidden = np.cumsum(outputs["valid"], axis=1) <= share * outputs["valid"].sum(axis=1, keepdims=True)
            return {**outputs, "valid": outputs["valid"] & ~hidden}
        return change

    pretended(hide(0.8))
    with pytest.raises(ExportError, match=r"in int8 does not .*% of the objects of either.*agree in 50%: give"):
        export(model, tmp_path / "file", "pretended", photos=[photo(40, 60)], quantize="int8")
    assert os.listdir(tmp_path) == []
    pretended(hide(0.2))
    about = export(model, tmp_path / "file", "pretended", photos=[photo(40, 60)], quantize="int8")
    assert about["quantized"] == "int8" and 0.5 <= about["checked"]["agreement"] < 1


def test_size_and_difference_are_printed(pretended, model, tmp_path, capsys):
    pretended(lambda outputs: outputs)
    export(model, tmp_path / "new" / "file", "pretended", photos=[photo(40, 60)])
    assert re.search(r"file: pretended, 0\.0 MB; largest difference 0 .*objects in 2 pictures", capsys.readouterr().out)


def test_what_is_not_in_the_file_is_printed_and_label_settings_are_kept(pretended, model, tmp_path, capsys):
    pretended(lambda outputs: outputs)
    settings = {name: getattr(model.config, name) for name in ("MASK_SCORES", "TEST_FLIP")}
    model.config.set(MASK_SCORES=True, TEST_FLIP=True)
    try:
        export(model, tmp_path / "file", "pretended", photos=[photo(40, 60)], label_settings={"score_threshold": 0.2},
               batch=3)
    finally:
        model.config.set(**settings)
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["TEST_FLIP", "MASK_SCORES"]
    about = described(str(tmp_path / "file"))
    assert about["label_settings"] == {"score_threshold": 0.2} and about["mask_scores"] is True
    assert about["settings"]["TEST_FLIP"] is False and about["settings"]["MASK_SCORES"] is True
    assert about["inputs"]["image"]["shape"][0] == 3  # whatever the training's batches were
    assert (about["settings"]["IMAGES_PER_GPU"], about["settings"]["GPU_COUNT"]) == (3, 1)


def test_a_missing_package_is_named_and_nothing_is_left(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ExportError, match=r"ONNX needs tf2onnx .*pip install onnx tf2onnx onnxruntime"):
        export(model, tmp_path / "file.onnx", "onnx")
    assert os.listdir(tmp_path) == []


# In the graph, and in the weights, which are written behind it.
@pytest.mark.long
@pytest.mark.parametrize("room", [2_000, 100_000])
def test_a_full_disk_is_named_and_leaves_nothing(room, model, tmp_path):
    with full_disk(room), pytest.raises(DataError, match=r"file: cannot write the file \(File too large\)"):
        export(model, tmp_path / "file")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_with_the_json_file_leaves_no_file_without_it(pretended, model, tmp_path):
    pretended(lambda outputs: outputs)
    with full_disk(1_000), pytest.raises(DataError, match=r"file: cannot write the file \(File too large\)"):
        export(model, tmp_path / "file", "pretended", photos=[photo(40, 60)])
    assert os.listdir(tmp_path) == []
    export(model, tmp_path / "file", "pretended", photos=[photo(40, 60)])


def test_a_kill_between_the_names_leaves_no_pair_that_is_taken(model, tmp_path, monkeypatch):
    path, before = str(tmp_path / "file.onnx"), os.replace

    def written(content):
        def write(_, function, partial, asked):
            with open(partial, "wb") as file:
                file.write(content)

        def run(inputs):
            outputs = model.predict(inputs["image"], inputs["window"])
            return {name: outputs[name] for name in MEANINGS}

        monkeypatch.setitem(export_module.FORMATS, "onnx", Format(write, lambda path: run, None))
        monkeypatch.setattr(export_module, "is_claimed", lambda name: True)  # as with --overwrite
        return export(model, path, "onnx", photos=[photo(40, 60)])

    written(b"first")
    about = described(path)
    assert read_about(path) == about and about["files"]["graph"]["bytes"] == 5
    names = []

    def killed(partial, name):
        names.append(os.path.basename(name))
        if len(names) == 2:
            raise SystemExit
        before(partial, name)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(SystemExit):
        written(b"other")
    monkeypatch.setattr(os, "replace", before)
    assert names == ["file.onnx.json", "file.onnx"]
    with pytest.raises(ExportError, match=r"is not the file that .*file\.onnx\.json was written for"):
        open_file(path, read_about(path))
    assert written(b"other")["files"] == read_about(path)["files"]
    assert sorted(os.listdir(tmp_path)) == ["file.onnx", "file.onnx.json"]


def test_what_its_runtime_does_not_take_is_not_kept(pretended, model, tmp_path, monkeypatch):
    pretended(lambda outputs: outputs)

    def refuse(path):
        raise ValueError("an operation\nof no kernel")

    monkeypatch.setitem(export_module.FORMATS, "pretended", export_module.FORMATS["pretended"]._replace(open=refuse))
    with pytest.raises(ExportError, match="runtime of pretended does not take .*an operation of no kernel: take save"):
        export(model, tmp_path / "file", "pretended")
    assert os.listdir(tmp_path) == []


# --- Bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, message", [
    ({"format": "pb"}, "Format 'pb' is unknown: take savedmodel, onnx, openvino, litert"),
    ({"height": 100}, "height 100 does not divide by 64: the nearest that does is 128"),
    ({"height": 64, "width": 20}, "width 20 does not divide by 64: the nearest that does is 64"),
    ({"batch": 0}, "batch=0: give a whole number of photos"),
    ({"dtype": "float16"}, "dtype='float16': an image is"),
    ({"photos": [np.zeros((9, 9), np.uint8)]}, r"photos\[0\] is uint8 \[9, 9\]: give uint8 \[height, width, 3\]"),
    ({"photos": []}, "photos is empty"),
    ({"format": "openvino"}, r"file: an OpenVINO file is NAME\.xml"),
    ({"path": "a.onnx", "format": "litert"}, r"a\.onnx has the ending of a file of onnx, .* name the file a\.tflite"),
    ({"quantize": "int4"}, "quantize='int4': give float16 or int8, or None"),
    ({"quantize": "float16"}, "savedmodel files are not written in float16: take openvino"),
    ({"format": "savedmodel", "quantize": "int8"}, "savedmodel files are not written in int8: take onnx"),
    ({"format": "onnx", "quantize": "int8"}, r"int8 is calibrated on photos: give some \(--image FOLDER\)"),
    ({"opset": 17}, "opset 17 is of ONNX files, and savedmodel has none"),
    ({"format": "onnx", "opset": 15}, "opset 15: give 16, 17, 18; without one it is 17"),
])
def test_bad_arguments_have_one_line(arguments, message, model, tmp_path):
    with pytest.raises(ExportError, match=message) as caught:
        export(model, **{"path": tmp_path / "file", **arguments})
    assert "\n" not in str(caught.value) and os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["file", "file.json"])
def test_what_is_there_is_not_overwritten(name, model, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ExportError, match=f"{name} exists already"):
        export(model, tmp_path / "file")
    assert (tmp_path / name).read_text() == "mine"


def test_models_that_cannot_be_exported_are_refused(tmp_path):
    training = types.SimpleNamespace(mode="training", config=Config(), exported=ObjectOutputs())
    with pytest.raises(ExportError, match='in mode "training": export mrcnn.architectures.load'):
        export(training, tmp_path / "file")
    half = types.SimpleNamespace(mode="inference", config=Config(PRECISION="mixed_bfloat16"), exported=ObjectOutputs())
    with pytest.raises(ExportError, match=r'onnx takes no mixed_bfloat16.*PRECISION="float32"'):
        export(half, tmp_path / "file", "onnx")
    silent = types.SimpleNamespace(mode="inference", config=Config())
    with pytest.raises(ExportError, match=r"does not say what an exported file .* exported to .*LabelOutputs\(\)"):
        export(silent, tmp_path / "file")


def test_names_of_other_classes_than_the_network_has_are_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "class_names", ["BG", "red"])
    with pytest.raises(ExportError, match="class_names of the model has 2 names, and NUM_CLASSES is 4"):
        export(model, tmp_path / "file")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("settings, asked, canvas", [
    ({"IMAGE_RESIZE_MODE": "square", "IMAGE_MAX_DIM": 512}, {}, (512, 512)),
    ({"IMAGE_RESIZE_MODE": "square", "IMAGE_MAX_DIM": 512}, {"height": 512, "width": 512}, (512, 512)),
    ({"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 256, "IMAGE_MAX_DIM": 512}, {}, (256, 256)),
    ({"IMAGE_RESIZE_MODE": "rectangle", "IMAGE_MAX_DIM": 500}, {}, (512, 512)),
    ({"IMAGE_RESIZE_MODE": "rectangle", "IMAGE_MAX_DIM": 512}, {"width": 384}, (512, 384)),
    ({"IMAGE_RESIZE_MODE": "pad64"}, {"height": 640, "width": 448}, (640, 448)),
])
def test_the_canvas_is_that_of_the_training_unless_asked(settings, asked, canvas):
    assert canvas_of(Config(**settings), **asked) == canvas


def test_canvases_that_there_cannot_be():
    square = Config(IMAGE_RESIZE_MODE="square", IMAGE_MAX_DIM=512)
    with pytest.raises(ExportError, match='512x512, not 512x384: .*"rectangle", IMAGE_MAX_DIM=512'):
        canvas_of(square, 512, 384)
    with pytest.raises(ExportError, match="'pad64' has no canvas of its own: give height and width"):
        canvas_of(Config(IMAGE_RESIZE_MODE="pad64"), height=64)


# --- Canvases of any size --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.long
def test_a_dynamic_file_finds_what_the_network_finds_on_every_canvas(model, tmp_path):
    skip_without_packages("onnx")
    path = str(tmp_path / "any.onnx")
    about = export(model, path, "onnx", batch=2, dynamic=True, photos=[photo(40, 60), photo(128, 120)])
    assert about["inputs"]["image"]["shape"] == [2, None, None, 3] and described(path)["canvas"]["height"] is None
    assert about["checked"]["canvases"] == [[64, 64], [128, 128]] and about["checked"]["objects"] > 0
    file, photos = architectures.load(path), [photo(*shape) for shape in ((64, 128), (300, 90), (128, 64))]
    assert len({file.place(one)[0].shape for one in photos}) == 2
    for one, expected in zip(file.detect(photos, rle=True), model.detect(photos, rle=True), strict=True):
        assert len(one["scores"]) and one["rles"] == expected["rles"]
        np.testing.assert_array_equal(one["class_ids"], expected["class_ids"])
        np.testing.assert_allclose(one["boxes"], expected["boxes"], atol=1e-2)


@pytest.mark.parametrize("changed, said", [
    ({"format": "litert"}, "litert files take canvases of one size: leave dynamic out, or take onnx"),
    ({"quantize": "int8", "photos": [np.zeros((64, 64, 3), np.uint8)]}, "int8 files take canvases of one size"),
    ({"height": 64}, "any size, and 64 was asked for"),
])
def test_what_cannot_be_dynamic_is_refused(model, tmp_path, changed, said):
    with pytest.raises(ExportError, match=said):
        export(model, str(tmp_path / "any"), **{"format": "onnx", "dynamic": True, **changed})
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("channels, said", [
    (1, "grey 0..255 (of RGB"), (3, "RGB 0..255, the photo"), (4, "0..255, the 4 channels in the order of the")])
def test_the_json_file_says_what_the_channels_are(channels, said):
    config = Config(IMAGE_CHANNEL_COUNT=channels, MEAN_PIXEL=[1] * channels)
    model = types.SimpleNamespace(config=config, inference_model=types.SimpleNamespace(input={"image": None}))
    (image,) = export_module._inputs(model, (1, 64, 64), "uint8").values()
    assert image["shape"] == [1, 64, 64, channels] and image["meaning"].startswith(said)


def test_a_network_of_one_canvas_cannot_be_dynamic():
    with pytest.raises(ExportError, match="built for one canvas .*square.* IMAGE_RESIZE_MODE=rectangle"):
        check_dynamic("square", "onnx", None, None)
