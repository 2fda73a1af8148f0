"""The door for print servers, with price lists, limits, release, and what was printed while the instance was away."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from app import clock
from app.db import reading, writing
from app.ledger import service as ledger
from app.money import MICRO
from app.printing import limits, price_json, printers, rule_versions, unmatched
from app.printing.limits import Limit
from app.printing.models import PrintJob
from app.printing.prices import Adjustment, Line, PriceBook, PriceList
from app.printing.scope import Scope
from tests.api.conftest import PRINT, Instance, job

GREY, COLOUR = 50_000, 250_000
LINES = (Line(GREY), Line(COLOUR, colour=True), Line(40_000, duplex=True, colour=False), Line(400_000, "a3", True))
FIVE_OF_TWENTY: dict[str, Any] = {"runs": [[15, False, "a4"], [5, True, "a4"]], "copies": 1, "duplex": False}
PRINTED = "/api/v1/print/printed"


def set_prices(instance: Instance, *lists: PriceList, adjustments: tuple[Adjustment, ...] = ()) -> None:
    """Keep a new price book."""
    body = price_json.book_to_json(PriceBook(lists or (PriceList(LINES),), adjustments))
    _keep(instance, "prices", body)


def set_limits(instance: Instance, *held_to: Limit) -> None:
    """Keep new limits."""
    _keep(instance, "limits", limits.to_json(held_to))


def set_printer(instance: Instance, name: str = "Library 1", **terms: Any) -> None:
    """Say what holds for a printer."""
    with instance.app.app_context():
        writing(
            lambda session: printers.change(
                session,
                printer=printers.get_printer(session, server="cups1", name=name, now=clock.now()),
                terms=printers.Terms(**terms),
            )
        )


def _keep(instance: Instance, kind: str, body: str) -> None:
    with instance.app.app_context():
        after = rule_versions.version_of(reading(), kind=kind)
        writing(
            lambda session: rule_versions.save(
                session, kind=kind, body=body, after=after, note="", by="test", now=clock.now()
            )
        )


def capture(instance: Instance, asked: dict[str, Any], pages: int, **more: Any) -> dict[str, Any]:
    return instance.ok("POST", f"{PRINT}/{asked['job']}/capture", {"run": asked["run"], "pages": pages} | more)


def kept_job(instance: Instance, asked: dict[str, Any]) -> PrintJob:
    with instance.app.app_context():
        return reading().get_one(PrintJob, asked["job"])


def describe(instance: Instance, name: str = "Library 1") -> dict[str, Any]:
    token = instance.tokens["print"]
    return instance.ok("GET", f"/api/v1/print/printers/{name}?server=cups1", token=token)


def book_printed(instance: Instance, key: str = "k1", **changes: Any) -> dict[str, Any]:
    body = job(print_key=key, printed=3, at="2026-11-20T10:00:00Z") | changes
    return instance.ok("POST", PRINTED, body, token=instance.tokens["print"])


def test_a_job_costs_what_its_pages_cost_at_the_prices_of_its_hold(printing: Instance) -> None:
    set_prices(printing)
    printing.credit("alice", 9 * MICRO)
    asked = printing.ok("POST", PRINT, job(pages=20, document=FIVE_OF_TWENTY))
    assert asked["price_micro"] == 15 * GREY + 5 * COLOUR
    set_prices(printing, PriceList((Line(MICRO),)))
    assert printing.ok("POST", PRINT, job(pages=20, document=FIVE_OF_TWENTY)) == asked
    assert capture(printing, asked, 16)["charged_micro"] == 15 * GREY + COLOUR
    found = kept_job(printing, asked)
    assert (found.cost, found.colour_pages, found.sheets, found.paper) == (15 * GREY + COLOUR, 1, 16, "a4")


def test_copies_sides_and_blank_backs(printing: Instance) -> None:
    set_prices(printing)
    three = {"runs": [[3, False, "iso_a4_210x297mm"]], "copies": 2, "duplex": True}
    asked = printing.ok("POST", PRINT, job(pages=6, document=three))
    assert asked["price_micro"] == 6 * 40_000
    assert capture(printing, asked, 8)["charged_micro"] == 6 * 40_000  # two backs have nothing on them
    assert kept_job(printing, asked).sheets == 4


def test_a_discount_is_of_the_best_group_and_a_free_printer_costs_nothing(printing: Instance) -> None:
    flat = PriceList((Line(GREY),), base=100_000)
    free = PriceList((Line(0),), Scope(server="cups1", printer="Free 1"), free=True)
    set_prices(printing, flat, free, adjustments=(Adjustment("STUDENTS", 50), Adjustment("Nobody", 0)))
    assert printing.ok("POST", PRINT, job())["price_micro"] == (3 * GREY + 100_000) // 2
    assert printing.ok("POST", PRINT, job(printer="Free 1", job_uuid="2", pages=None))["decision"] == "print"
    assert (describe(printing)["count"], describe(printing, "Free 1")["count"]) == ("pages", "none")


def test_a_print_server_is_told_what_to_count(printing: Instance) -> None:
    assert describe(printing) == {"count": "pages", "away": "hold", "fresh_s": 30}
    set_prices(printing, PriceList((Line(0),), base=GREY))
    assert describe(printing)["count"] == "none"
    set_limits(printing, Limit("pages", 5, "in", ("Guests",), Scope(group="Library")))
    assert describe(printing)["count"] == "none"
    set_printer(printing, group_name="library", away="print")
    assert describe(printing) == {"count": "pages", "away": "print", "fresh_s": 30}
    set_limits(printing, Limit("grey"))
    assert describe(printing)["count"] == "colour"
    token = printing.tokens["print"]
    for path in ("printers/Library", "printers/Library?server=a:b", f"printers/{'x' * 129}?server=a"):
        assert printing.call("GET", f"/api/v1/print/{path}", token=token).status_code == 422


REFUSED: tuple[tuple[Limit, dict[str, Any], str], ...] = (
    (Limit("pages", 19), {}, "20 pages are more than the 19 that a job may have here. Print it in parts."),
    (Limit("cost", MICRO), {}, "It costs $2.00, and a job may cost $1.00 here."),
    (Limit("grey"), {}, "5 pages have colour. Choose black and white"),
    (Limit("two-sided"), {}, "Choose two-sided"),
    (Limit("copies", 1), {"pages": 40, "document": FIVE_OF_TWENTY | {"copies": 2}}, "Choose fewer copies"),
    (Limit("use", 0, "except", ("Staff",)), {}, "it is for Staff. Choose another printer"),
)


def test_a_limit_refuses_in_words_that_say_what_to_do(make_api: Callable[..., Instance]) -> None:
    instance = make_api()
    instance.credit("alice", 100 * MICRO)
    instance.credit("carol", 100 * MICRO)
    set_prices(instance)
    one = {"runs": [[1, False, "a4"]], "copies": 1, "duplex": False}
    for number, (limit, changes, words) in enumerate(REFUSED):
        set_limits(instance, limit)
        long = job(job_uuid=f"long-{number}", pages=20, document=FIVE_OF_TWENTY)
        asked = instance.ok("POST", PRINT, long | changes)
        assert (asked["decision"], words in asked["reason"]) == ("cancel", True), asked
        assert instance.figures("alice")[0] == 100 * MICRO
        who = "carol" if limit.kind == "use" else "alice"
        short = job(user=who, job_uuid=f"short-{number}", pages=1, document=one)
        assert instance.ok("POST", PRINT, short)["decision"] == "print"


def test_what_is_not_known_waits_and_an_administrator_can_let_it_print(printing: Instance) -> None:
    set_limits(printing, Limit("grey"))
    unknown = {"runs": [[3, None, "a4"]]}
    asked = printing.ok("POST", PRINT, job(document=unknown))
    assert (asked["decision"], asked["waits_for"]) == ("hold", "count")
    asked = printing.ok("POST", PRINT, job(job_uuid="2", pages=None, doubt="it is encrypted"))
    assert (asked["decision"], "it is encrypted" in asked["reason"]) == ("hold", True)
    with printing.app.app_context():
        writing(lambda session: setattr(session.get_one(PrintJob, asked["job"]), "order", "resume"))
    again = printing.ok("POST", PRINT, job(job_uuid="2", pages=None, doubt="it is encrypted"))
    assert (again["decision"], again["price_micro"]) == ("print", 0)
    assert capture(printing, again, 4)["charged_micro"] == 4 * GREY


def test_a_monitor_refuses_nothing(make_api: Callable[..., Instance]) -> None:
    instance = make_api(mode="monitor")
    set_limits(instance, Limit("use"), Limit("pages", 1), Limit("grey"))
    asked = instance.ok("POST", PRINT, job(pages=20, document=FIVE_OF_TWENTY))
    assert asked["decision"] == "print"
    assert capture(instance, asked, 20)["charged_micro"] == 20 * GREY


def test_a_job_waits_for_its_owner_with_its_price_held(printing: Instance) -> None:
    set_printer(printing, release=True, release_minutes=30)
    asked = printing.ok("POST", PRINT, job())
    assert (asked["decision"], asked["waits_for"]) == ("hold", "release")
    assert "/print-jobs/waiting" in asked["reason"]
    assert printing.figures("alice") == (MICRO, 3 * GREY)
    found = kept_job(printing, asked)
    assert found.expires_at == found.created_at + timedelta(minutes=30)
    assert printing.ok("POST", PRINT, job()) == asked  # lp -H immediate gets the same answer
    assert printing.call("POST", f"{PRINT}/{asked['job']}/capture", {"run": 1, "pages": 3}).status_code == 409

    def let_go(session: Any) -> None:
        waiting = session.get_one(PrintJob, asked["job"])
        waiting.released_at, waiting.order, waiting.expires_at = clock.now(), "resume", None

    with printing.app.app_context():
        writing(let_go)
    assert printing.ok("POST", PRINT, job())["decision"] == "print"
    with printing.app.app_context():  # it may now print for as long as any job
        later = clock.now() + timedelta(hours=2)
        assert writing(lambda session: ledger.expire_holds(session, now=later)) == 0
    assert kept_job(printing, asked).order == ""
    capture(printing, asked, 3)
    assert printing.figures("alice") == (MICRO - 3 * GREY, 0)
    assert printing.ok("POST", PRINT, job())["waits_for"] == "release"  # a reprint waits again


@pytest.mark.long
def test_a_job_that_shall_be_thrown_out_does_not_print(printing: Instance) -> None:
    asked = printing.ok("POST", PRINT, job())
    printing.ok("POST", f"{PRINT}/{asked['job']}/release", {"run": 1})
    with printing.app.app_context():
        writing(lambda session: setattr(session.get_one(PrintJob, asked["job"]), "order", "cancel"))
    assert printing.ok("POST", PRINT, job())["decision"] == "cancel"


@pytest.mark.long
def test_an_estimate_is_said(printing: Instance) -> None:
    asked = printing.ok("POST", PRINT, job())
    first = capture(printing, asked, 3, estimated=True)
    assert capture(printing, asked, 3, estimated=True) == first
    assert kept_job(printing, asked).estimated


def test_a_print_of_while_the_instance_was_away_is_booked_once(printing: Instance) -> None:
    first = book_printed(printing, estimated=True)
    assert (first["charged_micro"], first["pages"]) == (3 * GREY, 3)
    assert book_printed(printing, estimated=True) == first
    assert (
        printing.call(
            "POST",
            PRINTED,
            job(print_key="k1", printed=4, at="2026-11-20T10:00:00Z"),
            token=printing.tokens["print"],
        ).status_code
        == 409
    )
    assert book_printed(printing, "k2")["run"] == 2  # a reprint
    assert printing.figures("alice") == (MICRO - 6 * GREY, 0)
    assert [entry.kind for entry in printing.entries("alice", "print")] == ["measured", "measured"]
    assert book_printed(printing, "k3", user="mallory", job_uuid="9")["charged_micro"] == 0
    with printing.app.app_context():
        [seen] = unmatched.list_seen(reading(), now=clock.now())
    assert (seen.username, seen.pages, seen.cost) == ("mallory", 3, 3 * GREY)


@pytest.mark.long
def test_what_was_held_before_the_instance_went_away_is_given_back_when_the_print_is_booked(printing: Instance) -> None:
    asked = printing.ok("POST", PRINT, job())
    booked = book_printed(printing, printed=2)
    assert (booked["job"], booked["run"]) == (asked["job"], 1)
    assert printing.figures("alice") == (MICRO - 2 * GREY, 0)


@pytest.mark.parametrize("servers", [pytest.param(1, marks=pytest.mark.long), 2])
def test_of_ten_jobs_at_once_with_credit_for_three_three_print(printing: Instance, servers: int) -> None:
    printing.credit("alice", -MICRO + 9 * GREY)
    bodies = [job(job_uuid=str(number), server=f"cups{number % servers}") for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda body: printing.ok("POST", PRINT, body), bodies))
    assert sorted(answer["decision"] for answer in answers) == ["cancel"] * 7 + ["print"] * 3
    assert printing.figures("alice") == (9 * GREY, 9 * GREY)
    for answer in answers:
        if answer["decision"] == "print":
            capture(printing, answer, 3)
    assert printing.figures("alice") == (0, 0)


SENSELESS: tuple[object, ...] = (
    {"runs": [[1, "yes", "a4"]]},
    {"runs": [[-1, True, "a4"]]},
    {"runs": [[1, True]]},
    {"runs": [[1000, True, "a4"]], "copies": 2000},
    {"runs": [], "copies": 0},
)


@pytest.mark.long
def test_a_document_that_makes_no_sense_is_refused(make_api: Callable[..., Instance]) -> None:
    instance = make_api()
    for document in SENSELESS:
        assert instance.call("POST", PRINT, job(document=document)).status_code == 422, document
