"""Photos of data sets as networks take them."""

from types import SimpleNamespace

import numpy as np
import pytest
from made_pictures import Pictures

from mrcnn.data.checked_photos import checked_photo, photos_for
from mrcnn.errors import DataError

PHOTO = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5


def of(*photos):
    return Pictures([(photo, np.zeros((4, 4, 0), bool), np.zeros(0, int)) for photo in photos])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int64, np.float32])
def test_numbers_of_any_type_are_taken_as_0_to_255(kind):
    photo = checked_photo(of(PHOTO.astype(kind)), 0, 3)
    assert photo.dtype == np.uint8
    np.testing.assert_array_equal(photo, PHOTO)


def test_fractions_are_rounded_and_colours_become_grey_where_the_network_is_of_grey_photos():
    photo = np.full((4, 4, 3), [100.4, 50.6, 0.0])
    assert checked_photo(of(photo), 0, 3)[0, 0].tolist() == [100, 51, 0]
    assert checked_photo(of(photo), 0, 1)[0, 0].tolist() == [60]  # 0.299 x 100 + 0.587 x 51 = 59.8


@pytest.mark.parametrize("photo, channels, message", [
    (PHOTO.astype(np.uint16) * 100, 3, "uint16 values from 0 to 23500: return uint8"),
    (PHOTO / 255, 3, "return uint8 from 0 to 255"),
    (PHOTO / 235 * 1.000001, 3, "from 0.0 to 1.000001: return uint8 from 0 to 255"),
    ((PHOTO / 235 * 1.2).astype(np.float32), 3, "from 0.0 to 1.2"),
    (PHOTO, 4, r"load_image gave \[4, 4, 3\]: return \[height, width, 4\]"),
    (PHOTO[..., 0], 3, r"load_image gave \[4, 4\]"),
])
def test_what_no_network_takes_is_named(photo, channels, message):
    with pytest.raises(DataError, match=f"picture1.png: .*{message}"):
        checked_photo(of(PHOTO, photo), 1, channels)


def test_a_model_gets_the_channels_that_it_asks_for_or_any_where_it_does_not_say():
    model = SimpleNamespace(config=SimpleNamespace(IMAGE_CHANNEL_COUNT=1))
    assert [photo.shape for photo in photos_for(model, of(PHOTO, PHOTO), [0, 1])] == [(4, 4, 1)] * 2
    assert photos_for(SimpleNamespace(), of(PHOTO), [0])[0].shape == (4, 4, 3)


def test_a_black_photo_of_fractions_is_black_whatever_their_range():
    assert not checked_photo(of(np.zeros((4, 4, 3))), 0, 3).any()
