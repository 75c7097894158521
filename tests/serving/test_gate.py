"""The gate: the key, the size of a request, how long it may take, how many are in hand."""

import base64
import json
import socket

import pytest
from stub_server import Stub, client_of, listening, photo, png, wait_until

from mrcnn.serving.limits import Limits

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")

IMAGE = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def locked():
    with client_of(key="secret") as client:
        yield client


def basic(password):
    return {"Authorization": "Basic " + base64.b64encode(f"any:{password}".encode()).decode()}


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer secret"}, {"X-API-Key": "secret"}, basic("secret")])
def test_the_key_opens(locked, headers):
    assert locked.get("/model", headers=headers).status_code == 200
    assert locked.post("/detect", content=png(photo()), headers={**IMAGE, **headers}).status_code == 200


@pytest.mark.parametrize("headers", [
    {}, {"Authorization": "Bearer secre"}, {"Authorization": "Bearer secret2"}, {"X-API-Key": ""}, basic("wrong"),
    {"Authorization": "Basic %%%"}, {"Authorization": "secret"}, {"X-API-Key": b"\xe9"}])
def test_without_the_key_there_is_nothing(locked, headers):
    for path in ("/model", "/metrics", "/openapi.json", "/v2", "/nowhere"):
        refused = locked.get(path, headers=headers)
        assert refused.status_code == 401 and "X-API-Key: KEY" in refused.json()["error"]
        assert refused.headers["www-authenticate"] == "Bearer"
    assert locked.post("/detect", content=png(photo()), headers={**IMAGE, **headers}).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/health", "/v2/health/live", "/v2/health/ready"])
def test_whoever_watches_needs_no_key(locked, path):
    assert locked.get(path).status_code == 200


def test_a_request_of_too_many_bytes_is_refused_before_it_is_read():
    with client_of(limits=Limits(upload=1000)) as client:
        refused = client.post("/detect", content=bytes(1001), headers=IMAGE)
        assert refused.status_code == 413 and "1000 bytes" in refused.json()["error"]
        chunks = client.post("/detect", content=iter([bytes(600), bytes(600)]), headers=IMAGE)  # no length is said
        assert chunks.status_code == 413 and "1000 bytes" in chunks.json()["error"]
        form = client.post("/detect", files={"photo": bytes(2000)})
        assert form.status_code == 413


def all_of(connection):
    """Whatever comes until the other side closes."""
    answer = b""
    while chunk := connection.recv(4096):
        answer += chunk
    return answer


def test_a_request_that_does_not_come_to_its_end_is_refused():
    with listening(limits=Limits(timeout=0.2)) as (app, address), socket.create_connection(address) as slow:
        slow.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\nabc")
        slow.settimeout(20)
        answer = all_of(slow)
        assert answer.startswith(b"HTTP/1.1 408") and b"0.2 seconds" in answer
        wait_until(lambda: app.state.service.in_hand == 0)


def test_requests_in_hand_are_bounded():
    with listening(Stub(), Limits(queue=1)) as (app, address), socket.create_connection(address) as slow:
        slow.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\nabc")
        wait_until(lambda: app.state.service.in_hand == 1)
        with socket.create_connection(address) as other:
            other.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            answer = all_of(other)
        assert answer.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in answer.lower()
        assert "1 requests are in hand" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        slow.close()
        wait_until(lambda: app.state.service.in_hand == 0)
