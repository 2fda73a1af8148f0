"""An instance that charges the Internet, its cast, and use of it that was booked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from app import clock
from app.db import writing
from app.internet import rate_changes, rate_site_changes
from app.internet.models import UsageHour, UsagePosition
from app.internet.rate_changes import Rates
from app.settings import settings_of_app

Save = Callable[..., int]


def at(text: str) -> datetime:
    """An instant as it is written, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def booked_something() -> None:
    """A proxy has charged before: then each price did hold until the next."""
    writing(lambda session: session.add(UsagePosition(source="p", batch=1, updated_at=clock.now())))


@pytest.fixture
def save() -> Save:
    """A function that keeps rates: save(Rates(...), now=None) -> their version."""

    def keep(said: Rates, now: datetime | None = None) -> int:
        def work(session: Any) -> int:
            _, version = rate_changes.present(session, settings_of_app())
            settings, then = settings_of_app(), now or clock.now()
            kept = rate_changes.save(session, said=said, version=version, settings=settings, by="admin", now=then)
            return kept.version

        return writing(work)

    return keep


@pytest.fixture
def save_list() -> Callable[..., int]:
    """A function that keeps a list of sites: save_list("Free", 0, "example.org") -> its id."""

    def keep(name: str, percent: int, *domains: str, always_open: bool = False, now: datetime | None = None) -> int:
        return writing(
            lambda session: (
                rate_site_changes.save_site_list(
                    session,
                    site_list_id=None,
                    name=name,
                    percent=percent,
                    always_open=always_open,
                    domains=domains,
                    settings=settings_of_app(),
                    by="admin",
                    now=now or clock.now(),
                ).id
            )
        )

    return keep


@pytest.fixture
def use() -> Callable[..., None]:
    """A function that keeps an hour of use: use(user_id, "2026-11-23T10:00+01:00", download=..., charged=...)."""

    def keep(user_id: int, hour: str | datetime, site_list_id: int = 0, **sums: int) -> None:
        when = at(hour) if isinstance(hour, str) else hour
        row = {"user_id": user_id, "hour": when, "site_list_id": site_list_id} | sums
        writing(lambda session: session.add(UsageHour(**row)))

    return keep


@pytest.fixture
def people(net_app: Flask, known: Callable[..., dict[str, int]]) -> dict[str, int]:
    """The cast at an instance that charges the Internet: name -> user id."""
    with net_app.app_context():
        return known()
