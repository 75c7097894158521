"""Which photos a training takes, and with which stage it goes on."""

import os
import sys
from types import SimpleNamespace

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "samples"), ROOT]

import fashion  # noqa: E402
import fashion_training  # noqa: E402
from command_line import UsageError, expand_presets, parse_stages  # noqa: E402
from fashion_training import check_data_options, same_data, same_training_data  # noqa: E402


def options_of(*arguments):
    return fashion.build_parser().parse_args(["train", *arguments])


def test_test_photos_are_asked_for_by_name():
    with pytest.raises(UsageError, match="--test ANNOTATIONS goes with --train and --val"):
        check_data_options(options_of("--test", "a.json"))
    with pytest.raises(UsageError, match="beside --train and --val give --test"):
        check_data_options(options_of("--train", "a", "--val", "b", "--evaluate-test"))
    check_data_options(options_of("--train", "a", "--val", "b", "--test", "c"))
    check_data_options(options_of("--annotations", "a", "--split", "s", "--evaluate-test"))
    assert fashion_training.testing_data(options_of(), None) is None
    drawn = fashion_training.testing_data(options_of("--evaluate-test", "--limit", "3"), None)
    others = fashion.drawn_pictures("val", 3)
    assert len(drawn.image_ids) == 3
    assert (drawn.load_image(0) != others.load_image(0)).any()  # no picture of validation


def test_the_options_that_find_the_same_data():
    options = options_of("--train", "a b.json", "--val", "c.json", "--images", "photos", "--on-error", "skip")
    assert same_data(options) == " --images photos --annotations c.json --on-error skip"
    assert same_training_data(options) == " --images photos --train 'a b.json' --val c.json --on-error skip"
    assert same_training_data(options_of()) == ""


def test_a_resumed_run_goes_on_with_its_stage():
    stages = parse_stages("heads:2:1e-3,all:3:1e-4,all:1:1e-5")

    class Stop:
        over = False

        def is_over(self):
            return self.over

    model, stop = SimpleNamespace(stage=None), Stop()
    assert fashion.left_to_do(stages, model, [stop]) == stages
    # The second stage, begun before the first had all its epochs: that one had ended early.
    model.stage = {"layers": "all", "epochs": 5, "learning_rate": 1e-4, "first_epoch": 1}
    assert fashion.left_to_do(stages, model, [stop, object()]) == stages[1:]
    stop.over = True
    assert fashion.left_to_do(stages, model, [stop]) == stages[2:]
    model.stage["epochs"] = 9  # other --stages than before
    assert fashion.left_to_do(stages, model, [stop]) == stages


def test_presets_serve_tune_too():
    assert expand_presets(["tune", "--preset", "ccp"], fashion.PRESETS) == [
        "tune", *expand_presets(["train", "--preset", "ccp"], fashion.PRESETS)[1:]]


def test_tune_leaves_out_what_a_preset_says_of_checkpoints(tmp_path):
    (tmp_path / "own.txt").write_text("--batch-size 4 --evaluate-every 2 --keep-best=loss --patience 3 --augment flip")
    assert expand_presets(["tune", "--preset", "own"], tmp_path) == ["tune", "--batch-size", "4", "--augment", "flip"]
    for file in os.listdir(fashion.PRESETS):
        fashion.build_parser().parse_args(expand_presets(["tune", "--preset", file[:-4]], fashion.PRESETS))
