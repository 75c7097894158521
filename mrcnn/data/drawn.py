"""Drawn people in clothes: labelled pictures without a download, the same on every machine for the same seed.

Each picture carries instance masks of its clothes (visible pixels only), a label map that also knows hair and skin, and
a person mask. Colours and patterns do not depend on the class: shape and place must tell a skirt from pants.
"""

import dataclasses
import functools
import json
import os

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.data.images import DataError

CLOTHES = ("bag", "dress", "outerwear", "pants", "shoe", "skirt", "sunglasses", "top")
LABEL_NAMES = ("background",) + CLOTHES + ("hair", "skin")
LABELS = {name: label for label, name in enumerate(LABEL_NAMES)}
# A sliver of fewer pixels than this share of the picture is nobody's idea of an instance; it stays in the label map.
SMALLEST_INSTANCE = 0.00025
# Shapes are filled at four times the picture's size and averaged: smooth edges, and a mask is where half is covered.
OVERSAMPLING = 4
ANGLES = np.linspace(-np.pi / 2, np.pi / 2, 9)
HALF_CIRCLE = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
SKIN_COLOURS = ((255, 219, 190), (241, 194, 160), (224, 172, 125), (198, 134, 90), (141, 85, 50), (90, 56, 37))
HAIR_COLOURS = (
    (28, 22, 20), (60, 40, 28), (110, 70, 40), (190, 140, 70), (225, 200, 140), (150, 60, 35), (150, 150, 150))


@dataclasses.dataclass(frozen=True)
class DrawnPicture:
    """One drawn picture with its labels.

    image: uint8 [H, W, 3] RGB
    instances: uint8 [H, W] number of the instance that shows at each pixel, counted from 1; 0 = none
    class_ids: int32 [N] class of instance 1..N, as positions in LABEL_NAMES
    label_map: uint8 [H, W] position in LABEL_NAMES of what shows at each pixel; 0 = background
    """

    image: np.ndarray
    instances: np.ndarray
    class_ids: np.ndarray
    label_map: np.ndarray


class DrawnPeople(Dataset):
    """Drawn people in clothes as a Dataset of the source "drawn": eight classes of clothes with instance masks."""

    label_names = LABEL_NAMES

    def load_drawn(self, count, size=(256, 192), seed=0):
        """Registers `count` pictures; picture i depends on `seed` and i alone, and is drawn when it is asked for.

        count: number of pictures
        size: (height, width) in pixels, at least (32, 24)
        seed: integer >= 0; different seeds give different people
        Raises DataError for a count, size or seed out of range.
        """
        height, width = (int(side) for side in size)
        if count < 0 or seed < 0:
            raise DataError(f"count and seed of drawn pictures must not be negative, got count={count}, seed={seed}")
        if height < 32 or width < 24:
            raise DataError(f"drawn pictures need at least 32 x 24 pixels (height x width), got {height} x {width}")
        for class_id, name in enumerate(CLOTHES, start=1):
            self.add_class("drawn", class_id, name)
        for index in range(count):
            name = f"drawn_{seed}_{index:05d}"
            self.add_image("drawn", name, f"{name}.png", width=width, height=height, seed=int(seed), index=index)

    def load_picture(self, image_id):
        """Returns the DrawnPicture of an image id: all that the other load methods read, drawn once."""
        info = self.image_info[image_id]
        return _recent_picture(info["seed"], info["index"], (info["height"], info["width"]))

    def load_image(self, image_id):
        """Returns the picture: uint8 [H, W, 3] RGB."""
        return self.load_picture(image_id).image.copy()

    def load_mask(self, image_id):
        """Returns (masks bool [H, W, N], class ids int32 [N]); masks hold visible pixels only and never overlap."""
        picture = self.load_picture(image_id)
        numbers = np.arange(1, len(picture.class_ids) + 1, dtype=np.uint8)
        class_ids = [self.map_source_class_id(f"drawn.{class_id}") for class_id in picture.class_ids]
        return picture.instances[..., None] == numbers, np.array(class_ids, np.int32)

    def load_label_map(self, image_id):
        """Returns the label of every pixel, a position in label_names: uint8 [H, W], 0 = background."""
        return self.load_picture(image_id).label_map.copy()

    def load_person_mask(self, image_id):
        """Returns where people with their clothes and bags show: bool [H, W]."""
        return self.load_picture(image_id).label_map > 0

    def image_reference(self, image_id):
        """Returns the seed and index that the picture is drawn from."""
        info = self.image_info[image_id]
        return f"drawn picture, seed {info['seed']}, index {info['index']}"


@functools.lru_cache(maxsize=8)
def _recent_picture(seed, index, size):
    # load_image and load_mask of one sample follow each other: the second finds the picture drawn.
    return draw_picture(seed, index, size)


def draw_picture(seed, index, size=(256, 192)):
    """Draws one picture of one or two people.

    seed, index: integers >= 0 that decide everything in the picture
    size: (height, width) in pixels
    Returns a DrawnPicture.
    """
    # Only .random() and .integers() are used: their streams are the same on every platform.
    rng = np.random.default_rng((seed, index))
    painter = Painter(*size)
    draw_background(painter, rng)
    height, width = size
    pair = _chance(rng, 0.25)
    places = (_uniform(rng, 0.24, 0.36), _uniform(rng, 0.62, 0.76)) if pair else (_uniform(rng, 0.38, 0.62),)
    # Whoever comes later stands in front: shuffle, so that the right one is not always the nearer one.
    for place in places if _chance(rng, 0.5) else places[::-1]:
        tall = min(height, 1.45 * width) * _uniform(rng, 0.66 if pair else 0.72, 0.95)
        bottom = height * 0.985 - _uniform(rng, 0, 1) * max(0.0, height * 0.96 - tall)
        Person(painter, rng, tall, (place * width, bottom)).draw()
    if _chance(rng, 0.25):
        draw_obstacle(painter, rng)
    return painter.finish(rng)


class Painter:
    """A picture being painted, with the label and the instance that shows at each pixel kept in step."""

    def __init__(self, height, width):
        self.height, self.width = height, width
        self.image = np.zeros((height, width, 3), np.float32)
        self.label_map = np.zeros((height, width), np.uint8)
        self.instances = np.zeros((height, width), np.uint8)
        self.labels_of_instances = []

    def add_instance(self, name):
        """Returns a new instance of the named clothes, as the pair (label, number) that paint() takes."""
        self.labels_of_instances.append(LABELS[name])
        return LABELS[name], len(self.labels_of_instances)

    def paint(self, shapes, cloth, label, holes=(), shade=0.28):
        """Paints the union of closed shapes, less the holes, over what is there.

        shapes, holes: lists of [P, 2] points (x, y) in pixels of the picture
        cloth: Cloth
        label: (position in LABEL_NAMES, instance number or 0), or None to leave the labels as they are
        shade: how much darker the shape is at its edge, 0..1
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

    def finish(self, rng):
        """Adds light and noise, drops instances that hardly show, and returns the DrawnPicture."""
        light = _uniform(rng, 0.8, 1.12) + _uniform(rng, -0.12, 0.12) * np.linspace(-1, 1, self.width, dtype=np.float32)
        noise = rng.integers(0, 256, (2, self.height, self.width, 3), dtype=np.uint8).astype(np.float32)
        # The sum of two uniform bytes has a triangular spread: near enough to a Gaussian, and exact on every machine.
        noise = (noise[0] + noise[1] - 255) * np.float32(_uniform(rng, 0.01, 0.06))
        image = np.clip(np.rint(self.image * light[:, None] + noise), 0, 255).astype(np.uint8)
        areas = np.bincount(self.instances.ravel(), minlength=len(self.labels_of_instances) + 1)[1:]
        kept = np.flatnonzero(areas >= max(4, SMALLEST_INSTANCE * self.height * self.width))
        renumbered = np.zeros(len(areas) + 1, np.uint8)
        renumbered[kept + 1] = np.arange(1, len(kept) + 1)
        class_ids = np.array(self.labels_of_instances, np.int32)[kept]
        arrays = image, renumbered[self.instances], class_ids, self.label_map
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

    def colours(self, top, left, height, width):
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


def random_cloth(rng, unit, contrast=1.0):
    """Returns a Cloth of random colours and pattern.

    unit: height in pixels of the person who wears it; it sets the size of the pattern
    contrast: share of the difference between the pattern's two colours that is kept, 0..1
    """
    first, second = rng.random((2, 3)) * 225 + 15
    # Most cloth is far from pure colours: pull both towards their greys.
    first, second = (colour + (colour.mean() - colour) * _uniform(rng, 0.0, 0.85) for colour in (first, second))
    second = first + (second - first) * contrast
    pattern = _pick(rng, ("plain", "plain", "plain", "rows", "columns", "diagonal", "checks", "dots"))
    period = max(4.0, unit * _uniform(rng, 0.025, 0.06))
    return Cloth(first.astype(np.float32), second.astype(np.float32), pattern, period, _uniform(rng, -0.15, 0.15))


def plain_cloth(colour, light=0.0):
    """Returns a Cloth of one colour (r, g, b)."""
    colour = np.clip(np.asarray(colour, np.float32), 0, 255)
    return Cloth(colour, colour, light=light)


def draw_background(painter, rng):
    """Fills the picture with a wall and a floor, and clutters it with blocks, stripes and round shapes."""
    size = np.array((painter.width, painter.height))
    horizon = painter.height * _uniform(rng, 0.45, 0.95)
    for start, end in ((0, horizon), (horizon, painter.height)):
        corners = _box((painter.width / 2, (start + end) / 2), (painter.width + 4, end - start + 2))
        cloth = random_cloth(rng, painter.height * _uniform(rng, 1, 5), _uniform(rng, 0.1, 0.6))
        painter.paint([corners], cloth, None, shade=0)
    for _ in range(rng.integers(4, 14)):
        centre, extent = rng.random(2) * size, (0.06 + 0.34 * rng.random(2) ** 2) * size
        shape = _random_shape(rng, centre, extent)
        painter.paint([shape], random_cloth(rng, painter.height * _uniform(rng, 0.5, 2)), None, shade=0.2)


def draw_obstacle(painter, rng):
    """Puts a post, a bush or a box in front of everything."""
    kind = _pick(rng, ("post", "box", "bush"))
    x = painter.width * _uniform(rng, 0.1, 0.9)
    if kind == "post":
        shape = _box((x, painter.height / 2), (painter.width * _uniform(rng, 0.03, 0.07), painter.height + 8))
    else:
        extent = np.array((painter.width, painter.height)) * (_uniform(rng, 0.2, 0.4), _uniform(rng, 0.1, 0.24))
        shape = (_box if kind == "box" else _ellipse)((x, painter.height), extent)
    painter.paint([shape], random_cloth(rng, painter.height), (0, 0))


class Person:
    """One figure: a body in a random pose and what it wears, painted from back to front.

    Lengths are shares of the figure's height: y runs from 0 (top of the head) to 1 (soles), x from the body's middle.
    """

    def __init__(self, painter, rng, tall, foot):
        self.painter, self.rng, self.tall, self.foot = painter, rng, tall, np.array(foot)
        lean = _uniform(rng, -0.09, 0.09)
        self.turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
        self.skin = plain_cloth(np.array(_pick(rng, SKIN_COLOURS)) * _uniform(rng, 0.9, 1.08), _uniform(rng, -0.1, 0.1))
        self.hair = plain_cloth(np.array(_pick(rng, HAIR_COLOURS)) * _uniform(rng, 0.8, 1.2))
        self.head = np.array((_uniform(rng, -0.015, 0.015), 0.08))
        self.head_radius = _uniform(rng, 0.058, 0.072)
        self.shoulder, self.waist = _uniform(rng, 0.09, 0.125), _uniform(rng, 0.06, 0.085)
        self.hip = self.waist + _uniform(rng, 0.01, 0.025)
        self.plump = _uniform(rng, 0.85, 1.2)
        self.legs = [self._leg(side) for side in (-1, 1)]
        self.arms = [self._arm(side) for side in (-1, 1)]
        # Both feet wear the same kind: cloth, whether a boot, length of its shaft, width. Toes point their own ways.
        self.shoes = self.cloth(), _chance(rng, 0.35), _uniform(rng, 0.35, 0.75), _uniform(rng, 0.026, 0.032)

    def _leg(self, side):
        """Returns hip joint, knee and ankle: [3, 2]."""
        foot = side * _uniform(self.rng, 0.04, 0.14)
        knee = 0.5 * (foot + side * self.hip * 0.5) + _uniform(self.rng, -0.02, 0.02)
        return np.array([(side * self.hip * 0.5, 0.50), (knee, 0.73), (foot, 0.945 - _uniform(self.rng, 0, 0.012))])

    def _arm(self, side):
        """Returns shoulder, elbow and hand: [3, 2]."""
        raised = _chance(self.rng, 0.12)
        upper = _uniform(self.rng, 1.6, 2.6) if raised else _uniform(self.rng, 0.12, 0.75)
        fore = upper + (_uniform(self.rng, -0.4, 0.9) if raised else _uniform(self.rng, -1.5, 0.35))
        start = np.array((side * (self.shoulder - 0.012), 0.205))
        elbow = start + 0.155 * np.array((side * np.sin(upper), np.cos(upper)))
        return np.array([start, elbow, elbow + 0.145 * np.array((side * np.sin(fore), np.cos(fore)))])

    def place(self, points):
        """Returns body points as pixels of the picture."""
        return (np.asarray(points) - (0, 1)) @ self.turn.T * self.tall + self.foot

    def paint(self, shapes, cloth, label, holes=(), shade=0.28):
        """Paints shapes given in body coordinates."""
        self.painter.paint([self.place(s) for s in shapes], cloth, label, [self.place(h) for h in holes], shade)

    def cloth(self):
        """Returns a random Cloth with a pattern that fits this figure's size."""
        return random_cloth(self.rng, self.tall)

    def draw(self):
        """Paints the whole figure."""
        rng, skin = self.rng, (LABELS["skin"], 0)
        style = _pick(rng, ("short", "short", "bob", "long", "long", "bun"))
        if style in ("bob", "long"):
            self._back_hair(style)
        for leg in self.legs:
            self.paint(_limb(leg, (0.05, 0.036, 0.022), self.plump), self.skin, skin)
        for leg in self.legs:
            self._shoe(leg)
        sleeves = self._clothe()
        self.paint([_capsule((0, 0.13), (0, 0.19), 0.03, 0.038)], self.skin, skin)
        sleeves = self._outerwear() if _chance(rng, 0.4) else sleeves
        for arm in self.arms:
            bare = _limb(arm, (0.030, 0.025, 0.019), self.plump) + [_ellipse(arm[2], (0.05, 0.055))]
            self.paint(bare, self.skin, skin)
            share, width, cloth, label = sleeves
            if share:
                self.paint(_limb(arm, (width + 0.006, width, width - 0.004), self.plump, share), cloth, label)
        self._head(style)
        if _chance(rng, 0.55):
            self._bag()

    def _clothe(self):
        """Paints a dress, or a top with pants or a skirt; returns the sleeves to paint over the arms."""
        rng = self.rng
        cloth, ease = self.cloth(), _uniform(rng, 0.004, 0.022)
        sleeves = (_pick(rng, (0.0, 0.3, 0.42, 0.95)), _uniform(rng, 0.033, 0.042), cloth)
        if _chance(rng, 0.3):
            label = self.painter.add_instance("dress")
            shapes = [self._torso(ease, 0.52), self._skirt(0.40, _uniform(rng, 0.6, 0.9))]
            self.paint(shapes, cloth, label, self._neckline())
            return sleeves + (label,)
        tucked = _chance(rng, 0.35)
        label = self.painter.add_instance("top")
        hem = 0.5 if tucked else _uniform(rng, 0.42, 0.54)
        for part in ("top", "bottom") if tucked else ("bottom", "top"):
            if part == "top":
                self.paint([self._torso(ease, hem)], cloth, label, self._neckline())
            else:
                self._bottom(_uniform(rng, 0.40, 0.44))
        return sleeves + (label,)

    def _bottom(self, waist):
        """Paints pants, long or short, or a skirt."""
        rng = self.rng
        if _chance(rng, 0.4):
            skirt = self._skirt(waist, _uniform(rng, 0.58, 0.86))
            self.paint([skirt], self.cloth(), self.painter.add_instance("skirt"))
            return
        share = _uniform(rng, 0.25, 0.5) if _chance(rng, 0.3) else _uniform(rng, 0.85, 1.0)
        knee, ankle = _uniform(rng, 0.038, 0.055), _uniform(rng, 0.026, 0.06)
        hips = self._both_sides([(self.waist + 0.008, waist), (self.hip + 0.014, 0.49), (self.hip + 0.01, 0.53)])
        shapes = [hips] + [s for leg in self.legs for s in _limb(leg, (0.056, knee, ankle), self.plump, share)]
        self.paint(shapes, self.cloth(), self.painter.add_instance("pants"))

    def _torso(self, ease, hem):
        """Returns the outline of a garment from the shoulders to the hem."""
        belly = self.waist + (self.hip - self.waist) * np.clip((hem - 0.40) / 0.1, 0, 1)
        return self._both_sides([(0.036, 0.162), (self.shoulder + 0.004, 0.182), (self.shoulder + ease, 0.225),
                                 (self.shoulder * 0.86 + ease, 0.28), (self.waist + ease, 0.39), (belly + ease, hem)])

    def _skirt(self, waist, hem):
        """Returns the outline of a skirt from the waist to the hem."""
        # Never narrower at the hem than the legs stand apart.
        knees = max(abs(np.interp(hem, leg[:, 1], leg[:, 0])) for leg in self.legs) + 0.022
        flare = max(self.hip + 0.015 + _uniform(self.rng, 0.0, 0.1) * (hem - waist) / 0.4, knees)
        hips = (self.hip + 0.016, 0.5)
        return self._both_sides([(self.waist + 0.01, waist), hips, (flare, hem - 0.015), (flare * 0.9, hem)])

    def _neckline(self):
        """Returns the hole that a garment leaves for the neck."""
        depth = _uniform(self.rng, 0.185, 0.25)
        if _chance(self.rng, 0.5):
            return [self._both_sides([(0.04, 0.15), (0.036, 0.17), (0.002, depth)])]
        return [_ellipse((0, 0.16), (_uniform(self.rng, 0.075, 0.1), 2 * (min(depth, 0.215) - 0.16)))]

    def _outerwear(self):
        """Paints a jacket or coat that hangs open; returns its sleeves."""
        rng, cloth, label = self.rng, self.cloth(), self.painter.add_instance("outerwear")
        hem, ease = _uniform(rng, 0.46, 0.82), _uniform(rng, 0.016, 0.034)
        shapes = []
        for side in (-1, 1):
            gap, spread = _uniform(rng, 0.016, 0.05), _uniform(rng, 0.0, 0.05)
            panel = np.array([(0.036, 0.155), (self.shoulder + 0.01, 0.178), (self.shoulder + ease, 0.225),
                              (self.waist + 0.02 + ease, 0.38), (self.hip + ease + spread, max(hem, 0.5)),
                              (self.hip + ease + spread, hem), (gap + 0.02, hem), (gap, 0.34), (0.022, 0.2)])
            shapes.append(_rounded(panel * (side, 1)))
        self.paint(shapes, cloth, label)
        return 0.93, _uniform(rng, 0.038, 0.046), cloth, label

    def _shoe(self, leg):
        """Paints the shoe of one leg, an instance of its own: low, or a boot."""
        rng, (knee, ankle), (cloth, boot, shaft, width) = self.rng, leg[1:], self.shoes
        toe = (ankle[0] + np.sign(ankle[0]) * _uniform(rng, 0.0, 0.045), 0.972)
        shapes = [_capsule(ankle, toe, width * 0.85, width), _box((toe[0], 0.985), (width * 2, 0.03))]
        if boot:
            shapes.append(_capsule(ankle + (knee - ankle) * shaft, ankle, 0.034 * self.plump, 0.029))
        self.paint(shapes, cloth, self.painter.add_instance("shoe"), shade=0.4)

    def _back_hair(self, style):
        """Paints the hair that falls behind the body."""
        end = _uniform(self.rng, 0.10, 0.14) if style == "bob" else _uniform(self.rng, 0.17, 0.30)
        radius = self.head_radius * _uniform(self.rng, 1.15, 1.35)
        fall = _capsule(self.head, (self.head[0], end), radius, radius * 0.95)
        self.paint([fall], self.hair, (LABELS["hair"], 0))

    def _head(self, style):
        """Paints the face, sunglasses on some, and the hair round it."""
        rng, radius, (x, y) = self.rng, self.head_radius, self.head
        self.paint([_ellipse((x, y), (1.7 * radius, 2.2 * radius))], self.skin, (LABELS["skin"], 0))
        dark = plain_cloth((50, 25, 25))
        look = _uniform(rng, -0.15, 0.15) * radius
        eyes = [_ellipse((x + look + side * 0.36 * radius, y), (0.2 * radius, 0.16 * radius)) for side in (-1, 1)]
        mouth = _ellipse((x + look, y + 0.62 * radius), (0.55 * radius, 0.13 * radius))
        self.paint(eyes + [mouth], dark, None, shade=0)
        fringe = y - radius * _uniform(rng, 0.3, 0.6)
        cap = _ellipse((x, y - 0.12 * radius), (2.05 * radius, 2.25 * radius))
        face = _ellipse((x + look * 0.5, y + 0.55 * radius), (1.62 * radius, 2 * (y + 0.55 * radius - fringe)))
        low = _box((x, y + 1.6 * radius), (4 * radius, 2.6 * radius))
        shapes = [cap] + ([_ellipse((x, y - 1.2 * radius), (radius, 0.8 * radius))] if style == "bun" else [])
        self.paint(shapes, self.hair, (LABELS["hair"], 0), holes=[face, low])
        if _chance(rng, 0.4):
            self._sunglasses((x + look, y - 0.02 * radius))

    def _sunglasses(self, centre):
        """Paints two lenses and their bridge."""
        rng, radius = self.rng, self.head_radius
        lens = (radius * _uniform(rng, 0.72, 0.84), radius * _uniform(rng, 0.5, 0.75))
        shape = _ellipse if _chance(rng, 0.6) else _box
        shapes = [shape((centre[0] + side * 0.43 * radius, centre[1]), lens) for side in (-1, 1)]
        bridge = _box((centre[0], centre[1] - 0.08 * radius), (1.75 * radius, 0.16 * radius))
        cloth = plain_cloth(rng.random(3) * (130 if _chance(rng, 0.3) else 45))
        self.paint(shapes + [bridge], cloth, self.painter.add_instance("sunglasses"), shade=0)

    def _bag(self):
        """Paints a bag: in a hand, or on a strap from the shoulder, beside or across the body."""
        rng, side = self.rng, _pick(self.rng, (0, 1))
        kind, sign = _pick(rng, ("hand", "hand", "shoulder", "across")), (-1, 1)[side]
        width, height = _uniform(rng, 0.1, 0.17), _uniform(rng, 0.085, 0.15)
        if kind == "hand":
            hand = self.arms[side][2]
            middle = hand + (0, 0.05 + height / 2)
            ends = [middle + (s * width * 0.3, -height / 2) for s in (-1, 1)]
            shapes = [_capsule(end, hand + (s * 0.012, 0.01), 0.007, 0.007) for end, s in zip(ends, (-1, 1))]
        else:
            start = np.array((sign * (self.shoulder - 0.03) * (-1 if kind == "across" else 1), 0.18))
            middle = np.array((sign * (self.hip + 0.03), _uniform(rng, 0.45, 0.54)))
            shapes = [_capsule(start, middle, 0.008, 0.008)]
        top, slope = width * _uniform(rng, 0.36, 0.5), 0.5 * width
        body = np.array([(-top, -height / 2), (top, -height / 2), (slope, height / 2), (-slope, height / 2)])
        shapes.append(_rounded(body + middle))
        self.paint(shapes, self.cloth(), self.painter.add_instance("bag"), shade=0.4)

    @staticmethod
    def _both_sides(right):
        """Returns the rounded outline whose right half is given from top to bottom."""
        right = np.array(right)
        return _rounded(np.concatenate([right, right[::-1] * (-1, 1)]))


def _uniform(rng, low, high):
    return low + (high - low) * rng.random()


def _chance(rng, probability):
    return rng.random() < probability


def _pick(rng, options):
    return options[rng.integers(len(options))]


def _box(centre, extent):
    """Returns the corners of a rectangle: [4, 2]."""
    return np.array(centre) + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * np.array(extent) / 2


def _ellipse(centre, extent):
    """Returns the outline of an ellipse: [18, 2]."""
    return np.array(centre) + np.concatenate([HALF_CIRCLE, -HALF_CIRCLE]) * np.array(extent) / 2


def _capsule(start, end, start_radius, end_radius):
    """Returns the outline of two half circles and the sides between them: [18, 2]."""
    along = np.subtract(end, start)
    along = along / max(np.sqrt((along ** 2).sum()), 1e-9)
    turn = np.array([along, (-along[1], along[0])])
    return np.concatenate([end + HALF_CIRCLE @ turn * end_radius, start - HALF_CIRCLE @ turn * start_radius])


def _limb(joints, radii, plump, share=1.0):
    """Returns the capsules of an arm or leg down to `share` of its length, radii given at its three joints."""
    shapes = []
    for part in range(2):
        reach = min(1.0, share * 2 - part)
        if reach > 0:
            end = joints[part] + (joints[part + 1] - joints[part]) * reach
            radius = radii[part] + (radii[part + 1] - radii[part]) * reach
            shapes.append(_capsule(joints[part], end, radii[part] * plump, radius * plump))
    return shapes


def _rounded(points):
    """Returns the outline with its corners cut once (Chaikin 1974): [2P, 2]."""
    following = np.roll(points, -1, axis=0)
    return np.stack([0.8 * points + 0.2 * following, 0.2 * points + 0.8 * following], axis=1).reshape(-1, 2)


def _random_shape(rng, centre, extent):
    """Returns a box, an ellipse, a bar or a many-cornered shape at random."""
    kind = rng.integers(4)
    if kind == 0:
        return _box(centre, extent)
    if kind == 1:
        return _ellipse(centre, extent)
    if kind == 2:
        radii = 0.1 * extent.min() * (0.3 + rng.random(2))
        return _capsule(centre - extent, centre + extent * (rng.random(2) - 0.5), *radii)
    corners = HALF_CIRCLE[::2] * extent * (0.3 + rng.random((5, 2)))
    return centre + corners * (_pick(rng, (-1, 1)), 1)


def write_coco(dataset, folder):
    """Writes a DrawnPeople split as files: `images/NAME.png`, `labels/NAME.png` and `instances.json` in COCO form.

    dataset: prepared DrawnPeople
    folder: path, made if it is not there
    Returns (path of instances.json, path of the image folder). Masks are compressed RLE.
    """
    from PIL import Image
    from pycocotools import mask as coco_mask

    folder = os.fspath(folder)
    images, labels = os.path.join(folder, "images"), os.path.join(folder, "labels")
    os.makedirs(images, exist_ok=True)
    os.makedirs(labels, exist_ok=True)
    content = {"images": [], "annotations": [],
               "categories": [{"id": i, "name": name} for i, name in enumerate(CLOTHES, start=1)]}
    for image_id in dataset.image_ids:
        info, picture = dataset.image_info[image_id], dataset.load_picture(image_id)
        Image.fromarray(picture.image).save(os.path.join(images, info["path"]))
        Image.fromarray(picture.label_map).save(os.path.join(labels, info["path"]))
        content["images"].append({"id": int(image_id) + 1, "file_name": info["path"], "width": info["width"],
                                  "height": info["height"]})
        for number, class_id in enumerate(picture.class_ids, start=1):
            rle = coco_mask.encode(np.asfortranarray(picture.instances == number).view(np.uint8))
            content["annotations"].append({
                "id": len(content["annotations"]) + 1, "image_id": int(image_id) + 1, "category_id": int(class_id),
                "bbox": coco_mask.toBbox(rle).tolist(), "area": int(coco_mask.area(rle)), "iscrowd": 0,
                "segmentation": {"size": rle["size"], "counts": rle["counts"].decode("ascii")}})
    path = os.path.join(folder, "instances.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)
    return path, images
