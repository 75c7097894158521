"""Batches for training: samples loaded, placed, augmented and padded by worker threads, in a seeded order."""

import concurrent.futures
import threading
import time
import warnings
from collections.abc import Sequence

import keras
import numpy as np

from mrcnn.config import FIXED_CANVAS_MODES, Settings
from mrcnn.data.augmentation import check_augmentation
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import SAMPLE
from mrcnn.data.instance_samples import InstanceSamples
from mrcnn.data.objects import (
    check_prepared,
    count_classes,
    labelled_classes,
    named_errors,
    speaks_for_its_masks,
    unpacked,
)
from mrcnn.data.order import Passes, canvas_shapes, repeat_factors
from mrcnn.errors import DataError

STALLED = 60.0  # seconds that a batch may take before a warning says which photos are being read


class Batches(keras.utils.PyDataset):
    """Padded batches of a data set for `fit(..., shuffle=False)` and `evaluate`, prepared ahead by threads.

    The photos come in an endless row of passes (`mrcnn.data.order.Passes`), each a permutation of all of them that is a
    function of the seed and the number of the pass alone; augmentation is one of seed, pass and photo, and differs each
    time that a pass with config.REPEAT_THRESHOLD shows it. So an interrupted run that starts again at its epoch sees
    what an unbroken one sees.

    Attributes: epoch, the one being read; assign it to go to another. image_ids. samples. failure: the first error of a
    worker, for a backend that reports it in its own words.

    Args:
        dataset: prepared Dataset.
        config: Config.
        batch_size: None takes config.BATCH_SIZE.
        shuffle: False keeps the order, once each: config.REPEAT_THRESHOLD and config.ASPECT_BUCKETS are of no effect
            then.
        augmentation: see `mrcnn.data.augmentation`.
        steps: batches an epoch, all of them full: epoch e takes batches e * steps to (e + 1) * steps of the row, so
            that no photo comes again in a pass before every other has come, but for those that config.REPEAT_THRESHOLD
            repeats. None: an epoch is one pass, and its last batch may be smaller.
        seed: None takes config.SEED.
        no_augmentation_sources: names of sources that are left as they are, or one name.
        first_epoch: the epoch to begin with.
        image_ids: the photos to take, None takes all.
        samples: class of what the network trains on, made of (dataset, config): `InstanceSamples` or one with its
            methods.

    Raises:
        DataError: if there are no photos, or more classes than config.NUM_CLASSES.
    """

    def __init__(self, dataset: Dataset, config: Settings, batch_size: int | None = None, shuffle: bool = True,
                 augmentation: object = None, steps: int | None = None, seed: int | None = None,
                 no_augmentation_sources: Sequence[str] | None = None, first_epoch: int = 0,
                 image_ids: Sequence[int] | None = None, samples: type = InstanceSamples):
        # Keras' own worker queue is left out (workers=1): when it is stopped before an epoch's end, as fit() does on
        # JAX and PyTorch to build the model, it hands what it had prepared to the next epoch, in front of its batches.
        super().__init__(workers=1)
        check_augmentation(augmentation)
        if steps is not None and int(steps) < 2 and config.IMAGE_RESIZE_MODE not in FIXED_CANVAS_MODES:
            raise DataError(f"steps={steps}: with canvases of several sizes an epoch needs 2 batches or more.")
        self.dataset, self.config, self.augmentation = dataset, config, augmentation
        self.batch_size = int(batch_size or config.BATCH_SIZE)
        self.shuffle, self.steps = bool(shuffle), None if steps is None else int(steps)
        self.seed = int(config.SEED if seed is None else seed)
        self.image_ids = _usable_images(dataset, config, image_ids, samples)
        self.no_augmentation_sources = known_sources(dataset, no_augmentation_sources)
        self.samples, self.failure = samples(dataset, config), None
        self._epoch = int(first_epoch)
        self._reading = self._first_read = self._read_last = False  # where Keras is in the epoch
        self._lock, self._ahead = threading.Lock(), {}
        self._at_work = {}  # thread: (image id, when it began with it)
        workers = int(config.WORKERS)
        self._depth = workers + 1  # one batch is ready while each worker prepares another
        self._pool = concurrent.futures.ThreadPoolExecutor(workers, "mrcnn-data") if workers > 0 else None

    # --- Order ---------------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return -(-self._passes.length // self.batch_size) if self.steps is None else self.steps

    @property
    def image_ids(self) -> np.ndarray:
        """int [M]: dataset ids of the photos."""
        return self._image_ids

    @image_ids.setter
    def image_ids(self, image_ids: Sequence[int]) -> None:
        dataset, config = self.dataset, self.config
        self._image_ids, self._counts, repeats, shapes = image_ids, None, None, None
        if self.shuffle and config.REPEAT_THRESHOLD:
            repeats = repeat_factors(self._photo_counts(), config.REPEAT_THRESHOLD)
        if self.shuffle and config.ASPECT_BUCKETS:
            shapes = canvas_shapes(dataset, image_ids, config)
        seed = self.seed if self.shuffle else None
        self._passes = Passes(len(image_ids), seed, repeats, shapes, self.batch_size, self.steps is None)

    def class_counts(self) -> np.ndarray:
        """float64 [NUM_CLASSES]: objects of each class that a pass shows on average, 0 of background; crowds are none.

        Raises:
            DataError: as `mrcnn.data.objects.count_classes`.
        """
        repeats = 1.0 if self._passes.repeats is None else self._passes.repeats[:, None]
        counts = (self._photo_counts() * repeats).sum(axis=0)
        return np.pad(counts, (1, self.config.NUM_CLASSES - 1 - len(counts)))

    def _photo_counts(self):
        if self._counts is None:
            self._counts = count_classes(self.dataset, self._image_ids)
        return self._counts

    def image_ids_of(self, batch_index: int) -> list[int]:
        """Dataset ids of the photos of one batch of the current epoch."""
        return [image_id for _, image_id, _ in self._members(self.epoch, batch_index)]

    def _members(self, epoch, index):
        """[(pass, image id, repetition in the pass)] of one batch."""
        length = self._passes.length
        if self.steps is None:
            start = epoch * length + index * self.batch_size
            end = min(start + self.batch_size, (epoch + 1) * length)
        else:
            start = (epoch * self.steps + index) * self.batch_size
            end = start + self.batch_size
        entries = self._passes.entries(start, end)
        return [(number, int(self._image_ids[place]), repetition) for number, place, repetition in entries]

    @property
    def epoch(self) -> int:
        """Number of the epoch being read, from 0 on."""
        return self._epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        with self._lock:
            if value != self._epoch:
                self._epoch = int(value)
                for future in self._ahead.values():
                    future.cancel()
                self._ahead.clear()

    def on_epoch_begin(self) -> None:
        """Keras calls this before it reads the first batch of an epoch."""
        self._reading, self._first_read, self._read_last = True, True, False

    def on_epoch_end(self) -> None:
        """Go on to the next epoch. Keras calls this at an epoch's end, and at other times, which do not count."""
        if self._reading and self._read_last:
            self.epoch += 1
        self._reading = False

    # --- Loading -------------------------------------------------------------------------------------------------
    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray]]:
        """({name: array} as `samples` has them,) of one batch of the current epoch.

        Raises DataError naming the photo that could not be loaded.
        """
        count = len(self)
        if not 0 <= index < count:
            raise IndexError(f"Batch {index} of {count}.")
        self._note_reading(index, count)
        batch = self._load(self.epoch, index) if self._pool is None else self._prepared(index, count)
        if index == 1 and not self._reading and self.config.IMAGE_RESIZE_MODE not in FIXED_CANVAS_MODES:
            # TensorFlow's fit() looks at batches 0 and 1 before the first epoch and takes a side on which they agree as
            # fixed. Here canvases differ from batch to batch, so these two have to.
            self.samples.grow(batch, self._load(self.epoch, 0))
        return (batch,)

    def _note_reading(self, index, count):
        if self._reading and self._first_read:
            self._first_read = False
            if index:
                self.failure = ValueError(
                    f"fit() read batch {index} of the epoch first: call fit(..., shuffle=False), for these batches "
                    "have a seeded order of their own, which a resumed run and messages about photos depend on."
                )
                raise self.failure
        if index == count - 1:
            self._read_last = True

    def _prepared(self, index, count):
        """A batch from the threads, which are given those that follow it. Never one of another epoch."""
        with self._lock:
            epoch = self._epoch
            for following in range(index, min(index + self._depth, count)):
                if (epoch, following) not in self._ahead:
                    self._ahead[epoch, following] = self._pool.submit(self._load, epoch, following)
            future = self._ahead.pop((epoch, index))
        start, patience = time.monotonic(), STALLED
        while not concurrent.futures.wait([future], timeout=patience).done:
            self._warn_of_stall(index, start)
            patience *= 2  # told again at 1, 3, 7, 15 ... minutes
        return future.result()

    def _warn_of_stall(self, index, waiting_since):
        now = time.monotonic()
        photos = sorted(self._at_work.copy().values(), key=lambda work: work[1])
        reading = ", ".join(f"{self.dataset.sample_name(i)} ({now - begin:.0f} s)" for i, begin in photos) or "none"
        warnings.warn(
            f"Training has waited {now - waiting_since:.0f} s for batch {index}, and waits on. Photos being read: "
            f"{reading}. A drive that does not answer, or a photo or augmentation that takes this long.",
            stacklevel=3,
        )

    def _load(self, epoch, index):
        try:
            samples = [self._sample(*member) for member in self._members(epoch, index)]
            return self.samples.collate(samples)
        except Exception as error:
            self.failure = self.failure or error
            raise
        finally:
            self._at_work.pop(threading.get_ident(), None)

    def _sample(self, number, image_id, repetition):
        """One sample."""
        self._at_work[threading.get_ident()] = image_id, time.monotonic()
        dataset, augmentation = self.dataset, self.augmentation
        if dataset.image_info[image_id]["source"] in self.no_augmentation_sources:
            augmentation = None
        if not self.shuffle and augmentation is None:
            number = 0  # validation sees the same crops in every epoch
        again = [repetition] if repetition else []
        rng = np.random.default_rng([SAMPLE, self.seed, number, image_id, *again])
        with named_errors(dataset, image_id):
            return self.samples.load(image_id, augmentation, rng, self.image_ids)


def known_sources(dataset: Dataset, names: Sequence[str] | str | None) -> frozenset[str]:
    """Sources of a prepared Dataset, from one name or several.

    Raises:
        DataError: neither a photo nor a class has a source of such a name.
    """
    names = frozenset([names] if isinstance(names, str) else names or ())
    known = {info["source"] for info in (*dataset.image_info, *dataset.class_info)} - {""}
    if unknown := sorted(map(str, names - known)):
        raise DataError(f"no_augmentation_sources: no photo has the source {', '.join(map(repr, unknown))}. There are "
                        f"{', '.join(sorted(map(repr, known)))}.")
    return names


def _usable_images(dataset, config, image_ids, samples):
    """int [M]: ids of the photos to train on. Raises DataError if there are none, or too many classes."""
    check_prepared(dataset)
    if dataset.num_classes > config.NUM_CLASSES:
        raise DataError(
            f"{type(dataset).__name__} has {dataset.num_classes} classes with background, NUM_CLASSES is "
            f"{config.NUM_CLASSES}: set NUM_CLASSES={dataset.num_classes}."
        )
    image_ids = np.asarray(dataset.image_ids if image_ids is None else image_ids, int)
    if not len(image_ids):
        raise DataError(f"{type(dataset).__name__} has no photos: add_image some, then call prepare().")
    if not config.SKIP_EMPTY_IMAGES:
        return image_ids
    pixels = getattr(samples, "of_label_maps", False)
    filled = np.array([i for i in image_ids if _is_filled(dataset, i, pixels)], int)
    if not len(filled):
        what = "a labelled pixel" if pixels else "an object"
        raise DataError(f"None of {len(image_ids)} photos has {what}: set SKIP_EMPTY_IMAGES=False to use them.")
    return filled


def _is_filled(dataset, image_id, of_label_maps):
    """Whether a photo has an object, or for a network of label maps a labelled pixel."""
    labelled = labelled_classes(dataset, image_id) if of_label_maps else None
    return bool(_object_count(dataset, image_id) if labelled is None else labelled.size)


def _object_count(dataset, image_id):
    if speaks_for_its_masks(dataset, "object_count"):
        return dataset.object_count(image_id)
    return int((np.asarray(unpacked(dataset.load_mask(image_id), dataset, image_id)[1]) > 0).sum())
