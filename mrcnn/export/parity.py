"""The comparison of an exported file with the network, on photos placed as its users place theirs."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.config import Settings
from mrcnn.data.drawn.people import draw_picture
from mrcnn.data.given_photos import GivenPhotos, Photos, as_pixels
from mrcnn.data.images import Window, put_on_canvas, scaled_size, to_channels
from mrcnn.errors import ExportError


def resize_rule(config: Settings) -> dict[str, float]:
    """How photos are scaled for the network: {"min_side", "max_side", "min_scale"} of `docs/export.md`, in pixels."""
    mode, largest = config.IMAGE_RESIZE_MODE, int(config.IMAGE_MAX_DIM)
    if mode == "none":
        return {"min_side": 0, "max_side": None, "min_scale": 1.0}
    if mode == "crop":  # the network, once trained, sees the whole photo
        largest = int(config.IMAGE_SHAPE[0])
    smallest = min(int(config.IMAGE_MIN_DIM or 0), largest)
    return {
        "min_side": smallest,
        "max_side": None if mode == "pad64" else largest,
        "min_scale": max(1.0, float(config.IMAGE_MIN_SCALE or 0)),
    }


def place(photo: np.ndarray, canvas: tuple[int, int], rule: dict[str, float]) -> tuple[np.ndarray, Window]:
    """A photo on a canvas of a given size, as `docs/export.md` has it.

    Args:
        photo: uint8 [H, W, C].
        canvas: (height, width).
        rule: as from `resize_rule`.

    Returns:
        (uint8 [height, width, C], Window). It differs from `Predictor.place` only where the photo, at the size that it
        was trained at, does not fit: it is shrunk then.
    """
    shape = photo.shape[:2]
    scale = max(1.0, rule["min_side"] / min(shape), rule["min_scale"])
    if rule["max_side"] and round(max(shape) * scale) > rule["max_side"]:
        scale = rule["max_side"] / max(shape)
    if any(round(side * scale) > limit for side, limit in zip(shape, canvas)):
        scale = min(limit / side for side, limit in zip(shape, canvas))
    size = scaled_size(shape, scale)
    return put_on_canvas(photo, size, canvas, tuple((limit - side) // 2 for side, limit in zip(size, canvas)))


def checked_photos(photos: Photos | None, channels: int) -> GivenPhotos | None:
    """Check the photos that a file is to be compared on, each once; None stands for drawn ones.

    Args:
        photos: as for `GivenPhotos`; those in files are decoded one at a time, each time that one is asked for.
        channels: of the network.

    Raises:
        ExportError: there are none, or one has another type or shape.
        DataError: one cannot be read.
    """
    if photos is None:
        return None

    def check(photo, index):
        image = to_channels(as_pixels(np.asarray(photo), index), channels)
        if image.ndim != 3 or image.shape[2] != channels or image.dtype != np.uint8 or 0 in image.shape:
            raise ExportError(
                f"photos[{index}] is {image.dtype} {list(image.shape)}: give uint8 [height, width, {channels}] RGB."
            )
        return image

    given = GivenPhotos(photos, check)
    if not len(given):
        raise ExportError("photos is empty: give some, or None for drawn pictures.")
    for _ in given:  # a file that is no photo shows now, and not when half of them are compared
        pass
    return given


def compare(model: object, run: Callable[[dict], dict], about: dict,
            photos: Sequence[np.ndarray] | None = None) -> dict:
    """Run a file and the network on the same pictures: photos, or two drawn ones, and the canvas of `exported` beside.

    Args:
        model: the network, whose `exported` says how answers are compared.
        run: function from the inputs of the JSON file to the file's outputs by name.
        about: what the JSON file holds.
        photos: uint8 [H, W, C] each; those of `GivenPhotos` are in memory one batch at a time.

    Returns:
        {"pictures": how many, and what `summary` of `exported` says: "largest_difference" and others}.

    Raises:
        ExportError: if the file does not run, or its outputs are not those that were promised.
    """
    height, width, channels = about["inputs"]["image"]["shape"][1:]
    if photos is None:
        photos = [draw_picture(0, index).image[..., np.arange(channels) % 3] for index in range(2)]
    if height is None:
        return _compare_sizes(model, run, about, photos)
    placed = (place(photo, (height, width), about["resize"]) for photo in photos)
    distances = _distances(model, run, about, placed, (height, width, channels))
    return {"pictures": len(distances), **model.exported.summary(distances, about)}


def _compare_sizes(model, run, about, photos):
    """What `compare` gives of a file for canvases of any size: each photo on its own, the first one turned too."""
    turned = (np.ascontiguousarray(photo.swapaxes(0, 1)) for photo in photos[:1])
    distances, sizes = [], set()
    for canvas, window in map(model.place, itertools.chain(photos, turned)):
        sizes.add(canvas.shape[:2])
        distances += _distances(model, run, about, [(canvas, window)], canvas.shape)
    side = max(max(size) for size in sizes)
    told = {**about, "canvas": {"height": side, "width": side}}  # of which boxes differ by a share
    return {"pictures": len(distances), "canvases": sorted(map(list, sizes)),
            **model.exported.summary(distances, told)}


def _distances(model, run, about, placed, shape):
    """The distances of a file's answers and the network's, to photos on canvases of one shape and the canvas beside."""
    batch, beside = about["inputs"]["image"]["shape"][0], model.exported.canvas_beside(shape)
    pictures = itertools.chain(((canvas, window.box) for canvas, window in placed),
                               [(beside, np.array([0, 0, *shape[:2]], "float32"))])
    distances = []
    while taken := list(itertools.islice(pictures, batch)):
        filled = itertools.islice(itertools.cycle(taken), batch)  # the last batch has its own pictures several times
        canvases, windows = map(np.stack, zip(*filled))
        outputs = _promised(run, {"image": canvases, "window": windows}, about)
        expected = model.predict(canvases, windows)
        for row in range(len(taken)):
            tables = [{name: table[name][row] for name in about["outputs"]} for table in (expected, outputs)]
            distances.append(model.exported.distances(*tables, about))
    return distances


class CalibrationInputs(Sequence):
    """The inputs that int8 is calibrated on, made when they are asked for: of each photo, or as many as go in at once.

    Args:
        photos: uint8 [H, W, C] each, at least one.
        about: what the JSON file holds.
    """

    def __init__(self, photos: Sequence[np.ndarray], about: dict):
        self._photos, self._about = photos, about

    def __len__(self) -> int:
        return -(-len(self._photos) // self._about["inputs"]["image"]["shape"][0])

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if not 0 <= index < len(self):
            raise IndexError(f"Inputs {index} of {len(self)}.")
        batch, height, width, _ = self._about["inputs"]["image"]["shape"]
        rows = np.arange(index * batch, (index + 1) * batch) % len(self._photos)  # filled up with the first photos
        placed = [place(self._photos[row], (height, width), self._about["resize"]) for row in rows]
        given = {"image": [canvas for canvas, _ in placed], "window": [window.box for _, window in placed]}
        return {name: np.stack(given[name]).astype(wanted["dtype"])
                for name, wanted in self._about["inputs"].items()}


def _promised(run, inputs, about):
    """What a file gives. Raises ExportError if that is nothing, or is not as the JSON file says."""
    inputs = {name: inputs[name].astype(wanted["dtype"]) for name, wanted in about["inputs"].items()}
    try:
        outputs = run(inputs)
    except Exception as error:  # every runtime has errors of its own
        raise ExportError(f"The {about['format']} file does not run: {error}") from error
    for name, promised in about["outputs"].items():
        shape = outputs[name].shape
        fits = len(shape) == len(promised["shape"]) and all(
            wanted in (None, side) for side, wanted in zip(shape, promised["shape"]))
        if not fits or str(outputs[name].dtype) != promised["dtype"]:
            raise ExportError(
                f"The {about['format']} file gives {name} as {outputs[name].dtype} {list(outputs[name].shape)}, not as "
                f"{promised['dtype']} {promised['shape']}."
            )
    return outputs
