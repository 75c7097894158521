"""Figures of what happens inside Mask R-CNN: anchors, boxes of each stage, RoIAlign crops, feature maps, masks.

All take arrays, wherever they come from, and draw with matplotlib. Boxes are (y1, x1, y2, x2) in pixels of the image.
"""

from collections.abc import Sequence

import numpy as np

from mrcnn.drawing.arguments import check_same, ends_of
from mrcnn.drawing.figures import draw_boxes
from mrcnn.drawing.pictures import distinct_colors
from mrcnn.figure_fonts import fit_letters

PANEL = 3.6  # inches of a panel's width
MOST_WIDER = 0.25  # share of an image by which its panel is widened for boxes that reach beyond it
SAMPLE = 200_000  # values that a histogram is made of; more change nothing that can be seen


def panels(count: int, columns: int, size: tuple[float, float] = (PANEL, PANEL)) -> tuple[object, list]:
    """(figure, list of `count` axes) in rows of `columns`, each of (width, height) inches."""
    import matplotlib.pyplot as plt

    columns = max(1, min(columns, count))
    rows = max(1, -(-count // columns))
    figure, axes = plt.subplots(
        rows, columns, figsize=(size[0] * columns, size[1] * rows), squeeze=False, layout="constrained"
    )
    axes = list(axes.ravel())
    for ax in axes[count:]:
        ax.remove()
    return figure, axes[:count]


def show(axes: Sequence | None = None) -> list:
    """Show what was drawn, as a notebook does below its cell, and returns the axes."""
    import matplotlib.pyplot as plt

    for figure in dict.fromkeys(ax.figure for ax in axes or ()):
        fit_letters(figure)
    plt.show()
    return axes


def evenly(count: int, limit: int) -> np.ndarray:
    """int [min(count, limit)]: positions spread evenly over 0..count - 1, the first and last among them."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, limit)).round().astype(int))


# --- Boxes -----------------------------------------------------------------------------------------------------------
def display_anchor_levels(image: np.ndarray, levels: Sequence[np.ndarray], strides: Sequence[int],
                          anchors_per_cell: int, columns: int = 5) -> list:
    """Show each level's grid of anchor centres and the anchors of the cell nearest to the middle.

    Args:
        image: [H, W, 3].
        levels: list of float [A_l, 4] pixels, rows by cell, then shape.
        strides: pixels a cell.
        anchors_per_cell: how many shapes there are.
        columns: number of panels in a row.

    Returns:
        The axes.

    Raises:
        ValueError: with another number of strides than levels.
    """
    check_same("display_anchor_levels", strides=strides, levels=levels)
    middle = np.array(image.shape[:2]) / 2
    _, axes = panels(len(levels), columns)
    for ax, anchors, stride in zip(axes, levels, strides):
        cells = np.asarray(anchors).reshape(-1, anchors_per_cell, 4)
        centres = (cells[:, 0, :2] + cells[:, 0, 2:]) / 2
        own = cells[np.abs(centres - middle).sum(axis=1).argmin()]
        title = f"stride {stride}: {len(anchors)} anchors"
        draw_boxes(image, own, visibilities=[2] * len(own), title=title, ax=ax)
        share = min(1, 1200 / len(centres))  # many dots are drawn smaller, or they would hide the image
        ax.scatter(centres[:, 1], centres[:, 0], s=3 * share, color="white", edgecolor="black", linewidth=0.2 * share)
        _fit(ax, image, own)
    return show(axes)


def _fit(ax, image, boxes):
    """Widens an axis of an image to boxes that reach beyond it, by no more than a share of it."""
    height, width = image.shape[:2]
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    size = np.array([height, width])
    low = np.maximum(boxes[:, :2].min(axis=0, initial=0) - 2, -MOST_WIDER * size)
    high = np.minimum(np.maximum(boxes[:, 2:].max(axis=0, initial=0), size) + 2, (1 + MOST_WIDER) * size)
    ax.set(xlim=(low[1], high[1]), ylim=(high[0], low[0]))


def display_box_panels(image: np.ndarray, sets: dict, limit: int = 50, columns: int = 3) -> list:
    """Show sets of boxes side by side on one image, each under its name with its number of boxes.

    Args:
        image: [H, W, 3], values 0..255.
        sets: {name: boxes [N, 4], or (boxes, refined boxes), or (boxes, refined or None, [N] captions)}.
        limit: most boxes that a panel shows, evenly spread over all.
        columns: number of panels in a row.

    Returns:
        The axes.
    """
    _, axes = panels(len(sets), columns, (1.35 * PANEL, 1.35 * PANEL))
    for ax, (name, chosen) in zip(axes, sets.items()):
        boxes, refined, captions = (*chosen, None, None)[:3] if isinstance(chosen, tuple) else (chosen, None, None)
        boxes = np.asarray(boxes, float).reshape(-1, 4)
        rows = evenly(len(boxes), limit)
        shown = f", {len(rows)} shown" if len(rows) < len(boxes) else ""
        refined = None if refined is None else np.asarray(refined, float).reshape(-1, 4)[rows]
        captions = None if captions is None else [captions[row] for row in rows]
        visible = [2 if refined is None else 1] * len(rows)
        draw_boxes(image, boxes[rows], refined, None, captions, visible, f"{name}: {len(boxes)}{shown}", ax)
        _fit(ax, image, boxes[rows] if refined is None else np.concatenate([boxes[rows], refined]))
    return show(axes)


def plot_recall(counts: Sequence[int], recalls: dict[str, list[float]], ax: object = None) -> object:
    """Plot the share of true boxes found by the first so many proposals.

    Args:
        counts: [K] numbers of proposals.
        recalls: {label: [K]}.
        ax: matplotlib axis to draw on; None makes a figure.

    Returns:
        The axis.
    """
    alone = ax is None
    ax = ax if ax is not None else panels(1, 1, (6, 4))[1][0]
    for (label, values), color in zip(recalls.items(), distinct_colors(len(recalls))):
        ax.plot(counts, values, marker="o", label=label, color=color)
    ax.set(xscale="log", ylim=(0, 1.02), xlabel="proposals of each picture", ylabel="recall of true boxes")
    ax.set_xticks(counts, [str(count) for count in counts])
    ax.set_xticks([], minor=True)
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    return show([ax])[0] if alone else ax


# --- Features --------------------------------------------------------------------------------------------------------
def principal_colors(features: np.ndarray) -> np.ndarray:
    """A map of many channels as a picture: its first three principal components as red, green and blue.

    Args:
        features: [h, w, F].

    Returns:
        uint8 [h, w, 3]; like features have like colours, and a map of one value is grey.
    """
    features = np.asarray(features, np.float64)
    flat = features.reshape(-1, features.shape[-1])
    flat = flat - flat.mean(axis=0)
    scale = np.abs(flat).max(initial=0)
    colors = np.zeros((len(flat), 3))
    if scale > 0:
        values, vectors = np.linalg.eigh(flat.T @ flat / scale**2)
        components = flat @ vectors[:, ::-1][:, :3]
        # The sign of an eigenvector is arbitrary: the largest value is made positive, for the same picture every time.
        largest = components[np.abs(components).argmax(axis=0), range(components.shape[1])]
        components = components * np.where(largest < 0, -1, 1)
        spread = 2.5 * components.std(axis=0)
        # A component without variance is left out rather than blown up to full contrast.
        there = spread > 1e-6 * spread.max()
        colors[:, : components.shape[1]][:, there] = components[:, there] / spread[there]
    return np.rint(255 * np.clip(0.5 + 0.5 * colors, 0, 1)).astype(np.uint8).reshape(features.shape[:2] + (3,))


def display_crops(image: np.ndarray, box: Sequence[int], crops: Sequence[np.ndarray], titles: Sequence[str]) -> list:
    """Show a box on an image and, beside it, crops of feature maps in their principal colours.

    Args:
        image: [H, W, 3], values 0..255.
        box: [4] pixels.
        crops: list of [h, w, F].
        titles: list of texts.

    Returns:
        The axes.

    Raises:
        ValueError: with another number of titles than crops.
    """
    check_same("display_crops", titles=titles, crops=crops)
    _, axes = panels(1 + len(crops), 5, (2.8, 3.0))
    draw_boxes(image, np.asarray(box)[None], visibilities=[2], title="the region", ax=axes[0])
    _fit(axes[0], image, np.asarray(box)[None])
    for ax, crop, title in zip(axes[1:], crops, titles):
        ax.imshow(principal_colors(crop))
        ax.set_title(title)
        ax.axis("off")
    return show(axes)


def display_maps(maps: dict[str, np.ndarray], columns: int = 5) -> list:
    """Show feature maps: above the mean magnitude of all channels, below their principal colours.

    Args:
        maps: {name: [h, w, F]}.
        columns: number of panels in a row.

    Returns:
        The axes.
    """
    axes = []
    names = list(maps)
    for start in range(0, len(names), columns):
        chosen = names[start : start + columns]
        _, drawn = panels(2 * len(chosen), len(chosen), (2.8, 2.9))
        for i, name in enumerate(chosen):
            values = np.asarray(maps[name], np.float32)
            magnitude = np.abs(values).mean(axis=-1)
            drawn[i].imshow(magnitude, cmap="magma", norm=ends_of(magnitude))
            drawn[i].set_title(f"{name}  {values.shape[0]}x{values.shape[1]}x{values.shape[2]}", fontsize=10)
            drawn[len(chosen) + i].imshow(principal_colors(values))
        for ax in drawn:
            ax.axis("off")
        axes += drawn
    return show(axes)


def plot_histograms(values: dict[str, np.ndarray], columns: int = 4, bins: int = 60, log: bool = False) -> list:
    """Plot a histogram of each array, with its mean, std and share of zeros above.

    Args:
        values: {name: array of any shape}.
        columns: number of panels in a row.
        bins: number of bins.
        log: counts on a logarithmic axis.

    Returns:
        The axes.
    """
    _, axes = panels(len(values), columns, (3.4, 2.6))
    for ax, (name, array) in zip(axes, values.items()):
        array = np.asarray(array, np.float64).ravel()
        zeros = f", {100 * np.mean(array == 0):.0f} % zero" if (array == 0).any() else ""
        sample = array[np.random.default_rng(0).permutation(len(array))[:SAMPLE]] if len(array) > SAMPLE else array
        ax.hist(sample, bins=bins, color="#4c78a8", log=log)
        ax.set_title(f"{name}\nmean {array.mean():.3g}, std {array.std():.3g}{zeros}", fontsize=8)
        ax.tick_params(labelsize=7)
        ax.xaxis.get_major_locator().set_params(nbins=5)
        ax.spines[["top", "right"]].set_visible(False)
    return show(axes)
