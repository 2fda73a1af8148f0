"""The balance on a past day, as the address of a statement asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.ledger import statement
from app.web.addresses import read_day
from language import _


@dataclass(frozen=True)
class Past:
    """What was asked for, and what is known of it: the day and the balance at its end in millionths, or a problem."""

    typed: str = ""
    problem: str = ""
    day: date | None = None
    balance: int = 0


def look_back(session: Session, *, account_id: int, arguments: Mapping[str, str], zone: ZoneInfo, today: date) -> Past:
    """Return the balance at the end of the day that the parameter `on` names, on the clock of `zone`."""
    typed = arguments.get("on", "")[:40]
    if not typed:
        return Past()
    day = read_day(typed)
    if day is None:
        return Past(typed, _("Write the day as 2026-11-30"))
    if day > today:
        return Past(typed, _("Choose today or a day before it"))
    return Past(typed, "", day, statement.balance_on(session, account_id=account_id, day=day, zone=zone))
