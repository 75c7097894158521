"""The settings of YOLACT."""

from mrcnn.config import Settings
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
    # proportion to IMAGE_MAX_DIM on others.
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
        return tuple(scale * self.IMAGE_MAX_DIM / PAPER_SIDE for scale in PAPER_SCALES)
