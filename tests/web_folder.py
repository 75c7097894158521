"""A web server of a folder on the loopback, with ranges of bytes as storage services have them."""

import contextlib
import functools
import http.server
import io
import os
import re
import threading


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files and pages of links; ranges; 403 for what is in `forbidden` or without the `token`, 503 while `down`."""

    def send_head(self):
        name = os.path.basename(self.path)
        stranger = self.server.token and self.headers.get("Authorization") != self.server.token
        if self.server.down or stranger or name in self.server.forbidden:
            self.send_error(503 if self.server.down else 403)
            return None
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = self.translate_path(self.path)
        if not self.server.ranges or not os.path.isfile(path):
            return super().send_head()
        with open(path, "rb") as file:
            data = file.read()
        first, last = (int(wanted[1]), int(wanted[2] or len(data) - 1)) if wanted else (0, len(data) - 1)
        part = data[first:last + 1]
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
        self.end_headers()
        return io.BytesIO(part)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder, ranges=True, token=None):
    """A server of a folder; its .address, and .forbidden and .down, which may be changed.

    token: what the header Authorization has to say.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    server.forbidden, server.down, server.ranges, server.token = set(), False, ranges, token
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
