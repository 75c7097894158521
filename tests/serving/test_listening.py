"""Where the server listens."""

import socket
import sys

import pytest

from mrcnn.errors import UsageError
from mrcnn.serving import listening
from mrcnn.serving.connections import most_connections


def test_a_socket_and_its_address():
    with listening.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert listening.address_of(listener) == f"http://127.0.0.1:{port}" and listening.is_loopback(listener)
        with pytest.raises(UsageError, match=f"--port {port}: cannot listen there .*choose another"):
            listening.listen("127.0.0.1", port)
    with listening.listen("0.0.0.0", 0) as listener:
        assert not listening.is_loopback(listener)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 on this machine")
def test_an_address_of_ipv6():
    try:
        listener = listening.listen("::1", 0)
    except UsageError:
        pytest.skip("no IPv6 on this machine")
    with listener:
        assert listening.address_of(listener).startswith("http://[::1]:") and listening.is_loopback(listener)


@pytest.mark.parametrize("host, port", [("no.such.host.invalid", 0), ("127.0.0.1", 70_000)])
def test_where_nobody_can_listen(host, port):
    with pytest.raises(UsageError, match="cannot listen there"):
        listening.listen(host, port)


def test_connections_are_timed():
    pytest.importorskip("uvicorn")
    protocol = listening.config_of(None, 3).http
    assert (protocol.timeout, protocol.most) == (3, most_connections())


def test_a_uvicorn_whose_protocol_cannot_be_timed_is_told(monkeypatch):
    pytest.importorskip("uvicorn")
    monkeypatch.setitem(sys.modules, "uvicorn.protocols.http.auto", None)
    with pytest.warns(UserWarning, match="no protocol that can be timed .* Install uvicorn 0.54"):
        assert listening.config_of(None).http == "auto"


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(listening.importlib.util, "find_spec", lambda name: None if name == "fastapi" else object())
    with pytest.raises(UsageError, match=r'needs fastapi: pip install "mrcnn-keras\[serve\]"'):
        listening.check_installed()
