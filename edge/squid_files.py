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
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

HEAD_BYTES: Final = 64 * 1024  # a longer first line is known by its beginning
LEAST_LINE: Final = 20
"""Bytes of a line that tells its file from others, as a time and a little more do; empty ones do not."""
# X.0, X.1 (Squid, logrotate), X-20261122 (dateext), X-2026-11-22, X.20261122, X-2026112207, X-20261122-1795332000
# (dateformat), and these compressed. With `extension .log` it is access-20261122.log or access.1.log instead.
ROTATED: Final = re.compile(
    r"\.(?P<number>\d{1,6})"
    r"|[-._](?:(?P<date>(?:19|20)\d\d-?[01]\d-?[0-3]\d(?:[-._T:]?\d{1,10}){0,3})|(?P<seconds>1\d{9}))"
)
PACKED: Final = re.compile(r"\.(?:gz|xz|bz2|zst)$")
DAMAGED: Final = (EOFError, OSError, zlib.error, lzma.LZMAError)
PASSED_AT_ONCE: Final = 1 << 20

_Order = tuple[int, str, int, str]


@dataclass(frozen=True)
class Place:
    """How far a log has been read.

    A file is known by its inode AND the SHA-256 of its first complete line: inode numbers are used again after a
    file is deleted. One that was copied or compressed meanwhile is known by that line alone, and `offset` counts what
    it holds. Lines shorter than LEAST_LINE before it belong to it: many files begin with an empty line. `head` is
    empty for a file that had no such line yet. `newest_ms` is the time of the newest line before this place, in
    milliseconds since 1970: what is left to go by when the file itself is gone.
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
            self.damaged = True
            return b""

    def holds(self, offset: int) -> bool:
        """Whether there is that much in it."""
        return offset == 0 or len(self.read(1, offset - 1)) == 1

    def read_first_line(self) -> bytes | None:
        """The first line that is not short, with those before it, or the beginning of a very long one; else None."""
        return first_line_of(self.read(HEAD_BYTES, 0))

    def begins_like(self, other: OpenLog, offset: int) -> bool:
        """Whether it begins as a copy of `other` does, of which there are `offset` bytes."""
        if self.first_line is None or self.first_line != other.first_line:
            return False
        count = min(HEAD_BYTES, offset)
        here, there = self.read(count, 0), other.read(count, 0)
        least = min(len(here), len(there))  # a damaged one may hold less
        return here[:least] == there[:least]

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
            passed = len(self._more(min(PASSED_AT_ONCE, offset - self._at)))
            if not passed:
                return b""
            self._at += passed
            self._kept = b""
        known = self._kept[offset - self._at :] if offset < self._at else b""
        if len(known) < count:
            more = self._more(count - len(known))
            self._at += len(more)
            known += more
            self._kept = known
        return known[:count]

    def _more(self, count: int) -> bytes:
        """Up to `count` bytes from where the stream is, fewer only at the end, or before what is damaged."""
        assert self._stream is not None
        pieces = []
        try:
            while count and (piece := self._stream.read1(count)):  # type: ignore[attr-defined]  # each of ours has it
                pieces.append(piece)
                count -= len(piece)
        except DAMAGED:  # what comes before the damage counts: the stream's own `read` would have thrown it away
            self.damaged = True
        if count and self._child is not None and self._child.wait():
            self.damaged = True
        return b"".join(pieces)

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


def first_line_of(beginning: bytes) -> bytes | None:
    """What a file that begins like this is known by; see `Place`. `beginning`: its first HEAD_BYTES, or all of it."""
    begin = 0
    while (end := beginning.find(b"\n", begin)) >= 0:
        if end - begin >= LEAST_LINE:
            return beginning[:end]
        begin = end + 1
    return beginning if len(beginning) == HEAD_BYTES else None


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
    found: dict[_Order, LogFile] = {}
    folder = path.parent
    for name in sorted(os.listdir(folder)) if folder.exists() else ():
        ending = PACKED.search(name) if name != path.name else None
        packed = ending.group() if ending else ""
        base = name.removesuffix(packed)
        order = _order(base, path.name)
        if order is None or order in found or (packed and base == path.name):
            continue  # X.1 comes before X.1.gz, which is only being made of it
        with contextlib.suppress(FileNotFoundError):
            stat = (folder / name).stat()
            found[order] = LogFile(folder / name, stat.st_ino, stat.st_size, stat.st_mtime_ns // 1_000_000, packed)
    return [found[order] for order in sorted(found)]


def _order(name: str, log: str) -> _Order | None:
    """Where the file `name`, not counting how it is packed, stands among those of `log`; None: it is none of them."""
    if name == log:
        return 2, "", 0, ""
    stem, extension = os.path.splitext(log)
    match = ROTATED.fullmatch(name.removeprefix(log)) if name.startswith(log) else None
    if match is None and extension and name.startswith(stem) and name.endswith(extension):
        match = ROTATED.fullmatch(name.removeprefix(stem).removesuffix(extension))
    if match is None:
        return None
    if match["number"]:
        return 1, "", -int(match["number"]), name
    if match["seconds"]:
        return 0, time.strftime("%Y%m%d%H%M%S", time.gmtime(int(match["seconds"]))), 0, name
    return 0, "".join(filter(str.isdigit, match["date"])), 0, name
