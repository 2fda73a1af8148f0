"""Sessions are ended at a NAS: by the real program, at a NAS that pyrad speaks for, with packets lost and refused."""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import clock
from app.db import writing
from app.radius import ending
from edge import radius_packet as packets
from edge.client import InstanceClient
from edge.radius_disconnect import Disconnector
from edge.radius_settings import load_radius
from edge.settings import SettingsError
from tests.radius.conftest import Wifi
from tests.servers.nas import Nas
from tests.servers.process import Child
from tests.servers.web import WebServer

MB = 1_000_000


@pytest.fixture
def place(make_wifi: Callable[..., Wifi], tmp_path: Path) -> Iterator[tuple[Wifi, Nas, Path]]:
    """An instance where bob has nothing left, a NAS at which his session runs, and the program's config file."""
    wifi = make_wifi()
    with WebServer(wifi.app) as web, Nas(sessions={"s1"}) as nas:
        config = tmp_path / "radius.toml"
        for name, text in (("token", wifi.radius_token), ("secret", nas.secret.decode())):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o600)
        config.write_text(
            f'instance_url = "{web.url}"\ntoken_file = "{tmp_path}/token"\nserver = "radius1"\n'
            f'[radius]\nnas = ["ap1 127.0.0.1:{nas.port} {tmp_path}/secret"]\n'
            "every_s = 0.2\nanswer_s = 0.15\nagain_after_s = 0.1\n"
        )
        wifi.account(
            "Interim-Update", user="bob", Acct_Output_Octets=MB, Calling_Station_Id="AA-BB",
            Framed_IP_Address="10.1.2.3", NAS_IP_Address="127.0.0.1",
        )  # fmt: skip
        yield wifi, nas, config
        assert nas.problems == []


def once(config: Path) -> int:
    """One round of the program; the number of sessions that ended."""
    settings = load_radius(config)
    return Disconnector(settings, InstanceClient(settings.instance)).once()


def test_the_program_ends_a_session_whatever_gets_lost_and_refused(place: tuple[Wifi, Nas, Path]) -> None:
    wifi, nas, config = place
    nas.faults.lose_requests, nas.faults.lose_answers, nas.faults.refuse = 1, 1, 504
    argv = [sys.executable, "-m", "edge.radius_disconnect", "--config", str(config)]
    with Child(argv, cwd=Path(__file__).parents[2], log=config.parent / "out") as child:
        wait(lambda: wifi.rows()[0].disconnect_note == "504 Session Context Not Removable", child)
        assert nas.sessions == {"s1"}
        nas.faults.refuse = 0
        nas.faults.lose_requests = 4  # more than one request is repeated
        wait(lambda: wifi.rows()[0].ended_at is not None, child)
        assert child.stop() == 0
    assert (nas.sessions, wifi.rows()[0].end_cause, wifi.rows()[0].disconnect_note) == (set(), "disconnected", "")
    assert nas.seen[-1] == {
        "User-Name": "bob", "NAS-IP-Address": "127.0.0.1", "NAS-Identifier": "ap1", "Acct-Session-Id": "s1",
        "Calling-Station-Id": "AA-BB", "Framed-IP-Address": "10.1.2.3",
    }  # fmt: skip


def wait(ready: Callable[[], bool], child: Child) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        assert child.running, child.log_tail()
        assert time.monotonic() < deadline, child.log_tail()
        time.sleep(0.05)


@pytest.mark.long
def test_a_session_that_the_nas_does_not_know_is_over(place: tuple[Wifi, Nas, Path]) -> None:
    wifi, nas, config = place
    nas.sessions.clear()
    assert once(config) == 1
    assert wifi.rows()[0].end_cause == "disconnected"


@pytest.mark.long
def test_late_unsigned_and_forged_answers(place: tuple[Wifi, Nas, Path]) -> None:
    wifi, nas, config = place
    nas.faults.late_s, nas.faults.sign, nas.faults.garbage = 0.2, False, True  # later than the first try waits
    assert once(config) == 1
    assert (nas.sessions, nas.packets) == (set(), 2)
    assert wifi.rows()[0].ended_at is not None


@pytest.mark.long
def test_another_secret_ends_nothing(place: tuple[Wifi, Nas, Path]) -> None:
    wifi, nas, config = place
    nas.secret = b"another"
    assert once(config) == 0
    assert (wifi.rows()[0].disconnect_note, wifi.rows()[0].ended_at) == ("no answer", None)
    assert nas.problems
    nas.problems.clear()


@pytest.mark.long
def test_a_nas_that_nobody_configured_and_one_for_all_others(place: tuple[Wifi, Nas, Path]) -> None:
    wifi, _, config = place
    text = config.read_text()
    config.write_text(text.replace('"ap1 127.0.0.1', '"ap7 127.0.0.1'))
    assert once(config) == 0
    assert wifi.rows()[0].disconnect_note.startswith("this NAS is not in radius.nas")
    config.write_text(text.replace('"ap1 127.0.0.1', '"* -'))
    assert once(config) == 1


@pytest.mark.long
def test_an_administrator_ends_anybodys_session(place: tuple[Wifi, Nas, Path]) -> None:
    wifi, nas, config = place
    wifi.credit("bob", 10 * MB)
    assert once(config) == 0
    assert nas.packets == 0
    with wifi.app.app_context():
        writing(lambda session: ending.ask_to_end(session, row_id=1, by="Ada", now=clock.now()))
    assert once(config) == 1


def test_every_mistake_in_the_config_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "open").write_text("a-secret")
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "short").write_text("abc")
    (tmp_path / "short").chmod(0o600)
    config = tmp_path / "c.toml"
    lines = ["ap1", f"ap2 h:0 {tmp_path}/short", f"* 10.0.0.1 {tmp_path}/open", f"ap3 [::1]:99999 {tmp_path}/none"]
    config.write_text(f"[radius]\nnas = {lines!r}\nanswer_s = 0\nmore = 1\n")
    with pytest.raises(SettingsError) as caught:
        load_radius(config)
    for words in (
        "instance_url: missing", "write \"NAME HOST", "h:0 has no port", "at least 6 characters", 'must be "-"',
        "chmod it", "[::1]:99999 has no port", "none cannot be read", "radius.answer_s", "radius.more: unknown key",
    ):  # fmt: skip
        assert any(words in problem for problem in caught.value.problems), words


@pytest.mark.parametrize("damage", ["short", "length", "code", "number", "bits", "attribute", "authenticator"])
def test_an_answer_that_is_damaged_is_none(damage: str) -> None:
    request = packets.make_request([(packets.USER_NAME, b"bob")], number=7, secret=b"s", now=1)
    good = answer(request, struct.pack("!BB16s", packets.MESSAGE_AUTHENTICATOR, 18, bytes(16)))
    data = {
        "short": good[:19],
        "length": good[:2] + b"\xff\xff" + good[4:],
        "code": b"\x02" + good[1:],
        "number": good[:1] + b"\x08" + good[2:],
        "bits": good[:-1] + b"\x01",
        "attribute": answer(request, b"\x12\x01"),
        "authenticator": good,
    }[damage]
    with pytest.raises(packets.BadPacketError):
        packets.read_reply(data, request=request, secret=b"s")
    assert packets.read_reply(answer(request, b"\x12\x03x"), request=request, secret=b"s").acknowledged


def answer(request: packets.Request, body: bytes) -> bytes:
    """A Disconnect-ACK with a Response Authenticator that is right."""
    length = packets.HEADER.size + len(body)
    bare = packets.HEADER.pack(packets.DISCONNECT_ACK, request.number, length, request.authenticator)
    return packets.HEADER.pack(packets.DISCONNECT_ACK, request.number, length, packets._md5(bare + body + b"s")) + body
