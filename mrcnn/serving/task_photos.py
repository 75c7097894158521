"""The photos of Label Studio's tasks: of a folder that nothing leads out of, or from Label Studio itself, by its token.

No other host is asked, no redirection followed, and of Label Studio nothing but what serves photos.
"""

import http.client
import json
import math
import os
import posixpath
import stat
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from mrcnn.data.formats.label_studio import address_path, address_path_in, find_photos
from mrcnn.data.images import image_path
from mrcnn.data.photo_folder import PhotoFolder
from mrcnn.errors import DataError, UsageError
from mrcnn.serving.limits import Limits
from mrcnn.serving.refusals import Refused

SERVED = ("/data/", "/storage-data/")  # where Label Studio has photos
SECONDS = 30.0  # that it may be silent
PIECE = 1 << 16  # bytes that are read at once
LISTED_SECONDS = 10.0  # that a list of the folder's files is used
PORTS = {"http": 80, "https": 443}


class TaskPhotos:
    """Where the photos of tasks are.

    Args:
        folder: of photos; None: there is none.
        url: address of Label Studio; None: it is not asked.
        token: of its user: a legacy token, or a personal access token.
        limits: of the photos' bytes.

    Raises:
        UsageError: the folder or the address is none.
    """

    def __init__(self, folder: str | os.PathLike | None = None, url: str | None = None, token: str | None = None,
                 limits: Limits | None = None):
        self.folder, self.token, self.limits = folder and os.path.realpath(folder), token, limits or Limits()
        if folder and not os.path.isdir(folder):
            raise UsageError(f"--photos {folder}: no such folder.")
        self.site = urllib.parse.urlsplit(url) if url else None
        if url and (self.site.scheme not in PORTS or not self.site.hostname):
            raise UsageError(f"LABEL_STUDIO_URL={url}: give an address such as http://localhost:8080.")
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._lock, self._listed, self._listed_at = threading.Lock(), None, 0.0

    def read(self, address: object) -> tuple[str, bytes]:
        """Read the photo of a task.

        Args:
            address: as the task has it.

        Returns:
            (its name, the bytes of the file).

        Raises:
            Refused: 422, it is not where photos are read from, or cannot be read.
        """
        name, path = self.find(address)
        return name, self.fetch(address) if path is None else self.file(path, address)

    def find(self, address: object) -> tuple[str, str | None]:
        """Look where the photo of a task is, without a word to Label Studio.

        Args:
            address: as the task has it.

        Returns:
            (its name, path of the file in the folder or None: Label Studio has to be asked by `fetch`).

        Raises:
            Refused: 422, it is not where photos are read from.
        """
        if not isinstance(address, str) or not address.strip():
            raise Refused(422, f"The task's photo is {str(address)[:40]!r}: its data must hold an address.")
        address = address.strip()
        name, path = posixpath.basename(address_path(address)) or address[:80], self._local(address)
        if path is None and not self._is_served(address):
            path = self._alike(address)
            name = name if path is None else os.path.basename(path)
        if path is None and self.site is None:
            raise Refused(422, f"{address}: not in --photos {self.folder or '(not given)'}: start mrcnn serve with the "
                               "folder, or with LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.")
        return name, path

    def _local(self, address):
        """Path of a regular file in the folder that an address names, whatever its host or bucket, or None."""
        if self.folder is None:
            return None
        name = address_path(address)
        # Label Studio's document root is above the folder, whose name then is in front.
        first, _, rest = name.partition("/")
        for one in (name, rest) if rest and first == os.path.basename(self.folder) else (name,):
            path = self._inside(one)
            if path is not None:
                return path
        return None

    def _alike(self, address):
        """Path of the file in the folder that stands for an address by the rules of reading annotations, or None."""
        if self.folder is None:
            return None
        with self._lock:
            try:
                if self._listed is None or time.monotonic() - self._listed_at > LISTED_SECONDS:
                    self._listed, self._listed_at = PhotoFolder(self.folder), time.monotonic()
                path = address_path_in(address, self._listed)
                found = find_photos([path], self._listed, uploads=True)[0].get(path)
                found = found or self._listed.find_alike([path]).get(path)
            except (DataError, OSError, ValueError):  # of a name that no file can have, or a folder that is gone
                return None
        return found and self._inside(found)

    def _inside(self, name):
        """Path of a regular file in the folder that no link leads out of, or None."""
        try:
            path = os.path.realpath(image_path(self.folder, name))
        except (DataError, ValueError):
            return None
        return path if os.path.commonpath([path, self.folder]) == self.folder and os.path.isfile(path) else None

    def _is_served(self, address):
        """Whether Label Studio, which is asked, has the photo itself."""
        if self.site is None or not self._is_own(address):
            return False
        return urllib.parse.unquote(self._path_of(urllib.parse.urlsplit(address))).startswith(SERVED)

    def _path_of(self, parts):
        """The path of an address of Label Studio, without the folder that it is itself served from."""
        prefix = self.site.path.rstrip("/")
        path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
        return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path

    def _is_own(self, address):
        """Whether an address has no host, or Label Studio's."""
        try:
            parts = urllib.parse.urlsplit(address)
            if not parts.scheme and not parts.netloc:
                return True
            return self.site is not None and parts.scheme in PORTS and _place(parts) == _place(self.site)
        except ValueError:  # no address, or a port that is none
            return False

    def file(self, path: str, address: str) -> bytes:
        """Read a file of the folder.

        Args:
            path: that `find` gave.
            address: to call it.

        Returns:
            Its bytes.

        Raises:
            Refused: 422, it cannot be read.
        """
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or status.st_size > self.limits.upload:
                    raise Refused(422, f"{address}: {status.st_size} bytes, {self.limits.upload} are taken.")
                return file.read()
        except OSError as error:
            raise Refused(422, f"{address}: cannot be read ({error.strerror}): check its permissions.") from error

    def fetch(self, address: str, until: float = math.inf) -> bytes:
        """Ask Label Studio for a photo.

        Args:
            address: as the task has it.
            until: `time.monotonic()` at which nobody waits for it any more.

        Returns:
            Its bytes.

        Raises:
            Refused: 422, Label Studio does not have or give it, or not by then.
        """
        address = address.strip()
        if not self._is_own(address):
            raise Refused(422, f"{address}: not in --photos {self.folder or '(not given)'}, nor of Label Studio at "
                               f"{self.site.geturl()}: no other host is asked: put the photo into the folder.")
        parts = urllib.parse.urlsplit(address)
        prefix, path = self.site.path.rstrip("/"), self._path_of(parts)
        plain = urllib.parse.unquote(path)
        if not plain.startswith(SERVED) or ".." in plain.replace("\\", "/").split("/"):
            raise Refused(422, f"{address}: no photo of Label Studio ({', '.join(SERVED)}), nor one in --photos.")
        quoted = urllib.parse.quote(f"{prefix}{path}", safe="/%:@!$&'()*+,;=~-._")
        query = f"?{urllib.parse.quote(parts.query, safe='%=&/:+,;@!$()*~-._?')}" if parts.query else ""
        return self._get(f"{self.site.scheme}://{_host(self.site)}{quoted}{query}", address, until)

    def _get(self, url, address, until):
        headers = {"Authorization": self._authorization(until)} if self.token else {}
        try:
            request = urllib.request.Request(url, headers=headers)
            with self._opener.open(request, timeout=_seconds_left(until)) as answer:
                data = _read_until(answer, self.limits.upload + 1, until)
        except urllib.error.HTTPError as error:
            elsewhere = 300 <= error.code < 400
            hint = "which leads elsewhere, and is not followed" if elsewhere else "check LABEL_STUDIO_API_KEY"
            raise Refused(422, f"{address}: Label Studio answers {error.code}: {hint}.") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            told = f"{address}: Label Studio cannot be reached ({reason}): check LABEL_STUDIO_URL."
            raise Refused(422, told) from error
        if len(data) > self.limits.upload:
            raise Refused(422, f"{address}: more than {self.limits.upload} bytes: shrink it.")
        return data

    def _authorization(self, until):
        """The header of a token: a personal one (three parts, a JWT) is first changed for one of a few minutes."""
        if self.token.count(".") != 2:
            return f"Token {self.token}"
        url = f"{self.site.scheme}://{_host(self.site)}{self.site.path.rstrip('/')}/api/token/refresh/"
        request = urllib.request.Request(url, json.dumps({"refresh": self.token}).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with self._opener.open(request, timeout=_seconds_left(until)) as answer:
                return f"Bearer {json.loads(answer.read(1 << 16))['access']}"
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            told = f"Label Studio does not take LABEL_STUDIO_API_KEY ({error}): give a token of its user."
            raise Refused(422, told) from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def _seconds_left(until):
    """Seconds that Label Studio may be silent; TimeoutError: there are none."""
    left = min(SECONDS, until - time.monotonic())
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _read_until(answer, most, until):
    """The first bytes of an answer, `most` at most; TimeoutError: it goes on and on."""
    pieces, length = [], 0
    while length < most and (piece := answer.read1(min(PIECE, most - length))):
        pieces.append(piece)
        length += len(piece)
        _seconds_left(until)
    return b"".join(pieces)


def _place(parts):
    return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]


def _host(parts):
    """Host and port of an address, without a name and password in front."""
    return parts.netloc.rpartition("@")[2]
