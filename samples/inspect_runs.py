"""What the notebooks look into: drawn pictures or annotated photos, and a network trained on such."""

import os
from collections.abc import Sequence

import numpy as np

from mrcnn.commands.configs import DrawnConfig, FashionConfig
from mrcnn.commands.datasets import drawn_pictures
from mrcnn.config import Settings
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import open_dataset
from mrcnn.errors import CheckpointError, UsageError


class InspectConfig(DrawnConfig):
    """A minute of training on two CPU cores: enough to see what each stage does, not to do it well."""

    NAME = "inspect"
    IMAGES_PER_GPU = 2
    OPTIMIZER = "adamw"  # learns more than sgd in so few steps
    LR_SCHEDULE = "cosine"
    LEARNING_RATE = 2e-3
    STEPS_PER_EPOCH = 70
    VALIDATION_STEPS = 4


EPOCHS = 5
SAME = 0.01  # pixels: boxes that are worked out twice differ by less, through rounding


def open_pictures(annotations=None, images=None, limit=None, part="val"):
    """The prepared data set to look into, and settings for it.

    Args:
        annotations, images: as for `mrcnn.data.formats.open_dataset`; None: drawn pictures.
        limit: take the first so many photos.
        part: "train" or "val" of the drawn pictures.

    Returns:
        (Dataset, Config).

    Raises:
        DataError: annotations cannot be read.
    """
    dataset = open_dataset(annotations, images, limit) if annotations else drawn_pictures(part, limit)
    config = FashionConfig() if annotations else DrawnConfig()
    return dataset, config.set(NUM_CLASSES=dataset.num_classes)


def photos_with_objects(dataset, seed, least=4):
    """Ids of the photos that have objects, in an order that the seed decides.

    Photos that have crowds alone are passed over, which is told: there is nothing to find in them.

    Args:
        dataset: prepared.
        seed: of the order.
        least: how many photos are needed.

    Raises:
        UsageError: there are fewer.
    """
    shuffled = np.random.default_rng(seed).permutation(dataset.image_ids)
    image_ids, crowded = [], []
    for image_id in map(int, shuffled):
        class_ids = np.asarray(dataset.load_mask(image_id)[1])
        if (class_ids > 0).any():
            image_ids.append(image_id)
        elif len(class_ids):
            crowded.append(image_id)
    if crowded:
        print(f"Passed over: {len(crowded)} photos that have crowds alone, which are not to be found "
              f"(one is {dataset.sample_name(crowded[0])}).")
    if len(image_ids) < least:
        raise UsageError(f"{len(image_ids)} photos have objects, {least} are needed here: raise LIMIT or give others.")
    return image_ids


def objects_text(class_ids: Sequence[int]) -> str:
    """How many objects there are, and how many crowds beside them: "3 objects and 1 crowd".

    Args:
        class_ids: [N], negative for crowds.
    """
    crowds = int((np.asarray(class_ids) < 0).sum())
    objects = len(class_ids) - crowds
    text = f"{objects} object{'' if objects == 1 else 's'}"
    return f"{text} and {crowds} crowd{'' if crowds == 1 else 's'}" if crowds else text


def true_objects(dataset: Dataset, image_id: int) -> tuple[np.ndarray, np.ndarray]:
    """(masks bool [H, W, N], class ids [N]) of a photo without its crowds, which are not to be found.

    Args:
        dataset: prepared.
        image_id: of the photo.
    """
    masks, class_ids = dataset.load_mask(image_id)[:2]
    class_ids = np.asarray(class_ids)
    return masks[..., class_ids > 0], class_ids[class_ids > 0]


def weights_by_part(model: object) -> tuple[dict[str, int], list[str]]:
    """How many weights each part of a network has, by the parts that its layout names.

    Args:
        model: Mask R-CNN.

    Returns:
        ({part: weights}, the names of the layers of the part "other", which are of none that is known).
    """
    from mrcnn.network.layout import layout_of

    layout, counts, others = layout_of(model.inference_model), {}, []
    for layer in model.get_trainable_layers():
        part = layout.part_of(layer.name)
        counts[part] = counts.get(part, 0) + layer.count_params()
        others += [layer.name] if part == "other" else []
    return counts, others


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits; float64, of which few are so small that they are 0."""
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def best_of_level(anchors: np.ndarray, logits: np.ndarray, moves: np.ndarray, window: np.ndarray,
                  config: Settings) -> dict[str, np.ndarray]:
    """What the network makes of the anchors of a level: the best of them, moved, cut to the photo, and suppressed.

    They are ranked by their logits, as in the network: probabilities of anchors that are surely none are all 0.

    Args:
        anchors: [A, 4] pixels.
        logits: [A].
        moves: [A, 4] deltas.
        window: [4], where the photo lies on the canvas.
        config: settings of the network.

    Returns:
        {"anchors", "moved", "cut": [K, 4]; "logits": [K]; "kept": places in these of what suppression kept}.
    """
    from mrcnn.ops import boxes as box_ops
    from mrcnn.utils import non_max_suppression

    best = np.argsort(-logits, kind="stable")[:config.PRE_NMS_PER_LEVEL_INFERENCE]
    moved = box_ops.decode(moves[best], anchors[best], config.RPN_BBOX_STD_DEV)
    cut = box_ops.clip(moved, window)
    there = box_ops.area(cut) > 0
    best, moved, cut = best[there], moved[there], cut[there]
    kept = non_max_suppression(cut, logits[best], config.RPN_NMS_THRESHOLD)
    return {"anchors": anchors[best], "moved": moved, "cut": cut, "logits": logits[best], "kept": kept}


def held_against(boxes: np.ndarray, network: np.ndarray) -> str:
    """How far boxes that were worked out anew are those of the network, in words.

    Args:
        boxes: [N, 4] pixels.
        network: [M, 4], the network's own.
    """
    boxes, network = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(network, np.float64).reshape(-1, 4)
    if len(boxes) == len(network):
        difference = np.abs(boxes - network).max(initial=0)
        if difference < SAME:
            return f"the network's own differ by {difference:.5f} pixels at most"
    alike = sum(bool(len(boxes)) and np.abs(boxes - box).max(axis=1).min() < SAME for box in network)
    return f"the network's own are {len(network)}, of which {alike} are among the {len(boxes)} worked out here"


def find_run(logs, class_names):
    """The last checkpoint of the newest run of `mrcnn`, else of the notebooks, that is a Mask R-CNN and knows these
    classes, or None. What cannot be read is told and passed over.

    Args:
        logs: folder of runs.
        class_names: with background.
    """
    from mrcnn.training.runs import find_last_checkpoints

    for name in (FashionConfig.NAME, InspectConfig.NAME):
        for path in find_last_checkpoints(logs, name):
            try:
                known = mask_rcnn_classes(path)
            except CheckpointError as error:
                print(f"Passed over: {error}")
            except UsageError:
                continue  # a run of another network is none that was looked for
            else:
                if known == list(class_names):
                    return path
    return None


def mask_rcnn_classes(checkpoint):
    """The names of the classes, with background, that a checkpoint of Mask R-CNN knows; None if it carries none.

    Args:
        checkpoint: path of a weight file.

    Raises:
        UsageError: it is of another network.
        CheckpointError: it cannot be read, or carries no settings.
    """
    from mrcnn.architectures import architecture_of, read_settings
    from mrcnn.model import MaskRCNN

    architecture = architecture_of(checkpoint)
    if architecture != MaskRCNN.architecture_name():
        raise UsageError(f"{checkpoint} is of the architecture {architecture}, but the notebooks look into Mask R-CNN: "
                         "set CHECKPOINT to a weight file of that.")
    return read_settings(checkpoint)["class_names"]


def first_call(outputs):
    """What a layer gave when it was first called, of an entry of `run_graph`.

    A network of attributes cuts crops twice by one layer: of its proposals first, of its detections then.

    Args:
        outputs: array, or list of them, one of each call.
    """
    return outputs[0] if isinstance(outputs, list) else outputs


def trained_checkpoint(dataset, checkpoint=None, logs="logs", drawn=True, epochs=EPOCHS):
    """Path of the weights to look into.

    Args:
        dataset: prepared, whose classes the network must know.
        checkpoint: path of a weight file; None: the newest run.
        logs: folder of runs.
        drawn: whether, if there is no run, a network is trained on drawn pictures.
        epochs: for how many.

    Raises:
        UsageError: there is nothing to look into, or `checkpoint` is of another network or of other classes.
    """
    if checkpoint:
        known = mask_rcnn_classes(checkpoint)
        if known and list(known)[1:] != list(dataset.class_names)[1:]:
            raise UsageError(
                f"{checkpoint} knows the classes {', '.join(known[1:])}, the data has "
                f"{', '.join(dataset.class_names[1:])}: set ANNOTATIONS and CHECKPOINT to what belongs together."
            )
        return os.fspath(checkpoint)
    checkpoint = find_run(logs, dataset.class_names)
    if checkpoint:
        return checkpoint
    if not drawn:
        raise UsageError(
            f"No run of Mask R-CNN in {logs} knows the classes of these photos: train one with mrcnn train, or set "
            "CHECKPOINT to its weight file."
        )
    return train_a_minute(logs, epochs)


def train_a_minute(logs, epochs=EPOCHS):
    """Train a network on drawn pictures for so many epochs of 70 steps; returns the path of its checkpoint."""
    import keras

    from mrcnn.data.augmenters import horizontal_flip
    from mrcnn.model import MaskRCNN

    def report(epoch, values):
        print(f"epoch {epoch + 1} of {epochs}: loss {values['loss']:.3f}, of validation {values['val_loss']:.3f}")

    training, validation = drawn_pictures("train"), drawn_pictures("val")
    config = InspectConfig(NUM_CLASSES=training.num_classes)
    model = MaskRCNN("training", config, logs)
    # A line an epoch: the bar of every step would fill the notebook.
    bars = keras.config.is_interactive_logging_enabled()
    keras.config.disable_interactive_logging()
    try:
        model.train(training, validation, config.LEARNING_RATE, epochs, "all", augmentation=horizontal_flip(),
                    custom_callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=report)])
    finally:
        if bars:
            keras.config.enable_interactive_logging()
    return model.find_last()
