"""Reading a log that grows and is rotated: every line once, across renames, restarts, truncation and half lines."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHUNK_BYTES = 256 * 1024  # read at a time; also the longest line that is understood
HEAD_BYTES = 64 * 1024  # a longer first line is known by its beginning
ROTATED = re.compile(r"\.(\d{1,6})|-(\d{8}(?:-\d{1,10})?)")  # X.0, X.1 (Squid, logrotate), X-20261122 (dateext)

TimeOf = Callable[[bytes], int | None]


@dataclass(frozen=True)
class Place:
    """How far a log has been read.

    A file is known by its inode AND the SHA-256 of its first complete line: inode numbers are used again after a
    file is deleted. `head` is empty for a file that had no complete line yet. `newest_ms` is the time of the newest
    line before this place, in milliseconds since 1970: what is left to go by when the file itself is gone.
    """

    inode: int
    head: str
    offset: int
    path: str
    newest_ms: int

    def as_json(self) -> dict[str, int | str]:
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


class LogTail:
    """The lines of one log, oldest first, each once; rotated files are finished before newer ones are begun.

    It never waits: read() gives what is there now. Nothing is kept but one open file and an offset.
    """

    def __init__(self, path: Path, *, time_of: TimeOf, warn: Callable[[str], None], chunk: int = CHUNK_BYTES) -> None:
        """`time_of` says when a line was written, in milliseconds; `warn` gets what an administrator should know."""
        self.path = path
        self.given_up = 0  # lines that were too long, or never completed: nobody was charged for them
        self._time_of = time_of
        self._warn = warn
        self._chunk = chunk
        self._descriptor: int | None = None
        self._offset = 0
        self._scanned = 0  # an over-long line has been looked through up to here
        self._first_line: bytes | None = None
        self._newest_ms = 0
        self._passing_over = False

    def close(self) -> None:
        """Give back the open file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def place(self) -> Place | None:
        """The place after the last line given out; None before the log exists.

        When the log was lost and no other is there yet, it is in no file (inode 0): only the time counts.
        """
        if self._descriptor is None:
            return Place(0, "", 0, str(self.path), self._newest_ms) if self._newest_ms else None
        head = "" if self._first_line is None else hashlib.sha256(self._first_line).hexdigest()
        inode = os.fstat(self._descriptor).st_ino
        return Place(inode, head, self._offset, str(self.path), self._newest_ms)

    def begin(self, *, at_end: bool = False) -> None:
        """Begin with a log that was never read: with the oldest file that is there, or behind the current last line."""
        self.close()
        self._passing_over = False
        if at_end:
            if self.path.exists() and self._open(self.path):
                self._go_to_end()
            return
        any(self._open(file.path, inode=file.inode) for file in self._files())

    def resume(self, place: Place) -> None:
        """Go on behind `place`, in whatever file it is by now."""
        self.close()
        self._newest_ms = place.newest_ms
        self._passing_over = False
        for candidate in self._files():
            if candidate.inode == place.inode and self._open(candidate.path, inode=place.inode):
                if self._is_at(place):
                    self._offset = self._scanned = place.offset
                    return
                self.close()
        self._start_over(f"the place reached in {place.path} (inode {place.inode}, byte {place.offset}) is gone")

    def read(self, limit: int) -> list[bytes]:
        """Up to `limit` complete lines, without their line ends; an empty list when there is nothing new."""
        lines: list[bytes] = []
        while len(lines) < limit:
            if self._descriptor is None and not (self.path.exists() and self._open(self.path)):
                break
            more = self._read_here(limit - len(lines))
            if more is None:
                continue
            if more:
                lines += more
            elif not self._move_on():
                break
        return lines

    def _read_here(self, limit: int) -> list[bytes] | None:
        """Complete lines of the open file; [] at its end; None when there was something, but no line to give out."""
        assert self._descriptor is not None
        start = self._scanned
        data = os.pread(self._descriptor, self._chunk, start)
        # Looked at after reading: only then it is sure that what was read belongs to the file we know.
        if os.fstat(self._descriptor).st_size < start + len(data) or not self._still_same():
            self._start_over(f"{self.path} was truncated or overwritten")
            return None
        if not data:
            return []
        if start > self._offset:
            return self._finish_long_line(data)
        end = data.rfind(b"\n") + 1
        if not end:
            if len(data) < self._chunk:
                return []  # a half line: its rest will come
            self._scanned = start + len(data)
            return None
        lines = data[: end - 1].split(b"\n")[:limit]
        self._offset = self._scanned = start + sum(map(len, lines)) + len(lines)
        if self._first_line is None:
            self._first_line = self._read_first_line()
        return self._new_among(lines) or None

    def _finish_long_line(self, data: bytes) -> list[bytes] | None:
        end = data.find(b"\n") + 1
        self._scanned += end or len(data)
        if end:
            self._offset = self._scanned
            self._give_up(f"a line longer than {self._chunk} bytes")
            if self._first_line is None:
                self._first_line = self._read_first_line()
        return None

    def _new_among(self, lines: list[bytes]) -> list[bytes]:
        """Leave out what was read before the place was lost; keep the newest time."""
        times = [self._time_of(line) for line in lines]
        if self._passing_over:
            later = next((n for n, at in enumerate(times) if at is not None and at > self._newest_ms), None)
            if later is None:
                return []
            self._passing_over = False
            lines, times = lines[later:], times[later:]
        self._newest_ms = max([self._newest_ms, *(at for at in times if at is not None)])
        return lines

    def _move_on(self) -> bool:
        """At the end of the open file: go to the next newer one, if Squid already writes there."""
        assert self._descriptor is not None
        here = os.fstat(self._descriptor)
        with contextlib.suppress(FileNotFoundError):  # as logrotate leaves it until Squid opens the log again
            if self.path.stat().st_ino == here.st_ino:
                return False
        files = self._files()
        known = [n for n, file in enumerate(files) if file.inode == here.st_ino]
        if known:
            newer = [file for file in files[known[-1] + 1 :] if file.size]
        else:
            newer = [file for file in files[-1:] if file.path == self.path and file.size]
        # An empty newer file proves nothing: logrotate may have made it while Squid still writes to the old one.
        if not newer:
            return False
        if os.fstat(self._descriptor).st_size > here.st_size or self._has_complete_line():
            return True  # written between our last read and the rotation: read it first
        if here.st_size > self._offset:
            self._give_up("a last line that was never completed")
        if not known:
            self._start_over(f"the open log was moved away from {self.path.parent}")
            return True
        return self._open(newer[0].path, inode=newer[0].inode)

    def _has_complete_line(self) -> bool:
        assert self._descriptor is not None
        return b"\n" in os.pread(self._descriptor, self._chunk, self._scanned)

    def _start_over(self, why: str) -> None:
        """The place is lost: go by time.

        Charging twice is worse than charging too little. So everything is read again from the oldest file that can
        hold something new, and each line is passed over until one is later than the newest line ever read. Squid
        stamps lines as it writes them, so nothing before that one is new; what can be missed is a line of the same
        millisecond, or of an hour that the clock was set back. Without such a time, only what comes from now on
        counts.
        """
        self.close()
        files = self._files()
        if not self._newest_ms:
            self._warn(f"{why}; going on at the end of {self.path}: what was not read before is not charged")
            if self.path.exists() and self._open(self.path):
                self._go_to_end()
            return
        self._passing_over = True
        for file in files:
            # A file that was last written before the newest line was read holds nothing new. (Whole seconds: some
            # file systems keep no finer times.)
            if file.modified_ms + 1000 >= self._newest_ms and self._open(file.path, inode=file.inode):
                self._warn(f"{why}; going on in {file.path} with lines later than {self._newest_ms / 1000:.3f}")
                return
        self._warn(f"{why}; waiting for lines later than {self._newest_ms / 1000:.3f} in {self.path}")

    def _files(self) -> list[_File]:
        """The log and its rotated, uncompressed predecessors, oldest first."""
        seen = self._list()
        # A rotation renames one file after the other; only two equal looks in a row are sure to have seen all.
        while True:
            again = self._list()
            if [(file.path, file.inode) for file in seen] == [(file.path, file.inode) for file in again]:
                return again
            seen = again

    def _list(self) -> list[_File]:
        found: list[tuple[tuple[int, str, int], _File]] = []
        folder = self.path.parent
        for name in os.listdir(folder) if folder.exists() else ():
            ending = name.removeprefix(self.path.name)
            match = ROTATED.fullmatch(ending)
            if name != self.path.name and (ending == name or match is None):
                continue
            path = folder / name
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                number, date = match.groups() if match else (None, None)
                order = (0, date, 0) if date else (1, "", -int(number)) if number else (2, "", 0)
                found.append((order, _File(path, stat.st_ino, stat.st_size, stat.st_mtime_ns // 1_000_000)))
        return [file for _, file in sorted(found, key=lambda pair: pair[0])]

    def _open(self, path: Path, *, inode: int | None = None) -> bool:
        """Open a file at its start; False when it is gone, or another file (`inode`) by now has its name."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        if inode is not None and os.fstat(descriptor).st_ino != inode:
            os.close(descriptor)
            return False
        self.close()
        self._descriptor = descriptor
        self._offset = self._scanned = 0
        self._first_line = self._read_first_line()
        return True

    def _go_to_end(self) -> None:
        """Go behind the last complete line of the open file."""
        assert self._descriptor is not None
        end = os.fstat(self._descriptor).st_size
        while end and self._first_line is not None:
            start = max(0, end - self._chunk)
            found = os.pread(self._descriptor, end - start, start).rfind(b"\n")
            if found >= 0:
                self._offset = self._scanned = start + found + 1
                return
            end = start

    def _read_first_line(self) -> bytes | None:
        assert self._descriptor is not None
        beginning = os.pread(self._descriptor, HEAD_BYTES, 0)
        line, end, _ = beginning.partition(b"\n")
        return line if end or len(beginning) == HEAD_BYTES else None

    def _still_same(self) -> bool:
        """Whether the open file still begins as it did: an overwritten log has the same inode."""
        assert self._descriptor is not None
        if self._first_line is None:
            return True
        return os.pread(self._descriptor, len(self._first_line), 0) == self._first_line

    def _is_at(self, place: Place) -> bool:
        """Whether the open file is the one that `place` is in."""
        assert self._descriptor is not None
        if not place.head:
            return place.offset == 0
        if self._first_line is None or hashlib.sha256(self._first_line).hexdigest() != place.head:
            return False
        return os.fstat(self._descriptor).st_size >= place.offset

    def _give_up(self, what: str) -> None:
        self.given_up += 1
        self._warn(f"{self.path}: {what} before byte {self._offset} was left out")


@dataclass(frozen=True)
class _File:
    path: Path
    inode: int
    size: int
    modified_ms: int
