"""Waiting that ends at once when the program is told to stop."""

from __future__ import annotations

import signal
from typing import Final

STOP_SIGNALS: Final = {signal.SIGTERM, signal.SIGINT}


class StoppedError(Exception):
    """The program was asked to end. What is not booked yet is read again at the next start."""


class Pauses:
    """Waiting that ends at once when the program is told to stop.

    The signals are blocked and only taken here, so they never cut a request to the instance in two.
    """

    def __init__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)

    def wait(self, seconds: float) -> None:
        """Wait. Raises StoppedError as soon as SIGTERM or SIGINT has come."""
        if signal.sigtimedwait(STOP_SIGNALS, seconds) is not None:
            raise StoppedError
