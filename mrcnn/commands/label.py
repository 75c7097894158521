"""The command `label`: one class for each pixel of a photo; and the measuring of such label maps for `evaluate`."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import itertools
import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mrcnn.commands.datasets import add_data_options, given_data_options, open_data
from mrcnn.commands.options import add_output, add_tiles, add_tta, probability
from mrcnn.commands.own_data import data_name
from mrcnn.commands.photo_run import PhotoRun, add_photo_run
from mrcnn.commands.photos import READABLE, SHOWN, check_output, list_photos, photos_of
from mrcnn.commands.resume import weights_digest
from mrcnn.commands.runs import (
    add_weights,
    check_classes,
    check_installed,
    checkpoint_of,
    load_model,
    output_folder,
    weights_name,
)
from mrcnn.commands.settings import EVALUATION_MIN_CONFIDENCE, overrides_of
from mrcnn.errors import DataError, UsageError
from mrcnn.files import write_text
from mrcnn.outputs import claim_outputs, tell_earlier

if TYPE_CHECKING:
    import numpy as np

    from mrcnn.commands.runs import Model
    from mrcnn.config import Settings
    from mrcnn.data.dataset import Dataset
    from mrcnn.inference.pipeline import Steps
    from mrcnn.labeling.label_map import LabelSettings

NAMES = "label_names.txt"

# --- Label maps of photos --------------------------------------------------------------------------------------------


def label(options: argparse.Namespace) -> int | None:
    """Write a label map and an overlay for each photo, or tune the settings of label maps.

    Returns:
        The exit code.
    """
    check_installed("skimage", "scikit-image", "label")
    return tune(options) if options.tune else label_photos(options)


def label_photos(options: argparse.Namespace) -> int:
    """Write a palette PNG label map and an overlay for each photo.

    Returns:
        The exit code.
    """
    from mrcnn.labeling.label_map import load_settings

    given = given_data_options(options, "matte")
    if given:
        verb = "belongs" if len(given) == 1 else "belong"
        raise UsageError(f"label takes its photos by --image FILE|DIR; {', '.join(given)} {verb} to --tune.")
    options.drawings = options.drawings or "all"
    overrides = overrides_of(options)
    paths = list_photos(options.image)[:options.limit] if options.image else None
    path = checkpoint_of(options)
    folder = output_folder(options, path, "labels")
    check_output(folder, paths or [])
    chain_of(options)  # a step that does not exist shows before the network is built
    settings, asked = load_settings(path), dict(overrides)
    overrides.setdefault("DETECTION_MIN_CONFIDENCE", settings.least_threshold())
    model = load_model(path, options, overrides)
    if options.min_confidence is not None and not hasattr(model, "detect"):
        raise UsageError(f"--min-confidence: about objects, and {path} is of the architecture "
                         f"{model.architecture_name()}, which finds none: leave it out.")
    chain = chain_of(options, model)
    dataset = photos_of(paths, model, options)
    settings = settings_for(model, settings, dataset, asked)
    tell_tuned_otherwise(settings, options, model, path)
    names = file_stems(dataset)
    endings = (".png", "_overlay.jpg") if options.drawings == "all" else (".png",)
    run = PhotoRun(options, dataset, folder, lambda image_id: [names[image_id] + ending for ending in endings])
    files = [f"{name}{ending}" for name in names for ending in endings]
    claim_outputs([os.path.join(folder, name) for name in (NAMES, *files)], options.overwrite)
    if not options.resume:
        tell_earlier(folder, (NAMES, *files))
    tell_left_over(folder, dataset, names)

    def write(image_id, image, labels):
        write_pictures(os.path.join(folder, names[image_id]), image, labels, dataset.class_names, len(endings) > 1)
        return {}

    run.make_ready(model)
    told = {} if settings is None else settings.to_dict()
    with run.journal(path, overrides, refine=refinement_of(options, model), label_settings=told) as journal:
        done = run.look(journal, "Labelling", labelling_steps(model, settings, chain), write, model.config.BATCH_SIZE)
        if done:
            write_names(folder, dataset.class_names)
    if done:
        what = " and overlays NAME_overlay.jpg" if len(endings) > 1 else ""
        print(f"Label maps NAME.png{what} of {done} photos are in {folder}")
    return 0 if done == len(dataset.image_ids) else 2


def labelling_steps(model: Model, settings: LabelSettings | None, chain: Callable | None) -> Steps:
    """The steps from a photo to its label map uint8 [H, W], refined, as `mrcnn.labeling.photos.labelled` gives it.

    Args:
        model, settings, chain: as for `labelled`.
    """
    from mrcnn.inference.pipeline import steps_of
    from mrcnn.labeling.photos import refined

    more = {} if settings is None else {"settings": settings}
    steps = steps_of(model, "label_each", "label_steps", probabilities=chain is not None, **more)
    return dataclasses.replace(steps, finish=lambda image, seen: refined(image, steps.finish(image, seen), chain))


def asked_settings(settings: LabelSettings, overrides: dict) -> LabelSettings:
    """Label settings with the least score that the options ask for, if they do, which is told with what it replaces.

    Args:
        settings: LabelSettings stored beside the weights, or the defaults.
        overrides: settings that the options name.
    """
    least = overrides.get("DETECTION_MIN_CONFIDENCE")
    if least is None:
        return settings
    tuned = len(settings.class_thresholds)
    classes = "1 class" if tuned == 1 else f"{tuned} classes"
    print(f"Objects of a score of {least} or more count, in place of {settings.score_threshold:g}"
          + (f" and of what was tuned for {classes}." if tuned else "."))
    return dataclasses.replace(settings, score_threshold=least, class_thresholds={})


def settings_for(model: Model, settings: LabelSettings, dataset: Dataset, overrides: dict) -> LabelSettings | None:
    """Label settings as a model takes them: checked against the classes, or None for a network that finds no objects.

    The least score that the options ask for goes in place of what is stored, which is told.

    Args:
        model: that the settings are for.
        settings: LabelSettings stored beside the weights, or the defaults.
        dataset: prepared Dataset.
        overrides: settings that the options name.
    """
    if not hasattr(model, "detect"):
        return None
    settings.check_classes(dataset.class_names)
    return asked_settings(settings, overrides)


def chain_of(options: argparse.Namespace, model: Model | None = None) -> Callable | None:
    """The chain of refinement of `refinement_of`."""
    from mrcnn.labeling.refine import build_chain

    return build_chain(refinement_of(options, model))


def refinement_of(options: argparse.Namespace, model: Model | None = None) -> str:
    """Names of the steps of refinement: those of --refine, else of the model's settings, else the default."""
    from mrcnn.labeling.refine import DEFAULT_CHAIN

    text = getattr(options, "refine", None)
    if text is None:
        text = getattr(getattr(model, "config", None), "LABEL_REFINE", DEFAULT_CHAIN)
    return text or "none"


def file_stems(dataset: Dataset) -> list[str]:
    """Name without ending for the files of each photo: the photo's own; of those that would be alike, x_png of x.png.

    How many are called so is told. Where these would be alike too, later ones have a number behind. Large and small
    letters are alike: on many machines they are one file.
    """
    names = [photo_of(info) for info in dataset.image_info]
    stems = [os.path.splitext(name)[0] for name in names]
    count = collections.Counter(stem.lower() for stem in stems)
    taken = {stem for stem, times in count.items() if times == 1}
    changed = []
    for place, stem in enumerate(stems):
        if count[stem.lower()] == 1:
            continue
        wanted = stem + os.path.splitext(names[place])[1].replace(".", "_")
        free = (f"{wanted}{ending}" for ending in itertools.chain([""], (f"_{i}" for i in itertools.count(2))))
        stems[place] = next(name for name in free if name.lower() not in taken)
        taken.add(stems[place].lower())
        changed.append(f"{names[place]}: {stems[place]}")
    if changed:
        shown = ", ".join(changed[:SHOWN]) + (", ..." if len(changed) > SHOWN else "")
        warnings.warn(f"{len(changed)} photos have a name that differs from another's in its ending or case alone: "
                      f"their label maps are called otherwise ({shown}); rename the photos if that is unwanted.",
                      stacklevel=2)
    return stems


def tell_left_over(folder: str, dataset: Dataset, names: Sequence[str]) -> None:
    """Warn of label maps of a former run that photos had before another came that differs in its ending alone.

    Args:
        folder: that is written to.
        dataset: prepared Dataset.
        names: of the files, as `file_stems` gives them.
    """
    own = {os.path.splitext(photo_of(info))[0] for info in dataset.image_info} - set(names)
    left = sorted(f"{stem}.png" for stem in own if os.path.isfile(os.path.join(folder, f"{stem}.png")))
    if left:
        shown = ", ".join(left[:SHOWN]) + (", ..." if len(left) > SHOWN else "")
        warnings.warn(f"{folder}: {shown} ({len(left)} in all) of a former run remain beside the new names of the same "
                      "photos: delete them, or a reader finds two maps of a photo.", stacklevel=2)


def photo_of(info: dict) -> str:
    """File name of a photo, or its id where it has none. info: of `image_info`"""
    return os.path.basename(info.get("path") or str(info["id"]))


def write_pictures(stem: str, image: np.ndarray, labels: np.ndarray, class_names: Sequence[str], overlay: bool) -> None:
    """Write stem.png, the label map, and, if asked for, stem_overlay.jpg, the photo with the labels over it."""
    from mrcnn.drawing.label_maps import draw_label_map, write_label_map
    from mrcnn.drawing.pictures import write_picture

    write_label_map(f"{stem}.png", labels, class_names)
    if not overlay:
        return
    scale = min(4, max(1, READABLE // max(image.shape[:2])))
    write_picture(f"{stem}_overlay.jpg", draw_label_map(image, labels, class_names, scale=scale), quality=92)


def write_names(folder: str, class_names: Sequence[str]) -> None:
    """Write label_names.txt: value and class of each label, as the reader of label maps takes them."""
    path = os.path.join(folder, NAMES)
    write_text(path, "".join(f"{i} {name}\n" for i, name in enumerate(class_names)))


# --- Tuning and measuring --------------------------------------------------------------------------------------------


def tune(options: argparse.Namespace) -> None:
    """Find the thresholds of the highest mean IoU on annotated photos, and store them beside the weights."""
    from mrcnn.labeling.label_map import load_settings, save_settings
    from mrcnn.labeling.tuning import gathered

    overrides = overrides_of(options)
    refuse_beside_tune(options, overrides)
    dataset = open_data(options)
    path = checkpoint_of(options)
    check_classes(path, dataset, data_name(options))
    before = dataclasses.replace(load_settings(path), tuned_with={})
    before.check_classes(dataset.class_names)
    overrides.setdefault("DETECTION_MIN_CONFIDENCE", EVALUATION_MIN_CONFIDENCE)
    model = load_model(path, options, overrides)
    check_tunable(model, path)
    tuner = gathered(model, dataset)
    settings, score, tuned = tuner.tune(before, report=print)
    for name, value in settings.to_dict().items():
        if value:
            print(f"{name:16} {value}")
    settings = dataclasses.replace(settings, tuned_with=scores_of(options, model, path))
    print(f"mean IoU {score:.4f} before, {tuned:.4f} now, on {len(dataset.image_ids)} photos at reduced size")
    print(f"The settings are in {save_settings(path, settings)}; label and evaluate --pixels use them.")


def refuse_beside_tune(options: argparse.Namespace, overrides: dict) -> None:
    """Raise UsageError for options that label --tune does not take. overrides: settings that the options name"""
    given = {
        "--image": options.image, "--output": options.output, "--overwrite": options.overwrite or None,
        "--drawings": options.drawings, "--resume": options.resume or None, "--refine": options.refine,
        "--min-confidence": options.min_confidence,
    }
    named = [name for name, value in given.items() if value is not None]
    if options.min_confidence is None and "DETECTION_MIN_CONFIDENCE" in overrides:
        named.append("DETECTION_MIN_CONFIDENCE of --set")
    if named:
        raise UsageError("label --tune takes --images and --annotations, finds the scores and writes no label maps; "
                         f"leave {', '.join(named)} out.")


def scores_of(options: argparse.Namespace, model: Model, path: str) -> dict:
    """What the scores of objects depend on, {what: how}, as `LabelSettings.tuned_with` keeps it."""
    return {"weights": weights_name(path), "sha256": weights_digest(path),
            "views": views_text(model.config), "tiles": getattr(options, "tile", None) is not None,
            "mask_scores": bool(getattr(model.config, "MASK_SCORES", False))}


def tell_tuned_otherwise(settings: LabelSettings | None, options: argparse.Namespace, model: Model, path: str) -> None:
    """Warn of label settings that were tuned for other scores than a model, of the weights at `path`, gives now."""
    if settings is None or not settings.tuned_with:
        return
    differences = settings.differences(scores_of(options, model, path))
    if differences:
        from mrcnn.labeling.label_map import settings_file

        beside = settings_file(path)
        holder = beside or os.path.normpath(path) + ".json"
        warnings.warn(f"{holder}: the thresholds were tuned with {'; '.join(differences)}, so they may not suit these "
                      "scores: run label --tune again with the options that you use now"
                      + (", or delete the file." if beside else "."), stacklevel=2)


def check_tunable(model: Model, path: str) -> None:
    """Raise UsageError if the network of a checkpoint has no thresholds: those that --tune finds are of objects."""
    if not hasattr(model, "detect"):
        raise UsageError(f"label --tune: {path} is of the architecture {model.architecture_name()}, which finds no "
                         "objects and so has no thresholds to tune: label it as it is, and measure what else may help "
                         "by evaluate --refine STEP,... and evaluate --tta.")


def evaluate_pixels(options: argparse.Namespace, model: Model, dataset: Dataset, folder: str, title: str,
                    overrides: dict) -> None:
    """Measure label maps against the data: print a table of all figures; write them, those of each photo and a report.

    Args:
        options: of `evaluate`.
        model: that makes the label maps.
        dataset: prepared Dataset with annotations.
        folder: to write to.
        title: heading of the report.
        overrides: settings that the options name.

    Raises:
        DataError: there is no photo.
    """
    check_installed("skimage", "scikit-image", "evaluate of label maps")
    from mrcnn.drawing.label_sheets import DIFFERENCES, WorstPhotos
    from mrcnn.evaluation.pixel_report import PIXEL_FILES, write_pixel_report
    from mrcnn.evaluation.pixels import pixel_table
    from mrcnn.labeling.label_map import load_settings
    from mrcnn.labeling.photos import compared

    path = checkpoint_of(options)
    settings = settings_for(model, load_settings(path), dataset, overrides)
    tell_tuned_otherwise(settings, options, model, path)
    photos, worst = [], WorstPhotos(dataset.class_names)

    def seen(image_id, truth, labels, figures):
        photos.append(figures)
        if options.report:
            worst.add(image_id, truth, labels, figures)

    confusion = compared(model, dataset, settings, chain_of(options, model), seen=seen)
    if not confusion.photos:
        raise DataError("There is no photo to evaluate: the data set is empty, or the limit is 0.")
    metrics = {**confusion.metrics(), "measured": measured_with(options, model, path)}
    if settings is not None:
        metrics["settings"] = settings.to_dict()
    print(pixel_table(metrics))
    write_pixel_report(folder, metrics, photos, lambda: worst.sheets(dataset), options.report, title,
                       list(DIFFERENCES.items()))
    *files, last = reversed(PIXEL_FILES[:None if options.report else -1])
    print(f"{', '.join(files)} and {last} are in {folder}")


def measured_with(options: argparse.Namespace, model: Model, path: str) -> dict:
    """How label maps were made, {what: how}, for those who compare measurements."""
    tile = "" if options.tile is None else f"{options.tile} pixels, {options.tile_overlap:g} of a side in common"
    return {"weights": weights_name(path), "architecture": model.architecture_name(),
            "refinement": refinement_of(options, model), "views": f"at {views_text(model.config)} of the size",
            "tiles": tile or "none"}


def views_text(config: Settings) -> str:
    """The views of a photo, as "1, 1 mirrored"."""
    from mrcnn.inference.views import views_of

    return ", ".join(f"{view.scale:g}{' mirrored' if view.flip else ''}" for view in views_of(config))


# --- The command line ------------------------------------------------------------------------------------------------


def add_refine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--refine", metavar="STEP,...",
                         help="refine label maps by these steps, or none: small-regions, felzenszwalb, slic, "
                              "merged-superpixels, guided, crf (default: LABEL_REFINE of the weights)")


def add_label(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(commands, "label", label,
                          "Write a palette PNG label map and an overlay for each photo; --tune finds the thresholds.")
    add_weights(command)
    command.add_argument("--image", metavar="FILE|DIR", help="a photo or a folder of photos (default: drawn pictures)")
    add_output(command, "DIR", "folder to write to (default: labels in the run's folder)")
    add_photo_run(command, "write label maps without overlays")
    command.set_defaults(drawings=None)  # all, but for --tune, which refuses what was given
    add_refine(command)
    command.add_argument("--min-confidence", type=probability, metavar="P",
                         help="least score of an object (default: what --tune found, or 0.5)")
    add_tta(command)
    add_tiles(command)
    command.add_argument("--tune", action="store_true",
                         help="tune score and mask thresholds on annotated photos and store them beside the weights")
    add_data_options(command)
