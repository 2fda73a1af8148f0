"""twinpurse-squid-log: follows Squid's log and books who received how many bytes, each line exactly once."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.client import InstanceClient
from edge.settings import SettingsError
from edge.squid_follower import Follower, OnceFailedError, TokenRefusedError
from edge.squid_lines import LogFormat, line_time_ms
from edge.squid_live import meter_for
from edge.squid_pauses import Pauses, StoppedError
from edge.squid_settings import load_squid, log_to_stderr
from edge.squid_tail import LogTail

LEAST_ANSWER_S: Final = 60.0  # a batch of an old log holds much; nobody waits for the answer but us

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow the log until SIGTERM (0). 1: the config, the token or the log needs an administrator."""
    options = _parser().parse_args(arguments)
    log_to_stderr("twinpurse-squid-log")
    pauses = Pauses()
    try:
        settings = load_squid(options.config)
        tail = LogTail(options.log, time_of=line_time_ms, warn=log.warning)
        instance = InstanceClient(settings._replace(answer_timeout_s=max(LEAST_ANSWER_S, settings.answer_timeout_s)))
        live = meter_for(options.config, InstanceClient(settings), settings.server, quiet=options.once)
        follower = Follower(
            instance,
            tail,
            source=settings.server,
            log_format=LogFormat(options.format),
            pauses=pauses,
            batch_s=options.batch_seconds,
            once=options.once,
            skip_old=options.skip_old,
            live=live,
        )
        follower.run()
    except StoppedError:
        log.info("stopped")
    except (SettingsError, TokenRefusedError, OnceFailedError, OSError, ValueError) as problem:
        log.error("%s", problem)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twinpurse-squid-log", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the edge's config file (TOML)")
    parser.add_argument("--log", type=Path, required=True, help="the log that Squid writes")
    parser.add_argument(
        "--format",
        choices=[known.value for known in LogFormat],
        default=LogFormat.TWINPURSE.value,
        help="the log's format: ours, or Squid's native one (default: twinpurse)",
    )
    parser.add_argument(
        "--batch-seconds",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="how long usage is summed up before it is booked (default: 1)",
    )
    parser.add_argument(
        "--skip-old",
        action="store_true",
        help="at the very first start, charge only what comes from now on; otherwise all that is there",
    )
    parser.add_argument(
        "--once",
        "--backfill",
        action="store_true",
        help="read to the end of the log, old files of it first, book it, and stop; says how far it is",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
