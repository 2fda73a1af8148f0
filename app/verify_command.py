"""How `twinpurse verify` shows a verification: on a terminal, how far it is; lines for people, or JSON for machines."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import Any, Final

from app.ledger.history import Progress
from app.ledger.models import Verification
from app.ledger.verify import Report, quiet
from app.money import Unit

SHOWN_MAX: Final = 1000


def progress_on(stream: Any, *, wanted: bool) -> Progress:
    """Return a function that says on `stream` how far a verification is; one that says nothing unless `wanted`."""
    if not wanted:
        return quiet
    started = time.monotonic()

    def say(what: str, count: int) -> None:
        figure = f" {count:,}" if count else ""
        end = "\r" if count else "\n"
        stream.write(f"{time.monotonic() - started:7.1f} s  {what}{figure}{end}")
        stream.flush()

    return say


def is_terminal() -> bool:
    """Whether somebody watches."""
    return sys.stderr.isatty()


def lines(report: Report, row: Verification, unit: Unit) -> list[str]:
    """Return what people read: what was counted, each source's total, every difference, and the history."""
    amount = unit.exact  # a difference may be as small as a millionth
    counted = (
        _counted(report.accounts, "account"),
        _counted(report.entries, "entry", "entries"),
        _counted(report.open_holds, "open hold"),
    )
    said = [f"{', '.join(counted)}; all balances together {amount(report.balances)}"]
    said += [f"  source {source}: {amount(total)}" for source, total in sorted(report.sources.items())]
    said.append(f"History: {_history(report, row)}")
    said += [f"DIFFERENCE {difference.words(amount)}" for difference in report.differences[:SHOWN_MAX]]
    more = report.difference_count - min(len(report.differences), SHOWN_MAX)
    said += [f"...and {more:,} more"] if more else []
    count = report.difference_count
    said.append("No difference." if not count else f"{_counted(count, 'difference')}.")
    return said


def as_json(report: Report, row: Verification) -> str:
    """Return the same for machines; amounts in millionths."""
    base = report.base
    return json.dumps(
        {
            "at": row.at.isoformat(),
            "took_ms": row.took_ms,
            "accounts": report.accounts,
            "entries": report.entries,
            "open_holds": report.open_holds,
            "balances": report.balances,
            "sources": report.sources,
            "difference_count": report.difference_count,
            "differences": [asdict(difference) for difference in report.differences[:SHOWN_MAX]],
            "history": {
                "compared_with": base.at.isoformat() if base else None,
                "compared_until": base.until if base else None,
                "kept_until": row.entries_until if row.seal else None,
                "seal": row.seal,
                "accepted": row.accepted,
            },
        },
        indent=2,
    )


def _history(report: Report, row: Verification) -> str:
    base = report.base
    compared = f"compared with {base.at:%Y-%m-%d %H:%M} UTC up to entry {base.until}" if base else "nothing kept before"
    if row.seal:
        return f"{compared}; kept up to entry {row.entries_until}, seal {row.seal}"
    reason = "the past differs" if report.past_differs else "another transaction or verification was in the way"
    return f"{compared}; nothing new kept: {reason}"


def _counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
