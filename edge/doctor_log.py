"""The faults of the log that is followed: unreadable, without names, with passwords, not booked; and the instance."""

from __future__ import annotations

import os
import re
import stat
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from edge.client import InstanceAwayError, InstanceClient, InstanceRefusedError
from edge.doctor_checks import Finding, Fine, Found
from edge.doctor_conf import NAME_CODE, SQUIDS_OWN, WITH_NAMES, SquidConf
from edge.squid_files import Place

CLOCK_MOST_S: Final = 30.0
BEHIND_BYTES: Final = 50_000_000
BEHIND_S: Final = 60.0
TAIL_BYTES: Final = 1_000_000
NAMELESS_FEW: Final = 20
PASSWORD_IN_LOG: Final = re.compile(rb"(?:Proxy-)?Authorization:(?: |%20)*(?:Basic|Bearer)", re.IGNORECASE)


def check_names(conf: SquidConf, log: Path) -> Found:
    """Look whether the lines of the log that is followed say who asked."""
    for each, path, name in conf.logs():
        if path != log:
            continue
        line = conf.formats().get(name)
        if (line is None and name in SQUIDS_OWN - WITH_NAMES) or (line is not None and not NAME_CODE.search(line.text)):
            yield Finding(
                "bad", f"The log's format {name} has no user name ({(line or each).place}).",
                "Nobody can be charged for a line without a name.",
                "logformat ... %#un ...   (the set-up page has the whole line)",
            )  # fmt: skip
            return
    tail = _tail(log)
    if PASSWORD_IN_LOG.search(tail):
        yield Finding(
            "bad", f"There are passwords in {log}.", "Whoever reads the log, or a backup of it, has them.",
            "log_mime_hdrs off, no %>h; then delete these logs, and let people change their passwords",
        )  # fmt: skip
    named, nameless = _names(tail)
    if nameless >= NAMELESS_FEW and nameless > 9 * named:
        yield Finding(
            "bad", f"{nameless:,} of the last {named + nameless:,} served requests in {log} have no name.",
            "They are charged to nobody.",
            "http_access deny !twinpurse_signed_in   before the first http_access allow that matches everybody",
        )  # fmt: skip
    elif named:
        yield Fine(f"The log says who asked: {named:,} of the last {named + nameless:,} served requests have a name.")


def check_log(log: Path, user: str, ids: tuple[int, frozenset[int]] | None) -> Found:
    """Look whether the follower can read the log. `ids`: its user's id and groups, None where there is no such user."""
    try:
        found = log.stat()
    except OSError as error:
        yield Finding(
            "bad", f"{log}: {error.strerror}.", "What is not logged, or cannot be read, is not charged.",
            f"access_log stdio:{log} twinpurse   in squid.conf",
        )  # fmt: skip
        return
    closed = [path for path in (log, *log.parents) if ids is not None and not _may_read(path, ids)]
    if closed:
        yield Finding(
            "bad", f"{user}, whom the follower runs as, may not read {closed[0]}.",
            "What it cannot read is not charged.",
            f"chgrp {user} {closed[0]}; chmod g+r{'x' if closed[0].is_dir() else ''} {closed[0]}",
        )  # fmt: skip
    else:
        yield Fine(f"{log} can be read ({found.st_size:,} bytes).")
    if found.st_mtime > time.time() + CLOCK_MOST_S:
        yield Finding("warn", f"{log} was written in the future.", "This machine's clock was set back.", "timedatectl")


def check_instance(client: InstanceClient, server: str, log: Path) -> Found:
    """Ask the instance: does it answer, take the token, have the same time; and how far is this log booked."""
    began = time.time()
    try:
        answer = client.get(f"/internet/position?source={quote(server, safe='')}")
    except InstanceAwayError as error:
        yield Finding(
            "bad", f"The instance does not answer: {error}.",
            "Nothing is charged meanwhile, and policy decides who goes on.",
            "look at instance_url in edge.toml, and at the instance",
        )  # fmt: skip
        return
    except InstanceRefusedError as error:
        yield Finding(
            "bad", f"The instance refuses: {error.message}", "Nothing is charged, and nobody's purse is known.",
            "make a token of scope internet, on the instance's set-up page, and put it into the token_file",
        )  # fmt: skip
        return
    yield Fine("The instance answers, and takes the token.")
    apart = _apart(answer.headers.get("date", ""), began)
    if abs(apart) > CLOCK_MOST_S:
        which = "ahead of" if apart > 0 else "behind"
        yield Finding(
            "warn", f"This machine's clock is {abs(apart):.0f} seconds {which} the instance's.",
            "Use is charged to the wrong hour, and may cost another price.", "timedatectl set-ntp true   on both",
        )  # fmt: skip
    yield from _behind(answer.body.get("position"), log)


def _behind(position: object, log: Path) -> Found:
    try:
        found = log.stat()
    except OSError:
        return
    if position is None:
        if found.st_size and time.time() - found.st_mtime > BEHIND_S:
            yield Finding(
                "bad", f"Nothing of {log} was ever booked.",
                "The follower has not reached the instance, or follows another log.",
                "journalctl -u twinpurse-squid-log",
            )  # fmt: skip
        return
    try:
        place = Place.from_json(position if isinstance(position, dict) else {})
    except ValueError:
        yield Finding(
            "bad", "The place in the log that the instance keeps was not understood.",
            "The follower cannot go on from there, and charges nothing.",
            "one version of Twinpurse here and at the instance; journalctl -u twinpurse-squid-log",
        )  # fmt: skip
        return
    same = place.inode == found.st_ino
    booked = place.offset if same else 0
    behind = found.st_size - booked
    stale = time.time() - place.newest_ms / 1000
    if behind > BEHIND_BYTES or (behind > 0 and stale > BEHIND_S and _has_paid_lines(log, booked)):
        yield Finding(
            "warn", f"The follower is {behind:,} bytes of log behind{'' if same else ', in a file before this one'}.",
            "Who has nothing left is noticed so much later.", "journalctl -u twinpurse-squid-log",
        )  # fmt: skip
    else:
        yield Fine("The follower is up to date.")


def _has_paid_lines(log: Path, booked: int) -> bool:
    """Whether what is not booked yet holds anything that somebody pays for, and is older than a moment."""
    with log.open("rb") as file:
        file.seek(booked)
        lines = file.read(TAIL_BYTES).splitlines()
    old = time.time() - BEHIND_S
    return any(_named(line) and _ended_at(line) < old for line in lines)


def _may_read(path: Path, ids: tuple[int, frozenset[int]]) -> bool:
    """Whether a user may read a file, or look into a folder (its x bit)."""
    found = path.stat()
    if ids[0] == 0:
        return True
    owner, group, others = (
        (stat.S_IXUSR, stat.S_IXGRP, stat.S_IXOTH) if stat.S_ISDIR(found.st_mode)
        else (stat.S_IRUSR, stat.S_IRGRP, stat.S_IROTH)
    )  # fmt: skip
    if found.st_uid == ids[0]:
        return bool(found.st_mode & owner)
    return bool(found.st_mode & (group if found.st_gid in ids[1] else others))


def _tail(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            return file.read(TAIL_BYTES)
    except OSError:
        return b""


def _names(tail: bytes) -> tuple[int, int]:
    """How many served requests have a name, and how many have none."""
    served = [line for line in tail.splitlines()[1 if len(tail) == TAIL_BYTES else 0 :] if _served(line)]
    named = sum(_named(line) for line in served)
    return named, len(served) - named


def _served(line: bytes) -> bool:
    fields = line.split()
    return len(fields) >= 10 and not fields[3].startswith((b"TCP_DENIED", b"NONE"))


def _named(line: bytes) -> bool:
    """Whether a line of either format is of somebody: the name is the third field from the end."""
    return _served(line) and line.split()[-3] != b"-"


def _ended_at(line: bytes) -> float:
    try:
        return float(line.split()[0])
    except ValueError:
        return 0.0


def _apart(date: str, began: float) -> float:
    """By how many seconds this clock is ahead of the one that wrote an HTTP Date; 0 where it cannot be told."""
    try:
        return began - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return 0.0
