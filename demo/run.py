"""The whole product on one machine for a look: a directory, both instances and the portal, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import ipaddress
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from flask_migrate import upgrade

from app.db import db
from app.factory import MIGRATIONS, create_app
from app.folder import Plan, make_folder, write_secret
from app.settings import Settings
from demo import activity
from demo.people import BASE_DN, GUEST, PEOPLE, SERVICE_DN
from language import LANGUAGES, speaking

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".demo"
ORGANISATION = "Northfield College"
TIME_ZONE = "America/New_York"
START_S = 60
PR_SET_PDEATHSIG = 1  # Linux, prctl(2)

PORTAL_CONFIG = """\
id = "portal"
name = "Twinpurse"
organisation = "{organisation}"
public_url = "http://{host}:{port}"
time_zone = "{time_zone}"
language = "{language}"
demo = true

[directory]
servers = ["ldap://{host}:{ldap_port}"]
bind_dn = "{bind_dn}"
base_dn = "{base_dn}"
plaintext_on_loopback = true

[[notice]]
title = "The printer in the hall gets a new drum on Friday"
text = "Until then its pages may have grey stripes. Ask for a refund of what you cannot use."
title_de = "Der Drucker im Flur bekommt am Freitag eine neue Trommel"
text_de = "Bis dahin können Seiten graue Streifen haben. Lassen Sie sich erstatten, was Sie nicht brauchen können."

[[link]]
title = "Timetable"
href = "http://{host}:{port}/"
note = "Lessons, rooms and changes"
title_de = "Stundenplan"
note_de = "Unterricht, Räume und Änderungen"

[[exchange]]
from = "print"
to = "net"
rate = "1"

[[exchange]]
from = "net"
to = "print"
rate = "1"

[[instance]]
id = "print"
name = "Print"
look = "print"
url = "http://{host}:{print_port}"
public_url = "http://{host}:{print_port}"

[[instance]]
id = "net"
name = "Internet"
look = "net"
url = "http://{host}:{net_port}"
public_url = "http://{host}:{net_port}"
"""
INSTANCE_MORE = """
[transfers]
allowed = true

[exchange]
out = true
into = true
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Start everything, say where it is, and stop all of it at the end. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="the portal's port; the instances take the next two")
    parser.add_argument("--host", default="127.0.0.1", type=_loopback, help="a loopback address")
    parser.add_argument("--folder", type=Path, default=STATE, help="where its databases lie")
    parser.add_argument("--language", default="en", choices=tuple(LANGUAGES), help="in which its notes are written")
    parser.add_argument("--fresh", action="store_true", help="forget what was done in the demo before")
    options = parser.parse_args(arguments)
    state = options.folder.absolute()
    ports = range(options.port, options.port + 4)
    taken = [port for port in ports if not _is_free(options.host, port)]
    if taken:
        print(f"Port {taken[0]} is in use. Try another: make demo PORT={options.port + 1000}", file=sys.stderr)
        return 1
    if options.fresh:
        shutil.rmtree(state, ignore_errors=True)
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell's background job starts with SIGINT ignored
        signal.signal(number, _interrupt)
    children: list[subprocess.Popen[bytes]] = []
    try:
        folders = _make_folders(state, options.host, options.port, options.language)
        _serve(folders, options.host, options.port, children)
    except KeyboardInterrupt:
        print("\nStopping.")
    finally:
        _stop(children)
    return 0


def _serve(folders: dict[str, Path], host: str, port: int, children: list[subprocess.Popen[bytes]]) -> None:
    password = folders["print"] / "secrets" / "directory.password"
    children.append(_start(["-m", "demo.ldap_server", "--port", str(port + 3), "--password-file", str(password)]))
    _wait(lambda: not _is_free(host, port + 3), children)
    for name in ("print", "net"):
        _prepare(folders[name])
    for number, name in enumerate(("portal", "print", "net")):
        children.append(_start_web(folders[name], host, port + number))
    for number in range(3):
        _wait(partial(_answers, f"http://{host}:{port + number}/healthz"), children)
    _tell(host, port, folders)
    while all(child.poll() is None for child in children):
        time.sleep(0.5)
    raise SystemExit("One of the demo's programs ended; its words are above.")


def _make_folders(state: Path, host: str, port: int, language: str) -> dict[str, Path]:
    """Write the configuration anew for these ports; secrets and databases of an earlier start are kept."""
    state.mkdir(parents=True, exist_ok=True)
    folders = {name: state / name for name in ("print", "net", "portal")}
    vaults = {name: folder / "secrets" for name, folder in folders.items()}
    for vault in vaults.values():
        vault.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = vaults["print"] / "directory.password"
    write_secret(password, secrets.token_urlsafe(24))
    shared = {"directory.password": password.read_text().strip()}
    for number, (name, charges) in enumerate({"print": ("print",), "net": ("internet",)}.items(), start=1):
        write_secret(vaults["portal"] / f"instance-{name}.key", secrets.token_urlsafe(48))
        key = (vaults["portal"] / f"instance-{name}.key").read_text().strip()
        (folders[name] / "config.toml").unlink(missing_ok=True)
        plan = Plan(
            charges=charges,
            organisation=ORGANISATION,
            public_url=f"http://{host}:{port + number}",
            portal_url=f"http://{host}:{port}",
            time_zone=TIME_ZONE,
            language=language,
            demo=True,
            servers=(f"ldap://{host}:{port + 3}",),
            bind_dn=SERVICE_DN,
            base_dn=BASE_DN,
            plaintext_on_loopback=True,
            secrets=shared | {"portal.key": key},
        )
        make_folder(folders[name], plan)
        with (folders[name] / "config.toml").open("a") as config:
            config.write(INSTANCE_MORE)
    for secret_name, value in (shared | {"secret.key": secrets.token_urlsafe(48)}).items():
        write_secret(vaults["portal"] / secret_name, value)
    (folders["portal"] / "portal.toml").write_text(
        PORTAL_CONFIG.format(
            organisation=ORGANISATION,
            host=host,
            port=port,
            print_port=port + 1,
            net_port=port + 2,
            ldap_port=port + 3,
            time_zone=TIME_ZONE,
            language=language,
            bind_dn=SERVICE_DN,
            base_dn=BASE_DN,
        )
    )
    return folders


def _prepare(folder: Path) -> None:
    """Bring the database up to date, and fill it once."""
    filled = folder / "filled"
    if not filled.exists():
        print(f"Filling {folder.name} with a month of activity ...", flush=True)
        for leftover in folder.glob("twinpurse.db*"):  # of a start that was interrupted here
            leftover.unlink()
    settings = Settings.load(folder)
    with create_app(settings).app_context(), speaking(settings.config.language):
        upgrade(directory=str(MIGRATIONS))
        if not filled.exists():
            (folder / "card").write_text(activity.fill() + "\n")
        activity.freshen()
        db.session.remove()
        db.engine.dispose()
    filled.touch()


def _start_web(folder: Path, host: str, port: int) -> subprocess.Popen[bytes]:
    options = ["--interface", "wsgi", "--host", host, "--port", str(port), "--workers", "1", "--blocking-threads", "4"]
    return _start(["-m", "granian", *options, "--no-ws", "--log-level", "warning", "wsgi:app"], folder)


def _start(arguments: list[str], folder: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a program of ours in its own process group, so that Ctrl-C reaches it through us alone."""
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH", ""), str(ROOT))))
    environment = os.environ | {"PYTHONPATH": path, "TWINPURSE_INSTANCE": str(folder or "")}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )


def _die_with_parent() -> None:
    """Ask Linux to end this child when the demo is killed without a chance to stop it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    for child in reversed(children):
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait(ready: Callable[[], bool], children: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > deadline or any(child.poll() is not None for child in children):
            raise SystemExit("The demo could not start; the reason is above.")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - loopback http
        return bool(response.status == 200)
    return False


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _tell(host: str, port: int, folders: dict[str, Path]) -> None:
    print(
        f"""
Twinpurse is running. Open the portal:

  Portal     http://{host}:{port}
  Print      http://{host}:{port + 1}
  Internet   http://{host}:{port + 2}

Sign in with one of these:
"""
    )
    for person in PEOPLE:
        print(f"  {person.username:<8} {person.password:<18} {person.group}")
    print(f"  {GUEST.username:<8} {GUEST.password:<18} a guest of each instance, whom the directory does not know")
    print("\nA card of each, to redeem:\n")
    for name, words in (("print", "for printing"), ("net", "for the Internet")):
        print(f"  {(folders[name] / 'card').read_text().strip()}  {words}")
    print("\nCtrl-C stops everything.", flush=True)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _loopback(text: str) -> str:
    """argparse type: an address that no other machine can reach, because the demo's passwords are public."""
    try:
        good = ipaddress.IPv4Address(text).is_loopback
    except ValueError:
        good = False
    if not good:
        raise argparse.ArgumentTypeError(f"{text} is not a loopback address; the demo's passwords are public")
    return text


if __name__ == "__main__":
    sys.exit(main())
