"""Who may use the Internet: the instance's list, kept fresh by a background thread, and its word on one user."""

from __future__ import annotations

import ipaddress
import logging
import math
import threading
import time
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import quote, unquote

from edge.client import Answer, InstanceAwayError, InstanceRefusedError, InstanceUnableError
from edge.standing_share import Share

POLL_EVERY_S: Final = 1.0
LOOK_EVERY_S: Final = 0.25  # at what another helper has written
AWAY_AFTER_S: Final = 3.0  # without a word from who asks for all
REMEMBER_S: Final = 3.0  # how long the instance's word on one user is good for
MOST_REMEMBERED: Final = 10_000
SAY_AGAIN_EVERY_S: Final = 300.0
HOWS: Final = ("", "slow", "warn")
LANGUAGES: Final = ("en", "de")
"""In these a proxy may show why it refuses."""

log = logging.getLogger(__name__)


class Asking(Protocol):
    """The part of the HTTP client that is used here."""

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET a path of the instance. Raises InstanceAwayError, InstanceRefusedError."""


class Verdict(NamedTuple):
    """Whether a user may go on; when not, the sentence that the user is shown; `how`: "", "slow" or "warn".

    `texts`: the sentence in other languages, as (code, sentence).
    """

    allowed: bool
    message: str = ""
    how: str = ""
    texts: tuple[tuple[str, str], ...] = ()


class _Header(NamedTuple):
    watching_only: bool = False  # the instance's mode is "monitor": it counts and never refuses
    domains: Collection[str] = ()  # casefolded; DOMAIN\name and name@domain are the name
    open_hosts: Mapping[str, bool] = {}  # with all hosts below them; False: below one that is open, and not open itself


class Standing:
    """The instance's list of who may use the Internet, as fresh as the last answer.

    keep_fresh() runs in a thread of its own; everything else may be called from any thread. `changed` grows with every
    change of what the list says, and then `on_change` is called.
    """

    def __init__(
        self, instance: Asking, *, share: Share | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`share`: the file by which the helpers of this machine have one list; without it each asks for itself."""
        self.changed = 0
        self.on_change: Callable[[], object] = lambda: None
        self._instance = instance
        self._share = share
        self._clock = clock
        self._users: dict[str, bool | str] = {}
        self._header = _Header()
        self._raw_header: dict[str, Any] = {}
        self._version = ""
        self._as_of = -math.inf
        self._began = clock()
        self._alone = False  # another helper holds the file and is silent
        self._unable = False  # the instance had no list for us the last time
        self._away_since: float | None = None
        self._said_at = -math.inf
        self._said_of_users_at = -math.inf
        self._remembered: dict[str, tuple[float, Verdict]] = {}
        self._lock = threading.Lock()

    @property
    def age_s(self) -> float:
        """Seconds since the instance last confirmed the list; infinite when it never did."""
        return self._clock() - self._as_of

    @property
    def away(self) -> bool:
        """Whether the last attempt to ask the instance failed."""
        return self._away_since is not None

    def may(self, user: str) -> bool | str | None:
        """What the list says about a user, however the proxy writes the name; None when the user is not in it."""
        if not self._version:
            return None
        if self._header.watching_only:
            return True
        name = _composed(user)
        listed = self._users.get(name)
        return listed if listed is not None else self._users.get(_without_domain(name, self._header.domains))

    def is_open(self, host: str) -> bool:
        """Whether a host is open to who has nothing left: of it and the domains above it, the longest listed counts."""
        hosts = self._header.open_hosts
        rest = _host_name(host) if hosts else ""
        if ":" in rest:
            return hosts.get(rest, False)  # an address has no domain above it
        while rest:
            if rest in hosts:
                return hosts[rest]
            rest = rest.partition(".")[2]
        return False

    def refresh(self) -> None:
        """Ask once for what changed. Never raises; see `away`."""
        asked_at = self._clock()
        try:
            since = f"?since={quote(self._version, safe='')}" if self._version else ""
            answer = self._instance.get(f"/internet/standing{since}")
            if answer.status != 304:
                self._apply(answer.body)
            elif not self._version:
                raise InstanceAwayError("304 without having named a version")
            self._pass_on(answer.body)
        except (InstanceAwayError, InstanceRefusedError) as problem:
            once = isinstance(problem, InstanceUnableError) and not self._unable
            self._unable = True
            if not once or not self._version:  # once is no absence, where there is a list
                self._note_away(str(problem))
            return
        self._unable = False
        self._note_here(asked_at)

    def keep_fresh(self, stop: threading.Event, every_s: float = POLL_EVERY_S) -> None:
        """Refresh every `every_s` seconds until `stop` is set, or look at what another helper found."""
        while not stop.is_set():
            pause = every_s
            try:
                if self._share is None or self._must_ask(self._share):
                    self.refresh()
                else:
                    pause = LOOK_EVERY_S
            except Exception:  # the list only grows old; a dead thread would never make it fresh again
                log.exception("the list of who may use the Internet was not refreshed")
            stop.wait(pause)

    def remembered(self, user: str) -> Verdict | None:
        """The instance's word on a user, when it was given a moment ago."""
        found = self._remembered.get(user)
        return found[1] if found is not None and self._clock() - found[0] < REMEMBER_S else None

    def ask(self, user: str) -> Verdict:
        """Ask the instance about one user. Raises InstanceAwayError: nothing is known."""
        asked_at = self._clock()
        try:
            body = self._instance.get(f"/internet/standing/{quote(user, safe='')}").body
        except InstanceRefusedError as refusal:
            if refusal.about_token:
                self._note_away(str(refusal))
                raise InstanceAwayError("the instance does not take our token") from None
            body = {"allowed": False, "message": refusal.message}  # nobody it knows
        except InstanceAwayError as problem:
            if isinstance(problem, InstanceUnableError) or self._as_of > asked_at:
                self._note_unable(str(problem))  # about this user: others may be known, as the list is
            else:
                self._note_away(str(problem))  # the next users need not wait to find out the same
            raise
        allowed, message, how = body.get("allowed"), body.get("message", ""), body.get("how", "")
        if not isinstance(allowed, bool) or not isinstance(message, str) or how not in HOWS:
            raise InstanceAwayError("the answer about a user was not understood")
        verdict = Verdict(allowed, message, how, _texts(body.get("messages"), message))
        now = self._clock()
        with self._lock:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()  # rare, and only costs asking again
            self._remembered[user] = (now, verdict)
        return verdict

    def _must_ask(self, share: Share) -> bool:
        """Whether to ask the instance ourselves; else what the helper that asks for all has written was taken over."""
        try:
            leading = share.lead()
            if leading and self._version:
                return True
            fresh = self._take_over(share)
        except (InstanceAwayError, OSError) as problem:
            self._stop_sharing(share, problem)
            return True
        if leading:
            return True
        # Just after our start the helper that asks may have had no time to write.
        if not fresh and not self._alone and self._clock() - self._began > AWAY_AFTER_S:
            self._alone = True
            log.warning("the helper that asks for all has no word of the instance; asking for this one until it has")
        return self._alone

    def _take_over(self, share: Share) -> bool:
        """Take over what the helper that asks for all has written; return whether it had word of the instance lately.

        Raises InstanceAwayError when it is not understood, OSError.
        """
        try:
            age = share.age_s()
            fresh = age <= AWAY_AFTER_S
            if self._alone and not fresh:
                return False  # what we were told ourselves is newer
            if self._alone:
                share.forget()  # what is added to the file changes what stands there, not what we were told
            for record in share.news():
                self._apply(record)
        except FileNotFoundError:  # nobody has written yet
            return False
        if self._version:
            self._as_of = self._clock() - age
            if fresh:
                self._alone = False
                self._note_here(self._as_of)
        return fresh and bool(self._version)

    def _stop_sharing(self, share: Share, problem: Exception) -> None:
        """Ask for ourselves from now on, and say why."""
        share.let_go()
        self._share = None
        if isinstance(problem, OSError):
            log.warning(
                "--shared cannot be used, this helper asks for itself: %s; %s must be a folder that Squid's user can"
                " write to",
                problem,
                share.folder,
            )
        else:
            log.warning("--shared cannot be used, this helper asks for itself: %s", problem)

    def _apply(self, body: Mapping[str, Any]) -> None:
        """Take over a list, or what changed in it. Raises InstanceAwayError when it is not understood."""
        users, header = body.get("users"), _read_header(body)
        full, version = body.get("full", True), body.get("version", "-")
        if not isinstance(users, dict) or not isinstance(version, str) or not version:
            raise InstanceAwayError("the list of who may use the Internet was not understood")
        if not all(word is None or isinstance(word, bool) or word in HOWS for word in users.values()):
            raise InstanceAwayError("the list of who may use the Internet was not understood")
        if full:
            self._users = {name: word for name, word in users.items() if word is not None}
        for name, word in () if full else users.items():
            if word is None:
                self._users.pop(name, None)
            else:
                self._users[name] = word
        self._remembered = {}  # what was said of single users is older; it only costs asking again
        self._header, self._version = header, version
        self._raw_header = {name: body[name] for name in ("mode", "domains", "open", "closed") if name in body}
        self.changed += 1
        self.on_change()

    def _pass_on(self, body: Mapping[str, Any]) -> None:
        """Write what the instance said for the other helpers; an empty body says that nothing changed."""
        if self._share is None or not self._share.leading:  # one writes, however many ask
            return
        everybody = {**self._raw_header, "version": self._version, "full": True, "users": self._users}
        try:
            self._share.write({**body, "full": body.get("full", True)} if body else None, everybody)
        except OSError as problem:
            self._stop_sharing(self._share, problem)

    def _note_here(self, as_of: float) -> None:
        self._as_of = as_of
        if self._away_since is not None:
            log.info("the instance answers again after %.0f s", self._clock() - self._away_since)
            self._away_since = None

    def _note_away(self, problem: str) -> None:
        now = self._clock()
        if self._away_since is None:
            self._away_since = now
            self._said_at = -math.inf
        if now - self._said_at >= SAY_AGAIN_EVERY_S:
            self._said_at = now
            log.warning("no fresh list of who may use the Internet: %s", problem)

    def _note_unable(self, problem: str) -> None:
        now = self._clock()
        if now - self._said_of_users_at >= SAY_AGAIN_EVERY_S:
            self._said_of_users_at = now
            log.warning("the instance has no word on one user: %s", problem)


def _read_header(body: Mapping[str, Any]) -> _Header:
    # An older instance names none of these.
    domains, hosts, closed = (body.get(name, []) for name in ("domains", "open", "closed"))
    if body.get("mode") not in ("enforce", "monitor"):
        raise InstanceAwayError("the list of who may use the Internet was not understood")
    for words in (domains, hosts, closed):
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise InstanceAwayError("the list of who may use the Internet was not understood")
    opened = {**dict.fromkeys(closed, False), **dict.fromkeys(hosts, True)}
    return _Header(body["mode"] == "monitor", [_composed(domain) for domain in domains], opened)


def _texts(told: object, message: str) -> tuple[tuple[str, str], ...]:
    """The sentence in each language; in one that was not told (by an older instance) as it is."""
    found = {code: text for code, text in told.items() if isinstance(text, str)} if isinstance(told, dict) else {}
    return tuple((code, found.get(code) or message) for code in LANGUAGES) if message else ()


def _host_name(written: str) -> str:
    """The form in which the instance lists hosts, of one as Squid writes it: `[::1]`, `%C3%BC.example`, `ü.example`."""
    host = (unquote(written) if "%" in written else written).lower().rstrip(".")
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]")))
        except ValueError:
            return ""
    return host if host.isascii() else ".".join(map(_ascii, host.split(".")))


def _ascii(label: str) -> str:
    """A label as the DNS has it (RFC 3492), folded as browsers do."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).lower())
    return folded if folded.isascii() else "xn--" + folded.encode("punycode").decode("ascii")


def _composed(name: str) -> str:
    """The form in which the instance lists names: composed letters (NFC), no case, no outer spaces."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _without_domain(name: str, domains: Collection[str]) -> str:
    r"""The name without "DOMAIN\" or "@realm" where that is one of `domains`, as the instance itself reads it."""
    domain, backslash, account = name.partition("\\")
    if backslash and account.strip() and domain.strip() in domains:
        return account.strip()
    account, at, domain = name.rpartition("@")
    return account.strip() if at and account.strip() and domain.strip() in domains else name
