"""What callers give to be drawn: forms of masks and names, and what is refused."""

import numpy as np
import pytest

from mrcnn.data.run_lengths import encode
from mrcnn.drawing import arguments


def test_a_list_of_masks_holds_planes_or_run_lengths():
    plane = np.zeros((4, 6), bool)
    plane[1:3, 2:5] = True
    masks = (plane, encode(plane))
    assert arguments.check_counts(masks, (4, 6), boxes=[0, 0]) == 2
    top, left, part = arguments.mask_parts(masks, 2)[0]
    assert (top, left, part.shape) == (1, 2, (2, 3)) and part.all()
    np.testing.assert_array_equal(arguments.mask_planes(masks, (4, 6)), np.dstack([plane, plane]))
    assert arguments.mask_planes([], (4, 6)).shape == (4, 6, 0)
    with pytest.raises(ValueError, match=r"The masks are of size \[4, 6\], the photo of \[8, 6\]"):
        arguments.check_counts([plane], (8, 6), boxes=[0])


@pytest.mark.parametrize("mask, told", [(np.zeros((2, 2, 2)), r"shape \[2, 2, 2\]"), (3, r"shape \[\]"),
                                        ({"mask": 1}, r"keys \['mask'\]")])
def test_what_is_no_mask_is_told_with_its_place(mask, told):
    with pytest.raises(ValueError, match=rf"masks\[1\] has {told}: a list of masks holds arrays \[H, W\], or run len"):
        arguments.check_counts([np.zeros((2, 2)), mask], (2, 2), boxes=[0, 0])


def test_colours_are_three_numbers_in_their_range():
    np.testing.assert_array_equal(arguments.check_colors([(1, 0, 0.5)]), [[1, 0, 0.5]])
    assert arguments.check_colors([]).shape == (0, 3)
    for color in ((255, 0, 0), (0.5, 0.5, -0.1), (0, 0, np.nan), (1, 0, 0, 1), "red", 0.5):
        with pytest.raises(ValueError, match=r"A colour is \(r, g, b\) in 0..1, not .*: divide"):
            arguments.check_colors([(0, 0, 0), color])


def test_names_by_id_and_in_order():
    sparse = {2: "bag", 5: "shoe"}
    assert [arguments.class_name(np.int64(i), sparse) for i in (2, 3, 5, 9)] == ["bag", "class 3", "shoe", "class 9"]
    assert [arguments.class_name(i, np.array(["BG", "bag"])) for i in (-1, 1, 2)] == ["class -1", "bag", "class 2"]
    assert arguments.caption_of(5, sparse, [0.756], 0) == "shoe 0.76"
    assert arguments.names_in_order(sparse) == ["BG", "class 1", "bag", "class 3", "class 4", "shoe"]
    assert arguments.names_in_order(["BG", "bag"]) == ["BG", "bag"] and arguments.names_in_order({}) == ["BG"]


@pytest.mark.parametrize("names, told", [({"bag": 1}, "the key 'bag', which is no class id: give {id: name}"),
                                         ({"bag"}, "of the type set: give a list of names"), ("bag", "of the type str"),
                                         (None, "of the type NoneType")])
def test_names_that_no_id_leads_to_are_refused(names, told):
    with pytest.raises(ValueError, match=f"class_names (is|has) {told}"):
        arguments.class_name(1, names)


def test_lists_that_belong_together_are_counted():
    arguments.check_same("show", titles=["a"], images=[0])
    with pytest.raises(ValueError, match="show needs as many titles as images, got 2 titles and 1 images"):
        arguments.check_same("show", titles=["a", "b"], images=[0])
