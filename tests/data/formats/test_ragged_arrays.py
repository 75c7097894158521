"""Lists of arrays in .npy files: as NumPy writes them in each protocol, and pickles that want more than data."""

import io
import os
import pickle

import numpy as np
import pytest

from mrcnn.data.formats.array_files import open_arrays
from mrcnn.data.formats.ragged_arrays import read_objects
from mrcnn.errors import DataError


def objects(*items):
    """An array of objects, which NumPy would else make one of numbers of lists of one length."""
    array = np.empty(len(items), object)
    array[:] = items
    return array


ITEMS = [np.array([1, 2]), np.zeros((0, 4), np.float32), np.array([[1.5, 2, 3, 4]], ">f4"), [3, 4.5], (True, "mug"),
         np.float64(2.5), np.asfortranarray(np.arange(6).reshape(2, 3)), np.array([], np.int64)]


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_what_numpy_wrote_is_read(protocol):
    read = read_objects(pickle.dumps(objects(*ITEMS), protocol=protocol))
    assert len(read) == len(ITEMS)
    for given, item in zip(ITEMS, read):
        if isinstance(given, np.ndarray):
            assert item.dtype == given.dtype
            np.testing.assert_array_equal(item, given)
        else:
            assert item == (list(given) if isinstance(given, tuple) else given)


def test_arrays_of_objects_within_and_of_two_dimensions():
    inner = objects(np.array([1]), np.array([2, 3]))
    (read,) = read_objects(pickle.dumps(objects(inner)))
    assert [entry.tolist() for entry in read] == [[1], [2, 3]]
    square = np.empty((2, 2), object)
    square[:] = [[1, 2], [3, 4]]
    assert read_objects(pickle.dumps(square)) == [[1, 2], [3, 4]]


def test_a_file_of_numpy_is_read(tmp_path):
    np.save(tmp_path / "labels.npy", objects(*ITEMS[:1], np.array([7])), allow_pickle=True)
    labels = open_arrays(tmp_path / "labels.npy", None)["labels"]
    assert [entry.tolist() for entry in labels] == [[1, 2], [7]]


class Command:
    """What a pickle runs when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("hostile", [
    Command(os.system, "touch ran"), Command(eval, "open('ran', 'w')"), Command(open, "ran", "w"),
    Command(np.fromfile, "ran"), Command(getattr, [], "append"), Command(np.load, "ran"),
])
def test_code_is_never_run(tmp_path, monkeypatch, hostile):
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps(objects(hostile))
    for some in (data, pickle.dumps(objects([hostile])), pickle.dumps(hostile)):
        with pytest.raises(DataError, match="does not need: refused"):
            read_objects(some)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("thing", [
    {"a": 1}, {1, 2}, None, b"abc", slice(2), 1j, np.dtype("f4"), np.array(["2020"], "M8[D]"),
    np.zeros(2, [("a", "i4")]), np.longdouble(3),
])
def test_what_is_no_number_text_or_list_is_refused(thing):
    with pytest.raises(DataError):
        read_objects(pickle.dumps(objects(thing)))


def changed(data, old, new):
    assert data.count(old) == 1
    return data.replace(old, new)


def test_sizes_are_held_against_what_is_there():
    data = pickle.dumps(np.arange(3, dtype=np.int8), protocol=4)
    huge = changed(data, b"K\x03\x85", b"\x8a\x08" + (10**15).to_bytes(8, "little") + b"\x85")
    with pytest.raises(DataError, match="has other bytes"):
        read_objects(huge)
    with pytest.raises(DataError, match="damaged"):
        read_objects(data[:-8])
    negative = changed(data, b"K\x03\x85", b"J\xfd\xff\xff\xff\x85")
    with pytest.raises(DataError, match="without shape"):
        read_objects(negative)


def test_lists_that_repeat_themselves_are_refused():
    nest = [1]
    for _ in range(4):
        nest = [nest] * 1000  # 10 ** 12 numbers in a few kB
    with pytest.raises(DataError, match="repeats its lists"):
        read_objects(pickle.dumps(nest))
    deep = [1]
    for _ in range(50):
        deep = [deep]
    with pytest.raises(DataError, match="deeper than"):
        read_objects(pickle.dumps(deep))


def test_every_cut_and_many_changes_end_in_a_line_or_in_data():
    data = pickle.dumps(objects(*ITEMS))
    rng = np.random.default_rng(0)
    for length in range(0, len(data), 7):
        with pytest.raises(DataError):
            read_objects(data[:length])
    for _ in range(200):
        some = bytearray(data)
        some[rng.integers(len(some))] = rng.integers(256)
        try:
            read_objects(bytes(some))
        except DataError as error:
            assert "\n" not in str(error)


def test_pickles_own_unpickler_would_have_run_it(tmp_path, monkeypatch):
    """The hostile files above are what they are meant to be."""
    monkeypatch.chdir(tmp_path)
    pickle.load(io.BytesIO(pickle.dumps(objects(Command(os.system, "touch ran")))))
    assert os.path.exists("ran")
