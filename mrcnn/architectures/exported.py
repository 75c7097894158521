"""An exported file in the place of a checkpoint: detect, label and evaluate through the file's own runtime.

Neither Keras nor TensorFlow is imported for ONNX and LiteRT files. What is built into a file cannot be changed: its
canvas, its batch, its least score. `open_exported` says so where something else is asked for.
"""

import functools
import importlib
import os
import threading
import warnings
from collections.abc import Callable

import numpy as np

from mrcnn.architectures.object_labels import LabelsOfObjects
from mrcnn.config import Settings
from mrcnn.config_rules import check_batch
from mrcnn.config_uses import of_training_alone
from mrcnn.data.corner_alignment import CornerAlignedWindow
from mrcnn.data.images import Window
from mrcnn.errors import CheckpointError, ConfigError, ExportError, RunError
from mrcnn.export.about import REMEDY
from mrcnn.export.file_outputs import ONE_VIEW
from mrcnn.export.parity import place
from mrcnn.export.running import CHOOSE_PRECISION, of_objects, open_file, read_about
from mrcnn.inference.detector import Detector
from mrcnn.inference.labeler import Labeler
from mrcnn.weights.files import DEFAULT_ARCHITECTURE

SETTINGS = {  # architecture: module:class of its settings, none of which brings Keras in
    DEFAULT_ARCHITECTURE: "mrcnn.config:Config",
    "yolact": "mrcnn.config_yolact:YolactSettings",
    "deeplabv3": "mrcnn.config_pixels:DeepLabSettings",
    "deeplabv3plus": "mrcnn.config_pixels:DeepLabPlusSettings",
    "unet": "mrcnn.config_pixels:UNetSettings",
    "u2net": "mrcnn.config_pixels:U2NetSettings",
    "u2netp": "mrcnn.config_pixels:U2NetSettings",
}
# What may differ from the export: it is done beside the file.
OUTSIDE = {"DETECTION_MIN_CONFIDENCE", "LABEL_REFINE", "TEST_FLIP", "SEED", "ATTRIBUTE_MIN_CONFIDENCE", "MASK_SCORES"}
OVERLAP = "DETECTION_NMS_THRESHOLD"  # it is built in, but views and tiles are merged beside the file


class ExportedFile:
    """What exported files of any kind share: photos on the file's canvas, in batches of its size.

    Args:
        path: of the file.
        about: what its JSON file holds.
        run: function from its inputs to its outputs, by name.
        config: settings, of the class of its architecture.

    Attributes:
        path, about, config: as given.
        class_names: names by class id, background first.
        log_dir: folder of the file.
        mode: "inference".
    """

    mode = "inference"

    def __init__(self, path: str, about: dict, run: Callable[[dict], dict], config: Settings):
        self.path, self.about, self.config, self._run = path, about, config, run
        self.class_names = list(about["class_names"])
        self.log_dir = os.path.dirname(os.path.abspath(path))
        self._canvas = about["canvas"]["height"], about["canvas"]["width"]
        self._window_kind = CornerAlignedWindow if about.get("geometry") == "matterport" else Window
        self._turn = threading.Lock()  # not every runtime takes calls of several threads at once

    def architecture_name(self) -> str:
        """Name of the architecture that the file was exported from."""
        return self.about["architecture"]

    def skip_compiling(self) -> None:
        """Nothing: a file is compiled already."""

    def place(self, image: np.ndarray) -> tuple[np.ndarray, Window]:
        """Place a photo on the file's canvas; one that would not fit at the size of the training is shrunk.

        A file for canvases of any size gets the one that the network would get.

        Args:
            image: uint8 [H, W, C].

        Returns:
            (canvas uint8 [h, w, C], Window that maps boxes between canvas and photo).
        """
        if self._canvas == (None, None):
            return super().place(image)
        canvas, window = place(image, self._canvas, self.about["resize"])
        return canvas, self.window_of(window)

    def window_of(self, window: Window) -> Window:
        """Give a Window the geometry of the file.

        Args:
            window: of a photo on its canvas.
        """
        parts = (window.original_shape, window.canvas_shape, window.scale, window.offset)
        return self._window_kind(*parts)

    def _outputs(self, canvases, windows):
        """The file's outputs for any number of canvases, which go in by batches of the file's size."""
        given = {"image": canvases, "window": windows}
        batch, parts = self.about["inputs"]["image"]["shape"][0], []
        for start in range(0, len(canvases), batch):
            rows = np.minimum(np.arange(start, start + batch), len(canvases) - 1)  # the last batch is filled up
            inputs = {name: given[name][rows].astype(wanted["dtype"]) for name, wanted in self.about["inputs"].items()}
            try:
                with self._turn:
                    outputs = self._run(inputs)
            except RunError:
                raise
            except Exception as error:  # every runtime has errors of its own
                raise ExportError(f"{self.path} does not run: {' '.join(str(error).split())[:300]}; export it again.") \
                    from error
            missing = [name for name in self.about["outputs"] if name not in outputs]
            if missing:
                raise ExportError(f"{self.path} gives no {missing[0]}, which {self.path}.json promises: {REMEDY}.")
            parts.append({name: np.array(value)[: len(canvases) - start] for name, value in outputs.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def __getattr__(self, name):
        path = vars(self).get("path", "")  # copy.copy asks for names before there is one
        raise AttributeError(f"{path!r} is an exported file, which has no {name}: load the checkpoint that it was "
                             "exported from.")


class ExportedDetector(ExportedFile, LabelsOfObjects, Detector):
    """An exported file that finds objects: detect(), detect_tiled(), label() as of the network."""

    _told = False

    @property
    def score_floor(self) -> float:
        """The least score that is built in: what scores less the file drops, whatever is asked for."""
        return float(self.about["thresholds"]["score"])

    def predict(self, canvases: np.ndarray, windows: np.ndarray,
                min_confidence: float | None = None) -> dict[str, np.ndarray]:
        """Run the file on canvases.

        Args:
            canvases: uint8 [B, h, w, 3].
            windows: float32 [B, 4], the part of each canvas that its photo fills, pixels.
            min_confidence: least score of an object; what the file drops by its own cannot come back.

        Returns:
            The file's outputs by name.
        """
        least, built_in = self._least(min_confidence), self.score_floor
        if least < built_in and not self._told:
            self._told = True
            warnings.warn(f"{self.path} has the least score {built_in:g} built in, and {least:g} was asked for: "
                          f"objects between them are missing; export with --set DETECTION_MIN_CONFIDENCE={least:g}.",
                          stacklevel=2)
        outputs = self._outputs(canvases, windows)
        outputs["valid"] = outputs["valid"].astype(bool) & (outputs["scores"] >= least)
        return outputs


class ExportedLabeler(ExportedFile, Labeler):
    """An exported file of label maps: label() as of the network."""

    def predict(self, canvases: np.ndarray, windows: np.ndarray) -> dict[str, np.ndarray]:
        """Run the file on canvases; arguments as for `ExportedDetector.predict`."""
        return self._outputs(canvases, windows)


def open_exported(path: str | os.PathLike, mode: str = "inference", **overrides: object) -> ExportedFile:
    """Open an exported file as if it were the network of its checkpoint.

    Args:
        path: of the file, or of the folder of a SavedModel; its JSON file lies beside it.
        mode: "inference"; an exported file cannot be trained.
        **overrides: settings to change, by name: those of OUTSIDE, which are at work beside the file, with TEST_FLIP
            that of OVERLAP, and of an OpenVINO file PRECISION, float32 or mixed_bfloat16.

    Returns:
        An ExportedDetector or ExportedLabeler.

    Raises:
        ExportError: the file or its JSON file cannot be used, or its runtime is missing.
        CheckpointError: it was asked for training.
        ConfigError: a setting is built into the file, or cannot be.
    """
    path = os.path.normpath(os.fspath(path))
    if mode != "inference":
        raise CheckpointError(f"{path} is an exported file, which cannot be trained: give the checkpoint (.h5) that it "
                              "was exported from.")
    about = read_about(path)
    try:
        settings = settings_of(about["architecture"])
    except ConfigError as error:
        raise ExportError(f"{path}.json: {error}") from error
    config = settings.from_dict(about["settings"], source=f"{path}.json")
    batch = about["inputs"]["image"]["shape"][0]
    config.set(GPU_COUNT=1, IMAGES_PER_GPU=batch, **ONE_VIEW)
    check_batch(overrides, 1)
    if "BATCH_SIZE" in overrides:  # which follows from this one, as there is one device
        overrides["IMAGES_PER_GPU"] = overrides.pop("BATCH_SIZE")
    wanted = config.from_dict({**config.to_dict(), **overrides}, source="the options")
    choose = about["format"] in CHOOSE_PRECISION
    outside = OUTSIDE | ({"PRECISION"} if choose else set())
    fixed = [name for name in overrides
             if name not in outside and not (name == OVERLAP and wanted.TEST_FLIP)
             and _plain(wanted, name) != _plain(config, name)]
    config.set(**{name: overrides[name] for name in fixed if name not in config.names()})  # says so of unknown names
    told = functools.partial(_told_built, path, about, config)
    if fixed:
        raise ConfigError(told(fixed[0]))
    if choose and wanted.PRECISION == "mixed_float16":
        raise ConfigError(f"{path} computes in float32 or mixed_bfloat16: set PRECISION to one of them.")
    kind = ExportedDetector if of_objects(about) else ExportedLabeler
    opened = kind(path, about, open_file(path, about, wanted.PRECISION), wanted)
    wanted.hold([name for name in wanted.names() if name not in OUTSIDE | {OVERLAP}], told)
    return opened


def _told_built(path, about, config, name):
    """Why a setting of a file cannot be another one, and what to do about it."""
    batch, value = about["inputs"]["image"]["shape"][0], _plain(config, name)
    if name == "TEST_SCALES":
        why = "takes one canvas, and other sizes of a photo (TEST_SCALES, --tta) need others"
        if about["canvas"]["height"] is None:
            why = "looks at each photo at one size; others (TEST_SCALES, --tta) need the checkpoint"
        return f"{path} {why}: leave it out, or --set TEST_FLIP=true, which looks at the photo mirrored too."
    if name in ("GPU_COUNT", "IMAGES_PER_GPU"):
        return (f"{path} takes {batch} photo{'s' if batch > 1 else ''} at once, whatever the batch size: leave it out, "
                "or export the checkpoint again with --batch-size N.")
    if name == OVERLAP:
        return (f"{path} has {OVERLAP}={value!r} built in; another one is at work with --tile or --set TEST_FLIP=true "
                "alone (in Python set it in config before detect_tiled): leave it out, or export the checkpoint again "
                "with it.")
    if name == "PRECISION" and about["format"] in CHOOSE_PRECISION:
        return f"{path} is opened already: open it again with PRECISION=float32 or mixed_bfloat16."
    if name == "PRECISION" and about["format"] != "savedmodel":
        return (f"{path} computes in {value}: leave PRECISION out, or export the checkpoint to openvino, whose runtime "
                "takes mixed_bfloat16.")
    if of_training_alone(name):
        return f"{path} is used, not trained, and {name} is read by training alone: leave it out."
    return (f"{path} has {name}={value!r} built in: leave it out, or export the checkpoint again with --set "
            f"{name}=...")


def _plain(config, name):
    return config.to_dict().get(name)


def settings_of(architecture: str) -> type:
    """The class of an architecture's settings, without Keras for those of this package.

    Args:
        architecture: name of it.
    """
    place = SETTINGS.get(architecture)
    if place is None:
        from mrcnn.architectures import class_of

        return class_of(architecture).settings
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
