"""The door for print servers: hold, capture, release, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app import clock
from app.db import writing
from app.ledger import service as ledger
from app.money import MICRO
from directory.interface import DirectoryUnavailableError
from directory.memory import MemoryDirectory
from tests.api.conftest import PRINT, Instance, job

PAGE = 50_000


def capture(instance: Instance, asked: dict[str, object], pages: int) -> dict[str, object]:
    return instance.ok("POST", f"{PRINT}/{asked['job']}/capture", {"run": asked["run"], "pages": pages})


def test_a_job_is_held_then_charged_for_what_was_printed(printing: Instance) -> None:
    asked = printing.ok("POST", PRINT, job())
    assert (asked["decision"], asked["reason"], asked["run"]) == ("print", "", 1)
    assert (asked["price_micro"], asked["price_text"]) == (3 * PAGE, "$0.15")
    assert printing.figures("alice") == (MICRO, 3 * PAGE)
    assert capture(printing, asked, 3) == {"charged_micro": 3 * PAGE, "charged_text": "$0.15", "pages": 3}
    assert printing.figures("alice") == (MICRO - 3 * PAGE, 0)
    [entry] = printing.entries("alice", "print")
    assert (entry.key, entry.quantity, entry.kind) == ("print:cups1:urn:uuid:1:1", 3, "guarded")


@pytest.mark.parametrize(
    ("printed", "charged", "overrun"), [(1, PAGE, 0), (5, 5 * PAGE, 0), (30, 30 * PAGE, 10 * PAGE)]
)
def test_what_came_out_is_charged_be_it_less_or_more_than_was_held(
    printing: Instance, printed: int, charged: int, overrun: int
) -> None:
    asked = printing.ok("POST", PRINT, job())
    assert capture(printing, asked, printed)["charged_micro"] == charged
    assert printing.figures("alice") == (MICRO - charged, 0)
    assert sum(entry.overrun for entry in printing.entries("alice", "print")) == overrun


def test_asking_and_capturing_again_changes_nothing_and_a_reprint_is_a_new_run(printing: Instance) -> None:
    first = printing.ok("POST", PRINT, job())
    assert printing.ok("POST", PRINT, job()) == first
    assert printing.figures("alice") == (MICRO, 3 * PAGE)
    charged = capture(printing, first, 3)
    assert capture(printing, first, 3) == charged
    other = printing.call("POST", f"{PRINT}/{first['job']}/capture", {"run": 1, "pages": 4})
    assert (other.status_code, other.get_json()["error"]) == (409, "key_reused")
    again = printing.ok("POST", PRINT, job())
    assert again["run"] == 2
    capture(printing, again, 3)
    assert printing.figures("alice") == (MICRO - 6 * PAGE, 0)
    assert [entry.key[-2:] for entry in printing.entries("alice", "print")] == [":1", ":2"]


def test_a_release_gives_back_and_the_same_run_may_be_tried_again(printing: Instance) -> None:
    asked = printing.ok("POST", PRINT, job())
    path, body = f"{PRINT}/{asked['job']}/release", {"run": 1, "reason": "cancelled at the printer"}
    assert printing.ok("POST", path, body) == {}
    assert printing.ok("POST", path, body) == {}
    assert printing.figures("alice") == (MICRO, 0)
    assert printing.call("POST", f"{PRINT}/{asked['job']}/capture", {"run": 1, "pages": 3}).status_code == 409
    assert printing.ok("POST", PRINT, job())["run"] == 1
    assert printing.figures("alice") == (MICRO, 3 * PAGE)


def test_zero_pages_release_and_a_captured_run_is_not_released(printing: Instance) -> None:
    asked = printing.ok("POST", PRINT, job())
    for _twice in range(2):
        assert capture(printing, asked, 0)["charged_micro"] == 0
    assert printing.figures("alice") == (MICRO, 0)
    again = printing.ok("POST", PRINT, job())
    capture(printing, again, 2)
    assert printing.call("POST", f"{PRINT}/{again['job']}/release", {"run": again["run"]}).status_code == 409
    assert printing.figures("alice") == (MICRO - 2 * PAGE, 0)


def test_a_purse_that_is_too_short_cancels_with_the_reason_and_charges_nothing(printing: Instance) -> None:
    asked = printing.ok("POST", PRINT, job(pages=21))
    assert asked["decision"] == "cancel"
    assert asked["reason"] == "Not printed: 21 pages cost $1.05, and $1.00 is left. Nothing was charged."
    assert printing.figures("alice") == (MICRO, 0)
    assert printing.call("POST", f"{PRINT}/{asked['job']}/capture", {"run": 1, "pages": 21}).status_code == 409
    assert printing.entries("alice", "print") == []
    printing.credit("alice", MICRO)
    assert printing.ok("POST", PRINT, job(pages=21))["decision"] == "print"


def test_what_is_held_for_one_job_is_not_there_for_the_next(printing: Instance) -> None:
    assert printing.ok("POST", PRINT, job(pages=15))["decision"] == "print"
    assert printing.ok("POST", PRINT, job(pages=6, job_uuid="urn:uuid:2"))["decision"] == "cancel"
    assert printing.ok("POST", PRINT, job(pages=5, job_uuid="urn:uuid:3"))["decision"] == "print"
    assert printing.figures("alice") == (MICRO, MICRO)


def test_an_unknown_name_cancels_and_an_uncounted_job_is_held(printing: Instance) -> None:
    unknown = printing.ok("POST", PRINT, job(user="mallory"))
    assert (unknown["decision"], "mallory" in unknown["reason"]) == ("cancel", True)
    uncounted = printing.ok("POST", PRINT, job(job_uuid="urn:uuid:2", pages=None))
    assert (uncounted["decision"], bool(uncounted["reason"])) == ("hold", True)
    assert printing.ok("POST", PRINT, job(job_uuid="urn:uuid:2"))["decision"] == "print"
    assert printing.ok("POST", PRINT, job(user="  ALICE ", job_uuid="urn:uuid:3"))["decision"] == "print"
    assert printing.figures("alice") == (MICRO, 6 * PAGE)


def test_another_count_moves_the_hold(printing: Instance) -> None:
    asked = printing.ok("POST", PRINT, job())
    assert printing.ok("POST", PRINT, job(pages=7))["job"] == asked["job"]
    assert printing.figures("alice") == (MICRO, 7 * PAGE)


def test_a_capture_after_the_hold_expired_is_still_charged(printing: Instance) -> None:
    asked = printing.ok("POST", PRINT, job())
    with printing.app.app_context():
        later = clock.now() + timedelta(days=2)
        assert writing(lambda session: ledger.expire_holds(session, now=later)) == 1
    assert printing.figures("alice") == (MICRO, 0)
    capture(printing, asked, 3)
    assert printing.figures("alice") == (MICRO - 3 * PAGE, 0)
    assert [entry.kind for entry in printing.entries("alice", "print")] == ["measured"]


def test_a_monitor_prints_everything_and_books_below_zero(make_api: Callable[..., Instance], database_url: str) -> None:
    instance = make_api(mode="monitor", database_url=database_url)
    for number, changes in enumerate([{"pages": 10}, {"pages": None}, {"user": "mallory"}]):
        asked = instance.ok("POST", PRINT, job(job_uuid=str(number), **changes))
        assert asked["decision"] == "print"
        capture(instance, asked, 10)
    assert instance.figures("alice") == (-20 * PAGE, 0)
    assert sum(entry.quantity or 0 for entry in instance.entries("alice", "print")) == 20


def test_eight_servers_that_ask_at_once_for_one_job_get_one_run(printing: Instance) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _number: printing.ok("POST", PRINT, job()), range(8)))
    assert {(answer["job"], answer["run"], answer["decision"]) for answer in answers} == {
        (answers[0]["job"], 1, "print")
    }
    assert printing.figures("alice") == (MICRO, 3 * PAGE)


def test_a_run_that_is_not_there_is_not_found(printing: Instance) -> None:
    asked = printing.ok("POST", PRINT, job())
    for job_id, run in ((asked["job"], 2), (999_999, 1), (2**70, 1)):
        for verb, more in (("capture", {"pages": 1}), ("release", {})):
            answer = printing.call("POST", f"{PRINT}/{job_id}/{verb}", {"run": run, **more})
            assert (answer.status_code, answer.is_json) == (404, True)


def test_text_that_no_database_takes_does_not_break_the_door(printing: Instance) -> None:
    assert printing.ok("POST", PRINT, job(title="a\0b"))["decision"] == "print"
    assert printing.ok("POST", PRINT, job(user="ali\0ce", job_uuid="2"))["decision"] == "cancel"


@pytest.mark.parametrize(("mode", "decision"), [("enforce", "hold"), ("monitor", "print")])
def test_a_new_name_stops_no_queue_while_the_directory_is_away(
    make_api: Callable[..., Instance], cast: MemoryDirectory, mode: str, decision: str
) -> None:
    instance = make_api(mode=mode)
    cast.failure = DirectoryUnavailableError("away")
    assert instance.ok("POST", PRINT, job(user="guest"))["decision"] == decision
    instance.credit("alice", MICRO)
    assert instance.ok("POST", PRINT, job(user="alice", job_uuid="urn:uuid:2"))["decision"] == "print"


def test_a_server_name_cannot_reach_into_other_keys(printing: Instance) -> None:
    assert printing.call("POST", PRINT, job(server="cups1:urn")).status_code == 422


def test_nobody_takes_over_the_run_of_somebody_else(printing: Instance) -> None:
    first = printing.ok("POST", PRINT, job())
    assert printing.call("POST", PRINT, job(user="bob")).status_code == 409
    assert printing.ok("POST", PRINT, job(user="Alice")) == first
