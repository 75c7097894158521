"""Files of arrays: each kind read in place, and none believed."""

import pickle
import struct
import zipfile

import h5py
import numpy as np
import pytest

from mrcnn.data.formats.array_files import Hdf5Array, holds_arrays, open_arrays
from mrcnn.errors import DataError

NUMBERS = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def opened(path):
    return open_arrays(path, lambda *_: None)


def written(path, shape, kind="|u1", data=b"", version=1):
    """An .npy whose header says what it likes."""
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + length + header + data)
    return path


@pytest.mark.parametrize("array", [
    NUMBERS, np.asfortranarray(NUMBERS), NUMBERS.astype(">f8"), NUMBERS[:0], NUMBERS > 5,
])
def test_an_npy_is_mapped(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    assert holds_arrays(tmp_path / "a.npy")
    (read,) = opened(tmp_path / "a.npy").values()
    assert read.dtype == array.dtype and (isinstance(read, np.memmap) or not array.size)
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("save, mapped", [(np.savez, True), (np.savez_compressed, True)])
def test_an_npz_is_mapped_packed_or_not(tmp_path, save, mapped):
    ragged = np.empty(2, object)
    ragged[:] = [np.array([1]), np.array([2, 3])]
    save(tmp_path / "a.npz", masks=NUMBERS, other=np.asfortranarray(NUMBERS), labels=ragged)
    assert holds_arrays(tmp_path / "a.npz")
    arrays = opened(tmp_path / "a.npz")
    assert list(arrays) == ["masks", "other", "labels"] and isinstance(arrays["masks"], np.memmap) == mapped
    for name in ("masks", "other"):
        np.testing.assert_array_equal(arrays[name], NUMBERS)
    assert [entry.tolist() for entry in arrays["labels"]] == [[1], [2, 3]]


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"chunks": (1, 3, 4), "compression": "lzf"}])
def test_an_h5_is_read_a_part_at_a_time(tmp_path, options):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("train/masks", data=NUMBERS, **options)
        labels = file.create_dataset("labels", (2,), h5py.vlen_dtype(np.int32))
        labels[0], labels[1] = [1, 2], [3]
        file["names"] = ["mug", "Glas"]
    arrays = opened(tmp_path / "a.h5")
    masks = arrays["train/masks"]
    assert isinstance(masks, Hdf5Array) and masks.shape == NUMBERS.shape and len(masks) == 2
    np.testing.assert_array_equal(masks[1], NUMBERS[1])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(masks))[0:1], NUMBERS[:1])  # for a process of its own
    assert [entry.tolist() for entry in arrays["labels"]] == [[1, 2], [3]] and arrays["names"] == ["mug", "Glas"]


def test_packed_masks_take_hundreds_of_times_their_file(tmp_path):
    """As masks do: weights of that kind would be refused."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("masks", data=np.zeros((400, 100, 100), bool), compression="gzip", chunks=(50, 100, 100))
    assert opened(tmp_path / "a.h5")["masks"].shape == (400, 100, 100)
    assert (tmp_path / "a.h5").stat().st_size * 100 < 400 * 100 * 100


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape, kind, said", [
    ((10**15,), "|u1", "takes 1000000000000000 bytes, the file has 3"),
    ((10**9, 10**9, 10**9), "<f8", "the file has 3"),
    ((-1,), "|u1", "shape"),
    ((True,), "|u1", "shape"),
    ("3", "|u1", "shape"),
    ((1,) * 20, "|u1", "shape"),
    ((3,), [("a", "|u1")], "only numbers"),
    ((3,), "|V1", "only numbers"),
    ((3,), "<M8[D]", "only numbers"),
])
def test_a_header_is_held_against_the_file(tmp_path, shape, kind, said):
    path = written(tmp_path / "a.npy", shape, kind, b"abc")
    with pytest.raises(DataError, match=f"a.npy.*{said}"):
        opened(path)


@pytest.mark.parametrize("data", [
    b"\x93NUMPY", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x07\x00\x10\x00{}", b"\x93NUMPY\x01\x00\x04\x00(((((",
    b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", b"\x93NUMPY\x01\x00\xff\x20" + b"(" * 0x20FF,
    b"\x93NUMPY\x01\x00\x0e\x00__import__('os')", b"\x93NUMPY\x01\x00\x02\x00{}",
])
def test_a_damaged_header_ends_in_a_line(tmp_path, data):
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(DataError, match="a.npy") as error:
        opened(tmp_path / "a.npy")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_held_against_itself(tmp_path, packed):
    path = written(tmp_path / "a.npy", (10**12,), data=b"abc")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", packed) as archive:
        archive.write(path, "masks.npy")
    with pytest.raises(DataError, match="takes 1000000000000 bytes"):
        opened(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", masks=NUMBERS)
    data = (tmp_path / "b.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(data[:-60])
    with pytest.raises(DataError, match="b.npz"):
        opened(tmp_path / "b.npz")


def test_a_zip_of_other_things_is_none_of_arrays(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", "x")
        archive.writestr("photos/a.jpg", "x")
    assert not holds_arrays(tmp_path / "a.npz") and not holds_arrays(tmp_path / "none.npy")


def hostile_h5(path, kind):
    with h5py.File(path, "w") as file:
        if kind == "link":
            file["masks"] = h5py.ExternalLink("other.h5", "/masks")
        elif kind == "external":
            file.create_dataset("masks", (4, 4), "u1", external=[("/etc/passwd", 0, 16)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((4, 4), "u1")
            layout[:] = h5py.VirtualSource("other.h5", "masks", (4, 4))
            file.create_virtual_dataset("masks", layout)
        elif kind == "sparse":
            file.create_dataset("masks", (10**6, 1000, 1000), "u1", chunks=(1, 1000, 1000), compression="gzip")
        elif kind == "claims":
            file.create_dataset("masks", (10**6, 1000, 1000), "u1", chunks=(1, 1000, 1000))
    return path


@pytest.mark.parametrize("kind, said", [
    ("link", "is a link"), ("external", "in another file"), ("virtual", "in another file"), ("sparse", "sparse"),
    ("claims", "sparse"),
])
def test_an_h5_that_says_too_much_is_refused(tmp_path, kind, said):
    with pytest.raises(DataError, match=f"a.h5: masks.*{said}"):
        opened(hostile_h5(tmp_path / "a.h5", kind))


def test_a_cut_h5_ends_in_a_line(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["masks"] = NUMBERS
    data = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(data[:-20])
    with pytest.raises(DataError, match="a.h5"):
        opened(tmp_path / "a.h5")


def test_other_files_are_named(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"text")
    with pytest.raises(DataError, match="no file of arrays"):
        opened(tmp_path / "a.npy")
    with pytest.raises(DataError, match="cannot read the arrays"):
        opened(tmp_path / "none.npy")
