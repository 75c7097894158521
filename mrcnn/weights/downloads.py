"""Downloading a weight file over https: whole, and what it should be, or not there at all."""

import hashlib
import http.client
import os
import time
import urllib.request
import zipfile

import h5py

from mrcnn.errors import CheckpointError
from mrcnn.files import whole_file
from mrcnn.progress import progress_bar
from mrcnn.weights.hdf5_files import check_hdf5
from mrcnn.weights.safetensors_files import read_safetensors
from mrcnn.weights.torch_files import read_torch_file

COCO_MODEL_URL = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
COCO_MODEL_BYTES = 257_557_808
MOST_BYTES = 4 << 30  # of any other file: several times the largest there is
ALLOWED = ("https://",)  # what an address begins with, after redirects too; the tests add their own server
BLOCK = 1 << 18  # bytes
FRUITLESS_ATTEMPTS, MOST_ATTEMPTS = 5, 20  # without a new byte in between, and altogether
TIMEOUT = 30  # seconds without an answer
READERS = {  # by the ending of the path; each raises an error for a file that is none of its kind, or cut
    ".h5": lambda path: check_hdf5(path) or h5py.File(path, "r").close(),  # it knows its length
    ".npz": lambda path: zipfile.ZipFile(path).close(),  # its list of contents is at the end
    ".pth": read_torch_file, ".pt": read_torch_file, ".safetensors": read_safetensors,
}


def download_trained_weights(path: str | os.PathLike, verbose: int = 1, url: str = COCO_MODEL_URL,
                             sha256: str | None = None, max_bytes: int = MOST_BYTES, pause: float = 1.0) -> str:
    """Fetch a weight file, Matterport's COCO model by default, to `path`, where it appears only whole and checked.

    A connection that breaks is taken up where it stopped, if the server can. What fails or is interrupted leaves
    nothing behind, and a file that was there before as it was.

    Args:
        path: where to, in a folder that is there.
        verbose: 0 shows no progress.
        url: https address; so must be those that it redirects to.
        sha256: expected digest. Without one the file is checked by the ending of `path`, which then must be .h5, .npz,
            .pth, .pt or .safetensors: whether it is of that kind, and as long as it says itself.
        max_bytes: most that the file may have.
        pause: seconds before the second attempt, doubled for each one after it.

    Returns:
        The path.

    Raises:
        CheckpointError: offline, the connection keeps breaking, an address is not https, or something else came than a
            whole weight file.
        DataError: the file cannot be written.
    """
    path = os.fspath(path)
    _check_address(url)
    if sha256 is None and _ending(path) not in READERS:
        raise CheckpointError(
            f"{path}: what comes from {url} could not be checked: give its sha256=, or a path that ends in "
            f"{', '.join(READERS)}."
        )
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise CheckpointError(f"{folder}, where {url} was to be saved, is no folder: make it, or give another path.")
    expected = COCO_MODEL_BYTES if url == COCO_MODEL_URL else None
    with whole_file(path) as partial:
        with open(partial, "wb") as file, progress_bar(os.path.basename(path), "B", shown=bool(verbose)) as show:
            _persist(_Transfer(url, file, expected or max_bytes, show), pause)
        _check_content(partial, path, url, sha256, expected)
    return path


def sha256_of(path: str | os.PathLike) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _ending(path):
    return os.path.splitext(path)[1].lower()


# --- The address and the content -------------------------------------------------------------------------------------


def _check_address(url):
    if not url.lower().startswith(ALLOWED):
        raise CheckpointError(f"{url} is no https address, so anyone on the way could change the file: give another.")


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect to a plain http address."""

    def redirect_request(self, request, response, code, message, headers, address):
        _check_address(address)
        return super().redirect_request(request, response, code, message, headers, address)


def _check_content(partial, path, url, sha256, expected):
    """Raise CheckpointError unless the file that came is the one that was asked for."""
    size = os.path.getsize(partial)
    with open(partial, "rb") as file:
        came = f"{size} bytes came, which begin with {file.read(24)!r}"
    if sha256 is not None:
        if sha256_of(partial) != sha256.lower():
            raise CheckpointError(f"{url}: its checksum is not {sha256} ({came}): try again, or correct the checksum.")
        return
    fault = f"not the {expected} bytes that it has" if expected not in (None, size) else None
    if fault is None:
        try:
            READERS[_ending(path)](partial)
        except (OSError, zipfile.BadZipFile) as error:
            fault = str(error)
        except CheckpointError as error:
            fault = str(error).removeprefix(f"{partial}: ")
    if fault is not None:
        raise CheckpointError(
            f"{url}: what came is no whole {_ending(path)} file ({fault}; {came}): a login page, or cut? Try again, or "
            "fetch it yourself and give its path."
        )


# --- The transfer ----------------------------------------------------------------------------------------------------


class _Broken(Exception):
    """The connection failed; its cause says how."""


def _asked(ask, *arguments, **named):
    """What the network answers. Raises _Broken where it does not; an OSError elsewhere is of the disk."""
    try:
        return ask(*arguments, **named)
    except (OSError, http.client.HTTPException) as error:
        raise _Broken from error


class _Transfer:
    """The bytes of an address on their way into a file, over as many connections as it takes.

    file: open for writing; most: bytes that may come; show: function (done, total or None)
    """

    def __init__(self, url, file, most, show):
        self.url, self.file, self.most, self.show = url, file, most, show
        self.size, self.tag = 0, None  # a server may change the file: the tag says which one the beginning is of
        self.opener = urllib.request.build_opener(_CheckedRedirects)

    def attempt(self):
        """Fetch what is missing. Raises _Broken, or CheckpointError for more bytes than may come."""
        request = urllib.request.Request(self.url)
        if self.size and self.tag:
            request.add_header("Range", f"bytes={self.size}-")
            request.add_header("If-Range", self.tag)
        with _asked(self.opener.open, request, timeout=TIMEOUT) as response:
            total = self._begin(response)
            while block := _asked(response.read, BLOCK):
                self._check_size(self.size + len(block))
                self.file.write(block)
                self.size += len(block)
                self.show(self.size, total)
        if total is not None and self.size < total:
            raise _Broken from ConnectionError(f"the connection broke after {self.size} of {total} bytes")

    def _begin(self, response):
        """Go to where the answer's bytes belong; returns how many there will be in the end, None where it does not say.
        """
        headers = response.headers
        goes_on = (headers.get("Content-Range") or "").startswith(f"bytes {self.size}-")
        if not (self.size and response.status == 206 and goes_on):
            self.restart()
        tag = headers.get("ETag")
        self.tag = headers.get("Last-Modified") if not tag or tag.startswith("W/") else tag
        length = headers.get("Content-Length")
        total = self.size + int(length) if length and length.isdigit() else None
        if total is not None:
            self._check_size(total)
        return total

    def _check_size(self, size):
        if size > self.most:
            raise CheckpointError(f"{self.url} has more than the {self.most} bytes that were allowed: another address?")

    def restart(self):
        """Forget what came so far."""
        self.file.seek(0)
        self.file.truncate()
        self.size = 0


def _persist(transfer, pause):
    """Fetch until all is there. Raises CheckpointError when further attempts are idle."""
    failures, error = 0, None
    for _ in range(MOST_ATTEMPTS):
        before = transfer.size
        try:
            return transfer.attempt()
        except _Broken as broken:
            error = broken.__cause__
        code = getattr(error, "code", None)  # of the server's refusal
        if code == 416 and before:  # the beginning at hand is not that of the file there
            transfer.restart()
        elif isinstance(code, int) and code < 500:  # asking again would change nothing
            break
        failures = 1 if transfer.size > before else failures + 1
        if failures == FRUITLESS_ATTEMPTS:
            break
        time.sleep(pause * 2 ** (failures - 1))
    raise CheckpointError(
        f"Could not download {transfer.url} ({error}): go online and try again, or fetch it yourself and give its path."
    ) from error
