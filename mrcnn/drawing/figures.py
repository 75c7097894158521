"""Figures under Matterport's names: instances, matches, regions, precision-recall, overlaps, weights, training curves.

Each draws on a matplotlib axis, makes and shows a figure where none is given, and returns the axis. N counts instances;
boxes are (y1, x1, y2, x2) in pixels of the image, y2 and x2 exclusive; colours are (r, g, b) in 0..1. What draws
without matplotlib is in `mrcnn.drawing.pictures`, the curves of a training in `mrcnn.drawing.curves`.
"""

import html
import sys
from collections.abc import Sequence

import numpy as np

from mrcnn.data.mask_values import bool_masks
from mrcnn.drawing.arguments import (
    ClassNames,
    caption_of,
    check_colors,
    check_counts,
    check_same,
    ends_of,
    mask_parts,
    mask_planes,
)
from mrcnn.drawing.captions import spread
from mrcnn.drawing.pictures import NOTHING, as_rgb, blend_part, distinct_colors, shaded
from mrcnn.drawing.weights import KERNELS, layers_of, weights_of
from mrcnn.figure_fonts import fit_letters
from mrcnn.files import plain


def _axis(ax, figsize):
    """Returns (the given axis or one of a new figure, whether to show it)."""
    if ax is not None:
        return ax, False
    import matplotlib.pyplot as plt

    return plt.subplots(1, figsize=figsize)[1], True


def _finish(ax, show):
    fit_letters(ax.figure)
    if show:
        import matplotlib.pyplot as plt

        plt.show()
    return ax


def _photo_axis(ax, image, title, margin=0):
    """Put an image on an axis whose limits are the image's, in continuous pixel coordinates."""
    height, width = image.shape[:2]
    # extent: pixel 0 covers 0..1, so that boxes need no half-pixel shift.
    ax.imshow(_with_colours(image), extent=(0, width, height, 0))
    ax.set(xlim=(-margin, width + margin), ylim=(height + margin, -margin), title=plain(title))
    ax.axis("off")


def _with_colours(image):
    """A picture as matplotlib shows it: RGB; of [H, W], which is shown in the colours of a map, its own values."""
    return image if np.ndim(image) == 2 else as_rgb(image)


def _rectangle(ax, box, color, **style):
    from matplotlib.patches import Rectangle

    y1, x1, y2, x2 = box[:4]
    ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, facecolor="none", edgecolor=color, **style))


def _text(ax, y, x, text, color="white"):
    return ax.text(x, y, plain(text), color=color, size=10, va="top", backgroundcolor=(0, 0, 0, 0.35))


def display_images(images: Sequence[np.ndarray], titles: Sequence[str] | None = None, cols: int = 4,
                   cmap: str | None = None, norm: object = None, interpolation: str | None = None) -> list:
    """Show images in a grid of `cols` columns, and returns the axes, one for each image.

    Args:
        images: list of [H, W, 3] or [H, W].
        titles: list of as many texts or more, or None.
        cols: number of images in a row.
        cmap, norm, interpolation: matplotlib's. Without norm a full mask is as bright as any.

    Raises:
        ValueError: with fewer titles, or for less than one column.
    """
    import matplotlib.pyplot as plt

    if cols < 1:
        raise ValueError(f"display_images: cols={cols} must be 1 or more.")
    titles = [""] * len(images) if titles is None else titles[:len(images)]
    check_same("display_images", titles=titles, images=images)
    rows = max(1, -(-len(images) // cols))
    figure = plt.figure(figsize=(14, 14 * rows / cols))
    axes = []
    for i, (image, title) in enumerate(zip(images, titles)):
        axes.append(figure.add_subplot(rows, cols, i + 1))
        axes[-1].imshow(_with_colours(image), cmap=cmap, norm=norm or ends_of(image), interpolation=interpolation)
        axes[-1].set_title(plain(title), fontsize=9)
        axes[-1].axis("off")
    fit_letters(figure)
    plt.show()
    return axes


def display_instances(image: np.ndarray, boxes: np.ndarray, masks: np.ndarray | Sequence | None, class_ids: np.ndarray,
                      class_names: ClassNames, scores: np.ndarray | None = None, title: str = "",
                      figsize: tuple[int, int] = (16, 16), ax: object = None, show_mask: bool = True,
                      show_bbox: bool = True, colors: Sequence | None = None,
                      captions: Sequence[str] | None = None) -> object:
    """Show the instances of an image: masks, boxes, and captions (name and score unless given).

    Args:
        image: [H, W, 3] values 0..255, the path of a file, or another that `as_rgb` takes.
        boxes: [N, 4] pixels.
        masks: [H, W, N], or a list of N arrays [H, W] or COCO run lengths; None without masks.
        class_ids: [N].
        class_names: names by class id, background first, or {id: name}.
        scores: [N], or None.
        captions: [N or more], or None.
        title: text above the figure.
        figsize: (width, height) of the figure, inches.
        ax: matplotlib axis to draw on; None makes a figure.
        show_mask, show_bbox: whether masks and boxes are drawn.
        colors: [N or more, 3] in 0..1, of which the first N are taken, or None.

    Returns:
        The axis.

    Raises:
        ValueError: if the numbers of instances disagree, masks are of another size than the photo, or a colour lies
            outside 0..1.
    """
    boxes, class_ids = np.asarray(boxes).reshape(-1, 4), np.asarray(class_ids, int).reshape(-1)
    painted = np.array(as_rgb(image))
    count = check_counts(masks, painted.shape[:2] if show_mask else None, boxes=boxes, class_ids=class_ids,
                         scores=scores, at_least={"colors": colors, "captions": captions})
    colors = check_colors(distinct_colors(count) if colors is None else colors)
    if not count:
        print(f"{NOTHING}.")
        title = title or NOTHING
    ax, show = _axis(ax, figsize)
    for i, part in enumerate(mask_parts(masks if show_mask else None, count)):
        if part:
            blend_part(painted, part, 255 * colors[i], 1, 1)
    _photo_axis(ax, painted, title, margin=10)
    texts = []
    for i in range(count):
        if not boxes[i].any():
            continue  # padding
        if show_bbox:
            _rectangle(ax, boxes[i], colors[i], linewidth=2, alpha=0.7, linestyle="dashed")
        caption = caption_of(class_ids[i], class_names, scores, i) if captions is None else captions[i]
        if caption:
            texts.append(_text(ax, boxes[i][0], boxes[i][1], caption))
    spread(ax, texts)
    return _finish(ax, show)


def display_differences(image: np.ndarray, gt_box: np.ndarray, gt_class_id: np.ndarray, gt_mask: np.ndarray,
                        pred_box: np.ndarray, pred_class_id: np.ndarray, pred_score: np.ndarray, pred_mask: np.ndarray,
                        class_names: ClassNames, title: str = "", ax: object = None, show_mask: bool = True,
                        show_box: bool = True, iou_threshold: float = 0.5, score_threshold: float = 0.5) -> object:
    """Show true objects in green and detections in red, each detection with its score and mask IoU.

    The IoU is that with the true object it matches, else the largest with any. score_threshold is handed to
    compute_matches, which says what it does there.

    Returns:
        The axis.
    """
    from mrcnn.evaluation.matching import compute_matches, unpadded_count

    gt_count, count = unpadded_count(gt_box), unpadded_count(pred_box)
    gt_box, gt_class_id, pred_score = np.asarray(gt_box)[:gt_count], gt_class_id[:gt_count], pred_score[:count]
    # compute_matches answers in falling order of score.
    order = np.argsort(-np.asarray(pred_score), kind="stable")
    pred_box, pred_class_id, pred_score = (np.asarray(rows)[order] for rows in (pred_box, pred_class_id, pred_score))
    gt_mask, pred_mask = (mask_planes(masks, np.shape(image)[:2]) for masks in (gt_mask, pred_mask))
    gt_mask, pred_mask = gt_mask[..., :gt_count], pred_mask[..., order]
    _, match, overlaps = compute_matches(gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask,
                                         iou_threshold=iou_threshold, score_threshold=score_threshold)
    ious = [overlaps[i, int(m)] if m >= 0 else overlaps[i].max(initial=0) for i, m in enumerate(match)]
    captions = [""] * len(gt_class_id) + [f"{score:.2f} / {iou:.2f}" for score, iou in zip(pred_score, ious)]
    colors = [(0.0, 1.0, 0.0)] * len(gt_class_id) + [(1.0, 0.0, 0.0)] * len(pred_class_id)
    return display_instances(
        image, np.concatenate([np.reshape(gt_box, (-1, 4)), pred_box.reshape(-1, 4)]),
        np.concatenate([gt_mask, pred_mask], axis=-1), np.concatenate([gt_class_id, pred_class_id]), class_names,
        title=title or "True objects green, detections red\ncaptions: score / IoU", ax=ax, show_mask=show_mask,
        show_bbox=show_box, colors=colors, captions=captions)


def draw_boxes(image: np.ndarray, boxes: np.ndarray | None = None, refined_boxes: np.ndarray | None = None,
               masks: np.ndarray | Sequence | None = None, captions: Sequence[str] | None = None,
               visibilities: Sequence | None = None, title: str = "", ax: object = None) -> object:
    """Show boxes, with lines to what they were refined to.

    Args:
        image: [H, W, 3], values 0..255, or another that `as_rgb` takes.
        boxes, refined_boxes: [N, 4] pixels, or None.
        masks: [H, W, N], or a list of N arrays [H, W] or COCO run lengths, or None.
        captions: [N or more] texts, or None.
        visibilities: [N or more] with 0 grey and dotted, 1 coloured and dotted, 2 coloured and solid; None: all 1.
        title: text above the figure.
        ax: matplotlib axis to draw on; None makes a figure.

    Returns:
        The axis.

    Raises:
        ValueError: if the numbers of instances disagree, or masks are of another size than the photo.
    """
    assert boxes is not None or refined_boxes is not None, "draw_boxes needs boxes or refined_boxes."
    painted = np.array(as_rgb(image))
    count = check_counts(masks, painted.shape[:2], boxes=boxes, refined_boxes=refined_boxes,
                         at_least={"captions": captions, "visibilities": visibilities})
    ax, show = _axis(ax, (12, 12))
    colors, visibilities = distinct_colors(count), [1] * count if visibilities is None else visibilities
    for i, part in enumerate(mask_parts(masks, count)):
        if part:
            blend_part(painted, part, 255 * np.asarray(colors[i]), 1, 1)
    _photo_axis(ax, painted, title, margin=min(50, max(painted.shape) // 10))
    texts = []
    for i in range(count):
        color = colors[i] if visibilities[i] else "gray"
        box = boxes[i] if boxes is not None else refined_boxes[i]
        if not np.any(box):
            continue  # padding
        if boxes is not None:
            _rectangle(ax, box, color, linewidth=2, alpha=1 if visibilities[i] == 2 else 0.5,
                       linestyle="solid" if visibilities[i] == 2 else "dotted")
        if refined_boxes is not None and visibilities[i]:
            refined = np.asarray(refined_boxes[i])
            _rectangle(ax, refined, color, linewidth=2)
            if boxes is not None:
                ax.plot([box[1], refined[1]], [box[0], refined[0]], color=color)
            box = refined
        if captions is not None and captions[i]:
            texts.append(_text(ax, box[0], box[1], captions[i]))
    spread(ax, texts)
    return _finish(ax, show)


def draw_rois(image: np.ndarray, rois: np.ndarray, refined_rois: np.ndarray, mask: np.ndarray, class_ids: np.ndarray,
              class_names: ClassNames, limit: int = 10, ax: object = None) -> object:
    """Show regions, negative ones grey, positive ones with their refined box, class and mask.

    Args:
        image: [H, W, 3], values 0..255.
        rois, refined_rois: [R, 4] pixels.
        mask: [R, h, w] in 0..1, each spread over its region.
        class_ids: [R], 0 = background.
        class_names: names by class id, background first, or {id: name}.
        limit: most regions that are shown, evenly spread over all.
        ax: matplotlib axis to draw on; None makes a figure.

    Returns:
        The axis.
    """
    from mrcnn.data.masks import paste_mask

    rois, class_ids = np.asarray(rois, float), np.asarray(class_ids, int)
    positive = int((class_ids > 0).sum())
    print(f"Regions: {positive} positive, {len(rois) - positive} negative, ratio {positive / max(len(rois), 1):.2f}")
    ids = np.unique(np.linspace(0, len(rois) - 1, min(limit, len(rois))).round().astype(int))
    masks = np.zeros(np.shape(image)[:2] + (len(ids),), bool)
    for k, i in enumerate(ids):
        if class_ids[i] > 0:
            crop, (y, x) = paste_mask(np.asarray(mask[i], np.float32), rois[i, :4], masks.shape[:2])
            masks[y:y + crop.shape[0], x:x + crop.shape[1], k] = crop
    captions = [caption_of(class_ids[i], class_names, None, i) if class_ids[i] > 0 else "" for i in ids]
    return draw_boxes(image, rois[ids], np.asarray(refined_rois, float)[ids], masks, captions,
                      [1 if class_ids[i] > 0 else 0 for i in ids], f"{len(ids)} of {len(rois)} regions", ax)


def display_top_masks(image: np.ndarray, mask: np.ndarray | Sequence, class_ids: np.ndarray, class_names: ClassNames,
                      limit: int = 4) -> list:
    """Show an image and, beside it, the masks of its `limit` classes of largest area.

    Args:
        image: [H, W, 3], values 0..255.
        mask: [H, W, N], or a list of N arrays [H, W] or COCO run lengths.
        class_ids: [N]. Instances of a class get different shades.
        class_names: names by class id, background first, or {id: name}.
        limit: number of classes.

    Returns:
        The axes.
    """
    from matplotlib.colors import Normalize

    mask, class_ids = bool_masks(mask_planes(mask, np.shape(image)[:2])), np.asarray(class_ids, int)
    areas = {c: mask[..., class_ids == c].sum() for c in np.unique(class_ids)}
    top = [c for c in sorted(areas, key=lambda c: -areas[c]) if areas[c]][:limit]
    panels = [(image, f"H x W = {image.shape[0]} x {image.shape[1]}")]
    panels += [(shaded(mask[..., class_ids == c]), caption_of(c, class_names, None, 0)) for c in top]
    panels += [(np.zeros(image.shape[:2]), "-")] * (limit - len(top))
    images, titles = zip(*panels)
    return display_images(images, titles, cols=limit + 1, cmap="Blues_r", norm=Normalize(0, 1))


def plot_precision_recall(AP: float, precisions: np.ndarray, recalls: np.ndarray, ax: object = None) -> object:
    """Plot precision over recall with the AP as its title.

    Returns:
        The axis.
    """
    ax, show = _axis(ax, (6, 5))
    ax.plot(recalls, precisions)
    ax.set(xlim=(0, 1.05), ylim=(0, 1.05), xlabel="recall", ylabel="precision")
    ax.set_title(f"Precision-recall, AP@50 = {AP:.3f}")
    return _finish(ax, show)


def plot_overlaps(gt_class_ids: np.ndarray, pred_class_ids: np.ndarray, pred_scores: np.ndarray, overlaps: np.ndarray,
                  class_names: ClassNames, threshold: float = 0.5, ax: object = None) -> object:
    """Show the IoU of every detection (row) with every true object (column), and which pairs match.

    Args:
        gt_class_ids: [G].
        pred_class_ids, pred_scores: [N].
        overlaps: [N, G]; a pair of at least `threshold` says "match" if the classes agree, else "wrong".
        class_names: names by class id, background first, or {id: name}.
        threshold: least IoU of a match.
        ax: matplotlib axis to draw on; None makes a figure.

    Returns:
        The axis.
    """
    gt_class_ids, pred_class_ids = np.asarray(gt_class_ids, int), np.asarray(pred_class_ids, int)
    pairs = (len(pred_class_ids), len(gt_class_ids))
    overlaps = np.asarray(overlaps, float).reshape(pairs)
    ax, show = _axis(ax, (12, 10))
    if not overlaps.size:
        ax.set_title(f"{pairs[0]} detections, {pairs[1]} true objects: no overlaps to show")
        return _finish(ax, show)
    ax.imshow(overlaps, interpolation="nearest", cmap="Blues", vmin=0, vmax=1)
    detected = [plain(caption_of(c, class_names, pred_scores, i)) for i, c in enumerate(pred_class_ids)]
    ax.set_yticks(range(pairs[0]), detected)
    ax.set_xticks(range(pairs[1]), [plain(caption_of(c, class_names, None, 0)) for c in gt_class_ids], rotation=90)
    for (i, j), overlap in np.ndenumerate(overlaps):
        verdict = "match" if gt_class_ids[j] == pred_class_ids[i] else "wrong"
        text = f"{overlap:.2f}\n{verdict}" if overlap >= threshold else f"{overlap:.2f}" if overlap >= 0.005 else ""
        ax.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if overlap > 0.5 else "black")
    ax.set(xlabel="true objects", ylabel="detections", title="Mask IoU")
    return _finish(ax, show)


# --- Tables ---------------------------------------------------------------------------------------------------
def display_table(table: Sequence[Sequence]) -> str:
    """Print a table, or shows it as HTML in a notebook, and returns its text.

    Args:
        table: rows of cells; the first row is the head.

    Raises:
        ValueError: for a row of more or fewer cells than the head.
    """
    rows = [[str(cell) for cell in row] for row in table]
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(f"display_table: row {number} has {len(row)} cells, the head {len(rows[0])}: give each "
                             "row as many, '' for an empty one.")
    widths = [max(map(len, column)) for column in zip(*rows)]
    text = "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
    if _in_notebook():
        from IPython.display import HTML, display

        cells = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
        display(HTML(f"<table>{cells}</table>"))
    else:
        print(text)
    return text


def _in_notebook():
    """Whether a notebook's kernel runs this program: IPython alone, or imported by someone, shows no HTML."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


def display_weight_stats(model: object) -> list[list[str]]:
    """Show minimum, maximum and std of every weight and marks those that look dead.

    Args:
        model: anything with get_trainable_layers(), as MaskRCNN has, or with layers, as a Keras model has.

    Returns:
        The table's rows.
    """
    table = [["weight", "shape", "min", "max", "std"]]
    for label, layer in layers_of(model):
        for name, values in weights_of(layer).items():
            # Biases and shifts start at zero and may stay there; a kernel of one value never learned.
            dead = values.size > 1 and values.min() == values.max() and name.split("/")[-1] in KERNELS
            table.append([f"{label}/{name}{' *** dead?' if dead else ''}", str(tuple(values.shape)),
                          f"{values.min():+.4f}", f"{values.max():+.4f}", f"{values.std():.4f}"])
    display_table(table)
    return table
