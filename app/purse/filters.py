"""What a statement's address asks for: which kind of line, from which day to which. Functions of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app.ledger.rules import SOURCES
from app.ledger.statement import Selection
from app.web.addresses import read_day
from language import N_, _

KINDS: Final = {
    "all": N_("All kinds"),
    "credits": N_("Credits"),
    "printing": N_("Printing"),
    "internet": N_("Internet"),
    "other": N_("Other charges"),
}
"""Together they hold every line: what is neither a credit nor printing nor Internet use is another charge."""

METERED: Final = ("print", "internet")


@dataclass(frozen=True)
class Filter:
    """A filter as it was asked for. `problems`: field -> what is wrong with it; days are kept as they were written."""

    kind: str = "all"
    first: str = ""
    last: str = ""
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def is_set(self) -> bool:
        """Whether anything is left out."""
        return (self.kind, self.first, self.last) != ("all", "", "")

    @property
    def parameters(self) -> dict[str, str]:
        """What an address needs in order to ask for the same again."""
        asked = {"kind": "" if self.kind == "all" else self.kind, "from": self.first, "to": self.last}
        return {name: value for name, value in asked.items() if value}

    def selection(self, zone: ZoneInfo) -> Selection:
        """Return the lines that are asked for; days begin and end on the clock of `zone`."""
        first, last = read_day(self.first), read_day(self.last)
        return Selection(
            sources={
                "printing": ("print",),
                "internet": ("internet",),
                "other": tuple(source for source in SOURCES if source not in METERED),
            }.get(self.kind, ()),
            sign={"credits": 1, "other": -1}.get(self.kind, 0),
            since=_start_of(first, zone) if first else None,
            until=_start_of(last + timedelta(days=1), zone) if last else None,
        )


def read(arguments: Mapping[str, str]) -> Filter:
    """Read the parameters kind, from and to of an address; what is wrong with them stands in `problems`."""
    kind, first, last = arguments.get("kind") or "all", arguments.get("from", ""), arguments.get("to", "")
    problems = {}
    if kind not in KINDS:
        problems["kind"] = _("Choose one of the list")
    if first and not read_day(first):
        problems["from"] = _("Write the first day as 2026-11-01")
    if last and not read_day(last):
        problems["to"] = _("Write the last day as 2026-11-30")
    if not problems and first and last and first > last:
        problems["to"] = _("The last day must be on or after the first day")
    return Filter(kind, first[:40], last[:40], problems)


def kinds_for(charges: Sequence[str]) -> dict[str, str]:
    """Return the kinds that a purse can have, with their names: no Internet where only printing is charged."""
    missing = {"printing" if "print" not in charges else "", "internet" if "internet" not in charges else ""}
    return {kind: _(name) for kind, name in KINDS.items() if kind not in missing}


def _start_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, datetime.min.time(), zone)
