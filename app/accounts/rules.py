"""Limits of accounts and of helpers, and names of shared ones, as functions of values. Amounts are millionths."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from app.money import MINUS, Unit
from language import N_, _

NAME_LENGTH_MAX: Final = 80

SOURCE_WORDS: Final = {
    "allocation": N_("allocation"),
    "print": N_("print"),
    "internet": N_("internet"),
    "card": N_("card"),
    "adjustment": N_("adjustment"),
    "refund": N_("refund"),
    "transfer": N_("transfer"),
    "exchange": N_("exchange"),
}
"""What administrators read for the sources of entries; see ledger.rules.SOURCES."""


@dataclass(frozen=True)
class Limit:
    """How far an account may go down, as an administrator says it.

    `kind`: "default" (as for everybody), "restricted" (to 0), "overdraft" (to `overdraft`, more than 0, below 0) or
    "unrestricted".
    """

    kind: str
    overdraft: int = 0

    @property
    def floor(self) -> int | None:
        """The lowest balance for guarded entries; None where there is none. Only of a kind with a floor of its own."""
        if self.kind == "default":
            raise ValueError("the default limit knows its floor, this account does not")
        return {"restricted": 0, "overdraft": -self.overdraft}.get(self.kind)


@dataclass(frozen=True)
class Allowance:
    """What one helper may adjust in a day: `limit` in millionths, of the day that began at `since`."""

    helper_id: int
    limit: int
    since: datetime


def day_begins(now: datetime, zone: ZoneInfo) -> datetime:
    """Return when the day of `now` began on the clock of `zone`."""
    return datetime.combine(now.astimezone(zone).date(), time.min, zone)


def limit_of(floor: int | None, *, is_own: bool = True) -> Limit:
    """Return the limit that stands behind a floor."""
    if not is_own:
        return Limit("default")
    if floor is None:
        return Limit("unrestricted")
    return Limit("overdraft", -floor) if floor < 0 else Limit("restricted")


def limit_in_words(floor: int | None, unit: Unit) -> str:
    """Return what a floor means: "restricted, stops at $0.00", "overdraft, down to −$5.00", "unrestricted"."""
    if floor is None:
        return _("unrestricted")
    if floor < 0:
        return _("overdraft, down to %(amount)s", amount=floor_in_words(floor, unit))
    return _("restricted, stops at %(amount)s", amount=unit.text(0))


def floor_in_words(floor: int, unit: Unit) -> str:
    """Return a floor with every figure that it has: "−$5.00", "−$0.075"; a balance is rounded, a limit is not."""
    return f"{MINUS if floor < 0 else ''}{unit.price(floor)}"


def spendable(*, available: int, floor: int | None) -> int | None:
    """Return what guarded charges may still take, counted from the floor; below 0 when measured ones passed it.

    None: as much as anybody likes.
    """
    return None if floor is None else available - floor


def clean_name(text: str) -> str:
    """Return the name of a shared account as it is kept: one line, single spaces, composed letters (Unicode NFC).

    Raises ValueError, with a sentence for people, for none, one that is too long, or one that cannot be seen.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name:
        raise ValueError(_("Give the account a name"))
    if len(name) > NAME_LENGTH_MAX:
        raise ValueError(_("Use at most %(most)s characters for the name", most=NAME_LENGTH_MAX))
    if not name.isprintable():
        raise ValueError(_("Use only characters that can be seen"))
    return name
