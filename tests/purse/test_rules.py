"""The words around a balance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from app.purse import rules

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 19, 11, 4, tzinfo=UTC)


def test_enough_for_names_only_what_is_charged_and_never_promises_what_is_not_there() -> None:
    assert rules.enough_for(pages=68, mb=None) == "Enough for about 68 pages"
    assert rules.enough_for(pages=1, mb=None) == "Enough for 1 page"
    assert rules.enough_for(pages=0, mb=None) == "Not enough for a page"
    assert rules.enough_for(pages=None, mb=0) == "Not enough for 1\N{NO-BREAK SPACE}MB"
    assert rules.enough_for(pages=2, mb=10) == "Enough for about 2 pages or about 10\N{NO-BREAK SPACE}MB"
    assert rules.enough_for(pages=None, mb=None) == ""


def test_the_pace_of_a_young_purse_is_not_thinned_by_weeks_before_it() -> None:
    assert rules.pace_days(timedelta(days=2)) == 7
    assert rules.pace_days(timedelta(days=10)) == 10
    assert rules.pace_days(timedelta(days=400)) == 28


def test_how_long_it_is_until_a_moment() -> None:
    assert rules.coming_in_words(NOW + timedelta(minutes=20), NOW, ZONE) == "in 20 minutes"
    assert rules.coming_in_words(NOW + timedelta(seconds=5), NOW, ZONE) == "in 1 minute"
    assert rules.coming_in_words(NOW + timedelta(hours=5), NOW, ZONE) == "in 5 hours"
    assert rules.coming_in_words(NOW + timedelta(hours=20), NOW, ZONE) == "in 20 hours"
    assert rules.coming_in_words(NOW + timedelta(days=4), NOW, ZONE) == "in 4 days"


def test_the_purse_is_called_by_what_it_pays_for() -> None:
    assert rules.purse_name(["print"]) == "print purse"
    assert rules.purse_name(["internet"]) == "Internet purse"
    assert rules.purse_name(["print", "internet"]) == "purse"


def test_state_at_its_borders() -> None:
    def state(available: int, floor: int | None = 0) -> str:
        return rules.state(available=available, floor=floor, low_balance=1_000_000)

    assert [state(amount) for amount in (-1, 0, 1, 1_000_000, 1_000_001)] == ["empty", "empty", "low", "low", "ok"]
    assert state(-5, floor=None) == "ok"


def test_moments_are_said_on_the_clock_of_the_zone() -> None:
    assert rules.moment_in_words(datetime(2026, 11, 19, 22, 30, tzinfo=UTC), NOW, ZONE) == "Today 23:30"
    assert rules.moment_in_words(datetime(2026, 11, 19, 23, 30, tzinfo=UTC), NOW, ZONE) == "Tomorrow 00:30"
    assert rules.moment_in_words(datetime(2026, 11, 23, 6, 0, tzinfo=UTC), NOW, ZONE) == "Monday 07:00"
    assert rules.moment_in_words(datetime(2027, 1, 1, 0, 0, tzinfo=UTC), NOW, ZONE) == "1 January 2027 01:00"
