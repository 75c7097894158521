"""Training steps tried in a process of its own: what memory a batch takes, how long it lasts, which one fits.

`try_batches` starts `python -m mrcnn.architectures.trial`, which builds the network of some settings, takes a step with
one made photo, with two, four and so on, and prints what each took. If memory runs out, it is the trial that dies, and
not the training; and the weights and random numbers of the training are as if there had been none.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple

from mrcnn.config_rules import RULES
from mrcnn.errors import ConfigError
from mrcnn.training.machine import forget_most_held, free_memory, held_memory

SHARE = 0.8  # of the free memory that a training may take: photos are read beside it, and other programs live
LONGEST = 900  # seconds of a trial; a step is traced, and compiled, within a minute or two
OBJECTS = 10  # of a made photo
KILLED = -9  # how a process ends that the system kills for want of memory


class TrialFailed(ConfigError):
    """A trial that found nothing: `reason` says why, in words that follow the name of what asked for it."""

    def __init__(self, reason: str):
        super().__init__(f"--batch-size auto: {reason}: give a number.")
        self.reason = reason


class Trial(NamedTuple):
    """What a trial found.

    Args:
        batch: photos of the largest step that fits; 0 if not even one does.
        free: bytes of memory that were free, None where that is not known.
        peaks: {photos of a step that was taken: most bytes that the process held}.
        seconds: of a step with the most photos that was tried, by the photo; None if there was none.
        device: "cpu" or "gpu".
        ended: why it ended before it had tried all; "" if it has.
    """

    batch: int
    free: int | None
    peaks: dict[int, int]
    seconds: float | None
    device: str = "cpu"
    ended: str = ""

    def told(self) -> str:
        """The memory in words."""
        if not self.batch:
            return f"no step of one photo fits into the {_gigabytes(self.free)} that are free"
        peak = predicted(self.peaks, self.batch)
        of_free = "" if self.free is None else f" of {_gigabytes(self.free)} free"
        ended = f"; the trial ended early ({self.ended})" if self.ended else ""
        return f"a step of {self.batch} takes {_gigabytes(peak)}{of_free} ({self.device.upper()}){ended}"


def _gigabytes(number):
    return "memory" if number is None else f"{number / 1e9:.1f} GB"


def predicted(peaks: dict[int, int], batch: int) -> float:
    """The peak of a step, in bytes, on the line through those that were measured.

    A step costs what the network, its optimizer and the libraries take, and so much more with each photo. The steepest
    of the measured slopes counts, so that a guess is rather too high.

    Args:
        peaks: {photos: bytes}, one at least.
        batch: photos of the step.
    """
    sizes = sorted(peaks)
    if len(sizes) == 1:
        return peaks[sizes[0]] * max(1.0, batch / sizes[0])
    slope = max((peaks[b] - peaks[a]) / (b - a) for a, b in zip(sizes, sizes[1:]))
    below = max((size for size in sizes if size <= batch), default=sizes[0])
    return peaks[below] + slope * (batch - below)


def fitting(peaks: dict[int, int], room: float | None, most: int) -> int:
    """The most photos of a step, up to `most`, whose predicted peak is within `room` bytes; 0 if none is.

    Args:
        peaks: of `predicted`.
        room: bytes, None for any number.
        most: photos.
    """
    return max((batch for batch in range(1, most + 1) if room is None or predicted(peaks, batch) <= room), default=0)


def try_batches(architecture: str, config: object, canvas: tuple[int, int], most: int,
                free: int | None = None) -> Trial:
    """Find the largest batch of a training that fits into memory.

    On a CPU nothing is tried that is not predicted to fit, and what compiling takes is to fit too. On a GPU, whose
    memory a backend divides as it likes, the predicted batch is tried, and halved as long as memory runs out.

    Args:
        architecture: its name, of `mrcnn.architectures`.
        config: settings of the training; IMAGES_PER_GPU does not matter.
        canvas: (height, width) of the largest canvas, pixels.
        most: photos of a step; no more are looked for.
        free: bytes of main memory; None asks the system.

    Returns:
        The Trial.

    Raises:
        TrialFailed: a setting is a function, which another process cannot be told of, or the trial failed for another
            reason than memory.
    """
    free = free_memory() if free is None else free
    request = {"architecture": architecture, "config": written(config), "canvas": list(canvas)}
    steps, ended = _run({**request, "batches": _doubling(min(most, 4)), "room": free and SHARE * free})
    if not steps and not ended:
        return Trial(0, free, {}, None)
    if not steps:
        raise TrialFailed(f"the trial of a training step failed ({ended})")
    on_gpu = steps[0].get("limit")
    free, device = (on_gpu, "gpu") if on_gpu else (free, "cpu")
    peaks = {step["batch"]: step["peak"] for step in steps}
    room = None if free is None else SHARE * free
    over = [step["batch"] for step in steps if room and not on_gpu and step.get("highest", 0) > room]
    best = fitting(peaks, room, min([most, *(batch - 1 for batch in over)]))
    if on_gpu and ended:
        best = min(best, max(peaks))
    while on_gpu and best > max(peaks):
        more, failed = _run({**request, "batches": [best], "room": None})
        if more:
            peaks[best], steps = more[0]["peak"], more
            break
        if failed:  # for another reason than memory: what did fit still does
            best, ended = max(peaks), failed
            break
        best = max(best // 2, max(peaks))
    return Trial(best, free, peaks, steps[-1]["seconds"] / steps[-1]["batch"], device, ended)


def _doubling(most):
    """1, 2, 4 ... up to `most`, which is the last."""
    sizes = [1]
    while sizes[-1] < most:
        sizes.append(min(2 * sizes[-1], most))
    return sizes


def written(config: object) -> dict:
    """Settings as another process can read them.

    Raises:
        TrialFailed: one that a network reads is a function. Settings of the user's own are written as texts.
    """
    functions = [name for name in config.names() if name in RULES and callable(getattr(config, name))]
    if functions:
        raise TrialFailed(f"{functions[0]} is a function of this program, which the process that tries a step does "
                          "not know")
    return config.to_dict()


def _run(request):
    """([what the steps that fitted took], why it ended: "" for want of memory or because all is done)."""
    paths = os.pathsep.join(map(os.path.abspath, sys.path))
    with tempfile.TemporaryFile("w+") as errors:
        try:
            done = subprocess.run([sys.executable, "-m", "mrcnn.architectures.trial"], input=json.dumps(request),
                                  text=True, stdout=subprocess.PIPE, stderr=errors, timeout=LONGEST,
                                  check=False, env={**os.environ, "PYTHONPATH": paths})
        except subprocess.TimeoutExpired as error:
            return _steps(error.stdout), f"no end after {LONGEST} s"
        errors.seek(0)
        lines = errors.read().strip().splitlines()
    steps = _steps(done.stdout)
    if done.returncode in (0, KILLED):
        return steps, ""
    return steps, lines[-1][:300] if lines else f"exit code {done.returncode}"


def _steps(printed):
    """What the steps took, of what a trial printed, as text, or as bytes where its time was over."""
    text = printed.decode() if isinstance(printed, bytes) else printed or ""
    return [json.loads(line) for line in text.splitlines() if line.startswith('{"batch"') and line.endswith("}")]


# --- The process that tries ------------------------------------------------------------------------------------------


def main() -> None:
    """Read a request from stdin; print, for each batch that fits, what its step took."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # if memory ends, this process is to go, and no other
    except OSError:
        pass
    request = json.loads(sys.stdin.read())
    printing, sys.stdout = sys.stdout, sys.stderr
    with tempfile.TemporaryDirectory() as folder:
        model = made_model(request, folder)
        peaks = {}
        for batch in request["batches"]:
            if len(peaks) > 1 and request["room"] and predicted(peaks, batch) > request["room"]:
                break
            try:
                step = measured_step(model, batch, tuple(request["canvas"]))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                break
            peaks[batch] = step["peak"]
            print(json.dumps(step), file=printing, flush=True)


def made_model(request: dict, folder: str) -> object:
    """The network of a request, ready to train all of its layers."""
    from mrcnn.architectures import class_of

    architecture = class_of(request["architecture"])
    model = architecture("training", architecture.settings.from_dict(request["config"], GPU_COUNT=1, WORKERS=0), folder)
    model.set_trainable("all", verbose=0)
    model.compile(1e-5, model.config.LEARNING_MOMENTUM)
    return model


def measured_step(model: object, batch: int, canvas: tuple[int, int]) -> dict:
    """{"batch", "peak": bytes, "seconds", "limit": bytes of the GPU or None} of the second of two steps.

    "highest" is the most main memory that the process ever held, with what compiling took; 0 where that is not known.

    Args:
        model: of `made_model`.
        batch: photos.
        canvas: (height, width), pixels.
    """
    import keras

    from mrcnn.training.devices import accelerator_memory, on_processor

    if keras.backend.backend() == "tensorflow" and not on_processor() and accelerator_memory() is None:
        raise ConfigError("the memory of this GPU is not known")
    photos = made_photos(batch, canvas, model.config.NUM_CLASSES, int(model.config.IMAGE_CHANNEL_COUNT),
                         getattr(model.config, "ATTRIBUTES", None) or ())
    batches = model.batches(photos, batch_size=batch, shuffle=False)
    model.before_fit(batches)
    (arrays,) = batches[0]
    highest = 0
    for _ in range(2):
        highest = max(highest, held_memory(most=True) or 0)
        # What compiling took, before the first step, is much the same for any number of photos, and would hide theirs.
        forget_most_held()
        start = time.perf_counter()
        model.training_model.train_on_batch(arrays, return_dict=True)
        seconds = time.perf_counter() - start
    gpu = accelerator_memory()
    peak = gpu["peak"] if gpu else held_memory(most=True)
    if peak is None:
        raise ConfigError("this system does not tell what memory a process holds")
    return {"batch": batch, "peak": peak, "seconds": seconds, "limit": gpu and gpu["limit"],
            "highest": max(highest, held_memory(most=True) or 0)}


def made_photos(count: int, canvas: tuple[int, int], classes: int, channels: int = 3,
                attributes: Sequence[str] = ()) -> object:
    """A prepared Dataset of noise with rectangles, which are objects.

    Args:
        count: photos.
        canvas: their (height, width), pixels.
        classes: number, with background.
        channels: of the network that is to take them.
        attributes: their names, of which each object has some.
    """
    import numpy as np

    from mrcnn.data.dataset import Dataset

    height, width = canvas

    class MadePhotos(Dataset):
        attribute_names = dict(enumerate(attributes))

        def load_image(self, image_id):
            return np.random.default_rng(int(image_id)).integers(0, 256, (height, width, channels), np.uint8)

        def load_mask(self, image_id):
            rng, masks = np.random.default_rng(int(image_id)), np.zeros((height, width, OBJECTS), bool)
            for place in range(OBJECTS):
                y, x = rng.integers(0, [height // 2, width // 2])
                masks[y : y + height // 4, x : x + width // 4, place] = True
            class_ids = rng.integers(1, classes, OBJECTS).astype(np.int32)
            return masks, class_ids, [np.flatnonzero(row) for row in rng.integers(0, 2, (OBJECTS, len(attributes)))]

    dataset = MadePhotos()
    for class_id in range(1, classes):
        dataset.add_class("made", class_id, f"class {class_id}")
    for i in range(count):
        dataset.add_image("made", i, f"{i}.png", height=height, width=width)
    dataset.prepare()
    return dataset


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that memory ran out, in the words of any backend."""
    while error is not None:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if kinds & {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"}:
            return True
        if "RESOURCE_EXHAUSTED" in str(error) or "out of memory" in str(error).lower():
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    main()
