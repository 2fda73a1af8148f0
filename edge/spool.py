"""What the instance must still hear about printed pages, kept on disk until it has heard it.

Two kinds of file lie in the spool, all with names of our own making:

* `*.open`: a journal, one per print that is going on. Its owner holds a lock on it and appends the printer's page
  count as it grows. When the owner dies (power cut, SIGKILL) the lock is gone, and the next backend that comes by
  settles the print from what the journal says.
* `*.json`: a settlement (capture or release) that is not acknowledged yet. It is on disk before it is sent.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

OPEN: Final = ".open"
SETTLED: Final = ".json"
REFUSED: Final = ".refused"
UNFINISHED: Final = ".tmp"
UNFINISHED_KEPT_S: Final = 3600
MAX_FILE_BYTES: Final = 1_000_000
NO_FOLLOW: Final = os.O_NOFOLLOW | os.O_CLOEXEC


class SpoolError(Exception):
    """The spool cannot be used: not our own private folder, or the disk refuses."""


@dataclass(frozen=True)
class Settlement:
    """How one run of a print job ended. `pages` is what came out of the printer; None gives the hold back."""

    job: int
    run: int
    pages: int | None
    reason: str = ""


class PrintJournal:
    """The record of a print that is going on; closing the file gives up the lock on it."""

    def __init__(self, spool: CaptureSpool, stem: str, descriptor: int, job: int, run: int) -> None:
        self._spool = spool
        self._stem = stem
        self._descriptor = descriptor
        self._job = job
        self._run = run

    def note(self, pages: int) -> None:
        """Note how many pages the printer says have come out so far. Raises SpoolError."""
        try:
            os.write(self._descriptor, f"{pages}\n".encode("ascii"))
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise SpoolError(f"the spool cannot be written: {error.strerror}") from error

    def settlement(self, pages: int | None, reason: str = "") -> Settlement:
        """How this print ended, for the instance."""
        return Settlement(self._job, self._run, pages, reason)

    def settle(self, settlement: Settlement) -> None:
        """Put the settlement into the spool in this journal's place. Raises SpoolError; the journal then stays."""
        self._spool.put(settlement, self._stem)
        self._spool.remove(self._stem + OPEN)
        os.close(self._descriptor)


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

    def begin(self, job: int, run: int) -> PrintJournal:
        """Open the journal of one print; it is on disk and locked when this returns. Raises SpoolError."""
        stem = _new_stem()
        header = json.dumps({"job": job, "run": run}) + "\n"
        # Locked under its unfinished name first: under its real one another backend might think it abandoned.
        return PrintJournal(self, stem, self._write(stem, OPEN, header.encode("ascii"), lock=True), job, run)

    def put(self, settlement: Settlement, stem: str | None = None) -> None:
        """Keep a settlement until it is acknowledged; it is on disk when this returns. Raises SpoolError."""
        content = json.dumps(asdict(settlement)).encode("ascii")
        os.close(self._write(stem or _new_stem(), SETTLED, content, lock=False))

    def _write(self, stem: str, ending: str, content: bytes, *, lock: bool) -> int:
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
        for name in self._names(SETTLED):
            try:
                found = json.loads(self._read(name))
                pages = None if found["pages"] is None else int(found["pages"])
                settlement = Settlement(int(found["job"]), int(found["run"]), pages, str(found["reason"]))
            except FileNotFoundError:
                continue  # another backend was faster
            except (ValueError, KeyError, TypeError):
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
                descriptor = os.open(name, os.O_RDONLY | NO_FOLLOW, dir_fd=self._folder)
            mine = descriptor is not None and self._locked(descriptor, name)
        except OSError as error:
            if descriptor is not None:
                os.close(descriptor)
            raise SpoolError(f"{name} cannot be claimed: {error.strerror}") from error
        try:
            yield mine
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _locked(self, descriptor: int, name: str) -> bool:
        """Lock an open file; False when another backend holds it, or when it no longer has this name."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        except (BlockingIOError, FileNotFoundError):
            return False
        mine = os.fstat(descriptor)
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

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

    def settle_abandoned(self) -> int:
        """Settle the prints whose backend died: what the printer had said is captured, or the hold is given back.

        Returns how many there were. Raises SpoolError.
        """
        settled = 0
        try:
            for name in self._names(OPEN):
                settled += self._settle_if_abandoned(name)
            for name in self._names(UNFINISHED):
                if time.time() - os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mtime > UNFINISHED_KEPT_S:
                    self.remove(name)
        except FileNotFoundError:
            return settled  # another backend is at it
        except OSError as error:
            raise SpoolError(f"the spool cannot be read: {error.strerror}") from error
        return settled

    def _settle_if_abandoned(self, name: str) -> bool:
        descriptor = os.open(name, os.O_RDWR | NO_FOLLOW, dir_fd=self._folder)
        try:
            if not self._locked(descriptor, name):
                return False
            settlement = _from_journal(os.read(descriptor, MAX_FILE_BYTES))
            if settlement is None:
                self.set_aside(name)
                return False
            self.put(settlement, name.removesuffix(OPEN))
            self.remove(name)
            return True
        finally:
            os.close(descriptor)

    def _names(self, ending: str) -> list[str]:
        return sorted(name for name in os.listdir(self._folder) if name.endswith(ending))

    def _read(self, name: str) -> bytes:
        descriptor = os.open(name, os.O_RDONLY | NO_FOLLOW, dir_fd=self._folder)
        try:
            return os.read(descriptor, MAX_FILE_BYTES)
        finally:
            os.close(descriptor)


def _new_stem() -> str:
    """A name that sorts by time and that nobody can guess or choose."""
    return f"{time.time_ns():020d}-{os.urandom(8).hex()}"


def _from_journal(content: bytes) -> Settlement | None:
    """The settlement of a print whose backend died. An unfinished last line does not count."""
    lines = content.split(b"\n")[:-1]
    try:
        header = json.loads(lines[0])
        job, run = int(header["job"]), int(header["run"])
        pages = max((int(line) for line in lines[1:]), default=0)
    except (IndexError, ValueError, KeyError, TypeError):
        return None
    if pages > 0:
        return Settlement(job, run, pages)
    return Settlement(job, run, None, "the print was interrupted before the printer said that a page came out")
