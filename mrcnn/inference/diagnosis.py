"""What a model's stages make of annotated photos, for `mrcnn.evaluation.findings` to find why objects are lost."""

import os
import warnings
from collections.abc import Sequence

import numpy as np

from mrcnn.config import Settings
from mrcnn.data import run_lengths
from mrcnn.data.checked_photos import photos_for
from mrcnn.data.dataset import Dataset
from mrcnn.data.images import Window
from mrcnn.drawing.weights import KERNELS, layers_of, weights_of
from mrcnn.evaluation import soundness
from mrcnn.evaluation.coco_data import ground_truth_from_dataset
from mrcnn.evaluation.comparison import read_comparison
from mrcnn.evaluation.funnel import FIRST, Trace, box_pairs, highest_overlaps, measure, right
from mrcnn.evaluation.pairs import ImagePairs
from mrcnn.inference.detector import unmold
from mrcnn.inference.mask_scores import counted
from mrcnn.inference.views import View, views_of
from mrcnn.progress import progress_bar
from mrcnn.weights.torchvision import settings_of

SWAPPED_PHOTOS = 8  # looked at once more with red and blue swapped
KEPT_CANVASES = 4  # whose anchors are in memory: a photo set may have a canvas of its own for each photo
# What weights are learned for; others may differ when they are used.
TRAINED_FOR = ("RPN_ANCHOR_SCALES", "RPN_ANCHOR_RATIOS", "RPN_ANCHOR_STRIDE", "MEAN_PIXEL", "GEOMETRY",
               "ROI_ALIGNED", "RPN_BBOX_STD_DEV", "BBOX_STD_DEV")
SETTINGS = ("DETECTION_MIN_CONFIDENCE", "DETECTION_MAX_INSTANCES", "DETECTION_NMS_THRESHOLD", "MAX_GT_INSTANCES",
            "POST_NMS_ROIS_INFERENCE", "RPN_POSITIVE_IOU", "RPN_ANCHOR_SCALES", "RPN_ANCHOR_RATIOS", "IMAGE_MAX_DIM",
            "IMAGE_RESIZE_MODE", "GEOMETRY")



def written_in(path: str | os.PathLike, config: Settings) -> tuple[int | None, dict]:
    """(epoch of a checkpoint or None, {setting that it was trained for: [value then, value now]} where they differ)."""
    written = settings_of(path)
    then, now = written["config"], config.to_dict()
    changed = {name: [then[name], now[name]] for name in TRAINED_FOR
               if name in then and not np.array_equal(then[name], now[name])}
    sides = [values[_side_name(values)] for values in (then, now) if _side_name(values) in values]
    if len(sides) == 2 and sides[0] != sides[1]:
        changed[_side_name(now)] = sides
    return written.get("epoch"), changed


def _side_name(values):
    """The setting that is the side of the canvas, in a dict of settings."""
    return "IMAGE_MIN_DIM" if values.get("IMAGE_RESIZE_MODE") == "crop" else "IMAGE_MAX_DIM"


def examine(model: object, dataset: Dataset, training: object = None) -> dict:
    """The diagnosis of a model on all photos of a dataset, as `mrcnn.evaluation.findings` describes it, but its epoch.

    Photos are looked at once, which is told where TEST_FLIP or TEST_SCALES ask for other views.
    """
    warn_of_views(model.config)
    warn_of_lists(dataset)
    names = soundness.name_summary(dataset.class_names, model.class_names)
    weights = soundness.weight_summary(kernels(model), model.keras_model.layout)
    truth, stages = TrueObjects(dataset), Stages(model, names["places"])
    traces, ranges, probes = [], [], []
    with progress_bar("Examining") as show:
        for done, image_id in enumerate(dataset.image_ids, 1):
            image = photos_for(model, dataset, [image_id])[0]
            objects = truth.of(image_id)
            trace, pixel_range = stages.trace(image, objects)
            traces.append(trace)
            ranges.append(pixel_range)
            if len(probes) < SWAPPED_PHOTOS and len(objects["boxes"]) and image.shape[2] == 3:
                probes.append((best_scores(trace.pairs), best_scores(stages.pairs(image[..., ::-1], objects))))
            show(done, len(dataset.image_ids))
    usual, swapped = (np.concatenate(scores) for scores in zip(*probes)) if probes else (None, None)
    return {
        **measure(traces, dataset.class_names[1:], model.config),
        "settings": {name: model.config.to_dict()[name] for name in SETTINGS},
        "pixels": soundness.pixel_summary(ranges, model.config.MEAN_PIXEL),
        "weights": weights,
        "names": names,
        "swapped": {"photos": len(probes), "usual": float(usual.mean()), "swapped": float(swapped.mean())}
        if probes else None,
        "training": training,
    }


def warn_of_views(config: Settings) -> None:
    """Tell that the scores of detect() are of other views than the one that is looked at here."""
    views = views_of(config)
    if views == [View(False, 1.0)]:
        return
    off = ["--set TEST_FLIP=false"] * bool(config.TEST_FLIP)
    off += ["--set TEST_SCALES=[1.0]"] * (list(map(float, config.TEST_SCALES)) != [1.0])
    shown = ", ".join(f"{view.scale:g}{' mirrored' if view.flip else ''}" for view in views)
    warnings.warn(f"The diagnosis looks at one view of each photo, at its usual size; detect's scores are of "
                  f"{len(views)} view{'s' * (len(views) > 1)} (TEST_FLIP, TEST_SCALES: {shown}): detect with "
                  f"{' '.join(off)}, or take the threshold from evaluate's report.", stacklevel=3)


def warn_of_lists(dataset: Dataset) -> None:
    """Tell that false alarms are counted, and a threshold chosen, as if all classes were labelled on all photos."""
    partly = sum(bool(dataset.image_info[i].get("class_lists")) for i in dataset.image_ids)
    if partly:
        warnings.warn(f"{partly} of the {len(dataset.image_ids)} photos are labelled for some classes only, as in "
                      "LVIS: the diagnosis takes what is found of the others there for false alarms, so its threshold "
                      "is too high; evaluate goes by LVIS' rule.", stacklevel=3)


def best_scores(pairs: ImagePairs) -> np.ndarray:
    """float [G]: the best score of a detection of each object's class that reaches it; 0 where there is none."""
    return np.where(right(pairs), pairs.scores[:, None], 0).max(axis=0, initial=0)


class TrueObjects:
    """The annotated objects of a data set's photos, as run lengths."""

    def __init__(self, dataset: Dataset):
        truth = ground_truth_from_dataset(dataset)
        comparison = read_comparison(truth, [], "segm")
        ids = {int(image_id): photo["id"] for image_id, photo in zip(dataset.image_ids, truth["images"])}
        places = {photo_id: place for place, photo_id in enumerate(comparison.image_ids)}
        self.places = {image_id: places[photo_id] for image_id, photo_id in ids.items()}
        classes = {category["id"]: k for k, category in enumerate(truth["categories"])}
        self.classes = [classes[category["id"]] for category in comparison.categories]
        self.entries = {}
        for entry in comparison.objects:
            self.entries.setdefault(entry["image_id"], []).append(entry)

    def of(self, image_id: int) -> dict:
        """{"boxes" [G, 4] pixels of the photo, "classes" [G] from 0 on, "areas" [G], "rles": list of G, "crowd_boxes",
        "crowd_classes"} of a photo."""
        entries = self.entries.get(self.places[int(image_id)], [])
        objects, crowds = ([entry for entry in entries if bool(entry["iscrowd"]) == crowd] for crowd in (False, True))
        return {
            "boxes": boxes_of(objects), "classes": self.classes_of(objects), "crowd_boxes": boxes_of(crowds),
            "crowd_classes": self.classes_of(crowds), "rles": [entry["segmentation"] for entry in objects],
            "areas": np.array([entry["area"] for entry in objects], float),
        }

    def classes_of(self, entries: Sequence[dict]) -> np.ndarray:
        return np.array([self.classes[entry["category_id"]] for entry in entries], int)


def boxes_of(entries: Sequence[dict]) -> np.ndarray:
    """float [N, 4]: the boxes of what the masks of COCO annotations cover, as training has them."""
    return run_lengths.boxes([entry["segmentation"] for entry in entries]).astype(float)


class Stages:
    """What a model's stages make of photos.

    model: MaskRCNN; places: {its class id: index in the data's classes}
    """

    def __init__(self, model: object, places: dict[int, int]):
        self.model, self.places, self.anchors = model, places, {}

    def anchors_of(self, canvas: tuple[int, int, int]) -> np.ndarray:
        """float32 [A, 4] pixels of a canvas (h, w, C)."""
        if canvas not in self.anchors:
            if len(self.anchors) == KEPT_CANVASES:
                self.anchors.pop(next(iter(self.anchors)))
            self.model.get_anchors(canvas)
            self.anchors[canvas] = self.model.anchors
        return self.anchors[canvas]

    def outputs_of(self, image: np.ndarray) -> tuple[np.ndarray, Window, dict]:
        """(canvas, its Window, {name: [...] of the inference graph}) of a photo, its scores as detect() counts them."""
        canvas, window = self.model.place(image)  # as detect() does
        outputs = self.model.predict(canvas[None], window.box[None], min_confidence=0.0)
        return canvas, window, counted({name: value[0] for name, value in outputs.items()}, self.model.config, 0.0)

    def pairs(self, image: np.ndarray, objects: dict) -> ImagePairs:
        """ImagePairs of the boxes detected in a photo and of its objects."""
        _, window, outputs = self.outputs_of(image)
        return self.paired(outputs, window, objects)

    def paired(self, outputs: dict[str, np.ndarray], window: Window, objects: dict) -> ImagePairs:
        valid = outputs["valid"]
        classes = [self.places.get(int(class_id), -1) for class_id in outputs["class_ids"][valid]]
        return box_pairs(window.to_canvas(objects["boxes"]), objects["classes"],
                         window.to_canvas(objects["crowd_boxes"]), objects["crowd_classes"],
                         outputs["boxes"][valid], classes, outputs["scores"][valid])

    def trace(self, image: np.ndarray, objects: dict) -> tuple[Trace, tuple]:
        """(Trace of a photo, what `soundness.pixel_range` says of it)."""
        canvas, window, outputs = self.outputs_of(image)
        boxes, proposals = window.to_canvas(objects["boxes"]), outputs["proposals"][outputs["proposals_valid"]]
        pairs = self.paired(outputs, window, objects)
        trace = Trace(
            boxes=boxes, areas=objects["areas"], canvas=tuple(canvas.shape[:2]),
            anchors=highest_overlaps(boxes, self.anchors_of(canvas.shape)),
            proposals=highest_overlaps(boxes, proposals), first_proposals=highest_overlaps(boxes, proposals[:FIRST]),
            proposal_count=len(proposals), pairs=pairs,
            mask_overlaps=self.mask_overlaps(pairs, outputs, window, image.shape[:2], objects["rles"]),
        )
        return trace, soundness.pixel_range(canvas, window.box)

    def mask_overlaps(self, pairs: ImagePairs, outputs: dict[str, np.ndarray], window: Window, shape: tuple[int, int],
                      rles: Sequence[dict]) -> np.ndarray:
        """float [D, G]: IoU of masks in the photo where a detection of an object's class reaches it, 0 elsewhere."""
        overlaps, wanted = np.zeros(pairs.overlaps.shape), right(pairs)
        rows = np.flatnonzero(outputs["valid"])[pairs.results]
        for place in np.flatnonzero(wanted.any(axis=1)):
            names = ("boxes", "class_ids", "scores", "valid", "masks")
            one = {name: outputs[name][rows[place], None] for name in names}
            pasted = unmold(one, window, shape, rle=True)["rles"]
            near = np.flatnonzero(wanted[place])
            if pasted:
                overlaps[place, near] = run_lengths.iou(pasted, [rles[g] for g in near])[0]
        return overlaps


def kernels(model: object) -> dict[str, tuple]:
    """{layer: (kernel, the one that it began with, or None where that is not known)} of a model.

    Those that it began with are drawn again. Where something else drew them, as another backend, or where that is not
    known, only a kernel that is the same tells what it began with; of how many that is not known is told.
    """
    import keras

    from mrcnn.training.new_weights import drawn_by

    here, unknown, kernels_of = drawn_by(model.config), 0, {}
    for label, layer in layers_of(model.keras_model):
        for name, kernel in weights_of(layer).items():
            begin = getattr(layer, f"{name.removesuffix('_kernel')}_initializer", None)
            if name.split("/")[-1] in KERNELS:
                known = isinstance(getattr(begin, "seed", None), int)  # then it gives the same numbers every time
                begun = keras.ops.convert_to_numpy(begin(kernel.shape, kernel.dtype.name)) if known else None
                if begun is not None and model.drawn_by != here and not np.array_equal(kernel, begun):
                    begun, unknown = None, unknown + 1
                kernels_of[f"{label}/{name}" if label in kernels_of else label] = kernel, begun
    if unknown:
        known = (f"the checkpoint's first weights were drawn by {model.drawn_by}" if model.drawn_by else
                 "the checkpoint, of an earlier version or of several networks, does not tell what drew its first ones")
        warnings.warn(f"Whether anything has trained {unknown} layer{'s' * (unknown > 1)} is not known: {known}, and "
                      f"here {here} draws them. Diagnose with the same backend (KERAS_BACKEND), kind of device and "
                      "SEED to find layers that are as they began.", stacklevel=3)
    return kernels_of
