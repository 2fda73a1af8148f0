"""What CUPS hands to a backend: the job, its documents, its copies.

The arguments and the environment are those of the CUPS manual page backend(7).
"""

from __future__ import annotations

import os
import re
import stat
from _blake2 import blake2b
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

SCHEME: Final = "twinpurse"
WRAPPED_SCHEME: Final = re.compile(r"[a-z][a-z0-9-]*")
IPP_SCHEMES: Final = frozenset({"ipp", "ipps", "http", "https"})
MAX_TITLE_CHARACTERS: Final = 255
MAX_USER_CHARACTERS: Final = 256
MAX_HOST_CHARACTERS: Final = 255
NO_LETTER: Final = "\ufffd"
CHUNK_BYTES: Final = 1 << 20
MAX_PPD_BYTES: Final = 1 << 20
PATH_ARGUMENT: Final = 6
GREY_MODES: Final = ("monochrome", "process-monochrome", "bi-level")
TWO_SIDED_BY_DEFAULT: Final = re.compile(rb"^\*DefaultDuplex:\s*Duplex", re.MULTILINE)


class JobError(Exception):
    """The job cannot be handled; the message is for the person who prints."""


class PrintJob(NamedTuple):
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
    two_sided: bool = False
    host: str = ""
    grey: bool = False

    @property
    def wrapped_scheme(self) -> str:
        """The name of the backend that drives the printer, such as "ipp"."""
        return self.wrapped_uri.split(":", 1)[0]

    @property
    def printed_in_grey(self) -> bool:
        """Whether the printer is told to print without colour: the ipp backend does so for what CUPS has filtered."""
        return self.grey and self.wrapped_scheme in IPP_SCHEMES and not self.documents

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
        user=_user(argv[2]),
        number=number,
        uuid=_identity(printer, number, argv[5]),
        title=clean(argv[3])[:MAX_TITLE_CHARACTERS],
        copies=copies,
        documents=tuple(argv[PATH_ARGUMENT:]),
        two_sided=_two_sided(argv[5], environ),
        grey=_option(argv[5], "print-color-mode") in GREY_MODES,
        host=clean(_option(argv[5], "job-originating-host-name"))[:MAX_HOST_CHARACTERS],
    )


def clean(text: str, instead: str = " ") -> str:
    """Text fit for JSON: what is not UTF-8 replaced, control characters made blanks (or `instead`)."""
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else instead for letter in readable)


def digest_of(text: str) -> str:
    """32 hexadecimal digits that stand for a text; BLAKE2 by itself, since hashlib loads all of OpenSSL."""
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _user(name: str) -> str:
    """The user's name for the instance: a name that is strange or too long never becomes somebody else's.

    So nothing is made a blank, which might be trimmed, and of a long name the digest stands for what is cut off.
    """
    readable = clean(name, NO_LETTER)
    if len(readable) <= MAX_USER_CHARACTERS:
        return readable
    return f"{readable[: MAX_USER_CHARACTERS - 20]}...{NO_LETTER}{digest_of(name)[:16]}"


def _two_sided(options: str, environ: Mapping[str, str]) -> bool:
    """Whether both sides are printed: as the job says, else as its queue's PPD has it by default."""
    asked = _option(options, "sides") or _option(options, "Duplex")
    if asked:
        return asked.lower().startswith(("two-sided", "duplex"))
    try:
        with open(environ.get("PPD", ""), "rb") as file:
            return TWO_SIDED_BY_DEFAULT.search(file.read(MAX_PPD_BYTES)) is not None
    except OSError:
        return False


def _identity(printer: str, number: int, options: str) -> str:
    """The name of this job for the instance: the same in every retry, and never the same for two jobs.

    The job-uuid alone would not do: a user may set it (`lp -o job-uuid=...` replaces the server's), and two jobs
    that share one would share one hold. The job number is the server's own, but begins anew when its spool is
    emptied; with the uuid (or, from an old CUPS that gives none, the time of creation) it does not come back.
    """
    given = _option(options, "job-uuid") or _option(options, "time-at-creation")
    digest = digest_of("\0".join((printer, str(number), given)))
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
