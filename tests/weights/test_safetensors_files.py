"""Reading .safetensors files: written here byte by byte as the format says, and files that lie about their contents."""

import json
import pathlib
import struct

import numpy as np
import pytest

from mrcnn.errors import CheckpointError
from mrcnn.weights.safetensors_files import read_safetensors

KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}


def write(path, header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return str(path)


def entry(dtype, shape, first, last):
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


def test_every_type_is_read_where_its_bytes_lie(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 2, (2, 3)).astype(kind) for name, kind in KINDS.items()}
    arrays["scalar"], arrays["empty"] = np.float32(7).reshape(()), np.zeros((0, 4), "<f4")
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, value in arrays.items():
        header[name] = entry(name if name in KINDS else "F32", list(value.shape), len(data), len(data) + value.nbytes)
        data += value.tobytes()
    tensors = read_safetensors(write(tmp_path / "a.safetensors", header, data))
    assert list(tensors) == list(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(tensors[name], value)
        assert tensors[name].dtype == value.dtype and tensors[name].flags.writeable


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    # 1.5 is 0x3FC00000 and -2 is 0xC0000000 as float32.
    path = write(tmp_path / "a.safetensors", {"w": entry("BF16", [2], 0, 4)}, struct.pack("<HH", 0x3FC0, 0xC000))
    tensors = read_safetensors(path)["w"]
    assert tensors.dtype == np.float32 and tensors.tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "header,data,message",
    [
        ({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, 12, "tensor b overlaps"),
        ({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 12, 20)}, 20, "tensor b leaves a gap"),
        ({"a": entry("F32", [2], 0, 8)}, 12, "take 8 bytes of 12"),
        ({"a": entry("F32", [2], 0, 8)}, 4, "tensor a reaches beyond the end"),
        ({"a": entry("F32", [3], 0, 8)}, 8, "tensor a is .* in 8 bytes"),
        ({"a": entry("F32", [-2, -1], 0, 8)}, 8, "tensor a lacks"),
        ({"a": entry("F32", [True, 2], 0, 8)}, 8, "tensor a lacks"),
        ({"a": entry("F32", [2], 8, 0)}, 8, "tensor a reaches"),
        ({"a": entry("F4", [2], 0, 8)}, 8, "tensor a is of type F4"),
        ({"a": {"dtype": "F32", "shape": [2]}}, 8, "tensor a lacks"),
        ({"a": 3}, 8, "tensor a lacks"),
        ({"a": entry("F32", [0, 2**70], 0, 0)}, 0, "damaged"),
        ({}, 0, "holds no tensor"),
        ([1], 0, "no JSON object"),
        (b"{not json", 0, "no JSON"),
        (b"[" * 100000, 0, "no JSON"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused_in_one_line(header, data, message, tmp_path):
    with pytest.raises(CheckpointError, match=f"a.safetensors: .*{message}") as caught:
        read_safetensors(write(tmp_path / "a.safetensors", header, b"\0" * data))
    assert "\n" not in str(caught.value)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = write(tmp_path / "a.safetensors", {"a": entry("F32", [4], 0, 16), "b": entry("U8", [3], 16, 19)}, b"\1" * 19)
    whole = pathlib.Path(path).read_bytes()
    for length in range(len(whole)):
        pathlib.Path(path).write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="a.safetensors"):
            read_safetensors(path)
    pathlib.Path(path).write_bytes(struct.pack("<Q", 2**63) + whole[8:])  # a header longer than the file
    with pytest.raises(CheckpointError, match="cut short in its header"):
        read_safetensors(path)
    with pytest.raises(CheckpointError, match="nowhere.*cannot read"):
        read_safetensors(str(tmp_path / "nowhere.safetensors"))


@pytest.mark.parametrize("shape", [[10**4000] * 2000, [1] * 100, [0, 10**4000]])
def test_a_shape_of_huge_numbers_is_refused_at_once(tmp_path, shape):
    path = write(tmp_path / "a.safetensors", {"w": entry("F32", shape, 0, 4)}, bytes(4))
    with pytest.raises(CheckpointError, match="a.safetensors"):
        read_safetensors(path)
