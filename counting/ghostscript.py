"""Ghostscript as the reader of pages: small pictures of them come through a pipe, one by one, and none is kept.

The document is hostile. Ghostscript gets -dSAFER, no environment, a soft limit of 0 bytes for files that it writes, no
way to new privileges, and dies with us (setpriv, of Debian's util-linux). Time and memory are limited by who starts us.
"""

from __future__ import annotations

import os
import resource

from counting.colour import has_colour
from counting.reasons import CannotCountError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ("/usr/bin/gs", "/usr/local/bin/gs")
NOWHERE = "/nonexistent"  # where it could write: its own temporary folder is all that -dSAFER leaves
SETPRIV = "/usr/bin/setpriv"
DPI = 36  # finds a dot of 0.3 points; 20 dpi misses it
OPTIONS = (
    "-q",
    "-dSAFER",
    "-dBATCH",
    "-dNOPAUSE",
    "-dPrinted",
    "-dMaxBitmap=200000000",  # a large page is kept in memory, not in a file
    "-sstdout=%stderr",
    "-sDEVICE=pnmraw",
    f"-r{DPI}",
    "-o",
    "-",
)
# PostScript that names no paper gets one that is none, as wide as Letter and as high as A4.
NO_SIZE_POINTS = (612, 842)
NO_SIZE = (306, 421)
MAX_PIXELS = 1 << 16
CHUNK_PIXELS = 1 << 18
HEADER_BYTES = 200
ERROR = b"**** Error"
MOST_TOLD_BYTES = 1 << 16
NOT_DRAWN = "the document has errors, so its pages cannot be looked at"
SIGKILL = 9  # the signal package is not loaded for one number


class NotDrawnError(CannotCountError):
    """Some page could not be drawn as it should be."""


class Reading:
    """One run of Ghostscript over an open document; pages() gives what it draws, close() ends it."""

    def __init__(self, document: int, *, seekable: bool, only: str = "") -> None:
        """Start at once. A PDF must be `seekable`; PostScript is read from where the descriptor stands.

        `only`: the pages to read, such as "1,3-5"; "" for all.

        Raises CannotCountError when Ghostscript is not there.
        """
        program = next((path for path in PROGRAMS if os.access(path, os.X_OK)), None)
        if program is None:
            raise CannotCountError("the program ghostscript is missing on the print server")
        wide, high = NO_SIZE_POINTS
        by_program = (f"-dDEVICEWIDTHPOINTS={wide}", f"-dDEVICEHEIGHTPOINTS={high}", "-")
        ours, theirs = os.pipe()
        self._told, telling = os.pipe()
        os.set_blocking(telling, False)  # what does not fit into the pipe is lost: nobody reads it before the end
        command = [program, *OPTIONS, *(("/dev/stdin",) if seekable else by_program)]
        command[1:1] = [f"-sPageList={only}"] if only else []
        if os.access(SETPRIV, os.X_OK):
            command = [SETPRIV, "--no-new-privs", "--pdeathsig", "KILL", *command]
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))  # inherited; ours comes back below
        try:
            self._pid = os.posix_spawn(
                command[0],
                command,
                {"TMPDIR": NOWHERE},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, document, 0),
                    (os.POSIX_SPAWN_DUP2, theirs, 1),
                    (os.POSIX_SPAWN_DUP2, telling, 2),
                ],
            )
        except OSError:
            os.close(ours)
            os.close(self._told)
            raise CannotCountError("ghostscript cannot be started on the print server") from None
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            os.close(theirs)
            os.close(telling)
        self._pipe = open(ours, "rb", buffering=1 << 18)  # noqa: SIM115 (close() closes it)
        self._running = True

    def pages(self) -> Iterator[tuple[bool, int, int]]:
        """Yield for each page whether it has colour, and its width and height in pixels of 1/36 inch.

        Raises CannotCountError when Ghostscript gives up, also when the caller's limits end it; NotDrawnError after the
        last page when it went on, but found errors.
        """
        while kind := self._word():
            width, height = self._number(), self._number()
            if kind == b"P4":  # black and white: eight pixels in a byte
                self._pass_over((width + 7) // 8 * height)
                yield False, width, height
            elif kind == b"P5":
                self._number()
                self._pass_over(width * height)
                yield False, width, height
            elif kind == b"P6":
                self._number()
                yield self._look(width * height), width, height
            else:
                raise CannotCountError("the document makes ghostscript write other things than pages")
        self._running = False
        if os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1]) != 0:
            raise CannotCountError(NOT_DRAWN)
        if ERROR in os.read(self._told, MOST_TOLD_BYTES):  # of errors in a PDF it only tells
            raise NotDrawnError(NOT_DRAWN)

    def close(self) -> None:
        """End Ghostscript, whatever it is doing."""
        self._pipe.close()
        os.close(self._told)
        if self._running:
            self._running = False
            os.kill(self._pid, SIGKILL)
            os.waitpid(self._pid, 0)

    def _word(self) -> bytes:
        """The next word of a picture's header (pnm(5)); b"" at the end."""
        word = b""
        for _ in range(HEADER_BYTES):
            letter = self._pipe.read(1)
            if letter == b"#":
                self._pipe.readline(HEADER_BYTES)
            elif letter.isspace() or not letter:
                if word or not letter:
                    return word
            else:
                word += letter
        raise CannotCountError("the document makes ghostscript write other things than pages")

    def _number(self) -> int:
        word = self._word()
        if not word.isdigit() or not 0 < int(word) <= MAX_PIXELS:
            raise CannotCountError("a page is too large or has no size")
        return int(word)

    def _pass_over(self, size: int) -> None:
        while size > 0:
            size -= len(self._some(min(size, 3 * CHUNK_PIXELS)))

    def _look(self, pixels: int) -> bool:
        """Read a colour picture of so many pixels; whether any has colour."""
        while pixels > 0:
            some = min(pixels, CHUNK_PIXELS)
            pixels -= some
            data = self._some(3 * some)
            if has_colour(data[0::3], data[1::3], data[2::3]):
                self._pass_over(3 * pixels)
                return True
        return False

    def _some(self, size: int) -> bytes:
        data = self._pipe.read(size)
        if len(data) != size:
            raise CannotCountError(NOT_DRAWN)
        return data
