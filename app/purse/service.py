"""One person's purse, put together from the books, the schedules and the prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from app.internet import rules as internet
from app.ledger import service as ledger
from app.ledger import statement
from app.ledger.models import Account
from app.people.models import User
from app.printing import rules as printing
from app.purse import rules
from app.schedules import service as schedules
from app.settings import Settings

TREND_DAYS = 14


@dataclass(frozen=True)
class Purse:
    """What pages, portal and proxy say of a purse. Amounts in millionths; words ready to be shown."""

    user: User
    account: Account
    as_of: datetime
    state: str
    means: str
    lasts: str
    used_weekly: int
    next_credit: schedules.NextCredit | None
    next_when: str

    @property
    def available(self) -> int:
        """What may be spent now."""
        return self.account.available


def look_into(session: Session, *, user: User, settings: Settings, now: datetime) -> Purse:
    """Return the user's purse as it is now. Raises NotFoundError for a user without one."""
    account = ledger.get_account(session, user_id=user.id)
    config = settings.config
    used, _ = statement.charged_since(
        session, account_id=account.id, since=now - timedelta(days=rules.PACE_DAYS), sources=("print", "internet")
    )
    pages = printing.pages_for(available=account.available, price_per_page=config.print.price_per_page)
    mb = internet.mb_for(available=account.available, price_per_mb=config.internet.price_per_mb)
    coming = schedules.next_credit(session, user_id=user.id, balance=account.balance, now=now)
    return Purse(
        user=user,
        account=account,
        as_of=now,
        state=rules.state(available=account.available, floor=account.floor, low_balance=config.low_balance),
        means=rules.enough_for(
            pages=pages if settings.charges_print else None, mb=mb if settings.charges_internet else None
        ),
        lasts=rules.lasts(available=account.available, used=used),
        used_weekly=used * 7 // rules.PACE_DAYS,
        next_credit=coming,
        next_when=rules.moment_in_words(coming.at, now, settings.zone) if coming else "",
    )


def trend(session: Session, *, account_id: int, settings: Settings, now: datetime, days: int) -> list[tuple[date, int]]:
    """Return (day, balance at its end) for the last `days` days, oldest first."""
    today = now.astimezone(settings.zone).date()
    return statement.day_balances(session, account_id=account_id, today=today, days=days, zone=settings.zone)


def internet_message(purse: Purse, settings: Settings) -> str:
    """Return one plain line that says why the Internet is refused, and when it comes back."""
    unit = settings.unit
    if purse.next_credit is None:
        following = "No credit is planned."
    else:
        following = f"Next credit: {unit.change(purse.next_credit.amount)} on {purse.next_when}."
    name = "Internet purse" if settings.config.charges == ["internet"] else "purse"
    still = " Printing still works: it has its own purse." if settings.config.charges == ["internet"] else ""
    return f"Your {name} is empty: {unit.text(purse.available)} left. {following}{still}"
