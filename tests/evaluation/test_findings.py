"""Each finding comes of data with its fault, and none of sound data."""

import numpy as np
import pytest
from made_traces import NAMES, diagnosis, grid, settings, trace

from mrcnn.evaluation.findings import RULES, find
from mrcnn.evaluation.soundness import name_summary, pixel_summary, weight_summary

KERNEL = np.arange(4.0)
USUAL = np.array([130.0, 120, 110])


def kinds(made):
    return [finding.kind for finding in find(made)]


def only(made):
    """The one finding of a diagnosis."""
    finding, = find(made)
    return finding


def test_sound_data_has_none():
    assert find(diagnosis()) == []
    # Nor has a loss of one object of twenty, which any network has.
    assert find(diagnosis([trace(), trace(detected=grid(9))])) == []


# --- What the network starts from ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel, words", [(KERNEL * np.nan, "hold NaN"), (KERNEL * 0, "are all zero"),
                                           (KERNEL * 0 + 2, "hold one number alone")])
def test_broken_weights(kernel, words):
    weights = weight_summary({"mrcnn_mask": (kernel, None), "res2a": (KERNEL, None)})
    finding = only(diagnosis(weights=weights))
    assert finding.kind == "broken_weights" and f"Of 2 layers 1 {words}" in finding.text
    assert "mrcnn_mask" in finding.text and "earlier checkpoint" in finding.remedy


def test_weights_that_nothing_trained():
    weights = weight_summary({"mrcnn_mask": (KERNEL, KERNEL), "mrcnn_mask_conv1": (KERNEL, KERNEL + 1),
                              "rpn_class_raw": (KERNEL, KERNEL), "res2a": (KERNEL, KERNEL + 1)})
    finding = only(diagnosis(weights=weights, epoch=0))
    assert finding.kind == "untrained_heads" and finding.text.startswith("2 layers hold just the random numbers")
    assert "the mask head (mrcnn_mask), the whole proposal head" in finding.text and "epoch 0" in finding.text
    weights = weight_summary({"mrcnn_mask": (KERNEL, KERNEL), "mrcnn_mask_conv1": (KERNEL, None)})
    assert "in the mask head (mrcnn_mask)." in only(diagnosis(weights=weights)).text  # the other may be trained
    backbone = weight_summary({"res2a": (KERNEL, KERNEL), "mrcnn_mask": (KERNEL, KERNEL + 1)})
    assert only(diagnosis(weights=backbone)).kind == "untrained_backbone"
    assert "--weights imagenet" in only(diagnosis(weights=backbone)).remedy


def test_photos_of_another_range():
    unit = only(diagnosis(pixels=pixel_summary([(USUAL / 255, 0, 1)] * 2, USUAL)))
    assert unit.kind == "wrong_pixels" and "2 of 2 photos" in unit.text and "divided by 255" in unit.text
    bits = only(diagnosis(pixels=pixel_summary([(USUAL / 8, 0, 31), (USUAL, 0, 255)], USUAL)))
    assert "1 of 2 photos" in bits.text and "fewer bits" in bits.text


@pytest.mark.parametrize("mean, words", [([0.485, 0.456, 0.406], "within 0..1"),
                                         ([103.9, 116.8, 123.7], "blue, green, red")])
def test_mean_pixels_of_another_kind(mean, words):
    finding = only(diagnosis(pixels=pixel_summary([(USUAL, 0, 255)], mean)))
    assert finding.kind == "wrong_mean_pixel" and words in finding.text and "MEAN_PIXEL=[123.7" in finding.remedy


def test_channels_in_another_order():
    finding = only(diagnosis(swapped={"photos": 8, "usual": 0.4, "swapped": 0.6}))
    assert finding.kind == "swapped_channels" and "score 0.60 on average, as they are 0.40" in finding.text
    # 0.1 more is needed, and a quarter: less may be chance.
    for swapped in (0.45, 0.49):
        assert not find(diagnosis(swapped={"photos": 8, "usual": 0.4, "swapped": swapped}))
    assert not find(diagnosis(swapped={"photos": 8, "usual": 0.8, "swapped": 0.95}))


def test_settings_that_the_weights_were_not_trained_for():
    changed = {"RPN_ANCHOR_SCALES": [[32, 64], (8, 16)], "IMAGE_MAX_DIM": [512, 128]}
    finding = only(diagnosis(changed=changed))
    assert finding.kind == "changed_settings"
    assert "RPN_ANCHOR_SCALES=[32,64], here [8,16]; IMAGE_MAX_DIM=512, here 128" in finding.text
    assert not find(diagnosis(changed={"IMAGE_MAX_DIM": [512, 640]}))  # as a little larger does no harm
    assert not find(diagnosis(changed={"IMAGE_MIN_DIM": [512, 640]}))  # the side in mode crop
    assert "IMAGE_MIN_DIM=512, here 128" in only(diagnosis(changed={"IMAGE_MIN_DIM": [512, 128]})).text


def test_other_class_names():
    names = name_summary(["BG", *NAMES], ["BG", "coat", "hat", "bag"])
    finding = find(diagnosis(names=names))[0]
    assert finding.kind == "other_classes" and "no class shoe" in finding.text and "no bag" in finding.text
    assert "(label maps: by --mapping), in their order (--set CLASSES=NAME,NAME)" in finding.remedy
    assert "Hat, coat" not in finding.text and "hat, coat have another id" in finding.text
    moved = name_summary(["BG", *NAMES], ["BG", "coat", "hat", "shoe"])
    assert only(diagnosis(names=moved)).text.startswith("Hat, coat have another id")


def test_data_without_objects():
    finding = only(diagnosis([trace(0)]))
    assert finding.kind == "no_objects" and "annotated objects: 0 of 1" in finding.text


# --- The funnel ------------------------------------------------------------------------------------------------------


def test_objects_under_a_pixel():
    boxes = grid(10)
    boxes[:4, 2] = boxes[:4, 0] + 0.7
    finding = find(diagnosis([trace(boxes=boxes, detected=boxes[4:], said=np.arange(4, 10) % 3, anchors=[0.9] * 10)]))
    # Of what is smaller than a pixel neither anchors nor proposals reach the rest: see the traces' 0.9.
    assert [each.kind for each in finding] == ["boxes_miss"]
    tiny = trace(boxes=boxes, detected=boxes[4:], said=np.arange(4, 10) % 3, anchors=[0] * 4 + [0.9] * 6,
                 proposals=[0] * 4 + [0.9] * 6)
    finding = only(diagnosis([tiny]))
    assert finding.kind == "too_small" and "40 % of the objects (4) have a side under one pixel" in finding.text
    assert "--image-size 1024" in finding.remedy and finding.weight == 0.4


def test_anchors_that_miss():
    boxes = grid(10)
    boxes[:4, 2:] = boxes[:4, :2] + 12
    low = [0.2] * 4 + [0.9] * 6
    missed = trace(boxes=boxes, detected=boxes[4:], said=np.arange(4, 10) % 3, anchors=low, proposals=low)
    finding = only(diagnosis([missed]))
    text = "40 % of the objects (4) are reached by no anchor at --image-size 512 (4 are too small for"
    assert finding.kind == "anchors_miss" and finding.text.startswith(text)
    assert "the smallest anchor of 32 pixels" in finding.text and "median side is 12 pixels" in finding.text
    assert '--set "RPN_ANCHOR_SCALES=[' in finding.remedy and "(now 60 %)" in finding.remedy
    assert "--image-size 1024" in finding.remedy


def test_proposals_that_miss():
    low = [0.2] * 4 + [0.9] * 6
    missed = trace(detected=grid(10)[4:], said=np.arange(4, 10) % 3, proposals=low, first_proposals=low)
    finding = only(diagnosis([missed]))
    assert finding.kind == "proposals_miss" and "40 % of the objects (4) are lost by the proposal head" in finding.text
    assert "none of the 300 proposals" in finding.text and "is 0.60" in finding.text
    assert "POST_NMS_ROIS_INFERENCE" not in finding.remedy and "(train --weights last, with" in finding.remedy
    named, = find(diagnosis([missed]), "--weights last --set NAME=shop")
    assert "(train --weights last --set NAME=shop, with" in named.remedy
    full = only(diagnosis([missed], settings(POST_NMS_ROIS_INFERENCE=300)))
    assert "--set POST_NMS_ROIS_INFERENCE=600" in full.remedy


def test_no_proposals_at_all():
    zero = np.zeros(10)
    nothing = trace(detected=[], said=[], scores=[], proposals=zero, first_proposals=zero, proposal_count=0)
    assert kinds(diagnosis([nothing, nothing])) == ["no_proposals", "nothing_shown"]
    assert "any proposal: 0 of 2" in find(diagnosis([nothing, nothing]))[0].text


def test_proposals_that_miss_where_anchors_fit_by_half():
    low = [0.2] * 4 + [0.9] * 6
    missed = trace(detected=grid(10)[4:], said=np.arange(4, 10) % 3, proposals=low, anchors=[0.6] * 4 + [0.9] * 6)
    finding = only(diagnosis([missed]))
    assert finding.kind == "anchors_half_fit" and "IoU 0.70 it is 1.00, of others 0.00" in finding.text


def test_boxes_that_miss():
    finding = only(diagnosis([trace(detected=grid(6))]))
    assert finding.kind == "boxes_miss" and "40 % of the objects (4) have a proposal" in finding.text


def test_boxes_that_are_suppressed():
    boxes = np.concatenate([grid(6), grid(4) + [0, 15, 0, 15]])  # IoU 49 / 79 with those of the same class
    made = trace(boxes=boxes, classes=[0, 1, 2, 0, 1, 2, 0, 1, 2, 0], detected=boxes[:6] - [0, 10, 0, 10])
    finding = only(diagnosis([made]))  # IoU 54 / 74 with the former, 39 / 89 with the latter
    assert finding.kind == "suppressed" and "40 % of the objects (4)" in finding.text
    assert "DETECTION_NMS_THRESHOLD=0.7 (now 0.5)" in finding.remedy


def test_the_wrong_class():
    classes = np.arange(10) % 3  # hats 0, 3, 6, 9
    detected = np.concatenate([grid(10), grid(10)[classes == 0]])
    said = np.concatenate([np.where(classes == 0, 1, classes), [0] * 4])
    finding = find(diagnosis([trace(boxes=grid(10), detected=detected, said=said, scores=[0.9] * 10 + [0.1] * 4)]))[0]
    assert finding.kind == "wrong_class" and "4 hat as coat" in finding.text
    assert finding.text.startswith("40 % of the objects (4) are found, but another class scores higher than their own")
    assert "(label maps: by --mapping; other data: by one name for both" in finding.remedy  # which refuse the option


def test_one_class_for_all():
    finding = find(diagnosis([trace(said=[1] * 10)]))[0]
    assert finding.kind == "one_class" and "100 % of all detections are coat" in finding.text
    assert "CLASS_LOSS=class-balanced" in finding.remedy


def test_found_but_hidden():
    finding = only(diagnosis([trace(scores=[0.9] * 6 + [0.4] * 4)]))
    # Of 10 objects 6 are shown: F1 12 / 16. All are found at thresholds over 0 to 0.40, in the middle 0.20.
    assert finding.kind == "hidden" and "40 % of the objects (4)" in finding.text and finding.weight == 0.4
    assert "F1 of boxes is 0.75 at 0.7 and 1.00 at a threshold of 0.20" in finding.text
    assert "--min-confidence 0.20" in finding.remedy and "hat 2 of 4" in finding.text


def test_nothing_is_shown():
    finding = only(diagnosis([trace(scores=0.4)]))
    assert finding.kind == "hidden" and finding.weight == 1
    assert finding.text.startswith("Nothing at all is shown: the highest score is 0.40. 100 % of the objects (10)")
    # A threshold that gives an F1 under 0.2 is no remedy: 1 hit, 1 false alarm, 9 missed is 2 / 12.
    poor = trace(boxes=grid(10), detected=[grid(1)[0], [400, 400, 440, 440]], said=[0, 1], scores=[0.3, 0.4])
    assert kinds(diagnosis([poor])) == ["boxes_miss", "nothing_shown", "untaught_classes"]
    assert kinds(diagnosis([trace(scores=0.01)])) == ["nothing_shown"]
    nothing = find(diagnosis([trace(detected=[], said=[], scores=[])]))
    assert [finding.kind for finding in nothing] == ["boxes_miss", "nothing_shown"]
    assert "there is no detection at all" in nothing[1].text


def test_unsure_where_no_threshold_helps():
    detected = np.concatenate([grid(10), grid(10) + 300])
    scores = [0.9] * 6 + [0.4] * 4 + [0.5] * 10
    finding = only(diagnosis([trace(boxes=grid(10), detected=detected, said=np.arange(20) % 3, scores=scores)]))
    # At 0.4 F1 is 20 / (20 + 10), less than the 12 / 16 at 0.7.
    assert finding.kind == "unsure" and "F1 of boxes is 0.75 at 0.7 and 0.75" in finding.text


def test_false_alarms():
    detected = np.concatenate([grid(10), grid(10) + 300])
    made = trace(boxes=grid(10), detected=detected, said=np.arange(20) % 3, scores=[0.95] * 10 + [0.75] * 10)
    finding = only(diagnosis([made]))
    assert finding.kind == "false_alarms" and finding.text.startswith("50 % of the detections that score 0.7 or more")
    assert "--min-confidence 0.8" in finding.remedy  # the middle of 0.76..0.95


def test_masks_that_are_poor():
    assert "never trained" in only(diagnosis([trace(masks=0.1)])).text
    finding = only(diagnosis([trace(masks=[0.9] * 6 + [0.3] * 4)]))
    text = "4 of the 10 objects that are found in their class (40 %) have a right box, but a mask of IoU under 0.50"
    assert finding.kind == "poor_masks" and finding.text.startswith(text)


# --- Limits and classes ----------------------------------------------------------------------------------------------


def test_limits_that_are_reached():
    finding = only(diagnosis(config=settings(DETECTION_MAX_INSTANCES=10)))
    assert finding.kind == "too_many_detections" and "2 of 2 photos have 10 detections" in finding.text
    assert "DETECTION_MAX_INSTANCES=20" in finding.remedy
    finding = only(diagnosis(config=settings(MAX_GT_INSTANCES=8)))
    assert finding.kind == "too_many_objects" and "MAX_GT_INSTANCES=50" in finding.remedy
    assert "A photo has 10 objects" in finding.text and "(2 of these photos have more, together 4)" in finding.text
    finding = only(diagnosis(training={"objects": [9, 9, 9], "most": 130}))
    assert "A photo has 130 objects" in finding.text and "MAX_GT_INSTANCES=150" in finding.remedy


def test_classes_that_were_never_taught():
    finding = only(diagnosis(training={"objects": [50, 0, 7], "most": 9}))
    assert finding.kind == "untaught_classes" and "training data: coat." in finding.text
    classes = np.arange(10) % 3
    silent = diagnosis([trace(said=np.where(classes == 1, 2, classes))])
    assert kinds(silent) == ["wrong_class", "untaught_classes"]
    assert "Never named by the network with a score of 0.05: coat (3 objects)" in find(silent)[1].text


def test_the_worst_comes_first_and_every_finding_says_what_to_do():
    spoiled = diagnosis([trace(masks=[0.9] * 6 + [0.3] * 4, scores=[0.9] * 3 + [0.4] * 7)],
                        weights=weight_summary({"mrcnn_mask": (KERNEL, KERNEL)}), epoch=0)
    findings = find(spoiled)
    assert [finding.kind for finding in findings] == ["untrained_heads", "hidden", "poor_masks"]
    assert all(finding.remedy and finding.text.endswith(".") for finding in findings)
    assert len(RULES) == len(set(RULES))
