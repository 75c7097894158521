"""Bytes of tensors: what is written is read back, what breaks off is refused."""

import json
import struct

import numpy as np
import pytest

from mrcnn.serving.refusals import Refused
from mrcnn.serving.tensors import read_request, write_answer


@pytest.mark.parametrize("values", [np.arange(6, dtype=np.uint8).reshape(2, 3), np.array([-5, 1 << 30], np.int32),
                                    np.array([[0.5, -2]], np.float32), ["a", "\xe9\xe8", ""], []])
@pytest.mark.parametrize("binary", [True, False])
def test_what_is_written_is_read(values, binary):
    body, length = write_answer({}, {"x": values}, {"x"} if binary else set())
    assert (length is not None) == binary
    head = json.loads(body[:length])
    data = {"inputs": head["outputs"]}
    head = json.dumps(data).encode()
    rest = body[length:] if binary else b""
    _, tensors = read_request(head + rest, str(len(head)) if binary else None)
    read = tensors["x"].values
    if isinstance(values, list):
        assert [one.decode() if binary else one for one in read] == values
    else:
        assert read.dtype == values.dtype and np.array_equal(read, values)


@pytest.mark.parametrize("data, message", [
    (b"\1\0\0", "BYTES break off"), (struct.pack("<I", 9) + b"abc", "BYTES break off"), (b"", "0 elements")])
def test_bytes_that_break_off(data, message):
    head = json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES",
                                   "parameters": {"binary_data_size": len(data)}}]}).encode()
    with pytest.raises(Refused, match=message):
        read_request(head + data, str(len(head)))


@pytest.mark.parametrize("shape", [[(1 << 31) - 1] * 500, [0, *[(1 << 31) - 1] * 3]])
@pytest.mark.parametrize("datatype", ["UINT8", "BYTES"])
def test_shapes_beyond_all_numbers(shape, datatype):
    head = json.dumps({"inputs": [{"name": "x", "shape": shape, "datatype": datatype,
                                   "parameters": {"binary_data_size": 0}}]}).encode()
    with pytest.raises(Refused, match=r"x: shape \[\d+.* sides, or more numbers than can be"):
        read_request(head, str(len(head)))


def test_no_numbers_as_bytes():
    head = b'{"inputs": [{"name": "x", "shape": [0, 2], "datatype": "UINT8", "parameters": {"binary_data_size": 0}}]}'
    assert read_request(head, str(len(head)))[1]["x"].values.shape == (0, 2)


def test_bytes_of_nobody():
    with pytest.raises(Refused, match="3 bytes are of no input"):
        read_request(b'{"inputs": []}abc', "14")
