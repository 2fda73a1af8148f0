"""`twinpurse-client install` and `uninstall`: autostart and start-menu entries of the two copies, and login scripts.

What was written is listed in installed.json, with a digest of each file: uninstalling removes exactly that, and leaves
what somebody has changed since.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from client import entries, places
from client.config import Config, server_of
from client.entries import COPIES, CopyEntry

MANIFEST: Final = "installed.json"
RUN_PATH: Final = r"Software\Microsoft\Windows\CurrentVersion\Run"


@dataclass
class Written:
    """What an installation left: files with the digest of their content, folders it made, names in the Run key."""

    files: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    run_names: list[str] = field(default_factory=list)


class Installer:
    """Writes entries, and takes away what it wrote. `platform` and `registry` can be others', for tests."""

    def __init__(self, at: places.Roots, program: Sequence[str], *, platform: str = sys.platform) -> None:
        self._at, self._program, self._platform = at, list(program), platform
        self._manifest = at.state / MANIFEST
        self.kept: list[str] = []

    def install(
        self, copies: Sequence[CopyEntry], servers: dict[str, str], *, autostart: bool, scripts: Path
    ) -> Written:
        """Write everything for these copies; `servers` (profile -> address) gives a copy a config where it has none.

        Doing it again brings the files up to date. Raises OSError.
        """
        written = self._known()
        for copy in copies:
            config = self._at.config / copy.profile / places.CONFIG_FILE
            if copy.profile in servers and (str(config) in written.files or not config.exists()):
                self._write(written, config, entries.config_properties(copy, server_url=servers[copy.profile]))
            if self._platform == "win32":
                self._install_on_windows(written, copy, autostart=autostart)
            elif self._platform == "darwin":
                if autostart:
                    agent = self._at.home / "Library" / "LaunchAgents" / f"{entries.PROGRAM}.{copy.profile}.plist"
                    self._write(written, agent, entries.launch_agent(copy, self._program))
            else:
                self._install_on_linux(written, copy, autostart=autostart)
        self._write(written, scripts / "balance-windows.sh", entries.login_script_sh(self._program, copies), mode=0o755)
        self._write(written, scripts / "balance-windows.bat", entries.login_script_bat(self._program, copies))
        return written

    def uninstall(self) -> list[str]:
        """Remove what was written and not changed since; return what was removed. `kept` lists the rest."""
        written, removed = self._known(), []
        for name, digest in written.files.items():
            path = Path(name)
            try:
                if _digest(path.read_bytes()) != digest:
                    self.kept.append(name)
                    continue
                path.unlink()
            except FileNotFoundError:
                continue
            except OSError:
                self.kept.append(name)
                continue
            removed.append(name)
        for name in written.run_names:
            if self._platform == "win32" and _remove_run(name):
                removed.append(f"{entries.RUN_KEY}\\{name}")
        self._manifest.unlink(missing_ok=True)
        for name in sorted(written.folders, key=len, reverse=True):
            try:
                Path(name).rmdir()  # only an empty one
            except OSError:
                continue
        return removed

    def _install_on_linux(self, written: Written, copy: CopyEntry, *, autostart: bool) -> None:
        name = f"{entries.PROGRAM}-{copy.profile}.desktop"
        data = Path(os.environ.get("XDG_DATA_HOME") or self._at.home / ".local" / "share")
        menu = data / "applications" / name
        self._write(written, menu, entries.desktop_entry(copy, self._program, autostart=False))
        if autostart:
            start = self._at.config.parent / "autostart" / name
            self._write(written, start, entries.desktop_entry(copy, self._program, autostart=True))

    def _install_on_windows(self, written: Written, copy: CopyEntry, *, autostart: bool) -> None:
        if autostart:
            _write_run(entries.run_name(copy), entries.run_value(copy, self._program))
            written.run_names = sorted({*written.run_names, entries.run_name(copy)})
        menu = self._at.config.parent / "Microsoft" / "Windows" / "Start Menu" / "Programs" / f"{copy.menu_name}.lnk"
        script = entries.shortcut_script(copy, self._program, str(menu))
        subprocess.run(["powershell", "-NoProfile", "-NonInteractive", "-Command", script], check=True, timeout=60)
        written.files[str(menu)] = _digest(menu.read_bytes())
        self._save(written)

    def _write(self, written: Written, path: Path, text: str, *, mode: int = 0o644) -> None:
        """Write one file, and note it before: an installation that breaks off can still be undone."""
        for folder in reversed([one for one in path.parents if not one.exists()]):
            folder.mkdir(mode=0o700)
            written.folders.append(str(folder))
        content = text.encode("utf-8")
        written.files[str(path)] = _digest(content)
        self._save(written)
        path.write_bytes(content)
        path.chmod(mode)

    def _save(self, written: Written) -> None:
        for folder in reversed([one for one in self._manifest.parents if not one.exists()]):
            folder.mkdir(mode=0o700)
            written.folders.append(str(folder))
        self._manifest.write_text(json.dumps(written.__dict__, indent=1), "utf-8")

    def _known(self) -> Written:
        try:
            return Written(**json.loads(self._manifest.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return Written()


def main(arguments: Sequence[str]) -> int:
    """Run `install` or `uninstall`; return the exit code."""
    options = _parser().parse_args(arguments)
    installer = Installer(places.roots(), _own_command())
    if options.verb == "uninstall":
        for name in installer.uninstall():
            print(f"removed {name}")
        for name in installer.kept:
            print(f"left, it was changed: {name}", file=sys.stderr)
        return 1 if installer.kept else 0
    servers = {copy.profile: url for copy in COPIES if (url := getattr(options, copy.profile))}
    for url in servers.values():
        try:
            server_of(Config(server_url=url))
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
    copies = [copy for copy in COPIES if not servers or copy.profile in servers]
    scripts = options.scripts or places.roots().config
    try:
        written = installer.install(copies, servers, autostart=not options.no_autostart, scripts=scripts)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"not everything could be written: {error}. uninstall removes what was.", file=sys.stderr)
        return 1
    for name in (*written.files, *(f"{entries.RUN_KEY}\\{name}" for name in written.run_names)):
        print(f"wrote {name}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twinpurse-client", description=__doc__)
    parser.add_argument("verb", choices=("install", "uninstall"))
    parser.add_argument("--print", metavar="URL", default="", help="address of the print instance")
    parser.add_argument("--net", metavar="URL", default="", help="address of the Internet instance")
    parser.add_argument("--no-autostart", action="store_true", help="only start-menu entries")
    parser.add_argument("--scripts", type=Path, metavar="FOLDER", help="where the sample login scripts go")
    return parser


def _own_command() -> list[str]:
    """Return how this program is started again."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    started = Path(sys.argv[0]).absolute()
    if started.name.startswith(entries.PROGRAM):
        return [str(started)]
    return [sys.executable, "-m", "client"]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _registry() -> Any:
    import winreg

    return winreg


def _write_run(name: str, value: str) -> None:
    registry = _registry()
    with registry.CreateKey(registry.HKEY_CURRENT_USER, RUN_PATH) as key:
        registry.SetValueEx(key, name, 0, registry.REG_SZ, value)


def _remove_run(name: str) -> bool:
    registry = _registry()
    try:
        with registry.OpenKey(registry.HKEY_CURRENT_USER, RUN_PATH, 0, registry.KEY_SET_VALUE) as key:
            registry.DeleteValue(key, name)
    except OSError:
        return False
    return True
