"""Bytes of tensors: what is written is read back, what breaks off is refused."""

import json
import struct
import tracemalloc

import numpy as np
import pytest

from mrcnn.serving import tensors
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


def binary(data, shape, count=1):
    """(body, length of its JSON) of inputs of BYTES that share some data."""
    size = len(data) // count
    inputs = [{"name": f"x{i}", "shape": shape, "datatype": "BYTES", "parameters": {"binary_data_size": size}}
              for i in range(count)]
    head = json.dumps({"inputs": inputs}).encode()
    return head + data, str(len(head))


def test_elements_beyond_the_shape_are_not_walked_through(monkeypatch):
    seen, real = [], struct.unpack_from
    monkeypatch.setattr(struct, "unpack_from", lambda *given: seen.append(0) or real(*given))
    with pytest.raises(Refused, match=r"x0: more than 2 elements, but shape \[2\]: correct one"):
        read_request(*binary(bytes(4 << 10), [2]))
    assert len(seen) == 2


def test_what_is_left_of_a_body_is_not_copied_for_each_input_and_element(monkeypatch):
    seen, real = [], tensors._from_bytes
    monkeypatch.setattr(tensors, "_from_bytes", lambda data, *given: seen.append(data) or real(data, *given))
    body, length = binary(struct.pack("<I", 1) + b"a" + struct.pack("<I", 1) + b"b", [1], 2)
    assert [read_request(body, length)[1][name].values for name in ("x0", "x1")] == [[b"a"], [b"b"]]
    assert all(one.obj is body for one in seen)  # a view


def test_nested_numbers_of_another_shape_are_not_made_into_it():
    def read(data):
        one = {"name": "x", "shape": [2, 3], "datatype": "UINT8", "data": data}
        return read_request(json.dumps({"inputs": [one]}).encode(), None)[1]["x"].values.tolist()

    assert read([0, 1, 2, 3, 4, 5]) == read([[0, 1, 2], [3, 4, 5]]) == [[0, 1, 2], [3, 4, 5]]
    for data in ([[0, 1], [2, 3], [4, 5]], [[[0, 1, 2], [3, 4, 5]]]):
        with pytest.raises(Refused, match=r"x: data is nested as \[\d, .*\], but shape is \[2, 3\]: correct one"):
            read(data)


@pytest.mark.parametrize("levels", [9, 33, 70])
def test_numbers_nested_deeper_than_a_shape_can_be_are_refused(levels):
    data = "[" * levels + "1" + "]" * levels
    body = f'{{"inputs": [{{"name": "x", "shape": [1], "datatype": "UINT8", "data": {data}}}]}}'.encode()
    with pytest.raises(Refused, match=f"^x: data is nested {levels} deep: send it flat, or nested as its shape.$"):
        read_request(body, None)


def test_texts_among_numbers_take_no_memory_for_the_longest():
    body = json.dumps({"inputs": [{"name": "x", "shape": [1001], "datatype": "UINT8",
                                   "data": ["a" * 100_000, *["b"] * 1000]}]}).encode()
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="x: data is empty, ragged, or no numbers"):
            read_request(body, None)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(body)  # it was 400 MB
    finally:
        tracemalloc.stop()


def test_the_numbers_of_json_do_not_stay_as_lists():
    one = {"name": "x", "shape": [2], "datatype": "UINT8", "data": [1, 2]}
    request, tensors = read_request(json.dumps({"inputs": [one]}).encode(), None)
    assert "data" not in request["inputs"][0] and tensors["x"].values.tolist() == [1, 2]
