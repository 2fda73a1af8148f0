"""What holds for a printer: how its jobs are counted, and what becomes of them while the instance is away.

The instance says it; its last answer is kept in the spool, so that a job in a row does not ask again, and so that it is
known when nobody can be asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from edge.client import InstanceAwayError, InstanceClient, InstanceRefusedError
from edge.cups_job import digest_of
from edge.spool import CaptureSpool

PLAN: Final = ".plan"
COUNTS: Final = ("none", "pages", "colour")
POLICIES: Final = ("hold", "print", "refuse")
FRESH_MOST_S: Final = 3600
NOT_FOUND: Final = 404


class Plan(NamedTuple):
    """`counting`: "none", "pages" or "colour"; `away`: "hold", "print" or "refuse"; how many seconds that is fresh.

    What nobody ever said is: count the pages, and hold.
    """

    counting: str = "pages"
    away: str = "hold"
    fresh_s: float = 0


def plan_of(client: InstanceClient, spool: CaptureSpool, *, server: str, printer: str) -> Plan:
    """What holds for a printer now, or held when the instance last answered. Raises InstanceRefusedError."""
    name = digest_of(printer) + PLAN
    kept = _kept(spool, name)
    if kept is not None and 0 <= kept[1] < kept[0].fresh_s:
        return kept[0]
    try:
        asked = f"/print/printers/{quote(printer, safe='')}?server={quote(server, safe='')}"
        plan = _read(client.get(asked).body)
    except InstanceRefusedError as error:
        if error.status != NOT_FOUND:
            raise
        plan = None
    except InstanceAwayError:
        plan = None
    if plan is None:
        return kept[0]._replace(fresh_s=0) if kept is not None else Plan()
    try:
        spool.replace(
            name, json.dumps({"count": plan.counting, "away": plan.away, "fresh_s": plan.fresh_s}).encode("ascii")
        )
    except OSError:
        return plan  # a full disk is told when it matters
    return plan


def _kept(spool: CaptureSpool, name: str) -> tuple[Plan, float] | None:
    """The last answer and its age in seconds."""
    try:
        plan = _read(json.loads(spool.read(name)))
        return (plan, spool.age_s(name)) if plan is not None else None
    except (OSError, ValueError):
        return None


def _read(found: Mapping[str, Any]) -> Plan | None:
    """A plan from an answer; None when that makes no sense."""
    if not isinstance(found, dict):
        return None
    counting, away, fresh_s = (found.get(name) for name in ("count", "away", "fresh_s"))
    if counting not in COUNTS or away not in POLICIES or type(fresh_s) not in (int, float):
        return None
    return Plan(str(counting), str(away), min(float(fresh_s or 0), FRESH_MOST_S))
