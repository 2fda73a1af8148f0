"""The instance is away: each printer holds, prints or refuses as was said; nothing is lost and nothing doubled."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from app import clock
from app.api import tokens
from app.db import reading, writing
from app.printing import printers
from app.printing.models import PrintJob
from tests.edge.charged_place import ChargedPlace
from tests.edge.gate import StoppableInstance
from tests.edge.instance_stub import InstanceStub
from tests.edge.lone_backend import LoneBackend

POLICIES = ("hold", "print", "refuse")


@pytest.fixture
def instance(charged_place: ChargedPlace) -> Iterator[StoppableInstance]:
    """An instance of which one can hear nothing, with a queue for each policy: away-hold, away-print, away-refuse."""
    place, gate = charged_place, StoppableInstance(charged_place.app).up()
    with place.app.app_context():
        token = writing(lambda session: tokens.make_machine_token(session, name="a", scope="print", now=clock.now()))
        for policy in POLICIES:
            writing(lambda session, policy=policy: _set_policy(session, f"away-{policy}", policy))
    toml = place.cups.write_edge_toml(gate.url, token, server="print-2", name="away", more="away_after_s = 0.5")
    for policy in POLICIES:
        place.cups.add_queue(f"away-{policy}", toml, place.raw.uri, raw=True)
    place.behave()
    yield gate
    gate.down()


def _set_policy(session: object, name: str, policy: str) -> None:
    printers.get_printer(session, server="print-2", name=name, now=clock.now()).away = policy  # type: ignore[arg-type]


def jobs_of(place: ChargedPlace, printer: str) -> list[PrintJob]:
    with place.app.app_context():
        query = select(PrintJob).where(PrintJob.printer == printer).order_by(PrintJob.id)
        return list(reading().scalars(query))


def outage(place: ChargedPlace, instance: StoppableInstance, seconds: float, jobs: int) -> None:
    """Print on each queue before, `jobs` times during and once after an outage; all of it is charged once."""
    pages = place.document("away", 3)
    for job in [place.print(f"away-{policy}", pages) for policy in POLICIES]:
        place.finish(job, "completed")
    before = place.last_entry()
    began, came_out = time.monotonic(), place.came_out()
    instance.down()
    sent = {policy: [place.print(f"away-{policy}", pages) for _ in range(jobs)] for policy in POLICIES}
    for job in sent["refuse"]:
        assert place.finish(job, "canceled")
        assert "accounting server does not answer" in place.why
    for job in sent["print"]:
        place.finish(job, "completed")
    place.cups.wait_for(lambda: place.came_out() == came_out + 3 * jobs, "what may print has printed")
    assert place.books(before).entries == 0
    time.sleep(max(0, seconds - (time.monotonic() - began)))
    assert place.cups.job_state(sent["hold"][0])[0] == "processing"
    instance.up()
    for job in sent["hold"]:
        place.finish(job, "completed")
    place.cups.wait_for(lambda: place.books(before).entries == 2 * jobs, "all of it is charged")
    seen = place.books(before)
    assert (seen.charged, seen.holds) == (place.came_out() - came_out, 0)
    assert seen.charged == 6 * jobs
    spool = place.cups.folder / "edge" / "away-spool"
    assert [path.name for path in spool.glob("*") if path.suffix != ".plan"] == []


def test_five_seconds_without_an_instance(charged_place: ChargedPlace, instance: StoppableInstance) -> None:
    outage(charged_place, instance, 5, 1)
    (_, held), (_, printed) = jobs_of(charged_place, "away-hold"), jobs_of(charged_place, "away-print")
    assert (held.print_key, held.state, printed.state) == (None, "printed", "printed")
    assert printed.print_key
    assert printed.estimated


@pytest.mark.long
def test_many_jobs_in_a_long_outage(charged_place: ChargedPlace, instance: StoppableInstance) -> None:
    outage(charged_place, instance, 20, 8)


@pytest.fixture
def backend() -> Iterator[LoneBackend]:
    stub = InstanceStub().up()
    lone = LoneBackend(stub)
    yield lone
    lone.remove()
    stub.down()


def let(backend: LoneBackend, away: str, **keys: object) -> None:
    """Say what the printer does while the instance is away, let the backend hear of it, and be away."""
    backend.configure(away_after_s=0, **keys)
    backend.stub.orders.plan["away"] = away
    assert backend.print(job=1)[0] == 0
    backend.stub.down()


def test_a_printer_that_nobody_knows_holds(backend: LoneBackend) -> None:
    backend.stub.down()
    backend.configure(away_after_s=0, retry_whole_s=1)
    code, said = backend.print()
    assert (code, backend.printed) == (7, 0)  # CUPS begins it anew
    assert "Waiting for the accounting server" in said


@pytest.mark.long
def test_ten_minutes_of_waiting_end_when_the_instance_is_back(backend: LoneBackend) -> None:
    """CUPS cancels jobs that take longer than MaxJobTime, so after a while the job is handed back, again and again."""
    let(backend, "hold", retry_whole_s=1)
    assert [backend.print()[0] for _ in range(2)] == [7, 7]
    backend.stub.up()
    assert backend.print()[0] == 0
    assert backend.stub.charged() == [3, 3]


@pytest.mark.parametrize("moment", ["while it prints", pytest.param("before it is told", marks=pytest.mark.long)])
def test_printed_while_away_and_killed_it_is_told_once(backend: LoneBackend, moment: str) -> None:
    let(backend, "print", deliver_s=5)
    backend.device = "touch $BEGUN; sleep 0.3; echo out >> $OUT"
    if moment == "while it prints":
        backend.kill_when((backend.folder / "begun").exists)
    else:
        backend.kill_when(lambda: "json" in backend.left())
    backend.stub.up()
    backend.stub.orders.lose["printed"] = 1  # it is heard, and the answer is lost
    backend.wait(lambda: backend.print(job=6)[0] == 0 and len(backend.stub.printed) == 1, "the next job tells it")
    (told,) = backend.stub.printed.values()
    assert (told["printed"], told["job_id"], told["user"], told["estimated"]) == (3, 5, "anna", True)
    assert len({request.body["print_key"] for request in backend.stub.asked("/printed")}) == 1


@pytest.mark.long
def test_what_cannot_be_counted_waits_though_the_printer_prints(backend: LoneBackend) -> None:
    let(backend, "print")
    before = backend.printed
    backend.configure(away_after_s=0, retry_whole_s=1, count_program=["/bin/false"])
    assert backend.print()[0] == 7
    assert backend.printed == before


@pytest.mark.long
def test_a_reprint_during_the_outage_pays_again(backend: LoneBackend) -> None:
    let(backend, "print")
    assert [backend.print()[0], backend.print()[0]] == [0, 0]
    backend.stub.up()
    backend.print(job=6)
    assert backend.stub.charged() == [3, 3, 3, 3]
    assert len(backend.stub.printed) == 2


def test_a_kept_answer_is_used_while_it_is_fresh(backend: LoneBackend) -> None:
    backend.stub.orders.plan["fresh_s"] = 60
    backend.print(job=1)
    backend.print(job=2)
    assert len([request for request in backend.stub.requests if request.method == "GET"]) == 1
    (kept,) = backend.spool.glob("*.plan")
    os.utime(kept, (time.time() - 61,) * 2)
    backend.print(job=3)
    assert len([request for request in backend.stub.requests if request.method == "GET"]) == 2


def test_a_printer_that_needs_no_count_is_not_counted(backend: LoneBackend) -> None:
    backend.stub.orders.plan["count"] = "none"
    backend.configure(count_program=["/bin/false"])
    assert backend.print()[0] == 0
    (question,) = backend.stub.asked("/print/jobs")
    assert question.body["pages"] is None
    assert "doubt" not in question.body
    assert backend.stub.charged() == [1]
