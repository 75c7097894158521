"""Where the server listens, and its running until it is told to end."""

import importlib.util
import ipaddress
import socket
from collections.abc import Callable

from mrcnn.errors import UsageError
from mrcnn.serving.memory import give_back_large_blocks

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


def run(app: Callable, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; requests in hand are answered first.

    Args:
        app: ASGI application.
        listener: of `listen`.
    """
    import uvicorn

    give_back_large_blocks()
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, proxy_headers=False,
                            timeout_graceful_shutdown=DRAIN_SECONDS)
    uvicorn.Server(config).run(sockets=[listener])
