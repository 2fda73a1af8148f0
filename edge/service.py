"""`twinpurse-edge`: beside CUPS, lets held jobs go on, sends what waits in the spool, and reports the queues.

As root it splits in two: one part talks to the instance and runs as the print server's user; the other keeps root's
rights towards CUPS and does three things only, see `edge.cups_hands`.
"""

from __future__ import annotations

import argparse
import logging
import os
import pwd
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from edge.client import InstanceAwayError, InstanceClient, InstanceRefusedError
from edge.cups_command import BACKEND_FOLDERS, CONFIG
from edge.cups_hands import Hands, HandsError, serve_hands
from edge.cups_journal import settle_abandoned
from edge.cups_queues import PRINTERS_CONF
from edge.settings import CupsSettings, SettingsError, load_cups
from edge.settle import deliver
from edge.spool import CaptureSpool, SpoolError

EVERY_S: Final = 2.0
AWAY_MOST_S: Final = 30.0
REPORT_EVERY_S: Final = 60.0
DELIVER_S: Final = 10.0
PAUSE_S: Final = 0.1
AGAIN_AFTER_S: Final = 30.0
"""A job that was resumed is given so long to be asked about, before it is resumed again."""

log = logging.getLogger("twinpurse-edge")


@dataclass
class Rounds:
    """What is repeated: deliver, do what the instance orders, report. Times in seconds, by the monotonic clock."""

    settings: CupsSettings
    spool: CaptureSpool
    client: InstanceClient
    hands: Hands
    stop: threading.Event = field(default_factory=threading.Event)
    reported_at: float = float("-inf")
    resumed: dict[int, float] = field(default_factory=dict)
    away: str = ""

    def run(self, every_s: float) -> None:
        """Go round until `stop` is set; while the instance is away, more and more slowly."""
        pause_s = every_s
        while not self.stop.is_set():
            began = time.monotonic()
            pause_s = every_s if self.once() else min(pause_s * 2, AWAY_MOST_S)
            self.stop.wait(max(0.0, pause_s - (time.monotonic() - began)))

    def once(self) -> bool:
        """One round; returns False when the instance is away. A fault is logged, and the next round tries again."""
        try:
            self._deliver()
            self._do_orders()
            self._report()
        except InstanceAwayError as problem:
            self._note_away(str(problem))
            return False
        except InstanceRefusedError as problem:
            self._note_away(f"it refuses: {problem}")
            return False
        except (SpoolError, HandsError) as problem:
            log.error("%s", problem)
            return True
        except Exception:  # whatever it is, held jobs must go on when it is over
            log.exception("this round went wrong")
            return True
        if self.away:
            log.info("the instance answers again")
            self.away = ""
        return True

    def _deliver(self) -> None:
        settle_abandoned(self.spool)
        done = deliver(self.spool, self.client, DELIVER_S, PAUSE_S)
        for words in done.refused:
            log.warning("the instance did not accept a charge: %s", words)
        if done.sent:
            log.info("%d charges of earlier jobs were sent", done.sent)
        if done.away:
            raise InstanceAwayError(done.away)

    def _do_orders(self) -> None:
        server = quote(self.settings.instance.server, safe="")
        now = time.monotonic()
        self.resumed = {job: at for job, at in self.resumed.items() if now - at < AGAIN_AFTER_S}
        for order in _orders(self.client.get(f"/print/orders?server={server}").body):
            if order.verb == "resume" and order.job in self.resumed:
                continue
            done, note = self.hands.do(order.verb, order.number)
            log.info("job %d on %s: %s%s", order.number, order.printer, order.verb, "" if done else f" failed: {note}")
            told = {"server": self.settings.instance.server, "do": order.verb, "done": done, "note": note}
            self.client.post(f"/print/orders/{order.job}", told)
            if order.verb == "resume" and done:
                self.resumed[order.job] = now

    def _report(self) -> None:
        now = time.monotonic()
        if now - self.reported_at < REPORT_EVERY_S:
            return
        seen = self.hands.look()
        faults = [*seen["faults"], *(["spool_refused"] if self.spool.refused() else [])]
        report = {"queues": seen["queues"], "faults": faults, "waiting": sum(1 for _ in self.spool.waiting())}
        self.client.post("/print/queues", {"server": self.settings.instance.server, **report})
        self.reported_at = now

    def _note_away(self, problem: str) -> None:
        if not self.away:
            log.warning("the instance is away (%s): held jobs wait, charges stay in the spool", problem)
        self.away = problem


@dataclass(frozen=True)
class _Order:
    job: int
    number: int
    printer: str
    verb: str


def _orders(body: dict[str, Any]) -> list[_Order]:
    """Read the instance's orders strictly. Raises InstanceAwayError."""
    try:
        found = [_Order(int(one["job"]), int(one["number"]), str(one["printer"]), one["do"]) for one in body["orders"]]
    except (KeyError, TypeError, ValueError):
        raise InstanceAwayError("the instance's orders were not understood") from None
    return [one for one in found if one.verb in ("resume", "cancel") and one.number > 0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM (0), or one round with `--once` (1 when the instance was away). 2: the config is wrong."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(levelname)s: %(message)s")
    try:
        account = pwd.getpwnam(options.user) if os.geteuid() == 0 else None
    except KeyError:
        log.error("there is no user %s here", options.user)
        return 2
    look_at = (options.printers_conf, options.cupsd_conf, options.backend_dir)
    if account is None:
        return _go(options, Hands.here(*look_at))
    hands, child = Hands.apart(account)
    if child:
        return serve_hands(hands, child, *look_at)
    return _go(options, hands)


def _go(options: argparse.Namespace, hands: Hands) -> int:
    try:
        settings = load_cups(options.config)
        spool = CaptureSpool(settings.spool_dir)
    except (SettingsError, SpoolError) as problem:
        log.error("%s", problem)
        return 2
    rounds = Rounds(settings, spool, InstanceClient(settings.instance), hands)
    if options.once:
        return 0 if rounds.once() else 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: rounds.stop.set())
    log.info("serves %s for %s", settings.instance.server, settings.instance.instance_url)
    rounds.run(options.every)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twinpurse-edge", description=__doc__)
    there = next((folder for folder in BACKEND_FOLDERS if folder.is_dir()), BACKEND_FOLDERS[0])
    parser.add_argument("--config", type=Path, default=CONFIG, help="the edge's config file (default: %(default)s)")
    parser.add_argument("--user", default="lp", help="whose the spool and the token are (default: %(default)s)")
    parser.add_argument("--every", type=float, default=EVERY_S, metavar="SECONDS", help="(default: %(default)s)")
    parser.add_argument("--once", action="store_true", help="one round, and end")
    parser.add_argument("--printers-conf", type=Path, default=PRINTERS_CONF, help="(default: %(default)s)")
    parser.add_argument("--cupsd-conf", type=Path, default=Path("/etc/cups/cupsd.conf"), help="(default: %(default)s)")
    parser.add_argument("--backend-dir", type=Path, default=there, help="CUPS' backends (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
