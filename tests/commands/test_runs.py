"""Models of runs: what they start from, and one that looks at photos tile by tile."""

import copy
import importlib.util
import json
import os
from types import SimpleNamespace
from urllib.error import HTTPError, URLError

import h5py
import numpy as np
import pytest
from exported_json import OBJECTS

from mrcnn import architectures
from mrcnn.architectures import mask_rcnn
from mrcnn.architectures.yolact import Yolact
from mrcnn.commands import main as fashion
from mrcnn.commands import runs as fashion_runs
from mrcnn.commands.serve import with_batch_size
from mrcnn.commands.settings import new_config, overrides_of, starts_of, tell_image_size
from mrcnn.data.annotated import AnnotatedDataset
from mrcnn.errors import CheckpointError, DataError, UsageError
from mrcnn.model import MaskRCNN
from mrcnn.weights import downloads
from mrcnn.weights.files import read_attributes, weighted_layers
from tests.tiny import TinyConfig
from tests.tiny_yolact import TinyYolact


class Recorder:
    """Stands for a model: remembers how it was asked."""

    class_names, config = ["BG", "hat"], TinyConfig()

    def __init__(self):
        self.asked = []

    def detect(self, images, **options):
        self.asked.append(("whole", len(images), options))

    def detect_tiled(self, images, tile, overlap, **options):
        self.asked.append((tile, overlap, len(images), options))

    def label_each_tiled(self, images, tile, overlap, **options):
        self.asked.append(("labels", tile, overlap, len(images), options))


@pytest.fixture
def model(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(architectures, "architecture_of", lambda path: "mask-rcnn")
    monkeypatch.setattr(mask_rcnn.MaskRCNN, "from_checkpoint", lambda *arguments, **settings: recorder)
    return recorder


@pytest.mark.parametrize("command", ["detect", "evaluate", "label"])
def test_each_command_can_look_at_tiles(model, command):
    parser = fashion.build_parser()
    plain = fashion_runs.load_model("w.h5", parser.parse_args([command]), {})
    assert plain is model
    for words, expected in ((["--tile", "512"], (512, 0.25)), (["--tile", "640", "--tile-overlap", "0.5"], (640, 0.5))):
        tiled = fashion_runs.load_model("w.h5", parser.parse_args([command, *words]), {})
        tiled.detect([np.zeros((9, 9, 3), np.uint8)], rle=True)
        assert model.asked.pop() == (*expected, 1, {"rle": True})
        tiled.label_each([np.zeros((9, 9, 3), np.uint8)], probabilities=False)
        assert model.asked.pop() == ("labels", *expected, 1, {"probabilities": False})
        # One photo at a time; the tiles of it go in batches of the model's own size.
        assert tiled.config.BATCH_SIZE == 1 and model.config.BATCH_SIZE == 2 and tiled.class_names == ["BG", "hat"]


def test_a_model_that_looks_at_tiles_can_be_copied(model):
    tiled = copy.copy(fashion_runs.Tiled(model, 512, 0.25))
    tiled.detect([np.zeros((9, 9, 3), np.uint8)])
    assert tiled.class_names == ["BG", "hat"] and model.asked.pop()[0] == 512


@pytest.mark.parametrize("command", ["train", "tune"])
def test_training_knows_no_tiles(model, command):
    options = SimpleNamespace(logs="logs", command=command, set=[])
    assert fashion_runs.load_model("w.h5", options, {}) is model


@pytest.mark.parametrize("words, message", [
    (["--tile", "32"], "tile=32: give the side of a tile in whole pixels, 64 or more"),
    (["--tile", "512", "--tile-overlap", "0.95"], "overlap=0.95: give a share"),
])
def test_tiles_that_cannot_be_show_before_the_network_is_built(monkeypatch, words, message):
    monkeypatch.setattr(architectures, "architecture_of", None)
    options = fashion.build_parser().parse_args(["detect", *words])
    with pytest.raises(DataError, match=message):
        fashion_runs.load_model("w.h5", options, {})


# --- Starts from other weights ---------------------------------------------------------------------------------------


def offline(monkeypatch, error):
    """Have downloads fail by this error."""

    def fail(path):
        raise CheckpointError("Could not download it") from error

    monkeypatch.setattr(downloads, "download_trained_weights", fail)


def started(tmp_path, weights):
    """What --weights stands for in the end."""
    options = SimpleNamespace(weights=weights, logs=str(tmp_path / "logs"))
    fashion_runs.settle_weights(options)
    return options.weights


def test_a_machine_that_is_offline_takes_the_second_choice_and_says_so(monkeypatch, tmp_path):
    offline(monkeypatch, URLError("no such host"))
    with pytest.warns(UserWarning, match="COCO's weights .*no such host.* --weights imagenet "):
        assert started(tmp_path, "coco,imagenet") == "imagenet"
    with pytest.raises(CheckpointError, match="Could not download"):
        started(tmp_path, "coco")
    # A server that answers is no machine that is offline.
    offline(monkeypatch, HTTPError("https://a", 404, "Not Found", {}, None))
    with pytest.raises(CheckpointError):
        started(tmp_path, "coco,imagenet")
    assert started(tmp_path, "imagenet:a,b.h5") == "imagenet:a,b.h5" and started(tmp_path, "last") == "last"


def test_the_first_choice_is_taken_where_it_can_be_had(monkeypatch, tmp_path):
    fetched = []
    monkeypatch.setattr(downloads, "download_trained_weights", fetched.append)
    assert started(tmp_path, "coco,imagenet") == "coco" and fetched == [str(tmp_path / "logs" / "mask_rcnn_coco.h5")]
    open(fetched[0], "w").close()
    assert started(tmp_path, "coco") == "coco" and len(fetched) == 1  # it is there now


def settings_file(path, architecture, **settings):
    with h5py.File(path, "w") as file:
        file.attrs["mrcnn_architecture"] = architecture
        file.attrs["mrcnn_config"] = json.dumps({**TinyConfig(**settings).to_dict(), "NAME": "tiny"})
    return str(path)


def test_an_image_size_makes_anchors_where_the_start_has_none(tmp_path, capsys):
    """32 to 512 pixels are for a canvas of 512: 16 to 256 for one of 256."""
    file = settings_file(tmp_path / "a.h5", "mask-rcnn", RPN_ANCHOR_SCALES=(5, 10, 20, 40, 80), IMAGE_MIN_DIM=32)
    other = settings_file(tmp_path / "u.h5", "unet")

    def options_of(*words):
        return fashion.build_parser().parse_args(["train", "--image-size", "256", *words])

    follow = ["none"], ["imagenet"], [other, "--architecture", "mask-rcnn"]
    for words in follow:
        assert overrides_of(options_of("--weights", *words))["RPN_ANCHOR_SCALES"] == (16, 32, 64, 128, 256), words
    for words in (["last"], ["coco"], ["coco,imagenet"], [file], [file, "--architecture", "mask-rcnn"]):
        assert "RPN_ANCHOR_SCALES" not in overrides_of(options_of("--weights", *words)), words
    # What stays is told, and what changes besides.
    options, written = options_of("--weights", file), read_attributes(file)["config"]
    data = SimpleNamespace(num_classes=4)
    config = new_config(options, overrides_of(options), data)
    assert config.RPN_ANCHOR_SCALES == (5, 10, 20, 40, 80) and config.IMAGE_MAX_DIM == 256
    tell_image_size(options, config, written)
    anchors, least = capsys.readouterr().out.splitlines()
    assert "the anchors stay [5,10,20,40,80] pixels" in anchors
    assert "--set RPN_ANCHOR_SCALES=[16,32,64,128,256]" in anchors
    assert "IMAGE_MIN_DIM is 256 now, 32 in" in least and "--set IMAGE_MIN_DIM=32 keeps it" in least
    for words in (["none"], [file, "--set", "RPN_ANCHOR_SCALES=[5,10,20,40,80]", "--set", "IMAGE_MIN_DIM=32"]):
        tell_image_size(options_of("--weights", *words), config, written)
    assert capsys.readouterr().out == ""


def test_a_second_choice_without_anchors_gets_those_of_the_size(tmp_path, monkeypatch):
    offline(monkeypatch, URLError("no such host"))
    options = fashion.build_parser().parse_args(["train", "--weights", "coco,none", "--image-size", "256", "--train",
                                                 "a", "--val", "b", "--logs", str(tmp_path)])
    model = lambda mode, config, logs: SimpleNamespace(config=config)  # noqa: E731
    model.uses_backbone = lambda config: True
    monkeypatch.setattr(fashion_runs, "class_of_option", lambda options: model)
    with pytest.warns(UserWarning, match="could not be downloaded"):
        begun = fashion_runs.start_model(options, overrides_of(options), SimpleNamespace(num_classes=4))
    assert begun.config.RPN_ANCHOR_SCALES == (16, 32, 64, 128, 256)


@pytest.mark.parametrize("weights", ["imagenet,coco", "coco,a.h5", "a.h5,b.h5"])
def test_only_coco_has_a_second_choice(weights):
    with pytest.raises(UsageError, match="only coco may have a second choice, as in coco,imagenet"):
        starts_of(weights)


def test_a_resnet50_takes_what_fits_of_cocos_resnet101(tmp_path, capsys):
    options = fashion.build_parser().parse_args(["train", "--weights", "coco", "--backbone", "resnet50", "--train", "a",
                                                 "--val", "b", "--logs", str(tmp_path)])
    dataset = SimpleNamespace(num_classes=4, class_names=["BG", "hat", "coat", "shoe"])
    chosen = new_config(options, {"BACKBONE": "resnet50"}, dataset)
    assert (chosen.BACKBONE, chosen.NORM, chosen.RPN_CHANNELS) == ("resnet50", "batch", 512)
    model = MaskRCNN("training", TinyConfig(BACKBONE="resnet50", NORM="batch", MEAN_PIXEL=[1, 2, 3]), str(tmp_path))
    layers = weighted_layers(model.training_model)
    with h5py.File(tmp_path / "mask_rcnn_coco.h5", "w") as file:
        for name, layer in layers.items():
            for variable in layer.weights:
                shape = list(variable.shape)
                shape[-1] = 81 if name == "mrcnn_mask" else 1024 if name == "mrcnn_class_conv2" else shape[-1]
                file[f"{name}/{name}/{variable.name}:0"] = np.full(shape, 0.25, np.float32)
        file["res4g_branch2a/res4g_branch2a/kernel:0"] = np.zeros((1, 1, 1024, 256), np.float32)
    fashion_runs.load_pretrained(model, "coco", options, dataset)
    told = capsys.readouterr().out
    assert f"{len(layers) - 4} layers loaded" in told  # less those of the classes and the one of another shape
    assert "mask_rcnn_coco.h5 was trained with MEAN_PIXEL=[123.7,116.8,103.9], and this" in told
    assert "1 unused (res4g_branch2a)" in told and "1 mismatched (mrcnn_class_conv2)" in told and "mrcnn_mask" in told
    for name in ("res4f_branch2c", "fpn_p2", "mrcnn_mask_conv4"):
        assert (np.asarray(layers[name].weights[0]) == 0.25).all()
    for name in ("mrcnn_mask", "mrcnn_class_conv2", "mrcnn_bbox_fc"):
        assert not (np.asarray(layers[name].weights[0]) == 0.25).all()


def test_norms_of_another_kind_start_anew_from_a_file_of_matterports(tmp_path, capsys):
    options = fashion.build_parser().parse_args(["train", "--logs", str(tmp_path)])
    model = MaskRCNN("training", TinyConfig(NORM="batch", HEAD_NORM="group"), str(tmp_path))
    path, norms = str(tmp_path / "balloon.h5"), [f"mrcnn_mask_bn{index}" for index in (1, 2, 3, 4)]
    with h5py.File(path, "w") as file:
        file["mrcnn_mask_conv1/mrcnn_mask_conv1/kernel:0"] = np.full((3, 3, 16, 16), 0.25, "float32")
        file["mrcnn_mask_conv1/mrcnn_mask_conv1/bias:0"] = np.zeros(16, "float32")
        for name in norms:
            for weight in ("gamma", "beta", "moving_mean", "moving_variance"):
                file[f"{name}/{name}/{weight}:0"] = np.full(16, 0.25, "float32")
    fashion_runs.load_pretrained(model, path, options, SimpleNamespace(class_names=["BG", "hat", "coat", "shoe"]))
    told = capsys.readouterr().out
    assert "1 layers loaded" in told and f"4 mismatched ({', '.join(norms)})" in told
    assert "balloon.h5 was trained with HEAD_NORM=batch, and is run with HEAD_NORM=group: " in told
    with pytest.raises(CheckpointError, match="mrcnn_mask_bn1 has .* set its norm .*3 more mismatched"):
        model.load_weights(path, by_name=True)
    model.load_weights(path, exclude=norms)
    assert "was trained with HEAD_NORM=batch, and is run with HEAD_NORM=group: " in capsys.readouterr().out


def test_a_cascade_begins_with_the_box_head_of_a_plain_run(tmp_path, capsys):
    options = fashion.build_parser().parse_args(["train", "--logs", str(tmp_path)])
    names = ["BG", "hat", "coat", "shoe"]
    plain = MaskRCNN("training", TinyConfig(), str(tmp_path))
    plain.class_names = names
    plain.save_weights(tmp_path / "plain.h5")
    cascade = MaskRCNN("training", TinyConfig(CASCADE_IOUS=[0.6], RPN_BBOX_STD_DEV=[1, 1, 1, 1]), str(tmp_path))
    with pytest.raises(CheckpointError, match="6 missing .*CASCADE_IOUS.* as in the run that wrote it"):
        cascade.load_weights(tmp_path / "plain.h5")
    fashion_runs.load_pretrained(cascade, str(tmp_path / "plain.h5"), options, SimpleNamespace(class_names=names))
    assert "6 copied (mrcnn_class_stage2_conv1" in capsys.readouterr().out
    theirs, mine = plain.training_model.get_layer("mrcnn_bbox_fc"), cascade.training_model.get_layer(
        "mrcnn_bbox_stage2_fc")
    np.testing.assert_allclose(np.asarray(mine.kernel), 2 * np.asarray(theirs.kernel), rtol=1e-6)
    # Of other classes what does not follow from these is taken.
    fashion_runs.load_pretrained(cascade, str(tmp_path / "plain.h5"), options,
                                 SimpleNamespace(class_names=["BG", "cap", "bag", "sock"]))
    told = capsys.readouterr().out
    assert "4 copied" in told
    assert "was trained with RPN_BBOX_STD_DEV=[0.1,0.1,0.2,0.2], and is run with RPN_BBOX_STD_DEV=[1,1,1,1]" in told


def test_a_new_run_has_the_anchors_of_the_weights_that_it_begins_with_and_that_is_told(tmp_path, capsys):
    first = Yolact("training", TinyYolact(YOLACT_ANCHOR_SCALES=None), str(tmp_path))
    first.class_names = ["BG", "hat", "coat", "shoe"]
    first.save_weights(tmp_path / "a.h5")
    path = str(tmp_path / "a.h5")
    options = fashion.build_parser().parse_args(["train", "--weights", path, "--logs", str(tmp_path)])
    data = SimpleNamespace(num_classes=4, class_names=first.class_names)
    config = new_config(options, {"IMAGE_MIN_DIM": 128, "IMAGE_MAX_DIM": 128}, data)
    model = Yolact("training", config, str(tmp_path))
    fashion_runs.load_pretrained(model, path, options, data)
    assert config.anchor_scales() == first.config.anchor_scales()
    assert "on a canvas of 64; --set YOLACT_ANCHOR_SCALES=None gives those of this run's canvas of 128." in \
        capsys.readouterr().out


@pytest.mark.parametrize("command", ["train", "evaluate", "serve"])
def test_of_a_run_folder_the_last_checkpoint_is_named(tmp_path, capsys, command):
    folder = tmp_path / "shop20270101T0000"
    folder.mkdir()
    for epoch in ("0009", "0010"):
        (folder / f"unet_shop_{epoch}.h5").write_bytes(b"")
    assert fashion.main([command, "--weights", str(folder), "--logs", str(tmp_path)]) != 0
    assert f"--weights {folder} is a folder: give its last checkpoint, {folder / 'unet_shop_0010.h5'}." in \
        capsys.readouterr().err


def test_a_run_of_other_classes_is_not_resumed_but_its_weights_may_begin_a_new_one(tmp_path):
    path = tmp_path / "fashion20270101T0000" / "mask_rcnn_fashion_0001.h5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file.attrs["mrcnn_class_names"] = json.dumps(["BG", "hat"])
    options = fashion.build_parser().parse_args(["train", "--weights", "last", "--logs", str(tmp_path)])
    data = SimpleNamespace(class_names=["BG", "coat"])
    with pytest.raises(DataError, match=rf"on the classes hat.*are coat.*new run.*--weights {path}"):
        fashion_runs.start_model(options, {}, data)


@pytest.mark.parametrize("known, told", [
    (["top", "hat"], r"has the names of 1 classes of the data up to their first comma: .* \(top, shirt\)\. Train"),
    (["top", "top"], r"names of 2 classes .*\(top, shirt; top, coat\), those of one name by their order alone"),
    (["coat", "hat"], None),
])
def test_a_checkpoint_whose_names_end_at_the_first_comma(monkeypatch, known, told):
    monkeypatch.setattr(fashion_runs, "_class_names_of", lambda path: ["BG", *known])
    monkeypatch.setattr("mrcnn.weights.files.read_attributes", lambda path: {"config": None})  # of an older version
    data = SimpleNamespace(class_names=["BG", "top, shirt", "hat" if known[1] == "hat" else "top, coat"])
    if told is None:
        with pytest.raises(DataError, match="trained on the classes coat, hat"):
            fashion_runs.check_classes("w.h5", data, "the data")
    else:
        with pytest.warns(UserWarning, match=told):
            fashion_runs.check_classes("w.h5", data, "the data")


def test_a_group_that_a_checkpoint_knows_as_a_class_is_one(monkeypatch):
    monkeypatch.setattr(fashion_runs, "_class_names_of", lambda path: ["BG", "shoe", "boot"])
    dataset = AnnotatedDataset()
    dataset.add_class("coco", 2, "boot")
    dataset.unused_groups = [(1, {"source": "coco", "id": 1, "name": "shoe"})]
    dataset.prepare()
    with pytest.warns(UserWarning, match="shoe: kept as a class, .*: w.h5 knows it"):
        fashion_runs.check_classes("w.h5", dataset, "the data")
    assert dataset.class_names == ["BG", "shoe", "boot"] and dataset.map_source_class_id("coco.2") == 2


@pytest.mark.parametrize("command, package, told", [
    ("evaluate", "matplotlib", "The report needs matplotlib, which is not installed here: pip install matplotlib, or "
                               "--no-report."),
    ("label", "skimage", "label needs scikit-image, which is not installed here: pip install scikit-image."),
])
def test_what_small_environments_leave_out_is_named_before_any_work(monkeypatch, capsys, command, package, told):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: name != package and found(name, *more) or None)
    assert fashion.main([command, "--weights", "none.h5"]) == 2
    assert capsys.readouterr().err == f"error: {told}\n"


@pytest.mark.parametrize("words, told", [
    (["unet", "--weights", "imagenet", "--set", "UNET_ENCODER=plain"],
     "--weights imagenet: this encoder is unet's own and has no ImageNet weights: leave --weights imagenet out, or "
     "--set UNET_ENCODER=backbone."),
    (["unet", "--backbone", "resnet50", "--set", "UNET_ENCODER=plain"], "--backbone: this encoder is unet's own"),
    (["u2netp", "--weights", "imagenet:a.h5", "--set", "BACKBONE=resnet50"],
     "--backbone and --weights imagenet: this encoder is u2netp's own and has no ImageNet weights: leave --backbone "
     "and --weights imagenet out."),
])
def test_an_encoder_of_its_own_takes_no_backbone_and_no_imagenet(words, told, tmp_path):
    options = fashion.build_parser().parse_args(["train", "--train", "a", "--val", "b", "--logs", str(tmp_path),
                                                 "--architecture", *words])
    with pytest.raises(UsageError) as caught:
        fashion_runs.start_model(options, overrides_of(options), SimpleNamespace(num_classes=4))
    assert told in str(caught.value)


@pytest.mark.parametrize("words, settings", [
    ([], {}), (["--batch-size", "3"], {"BATCH_SIZE": 3}), (["--set", "BATCH_SIZE=3"], {"BATCH_SIZE": 3}),
    (["--set", "TEST_FLIP=true"], {"TEST_FLIP": True})])
@pytest.mark.parametrize("command", ["detect", "serve"])
def test_a_batch_size_that_is_asked_for_comes_to_an_exported_file(command, words, settings, tmp_path, monkeypatch):
    """Which refuses it, where it takes another number at once; that a command has by default is none."""
    seen = []
    monkeypatch.setattr(architectures, "load", lambda path, mode, **given: seen.append(given) or Recorder())
    path = tmp_path / "m.onnx"
    path.write_bytes(b"graph")
    (tmp_path / "m.onnx.json").write_text(json.dumps(OBJECTS))
    options = fashion.build_parser().parse_args([command, "--weights", str(path), *words])
    overrides = overrides_of(options)
    fashion_runs.load_model(str(path), options, with_batch_size(overrides) if command == "serve" else overrides)
    assert seen == [settings]


def test_a_folder_that_ends_in_a_slash_has_its_name(tmp_path):
    folder = tmp_path / "net.v2"  # of a SavedModel
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    for given in (str(folder), f"{folder}/", f"{folder}//", f"{folder}/."):
        path = fashion_runs.checkpoint_of(SimpleNamespace(weights=given))
        assert path == str(folder)
        assert fashion_runs.output_folder(SimpleNamespace(output=None), path, "labels") == str(tmp_path / "labels")
        for name in (given, path):
            assert fashion_runs.weights_name(name) == fashion_runs.weights_name(name, ending=False) == "net.v2"
    assert fashion_runs.weights_name("logs/run/net_0040.h5") == "net_0040.h5"
    assert fashion_runs.weights_name("logs/run/net_0040.h5", ending=False) == "net_0040"


@pytest.mark.parametrize("command, options", [
    ("diagnose", ["--annotations", "none.json"]), ("train", ["--train", "none.json", "--val", "none.json"]),
    ("tune", ["--train", "none.json", "--val", "none.json"]), ("data suggest", ["--photos", "none"]), ("export", [])])
@pytest.mark.parametrize("kind", ["onnx", "savedmodel"])
def test_an_exported_file_is_refused_where_the_network_is_needed_before_any_work(command, options, kind, tmp_path,
                                                                                capsys):
    path = tmp_path / ("m.onnx" if kind == "onnx" else "m")
    if kind == "savedmodel":
        path.mkdir()
    (path / "saved_model.pb" if kind == "savedmodel" else path).write_bytes(b"graph")
    arguments = [*command.split(), "--weights", str(path), "--logs", str(tmp_path / "logs"), *options]
    assert fashion.main(arguments) == 2
    told = capsys.readouterr().err
    assert (f"--weights {path} is an exported file, and {command} needs the network itself: give the checkpoint (.h5)"
            in told)
    assert os.listdir(tmp_path) == [path.name]


def test_the_best_checkpoint_is_named_where_best_is_asked_for(tmp_path):
    options = fashion.build_parser().parse_args(["evaluate", "--weights", "best", "--logs", str(tmp_path)])
    with pytest.raises(UsageError, match="best: no such file; give last or the path of a checkpoint.$"):
        fashion_runs.checkpoint_of(options)
    run = tmp_path / f"{fashion_runs.name_of_runs(options)}20261130T1200"
    run.mkdir()
    (run / "mask_rcnn_x_0001.h5").write_bytes(b"")
    with pytest.raises(UsageError, match="has no best one, as --keep-best keeps"):
        fashion_runs.checkpoint_of(options)
    (run / "mask_rcnn_x_best.h5").write_bytes(b"")
    with pytest.raises(UsageError, match="newest run's best one .*T1200.mask_rcnn_x_best.h5"):
        fashion_runs.checkpoint_of(options)
    options = fashion.build_parser().parse_args(["train", "--weights", "best", "--logs", str(tmp_path)])
    with pytest.raises(UsageError, match="newest run's best one .*T1200.mask_rcnn_x_best.h5"):
        fashion_runs.start_model(options, {}, None)


def test_where_classes_differ_those_of_the_training_are_named(monkeypatch):
    from mrcnn.commands import runs

    monkeypatch.setattr("mrcnn.weights.files.is_foreign", lambda path: False)
    content = {"class_names": ["BG", "hat"], "config": {"CLASSES": ["hat=cap+beret"]}}
    monkeypatch.setattr("mrcnn.weights.files.read_attributes", lambda path: content)
    given = SimpleNamespace(class_names=["BG", "cap", "beret"])
    with pytest.raises(DataError, match="""or take those of its training: --set 'CLASSES=."hat=cap.beret".'"""):
        runs.check_classes("a.h5", given, "b.json")
    content["config"] = {"CLASSES": None}
    with pytest.raises(DataError, match="with the classes of the checkpoint[.]$"):
        runs.check_classes("a.h5", given, "b.json")
