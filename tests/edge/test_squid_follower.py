"""The follower when something in the log is not as it should be: it goes on, says where, and charges all the rest."""

from __future__ import annotations

import logging
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from edge import squid_follower, squid_log
from edge.client import Answer, InstanceClient, InstanceRefusedError
from edge.squid_follower import Follower, OnceFailedError
from edge.squid_lines import LogFormat, line_time_ms
from edge.squid_pauses import STOP_SIGNALS, Pauses, StoppedError
from edge.squid_sites import PLAIN
from edge.squid_tail import LogTail

START = 1_795_000_000


class FakeInstance:
    """Books batches in memory, and refuses those in which somebody stands whom it does not take."""

    def __init__(self) -> None:
        self.number = 0
        self.position: dict[str, Any] | None = None
        self.bytes: Counter[str] = Counter()
        self.posts = 0
        self.refused: set[str] = set()
        self.most_bytes = 0
        self.refuses_all = False

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Answer like InstanceClient."""
        if path.startswith("/internet/table"):
            return Answer(200, {}, dict(PLAIN))
        return Answer(200, {}, {"batch": self.number, "position": self.position})

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer like InstanceClient."""
        self.posts += 1
        sums = [sum(slot[3]) for slot in body["slots"]]
        too_much = self.most_bytes and max(sums, default=0) > self.most_bytes
        if self.refuses_all or too_much or self.refused & set(body["users"]):
            raise InstanceRefusedError(422, "invalid_input", "Not what this address takes.", "users.0: wrong")
        assert body["batch"] == self.number + 1
        self.number, self.position = body["batch"], body["position"]
        for slot in body["slots"]:
            for user, size in zip(slot[1], slot[3], strict=True):
                self.bytes[body["users"][user]] += size
        return {"batch": self.number, "position": self.position}


class NoPauses(Pauses):
    """Waits for nothing, and is told to stop after some waits."""

    def __init__(self, most: int = 50) -> None:
        self.left = most

    def wait(self, seconds: float) -> None:
        """Count."""
        self.left -= 1
        if self.left < 0:
            raise StoppedError


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before - STOP_SIGNALS)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def line(number: int, user: str = "alice", *, size: int = 1, at: float | None = None, url: str = "http://h/x") -> bytes:
    time_text = f"{at if at is not None else START + number / 1000:014.3f}"
    return f"{time_text}      2 10.0.0.1:5 TCP_MISS/200 {size} 0 GET {url} {user} HIER_DIRECT/192.0.2.1 -\n".encode()


def follow(
    log: Path,
    instance: FakeInstance,
    *,
    once: bool = True,
    pauses: Pauses | None = None,
    log_format: LogFormat = LogFormat.TWINPURSE,
) -> None:
    tail = LogTail(log, time_of=line_time_ms, warn=logging.getLogger("edge.squid_tail").warning)
    follower = Follower(
        cast(InstanceClient, instance),
        tail,
        source="p",
        log_format=log_format,
        pauses=pauses or NoPauses(),
        batch_s=0,
        once=once,
    )
    try:
        follower.run()
    finally:
        tail.close()


@pytest.mark.parametrize("bad", [1, 5, 40])
def test_only_the_lines_that_the_instance_never_takes_are_left_out(
    log: Path, bad: int, caplog: pytest.LogCaptureFixture
) -> None:
    log.write_bytes(
        b"".join(line(n, "mallory" if n % (1000 // bad) == 7 % (1000 // bad) else "bob") for n in range(1000))
    )
    refused = log.read_bytes().count(b" mallory ")
    instance = FakeInstance()
    instance.refused = {"mallory"}
    follow(log, instance)
    assert refused >= bad
    assert instance.bytes == {"bob": 1000 - refused}
    assert instance.posts < 40 + 12 * refused
    assert caplog.text.count("left out what the instance refused") == refused
    assert "users.0: wrong" in caplog.text
    assert f"of {log}" in caplog.text
    assert "mallory" not in caplog.text
    assert "http://h" not in caplog.text
    follow(log, instance)
    assert instance.bytes == {"bob": 1000 - refused}


def test_the_message_says_which_bytes_are_refused(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    before, bad, after = line(1), line(2, "mallory"), line(3)
    log.write_bytes(before + bad + after)
    instance = FakeInstance()
    instance.refused = {"mallory"}
    follow(log, instance)
    assert f"bytes 0 to {log.stat().st_size} of {log}" in caplog.text
    assert f"bytes {len(before)} to {len(before + bad)} of {log}" in caplog.text
    assert instance.bytes == {"alice": 2}


def test_sums_that_are_too_large_come_in_parts(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    log.write_bytes(b"".join(line(n, size=10) for n in range(100)))
    instance = FakeInstance()
    instance.most_bytes = 120
    follow(log, instance)
    assert instance.bytes == {"alice": 1000}
    assert "left out" not in caplog.text


def test_an_instance_that_takes_nothing_costs_nobody_a_line(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    log.write_bytes(b"".join(line(n) for n in range(64)))
    instance = FakeInstance()
    instance.refuses_all = True
    with pytest.raises(OnceFailedError):
        follow(log, instance)
    with pytest.raises(StoppedError):
        follow(log, instance, once=False, pauses=NoPauses(5))
    assert instance.number == 0
    assert "will be asked again" in caplog.text
    instance.refuses_all = False
    follow(log, instance)
    assert instance.bytes == {"alice": 64}


def test_many_refused_lines_in_a_row_are_not_the_lines_fault(log: Path) -> None:
    log.write_bytes(b"".join(line(n, "mallory") for n in range(64)))
    instance = FakeInstance()
    instance.refused = {"mallory"}
    with pytest.raises(OnceFailedError):
        follow(log, instance)
    instance.refused = set()
    follow(log, instance)
    assert instance.bytes["mallory"] == 64 - 10


@pytest.mark.parametrize("at", [7_258_118_400, 9_999_997_200, 9_999_999_999.999])
@pytest.mark.parametrize("log_format", list(LogFormat))
def test_a_line_of_the_year_2200_is_left_out(
    log: Path, log_format: LogFormat, at: float, caplog: pytest.LogCaptureFixture
) -> None:
    written = line(1) + line(2, at=at) + line(3)
    if log_format is LogFormat.SQUID:
        written = written.replace(b" 1 0 GET", b" 1 GET")
    log.write_bytes(written)
    instance = FakeInstance()
    follow(log, instance, log_format=log_format)
    assert instance.bytes == {"alice": 2}
    assert instance.posts == 1
    assert "1 lines" in caplog.text
    assert "is --format right?" not in caplog.text


def test_a_line_of_the_far_future_is_not_how_far_the_log_was_read(log: Path) -> None:
    log.write_bytes(line(1) + line(2, at=4_070_908_800) + line(3))
    instance = FakeInstance()
    follow(log, instance)
    assert instance.bytes == {"alice": 3}
    assert instance.position is not None
    assert instance.position["newest_ms"] == START * 1000 + 3
    log.rename(log.with_name("moved"))
    now = time.time()
    log.write_bytes(line(0, at=now) + line(0, at=now + 1))
    follow(log, instance)
    assert instance.bytes == {"alice": 5}


def test_a_wrong_format_sends_no_address(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    written = [line(1, url="http://secret.example/diary?pw=1"), line(2, url="secret.example:443")]
    written.append(line(2, url="secret.example:443").replace(b" GET ", b" CONNECT "))
    log.write_bytes(b"".join(written))
    instance = FakeInstance()
    follow(log, instance, log_format=LogFormat.SQUID)
    assert instance.bytes == {}
    assert "3 lines" in caplog.text
    assert "is --format right?" in caplog.text
    assert "secret" not in caplog.text


def test_no_such_log(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(OnceFailedError, match="there is no file"):
        follow(log, FakeInstance())
    with pytest.raises(StoppedError):
        follow(log, FakeInstance(), once=False)
    assert caplog.text.count("waiting for it") == 1


def test_a_giant_line_among_many_is_left_out_by_several_processes(
    log: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(squid_follower, "LONG_STRETCH", 100_000)
    lines = [line(n) for n in range(3000)]
    lines.insert(1000, b"x" * 300_000 + b"\n")
    log.write_bytes(b"".join(lines))
    instance = FakeInstance()
    follow(log, instance)
    assert instance.bytes == {"alice": 3000}
    assert instance.posts == 1
    assert "changed" not in caplog.text
    assert "1 lines" in caplog.text


def test_a_server_with_a_colon_is_named_at_the_start(
    tmp_path: Path, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = tmp_path / "token"
    token.write_text("tpm_x")
    token.chmod(0o600)
    config = tmp_path / "edge.toml"
    for server in ("a:b", "x" * 81):
        config.write_text(f'instance_url = "http://127.0.0.1:1"\ntoken_file = "{token}"\nserver = "{server}"\n')
        assert squid_log.main(["--config", str(config), "--log", str(log), "--once"]) == 1
        assert 'server: must be a name of 1 to 80 characters without ":"' in caplog.text
        caplog.clear()
