"""Running connections metered while they run: what they grew by is charged at once, and settled at their log line.

Squid writes a long download or a tunnel into its log when it has ended. Until then its cache manager says how far it
is. What is charged of a running connection lies in the batch's position, so it is stored in the transaction that books
it: whatever dies, the log line pays for the rest and nothing else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from edge.squid_active import Active, read_active
from edge.squid_lines import ANONYMOUS_NAMES, name_from_url_code
from edge.squid_report import Posting, Reporter, Running
from edge.squid_settings import LiveSettings, load_live
from edge.wire import Peer, WireError, exchange

PAGE: Final = "/squid-internal-mgr/active_requests"
MANAGER_TIMEOUT_S: Final = 3.0
LARGEST_PAGE: Final = 64_000_000  # bytes; 500 a connection
LEAST_GROWTH: Final = 262_144  # bytes: what grows more slowly is left to its log line or to a later look
MOST_CHARGED: Final = 5000  # connections that may be charged in part at one time; they are stored with every batch
REST: Final = 20  # a look that took t seconds is followed by a pause of at least t times this
GONE_FOR_MS: Final = 60_000  # lines this much later than a connection was last seen: its own will not come any more
SAY_AGAIN_EVERY_S: Final = 300.0
METERED: Final = frozenset({"TCP_TUNNEL", "TCP_MISS", "TCP_REFRESH_MODIFIED", "TCP_CLIENT_REFRESH_MISS"})

log = logging.getLogger(__name__)


class Delta(NamedTuple):
    """What a running connection grew by: bytes down and up; `at` in seconds since 1970."""

    connection_id: str
    user: str
    download: int
    upload: int
    host: str
    at: int


class ManagerError(Exception):
    """Squid's cache manager gave no list of what runs."""


class LiveMeter:
    """Meters what runs. All calls come from one thread, the one that reads the log.

    poll() asks Squid before lines are read: a line that was read before cannot belong to a connection that Squid still
    lists, so that no byte is found twice.
    """

    def __init__(
        self,
        ask: Callable[[], bytes] | None,
        *,
        every_s: float = 1.0,
        report: Callable[[list[Running]], None] = lambda running: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`ask` returns the cache manager's page or raises ManagerError; None: nobody is asked, poll() finds nothing.

        `report` gets what runs after each look.
        """
        self.charged: dict[str, list[int]] = {}
        self._owed: dict[str, list[int]] = {}
        self._ask = ask
        self._every_s = every_s
        self._report = report
        self._clock = clock
        self._read_before: dict[str, int] = {}  # bytes that a connection had read before its present request
        self._seen_ms: dict[str, int] = {}
        self._sent: dict[str, list[int]] = {}
        self._booked: dict[str, list[int]] = {}
        self._next_look = 0.0
        self._said_at = -SAY_AGAIN_EVERY_S

    @property
    def must_settle(self) -> bool:
        """Whether log lines have to pass settle(): something is charged in part, or was charged too much."""
        return bool(self.charged or self._owed)

    def resume(self, stored: Any) -> None:
        """Go on from what the books hold, as state() wrote it; None for nothing."""
        self.charged, self._owed = _pairs(stored, "charged"), _pairs(stored, "owed")
        self._booked = {key: list(pair) for key, pair in self.charged.items()}
        now_ms = int(self._clock() * 1000)
        self._seen_ms = {key: self._seen_ms.get(key, now_ms) for key in self.charged}
        self._read_before = {}

    def poll(self) -> list[Delta]:
        """Ask Squid what runs, when it is time; return what grew since it was charged. Never raises."""
        begun = time.monotonic()
        if self._ask is None or begun < self._next_look:
            return []
        try:
            running = read_active(self._ask())
        except ManagerError as problem:
            self._next_look = begun + max(self._every_s, 1.0)
            if begun - self._said_at >= SAY_AGAIN_EVERY_S:
                self._said_at = begun
                log.warning("Squid does not say what runs (%s): charged when it ends", problem)
            return []
        deltas, seen = self._meter(running)
        self._report(seen)
        self._next_look = begun + max(self._every_s, REST * (time.monotonic() - begun))
        return deltas

    def settle(self, client_port: int, start_ms: int, user: str, download: int, upload: int) -> tuple[int, int]:
        """Return what is still to charge of a finished request's bytes (down, up)."""
        for near in (start_ms, start_ms - 1, start_ms + 1):  # the line's two times are each cut to milliseconds
            paid = self.charged.pop(f"{client_port}/{near}", None)
            if paid is not None:
                self._seen_ms.pop(f"{client_port}/{near}", None)
                download, upload = self._less(user, download - paid[0], upload - paid[1])
                break
        return self._give_back(user, download, upload) if self._owed else (download, upload)

    def state(self, newest_ms: int) -> dict[str, Any]:
        """What to store in the position of a batch that holds all deltas given out and lines settled so far.

        `newest_ms`: the time of the newest line read, in milliseconds since 1970. {} when there is nothing to keep.
        """
        for key in [
            key for key, seen in self._seen_ms.items() if key in self.charged and seen + GONE_FOR_MS < newest_ms
        ]:
            del self.charged[key]  # Squid died with it: it has no line
        self._sent = {key: list(pair) for key, pair in self.charged.items()}
        if not self.must_settle:
            return {}
        return {"charged": self._sent, "owed": {user: list(pair) for user, pair in self._owed.items()}}

    def booked(self) -> None:
        """The instance has booked the batch whose position state() made."""
        self._booked = self._sent

    def _meter(self, running: Iterable[Active]) -> tuple[list[Delta], list[Running]]:
        now = self._clock()
        deltas: list[Delta] = []
        seen: list[Running] = []
        read_before: dict[str, int] = {}
        for each in running:
            user = _name(each.user) if each.tag in METERED else None
            if user is None:
                continue
            key = f"{each.client_port}/{each.start_ms}"
            paid = self.charged.get(key) or [0, 0]
            before = self._read_before.get(key)
            if before is None:  # other requests came over this connection before: what is new counts from now on
                before = 0 if each.requests == 1 else each.read - paid[1]
            read_before[key] = before
            now_down, now_up = each.out_size, max(0, each.read - before) if each.tag == "TCP_TUNNEL" else 0
            self._seen_ms[key] = int(now * 1000)
            booked = self._booked.get(key) or (0, 0)
            pending = max(0, now_down - booked[0]), max(0, now_up - booked[1])
            seen.append(Running(key, user, each, now_down, now_up, *pending))
            down, up = max(0, now_down - paid[0]), max(0, now_up - paid[1])
            if down + up < LEAST_GROWTH or (key not in self.charged and len(self.charged) >= MOST_CHARGED):
                continue
            self.charged[key] = [paid[0] + down, paid[1] + up]
            down, up = self._give_back(user, down, up) if self._owed else (down, up)
            if down + up:
                deltas.append(Delta(key, user, down, up, each.host, int(now)))
        self._read_before = read_before
        self._seen_ms = {key: at for key, at in self._seen_ms.items() if key in self.charged or key in read_before}
        return deltas, seen

    def _less(self, user: str, download: int, upload: int) -> tuple[int, int]:
        """What a line adds; what was charged beyond it is owed to the user, whose next growth is charged less."""
        if download < 0 or upload < 0:
            owed = self._owed.setdefault(user, [0, 0])
            owed[0] += max(0, -download)
            owed[1] += max(0, -upload)
        return max(0, download), max(0, upload)

    def _give_back(self, user: str, download: int, upload: int) -> tuple[int, int]:
        owed = self._owed.get(user)
        if owed is None:
            return download, upload
        back = min(owed[0], download), min(owed[1], upload)
        owed[0], owed[1] = owed[0] - back[0], owed[1] - back[1]
        if owed == [0, 0]:
            del self._owed[user]
        return download - back[0], upload - back[1]


def meter_for(config: Path, instance: Posting, source: str, *, quiet: bool = False) -> LiveMeter:
    """Make the meter that a config file's [live] asks for. Raises SettingsError.

    Without [live], or `quiet`, it asks nobody, and still settles what the books say was charged before.
    """
    settings = load_live(config)
    if settings is None or quiet:
        return LiveMeter(None)
    reporter = Reporter(instance, source=source, end_socket=settings.end_socket)
    reporter.start()
    return LiveMeter(lambda: ask_manager(settings), every_s=settings.every_s, report=reporter.take)


def ask_manager(settings: LiveSettings) -> bytes:
    """Return the cache manager's page of active requests. Raises ManagerError."""
    peer = Peer(settings.host, settings.port, MANAGER_TIMEOUT_S, MANAGER_TIMEOUT_S)
    try:
        answer = exchange(peer, "GET", PAGE, {}, None, LARGEST_PAGE)
    except WireError as error:
        raise ManagerError(str(error)) from None
    if answer.status != 200:
        raise ManagerError(f"it answered {answer.status}; it needs `http_access allow localhost manager`")
    return answer.content


def _name(raw: bytes) -> str | None:
    """The user name as the log's lines have it; the cache manager writes it as it is, URL-encoded nothing."""
    return None if raw in ANONYMOUS_NAMES else name_from_url_code(raw.replace(b"%", b"%25"))


def _pairs(stored: Any, name: str) -> dict[str, list[int]]:
    found = stored.get(name) if isinstance(stored, dict) else None
    return {key: list(pair) for key, pair in found.items() if _is_pair(pair)} if isinstance(found, dict) else {}


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(type(number) is int and number >= 0 for number in pair)
