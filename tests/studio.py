"""Label Studio itself, as a program of this machine's that tests talk to by its HTTP API."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

START_SECONDS = 1800  # its database is made first: a minute, or many on two cores that others keep busy
TOKEN = "0123456789abcdef" * 2 + "01234567"
USER, PASSWORD = "someone@example.com", "a-long-password"
FORM = "photo-form-boundary"


class Studio:
    """A running Label Studio.

    Args:
        url: its address.
    """

    def __init__(self, url: str):
        self.url = url

    def ask(self, method: str, path: str, body: object = None, data: bytes | None = None,
            content: str = "application/json") -> object:
        """Ask its API.

        Args:
            method: of HTTP.
            path: with a slash in front.
            body: sent as JSON.
            data: sent as it is in place of a body.
            content: type of the data.

        Returns:
            What the JSON of the answer holds, None where it is empty.
        """
        data = json.dumps(body).encode() if body is not None else data
        request = urllib.request.Request(self.url + path, data, method=method, headers={
            "Authorization": f"Token {TOKEN}", "Content-Type": content})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:2000]!r}") from error
        return json.loads(text) if text else None

    def upload(self, project: int, name: str, photo: bytes) -> None:
        """Make a task of a photo."""
        head = (f'--{FORM}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                "Content-Type: image/png\r\n\r\n").encode()
        self.ask("POST", f"/api/projects/{project}/import", data=head + photo + f"\r\n--{FORM}--\r\n".encode(),
                 content=f"multipart/form-data; boundary={FORM}")


@contextlib.contextmanager
def studio_of(program: str, folder: str, photos: str):
    """Run Label Studio with an empty database.

    Args:
        program: path of `label-studio`.
        folder: an empty one, for its data.
        photos: folder that it serves the folders of as local files.

    Yields:
        The Studio.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = {"LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true", "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": photos,
                "COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false", "SENTRY_DSN": "",
                "FRONTEND_SENTRY_DSN": "", "HOME": folder}
    arguments = ["start", "--no-browser", "--port", str(port), "--internal-host", "127.0.0.1", "--data-dir", folder,
                 "--username", USER, "--password", PASSWORD, "--user-token", TOKEN,
                 "--enable-legacy-api-token"]
    log = os.path.join(folder, "log.txt")
    with open(log, "wb") as file:
        process = subprocess.Popen([program, *arguments], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                   env={**os.environ, **settings}, cwd=folder)
    try:
        studio = Studio(f"http://127.0.0.1:{port}")
        until = time.monotonic() + START_SECONDS
        while not _answers(port):
            with open(log, encoding="utf-8", errors="replace") as file:
                assert process.poll() is None and time.monotonic() < until, f"It does not start: {file.read()[-3000:]}"
            time.sleep(1)
        yield studio
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
