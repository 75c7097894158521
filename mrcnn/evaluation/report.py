"""The files of an evaluation: its numbers as JSON, and a report as one HTML file with nothing from elsewhere."""

import html
import math
import os
from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.evaluation import figures
from mrcnn.evaluation.coco import MOST_DETECTIONS, NUMBERS, crowding_text, recall_name
from mrcnn.evaluation.html_page import drawn, number, page, picture, table, write_page
from mrcnn.evaluation.partly_labelled import partly_text
from mrcnn.evaluation.tables import attributes_line, ranked_attributes, ranked_classes
from mrcnn.files import json_text, write_texts

MEANING = {
    "AP": "mean of IoU 0.50 to 0.95", "AP50": "IoU 0.50", "AP75": "IoU 0.75", "AP_small": "AP, under 32\u00b2 pixels",
    "AP_medium": "AP, 32\u00b2 to 96\u00b2 pixels", "AP_large": "AP, over 96\u00b2 pixels",
    "AR_1": "recall, 1 detection a photo and class", "AR_10": "recall, 10 detections",
    "AR_100": "recall, 100 detections", "AR_small": "recall, under 32\u00b2 pixels",
    "AR_medium": "recall, 32\u00b2 to 96\u00b2 pixels", "AR_large": "recall, over 96\u00b2 pixels",
}
CAUSES = {
    "classification": "the right place (IoU at least 0.50), the wrong class",
    "localisation": "the right class in the wrong place (IoU 0.10 to 0.50)",
    "both": "wrong class and wrong place",
    "duplicate": "another detection has the object already",
    "background": "nothing is there (IoU under 0.10)",
    "missed": "an object that no detection finds or means",
}

# Long lists: they go into a file of their own, so that metrics.json can be read by eye.
LONG = ("curves", "thresholds", "confusion")
DECIMALS = 5  # of these lists
FILES = ("metrics.json", "curves.json", "detections.json", "ground_truth.json", "report.html")  # the report is last


def write_report(folder: str | os.PathLike, metrics: dict, results: Sequence[dict], ground_truth: dict[str, list],
                 html: bool = True,
                 pictures: Sequence[tuple[str, np.ndarray]] | Callable[[], Sequence[tuple[str, np.ndarray]]] = (),
                 title: str = "Evaluation") -> None:
    """Write all that was measured into a folder: the numbers, together or none, and then the report, which is drawn.

    metrics.json; curves.json, its long lists ("curves", "thresholds", "confusion"); detections.json (COCO results);
    ground_truth.json (COCO annotations); report.html, all of it to look at. An undefined number is null; "undefined" in
    metrics.json says why.

    Args:
        folder: where the files go; it is made.
        metrics, results, ground_truth: of `evaluate`.
        html: False leaves report.html out.
        pictures: for report.html, list of (title, uint8 [H, W, 3]), or a function that gives it, called after the
            numbers are written.
        title: its heading.
    """
    curves = _rounded({name: metrics[name] for name in LONG if name in metrics})
    short = {name: value for name, value in metrics.items() if name not in LONG}
    texts = [json_text(short, 2), *(json_text(value, None) for value in (curves, results, ground_truth))]
    write_texts(folder, dict(zip(FILES, texts)))
    if html:
        write_page(os.path.join(folder, FILES[-1]),
                   lambda: report_html(metrics, pictures() if callable(pictures) else pictures, title))


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, DECIMALS) if isinstance(value, float) else value


def report_html(metrics: dict, pictures: Sequence[tuple[str, np.ndarray]] = (), title: str = "Evaluation") -> str:
    """The report of what `evaluate.measure` returned, as the text of an HTML file.

    Args:
        metrics: of `evaluate.measure`.
        pictures: list of (title, uint8 [H, W, 3]).
        title: heading.
    """
    sections = [
        _head(metrics, title), _numbers(metrics), _classes(metrics), _attributes(metrics), _curves(metrics),
        _threshold(metrics), _confusion(metrics), _errors(metrics), _pictures(pictures),
    ]
    return page(title, sections)


# --- Parts -----------------------------------------------------------------------------------------------------------


def _head(metrics, title):
    best = metrics["best"]
    text = (f"Best score threshold {best['threshold']:.2f}: F1 {best['F1']:.3f}, precision {best['precision']:.3f}, "
            f"recall {best['recall']:.3f} (masks, IoU 0.50, all classes together)." if best
            else "No detection is correct at mask IoU 0.50, so no score threshold is better than another.")
    return (f"<h1>{html.escape(title)}</h1>\n<p class=note>{metrics['images']} photos, {metrics['objects']} objects, "
            f"{metrics['detections']} detections, {len(metrics['classes'])} classes</p>\n<p>{text}</p>")


def _numbers(metrics):
    rows = [[name, MEANING[name], number(metrics["segm"][name]), number(metrics["bbox"][name])] for name in NUMBERS]
    note = _undefined(metrics, NUMBERS)
    head, more = ["", "", "masks", "boxes"], metrics.get("more")
    if more:
        most = more["max_detections"]
        head += [f"{kind}, {most} detections" for kind in ("masks", "boxes")]
        for row in rows:
            row += [number(more[kind][row[0]]) for kind in ("segm", "bbox")]
            if row[0] == "AR_100" and most != MOST_DETECTIONS:
                row[:2] = f"AR_100, {recall_name(most)}", f"{MEANING['AR_100']}, on the right {most}"
    limits = more or {"crowding": metrics.get("crowding"), "max_detections": MOST_DETECTIONS}
    cut = crowding_text(limits["crowding"], limits["max_detections"]) if limits["crowding"] else ""
    partly = partly_text(metrics["partly_labelled"]) if "partly_labelled" in metrics else ""
    note += "".join(f"<p class=note>{html.escape(text)}</p>" for text in (cut, partly) if text)
    return "<h2>COCO numbers</h2>\n" + table(head, rows) + note


def _undefined(metrics, names):
    """Why numbers of some names are a dash, as HTML; "" where none is."""
    reasons = {reason for kind in metrics["undefined"].values() for name, reason in kind.items() if name in names}
    return f"<p class=note>Undefined (\u2013): {html.escape('; '.join(sorted(reasons)))}.</p>" if reasons else ""


def _classes(metrics):
    head = ["class", "objects", "detections", "AP", "AP50", "AP75", "box AP", "best F1", "at score", *CAUSES]
    rows, shares = [], []
    for entry in ranked_classes(metrics):
        best, lost = entry["best"], 0 if entry["objects"] else math.nan
        rows.append([
            entry["name"], entry["objects"], entry["detections"],
            *(number(entry["segm"][name]) for name in ("AP", "AP50", "AP75")), number(entry["bbox"]["AP"]),
            number(best["F1"] if best else lost), f"{best['threshold']:.2f}" if best else "\u2013",
            *(entry["errors"][cause] for cause in CAUSES),
        ])
        shares.append(entry["segm"]["AP"])
    return ("<h2>Classes</h2>\n<p>From the highest mask AP to the lowest; AP and errors are of masks, errors at all "
            "scores. A class without true objects has no AP and is left out of every mean.</p>\n<div class=scroll>"
            + table(head, rows, {"AP": shares}) + "</div>")


def _attributes(metrics):
    found = metrics.get("attributes")
    if not found:
        return ""
    ranked = ranked_attributes(found)
    rows = [[row["name"], row["objects"], number(row["AP"]), number(row["F1"]),
             "\u2013" if row["threshold"] is None else f"{row['threshold']:.2f}"] for row in ranked]
    joint = [[name, number(value)] for name, value in found["AP_IoU+F1"].items()]
    return (f"<h2>Attributes</h2>\n<p>{html.escape(attributes_line(found))}.</p>\n"
            "<p>AP and F1 of each attribute, of the objects that a detection of their class found (mask IoU 0.50), "
            "from the highest AP to the lowest.</p>\n"
            "<div class=scroll>" + table(["attribute", "objects", "AP", "best F1", "at score"], rows,
                                         {"AP": [row["AP"] for row in ranked]}) + "</div>\n"
            "<p>AP_IoU+F1 (Fashionpedia): a detection is correct if its mask and its attributes are.</p>\n"
            + table(["thresholds", "AP_IoU+F1"], joint))


def _curves(metrics):
    return ("<h2>Precision and recall</h2>\n<p>Precision made falling and read at COCO's 101 recalls; the mean height "
            "of a curve is its AP.</p>\n"
            + drawn(figures.precision_recall_figure(metrics), "Mean of the classes that have true objects.")
            + drawn(figures.class_curves_figure(metrics), "Masks, each class."))


def _threshold(metrics):
    return ("<h2>Score threshold</h2>\n<p>What remains of the detections if only those are kept that score at "
            "least the threshold. F1, precision and recall count all classes together, AP50 is their mean.</p>\n"
            + drawn(figures.threshold_figure(metrics), "Masks at IoU 0.50."))


def _confusion(metrics):
    wide = len(metrics["classes"]) > figures.MOST_WRITTEN  # as wide as the window allows
    return ("<h2>Confusion</h2>\n<p>Detections above the threshold take true objects in order of score, each the "
            "free one of highest mask IoU, if that is at least 0.50, whatever the classes. A detection that takes none "
            "is in the row of the background, an object that none takes in its column. Crowds do not count. Numbers "
            "are percent; grey is a class that has none.</p>\n"
            + drawn(figures.confusion_figure(metrics, "of_objects"), "What became of each class's objects.", wide)
            + drawn(figures.confusion_figure(metrics, "of_detections"), "What each class's detections were.", wide))


def _errors(metrics):
    rows = []
    for cause, meaning in CAUSES.items():
        masks, boxes = (metrics["errors"][kind]["causes"][cause] for kind in ("segm", "bbox"))
        rows.append([cause, meaning, masks["count"], number(masks["dAP"]), boxes["count"], number(boxes["dAP"])])
    for name, meaning in (("false_positives", "all detections that are not correct, removed"),
                          ("false_negatives", "all objects not found, not asked for")):
        masks, boxes = (metrics["errors"][kind][name] for kind in ("segm", "bbox"))
        rows.append([name.replace("_", " "), meaning, masks["count"], number(masks["dAP"]), boxes["count"],
                     number(boxes["dAP"])])
    return ("<h2>Errors by cause</h2>\n<p>After TIDE (Bolya et al. 2020): why a detection is no correct one, and how "
            "far AP50 would rise if the errors of this cause alone were mended. Gains do not add up. Misses are "
            "mended by not asking for the objects; a class that is left with none keeps AP 0, so they show in the "
            "number and not in the gain.</p>\n"
            + drawn(figures.errors_figure(metrics), "Left: what each cause costs. Right: how many errors there are.")
            + table(["cause", "", "masks", "gain", "boxes", "gain"], rows)
            + _undefined(metrics, [f"gain of {row[0]}" for row in rows]))


def _pictures(pictures):
    if not pictures:
        return ""
    return "<h2>Photos</h2>\n" + "\n".join(picture(pixels, title) for title, pixels in pictures)
