"""Lists of class names held against each other."""

from types import SimpleNamespace

import pytest

from mrcnn.data.class_names import (
    check_class_names,
    check_knows,
    first_difference,
    joined_already,
    listed_classes,
    members_of_classes,
    names_taken,
    same_classes,
    written_classes,
)
from mrcnn.data.dataset import Dataset
from mrcnn.errors import DataError

NAMES = ["BG", "shirt, blouse", "hat", "shoe"]


@pytest.mark.parametrize("given, expected", [
    (NAMES, None),
    (["background", *NAMES[1:]], None),
    (["BG", "shirt", "hat", "shoe"], None),  # as Matterport's data sets cut it
    (["BG", "shirt, top", "hat", "shoe"], 1),
    (["BG", "shirt, blouse", "shoe", "hat"], 2),
    (NAMES[:3], 3),
    ([*NAMES, "bag"], 4),
    (["BG", "class 1", "class 2", "class 3"], None),  # of an exported network without names
    (["BG", "class 1", "class 2"], 3),
    (None, None),
])
def test_the_first_difference(given, expected):
    assert first_difference(NAMES, given) == first_difference(given, NAMES) == expected
    assert same_classes(NAMES, given) is (expected is None)


def test_the_message_names_it_and_the_remedy():
    with pytest.raises(DataError, match="^A has hat, shoe, but B has hat: class 2 is 'shoe' there and none here, .* "
                                        "same order: add it.$"):
        check_class_names(["BG", "hat", "shoe"], ["BG", "hat"], "A has", "B has", "add it")
    many = ["BG", *map(str, range(9))]
    with pytest.raises(DataError, match=r"A has 0, 1, 2, 3, 4, 5, \.\.\. \(9 in all\), but B has none: class 1 is '0'"):
        check_class_names(many, ["BG"], "A has", "B has", "add them")


def test_a_model_that_knows_no_names_takes_any():
    data = SimpleNamespace(class_names=NAMES)
    check_knows(SimpleNamespace(), data)
    check_knows(SimpleNamespace(class_names=None), data)
    with pytest.raises(DataError, match="class 2 is 'shoe' there and 'hat' here.*model.class_names"):
        check_knows(SimpleNamespace(class_names=["BG", "shirt", "shoe", "hat"]), data)


@pytest.mark.parametrize("value, names", [
    (None, None), ("boot", ["boot"]), ("shoe, boot", ["shoe", "boot"]), (("shoe, low", "boot"), ["shoe, low", "boot"]),
    ("", "CLASSES"), ([], "CLASSES"), (3, "CLASSES=3: give names of classes, as --set CLASSES=NAME,NAME"),
    (["a", 1], "CLASSES"),
])
def test_the_classes_that_a_setting_names(value, names):
    if isinstance(names, str):
        with pytest.raises(DataError, match=names):
            listed_classes(value)
    else:
        assert listed_classes(value) == names


def of_names(*names):
    dataset = Dataset()
    for class_id, name in enumerate(names, 1):
        dataset.add_class("made", class_id, name)
    dataset.prepare()
    return dataset


def test_classes_of_one_name_are_told_apart_and_told():
    dataset = of_names("hat", "dress", "dress ", "dress (2)", "a, b")
    with pytest.warns(UserWarning, match=r"^o.xml: 2 classes share their name with another; .* written as "
                                         r"dress \(2\) \(2\), dress \(3\): rename .*--to coco keeps"):
        names = written_classes(dataset, "o.xml")
    assert names == ["hat", "dress (2) (2)", "dress (3)", "dress (2)", "a, b"]


@pytest.mark.filterwarnings("error")
def test_names_that_differ_stay_as_they_are():
    assert written_classes(of_names("a  b", "a b", "A b", "a, b"), "o.xml") == ["a  b", "a b", "A b", "a, b"]


KNOWN = ["hat", "boots", "shoe", "a+b", "*b=c"]


@pytest.mark.parametrize("names, members", [
    (["shoe", "hat"], {"shoe": ["shoe"], "hat": ["hat"]}),
    (["footwear=boots+shoe", "hat"], {"footwear": ["boots", "shoe"], "hat": ["hat"]}),
    (["shoe = shoe + boots"], {"shoe": ["shoe", "boots"]}),
    (["cap=hat"], {"cap": ["hat"]}),
    (["x=a+b", "*b=c"], {"x": ["a+b"], "*b=c": ["*b=c"]}),  # names of classes go before what they might say
    (["*", "footwear=boots+shoe"],
     {"hat": ["hat"], "a+b": ["a+b"], "*b=c": ["*b=c"], "footwear": ["boots", "shoe"]}),
    (["shoe=shoe+hat", "*"], {"shoe": ["shoe", "hat"], "boots": ["boots"], "a+b": ["a+b"], "*b=c": ["*b=c"]}),
])
def test_classes_to_learn_are_made_of_classes_of_the_data(names, members):
    found = members_of_classes(names, KNOWN)
    assert found == members and list(found) == list(members)
    assert {old for olds in members.values() for old in olds} <= names_taken(names) | set(KNOWN if "*" in names else ())


@pytest.mark.parametrize("names, told", [
    (["footwear=boot+shoe"], "'boot' are none of the data's .did you mean 'boots'"),
    (["f=boots+boots"], "'boots' are named twice"),
    (["hat", "f=hat+boots"], "'hat' are named twice"),
    (["f=hat", "f=boots"], "'f' are named twice"),
    (["*", "*"], "'hat' are named twice"),
    (["shoe=boots"], "shoe=boots has the name of a class of the data .*or shoe=shoe.boots to join them"),
    (["=hat"], "'=hat' are none"), (["f="], "'f=' are none"), (["f=hat+"], r"'f=hat\+' are none"),
    (["BG=hat+shoe"], "BG is the background's name"),
])
def test_classes_that_cannot_be_made_are_refused(names, told):
    with pytest.raises(DataError, match=told):
        members_of_classes(names, KNOWN)


def test_data_in_which_classes_are_one_already():
    for first in ("*", "hat"):
        names = [first, "footwear=boots+shoe"]
        assert joined_already(names, ["hat", "footwear"]) == ([first, "footwear"], ["boots", "shoe"])
        assert joined_already(names, ["hat", "boots", "shoe"]) == (names, [])
        assert joined_already(names, ["boots", "shoe", "footwear"]) == (names, [])  # of these it would be made
    assert joined_already(["shoe=boots+shoe"], ["hat", "shoe"]) == (["shoe"], ["boots"])
    slip = ["*", "shoe=boot+shoe"]  # boots are there
    assert joined_already(slip, KNOWN) == (slip, [])
    assert joined_already(["hat", "cap=boots"], ["hat"]) == (["hat", "cap=boots"], [])
    # Garments are called alike.
    assert joined_already(["top=t-shirt+top", "*"], ["top", "hat", "shirt"]) == (["top", "*"], ["t-shirt"])
    assert joined_already(["top=shirt+blouse", "*"], ["top", "skirt"]) == (["top", "*"], ["shirt", "blouse"])
