"""A real network behind the server gives what it gives in Python."""

import io
import types

import numpy as np
import pytest
from PIL import Image
from stub_server import png
from tiny import Squares, TinyConfig

from mrcnn.data import run_lengths
from mrcnn.export.running import OPENERS
from mrcnn.labeling.label_map import LabelSettings
from mrcnn.model import MaskRCNN
from mrcnn.serving.limits import Limits
from mrcnn.serving.served import PLATFORMS, ServedModel

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    model = MaskRCNN("inference", TinyConfig(IMAGES_PER_GPU=2), str(tmp_path_factory.mktemp("logs")))
    model.class_names = ["BG", "red", "green", "blue"]
    return model


@pytest.fixture(scope="module")
def photos():
    squares = Squares().load(3, size=(50, 64))
    return [squares.load_image(i) for i in squares.image_ids]


def test_detect_and_label_by_http_are_those_of_the_model(model, photos):
    pytest.importorskip("fastapi")
    testclient = pytest.importorskip("starlette.testclient")
    from mrcnn.serving.app import make_app

    settings = LabelSettings(score_threshold=0.1)
    app = make_app(ServedModel(model, settings=settings), Limits(wait=0.01, batch_size=2))
    files = [("photo", (f"{index}.png", png(photo), "image/png")) for index, photo in enumerate(photos)]
    with testclient.TestClient(app) as client:
        while client.get("/readyz").status_code != 200:
            pass
        answer = client.post("/detect?min_score=0.05", files=files).json()
        labels = client.post("/label", files=files[:1], headers={"Accept": "image/png"}).content
    for row, result in zip(answer["photos"], model.detect(photos, rle=True, min_confidence=0.05), strict=True):
        assert len(row["objects"]) == len(result["scores"]) > 0
        for number, found in enumerate(row["objects"]):
            assert found["class_id"] == result["class_ids"][number]
            assert found["score"] == pytest.approx(float(result["scores"][number]), abs=1e-6)
            np.testing.assert_allclose(list(found["box"].values()), result["boxes"][number], atol=1e-4)
            mask, other = run_lengths.decode(found["rle"]), run_lengths.decode(result["rles"][number])
            assert (mask != other).mean() < 0.001  # batches of another size round in another order
    wanted = model.label(photos[:1], probabilities=False, settings=settings)[0]["labels"]
    assert (np.array(Image.open(io.BytesIO(labels))) != wanted).mean() < 0.001 and wanted.any()


def test_label_maps_are_refined_as_asked(model, photos):
    settings = LabelSettings(score_threshold=0.1)
    turned = ServedModel(model, settings=settings, chain=lambda image, soft: soft[..., ::-1])
    plain = ServedModel(model, settings=settings)
    [one], [other] = (served.run(("label", None), photos[:1]) for served in (turned, plain))
    assert np.array_equal(one, 3 - other)  # classes in reverse order


@pytest.mark.parametrize("about, platform", [
    ({}, "keras"), ({"about": {"format": "onnx"}}, "onnxruntime_onnx"), ({"about": {"format": "other"}}, "other")])
def test_what_runs_the_model_is_told(about, platform):
    assert ServedModel(types.SimpleNamespace(**about)).platform == platform
    assert set(OPENERS) == set(PLATFORMS)


def test_a_model_is_described(model):
    told = ServedModel(model, "shop", "mask_rcnn_0003").described()
    assert (told["name"], told["version"], told["architecture"]) == ("shop", "mask_rcnn_0003", "mask-rcnn")
    assert told["finds_objects"] and told["min_score"] == 0.05 and told["settings"]["NUM_CLASSES"] == 4
