"""From photos to objects through an inference graph: merging views and tiles, pasting masks."""


import numpy as np

from mrcnn.data.given_photos import Photos
from mrcnn.data.images import Window
from mrcnn.data.masks import paste_masks, paste_rle
from mrcnn.data.sides import turned_ids
from mrcnn.inference.attributes import in_words, names_of
from mrcnn.inference.mask_scores import counted
from mrcnn.inference.pipeline import Steps
from mrcnn.inference.predictor import Predictor
from mrcnn.inference.tiles import cut_tile, merge_tiles, tile_boxes, tile_window, with_masks
from mrcnn.inference.views import VIEW_CONFIDENCE, merge_views, views_of


class Detector(Predictor):
    """detect() and detect_tiled() of a network whose inference graph gives boxes, classes, scores and masks.

    They may be called from any number of threads: no call changes anything of the model. The least score is an input
    of the graph, "min_confidence" [B].
    """

    def detect(self, images: Photos, verbose: int = 0, soft_masks: bool = False, rle: bool = False,
               mask_probabilities: bool = False, min_confidence: float | None = None) -> list[dict]:
        """Find the objects in any number of photos of any sizes.

        With TEST_FLIP or several TEST_SCALES the result is merged from several views: see `mrcnn.inference.views`.

        Args:
            images: photos, or one: arrays [H, W, 3] RGB, uint8 or other numbers 0..255, paths of files, bytes of files,
                or Pillow images. Those that are no arrays are decoded a batch at a time, upright.
            verbose: 1 prints the number of objects of each photo.
            soft_masks: add "soft_masks" to each result.
            rle: give "rles" in place of "masks", which takes far less memory on large photos.
            mask_probabilities: add "mask_probabilities" to each result.
            min_confidence: least score of an object, 0..1; None takes DETECTION_MIN_CONFIDENCE.

        Returns:
            One dict per photo, its N objects in descending order of score, in pixels of the photo:
            "rois": int32 [N, 4], boxes (y1, x1, y2, x2) rounded to whole pixels.
            "boxes": float32 [N, 4], the same boxes at sub-pixel precision.
            "class_ids": int32 [N], indices in `class_names`.
            "scores": float32 [N], 0..1.
            "masks": bool [H, W, N]; or "rles": list of N COCO run-length dicts.
            "soft_masks": float32 [H, W, N], probability of each object at each pixel.
            "mask_probabilities": float32 [N, h, w], the network's masks, each on a grid stretched over its box.
            "attributes": of a network with ATTRIBUTES, N dicts {name: score}, best first, of those that score
                ATTRIBUTE_MIN_CONFIDENCE or more; "attribute_scores": float32 [N, M], of all of them, 0 of what the
                class cannot have; "attribute_names": the M names.

        Raises:
            DataError: an image is no such array, or a file is not there or cannot be read; the message names it.
        """
        images = self.checked_images(images)
        steps = self.detection_steps(soft_masks, rle, mask_probabilities, min_confidence)
        results = [None] * len(images)
        for first, chunk in images.chunks(self.config.BATCH_SIZE):
            for index, seen in steps.look([steps.place(image) for image in chunk]):
                results[first + index] = steps.finish(chunk[index], seen)
                if verbose:
                    print(f"Image {first + index}: {len(results[first + index]['scores'])} objects")
        return results

    def detection_steps(self, soft_masks: bool = False, rle: bool = False, mask_probabilities: bool = False,
                        min_confidence: float | None = None, paste: bool = True) -> Steps:
        """`detect` in three steps, which `mrcnn.inference.pipeline` takes at once, each of another photo.

        Args:
            soft_masks, rle, mask_probabilities, min_confidence: as for `detect`.
            paste: False leaves out masks of the photo's size, and their run lengths.

        Returns:
            The steps.
        """
        least = self._least(min_confidence)
        return Steps(
            place=lambda image: self.placed_views(self.checked_images([image])[0]),
            look=lambda placed: self._seen(placed, least),
            finish=lambda image, parts: in_words(
                unmold(*self._merged(parts, least), image.shape[:2], soft_masks, rle, mask_probabilities, paste=paste),
                self.config),
        )

    def detect_tiled(self, images: Photos, tile: int = 1024, overlap: float = 0.25, whole: bool = True,
                     scale: float = 1.0, verbose: int = 0, rle: bool = True, mask_probabilities: bool = False,
                     min_confidence: float | None = None) -> list[dict]:
        """Find the objects in huge photos, each cut into overlapping tiles; see `mrcnn.inference.tiles`.

        DETECTION_MAX_INSTANCES limits each tile, not the photo. A photo that fits into one tile goes to `detect`,
        unless `scale` enlarges it.

        Args:
            images: as for `detect`.
            tile: side of a tile, pixels; a tile larger than the canvas is shrunk to it, as any photo is.
            overlap: least share of a tile's side that the next tile covers too, 0..1; an object smaller than the
                overlap is whole in some tile.
            whole: detect on the whole photo once too, for objects larger than a tile.
            scale: factor by which the photo is enlarged before it is cut.
            verbose: 1 prints the number of objects and tiles of each photo.
            rle: False gives full-size "masks" in place of "rles".
            mask_probabilities: add "mask_probabilities", on grids twice as fine where pieces were joined.
            min_confidence: as for `detect`.

        Returns:
            What `detect` returns.

        Raises:
            DataError: as `detect` does, or a number is out of range.
        """
        images, results = self.checked_images(images), []
        for first, chunk in images.chunks(1):
            tiles = [tile_boxes(image.shape, tile, overlap, scale) for image in chunk]
            results += self._tiled(chunk, tiles, whole, scale, rle, mask_probabilities, self._least(min_confidence))
            if verbose:
                for index, result in enumerate(results[first:]):
                    print(f"Image {first + index}: {len(result['scores'])} objects in {len(tiles[index])} tiles")
        return results

    def _tiled(self, images, tiles, whole, scale, rle, mask_probabilities, min_confidence):
        """What `detect_tiled` gives of photos that are arrays; `tiles` has the boxes of each."""
        small = [index for index, boxes in enumerate(tiles) if len(boxes) == 1 and scale == 1]
        results = [None] * len(images)
        options = {"mask_probabilities": mask_probabilities, "min_confidence": min_confidence}
        for index, result in zip(small, self.detect([images[index] for index in small], rle=rle, **options)):
            results[index] = result
        for index in (index for index, result in enumerate(results) if result is None):
            shape = images[index].shape[:2]
            # The whole first: if that cannot be, it shows before the tiles.
            of_whole = self.detect([images[index]], rle=True, **options)[0] if whole else None
            of_tiles = list(self._in_tiles(images[index], tiles[index], scale, **options))
            merged = merge_tiles(of_tiles, tiles[index], shape, self.config.DETECTION_NMS_THRESHOLD, of_whole)
            results[index] = in_words(merged, self.config)
            if not rle:
                results[index] = with_masks(results[index], shape)
        return results

    def _in_tiles(self, image, boxes, scale, mask_probabilities, min_confidence):
        """Generator of the detections of each tile of a photo, in pixels of the photo; a batch of tiles at a time."""
        for start in range(0, len(boxes), self.config.BATCH_SIZE):
            chunk = boxes[start : start + self.config.BATCH_SIZE]
            cuts = [cut_tile(image, box, scale) for box in chunk]
            outputs_of = {index: (outputs, tile_window(window, chunk[index]))
                          for index, outputs, window in self._outputs_of(cuts, min_confidence)}
            for index, box in enumerate(chunk):
                yield unmold(*outputs_of[index], image.shape[:2], rle=True, mask_probabilities=mask_probabilities,
                             corner=box[:2])

    def _least(self, min_confidence):
        """The least score that a call asks for."""
        return float(self.config.DETECTION_MIN_CONFIDENCE if min_confidence is None else min_confidence)

    def _outputs_of(self, images, min_confidence):
        """Generator of (index, the network's outputs for an image, Window), merged from its views, not in order."""
        for index, parts in self._seen([self.placed_views(image) for image in images], min_confidence):
            yield index, *self._merged(parts, min_confidence)

    def _seen(self, placed, min_confidence):
        """Generator of (index, [(the network's rows, Window) of each view]) of images, placed in views; not in order.

        placed: for each image what `placed_views` gives.
        """
        views = len(views_of(self.config))
        least = min_confidence if views == 1 else min(VIEW_CONFIDENCE, min_confidence)
        parts = {}
        for number, rows, window in self.predicted([canvas for one in placed for canvas in one], min_confidence=least):
            index, view = divmod(number, views)
            parts.setdefault(index, {})[view] = rows, window
            if len(parts[index]) == views:
                seen = parts.pop(index)
                yield index, [seen[view] for view in range(views)]

    def _merged(self, parts, min_confidence):
        """(outputs, Window) of an image from those of its views."""
        outputs, window = parts[0]
        if len(parts) > 1:
            rows, windows = zip(*parts)
            outputs, window = merge_views(rows, views_of(self.config), windows, min_confidence,
                                          self.config.DETECTION_NMS_THRESHOLD, self.config.DETECTION_MAX_INSTANCES,
                                          *self._turns())
        return counted(outputs, self.config, min_confidence), window

    def _turns(self):
        """(for each class id, for each attribute) what it is in a mirrored photo, by the names that are known."""
        attributes = names_of(self.config)
        return (turned_ids(getattr(self, "class_names", None), self.config.NUM_CLASSES),
                turned_ids(attributes, len(attributes)))

    def predict(self, canvases: np.ndarray, windows: np.ndarray,
                min_confidence: float | None = None) -> dict[str, np.ndarray]:
        """Run the inference graph on canvases of one shape.

        Args:
            canvases: uint8 [B, h, w, 3].
            windows: float32 [B, 4], the part of each canvas that its photo fills, pixels.
            min_confidence: as for `detect`.

        Returns:
            The graph's outputs by name; see the glossary of `mrcnn.network`.
        """
        return super().predict(canvases, windows, min_confidence=self._least(min_confidence))


def unmold(outputs: dict[str, np.ndarray], window: Window, shape: tuple[int, int], soft_masks: bool = False,
           rle: bool = False, mask_probabilities: bool = False,
           corner: tuple[float, float] = (0, 0), paste: bool = True) -> dict:
    """Map the detections of one image from the canvas to the photo.

    Args:
        outputs: the network's outputs for the image: "boxes" [D, 4] pixels of the canvas; "class_ids", "scores" and
            "valid" [D]; "masks" [D, h, w]; "attributes" and "embedding" [D, M], if it has any.
        window: the photo's Window.
        shape: (H, W) of the photo, pixels.
        soft_masks, rle, mask_probabilities: as for `Detector.detect`.
        corner: (y, x) in the photo of the tile that `window` belongs to; see `mrcnn.inference.tiles.tile_window`.
        paste: as for `Detector.detection_steps`.

    Returns:
        One of the dicts that `Detector.detect` returns.
    """
    boxes = window.to_original(outputs["boxes"].astype("float32"))
    sides = window.mask_boxes(boxes)
    keep = outputs["valid"] & (sides[:, 2] > sides[:, 0]) & (sides[:, 3] > sides[:, 1])
    boxes = boxes[keep] + np.tile(np.asarray(corner, np.float32), 2)
    result = {
        "rois": np.round(boxes).astype("int32"),
        "boxes": boxes,
        "class_ids": outputs["class_ids"][keep].astype("int32"),
        "scores": outputs["scores"][keep].astype("float32"),
    }
    if "attributes" in outputs:
        result["attribute_scores"] = outputs["attributes"][keep].astype("float32")
    if "embedding" in outputs:
        result["embeddings"] = outputs["embedding"][keep].astype("float32")
    masks = outputs["masks"][keep]
    if mask_probabilities:
        result["mask_probabilities"] = masks.astype("float32")
    masks, boxes = window.to_paste(masks, boxes)
    if rle and paste:
        result["rles"] = [paste_rle(mask, box, shape) for mask, box in zip(masks, boxes)]
    elif paste:
        result["masks"] = paste_masks(masks, boxes, shape)
    if soft_masks:
        result["soft_masks"] = paste_masks(masks, boxes, shape, threshold=None)
    return result
