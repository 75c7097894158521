"""AP of COCO result files by pycocotools, one line each.

    python benchmarks/peers/score.py --truth instances_val.json NAME=results.json [NAME=results.json ...]
"""

import argparse
import contextlib
import io
import json

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def average_precision(truth, path, kind):
    """[AP, AP50, AP75] of masks ("segm") or boxes ("bbox")."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(path), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return list(evaluation.stats[:3])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--truth", required=True, help="COCO annotations")
    parser.add_argument("results", nargs="+", help="NAME=FILE")
    options = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(options.truth)
    print(f"{'':24}  mask AP   AP50   AP75   box AP   AP50   AP75  objects")
    for entry in options.results:
        name, _, path = entry.partition("=")
        with open(path, encoding="utf-8") as file:
            objects = len(json.load(file))
        figures = average_precision(truth, path, "segm") + average_precision(truth, path, "bbox")
        print(f"{name:24}  " + "  ".join(f"{figure:6.3f}" for figure in figures) + f"  {objects:7}")


if __name__ == "__main__":
    main()
