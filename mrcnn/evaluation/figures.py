"""The figures of the report, drawn by matplotlib without a display; each function returns a matplotlib Figure."""

import io
import math

import numpy as np

from mrcnn.figure_fonts import fit_letters
from mrcnn.files import plain

MASKS, BOXES, THIRD, GREY = "#1f5fa8", "#d9822b", "#3a8f5c", "#8a8f98"
KINDS = {"segm": "masks", "bbox": "boxes"}
CURVES = {"AP50": ("IoU 0.50", THIRD), "AP75": ("IoU 0.75", BOXES), "AP": ("mean of IoU 0.50 to 0.95", MASKS)}
MOST_WRITTEN = 20  # classes of a confusion matrix whose cells have room for every share
LEAST_WRITTEN = 0.1  # share that is written in a larger one
MOST_DRAWN = 80  # classes of a figure: a matrix takes memory with their square


def png(figure: object) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    fit_letters(figure)
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _figure(width, height, layout="constrained"):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def _square(ax, x, y):
    """An axis of 0..1 both ways, labelled and with a faint grid."""
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=x, ylabel=y)
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)


# --- Precision and recall --------------------------------------------------------------------------------------------


def precision_recall_figure(metrics: dict) -> object:
    """Mean precision over recall, of masks and of boxes, at three IoU thresholds."""
    figure = _figure(9.5, 4.2)
    for i, (kind, name) in enumerate(KINDS.items()):
        ax = figure.add_subplot(1, 2, i + 1)
        _square(ax, "recall", "precision")
        ax.set_title(f"{name}, mean of the classes")
        curves = metrics["curves"][kind]
        for number, (label, colour) in CURVES.items():
            if number in curves["mean"]:
                text = f"{label}: {number} {metrics[kind][number]:.3f}"
                ax.plot(curves["recall"], curves["mean"][number], color=colour, label=text)
        _legend(ax)
    return figure


def class_curves_figure(metrics: dict, kind: str = "segm", columns: int = 5) -> object:
    """Precision over recall of each class that has true objects, from the highest AP to the lowest.

    Of more than MOST_DRAWN classes those of both ends, which is written below.
    """
    curves = metrics["curves"][kind]
    shown = [(entry, curve) for entry, curve in zip(metrics["classes"], curves["classes"]) if curve]
    shown.sort(key=lambda pair: -pair[0][kind]["AP"])
    known = len(shown)
    if known > MOST_DRAWN:
        shown = shown[:MOST_DRAWN // 2] + shown[-MOST_DRAWN // 2:]
    columns = max(1, min(columns, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    figure = _figure(max(2.3 * columns, 5), 2.25 * rows + 0.5)
    for i, (entry, curve) in enumerate(shown):
        ax = figure.add_subplot(rows, columns, i + 1)
        for number, (_, colour) in CURVES.items():
            ax.plot(curves["recall"], curve[number], color=colour, linewidth=1.2)
        ax.fill_between(curves["recall"], curve["AP"], color=MASKS, alpha=0.15)
        _square(ax, "recall" if i + columns >= len(shown) else "", "precision" if i % columns == 0 else "")
        ax.set_xticks([0, 0.5, 1])
        ax.set_yticks([0, 0.5, 1])
        objects = _count(entry["objects"], "object")
        ax.set_title(f"{plain(_short(entry['name']))}\nAP {entry[kind]['AP']:.3f}, {objects}", fontsize=9)
        ax.tick_params(labelsize=8)
    if shown:
        lines = figure.axes[0].get_lines()
        labels = [label for label, _ in CURVES.values()]
        figure.legend(lines, labels, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    if known > len(shown):
        figure.supxlabel(f"the {MOST_DRAWN // 2} best and the {MOST_DRAWN // 2} worst of {known} classes; curves.json "
                         "has all", fontsize=9)
    return figure


def _legend(ax):
    if ax.get_lines():
        ax.legend(fontsize=9, frameon=False)
    else:
        ax.text(0.5, 0.5, "no true objects", ha="center", color=GREY)


def _short(name, length=22):
    return name if len(name) <= length else name[:length - 1] + "\u2026"


def _count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


# --- Score threshold -------------------------------------------------------------------------------------------------


def threshold_figure(metrics: dict) -> object:
    """Precision, recall, F1 and AP50 of masks against the score threshold, and the best threshold."""
    figure = _figure(6.5, 4.2)
    ax = figure.add_subplot()
    _square(ax, "score threshold", "")
    ax.set_title("masks at IoU 0.50, all classes")
    overall, best = metrics["thresholds"]["overall"], metrics["best"]
    for name, colour, style in (("precision", GREY, "--"), ("recall", GREY, ":"), ("AP50", BOXES, "-"),
                                ("F1", MASKS, "-")):
        if overall:
            ax.plot(metrics["thresholds"]["threshold"], overall[name], style, color=colour, label=name)
    if best:
        ax.plot(best["threshold"], best["F1"], "o", color=MASKS, label=f"best F1 {best['F1']:.3f} at "
                                                                      f"{best['threshold']:.2f}")
    _legend(ax)
    return figure


# --- Confusion -------------------------------------------------------------------------------------------------------


def confusion_figure(metrics: dict, of: str = "of_objects") -> object:
    """The confusion matrix as shares of each class's objects ("of_objects") or of its detections ("of_detections")."""
    confusion = metrics["confusion"]
    whole = "row is 100 % of the objects" if of == "of_objects" else "column is 100 % of the detections"
    rule = f"score at least {confusion['score_threshold']:.2f}, mask IoU at least 0.50"
    return _matrix_figure(confusion[of], confusion["counts"], confusion["names"], f"Each {whole} of a class\n{rule}",
                          "detected as (background: missed)", "true class (background: nothing there)", "curves.json")


def pixel_confusion_figure(metrics: dict, of: str = "of_truth") -> object:
    """The confusion matrix of pixels as shares of the true pixels ("of_truth") or of the labelled ones ("of_labels").

    Args:
        metrics: of `mrcnn.evaluation.pixels.PixelConfusion.metrics`.
        of: what is 100 %: the pixels of a true class, or those that are labelled as a class.

    Returns:
        A matplotlib Figure.
    """
    counts = np.array(metrics["confusion"], float)
    totals = counts.sum(axis=1 if of == "of_truth" else 0, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    names = [entry["name"] for entry in metrics["classes"]]
    whole = "row is 100 % of the true pixels" if of == "of_truth" else "column is 100 % of the pixels labelled as it"
    return _matrix_figure(shares, counts, names, f"Each {whole}", "labelled as", "true class", "pixels.json")


def _most_confused(counts):
    """int [N]: the classes that are drawn, in their order and the background last, as a frame; of many the worst."""
    counts = np.asarray(counts)
    errors = (counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diagonal(counts))[1:]
    drawn = np.sort(np.argsort(-errors, kind="stable")[:MOST_DRAWN])
    return np.append(drawn + 1, 0)


def _matrix_figure(shares, counts, names, title, x, y, file):
    """A matrix of shares, NaN where there is nothing to share, of the classes `_most_confused`; file: has all."""
    order = _most_confused(np.reshape(counts, (len(names), len(names))))
    shares = np.reshape(np.array(shares, float), (len(names), len(names)))[np.ix_(order, order)]
    if len(order) < len(names):
        title += f"\nthe {len(order) - 1} of {len(names) - 1} classes with the most errors; {file} has all"
    names = [plain(_short(names[i])) for i in order]
    side = max(4.5, (0.52 if len(names) <= MOST_WRITTEN + 1 else 0.27) * len(names) + 2)
    figure = _figure(side + 1, side + 0.6, "compressed")  # the layout for axes of a fixed shape
    ax = figure.add_subplot()
    image = ax.imshow(np.ma.masked_invalid(shares), cmap="Blues", vmin=0, vmax=1)
    ax.set_facecolor("#ececec")
    ax.set_xticks(range(len(names)), names, rotation=90)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(labelsize=9 if len(names) <= MOST_WRITTEN + 1 else 10.5,  # the larger one is shown smaller
                    length=0)
    for edge in (ax.axhline, ax.axvline):
        edge(len(names) - 1.5, color="black", linewidth=0.8)
    _write_shares(ax, shares)
    ax.set(xlabel=x, ylabel=y)
    ax.set_title(title, fontsize=10)
    bar = figure.colorbar(image, ax=ax, shrink=0.6, pad=0.02)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    return figure


def _write_shares(ax, shares):
    """Percent in the cells: all that round to 1 or more, or of a large matrix those that stand out."""
    large = len(shares) > MOST_WRITTEN + 1
    for (row, column), share in np.ndenumerate(shares):
        if share >= (LEAST_WRITTEN if large else 0.005):
            ax.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8.5 if large else 9,
                    color="white" if share > 0.55 else "black")


# --- Errors ----------------------------------------------------------------------------------------------------------


def errors_figure(metrics: dict) -> object:
    """What each cause of error costs in AP50, and how many errors of masks there are."""
    causes = list(metrics["errors"]["segm"]["causes"])
    positions = np.arange(len(causes))
    figure = _figure(10, 4.2)
    cost, count = figure.subplots(1, 2)
    for i, (kind, colour) in enumerate((("segm", MASKS), ("bbox", BOXES))):
        gains = [metrics["errors"][kind]["causes"][cause]["dAP"] for cause in causes]
        widths = [0 if math.isnan(gain) else gain for gain in gains]  # a bar of none: its label is a dash
        bars = cost.barh(positions + 0.2 * (2 * i - 1), widths, 0.38, color=colour, label=KINDS[kind])
        cost.bar_label(bars, ["\u2013" if math.isnan(gain) else f"{gain:.3f}" for gain in gains], padding=3, fontsize=8)
    cost.set(title="AP50 to gain by mending one cause alone", xlabel="gain in AP50")
    _draw_counts(count, metrics, causes, positions)
    for ax in (cost, count):
        ax.set_yticks(positions, causes)
        ax.invert_yaxis()
        ax.margins(x=0.2)
        ax.locator_params(axis="x", nbins=6)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(fontsize=9, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.18))
    return figure


def _draw_counts(ax, metrics, causes, positions):
    errors = metrics["errors"]["segm"]["causes"]
    totals = [errors[cause]["count"] for cause in causes]
    bars = ax.barh(positions, totals, 0.6, color="#c9d6e6", label="all scores")
    shown = [errors[cause].get("shown", errors[cause]["count"]) for cause in causes]
    ax.barh(positions, shown, 0.6, color=MASKS,
            label=f"score at least {metrics['confusion']['score_threshold']:.2f} (and all missed)")
    ax.bar_label(bars, [f"{part} of {total}" if part != total else f"{total}" for part, total in zip(shown, totals)],
                 padding=3, fontsize=8)
    ax.set(title="errors of masks", xlabel="number")
