"""What a score of the mask would be worth: AP where class scores are multiplied with a guess of the mask's IoU.

    python benchmarks/mask_scores.py --weights WEIGHTS.h5 --annotations coco.json --images photos

Rows: the score as it is; times the mean probability inside the mask, which costs nothing (Wang 2020, SOLO, calls it
maskness), and its square root; times the true IoU with the best object of the class, which no mask scoring (Huang 2019,
Mask Scoring R-CNN; YOLACT++) can exceed by much. Differences come with their standard error: the AP of ten tenths
of the photos left out in turn.
"""

import argparse
import contextlib
import io
import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

TENTHS = 10


def maskness(probabilities):
    """Mean probability of the cells inside each mask: [N, h, w] -> [N], 0 where there are none."""
    inside = probabilities > 0.5
    return (probabilities * inside).sum((1, 2)) / np.maximum(inside.sum((1, 2)), 1)


def detect(model, dataset, least):
    """COCO's results with "maskness" in each, and the ground truth."""
    from mrcnn.evaluation.coco import ground_truth_from_dataset, results_from_detections

    results = []
    for image_id in dataset.image_ids:
        found = model.detect([dataset.load_image(image_id)], rle=True, mask_probabilities=True,
                             min_confidence=least)[0]
        rows = results_from_detections(dataset, image_id, found)
        for row, value in zip(rows, maskness(found["mask_probabilities"]), strict=True):
            results.append({**row, "maskness": float(value)})
    return results, ground_truth_from_dataset(dataset)


def best_overlaps(results, truth):
    """The IoU of each result with the best object of its class in its photo, 0 without one."""
    from mrcnn.data import run_lengths
    from mrcnn.evaluation.comparison import read_comparison

    compared = read_comparison(truth, results, "segm")
    objects = {}
    for entry in compared.objects:
        objects.setdefault((entry["image_id"], entry["category_id"]), []).append(entry["segmentation"])
    overlaps = np.zeros(len(results))
    for index, row in enumerate(compared.detections):
        there = objects.get((row["image_id"], row["category_id"]))
        if there:
            overlaps[index] = run_lengths.iou([row["segmentation"]], there).max()
    return overlaps


def average_precision(truth, results, scores):
    """(AP, AP50, AP75 of masks with these scores, AP without each tenth of the photos)."""
    from mrcnn.evaluation.coco import coco_evaluation, twelve_numbers
    from mrcnn.evaluation.comparison import read_comparison

    rows = [{**row, "score": float(score)} for row, score in zip(results, scores)]
    evaluation = coco_evaluation(read_comparison(truth, rows, "segm"), fast=False)
    numbers = twelve_numbers(evaluation)
    judged, photos, without = evaluation.evalImgs, len(evaluation.params.imgIds), []
    for tenth in range(TENTHS):
        # COCOeval judges photo by photo; those whose judgement is None are not counted.
        evaluation.evalImgs = [None if place % photos % TENTHS == tenth else one for place, one in enumerate(judged)]
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.accumulate()
        precision = evaluation.eval["precision"][:, :, :, 0, -1]
        without.append(precision[precision > -1].mean())
    return [numbers[name] for name in ("AP", "AP50", "AP75")], np.array(without)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--annotations", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--least", type=float, default=0.05, help="score that a detection has at least")
    parser.add_argument("--keep", help="JSON file of the detections, written, or read where it is there")
    options = parser.parse_args()
    if options.keep and os.path.exists(options.keep):
        with open(options.keep, encoding="utf-8") as file:
            results, truth = json.load(file)
    else:
        from mrcnn import architectures
        from mrcnn.data.formats import open_dataset

        dataset = open_dataset(options.annotations, images=options.images)
        dataset.prepare()
        results, truth = detect(architectures.load(options.weights), dataset, options.least)
        if options.keep:
            with open(options.keep, "w", encoding="utf-8") as file:
                json.dump([results, truth], file)
    own = np.array([row["score"] for row in results])
    mask = np.array([row["maskness"] for row in results])
    overlap = best_overlaps(results, truth)
    found = overlap > 0.5
    print(f"{len(truth['images'])} photos, {len(truth['annotations'])} objects, {len(results)} detections, of which "
          f"{found.sum()} have an IoU above 0.5")
    for title, value in (("score", own), ("maskness", mask), ("score x maskness", own * mask)):
        print(f"correlation of {title} with the IoU: {np.corrcoef(value, overlap)[0, 1]:.3f}, "
              f"of those above 0.5: {np.corrcoef(value[found], overlap[found])[0, 1]:.3f}")
    print(f"{'masks':28} {'AP':>7} {'AP50':>7} {'AP75':>7} {'AP more':>9} {'its error':>9}")
    base = None
    for title, scores in (("score", own), ("score x maskness", own * mask), ("score x sqrt(maskness)", own * mask**0.5),
                          ("score x true IoU", own * overlap), ("true IoU", overlap)):
        values, without = average_precision(truth, results, scores)
        base = base or (values[0], without)
        more = without - base[1]
        error = np.sqrt((TENTHS - 1) / TENTHS * ((more - more.mean()) ** 2).sum())
        numbers = " ".join(f"{value:7.4f}" for value in values)
        print(f"{title:28} {numbers} {values[0] - base[0]:+9.4f} {error:9.4f}", flush=True)


if __name__ == "__main__":
    main()
