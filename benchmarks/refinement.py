"""What the rule for label maps and each step of their refinement are good for.

    python benchmarks/refinement.py                        made-up detections on Clothing Co-Parsing's val photos
    python benchmarks/refinement.py --weights run/weights.h5 [--settings]   those of a model

Made-up detections are true masks, bent, at boxes that are off by some 4 %, kept at 28x28, softened and disturbed; one
in ten objects is missed (one in three of the small ones), one in five found twice, one in three also as another class
and as often somewhere else, with scores that overlap. They say how the steps compare, not how good a model is. The
steps' settings were chosen on photos of the train part (--part train).
"""

import argparse
import os
import sys
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mrcnn.data.formats import open_dataset  # noqa: E402
from mrcnn.data.label_samples import true_label_map  # noqa: E402
from mrcnn.data.masks import mask_boxes, paste_mask, shrink_masks  # noqa: E402
from mrcnn.evaluation.pixels import PixelConfusion  # noqa: E402
from mrcnn.labeling.label_map import LabelSettings, counting, label_map, labels_of, load_settings  # noqa: E402
from mrcnn.labeling.photos import batches, detected  # noqa: E402
from mrcnn.labeling.refine import build_chain  # noqa: E402

CHAINS = ("none", "small-regions", "felzenszwalb", "slic", "merged-superpixels", "guided", "crf", "crf,small-regions",
          "small-regions,crf", "felzenszwalb,crf", "guided,crf")


# --- Made-up detections ----------------------------------------------------------------------------------------------


def smooth_noise(rng, shape, size):
    """float32 [H, W]: noise of deviation 1 that changes over `size` pixels."""
    import cv2

    coarse = rng.normal(size=(int(shape[0] / size) + 2, int(shape[1] / size) + 2)).astype(np.float32)
    noise = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return noise / max(float(noise.std()), 1e-6)


def network_like(rng, mask, box, bend):
    """(box [4], probabilities [28, 28]) of one object, or None if nothing is left of its box."""
    import cv2

    height, width = mask.shape
    sides = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    moved = np.clip(box + rng.normal(0, 0.04, 4) * sides, 0, [height, width] * 2)
    if min(moved[2] - moved[0], moved[3] - moved[1]) < 4:
        return None
    side = float(np.sqrt(sides[0] * sides[1]))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    y, x = ((axis + bend * side * smooth_noise(rng, mask.shape, side / 4 + 2)).astype(np.float32) for axis in (y, x))
    bent = cv2.remap(mask.astype(np.uint8), x, y, cv2.INTER_NEAREST) > 0
    grid = cv2.GaussianBlur(shrink_masks(bent[..., None], moved[None], (28, 28))[0] / 255, (0, 0), 1)
    logits = 8 * (grid - 0.5) + 0.7 * smooth_noise(rng, (28, 28), 2) + rng.normal(0, 0.5)
    return moved, 1 / (1 + np.exp(-logits))


def made_up(dataset, image_id):
    """What a middling network might find in a photo: a dict as of `detect(mask_probabilities=True)`."""
    rng = np.random.default_rng(int(image_id))
    masks, class_ids = dataset.load_mask(image_id)
    height, width = masks.shape[:2]
    entries = []

    def add(mask, box, class_id, score, bend):
        result = network_like(rng, mask, box, bend)
        if result is not None:
            entries.append((*result, int(class_id), float(score)))

    for k in np.flatnonzero(class_ids > 0):
        mask, box = masks[..., k], mask_boxes(masks[..., k:k + 1])[0].astype(float)
        large = mask.sum() > 0.005 * height * width
        if rng.random() > (0.9 if large else 0.65):
            continue
        score = rng.beta(6, 2) if large else rng.beta(4, 3)
        add(mask, box, class_ids[k], score, 0.03)
        if rng.random() < 0.35:
            add(mask, box, rng.integers(1, dataset.num_classes), rng.beta(2, 3), 0.05)
        if rng.random() < 0.2:
            add(mask, box, class_ids[k], score * rng.beta(5, 3), 0.08)
        if rng.random() < 0.3:
            shift = [int(rng.integers(-side // 2, side // 2)) for side in (height, width)]
            place = box + np.tile(shift, 2)
            if (place[:2] >= 0).all() and place[2] <= height and place[3] <= width:
                add(np.roll(mask, shift, (0, 1)), place, class_ids[k], rng.beta(1.5, 5), 0.05)
    entries.sort(key=lambda entry: -entry[3])
    return {
        "boxes": np.array([entry[0] for entry in entries], np.float32).reshape(-1, 4),
        "mask_probabilities": np.array([entry[1] for entry in entries], np.float32).reshape(-1, 28, 28),
        "class_ids": np.array([entry[2] for entry in entries], int),
        "scores": np.array([entry[3] for entry in entries], np.float32),
    }


def detections(options, dataset):
    """Generator of (image id, uint8 [H, W, 3], what is found in it)."""
    if not options.weights:
        for image_id in dataset.image_ids:
            yield image_id, dataset.load_image(image_id), made_up(dataset, image_id)
        return
    from mrcnn.model import MaskRCNN

    model = MaskRCNN.from_checkpoint(options.weights, DETECTION_MIN_CONFIDENCE=0.05)
    for batch in batches(dataset.image_ids, model.config.BATCH_SIZE):
        images = [dataset.load_image(image_id) for image_id in batch]
        yield from zip(batch, images, detected(model, images))


# --- Label maps ------------------------------------------------------------------------------------------------------


def painted(objects, shape, class_names, settings, best_last):
    """The rule to beat: masks painted one over the other, the best first as detections come, or last."""
    labels = np.zeros(shape, np.uint8)
    order = np.flatnonzero(counting(objects, class_names, settings))
    for i in order[np.argsort(objects["scores"][order] * (1 if best_last else -1), kind="stable")]:
        part, (y, x) = paste_mask(objects["mask_probabilities"][i], objects["boxes"][i], shape, settings.mask_threshold)
        labels[y:y + part.shape[0], x:x + part.shape[1]][part] = objects["class_ids"][i]
    return labels


def compare(options, dataset):
    """Print the figures of both ways of painting, of the rule, and of each chain after it."""
    settings = load_settings(options.weights) if options.weights and options.settings else LabelSettings()
    names = dataset.class_names
    ways = {"painted, best first": False, "painted, best last": True}
    chains = {text: build_chain(text) for text in options.chains}
    counts = {way: PixelConfusion(names) for way in (*ways, *chains)}
    seconds = dict.fromkeys(counts, 0.0)
    for image_id, image, objects in detections(options, dataset):
        truth = true_label_map(dataset, image_id)
        for way, best_last in ways.items():
            counts[way].add(truth, painted(objects, truth.shape, names, settings, best_last))
        labels, probabilities = label_map(objects, truth.shape, names, settings)
        for text, chain in chains.items():
            start = time.process_time()
            refined = labels if chain is None else labels_of(chain(image, probabilities))
            seconds[text] += time.process_time() - start
            counts[text].add(truth, refined)
    report(counts, seconds, "none")


def report(counts, seconds, base):
    """Print a line for each way, with its gain over `base`."""
    figures = {way: count.metrics() for way, count in counts.items()}
    print(f"{'':22}   mean IoU     gain   boundary F     gain   accuracy   person IoU   person F   s/photo")
    for way, metrics in figures.items():
        person = metrics["person"]["classes"][1]
        gains = [metrics[name] - figures[base][name] for name in ("mean_iou", "mean_boundary_f")]
        print(f"{way:22}{metrics['mean_iou']:11.4f}{gains[0]:+9.4f}{metrics['mean_boundary_f']:13.4f}{gains[1]:+9.4f}"
              f"{metrics['pixel_accuracy']:11.4f}{person['iou']:13.4f}{person['boundary_f']:11.4f}"
              f"{seconds[way] / max(metrics['photos'], 1):10.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "data", "ccp"), metavar="DIR",
                        help="Clothing Co-Parsing (default: ../shared/data/ccp)")
    parser.add_argument("--part", choices=("train", "val"), default="val")
    parser.add_argument("--limit", type=int, help="take the first so many photos")
    parser.add_argument("--weights", metavar="PATH", help="a checkpoint in place of made-up detections")
    parser.add_argument("--settings", action="store_true", help="label settings that are stored beside the weights")
    parser.add_argument("--chains", nargs="+", default=CHAINS, help="chains of refinement to compare; none is added")
    options = parser.parse_args()
    options.chains = ["none", *(text for text in options.chains if text != "none")]
    dataset = open_dataset(os.path.join(options.data, f"instances_{options.part}.json"),
                           os.path.join(options.data, "photos"), limit=options.limit)
    print(f"Clothing Co-Parsing {options.part}, {len(dataset.image_ids)} photos, "
          f"{'detections of a model' if options.weights else 'made-up detections'}")
    compare(options, dataset)


if __name__ == "__main__":
    main()
