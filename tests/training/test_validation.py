"""AP during training: what is logged, which checkpoint is kept, and when training stops."""

import csv
import json
import math
import os
import warnings
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest
from tiny import Squares, TinyConfig

from mrcnn.architectures.instances import InstanceSegmenter
from mrcnn.data.label_samples import LabelSamples
from mrcnn.errors import DataError
from mrcnn.evaluation import coco
from mrcnn.model import MaskRCNN
from mrcnn.training.runs import find_last_checkpoint
from mrcnn.training.validation import (
    Figures,
    KeepBest,
    PartLoss,
    StopEarly,
    photos_note,
    read_best,
    validation_callbacks,
    values_before,
    warn_without_objects,
)

pytestmark = pytest.mark.usefixtures("eagerly")

NAMES = [f"val_{kind}_{name}" for kind in ("segm", "bbox") for name in ("AP", "AP50", "AP75")]


def rows_of(model):
    with open(os.path.join(model.log_dir, "history.csv"), newline="") as file:
        return list(csv.DictReader(file))


# --- In a training ---------------------------------------------------------------------------------------------------


EPOCHS, RATE = 3, 0.01


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(model, its history, what each measurement detected) of three epochs, of which the second and the last are
    measured, on two of three validation photos and on two test photos."""
    model = MaskRCNN("training", TinyConfig(DETECTION_MIN_CONFIDENCE=0.9), str(tmp_path_factory.mktemp("logs")))
    detect, measured = model.detect, []
    model.detect = lambda images, **options: measured.append(detect(images, **options)) or measured[-1]
    val, test = Squares().load(3, seed=1), Squares().load(2, seed=5)
    callbacks = validation_callbacks(model, val, every=2, limit=2, keep_best="segm_AP", test=test)
    history = model.train(Squares().load(2), None, RATE, EPOCHS, "all", custom_callbacks=callbacks)
    return model, history.history, measured


@pytest.mark.slow
def test_average_precision_is_logged_where_it_was_measured(trained):
    model, history, measured = trained
    assert [len(batch) for batch in measured] == [2] * 4  # two validation and two test photos, twice
    rows, val = rows_of(model), Squares().load(3, seed=1)
    results = [r for i in range(2) for r in coco.results_from_detections(val, i, measured[2][i])]
    truth = coco.ground_truth_from_dataset(val, [0, 1])
    for kind in ("segm", "bbox"):
        expected = coco.coco_average_precision(truth, results, kind)
        for name in ("AP", "AP50", "AP75"):
            values = history[f"val_{kind}_{name}"]
            assert [math.isnan(value) for value in values] == [True, False, False]
            assert values[2] == expected[name]
            assert rows[0][f"val_{kind}_{name}"] == "nan" and float(rows[2][f"val_{kind}_{name}"]) == values[2]


@pytest.mark.slow
def test_the_threshold_is_lowered_for_the_measurement_alone(trained):
    model, _, measured = trained
    scores = np.concatenate([result["scores"] for batch in measured for result in batch])
    assert 0.05 <= scores.min() < 0.9
    assert all((result["scores"] >= 0.9).all() for result in model.detect([Squares().load(1).load_image(0)]))


@pytest.mark.slow
def test_tensorboard_has_them_too(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model, history, _ = trained
    events = EventAccumulator(os.path.join(model.log_dir, "validation"), size_guidance={"tensors": 0})
    events.Reload()
    assert {"epoch_segm_AP", "epoch_bbox_AP50"} <= set(events.Tags()["tensors"])
    values = [np.frombuffer(event.tensor_proto.tensor_content, np.float32) for event in events.Tensors("epoch_segm_AP")]
    assert len(values) == 3


@pytest.mark.slow
def test_the_best_checkpoint_is_kept_beside_the_last(trained):
    model, history, _ = trained
    best = read_best(model.log_dir)
    assert best["epoch"] == int(np.nanargmax(history["val_segm_AP"])) + 1
    assert best["value"] == np.nanmax(history["val_segm_AP"]) and best["monitor"] == "val_segm_AP"
    path = os.path.join(model.log_dir, best["weights"])
    with h5py.File(path) as file, h5py.File(model.checkpoint_path.format(epoch=best["epoch"])) as same:
        assert file.attrs["mrcnn_epoch"] == same.attrs["mrcnn_epoch"] == best["epoch"]
        name = same.attrs["layer_names"][0]
        for weight in same[name].attrs["weight_names"]:
            np.testing.assert_array_equal(file[name][weight][()], same[name][weight][()])
        assert json.loads(file.attrs["mrcnn_class_names"]) == ["BG", "red", "green", "blue"]
    assert find_last_checkpoint(model.model_dir).endswith("_0003.h5")


# --- One by one, with epochs made up ---------------------------------------------------------------------------------


class Run:
    """What KeepBest sees of a Segmenter: it notes what is saved."""

    def __init__(self, folder):
        self.log_dir, self.saved = str(folder), []
        self.checkpoint_path = os.path.join(self.log_dir, "mask_rcnn_run_{epoch:04d}.h5")

    def save_weights(self, path):
        self.saved.append(os.path.basename(path))
        open(path, "w").close()


def epochs(callback, name, values, first=0):
    callback.on_train_begin()
    for epoch, value in enumerate(values, first):
        callback.on_epoch_end(epoch, {name: value})


def test_only_a_better_value_is_kept(tmp_path):
    run = Run(tmp_path)
    epochs(KeepBest(run, "val_segm_AP"), "val_segm_AP", [math.nan, 0.2, 0.2, math.nan, 0.1, 0.3, 0.25])
    assert run.saved == ["mask_rcnn_run_best.h5"] * 2  # 0.2 and 0.3
    assert read_best(tmp_path) == {"monitor": "val_segm_AP", "value": 0.3, "epoch": 6,
                                   "weights": "mask_rcnn_run_best.h5"}
    run = Run(tmp_path)
    epochs(KeepBest(run, "val_loss"), "val_loss", [3.0, 2.0, 2.5])  # of another figure: begins anew, less is better
    assert len(run.saved) == 2 and read_best(tmp_path)["epoch"] == 2


def test_a_resumed_run_remembers_the_best(tmp_path):
    epochs(KeepBest(Run(tmp_path)), "val_segm_AP", [0.1, 0.4])
    run = Run(tmp_path)
    epochs(KeepBest(run), "val_segm_AP", [0.3, 0.4], first=2)
    assert run.saved == [] and read_best(tmp_path)["epoch"] == 2
    epochs(KeepBest(run), "val_segm_AP", [0.5], first=4)
    assert len(run.saved) == 1 and read_best(tmp_path)["epoch"] == 5
    os.remove(tmp_path / "mask_rcnn_run_best.h5")  # what is gone is no measure
    epochs(KeepBest(run), "val_segm_AP", [0.2], first=5)
    assert len(run.saved) == 2


def note_of(*names):
    dataset = SimpleNamespace(sample_name=names.__getitem__)
    return lambda: photos_note(dataset, range(len(names)))


def test_values_of_other_photos_are_not_compared(tmp_path, capsys):
    epochs(KeepBest(Run(tmp_path), photos=note_of("a", "b")), "val_segm_AP", [0.4])
    run = Run(tmp_path)
    epochs(KeepBest(run, photos=note_of("a", "b")), "val_segm_AP", [0.3], first=1)
    assert run.saved == [] and capsys.readouterr().out == ""
    epochs(KeepBest(run, photos=note_of("a", "c", "d")), "val_segm_AP", [0.2], first=2)
    assert len(run.saved) == 1 and read_best(tmp_path)["value"] == 0.2
    told = capsys.readouterr().out
    assert "best.json is of 2 validation photos, others than the 3 of now" in told and "chosen anew" in told
    # Of an earlier version, which did not note them: compared as ever.
    best = read_best(tmp_path)
    del best["photos"]
    (tmp_path / "best.json").write_text(json.dumps(best))
    epochs(KeepBest(run, photos=note_of("e")), "val_segm_AP", [0.1], first=3)
    assert len(run.saved) == 1


def test_a_figure_without_a_value_in_any_epoch_is_told_at_the_end(tmp_path, capsys):
    both = KeepBest(Run(tmp_path), "val_segm_AP"), StopEarly(monitor="val_segm_AP", patience=1)
    for callback in both:
        epochs(callback, "val_segm_AP", [math.nan, math.nan])
        callback.on_train_end()
    best, stop = capsys.readouterr().out.splitlines()
    assert best.startswith("--keep-best: val_segm_AP was NaN in all 2 epochs, so no checkpoint")
    assert stop.startswith("--patience: val_segm_AP was NaN in all 2 epochs") and "--evaluate-limit" in stop
    for callback in both:  # another stage
        callback.set_model(SimpleNamespace())
        epochs(callback, "val_segm_AP", [math.nan, 0.1])
        callback.on_train_end()
    assert capsys.readouterr().out == ""


def test_a_best_checkpoint_of_a_figure_that_stayed_0_is_told(tmp_path, capsys):
    run = Run(tmp_path)
    for first, values, told in ((0, [math.nan, 0.0, 0.0], True), (3, [0.0], True), (4, [0.0, 0.1], False)):
        callback = KeepBest(run, "val_segm_AP")
        epochs(callback, "val_segm_AP", values, first)
        callback.on_train_end()
        kept = "--keep-best: val_segm_AP stayed 0, so its first epoch is kept: train longer, or choose by loss.\n"
        assert capsys.readouterr().out == (kept if told else "")
    loss = KeepBest(Run(tmp_path / "loss"), "val_loss")
    loss.best, loss.seen = 0.0, [0.0]  # of which less is better
    loss.on_train_end()
    assert capsys.readouterr().out == ""


class Counted(Squares):
    """Photos of so many squares each."""

    def __init__(self, *objects):
        super().__init__()
        self.objects = objects

    def object_classes(self, image_id):
        return np.ones(self.objects[image_id], int)


def test_photos_to_be_measured_without_an_object_are_told_once():
    first = Figures(object(), Counted(0, 0, 1).load(3), limit=2)
    with pytest.warns(UserWarning, match="The first 2 of 3 validation photos have no object.*raise --evaluate-limit"):
        first.on_train_begin()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first.on_train_begin()  # the next stage
        Figures(object(), Counted(0, 0, 1).load(3)).on_train_begin()
    with pytest.warns(UserWarning, match="All 2 test photos have no object.*give photos with objects"):
        warn_without_objects(Counted(0, 0).load(2), part="test")


def test_networks_of_label_maps_are_measured_on_pixels_not_on_objects():
    network, dataset = SimpleNamespace(samples=LabelSamples), Counted(0, 0).load(2)
    dataset.label_map = lambda image_id: np.array([[0, 1]], np.uint8)  # of parts too small to be objects
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Figures(network, dataset).on_train_begin()
    dataset.label_map = lambda image_id: np.array([[0, 255]], np.uint8)
    with pytest.warns(UserWarning, match="All 2 validation photos have no labelled pixel, so .* object_IoU"):
        Figures(network, dataset).on_train_begin()


def test_a_figure_that_is_not_logged_is_said(tmp_path):
    with pytest.warns(UserWarning, match="val_segm_AP is not among loss"):
        KeepBest(Run(tmp_path)).on_epoch_end(0, {"loss": 1.0})


@pytest.mark.parametrize("text", ["{", "[]", '{"value": 1}', '{"monitor": "a", "value": null, "epoch": 1}', "[" * 10**5,
                                  '{"monitor": "a", "value": 1, "epoch": 1e999, "weights": "a"}'])
def test_a_broken_note_is_named(tmp_path, text):
    (tmp_path / "best.json").write_text(text)
    with pytest.raises(DataError, match="best.json does not say"):
        read_best(tmp_path)


def last_epoch(callback, name, values):
    """The epoch after which a callback stops a Keras model, of made up values."""
    model = keras.Sequential([keras.layers.Dense(1)])
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {name: value})
        if model.stop_training:
            return epoch + 1
    return None


def test_early_stopping_on_the_logged_names():
    keras_own = keras.callbacks.EarlyStopping("val_segm_AP", mode="max", patience=2)
    assert last_epoch(keras_own, "val_segm_AP", [0.1, 0.3, 0.2, 0.3, 0.9]) == 4
    nothing = math.nan
    stop = StopEarly(monitor="val_segm_AP", mode="max", patience=2)
    # Better at 0.3; then 0.2 and 0.1 are two measurements without gain, whatever lies between.
    assert last_epoch(stop, "val_segm_AP", [nothing, 0.1, nothing, 0.3, nothing, 0.2, nothing, 0.1]) == 8
    stop = StopEarly(monitor="val_loss", mode="min", patience=1)
    assert last_epoch(stop, "val_loss", [3.0, 2.0, 1.0, 1.5]) == 4


def test_what_patience_takes_from_a_stage_is_told(capsys):
    stop = StopEarly(monitor="val_segm_AP", patience=2)
    stop.set_params({"epochs": 5})
    assert last_epoch(stop, "val_segm_AP", [0.25, 0.2, math.nan, 0.125]) == 4
    assert capsys.readouterr().out == (
        "\n--patience 2: val_segm_AP has not risen above 0.25 for 2 measurements: the stage ends after epoch 4 of 5, "
        "and its other 1 epochs fall away.\n")
    stop = StopEarly(monitor="val_loss", patience=1)
    stop.set_params({"epochs": 3})
    assert last_epoch(stop, "val_loss", [2.0, 3.0]) == 2
    assert "val_loss has not fallen below 2 for 1 measurements" in capsys.readouterr().out
    assert last_epoch(stop, "val_loss", [2.0, 1.0, 3.0]) == 3 and capsys.readouterr().out == ""  # its last anyway


def test_a_resumed_stage_remembers_its_measurements(tmp_path):
    run = Run(tmp_path)
    run.epoch, run.stage = 5, {"first_epoch": 1}
    with open(tmp_path / "history.csv", "w") as file:  # epoch 0 is of another stage, epoch 5 is done again
        file.write("epoch,val_segm_AP\n0,0.9\n1,0.1\n2,0.3\n3,nan\n4,0.2\n5,0.1\n")
    stop = StopEarly(run, monitor="val_segm_AP", mode="max", patience=2)
    assert not stop.is_over()
    assert last_epoch(stop, "val_segm_AP", [math.nan, 0.25]) == 2  # the second measurement without more than 0.3
    assert last_epoch(stop, "val_segm_AP", [0.4, 0.3]) is None
    run.epoch = 6
    assert stop.is_over()
    run.stage = None  # of a new run
    assert not stop.is_over() and last_epoch(stop, "val_segm_AP", [math.nan, 0.25]) is None


def test_measurements_on_other_photos_are_no_measure_for_early_stopping(tmp_path, capsys):
    run = Run(tmp_path)
    run.epoch, run.stage = 1, {"first_epoch": 0}
    (tmp_path / "history.csv").write_text("epoch,val_loss\n0,1.0\n1,2.0\n2,3.0\n3,4.0\n")

    def stop(*names):
        return StopEarly(run, note_of(*names), monitor="val_loss", patience=2)

    assert last_epoch(stop("a"), "val_loss", [2.0, 3.0]) == 2
    run.epoch = 3
    assert stop("a").is_over() and not stop("b").is_over() and capsys.readouterr().out == ""
    assert last_epoch(stop("b"), "val_loss", [9.0, 8.0]) is None
    assert "val_loss is of 1 validation photos now, others than the 1 before: --patience counts anew from epoch 4" in (
        capsys.readouterr().out)
    run.epoch = 4  # resumed again: epoch 3 alone was measured on the same photos
    assert values_before(run, "val_loss", note_of("b")()) == [4.0] and capsys.readouterr().out == ""


def test_a_resumed_stage_knows_without_a_mode_that_less_loss_is_better(tmp_path):
    run = Run(tmp_path)
    run.epoch, run.stage = 3, {"first_epoch": 0}
    (tmp_path / "history.csv").write_text("epoch,val_loss\n0,3.0\n1,2.0\n2,1.0\n")
    assert not StopEarly(run, monitor="val_loss", patience=1).is_over()


def test_the_options_of_a_command():
    def names(**options):
        callbacks = validation_callbacks(InstanceSegmenter, object(), **options)
        return [(type(callback).__name__, getattr(callback, "monitor", None)) for callback in callbacks]

    assert names() == []
    for words in ({"limit": 5}, {"limit": 5, "patience": 2}, {"limit": 5, "keep_best": "loss"}):
        with pytest.warns(UserWarning, match="--evaluate-limit 5 is of no effect.*--evaluate-every N"):
            names(**words)
    assert names(limit=5, keep_best="segm_AP")[0] == ("Figures", None)
    assert names(every=3) == [("Figures", None)]
    assert names(keep_best="loss", patience=2) == [("KeepBest", "val_loss"), ("StopEarly", "val_loss")]
    assert names(keep_best="bbox_AP") == [("Figures", None), ("KeepBest", "val_bbox_AP")]
    assert names(every=2, patience=2) == [("Figures", None), ("StopEarly", "val_segm_AP")]
    assert names(test=object()) == [("Figures", None), ("PartLoss", None), ("Figures", None)]
    assert names(test=object(), keep_best="loss")[-1] == ("KeepBest", "val_loss")
    assert names(test=object(), patience=2)[-1] == ("StopEarly", "val_loss")  # as without test photos
    parts = [c.part for c in validation_callbacks(InstanceSegmenter, object(), test=object()) if isinstance(c, Figures)]
    assert parts == ["val", "test"]
    assert [c.every for c in validation_callbacks(InstanceSegmenter, object(), keep_best="segm_AP")[:1]] == [1]
    assert names(keep_best="segm_IoU")[-1] == ("KeepBest", "val_segm_IoU")
    with pytest.raises(DataError, match="'AP': take one of segm_AP, .*bbox_AP, .*loss"):
        names(keep_best="AP")
    with pytest.raises(DataError, match="need a validation set"):
        validation_callbacks(InstanceSegmenter, None, every=1)
    assert validation_callbacks(InstanceSegmenter, None) == []


def test_what_has_to_come_before_the_checkpoint_is_marked():
    assert Figures.measures and PartLoss.measures and KeepBest.measures


# --- The test set ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_test_losses_and_ap_are_in_every_row(trained):
    model, _, measured = trained
    rows, test = rows_of(model), Squares().load(2, seed=5)
    assert len(rows) == EPOCHS
    for row in rows:
        parts = [float(row[name]) for name in row if name.startswith(("test_rpn_", "test_mrcnn_"))]
        assert len(parts) == 5 and float(row["test_loss"]) == pytest.approx(sum(parts), rel=1e-4)
    results = [r for i in range(2) for r in coco.results_from_detections(test, i, measured[3][i])]
    expected = coco.coco_average_precision(coco.ground_truth_from_dataset(test), results, "segm")
    assert rows[0]["test_segm_AP"] == "nan" and float(rows[2]["test_segm_AP"]) == expected["AP"]
    assert 0 <= float(rows[2]["test_segm_IoU"]) <= 1
    # Regions are drawn at random and the draw goes on with every look at a batch, so only about the same again.
    again = model.losses_on(test)["loss"]
    assert again == pytest.approx(float(rows[2]["test_loss"]), rel=1e-3)


@pytest.mark.slow
def test_measuring_changes_nothing(trained, tmp_path):
    model = MaskRCNN("training", TinyConfig(), str(tmp_path))
    model.train(Squares().load(2), None, RATE, EPOCHS, "all")
    for name in ("loss", "mrcnn_mask_loss"):
        assert [float(row[name]) for row in rows_of(model)] == pytest.approx(
            [float(row[name]) for row in rows_of(trained[0])], rel=1e-3)


@pytest.mark.slow
def test_curves_are_drawn_while_training(trained):
    assert {"curves.png", "stages.json"} <= set(os.listdir(trained[0].log_dir))
    assert not [name for name in os.listdir(trained[0].log_dir) if name.endswith(".partial")]
