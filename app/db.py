"""The database: one engine per instance, reading sessions, and the only commit of the project."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import psycopg
from flask import Flask, current_app
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import (
    JSON,
    ColumnElement,
    DateTime,
    Engine,
    Integer,
    MetaData,
    PoolProxiedConnection,
    create_engine,
    event,
    func,
    literal,
    select,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import BigInteger, TypeDecorator

from app import engines
from app.errors import UnavailableError
from language import _

T = TypeVar("T")

FEW = 100
"""Values that SQLite is given one by one."""
ATTEMPTS_MAX = 8
GIVE_UP_AFTER_S = 20
"""No new try is begun after this: whoever waits for an answer has long gone."""

BigInt = BigInteger().with_variant(Integer, "sqlite")
"""64 bits on both databases; SQLite makes row ids by itself only for a column called INTEGER."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware and in UTC in Python, `timestamptz` in PostgreSQL, ISO text without zone in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs its zone")
        return value.astimezone(UTC).replace(tzinfo=None if dialect.name == "sqlite" else UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Every table's base; constraints get names, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class ReadingSession(FlaskSession):
    """The session of pages and look-ups: it refuses to write, so that every write goes through `writing`."""

    def flush(self, objects: Any = None) -> None:
        if self._is_clean():
            return
        raise RuntimeError("a reading session was asked to write; use app.db.writing")


class AtOnceSession(Session):
    """The session of `writing_at_once`: look-ups, and one statement that PostgreSQL commits by itself.

    That statement goes to the driver: building a transaction around it would cost more than what it does. The machinery
    of a session is made when something is looked up; most work does not.
    """

    def __init__(self, engine: Engine) -> None:
        self.bind = self._engine = engine
        self._fairy: PoolProxiedConnection | None = None

    def __getattr__(self, name: str) -> Any:
        """Make what a session consists of, once a part of it is asked for."""
        if "identity_map" in vars(self):
            raise AttributeError(name)
        super().__init__(self._engine, expire_on_commit=False)
        return getattr(self, name)

    def flush(self, objects: Any = None) -> None:
        if not self._is_clean():
            raise RuntimeError("work that is done at once makes one statement by `run_statement`; use app.db.writing")

    def run(self, statement: str, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Run the one statement and return its first row."""
        if self._fairy is not None:
            raise RuntimeError("work that is done at once makes one statement")
        self._fairy = self._engine.raw_connection()
        kept = self._fairy.info  # lives as long as the connection
        cursor = kept.get("cursor") or kept.setdefault("cursor", self._fairy.cursor())
        row: Sequence[Any] | None = cursor.execute(statement, values, prepare=True).fetchone()
        return row

    def commit(self) -> None:
        """End the look-ups; the statement was committed as it ran."""
        if "identity_map" in vars(self):
            super().commit()

    def close(self) -> None:
        """Give the connection back, or throw the pool away when the server has gone: none of its connections lives."""
        if self._fairy is not None:
            driver: Any = self._fairy.driver_connection
            if driver is None or driver.closed:
                self._fairy.invalidate()
                self._engine.dispose()
            else:
                self._fairy.close()
            self._fairy = None
        if "identity_map" in vars(self):
            super().close()


db = SQLAlchemy(model_class=Base, session_options={"class_": ReadingSession, "autoflush": False})
migrate = Migrate()


def init_app(app: Flask, database_url: str, migrations: str) -> None:
    """Attach the database of `database_url` to `app`."""
    options: dict[str, Any] = {"pool_pre_ping": True, "connect_args": engines.PATIENCE}
    if database_url.startswith("sqlite"):
        options = {"connect_args": {"timeout": engines.BUSY_TIMEOUT_S, "check_same_thread": False}}
    options["hide_parameters"] = True  # an error in the log shall not carry names and titles
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)
    migrate.init_app(app, db, directory=migrations)
    with app.app_context():
        (engines.prepare_sqlite if db.engine.dialect.name == "sqlite" else _prepare_postgresql)(db.engine)
        writers: dict[str, Engine] = {
            str(patient): db.engine.execution_options(sqlite_begin="IMMEDIATE", patient=patient)
            for patient in (True, False)
        }
        if db.engine.dialect.name == "postgresql":
            # A pool of its own: a connection that is switched to and fro costs as much as the transaction it spares.
            # No ping and no reset: what fails on a dead connection is tried again, and nothing is left to roll back.
            writers["at once"] = create_engine(
                database_url,
                isolation_level="AUTOCOMMIT",
                pool_reset_on_return=None,
                connect_args=engines.PATIENCE,
                hide_parameters=True,
            )
            _prepare_postgresql(writers["at once"])
        app.extensions["twinpurse.writers"] = writers


def reading() -> Session:
    """Return the request's reading session (Flask-SQLAlchemy closes it at the end of the request)."""
    return db.session()


@contextlib.contextmanager
def one_moment() -> Iterator[Session]:
    """Read in a session of its own that sees the database as it is at its first question, whoever goes on writing.

    A transaction of SQLite does so by itself; PostgreSQL is asked for it, and refuses to write meanwhile.
    """
    engine = db.engine
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with Session(engine, autoflush=False) as session:
        yield session


def writing(work: Callable[[Session], T], *, patient: bool = True) -> T:
    """Run `work(session)` in one transaction, commit, and return its result; on any error nothing is changed.

    The whole function runs again after a serialisation failure, a deadlock, or two callers who raced to insert the
    same unique key (PostgreSQL manual, 13.5: 40001, 40P01, in some cases 23505): `work` must have no effect outside
    the session. Raises UnavailableError when the database stays busy or away; at once when not `patient`, which is
    for what may as well be left out.
    """
    writer = _writers()[str(patient)]
    return _with_retries(lambda: Session(writer, expire_on_commit=False), work, patient=patient)


def writing_at_once(work: Callable[[Session], T]) -> T:
    """Like `writing`, for work that looks things up and then makes one statement by `run_statement`.

    On PostgreSQL the statement is its own transaction: no BEGIN and no COMMIT to wait for. What is looked up before it
    may have changed when it runs, so the statement itself must check what matters. On SQLite the same as `writing`.
    """
    writer = _writers().get("at once")
    if writer is None:
        return writing(work)
    return _with_retries(lambda: AtOnceSession(writer), work, patient=True)


def is_postgresql(session: Session) -> bool:
    """Whether a session speaks to PostgreSQL; to SQLite otherwise."""
    return (session.bind or session.get_bind()).dialect.name == "postgresql"


def one_of(session: Session, column: Any, values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition that a column has one of many values, texts or whole numbers: as JSON where they are many.

    JSON is made and read by compiled code on both sides: a list of a thousand values costs several times as much.
    """
    if not is_postgresql(session):
        if len(values) <= FEW:
            return cast(ColumnElement[bool], column.in_(values))
        listed = func.json_each(literal(list(values), JSON)).table_valued("value")
        return cast(ColumnElement[bool], column.in_(select(listed.c.value)))
    each: Any = func.json_array_elements_text(literal(list(values), JSON))
    if isinstance(column.type, Integer):
        each = sql_cast(each, BigInteger)
    return cast(ColumnElement[bool], column.in_(select(each)))


def run_statement(session: Session, statement: str, values: Mapping[str, Any]) -> Sequence[Any] | None:
    """Run one statement, written for the database's driver, and return its first row, None when there is none."""
    if isinstance(session, AtOnceSession):
        return session.run(statement, values)
    session.flush()
    return session.connection().exec_driver_sql(statement, dict(values)).first()


def _with_retries(make_session: Callable[[], Session], work: Callable[[Session], T], *, patient: bool) -> T:
    started = time.monotonic()
    for attempt in range(1, ATTEMPTS_MAX + 1):
        session = make_session()
        try:
            result = work(session)
            session.commit()
        except (DBAPIError, psycopg.Error) as exc:
            session.rollback()
            if _takes_no_writes(exc):
                raise UnavailableError(_("The database takes no writes at present; nothing was changed.")) from exc
            if not _may_succeed_again(exc):
                raise
            if not patient or attempt == ATTEMPTS_MAX or time.monotonic() - started > GIVE_UP_AFTER_S:
                raise UnavailableError(_("The database is busy or away; nothing was changed. Try again.")) from exc
            time.sleep(0.01 * 2**attempt)
        except BaseException:
            session.rollback()
            raise
        else:
            db.session.remove()  # what this thread read before may be old now
            return result
        finally:
            session.close()
    raise AssertionError("unreachable")


def _writers() -> dict[str, Engine]:
    writers: dict[str, Engine] = current_app.extensions["twinpurse.writers"]
    return writers


def _takes_no_writes(exc: DBAPIError | psycopg.Error) -> bool:
    """Whether the database is read-only or full: trying again at once helps nobody, and it passes without a restart.

    PostgreSQL manual, appendix A: 25006 read-only (a standby), 53100 disk full, class 58 system error.
    """
    cause = exc.orig if isinstance(exc, DBAPIError) else exc
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return str(state).startswith(("25006", "53100", "58"))
    return any(words in str(cause) for words in ("is full", "readonly database", "disk I/O error"))


def _may_succeed_again(exc: DBAPIError | psycopg.Error) -> bool:
    if isinstance(exc, DBAPIError) and exc.connection_invalidated:
        return True
    cause = exc.orig if isinstance(exc, DBAPIError) else exc
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return state in ("40001", "40P01", "23505", "55P03") or state.startswith(("08", "57P"))
    if isinstance(cause, psycopg.OperationalError):
        return True  # without a state: no server answered
    text = str(cause)
    return "locked" in text or "busy" in text or "UNIQUE constraint failed" in text


def _prepare_postgresql(engine: Engine) -> None:
    """Bound how long a transaction waits for another's lock; what is refused then is tried again as a whole."""

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.execute(f"SET lock_timeout = {engines.LOCK_TIMEOUT_MS}")
        connection.commit()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("patient", True):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {engines.IMPATIENT_MS}")
