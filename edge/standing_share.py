"""One list for all access helpers of a machine: one asks the instance and writes a file, the others read what is new.

The file holds JSON lines: everybody, then what changed. Its time of change is when the instance last confirmed it. Who
holds the lock beside it writes, and nobody else; when that helper dies the kernel gives the lock to the next who asks.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOM_FOR_CHANGES: Final = 1_000_000  # bytes of changes in the file before everybody is written again
LARGEST_FILE: Final = 64_000_000


class Share:
    """The file, as one helper sees it. Raises OSError where it cannot be used."""

    def __init__(self, path: Path) -> None:
        """`path`: a file in a folder that only Squid's user can write to."""
        self._path = path
        self._lock: int | None = None
        self._written = False  # by us: what another helper left may end in half a line
        self._read: int | None = None
        self._offset = 0

    @property
    def leading(self) -> bool:
        """Whether the lock is ours: only then may we write."""
        return self._lock is not None

    @property
    def folder(self) -> Path:
        """The folder in which the file and its lock are."""
        return self._path.parent

    def lead(self) -> bool:
        """Whether it is for us to ask the instance; True once means True until let_go() or the end of this process."""
        if self._lock is None:
            lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return False
            self._lock = lock
        return True

    def write(self, record: dict[str, Any] | None, everybody: dict[str, Any]) -> None:
        """Add what the instance just said, None for "nothing changed"; `everybody` takes the place of a long file."""
        if record is None and self._written:
            with contextlib.suppress(FileNotFoundError):  # somebody removed it
                os.utime(self._path)
                return
        if record is None or not self._written or record["full"] or not self._has_room():
            new = self._path.with_name(f"{self._path.name}.new")
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_line(everybody))
            new.replace(self._path)
            self._written = True
        else:
            with self._path.open("ab") as file:
                file.write(_line(record))

    def news(self) -> Iterator[dict[str, Any]]:
        """What was added since the last look. Lines that cannot be read end the look; everything is read again."""
        while True:
            status = self._path.stat()
            if self._read is None or os.fstat(self._read).st_ino != status.st_ino or status.st_size < self._offset:
                self._open()
            assert self._read is not None
            text = os.pread(self._read, LARGEST_FILE, self._offset)
            lines = text[: text.rfind(b"\n") + 1]
            if not lines:
                return
            self._offset += len(lines)
            for line in lines.splitlines():
                try:
                    record = json.loads(line)
                except ValueError:
                    self.forget()
                    return
                yield record

    def age_s(self) -> float:
        """Seconds since the instance confirmed what is in the file."""
        return max(0.0, time.time() - self._path.stat().st_mtime)

    def forget(self) -> None:
        """Read everything again at the next look."""
        if self._read is not None:
            os.close(self._read)
            self._read = None

    def let_go(self) -> None:
        """Leave the file to another helper."""
        self.forget()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _open(self) -> None:
        self.forget()
        self._read = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._offset = 0

    def _has_room(self) -> bool:
        try:
            with self._path.open("rb") as file:
                first = len(file.readline())
                return file.seek(0, os.SEEK_END) - first < ROOM_FOR_CHANGES
        except FileNotFoundError:
            return False


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
