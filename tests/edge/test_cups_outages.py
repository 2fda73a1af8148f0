"""The CUPS backend when the instance, the answer, the backend itself or the config fails, on real servers."""

from __future__ import annotations

import os
import pwd
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.cups_place import Place, open_place
from tests.edge.instance_stub import TOKEN


@pytest.fixture(scope="module")
def started() -> Iterator[Place]:
    with open_place() as place:
        yield place


@pytest.fixture
def place(started: Place) -> Place:
    started.behave()
    return started


@pytest.mark.long
def test_a_job_waits_for_the_instance_and_is_then_printed(place: Place) -> None:
    place.instance.down()
    job = place.print()
    place.wait_until_waiting(job)
    assert place.cups.job_state(job)[0] == "processing"
    assert place.printer.printed() == []
    place.instance.up()
    place.finish(job)
    assert len(place.printer.printed()) == 1
    assert len(place.captures()) == 1
    assert "com.twinpurse" not in place.queue_says()


@pytest.mark.long
def test_a_busy_instance_is_asked_again(place: Place) -> None:
    place.instance.orders.fail.extend([(503, "busy"), (503, "busy"), (429, "too_many"), (500, "fault")])
    place.finish(place.print())
    assert len(place.questions()) == 4
    assert len({question["job_uuid"] for question in place.questions()}) == 1
    assert len(place.printer.printed()) == 1


def test_a_job_cancelled_while_it_waits_is_gone_and_free(place: Place) -> None:
    place.instance.down()
    job = place.print()
    place.wait_until_waiting(job)
    place.cups.run("cancel", str(job))
    place.finish(job, "canceled")
    place.instance.up()
    place.finish(place.print())
    assert len(place.printer.printed()) == 1
    assert len(place.questions()) == 1


@pytest.mark.long
def test_a_stopped_print_server_keeps_the_waiting_job(place: Place) -> None:
    place.instance.down()
    job = place.print()
    place.wait_until_waiting(job)
    place.cups.stop()
    place.cups.start()
    place.instance.up()
    place.finish(job)
    assert len(place.captures()) == 1


@pytest.mark.long
def test_a_lost_answer_to_the_question_prints_once(place: Place) -> None:
    place.instance.orders.lose["jobs"] = 1
    place.finish(place.print())
    lost, answered = place.questions()
    assert lost == answered
    assert len(place.printer.printed()) == 1
    assert len(place.captures()) == 1


@pytest.mark.long
def test_a_lost_answer_to_the_capture_is_repeated_until_it_is_heard(place: Place) -> None:
    place.instance.orders.lose["capture"] = 2
    place.finish(place.print())
    captures = place.captures()
    assert len(captures) == 3
    assert captures[0] == captures[1] == captures[2]
    assert place.left_in_spool() == []


@pytest.mark.long
def test_an_instance_that_dies_before_the_capture_hears_of_it_with_the_next_job(place: Place) -> None:
    place.printer.take(1)
    job = place.print()
    place.wait_until_printed(1)
    place.instance.down()
    place.finish(job)
    kept = place.wait_until_spooled(".json")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.spool.stat().st_mode) == 0o700
    assert kept.stat().st_uid == pwd.getpwnam("lp").pw_uid
    place.printer.take(None)
    place.instance.up()
    place.finish(place.print())
    paths = [request.path for request in place.instance.requests if request.method == "POST"]
    assert paths[1:] == [
        "/api/v1/print/jobs/1/capture",
        "/api/v1/print/jobs",
        "/api/v1/print/jobs/2/capture",
    ]
    assert place.left_in_spool() == []


def print_again_during_the_outage(place: Place, job: int) -> None:
    place.wait_until_spooled(".json")
    place.wait_until_printer_is_idle()
    place.printer.behave()
    place.cups.run("lp", "-i", str(job), "-H", "restart")
    place.wait_until_waiting(job)
    place.instance.up()
    place.finish(job)
    assert len(place.printer.printed()) == 1
    assert place.left_in_spool() == []


@pytest.mark.long
def test_pages_of_a_retry_are_charged_when_the_first_try_failed_in_the_same_outage(place: Place) -> None:
    place.printer.claim(0)
    place.printer.fail()
    place.printer.take(2)
    job = place.print()
    place.wait_until_printed(1)
    place.instance.down()
    place.finish(job, "canceled", "aborted")
    print_again_during_the_outage(place, job)
    assert len(place.releases()) == 1
    assert place.instance.charged() == [3]


@pytest.mark.long
def test_a_reprint_in_the_same_outage_is_charged_as_well(place: Place) -> None:
    place.printer.take(2)
    job = place.print()
    place.wait_until_printed(1)
    place.instance.down()
    place.finish(job)
    print_again_during_the_outage(place, job)
    assert place.instance.charged() == [3, 3]
    assert len({question["job_uuid"] for question in place.questions()}) == 1


def kill_while_it_prints(place: Place) -> int:
    """Print for some time, and kill the backend when the printer has the job; return its number."""
    place.printer.take(1)
    job = place.print()
    journal = place.wait_until_spooled(".open")
    place.cups.wait_for(lambda: b"handed" in journal.read_bytes(), "the printer's number is in the journal")
    os.kill(place.backend_pid(), signal.SIGKILL)
    place.cups.wait_job(job, "aborted", "stopped", "completed", "pending", "held")
    assert place.captures() == []
    return job


@pytest.mark.long
def test_a_backend_killed_while_printing_is_settled_by_the_next_job(place: Place) -> None:
    """The device backend lives on; what it prints is asked of the printer."""
    kill_while_it_prints(place)
    place.printer.take(None)
    place.wait_until_printer_is_idle()
    place.cups.wait_for(lambda: not place.is_locked(".open"), "the device backend has ended")
    place.finish(place.print())
    assert [path for path, _ in place.captures()] == ["/api/v1/print/jobs/1/capture", "/api/v1/print/jobs/2/capture"]
    assert [body["pages"] for _, body in place.captures()] == [3, 3]
    assert [name.split(".")[1] for name in place.left_in_spool()] == ["whole"]


def test_cups_begins_it_anew_and_it_does_not_come_out_twice(place: Place) -> None:
    job = kill_while_it_prints(place)
    place.cups.run("lp", "-i", str(job), "-H", "restart")
    place.cups.wait_job(job, "completed")
    assert len(place.printer.printed()) == 1
    assert [body for _, body in place.captures()] == [{"run": 1, "pages": 3}]
    assert place.left_in_spool() == []


@pytest.mark.long
def test_killed_before_the_printer_was_given_the_job_it_is_found_there(place: Place) -> None:
    """Between the hold and the printer's number there is a moment; the device backend is stopped in it to show it."""
    place.printer.child.pause()
    job = place.print()
    journal = place.wait_until_spooled(".open")
    place.cups.wait_for(lambda: b"started" in journal.read_bytes(), "the device backend runs")
    os.kill(place.backend_pid(), signal.SIGKILL)
    place.cups.wait_job(job, "aborted", "stopped", "completed", "pending", "held")
    place.printer.child.resume()
    place.wait_until_printed(1)
    assert b"handed" not in journal.read_bytes()
    place.cups.run("lp", "-i", str(job), "-H", "restart")
    place.cups.wait_job(job, "completed", timeout_s=40)
    assert len(place.printer.printed()) == 1
    assert [body for _, body in place.captures()] == [{"run": 1, "pages": 3}]


@pytest.mark.long
def test_a_long_outage_hands_jobs_back_to_cups_and_keeps_their_order(place: Place) -> None:
    """As in an outage of hours: the backend gives up after a second here, and CUPS begins the job anew each time."""
    before = place.edge_toml.read_text()
    place.edge_toml.write_text(before + "retry_whole_s = 1\n")
    try:
        place.instance.down()
        jobs = [place.print(title=title) for title in ("first", "second")]
        log = place.cups.folder / "log" / "error_log"
        begun = f"[Job {jobs[0]}] Started backend"
        place.cups.wait_for(lambda: log.read_text(errors="replace").count(begun) >= 4, "it was begun four times")
        assert place.printer.printed() == []
        place.instance.up()
        for job in jobs:
            place.finish(job)
    finally:
        place.edge_toml.write_text(before)
    assert [question["title"] for question in place.questions()] == ["first", "second"]
    assert place.instance.charged() == [3, 3]


@pytest.fixture
def broken_config(place: Place) -> Iterator[Path]:
    before = place.edge_toml.read_text()
    yield place.edge_toml
    place.edge_toml.write_text(before)


def test_a_wrong_config_holds_the_job_and_says_why(place: Place, broken_config: Path) -> None:
    broken_config.write_text(broken_config.read_text() + "colour = true\n")
    _, message = place.finish(place.print(), "held")
    assert "cups.colour: unknown key" in message
    assert place.instance.requests == []


def test_a_refused_token_holds_the_job(place: Place, broken_config: Path) -> None:
    token = broken_config.parent / "edge" / "edge.token"
    token.write_text("tpm_revoked\n")
    try:
        _, message = place.finish(place.print(), "held")
    finally:
        token.write_text(TOKEN + "\n")
    assert "401 unauthorized" in message
    assert place.printer.printed() == []
