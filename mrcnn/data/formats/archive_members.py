"""The members of ZIP and TAR files that nobody vouches for: looked at one by one, before anything is written.

What is refused: names that lead out, links, devices, sparse files, passwords, and sizes that the archive's own size
does not account for. So nothing that is unpacked leads out of its folder, and a small archive fills no disk.
"""

import bz2
import contextlib
import gzip
import io
import ntpath
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from mrcnn.errors import DataError
from mrcnn.files import printable

OTHER_ZIPS = (".npz", ".pth", ".pt", ".keras", ".docx", ".xlsx", ".jar", ".whl")  # ZIPs that are one file to users
LARGEST_MEMBER = 1 << 36  # bytes
MOST_MEMBERS = 4_000_000
FEW_MEMBERS, MEMBER_BYTES = 20_000, 32  # or one for each so many bytes of the archive, which list and name it take
MOST_TIMES = 100  # the whole is at most so many times the archive; annotations are seldom more than 20
MEMBER_TIMES = 1100  # one member likewise: deflate reaches 1032
FREE = 1 << 28  # bytes that are taken whatever the archive's size
LARGEST_DIRECTORY = 1 << 27  # bytes of a ZIP's list of members, which is held in memory, with about 80 for each
BLOCK = 1 << 20  # bytes
LARGEST_READ = 1 << 22  # bytes asked for at once; tarfile asks for a header's size, which the file says
DEEPEST = 32  # folders within each other
LONGEST_NAME = 255  # bytes of a part of a name
NO_FILES = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")  # what systems put there, and "._NAME"
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, NotImplementedError,
           RuntimeError, IndexError, KeyError, OverflowError, MemoryError)


class Member(NamedTuple):
    """One file of an archive.

    Attributes:
        archive: path of the archive
        name: checked, with forward slashes
        size: bytes
        open: function that gives a stream of its bytes
    """

    archive: str
    name: str
    size: int
    open: Callable[[], BinaryIO]

    def __str__(self):
        return printable(self.name, one_line=True)

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes of the file, a block at a time.

        Raises:
            DataError: naming archive and member, if it is damaged or has not the size that it says.
        """
        size, stream = 0, self._guarded(self.open)
        with contextlib.closing(stream):
            while block := self._guarded(lambda: stream.read(BLOCK)):
                size += len(block)
                if size > self.size:
                    break
                yield block
        if size != self.size:
            raise DataError(f"{self.archive}: its member {self} has not the {self.size} bytes that it says: fetch it "
                            "again.")

    def _guarded(self, read):
        try:
            return read()
        except DAMAGED as error:
            if isinstance(error, DataError):
                raise
            where = f"{self} ({str(error) or type(error).__name__})"
            raise DataError(f"{self.archive}: is damaged or cut short at {where}: fetch it again.") from error


def kind_of(path: str | os.PathLike) -> str | None:
    """Recognise an archive by its content.

    Args:
        path: of any file or folder.

    Returns:
        "zip", or "tar", compressed by gzip or bzip2 or not; None for anything else.
    """
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            start = file.read(4)
        if start[:4] in (b"PK\3\4", b"PK\5\6"):
            return None if os.fspath(path).lower().endswith(OTHER_ZIPS) else "zip"
        with _unpressed(path) as file:
            tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        return "tar"
    except DAMAGED:
        return None


def members(path: str | os.PathLike, add_skipped: Callable[[], None]) -> Iterator[Member]:
    """The members of an archive, in its order, each checked; folders are left away.

    Args:
        path: of the archive
        add_skipped: called for each member that is a system's own

    Yields:
        Member; those before it must be read, or left, by then.

    Raises:
        DataError: naming the archive and the member that is refused.
    """
    seen, total = 0, 0
    own = os.path.getsize(path)
    most, most_members = max(FREE, MOST_TIMES * own), min(MOST_MEMBERS, max(FEW_MEMBERS, own // MEMBER_BYTES))
    try:
        for given, size, stored, fault, is_folder, opened in (_of_zip if kind_of(path) == "zip" else _of_tar)(path):
            seen += 1
            if seen > most_members:
                raise DataError(f"{path}: has more than {most_members} members: refused; unpack it by hand if you "
                                "trust it.")
            name = checked_name(path, given)
            if not name and not is_folder:
                raise DataError(f"{path}: has a member without a name: refused.")
            if fault:
                raise DataError(f"{path}: its member {given[:100]!r} {fault}.")
            if is_folder:
                continue
            if any(part in NO_FILES or part.startswith("._") for part in name.split("/")):
                add_skipped()
                continue
            total += size
            dense = stored is not None and size > max(FREE, MEMBER_TIMES * stored)
            if dense or size > LARGEST_MEMBER or total > most:
                raise DataError(f"{path}: its member {given[:100]!r} brings it to {total} bytes, far more than an "
                                f"archive of {own} bytes holds: refused; unpack it by hand if you trust it.")
            yield Member(os.fspath(path), name, size, opened)
    except DataError:
        raise
    except DAMAGED as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: is damaged or cut short ({reason}): fetch it again.") from error


def checked_name(path: str | os.PathLike, given: str) -> str:
    """Name of a member with forward slashes.

    Args:
        path: of the archive
        given: as written

    Raises:
        DataError: if it leads out of the archive, or is no name.
    """
    parts = [part for part in given.replace("\\", "/").split("/") if part not in ("", ".")]
    leads_out = given[:1] in ("/", "\\") or ntpath.splitdrive(given)[0] or ".." in parts
    if leads_out or not parts and given.strip("./\\"):
        raise DataError(f"{path}: its member {given[:100]!r} leads out of it: refused.")
    if len(parts) > DEEPEST or any(len(os.fsencode(part)) > LONGEST_NAME for part in parts) or "\0" in given:
        raise DataError(f"{path}: its member {given[:100]!r} has a name that is no file's: refused.")
    return "/".join(parts)


# --- ZIP -------------------------------------------------------------------------------------------------------------


def _of_zip(path):
    """Yield (name, size, bytes it takes there, what is wrong or None, whether it is a folder, function that opens)."""
    _check_directory(path)
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        declared = sum(info.file_size for info in infos)
        if declared > max(FREE, MOST_TIMES * os.path.getsize(path)):  # before the first is written
            raise DataError(f"{path}: says that it holds {declared} bytes, far more than an archive of "
                            f"{os.path.getsize(path)} bytes does: refused; unpack it by hand if you trust it.")
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
            fault = None
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                fault = _what(kind == stat.S_IFLNK)
            elif info.flag_bits & 1:
                fault = "is locked by a password: unpack it by hand, and give the folder"
            elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
                fault = f"is packed in a way that is not read ({info.compress_type}): unpack it by hand"
            yield (_zip_name(info), info.file_size, info.compress_size, fault, info.is_dir(),
                   lambda info=info: archive.open(info))


def _zip_name(info):
    """Name of a member; macOS writes UTF-8 without saying so, which zipfile takes for code page 437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _check_directory(path):
    """Raise DataError if the list of members is too long to be held in memory."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - (1 << 16) - 100))
        tail = file.read()
        place = tail.rfind(b"PK\5\6")
        size = int.from_bytes(tail[place + 12 : place + 16], "little") if place >= 0 else 0
        locator = tail[max(0, place - 20) : place]
        if place >= 0 and locator[:4] == b"PK\6\7":
            file.seek(min(end, int.from_bytes(locator[8:16], "little")))
            size = int.from_bytes(file.read(56)[40:48], "little")
    if size > LARGEST_DIRECTORY:
        raise DataError(f"{path}: its list of members has {size} bytes, more than {LARGEST_DIRECTORY}: unpack it by "
                        "hand.")


# --- TAR -------------------------------------------------------------------------------------------------------------


class _Bounded(io.RawIOBase):
    """A stream that refuses to be read in huge pieces, or beyond a place.

    Args:
        file: the stream
        most: bytes that it may have
        path: of the archive

    Attributes:
        last: the bytes that were read last
    """

    def __init__(self, file, most, path):
        self._file, self._most, self._path, self.last = file, most, path, b""

    def read(self, size=-1):
        if size < 0 or size > LARGEST_READ:
            raise DataError(f"{self._path}: has a header of {size} bytes, more than any name needs: refused.")
        self.last = self._file.read(size)
        self._check()
        return self.last

    def seek(self, place, whence=os.SEEK_SET):
        self._check(place if whence == os.SEEK_SET else None)
        return self._file.seek(place, whence)

    def tell(self):
        return self._file.tell()

    def _check(self, place=None):
        place = self._file.tell() if place is None else place
        if place > self._most:
            raise DataError(f"{self._path}: holds more than {self._most} bytes, far more than its size accounts for: "
                            "refused; unpack it by hand if you trust it.")


def _unpressed(path) -> BinaryIO:
    """The TAR in a file, whose compression is taken away."""
    with open(path, "rb") as file:
        start = file.read(3)
    openers = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}
    return openers.get(start[:2], open)(path, "rb")


def _of_tar(path):
    """As `_of_zip`."""
    most = max(FREE, MOST_TIMES * os.path.getsize(path)) + (MOST_MEMBERS << 10)
    with _unpressed(path) as file:
        stream = _Bounded(file, most, path)
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # which would hold all of them
                fault = None
                if member.issparse() or not (member.isreg() or member.isdir()):
                    fault = _what(member.issym() or member.islnk())
                yield (member.name, member.size, None, fault, member.isdir(),
                       lambda member=member: archive.extractfile(member))
        if len(stream.last) < tarfile.BLOCKSIZE or any(stream.last):
            # Blocks of zeros end an archive; tarfile also stops, without a word, at a header that is damaged.
            raise EOFError("the header of its next member is damaged or missing")
        while data := stream.read(BLOCK):  # to the end of what is compressed, where its checksum lies
            if any(data):
                raise DataError(f"{path}: more follows behind its end, as of TAR files joined by cat, and would not be "
                                "read: unpack it by hand, and pack it anew.")


def _what(is_link):
    if is_link:
        return "is a link, which may lead out: refused; pack the files themselves (tar -h), or unpack it by hand"
    return "is no file, but a device or the like: refused"
