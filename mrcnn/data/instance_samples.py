"""What a network of objects trains on: a photo with boxes, classes and masks, and batches of these."""

import threading
import warnings
from collections.abc import Sequence

import numpy as np

from mrcnn.config import Settings
from mrcnn.data.attributes import AttributeColumns
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import load_ground_truth
from mrcnn.data.images import NETWORK_STRIDE

ROWS = ("gt_boxes", "gt_class_ids", "gt_crowd")  # one an object, as are "gt_masks"; padded to MAX_GT_INSTANCES
FAR = 1e5  # pixels: a box to here and from minus here holds every anchor of any photo


class InstanceSamples:
    """Functions that know the same keys: those of one sample of `load_ground_truth`, and of a batch.

    image uint8 [B, H, W, 3]; window float32 [B, 4]; gt_boxes float32 [B, G, 4]; gt_class_ids int32 [B, G]; gt_masks
    uint8 [B, G, h, w]; gt_valid, gt_crowd bool [B, G]; active_classes bool [B, C]; with ATTRIBUTES gt_attributes bool
    [B, G, M].
    """

    def __init__(self, dataset: Dataset, config: Settings):
        self.dataset, self.config = dataset, config
        names = getattr(config, "ATTRIBUTES", None)  # of networks that have such a head only
        self.columns = AttributeColumns(dataset, names) if names else None
        self.rows = ROWS + (("gt_attributes",) if names else ())
        self._lock, self._warned = threading.Lock(), False

    def load(self, image_id: int, augmentation: object, rng: np.random.Generator,
             partner_ids: Sequence[int] | None) -> dict[str, np.ndarray]:
        """One sample, with no more objects than there is room for; arguments as for `load_ground_truth`."""
        sample = load_ground_truth(self.dataset, self.config, image_id, augmentation, rng, partner_ids,
                                   attributes=self.columns is not None)
        if self.columns is not None:
            sample["gt_attributes"] = self.columns.rows(sample["gt_attributes"])
        limit, count = self.config.MAX_GT_INSTANCES, len(sample["gt_boxes"])
        if count > limit:
            chosen = np.sort(rng.permutation(count)[:limit])
            for key in (*self.rows, "gt_masks"):
                sample[key] = sample[key][chosen]
            self._warn_of_many(image_id, count)
        return sample

    def collate(self, samples: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The batch of some samples; canvases of different sizes are padded at the bottom and right to the largest."""
        config, size = self.config, len(samples)
        limit, classes = config.MAX_GT_INSTANCES, config.NUM_CLASSES
        height, width = np.max([sample["image"].shape[:2] for sample in samples], axis=0)
        mask_shape = tuple(config.MINI_MASK_SHAPE) if config.USE_MINI_MASK else (height, width)
        batch = {
            "image": np.zeros((size, height, width, samples[0]["image"].shape[2]), np.uint8),
            "window": np.zeros((size, 4), np.float32),
            "gt_boxes": np.zeros((size, limit, 4), np.float32),
            "gt_class_ids": np.zeros((size, limit), np.int32),
            "gt_masks": np.zeros((size, limit, *mask_shape), np.uint8),
            "gt_valid": np.zeros((size, limit), bool),
            "gt_crowd": np.zeros((size, limit), bool),
            "active_classes": np.zeros((size, classes), bool),
        }
        if self.columns is not None:
            batch["gt_attributes"] = np.zeros((size, limit, self.columns.count), bool)
        for row, sample in enumerate(samples):
            count, (rows, columns) = len(sample["gt_boxes"]), sample["image"].shape[:2]
            batch["image"][row, :rows, :columns] = sample["image"]
            batch["gt_valid"][row, :count] = True
            for key in ("window", "active_classes"):
                batch[key][row] = sample[key]
            for key in self.rows:
                batch[key][row, :count] = sample[key]
            rows, columns = sample["gt_masks"].shape[1:]
            batch["gt_masks"][row, :count, :rows, :columns] = sample["gt_masks"]
        return batch

    def grow(self, batch: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
        """Make, in place, all of a batch that goes by the canvas larger than in another batch."""
        batch["image"] = grown(batch["image"], 1, other["image"].shape)
        if not self.config.USE_MINI_MASK:
            batch["gt_masks"] = grown(batch["gt_masks"], 2, other["gt_masks"].shape)

    def blank(self, batch: dict, first: int) -> None:
        """Make, in place, rows of a batch from `first` on teach nothing: inside a crowd nothing is sampled.

        Matterport's geometry knows no such photos: there the rows stay as they are.
        """
        from mrcnn.network.geometries import geometry_of  # only training on several devices asks

        if not geometry_of(self.config).crowds_hide:
            return
        for name, value in batch.items():
            value[first:] = value[first - 1] if name == "window" else 0
        batch["gt_boxes"][first:, 0] = [-FAR, -FAR, FAR, FAR]
        batch["gt_valid"][first:, 0] = batch["gt_crowd"][first:, 0] = batch["active_classes"][first:] = True

    def _warn_of_many(self, image_id, count):
        with self._lock:
            first, self._warned = not self._warned, True
        if first:
            warnings.warn(
                f"{self.dataset.sample_name(image_id)} has {count} objects, more than "
                f"MAX_GT_INSTANCES={self.config.MAX_GT_INSTANCES}: a random choice of them is trained on each time; "
                "raise MAX_GT_INSTANCES to use all. Further photos with too many are not reported.",
                stacklevel=2,
            )


def grown(array: np.ndarray, axis: int, other: tuple[int, ...], value: int = 0) -> np.ndarray:
    """`array` with a value at the end of its height and width, the axes from `axis` on, to be larger than `other`'s."""
    sides = {i: max(array.shape[i], other[i]) + NETWORK_STRIDE for i in (axis, axis + 1)}
    room = [(0, sides.get(i, size) - size) for i, size in enumerate(array.shape)]
    return np.pad(array, room, constant_values=value)
