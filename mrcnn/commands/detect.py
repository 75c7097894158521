"""The command `detect`: what a checkpoint finds in photos."""

import os
import sys

from mrcnn.commands.options import add_matte, add_output, add_tiles, add_tta, probability
from mrcnn.commands.photos import check_output, list_photos, photos_of, picture_name, save_drawing
from mrcnn.commands.runs import add_weights, check_has, checkpoint_of, load_model, output_folder
from mrcnn.commands.settings import overrides_of
from mrcnn.errors import DataError
from mrcnn.outputs import claim_outputs
from mrcnn.progress import progress_bar


def detect(options):
    """Draw what is found in photos, and write it as COCO results.

    Returns:
        The exit code.
    """
    from mrcnn.files import write_json

    overrides = overrides_of(options)
    paths = list_photos(options.image)[:options.limit] if options.image else None
    path = checkpoint_of(options)
    folder = output_folder(options, path, "detections")
    check_output(folder, paths or [])
    model = load_model(path, options, overrides)
    check_has(model, "detect", path)
    dataset = photos_of(paths, model, options)
    names = ["detections.json", *(picture_name(info) for info in dataset.image_info)]
    claim_outputs([os.path.join(folder, name) for name in names], options.overwrite)
    results, seen, count, size = [], 0, len(dataset.image_ids), model.config.BATCH_SIZE
    with progress_bar("Detecting") as show:
        for start in range(0, count, size):
            photos = load_readable(dataset, dataset.image_ids[start:start + size])
            if photos:
                results += detect_batch(model, dataset, photos, folder)
                seen += len(photos)
            show(min(start + size, count), count)
    if not seen:
        return 2
    write_json(os.path.join(folder, "detections.json"), results, indent=None)
    print(f"{len(results)} objects in {seen} photos; the drawings and detections.json are in {folder}")
    return 0 if seen == len(dataset.image_ids) else 2


def load_readable(dataset, image_ids):
    """{image id: uint8 [H, W, 3]} of the photos that can be read; the others are named on stderr."""
    photos = {}
    for image_id in image_ids:
        try:
            photos[image_id] = dataset.load_image(image_id)
        except DataError as error:
            print(f"skipped: {error}", file=sys.stderr)
    return photos


def detect_batch(model, dataset, photos, folder):
    """Detect on one batch, save its drawings, and return its COCO results.

    Args:
        model: that detects.
        dataset: prepared Dataset.
        photos: {image id: uint8 [H, W, 3]}.
        folder: where the drawings go.
    """
    from mrcnn.evaluation.coco import results_from_detections

    results = []
    for (image_id, image), result in zip(photos.items(), model.detect(list(photos.values()), rle=True)):
        results += results_from_detections(dataset, image_id, result)
        save_drawing(folder, dataset, image_id, image, result)
    return results


def add_detect(commands, add_command):
    command = add_command(commands, "detect", detect, "Draw what is found in photos; write it as COCO results.")
    add_weights(command)
    command.add_argument("--image", metavar="FILE|DIR",
                         help="a photo, a folder of photos or an array of them (default: drawn pictures)")
    add_matte(command)
    add_output(command, "DIR", "folder to write to (default: detections in the run's folder)")
    command.add_argument("--min-confidence", type=probability, metavar="P",
                         help="least score of a detection (default: the checkpoint's DETECTION_MIN_CONFIDENCE)")
    add_tta(command)
    add_tiles(command)
