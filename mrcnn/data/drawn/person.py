"""A drawn person: body, hair and clothes in chance postures, sizes and cuts."""

from collections.abc import Sequence

import numpy as np

from mrcnn.data.drawn.painting import (
    LABELS,
    Cloth,
    Painter,
    box,
    capsule,
    chance,
    ellipse,
    limb,
    pick,
    plain_cloth,
    random_cloth,
    rounded,
    uniform,
    words_of,
)
from mrcnn.data.drawn.words import length_word, sleeve_word

SKIN_COLOURS = ((255, 219, 190), (241, 194, 160), (224, 172, 125), (198, 134, 90), (141, 85, 50), (90, 56, 37))
HAIR_COLOURS = (
    (28, 22, 20), (60, 40, 28), (110, 70, 40), (190, 140, 70), (225, 200, 140), (150, 60, 35), (150, 150, 150))


class Person:
    """One figure: a body in a random pose and what it wears, painted from back to front.

    Lengths are shares of the figure's height: y runs from 0 (top of the head) to 1 (soles), x from the body's middle.
    """

    def __init__(self, painter: Painter, rng: np.random.Generator, tall: float, foot: tuple[float, float]):
        self.painter, self.rng, self.tall, self.foot = painter, rng, tall, np.array(foot)
        lean = uniform(rng, -0.09, 0.09)
        self.turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
        self.skin = plain_cloth(np.array(pick(rng, SKIN_COLOURS)) * uniform(rng, 0.9, 1.08), uniform(rng, -0.1, 0.1))
        self.hair = plain_cloth(np.array(pick(rng, HAIR_COLOURS)) * uniform(rng, 0.8, 1.2))
        self.head = np.array((uniform(rng, -0.015, 0.015), 0.08))
        self.head_radius = uniform(rng, 0.058, 0.072)
        self.shoulder, self.waist = uniform(rng, 0.09, 0.125), uniform(rng, 0.06, 0.085)
        self.hip = self.waist + uniform(rng, 0.01, 0.025)
        self.plump = uniform(rng, 0.85, 1.2)
        self.legs = [self._leg(side) for side in (-1, 1)]
        self.arms = [self._arm(side) for side in (-1, 1)]
        # Both feet wear the same kind: cloth, whether a boot, length of its shaft, width. Toes point their own ways.
        self.shoes = self.cloth(), chance(rng, 0.35), uniform(rng, 0.35, 0.75), uniform(rng, 0.026, 0.032)

    def _leg(self, side):
        """Returns hip joint, knee and ankle: [3, 2]."""
        foot = side * uniform(self.rng, 0.04, 0.14)
        knee = 0.5 * (foot + side * self.hip * 0.5) + uniform(self.rng, -0.02, 0.02)
        return np.array([(side * self.hip * 0.5, 0.50), (knee, 0.73), (foot, 0.945 - uniform(self.rng, 0, 0.012))])

    def _arm(self, side):
        """Returns shoulder, elbow and hand: [3, 2]."""
        raised = chance(self.rng, 0.12)
        upper = uniform(self.rng, 1.6, 2.6) if raised else uniform(self.rng, 0.12, 0.75)
        fore = upper + (uniform(self.rng, -0.4, 0.9) if raised else uniform(self.rng, -1.5, 0.35))
        start = np.array((side * (self.shoulder - 0.012), 0.205))
        elbow = start + 0.155 * np.array((side * np.sin(upper), np.cos(upper)))
        return np.array([start, elbow, elbow + 0.145 * np.array((side * np.sin(fore), np.cos(fore)))])

    def place(self, points: np.ndarray) -> np.ndarray:
        """Returns body points as pixels of the picture."""
        return (np.asarray(points) - (0, 1)) @ self.turn.T * self.tall + self.foot

    def paint(self, shapes: Sequence[np.ndarray], cloth: Cloth, label: tuple[int, int] | None,
              holes: Sequence[np.ndarray] = (), shade: float = 0.28) -> None:
        """Paints shapes given in body coordinates."""
        self.painter.paint([self.place(s) for s in shapes], cloth, label, [self.place(h) for h in holes], shade)

    def cloth(self) -> Cloth:
        """Returns a random Cloth with a pattern that fits this figure's size."""
        return random_cloth(self.rng, self.tall)

    def draw(self) -> None:
        """Paints the whole figure."""
        rng, skin = self.rng, (LABELS["skin"], 0)
        style = pick(rng, ("short", "short", "bob", "long", "long", "bun"))
        if style in ("bob", "long"):
            self._back_hair(style)
        for leg in self.legs:
            self.paint(limb(leg, (0.05, 0.036, 0.022), self.plump), self.skin, skin)
        for leg in self.legs:
            self._shoe(leg)
        sleeves = self._clothe()
        self.paint([capsule((0, 0.13), (0, 0.19), 0.03, 0.038)], self.skin, skin)
        sleeves = self._outerwear() if chance(rng, 0.4) else sleeves
        self.painter.describe(sleeves[3], sleeve_word(sleeves[0]))  # those under a coat are not to be seen
        for arm in self.arms:
            bare = limb(arm, (0.030, 0.025, 0.019), self.plump) + [ellipse(arm[2], (0.05, 0.055))]
            self.paint(bare, self.skin, skin)
            share, width, cloth, label = sleeves
            if share:
                self.paint(limb(arm, (width + 0.006, width, width - 0.004), self.plump, share), cloth, label)
        self._head(style)
        if chance(rng, 0.55):
            self._bag()

    def _clothe(self):
        """Paints a dress, or a top with pants or a skirt; returns the sleeves to paint over the arms."""
        rng = self.rng
        cloth, ease = self.cloth(), uniform(rng, 0.004, 0.022)
        sleeves = (pick(rng, (0.0, 0.3, 0.42, 0.95)), uniform(rng, 0.033, 0.042), cloth)
        if chance(rng, 0.3):
            label = self.painter.add_instance("dress")
            hem = uniform(rng, 0.6, 0.9)
            shapes = [self._torso(ease, 0.52), self._skirt(0.40, hem)]
            holes, neckline = self._neckline()
            self.paint(shapes, cloth, label, holes)
            self.painter.describe(label, *words_of(cloth), neckline, length_word(hem))
            return sleeves + (label,)
        tucked = chance(rng, 0.35)
        label = self.painter.add_instance("top")
        hem = 0.5 if tucked else uniform(rng, 0.42, 0.54)
        for part in ("top", "bottom") if tucked else ("bottom", "top"):
            if part == "top":
                holes, neckline = self._neckline()
                self.paint([self._torso(ease, hem)], cloth, label, holes)
                self.painter.describe(label, *words_of(cloth), neckline)
            else:
                self._bottom(uniform(rng, 0.40, 0.44))
        return sleeves + (label,)

    def _bottom(self, waist):
        """Paints pants, long or short, or a skirt."""
        rng = self.rng
        if chance(rng, 0.4):
            hem = uniform(rng, 0.58, 0.86)
            skirt, cloth, label = self._skirt(waist, hem), self.cloth(), self.painter.add_instance("skirt")
            self.paint([skirt], cloth, label)
            self.painter.describe(label, *words_of(cloth), length_word(hem))
            return
        share = uniform(rng, 0.25, 0.5) if chance(rng, 0.3) else uniform(rng, 0.85, 1.0)
        knee, ankle = uniform(rng, 0.038, 0.055), uniform(rng, 0.026, 0.06)
        hips = self._both_sides([(self.waist + 0.008, waist), (self.hip + 0.014, 0.49), (self.hip + 0.01, 0.53)])
        shapes = [hips] + [s for leg in self.legs for s in limb(leg, (0.056, knee, ankle), self.plump, share)]
        cloth, label = self.cloth(), self.painter.add_instance("pants")
        self.paint(shapes, cloth, label)
        self.painter.describe(label, *words_of(cloth), "length: short" if share < 0.6 else "length: long")

    def _torso(self, ease, hem):
        """Returns the outline of a garment from the shoulders to the hem."""
        belly = self.waist + (self.hip - self.waist) * np.clip((hem - 0.40) / 0.1, 0, 1)
        return self._both_sides([(0.036, 0.162), (self.shoulder + 0.004, 0.182), (self.shoulder + ease, 0.225),
                                 (self.shoulder * 0.86 + ease, 0.28), (self.waist + ease, 0.39), (belly + ease, hem)])

    def _skirt(self, waist, hem):
        """Returns the outline of a skirt from the waist to the hem."""
        # Never narrower at the hem than the legs stand apart.
        knees = max(abs(np.interp(hem, leg[:, 1], leg[:, 0])) for leg in self.legs) + 0.022
        flare = max(self.hip + 0.015 + uniform(self.rng, 0.0, 0.1) * (hem - waist) / 0.4, knees)
        hips = (self.hip + 0.016, 0.5)
        return self._both_sides([(self.waist + 0.01, waist), hips, (flare, hem - 0.015), (flare * 0.9, hem)])

    def _neckline(self):
        """Returns the holes that a garment leaves for the neck, and the attribute that they make."""
        depth = uniform(self.rng, 0.185, 0.25)
        if chance(self.rng, 0.5):
            return [self._both_sides([(0.04, 0.15), (0.036, 0.17), (0.002, depth)])], "neckline: v"
        width = uniform(self.rng, 0.075, 0.1)
        return [ellipse((0, 0.16), (width, 2 * (min(depth, 0.215) - 0.16)))], "neckline: round"

    def _outerwear(self):
        """Paints a jacket or coat that hangs open; returns its sleeves."""
        rng, cloth, label = self.rng, self.cloth(), self.painter.add_instance("outerwear")
        hem, ease = uniform(rng, 0.46, 0.82), uniform(rng, 0.016, 0.034)
        shapes = []
        for side in (-1, 1):
            gap, spread = uniform(rng, 0.016, 0.05), uniform(rng, 0.0, 0.05)
            panel = np.array([(0.036, 0.155), (self.shoulder + 0.01, 0.178), (self.shoulder + ease, 0.225),
                              (self.waist + 0.02 + ease, 0.38), (self.hip + ease + spread, max(hem, 0.5)),
                              (self.hip + ease + spread, hem), (gap + 0.02, hem), (gap, 0.34), (0.022, 0.2)])
            shapes.append(rounded(panel * (side, 1)))
        self.paint(shapes, cloth, label)
        self.painter.describe(label, *words_of(cloth), length_word(hem))
        return 0.93, uniform(rng, 0.038, 0.046), cloth, label

    def _shoe(self, leg):
        """Paints the shoe of one leg, an instance of its own: low, or a boot."""
        rng, (knee, ankle), (cloth, boot, shaft, width) = self.rng, leg[1:], self.shoes
        toe = (ankle[0] + np.sign(ankle[0]) * uniform(rng, 0.0, 0.045), 0.972)
        shapes = [capsule(ankle, toe, width * 0.85, width), box((toe[0], 0.985), (width * 2, 0.03))]
        if boot:
            shapes.append(capsule(ankle + (knee - ankle) * shaft, ankle, 0.034 * self.plump, 0.029))
        label = self.painter.add_instance("shoe")
        self.paint(shapes, cloth, label, shade=0.4)
        self.painter.describe(label, *words_of(cloth)[1:])  # a pattern hardly shows on so small a thing

    def _back_hair(self, style):
        """Paints the hair that falls behind the body."""
        end = uniform(self.rng, 0.10, 0.14) if style == "bob" else uniform(self.rng, 0.17, 0.30)
        radius = self.head_radius * uniform(self.rng, 1.15, 1.35)
        fall = capsule(self.head, (self.head[0], end), radius, radius * 0.95)
        self.paint([fall], self.hair, (LABELS["hair"], 0))

    def _head(self, style):
        """Paints the face, sunglasses on some, and the hair round it."""
        rng, radius, (x, y) = self.rng, self.head_radius, self.head
        self.paint([ellipse((x, y), (1.7 * radius, 2.2 * radius))], self.skin, (LABELS["skin"], 0))
        dark = plain_cloth((50, 25, 25))
        look = uniform(rng, -0.15, 0.15) * radius
        eyes = [ellipse((x + look + side * 0.36 * radius, y), (0.2 * radius, 0.16 * radius)) for side in (-1, 1)]
        mouth = ellipse((x + look, y + 0.62 * radius), (0.55 * radius, 0.13 * radius))
        self.paint(eyes + [mouth], dark, None, shade=0)
        fringe = y - radius * uniform(rng, 0.3, 0.6)
        cap = ellipse((x, y - 0.12 * radius), (2.05 * radius, 2.25 * radius))
        face = ellipse((x + look * 0.5, y + 0.55 * radius), (1.62 * radius, 2 * (y + 0.55 * radius - fringe)))
        low = box((x, y + 1.6 * radius), (4 * radius, 2.6 * radius))
        shapes = [cap] + ([ellipse((x, y - 1.2 * radius), (radius, 0.8 * radius))] if style == "bun" else [])
        self.paint(shapes, self.hair, (LABELS["hair"], 0), holes=[face, low])
        if chance(rng, 0.4):
            self._sunglasses((x + look, y - 0.02 * radius))

    def _sunglasses(self, centre):
        """Paints two lenses and their bridge."""
        rng, radius = self.rng, self.head_radius
        lens = (radius * uniform(rng, 0.72, 0.84), radius * uniform(rng, 0.5, 0.75))
        shape = ellipse if chance(rng, 0.6) else box
        shapes = [shape((centre[0] + side * 0.43 * radius, centre[1]), lens) for side in (-1, 1)]
        bridge = box((centre[0], centre[1] - 0.08 * radius), (1.75 * radius, 0.16 * radius))
        cloth = plain_cloth(rng.random(3) * (130 if chance(rng, 0.3) else 45))
        self.paint(shapes + [bridge], cloth, self.painter.add_instance("sunglasses"), shade=0)

    def _bag(self):
        """Paints a bag: in a hand, or on a strap from the shoulder, beside or across the body."""
        rng, side = self.rng, pick(self.rng, (0, 1))
        kind, sign = pick(rng, ("hand", "hand", "shoulder", "across")), (-1, 1)[side]
        width, height = uniform(rng, 0.1, 0.17), uniform(rng, 0.085, 0.15)
        if kind == "hand":
            hand = self.arms[side][2]
            middle = hand + (0, 0.05 + height / 2)
            ends = [middle + (s * width * 0.3, -height / 2) for s in (-1, 1)]
            shapes = [capsule(end, hand + (s * 0.012, 0.01), 0.007, 0.007) for end, s in zip(ends, (-1, 1))]
        else:
            start = np.array((sign * (self.shoulder - 0.03) * (-1 if kind == "across" else 1), 0.18))
            middle = np.array((sign * (self.hip + 0.03), uniform(rng, 0.45, 0.54)))
            shapes = [capsule(start, middle, 0.008, 0.008)]
        top, slope = width * uniform(rng, 0.36, 0.5), 0.5 * width
        body = np.array([(-top, -height / 2), (top, -height / 2), (slope, height / 2), (-slope, height / 2)])
        shapes.append(rounded(body + middle))
        cloth, label = self.cloth(), self.painter.add_instance("bag")
        self.paint(shapes, cloth, label, shade=0.4)
        self.painter.describe(label, *words_of(cloth))

    @staticmethod
    def _both_sides(right):
        """Returns the rounded outline whose right half is given from top to bottom."""
        right = np.array(right)
        return rounded(np.concatenate([right, right[::-1] * (-1, 1)]))
