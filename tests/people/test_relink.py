"""Relinking: who is gone and who may be the same, a preview, and the old purse with everything in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from app import clock
from app.db import reading, writing
from app.errors import NotFoundError, WrongStateError
from app.ledger import accounts, statement
from app.ledger import service as ledger
from app.ledger.verify import verify
from app.money import MICRO
from app.people import aliases, devices, relink
from app.people import service as people
from app.people.models import Membership, User, UserName
from app.people.relink import Known, pair_up
from directory.interface import Person
from tests.conftest import CAST, person
from tests.web.browsing import Browser, signed_in

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Rebuilt:
    """An instance whose directory was rebuilt: alice, bob and carol are gone, and came again as somebody else."""

    app: Flask
    old: dict[str, int]
    new: dict[str, int]

    def balance(self, user_id: int) -> int:
        return accounts.get_account(reading(), user_id=user_id).balance

    def credit(self, user_id: int, amount: int) -> None:
        account = accounts.get_account(reading(), user_id=user_id)
        writing(
            lambda session: ledger.post(
                session,
                account_id=account.id,
                amount=amount,
                source="allocation",
                key=f"credit:{user_id}:{amount}",
                now=clock.now(),
                title="Credit",
                measured=True,
            )
        )

    def relink(self, name: str) -> relink.Join:
        asked = {"old_id": self.old[name], "new_id": self.new[name], "by": "Ada", "now": clock.now()}
        return writing(lambda session: relink.relink(session, **asked))


@pytest.fixture
def rebuilt(
    make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]], database_url: str
) -> Iterator[Rebuilt]:
    """The cast twice; at the end the books add up."""
    app = make_instance(database_url=database_url)
    with app.app_context():
        old = known(LONG_AGO)
        gone = [old[name] for name in ("alice", "bob", "carol")]
        writing(lambda session: session.execute(update(User).where(User.id.in_(gone)).values(status="gone")))
        new = {name: remember(again(name)) for name in ("alice", "bob", "carol")}
    yield Rebuilt(app, old, new)
    with app.app_context():
        assert verify(reading()).differences == []


def again(name: str) -> Person:
    """The same person as the rebuilt directory describes them."""
    return replace(person(*next(row for row in CAST if row[0] == name)), directory_id=f"rebuilt-{name}")


def remember(who: Person) -> int:
    return writing(lambda session: people.remember(session, person=who, admin_groups=[], now=clock.now()).id)


def test_an_exact_pair_gets_the_old_purse_with_all_that_leads_to_it(rebuilt: Rebuilt) -> None:
    old, new = rebuilt.old["alice"], rebuilt.new["alice"]
    with rebuilt.app.app_context():
        rebuilt.credit(old, 5 * MICRO)
        rebuilt.credit(new, 2 * MICRO)
        add = {"name": "asmith", "domains": (), "by": "Ada", "now": clock.now()}
        writing(lambda session: aliases.add(session, user_id=new, **add))
        device, token = writing(lambda session: devices.make(session, user_id=new, name="Mac", now=clock.now()))
        done = rebuilt.relink("alice")
        assert (done.old_balance, done.moved, rebuilt.balance(old), rebuilt.balance(new)) == (
            *(5 * MICRO, 2 * MICRO),
            *(7 * MICRO, 0),
        )
        kept, given_up = reading().get_one(User, old), reading().get_one(User, new)
        assert (kept.directory_id, kept.username, kept.status) == ("rebuilt-alice", "alice", "active")
        assert given_up.directory_id == f"relinked:{new}:rebuilt-alice"
        assert (given_up.status, given_up.username) == ("gone", f"alice#{new}")
        assert [group.name for group in kept.groups] == ["Students"]
        assert reading().scalars(select(Membership).where(Membership.user_id == new)).all() == []
        for name in ("alice", "asmith"):
            user = people.find_user(reading(), username=name)
            assert user is not None
            assert user.id == old
        assert devices.find(token=token).user_id == old
        assert device.user_id == new  # as it was when it was made
        lines = [statement.lines(reading(), account_id=accounts.get_account(reading(), user_id=one).id, limit=1)[0]
                 for one in (old, new)]  # fmt: skip
        assert [(line.source, line.amount, line.detail) for line in lines] == [
            ("transfer", 2 * MICRO, "relinked by Ada"),
            ("transfer", -2 * MICRO, "relinked by Ada"),
        ]
        assert remember(again("alice")) == old  # the next sign-in finds the old purse
        with pytest.raises(WrongStateError, match="is not gone"):
            rebuilt.relink("alice")


def test_debts_move_too_and_an_empty_purse_leaves_a_line(rebuilt: Rebuilt) -> None:
    with rebuilt.app.app_context():
        rebuilt.credit(rebuilt.new["bob"], -MICRO)
        assert (rebuilt.relink("bob").moved, rebuilt.balance(rebuilt.old["bob"])) == (-MICRO, -MICRO)
        rebuilt.relink("carol")
        account = accounts.get_account(reading(), user_id=rebuilt.old["carol"])
        [line] = statement.lines(reading(), account_id=account.id, limit=5)
        assert (line.amount, line.title) == (0, "Found again in the directory as carol")


def test_another_user_name_stays_as_a_former_one(rebuilt: Rebuilt) -> None:
    with rebuilt.app.app_context():
        remember(replace(again("alice"), username="alice.a"))
        assert [pair.why for pair in relink.find_pairs(reading()) if pair.gone.name == "alice"] == [
            "same e-mail, another user name"
        ]
        rebuilt.relink("alice")
        names = reading().execute(select(UserName.name_key, UserName.user_id, UserName.kind)).all()
        assert list(map(tuple, names)) == [("alice", rebuilt.old["alice"], "former")]


def test_what_cannot_be_relinked_is_refused_and_nothing_moves(rebuilt: Rebuilt) -> None:
    with rebuilt.app.app_context():
        account = accounts.get_account(reading(), user_id=rebuilt.new["alice"])
        rebuilt.credit(rebuilt.new["alice"], MICRO)
        held = {"amount": 1, "source": "print", "key": "h", "now": clock.now(), "expires_at": clock.now()}
        writing(lambda session: ledger.hold(session, account_id=account.id, **held))
        with pytest.raises(WrongStateError, match="is held"):
            rebuilt.relink("alice")
        pairs = ((rebuilt.old["bob"], rebuilt.old["carol"]), (rebuilt.new["bob"], rebuilt.old["bob"]))
        for old, new in (*pairs, (rebuilt.old["bob"], 10**9), (rebuilt.old["bob"], rebuilt.old["bob"])):
            with pytest.raises((WrongStateError, NotFoundError)):
                writing(
                    lambda session, old=old, new=new: relink.relink(
                        session, old_id=old, new_id=new, by="Ada", now=clock.now()
                    )
                )
        assert rebuilt.balance(rebuilt.old["alice"]) == 0


def known_as(number: int, name: str, email: str = "", full: str = "", days: int = 0) -> Known:
    return Known(number, name, full, email, LONG_AGO + timedelta(days=days))


def test_pairs_are_exact_only_where_nobody_else_fits() -> None:
    gone = [
        known_as(1, "alice", "a@x"),
        known_as(2, "bob", "b@x"),
        known_as(3, "carol"),
        known_as(4, "dave", "", "Dave D"),
        known_as(5, "erin", "e@x"),
        known_as(6, "frank", "f@x", days=9),
    ]
    here = [
        known_as(11, "alice", "A@X", days=5),
        known_as(12, "bob", "other@x", days=5),
        known_as(13, "carol", full="Another", days=5),
        known_as(14, "dave", full="dave d", days=5),
        known_as(15, "erin", "e@x", days=5),
        known_as(16, "erin2", "e@x", days=5),
        known_as(17, "frank", "f@x", days=5),  # was here before Frank was
    ]
    found = {(pair.gone.id, pair.here.id): (pair.exact, pair.why) for pair in pair_up(gone, here)}
    assert found == {
        (1, 11): (True, "same user name and e-mail"),
        (2, 12): (False, "same user name, another full name"),
        (3, 13): (False, "same user name, another full name"),
        (4, 14): (True, "same user name and full name"),
        (5, 15): (False, "same user name and e-mail"),
        (5, 16): (False, "same e-mail, another user name"),
    }


def test_the_pages_preview_and_relink_all_exact_pairs(rebuilt: Rebuilt) -> None:
    with rebuilt.app.app_context():
        for name in ("alice", "bob"):
            rebuilt.credit(rebuilt.new[name], MICRO)
        other = replace(again("carol"), email="other@example.org")
        remember(other)
    browser: Browser = signed_in(rebuilt.app, "admin")
    page = browser.text("/admin/people/relink")
    assert "3 pairs, 2 of them exact" in page
    assert "This cannot be undone" in browser.text("/admin/people/relink/exact")
    one = f"/admin/people/relink/{rebuilt.old['carol']}/{rebuilt.new['carol']}"
    assert "Is Carol Clark (carol) the Carol Clark of before?" in browser.text(one)
    assert browser.send("/admin/people/relink/exact", "/").status_code == 303
    page = browser.text("/admin/people/relink")
    assert "2 people relinked." in page
    assert "1 pair, 0 of them exact" in page
    with rebuilt.app.app_context():
        assert [rebuilt.balance(rebuilt.old[name]) for name in ("alice", "bob", "carol")] == [MICRO, MICRO, 0]
    assert browser.send(one, "/").status_code == 303
    assert browser.send(one, "/").headers["Location"] == "/admin/people/relink"
    assert "Nobody to relink" in browser.text("/admin/people/relink")
