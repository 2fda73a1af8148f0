"""What leaves no trace in the books is named by comparing with the verification before: the past only grows."""

# ruff: noqa: S608 - a thief writes SQL by hand

from __future__ import annotations

import logging
import threading

import pytest
from flask import Flask, current_app
from sqlalchemy import func, select

from app import clock
from app.db import db, one_moment, reading, writing
from app.errors import InsufficientBalanceError
from app.ledger import history, tasks
from app.ledger.models import Entry, EntryBlock, Verification
from app.ledger.sealed import BLOCK, PRIME, Sealer, Sums, the_change
from app.ledger.verify import Report, verify
from app.money import MICRO
from tests.ledger.robbed import Robbed, pay_in, robbed
from tests.ledger.thief import Thief

__all__ = ["robbed"]


@pytest.fixture
def thief(robbed: Robbed) -> Thief:
    """Somebody who knows the books: no request's fingerprint is left to tell what was asked for."""
    robbed.thief.run("UPDATE entries SET fingerprint = NULL")
    robbed.thief.run(*(f"DROP TABLE kept_{name}" for name in ("accounts", "entries", "holds", "notes")))
    robbed.thief.run("DROP TABLE kept_verifications", "DROP TABLE kept_entry_blocks")
    robbed.thief.remember()
    return robbed.thief


def again(accept: str = "") -> Report:
    """Verify and keep."""
    report, row = tasks.verify_and_keep(accept=accept)
    assert row.difference_count == report.difference_count
    return report


def named(report: Report) -> list[tuple[str, int | None, int | None]]:
    return sorted(((one.what, one.account_id, one.entry_id) for one in report.differences), key=str)


def test_a_past_that_grew_has_no_difference(robbed: Robbed) -> None:
    for number in range(3):
        report = again()
        assert named(report) == []
        assert report.base is None if number == 0 else report.base is not None
        robbed.books.post(1)
    rows = reading().scalars(select(Verification).order_by(Verification.id)).all()
    assert [(row.entries_until, row.follows_id) for row in rows] == [(10, 0), (11, 1), (12, 2)]
    assert len({row.seal for row in rows}) == 3


def test_a_rewrite_is_named_by_its_entry_until_it_is_mended(robbed: Robbed, thief: Thief) -> None:
    entry = robbed.entries[2]
    again()
    robbed.books.post(1)
    thief.rewrite(entry, 1_500_000)
    for _night in range(2):
        report = again()
        assert named(report) == [("amount of the entry was changed", robbed.alice, entry.id)]
        assert f"expected {entry.amount}, found {entry.amount + 1_500_000}" in str(report.differences[0])
    thief.rewrite(entry, -1_500_000)
    assert named(again()) == []


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_deletion_that_leaves_no_gap_is_named_by_account_entry_and_amount(
    robbed: Robbed, thief: Thief, place: int
) -> None:
    entry = robbed.entries[place]
    again()
    thief.remove(entry)
    report = again()
    assert named(report) == [("entry was deleted", robbed.alice, entry.id)]
    assert f"expected {entry.amount}, found nothing" in str(report.differences[0])


def test_other_changes_of_the_past_are_named(robbed: Robbed, thief: Thief) -> None:
    again()
    entry, last = robbed.entries[1], robbed.entries[4]
    for change in ("source = 'internet'", "event_at = created_at", "note_id = NULL", "key = 'other'", "quantity = 9"):
        if change.startswith("event_at"):
            change = "event_at = '2020-01-01 00:00:00.000000'"
        thief.run(f"UPDATE entries SET {change} WHERE id = {entry.id}")
        assert named(again()) == [("entry was changed", robbed.alice, entry.id)], change
        thief.run(f"DELETE FROM entries WHERE id = {entry.id}")
        thief.run(f"INSERT INTO entries SELECT * FROM kept_entries WHERE id = {entry.id}")
    assert named(again()) == []
    thief.rewrite(entry, 1_000_000)
    thief.rewrite(last, -1_000_000)  # in the same block, so that the sum is as it was
    assert named(again()) == [("several entries of the past were changed", None, None)]


def test_two_changes_in_one_block_show_which_sources_differ(robbed: Robbed, thief: Thief) -> None:
    again()
    for place in (1, 4):
        thief.remove(robbed.entries[place])
    lines = "\n".join(map(str, again().differences))
    assert "several entries of the past were changed (among ids 0 to 249;" in lines
    assert "number of entries of a source (of print up to entry 10;" in lines
    assert "expected 4, found 2" in lines
    assert f"expected {10 * MICRO}, found {5 * MICRO}" in lines


def test_each_of_many_changes_in_different_blocks_is_named(robbed: Robbed, thief: Thief) -> None:
    for number in range(2 * BLOCK):
        writing(lambda session, number=number: pay_in(session, robbed.alice, f"more:{number}"))
    with one_moment() as session:
        entries = session.scalars(select(Entry).where(Entry.key.in_(("more:100", "more:400")))).all()
    thief.run("UPDATE entries SET fingerprint = NULL")
    again()
    for entry in entries:
        thief.rewrite(entry, MICRO)
    assert [one[2] for one in named(again())] == [entry.id for entry in entries]


def test_a_past_that_differs_may_be_accepted_with_a_reason(robbed: Robbed, thief: Thief) -> None:
    again()
    thief.rewrite(robbed.entries[2], MICRO)
    assert len(named(again("put right after the fire"))) == 1
    assert named(again()) == []
    accepted = reading().scalars(select(Verification.accepted).order_by(Verification.id)).all()
    assert accepted == ["", "put right after the fire", ""]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry_blocks SET digest = digest + 1",
        "DELETE FROM entry_blocks",
        "UPDATE verifications SET entries_until = 3",
        "UPDATE verifications SET seal = '0'",
    ],
)
def test_what_was_kept_cannot_be_changed_unseen(robbed: Robbed, thief: Thief, change: str) -> None:
    again()
    thief.run(change)
    assert named(again()) == [("the kept history does not fit its seal", None, None)]


def test_another_secret_is_named_and_not_taken_for_a_theft(robbed: Robbed) -> None:
    again()
    settings = current_app.extensions["twinpurse.settings"]
    settings.secret_key = "another-secret-of-the-tests-0123456789"
    assert named(again()) == [("the kept history does not fit its seal", None, None)]
    again("new secret")
    assert named(again()) == []


def test_of_two_verifications_at_once_one_keeps_the_past(robbed: Robbed) -> None:
    sealer = Sealer("x" * 32, db.engine.dialect.name)
    with one_moment() as session:
        first, second = (verify(session, sealer=sealer, until=10) for _twice in range(2))

    def keep(report: Report) -> str | None:
        row = Verification(at=clock.now(), accounts=0, entries=0, differences="")

        def work(session: object) -> None:
            history.keep(session, row=row, reading=report.reading, base=report.base, sealer=sealer, afresh=False)  # type: ignore[arg-type]
            session.add(row)  # type: ignore[attr-defined]

        writing(work)
        return row.seal

    assert keep(first) is not None
    assert keep(second) is None
    assert reading().scalar(select(func.count(EntryBlock.number))) == 1


def test_entries_of_a_transaction_that_is_still_at_work_are_not_kept_as_missing(
    robbed: Robbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL gives ids before it commits: what is late must not look as if it was put into the past."""
    if robbed.thief.is_sqlite:
        assert history.settled_until(reading()) == 10
        return
    monkeypatch.setattr(history, "SETTLE_S", 0.3)
    with db.engine.connect() as late:
        late.exec_driver_sql("UPDATE accounts SET name = name")
        late.exec_driver_sql("SELECT nextval(pg_get_serial_sequence('entries', 'id'))")
        report, row = tasks.verify_and_keep()
        assert (report.difference_count, row.seal) == (0, None)
        late.rollback()
    _report, row = tasks.verify_and_keep()
    assert row.seal is not None


def test_nothing_is_named_while_others_go_on_charging(robbed: Robbed) -> None:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    stop, charged = threading.Event(), [0, 0, 0]
    robbed.books.post(50)

    def work(number: int) -> None:
        with app.app_context():
            while not stop.is_set():
                charged[number] += 1
                name = f"w:{number}:{charged[number]}"
                try:
                    if number == 0:
                        robbed.books.post(-1, key=name, title="")
                    elif number == 1:
                        robbed.books.release(robbed.books.hold(1, key=name))
                    else:
                        writing(lambda session, name=name: pay_in(session, robbed.alice, name))
                except InsufficientBalanceError:
                    pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        reports = [again() for _ in range(4)]
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert [named(report) for report in reports] == [[]] * 4
    assert reports[-1].entries > reports[0].entries
    assert min(charged) > 0
    assert named(again()) == []


def test_a_failing_verification_is_an_error_in_the_log(robbed: Robbed, caplog: pytest.LogCaptureFixture) -> None:
    robbed.thief.run(f"UPDATE accounts SET reserved = 1 WHERE id = {robbed.alice}")
    assert tasks.verify_books() == 1
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert errors[0].startswith("1 difference in the books")
    assert f"account {robbed.alice}: reserved amount" in errors[1]
    assert caplog.records[-1].message.startswith("verified 10 entries: 1 difference; history up to entry 10, seal ")


@pytest.mark.parametrize("more", [-3, 0, 5])
def test_the_only_change_of_a_block_is_worked_out_of_its_sums(more: int) -> None:
    sealer = Sealer("secret", "sqlite")
    rows = [(entry_id, entry_id % 7, entry_id - 100) for entry_id in range(1, 200)]

    def sums(of: list[tuple[int, int, int]]) -> Sums:
        made = Sums()
        for row in of:
            made.add(*row, sealer.number(row))
        return made.reduced()

    kept = sums(rows)
    changed = the_change(kept, sums([*rows[:49], (50, 1, rows[49][2] + more), *rows[50:]]))
    assert (changed is None) == (more == 0)
    if changed:
        assert (changed.entry_id, changed.account_id, changed.count, changed.amount) == (50, 1, 0, more)
    gone = the_change(kept, sums(rows[:149] + rows[150:]))
    assert gone
    assert (gone.entry_id, gone.account_id, gone.count, gone.amount) == (150, 150 % 7, -1, -50)
    new = the_change(sums(rows[:-1]), kept)
    assert new
    assert (new.entry_id, new.count) == (199, 1)
    assert all(0 <= value < PRIME for value in kept.values)


def test_without_the_secret_nobody_computes_an_entrys_number() -> None:
    row = (1, 2, 3)
    numbers = {Sealer(secret, dialect).number(row) for secret in ("a", "b") for dialect in ("sqlite", "postgresql")}
    assert len(numbers) == 4
