"""Mappings of labels to classes: what becomes of each label, and mistakes in the two small files."""

import json

import pytest

from mrcnn.data.formats.label_mapping import IGNORED, READY_MAPPINGS, UNKNOWN, find_names, label_classes
from mrcnn.errors import DataError

NAMES = {0: "null", 1: "shoes", 2: "boots", 3: "jeans", 4: "skin", 7: "bag"}


def table(mapping, names=NAMES):
    return label_classes(names, mapping).table[:9].tolist()


def test_without_a_mapping_every_label_but_0_is_a_class():
    classes = label_classes(NAMES)
    assert classes.names == ("shoes", "boots", "jeans", "skin", "bag")
    assert classes.table[:9].tolist() == [0, 1, 2, 3, 4, UNKNOWN, UNKNOWN, 5, UNKNOWN]
    assert classes.table[IGNORED] == IGNORED
    assert classes.parts == {1, 2} and classes.min_area == 60  # shoes and boots come in pairs


def test_labels_of_one_name_stay_two_classes():
    assert label_classes({0: "wall", 1: "door", 2: "door"}).names == ("door", "door (2)")


def test_labels_are_merged_dropped_and_ignored():
    mapping = {"classes": {"legs": ["jeans", 4], "feet": ["boots", "shoes"]}, "ignore": ["bag"]}
    #                      null shoes boots jeans skin -        -        bag
    assert table(mapping) == [0, 2, 2, 1, 1, UNKNOWN, UNKNOWN, IGNORED, UNKNOWN]
    mapping = {"classes": {"feet": ["boots", "shoes"]}}
    assert table(mapping) == [0, 1, 1, 0, 0, UNKNOWN, UNKNOWN, 0, UNKNOWN]


def test_a_star_takes_the_rest_but_label_0():
    mapping = {"classes": {"person": ["*"], "bag": ["bag"]}, "background": ["jeans"]}
    assert table(mapping) == [0, 1, 1, 0, 1, UNKNOWN, UNKNOWN, 2, UNKNOWN]
    assert table({"classes": {"feet": ["shoes"]}, "ignore": ["*"]})[:5] == [0, 1, 255, 255, 255]
    assert table({"classes": {"nothing": ["null"], "rest": ["*"]}})[:3] == [1, 2, 2]


def test_what_becomes_an_object_of_its_own():
    mapping = {
        "classes": {"Boots": ["boots"], "jeans": ["jeans"], "skin": ["skin"], "shoe": ["shoes"]},
        "instances": {"jeans": "parts", "shoe": "union"},
        "min_area": 5,
    }
    classes = label_classes(NAMES, mapping)
    assert classes.parts == {1, 2} and classes.min_area == 5


def test_a_mapping_file_is_as_good_as_a_dict(tmp_path):
    mapping = {"classes": {"feet": ["shoes", "boots"]}}
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(mapping))
    assert table(str(path)) == table(mapping)


@pytest.mark.parametrize("mapping, said", [
    ("no/such.json", "no such mapping file, and no ready mapping"),
    ([], "needs \"classes\""),
    ({"classes": {}}, "needs \"classes\""),
    ({"classes": {"a": "shoes"}}, "'a' must be a list of labels"),
    ({"classes": {"a": ["hat"]}}, "no label 'hat': the names of the labels are null, shoes"),
    ({"classes": {"a": [5]}}, "no label 5"),
    ({"classes": {"a": [True]}}, "no label True"),
    ({"classes": {"a": ["shoes"], "b": [1]}}, "label 1 is in 'a' and in 'b'"),
    ({"classes": {"a": ["shoes"]}, "ignore": ["shoes"]}, "'shoes' is in 'ignore' and in 'a'"),
    ({"classes": {"a": ["*"], "b": ["*"]}}, "occurs twice"),
    ({"classes": {"a": ["shoes"]}, "background": ["skin"]}, "names boots, jeans, bag nowhere"),
    ({"classes": {"a": ["shoes"]}, "merge": []}, "has no 'merge'"),
    ({"classes": {"ignore": ["shoes"]}}, "keys of their own"),
    ({"classes": {"a": ["shoes"]}, "instances": {"a": "each"}}, "must be a class with"),
    ({"classes": {"a": ["shoes"]}, "instances": {"b": "parts"}}, "must be a class with"),
    ({"classes": {"a": ["shoes"]}, "instances": []}, "must be {class"),
    ({"classes": {"a": ["shoes"]}, "min_area": 0}, "from 1 on, got 0"),
    ({"classes": {str(i): [] for i in range(255)}}, "255 classes are more"),
])
def test_mistakes_in_a_mapping_are_named(mapping, said):
    with pytest.raises(DataError) as error:
        label_classes(NAMES, mapping)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_mapping_file_that_is_no_json(tmp_path):
    path = tmp_path / "mapping.json"
    path.write_text("{classes")
    with pytest.raises(DataError, match="mapping.json: no JSON file"):
        label_classes(NAMES, path)


def test_ready_mappings_name_no_label_twice():
    for mapping in READY_MAPPINGS.values():
        labels = [label for labels in mapping["classes"].values() for label in labels]
        assert len(labels) == len(set(labels))


# --- Names -----------------------------------------------------------------------------------------------------------


def test_names_are_found_in_the_folder_and_above(tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    assert find_names(folder) is None
    (tmp_path / "label_names.txt").write_text("null")
    assert find_names(folder) == str(tmp_path / "label_names.txt")
    (folder / "label_names.json").write_text("[]")
    assert find_names(folder) == str(folder / "label_names.json")


# --- Labels that are no classes by their names -----------------------------------------------------------------------


def told(names, mapping=None):
    """(LabelClasses, list of (how, first) that was told)."""
    lines = []
    classes = label_classes(names, mapping, tell=lambda what, how, first: lines.append((how, first)))
    return classes, lines


def test_a_class_at_label_0_is_background_and_told():
    names = {0: "skin", 1: "hair"}
    classes, ((how, first),) = told(names)
    assert classes.names == ("hair",) and classes.table[:2].tolist() == [0, 1]
    assert first == "0, skin" and "is background, as 0 always is" in how and "--mapping" in how
    assert told({0: "road", 1: "hair"}, {"classes": {"all": ["*"]}})[1][0][1] == "0, road"
    assert told(names, {"classes": {"skin": [0], "hair": [1]}})[1] == []
    assert told(NAMES)[1] == [] and told({0: "other", 1: "hair"})[1] == []
    with pytest.warns(UserWarning, match="first: 0, skin"):
        label_classes(names)


@pytest.mark.parametrize("name, value, said", [("void", IGNORED, "ignored"), ("Ignore", IGNORED, "ignored"),
                                               ("background", 0, "background"), ("__background__", 0, "background")])
def test_void_and_background_at_any_label_are_no_classes_and_told(name, value, said):
    names = {0: "null", 1: "skin", 2: name, 3: "hair"}
    classes, ((how, first),) = told(names)
    assert classes.names == ("skin", "hair") and classes.table[:4].tolist() == [0, 1, value, 2]
    assert first == f"2, {name}" and f"is {said} by its name" in how and "--mapping" in how
    for mapping in ({"classes": {"all": ["*"]}}, {"classes": {"all": ["skin", "hair"]}, "background": []}):
        classes, ((_, first),) = told(names, mapping)
        assert classes.table[:4].tolist() == [0, 1, value, 1] and first == f"2, {name}"
    classes, lines = told(names, {"classes": {"rest": [name], "skin": ["skin"]}})
    assert classes.table[:4].tolist() == [0, 2, 1, 0] and lines == []


def test_void_at_label_0_is_ignored_and_told():
    classes, ((how, first),) = told({0: "Void", 1: "hair"})
    assert classes.table[:2].tolist() == [IGNORED, 1] and first == "0, Void" and "is ignored by its name" in how


def test_label_0_without_a_name_is_background():
    classes, lines = told({1: "skin", 6: "background"})
    assert classes.table[:2].tolist() == [0, 1] and len(lines) == 1


def test_names_without_a_class_are_refused_with_the_remedy():
    with pytest.raises(DataError, match="have no class, but 0 skin, 1 void: .*Write background before the names"):
        label_classes({0: "skin", 1: "void"})
