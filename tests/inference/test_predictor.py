"""Photos that are given to a network."""

import numpy as np
import pytest

from mrcnn.errors import DataError
from mrcnn.inference.predictor import checked_image


@pytest.mark.parametrize("channels, message", [
    (1, "uint8 .height, width, 1. grey, or RGB as mrcnn.data.images.load_image does"),
    (3, "uint8 .height, width, 3. RGB, as mrcnn.data.images.load_image does"),
    (4, "uint8 .height, width, 4., its channels as those that the network was trained on"),
])
def test_what_is_asked_for_is_what_load_image_gives_only_where_it_does(channels, message):
    with pytest.raises(DataError, match=f"Image 2 is uint8 .8, 8, 2.: give {message}"):
        checked_image(np.zeros((8, 8, 2), np.uint8), 2, channels)
