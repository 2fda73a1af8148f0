"""When a schedule falls due, as functions of values. Occurrences are computed on the wall clock of a named zone.

A wall-clock time that a clock change skips is moved forward by the length of the gap (02:30 becomes 03:30); one that
a clock change repeats means its first passing. Each occurrence's identity is its local date-time as written in the
schedule, so that neither change can make it happen twice or not at all. Where a zone leaves out a whole day, as when
it moves across the date line, what is moved meets the next day's: two occurrences at one instant are one, the later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule

from language import N_, _, _n, dates

WEEKDAY_NAMES: Final = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)
WORKING_DAY: Final = 7
"""Stands where a weekday of the month is asked for, and means any of Monday to Friday."""

MONTH_DAY_NAMES: Final = (*WEEKDAY_NAMES, N_("working day (Monday to Friday)"))
ORDINAL_NAMES: Final = {1: N_("first"), 2: N_("second"), 3: N_("third"), 4: N_("fourth"), -1: N_("last")}
IDENTITY_FORMAT: Final = "%Y-%m-%dT%H:%M"
EVERY_WEEKS_MAX: Final = 52
DATES_MAX: Final = 200
DATES_IN_WORDS: Final = 4
"""A longer list of dates is told by its number, first and last."""

GRACE: Final = timedelta(minutes=15)
"""With catch-up "none", a run is still made when the ticker comes this late; a restart takes less."""

LAST_YEAR: Final = 2199
"""A schedule's first and last day lie before 2200: later ones are slips of the hand, and dates end at 9999."""


@dataclass(frozen=True)
class Recurrence:
    """The "when" of a schedule, by its `period`:

    "daily"; "weekly" on `weekdays` (Monday is 0) of every `every_weeks`-th week, Monday to Sunday, where the week of
    `anchor` counts; "monthly" on `month_day`, 1 to 31, clipped to the month's last day; "ordinal" on the `ordinal`-th
    (1 to 4, -1 is the last) `month_weekday` of each month; on the `dates`; "first_seen", which never falls due: it is
    for each person as they come. `skipped` is the identity of one occurrence that is left out.
    """

    period: str
    time_of_day: time
    zone: ZoneInfo
    weekdays: tuple[int, ...] = ()
    month_day: int = 1
    starts_on: date | None = None
    ends_on: date | None = None
    every_weeks: int = 1
    anchor: date = date(2001, 1, 1)
    ordinal: int = 1
    month_weekday: int = 0
    dates: tuple[date, ...] = ()
    skipped: str = ""


@dataclass(frozen=True, order=True)
class Occurrence:
    """One moment at which a schedule falls due: the instant, and the local date-time that is its identity."""

    due_at: datetime
    local: datetime

    @property
    def identity(self) -> str:
        """The local date-time as "YYYY-MM-DDTHH:MM"."""
        return self.local.strftime(IDENTITY_FORMAT)


@dataclass(frozen=True)
class ClockChange:
    """A zone's clock jumps on the local day `on`: forward by a positive `by`, back by a negative one."""

    on: date
    by: timedelta


@dataclass(frozen=True)
class Upcoming:
    """One coming occurrence as people read it.

    `at` is the instant on the zone's clock; `written` the local time in the schedule, another than `at` says where a
    clock change skips it; `change` the first clock change since the occurrence before; `skipped`: it is left out.
    """

    at: datetime
    written: datetime
    change: ClockChange | None
    skipped: bool = False

    @property
    def identity(self) -> str:
        """As the occurrence's."""
        return self.written.strftime(IDENTITY_FORMAT)

    @property
    def moved(self) -> bool:
        """Whether the written time does not exist on that day."""
        return self.at.replace(tzinfo=None) != self.written


def occurrences(recurrence: Recurrence, *, after: datetime) -> Iterator[Occurrence]:
    """Yield the occurrences later than the instant `after`, in order, without end unless the schedule has one."""
    return (occurrence for occurrence in _with_skipped(recurrence, after) if occurrence.identity != recurrence.skipped)


def _with_skipped(recurrence: Recurrence, after: datetime) -> Iterator[Occurrence]:
    # Begin two days early: no zone is further than that from its own date.
    first = (after.astimezone(recurrence.zone) - timedelta(days=2)).date()
    if recurrence.starts_on is not None and recurrence.starts_on > first:
        first = recurrence.starts_on
    waiting = None
    for day in _days(recurrence, first):
        if recurrence.ends_on is not None and day > recurrence.ends_on:
            break
        local = datetime.combine(day, recurrence.time_of_day)
        found = Occurrence(local.replace(tzinfo=recurrence.zone, fold=0).astimezone(UTC), local)
        if waiting is not None and after < waiting.due_at < found.due_at:
            yield waiting
        waiting = found
    if waiting is not None and waiting.due_at > after:
        yield waiting


def missed(recurrence: Recurrence, *, after: datetime, now: datetime) -> list[Occurrence]:
    """Return what fell due in (after, now], in order."""
    return list(takewhile(lambda occurrence: occurrence.due_at <= now, occurrences(recurrence, after=after)))


def to_run(overdue: list[Occurrence], *, catch_up: str, now: datetime) -> list[Occurrence]:
    """Return which overdue occurrences shall be run: "all", the "last", or with "none" only one that is still fresh."""
    if catch_up == "all":
        return overdue
    if catch_up == "none":
        overdue = [occurrence for occurrence in overdue if now - occurrence.due_at <= GRACE]
    return overdue[-1:]


def next_occurrences(recurrence: Recurrence, *, after: datetime, count: int) -> list[Occurrence]:
    """Return the next `count` occurrences, fewer when the schedule ends."""
    return list(islice(occurrences(recurrence, after=after), count))


def upcoming(recurrence: Recurrence, *, after: datetime, count: int) -> list[Upcoming]:
    """Return the next `count` occurrences as people read them, the skipped one too, each with its clock change."""
    found = list(islice(_with_skipped(recurrence, after), count))
    return [
        Upcoming(
            at=occurrence.due_at.astimezone(recurrence.zone),
            written=occurrence.local,
            change=clock_change(recurrence.zone, found[index - 1].due_at, occurrence.due_at) if index else None,
            skipped=occurrence.identity == recurrence.skipped,
        )
        for index, occurrence in enumerate(found)
    ]


def clock_change(zone: ZoneInfo, first: datetime, second: datetime) -> ClockChange | None:
    """Return a change of the zone's clock between two instants, None when it reads the same distance from UTC."""
    before, after = (at.astimezone(zone).utcoffset() or timedelta() for at in (first, second))
    if before == after:
        return None
    early, late = first, second
    while late - early > timedelta(minutes=1):
        middle = early + (late - early) / 2
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return ClockChange(on=late.astimezone(zone).date(), by=after - before)


def zone_name(at: datetime) -> str:
    """Return the name of the clock that an aware local time is on: "CEST", or "UTC+03" where a zone has no letters."""
    name = at.tzname() or ""
    return f"UTC{name}" if name[:1] in ("+", "-") else name


def moment_in_words(at: datetime, now: datetime) -> str:
    """Return an aware local time with its clock: "Monday 30 November 07:00 CET"; the year when it is another one."""
    day = dates.weekday_and_day(at, year=at.year != now.astimezone(at.tzinfo).year)
    return _("%(day)s %(clock)s", day=day, clock=f"{dates.clock(at)} {zone_name(at)}")


@cache
def zone_names() -> tuple[str, ...]:
    """Return the names of the zones that this machine knows, sorted."""
    return tuple(sorted(available_timezones()))


def when_in_words(recurrence: Recurrence) -> str:
    """Return the recurrence as people say it: "Every Monday at 07:00"."""
    clock = recurrence.time_of_day.strftime("%H:%M")
    if recurrence.period == "first_seen":
        return _("Once, when somebody is first seen here")
    if recurrence.period == "dates":
        return _dates_in_words(recurrence.dates, clock)
    if recurrence.period == "ordinal":
        which, day = _(ORDINAL_NAMES[recurrence.ordinal]), _(MONTH_DAY_NAMES[recurrence.month_weekday])
        return _("On the %(which)s %(day)s of every month at %(clock)s", which=which, day=day, clock=clock)
    if recurrence.period == "monthly":
        return _monthly_in_words(recurrence.month_day, clock)
    if recurrence.period == "weekly" and recurrence.every_weeks > 1:
        return _n(
            "Every week on %(days)s at %(clock)s, counted from the week of Monday %(week)s",
            "Every %(num)s weeks on %(days)s at %(clock)s, counted from the week of Monday %(week)s",
            recurrence.every_weeks,
            days=_weekdays_in_words(recurrence.weekdays),
            clock=clock,
            week=date_in_words(monday_of(recurrence.anchor)),
        )
    if recurrence.period == "weekly" and len(set(recurrence.weekdays)) < 7:
        return _("Every %(days)s at %(clock)s", days=_weekdays_in_words(recurrence.weekdays), clock=clock)
    return _("Every day at %(clock)s", clock=clock)


def _monthly_in_words(day: int, clock: str) -> str:
    if day == 31:
        return _("On the last day of every month at %(clock)s", clock=clock)
    if day > 28:
        return _("On day %(day)s of every month, or its last day, at %(clock)s", day=day, clock=clock)
    return _("On day %(day)s of every month at %(clock)s", day=day, clock=clock)


def _weekdays_in_words(days: Sequence[int]) -> str:
    return list_in_words([dates.weekday(day) for day in sorted(set(days))])


def _dates_in_words(days: Sequence[date], clock: str) -> str:
    if len(days) > DATES_IN_WORDS:
        first, last = date_in_words(days[0]), date_in_words(days[-1])
        return _n(
            "On %(num)s date from %(first)s to %(last)s at %(clock)s",
            "On %(num)s dates from %(first)s to %(last)s at %(clock)s",
            len(days),
            first=first,
            last=last,
            clock=clock,
        )
    names = list_in_words([date_in_words(day) for day in days])
    if len(days) == 1:
        return _("Once, on %(days)s at %(clock)s", days=names, clock=clock)
    return _("On %(days)s at %(clock)s", days=names, clock=clock)


def date_in_words(day: date) -> str:
    """Return a date as people say it: "1 March 2027"."""
    return dates.day(day, year=True)


def monday_of(day: date) -> date:
    """Return the Monday of the day's week."""
    return day - timedelta(days=day.weekday())


def list_in_words(names: Sequence[str]) -> str:
    """Return names as a list in a sentence: "Monday, Tuesday and Friday"."""
    if len(names) < 2:
        return "".join(names)
    return _("%(names)s and %(last)s", names=", ".join(names[:-1]), last=names[-1])


def _days(recurrence: Recurrence, first: date) -> Iterator[date]:
    """Yield the recurrence's days from `first` on, in order."""
    start = datetime.combine(first, time())
    month = start.replace(day=1)
    if recurrence.period == "first_seen":
        return iter(())
    if recurrence.period == "dates":
        return (day for day in sorted(recurrence.dates) if day >= first)
    if recurrence.period == "daily":
        rule = rrule(DAILY, dtstart=start)
    elif recurrence.period == "weekly":
        # A week that counts: the last one, up to the first day's, that is a whole number of turns from the anchor's.
        week, turn = monday_of(first), timedelta(weeks=recurrence.every_weeks)
        week -= (week - monday_of(recurrence.anchor)) % turn
        start = datetime.combine(week, time())
        rule = rrule(WEEKLY, dtstart=start, interval=recurrence.every_weeks, byweekday=recurrence.weekdays, wkst=0)
    elif recurrence.period == "ordinal":
        days = range(5) if recurrence.month_weekday == WORKING_DAY else [recurrence.month_weekday]
        rule = rrule(MONTHLY, dtstart=month, byweekday=list(days), bysetpos=recurrence.ordinal)
    else:
        # The last that exists among 28..n: day 31 means the last day of a short month too.
        wanted = range(min(28, recurrence.month_day), recurrence.month_day + 1)
        rule = rrule(MONTHLY, dtstart=month, bymonthday=list(wanted), bysetpos=-1)
    return (moment.date() for moment in rule if moment.date() >= first)
