"""An instance, its doors seen from a machine and from the portal, and shortcuts into its books."""

from __future__ import annotations

import hashlib
import itertools
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select
from werkzeug.test import TestResponse

from app import clock
from app.api import tokens
from app.db import reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Account, Entry
from app.ledger.verify import verify
from app.money import MICRO
from tests.conftest import PORTAL_KEY, person

PRINT = "/api/v1/print/jobs"
INTERNET = "/api/v1/internet"
_numbers = itertools.count(1)


class Instance:
    """One instance, asked over HTTP, with a look into its books. Amounts are millionths."""

    def __init__(self, app: Flask, users: dict[str, int]) -> None:
        self.app = app
        self.users = users
        self.tokens = {scope: self.new_token(scope) for scope in ("print", "internet", "radius")}

    def new_token(self, scope: str) -> str:
        """Make a machine token of a scope."""
        with self.app.app_context():
            return writing(lambda session: tokens.make_machine_token(session, name="m", scope=scope, now=clock.now()))

    def call(
        self, method: str, path: str, body: object = None, *, token: str | None = None, **more: Any
    ) -> TestResponse:
        """Send JSON with a bearer token: by default the machine token of the path's scope; "" sends none."""
        if token is None:
            token = self.tokens["print" if path.startswith(PRINT) else "internet"]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None and "data" not in more:
            more["json"] = body
        client = self.app.test_client(use_cookies=False)
        return client.open(path, method=method, headers=headers | more.pop("headers", {}), **more)

    def ok(self, method: str, path: str, body: object = None, **more: Any) -> dict[str, Any]:
        """Return the JSON of an answer that must be 200."""
        answer = self.call(method, path, body, **more)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found = answer.get_json()
        assert isinstance(found, dict)
        return found

    def credit(self, name: str, amount: int) -> None:
        """Put so many millionths into a purse."""
        with self.app.app_context():
            account = accounts.get_account(reading(), user_id=self.users[name])
            writing(
                lambda session: ledger.post(
                    session,
                    account_id=account.id,
                    amount=amount,
                    source="adjustment",
                    key=f"test:{next(_numbers)}",
                    now=clock.now(),
                    title="test",
                    measured=True,
                )
            )

    def figures(self, name: str) -> tuple[int, int]:
        """Return (balance, reserved) of a user's purse."""
        with self.app.app_context():
            account = accounts.get_account(reading(), user_id=self.users[name])
            return account.balance, account.reserved

    def entries(self, name: str, source: str) -> list[Entry]:
        """Return the user's entries of one source, oldest first."""
        with self.app.app_context():
            query = select(Entry).join(Account).where(Account.user_id == self.users[name], Entry.source == source)
            return list(reading().scalars(query.order_by(Entry.id)))


@pytest.fixture
def make_api(
    make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]]
) -> Iterator[Callable[..., Instance]]:
    """A function that makes an Instance; at the end of the test its books have no difference."""
    made: list[Instance] = []

    def make(**plan: object) -> Instance:
        app = make_instance(**plan)
        with app.app_context():
            users = known()
        made.append(Instance(app, users))
        return made[-1]

    yield make
    for instance in made:
        with instance.app.app_context():
            assert verify(reading()).differences == []


@pytest.fixture
def printing(make_api: Callable[..., Instance], database_url: str) -> Instance:
    """An instance that charges print, on each database; alice has 1.00."""
    instance = make_api(database_url=database_url)
    instance.credit("alice", MICRO)
    return instance


@pytest.fixture
def internet(make_api: Callable[..., Instance], database_url: str) -> Instance:
    """An instance that charges the Internet, on each database; alice has 1.00."""
    instance = make_api(charges=("internet",), database_url=database_url)
    instance.credit("alice", MICRO)
    return instance


def job(**changes: object) -> dict[str, object]:
    """Return the body with which a print server asks: alice, 3 pages."""
    body: dict[str, object] = {
        "server": "cups1",
        "printer": "Library 1",
        "user": "alice",
        "job_id": 17,
        "job_uuid": "urn:uuid:1",
        "title": "Essay.pdf",
        "pages": 3,
    }
    return body | changes


def item(user: str = "alice", size_bytes: int = 1_000_000, **changes: object) -> dict[str, object]:
    """Return one user's usage in a batch."""
    return {"user": user, "bytes": size_bytes, "at": "2026-11-20T10:00:00Z", "requests": 4} | changes


def batch(number: int, *items: dict[str, object], source: str = "proxy1", **changes: object) -> dict[str, object]:
    """Return the body of a batch of usage."""
    return {"source": source, "batch": number, "position": {"offset": number * 100}, "items": list(items)} | changes


def portal_token(
    *, audience: str = "print", username: str = "alice", directory_id: str = "", key: str = PORTAL_KEY, **changes: Any
) -> str:
    """Sign a token as the portal does; `directory_id` "" means the right one."""
    found = directory_id or person(username, "", ()).directory_id
    claims = {"aud": audience, "sub": username, "did": found, "jti": secrets.token_urlsafe(8)} | changes
    return "tpp_" + portal_serializer(key).dumps(claims)


def portal_serializer(key: str = PORTAL_KEY, salt: str = "twinpurse.portal") -> URLSafeTimedSerializer:
    """The signer of the portal's tokens."""
    return URLSafeTimedSerializer(
        key, salt=salt, signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
    )
