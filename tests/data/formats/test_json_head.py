"""The names in the beginning of a JSON text, by depth, wherever it breaks off."""

import json

from mrcnn.data.formats.json_head import json_paths, keys_by_depth, read_head


def test_names_by_depth():
    text = json.dumps({"a": [{"b": {"c": 1}}], 'd"{': "e", "f": ["g", {"h": 0}]})
    assert keys_by_depth(text, 4) == [set(), {"a", 'd\\"{', "f"}, set(), {"b", "h"}, {"c"}]
    assert keys_by_depth(text, 1) == [set(), {"a", 'd\\"{', "f"}]
    assert keys_by_depth("[" + text, 2)[2] == {"a", 'd\\"{', "f"}
    assert keys_by_depth("no " + text, 1) == [set(), set()]


def test_a_text_that_breaks_off_anywhere():
    text = json.dumps([{"one": ["a", {"two": "}]\\"}], "three": 3}])
    whole = keys_by_depth(text, 5)
    for end in range(len(text)):
        part = keys_by_depth(text[:end], 5)
        assert all(some <= every for some, every in zip(part, whole))
    assert keys_by_depth("]" * 9 + "{", 2) == [set()] * 3


def test_what_cannot_be_read_is_empty(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf{\xff")
    assert read_head(tmp_path / "a") == "{" and read_head(tmp_path) == "" and read_head(tmp_path / "gone") == ""


def test_files_in_linked_folders_come_last(tmp_path):
    for name in ("far/x.json", "here/b/y.json", "here/z.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "here" / "a").symlink_to(tmp_path / "far")
    found = list(json_paths(tmp_path / "here"))
    assert found == [str(tmp_path / "here" / name) for name in ("z.json", "b/y.json", "a/x.json")]
