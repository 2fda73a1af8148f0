"""Usage as bytes: the instance reads what the proxy's programs write, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from app.db import reading
from app.internet.hours import pack
from app.internet.hours import unpack as unpack_waiting
from app.internet.models import UsageHour
from app.internet.packed import unpack
from edge.squid_slots import Column, from_bytes, to_bytes, to_json
from tests.api.conftest import INTERNET, Instance

START = 1_795_000_000 // 3600 * 3600
MOST = 2**53 - 1


def columns(seed: int) -> list[Column]:
    dice = random.Random(seed)  # noqa: S311 - the same each time
    made = []
    for number in range(5):
        count = dice.randrange(1, 50)

        def some(most: int, count: int = count) -> list[int]:
            return [dice.randrange(most) for _ in range(count)]

        rest = some(70_000) if seed % 2 else [], some(2**53), [], some(2**33), some(3)
        made.append(Column(START + number * 3600, some(100), *rest))
    return made


def as_lists(column: Column) -> tuple[Any, ...]:
    return column.slot, *map(list, column[1:])


@pytest.mark.parametrize("seed", range(4))
def test_both_sides_read_what_was_written(seed: int) -> None:
    before = columns(seed)
    assert list(map(as_lists, from_bytes(*to_bytes(before)))) == list(map(as_lists, before))
    told = to_json(before)
    found = unpack(told["slots"], told["numbers"], most=MOST)
    assert [(slot.start, *map(list, slot.columns[:6])) for slot in found] == list(map(as_lists, before))
    waiting = unpack_waiting(pack(found))
    assert [(slot.start, *slot.columns) for slot in waiting] == [(*each, []) for each in map(as_lists, before)]


@pytest.mark.parametrize(
    ("heads", "numbers"),
    [
        ([(START, 1, "H--H-H")], "AQACAA=="),  # a number too few
        ([(START, 1, "H--H-")], "AQACAA=="),
        ([(START, 1, "H--h--")], "AQACAA=="),
        ([(START, 0, "H--H--")], ""),
        ([(START, -1, "H--H--")], ""),
        ([(START, 10**9, "------")], ""),
        ([(START, 1, "H--H--")], "AQAC*A=="),
        ([(START, 1, "---Q--")], "/////////38="),
    ],
)
def test_what_does_not_fit_together_is_refused(heads: list[tuple[int, int, str]], numbers: str) -> None:
    with pytest.raises(ValueError, match=r"number|code|sums|base64"):
        unpack(heads, numbers, most=MOST)


def test_packed_or_not_the_books_are_the_same(make_api: Callable[..., Instance]) -> None:
    instance = make_api(charges=("internet",))
    slots = [Column(START, [0, 1], [], [3_000_000, 500_000], [], [0, 7], [2, 1])]
    users = {"users": ["alice", "bob"], "newest": [START + 5, START + 9], "position": {}, "batch": 1}
    plain = {**users, "source": "p1", "slots": [[START, *map(list, slots[0][1:])]]}
    for body in (plain, {**users, "source": "p2", "packed": to_json(slots)}):
        assert instance.ok("POST", f"{INTERNET}/usage", body)["booked"] == 2
    for name in ("alice", "bob"):
        first, second = instance.entries(name, "internet")
        assert (first.amount, first.quantity, first.event_at) == (second.amount, second.quantity, second.event_at)
    with instance.app.app_context():
        hours = select(UsageHour.download, UsageHour.cached, UsageHour.requests).order_by(UsageHour.download)
        assert list(map(tuple, reading().execute(hours))) == [(1_000_000, 14, 2), (6_000_000, 0, 4)]
    wrong = {**users, "source": "p3", "packed": {"slots": [[START, 1, "H--H-H"]], "numbers": "AQ=="}}
    assert instance.call("POST", f"{INTERNET}/usage", wrong).status_code == 422
    far = {**users, "source": "p3", "packed": to_json([slots[0]._replace(users=[0, 2])])}
    assert instance.call("POST", f"{INTERNET}/usage", far).status_code == 422
