"""The books against the model, by chance: the same requests to both, and everything compared after every step."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.ledger.machine import BooksMachine

QUICK = settings(
    derandomize=True,
    database=None,
    max_examples=30,
    stateful_step_count=12,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),  # no explaining: before Python 3.12 that traces every line
)
LONG = settings(QUICK, derandomize=False, max_examples=120, stateful_step_count=25)


def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the product try again at once: who it waits for is in no other process here."""
    monkeypatch.setattr("app.db.time", SimpleNamespace(sleep=lambda _seconds: None, monotonic=time.monotonic))


def test_the_books_do_what_the_model_does(
    make_instance: Callable[..., Flask], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_waiting(monkeypatch)
    with make_instance(database_url=database_url).app_context():
        run_state_machine_as_test(BooksMachine, settings=QUICK)


@pytest.mark.long
def test_the_books_do_what_the_model_does_on_another_path_each_time(
    make_instance: Callable[..., Flask], database_url: str, request: pytest.FixtureRequest
) -> None:
    """`--hypothesis-seed=N` goes the path again that a failure named."""
    given = request.config.getoption("--hypothesis-seed")
    chosen = secrets.randbelow(2**32) if given in (None, "random") else int(given)
    print(f"\nthe state machine's seed: --hypothesis-seed={chosen}")
    with make_instance(database_url=database_url).app_context():
        run_state_machine_as_test(seed(chosen)(lambda: BooksMachine()), settings=LONG)
