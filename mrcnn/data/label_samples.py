"""What a network of label maps trains on: a photo with one label a pixel, and batches of these.

Labels are uint8: class ids, 0 background, 255 to be ignored.
"""

from collections.abc import Sequence

import numpy as np

from mrcnn.config import Settings
from mrcnn.data.checked_photos import checked_photo
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import SAMPLE, active_classes, augmented, light_and_others, place_photo
from mrcnn.data.images import Window
from mrcnn.data.instance_samples import grown
from mrcnn.data.mask_values import own_masks
from mrcnn.data.objects import check_objects, known_label_map, unpacked
from mrcnn.data.sides import swaps_of
from mrcnn.errors import DataError

IGNORED = 255
CROWD = -1  # stands for ignored pixels among masks: no augmentation pastes these


def true_label_map(dataset: Dataset, image_id: int) -> np.ndarray:
    """The true label map of a photo of any prepared `Dataset`.

    A data set that knows it (method `label_map`, which may return None) is asked; for any other it is put together from
    the masks of its objects, the smaller one in front of the larger, and of two of one size the later one. A crowd is
    ignored where no other object lies.

    Returns:
        uint8 [H, W].

    Raises:
        DataError: naming the photo, if there are not as many masks as class ids, or one of these is no class, or more
            than a label map can hold.
    """
    known = known_label_map(dataset, image_id)
    if known is not None:
        return np.asarray(known)
    masks, class_ids = unpacked(dataset.load_mask(image_id), dataset, image_id)[:2]
    class_ids = check_objects(dataset, image_id, masks, class_ids)
    if not len(class_ids):
        info = dataset.image_info[image_id]
        sized = "height" in info and "width" in info
        return np.zeros((info["height"], info["width"]) if sized else dataset.load_image(image_id).shape[:2], np.uint8)
    if class_ids.max() >= IGNORED:
        raise DataError(f"{dataset.sample_name(image_id)}: an object has class id {class_ids.max()}, but a label map "
                        f"holds class ids up to {IGNORED - 1}: merge some classes.")
    masks = own_masks(masks, dataset, image_id)
    labels, areas = np.zeros(masks.shape[:2], np.uint8), masks.sum(axis=(0, 1))
    for i in sorted(range(len(areas)), key=lambda i: (class_ids[i] > 0, -areas[i])):  # crowds behind everything
        labels[masks[..., i]] = class_ids[i] if class_ids[i] > 0 else IGNORED
    return labels


def count_pixels(dataset: Dataset, image_ids: Sequence[int] | np.ndarray, classes: int, most: int = 1000) -> np.ndarray:
    """How many pixels each class has in some photos.

    Args:
        dataset: prepared Dataset.
        image_ids: of the photos.
        classes: their number, with background.
        most: photos to look at; of more, evenly spaced ones.

    Returns:
        int64 [classes].
    """
    counts = np.zeros(classes, np.int64)
    for index in np.unique(np.linspace(0, len(image_ids) - 1, min(most, len(image_ids))).astype(int)):
        counts += np.bincount(true_label_map(dataset, int(image_ids[index])).ravel(), minlength=IGNORED + 1)[:classes]
    return counts


# --- One sample ------------------------------------------------------------------------------------------------------


def load_label_sample(dataset: Dataset, config: Settings, image_id: int, augmentation: object = None,
                      rng: np.random.Generator | None = None,
                      partner_ids: Sequence[int] | None = None) -> dict[str, np.ndarray]:
    """Load a photo with its label map and place both on the canvas.

    An augmentation that is not light (see `mrcnn.data.augmenters`) moves the pixels of each class as a mask; pixels
    that no mask has after it are ignored. `copy_paste` pastes all that a photo has of a class.

    Args:
        dataset: prepared Dataset, of label maps or of objects (see `true_label_map`).
        config: Config.
        image_id: of the photo.
        augmentation: see `mrcnn.data.augmentation`.
        rng: numpy Generator for it and for mode "crop"; None derives one from config.SEED and image_id.
        partner_ids: photos that `copy_paste` may take; None for all.

    Returns:
        A dict:
            image: uint8 [h, w, 3]
            labels: uint8 [h, w], 255 where the canvas shows no photo
            active_classes: bool [NUM_CLASSES], those that the photo's source labels

    Raises:
        DataError: naming the photo.
    """
    rng = np.random.default_rng([SAMPLE, config.SEED, image_id]) if rng is None else rng
    light, others = light_and_others(augmentation)
    if others:
        partner_ids = dataset.image_ids if partner_ids is None else partner_ids

        def load(image_id):
            canvas, labels = _placed_labels(dataset, config, image_id, light, rng)
            return canvas, *_as_masks(labels)

        def mirrored(class_ids):
            return np.where(class_ids > 0, swaps_of(dataset, IGNORED).classes[class_ids], class_ids)

        image, masks, class_ids = augmented(load, dataset, image_id, others, rng, partner_ids, mirrored)
        labels = _as_labels(masks, class_ids)
    else:
        image, labels = _placed_labels(dataset, config, image_id, light, rng)
    return {"image": image, "labels": labels, "active_classes": active_classes(dataset, config, image_id)}


def _placed_labels(dataset, config, image_id, light, rng):
    """(canvas uint8 [h, w, 3], labels uint8 [h, w]) after light augmentations."""
    photo = checked_photo(dataset, image_id, int(config.IMAGE_CHANNEL_COUNT))
    labels = _checked_labels(dataset, config, image_id, photo.shape[:2])
    canvas, window, draw = place_photo(dataset, config, image_id, photo, light, rng)
    labels = draw.mirror(place_labels(labels, window))
    return canvas, swaps_of(dataset, IGNORED + 1).classes[labels].astype(np.uint8) if draw.reflects else labels


def _checked_labels(dataset, config, image_id, shape):
    """The label map of a photo, which fits photo and network."""
    labels, name = np.asarray(true_label_map(dataset, image_id)), dataset.sample_name(image_id)
    if labels.shape != shape:
        raise DataError(
            f"{name}: the photo is {shape[0]}x{shape[1]} pixels (height x width, upright by its EXIF), its label map "
            f"{'x'.join(map(str, labels.shape))}: correct the label map or the photo."
        )
    active, present = active_classes(dataset, config, image_id), np.unique(labels)
    for label in present[present != IGNORED]:
        if not 0 <= label < config.NUM_CLASSES:
            raise DataError(
                f"{name}: its label map has label {label}, but NUM_CLASSES={config.NUM_CLASSES} allows 0 to "
                f"{config.NUM_CLASSES - 1} and 255 (ignored): correct the label map or NUM_CLASSES."
            )
        if not active[label]:
            source = dataset.image_info[image_id]["source"]
            raise DataError(
                f"{name}: label {label} is none of the classes that its source {source!r} labels: correct the label "
                "map or add_class it for that source."
            )
    return labels.astype(np.uint8)


def place_labels(labels: np.ndarray, window: Window) -> np.ndarray:
    """A label map on the canvas: of each canvas pixel, the label of the photo's pixel that its centre lies in.

    Args:
        labels: uint8 [H, W].
        window: Window of the photo.

    Returns:
        uint8 [h, w], 255 where there is no photo.
    """
    places = []
    for axis in (0, 1):
        centres = (np.arange(window.canvas_shape[axis]) + 0.5 - window.offset[axis]) / window.scale[axis]
        places.append(np.floor(centres).astype(int))
    (rows, columns), (height, width) = places, labels.shape
    inside = np.ix_((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    placed = np.full(tuple(window.canvas_shape), IGNORED, np.uint8)
    placed[inside] = labels[np.ix_(rows[inside[0].ravel()], columns[inside[1].ravel()])]
    return placed


def _as_masks(labels):
    """(masks bool [h, w, N], class ids int32 [N]) of a label map: one for each label, CROWD for ignored pixels."""
    present = np.unique(labels)
    class_ids = np.where(present == IGNORED, CROWD, present.astype(np.int32)).astype(np.int32)
    return labels[..., None] == present, class_ids


def _as_labels(masks, class_ids):
    """The label map of masks, of which later ones lie in front; 255 where none is."""
    labels = np.full(masks.shape[:2], IGNORED, np.uint8)
    for i, class_id in enumerate(class_ids):
        labels[masks[..., i]] = IGNORED if class_id == CROWD else class_id
    return labels


# --- Batches ---------------------------------------------------------------------------------------------------------


class LabelSamples:
    """Functions that know the same keys: those of one sample of `load_label_sample`, and of a batch.

    image uint8 [B, H, W, 3]; labels uint8 [B, H, W]; active_classes bool [B, C].
    """

    of_label_maps = True

    def __init__(self, dataset: Dataset, config: Settings):
        self.dataset, self.config = dataset, config

    def load(self, image_id: int, augmentation: object, rng: np.random.Generator,
             partner_ids: Sequence[int] | None) -> dict[str, np.ndarray]:
        """One sample; arguments as for `load_label_sample`."""
        return load_label_sample(self.dataset, self.config, image_id, augmentation, rng, partner_ids)

    def collate(self, samples: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The batch of some samples; canvases of different sizes are padded at the bottom and right to the largest."""
        height, width = np.max([sample["labels"].shape for sample in samples], axis=0)
        batch = {
            "image": np.zeros((len(samples), height, width, samples[0]["image"].shape[2]), np.uint8),
            "labels": np.full((len(samples), height, width), IGNORED, np.uint8),
            "active_classes": np.stack([sample["active_classes"] for sample in samples]),
        }
        for row, sample in enumerate(samples):
            rows, columns = sample["labels"].shape
            for key in ("image", "labels"):
                batch[key][row, :rows, :columns] = sample[key]
        return batch

    def grow(self, batch: dict, other: dict) -> None:
        """Make, in place, all of a batch that goes by the canvas larger than in another batch."""
        batch["image"] = grown(batch["image"], 1, other["image"].shape)
        batch["labels"] = grown(batch["labels"], 1, other["labels"].shape, IGNORED)

    def blank(self, batch: dict, first: int) -> None:
        """Make, in place, rows of a batch from `first` on teach nothing: all of their pixels are ignored."""
        batch["image"][first:], batch["labels"][first:] = 0, IGNORED
