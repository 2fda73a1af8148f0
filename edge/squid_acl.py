"""twinpurse-squid-acl: the external ACL helper that tells Squid whether a user's Internet purse still lasts."""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

from edge.client import Answer, InstanceAwayError, InstanceClient
from edge.settings import SettingsError
from edge.squid_lines import name_from_url_code
from edge.squid_settings import load_squid, log_to_stderr
from edge.standing import Asking, Standing, Verdict

LONGEST_LINE = 8192  # bytes; Squid's own are far shorter
LONGEST_MESSAGE = 500  # characters
ASKING_THREADS = 8
CHANNEL = re.compile(rb"[0-9]{1,18}")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
LOOKS_THE_SAME = {"\N{MINUS SIGN}": "-", "\N{NARROW NO-BREAK SPACE}": "\N{NO-BREAK SPACE}"}

EMPTY = Verdict(False, "Your Internet purse is empty. Your balance and next credit are on your Internet account page.")
NOT_KNOWN_NOW = Verdict(False, "Your Internet purse cannot be looked up just now. Try again in a minute.")
NOBODY = Verdict(False, "Sign in to use the Internet.")
ALLOWED = Verdict(True)

log = logging.getLogger(__name__)


class Request(NamedTuple):
    """One line of Squid's: the number to answer with, and whom it is about (None: nobody that could have a purse)."""

    channel: bytes
    user: str | None


def read_request(line: bytes) -> Request | None:
    """Read `[channel-ID] user [more fields]` (Squid manual, external_acl_type, concurrency > 0), `%#LOGIN` first.

    None when there is no channel-ID: the helper was configured without concurrency, or the line is damaged.
    """
    fields = line.split()
    if not fields or not CHANNEL.fullmatch(fields[0]):
        return None
    raw = fields[1] if len(fields) > 1 else b"-"
    return Request(fields[0], None if raw == b"-" else name_from_url_code(raw))


def answer_line(channel: bytes, verdict: Verdict) -> bytes:
    """The helper's answer: `OK`, or `ERR` with the quoted message; a backslash protects quotes and backslashes."""
    if verdict.allowed:
        return channel + b" OK\n"
    return channel + b" ERR message=" + _quoted(verdict.message or EMPTY.message) + b"\n"


def broken_line(channel: bytes, why: str) -> bytes:
    """The answer `BH` ("broken helper"): no decision. Squid denies the request and logs the message."""
    return (channel + b" " if channel else b"") + b"BH message=" + _quoted(why) + b"\n"


def _quoted(text: str) -> bytes:
    plain = UNPRINTABLE.sub(" ", text)[:LONGEST_MESSAGE].replace("\\", "\\\\").replace('"', '\\"')
    return b'"' + b"".join(map(_page_byte, plain)) + b'"'


def _page_byte(letter: str) -> bytes:
    """A letter as Squid can show it on its page.

    Squid writes each byte from 0x80 of a message as `&#NNN;` of its own (seen in 5.7), which makes two wrong letters
    of one in UTF-8. Browsers read these numbers as Windows-1252 (HTML standard, numeric character references), so
    in that code the euro sign and the letters of western Europe come out right; of others, what is plain remains.
    """
    try:
        return LOOKS_THE_SAME.get(letter, letter).encode("cp1252")
    except UnicodeEncodeError:
        return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore") or b"?"


class Door:
    """Decides requests: from the list when it can, else by asking the instance aside, so that no channel waits."""

    def __init__(
        self,
        standing: Standing,
        say: Callable[[bytes], None],
        *,
        when_away: Verdict,
        longest_age_s: float,
        look_up_s: float,
    ) -> None:
        """`when_away` is the policy for what is not known while the instance is away, or the list is too old.

        `longest_age_s`: for how long the last list counts while the instance is away. `look_up_s`: how long a
        request may wait for the instance's word. Both in seconds.
        """
        self._standing = standing
        self._say = say
        self._when_away = when_away
        self._longest_age_s = longest_age_s
        self._look_up_s = look_up_s
        self._asking = ThreadPoolExecutor(ASKING_THREADS, thread_name_prefix="ask")
        self._waiting: dict[str, list[bytes]] = {}
        self._lock = threading.Lock()

    def take(self, line: bytes) -> None:
        """Answer one request line, now or from another thread a little later; never raises."""
        channel = b""
        try:
            request = read_request(line)
            if request is None:
                if line.strip():  # an empty line asks nothing
                    self._say(broken_line(b"", "no channel-ID: set concurrency=100 in external_acl_type"))
                return
            channel, user = request
            verdict = NOBODY if user is None else self._at_once(user)
            if verdict is not None:
                self._say(answer_line(channel, verdict))
            elif user is not None:
                self._ask_aside(channel, user)
        except Exception:
            log.exception("a request was not decided")
            self._say(broken_line(channel, "internal error, see cache.log"))

    def turn_away(self, beginning: bytes) -> None:
        """Answer a line that is too long to be Squid's; `beginning` is enough of it to hold the channel-ID."""
        request = read_request(beginning)
        self._say(broken_line(request.channel if request else b"", "the request line is too long"))

    def finish(self) -> None:
        """Answer all that still waits, then let the threads go."""
        self._asking.shutdown(wait=True)

    def _list_counts(self) -> bool:
        return self._standing.age_s <= self._longest_age_s

    def _at_once(self, user: str) -> Verdict | None:
        """What can be said without asking; None when the instance has to be asked."""
        listed = self._standing.may(user) if self._list_counts() else None
        if listed:
            return ALLOWED
        word = self._standing.remembered(user)
        if word is None and self._standing.away:
            return self._unasked(user)  # asking would only keep the user waiting
        return word

    def _unasked(self, user: str) -> Verdict:
        """The verdict when the instance has no word: the last list while it counts, then the policy."""
        listed = self._standing.may(user) if self._list_counts() else None
        if listed is None:
            return self._when_away
        return ALLOWED if listed else EMPTY

    def _ask_aside(self, channel: bytes, user: str) -> None:
        with self._lock:
            already = self._waiting.get(user)
            if already is not None:
                already.append(channel)  # one question serves all who wait for the same user
                return
            self._waiting[user] = [channel]
        self._asking.submit(self._ask, user, time.monotonic())

    def _ask(self, user: str, since: float) -> None:
        verdict: Verdict | None = None
        try:
            if time.monotonic() - since < self._look_up_s:
                verdict = self._standing.ask(user)
        except InstanceAwayError:
            verdict = None
        except Exception:
            log.exception("the instance could not be asked about a user")
        with self._lock:
            channels = self._waiting.pop(user)
        verdict = verdict or self._unasked(user)
        for channel in channels:
            self._say(answer_line(channel, verdict))


def serve(requests: BinaryIO, door: Door) -> None:
    """Read request lines until Squid closes the pipe. A half line at its end is no request; a giant one gets BH."""
    giant: bytes | None = None  # the beginning of a line whose end has not come yet
    while piece := requests.readline(LONGEST_LINE):
        complete = piece.endswith(b"\n")
        if giant is None and complete:
            door.take(piece)
            continue
        giant = giant or piece
        if complete:
            door.turn_away(giant)
            giant = None


class _Answers:
    """Writes answers to Squid, whole and at once, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def say(self, answer: bytes) -> None:
        with self._lock:
            try:
                while answer:
                    answer = answer[os.write(self._descriptor, answer) :]
            except OSError:
                return  # Squid has gone; the end of its requests ends us


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the helper on stdin and stdout until Squid closes them; `--check` only tries the config and the instance."""
    options = _parser().parse_args(arguments)
    log_to_stderr("twinpurse-squid-acl")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a Squid in the foreground is Squid's to handle
    when_away = ALLOWED if options.when_away == "allow" else NOT_KNOWN_NOW
    answers = _Answers(sys.stdout.fileno())
    standing = Standing(_instance(options.config, options.look_up_time))
    if options.check:
        standing.refresh()
        return 1 if standing.away else 0
    stop = threading.Event()
    threading.Thread(target=standing.keep_fresh, args=(stop,), name="fresh", daemon=True).start()
    door = Door(
        standing,
        answers.say,
        when_away=when_away,
        longest_age_s=options.longest_age,
        look_up_s=options.look_up_time,
    )
    serve(sys.stdin.buffer, door)
    stop.set()
    door.finish()
    return 0


def _instance(config: Path, look_up_s: float) -> Asking:
    """The instance to ask. With an unusable config file it is one that is always away.

    Ending the program would end Squid too ("helpers are crashing too rapidly"), perhaps at night: Squid restarts its
    helpers whenever its logs are rotated. So the policy for an absent instance holds, and the log says why.
    """
    try:
        return InstanceClient(load_squid(config, longest_answer_s=look_up_s))
    except SettingsError as problem:
        return _NoInstance(str(problem))


class _NoInstance:
    """Stands in for an instance that is not known."""

    def __init__(self, why: str) -> None:
        self._why = why

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Say why there is nobody to ask for `path`."""
        raise InstanceAwayError(self._why)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twinpurse-squid-acl", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the edge's config file (TOML)")
    parser.add_argument(
        "--when-away",
        choices=("allow", "refuse"),
        default="allow",
        help="what to answer when the instance is away and nothing is known any more (default: allow)",
    )
    parser.add_argument(
        "--longest-age",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="for how long the last list counts while the instance is away (default: 300)",
    )
    parser.add_argument(
        "--look-up-time",
        type=float,
        default=1.5,
        metavar="SECONDS",
        help="how long one request may wait for the instance (default: 1.5)",
    )
    parser.add_argument("--check", action="store_true", help="try the config and the instance, then stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
