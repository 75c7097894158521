"""The Open Inference Protocol: a photo as numbers and as a file, in JSON and as bytes, gives what detect gives."""

import base64
import json
import struct

import numpy as np
import pytest
from stub_server import Stub, StubLabels, client_of, photo, png

from mrcnn.serving.limits import Limits

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")
INFER = "/v2/models/stub/infer"
HEADER = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def client():
    with client_of(limits=Limits(wait=0, pixels=1000)) as client:
        yield client


def as_numbers(pixels, **others):
    return {"inputs": [{"name": "image", "shape": list(pixels.shape), "datatype": "UINT8",
                        "data": pixels.ravel().tolist()}], **others}


def outputs_of(answer):
    return {row["name"]: row for row in answer["outputs"]}


def check(answer, wanted):
    rows = outputs_of(answer)
    assert rows["boxes"]["shape"] == [len(wanted["scores"]), 4] and rows["boxes"]["datatype"] == "FP32"
    assert rows["boxes"]["data"] == wanted["boxes"].ravel().tolist()
    assert rows["class_ids"] == {"name": "class_ids", "datatype": "INT32", "shape": [len(wanted["scores"])],
                                 "data": wanted["class_ids"].tolist()}
    assert rows["scores"]["data"] == pytest.approx(wanted["scores"].tolist())
    assert [json.loads(text) for text in rows["rles"]["data"]] == wanted["rles"]


def test_json_of_numbers_and_of_a_file(client):
    pixels = photo()
    [wanted] = Stub().detect([pixels], rle=True)
    answer = client.post(INFER, json=as_numbers(pixels, id="7")).json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("stub", "stub_0003", "7")
    check(answer, wanted)
    nested = {"inputs": [{**as_numbers(pixels)["inputs"][0], "shape": [1, *pixels.shape], "data": [pixels.tolist()]}]}
    check(client.post(INFER, json=nested).json(), wanted)
    file = {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES",
                        "data": [base64.b64encode(png(pixels)).decode()]}]}
    check(client.post(INFER, json=file).json(), wanted)


@pytest.mark.parametrize("as_file", [False, True])
def test_the_binary_extension(client, as_file):
    pixels = photo()
    [wanted] = Stub().detect([pixels], rle=True)
    data = struct.pack("<I", len(png(pixels))) + png(pixels) if as_file else pixels.tobytes()
    head = json.dumps({
        "inputs": [{"name": "image", "shape": [1] if as_file else list(pixels.shape),
                    "datatype": "BYTES" if as_file else "UINT8", "parameters": {"binary_data_size": len(data)}}],
        "outputs": [{"name": "boxes", "parameters": {"binary_data": True}}, {"name": "scores"},
                    {"name": "rles", "parameters": {"binary_data": True}}]}).encode()
    answer = client.post(INFER, content=head + data, headers={HEADER: str(len(head))})
    length = int(answer.headers[HEADER])
    rows, rest = outputs_of(json.loads(answer.content[:length])), answer.content[length:]
    assert list(rows) == ["boxes", "scores", "rles"] and "data" not in rows["boxes"]
    size = rows["boxes"]["parameters"]["binary_data_size"]
    assert np.frombuffer(rest[:size], "<f4").tolist() == wanted["boxes"].ravel().tolist()
    [length] = struct.unpack_from("<I", rest, size)
    assert json.loads(rest[size + 4 :]) == wanted["rles"][0] and len(rest) == size + 4 + length
    assert rows["scores"]["data"] == pytest.approx([0.8], abs=0.01)


def test_the_least_score_is_a_parameter(client):
    for least, count in ((0.9, 0), (0.1, 1)):
        answer = client.post(INFER, json=as_numbers(photo(score=0.5), parameters={"min_score": least})).json()
        assert outputs_of(answer)["scores"]["shape"] == [count]


def test_a_network_of_label_maps_gives_labels():
    with client_of(StubLabels()) as client:
        rows = outputs_of(client.post(INFER, json=as_numbers(photo())).json())
        assert rows.keys() == {"labels"} and rows["labels"]["shape"] == [12, 16]
        assert rows["labels"]["data"] == np.where(photo()[..., 0] == 255, 2, 0).ravel().tolist()
        assert [row["name"] for row in client.get("/v2/models/stub").json()["outputs"]] == ["labels"]


def test_what_there_is(client):
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/stub/ready").json() == {"name": "stub", "ready": True}
    told = client.get("/v2/models/stub").json()
    assert told["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, -1, 3]}]
    assert [row["name"] for row in told["outputs"]] == ["boxes", "class_ids", "scores", "rles"]


def test_the_version_that_is_told_can_be_asked(client):
    told = client.get("/v2/models/stub").json()
    [version] = told["versions"]
    path = f"/v2/models/stub/versions/{version}"
    assert client.get(path).json() == told and told["platform"] == "keras"
    assert client.get(f"{path}/ready").json() == {"name": "stub", "ready": True}
    answer = client.post(f"{path}/infer", json=as_numbers(photo())).json()
    assert answer == client.post(INFER, json=as_numbers(photo())).json() and answer["model_version"] == version
    for ask, tail in ((client.get, ""), (client.get, "/ready"), (client.post, "/infer")):
        refused = ask(f"/v2/models/stub/versions/2{tail}")
        assert refused.status_code == 404 and f"the version here is '{version}'" in refused.json()["error"]
        refused = ask(f"/v2/models/other/versions/{version}{tail}")
        assert refused.status_code == 404 and "the model here is 'stub'" in refused.json()["error"]


IMAGE = {"name": "image", "shape": [2, 2, 3], "datatype": "UINT8", "data": [0] * 12}


@pytest.mark.parametrize("change, status, message", [
    ({"inputs": None}, 400, '"inputs" is missing'),
    ({"inputs": []}, 400, "The inputs are none"),
    ({"inputs": [{**IMAGE, "name": "picture"}]}, 400, "The inputs are picture: send one, 'image'"),
    ({"inputs": [{**IMAGE, "shape": [2, 2, 4]}]}, 400, "12 numbers, but shape [2, 2, 4] has 16"),
    ({"inputs": [{**IMAGE, "shape": [-1, 2, 3]}]}, 400, "send a list of whole numbers"),
    ({"inputs": [{**IMAGE, "shape": [(1 << 31) - 1] * 500}]}, 400, "has 500 sides, or more numbers than can be"),
    ({"inputs": [{**IMAGE, "shape": [(1 << 31) - 1] * 2}]}, 400, "send 8 sides at most, and 1099511627776 numbers"),
    ({"inputs": [{**IMAGE, "shape": [0, *[(1 << 31) - 1] * 3], "data": []}]}, 400, "or more numbers than can be"),
    ({"inputs": [{**IMAGE, "shape": "x"}]}, 400, "send a list of whole numbers"),
    ({"inputs": [{**IMAGE, "shape": [12]}]}, 400, "send UINT8 [height, width, 3] RGB"),
    ({"inputs": [{**IMAGE, "datatype": "FP32"}]}, 400, "float32 [2, 2, 3]: send UINT8"),
    ({"inputs": [{**IMAGE, "datatype": "FP64"}]}, 400, "datatype 'FP64'"),
    ({"inputs": [{**IMAGE, "data": [256] * 12}]}, 400, "whole numbers of 0 to 255"),
    ({"inputs": [{**IMAGE, "data": [0.5] * 12}]}, 400, "whole numbers of 0 to 255"),
    ({"inputs": [{**IMAGE, "data": ["a"] * 12}]}, 400, "no numbers"),
    ({"inputs": [{**IMAGE, "data": [[0], [0, 1]]}]}, 400, "ragged"),
    ({"inputs": [{**IMAGE, "data": None}]}, 400, "data is missing"),
    ({"inputs": [{**IMAGE, "parameters": {"binary_data_size": 12}}]}, 400, "12 bytes are said, 0 are there"),
    ({"inputs": [{**IMAGE, "parameters": {"binary_data_size": -1}}]}, 400, "no number of bytes"),
    ({"inputs": [{**IMAGE, "shape": [40, 40, 3], "data": [0] * 4800}]}, 413, "40 x 40 pixels, 1000 are taken"),
    ({"inputs": [{**IMAGE, "shape": [0, 2, 3], "data": []}]}, 400, "data is empty"),
    ({"inputs": [{**IMAGE, "shape": [1], "datatype": "BYTES", "data": ["eA=="]}]}, 415, "no photo that is read here"),
    ({"inputs": [{**IMAGE, "shape": [2], "datatype": "BYTES", "data": ["", ""]}]}, 400, "2 photos: send one"),
    ({"inputs": [{**IMAGE, "shape": [2], "datatype": "BYTES", "data": [""]}]}, 400, "1 elements, but shape [2]"),
    ({"inputs": [IMAGE, IMAGE]}, 400, "Input 'image': it comes more than once: send it once"),
    ({"outputs": [{"name": "boxes"}, {"name": "rles"}, {"name": "boxes"}]}, 400, "Output 'boxes': it comes more than"),
    ({"outputs": [{"name": "masks"}]}, 400, "there are boxes, class_ids, scores, rles"),
    ({"parameters": {"min_confidence": 0.1}}, 422, "Parameter of the request 'min_confidence': there is no such thing"),
    ({"min_score": 0.1}, 422, "JSON key 'min_score'"),
    ({"outputs": [{"name": "boxes", "parameters": {"binary": True}}]}, 422, "Parameter in outputs 'binary'"),
    ({"inputs": [{**IMAGE, "dtype": "UINT8"}]}, 422, "Key in inputs 'dtype'"),
    ({"parameters": [0.9]}, 400, '"parameters" of the request: [0.9] is no object'),
    ({"parameters": ""}, 400, '"parameters" of the request:  is no object'),
    ({"inputs": [{**IMAGE, "parameters": [1]}]}, 400, '"parameters" of input image: [1] is no object'),
    ({"outputs": [{"name": "boxes", "parameters": "x"}]}, 400, '"parameters" of outputs: x is no object'),
    ({"outputs": [{"name": "boxes", "parameters": {"binary_data": 1}}]}, 400, "binary_data='1': send true or false"),
    ({"parameters": {"binary_data_output": "true"}}, 400, "binary_data_output='true': send true or false"),
    ({"outputs": {}}, 400, '"outputs" names what there is not'),
    ({"outputs": [{"name": ["boxes"]}]}, 400, '"outputs" names what there is not'),
    ({"id": 7}, 400, "id=7: send a text"),
    ({"model_name": "other"}, 400, "model_name='other': the name at this address is 'stub': send that, or leave it"),
    ({"model_version": "1"}, 400, "model_version='1': the version at this address is 'stub_0003': send that, or"),
    ({"model_name": ["stub"]}, 400, "model_name=['stub']: send a text"),
    ({"model_version": 3}, 400, "model_version=3: send a text"),
    ({"inputs": [{**IMAGE, "name": 5}]}, 400, 'the name 5 is no text'),
    ({"inputs": [{**IMAGE, "parameters": {"binary_data_size": 0}}]}, 400, "has data and binary_data_size: send one"),
    ({"parameters": {"min_score": 2}}, 400, "min_score=2: give a number of 0 to 1"),
])
def test_what_the_protocol_has_not(client, change, status, message):
    refused = client.post(INFER, json={"inputs": [IMAGE], **change})
    assert refused.status_code == status and message in refused.json()["error"]


def test_what_is_null_is_not_asked_for(client):
    body = {"id": None, "parameters": None, "outputs": None, "inputs": [{**IMAGE, "parameters": None}]}
    assert "id" not in client.post(INFER, json=body).json()


def test_hints_of_the_protocol_s_clients_are_taken(client):
    body = {"id": "1", "parameters": {"binary_data_output": False, "priority": 1, "content_type": "np"},
            "inputs": [{**IMAGE, "parameters": {"content_type": "np"}}]}
    assert client.post(INFER, json=body).status_code == 200
    refused = client.post(f"{INFER}?min_score=0.1", json={"inputs": [IMAGE]})
    assert refused.status_code == 422 and "Option in the address 'min_score'" in refused.json()["error"]


@pytest.mark.parametrize("version", [{}, {"model_version": "stub_0003"}, {"model_version": None},
                                     {"model_version": ""}])
def test_the_model_may_be_named_in_the_body_too_as_kserve_s_client_does(client, version):
    body = {"id": "1", "model_name": "stub", **version, "inputs": [IMAGE], "outputs": [{"name": "scores"}]}
    answer = client.post(INFER, json=body)
    assert answer.status_code == 200 and answer.json()["model_name"] == "stub"
    head = {**body, "inputs": [{key: value for key, value in IMAGE.items() if key != "data"}]}
    head["inputs"][0]["parameters"] = {"binary_data_size": 12}
    head = json.dumps(head).encode()
    behind = client.post("/v2/models/stub/versions/stub_0003/infer", content=head + bytes(12),
                         headers={HEADER: str(len(head))})
    assert behind.json() == answer.json()


@pytest.mark.parametrize("length, body, message", [
    ("x", b"{}", "no number of bytes"), ("99", b"{}", "more than the 2 bytes of the body"),
    ("2", b"{}rest", '"inputs" is missing'), ("5", b"{}rest", "no JSON")])
def test_lengths_that_do_not_fit(client, length, body, message):
    refused = client.post(INFER, content=body, headers={HEADER: length})
    assert refused.status_code == 400 and message in refused.json()["error"]


def test_another_model_is_not_there(client):
    for ask in (client.get, client.post):
        path = "/v2/models/other" + ("/infer" if ask == client.post else "")
        refused = ask(path)
        assert refused.status_code == 404 and "the model here is 'stub'" in refused.json()["error"]
