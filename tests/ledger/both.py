"""The product's books and the model side by side: both are asked the same, and both must answer and hold the same."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

from app.db import reading
from app.ledger.verify import verify
from tests.ledger.model import Line, Model, Refused
from tests.ledger.till import CrashError, Till

_numbers = itertools.count(1)


class Both:
    """One example with accounts and keys of its own; the application's context is the caller's."""

    def __init__(self) -> None:
        self.till = Till(next(_numbers))
        self.model = Model()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.keys = itertools.count(1)
        self.history: dict[int, object] = {}

    def open(self, users: int, shared: int, money: int) -> None:
        """Open accounts that have some money in them."""
        self.till.open(users, shared)
        for number, user in enumerate(self.till.users):
            self.model.open(number, user)
            request = {"account": number, "amount": money, "source": "card", "key": self.new_key()}
            self.send("post", request | {"measured": False, "enforce": True, "quantity": None, "at": None})

    def new_key(self) -> str:
        return f"k{next(self.keys)}"

    def send(
        self, verb: str, request: dict[str, Any], *, fate: str = "", at_once: bool = False, then: str = ""
    ) -> None:
        """Ask both for one movement, and remember the request so that it can come again.

        `then` it comes at once: "again" as it was, "other" with the same key and one more, "rekeyed" with another key.
        """
        self.till.at_once = at_once and verb == "post"
        self.compare(
            lambda books: _answer(getattr(books, verb)(**request)),
            lambda till: getattr(till, verb)(**request),
            fate,
        )
        self.till.at_once = False
        if "key" in request:
            self.requests.append((verb, request))
        if then == "again":
            self.send(verb, request)
        elif then == "other" and "amount" in request:
            self.send(verb, request | {"amount": request["amount"] + 1})
        elif then == "rekeyed":
            self.send(verb, request | {"key": self.new_key()})

    def send_many(self, asked: list[dict[str, Any]], *, enforce: bool, fate: str) -> None:
        self.compare(
            lambda books: [self._outcome(books, request, enforce) for request in asked],
            lambda till: till.post_many(asked, enforce=enforce),
            fate,
        )
        self.requests += [("post", request | {"enforce": enforce}) for request in asked]

    def credit_many(self, asked: dict[str, Any], fate: str) -> None:
        self.compare(lambda books: _sum(books.credit_many(**asked)), lambda till: till.credit_many(**asked), fate)

    def reverse_many(self, prefix: str, limit: int, fate: str) -> None:
        self.compare(
            lambda books: _sum(
                books.reverse_many(prefix=prefix, key_of=lambda line: f"undo:{self.till.entry_id(line.key)}")
            ),
            lambda till: till.reverse_many(prefix=prefix, limit=limit),
            fate,
        )

    def ask(self, verb: str, **request: Any) -> None:
        """Ask both for what has no answer."""
        self.compare(lambda books: getattr(books, verb)(**request), lambda till: getattr(till, verb)(**request), "")

    def compare(self, expected: Callable[[Model], object], found: Callable[[Till], object], fate: str) -> None:
        books = copy.deepcopy(self.model) if fate == "crash" else self.model
        wanted = _result(lambda: expected(books))
        self.till.fate = fate
        try:
            got = _result(lambda: found(self.till))
        finally:
            self.till.fate = ""
        if fate == "crash" and not isinstance(wanted, Refused):
            assert isinstance(got, CrashError), got
        else:
            _same(_plain(got), _plain(wanted))

    def check(self) -> None:
        """Compare everything that the database holds with the model, and the past with what it was."""
        found = self.till.read()
        _same(
            found.accounts,
            [
                (
                    *(self.model.balance(number), self.model.reserved(number), len(self.model.lines_of(number))),
                    *(purse.floor, purse.floor_is_own, purse.closed),
                )
                for number, purse in self.model.purses.items()
            ],
        )
        _same(found.entries, {line.key: _facts(line) for line in self.model.lines.values()})
        _same(
            found.holds,
            [
                (hold.key, hold.account, hold.amount, hold.source, hold.state, hold.captured)
                for hold in self.model.holds.values()
            ],
        )
        _same({name: found.rows.get(name) for name in self.history}, self.history)  # it only grew
        self.history = found.rows

    def leave(self) -> None:
        """Verify the whole database, and end what is held, so that no later example meets it."""
        reading().rollback()
        report = verify(reading())
        reading().rollback()
        _same([str(difference) for difference in report.differences], [])
        for placed in self.model.holds.values():
            if placed.state == "open":
                self.till.release(hold=placed.key)

    def _outcome(self, books: Model, request: dict[str, Any], enforce: bool) -> tuple[str | None, bool, str]:
        try:
            line, new = books.post(**(request | {"enforce": enforce}))
        except Refused as refused:
            kinds = {"unknown": "no_account", "wrong_state": "closed"}
            return None, False, kinds.get(refused.kind, refused.kind)
        return line.key, new, ""


def _result(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except (Refused, CrashError) as refused:
        return refused


def _plain(answer: object) -> object:
    return f"refused: {answer.kind}" if isinstance(answer, Refused) else answer


def _answer(answer: Any) -> object:
    """Return the model's answer without whether it is new: whoever asks again is answered as at first."""
    if answer is None:
        return None
    found, _new = answer
    if isinstance(found, list):
        return [_answer((line, False)) for line in found]
    if isinstance(found, Line):
        return (found.key, found.amount, found.place, found.after, found.overrun)
    return (found.key, found.amount, found.state)


def _facts(line: Line) -> tuple[object, ...]:
    kind = "measured" if line.measured else "guarded"
    return (
        *(line.account, line.amount, line.source, kind, line.quantity),
        *(line.place, line.after, line.overrun),
        *(line.reverses, line.hold),
    )


def _sum(lines: list[Line]) -> tuple[int, int]:
    return len(lines), sum(line.amount for line in lines)


def _same(found: object, wanted: object) -> None:
    assert found == wanted, f"the books have {found}\nthe model has {wanted}"
