"""A real FreeRADIUS with the lines of the set-up page, asked by radclient, before an instance."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask

from app.money import MICRO
from tests.radius.conftest import PASSWORDS, Wifi
from tests.servers.freeradius import FreeRadius
from tests.servers.process import free_port
from tests.servers.web import WebServer

MB = 1_000_000
GIB4 = 2**32
Attributes = list[tuple[str, object]]


def packet(status: str, session: str, total: int = 0, seconds: int = 0, user: str = "alice") -> Attributes:
    """Return one Accounting-Request; three quarters of `total` bytes came down."""
    up, down = total // 4, total - total // 4
    return [
        ("User-Name", user), ("Acct-Session-Id", session), ("Acct-Status-Type", status), ("NAS-IP-Address", "10.0.0.1"),
        ("Acct-Session-Time", seconds), ("Acct-Input-Octets", up % GIB4), ("Acct-Input-Gigawords", up // GIB4),
        ("Acct-Output-Octets", down % GIB4), ("Acct-Output-Gigawords", down // GIB4),
    ]  # fmt: skip


def test_freeradius_checks_passwords_and_the_instance_purses(radius: tuple[Wifi, FreeRadius]) -> None:
    wifi, server = radius
    wifi.credit("alice", MICRO)
    accepted = server.log_in("alice", "wonder")
    assert (accepted.kind, accepted.attributes["Session-Timeout"]) == ("Access-Accept", "14400")
    assert accepted.attributes["Mikrotik-Total-Limit"] == str(100 * MB)
    refused = server.log_in("bob", "builder")
    assert refused.kind == "Access-Reject"
    assert refused.attributes["Reply-Message"].startswith("Your Internet purse is empty: $0.00 left.")
    wrong = server.log_in("bob", "guess")
    assert (wrong.kind, wrong.attributes) == ("Access-Reject", {}), "a balance was told without the password"
    sent = [
        packet("Start", "s1"),
        packet("Interim-Update", "s1", 6 * MB, 600),
        packet("Interim-Update", "s1", 3 * MB, 300),
        packet("Interim-Update", "s1", 6 * MB, 600),
        packet("Stop", "s1", 6 * GIB4 + 5, 900),
        packet("Interim-Update", "s1", 4 * GIB4, 800),
        [("User-Name", "jos\u00e9"), *packet("Stop", "s2", 777, 5)[1:]],
    ]
    assert [reply.kind for reply in server.send_many("acct", sent)] == ["Accounting-Response"] * len(sent)
    assert (wifi.charged("alice"), wifi.kept()) == (6 * GIB4 + 5, {"jos\u00e9": 777})


@pytest.mark.long
@pytest.mark.parametrize("preprocess", [False, True])
def test_a_hundred_sessions_at_once_in_any_order_are_charged_their_last_count(
    make_wifi: Callable[..., Wifi], database_url: str, preprocess: bool
) -> None:
    wifi = make_wifi(database_url=database_url)
    chance = random.Random(7)  # noqa: S311 - the same disorder each time
    starts, middle, stops, last = [], [], [], {"alice": 0, "bob": 0}
    for number in range(100):
        user, total = ("alice", "bob")[number % 2], 0
        name = f"sess-{number}"
        starts.append(packet("Start", name, user=user))
        for step in range(1, 4):
            total += chance.choice((0, 1, 33, 5 * MB, GIB4 - 1, GIB4))
            middle += [packet("Interim-Update", name, total, step * 60, user)] * chance.choice((1, 1, 3))
        total += 12_345
        last[user] += total
        stops.append(packet("Stop", name, total, 400, user))
    chance.shuffle(middle)
    late = [chance.choice(middle) for _ in range(100)]
    with (
        WebServer(wifi.app) as web,
        FreeRadius(instance_url=web.url, token=wifi.radius_token, users=PASSWORDS, preprocess=preprocess) as server,
    ):
        for batch in (starts, middle, stops, starts[:30] + late):
            sent = list(batch)
            for _ in range(20):
                answers = server.send_many("acct", sent, at_once=50, wait_s=15)
                if all(answer.kind for answer in answers):
                    break
            assert all(answer.kind == "Accounting-Response" for answer in answers)
    assert {user: wifi.charged(user) for user in last} == last
    assert len(wifi.rows()) == 100
    assert all(row.ended_at for row in wifi.rows())


class _Listener:
    """Passes requests on to an application and keeps the attributes of each; may answer 500 instead."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.away = False
        self.seen: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        self.seen.append(json.loads(body))
        if self.away:
            start_response("503 Away", [("Content-Type", "text/plain")])
            return [b"away"]
        return self.app(environ, start_response)


@pytest.mark.long
@pytest.mark.parametrize("let_in", [False, True])
def test_while_the_instance_is_away_the_nas_keeps_its_packets_and_the_policy_decides_on_people(
    make_wifi: Callable[..., Wifi], let_in: bool
) -> None:
    wifi = make_wifi()
    listener = _Listener(wifi.app)
    with (
        WebServer(listener) as web,
        FreeRadius(instance_url=web.url, token=wifi.radius_token, users=PASSWORDS, let_in_while_away=let_in) as server,
    ):
        listener.away = True
        answer = server.log_in("bob", "builder")
        assert answer.kind == ("Access-Accept" if let_in else "Access-Reject")
        assert answer.attributes.get("Session-Timeout") == ("600" if let_in else None)
        assert server.send("acct", packet("Stop", "s1", 5 * MB), wait_s=1).kind == ""
        listener.away = False
        assert server.send("acct", packet("Stop", "s1", 5 * MB)).kind == "Accounting-Response"
        assert wifi.charged("alice") == 5 * MB
        assert server.log_in("bob", "builder").kind == "Access-Reject"
        assert not any("User-Password" in attributes for attributes in listener.seen)


@pytest.mark.long
@pytest.mark.parametrize("let_in", [False, True])
def test_nobody_answers_at_all(make_wifi: Callable[..., Wifi], let_in: bool) -> None:
    with FreeRadius(
        instance_url=f"http://127.0.0.1:{free_port()}", token="tpm_x", users=PASSWORDS, let_in_while_away=let_in
    ) as server:
        assert server.log_in("bob", "builder").kind == ("Access-Accept" if let_in else "Access-Reject")
        assert server.send("acct", packet("Stop", "s1", 5 * MB), wait_s=1).kind == ""
