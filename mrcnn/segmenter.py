"""What every instance segmentation network here shares: run folder, weights, train(), detect()."""

import datetime
import json
import os
import random
import re

import keras
import numpy as np

from mrcnn import __version__
from mrcnn.config import Config, ConfigError
from mrcnn.data.batches import Batches
from mrcnn.data.images import DataError, place_image
from mrcnn.data.masks import paste_masks, paste_rle
from mrcnn.training import weights
from mrcnn.training.callbacks import Checkpoint, FollowEpoch, StopAtNonFiniteLoss, recording_callbacks
from mrcnn.training.optimizer import make_optimizer
from mrcnn.training.stages import select_layers, set_trainable_layers

# .../fashion20261121T0401/mask_rcnn_fashion_0003.h5
CHECKPOINT = re.compile(r".*[/\\][\w-]+(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})[/\\]mask_rcnn_[\w-]+(\d{4})\.h5")
RUN_FOLDER = re.compile(r"(?P<name>[\w-]+?)(?P<time>\d{8}T\d{4})")


def find_last_checkpoint(logs, name=None):
    """Path of the newest run's last checkpoint.

    logs: folder of run folders; name: Config.NAME of the runs to look at, None for all.
    Raises FileNotFoundError if there is none.
    """
    runs = []
    for folder in os.listdir(logs) if os.path.isdir(logs) else []:
        match = RUN_FOLDER.fullmatch(folder)
        if match and (name is None or match["name"] == name.lower()):
            found = [f for f in os.listdir(os.path.join(logs, folder)) if re.fullmatch(r"mask_rcnn_.*\d{4}\.h5", f)]
            if found:
                runs.append((match["time"], folder, max(found, key=lambda f: f[-7:])))
    if not runs:
        of_name = f" of a run named {name}" if name else ""
        raise FileNotFoundError(f"No checkpoint{of_name} in {os.path.abspath(logs)}: train first, or give the path.")
    _, folder, checkpoint = max(runs)
    return os.path.join(logs, folder, checkpoint)


class Segmenter:
    """A network with its settings and run folder. Subclasses say how the network is built.

    mode: "training" or "inference"; a model in training mode detects as well. config: Config.
    model_dir: folder that run folders are made in.

    Attributes: config, mode, model_dir, log_dir, epoch (finished ones), checkpoint_path, class_names,
    keras_model (the graph of the mode), training_model, inference_model.
    """

    def __init__(self, mode, config, model_dir):
        if mode not in ("training", "inference"):
            raise ValueError(f'mode={mode!r} is neither "training" nor "inference".')
        config.check()
        self.mode, self.config, self.model_dir = mode, config, str(model_dir)
        self.class_names = None
        self.history = None
        self._state = None  # training state of the loaded checkpoint, until a stage takes it up
        self.set_log_dir()
        # Keras draws the seeds of new weights from Python's generator, which the caller gets back as it was.
        state = random.getstate()
        random.seed(config.SEED)
        self.training_model, self.inference_model = self.build_networks(config)
        random.setstate(state)
        # Detection shapes follow what is found, which XLA on TensorFlow cannot compile.
        if keras.backend.backend() == "tensorflow":
            self.inference_model.jit_compile = False
        self.keras_model = self.training_model if mode == "training" else self.inference_model

    def build_networks(self, config):
        """(training model, inference model) of a Config, sharing their weights."""
        raise TypeError(f"{type(self).__name__} must define build_networks(config).")

    # --- Run folder and weights ----------------------------------------------------------------------------------
    def set_log_dir(self, model_path=None):
        """Take up the run folder and epoch of a checkpoint path of ours, else name a new folder."""
        self.epoch = 0
        name = (self.config.NAME or "model").lower()
        match = CHECKPOINT.fullmatch(os.path.abspath(model_path)) if model_path else None
        if match:
            self.log_dir, self.epoch = os.path.dirname(os.path.abspath(model_path)), int(match.group(6))
            pattern = os.path.basename(model_path)[: -len("0000.h5")]
        else:
            now = datetime.datetime.now()
            while os.path.exists(self._run_folder(name, now)):  # another run began in this minute
                now += datetime.timedelta(minutes=1)
            self.log_dir, pattern = self._run_folder(name, now), f"mask_rcnn_{name}_"
        self.checkpoint_path = os.path.join(self.log_dir, pattern + "{epoch:04d}.h5")

    def _run_folder(self, name, time):
        return os.path.join(self.model_dir, f"{name}{time:%Y%m%dT%H%M}")

    def find_last(self):
        """Path of the last checkpoint of the newest run of this Config.NAME; FileNotFoundError if there is none."""
        return find_last_checkpoint(self.model_dir, self.config.NAME or "model")

    def load_weights(self, filepath, by_name=False, exclude=None):
        """Load a weight file and, from a checkpoint of ours, its run folder, epoch and training state.

        exclude: names of layers to leave as they are; implies by_name. Returns the LoadReport, which is printed.
        Raises CheckpointError; the network is then as it was.
        """
        report = weights.load_weights(filepath, self.training_model, by_name or bool(exclude), exclude or ())
        attributes = weights.read_attributes(filepath)
        origin = "" if attributes["config"] else f"; geometry in force: {self.config.GEOMETRY}"
        print(f"{filepath}: {report}{origin}")
        if attributes["class_names"] and not exclude:
            self.class_names = attributes["class_names"]
        self.set_log_dir(filepath)
        self._state = None
        if not exclude and self.epoch:
            state = weights.read_state(weights.state_path(filepath))
            self._state = state if state and state["epoch"] == self.epoch else None
        return report

    def save_weights(self, path):
        """Write all weights with the settings, class names and epoch, whole or not at all."""
        attributes = {
            "mrcnn_config": json.dumps(self.config.to_dict()),
            "mrcnn_class_names": json.dumps(self.class_names),
            "mrcnn_epoch": self.epoch,
            "mrcnn_version": __version__,
        }
        weights.write_weights(path, self.training_model, attributes)

    @classmethod
    def from_checkpoint(cls, path, model_dir=None, mode="inference", **overrides):
        """The network of a checkpoint of ours, with its settings, class names and weights.

        overrides: settings to change. Raises CheckpointError or ConfigError.
        """
        settings = weights.settings_of(path)
        config = Config.from_dict(settings["config"], **overrides)
        folder = model_dir or os.path.dirname(os.path.dirname(os.path.abspath(path)))
        model = cls(mode, config, folder)
        model.load_weights(path)
        return model

    # --- Training ------------------------------------------------------------------------------------------------
    def set_trainable(self, layer_regex, keras_model=None, indent=0, verbose=1):
        """Make the layers of a stage trainable ("heads", "3+", ..., or a regular expression), all others not."""
        model = keras_model or self.training_model
        names = select_layers(model, layer_regex, frozen_norm=self.config.TRAIN_BN is False)
        set_trainable_layers(model, names)
        if verbose:
            total = sum(bool(layer.weights) for layer in model.layers)
            print(f"Training {len(names)} of {total} layers: {layer_regex}")
        return names

    def compile(self, learning_rate, momentum, warmup_steps=0, total_steps=None):
        """Give the training graph a fresh optimizer for the layers that are trainable now.

        total_steps: of the stage, for LR_SCHEDULE="cosine"; without, the rate stays as it is.
        """
        optimizer = make_optimizer(
            self.training_model, self.config, learning_rate, momentum, warmup_steps, total_steps
        )
        jit = False if keras.backend.backend() == "tensorflow" else "auto"
        self.training_model.compile(optimizer=optimizer, jit_compile=jit)

    def train(
        self,
        train_dataset,
        val_dataset,
        learning_rate,
        epochs,
        layers,
        augmentation=None,
        custom_callbacks=None,
        no_augmentation_sources=None,
    ):
        """Train one stage, up to the total number of epochs `epochs`, with a checkpoint after each.

        train_dataset, val_dataset: prepared Datasets (val may be None); learning_rate: of the stage after warm-up;
        layers: "heads", "3+", "4+", "5+", "all" or a regular expression; augmentation: see
        `mrcnn.data.augmentation`; custom_callbacks: Keras callbacks, of which those with a true attribute `measures`
        are called before history.csv is written, the others last. Continues where a loaded checkpoint stopped. Returns
        the Keras History.
        Raises NonFiniteLoss, DataError, ConfigError.
        """
        if self.mode != "training":
            raise ValueError('train() needs a model made with mode="training".')
        if self.epoch >= epochs:
            print(f"Nothing to train: epoch {self.epoch} of {epochs} is done already.")
            return self.history
        self._take_classes(train_dataset)
        stage = {"layers": layers, "learning_rate": float(learning_rate), "epochs": int(epochs)}
        stage["first_epoch"] = weights.first_epoch_of(stage, self._state, self.epoch)
        batches = Batches(
            train_dataset,
            self.config,
            augmentation=augmentation,
            steps=self.config.STEPS_PER_EPOCH,
            no_augmentation_sources=no_augmentation_sources,
            first_epoch=self.epoch,
        )
        validation = self._validation_batches(val_dataset)
        self.set_trainable(layers)
        self.compile(learning_rate, self.config.LEARNING_MOMENTUM, min(self.config.WARMUP_STEPS, len(batches)),
                     (epochs - stage["first_epoch"]) * len(batches))
        self._take_up_state(stage)
        os.makedirs(self.log_dir, exist_ok=True)
        self.config.save(os.path.join(self.log_dir, "config.json"))
        print(f"\nStarting at epoch {self.epoch} of {epochs}, learning rate {learning_rate}, run {self.log_dir}\n")
        try:
            self.history = self.training_model.fit(
                batches,
                validation_data=validation,
                initial_epoch=self.epoch,
                epochs=epochs,
                shuffle=False,  # the batches have a seeded order of their own
                callbacks=self._callbacks(batches, stage, list(custom_callbacks or [])),
            )
        except Exception:
            # Backends wrap an error of the data in pages of their own; what it said itself is what helps.
            failures = [part.failure for part in (batches, validation) if part is not None and part.failure]
            if failures:
                raise failures[0] from None
            raise
        return self.history

    def _take_up_state(self, stage):
        """Give the optimizer and the random generators back what the loaded checkpoint had of them."""
        if self._state is not None:
            restored = weights.restore_state(self._state, self.training_model, stage)
            print("Optimizer and random state restored." if restored else "A new stage: the optimizer starts afresh.")
            self._state = None

    def _callbacks(self, batches, stage, custom):
        """The callbacks of a stage, in their order."""
        measuring = [callback for callback in custom if getattr(callback, "measures", False)]
        return [
            FollowEpoch(batches),
            StopAtNonFiniteLoss(batches),
            Checkpoint(self, stage),  # first of all: the epoch is safe whatever fails below
            *measuring,  # before the record, which is to have their figures
            *recording_callbacks(self.log_dir),
            *(callback for callback in custom if callback not in measuring),
        ]

    def _take_classes(self, dataset):
        """Keep the class names for the checkpoint; refuse a data set that the network has no outputs for."""
        if dataset.num_classes != self.config.NUM_CLASSES:
            raise ConfigError(
                f"The data set has {dataset.num_classes} classes with background, NUM_CLASSES is "
                f"{self.config.NUM_CLASSES}: set NUM_CLASSES={dataset.num_classes}."
            )
        self.class_names = list(dataset.class_names)

    def _validation_batches(self, dataset):
        """Validation photos in order, the same ones each epoch."""
        if dataset is None:
            return None
        steps, size = self.config.VALIDATION_STEPS, self.config.BATCH_SIZE
        number = len(dataset.image_ids) if steps is None else min(steps * size, len(dataset.image_ids))
        return Batches(dataset, self.config, shuffle=False, image_ids=dataset.image_ids[:number])

    # --- Detection -----------------------------------------------------------------------------------------------
    def detect(self, images, verbose=0, soft_masks=False, rle=False, mask_probabilities=False):
        """Find the objects in any number of photos of any sizes.

        images: list of uint8 [H, W, 3] RGB. soft_masks: also give "soft_masks" float32 [H, W, N], each object's
        probability at each pixel. rle: give "rles", a list of COCO run-length dicts, in place of "masks": far less
        memory on large photos. mask_probabilities: also give "mask_probabilities" float32 [N, h, w], what the network
        said on a grid stretched over each of "boxes": for whoever pastes masks in a way of their own.
        Returns a list of dicts, one an image, best object first, in pixels of the photo: "rois" int32 [N, 4],
        "boxes" float32 [N, 4] at sub-pixel precision, "class_ids" int32 [N], "scores" float32 [N], "masks" bool
        [H, W, N]. Raises DataError for what is no such image.
        """
        channels = int(self.config.IMAGE_CHANNEL_COUNT)
        images = [_checked_image(image, index, channels) for index, image in enumerate(images)]
        placed = [self._place(image) for image in images]
        groups = {}  # canvases of one shape go through the network together
        for index, (canvas, _) in enumerate(placed):
            groups.setdefault(canvas.shape, []).append(index)
        results = [None] * len(images)
        for indices in groups.values():
            for start in range(0, len(indices), self.config.BATCH_SIZE):
                chunk = indices[start : start + self.config.BATCH_SIZE]
                outputs = self.predict(
                    np.stack([placed[i][0] for i in chunk]), np.stack([placed[i][1].box for i in chunk])
                )
                for row, index in enumerate(chunk):
                    found = {name: value[row] for name, value in outputs.items()}
                    results[index] = unmold(
                        found, placed[index][1], images[index].shape[:2], soft_masks, rle, mask_probabilities
                    )
                    if verbose:
                        print(f"Image {index}: {len(results[index]['scores'])} objects")
        return results

    def _place(self, image):
        config = self.config
        mode = "square" if config.IMAGE_RESIZE_MODE == "crop" else config.IMAGE_RESIZE_MODE
        # A network trained on crops still has to see the whole photo.
        largest = int(config.IMAGE_SHAPE[0]) if config.IMAGE_RESIZE_MODE == "crop" else config.IMAGE_MAX_DIM
        smallest = min(config.IMAGE_MIN_DIM, largest) if config.IMAGE_MIN_DIM else config.IMAGE_MIN_DIM
        return place_image(image, smallest, largest, config.IMAGE_MIN_SCALE, mode)

    def predict(self, canvases, windows):
        """The inference graph on canvases of one shape.

        canvases: uint8 [B, H, W, 3]; windows: float32 [B, 4]. Returns its outputs by name as numpy arrays.
        """
        inputs = {"image": canvases.astype("float32"), "window": windows.astype("float32")}
        return {name: np.asarray(value) for name, value in self.inference_model.predict_on_batch(inputs).items()}


def _checked_image(image, index, channels):
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != channels or image.dtype != np.uint8 or 0 in image.shape:
        raise DataError(
            f"Image {index} is {image.dtype} {list(image.shape)}: give uint8 [height, width, {channels}] RGB, as "
            "mrcnn.data.images.load_image does."
        )
    return image


def unmold(found, window, shape, soft_masks=False, rle=False, mask_probabilities=False):
    """One image's detections, from the canvas to the photo.

    found: {"boxes" [D, 4], "class_ids", "scores", "valid" [D], "masks" [D, h, w]}; window: the photo's Window;
    shape: (H, W) of the photo. Returns the dict that detect() describes.
    """
    boxes = window.to_original(found["boxes"].astype("float32"))
    keep = found["valid"] & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    boxes = boxes[keep]
    result = {
        "rois": np.round(boxes).astype("int32"),
        "boxes": boxes,
        "class_ids": found["class_ids"][keep].astype("int32"),
        "scores": found["scores"][keep].astype("float32"),
    }
    masks = found["masks"][keep]
    if rle:
        result["rles"] = [paste_rle(mask, box, shape) for mask, box in zip(masks, boxes)]
    else:
        result["masks"] = paste_masks(masks, boxes, shape)
    if soft_masks:
        result["soft_masks"] = paste_masks(masks, boxes, shape, threshold=None)
    if mask_probabilities:
        result["mask_probabilities"] = masks.astype("float32")
    return result
