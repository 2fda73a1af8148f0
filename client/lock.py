"""One window for each copy: a second start of the same copy brings the first to the front and ends."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import IO, Final

LOCK_FILE: Final = "lock"
SHOW_FILE: Final = "show"
HELD: Final = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class Lock:
    """The lock of one copy, held until the program ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._seen = 0

    def take(self) -> bool:
        """Return whether this program is the copy's only one now. Raises OSError when nothing can be kept there."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (self._folder / LOCK_FILE).open("ab")
        if not _lock(file):
            file.close()
            return False
        self._file = file
        self._seen = self._asked()
        return True

    def ask_to_show(self) -> None:
        """Ask the program that holds the lock to show its window. Raises OSError."""
        show = self._folder / SHOW_FILE
        show.touch(mode=0o600)
        now = time.time_ns()
        os.utime(show, ns=(now, now))

    def is_asked_to_show(self) -> bool:
        """Whether another start has asked since the last time."""
        asked = self._asked()
        if asked == self._seen:
            return False
        self._seen = asked
        return True

    def _asked(self) -> int:
        try:
            return (self._folder / SHOW_FILE).stat().st_mtime_ns
        except OSError:
            return 0


def _lock(file: IO[bytes]) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            # Windows alone has it, and types are checked elsewhere.
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in HELD  # a home on a file server that knows no locks is no reason not to start
    return True
