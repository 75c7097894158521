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


def test_a_path_is_answered_with_what_the_network_takes():
    with pytest.raises(DataError, match="Image 0 is 'a.png': give what mrcnn.data.images.load_image makes of a path"):
        checked_image("a.png", 0, 3)
    with pytest.raises(DataError, match="Image 0 is 'a.png': give its pixels, uint8 .height, width, 5."):
        checked_image("a.png", 0, 5)
