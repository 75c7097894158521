"""A data set of rectangles, and what a detector would return for them: figures that can be worked out by hand."""

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.evaluation import coco

SIZE = (100, 120)  # height, width of the pictures


class Rectangles(Dataset):
    """Pictures of rectangles; each object is (class id, negative for a crowd; y1, x1, y2, x2)."""

    def load(self, pictures, category_ids=(10, 20)):
        for category_id in category_ids:
            self.add_class("test", category_id, f"class {category_id}")
        for i, objects in enumerate(pictures):
            self.add_image("test", 1000 + i, path=f"photos/{i}.png", objects=objects)
        self.prepare()
        return self

    def load_image(self, image_id):
        return np.zeros(SIZE + (3,), np.uint8)

    def load_mask(self, image_id):
        objects = self.image_info[image_id]["objects"]
        masks = np.zeros(SIZE + (len(objects),), bool)
        for i, (_, y1, x1, y2, x2) in enumerate(objects):
            masks[y1:y2, x1:x2, i] = True
        return masks, np.array([o[0] for o in objects], np.int32)


def as_detection(objects, scores=None):
    """What detect() would return for rectangles."""
    masks = np.zeros(SIZE + (len(objects),), bool)
    for i, (_, y1, x1, y2, x2) in enumerate(objects):
        masks[y1:y2, x1:x2, i] = True
    return {
        "boxes": np.array([o[1:] for o in objects], np.float32).reshape(-1, 4),
        "class_ids": np.array([o[0] for o in objects], np.int32),
        "scores": np.array(scores if scores is not None else [0.9] * len(objects), np.float32),
        "masks": masks,
    }


def comparable(truth, detections, scores=None, category_ids=(10, 20)):
    """(COCO ground truth, COCO results) of lists of objects for each picture."""
    dataset = Rectangles().load(truth, category_ids)
    results = []
    for i, objects in enumerate(detections):
        results += coco.results_from_detections(dataset, i, as_detection(objects, scores[i] if scores else None))
    return coco.ground_truth_from_dataset(dataset), results
