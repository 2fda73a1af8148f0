"""What somebody changed with the database's own tools is named, with its account and its entry, and nothing else is."""

# ruff: noqa: S608 - a thief writes SQL by hand

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from app import clock
from app.db import reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Account, Entry
from app.money import MICRO
from tests.ledger.robbed import Robbed, found, look, robbed, words

__all__ = ["robbed"]


def test_an_edited_account_is_named(robbed: Robbed) -> None:
    thief, alice = robbed.thief, robbed.alice
    for change, what in (
        ("balance = balance + 7", "balance of the account"),
        ("reserved = 1000000", "reserved amount"),
        ("sequence = 4", "sequence of the account"),
        ("sequence = 9", "entries are missing"),
        ("floor = -50000000", "limit of the account"),
    ):
        thief.run(f"UPDATE accounts SET {change} WHERE id = {alice}")
        assert [(name, account) for name, account, _entry in found()] == [(what, alice)]
        if what == "entries are missing":
            assert "places 6 to 9, at the end, after this one; or the account's count was raised" in words()
        thief.undo()
    carol = accounts.get_account(reading(), user_id=robbed.books.users["carol"]).id
    thief.run(f"UPDATE accounts SET balance = 5000000 WHERE id = {carol}")
    assert found() == [("balance of the account", carol, None)]


def test_a_deleted_entry_is_named_by_its_neighbours(robbed: Robbed) -> None:
    entries, thief = robbed.entries, robbed.thief
    for place in range(4):
        gone, after = entries[place], entries[place + 1]
        thief.run(f"DELETE FROM entries WHERE id = {gone.id}")
        named = {("entries are missing", robbed.alice, after.id)}
        if thief.is_sqlite:  # whose ids have no gaps: this is the id
            named.add(("entries are missing", None, gone.id + 1))
            assert f"id {gone.id} is missing" in words()
        assert set(found()) == named
        before = f"after entry {entries[place - 1].id}" if place else "at the account's beginning"
        assert f"place {place + 1}, {before} and before this one): expected {gone.amount}, found nothing" in words()
        thief.undo()


def test_a_deleted_last_entry_is_named_by_what_the_account_still_says(robbed: Robbed) -> None:
    (before, last), thief = robbed.entries[3:], robbed.thief
    thief.run(f"DELETE FROM entries WHERE id = {last.id}")
    assert ("entries are missing", robbed.alice, before.id) in found()
    missing = f"place 5, at the end, after this one): expected {last.amount}, found nothing"
    assert missing in words()
    thief.run(f"UPDATE accounts SET sequence = 4 WHERE id = {robbed.alice}")
    assert ("balance of the account", robbed.alice, before.id) in found()
    thief.run(f"UPDATE accounts SET sequence = 5, balance = {before.balance_after} WHERE id = {robbed.alice}")
    assert ("entries are missing", robbed.alice, before.id) in found()


def test_an_edited_amount_or_balance_names_that_entry_only(robbed: Robbed) -> None:
    thief, alice = robbed.thief, robbed.alice
    for place in (0, 2, 4):
        entry = robbed.entries[place]
        thief.run(f"UPDATE entries SET amount = amount + 500000 WHERE id = {entry.id}")
        assert found() == [("amount of the entry", alice, entry.id), ("content of the entry", alice, entry.id)]
        assert f"expected {entry.amount}, found {entry.amount + 500_000}" in words()
        thief.undo()
        thief.run(f"UPDATE entries SET balance_after = balance_after + 1 WHERE id = {entry.id}")
        assert found() == [("balance after the entry", alice, entry.id)]
        assert f"expected {entry.balance_after}, found {entry.balance_after + 1}" in words()
        thief.undo()


def test_numbers_that_overflow_are_named_like_any_other(robbed: Robbed) -> None:
    largest, entry = 2**63 - 1, robbed.entries[2]
    robbed.thief.run(f"UPDATE entries SET amount = {largest} WHERE id = {entry.id}")
    assert ("amount of the entry", robbed.alice, entry.id) in found()
    robbed.thief.run(f"UPDATE entries SET sequence = {largest} WHERE id = {entry.id}")
    robbed.thief.run(f"UPDATE accounts SET balance = {largest}")
    assert len({account for what, account, _entry in found() if what == "balance of the account"}) > 2


def test_a_rewrite_of_all_that_follows_is_named_by_what_was_asked_for(robbed: Robbed) -> None:
    robbed.thief.rewrite(robbed.entries[1], 900_000)
    assert found() == [("content of the entry", robbed.alice, robbed.entries[1].id)]


def test_an_edited_field_is_named(robbed: Robbed) -> None:
    entry = robbed.entries[2]
    for change, what in (
        ("source = 'card'", "content of the entry"),
        ("source = 'gift'", "unknown source"),
        ("kind = 'measured'", "content of the entry"),
        ("quantity = 1000", "content of the entry"),
        ("event_at = '2020-01-01 00:00:00.000000'", "content of the entry"),
        ("overrun = 1", "overrun of a guarded entry"),
        ("kind = 'measured', overrun = 2000001", "overrun larger than the charge"),
        ("key = ''", "empty key"),
        ("note_id = 999999", "note is missing"),
        ("hold_id = 999999", "hold is missing"),
        ("reverses_id = 999999", "reversed entry is missing"),
    ):
        robbed.thief.run(f"UPDATE entries SET {change} WHERE id = {entry.id}")
        named = found()
        assert (what, robbed.alice, entry.id) in named, change
        assert {one[1:] for one in named} == {(robbed.alice, entry.id)}, change
        robbed.thief.undo()


def test_what_is_no_number_is_named(robbed: Robbed) -> None:
    entry, value = robbed.entries[4], "'much'"
    if not robbed.thief.is_sqlite:  # PostgreSQL's columns hold nothing else, once they may be empty
        robbed.thief.run("ALTER TABLE entries ALTER COLUMN amount DROP NOT NULL")
        value = "NULL"
    robbed.thief.run(f"UPDATE entries SET amount = {value} WHERE id = {entry.id}")
    assert ("amount is no whole number", robbed.alice, entry.id) in found()


def test_an_entry_in_another_account_is_named_there(robbed: Robbed) -> None:
    before, last = robbed.entries[3:]
    robbed.thief.run(f"UPDATE entries SET account_id = 999999 WHERE id = {last.id}")
    assert {
        ("entry without an account", 999_999, last.id),
        ("entries are missing", robbed.alice, before.id),
        ("content of the entry", 999_999, last.id),
    } <= set(found())


def test_a_doubled_entry_is_named(robbed: Robbed) -> None:
    thief, alice, first = robbed.thief, robbed.alice, robbed.entries[0]
    copy = thief.copy(first.id, key="'forged'", sequence=6, balance_after=10 * MICRO)
    thief.run(f"UPDATE accounts SET sequence = 6, balance = {10 * MICRO} WHERE id = {alice}")
    assert found() == [("doubled entry", alice, copy)]
    assert f"in all but key and place as entry {first.id}" in words()


def test_a_doubled_entry_with_the_same_key_or_place_is_named(robbed: Robbed) -> None:
    thief, alice, entry = robbed.thief, robbed.alice, robbed.entries[2]
    thief.drop_unique("key")
    copy = thief.copy(entry.id, sequence=6, balance_after=-2 * MICRO)
    thief.run(f"UPDATE accounts SET sequence = 6, balance = {-2 * MICRO} WHERE id = {alice}")
    assert found() == [
        ("doubled entry", alice, copy),
        ("key used twice", alice, copy),
        ("the database no longer refuses a second entry under one key", None, None),
    ]
    thief.undo()
    thief.drop_unique("account_id, sequence")
    copy = thief.copy(entry.id, key="'forged'")
    named = set(found())
    assert ("place taken twice", alice, copy) in named
    assert ("doubled entry", alice, copy) in named
    assert ("the database no longer refuses two entries at one place of an account", None, None) in named
    assert {one[2] for one in named} == {None, copy}


def test_reversals_that_do_not_undo_their_entry_are_named(robbed: Robbed) -> None:
    def reverse(entry: Entry, key: str) -> int:
        return writing(
            lambda session: ledger.reverse(session, entry_id=entry.id, key=key, now=clock.now(), title="Back").id
        )

    alice, thief, entries = robbed.alice, robbed.thief, robbed.entries
    first, second = reverse(entries[1], "back:1"), reverse(entries[2], "back:2")
    assert found() == []
    bobs = entries[0].id + 1
    thief.run(f"UPDATE entries SET reverses_id = {bobs} WHERE id = {first}")
    assert set(found()) == {
        ("reversal of another account's entry", alice, first),
        ("source of the reversal", alice, first),
        ("amount of the reversal", alice, first),
        ("content of the entry", alice, first),
    }
    thief.run(f"UPDATE entries SET reverses_id = {first} WHERE id = {second}")
    assert ("reversal of a reversal", alice, second) in found()
    thief.run("DROP INDEX uq_entries_reverses")
    thief.run(f"UPDATE entries SET reverses_id = {entries[1].id} WHERE id IN ({first}, {second})")
    assert ("reversed twice", alice, second) in found()
    assert ("the database no longer refuses a second reversal of one entry", None, None) in found()


def test_holds_that_do_not_fit_their_entries_are_named(robbed: Robbed) -> None:
    books, thief, alice = robbed.books, robbed.thief, robbed.alice
    books.post(20)
    open_one, captured, released = (books.hold(2, key=f"hold:{number}") for number in range(3))
    charge, beyond = books.capture(captured, 3)
    books.release(released)
    assert found() == []
    content = ("content of the entry", alice, charge.id)
    for change, named in (
        (f"UPDATE holds SET amount = 5000000 WHERE id = {open_one.id}", [("reserved amount", alice, None)]),
        (f"UPDATE holds SET captured = 1 WHERE id = {captured.id}", [content, (ENTRIES_OF, alice, charge.id)]),
        (
            f"UPDATE entries SET hold_id = NULL WHERE id IN ({charge.id}, {beyond.id})",
            [content, ("content of the entry", alice, beyond.id), ("captured hold without its entry", alice, None)],
        ),
        (
            f"UPDATE entries SET hold_id = {released.id} WHERE id = {beyond.id}",
            [(ENTRIES_OF, alice, charge.id), ("entries of a hold that is released", alice, beyond.id)],
        ),
        (
            f"UPDATE holds SET account_id = account_id + 1 WHERE id = {captured.id}",
            [("hold of another account", alice, charge.id), ("hold of another account", alice, beyond.id)],
        ),
        (
            f"UPDATE holds SET source = 'card' WHERE id = {captured.id}",
            [("source of the hold", alice, charge.id), ("source of the hold", alice, beyond.id)],
        ),
        (
            f"UPDATE holds SET state = 'released' WHERE id = {open_one.id}",
            [("end of a hold", alice, None), ("reserved amount", alice, None)],
        ),
        (
            f"UPDATE holds SET account_id = 999999 WHERE id = {released.id}",
            [("hold without an account", 999_999, None)],
        ),
    ):
        thief.run(f"CREATE TABLE kept AS SELECT * FROM {change.split()[1]}", change)
        assert sorted(found(), key=str) == sorted(named, key=str), change
        table = change.split()[1]
        thief.run(f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM kept", "DROP TABLE kept")


ENTRIES_OF = "entries of a captured hold"


def test_a_hold_that_expired_and_was_charged_late_is_no_difference(robbed: Robbed) -> None:
    placed = robbed.books.hold(1, minutes=-1, enforce=False)
    writing(lambda session: ledger.expire_holds(session, now=clock.now()))
    robbed.books.capture(placed, 1)
    assert found() == []


def test_a_flood_of_differences_is_counted_and_not_all_listed(robbed: Robbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ledger.differences.LISTED_MAX", 3)
    robbed.thief.run("UPDATE accounts SET reserved = 5")
    report = look()
    assert len(report.differences) == 3
    assert report.difference_count == reading().scalar(select(func.count(Account.id)))
