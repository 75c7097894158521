"""What a folder of photos takes beside the network's own time: `mrcnn detect` and `mrcnn label`, in one run.

    python benchmarks/folder.py --weights FILE --images DIR [--photos 100] [--rounds 5] [--set NAME=VALUE ...]

In turns: the network alone on photos that are placed already; the command over the folder, with drawings and without;
and the same work one after the other, as a loop of load, detect, draw. The command is the whole of it but the start:
the model is loaded once. Ratios are of the medians, of the least, and of the least processor time of all threads, which
other programs on the machine do not change.
"""

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
import warnings

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from mrcnn.architectures import load  # noqa: E402
from mrcnn.commands import detect as detect_command  # noqa: E402
from mrcnn.commands import label as label_command  # noqa: E402
from mrcnn.commands.main import main  # noqa: E402
from mrcnn.commands.options import parse_setting  # noqa: E402
from mrcnn.commands.photos import list_photos, photos_of, save_drawing  # noqa: E402
from mrcnn.files import text_table, write_json  # noqa: E402
from mrcnn.inference.predictor import FEW  # noqa: E402


def loop(model, dataset, folder, size):
    """Load, detect, draw and write, one after the other."""
    from mrcnn.evaluation.coco import results_from_detections
    from mrcnn.labeling.photos import labelled

    results, count = [], len(dataset.image_ids)
    for start in range(0, count, size):
        batch = dataset.image_ids[start:start + size]
        photos = [dataset.load_image(image_id) for image_id in batch]
        if hasattr(model, "detect"):
            for image_id, image, result in zip(batch, photos, model.detect(photos, rle=True)):
                results += results_from_detections(dataset, image_id, result)
                save_drawing(folder, dataset, image_id, image, result)
        else:
            for image_id, image, labels in zip(batch, photos, labelled(model, photos)):
                name = os.path.splitext(dataset.image_info[image_id]["id"])[0]
                label_command.write_pictures(os.path.join(folder, name), image, labels, dataset.class_names, True)
    write_json(os.path.join(folder, "results.json"), results)


def network(model, placed, size):
    """The network on photos that are placed."""
    numbers = {"min_confidence": float(model.config.DETECTION_MIN_CONFIDENCE)} if hasattr(model, "detect") else {}
    for start in range(0, len(placed), size):
        for _ in model.predicted(placed[start:start + size], **numbers):
            pass


def run():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the network")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    paths = list_photos(options.images)[:options.photos]
    model = load(options.weights, **dict(map(parse_setting, options.set)))
    detect_command.load_model = label_command.load_model = lambda path, options, overrides: model
    dataset = photos_of(paths, model, argparse.Namespace(matte=None, limit=None))
    size = model.config.BATCH_SIZE
    placed = [canvas for image_id in dataset.image_ids for canvas in model.placed_views(dataset.load_image(image_id))]
    command = "detect" if hasattr(model, "detect") else "label"

    def folder(drawings):
        with tempfile.TemporaryDirectory() as output, contextlib.redirect_stdout(io.StringIO()):
            assert main([command, "--weights", options.weights, "--image", options.images, "--limit",
                         str(options.photos), "--output", output, "--drawings", drawings]) == 0

    def one_by_one():
        with tempfile.TemporaryDirectory() as output:
            loop(model, dataset, output, size)

    ways = {"network alone": lambda: network(model, placed, size), f"{command}, one after the other": one_by_one,
            f"{command}": lambda: folder("all"), f"{command} --drawings none": lambda: folder("none")}
    seconds, work = {name: [] for name in ways}, {name: [] for name in ways}
    if len(paths) <= FEW * size:
        raise SystemExit(f"--photos {len(paths)}: give more than {FEW * size}; so few are looked at without compiling.")
    network(model, placed[:2 * size], size)  # traced
    for _ in range(options.rounds):
        for name, way in ways.items():
            began, worked = time.perf_counter(), time.process_time()
            way()
            seconds[name].append(time.perf_counter() - began)
            work[name].append(time.process_time() - worked)
    tell(seconds, work, model, len(paths), options)


def tell(seconds, work, model, photos, options):
    """Print the table."""
    first = next(iter(seconds.values()))
    shape = [side or "any" for side in model.config.IMAGE_SHAPE[:2].tolist()]
    print(f"{model.architecture_name()}, canvas {shape}, batch {model.config.BATCH_SIZE}, {photos} photos, "
          f"{options.rounds} rounds in turns, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    ratio = "of the network"
    rows = [("", "median s", "photos/s", ratio, "least s", ratio, "processor s", ratio)]
    least_work = min(next(iter(work.values())))
    for name, times in seconds.items():
        middle, least = statistics.median(times), min(times)
        rows.append((name, f"{middle:.2f}", f"{photos / middle:.2f}", f"{middle / statistics.median(first):.3f}",
                     f"{least:.2f}", f"{least / min(first):.3f}", f"{min(work[name]):.2f}",
                     f"{min(work[name]) / least_work:.3f}"))
    print(text_table(rows))


if __name__ == "__main__":
    run()
