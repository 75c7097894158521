"""From the start of a program to its results, beside torchvision: the network, settings and file kinds of speed.py.

    python benchmarks/peers/cold_start.py --peer PYTHON [--size 512] [--rounds 5] [--kinds keras onnx ... torchvision]

Each program imports its packages, opens the file of a network, finds the 8 objects of a photo, and then what is in
its mirror image. The kinds take turns, with a new program each time. Printed are seconds by the clock since it was
started, and those of the processor.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from speed import (
    BACKENDS,
    EXPORTS,
    HALF,
    KINDS,
    OBJECTS,
    Worker,
    export_all,
    file_of,
    keras_model,
    leave_out_missing,
    photo_of,
    torch_inputs,
    torch_model,
)


def weights_of(kind, folder):
    """The file that a program reads."""
    if kind.removesuffix(HALF) in EXPORTS:
        return file_of(kind.removesuffix(HALF), OBJECTS[-1], folder)
    return os.path.join(folder, "torchvision.pt" if kind.startswith("torchvision") else "keras.h5")


def write_weights(kind, size, folder):
    """Write the file of a network that finds the fewer objects."""
    if kind == "torchvision":
        import torch

        model, inputs = torch_model(size, box_score_thresh=0.0).eval(), torch_inputs(size)
        with torch.inference_mode():
            threshold = sorted(model(inputs)[0]["scores"].tolist())[-OBJECTS[-1]] - 1e-6
        torch.save({"weights": model.state_dict(), "threshold": threshold}, weights_of(kind, folder))
    else:
        with open(os.path.join(folder, "thresholds.json")) as file:
            threshold = json.load(file)[str(OBJECTS[-1])]
        keras_model(size, threshold).save_weights(weights_of(kind, folder))


def start(kind, size, folder):
    """Print the objects of a photo and of its mirror image, as a program does that has just begun."""
    half, kind = kind.endswith(HALF), kind.removesuffix(HALF)
    path, photos = weights_of(kind, folder), [photo_of(size), photo_of(size)[:, ::-1].copy()]
    if kind == "torchvision":
        import torch

        saved = torch.load(path)
        model = torch_model(size, box_score_thresh=saved["threshold"]).eval()
        model.load_state_dict(saved["weights"])

        def detect(photo):
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
                (result,) = model([torch.from_numpy(photo).permute(2, 0, 1).float() / 255])
            result["masks"][:, 0].ge(0.5).numpy()
            return len(result["scores"])
    else:
        from mrcnn import load

        model = load(path, **({"PRECISION": "mixed_bfloat16"} if half else {}))

        def detect(photo):
            (result,) = model.detect([photo])
            return len(result["scores"])
    for photo in photos:
        print(json.dumps((detect(photo), time.time())), flush=True)


def write_files(options, folder):
    """Write what the programs of `start` read."""
    Worker(sys.executable, "keras", "detect", options, folder).end()  # writes the thresholds
    export_all(options, folder)
    for kind in ("keras", "torchvision")[:1 + any(kind.startswith("torchvision") for kind in options.kinds)]:
        subprocess.run([options.peer if kind == "torchvision" else sys.executable, __file__, "--work", kind, "save",
                        "--size", str(options.size), "--folder", folder], check=True, stdout=subprocess.DEVNULL)


def compare_starts(options, folder):
    """Start a program of each kind in turn, and print what it took to its first and second photo."""
    taken = {kind: [] for kind in options.kinds}
    for _ in range(options.rounds):
        for kind in taken:
            python = options.peer if kind.startswith("torchvision") else sys.executable
            environment = {**os.environ, "KERAS_BACKEND": BACKENDS.get(kind.removesuffix(HALF), "tensorflow")}
            worked, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
            done = subprocess.run([python, __file__, "--work", kind, "start", "--size", str(options.size), "--folder",
                                   folder], env=environment, check=True, capture_output=True, text=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
            (count, first), (_, second) = map(json.loads, lines)
            taken[kind].append((first - began, second - began,
                                after.ru_utime + after.ru_stime - worked.ru_utime - worked.ru_stime, count))
    print(f"\nstart, {options.size} pixels, {options.rounds} turns\n{'':24}first photo: median s, least   second: "
          "median s, least   processor s, of the whole program   count")
    for kind, values in taken.items():
        first, second, processor, counts = zip(*values)
        print(f"{kind:24}{statistics.median(first):22.2f} {min(first):7.2f} {statistics.median(second):17.2f} "
              f"{min(second):7.2f} {statistics.median(processor):38.2f} {counts[-1]:7}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", help="python of torchvision's environment")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=["keras", *EXPORTS, "torchvision"])
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        kind, task = options.work
        return (write_weights if task == "save" else start)(kind, options.size, options.folder)
    leave_out_missing(options)
    with tempfile.TemporaryDirectory() as folder:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        write_files(options, folder)
        compare_starts(options, folder)


if __name__ == "__main__":
    main()
