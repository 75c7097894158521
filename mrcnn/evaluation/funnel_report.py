"""A diagnosis as a screenful of text, and as a figure."""

import textwrap
from collections.abc import Sequence

import numpy as np

from mrcnn.evaluation.figures import BOXES, GREY, MASKS, THIRD, _count, _figure, _short
from mrcnn.evaluation.findings import percent
from mrcnn.evaluation.funnel import SIZES, STEPS
from mrcnn.files import plain, text_table

WIDTH = 118  # characters of a line
MOST_LINES = 12  # classes of the table on the screen; diagnose.json has all
MOST_DRAWN = 30  # classes of the figure
NOTHING_WRONG = "Nothing is wrong that can be seen here."

# --- Text ------------------------------------------------------------------------------------------------------------


def diagnosis_text(diagnosis: dict, findings: Sequence) -> str:
    """The funnel, the classes that lose most, the scores, and what it comes to.

    Args:
        diagnosis: as `mrcnn.evaluation.findings` describes it.
        findings: list of Finding.
    """
    head = (f"{_count(diagnosis['photos'], 'photo')}, {_count(diagnosis['objects'], 'object')}, canvas of "
            f"{diagnosis['image_size']} pixels. How far the objects come\n(what comes to a step counts as "
            "through all before it: a weaker anchor may do; the anchors' own recall is below):")
    parts = [f"{head}\n\n{_steps_table(diagnosis)}", _classes_table(diagnosis), _numbers(diagnosis)]
    return "\n\n".join([*filter(None, parts), f"FINDINGS\n{findings_text(findings)}"])


def findings_text(findings: Sequence) -> str:
    """Numbered sentences with their remedies, wrapped."""
    lines = []
    for number, finding in enumerate(findings, 1):
        if lines and finding.weight <= 1 < findings[number - 2].weight:
            lines.append("What follows may come of what is above: mend that first.")
        lines.append(textwrap.fill(finding.text, WIDTH, initial_indent=f"{number}. ", subsequent_indent="   "))
        lines.append(textwrap.fill(f"-> {finding.remedy}", WIDTH, initial_indent="   ", subsequent_indent="      ",
                                   break_on_hyphens=False, break_long_words=False))
    return "\n".join(lines) or NOTHING_WRONG


def _steps_table(d):
    rows = [["step", "objects", "", "lost here", *SIZES]]
    for step in d["steps"]:
        rows.append([step["name"], step["passed"], percent(step["passed"], d["objects"]), step["lost"] or "",
                     *(percent(step["sizes"][size], d["sizes"][size]) if d["sizes"][size] else "" for size in SIZES)])
    return text_table(rows)


def _classes_table(d):
    """Classes by the number of objects that they lose, most first."""
    known = [entry for entry in d["classes"] if entry["objects"]]
    known.sort(key=lambda entry: entry["passed"][-1] - entry["objects"])
    rows = [["class", "objects", "come through", "", "most are lost at"]]
    for entry in known[:MOST_LINES]:
        lost = -np.diff(entry["passed"])
        worst = d["steps"][1 + int(lost.argmax())]["name"] if lost.any() else ""
        rows.append([_short(entry["name"]), entry["objects"], entry["passed"][-1],
                     percent(entry["passed"][-1], entry["objects"]), f"{worst} ({lost.max()})" if worst else ""])
    if len(known) > MOST_LINES:
        rows.append([f"... {len(known) - MOST_LINES} more, in diagnose.json", "", "", "", ""])
    return text_table(rows) if known else ""


def _numbers(d):
    """Recall of anchors and proposals, the histogram of scores, pixels."""
    anchors, proposals, scores, pixels = (d[key] for key in ("anchors", "proposals", "scores", "pixels"))
    lines = []
    if d["objects"]:
        recall = ", ".join(f"{value:.2f} at IoU {iou}" for iou, value in anchors["recall"].items())
        lines.append(f"recall of the anchors {recall}; of the first 100 proposals {proposals['recall_first']:.2f}, of "
                     f"all {proposals['number']:.0f} {proposals['recall']:.2f}")
    mean, own = (" ".join(f"{value:.0f}" for value in pixels[key]) for key in ("mean", "mean_pixel"))
    lines.append(f"pixels {pixels['min']:.0f}..{pixels['max']:.0f}, mean {mean}; MEAN_PIXEL {own}")
    tenths = np.add.reduceat
    edges = np.array(scores["edges"])
    width = max(1, (len(edges) - 1) // 10)
    starts = np.arange(0, len(edges) - 1, width)
    rows = [["scores from", *(f"{edges[start]:.1f}" for start in starts)]]
    rows += [[name, *tenths(np.array(scores[key]), starts)] for key, name in
             (("hits", "hits"), ("false_alarms", "false alarms"))]
    return "\n".join(lines) + "\n\n" + text_table(rows)


# --- Figure ----------------------------------------------------------------------------------------------------------


def diagnosis_figure(diagnosis: dict, title: str = "") -> object:
    """The funnel, its steps by class, and the scores of hits and false alarms.

    Returns:
        The matplotlib Figure.
    """
    shown = [entry for entry in diagnosis["classes"] if entry["objects"]]
    shown = sorted(shown, key=lambda entry: -entry["objects"])[:MOST_DRAWN]
    figure = _figure(15, max(7, 2.6 + 0.22 * len(shown)))
    figure.suptitle(f"{plain(title)}: {_count(diagnosis['photos'], 'photo')}, {_count(diagnosis['objects'], 'object')}"
                    if title else _count(diagnosis["objects"], "object"), fontsize=13)
    left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1))  # names of steps below the one leave the other alone
    above, below = left.subplots(2, 1)
    _draw_funnel(above, diagnosis)
    _draw_scores(below, diagnosis)
    _draw_classes(right.subplots(), diagnosis, shown)
    return figure


def _draw_funnel(ax, d):
    total, positions = max(d["objects"], 1), np.arange(len(STEPS))
    shares = [step["passed"] / total for step in d["steps"]]
    lost = [step["lost"] / total for step in d["steps"]]
    ax.barh(positions, shares, color=MASKS, height=0.72)
    ax.barh(positions, lost, left=shares, color=BOXES, height=0.72, alpha=0.6, label="lost here")
    for position, step in zip(positions, d["steps"]):
        text = f"{step['passed']}" + (f"  (-{step['lost']})" if step["lost"] else "")
        ax.text(1.03, position, text, va="center", fontsize=9)
    for size, colour in zip(SIZES, (THIRD, GREY, "black")):
        if d["sizes"][size]:
            ax.plot([step["sizes"][size] / d["sizes"][size] for step in d["steps"]], positions, ".:", color=colour,
                    linewidth=1, label=f"{size} ({d['sizes'][size]})")
    ax.set_yticks(positions, [step["name"] for step in d["steps"]], fontsize=9)
    ax.invert_yaxis()
    ax.set(xlim=(0, 1.2), title="how far the objects come")
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %" if value <= 1.001 else "")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.45, -0.1), ncols=4)


def _draw_scores(ax, d):
    scores, confidence = d["scores"], d["settings"]["DETECTION_MIN_CONFIDENCE"]
    hits, false_alarms = scores["hits"], scores["false_alarms"]
    ax.stairs(hits, scores["edges"], fill=True, color=MASKS, alpha=0.75, label=f"hits ({sum(hits)})")
    ax.stairs(false_alarms, scores["edges"], color=BOXES, linewidth=2, label=f"false alarms ({sum(false_alarms)})")
    ax.axvline(confidence, color="black", linestyle="--", linewidth=1, zorder=3,  # seen where the two are one
               label=f"DETECTION_MIN_CONFIDENCE {confidence:g}")
    if scores["best"]:
        ax.axvline(scores["best"]["threshold"], color=THIRD, linewidth=1.5,
                   label=f"best F1 {scores['best']['F1']:.2f} at {scores['best']['threshold']:.2f}")
    ax.set_yscale("symlog", linthresh=1)
    ax.set(xlim=(0, 1), ylim=(0, None), xlabel="score", ylabel="detections", title="scores of the detections")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.45, -0.16), ncols=4)


def _draw_classes(ax, d, shown):
    ax.set_title("share of each class that comes so far")
    if not shown:
        ax.set(xticks=[], yticks=[])
        ax.text(0.5, 0.5, "no objects", ha="center", va="center", transform=ax.transAxes, color=GREY)
        return
    shares = np.array([np.array(entry["passed"]) / entry["objects"] for entry in shown])
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        ax.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8,
                color="white" if share > 0.55 else "black")
    ax.set_xticks(range(len(STEPS)), [step["name"] for step in d["steps"]], rotation=40, ha="right", fontsize=8)
    names = [f"{plain(_short(entry['name']))} ({entry['objects']})" for entry in shown]
    ax.set_yticks(range(len(shown)), names, fontsize=9)
    ax.tick_params(length=0)
