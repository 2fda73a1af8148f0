"""Counters, generations and limits as functions of values; and what rlm_rest writes, read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.radius import rules
from app.radius.packets import mended, read_packet
from app.radius.rules import Heard

GIB4 = 2**32
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("heard", "octets", "gigawords", "order", "told"),
    [
        (0, 10, None, None, 10),
        (10, 10, None, 0, 10),
        (10, 9, None, -1, 10),
        (10, 25, None, -1, 25),  # no counter was higher before: a late packet that knows more
        (GIB4 - 1, 10, 1, None, GIB4 + 10),
        (GIB4 + 10, GIB4 - 1, 0, 1, GIB4 + 10),
        (GIB4 - 1, 10, None, 1, GIB4 + 10),  # smaller without Gigawords: a wrap at the NAS
        (GIB4 - 1, 10, None, None, GIB4 + 10),
        (GIB4 - 1, 10, None, -1, GIB4 - 1),
        (1_000_000, 500_000, None, None, 1_000_000),  # the shorter way round is backwards: out of order
        (1_000_000, 500_000, None, 1, GIB4 + 500_000),
        (GIB4 + 10, GIB4 - 5, None, -1, GIB4 + 10),  # from before the wrap
        (GIB4 + 10, 30, None, 1, GIB4 + 30),
        (3 * GIB4 + 10, 5, 2, None, 3 * GIB4 + 10),
        (77, None, 1, 1, 77),
    ],
)
def test_a_counter_never_goes_back_and_follows_the_wrap(
    heard: int, octets: int | None, gigawords: int | None, order: int | None, told: int
) -> None:
    assert rules.counter(heard=heard, octets=octets, gigawords=gigawords, order=order) == told


@settings(max_examples=40)
@given(
    counts=st.lists(st.integers(0, 5 * GIB4), min_size=1, max_size=8).map(sorted),
    data=st.data(),
)
def test_with_gigawords_any_order_and_any_repetition_ends_at_the_last_count(
    counts: list[int], data: st.DataObject
) -> None:
    sent = data.draw(st.lists(st.sampled_from(counts), max_size=10)) + data.draw(st.permutations(counts))
    heard = 0
    for count in sent:
        heard = rules.counter(heard=heard, octets=count % GIB4, gigawords=count // GIB4, order=None)
    assert heard == counts[-1]


@settings(max_examples=40)
@given(steps=st.lists(st.tuples(st.integers(0, GIB4 - 1), st.integers(1, 600)), min_size=1, max_size=12))
def test_without_gigawords_every_wrap_counts_once_when_packets_come_in_order_or_twice(
    steps: list[tuple[int, int]],
) -> None:
    true = heard = seconds = 0
    for grown, passed in steps:
        true, told_s = true + grown, seconds + passed
        for _ in range(2):
            order = rules.order(heard_s=seconds, told_s=told_s)
            heard = rules.counter(heard=heard, octets=true % GIB4, gigawords=None, order=order)
            seconds = told_s
    assert heard == true


def packet(status: str, at_s: float, session_s: int | None = None, *, sure: bool = False) -> rules.Packet:
    body: dict[str, object] = {"Acct-Status-Type": status, "Acct-Session-Id": "x", "Acct-Session-Time": session_s}
    if sure:
        body["Event-Timestamp"] = str(int((NOW + timedelta(seconds=at_s)).timestamp()))
    return read_packet(body, now=NOW + timedelta(seconds=at_s), zone=UTC)


def heard(began_s: float, last_s: float, ended_s: float | None = None, *, rebooted: bool = False) -> Heard:
    ended = None if ended_s is None else NOW + timedelta(seconds=ended_s)
    return Heard(NOW + timedelta(seconds=began_s), NOW + timedelta(seconds=last_s), ended, rebooted)


STOPPED = heard(0, 600, 600)
REBOOTED = heard(0, 600, 700, rebooted=True)


@pytest.mark.parametrize(
    ("sent", "known", "place"),
    [
        (packet("Start", 1), [], None),
        (packet("Start", 1), [heard(0, 0)], 0),  # again
        (packet("Start", 601), [STOPPED], 0),  # overtaken by its Stop
        (packet("Start", 900), [STOPPED], None),  # the id again, with no word of a restart
        (packet("Start", 900), [heard(0, 600)], None),
        (packet("Interim-Update", 605, 300), [STOPPED], 0),
        (packet("Interim-Update", 700.2, 30), [heard(700, 700), REBOOTED], 0),
        (packet("Interim-Update", 800, 100), [heard(700, 700), STOPPED], 0),
        (packet("Interim-Update", 702, 500), [heard(700, 700), STOPPED], 1),  # began before the second one did
        (packet("Start", 700.1), [REBOOTED], None),
        (packet("Start", 650, sure=True), [REBOOTED], 0),
        (packet("Interim-Update", 760, 50), [REBOOTED], None),  # its Start was lost
        (packet("Interim-Update", 760, 755), [REBOOTED], 0),  # goes on: only the word of the restart came late
        (packet("Stop", 701, 650), [REBOOTED], 0),
        (packet("Stop", 760), [REBOOTED], 0),
        (packet("Interim-Update", 690, 90, sure=True), [heard(700, 710), REBOOTED], 1),
    ],
)
def test_whose_a_packet_is(sent: rules.Packet, known: list[Heard], place: int | None) -> None:
    assert rules.whose(sent, known) == place


def test_what_a_purse_pays_for() -> None:
    assert rules.bytes_for(left=1_000_000, price_per_mb=10_000 * 10**6) == 100 * 10**6
    assert rules.bytes_for(left=1, price_per_mb=10**18) == 1
    assert rules.bytes_for(left=1, price_per_mb=0) is None
    period = {"price_of_period": 50_000 * 10**6, "period_s": 900, "into_period_s": 300}
    assert rules.seconds_for(left=100_000, paid=False, **period) == 1500
    assert rules.seconds_for(left=100_000, paid=True, **period) == 2400
    assert rules.seconds_for(left=10_000, paid=False, **period) == 1
    assert rules.seconds_for(left=10, price_of_period=0, period_s=900, into_period_s=0, paid=False) is None


def test_the_periods_that_a_stretch_of_a_session_touches() -> None:
    began = datetime(2026, 11, 23, 12, 10, tzinfo=UTC)
    start = int(datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp())
    touched = rules.instants(began=began, from_s=0, until_s=1200, period_s=900)
    assert list(touched) == [start, start + 900]
    assert list(rules.instants(began=began, from_s=0, until_s=300, period_s=900)) == [start]
    assert list(rules.instants(began=began, from_s=5, until_s=5, period_s=900)) == []
    assert list(rules.instants(began=began, from_s=0, until_s=300, period_s=0)) == []


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("jos\u00c3\u00a9", "jos\u00e9"), ("jos\u00e9", "jos\u00e9"), ("alice", "alice"), ("\u20ac", "\u20ac")],
)
def test_names_beyond_ascii_are_what_they_were_meant_to_be(sent: str, meant: str) -> None:
    assert mended(sent) == meant


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({}, NOW),
        ({"Acct-Delay-Time": 40}, NOW - timedelta(seconds=40)),
        ({"Event-Timestamp": "Nov 23 2026 11:58:00 UTC", "Acct-Delay-Time": 40}, NOW - timedelta(minutes=2)),
        ({"Event-Timestamp": "Nov 23 2026 12:58:00 CET"}, NOW - timedelta(minutes=2)),
        ({"Event-Timestamp": "Jan  1 1970 00:01:00 UTC"}, NOW),  # a clock that nobody set
        ({"Event-Timestamp": "Nov 23 2026 12:58:00 XYZ"}, NOW),
        ({"Event-Timestamp": int(NOW.timestamp()) + 20}, NOW),
        ({"Acct-Delay-Time": GIB4 - 1}, NOW - timedelta(days=7)),
    ],
)
def test_when_it_happened(more: dict[str, object], at: datetime) -> None:
    body = {key: {"type": "x", "value": [value]} for key, value in more.items()}
    assert read_packet(body, now=NOW, zone=BERLIN).at == at


def test_what_makes_no_sense_counts_as_not_said() -> None:
    body = {
        "Acct-Status-Type": {"value": []}, "Acct-Session-Id": {"value": [None]}, "User-Name": ["a\0b"],
        "Acct-Input-Octets": -1,
        "Acct-Output-Octets": "9" * 30, "Acct-Session-Time": {"value": ["2000000000"]}, "Framed-IP-Address": "x",
        "NAS-IP-Address": {"value": [True]},
    }  # fmt: skip
    found = read_packet(body, now=NOW, zone=UTC)
    assert (found.status, found.session_id, found.names) == ("", "", ("a\N{REPLACEMENT CHARACTER}b",))
    assert (found.input, found.output, found.session_s, found.address, found.nas.key) == (
        None,
        None,
        31 * 86_400,
        "",
        "",
    )
