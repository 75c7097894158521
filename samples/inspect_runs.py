"""What the notebooks look into: drawn pictures or annotated photos, and a network trained on such."""

import os

import numpy as np

from mrcnn.commands.configs import DrawnConfig, FashionConfig
from mrcnn.commands.datasets import drawn_pictures
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

    Args:
        dataset: prepared.
        seed: of the order.
        least: how many photos are needed.

    Raises:
        UsageError: there are fewer.
    """
    shuffled = np.random.default_rng(seed).permutation(dataset.image_ids)
    image_ids = [int(image_id) for image_id in shuffled if len(dataset.load_mask(image_id)[1])]
    if len(image_ids) < least:
        raise UsageError(f"{len(image_ids)} photos have objects, {least} are needed here: raise LIMIT or give others.")
    return image_ids


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
