"""Names of colours: of known ones, and of all of CIELAB."""

import numpy as np
import pytest

from mrcnn.collections.colour_names import COLOURS, NAMES, colour_numbers


@pytest.mark.parametrize("name", NAMES)
def test_the_swatch_of_a_name_has_that_name(name):
    from skimage.color import rgb2lab

    assert NAMES[colour_numbers(rgb2lab(np.array([[COLOURS[name]]]) / 255)[0])[0]] == name


@pytest.mark.parametrize(("rgb", "name"), [
    ((0, 0, 0), "black"), ((255, 255, 255), "white"), ((128, 128, 128), "grey"), ((255, 0, 0), "red"),
    ((0, 0, 255), "blue"), ((0, 128, 0), "green"), ((255, 255, 0), "yellow"), ((255, 165, 0), "orange"),
    ((255, 192, 203), "pink"), ((128, 0, 128), "purple"), ((70, 90, 120), "blue"), ((30, 35, 60), "navy"),
    ((245, 245, 220), "beige"), ((101, 67, 33), "brown"), ((0, 200, 200), "turquoise")])
def test_colours_that_everybody_names(rgb, name):
    from skimage.color import rgb2lab

    assert NAMES[colour_numbers(rgb2lab(np.array([[rgb]], float) / 255)[0])[0]] == name


def test_all_of_cielab_has_a_name():
    lab = np.stack(np.meshgrid(np.arange(0, 101, 4), *[np.arange(-128, 129, 8)] * 2), axis=-1).reshape(-1, 3)
    named = colour_numbers(lab.astype(float))
    assert named.shape == (len(lab),) and set(named) == set(range(len(NAMES)))
