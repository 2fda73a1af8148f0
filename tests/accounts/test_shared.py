"""Shared accounts: names, closing, and what an administrator may undo."""

from __future__ import annotations

import pytest

from app import clock
from app.accounts import service
from app.db import reading, writing
from app.errors import (
    InsufficientBalanceError,
    InvalidInputError,
    KeyReusedError,
    NotFoundError,
    WrongStateError,
)
from app.ledger import service as ledger
from app.ledger import statement
from app.ledger.booking import Booked
from app.money import MICRO
from tests.accounts.conftest import BY, UNRESTRICTED, Desk, overdraft


def test_a_name_is_taken_once_whatever_its_case(desk: Desk) -> None:
    desk.make("Library")
    for name in ("Library", " library ", "LIBRARY"):
        with pytest.raises(InvalidInputError, match="“Library” already"):
            desk.make(name)
    assert desk.make("Library 2")


def test_renaming_keeps_the_account_and_says_who(desk: Desk) -> None:
    account = desk.make("Library")
    desk.make("Art")

    def rename(name: str) -> None:
        writing(lambda session: service.rename(session, account_id=account, name=name, by=BY, now=clock.now()))

    rename("LIBRARY")  # its own name in another case is free for it
    rename("LIBRARY")
    with pytest.raises(InvalidInputError):
        rename("art")
    lines = statement.lines(reading(), account_id=account, limit=9)
    assert [(line.title, line.detail) for line in lines[:-1]] == [("Renamed from “Library” to “LIBRARY”", f"by {BY}")]
    assert desk.account(account).name == "LIBRARY"


def test_a_closed_account_takes_no_charges_and_holds_but_what_happened_and_credits(desk: Desk) -> None:
    account = desk.make(limit=UNRESTRICTED)
    desk.post(account, 5)
    close(account)
    close(account)
    for charge in (lambda: desk.post(account, -1), lambda: desk.hold(account, 1)):
        with pytest.raises(WrongStateError, match="closed"):
            charge()
    desk.post(account, -2, measured=True)
    desk.post(account, 1)
    assert desk.balance(account) == 4
    with pytest.raises(WrongStateError, match="Reopen it first"):
        adjust(account, -1)
    reopen(account)
    reopen(account)
    adjust(account, -1)
    assert desk.balance(account) == 3
    titles = [line.title for line in statement.lines(reading(), account_id=account, limit=9)]
    assert [title for title in titles if title.startswith("Account ")] == [
        "Account reopened",
        "Account closed",
        "Account made: unrestricted",
    ]


def test_an_account_is_not_closed_while_something_is_held(desk: Desk) -> None:
    account = desk.make(limit=UNRESTRICTED)
    placed = desk.hold(account, 1)
    with pytest.raises(WrongStateError, match="held"):
        close(account)
    assert desk.account(account).closed_at is None
    writing(lambda session: ledger.release(session, hold_id=placed.id, now=clock.now()))
    close(account)
    assert desk.account(account).closed_at is not None


def test_a_person_is_no_shared_account(desk: Desk) -> None:
    alice = desk.of("alice")
    for verb in (close, reopen):
        with pytest.raises(NotFoundError):
            verb(alice)
    with pytest.raises(NotFoundError):
        writing(lambda session: service.rename(session, account_id=alice, name="X", by=BY, now=clock.now()))
    assert service.list_shared(reading(), query="", after="", limit=9) == []


def test_an_adjustment_is_booked_once_and_stops_at_the_limit(desk: Desk) -> None:
    account = desk.make(limit=overdraft(2))
    first, second = adjust(account, 3, form_id="a" * 20), adjust(account, 3, form_id="a" * 20)
    assert (first.id, first.key) == (second.id, f"adjustment:shared:{account}:{'a' * 20}")
    for change in ({"units": 4}, {"reason": "Another"}):
        with pytest.raises(KeyReusedError):
            adjust(account, **({"units": 3, "form_id": "a" * 20} | change))  # type: ignore[arg-type]
    adjust(account, -5)
    with pytest.raises(InsufficientBalanceError):
        adjust(account, -1)
    assert desk.balance(account) == -2


def test_a_line_is_reversed_once_and_only_from_its_own_account(desk: Desk) -> None:
    account, other = desk.make(), desk.make("Art")
    entry = adjust(account, 3)
    with pytest.raises(NotFoundError):
        reverse(other, entry.id)
    undo = reverse(account, entry.id)
    assert reverse(account, entry.id).id == undo.id
    assert desk.balance(account) == 0
    made = statement.lines(reading(), account_id=account, limit=9)[-1]
    with pytest.raises(WrongStateError, match="moved nothing"):
        reverse(account, made.entry_id)


def test_the_list_finds_by_a_part_of_the_name_and_goes_on_where_it_stopped(desk: Desk) -> None:
    for name in ("Art", "Library", "Library 2", "Ökologie", "100%"):
        desk.make(name)

    def found(query: str, after: str = "", limit: int = 9) -> list[str]:
        rows = service.list_shared(reading(), query=query, after=after, limit=limit)
        return [account.name for account in rows]

    assert found("LIB") == ["Library", "Library 2"]
    assert found("%") == ["100%"]
    assert found("Öko") == ["Ökologie"]
    assert service.count_shared(reading(), query="lib") == 2
    everything = found("")
    assert len(everything) == 5
    assert found("", limit=2) + found("", after=found("", limit=2)[-1]) == everything


def close(account_id: int) -> None:
    writing(lambda session: service.close(session, account_id=account_id, by=BY, now=clock.now()))


def reopen(account_id: int) -> None:
    writing(lambda session: service.reopen(session, account_id=account_id, by=BY, now=clock.now()))


def adjust(account_id: int, units: int, *, reason: str = "Gift", form_id: str = "") -> Booked:
    form_id = form_id or f"form-{clock.now().timestamp()}"
    return writing(
        lambda session: service.adjust(
            session,
            account_id=account_id,
            amount=units * MICRO,
            reason=reason,
            by=BY,
            form_id=form_id,
            now=clock.now(),
        )
    )


def reverse(account_id: int, entry_id: int) -> Booked:
    return writing(
        lambda session: service.reverse(
            session, account_id=account_id, entry_id=entry_id, reason="Wrong", by=BY, now=clock.now()
        )
    )
