"""Which photos a training takes, and what presets give to it."""

import os

import pytest

from mrcnn.commands import main as fashion
from mrcnn.commands import training_options as fashion_training
from mrcnn.commands.datasets import drawn_pictures
from mrcnn.commands.options import OPTIONS_OF_TRAIN, expand_presets
from mrcnn.commands.options import options_of as options_in
from mrcnn.commands.program import make_program
from mrcnn.commands.training_options import check_data_options, same_data, same_training_data
from mrcnn.data.dataset import Dataset
from mrcnn.errors import UsageError


def options_of(*arguments):
    return fashion.build_parser().parse_args(["train", *arguments])


def test_test_photos_are_asked_for_by_name():
    with pytest.raises(UsageError, match="--test ANNOTATIONS goes with --train and --val"):
        check_data_options(options_of("--test", "a.json"))
    with pytest.raises(UsageError, match="beside --train and --val give --test"):
        check_data_options(options_of("--train", "a", "--val", "b", "--evaluate-test"))
    check_data_options(options_of("--train", "a", "--val", "b", "--test", "c"))
    check_data_options(options_of("--annotations", "a", "--split", "s.json", "--evaluate-test"))
    assert fashion_training.testing_data(options_of(), None) is None
    drawn = fashion_training.testing_data(options_of("--evaluate-test", "--limit", "3"), None)
    others = drawn_pictures("val", 3)
    assert len(drawn.image_ids) == 3
    assert (drawn.load_image(0) != others.load_image(0)).any()  # no picture of validation


def test_the_options_that_find_the_same_data():
    options = options_of("--train", "a b.json", "--val", "c.json", "--images", "photos", "--on-error", "skip")
    assert same_data(options) == " --images photos --annotations c.json --on-error skip"
    assert same_training_data(options) == " --images photos --train 'a b.json' --val c.json --on-error skip"
    assert same_training_data(options_of()) == ""
    options = options_of("--annotations", "a.json", "--split", "s.json", "--crowds", "objects", "--boxes-as-masks",
                         "--min-area", "20", "--matte", "black", "--keep-partial")
    assert same_data(options) == (" --annotations a.json --crowds objects --boxes-as-masks --min-area 20 "
                                  "--matte '#000000' --split s.json --keep-partial")


def test_presets_serve_tune_too():
    assert expand_presets(["tune", "--preset", "ccp"], fashion.PRESETS) == [
        "tune", *expand_presets(["train", "--preset", "ccp"], fashion.PRESETS)[1:]]


def test_a_preset_of_the_users_that_names_another_is_refused(tmp_path, capsys):
    (tmp_path / "own.txt").write_text("--preset ccp --batch-size 4")
    assert fashion.main(["train", "--logs", str(tmp_path), "--preset", str(tmp_path / "own.txt")]) == 2
    error = capsys.readouterr().err
    assert "file names ccp, and presets do not name others: write the options" in error and error.count("\n") == 1


def test_a_programs_own_photos_are_named_by_what_loads_them(monkeypatch):
    class Shop(Dataset):
        def load(self, part):
            """Registers photos."""

    told = []
    monkeypatch.setattr(fashion_training, "open_data", lambda *_: None)
    monkeypatch.setattr(fashion_training, "check_objects", lambda dataset, source, *_: told.append(source))
    options = fashion.build_parser(make_program(None, Shop)).parse_args(["train", "--evaluate-test"])
    fashion_training.training_data(options)
    fashion_training.testing_data(options, None)
    assert told == ["Shop.load, part train", "Shop.load, part val", "Shop.load, part test"]


def test_tune_leaves_out_what_a_preset_says_of_checkpoints(tmp_path):
    (tmp_path / "own.txt").write_text("--batch-size 4 --evaluate-every 2 --keep-best=loss --patience 3 --augment flip")
    assert expand_presets(["tune", "--preset", "own"], tmp_path) == ["tune", "--batch-size", "4", "--augment", "flip"]
    for file in os.listdir(fashion.PRESETS):
        fashion.build_parser().parse_args(expand_presets(["tune", "--preset", file[:-4]], fashion.PRESETS))


def test_what_tune_leaves_out_of_presets_is_what_train_alone_has(tmp_path):
    parser = fashion.build_parser()
    words = [f"{name} 1" if valued else name for name, valued in OPTIONS_OF_TRAIN.items()]
    assert set(OPTIONS_OF_TRAIN) == set(options_in(parser, ["train"])) - set(options_in(parser, ["tune"]))
    train = parser.parse_args(["train", *" ".join(words).replace("--log 1", "--log wandb").split()])
    assert train.evaluate_test and train.log == "wandb" and train.test == "1"  # as many values as they have
    # Whatever else there is stays, and what is left out is told.
    for flag in words:
        (tmp_path / "own.txt").write_text(f"--augment flip {flag} --logs a")
        with pytest.warns(UserWarning, match=f"^tune leaves {flag.split()[0]} of --preset out: trials are measured"):
            assert expand_presets(["tune", "--preset", "own"], tmp_path) == ["tune", "--augment", "flip", "--logs", "a"]
