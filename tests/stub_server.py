"""A model with known answers behind the server, and photos for it."""

import contextlib
import io
import threading
import time

import numpy as np
from PIL import Image

from mrcnn.data import run_lengths
from mrcnn.errors import DataError
from mrcnn.inference.attributes import in_words
from mrcnn.serving.limits import Limits
from mrcnn.serving.served import ServedModel

NAMES = ["BG", "hat", "shoe"]
BROKEN, REFUSED = 7, 8  # of the blue of a photo's first pixel: the network fails on it, or refuses it
BACK = 20  # grey around objects


class StubConfig:
    NUM_CLASSES, BATCH_SIZE, DETECTION_MIN_CONFIDENCE = 3, 4, 0.5

    def to_dict(self):
        return {"NUM_CLASSES": 3}


class Stub:
    """Finds one hat: the pixels whose red is 255; its score is the green of the first pixel, of 255.

    Attributes:
        batches: numbers of photos of each call.
        free: event that each call waits for.
    """

    class_names, config = NAMES, StubConfig()

    def __init__(self):
        self.batches, self.free = [], threading.Event()
        self.free.set()

    def architecture_name(self):
        return "stub"

    def detect(self, images, rle=False, mask_probabilities=False, min_confidence=None):
        assert self.free.wait(20)
        self.batches.append(len(images))
        least = self.config.DETECTION_MIN_CONFIDENCE if min_confidence is None else min_confidence
        return [self.found(image, least, mask_probabilities) for image in images]

    def found(self, image, least, mask_probabilities):
        mark = image[0, 0, 2]
        if mark == BROKEN:
            raise ValueError("a broken photo")
        if mark == REFUSED:
            raise DataError("this photo is refused: send another.")
        mask, score = image[..., 0] == 255, image[0, 0, 1] / 255
        rows = [mask] if mask.any() and score >= least else []
        rles = [run_lengths.encode(one) for one in rows]
        boxes = run_lengths.boxes(rles).astype(np.float32).reshape(-1, 4) if rles else np.zeros((0, 4), np.float32)
        result = {"boxes": boxes, "rois": boxes.astype(np.int32), "class_ids": np.ones(len(rows), np.int32),
                  "scores": np.full(len(rows), score, np.float32), "rles": rles}
        if mask_probabilities:
            result["mask_probabilities"] = np.ones((len(rows), 4, 4), np.float32)
        return result


class DescribingConfig(StubConfig):
    ATTRIBUTES, ATTRIBUTE_MIN_CONFIDENCE = ["colour: red", "brim: long", "old"], 0.5


class Describing(Stub):
    """A Stub that tells attributes: a hat is red 0.9, long-brimmed 0.6 and old 0.2, which is not told."""

    config = DescribingConfig()

    def detect(self, images, **options):
        results = super().detect(images, **options)
        return [in_words({**one, "attribute_scores": np.float32([[0.9, 0.6, 0.2]] * len(one["scores"])).reshape(-1, 3)},
                         self.config) for one in results]


class StubLabels:
    """Tells the class of each pixel, 2 where red is 255; finds no objects."""

    class_names, config = NAMES, StubConfig()

    def architecture_name(self):
        return "stub-labels"

    def label_each(self, images, probabilities=True):
        for image in images:
            yield {"labels": np.where(image[..., 0] == 255, 2, 0).astype(np.uint8)}


def photo(box=(2, 3, 6, 9), shape=(12, 16), score=0.8, mark=0):
    """uint8 [H, W, 3] with an object in a box (y1, x1, y2, x2)."""
    pixels = np.full((*shape, 3), BACK, np.uint8)
    y1, x1, y2, x2 = box
    pixels[y1:y2, x1:x2, 0] = 255
    pixels[0, 0, 1:] = round(score * 255), mark
    return pixels


def png(pixels, **options):
    """The bytes of a PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", **options)
    return file.getvalue()


def served(model=None):
    return ServedModel(model or Stub(), "stub", "stub_0003")


@contextlib.contextmanager
def client_of(model=None, limits=None, wait=True, **options):
    """A client of the application in this process, once the model is warm."""
    from starlette.testclient import TestClient

    from mrcnn.serving.app import make_app

    model = served(model)
    app = make_app(model, limits or Limits(wait=0), **options)
    with TestClient(app, raise_server_exceptions=False) as client:
        if wait:
            wait_until(lambda: app.state.service.ready)
        yield client


@contextlib.contextmanager
def listening(model=None, limits=None, **options):
    """(host, port) of the application behind a socket of this machine."""
    import uvicorn

    from mrcnn.serving.app import make_app
    from mrcnn.serving.listening import config_of, listen

    app = make_app(served(model), limits or Limits(wait=0), **options)
    server = uvicorn.Server(config_of(app, app.state.service.limits.timeout, "critical"))
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        wait_until(lambda: app.state.service.ready)
        try:
            yield app, listener.getsockname()
        finally:
            if hasattr(model, "free"):
                model.free.set()
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def wait_until(true, seconds=20):
    """Wait until a function gives something true."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it does not become true"
        time.sleep(0.005)
