"""Photos of tasks: of the folder, or of Label Studio; of nowhere else."""

import contextlib
import http.server
import json
import os
import threading
import time

import pytest

from mrcnn.errors import UsageError
from mrcnn.serving.limits import Limits
from mrcnn.serving.refusals import Refused
from mrcnn.serving.task_photos import TaskPhotos


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos" / "in").mkdir(parents=True)
    (tmp_path / "photos" / "in" / "a b.jpg").write_bytes(b"photo")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (tmp_path / "photos" / "link.jpg").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(tmp_path / "photos" / "pipe.jpg")
    return tmp_path / "photos"


class Studio(http.server.BaseHTTPRequestHandler):
    """Serves /data/upload/1/a.jpg to who has a token, and sends others elsewhere."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        if self.path.startswith("/data/redirect"):
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/secret")
        elif self.headers.get("Authorization") in ("Token legacy", "Bearer access"):
            self.send_response(200)
        else:
            self.send_response(401)
        self.end_headers()
        self.wfile.write(b"photo of the studio")

    def do_POST(self):
        token = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["refresh"]
        self.send_response(200 if self.path == "/api/token/refresh/" and token == "a.b.c" else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"access": "access"}).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def studio():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Studio)
    server.asked = []
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("address", ["in/a b.jpg", "/data/local-files/?d=in/a%20b.jpg", "/in/a b.jpg"])
def test_a_photo_of_the_folder(folder, address):
    assert TaskPhotos(folder).read(address) == ("a b.jpg", b"photo")
    # The folder itself, where the address begins with the one above it.
    assert TaskPhotos(os.path.join(folder, "in")).read(address) == ("a b.jpg", b"photo")


@pytest.mark.parametrize("address", [
    "s3://bucket/in/a b.jpg", "gs://bucket/photos/in/a b.jpg", "azure-blob://box/a b.jpg", "s3://bucket/deep/in/a%20b.jpg",
    "https://shop.example/in/a%20b.jpg?sig=1", "/data/upload/3/0123abcd-a_b.jpg",
    "/data/local-files/?d=deep/photos/in/A%20B.jpg", "file:///home/ann/in/a b.jpg"])
def test_a_photo_of_the_folder_by_the_rules_of_reading_annotations(folder, studio, address):
    assert TaskPhotos(folder).read(address) == ("a b.jpg", b"photo")
    if not address.startswith("/data/"):  # Label Studio has those itself
        assert TaskPhotos(folder, studio.url, "legacy").read(address)[1] == b"photo" and studio.asked == []


def test_keys_of_buckets_and_photos_that_come_later(folder, monkeypatch):
    (folder / "in" / "a#1.jpg").write_bytes(b"first")
    photos = TaskPhotos(folder)
    assert photos.read("s3://bucket/in/a#1.jpg") == ("a#1.jpg", b"first")
    with pytest.raises(Refused, match="s3://bucket/x/late.jpg: not in --photos"):
        photos.read("s3://bucket/x/late.jpg")
    (folder / "late.jpg").write_bytes(b"late")
    monkeypatch.setattr("mrcnn.serving.task_photos.LISTED_SECONDS", -1)
    assert photos.read("s3://bucket/x/late.jpg")[1] == b"late"


@pytest.mark.parametrize("address", [
    "s3://bucket/../secret.txt", "s3://bucket/link.jpg", "gs://bucket/x/link.jpg", "s3://bucket/secret.txt",
    "https://evil.example/pipe.jpg", "/data/upload/1/0123abcd-link.jpg", "s3://bucket/x/../../secret.txt",
    "s3://bucket/#../../secret.txt", "s3://bucket/" + "a/" * 3000 + "b.jpg", "s3://bucket/a\0b.jpg"])
def test_no_bucket_leads_out_of_the_folder_and_none_is_asked(folder, studio, address):
    for photos in (TaskPhotos(folder), TaskPhotos(folder, studio.url, "legacy")):
        if not address.startswith("/data/") or photos.site is None:
            with pytest.raises(Refused, match="not in --photos"):
                photos.read(address)
    assert studio.asked == []


@pytest.mark.parametrize("address", [
    "../secret.txt", "/data/local-files/?d=../secret.txt", "/data/local-files/?d=..%2fsecret.txt", "link.jpg",
    "/etc/passwd", "in/../../secret.txt", "file:///etc/passwd", "pipe.jpg", "gone.jpg", "", None, 5, "a\0b", "in",
    "http://127.0.0.1:1/data/a.jpg", "s3://bucket/a.jpg", "http://[x", "data:image/png;base64,eA=="])
def test_nothing_leads_out_of_the_folder(folder, address):
    with pytest.raises(Refused) as refused:
        TaskPhotos(folder).read(address)
    assert refused.value.status == 422 and "\n" not in refused.value.reason


def test_a_photo_larger_than_is_taken(folder):
    with pytest.raises(Refused, match="5 bytes, 4 are taken"):
        TaskPhotos(folder, limits=Limits(upload=4)).read("in/a b.jpg")


@pytest.mark.parametrize("token, sent", [("legacy", "Token legacy"), ("a.b.c", "Bearer access")])
def test_a_photo_of_label_studio_by_its_token(studio, token, sent):
    photos = TaskPhotos(url=studio.url, token=token)
    for address in ("/data/upload/1/a.jpg", f"{studio.url}/data/upload/1/a.jpg"):
        assert photos.read(address) == ("a.jpg", b"photo of the studio")
    assert photos.read("/data/local-files/?d=in/b c.jpg")[0] == "b c.jpg"
    assert studio.asked[0] == ("/data/upload/1/a.jpg", sent)
    assert studio.asked[2] == ("/data/local-files/?d=in/b%20c.jpg", sent)


def test_the_folder_comes_before_label_studio(folder, studio):
    photos = TaskPhotos(folder, studio.url, "legacy")
    assert photos.read(f"{studio.url}/data/local-files/?d=in/a%20b.jpg")[1] == b"photo" and studio.asked == []
    assert photos.read("/data/upload/1/c.jpg")[1] == b"photo of the studio"


@pytest.mark.parametrize("address", [
    "http://127.0.0.1:1/data/a.jpg", "http://localhost.evil.example/data/a.jpg", "//evil.example/data/a.jpg",
    "ftp://127.0.0.1/data/a.jpg", "@evil.example/data/a.jpg", "/api/users", "/user/logout", "/data/../api/users",
    "/data/%2e%2e/api/users", "/data/..%2fapi/users", "data\\..\\api", "http://x:y@evil.example/data/a.jpg",
    "http://127.0.0.1:99999/data/a.jpg", "/data/a\r\nX: y.jpg/../b"])
def test_no_other_host_and_nothing_but_photos(studio, address):
    with pytest.raises(Refused):
        TaskPhotos(url=studio.url, token="legacy").read(address)
    assert studio.asked == []


def test_redirections_are_not_followed(studio):
    with pytest.raises(Refused, match="answers 302: which leads elsewhere, and is not followed"):
        TaskPhotos(url=studio.url, token="legacy").read("/data/redirect.jpg")


def test_what_label_studio_refuses_is_told(studio):
    with pytest.raises(Refused, match="answers 401: check LABEL_STUDIO_API_KEY"):
        TaskPhotos(url=studio.url, token="wrong").read("/data/upload/1/a.jpg")
    with pytest.raises(Refused, match="does not take LABEL_STUDIO_API_KEY"):
        TaskPhotos(url=studio.url, token="x.y.z").read("/data/upload/1/a.jpg")
    with pytest.raises(Refused, match="more than 5 bytes"):
        TaskPhotos(url=studio.url, token="legacy", limits=Limits(upload=5)).read("/data/upload/1/a.jpg")
    studio.shutdown()
    studio.server_close()
    with pytest.raises(Refused, match="cannot be reached .*: check LABEL_STUDIO_URL"):
        TaskPhotos(url=studio.url, token="legacy").read("/data/upload/1/a.jpg")


@pytest.mark.parametrize("seconds", [0.3, -1])
def test_nobody_waits_longer_than_is_said(seconds):
    class Trickling(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not self.server.ended.wait(0.02):
                    self.wfile.write(b"x")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trickling)
    server.ended = threading.Event()
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    began = time.monotonic()
    try:
        with pytest.raises(Refused, match=r"/data/a.jpg: Label Studio cannot be reached \(timed out\)"):
            TaskPhotos(url=f"http://127.0.0.1:{server.server_port}").fetch("/data/a.jpg", began + seconds)
        assert time.monotonic() - began < 10
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()


def test_what_cannot_be_a_place():
    with pytest.raises(UsageError, match="--photos gone: no such folder"):
        TaskPhotos("gone")
    for url in ("localhost:8080", "file:///data", "http://"):
        with pytest.raises(UsageError, match="give an address such as http://localhost:8080"):
            TaskPhotos(url=url)
