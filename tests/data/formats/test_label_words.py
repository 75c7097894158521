"""Names of labels that are no classes: the background, and what is ignored."""

import pytest

from mrcnn.data.formats.label_words import IGNORED, begins_with_nothing, from_0, is_no_class, words_among


@pytest.mark.parametrize("names, words", [
    ({0: "background", 1: "shirt"}, {}),
    ({0: "background", 1: "shirt", 2: "ignored"}, {2: IGNORED}),
    ({0: "Void", 1: "shirt"}, {0: IGNORED}),
    ({0: "black", 1: "background", 2: "shirt", 3: "__ignore__"}, {1: 0, 3: IGNORED}),
    ({0: "none", 6: "BG", 7: "avoid", IGNORED: "void"}, {6: 0}),
])
def test_words_for_background_and_what_is_ignored(names, words):
    assert words_among(names) == words


def test_labelmes_labels_begin_with_minus_1():
    assert from_0({0: "__ignore__", 1: "_background_", 2: "shirt"}) == {0: "_background_", 1: "shirt"}
    for kept in ({0: "void", 1: "shirt"}, {0: "void", 1: "background"}, {0: "__ignore__", 1: "shirt"}):
        assert from_0(kept) == kept


def test_names_of_label_0_that_are_no_class():
    assert all(map(is_no_class, ("Background", "_background_", "un-labelled", "other", "background/waterbody")))
    assert not any(map(is_no_class, ("skin", "road", "nobody", "backgrounds")))
    assert begins_with_nothing(["unlabeled", "skin"]) and not begins_with_nothing(["other", "skin"])
    assert not begins_with_nothing([])
