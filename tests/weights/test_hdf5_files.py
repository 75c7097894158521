"""HDF5 files: a checksum that notices every byte, and files of others that hang, grow or lead elsewhere."""

import hashlib
import json
import os
import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mrcnn.errors import CheckpointError
from mrcnn.training.state import read_state
from mrcnn.untrusted import hdf5_look
from mrcnn.weights import hdf5_files
from mrcnn.weights.epochs import told_of_folder
from mrcnn.weights.files import read_attributes, read_layers
from mrcnn.weights.hdf5_files import arrays_in, open_hdf5, read_text, whole_hdf5, write_text


def written(path, **attributes):
    """A file of ours with one layer."""
    with whole_hdf5(path) as file:
        file.create_dataset("conv1/conv1/kernel:0", data=np.arange(6, dtype="f4").reshape(2, 3))
        for name, value in attributes.items():
            write_text(file.attrs, name, value)
    return path


def foreign(path, fill):
    """A file that somebody else wrote. fill: function of the open file."""
    with h5py.File(path, "w") as file:
        file.create_dataset("conv1/conv1/kernel:0", data=np.ones((2, 3), "f4"))
        fill(file)
    return path


def test_a_file_of_ours_is_hdf5_without_a_heap_and_reads_back(tmp_path):
    path = written(tmp_path / "a.h5", mrcnn_config='{"NAME": "\\u00e9"}')
    data = path.read_bytes()
    assert data.startswith(b"\x89HDF") and hdf5_files.HEAP not in data and hdf5_files.SIGN in data[-60:]
    with h5py.File(path, "r") as file:  # others read it as it is
        assert file["conv1/conv1/kernel:0"][1, 2] == 5
    assert read_layers(path)["conv1"]["kernel"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read_attributes(path)["config"] == {"NAME": "\u00e9"}


def test_any_byte_that_changes_is_noticed(tmp_path):
    path = written(tmp_path / "a.h5", mrcnn_config="{}")
    data = path.read_bytes()
    for place in np.linspace(0, len(data) - len(hdf5_files.SIGN) - 33, 40).astype(int):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(CheckpointError, match="a.h5: .*checksum.*use another checkpoint"):
            read_layers(path)


def test_a_file_changed_with_h5py_loses_its_checksum_and_is_read(tmp_path):
    path = written(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["conv1/conv1/kernel:0"][0, 0] = 9
    assert read_layers(path)["conv1"]["kernel"][0, 0] == 9


def test_a_folder_and_what_may_not_be_read_are_told(tmp_path, monkeypatch):
    folder = tmp_path / "tiny20261130T0900"
    folder.mkdir()
    for read in (read_layers, read_attributes, read_state):
        with pytest.raises(CheckpointError, match="T0900 is a folder: give a checkpoint in it, NAME_0001.h5"):
            read(folder)
    for name in ("mask_rcnn_tiny_0002.h5", "mask_rcnn_tiny_0010.h5", "mask_rcnn_tiny_0010.state.h5", "tiny_best.h5"):
        written(folder / name)
    with pytest.raises(CheckpointError, match="is a folder: give its last checkpoint, .*/mask_rcnn_tiny_0010.h5"):
        read_layers(folder)
    written(folder / "mask_rcnn_tiny_10000.h5")
    with pytest.raises(CheckpointError, match="is a folder: give its last checkpoint, .*/mask_rcnn_tiny_10000.h5"):
        read_layers(folder)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    message = f"{folder} is a folder, and cannot be read (Permission denied): give a checkpoint, NAME_0001.h5."
    assert told_of_folder(folder) == message
    with pytest.raises(CheckpointError, match="is a folder, and cannot be read"):
        read_layers(folder)
    monkeypatch.setattr(hdf5_files, "_fault", refuse)
    with pytest.raises(CheckpointError, match=r"_0002.h5: cannot read the weights \(Permission denied\): check"):
        read_layers(folder / "mask_rcnn_tiny_0002.h5")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_file_cut_short_is_refused(tmp_path, share):
    path = written(tmp_path / "a.h5")
    path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match="a.h5"):
        read_layers(path)


def test_texts_longer_than_an_attribute(tmp_path):
    text = json.dumps([f"class {i}" for i in range(20_000)])
    path = written(tmp_path / "a.h5", names=text, empty="")
    with open_hdf5(path) as file:
        assert read_text(file.attrs, "names") == text and read_text(file.attrs, "nothing") is None


@pytest.mark.parametrize("signed", [False, True])
def test_a_damaged_heap_hangs_no_longer_than_it_may(tmp_path, monkeypatch, signed):
    path = foreign(tmp_path / "a.h5", lambda file: file.attrs.update(mrcnn_config="{}", mrcnn_class_names="[]"))
    assert read_attributes(path)["config"] == {}  # as earlier versions wrote it
    data = bytearray(path.read_bytes())
    start = data.index(hdf5_files.HEAP) + 16  # behind the head of the heap: its first object
    data[start:start + 16] = bytes(16)
    if signed:  # anybody can write a checksum
        data += hdf5_files.SIGN + hashlib.sha256(bytes(data)).digest()
    path.write_bytes(data)
    monkeypatch.setattr(hdf5_look, "SECONDS", 3)
    with pytest.raises(CheckpointError, match="a.h5: it is damaged"):
        read_attributes(path)


def nested(file):
    group = file
    for _ in range(200):
        group = group.create_group("g")


def packed(file):
    file.create_dataset("big", shape=(4096, 4096), dtype="f4", chunks=(1024, 1024), compression="gzip")
    file["big"][:1024, :1024] = 0


def outside(file):
    file.create_dataset("w/w/kernel:0", (10,), "f4", external=[("/etc/hostname", 0, 40)])


@pytest.mark.parametrize("fill, message", [
    (lambda file: file.create_dataset("w/w/kernel:0", (40_000, 40_000), "f4", chunks=(100, 100)), "claims 6400000000"),
    (outside, "another file"),
    (lambda file: file.__setitem__("other", h5py.ExternalLink("/etc/hostname", "/")), "link, perhaps to another file"),
    (lambda file: file.__setitem__("soft", h5py.SoftLink("/conv1")), "link"),
    (nested, "nested deeper"),
    (packed, "more than 16 times"),
    (lambda file: file["conv1"].__setitem__("up", file["/"]), "nested deeper"),
])
def test_what_weights_have_no_need_of_is_refused(tmp_path, fill, message):
    with pytest.raises(CheckpointError, match=f"a.h5: .*{message}"):
        read_layers(foreign(tmp_path / "a.h5", fill))


def test_20_000_nested_groups_end_at_once_and_in_little_memory(tmp_path):
    """As the file of an attacker: made link by link, since h5py itself takes long paths apart one by one."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("g0")
        for _ in range(3000):
            group = group.create_group("g")
    code = ("import sys; from mrcnn.weights.files import read_layers\nfrom mrcnn.errors import CheckpointError\n"
            "try: read_layers(sys.argv[1])\nexcept CheckpointError as error: print('refused:', error)")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (30, 30)))
    assert done.stdout.startswith("refused:") and "nested deeper" in done.stdout


@pytest.mark.parametrize("attributes, message", [
    ({"mrcnn_config": 5}, "mrcnn_config is no text"),
    ({"mrcnn_config": "[1]"}, "mrcnn_config is JSON of type list"),
    ({"mrcnn_config": "[" * 50_000}, "mrcnn_config is"),
    ({"mrcnn_config": "{}", "mrcnn_class_names": "[1, 2]"}, "class names are no texts"),
    ({"mrcnn_config": "{}", "mrcnn_class_names": '"shirt"'}, "JSON of type str"),
    ({"mrcnn_config": "{}", "mrcnn_epoch": "three"}, "mrcnn_epoch is no whole number"),
    ({"mrcnn_config": "{}", "mrcnn_epoch": [1, 2]}, "mrcnn_epoch is no whole number"),
    ({"mrcnn_config": "{}", "mrcnn_architecture": 7}, "mrcnn_architecture is no text"),
])
def test_attributes_of_other_types_are_named(tmp_path, attributes, message):
    def fill(file):
        for name, value in attributes.items():
            file.attrs[name] = np.bytes_(value) if isinstance(value, str) else value

    with pytest.raises(CheckpointError, match=f"a.h5: .*{message}"):
        read_attributes(foreign(tmp_path / "a.h5", fill))


def state(file):
    file.attrs.update(epoch=3, stage=np.bytes_(b'{"layers": "all"}'))
    for name in ("optimizer/0", "optimizer/1", "seeds/0"):
        file[name] = np.ones(2, "f4")
    del file["conv1"]


@pytest.mark.parametrize("change, message", [
    (lambda file: file.attrs.__delitem__("epoch"), "lacks epoch or stage"),
    (lambda file: file.attrs.__setitem__("stage", np.bytes_(b"{")), "stage is no JSON"),
    (lambda file: file.attrs.__setitem__("epoch", 1.5), "epoch is no whole number"),
    (lambda file: file.__delitem__("optimizer/0"), "lacks a part of its optimizer"),
    (lambda file: file.__delitem__("seeds"), "lacks a part of its seeds"),
])
def test_a_training_state_with_parts_missing_says_what_to_do(tmp_path, change, message):
    path = tmp_path / "a.state.h5"
    foreign(path, state)
    assert len(read_state(path)["optimizer"]) == 2
    foreign(path, lambda file: (state(file), change(file)))
    with pytest.raises(CheckpointError, match=f"a.state.h5.*{message}.*delete it"):
        read_state(path)


def test_a_group_alone_is_read(tmp_path):
    path = tmp_path / "a.h5"
    foreign(path, lambda file: file.create_dataset("model_weights/a/a/bias:0", data=np.ones(2, "f4")))
    with open_hdf5(path) as file:
        assert [name for name, _ in arrays_in(file, "model_weights")] == ["a/a/bias:0"]


def test_a_pair_is_no_path():
    with pytest.raises(CheckpointError, match="is no path of a weight file: give one path, as find_last"):
        read_attributes(("logs/x", "logs/x/mask_rcnn_x_0001.h5"))
