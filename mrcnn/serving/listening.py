"""Where the server listens, and its running until it is told to end."""

from __future__ import annotations

import importlib.util
import ipaddress
import socket
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrcnn.errors import UsageError
from mrcnn.serving.connections import most_connections, timed_protocol
from mrcnn.serving.limits import Limits
from mrcnn.serving.memory import give_back_large_blocks

if TYPE_CHECKING:
    import uvicorn

PACKAGES = {"fastapi": "fastapi", "uvicorn": "uvicorn", "python_multipart": "python-multipart"}  # {module: package}
LAST_PORT = 65535
BACKLOG = 2048  # connections that wait for the process
DRAIN_SECONDS = 30  # that requests in hand have after the signal to end


def check_installed() -> None:
    """Check that what the server is made of is there.

    Raises:
        UsageError: it is not; the message says what to install.
    """
    missing = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(f'mrcnn serve needs {", ".join(missing)}: pip install "mrcnn-keras[serve]".')


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address.

    Args:
        host: name or address of this machine's.
        port: 0 takes a free one.

    Returns:
        The socket.

    Raises:
        UsageError: that cannot be.
    """
    if not 0 <= port <= LAST_PORT:
        raise UsageError(f"--port {port}: cannot listen there: give a number from 0 to {LAST_PORT}.")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--host {host} --port {port}: cannot listen there ({reason}): choose another.") from error


def address_of(listener: socket.socket) -> str:
    """The http address of a socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine reaches a socket."""
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def config_of(app: Callable, timeout: float = Limits.timeout, log_level: str = "warning") -> uvicorn.Config:
    """How uvicorn serves an application.

    Args:
        app: ASGI application.
        timeout: seconds until the head of a request has to be there.
        log_level: of uvicorn.

    Returns:
        Its Config.
    """
    import uvicorn

    try:
        from uvicorn.protocols.http.auto import AutoHTTPProtocol

        protocol = timed_protocol(AutoHTTPProtocol, timeout, most_connections())
    except (ImportError, TypeError) as error:
        warnings.warn(f"This version of uvicorn has no protocol that can be timed ({error}). Connections that bring no "
                      "request are not closed. Install uvicorn 0.54.", stacklevel=2)
        protocol = "auto"
    return uvicorn.Config(app, http=protocol, log_level=log_level, access_log=False, server_header=False,
                          proxy_headers=False, timeout_graceful_shutdown=DRAIN_SECONDS)


def run(app: Callable, listener: socket.socket, timeout: float = Limits.timeout) -> None:
    """Serve until SIGINT or SIGTERM; requests in hand are answered first.

    Args:
        app: ASGI application.
        listener: of `listen`.
        timeout: seconds until the head of a request has to be there.
    """
    import uvicorn

    give_back_large_blocks()
    uvicorn.Server(config_of(app, timeout)).run(sockets=[listener])
