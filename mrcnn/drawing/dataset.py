"""Figures of what is in a data set, drawn without a display."""

import os

import numpy as np

from mrcnn.drawing.pictures import write_figure
from mrcnn.figure_fonts import fit_letters
from mrcnn.files import plain

BLUE, ORANGE, GREY = "#4c78a8", "#e4572e", "#7f7f7f"
MOST_CLASSES = 60  # that the bars have room for


def plot_data_summary(summary: dict, path: str | os.PathLike | None = None, title: str = "") -> object:
    """A figure of classes, photo sizes, objects a photo, box sizes and shapes, and the fit of anchors.

    Args:
        summary: of `mrcnn.data.curation.statistics.summarise`; without anchors (fit=False) these are left out.
        path: image file to write, or None.
        title: above it all.

    Returns:
        The matplotlib figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = sorted((entry for entry in summary["classes"] if entry["objects"]), key=lambda entry: -entry["objects"])
    figure = Figure(figsize=(16, max(7.5, 1.5 + 0.2 * min(len(classes), MOST_CLASSES))), layout="constrained")
    FigureCanvasAgg(figure)
    head = f"{summary['photos']:,} photos, {summary['objects']:,} objects"
    figure.suptitle(f"{plain(title)}: {head}" if title else head, fontsize=14)
    grid = figure.add_gridspec(2, 4, width_ratios=(1.25, 1, 1, 1))
    _draw_classes(figure.add_subplot(grid[:, 0]), classes, len(summary["classes"]))
    _draw_sizes(figure.add_subplot(grid[0, 1]), summary)
    _draw_counts(figure.add_subplot(grid[0, 2]), summary["objects_per_photo"])
    _draw_areas(figure.add_subplot(grid[0, 3]), classes)
    _draw_boxes(figure.add_subplot(grid[1, 1]), summary, "box_scale", "scales", "box scale on the canvas (pixels)")
    _draw_boxes(figure.add_subplot(grid[1, 2]), summary, "box_ratio", "ratios", "box width / height")
    _draw_recall(figure.add_subplot(grid[1, 3]), summary)
    if path is None:
        fit_letters(figure)
    else:
        write_figure(path, figure)
    return figure


def _tidy(ax, title, x, y):
    ax.set(title=title, xlabel=x, ylabel=y)
    ax.spines[["top", "right"]].set_visible(False)


def _nothing(ax, title, why="no objects"):
    _tidy(ax, title, "", "")
    ax.set(xticks=[], yticks=[])
    ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes, color=GREY)


def _draw_classes(ax, classes, count):
    bare = count - len(classes)
    title = "objects of each class" + (f" ({bare} of {count} have none)" if bare else "")
    if not classes:
        return _nothing(ax, title)
    if len(classes) > MOST_CLASSES:
        title += f"\nthe {MOST_CLASSES} most frequent"
    shown = classes[:MOST_CLASSES]
    positions = np.arange(len(shown))
    numbers = [entry["objects"] for entry in shown]
    ax.barh(positions, numbers, color=BLUE)
    for position, number in zip(positions, numbers):
        ax.annotate(f"{number:,}", (number, position), (3, 0), textcoords="offset points", va="center", fontsize=8)
    names = [entry["name"] if len(entry["name"]) <= 28 else entry["name"][:27] + "\u2026" for entry in shown]
    ax.set_yticks(positions, [plain(name) for name in names], fontsize=8)
    ax.set(ylim=(max(len(shown), 8) - 0.4, -0.6), xlim=(0, 1.12 * max(numbers)))
    _tidy(ax, title, "objects", "")


def _draw_sizes(ax, summary):
    for key, color in (("height", BLUE), ("width", ORANGE)):
        values = summary[key]
        if values:
            label = f"{key}: median {values['median']:.0f}"
            ax.stairs(values["counts"], values["edges"], color=color, fill=True, alpha=0.55, label=label)
    ax.legend(fontsize=8)
    _tidy(ax, "photo sizes", "pixels", "photos")


def _draw_counts(ax, objects_per_photo):
    counts = objects_per_photo["counts"]
    ax.bar(np.arange(len(counts)), counts, width=0.9, color=BLUE)
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    _tidy(ax, f"objects a photo: {objects_per_photo['mean']:.1f} on average", "objects", "photos")


def _draw_areas(ax, classes):
    """Each class by its number of objects and the part of the photo that they cover: small and rare ones are hard."""
    title = "size and number of each class"
    filled = [entry for entry in classes if entry["median_share"]]
    if len(filled) < len(classes):
        title += f"\n(without {len(classes) - len(filled)} whose masks are mostly empty)"
    classes = filled
    if not classes:
        return _nothing(ax, title)
    objects = np.array([entry["objects"] for entry in classes])
    shares = np.array([100 * entry["median_share"] for entry in classes])
    ax.scatter(objects, shares, s=18, color=BLUE)
    ax.set(xscale="log", yscale="log", xlim=(objects.min() / 1.6, objects.max() * 1.6))
    ax.set_ylim(shares.min() / 1.6, shares.max() * 1.6)
    for axis, values in ((ax.xaxis, objects), (ax.yaxis, shares)):
        ticks = _round_numbers(values.min(), values.max())
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_ticks([], minor=True)
    # Names of the smallest, largest, rarest and most frequent first, then of others that have room.
    order = np.argsort(shares)
    names = [*order[:2], *order[-2:], *np.argsort(objects)[:2], *np.argsort(-objects)[:2], *order]
    points = np.stack([np.log(objects) / np.log(objects.max() / objects.min() * 2.6),
                       np.log(shares) / np.log(shares.max() / shares.min() * 2.6)], axis=1)
    middle, named = points[:, 0].mean(), []
    for i in dict.fromkeys(names):
        if all(abs(points[i, 1] - points[j, 1]) > 0.05 or abs(points[i, 0] - points[j, 0]) > 0.4 for j in named):
            named.append(i)
            left = points[i, 0] > middle
            ax.annotate(plain(classes[i]["name"][:18]), (objects[i], shares[i]), (-5 if left else 5, -2), fontsize=7,
                        textcoords="offset points", ha="right" if left else "left")
    _tidy(ax, title, "objects", "median share of the photo (%)")


def _draw_boxes(ax, summary, key, numbers, label):
    """A histogram of boxes with the anchors' numbers as lines in it."""
    values = summary[key]
    if not values:
        return _nothing(ax, label)
    ax.stairs(values["counts"], values["edges"], color=BLUE, fill=True, alpha=0.55)
    anchors = summary["anchors"] or {}
    for name, style, color in (("current", "--", GREY), ("proposed", "-", ORANGE)):
        for i, number in enumerate(anchors.get(name, {}).get(numbers, ())):
            ax.axvline(number, linestyle=style, color=color, label=None if i else f"{name} anchors")
    shown = [values["min"], values["max"], *(anchors["current"][numbers] if anchors else ())]
    ticks = _round_numbers(min(shown), max(shown))
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set_ylim(0, 1.3 * max(values["counts"]))  # room for the legend
    if anchors:
        ax.legend(fontsize=8, loc="upper left", framealpha=1)
    _tidy(ax, label, "", "objects")


def _round_numbers(low, high):
    """1, 2, 5, 10 ... within a range."""
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    numbers = [digit * 10.0**exponent for exponent in exponents for digit in (1, 2, 5)]
    return [number for number in numbers if low * 0.8 <= number <= high * 1.25]


def _draw_recall(ax, summary):
    title = "boxes that an anchor covers"
    if not summary["anchors"]:
        return _nothing(ax, title, "anchors were not compared" if summary["box_scale"] else "no objects")
    for name, style, color in (("current", "--", GREY), ("proposed", "-", ORANGE)):
        ax.plot(summary["thresholds"], summary["anchors"][name]["recall"], style, color=color, label=name)
        for threshold in (0.5, 0.7):
            at = int(np.argmin(np.abs(np.array(summary["thresholds"]) - threshold)))
            recall = summary["anchors"][name]["recall"][at]
            above = recall == max(anchors["recall"][at] for anchors in summary["anchors"].values())
            ax.plot([threshold], [recall], "o", color=color, markersize=4)
            ax.annotate(f"{recall:.2f}", (threshold, recall), (4, 4) if above else (-4, -10), fontsize=8, color=color,
                        textcoords="offset points", ha="left" if above else "right")
    ax.set(xlim=(0, 1), ylim=(0, 1.05))
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, loc="lower left")
    _tidy(ax, title, "IoU of the best anchor, at least", "share of the boxes")
