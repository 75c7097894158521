"""Files appear whole or not at all: with the user's rights, never through links, told by name; tables for people."""

import errno
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest
from full_disk import full_disk

from mrcnn.errors import DataError
from mrcnn.files import (
    listed_names,
    plain,
    printable,
    read_json,
    remove_leftovers,
    text_table,
    whole_file,
    whole_files,
    whole_folder,
    whole_folder_and_files,
    write_json,
    write_text,
    write_texts,
)

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def umask():
    """Group may read, others nothing."""
    before = os.umask(0o027)
    yield
    os.umask(before)


def rights(path):
    return oct(stat.S_IMODE(os.stat(path).st_mode))


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "new" / "folder" / "names.json"
    write_json(path, {"names": ["a", "größe"], "number": 1.5})
    assert read_json(path, "list") == {"names": ["a", "größe"], "number": 1.5}
    assert os.listdir(path.parent) == ["names.json"]


def test_a_value_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "names.json"
    write_json(path, [1])
    with pytest.raises(TypeError):
        write_json(path, [object()])
    assert json.loads(path.read_text()) == [1] and os.listdir(tmp_path) == ["names.json"]


def test_rights_are_those_that_the_umask_leaves(tmp_path, umask):
    write_text(tmp_path / "folder" / "a.txt", "a")
    with whole_folder(tmp_path / "model") as folder:
        pathlib.Path(folder, "inner").write_text("b")
    # 0o666 and 0o777 without 0o027.
    assert rights(tmp_path / "folder" / "a.txt") == "0o640"
    assert rights(tmp_path / "folder") == rights(tmp_path / "model") == "0o750"
    os.chmod(tmp_path / "folder" / "a.txt", 0o600)
    write_text(tmp_path / "folder" / "a.txt", "new")
    assert rights(tmp_path / "folder" / "a.txt") == "0o640"


def test_texts_appear_together_or_not_at_all(tmp_path):
    write_texts(tmp_path / "new", {"a.txt": "one", "b.txt": "\ud800"})
    assert (tmp_path / "new" / "a.txt").read_text() == "one" and (tmp_path / "new" / "b.txt").read_text() == "\\ud800"
    with pytest.raises(AttributeError):
        write_texts(tmp_path / "new", {"a.txt": "two", "c.txt": None})
    assert sorted(os.listdir(tmp_path / "new")) == ["a.txt", "b.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "one"


def test_a_link_is_replaced_and_not_written_through(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "link.txt").symlink_to(tmp_path / "mine.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert (tmp_path / "link.txt").read_text() == "new" and not (tmp_path / "link.txt").is_symlink()


def test_a_link_at_the_unfinished_file_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr("mrcnn.files.secrets.token_hex", lambda _: "00000000")
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / f".a.txt.{os.getpid()}-00000000.partial").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(DataError, match=r"a\.txt: cannot write the file \(File exists\)"):
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name, reason", [("file/a.txt", "Not a directory|File exists"), ("folder", "Is a directory")])
def test_what_cannot_be_written_is_named(tmp_path, name, reason):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=rf"{name}: cannot write the file \(({reason})\): check rights") as caught:
        write_text(tmp_path / name, "a")
    assert "\n" not in str(caught.value) and sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_full_disk_leaves_what_was_there(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with full_disk(1000), pytest.raises(DataError, match=r"a\.txt: cannot write the file \(File too large\)"):
        write_text(tmp_path / "a.txt", "x" * 1001)
    assert (tmp_path / "a.txt").read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_several_files_appear_together_or_none(tmp_path):
    paths = [tmp_path / "one" / "a.txt", tmp_path / "two" / "b.txt"]
    with whole_files(*paths) as partials:
        for i, partial in enumerate(partials):
            pathlib.Path(partial).write_text(str(i))
        assert not any(path.exists() for path in paths)
    assert [path.read_text() for path in paths] == ["0", "1"]
    with pytest.raises(KeyboardInterrupt), whole_files(*paths) as partials:
        pathlib.Path(partials[0]).write_text("new")
        raise KeyboardInterrupt
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"/folder: cannot write the file"), whole_files(paths[0], tmp_path / "folder"):
        raise AssertionError("what cannot be shows before anything is written")
    assert [path.read_text() for path in paths] == ["0", "1"]
    assert os.listdir(tmp_path / "one") == ["a.txt"] and os.listdir(tmp_path / "two") == ["b.txt"]


def test_files_that_have_their_names_when_a_later_one_cannot_take_its_own_are_told(tmp_path):
    first, second, folder = (tmp_path / name for name in ("a.json", "b.bin", "model"))
    told = r"{}: cannot write the file \(.*\): check rights .*; .*a\.json was written by then: write all of them again"
    with pytest.raises(DataError, match=told.format(r"^[^ ]*b\.bin")), whole_files(first, second):
        second.mkdir()  # while the block writes
    with pytest.raises(DataError, match=told.format("^[^ ]*model")), whole_folder_and_files(folder, first):
        folder.write_text("of another program")
    several = tmp_path / "several"
    with pytest.raises(DataError, match=r"a\.txt and [^ ]*b\.txt were written by then: write all of them again"), \
            whole_files(*(several / name for name in ("a.txt", "b.txt", "c.txt"))):
        (several / "c.txt").mkdir()
    shutil.rmtree(several)
    assert first.exists() and second.is_dir() and folder.read_text() == "of another program"
    with pytest.raises(DataError, match=r"b\.bin: .*nothing of it is left, and what had the name"), \
            whole_files(second, first):
        raise AssertionError("what cannot be shows before anything is written")
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.bin", "model"]


def test_an_error_of_another_file_is_left_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="photo.jpg"), whole_file(tmp_path / "a.txt"):
        (tmp_path / "photo.jpg").read_bytes()
    assert os.listdir(tmp_path) == []


def test_a_long_name_has_room(tmp_path):
    name = "ü" * 120 + ".txt"  # 244 of 255 bytes
    write_text(tmp_path / name, "a")
    assert os.listdir(tmp_path) == [name]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(ValueError, match="no"), whole_folder(tmp_path / "model") as folder:
        pathlib.Path(folder, "a").write_text("a")
        raise ValueError("no")
    assert os.listdir(tmp_path) == []
    with whole_folder(tmp_path / "model") as folder:
        pathlib.Path(folder, "a").write_text("a")
        assert not (tmp_path / "model").exists()
    message = r"model: cannot write the file \(Directory not empty\)"
    with pytest.raises(DataError, match=message), whole_folder(tmp_path / "model") as folder:
        pathlib.Path(folder, "b").write_text("b")
    assert os.listdir(tmp_path) == ["model"] and os.listdir(tmp_path / "model") == ["a"]


def test_a_folder_and_a_file_appear_together_or_not_at_all(tmp_path):
    with pytest.raises(DataError, match="model.json and .*model: cannot write the file .No space"), \
            whole_folder_and_files(tmp_path / "model", tmp_path / "model.json") as (folder, text):
        pathlib.Path(folder, "a").write_text("a")
        pathlib.Path(text).write_text("{}")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert os.listdir(tmp_path) == []
    with whole_folder_and_files(tmp_path / "model", tmp_path / "model.json") as (folder, text):
        pathlib.Path(folder, "a").write_text("a")
        pathlib.Path(text).write_text("{}")
        assert not (tmp_path / "model").exists() and not (tmp_path / "model.json").exists()
    assert sorted(os.listdir(tmp_path)) == ["model", "model.json"] and os.listdir(tmp_path / "model") == ["a"]


def test_what_a_killed_process_left_is_found_and_removed(tmp_path):
    code = (
        "import os, signal, sys; from mrcnn.files import whole_file\n"
        "with whole_file(sys.argv[1]) as partial, open(partial, 'w') as file:\n"
        "    file.write('half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    (tmp_path / "a.txt").write_text("old")
    for name in ("a.txt", "b.h5"):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], cwd=ROOT)
        assert done.returncode == -signal.SIGKILL
    (tmp_path / ".mine.partial").write_text("not one of ours")
    assert len(os.listdir(tmp_path)) == 4 and (tmp_path / "a.txt").read_text() == "old"
    assert remove_leftovers(tmp_path) == ["a.txt", "b.h5"]
    assert sorted(os.listdir(tmp_path)) == [".mine.partial", "a.txt"] and remove_leftovers(tmp_path) == []


def test_what_a_living_process_is_writing_stays(tmp_path):
    with whole_file(tmp_path / "model.onnx") as mine:
        assert remove_leftovers(tmp_path) == [] and os.path.exists(mine)
    assert (tmp_path / "model.onnx").exists()
    code = ("import sys; from mrcnn.files import whole_file\n"
            "with whole_file(sys.argv[1]) as partial: print(flush=True); input(); open(partial, 'w').write('whole')")
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a.txt")], cwd=ROOT, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert remove_leftovers(tmp_path) == []
        other.communicate(b"\n")
    assert (tmp_path / "a.txt").read_text() == "whole"


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="processes tell their begin on Linux alone")
def test_a_number_that_another_process_has_by_now_keeps_nothing(tmp_path):
    """In a container the process that resumes has the number of the one that was killed."""
    left = tmp_path / f".a.h5.{os.getpid()}-0123abcd.partial"
    left.write_text("half")
    os.utime(left, (1e9, 1e9))
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        time.sleep(0.5)  # a zombie, whose number is still taken
        (tmp_path / f".b.h5.{gone.pid}-0123abcd.partial").write_text("half")
        assert remove_leftovers(tmp_path) == ["a.h5", "b.h5"]


# --- Reading, and tables ---------------------------------------------------------------------------------------------


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "half.json").write_text("[1, ")
    with pytest.raises(DataError, match=r"half\.json: no JSON file .*: give a split file\."):
        read_json(tmp_path / "half.json", "split file")
    (tmp_path / "deep.json").write_text("[" * 99999)
    with pytest.raises(DataError, match=r"deep\.json: no JSON file"):
        read_json(tmp_path / "deep.json", "split file")
    with pytest.raises(DataError, match=r"gone\.json: cannot read the split file \(No such file"):
        read_json(tmp_path / "gone.json", "split file")


def test_columns_line_up():
    assert text_table([["", "photos"], ["shoe", 12], ["a bag", 3]]) == "       photos\nshoe       12\na bag       3"


# --- Texts of others -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, shown", [
    ("plain \u00e9 \u4e2d \U0001f45f", None), ("a\tb\nc", None), ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
    ("a\0b", r"a\x00b"),
    ("\ud800", r"\ud800"), ("a\u202eb", r"a\u202eb"), ("a\u2028b", r"a\u2028b"), ("a\rb", r"a\rb"),
    ("\x9b", r"\x9b"), (7, "7"),
])
def test_what_would_steer_a_terminal_is_written_out(text, shown):
    assert printable(text) == (text if shown is None else shown)


def test_a_name_is_one_line_of_a_table():
    assert printable("a\tb\nc", one_line=True) == r"a\tb\nc"
    assert text_table([["class\n", 1], ["\x1bx", 22]]) == "class\\n   1\n\\x1bx    22"


def test_matplotlib_draws_a_name_as_it_is():
    from matplotlib.cbook import is_math_text

    for name in ("$\\frac{$", "$a$", "1 $", r"\$x\$"):
        assert not is_math_text(plain(name))
    assert plain("a$b\x1b") == r"a\$b\x1b"


def test_half_a_surrogate_pair_can_be_written(tmp_path):
    write_json(tmp_path / "a.json", {"name": "a\ud800", "other": "\u00e9"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "a\ud800", "other": "\u00e9"}
    write_text(tmp_path / "a.txt", "a\ud800 \u00e9")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "a\\ud800 \u00e9"


def test_names_are_listed_as_options_read_them():
    from mrcnn.commands.collection_report import names

    listed = ["shirt, blouse", "pants", 'a "b"']
    assert listed_names(listed) == '"shirt, blouse", pants, "a ""b"""' and names(listed_names(listed)) == listed
    assert names("top, pants,") == ["top", "pants"]
