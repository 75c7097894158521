"""Films drawn by tests, and a model that finds the squares in them."""

from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np

RED, GREEN = (220, 30, 30), (30, 200, 30)
CLASSES = ["BG", "hat", "tie"]


def square(top, left, side=16):
    """(slice of rows, slice of columns) of a square."""
    return slice(top, top + side), slice(left, left + side)


def frames_of(squares, size=(64, 96)):
    """uint8 [H, W, 3] for each list of (colour, place) on grey ground; the later lies in front."""
    for objects in squares:
        image = np.full((*size, 3), 90, np.uint8)
        for colour, place in objects:
            image[place] = colour
        yield image


def write_film(path, images, times=None, rate=25, rotation=0, sound=None, time_base=Fraction(1, 12800)):
    """A film of some pictures.

    Args:
        path: of the file.
        images: iterable of uint8 [H, W, 3], as they lie in the file.
        times: their stamps in units of time_base; None: even ones.
        rotation: degrees counter-clockwise by which players turn it.
        sound: codec of a sound of the same length, or None.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "10"})
        voice = container.add_stream(sound, rate=48000, layout="mono") if sound else None
        for number, image in enumerate(images):
            if number == 0:
                stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv444p"
                stream.codec_context.time_base = time_base
                if rotation:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = times[number] if times else round(number / rate / time_base)
            frame.time_base = time_base
            container.mux(stream.encode(frame))
            if voice:
                tone = np.sin(np.arange(48000 // rate) / 10)[None].astype(np.float32)
                heard = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                heard.sample_rate, heard.pts, heard.time_base = 48000, number * (48000 // rate), Fraction(1, 48000)
                container.mux(voice.encode(heard))
        container.mux(stream.encode(None))
        if voice:
            container.mux(voice.encode(None))
    return str(path)


def read_film(path):
    """([uint8 [H, W, 3]], [seconds]) of a film, by PyAV alone."""
    with av.open(str(path)) as container:
        frames = [(frame.to_ndarray(format="rgb24"), Fraction(frame.pts) * frame.time_base)
                  for frame in container.decode(video=0)]
    return [image for image, _ in frames], [time for _, time in frames]


class SquareFinder:
    """A model that finds red squares as hats and green ones as ties, in any order; `hidden` frames show it nothing.

    Args:
        hidden: numbers of the frames in which it finds nothing red.
        failing: the number of a frame at which the user presses Ctrl-C.
        batch: BATCH_SIZE.
    """

    def __init__(self, hidden=(), failing=None, batch=1, scores=(0.9, 0.8)):
        self.class_names, self.hidden, self.failing, self.seen = list(CLASSES), hidden, failing, 0
        self.scores, self.asked = scores, []
        self.config = SimpleNamespace(BATCH_SIZE=batch, NUM_CLASSES=3, DETECTION_MIN_CONFIDENCE=0.7)

    def detect(self, images, rle=False, mask_probabilities=False, min_confidence=None):
        assert rle and mask_probabilities
        self.asked.append(len(images))
        return [self.find(image) for image in images]

    def find(self, image):
        number, self.seen = self.seen, self.seen + 1
        if number == self.failing:
            raise KeyboardInterrupt
        image = image.astype(int)
        red = (image[..., 0] > 150) & (image[..., 1] < 100)
        green = (image[..., 1] > 150) & (image[..., 0] < 100)
        found = [(1, red)] if number not in self.hidden else []
        found = [(class_id, mask) for class_id, mask in [*found, (2, green)][::1 if number % 2 else -1] if mask.any()]
        boxes = [[*(np.argwhere(mask).min(axis=0)), *(np.argwhere(mask).max(axis=0) + 1)] for _, mask in found]
        return {"boxes": np.float32(boxes).reshape(-1, 4), "class_ids": np.array([one for one, _ in found], int),
                "scores": np.float32([self.scores[one - 1] for one, _ in found]), "rles": [None] * len(found),
                "mask_probabilities": np.ones((len(found), 28, 28), np.float32)}
