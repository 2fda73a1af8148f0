"""The pages of rates, lists of sites and the calculator: read, changed by their forms, taken back, refused in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask

from app.db import reading
from app.internet import rate_changes, rates
from app.internet.rate_changes import Rates
from app.internet.rate_rules import Hours
from app.settings import settings_of_app
from tests.internet.conftest import Save
from tests.web.browsing import Browser, signed_in

RATES = "/admin/internet-rates"
LISTS = "/admin/site-lists"


@pytest.fixture
def ada(net_app: Flask, people: dict[str, int]) -> Browser:
    """An administrator's browser."""
    assert people
    return signed_in(net_app, "admin")


def fields_of(browser: Browser) -> dict[str, str]:
    """What the form of rates is filled with."""
    page = browser.get(f"{RATES}/edit").text
    version = re.search(r'name="version"[^>]*value="(\d+)"', page)
    assert version
    return {
        "version": version[1],
        "model": "both",
        "down": "0.02",
        "up": "",
        "per_period": "0.10",
        "period_minutes": "15",
        "at_empty": "slow",
        "running": "leave",
        "cached_free": "y",
        "groups": "Students: 50\nStaff: free",
        "users": "bob: 0",
        "h0_name": "Evening",
        "h0_day": "1",
        "h0_start": "18:00",
        "h0_end": "22:15",
        "h0_percent": "50 %",
        "h1_name": "",
        "h1_start": "",
        "h1_end": "",
        "h1_percent": "",
    }


def test_rates_are_previewed_saved_read_and_taken_back(net_app: Flask, ada: Browser) -> None:
    fields = fields_of(ada)
    preview = ada.send(f"{RATES}/edit", f"{RATES}/edit", **fields, preview="1")
    assert preview.status_code == 200
    said = unescape(preview.text)
    assert "Each MB received costs $0.02, each MB sent is free." in said
    assert "Monday, 18:00 to 22:15: half the price (“Evening”)." in said
    assert "Each 15 minutes in which the Internet is used cost $0.10, however little it was." in said
    assert "flat prices of config.toml" in ada.text(RATES), "a preview changes nothing"
    assert ada.send(f"{RATES}/edit", f"{RATES}/edit", **fields, save="1").status_code == 303
    page = ada.text(RATES)
    for words in ("$0.02", "Evening", "18:00 to 22:15", "Students", "Cached answers", "pages come slowly", "By admin"):
        assert words in page
    with net_app.app_context():
        kept, _ = rate_changes.present(reading(), settings_of_app())
        assert kept.hours == (Hours("Evening", "1", 1080, 1335, 50),)
        assert sorted(kept.groups.values()) == [0, 50]
        assert rates.edge_table(reading(), settings_of_app())["slot_s"] == 900
    again = fields_of(ada) | {"down": "0.03", "h0_gone": "1"}
    assert ada.send(f"{RATES}/edit", f"{RATES}/edit", **again, save="1").status_code == 303
    assert "The price is the same at all hours." in ada.text(RATES)
    version = fields_of(ada)["version"]
    assert ada.send(f"{RATES}/undo", f"{RATES}/edit", version=version).status_code == 303
    assert "18:00 to 22:15" in ada.text(RATES)
    assert ada.send(f"{RATES}/undo", f"{RATES}/edit", version=version).status_code == 409, "a form of before"


WRONG: list[tuple[dict[str, str], str]] = [
    ({"down": "0,02"}, "with a point and not a comma"),
    ({"down": "-1"}, "A price is not below 0"),
    ({"up": "2000000"}, "A price is from 0 to 1,000,000"),
    ({"model": "bits"}, "Choose"),
    ({"period_minutes": "7"}, "Choose one of these lengths"),
    ({"groups": "Nobody: 5"}, "Line 1: nobody here is called “Nobody”"),
    ({"users": "alice: 5\nbob"}, "Line 2: “bob” does not end with a share"),
    ({"users": "alice: 5\nALICE: 7"}, "Line 2: “ALICE: 7” is there twice"),
    ({"h0_start": "18"}, "Line 1 of the hours: write times as 18:00"),
    ({"h0_end": "22:07"}, "Line 1 of the hours: times are quarter hours"),
    ({"h0_percent": "many"}, "Line 1 of the hours: write the share in percent"),
    ({"at_empty": "shout"}, "Choose one of these"),
    ({"h0_day": "9"}, "Line 1 of the hours: tick at least one day"),
    ({"groups": "Students: 1001"}, "the share in “Students: 1001” is not from 0 to 1000 percent"),
]


def test_what_is_wrong_is_said_and_what_was_typed_stays(ada: Browser) -> None:
    fields = fields_of(ada)
    for wrong, words in WRONG:
        answer = ada.send(f"{RATES}/edit", f"{RATES}/edit", **fields | wrong, save="1")
        assert answer.status_code == 422, wrong
        assert words in unescape(answer.text), wrong
        assert "Evening" in answer.text


def test_a_form_of_before_saves_nothing(ada: Browser) -> None:
    fields = fields_of(ada)
    assert ada.send(f"{RATES}/edit", f"{RATES}/edit", **fields, save="1").status_code == 303
    late = ada.send(f"{RATES}/edit", f"{RATES}/edit", **fields | {"down": "0.5"}, save="1")
    assert late.status_code == 409
    assert "Somebody has changed the rates" in late.text


def test_a_thousand_sites_are_pasted_and_problems_are_named(net_app: Flask, ada: Browser) -> None:
    pasted = "\r\n".join(f"https://Site{number}.example/" for number in range(1_500))
    form = {"name": "Library", "percent": "free", "always_open": "y"}
    wrong = ada.send(f"{LISTS}/new", f"{LISTS}/new", **form, domains=pasted + "\r\nno..site")
    assert wrong.status_code == 422
    assert "Line 1501: “no..site” is no name of a site." in unescape(wrong.text)
    assert "The other 1,500 are fine." in wrong.text
    good = ada.send(f"{LISTS}/new", f"{LISTS}/new", **form, domains=pasted + "\r\nsite5.example:443")
    assert good.status_code == 303
    page = ada.text(LISTS)
    assert "with 1,500 sites. 1 were there twice" in page
    assert "1,500 stay open free" in page
    with net_app.app_context():
        assert "site1499.example" in rates.always_open(reading())
        lists = rates.edge_table(reading(), settings_of_app())["sites"]
        site_list_id = lists[0][0]
    same = ada.send(f"{LISTS}/new", f"{LISTS}/new", **form, domains="x.example")
    assert "Another list is called “Library”." in unescape(same.text)
    taken = ada.send(f"{LISTS}/new", f"{LISTS}/new", name="Dear", percent="200", domains="site7.example")
    assert "is in the list “Library” already" in unescape(taken.text)
    edited = f"{LISTS}/{site_list_id}"
    assert ada.send(edited, edited, name="Library", percent="10", domains="a.example").status_code == 303
    assert "10% of the price" in ada.text(LISTS)
    assert "usual price from then on" in ada.text(f"{edited}/delete")
    assert ada.send(f"{edited}/delete", f"{edited}/delete").status_code == 303
    assert ada.get(edited).status_code == 404


def test_what_would_it_cost(
    net_app: Flask, ada: Browser, people: dict[str, int], save: Save, save_list: Callable[..., int]
) -> None:
    """The same question for alice, for whoever asks, for nobody in particular; and what it answers to nonsense."""
    with net_app.app_context():
        hours = (Hours("Morning", "2", 480, 720, 150),)
        said = Rates(model="both", down=10_000, per_period=20_000, hours=hours, users={people["alice"]: 50})
        save(said)
        save_list("Free", 0, "free.example")
        save_list("Dear", 200, "example.org")
    ask = "?down=500&day=Tuesday&time=10:00&site=www.example.org"
    assert "would cost Alice Andersson $7.515" in ada.text(f"{RATES}/calculator{ask}&user=alice")
    page = ada.text(f"{RATES}/calculator{ask}&minutes=31")
    assert "would cost somebody who pays the usual price $15.09" in page
    assert "Sites of the list “Dear”: twice the price" in page
    assert "Time: 3 × 15 minutes, $0.09" in page
    mine = signed_in(net_app, "alice").text(f"/internet-use/calculator{ask}")
    assert "would cost you $7.515" in mine
    assert "would cost you nothing" in signed_in(net_app, "alice").text(
        "/internet-use/calculator?down=5&site=https://free.example/page"
    )
    for nonsense in ("down=x", "down=1&user=nobody", "down=1&time=9", "down=1&day=x", "down=1&site=a..b", "down=9e9"):
        answer = ada.get(f"{RATES}/calculator?{nonsense}")
        assert answer.status_code == 200
        assert "Correct what is marked" in answer.text


def test_auditors_look_users_do_not_and_a_print_instance_has_none_of_it(
    net_app: Flask, print_app: Flask, ada: Browser
) -> None:
    alice = signed_in(net_app, "alice")
    for path in (RATES, LISTS, f"{RATES}/edit", "/admin/internet-use", "/admin/internet-use/privacy"):
        assert alice.get(path).status_code == 403
        assert ada.get(path).status_code == 200
        assert Browser(net_app).get(path).status_code == 302
        assert signed_in(print_app, "admin").get(path).status_code == 404
    assert 'href="/internet-use"' in alice.get("/").text
    assert 'href="/admin/internet-use"' in ada.get("/").text
    assert "/internet" not in signed_in(print_app, "admin").get("/").text


def test_the_balance_page_says_what_things_cost_whom(net_app: Flask, people: dict[str, int], save: Save) -> None:
    with net_app.app_context():
        save(Rates(model="time", per_period=50_000, users={people["alice"]: 50}))
    page = signed_in(net_app, "alice").text("/")
    assert "15 minutes $0.025" in page
    assert "Not enough for an hour on the Internet" in page
