"""One window among others, under a window manager: how it starts, is put away, comes back, and is used by keyboard."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client.remembered import FILE
from tests.client.conftest import Copy, Desk
from tests.client.instance_stub import InstanceStub
from tests.servers.display import Display, Place
from tests.servers.process import Child, need

pytestmark = pytest.mark.long
OPENBOX = "/usr/bin/openbox"


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Display]:
    """A screen with a window manager: it draws title bars, gives the focus, and puts windows away."""
    need(OPENBOX, "openbox")
    home = tmp_path_factory.mktemp("wm")
    with Display() as screen:
        environment = {"HOME": str(home), "PATH": os.environ["PATH"]} | screen.environment
        with Child([OPENBOX], env=environment, log=home / "log"):
            time.sleep(0.5)
            yield screen


@pytest.fixture
def desk(tmp_path: Path, managed: Display) -> Iterator[Desk]:
    home = tmp_path / "home"
    home.mkdir()
    made = Desk(home, managed)
    yield made
    made.stop()


@pytest.fixture
def stub() -> Iterator[InstanceStub]:
    with InstanceStub() as started:
        yield started


@pytest.fixture
def start(desk: Desk, stub: InstanceStub) -> Callable[..., Copy]:
    """A function that starts a copy which is signed in."""

    def begin(*arguments: str, **keys: object) -> Copy:
        desk.configure("print", server_url=stub.url, windowtitle="Print Balance", **keys)
        state = desk.home / ".local/state/twinpurse-client/print"
        if not state.exists():
            state.mkdir(parents=True, mode=0o700)
            (state / "token").write_text(json.dumps({"server": stub.url, "token": "tpd_known"}))
            (state / "token").chmod(0o600)
        return desk.start("print", "Print Balance", *arguments)

    return begin


def wait(ready: Callable[[], object], what: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_silent_stays_hidden_until_there_is_something_to_show(
    start: Callable[..., Copy], stub: InstanceStub, managed: Display
) -> None:
    stub.down()
    copy = start(silent="Y")
    copy.wait_seen("cannot be reached")
    time.sleep(1)
    assert managed.windows("Print Balance") == []
    stub.up()
    copy.wait_window(timeout_s=20)
    copy.wait_seen("$3.40")


def test_a_second_start_brings_the_first_window_back_and_ends(start: Callable[..., Copy], managed: Display) -> None:
    first = start(minimized="Y")
    first.wait_seen("$3.40")
    assert managed.windows("Print Balance") == []
    second = start()
    wait(lambda: not second.child.running, "the second copy does not end")
    assert second.child.process.returncode == 0
    first.wait_window()
    assert first.child.running


def test_closing_ends_the_program_and_noquit_only_puts_it_away(start: Callable[..., Copy], managed: Display) -> None:
    copy = start(noquit="Y")
    copy.wait_window()
    copy.wait_seen("$3.40")
    managed.key(copy.window, "ctrl+q")
    wait(lambda: managed.windows("Print Balance") == [], "the window stays")
    assert copy.child.running
    copy.child.stop()
    copy = start()
    copy.wait_window()
    managed.key(copy.window, "ctrl+q")
    wait(lambda: not copy.child.running, "the program does not end")
    assert copy.child.process.returncode == 0


def test_places_from_every_edge(start: Callable[..., Copy], managed: Display) -> None:
    for position in ("bottom-right", "bottom-left", "XY100,150", "XY-100,-150"):
        copy = start("--windowposition", position)
        copy.wait_window()
        copy.wait_seen("$3.40")
        time.sleep(0.5)
        place = copy.place
        gaps = place.x, place.y, managed.width - place.x - place.width, managed.height - place.y - place.height
        copy.child.stop()
        bar = 45  # the title bar, which xdotool counts once more under this window manager, and borders
        if position.startswith("bottom"):
            assert gaps[3] <= bar, (position, place)
            assert gaps[2 if position.endswith("right") else 0] <= 3, (position, place)
        elif "-" in position:
            assert abs(gaps[2] - 100) <= 3, place
            assert abs(gaps[3] - 150) <= bar, place
        else:
            assert abs(gaps[0] - 100) <= 3, place
            assert abs(gaps[1] - 150) <= bar, place


def test_the_keyboard_reaches_everything_and_text_grows_for_good(
    start: Callable[..., Copy], stub: InstanceStub, managed: Display, desk: Desk
) -> None:
    stub.orders.messages = [{"id": "1", "kind": "job", "title": "Not printed", "text": "Too dear."}]
    copy = start()
    copy.wait_window()
    copy.wait_seen("$3.40")
    popup = managed.wait_window("Print Balance: Not printed")
    managed.key(popup, "Escape")
    wait(lambda: managed.windows("Print Balance: Not printed") == [], "the message stays")
    asked = len(stub.asked("/balance"))
    managed.key(copy.window, "Tab", "Tab", "space")  # Details, Refresh
    wait(lambda: len(stub.asked("/balance")) > asked, "Refresh does not ask")
    before = copy.place
    managed.key(copy.window, "ctrl+plus", "ctrl+plus", "ctrl+plus")
    wait(lambda: copy.place.width > before.width * 1.2, "the text does not grow")
    copy.child.stop()
    kept = json.loads((desk.home / ".local/state/twinpurse-client/print" / FILE).read_text())
    assert kept["zoom"] == pytest.approx(1.15**3)
    again = start()
    again.wait_window()
    again.wait_seen("$3.40")
    assert again.place.width > before.width * 1.2
    assert not any(" ERROR " in line for line in again.lines())


@pytest.mark.parametrize("background", ["000000", "FFFF00", "7F7F7F", "102A66"])
def test_text_can_be_read_on_what_was_configured(start: Callable[..., Copy], managed: Display, background: str) -> None:
    from client.colours import READABLE, contrast, text_on

    copy = start(background_color=background, windowposition="XY200,200")
    copy.wait_window()
    copy.wait_seen("$3.40")
    time.sleep(0.5)
    colours = managed.colours(copy.place)
    assert max(colours, key=lambda name: colours[name]) == background.lower()
    assert colours.get(text_on(background.lower()), 0) > 200
    assert contrast(text_on(background.lower()), background.lower()) >= READABLE


def test_high_contrast_is_white_and_yellow_on_black(start: Callable[..., Copy], managed: Display) -> None:
    copy = start(background_color="F5E6FF", high_contrast="Y", windowposition="XY200,200")
    copy.wait_window()
    copy.wait_seen("$3.40")
    time.sleep(0.5)
    place = copy.place  # under this window manager xdotool counts the title bar twice
    colours = managed.colours(Place(place.x, place.y - 30, place.width, place.height))
    assert max(colours, key=lambda name: colours[name]) == "000000"
    assert {"ffffff", "ffff00"} <= colours.keys()


def test_a_slip_in_the_settings_is_said_in_the_window(start: Callable[..., Copy]) -> None:
    copy = start(windowposition="middle")
    copy.wait_window()
    copy.wait_seen("$3.40")
    assert any("windowposition=middle is none of" in line for line in copy.lines())
    plain = copy.place.height
    copy.child.stop()
    good = start(windowposition="top-left")
    good.wait_window()
    good.wait_seen("$3.40")
    assert plain > good.place.height + 20


def test_without_a_server_a_window_says_what_is_missing(desk: Desk, managed: Display) -> None:
    copy = desk.start("print", "Balance")
    copy.wait_window()
    managed.key(copy.window, "Escape")
    wait(lambda: not copy.child.running, "the program does not end")
    assert "No server is named" in copy.child.log_tail()
