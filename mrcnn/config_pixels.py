"""The settings of the networks that tell a class of each pixel."""

from mrcnn.config import Settings
from mrcnn.config_rules import check_losses, check_pixels

PIXEL_LOSSES = {"pixel_class_loss": 1.0}


class PixelSettings(Settings, network="networks of pixels"):
    """What these networks have in common. Subclass a network's own settings, as you would `Config`."""

    HEAD_NORM = "group"  # of all that is no backbone, "batch" or "group"; None: as NORM says

    # --- Losses ------------------------------------------------------------------------------------------------------
    # "cross-entropy", "focal" (Lin 2017), "dice" (Milletari 2016), "jaccard" (Lovasz-Softmax, Berman 2018), or a sum of
    # some, as in "cross-entropy+jaccard".
    PIXEL_LOSS = "cross-entropy"
    # Of cross-entropy and focal: a number for each class, background's first; "pixels": rare classes count more, as the
    # training photos show them; None: all alike.
    PIXEL_CLASS_WEIGHTS = None
    BACKGROUND_WEIGHT = 1.0  # of class 0, where PIXEL_CLASS_WEIGHTS lists no numbers
    FOCAL_GAMMA = 2.0
    HARD_PIXELS = 1.0  # share of the pixels, those of the largest loss, that cross-entropy and focal count

    LOSS_WEIGHTS = dict(PIXEL_LOSSES)

    def check_together(self) -> None:
        super().check_together()
        check_losses(self, self._of_network().LOSS_WEIGHTS)
        check_pixels(self)


class DeepLabSettings(PixelSettings, network="DeepLabv3"):
    """Settings of DeepLabv3."""

    BACKBONE = "resnet50"
    OUTPUT_STRIDE = 16  # of C5; 8 is finer and costs two to three times as much; one's weights serve the other
    ATROUS_RATES = (6, 12, 18)  # at stride 16, doubled at 8 (Chen 2017, section 3.3)
    ASPP_CHANNELS = 256
    HEAD_DROPOUT = 0.5  # behind the pyramid pooling; 0.1 in DeepLabv3+
    AUXILIARY_HEAD = True  # on C4, in training alone
    LOSS_WEIGHTS = {**PIXEL_LOSSES, "auxiliary_loss": 0.5}  # as torchvision trained


class DeepLabPlusSettings(DeepLabSettings, network="DeepLabv3+"):
    """Settings of DeepLabv3+."""

    HEAD_DROPOUT = 0.1
    AUXILIARY_HEAD = False


class UNetSettings(PixelSettings, network="U-Net"):
    """Settings of U-Net."""

    BACKBONE = "resnet50"
    UNET_ENCODER = "backbone"  # or "plain": the paper's own, from random weights
    UNET_CHANNELS = 32  # of the finest map, doubled at each halving up to eight times as many; the paper has 64
    UNET_UPSAMPLING = "bilinear"  # or "transposed", the paper's up-convolution


class U2NetSettings(PixelSettings, network="U2-Net"):
    """Settings of U2-Net and U2-Net-p, whose encoder is their own."""

    BACKBONE = "own"
    LOSS_WEIGHTS = {**PIXEL_LOSSES, "side_loss": 1.0}  # all seven outputs count alike (Qin 2020, equation 1)
