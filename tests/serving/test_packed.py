"""Packed bodies: read as they are when unpacked, and refused in one line where they cannot be."""

import gzip
import zlib

import pytest
from stub_server import client_of, photo, png

from mrcnn.serving.limits import Limits

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")
PHOTO = png(photo())


@pytest.fixture(scope="module")
def client():
    with client_of(limits=Limits(wait=0, upload=1 << 20)) as client:
        yield client


def post(client, body, encoding):
    return client.post("/detect", content=body, headers={"Content-Type": "image/png", "Content-Encoding": encoding})


@pytest.mark.parametrize("encoding, body", [
    ("gzip", gzip.compress(PHOTO)), ("GZIP", gzip.compress(PHOTO)), ("deflate", zlib.compress(PHOTO)),
    ("gzip", gzip.compress(PHOTO[:50]) + gzip.compress(b"") + gzip.compress(PHOTO[50:])), ("identity", PHOTO)])
def test_a_packed_photo_is_that_photo(client, encoding, body):
    [found] = post(client, body, encoding).json()["photos"]
    assert found["objects"][0]["box"] == {"y1": 2, "x1": 3, "y2": 6, "x2": 9}


def test_pieces_are_put_together(client):
    packed = gzip.compress(PHOTO[:50]) + gzip.compress(PHOTO[50:])
    answer = post(client, (packed[place:place + 7] for place in range(0, len(packed), 7)), "gzip")
    assert len(answer.json()["photos"][0]["objects"]) == 1


@pytest.mark.parametrize("encoding, body, status, message", [
    ("br", PHOTO, 415, "Content-Encoding br: send the body as it is"),
    ("gzip", PHOTO, 400, "not packed by gzip"),
    ("gzip", gzip.compress(PHOTO)[:-9], 400, "breaks off"),
    ("gzip", gzip.compress(PHOTO) + b"more", 400, "goes on behind its end"),
    ("gzip", gzip.compress(PHOTO) + gzip.compress(PHOTO)[:-9], 400, "breaks off"),
    ("gzip", gzip.compress(b"") * 1001, 413, "may have 1000 members: pack it in one"),
    ("gzip", gzip.compress(PHOTO) + gzip.compress(bytes(1 << 20)), 413, "may have 1048576 bytes unpacked"),
    ("deflate", zlib.compress(PHOTO) * 2, 400, "goes on behind its end"),
    ("gzip", b"", 400, "breaks off"),
    # A few kilobytes that would be a hundred megabytes.
    ("gzip", gzip.compress(bytes(100 << 20), 9), 413, "may have 1048576 bytes unpacked")])
def test_what_cannot_be_unpacked(client, encoding, body, status, message):
    refused = post(client, body, encoding)
    assert refused.status_code == status and message in refused.json()["error"]
