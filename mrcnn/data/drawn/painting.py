"""How drawn pictures are painted: shapes in cloth, background and obstacles, and which instance shows at each pixel."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mrcnn.data.drawn.words import ATTRIBUTES, cloth_words

CLOTHES = ("bag", "dress", "outerwear", "pants", "shoe", "skirt", "sunglasses", "top")
LABEL_NAMES = ("background",) + CLOTHES + ("hair", "skin")
LABELS = {name: label for label, name in enumerate(LABEL_NAMES)}
# A sliver of fewer pixels than this share of the picture is nobody's idea of an instance; it stays in the label map.
SMALLEST_INSTANCE = 0.00025
# Shapes are filled at four times the picture's size and averaged: smooth edges, and a mask is where half is covered.
OVERSAMPLING = 4
ANGLES = np.linspace(-np.pi / 2, np.pi / 2, 9)
HALF_CIRCLE = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


@dataclasses.dataclass(frozen=True)
class DrawnPicture:
    """One drawn picture with its labels.

    Args:
        image: uint8 [H, W, 3] RGB.
        instances: uint8 [H, W] number of the instance that shows at each pixel, counted from 1; 0 = none.
        class_ids: int32 [N] class of instance 1..N, as positions in LABEL_NAMES.
        label_map: uint8 [H, W] position in LABEL_NAMES of what shows at each pixel; 0 = background.
        attributes: bool [N, A] which of `mrcnn.data.drawn.words.ATTRIBUTES` each instance has.
    """

    image: np.ndarray
    instances: np.ndarray
    class_ids: np.ndarray
    label_map: np.ndarray
    attributes: np.ndarray


class Painter:
    """A picture being painted, with the label and the instance that shows at each pixel kept in step."""

    def __init__(self, height: int, width: int):
        self.height, self.width = height, width
        self.image = np.zeros((height, width, 3), np.float32)
        self.label_map = np.zeros((height, width), np.uint8)
        self.instances = np.zeros((height, width), np.uint8)
        self.labels_of_instances = []
        self.words_of_instances = []

    def add_instance(self, name: str) -> tuple[int, int]:
        """Returns a new instance of the named clothes, as the pair (label, number) that paint() takes."""
        self.labels_of_instances.append(LABELS[name])
        self.words_of_instances.append(set())
        return LABELS[name], len(self.labels_of_instances)

    def describe(self, label: tuple[int, int], *words: str) -> None:
        """Gives an instance attributes, some of ATTRIBUTES."""
        self.words_of_instances[label[1] - 1].update(words)

    def paint(self, shapes: Sequence[np.ndarray], cloth: "Cloth", label: tuple[int, int] | None,
              holes: Sequence[np.ndarray] = (), shade: float = 0.28) -> None:
        """Paints the union of closed shapes, less the holes, over what is there.

        Args:
            shapes, holes: lists of [P, 2] points (x, y) in pixels of the picture.
            cloth: Cloth.
            label: (position in LABEL_NAMES, instance number or 0), or None to leave the labels as they are.
            shade: how much darker the shape is at its edge, 0..1.
        """
        import cv2

        points = np.concatenate(shapes)
        left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - 1, 0)
        right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 1, (self.width, self.height))
        if left >= right or top >= bottom:
            return
        big = np.zeros(((bottom - top) * OVERSAMPLING, (right - left) * OVERSAMPLING), np.uint8)
        for colour, polygons in ((255, shapes), (0, holes)):
            for polygon in polygons:
                # 4 fractional bits; -0.5 because cv2 counts from pixel centres.
                fixed = np.rint(((polygon - (left, top)) * OVERSAMPLING - 0.5) * 16).astype(np.int32)
                cv2.fillPoly(big, [fixed], colour, shift=4)
        cover = cv2.resize(big, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
        colours = cloth.colours(top, left, *cover.shape)
        if shade:
            side = 2 * max(1, round(self.height / 128)) + 1
            colours = colours * (1 - shade + np.float32(shade / 255) * cv2.blur(cover, (side, side)))[..., None]
        area = self.image[top:bottom, left:right]
        area += (colours - area) * (cover * np.float32(1 / 255))[..., None]
        if label is not None:
            shown = cover >= 128
            self.label_map[top:bottom, left:right][shown] = label[0]
            self.instances[top:bottom, left:right][shown] = label[1]

    def finish(self, rng: np.random.Generator) -> DrawnPicture:
        """Adds light and noise, drops instances that hardly show, and returns the DrawnPicture."""
        light = uniform(rng, 0.8, 1.12) + uniform(rng, -0.12, 0.12) * np.linspace(-1, 1, self.width, dtype=np.float32)
        noise = rng.integers(0, 256, (2, self.height, self.width, 3), dtype=np.uint8).astype(np.float32)
        # The sum of two uniform bytes has a triangular spread: near enough to a Gaussian, and exact on every machine.
        noise = (noise[0] + noise[1] - 255) * np.float32(uniform(rng, 0.01, 0.06))
        image = np.clip(np.rint(self.image * light[:, None] + noise), 0, 255).astype(np.uint8)
        areas = np.bincount(self.instances.ravel(), minlength=len(self.labels_of_instances) + 1)[1:]
        kept = np.flatnonzero(areas >= max(4, SMALLEST_INSTANCE * self.height * self.width))
        renumbered = np.zeros(len(areas) + 1, np.uint8)
        renumbered[kept + 1] = np.arange(1, len(kept) + 1)
        class_ids = np.array(self.labels_of_instances, np.int32)[kept]
        worn = [self.words_of_instances[i] for i in kept]
        attributes = np.array([[word in words for word in ATTRIBUTES] for words in worn], bool)
        attributes = attributes.reshape(len(kept), len(ATTRIBUTES))
        arrays = image, renumbered[self.instances], class_ids, self.label_map, attributes
        for array in arrays:
            # Pictures are kept and shared by the load methods: nobody may paint on them.
            array.setflags(write=False)
        return DrawnPicture(*arrays)


@dataclasses.dataclass(frozen=True)
class Cloth:
    """Two colours and the pattern they make; `light` is the change of brightness from left to right."""

    first: np.ndarray
    second: np.ndarray
    pattern: str = "plain"
    period: float = 8.0
    light: float = 0.0

    def colours(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Returns float32 [height, width, 3], the colours of that area of the picture."""
        y = np.arange(top, top + height, dtype=np.float32)[:, None]
        x = np.arange(left, left + width, dtype=np.float32)[None]
        half = self.period / 2
        shares = {
            "plain": lambda: np.zeros((1, 1)),
            "rows": lambda: y % self.period < half,
            "columns": lambda: x % self.period < half,
            "diagonal": lambda: (x + y) % self.period < half,
            "checks": lambda: ((y % self.period < half) * 0.5 + (x % self.period < half) * 0.5),
            "dots": lambda: (y % self.period - half) ** 2 + (x % self.period - half) ** 2 < 0.36 * half * self.period,
        }
        share = np.asarray(shares[self.pattern](), np.float32)[..., None]
        slope = 1 + self.light * np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
        return (self.first + (self.second - self.first) * share) * slope


def words_of(cloth: Cloth) -> list[str]:
    """Returns the attributes of a cloth: its pattern and colours."""
    return cloth_words(cloth.first, cloth.second, cloth.pattern)


def random_cloth(rng: np.random.Generator, unit: float, contrast: float = 1.0) -> Cloth:
    """Returns a Cloth of random colours and pattern.

    unit: height in pixels of the person who wears it; it sets the size of the pattern
    contrast: share of the difference between the pattern's two colours that is kept, 0..1
    """
    first, second = rng.random((2, 3)) * 225 + 15
    # Most cloth is far from pure colours: pull both towards their greys.
    first, second = (colour + (colour.mean() - colour) * uniform(rng, 0.0, 0.85) for colour in (first, second))
    second = first + (second - first) * contrast
    pattern = pick(rng, ("plain", "plain", "plain", "rows", "columns", "diagonal", "checks", "dots"))
    period = max(4.0, unit * uniform(rng, 0.025, 0.06))
    return Cloth(first.astype(np.float32), second.astype(np.float32), pattern, period, uniform(rng, -0.15, 0.15))


def plain_cloth(colour: np.ndarray, light: float = 0.0) -> Cloth:
    """Returns a Cloth of one colour (r, g, b)."""
    colour = np.clip(np.asarray(colour, np.float32), 0, 255)
    return Cloth(colour, colour, light=light)


def draw_background(painter: Painter, rng: np.random.Generator) -> None:
    """Fills the picture with a wall and a floor, and clutters it with blocks, stripes and round shapes."""
    size = np.array((painter.width, painter.height))
    horizon = painter.height * uniform(rng, 0.45, 0.95)
    for start, end in ((0, horizon), (horizon, painter.height)):
        corners = box((painter.width / 2, (start + end) / 2), (painter.width + 4, end - start + 2))
        cloth = random_cloth(rng, painter.height * uniform(rng, 1, 5), uniform(rng, 0.1, 0.6))
        painter.paint([corners], cloth, None, shade=0)
    for _ in range(rng.integers(4, 14)):
        centre, extent = rng.random(2) * size, (0.06 + 0.34 * rng.random(2) ** 2) * size
        shape = random_shape(rng, centre, extent)
        painter.paint([shape], random_cloth(rng, painter.height * uniform(rng, 0.5, 2)), None, shade=0.2)


def draw_obstacle(painter: Painter, rng: np.random.Generator) -> None:
    """Puts a post, a bush or a box in front of everything."""
    kind = pick(rng, ("post", "box", "bush"))
    x = painter.width * uniform(rng, 0.1, 0.9)
    if kind == "post":
        shape = box((x, painter.height / 2), (painter.width * uniform(rng, 0.03, 0.07), painter.height + 8))
    else:
        extent = np.array((painter.width, painter.height)) * (uniform(rng, 0.2, 0.4), uniform(rng, 0.1, 0.24))
        shape = (box if kind == "box" else ellipse)((x, painter.height), extent)
    painter.paint([shape], random_cloth(rng, painter.height), (0, 0))


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * rng.random()


def chance(rng: np.random.Generator, probability: float) -> bool:
    return rng.random() < probability


def pick(rng: np.random.Generator, options: Sequence) -> object:
    return options[rng.integers(len(options))]


def box(centre: np.ndarray | Sequence[float], extent: np.ndarray | Sequence[float]) -> np.ndarray:
    """Returns the corners of a rectangle: [4, 2]."""
    return np.array(centre) + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * np.array(extent) / 2


def ellipse(centre: np.ndarray | Sequence[float], extent: np.ndarray | Sequence[float]) -> np.ndarray:
    """Returns the outline of an ellipse: [18, 2]."""
    return np.array(centre) + np.concatenate([HALF_CIRCLE, -HALF_CIRCLE]) * np.array(extent) / 2


def capsule(start: np.ndarray | Sequence[float], end: np.ndarray | Sequence[float], start_radius: float,
            end_radius: float) -> np.ndarray:
    """Returns the outline of two half circles and the sides between them: [18, 2]."""
    along = np.subtract(end, start)
    along = along / max(np.sqrt((along ** 2).sum()), 1e-9)
    turn = np.array([along, (-along[1], along[0])])
    return np.concatenate([end + HALF_CIRCLE @ turn * end_radius, start - HALF_CIRCLE @ turn * start_radius])


def limb(joints: np.ndarray, radii: tuple[float, float, float], plump: float, share: float = 1.0) -> list[np.ndarray]:
    """Returns the capsules of an arm or leg down to `share` of its length, radii given at its three joints."""
    shapes = []
    for part in range(2):
        reach = min(1.0, share * 2 - part)
        if reach > 0:
            end = joints[part] + (joints[part + 1] - joints[part]) * reach
            radius = radii[part] + (radii[part + 1] - radii[part]) * reach
            shapes.append(capsule(joints[part], end, radii[part] * plump, radius * plump))
    return shapes


def rounded(points: np.ndarray) -> np.ndarray:
    """Returns the outline with its corners cut once (Chaikin 1974): [2P, 2]."""
    following = np.roll(points, -1, axis=0)
    return np.stack([0.8 * points + 0.2 * following, 0.2 * points + 0.8 * following], axis=1).reshape(-1, 2)


def random_shape(rng: np.random.Generator, centre: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """Returns a box, an ellipse, a bar or a many-cornered shape at random."""
    kind = rng.integers(4)
    if kind == 0:
        return box(centre, extent)
    if kind == 1:
        return ellipse(centre, extent)
    if kind == 2:
        radii = 0.1 * extent.min() * (0.3 + rng.random(2))
        return capsule(centre - extent, centre + extent * (rng.random(2) - 0.5), *radii)
    corners = HALF_CIRCLE[::2] * extent * (0.3 + rng.random((5, 2)))
    return centre + corners * (pick(rng, (-1, 1)), 1)
