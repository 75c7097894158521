"""How many planted errors `data suspects` finds: true pictures with one wrong object in each of some of them.

    python benchmarks/suspects.py [--seed 10 11 12 13]         drawn pictures, made-up detections of refinement.py
    python benchmarks/suspects.py --weights FILE [--planted 21] [--limit N]      drawn pictures
    python benchmarks/suspects.py --weights FILE --annotations PATH --images DIR [...]      photos of your own

A third of the errors each: an object removed, of another class, and moved by half of its box. Prints the share of the
first k photos of the ranking that are planted (precision at k), and of the planted ones that are among them, by kind.
The errors that photos of your own had before count against it.
"""

import argparse
import os
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mrcnn.data.dataset import Dataset  # noqa: E402

KINDS = ("removed", "class", "moved")
LEAST_SHARE = 0.01  # of the photo, that a changed object covers: what is smaller nobody would miss


class Planted(Dataset):
    """A data set with errors; `kinds` is {image id: kind of its error}.

    Args:
        dataset: prepared Dataset.
        count: number of photos that get an error, a third each.
        seed: of the choice.
        limit: number of photos that are taken over, the first ones; None takes all.
    """

    def __init__(self, dataset, count, seed=0, limit=None):
        super().__init__()
        self.dataset, self.seed, self.kinds = dataset, seed, {}
        for class_id in range(1, dataset.num_classes):
            self.add_class("planted", class_id, dataset.class_names[class_id])
        for image_id in dataset.image_ids[:limit]:
            info = dataset.image_info[image_id]
            name = info.get("file_name") or info.get("path")
            self.add_image("planted", int(image_id), name, file_name=os.path.basename(str(name)))
        self.prepare()
        for place in np.random.default_rng(seed).permutation(len(self.image_ids)):
            if len(self.kinds) < count and self._candidates(*dataset.load_mask(self._source(place))[:2]).size:
                self.kinds[int(place)] = KINDS[len(self.kinds) % len(KINDS)]

    def _source(self, image_id):
        return self.image_info[image_id]["id"]

    def _candidates(self, masks, class_ids):
        """Places of objects that are large enough, of classes of which the photo has one object."""
        shares = masks.mean(axis=(0, 1)) if masks.size else np.zeros(len(class_ids))
        single = np.array([np.count_nonzero(class_ids == class_id) == 1 for class_id in class_ids], bool)
        return np.flatnonzero((shares >= LEAST_SHARE) & single & (class_ids > 0))

    def load_image(self, image_id):
        return self.dataset.load_image(self._source(image_id))

    def load_mask(self, image_id):
        masks, class_ids = (np.array(part) for part in self.dataset.load_mask(self._source(image_id))[:2])
        kind = self.kinds.get(int(image_id))
        if kind is None:
            return masks, class_ids
        rng = np.random.default_rng([self.seed, int(image_id)])
        k = int(rng.choice(self._candidates(masks, class_ids)))
        if kind == "removed":
            kept = np.arange(len(class_ids)) != k
            return masks[..., kept], class_ids[kept]
        if kind == "class":
            others = [class_id for class_id in range(1, self.num_classes) if class_id not in class_ids]
            class_ids[k] = rng.choice(others)
            return masks, class_ids
        rows, columns = (np.flatnonzero(masks[..., k].any(axis=axis)) for axis in (1, 0))
        sides = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
        masks[..., k] = np.roll(masks[..., k], [int(side * rng.choice([-0.5, 0.5])) for side in sides], (0, 1))
        return masks, class_ids


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights")
    for name in ("images", "annotations", "names", "mapping", "split"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--planted", type=int, default=21)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="of the choice of what is planted")
    options = parser.parse_args()
    from mrcnn.architectures import load
    from mrcnn.commands.datasets import drawn_pictures
    from mrcnn.commands.suspects import of_label_maps, of_objects
    from mrcnn.data.curation.splits import apply_split, read_split
    from mrcnn.data.formats import open_dataset
    from mrcnn.drawing.suspect_sheets import worst_of_photos

    if options.annotations:
        dataset = open_dataset(options.annotations, options.images, names=options.names, mapping=options.mapping)
        if options.split:
            dataset = apply_split(dataset, read_split(options.split), "val")
    else:
        dataset = drawn_pictures("val")
    model = load(options.weights) if options.weights else None
    if hasattr(model, "detect"):
        model.config.DETECTION_MIN_CONFIDENCE = 0.05
    name = f"{os.path.basename(options.weights)}, {model.architecture_name()}" if model else "made-up detections"
    for seed in options.seed:
        planted = Planted(dataset, options.planted, seed, options.limit)
        if model is None:
            found = made_up(planted)
        else:
            found, _ = (of_objects if hasattr(model, "detect") else of_label_maps)(model, planted)
        report(f"{name}, seed {seed}", planted, worst_of_photos(found, len(planted.image_ids)))


def made_up(planted):
    """Suspects by the detections that a middling network might give."""
    from refinement import made_up as detections

    from mrcnn.data.masks import paste_mask
    from mrcnn.evaluation.coco import ground_truth_from_dataset, results_from_detections
    from mrcnn.evaluation.suspects import find_suspects

    results = []
    for image_id in planted.image_ids:
        shape = planted.load_image(image_id).shape[:2]
        found = detections(planted.dataset, planted._source(image_id))
        masks = np.zeros((*shape, len(found["scores"])), bool)
        for k, (mask, box) in enumerate(zip(found["mask_probabilities"], found["boxes"])):
            part, (y, x) = paste_mask(mask, box, shape, 0.5)
            masks[y:y + part.shape[0], x:x + part.shape[1], k] = part
        results += results_from_detections(planted, image_id, {**found, "masks": masks})
    return find_suspects(ground_truth_from_dataset(planted), results)


def report(name, planted, first):
    """Print precision at k of a ranking: the first suspect of each photo."""
    ids = {info["path"]: i for i, info in enumerate(planted.image_info)}
    ids.update({info["file_name"]: i for i, info in enumerate(planted.image_info)})
    order, count = [ids[suspect.photo] for suspect in first], len(planted.kinds)
    print(f"{name}: {len(planted.image_ids)} photos, {count} planted, {count / len(planted.image_ids):.2f} of all")
    for k in (5, 10, count, 2 * count):
        kinds = [planted.kinds[i] for i in order[:k] if i in planted.kinds]
        shares = ", ".join(f"{kind} {kinds.count(kind)} of {list(planted.kinds.values()).count(kind)}"
                           for kind in KINDS)
        print(f"of the first {k:3}: {len(kinds):3} planted, precision {len(kinds) / k:.2f}; {shares}", flush=True)


if __name__ == "__main__":
    main()
