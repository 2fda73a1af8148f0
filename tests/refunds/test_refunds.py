"""Refunds: asked for by the owner alone, given once whatever happens, whole or in part, and the books stay right."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from app.accounts.rules import Allowance
from app.accounts.service import left_today, reverse
from app.db import reading, writing
from app.errors import DailyLimitError, InvalidInputError, NotAllowedError, NotFoundError, WrongStateError
from app.ledger.models import Entry
from app.money import MICRO
from app.printing import charges
from app.printing.releases import Actor
from app.refunds import rules, service
from app.refunds.models import Refund
from tests.printing.queues import ADMIN, Queues

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
COST = 150_000
"""Three pages at the usual five cents."""


def ask(queues: Queues, job_id: int, name: str = "alice", reason: str = "It was blank") -> Refund:
    """Somebody asks to have a charge back."""
    return writing(
        lambda session: service.ask(session, job_id=job_id, user_id=queues.users[name], reason=reason, now=queues.now)
    )


def approve(queues: Queues, refund: Refund, amount: int | None = None, by: Actor | None = None, **more: Any) -> Refund:
    """An administrator gives it back."""
    actor = by or Actor(queues.users["admin"], "admin", ADMIN)
    return writing(
        lambda session: service.approve(
            session, refund_id=refund.id, amount=amount, answer="", by=actor, now=queues.now, **more
        )
    )


def given_back(queues: Queues, job_id: int) -> int:
    """What the books have given back for a job."""
    return charges.of_job(reading(), job=queues.job(job_id)).given_back


def reversals() -> int:
    """How many reversals there are in the books."""
    reading().rollback()
    return reading().scalar(select(func.count()).where(Entry.reverses_id.is_not(None))) or 0


def test_a_refund_is_split_over_charges_from_the_first_on() -> None:
    assert rules.split([100, 50], 150) == [100, 50]
    assert rules.split([100, 50], 100) == [100, 0]
    assert rules.split([100, 50], 101) == [100, 1]
    assert rules.split([0, 50], 20) == [0, 20]
    for amount in (0, -1, 151):
        with pytest.raises(ValueError, match="at most"):
            rules.split([100, 50], amount)


def test_the_whole_charge_comes_back_once_as_a_reversal_of_the_entry(queues: Queues) -> None:
    job_id = queues.print()
    assert queues.account("alice").balance == 10 * MICRO - COST
    refund = ask(queues, job_id)
    assert ask(queues, job_id).id == refund.id, "asking again is the same request"
    done = approve(queues, refund)
    assert (done.state, done.amount, done.decided_by) == ("approved", COST, ADMIN)
    assert (queues.account("alice").balance, given_back(queues, job_id), reversals()) == (10 * MICRO, COST, 1)
    with pytest.raises(WrongStateError, match="already by Ada Min"):
        approve(queues, refund)
    with pytest.raises(WrongStateError, match="once"):
        ask(queues, job_id)
    assert reversals() == 1


def test_a_part_comes_back_and_the_rest_never(queues: Queues) -> None:
    job_id = queues.print(pages=3, printed=5)
    charged = charges.of_job(reading(), job=queues.job(job_id))
    assert [charge.amount for charge in charged.charges] == [150_000, 100_000], "held, and beyond it"
    refund = ask(queues, job_id)
    for amount in (0, 250_001, -1):
        with pytest.raises(InvalidInputError):
            approve(queues, refund, amount)
    approve(queues, refund, 160_000)
    assert (given_back(queues, job_id), reversals()) == (160_000, 2)
    assert queues.account("alice").balance == 10 * MICRO - 90_000
    for amount in (None, 1):
        with pytest.raises(WrongStateError, match="once"):
            give(queues, job_id, amount)


def give(queues: Queues, job_id: int, amount: int | None = None, role: str = "admin") -> Refund:
    """An administrator gives back unasked."""
    by = Actor(queues.users["admin"], role, ADMIN)
    return writing(
        lambda session: service.give(session, job_id=job_id, amount=amount, reason="Jam", by=by, now=queues.now)
    )


def test_nobody_asks_for_or_withdraws_what_is_somebody_elses(queues: Queues) -> None:
    job_id = queues.print()
    refund = ask(queues, job_id)
    for name in ("bob", "admin"):
        with pytest.raises(NotFoundError):
            ask(queues, job_id, name)
        with pytest.raises(NotFoundError):
            writing(
                lambda session, name=name: service.withdraw(
                    session, job_id=job_id, user_id=queues.users[name], now=queues.now
                )
            )
    for role in ("", "auditor"):
        with pytest.raises(NotAllowedError):
            approve(queues, refund, by=queues.actor("bob", role))
    with pytest.raises(NotAllowedError):
        give(queues, job_id, role="helper")
    assert (service.count_open(reading()), reversals()) == (1, 0)


@pytest.mark.long
def test_what_was_withdrawn_may_be_asked_for_again_what_was_refused_may_not(queues: Queues) -> None:
    job_id = queues.print()
    refund = ask(queues, job_id)
    for _ in range(2):
        writing(lambda session: service.withdraw(session, job_id=job_id, user_id=queues.users["alice"], now=queues.now))
    with pytest.raises(WrongStateError, match="withdrawn already"):
        approve(queues, refund)
    again, admin = ask(queues, job_id), queues.actor("admin", "admin")
    for words in ("", " ", "x" * 201, "two\nlines"):
        with pytest.raises(InvalidInputError):
            writing(
                lambda session, words=words: service.refuse(
                    session, refund_id=again.id, answer=words, by=admin, now=queues.now
                )
            )
    writing(
        lambda session: service.refuse(session, refund_id=again.id, answer="They look fine", by=admin, now=queues.now)
    )
    with pytest.raises(WrongStateError, match="refused already"):
        ask(queues, job_id)
    assert (reversals(), service.count_open(reading())) == (0, 0)
    give(queues, job_id)
    assert given_back(queues, job_id) == COST, "an administrator may think better of it"


@pytest.mark.long
def test_what_was_never_charged_is_not_given_back(queues: Queues) -> None:
    queues.printer()
    waiting, refused = queues.send(), queues.send(pages=900, printer="Hall")
    for job_id in (waiting, refused):
        with pytest.raises(WrongStateError, match="Nothing was charged"):
            ask(queues, job_id)
        with pytest.raises(WrongStateError, match="Nothing was charged"):
            give(queues, job_id)


@pytest.mark.long
def test_a_line_that_was_reversed_on_the_statement_is_refunded_already(queues: Queues) -> None:
    job_id = queues.print()
    [charge] = charges.of_job(reading(), job=queues.job(job_id)).charges
    refund = ask(queues, job_id)
    writing(
        lambda session: reverse(
            session, account_id=charge.account_id, entry_id=charge.entry_id, reason="x", by=ADMIN, now=queues.now
        )
    )
    with pytest.raises(WrongStateError, match="once"):
        approve(queues, refund)
    assert (reversals(), queues.account("alice").balance) == (1, 10 * MICRO)


def test_a_helper_refunds_within_their_day_together_with_what_they_adjust(queues: Queues) -> None:
    first, second, own = queues.print(), queues.print(), queues.print("bob")
    helper = queues.actor("bob", "helper")
    within = Allowance(helper.user_id, 200_000, MIDNIGHT)
    approve(queues, ask(queues, first), by=helper, within=within)
    assert left_today(reading(), allowance=within) == 50_000
    waiting = ask(queues, second)
    with pytest.raises(DailyLimitError):
        approve(queues, waiting, by=helper, within=within)
    approve(queues, waiting, 50_000, by=helper, within=within)
    with pytest.raises(NotAllowedError, match="Somebody else"):
        approve(queues, ask(queues, own, "bob"), by=helper, within=within)
    assert (given_back(queues, first), given_back(queues, second), given_back(queues, own)) == (COST, 50_000, 0)


def test_however_many_decide_at_once_it_comes_back_once(queues: Queues) -> None:
    """Administrators approve and give unasked, and a third reverses the line, all at one moment."""
    job_id = queues.print()
    refund = ask(queues, job_id)
    [charge] = charges.of_job(reading(), job=queues.job(job_id)).charges
    outcomes: list[str] = []
    ways = [
        lambda: approve(queues, refund),
        lambda: approve(queues, refund, 50_000),
        lambda: give(queues, job_id),
        lambda: writing(
            lambda session: reverse(
                session, account_id=charge.account_id, entry_id=charge.entry_id, reason="x", by=ADMIN, now=queues.now
            )
        ),
    ]
    together = threading.Barrier(len(ways))

    def attempt(way: Any) -> None:
        with queues.app.app_context():
            together.wait()
            try:
                way()
            except WrongStateError:
                outcomes.append("late")
            else:
                outcomes.append("done")

    threads = [threading.Thread(target=attempt, args=(way,)) for way in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(outcomes), reversals()) == (["done", "late", "late", "late"], 1)
    assert given_back(queues, job_id) in (COST, 50_000)
