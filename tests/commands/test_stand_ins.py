"""Options of a preset yield to the user's, whichever of option and setting either of them says."""

import pytest

from mrcnn.commands.stand_ins import without_replaced


@pytest.mark.parametrize("preset, later, kept", [
    ("--batch-size 8 --stages all:1:1", "--set BATCH_SIZE=2", "--stages all:1:1"),
    ("--batch-size=8 --stages all:1:1", "--set IMAGES_PER_GPU=2", "--stages all:1:1"),
    ("--set IMAGE_MIN_DIM=640 --set IMAGE_MAX_DIM=1024 --set NORM=group", "--image-size 512", "--set NORM=group"),
    ("--set=IMAGE_MAX_DIM=1024 --set NORM=group", "--image 512", "--set NORM=group"),
    ("--image-size 1024 --backbone small", "--set IMAGE_MAX_DIM=512", "--backbone small"),
    ("--image-size 1024", "--set IMAGE_MIN_DIM=512", "--image-size 1024"),  # which may stand beside it
    ("--batch-size 8 --set NORM=group", "--set GPU_COUNT=2 --limit 3", "--batch-size 8 --set NORM=group"),
    ("--backbone small", "--backbone resnet50", "--backbone small"),  # the last of two wins anyway
])
def test_what_stays_of_a_preset(preset, later, kept):
    assert without_replaced(preset.split(), later.split()) == kept.split()
