"""The books once more, in plain Python: written from the rules of the books, and it shares no line with the product.

Nothing is cached here: a balance is the sum of an account's lines, and what is reserved the sum of its open holds.
Amounts are integers of any unit. A request that is refused raises Refused and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

RUNS_MARK = True
"""Whether what a run takes away below the floor is marked as overrun."""


class Refused(Exception):  # noqa: N818 - an answer, not a mistake
    """`kind`: insufficient, key_reused, unknown, wrong_state; as the product names its errors."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


@dataclass
class Hold:
    """Money set aside; `state` is open, captured, released or expired."""

    account: int
    amount: int
    source: str
    key: str
    expires_at: datetime
    state: str = "open"
    captured: int | None = None


@dataclass
class Line:
    """One entry. `asked` is what was asked for under its key; `after` the balance with it, `place` its number."""

    account: int
    amount: int
    source: str
    key: str
    asked: tuple[object, ...]
    measured: bool
    quantity: int | None
    place: int
    after: int
    overrun: int
    reverses: str | None = None
    hold: str | None = None


@dataclass
class Purse:
    """One account: only what somebody decided about it."""

    user: int | None
    floor: int | None
    floor_is_own: bool = False
    closed: bool = False


@dataclass
class Model:
    """Everything that the books should hold, by number of account and by key."""

    default_floor: int | None = 0
    purses: dict[int, Purse] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)

    # What can be read

    def lines_of(self, account: int) -> list[Line]:
        return [line for line in self.lines.values() if line.account == account]

    def balance(self, account: int) -> int:
        return sum(line.amount for line in self.lines_of(account))

    def reserved(self, account: int) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.account == account and hold.state == "open")

    def available(self, account: int) -> int:
        return self.balance(account) - self.reserved(account)

    # Accounts

    def open(self, account: int, user: int | None) -> None:
        self.purses[account] = Purse(user, self.default_floor)

    def set_floor(self, account: int, floor: int | None) -> None:
        self.purse(account).floor, self.purse(account).floor_is_own = floor, True

    def follow_default(self, account: int) -> None:
        self.purse(account).floor, self.purse(account).floor_is_own = self.default_floor, False

    def set_default_floor(self, floor: int | None) -> None:
        self.default_floor = floor
        for purse in self.purses.values():
            if not purse.floor_is_own:
                purse.floor = floor

    def close(self, account: int) -> None:
        if self.purse(account).user is not None:
            raise Refused("unknown")  # only shared accounts are closed
        if self.reserved(account):
            raise Refused("wrong_state")
        self.purse(account).closed = True

    def reopen(self, account: int) -> None:
        self.purse(account).closed = False

    def purse(self, account: int) -> Purse:
        if account not in self.purses:
            raise Refused("unknown")
        return self.purses[account]

    # Entries and holds

    def post(
        self,
        *,
        account: int,
        amount: int,
        source: str,
        key: str,
        measured: bool,
        enforce: bool,
        quantity: int | None,
        at: datetime | None,
    ) -> tuple[Line, bool]:
        """Return the line under `key`, and whether it is new."""
        asked = ("post", account, amount, source, measured, quantity, at)
        if key in self.lines:
            if self.lines[key].asked != asked:
                raise Refused("key_reused")
            return self.lines[key], False
        self.purse(account)
        if not measured and enforce:
            self._guard(account, -amount)
        line = self._write(account, amount, source, key, asked, measured=measured, quantity=quantity)
        return line, True

    def hold(
        self, *, account: int, amount: int, source: str, key: str, enforce: bool, expires_at: datetime
    ) -> tuple[Hold, bool]:
        if key in self.holds:
            known = self.holds[key]
            if (known.account, known.amount, known.source) != (account, amount, source):
                raise Refused("key_reused")
            return known, False
        self.purse(account)
        if enforce:
            self._guard(account, amount)
        self.holds[key] = Hold(account, amount, source, key, expires_at)
        return self.holds[key], True

    def capture(self, *, hold: str, amount: int, key: str, quantity: int | None) -> tuple[list[Line], bool]:
        """Within the hold a guarded line; beyond it, or when it has expired, a measured one."""
        placed, beyond = self.get_hold(hold), f"{key}:beyond"
        asked = ("capture", hold, amount, quantity)
        known = [self.lines[name] for name in (key, beyond) if name in self.lines]
        if known:
            if known[0].asked != asked:
                raise Refused("key_reused")
            return known, False
        if placed.state in ("captured", "released"):
            raise Refused("wrong_state")
        rest = amount
        if placed.state == "open":
            placed.state, placed.captured = "captured", amount
            rest = max(0, amount - placed.amount)
            parts = [(key, amount - rest, False)] + ([(beyond, rest, True)] if rest else [])
        else:
            parts = [(key, amount, True)]
        lines = []
        for name, part, measured in parts:
            pages = None if lines else quantity
            lines.append(
                self._write(placed.account, -part, placed.source, name, asked, measured=measured, quantity=pages)
            )
            lines[-1].hold = hold
        return lines, True

    def release(self, *, hold: str) -> None:
        placed = self.get_hold(hold)
        if placed.state == "captured":
            raise Refused("wrong_state")
        if placed.state == "open":
            placed.state = "released"

    def expire(self, now: datetime) -> None:
        for placed in self.holds.values():
            if placed.state == "open" and placed.expires_at <= now:
                placed.state = "expired"

    def reverse(self, *, line: str, key: str) -> tuple[Line, bool]:
        asked = ("reverse", line)
        if key in self.lines:
            if self.lines[key].asked != asked:
                raise Refused("key_reused")
            return self.lines[key], False
        first = self.lines.get(line)
        if first is None:
            raise Refused("unknown")
        if first.reverses is not None or self.is_reversed(line):
            raise Refused("wrong_state")
        return self._undo(first, key, asked), True

    def is_reversed(self, key: str) -> bool:
        return any(line.reverses == key for line in self.lines.values())

    # Many at once

    def credit_many(self, *, amount: int, top_up: str, cap: int | None, prefix: str) -> list[Line]:
        """Credit every user's account that has no line of this run."""
        written = []
        for account, purse in self.purses.items():
            key = f"{prefix}{purse.user}"
            if purse.user is None or key in self.lines:
                continue
            balance = self.balance(account)
            if top_up == "add":
                moved = amount
            elif top_up == "reset":
                moved = amount - balance
            elif top_up == "lower":
                moved = -max(0, balance - amount)
            else:
                moved = amount if cap is None else min(amount, max(0, cap - balance))
            if moved:
                line = self._write(
                    account, moved, "allocation", key, ("run", prefix), measured=moved < 0, marked=RUNS_MARK
                )
                written.append(line)
        return written

    def reverse_many(self, *, prefix: str, key_of: Callable[[Line], str]) -> list[Line]:
        """Undo what is left of a run."""
        written = []
        for key in sorted(key for key in self.lines if key.startswith(prefix)):
            if not self.is_reversed(key):
                line = self.lines[key]
                written.append(self._undo(line, key_of(line), ("reverse", key), marked=RUNS_MARK))
        return written

    # Inside

    def get_hold(self, key: str) -> Hold:
        if key not in self.holds:
            raise Refused("unknown")
        return self.holds[key]

    def _guard(self, account: int, taken: int) -> None:
        """Refuse what takes more than there is above the floor; what takes nothing is never refused."""
        if taken <= 0:
            return
        if self.purses[account].closed:
            raise Refused("wrong_state")
        floor = self.purses[account].floor
        if floor is not None and self.available(account) - taken < floor:
            raise Refused("insufficient")

    def _undo(self, first: Line, key: str, asked: tuple[object, ...], marked: bool = True) -> Line:
        quantity = None if first.quantity is None else -first.quantity
        line = self._write(
            *(first.account, -first.amount, first.source, key, asked), measured=True, quantity=quantity, marked=marked
        )
        line.reverses = first.key
        return line

    def _write(
        self,
        account: int,
        amount: int,
        source: str,
        key: str,
        asked: tuple[object, ...],
        *,
        measured: bool,
        quantity: int | None = None,
        marked: bool = True,
    ) -> Line:
        floor, overrun = self.purses[account].floor, 0
        if measured and marked and amount < 0 and floor is not None:
            # As much of this charge as lies below the floor, and no more than the charge itself.
            overrun = min(-amount, max(0, floor - (self.available(account) + amount)))
        place, after = len(self.lines_of(account)) + 1, self.balance(account) + amount
        line = Line(account, amount, source, key, asked, measured, quantity, place, after, overrun)
        self.lines[key] = line
        return line
