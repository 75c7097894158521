"""The serverless function of CVAT: what its handler answers, and the folder that Nuclio is given."""

import base64
import io
import json
import runpy
import types

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.encoded import decode_image
from mrcnn.errors import UsageError
from mrcnn.serving import cvat_nuclio
from tests.stub_server import Stub, StubLabels, photo, png


class Response:
    def __init__(self, body, headers, content_type, status_code):
        self.rows, self.status = json.loads(body), status_code


@pytest.fixture
def loaded(monkeypatch):
    """The paths of the models that were loaded: stubs, all of them."""
    paths = []
    monkeypatch.setattr("mrcnn.architectures.load", lambda path: paths.append(path) or Stub())
    return paths


def ask(body, model=None):
    context = types.SimpleNamespace(user_data=types.SimpleNamespace(model=model or Stub()), Response=Response)
    return cvat_nuclio.handler(context, types.SimpleNamespace(body=body))


def test_the_model_is_loaded_once_from_beside_the_function(loaded, monkeypatch):
    monkeypatch.setenv("MRCNN_MODEL", "model.h5")
    context = types.SimpleNamespace(user_data=types.SimpleNamespace(), logger=types.SimpleNamespace(info=print))
    cvat_nuclio.init_context(context)
    assert loaded == ["/opt/nuclio/model.h5"] and isinstance(context.user_data.model, Stub)


def test_what_the_handler_answers():
    body = {"image": base64.b64encode(png(photo())).decode(), "threshold": 0.5}
    for sent in (body, json.dumps(body).encode()):  # Nuclio reads JSON, or leaves it
        answer = ask(sent)
        assert answer.status == 200
        [row] = answer.rows
        assert row["label"] == "hat" and row["type"] == "mask" and float(row["confidence"]) == pytest.approx(0.8)
        assert row["mask"] == [1] * 24 + [3, 2, 8, 5]  # x 3 to 8, y 2 to 5, the last of each inside
        assert sorted(zip(row["points"][::2], row["points"][1::2])) == [(3, 2), (3, 6), (9, 2), (9, 6)]
    assert ask({**body, "threshold": 0.9}).rows == []
    assert len(ask({"image": body["image"]}).rows) == 1  # the model's own least score


def test_the_polygon_is_that_of_the_largest_part():
    pixels = np.full((40, 40, 3), 20, np.uint8)
    pixels[5:35, 5:20, 0] = 255
    pixels[5:8, 30:33, 0] = pixels[6:9, 31:34, 0] = 255  # smaller, with more corners
    pixels[0, 0, 1:] = 200, 0
    [row] = cvat_nuclio.shapes(Stub(), pixels)
    assert set(row["points"][::2]) == {5, 20} and sum(row["mask"][:-4]) == 30 * 15 + 9 + 9 - 4


def test_a_model_whose_file_names_no_classes(monkeypatch, tmp_path):
    class Nameless(Stub):
        class_names = None

    monkeypatch.setattr("mrcnn.architectures.load", lambda path: Nameless())
    (tmp_path / "model.h5").write_bytes(b"weights")
    cvat_nuclio.write_function(str(tmp_path / "model.h5"), str(tmp_path / "function"))
    [row] = cvat_nuclio.shapes(Nameless(), photo())
    assert row["label"] == "class 1" and '"name": "class 1"' in (tmp_path / "function" / "function.yaml").read_text()


@pytest.mark.parametrize("body, message", [
    ({}, "image"), ({"image": "no base64!"}, "cannot be read"), (b"no JSON", "no photo"), ([], "no photo"),
    ({"image": base64.b64encode(b"no photo").decode()}, "cannot be read"),
    ({"image": base64.b64encode(png(photo())).decode(), "threshold": "high"}, "high")])
def test_what_is_no_photo(body, message):
    answer = ask(body)
    assert answer.status == 400 and message in answer.rows["error"]


def test_photos_are_those_that_the_commands_see():
    deep = Image.fromarray(np.linspace(0, 65535, 96).astype(np.uint16).reshape(8, 12))
    clear = Image.fromarray(np.dstack([photo(), np.arange(photo().shape[0] * photo().shape[1]).astype(
        np.uint8).reshape(photo().shape[:2])]))
    turned, exif = Image.fromarray(photo()[:, :-4]), Image.Exif()
    exif[0x0112] = 6  # a quarter
    for image, options in ((deep, {}), (clear, {}), (turned, {"exif": exif})):
        file = io.BytesIO()
        image.save(file, format="PNG", **options)
        taken = cvat_nuclio._photo(base64.b64encode(file.getvalue()).decode())
        np.testing.assert_array_equal(taken, decode_image(file.getvalue(), "a.png"))
    assert taken.shape[:2] == turned.size  # the sides are exchanged


@pytest.mark.parametrize("ending, install", [("h5", "mrcnn-keras"), ("onnx", "onnxruntime")])
def test_the_folder_of_a_function(loaded, tmp_path, ending, install):
    yaml = pytest.importorskip("yaml")
    model = tmp_path / f"Shop clothes_0007.{ending}"
    model.write_bytes(b"weights")
    (tmp_path / f"Shop clothes_0007.{ending}.json").write_text("{}")
    cvat_nuclio.write_function(str(model), str(tmp_path / "function"))
    text = (tmp_path / "function" / "function.yaml").read_text()
    function = yaml.safe_load(text)
    assert json.loads(function["metadata"]["annotations"]["spec"]) == [
        {"id": 1, "name": "hat", "type": "mask"}, {"id": 2, "name": "shoe", "type": "mask"}]
    assert function["metadata"]["name"] == "mrcnn-shop-clothes-0007"
    assert function["metadata"]["annotations"]["type"] == "detector" and function["spec"]["handler"] == "main:handler"
    assert function["spec"]["env"] == [{"name": "MRCNN_MODEL", "value": f"model.{ending}"}]
    assert install in function["spec"]["build"]["directives"]["preCopy"][0]["value"]
    assert (tmp_path / "function" / f"model.{ending}").read_bytes() == b"weights"
    assert (tmp_path / "function" / f"model.{ending}.json").read_text() == "{}"
    names = runpy.run_path(str(tmp_path / "function" / "main.py"))
    assert names["handler"] is cvat_nuclio.handler and names["init_context"] is cvat_nuclio.init_context


def test_what_no_function_is_made_of(loaded, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="is there already"):
        cvat_nuclio.write_function("model.h5", str(tmp_path))
    with pytest.raises(UsageError, match="OpenVINO"):
        cvat_nuclio.write_function("model.xml", str(tmp_path / "new"))
    (tmp_path / "saved").mkdir()
    with pytest.raises(UsageError, match="saved: a folder, as a SavedModel is, .* give a checkpoint"):
        cvat_nuclio.write_function(str(tmp_path / "saved"), str(tmp_path / "new"))
    with pytest.raises(OSError, match="gone.h5"):  # found out while it is copied
        cvat_nuclio.write_function(str(tmp_path / "gone.h5"), str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr("mrcnn.architectures.load", lambda path: StubLabels())
    with pytest.raises(UsageError, match="finds no objects"):
        cvat_nuclio.write_function("model.h5", str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
