"""The findings of a diagnosis: plain sentences, each with its number and the setting or command that helps.

A rule is a function (diagnosis) -> Finding or None. A diagnosis is the dict of `funnel.measure` with these entries too:
    settings: {name: value} of the Config; epoch: of the checkpoint, or None
    changed: {name: [value that the checkpoint was trained with, value here]}, of the settings that it was trained for
    pixels, weights, names: of `soundness`
    swapped: {photos, usual, swapped: mean score of the best right detection of each object, with red and blue as they
        are and swapped}, or None; training: {objects: [number of each class], most: objects of one photo}, or None
"""

import dataclasses

from mrcnn.evaluation.funnel import FIRST, IOU, LOST, LOW_SCORE, STEPS
from mrcnn.evaluation.soundness import DARK

FEWEST = 3  # objects that a finding about some of them needs
GAIN = 0.03  # of F1, from which on another score threshold is worth naming
USEFUL = 0.2  # F1 that a threshold has to reach for that
SIDES = ("IMAGE_MAX_DIM", "IMAGE_MIN_DIM")  # of the canvas; the latter in mode crop
RESIZED = 1.5  # times the size that was trained: objects then look other than any that was learned
LAST = "--weights last"
LONGER = f"train longer (train {LAST}, with more epochs of `all` in --stages)"


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Args:
        kind: what, in a word.
        weight: how bad it is, the share of objects that it costs, and above 1 for what spoils all.
        text: what is wrong, with the number, and what that means.
        remedy: the setting or command that mends it.
    """

    kind: str
    weight: float
    text: str
    remedy: str


def find(diagnosis: dict, last: str = LAST) -> list[Finding]:
    """list of Finding, the worst first. last: what stands for the run's last checkpoint in the commands of remedies."""
    if not diagnosis["objects"]:
        return [no_objects(diagnosis)]
    findings = [finding for finding in (rule(diagnosis) for rule in RULES) if finding]
    findings = [dataclasses.replace(finding, remedy=finding.remedy.replace(LAST, last)) for finding in findings]
    return sorted(findings, key=lambda finding: -finding.weight)


def percent(part: int, whole: int) -> str:
    """Text of a share, "12 %"."""
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def _some(names, most=4):
    return ", ".join(map(str, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")


def _of_objects(number, d):
    return f"{percent(number, d['objects'])} of the objects ({number})"


def _lost(d, *steps):
    return sum(d["steps"][STEPS.index(step)]["lost"] for step in steps)


def _matters(number, d):
    return number >= max(FEWEST, LOST * d["objects"])


def _losers(d, *steps):
    """Classes that lose most at neighbouring steps: "boots 12 of 14, top 9 of 33"."""
    first, last = STEPS.index(steps[0]) - 1, STEPS.index(steps[-1])
    losses = [(entry["passed"][first] - entry["passed"][last], entry) for entry in d["classes"]]
    losses = sorted((loss for loss in losses if loss[0]), key=lambda loss: -loss[0])
    return ", ".join(f"{entry['name']} {lost} of {entry['objects']}" for lost, entry in losses[:3])


def no_objects(d: dict) -> Finding:
    return Finding("no_objects", 5, f"Photos with annotated objects: 0 of {d['photos']}. Nothing can be measured.",
                   "raise --limit; check the annotations with `data validate` and `data summary`")


# --- What the network starts from ------------------------------------------------------------------------------------


def broken_weights(d: dict) -> Finding | None:
    weights = d["weights"]
    parts = [f"{len(weights[key])} {words} ({_some(weights[key])})" for key, words in (
        ("nonfinite", "hold NaN or infinity"), ("zero", "are all zero"), ("constant", "hold one number alone"))
        if weights[key]]
    if not parts:
        return None
    return Finding("broken_weights", 4, f"Of {weights['layers']} layers {'; '.join(parts)}: what they see is lost.",
                   "take an earlier checkpoint of the run; where all are so, train with a lower LEARNING_RATE")


def untrained_weights(d: dict) -> Finding | None:
    untrained, others = d["weights"]["untrained"], {*d["weights"]["trained"], *d["weights"]["unknown"]}
    if not untrained:
        return None
    parts = [f"the {part} ({_some(layers)})" if part in others else f"the whole {part}"
             for part, layers in untrained.items()]
    epoch = "" if d["epoch"] is None else f" The checkpoint is of epoch {d['epoch']}."
    number = sum(map(len, untrained.values()))
    text = (f"{number} {'layers hold' if number > 1 else 'layer holds'} just the random numbers that a new network "
            f"begins with, never trained nor loaded: in {', '.join(parts)}.{epoch}")
    if set(untrained) == {"backbone"}:
        return Finding("untrained_backbone", 1.5, text,
                       "train from --weights imagenet, or with a stage `all` (`heads` leaves the backbone as it is)")
    start = "--weights imagenet " if "backbone" in untrained else ""
    return Finding("untrained_heads", 3, text,
                   f"train them ({start}--stages heads:20:1e-3,all:20:1e-4), or give --weights the trained checkpoint; "
                   "of a file for other classes the last layers are never taken over")


def wrong_pixels(d: dict) -> Finding | None:
    pixels, photos = d["pixels"], d["photos"]
    if pixels["dark"] < 0.2 * photos:
        return None
    kind = ("they were divided by 255" if pixels["max"] <= 1 else
            "they hold fewer bits than their files have room for, or are black")
    return Finding("wrong_pixels", 3.5 * pixels["dark"] / photos,
                   f"{pixels['dark']} of {photos} photos have no pixel brighter than {DARK} of 255 (the range of all "
                   f"is {pixels['min']:.0f}..{pixels['max']:.0f}): {kind}, and the network sees black.",
                   "give uint8 RGB of 0..255: load_image must not divide, files of 10 or 12 bits must be rescaled")


def wrong_mean_pixel(d: dict) -> Finding | None:
    pixels = d["pixels"]
    if not pixels["fault"]:
        return None
    shown, mean = (" ".join(f"{value:.1f}" for value in pixels[key]) for key in ("mean_pixel", "mean"))
    what = "lies within 0..1" if pixels["fault"] == "scale" else "is ImageNet's in the order blue, green, red"
    return Finding("wrong_mean_pixel", 1.2, f"MEAN_PIXEL {shown} {what}; the mean of the photos is {mean}.",
                   "train with --set MEAN_PIXEL=[123.7,116.8,103.9]; if it was trained so, leave both as they are")


def swapped_channels(d: dict) -> Finding | None:
    swapped = d["swapped"]
    if not swapped or swapped["swapped"] < max(swapped["usual"] + 0.1, 1.25 * swapped["usual"]):
        return None
    return Finding("swapped_channels", 1.4,
                   f"With red and blue swapped the objects of {swapped['photos']} photos score "
                   f"{swapped['swapped']:.2f} on average, as they are {swapped['usual']:.2f}: the network was trained "
                   "on BGR, or these are BGR.",
                   "load RGB in both places (cv2.imread gives BGR: image[..., ::-1])")


def changed_settings(d: dict) -> Finding | None:
    names = [name for name, (then, now) in d["changed"].items()
             if name not in SIDES or max(then, now) >= RESIZED * min(then, now)]
    if not names:
        return None
    parts = [f"{name}={_shown(d['changed'][name][0])}, here {_shown(d['changed'][name][1])}" for name in names]
    return Finding("changed_settings", 1.3, f"The checkpoint was trained with {'; '.join(parts)}.",
                   f"leave {', '.join(names)} as in the checkpoint, or train anew with the new values")


def _shown(value):
    return "[" + ",".join(f"{each:g}" for each in value) + "]" if isinstance(value, (list, tuple)) else value


def other_classes(d: dict) -> Finding | None:
    names = d["names"]
    if not names["missing"] and not names["moved"]:
        return None
    parts = []
    if names["missing"]:
        parts.append(f"the checkpoint has no class {_some(names['missing'])}, and so never finds one")
        if names["extra"]:
            parts.append(f"the data has no {_some(names['extra'])}")
    if names["moved"]:
        parts.append(f"{_some(names['moved'])} have another id in the data (here classes are compared by name)")
    objects = sum(entry["objects"] for entry in d["classes"] if entry["name"] in names["missing"])
    text = "; ".join(parts)
    return Finding("other_classes", 1.1 + objects / d["objects"], f"{text[0].upper()}{text[1:]}.",
                   "give annotations with the names of the training (label maps: by --mapping), in their order (--set "
                   "CLASSES=NAME,NAME), or train on these")


# --- The funnel ------------------------------------------------------------------------------------------------------


def too_small(d: dict) -> Finding | None:
    number = _lost(d, "pixels")
    if not _matters(number, d):
        return None
    return Finding("too_small", number / d["objects"],
                   f"{_of_objects(number, d)} have a side under one pixel at --image-size {d['image_size']}: training "
                   "drops them, and nothing can find them.",
                   f"train with --image-size {2 * d['image_size']}, or look at huge photos in parts (`detect --tile`)")


def anchors_miss(d: dict) -> Finding | None:
    number, anchors, size = _lost(d, "near_anchor"), d["anchors"], d["image_size"]
    if not _matters(number, d):
        return None
    reasons = [words for key, words in (
        ("small", f"{anchors['small']} are too small for the smallest anchor of {anchors['smallest']:g} pixels"),
        ("large", f"{anchors['large']} are too large for the largest of {anchors['largest']:g}"),
        ("long", f"{anchors['long']} are longer than RPN_ANCHOR_RATIOS foresee")) if anchors[key]]
    why = f" ({', '.join(reasons)})" if reasons else ""
    text = (f"{_of_objects(number, d)} are reached by no anchor at --image-size {size}{why}, and by no proposal "
            f"either; their median side is {anchors['lost_side']:.0f} pixels.")
    remedies, new, now = [], anchors["proposed"], next(iter(anchors["recall"].values()))
    if new and new["recall"] > now + 0.02:
        scales, ratios = (",".join(f"{value:g}" for value in new[key]) for key in ("scales", "ratios"))
        remedies.append(f'train with --set "RPN_ANCHOR_SCALES=[{scales}]" --set "RPN_ANCHOR_RATIOS=[{ratios}]", which '
                        f"reach {100 * new['recall']:.0f} % of the objects (now {100 * now:.0f} %)")
    if 2 * anchors["small"] >= number or not remedies:
        remedies.append(f"train with --image-size {2 * size}")
    return Finding("anchors_miss", number / d["objects"], text, ", or ".join(remedies))


def proposals_miss(d: dict) -> Finding | None:
    number, proposals, limit = _lost(d, "anchor", "proposal"), d["proposals"], d["settings"]["POST_NMS_ROIS_INFERENCE"]
    if not proposals["number"]:
        return Finding("no_proposals", 1.1, f"Photos with any proposal: 0 of {d['photos']}. What the network computes "
                       "is no number any more (NaN), or infinite.", "take an earlier checkpoint, or train "
                       "anew with a lower LEARNING_RATE, from --weights imagenet or with --set NORM=group")
    if not _matters(number, d):
        return None
    text = (f"{_of_objects(number, d)} are lost by the proposal head: an anchor fits them, none of the "
            f"{proposals['number']:.0f} proposals of a photo does. Recall of the proposals is "
            f"{proposals['recall']:.2f}, of the first {FIRST} {proposals['recall_first']:.2f}.")
    fitted, half = proposals["recall_fitted"], proposals["recall_half"]
    if fitted is not None and half is not None and half < fitted - 0.3:
        good = d["settings"]["RPN_POSITIVE_IOU"]
        return Finding("anchors_half_fit", number / d["objects"],
                       f"{text} Of objects with an anchor of IoU {good:.2f} it is {fitted:.2f}, of others {half:.2f}.",
                       "train anew with the anchors that `data summary` proposes")
    full = 2 * proposals["full"] >= d["photos"]  # of no use where fewer come out than are let through
    more = f"; --set POST_NMS_ROIS_INFERENCE={2 * limit} lets more through" if full else ""
    return Finding("proposals_miss", number / d["objects"], text, LONGER + more)


def boxes_miss(d: dict) -> Finding | None:
    number, threshold = _lost(d, "detection"), d["settings"]["DETECTION_NMS_THRESHOLD"]
    if not _matters(number, d):
        return None
    text = f"{_of_objects(number, d)} have a proposal, but there is no detection of IoU {IOU:.2f} of any class or score"
    if 2 * d["overlapping"] >= number:
        return Finding("suppressed", number / d["objects"],
                       f"{text}: {d['overlapping']} lie so close to another of their class that one of the two is "
                       "suppressed.",
                       f"detect with --set DETECTION_NMS_THRESHOLD={min(0.9, threshold + 0.2):.1f} (now {threshold:g})")
    return Finding("boxes_miss", number / d["objects"],
                   f"{text}: the box head takes them for background, or moves the boxes away.", LONGER)


def wrong_class(d: dict) -> Finding | None:
    called, confusions = d["called"], [each for each in d["confusions"] if each[0] not in d["names"]["missing"]]
    number = sum(count for *_, count in confusions)
    if not _matters(number, d):
        return None
    pairs = [f"{count} {true} as {said}" for true, said, count in confusions]
    text = f"{_of_objects(number, d)} are found, but another class scores higher than their own: {_some(pairs)}."
    if sum(entry["objects"] > 0 for entry in d["classes"]) > 2 and max(called) > 0.9 * sum(called):
        favourite = d["classes"][called.index(max(called))]["name"]
        return Finding("one_class", number / d["objects"],
                       f"{text} {percent(max(called), sum(called))} of all detections are {favourite}.",
                       f"{LONGER}; where {favourite} is by far the most frequent class, with --set "
                       "CLASS_LOSS=class-balanced or --set REPEAT_THRESHOLD=0.1")
    return Finding("wrong_class", number / d["objects"], text,
                   "look whether these are annotated alike (`data show`), merge what people confuse too (label maps: "
                   "by --mapping; other data: by one name for both in the annotations), show rare classes more often "
                   "(--set REPEAT_THRESHOLD=0.1), train longer")


def score_threshold(d: dict) -> Finding | None:
    """What is found but not shown, and what is shown but false."""
    scores, number = d["scores"], _lost(d, "low_score", "score")
    best, at, confidence = scores["best"], scores["at"], d["settings"]["DETECTION_MIN_CONFIDENCE"]
    losers = f" ({_losers(d, 'low_score', 'score')})" if number else ""
    text = (f"{_of_objects(number, d)} are found in their class, but score under "
            f"DETECTION_MIN_CONFIDENCE={confidence:g} and are not shown{losers}.")
    nothing = not scores["shown"]
    if nothing and (not best or best["F1"] < USEFUL or scores["highest"] < LOW_SCORE):
        highest = scores["highest"]
        top = "there is no detection at all" if highest is None else f"the highest score is {highest:.2f}"
        return Finding("nothing_shown", max(number / d["objects"], 0.5),
                       f"Nothing is shown at DETECTION_MIN_CONFIDENCE={confidence:g}: {top}. The network has hardly "
                       "learned yet.", LONGER)
    gain = best["F1"] - at["F1"] if best else 0
    f1 = f"F1 of boxes is {at['F1']:.2f} at {confidence:g}" + (
        f" and {best['F1']:.2f} at a threshold of {best['threshold']:.2f}" if best else "")
    if gain >= GAIN and best["F1"] >= USEFUL and best["threshold"] < confidence and (_matters(number, d) or nothing):
        start = f"Nothing at all is shown: the highest score is {scores['highest']:.2f}. " if nothing else ""
        return Finding("hidden", max(number / d["objects"], 0.5 if nothing else 0), f"{start}{text} {f1}.",
                       f"detect with --min-confidence {best['threshold']:.2f}, or train with --set "
                       f"DETECTION_MIN_CONFIDENCE={best['threshold']:.2f}")
    if gain >= GAIN and best["threshold"] > confidence:
        return Finding("false_alarms", gain,
                       f"{100 * (1 - at['precision']):.0f} % of the detections that score {confidence:g} or more are "
                       f"false alarms: {f1}.", f"detect with --min-confidence {best['threshold']:.2f}; train on photos "
                       "without objects too, and with every object annotated")
    return Finding("unsure", number / d["objects"], f"{text} No other threshold is much better, for false alarms score "
                   f"alike: {f1}.", LONGER) if _matters(number, d) else None


def poor_masks(d: dict) -> Finding | None:
    right = d["masks"]["right"]
    poor = right - d["masks"]["good"]
    if not _matters(poor, d) or poor < 2 * LOST * right:
        return None
    untaught = " The mask head looks like one that was never trained." if poor > 0.8 * right else ""
    return Finding("poor_masks", poor / d["objects"],
                   f"{poor} of the {right} objects that are found in their class ({percent(poor, right)}) have a right "
                   f"box, but a mask of IoU under {IOU:.2f}.{untaught}",
                   "look whether the annotated masks are true (`data show`); train longer; for thin objects with --set "
                   "MASK_SHAPE=[56,56] --set MINI_MASK_SHAPE=[112,112]")


# --- Limits and classes ----------------------------------------------------------------------------------------------


def too_many_detections(d: dict) -> Finding | None:
    limit = d["settings"]["DETECTION_MAX_INSTANCES"]
    if not d["full"]:
        return None
    return Finding("too_many_detections", 0.3 * d["full"] / d["photos"],
                   f"{d['full']} of {d['photos']} photos have {limit} detections, as many as DETECTION_MAX_INSTANCES "
                   "lets through.", f"detect with --set DETECTION_MAX_INSTANCES={2 * limit}, or with a higher "
                   "--min-confidence where most of them are false")


def too_many_objects(d: dict) -> Finding | None:
    limit, crowded = d["settings"]["MAX_GT_INSTANCES"], d["crowded"]
    most = max(crowded["most"], d["training"]["most"] if d["training"] else 0)
    if most <= limit:
        return None
    here = (f" ({crowded['photos']} of these photos have more, together {crowded['objects']})" if crowded["photos"]
            else "")
    return Finding("too_many_objects", max(crowded["objects"] / d["objects"], 0.01),
                   f"A photo has {most} objects, and training takes MAX_GT_INSTANCES={limit} of them each time{here}.",
                   f"train with --set MAX_GT_INSTANCES={-(-most // 50) * 50}")


def untaught_classes(d: dict) -> Finding | None:
    known = [entry for entry in d["classes"] if entry["name"] not in d["names"]["missing"]]
    if d["training"]:
        counts = {entry["name"]: count for entry, count in zip(d["classes"], d["training"]["objects"])}
        bare = [entry for entry in known if not counts[entry["name"]]]
        text = f"Without any object in the training data: {_some([entry['name'] for entry in bare])}."
        remedy = "annotate some, or leave these classes out"
    else:
        said = {entry["name"]: number for entry, number in zip(d["classes"], d["called"])}
        here = [entry for entry in known if entry["objects"] >= FEWEST]
        bare = [entry for entry in here if not said[entry["name"]]]
        if 2 * len(bare) > len(here):  # the whole network is at fault, not the numbers of some classes
            return None
        names = [f"{entry['name']} ({entry['objects']} objects)" for entry in bare]
        text = f"Never named by the network with a score of {LOW_SCORE}: {_some(names)}."
        remedy = "give --train ANNOTATIONS to see whether they have training objects; show rare ones more often in " \
                 "training (--set REPEAT_THRESHOLD=0.1)"
    if not bare:
        return None
    return Finding("untaught_classes", max(sum(entry["objects"] for entry in bare) / d["objects"], 0.005), text, remedy)


RULES = (
    broken_weights, untrained_weights, wrong_pixels, wrong_mean_pixel, swapped_channels, changed_settings,
    other_classes, too_small, anchors_miss, proposals_miss, boxes_miss, wrong_class, score_threshold, poor_masks,
    too_many_detections, too_many_objects, untaught_classes,
)
