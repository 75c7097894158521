"""What is drawn into frames: colours of tracks, colour splash, blur and transparency, at known pixels."""

import numpy as np

from mrcnn.data import run_lengths
from mrcnn.drawing import frames
from mrcnn.drawing.pictures import distinct_colors

NAMES = ["BG", "hat", "tie"]


def photo(size=(60, 80)):
    """Stripes of red and blue, two pixels wide."""
    image = np.zeros((*size, 3), np.uint8)
    image[:, ::4, 0] = image[:, 1::4, 0] = 200
    image[:, 2::4, 2] = image[:, 3::4, 2] = 200
    return image


def found(track, rows, columns, class_id=1, size=(60, 80)):
    mask = np.zeros(size, bool)
    mask[rows, columns] = True
    box = np.float32([rows.start, columns.start, rows.stop, columns.stop])
    return {"track": track, "class_id": class_id, "score": 0.9, "box": box, "rle": run_lengths.encode(mask)}


def test_a_track_has_its_colour_whatever_else_there_is():
    one, other = found(3, slice(30, 50), slice(10, 30)), found(1, slice(30, 50), slice(50, 70))
    alone, both = (frames.draw_tracks(photo(), objects, NAMES) for objects in ([one], [other, one]))
    # The outline, one pixel wide, is the colour of the track itself: column 20 of the lowest row of the mask.
    colour = np.trunc(255 * np.array(distinct_colors(3)[2]))
    np.testing.assert_allclose(alone[49, 20], colour, atol=1)
    np.testing.assert_allclose(both[49, 20], colour, atol=1)
    assert frames.color_of(3) != frames.color_of(1)
    np.testing.assert_array_equal(frames.draw_tracks(photo(), [], NAMES), photo())


def test_scores_are_written_when_they_are_asked_for():
    one = found(1, slice(30, 50), slice(10, 30))
    plain, scored = (frames.draw_tracks(photo(), [one], NAMES, scores) for scores in (False, True))
    assert (plain != scored).any()


def test_attributes_are_written_behind_the_number():
    one = found(1, slice(30, 50), slice(10, 30))
    plain, told, other = (frames.draw_tracks(photo(), [{**one, "attributes": words}], NAMES, False, ["brim: v"])
                          for words in ({}, {"brim: v": 0.9}, {"red": 0.9}))
    assert (plain != told).any() and (told != other).any()
    np.testing.assert_array_equal(plain, frames.draw_tracks(photo(), [one], NAMES))


def test_splash_keeps_colour_inside_and_turns_the_rest_grey():
    inside = frames.covered([found(1, slice(0, 30), slice(0, 40)), found(2, slice(20, 40), slice(0, 10))], (60, 80))
    assert inside.sum() == 30 * 40 + 10 * 10  # the second sticks out by ten rows of ten
    result = frames.splash(photo(), inside)
    np.testing.assert_array_equal(result[inside], photo()[inside])
    # BT.601: 0.299 200 = 59.8 of red, 0.114 200 = 22.8 of blue.
    assert result[50, 40].tolist() == [60, 60, 60] and result[50, 42].tolist() == [23, 23, 23]


def test_blur_mixes_what_is_inside_alone():
    inside = np.zeros((60, 80), bool)
    inside[10:50, 10:70] = True
    result = frames.blur(photo(), inside)
    np.testing.assert_array_equal(result[~inside], photo()[~inside])
    # The stripes' mean: half red, half blue.
    np.testing.assert_allclose(result[30, 40], [100, 0, 100], atol=12)
    np.testing.assert_array_equal(frames.blur(photo(), inside & False), photo())
    large = frames.blur(np.kron(photo(), np.ones((8, 8, 1), np.uint8)), np.ones((480, 640), bool))  # by a quarter size
    assert large.shape == (480, 640, 3) and abs(int(large[240, 320, 0]) - 100) < 40


def test_cut_out_is_opaque_inside_and_black_and_clear_outside():
    inside = np.zeros((60, 80), bool)
    inside[10:20, 10:20] = True
    result = frames.cut_out(photo(), inside)
    np.testing.assert_array_equal(result[inside], np.dstack([photo(), np.full((60, 80, 1), 255, np.uint8)])[inside])
    assert not result[~inside].any()


def test_label_maps_are_drawn_at_the_size_of_the_frame():
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30] = 1
    result = frames.draw_labels(photo(), labels, NAMES)
    assert result.shape == (60, 80, 3)
    np.testing.assert_array_equal(result[40], photo()[40])
    assert (result[20] != photo()[20]).any()
