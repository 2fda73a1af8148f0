"""The life of a copy without its window: when it asks, what it shows, what it says once. Over HTTP, on a set clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client import remembered
from client.config import Config, Server
from client.connection import Connection
from client.controller import Controller
from client.pace import Pace
from client.tokens import TokenStore
from client.worker import Asker
from tests.client.instance_stub import CARD, TOKEN, InstanceStub
from tests.servers.process import LOOPBACK

NOON = 1_795_431_600.0
Make = Callable[..., "Desktop"]


class Desktop:
    """One controller with a clock that stands until it is moved."""

    def __init__(self, stub: InstanceStub, state: Path, config: Config, *, token: str, login_name: str = "") -> None:
        self.now = NOON
        self.state = state
        server = Server(False, LOOPBACK, stub.port, LOOPBACK)
        self.tokens = TokenStore(state, identity="print", server=server.url)
        if token:
            self.tokens.put(token)
        connection = Connection(server, timeout_s=2)
        self.controller = Controller(
            config=config,
            asker=Asker(connection, self.tokens, server.url, "a desk", login_name),
            remembered=remembered.load(state, server=server.url),
            keep=lambda what: remembered.save(state, what),
            pace=Pace(lambda low, high: (low + high) / 2),
            clock=lambda: self.now,
        )

    def settle(self) -> Desktop:
        """Let what is under way come to its end, and what follows from it begin and end."""
        deadline = time.monotonic() + 10
        self.controller.tick()
        while self.controller.is_waiting:
            assert time.monotonic() < deadline, "the question does not end"
            time.sleep(0.005)
            self.controller.tick()
        return self

    def after(self, seconds: float) -> Desktop:
        """Let so much time pass."""
        self.now += seconds
        return self.settle()

    @property
    def spoken(self) -> str:
        """What is to be seen."""
        return self.controller.view.spoken

    def told(self) -> list[str]:
        """The titles of the messages that are to be shown now."""
        return [message.title for message in self.controller.take_messages()]


@pytest.fixture
def stub() -> Iterator[InstanceStub]:
    with InstanceStub() as started:
        yield started


@pytest.fixture
def make(stub: InstanceStub, tmp_path: Path) -> Make:
    def start(config: Config | None = None, token: str = TOKEN, **more: str) -> Desktop:
        return Desktop(stub, tmp_path / "state", config or Config(), token=token, **more)

    return start


def test_a_balance_in_words_with_its_time(make: Make) -> None:
    desk = make()
    assert "0.00" not in desk.spoken
    assert desk.controller.view.figure == ""
    desk.settle()
    lines = desk.spoken.splitlines()
    assert lines[0] == "Print · Alice Andersson: $3.40"
    assert lines[1:4] == ["Enough for about 68 pages", "Lasts about 5 days", "Next credit +$2.00: Monday 07:00"]
    assert lines[4].startswith("As of ")
    assert desk.controller.title == "Print Balance"
    assert make(Config(window_title="Print {0}")).settle().controller.title == "Print alice"


def test_unchanged_polls_are_conditional_and_grow_seldom_until_something_happens(
    make: Make, stub: InstanceStub
) -> None:
    desk = make().settle()
    for pause in (60, 90, 135, 202.5, 300, 300):
        before = len(stub.asked("/balance"))
        desk.after(pause - 0.5)
        assert len(stub.asked("/balance")) == before
        desk.after(1)
        assert len(stub.asked("/balance")) == before + 1
        assert stub.asked("/balance")[-1]["If-None-Match"] == '"1"'
    assert desk.controller.view.as_of.startswith("As of")
    stub.orders.card |= {"balance_text": "$3.25"}
    stub.orders.tag = '"2"'
    desk.after(301)
    assert "$3.25" in desk.spoken
    before = len(stub.asked("/balance"))
    assert len(stub.asked("/balance")) == before
    desk.after(60)
    assert len(stub.asked("/balance")) == before + 1


def test_looking_at_the_window_asks_at_once_but_not_again_and_again(make: Make, stub: InstanceStub) -> None:
    desk = make().settle()
    desk.now += 20
    for _ in range(5):
        desk.controller.looked_at()
    desk.settle()
    assert len(stub.asked("/balance")) == 2


def test_away_the_last_value_stays_with_its_age_and_pauses_double(make: Make, stub: InstanceStub) -> None:
    desk = make().settle()
    stub.down()
    for pause in (60, 3, 6, 12):
        desk.after(pause)
    assert "$3.40" in desk.spoken
    assert f"{LOOPBACK} cannot be reached." in desk.spoken
    assert "Last known at" in desk.spoken
    assert "a minute" not in desk.spoken
    assert "1 minute ago" in desk.spoken
    desk.now += 2 * 86_400
    assert "2 days ago" in desk.controller.view.as_of
    stub.up()
    desk.settle()
    assert "As of" in desk.spoken
    assert "cannot be reached" not in desk.spoken


def test_a_server_that_asks_for_patience_gets_it(make: Make, stub: InstanceStub) -> None:
    stub.orders.way, stub.orders.retry_after = "busy", "120"
    desk = make().settle()
    assert desk.controller.view.figure == ""
    desk.after(120)
    assert len(stub.requests) == 1
    desk.after(31)
    assert len(stub.requests) == 2


def test_a_clock_that_is_set_back_is_no_long_silence(make: Make, stub: InstanceStub) -> None:
    desk = make().settle()
    desk.after(-86_400)
    assert len(stub.asked("/balance")) == 2


def test_a_message_is_shown_once_over_restarts_too(make: Make, stub: InstanceStub) -> None:
    stub.orders.messages = [{"id": "job:1:cancelled:1", "kind": "job", "title": "Not printed", "text": "Too dear."}]
    desk = make()
    assert desk.settle().told() == ["Not printed"]
    stub.orders.card |= {"news": "8-0"}
    stub.orders.tag = '"2"'
    stub.orders.messages.append({"id": "credit:8", "kind": "credit", "title": "Credit arrived", "text": "+$2.00"})
    assert desk.after(61).told() == ["Credit arrived"]
    again = make().settle()
    assert again.told() == []
    stub.orders.card |= {"news": "9-0"}
    stub.orders.tag = '"3"'
    assert again.after(61).told() == []


def test_a_low_balance_is_said_once_a_day(make: Make, stub: InstanceStub) -> None:
    stub.orders.card |= {"state": "low", "state_text": "Low", "balance_text": "$0.40"}
    desk = make().settle()
    assert (desk.told(), desk.controller.view.mark) == (["Low balance"], "Low")
    for number in range(5):
        stub.orders.tag = f'"again {number}"'
        assert desk.after(3600).told() == []
    assert make().settle().told() == []
    stub.orders.tag = '"tomorrow"'
    assert desk.after(86_400).told() == ["Low balance"]


def test_signing_in_once_and_out_again(make: Make, stub: InstanceStub) -> None:
    desk = make(token="").settle()
    assert desk.controller.view.has_form
    assert stub.requests == []
    desk.controller.sign_in("", "x")
    assert "Type your network name" in desk.settle().spoken
    desk.controller.sign_in("alice", "demo-alice")
    assert "$3.40" in desk.settle().spoken
    assert desk.tokens.get() == TOKEN
    assert (desk.state / "token").stat().st_mode & 0o777 == 0o600
    assert "demo-alice" not in "".join(path.read_text() for path in desk.state.iterdir())
    assert "$3.40" in make(token="").settle().spoken
    desk.controller.sign_out()
    assert desk.settle().controller.view.has_form
    assert "$3.40" not in desk.spoken
    assert (desk.tokens.get(), stub.requests[-1][0]) == ("", "DELETE")
    assert "Alice" not in (desk.state / remembered.FILE).read_text()


def test_somebody_who_is_disabled_keeps_the_token_and_is_tried_again(make: Make, stub: InstanceStub) -> None:
    words = "This network account is disabled. Ask the help desk."
    desk = make().settle()
    stub.orders.way = "refuse"
    stub.orders.refusal = (401, {"error": "not_signed_in", "message": words, "reason": "disabled"})
    desk.after(60)
    assert words in desk.spoken
    assert "$3.40" not in desk.spoken
    assert not desk.controller.view.has_form
    stub.orders.way = "well"
    assert "$3.40" in desk.after(61).spoken


def test_the_login_name_is_only_tried_where_it_was_asked_for(make: Make, stub: InstanceStub) -> None:
    make(token="").settle()
    assert stub.asked("/by-login-name") == []
    desk = make(Config(neverrequestidentity=True), token="", login_name="alice").settle()
    assert len(stub.asked("/by-login-name")) == 1
    assert not desk.controller.view.has_form
    assert "does not ask who you are" in desk.spoken
    stub.orders.believes = True
    assert "$3.40" in desk.after(61).spoken


def test_what_is_remembered_of_another_server_or_was_tampered_with_is_not_shown(make: Make, stub: InstanceStub) -> None:
    make().settle()
    file = make().state / remembered.FILE
    stub.down()
    assert "$3.40" in make().settle().spoken
    text = file.read_text()
    for changed in (
        text.replace(str(stub.port), "1"),
        text.replace("$3.40", "7", 1)[:-4],
        "[]",
        "{}",
        '{"zoom": "1"}',
        "",
    ):
        file.write_text(changed)
        assert "Balance not known" in make().settle().spoken, changed
    assert CARD["balance_text"] == "$3.40"
