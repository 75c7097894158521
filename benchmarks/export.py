"""Exported files against the network that they were made from: AP, detections, size and time, photo by photo in turn.

    python benchmarks/export.py --weights FILE --images DIR --annotations FILE --height 512 --width 384 [--limit N]
        [--calibration ANNOTATIONS] [--photos N]

int8 is calibrated on the first N photos of --calibration, which should not be those that are measured. "onnx, plain" is
the ONNX file without its own suppression and RoIAlign. OpenVINO is left out where it is not installed; its files run a
second time in bfloat16, which needs a processor that has it.
"""

import argparse
import contextlib
import functools
import importlib.util
import io
import json
import os
import statistics
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

FILES = {  # name: (format, quantize)
    "savedmodel": ("savedmodel", None),
    "onnx, plain": ("onnx, plain", None),
    "onnx": ("onnx", None),
    "onnx int8": ("onnx", "int8"),
    "openvino": ("openvino", None),
    "openvino float16": ("openvino", "float16"),
    "openvino int8": ("openvino", "int8"),
    "litert": ("litert", None),
}


def look(runs, about, dataset):
    """({name: COCO results}, {name: [seconds of each photo]}) of functions from inputs to outputs."""
    from mrcnn.evaluation.coco import results_from_detections
    from mrcnn.export.parity import place
    from mrcnn.inference.detector import unmold

    _, height, width, _ = about["inputs"]["image"]["shape"]
    results, seconds = {name: [] for name in runs}, {name: [] for name in runs}
    for index, image_id in enumerate(dataset.image_ids):
        photo = dataset.load_image(image_id)
        canvas, window = place(photo, (height, width), about["resize"])
        for name, run in runs.items():
            inputs = {"image": canvas[None], "window": window.box[None].astype("float32")}
            if not index:
                run(inputs)  # the first time each sets up more than it computes
            start = time.perf_counter()
            outputs = run(inputs)
            seconds[name].append(time.perf_counter() - start)
            outputs = unmold({key: value[0] for key, value in outputs.items()}, window, photo.shape[:2], rle=True)
            results[name] += results_from_detections(dataset, image_id, outputs)
    return results, seconds


def main():
    parser = argparse.ArgumentParser()
    for name in ("weights", "images", "annotations"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("height", "width", "limit"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--min-confidence", type=float, default=0.05)
    parser.add_argument("--settings", default="{}", help='JSON, as {"IMAGE_MAX_DIM": 512}')
    parser.add_argument("--calibration")
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--files", nargs="+", choices=tuple(FILES), default=tuple(FILES))
    options = parser.parse_args()
    from mrcnn.data.formats import open_dataset
    from mrcnn.evaluation.coco import KINDS, coco_average_precision, ground_truth_from_dataset
    from mrcnn.export.files import FORMATS, export
    from mrcnn.export.openvino_files import open_openvino
    from mrcnn.model import MaskRCNN
    from mrcnn.ops.portable import portable_graph

    dataset = open_dataset(options.annotations, options.images, options.limit)
    model = MaskRCNN.from_checkpoint(options.weights, DETECTION_MIN_CONFIDENCE=options.min_confidence,
                                     IMAGES_PER_GPU=1, **json.loads(options.settings))
    photos = [dataset.load_image(image_id) for image_id in dataset.image_ids[:2]]
    seen = open_dataset(options.calibration, options.images, options.photos) if options.calibration else None
    plain = functools.partial(portable_graph, static=False)
    FORMATS["onnx, plain"] = FORMATS["onnx"]._replace(tracing=plain)
    runs = {"keras": lambda inputs: model.predict(inputs["image"], inputs["window"])}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.files:
            format, quantize = FILES[name]
            if format == "openvino" and importlib.util.find_spec("openvino") is None or quantize == "int8" and not seen:
                continue
            path = os.path.join(folder, name + (".xml" if format == "openvino" else ""))
            own = [seen.load_image(image_id) for image_id in seen.image_ids] if quantize == "int8" else photos
            with contextlib.redirect_stdout(io.StringIO()) as told:
                about = export(model, path, format, options.height, options.width, photos=own, quantize=quantize)
            print(told.getvalue().replace(folder + os.sep, ""), end="", flush=True)
            runs[name] = FORMATS[format].open(path)
            if format == "openvino":
                runs[f"{name} in bfloat16"] = open_openvino(path, "mixed_bfloat16")
        results, seconds = look(runs, about, dataset)
    truth = ground_truth_from_dataset(dataset, [int(i) for i in dataset.image_ids])
    print(f"{len(dataset.image_ids)} photos on {options.height} x {options.width}, detections down to "
          f"{options.min_confidence}. Columns: AP, AP50, AP75 of masks, then of boxes; detections; median time against "
          "Keras in this run.")
    usual = statistics.median(seconds["keras"])
    for name in runs:
        numbers = {kind: coco_average_precision(truth, results[name], kind) for kind in KINDS}
        line = "  ".join(f"{numbers[kind][key]:.4f}" for kind in ("segm", "bbox") for key in ("AP", "AP50", "AP75"))
        print(f"{name:26} {line}  {len(results[name]):5}  {statistics.median(seconds[name]) / usual:5.2f}", flush=True)


if __name__ == "__main__":
    main()
