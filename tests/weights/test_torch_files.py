"""Reading PyTorch's files without PyTorch: against PyTorch itself, and files that want more than tensors."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from mrcnn.errors import CheckpointError
from mrcnn.weights.torch_files import read_torch_file

torch = pytest.importorskip("torch", reason="PyTorch, which writes the files of this test, is not installed")


def tensors():
    values = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    return {
        "plain": values,
        "turned": values.permute(2, 0, 1),  # a view with strides of its own, of the same storage
        "part": values[1, 1:],  # a view with an offset
        "scalar": torch.tensor(7),
        "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
        "empty": torch.zeros(0, 3),
        "bytes": torch.tensor([1, 255], dtype=torch.uint8),
    }


@pytest.mark.parametrize("zipped", (True, False))
@pytest.mark.parametrize("wrapped", (True, False))
def test_every_tensor_is_read_as_pytorch_reads_it(zipped, wrapped, tmp_path):
    state = tensors()
    torch.save({"state_dict": state, } if wrapped else state, tmp_path / "a.pth",
               _use_new_zipfile_serialization=zipped)
    loaded = read_torch_file(str(tmp_path / "a.pth"))
    assert list(loaded) == list(state)
    for name, value in state.items():
        np.testing.assert_array_equal(loaded[name], value.numpy())
        assert loaded[name].dtype == value.numpy().dtype


def test_a_parameter_is_read_as_its_tensor(tmp_path):
    torch.save({"w": torch.nn.Parameter(torch.ones(2, 2))}, tmp_path / "a.pth")
    np.testing.assert_array_equal(read_torch_file(str(tmp_path / "a.pth"))["w"], np.ones((2, 2)))


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("zipped", (True, False))
def test_nothing_that_a_file_asks_for_is_run(zipped, tmp_path):
    torch.save({"w": torch.ones(1), "x": Malicious(str(tmp_path / "made"))}, tmp_path / "a.pth",
               _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="a.pth: it asks for .*open.*refused"):
        read_torch_file(str(tmp_path / "a.pth"))
    assert not (tmp_path / "made").exists()


def test_other_files_are_refused_by_name(tmp_path):
    whole = io.BytesIO()
    torch.save(tensors(), whole, _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(tmp_path / "no.zip.pth", "w") as archive:
        archive.writestr("a.txt", "text")
    for name, content in (
        ("text.pth", b"no weights"),
        ("empty.pth", b""),
        ("number.pth", pickle.dumps(5)),
        ("cut.pth", whole.getvalue()[:-40]),
        ("no.zip.pth", None),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=name):
            read_torch_file(str(tmp_path / name))
    with pytest.raises(CheckpointError, match="cannot read the weights"):
        read_torch_file(str(tmp_path / "nowhere.pth"))
    torch.save(torch.ones(2), tmp_path / "tensor.pth")
    with pytest.raises(CheckpointError, match="something else than a dict of tensors"):
        read_torch_file(str(tmp_path / "tensor.pth"))
