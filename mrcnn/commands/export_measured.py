"""What an exported file finds in annotated photos, beside what its network finds: figures of merit, and time."""

import time
from collections.abc import Callable

import numpy as np

TURNS = 7  # of one photo through network and file, by which their times are compared
SHOWN = ("segm_AP", "segm_AP50", "segm_AP75", "bbox_AP")


def measured_text(model: object, path: str, dataset: object) -> str:
    """A table of a network and of the file that was made of it: AP, or IoU of label maps, and the file's time.

    Args:
        model: the network.
        path: of the file.
        dataset: prepared Dataset with annotations.
    """
    from mrcnn.architectures.exported import open_exported
    from mrcnn.files import text_table

    file = open_exported(path)
    rows = {"network": figures_of(model, file, dataset), "file": figures_of(file, file, dataset)}
    names = list(rows["network"])
    table = [("", *names), *((name, *(f"{row[key]:.4f}" for key in names)) for name, row in rows.items())]
    table.append(("change", *(f"{rows['file'][key] - rows['network'][key]:+.4f}" for key in names)))
    photos = f"{len(dataset.image_ids)} photo{'s' if len(dataset.image_ids) != 1 else ''}"
    lines = [text_table(table), f"{photos}; the file takes {time_ratio(model, file, dataset):.2f} times the network's "
             f"time, the least of {TURNS} turns with one photo."]
    if hasattr(file, "detect"):
        lines.append(f"Objects that score {file.about['thresholds']['score']:g} or more, which is built into the file: "
                     "--min-confidence 0.05 gives the AP that `evaluate` tells.")
    return "\n".join(lines)


def figures_of(model: object, file: object, dataset: object) -> dict[str, float]:
    """The figures of merit of a network or file, by name.

    Args:
        model: that is measured.
        file: whose least score counts.
        dataset: prepared Dataset with annotations.
    """
    from mrcnn.evaluation.evaluate import detect_all, instance_figures
    from mrcnn.evaluation.pixels import pixel_figures
    from mrcnn.labeling.photos import compared

    if not hasattr(file, "detect"):
        return pixel_figures(compared(model, dataset).metrics())
    results, truth = detect_all(model, dataset, min_confidence=float(file.about["thresholds"]["score"]))
    figures = instance_figures(truth, results)
    return {name: figures[name] for name in SHOWN}


def time_ratio(model: object, file: object, dataset: object) -> float:
    """Time of a file by that of its network, on the first photo, in turns.

    Args:
        model, file, dataset: as for `figures_of`.
    """
    from mrcnn.data.checked_photos import photos_for

    canvas, window = file.place(photos_for(model, dataset, dataset.image_ids[:1])[0])
    batch = file.about["inputs"]["image"]["shape"][0]
    canvases, windows = np.stack([canvas] * batch), np.stack([window.box] * batch).astype(np.float32)
    ways: dict[str, Callable] = {"network": model.predict, "file": file.predict}
    seconds = {name: [] for name in ways}
    for turn in range(TURNS + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way(canvases, windows)
            if turn:  # the first time each sets up more than it computes
                seconds[name].append(time.perf_counter() - began)
    return min(seconds["file"]) / min(seconds["network"])
