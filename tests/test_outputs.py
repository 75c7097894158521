import os
import sys

import pytest

from mrcnn.errors import DataError, UsageError
from mrcnn.evaluation.html_page import write_page
from mrcnn.files import whole_folder, write_text
from mrcnn.outputs import MARK, claim_outputs, release_outputs, remove_former, tell_earlier


def write(path, text, overwrite=False):
    """What a command does that writes one file."""
    claim_outputs([path], overwrite)
    try:
        write_text(path, text)
    finally:
        release_outputs()


def test_a_command_replaces_what_a_command_wrote(tmp_path):
    for text in ("one", "two", "one"):
        write(tmp_path / "a.json", text)
        assert (tmp_path / "a.json").read_text() == text
    assert len((tmp_path / MARK).read_text().splitlines()) == 2


@pytest.mark.parametrize("before", [None, "ours"])
def test_a_file_of_the_users_stays_unless_told(tmp_path, before):
    path = tmp_path / "a.json"
    if before:
        write(path, before)
    path.write_text("the user's")
    with pytest.raises(UsageError, match=r"a\.json was not written by this program.*--overwrite"):
        write(path, "new")
    assert path.read_text() == "the user's"
    write(path, "new", overwrite=True)
    write(path, "newer")
    assert path.read_text() == "newer"


def test_files_of_earlier_calls_that_stay_are_told(tmp_path, recwarn):
    tell_earlier(tmp_path / "none", ["a.png"])
    for name in ("a.png", "b.png", "c.png", "gone.png"):
        write(tmp_path / name, name)
    (tmp_path / "gone.png").unlink()
    (tmp_path / "own.txt").write_text("the user's")
    tell_earlier(tmp_path, ["a.png", "b.png", "c.png"])
    assert not len(recwarn)
    tell_earlier(tmp_path, ["b.png", "d.png"])
    (warning,) = recwarn
    assert "2 files of earlier calls stay beside the new ones (first: a.png)" in str(warning.message)


def test_files_that_a_call_does_not_write_this_time_are_removed_and_told(tmp_path, recwarn):
    for name in ("a.html", "b.html", "changed.html", "new.json"):
        write(tmp_path / name, name)
    (tmp_path / "changed.html").write_text("the user's")
    (tmp_path / "own.html").write_text("the user's")
    remove_former(tmp_path, {"a.html", "b.html", "changed.html", "own.html", "gone.html"})
    assert sorted(os.listdir(tmp_path)) == [MARK, "changed.html", "new.json", "own.html"]
    (warning,) = recwarn
    assert f"{tmp_path}: a.html, b.html of an earlier call are removed" in str(warning.message)
    claim_outputs([tmp_path / "own.html"], overwrite=True)
    with pytest.warns(UserWarning, match="own.html of an earlier call is removed"):
        remove_former(tmp_path, ["own.html"])
    release_outputs()
    remove_former(tmp_path / "none", ["a.html"])


@pytest.mark.parametrize("remove", [lambda path: remove_former(path.parent, [path.name]),
                                    lambda path: write_page(path, str)])
def test_a_former_file_that_cannot_be_removed_is_named_with_a_remedy(tmp_path, monkeypatch, remove):
    write(tmp_path / "report.html", "old")

    def locked(path):
        raise PermissionError(13, "used by another process", str(path))

    monkeypatch.setattr(os, "remove", locked)
    with pytest.raises(DataError, match=r"report.html: cannot remove .*\(used by another process\): close it"):
        remove(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "old"


def test_links_are_the_users_and_what_they_point_to_stays(tmp_path):
    (tmp_path / "photos").mkdir()
    photo = tmp_path / "photos" / "a.png"
    photo.write_text("photo")
    (tmp_path / "out").symlink_to(tmp_path / "photos")
    (tmp_path / "b.png").symlink_to(photo)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for path in ("out/a.png", "b.png", "dangling"):
        with pytest.raises(UsageError, match="--overwrite"):
            write(tmp_path / path, "drawing")
    write(tmp_path / "b.png", "drawing", overwrite=True)
    assert photo.read_text() == "photo" and not (tmp_path / "b.png").is_symlink()


def test_nothing_is_checked_or_listed_outside_a_command(tmp_path):
    (tmp_path / "a").write_text("old")
    write_text(tmp_path / "a", "new")
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "new"


def test_a_folder_is_ours_as_long_as_nothing_in_it_changed(tmp_path):
    path = tmp_path / "model"

    def export(text):
        claim_outputs([path])
        try:
            with whole_folder(path) as partial:
                write_text(os.path.join(partial, "inner", "weights"), text)
        finally:
            release_outputs()

    for text in ("one", "two"):
        export(text)
        assert (path / "inner" / "weights").read_text() == text and sorted(os.listdir(tmp_path)) == [MARK, "model"]
    (path / "notes.txt").write_text("the user's")
    with pytest.raises(UsageError, match="model was not written"):
        export("three")
    assert (path / "notes.txt").read_text() == "the user's"


def test_a_list_that_a_killed_process_left_torn_is_read_and_gone_on_with(tmp_path):
    write(tmp_path / "a", "one")
    with open(tmp_path / MARK, "a") as file:
        file.write('["b", "12')
    write(tmp_path / "c", "three")
    write(tmp_path / "a", "two")
    write(tmp_path / "c", "four")
    assert [(tmp_path / name).read_text() for name in "ac"] == ["two", "four"]


def test_a_folder_that_cannot_be_written_to_shows_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(UsageError, match=r"file is no folder.*another --output"):
        claim_outputs([tmp_path / "file" / "sub" / "a.json"])
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(tmp_path))
    with pytest.raises(UsageError, match=rf"{tmp_path.name} cannot be written to: check its rights"):
        claim_outputs([tmp_path / "new" / "a.json"])


def test_a_claim_takes_as_many_steps_for_each_file_however_many_there_are(tmp_path):

    def steps(count):
        paths = [tmp_path / str(count) / f"{number}.png" for number in range(count)]
        claim_outputs(paths)
        for path in paths:
            write_text(path, path.name)
        called = []
        sys.setprofile(lambda frame, event, _: called.append(event))
        try:
            claim_outputs(paths)
        finally:
            sys.setprofile(None)
            release_outputs()
        return len(called)

    assert steps(300) < 6 * steps(60)
