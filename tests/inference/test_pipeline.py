"""Photos through a network in a pipeline: order, what is given back, how far threads run ahead, and whose steps."""

import threading
import time

import numpy as np
import pytest

from mrcnn.errors import DataError
from mrcnn.inference import pipeline
from mrcnn.inference.pipeline import Steps, steps_of, through


class Counting:
    """Photos 0..n-1, each a grey picture of its number; counts how many are held at once."""

    def __init__(self, shape=(2, 2, 3), bad=()):
        self.shape, self.bad, self.lock, self.held, self.most, self.batches = shape, bad, threading.Lock(), 0, 0, []

    def read(self, item):
        if item in self.bad:
            raise DataError(f"{item}.png is none")
        with self.lock:
            self.held += 1
            self.most = max(self.most, self.held)
        return np.full(self.shape, item, np.uint8)

    def write(self, item, image, result):
        time.sleep(0.001 * (item % 3))  # later ones may be done before it
        with self.lock:
            self.held -= 1
        return item, int(image[0, 0, 0]), result

    def steps(self):
        def look(placed):
            self.batches.append(list(placed))
            return ((index, placed[index] * 10) for index in reversed(range(len(placed))))

        return Steps(place=lambda image: int(image[0, 0, 0]), look=look, finish=lambda image, seen: seen + 1)


def batched(count, size):
    return [list(range(start, min(start + size, count))) for start in range(0, count, size)]


@pytest.mark.parametrize("size", [1, 3])
def test_results_come_in_the_order_of_the_photos(size):
    photos = Counting()
    found = list(through(batched(20, size), photos.read, photos.steps(), photos.write))
    # The network gives ten times the number, backwards within a batch; finish adds one.
    assert found == [(i, (i, i, 10 * i + 1), None) for i in range(20)]
    assert photos.batches == batched(20, size) and photos.held == 0


def test_a_photo_that_cannot_be_read_is_given_back_in_its_place():
    photos = Counting(bad=(1, 3, 4, 5))
    found = list(through(batched(8, 3), photos.read, photos.steps(), photos.write))
    assert [item for item, _, _ in found] == list(range(8))
    assert [(item, str(error)) for item, _, error in found if error] == [(i, f"{i}.png is none") for i in (1, 3, 4, 5)]
    assert photos.batches == [[0, 2], [6, 7]]  # the network is not asked about nothing


def test_what_is_held_is_bounded_by_photos_and_by_memory(monkeypatch):
    photos = Counting()
    list(through(batched(200, 2), photos.read, photos.steps(), photos.write))
    # A batch of 2, 2 readers and the next batch ahead of it, 2 writers and a batch behind it.
    assert photos.most <= 2 + (2 + 2) + (2 + 2)
    photos = Counting(shape=(10, 10, 3))
    monkeypatch.setattr(pipeline, "MEMORY", 700)  # two photos of 300 bytes
    list(through(batched(50, 1), photos.read, photos.steps(), photos.write, readers=1))
    assert photos.most <= 3  # before the first is read its size is not known
    photos = Counting(shape=(20, 20, 3))  # 1200 bytes: one by one
    list(through(batched(10, 1), photos.read, photos.steps(), photos.write, readers=1))
    assert photos.most == 1


@pytest.mark.parametrize("part", ["read", "look", "write"])
def test_other_errors_end_it_and_leave_no_thread(part):
    photos, before = Counting(), threading.active_count()
    broken = {"read": photos.read, "write": photos.write}
    steps = photos.steps()

    def fail(*_):
        raise OSError(f"no {part}")

    if part == "look":
        steps = Steps(steps.place, fail, steps.finish)
    else:
        broken[part] = fail
    with pytest.raises(OSError, match=f"no {part}"):
        list(through(batched(9, 2), broken["read"], steps, broken["write"]))
    assert threading.active_count() == before


def test_who_stops_early_leaves_no_thread():
    photos, before = Counting(), threading.active_count()
    running = through(batched(90, 2), photos.read, photos.steps(), photos.write)
    next(running)
    running.close()
    assert threading.active_count() == before and len(photos.batches) < 10


class Finder:
    def detect(self, images, least=0.0):
        return [("whole", image, least) for image in images]

    def detection_steps(self, least=0.0):
        return Steps(lambda image: image, lambda placed: ((i, one) for i, one in enumerate(placed)),
                     lambda image, seen: ("steps", image, least))


class OwnWay(Finder):
    def detect(self, images, least=0.0):
        return [("own", image, least) for image in images]


def result_of(model):
    steps = steps_of(model, "detect", "detection_steps", least=0.5)
    (index, seen), = steps.look([steps.place("photo")])
    assert index == 0
    return steps.finish("photo", seen)


def test_a_model_that_detects_in_a_way_of_its_own_is_asked_so():
    assert result_of(Finder()) == ("steps", "photo", 0.5)
    assert result_of(OwnWay()) == ("own", "photo", 0.5)
    patched = Finder()
    patched.detect = lambda images, least: [("patched", image, least) for image in images]
    assert result_of(patched) == ("patched", "photo", 0.5)
