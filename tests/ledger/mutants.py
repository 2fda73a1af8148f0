"""The product with one thing taken out at a time: edits of its source, made in memory.

A mutant is named by what is missing. An edit whose text is no longer there raises, so that the table keeps up.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


class MutantGoneError(Exception):
    """The text that a mutant edits is not in the product any more: write the edit anew."""


@dataclass(frozen=True)
class Edit:
    """In `module`, in the function or constant `name`, `old` becomes `new`."""

    module: str
    name: str
    old: str
    new: str


HOLD_GUARD = """\
            or_(Account.floor.is_(None), Account.balance - Account.reserved - amount >= Account.floor),
"""
STEPS_KEY = 'if run_statement(session, KNOWN, {"key": booking.key}) is not None:'
ONE_REVERSAL = "~select(earlier.id).where(earlier.reverses_id == first.id).correlate(first).exists(),"
BOOKING, SERVICE, BATCH, BULK = "app.ledger.booking", "app.ledger.service", "app.ledger.batch", "app.ledger.bulk"

MUTANTS: dict[str, tuple[Edit, ...]] = {
    "the guard": (
        Edit(BOOKING, "ONE_STATEMENT", "(floor IS NULL OR balance - reserved + %(amount)s >= floor)", "true"),
        Edit(BOOKING, "MOVE", "(floor IS NULL OR balance - reserved + :amount >= floor)", "true"),
    ),
    "what is held, in the guard": (
        Edit(BOOKING, "ONE_STATEMENT", "balance - reserved + %(amount)s", "balance + %(amount)s"),
        Edit(BOOKING, "MOVE", "balance - reserved + :amount", "balance + :amount"),
    ),
    "the key check": (
        Edit(BOOKING, "ONE_STATEMENT", "AND NOT EXISTS (SELECT FROM entries WHERE key = %(key)s)", ""),
        Edit(BOOKING, "_book_in_steps", STEPS_KEY, "if False:"),
    ),
    "the comparison of what was asked for": (
        Edit(SERVICE, "is_same", "return known.fingerprint == fingerprint", "return True"),
    ),
    "the transaction that ends with its error": (
        Edit(
            "app.db",
            "_with_retries",
            "        except BaseException:\n            session.rollback()",
            "        except BaseException:\n            session.commit()",
        ),
    ),
    "the second try": (Edit("app.db", "_may_succeed_again", "state in (", "state in () and ("),),
    "the hold's guard": (Edit(SERVICE, "hold", HOLD_GUARD, ""),),
    "the hold's key check": (Edit(SERVICE, "hold", "if known is not None:", "if False:"),),
    "the hold's one end": (
        Edit(SERVICE, "_end", 'Hold.id == placed.id, Hold.state == "open"', "Hold.id == placed.id"),
    ),
    "giving back what was held": (Edit(SERVICE, "_end", "Account.reserved - placed.amount", "Account.reserved"),),
    "the part beyond the hold": (Edit(SERVICE, "capture", "if part or index == 0", "if index == 0"),),
    "the overrun": (
        Edit(BOOKING, "ONE_STATEMENT", "greatest(0, least(-(%(amount)s)::bigint, floor - available))", "0"),
        Edit(BOOKING, "_book_in_steps", "if booking.measured else 0", "if False else 0"),
    ),
    "what is held, in the overrun": (
        Edit(BOOKING, "ONE_STATEMENT", "balance - reserved AS available", "balance AS available"),
        Edit(BOOKING, "MOVE", "balance - reserved AS available", "balance AS available"),
    ),
    "the sequence": (
        Edit(BOOKING, "ONE_STATEMENT", ", sequence = sequence + 1", ""),
        Edit(BOOKING, "MOVE", ", sequence = sequence + 1", ""),
    ),
    "the balance": (
        Edit(BOOKING, "ONE_STATEMENT", "balance = balance + %(amount)s", "balance = balance"),
        Edit(BOOKING, "MOVE", "balance = balance + :amount", "balance = balance"),
    ),
    "the closed account": (
        Edit(BOOKING, "ONE_STATEMENT", "closed_at IS NULL AND", ""),
        Edit(BOOKING, "MOVE", "closed_at IS NULL AND", ""),
    ),
    "one reversal": (
        Edit(SERVICE, "reverse", "if session.scalar(select(Entry.id).where(Entry.reverses_id == entry_id))", "if None"),
    ),
    "the guard of a batch": (Edit(BATCH, "_refusal", "if purse.floor is not None and", "if False and"),),
    "the key check of a batch": (Edit(BATCH, "_plan", "elif posting.key in asked:", "elif False:"),),
    "the key check of a run": (Edit(BULK, "_write", '.on_conflict_do_nothing(index_elements=["key"])', ""),),
    "the cap": (Edit(BULK, "credit_of", "(room < amount, room), ", ""),),
    "the one reversal of a run": (
        Edit(BULK, "reverse_many", ONE_REVERSAL, ""),
        Edit(BULK, "_write", '.on_conflict_do_nothing(index_elements=["key"])', ""),
    ),
    "BEGIN IMMEDIATE": (Edit("app.db", "init_app", 'sqlite_begin="IMMEDIATE"', 'sqlite_begin="DEFERRED"'),),
}


def take_out(what: str, put: Callable[[ModuleType, str, object], None] = setattr) -> None:
    """Change the product in this process; `put` is monkeypatch.setattr where it shall be whole again afterwards."""
    for edit in MUTANTS[what]:
        module = import_module(edit.module)
        thing = getattr(module, edit.name)
        source = thing if isinstance(thing, str) else inspect.getsource(thing)
        if source.count(edit.old) != 1:
            raise MutantGoneError(
                f"{edit.module}.{edit.name}: {edit.old!r} stands there {source.count(edit.old)} times"
            )
        changed = source.replace(edit.old, edit.new)
        if isinstance(thing, str):
            put(module, edit.name, changed)
            continue
        names = dict(vars(module))
        exec(compile(changed, f"<{edit.module} without {what}>", "exec", dont_inherit=True), names)  # noqa: S102
        function = names[edit.name]
        # What it calls is looked up in the module itself, so that two edits of one module meet.
        whole = type(function)(function.__code__, vars(module), edit.name, function.__defaults__, function.__closure__)
        whole.__kwdefaults__ = function.__kwdefaults__
        put(module, edit.name, whole)
