"""Who may use the Internet: the instance's list, kept fresh by a background thread, and its word on one user."""

from __future__ import annotations

import logging
import math
import threading
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from edge.client import Answer, InstanceAwayError, InstanceRefusedError

POLL_EVERY_S = 1.0
REMEMBER_S = 3.0  # how long the instance's word on one user is good for
MOST_REMEMBERED = 10_000
SAY_AGAIN_EVERY_S = 300.0

log = logging.getLogger(__name__)


class Asking(Protocol):
    """The part of the HTTP client that is used here."""

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET a path of the instance. Raises InstanceAwayError, InstanceRefusedError."""


@dataclass(frozen=True)
class Verdict:
    """Whether a user may go on, and, when not, the sentence that the user is shown."""

    allowed: bool
    message: str = ""


@dataclass(frozen=True)
class _Table:
    watching_only: bool  # the instance's mode is "monitor": it counts and never refuses
    users: Mapping[str, bool]
    domains: Sequence[str]  # casefolded; DOMAIN\name and name@domain are the name
    etag: str


class Standing:
    """The instance's list of who may use the Internet, as fresh as the last answer.

    keep_fresh() runs in a thread of its own; everything else may be called from any thread.
    """

    def __init__(self, instance: Asking, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._instance = instance
        self._clock = clock
        self._table: _Table | None = None
        self._as_of = -math.inf
        self._away_since: float | None = None
        self._said_at = -math.inf
        self._remembered: dict[str, tuple[float, Verdict]] = {}
        self._lock = threading.Lock()

    @property
    def age_s(self) -> float:
        """Seconds since the instance last confirmed the list; infinite when it never did."""
        return self._clock() - self._as_of

    @property
    def away(self) -> bool:
        """Whether the last attempt to ask the instance for the list failed."""
        return self._away_since is not None

    def may(self, user: str) -> bool | None:
        """What the list says about a user, however the proxy writes the name; None when the user is not in it."""
        table = self._table
        if table is None:
            return None
        if table.watching_only:
            return True
        name = _composed(user)
        listed = table.users.get(name)
        return listed if listed is not None else table.users.get(_without_domain(name, table.domains))

    def refresh(self) -> None:
        """Ask for the list once, with the ETag of the one at hand. Never raises; see `away`."""
        asked_at = self._clock()
        table = self._table
        try:
            answer = self._instance.get("/internet/standing", {"If-None-Match": table.etag} if table else None)
            if answer.status != 304:
                self._table = _read_table(answer)
            elif table is None:
                raise InstanceAwayError("304 without having sent an ETag")
        except (InstanceAwayError, InstanceRefusedError) as problem:
            self._note_away(str(problem))
            return
        self._as_of = asked_at
        if self._away_since is not None:
            log.info("the instance answers again after %.0f s", self._clock() - self._away_since)
            self._away_since = None

    def keep_fresh(self, stop: threading.Event, every_s: float = POLL_EVERY_S) -> None:
        """Refresh every `every_s` seconds until `stop` is set."""
        while not stop.is_set():
            try:
                self.refresh()
            except Exception:  # the list only grows old; a dead thread would never make it fresh again
                log.exception("the list of who may use the Internet was not refreshed")
            stop.wait(every_s)

    def remembered(self, user: str) -> Verdict | None:
        """The instance's word on a user, when it was given a moment ago."""
        found = self._remembered.get(user)
        return found[1] if found is not None and self._clock() - found[0] < REMEMBER_S else None

    def ask(self, user: str) -> Verdict:
        """Ask the instance about one user. Raises InstanceAwayError: nothing is known."""
        try:
            body = self._instance.get(f"/internet/standing/{quote(user, safe='')}").body
        except InstanceRefusedError as refusal:
            if refusal.about_token:
                self._note_away(str(refusal))
                raise InstanceAwayError("the instance does not take our token") from None
            body = {"allowed": False, "message": refusal.message}  # nobody it knows
        except InstanceAwayError as problem:
            self._note_away(str(problem))  # the next users need not wait to find out the same
            raise
        allowed, message = body.get("allowed"), body.get("message", "")
        if not isinstance(allowed, bool) or not isinstance(message, str):
            raise InstanceAwayError("the answer about a user was not understood")
        verdict = Verdict(allowed, message)
        now = self._clock()
        with self._lock:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()  # rare, and only costs asking again
            self._remembered[user] = (now, verdict)
        return verdict

    def _note_away(self, problem: str) -> None:
        now = self._clock()
        if self._away_since is None:
            self._away_since = now
            self._said_at = -math.inf
        if now - self._said_at >= SAY_AGAIN_EVERY_S:
            self._said_at = now
            log.warning("no fresh list of who may use the Internet: %s", problem)


def _read_table(answer: Answer) -> _Table:
    users: Any = answer.body.get("users")
    domains: Any = answer.body.get("domains", [])  # an older instance names none
    mode = answer.body.get("mode")
    if mode not in ("enforce", "monitor") or not isinstance(users, dict):
        raise InstanceAwayError("the list of who may use the Internet was not understood")
    if not all(isinstance(may, bool) for may in users.values()):
        raise InstanceAwayError("the list of who may use the Internet was not understood")
    if not isinstance(domains, list) or not all(isinstance(domain, str) for domain in domains):
        raise InstanceAwayError("the list of who may use the Internet was not understood")
    etag = answer.headers.get("etag", "")
    return _Table(mode == "monitor", users, [_composed(domain) for domain in domains], etag)


def _composed(name: str) -> str:
    """The form in which the instance lists names: composed letters (NFC), no case, no outer spaces."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _without_domain(name: str, domains: Sequence[str]) -> str:
    r"""The name without "DOMAIN\" or "@realm" where that is one of `domains`, as the instance itself reads it."""
    domain, backslash, account = name.partition("\\")
    if backslash and account.strip() and domain.strip() in domains:
        return account.strip()
    account, at, domain = name.rpartition("@")
    return account.strip() if at and account.strip() and domain.strip() in domains else name
