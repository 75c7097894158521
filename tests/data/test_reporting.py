"""What a reader tells of while it loads."""

import pytest

from mrcnn.data.faults import Fault
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.data.reporting import Reporting
from mrcnn.errors import DataError


def begun(on_error):
    dataset = Reporting()
    dataset.start_loading(on_error)
    return dataset


def test_a_fault_is_raised_or_noted_as_the_reader_was_told():
    fault = Fault("a.jpg", "empty mask", "it has no pixel", 2)
    with pytest.raises(DataError, match="rows.txt: a.jpg, object 2: .*--on-error skip"):
        begun("raise").fault("rows.txt", fault)
    dataset = begun("skip")
    dataset.fault("rows.txt", fault)
    dataset.fault("rows.txt", Fault("b.jpg", "missing", "the photo is not there"))
    assert [each.photo for each in dataset.faults] == ["a.jpg", "b.jpg"]
    # An object without a pixel is no loss; a photo is a whole one.
    losses = [(loss.photo, loss.objects, loss.whole) for loss in dataset.lost]
    assert losses == [("a.jpg", 0, False), ("b.jpg", 0, True)]


def test_notes_of_the_same_words_are_one_with_a_count():
    dataset = begun("raise")
    for name in ("a", "b", "c"):
        dataset.note("photo", "turned", name)
    dataset.note("photo", "shrunk", "d")
    assert [(note.how, note.first, note.count) for note in dataset.notes] == [("turned", "a", 3), ("shrunk", "d", 1)]


def test_options_without_use_and_words_that_are_neither_are_refused():
    with pytest.raises(DataError, match="rows.txt: .*leave mapping 'm.json' out"):
        Reporting().refuse("rows.txt", names=None, mapping="m.json")
    with pytest.raises(ValueError, match="on_error='stop'"):
        begun("stop")


def test_an_end_without_photos_is_an_error():
    with pytest.raises(DataError, match="rows.txt: no photos remain"):
        begun("raise").finish_loading("rows.txt")


def test_an_end_without_photos_names_the_commonest_reason():
    dataset = begun("skip")
    for name, kind in (("a.jpg", "missing"), ("b.jpg", "unreadable"), ("c.jpg", "missing")):
        dataset.fault("rows.txt", Fault(name, kind, "the photo is not in photos"))
    dataset.fault("rows.txt", Fault("d.jpg", "no mask", "a box alone", 3))  # an object's, which leaves the photo
    dataset.note("photo", "turned", "e.jpg", 9)
    dataset.note("task", "with drafts alone: left out", "f.jpg", 2)
    with pytest.raises(DataError) as error, pytest.warns(UserWarning):
        dataset.finish_loading("rows.txt")
    assert str(error.value) == (
        "rows.txt: no photos remain: 2 of 3 left out as 'missing', as a.jpg: the photo is not in photos: give the "
        "folder of the photos (images=, --images); 2 tasks with drafts alone: left out (first: f.jpg).")


def test_names_that_fit_several_files_or_that_of_another_are_told_so(tmp_path):
    for name in ("s1/b.jpg", "s2/b.jpg", "a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for on_error in ("raise", "skip"):
        dataset = begun(on_error)
        assert dataset.find_alike(PhotoFolder(tmp_path), ["b.jpg", "x/a.jpg", "y/a.jpg", "gone.jpg"], set()) == {}
        if on_error == "raise":
            said = (r"1 of 4 photos are not in .*: gone.jpg; 1 of 4 photos cannot be told by their names: stem may be "
                    r"each of 2 files in .*\(s1/b.jpg, s2/b.jpg\): write its folder in front")
            with pytest.raises(DataError, match=said):
                dataset.missing_photos("rows.txt", tmp_path, ["stem", "gone.jpg"], 4, {"stem": "b.jpg"})
            with pytest.raises(DataError, match="2 of 4 photos cannot be told .*: x/a.jpg looks like a.jpg .*another"):
                dataset.missing_photos("rows.txt", tmp_path, ["x/a.jpg", "y/a.jpg"], 4)
    dataset.missing_photos("rows.txt", tmp_path, ["b.jpg", "gone.jpg"], 4)
    first, second = dataset.faults
    assert first.kind == second.kind == "missing" and "2 files" in str(first) and "is not in" in str(second)
