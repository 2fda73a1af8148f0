"""One person's purse, put together from the books, the schedules and the prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.rules import spendable
from app.internet import rates
from app.internet import rules as internet
from app.ledger import accounts, statement
from app.ledger.models import Account
from app.notices import choices
from app.people.models import User
from app.printing import calculator
from app.printing import rules as printing
from app.printing.models import PrintJob
from app.purse import rules
from app.schedules import service as schedules
from app.settings import Settings
from language import _

TREND_DAYS = 14
NOT_PRINTED_FOR = timedelta(days=14)


@dataclass(frozen=True)
class Purse:
    """What pages, portal and proxy say of a purse. Amounts in millionths; words ready to be shown.

    `spendable` is what may still be taken, counted from the limit, None when there is none; `limit` says a limit that
    is not 0 to its owner. `low_balance`: from where down it is low to them, counted from the limit. `maximum` is what
    credits fill the purse up to, None when nothing bounds it; `page_price` what one more usual page costs them.
    """

    user: User
    account: Account
    as_of: datetime
    state: str
    low_balance: int
    spendable: int | None
    limit: str
    means: str
    lasts: str
    used_weekly: int
    next_credit: schedules.NextCredit | None
    next_when: str
    maximum: int | None
    page_price: int

    @property
    def available(self) -> int:
        """The balance less what is held."""
        return self.account.available


def look_into(session: Session, *, user: User, settings: Settings, now: datetime) -> Purse:
    """Return the user's purse as it is now. Raises NotFoundError for a user without one."""
    account = accounts.get_account(session, user_id=user.id)
    low_balance = choices.threshold_of(session, user_id=user.id, settings=settings)
    days = rules.pace_days(now - account.created_at)
    used, _since = statement.charged_since(
        session, account_id=account.id, since=now - timedelta(days=days), sources=("print", "internet")
    )
    left = spendable(available=account.available, floor=account.floor)
    page = calculator.usual_page(session, user_id=user.id, settings=settings) if settings.charges_print else 0
    coming = schedules.next_credit(session, user_id=user.id, balance=account.balance, now=now)
    return Purse(
        user=user,
        account=account,
        as_of=now,
        state=rules.state(available=account.available, floor=account.floor, low_balance=low_balance),
        low_balance=low_balance,
        spendable=left,
        limit=rules.limit_in_words(account.floor, settings.unit),
        means=_(rules.NO_LIMIT) if left is None else _means(session, user.id, left, page, settings, now),
        lasts="" if left is None else rules.lasts(available=left, used=used, days=days),
        used_weekly=used * 7 // days,
        next_credit=coming,
        next_when=rules.moment_in_words(coming.at, now, settings.zone) if coming else "",
        maximum=_maximum(session, user.id),
        page_price=page,
    )


def low_from(purse: Purse) -> int | None:
    """Return from which balance down a purse is low to its owner, in millionths; None for never."""
    floor = purse.account.floor
    return None if floor is None or not purse.low_balance else floor + purse.low_balance


def trend(session: Session, *, account_id: int, settings: Settings, now: datetime, days: int) -> list[tuple[date, int]]:
    """Return (day, balance at its end) for the last `days` days, oldest first."""
    today = now.astimezone(settings.zone).date()
    moved = statement.by_day(session, account_id=account_id, today=today, days=days, zone=settings.zone)
    return [(day.on, day.balance) for day in moved]


def not_printed(session: Session, *, user_id: int, now: datetime, limit: int) -> list[PrintJob]:
    """Return the user's jobs of the last two weeks that were refused, or wait to be counted; newest first."""
    return list(
        session.scalars(
            select(PrintJob)
            .where(
                PrintJob.user_id == user_id,
                PrintJob.state.in_(("cancelled", "waiting")),
                PrintJob.updated_at >= now - NOT_PRINTED_FOR,
            )
            .order_by(PrintJob.id.desc())
            .limit(limit)
        )
    )


def internet_message(purse: Purse, settings: Settings) -> str:
    """Return one plain line that says why the Internet is refused, and when it comes back."""
    unit = settings.unit
    name = rules.purse_name(settings.config.charges)
    if purse.account.floor:
        empty = _("Your %(purse)s is empty: its limit of %(limit)s is reached.", purse=name, limit=purse.limit)
    else:
        empty = _("Your %(purse)s is empty: %(amount)s left.", purse=name, amount=unit.text(purse.available))
    parts = [empty, next_credit_in_words(purse, settings) or _("No credit is planned.")]
    if not settings.charges_print:
        parts.append(_("Printing is not affected: it has its own purse."))
    return " ".join(parts)


def next_credit_in_words(purse: Purse, settings: Settings) -> str:
    """Return when a purse gets more, and how much, as a sentence; "" where none is planned."""
    if purse.next_credit is None:
        return ""
    amount = settings.unit.change(purse.next_credit.amount)
    return _("Next credit: %(amount)s on %(when)s.", amount=amount, when=purse.next_when)


def _means(session: Session, user_id: int, left: int, page: int, settings: Settings, now: datetime) -> str:
    pages = printing.pages_for(available=left, price=page) if settings.charges_print else None
    mb = hours = None
    if settings.charges_internet:
        per_mb, per_period, period_s = rates.price_now(session, user_id=user_id, settings=settings, now=now)
        mb = internet.mb_for(available=left, price_per_mb=per_mb)
        if mb is None:
            hours = internet.hours_for(available=left, price_per_period=per_period, period_s=period_s)
    return rules.enough_for(pages=pages, mb=mb, hours=hours)


def _maximum(session: Session, user_id: int) -> int | None:
    """The highest cap of the schedules that reach the user, if each of them has one: "add" goes on without end."""
    caps = [
        {"cap": schedule.cap, "reset": schedule.amount}.get(schedule.top_up)
        for schedule in schedules.reaching(session, user_id=user_id)
        if schedule.top_up != "lower"  # gives nothing
    ]
    known = [cap for cap in caps if cap is not None]
    return max(known) if known and len(known) == len(caps) else None
