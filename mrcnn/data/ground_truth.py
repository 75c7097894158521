"""One training sample: a photo with its objects on the canvas, augmented, as boxes, class ids and masks."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.config import Settings
from mrcnn.data.attributes import load_objects
from mrcnn.data.augmentation import apply_augmentation, mirroring, steps_of
from mrcnn.data.augmenters import Draw, LightAugmentation
from mrcnn.data.checked_photos import checked_photo
from mrcnn.data.dataset import Dataset
from mrcnn.data.images import Window, place_image
from mrcnn.data.mask_values import own_masks
from mrcnn.data.masks import mask_boxes, place_masks, shrink_masks
from mrcnn.data.objects import check_masks, check_prepared, gives_run_lengths, unpacked, whole_class_ids
from mrcnn.data.sides import Swaps, swaps_of, tell_unswapped
from mrcnn.data.strips import RunLengthMasks
from mrcnn.errors import DataError

SAMPLE = 1  # the stream of random numbers that samples are made with; `mrcnn.data.order` has 0
PARTNER_DRAWS = 100  # photos looked at for one of the same source before those of all are


def load_ground_truth(dataset: Dataset, config: Settings, image_id: int, augmentation: object = None,
                      rng: np.random.Generator | None = None,
                      partner_ids: Sequence[int] | None = None,
                      attributes: bool = False) -> dict[str, np.ndarray]:
    """Load a photo with its objects and place both on the canvas.

    An object that leaves no pixel, or a box with a side under one canvas pixel, is dropped.

    Args:
        dataset: prepared Dataset.
        config: Config.
        image_id: of the photo.
        augmentation: see `mrcnn.data.augmentation`.
        rng: numpy Generator for it and for mode "crop"; None derives one from config.SEED and image_id.
        partner_ids: photos that `copy_paste` may take objects of; None for all.
        attributes: give "gt_attributes" too.

    Returns:
        A dict:
        image: uint8 [h, w, 3]
        original_shape: int [2]: (H, W) of the photo, pixels
        window: float32 [4] canvas pixels that the photo fills; after an augmentation of masks, the whole canvas
        gt_boxes: float32 [n, 4] canvas pixels
        gt_class_ids: int32 [n], positive for crowds too; gt_crowd: bool [n]
        gt_masks: uint8 [n, *MINI_MASK_SHAPE] within the box, or [n, h, w] if not USE_MINI_MASK; 255 = inside
        active_classes: bool [NUM_CLASSES], those that the photo's source labels
        gt_attributes: list of n tuples of attribute ids, if asked for

    Raises:
        DataError: naming the photo.
    """
    rng = np.random.default_rng([SAMPLE, config.SEED, image_id]) if rng is None else rng
    light, others = light_and_others(augmentation)
    table = Attributes(config.NUM_CLASSES) if attributes else None
    if others:
        partner_ids = dataset.image_ids if partner_ids is None else partner_ids
        shape, *moved = _moved_objects(dataset, config, image_id, light, others, rng, partner_ids, table)
        sample, class_ids = _moved_sample(config, *moved)
    else:
        placed = _load_placed(dataset, config, image_id, light, rng, table)
        shape, (sample, class_ids) = placed.window.original_shape, _placed_sample(config, placed)
    sample["original_shape"] = np.array(shape)
    if attributes:
        class_ids, sample["gt_attributes"] = table.told(class_ids)
    sample["gt_class_ids"], sample["gt_crowd"] = np.abs(class_ids), class_ids < 0
    sample["active_classes"] = active = active_classes(dataset, config, image_id)
    for class_id in sample["gt_class_ids"]:
        if not active[class_id]:
            source = dataset.image_info[image_id]["source"]
            raise DataError(f"{dataset.sample_name(image_id)}: class id {class_id} is none of the classes that its "
                            f"source {source!r} labels: correct load_mask or add_class it for that source.")
    return sample


# --- Photos placed, with masks as they came --------------------------------------------------------------------------


def light_and_others(augmentation: object) -> tuple[list, list]:
    """([light augmentations that come first], [all that come after]) of an augmentation."""
    steps = steps_of(augmentation)
    count = next((i for i, step in enumerate(steps) if not isinstance(step, LightAugmentation)), len(steps))
    return steps[:count], steps[count:]


def place_photo(dataset: Dataset, config: Settings, image_id: int, photo: np.ndarray, light: Sequence,
                rng: np.random.Generator) -> tuple[np.ndarray, Window, Draw]:
    """A photo on its canvas after light augmentations.

    Args:
        dataset: prepared Dataset.
        config: settings.
        image_id: of the photo.
        photo: of `checked_photo`.
        light: the LightAugmentations.
        rng: numpy Generator.

    Returns:
        (canvas uint8 [h, w, 3], which is no part of the photo; Window before mirroring; Draw that was done to it).
    """
    try:
        canvas, window = place_image(
            photo, config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, config.IMAGE_MIN_SCALE, config.IMAGE_RESIZE_MODE, rng
        )
    except DataError as error:
        raise DataError(f"{dataset.sample_name(image_id)}: {error}") from error
    draw = Draw()
    for step in light:
        draw = draw.then(step.draw(rng))
    canvas, window = draw.place(photo, canvas, window)
    canvas = draw.mirror(draw.colour(canvas, window))
    if np.may_share_memory(canvas, photo):  # the data set's own: an augmentation may write into what it is given
        canvas = canvas.copy()
    return canvas, window, draw


class Placed(NamedTuple):
    """A photo on its canvas with its objects still in the photo.

    Args:
        canvas: uint8 [h, w, 3].
        window: Window before mirroring.
        draw: Draw that was done to the canvas.
        objects: FullMasks or RunLengthMasks.
        class_ids: int32 [N], negative for crowds.
    """

    canvas: np.ndarray
    window: Window
    draw: Draw
    objects: object
    class_ids: np.ndarray


def _load_placed(dataset, config, image_id, light, rng, table=None):
    """A Placed after light augmentations."""
    photo = checked_photo(dataset, image_id, int(config.IMAGE_CHANNEL_COUNT))
    objects, class_ids = _checked_objects(dataset, config, image_id, photo.shape[:2], table)
    canvas, window, draw = place_photo(dataset, config, image_id, photo, light, rng)
    if draw.reflects:
        class_ids = _mirrored(dataset, config, table, class_ids)
    return Placed(canvas, window, draw, objects, class_ids)


def _mirrored(dataset, config, table, class_ids):
    """Class ids of the objects of a mirrored photo, where left ones are right ones; so are attributes in a `table`."""
    swaps = swaps_of(dataset, config.NUM_CLASSES)
    return np.sign(class_ids) * swaps.classes[np.abs(class_ids)] if table is None else table.mirrored(class_ids, swaps)


def _placed_sample(config, placed):
    """The sample's arrays, with boxes and mini masks taken from the masks as they came, and the class ids.

    Far cheaper than moving full masks to the canvas, and more exact: boxes keep their fractions of a pixel.
    """
    objects, window, draw = placed.objects, placed.window, placed.draw
    visible = window.to_original(window.box)  # the whole photo, unless the canvas shows a part of it
    boxes = objects.boxes(np.concatenate([np.floor(visible[:2]), np.ceil(visible[2:])]).astype(int))
    boxes = np.clip(boxes, np.tile(visible[:2], 2), np.tile(visible[2:], 2))
    kept = np.flatnonzero(_large_enough(window.to_canvas(boxes)))
    objects, boxes = objects.chosen(kept), boxes[kept]
    if config.USE_MINI_MASK:
        gt_masks = objects.shrink(boxes, config.MINI_MASK_SHAPE)
    else:
        gt_masks = objects.place(boxes, window).transpose(2, 0, 1)
    sample = {
        "image": placed.canvas,
        "window": draw.mirror_boxes(window.box, window.canvas_shape),
        "gt_boxes": draw.mirror_boxes(window.to_canvas(boxes), window.canvas_shape),
        "gt_masks": draw.mirror(gt_masks, axis=1),
    }
    return sample, placed.class_ids[kept]


def _large_enough(boxes):
    return np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) >= 1 - 1e-3


# --- Masks moved with their photo on the canvas ----------------------------------------------------------------------


def _moved_objects(dataset, config, image_id, light, others, rng, partner_ids, table):
    """((H, W) of a photo; image uint8 [h, w, 3], masks bool [h, w, N], class ids int32 [N] after all augmentations)."""
    shapes = {}

    def load(image_id):
        placed = _load_placed(dataset, config, image_id, light, rng, table)
        shapes[image_id] = placed.window.original_shape
        masks = placed.objects.place(placed.objects.boxes(), placed.window) >= 128
        return placed.canvas, placed.draw.mirror(masks), placed.class_ids

    mirrored = functools.partial(_mirrored, dataset, config, table)
    changed = augmented(load, dataset, image_id, others, rng, partner_ids, mirrored)  # fills shapes
    return shapes[image_id], *changed


def augmented(load: Callable, dataset: Dataset, image_id: int, steps: Sequence, rng: np.random.Generator,
              partner_ids: Sequence[int], mirrored: Callable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photo and its masks on the canvas after some augmentations.

    Args:
        image_id: of the photo.
        load: function of a photo's id -> (image uint8 [h, w, 3], masks bool [h, w, N], class ids int32 [N]) before
            them.
        dataset: prepared Dataset.
        steps: augmentations.
        rng: numpy Generator.
        partner_ids: photos that `copy_paste` may take objects of.
        mirrored: function of class ids -> class ids of a photo that a step mirrored.

    Returns:
        Such a triple.
    """
    image, masks, class_ids = load(image_id)
    for number, step in enumerate(steps):
        if getattr(step, "takes_partner", False):

            def load_partner(before=steps[:number]):
                return _load_partner(load, dataset, image_id, before, rng, partner_ids, mirrored)

            image, masks, class_ids = step.mix(image, masks, class_ids, rng, load_partner)
        elif isinstance(step, LightAugmentation):
            draw = step.draw(rng)
            image, masks = step.apply(draw, image, masks)
            class_ids = mirrored(class_ids) if draw.reflects else class_ids
        else:
            image, masks = apply_augmentation(step, image, masks, rng)
            if what := mirroring(step):
                tell_unswapped(dataset, what)
    return image, masks, class_ids


def _load_partner(load, dataset, image_id, steps, rng, partner_ids, mirrored):
    """Another photo of the same source, changed alike, as `augmented` gives it; None if there is none."""
    partner = _partner(dataset, image_id, rng, partner_ids)
    if partner is None:
        return None
    try:
        return augmented(load, dataset, partner, steps, rng, partner_ids, mirrored)
    except Exception as error:
        name, reason = dataset.sample_name(partner), str(error).removeprefix(f"{dataset.sample_name(partner)}: ")
        kind = "" if isinstance(error, DataError) else f"{type(error).__name__}: "
        raise DataError(f"{name}: {kind}{reason} (to be pasted into {dataset.sample_name(image_id)})") from error


def _partner(dataset, image_id, rng, partner_ids):
    """Id of another photo of the same source, each as likely as the others; None if there is none."""
    info = dataset.image_info
    source = info[image_id]["source"]
    for _ in range(PARTNER_DRAWS):  # found at once, but for a rare source
        partner = int(partner_ids[rng.integers(len(partner_ids))])
        if partner != image_id and info[partner]["source"] == source:
            return partner
    alike = [int(other) for other in partner_ids if other != image_id and info[other]["source"] == source]
    return alike[rng.integers(len(alike))] if alike else None


def _moved_sample(config, image, masks, class_ids):
    """The sample's arrays, with boxes and mini masks taken from masks on the canvas, and the class ids."""
    boxes = mask_boxes(masks)
    kept = np.flatnonzero(boxes[:, 2] > boxes[:, 0])
    boxes, masks = boxes[kept].astype(np.float32), FullMasks(masks).chosen(kept).masks
    if config.USE_MINI_MASK:
        gt_masks = shrink_masks(masks, boxes, config.MINI_MASK_SHAPE)
    else:
        gt_masks = masks.transpose(2, 0, 1) * np.uint8(255)
    window = np.array([0, 0, *image.shape[:2]], np.float32)
    return {"image": image, "window": window, "gt_boxes": boxes, "gt_masks": gt_masks}, class_ids[kept]


# --- What data sets give ---------------------------------------------------------------------------------------------


class Attributes:
    """Attributes that travel with their objects through any augmentation, as multiples of NUM_CLASSES on class ids.

    Augmentations drop, reorder and add objects of other photos, and keep class ids, their signs included, beside them.
    """

    def __init__(self, num_classes: int):
        self.num_classes, self.rows = num_classes, []

    def keyed(self, class_ids: np.ndarray, attributes: Sequence[tuple[int, ...]]) -> np.ndarray:
        """Class ids int32 [N] that attributes can be found by."""
        places = len(self.rows) + np.arange(len(class_ids))
        self.rows += attributes
        return (class_ids + np.sign(class_ids) * self.num_classes * places).astype(np.int32)

    def mirrored(self, keys: np.ndarray, swaps: Swaps) -> np.ndarray:
        """Such ids int32 [N] of a mirrored photo, after its objects' classes and attributes changed places."""
        places, class_ids = np.divmod(np.abs(keys), self.num_classes)
        for place in places:
            self.rows[place] = tuple(sorted(swaps.attributes.get(i, i) for i in self.rows[place]))
        return np.sign(keys) * (swaps.classes[class_ids] + self.num_classes * places.astype(np.int32))

    def told(self, keys: np.ndarray) -> tuple[np.ndarray, list[tuple[int, ...]]]:
        """(class ids int32 [N], attributes of each) of such ids."""
        places, class_ids = np.divmod(np.abs(keys), self.num_classes)
        return (np.sign(keys) * class_ids).astype(np.int32), [self.rows[place] for place in places]


class FullMasks:
    """The objects of one photo as masks [H, W, N]; for run lengths, RunLengthMasks has the same methods."""

    def __init__(self, masks: np.ndarray):
        self.masks = masks

    def chosen(self, indices: np.ndarray) -> "FullMasks":
        """The FullMasks of some of the objects, kept in memory the way they were."""
        masks = self.masks
        if len(indices) == masks.shape[2]:
            return self
        return FullMasks(masks.transpose(2, 1, 0)[indices].transpose(2, 1, 0))

    def boxes(self, part: np.ndarray | None = None) -> np.ndarray:
        """int32 [N, 4]: the boxes of what lies in a part (y1, x1, y2, x2) of whole pixels."""
        if part is None:
            return mask_boxes(self.masks)
        top, left, bottom, right = part
        return mask_boxes(self.masks[top:bottom, left:right]) + np.array([top, left, top, left], np.int32)

    def shrink(self, boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """See `mrcnn.data.masks.shrink_masks`."""
        return shrink_masks(self.masks, boxes, shape)

    def place(self, boxes: np.ndarray, window: Window) -> np.ndarray:
        """See `mrcnn.data.masks.place_masks`."""
        return place_masks(self.masks, boxes, window)


def _checked_objects(dataset, config, image_id, shape, table=None):
    """(FullMasks or RunLengthMasks, class ids int32 [N]) that fit the photo and the network."""
    by_runs = gives_run_lengths(dataset)
    if table is None:
        masks, class_ids, *_ = unpacked(
            (dataset.load_rles if by_runs else dataset.load_mask)(image_id), dataset, image_id)
    else:
        masks, class_ids, attributes = load_objects(dataset, image_id)
    name = dataset.sample_name(image_id)
    class_ids = whole_class_ids(class_ids, name)
    if not len(class_ids) and (by_runs or not np.asarray(masks).size):
        return FullMasks(np.zeros(shape + (0,), bool)), np.zeros(0, np.int32)
    if by_runs:
        objects = _run_lengths(masks, class_ids, name, shape)
    else:
        objects = _full_masks(masks, class_ids, dataset, image_id, shape)
    for class_id in class_ids:
        if not 0 < abs(int(class_id)) < config.NUM_CLASSES:
            raise DataError(
                f"{name}: an object has class id {class_id}, but NUM_CLASSES={config.NUM_CLASSES} allows 1 to "
                f"{config.NUM_CLASSES - 1} (0 is background): correct load_mask or NUM_CLASSES."
            )
    class_ids = class_ids.astype(np.int32)
    return objects, class_ids if table is None else table.keyed(class_ids, attributes)


def _full_masks(masks, class_ids, dataset, image_id, shape):
    masks, name = np.asarray(masks), dataset.sample_name(image_id)
    check_masks(masks, class_ids, name)
    _check_size(name, shape, masks.shape[:2])
    return FullMasks(own_masks(masks, dataset, image_id))


def _run_lengths(rles, class_ids, name, shape):
    if len(rles) != len(class_ids):
        raise DataError(f"{name}: load_rles gave {len(rles)} run lengths for {len(class_ids)} class ids: one each.")
    _check_size(name, shape, tuple(int(side) for side in rles[0]["size"]))
    try:
        return RunLengthMasks(rles, shape)
    except DataError as error:
        raise DataError(f"{name}: {error}: correct load_rles.") from error


def _check_size(name, photo, masks):
    if masks != photo:
        raise DataError(
            f"{name}: the photo is {photo[0]}x{photo[1]} pixels (height x width, upright by its EXIF), its masks are "
            f"{masks[0]}x{masks[1]}: correct the annotations' size or the photo."
        )


def active_classes(dataset: Dataset, config: Settings, image_id: int) -> np.ndarray:
    """bool [NUM_CLASSES]: the classes that the source of a photo labels.

    Raises:
        DataError: if it has none, or the data set is not prepared.
    """
    check_prepared(dataset)
    source = dataset.image_info[image_id]["source"]
    if source not in dataset.source_class_ids:
        raise DataError(f"{dataset.sample_name(image_id)}: its source {source!r} has no classes: add_class them first.")
    active = np.zeros(config.NUM_CLASSES, bool)
    active[dataset.source_class_ids[source]] = True
    return active
