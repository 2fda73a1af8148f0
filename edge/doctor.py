"""`twinpurse-doctor`: looks on a proxy for the usual faults, and says of each why it matters and what to change.

It reads squid.conf, the log and edge.toml, asks Squid and the instance one question each, and changes nothing.
"""

from __future__ import annotations

import argparse
import grp
import json
import os
import pwd
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from edge import doctor_checks, doctor_format, doctor_log, doctor_rules
from edge.client import InstanceClient
from edge.doctor_checks import Finding, Fine
from edge.doctor_conf import FOLLOWER, SquidConf, read_conf
from edge.settings import SettingsError
from edge.squid_settings import load_live, load_squid

CONFIG: Final = Path("/etc/twinpurse/edge.toml")
SQUID_CONF: Final = Path("/etc/squid/squid.conf")
LOG_OPTION: Final = re.compile(r"--log[= ](\S+)")
USER: Final = "proxy"
MARKS: Final = {"bad": "FAULT", "warn": "LOOK"}


def examine(*, config: Path, squid_conf: Path, log: Path | None, user: str) -> list[Finding | Fine]:
    """Look at everything and return what was found, faults first."""
    found: list[Finding | Fine] = []
    conf = read_conf(squid_conf)
    if not conf.directives:
        why = conf.unreadable[0] if conf.unreadable else f"{squid_conf} is empty"
        return [Finding("bad", f"{why}.", "Nothing of Squid could be looked at.", "--squid-conf FILE")]
    found += doctor_checks.check_conf(conf)
    found += doctor_rules.check_access(conf)
    commands = _commands()
    found += doctor_checks.check_processes(commands, config)
    followers = doctor_checks.running(commands, config, FOLLOWER)
    followed = log or _followed(conf, followers)
    if followed is None:
        found.append(
            Finding(
                "bad", "Squid writes no log into a file.", "Use is charged from the log.",
                "access_log stdio:/var/log/squid/twinpurse.log twinpurse",
            )
        )  # fmt: skip
    else:
        found += doctor_log.check_log(followed, user, _ids(user))
        found += doctor_log.check_names(conf, followed)
        found += doctor_format.check_format(conf, followed, followers)
    found += _of_instance(config, followed)
    return sorted(found, key=lambda each: ("bad", "warn").index(each.state) if isinstance(each, Finding) else 2)


def _of_instance(config: Path, log: Path | None) -> list[Finding | Fine]:
    try:
        settings, live = load_squid(config), load_live(config)
    except SettingsError as error:
        return [
            Finding("bad", f"{config}: {problem}.", "Helper and follower do not start.", f"correct {config}")
            for problem in error.problems
        ]
    found: list[Finding | Fine] = list(doctor_checks.check_manager((live.host, live.port) if live else None))
    if log is not None:
        found += doctor_log.check_instance(InstanceClient(settings), settings.server, log)
    return found


def _followed(conf: SquidConf, followers: Iterable[str]) -> Path | None:
    """The log that is most likely followed: of Squid's one that a follower was told, the one in our format, or any."""
    logs = conf.logs()
    told = {found[1] for command in followers if (found := LOG_OPTION.search(command))}
    logs = [each for each in logs if str(each[1]) in told] or logs
    ours = [path for _, path, name in logs if name == "twinpurse"]
    return next(iter(ours or [path for _, path, _ in logs]), None)


def _commands() -> list[str]:
    """The command lines of all processes that can be seen."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


def _ids(user: str) -> tuple[int, frozenset[int]] | None:
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return None
    groups = {group.gr_gid for group in grp.getgrall() if user in group.gr_mem}
    return account.pw_uid, frozenset(groups | {account.pw_gid})


def tell(found: Iterable[Finding | Fine], out: TextIO) -> None:
    """Write what was found, for people."""
    faults = 0
    for each in found:
        if isinstance(each, Fine):
            print(f"ok     {each.what}", file=out)
            continue
        faults += 1
        print(f"{MARKS[each.state]:6} {each.what}\n       Why:    {each.why}\n       Change: {each.change}\n", file=out)
    print("No fault was found." if not faults else f"{faults} to look at.", file=out)


def main(argv: Sequence[str] | None = None) -> int:
    """Look, and tell; exit 1 when there is a fault, 0 when there is none."""
    parser = argparse.ArgumentParser(prog="twinpurse-doctor", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--config", type=Path, default=CONFIG, help=f"the edge's config file ({CONFIG})")
    parser.add_argument("--squid-conf", type=Path, default=SQUID_CONF, help=f"Squid's ({SQUID_CONF})")
    parser.add_argument("--log", type=Path, help="the log that is followed (default: the one in Twinpurse's format)")
    parser.add_argument("--user", default=USER, help=f"whom the follower runs as ({USER})")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(argv)
    found = examine(config=chosen.config, squid_conf=chosen.squid_conf, log=chosen.log, user=chosen.user)
    if chosen.json:
        print(json.dumps([{"state": "ok"} | each._asdict() for each in found], indent=1))
    else:
        if os.geteuid():
            print("Run it as root: what it may not read it cannot look at.", file=sys.stderr)
        tell(found, sys.stdout)
    return 1 if any(isinstance(each, Finding) and each.state == "bad" for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
