"""How far an account may go down: by itself, by default, and while both change under charges."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.db import reading, writing
from app.errors import InsufficientBalanceError, KeyReusedError
from app.ledger import accounts, statement
from app.money import MICRO
from tests.accounts.conftest import DEFAULT, RESTRICTED, UNRESTRICTED, Desk, overdraft


def test_guarded_charges_and_holds_go_down_to_the_floor_and_no_further(desk: Desk) -> None:
    account = desk.make(limit=overdraft(5))
    desk.post(account, 2)
    desk.hold(account, 3)
    desk.post(account, -4)
    for one_more in (lambda: desk.post(account, -1), lambda: desk.hold(account, 1)):
        with pytest.raises(InsufficientBalanceError):
            one_more()
    assert (desk.balance(account), desk.account(account).reserved) == (-2, 3 * MICRO)


def test_restricted_stops_at_zero_and_unrestricted_nowhere(desk: Desk) -> None:
    account = desk.make(limit=RESTRICTED)
    with pytest.raises(InsufficientBalanceError):
        desk.post(account, -1)
    desk.limit(account, UNRESTRICTED)
    desk.post(account, -1_000_000)
    desk.hold(account, 1_000_000)
    assert desk.balance(account) == -1_000_000


def test_the_default_moves_those_who_follow_it_and_nobody_else(desk: Desk) -> None:
    alice, bob, carol = (desk.of(name) for name in ("alice", "bob", "carol"))
    shared, followed = desk.make(limit=overdraft(7)), desk.make("Art", limit=DEFAULT)
    desk.limit(bob, RESTRICTED)  # what everybody has, but his own
    desk.limit(carol, UNRESTRICTED)
    assert desk.default(-3) == 3  # alice, the administrator, and Art
    assert [desk.floor(number) for number in (alice, bob, carol, shared, followed)] == [-3, 0, None, -7, -3]
    late = desk.make("Music", limit=DEFAULT)
    assert desk.floor(late) == -3
    desk.default(None)
    assert [desk.floor(number) for number in (alice, bob, shared, late)] == [None, 0, -7, None]


def test_an_account_that_follows_the_default_again_gets_it_as_it_is_now(desk: Desk) -> None:
    alice = desk.of("alice")
    desk.limit(alice, overdraft(9))
    desk.default(-2)
    assert desk.floor(alice) == -9
    desk.limit(alice, DEFAULT)
    assert (desk.floor(alice), desk.account(alice).floor_is_own) == (-2, False)


@pytest.mark.parametrize("by_default", [True, False])
def test_a_limit_above_the_balance_refuses_only_what_comes_next(desk: Desk, by_default: bool) -> None:
    account = desk.make(limit=DEFAULT if by_default else overdraft(10))
    desk.default(-10)
    desk.post(account, -8)
    placed = desk.hold(account, 2)

    def tighten(floor: int) -> None:
        desk.default(floor) if by_default else desk.limit(account, overdraft(-floor))

    tighten(-3)
    assert (desk.balance(account), desk.account(account).reserved) == (-8, placed.amount)
    with pytest.raises(InsufficientBalanceError):
        desk.post(account, -1)
    desk.post(account, 1)  # a credit never is
    assert desk.post(account, -2, measured=True).overrun == 2 * MICRO
    tighten(-20)
    desk.post(account, -9)
    assert desk.balance(account) == -18
    with pytest.raises(InsufficientBalanceError):
        desk.post(account, -1)


def test_who_set_a_limit_stands_on_the_statement_once(desk: Desk) -> None:
    account = desk.make(limit=DEFAULT)
    assert desk.limit(account, overdraft(5), "form-a")
    assert not desk.limit(account, overdraft(5), "form-a")
    assert not desk.limit(account, overdraft(5), "form-b")
    assert desk.limit(account, UNRESTRICTED, "form-c")
    assert not desk.limit(account, overdraft(5), "form-a")  # an old form that is sent again sets nothing back
    with pytest.raises(KeyReusedError):
        desk.limit(account, RESTRICTED, "form-a")
    assert desk.floor(account) is None
    said = [(line.title, line.detail, line.amount) for line in statement.lines(reading(), account_id=account, limit=9)]
    assert said == [
        ("Limit: unrestricted", "by Ada Min (admin)", 0),
        ("Limit: overdraft, down to −$5.00", "by Ada Min (admin)", 0),
        ("Account made: as for everybody", "by Ada Min (admin)", 0),
    ]


def test_charges_and_changes_of_the_default_at_once_end_consistent(desk: Desk) -> None:
    followers = [desk.make(f"Class {number}", limit=DEFAULT) for number in range(3)]
    own = desk.make("Own", limit=overdraft(4))

    def work(number: int) -> int:
        with desk.app.app_context():
            if number % 8 == 0:
                desk.default(-(number % 3) * 5)
                return 0
            if number % 8 == 1:
                desk.limit(followers[0], DEFAULT if number % 3 else RESTRICTED)
                return 0
            try:
                desk.post(own if number % 4 == 2 else followers[number % 3], -1)
            except InsufficientBalanceError:
                return 0
            return 1

    with ThreadPoolExecutor(8) as pool:
        spent = sum(pool.map(work, range(64)))
    desk.default(-6)
    desk.limit(followers[0], DEFAULT)
    assert [desk.floor(number) for number in (*followers, own)] == [-6, -6, -6, -4]
    balances = [desk.balance(number) for number in (*followers, own)]
    assert sum(balances) == -spent
    assert min(balances[:3]) >= -10
    assert balances[3] == -4  # sixteen tried


def test_an_account_that_is_made_while_the_default_changes_does_not_miss_it(desk: Desk) -> None:
    def work(number: int) -> None:
        with desk.app.app_context():
            if number % 3 == 0:
                desk.default(-number)
            else:
                desk.make(f"Class {number}", limit=DEFAULT)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(24)))
    default = writing(accounts.default_floor)
    assert default is not None
    floors = {desk.floor(number) for number in (desk.of("alice"), *desk.numbers("Class"))}
    assert floors == {default // MICRO}
