"""What use of the Internet costs under given terms, as functions of values: bytes, hours, sites, periods, people."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import repeat
from operator import mul
from typing import Final

MB: Final = 1_000_000
HOUR_S: Final = 3600
QUARTER_S: Final = 900
DAY_MINUTES: Final = 1440
FULL: Final = 100
"""Percent at which something costs its price."""


@dataclass(frozen=True, slots=True)
class Use:
    """What one person used in one slot of one kind of site.

    `slot_start`: seconds since 1970. `site_list_id` 0: no list. Sizes in bytes; `download` holds `cached` too.
    `periods`: starts of periods, in seconds since 1970, that this use is the first to pay for.
    """

    slot_start: int
    site_list_id: int = 0
    download: int = 0
    upload: int = 0
    cached: int = 0
    periods: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of the week that cost `percent`: on `weekdays` ("1" is Monday) from a minute of the local day to another.

    An `end` that is not after `start` lies on the next day.
    """

    name: str
    weekdays: str
    start: int
    end: int
    percent: int

    def holds(self, weekday: int, minute: int) -> bool:
        """Whether a minute (0 to 1439) of a weekday (1 to 7) is among these hours."""
        today = str(weekday) in self.weekdays
        if self.start < self.end:
            return today and self.start <= minute < self.end
        yesterday = str((weekday - 2) % 7 + 1) in self.weekdays
        return (today and minute >= self.start) or (yesterday and minute < self.end)


@dataclass(frozen=True, slots=True)
class Terms:
    """How use is charged: prices in millionths, per 1,000,000 bytes and per period; 0 where nothing is charged by it.

    `period_s` is 0 where time costs nothing. `sites`: list of sites -> percent; a list that is not here costs 100.
    """

    down: int = 0
    up: int = 0
    per_period: int = 0
    period_s: int = 0
    cached_free: bool = False
    hours: tuple[Hours, ...] = ()
    sites: Mapping[int, int] = field(default_factory=dict)

    @property
    def is_free(self) -> bool:
        """Whether nothing costs anything, for nobody."""
        return not (self.down or self.up or (self.period_s and self.per_period))

    @property
    def is_flat(self) -> bool:
        """Whether every byte costs the same, whenever, whichever way and wherever it went, and nothing else costs."""
        return (
            self.down == self.up
            and not (self.period_s and self.per_period)
            and not self.cached_free
            and all(hours.percent == FULL for hours in self.hours)
            and all(percent == FULL for percent in self.sites.values())
        )


@dataclass(frozen=True)
class Plan:
    """The terms that hold now and those that held before, in the instance's time zone: it prices use of any time.

    `past`: (seconds since 1970 until which they held, terms), oldest first. `version` names the terms of now.
    `has_people`: whether anybody pays another percentage than 100.
    """

    terms: Terms
    zone: tzinfo
    version: str = "0"
    past: tuple[tuple[int, Terms], ...] = ()
    has_people: bool = False
    _ends: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _percents: dict[tuple[int, int], int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", tuple(until for until, _ in self.past))

    @property
    def is_flat(self) -> bool:
        """Whether every byte of everybody costs the same, now and in the past: then slots and sites do not matter."""
        return self.terms.is_flat and not self.past and not self.has_people

    @property
    def is_free(self) -> bool:
        """Whether nothing costs anything now."""
        return self.terms.is_free

    @property
    def period_s(self) -> int:
        """Seconds of a period that is paid as a whole; 0 where time costs nothing."""
        return self.terms.period_s if self.terms.per_period else 0

    def terms_at(self, instant: int) -> Terms:
        """Return the terms that held at an instant, in seconds since 1970."""
        index = bisect_right(self._ends, instant)
        return self.past[index][1] if index < len(self.past) else self.terms

    def percent_at(self, instant: int) -> int:
        """Return what the hours of the week make of a price at an instant, in percent."""
        terms = self.terms_at(instant)
        if not terms.hours:
            return FULL
        quarter = instant // QUARTER_S
        key = (id(terms), quarter)  # the plan keeps its terms, so that no other object has their id
        percent = self._percents.get(key)
        if percent is None:
            percent = self._percents[key] = percent_of_hours(terms.hours, local_time(instant, self.zone))
        return percent

    def price(self, use: Use, percent: int = FULL) -> int:
        """Return what `use` costs, in millionths of a millionth, for somebody who pays `percent` of prices.

        The terms and hours are those of the slot's start, a period's those of its own start. Rounded down once for the
        data and once for the periods.
        """
        terms = self.terms_at(use.slot_start)
        down = max(0, use.download - use.cached) if terms.cached_free else use.download
        price = down * terms.down + use.upload * terms.up
        if price and (terms.hours or terms.sites or percent != FULL):
            site = terms.sites.get(use.site_list_id, FULL)
            price = price * self.percent_at(use.slot_start) * site * percent // FULL**3
        for start in use.periods:
            price += self.price_of_period(start, percent)
        return price

    def price_columns(self, start: int, columns: Sequence[Sequence[int]], percents: Mapping[int, int]) -> list[int]:
        """Return what each use in one slot costs, as `price` has it.

        `columns`: user ids, lists of sites, bytes down, up, and cached; whatever follows costs nothing. One that is
        empty is all 0. `percents`: what each user pays of prices.
        """
        users, sites, down, up, cached = columns[:5]
        terms, by_hour = self.terms_at(start), self.percent_at(start)
        if terms.cached_free and cached:
            down = [max(0, size - stored) for size, stored in zip(down, cached, strict=True)]
        shares = {site: by_hour * terms.sites.get(site, FULL) for site in {*sites, 0}}
        of_byte = {site: terms.down * share for site, share in shares.items()}
        if not self.has_people and not (up and terms.up) and not any(each % FULL**2 for each in of_byte.values()):
            # Nothing has to be rounded: the same, in a third of the time.
            whole = {site: each // FULL**2 for site, each in of_byte.items()}
            of_site = map(whole.__getitem__, sites) if sites else repeat(whole[0])
            return list(map(mul, down, of_site)) or [0] * len(users)
        prices: Sequence[int] = [size * terms.down for size in down] or [0] * len(users)
        if up and terms.up:
            prices = [price + size * terms.up for price, size in zip(prices, up, strict=True)]
        percents_of_site = [shares[site] for site in sites] if sites else repeat(shares[0])
        if self.has_people:
            of_user = map(percents.__getitem__, users)
            return [p * s * u // FULL**3 for p, s, u in zip(prices, percents_of_site, of_user, strict=False)]
        return [p * s // FULL**2 for p, s in zip(prices, percents_of_site, strict=False)]

    def price_of_period(self, start: int, percent: int = FULL) -> int:
        """Return what one period costs that begins at `start`, in millionths of a millionth."""
        terms = self.terms_at(start)
        if not terms.period_s:
            return 0
        return terms.per_period * MB * self.percent_at(start) * percent // FULL**2

    def hour_of(self, instant: int) -> datetime:
        """Return the beginning of the local clock's hour that holds an instant: the `hour` of usage_hours."""
        return datetime.fromtimestamp(hour_start(instant, self.zone), UTC)


def flat(price_per_mb: int) -> Terms:
    """Return the terms under which every byte, down or up, costs the same: millionths per 1,000,000 bytes."""
    return Terms(down=price_per_mb, up=price_per_mb)


def local_time(instant: int, zone: tzinfo) -> datetime:
    """Return the wall clock's time at an instant."""
    return datetime.fromtimestamp(instant, UTC).astimezone(zone)


def hour_start(instant: int, zone: tzinfo) -> int:
    """Return when the wall clock's hour began that holds an instant; both in seconds since 1970.

    Where a clock change moves by less than an hour (Lord Howe), an hour of the clock may be short or long.
    """
    offset = _offset_s(local_time(instant, zone))
    return (instant + offset) // HOUR_S * HOUR_S - offset


def percent_of_hours(hours: tuple[Hours, ...], local: datetime) -> int:
    """Return the percentage of the first hours that hold a local time; 100 where none do."""
    found = hours_at(hours, local)
    return found.percent if found else FULL


def next_change(plan: Plan, now: int, *, days: int = 8) -> tuple[int, Hours | None] | None:
    """Return when the hours that hold now end, in seconds since 1970, and which follow (None: the usual price).

    None where nothing changes within `days`. Looked at is every quarter hour, so that clock changes count.
    """
    hours = plan.terms.hours
    if not hours:
        return None
    present = hours_at(hours, local_time(now, plan.zone))
    first = (now // QUARTER_S + 1) * QUARTER_S
    for instant in range(first, first + days * 86_400, QUARTER_S):
        following = hours_at(hours, local_time(instant, plan.zone))
        if following != present:
            return instant, following
    return None


def hours_at(hours: tuple[Hours, ...], local: datetime) -> Hours | None:
    """Return the first hours that hold a local time, None where none do."""
    minute = local.hour * 60 + local.minute
    return next((each for each in hours if each.holds(local.isoweekday(), minute)), None)


def slot_seconds(hours: tuple[Hours, ...], zone: tzinfo, near: int) -> int:
    """Return how finely use must be summed by time: 3600, or 900 where an hour of UTC is not of one price or day.

    Looked at are the zone's offsets in the year around `near` (seconds since 1970).
    """
    offsets = zone_offsets(zone, near)
    marks = {0} | {minute for each in hours for minute in (each.start, each.end)}
    whole = all((mark * 60 - offset) % HOUR_S == 0 for mark in marks for offset in offsets)
    return HOUR_S if whole else QUARTER_S


def period_lengths(zone: tzinfo, near: int) -> list[int]:
    """Return the lengths of periods, in minutes, that cut both the hour and this zone's local day without a rest."""
    offsets = zone_offsets(zone, near)
    return [
        minutes
        for minutes in range(1, 61)
        if 60 % minutes == 0 and all(offset % (minutes * 60) == 0 for offset in offsets)
    ]


def zone_offsets(zone: tzinfo, near: int) -> set[int]:
    """Return the offsets from UTC, in seconds, that a zone has within half a year of an instant."""
    middle = datetime.fromtimestamp(near, UTC)
    return {_offset_s((middle + timedelta(days=days)).astimezone(zone)) for days in range(-190, 191, 10)}


def period_start(instant: int, period_s: int) -> int:
    """Return when the period began that holds an instant; both in seconds since 1970."""
    return instant // period_s * period_s


def _offset_s(local: datetime) -> int:
    offset = local.utcoffset()
    return int(offset.total_seconds()) if offset else 0
