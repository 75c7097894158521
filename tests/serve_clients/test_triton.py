"""The Open Inference Protocol, asked by Triton's own client: `make test-serve-clients`."""

import json

import numpy as np
import pytest
from stub_server import Stub, StubLabels, listening, photo, png

from mrcnn.data import run_lengths
from mrcnn.serving.limits import Limits

client_of = pytest.importorskip("tritonclient.http").InferenceServerClient
http = pytest.importorskip("tritonclient.http")
PHOTO = photo()  # with a hat at y 2 to 6 and x 3 to 9


@pytest.fixture(scope="module")
def client():
    with listening(Stub()) as (_, (host, port)):
        client = client_of(f"{host}:{port}")
        yield client
        client.close()


def image(values, binary=True):
    """The input of a photo: an array, or the bytes of a file."""
    values = np.array([values], object) if isinstance(values, bytes) else values
    tensor = http.InferInput("image", list(values.shape), "BYTES" if values.dtype == object else "UINT8")
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def test_what_there_is(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("mrcnn-stub") is False
    assert client.is_model_ready("stub")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = client.get_model_metadata("stub")
    assert metadata["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, -1, 3]}]
    assert [output["name"] for output in metadata["outputs"]] == ["boxes", "class_ids", "scores", "rles"]


@pytest.mark.parametrize("binary", [True, False], ids=["bytes", "json"])
@pytest.mark.parametrize("values", [PHOTO, PHOTO[None], png(PHOTO)], ids=["pixels", "batch of one", "file"])
def test_a_photo_of_any_form(client, values, binary):
    if isinstance(values, bytes) and not binary:
        pytest.skip("in JSON the client writes bytes as text, the server takes base64")
    asked = [http.InferRequestedOutput(name, binary_data=binary) for name in ("boxes", "class_ids", "scores", "rles")]
    answer = client.infer("stub", [image(values, binary)], outputs=asked, request_id="7")
    assert answer.as_numpy("boxes").tolist() == [[2, 3, 6, 9]] and answer.as_numpy("class_ids").tolist() == [1]
    assert answer.as_numpy("scores") == pytest.approx([0.8]) and answer.get_response()["id"] == "7"
    [text] = answer.as_numpy("rles")
    assert np.array_equal(run_lengths.decode(json.loads(text)), PHOTO[..., 0] == 255)


def test_all_outputs_where_none_is_named(client):
    answer = client.infer("stub", [image(PHOTO)])
    assert {output["name"] for output in answer.get_response()["outputs"]} == {"boxes", "class_ids", "scores", "rles"}


def test_nothing_found_is_empty_tensors(client):
    answer = client.infer("stub", [image(PHOTO)], parameters={"min_score": 0.9})
    assert answer.as_numpy("boxes").shape == (0, 4) and answer.as_numpy("scores").shape == (0,)
    assert list(answer.as_numpy("rles")) == []


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_bodies_that_are_packed(client, packing):
    answer = client.infer("stub", [image(PHOTO)], request_compression_algorithm=packing)
    assert answer.as_numpy("boxes").tolist() == [[2, 3, 6, 9]]
    answer = client.infer("stub", [image(PHOTO)], response_compression_algorithm=packing)
    assert answer.as_numpy("boxes").tolist() == [[2, 3, 6, 9]]


def test_side_by_side():
    with listening(Stub()) as (_, (host, port)):
        client = client_of(f"{host}:{port}", concurrency=8)
        asked = [client.async_infer("stub", [image(photo(score=number / 20))]) for number in range(10, 20)]
        found = [request.get_result().as_numpy("scores")[0] for request in asked]
        client.close()
    assert found == pytest.approx([round(255 * number / 20) / 255 for number in range(10, 20)])


@pytest.mark.parametrize("name, values, message", [
    ("stub", np.zeros((4, 4), np.uint8), r"send UINT8 \[height, width, 3\]"),
    ("other", PHOTO, "There is no model 'other'"), ("stub", b"no photo", "no photo that is read here")])
def test_refusals_reach_the_client(client, name, values, message):
    with pytest.raises(http.InferenceServerException if hasattr(http, "InferenceServerException")
                       else pytest.importorskip("tritonclient.utils").InferenceServerException, match=message):
        client.infer(name, [image(values)])


def test_a_key():
    with listening(Stub(), key="secret") as (_, (host, port)):
        client = client_of(f"{host}:{port}")
        with pytest.raises(pytest.importorskip("tritonclient.utils").InferenceServerException, match="key is missing"):
            client.infer("stub", [image(PHOTO)])
        answer = client.infer("stub", [image(PHOTO)], headers={"Authorization": "Bearer secret"})
        client.close()
    assert answer.as_numpy("boxes").tolist() == [[2, 3, 6, 9]]


def test_label_maps():
    with listening(StubLabels(), Limits(wait=0)) as (_, (host, port)):
        client = client_of(f"{host}:{port}")
        answer = client.infer("stub", [image(PHOTO)])
        client.close()
    assert np.array_equal(answer.as_numpy("labels"), np.where(PHOTO[..., 0] == 255, 2, 0))
