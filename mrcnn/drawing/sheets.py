"""Sheets of photos for a report: each as annotated, and as detected."""

from collections.abc import Sequence

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.data.checked_photos import checked_photo
from mrcnn.data.dataset import Dataset
from mrcnn.data.images import colours_of, resize_pixels, scaled_size
from mrcnn.data.mask_values import own_masks
from mrcnn.data.masks import mask_boxes
from mrcnn.data.objects import gives_run_lengths
from mrcnn.data.strips import RunLengthMasks
from mrcnn.drawing.pictures import contact_sheet, distinct_colors, draw_instances

SHEET_PHOTOS = 8  # on the sheet of the report, spread over the data
SHEET_SIDE = 480  # pixels of the longer side of a photo on it


def photo_sheet(dataset: Dataset, results: Sequence[dict], truth: dict,
                threshold: float) -> list[tuple[str, np.ndarray]]:
    """[(title, uint8 [H, W, 3])]: some photos, each as annotated and as detected with at least this score."""
    colors = distinct_colors(len(dataset.class_names))
    chosen = np.unique(np.linspace(0, len(truth["images"]) - 1, SHEET_PHOTOS).astype(int))
    images, titles = [], []
    for i in chosen:
        image_id, photo = dataset.image_ids[i], truth["images"][i]
        shown = [r for r in results if r["image_id"] == photo["id"] and r["score"] >= threshold]
        images += drawn_pair(dataset, image_id, shown, truth["categories"], colors)
        titles += [f"{photo['file_name']}: true", "detected"]
    return [(f"As annotated, and as detected with a score of at least {threshold:.2f}.",
             contact_sheet(images, titles, columns=4))]


def drawn_pair(dataset: Dataset, image_id: int, results: Sequence[dict], categories: Sequence[dict[str, int]],
               colors: Sequence[tuple[int, int, int]]) -> list[np.ndarray]:
    """Draw a photo with its true objects, and with COCO results of it."""
    image = colours_of(checked_photo(dataset, image_id))  # a fourth channel may be depth
    if gives_run_lengths(dataset):
        true, class_ids = dataset.load_rles(image_id)[:2]
    else:
        masks, class_ids = dataset.load_mask(image_id)[:2]
        masks = own_masks(masks, dataset, image_id)
        true = [run_lengths.encode(masks[..., i]) for i in range(masks.shape[-1])]
    class_of = {category["id"]: k for k, category in enumerate(categories, 1)}
    pair = []
    for rles, classes, scores in (
        (true, np.abs(class_ids), None),
        ([r["segmentation"] for r in results], np.array([class_of[r["category_id"]] for r in results], int),
         [r["score"] for r in results]),
    ):
        reduced, planes = reduce(image, rles)
        own = np.array([colors[k] for k in classes], float).reshape(-1, 3)
        pair.append(draw_instances(reduced, mask_boxes(planes), planes, classes, dataset.class_names, scores, own,
                                   show_bbox=False))
    return pair


def reduce(image: np.ndarray, rles: Sequence[dict]) -> tuple[np.ndarray, np.ndarray]:
    """A photo and the masks of run lengths, bool [h, w, N], at no more than SHEET_SIDE pixels."""
    height, width = image.shape[:2]
    scale = min(1, SHEET_SIDE / max(height, width))
    shape = scaled_size((height, width), scale)
    shares = RunLengthMasks(rles, (height, width)).shrink([[0, 0, height, width]] * len(rles), shape)
    return resize_pixels(image, shape), (shares >= 128).transpose(1, 2, 0)
