"""Changing rates: what holds for which use, whose share, periods once, taking back, and what machines are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, select

from app import clock
from app.db import reading, writing
from app.errors import WrongStateError
from app.internet import rate_changes, rate_site_changes, rates
from app.internet.rate_changes import Rates
from app.internet.rate_rules import Hours
from app.internet.rates import Use
from app.internet.standing import StandingTable
from app.people.models import Group, Membership
from app.settings import settings_of_app
from tests.internet.conftest import Save, at, booked_something

MB = 1_000_000
NOON = at("2026-11-23T12:20+01:00")


@pytest.fixture
def app(make_instance: Callable[..., Flask], database_url: str) -> Flask:
    """An instance that charges the Internet at 0.01 a MB, on either database."""
    return make_instance(charges=("internet",), database_url=database_url)


def price(when: str, *, down: int = MB, up: int = 0, site: int = 0, percent: int = 100) -> int:
    """What some use costs, in millionths, by the plan of now."""
    plan = rates.load(reading(), settings_of_app())
    return plan.price(Use(int(at(when).timestamp()), site, down, up), percent) // MB


def test_use_is_priced_by_the_rates_of_its_own_time(app: Flask, save: Save) -> None:
    """A backfill across two changes; a change holds from the hour in which it is made."""
    with app.app_context():
        plan = rates.load(reading(), settings_of_app())
        assert (plan.is_flat, plan.terms.down, plan.version) == (True, 10_000, "0")
        booked_something()
        save(Rates(down=20_000, up=20_000), NOON - timedelta(days=2))
        save(Rates(down=30_000, up=5_000), NOON)
        assert price("2026-11-21T11:00+01:00") == 10_000, "the configuration's, before the first rates"
        assert price("2026-11-21T12:00+01:00") == 20_000
        assert price("2026-11-23T11:00+01:00") == 20_000
        assert price("2026-11-23T12:00+01:00", up=MB) == 35_000, "the hour in which it was changed"
        assert not rates.load(reading(), settings_of_app()).is_flat
        save(Rates(down=40_000, up=5_000), NOON + timedelta(minutes=5))
        assert price("2026-11-23T11:00+01:00") == 20_000, "two changes within one hour"
        assert price("2026-11-23T12:00+01:00") == 40_000


def test_the_first_rates_hold_for_old_logs_too(app: Flask, save: Save) -> None:
    with app.app_context():
        save(Rates(down=20_000, up=20_000), NOON)
        assert price("2026-01-01T00:00+01:00") == 20_000
        assert rates.load(reading(), settings_of_app()).is_flat


def test_rates_made_in_several_steps_hold_for_old_logs_until_something_is_booked(
    app: Flask, save: Save, save_list: Callable[..., int]
) -> None:
    """Setting up is saving more than once; then a backfill comes."""
    with app.app_context():
        save(Rates(down=10_000, up=10_000), NOON - timedelta(hours=3))
        save(Rates(down=20_000, up=20_000), NOON)
        assert rates.load(reading(), settings_of_app()).is_flat
        films = save_list("Films", 200, "films.example")
        save(Rates(down=30_000, up=30_000), NOON + timedelta(hours=3))
        assert price("2026-01-01T00:00+01:00") == 30_000
        assert price("2026-01-01T00:00+01:00", site=films) == 60_000
        version = rates.load(reading(), settings_of_app()).version
        writing(
            lambda session: rate_changes.undo(
                session, version=int(version), settings=settings_of_app(), by="ada", now=NOON + timedelta(hours=4)
            )
        )
        assert price("2026-01-01T00:00+01:00") == 20_000, "steps can be taken back"
        booked_something()
        save(Rates(down=50_000, up=50_000), NOON + timedelta(hours=5))
        assert price("2026-11-23T16:00+01:00") == 20_000, "from now on what was held counts for what was used then"
        assert price("2026-11-23T17:30+01:00") == 50_000


def test_a_policy_is_no_price(app: Flask, save: Save) -> None:
    """What changes no price leaves the plan flat, and can be taken back."""
    with app.app_context():
        booked_something()
        flat = Rates(down=10_000, up=10_000)
        save(flat, NOON)
        version = save(Rates(down=10_000, up=10_000, at_empty="warn", running="leave"), NOON)
        assert rates.load(reading(), settings_of_app()).is_flat
        assert rates.policies(reading()) == ("warn", "leave")
        writing(
            lambda session: (
                rate_changes.undo(session, version=version, settings=settings_of_app(), by="admin", now=NOON).version
            )
        )
        assert rate_changes.present(reading(), settings_of_app())[0] == flat
        assert rates.policies(reading()) == ("stop", "end")


def test_an_old_form_changes_nothing(app: Flask, save: Save) -> None:
    with app.app_context():
        version = save(Rates(down=1), NOON)
        save(Rates(down=2), NOON)
        with pytest.raises(WrongStateError, match="since this form was opened"):
            writing(
                lambda session: rate_changes.save(
                    session, said=Rates(), version=version, settings=settings_of_app(), by="x", now=NOON
                )
            )
        assert price("2026-11-23T12:00+01:00") == 2


def test_lists_of_sites_have_their_price_by_number(app: Flask, save: Save, save_list: Callable[..., int]) -> None:
    with app.app_context():
        booked_something()
        save(Rates(down=10_000), NOON)
        free, dear = save_list("Free", 0, "example.org", now=NOON), save_list("Films", 250, "a.org", "b.org", now=NOON)
        assert [price("2026-11-23T12:00+01:00", site=each) for each in (0, free, dear, 99)] == [
            10_000,
            0,
            25_000,
            10_000,
        ]
        table = rates.edge_table(reading(), settings_of_app(), NOON)
        assert table["sites"] == [[free, ["example.org"]], [dear, ["a.org", "b.org"]]]
        assert (table["untimed"], table["slot_s"], table["period_s"], table["domains"]) == ([free], 3600, 0, False)
        before = table["version"]
        later = NOON + timedelta(hours=2)
        writing(
            lambda session: rate_site_changes.delete_site_list(
                session, site_list_id=free, settings=settings_of_app(), by="admin", now=later
            )
        )
        assert rates.edge_table(reading(), settings_of_app(), NOON)["version"] != before
        assert price("2026-11-23T12:00+01:00", site=free) == 0, "used before it was deleted, read later"
        assert price("2026-11-23T14:00+01:00", site=free) == 10_000


def test_who_comes_into_a_group_that_pays_nothing_is_on_the_list_at_once(
    app: Flask, save: Save, known: Callable[..., dict[str, int]]
) -> None:
    with app.app_context():
        alice = known(clock.now())["alice"]
        writing(lambda session: session.add(Group(id=900, name="Chess", name_key="chess")))
        save(Rates(down=10_000, groups={900: 0}), NOON)
        table = StandingTable()
        told = table.tell(reading(), settings=settings_of_app())
        table._full_at = float("inf")  # everybody is not read again by itself
        changes = (
            (lambda session: session.add(Membership(user_id=alice, group_id=900)), True),
            (lambda session: session.execute(delete(Membership).where(Membership.group_id == 900)), False),
        )
        for change, may in changes:
            writing(change)
            told = table.tell(reading(), settings=settings_of_app(), since=told.version)
            assert told.users == {"alice": may}


def test_everybody_pays_their_share(app: Flask, save: Save, known: Callable[..., dict[str, int]]) -> None:
    """One's own share before the groups', the least of several groups', else all of it."""
    with app.app_context():
        people = known(clock.now())
        students = reading().scalars(select(Group.id).where(Group.name_key == "students")).one()
        writing(lambda session: session.add(Group(id=900, name="Chess", name_key="chess")))
        writing(lambda session: session.add(Membership(user_id=people["bob"], group_id=900)))
        said = Rates(down=10_000, groups={students: 80, 900: 30}, users={people["carol"]: 0})
        save(said, NOON)
        plan = rates.load(reading(), settings_of_app())
        shares = rates.percents(reading(), user_ids=people.values(), plan=plan)
        assert {name: shares[user_id] for name, user_id in people.items()} == {
            "alice": 80,
            "bob": 30,
            "carol": 0,
            "admin": 100,
        }
        assert not plan.is_flat
        save(Rates(down=10_000, groups={students: 80}, users={people["alice"]: 120}), NOON)
        shares = rates.percents(reading(), user_ids=people.values(), plan=plan)
        assert [shares[people[name]] for name in ("alice", "bob", "carol")] == [120, 80, 100]


def test_each_period_is_paid_once_by_whoever_names_it(
    app: Flask, save: Save, known: Callable[..., dict[str, int]]
) -> None:
    with app.app_context():
        people = known(clock.now())
        alice, bob = people["alice"], people["bob"]
        evening = Hours("evening", "1", 720, 750, 50)
        save(Rates(model="time", per_period=50_000, period_minutes=15, hours=(evening,)), NOON)
        noon = int(at("2026-11-23T12:00+01:00").timestamp())

        def claim(**wanted: list[int]) -> dict[int, tuple[int, ...]]:
            plan = rates.load(reading(), settings_of_app())
            by_id = {people[name]: instants for name, instants in wanted.items()}
            return writing(lambda session: rates.claim_periods(session, periods=by_id, plan=plan))

        assert claim(alice=[noon, noon + 899, noon + 900], bob=[noon + 10]) == {
            alice: (noon, noon + 900),
            bob: (noon,),
        }
        assert claim(alice=[noon + 5, noon + 1800], bob=[]) == {alice: (noon + 1800,)}
        assert claim(alice=[noon]) == {}
        plan = rates.load(reading(), settings_of_app())
        use = Use(noon, 0, 10**9, 10**9, 0, (noon, noon + 900, noon + 1800))
        assert plan.price(use, 10) == (2 * 25_000 + 50_000) * MB // 10, "data cost nothing, two periods half"
        save(Rates(down=1), NOON)
        assert claim(alice=[noon + 86_400]) == {}, "time costs nothing any more"


def test_hours_that_begin_at_a_quarter_are_told_to_machines(app: Flask, save: Save) -> None:
    with app.app_context():
        save(Rates(down=1, hours=(Hours("", "1", 735, 800 // 15 * 15, 0),)), NOON)
        assert rates.edge_table(reading(), settings_of_app(), NOON)["slot_s"] == 900


def test_what_is_ours_is_told_with_its_port(make_instance: Callable[..., Flask]) -> None:
    plain = make_instance(charges=("internet",))
    secure = make_instance(charges=("internet",), public_url="https://Net.example.org", portal_url="https://p.org:8443")
    with plain.app_context():
        host = settings_of_app().config.public_url.removeprefix("http://")
        assert rates.own_hosts(settings_of_app()) == [host]
    with secure.app_context():
        assert rates.own_hosts(settings_of_app()) == ["net.example.org:443", "net.example.org:80", "p.org:8443"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (Rates(down=-1), "down"),
        (Rates(up=10**13), "up"),
        (Rates(model="time", period_minutes=7), "period_minutes"),
        (Rates(hours=(Hours("", "", 0, 60, 50),)), "hours"),
        (Rates(hours=(Hours("", "1", 7, 60, 50),)), "hours"),
        (Rates(hours=(Hours("", "1", 0, 1500, 50),)), "hours"),
        (Rates(hours=(Hours("", "1", 0, 60, 1001),)), "hours"),
        (Rates(hours=(Hours("x" * 81, "1", 0, 60, 10),)), "hours"),
        (Rates(users={1: -1}), "users"),
        (Rates(groups={1: 1001}), "groups"),
        (Rates(model="bits"), "model"),
    ],
)
def test_what_cannot_be_is_named_by_its_field(net_app: Flask, said: Rates, field: str) -> None:
    with net_app.app_context():
        assert list(rate_changes.check(said, settings_of_app(), NOON)) == [field]
