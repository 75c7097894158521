"""Samples and targets under Matterport's names. What is random follows numpy's global generator, as scripts expect."""

import copy
import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from keras import ops

from mrcnn.config import Settings
from mrcnn.data.augmentation import compose
from mrcnn.data.augmenters import horizontal_flip
from mrcnn.data.batches import Batches, known_sources
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import load_ground_truth
from mrcnn.data.images import planned_window
from mrcnn.data.masks import mask_boxes, minimize_mask
from mrcnn.errors import DataError
from mrcnn.matterport.boxes import compute_backbone_shapes, generate_pyramid_anchors
from mrcnn.matterport.images import compose_image_meta, mold_image
from mrcnn.matterport.layers import DetectionTargetLayer
from mrcnn.network.geometries import geometry_of

RANDOM_ROIS_NEAR_OBJECTS = 0.9


def load_image_gt(dataset: Dataset, config: Settings, image_id: int, augment: bool = False, augmentation: object = None,
                  use_mini_mask: bool = False) -> tuple[np.ndarray, ...]:
    """A photo with its objects on the canvas, through `mrcnn.data.ground_truth.load_ground_truth`.

    Args:
        dataset: prepared Dataset.
        config: Config.
        image_id: of the photo.
        augment: mirror half of the photos.
        augmentation: see `mrcnn.data.augmentation`.
        use_mini_mask: masks inside their boxes at config.MINI_MASK_SHAPE.

    Returns:
        (image uint8 [h, w, 3]; meta, see `compose_image_meta`; class_ids int32 [N], negative for crowds; bbox int32 [N,
        4] pixels; masks bool [h, w, N]).

    Raises:
        DataError: naming the photo.
    """
    if augment:
        augmentation = compose([horizontal_flip(), augmentation])
    full_masks = copy.copy(config)
    full_masks.USE_MINI_MASK = False
    sample = load_ground_truth(dataset, full_masks, image_id, augmentation, np.random.default_rng(_seed()))
    masks = sample["gt_masks"].transpose(1, 2, 0) >= 128
    boxes = mask_boxes(masks)
    kept = np.flatnonzero(boxes[:, 2] > boxes[:, 0])
    boxes, masks = boxes[kept], masks[..., kept]
    class_ids = np.where(sample["gt_crowd"], -sample["gt_class_ids"], sample["gt_class_ids"])[kept].astype(np.int32)
    image, shape = sample["image"], sample["original_shape"]
    meta = compose_image_meta(
        image_id, (*shape, image.shape[2]), image.shape, sample["window"], planned_window(shape, config).scale[0],
        sample["active_classes"].astype(int)
    )
    if use_mini_mask:
        masks = minimize_mask(boxes, masks, config.MINI_MASK_SHAPE)
    return image, meta, class_ids, boxes, masks


def _seed():
    return int(np.random.randint(2**31))


# --- Targets ---------------------------------------------------------------------------------------------------------
def build_rpn_targets(image_shape: tuple[int, int, int] | None, anchors: np.ndarray, gt_class_ids: np.ndarray,
                      gt_boxes: np.ndarray, config: Settings) -> tuple[np.ndarray, np.ndarray]:
    """What the proposal head should say of the anchors, by the AnchorTargets of the network in config.GEOMETRY.

    Args:
        image_shape: not needed.
        anchors: [A, 4] pixels.
        gt_class_ids: [G], negative for crowds.
        gt_boxes: [G, 4] pixels.
        config: settings.

    Returns:
        (rpn_match int32 [A]: 1 positive, -1 negative, 0 not in the sample; rpn_bbox float32
        [config.RPN_TRAIN_ANCHORS_PER_IMAGE, 4]: scaled deltas of the positive anchors in their order, then zeros).

    Raises:
        DataError: the anchors are None or no [A, 4].
    """
    if anchors is None or np.ndim(anchors) != 2 or np.shape(anchors)[1] != 4:
        found = "None" if anchors is None else f"of shape {list(np.shape(anchors))}"
        raise DataError(f"build_rpn_targets: the anchors are {found}: give model.anchors, [A, 4] in pixels, after "
                        "model.get_anchors(image_shape).")
    layer = geometry_of(config).anchor_targets(_seed())
    boxes, _, class_ids, there = _at_least_one(gt_boxes, np.zeros((0, 0, len(gt_class_ids))), gt_class_ids)
    truth = {"gt_boxes": boxes, "gt_valid": there, "gt_crowd": class_ids < 0}
    inputs = {"anchors": np.asarray(anchors, np.float32), **truth}
    targets = layer({name: ops.convert_to_tensor(value) for name, value in inputs.items()})
    index, positive, valid, deltas = (
        ops.convert_to_numpy(targets[key])[0] for key in ("index", "positive", "valid", "deltas")
    )
    rpn_match = np.zeros(len(anchors), np.int32)
    rpn_match[index[valid & ~positive]] = -1
    rpn_match[index[positive]] = 1
    rpn_bbox = np.zeros((config.RPN_TRAIN_ANCHORS_PER_IMAGE, 4), np.float32)
    order = np.argsort(index[positive])
    rpn_bbox[: len(order)] = deltas[positive][order]
    return rpn_match, rpn_bbox


def build_detection_targets(rpn_rois: np.ndarray, gt_class_ids: np.ndarray, gt_boxes: np.ndarray, gt_masks: np.ndarray,
                            config: Settings) -> tuple[np.ndarray, ...]:
    """A sample of regions with what the heads should say of each, by the targets of the network in config.GEOMETRY.

    Args:
        rpn_rois: [R, 4] pixels.
        gt_class_ids: [G], negative for crowds.
        gt_boxes: [G, 4] pixels.
        gt_masks: bool [h, w, G], mini masks if config.USE_MINI_MASK.
        config: settings.

    Returns:
        (rois float32 [T, 4] pixels; class ids int32 [T], 0 for background; deltas float32 [T, C, 4] and masks float32
        [T, *MASK_SHAPE, C], zero but for the region's own class). In the exact geometry the true boxes are among the
        regions.
    """
    boxes, masks, class_ids, there = _at_least_one(gt_boxes, gt_masks, gt_class_ids)
    rois = np.asarray(rpn_rois, np.float32)[None]
    sampled = DetectionTargetLayer(config, seed=_seed()).in_pixels(
        *(ops.convert_to_tensor(v) for v in (rois, np.ones(rois.shape[:2], bool), class_ids, boxes, there, masks))
    )
    rois, positive, class_ids, deltas, masks = (
        ops.convert_to_numpy(sampled[key])[0] for key in ("boxes", "positive", "class_ids", "deltas", "masks")
    )
    own = np.flatnonzero(positive)
    class_deltas = np.zeros((len(rois), config.NUM_CLASSES, 4), np.float32)
    class_deltas[own, class_ids[own]] = deltas[own]
    class_masks = np.zeros(masks.shape + (config.NUM_CLASSES,), np.float32)
    class_masks[own, :, :, class_ids[own]] = masks[own]
    return rois, class_ids, class_deltas, class_masks


def _at_least_one(boxes, masks, class_ids):
    """(boxes [1, G, 4], masks [1, h, w, G], class ids [1, G], whether there are such [1, G]), where G is never 0."""
    count = len(class_ids)
    boxes, class_ids = np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(class_ids, np.int32)
    if not count:
        boxes, class_ids = np.zeros((1, 4), np.float32), np.zeros(1, np.int32)
        masks = np.zeros(tuple(np.shape(masks)[:2]) + (1,), np.uint8)
    return boxes[None], np.asarray(masks)[None], class_ids[None], np.full((1, len(boxes)), count > 0)


def generate_random_rois(image_shape: tuple[int, int, int], count: int, gt_class_ids: np.ndarray,
                         gt_boxes: np.ndarray) -> np.ndarray:
    """Random regions, nine tenths of them round true boxes and the others anywhere.

    Args:
        image_shape: (H, W, C).
        count: of regions.
        gt_class_ids: not needed.
        gt_boxes: [G, 4] pixels.

    Returns:
        int32 [count, 4] pixels, each at least one pixel high and wide.
    """
    height, width = image_shape[:2]
    gt_boxes = np.asarray(gt_boxes).reshape(-1, 4)
    near = int(RANDOM_ROIS_NEAR_OBJECTS * count) // max(len(gt_boxes), 1)
    sizes = np.tile(gt_boxes[:, 2:] - gt_boxes[:, :2], 2) * [-1, -1, 1, 1]
    areas = np.repeat(np.clip(gt_boxes + sizes, 0, [height, width] * 2), near, axis=0)
    areas = np.concatenate([areas, np.tile([0, 0, height, width], (count - len(areas), 1))]).astype(int)
    rois = np.zeros((count, 4), np.int32)
    for axis, side in ((0, height), (1, width)):
        low, high = areas[:, axis], np.maximum(areas[:, axis + 2], areas[:, axis] + 1)
        ends = np.sort(np.random.randint(low, high + 1, (2, count)), axis=0)
        ends[0] = np.minimum(ends[0], side - 1)
        rois[:, axis], rois[:, axis + 2] = ends[0], np.maximum(ends[1], ends[0] + 1)
    return rois


# --- Batches ---------------------------------------------------------------------------------------------------------
def data_generator(dataset: Dataset, config: Settings, shuffle: bool = True, augment: bool = False,
                   augmentation: object = None, random_rois: int = 0, batch_size: int = 1,
                   detection_targets: bool = False, no_augmentation_sources: Sequence[str] | None = None) -> Iterator:
    """Endless batches in Matterport's order, to look at or for a training loop of one's own; `train` has its own.

    Args:
        dataset, config, augment, augmentation: as for `load_image_gt`.
        shuffle: a new order each time round.
        random_rois: number of `generate_random_rois`.
        batch_size: photos.
        detection_targets: sample those regions too.
        no_augmentation_sources: names of sources that are left as they are, or one name.

    Yields:
        (inputs, outputs). Inputs: molded images float32 [B, h, w, 3], metas [B, M], rpn_match [B, A, 1], rpn_bbox [B,
        S, 4], class ids [B, G], boxes [B, G, 4] pixels, masks bool [B, h, w, G] padded to config.MAX_GT_INSTANCES; with
        random_rois these [B, R, 4]; with detection_targets the sampled ones [B, T, 4], and as outputs class ids [B, T,
        1], deltas [B, T, C, 4] and masks [B, T, h, w, C], else none.

    Raises:
        DataError: naming a photo, and for detection_targets without random_rois.
    """
    if detection_targets and not random_rois:
        raise DataError("detection_targets needs regions: give random_rois a number of them, say 2000.")
    options = {"random_rois": random_rois, "detection_targets": detection_targets}
    if augment:
        augmentation = compose([horizontal_flip(), augmentation])
    unaugmented = known_sources(dataset, no_augmentation_sources)
    anchors_of = functools.lru_cache(maxsize=8)(functools.partial(_anchors, config))
    for image_ids in _batches_of_ids(dataset, config, shuffle, batch_size):
        samples = []
        for image_id in image_ids:
            changes = None if dataset.image_info[image_id]["source"] in unaugmented else augmentation
            samples.append(_sample(dataset, config, image_id, changes, anchors_of, **options))
        if len({sample[0].shape for sample, _ in samples}) > 1:
            raise DataError("The photos of a batch differ in size: set batch_size=1 or IMAGE_RESIZE_MODE=\"square\".")
        inputs, outputs = zip(*samples)
        yield [np.stack(values) for values in zip(*inputs)], [np.stack(values) for values in zip(*outputs)]


def _batches_of_ids(dataset, config, shuffle, batch_size):
    """Endless lists of `batch_size` ids, in an order that goes on over their ends."""
    ids = Batches(dataset, config, shuffle=False).image_ids
    endless = itertools.chain.from_iterable(np.random.permutation(ids) if shuffle else ids for _ in itertools.count())
    while True:
        yield [int(image_id) for image_id in itertools.islice(endless, batch_size)]


def _anchors(config, image_shape):
    shapes = compute_backbone_shapes(config, image_shape)
    return generate_pyramid_anchors(
        config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, shapes, config.BACKBONE_STRIDES, config.RPN_ANCHOR_STRIDE,
        config.GEOMETRY,
    )


def _sample(dataset, config, image_id, augmentation, anchors_of, random_rois, detection_targets):
    """(inputs, outputs) of one photo."""
    image, meta, class_ids, boxes, masks = load_image_gt(
        dataset, config, image_id, augmentation=augmentation, use_mini_mask=config.USE_MINI_MASK
    )
    limit = config.MAX_GT_INSTANCES
    if len(class_ids) > limit:
        chosen = np.random.choice(len(class_ids), limit, replace=False)
        class_ids, boxes, masks = class_ids[chosen], boxes[chosen], masks[..., chosen]
    rpn_match, rpn_bbox = build_rpn_targets(image.shape, anchors_of(image.shape), class_ids, boxes, config)
    missing = limit - len(class_ids)
    inputs = [
        mold_image(image, config), meta, rpn_match[:, None], rpn_bbox, np.pad(class_ids, (0, missing)),
        np.pad(boxes, [(0, missing), (0, 0)]), np.pad(masks, [(0, 0), (0, 0), (0, missing)]),
    ]
    outputs = []
    if random_rois:
        inputs.append(generate_random_rois(image.shape, random_rois, class_ids, boxes))
    if detection_targets:
        rois, *targets = build_detection_targets(inputs[-1], class_ids, boxes, masks, config)
        inputs.append(rois)
        outputs = [targets[0][:, None], *targets[1:]]
    return inputs, outputs
