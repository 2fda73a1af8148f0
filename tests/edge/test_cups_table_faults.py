"""The charge is what came out of the printer, once: when a printer, a person, CUPS or the backend itself stops."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pikepdf
import pytest

from tests.edge.charge_table import CENT, Case, Table
from tests.edge.charged_place import ChargedPlace, coloured_pdf

pytestmark = pytest.mark.long

Action = Callable[[ChargedPlace], str]
FAILED = ("canceled", "aborted", "held")
LARGE_BYTES = 12_000_000
QUEUES = ("filtered", "ipp-raw", "socket", "socket-raw")


def large_pdf(pages: int) -> bytes:
    """A PDF that does not fit into the buffers between a backend and its printer."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(coloured_pdf(pages, ()))) as document:
        document.Root.Extra = document.make_stream(os.urandom(LARGE_BYTES))
        document.save(out)
    return out.getvalue()


def show(place: ChargedPlace, title: str, rows: Sequence[tuple[Case, Action]]) -> None:
    """Do one after the other; show the table."""
    table = Table(title)
    for case, action in rows:
        table.add(case, place.see(lambda action=action: action(place)))
    table.check()


def case(
    name: str, queue: str, pages: int | None, *states: str, money: int | None = None, entries: int | None = None
) -> Case:
    """A case; without states its job is completed."""
    return Case(name, queue, pages, None if money is None else money * CENT, entries, states or ("completed",))


# What a printer does.


def stops_after_two(place: ChargedPlace) -> str:
    place.ipp.claim(2)
    place.ipp.take(2)  # the ipp backend hears of the pages only while the printer still works
    place.ipp.fail()
    return place.finish(place.print("filtered", place.document("stops", 3)))


def stops_at_once(place: ChargedPlace) -> str:
    place.ipp.claim(0)
    place.ipp.fail()
    return place.finish(place.print("filtered", place.document("stops", 3)))


def says_nothing(place: ChargedPlace) -> str:
    place.ipp.claim_nothing()
    return place.finish(place.print("filtered", place.document("silent", 3)))


def socket_was_off(place: ChargedPlace) -> str:
    place.raw.off()
    job = place.print("socket-raw", place.document("off", 3))
    place.cups.wait_for(lambda: "unavailable" in place.cups.job_state(job)[1], "CUPS says so", 30, job)
    place.raw.on()
    return place.finish(job, timeout_s=120)


def ipp_was_off(place: ChargedPlace) -> str:
    place.ipp.child.stop()
    job = place.print("filtered", place.document("off", 3))
    time.sleep(3)
    place.ipp.child.start()
    return place.finish(job, timeout_s=120)


def stalls_and_goes_on(place: ChargedPlace) -> str:
    place.raw.stall(1_000_000)
    job = place.print("socket-raw", place.write("large.pdf", large_pdf(3)))
    time.sleep(2)
    assert place.cups.job_state(job)[0] == "processing"
    place.raw.go_on()
    return place.finish(job)


def breaks_off_then_retried(place: ChargedPlace) -> str:
    """Retried at once by CUPS until the printer takes all."""
    place.cups.run("lpadmin", "-p", "socket-raw", "-o", "printer-error-policy=retry-current-job")
    try:
        place.raw.break_off(1_000_000)
        job = place.print("socket-raw", place.write("large.pdf", large_pdf(3)))
        place.cups.wait_for(lambda: place.raw.broken_off > 0, "the printer broke off", 30, job)
        place.raw.break_after = None
        return place.finish(job, "completed", "canceled", "held", timeout_s=120)
    finally:
        place.cups.run("lpadmin", "-p", "socket-raw", "-o", "printer-error-policy=abort-job")


def breaks_off(place: ChargedPlace) -> str:
    place.raw.break_off(1_000_000)
    return place.finish(place.print("socket-raw", place.write("large.pdf", large_pdf(3))))


# What people do.


def cancelled_before(queue: str) -> Action:
    def act(place: ChargedPlace) -> str:
        place.cups.run("cupsdisable", queue)
        try:
            job = place.print(queue, place.document("before", 3))
            place.cups.run("cancel", str(job))
        finally:
            place.cups.run("cupsenable", queue)
        return place.finish(job)

    return act


def cancelled_at_the_printer(place: ChargedPlace) -> str:
    """The printer has printed one of three pages when its owner cancels."""
    place.ipp.claim(1)
    place.ipp.take(3)
    job = place.print("filtered", place.document("during", 3))
    place.cups.wait_for(lambda: len(place.ipp.printed()) == 1, "the printer prints", job=job)
    time.sleep(1.5)
    place.cups.run("cancel", str(job))
    return place.finish(job, "canceled", "completed", "aborted")


def cancelled_on_the_way(place: ChargedPlace) -> str:
    """A raw printer has a part of the document, of which it can print nothing."""
    place.raw.stall(1_000_000)
    job = place.print("socket-raw", place.write("large.pdf", large_pdf(3)))
    time.sleep(2)
    place.cups.run("cancel", str(job))
    state = place.finish(job, "canceled")
    place.cups.wait_for(lambda: place.books(0).holds == 0, "the hold is given back", 30, job)
    place.raw.go_on()
    time.sleep(1)
    return state


def reprinted(queue: str) -> Action:
    def act(place: ChargedPlace) -> str:
        job = place.print(queue, place.document("again", 3))
        assert place.finish(job) == "completed"
        before = len(place.raw.printed()) + len(place.ipp.printed())
        place.cups.run("lp", "-i", str(job), "-H", "restart")
        place.cups.wait_for(
            lambda: len(place.raw.printed()) + len(place.ipp.printed()) > before, "it comes out again", job=job
        )
        return place.finish(job)

    return act


# What becomes of CUPS and of the backend.


def restarted_before(place: ChargedPlace) -> str:
    place.cups.run("cupsdisable", "filtered")
    job = place.print("filtered", place.document("restart", 3))
    place.cups.stop()
    place.cups.start()
    place.cups.run("cupsenable", "filtered")
    return place.finish(job)


def restarted_during(queue: str) -> Action:
    """CUPS 2.4.2 calls a job that it was stopped in "pending" ever after, and never prints it again: nor do we."""

    def act(place: ChargedPlace) -> str:
        place.ipp.take(4)
        job = place.print(queue, place.document("restart", 3))
        place.cups.wait_for(lambda: len(place.ipp.printed()) == 1, "the printer prints", job=job)
        time.sleep(1.5)
        place.cups.stop()
        place.cups.start()
        place.cups.wait_for(lambda: settled(place), "the run is settled", 60, job)
        return place.cups.job_state(job)[0]

    return act


def killed_while_it_prints(queue: str) -> Action:
    """Between hold and capture; then the service beside the print server settles it."""

    def act(place: ChargedPlace) -> str:
        place.ipp.take(3)
        job = place.print(queue, place.document("killed", 3))
        place.cups.wait_for(lambda: len(place.ipp.printed()) == 1, "the printer prints", job=job)
        time.sleep(1.5)
        os.kill(backend_pid(place), signal.SIGKILL)
        state = place.finish(job)
        place.cups.wait_for(lambda: settled(place), "the run is settled", 60, job)
        return state

    return act


def killed_socket(place: ChargedPlace) -> str:
    place.raw.stall(1_000_000)
    job = place.print("socket-raw", place.write("large.pdf", large_pdf(3)))
    time.sleep(2)
    os.kill(backend_pid(place), signal.SIGKILL)
    place.raw.go_on()
    state = place.finish(job)
    place.cups.wait_for(lambda: settled(place), "the run is settled", 60, job)
    return state


def settled(place: ChargedPlace) -> bool:
    place.deliver()
    return place.books(0).holds == 0


def backend_pid(place: ChargedPlace) -> int:
    """The process id of the one running backend: a child of our own cupsd."""
    own = place.cups.child.pid
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    found = [int(pid) for pid in children if b"/twinpurse\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(found) == 1, f"running backends: {found}"
    return found[0]


def test_printers_that_stop(charged_place: ChargedPlace) -> None:
    rows = (
        (case("stops after 2 of 3 pages", "filtered", 2, *FAILED, money=10), stops_after_two),
        (case("stops before the first page", "filtered", 0, *FAILED), stops_at_once),
        (case("does not say what it printed", "filtered", 3, money=15), says_nothing),
        (case("off, then on", "socket-raw", 3, money=15), socket_was_off),
        (case("off, then on", "filtered", 3, money=15), ipp_was_off),
        (case("without paper for a while", "socket-raw", 3, money=15), stalls_and_goes_on),
        (case("breaks off", "socket-raw", 0, *FAILED), breaks_off),
        (case("breaks off, retried", "socket-raw", 3, money=15), breaks_off_then_retried),
    )
    show(charged_place, "Printers that stop", rows)


def test_people_who_change_their_minds(charged_place: ChargedPlace) -> None:
    rows = (
        *((case("cancelled before", queue, 0, "canceled"), cancelled_before(queue)) for queue in QUEUES),
        (case("cancelled after 1 of 3 pages", "filtered", 1, "canceled", "completed"), cancelled_at_the_printer),
        (case("cancelled on the way", "socket-raw", 0, "canceled"), cancelled_on_the_way),
        *((case("reprinted", queue, 6, money=30, entries=2), reprinted(queue)) for queue in QUEUES),
    )
    show(charged_place, "People who change their minds", rows)


def test_print_servers_that_stop(charged_place: ChargedPlace) -> None:
    somehow = ("completed", *FAILED)
    rows = [(case("cupsd restarted before", "filtered", 3, money=15), restarted_before)]
    for queue in QUEUES[:2]:
        rows.append((case("cupsd restarted during", queue, 3, *somehow, "pending", money=15), restarted_during(queue)))
        killed = case("SIGKILL between hold and capture", queue, 3, *somehow, money=15, entries=1)
        rows.append((killed, killed_while_it_prints(queue)))
    rows.append((case("SIGKILL on the way", "socket-raw", 3, *somehow, money=15, entries=1), killed_socket))
    show(charged_place, "Print servers that stop", rows)
