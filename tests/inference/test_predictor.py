"""Photos that are given to a network."""

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.errors import DataError
from mrcnn.inference.predictor import checked_image
from mrcnn.matterport.images import mold_image


@pytest.mark.parametrize("channels, message", [
    (1, "uint8 .height, width, 1. grey, or RGB as mrcnn.data.images.load_image does"),
    (3, "uint8 .height, width, 3. RGB, as mrcnn.data.images.load_image does"),
    (4, "uint8 .height, width, 4., its channels as those that the network was trained on"),
])
def test_what_is_asked_for_is_what_load_image_gives_only_where_it_does(channels, message):
    with pytest.raises(DataError, match=f"Image 2 is uint8 .8, 8, 2.: give {message}"):
        checked_image(np.zeros((8, 8, 2), np.uint8), 2, channels)


def test_numbers_of_a_photo_may_have_any_type():
    photo = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    for kind in (np.float32, np.float64, np.int64, np.uint16):
        seen = checked_image(photo.astype(kind), 0, 3)
        assert seen.dtype == np.uint8 and np.array_equal(seen, photo)
    assert checked_image(photo.astype(np.float32), 0, 1).shape == (8, 9, 1)
    with pytest.raises(DataError, match="Image 4 has values from -1[0-9.]+ to .* as a molded one has: give the photo"):
        checked_image(mold_image(photo, Config()), 4, 3)
    refused = [(photo / 255, "float64 .8, 9, 3. of 0 to 1"), (photo * 256.0, "float64 .8, 9, 3. of 0 to 65280"),
               (photo > 9, "bool .8, 9, 3."), (np.full((8, 9, 3), np.nan), "float64"),
               (np.zeros((8, 9, 3)), "float64 .8, 9, 3. of 0 to 0")]
    for image, told in refused:
        with pytest.raises(DataError, match=f"Image 0 is {told}.*give uint8 .height, width, 3. RGB"):
            checked_image(image, 0, 3)
