"""A drawn film: people in clothes who walk past each other and behind a post, frame by frame, with what is true."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mrcnn.data.drawn.painting import CLOTHES, LABEL_NAMES, Painter, box, draw_background, plain_cloth, uniform
from mrcnn.data.drawn.person import Person

STRIDE = 0.085  # of a foot to each side, as a share of the figure's height
STEPS = 1.6  # pairs of them a second
POST = (0.47, 0.57)  # share of the width that the post covers


class WalkingFrame(NamedTuple):
    """One frame.

    Args:
        image: uint8 [H, W, 3] RGB.
        instances: uint8 [H, W], 0 or the number of the garment that shows: the same in all frames.
        class_ids: {number: class id, 1 for the first of CLOTHES}.
    """

    image: np.ndarray
    instances: np.ndarray
    class_ids: dict[int, int]


def walking_people(count: int, size: tuple[int, int] = (240, 426), people: int = 3, seed: int = 0,
                   rate: float = 25) -> Iterator[WalkingFrame]:
    """Draw people who cross a street view, every second one from right to left, behind a post in the middle.

    Args:
        count: frames; over all of them each person walks from one side to the other.
        size: (H, W), pixels.
        people: how many.
        seed: integer >= 0 that decides on people and background.
        rate: frames a second, for the pace of their legs.

    Yields:
        WalkingFrame.
    """
    height, width = size
    ground = Painter(height, width)
    draw_background(ground, np.random.default_rng((seed, 0)))
    for number in range(count):
        painter = Painter(height, width)
        painter.image[:] = ground.image
        for index in range(people):
            _draw_walker(painter, seed, index, number / max(count - 1, 1), number / rate)
        post = box(((POST[0] + POST[1]) / 2 * width, height / 2), ((POST[1] - POST[0]) * width, height + 8))
        painter.paint([post], plain_cloth(np.array((92, 80, 70))), (0, 0))
        instances = painter.instances.copy()
        names = [LABEL_NAMES[label] for label in painter.labels_of_instances]
        class_ids = {garment: CLOTHES.index(name) + 1 for garment, name in enumerate(names, start=1)}
        # The same light and grain in each frame.
        yield WalkingFrame(painter.finish(np.random.default_rng((seed, 1))).image, instances, class_ids)


def _draw_walker(painter, seed, index, way, second):
    """Paint one person at a share of the way and a second of the film."""
    plan, rng = (np.random.default_rng((seed, 2, index, part)) for part in (0, 1))
    tall, pace = painter.height * uniform(plan, 0.72, 0.88), uniform(plan, 0.85, 1.15)
    begin, end = -0.1 - 0.12 * (index // 2), 1.1 - 0.1 * (index // 2)
    place = begin + (end - begin) * way
    foot = ((1 - place if index % 2 else place) * painter.width, painter.height * (0.93 + 0.025 * index))
    person = Person(painter, rng, tall, foot)  # of the same random numbers in each frame, and so in the same clothes
    swing = np.sin(2 * np.pi * (STEPS * pace * second + index / 3))
    person.legs = [_swung(leg, STRIDE * swing * side) for leg, side in zip(person.legs, (-1, 1))]
    person.arms = [_swung(arm, -0.5 * STRIDE * swing * side) for arm, side in zip(person.arms, (-1, 1))]
    person.draw()


def _swung(limb, by):
    """A limb [3, 2] whose middle joint is half, and whose end wholly, to the side."""
    return limb + np.array([[0, 0], [by / 2, 0], [by, 0]])
