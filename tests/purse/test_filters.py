"""What a statement's address asks for."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.ledger.rules import SOURCES
from app.purse import filters

ZONE = ZoneInfo("Europe/Berlin")


def test_days_begin_and_end_on_the_local_clock_also_where_it_changes() -> None:
    chosen = filters.read({"from": "2026-10-25", "to": "2026-10-25"}).selection(ZONE)
    assert (chosen.since, chosen.until) == (
        datetime(2026, 10, 24, 22, tzinfo=UTC),
        datetime(2026, 10, 25, 23, tzinfo=UTC),
    )


def test_every_line_is_of_some_kind() -> None:
    credits, other = (filters.read({"kind": kind}).selection(ZONE) for kind in ("credits", "other"))
    metered = [filters.read({"kind": kind}).selection(ZONE).sources for kind in ("printing", "internet")]
    assert (credits.sign, credits.sources) == (1, ())
    assert other.sign == -1
    assert sorted([*other.sources, *metered[0], *metered[1]]) == sorted(SOURCES)


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ({"kind": "secret"}, "kind"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-02-30"}, "to"),
        ({"to": "9999-12-31"}, "to"),
        ({"from": "20261101"}, "from"),
        ({"from": "２０26-11-01"}, "from"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to"),
    ],
)
def test_what_is_wrong_is_named_and_kept(asked: dict[str, str], wrong: str) -> None:
    chosen = filters.read(asked)
    assert list(chosen.problems) == [wrong]
    assert chosen.parameters == asked


def test_an_address_that_asks_for_nothing_asks_for_everything() -> None:
    chosen = filters.read({"kind": "", "from": "", "to": ""})
    assert not chosen.problems
    assert not chosen.is_set
    assert chosen.parameters == {}


def test_a_purse_has_no_filter_for_what_it_never_pays() -> None:
    assert "internet" not in filters.kinds_for(["print"])
    assert "printing" not in filters.kinds_for(["internet"])
    assert list(filters.kinds_for(["print", "internet"])) == list(filters.KINDS)
