"""Random years of a directory beside a model: after every pass people here are who the directory says they are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.db import reading
from app.ledger.models import Account
from app.people import sync_watch
from app.people.models import Membership, User
from app.people.sync_models import SyncPerson
from app.settings import settings_of_app
from tests.people.roll import Roll, former, go, id_of, known

NAMES = [f"n{number}" for number in range(14)]
KEYS = [f"k{number}" for number in range(12)]
GROUPS = ("Students", "Staff", "Choir", "choir", "Chess")


@pytest.fixture(autouse=True)
def app(make_instance: Callable[..., Flask], database_url: str) -> Iterator[Flask]:
    """An instance in whose context the test runs, on each database."""
    app = make_instance(database_url=database_url)
    with app.app_context():
        yield app


def edit(roll: Roll, chance: random.Random) -> None:
    """Change the directory in a few ways, as a year would; two people may get one name."""
    for _ in range(chance.randint(0, 6)):
        key = chance.choice(KEYS)
        match chance.choice(("put", "put", "rename", "rename", "disable", "remove", "swap", "regroup")):
            case "put" if key not in roll.people:
                roll.put(key, username=chance.choice(NAMES))
            case "rename" if key in roll.people:
                roll.put(key, username=chance.choice(NAMES))
            case "disable" if key in roll.people:
                roll.put(key, disabled=not roll.people[key].disabled)
            case "remove" if key in roll.people:
                roll.remove(key)
            case "regroup" if key in roll.people:
                roll.put(key, groups=tuple(chance.sample(GROUPS, chance.randint(0, 3))))
            case "swap" if key in roll.people:
                other = chance.choice(list(roll.people))
                one, two = roll.people[key].username, roll.people[other].username
                roll.put(key, username=two)
                roll.put(other, username=one)


def check(roll: Roll, first_ids: dict[str, int]) -> None:
    """Compare everybody known here with the directory."""
    people = {user.directory_id: user for user in known().values()}
    shared = {name for name, count in Counter(one.username for one in roll.people.values()).items() if count > 1}
    for key, one in roll.people.items():
        user = people.get(id_of(key))
        if user is None:
            assert one.disabled or one.username in shared, f"{key} should be known"
            continue
        assert user.id == first_ids.setdefault(user.directory_id, user.id), "a lasting id is one user for ever"
        assert user.status == ("disabled" if one.disabled else "active")
        assert {group.name_key for group in user.groups} == {name.casefold() for name in one.groups}
        if one.username not in shared:
            assert user.username == one.username
    there = {id_of(key) for key in roll.people}
    assert all(user.status == "gone" for name, user in people.items() if name not in there)
    names = {user.username for user in people.values()}
    assert not names & set(former()), "somebody's own name is nobody's former one"
    assert reading().scalar(select(func.count()).select_from(Account)) == len(people)
    assert reading().scalar(select(func.count()).select_from(SyncPerson)) == 0


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 15))])
def test_after_every_pass_people_are_who_the_directory_says(seed: int) -> None:
    chance, roll, first_ids = random.Random(seed), Roll(page=3), dict[str, int]()  # noqa: S311
    for _ in range(8):
        edit(roll, chance)
        if not roll.people:
            roll.put(chance.choice(KEYS))
        done = go(roll)
        assert done.state == "done", done.message
        check(roll, first_ids)
        assert go(roll).applied == 0, "a second pass finds nothing to do"
    assert reading().scalar(select(func.count()).select_from(Membership)) == sum(
        len(user.groups) for user in known().values()
    )
    assert reading().scalar(select(func.count()).select_from(User)) == len(first_ids)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 8))])
def test_following_changes_and_then_reading_everybody_agree(seed: int) -> None:
    chance, roll = random.Random(seed), Roll(*KEYS)  # noqa: S311
    go(roll)
    for _ in range(8):
        edit(roll, chance)
        sync_watch.look(roster=roll, settings=settings_of_app().config.directory)
        people = {user.directory_id: user for user in known().values()}
        shared = {name for name, count in Counter(one.username for one in roll.people.values()).items() if count > 1}
        for key, one in roll.people.items():
            user = people.get(id_of(key))
            if user is not None and one.username not in shared and user.username == one.username:
                assert user.status == ("disabled" if one.disabled else "active")
        if roll.people:
            assert go(roll).state == "done"
            check(roll, {})
