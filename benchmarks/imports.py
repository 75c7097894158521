"""What `import mrcnn.model` costs after `import keras`, in fresh processes.

    python benchmarks/imports.py

Gives the best of some rounds by the clock and by processor time, and which optional packages came in.
"""

import argparse
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OPTIONAL = ("matplotlib", "pycocotools", "imgaug", "IPython", "cv2", "skimage", "PIL")
MEASURE = """
import sys, time
start = time.perf_counter(), time.process_time()
import keras
middle = time.perf_counter(), time.process_time()
before = set(sys.modules)
import mrcnn.model, mrcnn.utils, mrcnn.visualize
end = time.perf_counter(), time.process_time()
came = {name.split(".")[0] for name in set(sys.modules) - before}
print(middle[0] - start[0], end[0] - middle[0], middle[1] - start[1], end[1] - middle[1], *sorted(came))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds, came = [], set()
    for _ in range(parser.parse_args().rounds):
        result = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True,
                                env={**os.environ, "PYTHONPATH": ROOT})
        values = result.stdout.split()
        rounds.append([float(value) for value in values[:4]])
        came |= set(values[4:])
    best = [min(column) for column in zip(*rounds)]
    print(f"best of {len(rounds)} rounds           by the clock   processor time")
    print(f"import keras                     {best[0]:7.2f} s        {best[2]:7.2f} s")
    print(f"and mrcnn.model, utils, visualize{best[1]:7.3f} s        {best[3]:7.3f} s")
    print(f"the second over the first        {best[1] / best[0]:7.1%}          {best[3] / best[2]:7.1%}")
    print(f"optional packages that came in: {', '.join(sorted(came & set(OPTIONAL))) or 'none'}")


if __name__ == "__main__":
    main()
