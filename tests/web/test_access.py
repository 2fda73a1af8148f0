"""Deny by default: every address says who may come, and that is who gets in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.routing import Rule

from app.api.access import access_of
from app.db import Base, reading, writing
from app.people.models import User
from app.people.rules import may
from tests.web.browsing import Browser, signed_in

STATION = "/release/<printer>"
PUBLIC = {"/healthz", "/theme", "/language", "/sign-in", "/enter", STATION, f"{STATION}/sign-in", f"{STATION}/sign-out"}
HELPED = {"/admin/people/<int(max=9223372036854775807):user_id>/adjust"}
API = ("machine", "portal", "device", "password")
MANAGING = ("auditor", "helper", "admin")
ACTION = re.compile(r'(?:form)?action="([^"?#]+)')
NUMBER = re.compile(r"(?<=/)\d+(?=/|$)")
LINK = re.compile(r'href="(/admin/[^"#]+)"')
ID = "<int(max=9223372036854775807):{}>"
OWN = {"/", "/statement", "/statement.csv", "/sign-out", "/me/sessions", "/me/sessions/end-all"}
OWN |= {f"/me/sessions/{ID.format('session_id')}/end", f"/me/devices/{ID.format('device_id')}/revoke"}
OWN |= {"/print-jobs", "/print-jobs/waiting", f"/print-jobs/{ID.format('job_id')}"}
OWN |= {f"/print-jobs/{ID.format('job_id')}/{verb}" for verb in ("refund", "refund/withdraw")}
OWN |= {"/keys", "/keys/choose", "/stay"}
OWN |= {"/card", "/give", "/give/now", "/print-cost", "/internet-use", "/internet-use/calculator"}
OWN |= {"/me/notices", "/me/data", "/me/data/everything.json", "/me/data/everything.zip", "/me/data/<key>.csv"}
HELPED |= {f"/admin/print-jobs/{ID.format('job_id')}/{verb}" for verb in ("release", "cancel")}
HELPED |= {f"/admin/refunds/{ID.format('refund_id')}/{verb}" for verb in ("approve", "refuse")}


@pytest.fixture
def shared_app(make_instance: Callable[..., Flask]) -> Flask:
    """An instance that charges both, so that it has every address there is."""
    return make_instance(charges=("print", "internet"))


def rules(app: Flask, *kinds: str) -> Iterator[tuple[Rule, str, str]]:
    """Yield (rule, method, a path that fits it) for every address of one of the `kinds` of access."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static" or access_of(app.view_functions[rule.endpoint])[0] not in kinds:
            continue
        with app.test_request_context():
            values = {
                name: 1 if "int" in type(rule._converters[name]).__name__.lower() else "x" for name in rule.arguments
            }
            path = app.url_map.bind("127.0.0.1").build(rule.endpoint, values)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method, path


def test_every_address_carries_a_mark_that_fits_where_it_lies(shared_app: Flask) -> None:
    found = []
    for rule in shared_app.url_map.iter_rules():
        if rule.endpoint != "static":
            found.append((rule.rule, access_of(shared_app.view_functions[rule.endpoint])[0], rule.methods or set()))
    assert "none" not in {kind for _, kind, _ in found}
    assert {path for path, kind, _ in found if kind == "public"} == PUBLIC
    assert {path for path, kind, _ in found if kind == "user"} == OWN
    assert {path for path, kind, _ in found if kind == "helper"} == HELPED
    for path, kind, methods in found:
        assert (kind in MANAGING) == path.startswith("/admin/"), path
        assert (kind in API) == path.startswith("/api/"), path
        assert kind != "auditor" or methods <= {"GET", "HEAD", "OPTIONS"}, path


def test_an_address_without_a_mark_is_refused(shared_app: Flask) -> None:
    shared_app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    for browser in (Browser(shared_app), signed_in(shared_app, "admin")):
        response = browser.get("/forgotten")
        assert response.status_code == 403
        assert "secret" not in response.text.partition("<main")[2].partition("says nobody")[0]


def test_nobody_gets_in_without_signing_in(shared_app: Flask) -> None:
    browser = Browser(shared_app)
    token = browser.token("/sign-in")
    for rule, method, path in rules(shared_app, "user", *MANAGING):
        response = browser.client.open(path, method=method, data={"csrf_token": token} if method != "GET" else None)
        assert response.status_code == 302, (rule, response.status_code)
        assert response.headers["Location"].startswith("/sign-in"), rule


def test_each_role_gets_as_far_as_it_may_and_no_further(shared_app: Flask) -> None:
    browser = signed_in(shared_app, "alice")
    token = browser.token("/")
    for number, role in enumerate(("", "auditor", "helper")):  # that administrators get everywhere, others test
        give_role(shared_app, "alice", role)
        for kind in MANAGING:
            for rule, method, path in rules(shared_app, kind):
                data = {"csrf_token": token} if method != "GET" else None
                response = browser.client.open(path, method=method, data=data)
                may = kind in MANAGING[:number]
                assert (response.status_code != 403) == may, (role, rule, response.status_code)
                assert response.status_code not in (302, 400, 500), (role, rule)


def test_a_role_that_is_unknown_opens_nothing() -> None:
    assert [may(role, "auditor") for role in ("", "auditor", "helper", "admin", "root", "Admin")] == [
        *(False, True, True, True),
        *(False, False),
    ]


def test_no_page_shows_what_its_reader_may_not_do(shared_app: Flask) -> None:
    everybody_known(shared_app)
    asked = {(method, path): kind for kind in MANAGING for _, method, path in rules(shared_app, kind)}
    looks = [path for (method, path), kind in asked.items() if method == "GET" and kind == "auditor"]
    browser = signed_in(shared_app, "bob")
    for number, role in enumerate(MANAGING):
        give_role(shared_app, "bob", role)
        shown = set()
        answers = (browser.get(path) for path in (*looks, "/admin/accounts/5"))
        for page in (answer.text for answer in answers if answer.mimetype.startswith("text/")):
            shown |= {("POST", NUMBER.sub("1", unescape(action))) for action in ACTION.findall(page)}
            shown |= {("GET", NUMBER.sub("1", unescape(link).split("?")[0])) for link in LINK.findall(page)}
        assert not {link for link in shown if asked.get(link, "auditor") not in MANAGING[: number + 1]}, role
        assert (("POST", "/admin/people/1/adjust") in shown) == (role != "auditor")
        for path in ("/admin/accounts/1/adjust", "/admin/health/verify", "/admin/schedules/1/pause"):
            assert (("POST", path) in shown) == (role == "admin"), (role, path)


def test_a_cookie_opens_no_door_for_machines(shared_app: Flask) -> None:
    browser = signed_in(shared_app, "admin")
    for rule, method, path in rules(shared_app, "machine", "portal", "device"):
        for token in (None, "tpm_guess", "tpp_guess", "tpd_guess", "guess"):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            response = browser.client.open(path, method=method, json={} if method != "GET" else None, headers=headers)
            assert response.status_code == 401, (rule, token)
            assert response.is_json


def test_every_form_is_refused_without_its_token(shared_app: Flask) -> None:
    browser = signed_in(shared_app, "admin")
    before = everything(shared_app)
    for rule, method, path in rules(shared_app, "public", "user", *MANAGING):
        if method != "GET":
            assert browser.client.open(path, method=method, data={"name": "x"}).status_code == 400, rule
    assert everything(shared_app) == before


def test_looking_changes_nothing(shared_app: Flask) -> None:
    browser = signed_in(shared_app, "admin")
    before = everything(shared_app)
    seen = [
        browser.get(path).status_code for _, method, path in rules(shared_app, "user", *MANAGING) if method == "GET"
    ]
    assert set(seen) <= {200, 204, 302, 404}
    assert seen.count(200) >= 6
    assert everything(shared_app) == before


def give_role(app: Flask, username: str, role: str) -> None:
    """Have somebody be what their groups would make them at the next sign-in."""
    with app.app_context():
        writing(lambda session: session.execute(update(User).where(User.username == username).values(role=role)))


def everybody_known(app: Flask) -> None:
    """Have the cast sign in once: alice is 1, bob 2, and so on; and a shared account and a schedule be there."""
    for name in ("alice", "bob", "carol", "admin"):
        signed_in(app, name)
    admin = signed_in(app, "admin")
    admin.send("/admin/accounts/new", "/admin/accounts/new", name="Library", limit="default")
    fields = {"name": "Weekly", "reach": "everyone", "amount": "2", "top_up": "add", "period": "daily"}
    times = {"time_of_day": "07:00", "time_zone": "Europe/Berlin", "catch_up": "last"}
    assert admin.send("/admin/schedules/new", "/admin/schedules/new", **fields, **times).status_code == 303


def everything(app: Flask) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the database, but for when a session was last seen."""
    with app.app_context():
        return {
            table.name: sorted((tuple(row) for row in reading().execute(select(table))), key=str)
            for table in Base.metadata.sorted_tables
            if table.name != "login_sessions"
        }
