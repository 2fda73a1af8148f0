"""Verbs that change what the Internet costs: the rates and who pays less; and the last change of them undone.

A change holds from the beginning of the slot of use (hour or quarter of UTC) in which it is made, for what is not
booked yet; use of before is priced as it was then, whenever it is booked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.errors import WrongStateError
from app.internet import rates
from app.internet.models import UsageHour, UsagePosition
from app.internet.rate_models import InternetRates, PastRates, RateForGroup, RateForUser, RateHours
from app.internet.rate_rules import Hours, Terms, period_lengths, slot_seconds
from app.settings import Settings
from app.settings_tables import PRICE_MAX
from language import N_, _, numbers

PERCENT_MAX = 1_000
HOURS_MAX = 30
NAME_LENGTH_MAX = 80
CHANGED_MEANWHILE = N_("Somebody has changed the rates since this form was opened.")


@dataclass(frozen=True)
class Rates:
    """What an administrator says of rates. Prices in millionths; `groups` and `users`: id -> percent that they pay."""

    model: str = "data"
    down: int = 0
    up: int = 0
    per_period: int = 0
    period_minutes: int = 15
    cached_free: bool = False
    at_empty: str = "stop"
    running: str = "end"
    hours: tuple[Hours, ...] = ()
    groups: Mapping[int, int] = field(default_factory=dict)
    users: Mapping[int, int] = field(default_factory=dict)

    @property
    def terms(self) -> Terms:
        """What prices follow from it; lists of sites are not among it."""
        by_data, by_time = self.model != "time", self.model != "data"
        return Terms(
            down=self.down if by_data else 0,
            up=self.up if by_data else 0,
            per_period=self.per_period if by_time else 0,
            period_s=self.period_minutes * 60 if by_time else 0,
            cached_free=self.cached_free,
            hours=self.hours,
        )


def present(session: Session, settings: Settings) -> tuple[Rates, int]:
    """Return the rates that hold now, with their version: 0 where the configuration's flat price still counts."""
    row = session.get(InternetRates, 1)
    if row is None:
        price = settings.config.internet.price_per_mb
        return Rates(down=price, up=price), 0
    return _said(session, row), row.version


def check(said: Rates, settings: Settings, now: datetime) -> dict[str, str]:
    """Return what is wrong, by the field of the form that says it."""
    wrong: dict[str, str] = {}
    for name, price in (("down", said.down), ("up", said.up), ("per_period", said.per_period)):
        if not 0 <= price <= PRICE_MAX:
            wrong[name] = _("A price is from 0 to %(most)s", most=numbers.count(PRICE_MAX // 1_000_000))
    if said.model not in ("data", "time", "both"):
        wrong["model"] = _("Choose what is charged")
    elif said.model != "data":
        lengths = period_lengths(settings.zone, int(now.timestamp()))
        if said.period_minutes not in lengths:
            each = ", ".join(map(str, lengths))
            wrong["period_minutes"] = _("Choose one of these lengths: %(lengths)s minutes", lengths=each)
    if len(said.hours) > HOURS_MAX:
        wrong["hours"] = _("There can be %(most)s lines of hours at most", most=HOURS_MAX)
    for number, hours in enumerate(said.hours, start=1):
        problem = _problem_of(hours)
        if problem:
            wrong["hours"] = _("Line %(number)s of the hours: %(problem)s", number=number, problem=problem)
            break
    for name, people in (("groups", said.groups), ("users", said.users)):
        if any(not 0 <= percent <= PERCENT_MAX for percent in people.values()):
            wrong[name] = _("A share is from 0 to %(most)s percent", most=PERCENT_MAX)
    return wrong


def save(session: Session, *, said: Rates, version: int, settings: Settings, by: str, now: datetime) -> InternetRates:
    """Keep rates that were checked. Raises WrongStateError when they are no longer those of `version`."""

    def apply(row: InternetRates) -> None:
        row.model, row.cached_free = said.model, said.cached_free
        row.price_per_mb_down, row.price_per_mb_up = said.down, said.up
        row.price_per_period, row.period_minutes = said.per_period, said.period_minutes
        row.at_empty, row.running = said.at_empty, said.running
        for table in (RateHours, RateForGroup, RateForUser):
            session.execute(delete(table))
        for position, each in enumerate(said.hours, start=1):
            session.add(
                RateHours(
                    position=position,
                    name=each.name,
                    weekdays=each.weekdays,
                    start_minute=each.start,
                    end_minute=each.end,
                    percent=each.percent,
                )
            )
        session.add_all(RateForGroup(group_id=each, percent=percent) for each, percent in said.groups.items())
        session.add_all(RateForUser(user_id=each, percent=percent) for each, percent in said.users.items())

    return change(session, apply, settings=settings, by=by, now=now, version=version)


def before(session: Session) -> tuple[Rates, int] | None:
    """Return the rates before the last change of them and the version of now, None where there were none."""
    row = session.get(InternetRates, 1)
    if row is None:
        return None
    said = _said(session, row)
    for text in session.scalars(select(PastRates.rates).order_by(PastRates.version.desc()).limit(50)):
        earlier = _from_json(text)
        if earlier != said:
            return earlier, row.version
    return None


def undo(session: Session, *, version: int, settings: Settings, by: str, now: datetime) -> InternetRates:
    """Make the rates what they were before their last change. Raises WrongStateError when there is nothing to undo."""
    found = before(session)
    if found is None:
        raise WrongStateError(_("There are no rates from before."))
    return save(session, said=found[0], version=version, settings=settings, by=by, now=now)


def switch_top_domains(session: Session, *, days: int, settings: Settings, by: str, now: datetime) -> None:
    """Keep bytes by domain for so many days from now on; 0: keep none."""

    def apply(row: InternetRates) -> None:
        row.top_domains = days > 0
        row.top_domains_days = days or row.top_domains_days

    change(session, apply, settings=settings, by=by, now=now)


def change(
    session: Session,
    apply: Callable[[InternetRates], None],
    *,
    settings: Settings,
    by: str,
    now: datetime,
    version: int | None = None,
) -> InternetRates:
    """Have `apply` change rates, lists or people, one after the other, and keep what held before for use of before.

    Raises WrongStateError when the rates are no longer those of `version`, where one is given.
    """
    row = session.scalar(select(InternetRates).where(InternetRates.id == 1).with_for_update())
    if version is not None and version != (row.version if row else 0):
        raise WrongStateError(_(CHANGED_MEANWHILE))
    said, _version = present(session, settings)
    if row is None:
        row = _first(session, settings, now)
    old = rates.terms_of(session, row)
    apply(row)
    session.flush()
    new = rates.terms_of(session, row)
    # Nothing charged yet, nothing held before: rates may take shape in several steps, and those that stand when the
    # first use is booked are also those of old logs. The steps can be taken back all the same.
    booked = _anything_booked(session)
    if (row.version > 0 or booked) and (old != new or said != _said(session, row)):
        until = _slot_start(old, new, settings, now) if booked else rates.NEVER_HELD
        past = PastRates(version=row.version, until=until, terms=rates.terms_to_json(old), rates=_to_json(said))
        session.add(past)
    row.version, row.changed_at, row.changed_by = row.version + 1, now, by[:256]
    session.flush()
    return row


def _first(session: Session, settings: Settings, now: datetime) -> InternetRates:
    """The row of rates for an instance that had none: its flat price, as version 0."""
    price = settings.config.internet.price_per_mb
    row = InternetRates(id=1, price_per_mb_down=price, price_per_mb_up=price, version=0, changed_at=now)
    session.add(row)
    session.flush()
    return row


def _anything_booked(session: Session) -> bool:
    return any(session.scalar(select(column).limit(1)) for column in (UsagePosition.source, UsageHour.user_id))


def _slot_start(old: Terms, new: Terms, settings: Settings, now: datetime) -> datetime:
    """When the present slot of use began; of two lengths the longer counts, since machines learn of it later."""
    instant = int(now.timestamp())
    length = max(slot_seconds(terms.hours, settings.zone, instant) for terms in (old, new))
    return datetime.fromtimestamp(instant // length * length, UTC)


def _said(session: Session, row: InternetRates) -> Rates:
    hours = session.scalars(select(RateHours).order_by(RateHours.position, RateHours.id))
    return Rates(
        model=row.model,
        down=row.price_per_mb_down,
        up=row.price_per_mb_up,
        per_period=row.price_per_period,
        period_minutes=row.period_minutes,
        cached_free=row.cached_free,
        at_empty=row.at_empty,
        running=row.running,
        hours=tuple(
            Hours(each.name, each.weekdays, each.start_minute, each.end_minute, each.percent) for each in hours
        ),
        groups=dict(session.execute(select(RateForGroup.group_id, RateForGroup.percent)).all()),
        users=dict(session.execute(select(RateForUser.user_id, RateForUser.percent)).all()),
    )


def _to_json(said: Rates) -> str:
    kept: dict[str, Any] = asdict(replace(said, groups={}, users={}))
    return json.dumps({**kept, "groups": sorted(said.groups.items()), "users": sorted(said.users.items())})


def _from_json(text: str) -> Rates:
    kept = json.loads(text)
    hours = tuple(Hours(**each) for each in kept.pop("hours"))
    return Rates(hours=hours, groups=dict(kept.pop("groups")), users=dict(kept.pop("users")), **kept)


def _problem_of(hours: Hours) -> str:
    quarters = all(minute % 15 == 0 for minute in (hours.start, hours.end))
    if not hours.weekdays or set(hours.weekdays) - set("1234567"):
        return _("tick at least one day")
    if not (0 <= hours.start < 1440 and 0 <= hours.end <= 1440 and quarters):
        return _("times are quarter hours, such as 18:00 or 18:15")
    if not 0 <= hours.percent <= PERCENT_MAX:
        return _("the share is from 0 to %(most)s percent", most=PERCENT_MAX)
    if len(hours.name) > NAME_LENGTH_MAX:
        return _("the name is longer than %(most)s characters", most=NAME_LENGTH_MAX)
    return ""
