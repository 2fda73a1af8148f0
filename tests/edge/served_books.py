"""An instance that serves as a program of its own, to be killed and started again, and a look into its books."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.api import tokens
from app.db import db, reading, writing
from app.factory import MIGRATIONS, create_app
from app.folder import Plan, make_folder
from app.internet import hours, rates
from app.internet.models import UsageCarry, UsageHour
from app.ledger.models import Account, Entry
from app.ledger.verify import verify
from app.people import service as people
from app.people.models import User
from app.settings import Settings
from directory.memory import MemoryDirectory
from tests.conftest import person
from tests.servers.process import LOOPBACK, Child, ServerStartError, free_port, wait_port

SERVE = "from app.cli import main; main()"
PROJECT = Path(__file__).resolve().parents[2]


class ServedBooks:
    """A net instance in `folder` at a port of its own. `app` looks into the same database from here."""

    def __init__(
        self, folder: Path, names: Sequence[str], *, database_url: str = "", books: Path | None = None
    ) -> None:
        """`books`: a SQLite file with every table, to be copied: it spares the migrations."""
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.folder = folder / "net"
        make_folder(self.folder, Plan(charges=("internet",), public_url=self.url, database_url=database_url))
        if books is not None and not database_url:
            shutil.copy(books, self.folder / "twinpurse.db")
        self.app: Flask = create_app(Settings.load(self.folder), directory=MemoryDirectory([]))
        with self.app.app_context():
            upgrade(directory=str(MIGRATIONS))
            for name in names:
                writing(lambda session, name=name: self._remember(session, name))
            self.token = writing(
                lambda session: tokens.make_machine_token(session, name="p", scope="internet", now=clock.now())
            )
            db.session.remove()
        self.server = Child(
            [
                sys.executable,
                "-c",
                "from app.cli import main; main()",
                "serve",
                str(self.folder),
                "--port",
                str(self.port),
            ],
            env={name: value for name, value in os.environ.items() if name != "TWINPURSE_INSTANCE"},
            cwd=PROJECT,
            log=folder / "net.out",
        )

    def write_config(self, folder: Path, server: str = "proxy-1") -> Path:
        """Write an edge.toml for a program beside the proxy; return its path."""
        token = folder / "token"
        token.write_text(self.token)
        token.chmod(0o600)
        config = folder / "edge.toml"
        config.write_text(f'instance_url = "{self.url}"\ntoken_file = "{token}"\nserver = "{server}"\n')
        return config

    def up(self) -> None:
        """Serve, and wait until it answers: that the port is taken proves nothing, `serve` tries it first."""
        self.server.start()
        wait_port(self.port, self.server, timeout_s=90)
        deadline = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > deadline:
                raise ServerStartError(f"the instance does not answer:\n{self.server.log_tail()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End every process of it with SIGKILL."""
        kill_all(self.server)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/api/v1/internet/position?source=x")
            return connection.getresponse().status == 401
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def close(self) -> None:
        """Stop serving, let go of the database."""
        self.server.stop()
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()

    def charged(self) -> Counter[str]:
        """Bytes that were charged, by user: what stands on entries, and what rounding keeps for the next."""
        with self.app.app_context():
            on_entries = select(User.username, func.sum(Entry.quantity)).join(Account, Account.user_id == User.id)
            on_entries = on_entries.join(Entry, Entry.account_id == Account.id).group_by(User.username)
            kept = select(User.username, UsageCarry.bytes).join(UsageCarry, UsageCarry.user_id == User.id)
            found: Counter[str] = Counter()
            for rows in (reading().execute(on_entries), reading().execute(kept)):
                for name, size in rows:
                    found[name] += int(size)
            db.session.remove()
            return +found

    def by_hour(self) -> Counter[str]:
        """Bytes down and up that the pages show, by user; what waits is added up first."""
        with self.app.app_context():
            plan = rates.load(reading(), self.app.extensions["twinpurse.settings"])
            while writing(lambda session: hours.add_waiting(session, plan=plan)):
                pass
            sizes = func.sum(UsageHour.download + UsageHour.upload)
            rows = reading().execute(select(User.username, sizes).join(UsageHour).group_by(User.username))
            found = Counter({name: int(size) for name, size in rows})
            db.session.remove()
            return found

    def differences(self) -> list[object]:
        """What `twinpurse verify` finds."""
        with self.app.app_context():
            found = list(verify(reading()).differences)
            db.session.remove()
            return found

    def _remember(self, session: Session, name: str) -> None:
        people.remember(session, person=person(name, name, ()), admin_groups=[], now=clock.now())


def kill_all(child: Child) -> None:
    """End a program and the processes below it with SIGKILL, and wait until none of them runs."""
    os.kill(child.pid, signal.SIGSTOP)  # one that it makes meanwhile would live on, and hold the port
    pids = [*descendants(child.pid), child.pid]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    child.process.wait(10)
    while any(_runs(pid) for pid in pids):
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] not in "ZX"
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    """The processes below one that run now."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(") ", 1)[1].split()[1])
            except OSError:
                continue
    found, wave = [], [pid]
    while wave:
        wave = [child for child, parent in parents.items() if parent in wave]
        found += wave
    return found
