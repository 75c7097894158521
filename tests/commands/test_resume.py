"""The journal of a folder: what of it is believed, and what is refused."""

import json

import pytest

from mrcnn.commands.resume import JOURNAL, journal_of, left_to_do, stamp_of
from mrcnn.errors import UsageError

IDENTITY = {"weights": "a" * 64, "settings": {"SEED": 1}}


def write(folder, photos, finish=False, resume=False, identity=IDENTITY):
    """The entries that were known before these photos were noted."""
    with journal_of(str(folder), identity, resume) as journal:
        known = dict(journal.done)
        for photo in photos:
            journal.add(photo, stamp=[1, 2], results=[0.1 + 0.2])
        if finish:
            journal.finish()
    return known


def test_what_was_noted_is_known(tmp_path, capsys):
    assert write(tmp_path / "out", ["a", "b"]) == {}
    assert list(write(tmp_path / "out", ["c"], resume=True)) == ["a", "b"]
    known = write(tmp_path / "out", [], resume=True)
    assert known["c"] == {"stamp": [1, 2], "results": [0.1 + 0.2]} and len(known) == 3  # to the last digit
    assert capsys.readouterr() == ("", "")


def test_without_resume_it_begins_anew_and_says_what_is_given_up(tmp_path, capsys):
    write(tmp_path, ["a", "b"])
    assert write(tmp_path, ["c"], finish=True) == {}
    assert "2 photos that an interrupted command has done are done anew; --resume" in capsys.readouterr().err
    assert list(write(tmp_path, [], resume=True)) == ["c"]
    write(tmp_path, ["c"], finish=True)  # nothing was left to do: nothing is given up
    assert capsys.readouterr().err == ""


def test_nothing_to_resume_is_told(tmp_path, capsys):
    assert write(tmp_path / "new", ["a"], resume=True) == {}
    assert "new holds nothing to resume: beginning with the first photo" in capsys.readouterr().out


@pytest.mark.parametrize("identity, said", [
    ({**IDENTITY, "weights": "b" * 64}, "begun with weights aaaaaaaaaaaa..., not bbbbbbbbbbbb..."),
    ({**IDENTITY, "settings": {"SEED": 2}}, 'begun with settings {"SEED": 1}, not {"SEED": 2}: .* leave --resume out'),
    ({**IDENTITY, "tile": 512}, "begun with tile null, not 512"),
])
def test_other_weights_or_settings_are_refused(tmp_path, identity, said):
    write(tmp_path, ["a"])
    with pytest.raises(UsageError, match=said):
        write(tmp_path, [], resume=True, identity=identity)
    assert list(write(tmp_path, [], resume=True)) == ["a"]  # still there


def test_a_torn_line_is_a_photo_to_look_at_again(tmp_path):
    write(tmp_path, ["a", "b", "c"])
    path = tmp_path / JOURNAL
    path.write_bytes(path.read_bytes()[:-7])
    assert list(write(tmp_path, ["c"], resume=True)) == ["a", "b"]
    assert list(write(tmp_path, [], resume=True)) == ["a", "b", "c"]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_lines_of_others_are_counted(tmp_path):
    write(tmp_path, ["a"])
    with open(tmp_path / JOURNAL, "a") as file:
        file.write("nonsense\n[1]\n")
    with pytest.warns(UserWarning, match="2 lines cannot be read: their photos are looked at again"):
        assert list(write(tmp_path, [], resume=True)) == ["a"]


def test_one_process_alone_writes(tmp_path):
    with journal_of(str(tmp_path), IDENTITY, False), pytest.raises(UsageError, match="written by another process"):
        write(tmp_path, [])


def test_a_folder_in_which_nothing_was_done_is_left_as_it_was(tmp_path):
    write(tmp_path / "new", [])
    assert not (tmp_path / "new").exists()


def test_a_batch_with_one_photo_left_is_left_whole():
    assert left_to_do([[1, 2], [3, 4], [5]], lambda photo: photo in (1, 2, 3, 5)) == [[3, 4]]


def test_a_changed_photo_has_another_stamp(tmp_path):
    path = tmp_path / "a.jpg"
    assert stamp_of(str(path)) is None
    path.write_bytes(b"one")
    before = stamp_of(str(path))
    path.write_bytes(b"other")
    assert stamp_of(str(path)) != before and stamp_of(str(path))[0] == 5
