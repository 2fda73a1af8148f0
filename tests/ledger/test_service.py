"""The verbs of the books: what they move, what they refuse, and that doing it again changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app import clock
from app.db import reading, writing
from app.errors import InsufficientBalanceError, KeyReusedError, NotFoundError, UnavailableError, WrongStateError
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Account, Entry
from app.money import MICRO
from tests.ledger.conftest import Books


def count_entries() -> int:
    return reading().scalar(select(func.count(Entry.id))) or 0


def test_an_entry_moves_the_balance_and_keeps_its_place(books: Books) -> None:
    first, second = books.post(5), books.post(-2)
    assert books.figures == (3, 0)
    assert (first.sequence, second.sequence) == (1, 2)
    assert (first.balance_after, second.balance_after) == (5 * MICRO, 3 * MICRO)


def test_the_same_key_and_content_is_answered_with_the_first_entry(books: Books) -> None:
    books.post(5)
    first = books.post(-2, key="job:1")
    assert books.post(-2, key="job:1").id == first.id
    assert books.figures == (3, 0)
    assert count_entries() == 2


@pytest.mark.parametrize("change", [{"units": -3}, {"units": -2, "source": "internet"}, {"units": -2, "quantity": 7}])
def test_the_same_key_with_other_content_is_refused(books: Books, change: dict[str, object]) -> None:
    books.post(5)
    books.post(-2, key="job:1")
    with pytest.raises(KeyReusedError):
        books.post(key="job:1", **change)  # type: ignore[arg-type]
    assert books.figures == (3, 0)


def test_a_guarded_charge_stops_at_the_floor(books: Books) -> None:
    books.post(2)
    books.post(-2)
    with pytest.raises(InsufficientBalanceError) as caught:
        books.post(-1)
    assert caught.value.facts["available_micro"] == 0
    assert books.figures == (0, 0)
    assert count_entries() == 2


def test_a_guarded_charge_leaves_what_is_held_alone(books: Books) -> None:
    books.post(3)
    books.hold(2)
    with pytest.raises(InsufficientBalanceError):
        books.post(-2)
    books.post(-1)
    assert books.figures == (2, 2)


def test_monitor_mode_refuses_nothing(books: Books) -> None:
    books.post(-4, enforce=False)
    books.hold(3, enforce=False)
    assert books.figures == (-4, 3)


def test_a_measured_charge_is_always_booked_and_its_part_below_the_floor_marked(books: Books) -> None:
    books.post(2)
    entry = books.post(-5, measured=True)
    assert (entry.kind, entry.overrun) == ("measured", 3 * MICRO)
    assert books.post(-1, measured=True).overrun == 1 * MICRO
    assert books.figures == (-4, 0)


def test_an_unrestricted_account_has_no_floor(books: Books) -> None:
    writing(lambda session: accounts.set_floor(session, account_id=books.account_id, floor=None))
    books.post(-7)
    assert books.post(-1, measured=True).overrun == 0
    assert books.figures == (-8, 0)


@pytest.mark.parametrize(("captured", "left"), [(2, 8), (3, 7), (5, 5), (0, 10)])
def test_a_capture_charges_less_equal_or_more_than_was_held(books: Books, captured: int, left: int) -> None:
    books.post(10)
    entries = books.capture(books.hold(3), captured)
    assert books.figures == (left, 0)
    assert [entry.kind for entry in entries] == (["guarded", "measured"] if captured > 3 else ["guarded"])
    assert sum(entry.amount for entry in entries) == -captured * MICRO


def test_a_capture_again_changes_nothing_and_with_another_amount_is_refused(books: Books) -> None:
    books.post(10)
    placed = books.hold(3)
    first = books.capture(placed, 5)
    assert [entry.id for entry in books.capture(placed, 5)] == [entry.id for entry in first]
    with pytest.raises(KeyReusedError):
        books.capture(placed, 2)
    with pytest.raises(WrongStateError):
        books.capture(placed, 2, key="another")
    assert books.figures == (5, 0)


def test_a_hold_ends_once(books: Books) -> None:
    books.post(10)
    placed = books.hold(3)
    books.release(placed)
    books.release(placed)
    with pytest.raises(WrongStateError):
        books.capture(placed, 3)
    captured = books.hold(2, key="hold:2")
    books.capture(captured, 2, key="capture:2")
    with pytest.raises(WrongStateError):
        books.release(captured)
    assert books.figures == (8, 0)


def test_a_hold_that_is_not_covered_is_refused(books: Books) -> None:
    books.post(2)
    books.hold(2)
    with pytest.raises(InsufficientBalanceError):
        books.hold(1, key="hold:2")
    assert books.hold(2).state == "open"
    with pytest.raises(KeyReusedError):
        books.hold(1)
    assert books.figures == (2, 2)


def test_an_overdue_hold_expires_and_what_was_printed_all_the_same_is_measured(books: Books) -> None:
    books.post(10)
    placed = books.hold(3, minutes=1)
    later = clock.now() + timedelta(minutes=2)
    assert writing(lambda session: ledger.expire_holds(session, now=later)) == 1
    assert writing(lambda session: ledger.expire_holds(session, now=later)) == 0
    assert books.figures == (10, 0)
    entries = books.capture(placed, 3)
    assert [entry.kind for entry in entries] == ["measured"]
    assert [entry.id for entry in books.capture(placed, 3)] == [entries[0].id]
    assert books.figures == (7, 0)


def test_an_entry_is_reversed_at_most_once(books: Books) -> None:
    books.post(10)
    charge = books.post(-4, source="print", quantity=3)

    def reverse(key: str, entry_id: int = charge.id) -> Entry:
        return writing(
            lambda session: ledger.reverse(session, entry_id=entry_id, key=key, now=clock.now(), title="Refund")
        )

    back = reverse("refund:1")
    assert (back.amount, back.source, back.reverses_id, back.quantity) == (4 * MICRO, "print", charge.id, -3)
    assert reverse("refund:1").id == back.id
    with pytest.raises(WrongStateError):
        reverse("refund:2")
    with pytest.raises(WrongStateError):
        reverse("refund:3", back.id)
    with pytest.raises(KeyReusedError):
        reverse("refund:1", back.id)
    with pytest.raises(NotFoundError):
        reverse("refund:4", 999_999)
    assert books.figures == (10, 0)


@pytest.mark.parametrize("statement", ["UPDATE entries SET amount = 1", "DELETE FROM entries"])
def test_the_database_refuses_to_change_or_delete_an_entry(books: Books, statement: str) -> None:
    books.post(5)
    with pytest.raises((DBAPIError, UnavailableError), match="never changed or deleted"):
        writing(lambda session: session.execute(text(statement)))
    assert books.figures == (5, 0)
    assert count_entries() == 1


def test_nothing_is_changed_when_the_work_fails_half_way(books: Books) -> None:
    def fail(session: object) -> None:
        ledger.post(
            session,  # type: ignore[arg-type]
            account_id=books.account_id,
            amount=5 * MICRO,
            source="card",
            key="k",
            now=clock.now(),
            title="t",
        )
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        writing(fail)
    assert books.figures == (0, 0)
    assert count_entries() == 0


def test_a_reading_session_refuses_to_write(books: Books) -> None:
    reading().get_one(Account, books.account_id).balance = 99
    with pytest.raises(RuntimeError, match="reading session"):
        reading().flush()
    reading().rollback()


def test_what_eats_into_a_hold_is_over_already(books: Books) -> None:
    books.post(1)
    placed = books.hold(1)
    used = books.post(-1, measured=True)
    assert used.overrun == 1 * MICRO
    books.capture(placed, 1)
    assert books.figures == (-1, 0)
