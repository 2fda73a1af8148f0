"""Serving a folder: refuses what cannot work, says where it serves, and hands the process over to granian."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app import health
from app.errors import InvalidInputError, WrongStateError
from app.factory import create_app
from app.settings import Settings, is_loopback
from directory.interface import DirectoryError
from directory.ldap import LdapDirectory
from portal import settings as portal_settings

ROOT = Path(__file__).resolve().parent.parent
PORTAL_PORT = 8000
PRINT_PORT = 8001
INTERNET_PORT = 8002


@dataclass(frozen=True)
class Served:
    """What is served: the name that people know it by, and the port it takes when none is named."""

    name: str
    port: int
    demo: bool


def look_at(folder: Path) -> Served:
    """Return what is in a folder that is ready to serve.

    Raises SettingsError, PortalSettingsError, WrongStateError for a database that is away or was not upgraded.
    """
    if is_portal(folder):
        portal = portal_settings.Settings.load(folder)
        try:
            LdapDirectory(portal.directory, portal.directory_password)
        except DirectoryError as exc:
            raise portal_settings.PortalSettingsError(folder, [f"directory: {exc}"]) from None
        return Served("The portal", _port(portal.public_url, PORTAL_PORT), portal.demo)
    settings = Settings.load(folder)
    with create_app(settings).app_context():
        problem = health.database_problem()
    if problem:
        raise WrongStateError(f"{problem}{health.remedy(problem, folder)}")
    port = PRINT_PORT if settings.charges_print else INTERNET_PORT
    return Served(settings.config.name, _port(settings.config.public_url, port), settings.config.demo)


def serve(folder: Path, *, host: str, port: int | None, threads: int, socket_path: Path | None = None) -> None:
    """Serve the folder at `host`:`port` (default: its own), or on a Unix socket, and do not come back.

    The socket can be used by this user's group: put the reverse proxy into it. Raises what `look_at` raises,
    InvalidInputError for a demo on an address that others can reach, WrongStateError for a port that is taken: granian
    would share it, and people would land here and there by chance.
    """
    served = look_at(folder)
    if socket_path is not None:
        print(f"{served.name} on {socket_path}", flush=True)
        place = ["--uds", str(socket_path), "--uds-permissions", "0o660"]
    else:
        place = _place(served, host, port or served.port)
    options = [*place, "--workers", "1", "--blocking-threads", str(threads)]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", *options, "--no-ws", "--log-level", "warning"]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"TWINPURSE_INSTANCE": str(folder.absolute()), "PYTHONPATH": path}
    os.execve(sys.executable, [*command, "wsgi:app"], environment)  # noqa: S606 - no shell: it takes our place


def _place(served: Served, host: str, port: int) -> list[str]:
    if served.demo and not is_loopback(host):
        raise InvalidInputError("A demo is served on 127.0.0.1 only.")
    if not _is_free(host, port):
        raise WrongStateError(f"{host}:{port} is in use. Name another: --port {port + 1000}")
    print(f"{served.name} on http://{host}:{port}", flush=True)
    return ["--host", host, "--port", str(port)]


def is_portal(folder: Path) -> bool:
    """Whether the folder is a portal's."""
    return (folder / portal_settings.CONFIG_FILE).exists()


def _port(public_url: str, default: int) -> int:
    return urlsplit(public_url).port or default


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
