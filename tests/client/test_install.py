"""Installing: the entries of both copies for every system, as text; and on this one, written and taken away again."""

from __future__ import annotations

import configparser
import os
import plistlib
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from client import entries
from client.config import load
from client.entries import COPIES
from client.install import Installer, main
from client.places import Roots

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ["/opt/balance window/twinpurse-client"]
SERVERS = {"print": "https://print.example.org", "net": "https://net.example.org"}


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Roots:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    name = "twinpurse-client"
    return Roots(tmp_path / "etc" / name, home / ".config" / name, home / ".local/state" / name, home)


def everything(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() if p.is_file() else "folder" for p in folder.rglob("*")}


def test_uninstalling_removes_exactly_what_installing_wrote(at: Roots) -> None:
    (at.home / ".config/autostart").mkdir(parents=True)
    (at.home / ".config/autostart/other.desktop").write_text("somebody else's")
    before = everything(at.home)
    for _twice in range(2):
        Installer(at, PROGRAM, platform="linux").install(COPIES, SERVERS, autostart=True, scripts=at.home / "scripts")
    written = everything(at.home).keys() - before.keys()
    names = {Path(name).name for name in written}
    assert {"twinpurse-client-print.desktop", "twinpurse-client-net.desktop", "balance-windows.bat"} <= names
    assert os.access(at.home / "scripts/balance-windows.sh", os.X_OK)
    installer = Installer(at, PROGRAM, platform="linux")
    assert len(installer.uninstall()) == 8
    assert (installer.kept, everything(at.home)) == ([], before)
    assert Installer(at, PROGRAM, platform="linux").uninstall() == []


def test_what_somebody_changed_or_had_before_is_left(at: Roots) -> None:
    mine = at.config / "print" / "config.properties"
    mine.parent.mkdir(parents=True)
    mine.write_text("windowtitle=My own\n")
    Installer(at, PROGRAM, platform="linux").install(COPIES, SERVERS, autostart=True, scripts=at.home / "scripts")
    assert mine.read_text() == "windowtitle=My own\n"
    changed = at.config / "net" / "config.properties"
    changed.write_text(changed.read_text() + "silent=Y\n")
    installer = Installer(at, PROGRAM, platform="linux")
    installer.uninstall()
    assert installer.kept == [str(changed)]
    assert (mine.exists(), changed.exists(), (at.home / "scripts").exists()) == (True, True, False)


def test_desktop_entries_name_each_copy_and_quote_the_program(at: Roots) -> None:
    Installer(at, PROGRAM, platform="linux").install(COPIES, {}, autostart=True, scripts=at.home / "scripts")
    found = {}
    for path in sorted(at.home.rglob("*.desktop")):
        entry = configparser.ConfigParser(interpolation=None)
        entry.read(path)
        found[path.parent.name, entry["Desktop Entry"]["Name"]] = shlex.split(entry["Desktop Entry"]["Exec"])
    assert found == {
        ("applications", "My Printing Balance"): [*PROGRAM, "--profile", "print"],
        ("applications", "My Internet Balance"): [*PROGRAM, "--profile", "net"],
        ("autostart", "My Printing Balance"): [*PROGRAM, "--profile", "print", "--silent"],
        ("autostart", "My Internet Balance"): [*PROGRAM, "--profile", "net", "--silent"],
    }
    quoted = entries.desktop_entry(COPIES[0], ['/a$b/`c`/"d"/50%'], autostart=False)
    assert 'Exec="/a\\\\$b/\\\\`c\\\\`/\\\\"d\\\\"/50%%" --profile print' in quoted


def test_the_texts_for_windows_and_macos() -> None:
    program = [r"C:\Program Files\Balance\twinpurse-client.exe"]
    assert entries.run_value(COPIES[0], program) == f'"{program[0]}" --profile print --silent'
    assert [entries.run_name(copy) for copy in COPIES] == ["twinpurse-client-print", "twinpurse-client-net"]
    script = entries.login_script_bat([r"\\server\100% balance\twinpurse-client.exe"])
    assert script.splitlines()[2:] == [
        r'start "" "\\server\100%% balance\twinpurse-client.exe" --profile print --silent',
        r'start "" "\\server\100%% balance\twinpurse-client.exe" --profile net --silent',
    ]
    assert script.count("\r\n") == script.count("\n")
    made = entries.shortcut_script(COPIES[1], program, r"C:\Users\o'neil\My Internet Balance.lnk")
    assert r"CreateShortcut('C:\Users\o''neil\My Internet Balance.lnk')" in made
    assert rf"$s.TargetPath = '{program[0]}'" in made
    assert "$s.Arguments = '--profile net'" in made
    agent = plistlib.loads(entries.launch_agent(COPIES[0], ["/Applications/A & B/<x>"]).encode())
    assert agent["ProgramArguments"] == ["/Applications/A & B/<x>", "--profile", "print", "--silent"]
    assert (agent["Label"], agent["RunAtLoad"]) == ("twinpurse-client.print", True)


def test_login_scripts_start_both_copies(tmp_path: Path) -> None:
    program = tmp_path / "it's here" / "twinpurse-client"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(tmp_path / "started"))}\n')
    program.chmod(0o755)
    script = tmp_path / "login.sh"
    script.write_text(entries.login_script_sh([str(program)]) + "wait\n")
    subprocess.run(["/bin/sh", str(script)], check=True, timeout=20)
    started = sorted((tmp_path / "started").read_text().splitlines())
    assert started == ["--profile net --silent", "--profile print --silent"]


def test_ready_configs_say_what_was_meant(tmp_path: Path) -> None:
    for copy in COPIES:
        file = tmp_path / f"{copy.profile}.properties"
        file.write_text(entries.config_properties(copy, server_url="https://größe.example/a\\b"))
        config = load(site_file=file, user_file=tmp_path / "none")
        assert config.problems == ()
        assert config.server_url == "https://größe.example/a\\b"
        assert (config.window_title, config.background_color) == (copy.title, copy.colour.lower())


def test_the_command_says_what_it_wrote_and_refuses_addresses_in_the_open(
    at: Roots, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(at.home))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert main(["install", "--print", "http://print.example.org"]) == 2
    assert "by https only" in capsys.readouterr().err
    assert main(["install", "--print", SERVERS["print"], "--no-autostart"]) == 0
    assert "applications/twinpurse-client-print.desktop" in capsys.readouterr().out
    assert not list(at.home.rglob("*net*"))
    [entry] = at.home.rglob("*.desktop")
    assert f"Exec={sys.executable} -m client --profile print" in entry.read_text()
    assert main(["uninstall"]) == 0
    assert everything(at.home) == {}
