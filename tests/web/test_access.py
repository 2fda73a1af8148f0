"""Deny by default: every address says who may come, and that is who gets in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from app.api.access import access_of
from app.db import Base, reading
from tests.web.browsing import Browser, signed_in

PUBLIC = {"/healthz", "/theme", "/sign-in", "/enter"}
OWN = {"/", "/statement", "/statement.csv", "/sign-out"}


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
    kinds = {}
    for rule in shared_app.url_map.iter_rules():
        if rule.endpoint != "static":
            kinds[rule.rule] = access_of(shared_app.view_functions[rule.endpoint])[0]
    assert "none" not in kinds.values()
    assert {path for path, kind in kinds.items() if kind == "public"} == PUBLIC
    assert {path for path, kind in kinds.items() if kind == "user"} == OWN
    for path, kind in kinds.items():
        assert (kind == "admin") == path.startswith("/admin/"), path
        assert (kind in ("machine", "portal")) == path.startswith("/api/"), path


def test_an_address_without_a_mark_is_refused(shared_app: Flask) -> None:
    shared_app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    for browser in (Browser(shared_app), signed_in(shared_app, "admin")):
        response = browser.get("/forgotten")
        assert response.status_code == 403
        assert "secret" not in response.text.partition("<main")[2].partition("says nobody")[0]


def test_nobody_gets_in_without_signing_in(shared_app: Flask) -> None:
    browser = Browser(shared_app)
    token = browser.token("/sign-in")
    for rule, method, path in rules(shared_app, "user", "admin"):
        response = browser.client.open(path, method=method, data={"csrf_token": token} if method != "GET" else None)
        assert response.status_code == 302, (rule, response.status_code)
        assert response.headers["Location"].startswith("/sign-in"), rule


def test_users_get_into_no_administrators_page(shared_app: Flask) -> None:
    browser = signed_in(shared_app, "alice")
    token = browser.token("/")
    for rule, method, path in rules(shared_app, "admin"):
        response = browser.client.open(path, method=method, data={"csrf_token": token} if method != "GET" else None)
        assert response.status_code == 403, (rule, response.status_code)


def test_a_cookie_opens_no_door_for_machines(shared_app: Flask) -> None:
    browser = signed_in(shared_app, "admin")
    for rule, method, path in rules(shared_app, "machine", "portal"):
        for token in (None, "tpm_guess", "tpp_guess", "guess"):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            response = browser.client.open(path, method=method, json={} if method != "GET" else None, headers=headers)
            assert response.status_code == 401, (rule, token)
            assert response.is_json


def test_every_form_is_refused_without_its_token(shared_app: Flask) -> None:
    browser = signed_in(shared_app, "admin")
    before = everything(shared_app)
    for rule, method, path in rules(shared_app, "public", "user", "admin"):
        if method != "GET":
            assert browser.client.open(path, method=method, data={"name": "x"}).status_code == 400, rule
    assert everything(shared_app) == before


def test_looking_changes_nothing(shared_app: Flask) -> None:
    browser = signed_in(shared_app, "admin")
    before = everything(shared_app)
    seen = [browser.get(path).status_code for _, method, path in rules(shared_app, "user", "admin") if method == "GET"]
    assert set(seen) <= {200, 404}
    assert seen.count(200) >= 6
    assert everything(shared_app) == before


def everything(app: Flask) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the database, but for when a session was last seen."""
    with app.app_context():
        return {
            table.name: sorted((tuple(row) for row in reading().execute(select(table))), key=str)
            for table in Base.metadata.sorted_tables
            if table.name != "login_sessions"
        }
