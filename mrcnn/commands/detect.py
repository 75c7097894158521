"""The command `detect`: what a checkpoint finds in photos."""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.commands.datasets import add_data_options
from mrcnn.commands.options import add_matte, add_output, add_tiles, add_tta, probability
from mrcnn.commands.own_data import coco_of_nobody, open_parts, reads
from mrcnn.commands.photo_run import PhotoRun, add_photo_run
from mrcnn.commands.photos import check_output, list_photos, photos_of, picture_names, save_drawing
from mrcnn.commands.runs import add_weights, check_has, checkpoint_of, load_model, output_folder, weights_name
from mrcnn.commands.settings import overrides_of
from mrcnn.data.formats.archives import exists, is_archive
from mrcnn.errors import UsageError
from mrcnn.outputs import claim_outputs, tell_earlier
from mrcnn.progress import progress_bar

if TYPE_CHECKING:
    from mrcnn.commands.runs import Model
    from mrcnn.data.dataset import Dataset
    from mrcnn.data.formats.submission import Submission
    from mrcnn.evaluation.result_ids import ResultIds

LABEL_STUDIO = "labelstudio"


def detect(options: argparse.Namespace) -> int:
    """Draw what is found in photos, and write it as COCO results, and with --format labelstudio as tasks.

    Returns:
        The exit code.
    """
    from mrcnn.evaluation.coco import results_from_detections
    from mrcnn.inference.attributes import names_of
    from mrcnn.inference.pipeline import steps_of
    from mrcnn.serving.pre_label_tasks import write_tasks

    overrides = overrides_of(options)
    check_usage(options)
    paths = list_photos(options.image)[:options.limit] if options.image else None
    path = checkpoint_of(options)
    folder = output_folder(options, path, "detections")
    check_output(folder, paths or [])
    model = load_model(path, options, overrides)
    check_has(model, "detect", path)
    dataset = photos_of(paths, model, options)
    pictures = picture_names(dataset) if options.drawings == "all" else []
    run = PhotoRun(options, dataset, folder, lambda image_id: pictures[image_id:][:1])
    names = ["detections.json", *tasks_names(options, dataset), *pictures]
    submission, ids = submission_of(options, model, dataset), ids_of(options, dataset)
    written = [os.path.join(folder, name) for name in names]
    claim_outputs(written + ([options.submission] if submission else []), options.overwrite)
    if not options.resume:
        tell_earlier(folder, names)

    def write(image_id, image, result):
        if options.drawings == "all":
            save_drawing(folder, dataset, image_id, image, result, pictures[image_id])
        return {"results": results_from_detections(dataset, image_id, result)}

    run.make_ready(model)
    with run.journal(path, overrides) as journal:
        steps = steps_of(model, "detect", "detection_steps", rle=True)
        seen = run.look(journal, "Detecting", steps, write, model.config.BATCH_SIZE)
        if not seen:
            return 2
        told = write_results(options, run, ids)
        if options.format == LABEL_STUDIO:
            version = weights_name(path, ending=False)
            print(write_tasks(folder, tasks_of(run, dataset), dataset.class_names, version, names_of(model.config)))
    print(told)
    if submission:
        add_results(submission, run)
        print(submission.write(options.submission))
    return 0 if seen == len(dataset.image_ids) else 2


def ids_of(options: argparse.Namespace, dataset: Dataset) -> ResultIds | None:
    """The ids that the data of --annotations have for the photos and classes; None without the option.

    Raises:
        UsageError: the photos are no files, whose names find them.
    """
    if not options.annotations:
        return None
    from mrcnn.evaluation.coco_data import category_ids
    from mrcnn.evaluation.result_ids import ResultIds

    if not all(info.get("path") for info in dataset.image_info):
        raise UsageError("--annotations gives the ids of photos that are files: give --image a photo or a folder of "
                         "photos, or leave it out.")
    photos = {info["id"]: info["path"] for info in dataset.image_info}
    classes = {number: dataset.class_names[i] for i, number in category_ids(dataset).items()}
    with progress_bar("Unpacking", "B", shown=is_archive(options.annotations)) as show:
        ids = ResultIds(options.annotations, photos, classes, show, own_data(options))
    for line in ids.differences():
        warnings.warn(line, stacklevel=2)
    return ids


def own_data(options: argparse.Namespace) -> dict[str, Dataset] | None:
    """{part: the program's own data set of --annotations, prepared}; None where the package's readers take them."""
    parser = argparse.ArgumentParser()
    add_data_options(parser)
    usual = argparse.Namespace(**{**vars(parser.parse_args([])), "program": options.program, "limit": None,
                                  "format": coco_of_nobody(options)})
    return open_parts(usual, options.annotations) if reads(usual, options.annotations) else None


def write_results(options: argparse.Namespace, run: PhotoRun, ids: ResultIds | None) -> str:
    """Write detections.json; the lines that tell of it.

    Args:
        options: of the command.
        run: that looked at the photos.
        ids: of `ids_of`.
    """
    from mrcnn.data import run_lengths
    from mrcnn.evaluation.coco_data import category_ids
    from mrcnn.files import write_json

    dataset = run.dataset
    names = {number: dataset.class_names[i] for i, number in category_ids(dataset).items()}
    found = [{**one, "category_name": names[one["category_id"]]}
             for image_id in dataset.image_ids for one in run.outcome[image_id].get("results", ())]
    results = found if ids is None else ids.given(found)
    write_json(os.path.join(run.folder, "detections.json"), results, indent=None)
    what = "the drawings and detections.json are" if options.drawings == "all" else "detections.json is"
    empty = int((run_lengths.areas([one["segmentation"] for one in found]) == 0).sum())
    told = f" ({empty} have no pixel, but a box)" if empty else ""
    seen = sum("error" not in entry for entry in run.outcome.values())
    line = f"{len(found)} objects in {seen} photos{told}; {what} in {run.folder}"
    if ids is not None:
        left = f"; {len(found) - len(results)} objects without them are left out" if len(results) < len(found) else ""
        return f"{line}\nimage_id and category_id in it are those of {options.annotations}{left}"
    if options.image:
        line += ("\nimage_id in it is the file's name or place, category_id counts the checkpoint's classes from 1 on; "
                 "--annotations PATH gives those of a data set")
    return line


def check_usage(options: argparse.Namespace) -> None:
    """Raise UsageError for --annotations without photos, --submission without --names, and its options without it."""
    if options.annotations and not options.image:
        raise UsageError("--annotations gives the ids of the photos of --image: give --image a photo or a folder of "
                         "photos.")
    if options.annotations and not exists(options.annotations):
        raise UsageError(f"--annotations {options.annotations} does not exist: check the path.")
    if options.names and not options.submission:
        raise UsageError("--names numbers the classes of --submission FILE: give both.")
    if (options.submission_form or options.submission_as_stored) and not options.submission:
        given = "--submission-form" if options.submission_form else "--submission-as-stored"
        raise UsageError(f"{given} says how --submission FILE is written: give both.")
    if options.submission and not options.names:
        raise UsageError("--submission needs --names label_descriptions.json, which numbers classes and attributes.")


def submission_of(options: argparse.Namespace, model: Model, dataset: Dataset) -> Submission | None:
    """The Submission of --submission; None without the option."""
    from mrcnn.data.formats.submission import Submission
    from mrcnn.evaluation.coco_data import category_ids

    if not options.submission:
        return None
    names = {category: dataset.class_names[class_id] for class_id, category in category_ids(dataset).items()}
    submission = Submission(options.names, names, getattr(model.config, "ATTRIBUTES", None), options.submission_form,
                            options.submission_as_stored)
    submission.check_photos(map(dataset.sample_name, dataset.image_ids))
    return submission


def add_results(submission: Submission, run: PhotoRun) -> None:
    """Add what was found in the photos of a run to a Submission."""
    from mrcnn.data.formats.photo_files import photo_header

    for image_id in run.dataset.image_ids:
        results, path = run.outcome[image_id].get("results"), run.dataset.image_info[image_id].get("path")
        orientation = photo_header(path)[1] if results and os.path.isfile(path or "") else 1
        submission.add(run.dataset.sample_name(image_id), results, orientation)


def tasks_names(options: argparse.Namespace, dataset: Dataset) -> list[str]:
    """Names of the files of tasks, if --format asks for them.

    Raises:
        UsageError: the photos are no files, which tasks name.
    """
    from mrcnn.serving.pre_label_tasks import CONFIG, TASKS

    if options.format != LABEL_STUDIO:
        return []
    if not all(info.get("path") for info in dataset.image_info):  # a dead link is skipped like any bad photo
        raise UsageError(f"--format {LABEL_STUDIO} writes tasks that name files of photos: give --image a photo or a "
                         "folder of photos.")
    return [TASKS, CONFIG]


def tasks_of(run: PhotoRun, dataset: Dataset) -> list[tuple[str, dict, dict]]:
    """[(path of a photo, what was found in it, {})] of the photos that could be read, as `write_tasks` takes them."""
    import numpy as np

    ids = {info["id"]: class_id for class_id, info in enumerate(dataset.class_info)}
    tasks = []
    for image_id in dataset.image_ids:
        results = run.outcome[image_id].get("results")
        if results is not None:
            found = {"class_ids": np.array([ids[one["category_id"]] for one in results], int),
                     "scores": np.array([one["score"] for one in results], float),
                     "rles": [one["segmentation"] for one in results],
                     "attributes": [one.get("attributes", {}) for one in results]}
            tasks.append((dataset.image_info[image_id]["path"], found, {}))
    return tasks


def add_detect(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    command = add_command(commands, "detect", detect, "Draw what is found in photos; write it as COCO results.")
    add_weights(command)
    command.add_argument("--image", metavar="FILE|DIR",
                         help="a photo, a folder of photos or an array of them (default: drawn pictures); in "
                              "detections.json image_id is the file's name or the place in the array, and category_id "
                              "counts the checkpoint's classes from 1 on, unless --annotations is given")
    command.add_argument("--annotations", metavar="PATH",
                         help="data whose ids of photos and classes detections.json is to have, by their names: a COCO "
                              "file, as of a test set with photos and no objects, or annotations in another format")
    add_matte(command)
    command.add_argument("--format", choices=("coco", LABEL_STUDIO), default="coco",
                         help=f"{LABEL_STUDIO}: tasks.json with pre-labels and labels.xml too (default coco: "
                              "detections.json alone)")
    add_output(command, "DIR", "folder to write to (default: detections in the run's folder)")
    add_photo_run(command, "write detections.json alone")
    command.add_argument("--min-confidence", type=probability, metavar="P",
                         help="least score of a detection (default: the checkpoint's DETECTION_MIN_CONFIDENCE)")
    command.add_argument("--submission", metavar="FILE",
                         help="write a CSV as the competition iMaterialist-Fashion takes it too")
    command.add_argument("--names", metavar="FILE", help="label_descriptions.json that numbers classes and attributes, "
                                                         "of --submission")
    command.add_argument("--submission-form", choices=("2019", "2020"),
                         help="2019: ClassId 6_28_77 is class 6 with the attributes 28 and 77; 2020: 28,77 in the "
                              "column AttributesIds, and ImageId without ending (default: 2020 if --names lists 294 "
                              "attributes or has the year 2020, else 2019)")
    command.add_argument("--submission-as-stored", action="store_true",
                         help="pixels of photos that EXIF turns count in --submission as these are stored (default: "
                              "upright)")
    add_tta(command)
    add_tiles(command)
