"""What both Squid programs share at their start: the config file read for them, and how they log."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path

from edge.settings import INSTANCE_KEYS, TOP, InstanceSettings, SettingsError, instance_settings, read_keys


def load_squid(path: Path, *, longest_answer_s: float | None = None) -> InstanceSettings:
    """Read the config file of a Squid program: only the keys about the instance.

    `longest_answer_s` (seconds) lowers both time limits of the file for a caller that cannot wait as long.
    Raises SettingsError with every problem found.
    """
    values, problems = read_keys(path, {TOP: INSTANCE_KEYS})
    instance = instance_settings(values[TOP], problems)
    if problems or instance is None:
        raise SettingsError(path, problems)
    if longest_answer_s is None:
        return instance
    return replace(
        instance,
        connect_timeout_s=min(instance.connect_timeout_s, longest_answer_s),
        answer_timeout_s=min(instance.answer_timeout_s, longest_answer_s),
    )


def log_to_stderr(program: str) -> None:
    """Log with time and program name to stderr, which Squid writes into cache.log and systemd into the journal."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format=f"%(asctime)s {program}: %(levelname)s: %(message)s"
    )
