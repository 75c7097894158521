"""From photos to label maps through an inference graph: views averaged, canvases undone, huge photos in tiles."""

from collections.abc import Iterator, Sequence

import numpy as np

from mrcnn.data.given_photos import Photos
from mrcnn.data.images import Window, resize_pixels
from mrcnn.data.sides import turned_ids
from mrcnn.inference.pipeline import Steps
from mrcnn.inference.predictor import Predictor
from mrcnn.inference.tiles import cut_tile, tile_boxes
from mrcnn.inference.views import views_of


class Labeler(Predictor):
    """Label maps of a network whose inference graph gives "probabilities" [B, h, w, C] of each canvas pixel."""

    def label_each(self, images: Photos, probabilities: bool = True) -> Iterator[dict]:
        """Yield the label maps of photos, in their order, as `Segmenter.label` gives them.

        With TEST_FLIP or several TEST_SCALES the probabilities are the mean of several views.
        """
        images = self.checked_images(images)
        for start in range(0, len(images), self.config.BATCH_SIZE):
            chunk = images[start : start + self.config.BATCH_SIZE]
            for image, parts in zip(chunk, self._seen(chunk)):
                yield label_map_of(parts, image.shape[:2], probabilities)

    def label_steps(self, probabilities: bool = True) -> Steps:
        """`label_each` in three steps, which `mrcnn.inference.pipeline` takes at once, each of another photo.

        Args:
            probabilities: False leaves these out, which saves memory and time.

        Returns:
            The steps.
        """
        return Steps(
            place=lambda image: self.placed_views(self.checked_images([image])[0]),
            look=lambda placed: enumerate(self._seen_on(placed)),
            finish=lambda image, parts: label_map_of(parts, image.shape[:2], probabilities),
        )

    def label_each_tiled(self, images: Photos, tile: int = 1024, overlap: float = 0.25,
                         scale: float = 1.0, probabilities: bool = True) -> Iterator[dict]:
        """Yield the label maps of huge photos, each cut into overlapping tiles.

        Where tiles overlap their probabilities blend evenly into each other: what a tile's border cuts counts least.

        Args:
            images: as for `label_each`.
            tile: side of a tile, pixels; one larger than the canvas is shrunk to it as any photo is.
            overlap: least share of a tile's side that it has in common with the next.
            scale: how much the photo is enlarged before it is cut.
            probabilities: False leaves these out, which saves memory and time.
        """
        for image in self.checked_images(images):
            yield self._blended(image, tile_boxes(image.shape, tile, overlap, scale), scale, probabilities)

    def _blended(self, image, boxes, scale, probabilities):
        """The label map of a photo from its tiles, a row of these at a time, so that few probabilities are kept."""
        height, width, classes = *image.shape[:2], self.config.NUM_CLASSES
        down, across = (blend_weights(boxes[:, axis], boxes[:, axis + 2], image.shape[axis]) for axis in (0, 1))
        result = {"labels": np.zeros((height, width), np.uint8)}
        if probabilities:
            result["probabilities"] = np.zeros((height, width, classes), np.float32)
        tops, begun = np.unique(boxes[:, 0]), np.zeros((0, width, classes), np.float32)
        for top, following in zip(tops, [*tops[1:], height]):
            row = boxes[boxes[:, 0] == top]
            strip = np.zeros((row[0, 2] - top, width, classes), np.float32)
            strip[: len(begun)] = begun  # what the row above told of these pixels
            for box, parts in self._tiles_seen(image, row, scale):
                _, x1, _, x2 = box
                told = probabilities_of(parts, (len(strip), x2 - x1))
                strip[:, x1:x2] += told * (down[top][:, None] * across[x1])[..., None]
            done, begun = strip[: following - top], strip[following - top :].copy()
            result["labels"][top:following] = done.argmax(axis=-1)
            if probabilities:
                result["probabilities"][top:following] = done
            del strip, done  # before the next one is made
        return result

    def _tiles_seen(self, image, boxes, scale):
        """Generator of (box, its parts as from `_seen`) of some tiles."""
        for start in range(0, len(boxes), self.config.BATCH_SIZE):
            chunk = boxes[start : start + self.config.BATCH_SIZE]
            yield from zip(chunk, self._seen([cut_tile(image, box, scale) for box in chunk]))

    def _seen(self, images):
        """For each photo the list of what its views' canvases show of it: probabilities float32 [h, w, C], upright."""
        return self._seen_on([self.placed_views(image) for image in images])

    def _seen_on(self, placed):
        """What `_seen` gives, of photos placed by `placed_views`."""
        views = views_of(self.config)
        parts = [[None] * len(views) for _ in placed]
        for index, rows, window in self.predicted([canvas for one in placed for canvas in one]):
            photo, view = divmod(index, len(views))
            part = photo_part(rows["probabilities"], window)
            parts[photo][view] = self._turned_back(part) if views[view].flip else part
        return parts

    def _turned_back(self, part):
        """What a mirrored view tells, upright: left to right, and left classes as right ones."""
        others = turned_ids(getattr(self, "class_names", None), part.shape[2])
        return part[:, ::-1] if others == tuple(range(len(others))) else part[:, ::-1, others]


def photo_part(canvas: np.ndarray, window: Window) -> np.ndarray:
    """What a canvas shows of the photo.

    Args:
        canvas: [h, w, C].
        window: Window of the photo, wholly on the canvas.
    """
    y, x = (round(value) for value in window.offset)
    rows, columns = (round(side * scale) for side, scale in zip(window.original_shape, window.scale))
    return canvas[y : y + rows, x : x + columns]


def label_map_of(parts: Sequence[np.ndarray], shape: tuple[int, int], probabilities: bool = True) -> dict:
    """The label map of a photo: the mean of some views, resized to it.

    Args:
        parts: list of float32 [h, w, C], one a view.
        shape: (H, W) of the photo.
        probabilities: whether to give these too; without, one class is resized at a time.

    Returns:
        {"labels": uint8 [H, W]} and perhaps "probabilities" float32 [H, W, C]. Of equally probable classes the first is
        the label.
    """
    if probabilities:
        soft = probabilities_of(parts, shape)
        return {"labels": soft.argmax(axis=-1).astype(np.uint8), "probabilities": soft}
    planes = _planes(parts, shape)
    best = next(planes)
    labels = np.zeros(best.shape, np.uint8)
    for i, plane in enumerate(planes, start=1):
        better = plane > best
        labels[better], best[better] = i, plane[better]
    return {"labels": labels}


def probabilities_of(parts: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """The probabilities of a photo, float32 [H, W, C]: the mean of some views. Arguments as for `label_map_of`."""
    return np.stack(list(_planes(parts, shape)), axis=-1)


def _planes(parts, shape):
    """Generator of the probabilities of each class, float32 [H, W]."""
    shape, sizes = tuple(int(side) for side in shape), {}
    for part in parts:
        sizes.setdefault(part.shape, []).append(part)
    # Views of one size, as mirrored ones are, are averaged before they are resized: one plane in place of several.
    shares = [(len(alike) / len(parts), alike[0] if len(alike) == 1 else np.mean(alike, axis=0, dtype=np.float32))
              for alike in sizes.values()]
    for i in range(parts[0].shape[-1]):
        planes = (share * resize_pixels(np.ascontiguousarray(part[..., i]), shape) for share, part in shares)
        yield sum(planes, start=next(planes))


def blend_weights(starts: np.ndarray, ends: np.ndarray, size: int) -> dict[int, np.ndarray]:
    """How much tiles count along one axis: the nearer to a border that cuts the photo, the less; together 1.

    Args:
        starts, ends: int [T], of tiles that cover the axis; equal ones count once.
        size: of the photo along it.

    Returns:
        {start: float32 [end - start]}.
    """
    depths, total = {}, np.zeros(size)
    for start, end in sorted(set(zip(map(int, starts), map(int, ends)))):
        centres, depth = np.arange(start, end) + 0.5, np.full(end - start, float(size))
        if start > 0:
            depth = np.minimum(depth, centres - start)
        if end < size:
            depth = np.minimum(depth, end - centres)
        depths[start] = depth
        total[start:end] += depth
    return {start: (depth / total[start : start + len(depth)]).astype(np.float32) for start, depth in depths.items()}
