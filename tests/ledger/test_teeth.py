"""The tests bite: with one thing taken out of the product, the state machine and the bank must fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.ledger.machine import BooksMachine
from tests.ledger.mutants import MUTANTS, MutantGoneError, take_out
from tests.ledger.test_machine import QUICK, no_waiting

FIRST = ("the key check", "the second try", "the hold's guard")
"""Tried each time; the others, which chance needs longer for, by the long tests."""
BY_THE_BANK = ("BEGIN IMMEDIATE",)
"""What only several processes at once can miss."""
UNTIL_FOUND = settings(QUICK, max_examples=1000, report_multiple_bugs=False, phases=(Phase.generate,))


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(what, marks=() if what in FIRST else pytest.mark.long)
        for what in MUTANTS
        if what not in BY_THE_BANK
    ],
)
def test_the_state_machine_misses(
    make_instance: Callable[..., Flask], database_url: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_waiting(monkeypatch)
    take_out(what, monkeypatch.setattr)
    with make_instance(database_url=database_url).app_context():
        missed = False
        try:
            run_state_machine_as_test(BooksMachine, settings=UNTIL_FOUND)
        except MutantGoneError:
            raise
        except Exception as error:
            missed = True
            print(f"without {what}: {error!r}"[:500])
        assert missed, f"nothing was noticed without {what}"
