"""CVAT's XML against Datumaro, an independent reader and writer of it: the same masks, labels and photos both ways.

    pip install datumaro        where numpy, pycocotools, OpenCV and Pillow are, and this package need not be
    python benchmarks/cvat_datumaro.py
"""

import json
import os
import sys
import tempfile
import warnings

import cv2
import numpy as np
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from mrcnn.data import run_lengths
from mrcnn.data.formats import open_dataset, writer

HEIGHT, WIDTH, PHOTOS, OBJECTS = 90, 120, 12, 6
NAMES = ("shirt", "bag", "shoe")


def masks_of(rng):
    """bool [H, W, N]: blobs of one part, blobs with holes, several parts, noise; the last reaches to every edge."""
    masks = np.zeros((HEIGHT, WIDTH, OBJECTS), np.uint8)
    for place in range(OBJECTS):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        for value in (1, 1, 0)[: 1 + place % 3]:
            center = [int(rng.integers(20, side - 20)) for side in (WIDTH, HEIGHT)]
            axes = [int(v) for v in rng.integers(4, 30, 2)]
            cv2.ellipse(mask, center, axes, int(rng.integers(180)), 0, 360, value, -1)
        masks[..., place] = mask
    masks[..., -1] = rng.random((HEIGHT, WIDTH)) < 0.5
    return masks.astype(bool)


def ours_to_theirs(folder, seed=0):
    """Write with this package, read with Datumaro.

    Args:
        folder: empty, to write to
        seed: of the masks

    Returns:
        {what: (number that agree, number of all)}.
    """
    import datumaro

    rng, truth, annotations, images = np.random.default_rng(seed), {}, [], []
    os.makedirs(os.path.join(folder, "images"))
    for number in range(PHOTOS):
        name = f"{number}.png"
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(os.path.join(folder, "images", name))
        images.append({"id": number + 1, "file_name": name, "height": HEIGHT, "width": WIDTH})
        masks = masks_of(rng)
        truth[name] = [(NAMES[place % 3], masks[..., place]) for place in range(OBJECTS)]
        for place in range(OBJECTS):
            annotations.append({"id": len(annotations) + 1, "image_id": number + 1, "category_id": 1 + place % 3,
                                "iscrowd": 0, "segmentation": run_lengths.encode(masks[..., place])})
    content = {"images": images, "annotations": annotations,
               "categories": [{"id": i, "name": name} for i, name in enumerate(NAMES, 1)]}
    with open(os.path.join(folder, "coco.json"), "w") as file:
        json.dump(content, file)
    writer("cvat")(open_dataset(os.path.join(folder, "coco.json"), os.path.join(folder, "images")),
                   os.path.join(folder, "annotations.xml"))
    os.remove(os.path.join(folder, "coco.json"))
    theirs = datumaro.Dataset.import_from(folder, "cvat").transform("polygons_to_masks")
    labels = theirs.categories()[datumaro.AnnotationType.label]
    result = {"photos": [0, PHOTOS], "labels": [0, PHOTOS * OBJECTS], "masks": [0, PHOTOS * OBJECTS]}
    for item in theirs:
        expected = truth.get(f"{os.path.basename(item.id)}.png", [])
        result["photos"][0] += bool(expected)
        given = sorted(item.annotations, key=lambda annotation: annotation.id)
        left = list(expected)
        for annotation in given:
            mask = np.asarray(annotation.image).astype(bool)
            match = [pair for pair in left if (pair[1] == mask).all()]
            result["masks"][0] += bool(match)
            result["labels"][0] += bool(match) and labels[annotation.label].name == match[0][0]
            left = [pair for pair in left if not match or pair is not match[0]]
    return {what: tuple(counts) for what, counts in result.items()}


def theirs_to_ours(folder, seed=0):
    """Write with Datumaro, read with this package; arguments and result as of `ours_to_theirs`."""
    import datumaro
    from datumaro import AnnotationType, Bbox, Dataset, DatasetItem, LabelCategories, Polygon
    from pycocotools import mask as coco_mask

    rng, items, truth = np.random.default_rng(seed), [], {}
    for number in range(PHOTOS):
        annotations = []
        for place in range(OBJECTS):
            if place % 3 == 2:
                x, y, width, height = (int(v) for v in rng.integers(3, 40, 4))
                points = [x, y, x + width, y, x + width, y + height, x, y + height]
                annotations.append(Bbox(x, y, width, height, label=place % 3, group=place + 1,
                                        attributes={"size": "mini"}))
            else:
                points = [float(v) for v in np.round(rng.uniform(5, 85, 2 * int(rng.integers(3, 9))), 2)]
                annotations.append(Polygon(points, label=place % 3, group=place + 1, attributes={"size": "mini"}))
            drawn = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([points], HEIGHT, WIDTH)))
            truth[number, place] = drawn.astype(bool)
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        media = datumaro.Image.from_numpy(pixels)
        items.append(DatasetItem(str(number), annotations=annotations, media=media, attributes={"frame": number}))
    categories = LabelCategories.from_iterable(NAMES)
    categories.attributes.add("size")
    dataset = Dataset.from_iterable(items, categories={AnnotationType.label: categories}, media_type=datumaro.Image)
    dataset.export(folder, "cvat", save_media=True, image_ext=".png")
    (path,) = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".xml")]
    ours = open_dataset(path)
    result = {"photos": [len(ours.image_ids), PHOTOS], "labels": [0, len(truth)], "masks": [0, len(truth)],
              "attributes": [0, len(truth)]}
    for image_id in ours.image_ids:
        number = int(os.path.splitext(os.path.basename(ours.file_name(image_id)))[0])
        for entry in ours.objects(image_id):
            result["masks"][0] += bool((run_lengths.decode(entry.rle) == truth[number, entry.number]).all())
            result["labels"][0] += ours.class_names[entry.class_id] == NAMES[entry.number % 3]
            result["attributes"][0] += "size: mini" in [ours.attribute_names[i] for i in entry.attributes]
    return {what: tuple(counts) for what, counts in result.items()}


def main():
    import datumaro

    warnings.simplefilter("ignore")
    version = getattr(datumaro, "__version__", "")
    print(f"Datumaro {version}, {PHOTOS} photos of {HEIGHT}x{WIDTH}, {OBJECTS} objects each")
    for what, compare in (("written here, read there", ours_to_theirs), ("written there, read here", theirs_to_ours)):
        with tempfile.TemporaryDirectory() as folder:
            counts = compare(os.path.join(folder, "data"))
        print(f"{what}: " + ", ".join(f"{same} of {all_} {name}" for name, (same, all_) in counts.items()))


if __name__ == "__main__":
    main()
