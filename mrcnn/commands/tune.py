"""The command `tune`: a search for good values of settings, one short training each, that goes on where it stopped."""

from __future__ import annotations

import argparse
import contextlib
import copy
import csv
import gc
import json
import math
import ntpath
import os
import shlex
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from mrcnn.commands.options import parse_setting, positive, start_keras
from mrcnn.commands.runs import refuse_exported, start_model
from mrcnn.commands.settings import (
    anchors_of,
    asked_settings,
    base_config,
    begun_config,
    choose_training_arithmetic,
    class_of_option,
    known_to,
    name_of_runs,
    overrides_of,
    starts_of,
    with_options,
)
from mrcnn.commands.stage_options import stages_text
from mrcnn.commands.training_options import (
    add_network,
    add_training_data,
    check_data_options,
    same_training_data,
    training_data,
)
from mrcnn.commands.tune_search import Search, parse_search, refuse_idle, scaled_stages
from mrcnn.errors import DataError, UsageError
from mrcnn.files import whole_file
from mrcnn.training.runs import claim

if TYPE_CHECKING:
    import optuna

    from mrcnn.data.dataset import Dataset

DATABASE = "tune.db"  # in the folder of the logs, with all studies
FIGURE_NAMES = {"segm_AP": "mask AP", "mean_IoU": "mean IoU"}  # of what a network names in its logs
TAKEN = ("{folder}: process {owner} goes on with this search: wait for its end, or begin one beside it with "
         "--study NAME.")
DEFAULT_STAGES, DEFAULT_SEARCH = "all:3:1e-3", ["LEARNING_RATE=1e-4:1e-2:log"]

# --- The study -------------------------------------------------------------------------------------------------------


def import_optuna() -> ModuleType:
    """The module optuna, told to be quiet.

    Raises:
        UsageError: if it is missing.
    """
    try:
        import optuna
    except ImportError as error:
        raise UsageError('tune needs Optuna: pip install optuna (or pip install ".[tune]").') from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@contextlib.contextmanager
def naming_database(folder: str) -> Iterator[None]:
    """Turn an error of the database in a folder into a DataError that names it."""
    try:
        yield
    except Exception as error:
        of_text = isinstance(error, UnicodeDecodeError)  # names in a damaged one; files of the user's have own errors
        of_database = type(error).__module__.startswith("sqlalchemy") or type(error).__name__ == "StorageInternalError"
        if not (of_text or of_database):
            raise
        reason = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
        raise DataError(f"{os.path.join(folder, DATABASE)}: cannot read or write the study ({reason}): check rights "
                        "and disk space; a damaged one is to be moved away, and a new one begins.") from error


def open_study(folder: str, name: str, search: Sequence[Search], conditions: dict, seed: int = 0) -> optuna.Study:
    """The Optuna study of this name in tune.db of a folder; trials that a kill broke off are queued again.

    These are all that are said to be running: whoever calls it sees to it that no other process goes on with the study.

    Args:
        folder: of tune.db.
        name: of the study.
        search: list of Search.
        conditions: dict of what else the values depend on, for JSON.
        seed: of the sampler.

    Raises:
        UsageError: if Optuna is missing, or the study searched something else.
    """
    optuna = import_optuna()
    os.makedirs(folder, exist_ok=True)
    storage = f"sqlite:///{os.path.abspath(os.path.join(folder, DATABASE))}"
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    wanted = json.dumps({"search": [list(one) for one in search], **conditions}, sort_keys=True)
    known = study.user_attrs.get("conditions")
    if known is None:
        study.set_user_attr("conditions", wanted)
    elif known != wanted:
        before, now = _conditions(known), json.loads(wanted)
        other = ", ".join(sorted(key for key in {*before, *now} if before.get(key) != now.get(key)))
        raise UsageError(f"{os.path.join(folder, DATABASE)} holds a study {name!r} with another {other}: give the same "
                         "again to go on with it, or begin one with --study NAME.")
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params)
    # Another seed after each resume: the same would draw the first trials again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.get_trials(deepcopy=False)))
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=3)
    return study


def _conditions(text):
    """What a study was begun with; {} if somebody changed it to what it cannot be."""
    try:
        conditions = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return conditions if isinstance(conditions, dict) else {}


def run_study(study: optuna.Study, search: Sequence[Search], trials: int,
              objective: Callable[[dict, Callable], tuple[float, dict]], table: str | None = None) -> None:
    """Run trials until so many are done, those of earlier calls included.

    Args:
        study: of `open_study`.
        search: list of Search.
        trials: number of trials in all.
        objective: function (values {name: value}, Report) -> (figure, {name: what else to note}).
        table: path of the CSV file that is written after each trial.
    """
    from optuna import TrialPruned
    from optuna.trial import TrialState

    done = (TrialState.COMPLETE, TrialState.PRUNED)
    while len(study.get_trials(deepcopy=False, states=done)) < trials:
        trial = study.ask()
        values = {one.name: one.suggest(trial) for one in search}
        print(f"\nTrial {trial.number}: {' '.join(f'{name}={value}' for name, value in values.items())}")
        start = time.monotonic()
        try:
            value, notes = objective(values, Report(trial))
        except (TrialPruned, ArithmeticError) as error:  # the latter where a loss became NaN: a bad value, no error
            print(f"Trial {trial.number} {error}")
            value, notes = None, {"ended": str(error)}
        except ValueError:  # settings that do not fit together: a call of today, not to be tried again
            study.tell(trial, state=TrialState.FAIL)
            raise
        for key, note in {**notes, "seconds": round(time.monotonic() - start, 1)}.items():
            trial.set_user_attr(key, note)
        study.tell(trial, value, state=TrialState.PRUNED if value is None else TrialState.COMPLETE)
        if value is not None:
            best = best_of(study)
            print(f"Trial {trial.number}: {figure_of(study)} {value:.4f}; best {best.value:.4f} of trial {best.number}")
        if table:
            write_table(study, search, table)


class Report:
    """What a trial tells while it trains."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def __call__(self, value: float, epoch: int) -> None:
        """Tell the figure after an epoch, counted from 0; ends a trial below the median of the others there."""
        from optuna import TrialPruned

        self._trial.report(value, epoch)
        if self._trial.should_prune():
            raise TrialPruned(f"ended after epoch {epoch + 1} with {value:.4f}: below the median of the others")

    def note(self, run: str) -> None:
        """Note the folder of its run, whatever becomes of the trial."""
        self._trial.set_user_attr("run", run)


def whole_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that came to their end. One that was ended early has a value too, that of its last epoch."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def best_of(study: optuna.Study) -> optuna.trial.FrozenTrial | None:
    """The whole trial of the highest figure, the first of equal ones; None if there is no whole one."""
    return max(whole_trials(study), key=lambda trial: trial.value, default=None)


def figure_of(study: optuna.Study) -> str:
    """Name of the figure that a study looks for the highest value of."""
    return study.user_attrs.get("figure", "mask AP")


def write_table(study: optuna.Study, search: Sequence[Search], path: str) -> None:
    """Write every trial as a row of a CSV file, whole or not at all; a figure have those that came to their end."""
    whole = {trial.number for trial in whole_trials(study)}
    notes = ["threshold", "F1", "seconds", "run", "ended"]
    with whole_file(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", figure_of(study), *(one.name for one in search), *notes])
        for trial in study.get_trials(deepcopy=False):
            writer.writerow([trial.number, trial.state.name.lower(), trial.value if trial.number in whole else "",
                             *(trial.params.get(one.name, "") for one in search),
                             *(trial.user_attrs.get(note, "") for note in notes)])


# --- The command -----------------------------------------------------------------------------------------------------


def tune(options: argparse.Namespace) -> None:
    """Search for the values of the network's highest figure on validation photos; print the command with them."""
    with naming_database(options.logs):
        search_values(options)


def search_values(options: argparse.Namespace) -> None:
    """What `tune` does, with the database's own errors."""
    choose_training_arithmetic(options)
    check_data_options(options)
    if starts_of(options.weights) == ["last"]:
        raise UsageError("tune starts each trial anew: give --weights none, imagenet, coco or a file, not last.")
    refuse_exported(options.weights, "tune")
    search = [parse_search(text, base_config(options)) for text in options.search or DEFAULT_SEARCH]
    overrides, begun = overrides_of(options), begun_config(options)
    refuse_idle(search, lambda values: with_options(copy.copy(begun), options, {**overrides, **values}))
    if options.steps:
        overrides["STEPS_PER_EPOCH"] = options.steps
    text = overrides.pop("STAGES", DEFAULT_STAGES)
    # Data, network and budget: what makes trials comparable.
    conditions = {"data": same_training_data(options), "start": options.weights, "limit": options.limit,
                  "epochs": options.epochs, "stages": text, "settings": json.loads(json.dumps(overrides, default=str))}
    # Searches of earlier versions note neither where it is not given.
    given = {"architecture": options.architecture, "attributes": options.attributes}
    conditions.update({name: value for name, value in given.items() if value})
    import_optuna()
    first = class_of_option(options).figures[0]
    training, validation = training_data(options)  # before anything is noted that bad paths would spoil
    folder = os.path.join(options.logs, f"tune_{study_of(options)}")
    table = os.path.join(options.logs, f"tune_{options.study}.csv" if options.study else "tune.csv")
    with contextlib.closing(claim(folder, TAKEN)):
        study = open_study(options.logs, study_of(options), search, conditions, options.seed or 0)
        study.set_user_attr("figure", FIGURE_NAMES.get(first, first))

        def objective(values, report):
            remove_weights(study, folder)
            return train_trial(options, overrides, text, training, validation, values, report)

        try:
            run_study(study, search, options.trials, objective, table)
        finally:
            remove_weights(study, folder)
    report_best(options, study, search, overrides, text)
    print(f"All trials are in {table} and {os.path.join(options.logs, DATABASE)}; more --trials go on with them.")


def study_of(options: argparse.Namespace) -> str:
    """Name of the search: --study, else that of the runs."""
    return options.study or name_of_runs(options).lower()


def train_trial(options: argparse.Namespace, overrides: dict, text: str, training: Dataset, validation: Dataset,
                values: dict, report: Report) -> tuple[float, dict]:
    """(first figure of the network on the validation photos after the last epoch, notes) of one short training."""
    start_keras()
    import keras

    from mrcnn.training.validation import Figures

    keras.utils.clear_session()  # of the trial before, also where it was ended early
    gc.collect()
    values = dict(values)
    stages = scaled_stages(text, values.pop("LEARNING_RATE", None), options.epochs)
    model = start_model(options, {**overrides, **values, "STAGES": stages_text(stages)}, training)
    model.model_dir = os.path.join(options.logs, f"tune_{study_of(options)}")
    model.set_log_dir()
    measure, name = Figures(model, validation), f"val_{model.figures[0]}"
    follow = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: report.note(model.log_dir),
                                            on_epoch_end=lambda epoch, logs: report(logs[name], epoch))
    for stage in stages:
        model.train(training, validation, learning_rate=stage.learning_rate, epochs=stage.last_epoch,
                    layers=stage.layers,
                    augmentation=options.program.augmentation(stage.augment or model.config.AUGMENT),
                    custom_callbacks=[measure, follow])
    best = {note: measure.measured.get(note, math.nan) for note in ("threshold", "F1")}  # of the score
    notes = {"run": model.log_dir, **({} if math.isnan(best["threshold"]) else best)}
    average = float(model.history.history[name][-1])
    return (0.0 if math.isnan(average) else average), notes


def remove_weights(study: optuna.Study, folder: str) -> None:
    """Remove the weights of the study's trials but those of the best one; their histories stay.

    Runs are known by the names of their folders: the paths that were noted are of where the search was called, and
    `folder` may have been moved. What no trial of the study notes stays too.

    Args:
        study: Optuna's.
        folder: of the trials' runs.
    """
    there, best = set(os.listdir(folder)) if os.path.isdir(folder) else set(), best_of(study)
    kept = best and _run_name(best)
    if best and kept not in there:
        warnings.warn(f"{folder}: the run folder {kept or '(not noted)'} of the best trial {best.number} is not in it, "
                      "so that no trial's weights are removed: move it back, or remove them yourself.", stacklevel=2)
        return
    for name in {_run_name(trial) for trial in study.get_trials(deepcopy=False)} & there - {kept}:
        run = os.path.join(folder, name)
        for file in os.listdir(run) if os.path.isdir(run) else ():
            if file.endswith(".h5"):
                os.remove(os.path.join(run, file))


def _run_name(trial):
    """Name of the folder of a trial's run; "" if it is not noted."""
    return ntpath.basename(str(trial.user_attrs.get("run", "")))  # which knows the slashes of all systems


def report_best(options: argparse.Namespace, study: optuna.Study, search: Sequence[Search], overrides: dict,
                text: str) -> None:
    """Print the best values and the command line that trains with them."""
    best = best_of(study)
    if best is None:
        print("No trial came to its end: search other values.")
        return
    notes = best.user_attrs
    values = {one.name: best.params[one.name] for one in search if one.name in best.params}
    count = len(whole_trials(study))
    print(f"\nBest of {count} whole trials: {figure_of(study)} {best.value:.4f} (trial {best.number})")
    for name, value in values.items():
        print(f"{name:30} {value}")
    settings = _settings_of_training(options, overrides, values)
    if "threshold" in notes:
        print(f"{'DETECTION_MIN_CONFIDENCE':30} {notes['threshold']:.2f} (the best F1, {notes['F1']:.3f})")
        settings["DETECTION_MIN_CONFIDENCE"] = round(notes["threshold"], 2)
    rate = values.get("LEARNING_RATE")
    stages = stages_text(scaled_stages(text, None if rate is None else float(rate)))  # one of some choices is a text
    chosen = "".join(f" --set {shlex.quote(f'{name}={_value_text(value)}')}" for name, value in settings.items())
    network = f" --architecture {shlex.quote(options.architecture)}" if options.architecture else ""
    network += " --attributes" if options.attributes else ""
    print(f"\n{options.program.command} train{same_training_data(options)}{network} --logs {shlex.quote(options.logs)} "
          f"--weights {shlex.quote(options.weights)} --stages {shlex.quote(stages)}{chosen}\n")


def _settings_of_training(options, overrides, values):
    """{setting: value} that a whole training is given to be the best trial's, without the budgets of trials."""
    overrides = {**anchors_of(options), **overrides}
    if options.steps:  # the budget of a trial; what the user says of epochs is of the training
        del overrides["STEPS_PER_EPOCH"]
        overrides.update({name: value for name, value in map(parse_setting, options.set) if name == "STEPS_PER_EPOCH"})
    settings = {**overrides, **values}
    settings.pop("LEARNING_RATE", None)  # the stages have rates of their own
    return known_to(class_of_option(options), settings, [*asked_settings(options), *values])


def _value_text(value):
    """A setting as --set reads it."""
    return value if isinstance(value, str) else json.dumps(value)


def add_tune(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(commands, "tune", tune,
                          "Search for good values of settings by short trainings, judged on the validation photos by "
                          "mask AP (mean IoU of networks that find no objects); the same command goes on with an "
                          "interrupted search.")
    add_training_data(command)
    command.add_argument("--search", action="append", metavar="NAME=low:high[:log]|NAME=a,b,c",
                         help="a setting of mrcnn/config.py and its values; may be repeated (default "
                              f"{DEFAULT_SEARCH[0]}); LEARNING_RATE is the highest of --stages, the others follow it")
    command.add_argument("--trials", type=positive, default=20, metavar="N",
                         help="trainings in all, those of earlier calls included (default 20)")
    command.add_argument("--epochs", type=positive, metavar="N", help="end each after N epochs")
    command.add_argument("--steps", type=positive, metavar="N", help="steps of an epoch (default: every photo once)")
    command.add_argument("--study", metavar="NAME", help=f"name of the search in {DATABASE} (default: of the runs)")
    add_network(command, "none|imagenet[:FILE]|coco[,imagenet]|PATH")
    command.set_defaults(stages=None)
