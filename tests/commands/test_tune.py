"""The command `tune`: studies that go on, and a search as a user runs it."""

import csv
import json
import os
import shlex
import shutil
import sys

import h5py
import pytest
from optuna.trial import TrialState

from mrcnn.commands import main as fashion
from mrcnn.commands import tune as fashion_tune
from mrcnn.commands.settings import overrides_of
from mrcnn.commands.tune import Search, open_study, run_study
from mrcnn.errors import DataError, UsageError
from tests.tiny import TinyConfig

pytestmark = pytest.mark.usefixtures("eagerly")

RATE = Search("LEARNING_RATE", 1e-4, 1e-2, True)


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# --- Studies, with trainings made up ---------------------------------------------------------------------------------


def objective(values, report):
    """AP is best at a rate of 1e-3, of any batch size; it climbs over three epochs."""
    import math

    value = 1 - abs(math.log10(values["LEARNING_RATE"]) + 3) / 2
    for epoch in range(3):
        report(value * (epoch + 1) / 3, epoch)
    return value, {"threshold": 0.4, "F1": 0.5}


def test_a_study_finds_the_best_and_writes_every_trial(tmp_path, capsys):
    search = [RATE, Search("MASK_SHAPE", choices=("[28,28]", "[56,56]"))]
    seen = []

    def noting(values, report):
        seen.append(values["MASK_SHAPE"])
        return objective(values, report)

    study = open_study(str(tmp_path), "a", search, {"data": "x"})
    run_study(study, search, 12, noting, str(tmp_path / "tune.csv"))
    assert all(shape in ([28, 28], [56, 56]) for shape in seen)
    rows = rows_of(tmp_path / "tune.csv")
    assert len(rows) == 12 and {row["state"] for row in rows} == {"complete", "pruned"}  # bad ones ended early
    complete = [row for row in rows if row["mask AP"]]
    best = max(complete, key=lambda row: float(row["mask AP"]))
    assert study.best_params["LEARNING_RATE"] == float(best["LEARNING_RATE"])
    assert 3e-4 < study.best_params["LEARNING_RATE"] < 3e-3
    assert "below the median" in capsys.readouterr().out


def test_a_study_goes_on_and_repeats_what_was_broken_off(tmp_path):
    study = open_study(str(tmp_path), "a", [RATE], {})
    begun = []

    def killed(values, report):
        begun.append(values)
        if len(begun) == 3:
            raise KeyboardInterrupt  # what a kill leaves too: a trial that is said to be running
        return objective(values, report)

    with pytest.raises(KeyboardInterrupt):
        run_study(study, [RATE], 6, killed)
    rest = []

    def noting(values, report):
        rest.append(values)
        return objective(values, report)

    again = open_study(str(tmp_path), "a", [RATE], {})
    run_study(again, [RATE], 6, noting, str(tmp_path / "tune.csv"))
    assert rest[0] == begun[2] and len(rest) == 4  # two of six were done
    assert not [values for values in rest[1:] if values in begun]  # not the same draws again
    states = [row["state"] for row in rows_of(tmp_path / "tune.csv")]
    assert states.count("fail") == 1 and len(states) == 7
    run_study(again, [RATE], 6, None)  # nothing left to do


def test_a_loss_that_is_not_finite_ends_a_trial_alone(tmp_path):
    study = open_study(str(tmp_path), "a", [RATE], {})
    run_study(study, [RATE], 2, lambda values, report: (_ for _ in ()).throw(ArithmeticError("became NaN")),
              str(tmp_path / "tune.csv"))
    assert [row["ended"] for row in rows_of(tmp_path / "tune.csv")] == ["became NaN"] * 2


def test_another_search_needs_another_name(tmp_path):
    open_study(str(tmp_path), "a", [RATE], {"data": "x"})
    with pytest.raises(UsageError, match="'a' with another search: .*--study NAME"):
        open_study(str(tmp_path), "a", [RATE._replace(high=1.0)], {"data": "x"})
    with pytest.raises(UsageError, match="another data"):
        open_study(str(tmp_path), "a", [RATE], {"data": "y"})
    open_study(str(tmp_path), "b", [RATE._replace(high=1.0)], {"data": "y"})


def test_optuna_is_named_where_it_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert fashion.main(["tune", "--logs", str(tmp_path)]) == 2
    assert "tune needs Optuna: pip install optuna" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, message", [
    (["--weights", "last"], "starts each trial anew"),
    (["--search", "LEARNING_RATE=1"], "--search LEARNING_RATE=1"),
    (["--trials", "0"], "0 is less than 1"),
    (["--search", "DETECTION_MIN_CONFIDENCE=0.2,0.9"], "so that the trials would not differ"),
    (["--search", "POINT_HEAD_CHANNELS=64,128"], "MASK_HEAD is conv; leave it out, or set MASK_HEAD=points"),
])
def test_bad_usage_is_one_line(capsys, tmp_path, arguments, message):
    assert fashion.main(["tune", "--logs", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error
    assert os.listdir(tmp_path) == []


def test_what_is_searched_are_settings_of_the_network(capsys, tmp_path):
    """The first is U-Net's alone, the second is of Mask R-CNN: each trial would be the same."""
    assert fashion.main(["tune", "--logs", str(tmp_path), "--architecture", "unet", "--search",
                         "BACKGROUND_WEIGHT=0.1:1", "--search", "MASK_SHAPE=[28,28],[56,56]"]) == 2
    assert "Unknown setting 'MASK_SHAPE'" in capsys.readouterr().err


@pytest.fixture
def checkpoint(tmp_path):
    """A file of ours, trained with batches of three by a point head."""
    path = tmp_path / "own.h5"
    with h5py.File(path, "w") as file:
        file.attrs["mrcnn_architecture"] = "mask-rcnn"
        file.attrs["mrcnn_config"] = json.dumps(TinyConfig(IMAGES_PER_GPU=3, MASK_HEAD="points").to_dict())
    return str(path)


def looked_at(words, tmp_path, monkeypatch, capsys):
    """What is told of a search before its data is read; "" of one that can begin."""

    def reached(options):
        raise UsageError("reached")

    monkeypatch.setattr(fashion_tune, "training_data", reached)
    (tmp_path / "recipe.txt").write_text("--architecture unet --image-size 128 --set UNET_CHANNELS=8")
    (tmp_path / "s.json").write_text("{}")
    photos = ["--annotations", "a.json", "--split", str(tmp_path / "s.json"), "--logs", str(tmp_path / "logs")]
    assert fashion.main(["tune", *photos, *words]) == 2
    return capsys.readouterr().err.replace("error: reached\n", "")


@pytest.mark.parametrize("words", [
    "--preset deeplabv3-fashion", "--preset {}/recipe.txt", "--architecture unet --image-size 256",
    "--architecture yolact --image-size 256", "--weights coco,imagenet --image-size 256",
    "--weights {}/own.h5 --batch-size 4", "--weights {}/own.h5 --search BATCH_SIZE=2,4",
    "--weights {}/own.h5 --set IMAGES_PER_GPU=2", "--weights {}/own.h5 --search POINT_HEAD_CHANNELS=64,128",
    "--weights {}/own.h5 --architecture unet --image-size 128 --batch-size 4"])
def test_a_search_takes_what_a_training_takes(words, checkpoint, tmp_path, monkeypatch, capsys):
    assert looked_at(words.format(tmp_path).split(), tmp_path, monkeypatch, capsys) == ""


@pytest.mark.parametrize("words, told", [
    ("--weights {}/own.h5 --search IMAGES_PER_GPU=2,4 --batch-size 4", "two batch sizes"),
    ("--architecture unet --image-size 256 --set RPN_ANCHOR_SCALES=[8,16,32,64,128]", "'RPN_ANCHOR_SCALES'"),
    ("--weights {}/own.h5 --set MASK_HEAD=conv --search POINT_HEAD_CHANNELS=64,128", "MASK_HEAD is conv"),
    ("--weights {}/gone.h5", "gone.h5 does not exist")])
def test_a_search_refuses_what_a_training_refuses(words, told, checkpoint, tmp_path, monkeypatch, capsys):
    assert told in looked_at(words.format(tmp_path).split(), tmp_path, monkeypatch, capsys)


class Trial:
    """A study with one trial that is done."""

    user_attrs, value, number, params = {}, 0.3, 0, {"LEARNING_RATE": 1e-3}
    best_value = value

    def __init__(self, **params):
        self.params, self.best_trial = {**self.params, **params}, self

    def get_trials(self, **_):
        return [self]


def printed(capsys, arguments, study=None, search=(RATE,)):
    """The options of the command that a search of these arguments prints."""
    options = fashion.build_parser().parse_args(["tune", *arguments])
    overrides = overrides_of(options)
    if options.steps:
        overrides["STEPS_PER_EPOCH"] = options.steps
    fashion_tune.report_best(options, study or Trial(), search, overrides, "all:3:1e-3")
    (command,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mrcnn train")]
    return fashion.build_parser().parse_args(shlex.split(command)[1:])


def test_the_command_that_is_printed_is_the_training_that_was_measured(capsys):
    train = printed(capsys, ["--annotations", "a.json", "--split", "s.json", "--attributes", "--weights", "imagenet",
                             "--logs", "my logs", "--steps", "7", "--set", "STEPS_PER_EPOCH=200"])
    assert train.attributes and train.logs == "my logs" and train.set == ["STEPS_PER_EPOCH=200"]
    assert not printed(capsys, ["--steps", "7"]).set and not printed(capsys, ["--steps", "7"]).attributes
    # A number that was searched, whatever --steps says; and nothing that the network does not know.
    steps = Search("STEPS_PER_EPOCH", 5, 9)
    searched = printed(capsys, ["--steps", "7"], Trial(STEPS_PER_EPOCH=8), (RATE, steps))
    assert searched.set == ["STEPS_PER_EPOCH=8"]
    unet = printed(capsys, ["--architecture", "unet", "--image-size", "64"])
    assert sorted(unet.set) == ["IMAGE_MAX_DIM=64", "IMAGE_MIN_DIM=64"]


def test_a_rate_that_was_one_of_a_few_is_that_of_the_stages(capsys):
    """Optuna gives a choice back as the text that it was."""
    rates = Search("LEARNING_RATE", choices=("1e-3", "3e-3"))
    assert printed(capsys, [], Trial(LEARNING_RATE="3e-3"), (rates,)).stages == "all:3:0.003"


def test_attributes_make_it_another_search(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fashion_tune, "training_data", lambda options: (None, None))
    monkeypatch.setattr(fashion_tune, "run_study", lambda *_: None)
    photos = ["tune", "--logs", str(tmp_path), "--annotations", "a", "--split", str(tmp_path / "s.json")]
    (tmp_path / "s.json").write_text("{}")
    assert fashion.main(photos) == 0
    assert fashion.main([*photos, "--attributes"]) == 2
    assert "with another attributes" in capsys.readouterr().err


def test_a_search_has_the_name_of_its_runs():
    for words, name in (([], "fashion"), (["--set", "NAME=Shop"], "shop"), (["--study", "b", "--set", "NAME=a"], "b")):
        assert fashion_tune.study_of(fashion.build_parser().parse_args(["tune", *words])) == name


def test_only_the_best_trial_keeps_its_weights(tmp_path):
    study = open_study(str(tmp_path), "a", [RATE], {})
    folders = [tmp_path / f"run{i}" for i in range(3)]
    for folder in folders:
        folder.mkdir()
        (folder / "mask_rcnn_0001.h5").touch()
        (folder / "history.csv").touch()
    values = iter([0.1, 0.3, 0.2])
    runs = iter(folders)
    run_study(study, [RATE], 3, lambda *_: (next(values), {"run": str(next(runs))}))
    fashion_tune.remove_weights(study, str(tmp_path))
    assert [len(os.listdir(folder)) for folder in folders] == [1, 2, 1]


def begun_run(logs, study, run, figures, whole=True):
    """A trial with its weights and those figures; ended early unless it is whole."""
    trial = study.ask()
    RATE.suggest(trial)
    os.makedirs(os.path.join(logs, "tune_a", run))
    open(os.path.join(logs, "tune_a", run, "mask_rcnn_0001.h5"), "w").close()
    fashion_tune.Report(trial).note(os.path.join(logs, "tune_a", run))
    for epoch, figure in enumerate(figures):
        trial.report(figure, epoch)
    study.tell(trial, figures[-1] if whole else None, state=None if whole else TrialState.PRUNED)


def weights_in(folder):
    return {run for run in os.listdir(folder) if any(name.endswith(".h5") for name in os.listdir(folder / run))}


def test_a_trial_that_was_ended_early_is_not_the_best(tmp_path, monkeypatch, capsys):
    """Its value is that of its last epoch, which may be the highest of all."""
    study = open_study(str(tmp_path), "a", [RATE], {})
    begun_run(str(tmp_path), study, "whole", [0.2, 0.3])
    begun_run(str(tmp_path), study, "ended", [0.4], whole=False)
    fashion_tune.remove_weights(study, str(tmp_path / "tune_a"))
    assert weights_in(tmp_path / "tune_a") == {"whole"}
    fashion_tune.write_table(study, [RATE], str(tmp_path / "tune.csv"))
    assert [row["mask AP"] for row in rows_of(tmp_path / "tune.csv")] == ["0.3", ""]
    fashion_tune.report_best(fashion.build_parser().parse_args(["tune"]), study, [RATE], {}, "all:3:1e-3")
    assert "Best of 1 whole trials: mask AP 0.3000 (trial 0)" in capsys.readouterr().out


def test_trials_ended_early_are_no_result(tmp_path, capsys):
    study = open_study(str(tmp_path), "a", [RATE], {})
    begun_run(str(tmp_path), study, "ended", [0.4], whole=False)
    fashion_tune.report_best(None, study, [RATE], {}, "all:3:1e-3")
    assert "No trial came to its end" in capsys.readouterr().out


def test_the_best_weights_stay_where_the_logs_are_called_otherwise(tmp_path, monkeypatch):
    """The runs were noted by paths from the folder of then; a search goes on from others, and with moved logs."""
    (tmp_path / "then").mkdir()
    monkeypatch.chdir(tmp_path / "then")
    study = open_study("logs", "a", [RATE], {})
    for run, figure in (("first", 0.1), ("best", 0.3), ("last", 0.2)):
        begun_run("logs", study, run, [figure])
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tmp_path / "then" / "logs", tmp_path / "moved")
    for logs in (os.path.join("then", "logs"), "moved"):
        study = open_study(logs, "a", [RATE], {})
        fashion_tune.remove_weights(study, os.path.join(logs, "tune_a"))
        assert weights_in(tmp_path / logs / "tune_a") == {"best"}


def test_nothing_is_removed_where_the_best_run_is_not_found_or_runs_are_anothers(tmp_path):
    study = open_study(str(tmp_path), "a", [RATE], {})
    (tmp_path / "tune_a" / "before").mkdir(parents=True)  # of a study whose database was moved away
    (tmp_path / "tune_a" / "before" / "mask_rcnn_0001.h5").touch()
    begun_run(str(tmp_path), study, "ended", [0.1], whole=False)
    fashion_tune.remove_weights(study, str(tmp_path / "tune_a"))
    assert weights_in(tmp_path / "tune_a") == {"before"}
    for run, figure in (("best", 0.3), ("other", 0.2)):
        begun_run(str(tmp_path), study, run, [figure])
    (tmp_path / "tune_a" / "best").rename(tmp_path / "tune_a" / "renamed")
    with pytest.warns(UserWarning, match="tune_a: the run folder best of the best trial 1 is not in .*move it back"):
        fashion_tune.remove_weights(study, str(tmp_path / "tune_a"))
    assert weights_in(tmp_path / "tune_a") == {"before", "renamed", "other"}


def test_a_trial_notes_its_run_even_if_it_is_ended_early(tmp_path):
    study = open_study(str(tmp_path), "a", [RATE], {})

    def ended(values, report):
        report.note("logs/tune_a/run1")
        raise ArithmeticError("became NaN")

    run_study(study, [RATE], 1, ended, str(tmp_path / "tune.csv"))
    assert [row["run"] for row in rows_of(tmp_path / "tune.csv")] == ["logs/tune_a/run1"]


def test_one_process_at_a_time_goes_on_with_a_search(tmp_path, monkeypatch, capsys):
    """A second one would take the trial of the first for one that a kill broke off."""
    monkeypatch.setattr(fashion_tune, "training_data", lambda options: (None, None))
    codes, words = [], ["tune", "--logs", str(tmp_path)]

    def searching(study, *_):
        monkeypatch.setattr(fashion_tune, "run_study", lambda *_: None)
        trial = study.ask()
        codes.append(fashion.main(words))
        codes.append(fashion.main([*words, "--study", "other"]))
        study.tell(trial, 0.5)

    monkeypatch.setattr(fashion_tune, "run_study", searching)
    monkeypatch.setattr(fashion_tune, "report_best", lambda *_: None)
    assert fashion.main(words) == 0 and codes == [2, 0]
    error = capsys.readouterr().err
    assert f"process {os.getpid()} goes on with this search" in error and "--study NAME" in error
    assert error.count("\n") == 1
    assert fashion.main(words) == 0  # when the first has ended


# --- As a user runs it -----------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.slow
def test_a_search_on_drawn_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = [
        "tune", "--search", "LEARNING_RATE=1e-3:1e-2:log", "--search", "BATCH_SIZE=1,2", "--trials", "2", "--epochs",
        "1", "--steps", "1", "--limit", "2", "--image-size", "64", "--set", "TOP_DOWN_PYRAMID_SIZE=16", "--set",
        "RPN_CHANNELS=16", "--set", "MASK_CHANNELS=16", "--set", "FPN_CLASSIF_FC_LAYERS_SIZE=16", "--set",
        "TRAIN_ROIS_PER_IMAGE=8", "--set", "POST_NMS_ROIS_TRAINING=30", "--set", "POST_NMS_ROIS_INFERENCE=30", "--set",
        "DETECTION_MAX_INSTANCES=5"]
    assert fashion.main(arguments) == 0
    rows = rows_of(tmp_path / "logs" / "tune.csv")
    assert [row["state"] for row in rows] == ["complete"] * 2
    assert all(row["BATCH_SIZE"] in "12" and os.path.isdir(tmp_path / row["run"]) for row in rows)
    (command,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mrcnn train")]
    options = fashion.build_parser().parse_args(shlex.split(command)[1:])
    best = max(rows, key=lambda row: float(row["mask AP"]))
    assert options.stages == f"all:3:{float(best['LEARNING_RATE']):.4g}" and options.weights == "none"
    assert {f"BATCH_SIZE={best['BATCH_SIZE']}", "RPN_CHANNELS=16"} <= set(options.set)
    assert not any(text.startswith("STEPS_PER_EPOCH") for text in options.set)  # of the trials alone


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" + bytes(range(256)) * 16])
def test_a_damaged_study_is_named(tmp_path, content):
    (tmp_path / "tune.db").write_bytes(content)
    match = r"tune\.db: cannot read or write the study \(.*moved away"
    with pytest.raises(DataError, match=match), fashion_tune.naming_database(str(tmp_path)):
        open_study(str(tmp_path), "clothes", [RATE], {})


def test_conditions_that_are_none_are_other_ones(tmp_path):
    for text in ("[[[", "[]", "[" * 10**5):
        open_study(str(tmp_path), f"study {len(text)}", [RATE], {}).set_user_attr("conditions", text)
        with pytest.raises(UsageError, match="with another search"):
            open_study(str(tmp_path), f"study {len(text)}", [RATE], {})
