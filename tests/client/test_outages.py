"""What the window says and does while its instance is away, slow, strange or refuses: the truth, at once, and on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.conftest import Copy, Desk
from tests.client.instance_stub import CARD, InstanceStub
from tests.servers.authority import Authority

ANSWERS_A_CLICK_S = 0.1
"""Of five clicks the quickest: the machine may be busy with other tests, a window that hangs answers none of them."""
LATE_S = 16  # a whole answer may take 10 s
BACK_S = 12  # the second retry comes after 8 s at most
PERSONAL = ("$3.40", "Alice")


@pytest.fixture
def stub() -> Iterator[InstanceStub]:
    with InstanceStub() as started:
        yield started


def start(desk: Desk, url: str, **keys: object) -> Copy:
    """Start a signed-in copy that shows the stub's balance."""
    desk.configure("print", server_url=url, windowtitle="Print Balance", windowposition="top-left", **keys)
    state = desk.home / ".local/state/twinpurse-client/print"
    state.mkdir(parents=True, mode=0o700)
    (state / "token").write_text(json.dumps({"server": url, "token": "tpd_known"}))
    (state / "token").chmod(0o600)
    copy = desk.start("print", "Print Balance")
    copy.wait_window()
    return copy


def click_s(copy: Copy) -> float:
    """Press "More…" and then Escape; return how many seconds it took until the menu was on the screen."""
    screen, place = copy.display, copy.place
    x, y = place.x + 205, place.y + place.height - 24
    menu = (place.x + 180, place.y + place.height + 12)
    before = screen.pixel(*menu)
    began = screen.click(x, y)
    while screen.pixel(*menu) == before:
        assert time.monotonic() - began < 5, "the click was not answered"
    took = time.monotonic() - began
    screen.xdotool("key", "Escape")
    deadline = time.monotonic() + 5
    while screen.pixel(*menu) != before:
        assert time.monotonic() < deadline, "the menu did not close"
        time.sleep(0.01)
    print(f"click answered in {took * 1000:.0f} ms")
    return took


def refresh(copy: Copy) -> None:
    """Press F5."""
    copy.display.key(copy.window, "F5")


@pytest.mark.long
def test_stopped_and_hung_the_window_keeps_the_last_value_and_answers_clicks(desk: Desk, stub: InstanceStub) -> None:
    copy = start(desk, stub.url)
    copy.wait_seen("$3.40", "As of")
    stub.down()
    refresh(copy)
    copy.wait_seen("$3.40", "Last known at", "127.0.0.1 cannot be reached.")
    assert "$0.00" not in " ".join(copy.lines())
    stub.released.clear()
    stub.orders.way = "hang"
    stub.up()
    refresh(copy)
    deadline = time.monotonic() + 5
    while not stub.asked("/balance")[1:]:
        assert time.monotonic() < deadline, "it does not ask again"
        time.sleep(0.02)
    assert min(click_s(copy) for _ in range(5)) < ANSWERS_A_CLICK_S
    stub.orders.way = "well"
    stub.released.set()
    copy.wait_seen("$3.40", "As of", timeout_s=BACK_S)


@pytest.mark.long
@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("hang", "127.0.0.1 does not answer in time."),
        ("drip", "127.0.0.1 does not answer in time."),
        ("garbage", "What answers at 127.0.0.1 is not Twinpurse."),
        ("redirect", "we do not follow"),
        ("fault", "it answered 500"),
        ("busy", "Busy."),
    ],
)
def test_whatever_the_server_does_the_window_says_so_answers_clicks_and_recovers(
    desk: Desk, stub: InstanceStub, way: str, words: str
) -> None:
    copy = start(desk, stub.url)
    copy.wait_seen("$3.40", "As of")
    stub.orders.way = way
    refresh(copy)
    copy.wait_seen("$3.40", "Last known at", words, timeout_s=LATE_S)
    assert min(click_s(copy) for _ in range(5)) < ANSWERS_A_CLICK_S
    stub.orders.way = "well"
    stub.released.set()
    copy.wait_seen("$3.40", "As of", timeout_s=BACK_S)


@pytest.mark.long
@pytest.mark.parametrize("wrong", ["unknown authority", "another's name", "expired"])
def test_a_wrong_certificate_is_named_and_nothing_is_sent(desk: Desk, tmp_path: Path, wrong: str) -> None:
    trusted, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    good = trusted.sign("good")
    bad = {
        "unknown authority": lambda: other.sign("bad"),
        "another's name": lambda: trusted.sign("bad", ["DNS:elsewhere.example"]),
        "expired": lambda: Authority(tmp_path / "ca", days=-1).sign("bad"),
    }[wrong]()
    with InstanceStub(bad) as stub:
        copy = start(desk, stub.url, ca_file=trusted.ca_file)
        copy.wait_seen("Balance not known", "could not prove who it is", "Nothing was sent to it.")
        assert stub.requests == []
        port = stub.port
        assert min(click_s(copy) for _ in range(5)) < ANSWERS_A_CLICK_S
    if wrong == "expired":
        return  # the authority was made anew, with the same name
    mended = InstanceStub(good)
    mended.port = port
    with mended:
        copy.wait_seen("$3.40", "As of", timeout_s=BACK_S)


@pytest.mark.long
def test_a_revoked_token_brings_the_form_back_and_a_disabled_account_only_words(desk: Desk, stub: InstanceStub) -> None:
    copy = start(desk, stub.url)
    copy.wait_seen("$3.40")
    stub.orders.way = "refuse"
    words = "This network account is disabled. Ask the help desk."
    stub.orders.refusal = (401, {"error": "not_signed_in", "message": words, "reason": "disabled"})
    refresh(copy)
    shown = copy.wait_seen("Not available", words)
    assert not any(word in shown for word in PERSONAL)
    assert min(click_s(copy) for _ in range(5)) < ANSWERS_A_CLICK_S
    stub.orders.way = "well"
    refresh(copy)
    copy.wait_seen("$3.40")

    stub.orders.way = "refuse"
    words = "This device was signed out. Sign in again."
    stub.orders.refusal = (401, {"error": "not_signed_in", "message": words, "reason": "revoked"})
    refresh(copy)
    shown = copy.wait_seen("Sign in to see your balance", words)
    assert not any(word in shown for word in PERSONAL)
    remembered = (desk.home / ".local/state/twinpurse-client/print/remembered.json").read_text()
    assert not any(word in remembered for word in PERSONAL)
    stub.orders.way = "well"
    copy.sign_in("alice")
    copy.wait_seen(str(CARD["balance_text"]), "As of")
