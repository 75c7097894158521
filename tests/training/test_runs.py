import os

import pytest

from mrcnn.training.runs import find_last_checkpoint, folder_of, new_folder


def test_the_last_checkpoint_is_the_newest_runs(tmp_path):
    for run, epochs in (("fashion20250101T0000", (1, 2)), ("balloon20260101T0000", (7,)), ("fashion20260102T0000", ())):
        (tmp_path / run).mkdir()
        for epoch in epochs:
            (tmp_path / run / f"mask_rcnn_{run[:7]}_{epoch:04d}.h5").write_bytes(b"")
        (tmp_path / run / "mask_rcnn_x_0009.state.h5").write_bytes(b"")
    (tmp_path / "fashion20260102T0000" / "mask_rcnn_x_best.h5").write_bytes(b"")
    assert find_last_checkpoint(str(tmp_path)).endswith("mask_rcnn_balloon_0007.h5")
    assert find_last_checkpoint(str(tmp_path), "Fashion").endswith("mask_rcnn_fashion_0002.h5")
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


@pytest.mark.parametrize("path", ["mask_rcnn_coco.h5", "weights/mask_rcnn_fashion_0003.h5",
                                  "fashion20270101T0000/mask_rcnn_fashion_best.h5"])
def test_files_that_are_no_checkpoint_of_a_run_belong_to_none(path):
    assert folder_of(path) is None


def test_a_folder_that_is_there_is_not_taken_again(tmp_path):
    first = new_folder(str(tmp_path), "fashion")
    os.makedirs(first)
    assert new_folder(str(tmp_path), "fashion") > first
