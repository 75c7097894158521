import os
import re
import subprocess
import sys
import time

import pytest
from full_disk import full_disk

from mrcnn.errors import RunError
from mrcnn.training.abandoned import set_aside_later
from mrcnn.training.runs import (
    claim,
    claim_new,
    escaped,
    find_last_checkpoint,
    find_last_checkpoints,
    folder_of,
    new_folder,
)

HOLD = """import sys
from mrcnn.training.runs import claim
lock = claim(sys.argv[1])
print("held", flush=True)
input()"""
MATTERPORT = r".*[/\\][\w-]+(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})[/\\]mask_rcnn_[\w-]+(\d{4})\.h5"


def test_the_last_checkpoint_is_the_newest_runs(tmp_path):
    for run, epochs in (("fashion20250101T0000", (1, 2)), ("balloon20260101T0000", (7,)), ("fashion20260102T0000", ())):
        (tmp_path / run).mkdir()
        for epoch in epochs:
            (tmp_path / run / f"mask_rcnn_{run[:7]}_{epoch:04d}.h5").write_bytes(b"")
        (tmp_path / run / "mask_rcnn_x_0009.state.h5").write_bytes(b"")
    (tmp_path / "fashion20260102T0000" / "mask_rcnn_x_best.h5").write_bytes(b"")
    assert find_last_checkpoint(str(tmp_path)).endswith("mask_rcnn_balloon_0007.h5")
    assert find_last_checkpoint(str(tmp_path), "Fashion").endswith("mask_rcnn_fashion_0002.h5")
    found = [os.path.basename(path) for path in find_last_checkpoints(str(tmp_path))]
    assert found == ["mask_rcnn_balloon_0007.h5", "mask_rcnn_fashion_0002.h5"]  # the newest run first
    assert find_last_checkpoints(str(tmp_path), "cars") == find_last_checkpoints(str(tmp_path / "nowhere")) == []
    with pytest.raises(FileNotFoundError, match="named cars.*train first"):
        find_last_checkpoint(str(tmp_path), "cars")
    with pytest.raises(FileNotFoundError):
        find_last_checkpoint(str(tmp_path / "nowhere"))


def test_runs_of_any_architecture_are_found(tmp_path):
    (tmp_path / "fashion20270101T0000").mkdir()
    (tmp_path / "fashion20270101T0000" / "unet_fashion_0012.h5").write_bytes(b"")
    path = find_last_checkpoint(str(tmp_path))
    assert os.path.basename(path) == "unet_fashion_0012.h5"
    assert folder_of(path) == (str(tmp_path / "fashion20270101T0000"), "unet_fashion_", 12)


def test_names_of_several_words_are_found_and_taken_up_again(tmp_path):
    folder = new_folder(str(tmp_path), "my shop 2.0 (ä)")
    os.makedirs(folder)
    path = os.path.join(folder, "mask_rcnn_my shop 2.0 (ä)_0004.h5")
    for name in (path, path.replace("0004", "0005.state")):
        with open(name, "wb"):
            pass
    assert find_last_checkpoint(str(tmp_path), "My shop 2.0 (Ä)") == path
    assert folder_of(path) == (folder, "mask_rcnn_my shop 2.0 (ä)_", 4)


def test_epochs_of_five_digits_are_found_and_gone_on_from(tmp_path):
    folder = tmp_path / "fashion20270101T0000"
    folder.mkdir()
    for epoch in (9999, 10000, 10001):
        (folder / f"unet_fashion_{epoch:04d}.h5").write_bytes(b"")
        path = find_last_checkpoint(str(tmp_path))
        assert folder_of(path) == (str(folder), "unet_fashion_", epoch)


def test_copies_that_end_in_a_date_are_no_epochs(tmp_path):
    folder = tmp_path / "shop20270101T0000"
    folder.mkdir()
    last = "mask_rcnn_shop_0025.h5"
    for name in (last, "mask_rcnn_shop_0001.h5", "mask_rcnn_shop_backup_20251130.h5", "mask_rcnn_shop_20251130.h5",
                 "mask_rcnn_shop_backup_251130.h5", "mask_rcnn_shop_00026.h5"):
        (folder / name).write_bytes(b"")
    assert find_last_checkpoint(str(tmp_path)) == str(folder / last)
    set_aside_later(escaped(str(folder)) + "/mask_rcnn_shop_{epoch:04d}.h5", 1)
    assert not (folder / last).exists() and (folder / "mask_rcnn_shop_20251130.h5").exists()


@pytest.mark.parametrize("path", ["mask_rcnn_coco.h5", "weights/mask_rcnn_fashion_0003.h5",
                                  "fashion20270101T0000/mask_rcnn_fashion_best.h5"])
def test_files_that_are_no_checkpoint_of_a_run_belong_to_none(path):
    assert folder_of(path) is None


def test_a_folder_that_is_there_is_not_taken_again(tmp_path):
    first = new_folder(str(tmp_path), "fashion")
    os.makedirs(first)
    assert new_folder(str(tmp_path), "fashion") > first


def test_the_last_run_is_the_one_written_last_whatever_the_clock_said_at_its_begin(tmp_path):
    begun_before_the_clock_went_back = tmp_path / "fashion20261025T0259"
    begun_after = tmp_path / "fashion20261025T0205"
    for age, folder in ((60, begun_before_the_clock_went_back), (0, begun_after)):
        folder.mkdir()
        path = folder / "mask_rcnn_fashion_0001.h5"
        path.write_bytes(b"")
        os.utime(path, (time.time() - age,) * 2)
    assert find_last_checkpoint(tmp_path) == str(begun_after / "mask_rcnn_fashion_0001.h5")


# --- One process in a folder -----------------------------------------------------------------------------------------


def test_new_runs_named_in_the_same_minute_get_folders_of_their_own_that_matterport_knows(tmp_path):
    named = new_folder(str(tmp_path), "fashion")
    runs = [claim_new(named, "fashion") for _ in range(3)]
    assert len({folder for folder, _ in runs}) == 3 and runs[0][0] == named
    for folder, lock in runs:
        assert re.fullmatch(MATTERPORT, os.path.join(folder, "mask_rcnn_fashion_0001.h5"))
        lock.close()
    with open(os.path.join(named, "config.json"), "w"):  # a run that has ended is no folder for a new one
        pass
    assert claim_new(named, "fashion")[0] != named


def test_a_run_belongs_to_one_process_until_that_ends(tmp_path):
    folder = str(tmp_path / "fashion20270101T0000")
    with subprocess.Popen([sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match=f"trained by process {other.pid}: wait.*--weights PATH"):
            claim(folder)
        other.kill()
        other.wait()
    with claim(folder), pytest.raises(RunError, match=f"by process {os.getpid()}:"):
        claim(folder)
    claim(folder).close()


def test_a_lock_on_a_full_disk_is_held_and_closed_without_a_word(tmp_path):
    folder = str(tmp_path / "fashion20270101T0000")
    with full_disk(0):
        lock = claim(folder)
        with pytest.raises(RunError, match="by process unknown"):
            claim(folder)
        lock.close()  # what could not be written must not come up again here
    claim(folder).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(RunError, match=r"logs.*cannot write in the folder.*another folder"):
        claim_new(str(tmp_path / "logs" / "fashion20270101T0000"), "fashion")
