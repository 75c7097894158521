"""YOLO segmentation here against another program that reads and writes it, the package supervision.

    pip install supervision pycocotools "opencv-python-headless<5"
    python benchmarks/yolo_agreement.py --data ../shared/data/ccp

Clothing Co-Parsing's validation photos are written here and read there, and written there and read here and there. That
program draws with OpenCV, which fills the pixels that an outline touches too: masks may differ by one pixel along their
edges, and along the lines that join the parts of an object. Prints how many objects have the same class and photo, the
least and the mean IoU, and how many differ by more than a pixel along the edges.
"""

import argparse
import os
import sys
import tempfile
import warnings

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from mrcnn.data.formats import open_dataset  # noqa: E402
from mrcnn.data.formats.outlines import rings  # noqa: E402
from mrcnn.data.formats.write_yolo import write_yolo  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="../shared/data/ccp", help="folder of Clothing Co-Parsing")
    arguments = parser.parse_args()
    import supervision

    warnings.simplefilter("ignore")
    print(f"supervision {supervision.__version__}")
    truth = open_dataset(os.path.join(arguments.data, "instances_val.json"), os.path.join(arguments.data, "photos"))
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = os.path.join(folder, "ours"), os.path.join(folder, "theirs")
        write_yolo(truth, ours)
        read_there = opened_there(supervision, ours, "train")
        compare("written here, read there", truth, masks_of(read_there), whole=True)
        same = exact(truth, open_dataset(ours))
        print(f"written here, read here: {same[0]} of {same[1]} objects are the same to the pixel")
        os.makedirs(os.path.join(theirs, "images", "train"))
        read_there.as_yolo(os.path.join(theirs, "images", "train"), os.path.join(theirs, "labels", "train"),
                           os.path.join(theirs, "data.yaml"))
        with open(os.path.join(theirs, "data.yaml"), "a") as file:
            file.write("train: images/train\n")
        compare("written there, read here and there", open_dataset(theirs),
                masks_of(opened_there(supervision, theirs, "train")), whole=False)


def opened_there(supervision, folder, part):
    """The data set of a folder as the other program reads it."""
    return supervision.DetectionDataset.from_yolo(
        os.path.join(folder, "images", part), os.path.join(folder, "labels", part), os.path.join(folder, "data.yaml"),
        force_masks=True)


def masks_of(dataset):
    """{name of a photo: (bool [N, H, W], class ids [N] from 0 on)}."""
    none = np.zeros((0, 1, 1), bool)
    return {os.path.basename(path): (none if found.mask is None else found.mask, found.class_id)
            for path, _, found in dataset}


def compare(title, here, there, whole):
    """Print how the objects of a data set are those of the other program.

    Args:
        title: what is compared.
        here: prepared data set.
        there: of `masks_of`.
        whole: whether masks of several parts are left out of the count of differences.
    """
    pairs, classes, ious, far, joined = 0, 0, [], 0, 0
    for image_id in here.image_ids:
        masks, labels = there[os.path.basename(here.file_name(image_id))]
        objects = here.objects(image_id)
        assert len(objects) == len(labels), here.file_name(image_id)
        for entry, mask, label in zip(objects, masks, labels):
            own = here_mask(entry)
            pairs += 1
            classes += entry.class_id == label + 1
            ious.append((own & mask).sum() / max((own | mask).sum(), 1))
            several = whole and len(rings(entry.rle)) > 1
            joined += several
            far += not several and bool(((own ^ mask) & ~band(own) & ~band(mask)).any())
    print(f"{title}: {len(here.image_ids)} photos, {classes} of {pairs} objects of the same class; IoU mean "
          f"{np.mean(ious):.4f}, least {np.min(ious):.4f}; {far} of {pairs - joined} objects of one outline differ by "
          f"more than a pixel along the edge ({joined} others have parts or holes)")


def exact(before, after):
    """(objects with the same run lengths, all objects) of two data sets of the same photos."""
    same = [a.rle == b.rle and a.class_id == b.class_id for i in before.image_ids
            for a, b in zip(before.objects(i), after.objects(i), strict=True)]
    return sum(same), len(same)


def here_mask(entry):
    from mrcnn.data import run_lengths

    return run_lengths.decode(entry.rle)


def band(mask):
    """bool [H, W]: pixels within one of the edge of a mask."""
    kernel = np.ones((3, 3), np.uint8)
    pixels = np.ascontiguousarray(mask).view(np.uint8)
    return cv2.dilate(pixels, kernel).astype(bool) & ~cv2.erode(pixels, kernel, borderValue=0).astype(bool)


if __name__ == "__main__":
    main()
