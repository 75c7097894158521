"""The YAML of data.yaml files: what a parser of all of YAML makes of it, as texts, and refusals by line."""

import pytest

from mrcnn.data.formats import yaml_settings
from mrcnn.data.formats.yaml_settings import parse_yaml, read_yaml
from mrcnn.errors import DataError

ULTRALYTICS = """# COCO8-seg
path: coco8-seg # dataset root dir
train: images/train # train images (relative to 'path') 4 images
test: # test images (optional)

# Classes
names:
  0: person
  1: men's shirt
  79: toothbrush

# Download script/URL (optional)
download: https://github.com/x/y.zip
"""
ROBOFLOW = """train: ../train/images
val: ../valid/images
nc: 3
names: ['a', "b", c d]
roboflow:
  workspace: x
  license: CC BY 4.0
"""
NESTED = """names:
- a
- b: c
  d: e
-
  - x
- [1, {2: 3, "q, r": 's'}]
download: |
  from x import y
  # no comment: z
k: v
"""
FLOW = """---
names: [
  'a',   # first
  'b',
]
train: [a/b, c]
e: {}
f: []
g: "a\\tb\\x41\\u00e9\\e"
h: 'it''s # no comment'
i: http://a#b
"""
WRAPPED = """names: {0: person, 1: men's shirt,
  2: "toothbrush", 3: class
    number 3, 4: [a,
  b]}
nc: 5
train: a [b
"""


def as_texts(value):
    """What PyYAML read without types, in the form of `parse_yaml`."""
    if isinstance(value, dict):
        return {key: as_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_texts(item) for item in value]
    return None if value in ("", "~", "null") else value.rstrip("\n")


SCALARS = "a: ~\nb: null\n'c d': no\n\"e\": 007\n"


@pytest.mark.parametrize("text", [ULTRALYTICS, ROBOFLOW, NESTED, FLOW, WRAPPED, SCALARS])
def test_files_of_settings_are_read_as_by_a_whole_parser(text):
    yaml = pytest.importorskip("yaml")
    assert parse_yaml(text) == as_texts(yaml.load(text, yaml.BaseLoader))


def test_what_the_values_are():
    assert parse_yaml(ULTRALYTICS) == {
        "path": "coco8-seg", "train": "images/train", "test": None, "download": "https://github.com/x/y.zip",
        "names": {"0": "person", "1": "men's shirt", "79": "toothbrush"}}
    assert parse_yaml(ROBOFLOW)["names"] == ["a", "b", "c d"]
    assert parse_yaml(WRAPPED)["names"]["3"] == "class number 3" and parse_yaml(WRAPPED)["nc"] == "5"
    assert parse_yaml(f"a{' ' * 200_000}b") == f"a{' ' * 200_000}b"  # in no time that grows with the square
    assert parse_yaml("") is None and parse_yaml("names:\n- no\n- 007") == {"names": ["no", "007"]}


@pytest.mark.parametrize("text, said", [
    ("a: 1\n\tb: 2", "line 2 is indented by a tab"),
    ("a: 1\nb", "line 2 has no key: 'b'"),
    ("a: 1\na: 2", "line 2 has the key 'a' a second time"),
    ("a: {b: 1, b: 2}", "line 1 has the key 'b' a second time"),
    ("a: [1, 2", "line 1 opens a bracket that nothing closes"),
    ("a: [1] 2", "line 1 goes on after its brackets: '2'"),
    ("a: ['b]", "line 1 opens a quote that nothing closes"),
    ("a: &x 1", "line 1 has '&x 1', an anchor"),
    ("a: !!python/object x", "line 1 has '!!python/object x', an anchor, alias, tag"),
    ("a:\n    b: 1\n  c: 2", "line 3 is not indented as those before"),
    ("a: " + "[" * 50 + "]" * 50, "nested more than 20 deep"),
])
def test_what_is_not_understood_is_told_by_its_line(tmp_path, text, said):
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DataError, match="data.yaml: no data.yaml of YOLO .*write plain YAML") as error:
        read_yaml(str(tmp_path / "data.yaml"), "data.yaml of YOLO")
    assert said in str(error.value)


def test_files_that_are_none(tmp_path, monkeypatch):
    path = tmp_path / "data.yaml"
    no_text = "cannot read.*byte 0 is no letter of UTF-8: save it as UTF-8"
    for content, said in ((b"- a", "a key and its value a line"), (b"\xff", no_text)):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"data.yaml: .*{said}"):
            read_yaml(str(path), "data.yaml")
    monkeypatch.setattr(yaml_settings, "LARGEST", 3)
    path.write_text("a: 1")
    with pytest.raises(DataError, match="more than 3 bytes"):
        read_yaml(str(path), "data.yaml")
