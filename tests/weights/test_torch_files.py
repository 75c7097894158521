"""Reading PyTorch's files without PyTorch: against PyTorch itself, and files that want more than tensors."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from mrcnn.errors import CheckpointError
from mrcnn.weights import torch_files
from mrcnn.weights.torch_files import read_torch_file
from mrcnn.weights.torch_pickle import TensorUnpickler

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


# --- Files that ask for more than they have --------------------------------------------------------------------------

ORDERED, REBUILD = b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n"
FLOATS = b"ctorch\nFloatStorage\n"


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def integer(value):
    data = value.to_bytes(8, "little")
    return b"\x8a\x08" + data  # LONG1


def storage(count, key="0"):
    return b"(" + text("storage") + FLOATS + text(key) + text("cpu") + integer(count) + b"tQ"


def tensor(count, size, stride, offset=0):
    sides = [b"(" + b"".join(map(integer, numbers)) + b"t" for numbers in (size, stride)]
    return REBUILD + b"(" + storage(count) + integer(offset) + sides[0] + sides[1] + b"\x89" + b"}tR"


def made(path, program, data=b"", compressed=False, key="0"):
    """A zip in PyTorch's form with this pickle (protocol 2) and one storage."""
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + program + b".")
        archive.writestr(f"archive/data/{key}", data)
    return str(path)


def test_a_file_made_by_hand_is_read(tmp_path):
    values = np.arange(6, dtype="<f4")
    path = made(tmp_path / "a.pth", b"}" + text("w") + tensor(6, (2, 3), (3, 1)) + b"s", values.tobytes())
    np.testing.assert_array_equal(read_torch_file(path)["w"], values.reshape(2, 3))


@pytest.mark.parametrize("program, data, message", [
    # A state for a function: Python would change the reader itself.
    (REBUILD + b"}" + text("x") + text("y") + b"sb", b"", "no dict of tensors: refused"),
    # 100 x 100 numbers from one, by strides of 0.
    (b"}" + text("w") + tensor(1, (100, 100), (0, 0)) + b"s", bytes(4), "repeats the 1 numbers"),
    (b"}" + text("w") + tensor(1, (1 << 40, 1 << 20), (0, 0)) + b"s", bytes(4), "repeats the 1 numbers"),
    (b"}" + text("w") + tensor(1 << 50, (1,), (1,)) + b"s", bytes(4), "has 4: the file is damaged"),
    (b"}" + text("w") + tensor(1, (2,), (1,)) + b"s", bytes(4), "reaches beyond its data"),
    (b"}" + text("w") + tensor(1, (1,), (1,), offset=1) + b"s", bytes(4), "reaches beyond its data"),
    # The tuple of a tuple of a tuple ... as a key: to hash it needs as many levels of the C stack.
    (b"})" + b"\x85" * 300_000 + b"Ns", b"", "key of type tuple"),
    (b"}(" + b")" + b"\x85" * 300_000 + b"Nu", b"", "key of type tuple"),
    (ORDERED + b")\x85" + b"R", b"", "calls what a dict of tensors does not need"),
    (b"cbuiltins\neval\n" + text("1") + b"\x85R", b"", "asks for builtins.eval"),
    (b"\x8f.", b"", "instruction"),  # EMPTY_SET
    (b"I" + b"9" * 100_000 + b"\n", b"", "instruction"),  # a number as text
    (b"Nq\x00j\xff\xff\xff\x7f", b"", "refused|readable"),  # a reference to nothing
])
def test_what_asks_for_more_than_tensors_is_refused(tmp_path, program, data, message):
    with pytest.raises(CheckpointError, match=message):
        read_torch_file(made(tmp_path / "a.pth", program, data))


@pytest.mark.parametrize("program", [
    b"](" + b"}" * 200_000 + b"e",  # empty dicts, a byte each
    b"(" * 200_000,
    b"}" + b"\x94" * 200_000,  # MEMOIZE
])
def test_a_pickle_cannot_make_any_number_of_objects(tmp_path, program, monkeypatch):
    monkeypatch.setattr(TensorUnpickler, "most_instructions", 100_000)
    told = "its pickle has more than 100000 instructions, which a dict of tensors does not need: refused"
    made(tmp_path / "zip.pth", program)
    magic = pickle.dumps(torch_files.LEGACY_MAGIC, protocol=2)
    (tmp_path / "legacy.pth").write_bytes(magic + 2 * pickle.dumps({}, protocol=2) + b"\x80\x02" + program + b".")
    for name in ("zip.pth", "legacy.pth"):
        with pytest.raises(CheckpointError, match=f"{name}: {told}"):
            read_torch_file(str(tmp_path / name))
    many = {f"w{i}": torch.ones(1) for i in range(1000)}
    torch.save(many, tmp_path / "many.pth")
    assert len(read_torch_file(str(tmp_path / "many.pth"))) == 1000


@pytest.mark.parametrize("program", [
    text("x" * 3000),
    b"\x8d" + (1 << 40).to_bytes(8, "little"),  # BINUNICODE8, of a size that the file does not have
    b"c" + b"x" * 3000 + b"\n",
])
def test_the_pickles_of_old_files_are_bounded_too(tmp_path, program, monkeypatch):
    monkeypatch.setattr(torch_files, "LARGEST_PICKLE", 2000)
    torch.save({"w": torch.ones(2)}, tmp_path / "good.pth", _use_new_zipfile_serialization=False)
    assert read_torch_file(str(tmp_path / "good.pth"))["w"].tolist() == [1, 1]
    magic = pickle.dumps(torch_files.LEGACY_MAGIC, protocol=2)
    (tmp_path / "bad.pth").write_bytes(magic + b"\x80\x02" + program + b".")
    with pytest.raises(CheckpointError, match="bad.pth: its pickles have more than 2000 bytes"):
        read_torch_file(str(tmp_path / "bad.pth"))


def test_a_compressed_zip_is_refused_before_it_is_unpacked(tmp_path):
    path = made(tmp_path / "a.pth", b"}" + text("w") + tensor(1 << 22, (1 << 22,), (1,)) + b"s", bytes(1 << 24), True)
    with pytest.raises(CheckpointError, match="compressed"):
        read_torch_file(path)


def test_many_views_of_one_storage_are_refused(tmp_path):
    count = 1 << 14
    items = b"".join(text(f"w{i}") + tensor(count, (count,), (1,)) for i in range(20))
    path = made(tmp_path / "a.pth", b"}(" + items + b"u", bytes(4 * count))
    with pytest.raises(CheckpointError, match="take .* bytes, the file has"):
        read_torch_file(path)


def test_tied_weights_are_read(tmp_path):
    shared = torch.ones(1000)
    torch.save({"a": shared, "b": shared, "c": shared.view(10, 100)}, tmp_path / "a.pth")
    assert read_torch_file(str(tmp_path / "a.pth"))["c"].shape == (10, 100)


def test_the_reader_is_the_same_after_a_hostile_file(tmp_path):
    torch.save(tensors(), tmp_path / "good.pth")
    before = read_torch_file(str(tmp_path / "good.pth"))
    hostile = REBUILD + b"}" + text("__code__") + b"Nsb"
    with pytest.raises(CheckpointError):
        read_torch_file(made(tmp_path / "bad.pth", hostile))
    after = read_torch_file(str(tmp_path / "good.pth"))
    assert all(np.array_equal(before[name], after[name]) for name in before)
