"""Bodies that hold no photos are refused by the status that fits, in one line."""

import pytest
from stub_server import client_of, photo, png

from mrcnn.serving.limits import Limits

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client():
    with client_of(limits=Limits(photos=2, wait=0)) as client:
        yield client


@pytest.mark.parametrize("headers, body, status, message", [
    ({}, b"x", 415, "Content-Type is missing: send multipart/form-data"),
    ({"Content-Type": "text/plain"}, b"x", 415, "Content-Type text/plain"),
    (JSON, b"{", 400, "The body is no JSON"),
    (JSON, b"\xff", 400, "The body is no JSON"),
    (JSON, b"[" * 100_000, 400, "The body is no JSON"),
    (JSON, b"[]", 400, "no object"),
    (JSON, b"{}", 422, '"photos" is missing'),
    (JSON, b'{"photos": []}', 422, "No photo"),
    (JSON, b'{"photos": [5]}', 422, "photo 0: send"),
    (JSON, b'{"photos": [{"name": "a.jpg", "data": "%"}]}', 422, "a.jpg: no base64"),
    (JSON, b'{"photos": [], "min_score": 0.1}', 422, "JSON key 'min_score': there is no such thing here, there is ph"),
    (JSON, b'{"photos": [{"nam": "a.jpg", "data": ""}]}', 422, "photo 0: key 'nam': "),
    (JSON, b'{"photos": ["", "", ""]}', 413, "3 photos, a request may have 2"),
    (JSON, b'{"photos": ["eA=="], "photos": []}', 400, "JSON key 'photos': it comes more than once"),
    (JSON, b'{"photos": [{"data": "eA==", "data": ""}]}', 400, "JSON key 'data': it comes more than once"),
    (JSON, b'{"photos": [""]}', 415, "photo 0: no photo that is read here"),
    (FORM, b"nonsense", 400, ""),
    (FORM, b"--b--\r\n", 422, "No photo"),
    (FORM, b'--b\r\nContent-Disposition: form-data; name="score"\r\n\r\n1\r\n--b--\r\n', 422, "'score' is no file"),
    ({"Content-Type": "image/png"}, b"", 415, "the photo: no photo"),
])
def test_a_body_without_photos(client, headers, body, status, message):
    refused = client.post("/detect", content=body, headers=headers)
    assert refused.status_code == status and message in refused.json()["error"]
    assert refused.json().keys() == {"error"} and "\n" not in refused.json()["error"]


@pytest.mark.parametrize("kept", [1, 9, -1, 60])
def test_a_form_that_breaks_off_loses_no_photo_in_silence(client, kept):
    part = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="%d.png"\r\n\r\n' + png(photo()) + b"\r\n"
    body, end = part % 0 + part % 1, b"--b--\r\n"
    assert len(client.post("/detect", content=body + end, headers=FORM).json()["photos"]) == 2
    assert client.post("/detect", content=body + end.strip(), headers=FORM).status_code == 200
    cut = body[:-kept] if kept > 0 else body + b"--b"
    refused = client.post("/detect", content=cut, headers=FORM)
    assert refused.status_code == 400 and "The form breaks off behind 1 whole files" in refused.json()["error"]


def test_a_form_without_its_boundary(client):
    refused = client.post("/detect", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert refused.status_code == 400 and "cannot be read (Missing boundary in multipart)" in refused.json()["error"]


def test_too_many_files(client):
    files = [("photo", ("a.png", png(photo()), "image/png"))] * 3
    refused = client.post("/detect", files=files)
    assert refused.status_code == 413 and "3 photos, a request may have 2" in refused.json()["error"]
    assert client.post("/detect", files=files[:2]).status_code == 200


def test_more_files_than_the_queue_holds():
    files = [("photo", ("a.png", png(photo()), "image/png"))] * 3
    with client_of(limits=Limits(photos=5, queue=2, wait=0)) as client:
        refused = client.post("/detect", files=files)
        assert refused.status_code == 413 and "3 photos, a request may have 2" in refused.json()["error"]


def test_one_broken_file_is_named(client):
    files = [("photo", ("good.png", png(photo()), "image/png")), ("photo", ("bad.png", b"x", "image/png"))]
    refused = client.post("/detect", files=files)
    assert refused.status_code == 415 and refused.json()["error"].startswith("bad.png: ")


@pytest.mark.parametrize("query", ["output=svg", "min_score=2", "min_score=x", "min_score=nan"])
def test_options_that_cannot_be(client, query):
    refused = client.post(f"/detect?{query}", content=png(photo()), headers={"Content-Type": "image/png"})
    assert refused.status_code == 422 and refused.json()["error"].startswith(f"{query.partition('=')[0]}: ")


@pytest.mark.parametrize("address", ["/detect?min_score=0.9&min_score=0.1", "/label?output=png&output=rle"])
def test_options_that_come_twice(client, address):
    refused = client.post(address, content=png(photo()), headers={"Content-Type": "image/png"})
    name = address.partition("?")[2].partition("=")[0]
    assert refused.status_code == 400
    assert f"Option in the address {name!r}: it comes more than once" in refused.json()["error"]


@pytest.mark.parametrize("address, known", [("/detect?min_confidence=0.1", "min_score, output"),
                                            ("/detect?min-score=0.1", "min_score, output"),
                                            ("/label?min_score=0.1", "output")])
def test_options_that_there_are_not(client, address, known):
    refused = client.post(address, content=png(photo()), headers={"Content-Type": "image/png"})
    name = address.partition("?")[2].partition("=")[0]
    assert refused.status_code == 422 and f"Option in the address {name!r}: " in refused.json()["error"]
    assert known in refused.json()["error"]
