"""What a request holds and how long it may take, from the end of its body to its answer."""

import asyncio
import concurrent.futures
import http.client
import os
import socket
import threading
import weakref

import pytest
from stub_server import Stub, client_of, listening, photo, png, wait_until

from mrcnn.serving.limits import Limits

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")
IMAGE = {"Content-Type": "image/png"}
FORM = [("photo", (f"{number}.png", png(photo()), "image/png")) for number in range(2)]
TENSOR = {"inputs": [{"name": "image", "shape": [12, 16, 3], "datatype": "UINT8", "data": photo().tolist()}]}
INFER = "/v2/models/stub/infer"


class Slow:
    """A function that waits for `free` before it does what another does. `calls`: how often it has begun."""

    def __init__(self, real):
        self.real, self.calls, self.free = real, 0, threading.Event()

    def __call__(self, *given):
        self.calls += 1
        assert self.free.wait(20)
        return self.real(*given)


@pytest.fixture
def slow(monkeypatch):
    """A function that makes one of the server slow, by its path."""
    made = []

    def make(path):
        from mrcnn.serving import app, inference_protocol, routes, tensors, turns  # noqa: F401

        module, name = path.rsplit(".", 1)
        made.append(Slow(getattr({"turns": turns, "routes": routes, "tensors": tensors,
                                  "inference_protocol": inference_protocol}[module], name)))
        monkeypatch.setattr(f"mrcnn.serving.{path}", made[-1])
        return made[-1]

    yield make
    for one in made:
        one.free.set()


def test_photos_in_hand_are_bounded_before_they_are_decoded_and_more_wait_for_their_turn(slow):
    decode = slow("turns.decode_photo")
    decode.free.set()
    model, limits = Stub(), Limits(queue=3, batch_size=1, photos=2, wait=0)
    with client_of(model, limits) as client, concurrent.futures.ThreadPoolExecutor(3) as threads:
        service = client.app.state.service
        model.free.clear()
        asked = [threads.submit(client.post, "/detect", files=FORM)]
        wait_until(lambda: decode.calls == 2 and service.held == 2)
        asked.append(threads.submit(client.post, "/detect", files=FORM))
        wait_until(lambda: len(service._line) == 1)
        asked.append(threads.submit(client.post, "/detect", files=FORM[:1]))  # has room, and is behind the former
        wait_until(lambda: len(service._line) == 2)
        assert decode.calls == 2 and service.held == 2
        model.free.set()
        assert [one.result(20).status_code for one in asked] == [200] * 3 and decode.calls == 5
        assert service.held == len(service._line) == 0
        broken = client.post("/detect", content=b"x", headers=IMAGE)
        assert broken.status_code == 415 and service.held == 0


def test_who_waits_for_a_place_and_gives_up_leaves_the_line():
    model, limits, body = Stub(), Limits(queue=3, batch_size=1, photos=3, wait=0, timeout=1), png(photo())
    head = f"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(body)}\r\n\r\n"
    with listening(model, limits) as (app, address):
        service = app.state.service
        wait_until(lambda: service.ready)
        service.held = 3  # as of others
        with socket.create_connection(address) as gone:
            gone.sendall(head.encode() + body)
            wait_until(lambda: len(service._line) == 1)
        wait_until(lambda: service.in_hand == 0)
        late = http.client.HTTPConnection(*address, timeout=20)
        late.request("POST", "/detect", body, IMAGE)
        answer = late.getresponse()
        assert answer.status == 503 and b"No answer after 1 seconds: ask again later" in answer.read()
        wait_until(lambda: service.in_hand == 0)
        assert service.held == 3 and not service._line
        service.held = 0
        late.request("POST", "/detect", body, IMAGE)
        assert late.getresponse().status == 200
    assert service.held == 0


def test_who_needs_no_place_waits_for_none():
    async def held(service):
        async with service.holding(None, 0):
            return service.held

    with listening(Stub(), Limits(queue=3, batch_size=1, photos=3)) as (app, _):
        service = app.state.service
        service.held = 3  # as of others
        assert asyncio.run(held(service)) == 3 and not service._line
        service.held = 0


@pytest.mark.parametrize("path, body, answer", [
    ("/detect", {"files": FORM}, "routes._detections"), ("/label", {"files": FORM}, "routes._label_maps"),
    (INFER, {"json": TENSOR}, "inference_protocol._answer")])
def test_photos_are_let_go_of_once_the_network_has_seen_them(monkeypatch, path, body, answer, slow):
    seen, model = [], Stub()
    real = model.detect
    model.detect = lambda images, **options: seen.extend(map(weakref.ref, images)) or real(images, **options)
    encode = slow(answer)
    with client_of(model) as client, concurrent.futures.ThreadPoolExecutor(1) as threads:
        wait_until(lambda: all(one() is None for one in seen))
        seen.clear()
        asked = threads.submit(client.post, path, **body)
        wait_until(lambda: encode.calls == 1)
        wait_until(lambda: all(one() is None for one in seen))
        assert seen and client.app.state.service.held == 0
        encode.free.set()
        assert asked.result(20).status_code == 200


@pytest.mark.parametrize("given", [{"files": FORM}, {"content": png(photo()), "headers": IMAGE}])
def test_files_are_let_go_of_once_they_are_decoded(monkeypatch, given):
    from mrcnn.serving import routes

    gone, seen, real, model = [], [], routes.files_of, Stub()

    class File(bytes):
        def __del__(self):
            gone.append(1)

    async def files_of(request, service):
        turn, files = await real(request, service)
        seen.append((len(files), hasattr(request, "_body")))
        return turn, [(name, File(data)) for name, data in files]

    monkeypatch.setattr(routes, "files_of", files_of)
    with client_of(model) as client, concurrent.futures.ThreadPoolExecutor(1) as threads:
        model.free.clear()
        asked = threads.submit(client.post, "/detect", **given)
        try:
            wait_until(lambda: seen and len(gone) == seen[0][0])
        finally:
            model.free.set()
        assert asked.result(20).status_code == 200 and seen == [(len(gone), False)]


@pytest.mark.parametrize("path, body, step", [
    ("/detect", {"files": FORM}, "turns.decode_photo"), ("/detect", {"files": FORM}, "routes._detections"),
    ("/label", {"files": FORM}, "routes._label_maps"), (INFER, {"json": TENSOR}, "tensors.read_request"),
    (INFER, {"json": TENSOR}, "inference_protocol._photo"), (INFER, {"json": TENSOR}, "inference_protocol._answer")])
def test_every_step_of_a_request_is_in_its_time(path, body, step, slow):
    held = slow(step)
    with client_of(limits=Limits(wait=0, timeout=0.3)) as client:
        late = client.post(path, **body)
        assert late.status_code == 503 and late.headers["retry-after"] == "1" and held.calls
        assert late.json()["error"].startswith("No answer after 0.3 seconds: ask again later")
        assert client.app.state.service.held == 0
        held.free.set()
        wait_until(lambda: client.post(path, **body).status_code == 200)


def test_what_nobody_waits_for_is_not_decoded(slow):
    decode, cores = slow("turns.decode_photo"), os.cpu_count() or 1
    body = png(photo())
    head = f"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(body)}\r\n\r\n"
    with listening(limits=Limits(wait=0)) as (app, address):
        service, asking = app.state.service, [socket.create_connection(address) for _ in range(cores + 3)]
        for one in asking:
            one.sendall(head.encode() + body)
        wait_until(lambda: service.held == cores + 3 and decode.calls == cores)
        for one in asking:
            one.close()
        wait_until(lambda: service.in_hand == service.held == 0)
        decode.free.set()
        connection = http.client.HTTPConnection(*address, timeout=20)
        connection.request("POST", "/detect", body, IMAGE)
        assert connection.getresponse().status == 200
        assert decode.calls == cores + 1  # those that had begun, and the last


def test_answers_do_not_wait_for_photos_to_be_decoded(slow):
    decode, cores = slow("turns.decode_photo"), os.cpu_count() or 1
    limits = Limits(queue=2 * cores + 2, wait=0)
    with client_of(limits=limits) as client, concurrent.futures.ThreadPoolExecutor(cores + 2) as threads:
        waiting = [threads.submit(client.post, "/detect", files=FORM) for _ in range(cores + 1)]
        wait_until(lambda: decode.calls == cores)
        assert threads.submit(client.portal.call, client.app.state.service.answering, len, "ab").result(20) == 2
        decode.free.set()
        assert all(one.result(20).status_code == 200 for one in waiting)
