"""The settings of YOLACT."""

import os
import warnings

from mrcnn.config import Settings
from mrcnn.config_base import Own
from mrcnn.config_rules import check_yolact

PAPER_SIDE, PAPER_SCALES = 550, (24, 48, 96, 192, 384)  # pixels: of the canvas, and of the anchors on it (section 4)


class YolactSettings(Settings, network="YOLACT"):
    """Settings of YOLACT. Subclass them, as you would `Config`; names without YOLACT_ mean what they mean there."""

    # --- The network -------------------------------------------------------------------------------------------------
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 576  # the paper's 550 does not divide by 64, which the pyramid needs
    TOP_DOWN_PYRAMID_SIZE = 256  # channels of the pyramid, the prototype branch and the prediction head
    YOLACT_HEAD_NORM = "group"  # of the last two of these (Wu and He 2018); the paper has "none", and longer schedules
    YOLACT_PROTOTYPES = 32  # masks of the whole canvas, of which each object's mask is a sum (section 3.1)
    # Sides of the square anchors in pixels, one for each of P3..P7; None: 24 to 384 on a canvas of 550, and in
    # proportion to the side of IMAGE_SHAPE on others. A checkpoint keeps those that it was trained with.
    YOLACT_ANCHOR_SCALES = None
    YOLACT_ANCHOR_RATIOS = [0.5, 1, 2]  # width / height

    # --- True objects ------------------------------------------------------------------------------------------------
    USE_MINI_MASK = True  # each true mask lies in its box, and is brought to stride 4 where it is needed
    MINI_MASK_SHAPE = (112, 112)  # as fine as the prototypes for objects up to 448 pixels
    MAX_GT_INSTANCES = 100

    # --- Training ----------------------------------------------------------------------------------------------------
    YOLACT_POSITIVE_IOU = 0.5  # an anchor of such an IoU with an object is to become it
    YOLACT_NEGATIVE_IOU = 0.4  # one below it with all is background; between the two it teaches nothing
    YOLACT_HARD_NEGATIVES = 3  # the hardest negatives, so many times the positives, count (section 4; Liu 2016)
    YOLACT_TRAIN_MASKS = 100  # masks are assembled for so many positive anchors of a photo, chosen at random
    CROWD_OVERLAP = 0.7
    BBOX_STD_DEV = [0.1, 0.1, 0.2, 0.2]
    LOSS_WEIGHTS = {  # section 3.3, and section 5 for the last
        "yolact_class_loss": 1.0,
        "yolact_bbox_loss": 1.5,
        "yolact_mask_loss": 6.125,
        "yolact_semantic_loss": 1.0,
    }

    # --- Detection ---------------------------------------------------------------------------------------------------
    YOLACT_NMS = "fast"  # section 5; or "greedy", where a suppressed box suppresses no other
    YOLACT_NMS_CANDIDATES = 200  # of each class, the best ones, that suppression looks at
    DETECTION_NMS_THRESHOLD = 0.5
    DETECTION_MAX_INSTANCES = 100
    DETECTION_MIN_CONFIDENCE = 0.5
    MASK_SCORES = False  # scores times the mean probability inside the mask, as SOLO (Wang 2020) has it

    def check_together(self) -> None:
        super().check_together()
        check_yolact(self)

    def anchor_scales(self) -> tuple[float, ...]:
        """Tell the sides of the square anchors.

        Returns:
            YOLACT_ANCHOR_SCALES, or what None stands for, pixels.
        """
        if self.YOLACT_ANCHOR_SCALES is not None:
            return tuple(float(scale) for scale in self.YOLACT_ANCHOR_SCALES)
        return scales_on(self.IMAGE_SHAPE[0])

    def to_dict(self) -> dict[str, object]:
        """Give the settings as JSON can hold them, with the anchors that None stands for: weights are learned for them.

        `save`, whose files have no weights, leaves None, so that the anchors go with the canvas of who loads them.

        Returns:
            As of `Settings`.
        """
        values = super().to_dict()
        if values["YOLACT_ANCHOR_SCALES"] is None and self.IMAGE_SHAPE[0]:
            values["YOLACT_ANCHOR_SCALES"] = list(self.anchor_scales())
        return values

    @classmethod
    def from_dict(cls: type[Own], values: dict, source: str | os.PathLike | None = None, **overrides: object) -> Own:
        """Make settings from what `to_dict` gave; its anchors stay, whatever the canvas of the overrides.

        So do those of a None, which earlier versions wrote into checkpoints. `load` leaves None as it is.

        Args:
            values, source, overrides: as of `Settings`.

        Returns:
            An instance of this class.

        Raises:
            ConfigError: for a name or value that cannot be.
        """
        before = scales_before(values) if isinstance(values, dict) else None
        if before and "YOLACT_ANCHOR_SCALES" not in overrides:
            least, most = values.get("IMAGE_MIN_DIM"), values["IMAGE_MAX_DIM"]
            if values.get("IMAGE_RESIZE_MODE") == "crop" and least != most:
                shown = ",".join(f"{scale:.4g}" for scale in before)
                warnings.warn(f"{source or 'The settings'}: the anchors stay [{shown}] pixels, in proportion to "
                              f"IMAGE_MAX_DIM={most}, with which the network was trained; a new training has those of "
                              f"the canvas of {least} (YOLACT_ANCHOR_SCALES=None).", stacklevel=3)
            values = {**values, "YOLACT_ANCHOR_SCALES": list(before)}
        return super().from_dict(values, source, **overrides)


def scales_on(side: float | None) -> tuple[float, ...]:
    """Tell what YOLACT_ANCHOR_SCALES=None stands for.

    Args:
        side: of the canvas, pixels; None, which no canvas has, counts as 0.
    """
    return tuple(scale * float(side or 0) / PAPER_SIDE for scale in PAPER_SCALES)


def scales_before(values: dict) -> tuple[float, ...] | None:
    """Tell what YOLACT_ANCHOR_SCALES=None stands for in written settings; None: they say no None, or have no canvas.

    Settings are written with the scales themselves by now. Before they had None, which went with IMAGE_MAX_DIM, in mode
    crop too, where that sizes no canvas.

    Args:
        values: {name: value} of the settings.
    """
    most = values.get("IMAGE_MAX_DIM")
    asked = values.get("YOLACT_ANCHOR_SCALES", ()) is None and isinstance(most, (int, float)) and most > 0
    if values.get("IMAGE_RESIZE_MODE") == "crop" and values.get("IMAGE_MIN_DIM", most) is None:
        return None  # no network can have been built from these
    return scales_on(most) if asked else None
