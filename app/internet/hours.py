"""Usage by hour: added up as it is booked, or soon after where a batch brings very much at once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import repeat
from operator import add
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import is_postgresql
from app.internet.columns import NO_COLUMN, WIDTHS, narrowest, read, written
from app.internet.models import UsageWaiting
from app.internet.rates import Plan

AT_ONCE: Final = 5_000
"""Sums that are added up with the charge; more wait."""
CHUNK: Final = 10_000
"""Sums that are added up in one transaction, about."""


LARGEST: Final = 2**60
"""No sum of a batch is larger: the books hold eight of them, and no log brings one."""


class Slot(NamedTuple):
    """What people used in one slot of time, column by column: a list has a number for each of `users`, or none at all.

    `start`: seconds since 1970. `users`: ids of people, or places among names. `sites`: ids of lists of sites; none: no
    list. Sizes in bytes; `down` holds `cached` too. `charged` in millionths of a millionth; where every byte costs the
    same it is empty, and `price` what a byte costs.
    """

    start: int
    users: Sequence[int]
    sites: Sequence[int]
    down: Sequence[int]
    up: Sequence[int]
    cached: Sequence[int]
    requests: Sequence[int]
    charged: Sequence[int] = ()
    price: int = 0

    @property
    def columns(self) -> tuple[Sequence[int], ...]:
        """Its columns, `users` first."""
        return self.users, self.sites, self.down, self.up, self.cached, self.requests, self.charged

    def some(self, places: Sequence[int]) -> Slot:
        """The same slot with only the sums at these places."""
        users, sites, down, up, cached, requests, charged = (
            [column[place] for place in places] if column else [] for column in self.columns
        )
        return Slot(self.start, users, sites, down, up, cached, requests, charged, self.price)

    def rows(self) -> Iterable[tuple[int, int, int, int, int, int, int]]:
        """(user, list of sites, down, up, cached, requests, charged) of each sum."""
        charged = self.charged
        if self.price:
            sizes = map(add, self.down, self.up) if self.up else self.down
            charged = [size * self.price for size in sizes]
        columns = (self.sites, self.down, self.up, self.cached, self.requests, charged)
        return zip(self.users, *(column or repeat(0, len(self.users)) for column in columns), strict=True)


def add_up(session: Session, *, slots: Sequence[Slot], plan: Plan) -> None:
    """Add what slots hold to `usage_hours`: now, or, where it is much, in the background (`add_waiting`)."""
    if sum(len(slot.users) for slot in slots) <= AT_ONCE:
        _add(session, slots, plan)
        return
    waiting: list[Slot] = []
    size = 0
    for slot in slots:
        waiting.append(slot)
        size += len(slot.users)
        if size >= CHUNK:
            session.add(UsageWaiting(slots=pack(waiting)))
            waiting, size = [], 0
    if waiting:
        session.add(UsageWaiting(slots=pack(waiting)))
    session.flush()


def anything_waits(session: Session) -> bool:
    """Whether there is something for `add_waiting`."""
    return session.scalar(select(UsageWaiting.id).limit(1)) is not None


def add_waiting(session: Session, *, plan: Plan) -> bool:
    """Add the oldest of what waits, in the transaction that lets it wait no more; False when nothing does."""
    row = session.scalars(select(UsageWaiting).order_by(UsageWaiting.id).limit(1).with_for_update()).first()
    if row is None:
        return False
    _add(session, unpack(row.slots), plan)
    session.execute(delete(UsageWaiting).where(UsageWaiting.id == row.id))
    return True


def pack(slots: Sequence[Slot]) -> bytes:
    """Return slots as bytes: a line of JSON that says of what kind each column is, and the numbers.

    Whoever charges waits for it, so the columns that came as arrays are written as they are.
    """
    head, pieces = [], []
    for slot in slots:
        codes = ""
        for column in slot.columns:
            if not column:
                codes += NO_COLUMN
                continue
            try:
                numbers = narrowest(column)
            except OverflowError:  # nothing that anybody pays: only prices multiply to so much
                numbers = narrowest([min(number, LARGEST) for number in column])
            codes += numbers.typecode
            pieces.append(written(numbers))
        head.append((slot.start, slot.price, len(slot.users), codes))
    return json.dumps(head).encode() + b"\n" + b"".join(pieces)


def unpack(data: bytes) -> list[Slot]:
    """Return the slots that `pack` made bytes of."""
    head, _, rest = data.partition(b"\n")
    numbers = memoryview(rest)
    slots, begin = [], 0
    for start, price, count, codes in json.loads(head):
        columns: list[Sequence[int]] = []
        for code in codes:
            end = begin + count * WIDTHS.get(code, 0)
            columns.append(read(code, numbers[begin:end]).tolist() if end > begin else [])
            begin = end
        users, sites, down, up, cached, requests, charged = columns
        slots.append(Slot(start, users, sites, down, up, cached, requests, charged, price))
    return slots


def add_domains(session: Session, *, rows: Iterable[tuple[int, int, str, int]], plan: Plan) -> None:
    """Add bytes by domain: (user id, start of the slot, domain, bytes)."""
    sums: defaultdict[tuple[int, date, str], int] = defaultdict(int)
    days: dict[int, date] = {}
    for user_id, start, domain, size in rows:
        day = days.get(start)
        if day is None:
            day = days[start] = datetime.fromtimestamp(start, UTC).astimezone(plan.zone).date()
        sums[user_id, day, domain] += size
    _upsert(session, DOMAINS, [(user_id, day.isoformat(), name, size) for (user_id, day, name), size in sums.items()])


def _add(session: Session, slots: Iterable[Slot], plan: Plan) -> None:
    postgresql = is_postgresql(session)
    rows: list[tuple[Any, ...]] = []
    for slot in slots:
        hour = plan.hour_of(slot.start)
        # As the column's type stores an instant in SQLite: without its zone, with microseconds.
        text = hour.isoformat() if postgresql else f"{hour:%Y-%m-%d %H:%M:%S.%f}"
        rows += [(user_id, text, *numbers, min(charged, LARGEST)) for user_id, *numbers, charged in slot.rows()]
    _upsert(session, HOURS, rows)


class _Sums(NamedTuple):
    """A table of sums: its key and what is added up under it, the key with PostgreSQL's types."""

    table: str
    key: tuple[tuple[str, str], ...]
    added: tuple[str, ...]

    def statement(self, postgresql: bool) -> str:
        """The statement that adds rows: for the driver, with the rows as JSON on PostgreSQL.

        PostgreSQL changes no row twice in a statement, so there they are added up before.
        """
        keys = [name for name, _ in self.key]
        names = [*keys, *self.added]
        rows = f"VALUES ({', '.join('?' * len(names))})"
        if postgresql:
            parts = [f"(r->>{n})::{kind}" for n, (_, kind) in enumerate(self.key)]
            parts += [f"sum((r->>{n})::bigint)" for n in range(len(keys), len(names))]
            places = ", ".join(str(n) for n in range(1, len(keys) + 1))
            rows = f"SELECT {', '.join(parts)} FROM json_array_elements(%(rows)s) AS r"  # noqa: S608 - our names
            rows += f" GROUP BY {places} ORDER BY {places}"
        change = ", ".join(f"{name} = {self.table}.{name} + excluded.{name}" for name in self.added)
        into = f"INSERT INTO {self.table} ({', '.join(names)}) {rows}"
        return f"{into} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {change}"


HOURS: Final = _Sums(
    "usage_hours",
    (("user_id", "bigint"), ("hour", "timestamptz"), ("site_list_id", "bigint")),
    ("download", "upload", "cached", "requests", "charged"),
)
DOMAINS: Final = _Sums("usage_domains", (("user_id", "bigint"), ("day", "date"), ("domain", "text")), ("bytes",))


def _upsert(session: Session, sums: _Sums, rows: list[tuple[Any, ...]]) -> None:
    """Add rows in the order of their keys: two that add at a time wait for each other in one order."""
    if not rows:
        return
    connection = session.connection()
    if is_postgresql(session):
        connection.exec_driver_sql(sums.statement(True), {"rows": json.dumps(rows)})
    else:
        connection.exec_driver_sql(sums.statement(False), sorted(rows))
