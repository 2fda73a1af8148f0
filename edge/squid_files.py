"""The files of a log that is rotated: the one that is written, older ones, and those that logrotate has compressed."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

HEAD_BYTES: Final = 64 * 1024  # a longer first line is known by its beginning
# X.0, X.1 (Squid, logrotate), X-20261122 (dateext), and these compressed.
ROTATED: Final = re.compile(r"(?:\.(\d{1,6})|-(\d{8}(?:-\d{1,10})?))(\.(?:gz|xz|bz2|zst))?")
DAMAGED: Final = (EOFError, OSError, zlib.error, lzma.LZMAError)
PASSED_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True)
class Place:
    """How far a log has been read.

    A file is known by its inode AND the SHA-256 of its first complete line: inode numbers are used again after a
    file is deleted. One that was copied or compressed meanwhile is known by that line alone, and `offset` counts what
    it holds. `head` is empty for a file that had no complete line yet. `newest_ms` is the time of the newest
    line before this place, in milliseconds since 1970: what is left to go by when the file itself is gone.
    """

    inode: int
    head: str
    offset: int
    path: str
    newest_ms: int

    def as_json(self) -> dict[str, Any]:
        """The place as the instance keeps it."""
        return {
            "inode": self.inode,
            "head": self.head,
            "offset": self.offset,
            "path": self.path,
            "newest_ms": self.newest_ms,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Place:
        """The place that an instance gave back. Raises ValueError when it is none."""
        numbers = [value.get("inode"), value.get("offset"), value.get("newest_ms", 0)]
        texts = [value.get("head"), value.get("path", "")]
        if not all(type(number) is int and number >= 0 for number in numbers) or not all(
            isinstance(text, str) for text in texts
        ):
            raise ValueError(f"not a place in a log: {value!r}")
        return cls(value["inode"], value["head"], value["offset"], value.get("path", ""), value.get("newest_ms", 0))


class LogFile(NamedTuple):
    """A file of the log as it lies in its folder. `packed`: how it is compressed (".gz"), or ""."""

    path: Path
    inode: int
    size: int
    modified_ms: int
    packed: str


class OpenLog:
    """One open file of the log, read at any place; a compressed one as what it holds."""

    def __init__(self, file: LogFile) -> None:
        """Raises FileNotFoundError when the file is gone or another has its name, OSError when it cannot be read."""
        self.packed = file.packed
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        if os.fstat(descriptor).st_ino != file.inode:
            os.close(descriptor)
            raise FileNotFoundError(file.path)
        self.descriptor = descriptor
        self.inode = file.inode
        self._stream: IO[bytes] | None = None
        self._at = 0
        self._kept = b""  # the bytes before `_at` that were read last
        self._child: subprocess.Popen[bytes] | None = None
        self.damaged = False
        self.first_line = self.read_first_line()

    @property
    def head(self) -> str:
        """The SHA-256 of the first complete line: what a file is known by, whatever becomes of its name and inode."""
        return "" if self.first_line is None else hashlib.sha256(self.first_line).hexdigest()

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return os.fstat(self.descriptor).st_size

    def read(self, count: int, offset: int) -> bytes:
        """Up to `count` bytes at `offset`, fewer only at the end."""
        if not self.packed:
            return os.pread(self.descriptor, count, offset)
        try:
            return self._read_packed(count, offset)
        except DAMAGED:
            self.damaged = True  # what comes before the damage counts
            return b""

    def holds(self, offset: int) -> bool:
        """Whether there is that much in it."""
        return offset == 0 or len(self.read(1, offset - 1)) == 1

    def read_first_line(self) -> bytes | None:
        """The first line, or the beginning of a very long one; None when there is none yet."""
        beginning = self.read(HEAD_BYTES, 0)
        line, end, _ = beginning.partition(b"\n")
        return line if end or len(beginning) == HEAD_BYTES else None

    def still_same(self) -> bool:
        """Whether the file still begins as it did: an overwritten log has the same inode."""
        if self.packed or self.first_line is None:
            return True
        return os.pread(self.descriptor, len(self.first_line), 0) == self.first_line

    def read_on_disk(self) -> int:
        """How many of the bytes on the disk were read: how far a compressed file is."""
        return os.lseek(self.descriptor, 0, os.SEEK_CUR) if self.packed else 0

    def close(self) -> None:
        """Give everything back."""
        self._close_stream()
        os.close(self.descriptor)

    def _read_packed(self, count: int, offset: int) -> bytes:
        """As `read`. What was read last is kept: the next block begins within it, and the stream never goes back."""
        if self._stream is None or offset < self._at - len(self._kept):
            self._close_stream()
            self._stream, self._at, self._kept = self._unpack(), 0, b""
        while self._at < offset:
            passed = len(self._stream.read(min(PASSED_AT_ONCE, offset - self._at)))
            if not passed:
                return b""
            self._at += passed
            self._kept = b""
        known = self._kept[offset - self._at :] if offset < self._at else b""
        if len(known) < count:
            more = self._stream.read(count - len(known))
            self._at += len(more)
            known += more
            self._kept = known
        return known[:count]

    def _unpack(self) -> IO[bytes]:
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        raw = os.fdopen(os.dup(self.descriptor), "rb")
        if self.packed == ".gz":
            return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]  # it reads like any other
        if self.packed == ".xz":
            return lzma.open(raw)
        if self.packed == ".bz2":
            return bz2.open(raw)
        program = shutil.which("zstd")
        if program is None:
            raise OSError("to read logs that are compressed with zstd, install the package zstd")
        self._child = subprocess.Popen([program, "-dcq"], stdin=raw, stdout=subprocess.PIPE)
        raw.close()
        assert self._child.stdout is not None
        return self._child.stdout

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None


def list_files(path: Path) -> list[LogFile]:
    """The log and its rotated predecessors, oldest first."""
    seen = _list(path)
    # A rotation renames one file after the other; only two equal looks in a row are sure to have seen all.
    while True:
        again = _list(path)
        if [(file.path, file.inode) for file in seen] == [(file.path, file.inode) for file in again]:
            return again
        seen = again


def open_log(file: LogFile, warn: Callable[[str], None]) -> OpenLog | None:
    """Open a file; None when it is gone, when another has its name by now, or when it cannot be read."""
    try:
        opened = OpenLog(file)
    except FileNotFoundError:
        return None
    except OSError as problem:
        warn(f"{file.path} cannot be read, and nobody is charged for what is in it: {problem}")
        return None
    return opened


def _list(path: Path) -> list[LogFile]:
    found: dict[tuple[int, str, int], LogFile] = {}
    folder = path.parent
    for name in sorted(os.listdir(folder)) if folder.exists() else ():
        ending = name.removeprefix(path.name)
        match = ROTATED.fullmatch(ending)
        if name != path.name and (ending == name or match is None):
            continue
        with contextlib.suppress(FileNotFoundError):
            stat = (folder / name).stat()
            number, date, packed = match.groups() if match else (None, None, None)
            order = (0, date, 0) if date else (1, "", -int(number)) if number else (2, "", 0)
            if order in found:
                continue  # X.1 comes before X.1.gz, which is only being made of it
            found[order] = LogFile(
                folder / name, stat.st_ino, stat.st_size, stat.st_mtime_ns // 1_000_000, packed or ""
            )
    return [found[order] for order in sorted(found)]
