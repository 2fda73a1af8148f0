"""Who is let in at the JSON API, and what every body must look like."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from app import clock
from app.api import tokens
from app.api.models import MachineToken
from app.db import reading, writing
from app.errors import NotFoundError
from app.factory import BODY_BYTES_MAX
from app.internet.api import USAGE_BYTES_MAX
from app.people import sessions
from tests.api.conftest import INTERNET, PRINT, Instance, batch, item, job, portal_token


@pytest.fixture
def both(make_api: Callable[..., Instance]) -> Instance:
    """An instance whose one purse pays for both, so that it has every door."""
    return make_api(charges=("print", "internet"))


DOORS = [
    ("POST", PRINT, "print"),
    ("POST", f"{PRINT}/1/capture", "print"),
    ("POST", f"{PRINT}/1/release", "print"),
    ("POST", "/api/v1/print/printed", "print"),
    ("GET", "/api/v1/print/printers/alice?server=a", "print"),
    ("GET", "/api/v1/print/orders?server=a", "print"),
    ("POST", "/api/v1/print/orders/1", "print"),
    ("POST", "/api/v1/print/queues", "print"),
    ("GET", f"{INTERNET}/position?source=a", "internet"),
    ("POST", f"{INTERNET}/usage", "internet"),
    ("POST", f"{INTERNET}/running", "internet"),
    ("GET", f"{INTERNET}/standing", "internet"),
    ("GET", f"{INTERNET}/table", "internet"),
    ("GET", f"{INTERNET}/standing/alice", "internet"),
    ("POST", "/api/v1/radius/authorize", "radius"),
    ("POST", "/api/v1/radius/accounting", "radius"),
    ("GET", "/api/v1/radius/disconnects", "radius"),
    ("POST", "/api/v1/radius/disconnects/1", "radius"),
]


def test_the_list_of_doors_is_complete(both: Instance) -> None:
    listed = {(method, re.sub("/(1|alice)(?=/|$)", "/<>", path.split("?")[0])) for method, path, _ in DOORS}
    found = set()
    for rule in both.app.url_map.iter_rules():
        path = re.sub("<[^>]*>", "<>", rule.rule)
        # The portal's, and desktop clients'.
        others = ("/api/v1/purse", "/api/v1/enter-codes", "/api/v1/client/", "/api/v1/exchanges/")
        if path.startswith("/api/v1/") and not path.startswith(others):
            found |= {(method, path) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert found == listed


def test_a_door_opens_to_its_own_scope_alone(both: Instance) -> None:
    for method, path, scope in DOORS:
        try_door(both, method, path, scope)


def try_door(both: Instance, method: str, path: str, scope: str) -> None:
    other = "internet" if scope == "print" else "print"
    wrong = both.call(method, path, token=both.tokens[other])
    assert (wrong.status_code, wrong.get_json()["error"]) == (403, "not_allowed")
    assert both.call(method, path, token=both.tokens[scope]).status_code not in (401, 403)
    for token in ("", "tpm_", "tpm_unknown", both.tokens[scope][4:], both.tokens[scope] + "x", portal_token()):
        refused = both.call(method, path, token=token)
        assert (refused.status_code, refused.get_json()["error"]) == (401, "not_signed_in")
    basic = both.call(method, path, token="", headers={"Authorization": f"Basic {both.tokens[scope]}"})
    assert basic.status_code == 401


def test_a_revoked_token_is_refused_at_once_and_tokens_are_not_stored(both: Instance) -> None:
    path = f"{INTERNET}/standing"
    assert both.call("GET", path).status_code == 200
    with both.app.app_context():
        rows = list(reading().scalars(select(MachineToken)))
        assert not any(token in str(vars(row)) for row in rows for token in both.tokens.values())
        [row] = [row for row in rows if row.scope == "internet"]
        for _twice in range(2):
            writing(lambda session: tokens.revoke_machine_token(session, token_id=row.id, now=clock.now()))
        with pytest.raises(NotFoundError):
            writing(lambda session: tokens.revoke_machine_token(session, token_id=999, now=clock.now()))
    assert both.call("GET", path).status_code == 401


def test_a_signed_in_browser_is_nobody_at_the_api(both: Instance) -> None:
    client = both.app.test_client()
    with both.app.app_context():
        now = clock.now()
        code = writing(lambda session: sessions.make_enter_code(session, user_id=both.users["admin"], now=now))
    assert client.get(f"/enter?code={code}").status_code == 302
    assert client.get_cookie("purse_session") is not None
    for method, path, _scope in DOORS:
        assert client.open(path, method=method).status_code == 401
    assert client.get("/api/v1/purse").status_code == 401


def test_no_answer_to_a_machine_sets_a_cookie(both: Instance) -> None:
    assert "Set-Cookie" not in both.call("GET", f"{INTERNET}/standing").headers
    assert "Set-Cookie" not in both.call("POST", PRINT, job()).headers


WRONG_JOBS: list[tuple[dict[str, object], str]] = [
    ({"colour": True}, "colour"),
    ({"pages": "3"}, "pages"),
    ({"pages": 3.5}, "pages"),
    ({"pages": True}, "pages"),
    ({"pages": -1}, "pages"),
    ({"pages": 10**9}, "pages"),
    ({"job_id": "17"}, "job_id"),
    ({"user": 5}, "user"),
    ({"user": "x" * 257}, "user"),
    ({"job_uuid": ""}, "job_uuid"),
    ({"server": None}, "server"),
]
WRONG_BATCHES: list[tuple[dict[str, object], str]] = [
    ({"extra": 1}, "extra"),
    ({"batch": "1"}, "batch"),
    ({"batch": 0}, "batch"),
    ({"position": None}, "position"),
    ({"items": [item(bytes="5")]}, "items.0.bytes"),
    ({"items": [item(bytes=-5)]}, "items.0.bytes"),
    ({"items": [item(at="2026-11-20T10:00:00")]}, "items.0.at"),
    ({"items": [item(at="0001-01-01T00:00:00+14:00")]}, "items.0.at"),
    ({"items": [item(at="9999-12-31T23:59:59-14:00")]}, "items.0.at"),
    ({"items": [item(user="")]}, "items.0.user"),
    ({"items": [item(), item(money=1)]}, "items.1.money"),
]


def test_a_body_with_a_wrong_field_is_refused_whole_and_the_field_named(both: Instance) -> None:
    cases = [(PRINT, job(**changes), field) for changes, field in WRONG_JOBS]
    cases += [(f"{INTERNET}/usage", batch(1) | changes, field) for changes, field in WRONG_BATCHES]
    for path, body, field in cases:
        answer = both.call("POST", path, body)
        assert (answer.status_code, answer.get_json()["error"]) == (422, "invalid_input"), body
        assert list(answer.get_json()["fields"]) == [field], body
    assert both.ok("GET", f"{INTERNET}/position?source=proxy1") == {"batch": 0, "position": None}


def test_a_body_that_is_no_object_is_refused(both: Instance) -> None:
    for data in (b"", b"{", b"[]", b"null", b"\xff", b'{"a":' * 5000, b'"x"'):
        assert both.call("POST", PRINT, data=data).status_code == 422, data[:20]


def test_several_wrong_fields_are_named_at_once(both: Instance) -> None:
    answer = both.call("POST", PRINT, {"server": "", "pages": "x", "more": 1})
    assert set(answer.get_json()["fields"]) == {"server", "pages", "more", "printer", "user", "job_id", "job_uuid"}


def test_a_body_that_is_too_large_is_refused_before_it_is_read(both: Instance) -> None:
    for path, most in ((f"{INTERNET}/usage", USAGE_BYTES_MAX), (f"{INTERNET}/running", BODY_BYTES_MAX)):
        answer = both.call("POST", path, data=b" " * (most + 1))
        assert (answer.status_code, answer.is_json) == (413, True)
    many = both.call("POST", f"{INTERNET}/usage", batch(1, *[item()] * 20_001))
    assert many.status_code == 422


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/api/v1/nothing", 404), ("GET", PRINT, 405)])
def test_errors_of_the_api_are_json(both: Instance, method: str, path: str, status: int) -> None:
    answer = both.call(method, path)
    assert (answer.status_code, answer.get_json()["error"]) == (status, "http")


@pytest.mark.parametrize(("charges", "missing"), [(("print",), f"{INTERNET}/usage"), (("internet",), PRINT)])
def test_an_instance_has_no_door_for_what_it_does_not_charge(
    make_api: Callable[..., Instance], charges: tuple[str, ...], missing: str
) -> None:
    assert make_api(charges=charges).call("POST", missing, {}).status_code == 404
