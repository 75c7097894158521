"""A network of label maps, through all that a network of objects goes through."""

import csv
import os

import keras
import numpy as np
import pytest
from tiny import Squares, TinyConfig
from tiny_semantic import TinySemantic, TinySettings

from mrcnn import architectures
from mrcnn.data.label_samples import true_label_map
from mrcnn.errors import CheckpointError, ConfigError, DataError
from mrcnn.evaluation.pixels import PixelConfusion
from mrcnn.training.runs import find_last_checkpoint
from mrcnn.training.validation import validation_callbacks
from mrcnn.weights.files import read_attributes

NAME = "tiny_semantic:TinySemantic"


def model_in(folder, **settings):
    return TinySemantic("training", TinySettings(**settings), str(folder))


def weights_of(model):
    return [np.asarray(v) for v in model.training_model.weights]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of 12 epochs of 24 pictures, the best by mean IoU kept."""
    model = model_in(tmp_path_factory.mktemp("logs"))
    val = Squares().load(6, seed=1)
    callbacks = validation_callbacks(model, val, every=4, limit=4, keep_best="mean_IoU")
    model.train(Squares().load(24), val, 1e-2, 12, "all", custom_callbacks=callbacks)
    return model


def test_it_learns_and_its_run_has_what_a_run_has(trained):
    names = set(os.listdir(trained.log_dir))
    assert {"config.json", "history.csv", "curves.png", "best.json", "tinysemantic_tiny_0012.h5",
            "tinysemantic_tiny_0012.state.h5", "tinysemantic_tiny_best.h5"} <= names
    with open(os.path.join(trained.log_dir, "history.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["val_mean_IoU"] != "nan" for row in rows] == [(epoch + 1) % 4 == 0 for epoch in range(12)]
    assert float(rows[-1]["val_mean_IoU"]) > 0.7
    assert float(rows[-1]["loss"]) == pytest.approx(float(rows[-1]["pixel_class_loss"]), rel=1e-4)
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) / 4


def test_its_figures_are_those_of_its_label_maps(trained):
    val = Squares().load(3, seed=1)
    confusion = PixelConfusion(val.class_names)
    images = [val.load_image(image_id) for image_id in range(3)]
    for image_id, result in enumerate(trained.label(images)):
        confusion.add(true_label_map(val, image_id), result["labels"])
    metrics, figures = confusion.metrics(), trained.measure(val)
    assert figures["mean_IoU"] == metrics["mean_iou"] > 0.5
    assert figures["pixel_accuracy"] == metrics["pixel_accuracy"]


def test_labels_have_the_size_of_their_photo_and_probabilities_sum_to_one(trained):
    images = [Squares().load(1, seed=4, size=size).load_image(0) for size in ((64, 64), (50, 80), (130, 90))]
    results, alone = trained.label(images), trained.label(images, probabilities=False)
    for image, result, short in zip(images, results, alone, strict=True):
        assert result["labels"].shape == image.shape[:2] and result["labels"].dtype == np.uint8
        np.testing.assert_allclose(result["probabilities"].sum(axis=-1), 1, atol=1e-5)
        np.testing.assert_array_equal(result["probabilities"].argmax(axis=-1), result["labels"])
        np.testing.assert_array_equal(short["labels"], result["labels"])
        assert set(short) == {"labels"}
    with pytest.raises(DataError, match=r"Image 0 is .*uint8 \[height, width, 3\]"):
        trained.label([np.zeros((8, 8), np.uint8)])


def test_a_flipped_view_makes_the_answer_the_same_for_both_sides(trained):
    path = trained.checkpoint_path.format(epoch=12)
    both = architectures.load(path, TEST_FLIP=True, TEST_SCALES=(1.0, 1.25))
    image = Squares().load(1, seed=9, size=(50, 80)).load_image(0)
    there, back = both.label([image, np.ascontiguousarray(image[:, ::-1])])
    np.testing.assert_allclose(there["probabilities"], back["probabilities"][:, ::-1], atol=1e-5)


def test_tiles_tell_what_each_part_of_a_photo_tells(trained):
    squares = Squares().load(4, seed=7)
    image = np.block([[[squares.load_image(0)], [squares.load_image(1)]], [[squares.load_image(2)],
                                                                           [squares.load_image(3)]]])
    (tiled,) = trained.label_each_tiled([image], tile=64, overlap=0.5)
    alone = trained.label([squares.load_image(i) for i in range(4)])
    assert tiled["labels"].shape == (128, 128)
    for i, result in enumerate(alone):
        part = tiled["labels"][i // 2 * 64 : i // 2 * 64 + 64, i % 2 * 64 : i % 2 * 64 + 64]
        assert (part == result["labels"]).mean() > 0.95  # but for what lies at the parts' borders


def test_a_checkpoint_names_its_architecture(trained, tmp_path):
    path = find_last_checkpoint(trained.model_dir)
    assert read_attributes(path)["architecture"] == NAME
    again = architectures.load(path, str(tmp_path), mode="training")
    assert type(again).__name__ == "TinySemantic" and again.epoch == 12
    assert again.class_names == ["BG", "red", "green", "blue"]
    for a, b in zip(weights_of(trained), weights_of(again), strict=True):
        np.testing.assert_array_equal(a, b)
    (ours,), (theirs,) = (m.label([Squares().load(1, seed=5).load_image(0)]) for m in (trained, again))
    np.testing.assert_array_equal(ours["probabilities"], theirs["probabilities"])


def test_resuming_gives_what_an_unbroken_run_gives(tmp_path):
    data = Squares().load(8)
    whole = model_in(tmp_path / "whole")
    start = weights_of(whole)
    whole.train(data, None, 0.01, 3, "all")
    first = model_in(tmp_path / "broken")
    first.train(data, None, 0.01, 3, "all", custom_callbacks=[
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(first.training_model, "stop_training",
                                                                               epoch == 0))])
    resumed = architectures.load(find_last_checkpoint(str(tmp_path / "broken")), mode="training")
    assert resumed.epoch == 1
    resumed.train(data, None, 0.01, 3, "all")
    moved = max(abs(a - b).max() for a, b in zip(weights_of(whole), start, strict=True))
    apart = max(abs(a - b).max() for a, b in zip(weights_of(whole), weights_of(resumed), strict=True))
    assert apart < 1e-5 < moved / 50


def test_stages_go_by_the_layout_of_the_network(tmp_path):
    model = model_in(tmp_path)
    heads = ["label_enlarged", "label_logits"]
    assert model.set_trainable("heads") == heads
    assert model.set_trainable("3+") == heads  # the backbone's layers are of stages 1 and 2
    assert model.set_trainable("res2.*") == ["res2a"]
    assert len(model.set_trainable("all")) == 4


def test_it_finds_no_objects_and_says_so(trained):
    assert not hasattr(trained, "detect") and not hasattr(TinySemantic, "detect")
    with pytest.raises(AttributeError, match=r"TinySemantic .*finds no objects: call label\(images\)"):
        trained.detect([])
    with pytest.raises(AttributeError, match="has no attribute 'fly'"):
        trained.fly()


def test_checkpoints_of_the_other_kind_are_refused_by_name(trained, tmp_path):
    from mrcnn.model import MaskRCNN

    path = find_last_checkpoint(trained.model_dir)
    with pytest.raises(CheckpointError, match="TinySemantic.*: load it by mrcnn.architectures.load"):
        MaskRCNN.from_checkpoint(path)
    objects = MaskRCNN("training", TinyConfig(), str(tmp_path))
    objects.save_weights(str(tmp_path / "objects.h5"))
    with pytest.raises(CheckpointError, match="mask-rcnn, not of .*TinySemantic"):
        TinySemantic.from_checkpoint(str(tmp_path / "objects.h5"))
    with pytest.raises(CheckpointError, match="mask-rcnn, this network is .*TinySemantic.*by_name=True"):
        trained.take_weights(str(tmp_path / "objects.h5"))
    with pytest.raises(CheckpointError, match="x.pth holds PyTorch's weights"):
        TinySemantic.from_checkpoint("x.pth")


def test_settings_that_it_would_pass_over_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="NUM_CLASSES=300: a label map holds 255"):
        model_in(tmp_path, NUM_CLASSES=300)
    with pytest.raises(ConfigError, match="Unknown setting 'CLASS_LOSS'"):
        model_in(tmp_path, CLASS_LOSS="seesaw")
    with pytest.raises(ConfigError, match="TinyConfig .*Mask R-CNN: .* of tiny_semantic.TinySettings"):
        TinySemantic("training", TinyConfig(), str(tmp_path))


def test_photos_of_many_sizes_train(tmp_path):
    model = model_in(tmp_path, IMAGE_RESIZE_MODE="pad64", IMAGES_PER_GPU=2, IMAGE_MIN_DIM=None,
                     PRECISION="mixed_bfloat16")
    data = Squares()
    for part, size in enumerate(((128, 128), (64, 128), (64, 64))):
        data.load(1, seed=part, size=size)
    model.train(data, data, 0.01, 2, "all")
    assert np.isfinite(model.history.history["val_loss"]).all()
