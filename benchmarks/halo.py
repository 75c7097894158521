"""The halo of label maps: how far from the true edge the pixels lie that are labelled as something and are background.

    python benchmarks/halo.py --weights unet.h5 --images DIR --annotations DIR --names FILE --mapping ccp-clothes \
        --split split.json [--limit N]

All classes but background are one here. Each photo goes through the network once, then through each refinement.
Columns: false-positive pixels as a share of the true ones; how they are spread by their distance to the nearest true
pixel; true pixels that were missed, as a share of the true ones; IoU; processor seconds a photo of the refinement.
"""

import argparse
import os
import sys
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

CHAINS = ("none", "small-regions", "felzenszwalb", "slic", "merged-superpixels", "guided", "crf")
EDGES = (1, 2, 4, 8, 16, np.inf)  # pixels


def halo(truth, labels):
    """int64 [3 + 6]: true pixels, missed ones, false positives; the latter by distance to the nearest true pixel.

    Args:
        truth, labels: [H, W] class ids, 0 background, 255 in truth ignored.
    """
    from scipy import ndimage

    true, found = (truth > 0) & (truth < 255), (labels > 0) & (truth < 255)
    false = found & ~true
    # Without a true pixel in the photo all lie infinitely far from one.
    away = ndimage.distance_transform_edt(~true)[false] if true.any() else np.full(int(false.sum()), np.inf)
    spread = np.bincount(np.searchsorted(EDGES, away), minlength=len(EDGES))
    return np.array([true.sum(), (true & ~found).sum(), false.sum(), *spread], np.int64)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("weights", "images", "annotations"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("names", "mapping", "split"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--chains", nargs="+", default=CHAINS)
    options = parser.parse_args()
    from mrcnn.architectures import load
    from mrcnn.data.curation.splits import apply_split, read_split
    from mrcnn.data.formats import open_dataset
    from mrcnn.data.label_samples import true_label_map
    from mrcnn.labeling.label_map import labels_of
    from mrcnn.labeling.refine import build_chain

    dataset = open_dataset(options.annotations, options.images, names=options.names, mapping=options.mapping)
    if options.split:
        dataset = apply_split(dataset, read_split(options.split), "val")
    model = load(options.weights)
    chains = {text: build_chain(text) for text in options.chains}
    counts = {text: np.zeros(3 + len(EDGES), np.int64) for text in chains}
    seconds, image_ids = dict.fromkeys(chains, 0.0), dataset.image_ids[: options.limit]
    for image_id in image_ids:
        image, truth = dataset.load_image(image_id), true_label_map(dataset, image_id)
        probabilities = next(iter(model.label_each([image], probabilities=True)))["probabilities"]
        for text, chain in chains.items():
            start = time.process_time()
            refined = labels_of(probabilities if chain is None else chain(image, probabilities))
            seconds[text] += time.process_time() - start
            counts[text] += halo(truth, refined)
    print(f"{os.path.basename(options.weights)}, {model.architecture_name()}, {len(image_ids)} photos, "
          f"{len(dataset.class_names) - 1} classes as one")
    titles = [f"<= {edge} px" for edge in EDGES[:-1]] + ["farther"]
    print(f"{'':20}{'false':>9}{''.join(f'{title:>9}' for title in titles)}{'missed':>9}{'IoU':>9}{'s/photo':>9}")
    for text, (true, missed, false, *spread) in counts.items():
        shares = "".join(f"{value / max(false, 1):9.3f}" for value in spread)
        print(f"{text:20}{false / true:9.4f}{shares}{missed / true:9.4f}{(true - missed) / (true + false):9.4f}"
              f"{seconds[text] / len(image_ids):9.2f}", flush=True)


if __name__ == "__main__":
    main()
