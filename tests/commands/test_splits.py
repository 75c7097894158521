"""Which part of data that carry splits of their own a command takes."""

import os
import shutil
import warnings

import pytest

from mrcnn.commands import main as program
from mrcnn.commands import training_options
from mrcnn.commands.datasets import open_data
from mrcnn.commands.diagnose import training_objects
from mrcnn.commands.splits import split_file
from mrcnn.commands.training_options import check_data_options, training_data
from mrcnn.data.annotated import photo_name
from mrcnn.data.curation.splits import write_split
from mrcnn.data.curation.validate import write_faults
from mrcnn.data.faults import Fault
from mrcnn.data.formats import parts_of
from mrcnn.errors import DataError, UsageError
from tests.yolo_files import SQUARE, TRIANGLE, write_tree

ROWS = f"0 {SQUARE}\n1 {TRIANGLE}\n"
PARTS = {"train": 3, "val": 2, "test": 1}


@pytest.fixture
def data(tmp_path):
    files = {"data.yaml": "".join(f"{part}: {part}\n" for part in PARTS) + "names: [shirt, shoe]\n"}
    for part, count in PARTS.items():
        for i in range(count):
            files |= {f"{part}/{part[:2]}{i}.jpg": None, f"{part}/{part[:2]}{i}.txt": ROWS}
    return str(write_tree(tmp_path, files) / "data.yaml")


def options_of(*words):
    return program.build_parser().parse_args(list(words))


def count(options, *chosen):
    return len(open_data(options, *chosen).image_ids)


def test_training_takes_its_own_parts_and_says_so(data, capsys):
    options = options_of("train", "--annotations", data, "--evaluate-test")
    check_data_options(options)
    training, validation = training_data(options)
    assert (len(training.image_ids), len(validation.image_ids)) == (3, 2)
    assert len(training_options.testing_data(options, training).image_ids) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{data}: its own part {part} is taken, of train, val, test ({PARTS[part]} photos)"
                     for part in PARTS]


def test_files_of_their_own_for_training_and_validation(data):
    options = options_of("train", "--train", data, "--val", data)
    check_data_options(options)
    training, validation = training_data(options)
    assert (len(training.image_ids), len(validation.image_ids)) == (3, 2)


def test_evaluation_takes_val_or_the_part_that_is_named(data, capsys):
    assert count(options_of("evaluate", "--annotations", data)) == 2
    assert "its own part val is taken" in capsys.readouterr().out
    assert count(options_of("evaluate", "--annotations", data, "--split", "test")) == 1
    assert count(options_of("evaluate", "--annotations", data, "--part", "train")) == 3
    assert count(options_of("evaluate", "--annotations", data, "--split", "validation", "--limit", "1")) == 1
    assert capsys.readouterr().out == ""
    options = options_of("diagnose", "--annotations", data)
    assert training_objects(options, open_data(options)) == {"objects": [3, 3], "most": 2}


def test_looking_at_data_takes_all(data, tmp_path):
    assert count(options_of("data", "summary", "--annotations", data)) == 6
    assert count(options_of("data", "summary", "--annotations", data, "--split", "val")) == 2
    split = tmp_path / "own.json"
    assert program.main(["data", "split", "--annotations", data, "--output", str(split)]) == 0
    options = options_of("train", "--annotations", data, "--split", str(split))
    check_data_options(options)
    assert split_file(options) == str(split)
    assert sum(len(part.image_ids) for part in training_data(options)) == 6


@pytest.mark.parametrize("words", [["summary"], ["validate"], ["show"], ["split"], ["suggest", "--photos", "new"],
                                   ["convert", "--to", "coco", "--output", "a.json"],
                                   ["convert", "--to", "yolo", "--output", "a"]])
def test_looking_at_data_takes_all_parts_of_a_split_file(data, tmp_path, words, recwarn):
    """Only its part val was taken: photos of the part train were suggested as if nobody had labelled them.
    The limit counted before the split, which then seemed to lack photos.
    """
    split, faults = str(tmp_path / "own.json"), str(tmp_path / "faults.json")
    parts = {"train": ["train/tr0.jpg", "val/va0.jpg"], "val": ["test/te0.jpg"]}
    write_split(split, {"seed": 0, "method": "random", "parts": parts})
    write_faults(faults, [Fault("val/va0.jpg", "unreadable", "broken")])
    words = ["data", *words, "--annotations", data, "--split", split]
    photos = open_data(options_of(*words))
    assert {photo_name(photos, i): photos.image_info[i]["split"] for i in photos.image_ids} == {
        name: part for part, names in parts.items() for name in names}
    assert count(options_of(*words, "--part", "val")) == 1
    assert [str(told.message) for told in recwarn] == [f"{split}: 3 photos of the data are in no part: left out."]
    recwarn.clear()
    assert count(options_of(*words, "--limit", "1")) == 1 and count(options_of(*words, "--skip", faults)) == 2
    assert not [told for told in recwarn if "are not in the data" in str(told.message)]
    write_split(split, {"seed": 0, "method": "random", "parts": {"train": ["train/tr0.jpg", "gone.jpg"]}})
    with pytest.warns(UserWarning, match="own.json: 1 photos of its parts are not in the data"):
        assert count(options_of(*words)) == 1
    recwarn.clear()
    write_split(split, {"seed": 0, "method": "random", "parts": {"train": ["./train/tr0.jpg"]}})  # of before
    assert count(options_of(*words)) == 1
    assert not [told for told in recwarn if "are not in the data" in str(told.message)]


def test_conversion_keeps_parts_and_makes_them_by_a_split_file(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert program.main(["data", "convert", "--annotations", data, "--to", "voc", "--output", "voc"]) == 0
    assert "The photos are copied to voc/JPEGImages." in capsys.readouterr().out
    assert parts_of("voc") == ("train", "val", "test")
    parts = {"train": ["tr0.jpg", "va0.jpg"], "val": ["te0.jpg"]}
    write_split("own.json", {"seed": 0, "method": "random", "parts": parts})
    made = ["data", "convert", "--annotations", "voc", "--split", "own.json", "--to", "yolo", "--output", "new"]
    with pytest.warns(UserWarning, match="own.json: 3 photos of the data are in no part: left out"):
        assert program.main([*made, "--photos", "link"]) == 0
    for part, names in parts.items():
        assert sorted(os.listdir(f"new/images/{part}")) == names
        assert count(options_of("evaluate", "--annotations", "new", "--split", part)) == len(names)
    for words, said in ((["--to", "coco", "--output", "a.json", "--photos", "copy"], "coco leaves photos in place"),
                        (["--to", "yolo", "--output", str(tmp_path)], "is the folder of what is read")):
        assert program.main(["data", "convert", "--annotations", data, *words]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("inner", ["", "#data.yaml"])
def test_parts_of_an_archive(data, tmp_path, inner):
    path = shutil.make_archive(str(tmp_path / "out" / "export"), "zip", os.path.dirname(data)) + inner
    assert count(options_of("data", "summary", "--annotations", path)) == 6
    assert count(options_of("evaluate", "--annotations", path)) == 2
    assert count(options_of("evaluate", "--annotations", path, "--split", "test")) == 1


def test_data_without_the_part(data, tmp_path, capsys):
    path = write_tree(tmp_path / "one", {"data.yaml": "train: train\nnames: [shirt, shoe]\n", "train/a.jpg": None,
                                         "train/a.txt": ROWS}) / "data.yaml"
    assert count(options_of("evaluate", "--annotations", str(path))) == 1
    assert "has no part val, but train: all its photos are taken" in capsys.readouterr().out
    options = options_of("train", "--annotations", str(path))
    check_data_options(options)
    with pytest.raises(UsageError, match="has no part val, but train: give --train and --val, or --split FILE"):
        training_data(options)


def test_refusals(data, tmp_path):
    with pytest.raises(UsageError, match="--split gone: .* has the parts train, val, test: take one"):
        count(options_of("evaluate", "--annotations", data, "--split", "gone"))
    with pytest.raises(UsageError, match="--split val and --part test both name a part"):
        count(options_of("evaluate", "--annotations", data, "--split", "val", "--part", "test"))
    with pytest.raises(DataError, match="gone.json: cannot read the split file"):
        count(options_of("evaluate", "--annotations", data, "--split", "gone.json"))
    with pytest.raises(UsageError, match="--split val: no such file: training takes a file"):
        check_data_options(options_of("train", "--annotations", data, "--split", "val"))
    bare = write_tree(tmp_path / "bare", {"a.jpg": None, "a.txt": ROWS, "classes.txt": "shirt\nshoe"})
    with pytest.raises(UsageError, match="--split val: no such file, and .*bare have no parts of their own"):
        count(options_of("evaluate", "--annotations", str(bare), "--split", "val"))
    with pytest.raises(UsageError, match="--part needs the --split FILE"), warnings.catch_warnings():
        count(options_of("evaluate", "--annotations", str(bare), "--part", "val"))
