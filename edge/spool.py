"""What the instance must still hear about printed pages, kept on disk until it has heard it.

The files in the spool have names of our own making:

* `*.open`: a journal, one per print that is going on, see `edge.cups_journal`.
* `*.json`: a settlement (capture, release, or a print that the instance was not asked about) that is not acknowledged
  yet. It is on disk before it is sent.
* `*.refused`: one of these that cannot be read, or that the instance will never take, for a person to look at.
* `*.plan`: the last answer about a printer, see `edge.cups_plan`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

OPEN: Final = ".open"
SETTLED: Final = ".json"
REFUSED: Final = ".refused"
UNFINISHED: Final = ".tmp"
UNFINISHED_KEPT_S: Final = 3600
MAX_FILE_BYTES: Final = 1_000_000
NO_FOLLOW: Final = os.O_NOFOLLOW | os.O_CLOEXEC


class SpoolError(Exception):
    """The spool cannot be used: not our own private folder, or the disk refuses."""


class Settlement(NamedTuple):
    """How one run of a print job ended. `pages` is what came out of the printer; None gives the hold back.

    `uuid` is the job's. `estimated`: nobody but the count says so. `unasked` is what the instance has to be told of a
    job that was printed while it was away: the question that it would have been asked, a print_key, and when.
    """

    job: int
    run: int
    pages: int | None
    reason: str = ""
    estimated: bool = False
    uuid: str = ""
    unasked: dict[str, Any] | None = None


class CaptureSpool:
    """The spool in a folder of the backend's own user, mode 0700, made when it is missing."""

    def __init__(self, folder: Path) -> None:
        """Open the folder. Raises SpoolError when it is a link, another user's, or open to others."""
        try:
            with contextlib.suppress(FileExistsError):  # whatever is there is checked below
                folder.mkdir(mode=0o700)
            self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW)
            found = os.fstat(self._folder)
        except OSError as error:
            raise SpoolError(f"spool_dir {folder} cannot be opened: {error.strerror}") from error
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            os.close(self._folder)
            raise SpoolError(f"spool_dir {folder} must belong to user {os.geteuid()} and have mode 0700")

    def put(self, settlement: Settlement, stem: str | None = None) -> None:
        """Keep a settlement until it is acknowledged; it is on disk when this returns. Raises SpoolError."""
        content = json.dumps(settlement._asdict()).encode("ascii")
        os.close(self.write(stem or new_stem(), SETTLED, content, lock=False))

    def write(self, stem: str, ending: str, content: bytes, *, lock: bool) -> int:
        """Make a file that is on disk, and locked if that is asked for, when this returns; return its descriptor.

        It is locked under its unfinished name first: under its real one another backend might think it abandoned.
        Raises SpoolError.
        """
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | NO_FOLLOW
            descriptor = os.open(stem + ending + UNFINISHED, flags, 0o600, dir_fd=self._folder)
            if lock:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
            os.rename(stem + ending + UNFINISHED, stem + ending, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            os.fsync(self._folder)
        except OSError as error:
            raise SpoolError(f"the spool cannot be written: {error.strerror}") from error
        return descriptor

    def waiting(self) -> Iterator[tuple[str, Settlement]]:
        """Yield the name and content of each settlement that is not acknowledged yet, oldest first."""
        for name in self.names(SETTLED):
            try:
                settlement = _settlement(json.loads(self.read(name)))
            except FileNotFoundError:
                continue  # another backend was faster
            except (ValueError, KeyError, TypeError, AttributeError):
                self.set_aside(name)  # not of our writing, or a disk gone bad: kept for a person to look at
                continue
            yield name, settlement

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Have a settlement to oneself while it is sent; False when another backend has it, or has dealt with it.

        Sent twice at once, a release could arrive after the job was asked about anew, and end the new print's hold.
        Raises SpoolError.
        """
        descriptor = None
        try:
            with contextlib.suppress(FileNotFoundError):
                descriptor = self.open(name)
            mine = descriptor is not None and self.locked(descriptor, name)
        except OSError as error:
            if descriptor is not None:
                os.close(descriptor)
            raise SpoolError(f"{name} cannot be claimed: {error.strerror}") from error
        try:
            yield mine
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def locked(self, descriptor: int, name: str) -> bool:
        """Lock an open file; False when another backend holds it, or when it no longer has this name."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        except (BlockingIOError, FileNotFoundError):
            return False
        mine = os.fstat(descriptor)
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        try:
            os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def refused(self) -> int:
        """How many settlements were set aside, for a person to look at."""
        return len(self.names(REFUSED))

    def remove(self, name: str) -> None:
        """Forget an acknowledged settlement; another backend may have done so already. Raises SpoolError."""
        try:
            os.unlink(name, dir_fd=self._folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise SpoolError(f"{name} cannot be removed: {error.strerror}") from error

    def set_aside(self, name: str) -> None:
        """Keep a settlement that the instance will never accept, for a person to look at. Raises SpoolError."""
        try:
            os.rename(name, name + REFUSED, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise SpoolError(f"{name} cannot be set aside: {error.strerror}") from error

    def sweep(self) -> None:
        """Remove what was begun and never finished. Raises SpoolError."""
        try:
            for name in self.names(UNFINISHED):
                if self.age_s(name) > UNFINISHED_KEPT_S:
                    self.remove(name)
        except FileNotFoundError:
            return  # another backend is at it
        except OSError as error:
            raise SpoolError(f"the spool cannot be read: {error.strerror}") from error

    def names(self, ending: str) -> list[str]:
        """The names of the files with this ending, oldest first."""
        return sorted(name for name in os.listdir(self._folder) if name.endswith(ending))

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open a file of the spool; return its descriptor. Raises FileNotFoundError, OSError."""
        return os.open(name, flags | NO_FOLLOW, 0o600, dir_fd=self._folder)

    def read(self, name: str) -> bytes:
        """What a file of the spool holds. Raises FileNotFoundError, OSError."""
        descriptor = self.open(name)
        try:
            return os.read(descriptor, MAX_FILE_BYTES)
        finally:
            os.close(descriptor)

    def age_s(self, name: str) -> float:
        """The seconds since a file was last written; negative when the clock went back. Raises FileNotFoundError."""
        return time.time() - os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mtime

    def replace(self, name: str, content: bytes) -> None:
        """Give a small file new content, whole or not at all; a power cut may undo it. Raises OSError."""
        unfinished = new_stem() + UNFINISHED
        descriptor = self.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)
        os.rename(unfinished, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)


def new_stem() -> str:
    """A name that sorts by time and that nobody can guess or choose."""
    return f"{time.time_ns():020d}-{os.urandom(8).hex()}"


def _settlement(found: dict[str, Any]) -> Settlement:
    pages = None if found["pages"] is None else int(found["pages"])
    unasked = found.get("unasked")
    if unasked is not None and not (isinstance(unasked, dict) and unasked.get("print_key")):
        raise ValueError("what was printed unasked has no key")
    uuid, estimated = str(found.get("uuid", "")), bool(found.get("estimated"))
    return Settlement(int(found["job"]), int(found["run"]), pages, str(found["reason"]), estimated, uuid, unasked)
