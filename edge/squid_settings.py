"""What both Squid programs share at their start: the config file read for them, and how they log."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from edge.settings import (
    INSTANCE_KEYS,
    LOOPBACK_HOSTS,
    TOP,
    InstanceSettings,
    Key,
    SettingsError,
    instance_settings,
    read_keys,
)

LIVE: Final = "live"
LIVE_KEYS: Final = (
    Key("manager", str, ""),
    Key("end_socket", str, ""),
    Key("every_s", float, 1.0, least=0.2, most=60),
)


class LiveSettings(NamedTuple):
    """Where Squid says what runs, how often it is asked, and the socket of what ends connections ("": none)."""

    host: str
    port: int
    end_socket: str
    every_s: float


def load_squid(path: Path, *, longest_answer_s: float | None = None) -> InstanceSettings:
    """Read the config file of a Squid program: the keys about the instance.

    `longest_answer_s` (seconds) lowers both time limits of the file for a caller that cannot wait as long.
    Raises SettingsError with every problem found.
    """
    values, problems = read_keys(path, {TOP: INSTANCE_KEYS, LIVE: LIVE_KEYS})
    instance = instance_settings(values[TOP], problems)
    if problems or instance is None:
        raise SettingsError(path, problems)
    if longest_answer_s is None:
        return instance
    return instance._replace(
        connect_timeout_s=min(instance.connect_timeout_s, longest_answer_s),
        answer_timeout_s=min(instance.answer_timeout_s, longest_answer_s),
    )


def load_live(path: Path) -> LiveSettings | None:
    """Read [live] of the config file; None where it names no cache manager. Raises SettingsError."""
    values, problems = read_keys(path, {TOP: INSTANCE_KEYS, LIVE: LIVE_KEYS})
    live = values[LIVE]
    if not live["manager"] and not problems:
        return None
    try:
        parts = urlsplit(live["manager"] or "")
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        host, port = "", 0
    if not port or parts.scheme != "http" or host not in LOOPBACK_HOSTS:
        problems.append("live.manager: must be Squid on this machine, such as http://127.0.0.1:3128")
    if live["end_socket"] and not Path(live["end_socket"]).is_absolute():
        problems.append("live.end_socket: must be an absolute path")
    if problems:
        raise SettingsError(path, problems)
    return LiveSettings(host, port, live["end_socket"], live["every_s"])


def log_to_stderr(program: str) -> None:
    """Log with time and program name to stderr, which Squid writes into cache.log and systemd into the journal."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format=f"%(asctime)s {program}: %(levelname)s: %(message)s"
    )
