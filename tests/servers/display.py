"""A screen without a monitor (Xvfb), and what somebody at it would see and do: windows, colours, clicks, keys."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.servers.process import Child, ServerStartError, need

XVFB = "/usr/bin/Xvfb"
XDOTOOL = "/usr/bin/xdotool"


@dataclass(frozen=True)
class Place:
    """Where a window is on the screen, in pixels."""

    x: int
    y: int
    width: int
    height: int


class Display:
    """One X server of a size of its own on a free number. Nothing but what is started on it is on it."""

    def __init__(self, *, width: int = 1280, height: int = 800, dpi: int = 96) -> None:
        need(XVFB, "xvfb")
        need(XDOTOOL, "xdotool")
        self.width, self.height = width, height
        self._folder = tempfile.TemporaryDirectory(prefix="twinpurse-xvfb-", dir="/tmp")
        # Its picture of the screen lies in a file (X Window Dump), where every pixel can be read without asking it.
        self._screen_file = Path(self._folder.name) / "Xvfb_screen0"
        self._reader, self._writer = os.pipe()
        os.set_inheritable(self._writer, True)
        size = f"{width}x{height}x24"
        arguments = ["-displayfd", str(self._writer), "-screen", "0", size, "-dpi", str(dpi), "-nolisten", "tcp"]
        self._log = Path(self._folder.name) / "log"
        self._arguments = [XVFB, *arguments, "-noreset", "-fbdir", self._folder.name]
        self._process: subprocess.Popen[bytes] | None = None
        self._hand: _Hand | None = None
        self.name = ""

    def start(self) -> Display:
        """Start the server; it picks a free number itself. Raises ServerStartError."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._arguments, pass_fds=[self._writer], stdout=log, stderr=log)
        os.close(self._writer)
        with os.fdopen(self._reader) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise ServerStartError(f"Xvfb did not start: {self._log.read_text()[-2000:]}")
        self.name = f":{number}"
        return self

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        self._folder.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to be shown here."""
        return {"DISPLAY": self.name}

    def xdotool(self, *arguments: str, check: bool = True) -> str:
        """Run xdotool and return what it says."""
        done = subprocess.run(
            [XDOTOOL, *arguments],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        if check and done.returncode:
            raise AssertionError(f"xdotool {' '.join(arguments)}: {done.stderr or done.stdout or 'nothing found'}")
        return done.stdout.strip()

    def windows(self, title: str) -> list[str]:
        """Return the ids of the visible windows of that title, a regular expression."""
        return self.xdotool("search", "--onlyvisible", "--name", f"^{title}$", check=False).split()

    def wait_window(self, title: str, *, timeout_s: float = 15, child: Child | None = None) -> str:
        """Return the id of the visible window of that title, once it is there."""
        deadline = time.monotonic() + timeout_s
        while not (found := self.windows(title)):
            wrote = child.log_tail() if child else ""
            assert time.monotonic() < deadline, f"no window {title!r} within {timeout_s:g} s. {wrote}"
            time.sleep(0.05)
        return found[-1]

    def title(self, window: str) -> str:
        """Return a window's title."""
        return self.xdotool("getwindowname", window)

    def place(self, window: str) -> Place:
        """Return where a window is."""
        said = dict(line.split("=", 1) for line in self.xdotool("getwindowgeometry", "--shell", window).splitlines())
        return Place(int(said["X"]), int(said["Y"]), int(said["WIDTH"]), int(said["HEIGHT"]))

    def click(self, x: int, y: int) -> float:
        """Press and release the left button there; return the moment (monotonic s) at which it was sent.

        Not by xdotool: that takes a tenth of a second to begin, and clicks are timed.
        """
        if self._hand is None:
            self._hand = _Hand(self.name)
        return self._hand.click(x, y)

    def type(self, window: str, text: str) -> None:
        """Type into whatever has the focus in a window; there is no window manager that would give it one."""
        self.xdotool("windowfocus", "--sync", window, "type", "--delay", "1", text)

    def key(self, window: str, *keys: str) -> None:
        """Press keys in a window, such as "Tab" or "ctrl+r"."""
        self.xdotool("windowfocus", "--sync", window, "key", "--delay", "1", *keys)

    def pixel(self, x: int, y: int) -> str:
        """Return the colour of a pixel as "rrggbb"."""
        with self._screen_file.open("rb") as file:
            header, row_bytes = _measures(file.read(100))
            file.seek(header + y * row_bytes + x * 4)
            blue, green, red = file.read(3)
        return f"{red:02x}{green:02x}{blue:02x}"

    def colours(self, place: Place) -> dict[str, int]:
        """Return how many pixels of a part of the screen have which colour."""
        header, row_bytes, content = self._dump()
        found: dict[bytes, int] = {}
        for y in range(place.y, min(place.y + place.height, self.height)):
            start = header + y * row_bytes + place.x * 4
            row = content[start : start + min(place.width, self.width - place.x) * 4]
            for at in range(0, len(row), 4):
                found[row[at : at + 3]] = found.get(row[at : at + 3], 0) + 1
        return {bytes(reversed(pixel)).hex(): count for pixel, count in found.items()}

    def screenshot(self, path: Path) -> None:
        """Write the screen as a PNG."""
        import zlib

        header, row_bytes, content = self._dump()
        rows = []
        for y in range(self.height):
            row = content[header + y * row_bytes : header + y * row_bytes + self.width * 4]
            rgb = bytearray(3 * self.width)
            rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
            rows.append(b"\0" + bytes(rgb))
        parts = [
            (b"IHDR", self.width.to_bytes(4, "big") + self.height.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))),
            (b"IDAT", zlib.compress(b"".join(rows), 6)),
            (b"IEND", b""),
        ]
        chunks = (
            len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
            for kind, data in parts
        )
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))

    def _dump(self) -> tuple[int, int, bytes]:
        """Return where the pixels begin, the bytes of a row, and the screen's file."""
        content = self._screen_file.read_bytes()
        return *_measures(content), content

    def __enter__(self) -> Display:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Hand:
    """A hand on the mouse: a connection to the screen that sends clicks by the XTEST extension."""

    def __init__(self, display: str) -> None:
        self._x11, self._xtst = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        self._x11.XOpenDisplay.restype = ctypes.c_void_p
        opened = self._x11.XOpenDisplay(display.encode())
        if not opened:
            raise ServerStartError(f"{display} cannot be opened")
        self._display = ctypes.c_void_p(opened)

    def click(self, x: int, y: int) -> float:
        """Press and release there; return when."""
        self._xtst.XTestFakeMotionEvent(self._display, -1, x, y, 0)
        for pressed in (1, 0):
            self._xtst.XTestFakeButtonEvent(self._display, 1, pressed, 0)
        sent = time.monotonic()
        self._x11.XFlush(self._display)
        return sent


def _measures(head: bytes) -> tuple[int, int]:
    """Return where the pixels begin, and the bytes of a row (XWDFile.h: 25 words of 32 bits)."""
    words = [int.from_bytes(head[at : at + 4], "big") for at in range(0, 100, 4)]
    return words[0] + words[19] * 12, words[12]
