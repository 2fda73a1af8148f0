"""How long connections wait, and what one to SQLite is told when it begins."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection

BUSY_TIMEOUT_S = 15
IMPATIENT_MS = 500
PRAGMAS = (
    "journal_mode=WAL",
    "foreign_keys=ON",
    "synchronous=FULL",
    f"busy_timeout={BUSY_TIMEOUT_S}000",
    "wal_autocheckpoint=10000",  # pages, 40 MB: ten times SQLite's own, since every tidying-up waits for the disk twice
    "cache_size=-32000",  # KiB: a run's chunk is written once, not as it overflows
)
PATIENCE = {"connect_timeout": 5, "keepalives_idle": 30, "tcp_user_timeout": 15_000}
"""libpq's limits, in s, s and ms: a server that hangs must not keep our threads."""
LOCK_TIMEOUT_MS = 5_000


def prepare_sqlite(engine: Engine) -> None:
    """Take transactions into our own hands: sqlite3's legacy mode opens none for a SELECT, and a deferred BEGIN loses
    writers to "database is locked" when it is upgraded. FULL keeps what was acknowledged through a power cut."""

    @event.listens_for(engine, "do_connect")
    def _make_private(_dialect: Any, _record: Any, arguments: Any, _options: Any) -> None:
        # Who printed what is nobody else's business. The journal and its index get the mode of this file.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(arguments[0], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        wait_ms = BUSY_TIMEOUT_S * 1000 if options.get("patient", True) else IMPATIENT_MS
        connection.exec_driver_sql(f"PRAGMA busy_timeout={wait_ms}")
        connection.exec_driver_sql("BEGIN " + options.get("sqlite_begin", "DEFERRED"))
