"""A real PostgreSQL server with a fresh database for each test that asks."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType

import psycopg

from tests.servers.process import LOOPBACK, Child, ServerStartError, free_port, make_dir, need

# A test's data need not survive a power cut: fsync costs most of the time. Never for measuring.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """initdb and postgres in a folder in /tmp; as root both run as the user postgres, since they refuse root."""

    def __init__(self, *, fast: bool = True) -> None:
        self._fast = fast
        self.bin = newest_bin()
        self.folder = make_dir("twinpurse-postgres-", "postgres")
        self.port = free_port()
        self._numbers = itertools.count(1)
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "logging_collector": "off",
        } | (FAST if fast else {})
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        self.child = Child(
            self._as_postgres([f"{self.bin}/postgres", "-D", str(self.folder / "data"), *options]),
            cwd="/tmp",
            log=self.folder / "log",
        )

    def start(self) -> Postgres:
        """Make the cluster and start it."""
        make = [f"{self.bin}/initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            self._as_postgres([*make, "--locale=C.UTF-8", "-N"]), check=True, capture_output=True, cwd="/tmp"
        )
        self.child.start()
        deadline = time.monotonic() + 30
        ready = [f"{self.bin}/pg_isready", "-q", "-h", LOOPBACK, "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode:
            if not self.child.running or time.monotonic() > deadline:
                raise ServerStartError(self.child.log_tail())
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """Stop the server and remove its folder; one whose data need not survive stops without writing them down."""
        self.child.stop(signal.SIGQUIT if self._fast else signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@{LOOPBACK}:{self.port}/{database}"

    def fresh_database(self, template: str = "template1") -> str:
        """Make a database, as a copy of `template`, and return its SQLAlchemy URL."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def execute(self, statement: str) -> None:
        """Run one statement as the superuser, outside a transaction."""
        where = f"host={LOOPBACK} port={self.port} user=postgres dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _as_postgres(self, argv: list[str]) -> list[str]:
        if os.geteuid():
            return argv
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *argv]

    def __enter__(self) -> Postgres:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def newest_bin() -> str:
    """Return the folder of the newest installed PostgreSQL's programs (Debian's layout)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    folder = str(found[-1]) if found else "/usr/lib/postgresql/15/bin"
    need(f"{folder}/postgres", "postgresql")
    return folder
