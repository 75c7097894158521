"""Downloads from a server in this process: whole, broken, of other contents, without ranges, without an answer."""

import hashlib
import http.server
import pathlib
import re
import socket
import threading

import numpy as np
import pytest

from mrcnn.errors import CheckpointError
from mrcnn.weights.downloads import FRUITLESS_ATTEMPTS, MOST_ATTEMPTS, download_trained_weights

CONTENT = np.random.default_rng(0).integers(0, 256, 1_000_000, dtype=np.uint8).tobytes()
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves server.content; breaks off after each of server.breaks bytes; server.ranges: whether it can go on."""

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
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
        self.send_header("Content-Length", str(len(body)))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        if server.breaks:
            body = body[: server.breaks.pop(0)]
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.content, made.asked, made.breaks, made.ranges, made.tag, made.status = CONTENT, [], [], True, '"one"', 200
        made.url = f"http://127.0.0.1:{made.server_address[1]}/weights.h5"
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def fetch(server, path, **options):
    return download_trained_weights(str(path), 0, url=server.url, pause=0, **{"sha256": DIGEST, **options})


def test_a_file_arrives_whole_with_its_progress(server, tmp_path, capsys):
    path = str(tmp_path / "weights.h5")
    assert download_trained_weights(path, url=server.url, sha256=DIGEST.upper()) == path
    assert pathlib.Path(path).read_bytes() == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == ["weights.h5"]
    shown = capsys.readouterr()
    assert "weights.h5 [##############################] 100% of 1.0 MB" in shown.err and not shown.out


def test_a_broken_transfer_goes_on_where_it_stopped(server, tmp_path):
    server.breaks = [300_000, 0, 200_000]
    fetch(server, tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT
    # 300,000 bytes, then none, then 200,000 more.
    assert server.asked == [None, "bytes=300000-", "bytes=300000-", "bytes=500000-"]


def test_the_next_call_takes_up_what_an_earlier_one_left(server, tmp_path):
    server.breaks = [400_000] + [0] * FRUITLESS_ATTEMPTS
    with pytest.raises(CheckpointError, match=r"broke.*\(400000 bytes are kept for the next attempt\)") as caught:
        fetch(server, tmp_path / "weights.h5")
    assert "\n" not in str(caught.value) and not (tmp_path / "weights.h5").exists()
    server.asked.clear(), server.breaks.clear()
    fetch(server, tmp_path / "weights.h5")
    assert server.asked == ["bytes=400000-"]
    assert [p.name for p in tmp_path.iterdir()] == ["weights.h5"]


def test_attempts_come_to_an_end(server, tmp_path):
    server.breaks = [0] * 100
    with pytest.raises(CheckpointError, match="Could not download"):
        fetch(server, tmp_path / "weights.h5")
    assert len(server.asked) == FRUITLESS_ATTEMPTS
    server.asked.clear()
    server.breaks = [1] * 100  # a byte at a time
    with pytest.raises(CheckpointError, match="Could not download"):
        fetch(server, tmp_path / "weights.h5")
    assert len(server.asked) == MOST_ATTEMPTS


@pytest.mark.parametrize("tag", ('"one"', None))
def test_a_server_without_ranges_begins_anew(server, tmp_path, tag):
    server.ranges, server.tag, server.breaks = False, tag, [300_000]
    fetch(server, tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_file_that_changed_meanwhile_begins_anew(server, tmp_path):
    server.breaks = [300_000] + [0] * FRUITLESS_ATTEMPTS
    with pytest.raises(CheckpointError):
        fetch(server, tmp_path / "weights.h5")
    server.breaks.clear()
    server.content, server.tag = CONTENT[::-1], '"two"'
    fetch(server, tmp_path / "weights.h5", sha256=hashlib.sha256(CONTENT[::-1]).hexdigest())
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT[::-1]


def test_a_beginning_longer_than_the_file_is_thrown_away(server, tmp_path):
    (tmp_path / "weights.h5.partial").write_bytes(CONTENT + b"more")
    (tmp_path / "weights.h5.partial.tag").write_text('"one"')
    fetch(server, tmp_path / "weights.h5")
    assert server.asked == [f"bytes={len(CONTENT) + 4}-", None]
    assert (tmp_path / "weights.h5").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_new(server, tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"old")
    with pytest.raises(CheckpointError, match="its checksum is not 0000"):
        fetch(server, tmp_path / "weights.h5", sha256="0" * 64)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("weights.h5", b"old")]


def test_what_cannot_be_had_is_said_in_one_line(server, tmp_path):
    server.status = 404
    with pytest.raises(CheckpointError, match=r"HTTP Error 404.*fetch it yourself"):
        fetch(server, tmp_path / "weights.h5")
    assert len(server.asked) == 1
    with socket.socket() as closed:  # a port that nobody answers at
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/weights.h5"
        with pytest.raises(CheckpointError, match="go online and try again") as caught:
            download_trained_weights(str(tmp_path / "weights.h5"), 0, url=url, pause=0)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match="is no folder"):
        fetch(server, tmp_path / "nowhere" / "weights.h5")
