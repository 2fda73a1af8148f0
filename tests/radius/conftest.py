"""An instance that charges the Internet, asked as FreeRADIUS asks it, and a real FreeRADIUS before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.db import reading
from app.internet.models import UnmatchedUsage, UsageCarry, UsageHour
from app.ledger.models import Account, Entry
from app.ledger.verify import verify
from app.money import MICRO
from app.radius.models import RadiusSession
from tests.api.conftest import Instance
from tests.servers.freeradius import FreeRadius
from tests.servers.web import WebServer

RADIUS = "/api/v1/radius"
PASSWORDS = {"alice": "wonder", "bob": "builder", "nobody": "knows", "jos\u00e9": "x"}
FREE = 10**15


class Wifi(Instance):
    """An instance with the door of RADIUS, and shortcuts into its sessions."""

    def __init__(self, app: Flask, users: dict[str, int]) -> None:
        super().__init__(app, users)
        self.radius_token = self.new_token("radius")

    def post(self, path: str, **attributes: object) -> TestResponse:
        """Send attributes as rlm_rest does; `Acct_Session_Id="x"` is Acct-Session-Id."""
        body = {key.replace("_", "-"): {"type": "x", "value": [value]} for key, value in attributes.items()}
        return self.call("POST", f"{RADIUS}/{path}", body, token=self.radius_token)

    def account(self, status: str, session: str = "s1", user: str = "alice", **attributes: object) -> None:
        """Send one accounting packet of a NAS "ap1", which must be taken."""
        given = {
            "Acct_Status_Type": status, "Acct_Session_Id": session, "User_Name": user, "NAS_Identifier": "ap1",
            "NAS_IP_Address": "10.0.0.1",
        } | attributes  # fmt: skip
        answer = self.post("accounting", **{key: value for key, value in given.items() if value is not None})
        assert answer.status_code == 204, answer.get_data(as_text=True)

    def rows(self) -> list[RadiusSession]:
        """Every session, oldest first."""
        with self.app.app_context():
            return list(reading().scalars(select(RadiusSession).order_by(RadiusSession.id)))

    def charged(self, name: str) -> int:
        """Bytes that a person was charged for: on entries, and not yet on one."""
        with self.app.app_context():
            mine = Account.user_id == self.users[name]
            query = select(func.coalesce(func.sum(Entry.quantity), 0)).join(Account).where(mine)
            entries = int(reading().scalar(query.where(Entry.source == "internet")) or 0)
            carry = reading().get(UsageCarry, self.users[name])
            hours = select(func.coalesce(func.sum(UsageHour.download + UsageHour.upload), 0))
            hourly = int(reading().scalar(hours.where(UsageHour.user_id == self.users[name])) or 0)
        total = entries + (carry.bytes if carry else 0)
        assert total == hourly, "the figures of the hours differ from the books"
        return total

    def kept(self) -> dict[str, int]:
        """Bytes kept aside, by name."""
        with self.app.app_context():
            query = select(UnmatchedUsage.username, func.sum(UnmatchedUsage.bytes)).group_by(UnmatchedUsage.username)
            return {row[0]: int(row[1]) for row in reading().execute(query)}


@pytest.fixture
def make_wifi(
    make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]]
) -> Iterator[Callable[..., Wifi]]:
    """A function that makes a Wifi; at the end of the test its books have no difference."""
    made: list[Wifi] = []

    def make(**plan: Any) -> Wifi:
        app = make_instance(charges=("internet",), **plan)
        with app.app_context():
            users = known()
        made.append(Wifi(app, users))
        return made[-1]

    yield make
    for wifi in made:
        with wifi.app.app_context():
            assert verify(reading()).differences == []


@pytest.fixture
def wifi(make_wifi: Callable[..., Wifi], database_url: str) -> Wifi:
    """An instance that charges the Internet, on each database; alice has 1.00."""
    wifi = make_wifi(database_url=database_url)
    wifi.credit("alice", MICRO)
    return wifi


@pytest.fixture
def radius(make_wifi: Callable[..., Wifi]) -> Iterator[tuple[Wifi, FreeRadius]]:
    """An instance on SQLite and a real FreeRADIUS that asks it over HTTP, as the set-up page says."""
    wifi = make_wifi()
    with (
        WebServer(wifi.app) as web,
        FreeRadius(instance_url=web.url, token=wifi.radius_token, users=PASSWORDS) as server,
    ):
        yield wifi, server
