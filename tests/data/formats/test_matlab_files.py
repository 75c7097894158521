"""MATLAB files: what scipy writes is read, what is damaged is told of."""

import struct
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from mrcnn.data.formats import matlab_files
from mrcnn.data.formats.matlab_files import matlab_variables
from mrcnn.errors import DataError

ARRAY = np.arange(12).reshape(3, 4)


@pytest.mark.parametrize("packed", [False, True])
def test_what_scipy_writes(tmp_path, packed):
    kinds = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "single", "double"]
    content = {f"of_{kind}": ARRAY.astype(kind) for kind in kinds}
    content["cell"] = np.array([["null", "Schön", "T-shirt"]], object)
    content["text"], content["yes"], content["empty"] = "hello", ARRAY > 5, np.zeros((0, 3))
    savemat(tmp_path / "a.mat", content, do_compression=packed)
    variables = {variable.name: variable for variable in matlab_variables(tmp_path / "a.mat")}
    assert list(variables) == list(content)
    for kind in kinds:
        assert variables[f"of_{kind}"].kind == kind and variables[f"of_{kind}"].shape == (3, 4)
        values = variables[f"of_{kind}"].values()
        assert values.dtype == content[f"of_{kind}"].dtype
        np.testing.assert_array_equal(values, ARRAY)
    assert variables["cell"].kind == "cell" and variables["cell"].values() == ["null", "Schön", "T-shirt"]
    assert variables["text"].values() == "hello"
    np.testing.assert_array_equal(variables["yes"].values(), ARRAY > 5)
    assert variables["empty"].values().shape == (0, 3)


def made(order="<", kind=6, stored=2, sides=(2, 3), values=b"\1\2\3\4\5\6", version=0x0100):
    """A file of one variable "a", element by element."""

    def element(number, data):
        return struct.pack(order + "II", number, len(data)) + data + b"\0" * (-len(data) % 8)

    name = struct.pack(order + "I", 1 << 16 | 1) + b"a\0\0\0"  # a small element: size and type in four bytes
    parts = element(6, struct.pack(order + "II", kind, 0)) + element(5, struct.pack(order + "2i", *sides)) + name
    header = b"MATLAB".ljust(124) + struct.pack(order + "H", version) + (b"IM" if order == "<" else b"MI")
    return header + element(14, parts + element(stored, values))


@pytest.mark.parametrize("order", "<>")
def test_numbers_stored_as_smaller_ones_in_either_byte_order(tmp_path, order):
    # MATLAB stores an array of doubles as bytes where these will do; columns come first.
    (tmp_path / "a.mat").write_bytes(made(order))
    (variable,) = matlab_variables(tmp_path / "a.mat")
    assert (variable.name, variable.kind, variable.shape) == ("a", "double", (2, 3))
    assert variable.values().tolist() == [[1, 3, 5], [2, 4, 6]]
    (tmp_path / "a.mat").write_bytes(made(order, stored=4, values=struct.pack(order + "6H", *range(300, 306))))
    assert matlab_variables(tmp_path / "a.mat")[0].values().tolist() == [[300, 302, 304], [301, 303, 305]]


@pytest.mark.parametrize("change, said", [
    (dict(version=0x0200), "not of versions 5 to 7"),  # 7.3, which is HDF5
    (dict(sides=(2, -3)), "has the shape"),
    (dict(sides=(2, 4)), "a is damaged .cannot reshape"),
    (dict(values=b"\1\2\3"), "a is damaged .cannot reshape"),
    (dict(stored=99), "no array of numbers"),
    (dict(stored=9), "a is damaged"),
    (dict(kind=5), "no array of numbers"),  # sparse
    (dict(kind=99), "no array of numbers"),
    (dict(kind=1), "a is damaged"),  # a cell, whose items are none
])
def test_what_is_damaged_is_told(tmp_path, change, said):
    (tmp_path / "a.mat").write_bytes(made(**change))
    with pytest.raises(DataError, match=f"a.mat: .*{said}") as error:
        matlab_variables(tmp_path / "a.mat")[0].values()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_breaks_off_anywhere(tmp_path, packed):
    savemat(tmp_path / "a.mat", {"a": ARRAY}, do_compression=packed)
    whole = (tmp_path / "a.mat").read_bytes()
    for length in range(len(whole) - 1):
        (tmp_path / "a.mat").write_bytes(whole[:length])
        try:
            values = [variable.values() for variable in matlab_variables(tmp_path / "a.mat")]
            assert not values and length == 128  # a header alone is a file without variables
        except DataError as error:
            assert "a.mat" in str(error)


def test_no_more_is_unpacked_than_the_headers_announce(tmp_path, monkeypatch):
    whole = made()
    bomb = whole[128:] + b"\0" * 50_000_000  # a hundred kilobytes when packed
    packed = zlib.compress(bomb)
    (tmp_path / "a.mat").write_bytes(whole[:128] + struct.pack("<II", 15, len(packed)) + packed)
    sizes, unpacked = [], matlab_files._unpacked

    def measured(data, limit):
        sizes.append(len(unpacked(data, limit)))
        return unpacked(data, limit)

    monkeypatch.setattr(matlab_files, "_unpacked", measured)
    assert matlab_variables(tmp_path / "a.mat")[0].values().tolist() == [[1, 3, 5], [2, 4, 6]]
    assert sizes and max(sizes) < 5000


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="none.mat: cannot read the MATLAB file"):
        matlab_variables(tmp_path / "none.mat")
