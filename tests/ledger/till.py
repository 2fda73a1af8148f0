"""The product's books, spoken to in the words of the model, so that the state machine can ask both the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.db import reading, writing, writing_at_once
from app.errors import InsufficientBalanceError, KeyReusedError, NotFoundError, TwinpurseError, WrongStateError
from app.ledger import accounts, batch, bulk
from app.ledger import service as ledger
from app.ledger.models import ENTRIES, Account, Entry, Hold
from app.people.models import User
from tests.ledger import model

START = datetime.fromisoformat("2026-11-23T07:00:00+00:00")
KINDS: dict[type[TwinpurseError], str] = {
    InsufficientBalanceError: "insufficient",
    KeyReusedError: "key_reused",
    NotFoundError: "unknown",
    WrongStateError: "wrong_state",
}
REFUSALS = {"no_account": "unknown", "closed": "wrong_state"}
NOWHERE = 10**15
"""The id of no account, entry or hold."""


class CrashError(Exception):
    """What ends a transaction after the books were moved and before it is committed."""


@dataclass(frozen=True)
class Found:
    """What the database holds of one example, in the model's words; `rows` are the entries as they lie there."""

    accounts: list[tuple[object, ...]]
    entries: dict[str, tuple[object, ...]]
    holds: list[tuple[object, ...]]
    rows: dict[int, object]


class Till:
    """One example's accounts in a database that others use too; keys and ids are translated on the way."""

    def __init__(self, number: int) -> None:
        self.name = f"e{number}"
        self.now = START
        self.fate = ""
        self.ids: list[int] = []
        self.users: list[int | None] = []
        self.at_once = False

    # How a request travels

    def do(self, work: Callable[[Session], Any]) -> Any:
        """Do one piece of work as `fate` will have it, and return its result. Raises model.Refused, CrashError.

        "" simply; "crash": fails after it was done and before the commit; "again": the first try fails so, with what
        a busy database says, and the product tries again by itself.
        """
        tries = []

        def fated(session: Session) -> Any:
            tries.append(1)
            result = work(session)
            if self.fate == "crash":
                session.flush()
                raise CrashError
            if self.fate == "again" and len(tries) == 1:
                session.flush()
                raise OperationalError("test", None, _Busy("database is locked"))
            return result

        try:
            return (writing_at_once if self.at_once and not self.fate else writing)(fated)
        except TwinpurseError as error:
            if type(error) not in KINDS:
                raise
            raise model.Refused(KINDS[type(error)]) from error

    # Accounts

    def open(self, users: int, shared: int) -> None:
        """Open accounts; they get the numbers 0, 1, 2... and no other example ever has them."""

        def work(session: Session) -> None:
            for number in range(users):
                row = {"directory_id": f"{self.name}.{number}", "username": f"{self.name}.{number}"}
                row |= {"display_name": "", "email": ""}
                times = {"created_at": self.now, "refreshed_at": self.now}
                user_id = session.scalars(insert(User).values(row | times).returning(User.id)).one()
                account = accounts.open_account(session, user_id=user_id, name=self.name, now=self.now)
                self.ids.append(account.id)
                self.users.append(user_id)
            for number in range(shared):
                account = accounts.open_shared(session, name=f"{self.name}.{number}", now=self.now)
                self.ids.append(account.id)
                self.users.append(None)

        writing(work)

    def set_floor(self, account: int, floor: int | None) -> None:
        self.do(lambda session: accounts.set_floor(session, account_id=self.id(account), floor=floor))

    def follow_default(self, account: int) -> None:
        self.do(lambda session: accounts.follow_default(session, account_id=self.id(account)))

    def set_default_floor(self, floor: int | None) -> None:
        self.do(lambda session: accounts.set_default_floor(session, floor=floor, now=self.now))

    def close(self, account: int) -> None:
        self.do(lambda session: accounts.close(session, account_id=self.id(account), now=self.now))

    def reopen(self, account: int) -> None:
        self.do(lambda session: accounts.reopen(session, account_id=self.id(account)))

    # Entries and holds

    def post(self, *, account: int, key: str, **more: Any) -> object:
        entry = self.do(
            lambda session: ledger.post(
                session,
                account_id=self.id(account),
                key=self.key(key),
                now=self.now,
                title=_title(key),
                **more,
            )
        )
        return _entry(entry)

    def hold(self, *, account: int, key: str, **more: Any) -> object:
        hold = self.do(
            lambda session: ledger.hold(session, account_id=self.id(account), key=self.key(key), now=self.now, **more)
        )
        return (_local(hold.key), hold.amount, hold.state)

    def capture(self, *, hold: str, key: str, **more: Any) -> object:
        hold_id = self.hold_id(hold)
        entries = self.do(
            lambda session: ledger.capture(
                session, hold_id=hold_id, key=self.key(key), now=self.now, title="job", **more
            )
        )
        return [_entry(entry) for entry in entries]

    def release(self, *, hold: str) -> None:
        hold_id = self.hold_id(hold)
        self.do(lambda session: ledger.release(session, hold_id=hold_id, now=self.now))

    def expire(self, now: datetime) -> None:
        while self.do(lambda session: ledger.expire_holds(session, now=now, limit=2)):
            pass

    def reverse(self, *, line: str, key: str) -> object:
        entry_id = self.entry_id(line)
        entry = self.do(
            lambda session: ledger.reverse(session, entry_id=entry_id, key=self.key(key), now=self.now, title="back")
        )
        return _entry(entry)

    # Many at once

    def post_many(self, asked: Sequence[dict[str, Any]], *, enforce: bool) -> object:
        """Return for each (its key, whether it is new, why it was refused)."""
        postings = [
            batch.Posting(
                account_id=self.id(one["account"]),
                key=self.key(one["key"]),
                title=_title(one["key"]),
                **{name: one[name] for name in ("amount", "source", "measured", "quantity", "at")},
            )
            for one in asked
        ]
        outcomes = self.do(lambda session: batch.post_many(session, postings=postings, now=self.now, enforce=enforce))
        ids = [outcome.entry_id for outcome in outcomes if outcome.entry_id is not None]
        reading().rollback()
        rows = reading().execute(select(Entry.id, Entry.key).where(Entry.id.in_(ids))).all()
        names = {row.id: row.key for row in rows}
        return [
            (outcome.entry_id and _local(names[outcome.entry_id]), outcome.new, outcome.refusal) for outcome in outcomes
        ]

    def credit_many(self, *, amount: int, top_up: str, cap: int | None, prefix: str) -> object:
        ids = [account_id for account_id, user in zip(self.ids, self.users, strict=True) if user is not None]
        moved = self.do(
            lambda session: bulk.credit_many(
                session,
                where=[Account.id.in_(ids)],
                amount=amount,
                top_up=top_up,
                cap=cap,
                key_prefix=self.key(prefix),
                now=self.now,
                at=self.now - timedelta(hours=1),
                title="Weekly",
            )
        )
        return moved.count, moved.total

    def reverse_many(self, *, prefix: str, limit: int) -> tuple[int, int]:
        """Undo a run chunk by chunk, to its end; return how many entries that made, and their sum."""
        count, total, after = 0, 0, ""
        while True:
            done = self.do(
                lambda session, after=after: bulk.reverse_many(
                    session,
                    key_prefix=self.key(prefix),
                    after_key=after,
                    limit=limit,
                    reversal_prefix=self.key("undo:"),
                    now=self.now,
                    title="Undone",
                )
            )
            count, total = count + done.count, total + done.total
            if done.last_key is None:
                return count, total
            after = done.last_key

    # What the database holds

    def read(self) -> Found:
        """Return what the database holds of this example."""
        session, ids = reading(), self.ids
        session.rollback()
        of_accounts = (Account.balance, Account.reserved, Account.sequence, Account.floor, Account.floor_is_own)
        purses = session.execute(
            select(*of_accounts, Account.closed_at.is_not(None)).where(Account.id.in_(ids)).order_by(Account.id)
        ).all()
        rows = session.execute(select(*ENTRIES.c).where(ENTRIES.c.account_id.in_(ids)).order_by(ENTRIES.c.id)).all()
        of_holds = (Hold.id, Hold.key, Hold.account_id, Hold.amount, Hold.source, Hold.state, Hold.captured)
        holds = session.execute(select(*of_holds).where(Hold.account_id.in_(ids)).order_by(Hold.id)).all()
        session.rollback()
        numbers = {account_id: number for number, account_id in enumerate(ids)}
        names = {row.id: _local(row.key) for row in rows}
        held = {row.id: _local(row.key) for row in holds}
        entries = {
            names[row.id]: (
                *(numbers[row.account_id], row.amount, row.source, row.kind, row.quantity),
                *(row.sequence, row.balance_after, row.overrun),
                *(row.reverses_id and names[row.reverses_id], row.hold_id and held[row.hold_id]),
            )
            for row in rows
        }
        return Found(
            [tuple(row) for row in purses],
            entries,
            [(held[row.id], numbers[row.account_id], *row[3:]) for row in holds],
            {row.id: tuple(row) for row in rows},
        )

    # Names

    def id(self, account: int) -> int:
        return self.ids[account] if account < len(self.ids) else NOWHERE

    def key(self, key: str) -> str:
        return f"{self.name}/{key}"

    def entry_id(self, key: str) -> int:
        reading().rollback()
        return reading().scalar(select(Entry.id).where(Entry.key == self.key(key))) or NOWHERE

    def hold_id(self, key: str) -> int:
        reading().rollback()
        return reading().scalar(select(Hold.id).where(Hold.key == self.key(key))) or NOWHERE


def _title(key: str) -> str:
    """Words for some of the entries."""
    return key if key[-1] in "13579" else ""


def _local(key: str) -> str:
    return key.partition("/")[2]


def _entry(entry: Entry) -> tuple[object, ...]:
    return (_local(entry.key), entry.amount, entry.sequence, entry.balance_after, entry.overrun)


class _Busy(Exception):  # noqa: N818
    """What a driver raises; the product looks at the state and the words only."""

    sqlstate = "40001"
