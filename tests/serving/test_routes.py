"""/detect and /label give what the model gives, in every form; the routes that watch tell the truth."""

import base64
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image
from stub_server import BACK, BROKEN, NAMES, REFUSED, Stub, StubLabels, client_of, listening, photo, png, wait_until

from mrcnn.data import run_lengths
from mrcnn.serving.limits import Limits

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")


@pytest.fixture(scope="module")
def client():
    with client_of() as client:
        yield client


def files(*photos):
    return [("photo", (f"{index}.png", png(pixels), "image/png")) for index, pixels in enumerate(photos)]


def in_json(*photos):
    return {"photos": [{"name": f"{index}.png", "data": base64.b64encode(png(pixels)).decode()}
                       for index, pixels in enumerate(photos)]}


def test_every_way_to_send_photos_gives_what_detect_gives(client):
    photos = [photo(), photo((0, 5, 12, 7), score=0.6), photo(score=0.1)]
    wanted = Stub().detect(photos, rle=True)
    bodies = {"files": files(*photos)}, {"json": in_json(*photos)}
    answers = [client.post("/detect", **body).json() for body in bodies]
    assert answers[0] == answers[1] and answers[0]["model"] == "stub"
    for row, result, name in zip(answers[0]["photos"], wanted, ("0.png", "1.png", "2.png"), strict=True):
        assert (row["name"], row["height"], row["width"]) == (name, 12, 16)
        assert [one["rle"] for one in row["objects"]] == result["rles"]
        assert [one["score"] for one in row["objects"]] == pytest.approx(result["scores"].tolist())
        assert [list(one["box"].values()) for one in row["objects"]] == result["boxes"].tolist()
    assert answers[0]["photos"][0]["objects"][0]["box"] == {"y1": 2, "x1": 3, "y2": 6, "x2": 9}
    assert [len(row["objects"]) for row in answers[0]["photos"]] == [1, 1, 0]
    one = client.post("/detect", content=png(photos[0]), headers={"Content-Type": "image/png"}).json()
    assert one["photos"][0]["objects"] == answers[0]["photos"][0]["objects"]


def test_the_least_score_is_the_request_s(client):
    def count(query):
        return len(client.post(f"/detect{query}", files=files(photo(score=0.4))).json()["photos"][0]["objects"])

    assert (count(""), count("?min_score=0.3"), count("?min_score=0.9")) == (0, 1, 0)


@pytest.mark.parametrize("output", ["rle", "polygons", "png"])
def test_every_form_is_the_same_mask(client, output):
    pixels = photo((1, 1, 11, 15))
    pixels[4:6, 4:9, 0] = BACK  # a hole
    [row] = client.post(f"/detect?output={output}", files=files(pixels)).json()["photos"]
    assert mask_of(row["objects"][0][output], output, pixels.shape[:2]).tolist() == (pixels[..., 0] == 255).tolist()


def mask_of(value, output, shape):
    if output == "rle":
        return run_lengths.decode(value)
    if output == "png":
        return np.array(Image.open(io.BytesIO(base64.b64decode(value)))) > 0
    inside = np.zeros(shape, bool)
    for ring in value:  # even and odd: a hole turns over what its outline holds
        inside ^= run_lengths.decode(run_lengths.from_polygons([ring], shape))
    return inside


def test_label_maps_in_every_form(client):
    pixels = photo()
    labels = (pixels[..., 0] == 255).astype(np.uint8)
    answer = client.post("/label", files=files(pixels, pixels)).json()
    for row in answer["photos"]:
        picture = Image.open(io.BytesIO(base64.b64decode(row["png"])))
        assert picture.mode == "P" and np.array(picture).tolist() == labels.tolist()
    for output in ("rle", "polygons"):
        [row] = client.post(f"/label?output={output}", files=files(pixels)).json()["photos"]
        [told] = row["classes"]
        assert (told["class_id"], told["class_name"], told["pixels"]) == (1, "hat", 24)
        assert mask_of(told[output], output, labels.shape).tolist() == labels.astype(bool).tolist()
    bare = client.post("/label", files=files(pixels), headers={"Accept": "image/png"})
    assert bare.headers["content-type"] == "image/png" and bare.content == base64.b64decode(answer["photos"][0]["png"])


@pytest.mark.parametrize("accept, png_is_given", [
    ("image/png", True), ("", False), ("*/*", False), ("application/json", False), ("image/png, */*;q=0.1", True),
    ("image/png;q=0.5, application/json", False), ("application/json;q=0.2,image/*;q=0.4", True),
    ("IMAGE/PNG, */*", True), ("image/png;q=0", False), ("image/png;q=x, */*", False), ("text/html, */*;q=0.8", False)])
def test_the_accept_header_weighs_png_and_json(client, accept, png_is_given):
    answer = client.post("/label", files=files(photo()), headers={"Accept": accept})
    assert answer.headers["content-type"] == ("image/png" if png_is_given else "application/json")


class Floor(Stub):
    score_floor = 0.3


def test_a_score_that_an_exported_file_drops_is_refused():
    body = {"inputs": [{"name": "image", "shape": [2, 2, 3], "datatype": "UINT8", "data": [0] * 12}]}
    with client_of(Floor()) as client:
        assert client.get("/model").json()["min_score_floor"] == 0.3
        refused = client.post("/detect?min_score=0.1", files=files(photo()))
        assert refused.status_code == 422
        assert "min_score=0.1: stub is an exported file that drops objects below 0.3:" in refused.json()["error"]
        assert client.post("/detect?min_score=0.3", files=files(photo())).status_code == 200
        refused = client.post("/v2/models/stub/infer", json={**body, "parameters": {"min_score": 0.1}})
        assert refused.status_code == 422 and "drops objects below 0.3" in refused.json()["error"]


def test_a_network_of_label_maps_labels_and_does_not_detect():
    with client_of(StubLabels()) as client:
        refused = client.post("/detect", files=files(photo()))
        assert refused.status_code == 400 and "finds no objects: POST /label" in refused.json()["error"]
        [row] = client.post("/label?output=rle", files=files(photo())).json()["photos"]
        assert [told["class_name"] for told in row["classes"]] == ["shoe"]
        assert client.get("/model").json()["min_score"] is None


def test_a_fault_in_a_photo_is_one_line(client):
    failed = client.post("/detect", files=files(photo(mark=BROKEN)))
    assert failed.status_code == 500 and "ValueError: a broken photo" in failed.json()["error"]
    refused = client.post("/detect", files=files(photo(mark=REFUSED)))
    assert refused.status_code == 422 and refused.json() == {"error": "this photo is refused: send another."}


def test_photos_are_turned_upright(client):
    pixels = photo((0, 0, 2, 5), shape=(8, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    data = png(pixels, exif=exif)
    row = client.post("/detect?min_score=0", content=data, headers={"Content-Type": "image/png"}).json()["photos"][0]
    assert (row["height"], row["width"]) == (16, 8)


def test_watching(client):
    assert client.get("/healthz").json() == {"status": "live"} and client.get("/readyz").json() == {"status": "ready"}
    model = client.get("/model").json()
    assert model["class_names"] == NAMES and model["architecture"] == "stub" and model["min_score"] == 0.5
    assert model["min_score_floor"] is None
    client.post("/detect", files=files(photo()))
    told = client.get("/metrics")
    assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'mrcnn_requests_total{route="/detect",status="200"}' in told.text and "mrcnn_ready 1" in told.text


def test_not_ready_before_the_network_is_warm():
    model = Stub()
    model.free.clear()
    with client_of(model, wait=False) as client:
        refused = client.get("/readyz")
        assert refused.status_code == 503 and "warmed up" in refused.json()["error"]
        assert client.get("/healthz").status_code == 200
        assert client.post("/detect", files=files(photo())).status_code == 503
        model.free.set()
        wait_until(lambda: client.get("/readyz").status_code == 200)


def test_a_network_that_cannot_run_never_becomes_ready():
    class Broken(Stub):
        def detect(self, *_, **__):
            raise RuntimeError("out of memory")

    with client_of(Broken(), wait=False) as client:
        wait_until(lambda: "out of memory" in client.get("/readyz").json()["error"])


def test_a_full_queue_and_a_slow_network_answer_503():
    model = Stub()
    with client_of(model, Limits(queue=1, wait=0, timeout=0.3)) as client:
        model.free.clear()
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(client.post("/detect", files=files(photo()))))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        model.free.set()
        assert [answer.status_code for answer in answers] == [503] * 4
        assert all(answer.headers["retry-after"] == "1" for answer in answers)
        told = {answer.json()["error"] for answer in answers}
        assert any("No answer after 0.3 seconds" in text for text in told)
        assert any("ask again in a moment" in text for text in told)
        wait_until(lambda: client.post("/detect", files=files(photo())).status_code == 200)


def test_50_clients_get_their_own_answers_and_those_who_hang_up_cost_nothing():
    import http.client

    model, wrong = Stub(), []

    def ask(address, number):
        for step in range(4):
            width = 20 + (number * 7 + step) % 60
            box = (1, 2, 5, 3 + width // 3)
            connection = http.client.HTTPConnection(*address, timeout=30)
            connection.request("POST", "/detect", png(photo(box, (8, width))), {"Content-Type": "image/png"})
            if (number + step) % 5 == 0:
                connection.close()
                continue
            [row] = json.loads(connection.getresponse().read())["photos"]
            if row["width"] != width or list(row["objects"][0]["box"].values()) != list(box):
                wrong.append((number, step))

    with listening(model, Limits(queue=200, wait=0.01)) as (app, address):
        threads = [threading.Thread(target=ask, args=(address, number)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not wrong and app.state.service.in_hand >= 0
        wait_until(lambda: app.state.service.in_hand == 0 and len(app.state.service.queue) == 0)
    assert max(model.batches) <= 4


def test_a_client_that_hangs_up_frees_its_place():
    import socket

    model, body = Stub(), png(photo())
    head = f"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(body)}\r\n\r\n"
    with listening(model, Limits(wait=0, batch_size=1)) as (app, address):
        model.free.clear()
        calls = len(model.batches)
        held = [socket.create_connection(address) for _ in range(3)]
        for one in held:
            one.sendall(head.encode() + body)
        service = app.state.service
        wait_until(lambda: service.in_hand == 3 and len(service.queue) == 2)  # one is with the network
        for one in held:
            one.close()
        wait_until(lambda: service.in_hand == 0)
        model.free.set()
        wait_until(lambda: len(model.batches) == calls + 1)
        assert "mrcnn_hung_up_total 3" in service.metrics.text()
    assert len(model.batches) == calls + 1  # the other two never went through the network


def test_ending_answers_what_is_in_hand():
    import http.client

    model = Stub()
    with listening(model) as (app, address):
        model.free.clear()
        connection = http.client.HTTPConnection(*address, timeout=20)
        connection.request("POST", "/detect", png(photo()), {"Content-Type": "image/png"})
        wait_until(lambda: app.state.service.in_hand == 1)
        threading.Timer(0.2, model.free.set).start()
    assert connection.getresponse().status == 200
