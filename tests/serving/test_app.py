"""The application: each error is one line of JSON, nothing is loaded from elsewhere, /openapi.json has every route."""

import base64
import json

import pytest
from stub_server import client_of, photo, png

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")


@pytest.fixture(scope="module")
def client():
    with client_of() as client:
        yield client


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/", 404), ("GET", "/docs", 404), ("GET", "/redoc", 404), ("GET", "/detect", 405), ("PUT", "/detect", 405),
    ("DELETE", "/model", 405), ("GET", "/v2/models/other", 404)])
def test_what_is_not_there_is_one_line(client, method, path, status):
    refused = client.request(method, path)
    assert refused.status_code == status and refused.json().keys() == {"error"} and "\n" not in refused.json()["error"]
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert status != 405 or refused.headers["allow"]


HALF = '"\\ud800"'  # of a surrogate pair: JSON can hold it, UTF-8 cannot


@pytest.mark.parametrize("path, body", [
    ("/detect", '{"photos": [{"name": %s, "data": "!!"}]}'), ("/detect", '{%s: 1}'),
    ("/v2/models/stub/infer", '{"inputs": [{"name": %s, "shape": [1], "datatype": "UINT8"}]}'),
    ("/v2/models/stub/infer", '{"inputs": [{"name": "image", "shape": [1], "datatype": %s, "data": [1]}]}'),
    ("/v2/models/stub/infer", '{"inputs": [{"name": "image", "shape": [1, 1, 3], "datatype": "UINT8", '
                              '"data": [1, 2, 3]}], "parameters": {"min_score": %s}}'),
    ("/setup", '{"schema": %s}'), ("/webhook", '{"action": %s, "action": 1}'),
    ("/predict", '{"tasks": [{"data": {"image": %s}}], "label_config": "<View><Image name=\\"i\\" value=\\"$image\\"/>'
                 '<PolygonLabels name=\\"p\\" toName=\\"i\\"><Label value=\\"hat\\"/></PolygonLabels></View>"}'),
])
def test_half_a_surrogate_pair_is_refused_or_told_and_no_fault_of_the_server(client, path, body):
    refused = client.post(path, content=body % HALF, headers={"Content-Type": "application/json"})
    assert 400 <= refused.status_code < 500 and refused.json().keys() == {"error"}, refused.text
    assert "half a surrogate pair" not in refused.json()["error"]  # the reason is that of any other text


def test_a_photo_may_be_named_by_half_a_surrogate_pair(client):
    data = base64.b64encode(png(photo())).decode()
    body = json.dumps({"photos": [{"name": "\ud800", "data": data}]})
    answer = client.post("/detect", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200 and answer.json()["photos"][0]["name"] == "\ud800"


def test_openapi_has_every_route_with_its_body_and_its_errors(client):
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1") and set(document["paths"]) == {
        "/healthz", "/readyz", "/metrics", "/model", "/detect", "/label", "/health", "/setup", "/predict", "/webhook",
        "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/{name}", "/v2/models/{name}/ready",
        "/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}", "/v2/models/{name}/versions/{version}/ready",
        "/v2/models/{name}/versions/{version}/infer"}
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            assert route["summary"] and (method == "get") == ("requestBody" not in route)
            told = {int(status): answer["content"] for status, answer in route["responses"].items()
                    if int(status) >= 400}
            assert method == "get" or {400, 413, 422, 503} <= set(told), path
            for status, content in told.items():
                schema = content["application/json"]["schema"]
                wanted = ("Error", "HTTPValidationError") if status == 422 else ("Error",)
                assert schema["$ref"].endswith(wanted), path
    asked = document["paths"]["/v2/models/{name}/versions/{version}/infer"]["post"]["parameters"]
    assert [(one["name"], one["in"]) for one in asked] == [("name", "path"), ("version", "path")]
    references = set(_references(document))
    assert {name.rpartition("/")[2] for name in references} <= set(document["components"]["schemas"])


def _references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
