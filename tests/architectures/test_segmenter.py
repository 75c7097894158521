import csv
import json
import os
import pathlib
import random

import h5py
import keras
import numpy as np
import pytest
from killed import DiskOf
from rewriting import running_eagerly
from tiny import Squares, TinyConfig
from tiny_semantic import TinySemantic, TinySettings

from mrcnn import architectures
from mrcnn.config import Config
from mrcnn.errors import CheckpointError, ConfigError, DataError, NonFiniteLoss, RunError
from mrcnn.model import MaskRCNN
from mrcnn.training.runs import find_last_checkpoint

pytestmark = pytest.mark.usefixtures("eagerly")


def model_in(folder, **settings):
    return MaskRCNN("training", TinyConfig(**settings), str(folder))


def label_model_in(folder):
    """A network of three convolutions, where the network is not what is looked at."""
    return TinySemantic("training", TinySettings(), str(folder))


def weights_of(model):
    return [np.array(keras.ops.convert_to_numpy(v)) for v in model.training_model.weights]  # PyTorch shares memory


def test_pythons_generator_is_as_it_was_whether_a_network_is_built_or_not(tmp_path):
    before = random.getstate()
    with pytest.raises(ConfigError, match="gave 1 maps"):
        model_in(tmp_path, BACKBONE=lambda image: [image])
    assert random.getstate() == before
    label_model_in(tmp_path)
    assert random.getstate() == before


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two stages: heads for one epoch, all for one more. (folder, model, histories of both stages, whether
    each weight of the backbone moved in each stage)."""
    logs = tmp_path_factory.mktemp("logs")
    model = model_in(logs)
    data, val = Squares().load(2), Squares().load(2, seed=1)
    backbone = [v for v in model.training_model.weights if "/res" in "/" + v.path or "/bn" in "/" + v.path]
    histories, moved = [], []
    for rate, epochs, layers in ((0.01, 1, "heads"), (0.001, 2, "all")):
        before = [np.array(keras.ops.convert_to_numpy(v)) for v in backbone]
        model.train(data, val, rate, epochs, layers)
        histories.append(dict(model.history.history))
        moved.append([not np.array_equal(keras.ops.convert_to_numpy(v), old) for v, old in zip(backbone, before)])
    return logs, model, histories, moved


def test_a_run_of_two_stages_leaves_everything_in_one_folder(trained):
    logs, model, *_ = trained
    assert len(os.listdir(logs)) == 1
    names = set(os.listdir(model.log_dir))
    assert {"config.json", "history.csv", "mask_rcnn_tiny_0001.h5", "mask_rcnn_tiny_0002.h5"} <= names
    assert "mask_rcnn_tiny_0002.state.h5" in names and "mask_rcnn_tiny_0001.state.h5" not in names
    rows = list(csv.DictReader(pathlib.Path(model.log_dir, "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[1]["learning_rate"]) == pytest.approx(0.001)
    assert model.epoch == 2
    assert "mask_rcnn_tiny_0000.h5" not in names  # it was there for a run killed in its first epoch


def test_total_loss_is_the_sum_of_its_parts_in_every_stage(trained):
    for history in trained[2]:
        for prefix in ("", "val_"):
            parts = [k for k in history if k.startswith((f"{prefix}rpn_", f"{prefix}mrcnn_"))]
            assert len(parts) == 5
            assert history[f"{prefix}loss"][0] == pytest.approx(sum(history[k][0] for k in parts), rel=1e-4)


def test_heads_stage_leaves_the_backbone_alone(trained):
    heads, all_layers = trained[3]
    assert len(heads) > 10 and not any(heads) and any(all_layers)


def test_a_checkpoint_is_enough_to_detect(trained):
    logs, model, *_ = trained
    path = find_last_checkpoint(str(logs))
    assert path.endswith("mask_rcnn_tiny_0002.h5") and path == model.find_last()
    other = MaskRCNN.from_checkpoint(path, DETECTION_MIN_CONFIDENCE=0.0)
    assert other.class_names == ["BG", "red", "green", "blue"]
    assert other.config.BACKBONE == "small" and other.config.DETECTION_MIN_CONFIDENCE == 0.0
    image = Squares().load(1, seed=5).load_image(0)
    (result,) = other.detect([image])
    assert set(result) == {"rois", "boxes", "class_ids", "scores", "masks"}
    assert len(result["scores"]) > 0


def test_a_network_that_several_devices_trained_is_used_on_one(tmp_path):
    path = str(tmp_path / "three.h5")
    label_model_in(tmp_path).save_weights(path)
    with h5py.File(path, "a") as file:
        settings = {**json.loads(file.attrs["mrcnn_config"]), "GPU_COUNT": 3, "IMAGES_PER_GPU": 2}
        file.attrs["mrcnn_config"] = json.dumps(settings)
    for asked, batch in (({}, 2), ({"BATCH_SIZE": 1}, 1), ({"BATCH_SIZE": 4}, 4), ({"IMAGES_PER_GPU": 5}, 5)):
        config = architectures.load(path, **asked).config
        assert (config.GPU_COUNT, config.BATCH_SIZE) == (1, batch), asked
    assert TinySemantic.from_checkpoint(path, GPU_COUNT=2).config.BATCH_SIZE == 4  # who asks for it gets it
    with pytest.raises(ConfigError, match="GPU_COUNT=3"):  # a training goes on with what it had
        TinySemantic.from_checkpoint(path, mode="training")


def test_weights_of_another_mean_pixel_are_told(trained, capsys):
    path = trained[1].find_last()
    MaskRCNN.from_checkpoint(path)
    assert "MEAN_PIXEL" not in capsys.readouterr().out
    MaskRCNN.from_checkpoint(path, MEAN_PIXEL=[1, 2, 3])
    assert "was trained with MEAN_PIXEL=[123.7,116.8,103.9], and this network subtracts [1,2,3]" in (
        capsys.readouterr().out)


def test_settings_that_the_weights_do_not_know_are_told(trained, capsys):
    path = trained[1].find_last()
    changed = {"BBOX_STD_DEV": [1, 1, 1, 1], "ROI_ALIGNED": False, "TEST_FLIP": True}
    for mode in ("inference", "training"):
        MaskRCNN.from_checkpoint(path, mode=mode, **changed)
        assert capsys.readouterr().out.count(
            "trained with BBOX_STD_DEV=[0.1,0.1,0.2,0.2], ROI_ALIGNED=True, and is run with BBOX_STD_DEV=[1,1,1,1], "
            "ROI_ALIGNED=False: its weights now stand for something else. Leave them out") == 1
    model = MaskRCNN.from_checkpoint(path)
    model.load_weights(path, by_name=True, exclude="mrcnn_bbox_fc")
    assert "now stand for" not in capsys.readouterr().out


def test_overrides_of_no_effect_are_told_of_a_checkpoint(trained, recwarn):
    path = trained[1].find_last()
    with pytest.warns(UserWarning, match="ATTRIBUTE_MIN_CONFIDENCE=0.3 has no effect: ATTRIBUTES is None"):
        MaskRCNN.from_checkpoint(path, ATTRIBUTE_MIN_CONFIDENCE=0.3)
    recwarn.clear()
    MaskRCNN.from_checkpoint(path)
    assert not [one for one in recwarn if "no effect" in str(one.message)]


@pytest.mark.slow
@pytest.mark.long
def test_resuming_gives_what_an_unbroken_run_gives(tmp_path):
    data, whole = Squares().load(4), model_in(tmp_path / "whole")
    start = weights_of(whole)
    whole.train(data, None, 0.01, 3, "all", custom_callbacks=[DiskOf(whole, 2, tmp_path / "killed")])
    resumed = model_in(tmp_path / "resumed")
    resumed.load_weights(find_last_checkpoint(str(tmp_path / "killed")))
    assert resumed.epoch == 2 and resumed.log_dir == str(tmp_path / "killed" / os.path.basename(whole.log_dir))
    resumed.train(data, None, 0.01, 3, "all")
    moved = max(abs(a - b).max() for a, b in zip(weights_of(whole), start))
    apart = max(abs(a - b).max() for a, b in zip(weights_of(whole), weights_of(resumed)))
    assert apart < 2e-4 < moved / 50  # zero on one thread; forgotten seeds: moved / 70, optimizer: moved / 3


def test_detect_takes_any_number_and_sizes(trained):
    model = trained[1]
    rng = np.random.default_rng(0)
    sizes = (64, 64), (100, 40), (33, 90), (64, 64), (7, 5)
    images = [rng.integers(0, 255, size + (3,)).astype("uint8") for size in sizes]
    assert model.detect([]) == []
    results = model.detect(images)
    for image, result in zip(images, results):
        height, width = image.shape[:2]
        count = len(result["scores"])
        assert result["masks"].shape == (height, width, count) and result["masks"].dtype == bool
        assert result["rois"].dtype == result["class_ids"].dtype == np.int32 and result["rois"].shape == (count, 4)
        assert (result["boxes"] >= 0).all() and (result["boxes"][:, 2:] <= [height, width]).all()
        assert (np.diff(result["scores"]) <= 0).all()
        np.testing.assert_allclose(result["rois"], result["boxes"], atol=0.5)
    (alone,) = model.detect(images[1:2])
    # Rounding may swap near-equal proposals of a network that knows next to nothing, but not what it finds best.
    np.testing.assert_allclose(alone["scores"], results[1]["scores"], atol=1e-3)
    np.testing.assert_allclose(alone["boxes"][0], results[1]["boxes"][0], atol=1e-2)


def test_masks_come_as_run_lengths_or_probabilities_too(trained):
    from mrcnn.data.run_lengths import decode as rle_decode

    image = Squares().load(1, seed=3, size=(50, 80)).load_image(0)
    (full,) = trained[1].detect([image], soft_masks=True)
    (short,) = trained[1].detect([image], rle=True)
    assert "masks" not in short and len(short["rles"]) == full["masks"].shape[2] > 0
    for index, rle in enumerate(short["rles"]):
        np.testing.assert_array_equal(rle_decode(rle), full["masks"][..., index])
    np.testing.assert_array_equal(full["soft_masks"] >= 0.5, full["masks"])


NO_PHOTOS = [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8)]


@pytest.mark.parametrize("image", NO_PHOTOS)
def test_what_is_no_photo_is_refused(trained, image):
    with pytest.raises(DataError, match=r"Image 1 is .*uint8 \[height, width, 3\] RGB"):
        trained[1].detect([np.zeros((8, 8, 3), np.uint8), image])


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_photos(tmp_path):
    model = model_in(tmp_path, GRADIENT_CLIP_NORM=0)
    bias = model.training_model.get_layer("mrcnn_mask").bias
    bias.assign(np.full(bias.shape, np.nan))
    with pytest.raises(NonFiniteLoss, match=r"mrcnn_mask_loss .*epoch 1, step 1.*square\d.*square\d"):
        model.train(Squares().load(4), None, 0.01, 1, "all")
    assert [f for f in os.listdir(model.log_dir) if f.endswith(".h5")] == ["mask_rcnn_tiny_0000.h5"]


def test_data_that_does_not_fit_is_refused(tmp_path, trained):
    model = model_in(tmp_path, NUM_CLASSES=9)
    with pytest.raises(ConfigError, match="NUM_CLASSES is 9: set NUM_CLASSES=4"):
        model.train(Squares().load(2), None, 0.01, 1, "heads")
    with pytest.raises(DataError, match="no photos"):
        model_in(tmp_path).train(Squares().load(0), None, 0.01, 1, "heads")
    with pytest.raises(CheckpointError, match="other classes"):
        model.load_weights(trained[1].find_last())
    with pytest.raises(ValueError, match='mode="training"'):
        MaskRCNN("inference", TinyConfig(), str(tmp_path)).train(Squares().load(2), None, 0.01, 1, "heads")
    assert not [name for name in os.listdir(tmp_path) if os.listdir(tmp_path / name)]


def test_an_error_of_the_data_arrives_as_it_was_raised(tmp_path):
    data = Squares().load(4)
    data.load_image = lambda image_id: (_ for _ in ()).throw(OSError("disk gone"))
    with pytest.raises(DataError, match=r"^square\d.png: OSError: disk gone$"):
        model_in(tmp_path).train(data, None, 0.01, 1, "heads")


def test_epochs_are_cumulative(trained, capsys):
    logs, model, *_ = trained
    model.train(Squares().load(6), None, 0.01, 2, "all")
    assert "Nothing to train: epoch 2 of 2" in capsys.readouterr().out


def test_new_weights_follow_from_the_seed(tmp_path):
    first, second, other = (weights_of(model_in(tmp_path, SEED=seed)) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, second))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other))


@pytest.mark.slow
@pytest.mark.long
def test_photos_of_many_sizes_train_and_detect_in_pad64_mode(tmp_path):
    # Masks of the canvas's size, so that no side of anything is known when the graph is made.
    settings = {"IMAGE_RESIZE_MODE": "pad64", "IMAGES_PER_GPU": 1, "USE_MINI_MASK": False, "IMAGE_MIN_DIM": None}
    model = model_in(tmp_path, **settings)
    data = Squares()
    for part, size in enumerate(((128, 128), (64, 128), (64, 64))):
        data.load(1, seed=part, size=size)
    with running_eagerly(False):
        model.train(data, None, 0.01, 1, "all")
        assert len(model.detect([data.load_image(i) for i in range(3)])) == 3
    assert np.isfinite(model.history.history["loss"]).all()


@pytest.mark.slow
def test_training_counts_the_objects_that_its_class_loss_weighs(tmp_path):
    recipe = {
        "CLASS_LOSS": "class-balanced", "LABEL_SMOOTHING": 0.1, "BBOX_LOSS": "giou", "SOFT_MASK_TARGETS": True,
        "REPEAT_THRESHOLD": 0.9, "STEPS_PER_EPOCH": 1,
    }
    model = model_in(tmp_path, **recipe)
    data = Squares().load(6)  # it has no more than load_mask
    classes = [int(data.load_mask(i)[1][0]) for i in range(6)]
    # A pass shows a photo max(1, sqrt(.9 / share of the photos of its class)) times on average.
    expected = [0.0] + [classes.count(c) * max(1, np.sqrt(0.9 * 6 / max(classes.count(c), 1))) for c in (1, 2, 3)]
    model.train(data, None, 0.01, 1, "heads")
    np.testing.assert_allclose(model.training_model.box_head.class_counts, expected)
    assert np.isfinite(list(model.history.history.values())).all()
    assert json.loads(pathlib.Path(model.log_dir, "config.json").read_text())["CLASS_COUNTS"] is None  # counted anew


def test_two_runs_of_one_minute_have_folders_of_their_own(tmp_path):
    pairs = ((label_model_in(tmp_path), label_model_in(tmp_path)) for _ in range(2))  # whose folders are not there yet
    first, second = next(pair for pair in pairs if pair[0].log_dir == pair[1].log_dir)  # a minute ends once at most
    data = Squares().load(2)
    held = []

    class StartTheOther(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            resumed = label_model_in(tmp_path)
            resumed.load_weights(first.checkpoint_path.format(epoch=1))
            with pytest.raises(RunError, match=f"{os.path.basename(first.log_dir)} is being trained by process"):
                resumed.train(data, None, 0.01, 2, "all")
            held.append(True)

    first.train(data, None, 0.01, 1, "all", custom_callbacks=[StartTheOther()])
    second.train(data, None, 0.01, 1, "all")
    assert held and first.log_dir != second.log_dir
    for model in (first, second):
        assert os.path.dirname(model.checkpoint_path) == model.log_dir
        assert os.path.isfile(model.checkpoint_path.format(epoch=1))


def test_settings_of_a_run_are_beside_it(trained):
    saved = json.loads(pathlib.Path(trained[1].log_dir, "config.json").read_text())
    assert Config.from_dict(saved).TOP_DOWN_PYRAMID_SIZE == 16


# --- Settings and the network built from them ------------------------------------------------------------------------
def test_settings_that_are_read_again_may_change_and_built_ones_not(trained):
    _, model, _, _ = trained
    config, before = model.config, model.config.to_dict()
    for name, value in (("IMAGE_MAX_DIM", 128), ("NUM_CLASSES", 9), ("TRAIN_BN", None), ("GPU_COUNT", 2),
                        ("LOSS_WEIGHTS", dict.fromkeys(Config.LOSS_WEIGHTS, 2.0)), ("TEST_SCALES", (1.0, 2.0))):
        with pytest.raises(ConfigError, match=rf"{name}=.*from_checkpoint\(path, {name}="):
            setattr(config, name, value)
    assert config.to_dict() == before
    images = [Squares().load(1, seed=s).load_image(0) for s in range(3)]
    apart = model.detect(images)
    try:
        # Matterport's scripts set the size of a batch for detection; the rest is read by each stage of training.
        config.set(IMAGES_PER_GPU=3, IMAGE_MIN_DIM=32, LEARNING_MOMENTUM=0.5, WEIGHT_DECAY=0.0, STEPS_PER_EPOCH=1)
        assert [len(result["scores"]) for result in model.detect(images)] == [len(result["scores"]) for result in apart]
    finally:
        config.set(**{name: before[name] for name in ("IMAGES_PER_GPU", "IMAGE_MIN_DIM", "LEARNING_MOMENTUM",
                                                      "WEIGHT_DECAY", "STEPS_PER_EPOCH")})


def test_frozen_norms_without_statistics_are_told_once(tmp_path, recwarn):
    model, data = model_in(tmp_path, NORM="batch", STEPS_PER_EPOCH=1), Squares().load(2)
    model._fit = lambda *_: None  # what comes before it is enough
    with pytest.warns(UserWarning, match=r'TRAIN_BN=False.*NORM="group", or load weights'):
        model.train(data, None, 0.001, 1, "heads")
    recwarn.clear()
    model.epoch = 1  # the second stage
    model.train(data, None, 0.001, 2, "heads")
    model.epoch, mean = 0, model.training_model.get_layer("bn2a").moving_mean
    mean.assign(np.ones(mean.shape))  # as a weight file brings it
    model.train(data, None, 0.001, 1, "heads")
    assert not [one for one in recwarn if "TRAIN_BN" in str(one.message)]
