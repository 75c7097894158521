"""From photos to label maps through an inference graph: views averaged, canvases undone, huge photos in tiles."""

from collections.abc import Iterator, Sequence

import numpy as np

from mrcnn.data.images import Window, resize_pixels
from mrcnn.inference.predictor import Predictor
from mrcnn.inference.tiles import cut_tile, tile_boxes
from mrcnn.inference.views import views_of


class Labeler(Predictor):
    """Label maps of a network whose inference graph gives "probabilities" [B, h, w, C] of each canvas pixel."""

    def label_each(self, images: Sequence[np.ndarray], probabilities: bool = True) -> Iterator[dict]:
        """Yield the label maps of photos, in their order, as `Segmenter.label` gives them.

        With TEST_FLIP or several TEST_SCALES the probabilities are the mean of several views.
        """
        images = self.checked_images(images)
        for start in range(0, len(images), self.config.BATCH_SIZE):
            chunk = images[start : start + self.config.BATCH_SIZE]
            for image, parts in zip(chunk, self._seen(chunk)):
                yield label_map_of(parts, image.shape[:2], probabilities)

    def label_each_tiled(self, images: Sequence[np.ndarray], tile: int = 1024, overlap: float = 0.25,
                         scale: float = 1.0, probabilities: bool = True) -> Iterator[dict]:
        """Yield the label maps of huge photos, each cut into overlapping tiles.

        Each pixel is told by the tile in which it lies deepest, so that what is cut by a tile's border does not count.

        Args:
            images: as for `label_each`.
            tile: side of a tile, pixels; one larger than the canvas is shrunk to it as any photo is.
            overlap: least share of a tile's side that it has in common with the next.
            scale: how much the photo is enlarged before it is cut.
            probabilities: False leaves these out, which saves memory and time.
        """
        for image in self.checked_images(images):
            boxes = tile_boxes(image.shape, tile, overlap, scale)
            result = {"labels": np.zeros(image.shape[:2], np.uint8)}
            if probabilities:
                result["probabilities"] = np.zeros((*image.shape[:2], self.config.NUM_CLASSES), np.float32)
            for start in range(0, len(boxes), self.config.BATCH_SIZE):
                chunk = boxes[start : start + self.config.BATCH_SIZE]
                for box, parts in zip(chunk, self._seen([cut_tile(image, box, scale) for box in chunk])):
                    labelled = label_map_of(parts, (box[2] - box[0], box[3] - box[1]), probabilities)
                    y1, x1, y2, x2 = own_part(box, boxes)
                    for name, value in result.items():
                        value[y1:y2, x1:x2] = labelled[name][y1 - box[0] : y2 - box[0], x1 - box[1] : x2 - box[1]]
            yield result

    def _seen(self, images):
        """For each photo the list of what its views' canvases show of it: probabilities float32 [h, w, C], upright."""
        views = views_of(self.config)
        parts = [[None] * len(views) for _ in images]
        placed = [canvas for image in images for canvas in self.placed_views(image)]
        for index, rows, window in self.predicted(placed):
            photo, view = divmod(index, len(views))
            part = photo_part(rows["probabilities"], window)
            parts[photo][view] = part[:, ::-1] if views[view].flip else part
        return parts


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
    shape = tuple(int(side) for side in shape)
    planes = (_resized([part[..., i] for part in parts], shape) for i in range(parts[0].shape[-1]))
    if probabilities:
        soft = np.stack(list(planes), axis=-1)
        return {"labels": soft.argmax(axis=-1).astype(np.uint8), "probabilities": soft}
    best, labels = next(planes), np.zeros(shape, np.uint8)
    for i, plane in enumerate(planes, start=1):
        better = plane > best
        labels[better], best[better] = i, plane[better]
    return {"labels": labels}


def _resized(planes, shape):
    """The mean of some planes [h, w] of several sizes at one size. Returns float32 [H, W]."""
    return np.mean([resize_pixels(np.ascontiguousarray(plane), shape) for plane in planes], axis=0, dtype=np.float32)


def own_part(box: np.ndarray, boxes: np.ndarray) -> tuple[int, int, int, int]:
    """The part of a tile where no other lies deeper: up to the middle of what it has in common with its neighbours.

    Args:
        box: int [4], the tile, pixels of the photo.
        boxes: int [T, 4], all tiles, of `mrcnn.inference.tiles.tile_boxes`.

    Returns:
        (y1, x1, y2, x2) whole pixels; those of all tiles fill the photo without a gap.
    """
    part = [0] * 4
    for axis in (0, 1):
        starts, ends = np.unique(boxes[:, axis]), np.unique(boxes[:, axis + 2])
        i = int(np.searchsorted(starts, box[axis]))
        part[axis] = int(box[axis] if i == 0 else (starts[i] + ends[i - 1]) // 2)
        part[axis + 2] = int(box[axis + 2] if i + 1 == len(starts) else (starts[i + 1] + ends[i]) // 2)
    return tuple(part)
