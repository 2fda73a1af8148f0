"""The CUPS backend with a real cupsd and a real IPP printer: what is asked, what is printed, what is charged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.edge.cups_place import RAW_QUEUE, Place, open_place
from tests.edge.instance_stub import TOKEN


@pytest.fixture(scope="module")
def started() -> Iterator[Place]:
    with open_place() as place:
        yield place


@pytest.fixture
def place(started: Place) -> Place:
    started.behave()
    return started


def test_a_printed_job_is_asked_for_and_captured(place: Place) -> None:
    job = place.print(title="Römische Geschichte")
    place.finish(job)
    (question,) = place.questions()
    assert question.pop("job_uuid").startswith("urn:uuid:")
    assert question == {
        "server": "print-1",
        "printer": "lab",
        "user": "anna",
        "job_id": job,
        "title": "Römische Geschichte",
        "pages": 3,
        "document": {"runs": [[3, None, "na_letter"]], "copies": 1, "duplex": False},
        "host": "localhost",
    }
    assert place.captures() == [("/api/v1/print/jobs/1/capture", {"run": 1, "pages": 3})]
    assert {request.token for request in place.instance.requests} == {TOKEN}
    assert len(place.printer.printed()) == 1
    assert place.left_in_spool() == []


def test_only_what_the_printer_says_is_captured(place: Place) -> None:
    place.printer.claim(2)
    place.finish(place.print())
    assert place.questions()[0]["pages"] == 3
    assert [body["pages"] for _, body in place.captures()] == [2]


@pytest.mark.long
def test_a_printer_that_does_not_count_is_charged_by_the_document(place: Place) -> None:
    place.printer.claim_nothing()
    place.finish(place.print())
    assert place.captures() == [("/api/v1/print/jobs/1/capture", {"run": 1, "pages": 3, "estimated": True})]


@pytest.mark.long
@pytest.mark.parametrize("queue", ["lab", RAW_QUEUE])
def test_copies_are_asked_for_before_they_are_printed(place: Place, queue: str) -> None:
    """On both kinds of queue the printer makes the copies, so one document must be counted twice."""
    place.finish(place.print("-n", "2", queue=queue))
    assert [question["pages"] for question in place.questions()] == [6]
    assert [body["pages"] for _, body in place.captures()] == [6]
    assert [(out["pages"], out["copies"]) for out in place.what_came_out()] == [(3, 2)]


def test_a_refused_job_is_canceled_with_the_reason_and_not_printed(place: Place) -> None:
    place.instance.orders.decision = "cancel"
    place.instance.orders.reason = "Your print purse is short: $0.15 needed, $0.10 left."
    state, message = place.finish(place.print(), "canceled")
    assert (state, message) == ("canceled", "Your print purse is short: $0.15 needed, $0.10 left.")
    assert place.printer.printed() == []
    assert place.captures() == []
    assert place.releases() == []


def test_a_held_job_stays_and_can_be_released_by_the_operator(place: Place) -> None:
    place.instance.orders.decision = "hold"
    place.instance.orders.reason = "Ask at the desk.\nSTATE: +media-empty-error"
    job = place.print()
    state, message = place.finish(job, "held")
    assert (state, message) == ("held", "Ask at the desk. STATE: +media-empty-error")
    assert "printer-state-reasons (keyword) = none" in place.queue_says()
    assert place.printer.printed() == []
    place.instance.orders.decision = "print"
    place.cups.run("lp", "-i", str(job), "-H", "resume")
    place.cups.wait_job(job, "completed")
    first, second = place.questions()
    assert first["job_uuid"] == second["job_uuid"]
    assert len(place.captures()) == 1


def test_what_cannot_be_counted_is_asked_for_without_a_number(place: Place) -> None:
    place.instance.orders.decision = "hold"
    place.instance.orders.reason = "The pages could not be counted."
    document = place.cups.folder / "junk.bin"
    document.write_bytes(b"\x1b%-12345X@PJL\n" + bytes(500))
    document.chmod(0o644)
    _, message = place.finish(place.print(queue=RAW_QUEUE, document=document), "held")
    (question,) = place.questions()
    assert question["pages"] is None
    assert message == f"The pages could not be counted. ({question['doubt']})"
    assert place.printer.printed() == []


def test_a_job_that_the_printer_aborts_is_given_back(place: Place) -> None:
    place.printer.claim(0)
    place.printer.fail()
    place.finish(place.print(), "canceled", "aborted")
    assert place.captures() == []
    assert [body["run"] for body in place.releases()] == [1]


def test_pages_that_came_out_before_the_printer_failed_are_charged(place: Place) -> None:
    place.printer.claim(2)
    place.printer.fail()
    place.finish(place.print(), "canceled", "aborted")
    assert [body["pages"] for _, body in place.captures()] == [2]
    assert place.releases() == []


@pytest.mark.long
def test_two_jobs_never_share_a_hold_even_when_a_user_chooses_their_uuid(place: Place) -> None:
    chosen = ("-o", "job-uuid=urn:uuid:00000000-0000-0000-0000-000000000001")
    for _ in range(2):
        place.finish(place.print(*chosen))
    first, second = place.questions()
    assert first["job_uuid"] != second["job_uuid"]


@pytest.mark.long
def test_the_token_is_in_no_log(place: Place) -> None:
    place.finish(place.print())
    for log in (place.cups.folder / "log").iterdir():
        assert TOKEN.encode() not in log.read_bytes(), log.name


def test_cups_lists_the_backend(place: Place) -> None:
    assert "direct twinpurse" in place.cups.run("lpinfo", "-v")
