"""The figures of an evaluation as tables of text."""

import math

LONGEST_NAME = 30  # characters of a class name in a table
MOST_LINES = 20  # a table of more classes shows the best and the worst of them


def metrics_table(metrics: dict) -> str:
    """Write AP, AP50 and AP75 of masks and boxes as text.

    Args:
        metrics: of `mrcnn.evaluation.evaluate.measure`.

    Returns:
        Lines of text.
    """
    columns = ("AP", "AP50", "AP75")
    lines = [" " * 8 + "".join(f"{name:>8}" for name in columns)]
    for kind, title in (("segm", "masks"), ("bbox", "boxes")):
        lines.append(f"{title:8}" + "".join(f"{metrics[kind][name]:8.3f}" for name in columns))
    more = metrics.get("more")
    if more:
        lines.append(f"with {more['max_detections']} detections of a class in a photo in place of COCO's 100:")
        lines += [f"{title:8}" + "".join(f"{more[kind][name]:8.3f}" for name in columns)
                  for kind, title in (("segm", "masks"), ("bbox", "boxes"))]
    lines.append(f"{metrics['images']} photos, {metrics['objects']} objects, {metrics['detections']} detections")
    lines += [f"{name} of {kind} is undefined: {reason}" for kind, reasons in metrics["undefined"].items()
              for name, reason in reasons.items() if name in columns]
    return "\n".join(lines)


def ranked_classes(metrics: dict) -> list:
    """Entries of metrics["classes"] from the highest mask AP to the lowest, those without true objects last."""
    return sorted(metrics["classes"], key=lambda entry: (math.isnan(entry["segm"]["AP"]), -_or_0(entry["segm"]["AP"])))


def _or_0(value):
    return 0.0 if math.isnan(value) else value


def class_table(metrics: dict) -> str:
    """Write the figures of each class as text, from the highest mask AP to the lowest; of many classes only both ends.

    Args:
        metrics: of `mrcnn.evaluation.evaluate.measure`.

    Returns:
        Lines of text.
    """
    ranked = ranked_classes(metrics)
    known = [entry for entry in ranked if not math.isnan(entry["segm"]["AP"])]
    width = min(max([len(entry["name"]) for entry in ranked] + [5]), LONGEST_NAME)
    lines = [f"{'class':{width}}  objects  detected      AP    AP50    AP75  box AP  best F1 at score"]
    lines += [_class_line(entry, width) for entry in known]
    if len(known) > 1:
        lines[1] += "  best"
        lines[len(known)] += "  worst"
    if len(known) > MOST_LINES:
        lines[1 + MOST_LINES // 2:1 + len(known) - MOST_LINES // 2] = [
            f"... {len(known) - MOST_LINES} classes between, in metrics.json"
        ]
    if len(known) < len(ranked):
        names = ", ".join(entry["name"] for entry in ranked[len(known):])
        lines.append(f"without true objects, so left out of every mean: {names}")
    return "\n".join(lines)


def _class_line(entry, width):
    numbers = [entry["segm"][name] for name in ("AP", "AP50", "AP75")] + [entry["bbox"]["AP"]]
    best = entry["best"]
    best = f"{best['F1']:9.3f} at {best['threshold']:4.2f}" if best else f"{'none correct':>17}"
    counts = f"{entry['objects']:9}{entry['detections']:10}"
    return f"{entry['name'][:width]:{width}}{counts}{''.join(f'{value:8.3f}' for value in numbers)}{best}"


def attributes_table(figures: dict) -> str:
    """Write the figures of attributes as text, from the highest AP to the lowest; of many only both ends.

    Args:
        figures: metrics["attributes"] of `mrcnn.evaluation.evaluate.measure`.

    Returns:
        Lines of text.
    """
    known = ranked_attributes(figures)
    width = min(max([len(row["name"]) for row in known] + [9]), LONGEST_NAME)
    lines = [f"{'attribute':{width}}  objects      AP  best F1 at score"]
    for row in known:
        at = "" if row["threshold"] is None else f" at {row['threshold']:4.2f}"
        lines.append(f"{row['name'][:width]:{width}}{row['objects']:9}{row['AP']:8.3f}{row['F1']:9.3f}{at}")
    if len(known) > MOST_LINES:
        lines[1 + MOST_LINES // 2:1 + len(known) - MOST_LINES // 2] = [
            f"... {len(known) - MOST_LINES} attributes between, in metrics.json"
        ]
    return "\n".join([*lines, attributes_line(figures)])


def attributes_line(figures: dict) -> str:
    """Sum up the figures of attributes in one line.

    Args:
        figures: metrics["attributes"] of `mrcnn.evaluation.evaluate.measure`.
    """
    text = f"Attributes of {figures['found']} found objects"
    if figures["threshold"] is None:
        text += ": no answer is right"
    else:
        text += (f", all together: F1 {figures['F1']:.3f}, precision {figures['precision']:.3f}, recall "
                 f"{figures['recall']:.3f} at score {figures['threshold']:.2f}")
    joint = figures["AP_IoU+F1"]
    return (f"{text}. Masks and attributes: AP_IoU+F1 {joint['AP']:.3f}, at IoU 0.50 and F1 0.50 "
            f"{joint['AP_IoU50_F50']:.3f}")


def ranked_attributes(figures: dict) -> list:
    """Entries of figures["classes"] of attributes that found objects have, from the highest AP to the lowest."""
    return sorted((row for row in figures["classes"] if row["objects"]), key=lambda row: -row["AP"])
