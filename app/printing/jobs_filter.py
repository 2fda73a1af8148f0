"""What an address of the list of jobs asks for: read with care, and written again for links. Functions of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app.printing.job_words import STATES
from app.printing.jobs_list import Selection
from app.web.addresses import read_day, read_text
from language import _

LENGTHS: Final = {"person": 256, "printer": 128, "server": 80, "title": 200}


@dataclass(frozen=True)
class Filter:
    """A filter as it was asked for. `problems`: field -> what is wrong with it; days are kept as they were written."""

    person: str = ""
    printer: str = ""
    server: str = ""
    state: str = ""
    first: str = ""
    last: str = ""
    title: str = ""
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, str]:
        """What an address needs in order to ask for the same again."""
        asked = {"person": self.person, "printer": self.printer, "server": self.server, "state": self.state}
        asked |= {"from": self.first, "to": self.last, "title": self.title}
        return {name: value for name, value in asked.items() if value}

    @property
    def in_words(self) -> list[str]:
        """What is asked for, for people."""
        return [_(STATES.get(text, text)) if name == "state" else text for name, text in self.parameters.items()]

    @property
    def is_set(self) -> bool:
        """Whether anything is left out."""
        return bool(self.parameters)

    def selection(self, zone: ZoneInfo, *, user_id: int | None = None, nobody: str = "") -> Selection:
        """Return the jobs that are asked for; whose name `person` is was found out before."""
        first, last = read_day(self.first), read_day(self.last)
        return Selection(
            user_id=user_id,
            nobody=nobody,
            printer=self.printer,
            server=self.server,
            state=self.state if self.state in STATES else "",
            since=_start_of(first, zone) if first else None,
            until=_start_of(last + timedelta(days=1), zone) if last else None,
            title=self.title,
        )


def read(arguments: Mapping[str, str], *, titles: bool = True) -> Filter:
    """Read the parameters of an address; what is wrong with them stands in `problems`.

    `titles` False: they are not meant for who asks, so they cannot be searched either.
    """
    texts = {name: read_text(arguments, name, length).strip() for name, length in LENGTHS.items()}
    state, first, last = (read_text(arguments, name, 40) for name in ("state", "from", "to"))
    problems = {}
    if state and state not in STATES:
        problems["state"] = _("Choose one of the list")
    if first and not read_day(first):
        problems["from"] = _("Write the first day as 2026-11-01")
    if last and not read_day(last):
        problems["to"] = _("Write the last day as 2026-11-30")
    if not problems and first and last and first > last:
        problems["to"] = _("The last day must be on or after the first day")
    if texts["title"] and not titles:
        problems["title"] = _("Titles are hidden, so they cannot be searched")
    return Filter(**texts, state=state, first=first, last=last, problems=problems)


def _start_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, datetime.min.time(), zone)
