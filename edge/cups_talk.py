"""What passes between CUPS and a backend besides the document: lines on stderr, exit codes, the wish to stop."""

from __future__ import annotations

import os
import time
from typing import Final, Protocol

OK: Final = 0
FAILED: Final = 1
HOLD: Final = 3
CANCEL: Final = 5
RETRY_AT_ONCE: Final = 7  # begins anew at once, so only after a long wait: else CUPS does nothing but this
MAX_WORDS: Final = 400
PAUSE_S: Final = 0.1


class Stoppable(Protocol):
    """What must hear of it when CUPS asks for the end."""

    def stop(self) -> None:
        """Give up what is being printed."""


class Stop:
    """Whether CUPS asked for the end (SIGTERM), and the device that must hear of it too."""

    def __init__(self) -> None:
        self.asked = False
        self.device: Stoppable | None = None

    def __call__(self, *_: object) -> None:
        self.asked = True
        if self.device is not None:
            self.device.stop()

    def pause(self, seconds: float) -> bool:
        """Sleep; return False within a moment when CUPS asks for the end (a signal alone does not end time.sleep)."""
        until = time.monotonic() + seconds
        while not self.asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, PAUSE_S))
        return not self.asked


def say(level: str, words: str) -> None:
    """Tell CUPS something on one line; control characters cannot start a second line, which CUPS might obey."""
    line = "".join(letter if letter.isprintable() else " " for letter in words)[:MAX_WORDS]
    forward(f"{level}: {line}\n".encode("utf-8", "replace"))


def forward(line: bytes) -> None:
    """Write one line to CUPS. A CUPS that no longer listens must not stop a print from being settled."""
    try:
        os.write(2, line)
    except OSError:
        return
