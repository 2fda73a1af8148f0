"""Reading a log that grows and is rotated: every line once, across renames, restarts, truncation and half lines."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from edge.squid_files import HEAD_BYTES, LogFile, OpenLog, Place, first_line_of, list_files, open_log
from edge.squid_lines import latest_ms

CHUNK_BYTES = 128 * 1024  # read at a time; also the longest line that is understood

SHORT_BLOCK = 8192

TimeOf = Callable[[bytes], int | None]


class LogTail:
    """The lines of one log, oldest first, each once; rotated files are finished before newer ones are begun.

    It never waits: a reading gives what is there now. Nothing is kept but one open file and an offset.
    """

    def __init__(self, path: Path, *, time_of: TimeOf, warn: Callable[[str], None], chunk: int = CHUNK_BYTES) -> None:
        """`time_of` says when a line was written, in milliseconds; `warn` gets what an administrator should know."""
        self.path = path
        self.given_up = 0  # lines that were too long, or never completed: nobody was charged for them
        self._time_of = time_of
        self._warn = warn
        self._chunk = chunk
        self._open_log: OpenLog | None = None
        self._offset = 0
        self._scanned = 0  # an over-long line has been looked through up to here
        self._newest_ms = 0
        self._passing_over = False

    def close(self) -> None:
        """Give back the open file."""
        if self._open_log is not None:
            self._open_log.close()
            self._open_log = None

    @property
    def place(self) -> Place | None:
        """The place after the last line given out; None before the log exists.

        When the log was lost and no other is there yet, it is in no file (inode 0): only the time counts.
        """
        if self._open_log is None:
            return Place(0, "", 0, str(self.path), self._newest_ms) if self._newest_ms else None
        return Place(self._open_log.inode, self._open_log.head, self._offset, str(self.path), self._newest_ms)

    @property
    def here(self) -> OpenLog | None:
        """The open file, for who reads a long stretch of it at once: see `skip`."""
        return self._open_log

    @property
    def offset(self) -> int:
        """Where the next line of the open file begins."""
        return self._offset

    def begin(self, *, at_end: bool = False) -> None:
        """Begin with a log that was never read: with the oldest file that is there, or behind the current last line."""
        self.close()
        self._passing_over = False
        files = list_files(self.path)
        if at_end:
            if files and files[-1].path == self.path and self._open(files[-1]):
                self._go_to_end()
            return
        any(self._open(file) for file in files)

    def resume(self, place: Place) -> None:
        """Go on behind `place`, in whatever file it is by now."""
        self.close()
        self._newest_ms = min(place.newest_ms, latest_ms())
        self._passing_over = False
        files = list_files(self.path)
        same = [file for file in files if file.inode == place.inode]
        # Copied (copytruncate) or compressed, it is another file that begins with the same line. Without a time in it
        # that line proves nothing: it may be the same in all of them.
        for candidate in same + [file for file in files if place.head and file.inode != place.inode]:
            if self._open(candidate):
                if self._is_at(place) and (candidate.inode == place.inode or self._begins_with_a_time()):
                    self._offset = self._scanned = place.offset
                    return
                self.close()
        self._start_over(f"the place reached in {place.path} (inode {place.inode}, byte {place.offset}) is gone")

    def read(self, limit: int) -> list[bytes]:
        """Up to `limit` complete lines, without their line ends; an empty list when there is nothing new."""
        lines: list[bytes] = []
        while len(lines) < limit:
            block = self.read_block(limit - len(lines))
            if not block:
                break
            lines += block[:-1].split(b"\n")
        return lines

    def read_block(self, limit: int = 0) -> bytes:
        """Complete lines, about a chunk of them, or up to `limit`; b"" when there is nothing new."""
        while True:
            if self._open_log is None and not self._open_current():
                return b""
            block = self._read_here(limit)
            if block is None:
                continue
            if block or not self._move_on():
                return block

    def skip(self, opened: OpenLog, offset: int, newest_ms: int) -> bool:
        """Go behind lines of the open file that somebody has read up to `offset`; `newest_ms`: the newest one's time.

        False when they do not count: the file was overwritten meanwhile, and the place is where it was.
        """
        if opened is not self._open_log or not opened.still_same() or opened.size < offset:
            return False
        self._offset = self._scanned = offset
        self.note_newest(newest_ms)
        return True

    def long_stretch(self, least: int) -> int:
        """Where the complete lines of the open file end now; 0 when fewer than `least` bytes lie before that."""
        opened = self._open_log
        if opened is None or opened.packed or self._passing_over or self._scanned > self._offset:
            return 0
        end = opened.size
        if end - self._offset < least or opened.first_line is None:
            return 0
        return self.line_end_before(opened, end)

    def line_end_before(self, opened: OpenLog, end: int) -> int:
        """The last end of a line at or before the byte `end`; 0 when none is near."""
        start = max(self._offset, end - self._chunk)
        found = opened.read(end - start, start).rfind(b"\n")
        return start + found + 1 if found >= 0 else 0

    def bytes_left(self) -> int:
        """How many bytes lie before the end of the log, on the disk: packed ones count as they lie there."""
        opened = self._open_log
        files = list_files(self.path)
        if opened is None:
            return sum(file.size for file in files) if not self._newest_ms else 0
        here = [number for number, file in enumerate(files) if file.inode == opened.inode]
        newer = files[here[-1] + 1 :] if here else []
        done = opened.read_on_disk() if opened.packed else self._offset
        return max(0, opened.size - done) + sum(file.size for file in newer)

    def _read_here(self, limit: int) -> bytes | None:
        """Complete lines of the open file; b"" at its end; None when there was something, but no line to give out."""
        opened = self._open_log
        assert opened is not None
        start = self._scanned
        data = opened.read(self._chunk, start)
        # Looked at after reading: only then it is sure that what was read belongs to the file we know.
        if not opened.packed and (opened.size < start + len(data) or not opened.still_same()):
            self._start_over(f"{self.path} was truncated or overwritten")
            return None
        if not data:
            return b""
        if start > self._offset:
            return self._finish_long_line(data)
        end = data.rfind(b"\n") + 1
        if not end:
            if len(data) < self._chunk:
                return b""  # a half line: its rest will come
            self._scanned = start + len(data)
            return None
        block = data[:end]
        if limit and block.count(b"\n") > limit:
            block = b"".join(line + b"\n" for line in block.split(b"\n")[:limit])
        self._offset = self._scanned = start + len(block)
        if opened.first_line is None:
            opened.first_line = opened.read_first_line()
        return self._new_in(block) or None

    def _finish_long_line(self, data: bytes) -> bytes | None:
        assert self._open_log is not None
        end = data.find(b"\n") + 1
        self._scanned += end or len(data)
        if end:
            self._offset = self._scanned
            self._give_up(f"a line longer than {self._chunk} bytes")
            if self._open_log.first_line is None:
                self._open_log.first_line = self._open_log.read_first_line()
        return None

    def _new_in(self, block: bytes) -> bytes:
        """Leave out what was read before the place was lost; keep the newest time."""
        # Within a long block the times grow; who sums it up says so if one is newer than the last: see note_newest.
        short = self._passing_over or len(block) < SHORT_BLOCK
        lines = block.split(b"\n")[:-1] if short else [block[block.rfind(b"\n", 0, -1) + 1 : -1]]
        latest = latest_ms()
        times = [at if at is not None and at <= latest else 0 for at in map(self._time_of, lines)]
        if self._passing_over:
            later = next((n for n, at in enumerate(times) if at > self._newest_ms), None)
            if later is None:
                return b""
            self._passing_over = False
            times = times[later:]
            block = b"".join(line + b"\n" for line in lines[later:])
        self._newest_ms = max([self._newest_ms, *times])
        return block

    def note_newest(self, newest_ms: int) -> None:
        """Say how new the newest line of those given out was: they may be a little out of order.

        One that lies in the future does not count: see `latest_ms`.
        """
        if newest_ms <= latest_ms():
            self._newest_ms = max(self._newest_ms, newest_ms)

    def _move_on(self) -> bool:
        """At the end of the open file: go to the next newer one, if Squid already writes there."""
        opened = self._open_log
        assert opened is not None
        size = opened.size
        with contextlib.suppress(FileNotFoundError):  # as logrotate leaves it until Squid opens the log again
            if self.path.stat().st_ino == opened.inode:
                return False
        files = list_files(self.path)
        known = [n for n, file in enumerate(files) if file.inode == opened.inode] or self._compressed_twin(files)
        if known:
            newer = [file for file in files[known[-1] + 1 :] if file.size]
        else:
            newer = [file for file in files[-1:] if file.path == self.path and file.size]
        # An empty newer file proves nothing: logrotate may have made it while Squid still writes to the old one.
        if not newer:
            return False
        if not opened.packed and (opened.size > size or b"\n" in opened.read(self._chunk, self._scanned)):
            return True  # written between our last read and the rotation: read it first
        if opened.damaged:
            self._warn(f"{self.path}: a compressed old file is damaged; what comes behind byte {self._offset} is lost")
        elif opened.holds(self._offset + 1):
            self._give_up("a last line that was never completed")
        if not known:
            self._start_over(f"the open log was moved away from {self.path.parent}")
            return True
        return self._open_next(newer)

    def _compressed_twin(self, files: list[LogFile]) -> list[int]:
        """Where what was the open file lies compressed by now."""
        assert self._open_log is not None
        return [number for number, file in enumerate(files) if file.packed and self._begins_alike(file)]

    def _begins_alike(self, file: LogFile) -> bool:
        assert self._open_log is not None
        other = open_log(file, self._warn)
        if other is None:
            return False
        with contextlib.closing(other):
            return other.begins_like(self._open_log, self._offset)

    def _begins_with_a_time(self) -> bool:
        assert self._open_log is not None
        line = (self._open_log.first_line or b"").rpartition(b"\n")[2]
        return self._time_of(line) is not None

    def _open_next(self, newer: list[LogFile]) -> bool:
        """Open the oldest of the newer files that has more than the one that was read."""
        opened = self._open_log
        assert opened is not None
        for file in newer:
            other = open_log(file, self._warn)
            if other is None:
                continue
            if other.begins_like(opened, self._offset):  # a copy: what it has more goes on at the same place
                offset = self._offset
                if other.holds(offset + 1):
                    self._take(other)
                    self._offset = self._scanned = offset
                    return True
                other.close()
                continue
            self._take(other)
            return True
        return False

    def _start_over(self, why: str) -> None:
        """The place is lost: go by time.

        Charging twice is worse than charging too little. So everything is read again from the oldest file that can
        hold something new, and each line is passed over until one is later than the newest line ever read. Squid
        stamps lines as it writes them, so nothing before that one is new; what can be missed is a line of the same
        millisecond, or of an hour that the clock was set back. Without such a time, only what comes from now on
        counts.
        """
        self.close()
        files = list_files(self.path)
        if not self._newest_ms:
            self._warn(f"{why}; going on at the end of {self.path}: what was not read before is not charged")
            if files and files[-1].path == self.path and self._open(files[-1]):
                self._go_to_end()
            return
        self._passing_over = True
        for file in files:
            # A file that was last written before the newest line was read holds nothing new. (Whole seconds: some
            # file systems keep no finer times.)
            if file.modified_ms + 1000 >= self._newest_ms and self._open(file):
                self._warn(f"{why}; going on in {file.path} with lines later than {self._newest_ms / 1000:.3f}")
                return
        self._warn(f"{why}; waiting for lines later than {self._newest_ms / 1000:.3f} in {self.path}")

    def _open_current(self) -> bool:
        """Open the file that Squid writes to, when there was none."""
        files = list_files(self.path)
        return bool(files) and files[-1].path == self.path and self._open(files[-1])

    def _open(self, file: LogFile) -> bool:
        """Open a file at its start; False when it is gone, or another file by now has its name."""
        opened = open_log(file, self._warn)
        if opened is None:
            return False
        self._take(opened)
        return True

    def _take(self, opened: OpenLog) -> None:
        self.close()
        self._open_log = opened
        self._offset = self._scanned = 0

    def _go_to_end(self) -> None:
        """Go behind the last complete line of the open file."""
        opened = self._open_log
        assert opened is not None
        end = opened.size
        while end and opened.first_line is not None:
            start = max(0, end - self._chunk)
            found = opened.read(end - start, start).rfind(b"\n")
            if found >= 0:
                self._offset = self._scanned = start + found + 1
                return
            end = start

    def _is_at(self, place: Place) -> bool:
        """Whether the open file is the one that `place` is in."""
        assert self._open_log is not None
        if not place.head:
            opened = self._open_log
            short = place.offset < HEAD_BYTES and first_line_of(opened.read(place.offset, 0)) is None
            return place.offset == 0 or (opened.inode == place.inode and short and opened.holds(place.offset))
        return self._open_log.head == place.head and self._open_log.holds(place.offset)

    def _give_up(self, what: str) -> None:
        self.given_up += 1
        self._warn(f"{self.path}: {what} before byte {self._offset} was left out")
