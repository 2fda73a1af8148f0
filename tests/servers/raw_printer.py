"""A printer behind a raw socket (port 9100, "JetDirect") for tests: it takes what comes, prints it, and says nothing.

What came out is kept in a folder, one file a document, and its pages are counted by poppler's pdfinfo or by
Ghostscript, so not by what the charges come from. It can be off, stop in the middle as one without paper does, or break
the connection off.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import subprocess
import threading
from pathlib import Path

from tests.servers.process import LOOPBACK, free_port, need

PDFINFO = "/usr/bin/pdfinfo"
GHOSTSCRIPT = "/usr/bin/gs"
CHUNK_BYTES = 65_536
NEXT_PDF = re.compile(rb"(?<=%%EOF\n)(?=(?:\x1b%-12345X[^%]*)*%PDF-)")  # with PJL between them, or without
RESET = struct.pack("ii", 1, 0)


class RawPrinter:
    """Listens at `uri`; use in a `with` block. Connections are served one by one, as such printers do."""

    def __init__(self, folder: Path) -> None:
        """`folder` is where the documents that came out are kept. Raises MissingPackageError."""
        need(PDFINFO, "poppler-utils")
        need(GHOSTSCRIPT, "ghostscript")
        self.folder = folder
        self.port = free_port()
        # Without SNMP, which nothing here answers; the backend waits until the printer closes the connection.
        self.uri = f"socket://{LOOPBACK}:{self.port}/?snmp=false&contimeout=3600"
        self._listener: socket.socket | None = None
        self._connection: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._room = threading.Event()
        self.behave()

    def behave(self) -> None:
        """Take everything again, and forget what was printed; a document that waits in the middle goes on."""
        for path in self.printed():
            path.unlink()
        self.stop_after: int | None = None  # bytes of a document
        self.break_after: int | None = None
        self.broken_off = 0
        self._room.set()

    def go_on(self) -> None:
        """Take the rest of the document that waits."""
        self.stop_after = None
        self._room.set()

    def stall(self, after_bytes: int) -> None:
        """Take so many bytes of each document and no more, until behave()."""
        self._room.clear()
        self.stop_after = after_bytes

    def break_off(self, after_bytes: int) -> None:
        """Take so many bytes of each document, then reset the connection; what came is not printed."""
        self.break_after = after_bytes

    def on(self) -> RawPrinter:
        """Listen."""
        listener = socket.create_server((LOOPBACK, self.port), backlog=8)
        self._listener = listener
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="raw printer", daemon=True)
        self._thread.start()
        return self

    def off(self) -> None:
        """Listen no more, and drop what is being sent."""
        if self._listener is None:
            return
        for one in (self._listener, self._connection):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._room.set()
        if self._thread is not None:
            self._thread.join(10)
        self._listener = None

    def printed(self) -> list[Path]:
        """The documents that came out whole, oldest first; copies are documents."""
        return sorted(self.folder.glob("*.document"), key=lambda path: int(path.stem))

    def pages(self) -> int:
        """The pages that came out."""
        return sum(pages_of(path) for path in self.printed())

    def __enter__(self) -> RawPrinter:
        return self.on()

    def __exit__(self, *_error: object) -> None:
        self.off()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                self._connection = listener.accept()[0]
            except OSError:
                return
            with self._connection:
                data = self._take(self._connection)
                if data:
                    self._print(data)

    def _take(self, connection: socket.socket) -> bytes:
        """All that comes until the sender is done; b"" when it was broken off."""
        data = bytearray()
        while True:
            if self.stop_after is not None and len(data) >= self.stop_after:
                self._room.wait()
                self.stop_after = None
            if self.break_after is not None and len(data) >= self.break_after:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                self.broken_off += 1
                return b""
            try:
                chunk = connection.recv(CHUNK_BYTES)
            except OSError:
                return b""
            if not chunk:
                return bytes(data)
            data += chunk

    def _print(self, data: bytes) -> None:
        for document in NEXT_PDF.split(data):
            number = len(self.printed()) + 1
            path = self.folder / f"{number}.document"
            path.with_suffix(".part").write_bytes(document)
            path.with_suffix(".part").rename(path)


def pages_of(path: Path) -> int:
    """The pages of a PDF or PostScript document, by poppler or Ghostscript; 0 for what is neither, or damaged."""
    documents = NEXT_PDF.split(path.read_bytes())
    if len(documents) > 1:
        return sum(pages_of(_beside(path, number, one)) for number, one in enumerate(documents))
    start = documents[0][:1024]
    if b"%PDF-" in start:
        said = subprocess.run([PDFINFO, str(path)], capture_output=True, text=True, timeout=60, check=False).stdout
        return int(said.split("Pages:", 1)[1].split()[0]) if "Pages:" in said else 0
    if b"%!PS" in start:
        command = [GHOSTSCRIPT, "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pbmraw", "-r9", "-o", "-", str(path)]
        return subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.count(b"P4\n# Image gen")
    return 0


def _beside(path: Path, number: int, content: bytes) -> Path:
    one = path.with_suffix(f".{number}")
    one.write_bytes(content)
    return one
