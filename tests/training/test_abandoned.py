"""Training that goes on from an older checkpoint: what the run has of later epochs is moved aside, and told."""

import json
import os

import pytest
from tiny import Squares
from tiny_semantic import TinySemantic, TinySettings

from mrcnn.errors import RunError
from mrcnn.training.abandoned import set_aside_later
from mrcnn.training.history import read_history_rows, write_history_rows
from mrcnn.training.runs import escaped
from mrcnn.training.validation import BEST, KeepBest


def a_run(folder, epochs, rows, best=None):
    """Files of a run of some epochs, whose history has some rows. Returns the pattern of its checkpoints."""
    for epoch in range(1, epochs + 1):
        (folder / f"net_{epoch:04d}.h5").write_text(str(epoch))
    (folder / f"net_{epochs:04d}.state.h5").write_text("state")
    (folder / "other_0009.h5").write_text("of something else")
    write_history_rows(folder / "history.csv", [{"epoch": epoch, "loss": epoch} for epoch in range(rows)])
    if best:
        about = {"monitor": "val_loss", "value": 1, "epoch": best, "weights": "net_best.h5"}
        (folder / BEST).write_text(json.dumps(about))
        (folder / "net_best.h5").write_text("best")
    return escaped(str(folder / "net_")) + "{epoch:04d}.h5"


def epochs_in(folder):
    return [int(row["epoch"]) for row in read_history_rows(os.path.join(folder, "history.csv"))]


def test_what_is_later_is_moved_aside_and_told(tmp_path, capsys):
    pattern = a_run(tmp_path, 5, 5, best=4)
    set_aside_later(pattern, 2)
    aside = tmp_path / "abandoned_after_0002"
    assert sorted(os.listdir(aside)) == ["best.json", "history.csv", "net_0003.h5", "net_0004.h5", "net_0005.h5",
                                         "net_0005.state.h5", "net_best.h5"]
    assert sorted(os.listdir(tmp_path)) == ["abandoned_after_0002", "history.csv", "net_0001.h5", "net_0002.h5",
                                            "other_0009.h5"]
    assert epochs_in(tmp_path) == [0, 1] and epochs_in(aside) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().out == (
        "The run goes on from epoch 2: what it had of later ones, 3 checkpoints (epoch 3 to 5), 3 rows of history.csv, "
        f"the best checkpoint (epoch 4), is moved to {aside}. Weights can be loaded from there; delete that folder if "
        "nothing of it is wanted.\n")
    a_run(tmp_path, 3, 3, best=1)  # and once more; the best one is older, and stays
    set_aside_later(pattern, 2)
    assert sorted(os.listdir(f"{aside}_2")) == ["history.csv", "net_0003.h5", "net_0003.state.h5"]
    assert (tmp_path / BEST).exists() and "1 checkpoint (epoch 3), 1 row of history.csv, is" in capsys.readouterr().out


def test_checkpoints_that_a_user_deleted_leave_no_rows_of_theirs(tmp_path, capsys):
    pattern = a_run(tmp_path, 2, 5)
    set_aside_later(pattern, 2)
    assert epochs_in(tmp_path) == [0, 1] and "ones, 3 rows of history.csv, is moved to" in capsys.readouterr().out


def test_what_a_kill_leaves_stays(tmp_path, capsys):
    """Killed between the row of an epoch and its checkpoint: the epoch is done again, and replaces the row."""
    pattern = a_run(tmp_path, 2, 3, best=3)
    before = sorted(os.listdir(tmp_path))
    set_aside_later(pattern, 2)
    set_aside_later(str(tmp_path / "none" / "net_{epoch:04d}.h5"), 0)
    assert sorted(os.listdir(tmp_path)) == before and epochs_in(tmp_path) == [0, 1, 2]
    assert capsys.readouterr().out == ""


def test_a_folder_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    pattern = a_run(tmp_path, 5, 5)

    def full(path):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(os, "makedirs", full)
    with pytest.raises(RunError, match="abandoned_after_0002: cannot move what the run has of .* after 2 .No space"):
        set_aside_later(pattern, 2)


@pytest.mark.usefixtures("eagerly")
def test_the_last_checkpoint_is_of_what_was_trained_last(tmp_path, capsys):
    logs, data = tmp_path / "lo{gs}", Squares().load(4)  # braces are no places to fill in
    model = TinySemantic("training", TinySettings(NAME="ti{n}y"), str(logs))
    model.train(data, None, 1e-3, 3, "all")
    again = TinySemantic("training", TinySettings(NAME="ti{n}y"), str(logs))
    again.load_weights(model.checkpoint_path.format(epoch=1))
    capsys.readouterr()
    again.train(data, None, 1e-4, 2, "all")
    assert "from epoch 1: what it had of later ones, 2 checkpoints (epoch 2 to 3), 2 rows" in capsys.readouterr().out
    assert again.find_last() == again.checkpoint_path.format(epoch=2) and again.log_dir == model.log_dir
    assert epochs_in(again.log_dir) == [0, 1]
    assert KeepBest(again).path == os.path.join(model.log_dir, "tinysemantic_ti{n}y_best.h5")
    with open(os.path.join(again.log_dir, "stages.json"), encoding="utf-8") as file:
        assert [stage["learning_rate"] for stage in json.load(file)] == [1e-3, 1e-4]
    again.load_weights(os.path.join(model.log_dir, "abandoned_after_0001", "tinysemantic_ti{n}y_0003.h5"))
    assert again.epoch == 0  # its weights, for a run of their own
