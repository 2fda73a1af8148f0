"""What CUPS hands to a backend: the job, its documents, its copies; and the count of its pages.

The arguments and the environment are those of the CUPS manual page backend(7).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

SCHEME: Final = "twinpurse"
WRAPPED_SCHEME: Final = re.compile(r"[a-z][a-z0-9-]*")
IPP_SCHEMES: Final = frozenset({"ipp", "ipps", "http", "https"})
MAX_TITLE_CHARACTERS: Final = 255
CHUNK_BYTES: Final = 1 << 20
MAX_COUNTER_BYTES: Final = 4096
WATCH_S: Final = 0.05
MIB: Final = 1 << 20
STDIN_PATH: Final = "/dev/stdin"
PATH_ARGUMENT: Final = 6


class JobError(Exception):
    """The job cannot be handled; the message is for the person who prints."""


class CountError(Exception):
    """The pages cannot be counted; the message says why."""


@dataclass(frozen=True)
class PrintJob:
    """One run of the backend for one job. `documents` is empty when the (filtered) document comes on stdin."""

    argv: tuple[str, ...]
    environ: Mapping[str, str]
    config: Path
    wrapped_uri: str
    printer: str
    user: str
    number: int
    uuid: str
    title: str
    copies: int
    documents: tuple[str, ...]

    @property
    def wrapped_scheme(self) -> str:
        """The name of the backend that drives the printer, such as "ipp"."""
        return self.wrapped_uri.split(":", 1)[0]

    @property
    def printed_copies(self) -> int:
        """How often the printer will print what is in the document.

        With a file of its own a backend makes the copies. With filtered data the filters have made them, but for
        the ipp backend, which still asks the printer for them unless the data is raster (seen with CUPS 2.4: three
        pages of PDF on stdin, `-n 2`, and the printer gets copies=2).
        """
        if self.documents:
            return self.copies
        content_type = self.environ.get("FINAL_CONTENT_TYPE") or self.environ.get("CONTENT_TYPE", "")
        by_printer = self.wrapped_scheme in IPP_SCHEMES and not content_type.lower().startswith("image/")
        return self.copies if by_printer else 1


def device_uri(config: Path, wrapped_uri: str) -> str:
    """The device URI of a queue that charges by the edge config `config` and prints by `wrapped_uri`."""
    return f"{SCHEME}:{quote(str(config))}?wrap={quote(wrapped_uri, safe='')}"


def read_job(argv: Sequence[str], environ: Mapping[str, str]) -> PrintJob:
    """Read what CUPS hands over. Raises JobError."""
    parts = urlsplit(environ.get("DEVICE_URI", ""))
    wrapped = parse_qs(parts.query).get("wrap", [""])[0]
    found = WRAPPED_SCHEME.fullmatch(wrapped.split(":", 1)[0])
    if parts.scheme != SCHEME or not parts.path.startswith("/") or not found or found.group() == SCHEME:
        raise JobError(f"the device URI must be {SCHEME}:/path/to/edge.toml?wrap=<the printer's own URI, quoted>")
    try:
        number, copies = int(argv[1]), max(1, int(argv[4]))
    except ValueError:
        raise JobError("the job number and the copies must be numbers") from None
    printer = environ.get("PRINTER", "")
    return PrintJob(
        argv=tuple(argv),
        environ=environ,
        config=Path(unquote(parts.path)),
        wrapped_uri=wrapped,
        printer=printer,
        user=_clean(argv[2]),
        number=number,
        uuid=_identity(printer, number, argv[5]),
        title=_clean(argv[3])[:MAX_TITLE_CHARACTERS],
        copies=copies,
        documents=tuple(argv[PATH_ARGUMENT:]),
    )


def _clean(text: str) -> str:
    """Text fit for JSON: what is not UTF-8 replaced, control characters made blanks."""
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in readable)


def _identity(printer: str, number: int, options: str) -> str:
    """The name of this job for the instance: the same in every retry, and never the same for two jobs.

    The job-uuid alone would not do: a user may set it (`lp -o job-uuid=...` replaces the server's), and two jobs
    that share one would share one hold. The job number is the server's own, but begins anew when its spool is
    emptied; with the uuid (or, from an old CUPS that gives none, the time of creation) it does not come back.
    """
    given = _option(options, "job-uuid") or _option(options, "time-at-creation")
    digest = hashlib.sha256("\0".join((printer, str(number), given)).encode("utf-8", "surrogateescape")).hexdigest()
    return f"urn:uuid:{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _option(options: str, name: str) -> str:
    found = re.search(rf"(?:^|(?<=[^\\]) ){re.escape(name)}=(\S+)", options)
    return found.group(1) if found else ""


@contextmanager
def spooled_documents(job: PrintJob) -> Iterator[list[int]]:
    """Yield a descriptor for each document of the job; what comes on stdin is read to its end first.

    The copy has no name from the start, so that nobody can swap it and nothing is left behind. Raises JobError.
    """
    opened: list[int] = []
    try:
        try:
            if job.documents:
                for path in job.documents:
                    opened.append(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
            else:
                opened.append(_copy_stdin(Path(job.environ.get("TMPDIR", ""))))
            if not all(stat.S_ISREG(os.fstat(descriptor).st_mode) for descriptor in opened):
                raise JobError("the document is not a plain file")
        except OSError as error:
            raise JobError(f"the document could not be taken over: {error.strerror}") from None
        yield opened
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _copy_stdin(folder: Path) -> int:
    if not folder.is_absolute():
        raise JobError("TMPDIR is not set")
    path = folder / f"twinpurse-{os.urandom(12).hex()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    try:
        while chunk := os.read(0, CHUNK_BYTES):
            left = memoryview(chunk)
            while left:
                left = left[os.write(descriptor, left) :]
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def count_pages(
    program: Sequence[str], document: int, time_s: float, memory_mb: int, stopped: Callable[[], bool]
) -> int:
    """Let the counting program count one document; return its pages. Raises CountError.

    It reads what a user made, so it gets nothing but the document: an empty environment, bounded time (seconds) and
    memory (MiB), no files to write, and its output is read only when it has ended. `stopped` ends it early.
    """
    if not program:
        raise CountError("no counting program is configured")
    os.lseek(document, 0, os.SEEK_SET)
    # The program may map the document instead of reading it, which costs address space but no memory.
    memory_bytes = memory_mb * MIB + os.fstat(document).st_size
    try:
        counter = subprocess.Popen(
            [*program, STDIN_PATH],
            stdin=document,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            cwd="/",
            start_new_session=True,
            preexec_fn=lambda: _limit(time_s, memory_bytes),
        )
    except (OSError, subprocess.SubprocessError):
        raise CountError("the counting program cannot be started") from None
    with counter:
        deadline = time.monotonic() + time_s
        while counter.poll() is None:
            if stopped() or time.monotonic() > deadline:
                counter.kill()
                counter.wait()
                raise CountError("counting took too long")
            time.sleep(WATCH_S)
        said = counter.stdout.read(MAX_COUNTER_BYTES) if counter.stdout else b""
        why = counter.stderr.read(MAX_COUNTER_BYTES) if counter.stderr else b""
    return _counted(counter.returncode, said, why)


def _limit(time_s: float, memory_bytes: int) -> None:
    """Runs in the child, before the counting program."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    seconds = int(time_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(kind, (0, 0))


def _counted(code: int, said: bytes, why: bytes) -> int:
    cannot_count = 3
    if code == cannot_count:
        raise CountError(_clean(why.decode("utf-8", "replace")).strip() or "the document cannot be counted")
    if code < 0:
        raise CountError("counting needed too much time or memory")
    try:
        pages = json.loads(said)["pages"] if code == 0 else None
    except (ValueError, TypeError, KeyError):
        pages = None
    if type(pages) is not int or pages < 1:
        raise CountError("the counting program failed")
    return pages
