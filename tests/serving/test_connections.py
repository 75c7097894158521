"""Connections that bring no request do not stand for ever, and do not shut others out."""

import asyncio
import contextlib
import socket
import sys
import threading
import time
import types

import pytest
from stub_server import wait_until

from mrcnn.serving.connections import MOST, most_connections, timed_protocol
from mrcnn.serving.listening import listen

pytest.importorskip("uvicorn")
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
LARGE = 30_000_000  # bytes: more than the buffers of two sockets hold


def protocols():
    from uvicorn.protocols.http.h11_impl import H11Protocol

    found = [H11Protocol]
    with contextlib.suppress(ImportError):
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        found.append(HttpToolsProtocol)
    return found


async def app(scope, receive, send):
    """Answer with so many bytes after so many seconds: /BYTES/SECONDS."""
    assert scope["type"] == "http"
    _, length, seconds = (scope["path"] + "//").split("/")[:3]
    await asyncio.sleep(float(seconds or 0))
    body = bytes(int(length or 2))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(params=protocols(), ids=lambda one: one.__name__)
def serving(request):
    """A function that serves with (timeout, most) and gives a function that connects."""
    import uvicorn

    with contextlib.ExitStack() as stack:
        def serve(timeout, most=100):
            protocol = timed_protocol(request.param, timeout, most)
            config = uvicorn.Config(app, http=protocol, lifespan="off", log_level="critical")
            server, listener = uvicorn.Server(config), stack.enter_context(listen("127.0.0.1", 0))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            stack.callback(thread.join, 20)
            stack.callback(setattr, server, "should_exit", True)
            thread.start()
            wait_until(lambda: server.started)

            def connect(data=b""):
                connection = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=20))
                connection.sendall(data)
                return connection

            return connect, protocol

        yield serve


def all_of(connection):
    answer = b""
    while chunk := connection.recv(1 << 20):
        answer += chunk
    return answer


def test_half_a_head_and_silence_end_in_time(serving):
    connect, protocol = serving(0.3)
    silent, half = connect(), connect(HEAD)
    answer = all_of(half)
    assert answer.startswith(b"HTTP/1.1 408") and b"not here after 0.3 seconds" in answer and all_of(silent) == b""
    assert not protocol.opened and not protocol.waiting


def test_byte_by_byte_is_no_way_round(serving):
    connect, _ = serving(0.3)
    slow, began = connect(HEAD), time.monotonic()
    with contextlib.suppress(OSError):
        while time.monotonic() - began < 5:
            slow.sendall(b"x")
            time.sleep(0.05)
    assert time.monotonic() - began < 5


def test_a_second_request_has_its_own_time(serving):
    connect, _ = serving(0.3)
    connection = connect()
    for _ in range(2):
        connection.sendall(HEAD + b"\r\n")
        answer = b""
        while not answer.endswith(b"\0\0"):
            answer += connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200")
    connection.sendall(HEAD)
    assert all_of(connection).startswith(b"HTTP/1.1 408")


def test_a_request_in_hand_is_left_alone(serving):
    connect, _ = serving(0.2)
    answer = all_of(connect(HEAD.replace(b"/ ", b"/2/0.8 ") + b"Connection: close\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\0\0")


def test_an_answer_that_nobody_reads_is_dropped_and_one_that_is_read_slowly_is_not(serving):
    connect, protocol = serving(0.4)
    connect(HEAD.replace(b"/ ", b"/%d " % LARGE) + b"\r\n")
    slow, seen = connect(HEAD.replace(b"/ ", b"/%d " % LARGE) + b"Connection: close\r\n\r\n"), 0
    while chunk := slow.recv(1 << 20):
        seen += len(chunk)
        time.sleep(0.05)
    assert seen > LARGE
    wait_until(lambda: not protocol.opened)


def test_too_many_connections_close_the_one_that_waits_longest(serving):
    connect, protocol = serving(60, most=3)
    old, others = connect(HEAD), []
    for _ in range(2):
        others.append(connect())
        wait_until(lambda: len(protocol.waiting) == len(others) + 1)
    assert connect(HEAD + b"\r\n").recv(1000).startswith(b"HTTP/1.1 200")
    answer = all_of(old)
    assert answer.startswith(b"HTTP/1.1 503") and b"3 connections are open already" in answer
    assert connect(HEAD + b"\r\n").recv(1000).startswith(b"HTTP/1.1 200") and all_of(others[0]) == b""


def test_one_too_many_is_refused_where_all_others_are_in_hand(serving, caplog):
    connect, protocol = serving(60, most=1)
    busy = connect(HEAD.replace(b"/ ", b"/2/1 ") + b"\r\n")
    wait_until(lambda: protocol.opened and not protocol.waiting)
    refused = connect()
    assert refused.recv(1000).startswith(b"HTTP/1.1 503") and "1 connections are open" in caplog.text
    assert busy.recv(1000).startswith(b"HTTP/1.1 200")


def test_another_uvicorn_is_told_and_served_without_a_limit():
    class Other:
        def connection_made(self, transport):
            pass

    protocol = timed_protocol(Other, 1, 1)
    with pytest.warns(UserWarning, match="does not tell when a request begins.* Install uvicorn 0.54"):
        protocol().connection_made(None)
    assert not protocol.waiting


@pytest.mark.parametrize("limit, most", [(1024, 512), (1, 1), (-1, MOST), (1 << 40, MOST)])
def test_half_of_the_files_may_be_connections(monkeypatch, limit, most):
    resource = types.SimpleNamespace(RLIMIT_NOFILE=7, RLIM_INFINITY=-1, getrlimit=lambda what: (limit, limit))
    monkeypatch.setitem(sys.modules, "resource", resource)
    assert most_connections() == most
    monkeypatch.setitem(sys.modules, "resource", None)
    assert most_connections() == MOST
