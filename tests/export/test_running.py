"""Exported files run again: what is one, and the line that says why one cannot be used."""

import json
import pathlib
import sys

import pytest

from mrcnn.errors import ExportError, RunError
from mrcnn.export.running import format_of, is_exported, open_file, read_about, remedy_beside
from mrcnn.ops import forks

ABOUT = {"format": "onnx", "inputs": {"image": {"shape": [1, 64, 64, 3], "dtype": "uint8"}}, "settings": {},
         "written_by": "mrcnn 0", "architecture": "unet", "class_names": ["BG", "hat"],
         "outputs": {"probabilities": {}}, "canvas": {"height": 64, "width": 64},
         "resize": {"min_side": 0, "max_side": 64, "min_scale": 1.0}}


def written(folder, about, name="model.onnx"):
    """Path of an empty file with this beside it."""
    path = folder / name
    path.write_bytes(b"no model")
    if about is not None:
        (folder / f"{name}.json").write_text(about if isinstance(about, str) else json.dumps(about))
    return str(path)


def test_files_are_known_by_their_ending_their_folder_or_what_lies_beside_them(tmp_path):
    assert is_exported("anywhere/Model.ONNX") and is_exported("model.tflite") and is_exported("model.xml")
    assert is_exported(written(tmp_path, ABOUT, "without_ending"))
    assert not is_exported(written(tmp_path, {"other": 1}, "weights.h5")) and not is_exported("last")
    folder = tmp_path / "saved"
    folder.mkdir()
    assert not is_exported(folder)
    (folder / "saved_model.pb").write_bytes(b"")
    assert is_exported(folder) and is_exported(f"{folder}/")


@pytest.mark.parametrize("about, told", [
    (None, "model.onnx.json, which is missing"), ("{", "missing or no JSON"), ([], "does not describe a file"),
    ({**ABOUT, "format": "abacus"}, "known are savedmodel, onnx, openvino, litert"),
    ({**ABOUT, "settings": None}, "holds no settings .mrcnn 0.: export the checkpoint again"),
    ("[" * 99999, "missing or no JSON"), ({**ABOUT, "class_names": 5}, "model.onnx.json .*: class_names is 5, and not"),
    ({**ABOUT, "files": {"graph": {"bytes": 9, "sha256": "0"}}}, "model.onnx is not the file .*8 bytes, and 9 are"),
])
def test_what_cannot_be_used_is_named_with_the_remedy(about, told, tmp_path):
    with pytest.raises(ExportError, match=told):
        read_about(written(tmp_path, about))


def test_a_file_that_is_not_there_and_one_that_its_runtime_refuses(tmp_path):
    with pytest.raises(ExportError, match="none.onnx: no such file"):
        read_about(tmp_path / "none.onnx")
    pytest.importorskip("onnxruntime")
    path = written(tmp_path, ABOUT)
    with pytest.raises(ExportError, match="model.onnx is no onnx file that its runtime takes: .*; export it again"):
        open_file(path, read_about(path))


@pytest.mark.slow
@pytest.mark.parametrize("format", ["litert", "savedmodel"])
def test_what_runtimes_of_tensorflow_refuse_is_told_in_one_line(format, tmp_path):
    path = tmp_path / "model"
    if format == "savedmodel":
        path.mkdir()
    (path / "saved_model.pb" if format == "savedmodel" else path).write_bytes(b"")
    with pytest.raises(ExportError, match=f"model is no {format} file that its runtime takes: .*; export it") as caught:
        open_file(path, {"format": format})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format, package", [("savedmodel", "tensorflow"), ("litert", "ai-edge-litert")])
def test_a_runtime_that_is_missing_is_named(format, package, monkeypatch, tmp_path):
    for name in ("tensorflow", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExportError, match=f"pip install {package}"):
        open_file(tmp_path / "model", {"format": format})


def test_a_savedmodel_does_not_run_in_a_forked_process(tmp_path, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.saved_model, "load", lambda path: None)
    path, about = written(tmp_path, ABOUT), {**ABOUT, "format": "savedmodel"}
    monkeypatch.setattr(forks, "_process", None)
    run = open_file(path, about)  # as in the parent, whose id a child would find
    monkeypatch.setattr(forks, "_process", forks._process + 1)
    for asked in (lambda: open_file(path, about), lambda: run({})):
        with pytest.raises(RunError, match="was forked from"):
            asked()


@pytest.mark.parametrize("path, asked, format", [
    (None, None, "savedmodel"), ("saved", None, "savedmodel"), ("v1.2", None, "savedmodel"), (None, "onnx", "onnx"),
    ("a.onnx", None, "onnx"), ("A.ONNX", None, "onnx"), ("a.onnx/", None, "onnx"), ("b/a.xml", None, "openvino"),
    (pathlib.Path("a.tflite"), None, "litert"), ("a.tflite", "litert", "litert"), ("a", "onnx", "onnx"),
])
def test_the_format_is_that_of_the_ending_unless_asked(path, asked, format):
    assert format_of(path, asked) == format


@pytest.mark.parametrize("path, asked, message", [
    ("a.onnx", "savedmodel", "a.onnx has the ending of a file of onnx, and the format asked for is savedmodel: ask for "
                             "onnx, or name the file a_savedmodel"),
    ("a.tflite", "onnx", "ending of a file of litert.* name the file a.onnx"),
    ("b/a.h5", None, "b/a.h5: no format of export has the ending .h5: name the file b/a.onnx, .*, or b/a for"),
    ("a.PT", "onnx", "a.PT: no format of export has the ending .PT"),
    ("a.bin", None, "a.bin: .bin has the weights of an OpenVINO file: name the file a.xml"),
])
def test_an_ending_of_another_format_is_refused(path, asked, message):
    with pytest.raises(ExportError, match=message):
        format_of(path, asked)


def test_a_part_of_an_exported_file_or_a_name_without_its_ending_leads_to_the_file(tmp_path):
    for name in ("a.onnx", "b.xml", "c.tflite", "plain"):
        written(tmp_path, ABOUT, name)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")

    def remedy(name):
        return remedy_beside(tmp_path / name, "correct it").replace(f"{tmp_path}/", "")

    meant = {"a.onnx.json": "a.onnx", "b.bin": "b.xml", "b": "b.xml", "c": "c.tflite", "plain.json": "plain",
             "saved.json": "saved", "saved/saved_model.pb": "saved"}
    assert {name: remedy(name) for name in meant} == {
        name: f"give the exported file {file}, which is beside it" for name, file in meant.items()}
    written(tmp_path, ABOUT, "b.onnx")
    assert remedy("b") == "give the exported file b.onnx or b.xml, which is beside it"
    assert {remedy(name) for name in ("d.bin", "d.json", "d", "d.h5")} == {"correct it"}
