"""The commands `data summary|validate|convert|split|show|suspects|suggest`: a data set before a training."""

import argparse
import inspect
import os
import warnings
from collections.abc import Callable

from mrcnn.commands.datasets import add_data_options, found_paths, open_data, reading
from mrcnn.commands.options import add_output, positive, seed
from mrcnn.commands.own_data import data_name, name_of, parameters, reads, splits_itself
from mrcnn.commands.settings import base_config, check_canvas, overrides_of
from mrcnn.commands.suggest import add_suggest
from mrcnn.commands.suspects import add_suspects
from mrcnn.data.curation.split_presets import PRESETS, TRAIN_AND_VAL
from mrcnn.data.formats import WRITERS, writer
from mrcnn.data.formats.archives import check_photos, is_archive
from mrcnn.errors import DataError, UsageError
from mrcnn.outputs import claim_outputs
from mrcnn.progress import progress_bar

OUTPUT = "data"  # folder in --logs
NO_NETWORK = {"batch_size": "no network looks at photos here"}  # {option without use: why}
VERSIONS = 3  # augmented ones of a photo that are drawn unless told otherwise
READABLE = 400  # pixels of the longer side of a picture that labels need

# --- Summary ---------------------------------------------------------------------------------------------------------


def summary(options: argparse.Namespace) -> None:
    """Print what is in the data, and save it as a figure and as JSON."""
    from mrcnn.data.curation.statistics import summarise, summary_text
    from mrcnn.drawing.dataset import plot_data_summary
    from mrcnn.files import write_json

    config = _config(options)
    folder = options.output or os.path.join(options.logs, OUTPUT)
    claim_outputs([os.path.join(folder, name) for name in ("summary.json", "summary.png")], options.overwrite)
    dataset = open_data(options)
    config.set(NUM_CLASSES=dataset.num_classes).check()
    with progress_bar("Reading") as show:
        numbers = summarise(dataset, config, show)
    write_json(os.path.join(folder, "summary.json"), numbers)
    title = os.path.basename(os.path.normpath(data_name(options)))
    plot_data_summary(numbers, os.path.join(folder, "summary.png"), title)
    print(f"{summary_text(numbers)}\n\nThe figure summary.png and summary.json are in {folder}")


def _config(options):
    """The settings that `train` would begin with."""
    config = base_config(options)(**overrides_of(options))
    check_canvas(options, config)
    return config


# --- Validation ------------------------------------------------------------------------------------------------------


def validate(options: argparse.Namespace) -> int:
    """List every bad sample; returns exit code 1 if there is one."""
    from mrcnn.data.curation.validate import faults_text, read_faults, write_faults
    from mrcnn.data.curation.validate import validate as validate_dataset

    channels = int(_config(options).IMAGE_CHANNEL_COUNT)
    path = options.output or os.path.join(options.logs, OUTPUT, "faults.json")
    claim_outputs([path], options.overwrite)
    if is_archive(options.annotations) and not reads(options, options.annotations):
        found_paths(options, options.annotations)  # which tells where it is unpacked
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is skipped: it is listed
        dataset = _with_its_faults(options)
    known = set(read_faults(options.skip)) if options.skip else ()
    faults = [fault for fault in validate_dataset(dataset, options.workers, channels=channels) if fault not in known]
    write_faults(path, faults)
    for note in getattr(dataset, "notes", ()):
        print(f"{note}\n")
    print(f"{len(dataset.image_ids)} photos looked at: {faults_text(faults)}")
    if faults:
        kept = sum(fault.harmless for fault in faults)
        but = f", but for {kept} whose objects are kept as they are" if kept else ""
        print(f"\n{len(faults)} faults; `train --skip {path}` leaves them out{but}")
    if getattr(dataset, "only_boxes", False):
        print("\nEvery outline is an upright rectangle, as a box is: masks will be no more than boxes.")
    bare = _is_bare(dataset)
    for told in dataset.parts_lines() if hasattr(dataset, "parts_lines") else ():
        print(f"\n{told}.")
    if bare:
        print("\nNo photo has an object: nothing can be learned from these annotations.")
    return int(bool(faults) or bare)


def _is_bare(dataset):
    """Whether no photo of annotations has an object."""
    from mrcnn.data.annotated import AnnotatedDataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is skipped: it is listed
        return isinstance(dataset, AnnotatedDataset) and not any(map(dataset.object_count, dataset.image_ids))


def _with_its_faults(options):
    """The data set with what is wrong with its annotations in `faults`, even if nothing in it is right."""
    from mrcnn.data.formats import reader

    own = reads(options, options.annotations)
    if not options.annotations and not own:
        return open_data(options)  # drawn pictures, of which nothing is skipped
    options.keep_partial = True
    if not own or "on_error" in parameters(options.program.dataset):
        options.on_error = "skip"
    if own or options.split or options.skip:
        return open_data(options)
    form, annotations, images = found_paths(options, options.annotations)
    dataset = reader(form)()
    try:
        dataset.load(annotations, images, limit=options.limit, on_error="skip", **reading(options))
    except DataError:
        if dataset.image_info or not dataset.faults:
            raise  # it is not that nothing remains without the faults
    check_photos(dataset, annotations, images)
    dataset.prepare()
    return dataset


# --- Conversion ------------------------------------------------------------------------------------------------------


def convert(options: argparse.Namespace) -> None:
    """Write the data in another format."""
    from mrcnn.data.annotated import photo_name
    from mrcnn.data.formats.writers import write_embedded_photos
    from mrcnn.data.formats.written_photos import held_photos

    _config(options)  # settings that cannot be are told
    write = writer(options.to)
    more = {} if options.photos is None else {"photos": options.photos}
    beside = "photos" not in inspect.signature(write).parameters  # photos that are held go to a folder beside it
    if more and beside:
        raise UsageError(f"--photos {options.photos}: {options.to} leaves photos in place; leave the option out.")
    both = [path for path in (options.output, options.annotations) if path and os.path.exists(path)]
    if len(both) == 2 and os.path.samefile(*both):
        raise UsageError(f"--output {options.output} is the file that is read: give another.")
    if os.path.abspath(options.annotations or "").startswith(os.path.join(os.path.abspath(options.output), "")):
        raise UsageError(f"--output {options.output} is the folder of what is read: give another.")
    claim_outputs([options.output], options.overwrite)
    dataset, folder = open_data(options), f"{os.path.splitext(options.output)[0]}_photos"
    if beside and held_photos(dataset, dataset.image_ids):
        claim_outputs([os.path.join(folder, photo_name(dataset, i)) for i in dataset.image_ids], options.overwrite)
    with progress_bar("Writing") as show:
        told = write(dataset, options.output, progress=show, **more)
    written = told if isinstance(told, int) else len(dataset.image_ids)
    print(f"The annotations of {written} photos are in {options.output}", end="")
    sentence = told if isinstance(told, str) else ""
    held = 0 if sentence else write_embedded_photos(dataset, folder)
    if sentence:
        print(f". {sentence}")
    elif held:
        where = "held by the annotations alone" if options.annotations else "in no file"
        print(f". {held} of the photos were {where}: all are in {folder}, to give as --images.")
    else:
        print("; the photos stay in place.")


# --- Splits ----------------------------------------------------------------------------------------------------------


def split(options: argparse.Namespace) -> None:
    """Write a split file, and print how many objects of each class come into every part."""
    from mrcnn.data.curation import splits
    from mrcnn.data.curation.duplicates import find_duplicates
    from mrcnn.data.objects import class_counts

    if options.preset and (options.method or options.parts):
        raise UsageError(f"--preset {options.preset} has its own method and parts: leave --method and --parts out.")
    if not options.annotations and not reads(options, None):
        raise UsageError("data split splits photos of your own: give their --annotations.")
    if splits_itself(options, options.annotations):
        raise UsageError(f"{name_of(options.program.dataset)} splits the photos itself, and takes no --split: leave "
                         "data split out.")
    _config(options)  # settings that cannot be are told
    claim_outputs([options.output], options.overwrite)
    dataset = open_data(options)
    groups, from_seed = None, options.seed or 0
    if options.near_duplicates is not None:
        with progress_bar("Comparing") as show:
            groups = find_duplicates(dataset, options.near_duplicates, progress=show)
        print(f"{len(groups)} photos are near-duplicates, in {len(set(groups.values()))} groups that stay together")
    with progress_bar("Counting") as show:
        counts = class_counts(dataset, progress=show)
    if options.preset:
        parted = splits.preset_split(dataset, options.preset, from_seed, groups, counts, options.keep_copies)
    elif options.method == "random":
        parted = splits.random_split(dataset, options.parts or TRAIN_AND_VAL, from_seed, groups, options.keep_copies)
    else:
        parted = splits.stratified_split(dataset, options.parts or TRAIN_AND_VAL, from_seed, groups, counts,
                                         options.keep_copies)
    splits.write_split(options.output, parted)
    print(f"{splits.split_table(dataset, parted, counts)}\n\nThe split is in {options.output}; train --split takes it.")


def parts(text: str) -> dict[str, float]:
    """{name: share} from "train:0.8,val:0.2"."""
    shares = {}
    for part in text.split(","):
        name, _, share = part.strip().partition(":")
        try:
            shares[name] = float(share)
        except ValueError:
            name = ""
        if not name:
            raise argparse.ArgumentTypeError(f"{part.strip()!r} is not name:share, as in train:0.8,val:0.2")
    if len(shares) < len(text.split(",")):
        raise argparse.ArgumentTypeError(f"{text} names a part twice")
    return shares


def bits(text: str) -> int:
    """A whole number of 0 to 20."""
    value = int(text)
    if not 0 <= value <= 20:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 and 20: unrelated photos differ in that many bits")
    return value


# --- Pictures --------------------------------------------------------------------------------------------------------


def show(options: argparse.Namespace) -> None:
    """Draw photos with their objects as training takes them, each followed by augmented versions of it."""
    import numpy as np

    from mrcnn.drawing.pictures import contact_sheet, write_picture

    config = _config(options)
    path = options.output or os.path.join(options.logs, OUTPUT, "photos.png")
    claim_outputs([path], options.overwrite)
    augmentation = options.program.augmentation(config.AUGMENT)
    if options.versions is not None and augmentation is None:
        raise UsageError(f"--versions {options.versions}: the augmentation {config.AUGMENT} changes no photo: leave it "
                         "out, or give another --augment.")
    dataset = open_data(options)
    config.set(NUM_CLASSES=dataset.num_classes, USE_MINI_MASK=False).check()
    versions = 1 + ((options.versions or VERSIONS) if augmentation is not None else 0)
    count = min(options.count, len(dataset.image_ids))
    chosen = np.sort(np.random.default_rng(config.SEED).permutation(dataset.image_ids)[:count])
    pictures, titles = [], []
    for image_id in chosen:
        for version in range(versions):
            pictures.append(_drawn(dataset, config, image_id, augmentation if version else None, version))
            titles.append(f"{dataset.sample_name(image_id)}{f', augmented {version}' if version else ''}")
    write_picture(path, contact_sheet(pictures, titles, versions if versions > 1 else 4))
    print(f"{len(chosen)} photos are drawn in {path}")


def _drawn(dataset, config, image_id, augmentation, version):
    """uint8 [h, w, 3]: the canvas of a photo with its objects, each class in a colour of its own."""
    import numpy as np

    from mrcnn.data.attributes import distinct_names, short_names
    from mrcnn.data.ground_truth import load_ground_truth
    from mrcnn.drawing.arguments import caption_of
    from mrcnn.drawing.pictures import distinct_colors, draw_instances

    rng = np.random.default_rng([config.SEED, int(image_id), version])
    names = short_names(distinct_names(dataset))
    sample = load_ground_truth(dataset, config, int(image_id), augmentation, rng, attributes=bool(names))
    colors = np.array(distinct_colors(dataset.num_classes)).reshape(-1, 3)[sample["gt_class_ids"] - 1]
    scale = max(1, READABLE // max(sample["image"].shape[:2]))
    masks = sample["gt_masks"].transpose(1, 2, 0) >= 128
    captions = [_with_attributes(caption_of(class_id, dataset.class_names, None, i), ids, names)
                for i, (class_id, ids) in enumerate(zip(sample["gt_class_ids"], sample["gt_attributes"]))
                ] if names else None
    return draw_instances(np.ascontiguousarray(sample["image"]), sample["gt_boxes"], masks, sample["gt_class_ids"],
                          dataset.class_names, colors=colors, show_bbox=False, scale=scale, captions=captions)


def _with_attributes(caption, ids, names):
    """A caption with the attributes of an object. names: of `short_names`."""
    words = [names.get(i, f"attribute {i}") for i in ids]
    return f"{caption}: {', '.join(words)}" if words else caption


# --- The command line ------------------------------------------------------------------------------------------------


def add_data(commands: argparse._SubParsersAction, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    text = "Look at a data set: summary, faults, suspects, splits, pictures; convert it; choose what to label next."
    tasks = commands.add_parser("data", help=text, description=text).add_subparsers(
        dest="task", required=True, metavar="summary|validate|convert|split|show|suspects|suggest")
    _add_summary(tasks, add_command)
    _add_validate(tasks, add_command)
    _add_convert(tasks, add_command)
    _add_split(tasks, add_command)
    _add_show(tasks, add_command)
    add_suspects(tasks, add_command)
    add_suggest(tasks, add_command)


def _add_summary(tasks, add_command):
    command = add_command(tasks, "summary", summary, "Count objects and sizes; propose anchors. A table and a figure.",
                          unused=NO_NETWORK)
    add_data_options(command, whole=True)
    _add_canvas(command)
    add_output(command, "DIR", "folder to write to (default: data in --logs)")


def _add_validate(tasks, add_command):
    command = add_command(tasks, "validate", validate, "List every bad sample; exit code 1 if there is one.",
                          unused=NO_NETWORK)
    add_data_options(command, whole=True)
    command.add_argument("--workers", type=positive, metavar="N", help="threads (default: one a core, at most 8)")
    add_output(command, "FILE", "list for --skip (default: data/faults.json in --logs)")


def _add_convert(tasks, add_command):
    command = add_command(tasks, "convert", convert, "Write annotations in another format.", unused=NO_NETWORK)
    add_data_options(command, whole=True)
    command.add_argument("--to", choices=tuple(WRITERS), required=True, help="format to write")
    command.add_argument("--photos", choices=("copy", "link"),
                         help="yolo, voc: copy the photos into the folder (default), or link to them")
    add_output(command, "PATH", "file or folder to write (yolo, voc and labelme: a folder)", required=True)


def _add_split(tasks, add_command):
    command = add_command(tasks, "split", split, "Split photos of your own into parts, such as train and val.",
                          unused=NO_NETWORK)
    add_data_options(command, whole=True, without="a program's own data set")
    command.add_argument("--method", choices=("random", "stratified"),
                         help="stratified (default): each class has its share in every part")
    command.add_argument("--parts", type=parts, metavar="NAME:SHARE,...", help="default train:0.8,val:0.2")
    command.add_argument("--preset", choices=tuple(PRESETS),
                         help="80/20 of the first 10,000 photos or of all, random or stratified")
    command.add_argument("--seed", type=seed, metavar="N", help="gives the same split each time (default 0)")
    command.add_argument("--near-duplicates", type=bits, nargs="?", const=6, metavar="BITS",
                         help="keep photos together whose perceptual hashes differ in so few of 64 bits (6)")
    command.add_argument("--keep-copies", action=argparse.BooleanOptionalAction, default=True,
                         help="keep the copies together that Roboflow made of one photo, NAME.rf.HASH.jpg (default)")
    add_output(command, "FILE", "split file to write (split.json)", default="split.json")


def _add_show(tasks, add_command):
    command = add_command(tasks, "show", show, "Draw photos with their objects, before and after augmentation.",
                          unused=NO_NETWORK)
    add_data_options(command, whole=True)
    _add_canvas(command)
    command.add_argument("--augment", metavar="NAME", help="as for train; none draws the photos as they are")
    command.add_argument("--count", type=positive, default=4, metavar="N", help="photos, chosen at random (default 4)")
    command.add_argument("--versions", type=positive, metavar="N", help=f"augmented ones a photo (default {VERSIONS})")
    command.add_argument("--seed", type=seed, metavar="N", help="of choice and augmentation (default 0)")
    add_output(command, "FILE", "picture to write (default: data/photos.png in --logs)")


def _add_canvas(command):
    command.add_argument("--image-size", type=positive, metavar="N",
                         help="of the network: photos are scaled and padded to NxN pixels; divides by 64")
