"""Downloads from a server in this process: whole, broken, other than asked for, endless, redirected, unanswered."""

import hashlib
import http.server
import io
import os
import re
import socket
import struct
import threading
import zipfile

import h5py
import numpy as np
import pytest
from full_disk import full_disk

from mrcnn.errors import CheckpointError, DataError
from mrcnn.weights import downloads
from mrcnn.weights.downloads import FRUITLESS_ATTEMPTS, MOST_ATTEMPTS, download_trained_weights


def made_h5():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["dense/kernel:0"] = np.random.default_rng(0).normal(size=(500, 250))  # 8 bytes each
    return buffer.getvalue()


CONTENT = made_h5()
DIGEST = hashlib.sha256(CONTENT).hexdigest()
LOGIN = b"<!DOCTYPE html><html><body>Please log in.</body></html>"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves server.content; breaks off after each of server.breaks bytes; server.ranges: whether it can go on.

    server.length: False leaves Content-Length out; server.endless: sends the content again and again
    """

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        if server.redirect and self.path != server.path_behind:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.end_headers()
            return
        if server.status != 200:
            return self.send_error(server.status)
        start = 0
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if span and server.ranges and self.headers.get("If-Range") == server.tag:
            start = int(span[1])
            if start >= len(server.content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        body = server.content[start:]
        if server.length:
            self.send_header("Content-Length", str(len(body)))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        if server.breaks:
            body = body[: server.breaks.pop(0)]
        self.wfile.write(body)
        while server.endless:
            try:
                self.wfile.write(body)
                server.sent += len(body)
            except OSError:
                return
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.content, made.asked, made.breaks, made.ranges, made.tag, made.status = CONTENT, [], [], True, '"one"', 200
        made.length, made.endless, made.sent, made.redirect, made.path_behind = True, False, 0, None, "/behind.h5"
        made.root = f"http://127.0.0.1:{made.server_address[1]}"
        made.url = f"{made.root}/weights.h5"
        monkeypatch.setattr(downloads, "ALLOWED", ("https://", f"{made.root}/"))
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def fetch(server, path, **options):
    return download_trained_weights(str(path), 0, **{"url": server.url, "pause": 0, "sha256": DIGEST, **options})


def refused(server, path, message, **options):
    """A download has to fail with one line, and to leave the folder as it was."""
    before = {name: (path.parent / name).read_bytes() for name in os.listdir(path.parent)}
    with pytest.raises(CheckpointError, match=message) as caught:
        fetch(server, path, **options)
    assert "\n" not in str(caught.value)
    assert {name: (path.parent / name).read_bytes() for name in os.listdir(path.parent)} == before


# --- Whole, in one piece or several ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sha256", [DIGEST.upper(), None])
def test_a_file_arrives_whole(server, tmp_path, capsys, sha256):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"old")
    assert download_trained_weights(path, url=server.url, sha256=sha256) == str(path)
    assert path.read_bytes() == CONTENT and os.listdir(tmp_path) == ["weights.h5"]
    shown = capsys.readouterr()
    assert not shown.out and not shown.err  # no terminal, and less than a minute


def test_its_progress_is_told_in_bytes(server, tmp_path, monkeypatch):
    told = []

    class Bar:
        def __init__(self, *arguments, **options):
            told.append((arguments, options))

        def __enter__(self):
            return lambda done, total: told.append((done, total))

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(downloads, "progress_bar", Bar)
    monkeypatch.setattr(downloads, "BLOCK", 1 << 19)
    download_trained_weights(tmp_path / "weights.h5", 1, server.url)
    assert told == [(("weights.h5", "B"), {"shown": True}), (1 << 19, len(CONTENT)), (len(CONTENT), len(CONTENT))]


@pytest.mark.parametrize("sha256", [DIGEST, None])
def test_a_broken_transfer_goes_on_where_it_stopped(server, tmp_path, sha256):
    server.breaks = [300_000, 0, 200_000]
    fetch(server, tmp_path / "weights.h5", sha256=sha256)
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT
    # 300,000 bytes, then none, then 200,000 more.
    assert server.asked == [None, "bytes=300000-", "bytes=300000-", "bytes=500000-"]


def test_attempts_come_to_an_end(server, tmp_path):
    server.breaks = [0] * 100
    refused(server, tmp_path / "weights.h5", r"Could not download .*broke after 0 of \d+ bytes.*fetch it yourself")
    assert len(server.asked) == FRUITLESS_ATTEMPTS
    server.asked.clear()
    server.breaks = [1] * 100  # a byte at a time
    refused(server, tmp_path / "weights.h5", "Could not download")
    assert len(server.asked) == MOST_ATTEMPTS


@pytest.mark.parametrize("tag", ['"one"', None])
def test_a_server_without_ranges_begins_anew(server, tmp_path, tag):
    server.ranges, server.tag, server.breaks = False, tag, [300_000]
    fetch(server, tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_file_that_changes_meanwhile_begins_anew(server, tmp_path, monkeypatch):
    server.breaks = [300_000]

    def change(_):
        server.content, server.tag = CONTENT[::-1], '"two"'

    monkeypatch.setattr(downloads.time, "sleep", change)
    fetch(server, tmp_path / "weights.h5", sha256=hashlib.sha256(CONTENT[::-1]).hexdigest())
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT[::-1]


def test_a_beginning_longer_than_the_file_is_thrown_away(server, tmp_path, monkeypatch):
    server.breaks = [len(CONTENT) - 1]

    def shorten(_):  # under the same tag
        server.content = CONTENT[: len(CONTENT) // 2]

    monkeypatch.setattr(downloads.time, "sleep", shorten)
    fetch(server, tmp_path / "weights.h5", sha256=hashlib.sha256(CONTENT[: len(CONTENT) // 2]).hexdigest())
    assert server.asked == [None, f"bytes={len(CONTENT) - 1}-", None]


# --- Something else ---------------------------------------------------------------------------------------------------


def test_a_wrong_checksum_is_refused(server, tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"old")
    refused(server, tmp_path / "weights.h5", "its checksum is not 0000.*try again", sha256="0" * 64)


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("content, message", [
    (LOGIN, r"no whole \.h5 file .*55 bytes came, which begin with b'<!DOCTYPE html><html><bo'\): a login page"),
    (b"", r"no whole \.h5 file .*0 bytes came"),
    (CONTENT[:-1], r"no whole \.h5 file .*truncated file"),
    (CONTENT[: len(CONTENT) // 2], r"no whole \.h5 file .*truncated file"),
], ids=["login page", "empty", "a byte short", "half"])
def test_what_is_no_whole_weight_file_is_not_kept_without_a_checksum(server, tmp_path, content, length, message):
    server.content, server.length = content, length
    refused(server, tmp_path / "weights.h5", message, sha256=None)
    assert len(server.asked) == 1


def made_safetensors():
    header = b'{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}'
    return struct.pack("<Q", len(header)) + header + np.ones(4, "<f4").tobytes()


def made_npz():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(9))
    return buffer.getvalue()


@pytest.mark.parametrize("name, whole", [("a.safetensors", made_safetensors()), ("a.npz", made_npz())])
def test_other_kinds_are_checked_by_their_own_length(server, tmp_path, name, whole):
    server.length, server.content = False, whole[:-1]
    refused(server, tmp_path / name, rf"no whole \{os.path.splitext(name)[1]} file", sha256=None)
    server.content = whole
    fetch(server, tmp_path / name, sha256=None)
    assert (tmp_path / name).read_bytes() == whole


def test_a_pytorch_file_is_read_to_its_end(server, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02}.")  # an empty dict
    server.content, server.length = buffer.getvalue()[:-1], False
    refused(server, tmp_path / "a.pth", r"no whole \.pth file", sha256=None)
    server.content = buffer.getvalue()
    fetch(server, tmp_path / "a.pth", sha256=None)
    assert (tmp_path / "a.pth").read_bytes() == buffer.getvalue()


def test_a_file_that_cannot_be_checked_is_not_fetched(server, tmp_path):
    refused(server, tmp_path / "weights.bin", r"weights\.bin: .*could not be checked: give its sha256=", sha256=None)
    assert not server.asked
    fetch(server, tmp_path / "weights.bin")


def test_no_more_is_taken_than_was_allowed(server, tmp_path, monkeypatch):
    refused(server, tmp_path / "weights.h5", r"more than the 999999 bytes that were allowed", max_bytes=999_999)
    server.endless, server.length = True, False
    refused(server, tmp_path / "weights.h5", r"more than the 3000000 bytes that were allowed", max_bytes=3_000_000)
    assert len(server.asked) == 2
    # Of the file that is known, not even a byte more; and one of another length is another file.
    monkeypatch.setattr(downloads, "COCO_MODEL_URL", server.url)
    monkeypatch.setattr(downloads, "COCO_MODEL_BYTES", len(CONTENT))
    refused(server, tmp_path / "weights.h5", f"more than the {len(CONTENT)} bytes", sha256=None)
    server.endless, server.content = False, CONTENT[:-1]
    refused(server, tmp_path / "weights.h5", rf"not the {len(CONTENT)} bytes that it has", sha256=None)
    server.content = CONTENT
    fetch(server, tmp_path / "weights.h5", sha256=None)


# --- Addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://example.org/weights.h5", "ftp://example.org/weights.h5", "file:///etc/hosts",
                                 "weights.h5"])
def test_only_https_is_asked(server, tmp_path, url):
    refused(server, tmp_path / "weights.h5", f"{url} is no https address", url=url)


def test_redirects_lead_to_https_alone(server, tmp_path):
    server.redirect = f"http://localhost:{server.server_address[1]}/behind.h5"  # not the address that the tests allow
    refused(server, tmp_path / "weights.h5", "http://localhost.* is no https address")
    assert len(server.asked) == 1
    server.redirect = f"{server.root}/behind.h5"
    fetch(server, tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT and len(server.asked) == 3


# --- No answer, no room ----------------------------------------------------------------------------------------------


def test_what_cannot_be_had_is_said_in_one_line(server, tmp_path, monkeypatch):
    server.status = 404
    refused(server, tmp_path / "weights.h5", r"HTTP Error 404.*fetch it yourself")
    assert len(server.asked) == 1
    with socket.socket() as closed:  # a port that nobody answers at
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/weights.h5"
        monkeypatch.setattr(downloads, "ALLOWED", (url,))
        refused(server, tmp_path / "weights.h5", "go online and try again", url=url)
    with pytest.raises(CheckpointError, match="is no folder"):
        fetch(server, tmp_path / "nowhere" / "weights.h5", url=url)


def test_a_full_disk_is_no_broken_connection(server, tmp_path):
    message = r"weights\.h5: cannot write the file \(File too large\)"
    with full_disk(500_000), pytest.raises(DataError, match=message):
        fetch(server, tmp_path / "weights.h5")
    assert len(server.asked) == 1 and os.listdir(tmp_path) == []
