"""twinpurse-squid-log: follows Squid's log and books who received how many bytes, each line exactly once."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edge.client import InstanceAwayError, InstanceClient, InstanceRefusedError
from edge.settings import SettingsError
from edge.squid_lines import LogFormat, Unpaid, line_time_ms, read_line
from edge.squid_settings import load_squid, log_to_stderr
from edge.squid_tail import LogTail, Place

LOOK_EVERY_S = 0.2  # at the end of the log
LONGEST_BATCH = 5000  # lines; bounds the memory and the size of one request
FIRST_PAUSE_S = 0.5  # after the instance did not answer; doubled each time
LONGEST_PAUSE_S = 30.0
IDLE_PLACE_EVERY_S = 60.0  # how often a place is stored that only unpaid lines have moved
ONCE_GIVES_UP_S = 30.0
SAY_UNREADABLE_EVERY_S = 60.0
HTTP_CONFLICT = 409
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}

log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The program was asked to end. What is not booked yet is read again at the next start."""


class TokenRefusedError(Exception):
    """The instance does not take our token: nothing can be done before an administrator has changed it."""


class OnceFailedError(Exception):
    """`--once` could not book everything in its time. Nothing is lost: the next run begins where this one ended."""


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


@dataclass
class Share:
    """What one user received in a batch: bytes, the newest line's time in milliseconds, how many requests."""

    bytes: int = 0
    newest_ms: int = 0
    requests: int = 0


@dataclass
class Batch:
    """Lines read but not booked yet, summed by user, and the place behind them."""

    place: Place | None = None
    shares: dict[str, Share] = field(default_factory=dict)
    lines: int = 0
    begun: float | None = None  # monotonic time of its first line

    def body(self, source: str, number: int) -> dict[str, Any]:
        """The request that books this batch. The same batch always gives the same body."""
        assert self.place is not None
        items = [
            {"user": user, "bytes": share.bytes, "at": _rfc3339(share.newest_ms), "requests": share.requests}
            for user, share in sorted(self.shares.items())
        ]
        return {"source": source, "batch": number, "position": self.place.as_json(), "items": items}


def _rfc3339(at_ms: int) -> str:
    seconds, millis = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


class Follower:
    """Reads the log, books batches, and asks the books for its place whenever it is not sure of it.

    Exactly once rests on one thing: the instance stores a batch's entries and the place behind them in one
    transaction. A batch without an answer is sent again unchanged; a batch that was booked already is answered with
    what is stored; whatever was read and not booked is read again.
    """

    def __init__(
        self,
        instance: InstanceClient,
        tail: LogTail,
        *,
        source: str,
        log_format: LogFormat,
        pauses: Pauses,
        batch_s: float,
        once: bool = False,
        skip_old: bool = False,
    ) -> None:
        """`source` names this log in the books; `batch_s`, in seconds, is how long a batch is collected at most."""
        self._instance = instance
        self._tail = tail
        self._source = source
        self._format = log_format
        self._pauses = pauses
        self._batch_s = batch_s
        self._once = once
        self._skip_old = skip_old
        self._number = 0
        self._stored_at = time.monotonic()
        self._unpaid: Counter[Unpaid] = Counter()
        self._unreadable_said_at = 0.0

    def run(self) -> None:
        """Follow the log until told to stop (StoppedError), or with `once` until its end."""
        self._ask_place()
        while True:
            batch = Batch()
            try:
                self._collect(batch)
            except StoppedError:
                if batch.shares:
                    self._send_last(batch)
                raise
            if batch.shares or (batch.lines and self._place_is_old()):
                self._book(batch)
            if self._once and not batch.lines:
                self._say_unreadable(at_least_s=0)
                return

    def _place_is_old(self) -> bool:
        return self._once or time.monotonic() - self._stored_at >= IDLE_PLACE_EVERY_S

    def _ask_place(self) -> None:
        path = f"/internet/position?source={quote(self._source, safe='')}"
        answer = self._insist(lambda: self._instance.get(path).body)
        number, position = answer.get("batch"), answer.get("position")
        if type(number) is not int or number < 0 or not (position is None or isinstance(position, dict)):
            raise ValueError(f"the place in the books is not understood: {answer!r}")
        self._number = number
        self._stored_at = time.monotonic()
        if position is None:
            self._tail.begin(at_end=self._skip_old)
            log.info("nothing is booked yet from %s: starting with %s", self._source, self._tail.path)
            if self._skip_old and self._tail.place is not None:
                self._book(Batch(place=self._tail.place))  # or a restart would skip once more
        else:
            self._tail.resume(Place.from_json(position))
            log.info("going on behind batch %d of %s", number, self._source)

    def _collect(self, batch: Batch) -> None:
        """Fill a batch until it is full or old enough, or with `once` until the log's end."""
        while batch.lines < LONGEST_BATCH:
            lines = self._tail.read(LONGEST_BATCH - batch.lines)
            self._add(batch, lines)
            now = time.monotonic()
            if self._once and not lines:
                return
            if batch.begun is not None and now - batch.begun >= self._batch_s:
                return
            if batch.lines < LONGEST_BATCH:
                self._pauses.wait(0 if self._once else LOOK_EVERY_S)

    def _add(self, batch: Batch, lines: list[bytes]) -> None:
        if not lines:
            return
        for line in lines:
            traffic = read_line(line, self._format)
            if isinstance(traffic, Unpaid):
                self._unpaid[traffic] += 1
                continue
            share = batch.shares.setdefault(traffic.user, Share())
            share.bytes += traffic.bytes
            share.newest_ms = max(share.newest_ms, traffic.at_ms)
            share.requests += 1
        batch.lines += len(lines)
        batch.place = self._tail.place
        if batch.begun is None:
            batch.begun = time.monotonic()
        self._say_unreadable(at_least_s=SAY_UNREADABLE_EVERY_S)

    def _book(self, batch: Batch) -> None:
        body = batch.body(self._source, self._number + 1)
        try:
            answer = self._insist(lambda: self._instance.post("/internet/usage", body))
        except InstanceRefusedError as refusal:
            log.warning("batch %d does not follow the books (%s): asking for the place again", body["batch"], refusal)
            self._ask_place()
            return
        if answer.get("batch") == body["batch"] and answer.get("position") == body["position"]:
            self._number += 1
            self._stored_at = time.monotonic()
            return
        # Somebody else booked this number: a second follower under the same name, or our own request of before a
        # restart that arrived late. Ours is not in the books; what counts is what they hold.
        log.warning("batch %d was booked by another follower of %s: going by the books", body["batch"], self._source)
        self._ask_place()

    def _send_last(self, batch: Batch) -> None:
        """One attempt at the end: what it does not reach is read again at the next start."""
        try:
            self._instance.post("/internet/usage", batch.body(self._source, self._number + 1))
        except (InstanceAwayError, InstanceRefusedError) as problem:
            log.info("the last lines will be booked at the next start: %s", problem)

    def _insist(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Ask until there is an answer, with growing pauses.

        Raises InstanceRefusedError only for 409, TokenRefusedError for a token that is not taken, OnceFailedError
        with `once`. Any other refusal is asked again too, slowly: these are people's bytes, they are never dropped.
        """
        began = time.monotonic()
        pause = FIRST_PAUSE_S
        said = False
        while True:
            try:
                answer = ask()
            except InstanceRefusedError as refusal:
                if refusal.status == HTTP_CONFLICT:
                    raise
                if refusal.about_token:
                    raise TokenRefusedError(str(refusal)) from None
                log.error("the instance refused: %s", refusal)
                pause = LONGEST_PAUSE_S
            except InstanceAwayError as problem:
                if not said:
                    log.warning("the instance is away (%s): waiting for it, the log keeps what comes", problem)
                said = True
            else:
                if said:
                    log.info("the instance is back after %.1f s", time.monotonic() - began)
                return answer
            if self._once and time.monotonic() - began + pause > ONCE_GIVES_UP_S:
                raise OnceFailedError("not everything could be booked; the next run goes on from here")
            self._pauses.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _say_unreadable(self, *, at_least_s: float) -> None:
        count = self._unpaid[Unpaid.UNREADABLE]
        if count and time.monotonic() - self._unreadable_said_at >= at_least_s:
            self._unreadable_said_at = time.monotonic()
            self._unpaid[Unpaid.UNREADABLE] = 0
            # The lines themselves stay out of our log: they say who looked at what.
            place = self._tail.place
            where = f"before byte {place.offset} of {place.path}" if place else f"of {self._tail.path}"
            log.warning(
                "%d lines %s are not in the format %s: nobody was charged for them", count, where, self._format.value
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow the log until SIGTERM (0). 1: the config, the token or the log needs an administrator."""
    options = _parser().parse_args(arguments)
    log_to_stderr("twinpurse-squid-log")
    pauses = Pauses()
    try:
        settings = load_squid(options.config)
        tail = LogTail(options.log, time_of=line_time_ms, warn=log.warning)
        follower = Follower(
            InstanceClient(settings),
            tail,
            source=settings.server,
            log_format=LogFormat(options.format),
            pauses=pauses,
            batch_s=options.batch_seconds,
            once=options.once,
            skip_old=options.skip_old,
        )
        follower.run()
    except StoppedError:
        log.info("stopped")
    except (SettingsError, TokenRefusedError, OnceFailedError, OSError, ValueError) as problem:
        log.error("%s", problem)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twinpurse-squid-log", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the edge's config file (TOML)")
    parser.add_argument("--log", type=Path, required=True, help="the log that Squid writes")
    parser.add_argument(
        "--format",
        choices=[known.value for known in LogFormat],
        default=LogFormat.TWINPURSE.value,
        help="the log's format: ours, or Squid's native one (default: twinpurse)",
    )
    parser.add_argument(
        "--batch-seconds",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="how long usage is summed up before it is booked (default: 1)",
    )
    parser.add_argument(
        "--skip-old",
        action="store_true",
        help="at the very first start, charge only what comes from now on; otherwise all that is there",
    )
    parser.add_argument("--once", action="store_true", help="read to the end of the log, book it, and stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
