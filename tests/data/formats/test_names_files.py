"""Tests of files of class and label names, by the names that each form is to give."""

import json
import warnings

import numpy as np
import pytest

from mrcnn.data.formats.names_files import read_names
from mrcnn.errors import DataError


@pytest.mark.parametrize("file, text", [
    ("names.txt", "\nnull\nskin\n T-shirt, white \n\n"),
    ("names.txt", "0 null\n1 skin\n2 T-shirt, white\n"),
    ("names.txt", "2: T-shirt, white\n0:\tnull\n1, skin\n"),
    ("names.txt", "null,0\nskin,1\nT-shirt, white,2\n"),
    ("names.txt", "index,class\n0,null\n1,skin\n2,T-shirt, white\n"),
    ("names.pbtxt", "item {\n  id: 0\n  name: 'null'\n}\nitem { name: \"skin\" id: 1 }\n"
                    'item { id: 2 name: "/m/1" display_name: "T-shirt, white" }'),
    ("labels.txt", "0 null\n1 skin\n2 T-shirt, white\n"),
    ("data.yaml", "train: images\nnames:\n  0: 'null'\n  1: skin\n  2: T-shirt, white\n"),
    ("data.yaml", "names: ['null', skin, 'T-shirt, white']\n"),
    ("_classes.csv", 'Pixel Value, Class\n0, null\n1, skin\n2, "T-shirt, white"\n'),
    ("_classes.csv", 'name,id\nnull,0\nskin,1\n"T-shirt, white",2\n'),
    ("_classes.csv", 'class\nnull\nskin\n"T-shirt, white"\n'),
    ("_classes.csv", "id;Label Name\n0;null\n1;skin\n2;T-shirt, white\n"),
    ("_classes.csv", "0\tnull\n1\tskin\n2\tT-shirt, white\n"),
    ("_classes.csv", 'Label Names\nnull\nskin\n"T-shirt, white"\n'),
    ("_classes.csv", '0) null\n1) skin\n"2) T-shirt, white"\n'),
    ("names.txt", "0. null\n1. skin\n2. T-shirt, white\n"),
    ("labels.txt", "0.null\n1.skin\n2.T-shirt, white\n"),
    ("names.txt", "0=null\n1 - skin\n[2] T-shirt, white\n"),
    ("names.txt", "label 0: null\nLabel 1: skin\nclass 2 = T-shirt, white\n"),
    ("names.txt", "T-shirt, white: 2\nnull: 0\nskin: 1\n"),
    ("names.csv", '"T-shirt, white = 2"\nnull=0\nskin=1\n'),
    ("names.txt", "name (number)\nT-shirt, white (2)\nnull (0)\nskin(1)\n"),
    ("names.txt", "label: id\nT-shirt, white -> 2\nskin => 1\nnull [0]\n"),
    ("names.json", '[{"id": 2, "name": "T-shirt, white"}, {"id": 0, "name": "null"}, {"id": 1, "name": "skin"}]'),
    ("names.json", '{"categories": [{"id": 0, "name": "null"}, {"id": 1, "name": "skin"}, '
                   '{"id": 2, "name": "T-shirt, white"}]}'),
    ("names.json", '{"null": 0, "skin": 1, "T-shirt, white": 2}'),
    ("config.json", '{"id2label": {"0": "null", "1": "skin", "2": "T-shirt, white"}, "label2id": {}}'),
    ("names.json", '["null", "skin", "T-shirt, white"]'),
    ("names.json", '{"0": "null", "2": "T-shirt, white", "1": "skin"}'),
])
def test_ways_to_write_names(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    names = read_names(tmp_path / file)
    assert list(names.items()) == [(0, "null"), (1, "skin"), (2, "T-shirt, white")]


def test_names_in_a_matlab_cell(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "label_list.mat", {"label_list": np.array([["null", "skin", "hair"]], object)})
    assert read_names(tmp_path / "label_list.mat") == {0: "null", 1: "skin", 2: "hair"}


@pytest.mark.parametrize("file, text, said", [
    ("names.txt", "1 skin\n1 hair\n", "label 1 occurs twice"),
    ("names.txt", "", "needs a name for each"),
    ("names.txt", None, "cannot read the names"),
    ("names.txt", "null\n\nskin\n", "line 2 is empty between names"),
    ("names.txt", "cats and dogs\n0 cat\n1 dog\n", "line 1 ('cats and dogs') has no number"),
    ("names.txt", "1 euro\n2 euro\n5 euro\n", "may be numbers and names, or names that begin with numbers"),
    ("names.txt", "skin 2\nhair 1\n", "may be names and numbers, or names that end in numbers, such as 'hair 1'"),
    ("names.csv", "skin - 2\nhair #1\n", "may be names and numbers, or names that end in numbers"),
    ("names.txt", "of ours\nskin: 2\nhair: 1\n", "may be names and numbers, or names that end in numbers"),
    ("classes.txt", "skin 2\nhair 1\nhat 3\n", "may be names and numbers, or names that end in numbers"),
    ("labels.txt", "skin,2\nhair,1\nhat,0\n", "may be names and numbers, or names that end in numbers"),
    ("names.txt", "skin: 1\nhair: 1\n", "label 1 occurs twice"),
    ("classes.txt", "skin: 1\nhair: 0\n", "may be names and numbers, or names that end in numbers"),
    ("labels.txt", "name: id\nskin = 1\nhair = 2\n", "may be names and numbers, or names that end in numbers"),
    ("names.txt", "Audi (2012)\nBMW (2013)\n", "may be names and numbers, or names that end in numbers"),
    ("names.txt", "background\n1. hat\n2. hair\n", "lines begin with numbers, and others not, such as 'background'"),
    ("names.txt", "2. hat\n1. hair\n", "lines begin with numbers, that do not ascend, such as '2. hat'"),
    ("labels.txt", "1 hat\n2 hair\n3 glove\n", "may be numbers and names, or names that begin with numbers"),
    ("names.txt", "name\nhat\nhair\n", "line 1, 'name', may be a head or the first name"),
    ("names.txt", "Class Names\nhat\n", "line 1, 'Class Names', may be a head or the first name"),
    ("names.txt", "hat;red\nhair;blue\n", "its lines have columns beside the names, such as 'hat;red'"),
    ("names.csv", "hat|red\nhair|blue\n", "its lines have columns beside the names"),
    ("names.txt", "'hat',\n'hair'\n", "its lines have quotation marks beside the names"),
    ("names.txt", "hat,\nhair\n", "its lines have a comma at the end"),
    ("classes.txt", "- hat\n- hair\n", "its lines have marks of a list beside the names"),
    ("names.csv", "number;what;colour\n0;hat;red\n", "has 3 columns, and its first line (number, what, colour)"),
    ("names.txt", "cat, dog, bird\n", "has one line, 'cat, dog, bird'"),
    ("names.txt", '["cat", "dog"]', "call a JSON file .json"),
    ("labels.txt", "<View>", "begins with '<View>'"),
    ("labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\n", "colours of label maps"),
    ("class_dict.csv", "name,r,g,b\ncat,0,128,0\n", "begins with 'name, r, g, b': give a column of numbers"),
    ("class_dict.txt", "name,r,g,b\ncat,0,128,0\n", "colours of label maps"),
    ("names.pbtxt", "item { id: 1 }", "lacks an id or a name"),
    ("data.yaml", "train: images\n", "has no names"),
    ("data.yaml", "names: {0: cat, x: dog}\n", "is no index with the name of a class"),
    ("names.json", '[{"id": 1, "name": "cat"}, {"name": "dog"}]', "needs an id and a name in each entry"),
    ("names.json", '{"0": null}', "a name no text"),
    ("names.json", '{"0": {"name": "cat"}}', "a name no text"),
    ("names.json", "[", "no JSON file"),
    ("names.json", "3", "needs a list of names"),
    ("names.json", '{"skin": "hair"}', "lists no names, for it has 'skin'"),
    ("names.json", '{"70000": "skin"}', "0 to 65535"),
    ("names.json", '["null", ""]', "needs a name for each"),
    ("names.mat", "MATLAB", "no readable MATLAB file"),
])
def test_mistakes_in_names_are_named(tmp_path, file, text, said):
    path = tmp_path / file
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError) as error:
        read_names(path)
    assert said in str(error.value) and file in str(error.value)


def test_names_that_begin_with_numbers_are_names_where_tools_write_names_alone(tmp_path):
    for file in ("classes.txt", "obj.names", "labels.txt"):
        (tmp_path / file).write_text("5 euro\n1 euro\n2 euro\n")
        assert read_names(tmp_path / file) == {0: "5 euro", 1: "1 euro", 2: "2 euro"}
    (tmp_path / "labels.txt").write_text("shirt, blouse\n")
    assert read_names(tmp_path / "labels.txt") == {0: "shirt, blouse"}
    (tmp_path / "labels.txt").write_text("plain\n0 stars\n1 star\n")  # no head
    assert list(read_names(tmp_path / "labels.txt").values()) == ["plain", "0 stars", "1 star"]


def test_lists_that_count_from_one_and_names_that_look_like_numbers(tmp_path):
    for file in ("lip.txt", "lip.csv"):
        (tmp_path / file).write_text("1. Hat\n2. Hair\n3. Glove\n")
        assert read_names(tmp_path / file) == {1: "Hat", 2: "Hair", 3: "Glove"}
    for file in ("classes.txt", "obj.names", "labels.txt"):  # where a name's place is its number, from 0 on
        (tmp_path / file).write_text("0. hat\n1. hair\n")
        assert read_names(tmp_path / file) == {0: "hat", 1: "hair"}
        (tmp_path / file).write_text("1. hat\n2. hair\n3. glove\n")
        with pytest.raises(DataError, match="numbers its lines from 1, where tools count from 0"):
            read_names(tmp_path / file)
    (tmp_path / "names.txt").write_text("2. hand jacket\n")  # of one line none can tell
    assert list(read_names(tmp_path / "names.txt").values()) == ["2. hand jacket"]
    for names in (["1.5 l", "2.5 l"], ["2-door car", "4-door car"], ["3d printer", "7up"], ["name", "address"],
                  ["a; b", "c"], ["shirt, blouse", "cap, hat"], ["class 1", "class 2"], ["pixel 5", "iphone 12", "cup"],
                  ["pixel 5", "iphone 12", "T: 4"], ["boot (1)", "boot (2)", "shoe (2)"]):
        (tmp_path / "classes.txt").write_text("\n".join(names))
        assert list(read_names(tmp_path / "classes.txt").values()) == names


def test_names_that_end_in_numbers_are_names_where_the_numbers_cannot_be_theirs(tmp_path):
    for names in (["size 3", "size 1", "size 2"], ["iphone 12", "iphone 13", "pixel 5"], ["shirt 2", "hat 2"],
                  ["Type (2)", "Type (1)"], ["size: 2", "size: 1"], ["iphone 12"], ["hat", "pixel 5"],
                  ["BMW (2013)"], ["Audi (2012)", "BMW (2012)"]):
        (tmp_path / "names.txt").write_text("\n".join(names))
        assert list(read_names(tmp_path / "names.txt").values()) == names


@pytest.mark.parametrize("lines, labels", [
    ("cat (3)\ndog (7)\n", {3: "cat", 7: "dog"}), ("lane: 0\nroad: 128\n", {0: "lane", 128: "road"}),
    ("tcp:80\nudp:53\n", {80: "tcp", 53: "udp"}), ("box = 24\ncrate = 6\n", {24: "box", 6: "crate"})])
def test_numbers_that_leave_some_out_behind_marks_that_names_have_need_a_head(tmp_path, lines, labels):
    path = tmp_path / "names.txt"
    path.write_text(lines)
    with pytest.raises(DataError, match="may be names and numbers, or names that end in numbers.*write JSON"):
        read_names(path)
    path.write_text("name (id)\n" + lines)
    assert read_names(path) == labels


@pytest.mark.parametrize("text, labels", [
    ("cat,3\ndog,7\n", {3: "cat", 7: "dog"}), ("lane -> 0\nroad -> 128\n", {0: "lane", 128: "road"})])
def test_numbers_behind_marks_that_no_names_have_may_leave_some_out(tmp_path, text, labels):
    (tmp_path / "names.txt").write_text(text)
    assert read_names(tmp_path / "names.txt") == labels


@pytest.mark.parametrize("file", ["names.txt", "classes.txt", "names.csv"])
@pytest.mark.parametrize("names", [
    ["ratio 4:3", "photo 16:9", "square 1:1"], ["16:9", "4:3"], ["1:1", "3:2"], ["open 08:30", "closed 10:10"],
    ["8:30 open", "9:45 busy"], ["closed", "8:30 open", "9:45 busy"]])
def test_digits_on_both_sides_of_a_colon_are_a_part_of_names(tmp_path, names, file):
    (tmp_path / file).write_text("\n".join(names))
    assert list(read_names(tmp_path / file).values()) == names


def test_names_that_end_or_begin_in_digits_have_numbers_that_count_from_0(tmp_path):
    for text in ("iphone 12:0\npixel 5:1\n", "0:iphone 12\n1:pixel 5\n", "5: iphone 12\n7: pixel 5\n"):
        (tmp_path / "names.txt").write_text(text)
        assert list(read_names(tmp_path / "names.txt").values()) == ["iphone 12", "pixel 5"]
    (tmp_path / "names.txt").write_text("0:0\n1:1\n2:2\n")
    assert read_names(tmp_path / "names.txt") == {0: "0", 1: "1", 2: "2"}


@pytest.mark.parametrize("file", ["names.txt", "names.csv"])
@pytest.mark.parametrize("text, head, names", [
    ("1:5 euro\n2:10 euro\n3:20 euro\n", "id: name", {1: "5 euro", 2: "10 euro", 3: "20 euro"}),
    ("1:30 open\n2:45 busy\n", "id: name", {1: "30 open", 2: "45 busy"}), ("1:5 euro\n", "id: name", {1: "5 euro"}),
    ("size 5:1\nsize 6:2\nsize 7:3\n", "name: id", {1: "size 5", 2: "size 6", 3: "size 7"}),
    ("iphone7:1\ns21:0\npixel5:2\n", "name: id", {0: "s21", 1: "iphone7", 2: "pixel5"}),
    ("mp3:1\nmp4:2\n", "name: id", {1: "mp3", 2: "mp4"}),
    ("1:0\n2:1\n3:2\n", "id: name", {1: "0", 2: "1", 3: "2"}),
    ("1:0\n2:1\n3:2\n", "name: id", {0: "1", 1: "2", 2: "3"}),
    ("5 0\n6 1\n", "name id", {0: "5", 1: "6"}),
    ("36,1\n37,2\n", "name,id", {1: "36", 2: "37"}), ("36\t1\n37\t2\n", "id\tname", {36: "1", 37: "2"})])
def test_digits_on_both_sides_that_may_be_labels_need_a_head(tmp_path, text, head, names, file):
    path = tmp_path / file
    path.write_text(text)
    with pytest.raises(DataError, match=r"lines may be .*: write a first line .*\(id(: |,)name or .* or write JSON"):
        read_names(path)
    path.write_text(f"{head}\n{text}")
    assert read_names(path) == names


@pytest.mark.parametrize("file, text", [
    ("classes.txt", "size 5:1\nsize 6:2\n"), ("classes.txt", "1:5 euro\n2:10 euro\n3:20 euro\n"),
    ("classes.txt", "plain\nmp3:1\nmp4:2\n"), ("names.txt", "1 = 0\n2 = 1\n")])
def test_where_a_head_would_not_tell_it_is_no_remedy(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match="lines may be .*': write JSON"):
        read_names(tmp_path / file)


def test_the_head_of_a_column_of_names_is_told(tmp_path):
    (tmp_path / "names.csv").write_text("labels\nhat\nhair\n")
    with pytest.warns(UserWarning, match="names.csv: its first line, 'labels', is taken as the head"):
        assert read_names(tmp_path / "names.csv") == {0: "hat", 1: "hair"}


def test_numbers_that_leave_some_out_are_kept(tmp_path):
    (tmp_path / "names.txt").write_text("0 null\n41 skin\n7 hair\n")
    assert read_names(tmp_path / "names.txt") == {0: "null", 7: "hair", 41: "skin"}


def test_remarks_are_told_and_are_no_names(tmp_path):
    (tmp_path / "classes.txt").write_text("# my classes\ncat\ndog\n")
    with pytest.warns(UserWarning, match="1 lines that begin with # and a space are remarks.*'# my classes'"):
        assert read_names(tmp_path / "classes.txt") == {0: "cat", 1: "dog"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (tmp_path / "classes.txt").write_text("#c\ncat\n")
        assert read_names(tmp_path / "classes.txt") == {0: "#c", 1: "cat"}


def test_mapillary_vistas_names_are_numbered_in_their_order_which_is_told(tmp_path):
    path = tmp_path / "config_v1.2.json"
    labels = [{"name": name, "readable": name, "color": [1, 2, 3], "instances": True} for name in ("a--bird", "b")]
    path.write_text(json.dumps({"labels": labels, "version": "1.2"}))
    with pytest.warns(UserWarning, match="no id: they are numbered in their order, from 0.*Vistas: 0 is 'a--bird'"):
        assert read_names(str(path)) == {0: "a--bird", 1: "b"}
    path.write_text(json.dumps({"labels": [{"name": "a"}]}))
    with pytest.raises(DataError, match="an id and a name in each entry"):
        read_names(str(path))


def test_an_object_that_lists_no_names_is_told_with_what_it_has(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"version": "1.2", "items": []}))
    with pytest.raises(DataError, match="lists no names, for it has 'version', 'items': give a list of names"):
        read_names(str(path))
    path.write_text(json.dumps({"classes": ["a", "b"], "version": 1}))
    assert read_names(str(path)) == {0: "a", 1: "b"}
    path.write_text(json.dumps({"labels": 0, "names": 1}))  # classes of these names
    assert read_names(str(path)) == {0: "labels", 1: "names"}


@pytest.mark.parametrize("file, text", [
    ("names.txt", "shirt\ncaf\u00e9\n"), ("names.csv", "0,shirt\n1,caf\u00e9\n"),
    ("names.json", '["shirt", "caf\u00e9"]'), ("a.yaml", "names: [shirt, caf\u00e9]"),
    ("a.pbtxt", "item { id: 0 name: 'shirt' } item { id: 1 name: 'caf\u00e9' }"),
])
def test_names_in_utf_16_are_read_and_bytes_that_are_no_letters_told(tmp_path, file, text):
    (tmp_path / file).write_bytes(text.encode("utf-16"))
    assert read_names(str(tmp_path / file)) == {0: "shirt", 1: "caf\u00e9"}
    (tmp_path / file).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="is no letter of UTF-8: save it as UTF-8"):
        read_names(str(tmp_path / file))


def test_a_long_field_is_no_fault_of_a_table_of_names(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text(f"id,name,remark\n0,hat,{'x' * 140_000}\n1,coat,y\n")
    assert list(read_names(path).values()) == ["hat", "coat"]
