"""Downloading a weight file: whole and checked or not there at all, going on where a broken connection stopped."""

import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.request

from mrcnn.errors import CheckpointError

COCO_MODEL_URL = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
BLOCK = 1 << 18  # bytes
FRUITLESS_ATTEMPTS, MOST_ATTEMPTS = 5, 20  # without a new byte in between, and altogether
TIMEOUT = 30  # seconds without an answer


def download_trained_weights(path, verbose=1, url=COCO_MODEL_URL, sha256=None, pause=1.0):
    """Fetch a weight file, Matterport's COCO model by default, to `path`, which appears only when complete.

    verbose: 0 for no progress bar; sha256: expected digest, checked if given
    pause: seconds before the second attempt, doubled for each one after it

    A download that broke off goes on where it stopped, at once or at the next call, if the server can. Returns path.
    Raises CheckpointError when offline, when the connection keeps breaking, or when the digest differs.
    """
    partial = f"{path}.partial"
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise CheckpointError(f"{folder}, where {url} was to be saved, is no folder: make it, or give another path.")
    error = _persist(url, partial, verbose, pause)
    if error:
        kept = f" ({_size(partial)} bytes are kept for the next attempt)" if _size(partial) else ""
        raise CheckpointError(
            f"Could not download {url} ({error}){kept}: go online and try again, or fetch it yourself and give its "
            "path."
        ) from error
    if sha256 and sha256_of(partial) != sha256.lower():
        os.remove(partial)
        raise CheckpointError(f"{url}: its checksum is not {sha256}: the download is damaged, try again.")
    os.replace(partial, path)
    return path


def _persist(url, partial, verbose, pause):
    """Fetch until all is there (None) or further attempts are idle (the last error)."""
    failures, error = 0, None
    for _ in range(MOST_ATTEMPTS):
        before = _size(partial)
        try:
            return _fetch(url, partial, verbose)
        except urllib.error.HTTPError as refusal:
            if refusal.code == 416 and before:  # the beginning at hand is not that of the file there
                os.remove(partial)
            elif refusal.code < 500:  # asking again would change nothing
                return refusal
            error = refusal
        except (OSError, http.client.HTTPException) as broken:
            error = broken
        failures = 1 if _size(partial) > before else failures + 1
        if failures == FRUITLESS_ATTEMPTS:
            return error
        time.sleep(pause * 2 ** (failures - 1))
    return error


def _size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def sha256_of(path):
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _fetch(url, partial, verbose):
    """Append to the partial file what it lacks. Raises OSError or HTTPException where the connection breaks."""
    # A server may have put another file under the name since: the tag says which one the beginning is of.
    tag_path, start = f"{partial}.tag", _size(partial)
    tag = _read(tag_path)
    request = urllib.request.Request(url)
    if start and tag:
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", tag)
    else:
        start = 0
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        status = getattr(response, "status", None)
        if start and (status != 206 or not _continues(response, start)):
            start = 0  # it begins anew
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        _write_tag(tag_path, response)
        with open(partial, "ab" if start else "wb") as file:
            written = _copy(response, file, start, total, os.path.basename(url), verbose)
    if total is not None and written < total:
        raise ConnectionError(f"the connection broke after {written} of {total} bytes")
    if os.path.exists(tag_path):
        os.remove(tag_path)


def _continues(response, start):
    return (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-")


def _read(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="latin-1") as file:
        return file.read()


def _write_tag(path, response):
    tag = response.headers.get("ETag")
    tag = response.headers.get("Last-Modified") if not tag or tag.startswith("W/") else tag
    if tag:
        with open(path, "w", encoding="latin-1") as file:
            file.write(tag)
    elif os.path.exists(path):
        os.remove(path)


def _copy(response, file, start, total, name, verbose):
    """Bytes there are in the end, shown as they come."""
    written, shown = start, -1
    while block := response.read(BLOCK):
        file.write(block)
        written += len(block)
        if verbose:
            percent = 100 * written // total if total else written >> 20
            if percent != shown:
                shown = percent
                _show(name, written, total)
    if verbose:
        print(file=sys.stderr)
    return written


def _show(name, written, total):
    """One line that is written over itself; to the error stream, as progress is no result."""
    size = f"{written / 1e6:.1f} MB"
    if total:
        done = 30 * written // total
        size = f"[{'#' * done}{'.' * (30 - done)}] {100 * written // total:3}% of {total / 1e6:.1f} MB"
    print(f"\r{name} {size}", end="", file=sys.stderr, flush=True)
