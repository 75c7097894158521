"""What looking at each photo several times is worth: AP of several sets of views, each view computed once.

    python benchmarks/test_time_augmentation.py --weights FILE --images DIR --annotations FILE [--limit N]
"""

import argparse
import os
import sys
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

VIEWS = [(1.0, False), (1.0, True), (1.25, False), (0.8, False), (1.25, True), (0.8, True)]
SETS = {
    "one view": VIEWS[:1],
    "flip": VIEWS[:2],
    "scales 1, 1.25": [VIEWS[0], VIEWS[2]],
    "scales 0.8, 1, 1.25": [VIEWS[3], VIEWS[0], VIEWS[2]],
    "flip and scales 1, 1.25": [VIEWS[0], VIEWS[1], VIEWS[2], VIEWS[4]],
    "flip and scales 0.8, 1, 1.25": VIEWS,
}
AGREEMENTS = (0.5, 0.65)  # least IoU of two views' boxes of one object


def look(model, dataset, view):
    """([(rows, window) of each photo], seconds a photo) of one view."""
    from mrcnn.inference.views import place_view

    seen, start = [], time.perf_counter()
    for done, image_id in enumerate(dataset.image_ids, 1):
        image = dataset.load_image(image_id)
        canvas, window = place_view(image, view, model.place(image))
        outputs = model.predict(canvas[None], window.box[None])
        seen.append(({name: outputs[name][0] for name in ("boxes", "class_ids", "scores", "valid", "masks")}, window))
        if done % 20 == 0:
            print(f"{view}: {done} photos", file=sys.stderr, flush=True)
    return seen, (time.perf_counter() - start) / len(seen)


def measure(model, dataset, truth, views, seen):
    """{kind: COCO numbers} of a set of views."""
    from mrcnn.evaluation.coco import KINDS, coco_average_precision, results_from_detections
    from mrcnn.inference.detector import unmold
    from mrcnn.inference.views import merge_views

    results = []
    for i, image_id in enumerate(dataset.image_ids):
        rows, windows = zip(*(seen[view][i] for view in views))
        if len(views) > 1:
            merged, window = merge_views(rows, views, windows, model.config.DETECTION_MIN_CONFIDENCE,
                                         model.config.DETECTION_NMS_THRESHOLD, model.config.DETECTION_MAX_INSTANCES)
        else:
            merged, window = rows[0], windows[0]
        results += results_from_detections(dataset, image_id, unmold(merged, window, window.original_shape, rle=True))
    return {kind: coco_average_precision(truth, results, kind) for kind in KINDS}, len(results)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--annotations", required=True)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    from mrcnn.data.formats import open_dataset
    from mrcnn.evaluation.coco import ground_truth_from_dataset
    from mrcnn.inference import views as test_time
    from mrcnn.model import MaskRCNN

    dataset = open_dataset(options.annotations, options.images, options.limit)
    model = MaskRCNN.from_checkpoint(options.weights, DETECTION_MIN_CONFIDENCE=test_time.VIEW_CONFIDENCE,
                                     IMAGES_PER_GPU=1, TEST_SCALES=(0.8, 1.0, 1.25))
    truth = ground_truth_from_dataset(dataset, [int(i) for i in dataset.image_ids])
    seen, seconds, plain = {}, {}, None
    print(f"{len(dataset.image_ids)} photos. Columns: AP, AP50, AP75 of masks, then of boxes; detections; time against "
          "one view.")
    for scale, flip in VIEWS:
        view = test_time.View(flip, scale)
        seen[view], seconds[view] = look(model, dataset, view)
        for name, wanted in SETS.items():
            views = [test_time.View(f, s) for s, f in wanted]
            if view not in views or any(other not in seen for other in views):
                continue  # told before, or not all seen yet
            cost = sum(seconds[one] for one in views)
            plain = plain or cost
            for agreement in AGREEMENTS if len(views) > 1 else AGREEMENTS[:1]:
                test_time.SAME_OBJECT = agreement
                numbers, count = measure(model, dataset, truth, views, seen)
                line = "  ".join(f"{numbers[kind][key]:.3f}" for kind in ("segm", "bbox")
                                 for key in ("AP", "AP50", "AP75"))
                same = f", same object from IoU {agreement}" if len(views) > 1 else ""
                print(f"{name + same:60} {line}  {count:5}  {cost / plain:4.1f}", flush=True)
    assert np.isfinite(plain)


if __name__ == "__main__":
    main()
