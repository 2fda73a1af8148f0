"""What tests of signing in share: a clock in the hand, an instance that asks a real OpenLDAP, and quick refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete

from app import clock
from app.db import writing
from app.people import credentials, local
from app.people.models import SignInFailure
from app.settings_tables import SignInSection
from directory.gate import GatedDirectory
from directory.ldap import LdapDirectory
from directory.settings import DirectorySettings
from tests.directory import policies
from tests.servers.slapd import Slapd


class Hand:
    """Moves the clock that the whole application asks."""

    def __init__(self) -> None:
        self.now = clock.now()

    def on(self, **step: float) -> None:
        """Let time pass."""
        self.now += timedelta(**step)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    """The clock in the test's hand."""
    hand = Hand()
    monkeypatch.setattr(clock, "now", hand)
    return hand


@pytest.fixture(autouse=True)
def quick_refusals(monkeypatch: pytest.MonkeyPatch) -> float:
    """Refusals are not held back, but where a test does so; returns for how long they are in earnest.

    And local passwords are hashed quickly: in earnest each costs a fifth of a second.
    """
    in_earnest = credentials.REFUSAL_TAKES_S
    monkeypatch.setattr(credentials, "REFUSAL_TAKES_S", 0.0)
    monkeypatch.setattr(local, "HASH", "scrypt:1024:8:1")
    return in_earnest


@pytest.fixture(scope="package")
def real_slapd() -> Iterator[Slapd]:
    """OpenLDAP with the demo's people and password policies: 10 wrong passwords lock an account for half an hour."""
    with Slapd(more_ldif=policies.LDIF, overlays=policies.OVERLAYS) as server:
        yield server


@pytest.fixture
def real_app(make_instance: Callable[..., Flask], real_slapd: Slapd) -> Flask:
    """An instance that asks that OpenLDAP."""
    app = make_instance()
    app.extensions["twinpurse.directory"] = GatedDirectory(ask(real_slapd))
    return app


def with_sign_in(app: Flask, **section: Any) -> Flask:
    """The instance with another [sign_in] table."""
    settings = app.extensions["twinpurse.settings"]
    settings.config = settings.config.model_copy(update={"sign_in": SignInSection(**section)})
    return app


def forget(app: Flask) -> None:
    """Forget every wrong password, so that the next is not held up."""
    with app.app_context():
        writing(lambda session: session.execute(delete(SignInFailure)))


def ask(server: Slapd) -> LdapDirectory:
    """The directory as an instance asks it."""
    settings = DirectorySettings(
        servers=[server.ldaps_url], ca_file=str(server.ca_file), bind_dn=server.bind_dn, base_dn=server.base_dn
    )
    return LdapDirectory(settings, server.bind_password)


LOCAL_PASSWORD = "correct horse battery"


def make_local(app: Flask, username: str, *, days: int = 7, administrator: bool = False) -> int:
    """Make a local person whose password is LOCAL_PASSWORD; return their id."""
    now = clock.now()
    with app.app_context():
        return writing(
            lambda session: (
                local.create(
                    session,
                    username=username,
                    display_name=f"{username.title()} Local",
                    password=LOCAL_PASSWORD,
                    expires_at=None if administrator else now + timedelta(days=days),
                    made_by="a test",
                    now=now,
                    administrator=administrator,
                ).id
            )
        )
