"""twinpurse-squid-acl: the external ACL helper that tells Squid whether a user's Internet purse still lasts."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edge.client import Answer, InstanceAwayError, InstanceClient
from edge.settings import SettingsError
from edge.squid_settings import load_squid, log_to_stderr
from edge.squid_words import (
    ALLOWED,
    BY_WORD,
    EMPTY,
    NOBODY,
    NOT_KNOWN_NOW,
    answer_line,
    broken_line,
    read_request,
)
from edge.standing import Asking, Standing, Verdict
from edge.standing_share import Share

LONGEST_LINE = 8192  # bytes; Squid's own are far shorter
LONGEST_CHANNEL = 19  # digits, and one more
BLOCK = 65_536  # bytes that are read at a time
TOGETHER = 25  # requests that are answered before any more are looked at: Squid can go on meanwhile
LONE = 400  # bytes that are read where a lone request is awaited: a small object is made faster than a large one
MOST_KNOWN = 100_000  # requests whose answers are kept ready
ASKING_THREADS = 8


log = logging.getLogger(__name__)


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
        # By the list at hand: what follows the channel-ID -> the answer after it; and what that is made of: the answer
        # to a user, as the line has them, and the hosts that are open to nobody.
        self._known: dict[bytes, bytes] = {}
        self._known_users: dict[bytes, bytes] = {}
        self._known_hosts: set[bytes] = set()
        self.ready: dict[bytes, bytes] = {}
        """A lone request as it comes -> its whole answer, by the list at hand; good until `ready_until`."""
        self.ready_until = 0.0  # of time.monotonic()
        self._known_of = -1
        standing.on_change = self.ready.clear  # by the thread that changes the list: who asks need not look

    def take_block(self, block: bytes) -> bytes:
        """Answer the whole lines of what was read; return what is left: the beginning of a line. Never raises."""
        lines = block.split(b"\n")
        begun = lines.pop()[: LONGEST_LINE + 1]  # of a giant line the beginning is enough
        if lines:
            answer = self._take_all(lines[:TOGETHER])
            self._say(answer)
            for first in range(TOGETHER, len(lines), TOGETHER):
                self._say(self._take_all(lines[first : first + TOGETHER]))
            by_list = lines[0].partition(b" ")[2] in self._known
            if len(lines) == 1 and not begun and answer and by_list and len(self.ready) < MOST_KNOWN:
                self.ready[block] = answer
                if self._known_of != self._standing.changed:  # meanwhile: it may have been cleared before
                    self.ready.clear()
        return begun

    def _take_all(self, lines: Sequence[bytes]) -> bytes:
        """The answers to request lines (without their ends) that can be given at once."""
        if self._known_of != self._standing.changed or time.monotonic() >= self.ready_until:
            self._known_of = self._standing.changed
            self.ready_until = time.monotonic() + self._longest_age_s - self._standing.age_s
            self._known, self._known_users, self._known_hosts = {}, {}, set()
            self.ready.clear()
        known = self._known
        answers: list[bytes] = []
        for line in lines:
            channel, _, rest = line.partition(b" ")
            found = known.get(rest) or self._by_parts(rest)
            if found is not None and channel.isdigit() and len(channel) < LONGEST_CHANNEL:
                answers.append(channel + found)
            else:
                answers.append(self._take(line, rest))
        return b"".join(answers)

    def _by_parts(self, rest: bytes) -> bytes | None:
        """The answer to a user who is known, at a host that is open to nobody."""
        user, _, more = rest.partition(b" ")
        answer = self._known_users.get(user)
        if answer is None or len(rest) > LONGEST_LINE:
            return None
        host = more.partition(b" ")[0]
        if host not in self._known_hosts:
            if self._standing.is_open(host.decode("utf-8", "replace")):
                return None
            if len(self._known_hosts) < MOST_KNOWN:
                self._known_hosts.add(host)
        self._keep(rest, answer)
        return answer

    def _keep(self, rest: bytes, answer: bytes) -> None:
        if len(self._known) < MOST_KNOWN:
            self._known[rest] = answer

    def _take(self, line: bytes, rest: bytes) -> bytes:
        """The answer to one request line; none where the instance has to be asked aside."""
        channel = b""
        try:
            if len(line) > LONGEST_LINE:
                return self._turn_away(line)
            request = read_request(line)
            if request is None:  # an empty line asks nothing
                return (
                    broken_line(b"", "no channel-ID: set concurrency=100 in external_acl_type") if line.strip() else b""
                )
            channel, user, host = request
            verdict = NOBODY if user is None else self._at_once(user, host, rest)
            if verdict is not None:
                return answer_line(channel, verdict)
            assert user is not None
            self._ask_aside(channel, user)
        except Exception:
            log.exception("a request was not decided")
            return broken_line(channel, "internal error, see cache.log")
        return b""

    def _turn_away(self, line: bytes) -> bytes:
        """The answer to a line that is too long to be Squid's."""
        request = read_request(line[:LONGEST_LINE])
        return broken_line(request.channel if request else b"", "the request line is too long")

    def finish(self) -> None:
        """Answer all that still waits, then let the threads go."""
        self._asking.shutdown(wait=True)

    def _list_counts(self) -> bool:
        return self._standing.age_s <= self._longest_age_s

    def _at_once(self, user: str, host: str, rest: bytes) -> Verdict | None:
        """What can be said without asking; None when the instance has to be asked."""
        if self._standing.is_open(host):
            return ALLOWED
        listed = self._standing.may(user) if self._list_counts() else None
        if listed:
            answer = answer_line(b"", BY_WORD[listed])
            self._keep(rest, answer)
            name = rest.partition(b" ")[0]
            if name and len(self._known_users) < MOST_KNOWN:
                self._known_users[name] = answer
            return BY_WORD[listed]
        word = self._standing.remembered(user)
        if word is None and self._standing.away:
            return self._unasked(user)  # asking would only keep the user waiting
        return word

    def _unasked(self, user: str) -> Verdict:
        """The verdict when the instance has no word: the last list while it counts, then the policy."""
        listed = self._standing.may(user) if self._list_counts() else None
        if listed is None:
            return self._when_away
        return BY_WORD[listed] if listed else EMPTY

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


def serve(requests: int, door: Door, answers: int) -> None:
    """Read request lines until Squid closes the pipe. A half line at its end is no request; a giant one gets BH.

    What has come is read at once and answered at once: a lone request waits for nobody, a hundred cost a few system
    calls.
    """
    begun = b""  # of a line whose end has not come yet
    read, write, clock, ready = os.read, os.write, time.monotonic, door.ready.get
    until, size = 0.0, LONE
    while block := read(requests, size):
        # What stands between reading and writing here is what a lone request waits for, beside the kernel.
        # A short write is whole by itself: the threads that ask aside write one line at a time.
        if not begun and (answer := ready(block)) is not None and clock() < until:
            try:
                write(answers, answer)
            except OSError:
                return  # Squid has gone
            continue
        size = BLOCK if len(block) >= LONE else LONE
        begun = door.take_block(begun + block if begun else block)
        until = door.ready_until


class _Answers:
    """Writes answers to Squid, whole and at once, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def say(self, answer: bytes) -> None:
        with self._lock:
            try:
                written = os.write(self._descriptor, answer) if answer else 0
                while written < len(answer):
                    written += os.write(self._descriptor, answer[written:])
            except OSError:
                return  # Squid has gone; the end of its requests ends us


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the helper on stdin and stdout until Squid closes them; `--check` only tries the config and the instance."""
    options = _parser().parse_args(arguments)
    log_to_stderr("twinpurse-squid-acl")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a Squid in the foreground is Squid's to handle
    when_away = ALLOWED if options.when_away == "allow" else NOT_KNOWN_NOW
    answers = _Answers(sys.stdout.fileno())
    share = Share(options.shared) if options.shared else None
    standing = Standing(_instance(options.config, options.look_up_time), share=share)
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
    serve(sys.stdin.fileno(), door, sys.stdout.fileno())
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
    parser.add_argument(
        "--shared",
        type=Path,
        metavar="FILE",
        help="a file in a folder of Squid's user, by which several helpers have one list that one of them asks for",
    )
    parser.add_argument("--check", action="store_true", help="try the config and the instance, then stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
