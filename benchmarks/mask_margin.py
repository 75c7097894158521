"""AP of masks that are looked for in boxes enlarged by a margin: would masks that end at a side of their box go on?

    python benchmarks/mask_margin.py --weights checkpoint.h5 --data ../shared/data/ccp --margins 0 0.02 0.04 0.08

Boxes stay as they are; the crop that the mask head sees, and the place that its mask is pasted into, grow on each side
by the margin, a share of the box's own side. Nothing is trained for it: in training, too, the mask head sees regions
that are larger than their object.
"""

import argparse
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import mrcnn  # noqa: E402, F401
from mrcnn.commands.main import main as command  # noqa: E402
from mrcnn.data.images import Window  # noqa: E402
from mrcnn.network.heads import RegionCrops  # noqa: E402

MASK_CROPS = "roi_align_mask"
crop = RegionCrops.call


def enlarge_boxes_of_masks(margin):
    """Let every network that is built from now on look for masks in enlarged boxes, and paste them there."""

    def enlarged(boxes):
        corner, sides = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
        low, high = corner - margin * sides, corner + (1 + margin) * sides
        return low, high

    def crop_enlarged(layer, inputs):
        from keras import ops

        if layer.name == MASK_CROPS:
            inputs = {**inputs, "boxes": ops.concatenate(enlarged(inputs["boxes"]), axis=1)}
        return crop(layer, inputs)

    def paste_enlarged(window, masks, boxes):
        import numpy as np

        return masks, np.concatenate(enlarged(boxes), axis=1)

    RegionCrops.call, Window.to_paste = crop_enlarged, paste_enlarged


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", required=True, help="checkpoint of a Mask R-CNN, not of Matterport's geometry")
    parser.add_argument("--data", default="../shared/data/ccp", help="folder of Clothing Co-Parsing")
    parser.add_argument("--margins", nargs="+", type=float, default=[0, 0.02, 0.04, 0.08])
    options = parser.parse_args()
    rows = []
    for margin in options.margins:
        enlarge_boxes_of_masks(margin)
        with tempfile.TemporaryDirectory() as folder:
            if command(["evaluate", "--weights", options.weights, "--no-report", "--output", folder, "--annotations",
                        os.path.join(options.data, "instances_val.json"), "--images",
                        os.path.join(options.data, "photos")]):
                sys.exit(1)
            with open(os.path.join(folder, "metrics.json")) as file:
                measured = json.load(file)
        masks = measured["segm"]
        rows.append(f"{margin:6.2f} {masks['AP']:7.3f} {masks['AP50']:7.3f} {masks['AP75']:7.3f} "
                    f"{masks['AP_large']:7.3f} {measured['bbox']['AP']:7.3f}")
    print("\n".join(["margin      AP    AP50    AP75   large  box AP", *rows]))


if __name__ == "__main__":
    main()
