"""The files of an evaluation: its numbers as JSON, and a report as one HTML file with nothing from elsewhere."""

import base64
import html
import io
import math
import os
from collections.abc import Sequence

import numpy as np

from mrcnn.evaluation import figures
from mrcnn.evaluation.coco import MOST_DETECTIONS, NUMBERS, crowding_text
from mrcnn.evaluation.tables import ranked_classes
from mrcnn.files import json_text, whole_files

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c232b; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
p { max-width: 760px; } .note { color: #5b6672; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #e3e7ec; }
th { font-weight: 600; background: #f4f6f9; } th:first-child, td:first-child { text-align: left; }
td.bar { background: linear-gradient(90deg, #cfdff1 var(--share), transparent 0); }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; } figcaption { color: #5b6672; }
.scroll { overflow-x: auto; font-size: 13px; } .scroll th, .scroll td { padding: .2rem .42rem; }
.wide { width: min(96vw, 1800px); margin-left: calc(50% - min(48vw, 900px)); }
"""
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
                 html: bool = True, pictures: Sequence[tuple[str, np.ndarray]] = (), title: str = "Evaluation") -> None:
    """Write all that was measured into a folder, all files together or none.

    metrics.json; curves.json, its long lists ("curves", "thresholds", "confusion"); detections.json (COCO results);
    ground_truth.json (COCO annotations); report.html, all of it to look at. An undefined number is null; "undefined" in
    metrics.json says why.

    Args:
        folder: where the files go; it is made.
        metrics, results, ground_truth: of `evaluate`.
        html: False leaves report.html out.
        pictures: for report.html, list of (title, uint8 [H, W, 3]).
        title: its heading.
    """
    curves = _rounded({name: metrics[name] for name in LONG if name in metrics})
    short = {name: value for name, value in metrics.items() if name not in LONG}
    texts = [json_text(short, 2), *(json_text(value, None) for value in (curves, results, ground_truth))]
    if html:
        texts.append(report_html(metrics, pictures, title))
    with whole_files(*(os.path.join(folder, name) for name in FILES[:len(texts)])) as partials:
        for partial, text in zip(partials, texts):
            with open(partial, "wb") as file:
                file.write(text.encode("utf-8", errors="backslashreplace"))


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
        _head(metrics, title), _numbers(metrics), _classes(metrics), _curves(metrics), _threshold(metrics),
        _confusion(metrics), _errors(metrics), _pictures(pictures),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(filter(None, sections)) + "\n</body>\n</html>\n"
    )


# --- Parts -----------------------------------------------------------------------------------------------------------


def _head(metrics, title):
    best = metrics["best"]
    text = (f"Best score threshold {best['threshold']:.2f}: F1 {best['F1']:.3f}, precision {best['precision']:.3f}, "
            f"recall {best['recall']:.3f} (masks, IoU 0.50, all classes together)." if best
            else "No detection is correct at mask IoU 0.50, so no score threshold is better than another.")
    return (f"<h1>{html.escape(title)}</h1>\n<p class=note>{metrics['images']} photos, {metrics['objects']} objects, "
            f"{metrics['detections']} detections, {len(metrics['classes'])} classes</p>\n<p>{text}</p>")


def _numbers(metrics):
    rows = [[name, MEANING[name], _number(metrics["segm"][name]), _number(metrics["bbox"][name])] for name in NUMBERS]
    reasons = {reason for kind in metrics["undefined"].values() for reason in kind.values()}
    note = f"<p class=note>Undefined (\u2013): {html.escape('; '.join(sorted(reasons)))}.</p>" if reasons else ""
    head, more = ["", "", "masks", "boxes"], metrics.get("more")
    if more:
        head += [f"{kind}, {more['max_detections']} detections" for kind in ("masks", "boxes")]
        for row in rows:
            row += [_number(more[kind][row[0]]) for kind in ("segm", "bbox")]
    cut = crowding_text(metrics["crowding"], MOST_DETECTIONS) if "crowding" in metrics else ""
    note += f"<p class=note>{html.escape(cut)}</p>" if cut else ""
    return "<h2>COCO numbers</h2>\n" + _table(head, rows) + note


def _classes(metrics):
    head = ["class", "objects", "detections", "AP", "AP50", "AP75", "box AP", "best F1", "at score", *CAUSES]
    rows, shares = [], []
    for entry in ranked_classes(metrics):
        best, lost = entry["best"], 0 if entry["objects"] else math.nan
        rows.append([
            entry["name"], entry["objects"], entry["detections"],
            *(_number(entry["segm"][name]) for name in ("AP", "AP50", "AP75")), _number(entry["bbox"]["AP"]),
            _number(best["F1"] if best else lost), f"{best['threshold']:.2f}" if best else "\u2013",
            *(entry["errors"][cause] for cause in CAUSES),
        ])
        shares.append(entry["segm"]["AP"])
    return ("<h2>Classes</h2>\n<p>From the highest mask AP to the lowest; AP and errors are of masks, errors at all "
            "scores. A class without true objects has no AP and is left out of every mean.</p>\n<div class=scroll>"
            + _table(head, rows, shares) + "</div>")


def _curves(metrics):
    return ("<h2>Precision and recall</h2>\n<p>Precision made falling and read at COCO's 101 recalls; the mean height "
            "of a curve is its AP.</p>\n"
            + _figure(figures.precision_recall_figure(metrics), "Mean of the classes that have true objects.")
            + _figure(figures.class_curves_figure(metrics), "Masks, each class."))


def _threshold(metrics):
    return ("<h2>Score threshold</h2>\n<p>What remains of the detections if only those are kept that score at "
            "least the threshold. F1, precision and recall count all classes together, AP50 is their mean.</p>\n"
            + _figure(figures.threshold_figure(metrics), "Masks at IoU 0.50."))


def _confusion(metrics):
    wide = len(metrics["classes"]) > figures.MOST_WRITTEN  # as wide as the window allows
    return ("<h2>Confusion</h2>\n<p>Detections above the threshold take true objects in order of score, each the "
            "free one of highest mask IoU, if that is at least 0.50, whatever the classes. A detection that takes none "
            "is in the row of the background, an object that none takes in its column. Crowds do not count. Numbers "
            "are percent; grey is a class that has none.</p>\n"
            + _figure(figures.confusion_figure(metrics, "of_objects"), "What became of each class's objects.", wide)
            + _figure(figures.confusion_figure(metrics, "of_detections"), "What each class's detections were.", wide))


def _errors(metrics):
    rows = []
    for cause, meaning in CAUSES.items():
        masks, boxes = (metrics["errors"][kind]["causes"][cause] for kind in ("segm", "bbox"))
        rows.append([cause, meaning, masks["count"], _number(masks["dAP"]), boxes["count"], _number(boxes["dAP"])])
    for name, meaning in (("false_positives", "all detections that are not correct, removed"),
                          ("false_negatives", "all objects not found, not asked for")):
        masks, boxes = (metrics["errors"][kind][name] for kind in ("segm", "bbox"))
        rows.append([name.replace("_", " "), meaning, masks["count"], _number(masks["dAP"]), boxes["count"],
                     _number(boxes["dAP"])])
    return ("<h2>Errors by cause</h2>\n<p>After TIDE (Bolya et al. 2020): why a detection is no correct one, and how "
            "far AP50 would rise if the errors of this cause alone were mended. Gains do not add up.</p>\n"
            + _figure(figures.errors_figure(metrics), "Left: what each cause costs. Right: how many errors there are.")
            + _table(["cause", "", "masks", "gain", "boxes", "gain"], rows))


def _pictures(pictures):
    if not pictures:
        return ""
    return "<h2>Photos</h2>\n" + "\n".join(
        f'<figure><img alt="{html.escape(title)}" src="data:image/jpeg;base64,{_jpeg(picture)}">'
        f"<figcaption>{html.escape(title)}</figcaption></figure>"
        for title, picture in pictures
    )


# --- Pieces of HTML --------------------------------------------------------------------------------------------------


def _number(value):
    return "\u2013" if math.isnan(value) else f"{value:.3f}"


def _table(head, rows, shares=None):
    """A table of escaped cells. shares: 0..1 for each row, drawn as a bar in the cell under "AP"."""
    lines = ["<table>", "<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>"]
    for i, row in enumerate(rows):
        cells = []
        for name, cell in zip(head, row):
            bar = shares is not None and name == "AP" and not math.isnan(shares[i])
            style = f' class=bar style="--share:{100 * shares[i]:.1f}%"' if bar else ""
            text = ' style="text-align:left"' if name == "" else ""
            cells.append(f"<td{style}{text}>{html.escape(str(cell))}</td>")
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "\n".join(lines + ["</table>"])


def _figure(figure, caption, wide=False):
    data = base64.b64encode(figures.png(figure)).decode("ascii")
    text = html.escape(caption)
    opening = "<figure class=wide>" if wide else "<figure>"
    return f'{opening}<img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>\n'


def _jpeg(picture):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
