"""Label Studio's ML backend protocol."""

import concurrent.futures
import contextlib
import http.server
import json
import os
import threading
import time

import numpy as np
import pytest
from stub_server import BROKEN, Describing, Stub, StubLabels, client_of, photo, png, wait_until

from mrcnn.data.run_lengths import encode
from mrcnn.serving.corrected import NAMES, CorrectedTasks
from mrcnn.serving.limits import Limits
from mrcnn.serving.service import FETCHES
from mrcnn.serving.task_photos import TaskPhotos

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")
CONFIG = ('<View><Image name="image" value="$image"/><PolygonLabels name="polygon" toName="image">'
          '<Label value="hat"/></PolygonLabels></View>')


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    (folder / "a.png").write_bytes(png(photo()))
    (folder / "none.png").write_bytes(png(photo(score=0)))
    (folder / "broken.png").write_bytes(png(photo(mark=BROKEN)))
    with client_of(task_photos=TaskPhotos(folder)) as client:
        yield client


def predict(client, *names, config=CONFIG):
    tasks = [{"id": number, "data": {"image": f"/data/local-files/?d={name}"}} for number, name in enumerate(names)]
    return client.post("/predict", json={"tasks": tasks, "label_config": config, "project": "1.2", "params": {}})


def test_connecting(client, caplog):
    assert client.get("/health").json() == {"status": "UP", "model_class": "stub"}
    answer = client.post("/setup", json={"project": "1.2", "schema": CONFIG, "hostname": "http://evil.example",
                                         "access_token": "x"})
    assert answer.json() == {"model_version": "stub_0003", "classes_left_out": ["shoe"],
                             "attributes_left_out": []}
    assert "Project 1.2 has no label for 1 classes, which are left out of its pre-labels: shoe." in caplog.text
    refused = client.post("/setup", json={"schema": "<View/>"})
    assert refused.status_code == 422 and "neither PolygonLabels nor BrushLabels" in refused.json()["error"]


def test_attributes_are_choices_of_regions(tmp_path, caplog):
    (tmp_path / "a.png").write_bytes(png(photo()))
    choices = '<Choices name="colour" toName="image" perRegion="true"><Choice value="red"/></Choices></View>'
    with client_of(Describing(), task_photos=TaskPhotos(tmp_path)) as client:
        config = CONFIG.replace("</View>", choices)
        answer = client.post("/setup", json={"project": "1.2", "schema": config}).json()
        assert answer["attributes_left_out"] == ["brim: long", "old"]
        assert 'no choice (Choices with perRegion="true") for 2 attributes, which are left out' in caplog.text
        assert "brim: long, old." in caplog.text
        answer = predict(client, "a.png", config=config).json()
    [_, choice] = answer["results"][0]["result"]
    assert choice["value"] == {"choices": ["red"]}


def test_objects_without_a_pixel_are_told_in_the_log(tmp_path, caplog):
    class Empty(Stub):
        def found(self, image, least, mask_probabilities):
            return {**super().found(image, least, mask_probabilities), "rles": [encode(np.zeros((12, 16), bool))]}

    (tmp_path / "a.png").write_bytes(png(photo()))
    with client_of(Empty(), task_photos=TaskPhotos(tmp_path)) as client:
        assert predict(client, "a.png").json()["results"][0]["result"] == []
    assert "Task 0: 1 of 1 objects have no pixel, and no pre-label." in caplog.text


def test_pre_labels(client):
    answer = predict(client, "a.png", "none.png").json()
    assert answer["model_version"] == "stub_0003"
    first, second = answer["results"]
    # The object of photo(): y 2 to 6 of 12 pixels, x 3 to 9 of 16.
    points = first["result"][0]["value"]["points"]
    pixels = sorted((round(x * 16 / 100, 6), round(y * 12 / 100, 6)) for x, y in points)
    assert pixels == [(3, 2), (3, 6), (9, 2), (9, 6)]
    assert first["score"] == pytest.approx(0.8) and first["model_version"] == "stub_0003"
    assert second == {"result": [], "score": 0.0, "model_version": "stub_0003"}


def test_a_task_that_fails_is_told_and_is_not_the_others(client, caplog):
    for name, status, reason in (("gone.png", 422, "not in --photos"), ("broken.png", 500, "a broken photo")):
        alone = predict(client, name)
        assert alone.status_code == status and reason in alone.json()["error"]
        one, two = predict(client, name, "a.png").json()["results"]
        assert one["result"] == [] and reason in one["error"] and len(two["result"]) == 1
        assert "Task 0 has no pre-labels" in caplog.text


def test_files_of_tasks_are_let_go_of_once_they_are_decoded(tmp_path):
    gone, model = [], Stub()

    class File(bytes):
        def __del__(self):
            gone.append(1)

    class Photos(TaskPhotos):
        def file(self, *given):
            return File(super().file(*given))

    (tmp_path / "a.png").write_bytes(png(photo()))
    with client_of(model, task_photos=Photos(tmp_path)) as client, concurrent.futures.ThreadPoolExecutor(1) as threads:
        model.free.clear()
        asked = threads.submit(predict, client, "a.png", "a.png")
        try:
            wait_until(lambda: len(gone) == 2)
        finally:
            model.free.set()
        assert len(asked.result(20).json()["results"]) == 2


def test_more_tasks_than_the_queue_holds(tmp_path):
    (tmp_path / "a.png").write_bytes(png(photo()))
    with client_of(limits=Limits(queue=2, wait=0), task_photos=TaskPhotos(tmp_path)) as client:
        assert len(predict(client, *["a.png"] * 5).json()["results"]) == 5


def test_more_tasks_than_photos_of_a_request(client):
    names = ["a.png", "none.png"] * 20
    results = predict(client, *names).json()["results"]
    assert [len(row["result"]) for row in results] == [1, 0] * 20


class SlowStudio(http.server.BaseHTTPRequestHandler):
    """Label Studio that gives a photo once it is told to, or after some seconds."""

    def do_GET(self):
        server = self.server
        with server.lock:
            server.asked += 1
            server.at_once += 1
            server.most = max(server.most, server.at_once)
        server.free.wait(server.seconds)
        with server.lock:
            server.at_once -= 1
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(png(photo()))

    def log_message(self, *_):
        pass


@pytest.fixture
def slow_studio():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowStudio)
    server.lock, server.free, server.seconds = threading.Lock(), threading.Event(), 20
    server.asked = server.at_once = server.most = 0
    server.photos = TaskPhotos(url=f"http://127.0.0.1:{server.server_port}", token="t")
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server
    server.free.set()
    server.shutdown()
    server.server_close()


def test_a_slow_label_studio_stops_no_other_request(slow_studio, tmp_path):
    slow_studio.photos.folder = os.path.realpath(tmp_path)
    (tmp_path / "a.png").write_bytes(png(photo()))
    names = [f"{number}.png" for number in range(2 * (FETCHES + (os.cpu_count() or 1)))]
    with client_of(task_photos=slow_studio.photos) as client, concurrent.futures.ThreadPoolExecutor(1) as threads:
        slow = threads.submit(predict, client, *names)
        try:
            wait_until(lambda: slow_studio.at_once == FETCHES)
            assert client.post("/detect", files={"photo": ("a.png", png(photo()))}).status_code == 200
            assert client.post("/webhook", json={"action": "x"}).status_code == 200
            assert len(predict(client, "a.png").json()["results"][0]["result"]) == 1  # its photo is in the folder
            assert not slow.done() and client.app.state.service.held == 0  # nothing is decoded yet
        finally:
            slow_studio.free.set()
        assert all(len(row["result"]) == 1 for row in slow.result().json()["results"])
    assert slow_studio.asked == len(names) and slow_studio.most == FETCHES


@pytest.mark.parametrize("count", [1, 3 * FETCHES])
def test_photos_that_do_not_come_in_time(slow_studio, count):
    with client_of(limits=Limits(wait=0, timeout=0.5), task_photos=slow_studio.photos) as client:
        began = time.monotonic()
        late = predict(client, *["a.png"] * count)
        assert late.status_code == 503 and late.headers["retry-after"] and time.monotonic() - began < 10
        assert "The photos of the tasks were not here after 0.5 seconds: ask again later" in late.json()["error"]
        slow_studio.free.set()
        wait_until(lambda: predict(client, "a.png").status_code == 200)


def test_all_photos_of_a_request_share_its_time(slow_studio):
    slow_studio.seconds = 0.4
    with client_of(limits=Limits(wait=0, timeout=1, photos=1), task_photos=slow_studio.photos) as client:
        assert predict(client, "a.png").status_code == 200
        assert predict(client, *["a.png"] * 5).status_code == 503  # each comes in time, all together do not


@pytest.mark.parametrize("body, status, message", [
    ({}, 422, '"tasks" is missing'), ({"tasks": []}, 422, '"tasks" is missing or empty'),
    ({"tasks": [5], "label_config": CONFIG}, 422, 'task 0 has no "data"'),
    ({"tasks": [{"data": {"text": "a"}}], "label_config": CONFIG}, 422, "has no 'image'"),
    ({"tasks": [{"data": {"image": 5}}], "label_config": CONFIG}, 422, "must hold an address"),
    ({"tasks": [{"data": {}}] * 1001, "label_config": CONFIG}, 413, "1001 tasks"),
    ({"tasks": [{"data": {}}]}, 422, "no labelling configuration")])
def test_requests_that_cannot_be(client, body, status, message):
    refused = client.post("/predict", json=body)
    assert refused.status_code == status and message in refused.json()["error"]


def test_events_are_heard_and_not_kept_where_nobody_asked_for_it(client, caplog):
    answer = client.post("/webhook", json={"action": "ANNOTATION_CREATED"}).json()
    assert answer["status"] == "heard" and answer["kept"] == 0
    assert "mrcnn serve with --corrected DIR" in answer["detail"]
    assert not caplog.text
    client.post("/webhook", json={"action": "START_TRAINING"})
    assert "Label Studio asks for a training. Nothing is trained here" in caplog.text
    refused = client.post("/webhook", json={})
    assert refused.status_code == 422 and '"action" is missing' in refused.json()["error"]


def test_corrections_are_kept_and_the_command_that_takes_them_is_told(tmp_path, caplog):
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 2}, "task": {"id": 3, "data": {"image": "a.png"}},
             "annotation": {"id": 4, "task": 3, "result": []}}
    last = "--weights last --set NAME=shop"
    with client_of(corrected=CorrectedTasks(tmp_path, ["BG", "hat", "shoe"], last)) as client:
        answer = client.post("/webhook", json=event).json()
        assert f"for mrcnn train {last} --train" in answer["detail"]
        assert answer["kept"] == 1 and f"1 corrected tasks are in {tmp_path}" in answer["detail"]
        assert f"--train {tmp_path} --val VALIDATION --names {tmp_path / NAMES} --images PHOTOS" in answer["detail"]
        assert "VALIDATION being Label Studio's export of another project" in answer["detail"]  # COCO takes no --names
        refused = client.post("/webhook", json={**event, "annotation": 5})
        assert refused.status_code == 422 and "has no payload" in refused.json()["error"]
        (tmp_path / "project_2_task_3.json").write_text("broken")
        refused = client.post("/webhook", json=event)
        assert refused.status_code == 500 and "project_2_task_3.json: no JSON" in refused.json()["error"]
        assert "could not be kept" in caplog.text


@pytest.mark.parametrize("headers, status, message", [
    ({"Content-Type": "text/plain"}, 415, "Content-Type text/plain: send application/json"),
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "send application/json"),
    ({}, 415, "Content-Type is missing: send application/json"),
    ({"Content-Type": "application/json", "Origin": "null"}, 403, "Origin null: events come from Label Studio's"),
    # A page whose host's name has come to mean this machine.
    ({"Content-Type": "application/json", "Origin": "http://evil.test", "Host": "evil.test"}, 403, "Origin http://evil"),
])
def test_no_page_of_the_web_changes_what_is_kept(tmp_path, headers, status, message):
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 2}, "task": {"id": 3, "data": {"image": "a.png"}},
             "annotation": {"id": 4, "task": 3, "result": []}}
    with client_of(corrected=CorrectedTasks(tmp_path, ["BG", "hat", "shoe"])) as client:
        refused = client.post("/webhook", content=json.dumps(event), headers=headers)
        assert refused.status_code == status and message in refused.json()["error"]
        assert os.listdir(tmp_path) == [NAMES]
        # As Label Studio sends it; the host is what containers and proxies call this machine.
        known = {"Content-Type": "application/json; charset=utf-8", "Host": "host.docker.internal:9090"}
        assert client.post("/webhook", content=json.dumps(event), headers=known).json()["kept"] == 1
        for path in ("/setup", "/predict"):
            assert client.post(path, content="{}", headers={"Content-Type": "text/plain"}).status_code == 415


def test_a_folder_with_a_blank_is_quoted_in_the_command(tmp_path):
    folder = tmp_path / "my tasks"
    folder.mkdir()
    with client_of(corrected=CorrectedTasks(folder, ["BG", "hat"], "--weights last")) as client:
        said = client.post("/webhook", json={"action": "START_TRAINING"}).json()["detail"]
    assert f"--train '{folder}' --val VALIDATION --names '{folder / NAMES}' --images PHOTOS" in said


def test_a_network_of_label_maps_is_told():
    with client_of(StubLabels()) as client:
        for path in ("/setup", "/predict"):
            assert "finds no objects" in client.post(path, json={}).json()["error"]
