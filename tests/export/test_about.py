"""The JSON file beside an exported file: of which file it is, and what it has to say."""

import copy
import json
import os

import pytest
from exported_json import IMAGE, LABELS, OBJECTS

from mrcnn.errors import ExportError
from mrcnn.export.about import check_content, check_parts, check_sizes, files_of, identity, weights_of
from mrcnn.export.running import is_exported, open_file, read_about


def changed(about, part, value=None):
    """A copy with another value of a part, a.b for b in a; without it if there is none."""
    about = copy.deepcopy(about)
    *folders, name = part.split(".")
    inner = about
    for folder in folders:
        inner = inner[folder]
    inner.pop(name, None)
    if value is not None:
        inner[name] = value
    return about


def of_format(folder, format, content=b"weights"):
    """(path of a file of a format, what its JSON file says), each of its files of this content."""
    path = os.path.join(folder, {"onnx": "a.onnx", "litert": "a.tflite", "openvino": "a.xml"}.get(format, "a"))
    if format == "savedmodel":
        os.makedirs(os.path.join(path, "variables"), exist_ok=True)
        for name in ("saved_model.pb", "variables/variables.data-00000-of-00001"):
            with open(os.path.join(path, name), "wb") as file:
                file.write(content)
    for each in files_of(path, format).values():
        with open(each, "wb") as file:
            file.write(content)
    about = {**OBJECTS, "format": format, "files": identity(path, format)}
    with open(f"{path}.json", "w") as file:
        json.dump(about, file)
    return path, about


@pytest.mark.parametrize("format", ["onnx", "litert", "openvino", "savedmodel"])
def test_the_json_file_of_another_training_is_refused(format, tmp_path):
    (tmp_path / "other").mkdir()
    path, about = of_format(tmp_path, format)
    _, longer = of_format(tmp_path / "other", format, b"other weights")
    check_sizes(path, about)
    check_content(path, about)
    remedy = "put its own JSON file beside it, or export it again"
    with open(f"{path}.json", "w") as file:
        json.dump(longer, file)
    with pytest.raises(ExportError, match=f"is not the file that .*json was written for .*7 bytes, and 13 .*{remedy}"):
        read_about(path)
    _, alike = of_format(tmp_path / "other", format, b"WEIGHTS")
    with pytest.raises(ExportError, match=f"json was written for .*has another content.*{remedy}"):
        open_file(path, alike)


def test_the_weights_alone_may_be_of_another_training(tmp_path):
    for format, weights in (("openvino", "a.bin"), ("savedmodel", "a/variables/variables.data-00000-of-00001")):
        path, about = of_format(tmp_path, format)
        (tmp_path / weights).write_bytes(b"WEIGHTS")
        with pytest.raises(ExportError, match=f"{weights} has another content"):
            check_content(path, about)
        os.remove(tmp_path / weights)
        with pytest.raises(ExportError, match=f"{os.path.basename(weights)} is missing"):
            read_about(path)


@pytest.mark.parametrize("format, renamed", [
    ("onnx", {"a.onnx": "b.onnx"}), ("openvino", {"a.xml": "b.xml", "a.bin": "b.bin"}), ("savedmodel", {"a": "b"})])
def test_files_that_are_renamed_together_and_what_is_added_to_a_folder_change_nothing(format, renamed, tmp_path):
    path, about = of_format(tmp_path, format)
    first = next(iter(renamed))
    for name, other in {**renamed, f"{first}.json": f"{renamed[first]}.json"}.items():
        os.rename(tmp_path / name, tmp_path / other)
    path = str(tmp_path / renamed[first])
    if format == "savedmodel":
        (tmp_path / "b" / "assets.extra").mkdir()
    assert read_about(path) == about
    check_content(path, about)


@pytest.mark.parametrize("about", [OBJECTS, LABELS])
def test_what_was_written_before_has_no_files_and_is_read(about, tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"any")
    (tmp_path / "a.onnx.json").write_text("\ufeff" + json.dumps(about), encoding="utf-8")  # as some editors begin it
    assert is_exported(tmp_path / "a.onnx") and read_about(tmp_path / "a.onnx") == about
    check_content(str(tmp_path / "a.onnx"), about)


def named(part):
    """What a message calls a part: of the canvas all of it."""
    return "canvas" if part.startswith("canvas") else part


READ = ["architecture", "class_names", "outputs", "canvas", "canvas.width", "resize", "resize.max_side", "inputs.image",
        "inputs.image.shape", "inputs.image.dtype"]


@pytest.mark.parametrize("part", [*READ, "inputs.window.dtype", "thresholds", "thresholds.score"])
def test_a_part_that_is_missing_is_named(part):
    with pytest.raises(ExportError, match=f"does not describe its file: .*{named(part)}.*put back .*or export") as it:
        check_parts(changed(OBJECTS, part), "a.json")
    assert "\n" not in str(it.value)


def test_what_is_read_of_a_file_is_whole(tmp_path):
    path, about = of_format(tmp_path, "onnx")
    with open(f"{path}.json", "w") as file:
        json.dump(changed(about, "canvas"), file)
    with pytest.raises(ExportError, match="a.onnx.json does not describe its file: .*canvas"):
        read_about(path)


@pytest.mark.parametrize("part", READ)
def test_a_part_of_label_maps_that_is_missing_is_named(part):
    with pytest.raises(ExportError, match=f"a.json does not describe its file: .*{named(part)}"):
        check_parts(changed(LABELS, part), "a.json")


@pytest.mark.parametrize("part, value", [
    ("class_names", 5), ("class_names", ["BG", 5]), ("class_names", "BG, hat"), ("canvas.width", "128"),
    ("canvas.width", 0), ("canvas", [64, 128]), ("outputs", ["boxes"]), ("outputs", {"scores": {}}),
    ("resize.min_scale", True), ("resize.max_side", "128"), ("architecture", 5), ("inputs.image.shape", [64, 128, 3]),
    ("inputs.image.shape", ["1", 64, 128, 3]), ("inputs.image.dtype", "uint9"), ("inputs.image", [1]),
    ("thresholds.score", "0.7"), ("thresholds.attribute", "0.7")])
def test_a_part_of_another_kind_is_named(part, value):
    with pytest.raises(ExportError, match=f"a.json does not describe its file: .*{named(part)}") as it:
        check_parts(changed(OBJECTS, part, value), "a.json")
    assert "\n" not in str(it.value)


@pytest.mark.parametrize("name, value", [
    ("files", 5), ("files", {"graph": {"bytes": "7", "sha256": "a"}}), ("label_settings", 5), ("outputs", 5),
    ("inputs", {"photo": IMAGE})])
def test_a_part_that_may_be_missing_has_to_be_of_its_kind(name, value):
    with pytest.raises(ExportError, match=f"its file: .*{'image' if name == 'inputs' else name}"):
        check_parts({**OBJECTS, name: value}, "a.json")


@pytest.mark.parametrize("about, part, value, said", [
    (OBJECTS, "mask_scores", False, "mask_scores is False, and MASK_SCORES in settings True"),
    (OBJECTS, "mean_pixel", [9.0, 9.0, 9.0], "mean_pixel is .*, and MEAN_PIXEL in settings .*"),
    (OBJECTS, "thresholds.score", 0.3, "thresholds.score is 0.3, and DETECTION_MIN_CONFIDENCE in settings 0.7"),
    ({**OBJECTS, "settings": {"ATTRIBUTE_MIN_CONFIDENCE": 0.6}}, "thresholds.attribute", 0.5,
     "thresholds.attribute is 0.5, and ATTRIBUTE_MIN_CONFIDENCE in settings 0.6"),
    (OBJECTS, "canvas.width", 64, r"canvas is \[64, 64\], and the shape of image \[1, 64, 128, 3\]"),
    (OBJECTS, "class_names", ["BG", "hat", "bag"], "class_names has 3 names, and NUM_CLASSES in settings is 2"),
    (LABELS, "settings", {}, None),
    ({**LABELS, "settings": {}}, "class_names", ["BG", "hat", "bag"], ".* and the last side of probabilities is 2"),
])
def test_parts_that_contradict_each_other_are_told(about, part, value, said):
    about = changed(about, part, value)
    if said is None:
        return check_parts(about, "a.json")
    with pytest.raises(ExportError, match=f"a.json contradicts itself: {said}; put back .*or export"):
        check_parts(about, "a.json")


def test_the_weights_of_openvino_have_a_name_of_their_own():
    assert weights_of("folder/x.xml") == "folder/x.bin"
    with pytest.raises(ExportError, match=r"x\.onnx: an OpenVINO file is NAME\.xml"):
        weights_of("x.onnx")
