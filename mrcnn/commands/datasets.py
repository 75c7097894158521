"""Data of the commands: annotated photos in any known format, a program's own data set, and drawn pictures for none."""

from __future__ import annotations

import argparse
import os
import warnings
from typing import TYPE_CHECKING

from mrcnn.commands.options import add_matte, parse_setting, positive
from mrcnn.commands.own_data import ARRAYS, data_name, name_of, open_own, parameters, reads, splits_itself
from mrcnn.commands.settings import DRAWN_PICTURES, DRAWN_SIZE
from mrcnn.commands.splits import ALIASES, carried_part, split_file
from mrcnn.data.class_names import check_class_names, joined_already, listed_classes
from mrcnn.data.formats import READERS, located, open_dataset
from mrcnn.data.formats.archives import is_archive
from mrcnn.errors import DataError, UsageError
from mrcnn.progress import progress_bar

if TYPE_CHECKING:
    from mrcnn.data.dataset import Dataset
    from mrcnn.data.drawn.people import DrawnPeople

DRAWN = "drawn pictures"


def add_data_options(command: argparse.ArgumentParser, part: bool = True, whole: bool = False, form: bool = True,
                     without: str = DRAWN) -> None:
    """Give a command the options that say which photos it is about.

    Args:
        command: parser of the command.
        part: whether it works on one part of a split.
        whole: whether it takes all parts of a split, unless one is named.
        form: whether its --format is that of the annotations.
        without: what it does without annotations, for the help.
    """
    command.set_defaults(whole=whole)
    command.add_argument("--images", metavar="DIR",
                         help="folder, ZIP or TAR of the photos (default: beside the annotations)")
    command.add_argument("--annotations", "--masks", metavar="PATH",
                         help="COCO JSON, CVAT XML, CSV of run lengths (iMaterialist, Kaggle) or of Open Images, VIA "
                              "JSON or CSV, Label Studio's JSON, YOLO's data.yaml, Parquet, arrays in .npz, .h5 or "
                              ".npy; folder of PASCAL VOC, DeepFashion2, LabelMe JSON, Supervisely, label maps or "
                              f"instance masks; or a ZIP or TAR of any (default: {without})")
    if form:
        command.add_argument("--format", choices=sorted(READERS),
                             help="format of the annotations (default: recognised)")
    command.add_argument("--names", metavar="FILE|NAME",
                         help="file of class names, for formats that take one (a CSV: label_descriptions.json; Label "
                              "Studio: its labelling configuration); or the attribute (VIA) or control (Label Studio) "
                              "that holds the class")
    command.add_argument("--mapping", metavar="FILE|NAME", help="classes of label maps merged or dropped")
    command.add_argument("--on-error", choices=("raise", "skip"), default="raise",
                         help="stop at the first bad entry of the annotations (default), or leave bad ones out; "
                              "`data validate` finds bad photos too, for --skip")
    command.add_argument("--skip", metavar="FILE", help="leave out the bad samples that `data validate` listed here")
    command.add_argument("--keep-partial", action="store_true",
                         help="with --skip or --on-error skip: keep photos that lost objects, which are taught as "
                              "background there (default: leave these photos out)")
    command.add_argument("--crowds", choices=("objects", "ignore"),
                         help="what iscrowd: 1 of a COCO file means: objects, as tools mark what a brush drew, or "
                              "crowds, which are ignored (default: found out, and told)")
    command.add_argument("--boxes-as-masks", action="store_true",
                         help="take boxes as masks where there are no outlines: a draft, no more")
    command.add_argument("--min-area", type=positive, metavar="N",
                         help="pixels of the smallest part of a label map that is an object (default: the mapping's, "
                              "else 60)")
    command.add_argument("--annotator", metavar="EMAIL|ID",
                         help="of Label Studio's JSON: whose annotations to take; predictions takes those of models, "
                              "the version of a model its own (default: the newest of each photo)")
    add_matte(command)
    _add_array_options(command)
    command.add_argument("--split", metavar="FILE|NAME" if part else "FILE",
                         help="split file written by `data split`"
                              + ("; or a part of data that carry splits of their own, as YOLO's data.yaml does: train, "
                                 f"val, test (default {'all' if whole else 'val'})" if part else ""))
    if part:
        usual = "all" if whole else "val"
        if whole and without == DRAWN:
            usual += "; val of drawn pictures and of a program's own data that split themselves"
        command.add_argument("--part", metavar="NAME",
                             help=f"part of the split file: train, val, test (default {usual})")


def _add_array_options(command):
    """The options of annotations that are arrays."""
    command.add_argument("--labels", metavar="FILE",
                         help="of arrays: labels of the objects of each photo, beside --masks FILE and --images FILE")
    command.add_argument("--boxes", metavar="FILE", help="of arrays: boxes, which are held against the masks")
    command.add_argument("--counts", metavar="FILE", help="of arrays: number of objects of each photo")
    command.add_argument("--channels", choices=("first", "last"),
                         help="of arrays: where the colours lie, N x 3 x H x W or N x H x W x 3 (default: as the shape "
                              "tells)")
    command.add_argument("--first-label", type=int, choices=(0, 1),
                         help="of arrays: the label of the first class (default: as the labels tell)")


def given_data_options(options: argparse.Namespace, *kept: str) -> list[str]:
    """The options of `add_data_options` that a command line has: what does not apply is refused by name.

    Args:
        options: of a command that has all of them, or some.
        *kept: names of those that apply.

    Returns:
        As ["--split", "--min-area"], in their order.
    """
    parser = argparse.ArgumentParser()
    add_data_options(parser)
    usual = vars(parser.parse_args([]))
    return [f"--{name.replace('_', '-')}" for name, value in usual.items()
            if name not in ("whole", *kept) and getattr(options, name, value) != value]


def open_data(options: argparse.Namespace, annotations: str | None = None, part: str | None = None) -> Dataset:
    """The prepared data set that the options of a command stand for; drawn pictures if they name none.

    Args:
        options: of the command.
        annotations: path; None takes options.annotations.
        part: of options.split, or of data that carry splits of their own; None takes options.part, else "val", or all
            of them for a command that takes whole data, each photo then with its part as "split". Of drawn pictures
            and a program's data that split themselves that takes "val" too, and tells it.
    """
    annotations = annotations or options.annotations
    wanted = getattr(options, "part", None)
    every = getattr(options, "whole", False) and not (part or wanted)
    asked, part = part, part or wanted or "val"
    own = reads(options, annotations)
    if not annotations and not own:
        given = given_data_options(options, "annotations", "part")  # drawn pictures have parts too
        if given:
            verb = "needs" if len(given) == 1 else "need"
            raise UsageError(f"{', '.join(given)} {verb} annotations: say which ({options.program.command} --help).")
        if "CLASSES" in dict(map(parse_setting, options.set)):
            raise UsageError("CLASSES: the drawn pictures have their own classes, and all are learned: leave it out, "
                             "or give --annotations of photos of your own.")
        dataset = drawn_pictures(part, options.limit)
        if every:
            print(_one_part("the drawn pictures", part, dataset))
        return dataset
    itself = splits_itself(options, annotations)
    if options.split and itself:
        raise UsageError(f"--split: {name_of(options.program.dataset)} splits the photos itself; leave the option out.")
    carried, told = carried_part(options, annotations, asked)
    if wanted and not (options.split or itself or carried):
        raise UsageError("--part needs the --split FILE that it is a part of.")
    dataset = _opened(options, annotations, part, own, carried)
    if split_file(options) or options.skip or (options.limit and len(dataset.image_ids) > options.limit):
        dataset = _chosen_photos(dataset, options, None if every else part)
    if told:
        print(f"{told} ({len(dataset.image_ids)} photos)")
    elif every and itself:
        print(_one_part(name_of(options.program.dataset), part, dataset))
    dataset.matte = options.matte or dataset.matte
    return _chosen_classes(dataset, options, annotations)


def _one_part(source, part, dataset):
    """The line that tells which part a command took that takes all where annotations say which there are."""
    return f"{source}: the part {part} alone is taken; --part takes another ({len(dataset.image_ids)} photos)"


def _opened(options, annotations, part, own, carried):
    """The data set of annotations as it is, of the program's own kind or of a format of the package's.

    carried: the part to take of data that carry splits of their own; None takes all of it
    """
    from mrcnn.data.annotated import AnnotatedDataset
    from mrcnn.data.curation.census import leave_out_bad

    # A split or a list to skip chooses first; then the limit counts what remains.
    limit = None if split_file(options) or options.skip else options.limit
    on_error = "skip" if options.skip else options.on_error
    if not own:
        form, annotations, images = found_paths(options, annotations)
    with progress_bar("Checking objects", shown=on_error == "skip") as show:
        if not own:
            return open_dataset(annotations, images, limit, on_error, form=form, keep_partial=options.keep_partial,
                                progress=show, split=carried, **reading(options))
        told = on_error if "on_error" in parameters(options.program.dataset) else options.on_error
        dataset = open_own(argparse.Namespace(**{**vars(options), "limit": limit, "on_error": told}), annotations, part)
        if on_error == "skip" and isinstance(dataset, AnnotatedDataset):
            return leave_out_bad(dataset, name_of(options.program.dataset), options.keep_partial, show)
        return dataset


def found_paths(options: argparse.Namespace,
                annotations: str) -> tuple[str, str | os.PathLike, str | os.PathLike | None]:
    """(format, path of the annotations, path of the photos or None), unpacked where they are archives."""
    with progress_bar("Unpacking", "B", shown=is_archive(annotations) or is_archive(options.images)) as show:
        return located(annotations, options.images, options.format, show, named=options.names is not None)


def reading(options: argparse.Namespace) -> dict:
    """The options that say how a format is read, as `open_dataset` takes them."""
    taken = ("names", "mapping", "crowds", "boxes_as_masks", "min_area", "annotator")
    given = {name: getattr(options, name) for name in taken}
    arrays = {name: getattr(options, name) for name in ARRAYS if getattr(options, name, None) is not None}
    return {**{name: value or None for name, value in given.items()}, "arrays": arrays or None}


def check_objects(dataset: Dataset, source: str, use: str, objects: bool = True) -> None:
    """Tell of classes without objects and of many lost ones, before a network is built.

    Args:
        dataset: of annotations, or drawn pictures, of which nothing is told
        source: what to call it
        use: "train" or "measure"
        objects: whether these are looked for; for networks of label maps labelled pixels count, whatever their parts

    Raises:
        DataError: if no object is left, or no labelled pixel.
    """
    from mrcnn.data.annotated import AnnotatedDataset
    from mrcnn.data.curation.census import check_census

    if isinstance(dataset, AnnotatedDataset):
        with progress_bar("Counting objects") as show:
            check_census(dataset, source, use, show, objects)


def _chosen_photos(dataset, options, part):
    """The data set without what --skip lists, and only the part of --split that is asked for; None: all its parts."""
    from mrcnn.data.annotated import select, without
    from mrcnn.data.curation.census import leave_out_partial
    from mrcnn.data.curation.splits import apply_split, read_split
    from mrcnn.data.curation.validate import read_faults

    if split_file(options):
        split, every = read_split(options.split), part is None
        dataset = _in_parts(dataset, split["parts"], options.split) if every else apply_split(dataset, split, part)
    if options.skip:
        told = len(getattr(dataset, "lost", ()))  # of what the reader left out
        dataset = without(dataset, read_faults(options.skip))
        if hasattr(dataset, "lost"):
            dataset = leave_out_partial(dataset, options.skip, options.keep_partial, told)
    if options.limit:
        dataset = select(dataset, dataset.image_ids[:options.limit])
    if not len(dataset.image_ids):
        raise DataError(f"No photo remains after --split and --skip: check {options.split or options.skip}.")
    return dataset


def _in_parts(dataset, parts, path):
    """The photos of all parts of a split, each with its part as "split"; how many others there are is told."""
    from mrcnn.data.annotated import photo_name, select
    from mrcnn.data.photo_names import as_called

    names = {i: photo_name(dataset, i) for i in dataset.image_ids}
    skipped = {fault.photo for fault in getattr(dataset, "faults", ())}
    known = skipped.union(names.values())
    part_of = {as_called(name, known): part for part, names_of_part in parts.items() for name in names_of_part}
    listed = [i for i in dataset.image_ids if names[i] in part_of]
    if not listed:
        raise DataError(f"{path}: none of its photos is in the data: give the annotations that were split.")
    missing = part_of.keys() - set(names.values()) - skipped
    for count, what in ((len(names) - len(listed), "photos of the data are in no part: left out"),
                        (len(missing), "photos of its parts are not in the data")):
        if count:
            warnings.warn(f"{path}: {count} {what}.", stacklevel=2)
    chosen = select(dataset, listed)
    for info, image_id in zip(chosen.image_info, listed):
        info["split"] = part_of[names[image_id]]
    if hasattr(dataset, "lost"):
        chosen.lost = [loss for loss in dataset.lost if loss.photo in part_of]
    return chosen


def _chosen_classes(dataset, options, annotations):
    """The data set with the classes that the settings name, in their order, if they name any."""
    from mrcnn.data.annotated import AnnotatedDataset
    from mrcnn.data.class_choice import choose_classes
    from mrcnn.data.dataset import source_keys

    config = options.program.config
    names = listed_classes(dict(map(parse_setting, options.set)).get("CLASSES", config.CLASSES))
    if names is None or list(names) == list(dataset.class_names[1:]):
        return dataset
    if not isinstance(dataset, AnnotatedDataset):
        raise UsageError(
            f"CLASSES of {config.__name__} are {', '.join(names)}, but {name_of(options.program.dataset)} registers "
            f"{', '.join(dataset.class_names[1:])}: let them agree, or leave CLASSES out."
        )
    names, gone = joined_already(names, dataset.class_names[1:])
    if gone:
        warnings.warn(f"{data_name(options, annotations)}: no class {', '.join(gone)}, and all classes that CLASSES "
                      "makes of such: taken as data in which they are one already.", stacklevel=2)
    chosen = choose_classes(dataset, names)
    left = [str(info["name"]) for info in dataset.class_info[1:]
            if not chosen.map_source_class_id(source_keys(info)[0])]
    if left:
        shown = ", ".join(left[:5]) + (", ..." if len(left) > 5 else "")
        count = "1 class is" if len(left) == 1 else f"{len(left)} classes are"
        warnings.warn(f"{data_name(options, annotations)}: {count} left out with its objects ({shown}): CLASSES names "
                      f"{', '.join(names)}.", stacklevel=2)
    return chosen


def drawn_pictures(subset: str, limit: int | None = None) -> DrawnPeople:
    """The drawn training ("train"), validation ("val") or test ("test") pictures, prepared.

    Raises:
        UsageError: for another part.
    """
    part = ALIASES.get(subset, subset)
    if part not in DRAWN_PICTURES:
        raise UsageError(f"--part {subset}: the drawn pictures have the parts {', '.join(DRAWN_PICTURES)}: take one, "
                         "or give --annotations of photos of your own.")
    from mrcnn.data.drawn.people import DrawnPeople

    count, seed = DRAWN_PICTURES[part]
    dataset = DrawnPeople()
    dataset.load_drawn(count if limit is None else min(count, limit), size=DRAWN_SIZE, seed=seed)
    dataset.prepare()
    return dataset


def check_same_classes(training: Dataset, other: Dataset, train_path: str, other_path: str) -> None:
    """Raise DataError if training and validation or test data name other classes.

    A group without objects that one of them lists, and the other has as a class, becomes a class of both.
    """
    from mrcnn.data.annotated import keep_groups

    keep_groups(training, other.class_names, f"{other_path} has it as a class")
    keep_groups(other, training.class_names, f"{train_path} has it as a class")
    check_class_names(training.class_names, other.class_names, f"{train_path} has the classes", f"{other_path} has",
                      "list the same classes in both files, or name those to take by --set CLASSES=NAME,NAME")
