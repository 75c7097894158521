"""The files of an evaluation of label maps: numbers as JSON, a table of the photos, a report as one HTML file."""

import csv
import html
import io
import math
import os
from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.evaluation import figures
from mrcnn.evaluation.html_page import drawn, legend, number, page, picture, table, write_page
from mrcnn.evaluation.pixels import BOUNDARY_TOLERANCE, FIGURES, badness, confused_pairs
from mrcnn.files import json_text, write_texts

# Beside the report of objects: a network of objects may be measured both ways into one folder.
PIXEL_FILES = ("pixels.json", "pixels.csv", "pixels.html")  # the report is last
NUMBERS = {
    "mean_iou": "mean IoU, background too", "mean_iou_without_background": "mean IoU, without background",
    "mean_boundary_f": "boundary F, without background", "pixel_accuracy": "pixel accuracy",
    "frequency_weighted_iou": "IoU weighted by the true pixels of each class",
}
PANELS = ("photo", "truth", "label", "difference")


def write_pixel_report(folder: str | os.PathLike, metrics: dict, photos: Sequence[dict],
                       sheets: Sequence[dict] | Callable[[], Sequence[dict]] = (), html: bool = True,
                       title: str = "Evaluation", colours: Sequence[tuple] = ()) -> None:
    """Write all that was measured of label maps into a folder: the numbers, together or none, and then the report.

    pixels.json; pixels.csv, a row for each photo, the worst first; pixels.html, all of it to look at. An undefined
    number is null, or an empty cell; "undefined" in pixels.json says why.

    Args:
        folder: where the files go; it is made.
        metrics: of `PixelConfusion.metrics`; "measured", {what: how}, may tell how label maps were made.
        photos: for each photo {"photo": name, "ignored_pixels"} and its `photo_figures`.
        sheets, title, colours: as for `pixel_report_html`; a function that gives the sheets is called after the numbers
            are written.
        html: False leaves pixels.html out.
    """
    texts = [json_text(metrics, 2), photos_csv([entry["name"] for entry in metrics["classes"]], photos)]
    write_texts(folder, dict(zip(PIXEL_FILES, texts)))
    if html:
        write_page(os.path.join(folder, PIXEL_FILES[-1]),
                   lambda: pixel_report_html(metrics, sheets() if callable(sheets) else sheets, title, colours))


def photos_csv(class_names: Sequence[str], photos: Sequence[dict]) -> str:
    """The text of a CSV file with a row for each photo, the worst first.

    Args:
        class_names: by class id.
        photos: as for `write_pixel_report`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["photo", *FIGURES, "pixels", "wrong_pixels", "ignored_pixels", "most_frequent_error",
                     "pixels_of_it", *(f"IoU {name}" for name in class_names)])
    for row in sorted(photos, key=badness):
        true, labelled, pixels = row["confusion"] or ("", "", 0)
        writer.writerow([row["photo"], *(_cell(row[name]) for name in FIGURES), row["pixels"], row["wrong_pixels"],
                         row["ignored_pixels"], f"{true} as {labelled}" if pixels else "", pixels,
                         *map(_cell, row["ious"])])
    return text.getvalue()


def _cell(value):
    return "" if math.isnan(value) else f"{value:.5f}"


def pixel_report_html(metrics: dict, sheets: Sequence[dict] = (), title: str = "Evaluation",
                      colours: Sequence[tuple] = ()) -> str:
    """The report of what `PixelConfusion.metrics` returned, as the text of an HTML file.

    Args:
        metrics: as for `write_pixel_report`.
        sheets: of the worst photos, the worst first: {"photo": its `photo_figures` and name, "panels": uint8 [H, W, 3]
            for each of PANELS, "legend": [(class, (red, green, blue))]}.
        title: heading.
        colours: [(meaning, (red, green, blue))] of the panel "difference".

    Returns:
        HTML.
    """
    return page(title, [_head(metrics, title), _numbers(metrics), _classes(metrics), _confusion(metrics),
                        _photos(metrics, sheets, colours)])


# --- Parts -----------------------------------------------------------------------------------------------------------


def _head(metrics, title):
    pixels = int(np.sum(metrics["confusion"]))
    text = (f"{metrics['photos']} photos, {len(metrics['classes'])} classes with the background, {pixels:,} pixels "
            f"compared, {metrics['ignored_pixels']:,} ignored")
    how = "; ".join(f"{name}: {value}" for name, value in metrics.get("measured", {}).items())
    return (f"<h1>{html.escape(title)}</h1>\n<p class=note>{html.escape(text)}"
            + (f"<br>{html.escape(how)}" if how else "") + "</p>")


def _numbers(metrics):
    rows = [[title, number(metrics[name]), number(metrics["person"][name])] for name, title in NUMBERS.items()]
    return ("<h2>Numbers</h2>\n<p>All pixels of all photos are counted together and divided once. The last column has "
            "all classes merged into one, against the background. Boundaries are met where they lie within "
            f"{_percent(BOUNDARY_TOLERANCE, 1, 2)} of a photo's diagonal.</p>\n"
            + table(["", "all classes", "merged"], rows))


def _classes(metrics):
    head = ["class", "IoU", "boundary F", "precision", "recall", "of truth", "of labels", "most often taken for"]
    entries = sorted(enumerate(metrics["classes"]), key=lambda pair: (math.isnan(pair[1]["iou"]), -pair[1]["iou"]))
    total, counts = int(np.sum(metrics["confusion"])), np.array(metrics["confusion"])
    rows = [[
        entry["name"], number(entry["iou"]), number(entry["boundary_f"]),
        number(_ratio(counts[i, i], entry["pixels"])), number(_ratio(counts[i, i], entry["true_pixels"])),
        _percent(entry["true_pixels"], total), _percent(entry["pixels"], total), _taken_for(metrics, i),
    ] for i, entry in entries]
    bars = {name: [entry[key] for _, entry in entries] for name, key in (("IoU", "iou"), ("boundary F", "boundary_f"))}
    missing = [entry["name"] for _, entry in entries if math.isnan(entry["iou"])]
    note = (f"<p class=note>Undefined (\u2013), so left out of every mean, for neither truth nor result has a pixel of "
            f"it: {html.escape(', '.join(missing))}.</p>" if missing else "")
    return ("<h2>Classes</h2>\n<p>From the highest IoU to the lowest. Precision and recall are of pixels.</p>\n"
            "<div class=scroll>" + table(head, rows, bars, head[-1:]) + "</div>" + note)


def _taken_for(metrics, i):
    """The class that most of a class's wrong pixels are labelled as, and their share of all of its pixels."""
    row = [0 if j == i else pixels for j, pixels in enumerate(metrics["confusion"][i])]
    if not any(row):
        return "\u2013"
    return f"{metrics['classes'][int(np.argmax(row))]['name']} {_percent(max(row), sum(metrics['confusion'][i]))}"


def _ratio(part, whole):
    return part / whole if whole else math.nan


def _percent(part, whole, decimals=1):
    return f"{100 * part / whole:.{decimals}f} %" if whole else "\u2013"


def _confusion(metrics):
    wide = len(metrics["classes"]) > figures.MOST_WRITTEN  # as wide as the window allows
    pairs, counts = confused_pairs(metrics), np.array(metrics["confusion"])
    wrong, of_class = int(counts.sum() - np.trace(counts)), dict(zip([e["name"] for e in metrics["classes"]],
                                                                     counts.sum(axis=1)))
    rows = [[true, labelled, f"{pixels:,}", _percent(pixels, of_class[true]), _percent(pixels, wrong)]
            for true, labelled, pixels in pairs]
    head = ["true class", "labelled as", "pixels", "of the true class", "of all errors"]
    most = ("<p>The most frequent errors:</p>\n" + table(head, rows, texts=head[1:2])
            if rows else "<p>No pixel is wrong.</p>\n")
    return ("<h2>Confusion</h2>\n<p>Which class the pixels of each class are labelled as. Numbers are percent; grey is "
            "a class that has no pixel.</p>\n"
            + drawn(figures.pixel_confusion_figure(metrics, "of_truth"), "What became of each class's pixels.", wide)
            + drawn(figures.pixel_confusion_figure(metrics, "of_labels"),
                    "What the pixels that are labelled as each class were.", wide) + most)


def _photos(metrics, sheets, colours):
    if not sheets:
        return ""
    count = metrics["photos"]
    shown = f"The {len(sheets)} worst of {count} photos" if len(sheets) < count else f"All {count} photos"
    return (f"<h2>Photos, the worst first</h2>\n<p>{shown}, by the mean IoU of the classes that truth or labels of a "
            "photo have, without background. pixels.csv has the numbers of all. In the last picture:</p>\n"
            + legend(colours) + "\n".join(_photo(sheet) for sheet in sheets))


def _photo(sheet):
    row = sheet["photo"]
    facts = [f"mean IoU {number(row['object_IoU'])}", f"pixel accuracy {number(row['pixel_accuracy'])}"]
    if row["confusion"]:
        true, labelled, pixels = row["confusion"]
        share = _percent(pixels, row["wrong_pixels"])
        facts.append(f"most frequent error: {true} as {labelled}, {share} of the wrong pixels")
    panels = "".join(picture(pixels, name) for name, pixels in zip(PANELS, sheet["panels"], strict=True))
    return (f"<h3>{html.escape(row['photo'])}</h3>\n<p class=note>{html.escape('; '.join(facts))}</p>\n"
            f"<div class=row>{panels}</div>{legend(sheet['legend'])}")
