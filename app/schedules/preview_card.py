"""The card beside the form: what one run would do, what is different from the last one, and to one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import request
from sqlalchemy.orm import Session

from app.people import service as people
from app.people.models import User
from app.schedules import forecast, reach, rules
from app.schedules.models import Schedule
from app.schedules.reach import Credit
from app.schedules.terms import Terms
from app.web.addresses import read_text
from language import _

WHAT_FIELDS = {"groups", "amount", "top_up", "cap"}
"""The fields of the form that decide who gets how much."""

NAME_LENGTH_MAX = 256
NAMESAKES_SHOWN = 5


@dataclass(frozen=True)
class Trial:
    """What was found about the person of whom somebody typed the name.

    `forecast` is None when nobody was found; `namesakes` then are those whom the name may mean.
    """

    typed: str
    forecast: forecast.PersonForecast | None
    namesakes: Sequence[User]


@dataclass(frozen=True)
class DryRun:
    """What one run would do with today's balances. `obstacles`: why none comes by itself now, in words."""

    preview: forecast.Preview
    difference: forecast.Difference | None
    obstacles: tuple[str, ...]
    trial: Trial | None


def dry_run(session: Session, *, terms: Terms, schedule: Schedule | None, now: datetime) -> DryRun:
    """Look at what the terms would do, beside the last run of `schedule`, and to the person whom the request names."""
    credit = reach.credit_of_terms(session, terms=terms)
    obstacles = _obstacles(terms, schedule, now)
    return _look(session, credit, forecast.preview(session, terms=terms), schedule, obstacles)


def dry_run_of_schedule(session: Session, *, schedule: Schedule) -> DryRun:
    """Look at what a run of a schedule would do if somebody had it run now."""
    credit = reach.credit_of_schedule(schedule)
    return _look(session, credit, forecast.preview_credit(session, credit=credit), schedule, ())


def _look(
    session: Session,
    credit: Credit,
    expected: forecast.Preview,
    schedule: Schedule | None,
    obstacles: tuple[str, ...],
) -> DryRun:
    last = forecast.last_run(session, schedule_id=schedule.id) if schedule is not None else None
    difference = forecast.compare(session, credit=credit, expected=expected, last=last) if last else None
    return DryRun(expected, difference, obstacles, _trial(session, credit))


def _trial(session: Session, credit: Credit) -> Trial | None:
    typed = read_text(request.values, "person", NAME_LENGTH_MAX).strip()
    if not typed:
        return None
    user = people.find_user(session, username=typed)
    if user is None:
        found = [one for one, _balance in people.list_users(session, query=typed, after="", limit=NAMESAKES_SHOWN + 1)]
        if len(found) != 1:
            return Trial(typed, None, found)
        user = found[0]
    return Trial(typed, forecast.for_person(session, credit=credit, user=user), ())


def _obstacles(terms: Terms, schedule: Schedule | None, now: datetime) -> tuple[str, ...]:
    """Say why no run comes by itself at the moment."""
    found = []
    if schedule is not None and schedule.paused_at is not None:
        found.append(_("The schedule is paused: nobody gets anything until you resume it."))
    try:
        today = now.astimezone(ZoneInfo(terms.time_zone)).date()
    except (ValueError, OSError):  # the zone is not right yet; its field says so
        return tuple(found)
    if terms.starts_on is not None and today < terms.starts_on:
        first = rules.date_in_words(terms.starts_on)
        found.append(_("The schedule has not begun: its first day is %(day)s.", day=first))
    if terms.ends_on is not None and today > terms.ends_on:
        last = rules.date_in_words(terms.ends_on)
        found.append(_("The schedule has ended: its last day was %(day)s.", day=last))
    return tuple(found)
