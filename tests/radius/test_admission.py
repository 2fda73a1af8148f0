"""May somebody go online: yes within what the purse pays for, or no with the reason; and who must be ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app import clock
from app.db import writing
from app.internet.rate_models import InternetRates
from app.money import MICRO
from app.people.models import User
from app.radius import ending
from tests.radius.conftest import RADIUS, Wifi

MB = 1_000_000


def ask(wifi: Wifi, name: str = "alice") -> dict[str, Any]:
    """Ask whether somebody may go online; return attribute -> value."""
    answer = wifi.post("authorize", User_Name=name, NAS_IP_Address="10.0.0.1")
    assert answer.status_code == 200
    return {key: given["value"][0] for key, given in answer.get_json().items()}


def make_rates(wifi: Wifi, **changes: object) -> None:
    given: dict[str, Any] = {
        "id": 1, "model": "data", "price_per_mb_down": 10_000, "price_per_mb_up": 20_000, "price_per_period": 0,
        "period_minutes": 15, "cached_free": False, "at_empty": "stop", "running": "end", "version": 1,
        "changed_at": clock.now() - timedelta(days=9),
    }  # fmt: skip
    with wifi.app.app_context():
        writing(lambda session: session.add(InternetRates(**given | changes)))


def test_who_has_something_left_may_go_online_within_it(wifi: Wifi) -> None:
    assert ask(wifi) == {
        "reply:Session-Timeout": 240 * 60,
        "reply:Termination-Action": "RADIUS-Request",
        "reply:Acct-Interim-Interval": 300,
        "reply:ChilliSpot-Max-Total-Octets": 100 * MB,
        "reply:Mikrotik-Total-Limit": 100 * MB,
    }
    wifi.credit("alice", 99 * MICRO)
    found = ask(wifi)
    assert found["reply:Mikrotik-Total-Limit"] + 2**32 * found["reply:Mikrotik-Total-Limit-Gigawords"] == 10_000 * MB


def test_who_has_nothing_left_reads_why_and_what_comes(wifi: Wifi) -> None:
    found = ask(wifi, "bob")
    assert found["control:Auth-Type"] == "Reject"
    assert "Your Internet purse is empty: $0.00 left. No credit is planned." in found["reply:Reply-Message"]
    assert len(found["reply:Reply-Message"].encode()) <= 253
    assert ask(wifi, "nobody")["reply:Reply-Message"] == "Nobody here has this name."
    with wifi.app.app_context():
        writing(lambda session: setattr(session.get(User, wifi.users["alice"]), "status", "disabled"))
    assert "may not be used" in ask(wifi)["reply:Reply-Message"]


@pytest.mark.long
def test_monitor_mode_refuses_nobody(make_wifi: Callable[..., Wifi]) -> None:
    wifi = make_wifi(mode="monitor")
    for name in ("bob", "nobody"):
        assert "control:Auth-Type" not in ask(wifi, name)
        assert "reply:Mikrotik-Total-Limit" not in ask(wifi, name)
    wifi.account("Interim-Update", user="bob", Acct_Output_Octets=MB)
    assert to_end(wifi) == []


@pytest.mark.long
def test_time_is_granted_as_far_as_the_purse_pays_for_periods(
    make_wifi: Callable[..., Wifi], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = clock.now().replace(hour=10, minute=5, second=0, microsecond=0)
    monkeypatch.setattr(clock, "now", lambda: at)
    wifi = make_wifi()
    make_rates(wifi, model="time", price_per_period=50_000)
    wifi.credit("alice", 110_000)
    assert ask(wifi)["reply:Session-Timeout"] == 2 * 900 - 300
    assert "reply:Mikrotik-Total-Limit" not in ask(wifi)


@pytest.mark.long
@pytest.mark.parametrize("at_empty", ["slow", "warn"])
def test_who_is_slowed_or_warned_at_zero_is_let_in(make_wifi: Callable[..., Wifi], at_empty: str) -> None:
    wifi = make_wifi()
    make_rates(wifi, at_empty=at_empty)
    wifi.account("Interim-Update", user="bob", Acct_Output_Octets=MB)
    assert ask(wifi, "bob").get("reply:WISPr-Bandwidth-Max-Down") == (256_000 if at_empty == "slow" else None)
    assert to_end(wifi) == []


def to_end(wifi: Wifi) -> list[str]:
    """The ids of the sessions that the edge is told to end."""
    answer = wifi.call("GET", f"{RADIUS}/disconnects", token=wifi.radius_token)
    return [each["session_id"] for each in answer.get_json()["sessions"]]


def test_who_has_used_everything_is_ended_until_the_nas_says_it_is_done(wifi: Wifi) -> None:
    wifi.account("Start", Framed_IP_Address="10.9.9.9")
    wifi.account("Interim-Update", Acct_Session_Time=60, Acct_Output_Octets=99 * MB)
    assert to_end(wifi) == []
    wifi.account("Interim-Update", Acct_Session_Time=120, Acct_Output_Octets=100 * MB)
    assert to_end(wifi) == ["s1"]
    answer(wifi, 1, ended=False, note="501 Administratively Prohibited")
    assert (to_end(wifi), wifi.rows()[0].disconnect_note) == (["s1"], "501 Administratively Prohibited")
    answer(wifi, 1, ended=True)
    assert (to_end(wifi), wifi.rows()[0].end_cause) == ([], "disconnected")
    wifi.account("Stop", Acct_Session_Time=130, Acct_Output_Octets=101 * MB, Acct_Terminate_Cause="Admin-Reset")
    assert (wifi.charged("alice"), wifi.rows()[0].end_cause) == (101 * MB, "Admin-Reset")


@pytest.mark.long
def test_a_session_that_goes_on_after_its_end_is_ended_again(wifi: Wifi, monkeypatch: pytest.MonkeyPatch) -> None:
    real, passed = clock.now(), timedelta(0)
    monkeypatch.setattr(clock, "now", lambda: real + passed)
    wifi.account("Interim-Update", Acct_Session_Time=120, Acct_Output_Octets=100 * MB)
    answer(wifi, 1, ended=True)
    wifi.account("Interim-Update", Acct_Session_Time=121, Acct_Output_Octets=101 * MB)
    assert to_end(wifi) == [], "sent before the NAS had ended it"
    passed = timedelta(minutes=5)
    wifi.account("Interim-Update", Acct_Session_Time=420, Acct_Output_Octets=130 * MB)
    assert to_end(wifi) == ["s1"]


@pytest.mark.long
def test_an_administrator_ends_a_session_and_policy_leaves_the_others(make_wifi: Callable[..., Wifi]) -> None:
    wifi = make_wifi()
    make_rates(wifi, running="leave")
    for name in ("alice", "bob"):
        wifi.account("Interim-Update", name, name, Acct_Output_Octets=MB)
    assert to_end(wifi) == []
    with wifi.app.app_context():
        writing(lambda session: ending.ask_to_end(session, row_id=2, by="Ada", now=clock.now()))
    assert to_end(wifi) == ["bob"]
    assert wifi.call("POST", f"{RADIUS}/disconnects/99", {"ended": True}, token=wifi.radius_token).status_code == 404


def answer(wifi: Wifi, row_id: int, **body: object) -> None:
    path = f"{RADIUS}/disconnects/{row_id}"
    assert wifi.call("POST", path, body, token=wifi.radius_token).status_code == 200
