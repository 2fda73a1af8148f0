"""The small parts: colours that can be read, pauses, locks, tokens, places, answers that are not as agreed."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from client import places
from client.answers import NotAsAgreedError, read_card, read_messages
from client.colours import READABLE, accent_of, contrast, muted_on, palette, text_on
from client.config import Server
from client.lock import Lock
from client.pace import LONGEST_RETRY_S, Pace
from client.remembered import Remembered
from client.tokens import TokenStore
from tests.client.instance_stub import CARD

ROOT = Path(__file__).resolve().parents[2]
URL = "https://print.example.org"


def test_text_can_be_read_on_every_background() -> None:
    steps = range(0, 256, 51)
    for background in (f"{red:02x}{green:02x}{blue:02x}" for red in steps for green in steps for blue in steps):
        for text in (text_on(background), muted_on(background)):
            assert contrast(text, background) >= READABLE, (text, background)
        assert len(accent_of(background)) == 6
    assert text_on("ffffff") != text_on("000000")
    strong = palette("f5e6ff", high_contrast=True)
    assert contrast(strong.text, strong.background) == pytest.approx(21)


def test_pauses_are_spread_double_without_answers_and_have_an_end() -> None:
    real = [Pace().after_change(60) for _ in range(300)]
    assert (min(real) >= 51, max(real) <= 69, max(real) - min(real) > 10) == (True, True, True)
    pace = Pace()
    waits = [pace.after_failure() for _ in range(40)]
    assert 2 <= waits[0] <= 4
    assert all(wait <= LONGEST_RETRY_S for wait in waits)
    assert min(waits[20:]) >= LONGEST_RETRY_S / 2
    assert 30 <= Pace().after_failure(30) <= 45
    assert Pace(lambda low, high: high).after_failure(0) == 4


def test_one_program_holds_a_copys_lock_and_a_second_start_shows_the_first(tmp_path: Path) -> None:
    first = Lock(tmp_path / "state")
    assert first.take()
    second = Lock(tmp_path / "state")
    assert not second.take()
    assert not first.is_asked_to_show()
    second.ask_to_show()
    assert first.is_asked_to_show()
    assert not first.is_asked_to_show()
    assert Lock(tmp_path / "other").take()
    held = f"from pathlib import Path; from client.lock import Lock; print(Lock(Path({str(tmp_path / 'p')!r})).take())"
    for _ in range(2):  # it ends with its program, however that ends
        said = subprocess.run([sys.executable, "-c", held], cwd=ROOT, check=True, capture_output=True, text=True)
        assert said.stdout == "True\n"


def test_two_folders_are_two_copies_and_so_are_two_profiles(tmp_path: Path) -> None:
    at = places.Roots(tmp_path / "etc", tmp_path / "config", tmp_path / "state", tmp_path)
    for name in ("a", "b", "a/print", "etc/net"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.properties").write_text("")
    found = [places.find(beside=tmp_path / name, at=at) for name in ("a", "b")]
    assert found[0].identity != found[1].identity
    assert {found[0].state, found[1].state}.isdisjoint({at.state})
    beside = places.find(profile="print", beside=tmp_path / "a", at=at)
    assert (beside.identity, beside.site_file) == ("print", tmp_path / "a/print/config.properties")
    assert places.find(profile="net", beside=tmp_path / "a", at=at).site_file == tmp_path / "etc/net/config.properties"
    named = places.find(config=tmp_path / "b/config.properties", beside=tmp_path / "a", at=at)
    assert named.identity == found[1].identity
    assert places.find(beside=tmp_path / "nothing", at=at).identity == "default"
    for wrong in ("../x", "A", "a b", "x" * 40, ".", "-"):
        with pytest.raises(ValueError, match="a profile is small letters"):
            places.find(profile=wrong, beside=tmp_path, at=at)


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_every_system_has_its_folders(platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    at = places.roots(platform)
    assert at.home == tmp_path
    assert {tmp_path in at.config.parents, tmp_path in at.state.parents, tmp_path in at.site.parents} == {True, False}


def test_a_token_is_for_one_server_and_for_its_owners_eyes(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "s", identity="print", server=URL)
    store.put("tpd_1")
    file = tmp_path / "s" / "token"
    assert (store.get(), file.stat().st_mode & 0o777) == ("tpd_1", 0o600)
    assert TokenStore(tmp_path / "s", identity="print", server="https://other.example").get() == ""
    file.chmod(0o644)
    assert store.get() == "tpd_1"
    assert file.stat().st_mode & 0o777 == 0o600
    for nonsense in (
        "",
        "[]",
        "{}",
        json.dumps({"server": URL, "token": "a\nb"}),
        json.dumps({"server": URL, "token": 5}),
    ):
        file.write_text(nonsense)
        assert store.get() == ""
    store.drop()
    store.drop()
    assert not file.exists()


def test_the_key_store_is_used_when_there_is_one_and_done_without_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module is a fake: what matters is what becomes of its answers, and it cannot be locked at will."""
    kept: dict[tuple[str, str], str] = {}
    ring: Any = types.ModuleType("keyring")
    ring.get_keyring = lambda: types.SimpleNamespace(priority=5)
    ring.get_password = lambda service, account: kept.get((service, account))
    ring.set_password = lambda service, account, token: kept.update({(service, account): token})
    ring.delete_password = lambda service, account: kept.pop((service, account))
    monkeypatch.setitem(sys.modules, "keyring", ring)
    store = TokenStore(tmp_path, identity="print", server=URL)
    store.put("tpd_1")
    assert kept == {("twinpurse-client", f"print {URL}"): "tpd_1"}
    assert (store.get(), list(tmp_path.iterdir())) == ("tpd_1", [])
    store.drop()
    assert (kept, store.get()) == ({}, "")

    def locked(*_: str) -> None:
        raise RuntimeError("the collection is locked")

    ring.get_password = ring.set_password = locked
    store.put("tpd_2")
    assert (store.get(), [path.name for path in tmp_path.iterdir()]) == ("tpd_2", ["token"])
    ring.get_keyring = lambda: types.SimpleNamespace(priority=0)
    assert store.get() == "tpd_2"


def test_answers_that_are_not_as_agreed_are_refused() -> None:
    assert read_card(CARD, server_url=URL).balance == "$3.40"
    assert read_card(CARD | {"next_credit": None, "more": [1]}, server_url=URL).credit_when == ""
    changes: list[dict[str, Any]] = [
        *({"balance_micro": "1"}, {"balance_micro": True}, {"balance_text": 3}, {"balance_text": None}),
        *({"state": "great"}, {"user": "alice"}, {"next_credit": []}, {"as_of": "yesterday"}, {"poll_seconds": 1.5}),
        *({"as_of": "2026-11-23T10:31:00"}, {"news": 5}, {"means": ["x"]}),
    ]
    for change in changes:
        with pytest.raises(NotAsAgreedError):
            read_card(CARD | change, server_url=URL)
    for wrong in (
        {},
        {"messages": {}},
        {"messages": ["x"], "next": ""},
        {"messages": [{}], "next": ""},
        {"messages": []},
    ):
        with pytest.raises(NotAsAgreedError):
            read_messages(wrong)


def test_foreign_text_is_one_plain_line_and_links_stay_at_the_server() -> None:
    card = read_card(CARD | {"means": "a\nb\x1b[31m\u202ec" + "x" * 900}, server_url=URL)
    assert card.means.startswith("a b [31m c")
    assert len(card.means) <= 300
    for link in ("https://evil.example/", "file:///etc/passwd", "https://print.example.org@evil.example/", None, "x"):
        assert read_card(CARD | {"details_url": link}, server_url=URL).details_url == f"{URL}/"
    assert [read_card(CARD | {"poll_seconds": s}, server_url=URL).poll_s for s in (-5, 0, 7, 10**9)] == [1, 1, 7, 3600]


def test_what_was_shown_is_not_remembered_for_ever() -> None:
    kept = Remembered()
    assert all(kept.first_time(str(number)) for number in range(500))
    assert len(kept.shown) == 200
    assert not kept.first_time("499")


def test_addresses_as_a_browser_has_them() -> None:
    assert Server(True, "print", 443, "10.0.0.1", "/x").url == "https://print/x"
    assert Server(False, "::1", 8001, "::1").url == "http://[::1]:8001"


def test_nothing_but_the_standard_library_is_imported_and_two_guests_where_they_are_at_home() -> None:
    import ast

    foreign = set()
    for path in (ROOT / "client").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            known = sys.stdlib_module_names | {"client"}
            foreign |= {(path.name, module) for module in modules if module.split(".")[0] not in known}
    assert foreign == {("tokens.py", "keyring"), ("tray.py", "pystray"), ("tray.py", "PIL")}
