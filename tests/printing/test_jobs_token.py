"""What a print server's token opens: the door for print servers, and nothing besides."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from app import clock
from app.api import tokens
from app.api.access import access_of
from app.db import writing
from tests.web.test_access import rules

KINDS = ("public", "user", "auditor", "helper", "admin", "machine", "portal", "device", "password")


def test_a_print_token_opens_nothing_but_printing(make_instance: Callable[..., Flask]) -> None:
    app = make_instance(charges=("print", "internet"))
    with app.app_context():
        token = writing(lambda session: tokens.make_machine_token(session, name="m", scope="print", now=clock.now()))
    client, headers = app.test_client(), {"Authorization": f"Bearer {token}"}
    opened = set()
    for rule, method, path in rules(app, *KINDS):
        kind, scope = access_of(app.view_functions[rule.endpoint])
        status = client.open(path, method=method, headers=headers, json={} if method != "GET" else None).status_code
        if kind == "public" or (kind, scope) == ("machine", "print"):
            opened.add(path.split("/")[1])
            continue
        if kind == "password":  # a name and a password let in, not the token
            assert status in (400, 401, 403, 422), path
        else:
            assert status in ((400, 302) if kind in ("user", "auditor", "helper", "admin") else (401, 403)), path
    assert "api" in opened
