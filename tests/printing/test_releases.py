"""Hold and release: one's own jobs only, once, in time; with a trace of who did it for somebody else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from app.db import reading, writing
from app.errors import NotAllowedError, NotFoundError, TwinpurseError, WrongStateError
from app.jobs import ticker
from app.money import MICRO
from app.printing import orders, releases
from app.printing.models import PrintJob
from app.printing.releases import Actor
from tests.printing.queues import Queues

PRICE = 150_000
"""Three pages at the usual five cents."""


def do(
    queues: Queues, verb: Callable[..., PrintJob], job_id: int, by: Actor, later: timedelta = timedelta()
) -> PrintJob:
    """Release or cancel a job."""
    return writing(lambda session: verb(session, job_id=job_id, by=by, now=queues.now + later))


def told(queues: Queues, server: str = "cups1") -> list[tuple[int, str]]:
    """What a print server is told to do."""
    reading().rollback()
    return [(order.job, order.verb) for order in orders.list_orders(reading(), server=server)]


def test_a_job_waits_with_its_price_held_until_its_owner_releases_it_and_then_prints(queues: Queues) -> None:
    queues.printer()
    job_id = queues.send()
    job = queues.job(job_id)
    assert (job.state, job.waits_for, job.order) == ("waiting", "release", "")
    [waiting] = releases.list_waiting(reading(), user_id=queues.users["alice"])
    assert (waiting.cost, waiting.is_held, waiting.missing, waiting.may_release) == (PRICE, True, 0, True)
    assert queues.account("alice").reserved == PRICE
    do(queues, releases.release, job_id, queues.actor("alice"))
    do(queues, releases.release, job_id, queues.actor("alice"))
    assert told(queues) == [(job_id, "resume")]
    assert releases.list_waiting(reading(), user_id=queues.users["alice"]) == []
    assert queues.again(job_id).state == "held"
    assert (told(queues), queues.account("alice").reserved) == ([], PRICE)
    with pytest.raises(WrongStateError):
        do(queues, releases.cancel, job_id, queues.actor("alice"))


@pytest.mark.parametrize("verb", ["release", "cancel", "send_on"])
def test_nobody_reaches_a_job_of_somebody_else(quick_queues: Queues, verb: str) -> None:
    queues = quick_queues
    with queues.app.app_context():
        queues.printer()
        job_id = queues.send()
        for by in (queues.actor("bob"), queues.actor("bob", "auditor")):
            with pytest.raises(NotFoundError):
                do(queues, getattr(releases, verb), job_id, by)
        with pytest.raises(NotFoundError):
            do(queues, getattr(releases, verb), 999_999, queues.actor("alice"))
        assert (queues.job(job_id).order, queues.job(job_id).state) == ("", "waiting")
        assert releases.list_waiting(reading(), user_id=queues.users["bob"]) == []


@pytest.mark.long
def test_a_helper_does_it_for_somebody_and_is_named(quick_queues: Queues) -> None:
    queues = quick_queues
    with queues.app.app_context():
        queues.printer()
        first, second = queues.send(), queues.send()
        assert do(queues, releases.release, first, queues.actor("carol", "helper")).released_by == "Carol (carol)"
        job = do(queues, releases.cancel, second, queues.actor("carol", "helper"))
        assert (job.state, job.order, job.reason) == (
            "cancelled",
            "cancel",
            "Cancelled by Carol (carol). Nothing was charged.",
        )
        assert queues.account("alice").reserved == PRICE, "the first is still held"
        assert do(queues, releases.cancel, second, queues.actor("alice")).reason == job.reason, "once is enough"


def test_what_is_not_released_in_time_is_thrown_out_by_the_ticker_and_its_hold_released(queues: Queues) -> None:
    queues.printer(minutes=10)
    late, released = queues.send(), queues.send()
    do(queues, releases.release, released, queues.actor("alice"))
    at = queues.now + timedelta(minutes=10)
    with pytest.raises(WrongStateError, match="over"):
        do(queues, releases.release, late, queues.actor("alice"), timedelta(minutes=10))
    ticker.tick(queues.app, holder="test", now=at - timedelta(seconds=1))
    assert queues.job(late).state == "waiting"
    ticker.tick(queues.app, holder="test", now=at)
    job = queues.job(late)
    assert (job.state, job.order, "not released in time" in job.reason) == ("cancelled", "cancel", True)
    assert queues.job(released).state == "waiting", "who has released is not late"
    assert (queues.account("alice").reserved, queues.account("alice").balance) == (0, 10 * MICRO)
    assert sorted(told(queues)) == [(late, "cancel"), (released, "resume")]


def test_who_waits_to_be_counted_waits_for_an_administrator(quick_queues: Queues) -> None:
    queues = quick_queues
    with queues.app.app_context():
        job_id = queues.send(pages=None, printer="Plotter")
        assert queues.job(job_id).waits_for == "count"
        [waiting] = releases.list_waiting(reading(), user_id=queues.users["alice"])
        assert (waiting.cost, waiting.may_release) == (None, False)
        with pytest.raises(WrongStateError):
            do(queues, releases.release, job_id, queues.actor("alice"))
        for by, error in ((queues.actor("alice"), NotAllowedError), (queues.actor("carol", "helper"), NotAllowedError)):
            with pytest.raises(error):
                do(queues, releases.send_on, job_id, by)
        job = do(queues, releases.send_on, job_id, queues.actor("admin", "admin"))
        assert (job.order, job.released_by, job.released_at) == ("resume", "Admin (admin)", None)
        assert queues.again(job_id).state == "held", "it prints, and the printer's count is charged"


@pytest.mark.long
def test_releasing_and_expiring_at_once_is_one_or_the_other(queues: Queues) -> None:
    """Whoever is second finds the job as the first left it."""
    queues.printer(minutes=1)
    job_id = queues.send()
    at = queues.now + timedelta(minutes=1)
    writing(lambda session: releases.expire_due(session, now=at))
    with pytest.raises(TwinpurseError):
        do(queues, releases.release, job_id, queues.actor("alice"))
    assert (told(queues), queues.account("alice").reserved) == ([(job_id, "cancel")], 0)


def test_what_an_administrator_sent_on_uncounted_prints_once_its_owner_releases_it(queues: Queues) -> None:
    """The print server says that it has resumed a job before it asks about it: the order stands until it asks."""
    queues.printer()
    job_id = queues.send(pages=None)
    assert queues.job(job_id).waits_for == "count"
    for verb, by, waits_for, state in (
        (releases.send_on, queues.actor("admin", "admin"), "release", "waiting"),
        (releases.release, queues.actor("alice"), "", "held"),
    ):
        do(queues, verb, job_id, by)
        writing(
            lambda session: orders.note_done(
                session, server="cups1", job_id=job_id, verb="resume", done=True, note="", now=queues.now
            )
        )
        queues.again(job_id)
        assert (queues.job(job_id).waits_for, queues.job(job_id).state) == (waits_for, state)
    assert told(queues) == []
