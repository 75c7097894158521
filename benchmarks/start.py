"""From the command to its result, where that is a few photos: `mrcnn detect` of one checkout against another's.

    python benchmarks/start.py --weights FILE --images PHOTO_OR_FOLDER ... [--checkouts DIR ...] [--runs 3]

The checkouts take turns. Seconds by the clock, and of the processor, which other programs on the machine change less.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mrcnn.files import text_table  # noqa: E402


def timed(checkout, weights, images):
    """(seconds by the clock, of the processor) of the command."""
    with tempfile.TemporaryDirectory() as output:
        worked, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-m", "mrcnn", "detect", "--weights", weights, "--image", images, "--output",
                        output], cwd=checkout, check=True, capture_output=True)
        took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - worked.ru_utime - worked.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", required=True, nargs="+")
    parser.add_argument("--checkouts", nargs="+", default=[ROOT])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    times = {(images, checkout): [] for images in options.images for checkout in options.checkouts}
    for _ in range(options.runs):
        for images, checkout in times:
            times[images, checkout].append(timed(checkout, os.path.abspath(options.weights), os.path.abspath(images)))
    rows = [("photos", "checkout", "median s", "least s", "processor, median s", "least s")]
    for (images, checkout), measured in times.items():
        count = len(os.listdir(images)) if os.path.isdir(images) else 1
        clock, processor = zip(*measured)
        numbers = [function(values) for values in (clock, processor) for function in (statistics.median, min)]
        rows.append((str(count), os.path.basename(checkout), *(f"{number:.1f}" for number in numbers)))
    print(f"{options.runs} runs in turns, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(text_table(rows))


if __name__ == "__main__":
    main()
