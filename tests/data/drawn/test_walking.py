"""The drawn film: the same people in all frames, walking past each other and behind the post."""

import numpy as np

from mrcnn.data.drawn.walking import POST, walking_people

COUNT, SIZE = 9, (96, 160)


def test_garments_keep_number_class_and_colour_while_their_people_walk():
    frames = list(walking_people(COUNT, SIZE))
    assert all(frame.class_ids == frames[0].class_ids for frame in frames)
    centres, colours = {}, {}
    for frame in frames:
        assert frame.image.shape == (*SIZE, 3) and set(np.unique(frame.instances)) <= {0, *frame.class_ids}
        for number in frame.class_ids:
            inside = frame.instances == number
            if inside.sum() >= 40:
                centres.setdefault(number, []).append(np.argwhere(inside).mean(axis=0)[1])
                colours.setdefault(number, []).append(np.median(frame.image[inside], axis=0))
    assert len(centres) >= 6
    steps = {number: np.diff(places) for number, places in centres.items() if len(places) > 3}
    assert all((step > 0).all() or (step < 0).all() for step in steps.values())
    assert {step[0] > 0 for step in steps.values()} == {True, False}  # from both sides
    assert np.mean([np.std(seen, axis=0).mean() for seen in colours.values()]) < 12


def test_the_post_hides_who_is_behind_it():
    for frame in walking_people(COUNT, SIZE):
        assert not frame.instances[:, round(POST[0] * SIZE[1]) + 1:round(POST[1] * SIZE[1]) - 1].any()


def test_a_film_is_the_same_whenever_it_is_drawn():
    first, second = (list(walking_people(3, SIZE, seed=4)) for _ in range(2))
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one.image, other.image)
    assert (first[0].image != next(walking_people(3, SIZE, seed=5)).image).any()
