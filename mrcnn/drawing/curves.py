"""Curves of a training run, drawn without a display: losses, AP and learning rate over the epochs of all its stages."""

import csv
import json
import math
import os
from collections.abc import Sequence

from mrcnn.drawing.pictures import write_figure
from mrcnn.errors import DataError
from mrcnn.files import printable, write_json

LONGEST_NAME = 40  # letters of a stage's name in a figure
HISTORY, CURVES, STAGES = "history.csv", "curves.png", "stages.json"  # in the run's folder
PARTS = {"": "training", "val_": "validation", "test_": "test"}  # prefix of a column, and what it was measured on
COLORS = {"": "#4c78a8", "val_": "#e4572e", "test_": "#59a14f"}
KINDS = {"segm_": "mask", "bbox_": "box"}
LINES = {"AP": "-", "AP50": "--", "AP75": ":"}  # drawn in one panel
BORDER = "#7f7f7f"
COLUMNS = 3  # panels side by side


def plot_training_curves(history: dict[str, list[float]] | str | os.PathLike, path: str | os.PathLike,
                         stages: Sequence[dict] = ()) -> object:
    """Save a figure of losses, metrics and learning rate over epochs; training, validation and test in one panel.

    Args:
        history: Keras history dict {name: [value of each epoch]}, or the path of a CSV file with an "epoch" column from
            0; where an epoch was run again after a resume, its last row counts.
        path: image file to write, whole or not at all.
        stages: dicts with "first_epoch" from 0, "layers" and "learning_rate": where each begins is marked.

    Returns:
        The matplotlib figure.

    Raises:
        DataError: for a CSV file that is missing or holds no epochs, and for a dict without a column.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if isinstance(history, dict):
        columns = {name: [(epoch, value) for epoch, value in enumerate(values, start=1) if value == value]
                   for name, values in history.items()}
    else:
        columns = read_history(history)
    if not columns:
        raise DataError("The history is empty: give {name: [value of each epoch]}, as the history of Keras' fit.")
    panels = _panels(columns)
    width = min(COLUMNS, len(panels))
    height = -(-len(panels) // width)
    figure = Figure(figsize=(4.5 * width, 3.2 * height), layout="constrained")
    FigureCanvasAgg(figure)
    for i, (title, lines) in enumerate(panels.items()):
        ax = figure.add_subplot(height, width, i + 1)
        _draw_panel(ax, title, lines, columns)
        _draw_borders(ax, stages, named=i == 0)
    write_figure(path, figure)
    return figure


def read_history(path: str | os.PathLike) -> dict[str, list]:
    """{column: [(epoch from 1, value)]} of a history file; cells without a number are left out.

    Raises:
        DataError: for a file that is missing or holds no epochs.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such training history; it is written as history.csv into the run's log folder.")
    columns, rows = {}, _rows_of(path)
    for row in rows:
        for name, value in row.items():
            try:
                epoch, value = int(float(row["epoch"])) + 1, float(value)
            except (KeyError, TypeError, ValueError, OverflowError):
                continue
            if name != "epoch" and value == value:  # AP is NaN in epochs without a measurement
                columns.setdefault(name, {})[epoch] = value
    if not columns and any(row.get("epoch") for row in rows):
        what = "1 epoch" if len(rows) == 1 else f"{len(rows)} epochs"
        raise DataError(f"{path}: none of its values is a number (NaN or empty, {what}): nothing can be drawn; "
                        "look for why the loss is NaN.")
    if not columns:
        raise DataError(f'{path}: no epochs in it; it needs an "epoch" column and a column for each loss.')
    return {name: sorted(values.items()) for name, values in columns.items()}


def _rows_of(path):
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: no readable training history ({error}): correct it, or move it away.") from error


def draw_run(folder: str | os.PathLike, stage: dict | None = None) -> None:
    """Draw curves.png of a run's folder from its history.csv.

    Args:
        folder: of the run.
        stage: the stage that the run is in, as the dicts of `plot_training_curves`; it is noted in stages.json, which
            has all of them.
    """
    stages = _note_stage(os.path.join(folder, STAGES), stage)
    plot_training_curves(os.path.join(folder, HISTORY), os.path.join(folder, CURVES), stages)


def _note_stage(path, stage):
    """The stages that a file lists, this one among them in place of what began at its epoch or later."""
    stages = []
    if os.path.isfile(path):
        try:
            with open(path, encoding="utf-8") as file:
                stages = [entry for entry in json.load(file) if _is_stage(entry)]
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            stages = []  # a damaged list costs no more than marks in a figure
    if stage is None or stages[-1:] == [stage]:
        return stages
    stages = [entry for entry in stages if entry["first_epoch"] < stage["first_epoch"]] + [dict(stage)]
    write_json(path, stages)
    return stages


def _is_stage(entry):
    rate = entry.get("learning_rate", 0)
    return isinstance(entry["first_epoch"], int) and isinstance(rate, (int, float)) and math.isfinite(rate)


def _split(column):
    """(prefix, name) of a column."""
    prefix = next((p for p in ("val_", "test_") if column.startswith(p)), "")
    return prefix, column[len(prefix):]


def _panels(columns):
    """{title: [(column, colour, line style, label)]}: loss first, then AP, the named losses, the learning rate."""
    panels = {}
    for column in sorted(columns, key=lambda column: [*PARTS].index(_split(column)[0])):
        prefix, name = _split(column)
        kind = next((kind for kind in KINDS if name.startswith(kind)), None)
        number = name[len(kind):] if kind else None
        if number in LINES:
            title, label, style = f"{KINDS[kind]} AP", f"{number} {PARTS[prefix]}", LINES[number]
        else:
            title, label, style = f"{KINDS[kind]} {number}" if kind else name, PARTS[prefix], "-"
        panels.setdefault(title, []).append((column, COLORS[prefix], style, label))

    def rank(title):
        first = ["loss", "mask AP", "box AP", "mask IoU"]
        return first.index(title) if title in first else len(first) + (title == "learning_rate")

    return {title: panels[title] for title in sorted(panels, key=rank)}


def _draw_panel(ax, title, lines, columns):
    for column, color, style, label in lines:
        if columns[column]:
            epochs, values = zip(*columns[column])
            ax.plot(epochs, values, style, color=color, marker="o" if len(epochs) < 3 else None, label=label)
    values = [value for column, *_ in lines for _, value in columns[column]]
    if title == "learning_rate" and values and min(values) > 0 and max(values) > 10 * min(values):
        ax.set_yscale("log")
    if title.endswith((" AP", " IoU")):
        ax.set_ylim(0, min(1, 1.25 * max(values, default=1)) or 1)
    ax.set(title=title, xlabel="epoch")
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if len(lines) > 1 or lines[0][3] != PARTS[""]:
        ax.legend(fontsize=8, ncols=2 if len(lines) > 3 else 1)
    ax.grid(alpha=0.3)


def _draw_borders(ax, stages, named):
    """A line between the last epoch of a stage and the first of the next; in one panel the stages are named."""
    low, high = ax.get_xlim()
    for stage in stages:
        border = stage["first_epoch"] + 0.5
        if low < border < high and stage["first_epoch"]:
            ax.axvline(border, linestyle=":", color=BORDER, linewidth=1, zorder=0, label="_border")
        if named and border < high:
            layers = printable(str(stage.get("layers", ""))[:LONGEST_NAME], one_line=True)
            text = f"{layers} {stage.get('learning_rate', 0):g}"
            ax.annotate(text, (max(border, low), 1), (3, -3), xycoords=ax.get_xaxis_transform(), rotation=90,
                        textcoords="offset points", va="top", fontsize=7, color=BORDER, parse_math=False)
    ax.set_xlim(low, high)
