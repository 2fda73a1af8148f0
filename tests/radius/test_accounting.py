"""The door of RADIUS accounting: every byte of a session is charged once, to the person whose name it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.db import reading, writing
from app.internet.models import UsagePeriod
from app.internet.rate_models import InternetRates
from app.money import MICRO
from app.people import aliases
from app.radius import ending
from tests.radius.conftest import RADIUS, Wifi

GIB4 = 2**32
MB = 1_000_000


def octets(total: int, *, gigawords: bool = True) -> dict[str, object]:
    """A session's download, as a NAS writes it."""
    high = {"Acct_Output_Gigawords": total // GIB4} if gigawords else {}
    return {"Acct_Output_Octets": total % GIB4, **high}


def test_a_session_pays_for_its_last_count_whatever_is_sent_twice_late_or_after_its_stop(wifi: Wifi) -> None:
    wifi.account("Start")
    wifi.account("Interim-Update", Acct_Session_Time=300, Acct_Input_Octets=1 * MB, **octets(5 * MB))
    wifi.account("Interim-Update", Acct_Session_Time=900, Acct_Input_Octets=2 * MB, **octets(GIB4 + 7))
    for _ in range(3):
        wifi.account("Interim-Update", Acct_Session_Time=600, Acct_Input_Octets=2 * MB, **octets(GIB4 - 7))
    wifi.account("Stop", Acct_Session_Time=1200, Acct_Input_Octets=3 * MB, **octets(GIB4 + 8 * MB))
    wifi.account("Start")
    wifi.account("Interim-Update", Acct_Session_Time=900, Acct_Input_Octets=2 * MB, **octets(GIB4 + 7))
    [row] = wifi.rows()
    assert (row.upload, row.download, row.session_s, row.end_cause) == (3 * MB, GIB4 + 8 * MB, 1200, "Stop")
    assert wifi.charged("alice") == GIB4 + 11 * MB
    wifi.account("Interim-Update", Acct_Session_Time=1200, Acct_Input_Octets=3 * MB, **octets(GIB4 + 9 * MB))
    assert wifi.charged("alice") == GIB4 + 12 * MB, "the NAS knew more than its Stop said"
    assert [row.ended_at is None for row in wifi.rows()] == [False]
    balance, _ = wifi.figures("alice")
    assert balance == MICRO - (GIB4 + 12 * MB) // 100
    assert {entry.kind for entry in wifi.entries("alice", "internet")} == {"measured"}
    assert wifi.entries("alice", "internet")[0].key == f"radius:1:{6 * MB}"


def test_a_count_that_wraps_without_gigawords_goes_on_behind_the_wrap(wifi: Wifi) -> None:
    wifi.account("Interim-Update", Acct_Session_Time=300, **octets(GIB4 - 1, gigawords=False))
    wifi.account("Interim-Update", Acct_Session_Time=600, **octets(GIB4 + 5 * MB, gigawords=False))
    wifi.account("Interim-Update", Acct_Session_Time=450, **octets(GIB4 - 1, gigawords=False))
    wifi.account("Stop", Acct_Session_Time=900, **octets(2 * GIB4 + 1, gigawords=False))
    assert wifi.charged("alice") == 2 * GIB4 + 1


def test_a_nas_that_restarts_ends_its_sessions_and_may_use_their_ids_again(wifi: Wifi) -> None:
    for user, nas in (("alice", "ap1"), ("bob", "ap1"), ("bob", "ap2")):
        wifi.account("Start", user=user, session=f"{user}1", NAS_Identifier=nas)
        wifi.account("Interim-Update", f"{user}1", user, NAS_Identifier=nas, Acct_Session_Time=60, **octets(3 * MB))
    wifi.account("Accounting-On", session=None, user=None)
    assert [(row.nas, row.end_cause) for row in wifi.rows()] == [("ap1", "restart"), ("ap1", "restart"), ("ap2", "")]
    wifi.account("Interim-Update", "alice1", Acct_Session_Time=50, **octets(2 * MB))  # sent before the restart
    assert wifi.charged("alice") == 3 * MB
    for number in (1, 2):
        wifi.account("Start", "alice1")
        wifi.account("Interim-Update", "alice1", Acct_Session_Time=60, **octets(number * MB))
    wifi.account("Stop", "alice1", Acct_Session_Time=90, **octets(4 * MB))
    assert wifi.charged("alice") == 7 * MB
    assert [(row.generation, row.bytes) for row in wifi.rows() if row.nas == "ap1" and row.session_id == "alice1"] == [
        (1, 3 * MB), (2, 4 * MB)
    ]  # fmt: skip


@pytest.mark.long
def test_an_id_that_comes_again_without_word_of_a_restart_is_another_session(
    wifi: Wifi, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, passed = clock.now(), timedelta(0)
    monkeypatch.setattr(clock, "now", lambda: real + passed)
    wifi.account("Start")
    passed = timedelta(minutes=10)
    wifi.account("Interim-Update", Acct_Session_Time=600, **octets(9 * MB))
    passed = timedelta(minutes=20)
    wifi.account("Start")
    passed = timedelta(minutes=25)
    wifi.account("Interim-Update", Acct_Session_Time=300, **octets(1 * MB))
    assert [(row.bytes, row.end_cause) for row in wifi.rows()] == [(9 * MB, "replaced"), (1 * MB, "")]
    assert wifi.charged("alice") == 10 * MB


def test_the_forms_of_a_name_are_one_person_and_one_session(make_wifi: Callable[..., Wifi]) -> None:
    wifi = make_wifi()
    wifi.app.extensions["twinpurse.settings"].config.directory.domains.extend(["SCHOOL", "school.example.org"])
    wifi.account("Start", user="Alice")
    wifi.account("Interim-Update", user="SCHOOL\\alice", **octets(1 * MB))
    wifi.account("Interim-Update", user="alice@school.example.org", **octets(2 * MB))
    wifi.account("Interim-Update", user="host/pc7@elsewhere", Stripped_User_Name="alice", **octets(3 * MB))
    wifi.account("Stop", user=None, **octets(4 * MB))
    assert [(row.bytes, row.user_id) for row in wifi.rows()] == [(4 * MB, wifi.users["alice"])]
    assert wifi.charged("alice") == 4 * MB


def test_a_name_that_nobody_has_is_kept_until_it_is_somebodys(wifi: Wifi) -> None:
    wifi.account("Start", user="jos\u00c3\u00a9")
    wifi.account("Interim-Update", user="jos\u00c3\u00a9", Acct_Session_Time=60, **octets(5 * MB))
    wifi.account("Interim-Update", user="jos\u00c3\u00a9", Acct_Session_Time=120, **octets(6 * MB))
    assert wifi.kept() == {"jos\u00e9": 6 * MB}
    with wifi.app.app_context():
        writing(
            lambda session: aliases.add(
                session, user_id=wifi.users["alice"], name="jos\u00e9", domains=(), by="t", now=clock.now()
            )
        )
    wifi.account("Stop", user="jos\u00c3\u00a9", Acct_Session_Time=180, **octets(8 * MB))
    assert (wifi.kept(), wifi.charged("alice")) == ({"jos\u00e9": 6 * MB}, 2 * MB)
    assert len(wifi.rows()) == 1


def test_many_sessions_at_once_each_with_its_packets_in_disorder(wifi: Wifi) -> None:
    def send(number: int) -> None:
        name = ("alice", "bob")[number % 2]
        for second in (2, 1, 3, 3, 2):
            wifi.account("Interim-Update", f"n{number % 10}", name, Acct_Session_Time=second, **octets(second * 33))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(10)))
    assert len(wifi.rows()) == 10
    assert (wifi.charged("alice"), wifi.charged("bob")) == (5 * 99, 5 * 99)


def test_time_is_paid_by_periods_each_once_for_all_sessions(wifi: Wifi, monkeypatch: pytest.MonkeyPatch) -> None:
    at = clock.now().replace(hour=10, minute=5, second=0, microsecond=0)
    monkeypatch.setattr(clock, "now", lambda: at)
    with wifi.app.app_context():
        rates = InternetRates(
            id=1, model="time", price_per_mb_down=0, price_per_mb_up=0, price_per_period=50_000, period_minutes=15,
            cached_free=False, at_empty="stop", running="end", version=1, changed_at=at - timedelta(days=9),
        )  # fmt: skip
        writing(lambda session: session.add(rates))
    wifi.account("Start")
    at += timedelta(minutes=5)
    for _ in range(2):
        wifi.account("Interim-Update", Acct_Session_Time=300, **octets(MB))
    wifi.account("Start", "other")
    at += timedelta(minutes=10)
    wifi.account("Interim-Update", Acct_Session_Time=900, **octets(MB))
    wifi.account("Stop", "other", Acct_Session_Time=600, **octets(MB))
    with wifi.app.app_context():
        assert len(reading().scalars(select(UsagePeriod)).all()) == 2
    assert wifi.figures("alice")[0] == MICRO - 2 * 50_000
    assert wifi.charged("alice") == 2 * MB


@pytest.mark.long
def test_what_cannot_be_accounted_for_is_answered_and_what_is_no_packet_is_refused(wifi: Wifi) -> None:
    wifi.account("Start", session=None)
    wifi.account("Tunnel-Start")
    wifi.account("Accounting-On", NAS_Identifier=None, NAS_IP_Address=None, session=None, user=None)
    assert wifi.rows() == []
    for data in (b"", b"[]", b"nonsense"):
        answer = wifi.call("POST", f"{RADIUS}/accounting", token=wifi.radius_token, data=data)
        assert answer.status_code == 422
    assert wifi.call("POST", f"{RADIUS}/accounting", {}, token=wifi.tokens["internet"]).status_code == 403


@pytest.mark.long
def test_sessions_that_run_are_listed_and_ended_ones_keep_no_device(wifi: Wifi) -> None:
    wifi.account("Start", Calling_Station_Id="AA-BB", Framed_IP_Address="10.1.2.3")
    wifi.account("Interim-Update", "s2", "ghost", **octets(MB))
    with wifi.app.app_context():
        running = ending.list_sessions(reading(), now=clock.now())
        assert [(each.row.username, each.user and each.user.username) for each in running] == [
            ("ghost", None), ("alice", "alice")
        ]  # fmt: skip
        assert running[1].row.station == "AA-BB"
        assert len(ending.list_sessions(reading(), now=clock.now(), user_id=wifi.users["bob"])) == 0
        assert ending.list_sessions(reading(), now=clock.now() + timedelta(days=2)) == []
    wifi.account("Stop")
    assert (wifi.rows()[0].station, wifi.rows()[0].address) == ("", "")
    with wifi.app.app_context():
        old = clock.now() + timedelta(seconds=1)
        assert writing(lambda session: ending.forget_ended(session, before=old)) == 1
    assert [row.username for row in wifi.rows()] == ["ghost"]
