"""The best IoU that a mask of so many cells can reach: true masks encoded as mask targets, and pasted back.

    python benchmarks/mask_bound.py --data ../shared/data/ccp

Reads Clothing Co-Parsing: `instances_val.json` in COCO form and `photos/`. "halved" masks are the
targets: each cell is inside if at least half of it is. "shares" are how much of each cell is covered: the most that so
many cells can say. "guided" ones are then drawn to the photo's edges by `mrcnn.labeling.guided.guided_mask`.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402

from mrcnn.data.formats.coco import CocoDataset  # noqa: E402
from mrcnn.data.masks import mask_boxes, paste_mask, shrink_masks  # noqa: E402
from mrcnn.labeling.guided import guided_mask  # noqa: E402

SIZES = (28, 56)
AREAS = {"under 32^2 pixels": (0, 32**2), "32^2 to 96^2": (32**2, 96**2), "over 96^2": (96**2, np.inf)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="../shared/data/ccp", help="folder of Clothing Co-Parsing")
    parser.add_argument("--limit", type=int, help="use the first so many photos")
    arguments = parser.parse_args()
    dataset = CocoDataset()
    annotations, photos = (os.path.join(arguments.data, name) for name in ("instances_val.json", "photos"))
    dataset.load_coco(annotations, photos, limit=arguments.limit)
    dataset.prepare()
    overlaps, areas, names = {}, [], []
    for image_id in dataset.image_ids:
        image = dataset.load_image(image_id)
        masks, class_ids = dataset.load_mask(image_id)
        for mask, box, class_id in zip(masks.transpose(2, 0, 1), mask_boxes(masks), class_ids):
            areas.append(mask.sum())
            names.append(dataset.class_names[abs(class_id)])
            for way, pasted in pasted_masks(image, mask, box):
                overlaps.setdefault(way, []).append((pasted & mask).sum() / (pasted | mask).sum())
    print_table(overlaps, np.array(areas), np.array(names))


def pasted_masks(image, mask, box):
    """Generator of (name, bool [H, W]) of each way of keeping and pasting one mask."""
    for cells in SIZES:
        shares = shrink_masks(mask[..., None], box[None], (cells, cells))[0].astype(np.float32) / 255
        for name, kept in (("halved", (shares >= 0.5).astype(np.float32)), ("shares", shares)):
            yield f"{cells} {name}", full(paste_mask(kept, box, mask.shape), mask.shape)
            yield f"{cells} {name} guided", full(guided_mask(image, box, kept), mask.shape)


def full(pasted, shape):
    """bool [H, W] of (part, its corner)."""
    part, (y, x) = pasted
    whole = np.zeros(shape, bool)
    whole[y:y + part.shape[0], x:x + part.shape[1]] = part
    return whole


def print_table(overlaps, areas, names):
    """Print mean IoU of each way: of all, by size, and by class."""
    ways = list(overlaps)
    print(f"mean IoU of {len(areas)} true masks with what is left of them")
    print(f"{'':22}{'number':>7}" + "".join(f"{way:>{len(way) + 3}}" for way in ways))
    rows = {"all": np.ones(len(areas), bool)}
    rows.update({name: (areas >= low) & (areas < high) for name, (low, high) in AREAS.items()})
    rows.update({name: names == name for name in sorted(set(names))})
    for name, chosen in rows.items():
        if chosen.any():
            values = "".join(f"{np.mean(np.array(overlaps[way])[chosen]):{len(way) + 3}.3f}" for way in ways)
            print(f"{name:22}{chosen.sum():7}{values}")


if __name__ == "__main__":
    main()
